"""The files of one ingest, read in batches: a share of each for every core, into tables of checked lines."""

from __future__ import annotations

import os
import re
from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING

from claude_audit import checked, json_lines
from claude_audit import pieces as reading
from claude_audit.checked import Checked
from claude_audit.ingestors import Ingestor, Kind, Reading
from claude_audit.json_lines import Places
from claude_audit.pieces import LogFile, Piece, quoted

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection

    from claude_audit.calls import Assumptions
    from claude_audit.catalog import Catalog

BATCH_BYTES = 256 * 2**20
"""Read at a time: bounds memory, and how often progress is told."""

SMALL_BATCH = 4 * 2**20
"""Less than this is read by one thread."""

MOST_SHARES = 8
NONE: Mapping[int, str] = {}

Progress = Callable[[int, int], None]
"""Called with (bytes read, bytes in all)."""


@dataclass(frozen=True, slots=True)
class Job:
    """A file to read, the format it is read by, and what its records are."""

    index: int
    file: LogFile
    ingestor: Ingestor
    kind: Kind
    json: bool
    """It begins with a line of JSON, and its lines can be read one by one."""
    fallback: datetime
    """For records that carry no time."""


@dataclass(slots=True)
class Reader:
    """Reads jobs, batch by batch."""

    jobs: Sequence[Job]
    scratch: Path
    assume: Assumptions
    catalog: Catalog
    tables: int = 0

    def read(self, connection: DuckDBPyConnection, progress: Progress | None) -> list[Checked]:
        """All jobs into tables of checked lines, counted in `line_counts`."""
        done, size = 0, sum(job.file.size - job.file.start for job in self.jobs)
        found: list[Checked] = []
        for ingestor, batch, kind, json in self._batches():
            bytes_in_batch = sum(piece.size for piece in batch)
            for table in self._read_batch(connection, ingestor, batch, kind, json):
                if ingestor.shared:
                    checked.ignore_others(connection, table, self.catalog)
                checked.compact(connection, table)
                found.append(table)
            done += bytes_in_batch
            if progress:
                progress(min(done, size), size)
        return found

    def _read_batch(
        self, connection: DuckDBPyConnection, ingestor: Ingestor, batch: list[Piece], kind: Kind, json: bool
    ) -> list[Checked]:
        """One batch: a share of its pieces for each core, checked side by side."""
        shares = _shares(batch) if kind is Kind.LINES else [batch]
        # A cursor is a connection of its own to the same database: each share is read by one thread.
        work = [(connection.cursor(), self._name(), share) for share in shares]

        def check(cursor: DuckDBPyConnection, name: str, share: list[Piece]) -> list[Checked]:
            cursor.execute("SET TimeZone = 'UTC'")
            if json:
                return self._check_json(cursor, name, ingestor, share)
            return [self._check(cursor, name, ingestor, share, kind)]

        if len(work) == 1:
            return check(*work[0])
        with ThreadPoolExecutor(len(work)) as pool:
            return [table for tables in pool.map(lambda share: check(*share), work) for table in tables]

    def _name(self) -> str:
        self.tables += 1
        return f"checked_{self.tables}"

    def _check_json(
        self, connection: DuckDBPyConnection, name: str, ingestor: Ingestor, pieces: list[Piece]
    ) -> list[Checked]:
        """Pieces of JSON lines into a table; and what is not so plain a line of JSON into others."""
        from claude_audit.engines.bare import duckdb

        check = self._check_records if ingestor.structure else self._check_lines
        try:
            found, places = check(connection, name, ingestor, pieces)
        except duckdb.Error:
            # A line beyond all bounds, or one that breaks the SELECT: what is wrong with it shows where text is read.
            for table in (name, f"raw_{name}", f"{name}_lines"):
                connection.execute(f"DROP TABLE IF EXISTS {table}")
            return [self._check(connection, name, ingestor, pieces, Kind.LINES)]
        if places.pieces:
            found.append(self._check(connection, f"{name}_pieces", ingestor, places.pieces, Kind.LINES))
        return found

    def _check_records(
        self, connection: DuckDBPyConnection, name: str, ingestor: Ingestor, pieces: list[Piece], wide: bool = False
    ) -> tuple[list[Checked], Places]:
        """For a SELECT over `records`. They are kept before it runs: a tree of small files comes in small chunks, and the
        many columns of a SELECT cost the same for a chunk of any size.
        """
        json_lines.macros(connection, json=False)  # for lines that are picked out
        raw, structure = f"raw_{name}", _structure(ingestor, wide)
        connection.execute(f"CREATE OR REPLACE TABLE {raw} AS {json_lines.parsed(pieces, structure)}")
        places = json_lines.places(connection, raw, pieces)
        rows = f"SELECT {places.file} AS file, {places.line} AS line, r FROM {raw} WHERE {places.kept}"
        if places.lines:
            json_lines.of_texts(connection, places.lines)
            rows += f" UNION ALL {json_lines.transformed(structure)}"
        connection.execute(f"CREATE OR REPLACE TEMP VIEW records AS {rows}")
        if not wide and _refer(connection, ingestor):
            return self._check_records(connection, name, ingestor, pieces, wide=True)
        found = [self._checked(connection, name, ingestor, Kind.LINES, wide=wide)]
        connection.execute(f"DROP TABLE {raw}")
        return found, places

    def _check_lines(
        self, connection: DuckDBPyConnection, name: str, ingestor: Ingestor, pieces: list[Piece]
    ) -> tuple[list[Checked], Places]:
        """For a SELECT over `lines`: where its rows stand is set right afterwards."""
        json_lines.macros(connection, json=True)
        json_lines.relation(connection, pieces)
        found = [self._checked(connection, name, ingestor, Kind.LINES)]
        places = json_lines.places(connection, name, pieces)
        places.set_right(connection, name)
        if places.lines:
            json_lines.macros(connection, json=False)
            json_lines.of_texts(connection, places.lines)
            found.append(self._checked(connection, f"{name}_lines", ingestor, Kind.LINES))
        return found, places

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

    def _check(
        self, connection: DuckDBPyConnection, name: str, ingestor: Ingestor, pieces: Sequence[Piece], kind: Kind
    ) -> Checked:
        """Pieces into a table of checked lines. Those that are not UTF-8 are copied, the broken bytes replaced, and read again."""
        from claude_audit.engines.bare import duckdb

        json_lines.macros(connection, json=False)
        for attempt in (1, 2):
            try:
                view = reading.documents_relation if kind is Kind.DOCUMENT else reading.lines_relation
                view(connection, pieces)
                paths = {piece.file: str(piece.path) for piece in pieces if not piece.lines_before}
                wide = ingestor.structure is not None and self._texts(connection, f"raw_{name}", ingestor)
                found = self._checked(connection, name, ingestor, kind, paths, wide)
                connection.execute(f"DROP TABLE IF EXISTS raw_{name}")
                return found
            except duckdb.Error as error:
                if attempt == 2 or not re.search(r"utf-?8|unicode", str(error), re.IGNORECASE):
                    raise
                pieces = [mended for piece in pieces for mended in self._mended(piece, kind)]
        raise AssertionError  # the second attempt returns or raises

    def _texts(self, connection: DuckDBPyConnection, raw: str, ingestor: Ingestor) -> bool:
        """Make `records` of the view `lines`, kept in the table `raw`; and say whether with the wider structure."""
        for wide in (False, True):
            text = json_lines.transformed(_structure(ingestor, wide))
            connection.execute(f"CREATE OR REPLACE TABLE {raw} AS {text}")
            connection.execute(f"CREATE OR REPLACE TEMP VIEW records AS SELECT * FROM {raw}")
            if not _refer(connection, ingestor):
                return wide
        return True

    def _mended(self, piece: Piece, kind: Kind) -> Iterator[Piece]:
        if reading.not_utf8(piece.path):
            file = self.jobs[piece.file].file
            part = replace(file, path=piece.path, start=0, lines_before=piece.lines_before)
            yield from reading.copied(piece.file, part, self.scratch, mend=True, quoted=kind is Kind.TABLE)
        else:
            yield piece

    def _batches(self) -> Iterator[tuple[Ingestor, list[Piece], Kind, bool]]:
        """Pieces in groups of one format, BATCH_BYTES at most (but never less than one piece). Temporary ones are removed after use."""
        groups: dict[tuple[str, Kind, bool], list[Job]] = defaultdict(list)
        for job in self.jobs:
            groups[job.ingestor.name, job.kind, job.json].append(job)
        for (_, kind, json), members in groups.items():
            ingestor, batch = members[0].ingestor, list[Piece]()
            # A file that leaves the other cores enough to do is read where it lies.
            share = sum(job.file.size for job in members) // (2 * _cores()) if json else 0
            for job in members:
                for piece in self._pieces(job, max(reading.PIECE_BYTES, share)):
                    if batch and sum(p.size for p in batch) + piece.size > BATCH_BYTES:
                        yield ingestor, batch, kind, json
                        self._drop(batch)
                        batch = []
                    batch.append(piece)
            if batch:
                yield ingestor, batch, kind, json
                self._drop(batch)

    def _pieces(self, job: Job, most: int) -> Iterator[Piece]:
        if job.kind is Kind.DOCUMENT:
            yield reading.document(job.index, job.file, self.scratch)
        elif job.kind is Kind.PARQUET:
            yield reading.in_place(job.index, job.file, self.scratch)
        elif piece := reading.whole(job.index, job.file, None if job.ingestor.cross_line else most):
            yield piece
        else:
            quoted_fields, one = job.kind is Kind.TABLE, job.ingestor.cross_line
            yield from reading.copied(job.index, job.file, self.scratch, quoted=quoted_fields, any_size=one)

    def _drop(self, batch: Sequence[Piece]) -> None:
        for piece in batch:
            if piece.path.parent == self.scratch and piece.path.name.startswith("piece-"):
                piece.path.unlink(missing_ok=True)


