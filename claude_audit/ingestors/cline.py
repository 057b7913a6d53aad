"""Tasks of Cline, Roo Code and Kilo Code: ui_messages.json of each task's folder, a JSON list of what the editor showed.

Recognised by `ts` beside a `type` of say or ask. A message `api_req_started` is a call: its `text` is a string of JSON with
the counts, written when the call is over. Calls go by the task's first moment and their own. `subagent_usage` is the sum of
what a batch of subagents spent, whose calls are nowhere else: a row without a number of requests (`sums_only`). Ignored are
all other messages, requests that counted nothing, `deleted_api_reqs` (the sum of requests that a restored checkpoint took
out: they may have been read before), other vendors' models, and the items of taskHistory.json, which are sums of tasks.

`tokensIn` leaves cached tokens out. Where the text names an `apiProtocol` (Roo, Kilo) it includes them, but for Anthropic's
only since October 2025 (Roo Code pull request 8954): earlier ones have the `request` in them, or a request of the file with
more cached tokens than input.

Tells: model, provider and mode (endpoint) in Cline since November 2025 (`modelInfo`), token classes, time, session (the
task's first moment). Roo and Kilo name no model there: say it by --assume-model, for one folder of tasks at a time. `cost` is
the editor's own estimate: kept as reported cost, never used. Cannot tell: the TTL of cache writes (billed as 5m, flagged),
thinking, searches, latency. A lower bound: what was deleted, and what condensing a conversation cost, has no counts.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from claude_audit.ingestors import Head, Ingestor, Kind, Reading
from claude_audit.ingestors import _gateways as gateways

STRUCTURE = json.dumps(
    {
        **dict.fromkeys(("ts", "type", "say", "ask", "text", "tokensIn", "task"), "VARCHAR"),
        "modelInfo": dict.fromkeys(("modelId", "providerId", "mode"), "VARCHAR"),
    }
)
COUNTS = ("tokensIn", "tokensOut", "cacheWrites", "cacheReads")
TEXT = json.dumps(
    dict.fromkeys((*COUNTS, "cost", "apiProtocol", "cancelReason", "streamingFailedMessage"), "VARCHAR")
    | {"request": "JSON"}
)


def _belongs(record: Mapping[str, Any]) -> bool:
    if not isinstance(record.get("ts"), int):
        return False
    if {"task", "tokensIn", "tokensOut", "totalCost"} <= record.keys():
        return True
    kind = record.get("type")
    return kind in ("say", "ask") and isinstance(record.get(kind), str)


def _recognise(head: Head) -> bool:
    return any(map(_belongs, head.records))


def _select(_: Reading) -> str:
    """told: the messages, with the counts in their text. judged: what is known of the whole file."""
    cached = "coalesce(count_of(t.cacheWrites), 0)::HUGEINT + coalesce(count_of(t.cacheReads), 0)"
    nothing = gateways.nothing_counted(*(f"t.{count}" for count in COUNTS))
    return f"""
        WITH told AS (
            SELECT *, CASE WHEN r."type" = 'say' AND r.say IN ('api_req_started', 'subagent_usage')
                THEN TRY(json_transform(r.text, '{TEXT}')) END AS t
            FROM (SELECT file, line, text, json_record(text, '{STRUCTURE}') AS r FROM lines)
        ),
        judged AS (
            SELECT *,
                r.say = 'subagent_usage' AS summed,
                min(TRY_CAST(r.ts AS BIGINT)) OVER (PARTITION BY file) AS began,
                t.request IS NULL AND NOT coalesce(bool_or({cached} > count_of(t.tokensIn))
                    FILTER (WHERE t.apiProtocol = 'anthropic' AND t.request IS NULL) OVER (PARTITION BY file), false) AS added
            FROM told
        )
        SELECT
            file, line,
            coalesce({gateways.NOT_JSON}, CASE WHEN r."type" = 'say' AND r.say = 'api_req_started' AND t IS NULL
                AND NOT absent(r.text) THEN 'the text of the request is not valid JSON' END) AS reject,
            CASE
                WHEN r."type" IS NULL AND r.task IS NOT NULL AND r.tokensIn IS NOT NULL THEN 'sum of a task'
                WHEN r."type" IS DISTINCT FROM 'say' THEN 'message: ' || coalesce(left(r."type", 40), 'without type')
                WHEN r.say = 'deleted_api_reqs' THEN 'sum of deleted requests'
                WHEN r.say IS NULL OR r.say NOT IN ('api_req_started', 'subagent_usage')
                    THEN 'message: ' || coalesce(left(r.say, 40), 'without type')
                WHEN {nothing} AND t.cancelReason = 'user_cancelled' THEN 'cut off by the client: its cost is unknown'
                WHEN {nothing} AND coalesce(t.cancelReason, t.streamingFailedMessage) IS NOT NULL THEN 'failed call without usage'
                WHEN {nothing} THEN 'request without usage'
                WHEN {gateways.other_vendor("r.modelInfo.modelId", "r.modelInfo.providerId")} THEN 'other vendor''s model'
            END AS ignore,
            r.ts AS ts,
            r.modelInfo.modelId AS model_raw,
            {gateways.provider("r.modelInfo.providerId")} AS provider,
            'cline' AS gateway,
            'cline:' || concat_ws('/', began, r.ts) AS identity,
            true AS snapshots,
            CASE t.apiProtocol WHEN 'anthropic' THEN added WHEN 'openai' THEN true ELSE false END AS inclusive,
            t.tokensIn AS input_tokens,
            t.tokensOut AS output_tokens,
            t.cacheReads AS cache_read_tokens,
            t.cacheWrites AS cache_write_tokens,
            CASE WHEN NOT summed THEN ['lower_bound']
                -- Newer versions sum all input, and write 0 for what was cached.
                WHEN {cached} = 0 THEN ['lower_bound', 'sums_only', 'basis_assumed']
                ELSE ['lower_bound', 'sums_only'] END AS notes,
            CAST(began AS VARCHAR) AS session,
            r.modelInfo.mode AS endpoint,
            t.cost AS cost_reported_usd,
            CASE WHEN t.cost IS NOT NULL THEN 'client' END AS cost_reported_by,
            CASE WHEN r.modelInfo.providerId IS NOT NULL THEN map {{'providerID': r.modelInfo.providerId}} END AS tags
        FROM judged"""


CLINE = Ingestor(
    name="cline",
    title="Tasks of Cline, Roo Code and Kilo Code",
    kind=Kind.LINES,
    recognise=_recognise,
    select=_select,
    rank=43,
    shared=True,
    cross_line=True,
    doc=__doc__,
)
