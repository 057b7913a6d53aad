"""The evidence's side of a reconciliation: which reports to believe for which days, and what they claim, as facts.

For each day the most detailed report of tokens counts, and the most detailed report of dollars; others of the same time
are not added to them.
"""

from __future__ import annotations

import re
from bisect import bisect_right
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import TYPE_CHECKING, Any, Literal

from claude_audit.bill import SEARCHES, components, total
from claude_audit.evidence import Evidence, model_id
from claude_audit.ingestors_evidence import Report, registry
from claude_audit.money import EXACT, ZERO
from claude_audit.rates import Group
from claude_audit.reconcile_facts import CLAUDE_CODE, DAY, TOKENS, Fact, Period, Periods, Source, told_tier
from claude_audit.store import Export
from claude_audit.text import count
from claude_audit.usage import TOKEN_CLASSES

if TYPE_CHECKING:
    from claude_audit.catalog import Catalog
    from claude_audit.filters import Filters

DEFAULT_WORKSPACE = "Default"
"""What the Console calls the workspace that has no id in reports."""

Kind = Literal["usage", "cost"]


@dataclass(frozen=True, slots=True)
class Billed:
    """The evidence of a reconciliation."""

    rows: tuple[Evidence, ...]
    """All that count, whether or not they are the most detailed of their time."""
    used: Mapping[Kind, tuple[Evidence, ...]]
    """The ones that are, by what they tell of."""
    periods: Periods
    usage: tuple[Fact, ...]
    cost: tuple[Fact, ...]
    names: Mapping[str, Mapping[str, str]]
    """By dimension: id -> name, as the reports pair them."""
    notes: tuple[str, ...] = ()
    sources: tuple[Source, ...] = ()
    newest: datetime | None = field(default=None)
    """When the newest of the downloads was written."""


def billed(rows: Sequence[Evidence], exports: Sequence[Export], catalog: Catalog, filters: Filters) -> Billed:
    """The evidence of the days that the filters leave, as facts."""
    window = _window(filters)
    rows = tuple(r for r in rows if window[0] <= r.claim.start and r.claim.end <= window[1])
    formats = registry()
    chosen = _chosen(rows, exports, formats, window)
    used: dict[Kind, tuple[Evidence, ...]] = {kind: _inside(rows, chosen[kind], formats) for kind in ("usage", "cost")}
    periods = _merged(span for kind in chosen.values() for spans in kind.values() for span in spans)
    notes: list[str] = []
    invoiced: dict[Kind, list[Evidence]] = {
        kind: [r for r in found if r.claim.customer_type != "subscription"] for kind, found in used.items()
    }
    left_out = {r.evidence_id for found in used.values() for r in found if r.claim.customer_type == "subscription"}
    if left_out:
        notes.append(
            f"{count(len(left_out), 'row')} of subscriptions, which are not invoiced by the token: not compared"
        )
    usage = [f for r in invoiced["usage"] for f in _usage_facts(r, _place(periods, r, formats), catalog)]
    cost = [f for r in invoiced["cost"] for f in _cost_facts(r, _place(periods, r, formats), catalog)]
    unsure = sorted({r.model for r in invoiced["usage"] if r.model and _band_unknown(r, catalog)})
    if unsure:
        notes.append(
            f"the reports do not tell how much of {', '.join(unsure)} was in long prompts, which cost more: priced as short ones"
        )
    if unpriced := sorted({f.model or "(none)" for f in usage if f.usd is None}):
        notes.append(
            f"tokens of {', '.join(unpriced)} in the reports have no price: they count as $0 where no report has dollars"
        )
    notes += _also_said(rows, used, formats)
    return Billed(
        rows,
        used,
        periods,
        tuple(_with_default_workspace(usage)),
        tuple(_with_default_workspace(cost)),
        _names(rows),
        tuple(notes),
        tuple(_sources(rows)),
        max((datetime.fromtimestamp(e.written_ns / 1e9, UTC) for e in exports), default=None),
    )


def _window(filters: Filters) -> tuple[datetime, datetime]:
    def midnight(day: date) -> datetime:
        return datetime(day.year, day.month, day.day, tzinfo=UTC)

    first = midnight(filters.since) if filters.since else datetime.min.replace(tzinfo=UTC)
    last = midnight(filters.until + DAY) if filters.until else datetime.max.replace(tzinfo=UTC)
    return first, last


Spans = dict[str, list[Period]]


