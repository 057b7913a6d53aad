"""One ingest at work: logs into an engine, and from there into the store."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from claude_audit import accounting, sums
from claude_audit.accounting import IngestReport, Lines
from claude_audit.errors import AuditError
from claude_audit.extents import Content, Extent, count_lines, extent, sha256_at
from claude_audit.pieces import quoted, quoted_list
from claude_audit.store import REJECTS_KEPT, FileRecord, Manifest, Part, Store

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection

    from claude_audit.batches import Progress
    from claude_audit.calls import Assumptions
    from claude_audit.catalog import Catalog
    from claude_audit.checked import Checked
    from claude_audit.recognition import Job

_RFC3339 = "%Y-%m-%dT%H:%M:%S.%fZ"


@contextmanager
def opened(store: Store, manifest: Manifest, scratch: Path, assume: Assumptions, size: int) -> Iterator[Run]:
    """A run with an engine to work in, for so many bytes of logs. It starts in a thread of its own, while the first files
    are looked at. Raises AuditError where the disk can't be written.
    """
    with ThreadPoolExecutor(1) as pool:
        engine = pool.submit(_connect, scratch, size)
        try:
            yield Run(engine, store, manifest, scratch, assume, size)
        except Exception as error:
            from claude_audit.engines.bare import duckdb

            if not isinstance(error, duckdb.IOException):
                raise
            raise AuditError(
                f"{store.path}: the store cannot be written: {str(error).splitlines()[0]}",
                "free some space or choose another place with --store DIR; what was stored before is unharmed",
            ) from error
        finally:
            if not engine.exception():
                engine.result().close()


def _connect(scratch: Path, size: int) -> DuckDBPyConnection:
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
        "python_enable_replacements = false",
    ):
        connection.execute(f"SET {setting}")
    return connection


@dataclass(slots=True)
class Run:
    """One ingest at work, under the store's lock."""

    engine: Future[DuckDBPyConnection]
    store: Store
    manifest: Manifest
    scratch: Path
    assume: Assumptions
    size: int
    """Bytes to read."""
    jobs: Sequence[Job] = ()
    tables: Sequence[Checked] = ()
    anew: Sequence[FileRecord] = ()
    """Files that were read before and are read again: the store's rows of them are replaced."""
    _replaced: int = 0
    """Rows of them."""

    @property
    def connection(self) -> DuckDBPyConnection:
        """The engine, waited for."""
        return self.engine.result()

    def read(self, jobs: Iterable[Job], catalog: Callable[[], Catalog], progress: Progress | None) -> None:
        """Read the jobs, which may still be looked for, into the view `calls`."""
        from claude_audit import calls, checked
        from claude_audit.batches import Reader

        calls.macros(self.connection, self.assume)
        checked.prepare(self.connection)
        reader = Reader(self.connection, self.scratch, self.assume, catalog, self.size, progress)
        self.tables = reader.read(jobs)
        self.jobs = reader.jobs
        checked.view(self.connection, self.tables)

    def replace(self, records: Sequence[FileRecord]) -> None:
        """Let the rows that the store has of these files give way to those that were read of them now, if they were."""
        read = {job.file.key for job in self.jobs}
        self.anew = [record for record in records if record.path in read]

    def commit(self, catalog: Catalog, rejects_file: Path | None) -> IngestReport:
        """Decide the duplicates, write the parts, make them the store's; say what became of the jobs."""
        with ThreadPoolExecutor(1) as pool:
            extents = pool.submit(self._extents)  # while the engine is at work
            contents, parts = self._decided(catalog)
            counts = accounting.lines_by_file(self.connection)
            if rejects_file:
                accounting.write_rejects(self.connection, rejects_file)
            report = self._report(self.connection, counts, parts)
            before = [reject for reject in self.manifest.rejects if reject.source not in self._sources]
            rejects = (*before, *report.rejects)[:REJECTS_KEPT]
            files = self._records(counts, contents, extents.result())
            self.store.commit(replace(self.manifest, parts=tuple(parts), files=files, rejects=rejects))
        return report

    def _decided(self, catalog: Catalog) -> tuple[dict[int, Content], list[Part]]:
        """Contents of files with records without an id, and the parts of the next manifest."""
        from claude_audit import contest, passes

        connection = self.connection
        again = {record.path for record in self.anew}
        others = {path: record for path, record in self.manifest.files.items() if path not in again}
        contents = _known_copies(connection, self.tables, self.jobs, others)
        passes.models(connection, catalog)
        if any(job.fallback != job.written for job in self.jobs):
            passes.plausible_times(connection)
        outcome = contest.decide(connection, self._stored())
        rows = passes.rows(connection, catalog)
        if outcome.joined:
            rows = self._fill_joined(connection, rows, catalog)
        return contents, self._write(connection, rows, bool(outcome.stale), catalog)

    def _extents(self) -> dict[int, Extent]:
        """How far each file has been read."""
        return {job.index: extent(job.file) for job in self.jobs}

    def _fill_joined(self, connection: DuckDBPyConnection, rows: str, catalog: Catalog) -> str:
        """Calls that several formats tell of: what the best source did not record comes from the others."""
        from claude_audit import joined, passes

        connection.execute(f"CREATE TEMP TABLE told_best AS {rows}")
        lost = passes.rows(connection, catalog, "lost")
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
        if not paths:
            return None
        rows = f"read_parquet({quoted_list([str(p) for p in paths])}, union_by_name = true)"
        return f"(SELECT * FROM {rows} WHERE NOT {self._is_anew})" if self.anew else rows

    @property
    def _sources(self) -> set[str]:
        return {record.name for record in self.anew}

    @property
    def _is_anew(self) -> str:
        """SQL: whether a row is of a file that is read again."""
        return f"list_contains({quoted_list(sorted(self._sources))}::VARCHAR[], source)"

    def _write(self, connection: DuckDBPyConnection, rows: str, stale: bool, catalog: Catalog) -> list[Part]:
        """The parts of the next manifest: those that stay, those written again without stale rows, and the new one.

        The view `new_rows` is then what the new part holds.
        """
        parts = []
        for part in self.manifest.parts:
            source = f"read_parquet({quoted(str(self.store.part(part.name)))})"
            replaced = _count(connection, f"SELECT count(*) FROM {source} WHERE {self._is_anew}") if self.anew else 0
            self._replaced += replaced
            changed = f"SELECT count(*) FROM {source} WHERE call_key IN (SELECT key FROM stale)"
            if replaced or (stale and _count(connection, changed)):
                parts += self._written(
                    connection,
                    self.store.new_part(),
                    f"""SELECT p.* REPLACE (coalesce(m.first_at, p.ts) AS ts)
                    FROM {source} AS p LEFT JOIN moved AS m ON m.key = p.call_key
                    WHERE (m.key IS NOT NULL OR p.call_key NOT IN (SELECT key FROM stale)) AND NOT {self._is_anew}""",
                    catalog,
                )
            else:
                parts.append(part)
        name = self.store.new_part()
        parts += self._written(connection, name, rows, catalog)
        place = quoted(str(self.store.part(name)))
        connection.execute(f"CREATE TEMP VIEW new_rows AS SELECT * FROM read_parquet({place})")
        return parts

    def _written(self, connection: DuckDBPyConnection, name: str, query: str, catalog: Catalog) -> list[Part]:
        place = quoted(str(self.store.part(name)))
        connection.execute(f"COPY ({query}) TO {place} (FORMAT parquet)")
        row = connection.execute(
            f"SELECT count(*), strftime(min(ts), '{_RFC3339}'), strftime(max(ts), '{_RFC3339}'), "
            f"list(DISTINCT model) FILTER (WHERE model IS NOT NULL) FROM read_parquet({place})"
        ).fetchone()
        if row is None or not row[0]:
            return []
        if summed := sums.of_part(connection, f"read_parquet({place})", catalog.thresholds):
            sums.write(self.store.sums(name), self.store.part(name), summed)
        return [Part(name, int(row[0]), row[1], row[2], tuple(sorted(row[3] or ())))]

    def _records(
        self, counts: dict[int, Lines], contents: dict[int, Content], extents: dict[int, Extent]
    ) -> dict[str, FileRecord]:
        merged = dict(self.manifest.files)
        for job in self.jobs:
            if job.file.name == "<stdin>":
                continue
            before = merged.get(job.file.key) if job.file.start else None
            merged[job.file.key] = accounting.added_up(
                before,
                _record(job, extents[job.index], contents.get(job.index), self.assume.told),
                counts.get(job.index, Lines()),
            )
        return merged

    def _report(self, connection: DuckDBPyConnection, counts: dict[int, Lines], parts: Sequence[Part]) -> IngestReport:
        formats: dict[str, int] = defaultdict(int)
        for job in self.jobs:
            formats[job.ingestor.name] += 1
        rows = sum(part.rows for part in parts)
        return IngestReport(
            files=len(self.jobs),
            bytes=sum(job.file.size - job.file.start for job in self.jobs),
            counted=sum(counts.values(), Lines()),
            rejects=accounting.first_rejects(connection),
            formats=dict(sorted(formats.items())),
            rows_added=rows - self.manifest.rows + self._replaced,
            rows_total=rows,
            unpriced_models=accounting.unpriced_models(connection),
            warnings=(
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
        paths = [str(self.store.part(part.name)) for part in near]
        yield from look_alikes.warnings(connection, paths)
        yield from look_alikes.of_sums(connection, paths)

    def _unused_map(self) -> Iterator[str]:
        if self.assume.mapping and not any(job.ingestor.hold for job in self.jobs):
            yield "--map was not used: every file is of a format with a reader of its own; --input-format mapped forces it"


def _known_copies(
    connection: DuckDBPyConnection, tables: Sequence[Checked], jobs: Sequence[Job], others: Mapping[str, FileRecord]
) -> dict[int, Content]:
    """The content of each file with records without an id. Lines that an earlier file of equal content has brought already are
    taken out of `calls` and counted as duplicates: a copied or moved file adds nothing.
    """
    from claude_audit import checked

    anonymous = [
        row[0] for row in connection.execute("SELECT DISTINCT file FROM calls WHERE identity IS NULL").fetchall()
    ]
    contents: dict[int, Content] = {}
    known = {(r.sha256, r.end if r.unpacked is None else r.unpacked): r.path for r in others.values() if r.sha256}
    for index in sorted(anonymous):
        file = jobs[index].file
        own = file.key
        marks = sha256_at(file.path, {end for _, end in known}, None if file.packed else extent(file).end)
        end = max(marks)
        contents[index] = Content(marks[end], end)
        seen = [e for (sha, e), path in known.items() if path != own and marks.get(e) == sha]
        known.setdefault((marks[end], end), own)
        if not seen:
            continue
        lines = count_lines(file.path, max(seen)) if max(seen) < end or not file.packed else 2**62
        connection.execute(f"""
            INSERT INTO line_counts
            SELECT file, 'duplicate', NULL, count(*) FROM calls
            WHERE file = {index} AND identity IS NULL AND line <= {lines} GROUP BY file""")
        checked.remove(connection, tables, index, lines)
    return contents


def _count(connection: DuckDBPyConnection, query: str) -> int:
    row = connection.execute(query).fetchone()
    return int(row[0]) if row else 0


def _record(job: Job, reach: Extent, content: Content | None, told: Mapping[str, str]) -> FileRecord:
    file = job.file
    return FileRecord(
        path=file.key,
        name=file.name,
        format=job.ingestor.name,
        size=file.size,
        mtime_ns=file.mtime_ns,
        end=reach.end,
        head=reach.head,
        tail=reach.tail,
        sha256=content.sha256 if content else None,
        told=told,
        rewritten=file.rewritten,
        unpacked=content.size if content and file.packed else None,
    )
