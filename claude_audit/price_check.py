"""What is wrong, doubtful or stale in price files, each with its line and a way out."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from itertools import pairwise
from pathlib import Path
from typing import Literal

from claude_audit.catalog_build import assemble, built_in
from claude_audit.errors import AuditError
from claude_audit.model_ids import ModelIds
from claude_audit.model_spellings import model_ids
from claude_audit.price_files import (
    FactorRow,
    ModelFile,
    PlatformFile,
    PriceRow,
    RefusalRow,
    SettingRow,
    TokenizerRow,
    ToolRow,
    UserFile,
    UserPrice,
)
from claude_audit.price_folder import folder
from claude_audit.shape import Document, document, read

STALE_AFTER = timedelta(days=60)
"""How long a reading of a source is taken for current; Anthropic changed some price in most months of 2026."""


@dataclass(frozen=True, slots=True)
class Problem:
    """One thing to look at."""

    severity: Literal["error", "warning"]
    """error: the file can't be used, or bills would be wrong."""
    message: str
    """With file and line in front."""
    hint: str = ""


def check(paths: Sequence[Path], today: date) -> list[Problem]:
    """The problems of these files, or of the built-in ones when there are none, errors first.

    A user's file is held against the built-in list. Staleness is judged on `today`.
    """
    problems: list[Problem] = []
    names = {folder() / name: f"pricing/{name}" for name in ("anthropic.yaml", "platforms.yaml")}
    for path in paths or names:
        try:
            problems += _file(document(path, names.get(path)), today)
        except AuditError as error:
            problems.append(Problem("error", error.message, error.hint))
    return sorted(problems, key=lambda problem: problem.severity)


def _file(file: Document, today: date) -> Iterator[Problem]:
    listed, platforms = built_in()
    data: Mapping[str, object] = file.data if isinstance(file.data, dict) else {}
    if "factors" in data:
        platforms = read(PlatformFile, file)
        assemble(listed, platforms, ())
        yield from _platforms(platforms)
        yield from _ages([(file.place(("as_of",)), platforms.as_of), *_platform_readings(platforms)], today)
    elif "families" in data:
        listed = read(ModelFile, file)
        assemble(listed, platforms, ())
        yield from _models(listed, file)
        yield from _ages([(file.place(("as_of",)), listed.as_of), *_model_readings(listed)], today)
    else:
        user = read(UserFile, file)
        assemble(listed, platforms, [(user, file)])
        yield from _user(user, file, listed)


def _models(listed: ModelFile, file: Document) -> Iterator[Problem]:
    cited: set[str] = set()
    for model, entry in listed.models.items():
        for rows in (entry.prices, entry.fast):
            yield from _gaps(model, rows)
            for row in rows:
                cited |= set(row.source)
                if row.confidence == "conflict" and row.setting is None:
                    yield Problem("warning", f"{row.where}: a conflict without a `setting` that names the question")
        for minimum in entry.minimum_cacheable:
            cited |= set(minimum.source)
            yield from _sources(minimum.where, minimum.source, listed.sources)
    for source in listed.sources:
        if source not in cited:
            yield Problem("warning", f"{file.place(('sources', source))}: no row cites the source {source!r}")


def _model_readings(listed: ModelFile) -> Iterator[tuple[str, date]]:
    """(place, day of reading) of what is in force; a row that has ended can't go stale."""
    for entry in listed.models.values():
        for rows in (entry.prices, entry.fast):
            yield from ((row.where, row.read) for row in rows[-1:] if row.until is None)
        yield from ((row.where, row.read) for row in entry.minimum_cacheable[-1:])


def _platform_readings(platforms: PlatformFile) -> Iterator[tuple[str, date]]:
    rows: list[FactorRow | ToolRow | TokenizerRow | RefusalRow | SettingRow] = [
        *platforms.factors.values(),
        *platforms.server_tools.values(),
        *platforms.tokenizers.values(),
        *platforms.refusals[-1:],
        *platforms.settings.values(),
    ]
    return ((row.where, row.read) for row in rows)


def _ages(readings: Sequence[tuple[str, date]], today: date) -> Iterator[Problem]:
    days: dict[date, list[str]] = {}
    for where, day in readings:
        days.setdefault(day, []).append(where)
    for day, places in sorted(days.items()):
        rows = f"{places[0]}" + (f" and {len(places) - 1} more places" if len(places) > 1 else "")
        if day > today:
            yield Problem("error", f"{rows}: read on {day}, which is after today ({today})", "is the year right?")
        elif today - day > STALE_AFTER:
            yield Problem(
                "warning",
                f"{rows}: read on {day}, {(today - day).days} days ago",
                "read the sources again: where a figure stands, change its `read`; where not, add a row",
            )


def _gaps(model: str, rows: Sequence[PriceRow]) -> Iterator[Problem]:
    for row, after in pairwise(rows):
        if row.until and row.until < after.since:
            yield Problem(
                "warning",
                f"{after.where}: {model} has no price from {row.until} until {after.since}",
                "leave `until` out of the row before, unless nothing was sold between them",
            )


def _platforms(platforms: PlatformFile) -> Iterator[Problem]:
    rows: list[FactorRow | ToolRow | TokenizerRow | RefusalRow] = [
        *platforms.factors.values(),
        *platforms.server_tools.values(),
        *platforms.tokenizers.values(),
        *platforms.refusals,
    ]
    for row in rows:
        yield from _sources(row.where, row.source, platforms.sources)
    for setting in platforms.settings.values():
        yield from _sources(setting.where, tuple(setting.says), platforms.sources)
        if setting.factor is not None and setting.factor not in platforms.factors:
            yield Problem("error", f"{setting.where}: no factor {setting.factor!r}")


def _sources(where: str, named: Sequence[str], sources: Mapping[str, str]) -> Iterator[Problem]:
    for source in named:
        if source not in sources:
            yield Problem("error", f"{where}: source {source!r} is not under `sources`")


def _user(user: UserFile, file: Document, listed: ModelFile) -> Iterator[Problem]:
    ids = model_ids({**listed.models, **user.models}, listed.families)
    for spelling in user.aliases:
        hidden = ids.find(spelling)
        if hidden is not None:
            yield Problem(
                "warning",
                f"{file.place(('aliases', spelling))}: {spelling!r} is {hidden.model} already; your alias hides that",
                "leave the alias out, unless your gateway gives the name another meaning",
            )
    for position, price in enumerate(user.prices):
        for before in user.prices[:position]:
            if _overlap(ids, before, price):
                yield Problem(
                    "warning",
                    f"{price.where}: overlaps the row at {before.where}; the later row counts",
                    "end the earlier row with `until`",
                )


def _overlap(ids: ModelIds, one: UserPrice, other: UserPrice) -> bool:
    first, second = ids.find(one.model), ids.find(other.model)
    if first is None or second is None or first.model != second.model or one.fast != other.fast:
        return False
    return (one.until is None or other.since < one.until) and (other.until is None or one.since < other.until)
