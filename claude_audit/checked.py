"""Tables of checked lines: an ingestor's SELECT run into one, every line with its fate, and the calls of all of them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from claude_audit.calls import CALL, CALL_COLUMNS, Assumptions
from claude_audit.pieces import quoted, quoted_list
from claude_audit.typed import Given

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection

    from claude_audit.catalog import Catalog
    from claude_audit.recognition import Job


def prepare(connection: DuckDBPyConnection) -> None:
    """Create the empty tables that reading fills.

    `files`: path tells a file's lines from another's; fallback is the time in its name or else its own, written its own;
    rewritten: another file may have been read under its path before.
    """
    connection.execute(
        "CREATE TABLE files (file INTEGER, name VARCHAR, path VARCHAR, fallback TIMESTAMPTZ, written TIMESTAMPTZ, "
        "rewritten BOOLEAN)"
    )
    connection.execute("CREATE TABLE line_counts (file INTEGER, outcome VARCHAR, reason VARCHAR, lines BIGINT)")
    connection.execute("CREATE TABLE rejects (file INTEGER, line BIGINT, reason VARCHAR)")


def add_files(connection: DuckDBPyConnection, jobs: Sequence[Job]) -> None:
    """Tell of the files of these jobs in `files`."""
    columns = zip(*((j.index, j.file.name, j.key, j.fallback, j.written, j.file.rewritten) for j in jobs), strict=True)
    connection.execute(
        "INSERT INTO files SELECT unnest(?::INTEGER[]), unnest(?::VARCHAR[]), unnest(?::VARCHAR[]), "
        "unnest(?::TIMESTAMPTZ[]), unnest(?::TIMESTAMPTZ[]), unnest(?::BOOLEAN[])",
        [list(column) for column in columns],
    )


@dataclass(frozen=True, slots=True)
class Checked:
    """A table of checked lines in the engine, every one with its fate."""

    name: str
    format: str
    columns: frozenset[str]
    """Those of CALL that it has; the others are null for all of its calls."""


def check(connection: DuckDBPyConnection, name: str, format_name: str, select: str, assume: Assumptions) -> Checked:
    """Run one ingestor's SELECT into the new table `name`: every value checked and typed, every line with its fate.

    `ignore` and `reason` say why a line is no call, and why it is rejected; `broken`: not even its ingestor could read it.
    """
    present = {row[0] for row in connection.execute(f"DESCRIBE {select}").fetchall()}
    unknown = present - set(CALL_COLUMNS)
    assert not unknown, f"unknown columns: {sorted(unknown)}"  # noqa: S101 - a mistake in an ingestor
    given = Given(frozenset(present))
    made = given.call(assume)
    connection.execute(f"""
        CREATE TABLE {name} AS
        WITH given AS (SELECT {given.cast()} FROM ({select})),
        numbered AS (SELECT *{given.numbered()} FROM given),
        typed AS (SELECT {given.typed()} FROM numbered),
        judged AS (SELECT *, coalesce(reject, CASE WHEN ignore IS NULL THEN {given.reason()} END) AS reason FROM typed)
        SELECT file, line, ignore, reason, reject IS NOT NULL AS broken,
            {", ".join(f'{sql} AS "{column}"' for column, sql in made.items())}
        FROM judged""")
    return Checked(name, format_name, frozenset(made))


def ignore_others(connection: DuckDBPyConnection, table: Checked, catalog: Catalog) -> None:
    """Other vendors' rows, in a format that is used for their models too, become ignored ones."""
    if "model_name" not in table.columns:
        return
    told = "ignore IS NULL AND NOT broken AND NOT list_contains(flags, 'model_assumed')"
    names = connection.execute(
        f"SELECT DISTINCT model_name FROM {table.name} WHERE {told} AND model_name IS NOT NULL"
    ).fetchall()
    others = [name for (name,) in names if not catalog.is_claude(name)]
    if others:
        connection.execute(
            f"UPDATE {table.name} SET ignore = 'other vendor''s model', reason = NULL "
            f"WHERE {told} AND list_contains({quoted_list(others)}::VARCHAR[], model_name)"
        )


def compact(connection: DuckDBPyConnection, table: Checked) -> None:
    """Count the lines of a table by their fate, note the rejected ones; and drop what is no call where that is the most."""
    connection.execute(f"""
        INSERT INTO line_counts
        SELECT file, CASE WHEN reason IS NOT NULL THEN 'rejected' WHEN ignore IS NOT NULL THEN 'ignored' ELSE 'call' END,
            CASE WHEN reason IS NULL THEN ignore END, count(*)
        FROM {table.name} GROUP BY ALL""")
    rows, others, rejected = _fates(connection, table)
    if rejected:
        connection.execute(f"INSERT INTO rejects SELECT file, line, reason FROM {table.name} WHERE reason IS NOT NULL")
    if others > MANY_OTHERS and 2 * others > rows:
        connection.execute(f"CREATE TABLE {table.name}_calls AS SELECT * FROM {table.name} WHERE {IS_CALL}")
        connection.execute(f"DROP TABLE {table.name}")
        connection.execute(f"ALTER TABLE {table.name}_calls RENAME TO {table.name}")


IS_CALL = "ignore IS NULL AND reason IS NULL"
MANY_OTHERS = 200_000
"""Lines that are no calls: from so many on they are worth the work of leaving them out of memory."""


def _fates(connection: DuckDBPyConnection, table: Checked) -> tuple[int, int, int]:
    row = connection.execute(
        f"SELECT count(*), count(*) FILTER (WHERE NOT ({IS_CALL})), count(reason) FROM {table.name}"
    ).fetchone()
    return row or (0, 0, 0)


def view(connection: DuckDBPyConnection, tables: Sequence[Checked]) -> None:
    """Create the view `calls` over the calls of all checked tables: the columns CALL, `format`, and `call`, a number of its own."""
    parts = []
    for n, table in enumerate(tables):
        columns = ", ".join(
            f'"{column}"' if column in table.columns else f'NULL::{sql} AS "{column}"' for column, sql in CALL.items()
        )
        parts.append(
            f"SELECT rowid + {n << 40} AS call, {quoted(table.format)} AS format, file, line, {columns} "
            f"FROM {table.name} WHERE {IS_CALL}"
        )
    connection.execute(f"CREATE OR REPLACE TEMP VIEW calls AS {' UNION ALL '.join(parts)}")


def remove(connection: DuckDBPyConnection, tables: Sequence[Checked], file: int, last: int) -> None:
    """Take the calls without an identity out that stand in the first lines of a file, up to `last`."""
    for table in tables:
        anonymous = "identity IS NULL" if "identity" in table.columns else "true"
        connection.execute(
            f"DELETE FROM {table.name} WHERE {IS_CALL} AND {anonymous} AND file = {file} AND line <= {last}"
        )
