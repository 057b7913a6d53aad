"""Who spent it: the bill by any dimension, its Pareto, and what it is made of."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from math import ceil
from typing import TYPE_CHECKING, Any

from claude_audit.bill import COMPONENTS, SEARCHES, Billed, bill, total
from claude_audit.money import EXACT, ZERO
from claude_audit.rates import Unpriced
from claude_audit.tally import Label
from claude_audit.usage import TIME_DIMENSIONS, TOKEN_CLASSES

if TYPE_CHECKING:
    import pandas as pd

    from claude_audit.catalog import Catalog
    from claude_audit.tally import Line

TOKEN_TYPE = "token_type"  # noqa: S105 - the name of a dimension


@dataclass(frozen=True, slots=True)
class UnpricedUsage:
    """Billed usage that has no price: counted, never $0."""

    requests: int = 0
    passes: int = 0
    """Further passes (advisor, compaction) without a price, of calls that are counted elsewhere."""
    models: tuple[str, ...] = ()
    """Model names as logged, sorted; nothing for records that name none."""
    reasons: tuple[tuple[str, str, int], ...] = ()
    """(model, why, requests)."""


@dataclass(frozen=True, slots=True)
class SpendRow:
    """One group of the asked-for dimensions."""

    labels: tuple[Label, ...]
    requests: int | None
    """Calls; None by token type, where one call is in several rows."""
    unpriced_requests: int
    tokens: Mapping[str, int]
    """Billed tokens by TOKEN_CLASSES."""
    cost_usd: Decimal | None
    """Of the priced part; None when nothing in it has a price."""
    share: float | None
    """Of the total."""


@dataclass(frozen=True, slots=True)
class Pareto:
    """How concentrated the spend is, over the rows that have a cost."""

    groups: int
    top: int
    """How many groups the top fifth is (rounded up)."""
    top_share: float
    """Their share of the spend."""
    needed: int
    """The smallest number of groups that makes at least 80 % of the spend."""

    @property
    def holds(self) -> bool:
        """Whether "80 % of the spend comes from few" is true here: at most 40 % of the groups make it."""
        return self.needed <= 0.4 * self.groups


@dataclass(frozen=True, slots=True)
class Spend:
    """The answer to "who spent it?"."""

    by: tuple[str, ...]
    rows: tuple[SpendRow, ...]
    since: datetime | None
    until: datetime | None
    """The first and the last instant of the rows that were counted, UTC."""
    total_usd: Decimal
    requests: int
    tokens: Mapping[str, int]
    components: Mapping[str, Decimal]
    """US dollars by COMPONENTS."""
    unpriced: UnpricedUsage
    notes: tuple[str, ...] = ()

    @property
    def known_usd(self) -> Decimal | None:
        """The total; None where all that would cost something has no price."""
        return self.total_usd if self.total_usd or not self.unpriced.requests else None

    @property
    def pareto(self) -> Pareto | None:
        """None for fewer than three groups with a cost, and for rows by time or token type, which no one can cut."""
        costs = sorted((row.cost_usd for row in self.rows if row.cost_usd), reverse=True)
        if len(costs) < 3 or self.total_usd <= 0 or not self.by or {*TIME_DIMENSIONS, TOKEN_TYPE} & set(self.by):
            return None
        top = ceil(len(costs) / 5)
        goal = EXACT.multiply(self.total_usd, Decimal("0.8"))
        needed = next(n for n in range(1, len(costs) + 1) if total(costs[:n]) >= goal)
        return Pareto(len(costs), top, float(total(costs[:top]) / self.total_usd), needed)

    def to_frame(self) -> pd.DataFrame:
        """The rows as a pandas frame: one column a dimension, then counts and cost_usd (Decimal)."""
        import pandas as pd

        return pd.DataFrame(
            [
                {
                    **dict(zip(self.by, row.labels, strict=True)),
                    "requests": row.requests,
                    "unpriced_requests": row.unpriced_requests,
                    **row.tokens,
                    "cost_usd": row.cost_usd,
                    "share": row.share,
                }
                for row in self.rows
            ],
            columns=[*self.by, "requests", "unpriced_requests", *TOKEN_CLASSES, "cost_usd", "share"],
        )


def spend(
    lines: Sequence[Line], catalog: Catalog, by: Sequence[str], since: datetime | None, until: datetime | None
) -> Spend:
    """Bill the tally `lines` (made with the same `by`, without token_type) and gather it by `by`.

    Rows come dearest first, by time in time order. Their costs add up to the total exactly, whatever `by` is.
    """
    result = bill(lines, catalog)
    rows = _by_token_type(result.lines, by) if TOKEN_TYPE in by else _grouped(result.lines)
    whole = result.total_usd
    shares = [
        SpendRow(r.labels, r.requests, r.unpriced_requests, r.tokens, r.cost_usd, _share(r.cost_usd, whole))
        for r in rows
    ]
    return Spend(
        by=tuple(by),
        rows=tuple(_ordered(shares, by)),
        since=since,
        until=until,
        total_usd=whole,
        requests=sum(line.requests for line in lines),
        tokens=_tokens(lines),
        components={
            name: total(b.components[name] for b in result.lines if b.components is not None) for name in COMPONENTS
        },
        unpriced=_unpriced(result.unpriced),
        notes=tuple(_notes(result.lines, catalog, whole)),
    )


def _share(cost: Decimal | None, whole: Decimal) -> float | None:
    return None if cost is None or whole == 0 else float(cost / whole)


def _tokens(lines: Iterable[Line]) -> dict[str, int]:
    sums = [0] * len(TOKEN_CLASSES)
    for line in lines:
        for n, count in enumerate(line.tokens):
            sums[n] += count
    return dict(zip(TOKEN_CLASSES, sums, strict=True))


def _grouped(lines: Sequence[Billed]) -> list[SpendRow]:
    groups: dict[tuple[Label, ...], list[Billed]] = {}
    for billed in lines:
        groups.setdefault(billed.line.labels, []).append(billed)
    return [_row(labels, members) for labels, members in groups.items()]


def _row(labels: tuple[Label, ...], members: Sequence[Billed]) -> SpendRow:
    costs = [b.usd for b in members if b.usd is not None]
    return SpendRow(
        labels,
        sum(b.line.requests for b in members),
        sum(b.line.billed_requests for b in members if b.components is None),
        _tokens(b.line for b in members),
        total(costs) if costs else None,
        None,
    )


def _by_token_type(lines: Sequence[Billed], by: Sequence[str]) -> list[SpendRow]:
    """Rows by token class, and one for web searches: each cost component in the row of its own type."""
    place = list(by).index(TOKEN_TYPE)
    groups: dict[tuple[Label, ...], list[tuple[Billed, str]]] = {}
    for billed in lines:
        for n, name in enumerate(COMPONENTS):
            count = billed.line.searches if name == SEARCHES else billed.line.tokens[n]
            if count or (billed.components and billed.components[name]):
                labels = (*billed.line.labels[:place], name, *billed.line.labels[place:])
                groups.setdefault(labels, []).append((billed, name))
    rows = []
    for labels, members in groups.items():
        kind = labels[place]
        costs = [b.components[name] for b, name in members if b.components is not None]
        tokens = dict.fromkeys(TOKEN_CLASSES, 0)
        if kind in tokens:
            tokens[kind] = sum(b.line.tokens[TOKEN_CLASSES.index(name)] for b, name in members)
        unpriced = sum(b.line.billed_requests for b, _ in members if b.components is None)
        rows.append(SpendRow(labels, None, unpriced, tokens, total(costs) if costs else None, None))
    return rows


def _ordered(rows: list[SpendRow], by: Sequence[str]) -> list[SpendRow]:
    timely = [n for n, name in enumerate(by) if name in TIME_DIMENSIONS]
    return sorted(
        rows,
        key=lambda row: (
            [row.labels[n] or "" for n in timely],
            -(row.cost_usd if row.cost_usd is not None else Decimal(-1)),
            [(label is None, label or "") for label in row.labels],
        ),
    )


def _unpriced(lines: Sequence[Billed]) -> UnpricedUsage:
    reasons: dict[tuple[str, str], int] = {}
    for billed in lines:
        why = billed.price.reason if isinstance(billed.price, Unpriced) else "no price for cache tokens"
        key = (billed.line.name or "(none)", why)
        reasons[key] = reasons.get(key, 0) + billed.line.billed_requests
    return UnpricedUsage(
        requests=sum(b.line.billed_requests for b in lines),
        passes=sum(b.line.billed_passes for b in lines),
        models=tuple(sorted({b.line.name for b in lines if b.line.name is not None})),
        reasons=tuple((model, why, count) for (model, why), count in sorted(reasons.items())),
    )


def _notes(lines: Sequence[Billed], catalog: Catalog, whole: Decimal) -> Iterable[str]:
    """What the total rests on, where it could be otherwise: assumptions of the log, and open questions of the price list."""
    unknown = sum(b.line.ttl_unknown for b in lines)
    if unknown:
        yield f"{unknown:,} tokens of cache writes have no TTL in the log: billed, and counted, as 5m"
    touched: dict[str, Decimal] = {}
    for billed in lines:
        if not isinstance(billed.price, Unpriced) and billed.usd:
            for name in billed.price.decided:
                touched[name] = EXACT.add(touched.get(name, ZERO), billed.usd)
    for name, usd in sorted(touched.items()):
        setting = catalog.settings[name]
        share = f"{float(usd / whole):.1%}" if whole else "all"
        yield f"{share} of the total rests on an open question ({name} = {setting.value}): {setting.question}"


def as_document(answer: Spend) -> dict[str, Any]:
    """The answer as JSON carries it (README, "JSON")."""
    from claude_audit.money import exact

    return {
        "period": {
            "since": answer.since.isoformat().replace("+00:00", "Z") if answer.since else None,
            "until": answer.until.isoformat().replace("+00:00", "Z") if answer.until else None,
        },
        "total_usd": exact(answer.total_usd),
        "requests": answer.requests,
        "unpriced": {
            "requests": answer.unpriced.requests,
            "passes": answer.unpriced.passes,
            "models": list(answer.unpriced.models),
            "reasons": [{"model": m, "reason": why, "requests": n} for m, why, n in answer.unpriced.reasons],
        },
        "tokens": dict(answer.tokens),
        "components_usd": {name: exact(usd) for name, usd in answer.components.items()},
        "rows": [
            {
                **dict(zip(answer.by, row.labels, strict=True)),
                "requests": row.requests,
                "unpriced_requests": row.unpriced_requests,
                **row.tokens,
                "cost_usd": exact(row.cost_usd),
                "share": row.share,
            }
            for row in answer.rows
        ],
        "pareto": None
        if answer.pareto is None
        else {
            "groups": answer.pareto.groups,
            "top_groups": answer.pareto.top,
            "top_share": answer.pareto.top_share,
            "groups_for_80_percent": answer.pareto.needed,
            "holds": answer.pareto.holds,
        },
        "warnings": list(answer.notes),
    }
