"""Logs into the store: walk, recognise, read, find duplicates, commit; every line accounted for."""

from __future__ import annotations

import hashlib
import re
from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

from claude_audit import accounting, sums
from claude_audit import pieces as reading
from claude_audit.accounting import IngestReport, Lines
from claude_audit.errors import AuditError
from claude_audit.pieces import Extent, LogFile, quoted, quoted_list
from claude_audit.store import REJECTS_KEPT, FileRecord, Manifest, Part, Store

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection

    from claude_audit.batches import Job, Progress
    from claude_audit.calls import Assumptions
    from claude_audit.catalog import Catalog
    from claude_audit.checked import Checked
    from claude_audit.ingestors import Head, Ingestor
    from claude_audit.ingestors_evidence import Report

_RFC3339 = "%Y-%m-%dT%H:%M:%S.%fZ"


def ingest(
    arguments: Sequence[str],
    store: Store,
    catalog: Callable[[], Catalog],
    assume: Assumptions,
    *,
    input_format: str | None = None,
    progress: Progress | None = None,
    rejects_file: Path | None = None,
) -> IngestReport:
    """Read what `arguments` mean (files, folders, globs, `-`) and commit the new rows to the store, all or nothing.

    Files that were read before and have not changed are skipped; grown ones are read from where they ended. `catalog` is
    asked for only when there is something to read. Every rejected line's place and reason goes to `rejects_file`, as CSV.
    Raises AuditError for an argument without files, for files of no known format, and when the store can't be written.
    """
    check_format(input_format)
    with store.writing() as scratch:
        found = [log_file(path, name) for path, name in reading.expand(arguments, scratch)]
        report = take_in(
            found,
            store,
            scratch,
            catalog,
            assume,
            input_format=input_format,
            progress=progress,
            rejects_file=rejects_file,
        )
    if report is None:
        raise AuditError(
            f"{', '.join(arguments)}: no log lines found",
            "the files are empty: point at the folder that holds your logs",
        )
    return report


def take_in(
    found: Sequence[LogFile],
    store: Store,
    scratch: Path,
    catalog: Callable[[], Catalog],
    assume: Assumptions,
    *,
    input_format: str | None = None,
    progress: Progress | None = None,
    rejects_file: Path | None = None,
) -> IngestReport | None:
    """The same of these files, by a writer of the store (Store.writing yields `scratch`). None: they are all empty."""
    manifest = store.manifest()
    files, unchanged = _to_read(found, manifest)
    if not files:
        return IngestReport(files=len(found), unchanged=unchanged, rows_total=manifest.rows)
    jobs, papers, unread = recognised(files, input_format, assume)
    if not jobs and not papers:
        return _nothing_read(found, unread, unchanged, manifest)
    prices = catalog()
    if not papers:
        run = _Run(store, manifest, scratch, jobs, prices, assume, len(found), unchanged, unread)
        return run.commit(progress, rejects_file)
    from claude_audit import evidence_files

    taken = evidence_files.take(papers, store, manifest, prices)
    if jobs:
        run = _Run(store, taken.manifest, scratch, jobs, prices, assume, len(found), unchanged, unread)
        report = run.commit(progress, rejects_file)
    else:
        store.commit(taken.manifest)
        report = IngestReport(len(found), unchanged, rows_total=manifest.rows, warnings=tuple(_not_read(unread)))
    if rejects_file:
        taken.write_rejects(rejects_file, fresh=not jobs)
    return taken.told(report)


def check_format(name: str | None) -> None:
    """Raises AuditError for a name that is no format's."""
    if name is None:
        return
    from claude_audit import ingestors_evidence
    from claude_audit.ingestors import registry

    if name in registry() or name in ingestors_evidence.registry():
        return
    known = sorted({*registry(), *ingestors_evidence.registry()})
    raise AuditError(f"unknown format {name!r}", f"use one of: {', '.join(known)}")


def log_file(path: Path, name: str) -> LogFile:
    """A file as it lies there now."""
    stat = path.stat()
    return LogFile(path, name, stat.st_size, stat.st_mtime_ns)


