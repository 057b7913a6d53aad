"""Log files as pieces of whole lines that DuckDB can read: compressed, huge, grown or broken files are copied in parts."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from claude_audit.errors import AuditError
from claude_audit.packing import BLOCK_BYTES, opened, packed

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection

PIECE_BYTES = 32 * 2**20
"""A file up to this size is read where it lies; a larger one is copied in parts of about this size, so that memory stays
bounded and both cores have work."""

HEAD_BYTES = 256 * 1024
FIRST_LOOK = 8 * 1024
"""Bytes that tell whether a file begins like one whose format is known already."""
LONGEST_HEAD = 256 * 2**20
LONGEST_LIST = 16 * 2**20
"""Of a JSON array in one line its first elements tell what they are."""
LONGEST_FIELD = 8 * 2**20
"""How far back a quoted field is believed to have begun."""
GLOB_CHARACTERS = frozenset("*?[]{}")
"""In a file's own name they would be read as a pattern by the engine: such a file is copied first."""


@dataclass(frozen=True, slots=True)
class LogFile:
    """One file to read, and from where."""

    path: Path
    """Absolute. For standard input: a temporary copy of it."""
    name: str
    """As the user wrote it: what `source` and `rejects` show."""
    size: int
    mtime_ns: int
    start: int = 0
    """Byte to begin at: a grown file is read from where the last ingest ended."""
    lines_before: int = 0
    """Lines before `start`."""
    rewritten: bool = False
    """What was read under this path before may have been something else: a log that was rotated since."""

    @property
    def key(self) -> str:
        """Its path as text: what the store knows it by."""
        return in_utf8(str(self.path))

    @property
    def packed(self) -> bool:
        """Compressed, by itself or in its format, or no UTF-8: it has no meaningful byte positions and is always read whole."""
        return self.path.suffix.lower() == ".parquet" or packed(self.path, self.size, self.mtime_ns)

    @property
    def plain(self) -> bool:
        """The engine can read it where it lies: it would unpack what is named like a packed file, take a name for a
        pattern, and takes no name that is no UTF-8.
        """
        named_packed = self.path.suffix.lower() in (".gz", ".zst")
        return not self.packed and not named_packed and _nameable(self.path)


@dataclass(frozen=True, slots=True)
class Piece:
    """A run of whole lines of one file."""

    path: Path
    file: int
    """Position of the file among those of this ingest."""
    lines_before: int
    size: int


def expand(arguments: Sequence[str], work: Path) -> list[tuple[Path, str]]:
    """(absolute path, name to show) of every file that the arguments mean: files, folders, globs, `-` for standard input.

    Sorted and without repeats. Raises AuditError for an argument that leads to no file.
    """
    found: dict[Path, str] = {}
    for argument in arguments:
        if argument == "-":
            copy = work / "stdin"
            with copy.open("wb") as out:
                while block := sys.stdin.buffer.read(BLOCK_BYTES):
                    out.write(block)
            found[copy] = "<stdin>"
            continue
        path = Path(argument)
        try:
            if path.is_dir():
                files = sorted(_walked(path))
                if not files:
                    raise AuditError(
                        f"{argument}: the folder holds no files", "point at the folder that holds your logs"
                    )
            elif path.is_file():
                files = [path]
            elif path.exists():
                raise AuditError(f"{argument}: not a regular file", "pipe it instead: … | claude-audit ingest -")
            else:
                files = sorted(p for p in Path(path.anchor or ".").glob(_pattern(path)) if p.is_file())
                if not files:
                    raise AuditError(f"{argument}: no such file or folder", "check the spelling; globs may be quoted")
        except PermissionError as error:
            raise AuditError(f"{error.filename}: permission denied", "make it readable for this user") from error
        for file in files:
            found.setdefault(file.absolute(), in_utf8(file.as_posix()))
    return sorted(found.items(), key=lambda item: item[0])


def in_utf8(path: str) -> str:
    """A path as text that can stand anywhere: bytes of it that are no UTF-8 as escapes."""
    return os.fsencode(path).decode("utf-8", "backslashreplace")


def _nameable(path: Path) -> bool:
    """Whether the engine can be told to read the file at this path."""
    text = str(path)
    return GLOB_CHARACTERS.isdisjoint(text) and in_utf8(text) == text


def _pattern(path: Path) -> str:
    return path.relative_to(path.anchor).as_posix() if path.anchor else path.as_posix() or "*"


def _walked(folder: Path) -> Iterator[Path]:
    """Every file below the folder. A store inside it (.claude-audit) and editors' leftovers are no logs; the folder itself
    may be hidden: "~/.claude/projects" is named.
    """

    def fail(error: OSError) -> None:
        raise error

    for place, inner, names in os.walk(folder, onerror=fail):
        inner[:] = [name for name in inner if not name.startswith(".")]
        for name in names:
            path = Path(place, name)
            if not name.startswith(".") and path.is_file():
                yield path


def head(file: LogFile, most: int = HEAD_BYTES) -> bytes:
    """The first bytes of the file, decompressed, with one whole line at least, or much of a list: enough to recognise its
    format.
    """
    try:
        with opened(file.path) as stream:
            data = stream.read(most)
            longest = LONGEST_LIST if data.lstrip(b"\xef\xbb\xbf \t\r\n").startswith(b"[") else LONGEST_HEAD
            while b"\n" not in data and len(data) < longest and (block := stream.read(16 * BLOCK_BYTES)):
                data += block
            return data
    except (OSError, EOFError) as error:
        raise unreadable(file, error) from error


