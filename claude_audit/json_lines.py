"""Lines of JSON, read by the engine's own reader: several times as fast as splitting text, and it tells no line numbers.

So its rows are counted as they come, and every file's count is proved afterwards: from its size, where nothing but line
breaks stands between the records, else by looking at its lines. Lines that are no JSON are picked out to be read as text,
and so are whole files whose rows do not stand for its lines one by one.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from claude_audit.pieces import Piece, quoted, quoted_list

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection

SIZE_BITS = 28
"""`line` holds the number of the row, and in these low bits the bytes of its text: 0 for what is no JSON."""
_SIZE = 2**SIZE_BITS - 1
BUFFER = 2**20
MOST_ODD = 2_000
"""So many lines of a file that are no JSON are picked out; with more, the file is read as text."""


def _read(pieces: Sequence[Piece], columns: str) -> str:
    """SQL: `file`, the place among the pieces; `line`, packed (SIZE_BITS); and columns of `json`."""
    return f"""
        SELECT file_index::INTEGER AS file, (row_number() OVER () << {SIZE_BITS}) + coalesce(strlen(json), 0) AS line, {columns}
        FROM read_ndjson_objects({quoted_list([str(piece.path) for piece in pieces])}, ignore_errors = true)"""


def relation(connection: DuckDBPyConnection, pieces: Sequence[Piece]) -> None:
    """Make the view `lines(file, line, text)` over the pieces, for the columns of a table that `Places` set right.

    Raises duckdb.Error for lines of excessive length.
    """
    connection.execute(f"CREATE OR REPLACE TEMP VIEW lines AS {_read(pieces, 'json::VARCHAR AS text')}")


def parsed(pieces: Sequence[Piece], structure: str) -> str:
    """SQL: file and line of such a view, and the record of each line as a struct, null for what is no JSON."""
    return _read(pieces, f"json_transform(json, {quoted(structure)}) AS r")


def keyed(pieces: Sequence[Piece]) -> str:
    """SQL: file and line of such a view, the text of each line of JSON, and the keys of its object."""
    return _read(pieces, "json::VARCHAR AS text, json_keys(json) AS keys")


def transformed(structure: str) -> str:
    """SQL: the records of any `lines`: r is null for what is no JSON, even without lone surrogates."""
    return f"SELECT file, line, json_record(text, {quoted(structure)}) AS r FROM lines"


def macros(connection: DuckDBPyConnection, *, json: bool) -> None:
    """Define what reads the JSON of `lines`. `json`: every text is JSON or null, and needs no second look.

    JavaScript cuts strings inside an emoji: the escape is valid JSON, but no Unicode text. Such lines are read without it.
    """
    without = "without_lone_surrogates(v)"
    functions = {
        "is_json(v)": "v IS NOT NULL" if json else f"(json_valid(v) OR json_valid({without}))",
        "mended(v)": "v"
        if json
        else f"CASE WHEN json_valid(v) THEN v WHEN json_valid({without}) THEN {without} ELSE v END",
        "json_record(v, shape)": "json_transform(v, shape)"
        if json
        else f"coalesce(TRY(json_transform(v, shape)), TRY(json_transform({without}, shape)))",
    }
    for name, body in functions.items():
        connection.execute(f"CREATE OR REPLACE TEMP MACRO {name} AS {body}")


@dataclass(slots=True)
class Places:
    """Where the rows of a table stand."""

    file: str
    line: str
    """SQL of the true file and line of a row, from what it has in these columns."""
    kept: str
    """SQL of whether a row stays: not where its line is read as text."""
    pieces: list[Piece] = field(default_factory=list)
    """What is still to be read as text: whole pieces,"""
    lines: list[tuple[int, int, str]] = field(default_factory=list)
    """and single lines: (file, line, text)."""

    def set_right(self, connection: DuckDBPyConnection, table: str) -> None:
        """Give the rows of `table` their files and lines, and take those out that are to be read as text."""
        if self.kept != "true":
            connection.execute(f"DELETE FROM {table} WHERE NOT ({self.kept})")
        connection.execute(f"UPDATE {table} SET line = {self.line}, file = {self.file}")


def places(connection: DuckDBPyConnection, table: str, pieces: Sequence[Piece]) -> Places:
    """Prove where the rows of `table` stand, or pick out what has to be read as text."""
    found = {
        number: told
        for number, *told in connection.execute(f"""
            SELECT file, min(n), max(n), count(*), count(*) FILTER (WHERE size = 0), sum(size)::BIGINT
            FROM (SELECT DISTINCT file, line, line >> {SIZE_BITS} AS n, line & {_SIZE} AS size FROM {table})
            GROUP BY file""").fetchall()
    }
    broken: dict[int, set[int]] = {}
    if any(told[3] for told in found.values()):
        for number, row in connection.execute(
            f"SELECT DISTINCT file, line >> {SIZE_BITS} FROM {table} WHERE line & {_SIZE} = 0"
        ).fetchall():
            broken.setdefault(number, set()).add(row)
    texts: list[tuple[int, int, str]] = []
    shifts: list[int | None] = []
    unknown: list[Piece] = []
    for number, piece in enumerate(pieces):
        first, last, lines, _, size = found.get(number, (1, 0, 0, 0, 0))
        wanted = {row - first + 1 for row in broken.get(number, ())}
        known = lines == last - first + 1
        if known and (wanted or not _only_line_breaks(piece, lines, size)):
            seen = _look(piece, lines, wanted)
            known = seen is not None
            texts += [(piece.file, piece.lines_before + line, text) for line, text in seen or ()]
        if not known:
            unknown.append(piece)
        shifts.append(piece.lines_before + 1 - first if known else None)
    shift = f"({_listed(shifts)})[file + 1]"
    return Places(
        file=f"({_listed([piece.file for piece in pieces])})[file + 1]::INTEGER",
        line=f"(line >> {SIZE_BITS}) + {shift}",
        kept=f"line & {_SIZE} > 0 AND {shift} IS NOT NULL" if texts or unknown else "true",
        pieces=unknown,
        lines=texts,
    )


def _listed(numbers: Sequence[int | None]) -> str:
    return f"[{', '.join('NULL' if n is None else str(n) for n in numbers)}]::BIGINT[]"


def _only_line_breaks(piece: Piece, lines: int, size: int) -> bool:
    """Whether so many records of that size in all, with a line break after each (or each but the last), are all of it."""
    if piece.size != size + lines:
        return piece.size == size + lines - 1
    with piece.path.open("rb") as stream:
        stream.seek(max(0, piece.size - 1))
        return stream.read(1) in (b"\n", b"")


def _look(piece: Piece, lines: int, wanted: set[int]) -> list[tuple[int, str]] | None:
    """(line of the piece, text) of the wanted ones; None where its lines are not as many as the rows, none of them blank."""
    if len(wanted) > MOST_ODD:
        return None
    found, number = [], 0
    with piece.path.open("rb", buffering=BUFFER) as stream:
        for number, line in enumerate(stream, 1):
            if number in wanted:
                text = line.decode("utf-8", "replace").removesuffix("\n")
                found.append((number, text.removeprefix("\ufeff") if number == 1 and not piece.lines_before else text))
    return found if number == lines else None


def of_texts(connection: DuckDBPyConnection, lines: Sequence[tuple[int, int, str]]) -> None:
    """Make the view `lines` over texts that were picked out."""
    connection.execute(
        "CREATE OR REPLACE TEMP TABLE picked AS "
        "SELECT unnest(?::INTEGER[]) AS file, unnest(?::BIGINT[]) AS line, unnest(?::VARCHAR[]) AS text",
        [[file for file, _, _ in lines], [line for _, line, _ in lines], [text for _, _, text in lines]],
    )
    connection.execute("CREATE OR REPLACE TEMP VIEW lines AS SELECT file, line, text FROM picked")