def _chosen(
    rows: Sequence[Evidence],
    exports: Sequence[Export],
    formats: Mapping[str, Report],
    window: tuple[datetime, datetime],
) -> dict[Kind, Spans]:
    """By kind and format: the stretches of time for which that format is the one to believe."""
    covered = {name: _covered(name, rows, exports, formats[name].scope, window) for name in {r.format for r in rows}}
    chosen: dict[Kind, Spans] = {"usage": {}, "cost": {}}
    taken: dict[tuple[str, str], list[Period]] = defaultdict(list)
    for name in (n for n in formats if n in covered):
        report = formats[name]
        kinds: tuple[Kind, ...] = ("usage", "cost") if report.scope == CLAUDE_CODE else (report.kind,)
        for span in covered[name]:
            # Claude Code's own report tells of a part of the spend only: where a report of all of it is, that counts.
            rivals = [
                other
                for (scope, kind), spans in taken.items()
                for other in spans
                if (scope == report.scope and kind in kinds) or (report.scope == CLAUDE_CODE and scope == "anthropic")
            ]
            if not any(span.begin < other.end and other.begin < span.end for other in rivals):
                for kind in kinds:
                    chosen[kind].setdefault(name, []).append(span)
        for kind in kinds:
            taken[report.scope, kind] += chosen[kind].get(name, [])
    return chosen


def _covered(
    name: str, rows: Sequence[Evidence], exports: Sequence[Export], scope: str, window: tuple[datetime, datetime]
) -> list[Period]:
    """The days that a format's downloads cover, days without a row included; of longer rows their own stretches."""
    mine = [r for r in rows if r.format == name]
    long = {(r.claim.start, r.claim.end) for r in mine if r.claim.end - r.claim.start > DAY}
    spans = {Period(start, end, scope) for start, end in long}
    of_days = {r.export for r in mine if r.claim.end - r.claim.start <= DAY}
    days: dict[date, tuple[datetime, datetime]] = {}
    for export in exports:
        if export.id not in of_days or export.first is None or export.last is None:
            continue
        at, last = (
            max(datetime.fromisoformat(export.first), window[0]),
            min(datetime.fromisoformat(export.last), window[1]),
        )
        while at < last:
            midnight = at.replace(hour=0, minute=0, second=0, microsecond=0)
            known = days.get(at.date(), (at, at))
            days[at.date()] = min(known[0], at), max(known[1], min(last, midnight + DAY))
            at = midnight + DAY
    for begin, end in days.values():
        if not any(begin < b and a < end for a, b in long):
            spans.add(Period(begin, end, scope))
    return sorted(spans)


def _inside(rows: Sequence[Evidence], spans: Spans, formats: Mapping[str, Report]) -> tuple[Evidence, ...]:
    found = []
    for row in rows:
        mine = spans.get(row.format, [])
        at = bisect_right(mine, row.claim.start, key=lambda p: p.begin) - 1
        if at >= 0 and row.claim.start < mine[at].end:
            found.append(row)
    return tuple(found)


def _merged(spans: Iterable[Period]) -> Periods:
    """Stretches without those in others: where two overlap, the one that holds both."""
    merged: list[Period] = []
    for span in sorted(spans, key=lambda p: (p.scope, p.begin, p.end)):
        if merged and merged[-1].scope == span.scope and span.begin < merged[-1].end:
            merged[-1] = replace(merged[-1], end=max(merged[-1].end, span.end))
        else:
            merged.append(span)
    return Periods(merged)


def _place(periods: Periods, row: Evidence, formats: Mapping[str, Report]) -> Period:
    found = periods.at(row.claim.start, (formats[row.format].scope,))
    assert found is not None  # noqa: S101 - periods are made of these very rows
    return found


def _usage_facts(row: Evidence, period: Period, catalog: Catalog) -> Iterator[Fact]:
    """A fact for each class of tokens, at our prices, and one for web searches."""
    model = row.model or model_id(row.claim.model_raw, catalog)
    counts = tuple(n or 0 for n in row.tokens)
    amounts = components(catalog.price(_group(row, model, catalog)), counts, 0, catalog)
    whose: dict[str, Any] = {"workspace": row.workspace, "api_key": row.api_key}
    tier = told_tier(row.claim.tier)
    for name, tokens in zip(TOKEN_CLASSES, counts, strict=True):
        if tokens:
            usd = amounts[name] if amounts else None
            yield Fact(period, TOKENS, model or row.claim.model_raw, name, **whose, quantity=tokens, usd=usd, tier=tier)
    if searches := row.claim.web_searches:
        fee = catalog.search_fee()[0]
        yield Fact(
            period,
            SEARCHES,
            model or row.claim.model_raw,
            **whose,
            quantity=searches,
            usd=EXACT.multiply(fee, Decimal(searches)),
        )


