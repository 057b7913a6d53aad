"""What a reconciliation found, as plain values: each place where logs and invoice meet, and what it comes to."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal

from claude_audit.bill import total
from claude_audit.money import EXACT, ZERO
from claude_audit.reconcile_facts import TOKENS, Period, Source

BY = ("day", "model", "workspace", "api_key", "token_type")
"""What the rows of a reconciliation can be put together by."""


@dataclass(frozen=True, slots=True)
class Cell:
    """One place where logs and evidence meet; None in a label: not told apart there."""

    period: Period
    kind: str | None
    model: str | None
    token_type: str | None
    workspace: str | None
    api_key: str | None
    logged: int
    """Tokens (or searches) in the logs."""
    billed: int | None
    """The same in the reports; None where they have dollars only."""
    ours_usd: Decimal | None
    """The logs' at our prices; None when some of it has no price."""
    billed_usd: Decimal
    """On the invoice; at our prices where no report has dollars."""
    unlogged_usd: Decimal
    """The part of billed_usd for what the logs do not have."""
    unbilled_usd: Decimal
    """The part of ours_usd for what the reports do not have."""
    undecided_usd: Decimal
    """The part of billed_usd that can't be compared, for want of a price."""
    rows: int
    """Rows of evidence in it."""

    @property
    def status(self) -> str:
        """matched, unlogged (billed but not logged), unbilled (logged but not billed) or undecided."""
        if self.undecided_usd or (self.ours_usd is None and self.billed is None):
            return "undecided"
        if self.billed is not None and self.billed != self.logged:
            return "unlogged" if self.billed > self.logged else "unbilled"
        if self.billed is None and self.unlogged_usd:
            return "unlogged"
        return "unbilled" if self.unbilled_usd else "matched"


@dataclass(frozen=True, slots=True)
class PriceLine:
    """What one class of one model's tokens cost in one period: by our prices, by the list, and on the invoice."""

    period: Period
    kind: str | None
    model: str | None
    token_type: str | None
    quantity: int | None
    ours_usd: Decimal | None
    list_usd: Decimal | None
    billed_usd: Decimal
    tolerance_usd: Decimal
    """What the report's rounding explains."""

    @property
    def discount_usd(self) -> Decimal:
        """By how much the invoice is below the list that it shows; 0 within the rounding of both, or where it shows none."""
        if self.list_usd is None:
            return ZERO
        return self._beyond(EXACT.subtract(self.list_usd, self.billed_usd), 2)

    @property
    def difference_usd(self) -> Decimal:
        """List (else invoice) minus our prices, for the same tokens; 0 within the rounding."""
        if self.ours_usd is None:
            return ZERO
        listed = self.billed_usd if self.list_usd is None else self.list_usd
        return self._beyond(EXACT.subtract(listed, self.ours_usd), 1)

    def _beyond(self, difference: Decimal, figures: int) -> Decimal:
        return difference if abs(difference) > self.tolerance_usd * figures else ZERO


@dataclass(frozen=True, slots=True)
class Rest:
    """What most of the unlogged spend has in common."""

    by: str
    label: str | None
    usd: Decimal
    share: float
    """Of the unlogged spend."""


@dataclass(frozen=True, slots=True)
class Row:
    """Cells put together by some of BY."""

    labels: tuple[str | None, ...]
    logged: int
    billed: int | None
    ours_usd: Decimal | None
    billed_usd: Decimal
    unlogged_usd: Decimal
    unbilled_usd: Decimal
    undecided_usd: Decimal
    cells: int
    statuses: frozenset[str]

    @property
    def status(self) -> str:
        """That of its cells; mixed when they differ in more than being matched."""
        told = self.statuses - {"matched"}
        return "matched" if not told else next(iter(told)) if len(told) == 1 else "mixed"