def _to_read(found: Sequence[LogFile], manifest: Manifest) -> tuple[list[LogFile], int]:
    """The files that are new, changed or grown (these from where they ended), and how many are as they were."""
    files, unchanged = [], 0
    for file in found:
        known = manifest.files.get(str(file.path))
        if known is None or file.name == "<stdin>":
            files.append(file)
        elif (known.size, known.mtime_ns) == (file.size, file.mtime_ns):
            unchanged += 1
        elif not file.packed and reading.continues(file, Extent(known.end, known.head, known.tail)):
            files.append(replace(file, start=known.end, lines_before=reading.count_lines(file.path, known.end)))
        else:
            files.append(file)
    return files, unchanged


def recognised(
    files: Sequence[LogFile], forced: str | None, assume: Assumptions
) -> tuple[list[Job], list[tuple[LogFile, Report]], tuple[tuple[LogFile, str], ...]]:
    """Logs with their formats, evidence with its formats, and files of no known format with the reason."""
    from claude_audit.batches import Job
    from claude_audit.ingestors import Ingestor, Kind

    jobs: list[Job] = []
    papers = []
    unread = []
    seen: set[str] = set()
    for file in files:
        head, found = _format(file, forced, assume, seen)
        if not head.text.strip():
            continue
        if found is None:
            unread.append((file, _why_unread(head)))
            continue
        if not isinstance(found, Ingestor):
            papers.append((replace(file, start=0, lines_before=0), found))
            continue
        ingestor = found
        if ingestor.hold:
            ingestor.hold(head)
        kind = ingestor.shape(head)
        if ingestor.cross_line or kind is not Kind.LINES:
            file = replace(file, start=0, lines_before=0)  # what was added makes no sense without what stands before it
        plain = kind is Kind.LINES and head.json and not ingestor.cross_line and not ingestor.by_number
        jobs.append(Job(len(jobs), file, ingestor, kind, plain, _time_of(file)))
    return jobs, papers, tuple(unread)


def _why_unread(head: Head) -> str:
    from claude_audit.ingestors import registry

    if head.binary:
        return "a binary file"
    try:
        for ingestor in registry().values():
            if head.mapping and ingestor.hold:
                ingestor.hold(head)
    except AuditError as error:
        return f"the map does not fit: {error.message}"
    return "not a log of a format known here"


def _format(
    file: LogFile, forced: str | None, assume: Assumptions, seen: set[str]
) -> tuple[Head, Ingestor | Report | None]:
    """The beginning of a file, and the format that it is recognised by; None where it is of no known one.

    Of a tree of many files each begins like its neighbours: a format that a long look at one of them has found (it is
    among `seen` then) is known by the first lines of the next.
    """
    from claude_audit.ingestors import Head, registry

    # What --map names must stand in one of the first records: for that all of them are looked at.
    for most in (reading.HEAD_BYTES,) if assume.mapping else (reading.FIRST_LOOK, reading.HEAD_BYTES):
        data = reading.head(file, most)
        head = Head(file.name, data, assume.mapping, file.path)
        found = _evidence(head, forced)
        if found is None:
            formats = registry()
            found = formats.get(forced) if forced else next((f for f in formats.values() if f.recognise(head)), None)
        known = found is not None and found.name in seen and (head.json or not forced)
        if len(data) < most or most == reading.HEAD_BYTES or known:
            break
    if found is not None:
        seen.add(found.name)
    return head, found


def _evidence(head: Head, forced: str | None) -> Ingestor | Report | None:
    """The format of evidence that a file is of. Asked first: few files are of one, and those that can't be cost nothing."""
    from claude_audit import ingestors_evidence

    if forced is None and not ingestors_evidence.may_be(head):
        return None
    from claude_audit import evidence_files

    return evidence_files.recognised(head, forced)


