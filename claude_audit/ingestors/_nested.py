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
