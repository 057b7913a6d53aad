"""Which rows an answer is about: dates in a time zone, and dimensions with a value."""

from __future__ import annotations

import difflib
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from typing import TYPE_CHECKING, Any
from zoneinfo import ZoneInfo

from claude_audit.clock import UTC_ZONE, midnight, week_start, zone
from claude_audit.errors import AuditError
from claude_audit.usage import DIMENSIONS, TIME_DIMENSIONS

if TYPE_CHECKING:
    import narwhals.stable.v2 as nw

    from claude_audit.catalog import Catalog


@dataclass(frozen=True, slots=True)
class Filters:
    """All of them must hold."""

    since: date | None = None
    until: date | None = None
    """The last day, included."""
    timezone: ZoneInfo = UTC_ZONE
    where: tuple[tuple[str, str], ...] = ()
    """(dimension, value); an empty value means: not recorded."""

    @property
    def tags(self) -> tuple[str, ...]:
        """Keys of the tags among the conditions."""
        return tuple(name.removeprefix("tag:") for name, _ in self.where if name.startswith("tag:"))

    def apply(self, frame: nw.LazyFrame[Any], catalog: Catalog) -> nw.LazyFrame[Any]:
        """The rows of `frame` that the filters leave."""
        import narwhals.stable.v2 as nw

        if self.since:
            frame = frame.filter(nw.col("ts") >= nw.lit(midnight(self.since, self.timezone)))
        if self.until:
            frame = frame.filter(nw.col("ts") < nw.lit(midnight(self.until + timedelta(days=1), self.timezone)))
        for name, value in self.where:
            if name in TIME_DIMENSIONS:
                begin, end = span(name, value, self.timezone)
                frame = frame.filter(nw.col("ts") >= nw.lit(begin), nw.col("ts") < nw.lit(end))
            elif name == "model":
                found = catalog.resolve(value)
                frame = frame.filter(
                    (nw.col("model") == (found.model.id if found else value)) | (nw.col("model_raw") == value)
                    if value
                    else nw.col("model").is_null() & nw.col("model_raw").is_null()
                )
            elif value:
                frame = frame.filter(nw.col(name) == value)
            else:
                frame = frame.filter(nw.col(name).is_null())
        return frame


def parse(since: str | None, until: str | None, timezone: str | None, where: Sequence[str]) -> Filters:
    """Filters from the words of the command line. Raises AuditError naming the option that makes no sense."""
    tz = zone(timezone or "UTC")
    first, last = day(since, "--since"), day(until, "--until")
    if first and last and first > last:
        raise AuditError(f"--since {first} is after --until {last}", "swap them, or leave one out")
    conditions = []
    for condition in where:
        name, separator, value = condition.partition("=")
        name = dimension(name.strip(), "--where")
        if not separator:
            raise AuditError(f"--where {condition!r} has no value", "write DIMENSION=VALUE, such as endpoint=chat")
        if name == "token_type":
            raise AuditError("--where token_type: a request has tokens of several types", "use --by token_type")
        if name in TIME_DIMENSIONS:
            span(name, value, tz)
        conditions.append((name, value))
    return Filters(first, last, tz, tuple(conditions))


def dimension(name: str, option: str) -> str:
    """`name` when it is a dimension. Raises AuditError that suggests the nearest one."""
    if name in DIMENSIONS or (name.startswith("tag:") and len(name) > 4):
        return name
    near = difflib.get_close_matches(name, DIMENSIONS, n=1)
    raise AuditError(
        f"{option}: there is no dimension {name!r}",
        (f"did you mean {near[0]!r}? " if near else "") + f"Dimensions: {', '.join(DIMENSIONS)}, tag:<key>",
    )


def day(text: str | None, option: str) -> date | None:
    """A date from `YYYY-MM-DD`. Raises AuditError naming the option."""
    if text is None:
        return None
    try:
        return date.fromisoformat(text)
    except ValueError as error:
        raise AuditError(f"{option} {text!r} is not a date", "write YYYY-MM-DD, such as 2026-11-01") from error


def span(name: str, value: str, tz: ZoneInfo) -> tuple[datetime, datetime]:
    """The UTC instants [begin, end) of an hour (2026-11-01T09), day, week (its Monday) or month (2026-11) in `tz`."""
    try:
        if name == "hour":
            begin = datetime.fromisoformat(value + ":00" if len(value) == 13 else value).replace(tzinfo=tz)
            return begin.astimezone(UTC), begin.astimezone(UTC) + timedelta(hours=1)
        if name == "month":
            first = date.fromisoformat(value + "-01" if len(value) == 7 else value).replace(day=1)
            last = (first + timedelta(days=32)).replace(day=1)
        else:
            first = date.fromisoformat(value)
            first = week_start(first) if name == "week" else first
            last = first + timedelta(days=7 if name == "week" else 1)
    except ValueError as error:
        raise AuditError(
            f"--where {name}={value}: not a {name}", "write 2026-11-01T09, 2026-11-01 or 2026-11"
        ) from error
    return midnight(first, tz), midnight(last, tz)
