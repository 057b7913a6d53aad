"""The Messages API's `usage` block, which many formats hold: its structure, and the call columns that it fills."""

from __future__ import annotations

USAGE = {
    "input_tokens": "VARCHAR",
    "output_tokens": "VARCHAR",
    "cache_read_input_tokens": "VARCHAR",
    "cache_creation_input_tokens": "VARCHAR",
    "cache_creation": {"ephemeral_5m_input_tokens": "VARCHAR", "ephemeral_1h_input_tokens": "VARCHAR"},
    "output_tokens_details": {"thinking_tokens": "VARCHAR"},
    "server_tool_use": {"web_search_requests": "VARCHAR", "web_fetch_requests": "VARCHAR"},
    "service_tier": "VARCHAR",
    "inference_geo": "VARCHAR",
    "speed": "VARCHAR",
    "iterations": "JSON",
}
"""For json_transform. All counts as text, so that what is no count can be named."""

DIAGNOSTICS = {"cache_miss_reason": {"type": "VARCHAR", "cache_missed_input_tokens": "VARCHAR"}}
"""What stands beside the usage block where the caller asked for it (a beta of the Messages API): why the cache was missed."""


def misses(diagnostics: str) -> str:
    """SQL: the call columns of the diagnostics at `diagnostics` (an expression of type struct)."""
    return f"""
            {diagnostics}.cache_miss_reason."type" AS cache_miss_reason,
            {diagnostics}.cache_miss_reason.cache_missed_input_tokens AS cache_missed_tokens"""


def counts(usage: str) -> str:
    """SQL: the call columns of the usage block at `usage` (an expression of type struct)."""
    return f"""
            {usage}.input_tokens AS input_tokens,
            {usage}.output_tokens AS output_tokens,
            {usage}.cache_read_input_tokens AS cache_read_tokens,
            {usage}.cache_creation_input_tokens AS cache_write_tokens,
            {usage}.cache_creation.ephemeral_5m_input_tokens AS cache_write_5m_tokens,
            {usage}.cache_creation.ephemeral_1h_input_tokens AS cache_write_1h_tokens,
            {usage}.output_tokens_details.thinking_tokens AS thinking_tokens,
            {usage}.server_tool_use.web_search_requests AS web_searches,
            TRY(coalesce(TRY_CAST({usage}.server_tool_use.web_search_requests AS BIGINT), 0)
                + coalesce(TRY_CAST({usage}.server_tool_use.web_fetch_requests AS BIGINT), 0)) AS server_calls,
            {usage}.service_tier AS tier,
            {usage}.inference_geo AS geo,
            {usage}.speed AS speed,
            CASE WHEN json_type({usage}.iterations) = 'ARRAY' THEN {usage}.iterations END AS iterations"""
