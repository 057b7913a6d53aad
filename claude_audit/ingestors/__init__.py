"""Log formats, one file each: how a file is recognised, and the one SELECT that reads it."""

from __future__ import annotations

import importlib
import json
import pkgutil
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from functools import cache, cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection

    from claude_audit.calls import Assumptions
    from claude_audit.mapping import FieldMap


class Kind(StrEnum):
    """What one record of a file is."""

    LINES = "lines"
    """A line of JSON, or of text: a row of the view `lines(file, line, text)`."""
    DOCUMENT = "document"
    """An element of a file that is one JSON document: a row of the same view."""
    PARQUET = "parquet"
    """A row of a Parquet file, read where it lies (ingestors/_records.py)."""
    TABLE = "table"
    """A row under a header: lines too, of pieces that are never cut inside a quoted field (ingestors/_table.py)."""


LONG = 4 * 2**20
"""Bytes of a file in one line, from which on it is no record but a list of them, or may be."""
CONTROL = bytes(set(range(32)) - set(b"\t\n\r\f\x1b"))
"""Bytes that text is not made of; escape sequences colour some logs."""
FIRST_ENTRY = r'\s*("(\\.|[^"\\\n])*("\s*:|$)|\})'
"""A regular expression: what stands on the line after that of a brace alone."""


@dataclass(frozen=True)
class Head:
    """The beginning of a file, as recognition sees it."""

    name: str
    data: bytes
    mapping: FieldMap | None = None
    """Of --map."""
    path: Path | None = None
    """Where the file lies: a Parquet file has its columns' names at its end."""

    @cached_property
    def text(self) -> str:
        """Decoded, without a byte order mark; what is no UTF-8 is replaced."""
        return self.data.decode("utf-8", "replace").removeprefix("\ufeff")

    @cached_property
    def lines(self) -> tuple[str, ...]:
        """Up to 200 non-blank lines; the last one may be cut."""
        return tuple(line for line in self.text.split("\n")[:400] if line.strip())[:200]

    @cached_property
    def document(self) -> bool:
        """Whether the file is JSON that is not a line a record: an array, an object over several lines, objects one after
        another without a line between them, as delivery streams write them."""
        text = self.text.lstrip()
        if re.match(r"\[\s*[\[{\]]", text):  # not a text log's "[2026-11-03 …"
            return len(self.lines) < 2 or parsed(self.lines[0]) is None
        if not text.startswith("{"):
            return False
        if isinstance(parsed(self.lines[0]), dict):
            return len(self.lines) == 1 and len(self.data) >= LONG
        end, whole = _readable(text)
        if whole and text[end:].lstrip().startswith("{"):
            return True
        # As one value it is read on into its second line; else that line stands for itself, and the first one is broken.
        first, _, rest = text.partition("\n")
        if first.strip() == "{" and not re.match(FIRST_ENTRY, rest):
            return False
        return end > len(first) + 1 + len(rest) - len(rest.lstrip()) and bool(rest.strip())

    @cached_property
    def records(self) -> tuple[Mapping[str, Any], ...]:
        """The JSON objects among the first lines, those of arrays too, or the first ones of a document."""
        if self.document:
            return _of_document(self.text)
        found = (one for line in map(parsed, self.lines[:60]) for one in (line if isinstance(line, list) else [line]))
        return tuple(one for one in found if isinstance(one, dict))

    @cached_property
    def inside(self) -> tuple[Mapping[str, Any], ...]:
        """The records, and what they wrap or list: where a format may find its own."""
        from claude_audit.ingestors import _records

        return tuple(found for record in self.records for found in _records.inside(record))

    @cached_property
    def columns(self) -> tuple[str, ...]:
        """Names of the columns of a Parquet file; none for any other."""
        if not self.data.startswith(b"PAR1") or self.path is None:
            return ()
        import pyarrow as pa
        import pyarrow.parquet as pq

        try:
            with self.path.open("rb") as file:
                return tuple(pq.read_schema(file).names)
        except (OSError, pa.ArrowException):
            return ()

    @property
    def binary(self) -> bool:
        """Whether it is no text: a stray zero byte makes none of a log, one control character in twenty bytes does."""
        return (len(self.data) - len(self.data.translate(None, CONTROL))) * 20 > len(self.data)

    @property
    def json(self) -> bool:
        """Whether it begins like JSON, or would but for a line cut off when the log was rotated."""
        return self.text.lstrip().startswith("{") or self.document or 0 < len(self.lines[:60]) <= len(self.records) * 4


def parsed(line: str) -> object:
    """The value of a line of JSON; None for anything else."""
    try:
        return json.loads(line)
    except (ValueError, RecursionError):
        return None


