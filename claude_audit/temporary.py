"""Folders for what is worked out on the way: in the machine's temporary folder, and gone with those who asked for them."""

from __future__ import annotations

import shutil
import tempfile
import uuid
import weakref
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from claude_audit.errors import AuditError

PREFIX = "claude-audit-"


def kept_by(owner: object) -> Path:
    """A new folder that lives as long as its owner. Raises AuditError where the machine has no place for one."""
    made = _made()
    weakref.finalize(owner, shutil.rmtree, made, ignore_errors=True)
    return made


@contextmanager
def folder() -> Iterator[Path]:
    """A new folder that is gone afterwards. Raises AuditError where the machine has no place for one."""
    made = _made()
    try:
        yield made
    finally:
        shutil.rmtree(made, ignore_errors=True)


def spill() -> Path | None:
    """Where an engine may put what memory has no room for, once it has to: it makes the folder and takes it away. None
    where the machine has no place for it."""
    try:
        return Path(tempfile.gettempdir(), f"{PREFIX}spill-{uuid.uuid4().hex}")
    except OSError:
        return None


def _made() -> Path:
    try:
        return Path(tempfile.mkdtemp(prefix=PREFIX))
    except OSError as error:
        raise AuditError(
            f"no folder for temporary files: {error.strerror or error}",
            "set TMPDIR to a folder that can be written and has room",
        ) from error
