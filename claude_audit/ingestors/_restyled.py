"""Records whose usage block is spelt or packed otherwise, rewritten as the block that is read: other case, strings, reprs.

`Usage: {InputTokens, CacheReadInputTokens}` of a .NET log, `usage` as a string of JSON, `usage` as Python prints it. Which
keys occur is looked at first: only a log that has such records has its records rewritten, those and no others.
"""

from __future__ import annotations

import json
import re
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from claude_audit.aliases import NO_DIFFERENCE, field_of, normalized
from claude_audit.ingestors import Reading
from claude_audit.ingestors import _spelling as spelling
from claude_audit.ingestors import _wrapped as wrapped
from claude_audit.ingestors._counted import AS_RETURNED, BLOCK, LANGCHAIN_USAGE, OTHER_NAMES, SPREAD_OUT, SUMS
from claude_audit.ingestors._unfolded import COUNTING
from claude_audit.pieces import quoted, quoted_list

BLOCKS = ("usage", "usage_metadata")
"""Fields of a record that are usage blocks."""
OBJECTS = (
    *BLOCKS,
    *(name for name in AS_RETURNED if name != "response"),
    *(name for name in SPREAD_OUT if name != "iterations"),
    "stop_details",
)
"""Fields of a record that are objects, by the names they are read by. (A `response` in a string is mostly what was said.)"""


def _names(structure: Mapping[str, Any]) -> Iterator[str]:
    for name, inside in structure.items():
        yield name
        if isinstance(inside, dict):
            yield from _names(inside)


KNOWN = tuple(dict.fromkeys((*_names(BLOCK), *_names(LANGCHAIN_USAGE))))
"""What may stand in a usage block, by the names it is read by."""
NESTED = tuple(name for name, inside in (*BLOCK.items(), *LANGCHAIN_USAGE.items()) if isinstance(inside, dict))
_CANONICAL = {normalized(name): name for name in reversed(KNOWN)}
SPLIT, WRITTEN = "cache_creation", "cache_creation_input_tokens"
"""What was written to the cache by its times to live, and all of it."""
OTHERWISE = ("token_usage", "accumulated_usage", "total_usage")
"""Other names of a usage block, in any case. The second is Strands', and like the last one the sum of several calls."""
_OBJECTS = {normalized(name): name for name in reversed(OBJECTS)} | {normalized(name): "usage" for name in OTHERWISE}
_SUMS = tuple(map(normalized, OTHERWISE[1:]))
SHORT = ("input", "output")
"""Names of counts in a usage block only: elsewhere they are what was asked and answered."""
TOTAL = "totalUsage"
ENDED = ("finishReason", "steps")
"""The AI SDK's: the sum of all steps, where one of these stands beside it; `usage` is the last step's alone then. In other
records a total beside a usage block may run on from line to line, and is left alone."""
REPR = (
    *((r"[A-Za-z_]+\(", "{"), (r"\)", "}"), (r"([A-Za-z_0-9]+)=", r'"\1": '), ("'", '"')),
    *((r"\bNone\b", "null"), (r"\bTrue\b", "true"), (r"\bFalse\b", "false")),
)
"""What turns a block as Python prints it, `Usage(input_tokens=10, …)` or `{'input_tokens': 10, …}`, into JSON."""
MOST_UNSEEN = 32
SHOWN = 60
"""Characters of a text that is told of."""


def usage_blocks(record: Mapping[str, Any]) -> Iterator[object]:
    """What stands in a record under a name of a usage block."""
    return (value for name, value in record.items() if _OBJECTS.get(normalized(name)) in BLOCKS)


def counts_in(usage: object) -> bool:
    """Whether a usage block has a count of input or output, also one in a string."""
    if isinstance(usage, str):
        return re.search(COUNTING, usage.lower()) is not None
    if not isinstance(usage, dict):
        return False
    return any(
        field_of(name) in ("input_tokens", "output_tokens") or (name in SHORT and isinstance(usage[name], int))
        for name in usage
    )


