"""LangSmith runs: what its API lists and its bulk export writes, as JSON, JSON lines, CSV or Parquet.

Recognised by `run_type` beside `trace_id`. A run of type llm is a call, by its id; chains, tools and retrievers repeat what is
in them and are ignored, and so are runs without usage, llm runs whose output is that of the llm runs in them (a wrapper's, around
a library's; the file must hold both) and other vendors' models. Times without a zone are UTC.
`prompt_tokens` includes cached tokens; `cache_creation` is 0 where the split by TTL is told. The SDK's wrapper of the
Anthropic client left cached tokens out until March 2026 (langchain-ai/langsmith-sdk pull request 2519): when one of a
file's runs of one name has more cached tokens than input, all of that name are taken to leave them out. The JavaScript SDK adds
what an agent's turns wrote for 1h to the 5m of its last turn once more: what its input has no room for is not counted
(`basis_assumed`), and proves nothing.

A run without counts of its own (the JavaScript SDK's) is read from the API's own usage block in its outputs.

Tells: model, token classes with TTL, thinking, time, session (thread), the LangSmith project, metadata and tags as labels
(every one a tag; those named endpoint, user and so on fill those columns). `total_cost` is LangSmith's own estimate: kept as
reported cost, never used. Cannot tell: searches, tier, geography, passes, and a run that failed from one that was cut off.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

from claude_audit.ingestors import _gateways as gateways
from claude_audit.ingestors import _labels as labels
from claude_audit.ingestors import _nested as nested
from claude_audit.ingestors import _records as records
from claude_audit.ingestors._messages_usage import USAGE as RETURNED
from claude_audit.ingestors._messages_usage import counts_of

FIELDS = records.fields(
    texts="id parent_run_id name run_type trace_id session_id session_name start_time end_time first_token_time status error "
    "prompt_tokens completion_tokens total_cost",
    nested="prompt_token_details completion_token_details extra tags outputs",
    marks="run_type",
)

DETAILS = {
    "cache_read": "VARCHAR",
    "cache_creation": "VARCHAR",
    "ephemeral_5m_input_tokens": "VARCHAR",
    "ephemeral_1h_input_tokens": "VARCHAR",
    "ephemeral_1hr_input_tokens": "VARCHAR",
}
"""The last one is a slip of the JavaScript SDK (pull request 2519)."""
USAGE = {
    "input_tokens": "VARCHAR",
    "output_tokens": "VARCHAR",
    "input_token_details": DETAILS,
    "output_token_details": {"reasoning": "VARCHAR"},
}
USAGE_PLACES = (
    "json_extract(extra, '$.metadata.usage_metadata')",
    "json_extract(outputs, '$.usage_metadata')",
    "json_extract(outputs, '$.message.usage_metadata')",
    "json_extract(outputs, '$.generations[0][0].message.kwargs.usage_metadata')",
    "json_extract(outputs, '$.generations[0][0].message.usage_metadata')",
)
"""Where a run has its usage when the export has no columns of it."""

RETURNED_PLACES = tuple(
    f"json_extract(outputs, '$.{place}')"
    for place in (
        "usage",
        "message.usage",
        "llm_output.usage",
        "llmOutput.usage",
        "generations[0][0].message.kwargs.response_metadata.usage",
        "generations[0][0].message.response_metadata.usage",
    )
)
"""Where it has the block as the API returned it, whose input leaves the cache out: read where nothing else counts."""

OWN = (
    "ls_provider",
    "ls_model_name",
    "ls_max_tokens",
    "ls_model_type",
    "ls_temperature",
    "ls_stop",
    "ls_method",
    "usage_metadata",
)
"""Metadata that LangSmith's own libraries write."""


def _belongs(record: Mapping[str, Any] | Sequence[str]) -> bool:
    return "run_type" in record and "trace_id" in record


