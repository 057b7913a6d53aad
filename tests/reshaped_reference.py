"""Prompts cut a row at a time, in exact fractions: what the levers that reshape are held against."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from fractions import Fraction
from typing import Any

from logs import CATALOG
from whatif_reference import Row, rows_of

from claude_audit.rates import Group, Unpriced

CHUNKS = ("document", "search_result", "chunk", "retrieval")
Region = tuple[int, int]
"""Where tokens stand that are taken out of a prompt as logged: (the first one's place, how many)."""


def told(row: Row) -> Sequence[dict[str, Any]] | None:
    """The blocks of a row; None where it has none, or such that can't be its prompt's."""
    blocks = row.logged.get("prompt_blocks")
    if blocks is None or sum(b["tokens"] for b in blocks) > rows_of([row.logged])[0].prompt:
        return None
    return blocks


def places(blocks: Iterable[dict[str, Any]]) -> Iterator[tuple[int, dict[str, Any]]]:
    """Each block with the place of its first token."""
    at = 0
    for block in blocks:
        yield at, block
        at += block["tokens"]


def trim(row: Row, most: int) -> Row:
    left, regions = most, []
    for at, block in places(told(row) or ()):
        if block["kind"] == "system":
            kept = min(left, block["tokens"])
            left -= kept
            regions.append((at + kept, block["tokens"] - kept))
    return cut(row, regions)


def prune(row: Row, unused: int) -> Row:
    blocks = row.logged.get("prompt_blocks")
    if blocks is None:
        return front(row, unused) if row.logged.get("tools_defined") else row
    tools = [(at, b["tokens"]) for at, b in places(told(row) or ()) if b["kind"] == "tools"]
    left, regions = unused, []
    for at, tokens in reversed(tools):
        gone = min(left, tokens)
        left -= gone
        regions.append((at + tokens - gone, gone))
    return cut(row, regions)


def rag(row: Row, most: int) -> Row:
    run, regions = 0, []
    for at, block in places(told(row) or ()):
        run = run + 1 if block["kind"] in CHUNKS else 0
        if run > most:
            regions.append((at, block["tokens"]))
    return cut(row, regions)


def under_band(row: Row, percent: int) -> Row:
    price = CATALOG.price(Group(row.model, row.day, size(row), row.tier, row.speed, row.geo, "anthropic"))
    assert not isinstance(price, Unpriced)
    if not price.banded or row.moved:
        return row
    limit = price.rate.band.over  # type: ignore[union-attr]
    if row.prompt * 100 > limit * (100 + percent):
        return row
    return ends(row, *(min(end, Fraction(limit)) for end in ends_of(row)))


def size(row: Row) -> int:
    banded = row.model in CATALOG.banded_models
    return sum(row.prompt > limit for limit in CATALOG.thresholds) if banded else 0


def ends_of(row: Row) -> tuple[Fraction, ...]:
    return (row.r, row.r + row.w1, row.r + row.w1 + row.w5, row.prompt, row.cacheable)


def ends(row: Row, read: Fraction, hour: Fraction, cached: Fraction, prompt: Fraction, cacheable: Fraction) -> Row:
    """The row with its classes ending there; with nothing cached if that is less than the minimum, and was more."""
    minimum = CATALOG.models[row.model].minimum(row.day) or 1
    if cached < minimum and cached != ends_of(row)[2]:
        read = hour = cached = Fraction(0)
    return replace(row, u=prompt - cached, r=read, w1=hour - read, w5=cached - hour, cacheable=min(cacheable, prompt))


def cut(row: Row, regions: Sequence[Region]) -> Row:
    """Without what stood there in the log, whatever else was taken out before."""
    logged = ends_of(rows_of([row.logged])[0])
    lost = [sum(max(0, min(end - at, tokens)) for at, tokens in regions) for end in logged]
    return ends(row, *(max(end - gone, Fraction(0)) for end, gone in zip(ends_of(row), lost, strict=True)))


def front(row: Row, tokens: int) -> Row:
    """Without its first tokens."""
    return ends(row, *(end - min(end, Fraction(tokens)) for end in ends_of(row)))
