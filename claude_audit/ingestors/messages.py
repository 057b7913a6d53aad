"""JSON with a Messages `usage` block, or flat token counts, anywhere sensible: one record a line, or whole files of JSON.

Recognised by a `usage` object or token counts (names in claude_audit.aliases) at the top of a record, or inside what logs
wrap around it: a bare response, a request and response pair, an application's own record, lines of structlog, loguru,
python-json-logger or a log collector. The record's own time and labels win over the wrapper's. LangChain's
`usage_metadata` is read too; its input includes what was read from and written to the cache.

Tells: whatever the usage block tells (all token classes, TTL split, tier, speed, geography, searches, passes), and the
fields that the record names. Of request and response pairs also: hashes and sizes of the prompt's blocks, the output cap,
tools, images. Cannot tell: what was not logged; a bare response has no time, endpoint or request id (its file's time is
taken, and flagged). Text is never kept.
"""

from __future__ import annotations

import json
from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import Any

from claude_audit.aliases import field_of, fields, inclusive, taggable
from claude_audit.ingestors import Head, Ingestor, Kind, Reading
from claude_audit.ingestors import _pairs as pairs
from claude_audit.ingestors import _wrapped as wrapped
from claude_audit.ingestors._messages_usage import DIAGNOSTICS, USAGE, counts_of, misses_of
from claude_audit.pieces import quoted
from claude_audit.usage import BLOCK

