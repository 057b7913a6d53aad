"""Files that are one JSON document, or several in a row: their records as the rows of `lines`.

A small one is taken as one text. A large one would cost the engine a hundred times its size: it is read value by value
by the engine's own reader, which keeps none of it whole and says nothing where it stops early, so that what it found has
to be all that the file holds, byte for byte but for blanks; and an object that is little but one list stands for each
element once. What is neither is taken as one text too.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from claude_audit.ingestors import LONG
from claude_audit.ingestors._unfolded import COUNTING
from claude_audit.packing import BLOCK_BYTES, opened
from claude_audit.pieces import LogFile, Piece, placed, quoted, quoted_list, unreadable

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection

LARGE = LONG
"""Bytes of a document from which on it is read value by value."""
LONGEST_ELEMENT = 64 * 2**20
MOST_AROUND = 64 * 2**10
"""Characters around a list that stand beside each element."""
DEEPEST = 2
BLANKS = b" \t\r\n"
BETWEEN = " \t\r\n,"
CUT = "…"
"""Put where an array should have had its end: no JSON, so that what is missing there is not passed over."""
BOM = b"\xef\xbb\xbf"


def piece(index: int, file: LogFile, work: Path) -> Piece:
    """The file where it lies, or unpacked in `work`."""
    if file.plain:
        return Piece(file.path, index, 0, file.size)
    try:
        with opened(file.path) as stream:
            data = stream.read()
    except (OSError, EOFError) as error:
        raise unreadable(file, error) from error
    return Piece(placed(work / f"piece-{index}-0", data), index, 0, len(data))


def relation(connection: DuckDBPyConnection, pieces: Sequence[Piece]) -> None:
    """Make the view `lines` over documents: a row for each element of an array, and for each object.

    `line` is the number of the element or object in its file. What is no valid JSON is one row, which its format then
    rejects: a whole file, or what is left of one behind its last whole record.
    """
    parts, whole = [], []
    for number, one in enumerate(pieces):
        table = f"document_{number}"
        if (one.size >= LARGE and _large(connection, one, table)) or _one_by_one(connection, one, table):
            parts.append(f"SELECT {one.file}::INTEGER AS file, line, text FROM {table}")
        else:
            whole.append(one)
    if whole:
        parts.append(_texts(connection, whole))
    connection.execute(f"CREATE OR REPLACE TEMP VIEW lines AS {' UNION ALL '.join(parts)}")


def _large(connection: DuckDBPyConnection, one: Piece, table: str) -> bool:
    """Put what a large document holds into a table, if it can be done piece by piece."""
    first, last, filled = _looked_over(one.path)
    if first == b"{" and (found := _elements(_body(one))):
        _put(connection, table, [at for at, _ in found], [text for _, text in found])
        return True
    return first + last in (b"[]", b"{}") and _by_value(connection, one, table, first == b"[", filled)


def _by_value(connection: DuckDBPyConnection, one: Piece, table: str, array: bool, filled: int) -> bool:
    """Put the elements of an array, or objects one after another, into a table, if they are the whole file for sure.

    `filled`: how many bytes of it are no blanks.
    """
    from claude_audit.engines.bare import duckdb

    kind, longest = ("array", LONGEST_ELEMENT) if array else ("unstructured", one.size + 1)
    try:
        connection.execute(f"""
            CREATE OR REPLACE TEMP TABLE {table} AS
            SELECT row_number() OVER () AS line, json::VARCHAR AS text
            FROM read_json_objects({quoted(str(one.path))}, format = '{kind}', maximum_object_size = {longest})""")
    except duckdb.Error:
        return False
    bare = "text"
    for blank in BLANKS:
        bare = f"replace({bare}, chr({blank}), '')"
    row = connection.execute(f"SELECT count(*), coalesce(sum(strlen({bare})), 0)::BIGINT FROM {table}").fetchone()
    values, size = map(int, row or (0, 0))
    # Beside an array's elements there are its brackets, and the commas between them.
    return filled == size + (max(values, 1) + 1 if array else 0)


def _looked_over(path: Path) -> tuple[bytes, bytes, int]:
    """The first and the last byte that is no blank, and how many such bytes the file has. A byte order mark is none."""
    first = last = b""
    filled = 0
    with path.open("rb") as stream:
        if stream.read(len(BOM)) != BOM:
            stream.seek(0)
        while block := stream.read(16 * BLOCK_BYTES):
            filled += len(block) - sum(block.count(blank) for blank in BLANKS)
            first = first or block.lstrip(BLANKS)[:1]
            last = block.rstrip(BLANKS)[-1:] or last
    return first, last, filled


def _one_by_one(connection: DuckDBPyConnection, one: Piece, table: str) -> bool:
    """Put the records of a file into a table where the engine can't: of several documents in a row, of an array cut short."""
    found = _records(_body(one))
    if found is None:
        return False
    _put(connection, table, [*range(1, len(found) + 1)], found)
    return True