def _time_of(file: LogFile) -> datetime:
    """For records that carry no time: a date in the file's name, else the file's own time."""
    match = re.search(r"(20\d\d)[-_]?(0[1-9]|1[0-2])[-_]?(0[1-9]|[12]\d|3[01])(?!\d)", file.path.name)
    if match:
        try:
            return datetime(int(match[1]), int(match[2]), int(match[3]), tzinfo=UTC)
        except ValueError:
            pass  # 30 February is no date: the file's time then
    return _written(file)


def _written(file: LogFile) -> datetime:
    return datetime.fromtimestamp(file.mtime_ns / 1e9, UTC)


def _nothing_read(
    found: Sequence[LogFile],
    unread: Sequence[tuple[LogFile, str]],
    unchanged: int,
    manifest: Manifest,
) -> IngestReport | None:
    if unread and not unchanged:
        file, why = unread[0]
        more = f" (and {len(unread) - 1} more)" if len(unread) > 1 else ""
        raise AuditError(
            f"{file.name}: {why}{more}",
            "claude-audit formats lists what can be read; --input-format NAME forces one, --map FILE.yaml maps columns",
        )
    if not unread and not unchanged:
        return None
    return IngestReport(
        files=len(found), unchanged=unchanged, rows_total=manifest.rows, warnings=tuple(_not_read(unread))
    )


def _not_read(unread: Sequence[tuple[LogFile, str]]) -> list[str]:
    return [f"{file.name}: {why}; not read" for file, why in unread[:20]] + (
        [f"{len(unread) - 20} more files were not read"] if len(unread) > 20 else []
    )


def connect(scratch: Path, size: int) -> DuckDBPyConnection:
    """A DuckDB connection for reading logs: nothing from the network, spilling into `scratch`."""
    from claude_audit.engines.bare import duckdb

    # A gigabyte of logs and more is worked on in a file, so that memory holds what is in use, not all of it.
    connection = duckdb.connect(str(scratch / "work.duckdb") if size > 2**30 else ":memory:")
    for setting in (
        f"temp_directory = {quoted(str(scratch))}",
        "TimeZone = 'UTC'",
        "preserve_insertion_order = false",
        "autoinstall_known_extensions = false",
        "autoload_known_extensions = false",
        "enable_progress_bar = false",
    ):
        connection.execute(f"SET {setting}")
    return connection


