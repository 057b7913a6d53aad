"""DuckDB's own module, without the Python layer around it: it loads in a fifth of the time, and ingesting needs no more."""

from __future__ import annotations

try:
    import _duckdb as duckdb
except ImportError:  # a release that is built otherwise
    import duckdb  # type: ignore[no-redef]

__all__ = ["duckdb"]