@dataclass(frozen=True, slots=True)
class Restyled:
    """Records with their usage blocks under the names that are read."""

    rows: str
    """SQL: the relation."""
    keys: Sequence[Sequence[str]]
    """The distinct lists of keys of the records."""
    plain: bool
    """Whether the usage blocks have the Messages API's own names only: few need be looked for then."""
    models: bool
    """Whether a model may be told as an object."""
    unread: str
    """SQL: why the usage block of a record could not be read."""
    unseen: Sequence[str] = ()
    """Names in usage blocks that seem to count cached tokens, and that nobody knows."""


def restyled(reading: Reading, rows: str, column: str, keys: Sequence[Sequence[str]], table: str) -> Restyled:
    """The records in `column` of a relation that has their `keys` too, which are one of these lists.

    `table`: the name of what is made of them, where there is something to rewrite.
    """
    names = list(dict.fromkeys(name for found in keys for name in found))
    renamed = [name for name in names if name not in OBJECTS and normalized(name) in _OBJECTS]
    blocks, models = _blocks(reading, rows, column, names) if "usage" in names else ([], True)
    odd = {name for found in blocks for name in found if name not in KNOWN and normalized(name) in _CANONICAL}
    numbers = _numbers(reading, rows, column, keys, blocks)
    if not renamed and not odd and not numbers and not _strings(reading, rows, column, names, blocks):
        return Restyled(rows, keys, _plain(blocks), models, "NULL", _unseen(blocks))
    known: dict[str, list[str]] = {}
    for name in names:
        if own := _OBJECTS.get(normalized(name)):
            known.setdefault(own, []).append(name)
    needs = [f"list_has_any(keys, {quoted_list(renamed)})"] if renamed else []
    if odd:
        needs.append(f"list_has_any(TRY(json_keys({column}, '$.usage')), {quoted_list(sorted(odd))})")
    needs += [f"json_type({column}, '$.\"{name}\"') = 'VARCHAR'" for name in known if name in names] + numbers
    patch = dict.fromkeys(renamed, "NULL")
    patch |= {own: _first(column, own, spellings) for own, spellings in known.items()}
    if TOTAL in names:
        patch |= _totals(column, names, patch["usage"])
    if SPLIT in patch:
        value = f"json_extract({column}, '$.{SPLIT}')"
        flat = _is_number(value)
        patch[WRITTEN] = f"CASE WHEN {flat} THEN {value} ELSE json_extract({column}, '$.{WRITTEN}') END"
        patch[SPLIT] = f"CASE WHEN {flat} THEN NULL ELSE {patch[SPLIT]} END"
    entries = ", ".join(f"{quoted(name)}, {sql}" for name, sql in patch.items())
    # A patch is merged into what is there: nothing of that may be left.
    cleared = f"json_merge_patch({column}, {quoted(json.dumps(dict.fromkeys((*renamed, *patch))))})"
    told = "json_extract_string(restyled, '$.usage')"
    reading.connection.execute(f"""
        CREATE OR REPLACE TEMP TABLE {table} AS
        SELECT * EXCLUDE ({column}, keys, restyled), restyled AS {column}, TRY(json_keys(restyled)) AS keys,
            CASE WHEN json_type(restyled, '$.usage') = 'VARCHAR' AND contains({told}, 'token')
                THEN 'the usage is no JSON object: ' || left({told}, {SHOWN}) END AS unread
        FROM (
            SELECT *, CASE WHEN {" OR ".join(needs)}
                THEN coalesce(TRY(json_merge_patch({cleared}, json_object({entries}))::VARCHAR), {column})
                ELSE {column} END AS restyled
            FROM {rows}
        )""")
    blocks, models = _blocks(reading, table, column, names)
    return Restyled(table, wrapped.lists(reading, "keys", table), _plain(blocks), models, "unread", _unseen(blocks))


