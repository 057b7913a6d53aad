"""System prompts of more than 500 tokens.

The amount is what the lever trim_system saves at 500 tokens, caches included."""

from claude_audit.rules._of_lever import of_lever

RULE = of_lever(
    "long_system_prompt",
    "long system prompts",
    "trim_system",
    ("carries a system prompt of more than 500 tokens", "carry a system prompt of more than 500 tokens"),
    "shorten it, but not below the shortest prompt that is cached",
    __doc__,
)
