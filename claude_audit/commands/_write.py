"""Files that commands write: whole or not at all."""

from __future__ import annotations

import os
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from claude_audit.errors import AuditError


def write_whole(path: Path, text: str) -> None:
    """Put `text` in the file, making its folders; what was there before stays until the new text is complete.

    A device or a pipe is written to directly. Raises AuditError when it cannot be written; nothing half-written stays.
    """
    with whole(path, "audit.html") as draft:
        draft.write_text(text, encoding="utf-8")


@contextmanager
def whole(path: Path, name: str) -> Iterator[Path]:
    """Where to write what then becomes the file at `path` in one step: a draft beside it, or a device or pipe itself.

    `name`: of a file in it, for the hint when `path` is a folder. Raises AuditError as `write_whole`.
    """
    try:
        if path.is_dir():
            raise AuditError(f"{path}: is a folder", f"name a file in it, such as {path / name}")
        if path.exists() and not path.is_file():
            yield path
            return
        target = path.resolve()  # a link stays a link
        draft = target.with_name(f".{target.name}.{uuid.uuid4().hex}")
        target.parent.mkdir(parents=True, exist_ok=True)
        try:
            yield draft
            os.replace(draft, target)  # noqa: PTH105 - the atomic step, by its usual name
        finally:
            draft.unlink(missing_ok=True)
    except OSError as error:
        raise AuditError(
            f"{path}: cannot be written: {error.strerror or error}", "choose another place, or free some space"
        ) from error
