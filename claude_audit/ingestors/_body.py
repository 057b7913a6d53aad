"""What is read of a record of JSON, and of the objects around it, by their keys: its own fields first, then the nearest."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from claude_audit.aliases import field_of, fields, taggable
from claude_audit.ingestors import _spans as spans
from claude_audit.ingestors import _spelling as spelling
from claude_audit.ingestors import _wrapped as wrapped
from claude_audit.ingestors._counted import AS_RETURNED, LANGCHAIN_USAGE, SPREAD_OUT, SUMS, coalesced, first, returned
from claude_audit.ingestors._counted import BLOCK as ALL_NAMES
from claude_audit.ingestors._messages_usage import DIAGNOSTICS, USAGE
from claude_audit.pieces import identifier, quoted

BODY = {
    "usage": ALL_NAMES,
    "usage_metadata": LANGCHAIN_USAGE,
    **SPREAD_OUT,
    **{name: structure for name, (structure, _) in AS_RETURNED.items()},
    "response_metadata": {
        **dict.fromkeys(("id", "model", "model_name", "stop_reason"), "VARCHAR"),
        **AS_RETURNED["response_metadata"][0],
    },
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
OUTSIDE = {
    "request": REQUEST,
    "record": {"time": {"timestamp": "VARCHAR"}},
    "instant": {"epochSecond": "VARCHAR", "nanoOfSecond": "VARCHAR"},
}
"""Objects beside a record, or around it, that tell of it."""
NOT_TAGS = frozenset((*BODY, *OUTSIDE, "type", "role", "stop_sequence", "container", "context_management", "object"))
MOST_TAGS = 64
"""Unknown fields that become tags, of one ingest; a log with more is no place to attribute by."""


@dataclass(frozen=True, slots=True)
class Around:
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
        wanted = (*labels(self.names), *(name for name in self.names if field_of(name)))
        if self.span:
            wanted += ("type",)
        return {**dict.fromkeys(wanted, "VARCHAR"), **{name: OUTSIDE[name] for name in self.outside}} or OUTSIDE


def around_of(struct: str, keys: Sequence[Sequence[str]]) -> Around:
    """Of objects with these keys. Of too many to know them all, each may hold what is OUTSIDE."""
    names = spelling.union(keys)
    outside = [name for name in OUTSIDE if name in names or len(keys) == wrapped.MOST_KEYS]
    return Around(struct, spelling.told_apart(names), outside)


def body_of(names: Sequence[str], *, plain: bool = False, unseen: Sequence[str] = ()) -> dict[str, Any]:
    """What is read of a record with these keys, for json_transform. `unseen`: names in its usage block that nobody knows."""
    own = {name: USAGE if plain and name == "usage" else BODY[name] for name in names if name in BODY}
    if unseen and "usage" in own:
        own["usage"] = {**own["usage"], **dict.fromkeys(unseen, "VARCHAR")}
    named = [name for name in names if name not in BODY and field_of(name)]
    return {**own, **dict.fromkeys((*named, *labels(names)), "VARCHAR")} or BODY


def labels(names: Sequence[str]) -> list[str]:
    """The fields that become tags."""
    away = NOT_TAGS | {*wrapped.WRAPPERS, *wrapped.STRINGS}
    return sorted(name for name in names if name not in away and not field_of(name) and taggable(name))[:MOST_TAGS]


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
    return (
        f"coalesce({', '.join(f'TRY(json_extract_string({text}, {quoted(wrapped.at(name))}))' for name in MODEL_IDS)})"
    )


OF_RUNS = ("total_cost_usd", "duration_api_ms")
"""What stands beside `num_turns` where Claude Code tells a whole run's usage: the sum of its calls."""
MAY_BE_OBJECTS = ("ts", "endpoint", "thinking", "user")
"""Fields under whose names others log objects: a request's `thinking`, the `agent` and `user` of a log collector."""


def own_fields(
    inner: Mapping[str, list[str]], body: Collection[str], around: Sequence[Around], *, plain: bool, models: bool
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
        if "instant" in one.outside:  # Log4j's
            at = f"{one.struct}.instant"
            special["ts"].append(f"{at}.epochSecond || coalesce('.' || lpad({at}.nanoOfSecond, 9, '0'), '')")
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
    sums = [f"r.usage.{SUMS} = 'true'"] if summed else []
    sums += [
        f"count_of({struct}.num_turns) > 1 AND {struct}.{word} IS NOT NULL"
        for struct, names in (("r", body), *((one.struct, one.names) for one in around if one.struct != "r"))
        for word in OF_RUNS
        if "num_turns" in names and word in names
    ]
    if sums:
        columns["notes"] = f"CASE WHEN {' OR '.join(sums)} THEN ['{SUMS}'] END"
    if cost := value("cost_reported_usd"):
        columns |= {"cost_reported_usd": cost, "cost_reported_by": f"CASE WHEN {cost} IS NOT NULL THEN 'client' END"}
    if "content" in body:
        kinds = "json_extract_string(r.content, '$[*].type')"
        called = f"CAST(len(list_filter({kinds}, lambda t: t = 'tool_use')) AS VARCHAR)"
        used = f"CASE WHEN r.content IS NOT NULL THEN {called} END"
        columns["tools_used"] = f"coalesce({columns['tools_used']}, {used})" if "tools_used" in columns else used
    columns.setdefault("ts", "NULL::VARCHAR")
    return columns


def tags_of(around: Sequence[Around], tagged: bool) -> str | None:
    """SQL: the record's `tags`, and the unknown scalar fields around it, short ones only: text is never kept."""
    unknown: dict[str, list[str]] = {}
    for one in around:
        for name in labels(one.names):
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
