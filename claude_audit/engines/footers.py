"""What the footers of Parquet files say of their columns: no row is read."""

from __future__ import annotations

from collections.abc import Sequence

from claude_audit.engines.bare import duckdb
from claude_audit.errors import AuditError
from claude_audit.row_columns import Known, is_null

_OFFLINE: dict[str, str | bool | int | float | list[str]] = {
    "autoinstall_known_extensions": "false",
    "autoload_known_extensions": "false",
}
_QUERY = """
    SELECT path_in_schema, sum(stats_null_count) = 0 AS is_full, sum(stats_null_count) = sum(num_values) AS is_empty,
        bool_and(coalesce(
            stats_null_count = 0 AND stats_min_value = stats_max_value AND min_is_exact AND max_is_exact, false
        )) AND min(stats_min_value) = max(stats_min_value) AS is_one,
        CASE WHEN any_value(type) = 'INT64' AND min(TRY_CAST(stats_min_value AS BIGINT)) >= 0
            AND count(stats_max_value) = count_if(stats_null_count < num_values)
            THEN max(TRY_CAST(stats_max_value AS BIGINT)) END AS most,
        CASE WHEN any_value(type) = 'BYTE_ARRAY' THEN min(stats_min_value) END AS text
    FROM parquet_metadata($parts)
    GROUP BY path_in_schema
    HAVING count(stats_null_count) = count(*)
        AND sum(num_values) = (SELECT sum(num_rows) FROM parquet_file_metadata($parts))
"""


def known(parts: Sequence[str]) -> Known:
    """What is known of the columns of these parts. Raises AuditError for a part that cannot be read."""
    with duckdb.connect(config=_OFFLINE) as connection:
        try:
            found = connection.execute(_QUERY, {"parts": list(parts)}).fetchall()
        except duckdb.Error as error:
            raise damaged(error) from error
    same: set[str] = set()
    most: dict[str, int] = {}
    texts: dict[str, str] = {}
    for name, full, empty, one, largest, text in found:
        if full:
            same.add(is_null(name))
        if empty or one:
            same.add(name)
        if empty or largest is not None:
            most[name] = 0 if empty else largest
        if one and text is not None:
            texts[name] = text
    return Known(frozenset(same), most, texts)


def damaged(error: Exception) -> AuditError:
    """What a person is told of a part that the engine cannot read."""
    first = str(error).splitlines()[0]
    return AuditError(
        f"the store cannot be read: {first}",
        "restore it from a backup, or ingest the logs into a new one (--store DIR)",
    )
