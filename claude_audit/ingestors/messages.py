"""JSON with a Messages `usage` block, or flat token counts, anywhere sensible: one record a line, or whole files of JSON.

Recognised by a `usage` object or token counts (names in claude_audit.aliases) at the top of a record, or inside what
logs wrap around it: a bare response, a request and response pair, an application's own record, lines of structlog,
loguru, python-json-logger or a log collector. The record's own time and labels win over the wrapper's. A line may list
records (a JSON array, `{"data": [...]}`, a conversation's messages): each is read by itself, and counts as a line. A
usage block may stand in a string, as JSON or as Python prints it, and be spelt in any case (`Usage: {InputTokens}`);
one that cannot be read rejects its record. Of Mastra's spans a generation counts, and not its steps too.

LangChain's `usage_metadata` is read too; its input includes what was read from and written to the cache. Where
LangChain or the AI SDK log the API's own block beside theirs (`response_metadata`, `providerMetadata`), that one
counts. Of the AI SDK's finished answers each of the `steps` is a call, and so are the `calls` beside their sum; where they
are not logged, `totalUsage` is counted. It, what Strands accumulates and Pydantic AI's runs of several `requests` are sums
that cannot be split: their tokens are counted, at base rates, and flagged (`sums_only`, `band_unknown`).

Tells: whatever the usage block tells (all token classes, TTL split, tier, speed, geography, searches, passes), and the
fields that the record names. Of request and response pairs also: hashes and sizes of the prompt's blocks, the output cap,
tools, images. Cannot tell: what was not logged; a bare response has no time, endpoint or request id (its file's time is
taken, and flagged). Text is never kept.
"""

from __future__ import annotations

import json
from collections.abc import Sequence

from claude_audit import aliases
from claude_audit.aliases import field_of, fields, normalized
from claude_audit.ingestors import Head, Ingestor, Kind, Reading, parsed
from claude_audit.ingestors import _body as body
from claude_audit.ingestors import _extended as extended
from claude_audit.ingestors import _pairs as pairs
from claude_audit.ingestors import _spans as spans
from claude_audit.ingestors import _spelling as spelling
from claude_audit.ingestors import _wrapped as wrapped
from claude_audit.ingestors._counted import coalesced, counts
from claude_audit.ingestors._messages_usage import misses_of
from claude_audit.ingestors._restyled import counts_in, restyled, usage_blocks
from claude_audit.ingestors._unfolded import LISTS, STEPS, unfolded
from claude_audit.pieces import identifier, quoted
from claude_audit.usage import BLOCK

MOST_LISTED = 20
"""Records of a list, that a log is recognised by."""
MOST_LOOKED_AT = 200
"""Lines with counts, that a log is recognised by."""


def token_record(record: object) -> bool:
    """Whether a JSON object, or what it wraps or lists, holds a usage block or token counts."""

    def holds(value: object, depth: int, of_model: bool) -> bool:
        if isinstance(value, str) and value.lstrip()[:1] in ("{", "["):
            value = parsed(value)
        if isinstance(value, list):
            return any(holds(inside, depth, of_model) for inside in value[:MOST_LISTED])
        if not isinstance(value, dict):
            return False
        named = {field_of(name) for name in value}
        if "input_tokens" in named or "output_tokens" in named or any(map(counts_in, usage_blocks(value))):
            return True
        lists = [value[name] for name in (*LISTS, *STEPS) if isinstance(value.get(name), list)]
        found = wrapped.containers(value)
        # What a report has under such a name is no call's.
        of_model |= "model_raw" in named
        if of_model and any(normalized(name) in wrapped.COUNTS and counts_in(value[name]) for name in found):
            return True
        inner = (*lists, *(value[name] for name in found))
        return depth < 3 and any(holds(inside, depth + 1, of_model) for inside in inner)

    return holds(record, 0, False)


def _recognise(head: Head) -> bool:
    if any(token_record(r) for r in head.records):
        return True
    if not head.json or head.document:
        return False
    # A service logs much before its first call.
    told = [line for line in head.text.split("\n") if "token" in line.lower()][:MOST_LOOKED_AT]
    return any(isinstance(r, dict) and token_record(r) for r in map(parsed, told))


