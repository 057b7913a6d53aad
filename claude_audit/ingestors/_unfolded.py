"""Lines that list several records, opened up so that each record stands by itself: JSON arrays, `{"data": […]}`, steps.

Works on relations of file, line, text and keys (json_keys of an object; none for what is no object). What the keys rule
out is not looked at: a log without lists costs a look at its keys.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass

from claude_audit.aliases import field_of
from claude_audit.ingestors import Reading
from claude_audit.ingestors import _wrapped as wrapped
from claude_audit.pieces import quoted

LISTS = (
    *("data", "results", "records", "items", "rows", "logs", "entries", "events", "requests", "responses", "calls"),
    *("generations", "replies", "meta", "messages", "hits", "logEvents"),
)
"""Under which an export, an application's own record or a framework's answer lists records. (`generations` are LangChain's:
lists of lists; `replies` and `meta` Haystack's; `hits` what a search in Elasticsearch finds; `logEvents` CloudWatch's.)"""
DEEPER = tuple(name for name in LISTS if name not in ("messages", "events"))
"""Those that are looked for inside what is wrapped around a record too. A request's messages are no records."""
STEPS = ("steps", "calls", "llm_calls", "responses")
"""Lists of the calls that make up the counts beside them: the AI SDK's, of an answer that took several calls, and
applications'. Each is a call, and their sum is none."""
LABELS = frozenset(
    "ts endpoint model_raw user session workspace api_key team project environment provider region tier is_batch task unit".split()
)
"""What is told around a list holds for all of it; an id, a latency or a cost there is of no single one."""
COUNTING = (
    r"""((input|prompt|output|completion|request|response)[_-]?tokens?([_-]?count)?|tokens?[_-]?(in|out))\\*["']? *[:=]"""
    r"""|(usage|tokens)\\*["'] *: *\\*["']? *\{[^{}]*(input|output)\\*["'] *: *[0-9]"""
)
"""A count of tokens somewhere in a record, as a regular expression over its JSON in small letters, also inside a string."""
ARRAY = "coalesce(len(keys) = 0 AND starts_with(ltrim(text), '['), false)"
"""SQL: whether a line is a JSON array."""


@dataclass(frozen=True, slots=True)
class Unfolded:
    """A relation of records, none of which is a list."""

    rows: str
    """SQL: file, line, text, keys, and `part` where there were lists."""
    place: str
    """SQL: the columns that tell a record from all others."""
    keys: list[list[str]]
    """The distinct lists of keys of the records."""


def unfolded(reading: Reading, lines: str) -> Unfolded:
    """The records of a relation. Of those in a list `line` is that of the list, and `part` their number in it; of those that
    a document lists `line` counts on.
    """
    found = wrapped.lists(reading, "keys", lines, empty=True)
    keys = [names for names in found if names]
    holders = [names for names in keys if _may_list(names)]
    wraps = any(not wrapped.counts_here(names) and wrapped.containers(names) for names in keys)
    told = [ARRAY] if [] in found else []
    if holders:
        told.append(wrapped.among("keys", holders))
    if wraps:
        listed = f'"({"|".join((*STEPS, *DEEPER))})" *: *\\[ *[\\[{{]'
        told.append(f"coalesce(contains(text, '[') AND regexp_matches(text, {quoted(listed)}), false)")
    run = reading.connection.execute
    if not told or run(f"SELECT 1 FROM {lines} WHERE {' OR '.join(told)} LIMIT 1").fetchone() is None:
        return Unfolded(lines, "file, line", keys)
    around = dict.fromkeys(name for names in keys for name in names if field_of(name) in LABELS or name == "tags")
    lists = [name for name in LISTS if any(name in names for names in holders)]
    beside = wrapped.containers(name for names in keys for name in names)
    run(f"""
        CREATE OR REPLACE TEMP TABLE folded_lines AS
        SELECT * FROM (
            SELECT file, line, text, keys, CASE WHEN {ARRAY} THEN
                CASE WHEN {_counting("text")} AND json_type(text, '$[0]') = 'OBJECT' THEN {_elements("text")} END ELSE {_calls(lists, beside)} END AS items
            FROM {lines} WHERE {" OR ".join(told)}
        ) WHERE items IS NOT NULL""")
    if run("SELECT 1 FROM folded_lines LIMIT 1").fetchone() is None:
        return Unfolded(lines, "file, line", keys)
    rows = f"""(
        SELECT file, line, NULL::INTEGER AS part, text, keys FROM {lines} AS l ANTI JOIN folded_lines AS f USING (file, line)
        UNION ALL
        SELECT file, {"line + part - 1" if reading.document else "line"} AS line, part, text, TRY(json_keys(text)) AS keys
        FROM (
            SELECT file, line, place::INTEGER AS part, {_labelled(list(around))} AS text
            FROM (SELECT *, unnest(items) AS item, generate_subscripts(items, 1) AS place FROM folded_lines)
        ))"""
    return Unfolded(rows, "file, line, part", wrapped.lists(reading, "keys", rows))


