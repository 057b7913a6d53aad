"""Records inside what a log wraps around them, found by the keys of objects: lines of structured loggers, pairs, collectors.

Works on relations with a column of keys (json_keys of an object; none for what is no object).
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from claude_audit.aliases import normalized, spoken
from claude_audit.ingestors import Reading
from claude_audit.pieces import quoted, quoted_list

WRAPPERS = ("response", "message", "result", "body", "data", "jsonPayload", "_source", "fields", "event", "record")
STRINGS = ("message", "msg", "log", "line", "@message", "MESSAGE", "textPayload", "_raw")
INNER = (
    "extra",
    "payload",
    "attributes",
    "properties",
    "context",
    "metadata",
    "kwargs",
    "meta",
    "response_metadata",
    "llm_output",
    "llm",
    "generator",
    "metrics",
    "tokens",
    "res",
    "hits",
    # What loggers keep of their context: .NET, Log4j, Logback, Application Insights.
    "State",
    "contextMap",
    "mdc",
    "customDimensions",
    # What applications call the group.
    "anthropic",
    "claude",
    "ai",
)
"""Objects that an application, or who collects its lines, puts what it has to say in."""
CONTAINERS = tuple(dict.fromkeys((*WRAPPERS, *STRINGS, *INNER)))
"""Where a record may stand inside what a log wraps around it: objects, or strings of JSON."""

COUNTS = ("tokens",)
"""Those of INNER that are no record, but its usage block under another name."""

_RANKS = {normalized(name): rank for rank, name in reversed([*enumerate(CONTAINERS)])}

COUNTED_IN = frozenset(
    "usage usagemetadata tokenusage totalusage accumulatedusage inputtokens prompttokens tokensin inputtokencount "
    "outputtokens completiontokens tokensout requesttokens responsetokens".split()
)
"""A key of a record with counts, in small letters and digits only."""
DEPTH = 3
MOST_WRAPPED = 500
MOST_KEYS = 20_000
"""Different lists of keys that are looked at."""


@dataclass(frozen=True, slots=True)
class Unwrapped:
    """Records out of what is around them."""

    rows: str
    """SQL: the lines, as `body` the JSON that holds the counts, its `keys`, and `between`: the objects between that and the line, from
    the outermost on."""
    keys: Sequence[Sequence[str]]
    """Of the bodies."""
    between: Sequence[Sequence[Sequence[str]]]
    """The keys of the first of the objects between, of the second."""


def unwrapped(
    reading: Reading, lines: str, keys: Sequence[Sequence[str]], number: int = 0, place: str = "file, line"
) -> Unwrapped:
    """The records in lines whose objects have these keys, three levels down at most.

    Of each level only the lines that go deeper are looked at again. `number`: names what is kept of them on the way;
    `place`: the columns that tell a line from all others.
    """
    source = f"(SELECT {place}, text, text AS body, keys, []::VARCHAR[] AS between FROM {lines})"
    parts: list[str] = []
    told: list[Sequence[str]] = []
    between: list[Sequence[Sequence[str]]] = []
    found: Sequence[Sequence[str]] = keys
    for level in range(DEPTH):
        deeper = [names for names in found if not counts_here(names) and containers(names)]
        if not deeper:
            break
        goes_on = among("keys", deeper)
        parts.append(f"SELECT * FROM {source} WHERE NOT {goes_on}")
        told += [names for names in found if names not in deeper]
        holders = containers(name for names in deeper for name in names)
        values = ", ".join(f"json_extract_string(body, {quoted(at(name))}) AS in_{n}" for n, name in enumerate(holders))
        held = ", ".join(_held(name, f"in_{n}") for n, name in enumerate(holders))
        table = f"message_bodies_{number}_{level}"
        passed = "CASE WHEN inside IS NULL THEN between ELSE list_append(between, body) END" if level else "between"
        between += [deeper] if level else []
        # A string that was cut inside an emoji is no Unicode text: it is read without the half.
        reading.connection.execute(f"""
            CREATE OR REPLACE TEMP TABLE {table} AS
            SELECT {place}, text, CASE WHEN names IS NULL THEN without_lone_surrogates(held) ELSE held END AS body,
                CASE WHEN names IS NULL THEN TRY(json_keys(without_lone_surrogates(held))) ELSE names END AS keys, between
            FROM (
                SELECT {place}, text, coalesce(inside, body) AS held, TRY(json_keys(held)) AS names, {passed} AS between
                FROM (
                    SELECT *, coalesce({held}) AS inside
                    FROM (SELECT {place}, text, body, between, {values} FROM {source} WHERE {goes_on})
                )
            )""")
        source, found = table, lists(reading, "keys", table)
    return Unwrapped(" UNION ALL ".join([*parts, f"SELECT * FROM {source}"]), [*told, *found], between)


def _held(name: str, value: str) -> str:
    """SQL: the record in the value of a container, if it may hold one."""
    if normalized(name) in COUNTS:
        return f"CASE WHEN starts_with(ltrim({value}), '{{') THEN '{{\"usage\":' || {value} || '}}' END"
    small = f"lower({value})"
    told = f"(contains({small}, 'token') OR contains({small}, '\"usage\"'))"
    return f"CASE WHEN starts_with(ltrim({value}), '{{') AND {told} THEN {value} END"


def containers(names: Iterable[str]) -> list[str]:
    """Which of these keys a record may stand under, however they are spelt, the likeliest first."""
    known = {*names}
    return sorted(
        (name for name in known if normalized(name) in _RANKS), key=lambda name: (_RANKS[normalized(name)], name)
    )


def at(name: str) -> str:
    """The place of a key in an object, as the engine writes it."""
    return "$." + json.dumps(name, ensure_ascii=False)


def counts_here(names: Sequence[str]) -> bool:
    """Whether a record with these keys holds counts itself."""
    return not COUNTED_IN.isdisjoint(map(spoken, names))


def lists(reading: Reading, column: str, lines: str, *, empty: bool = False) -> list[list[str]]:
    """The distinct lists of keys in a column. By their hashes: to compare lists takes several times as long.

    `empty`: an empty one too, of what is no object.
    """
    rows = reading.connection.execute(
        f"SELECT any_value({column}) FROM {lines} WHERE len({column}) >= {0 if empty else 1} GROUP BY {mark(column)} LIMIT {MOST_KEYS}"
    ).fetchall()
    return [row[0] for row in rows]


def mark(column: str) -> str:
    """SQL: what tells a list of keys from others."""
    return f"hash({column}), len({column}), {column}[1], {column}[-1]"


def among(column: str, listed: Sequence[Sequence[str]]) -> str:
    """SQL: whether an object's keys are one of these lists; of too many lists, whether it is an object or anything else."""
    if len(listed) > MOST_WRAPPED:
        return "true"
    return f"coalesce(list_contains([{', '.join(map(quoted_list, listed))}]::VARCHAR[][], {column}), false)"