def _readable(text: str) -> tuple[int, bool]:
    """How many characters at the beginning are those of one JSON value, and whether it is whole."""
    try:
        return json.JSONDecoder().raw_decode(text)[1], True
    except json.JSONDecodeError as error:
        return error.pos, False
    except RecursionError:
        return len(text), False


def _of_document(text: str) -> tuple[Mapping[str, Any], ...]:
    decoder = json.JSONDecoder()
    found: list[Mapping[str, Any]] = []
    at = text.find("{")
    while at >= 0 and len(found) < 20:
        try:
            record, end = decoder.raw_decode(text, at)
        except (ValueError, RecursionError):
            break
        found.append(record)
        at = text.find("{", end)
    if not found:
        begun = parsed(closed(text))
        found = [one for one in (begun if isinstance(begun, list) else [begun]) if isinstance(one, dict)]
    return tuple(found)


def closed(text: str) -> str:
    """The beginning of a JSON value with what is open in it closed, behind the last value that is whole."""
    opened: list[str] = []
    cut, closing = 0, ""
    for token in re.finditer(r'"(?:[^"\\]|\\.)*(?:"|$)|[\[\]{},]', text, re.DOTALL):
        match token[0]:
            case "{":
                opened.append("}")
            case "[":
                opened.append("]")
            case "}" | "]":
                if not opened or opened.pop() != token[0]:
                    break
                cut, closing = token.end(), "".join(reversed(opened))
            case ",":
                cut, closing = token.start(), "".join(reversed(opened))
    return text[:cut] + closing


@dataclass(frozen=True)
class Reading:
    """What a SELECT may use: the connection with the view `lines`, and what the user said."""

    connection: DuckDBPyConnection
    assume: Assumptions
    paths: Mapping[int, str] = field(default_factory=dict)
    """File number -> path of the file's first piece, where that is among those read now: it has a table's header."""
    document: bool = False
    """Whether the lines are elements of whole-file JSON."""
    wide: bool = False
    """Whether `records` are read with the format's wider structure."""


@dataclass(frozen=True)
class Wider:
    """More that is wanted of JSON lines, where one of them is of a type that the others refer to. Elsewhere it costs nothing."""

    type: str
    """In a line's `type`, which the usual structure has."""
    structure: str
    """In place of the usual one."""


@dataclass(frozen=True)
class Ingestor:
    """One log format."""

    name: str
    title: str
    """What it is, in half a line."""
    kind: Kind
    recognise: Callable[[Head], bool]
    """Whether a file that begins like this is of the format: by content, never by name."""
    select: Callable[[Reading], str]
    """The SELECT: rows with any of calls.CALL_COLUMNS, one for each line or record."""
    rank: int
    """Order of recognition: the most particular formats come first."""
    table: Callable[[Reading], str] | None = None
    """The same records as rows under a header: the SELECT for a file of this format that does not begin like JSON."""
    parquet: Callable[[Reading], str] | None = None
    """The same records in a Parquet file."""
    hold: Callable[[Head], None] | None = None
    """Of a format that --map describes: raises AuditError for a map that does not fit a file that begins like this."""
    structure: str | None = None
    """What the SELECT wants of a JSON line, for json_transform. It reads `records(file, line, r)` then, `r` null for what
    is no JSON, in place of `lines`."""
    wider: Wider | None = None
    """The structure where there are records of a certain type."""
    keyed: Callable[[str], str] | None = None
    """Of a SELECT that depends on the keys of the records: SQL of a relation `lines(file, line, text, keys)` in place of
    `lines`, whose text may be no JSON. Of what it tells, `text` is null then."""
    by_number: bool = False
    """Its SELECT looks at `lines` several times and tells them by their numbers: they are those of the text then."""
    shared: bool = False
    """Other vendors' models are logged in it too: their rows are ignored."""
    cross_line: bool = False
    """A call may stand on several lines: a file is then read in one piece, however large."""
    doc: str = ""

    def shape(self, head: Head) -> Kind:
        """What one record of a file that begins like this is."""
        if self.parquet and head.columns:
            return Kind.PARQUET
        if self.kind is Kind.TABLE or (self.table and not head.json):
            return Kind.TABLE
        return Kind.DOCUMENT if head.document else Kind.LINES

    def query(self, kind: Kind, reading: Reading) -> str:
        """The SELECT for records of that kind."""
        if self.parquet and kind is Kind.PARQUET:
            return self.parquet(reading)
        return self.table(reading) if self.table and kind is Kind.TABLE else self.select(reading)


@cache
def registry() -> Mapping[str, Ingestor]:
    """Every format by name, in the order of recognition."""
    found = []
    for module in pkgutil.iter_modules(__path__):
        if not module.name.startswith("_"):
            loaded = importlib.import_module(f"{__name__}.{module.name}")
            found += [i for i in vars(loaded).values() if isinstance(i, Ingestor)]
    return {i.name: i for i in sorted(found, key=lambda i: (i.rank, i.name))}
