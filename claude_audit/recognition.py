"""Which format each file is of: logs become jobs for the reader, evidence is kept for its own."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING, NamedTuple

from claude_audit import pieces as reading
from claude_audit.errors import AuditError
from claude_audit.pieces import LogFile
from claude_audit.text import printable

if TYPE_CHECKING:
    from claude_audit.calls import Assumptions
    from claude_audit.ingestors import Head, Ingestor, Kind
    from claude_audit.ingestors_evidence import Report


NAMED, MOST_NAME = 8, 40
"""Names of columns or keys that are told of a file of no known format, and characters of each."""


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
    """For records that carry no time: a date in the file's name, else the file's own time."""

    @property
    def written(self) -> datetime:
        """When the file was last written."""
        return _written(self.file)

    @property
    def key(self) -> str:
        """What tells this file's lines from another's, for records without an id."""
        if self.file.name == "<stdin>":
            return "stdin:" + hashlib.sha256(self.file.path.read_bytes()).hexdigest()
        return self.file.key


class Unread(NamedTuple):
    """A file of no known format."""

    file: LogFile
    why: str
    detail: str = ""
    """What stands in it in place of what would be known."""

    @property
    def words(self) -> str:
        """Of this one file."""
        return f"{self.why} ({self.detail})" if self.detail else self.why


@dataclass(slots=True)
class Recognition:
    """The files, looked at one by one as the jobs are asked for: reading may begin with the first of them."""

    files: Sequence[LogFile]
    forced: str | None
    """The format that the user names."""
    assume: Assumptions
    papers: list[tuple[LogFile, Report]] = field(default_factory=list)
    """Evidence, with its formats."""
    unread: list[Unread] = field(default_factory=list)
    _seen: set[str] = field(default_factory=set)
    """Formats that a long look at a file has found."""

    def jobs(self) -> Iterator[Job]:
        """The logs among the files. Raises AuditError for a file that can't be opened, and a map that doesn't fit."""
        from claude_audit.ingestors import Ingestor, Kind

        index = 0
        for file in self.files:
            head, found = self._format(file)
            if not head.text.strip():
                continue
            if found is None:
                self.unread.append(Unread(file, *_why_unread(head)))
                continue
            if not isinstance(found, Ingestor):
                self.papers.append((replace(file, start=0, lines_before=0), found))
                continue
            if found.hold:
                found.hold(head)
            kind = found.shape(head)
            if found.cross_line or kind is not Kind.LINES:
                # What was added makes no sense without what stands before it.
                file = replace(file, start=0, lines_before=0)
            plain = kind is Kind.LINES and head.json and not found.cross_line and not found.by_number
            yield Job(index, file, found, kind, plain, _time_of(file))
            index += 1

    def _format(self, file: LogFile) -> tuple[Head, Ingestor | Report | None]:
        """The beginning of a file, and the format that it is recognised by; None where it is of no known one.

        Of a tree of many files each begins like its neighbours: a format that a long look at one of them has found is
        known by the first lines of the next.
        """
        from claude_audit.ingestors import Head, registry

        # What --map names must stand in one of the first records: for that all of them are looked at.
        mapping = self.assume.mapping
        for most in (reading.HEAD_BYTES,) if mapping else (reading.FIRST_LOOK, reading.HEAD_BYTES):
            data = reading.head(file, most)
            head = Head(file.name, data, mapping, file.path)
            found = _evidence(head, self.forced)
            if found is None:
                formats = registry()
                forced = self.forced
                found = (
                    formats.get(forced) if forced else next((f for f in formats.values() if f.recognise(head)), None)
                )
            known = found is not None and found.name in self._seen and (head.json or not self.forced)
            if len(data) < most or most == reading.HEAD_BYTES or known:
                break
        if found is not None:
            self._seen.add(found.name)
        return head, found


def _why_unread(head: Head) -> tuple[str, str]:
    """The reason, and what there is instead."""
    from claude_audit.ingestors import registry

    if head.binary and not head.columns:
        return "a binary file", ""
    try:
        for ingestor in registry().values():
            if head.mapping and ingestor.hold:
                ingestor.hold(head)
    except AuditError as error:
        return f"the map does not fit: {error.message}", ""
    return "not a log of a format known here", _instead(head)


def _instead(head: Head) -> str:
    """Names of columns or keys, none of which holds a count of tokens that is known here."""
    from claude_audit.ingestors import _table

    if head.columns:
        kind, names = "Parquet", list(head.columns)
    elif head.records:
        kind, names = "JSON", list(dict.fromkeys(key for record in head.records for key in record))
    elif head.path is not None and head.path.suffix.lower() in (".csv", ".tsv"):
        kind, names = "a table", [name for name in _table.header(head.text)[0] if name]
    else:
        return ""
    shown = ", ".join(printable(name[:MOST_NAME]) for name in names[:NAMED])
    more = f" and {len(names) - NAMED} more" if len(names) > NAMED else ""
    return f"{kind} with no known name of a token count; it has {shown}{more}" if names else ""


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
