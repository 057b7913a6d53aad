"""The files of one ingest, read by all cores while the later ones are still being recognised, into tables of checked lines."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from pathlib import Path
from threading import Lock
from typing import TYPE_CHECKING, TypeVar

from claude_audit import checked, documents, json_lines
from claude_audit import pieces as reading
from claude_audit.checked import Checked
from claude_audit.ingestors import Ingestor, Kind, Reading
from claude_audit.pieces import Piece, quoted
from claude_audit.recognition import Job
from claude_audit.units import Unit, cores, dealt, shares

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection

    from claude_audit.calls import Assumptions
    from claude_audit.catalog import Catalog

BATCH_BYTES = 256 * 2**20
"""Read before it is checked: bounds memory."""

UNIT_BYTES = 64 * 2**20
"""Given to one core at a time, of records that are kept until they are checked together."""

NONE: Mapping[int, str] = {}

Progress = Callable[[int, int], None]
"""Called with (bytes read, bytes in all), from any thread, one at a time."""

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Kept:
    """Records that were read and are still to be checked, in a table of the engine."""

    table: str
    rows: str
    """SQL: file, line, and r (the record) or text and keys of each."""
    size: int
    """Bytes of their text."""
    wide: bool
    """Whether they have the format's wider structure."""


Read = Future[list[Checked] | list[Kept]]
"""What one thread makes of a unit."""