def _calls(rows: str) -> str:
    """SQL: the calls. told: usage and labels, wherever they stand. judged: whether the name's input has cached tokens."""
    usage = ", ".join(f"CASE WHEN json_type({place}) = 'OBJECT' THEN {place} END" for place in USAGE_PLACES)
    details, unanswered = json.dumps(DETAILS), gateways.nothing_counted('"out"')
    returned = ", ".join(f"CASE WHEN json_type({place}) = 'OBJECT' THEN {place} END" for place in RETURNED_PLACES)
    raw = counts_of("api")
    # The SDK for JavaScript sends zeros where its run has no counts of its own.
    counted = "coalesce(nullif(nullif(prompt_tokens, ''), '0'), nullif(nullif(completion_tokens, ''), '0'), u.input_tokens, u.output_tokens)"
    split = "coalesce(count_of(w5), 0)::HUGEINT + coalesce(count_of(w1), 0)"
    cached = f"coalesce(count_of(was_read), 0) + greatest(coalesce(count_of(written), 0), {split})"
    sure = "coalesce(count_of(was_read), 0)::HUGEINT + coalesce(count_of(w1), 0)"
    # Writes of 5m that the input has no room for, beside those of 1h: see above.
    again = f'counted AND slip AND NOT exclusive AND count_of(w5) > 0 AND {cached} > count_of("in")'
    read = nested.with_repeated(
        "SELECT * FROM told",
        span="id",
        parent="parent_run_id",
        counted="""run_type = 'llm' AND coalesce("in", "out") IS NOT NULL""",
        output='count_of("out")',
        cached=cached,
    )
    labelled = labels.labelled(rows, gateways.pairs("json_extract(extra, '$.metadata')"), labels.words("tags"))
    return f"""
        WITH told AS (
            SELECT *,
                CASE WHEN counted THEN coalesce(nullif(nullif(prompt_tokens, ''), '0'), u.input_tokens, prompt_tokens)
                    ELSE coalesce({raw["input_tokens"]}, nullif(prompt_tokens, '')) END AS "in",
                CASE WHEN counted THEN coalesce(nullif(nullif(completion_tokens, ''), '0'), u.output_tokens, completion_tokens)
                    ELSE coalesce({raw["output_tokens"]}, nullif(completion_tokens, '')) END AS "out",
                coalesce(json_extract_string(completion_token_details, '$.reasoning'), u.output_token_details.reasoning) AS thought,
                CASE WHEN counted THEN details.cache_read ELSE {raw["cache_read_tokens"]} END AS was_read,
                CASE WHEN counted THEN details.cache_creation ELSE {raw["cache_write_tokens"]} END AS written,
                coalesce(counted AND count_of(details.ephemeral_1hr_input_tokens) > 0, false) AS slip,
                CASE WHEN counted THEN details.ephemeral_5m_input_tokens ELSE {raw["cache_write_5m_tokens"]} END AS w5,
                CASE WHEN counted THEN coalesce(details.ephemeral_1h_input_tokens, details.ephemeral_1hr_input_tokens)
                    ELSE {raw["cache_write_1h_tokens"]} END AS w1,
                coalesce(
                    json_extract_string(extra, '$.metadata.ls_model_name'),
                    json_extract_string(extra, '$.invocation_params.model'),
                    json_extract_string(extra, '$.invocation_params.model_name'),
                    json_extract_string(extra, '$.invocation_params.model_id')) AS model,
                json_extract_string(extra, '$.metadata.ls_provider') AS vendor
            FROM (
                SELECT *, coalesce(TRY(json_transform(prompt_token_details, '{details}')), u.input_token_details) AS details,
                    {counted} IS NOT NULL AS counted
                FROM (
                    SELECT *, TRY(json_transform(coalesce({usage}), '{json.dumps(USAGE)}')) AS u,
                        TRY(json_transform(coalesce({returned}), '{json.dumps(RETURNED)}')) AS api
                    FROM ({labelled})
                )
            )
        ),
        judged AS (
            SELECT *, coalesce(bool_or(counted AND CASE WHEN slip THEN {sure} ELSE {cached} END > count_of("in"))
                OVER (PARTITION BY file, name), false) AS exclusive
            FROM ({read})
        )
        SELECT
            file, line, part, broken AS reject,
            CASE
                WHEN broken IS NOT NULL THEN NULL
                WHEN run_type IS DISTINCT FROM 'llm' THEN 'run: ' || coalesce(left(run_type, 40), 'without type')
                WHEN "in" IS NULL AND "out" IS NULL THEN 'run without usage'
                WHEN repeated THEN '{nested.REPEATS}'
                WHEN {gateways.other_vendor("model", "vendor")} THEN 'other vendor''s model'
            END AS ignore,
            {records.utc("start_time")} AS ts,
            model AS model_raw,
            {gateways.provider("vendor")} AS provider,
            'langsmith:' || id AS identity,
            true AS snapshots,
            counted AND NOT exclusive AS inclusive,
            "in" AS input_tokens,
            "out" AS output_tokens,
            thought AS thinking_tokens,
            was_read AS cache_read_tokens,
            written AS cache_write_tokens,
            CASE WHEN {again} THEN '0' ELSE w5 END AS cache_write_5m_tokens,
            CASE WHEN {again} THEN ['basis_assumed'] END AS notes,
            w1 AS cache_write_1h_tokens,
            'langsmith' AS gateway,
            CASE WHEN (status = 'error' OR error <> '') AND {unanswered} THEN 'error' END AS status,
            CAST(date_diff('microsecond', began, nullif(ended, began)) / 1000 AS VARCHAR) AS latency_ms,
            CASE WHEN answered > began THEN CAST(date_diff('microsecond', began, answered) / 1000 AS VARCHAR) END AS ttft_ms,
            coalesce(json_extract_string(extra, '$.metadata.ls_max_tokens'),
                json_extract_string(extra, '$.invocation_params.max_tokens')) AS max_tokens,
            total_cost AS cost_reported_usd,
            CASE WHEN total_cost IS NOT NULL THEN 'gateway_estimate' END AS cost_reported_by,
            {labels.columns_and_tags("labels", OWN, project="nullif(session_name, ''), nullif(session_id, '')")}
        FROM (
            SELECT *,
                instant({records.utc("start_time")}) AS began,
                instant({records.utc("end_time")}) AS ended,
                instant({records.utc("first_token_time")}) AS answered
            FROM judged
        )"""


LANGSMITH = records.ingestor(
    name="langsmith",
    title="LangSmith runs (JSON, CSV, Parquet)",
    belongs=_belongs,
    wanted=FIELDS,
    calls=_calls,
    rank=52,
    cross_line=True,
    doc=__doc__ or "",
)
