"""Spending by day, and what it would cost at another day's prices: what forecasts and budgets are made from."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import date, datetime
from decimal import Decimal
from typing import TYPE_CHECKING, Protocol

from claude_audit.bill import bill, total
from claude_audit.money import EXACT, ZERO

if TYPE_CHECKING:
    from claude_audit.catalog import Catalog
    from claude_audit.filters import Filters
    from claude_audit.tally import Label, Line, Reach

BASE = ("day", "endpoint", "model")


class Usage(Protocol):
    """What a history is made from: an audit, as far as it is needed here."""

    @property
    def catalog(self) -> Catalog: ...
    @property
    def filters(self) -> Filters: ...
    @property
    def reach(self) -> Reach | None: ...
    def period(self) -> tuple[datetime | None, datetime | None]: ...
    def lines(self, by: Sequence[str] = ...) -> list[Line]: ...


@dataclass(frozen=True, slots=True)
class Driver:
    """The endpoint and model that cost most."""

    endpoint: Label
    model: Label
    usd: Decimal


@dataclass
class History:
    """The days of an audit's rows, in its time zone. Each set of dimensions is summed once."""

    audit: Usage
    _tallies: dict[tuple[str, ...], list[Line]] = field(default_factory=dict)

    @property
    def newest(self) -> datetime | None:
        """The latest instant among the rows, UTC."""
        return self.audit.period()[1]

    @property
    def first_day(self) -> date | None:
        """The first day with a record."""
        return self._day(self.audit.period()[0])

    @property
    def last_day(self) -> date | None:
        """The day of the newest record; it may not be over."""
        return self._day(self.newest)

    def _day(self, moment: datetime | None) -> date | None:
        return moment.astimezone(self.audit.filters.timezone).date() if moment else None

    def daily(self, *, prices_of: date | None = None, only: Mapping[str, str] | None = None) -> dict[date, Decimal]:
        """US dollars by day with a record; with `prices_of`, at the rates in force on that day.

        What has no price on that day keeps its own; what has none at all is left out (see unpriced_share).
        """
        found: dict[date, Decimal] = {}
        for day, line in self._lines(only):
            usd = self._usd(line, prices_of)
            found[day] = EXACT.add(found.get(day, ZERO), usd or ZERO)
        return found

    def _usd(self, line: Line, prices_of: date | None) -> Decimal | None:
        catalog = self.audit.catalog
        if prices_of is not None:
            moved = bill([replace(line, group=replace(line.group, on=prices_of))], catalog).lines[0].usd
            if moved is not None:
                return moved
        return bill([line], catalog).lines[0].usd

    def price_changes(self, first: date, last: date) -> tuple[date, ...]:
        """Days in (first, last] on which a rate of a model in use changes."""
        models = self.audit.reach.models if self.audit.reach else ()
        return self.audit.catalog.boundaries(models, first, last)

    def driver(self, first: date, last: date, only: Mapping[str, str] | None = None) -> Driver | None:
        """The endpoint and model that cost most in [first, last]."""
        costs: dict[tuple[Label, Label], Decimal] = {}
        for day, line in self._lines(only):
            if first <= day <= last:
                key = (line.labels[1], line.labels[2])
                costs[key] = EXACT.add(costs.get(key, ZERO), self._usd(line, None) or ZERO)
        if not any(costs.values()):
            return None
        (endpoint, model), usd = max(costs.items(), key=lambda item: (item[1], item[0][0] or "", item[0][1] or ""))
        return Driver(endpoint, model, usd)

    def unpriced_share(self, first: date, last: date, only: Mapping[str, str] | None = None) -> tuple[int, int]:
        """(requests without a price, requests) in [first, last]."""
        unpriced = requests = 0
        for day, line in self._lines(only):
            if first <= day <= last:
                requests += line.requests
                unpriced += line.billed_requests if self._usd(line, None) is None else 0
        return unpriced, requests

    def total(self, only: Mapping[str, str] | None = None) -> Decimal:
        """US dollars of all days."""
        return total(self.daily(only=only).values())

    def _lines(self, only: Mapping[str, str] | None) -> list[tuple[date, Line]]:
        wanted = dict(only or {})
        by = (*BASE, *sorted(wanted.keys() - set(BASE)))
        if by not in self._tallies:
            self._tallies[by] = self.audit.lines(by)
        places = {name: by.index(name) for name in wanted}
        return [
            (date.fromisoformat(str(line.labels[0])), line)
            for line in self._tallies[by]
            if all(self._matches(name, line.labels[place], wanted[name]) for name, place in places.items())
        ]

    def _matches(self, name: str, label: Label, value: str) -> bool:
        if name == "model":
            found = self.audit.catalog.resolve(value)
            return label in (value, found.model.id if found else value)
        return (label or "") == value