def _cost_facts(row: Evidence, period: Period, catalog: Catalog) -> Iterator[Fact]:
    claim = row.claim
    if claim.amount_usd is None:
        return
    kind = claim.cost_type
    if row.format == "admin_claude_code":
        kind = TOKENS
    elif kind is None and row.format == "console_cost" and claim.model_raw is None:
        kind = SEARCHES  # before the export had a cost_type, searches were its only rows without a model
    model = row.model or model_id(claim.model_raw, catalog) or claim.model_raw
    yield Fact(
        period,
        kind,
        model,
        claim.token_type,
        row.workspace,
        row.api_key,
        None,
        claim.amount_usd,
        claim.list_amount_usd,
        claim.rounding_usd or ZERO,
    )


def _group(row: Evidence, model: str | None, catalog: Catalog) -> Group:
    claim = row.claim
    size = sum(limit <= _window_from(claim.context_window) for limit in catalog.thresholds)
    return Group(model, claim.start.date(), size, claim.tier, claim.speed, claim.geo, "anthropic")


def _window_from(context: str | None) -> int:
    """Tokens that the prompts of a context window begin at: 200,000 of "200k-1M" and "> 200k", 0 of "≤ 200k"."""
    found = re.search(r"(?:^|>|≥)\s*([0-9]+)k\s*(?:-|$)", context or "", re.IGNORECASE)
    return int(found[1]) * 1000 if found else 0


def _band_unknown(row: Evidence, catalog: Catalog) -> bool:
    """Whether the model costs more above a prompt size that the row's context window does not part at."""
    model = catalog.models.get(row.model or "")
    rate = model.rate(row.claim.start.date()) if model else None
    if rate is None or rate.band is None:
        return False
    context = row.claim.context_window
    return _window_from(context) < rate.band.over and not (context and rate.band.over == 200_000)


def _with_default_workspace(facts: Sequence[Fact]) -> list[Fact]:
    """Where a report names workspaces, a row without one is of the default workspace."""
    if not any(f.workspace for f in facts):
        return list(facts)
    return [f if f.workspace else replace(f, workspace=DEFAULT_WORKSPACE) for f in facts]


def _names(rows: Sequence[Evidence]) -> dict[str, dict[str, str]]:
    keys = {r.claim.api_key_id: r.claim.api_key_name for r in rows if r.claim.api_key_id and r.claim.api_key_name}
    places = {
        r.claim.workspace_id: r.claim.workspace_name for r in rows if r.claim.workspace_id and r.claim.workspace_name
    }
    return {"api_key": keys, "workspace": places}


def _sources(rows: Sequence[Evidence]) -> Iterator[Source]:
    formats: dict[str, list[Evidence]] = defaultdict(list)
    for row in rows:
        formats[row.format].append(row)
    for name, members in sorted(formats.items()):
        yield Source(
            name,
            members[0].kind,
            len(members),
            min(r.claim.start for r in members),
            max(r.claim.end for r in members),
            amount_of(members),
            tokens_of(members),
        )


def amount_of(rows: Iterable[Evidence]) -> Decimal | None:
    """The dollars of the rows; None when none of them tells any."""
    amounts = [r.claim.amount_usd for r in rows if r.claim.amount_usd is not None]
    return total(amounts) if amounts else None


def tokens_of(rows: Iterable[Evidence]) -> dict[str, int | None]:
    """The tokens of the rows by class; None for a class that none of them tells."""
    sums: dict[str, int | None] = dict.fromkeys(TOKEN_CLASSES)
    for row in rows:
        for name, tokens in zip(TOKEN_CLASSES, row.tokens, strict=True):
            if tokens is not None:
                sums[name] = (sums[name] or 0) + tokens
    return sums


def _also_said(
    rows: Sequence[Evidence], used: Mapping[Kind, tuple[Evidence, ...]], formats: Mapping[str, Report]
) -> Iterator[str]:
    """Reports that tell of a time for which another one counts."""
    counted = {r.evidence_id for found in used.values() for r in found}
    spare: dict[str, int] = defaultdict(int)
    for row in rows:
        if row.evidence_id not in counted:
            spare[row.format] += 1
    for name in (n for n in formats if n in spare):
        yield f"{count(spare[name], 'row')} of {name} on days for which a more detailed report counts: not added to it"
