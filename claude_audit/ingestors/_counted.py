"""The counts of a record: those of its usage block, under whatever names, else those of its own fields."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from claude_audit.aliases import OPENAI_CACHED, OPENAI_INPUT, normalized
from claude_audit.ingestors._messages_usage import USAGE, counts_of

ALSO_CALLED = {
    "input_tokens": ("inputTokens", "prompt_tokens", "promptTokens"),
    "output_tokens": ("outputTokens", "completion_tokens", "completionTokens"),
    "cache_read_tokens": ("cacheReadInputTokens", "cache_read_tokens", "cacheReadTokens", "cached_tokens"),
    "cache_write_tokens": (
        "cacheCreationInputTokens",
        "cache_write_tokens",
        "cacheWriteTokens",
        "cacheWriteInputTokens",
        "cache_creation_tokens",
    ),
}
"""Count -> other names of it in usage blocks that others have written: Bedrock's Converse, OpenAI's shape, applications. A
name more costs every line a little: these are the ones that are met."""
BLOCK: Mapping[str, Any] = {
    **USAGE,
    **{name: "VARCHAR" for names in ALSO_CALLED.values() for name in names},
    "prompt_tokens_details": {"cached_tokens": "VARCHAR"},
}
"""What is read of a usage block, for json_transform."""

COUNTED = (
    "input_tokens output_tokens cache_read_tokens cache_write_tokens cache_write_5m_tokens "
    "cache_write_1h_tokens thinking_tokens web_searches"
).split()


def counts(named: Mapping[str, list[str]], usage: bool) -> dict[str, str]:
    """Column -> SQL of the counts of the usage block, else of those in flat fields."""
    flat = {name: first(named, name, "r") for name in COUNTED}
    flat_counts = {
        name: f"coalesce({', '.join(found)})" if len(found) > 1 else found[0] for name, found in flat.items() if found
    }
    # OpenAI's name for either says that the input includes the cached tokens: of each record by itself.
    by_name = ((named.get("input_tokens", ()), OPENAI_INPUT), (named.get("cache_read_tokens", ()), OPENAI_CACHED))
    flat_inclusive = " OR ".join(chosen(names, name) for names, name in by_name)
    unseen = str("cache_read_tokens" not in named and "cache_write_tokens" not in named).lower()
    if not usage:
        return {**flat_counts, "inclusive": flat_inclusive, "cache_unseen": unseen}
    block = {name: sql for name, sql in counts_of("r.usage").items() if name not in ("tier", "geo", "speed")}
    for name, others in ALSO_CALLED.items():
        more = ["r.usage.prompt_tokens_details.cached_tokens"] if name == "cache_read_tokens" else []
        block[name] = f"coalesce({', '.join([block[name], *(f'r.usage.{other}' for other in others), *more])})"
    # OpenAI's names say that the input includes the cached tokens, unless the cached ones go by Anthropic's name.
    openai = (
        "coalesce(r.usage.cache_read_input_tokens, r.usage.cacheReadInputTokens) IS NULL AND CASE "
        "WHEN coalesce(r.usage.input_tokens, r.usage.inputTokens) IS NULL "
        "THEN coalesce(r.usage.prompt_tokens, r.usage.promptTokens) IS NOT NULL "
        "ELSE r.usage.cached_tokens IS NOT NULL END"
    )
    if not flat_counts:
        return {**block, "inclusive": f"r.usage IS NOT NULL AND {openai}"}
    told = f"coalesce({block['input_tokens']}, {block['output_tokens']}) IS NOT NULL"
    both = {
        name: f"CASE WHEN {told} THEN {sql} ELSE {flat_counts[name]} END" if name in flat_counts else sql
        for name, sql in block.items()
    }
    return {
        **both,
        "inclusive": f"CASE WHEN {told} THEN {openai} ELSE {flat_inclusive} END",
        "cache_unseen": f"NOT ({told}) AND {unseen}",
    }


def chosen(names: Sequence[str], name: str) -> str:
    """SQL: whether of these names of one field the record tells it by that one."""
    alike = [normalized(own) == normalized(name) for own in names]
    if not any(alike):
        return "false"
    cases = " ".join(
        f"WHEN r.{named_as(own)} IS NOT NULL THEN {str(same).lower()}" for own, same in zip(names, alike, strict=True)
    )
    return f"CASE {cases} ELSE false END"


def coalesced(values: Iterable[str]) -> str:
    """SQL: the first of the values that is recorded."""
    listed = list(values)
    return f"coalesce({', '.join(listed)})" if len(listed) > 1 else listed[0]


def first(named: Mapping[str, list[str]], field: str, struct: str) -> list[str]:
    """SQL: the recorded values of the names of `field`, the likeliest first."""
    return [f"{struct}.{named_as(name)}" for name in named.get(field, ())]


def named_as(name: str) -> str:
    """SQL: a name as it stands."""
    return '"' + name.replace('"', '""') + '"'
