"""The audited data set on disk: Parquet parts under one manifest, replaced in one step or not at all."""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import uuid
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from claude_audit.errors import AuditError
from claude_audit.usage import SCHEMA_VERSION

MANIFEST = "manifest.json"
LOCK = "lock"
PARTS = "parts"
SUMS = "sums"


@dataclass(frozen=True, slots=True)
class Part:
    """One Parquet file of rows."""

    name: str
    rows: int
    first: str | None = None
    """The earliest and the latest UTC instant among its rows, RFC 3339."""
    last: str | None = None
    models: tuple[str, ...] = ()
    """Catalog ids of its rows' models: with the instants, they tell which price changes matter."""


@dataclass(frozen=True, slots=True)
class FileRecord:
    """What became of one log file: how far it was read, and every line of it accounted for."""

    path: str
    name: str
    format: str
    size: int
    mtime_ns: int
    end: int
    head: str
    tail: str
    sha256: str | None
    """Of the first `end` bytes, for a file with records without an id: its copies are known by it."""
    lines: int = 0
    kept: int = 0
    duplicates: int = 0
    ignored: Mapping[str, int] = field(default_factory=dict)
    rejected: int = 0
    told: Mapping[str, str] = field(default_factory=dict)
    """What the user said of the logs when it was read (Assumptions.told)."""
    rewritten: bool = False
    """Something else was read under this path before: a log that is rotated."""
    unpacked: int | None = None
    """Of a compressed file with a `sha256`: the bytes of its content, which that is of."""


@dataclass(frozen=True, slots=True)
class Reject:
    """A line that is no record, where it stands and why."""

    source: str
    line: int | None
    reason: str


@dataclass(frozen=True, slots=True)
class Export:
    """One download of a console's or a billing report's figures: a CSV file, or a page of an API's answer."""

    id: str
    """Digest of its content."""
    format: str
    source: str
    rows: int
    written_ns: int
    """When its file was last written."""
    first: str | None
    last: str | None
    """What it covers, [first, last), RFC 3339; None: nothing."""
    more: bool = False
    """It says that there is a further page."""


@dataclass(frozen=True, slots=True)
class Manifest:
    """What the store holds. A reader sees one manifest, and with it one consistent set of parts."""

    parts: tuple[Part, ...] = ()
    files: Mapping[str, FileRecord] = field(default_factory=dict)
    rejects: tuple[Reject, ...] = ()
    """The first hundred of all ingests."""
    evidence: tuple[Part, ...] = ()
    """Parts of a table of its own: what consoles and billing reports claim (claude_audit.evidence)."""
    exports: tuple[Export, ...] = ()
    """The downloads that evidence came with."""

    @property
    def rows(self) -> int:
        """Rows of all parts."""
        return sum(part.rows for part in self.parts)


REJECTS_KEPT = 100


