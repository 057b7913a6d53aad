"""The counts of a record: those of its usage block, under whatever names, else those of its own fields."""

from __future__ import annotations

import json
from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import Any

from claude_audit.aliases import OPENAI_CACHED, OPENAI_INPUT, meant, normalized, spoken
from claude_audit.ingestors._messages_usage import USAGE, counts_of
from claude_audit.pieces import identifier, quoted

ALSO_CALLED = {
    "input_tokens": ("inputTokens", "prompt_tokens", "promptTokens", "inputTokenCount", "request_tokens", "input"),
    "output_tokens": (
        "outputTokens",
        "completion_tokens",
        "completionTokens",
        "outputTokenCount",
        "response_tokens",
        "output",
    ),
    "cache_read_tokens": (
        "cacheReadInputTokens",
        "cache_read_tokens",
        "cacheReadTokens",
        "cached_tokens",
        "cachedInputTokens",
        "cached_prompt_tokens",
        "cachedInputTokenCount",
        "original_usage.cache_read_input_tokens",
        "cache_read",
        "cacheRead",
        "input_tokens_cache_read",
    ),
    "cache_write_tokens": (
        "cacheCreationInputTokens",
        "cache_write_tokens",
        "cacheWriteTokens",
        "cacheWriteInputTokens",
        "cache_creation_tokens",
        "original_usage.cache_creation_input_tokens",
        "cache_write",
        "cacheWrite",
        "input_tokens_cache_write",
    ),
}
"""Count -> other names of it in usage blocks that others have written: Bedrock's Converse, OpenAI's shape, the AI SDK,
CrewAI, Microsoft.Extensions.AI, Pydantic AI up to 0.x, Opik, Inspect, applications: the ones that are met."""
LANGCHAIN = {
    "input_tokens": "input_tokens",
    "output_tokens": "output_tokens",
    "cache_read_tokens": "input_token_details.cache_read",
    "cache_write_tokens": "input_token_details.cache_creation",
    "cache_write_5m_tokens": "input_token_details.ephemeral_5m_input_tokens",
    "cache_write_1h_tokens": "input_token_details.ephemeral_1h_input_tokens",
    "thinking_tokens": "output_token_details.reasoning",
}
"""Count -> its place in LangChain's usage block."""
LANGCHAIN_USAGE: Mapping[str, Any] = {
    "input_tokens": "VARCHAR",
    "output_tokens": "VARCHAR",
    "total_tokens": "VARCHAR",
    "input_token_details": {
        "cache_read": "VARCHAR",
        "cache_creation": "VARCHAR",
        "ephemeral_5m_input_tokens": "VARCHAR",
        "ephemeral_1h_input_tokens": "VARCHAR",
    },
    "output_token_details": {"reasoning": "VARCHAR"},
}
"""What is read of it, for json_transform."""
SUMS = "sums_only"
"""In a usage block that has been put in place of another (_restyled.py): it is the sum of nobody knows how many calls."""
BLOCK: Mapping[str, Any] = {
    **USAGE,
    **{name: "VARCHAR" for names in ALSO_CALLED.values() for name in names},
    "prompt_tokens_details": {
        "cached_tokens": "VARCHAR",
        # What was written: OpenRouter's name, and LiteLLM's.
        "cache_write_tokens": "VARCHAR",
        "cache_creation_tokens": "VARCHAR",
        "cache_creation_token_details": USAGE["cache_creation"],
    },
    # Parts of an input that includes them: LangChain's, and those of OpenAI's newer interface.
    "input_token_details": LANGCHAIN_USAGE["input_token_details"],
    "input_tokens_details": {"cached_tokens": "VARCHAR"},
    "inputTokenDetails": "JSON",  # The AI SDK's, since its version 6.
    "inputDetails": "JSON",  # Mastra's.
    "additionalCounts": "JSON",  # Microsoft.Extensions.AI's: what it has no names for.
    "cache": "JSON",  # OpenCode's and applications': {read, write}.
    "details": "JSON",  # Pydantic AI's: the counts as they were returned.
    "raw": "JSON",  # The block as it was returned: the AI SDK's, and Spring AI's.
    "nativeUsage": "JSON",
    "total_tokens": "VARCHAR",
    "requests": "VARCHAR",  # How many calls a block is the sum of, where it says so: Pydantic AI's.
    SUMS: "VARCHAR",
}
"""What is read of a usage block, for json_transform."""
OTHER_NAMES = BLOCK.keys() - USAGE.keys()
"""Those that are not the Messages API's own."""
BESIDE = {
    "cache_read_tokens": ("anthropic.cacheReadInputTokens", "bedrock.usage.cacheReadInputTokens"),
    "cache_write_tokens": ("anthropic.cacheCreationInputTokens", "bedrock.usage.cacheWriteInputTokens"),
}
"""Count -> where the AI SDK has it beside the usage block."""
METADATA = {
    "anthropic": {"usage": USAGE, "cacheReadInputTokens": "VARCHAR", "cacheCreationInputTokens": "VARCHAR"},
    "bedrock": {"usage": {"cacheReadInputTokens": "VARCHAR", "cacheWriteInputTokens": "VARCHAR"}},
}
AS_RETURNED: Mapping[str, tuple[Any, str]] = {
    "response_metadata": ({"usage": USAGE}, "usage"),  # LangChain's
    "providerMetadata": (METADATA, "anthropic.usage"),  # the AI SDK's
    "experimental_providerMetadata": (METADATA, "anthropic.usage"),
    # Who logs counts of their own beside the whole answer: AutoGen, the `llm` tool, applications.
    "response": ({**dict.fromkeys(("id", "modelId", "model"), "VARCHAR"), "usage": USAGE}, "usage"),
    **{name: ({"usage": USAGE}, "usage") for name in ("response_json", "raw_response", "full_response")},
}
"""Field of a record -> what is read of it, and where it has the usage block as the API returned it: that tells more than
what a library made of it (the cache, its times to live), and no name of it is in doubt."""

