"""PostHog's LLM events: what its queries, its API and its batch exports write, as JSON, JSON lines, CSV or Parquet.

Recognised by an `event` whose name begins with `$ai_`, or columns of `event` and `properties`. An event `$ai_generation` is a
call, by its uuid; `$ai_trace` and `$ai_span` repeat what is in them, and are ignored with all other events, generations
without tokens and other vendors' models. Properties stand in an object, in a string of JSON or in columns of their own.

Whether the input leaves cached tokens out is what PostHog writes to each event (`$ai_cache_reporting_exclusive`). Without
that it does, as PostHog takes it for Anthropic and for Claude's models; where another provider is named, and the input is
large enough to have them, that is flagged (`basis_assumed`).

Tells: model, provider, token classes, TTL of cache writes in some SDKs, thinking, searches, time, latency, time to the first
token, stop reason, output cap, user (the distinct id), session, and own properties as labels (every one a tag; those named
feature, team and so on fill those columns). `$ai_total_cost_usd` is an estimate, of PostHog or of the client: kept as
reported cost, never used. Cannot tell: tier, geography, passes; of the Claude Agent SDK's events, which of them is the sum of
a run that told nothing else.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from claude_audit.ingestors import _gateways as gateways
from claude_audit.ingestors import _labels as labels
from claude_audit.ingestors import _records as records

PROPERTIES = {
    "model": "$ai_model",
    "vendor": "$ai_provider",
    "url": "$ai_base_url",
    "in_tokens": "$ai_input_tokens",
    "out_tokens": "$ai_output_tokens",
    "read_tokens": "$ai_cache_read_input_tokens",
    "written": "$ai_cache_creation_input_tokens",
    "w5": "$ai_cache_creation_5m_input_tokens",
    "w1": "$ai_cache_creation_1h_input_tokens",
    "thought": "$ai_reasoning_tokens",
    "searches": "$ai_web_search_count",
    "exclusive": "$ai_cache_reporting_exclusive",
    "latency": "$ai_latency",
    "first": "$ai_time_to_first_token",
    "stop": "$ai_stop_reason",
    "streamed": "$ai_stream",
    "cap": "$ai_max_tokens",
    "failed": "$ai_is_error",
    "http": "$ai_http_status",
    "cost": "$ai_total_cost_usd",
    "conversation": "$ai_session_id",
    "generation": "$ai_generation_id",
}
"""Our name -> the property."""
FIELDS = records.fields(
    texts="uuid id event timestamp distinct_id "
    + " ".join(f"column_{name}=properties.{name_of}|{name_of}" for name, name_of in PROPERTIES.items()),
    nested="properties",
    marks="properties $ai_model properties.$ai_model",
)
COLUMNS = frozenset(("event", "properties", "distinct_id"))
OWN = ("token", "distinct_id")
"""Properties of PostHog's own whose names begin without a dollar sign."""


def _belongs(record: Mapping[str, Any] | Sequence[str]) -> bool:
    if isinstance(record, Mapping):
        return str(record.get("event", "")).startswith("$ai_") and (
            "properties" in record or any("$ai_" in name for name in record)
        )
    return set(record) >= COLUMNS or any("$ai_model" in name for name in record)


def _calls(rows: str) -> str:
    """SQL: the calls. told: each property, wherever it stands."""
    told = ", ".join(
        f"""coalesce(json_extract_string(properties, '$."{theirs}"'), column_{name}) AS {name}"""
        for name, theirs in PROPERTIES.items()
    )
    own = f"list_filter({gateways.pairs('properties')}, lambda e: NOT starts_with(e.key, '$'))"
    split = "coalesce(count_of(w5), 0)::HUGEINT + coalesce(count_of(w1), 0)"
    cached = f"coalesce(count_of(read_tokens), 0)::HUGEINT + greatest(coalesce(count_of(written), 0), {split})"
    nothing = gateways.nothing_counted("in_tokens", "out_tokens", "read_tokens", "written")
    error = f"(coalesce(truth(failed), false) OR {gateways.failed('http')})"
    provider = f"coalesce({gateways.provider('vendor')}, {gateways.provider('url')})"
    return f"""
        SELECT
            file, line, part, broken AS reject,
            CASE
                WHEN broken IS NOT NULL THEN NULL
                WHEN event IS DISTINCT FROM '$ai_generation' THEN 'event: ' || coalesce(left(event, 40), 'without name')
                WHEN {nothing} AND {error} THEN 'failed call without usage'
                WHEN coalesce(in_tokens, out_tokens, read_tokens, written) IS NULL THEN 'generation without usage'
                WHEN {gateways.other_vendor("model", "vendor")} THEN 'other vendor''s model'
            END AS ignore,
            {records.utc('"timestamp"')} AS ts,
            model AS model_raw,
            {provider} AS provider,
            'posthog' AS gateway,
            'posthog:' || coalesce(nullif(uuid, ''), nullif(id, ''), nullif(generation, '')) AS identity,
            coalesce(NOT truth(exclusive), false) AS inclusive,
            in_tokens AS input_tokens,
            out_tokens AS output_tokens,
            thought AS thinking_tokens,
            read_tokens AS cache_read_tokens,
            written AS cache_write_tokens,
            w5 AS cache_write_5m_tokens,
            w1 AS cache_write_1h_tokens,
            searches AS web_searches,
            read_tokens IS NULL AND written IS NULL AS cache_unseen,
            CASE WHEN truth(exclusive) IS NULL AND lower(vendor) IS DISTINCT FROM 'anthropic'
                AND {cached} BETWEEN 1 AND count_of(in_tokens) THEN ['basis_assumed'] END AS notes,
            CASE WHEN {error} AND {gateways.nothing_counted("out_tokens")} THEN 'error' END AS status,
            stop AS stop_reason,
            streamed AS "stream",
            cap AS max_tokens,
            CAST(round(TRY_CAST(latency AS DOUBLE) * 1000, 3) AS VARCHAR) AS latency_ms,
            CAST(round(TRY_CAST("first" AS DOUBLE) * 1000, 3) AS VARCHAR) AS ttft_ms,
            cost AS cost_reported_usd,
            CASE WHEN cost IS NOT NULL THEN 'gateway_estimate' END AS cost_reported_by,
            {labels.columns_and_tags("labels", OWN, user="nullif(distinct_id, '')", session="nullif(conversation, '')")}
        FROM (SELECT *, {told} FROM ({labels.labelled(rows, own)}))"""


POSTHOG = records.ingestor(
    name="posthog",
    title="PostHog LLM events (JSON, CSV, Parquet)",
    belongs=_belongs,
    wanted=FIELDS,
    calls=_calls,
    rank=49,
    doc=__doc__ or "",
)
