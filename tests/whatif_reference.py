"""Levers a row at a time, in exact fractions, by the rules' own words: slow, and what the fast engine is held against."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from datetime import date
from fractions import Fraction
from math import ceil
from typing import Any

from logs import CATALOG

from claude_audit.rates import Group, Unpriced
from claude_audit.usage import TOKEN_CLASSES

SIMPLE = ("classify", "extract", "yes_no", "route", "triage", "format", "short_summary")


@dataclass(frozen=True)
class Row:
    """A request: as logged, and as the levers before have made it."""

    logged: dict[str, Any]
    model: str
    day: date
    u: Fraction
    r: Fraction
    w5: Fraction
    w1: Fraction
    o: Fraction
    cacheable: Fraction
    tier: str
    speed: str
    geo: str
    moved: bool = False
    void: bool = False
    joint: Fraction = Fraction(0)
    """Of a request that goes out with others: the prompt of their call."""
    h: Fraction = Fraction(0)
    """The thinking part of o."""
    cut_visible: Fraction = Fraction(0)
    cut_thinking: Fraction = Fraction(0)
    """Shares of the two parts of the answer that are left out, after every rounding."""
    before: Row | None = None
    """What it was before its model was changed."""
    share: Fraction = Fraction(1)
    """Of a request of which a router judges a part wrongly."""
    beside: Fraction = Fraction(0)
    """US dollars of what a scenario brings beside it."""

    @property
    def answer(self) -> Fraction:
        return self.o - self.cut_visible * (self.o - self.h) - self.cut_thinking * self.h

    @property
    def prompt(self) -> Fraction:
        return self.u + self.r + self.w5 + self.w1

    def usd(self) -> Fraction | None:
        searches = self.logged["usage"].get("server_tool_use", {}).get("web_search_requests", 0)
        whole = self.joint or self.prompt / (1 + searches)
        size = sum(whole > limit for limit in CATALOG.thresholds) if self.model in CATALOG.banded_models else 0
        price = CATALOG.price(
            Group(self.model, self.day, size, self.tier, self.speed, self.geo, "anthropic"), lenient=self.moved
        )
        if isinstance(price, Unpriced):
            return None
        amounts = dict(zip(TOKEN_CLASSES, (self.u, self.r, self.w5, self.w1, self.answer), strict=True))
        rates = {name: price.usd(name) for name in TOKEN_CLASSES}
        if any(amounts[name] and rates[name] is None for name in TOKEN_CLASSES):
            return None
        fee = Fraction(searches, 100)
        tokens = sum((amounts[n] * Fraction(rates[n] or 0) for n in TOKEN_CLASSES), Fraction(0)) / 10**6
        return self.share * (tokens + fee) + self.beside


def rows_of(records: Sequence[dict[str, Any]]) -> list[Row]:
    """The rows of records that have a price."""
    found = []
    for record in records:
        usage, model = record["usage"], CATALOG.resolve(record["model"], families=False)
        if model is None:
            continue
        w1 = usage["cache_creation"]["ephemeral_1h_input_tokens"]
        u, r, w5, o = (
            Fraction(n)
            for n in (
                usage["input_tokens"],
                usage["cache_read_input_tokens"],
                usage["cache_creation_input_tokens"] - w1,
                usage["output_tokens"],
            )
        )
        prompt, cached = u + r + w5 + w1, r + w5 + w1
        blocks = record.get("prompt_blocks")
        if blocks is None:
            cacheable = cached or prompt
        else:
            cacheable = min(max(Fraction(_cacheable(blocks)), cached), prompt)
        row = Row(
            record,
            model.model.id,
            date.fromisoformat(record["timestamp"][:10]),
            u,
            r,
            w5,
            Fraction(w1),
            o,
            cacheable,
            usage.get("service_tier", "standard"),
            usage.get("speed", "standard"),
            usage.get("inference_geo") or "global",
            h=min(o, Fraction(usage.get("output_tokens_details", {}).get("thinking_tokens", 0))),
        )
        if row.usd() is not None:
            found.append(row)
    return found


def _cacheable(blocks: Sequence[dict[str, Any]]) -> int:
    marked = [n for n, block in enumerate(blocks) if block.get("breakpoint")]
    if marked:
        return sum(block["tokens"] for block in blocks[: marked[-1] + 1])
    head = 0
    for block in blocks:
        if block["kind"] not in ("tools", "system"):
            break
        head += block["tokens"]
    return head if blocks and blocks[0]["kind"] in ("tools", "system") else sum(block["tokens"] for block in blocks)


def cap(row: Row, limit: int) -> Row:
    thinks = row.logged.get("thinking") or row.logged["usage"].get("output_tokens_details", {}).get(
        "thinking_tokens", 0
    )
    longer = Fraction(row.logged["usage"]["output_tokens"] - limit)
    return row if thinks else replace(row, o=row.o - max(longer, Fraction(0)))


def route(row: Row, target: str, factor: Fraction) -> Row:
    return routed(row, target, factor) if may_go(row, target, factor) else row


def ratio_of(row: Row, target: str, factor: Fraction) -> Fraction:
    """Tokens of the target for one of the row's own."""
    there = CATALOG.models[target]
    if CATALOG.models[log_model(row)].tokenizer == there.tokenizer:
        return Fraction(1)
    return factor if there.tokenizer == "new" else 1 / factor


