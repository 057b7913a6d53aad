"""JSON with a Messages `usage` block, or flat token counts, anywhere sensible: one record a line, or whole files of JSON.

Recognised by a `usage` object or token counts (names in claude_audit.aliases) at the top of a record, or inside what logs
wrap around it: a bare response, a request and response pair, an application's own record, lines of structlog, loguru,
python-json-logger or a log collector. The record's own time and labels win over the wrapper's.

Tells: whatever the usage block tells (all token classes, TTL split, tier, speed, geography, searches, passes), and the
fields that the record names. Of request and response pairs also: hashes and sizes of the prompt's blocks, the output cap,
tools, images. Cannot tell: what was not logged; a bare response has no time, endpoint or request id (its file's time is
taken, and flagged). Text is never kept.
"""

from __future__ import annotations

import json
import re
from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import Any

from claude_audit.aliases import field_of, fields, inclusive, taggable
from claude_audit.ingestors import Head, Ingestor, Kind, Reading
from claude_audit.ingestors import _pairs as pairs
from claude_audit.ingestors._messages_usage import DIAGNOSTICS, USAGE, counts, misses
from claude_audit.pieces import quoted, quoted_list

WRAPPERS = ("response", "message", "result", "body", "data", "jsonPayload", "_source", "fields", "event", "record")
STRINGS = ("message", "msg", "log", "line", "@message", "MESSAGE", "textPayload")
CONTAINERS = tuple(dict.fromkeys((*WRAPPERS, *STRINGS, "extra")))
"""Where a record may stand inside what a log wraps around it: objects, or strings of JSON."""

