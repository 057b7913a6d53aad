"""Why two periods cost what they did: the change of each group, parted into causes that add up to it exactly.

Both periods are first valued at the prices of the last day of the earlier one; what is left of the change is the part of
the prices. At those prices, in this order:

- volume: other requests, each at what a request cost before,
- input, cache, output, web_search: other quantities per request, each at its own unit cost before (what was not used
  before, at its unit cost after),
- mix: another share of tiers, regions, prompt sizes, or models where the groups hold several.

A group with priced usage in one period only is new or gone as a whole. Usage without a price is counted, and in no part.
Where a group has no counted requests in a period (further passes of calls counted elsewhere, sums of several calls), its
volume does not change: all is in the quantities. Quotients that do not end are rounded to 12 places, and the largest
part takes what that leaves, so that the sum is exact.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import date
from decimal import Decimal
from fractions import Fraction
from typing import TYPE_CHECKING

from claude_audit.bill import COMPONENTS, SEARCHES, Billed, bill, total
from claude_audit.money import EXACT, ZERO, ended

if TYPE_CHECKING:
    import pandas as pd

    from claude_audit.catalog import Catalog
    from claude_audit.periods import Days
    from claude_audit.tally import Label, Line

KINDS = {
    "input": "input",
    "cache_read": "cache",
    "cache_write_5m": "cache",
    "cache_write_1h": "cache",
    "output": "output",
    SEARCHES: SEARCHES,
}
"""Component of a bill -> the part that it belongs to."""
PARTS = ("volume", "input", "cache", "output", SEARCHES, "mix", "price", "new", "gone")


@dataclass(frozen=True, slots=True)
class Amount:
    """One side of a comparison."""

    usd: Decimal | None = None
    """Of what has a price, exact; None when nothing has, or nothing is there."""
    requests: int = 0
    unpriced_requests: int = 0


@dataclass(frozen=True, slots=True)
class Change:
    """One group of the asked-for dimensions, before and after."""

    labels: tuple[Label, ...]
    before: Amount
    after: Amount
    parts: Mapping[str, Decimal]
    """US dollars by PARTS; they add up to change_usd exactly."""
    price_by_model: Mapping[str, Decimal] = field(default_factory=dict)
    """The part of the prices by model."""

    @property
    def change_usd(self) -> Decimal | None:
        """US dollars, exact; a side without a price counts as nothing. None when neither side has one."""
        if self.before.usd is None and self.after.usd is None:
            return None
        return EXACT.subtract(self.after.usd or ZERO, self.before.usd or ZERO)

    @property
    def standing(self) -> str:
        """new, gone, changed, same or no price."""
        if self.before.usd is None and self.after.usd is None:
            return "no price"
        if self.before.usd is None:
            return "new"
        if self.after.usd is None:
            return "gone"
        return "changed" if any(self.parts.values()) else "same"

    @property
    def cause(self) -> str | None:
        """The largest part in the direction of the change; None when it does not change."""
        if not self.change_usd:
            return None
        sign = 1 if self.change_usd > 0 else -1
        return max(PARTS, key=lambda part: self.parts[part] * sign)


@dataclass(frozen=True, slots=True)
class Side:
    """One of the two periods."""

    days: Days
    """As asked for, or the whole log."""
    covered: Days
    """The part of them that the log covers."""
    amount: Amount
    store: str | None = None
    """Where it comes from, when that is another store than the one that is asked."""

    @property
    def usd(self) -> Decimal:
        """US dollars of what has a price."""
        return self.amount.usd or ZERO

    @property
    def usd_per_day(self) -> Decimal:
        """Over the days that the log covers; to 12 places where it does not end."""
        return ended(Fraction(self.usd) / self.covered.count)


@dataclass(frozen=True, slots=True)
class Diff:
    """The answer to "what changed?"."""

    by: tuple[str, ...]
    before: Side
    after: Side
    rows: tuple[Change, ...]
    """The largest changes first."""
    valued_on: date
    """The day whose prices both periods are valued at."""

    @property
    def change_usd(self) -> Decimal:
        """US dollars, exact."""
        return EXACT.subtract(self.after.usd, self.before.usd)

    @property
    def change_share(self) -> float | None:
        """Of what it was before; None when that was nothing."""
        return float(self.change_usd / self.before.usd) if self.before.usd else None

    @property
    def of_length_usd(self) -> Decimal:
        """What the other number of days alone would make, at the same spend a day; to 12 places where it does not end."""
        return ended(Fraction(self.before.usd) * (Fraction(self.after.covered.count, self.before.covered.count) - 1))

    @property
    def per_day_share(self) -> float | None:
        """How much more a day cost, of what it cost before; None when that was nothing."""
        return float(self.after.usd_per_day / self.before.usd_per_day) - 1 if self.before.usd else None

    @property
    def parts(self) -> dict[str, Decimal]:
        """US dollars by PARTS, of all groups; they add up to change_usd exactly."""
        return {name: total(row.parts[name] for row in self.rows) for name in PARTS}

    @property
    def price_by_model(self) -> dict[str, Decimal]:
        """The part of the prices by model, what changed only."""
        return {name: usd for name, usd in _added(row.price_by_model for row in self.rows).items() if usd}

    def to_frame(self) -> pd.DataFrame:
        """The rows as a pandas frame: one column a dimension, then both sides, the change and its parts (Decimal)."""
        import pandas as pd

        return pd.DataFrame(
            [
                {
                    **dict(zip(self.by, row.labels, strict=True)),
                    "standing": row.standing,
                    "before_usd": row.before.usd,
                    "after_usd": row.after.usd,
                    "change_usd": row.change_usd,
                    "before_requests": row.before.requests,
                    "after_requests": row.after.requests,
                    **{f"{name}_usd": row.parts[name] for name in PARTS},
                }
                for row in self.rows
            ]
        )


def diff(
    before: tuple[Days, Days, Sequence[Line]],
    after: tuple[Days, Days, Sequence[Line]],
    catalog: Catalog,
    by: Sequence[str],
    against: str | None = None,
) -> Diff:
    """Compare two tallies by `by`; each comes with its days as asked for, and those that the log covers.

    `against`: the store that `before` is from, when it is another one.
    """
    on = before[1].last
    old, new = _grouped(bill(before[2], catalog).lines), _grouped(bill(after[2], catalog).lines)
    rows = [_change(labels, old.get(labels, []), new.get(labels, []), catalog, on) for labels in {**old, **new}]
    rows.sort(key=lambda row: (-abs(row.change_usd or ZERO), [(label is None, label or "") for label in row.labels]))
    sides = [
        Side(asked, covered, _amount([billed for members in groups.values() for billed in members]), store)
        for (asked, covered, _), groups, store in ((before, old, against), (after, new, None))
    ]
    return Diff(tuple(by), sides[0], sides[1], tuple(rows), on)


def _grouped(lines: Iterable[Billed]) -> dict[tuple[Label, ...], list[Billed]]:
    groups: dict[tuple[Label, ...], list[Billed]] = {}
    for billed in lines:
        groups.setdefault(billed.line.labels, []).append(billed)
    return groups


def _amount(lines: Sequence[Billed]) -> Amount:
    costs = [billed.usd for billed in lines if billed.usd is not None]
    return Amount(
        total(costs) if costs else None,
        sum(billed.line.requests for billed in lines),
        sum(billed.line.billed_requests for billed in lines if billed.components is None),
    )


def _change(
    labels: tuple[Label, ...], before: Sequence[Billed], after: Sequence[Billed], catalog: Catalog, on: date
) -> Change:
    old, new = _amount(before), _amount(after)
    parts = dict.fromkeys(PARTS, ZERO)
    if old.usd is None or new.usd is None:
        parts["new"], parts["gone"] = new.usd or ZERO, EXACT.minus(old.usd or ZERO)
        return Change(labels, old, new, parts)
    was, now = _Valued.of(before, catalog, on), _Valued.of(after, catalog, on)
    shares = _shares(was, now)
    parts |= {name: ended(share) for name, share in shares.items()}
    rest = EXACT.subtract(EXACT.subtract(new.usd, old.usd), total(parts.values()))
    if rest:
        largest = max(shares, key=lambda name: abs(shares[name]))
        parts[largest] = EXACT.add(parts[largest], rest)
    models = _added((now.price_by_model, {name: EXACT.minus(usd) for name, usd in was.price_by_model.items()}))
    return Change(labels, old, new, parts, {name: usd for name, usd in models.items() if usd})


@dataclass(frozen=True, slots=True)
class _Valued:
    """The priced usage of a group in one period, at the prices of one day."""

    requests: int
    quantity: Mapping[str, int]
    """By COMPONENTS."""
    usd: Mapping[str, Fraction]
    """By COMPONENTS, at the prices of that day."""
    price: Fraction
    """What it cost beyond that."""
    price_by_model: Mapping[str, Decimal]

    @classmethod
    def of(cls, lines: Sequence[Billed], catalog: Catalog, on: date) -> _Valued:
        quantity, usd = dict.fromkeys(COMPONENTS, 0), dict.fromkeys(COMPONENTS, Fraction(0))
        requests, models = 0, dict[str, Decimal]()
        for billed in lines:
            if billed.components is None or billed.usd is None:
                requests += billed.line.requests - billed.line.billed_requests  # the free ones among them cost $0
                continue
            moved = bill([replace(billed.line, group=replace(billed.line.group, on=on))], catalog).lines[0]
            # A model that had no price then keeps its own: it was not there to be used.
            valued = billed if moved.components is None else moved
            for name, count in zip(COMPONENTS, (*billed.line.tokens, billed.line.searches), strict=True):
                quantity[name] += count
                usd[name] += Fraction((valued.components or {})[name])
            requests += billed.line.requests
            beyond = EXACT.subtract(billed.usd, valued.usd or ZERO)
            model = billed.line.name or "(none)"
            models[model] = EXACT.add(models.get(model, ZERO), beyond)
        return cls(requests, quantity, usd, Fraction(total(models.values())), models)


def _shares(was: _Valued, now: _Valued) -> dict[str, Fraction]:
    """The parts of a group that is there in both periods, exact."""
    growth = Fraction(now.requests, was.requests) if was.requests and now.requests else Fraction(1)
    shares = dict.fromkeys(("volume", *KINDS.values(), "mix", "price"), Fraction(0))
    shares["volume"] = (growth - 1) * sum(was.usd.values(), Fraction(0))
    shares["price"] = now.price - was.price
    for name, kind in KINDS.items():
        basis = was if was.quantity[name] else now
        unit = basis.usd[name] / basis.quantity[name] if basis.quantity[name] else Fraction(0)
        shares[kind] += (now.quantity[name] - was.quantity[name] * growth) * unit
        shares["mix"] += now.usd[name] - now.quantity[name] * unit
    return shares


def _added(amounts: Iterable[Mapping[str, Decimal]]) -> dict[str, Decimal]:
    found: dict[str, Decimal] = {}
    for each in amounts:
        for name, usd in each.items():
            found[name] = EXACT.add(found.get(name, ZERO), usd)
    return found
