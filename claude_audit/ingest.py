"""Logs into the store: walk, recognise, read, find duplicates, commit; every line accounted for."""

from __future__ import annotations

import hashlib
import os
import re
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

from claude_audit import accounting, evidence_files
from claude_audit import pieces as reading
from claude_audit.accounting import IngestReport, Lines
from claude_audit.errors import AuditError
from claude_audit.pieces import Extent, LogFile, Piece, quoted, quoted_list
from claude_audit.store import REJECTS_KEPT, FileRecord, Manifest, Part, Store

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection

    from claude_audit.calls import Assumptions
    from claude_audit.catalog import Catalog
    from claude_audit.ingestors import Head, Ingestor, Kind
    from claude_audit.ingestors_evidence import Report

BATCH_BYTES = 256 * 2**20
"""Read at a time: bounds memory, and how often progress is told."""

SMALL_BATCH = 4 * 2**20
"""Less than this is read by one thread."""

MOST_SHARES = 8

_RFC3339 = "%Y-%m-%dT%H:%M:%S.%fZ"

Progress = Callable[[int, int], None]
"""Called with (bytes read, bytes in all)."""


@dataclass(frozen=True, slots=True)
class Job:
    """A file to read, the format it is read by, and what its records are."""

    index: int
    file: LogFile
    ingestor: Ingestor
    kind: Kind
    fallback: datetime


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
    from claude_audit import ingestors_evidence
    from claude_audit.ingestors import registry

    if name is None or name in registry() or name in ingestors_evidence.registry():
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
    from claude_audit.ingestors import Head, Kind, registry

    formats = registry()
    jobs: list[Job] = []
    papers = []
    unread = []
    for file in files:
        head = Head(file.name, reading.head(file), assume.mapping, file.path)
        if not head.text.strip():
            continue
        if report := evidence_files.recognised(head, forced):
            papers.append((replace(file, start=0, lines_before=0), report))
            continue
        ingestor = formats[forced] if forced else next((f for f in formats.values() if f.recognise(head)), None)
        if ingestor is None:
            unread.append((file, _why_unread(head, formats.values())))
            continue
        if ingestor.hold:
            ingestor.hold(head)
        kind = ingestor.shape(head)
        if ingestor.cross_line or kind is not Kind.LINES:
            file = replace(file, start=0, lines_before=0)  # what was added makes no sense without what stands before it
        jobs.append(Job(len(jobs), file, ingestor, kind, _time_of(file)))
    return jobs, papers, tuple(unread)


def _why_unread(head: Head, formats: Iterable[Ingestor]) -> str:
    if b"\0" in head.data:
        return "a binary file"
    try:
        for ingestor in formats:
            if head.mapping and ingestor.hold:
                ingestor.hold(head)
    except AuditError as error:
        return f"the map does not fit: {error.message}"
    return "not a log of a format known here"