@dataclass(slots=True)
class _Run:
    """One ingest at work, under the store's lock."""

    store: Store
    manifest: Manifest
    scratch: Path
    jobs: Sequence[Job]
    catalog: Catalog
    assume: Assumptions
    files: int
    unchanged: int
    unread: Sequence[tuple[LogFile, str]]
    """Files of no known format, with the reason."""

    def commit(self, progress: Progress | None, rejects_file: Path | None) -> IngestReport:
        """Read the jobs, decide the duplicates, write the parts, make them the store's; say what was done."""
        from claude_audit import calls, checked, contest, passes
        from claude_audit.batches import Reader
        from claude_audit.engines.bare import duckdb

        size = sum(job.file.size - job.file.start for job in self.jobs)
        connection = connect(self.scratch, size)
        try:
            calls.macros(connection, self.assume)
            checked.prepare(connection, [_described(job) for job in self.jobs])
            tables = Reader(self.jobs, self.scratch, self.assume, self.catalog).read(connection, progress)
            checked.view(connection, tables)
            digests = _known_copies(connection, tables, self.jobs, self.manifest)
            passes.models(connection, self.catalog)
            if any(job.fallback != _written(job.file) for job in self.jobs):
                passes.plausible_times(connection)
            outcome = contest.decide(connection, self._stored())
            rows = passes.rows(connection, self.catalog)
            if outcome.joined:
                rows = self._fill_joined(connection, rows)
            parts = self._write(connection, rows, bool(outcome.stale))
            counts = accounting.lines_by_file(connection)
            if rejects_file:
                accounting.write_rejects(connection, rejects_file)
            report = self._report(connection, counts, parts, size)
            rejects = (*self.manifest.rejects, *report.rejects)[:REJECTS_KEPT]
            self.store.commit(
                replace(self.manifest, parts=tuple(parts), files=self._records(counts, digests), rejects=rejects)
            )
            return report
        except duckdb.IOException as error:
            raise AuditError(
                f"{self.store.path}: the store cannot be written: {str(error).splitlines()[0]}",
                "free some space or choose another place with --store DIR; what was stored before is unharmed",
            ) from error
        finally:
            connection.close()

    def _fill_joined(self, connection: DuckDBPyConnection, rows: str) -> str:
        """Calls that several formats tell of: what the best source did not record comes from the others."""
        from claude_audit import joined, passes

        connection.execute(f"CREATE TEMP TABLE told_best AS {rows}")
        lost = passes.rows(connection, self.catalog, "lost")
        donors = f"SELECT j.leader, r.* FROM ({lost}) AS r JOIN joined AS j ON j.key = r.call_key"
        if stored := self._stored():
            connection.execute(f"""
                INSERT INTO told_best
                SELECT s.* REPLACE (v.first_at AS ts) FROM {stored} AS s JOIN revived AS v ON v.key = s.call_key""")
            donors += f"""
                UNION ALL BY NAME SELECT j.leader, s.* FROM {stored} AS s JOIN joined AS j ON j.key = s.call_key
                WHERE j.key <> j.leader"""
        return joined.filled(connection, "told_best", donors)

    def _stored(self) -> str | None:
        paths = self.store.part_paths(self.manifest)
        return f"read_parquet({quoted_list([str(p) for p in paths])}, union_by_name = true)" if paths else None

    def _write(self, connection: DuckDBPyConnection, rows: str, stale: bool) -> list[Part]:
        """The parts of the next manifest: those that stay, those written again without stale rows, and the new one.

        The view `new_rows` is then what the new part holds.
        """
        parts = []
        for part in self.manifest.parts:
            source = f"read_parquet({quoted(str(self.store.part(part.name)))})"
            if stale and _count(connection, f"SELECT count(*) FROM {source} WHERE call_key IN (SELECT key FROM stale)"):
                parts += self._written(
                    connection,
                    self.store.new_part(),
                    f"""SELECT p.* REPLACE (coalesce(m.first_at, p.ts) AS ts)
                    FROM {source} AS p LEFT JOIN moved AS m ON m.key = p.call_key
                    WHERE m.key IS NOT NULL OR p.call_key NOT IN (SELECT key FROM stale)""",
                )
            else:
                parts.append(part)
        name = self.store.new_part()
        parts += self._written(connection, name, rows)
        place = quoted(str(self.store.part(name)))
        connection.execute(f"CREATE TEMP VIEW new_rows AS SELECT * FROM read_parquet({place})")
        return parts

    def _written(self, connection: DuckDBPyConnection, name: str, query: str) -> list[Part]:
        place = quoted(str(self.store.part(name)))
        connection.execute(f"COPY ({query}) TO {place} (FORMAT parquet)")
        row = connection.execute(
            f"SELECT count(*), strftime(min(ts), '{_RFC3339}'), strftime(max(ts), '{_RFC3339}'), "
            f"list(DISTINCT model) FILTER (WHERE model IS NOT NULL) FROM read_parquet({place})"
        ).fetchone()
        if row is None or not row[0]:
            return []
        if summed := sums.of_part(connection, f"read_parquet({place})", self.catalog.thresholds):
            sums.write(self.store.sums(name), self.store.part(name), summed)
        return [Part(name, int(row[0]), row[1], row[2], tuple(sorted(row[3] or ())))]

    def _records(self, counts: dict[int, Lines], digests: dict[int, str]) -> dict[str, FileRecord]:
        merged = dict(self.manifest.files)
        for job in self.jobs:
            if job.file.name == "<stdin>":
                continue
            before = merged.get(str(job.file.path)) if job.file.start else None
            merged[str(job.file.path)] = accounting.added_up(
                before, _record(job, digests), counts.get(job.index, Lines())
            )
        return merged

    def _report(
        self, connection: DuckDBPyConnection, counts: dict[int, Lines], parts: Sequence[Part], size: int
    ) -> IngestReport:
        formats: dict[str, int] = defaultdict(int)
        for job in self.jobs:
            formats[job.ingestor.name] += 1
        rows = sum(part.rows for part in parts)
        return IngestReport(
            files=self.files,
            unchanged=self.unchanged,
            bytes=size,
            counted=sum(counts.values(), Lines()),
            rejects=accounting.first_rejects(connection),
            formats=dict(sorted(formats.items())),
            rows_added=rows - self.manifest.rows,
            rows_total=rows,
            unpriced_models=accounting.unpriced_models(connection),
            warnings=(
                *_not_read(self.unread),
                *self._unused_map(),
                *self._look_alikes(connection, parts),
                *accounting.warnings(connection, self.assume),
            ),
        )

    def _look_alikes(self, connection: DuckDBPyConnection, parts: Sequence[Part]) -> Iterator[str]:
        """Where there are several formats: of the time that the new rows cover, by whole parts."""
        from claude_audit import look_alikes

        fresh = [part for part in parts if part not in self.manifest.parts and part.first and part.last]
        known = {record.format for record in self.manifest.files.values()} | {job.ingestor.name for job in self.jobs}
        if len(known) < 2 or not fresh:
            return
        first, last = min(part.first or "" for part in fresh), max(part.last or "" for part in fresh)
        near = [part for part in parts if part.first and part.last and part.first <= last and part.last >= first]
        yield from look_alikes.warnings(connection, [str(self.store.part(part.name)) for part in near])

    def _unused_map(self) -> Iterator[str]:
        if self.assume.mapping and not any(job.ingestor.hold for job in self.jobs):
            yield "--map was not used: every file is of a format with a reader of its own; --input-format mapped forces it"


