"""The logs against the invoice: what matches, what was logged and not billed, billed and not logged, and at which price.

Compared by period x model x token class x workspace x key x tier, as far as both sides tell these apart: where the logs leave out
a key, or a report is not grouped by it, that place is compared as a whole instead of guessing. Tokens are compared exactly
where a report has tokens; dollars within the report's own rounding where it has only those.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from decimal import Decimal
from typing import TYPE_CHECKING, Any

from claude_audit import evidence, overlaps
from claude_audit.bill import total
from claude_audit.ingestors_evidence import registry
from claude_audit.money import EXACT, ZERO, dollars, rounded
from claude_audit.reconcile_claims import Billed, amount_of, billed, tokens_of
from claude_audit.reconcile_facts import Fact, Logged, Period, logged
from claude_audit.reconciliation import Cell, PriceLine, Reconciliation
from claude_audit.text import count

if TYPE_CHECKING:
    from claude_audit.audit import Audit

DIMENSIONS = ("kind", "model", "token_type", "workspace", "api_key", "tier")
"""In the order in which the two sides are parted."""

PRICED_BY = ("kind", "model", "token_type")
"""What a price can depend on, of these."""

PLACES = 12
"""Decimal places to which an invoice amount is shared out among what it is for."""

CENT = Decimal("0.005")
_ID = re.compile(r"(apikey_|wrkspc_|sk-ant-|sha256:)\S+")
_NOT_LOGGED = {"code_execution": "code execution", "session_usage": "sessions of managed agents"}


def reconcile(audit: Audit, same: Sequence[tuple[str, str]] = ()) -> Reconciliation:
    """The audit's rows against the evidence in its store, over the days that evidence covers (UTC).

    `same`: pairs of labels that mean one key or one workspace, such as an id in the logs and a name in the Console.
    Raises AuditError when the store is damaged.
    """
    rows = evidence.load(audit.store, audit.manifest)
    by_day = [report.name for report in registry().values() if report.by_day]
    counted = overlaps.counted(rows, audit.manifest.exports, by_day)
    claims = billed(counted.rows, audit.manifest.exports, audit.catalog, audit.filters)
    logs = logged(audit, claims.periods)
    ours, usage, cost, notes = _with_one_name(logs.facts, claims, same)
    cells, prices, surplus = compare(ours, usage, cost)
    return Reconciliation(
        rows=len(claims.rows),
        amount_usd=amount_of(claims.used["cost"]),
        tokens=tokens_of(claims.used["usage"]),
        sources=claims.sources,
        cells=cells,
        prices=prices,
        has_dollars=bool(cost),
        uncovered_usd=logs.uncovered_usd,
        uncovered_requests=logs.uncovered_requests,
        elsewhere=logs.elsewhere,
        notes=(*counted.warnings, *claims.notes, *notes, *_notes(cells, surplus, claims, logs)),
    )


def compare(
    logs: Sequence[Fact], usage: Sequence[Fact], cost: Sequence[Fact]
) -> tuple[tuple[Cell, ...], tuple[PriceLine, ...], Decimal]:
    """Where the three meet, at which prices, and the dollars (at our prices) of tokens that no report of dollars has."""
    theirs, prices, surplus = _valued(usage, cost)
    in_cents = {fact.period for fact in cost if fact.rounding_usd >= CENT}
    cells = [
        _cell(period, labels, left, right, CENT if period in in_cents else ZERO)
        for period, labels, left, right in _met(logs, theirs, DIMENSIONS)
    ]
    return tuple(cells), tuple(prices), surplus


def _with_one_name(
    facts: Sequence[Fact], claims: Billed, same: Sequence[tuple[str, str]]
) -> tuple[list[Fact], list[Fact], list[Fact], list[str]]:
    """Logs, usage and cost with one name for each key and workspace; a dimension that can't be joined is left out."""
    pairs = dict(same)
    notes: list[str] = []
    sides: tuple[list[Fact], ...] = (list(facts), list(claims.usage), list(claims.cost))
    for dimension in ("api_key", "workspace"):
        names = {
            **claims.names[dimension],
            **pairs,
            **{b: pairs[a] for a, b in claims.names[dimension].items() if a in pairs},
        }
        known = _known(names)
        sides = tuple([_renamed(fact, dimension, known) for fact in side] for side in sides)
        mine = {getattr(f, dimension) for f in sides[0]} - {None}
        yours = {getattr(f, dimension) for side in sides[1:] for f in side} - {None}
        if mine and yours and not mine & yours and _ids(mine) != _ids(yours):
            what = dimension.replace("api_key", "key")
            notes.append(
                f"the logs call {what}s {min(mine)!r} and the reports {min(yours)!r}, and nothing says which is which: "
                f"not compared by {what}; --same {min(mine)}=NAME joins them"
            )
            sides = (sides[0], *([_with(f, dimension, None) for f in side] for side in sides[1:]))
    return sides[0], sides[1], sides[2], notes


