"""Where the marks of a chart go, in percent of its width and height; templates/charts.html draws them."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from decimal import Decimal
from itertools import accumulate
from typing import Literal

from claude_audit.bill import COMPONENTS
from claude_audit.money import EXACT, ZERO, dollars
from claude_audit.outlook import Outlook
from claude_audit.report import Report
from claude_audit.text import day_name
from claude_audit.waterfall import Waterfall

DAYS_SHOWN = 92
"""Of the past, in the chart; the table has all."""


@dataclass(frozen=True, slots=True)
class Tick:
    """A label on an axis, and where it is."""

    at: float
    text: str
    minor: bool = False
    """Left out where there is little room."""


@dataclass(frozen=True, slots=True)
class Mark:
    """A rectangle with what it says."""

    kind: str
    x: float
    y: float
    width: float
    height: float
    title: str = ""


@dataclass(frozen=True, slots=True)
class Whisker:
    """An interval at a place."""

    at: float
    low: float
    high: float


@dataclass(frozen=True, slots=True)
class Trend:
    """Dollars by day, and the days to come with their 80 % intervals."""

    marks: tuple[Mark, ...]
    whiskers: tuple[Whisker, ...]
    grid: tuple[Tick, ...]
    ticks: tuple[Tick, ...]
    peak: Tick | None
    """The day that stands out, at its bar's top; None when none does."""
    peak_at: float
    begins: date
    cut: bool
    """Earlier days are left out."""


@dataclass(frozen=True, slots=True)
class Month:
    """Dollars since the month began: spent, projected with the 80 % band, and the budget."""

    spent: str
    """Path of the line, and of the area under it."""
    area: str
    median: str
    band: str
    """Empty without a forecast."""
    budget: Tick | None
    now: float
    grid: tuple[Tick, ...]
    ticks: tuple[Tick, ...]


@dataclass(frozen=True, slots=True)
class Fall:
    """One row of a waterfall: from where to where the bill goes."""

    kind: Literal["bill", "saving", "rise", "final"]
    x: float
    width: float
    low: float = 0
    high: float = 0
    """Ends of the interval that the bill is in after the step."""


def trend(report: Report) -> Trend | None:
    """None without a day."""
    ahead = {day.day: day for day in report.outlook.forecast.by_day}
    days = [*report.days, *(day for day in ahead if not report.days or day > max(report.days))]
    if not report.days:
        return None
    first = max(days[0], max(report.days) - timedelta(days=DAYS_SHOWN - 1))
    days = [day for day in days if day >= first]
    top = max([*(report.days.get(day, ZERO) for day in days), *(day.high_usd for day in ahead.values())])
    scale, grid = _scale(top)
    slot = 100 / len(days)
    marks, whiskers = [], []
    for n, day in enumerate(days):
        guess, usd = ahead.get(day), report.days.get(day)
        x, width = n * slot + slot * 0.12, slot * 0.76
        if guess:
            said = f"{day_name(day)}: {dollars(guess.median_usd)} expected, {_interval(guess.low_usd, guess.high_usd)}"
            marks.append(_standing("ahead", x, width, float(guess.median_usd) / scale, said))
            low, high = float(guess.low_usd) / scale, float(guess.high_usd) / scale
            whiskers.append(Whisker(_round(x + width / 2), _round(100 - 100 * low), _round(100 - 100 * high)))
        if usd:
            marks.append(_standing("day", x, width, float(usd) / scale, f"{day_name(day)}: {dollars(usd)}"))
    ticks = [
        Tick(_round((n + 0.5) * slot), day_name(day), minor=day.day != 1)
        for n, day in enumerate(days)
        if day.day in (1, 15) and n * slot < 94
    ]
    peak, peak_at = _peak(report, days, scale)
    return Trend(tuple(marks), tuple(whiskers), grid, tuple(ticks), peak, peak_at, first, first > min(report.days))


def _peak(report: Report, days: Sequence[date], scale: float) -> tuple[Tick | None, float]:
    """The dearest day when it cost more than twice the next one."""
    ranked = sorted(((report.days.get(day, ZERO), n) for n, day in enumerate(days)), reverse=True)
    if len(ranked) < 2 or ranked[0][0] <= 2 * ranked[1][0]:
        return None, 0
    usd, n = ranked[0]
    name = f"{day_name(days[n])}: {dollars(usd)}"
    return Tick(_round((n + 0.5) * 100 / len(days)), name), _round(100 - 100 * float(usd) / scale)


