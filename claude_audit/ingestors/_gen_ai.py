"""What OpenTelemetry calls the facts of a model call, by the conventions and by the libraries that have names of their own.

Attribute names as of: semantic conventions for generative AI (2026), anthropic SDK 2.11, opentelemetry-instrumentation-
anthropic 0.62, openinference-instrumentation-anthropic 3.1, OpenLIT 1.45, pydantic-ai and Logfire (2026-08), ai 6.0, Claude Code 2.1.329.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

from claude_audit.ingestors._langfuse_names import OF_FIELD

LANGFUSES = "langfuse.observation.usage_details"
"""Langfuse's SDK (since version 3) has its counts in one attribute, as JSON."""
RAW = "gen_ai.usage.raw"
"""The API's own usage block as JSON, where Logfire has it; its attributes have the sum of the input and no cached tokens."""
OF_LANGFUSE = "langfuse.usage."
"""Before its keys, which are read as attributes of their own."""

_NAMES: Mapping[str, Sequence[str]] = {
    "input_tokens": (
        "gen_ai.usage.input_tokens",
        "gen_ai.usage.prompt_tokens",
        "gen_ai.response.prompt_tokens",
        "llm.token_count.prompt",
        "llm.usage.prompt_tokens",
        "ai.usage.inputTokens",
        "ai.usage.promptTokens",
    ),
    "output_tokens": (
        "gen_ai.usage.output_tokens",
        "gen_ai.usage.completion_tokens",
        "gen_ai.response.completion_tokens",
        "llm.token_count.completion",
        "llm.usage.completion_tokens",
        "ai.usage.outputTokens",
        "ai.usage.completionTokens",
    ),
    "cache_read_tokens": (
        "gen_ai.usage.cache_read.input_tokens",
        "gen_ai.usage.cache_read_input_tokens",
        "gen_ai.usage.cache_read_tokens",
        "gen_ai.usage.cached_input_tokens",
        "gen_ai.usage.cached_tokens",
        "gen_ai.usage.input_tokens.cached",
        "gen_ai.usage.details.cache_read_input_tokens",
        "gen_ai.usage.details.cache_read_tokens",
        "llm.token_count.prompt_details.cache_read",
        "ai.usage.inputTokenDetails.cacheReadTokens",
        "ai.usage.cachedInputTokens",
    ),
    "cache_write_tokens": (
        "gen_ai.usage.cache_creation.input_tokens",
        "gen_ai.usage.cache_write.input_tokens",
        "gen_ai.usage.cache_creation_input_tokens",
        "gen_ai.usage.cache_write_input_tokens",
        "gen_ai.usage.cache_creation_tokens",
        "gen_ai.usage.cache_write_tokens",
        "gen_ai.usage.input_tokens.cache_write",
        "gen_ai.usage.details.cache_creation_input_tokens",
        "gen_ai.usage.details.cache_write_tokens",
        "llm.token_count.prompt_details.cache_write",
        "ai.usage.inputTokenDetails.cacheWriteTokens",
    ),
    "cache_write_5m_tokens": (
        "anthropic.usage.cache_creation.ephemeral_5m_input_tokens",
        "gen_ai.usage.cache_creation.ephemeral_5m_input_tokens",
    ),
    "cache_write_1h_tokens": (
        "anthropic.usage.cache_creation.ephemeral_1h_input_tokens",
        "gen_ai.usage.cache_creation.ephemeral_1h_input_tokens",
    ),
    "thinking_tokens": (
        "gen_ai.usage.reasoning.output_tokens",
        "gen_ai.usage.reasoning_tokens",
        "gen_ai.usage.output_tokens.reasoning",
        "llm.token_count.completion_details.reasoning",
        "ai.usage.outputTokenDetails.reasoningTokens",
        "ai.usage.reasoningTokens",
    ),
    "total_tokens": (
        "gen_ai.usage.total_tokens",
        "llm.token_count.total",
        "llm.usage.total_tokens",
        "ai.usage.totalTokens",
    ),
    "model_raw": (
        "gen_ai.response.model",
        "ai.response.model",
        "llm.model_name",
        "gen_ai.request.model",
        "ai.model.id",
        "langfuse.observation.model.name",
    ),
    "vendor": ("gen_ai.provider.name", "gen_ai.system", "ai.model.provider", "llm.provider", "llm.system"),
    "operation": ("gen_ai.operation.name", "llm.request.type"),
    "response_id": ("gen_ai.response.id", "ai.response.id"),
    "request_id": ("anthropic.request.id",),
    "session": ("gen_ai.conversation.id", "session.id", "anthropic.session.id", "langfuse.session.id"),
    "endpoint": ("ai.telemetry.functionId", "gen_ai.agent.name", "langfuse.trace.name"),
    "user": ("user.email", "enduser.id", "user.id", "langfuse.user.id"),
    "workspace": ("anthropic.workspace.id",),
    "tier": ("anthropic.response.service_tier",),
    "max_tokens": ("gen_ai.request.max_tokens", "ai.settings.maxOutputTokens", "ai.settings.maxTokens"),
    "stop_reason": ("anthropic.message.stop_reason", "gen_ai.response.finish_reasons"),
    "effort": ("gen_ai.request.reasoning.level",),
    "stream": ("gen_ai.request.stream",),
    "ttft_ms": ("ai.response.msToFirstChunk",),
    "cost_reported_usd": ("gen_ai.usage.cost", "operation.cost", "llm.cost.total"),
}
NAMES: Mapping[str, Sequence[str]] = {
    field: (*names, *(f"{OF_LANGFUSE}{name}" for name in OF_FIELD.get(field, ()))) for field, names in _NAMES.items()
}
"""Our field -> the attributes that tell it, the nearest to the response first."""

ASKED = ("gen_ai.request.model", "ai.model.id")
"""The model that was asked for. Of Bedrock its id tells the region, which the answer's model does not."""
COUNTED = ("input_tokens", "output_tokens")
"""Fields one of which a record of a call has."""


def first(field: str, value: Callable[[str], str]) -> str:
    """SQL: the first recorded attribute of a field; `value` makes the SQL of an attribute's text from its name."""
    return f"coalesce({', '.join(value(name) for name in NAMES[field])}, NULL)"
