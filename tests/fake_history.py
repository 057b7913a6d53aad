"""A `History` made of plain rows, for tests of what is built on one."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal

from claude_audit.money import EXACT


@dataclass(frozen=True)
class Row:
    day: date
    usd: Decimal | None
    """At the rates of its day; None when it has no price."""
    endpoint: str = "chat"
    model: str = "claude-sonnet-5-5"


@dataclass(frozen=True)
class FakeDriver:
    endpoint: str | None
    model: str | None
    usd: Decimal


@dataclass
class FakeHistory:
    rows: Sequence[Row]
    factors: Mapping[date, Decimal] = field(default_factory=dict)
    """From that day on, prices are that many times those of before."""

    @property
    def first_day(self) -> date | None:
        return min((row.day for row in self.rows), default=None)

    @property
    def last_day(self) -> date | None:
        return max((row.day for row in self.rows), default=None)

    @property
    def newest(self) -> datetime | None:
        last = self.last_day
        return datetime(last.year, last.month, last.day, 18, tzinfo=UTC) if last else None

    def daily(self, *, prices_of: date | None = None, only: Mapping[str, str] | None = None) -> dict[date, Decimal]:
        result: dict[date, Decimal] = defaultdict(Decimal)
        for row in self._matching(only):
            usd = row.usd or Decimal(0)
            if prices_of is not None:
                usd = usd * self._factor(prices_of) / self._factor(row.day)
            result[row.day] = EXACT.add(result[row.day], usd)
        return dict(result)

    def price_changes(self, first: date, last: date) -> tuple[date, ...]:
        return tuple(day for day in sorted(self.factors) if first < day <= last)

    def driver(self, first: date, last: date, only: Mapping[str, str] | None = None) -> FakeDriver | None:
        cost: dict[tuple[str, str], Decimal] = defaultdict(Decimal)
        for row in self._matching(only):
            if first <= row.day <= last:
                cost[row.endpoint, row.model] += row.usd or Decimal(0)
        if not cost:
            return None
        endpoint, model = max(cost, key=lambda key: cost[key])
        return FakeDriver(endpoint, model, cost[endpoint, model])

    def unpriced_share(self, first: date, last: date, only: Mapping[str, str] | None = None) -> tuple[int, int]:
        rows = [row for row in self._matching(only) if first <= row.day <= last]
        return sum(row.usd is None for row in rows), len(rows)

    def _matching(self, only: Mapping[str, str] | None) -> list[Row]:
        return [row for row in self.rows if all(getattr(row, name) == value for name, value in (only or {}).items())]

    def _factor(self, day: date) -> Decimal:
        return next(
            (self.factors[change] for change in sorted(self.factors, reverse=True) if change <= day), Decimal(1)
        )


def steady(first: date, days: int, usd: str = "10", **more: str) -> list[Row]:
    """The same cost on each of so many days."""
    return [Row(first + timedelta(days=n), Decimal(usd), **more) for n in range(days)]