def select(reading: Reading, lines: str = "lines") -> str:
    """The SELECT for the JSON in a relation `lines(file, line, text, keys)` (see keyed()).

    The keys are looked up first, and mapped by name. Records that hold their counts themselves are told apart from lines
    that are wrapped around a record: each kind costs what it needs.
    """
    found = unfolded(reading, lines)
    place, keys = found.place, found.keys
    lines = extended.plain(found.rows, keys)
    bare = [names for names in keys if wrapped.counts_here(names)]
    others = [names for names in keys if not wrapped.counts_here(names)]
    if len(others) > wrapped.MOST_WRAPPED:
        return _wrapped(reading, lines, keys, place)
    few = len(keys) <= wrapped.MOST_WRAPPED
    spelt = [
        group for listed in (bare, others) for group in (spelling.spelt_alike(listed) if few else [listed]) if group
    ]
    groups: list[Sequence[Sequence[str]]] = [*spelt] or [[]]
    apart = [names for listed in groups[1:] for names in listed]
    parts = []
    for number, listed in enumerate(groups):
        no, these = ("", listed) if number else ("NOT", apart)
        having = f"(SELECT * FROM {lines} WHERE {no} {wrapped.among('keys', these)})" if apart else lines
        if listed and not wrapped.counts_here(listed[0]):
            parts.append(_wrapped(reading, having, listed, place, number))
        else:
            parts.append(_named(reading, having, listed, place, number))
    return "\nUNION ALL BY NAME\n".join(f"SELECT * FROM ({part})" for part in parts) if apart else parts[0]


def keyed(lines: str, *also: str) -> str:
    """SQL: the relation `lines(file, line, text)` of text that may be no JSON, as select() wants it.

    `text` is null then; `keys` are those of an object. `also`: further columns to hand on.
    """
    more = "".join(f", {name}" for name in also)
    return f"""
        SELECT file, line, CASE WHEN is_json(text) THEN mended(text) END AS text, TRY(json_keys(mended(text))) AS keys{more}
        FROM {lines}"""


def _named(reading: Reading, lines: str, keys: Sequence[Sequence[str]], place: str, number: int) -> str:
    """SQL: the calls of records that hold their counts themselves, or none."""
    found = restyled(reading, lines, "text", keys, f"restyled_{number}")
    known = body.around_of("r", found.keys)
    shape = {**body.body_of(known.names, plain=found.plain, unseen=found.unseen), **known.shape}
    records = f"""
        SELECT {place}, text, {found.unread} AS unread, json_transform(text, {quoted(json.dumps(shape))}) AS r FROM {found.rows}"""
    return _calls(records, place, known.names, [known], plain=found.plain, models=found.models, unseen=found.unseen)


def _wrapped(reading: Reading, lines: str, keys: Sequence[Sequence[str]], place: str, number: int = 0) -> str:
    """SQL: the calls of lines with something around their records. `number`: tells them from others that are read now."""
    found = wrapped.unwrapped(reading, lines, keys, number, place)
    texts = {f"o{level}": f"between[{level}]" for level in range(len(found.between), 0, -1)} | {"o0": "text"}
    around = [body.around_of(f"o{level}", listed) for level, listed in reversed([*enumerate([keys, *found.between])])]
    outer = ", ".join(
        f"TRY(json_transform({texts[one.struct]}, {quoted(json.dumps(one.shape))})) AS {one.struct}" for one in around
    )
    bodies = restyled(reading, f"({found.rows})", "body", found.keys, f"restyled_bodies_{number}")
    plain = bodies.plain
    few = len(bodies.keys) <= wrapped.MOST_WRAPPED
    groups: list[Sequence[Sequence[str]]] = [*spelling.spelt_alike(bodies.keys)] if few else [bodies.keys]
    apart = [names for listed in groups[1:] for names in listed]
    parts = []
    for group, listed in enumerate(groups or [[]]):
        no, these = ("", listed) if group else ("NOT", apart)
        inner = spelling.told_apart(spelling.union(listed))
        records = f"""
        SELECT {place}, text, {bodies.unread} AS unread,
            TRY(json_transform(body, {quoted(json.dumps(body.body_of(inner, plain=plain, unseen=bodies.unseen)))})) AS r, {outer}
        FROM {bodies.rows} {f"WHERE {no} {wrapped.among('keys', these)}" if apart else ""}"""
        parts.append(_calls(records, place, inner, around, plain=plain, unseen=bodies.unseen))
    return "\nUNION ALL BY NAME\n".join(f"SELECT * FROM ({part})" for part in parts) if apart else parts[0]


