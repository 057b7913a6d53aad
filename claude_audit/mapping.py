"""Where a log that nobody knows has our fields, and whether that holds of the log at hand."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal
from typing import Any

from claude_audit import json_path
from claude_audit.aliases import ALIASES
from claude_audit.errors import AuditError

INCLUDES_CACHE = "input_includes_cache"
EXCLUDES_THINKING = "output_excludes_thinking"
SWITCHES = (INCLUDES_CACHE, EXCLUDES_THINKING)
"""Facts about the whole log: true or false."""
SECTIONS = ("tags", "records", "only")

NAMES = {"model": "model_raw", "timestamp": "ts", "cost": "cost_reported_usd", "requests": "calls"}
"""What people call a field, where it is not our name for it."""
UNMAPPED = ("bare_id",)

COUNTS = frozenset(name for name in ALIASES if name.endswith("_tokens") and name != "max_tokens") | {"web_searches"}
WHOLE = COUNTS | {"calls", "max_tokens", "tools_defined", "tools_used", "message_count", "output_blocks"}
SPANS = frozenset(("latency_ms", "latency_s", "ttft_ms"))
TRUTHS = frozenset(("is_batch", "stream", "has_images", "thinking", "latency_tolerant"))
WORDS = {"tier": ("standard", "batch", "priority", "flex"), "speed": ("standard", "normal", "fast")}

UNITS: Mapping[str, Mapping[str, Decimal]] = {
    "tokens": {"tokens": Decimal(1), "thousands": Decimal(1000), "millions": Decimal(10**6)},
    "time": {
        "s": Decimal(1000), "ms": Decimal(1), "us": Decimal("0.001"), "ns": Decimal("0.000001"), "min": Decimal(60_000),
    },
    "epoch": {"s": Decimal(10**6), "ms": Decimal(1000), "us": Decimal(1), "ns": Decimal("0.001")},
    "money": {
        "usd": Decimal(1), "cents": Decimal("0.01"), "per_mille": Decimal("0.001"), "micros": Decimal("0.000001"),
        "nanos": Decimal("0.000000001"),
    },
}  # fmt: skip
"""By what is measured: how much of ours one of them is. Ours are tokens, milliseconds, microseconds since 1970, dollars."""

DIRECTIVES = frozenset("aAbBdejHIjmMnpSuUwWxXyYzZfgGV%")
"""Of a time's `format`, as the engine knows them (strptime)."""


@dataclass(frozen=True, slots=True)
class Source:
    """Where one field comes from."""

    field: str
    """Ours."""
    name: str
    """As the file calls it."""
    where: str
    """`map.yaml:3`."""
    paths: tuple[str, ...] = ()
    """Columns or paths: the first that is recorded counts."""
    constant: str | None = None
    unit: str = ""
    """Of UNITS; empty: ours."""
    format: str = ""
    """Of a time that is written in a way of its own."""
    optional: bool = False
    """Whether a log may have no such place at all."""

    @property
    def said(self) -> str:
        """Where it comes from, as the file says it."""
        if self.constant is not None:
            return f"={self.constant}"
        return " or ".join(self.paths) + (f" ({self.unit})" if self.unit else "")


@dataclass(frozen=True, slots=True)
class Only:
    """Which records are read: those that have one of the values there."""

    path: str
    values: tuple[str, ...]
    where: str


@dataclass(frozen=True, slots=True)
class FieldMap:
    """A --map file."""

    fields: Mapping[str, Source] = field(default_factory=dict)
    """By our field."""
    tags: Mapping[str, Source] = field(default_factory=dict)
    only: tuple[Only, ...] = ()
    records: str | None = None
    """Where the list of records stands, inside a line or a document."""
    records_where: str = ""
    includes_cache: bool | None = None
    """None: nobody said."""
    excludes_thinking: bool = False

    def sources(self) -> tuple[Source, ...]:
        """All of them, tags included."""
        return (*self.fields.values(), *self.tags.values())

    @property
    def counted(self) -> tuple[Source, ...]:
        """Where the token counts come from, those that make a record a call."""
        return tuple(self.fields[name] for name in ("input_tokens", "output_tokens") if name in self.fields)


def measures(own: str) -> str:
    """What a field measures: a key of UNITS, or nothing."""
    if own in COUNTS:
        return "tokens"
    if own in SPANS:
        return "time"
    return {"ts": "epoch", "cost_reported_usd": "money"}.get(own, "")


SAID = {
    "count": "a whole number", "number": "a number", "truth": "true or false", "time": "a time",
    "text": "text",
}  # fmt: skip