SPREAD_OUT: Mapping[str, Any] = {
    name: USAGE[name] for name in ("cache_creation", "output_tokens_details", "server_tool_use", "iterations")
}
"""What a usage block has inside it, where an application has spread the block out over its record."""
SPREAD = {
    "cache_write_5m_tokens": ("cache_creation", "ephemeral_5m_input_tokens"),
    "cache_write_1h_tokens": ("cache_creation", "ephemeral_1h_input_tokens"),
    "thinking_tokens": ("output_tokens_details", "thinking_tokens"),
    "web_searches": ("server_tool_use", "web_search_requests"),
}
"""Count -> its place there."""

ANTHROPICS = "coalesce(r.usage.cache_read_input_tokens, r.usage.cacheReadInputTokens)"
"""SQL: what a usage block has read from the cache, by Anthropic's names."""

PARTS = {
    "cache_read_tokens": (
        LANGCHAIN["cache_read_tokens"],
        "prompt_tokens_details.cached_tokens",
        "input_tokens_details.cached_tokens",
        "inputTokenDetails->>'$.cacheReadTokens'",
        "inputDetails->>'$.cacheRead'",
    ),
    "cache_write_tokens": (
        LANGCHAIN["cache_write_tokens"],
        "prompt_tokens_details.cache_write_tokens",
        "prompt_tokens_details.cache_creation_tokens",
        "inputTokenDetails->>'$.cacheWriteTokens'",
        "inputDetails->>'$.cacheWrite'",
    ),
    "cache_write_5m_tokens": (
        LANGCHAIN["cache_write_5m_tokens"],
        "prompt_tokens_details.cache_creation_token_details.ephemeral_5m_input_tokens",
        "inputDetails->>'$.cacheWrite5m'",
    ),
    "cache_write_1h_tokens": (
        LANGCHAIN["cache_write_1h_tokens"],
        "prompt_tokens_details.cache_creation_token_details.ephemeral_1h_input_tokens",
        "inputDetails->>'$.cacheWrite1h'",
    ),
}
"""Count -> its places in a usage block as a part of the input."""
ADDITIONAL = {
    "cache_read_tokens": ("r.usage.additionalCounts->>'$.CacheReadInputTokens'", "r.usage.\"cache\"->>'$.read'"),
    "cache_write_tokens": ("r.usage.additionalCounts->>'$.CacheCreationInputTokens'", "r.usage.\"cache\"->>'$.write'"),
}
"""Count -> SQL of it in an object of the block: where Microsoft.Extensions.AI has what it has no name for, and `cache`."""
PYDANTICS = (
    "CASE WHEN json_type(r.usage.details) = 'OBJECT' "
    "THEN coalesce(r.usage.cache_read_tokens, r.usage.cache_write_tokens) END"
)
"""SQL: cached tokens of Pydantic AI, whose input includes them; its `details` tells it from those who use the names otherwise."""
OF_RUNS = {
    "cache_read_tokens": "cache_read_input_tokens",
    "cache_write_tokens": "cache_creation_input_tokens",
}
"""Count -> its name in the `details` beside request_tokens, Pydantic AI's older name for all of the input, cached tokens
and others. (Before it told of the cache, and had no details, they were none of it.)"""
KEPT = f"TRY(json_transform(coalesce(r.usage.raw, r.usage.nativeUsage), {quoted(json.dumps(USAGE))}))"
"""SQL: the usage block as the API returned it, which a library has inside its own."""
HAS_KEPT = (
    "coalesce(contains(coalesce(r.usage.raw, r.usage.nativeUsage)::VARCHAR, '\"cache_creation_input_tokens\"'), false)"
)
"""SQL: whether there is one. Blocks that the APIs of others returned have no such name."""

