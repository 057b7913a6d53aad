"""Vertex AI's request-response log of partner models: rows of its BigQuery table, as JSON, CSV or Parquet.

Recognised by `full_response` beside `logging_time`. A row is one request, by its request_id; `full_response` is Anthropic's
answer, as JSON or as a string of JSON, or the events of its stream. Errors and other vendors' models are ignored.

Tells: what the answer's usage block tells, the model, the latency, and of `full_request` the output cap, tools, images and
the prompt as hashes of its blocks. Cannot tell: the location, unless the endpoint is named (the regional premium is then
that of `vertex_without_location`), users and labels. The log may be set up to take a sample of the requests only (its
samplingRate); a row does not say so, so that totals are then low by that share (`sampled` says it of every row).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from claude_audit.ingestors import _events as answers
from claude_audit.ingestors import _pairs as pairs
from claude_audit.ingestors import _records as records

FIELDS = records.fields(
    texts="logging_time request_id model endpoint api_method",
    nested="full_request full_response metadata",
    marks="logging_time full_response",
)


def _belongs(record: Mapping[str, Any] | Sequence[str]) -> bool:
    return "full_response" in record and "logging_time" in record


def _calls(rows: str) -> str:
    read = f"""
        SELECT *,
            regexp_extract(coalesce(endpoint, '') || ' ' || coalesce(model, ''), 'locations/([^/ ]+)', 1) AS location,
            json_extract_string(metadata, '$.request_latency') AS latency
        FROM ({answers.told(answers.answers(rows, "full_response"))})"""
    return pairs.with_request(f"""
        SELECT
            file, line, part, broken AS reject,
            CASE
                WHEN broken IS NOT NULL THEN NULL
                WHEN answer_usage IS NULL AND json_type(full_response, '$.error') = 'OBJECT' THEN 'error response'
                WHEN answer_usage IS NULL THEN 'record without usage'
            END AS ignore,
            {records.utc("logging_time")} AS ts,
            coalesce(answer_model, model) AS model_raw,
            'gcp_vertex' AS provider,
            nullif(location, '') AS region,
            'vertex:' || request_id AS identity,
            answer_id AS message_id,
            {answers.columns()},
            latency AS latency_ms,
            coalesce(
                json_extract_string(full_request, '$.stream'),
                CASE WHEN api_method ILIKE 'stream%' THEN 'true' END) AS "stream",
            {answers.asked("full_request")},
            list_concat({answers.NOTES}, ['sampled']) AS notes
        FROM ({read})""")


VERTEX = records.ingestor(
    name="vertex",
    title="Vertex AI request-response logging (BigQuery)",
    belongs=_belongs,
    wanted=FIELDS,
    calls=_calls,
    rank=60,
    doc=__doc__ or "",
)