def may_go(row: Row, target: str, factor: Fraction) -> bool | None:
    """Whether the row is simple; None when a gate keeps it where it is."""
    log, there = row.logged, CATALOG.models[target]
    ratio = ratio_of(row, target, factor)
    logged = rows_of([log])[0]
    big_in, big_out = ceil(ratio * logged.prompt), ceil(ratio * logged.o)
    task = log.get("task")
    simple = task in SIMPLE or (
        task is None
        and logged.prompt <= 2000
        and logged.o <= 150
        and log.get("message_count", 1) <= 1
        and not log.get("tools_defined")
    )
    barred = (
        log_model(row) == target
        or big_in + big_out > there.context
        or big_out > there.max_output
        or log.get("stop_reason")
        in ("tool_use", "pause_turn", "max_tokens", "refusal", "model_context_window_exceeded")
        or log.get("tools_used")
        or log.get("thinking")
        or log["usage"].get("output_tokens_details", {}).get("thinking_tokens")
        or log.get("has_images")
        or row.speed == "fast"
        or row.tier == "priority"
        or (row.geo == "us" and not there.inference_geo_us)
    )
    now = CATALOG.price(Group(log_model(row), row.day, 0))
    then = CATALOG.price(Group(target, row.day, 0), lenient=True)
    assert not isinstance(now, Unpriced) and not isinstance(then, Unpriced)
    cheaper = [(then.rate.usd_per_mtok[c] or 0) < (now.rate.usd_per_mtok[c] or 0) for c in ("input", "output")]
    return None if barred or not any(cheaper) else simple


def routed(row: Row, target: str, factor: Fraction) -> Row:
    if row.model == target:
        return row
    ratio = ratio_of(row, target, factor)
    row = row.before or row
    return replace(
        row,
        model=target,
        u=Fraction(ceil(ratio * row.prompt)),
        r=Fraction(0),
        w5=Fraction(0),
        w1=Fraction(0),
        o=Fraction(ceil(ratio * row.o)),
        h=Fraction(ceil(ratio * row.h)),
        cacheable=Fraction(ceil(ratio * row.cacheable)),
        moved=True,
        joint=Fraction(ceil(ratio * row.joint)),
    )


def log_model(row: Row) -> str:
    found = CATALOG.resolve(row.logged["model"], families=False)
    assert found is not None
    return found.model.id


def cache(rows: Sequence[Row], rate: Fraction) -> list[Row]:
    groups: dict[Any, list[int]] = {}
    for n, row in enumerate(rows):
        minimum = CATALOG.models[row.model].minimum(row.day, lenient=row.moved) or 1
        cached = row.r + row.w5 + row.w1
        if row.cacheable > 0 and (row.cacheable >= minimum or (cached > 0 and not row.moved)):
            key = (row.logged.get("workspace"), row.logged.get("endpoint"), row.model, row.moved, row.void)
            groups.setdefault(key, []).append(n)
    found = list(rows)
    for members in groups.values():
        read, whole = (
            sum(rows[n].share * part(rows[n]) for n in members) for part in (lambda r: r.r, lambda r: r.cacheable)
        )
        if read >= rate * whole:
            continue
        for n in members:
            row = rows[n]
            read = rate * row.cacheable
            found[n] = replace(row, u=row.prompt - row.cacheable, r=read, w5=row.cacheable - read, w1=Fraction(0))
    return found


def batch(row: Row, endpoint: str) -> Row:
    barred = row.logged.get("stream") or row.speed == "fast" or row.tier in ("priority", "batch")
    return row if barred or row.logged.get("endpoint") != endpoint else replace(row, tier="batch")


Lever = Callable[[Sequence[Row]], list[Row]]


def each(change: Callable[[Row], Row]) -> Lever:
    """A lever that judges every row by itself."""
    return lambda rows: [change(row) for row in rows]


def total(rows: Sequence[Row]) -> Fraction:
    """US dollars of all rows."""
    found = Fraction(0)
    for row in rows:
        usd = row.usd()
        assert usd is not None
        found += usd
    return found
