"""Sessions of the Pi coding agent, and of OpenClaw, which keeps its agents' sessions in the same form: `*.jsonl` under
~/.pi/agent/sessions and ~/.openclaw/agents/<agent>/sessions; and what `pi --mode json` prints.

Recognised by a session's first line, or lines with a `type` and a `message` whose `usage` counts `input`, `output` and
`cacheRead`. An assistant's message is a call. Forked and moved sessions have copies of it, what is printed tells it several
times: calls go by the moment they were made and what they counted, and of what is printed only `message_end` counts. Users'
messages, those without tokens and other vendors' models are ignored.

`input` leaves cached tokens out; `output` has the thinking in it. `usage.cost` is Pi's own estimate: kept as reported cost,
never used.

Tells: model, provider, token classes, time, session, project (the working folder), why it stopped. Cannot tell: the TTL of
cache writes (billed as 5m, flagged), thinking, searches, tier, endpoint, latency. A lower bound: what condensing a
conversation cost stands in no message.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from claude_audit.ingestors import Head, Ingestor, Kind, Reading
from claude_audit.ingestors import _gateways as gateways

COUNTS = ("input", "output", "cacheRead", "cacheWrite")
STRUCTURE = json.dumps(
    {
        **dict.fromkeys(("type", "id", "cwd"), "VARCHAR"),
        "message": {
            **dict.fromkeys(("role", "api", "provider", "model", "responseId", "stopReason", "timestamp"), "VARCHAR"),
            "usage": {**dict.fromkeys(COUNTS, "VARCHAR"), "cost": {"total": "VARCHAR"}},
        },
    }
)
CALLS = ("message", "message_end")
"""A line of a session, and of what is printed."""
REASONS = {"stop": "end_turn", "length": "max_tokens", "toolUse": "tool_use"}
"""Pi's words for why a message ended, and Anthropic's."""


def _belongs(record: Mapping[str, Any]) -> bool:
    if record.get("type") == "session" and {"version", "id", "cwd"} <= record.keys():
        return True
    message = record.get("message")
    usage = message.get("usage") if isinstance(message, dict) else None
    return "type" in record and isinstance(usage, dict) and {"input", "output", "cacheRead"} <= usage.keys()


def _recognise(head: Head) -> bool:
    return any(map(_belongs, head.records))


def _select(_: Reading) -> str:
    m = "r.message"
    counted = [f"{m}.usage.{name}" for name in COUNTS]
    reasons = " ".join(f"WHEN '{theirs}' THEN '{ours}'" for theirs, ours in REASONS.items())
    return f"""
        SELECT
            file, line, {gateways.NOT_JSON} AS reject,
            CASE
                WHEN r."type" IS NULL OR r."type" NOT IN {CALLS} THEN coalesce(left(r."type", 40), 'other record')
                WHEN {m}.role IS DISTINCT FROM 'assistant' THEN 'message: ' || coalesce(left({m}.role, 40), 'of nobody')
                WHEN {gateways.nothing_counted(*counted)} AND {m}.stopReason = 'error' THEN 'failed call without usage'
                WHEN {gateways.nothing_counted(*counted)} THEN 'message without usage'
                WHEN {gateways.other_vendor(f"{m}.model", f"{m}.provider")} THEN 'other vendor''s model'
            END AS ignore,
            {m}."timestamp" AS ts,
            {m}.model AS model_raw,
            {gateways.provider(f"{m}.provider")} AS provider,
            'pi' AS gateway,
            'pi:' || concat_ws('/', {m}."timestamp", {", ".join(counted)}) AS identity,
            CASE WHEN starts_with({m}.responseId, 'msg_') THEN {m}.responseId END AS message_id,
            {m}.usage.input AS input_tokens,
            {m}.usage.output AS output_tokens,
            {m}.usage.cacheRead AS cache_read_tokens,
            {m}.usage.cacheWrite AS cache_write_tokens,
            ['lower_bound'] AS notes,
            any_value(r.id) FILTER (WHERE r."type" = 'session') OVER (PARTITION BY file) AS session,
            any_value(r.cwd) FILTER (WHERE r."type" = 'session') OVER (PARTITION BY file) AS project,
            CASE {m}.stopReason {reasons} ELSE {m}.stopReason END AS stop_reason,
            {m}.usage.cost.total AS cost_reported_usd,
            CASE WHEN {m}.usage.cost.total IS NOT NULL THEN 'client' END AS cost_reported_by,
            map_from_entries(list_filter([
                {{'k': 'providerID', 'v': {m}.provider}}, {{'k': 'api', 'v': {m}.api}}
            ], lambda e: e.v IS NOT NULL)) AS tags
        FROM (SELECT file, line, text, json_record(text, '{STRUCTURE}') AS r FROM lines)"""


PI = Ingestor(
    name="pi",
    title="Sessions of Pi and OpenClaw",
    kind=Kind.LINES,
    recognise=_recognise,
    select=_select,
    rank=44,
    shared=True,
    cross_line=True,
    doc=__doc__,
)