COUNTED = (
    "input_tokens output_tokens cache_read_tokens cache_write_tokens cache_write_5m_tokens "
    "cache_write_1h_tokens thinking_tokens web_searches"
).split()


def counts(named: Mapping[str, list[str]], body: Collection[str], *, plain: bool = False) -> dict[str, str]:
    """Column -> SQL of the counts of the usage block as the API returned it, else as a library or an application has it, else
    of those in flat fields.

    `body`: keys of the record. `plain`: no usage block has OTHER_NAMES.
    """
    columns = _counts(named, body, plain)
    if "usage" in body and not plain:
        _put_first(columns, KEPT, HAS_KEPT)
    for name, (structure, place) in AS_RETURNED.items():
        if name not in body:
            continue
        if structure is METADATA:
            # Up to version 5 the AI SDK tells what was written to the cache here only.
            beside = {column: [f"r.{name}.{told}" for told in places] for column, places in BESIDE.items()}
            for column, told in beside.items():
                known = [columns[column]] if column in columns else []
                columns[column] = coalesced([*known, *told])
            if "usage" in body and not plain:
                # Up to version 4 its promptTokens are what the API calls input_tokens, in spite of OpenAI's name.
                cached = coalesced(sql for told in beside.values() for sql in told)
                early = f"r.usage.promptTokens IS NOT NULL AND {cached} IS NOT NULL"
                columns["inclusive"] = f"CASE WHEN {early} THEN false ELSE {columns['inclusive']} END"
        block = f"r.{name}.{place}"
        _put_first(columns, block, f"coalesce({block}.input_tokens, {block}.output_tokens) IS NOT NULL")
    return columns


def _put_first(columns: dict[str, str], block: str, returned: str) -> None:
    """The counts of `block`, as the API returned it, come before the `columns`, of records of which `returned` holds."""
    raw = counts_of(block) | {"inclusive": "false", "cache_unseen": "false"}
    for column in {**raw, **columns}:
        if column not in ("tier", "geo", "speed"):
            sql, other = raw.get(column, "NULL"), columns.get(column, "NULL")
            columns[column] = f"CASE WHEN {returned} THEN {sql} ELSE {other} END"


def returned(body: Collection[str], field: str, *, plain: bool = False) -> list[str]:
    """SQL: what the usage block as the API returned it says beside its counts: service_tier, inference_geo, speed."""
    kept = [f"CASE WHEN {HAS_KEPT} THEN {KEPT}.{field} END"] if "usage" in body and not plain else []
    return [*(f"r.{name}.{place}.{field}" for name, (_, place) in AS_RETURNED.items() if name in body), *kept]