def kind_of(own: str) -> str:
    """What values of a field are: count, number, truth, time or text."""
    if own in WHOLE:
        return "count"
    if own in SPANS or own == "cost_reported_usd":
        return "number"
    if own in TRUTHS:
        return "truth"
    return "time" if own == "ts" else "text"


_NUMBER = re.compile(r"[-+$€ ]*[0-9][0-9.,_' \u00a0\u202f]*(?:[eE][-+]?[0-9]+)?\s*[a-zA-Z$€%]*")


def fits(kind: str, value: object, unit: str = "") -> bool:
    """Whether a value can be of that kind. What is no count is also looked at line by line when the log is read."""
    if isinstance(value, Mapping | list):
        return False
    text = str(value).strip()
    match kind:
        case "count":
            number = _NUMBER.fullmatch(text) is not None and not isinstance(value, bool)
            return number if unit else number and not text.startswith("-")
        case "number":
            return _NUMBER.fullmatch(text) is not None and not isinstance(value, bool)
        case "truth":
            return text.lower() in ("true", "false", "1", "0", "yes", "no")
        case "time":
            return _time(text)
    return True


def _time(text: str) -> bool:
    if re.fullmatch(r"[0-9]+(\.[0-9]+)?", text):
        return True
    try:
        datetime.fromisoformat(text.replace(",", ".").removesuffix(" UTC"))
    except ValueError:
        return False
    return True


def spoken(own: str) -> str:
    """What people call a field of ours."""
    return next((name for name, ours in NAMES.items() if ours == own), own)


ESSENTIAL = ("model_raw", "ts", "input_tokens", "output_tokens")
"""Fields that a log of calls has in its first record already."""
ENOUGH_TO_MISS = 5
ENOUGH_TO_JUDGE = 3
"""Records (values) that must be there before the lack (the type) of all of them is a mistake of the map."""

ABSENT = (None, "", "-", "--", "null", "None")


def check(found: FieldMap, records: Sequence[Mapping[str, Any]], log: str, what: str = "record") -> None:
    """Hold the map against the first records of a log. `what`: record or column.

    Raises AuditError, naming the map's line, for a place that none of them has (with the closest that are there), and for
    one whose values are all of another type. A few records prove nothing but that they lack what each call has.
    """
    names = [name for record in records for name in json_path.places(record)] if records else []
    for source in found.sources():
        if not source.paths:
            continue
        if not any(json_path.present(record, path) for record in records for path in source.paths):
            few = what == "record" and source.field not in ESSENTIAL and len(records) < ENOUGH_TO_MISS
            if source.optional or few:
                continue
            raise AuditError(_missing(source.where, source.name, source.paths, names, log, what), _way_out(what))
        values = [
            value
            for record in records
            if (value := next((v for p in source.paths if (v := json_path.lookup(record, p)) not in ABSENT), None))
            is not None
        ]
        kind = "text" if source.format else kind_of(source.field)
        if (
            len(values) >= ENOUGH_TO_JUDGE
            and not any(fits(kind, value, source.unit) for value in values)
            and (kind != "time")
        ):
            raise AuditError(
                f"{source.where}: {source.name}: {' or '.join(source.paths)} holds {_shown(values[0])} in {log}, "
                f"which is not {SAID[kind]}",
                f"inside it: {', '.join(list(json_path.places(values[0]))[:8])}"
                if isinstance(values[0], Mapping | list)
                else "correct the --map file",
            )
    for only in found.only:
        if len(records) >= ENOUGH_TO_MISS and not any(json_path.present(record, only.path) for record in records):
            raise AuditError(_missing(only.where, "only", (only.path,), names, log, what), _way_out(what))


def _way_out(what: str) -> str:
    return f"correct the --map file; a {what} that a log may lack takes {{from: …, optional: true}}"


def _missing(where: str, name: str, paths: Sequence[str], names: Sequence[str], log: str, what: str) -> str:
    near = json_path.closest(paths, names)
    listed = ", ".join(dict.fromkeys(names))
    likely = f"closest: {', '.join(near)}" if near else f"it has: {listed[:200]}" if listed else f"it has no {what}s"
    said = "column" if what == "column" else "first records with"
    looked = " or ".join(map(repr, paths))
    no = f"{log} has no column {looked}" if said == "column" else f"no {what} at the beginning of {log} has {looked}"
    return f"{where}: {name}: {no} ({likely})"


def _shown(value: object) -> str:
    if isinstance(value, Mapping):
        return "an object"
    if isinstance(value, list):
        return "a list"
    return repr(value if not isinstance(value, str) or len(value) <= 40 else value[:40] + "…")
