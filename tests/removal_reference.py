"""Requests left out or sent together, a row at a time and by the rules' own words: beside whatif_reference.py."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime
from fractions import Fraction
from typing import Any

from logs import CATALOG
from whatif_reference import Row

HOUR, MINUTE = 3600.0, 60.0
FULL = ("max_tokens", "model_context_window_exceeded")


def start(row: Row) -> float:
    return datetime.fromisoformat(row.logged["timestamp"]).timestamp()


def end(row: Row) -> float:
    return start(row) + (row.logged.get("latency_ms") or 0) / 1000


def ended(row: Row) -> str:
    """well, or how not."""
    status = row.logged.get("status", "ok")
    if status in ("timeout", "error"):
        return "broken off"
    if row.logged.get("stop_reason") == "refusal" or status == "refused":
        return "refused"
    if status == "invalid":
        return "not usable"
    return "cut" if row.logged.get("stop_reason") in FULL else "well"


def in_order(rows: Sequence[Row]) -> list[Row]:
    """By start, then as logged (sorting is stable)."""
    return sorted(rows, key=start)


def replaced(rows: Sequence[Row]) -> set[str]:
    """The request ids of attempts that a later one replaced."""
    found = set()
    ordered = in_order(rows)
    for n, row in enumerate(ordered):
        log, later = row.logged, ordered[n + 1 :]
        if any(other.logged.get("retry_of") == log["request_id"] for other in later):
            found.add(log["request_id"])
            continue
        how = ended(row)
        if how == "well":
            continue
        alike = [o for o in later if log.get("request_hash") and o.logged.get("request_hash") == log["request_hash"]]
        good = how != "cut" or any(ended(other) == "well" and start(other) > start(row) for other in alike)
        if good and alike and start(alike[0]) - end(row) <= HOUR:
            found.add(log["request_id"])
        nearby = [
            o
            for o in later
            if log.get("session")
            and o.logged.get("session") == log["session"]
            and o.logged.get("endpoint") == log.get("endpoint")
        ]
        if nearby and start(nearby[0]) - end(row) <= MINUTE and abs(nearby[0].prompt - row.prompt) * 50 <= row.prompt:
            found.add(log["request_id"])
    return found


def served(rows: Sequence[Row], ttl: float) -> set[str]:
    """The request ids that a store answers, without coalescing."""
    named = {row.logged.get("retry_of") for row in rows}
    stored: dict[tuple[str, str], tuple[float, float]] = {}
    found = set()
    for row in in_order(rows):
        log = row.logged
        out = (
            log.get("tools_used") or log.get("stop_reason") == "tool_use" or row.tier == "batch" or log.get("retry_of")
        )
        if out or not log.get("request_hash"):
            continue
        key = (log["request_hash"], row.model)
        if key in stored and start(row) - stored[key][0] <= ttl:
            if start(row) >= stored[key][1]:
                found.add(log["request_id"])
        elif ended(row) == "well" and log["request_id"] not in named:
            stored[key] = (start(row), end(row))
    return found


def drop_retries(rows: Sequence[Row]) -> list[Row]:
    gone = replaced(rows)
    return [row for row in rows if row.logged["request_id"] not in gone]


def response_cache(rows: Sequence[Row], ttl: float, before: Sequence[Row]) -> list[Row]:
    """`before`: the rows as logged, for what was served does not depend on what is left of them."""
    gone = served(before, ttl)
    return [row for row in rows if row.logged["request_id"] not in gone]


def head(row: Row) -> Fraction | None:
    """Tokens of the start that a template shares; None: nobody says."""
    blocks = row.logged.get("prompt_blocks")
    if blocks:
        return min(Fraction(sum(block["tokens"] for block in leading(blocks))), row.prompt)
    cached = row.r + row.w5 + row.w1
    return cached or None


def leading(blocks: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    found = []
    for block in blocks:
        if block["kind"] not in ("tools", "system"):
            break
        found.append(block)
    return found


def items_per_call(
    rows: Sequence[Row], items: int, window: float = HOUR, frame_in: int = 10, frame_out: int = 5
) -> list[Row]:
    """Joint calls, of rows no other lever has changed."""
    templates: dict[Any, list[Row]] = {}
    for row in in_order(rows):
        log, shared = row.logged, head(row)
        limits = CATALOG.models[row.model]
        if (
            log.get("message_count", 1) > 1
            or log.get("tools_defined")
            or log.get("tools_used")
            or log.get("stop_reason", "end_turn") not in ("end_turn", "stop_sequence")
            or not shared
            or items * (row.o + frame_out) > limits.max_output
            or shared + items * (row.prompt - shared + frame_in + row.o + frame_out) > limits.context
        ):
            continue
        start_hash = leading(log.get("prompt_blocks") or [])
        key = (
            log.get("endpoint"), log.get("workspace"), row.model, log.get("prefix_hash"), shared,
            start_hash[-1]["hash"] if start_hash else None, row.logged["usage"].get("service_tier"),
            row.logged["usage"].get("speed"), row.logged["usage"].get("inference_geo"),
        )  # fmt: skip
        templates.setdefault(key, []).append(row)
    changed: dict[str, Row] = {}
    for members in templates.values():
        while members:
            joint = [row for row in members[:items] if start(row) - start(members[0]) <= window]
            members = members[len(joint) :]
            if len(joint) > 1:
                made = [_joined(row, n == 0, frame_in, frame_out) for n, row in enumerate(joint)]
                whole = sum((row.prompt for row in made), Fraction(0))
                changed |= {row.logged["request_id"]: replace(row, joint=whole) for row in made}
    return [changed.get(row.logged["request_id"], row) for row in rows]


def _joined(row: Row, first: bool, frame_in: int, frame_out: int) -> Row:
    shared, zero = head(row) or Fraction(0), Fraction(0)
    return replace(
        row,
        u=row.prompt + frame_in - (0 if first else shared),
        r=zero,
        w5=zero,
        w1=zero,
        o=row.o + frame_out,
        cacheable=min(row.cacheable, shared) if first else zero,
        void=True,
    )
