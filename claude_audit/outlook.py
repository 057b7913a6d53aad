"""A month, week or day of spending: what it has cost so far, what it will cost, and how much of it has a price."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date, datetime, timedelta
from decimal import Decimal
from itertools import pairwise
from typing import Protocol

from claude_audit.bill import total
from claude_audit.clock import week_start
from claude_audit.forecast import Backtest, Forecast, Segment, backtest, forecast, undecided
from claude_audit.limits import Period
from claude_audit.money import ZERO, dollars
from claude_audit.text import count, day_name, day_names

STALE_DAYS = 7
"""A log that ends longer ago than this says too little about the days to come."""
TRIALS = 30
"""Days from which the gate tries its forecast on the log's own past: the last month, in 0.1 s."""


class Driver(Protocol):
    """The endpoint and model that cost most."""

    @property
    def endpoint(self) -> str | None: ...
    @property
    def model(self) -> str | None: ...
    @property
    def usd(self) -> Decimal: ...


class History(Protocol):
    """Spending by day, in the time zone that was asked for."""

    @property
    def first_day(self) -> date | None: ...
    @property
    def last_day(self) -> date | None:
        """The day of the newest record; it may not be over."""

    @property
    def newest(self) -> datetime | None: ...

    def daily(self, *, prices_of: date | None = None, only: Mapping[str, str] = ...) -> dict[date, Decimal]:
        """USD by day with a record; with `prices_of`, at the rates in force on that day."""

    def price_changes(self, first: date, last: date) -> tuple[date, ...]:
        """Days in (first, last] on which a rate of a model in use changes."""

    def driver(self, first: date, last: date, only: Mapping[str, str] = ...) -> Driver | None: ...

    def unpriced_share(self, first: date, last: date, only: Mapping[str, str] = ...) -> tuple[int, int]:
        """(requests without a price, requests)."""


@dataclass(frozen=True, slots=True)
class Window:
    """The days one budget holds for, `first` and `last` included."""

    period: Period
    first: date
    last: date

    @classmethod
    def holding(cls, day: date, period: Period) -> Window:
        """The calendar month, the ISO week (from Monday) or the day itself."""
        if period == "day":
            return cls(period, day, day)
        if period == "week":
            return cls(period, week_start(day), week_start(day) + timedelta(days=6))
        first = day.replace(day=1)
        return cls(period, first, (first + timedelta(days=31)).replace(day=1) - timedelta(days=1))

    @property
    def previous(self) -> Window:
        """The one before."""
        return Window.holding(self.first - timedelta(days=1), self.period)

    @property
    def days(self) -> int:
        """How many it has."""
        return (self.last - self.first).days + 1

    @property
    def name(self) -> str:
        """For people: November 2026, the week of Nov 16, 2026, or Nov 20, 2026."""
        if self.period == "month":
            return f"{self.first:%B %Y}"
        day = f"{day_name(self.first)}, {self.first.year}"
        return f"the week of {day}" if self.period == "week" else day

    @property
    def when(self) -> str:
        """The same with its preposition: in November 2026, in the week of Nov 16, 2026, on Nov 20, 2026."""
        return f"{'on' if self.period == 'day' else 'in'} {self.name}"

    def __iter__(self) -> Iterator[date]:
        return (self.first + timedelta(days=n) for n in range(self.days))

    def __contains__(self, day: date) -> bool:
        return self.first <= day <= self.last


@dataclass(frozen=True, slots=True)
class AsOf:
    """The point in time that a verdict is for."""

    today: date
    """Days before it are complete, days after it don't exist yet."""
    day: date
    """The day whose month, week or day is judged."""
    by_the_clock: bool = False
    """Nobody named `today`: what the log has after it is dated in the future."""

    @classmethod
    def of(cls, history: History, now: date, today: date | None = None) -> AsOf:
        """`today` when it is given, else the day after the newest record when that is past, else `now`.

        A given day is judged itself. Otherwise it is the newest record's: a log that ends with November is judged on
        November, and not on a December that holds nothing.
        """
        if today is not None:
            return cls(today, today)
        if history.last_day is None:
            return cls(now, now, by_the_clock=True)
        return cls(min(history.last_day + timedelta(days=1), now), min(history.last_day, now), by_the_clock=True)


