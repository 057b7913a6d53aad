"""What the rest of a period will probably cost: a level, a weekday pattern, and an honest band around them.

The past is read in the prices of the day it is forecast for (a `Segment` for each set of prices), so a price change
that is known today is in the figure. From 14 complete days on, a day is level x weekday; from 7 on, the level alone;
from 3 on, a run-rate; below that nothing is said.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from decimal import Decimal
from typing import TYPE_CHECKING, Literal

from claude_audit.bill import total
from claude_audit.money import EXACT, ZERO, rounded
from claude_audit.projection import LEVEL_DAYS, Draws, Fit, fit, simulate
from claude_audit.text import count, day_name, day_names

if TYPE_CHECKING:
    from claude_audit.projection import Floats

Method = Literal["level x weekday", "level", "run-rate", "actual", "undecided"]
Confidence = Literal["high", "medium", "low", "none"]

MIN_DAYS, HIGH_DAYS = 3, 28
LOW, HIGH = 0.1, 0.9
PLACES = 6
SEED = 20_261_121


@dataclass(frozen=True, slots=True)
class Segment:
    """Future days that share one set of prices, and the past at those prices."""

    days: tuple[date, ...]
    history: Mapping[date, Decimal]
    """USD by complete day; a day between the first and the last that is not there had no record, and cost 0."""


@dataclass(frozen=True, slots=True)
class DayForecast:
    """One day ahead: what it will cost, and what the period will have cost when it ends. USD, 80 % interval."""

    day: date
    low_usd: Decimal
    median_usd: Decimal
    high_usd: Decimal
    total_low_usd: Decimal
    total_median_usd: Decimal
    total_high_usd: Decimal


@dataclass(frozen=True, slots=True)
class Forecast:
    """What a period has cost to date, and what its remaining days will add. Rounded to 6 places: it is a projection."""

    to_date_usd: Decimal
    median_usd: Decimal | None
    """What the remaining days will add; half of the simulations stay below. None when undecided."""
    low_usd: Decimal | None
    high_usd: Decimal | None
    by_day: tuple[DayForecast, ...]
    method: Method
    confidence: Confidence
    notes: tuple[str, ...]
    complete_days: int
    """Days of history from the first to the last complete one, configured days off not counted."""
    gaps: tuple[date, ...] = ()
    """Days without any record among days that usually have some."""

    @property
    def projected_usd(self) -> Decimal | None:
        """To date and what remains, together."""
        return None if self.median_usd is None else EXACT.add(self.to_date_usd, self.median_usd)

    @property
    def projected_low_usd(self) -> Decimal | None:
        """Lower end of the 80 % interval of the whole period."""
        return None if self.low_usd is None else EXACT.add(self.to_date_usd, self.low_usd)

    @property
    def projected_high_usd(self) -> Decimal | None:
        """Upper end of the 80 % interval of the whole period."""
        return None if self.high_usd is None else EXACT.add(self.to_date_usd, self.high_usd)


def forecast(
    segments: Sequence[Segment],
    to_date: Decimal,
    *,
    spent: Mapping[date, Decimal] | None = None,
    days_off: Collection[date] = (),
    seed: int = SEED,
) -> Forecast:
    """What the segments' days add to `to_date`, from the history they carry. Equal input gives equal figures.

    `spent` is the part of `to_date` that fell on days being forecast (today, so far): such a day costs at least that,
    and it is counted once. `days_off` are left out of the history, and cost nothing when they lie ahead.
    """
    spent, segments = spent or {}, [segment for segment in segments if segment.days]
    if not segments:
        return Forecast(to_date, ZERO, ZERO, ZERO, (), "actual", "high", (), 0)
    days = [day for segment in segments for day in segment.days]
    first, last = _span(segments)
    worked = [day for day in _between(first, last) if day not in days_off] if first and last else []
    recorded = [day for day in worked if any(day in segment.history for segment in segments)]
    if len(recorded) < MIN_DAYS or first is None or last is None:
        have = count(len(recorded), "complete day")
        return undecided(
            to_date, f"too little history: {have} with records, at least {MIN_DAYS} are needed", len(worked)
        )
    if days[0] <= last:
        raise ValueError(f"{days[0]} is forecast, but history reaches {last}")

    import numpy as np

    offsets = np.array([(day - last).days - 1 for day in days])
    random = Draws.seeded(seed, int(offsets.max()) // 7 + 1)
    fits = [fit(_series(segment.history, first, last, days_off)) for segment in segments]
    parts, start = [], 0
    for segment, model in zip(segments, fits, strict=True):
        parts.append(simulate(model, offsets[start : start + len(segment.days)], random))
        start += len(segment.days)
    simulated = np.concatenate(parts, axis=1)
    simulated[:, [day in days_off for day in days]] = 0
    floor = np.array([float(spent.get(day, ZERO)) for day in days])
    simulated = np.maximum(simulated, floor)
    totals = np.cumsum(simulated - floor, axis=1)
    gaps = _gaps(recorded, worked)
    median, low, high = (_usd(value) for value in np.quantile(totals[:, -1], (0.5, LOW, HIGH)))
    return Forecast(
        to_date_usd=to_date,
        median_usd=median,
        low_usd=low,
        high_usd=high,
        by_day=_by_day(days, simulated, totals, to_date),
        method=fits[0].method,
        confidence=_confidence(len(worked), gaps),
        notes=(*_notes(len(worked), gaps, segments, days_off), *_short_last_day(fits[0], last)),
        complete_days=len(worked),
        gaps=gaps,
    )


def undecided(to_date: Decimal, reason: str, complete_days: int) -> Forecast:
    """No forecast, and why."""
    return Forecast(to_date, None, None, None, (), "undecided", "none", (reason,), complete_days)


@dataclass(frozen=True, slots=True)
class Backtest:
    """How this method would have done on this log."""

    horizon: int
    """Days that each trial forecast ahead."""
    origins: int
    """How many days it was tried from."""
    mape: float | None
    """Mean absolute error of the horizon's total, as a share of what it then cost; None without a trial."""
    coverage: float | None
    """Share of trials in which the cost lay inside the 80 % interval; 0.8 would be perfect."""

    ENOUGH = 8

    @property
    def doubtful(self) -> bool:
        """Enough trials, and they say not to lean on the forecast: off by over 30 %, or outside the band too often."""
        if self.mape is None or self.coverage is None or self.origins < self.ENOUGH:
            return False
        return self.coverage < 0.6 or self.mape > 0.3