def _counts(named: Mapping[str, list[str]], body: Collection[str], plain: bool) -> dict[str, str]:
    langchain = "usage_metadata" in body
    flat = {name: first(named, name, "r") for name in COUNTED}
    for name, (structure, place) in SPREAD.items():
        if structure in body:
            flat[name].append(f"r.{structure}.{place}")
    if langchain:
        flat |= {name: [f"r.usage_metadata.{place}", *flat[name]] for name, place in LANGCHAIN.items()}
    flat_counts = {name: coalesced(found) for name, found in flat.items() if found}
    # OpenAI's name for either says that the input includes the cached tokens: of each record by itself.
    by_name = ((named.get("input_tokens", ()), (OPENAI_INPUT,)), (named.get("cache_read_tokens", ()), OPENAI_CACHED))
    flat_inclusive = " OR ".join(chosen(names, openai) for names, openai in by_name)
    unseen = str("cache_read_tokens" not in named and "cache_write_tokens" not in named).lower()
    if langchain:
        # For Bedrock's Converse it once took over what that calls inputTokens, and the total of all classes.
        more = "count_of(r.usage_metadata.total_tokens) > count_of(r.usage_metadata.input_tokens)"
        more = f"coalesce({more} + coalesce(count_of(r.usage_metadata.output_tokens), 0), false)"
        flat_inclusive = f"CASE WHEN r.usage_metadata IS NOT NULL THEN NOT {more} ELSE {flat_inclusive} END"
        unseen = f"r.usage_metadata IS NULL AND {unseen}"
    if "usage" not in body:
        passes = (
            {"iterations": "CASE WHEN json_type(r.iterations) = 'ARRAY' THEN r.iterations END"}
            if "iterations" in body
            else {}
        )
        return {**flat_counts, **passes, "inclusive": flat_inclusive, "cache_unseen": unseen}
    block = {name: sql for name, sql in counts_of("r.usage").items() if name not in ("tier", "geo", "speed")}
    openai = "false" if plain else _also_called(block)
    if not flat_counts:
        return {**block, "inclusive": f"r.usage IS NOT NULL AND {openai}"}
    told = f"coalesce({block['input_tokens']}, {block['output_tokens']}) IS NOT NULL"
    both = {
        name: f"CASE WHEN {told} THEN {sql} ELSE {flat_counts[name]} END" if name in flat_counts else sql
        for name, sql in block.items()
    }
    return {
        **both,
        "inclusive": f"CASE WHEN {told} THEN {openai} ELSE ({flat_inclusive}) END",
        "cache_unseen": f"NOT ({told}) AND {unseen}",
    }


def _also_called(block: dict[str, str]) -> str:
    """SQL: whether the input of a usage block includes the cached tokens. The counts of `block` are looked for under all names."""
    parts = {name: [f"r.usage.{place}" for place in places] for name, places in PARTS.items()}
    for name in {**ALSO_CALLED, **parts}:
        others = [f"r.usage.{identifier(other)}" for other in ALSO_CALLED.get(name, ())]
        block[name] = coalesced([block[name], *others, *parts.get(name, ()), *ADDITIONAL.get(name, ())])
    for name, other in OF_RUNS.items():
        known = f"CASE WHEN r.usage.request_tokens IS NOT NULL THEN r.usage.details->>'$.{other}' END"
        block[name] = coalesced([block[name], known])
    # OpenAI's names, and parts of the input, say that it includes the cached tokens, unless those go by Anthropic's name.
    # Where they go by both, a total that is more than prompt and completion says that they are none of the prompt.
    named_so = [f"r.usage.{name}" for name in ("cached_tokens", "cached_prompt_tokens", "cachedInputTokenCount")]
    cached = coalesced([*named_so, PYDANTICS, *(part for listed in parts.values() for part in listed)])
    both_named = (
        "r.usage.prompt_tokens_details.cached_tokens IS NOT NULL AND coalesce(count_of(r.usage.total_tokens) "
        "<= count_of(r.usage.prompt_tokens) + coalesce(count_of(r.usage.completion_tokens), 0), true)"
    )
    return (
        f"CASE WHEN r.usage.request_tokens IS NOT NULL AND {ANTHROPICS} IS NULL "
        "THEN count_of(r.usage.request_tokens) IS DISTINCT FROM count_of(r.usage.details->>'$.input_tokens') "
        "WHEN coalesce(r.usage.input_tokens, r.usage.inputTokens, r.usage.inputTokenCount) IS NULL "
        "THEN coalesce(r.usage.prompt_tokens, r.usage.promptTokens) IS NOT NULL "
        f"AND CASE WHEN {ANTHROPICS} IS NULL THEN true ELSE {both_named} END "
        f"ELSE {ANTHROPICS} IS NULL AND {cached} IS NOT NULL END"
    )


def chosen(names: Sequence[str], openai: Sequence[str]) -> str:
    """SQL: whether of these names of one field the record tells it by one of OpenAI's."""
    alike = [spoken(own) in map(normalized, openai) for own in names]
    if not any(alike):
        return "false"
    cases = " ".join(
        f"WHEN r.{identifier(own)} IS NOT NULL THEN {str(same).lower()}" for own, same in zip(names, alike, strict=True)
    )
    return f"CASE {cases} ELSE false END"


def coalesced(values: Iterable[str]) -> str:
    """SQL: the first of the values that is recorded."""
    listed = list(values)
    return f"coalesce({', '.join(listed)})" if len(listed) > 1 else listed[0]


def first(named: Mapping[str, list[str]], field: str, struct: str) -> list[str]:
    """SQL: the recorded values of the names of `field`, the likeliest first."""
    return [meant(name, f"{struct}.{identifier(name)}") for name in named.get(field, ())]
