"""The Messages API's `usage` block, which many formats hold: its structure, and the call columns that it fills."""

from __future__ import annotations

from collections.abc import Mapping

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


def misses_of(diagnostics: str) -> dict[str, str]:
    """Call column -> SQL, of the diagnostics at `diagnostics` (an expression of type struct)."""
    return {
        "cache_miss_reason": f'{diagnostics}.cache_miss_reason."type"',
        "cache_missed_tokens": f"{diagnostics}.cache_miss_reason.cache_missed_input_tokens",
    }


def misses(diagnostics: str) -> str:
    """SQL: the same as a list of columns."""
    return listed(misses_of(diagnostics))


def counts_of(usage: str) -> dict[str, str]:
    """Call column -> SQL, of the usage block at `usage` (an expression of type struct)."""
    searches, fetches = (f"{usage}.server_tool_use.web_{what}_requests" for what in ("search", "fetch"))
    return {
        "input_tokens": f"{usage}.input_tokens",
        "output_tokens": f"{usage}.output_tokens",
        "cache_read_tokens": f"{usage}.cache_read_input_tokens",
        "cache_write_tokens": f"{usage}.cache_creation_input_tokens",
        "cache_write_5m_tokens": f"{usage}.cache_creation.ephemeral_5m_input_tokens",
        "cache_write_1h_tokens": f"{usage}.cache_creation.ephemeral_1h_input_tokens",
        "thinking_tokens": f"{usage}.output_tokens_details.thinking_tokens",
        "web_searches": searches,
        "server_calls": f"TRY(coalesce(TRY_CAST({searches} AS BIGINT), 0) + coalesce(TRY_CAST({fetches} AS BIGINT), 0))",
        "tier": f"{usage}.service_tier",
        "geo": f"{usage}.inference_geo",
        "speed": f"{usage}.speed",
        "iterations": f"CASE WHEN json_type({usage}.iterations) = 'ARRAY' THEN {usage}.iterations END",
    }


def counts(usage: str) -> str:
    """SQL: the same as a list of columns."""
    return listed(counts_of(usage))


def listed(columns: Mapping[str, str]) -> str:
    """SQL: the columns as a part of a select list."""
    return ", ".join(f"{sql} AS {name}" for name, sql in columns.items())