class Store:
    """The data set in one directory."""

    def __init__(self, path: Path) -> None:
        self.path = path

    @property
    def exists(self) -> bool:
        """Whether anything was ever ingested here, or may have been: a folder that this user can't look into is no empty one."""
        try:
            return (self.path / MANIFEST).is_file()
        except PermissionError:
            return True

    def manifest(self) -> Manifest:
        """What is in the store now. Raises AuditError when it is unreadable or was written by a newer version."""
        place = self.path / MANIFEST
        try:
            document = json.loads(place.read_bytes())
        except FileNotFoundError:
            return Manifest()
        except OSError as error:
            raise AuditError(f"{place}: cannot be read: {error.strerror}", "check the folder's permissions") from error
        except ValueError as error:
            raise AuditError(
                f"{place}: is not a claude-audit store manifest: {error}",
                "ingest the logs into a new store (--store DIR), or restore this one from a backup",
            ) from error
        version = document.get("schema_version") if isinstance(document, dict) else None
        if not isinstance(version, int) or version > SCHEMA_VERSION:
            raise AuditError(
                f"{place}: the store has schema version {version}, this claude-audit knows up to {SCHEMA_VERSION}",
                "upgrade claude-audit (pip install --upgrade claude-audit), or ingest into a new store",
            )
        try:
            return Manifest(
                parts=tuple(Part(**part) for part in document["parts"]),
                files={record["path"]: FileRecord(**record) for record in document["files"]},
                rejects=tuple(Reject(**reject) for reject in document["rejects"]),
                evidence=tuple(Part(**part) for part in document.get("evidence", ())),
                exports=tuple(Export(**export) for export in document.get("exports", ())),
            )
        except (KeyError, TypeError) as error:
            raise AuditError(f"{place}: damaged: {error}", "ingest the logs into a new store (--store DIR)") from error

    def part_paths(self, manifest: Manifest) -> list[Path]:
        """The Parquet files of a manifest. Raises AuditError when one is missing."""
        paths = [self.part(part.name) for part in manifest.parts]
        for path in paths:
            if not path.is_file():
                raise AuditError(f"{path}: missing", "ingest the logs into a new store (--store DIR)")
        return paths

    @contextlib.contextmanager
    def writing(self) -> Iterator[Path]:
        """The right to change the store, waited for; yields a scratch folder that is gone afterwards.

        One writer at a time: the lock is the operating system's, so it ends with the process however that dies.
        """
        import fcntl

        try:
            (self.path / PARTS).mkdir(parents=True, exist_ok=True)
            (self.path / SUMS).mkdir(exist_ok=True)
            with (self.path / LOCK).open("w") as lock:
                fcntl.flock(lock, fcntl.LOCK_EX)
                self._sweep()
                scratch = self.path / f"scratch-{uuid.uuid4().hex}"
                scratch.mkdir()
                try:
                    yield scratch
                finally:
                    shutil.rmtree(scratch, ignore_errors=True)
        except OSError as error:
            raise AuditError(
                f"{error.filename or self.path}: the store cannot be written: {error.strerror or error}",
                "free some space or choose another place with --store DIR; what was stored before is unharmed",
            ) from error

    def commit(self, manifest: Manifest) -> None:
        """Make `manifest` what the store holds: its parts lie in place already. Atomic, and durable when it returns."""
        document: dict[str, Any] = {
            "schema_version": SCHEMA_VERSION,
            "parts": [_fields(part) for part in manifest.parts],
            "rejects": [_fields(reject) for reject in manifest.rejects[:REJECTS_KEPT]],
            "files": [_fields(record) for record in manifest.files.values()],
            "evidence": [_fields(part) for part in manifest.evidence],
            "exports": [_fields(export) for export in manifest.exports],
        }
        for part in (*manifest.parts, *manifest.evidence):
            _to_disk(self.part(part.name))
            if self.sums(part.name).exists():
                _to_disk(self.sums(part.name))
        draft = self.path / f"{MANIFEST}.{uuid.uuid4().hex}"
        with draft.open("w", encoding="utf-8") as out:
            out.write(json.dumps(document, ensure_ascii=False, separators=(",", ":")))
            out.flush()
            os.fsync(out.fileno())
        os.replace(draft, self.path / MANIFEST)  # noqa: PTH105 - the atomic step, by its usual name
        _to_disk(self.path)

    def part(self, name: str) -> Path:
        """Where the part of that name lies."""
        return self.path / PARTS / name

    def sums(self, name: str) -> Path:
        """Where the sums of the part of that name lie, if it has any (claude_audit.sums)."""
        return self.path / SUMS / f"{name}.json"

    def new_part(self) -> str:
        """A name for a part that no other part has."""
        return f"{uuid.uuid4().hex}.parquet"

    def _sweep(self) -> None:
        # Left by a writer that was killed, or replaced by an earlier commit (kept until now for readers that had begun).
        manifest = self.manifest()
        named = {part.name for part in (*manifest.parts, *manifest.evidence)}
        for path in (*(self.path / PARTS).iterdir(), *(self.path / SUMS).iterdir()):
            if path.name.removesuffix(".json") not in named:
                path.unlink(missing_ok=True)
        for path in self.path.iterdir():
            if path.name.startswith("scratch-"):
                shutil.rmtree(path, ignore_errors=True)
            elif path.name.startswith(f"{MANIFEST}."):
                path.unlink(missing_ok=True)


def _fields(record: Part | FileRecord | Reject | Export) -> dict[str, Any]:
    # Not dataclasses.asdict: it copies every value, and there may be hundreds of thousands of files.
    return {name: getattr(record, name) for name in record.__slots__}


def _to_disk(path: Path) -> None:
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
