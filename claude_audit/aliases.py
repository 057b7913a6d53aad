"""What people call the fields of a usage record, in columns, JSON keys and key=value lines.

Upper and lower case, `_`, `-`, blanks and camelCase make no difference: inputTokens, Input-Tokens and input_tokens are one.
Where objects have been flattened, names begin with what the field was inside of: usage.input_tokens, usage_input_tokens.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping

_WORDS = {
    "ts": (
        "timestamp ts time datetime created_at date started_at start_time asctime @timestamp event_time event_timestamp "
        "logged_at recorded_at created @t realtime_timestamp completed_at finished_at end_time ended_at "
        "time_generated time_generated_utc timestamp_utc datetime_utc time_utc dt time_millis timestamp_ms timestamp_in_ms "
        "occurred_at called_at requested_at inserted_at when"
    ),
    "endpoint": "endpoint feature route operation stage step caller component use_case agent task_name",
    "model_raw": "model model_name model_id model_version ai_model model_used main_model",
    "input_tokens": (
        "input_tokens prompt_tokens tokens_in input_token_count request_tokens input.inputTokenCount message_tokens"
    ),
    "output_tokens": (
        "output_tokens completion_tokens tokens_out output_token_count response_tokens output.outputTokenCount generated_tokens "
        "answer_tokens"
    ),
    "cache_read_tokens": (
        "cache_read_input_tokens cache_read_tokens cached_tokens cached_input_tokens cached_prompt_tokens "
        "cached_input_token_count cache_read input.cacheReadInputTokenCount"
    ),
    "cache_write_tokens": (
        "cache_creation_input_tokens cache_write_tokens cache_creation_tokens cache_write_input_tokens cache_write "
        "cache_create_tokens cache_create_input_tokens "
        "input.cacheWriteInputTokenCount"
    ),
    "cache_write_5m_tokens": (
        "ephemeral_5m_input_tokens cache_write_5m_tokens cache_creation_5m_tokens cache_creation_5m_input_tokens "
        "cache_write_5m_input_tokens cache_5m_tokens"
    ),
    "cache_write_1h_tokens": (
        "ephemeral_1h_input_tokens cache_write_1h_tokens cache_creation_1h_tokens cache_creation_1h_input_tokens "
        "cache_write_1h_input_tokens cache_1h_tokens"
    ),
    "thinking_tokens": "thinking_tokens",
    "web_searches": "web_search_requests web_searches",
    "latency_ms": "latency_ms duration_ms delay_ms response_time_ms",
    "latency_s": "elapsed latency latency_s latency_seconds duration_s duration_seconds elapsed_s elapsed_seconds",
    "ttft_ms": "ttft_ms",
    "cost_reported_usd": "cost cost_usd estimated_cost cost_estimate spend",
    "user": "user user_id customer_id tenant_id end_user",
    "session": "session session_id conversation_id thread_id",
    "request_id": "request_id anthropic_request_id",
    "message_id": "message_id msg_id",
    "bare_id": "id response_id",
    "tier": "service_tier tier",
    "is_batch": "is_batch",
    "speed": "speed",
    "geo": "inference_geo",
    "workspace": "workspace workspace_id",
    "api_key": "api_key_id api_key",
    "team": "team",
    "project": "project",
    "environment": "environment",
    "provider": "provider",
    "region": "region",
    "max_tokens": "max_tokens",
    "stop_reason": "stop_reason",
    "stream": "stream",
    "tools_defined": "tools_defined",
    "tools_used": "tools_used",
    "message_count": "message_count",
    "has_images": "has_images",
    "thinking": "thinking",
    "task": "task",
    "latency_tolerant": "latency_tolerant",
    "unit": "unit",
    "status": "status",
    "retry_of": "retry_of",
    "request_hash": "request_hash",
    "prefix_hash": "prefix_hash",
    "output_blocks": "output_blocks",
    "calls": "calls claude_call_details successful_requests requests request_count num_requests call_count num_calls api_calls",
}
ALIASES: Mapping[str, tuple[str, ...]] = {field: tuple(words.split()) for field, words in _WORDS.items()}
"""Our field -> its names, the likeliest first."""

OPENAI_INPUT = "prompt_tokens"
OPENAI_CACHED = ("cached_tokens", "cached_input_tokens", "cached_prompt_tokens", "cached_input_token_count")
"""Side by side, these are the OpenAI shape, whose input includes the cached part."""
LOOSE = frozenset(("cacheread", "cachewrite", "cachecreation", "cachecreate", "created"))
"""Names, without what makes no difference, that mean a count or a time only where a number begins what stands under them:
others say there whether."""

WRITTEN = ("cache_creation", "cache_create")
"""What columns and key=value lines call a number of written tokens, whose objects of JSON hold them by their times to live."""

TEXT_FIELDS = frozenset(
    (
        "prompt completion text content input output query question answer message messages msg response "
        "request body error exception stack traceback system instructions user_message assistant_message "
        "raw_response full_response"
    ).split()
)
"""Names under which logs keep what was asked and answered: never taken as a tag."""


NO_DIFFERENCE = "[^a-z0-9@€£¥]"
"""A regular expression: characters of a name in small letters that make no difference. A currency does: cost (€) is no cost in
dollars."""


def normalized(name: str) -> str:
    """The name without what makes no difference."""
    return re.sub(NO_DIFFERENCE, "", name.lower())


_BY_NAME = {normalized(word): (field, rank) for field, words in ALIASES.items() for rank, word in enumerate(words)}


_GROUPS = ("usage", "llm", "claude", "anthropic", "actual")
"""What stands before a count, joined by anything: usage_input_tokens."""
_OTHERS = ("gen_ai.", "ai.")
"""How names of conventions for spans begin: who wrote a span tells what they count, not the name (ingestors/_gen_ai.py)."""


def spoken(name: str) -> str:
    """The word that a name is known by, normalized: without what the field was inside of where it is known by its last part."""
    whole = normalized(name)
    if whole in _BY_NAME:
        return whole
    last = normalized(name.rpartition(".")[2]).removeprefix("@")  # Datadog's mark of an attribute
    if last != whole and last in _BY_NAME:
        return whole if name.lower().startswith(_OTHERS) else last
    for group in _GROUPS:
        rest = whole.removeprefix(group)
        if rest != whole and rest in _BY_NAME and _BY_NAME[rest][0].endswith("_tokens"):
            return rest
    return whole


def field_of(name: str) -> str | None:
    """Our field of that name; None when it is none we know."""
    found = _BY_NAME.get(spoken(name))
    return found[0] if found else None


def fields(names: Iterable[str]) -> dict[str, list[str]]:
    """Our field -> those of the `names` that mean it, the likeliest first."""
    found: dict[str, list[tuple[bool, int, int, str]]] = {}
    for name in names:
        word = spoken(name)
        if known := _BY_NAME.get(word):
            inside = word != normalized(name)
            found.setdefault(known[0], []).append((inside, name.count(".") if inside else 0, known[1], name))
    return {field: [ranked[-1] for ranked in sorted(listed)] for field, listed in found.items()}


def meant(name: str, sql: str) -> str:
    """SQL: of what stands under a name; where the name is LOOSE, of what begins with a number; of a `caller`, not where it ends
    with the number of a line: that is what loggers say of themselves (app/main.go:12), no endpoint.
    """
    if spoken(name) == "caller":
        return f"CASE WHEN NOT regexp_matches({sql}, ':[0-9]+$') THEN {sql} END"
    return f"CASE WHEN regexp_matches({sql}, '^ *[0-9]') THEN {sql} END" if spoken(name) in LOOSE else sql


def inclusive(names: Mapping[str, list[str]]) -> bool | None:
    """Whether input contains the cached tokens, by the names alone: True, False, or None where both could be."""
    if "cache_read_tokens" not in names and "cache_write_tokens" not in names:
        return False
    openai_input = spoken(names.get("input_tokens", [""])[0]) == normalized(OPENAI_INPUT)
    openai_cached = spoken(names.get("cache_read_tokens", [""])[0]) in map(normalized, OPENAI_CACHED)
    if openai_input and openai_cached:
        return True
    if not openai_input and not openai_cached:
        return False
    return None


def unseen(names: Iterable[str]) -> list[str]:
    """Those of the names that seem to count cached tokens, read or written, of which no name that is known tells."""
    listed = list(names)
    known = fields(listed)
    found = []
    for name in listed:
        word = normalized(name)
        kind = "cache_write" if re.search("writ|creat", word) else "cache_read"
        seems = "cach" in word and "token" in word and "uncach" not in word and field_of(name) is None
        if seems and not any(field.startswith(kind) for field in known):
            found.append(name)
    return found


def taggable(name: str) -> bool:
    """Whether an unknown field may become a tag: it has a plain name, and not one that holds text, by its last part either."""
    words = (normalized(name), normalized(name.rpartition(".")[2]))
    return _TEXT.isdisjoint(words) and 0 < len(name) <= 64 and name.isprintable()


_TEXT = frozenset(map(normalized, TEXT_FIELDS))