def _time_of(file: LogFile) -> datetime:
    """For records that carry no time: a date in the file's name, else the file's own time."""
    match = re.search(r"(20\d\d)[-_]?(0[1-9]|1[0-2])[-_]?(0[1-9]|[12]\d|3[01])(?!\d)", file.path.name)
    if match:
        try:
            return datetime(int(match[1]), int(match[2]), int(match[3]), tzinfo=UTC)
        except ValueError:
            pass  # 30 February is no date: the file's time then
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
    import duckdb

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
        import duckdb

        from claude_audit import calls, contest, passes

        size = sum(job.file.size - job.file.start for job in self.jobs)
        connection = connect(self.scratch, size)
        try:
            calls.macros(connection, self.assume)
            calls.prepare(connection, [_described(job) for job in self.jobs])
            self._read(connection, size, progress)
            digests = _known_copies(connection, self.jobs, self.manifest)
            passes.models(connection, self.catalog)
            passes.plausible_times(connection)
            outcome = contest.decide(connection, self._stored())
            passes.rows(connection, self.catalog)
            if outcome.joined:
                self._fill_joined(connection)
            parts = self._write(connection, bool(outcome.stale))
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

    def _read(self, connection: DuckDBPyConnection, size: int, progress: Progress | None) -> None:
        done = 0
        for ingestor, batch, kind in _batches(self.jobs, self.scratch):
            bytes_in_batch = sum(piece.size for piece in batch)
            self._read_batch(connection, ingestor, batch, kind)
            done += bytes_in_batch
            if progress:
                progress(min(done, size), size)

    def _read_batch(self, connection: DuckDBPyConnection, ingestor: Ingestor, batch: list[Piece], kind: Kind) -> None:
        """One batch into `calls`: a share of its pieces for each core, checked side by side."""
        from concurrent.futures import ThreadPoolExecutor

        from claude_audit import calls
        from claude_audit.ingestors import Kind

        shares = _shares(batch) if kind is Kind.LINES else [batch]
        names = [f"checked_{n}" for n in range(len(shares))]
        with ThreadPoolExecutor(len(shares)) as pool:
            # A cursor is a connection of its own to the same database: each share is read by one thread.
            work = [
                pool.submit(self._check, connection.cursor(), name, ingestor, share, kind)
                for name, share in zip(names, shares, strict=True)
            ]
            for done in work:
                done.result()
        calls.take(connection, names, ingestor.name, self.assume, self.catalog, ingestor.shared)

    def _check(
        self, connection: DuckDBPyConnection, name: str, ingestor: Ingestor, pieces: Sequence[Piece], kind: Kind
    ) -> None:
        """Pieces into a table of checked lines. Those that are not UTF-8 are copied, the broken bytes replaced, and read again."""
        import duckdb

        from claude_audit import calls
        from claude_audit.ingestors import Kind, Reading

        connection.execute("SET TimeZone = 'UTC'")
        for attempt in (1, 2):
            try:
                view = reading.documents_relation if kind is Kind.DOCUMENT else reading.lines_relation
                view(connection, pieces)
                paths = {piece.file: str(piece.path) for piece in pieces if not piece.lines_before}
                calls.check(
                    connection,
                    name,
                    ingestor.query(kind, Reading(connection, self.assume, paths, kind is Kind.DOCUMENT)),
                )
                return
            except duckdb.Error as error:
                if attempt == 2 or not re.search(r"utf-?8|unicode", str(error), re.IGNORECASE):
                    raise
                pieces = [mended for piece in pieces for mended in self._mended(piece, kind)]

    def _mended(self, piece: Piece, kind: Kind) -> Iterator[Piece]:
        from claude_audit.ingestors import Kind

        if reading.not_utf8(piece.path):
            file = self.jobs[piece.file].file
            part = replace(file, path=piece.path, start=0, lines_before=piece.lines_before)
            yield from reading.copied(piece.file, part, self.scratch, mend=True, quoted=kind is Kind.TABLE)
        else:
            yield piece

    def _fill_joined(self, connection: DuckDBPyConnection) -> None:
        """Calls that several formats tell of: what the best source did not record comes from the others."""
        from claude_audit import joined, passes

        passes.rows(connection, self.catalog, "lost", "lost_rows")
        donors = "SELECT j.leader, r.* FROM lost_rows AS r JOIN joined AS j ON j.key = r.call_key"
        if stored := self._stored():
            connection.execute(f"""
                INSERT INTO new_rows
                SELECT s.* REPLACE (v.first_at AS ts) FROM {stored} AS s JOIN revived AS v ON v.key = s.call_key""")
            donors += f"""
                UNION ALL BY NAME SELECT j.leader, s.* FROM {stored} AS s JOIN joined AS j ON j.key = s.call_key
                WHERE j.key <> j.leader"""
        joined.fill(connection, donors)

    def _stored(self) -> str | None:
        paths = self.store.part_paths(self.manifest)
        return f"read_parquet({quoted_list([str(p) for p in paths])}, union_by_name = true)" if paths else None

    def _write(self, connection: DuckDBPyConnection, stale: bool) -> list[Part]:
        """The parts of the next manifest: those that stay, those written again without stale rows, and the new one."""
        parts = []
        for part in self.manifest.parts:
            source = f"read_parquet({quoted(str(self.store.part(part.name)))})"
            if stale and _count(connection, f"SELECT count(*) FROM {source} WHERE call_key IN (SELECT key FROM stale)"):
                parts += self._written(
                    connection,
                    f"""SELECT p.* REPLACE (coalesce(m.first_at, p.ts) AS ts)
                    FROM {source} AS p LEFT JOIN moved AS m ON m.key = p.call_key
                    WHERE m.key IS NOT NULL OR p.call_key NOT IN (SELECT key FROM stale)""",
                )
            else:
                parts.append(part)
        return parts + self._written(connection, "SELECT * FROM new_rows")

    def _written(self, connection: DuckDBPyConnection, query: str) -> list[Part]:
        name = self.store.new_part()
        place = quoted(str(self.store.part(name)))
        connection.execute(f"COPY ({query}) TO {place} (FORMAT parquet)")
        row = connection.execute(
            f"SELECT count(*), strftime(min(ts), '{_RFC3339}'), strftime(max(ts), '{_RFC3339}'), "
            f"list(DISTINCT model) FILTER (WHERE model IS NOT NULL) FROM read_parquet({place})"
        ).fetchone()
        if row is None or not row[0]:
            return []
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
            warnings=(*_not_read(self.unread), *self._unused_map(), *accounting.warnings(connection, self.assume)),
        )

    def _unused_map(self) -> Iterator[str]:
        if self.assume.mapping and not any(job.ingestor.hold for job in self.jobs):
            yield "--map was not used: every file is of a format with a reader of its own; --input-format mapped forces it"


