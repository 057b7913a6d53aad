"""Every line accounted for: what an ingest did, counted from the tables that reading and the contest filled."""

from __future__ import annotations

import csv
from collections import defaultdict
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING

from claude_audit.store import REJECTS_KEPT, FileRecord, Reject

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection

    from claude_audit.calls import Assumptions


@dataclass(frozen=True, slots=True)
class Lines:
    """Lines by what became of them. lines = kept + duplicates + ignored + rejected."""

    lines: int = 0
    kept: int = 0
    duplicates: int = 0
    ignored: Mapping[str, int] = field(default_factory=dict)
    """By reason."""
    rejected: int = 0

    def __add__(self, other: Lines) -> Lines:
        ignored = dict(self.ignored)
        for reason, lines in other.ignored.items():
            ignored[reason] = ignored.get(reason, 0) + lines
        return Lines(
            self.lines + other.lines,
            self.kept + other.kept,
            self.duplicates + other.duplicates,
            dict(sorted(ignored.items())),
            self.rejected + other.rejected,
        )


@dataclass(frozen=True, slots=True)
class IngestReport:
    """What one ingest did."""

    files: int = 0
    unchanged: int = 0
    """Files that were read before and have not changed."""
    bytes: int = 0
    counted: Lines = field(default_factory=Lines)
    rejects: tuple[Reject, ...] = ()
    """The first hundred."""
    formats: Mapping[str, int] = field(default_factory=dict)
    """Files by format."""
    rows_added: int = 0
    rows_total: int = 0
    unpriced_models: Mapping[str, int] = field(default_factory=dict)
    """Rows of this ingest by logged model name, of models the catalog does not know."""
    warnings: tuple[str, ...] = ()
    evidence_rows: int = 0
    """New rows of evidence (what a console or a billing report claims), kept apart from usage."""


def lines_by_file(connection: DuckDBPyConnection) -> dict[int, Lines]:
    """What became of the lines of each file, by file number."""
    counts: dict[int, Lines] = defaultdict(Lines)
    for file, outcome, reason, lines in connection.execute(
        "SELECT file, outcome, reason, sum(lines)::BIGINT FROM line_counts GROUP BY ALL"
    ).fetchall():
        match outcome:
            case "call":
                counts[file] += Lines(lines=lines)
            case "kept":
                counts[file] += Lines(kept=lines)
            case "duplicate":
                counts[file] += Lines(duplicates=lines)
            case "ignored":
                counts[file] += Lines(lines=lines, ignored={reason: lines})
            case _:
                counts[file] += Lines(lines=lines, rejected=lines)
    return counts


def added_up(before: FileRecord | None, now: FileRecord, counted: Lines) -> FileRecord:
    """A file's record with its counts, on top of those of `before`, the part of it that was read earlier."""
    if before is not None:
        counted = Lines(before.lines, before.kept, before.duplicates, before.ignored, before.rejected) + counted
    return replace(
        now,
        lines=counted.lines,
        kept=counted.kept,
        duplicates=counted.duplicates,
        ignored=counted.ignored,
        rejected=counted.rejected,
        sha256=now.sha256 or (before.sha256 if before else None),
        told=before.told if before else now.told,
    )


def first_rejects(connection: DuckDBPyConnection) -> tuple[Reject, ...]:
    """The first rejected lines, with place and reason."""
    rows = connection.execute(
        f"SELECT name, line, reason FROM rejects JOIN files USING (file) ORDER BY file, line LIMIT {REJECTS_KEPT}"
    ).fetchall()
    return tuple(Reject(*row) for row in rows)


def write_rejects(connection: DuckDBPyConnection, file: Path) -> None:
    """Every rejected line's place and reason, as CSV. Cells that a spreadsheet would run as a formula are quoted off."""
    rows = connection.execute("SELECT name, line, reason FROM rejects JOIN files USING (file) ORDER BY file, line")
    with file.open("w", newline="", encoding="utf-8") as out:
        writer = csv.writer(out)
        writer.writerow(("source", "line", "reason"))
        while batch := rows.fetchmany(10_000):
            writer.writerows([(cell(name), line, cell(reason)) for name, line, reason in batch])


def cell(text: str) -> str:
    """A cell of a CSV file that no spreadsheet takes for a formula."""
    return "'" + text if text.startswith(("=", "+", "-", "@", "\t", "\r")) else text


def unpriced_models(connection: DuckDBPyConnection) -> dict[str, int]:
    """New billed rows by logged model, of models the catalog does not know."""
    return dict(
        connection.execute(
            "SELECT coalesce(model_raw, '(none)'), count(*) FROM new_rows WHERE model IS NULL AND unbilled IS NULL "
            "GROUP BY ALL ORDER BY ALL"
        ).fetchall()
    )


def warnings(connection: DuckDBPyConnection, assume: Assumptions) -> Iterator[str]:
    """What was assumed about the new rows, in words and with counts."""
    from claude_audit.usage import FLAGS

    taken = {
        "time_zone_assumed": f"; {assume.timezone} was taken (--assume-timezone)",
        "model_assumed": f": {assume.model}",
    }

    rows = connection.execute("""
        SELECT flag, count(*), sum(coalesce(cache_write_unknown_tokens, 0))::BIGINT
        FROM (SELECT unnest(flags) AS flag, cache_write_unknown_tokens FROM new_rows)
        GROUP BY flag ORDER BY flag""").fetchall()
    for flag, count, unknown in rows:
        if flag == "ttl_unknown":
            yield f"{unknown:,} tokens of cache writes have no TTL in the log: billed as 5m"
        elif flag in FLAGS:
            if flag == "time_from_file":
                taken[flag] = _file_times(connection)
            yield f"{count:,} row{'s' if count != 1 else ''}: {FLAGS[flag]}{taken.get(flag, '')}"
    cut = connection.execute("""
        SELECT count(*) FILTER (WHERE stop_reason IS NULL), count(*) FROM new_rows
        WHERE format = 'claude_code' AND pass = 0""").fetchone()
    if cut and cut[0]:
        yield f"{cut[0]:,} of {cut[1]:,} Claude Code responses never logged how they ended: their output may be too low"
    untold = connection.execute(
        "SELECT count(*) FROM rejects WHERE starts_with(reason, 'the time ') AND suffix(reason, ' cannot be read')"
    ).fetchone()
    if untold and untold[0]:
        yield (
            f"{untold[0]:,} line{'s' if untold[0] != 1 else ''} rejected for the time alone: --map FILE.yaml can say how it is "
            'written, such as timestamp: {from: COLUMN, format: "%m/%d/%Y %H:%M"}'
        )


def _file_times(connection: DuckDBPyConnection) -> str:
    """Where the times of records without one come from: how many from a file's name, how many from its last change."""
    row = connection.execute("""
        SELECT count(*) FILTER (r.ts = f.fallback AND f.fallback <> f.written), count(*) FILTER (r.ts = f.written)
        FROM new_rows AS r JOIN (SELECT DISTINCT ON (name) name, fallback, written FROM files) AS f ON f.name = r.source
        WHERE list_contains(r.flags, 'time_from_file')""").fetchone()
    named, written = row or (0, 0)
    parts = [f"{named:,} by the date in its name"] if named else []
    parts += [f"{written:,} by its last change"] if written else []
    return f" ({', '.join(parts)})" if parts else ""
