"""Who emits spans and events of model calls, and what the input that each one tells includes.

SQL over a record's `scope`, `vendor` and `of_claude_code`, for claude_audit.ingestors.otlp. What no rule here knows is
judged by the records of its file.
"""

from __future__ import annotations

SDK = "starts_with(scope, 'com.anthropic.sdk') OR starts_with(scope, 'com.anthropic.claude-platform')"
OWN_NAMES = "(starts_with(scope, 'com.anthropic.claude_code') OR starts_with(coalesce(s.name, ''), 'claude_code.'))"
"""Of Claude Code's records: by their scope, or by their name where a pipeline has dropped the scope."""

EXCLUSIVE = (
    "of_claude_code OR scope IN ('openlit.instrumentation.anthropic', 'langfuse-sdk') "
    "OR starts_with(scope, 'openlit') AND NOT contains(scope, '.instrumentation.') AND lower(vendor) = 'anthropic'"
)
"""OpenLIT had one scope for all libraries before it had one for each."""
INCLUSIVE = (
    f"{SDK} OR scope IN ('opentelemetry.instrumentation.anthropic', 'gen_ai', 'pydantic-ai', 'litellm') "
    "OR starts_with(scope, 'openinference.instrumentation.anthropic') "
    "OR starts_with(scope, 'openlit') AND (lower(vendor) = 'litellm' OR regexp_matches(scope, 'litellm|claude_agent_sdk'))"
)

MIXED_INPUT = ("gcp.vertex.agent", "litellm")
"""Their input has the cached tokens in it where LiteLLM made the call, and Google's ADK leaves them out elsewhere."""
NO_CACHE_COUNTS = (
    *MIXED_INPUT,
    "@arizeai/openinference-instrumentation-anthropic",
    "opentelemetry.instrumentation.botocore.bedrock-runtime",
    "Microsoft.SemanticKernel.Diagnostics",
)
"""Write input and output and no count of cached tokens (seen in 2026); a version that does is told by its counts."""

DETAILS = tuple(f"ai.usage.inputTokenDetails.{what}Tokens" for what in ("cacheRead", "cacheWrite", "noCache"))
"""The AI SDK since version 6: its input then includes what these name."""
BESIDE = {"cache_read_tokens": "cacheReadInputTokens", "cache_write_tokens": "cacheCreationInputTokens"}
"""What the AI SDK's providerMetadata names beside the raw usage block, or, up to its version 4, without it: its input then
was Anthropic's own, without the cache."""
OF_BEDROCK = {"cache_read_tokens": "cacheReadInputTokens", "cache_write_tokens": "cacheWriteInputTokens"}
"""What it names there of a call on Bedrock: the only place for cache writes up to version 5, whose input leaves them out;
version 6 puts them into the input and tells `noCacheTokens`."""
