"""Envoy AI Gateway: JSON access logs whose keys go by OpenTelemetry's names for model calls.

Recognised by a top-level key `gen_ai.usage.input_tokens` (or `…output_tokens`), or `genai_tokens_input` as the example had
it up to version 0.4. The keys of an access log are the user's own:
those of the gateway's example, of the conventions for generative AI, and names that claude_audit knows are read, the rest are
tags, but for what describes the connection. A line is one request; `x-request-id` and its start identify it.

Input includes cached tokens, which the gateway counts so for every vendor. The counts of the cache are there only where the
route defines them; a file without any is flagged (`cache_unseen`: there, cached tokens are billed as plain input). Lines
without counts (`-`), and other vendors' models, are ignored. Cannot tell: the TTL of cache writes, tier, speed, geography.
"""

from __future__ import annotations

from claude_audit.ingestors import Head, Ingestor, Kind, Reading
from claude_audit.ingestors import _gateways as gateways
from claude_audit.ingestors import _gen_ai as gen_ai
from claude_audit.ingestors import _records as wrapped

COUNTS = (
    "input_tokens",
    "output_tokens",
    "cache_read_tokens",
    "cache_write_tokens",
    "cache_write_5m_tokens",
    "cache_write_1h_tokens",
    "thinking_tokens",
)
FIELDS = (
    *COUNTS,
    "model_raw",
    "vendor",
    "response_id",
    "session",
    "endpoint",
    "user",
    "max_tokens",
    "stop_reason",
    "tier",
)
OWN = ("start_time", "duration", "response_code", "x-request-id", "route_name")
STRUCTURE = {name: "VARCHAR" for field in FIELDS for name in gen_ai.NAMES[field]} | dict.fromkeys(OWN, "VARCHAR")
OLDER = {
    "input_tokens": ("genai_tokens_input",),
    "output_tokens": ("genai_tokens_output",),
    "cache_read_tokens": ("genai_tokens_cached_input", "genai_tokens_cached", "genai_tokens_cache_read"),
    "cache_write_tokens": (
        "genai_tokens_cache_creation_input",
        "genai_tokens_cache_creation",
        "genai_tokens_cache_write",
    ),
    "model_raw": ("genai_response_model", "genai_model_name_override", "genai_model_name"),
    "vendor": ("genai_backend_name",),
}
"""Our field -> its names in the gateway's example up to version 0.4, and names after their fashion."""
STRUCTURE |= {name: "VARCHAR" for names in OLDER.values() for name in names}
MARKS = ("gen_ai.usage.input_tokens", "gen_ai.usage.output_tokens", "genai_tokens_input", "genai_tokens_output")
CONNECTION = (
    "^(gen_ai\\.|genai_|bytes_|upstream_|downstream_|connection_|response_|request_duration|requested_|x-forwarded|x-envoy|"
    "(start_time|duration|protocol|method|user-agent|x-request-id|:?authority|route_name|session\\.id)$)"
)
"""Keys that describe the connection, or that are read: no tags."""


def _recognise(head: Head) -> bool:
    return any(mark in found for found in head.inside for mark in MARKS)


def _value(name: str) -> str:
    return f"nullif(nullif(r.\"{name}\", '-'), '')"


def _first(field: str) -> str:
    """SQL: the first recorded name of a field."""
    older = "".join(f", {_value(name)}" for name in OLDER.get(field, ()))
    return f"coalesce({gen_ai.first(field, _value)}{older})" if older else gen_ai.first(field, _value)


def _select(_: Reading) -> str:
    read = gateways.records(STRUCTURE, f"({wrapped.unwrapped(MARKS)})", "part")
    told = ", ".join(f'{_first(field)} AS "{field}_told"' for field in FIELDS)
    nothing = gateways.nothing_counted("input_tokens_told", "output_tokens_told")
    unread = f"list_filter(fields, lambda e: NOT regexp_matches(lower(e.key), '{CONNECTION}'))"
    return f"""
        WITH told AS (
            SELECT file, line, part, text, r, {gateways.pairs("text")} AS fields, {told} FROM ({read})
        )
        SELECT
            file, line, part, {gateways.NOT_JSON} AS reject,
            -- The provider's name is the user's own word for a backend: only the model tells another vendor.
            CASE WHEN {nothing} THEN
                CASE WHEN {gateways.failed("r.response_code")} THEN 'failed call without usage' ELSE 'record without usage' END
            END AS ignore,
            coalesce({_value("start_time")}, {gateways.label("ts", "fields")}) AS ts,
            model_raw_told AS model_raw,
            'envoy:' || {_value("x-request-id")} || coalesce('/' || {_value("start_time")}, '') AS identity,
            CASE WHEN starts_with(response_id_told, 'msg_') THEN response_id_told END AS message_id,
            'envoy' AS gateway,
            true AS inclusive,
            {", ".join(f"{name}_told AS {name}" for name in COUNTS)},
            bool_and(cache_read_tokens_told IS NULL AND cache_write_tokens_told IS NULL) OVER (PARTITION BY file) AS cache_unseen,
            CASE WHEN {gateways.failed("r.response_code")} AND {gateways.nothing_counted("output_tokens_told")} THEN 'error' END AS status,
            {_value("duration")} AS latency_ms,
            tier_told AS tier,
            max_tokens_told AS max_tokens,
            stop_reason_told AS stop_reason,
            coalesce(endpoint_told, {gateways.label("endpoint", "fields")}, {_value("route_name")}) AS endpoint,
            coalesce(user_told, {gateways.label("user", "fields")}) AS "user",
            coalesce(session_told, {gateways.label("session", "fields")}) AS session,
            {", ".join(f"{gateways.label(name, 'fields')} AS {name}" for name in ("team", "project", "environment"))},
            {gateways.tags(f"list_append({unread}, {{'key': 'backend', 'value': vendor_told}})", but=_labelled())} AS tags
        FROM told"""


def _labelled() -> tuple[str, ...]:
    return tuple(name for name in gateways.KNOWN if name != "backend")


ENVOY = Ingestor(
    name="envoy",
    title="Envoy AI Gateway access logs",
    kind=Kind.LINES,
    recognise=_recognise,
    select=_select,
    rank=70,
    shared=True,
    doc=__doc__,
)