def _described(job: Job) -> tuple[str, str, datetime, datetime]:
    return job.file.name, _key_path(job.file), job.fallback, _written(job.file)


def _key_path(file: LogFile) -> str:
    """What tells this file's lines from another's, for records without an id."""
    if file.name == "<stdin>":
        return "stdin:" + hashlib.sha256(file.path.read_bytes()).hexdigest()
    return str(file.path)


def _known_copies(
    connection: DuckDBPyConnection, tables: Sequence[Checked], jobs: Sequence[Job], manifest: Manifest
) -> dict[int, str]:
    """Digest of each file with records without an id. Lines that an earlier file of equal content has brought already are
    taken out of `calls` and counted as duplicates: a copied or moved file adds nothing.
    """
    from claude_audit import checked

    anonymous = [
        row[0] for row in connection.execute("SELECT DISTINCT file FROM calls WHERE identity IS NULL").fetchall()
    ]
    digests: dict[int, str] = {}
    known = {(r.sha256, r.end): r.path for r in manifest.files.values() if r.sha256}
    for index in sorted(anonymous):
        file = jobs[index].file
        end = reading.extent(file).end
        own = str(file.path)
        marks = reading.sha256_at(file.path, sorted({e for _, e in known if e <= end} | {end}))
        digests[index] = marks[end]
        seen = [e for (sha, e), path in known.items() if path != own and marks.get(e) == sha]
        known.setdefault((marks[end], end), own)
        if not seen:
            continue
        lines = reading.count_lines(file.path, max(seen)) if not file.packed else 2**62
        connection.execute(f"""
            INSERT INTO line_counts
            SELECT file, 'duplicate', NULL, count(*) FROM calls
            WHERE file = {index} AND identity IS NULL AND line <= {lines} GROUP BY file""")
        checked.remove(connection, tables, index, lines)
    return digests


def _count(connection: DuckDBPyConnection, query: str) -> int:
    row = connection.execute(query).fetchone()
    return int(row[0]) if row else 0


def _record(job: Job, digests: dict[int, str]) -> FileRecord:
    file, reach = job.file, reading.extent(job.file)
    return FileRecord(
        path=str(file.path),
        name=file.name,
        format=job.ingestor.name,
        size=file.size,
        mtime_ns=file.mtime_ns,
        end=reach.end,
        head=reach.head,
        tail=reach.tail,
        sha256=digests.get(job.index),
    )