def _described(job: Job) -> tuple[str, str, datetime, datetime]:
    return job.file.name, _key_path(job.file), job.fallback, datetime.fromtimestamp(job.file.mtime_ns / 1e9, UTC)


def _key_path(file: LogFile) -> str:
    """What tells this file's lines from another's, for records without an id."""
    if file.name == "<stdin>":
        return "stdin:" + hashlib.sha256(file.path.read_bytes()).hexdigest()
    return str(file.path)


def _batches(jobs: Sequence[Job], scratch: Path) -> Iterator[tuple[Ingestor, list[Piece], Kind]]:
    """Pieces in groups of one format, BATCH_BYTES at most (but never less than one piece). Temporary ones are removed after use."""
    groups: dict[tuple[str, Kind], list[Job]] = defaultdict(list)
    for job in jobs:
        groups[job.ingestor.name, job.kind].append(job)
    for (_, kind), members in groups.items():
        batch: list[Piece] = []
        for job in members:
            for piece in _pieces(job, scratch):
                if batch and sum(p.size for p in batch) + piece.size > BATCH_BYTES:
                    yield members[0].ingestor, batch, kind
                    _drop(batch, scratch)
                    batch = []
                batch.append(piece)
        if batch:
            yield members[0].ingestor, batch, kind
            _drop(batch, scratch)


def _shares(batch: Sequence[Piece]) -> list[list[Piece]]:
    """The pieces dealt to the cores, by size; files that lie together stay together where that costs nothing."""
    cores = min(os.cpu_count() or 1, MOST_SHARES)
    if sum(piece.size for piece in batch) < SMALL_BATCH:
        cores = 1
    shares: list[list[Piece]] = [[] for _ in range(min(cores, len(batch)))]
    sizes = [0] * len(shares)
    for piece in sorted(batch, key=lambda p: p.size, reverse=True):
        least = sizes.index(min(sizes))
        shares[least].append(piece)
        sizes[least] += piece.size
    return [sorted(share, key=lambda p: (p.file, p.lines_before)) for share in shares]


def _pieces(job: Job, scratch: Path) -> Iterator[Piece]:
    from claude_audit.ingestors import Kind

    if job.kind is Kind.DOCUMENT:
        yield reading.document(job.index, job.file, scratch)
    elif job.kind is Kind.PARQUET:
        yield reading.in_place(job.index, job.file, scratch)
    elif piece := reading.whole(job.index, job.file, any_size=job.ingestor.cross_line):
        yield piece
    else:
        quoted_fields, one = job.kind is Kind.TABLE, job.ingestor.cross_line
        yield from reading.copied(job.index, job.file, scratch, quoted=quoted_fields, any_size=one)


def _drop(batch: Sequence[Piece], scratch: Path) -> None:
    for piece in batch:
        if piece.path.parent == scratch and piece.path.name.startswith("piece-"):
            piece.path.unlink(missing_ok=True)


def _known_copies(connection: DuckDBPyConnection, jobs: Sequence[Job], manifest: Manifest) -> dict[int, str]:
    """Digest of each file with records without an id. Lines that an earlier file of equal content has brought already are
    taken out of `calls` and counted as duplicates: a copied or moved file adds nothing.
    """
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
        gone = f"file = {index} AND identity IS NULL AND line <= {lines}"
        connection.execute(
            f"INSERT INTO line_counts SELECT file, 'duplicate', NULL, count(*) FROM calls WHERE {gone} GROUP BY file"
        )
        connection.execute(f"DELETE FROM calls WHERE {gone}")
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
