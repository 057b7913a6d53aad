"""JSON with a Messages `usage` block, or flat token counts, anywhere sensible: one record a line, or whole files of JSON.

Recognised by a `usage` object or token counts (names in claude_audit.aliases) at the top of a record, or inside what
logs wrap around it: a bare response, a request and response pair, an application's own record, lines of structlog,
loguru, python-json-logger or a log collector. The record's own time and labels win over the wrapper's. A line may list
records (a JSON array, `{"data": [...]}`, a conversation's messages): each is read by itself, and counts as a line. A
usage block may stand in a string, as JSON or as Python prints it, and be spelt in any case (`Usage: {InputTokens}`);
one that cannot be read rejects its record. Of Mastra's spans a generation counts, and not its steps too.

LangChain's `usage_metadata` is read too; its input includes what was read from and written to the cache. Where
LangChain or the AI SDK log the API's own block beside theirs (`response_metadata`, `providerMetadata`), that one
counts. Of the AI SDK's finished answers each of the `steps` is a call; where they are not logged, `totalUsage` is
counted. It, what Strands accumulates and Pydantic AI's runs of several `requests` are sums that cannot be split: their
tokens are counted, at base rates, and flagged (`sums_only`, `band_unknown`).

Tells: whatever the usage block tells (all token classes, TTL split, tier, speed, geography, searches, passes), and the
fields that the record names. Of request and response pairs also: hashes and sizes of the prompt's blocks, the output cap,
tools, images. Cannot tell: what was not logged; a bare response has no time, endpoint or request id (its file's time is
taken, and flagged). Text is never kept.
"""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from claude_audit.aliases import field_of, fields, taggable
from claude_audit.ingestors import Head, Ingestor, Kind, Reading, parsed
from claude_audit.ingestors import _extended as extended
from claude_audit.ingestors import _pairs as pairs
from claude_audit.ingestors import _spans as spans
from claude_audit.ingestors import _spelling as spelling
from claude_audit.ingestors import _wrapped as wrapped
from claude_audit.ingestors._counted import (
    AS_RETURNED,
    LANGCHAIN_USAGE,
    SPREAD_OUT,
    SUMS,
    coalesced,
    counts,
    first,
    returned,
)
from claude_audit.ingestors._counted import BLOCK as ALL_NAMES
from claude_audit.ingestors._messages_usage import DIAGNOSTICS, USAGE, misses_of
from claude_audit.ingestors._restyled import counts_in, restyled, usage_blocks
from claude_audit.ingestors._unfolded import LISTS, STEPS, unfolded
from claude_audit.pieces import identifier, quoted
from claude_audit.usage import BLOCK

BODY = {
    "usage": ALL_NAMES,
    "usage_metadata": LANGCHAIN_USAGE,
    **SPREAD_OUT,
    **{name: structure for name, (structure, _) in AS_RETURNED.items()},
    "response_metadata": {
        **dict.fromkeys(("id", "model", "model_name", "stop_reason"), "VARCHAR"),
        **AS_RETURNED["response_metadata"][0],
    },
    "response": {"id": "VARCHAR", "modelId": "VARCHAR", "model": "VARCHAR"},
    "stop_details": {"category": "VARCHAR"},
    "content": "JSON",
    "prompt_blocks": [{"hash": "VARCHAR", "tokens": "BIGINT", "kind": "VARCHAR", "breakpoint": "BOOLEAN"}],
    "tags": "JSON",
    "diagnostics": DIAGNOSTICS,
}
REQUEST = {
    "model": "VARCHAR",
    "max_tokens": "VARCHAR",
    "stream": "VARCHAR",
    "thinking": {"type": "VARCHAR"},
    "output_config": {"effort": "VARCHAR"},
    "tools": "JSON",
    "system": "JSON",
    "messages": "JSON",
}
OUTSIDE = {"request": REQUEST, "record": {"time": {"timestamp": "VARCHAR"}}}
"""Objects beside a record, or around it, that tell of it."""
NOT_TAGS = frozenset((*BODY, "type", "role", "stop_sequence", "container", "context_management", "object", "request"))
MOST_LISTED = 20
"""Records of a list, that a log is recognised by."""
MOST_LOOKED_AT = 200
"""Lines with counts, that a log is recognised by."""
MOST_TAGS = 64
"""Unknown fields that become tags, of one ingest; a log with more is no place to attribute by."""