def _may_list(names: Sequence[str]) -> bool:
    """Whether an object with these keys may list records: one that has counts itself only where they are the sum of steps."""
    return not {*STEPS}.isdisjoint(names) or (not wrapped.counts_here(names) and not {*LISTS}.isdisjoint(names))


def _elements(array: str) -> str:
    return f"""from_json({array}, '["JSON"]')::VARCHAR[]"""


def _counting(text: str) -> str:
    return f"regexp_matches(lower({text}), {quoted(COUNTING)})"


def _list(path: str) -> str:
    """SQL: the elements of the list at a path, those of the lists in it; null where there is none."""
    found = f"json_extract(text, {quoted(path)})"
    return f"""CASE WHEN json_type({found}) = 'ARRAY' THEN
                    CASE WHEN json_type({found}, '$[0]') = 'ARRAY' THEN json_extract({found}, '$[*][*]')::VARCHAR[]
                        ELSE {_elements(found)} END END"""


def _calls(lists: Sequence[str], beside: Sequence[str]) -> str:
    """SQL: the records that an object lists; null where none of them has a count.

    Steps each have one, or the sum beside them is told as it is. Of an object that holds its record beside the list, that
    one counts.
    """

    steps = ", ".join(_list(f"{path}.{name}") for path in ("$", *map(wrapped.at, beside)) for name in STEPS)
    whole = (
        f"list_filter([{steps}], lambda l: len(l) > 0 AND len(list_filter(l, lambda e: {_counting('e')})) = len(l))[1]"
    )
    paths = [f"$.{name}" for name in lists]
    paths += [f"{wrapped.at(name)}.{inner}" for name in beside for inner in DEEPER]
    if not paths:
        return whole
    found = ", ".join(map(_list, paths))
    some = f"list_filter([{found}], lambda l: len(list_filter(l, lambda e: {_counting('e')})) > 0)[1]"
    # Without its lists: those are what is looked for.
    unlisted = quoted(json.dumps(dict.fromkeys(DEEPER)))
    held = " OR ".join(
        f"CASE json_type(text, {path}) WHEN 'OBJECT' THEN {_counting(f'json_merge_patch(json_extract(text, {path}), {unlisted})::VARCHAR')} "
        f"WHEN 'VARCHAR' THEN {_counting(f'json_extract_string(text, {path})')} ELSE false END"
        for path in (quoted(wrapped.at(name)) for name in beside)
    )
    here = f"list_has_any(list_transform(keys, lambda k: regexp_replace(lower(k), '[^a-z0-9]', '', 'g')), {sorted(wrapped.COUNTED_IN)})"
    return f"coalesce({whole}, CASE WHEN {' OR '.join([here, *([held] if held else [])])} THEN NULL ELSE {some} END)"


def _labelled(around: Sequence[str]) -> str:
    """SQL: the JSON of `item`, with what is told around its list, if anything."""
    if not around:
        return "item"
    told = ", ".join(f"{quoted(name)}, json_extract(text, {quoted(wrapped.at(name))})" for name in around)
    return (
        f"CASE WHEN len(keys) > 0 THEN CAST(json_object({told}, 'record', CAST(item AS JSON)) AS VARCHAR) ELSE item END"
    )
