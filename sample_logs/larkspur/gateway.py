"""Format litellm: the newsletter through a LiteLLM proxy, as rows of its spend log."""

from __future__ import annotations

from datetime import datetime, timedelta

from .cache import PromptCache
from .calls import Call, Tokens, chain, usd
from .dice import DAYS, OFFICE, Dice, after, digest, growth, moment, uuid
from .logfile import LogFile, compact
from .tables import GATEWAY_SINCE

MODEL = "claude-sonnet-4-5-20250929"
"""Retires on 2026-11-30."""
KEY = digest("litellm key")


def files() -> list[LogFile]:
    """Drafts and their revisions: the revision finds the draft's prompt in the cache, when it comes soon enough."""
    file = LogFile("litellm/spendlogs.jsonl")
    dice, cache = Dice("litellm"), PromptCache()
    days = [day for day in DAYS if day >= GATEWAY_SINCE and OFFICE[day.weekday()]]
    for day in days:
        at = moment(day, 9, dice.whole(0, 59), dice.whole(0, 59))
        for n in range(dice.count(1.3 * OFFICE[day.weekday()] * growth(day))):
            prompt = chain(
                ("system", "voice of the house", 4_150, True), ("message", f"{day}/{n}", dice.whole(2_400, 9_000), True)
            )
            for revision in range(dice.whole(1, 3)):
                ms = dice.whole(9_000, 40_000)
                read, write = cache.serve(at, "marketing", MODEL, prompt, ms)
                tokens = Tokens(
                    input=3 + revision * dice.whole(1_100, 2_300),
                    cache_read=read,
                    cache_write_5m=write,
                    output=dice.whole(900, 3_400),
                )
                call = Call(at, "newsletter", MODEL, tokens)
                file.call(call, row(call, f"{day}/{n}/{revision}", ms, session=f"{day}/{n}"))
                at = after(at, dice, 60, 380)
            at = after(at, dice, 1_200, 5_000)
        if day == days[9]:
            # the last request once more: answered from LiteLLM's own cache, nothing reached Anthropic
            repeat = Call(at, "newsletter", MODEL, file.calls[-1].tokens, unbilled="gateway_cache")
            file.call(repeat, row(repeat, f"{day}/hit", 12, session=f"{day}/hit", cache_hit="True"))
        if day == days[14]:
            file.ignore(row(Call(at, "newsletter", MODEL, Tokens()), f"{day}/failed", 30_004, status="failure"))
        if day == days[17]:
            other = Call(at, "newsletter", "gpt-4o-mini", Tokens(input=5_120, output=820))
            file.ignore(row(other, f"{day}/other", 7_410, vendor="openai", spend=0.00126))
    return [file]


def row(
    call: Call,
    name: str,
    ms: int,
    *,
    session: str = "none",
    cache_hit: str = "None",
    status: str = "success",
    vendor: str = "anthropic",
    spend: float | None = None,
) -> str:
    """A row of LiteLLM_SpendLogs: prompt_tokens holds cached tokens too, metadata and tags are JSON in a string."""
    tokens = call.tokens
    counted = {
        "completion_tokens": tokens.output,
        "prompt_tokens": tokens.prompt,
        "total_tokens": tokens.prompt + tokens.output,
        "prompt_tokens_details": {
            "cached_tokens": tokens.cache_read,
            "cache_creation_tokens": tokens.writes,
            "cache_creation_token_details": {
                "ephemeral_5m_input_tokens": tokens.cache_write_5m,
                "ephemeral_1h_input_tokens": tokens.cache_write_1h,
            },
        },
        "cache_creation_input_tokens": tokens.writes,
        "cache_read_input_tokens": tokens.cache_read,
        "inference_geo": "not_available",
        "service_tier": "standard",
    }
    metadata: dict[str, object] = {
        "user_api_key_alias": "newsletter-bot",
        "user_api_key_team_id": "team-3",
        "user_api_key_team_alias": "marketing",
        "spend_logs_metadata": {"endpoint": call.endpoint},
    }
    if status == "success":
        metadata["usage_object"] = counted
    if spend is None:
        price = usd(call.model, call.at.date(), tokens)
        spend = 0.0 if call.unbilled or not price else float(price)  # LiteLLM counts in floats
    fields = {
        "request_id": "chatcmpl-" + uuid("litellm request", name),
        "call_type": "acompletion",
        "api_key": KEY,
        "cache_hit": cache_hit,
        "startTime": _time(call.at),
        "endTime": _time(call.at + timedelta(milliseconds=ms)),
        "model": call.model,
        "model_group": "newsletter-writer",
        "custom_llm_provider": vendor,
        "user": "",
        "end_user": "",
        "team_id": "team-3",
        "spend": spend,
        "total_tokens": tokens.prompt + tokens.output,
        "prompt_tokens": tokens.prompt,
        "completion_tokens": tokens.output,
        "request_tags": compact(["campaign:autumn"]),
        "session_id": uuid("litellm session", session),
        "request_duration_ms": ms,
        "status": status,
        "litellm_call_id": uuid("litellm call", name),
        "metadata": compact(metadata),
    }
    return compact(fields)


def _time(at: datetime) -> str:
    return at.strftime("%Y-%m-%d %H:%M:%S.%f+00:00")