OPENAI_USAGE = {
    "prompt_tokens": "VARCHAR",
    "completion_tokens": "VARCHAR",
    "prompt_tokens_details": {"cached_tokens": "VARCHAR"},
}
BODY = {
    "usage": {**USAGE, **OPENAI_USAGE},
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
COUNTED_IN = frozenset(
    "usage inputtokens prompttokens tokensin inputtokencount outputtokens completiontokens tokensout".split()
)
"""A key of a record with counts, in small letters and digits only."""
MOST_WRAPPED = 500
MOST_KEYS = 20_000
"""Different lists of keys that are looked at."""
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
        usage = value.get("usage")
        if isinstance(usage, dict) and any(field_of(k) in ("input_tokens", "output_tokens") for k in usage):
            return True
        named = {field_of(k) for k in value}
        if "input_tokens" in named or "output_tokens" in named:
            return True
        return depth < 3 and any(holds(value[c], depth + 1) for c in CONTAINERS if c in value)

    return holds(record, 0)


def _recognise(head: Head) -> bool:
    return any(token_record(r) for r in head.records)


def select(reading: Reading, lines: str = "lines") -> str:
    """The SELECT for the JSON in a relation like the view `lines`: its keys are looked up first, and mapped by name."""
    keys = _keys(reading, "text", lines)
    direct = all("usage" in names or _has_counts(names) for names in keys)
    outer = _told_apart(_union(keys))
    bare = [n for n in keys if not COUNTED_IN.isdisjoint(re.sub(r"[^a-z0-9]", "", k.lower()) for k in n)]
    wrapped = _among("text", [names for names in keys if names not in bare])
    inner = outer if direct else _told_apart(_union([*bare, *_keys(reading, _body("text"), lines, wrapped)]))
    body = "text" if direct else f"CASE WHEN {wrapped} THEN {_body('text')} ELSE text END"
    inner_fields, outer_fields = fields(inner), fields(outer)
    unknown = sorted(k for k in outer if k not in NOT_TAGS | {*CONTAINERS} and not field_of(k) and taggable(k))[
        :MOST_TAGS
    ]
    structure = {**BODY, **{k: "VARCHAR" for k in inner if k not in BODY and field_of(k)}}
    names = set(OUTSIDE) if len(keys) == MOST_KEYS else {name for listed in keys for name in listed}
    wrapper = {
        **dict.fromkeys((*unknown, *(k for k in outer if field_of(k))), "VARCHAR"),
        **{name: shape for name, shape in OUTSIDE.items() if name in names},
    }
    if direct:  # what stands at the top is looked at once
        shape = quoted(json.dumps({**structure, **wrapper}))
        records = f"""
            SELECT *, r AS o
            FROM (SELECT file, line, is_json(text) AS valid, json_record(text, {shape}) AS r FROM {lines})"""
    else:
        records = f"""
            SELECT file, line, is_json(text) AS valid,
                {_transform(body, structure)} AS r, {_transform("text", wrapper or OUTSIDE)} AS o
            FROM {_valid_lines(lines)}"""
    asks = "request" in names
    named = f"""
        WITH parsed AS ({records})
        SELECT
            file, line,
            CASE WHEN NOT valid THEN 'not valid JSON' END AS reject,
            CASE WHEN r IS NULL OR {_nothing(inner_fields)} THEN 'record without usage' END AS ignore,
            {_own(inner_fields, outer_fields, names)},
            {_counts(inner_fields)},
            r.stop_details.category AS refusal_category,
            r.prompt_blocks AS {"listed_blocks" if asks else "prompt_blocks"},
            {_tags(unknown)} AS tags,
            coalesce({_first(inner_fields, "output_blocks", "r")}, CAST(json_array_length(r.content) AS VARCHAR)) AS content_blocks,
            {misses("r.diagnostics")}
            {", o.request.output_config.effort AS effort, o.request AS request" if asks else ""}
        FROM parsed"""
    return pairs.with_request(named) if asks else named


def _valid_lines(lines: str) -> str:
    """SQL: the lines, those that only a lone surrogate spoils mended."""
    return f"(SELECT file, line, mended(text) AS text FROM {lines})"


def _transform(text: str, structure: Mapping[str, Any]) -> str:
    return f"CASE WHEN valid THEN TRY(json_transform({text}, {quoted(json.dumps(structure))})) END"


def _keys(reading: Reading, text: str, lines: str, where: str = "true") -> list[list[str]]:
    """The distinct lists of keys of the JSON objects."""
    rows = reading.connection.execute(
        f"SELECT DISTINCT TRY(json_keys({text})) FROM {_valid_lines(lines)} WHERE {where} LIMIT {MOST_KEYS}"
    ).fetchall()
    return [row[0] for row in rows if row[0]]


def _among(text: str, lists: Sequence[Sequence[str]]) -> str:
    """SQL: whether an object's keys are one of these lists; of too many lists, whether it is an object or anything else."""
    if len(lists) > MOST_WRAPPED:
        return "true"
    listed = ", ".join(map(quoted_list, lists))
    return f"coalesce(list_contains([{listed}]::VARCHAR[][], TRY(json_keys({text}))), false)"


def _union(keys: Iterable[Sequence[str]]) -> list[str]:
    return list(dict.fromkeys(name for names in keys for name in names))


def _told_apart(names: Iterable[str]) -> list[str]:
    """The names without those that differ from an earlier one in case only: the engine's structs hold one of them."""
    seen: dict[str, str] = {}
    for name in names:
        seen.setdefault(name.lower(), name)
    return list(seen.values())


def _has_counts(names: Sequence[str]) -> bool:
    found = fields(names)
    return "input_tokens" in found or "output_tokens" in found


def _body(text: str) -> str:
    """SQL: the JSON that holds the counts: the record itself, or what stands in a container, three levels down at most."""
    names = quoted_list(sorted(COUNTED_IN))
    paths = ", ".join(
        f"CASE WHEN starts_with(ltrim(json_extract_string(x, '$.\"{c}\"')), '{{') "
        f"AND contains(lower(json_extract_string(x, '$.\"{c}\"')), 'token') THEN json_extract_string(x, '$.\"{c}\"') END"
        for c in CONTAINERS
    )
    step = (
        f"CASE WHEN list_has_any(list_transform(TRY(json_keys(x)), lambda k: regexp_replace(lower(k), '[^a-z0-9]', '', 'g')), {names}) "
        f"THEN x ELSE coalesce({paths}, x) END"
    )
    result = f"[{text}]"
    for _ in range(3):
        result = f"list_transform({result}, lambda x: {step})"
    return f"{result}[1]"


def _first(named: Mapping[str, list[str]], field: str, struct: str) -> str:
    """SQL: the first recorded value of the names of `field`; objects under such a name are none."""
    values = [f'{struct}."{_escaped(name)}"' for name in named.get(field, ())]
    return f"coalesce({', '.join(f'nullif({v}, chr(0))' for v in values)})" if values else "NULL::VARCHAR"


def _escaped(name: str) -> str:
    return name.replace('"', '""')


OWN = (
    "ts endpoint model_raw latency_ms latency_s ttft_ms cost_reported_usd user session request_id "
    "message_id tier is_batch speed geo workspace api_key team project environment provider region "
    "max_tokens stop_reason stream tools_defined tools_used message_count has_images thinking task "
    "latency_tolerant unit status retry_of request_hash prefix_hash calls"
).split()


def _value(field: str, inner: Mapping[str, list[str]], outer: Mapping[str, list[str]]) -> str:
    return f"coalesce({_first(inner, field, 'r')}, {_first(outer, field, 'o')})"


def _own(inner: Mapping[str, list[str]], outer: Mapping[str, list[str]], keys: Collection[str]) -> str:
    """SQL: the record's own fields, its wrapper's where it has none. `keys`: those of the record, or of its wrapper."""
    special = {}
    if "record" in keys:
        special["ts"] = 'coalesce({v}, o.record."time"."timestamp")'
    if "request" in keys:
        special |= {
            "model_raw": "coalesce({v}, o.request.model)",
            "max_tokens": "coalesce({v}, o.request.max_tokens)",
            "stream": "coalesce({v}, o.request.stream)",
            "thinking": "coalesce({v}, CASE WHEN o.request.thinking.\"type\" = 'enabled' THEN 'true' END)",
        }
    parts = []
    for field in OWN:
        value = _value(field, inner, outer)
        value = (
            f"CASE WHEN {value} LIKE '{{%' THEN NULL ELSE {value} END" if field in ("ts", "thinking", "user") else value
        )
        value = special.get(field, "{v}").replace("{v}", value)
        match field:
            case "latency_ms":
                seconds = _value("latency_s", inner, outer)
                parts.append(f"coalesce({value}, CAST(TRY_CAST({seconds} AS DOUBLE) * 1000 AS VARCHAR)) AS latency_ms")
            case "message_id":
                bare = f"coalesce({_first(inner, 'bare_id', 'r')}, {_first(outer, 'bare_id', 'o')})"
                parts.append(f"coalesce({value}, CASE WHEN {bare} LIKE 'msg%' THEN {bare} END) AS message_id")
            case "request_id":
                bare = f"coalesce({_first(inner, 'bare_id', 'r')}, {_first(outer, 'bare_id', 'o')})"
                parts.append(f"coalesce({value}, CASE WHEN {bare} LIKE 'req_%' THEN {bare} END) AS request_id")
            case "tier":
                batch = _value("is_batch", inner, outer)
                parts.append(
                    f"coalesce({value}, r.usage.service_tier, CASE WHEN truth({batch}) THEN 'batch' END) AS tier"
                )
            case "speed":
                parts.append(f"coalesce(r.usage.speed, {value}) AS speed")
            case "geo":
                parts.append(f"coalesce(r.usage.inference_geo, {value}) AS geo")
            case "calls":
                parts.append(f"{value} AS requests")
            case "cost_reported_usd":
                parts.append(
                    f"{value} AS cost_reported_usd, CASE WHEN {value} IS NOT NULL THEN 'client' END AS cost_reported_by"
                )
            case "tools_used":
                kinds = "json_extract_string(r.content, '$[*].type')"
                called = f"CAST(len(list_filter({kinds}, lambda t: t = 'tool_use')) AS VARCHAR)"
                used = f"CASE WHEN r.content IS NOT NULL THEN {called} END"
                parts.append(f"coalesce({value}, {used}) AS tools_used")
            case "latency_s" | "is_batch":
                pass
            case _:
                parts.append(f'{value} AS "{field}"')
    return ",\n            ".join(parts)


COUNTED = (
    "input_tokens output_tokens cache_read_tokens cache_write_tokens cache_write_5m_tokens "
    "cache_write_1h_tokens thinking_tokens web_searches"
).split()


def _counts(named: Mapping[str, list[str]]) -> str:
    """SQL: the counts of the usage block, else those in flat fields."""
    block = {}
    for part in counts("r.usage").split(",\n"):
        expression, _, name = part.strip().rpartition(" AS ")
        block[name] = expression
    block["input_tokens"] = f"coalesce({block['input_tokens']}, r.usage.prompt_tokens)"
    block["output_tokens"] = f"coalesce({block['output_tokens']}, r.usage.completion_tokens)"
    block["cache_read_tokens"] = f"coalesce({block['cache_read_tokens']}, r.usage.prompt_tokens_details.cached_tokens)"
    parts = []
    for name, expression in block.items():
        if name in ("tier", "geo", "speed"):
            continue
        flat = _first(named, name, "r") if name in COUNTED else "NULL"
        parts.append(
            f"CASE WHEN r.usage IS NOT NULL THEN {expression} ELSE {flat} END AS {name}"
            if flat != "NULL"
            else f"{expression} AS {name}"
        )
    flat_inclusive = {True: "true", False: "false", None: "true"}[inclusive(named)]
    openai = (
        "r.usage.input_tokens IS NULL AND r.usage.prompt_tokens IS NOT NULL AND r.usage.cache_read_input_tokens IS NULL"
    )
    parts.append(f"CASE WHEN r.usage IS NOT NULL THEN {openai} ELSE {flat_inclusive} END AS inclusive")
    unseen = "cache_read_tokens" not in named and "cache_write_tokens" not in named
    parts.append(f"CASE WHEN r.usage IS NULL THEN {str(unseen).lower()} ELSE false END AS cache_unseen")
    return ",\n            ".join(parts)


def _nothing(named: Mapping[str, list[str]]) -> str:
    flat = " AND ".join(f"{_first(named, name, 'r')} IS NULL" for name in ("input_tokens", "output_tokens"))
    return f"r.usage IS NULL AND {flat}"


def _tags(unknown: Sequence[str]) -> str:
    """SQL: the record's `tags`, and its unknown scalar fields, short ones only: text is never kept."""
    entries = ", ".join(f"{{'k': {quoted(k)}, 'v': o.\"{_escaped(k)}\"}}" for k in unknown)
    own = """list_transform(map_entries(TRY(from_json(r.tags, '"MAP(VARCHAR, VARCHAR)"'))), lambda e: {'k': e.key, 'v': e.value})"""
    own = f"CASE WHEN json_type(r.tags) = 'OBJECT' THEN coalesce({own}, []) ELSE [] END"
    kept = (
        "lambda e: e.v IS NOT NULL AND strlen(e.v) <= 200 AND NOT starts_with(e.v, '{') AND NOT starts_with(e.v, '[')"
    )
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
    rank=90,
    doc=__doc__,
)
