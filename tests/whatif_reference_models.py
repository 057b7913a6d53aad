"""Routers that err, other vendors and models of one's own, a row at a time: what the fast levers are held against."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from fractions import Fraction
from math import ceil

from logs import CATALOG
from whatif_reference import Row, log_model, may_go, ratio_of, routed, rows_of

from claude_audit.rates import Group, Unpriced


def route_by_router(
    rows: Sequence[Row], target: str, router: str, factor: Fraction, accuracy: Fraction, caught: Fraction
) -> list[Row]:
    """Each row that may go is judged by the router first: `accuracy` of them rightly, `caught` of the bad answers again."""
    found: list[Row] = []
    for row in rows:
        simple = may_go(row, target, factor)
        judge = CATALOG.models[router]
        read = ceil(ratio_of(row, router, factor) * rows_of([row.logged])[0].prompt) + 150
        if simple is None or read + 5 > judge.context or (row.geo == "us" and not judge.inference_geo_us):
            found.append(row)
            continue
        asked = _call(row, router, ceil(ratio_of(row, router, factor) * row.prompt) + 150)
        wrong = 1 - accuracy
        if simple:
            parts = [(accuracy, routed(row, target, factor), asked), (wrong, row, asked)]
        else:
            again = row.usd()
            assert again is not None
            parts = [(wrong, routed(row, target, factor), asked + caught * again), (accuracy, row, asked)]
        found += [replace(part, share=share, beside=share * beside) for share, part, beside in parts if share]
    return found


def _call(row: Row, router: str, read: int) -> Fraction:
    """What one verdict costs: at standard speed, in no batch, where the request goes."""
    size = sum(read > limit for limit in CATALOG.thresholds) if router in CATALOG.banded_models else 0
    price = CATALOG.price(Group(router, row.day, size, geo=row.geo, provider="anthropic"), lenient=True)
    assert not isinstance(price, Unpriced)
    return (read * Fraction(price.usd("input") or 0) + 5 * Fraction(price.usd("output") or 0)) / 10**6


def elsewhere(row: Row, usd_in: Fraction, usd_out: Fraction, per_token: Fraction, fee: Fraction) -> Row:
    """Another vendor's bill, which caches nothing and has no batches."""
    barred = row.speed == "fast" or row.tier in ("priority", "batch") or row.geo == "us" or _searches(row)
    if barred:
        return row
    usd = (row.prompt * usd_in + row.o * usd_out) * per_token * (1 + fee) / 10**6
    return replace(row, share=Fraction(0), beside=row.beside + row.share * usd)


def own_model(rows: Sequence[Row], endpoint: str, usd_in: Fraction, usd_out: Fraction, hosting: Fraction) -> list[Row]:
    """The endpoint's rows at the price of a model of one's own; the hosting beside the first of them."""
    found = []
    for row in rows:
        if row.logged.get("endpoint") != endpoint or _searches(row):
            found.append(row)
            continue
        usd = (row.prompt * usd_in + row.o * usd_out) / 10**6
        found.append(replace(row, share=Fraction(0), beside=row.beside + row.share * usd + hosting))
        hosting = Fraction(0)
    return found


def _searches(row: Row) -> bool:
    return bool(row.logged["usage"].get("server_tool_use", {}).get("web_search_requests"))


__all__ = ["elsewhere", "log_model", "own_model", "route_by_router"]
