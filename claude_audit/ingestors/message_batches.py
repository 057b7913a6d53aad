"""Results of the Message Batches API: the JSONL that `results_url` serves, one item a line, in any order; or a list of them.

Recognised by `custom_id` beside a `result` with a type. A succeeded item is a call at the batch price, also where its
usage does not name the tier; its message id is its identity. Items that errored, were canceled or expired are not billed:
ignored, by that word. `custom_id` is unique in its own batch only, and kept as a tag. Vertex AI's batch jobs write the answer as
`response`, beside the request.

Tells what the usage block tells, and whether a refusal came before any output (it is free or billed as elsewhere; searches
have no batch discount). Cannot tell when an item ran, unless a `timestamp` was put beside it, nor for which endpoint: the
file's time is taken, and flagged.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from claude_audit.ingestors import Head, Ingestor, Kind, Reading
from claude_audit.ingestors import _gateways as gateways
from claude_audit.ingestors import _records as records
from claude_audit.ingestors._messages_usage import DIAGNOSTICS, USAGE, counts, misses

MESSAGE = {
    "id": "VARCHAR",
    "model": "VARCHAR",
    "content": [{"type": "VARCHAR"}],
    "stop_reason": "VARCHAR",
    "stop_details": {"category": "VARCHAR"},
    "usage": USAGE,
    "diagnostics": DIAGNOSTICS,
}
STRUCTURE = {
    "custom_id": "VARCHAR",
    "result": {"type": "VARCHAR", "message": MESSAGE},
    "response": MESSAGE,
    "status": "VARCHAR",
    **dict.fromkeys(("processed_time", "timestamp", "created_at"), "VARCHAR"),
}


def _belongs(record: Mapping[str, Any]) -> bool:
    result, response = record.get("result"), record.get("response")
    return "custom_id" in record and (
        (isinstance(result, dict) and "type" in result)
        or (isinstance(response, dict) and response.get("type") == "message")
    )


def _recognise(head: Head) -> bool:
    return any(map(_belongs, head.inside))


def _select(_: Reading) -> str:
    return f"""
        SELECT
            file, line, part, {gateways.NOT_JSON} AS reject,
            CASE
                WHEN r.result."type" IS NULL AND r.response.usage IS NULL THEN
                    CASE WHEN r.status <> '' THEN 'batch item errored' ELSE 'record without result' END
                WHEN r.result."type" <> 'succeeded' THEN 'batch item ' || left(r.result."type", 40)
                WHEN m.usage IS NULL THEN 'batch item without usage'
            END AS ignore,
            coalesce(r.processed_time, r."timestamp", r.created_at) AS ts,
            m.model AS model_raw,
            m.id AS message_id,
            m.stop_reason AS stop_reason,
            m.stop_details.category AS refusal_category,
            CAST(len(m.content) AS VARCHAR) AS content_blocks,
            CAST(len(list_filter(m.content, lambda c: c."type" = 'tool_use')) AS VARCHAR) AS tools_used,
            {counts("m.usage")},
            {misses("m.diagnostics")},
            CASE WHEN r.result IS NULL THEN 'gcp_vertex' END AS provider,
            'batch' AS batch_tier,
            map_from_entries(list_filter([{{'k': 'custom_id', 'v': r.custom_id}}], lambda e: e.v IS NOT NULL)) AS tags
        FROM (
            SELECT *, CASE WHEN r.result IS NULL THEN r.response ELSE r.result.message END AS m
            FROM ({gateways.records(STRUCTURE, f"({records.unwrapped(('custom_id',))})", "part")})
        )"""


def _at_batch_price(reading: Reading) -> str:
    return f"SELECT * EXCLUDE (tier, batch_tier), batch_tier AS tier FROM ({_select(reading)})"


MESSAGE_BATCHES = Ingestor(
    name="message_batches",
    title="results of the Message Batches API, and of Vertex AI's batch jobs",
    kind=Kind.LINES,
    recognise=_recognise,
    select=_at_batch_price,
    rank=30,
    doc=__doc__,
)
