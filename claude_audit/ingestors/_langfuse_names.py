"""What Langfuse calls the counts of a generation: in its exports, and in one attribute of the spans that its SDK emits."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

INPUT = ("input", "input_tokens", "prompt_tokens")
OUTPUT = ("output", "output_tokens", "completion_tokens")
READ = ("input_cached_tokens", "input_cache_read", "cache_read_input_tokens", "input_cache_read_tokens", "cache_read")
REST = (
    "input_cache_creation",
    "cache_creation_input_tokens",
    "input_cache_creation_tokens",
    "cache_creation",
    "input_cache_write",
    "cache_write.input_tokens",
    "cache_write_input_tokens",
)
BY_PROVIDER = "input_cache_write"
"""What the AI SDK's provider for Bedrock wrote. Up to its version 5 the input left it out, since version 6 it has it."""
LEFT_IN = "cache_write.input_tokens"
"""What the anthropic SDK's spans call their writes. Langfuse does not know the name, and so does not take them out of the input."""
UNKNOWN = "cache_write_input_tokens"
"""What Strands calls them, whose input leaves the cache out. Langfuse takes the reads out of it all the same, down to 0; where
the total is Bedrock's own, it tells how much there was."""
SPLIT = {
    ttl: (
        f"input_cache_creation_{ttl}",
        f"cache_creation_{ttl}",
        f"ephemeral_{ttl}_input_tokens",
        f"input_ephemeral_{ttl}_input_tokens",
    )
    for ttl in ("5m", "1h")
}
"""Langfuse's handler for LangChain puts `input_` before what LangChain calls them."""
TOTAL = ("total", "total_tokens")
REASONING = ("output_reasoning_tokens", "output_reasoning")

OF_FIELD: Mapping[str, Sequence[str]] = {
    "input_tokens": INPUT,
    "output_tokens": OUTPUT,
    "cache_read_tokens": READ,
    "cache_write_tokens": REST,
    "cache_write_5m_tokens": SPLIT["5m"],
    "cache_write_1h_tokens": SPLIT["1h"],
    "thinking_tokens": REASONING,
    "total_tokens": TOTAL,
}
"""Our field -> its names."""