def _numbers(
    reading: Reading, rows: str, column: str, keys: Sequence[Sequence[str]], blocks: Sequence[Sequence[str]]
) -> list[str]:
    """SQL: whether the split of what was written to the cache is a number in a record, if it is in one: applications call all
    that was written so. The API never tells the split without that count."""
    places = [f"$.{SPLIT}"] if _split_alone(keys) else []
    places += [f"$.usage.{SPLIT}"] if _split_alone(blocks) else []
    tests = [_is_number(f"json_extract({column}, '{place}')") for place in places]
    return tests if tests and _any(reading, rows, tests) else []


def _split_alone(keys: Sequence[Sequence[str]]) -> bool:
    return any(SPLIT in found and WRITTEN not in found for found in keys)


def _is_number(value: str) -> str:
    return f"coalesce(json_type({value}) IN ('UBIGINT', 'BIGINT', 'DOUBLE'), false)"


def _any(reading: Reading, rows: str, tests: Sequence[str]) -> bool:
    return reading.connection.execute(f"SELECT 1 FROM {rows} WHERE {' OR '.join(tests)} LIMIT 1").fetchone() is not None


def _plain(blocks: Sequence[Sequence[str]]) -> bool:
    return len(blocks) < wrapped.MOST_KEYS and all(OTHER_NAMES.isdisjoint(found) for found in blocks)


def _unseen(blocks: Sequence[Sequence[str]]) -> list[str]:
    fresh = dict.fromkeys(name for found in blocks for name in found if "cach" in name.lower() and name not in KNOWN)
    return spelling.told_apart(fresh)[:MOST_UNSEEN]


def _blocks(reading: Reading, rows: str, column: str, names: Sequence[str]) -> tuple[list[list[str]], bool]:
    """The distinct lists of keys of the usage blocks, an empty one for those that are no object; whether a model is one.

    One look at each record tells both.
    """
    paths = [name for name in names if field_of(name) == "model_raw"]
    found = f"TRY(json_keys({column}, {quoted_list([wrapped.at(name) for name in ('usage', *paths)])}))"
    objects = " + ".join(f"coalesce(len(k[{place}]), 0)" for place in range(2, len(paths) + 2)) or "0"
    listed = reading.connection.execute(f"""
        SELECT any_value(u), max(m) FROM (SELECT k[1] AS u, {objects} AS m FROM (SELECT {found} AS k FROM {rows}))
        GROUP BY {wrapped.mark("u")} LIMIT {wrapped.MOST_KEYS}""").fetchall()
    blocks = [keys for keys, _ in listed if keys is not None]
    return blocks, len(listed) == wrapped.MOST_KEYS or any(objects for _, objects in listed)


def _strings(reading: Reading, rows: str, column: str, names: Collection[str], blocks: Sequence[Sequence[str]]) -> bool:
    """Whether one of the objects of a record is packed in a string."""
    tests = [f"json_type({column}, '$.usage') = 'VARCHAR'"] if [] in blocks else []
    if others := [name for name in OBJECTS if name in names and name != "usage"]:
        packed = '"(' + "|".join(others) + ')" *: *"'
        tests.append(f"regexp_matches({column}, {quoted(packed)})")
    if not tests:
        return False
    return _any(reading, rows, tests)


def _first(column: str, own: str, spellings: Sequence[str]) -> str:
    """SQL: what stands under the name that is read, else under one of its other spellings."""
    order = sorted(spellings, key=lambda name: (name != own, normalized(name) != normalized(own)))
    values = []
    for name in order:
        if name == TOTAL:
            continue
        value = _packed_out(column, name, own in BLOCKS)
        values.append(_marked(value, f"'{SUMS}', 'true'") if normalized(name) in _SUMS else value)
    return f"coalesce({', '.join(values)}, NULL)"


def _marked(block: str, fields: str) -> str:
    """SQL: a usage block with these fields, of JSON objects only; null where there is none."""
    return f"CASE WHEN json_type({block}) = 'OBJECT' THEN json_merge_patch({block}, json_object({fields})) END"


