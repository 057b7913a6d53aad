"""The call columns of a record whose fields go by the names of claude_audit.aliases: table cells, key=value pairs."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from claude_audit.ingestors._numbers import count, dollars
from claude_audit.pieces import quoted

Value = Callable[[str], str | None]
"""Our field -> SQL of its recorded text, null where it is not recorded; None when no record can have it."""

COUNTED = (
    "input_tokens output_tokens cache_read_tokens cache_write_tokens cache_write_5m_tokens "
    "cache_write_1h_tokens thinking_tokens web_searches"
).split()
AS_THEY_ARE = (
    "endpoint model_raw user session speed geo workspace team project environment provider region "
    "max_tokens stop_reason stream tools_defined tools_used message_count has_images thinking task "
    "latency_tolerant unit status retry_of request_hash prefix_hash ttft_ms"
).split()
LONGEST_TAG = 200


def api_key(text: str) -> str:
    """SQL: the name or id of a key; a secret key itself is hashed."""
    return f"CASE WHEN regexp_full_match({text}, 'sk-[A-Za-z0-9_-]{{16,}}') THEN 'sha256:' || sha256({text}) ELSE {text} END"


def counts(value: Value, dotted: str | None = None) -> dict[str, str]:
    """Column -> SQL of the token counts and searches that are named. `dotted`: see count()."""
    return {name: count(sql, dotted) for name in COUNTED if (sql := value(name))}


def labels(value: Value, comma: bool = False) -> dict[str, str]:
    """Column -> SQL of everything else that is named, the time excepted. `comma`: it is the mark of decimals."""
    columns = {name: sql for name in AS_THEY_ARE if (sql := value(name))}
    bare = value("bare_id")
    for name, prefix in (("request_id", "req_"), ("message_id", "msg")):
        sql = value(name)
        by_prefix = f"CASE WHEN starts_with({bare}, '{prefix}') THEN {bare} END" if bare else None
        if given := [part for part in (sql, by_prefix) if part]:
            columns[name] = f"coalesce({', '.join(given)})"
    if sql := value("api_key"):
        columns["api_key"] = api_key(sql)
    milliseconds, seconds = value("latency_ms"), value("latency_s")
    if milliseconds or seconds:
        parts = [rf"regexp_replace({milliseconds}, ' *ms$', '')"] if milliseconds else []
        if seconds:
            parts.append(
                rf"CAST(TRY_CAST(regexp_replace({seconds}, ' *s(ec(onds)?)?$', '') AS DOUBLE) * 1000 AS VARCHAR)"
            )
        columns["latency_ms"] = f"coalesce({', '.join(parts)})"
    tier, batch = value("tier"), value("is_batch")
    if tier or batch:
        parts = [tier] if tier else []
        if batch:
            parts.append(f"CASE WHEN truth({batch}) THEN 'batch' END")
        columns["tier"] = f"coalesce({', '.join(parts)})"
    if sql := value("output_blocks"):
        columns["content_blocks"] = sql
    if sql := value("cost_reported_usd"):
        columns["cost_reported_usd"] = dollars(sql, comma)
        columns["cost_reported_by"] = f"CASE WHEN {sql} IS NOT NULL THEN 'client' END"
    if sql := value("calls"):
        columns["requests"] = _calls(sql)
    return columns


def _calls(text: str) -> str:
    """SQL: of how many calls a row tells: a number, or a list of them as JSON or with bars between."""
    return f"""CASE
        WHEN count_of({text}) IS NOT NULL THEN CAST(count_of({text}) AS VARCHAR)
        WHEN TRY_CAST({text} AS DOUBLE) IS NOT NULL THEN NULL
        WHEN json_valid({text}) AND json_type({text}) = 'ARRAY' THEN CAST(json_array_length({text}) AS VARCHAR)
        WHEN {text} IS NOT NULL THEN CAST(len(list_filter(string_split({text}, '|'), lambda x: trim(x) <> '')) AS VARCHAR)
    END"""


def more_cached_than_input(columns: dict[str, str]) -> str:
    """SQL: whether a record has more cached tokens than input: then its input cannot include them."""

    def number(name: str) -> str:
        return f"coalesce(count_of({columns[name]}), 0)::HUGEINT" if name in columns else "0::HUGEINT"

    written = f"greatest({number('cache_write_tokens')}, {number('cache_write_5m_tokens')} + {number('cache_write_1h_tokens')})"
    own = f"count_of({columns['input_tokens']})" if "input_tokens" in columns else "NULL"
    return f"{number('cache_read_tokens')} + {written} > {own}"


def tags(names: Sequence[tuple[str, str]]) -> str:
    """SQL: a map of (key, SQL of its text), of short plain values only: text is never kept."""
    entries = ", ".join(f"{{'k': {quoted(key)}, 'v': {sql}}}" for key, sql in names)
    kept = f"lambda e: e.v IS NOT NULL AND strlen(e.v) <= {LONGEST_TAG} AND NOT regexp_matches(e.v, '^ *[{{\\[]|\\n')"
    return f"map_from_entries(list_filter([{entries}], {kept}))"


def listed(columns: dict[str, str]) -> str:
    """SQL: the select list."""
    return ",\n            ".join(f'{sql} AS "{name}"' for name, sql in columns.items())