def _structure(ingestor: Ingestor, wide: bool) -> str:
    return (ingestor.wider.structure if wide and ingestor.wider else ingestor.structure) or "{}"


def _refer(connection: DuckDBPyConnection, ingestor: Ingestor) -> bool:
    """Whether one of `records` is of the type that calls for the wider structure."""
    if ingestor.wider is None:
        return False
    wanted = f'SELECT 1 FROM records WHERE r."type" = {quoted(ingestor.wider.type)} LIMIT 1'
    return connection.execute(wanted).fetchone() is not None


def _cores() -> int:
    return min(os.cpu_count() or 1, MOST_SHARES)


def _shares(batch: Sequence[Piece]) -> list[list[Piece]]:
    """The pieces dealt to the cores, by size; files that lie together stay together where that costs nothing."""
    cores = 1 if sum(piece.size for piece in batch) < SMALL_BATCH else _cores()
    shares: list[list[Piece]] = [[] for _ in range(min(cores, len(batch)))]
    sizes = [0] * len(shares)
    for piece in sorted(batch, key=lambda p: p.size, reverse=True):
        least = sizes.index(min(sizes))
        shares[least].append(piece)
        sizes[least] += piece.size
    return [sorted(share, key=lambda p: (p.file, p.lines_before)) for share in shares]
