"""Calls that stand in two logs without an id to join them by: alike ones, and the sums of a session beside its calls.

Nothing can be left out without asking, so a person has to know.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

from claude_audit.pieces import quoted_list

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection

FEWEST = 20
"""So many calls have to look alike: fewer are chance."""
SHARE = 0.5
"""And that share of the smaller of the two logs, in the hours that both cover."""


def warnings(connection: DuckDBPyConnection, parts: Sequence[str]) -> Iterator[str]:
    """Of the rows in these Parquet files: pairs of formats whose calls agree in hour, model and counts.

    A pair is told when at least FEWEST calls agree, and at least SHARE of the smaller one's, in the hours of both. Calls
    that an id has joined are one row, and so are none of them.
    """
    rows = connection.execute(f"""
        WITH facts AS (
            SELECT format, date_trunc('hour', ts) AS hour, model,
                coalesce(input_tokens, 0)::HUGEINT + coalesce(cache_read_tokens, 0) + coalesce(cache_write_5m_tokens, 0)
                    + coalesce(cache_write_1h_tokens, 0) + coalesce(cache_write_unknown_tokens, 0) AS prompt,
                output_tokens AS output, count(*) AS calls
            FROM read_parquet({quoted_list(parts)}, union_by_name = true)
            WHERE pass = 0 AND requests = 1 AND model IS NOT NULL AND output_tokens IS NOT NULL
            GROUP BY ALL
        ),
        hourly AS (SELECT format, hour, sum(calls) AS calls FROM facts GROUP BY ALL),
        shared AS (
            SELECT a.format AS one, b.format AS other, sum(a.calls) AS of_one, sum(b.calls) AS of_other
            FROM hourly AS a JOIN hourly AS b ON a.hour = b.hour AND a.format < b.format GROUP BY ALL
        ),
        alike AS (
            SELECT a.format AS one, b.format AS other, sum(least(a.calls, b.calls)) AS calls
            FROM facts AS a JOIN facts AS b USING (hour, model, prompt, output)
            WHERE a.format < b.format GROUP BY ALL
        )
        SELECT one, other, calls::BIGINT, least(of_one, of_other)::BIGINT
        FROM alike JOIN shared USING (one, other)
        WHERE calls >= {FEWEST} AND calls >= {SHARE} * least(of_one, of_other)
        ORDER BY calls DESC, one, other""").fetchall()
    for one, other, calls, of in rows:
        yield (
            f"{calls:,} calls in {one} logs look like calls in {other} logs (same hour, model and counts; {of:,} in the hours of "
            "both), but no id joins them: if they are the same calls they count twice, so leave one of the logs out"
        )


def of_sums(connection: DuckDBPyConnection, parts: Sequence[str]) -> Iterator[str]:
    """Of the rows in these Parquet files: pairs of formats, of which one tells the sums of sessions whose calls the other
    tells one by one, as a transcript does beside what the same run of Claude Code has printed.
    """
    rows = connection.execute(f"""
        WITH told AS (
            SELECT format, session, requests FROM read_parquet({quoted_list(parts)}, union_by_name = true)
            WHERE pass = 0 AND session IS NOT NULL
        ),
        -- Few logs tell sums: only their sessions are looked for among the calls.
        sums AS (SELECT DISTINCT format, session FROM told WHERE requests IS NULL),
        calls AS (
            SELECT DISTINCT format, session FROM told SEMI JOIN sums USING (session) WHERE told.requests IS NOT NULL
        )
        SELECT sums.format, calls.format, count(*) FROM sums JOIN calls USING (session)
        WHERE sums.format <> calls.format GROUP BY ALL ORDER BY ALL""").fetchall()
    for sums, calls, sessions in rows:
        which = "1 session" if sessions == 1 else f"{sessions:,} sessions"
        yield (
            f"{which} of {sums} logs {'is' if sessions == 1 else 'are'} in {calls} logs too, call by call: what both tell "
            "counts twice, so leave one of the logs out"
        )
