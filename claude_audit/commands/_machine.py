"""What the machine could not do: no room on a disk, no memory, no right to a file, names it can't spell. No bug of the program's."""

from __future__ import annotations

import errno
import os

from claude_audit.errors import AuditError

NO_ROOM = frozenset((errno.ENOSPC, errno.EDQUOT, errno.EROFS, errno.EFBIG))
FREE = "free some space, or set TMPDIR to a folder that has some; what is stored is unharmed"
LESS = "take less at once (fewer files; --since, --until, --where), or a machine with more memory"


def failure(error: Exception) -> AuditError | None:
    """The error in words, if it is one of the machine's."""
    first = str(error).split("\n", 1)[0]
    engine = type(error).__module__.partition(".")[0] in ("duckdb", "_duckdb")
    if isinstance(error, OSError) and error.errno and error.errno in NO_ROOM:
        place = f"{error.filename}: " if error.filename else ""
        return AuditError(f"{place}no room to write: {os.strerror(error.errno)}", FREE)
    if engine and type(error).__name__ == "IOException" and any(os.strerror(code) in first for code in NO_ROOM):
        return AuditError(f"no room to write: {first}", FREE)
    if isinstance(error, MemoryError) or (engine and type(error).__name__ == "OutOfMemoryException"):
        return AuditError(f"not enough memory: {first or 'none is left'}", LESS)
    if isinstance(error, PermissionError) and error.filename:
        return AuditError(
            f"{error.filename}: permission denied", "give this user the right to it, or choose another place"
        )
    if isinstance(error, UnicodeEncodeError) or (engine and "cannot encode str as UTF-8" in first):
        return AuditError("a name or a value is not UTF-8", "the path of the store, and what is asked for, have to be")
    return None
