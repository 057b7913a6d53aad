"""Braintrust's logs: rows of a project or an experiment, as its API fetches them and its pages download them; JSON, CSV, Parquet.

Recognised by `span_attributes` beside `root_span_id`. A span of type llm is a call, by its id; tasks, tools, functions and
scores repeat what is in them and are ignored, and so are an llm span with another one directly in it (a wrapper's, around the
call that it makes; the file must hold both), spans without usage and other vendors' models.

`prompt_tokens` includes cached tokens: Braintrust's wrappers add them to what Anthropic counts. Where one of a file's spans
of one name has more cached tokens than that, all of that name are taken to leave them out.

Tells: model, provider, token classes, time, latency, time to the first token, stop reason, output cap, project, metadata and
tags as labels (every one a tag; those named endpoint, user and so on fill those columns). `estimated_cost` is Braintrust's own
estimate: kept as reported cost, never used. Since 2026 also the TTL of cache writes, searches and tier, where the wrapper says
them; writes without a TTL are billed as 5m, flagged. Cannot tell: geography, passes.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

from claude_audit.ingestors import _gateways as gateways
from claude_audit.ingestors import _labels as labels
from claude_audit.ingestors import _nested as nested
from claude_audit.ingestors import _records as records

FIELDS = records.fields(
    texts="id created span_id project_id error",
    nested="metrics metadata span_attributes span_parents tags",
    marks="span_attributes root_span_id",
)
METRICS = json.dumps(
    dict.fromkeys(
        (
            *("start", "end", "time_to_first_token", "prompt_tokens", "completion_tokens", "completion_reasoning_tokens"),
            *("prompt_cached_tokens", "prompt_cache_creation_tokens", "prompt_cache_creation_5m_tokens"),
            *("prompt_cache_creation_1h_tokens", "estimated_cost"),
            *("server_tool_use_web_search_requests", "server_tool_use_web_fetch_requests"),
        ),
        "VARCHAR",
    )
)  # fmt: skip
OWN = (
    "model",
    "provider",
    "max_tokens",
    "temperature",
    "top_p",
    "top_k",
    "stop_reason",
    "stop_sequence",
    "tool_choice",
    "usage_service_tier",
)
"""Metadata that Braintrust's wrappers write."""


def _belongs(record: Mapping[str, Any] | Sequence[str]) -> bool:
    return "span_attributes" in record and "root_span_id" in record


def _calls(rows: str) -> str:
    """SQL: the calls. told: counts and labels. judged: whether the name's input has cached tokens, and what lies in what."""
    labelled = labels.labelled(rows, gateways.pairs("metadata"), labels.words("tags"))
    split = "coalesce(count_of(m.prompt_cache_creation_5m_tokens), 0)::HUGEINT + coalesce(count_of(m.prompt_cache_creation_1h_tokens), 0)"
    written = f"greatest(coalesce(count_of(m.prompt_cache_creation_tokens), 0), {split})"
    cached = f"coalesce(count_of(m.prompt_cached_tokens), 0)::HUGEINT + {written}"
    searches, fetches = (f"m.server_tool_use_web_{what}_requests" for what in ("search", "fetch"))
    told = f"""
        SELECT *, coalesce(bool_or({cached} > count_of(m.prompt_tokens)) OVER (PARTITION BY file, "name"), false) AS exclusive,
            coalesce(m.prompt_tokens, m.completion_tokens) IS NOT NULL AS counted
        FROM (
            SELECT *, TRY(json_transform(metrics, '{METRICS}')) AS m,
                json_extract_string(span_attributes, '$.type') AS "type",
                json_extract_string(span_attributes, '$.name') AS "name",
                json_extract_string(metadata, '$.model') AS model,
                json_extract_string(metadata, '$.provider') AS vendor
            FROM ({labelled})
        )"""
    parents = """coalesce(TRY(from_json(span_parents, '["VARCHAR"]')), [])"""
    read = nested.with_outer(told, "span_id", parents, """counted AND "type" = 'llm'""")
    return f"""
        SELECT
            file, line, part, broken AS reject,
            CASE
                WHEN broken IS NOT NULL THEN NULL
                WHEN "type" IS DISTINCT FROM 'llm' THEN 'span: ' || coalesce(left("type", 40), 'without type')
                WHEN NOT counted AND error IS NOT NULL THEN 'failed call without usage'
                WHEN NOT counted THEN 'span without usage'
                WHEN outer_span THEN '{nested.REPEATS}'
                WHEN {gateways.other_vendor("model", "vendor")} THEN 'other vendor''s model'
            END AS ignore,
            coalesce(m."start", created) AS ts,
            model AS model_raw,
            {gateways.provider("vendor")} AS provider,
            'braintrust' AS gateway,
            'braintrust:' || nullif(id, '') AS identity,
            true AS snapshots,
            NOT exclusive AS inclusive,
            m.prompt_tokens AS input_tokens,
            m.completion_tokens AS output_tokens,
            m.completion_reasoning_tokens AS thinking_tokens,
            m.prompt_cached_tokens AS cache_read_tokens,
            m.prompt_cache_creation_tokens AS cache_write_tokens,
            m.prompt_cache_creation_5m_tokens AS cache_write_5m_tokens,
            m.prompt_cache_creation_1h_tokens AS cache_write_1h_tokens,
            {searches} AS web_searches,
            coalesce(count_of({searches}), 0)::HUGEINT + coalesce(count_of({fetches}), 0) AS server_calls,
            json_extract_string(metadata, '$.usage_service_tier') AS tier,
            coalesce(m.prompt_cached_tokens, m.prompt_cache_creation_tokens, m.prompt_cache_creation_5m_tokens,
                m.prompt_cache_creation_1h_tokens) IS NULL AS cache_unseen,
            CASE WHEN error IS NOT NULL AND {gateways.nothing_counted("m.completion_tokens")} THEN 'error' END AS status,
            CAST(round((TRY_CAST(m."end" AS DOUBLE) - TRY_CAST(m."start" AS DOUBLE)) * 1000, 3) AS VARCHAR) AS latency_ms,
            CAST(round(TRY_CAST(m.time_to_first_token AS DOUBLE) * 1000, 3) AS VARCHAR) AS ttft_ms,
            json_extract_string(metadata, '$.max_tokens') AS max_tokens,
            json_extract_string(metadata, '$.stop_reason') AS stop_reason,
            m.estimated_cost AS cost_reported_usd,
            CASE WHEN m.estimated_cost IS NOT NULL THEN 'gateway_estimate' END AS cost_reported_by,
            {labels.columns_and_tags("labels", OWN, project="nullif(project_id, '')")}
        FROM ({read})"""


BRAINTRUST = records.ingestor(
    name="braintrust",
    title="Braintrust logs (JSON, CSV, Parquet)",
    belongs=_belongs,
    wanted=FIELDS,
    calls=_calls,
    rank=48,
    cross_line=True,
    doc=__doc__ or "",
)