def backtest(
    history: Mapping[date, Decimal], horizon: int, *, days_off: Collection[date] = (), most: int | None = None
) -> Backtest:
    """Refit on every day of the log (its last `most` ones) that has 7 days before it and `horizon` days after it."""
    if not history or horizon < 1:
        return Backtest(horizon, 0, None, None)
    first, last = min(history), max(history)
    origins = [
        day
        for day in _between(first + timedelta(days=LEVEL_DAYS - 1), last - timedelta(days=horizon))
        if day in history  # a log never ends on a day without a record
    ]
    errors: list[float] = []
    inside = 0
    for origin in origins[-most:] if most else origins:
        ahead = tuple(_between(origin + timedelta(days=1), origin + timedelta(days=horizon)))
        actual = total(history.get(day, ZERO) for day in ahead)
        known = {day: usd for day, usd in history.items() if day <= origin}
        guess = forecast([Segment(ahead, known)], ZERO, days_off=days_off)
        if guess.median_usd is None or guess.low_usd is None or guess.high_usd is None or actual <= 0:
            continue
        errors.append(float(abs(guess.median_usd - actual) / actual))
        inside += guess.low_usd <= actual <= guess.high_usd
    tried = len(errors)
    return Backtest(horizon, tried, sum(errors) / tried, inside / tried) if tried else Backtest(horizon, 0, None, None)


def _by_day(days: Sequence[date], daily: Floats, totals: Floats, to_date: Decimal) -> tuple[DayForecast, ...]:
    import numpy as np

    one, through = (np.quantile(values, (LOW, 0.5, HIGH), axis=0).T for values in (daily, totals))
    return tuple(
        DayForecast(day, *(_usd(value) for value in a), *(EXACT.add(to_date, _usd(value)) for value in b))
        for day, a, b in zip(days, one, through, strict=True)
    )


def _usd(value: float) -> Decimal:
    return rounded(Decimal(float(value)), PLACES)


def _span(segments: Sequence[Segment]) -> tuple[date | None, date | None]:
    seen = [day for segment in segments for day in segment.history]
    return (min(seen), max(seen)) if seen else (None, None)


def _between(first: date, last: date) -> list[date]:
    """Every day from `first` to `last`, both included."""
    return [first + timedelta(days=n) for n in range((last - first).days + 1)]


def _series(history: Mapping[date, Decimal], first: date, last: date, days_off: Collection[date]) -> Floats:
    import numpy as np

    return np.array([np.nan if day in days_off else float(history.get(day, ZERO)) for day in _between(first, last)])


def _gaps(recorded: Sequence[date], worked: Sequence[date]) -> tuple[date, ...]:
    """Days without a record where that weekday usually has one; a weekday seen once counts as usual from Mon to Fri."""
    have = set(recorded)
    total, filled = [0] * 7, [0] * 7
    for day in worked:
        total[day.weekday()] += 1
        filled[day.weekday()] += day in have
    usual = [2 * filled[n] >= total[n] if total[n] > 1 else n < 5 for n in range(7)]
    return tuple(day for day in worked if day not in have and usual[day.weekday()])


def _confidence(days: int, gaps: Collection[date]) -> Confidence:
    if days < LEVEL_DAYS:
        return "low"
    return "high" if days >= HIGH_DAYS and not gaps else "medium"


def _notes(days: int, gaps: Sequence[date], segments: Sequence[Segment], days_off: Collection[date]) -> tuple[str, ...]:
    notes = []
    if days < LEVEL_DAYS:
        notes.append(f"low confidence: {count(days, 'complete day')} of history, projected by their mean")
    if gaps:
        notes.append(
            f"no record on {day_names(gaps)}: counted as $0; if the log is missing, ingest it; if nobody worked, "
            "name the day in days_off"
        )
    if len(segments) > 1:
        changes = day_names([segment.days[0] for segment in segments[1:]])
        notes.append(f"prices change on {changes}: each day is forecast at the rates in force on it")
    ahead = [day for segment in segments for day in segment.days if day in days_off]
    if ahead:
        notes.append(f"{day_names(ahead)} {'is a day' if len(ahead) == 1 else 'are days'} off: forecast at $0")
    return tuple(notes)


def _short_last_day(model: Fit, last: date) -> tuple[str, ...]:
    """A log that was copied at noon ends in half a day, which would pull the level down unseen."""
    usual = model.level * float(model.index[6])
    if model.method == "run-rate" or model.index[6] < 0.5 or not model.last < usual / 2:
        return ()
    return (
        f"{day_name(last)} holds {model.last / usual:.0%} of what such a day usually does: if the log was cut during "
        f"it, --today {last} counts it as unfinished",
    )
