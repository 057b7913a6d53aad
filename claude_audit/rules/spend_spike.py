"""Days that cost far more than the same weekday did before.

A day is held against up to eight equal weekdays before it, at least four. With their median and the median of their
distances from it (MAD), 0.6745 x (day - median) / MAD must be above 3.5; where the MAD is 0, 1.253314 times their mean
distance stands in its place; where that is 0 too, any difference counts. (Iglewicz and Hoaglin, 1993: mean and standard
deviation hide a second spike behind the first.) And the day must cost at least $5, and at least 20 %, more than the median. The
amount is the day less the median. Days before, of whose requests more than one in twenty has no price, tell nothing.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from datetime import date, timedelta
from decimal import Decimal
from statistics import median
from typing import TYPE_CHECKING

from claude_audit.bill import total
from claude_audit.diff import diff
from claude_audit.history import BASE, History
from claude_audit.money import EXACT, ZERO, dollars
from claude_audit.periods import Days
from claude_audit.rules import Finding, Log, Rule
from claude_audit.rules._labels import NONE
from claude_audit.text import day_name
from claude_audit.waterfall import Grade

if TYPE_CHECKING:
    from claude_audit.tally import Line

NAME = "spend_spike"
MOST_DAYS, FEWEST_DAYS = 8, 4
OUTLIER = Decimal("3.5")
OF_MAD, OF_MEAN = Decimal("0.6745"), Decimal("1.253314")
MOST_UNPRICED = Decimal("0.05")
"""Of the requests on the days before."""
FLOOR_USD, FLOOR_SHARE = Decimal(5), Decimal("0.2")
WHY = {
    "volume": "more requests",
    "input": "more uncached input per request",
    "cache": "more cached input per request",
    "output": "longer answers",
    "web_search": "more web searches per request",
    "mix": "another mix of tiers, models or prompt sizes",
    "price": "higher prices",
    "new": "it is new",
}


def _find(log: Log) -> Iterator[Finding]:
    history = History(log.audit, {BASE: log.by_day})
    daily = history.daily()
    for day, expected, days in spikes(daily):
        unpriced = [history.unpriced_share(each, each) for each in _before(day, days)]
        if sum(none for none, _ in unpriced) > MOST_UNPRICED * sum(requests for _, requests in unpriced):
            continue  # what those days cost is not known
        excess, week_before = EXACT.subtract(daily[day], expected), day - timedelta(days=7)
        yield Finding(
            NAME,
            day.isoformat(),
            f"{day:%A}, {day_name(day)} cost {dollars(daily[day])}; the {days} {day:%A}s before it cost {dollars(expected)} at "
            f"the median.{_cause(log, day)}",
            "see whether these requests were meant",
            Grade.METERED,
            excess,
            excess,
            (
                *([f"claude-audit diff --before {week_before} --after {day}"] if week_before in daily else []),
                f"claude-audit spend --by endpoint,user --since {day} --until {day}",
            ),
        )


def spikes(daily: Mapping[date, Decimal]) -> Iterator[tuple[date, Decimal, int]]:
    """(day, median of the equal weekdays before it, how many they are) of US dollars by day; a day without any is $0."""
    if not daily:
        return
    first = min(daily)
    for day in sorted(daily):
        weeks = min(MOST_DAYS, (day - first).days // 7)
        if weeks < FEWEST_DAYS:
            continue
        before = [daily.get(each, ZERO) for each in _before(day, weeks)]
        expected = median(before)
        if stands_out(daily[day], before, expected):
            yield day, expected, weeks


def _before(day: date, weeks: int) -> list[date]:
    """The equal weekdays before a day, the nearest first."""
    return [day - timedelta(weeks=n) for n in range(1, weeks + 1)]


def stands_out(usd: Decimal, before: Sequence[Decimal], expected: Decimal) -> bool:
    """Whether a day is an outlier among those before, by enough dollars."""
    excess = usd - expected
    if excess < max(FLOOR_USD, FLOOR_SHARE * expected):
        return False
    distances = [abs(each - expected) for each in before]
    if spread := median(distances):
        return OF_MAD * excess > OUTLIER * spread
    return excess > OUTLIER * OF_MEAN * (total(distances) / len(distances))


def _cause(log: Log, day: date) -> str:
    """What grew most since the same weekday of the week before."""
    before, after = (_side(log, one) for one in (day - timedelta(days=7), day))
    if not before[2]:
        return ""
    change = diff(before, after, log.audit.catalog, BASE[1:])
    grown = max(change.rows, key=lambda row: row.change_usd or ZERO)
    if not grown.change_usd or grown.change_usd <= 0 or grown.cause is None:
        return ""
    endpoint, model = (label or NONE for label in grown.labels)
    return (
        f" Most of it: {endpoint} on {model}, {dollars(grown.change_usd)} more than a week before ({WHY[grown.cause]})."
    )


def _side(log: Log, day: date) -> tuple[Days, Days, list[Line]]:
    """A day as diff compares it."""
    lines = [replace(line, labels=line.labels[1:]) for line in log.by_day if line.labels[0] == day.isoformat()]
    return Days(day, day), Days(day, day), lines


RULE = Rule(NAME, "days that cost far more than usual", _find, __doc__ or "")