def token_record(record: object) -> bool:
    """Whether a JSON object, or what it wraps or lists, holds a usage block or token counts."""

    def holds(value: object, depth: int) -> bool:
        if isinstance(value, str) and value.lstrip()[:1] in ("{", "["):
            value = parsed(value)
        if isinstance(value, list):
            return any(holds(inside, depth) for inside in value[:MOST_LISTED])
        if not isinstance(value, dict):
            return False
        named = {field_of(name) for name in value}
        if "input_tokens" in named or "output_tokens" in named or any(map(counts_in, usage_blocks(value))):
            return True
        lists = [value[name] for name in (*LISTS, STEPS) if isinstance(value.get(name), list)]
        return depth < 3 and any(
            holds(inside, depth + 1) for inside in (*lists, *(value[name] for name in wrapped.containers(value)))
        )

    return holds(record, 0)


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


@dataclass(frozen=True, slots=True)
class _Around:
    """An object around a record, or the record itself."""

    struct: str
    """The SQL name of what is read of it."""
    names: Sequence[str]
    """Its keys."""
    outside: Collection[str]
    """Which of OUTSIDE it has."""

    @property
    def span(self) -> bool:
        """Whether it is a span."""
        return {*self.names} >= spans.KEYS

    @property
    def shape(self) -> dict[str, Any]:
        """What is read of it, for json_transform."""
        wanted = (*_unknown(self.names), *(name for name in self.names if field_of(name)))
        if self.span:
            wanted += ("type",)
        return {**dict.fromkeys(wanted, "VARCHAR"), **{name: OUTSIDE[name] for name in self.outside}} or OUTSIDE


def _around(struct: str, keys: Sequence[Sequence[str]]) -> _Around:
    """Of objects with these keys. Of too many to know them all, each may hold what is OUTSIDE."""
    names = spelling.union(keys)
    outside = [name for name in OUTSIDE if name in names or len(keys) == wrapped.MOST_KEYS]
    return _Around(struct, spelling.told_apart(names), outside)


def _named(reading: Reading, lines: str, keys: Sequence[Sequence[str]], place: str, number: int) -> str:
    """SQL: the calls of records that hold their counts themselves, or none."""
    found = restyled(reading, lines, "text", keys, f"restyled_{number}")
    known = _around("r", found.keys)
    shape = {**_body_of(known.names, plain=found.plain), **known.shape}
    records = f"""
        SELECT {place}, text, {found.unread} AS unread, json_transform(text, {quoted(json.dumps(shape))}) AS r FROM {found.rows}"""
    return _calls(records, place, known.names, [known], plain=found.plain, models=found.models)