def _calls(
    records: str,
    place: str,
    inner: Sequence[str],
    around: Sequence[body.Around],
    *,
    plain: bool = False,
    models: bool = True,
    unseen: Sequence[str] = (),
) -> str:
    """SQL: the call columns that `records` can fill, by the keys of the record, `r`, and of what is around it, which tells
    what the record does not: the nearest first.
    """
    own = fields(inner)
    asked = [f"{one.struct}.request" for one in around if "request" in one.outside]
    asks = bool(asked)
    columns = body.own_fields(own, inner, around, plain=plain, models=models) | counts(own, inner, plain=plain)
    lost = [f"r.usage.{identifier(name)}" for name in unseen if "usage" in inner]
    lost += [f"r.{identifier(name)}" for name in aliases.unseen(inner) if name in body.labels(inner)]
    if lost:
        some = " OR ".join(f"coalesce(count_of({count}), 0) > 0" for count in lost)
        columns["cache_unseen"] = f"coalesce({columns.get('cache_unseen', 'false')}, false) OR {some}"
    if "stop_details" in inner:
        columns["refusal_category"] = "r.stop_details.category"
    blocks = "r.prompt_blocks" if "prompt_blocks" in inner else None
    if asks or blocks:
        columns["listed_blocks" if asks else "prompt_blocks"] = blocks or f"NULL::{BLOCK}[]"
    record = [] if around[0].struct == "r" else [body.Around("r", inner, ())]
    if tags := body.tags_of([*record, *around], "tags" in inner):
        columns["tags"] = tags
    counted = [f"r.{identifier(name)}" for name in own.get("output_blocks", ())]
    if "content" in inner:
        counted.append("CAST(json_array_length(r.content) AS VARCHAR)")
    if counted:
        columns["content_blocks"] = f"coalesce({', '.join(counted)})"
    if "diagnostics" in inner:
        columns |= misses_of("r.diagnostics")
    if asks:
        columns = dict.fromkeys(pairs.NEEDED, "NULL::VARCHAR") | columns
        columns |= {"effort": coalesced(f"{r}.output_config.effort" for r in asked), "request": coalesced(asked)}
    counts_in = [
        *(f"r.{name}" for name in ("usage", "usage_metadata") if name in inner),
        *(f"r.{identifier(n)}" for field in ("input_tokens", "output_tokens") for n in own.get(field, ())),
    ]
    nothing = " AND ".join(f"{value} IS NULL" for value in counts_in) or "true"
    repeats = ""
    if span := next((one.struct for one in around if one.span), None):
        repeats, steps = spans.told(span, nothing)
        columns["requests"] = coalesced([*([columns["requests"]] if "requests" in columns else []), steps])
    named = f"""
        SELECT
            {place},
            CASE WHEN text IS NULL THEN 'not valid JSON' ELSE unread END AS reject,
            CASE WHEN {nothing} THEN 'record without usage' {repeats} END AS ignore,
            {", ".join(f'{sql} AS "{name}"' for name, sql in columns.items())}
        FROM ({records})"""
    return pairs.with_request(named) if asks else named


MESSAGES = Ingestor(
    name="messages",
    title="JSON with a Messages usage block: responses, request/response pairs, application records, structured logs",
    kind=Kind.LINES,
    recognise=_recognise,
    select=select,
    keyed=keyed,
    rank=90,
    doc=__doc__,
)