def _known(names: Mapping[str, str]) -> Callable[[str], str]:
    def last(name: str) -> str:
        seen = set()
        while name in names and name not in seen:
            seen.add(name)
            name = names[name]
        return name

    return last


def _renamed(fact: Fact, dimension: str, known: Callable[[str], str]) -> Fact:
    value = getattr(fact, dimension)
    name = known(value) if value is not None else None
    return fact if name == value else _with(fact, dimension, name)


def _with(fact: Fact, dimension: str, label: str | None) -> Fact:
    return replace(fact, api_key=label) if dimension == "api_key" else replace(fact, workspace=label)


def _ids(labels: set[str]) -> bool:
    return all(_ID.fullmatch(name) for name in labels)


Met = tuple[Period, dict[str, str | None], list[Fact], list[Fact]]


def _met(ours: Sequence[Fact], theirs: Sequence[Fact], dimensions: Sequence[str]) -> Iterator[Met]:
    """Both sides parted by period and by each dimension, as far as both tell it."""
    mine, yours = _grouped(ours, "period"), _grouped(theirs, "period")
    for period in sorted({*mine, *yours}):
        yield from _parted(period, {}, mine.get(period, []), yours.get(period, []), dimensions)


def _grouped(facts: Sequence[Fact], dimension: str) -> dict[Any, list[Fact]]:
    groups: dict[Any, list[Fact]] = defaultdict(list)
    for fact in facts:
        groups[getattr(fact, dimension)].append(fact)
    return groups


def _parted(
    period: Period, labels: dict[str, str | None], ours: list[Fact], theirs: list[Fact], dimensions: Sequence[str]
) -> Iterator[Met]:
    if not dimensions:
        yield period, labels, ours, theirs
        return
    dimension, *rest = dimensions
    if _tells(dimension, ours, theirs):
        mine, yours = _grouped(ours, dimension), _grouped(theirs, dimension)
        for value in sorted({*mine, *yours}, key=lambda v: (v is None, v or "")):
            yield from _parted(period, {**labels, dimension: value}, mine.get(value, []), yours.get(value, []), rest)
    else:
        named = {getattr(f, dimension) for f in theirs} - {None} or {getattr(f, dimension) for f in ours} - {None}
        only = next(iter(named)) if len(named) == 1 else None
        yield from _parted(period, {**labels, dimension: only}, ours, theirs, rest)


def _tells(dimension: str, ours: Sequence[Fact], theirs: Sequence[Fact]) -> bool:
    """Whether both sides can be parted by it. On the invoice one row without a key has none; in logs it was left out."""
    if not ours or not theirs:
        return True
    mine, yours = ([getattr(f, dimension) for f in side] for side in (ours, theirs))
    if dimension in ("kind", "token_type", "tier"):
        return None not in mine and None not in yours
    return any(v is not None for v in yours) and (dimension == "model" or None not in mine)


def _valued(usage: Sequence[Fact], cost: Sequence[Fact]) -> tuple[list[Fact], list[PriceLine], Decimal]:
    """The evidence with what the invoice says of it, the prices that follow, and what a report of dollars leaves out.

    Where a report of dollars goes with one of tokens, its amounts are shared out among the tokens in proportion to our
    prices; where it stands alone, or tells of something else, its rows stand for themselves.
    """
    with_dollars = {fact.period for fact in cost}
    facts = [fact for fact in usage if fact.period not in with_dollars]
    prices: list[PriceLine] = []
    surplus = ZERO
    for period, labels, tokens, amounts in _met([f for f in usage if f.period in with_dollars], cost, PRICED_BY):
        if not amounts:
            surplus = EXACT.add(surplus, total(f.usd or ZERO for f in tokens))
            facts += [replace(f, usd=ZERO) for f in tokens]
            continue
        amount = total(f.usd or ZERO for f in amounts)
        prices.append(_price_line(period, labels, tokens, amounts, amount))
        if tokens:
            facts += _shared_out(amount, tokens)
        else:
            facts += amounts
    return facts, prices, surplus