def _wrapped(reading: Reading, lines: str, keys: Sequence[Sequence[str]], place: str, number: int = 0) -> str:
    """SQL: the calls of lines with something around their records. `number`: tells them from others that are read now."""
    found = wrapped.unwrapped(reading, lines, keys, number, place)
    texts = {f"o{level}": f"between[{level}]" for level in range(len(found.between), 0, -1)} | {"o0": "text"}
    around = [_around(f"o{level}", listed) for level, listed in reversed([*enumerate([keys, *found.between])])]
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
            TRY(json_transform(body, {quoted(json.dumps(_body_of(inner, plain=plain)))})) AS r, {outer}
        FROM {bodies.rows} {f"WHERE {no} {wrapped.among('keys', these)}" if apart else ""}"""
        parts.append(_calls(records, place, inner, around, plain=plain))
    return "\nUNION ALL BY NAME\n".join(f"SELECT * FROM ({part})" for part in parts) if apart else parts[0]


def _body_of(names: Sequence[str], *, plain: bool = False) -> dict[str, Any]:
    """What is read of a record with these keys, for json_transform."""
    own = {name: USAGE if plain and name == "usage" else BODY[name] for name in names if name in BODY}
    named = [name for name in names if name not in BODY and field_of(name)]
    return {**own, **dict.fromkeys((*named, *_unknown(names)), "VARCHAR")} or BODY


def _unknown(names: Sequence[str]) -> list[str]:
    """The fields that become tags."""
    away = NOT_TAGS | {*wrapped.WRAPPERS, *wrapped.STRINGS}
    return sorted(name for name in names if name not in away and not field_of(name) and taggable(name))[:MOST_TAGS]


def _calls(
    records: str,
    place: str,
    inner: Sequence[str],
    around: Sequence[_Around],
    *,
    plain: bool = False,
    models: bool = True,
) -> str:
    """SQL: the call columns that `records` can fill, by the keys of the record, `r`, and of what is around it, which tells
    what the record does not: the nearest first.
    """
    own = fields(inner)
    asked = [f"{one.struct}.request" for one in around if "request" in one.outside]
    asks = bool(asked)
    columns = _own(own, inner, around, plain=plain, models=models) | counts(own, inner, plain=plain)
    if "stop_details" in inner:
        columns["refusal_category"] = "r.stop_details.category"
    blocks = "r.prompt_blocks" if "prompt_blocks" in inner else None
    if asks or blocks:
        columns["listed_blocks" if asks else "prompt_blocks"] = blocks or f"NULL::{BLOCK}[]"
    record = [] if around[0].struct == "r" else [_Around("r", inner, ())]
    if tags := _tags([*record, *around], "tags" in inner):
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


OWN = (
    "ts endpoint model_raw latency_ms ttft_ms cost_reported_usd user session request_id "
    "message_id tier speed geo workspace api_key team project environment provider region "
    "max_tokens stop_reason stream tools_defined tools_used message_count has_images thinking task "
    "latency_tolerant unit status retry_of request_hash prefix_hash"
).split()


MODEL_IDS = ("modelId", "model_id", "id", "model", "name")
"""What an object under the name of a model calls the model's id: the AI SDK's `{provider, modelId}`, applications' own."""


def model_in(text: str) -> str:
    """SQL: the model's id in an object."""
    return f"coalesce({', '.join(f'json_extract_string({text}, {quoted(wrapped.at(name))})' for name in MODEL_IDS)})"


MAY_BE_OBJECTS = ("ts", "endpoint", "thinking", "user")
"""Fields under whose names others log objects: a request's `thinking`, the `agent` and `user` of a log collector."""


