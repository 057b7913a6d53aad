"""Results of the Message Batches API: the JSONL that `results_url` serves, one item a line, in any order.

Recognised by `custom_id` beside a `result` with a type. A succeeded item is a call at the batch price, also where its
usage does not name the tier; its message id is its identity. Items that errored, were canceled or expired are not billed:
ignored, by that word. `custom_id` is unique in its own batch only, and kept as a tag.

Tells what the usage block tells, and whether a refusal came before any output (it is free or billed as elsewhere; searches
have no batch discount). Cannot tell when an item ran, nor for which endpoint: the file's time is taken, and flagged.
"""

from __future__ import annotations

import json

from claude_audit.ingestors import Head, Ingestor, Kind, Reading
from claude_audit.ingestors._messages_usage import DIAGNOSTICS, USAGE, counts, misses

STRUCTURE = json.dumps(
    {
        "custom_id": "VARCHAR",
        "result": {
            "type": "VARCHAR",
            "message": {
                "id": "VARCHAR",
                "model": "VARCHAR",
                "content": [{"type": "VARCHAR"}],
                "stop_reason": "VARCHAR",
                "stop_details": {"category": "VARCHAR"},
                "usage": USAGE,
                "diagnostics": DIAGNOSTICS,
            },
        },
    }
)


def _recognise(head: Head) -> bool:
    return any("custom_id" in r and isinstance(r.get("result"), dict) and "type" in r["result"] for r in head.records)


def _select(_: Reading) -> str:
    return f"""
        SELECT
            file, line,
            CASE WHEN r IS NULL THEN 'not valid JSON' END AS reject,
            CASE
                WHEN r.result."type" IS NULL THEN 'record without result'
                WHEN r.result."type" <> 'succeeded' THEN 'batch item ' || left(r.result."type", 40)
                WHEN m.usage IS NULL THEN 'batch item without usage'
            END AS ignore,
            m.model AS model_raw,
            m.id AS message_id,
            m.stop_reason AS stop_reason,
            m.stop_details.category AS refusal_category,
            CAST(len(m.content) AS VARCHAR) AS content_blocks,
            CAST(len(list_filter(m.content, lambda c: c."type" = 'tool_use')) AS VARCHAR) AS tools_used,
            {counts("m.usage")},
            {misses("m.diagnostics")},
            'batch' AS batch_tier,
            map_from_entries(list_filter([{{'k': 'custom_id', 'v': r.custom_id}}], lambda e: e.v IS NOT NULL)) AS tags
        FROM (SELECT file, line, r, r.result.message AS m FROM records)"""


def _at_batch_price(reading: Reading) -> str:
    return f"SELECT * EXCLUDE (tier, batch_tier), batch_tier AS tier FROM ({_select(reading)})"


MESSAGE_BATCHES = Ingestor(
    name="message_batches",
    title="results of the Message Batches API",
    kind=Kind.LINES,
    recognise=_recognise,
    select=_at_batch_price,
    structure=STRUCTURE,
    rank=30,
    doc=__doc__,
)
