"""Projections of many columns without the client's search for strings that are names of columns too.

DuckDB's Python client (2.0) warns where an expression compares with such a string; for that it looks at the name of every
column for each one that is projected. Ours come from narwhals, which tells names from values, and there are hundreds: a fifth
of the time of a what-if of all levers. The warning is put back afterwards: a notebook may use the client beside us.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from threading import Lock
from typing import Any

_LOCK = Lock()
_open: list[Any] = []
"""What was put aside, once for each that is at it."""


@contextmanager
def wide() -> Iterator[None]:
    """While it lasts, the client looks for no such strings. Does nothing with a client that is built otherwise."""
    try:
        from duckdb import _expression
    except ImportError:
        yield
        return
    client: Any = _expression
    with _LOCK:
        _open.append(_open[0] if _open else getattr(client, "string_literals", None))
        client.string_literals = None
    try:
        yield
    finally:
        with _LOCK:
            found = _open.pop()
            if not _open and found is not None:
                client.string_literals = found
