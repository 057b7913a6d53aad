"""Format native: the application's own log, one record a call, with the shape of each prompt."""

from __future__ import annotations

from datetime import date, datetime
from itertools import chain as joined

from . import office, shop
from .asks import Ask, serve
from .calls import Call
from .dice import moment, stamp
from .logfile import LogFile, compact, usage

ROTATED = "native/app-2026-11-08.jsonl.gz"
CURRENT = "native/app.jsonl"
ROTATION = date(2026, 11, 9)

EVENTS: tuple[tuple[datetime, dict[str, object]], ...] = (
    (moment(date(2026, 9, 24), 6), {"event": "deploy", "version": "2026.39"}),
    (
        moment(date(2026, 10, 8), 17, 31, 2),
        {"endpoint": "support_chat", "status": "error", "error": "overloaded_error"},
    ),
    (moment(date(2026, 10, 19), 6), {"event": "deploy", "version": "2026.42"}),
    (
        moment(date(2026, 11, 3), 17, 12, 40),
        {"endpoint": "support_chat", "status": "error", "error": "overloaded_error"},
    ),
    (moment(date(2026, 11, 9), 12, 3, 8), {"event": "deploy", "version": "2026.45"}),
)
"""Lines without usage: deployments, and two requests that failed and cost nothing."""
CRASH = moment(date(2026, 11, 9), 12, 3)
"""The process is killed while it writes a record: the line is cut."""
SHIPPED_TWICE = moment(date(2026, 11, 13), 17)
"""The log shipper sends the first chat record after this moment twice."""


def files() -> list[LogFile]:
    """The rotated log and the current one."""
    rotated, current = LogFile(ROTATED), LogFile(CURRENT)
    pending = [*EVENTS]
    crashed = repeated = False
    asks = joined(
        shop.support_chat(),
        shop.plant_doctor(),
        shop.order_status(),
        office.classify_review(),
        office.extract_invoice(),
        office.care_guide(),
        office.nightly_report(),
        office.stock_agent(),
        office.canary(),
    )
    for call in serve(asks):
        file = rotated if call.at.date() < ROTATION else current
        if not crashed and call.at > CRASH:
            crashed = True
            file.reject(
                f'{{"timestamp":"{stamp(CRASH)}","model":"claude-haiku-4-5","usage":{{"input_tokens":3391,"cache_crea'
            )
        while pending and pending[0][0] < call.at:
            at, event = pending.pop(0)
            (rotated if at.date() < ROTATION else current).ignore(compact({"timestamp": stamp(at), **event}))
        line = compact(record(call))
        file.call(call, line)
        if not repeated and call.at > SHIPPED_TWICE and call.endpoint == "support_chat":
            repeated = True
            file.duplicate(line)
    return [rotated, current]


def record(call: Call) -> dict[str, object]:
    """The native record of a call."""
    ask = call.facts["ask"]
    assert isinstance(ask, Ask)  # noqa: S101 -- for the type checker: files() passes nothing else
    facts = dict(ask.facts)
    tags = facts.pop("tags", None)
    row: dict[str, object] = {
        "timestamp": stamp(call.at),
        "model": call.model,
        "usage": usage(
            call.tokens,
            thinking=ask.thinking or None,
            searches=call.searches,
            tier="batch" if call.batch else "standard",
        ),
        "request_id": ask.request_id,
        "endpoint": call.endpoint,
        **facts,
    }
    if ask.ttft_ms is not None:
        row["ttft_ms"] = ask.ttft_ms
    if not call.batch:
        row["latency_ms"] = ask.latency_ms
    if ask.blocks:
        row["prompt_blocks"] = [
            {
                "hash": block.hash,
                "tokens": block.tokens,
                "kind": block.kind,
                **({"breakpoint": True} if block.mark else {}),
            }
            for block in ask.blocks
        ]
    if tags:
        row["tags"] = tags
    return row
