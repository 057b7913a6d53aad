"""Dumps of streams of the Messages API: server-sent events as text, one payload a line, or events that a log wraps.

Recognised by the events' types (`message_start`, `message_delta`, …). All events from a `message_start` to the next one are a
call; where a log's own fields name a request or a stream, each of them by itself. Counters are cumulative: the last
`message_delta` over the first event, nothing is ever added; two `message_start` of one message are one call. A stream that was
cut before its `message_delta` has its input side counted and its output unknown (`partial_stream`). In the counts of lines a
call is its `message_start`; its other events are ignored, as such.

Tells: all token classes, passes, searches, tier, geography, stop reason, whether a refusal had content, the model that served
after a fallback; time, request id, endpoint and other labels where the log around the events has them. Cannot tell: how long
cache writes live that only the last event counts (billed as 5m, flagged); without a log around it, when the call was: the
file's time is taken, and flagged.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from claude_audit.aliases import field_of, fields, normalized
from claude_audit.ingestors import Head, Ingestor, Kind, Reading
from claude_audit.ingestors import _events as events
from claude_audit.ingestors import _named as named
from claude_audit.ingestors import _records as records
from claude_audit.pieces import identifier, quoted, quoted_list

WRAPPERS = tuple(dict.fromkeys((*records.WRAPPERS, "chunk", "payload", "raw", "sse", "result")))
LANES = ("request_id", "message_id", "stream_id", "call_id", "correlation_id", "trace_id", "session")
"""Fields of the log around an event that tell one stream from another that runs at the same time, the surest first."""
OWN = frozenset(("type", "message", "usage", "delta", "index", "content_block", "error", "model", "status"))
"""Fields of an event, which are no labels of the log around it."""
SSE = re.compile(r"^\s*(?:event|data):")


def _recognise(head: Head) -> bool:
    if head.json:
        return any(_told(found) for record in head.records if not _foreign(record) for found in _inside(record))
    payloads = (line.split(":", 1)[1] for line in head.lines if line.lstrip().startswith("data:"))
    return any(SSE.match(line) for line in head.lines) and any(
        _told(found) for text in payloads if (found := _object(text))
    )


def _told(event: Mapping[str, Any]) -> bool:
    kind = event.get("type")
    return (kind == "message_start" and isinstance(event.get("message"), dict)) or (
        kind in ("message_delta", "content_block_start", "content_block_delta")
        and ("delta" in event or "content_block" in event)
    )


def _foreign(record: Mapping[str, Any]) -> bool:
    """Whether it is Claude Code's: its result has the bill of all streams."""
    return record.get("type") == "stream_event" or "sessionId" in record


def _inside(record: Mapping[str, Any], depth: int = 0) -> Iterator[Mapping[str, Any]]:
    yield record
    for name in WRAPPERS if depth < records.DEPTH else ():
        value = record.get(name)
        found = _object(re.sub(r"^\s*data:", "", value)) if isinstance(value, str) else value
        if isinstance(found, dict):
            yield from _inside(found, depth + 1)


def _object(text: str) -> dict[str, Any] | None:
    try:
        found = json.loads(text)
    except (ValueError, RecursionError):
        return None
    return found if isinstance(found, dict) else None


def _event(text: str) -> str:
    """SQL: the event inside a line's JSON, three wrappers deep at most; the JSON itself where none is found."""
    steps = []
    for name in WRAPPERS:
        value = f"""regexp_replace(json_extract_string(x, '$."{name}"'), '^\\s*data:', '')"""
        steps.append(f"CASE WHEN starts_with(ltrim({value}), '{{') THEN {value} END")
    known = quoted_list(events.TYPES)
    step = f"CASE WHEN list_contains({known}, json_extract_string(x, '$.type')) THEN x ELSE coalesce({', '.join(steps)}, x) END"
    result = f"[{text}]"
    for _ in range(records.DEPTH):
        result = f"list_transform({result}, lambda x: TRY({step}))"
    return f"{result}[1]"


PAYLOADS = """
        CREATE OR REPLACE TEMP TABLE stream_payloads AS
        SELECT file, line, payload, coalesce(json_valid(payload), false) AS valid, sse
        FROM (
            SELECT file, line, starts_with(said, 'data:') OR starts_with(said, 'event:') AS sse,
                CASE WHEN starts_with(said, 'data:') THEN trim(substr(said, 6), ' ' || chr(9) || chr(13))
                    WHEN starts_with(said, '{') THEN rtrim(said, ' ' || chr(9) || chr(13)) END AS payload
            FROM (SELECT file, line, ltrim(text) AS said FROM lines)
        )"""
"""The JSON of a line: all of it, or what follows `data:`."""

BROKEN = """CASE WHEN valid THEN NULL
                    WHEN starts_with(payload, '{') OR file NOT IN (SELECT file FROM stream_payloads WHERE sse) THEN 'not valid JSON' END"""
"""SQL: why a line is rejected. In a dump of server-sent events what is no JSON is part of the dump."""