def _totals(column: str, names: Collection[str], usage: str) -> dict[str, str]:
    """Field -> SQL of what stands in its place where TOTAL tells of all calls: how many they were too, if there is a list."""
    total = _packed_out(column, TOTAL, True)
    steps = (
        f"CASE WHEN json_type({column}, '$.steps') = 'ARRAY' THEN nullif(json_array_length({column}, '$.steps'), 0) END"
    )
    more = f"coalesce(({total})::VARCHAR <> ({usage})::VARCHAR, true)"
    whole = f"json_type({total}) = 'OBJECT' AND ({usage} IS NULL OR list_has_any(keys, {quoted_list(ENDED)}))"
    marked = _marked(total, f"'requests', {steps}, '{SUMS}', CASE WHEN {steps} IS NULL AND {more} THEN 'true' END")
    told = {"usage": f"CASE WHEN {whole} THEN {marked} ELSE {usage} END"}
    # What the provider added is of the last step alone.
    told |= {
        name: f"CASE WHEN {whole} AND {more} THEN NULL ELSE json_extract({column}, '$.{name}') END"
        for name in AS_RETURNED
        if name in names
    }
    return told


def _packed_out(column: str, name: str, block: bool) -> str:
    """SQL: the object under a name, out of its string; a usage block by the names that are read; else what stands there."""
    value = f"json_extract({column}, '$.\"{name}\"')"
    text = f"{value}->>'$'"
    printed = text
    for pattern, other in REPR:
        printed = f"regexp_replace({printed}, {quoted(pattern)}, {quoted(other)}, 'g')"
    tried = [
        text,
        f"CASE WHEN json_valid({text}) AND json_type({text}) = 'VARCHAR' THEN CAST({text} AS JSON)->>'$' END",
    ]
    tried += [printed] if block else []
    found = "[" + ", ".join(f"CASE WHEN json_valid({one}) THEN CAST({one} AS JSON) END" for one in tried) + "]"
    unpacked = f"list_filter({found}, lambda j: json_type(j) = 'OBJECT')[1]"
    # In steps: what a lambda reads is worked out once.
    inner = _renamed("x", KNOWN) if block else "x"
    return f"""coalesce(list_transform(
                [CASE WHEN json_type({value}) = 'OBJECT' THEN {value} WHEN json_type({value}) = 'VARCHAR' THEN {unpacked} END],
                lambda x: {inner})[1], {value})"""


def _renamed(block: str, known: Sequence[str]) -> str:
    """SQL: a usage block, and the objects in it, with the names that are read in place of other spellings of them."""
    entries = f"map_entries(from_json({block}, '\"MAP(VARCHAR, JSON)\"'))"
    deeper = (
        f"CASE WHEN list_contains({quoted_list(NESTED)}, {_name('e.key')}) AND json_type(e.value) = 'OBJECT' "
        f"THEN to_json(map_from_entries(list_transform(map_entries(from_json(e.value, '\"MAP(VARCHAR, JSON)\"')), "
        f"lambda i: {{'k': {_name('i.key')}, 'v': i.value}}))) ELSE e.value END"
    )
    key = f"CASE WHEN e.key = '{SPLIT}' AND {_is_number('e.value')} THEN '{WRITTEN}' ELSE {_name('e.key')} END"
    listed = f"list_transform({entries}, lambda e: {{'k': {key}, 'v': {deeper}}})"
    return f"coalesce(TRY(to_json(map_from_entries({listed}))), {block})"


def _name(key: str) -> str:
    """SQL: the name that is read for a key; the key itself where it is one, or none is known."""
    own = ", ".join(f"{quoted(word)}: {quoted(name)}" for word, name in _CANONICAL.items())
    alike = f"MAP{{{own}}}[regexp_replace(lower({key}), '{NO_DIFFERENCE}', '', 'g')]"
    return f"CASE WHEN list_contains({quoted_list(KNOWN)}, {key}) THEN {key} ELSE coalesce({alike}, {key}) END"