def _price_line(
    period: Period, labels: Mapping[str, str | None], tokens: Sequence[Fact], dollars: Sequence[Fact], amount: Decimal
) -> PriceLine:
    unpriced = not tokens or any(f.usd is None for f in tokens)
    return PriceLine(
        period,
        labels["kind"],
        labels["model"],
        labels["token_type"],
        sum(f.quantity or 0 for f in tokens) if tokens else None,
        None if unpriced else total(f.usd or ZERO for f in tokens),
        None if any(f.list_usd is None for f in dollars) else total(f.list_usd or ZERO for f in dollars),
        amount,
        total(f.rounding_usd for f in dollars),
    )


def _shared_out(amount: Decimal, facts: Sequence[Fact]) -> Iterator[Fact]:
    """The facts with shares of `amount` that add up to it exactly."""
    priced = [f.usd for f in facts]
    weights = (
        [Decimal(f.quantity or 0) for f in facts] if None in priced or not any(priced) else [p or ZERO for p in priced]
    )
    whole, before, given = total(weights), ZERO, ZERO
    for fact, weight in zip(facts, weights, strict=True):
        before = EXACT.add(before, weight)
        upto = amount if before == whole else rounded(EXACT.divide(EXACT.multiply(amount, before), whole), PLACES)
        yield replace(fact, usd=EXACT.subtract(upto, given))
        given = upto


def _cell(
    period: Period, labels: Mapping[str, str | None], ours: Sequence[Fact], theirs: Sequence[Fact], least: Decimal
) -> Cell:
    """`least`: dollars below which a report may have no row at all."""
    there = sum(f.quantity or 0 for f in ours)
    counts = [f.quantity for f in theirs]
    claimed = None if None in counts else sum(n or 0 for n in counts)
    usd = None if any(f.usd is None for f in ours) else total(f.usd or ZERO for f in ours)
    amount = total(f.usd or ZERO for f in theirs)
    unlogged = unbilled = undecided = ZERO
    if claimed is not None and theirs:
        if claimed > there:
            unlogged = _part(amount, claimed - there, claimed)
        elif there > claimed:
            unbilled = _part(usd or ZERO, there - claimed, there)
    elif not theirs:
        unbilled = usd if usd is not None and usd > least else ZERO
        claimed = 0 if unbilled or usd is None else None
    elif usd is None:
        undecided = amount
    elif amount >= 0:
        listed = amount if any(f.list_usd is None for f in theirs) else total(f.list_usd or ZERO for f in theirs)
        difference = EXACT.subtract(listed, usd)
        if abs(difference) > total(f.rounding_usd for f in theirs):
            if difference > 0:
                unlogged = rounded(EXACT.divide(EXACT.multiply(amount, difference), listed), PLACES)
            else:
                unbilled = -difference
    return Cell(
        period,
        labels["kind"],
        labels["model"],
        labels["token_type"],
        labels["workspace"],
        labels["api_key"],
        there,
        claimed,
        usd,
        amount,
        unlogged,
        unbilled,
        undecided,
        len(theirs),
    )


def _part(amount: Decimal, some: int, whole: int) -> Decimal:
    if some == whole:
        return amount
    return rounded(EXACT.divide(EXACT.multiply(amount, Decimal(some)), Decimal(whole)), PLACES)


def _notes(cells: Sequence[Cell], surplus: Decimal, claims: Billed, logs: Logged) -> Iterator[str]:
    for kind, words in _NOT_LOGGED.items():
        if amount := total(cell.billed_usd for cell in cells if cell.kind == kind):
            yield f"{dollars(amount)} is for {words}, which no log of requests shows"
    if surplus >= CENT:
        yield f"tokens worth {dollars(surplus)} at our prices are in the report of usage, but have no row in that of costs"
    unsaid = [cell for cell in cells if cell.api_key is None and cell.unlogged_usd and cell.logged]
    keyed = any(fact.api_key is not None for fact in (*claims.usage, *claims.cost))
    if unsaid and keyed and any(fact.api_key is None for fact in logs.facts):
        yield "the logs do not always record the key: where they don't, the rest is not told apart by key"
    dollars_for = {fact.period for fact in claims.cost}
    if dollars_for and any(fact.period not in dollars_for for fact in claims.usage):
        yield "on days for which no report has dollars, its tokens stand at our prices"
    newest = max((p.end for p in claims.periods.all), default=None)
    if newest and claims.newest and claims.newest < newest:
        yield f"the reports were downloaded before {newest.date()} began: their last day may be incomplete"
    if logs.uncovered_requests:
        yield (
            f"{count(logs.uncovered_requests, 'logged call')} ({dollars(logs.uncovered_usd)}) on days that no report covers: "
            "not compared"
        )
    for provider, usd in sorted(logs.elsewhere.items()):
        yield f"{dollars(usd)} of the logs is billed by {provider}, and no report of theirs was ingested: not compared"