def _labels(reading: Reading) -> tuple[Mapping[str, list[str]], list[str]]:
    """Our field -> the keys of the log around the events that mean it, and all keys."""
    rows = reading.connection.execute(
        "SELECT DISTINCT TRY(json_keys(payload)) FROM stream_payloads WHERE valid LIMIT 20000"
    ).fetchall()
    keys = list(dict.fromkeys(key for (names,) in rows for key in names or () if key not in OWN))
    return fields(keys), keys


def _lane(known: Mapping[str, Sequence[str]], keys: Sequence[str]) -> str:
    """SQL: which of the streams that run at the same time an event belongs to: by a field that all of a file's events have."""
    names = [
        name for lane in LANES for name in (known.get(lane) or [k for k in keys if normalized(k) == normalized(lane)])
    ]
    telling = """e."type" IN ('message_start', 'message_delta')"""
    cases = [
        f"WHEN bool_and(NOT absent(o.{identifier(name)})) FILTER (WHERE {telling}) OVER (PARTITION BY file) THEN o.{identifier(name)}"
        for name in dict.fromkeys(names)
    ]
    return f"coalesce(CASE {' '.join(cases)} END, '')" if cases else "''"


def _select(reading: Reading) -> str:
    """One row for each line: calls at their first event, the other lines with why they are none.

    parsed: the event and the log around it. numbered: the number of `message_start` so far in its lane. begun: the message
    id of each. grouped: the events of one message.
    """
    reading.connection.execute(PAYLOADS)
    known, keys = _labels(reading)
    wanted = [key for key in keys if field_of(key) or normalized(key) in map(normalized, LANES)]
    outer = quoted(json.dumps(dict.fromkeys(wanted, "VARCHAR") or {"-": "VARCHAR"}))
    event, telling = quoted(json.dumps(events.EVENT)), quoted_list(events.TELLING)

    def value(field: str) -> str | None:
        found = [
            f"arg_min(o.{identifier(name)}, line) FILTER (WHERE NOT absent(o.{identifier(name)}))"
            for name in known.get(field, ())
        ]
        return f"coalesce({', '.join(found)})" if found else None

    labels = {
        name: sql
        for name, sql in named.labels(value).items()
        if name not in ("model_raw", "message_id", "stop_reason", "status")
    }
    shown = f", {named.listed(labels)}" if labels else ""
    grouped = f"""
        SELECT file, min(line) AS line, {value("ts") or "NULL"} AS ts{shown},
            list(e ORDER BY line) FILTER (WHERE list_contains({telling}, e."type")) AS events
        FROM begun
        WHERE list_contains({telling}, e."type") AND nth > 0
        GROUP BY file, lane, coalesce(message, CAST(nth AS VARCHAR))"""
    read = events.told(f"SELECT *, {events.NO_ANSWER} AS whole FROM ({grouped})")
    model = f"coalesce(answer_model, {labels['model_raw']})" if "model_raw" in labels else "answer_model"
    told = ("tier", "speed", "geo", "content_blocks", "tools_used", "stream", "provider", "model_raw")
    kept = [f'"{name}"' for name in labels if name not in told]
    provider = '"provider", ' if "provider" in labels else ""
    return f"""
        WITH parsed AS (
            SELECT file, line, {BROKEN} AS broken,
                CASE WHEN valid THEN TRY(json_transform({_event("payload")}, {event})) END AS e,
                CASE WHEN valid THEN TRY(json_transform(payload, {outer})) END AS o
            FROM stream_payloads
        ),
        numbered AS (
            SELECT *, count(*) FILTER (WHERE e."type" = 'message_start') OVER (
                PARTITION BY file, lane ORDER BY line ROWS BETWEEN UNBOUNDED PRECEDING AND CURRENT ROW) AS nth
            FROM (SELECT *, {_lane(known, keys)} AS lane FROM parsed)
        ),
        begun AS MATERIALIZED (
            SELECT *, first_value(e.message.id) OVER (PARTITION BY file, lane, nth ORDER BY line) AS message
            FROM numbered
        ),
        calls AS MATERIALIZED (
            SELECT file, line, ts, {"".join(f"{name}, " for name in kept)}
                {model} AS model_raw,
                'stream:' || answer_id AS identity,
                true AS snapshots,
                answer_id AS message_id,
                {events.columns()},
                coalesce({provider}CASE WHEN answer_metrics IS NOT NULL THEN 'aws_bedrock' END) AS provider,
                'true' AS "stream",
                {events.NOTES} AS notes
            FROM ({read})
        )
        SELECT * FROM calls
        UNION ALL BY NAME
        SELECT file, line, broken AS reject,
            CASE WHEN broken IS NULL THEN
                CASE WHEN nth = 0 AND list_contains({telling}, e."type") THEN 'event of a stream without its start'
                    WHEN list_contains({quoted_list(events.TYPES)}, e."type") THEN 'event of a stream'
                    ELSE 'other line' END END AS ignore
        FROM begun
        WHERE (file, line) NOT IN (SELECT (file, line) FROM calls)"""


STREAM = Ingestor(
    name="stream",
    title="dumped streams of the Messages API (server-sent events)",
    kind=Kind.LINES,
    recognise=_recognise,
    select=_select,
    rank=38,
    cross_line=True,
    doc=__doc__,
)
