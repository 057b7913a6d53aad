"""Requests that are equal to one of the hour before.

The amount is what the lever response_cache saves with answers kept for an hour, refused and cut ones not."""

from claude_audit.rules._of_lever import of_lever

RULE = of_lever(
    "asked_before",
    "the same request again",
    "response_cache",
    (
        "repeats, word for word, what was asked within the hour before",
        "repeat, word for word, what was asked within the hour before",
    ),
    "keep answers by the hash of the request",
    __doc__,
)
