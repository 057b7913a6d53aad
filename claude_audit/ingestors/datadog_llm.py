"""Datadog LLM (Agent) Observability: spans as its export API lists them, or their attributes one a line.

Recognised by `span_kind` and `ml_app` beside `metrics`, in a record or in its `attributes`. A span of kind llm is a call, by the
ids of its trace and itself; workflows, agents, tools and others may have the sums of what is in them and are ignored, and so
are an llm span with another one directly in it (the file must hold both), spans without tokens and other vendors' models.

`input_tokens` includes cached tokens: Datadog's libraries add them to what Anthropic counts. A span with more cached tokens
than that was written by hand: its input is taken as it is, and flagged (`basis_assumed`).

Tells: model, provider, token classes, TTL of cache writes (where Anthropic named none, Datadog's library says 5m), thinking,
time, latency, time to the first token, session, the application as project, tags as labels (every one a tag; `env` is the
environment, and those named feature, team and so on fill those columns). `estimated_total_cost` is Datadog's own estimate, in
billionths of a dollar: kept as reported cost, never used. Cannot tell: searches, tier, geography, passes, stop reason.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from claude_audit.ingestors import Head, Ingestor, Kind, Reading
from claude_audit.ingestors import _gateways as gateways
from claude_audit.ingestors import _labels as labels
from claude_audit.ingestors import _nested as nested
from claude_audit.ingestors import _records as records

METRICS = (
    *("input_tokens", "output_tokens", "reasoning_output_tokens", "cache_read_input_tokens", "cache_write_input_tokens"),
    *("ephemeral_5m_input_tokens", "ephemeral_1h_input_tokens", "time_to_first_token", "estimated_total_cost"),
)  # fmt: skip
STRUCTURE = json.dumps(
    {
        **dict.fromkeys(("span_id", "trace_id", "parent_id", "span_kind", "ml_app", "session_id"), "VARCHAR"),
        **dict.fromkeys(("model_name", "model_provider", "start_ns", "duration", "status"), "VARCHAR"),
        "metrics": dict.fromkeys(METRICS, "VARCHAR"),
        "metadata": {"max_tokens": "VARCHAR"},
        "tags": "JSON",
    }
)
MARKS = frozenset(("span_kind", "ml_app", "metrics"))


def _belongs(record: Mapping[str, Any]) -> bool:
    attributes = record.get("attributes")
    return (attributes.keys() if isinstance(attributes, Mapping) else record.keys()) >= MARKS


def _recognise(head: Head) -> bool:
    return any(map(_belongs, head.inside))


def _select(_: Reading) -> str:
    bodies = f"""
        SELECT file, line, text, json_record(coalesce(
            CASE WHEN TRY(json_type(text, '$.attributes')) = 'OBJECT' THEN json_extract(text, '$.attributes')::VARCHAR END, text
        ), '{STRUCTURE}') AS r
        FROM ({records.unwrapped(("attributes", "span_kind"))})"""
    m = "r.metrics"
    counted = f"r.span_kind = 'llm' AND coalesce({m}.input_tokens, {m}.output_tokens) IS NOT NULL"
    tags = (
        f"list_concat({labels.words('CAST(r.tags AS VARCHAR)')}, {labels.columns(model_provider='r.model_provider')})"
    )
    read = labels.labelled(nested.with_outer(bodies, "r.span_id", "[r.parent_id]", counted), tags)
    nothing = gateways.nothing_counted(f"{m}.input_tokens", f"{m}.output_tokens")
    return f"""
        SELECT
            file, line, {gateways.NOT_JSON} AS reject,
            CASE
                WHEN r.span_kind IS DISTINCT FROM 'llm' THEN 'span: ' || coalesce(left(r.span_kind, 40), 'without kind')
                WHEN {nothing} AND r.status = 'error' THEN 'failed call without usage'
                WHEN coalesce({m}.input_tokens, {m}.output_tokens) IS NULL THEN 'span without usage'
                WHEN outer_span THEN '{nested.REPEATS}'
                WHEN {gateways.other_vendor("r.model_name", "r.model_provider")} THEN 'other vendor''s model'
            END AS ignore,
            r.start_ns AS ts,
            r.model_name AS model_raw,
            {gateways.provider("r.model_provider")} AS provider,
            'datadog' AS gateway,
            'datadog:' || concat_ws('/', nullif(r.trace_id, ''), nullif(r.span_id, '')) AS identity,
            true AS snapshots,
            true AS inclusive,
            {m}.input_tokens AS input_tokens,
            {m}.output_tokens AS output_tokens,
            {m}.reasoning_output_tokens AS thinking_tokens,
            {m}.cache_read_input_tokens AS cache_read_tokens,
            {m}.cache_write_input_tokens AS cache_write_tokens,
            {m}.ephemeral_5m_input_tokens AS cache_write_5m_tokens,
            {m}.ephemeral_1h_input_tokens AS cache_write_1h_tokens,
            {m}.cache_read_input_tokens IS NULL AND {m}.cache_write_input_tokens IS NULL AS cache_unseen,
            CASE WHEN r.status = 'error' AND {
        gateways.nothing_counted(f"{m}.output_tokens")
    } THEN 'error' END AS status,
            CAST(TRY_CAST(r.duration AS DOUBLE) / 1000000 AS VARCHAR) AS latency_ms,
            CAST(round(TRY_CAST({m}.time_to_first_token AS DOUBLE) * 1000, 3) AS VARCHAR) AS ttft_ms,
            r.metadata.max_tokens AS max_tokens,
            CAST(TRY_CAST({m}.estimated_total_cost AS DECIMAL(28, 9)) / 1000000000 AS VARCHAR) AS cost_reported_usd,
            CASE WHEN {m}.estimated_total_cost IS NOT NULL THEN 'gateway_estimate' END AS cost_reported_by,
            {
        labels.columns_and_tags(
            "labels",
            session="nullif(r.session_id, '')",
            project="nullif(r.ml_app, '')",
            environment="list_filter(labels, lambda e: e.key = 'env' AND e.value <> '')[1].value",
        )
    }
        FROM ({read})"""


DATADOG_LLM = Ingestor(
    name="datadog_llm",
    title="Datadog LLM Observability spans",
    kind=Kind.LINES,
    recognise=_recognise,
    select=_select,
    rank=50,
    shared=True,
    cross_line=True,
    doc=__doc__,
)