def placed(path: Path, data: bytes) -> Path:
    """The path, with the data in it. Raises AuditError where there is no room: the log that is read is not to blame."""
    try:
        path.write_bytes(data)
    except OSError as error:
        raise AuditError(
            f"{path.parent}: cannot be written: {error.strerror or error}",
            "free some space or choose another place with --store DIR; what was stored before is unharmed",
        ) from error
    return path


def unreadable(file: LogFile, error: Exception) -> AuditError:
    reason = error.strerror if isinstance(error, OSError) and error.strerror else str(error)
    return AuditError(f"{file.name}: cannot be read: {reason}", "repair or leave out the file and ingest again")


def whole(index: int, file: LogFile, most: int | None) -> Piece | None:
    """The file itself as one piece, when it can be read where it lies: of `most` bytes, or of any size."""
    if not file.plain or file.start or (most is not None and file.size > most):
        return None
    return Piece(file.path, index, 0, file.size)


def copied(
    index: int, file: LogFile, work: Path, *, mend: bool = False, quoted: bool = False, any_size: bool = False
) -> Iterator[Piece]:
    """The file from `start` on, copied to pieces of whole lines in `work`.

    `mend` replaces bytes that are not UTF-8. `quoted`: line breaks between double quotes belong to a field and are no
    place to cut. `any_size`: one piece, however large.

    A generator: each piece may be removed when it has been read, before the next one is asked for.
    """
    lines, rest, count = file.lines_before, b"", 0
    try:
        with opened(file.path) as stream:
            if file.start:
                stream.seek(file.start)
            while True:
                block = stream.read() if any_size else stream.read(PIECE_BYTES)
                data = rest + block
                cut = data.rfind(b"\n") + 1 if block else len(data)
                if quoted and block:
                    cut = _outside_quotes(data, cut)
                if block and not cut:
                    rest = data  # one line longer than a piece: go on until it ends
                    continue
                body, rest = data[:cut], data[cut:]
                if body:
                    text = body.decode("utf-8", "replace").encode("utf-8") if mend else body
                    path = placed(work / f"piece-{index}-{count}{'-mended' if mend else ''}", text)
                    yield Piece(path, index, lines, len(text))
                    lines += body.count(b"\n")
                    count += 1
                if not block:
                    return
    except (OSError, EOFError) as error:
        raise unreadable(file, error) from error


def _outside_quotes(data: bytes, cut: int) -> int:
    """The last place up to `cut` that follows a line break outside of quotes; `cut` itself where quotes do not pair."""
    at, odd = cut, data.count(b'"', 0, cut) % 2 == 1
    while odd and cut - at < LONGEST_FIELD:
        begin = data.rfind(b"\n", 0, max(at - 1, 0)) + 1
        if not begin:
            return cut
        odd ^= data.count(b'"', begin, at) % 2 == 1
        at = begin
    return cut if odd else at


def not_utf8(path: Path) -> bool:
    """Whether the file holds bytes that are not UTF-8."""
    import codecs

    decoder = codecs.getincrementaldecoder("utf-8")()
    with path.open("rb") as stream:
        try:
            while block := stream.read(8 * BLOCK_BYTES):
                decoder.decode(block)
            decoder.decode(b"", final=True)
        except UnicodeDecodeError:
            return True
    return False


def lines_relation(connection: DuckDBPyConnection, pieces: Sequence[Piece]) -> None:
    """Make the temporary view `lines(file INTEGER, line BIGINT, text VARCHAR)` over the pieces: blank lines left out."""
    connection.execute(
        "CREATE OR REPLACE TEMP TABLE pieces AS "
        "SELECT unnest(?::VARCHAR[]) AS path, unnest(?::INTEGER[]) AS file, unnest(?::BIGINT[]) AS lines_before",
        [[str(p.path) for p in pieces], [p.file for p in pieces], [p.lines_before for p in pieces]],
    )
    connection.execute(f"""
        CREATE OR REPLACE TEMP VIEW lines AS
        SELECT file, line, text
        FROM (
            SELECT
                file,
                line,
                CASE WHEN line = 1 AND starts_with(text, chr(65279)) THEN substr(text, 2) ELSE text END AS text
            FROM (
                SELECT
                    file,
                    lines_before + generate_subscripts(texts, 1) AS line,
                    unnest(texts) AS text
                FROM (
                    SELECT p.file, p.lines_before, string_split(t.content, chr(10)) AS texts
                    FROM read_text({quoted_list([str(p.path) for p in pieces])}) AS t
                    JOIN pieces AS p ON p.path = t.filename
                )
            )
        )
        WHERE CASE WHEN ascii(text) <= 32 THEN trim(text, chr(32) || chr(9) || chr(13)) <> '' ELSE true END""")


def quoted(text: str) -> str:
    """A SQL string literal."""
    return "'" + text.replace("'", "''") + "'"


def identifier(name: str) -> str:
    """A SQL name, as it stands."""
    return '"' + name.replace('"', '""') + '"'


def quoted_list(texts: Sequence[str]) -> str:
    """A SQL list of string literals."""
    return "[" + ", ".join(map(quoted, texts)) + "]"


def in_place(index: int, file: LogFile, work: Path) -> Piece:
    """A file that is read as it is, whole: where it lies, or copied where the engine would not take its path."""
    if _nameable(file.path):
        return Piece(file.path, index, 0, file.size)
    try:
        data = file.path.read_bytes()
    except OSError as error:
        raise unreadable(file, error) from error
    return Piece(placed(work / f"piece-{index}-0", data), index, 0, file.size)
