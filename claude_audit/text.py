"""Words for people: days, counts, and text from a log made safe to print."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date
from itertools import groupby
from textwrap import fill


def printable(text: str) -> str:
    """Control characters, and others that could drive a terminal or hide what is there, shown as escapes."""
    return "".join(char if char.isprintable() else char.encode("unicode_escape").decode() for char in text)


def count(number: int, noun: str) -> str:
    """A number of things: 1 day, 2 days."""
    return f"{number:,} {noun}{'' if number == 1 else 's'}"


def folded(text: str, width: int) -> str:
    """Each line on as many lines as that many columns need, cut at spaces; of a line that stands in, the rest stands further in."""
    done = []
    for line in text.splitlines():
        stands = len(line) - len(line.lstrip())
        indent = " " * (stands + 2) if stands else ""
        done.append(
            line
            if len(line) <= width
            else fill(line, width, subsequent_indent=indent, break_long_words=False, break_on_hyphens=False)
        )
    return "\n".join(done)


def day_name(day: date) -> str:
    """A day without its year, such as Nov 9."""
    return f"{day:%b} {day.day}"


def day_names(days: Sequence[date], most: int = 4) -> str:
    """Days without their year, neighbours as a range: Nov 9, Nov 12 to Nov 14."""
    runs = []
    for _, run in groupby(enumerate(sorted(days)), key=lambda pair: pair[1].toordinal() - pair[0]):
        members = [day for _, day in run]
        runs.append(day_name(members[0]) + (f" to {day_name(members[-1])}" if len(members) > 1 else ""))
    return ", ".join(runs[:most]) + (f" and {len(runs) - most} more" if len(runs) > most else "")
