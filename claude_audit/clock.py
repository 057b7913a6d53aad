"""Days, weeks and months as a person in a time zone counts them, from UTC instants."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from claude_audit.errors import AuditError

EPOCH = date(1970, 1, 1)
UTC_ZONE = ZoneInfo("UTC")


def zone(name: str) -> ZoneInfo:
    """The IANA time zone of that name. Raises AuditError when there is none."""
    try:
        return ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError) as error:
        raise AuditError(
            f"unknown time zone {name!r}", "use an IANA name, such as UTC, Europe/Berlin or America/New_York"
        ) from error


def offsets(tz: ZoneInfo, first: datetime, last: datetime) -> list[tuple[datetime, int]]:
    """(UTC instant, seconds to add from then on) for each change of the zone's offset in [first, last].

    The first entry holds at `first`. Engines add these to an instant to get local wall time, whose days and hours every
    engine tells alike.
    """

    def offset(moment: datetime) -> int:
        delta = moment.astimezone(tz).utcoffset()
        return int(delta.total_seconds()) if delta is not None else 0

    steps = [(first, offset(first))]
    moment = first
    while moment < last:
        after = min(moment + timedelta(days=1), last)
        if offset(after) != steps[-1][1]:
            low, high = moment, after  # the change lies in (low, high]: narrow it to the second
            while high - low > timedelta(seconds=1):
                middle = low + (high - low) / 2
                low, high = (middle, high) if offset(middle) == steps[-1][1] else (low, middle)
            steps.append((high.replace(microsecond=0), offset(after)))
        moment = after
    return steps


def today(tz: ZoneInfo) -> date:
    """The date now in `tz`; commands ask once and hand it on."""
    return datetime.now(UTC).astimezone(tz).date()


def from_day(number: int) -> date:
    """The date of a day number (days since 1970-01-01)."""
    return EPOCH + timedelta(days=number)


def week_start(day: date) -> date:
    """The Monday of that day's ISO week."""
    return day - timedelta(days=day.weekday())


def midnight(day: date, tz: ZoneInfo) -> datetime:
    """The UTC instant at which `day` begins in `tz`."""
    return datetime(day.year, day.month, day.day, tzinfo=tz).astimezone(UTC)
