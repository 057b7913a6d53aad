"""Prompts a little over the size at which the whole request changes its price.

The amount is what the lever under_band saves at 20 %."""

from claude_audit.rules._of_lever import of_lever

RULE = of_lever(
    "just_over_a_band",
    "prompts just over a price band",
    "under_band",
    (
        "has a prompt up to 20 % over the size from which all of it costs more",
        "have a prompt up to 20 % over the size from which all of it costs more",
    ),
    "shorten these prompts to the band",
    __doc__,
)
