"""Spans that lie in one another: an outer one that repeats, or sums up, what the inner ones count."""

from __future__ import annotations

REPEATS = "span that repeats those in it"
"""Why an outer span is ignored."""


def with_outer(rows: str, span: str, parents: str, counted: str) -> str:
    """SQL: the rows, each with `outer_span`: whether a span with counts of the same file lies directly in it.

    `span`: SQL of a span's id; `parents`: of the list of ids of what it lies in; `counted`: of whether it has counts of its own.
    """
    return f"""
        WITH spans AS ({rows}),
        outer_spans AS (
            SELECT DISTINCT file AS in_file, unnest({parents}) AS parent FROM spans WHERE coalesce({counted}, false)
        )
        SELECT spans.*, parent IS NOT NULL AS outer_span
        FROM spans LEFT JOIN outer_spans ON in_file = file AND parent = {span}"""


STEPS = 12
"""How many spans without counts may lie between a call and the one around it that tells the same."""


def with_repeated(rows: str, *, span: str, parent: str, counted: str, output: str, cached: str) -> str:
    """SQL: the rows, each with `repeated`: whether others in the file tell of the same tokens, and are taken.

    A call is told twice where the output of those in it, the nearest with counts, adds up to its own: a framework's span
    around the library's, an agent's around its steps. The inner ones are taken, but where there is one and the outer alone
    tells its cached tokens. A call inside another of different output is a call of its own.

    `span`, `parent`: SQL of the ids of a span and of what it lies in; `counted`: of whether it tells of a call's tokens;
    `output`, `cached`: of these counts (BIGINT).
    """
    return f"""
        WITH RECURSIVE spans AS MATERIALIZED (
            SELECT *, {span} AS n_span, {parent} AS n_parent, coalesce({counted}, false) AS n_counted, {output} AS n_output,
                {cached} AS n_cached
            FROM ({rows})
        ),
        climbed AS (
            SELECT file AS in_file, n_span AS call, n_parent AS above, n_output AS output, n_cached AS cached, 0 AS steps
            FROM spans WHERE n_counted AND n_output > 0 AND n_parent <> ''
            UNION
            SELECT in_file, call, n_parent, output, cached, steps + 1
            FROM climbed JOIN spans ON file = in_file AND n_span = above
            WHERE NOT n_counted AND n_parent <> '' AND steps < {STEPS}
        ),
        told_twice AS (
            SELECT in_file, above, any_value(call) AS call,
                count(DISTINCT call) = 1 AND max(n_cached) > 0 AND max(cached) = 0 AS outer_tells
            FROM (SELECT DISTINCT in_file, call, above, output, cached FROM climbed)
            JOIN (SELECT DISTINCT file, n_span, n_output, n_cached FROM spans WHERE n_counted) ON file = in_file AND n_span = above
            GROUP BY in_file, above
            HAVING sum(output) = max(n_output)
        ),
        repeated_spans AS (
            SELECT DISTINCT in_file, CASE WHEN outer_tells THEN call ELSE above END AS repeats FROM told_twice
        )
        SELECT spans.* EXCLUDE (n_span, n_parent, n_counted, n_output, n_cached), repeats IS NOT NULL AS repeated
        FROM spans LEFT JOIN repeated_spans ON in_file = file AND repeats = n_span"""