@dataclass(slots=True)
class Reader:
    """Reads jobs as they come."""

    connection: DuckDBPyConnection
    scratch: Path
    assume: Assumptions
    catalog: Callable[[], Catalog]
    """Asked for while the cores are at work."""
    size: int
    """Bytes to read in all."""
    progress: Progress | None
    jobs: list[Job] = field(default_factory=list)
    """Those that have come."""
    _tables: int = 0
    _done: int = 0
    _telling: Lock = field(default_factory=Lock)

    def read(self, jobs: Iterable[Job]) -> list[Checked]:
        """All jobs into tables of checked lines, counted in `line_counts`."""
        found: list[Checked] = []
        with ThreadPoolExecutor(cores()) as pool:
            try:
                read: list[tuple[Unit, Read]] = []
                waiting = known = 0
                for unit in self._units(jobs):
                    if fresh := self.jobs[known:]:
                        checked.add_files(self.connection, fresh)
                        known = len(self.jobs)
                    # A cursor is a connection of its own to the same database: each unit is read by one thread.
                    read.append((unit, pool.submit(self._read, self.connection.cursor(), self._name(), unit)))
                    waiting += unit.size
                    if waiting >= BATCH_BYTES:
                        found += self._check_all(pool, read)
                        read, waiting = [], 0
                self.catalog()
                found += self._check_all(pool, read)
            except BaseException:
                pool.shutdown(wait=False, cancel_futures=True)
                raise
        return found

    def _check_all(self, pool: ThreadPoolExecutor, read: Sequence[tuple[Unit, Read]]) -> Iterator[Checked]:
        """What the units were read into: tables of checked lines, and those that the kept records become."""
        kept: dict[tuple[str, Kind, bool], tuple[Ingestor, list[Kept]]] = {}
        tables: list[tuple[Ingestor, Checked]] = []
        for unit, future in read:
            for one in future.result():
                if isinstance(one, Kept):
                    kept.setdefault((unit.ingestor.name, unit.kind, one.wide), (unit.ingestor, []))[1].append(one)
                else:
                    tables.append((unit.ingestor, one))
        # A table for each core: what comes later scans them side by side.
        checks = [
            (ingestor, pool.submit(self._check_kept, self.connection.cursor(), self._name(), ingestor, kind, share))
            for (_, kind, _), (ingestor, records) in kept.items()
            for share in shares(records)
        ]
        tables += [(ingestor, check.result()) for ingestor, check in checks]
        for ingestor, table in tables:
            if ingestor.shared:
                checked.ignore_others(self.connection, table, self.catalog())
            checked.compact(self.connection, table)
            yield table

    def _check_kept(
        self, connection: DuckDBPyConnection, name: str, ingestor: Ingestor, kind: Kind, records: Sequence[Kept]
    ) -> Checked:
        """Kept records, all of one structure, into a table of checked lines."""
        connection.execute("SET TimeZone = 'UTC'")
        connection.execute(
            f"CREATE OR REPLACE TEMP VIEW {_view(ingestor)} AS {' UNION ALL '.join(one.rows for one in records)}"
        )
        found = self._checked(connection, name, ingestor, kind, wide=records[0].wide)
        row = connection.execute(
            f"SELECT count(*) FROM {_view(ingestor)} AS told ANTI JOIN {found.name} AS judged USING (file, line)"
        ).fetchone()
        assert row == (0,), f"{ingestor.name}: {row} lines without a fate"  # noqa: S101 - nothing is dropped silently
        for one in records:
            connection.execute(f"DROP TABLE {one.table}")
        return found

    def _name(self) -> str:
        self._tables += 1
        return f"read_{self._tables}"

    def _read(self, connection: DuckDBPyConnection, name: str, unit: Unit) -> list[Checked] | list[Kept]:
        """What one thread makes of a unit. Its temporary pieces are removed."""
        connection.execute("SET TimeZone = 'UTC'")
        try:
            if _keeps(unit.ingestor) and unit.kind in (Kind.LINES, Kind.DOCUMENT):
                keep = self._keep if unit.json else self._keep_texts
                return keep(connection, name, unit.ingestor, unit.pieces, unit.kind)
            if unit.json:
                return self._check_json(connection, name, unit.ingestor, unit.pieces)
            return [self._check(connection, name, unit.ingestor, unit.pieces, unit.kind)]
        finally:
            for piece in unit.pieces:
                if piece.path.parent == self.scratch and piece.path.name.startswith("piece-"):
                    piece.path.unlink(missing_ok=True)
            with self._telling:
                self._done += unit.size
                if self.progress:
                    self.progress(min(self._done, self.size), self.size)

    def _keep(
        self,
        connection: DuckDBPyConnection,
        name: str,
        ingestor: Ingestor,
        pieces: Sequence[Piece],
        kind: Kind,
        wide: bool = False,
    ) -> list[Kept]:
        """JSON lines into a table of records; and what is not so plain a line of JSON into others."""
        from claude_audit.engines.bare import duckdb

        parsed = json_lines.keyed(pieces) if ingestor.keyed else json_lines.parsed(pieces, _structure(ingestor, wide))
        try:
            connection.execute(f"CREATE OR REPLACE TABLE {name} AS {parsed}")
        except duckdb.Error:
            # A line beyond all bounds, or no UTF-8: what is wrong with it shows where text is read.
            connection.execute(f"DROP TABLE IF EXISTS {name}")
            return self._keep_texts(connection, name, ingestor, pieces, kind)
        places = json_lines.places(connection, name, pieces)
        rows = f"SELECT {places.file} AS file, {places.line} AS line, {_told(ingestor)} FROM {name} WHERE {places.kept}"
        kept = [Kept(name, rows, sum(piece.size for piece in pieces), wide)]
        if places.lines:
            json_lines.macros(connection, json=False)
            json_lines.of_texts(connection, places.lines)
            kept.append(self._kept_lines(connection, f"{name}_lines", ingestor, 0, wide))
        if not wide and any(_refer(connection, ingestor, one) for one in kept):
            for one in kept:
                connection.execute(f"DROP TABLE {one.table}")
            return self._keep(connection, name, ingestor, pieces, kind, wide=True)
        if places.pieces:
            kept += self._keep_texts(connection, f"{name}_pieces", ingestor, places.pieces, kind)
        return kept

    def _keep_texts(
        self, connection: DuckDBPyConnection, name: str, ingestor: Ingestor, pieces: Sequence[Piece], kind: Kind
    ) -> list[Kept]:
        """The same of text that may be no JSON."""

        def keep(pieces: Sequence[Piece]) -> list[Kept]:
            size = sum(piece.size for piece in pieces)
            found = self._kept_lines(connection, name, ingestor, size, wide=False)
            if _refer(connection, ingestor, found):
                found = self._kept_lines(connection, name, ingestor, size, wide=True)
            return [found]

        return self._of_text(connection, pieces, kind, keep)

    def _kept_lines(
        self, connection: DuckDBPyConnection, table: str, ingestor: Ingestor, size: int, wide: bool
    ) -> Kept:
        """The records of the view `lines`."""
        transformed = ingestor.keyed("lines") if ingestor.keyed else json_lines.transformed(_structure(ingestor, wide))
        connection.execute(f"CREATE OR REPLACE TABLE {table} AS {transformed}")
        return Kept(table, f"SELECT file, line, {_told(ingestor)} FROM {table}", size, wide)

    def _check_json(
        self, connection: DuckDBPyConnection, name: str, ingestor: Ingestor, pieces: Sequence[Piece]
    ) -> list[Checked]:
        """For a SELECT over `lines`, of JSON: where its rows stand is set right afterwards."""
        from claude_audit.engines.bare import duckdb

        try:
            json_lines.macros(connection, json=True)
            json_lines.relation(connection, pieces)
            found = [self._checked(connection, name, ingestor, Kind.LINES)]
            places = json_lines.places(connection, name, pieces)
            places.set_right(connection, name)
            if places.lines:
                json_lines.macros(connection, json=False)
                json_lines.of_texts(connection, places.lines)
                found.append(self._checked(connection, f"{name}_lines", ingestor, Kind.LINES))
        except duckdb.Error:
            # A line beyond all bounds, or one that breaks the SELECT: what is wrong with it shows where text is read.
            for table in (name, f"{name}_lines"):
                connection.execute(f"DROP TABLE IF EXISTS {table}")
            return [self._check(connection, name, ingestor, pieces, Kind.LINES)]
        if places.pieces:
            found.append(self._check(connection, f"{name}_pieces", ingestor, places.pieces, Kind.LINES))
        return found

    def _check(
        self, connection: DuckDBPyConnection, name: str, ingestor: Ingestor, pieces: Sequence[Piece], kind: Kind
    ) -> Checked:
        """Pieces of text into a table of checked lines."""

        def check(pieces: Sequence[Piece]) -> Checked:
            paths = {piece.file: str(piece.path) for piece in pieces if not piece.lines_before}
            return self._checked(connection, name, ingestor, kind, paths)

        return self._of_text(connection, pieces, kind, check)

    def _of_text(
        self, connection: DuckDBPyConnection, pieces: Sequence[Piece], kind: Kind, act: Callable[[Sequence[Piece]], T]
    ) -> T:
        """What `act` makes of the view `lines` over the text of these pieces.

        Those that are not UTF-8 are copied, the broken bytes replaced, and read again.
        """
        from claude_audit.engines.bare import duckdb

        json_lines.macros(connection, json=False)
        view = documents.relation if kind is Kind.DOCUMENT else reading.lines_relation
        try:
            view(connection, pieces)
            return act(pieces)
        except duckdb.Error as error:
            if not re.search(r"utf-?8|unicode", str(error), re.IGNORECASE):
                raise
        mended = [copy for piece in pieces for copy in self._mended(piece, kind)]
        view(connection, mended)
        return act(mended)

    def _mended(self, piece: Piece, kind: Kind) -> Iterator[Piece]:
        if reading.not_utf8(piece.path):
            file = self.jobs[piece.file].file
            part = replace(file, path=piece.path, start=0, lines_before=piece.lines_before)
            yield from reading.copied(piece.file, part, self.scratch, mend=True, quoted=kind is Kind.TABLE)
        else:
            yield piece

    def _checked(
        self,
        connection: DuckDBPyConnection,
        name: str,
        ingestor: Ingestor,
        kind: Kind,
        paths: Mapping[int, str] = NONE,
        wide: bool = False,
    ) -> Checked:
        select = ingestor.query(kind, Reading(connection, self.assume, paths, kind is Kind.DOCUMENT, wide))
        return checked.check(connection, name, ingestor.name, select, self.assume)

    def _units(self, jobs: Iterable[Job]) -> Iterator[Unit]:
        """The jobs' pieces by format: as soon as there are enough for one core, or for all of them."""
        waiting: dict[tuple[str, Kind, bool], Unit] = {}
        sizes: dict[tuple[str, Kind, bool], int] = defaultdict(int)
        for job in jobs:
            self.jobs.append(job)
            key = job.ingestor.name, job.kind, job.json
            most = UNIT_BYTES if _kept(job) else BATCH_BYTES
            for piece in self._pieces(job):
                if sizes[key] and sizes[key] + piece.size > most:
                    yield from dealt(waiting.pop(key), whole=_kept(job))
                    sizes[key] = 0
                waiting.setdefault(key, Unit(job.ingestor, job.kind, job.json, [])).pieces.append(piece)
                sizes[key] += piece.size
        for unit in waiting.values():
            yield from dealt(unit)

    def _pieces(self, job: Job) -> Iterator[Piece]:
        # A file that leaves the other cores enough to do is read where it lies.
        most = max(reading.PIECE_BYTES, self.size // (2 * cores()) if job.json else 0)
        if job.kind is Kind.DOCUMENT:
            yield documents.piece(job.index, job.file, self.scratch)
        elif job.kind is Kind.PARQUET:
            yield reading.in_place(job.index, job.file, self.scratch)
        elif piece := reading.whole(job.index, job.file, None if job.ingestor.cross_line else most):
            yield piece
        else:
            quoted_fields, one = job.kind is Kind.TABLE, job.ingestor.cross_line
            yield from reading.copied(job.index, job.file, self.scratch, quoted=quoted_fields, any_size=one)


def _kept(job: Job) -> bool:
    """Whether its records are kept, whoever reads them, and checked together."""
    return _keeps(job.ingestor) and job.kind is Kind.LINES


def _keeps(ingestor: Ingestor) -> bool:
    return ingestor.structure is not None or ingestor.keyed is not None


def _view(ingestor: Ingestor) -> str:
    """The view that the SELECT reads kept records from."""
    return "lines" if ingestor.keyed else "records"


def _told(ingestor: Ingestor) -> str:
    """SQL: what is kept of a record."""
    return "text, keys" if ingestor.keyed else "r"


def _structure(ingestor: Ingestor, wide: bool) -> str:
    return (ingestor.wider.structure if wide and ingestor.wider else ingestor.structure) or "{}"


def _refer(connection: DuckDBPyConnection, ingestor: Ingestor, kept: Kept) -> bool:
    """Whether one of the records is of the type that calls for the wider structure."""
    if ingestor.wider is None:
        return False
    wanted = f'SELECT 1 FROM {kept.table} WHERE r."type" = {quoted(ingestor.wider.type)} LIMIT 1'
    return connection.execute(wanted).fetchone() is not None
