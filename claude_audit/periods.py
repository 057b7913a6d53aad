"""Two periods to compare: months, weeks or any days, as a person writes them; and which two, when nobody says."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import date, timedelta

from claude_audit.clock import week_start
from claude_audit.errors import AuditError, Exit
from claude_audit.text import count, day_name

FORMS = "write a month (2026-11), a week (2026-W46), a day (2026-11-05) or days (2026-11-01..2026-11-14)"


@dataclass(frozen=True, slots=True)
class Days:
    """Days that follow one another, both ends included."""

    first: date
    last: date

    @property
    def count(self) -> int:
        """How many they are."""
        return (self.last - self.first).days + 1

    @property
    def month(self) -> bool:
        """Whether they are one whole month."""
        return self.first.day == 1 and self.last == _month_end(self.first)

    @property
    def name(self) -> str:
        """November 2026; the week of Nov 9, 2026; Nov 1 to Nov 14, 2026; Nov 5, 2026."""
        if self.month:
            return f"{self.first:%B %Y}"
        if self.count == 7 and self.first == week_start(self.first):
            return f"the week of {day_name(self.first)}, {self.first.year}"
        if self.count == 1:
            return f"{day_name(self.first)}, {self.first.year}"
        year = f", {self.first.year}" if self.first.year != self.last.year else ""
        return f"{day_name(self.first)}{year} to {day_name(self.last)}, {self.last.year}"

    @property
    def when(self) -> str:
        """The same with its preposition: in November 2026, on Nov 5, 2026, from Nov 1 to Nov 14, 2026."""
        if self.count == 1:
            return f"on {self.name}"
        return f"{'from' if ' to ' in self.name else 'in'} {self.name}"

    @property
    def short(self) -> str:
        """The same without the year, where it stands in one only."""
        return self.name.removesuffix(f" {self.last.year}").removesuffix(",")

    def within(self, log: Days) -> Days | None:
        """The part of them that the log covers; None: nothing."""
        first, last = max(self.first, log.first), min(self.last, log.last)
        return Days(first, last) if first <= last else None

    def previous(self) -> Days:
        """The month before a month, else as many days right before."""
        last = self.first - timedelta(days=1)
        return Days(last.replace(day=1) if self.month else last - timedelta(days=self.count - 1), last)

    def following(self) -> Days:
        """The month after a month, else as many days right after."""
        first = self.last + timedelta(days=1)
        return Days(first, _month_end(first) if self.month else first + timedelta(days=self.count - 1))


def _month_end(day: date) -> date:
    return (day.replace(day=1) + timedelta(days=32)).replace(day=1) - timedelta(days=1)


def parse(text: str, option: str) -> Days:
    """Days from what stands after `option`. Raises AuditError that shows the ways to write them."""
    try:
        if ".." in text:
            first, last = (date.fromisoformat(part.strip()) for part in text.split("..", 1))
            if first > last:
                raise AuditError(f"{option} {text}: {first} is after {last}", "swap them")
            return Days(first, last)
        if re.fullmatch(r"\d{4}-\d{2}", text):
            first = date.fromisoformat(f"{text}-01")
            return Days(first, _month_end(first))
        first = date.fromisoformat(text)
    except ValueError as error:
        raise AuditError(f"{option} {text!r}: not a period", FORMS) from error
    return Days(first, first + timedelta(days=6)) if re.fullmatch(r"\d{4}-?W\d{2}", text) else Days(first, first)


def chosen(before: str | None, after: str | None, log: Days, today: date) -> tuple[Days, Days]:
    """(before, after) as asked; one alone is compared with its neighbour; none: the last complete month of the log with
    the one before, where the log has both, else its last 7 complete days with the 7 before.

    `today`: days before it are complete. Raises AuditError when the log is too short for that.
    """
    if before and after:
        return parse(before, "--before"), parse(after, "--after")
    if before:
        return (given := parse(before, "--before")), given.following()
    if after:
        return (given := parse(after, "--after")).previous(), given
    complete = log.within(Days(date.min, today - timedelta(days=1)))
    if complete is not None:
        end = complete.last
        last_month_end = end if end == _month_end(end) else end.replace(day=1) - timedelta(days=1)
        month = Days(last_month_end.replace(day=1), last_month_end)
        week = Days(end - timedelta(days=6), end)
        for period in (month, week):
            if complete.first <= period.previous().first:
                return period.previous(), period
    raise AuditError(
        f"the log has {count(complete.count if complete else 0, 'complete day')}: two weeks are needed to compare one with the other",
        f"name the days: --before DATE..DATE --after DATE..DATE ({log.name} {'is' if log.count == 1 else 'are'} there)",
        Exit.UNDECIDED,
    )
