"""Who emits spans and events of model calls, and what the input that each one tells includes.

SQL over a record's `scope`, `vendor` and `of_claude_code`, for claude_audit.ingestors.otlp. What no rule here knows is
judged by the records of its file.
"""

from __future__ import annotations

SDK = "starts_with(scope, 'com.anthropic.sdk') OR starts_with(scope, 'com.anthropic.claude-platform')"
OWN_NAMES = "(starts_with(scope, 'com.anthropic.claude_code') OR starts_with(coalesce(s.name, ''), 'claude_code.'))"
"""Of Claude Code's records: by their scope, or by their name where a pipeline has dropped the scope."""

OPENLIT = "regexp_matches(scope, '^@?openlit')"
OWN_INPUT = (
    "langfuse-sdk",
    "opentelemetry.instrumentation.bedrock",
    "openinference.instrumentation.claude_agent_sdk",
    "@arizeai/openinference-instrumentation-bedrock",
    "@arizeai/openinference-instrumentation-claude-agent-sdk",
)
"""Hand on the input as the API counts it, Bedrock's or Anthropic's (read in 2026)."""
EXCLUSIVE = (
    f"of_claude_code OR scope IN {OWN_INPUT} "
    f"OR {OPENLIT} AND regexp_matches(scope, 'instrumentation[.-](anthropic|bedrock)') "
    f"OR {OPENLIT} AND NOT contains(scope, 'instrumentation') AND regexp_matches(lower(vendor), 'anthropic|bedrock')"
)
"""OpenLIT had one scope for all libraries before it had one for each."""
INCLUSIVE = (
    f"{SDK} OR scope IN ('opentelemetry.instrumentation.anthropic', 'gen_ai', 'pydantic-ai', 'litellm', 'logfire.claude_agent_sdk') "
    "OR starts_with(scope, 'openinference.instrumentation.anthropic') "
    f"OR {OPENLIT} AND (lower(vendor) = 'litellm' OR regexp_matches(scope, 'litellm|claude.agent.sdk'))"
)
TOTAL_TELLS = "scope = 'openinference.instrumentation.bedrock'"
"""Hands on the input of Converse as Bedrock counts it, beside Bedrock's total, which adds the cached tokens; to that of Anthropic's
own answers it adds them itself, and tells no total."""
SUMS = (
    "scope IN ('logfire.claude_agent_sdk', 'openinference.instrumentation.claude_agent_sdk', "
    "'@arizeai/openinference-instrumentation-claude-agent-sdk')"
)
"""Of a run of the Claude Agent SDK they tell the sums of its main loop, on the agent's span, and no call's counts (read in 2026)."""

MIXED_INPUT = ("gcp.vertex.agent", "litellm")
"""Their input has the cached tokens in it where LiteLLM made the call, and Google's ADK leaves them out elsewhere."""
NO_CACHE_COUNTS = (
    *MIXED_INPUT,
    "@arizeai/openinference-instrumentation-anthropic",
    "@arizeai/openinference-instrumentation-claude-agent-sdk",
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