@dataclass(frozen=True, slots=True)
class Outlook:
    """One window of the spending that `only` leaves."""

    window: Window
    as_of: AsOf
    actual_usd: Decimal
    """Exact, today so far included."""
    complete_days: int
    """Of the window, that the log covers."""
    forecast: Forecast
    spent: Mapping[date, Decimal]
    """The window's actual USD by day."""
    unpriced: int
    requests: int
    """Of the window so far; of the four weeks before it as long as it has none."""
    past: Mapping[date, Decimal]
    """USD by complete day, at the prices of the next day to come; what the forecast was made from."""
    nothing_priced: bool = False
    """There is billed usage, and what it cost is not known of any of it."""

    @property
    def unpriced_share(self) -> Decimal:
        """Of the requests, between 0 and 1."""
        return Decimal(self.unpriced) / self.requests if self.requests else ZERO

    def trials(self, days_off: Collection[date] = ()) -> Backtest | None:
        """How forecasts over as many days did on this log; None when there is no forecast."""
        horizon = len(self.forecast.by_day)
        return backtest(self.past, horizon, days_off=days_off, most=TRIALS) if horizon else None


def outlook(
    history: History,
    window: Window,
    as_of: AsOf,
    *,
    only: Mapping[str, str] | None = None,
    days_off: Collection[date] = (),
) -> Outlook:
    """What `window` cost until `as_of.today`, and a forecast of its days that are not complete.

    Days that passed without a record since the log ended are forecast, not counted as $0: the log may be late.
    """
    only = only or {}
    everything = history.daily()
    actual = history.daily(only=only) if only else everything
    through = min(window.last, as_of.today)
    spent = {day: actual[day] for day in window if day in actual and day <= through}
    complete = sorted(day for day in everything if day < as_of.today)
    # A day on which the log has records but this part of it has none cost 0; it counts from the part's first record on.
    usable = [day for day in complete if actual and day >= min(actual)]
    ahead = [day for day in window if not complete or day > complete[-1]]
    segments = [
        Segment(days, {day: usd.get(day, ZERO) for day in usable})
        for days in _by_prices(history, complete[-1] if complete else window.first, ahead)
        for usd in [history.daily(prices_of=days[0], only=only)]
    ]
    to_date = total(spent.values())
    guess = forecast(segments, to_date, spent={day: spent[day] for day in ahead if day in spent}, days_off=days_off)
    guess = _aged(guess, complete, window, as_of)
    unpriced, requests = history.unpriced_share(window.first, through, only)
    if not requests:
        before = window.first - timedelta(days=1)
        unpriced, requests = history.unpriced_share(before - timedelta(days=27), before, only)
    nothing_priced = unpriced > 0 and not any(usd for day, usd in actual.items() if day <= as_of.today)
    if nothing_priced:
        # Not $0: what all of this cost is not known.
        guess = undecided(
            to_date, f"no request has a price: what {window.name} costs is not known", guess.complete_days
        )
    return Outlook(
        window=window,
        as_of=as_of,
        actual_usd=to_date,
        complete_days=sum(bool(complete) and complete[0] <= day <= complete[-1] for day in window),
        forecast=replace(guess, notes=(*guess.notes, *_in_the_future(actual, as_of))),
        spent=spent,
        unpriced=unpriced,
        requests=requests,
        past=segments[0].history if segments else {},
        nothing_priced=nothing_priced,
    )


def _in_the_future(daily: Mapping[date, Decimal], as_of: AsOf) -> Iterator[str]:
    """Records that no clock can have written yet: a wrong zone, or a wrong clock."""
    later = sorted(day for day in daily if day > as_of.today) if as_of.by_the_clock else []
    if later:
        usd = dollars(total(daily[day] for day in later))
        yield (
            f"today is {as_of.today}, and the log has records on {day_names(later)} ({usd}), which are not counted: was it "
            "written in another time zone (ingest --assume-timezone)?"
        )


def _by_prices(history: History, since: date, days: list[date]) -> list[tuple[date, ...]]:
    """`days` cut where a price changes."""
    if not days:
        return []
    cuts = [day for day in history.price_changes(since, days[-1]) if days[0] < day <= days[-1]]
    edges = [days[0], *cuts, days[-1] + timedelta(days=1)]
    return [tuple(day for day in days if start <= day < end) for start, end in pairwise(edges)]


def _aged(guess: Forecast, complete: Sequence[date], window: Window, as_of: AsOf) -> Forecast:
    """The forecast with what the ends of the log say about it; no forecast where the log ended too long ago."""
    if guess.method == "undecided":
        return guess
    notes = list(guess.notes)
    if complete and complete[0] in window and complete[0] > window.first:
        notes.append(f"the log begins on {day_name(complete[0])}: what {window.name} cost before is not in the figures")
    missing = (as_of.today - complete[-1]).days - 1 if complete else 0
    if missing and guess.method != "actual":
        end = f"the log ends on {day_name(complete[-1])}, {count(missing, 'whole day')} before {as_of.today}"
        if missing > STALE_DAYS:
            reason = f"{end}: too long ago to forecast from; ingest what came since"
            return undecided(guess.to_date_usd, reason, guess.complete_days)
        notes.append(f"{end}: the days since then are estimated")
    return replace(guess, notes=tuple(notes))