@dataclass(frozen=True, slots=True)
class Reconciliation:
    """The answer to "is this all we are billed for?"."""

    rows: int
    """Of the evidence, that count."""
    amount_usd: Decimal | None
    """What the evidence says was charged; None when no report has dollars."""
    tokens: Mapping[str, int | None]
    """What it says was used, by class."""
    sources: tuple[Source, ...]
    cells: tuple[Cell, ...]
    prices: tuple[PriceLine, ...]
    has_dollars: bool
    """A report of dollars is among it; else amounts are tokens at our prices."""
    uncovered_usd: Decimal = ZERO
    uncovered_requests: int = 0
    elsewhere: Mapping[str, Decimal] = field(default_factory=dict)
    notes: tuple[str, ...] = ()

    @property
    def since(self) -> datetime | None:
        """The beginning of what the evidence covers, UTC."""
        return min((cell.period.begin for cell in self.cells), default=None)

    @property
    def until(self) -> datetime | None:
        """The end of it, UTC, exclusive."""
        return max((cell.period.end for cell in self.cells), default=None)

    @property
    def billed_usd(self) -> Decimal:
        """The invoice."""
        return total(cell.billed_usd for cell in self.cells)

    @property
    def unlogged_usd(self) -> Decimal:
        """Billed, but not logged."""
        return total(cell.unlogged_usd for cell in self.cells)

    @property
    def unbilled_usd(self) -> Decimal:
        """Logged, but not billed."""
        return total(cell.unbilled_usd for cell in self.cells)

    @property
    def undecided_usd(self) -> Decimal:
        """Billed, but not comparable: the logged models have no price."""
        return total(cell.undecided_usd for cell in self.cells)

    @property
    def explained_usd(self) -> Decimal:
        """The part of the invoice that the logs have too."""
        return EXACT.subtract(EXACT.subtract(self.billed_usd, self.unlogged_usd), self.undecided_usd)

    @property
    def explained_share(self) -> float | None:
        """Of the invoice; None for an empty one."""
        return float(self.explained_usd / self.billed_usd) if self.billed_usd > 0 else None

    @property
    def discount_usd(self) -> Decimal:
        """By how much the invoice is below its own list prices."""
        return total(line.discount_usd for line in self.prices)

    @property
    def price_difference_usd(self) -> Decimal:
        """By how much list prices on the invoice differ from ours, in sum."""
        return total(line.difference_usd for line in self.prices)

    @property
    def rest(self) -> Rest | None:
        """The key, workspace, model or class that most of the unlogged spend is of; None when all is logged."""
        whole = self.unlogged_usd
        if whole <= 0:
            return None
        found = []
        for by in ("api_key", "workspace", "model", "token_type", "day"):
            sums: dict[str | None, Decimal] = defaultdict(lambda: ZERO)
            for cell in self.cells:
                sums[label(cell, by)] = EXACT.add(sums[label(cell, by)], cell.unlogged_usd)
            named = {name: usd for name, usd in sums.items() if name is not None}
            if named:
                name, usd = max(named.items(), key=lambda item: (item[1], item[0]))
                found.append(Rest(by, name, usd, float(usd / whole)))
        # A key says more than a model, and a model more than a day: the first that most of it has in common.
        return next(
            (rest for rest in found if rest.share >= 0.5), max(found, key=lambda rest: rest.share, default=None)
        )

    def by(self, names: Sequence[str]) -> list[Row]:
        """The cells put together by some of BY: the largest differences first, by day in order of days."""
        groups: dict[tuple[str | None, ...], list[Cell]] = defaultdict(list)
        for cell in self.cells:
            groups[tuple(label(cell, name) for name in names)].append(cell)
        rows = [_row(labels, members) for labels, members in groups.items()]
        timely = [list(names).index("day")] if "day" in names else []
        return sorted(
            rows,
            key=lambda r: (
                [r.labels[n] or "" for n in timely],
                -(r.unlogged_usd + r.unbilled_usd + r.undecided_usd),
                -r.billed_usd,
                [(v is None, v or "") for v in r.labels],
            ),
        )


def label(cell: Cell, by: str) -> str | None:
    """A cell's label in one of BY."""
    if by == "day":
        return cell.period.label
    if by == "token_type":
        return cell.token_type or (cell.kind if cell.kind != TOKENS else None)
    value: str | None = getattr(cell, by)
    return value


def _row(labels: tuple[str | None, ...], cells: Sequence[Cell]) -> Row:
    counts = [cell.billed for cell in cells]
    ours = [cell.ours_usd for cell in cells]
    return Row(
        labels,
        sum(cell.logged for cell in cells),
        None if any(n is None for n in counts) else sum(n or 0 for n in counts),
        None if any(usd is None for usd in ours) else total(usd or ZERO for usd in ours),
        total(cell.billed_usd for cell in cells),
        total(cell.unlogged_usd for cell in cells),
        total(cell.unbilled_usd for cell in cells),
        total(cell.undecided_usd for cell in cells),
        len(cells),
        frozenset(cell.status for cell in cells),
    )
