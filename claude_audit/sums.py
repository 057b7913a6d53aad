"""What the rows of a part add up to, by all that decides a price: written beside the part, so that a bill needs no scan.

It is a tally (tally.py) by day, endpoint and price group. A question that asks for more, or filters, scans the rows.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING, Any

from claude_audit.clock import from_day
from claude_audit.usage import TOKEN_COLUMNS

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection

    from claude_audit.catalog import Catalog

MOST_GROUPS = 4_000
"""A part whose rows are of more different kinds has no sums: scanning it is no slower then."""

KEYS = ("day", "endpoint", "model", "name", "tier", "speed", "geo", "provider", "routing", "region")
DIMENSIONS = frozenset(("endpoint", "model", "provider", "tier", "day", "week", "month"))
"""What rows can be told apart by; days, weeks and months in UTC only."""


def of_part(connection: DuckDBPyConnection, source: str, thresholds: Sequence[int]) -> dict[str, Any] | None:
    """The sums of the rows of `source`, a SQL relation, as JSON holds them; None where there are too many kinds of rows."""
    billed = "unbilled IS NULL"
    size = " + ".join(f"(coalesce(prompt_tokens, 0) > {limit})::INTEGER" for limit in thresholds) or "0"
    tokens = {
        name: " + ".join(f"coalesce({column}, 0)" for column in columns) for name, columns in TOKEN_COLUMNS.items()
    }
    cached = " + ".join(sql for name, sql in tokens.items() if name.startswith("cache"))
    counted = {
        "requests": "coalesce(requests, 0)",
        "billed": f"CASE WHEN {billed} THEN coalesce(requests, 0) END",
        "passes": f"CASE WHEN {billed} AND pass > 0 THEN 1 END",
        **{name: f"CASE WHEN {billed} THEN {sql} END" for name, sql in tokens.items()},
        "ttl_unknown": f"CASE WHEN {billed} THEN cache_write_unknown_tokens END",
        "searches": f"CASE WHEN {billed} THEN web_searches END",
    }
    rows = connection.execute(f"""
        SELECT ts::DATE - DATE '1970-01-01' AS day, endpoint, model, coalesce(model, model_raw) AS name, tier, speed, geo,
            provider, routing, region, {size} AS size, {cached} > 0 AS cached,
            {", ".join(f"coalesce(sum({sql}), 0) AS s_{name}" for name, sql in counted.items())}
        FROM {source} GROUP BY ALL LIMIT {MOST_GROUPS + 1}""").fetchall()
    if len(rows) > MOST_GROUPS:
        return None
    keys = len(KEYS) + 2
    return {"thresholds": list(thresholds), "groups": [[*row[:keys], *map(int, row[keys:])] for row in rows]}


def write(path: Path, part: Path, groups: Mapping[str, Any]) -> None:
    """Keep the sums of a part, and how large its file is: of another one they tell nothing."""
    document = {"bytes": part.stat().st_size, **groups}
    path.write_text(json.dumps(document, separators=(",", ":")), encoding="utf-8")


def read(path: Path, part: Path, thresholds: Sequence[int]) -> list[list[Any]] | None:
    """The groups of a part's sums; None where there are none, or they are parted by other prompt sizes."""
    try:
        document = json.loads(path.read_bytes())
        if tuple(document["thresholds"]) != tuple(thresholds) or document["bytes"] != part.stat().st_size:
            return None
        groups: list[list[Any]] = document["groups"]
    except (OSError, ValueError, KeyError, TypeError):
        return None
    return groups


def tallied(
    groups: Sequence[Sequence[Any]], by: Sequence[str], days: Sequence[date], catalog: Catalog
) -> list[tuple[Any, ...]]:
    """The groups as rows of a tally: labels of `by`, then what decides a price, then sums (tally.line_keys).

    `days`: those from which on another price holds, ascending.
    """
    banded, without = catalog.banded_models, catalog.without_cache_price
    found: dict[tuple[Any, ...], list[int]] = {}
    keys = len(KEYS) + 2
    for group in groups:
        day, endpoint, model, name, tier, speed, geo, provider, routing, region, size, cached = group[:keys]
        labels: Mapping[str, Any] = {
            "endpoint": endpoint,
            "model": name,
            "provider": provider,
            "tier": tier,
            "day": day,
            "week": day,
            "month": day,
        }
        on = from_day(day)
        key = (
            *(labels[dimension] for dimension in by),
            name,
            model,
            sum(begin <= on for begin in days),
            size if model in banded else 0,
            tier,
            speed,
            geo,
            provider,
            routing,
            region,
            cached and model in without,
        )
        sums = group[keys:]
        known = found.get(key)
        found[key] = list(sums) if known is None else [a + b for a, b in zip(known, sums, strict=True)]
    return [(*key, *sums) for key, sums in found.items()]