def _body(one: Piece) -> str:
    return one.path.read_bytes().decode("utf-8-sig", "replace").strip()


def _put(connection: DuckDBPyConnection, table: str, lines: Sequence[int], texts: Sequence[str]) -> None:
    connection.execute(
        f"CREATE OR REPLACE TEMP TABLE {table} AS SELECT unnest(?::BIGINT[]) AS line, unnest(?::VARCHAR[]) AS text",
        [lines, texts],
    )


def _elements(body: str) -> list[tuple[int, str]] | None:
    """(number of the element, the object with that element, or a few from that one on, in place of its one long list).

    None for what is no object, or has more than a list, or counts beside it: those may be the sum of what it lists.
    """
    found = longest(body)
    if found is None:
        return None
    begin, end, elements = found
    head, tail = body[: begin + 1], body[end - 1 :]
    around = len(head) + len(tail)
    if around > MOST_AROUND or re.search(COUNTING, (head + tail).lower()):
        return None
    together = 1 + around * len(elements) // len(body)
    groups = range(0, len(elements), together)
    return [(n + 1, f"{head}{','.join(elements[n : n + together])}{tail}") for n in groups]


def _records(body: str) -> list[str] | None:
    """The records of a text that is not one JSON value: those of each value, and as the last one what is none. None for one
    value, and for a text with no record to save."""
    decoder = json.JSONDecoder()
    try:
        _, end = decoder.raw_decode(body)
    except (ValueError, RecursionError):
        # An array cut short, or broken: what stands in front of the break is whole.
        found = [*_values(decoder, body + CUT, 1)] if body.startswith("[") else []
        return found if len(found) > 1 else None
    return None if end == len(body) else [*_values(decoder, body, 0)]


def _values(decoder: json.JSONDecoder, body: str, at: int) -> Iterator[str]:
    """The values one after another, with commas or blanks between, the elements of arrays; of what is none, all the rest."""
    while at < len(body):
        if body[at] in BETWEEN:
            at += 1
            continue
        try:
            value, at = decoder.raw_decode(body, at)
        except (ValueError, RecursionError):
            yield body[at:].replace("\n", " ")
            return
        yield from map(json.dumps, value if isinstance(value, list) else [value])


def longest(body: str) -> tuple[int, int, list[str]] | None:
    """Of an object the place, the end and the elements of its longest list, two objects deep at most; None where it has none."""
    decoder = json.JSONDecoder()
    lists: list[tuple[int, int, list[str]]] = []

    def skipped(at: int, blanks: str) -> int:
        while body[at] in blanks:
            at += 1
        return at

    def after(at: int, depth: int) -> int:
        """Where the object that begins here ends."""
        at += 1
        while body[at := skipped(at, BETWEEN)] != "}":
            _, at = decoder.raw_decode(body, at)
            if body[at := skipped(at, BLANKS.decode())] != ":":
                raise ValueError("no colon")
            at = skipped(at + 1, BLANKS.decode())
            if body[at] == "{" and depth < DEEPEST:
                at = after(at, depth + 1)
            elif body[at] == "[":
                begin, elements, at = at, [], at + 1
                while body[at := skipped(at, BETWEEN)] != "]":
                    _, end = decoder.raw_decode(body, at)
                    elements.append(body[at:end])
                    at = end
                at += 1
                lists.append((begin, at, elements))
            else:
                _, at = decoder.raw_decode(body, at)
        return at + 1

    try:
        if after(0, 1) != len(body):
            return None
    except (ValueError, IndexError, RecursionError):
        return None
    return max((one for one in lists if one[2]), key=lambda one: one[1] - one[0], default=None)


def _texts(connection: DuckDBPyConnection, pieces: Sequence[Piece]) -> str:
    """SQL: the records of files that are each taken as one text."""
    connection.execute(
        "CREATE OR REPLACE TEMP TABLE pieces AS SELECT unnest(?::VARCHAR[]) AS path, unnest(?::INTEGER[]) AS file",
        [[str(p.path) for p in pieces], [p.file for p in pieces]],
    )
    return f"""
        SELECT file, generate_subscripts(items, 1)::BIGINT AS line, unnest(items) AS text
        FROM (
            SELECT file, CASE
                WHEN NOT json_valid(content) THEN [content]
                WHEN json_type(content) = 'ARRAY' THEN from_json(content, '["JSON"]')::VARCHAR[]
                ELSE [content] END AS items
            FROM (
                SELECT p.file, ltrim(t.content, chr(65279)) AS content
                FROM read_text({quoted_list([str(p.path) for p in pieces])}) AS t JOIN pieces AS p ON p.path = t.filename
            )
        )"""