def _own(
    inner: Mapping[str, list[str]], body: Collection[str], around: Sequence[_Around], *, plain: bool, models: bool
) -> dict[str, str]:
    """Column -> SQL of the record's own fields, of its wrappers' where it has none.

    `body`: keys of the record. The time and the tier are always among the columns.
    """
    outer = [(one.struct, fields(one.names)) for one in around if one.struct != "r"]

    def value(field: str) -> str | None:
        found = [*first(inner, field, "r"), *(sql for struct, names in outer for sql in first(names, field, struct))]
        if field == "model_raw" and models:
            found = [f"CASE WHEN {sql} LIKE '{{%' THEN {model_in(sql)} ELSE {sql} END" for sql in found]
        if field in MAY_BE_OBJECTS:
            found = [f"CASE WHEN {sql} NOT LIKE '{{%' THEN {sql} END" for sql in found]
        return coalesced(found) if found else None

    special: dict[str, list[str]] = defaultdict(list)
    for one in around:
        if "record" in one.outside:
            special["ts"].append(f'{one.struct}.record."time"."timestamp"')
        if "request" in one.outside:
            asked = f"{one.struct}.request"
            for name, field in (("max_tokens", "max_tokens"), ("stream", "stream"), ("model_raw", "model")):
                special[name].append(f"{asked}.{field}")
            special["thinking"].append(f"CASE WHEN {asked}.thinking.\"type\" = 'enabled' THEN 'true' END")
    if "response_metadata" in body:  # LangChain's: what the answer says beside its usage
        told = "r.response_metadata"
        special["model_raw"] += [f"{told}.model_name", f"{told}.model"]
        special["message_id"].append(f"{told}.id")
        special["stop_reason"].append(f"{told}.stop_reason")
    if "response" in body:  # beside the usage, as the AI SDK has it
        special["model_raw"] = ["r.response.modelId", "r.response.model", *special["model_raw"]]
        special["message_id"].append("CASE WHEN r.response.id LIKE 'msg%' THEN r.response.id END")
    columns = {}
    for field in OWN:
        if found := value(field):
            columns[field] = found
        if more := special.get(field):
            columns[field] = f"coalesce({', '.join([*([found] if found else []), *more])})"
    usage = "usage" in body
    if bare := value("bare_id"):
        for name, prefix in (("message_id", "msg"), ("request_id", "req_")):
            like = f"CASE WHEN {bare} LIKE '{prefix}%' THEN {bare} END"
            columns[name] = f"coalesce({columns[name]}, {like})" if name in columns else like
    if seconds := value("latency_s"):
        counted = f"CAST(TRY_CAST({seconds} AS DOUBLE) * 1000 AS VARCHAR)"
        columns["latency_ms"] = f"coalesce({columns['latency_ms']}, {counted})" if "latency_ms" in columns else counted
    batch = value("is_batch")
    tiers = [columns["tier"]] if "tier" in columns else []
    tiers += returned(body, "service_tier", plain=plain)
    tiers += [
        *(["r.usage.service_tier"] if usage else []),
        *([f"CASE WHEN truth({batch}) THEN 'batch' END"] if batch else []),
    ]
    columns["tier"] = f"coalesce({', '.join(tiers)}, NULL)" if tiers else "NULL::VARCHAR"
    for name, said in (("speed", "speed"), ("geo", "inference_geo")):
        known = [*returned(body, said, plain=plain), *([f"r.usage.{said}"] if usage else [])]
        if known:
            columns[name] = coalesced([*known, *([columns[name]] if name in columns else [])])
    summed = usage and not plain
    if several := [sql for sql in (value("calls"), "r.usage.requests" if summed else None) if sql]:
        columns["requests"] = coalesced(several)
    if summed:
        columns["notes"] = f"CASE WHEN r.usage.{SUMS} = 'true' THEN ['{SUMS}'] END"
    if cost := value("cost_reported_usd"):
        columns |= {"cost_reported_usd": cost, "cost_reported_by": f"CASE WHEN {cost} IS NOT NULL THEN 'client' END"}
    if "content" in body:
        kinds = "json_extract_string(r.content, '$[*].type')"
        called = f"CAST(len(list_filter({kinds}, lambda t: t = 'tool_use')) AS VARCHAR)"
        used = f"CASE WHEN r.content IS NOT NULL THEN {called} END"
        columns["tools_used"] = f"coalesce({columns['tools_used']}, {used})" if "tools_used" in columns else used
    columns.setdefault("ts", "NULL::VARCHAR")
    return columns


def _tags(around: Sequence[_Around], tagged: bool) -> str | None:
    """SQL: the record's `tags`, and the unknown scalar fields around it, short ones only: text is never kept."""
    unknown: dict[str, list[str]] = {}
    for one in around:
        for name in _unknown(one.names):
            unknown.setdefault(name, []).append(f"{one.struct}.{identifier(name)}")
    entries = ", ".join(f"{{'k': {quoted(name)}, 'v': {coalesced(values)}}}" for name, values in unknown.items())
    kept = (
        "lambda e: e.v IS NOT NULL AND strlen(e.v) <= 200 AND NOT starts_with(e.v, '{') AND NOT starts_with(e.v, '[')"
    )
    if not tagged:
        return f"map_from_entries(list_filter([{entries}], {kept}))" if unknown else None
    own = """list_transform(map_entries(TRY(from_json(r.tags, '"MAP(VARCHAR, VARCHAR)"'))), lambda e: {'k': e.key, 'v': e.value})"""
    own = f"CASE WHEN json_type(r.tags) = 'OBJECT' THEN coalesce({own}, []) ELSE [] END"
    if not unknown:
        return f"map_from_entries(list_filter({own}, {kept}))"
    fresh = "lambda e: json_type(r.tags) IS DISTINCT FROM 'OBJECT' OR NOT list_contains(json_keys(r.tags), e.k)"
    return f"map_from_entries(list_filter(list_concat({own}, list_filter([{entries}], {fresh})), {kept}))"


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