def month(view: Outlook, budget: Decimal | None) -> Month | None:
    """None for a month that cost nothing and of which nothing is expected."""
    ahead = view.forecast.by_day
    known = [day for day in view.window if not ahead or day < ahead[0].day]
    if not ahead:
        known = [day for day in known if not view.spent or day <= max(view.spent)]
    sums = list(accumulate((view.spent.get(day, ZERO) for day in known), EXACT.add, initial=ZERO))
    top = max([*sums, budget or ZERO, *(day.total_high_usd for day in ahead)])
    if not top:
        return None
    scale, grid = _scale(top)

    def points(amounts: Iterable[Decimal], start: int = 0) -> list[tuple[float, float]]:
        return [(100 * (start + n) / view.window.days, 100 - 100 * float(usd) / scale) for n, usd in enumerate(amounts)]

    spent = points(sums)
    now, at = len(known), sums[-1]
    medians = points([at, *(day.total_median_usd for day in ahead)], now)
    lows = points([at, *(day.total_low_usd for day in ahead)], now)
    highs = points([at, *(day.total_high_usd for day in ahead)], now)
    ticks = [
        Tick(_round(100 * (n - 0.5) / view.window.days), str(n)) for n in (1, 8, 15, 22, 29) if n <= view.window.days
    ]
    return Month(
        spent=_path(spent),
        area=_path([*spent, (spent[-1][0], 100), (0, 100)]) + "Z",
        median=_path(medians) if ahead else "",
        band=_path([*highs, *reversed(lows)]) + "Z" if ahead else "",
        budget=Tick(_round(100 - 100 * float(budget) / scale), f"budget {dollars(budget)}") if budget else None,
        now=_round(spent[-1][0]),
        grid=grid,
        ticks=tuple(ticks),
    )


def falls(waterfall: Waterfall) -> list[Fall]:
    """The bill as logged, each step, and the bill after them."""
    ends = [waterfall.baseline_usd, *(step.after_usd for step in waterfall.steps)]
    worst = max([EXACT.subtract(step.before_usd, step.low_usd) for step in waterfall.steps], default=ZERO)
    # Room for the bad end of an interval, but not so much that the steps themselves can't be seen any more.
    top = max(float(max(ends)), min(float(worst), 1.5 * float(max(ends)))) or 1.0

    def at(usd: Decimal) -> float:
        return _round(min(100.0, max(0.0, 100 * float(usd) / top)))

    rows = [Fall("bill", 0, at(waterfall.baseline_usd))]
    for step in waterfall.steps:
        low, high = sorted((step.before_usd, step.after_usd))
        ends_at = at(EXACT.subtract(step.before_usd, step.high_usd)), at(EXACT.subtract(step.before_usd, step.low_usd))
        kind: Literal["saving", "rise"] = "rise" if step.saving_usd < 0 else "saving"
        rows.append(Fall(kind, at(low), _round(at(high) - at(low)), *ends_at))
    return [*rows, Fall("final", 0, at(waterfall.final_usd))]


def stack(report: Report) -> list[Mark]:
    """What the bill is made of, side by side."""
    whole = report.total_usd
    marks, x = [], 0.0
    for name in COMPONENTS:
        usd = report.by_who.components[name]
        if whole and usd:
            width = 100 * float(usd / whole)
            marks.append(Mark(name.replace("_", "-"), _round(x), 0, _round(width), 100))
            x += width
    return marks


def _standing(kind: str, x: float, width: float, share: float, title: str) -> Mark:
    """A bar on the ground; something is never nothing."""
    height = max(100 * share, 0.5)
    return Mark(kind, _round(x), _round(100 - height), _round(width), _round(height), title)


def _interval(low: Decimal, high: Decimal) -> str:
    return f"80 % interval {dollars(low)} to {dollars(high)}"


def _scale(top: Decimal) -> tuple[float, tuple[Tick, ...]]:
    """A round figure at or above `top`, and grid lines at round figures up to it."""
    size = float(top) or 1.0
    magnitude = 10 ** (Decimal(repr(size)).adjusted())
    step = next(s * magnitude for s in (0.2, 0.25, 0.5, 1, 2, 2.5, 5) if size <= 4 * s * magnitude)
    lines = -int(-size // step)
    grid = tuple(Tick(_round(100 - 100 * n / lines), _axis(n * step)) for n in range(1, lines + 1))
    return lines * step, grid


def _axis(usd: float) -> str:
    return f"${usd:,.0f}" if usd >= 10 or usd == int(usd) else dollars(Decimal(repr(round(usd, 9))))


def _path(points: Sequence[tuple[float, float]]) -> str:
    return "M" + "L".join(f"{_round(x):g} {_round(y):g}" for x, y in points)


def _round(value: float) -> float:
    return round(value, 2) + 0.0