OPENAI_USAGE = {
    "prompt_tokens": "VARCHAR",
    "completion_tokens": "VARCHAR",
    "prompt_tokens_details": {"cached_tokens": "VARCHAR"},
}
LANGCHAIN_USAGE = {
    "input_tokens": "VARCHAR",
    "output_tokens": "VARCHAR",
    "input_token_details": {
        "cache_read": "VARCHAR",
        "cache_creation": "VARCHAR",
        "ephemeral_5m_input_tokens": "VARCHAR",
        "ephemeral_1h_input_tokens": "VARCHAR",
    },
    "output_token_details": {"reasoning": "VARCHAR"},
}
DETAILED_USAGE = {
    "input_token_details": LANGCHAIN_USAGE["input_token_details"],
    "input_tokens_details": {"cached_tokens": "VARCHAR"},
}
"""Parts of an input that includes them: LangChain's, and those of OpenAI's newer interface."""
BODY = {
    "usage": {**USAGE, **OPENAI_USAGE, **DETAILED_USAGE},
    "usage_metadata": LANGCHAIN_USAGE,
    "response_metadata": {"id": "VARCHAR", "model": "VARCHAR", "model_name": "VARCHAR", "stop_reason": "VARCHAR"},
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
MOST_TAGS = 64
"""Unknown fields that become tags, of one ingest; a log with more is no place to attribute by."""


def token_record(record: Mapping[str, Any]) -> bool:
    """Whether a JSON object, or what it wraps, holds a usage block or token counts."""

    def holds(value: object, depth: int) -> bool:
        if isinstance(value, str) and value.lstrip().startswith("{"):
            try:
                value = json.loads(value)
            except (ValueError, RecursionError):
                return False
        if not isinstance(value, dict):
            return False
        for usage in (value.get("usage"), value.get("usage_metadata")):
            if isinstance(usage, dict) and any(field_of(k) in ("input_tokens", "output_tokens") for k in usage):
                return True
        named = {field_of(k) for k in value}
        if "input_tokens" in named or "output_tokens" in named:
            return True
        return depth < 3 and any(holds(value[c], depth + 1) for c in wrapped.CONTAINERS if c in value)

    return holds(record, 0)


def _recognise(head: Head) -> bool:
    return any(token_record(r) for r in head.records)


def select(reading: Reading, lines: str = "lines") -> str:
    """The SELECT for the JSON in a relation `lines(file, line, text, keys)` (see keyed()).

    The keys are looked up first, and mapped by name. Records that hold their counts themselves are told apart from lines
    that are wrapped around a record: each kind costs what it needs.
    """
    keys = wrapped.lists(reading, "keys", lines)
    bare = [names for names in keys if wrapped.counts_here(names)]
    others = [names for names in keys if not wrapped.counts_here(names)]
    if not others:
        return _named(lines, bare)
    if not bare or len(others) > wrapped.MOST_WRAPPED:
        return _wrapped(reading, lines, keys)
    among = wrapped.among("keys", others)
    parts = [_wrapped(reading, f"(SELECT * FROM {lines} WHERE {among})", others)]
    parts.append(_named(f"(SELECT * FROM {lines} WHERE NOT {among})", bare))
    return "\nUNION ALL BY NAME\n".join(f"SELECT * FROM ({part})" for part in parts)


def keyed(lines: str, *also: str) -> str:
    """SQL: the relation `lines(file, line, text)` of text that may be no JSON, as select() wants it.

    `text` is null then; `keys` are those of an object. `also`: further columns to hand on.
    """
    more = "".join(f", {name}" for name in also)
    return f"""
        SELECT file, line, CASE WHEN is_json(text) THEN mended(text) END AS text, TRY(json_keys(mended(text))) AS keys{more}
        FROM {lines}"""


def _named(lines: str, keys: Sequence[Sequence[str]]) -> str:
    """SQL: the calls of records that hold their counts themselves, or none."""
    names = {name for listed in keys for name in listed}
    known = _told_apart(_union(keys))
    shape = {**_body_of(known), **_around(known, names, truncated=len(keys) == wrapped.MOST_KEYS)}
    records = f"SELECT file, line, text, json_transform(text, {quoted(json.dumps(shape))}) AS r, r AS o FROM {lines}"
    return _calls(records, known, known, names)


def _wrapped(reading: Reading, lines: str, keys: Sequence[Sequence[str]]) -> str:
    """SQL: the calls of lines with something around their records."""
    names = set(OUTSIDE) if len(keys) == wrapped.MOST_KEYS else {name for listed in keys for name in listed}
    bodies, found = wrapped.unwrapped(reading, lines, keys)
    inner, outer = _told_apart(_union(found)), _told_apart(_union(keys))
    around = _around(outer, names, truncated=len(keys) == wrapped.MOST_KEYS) or OUTSIDE
    records = f"""
        SELECT file, line, text, TRY(json_transform(body, {quoted(json.dumps(_body_of(inner)))})) AS r,
            json_transform(text, {quoted(json.dumps(around))}) AS o
        FROM ({bodies})"""
    return _calls(records, inner, outer, names)


def _body_of(names: Sequence[str]) -> dict[str, Any]:
    """What is read of a record with these keys, for json_transform."""
    own = {name: BODY[name] for name in names if name in BODY}
    return {**own, **{name: "VARCHAR" for name in names if name not in BODY and field_of(name)}} or BODY


def _around(names: Sequence[str], present: Collection[str], *, truncated: bool) -> dict[str, Any]:
    """What is read of a line beside the record, or around it."""
    wanted = {**dict.fromkeys((*_unknown(names), *(name for name in names if field_of(name))), "VARCHAR")}
    return wanted | {name: shape for name, shape in OUTSIDE.items() if truncated or name in present}


def _unknown(names: Sequence[str]) -> list[str]:
    """The fields that become tags."""
    away = NOT_TAGS | {*wrapped.CONTAINERS}
    return sorted(name for name in names if name not in away and not field_of(name) and taggable(name))[:MOST_TAGS]


def _calls(records: str, inner: Sequence[str], outer: Sequence[str], names: Collection[str]) -> str:
    """SQL: the call columns that `records` (r: the record, o: what is around it) can fill, by their keys."""
    own, around = fields(inner), fields(outer)
    asks = "request" in names
    columns = _own(own, around, inner, names) | _counts(own, inner)
    if "stop_details" in inner:
        columns["refusal_category"] = "r.stop_details.category"
    blocks = "r.prompt_blocks" if "prompt_blocks" in inner else None
    if asks or blocks:
        columns["listed_blocks" if asks else "prompt_blocks"] = blocks or f"NULL::{BLOCK}[]"
    if tags := _tags(_unknown(outer), "tags" in inner):
        columns["tags"] = tags
    counted = [f"r.{_quoted(name)}" for name in own.get("output_blocks", ())]
    if "content" in inner:
        counted.append("CAST(json_array_length(r.content) AS VARCHAR)")
    if counted:
        columns["content_blocks"] = f"coalesce({', '.join(counted)})"
    if "diagnostics" in inner:
        columns |= misses_of("r.diagnostics")
    if asks:
        columns = dict.fromkeys(pairs.NEEDED, "NULL::VARCHAR") | columns
        columns |= {"effort": "o.request.output_config.effort", "request": "o.request"}
    counts_in = [
        *(f"r.{name}" for name in ("usage", "usage_metadata") if name in inner),
        *(f"r.{_quoted(n)}" for field in ("input_tokens", "output_tokens") for n in own.get(field, ())),
    ]
    nothing = " AND ".join(f"{value} IS NULL" for value in counts_in) or "true"
    named = f"""
        SELECT
            file, line,
            CASE WHEN text IS NULL THEN 'not valid JSON' END AS reject,
            CASE WHEN {nothing} THEN 'record without usage' END AS ignore,
            {", ".join(f'{sql} AS "{name}"' for name, sql in columns.items())}
        FROM ({records})"""
    return pairs.with_request(named) if asks else named


def _union(keys: Iterable[Sequence[str]]) -> list[str]:
    return list(dict.fromkeys(name for names in keys for name in names))


def _told_apart(names: Iterable[str]) -> list[str]:
    """The names without those that differ from an earlier one in case only: the engine's structs hold one of them."""
    seen: dict[str, str] = {}
    for name in names:
        seen.setdefault(name.lower(), name)
    return list(seen.values())


def _first(named: Mapping[str, list[str]], field: str, struct: str) -> list[str]:
    """SQL: the recorded values of the names of `field`, the likeliest first."""
    return [f"{struct}.{_quoted(name)}" for name in named.get(field, ())]


def _quoted(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'


OWN = (
    "ts endpoint model_raw latency_ms ttft_ms cost_reported_usd user session request_id "
    "message_id tier speed geo workspace api_key team project environment provider region "
    "max_tokens stop_reason stream tools_defined tools_used message_count has_images thinking task "
    "latency_tolerant unit status retry_of request_hash prefix_hash"
).split()


def _own(
    inner: Mapping[str, list[str]], outer: Mapping[str, list[str]], body: Collection[str], names: Collection[str]
) -> dict[str, str]:
    """Column -> SQL of the record's own fields, of its wrapper's where it has none.

    `body`: keys of the record; `names`: of it, or of its wrapper. The time and the tier are always among the columns.
    """
    wrapped = inner is not outer

    def value(field: str, *more: str) -> str | None:
        found = _first(inner, field, "r") + (_first(outer, field, "o") if wrapped else []) + list(more)
        return f"coalesce({', '.join(found)})" if len(found) > 1 else next(iter(found), None)

    special: dict[str, tuple[str, ...]] = {}
    if "record" in names:
        special["ts"] = ('o.record."time"."timestamp"',)
    if "request" in names:
        special |= {name: (f"o.request.{name}",) for name in ("max_tokens", "stream")} | {
            "model_raw": ("o.request.model",),
            "thinking": ("CASE WHEN o.request.thinking.\"type\" = 'enabled' THEN 'true' END",),
        }
    if "response_metadata" in body:  # LangChain's: what the answer says beside its usage
        told = "r.response_metadata"
        special["model_raw"] = (*special.get("model_raw", ()), f"{told}.model_name", f"{told}.model")
        special |= {"message_id": (f"{told}.id",), "stop_reason": (f"{told}.stop_reason",)}
    columns = {}
    for field in OWN:
        if found := value(field):
            if field in ("ts", "thinking", "user"):
                found = f"CASE WHEN {found} LIKE '{{%' THEN NULL ELSE {found} END"
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
    tiers += ["r.usage.service_tier"] if usage else []
    tiers += [f"CASE WHEN truth({batch}) THEN 'batch' END"] if batch else []
    columns["tier"] = f"coalesce({', '.join(tiers)}, NULL)" if tiers else "NULL::VARCHAR"
    for name, said in (("speed", "r.usage.speed"), ("geo", "r.usage.inference_geo")):
        if usage:
            columns[name] = f"coalesce({said}, {columns[name]})" if name in columns else said
    if calls := value("calls"):
        columns["requests"] = calls
    if cost := value("cost_reported_usd"):
        columns |= {"cost_reported_usd": cost, "cost_reported_by": f"CASE WHEN {cost} IS NOT NULL THEN 'client' END"}
    if "content" in body:
        kinds = "json_extract_string(r.content, '$[*].type')"
        called = f"CAST(len(list_filter({kinds}, lambda t: t = 'tool_use')) AS VARCHAR)"
        used = f"CASE WHEN r.content IS NOT NULL THEN {called} END"
        columns["tools_used"] = f"coalesce({columns['tools_used']}, {used})" if "tools_used" in columns else used
    columns.setdefault("ts", "NULL::VARCHAR")
    return columns


COUNTED = (
    "input_tokens output_tokens cache_read_tokens cache_write_tokens cache_write_5m_tokens "
    "cache_write_1h_tokens thinking_tokens web_searches"
).split()


LANGCHAIN = {
    "input_tokens": "input_tokens",
    "output_tokens": "output_tokens",
    "cache_read_tokens": "input_token_details.cache_read",
    "cache_write_tokens": "input_token_details.cache_creation",
    "cache_write_5m_tokens": "input_token_details.ephemeral_5m_input_tokens",
    "cache_write_1h_tokens": "input_token_details.ephemeral_1h_input_tokens",
    "thinking_tokens": "output_token_details.reasoning",
}


def _counts(named: Mapping[str, list[str]], body: Collection[str]) -> dict[str, str]:
    """Column -> SQL of the counts of the usage block, else of LangChain's, else of those in flat fields.

    `body`: keys of the record.
    """
    usage, langchain = "usage" in body, "usage_metadata" in body
    flat = {name: _first(named, name, "r") for name in COUNTED}
    if langchain:
        flat = {
            name: [*(f"r.usage_metadata.{p}" for p in (LANGCHAIN.get(name),) if p), *sql] for name, sql in flat.items()
        }
    flat_counts = {
        name: f"coalesce({', '.join(found)})" if len(found) > 1 else found[0] for name, found in flat.items() if found
    }
    flat_inclusive = {True: "true", False: "false", None: "true"}[inclusive(named)]
    unseen = str("cache_read_tokens" not in named and "cache_write_tokens" not in named).lower()
    if langchain:
        flat_inclusive = f"r.usage_metadata IS NOT NULL OR {flat_inclusive}"
        unseen = f"r.usage_metadata IS NULL AND {unseen}"
    if not usage:
        return {**flat_counts, "inclusive": flat_inclusive, "cache_unseen": unseen}
    block = {name: sql for name, sql in counts_of("r.usage").items() if name not in ("tier", "geo", "speed")}
    block["input_tokens"] = f"coalesce({block['input_tokens']}, r.usage.prompt_tokens)"
    block["output_tokens"] = f"coalesce({block['output_tokens']}, r.usage.completion_tokens)"
    parts = {name: f"r.usage.{path}" for name, path in LANGCHAIN.items() if name.startswith("cache_")}
    openai_cached = "r.usage.prompt_tokens_details.cached_tokens, r.usage.input_tokens_details.cached_tokens"
    block |= {name: f"coalesce({block[name]}, {part})" for name, part in parts.items()}
    block["cache_read_tokens"] = f"coalesce({block['cache_read_tokens']}, {openai_cached})"
    openai = (
        "r.usage.cache_read_input_tokens IS NULL AND CASE WHEN r.usage.input_tokens IS NULL "
        f"THEN r.usage.prompt_tokens IS NOT NULL ELSE coalesce({', '.join(parts.values())}, {openai_cached}) IS NOT NULL END"
    )
    if not flat_counts:
        return {**block, "inclusive": f"r.usage IS NOT NULL AND {openai}"}
    both = {
        name: f"CASE WHEN r.usage IS NOT NULL THEN {sql} ELSE {flat_counts[name]} END" if name in flat_counts else sql
        for name, sql in block.items()
    }
    return {
        **both,
        "inclusive": f"CASE WHEN r.usage IS NOT NULL THEN {openai} ELSE ({flat_inclusive}) END",
        "cache_unseen": f"r.usage IS NULL AND {unseen}",
    }


def _tags(unknown: Sequence[str], tagged: bool) -> str | None:
    """SQL: the record's `tags`, and its unknown scalar fields, short ones only: text is never kept."""
    entries = ", ".join(f"{{'k': {quoted(name)}, 'v': o.{_quoted(name)}}}" for name in unknown)
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
