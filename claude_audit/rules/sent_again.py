"""Attempts that a later request repeated: the client gave up, the answer could not be used, or ended at its cap.

The amount is what the lever drop_retries leaves out: `claude-audit explain lever drop_retries`."""

from claude_audit.rules._of_lever import of_lever

RULE = of_lever(
    "sent_again",
    "requests sent again",
    "drop_retries",
    ("was an attempt that a later one repeated", "were attempts that a later one repeated"),
    "retry once, after a pause, and raise max_tokens where answers were cut off",
    __doc__,
)
