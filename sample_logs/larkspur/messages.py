"""Format messages: gift_finder, first as structlog records around a usage block, later as request/response pairs."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date

from .asks import Ask, serve
from .calls import Call, Tokens, chain
from .dice import CUSTOMERS, DAYS, Dice, after, growth, ident, moment, sonnet, stamp
from .logfile import LogFile, compact, counters, usage

PAIRS_SINCE = date(2026, 10, 20)
PREFIX = 7_840
"""Tokens of gift_finder's tools and system prompt."""
ADVISED = (3, 17, 29)
"""Pairs in which the model asks an advisor."""
SEARCHED = 0.14


def gift_finder() -> Iterator[Ask]:
    """Evenings every other day, a handful of questions in a row."""
    dice = Dice("gift_finder")
    for day in DAYS[1::2]:
        at = moment(day, 19, dice.whole(0, 40), dice.whole(0, 59))
        for n in range(dice.count(3.0 * CUSTOMERS[day.weekday()] * growth(day))):
            searches = dice.whole(1, 2) if day >= PAIRS_SINCE and dice.chance(SEARCHED) else 0
            name = f"{day:%m%d}-{n}"
            yield Ask(
                at,
                "gift_finder",
                sonnet(day),
                "shop",
                chain(("system", "gift finder 2", PREFIX, True), ("message", name, dice.whole(90, 520), False)),
                dice.whole(260, 820),
                name,
                tail=3 + searches * dice.whole(3_000, 5_200),
                searches=searches,
                facts={"user": f"c-{dice.whole(1000, 1899)}"},
            )
            at = after(at, dice, 50, 290)


def files() -> list[LogFile]:
    structlog, pairs = LogFile("messages/app.jsonl"), LogFile("messages/pairs.jsonl")
    started = moment(DAYS[0], 5, 58, 41)
    structlog.ignore(compact({"event": "server_started", "port": 8080, "level": "info", "timestamp": stamp(started)}))
    for call in serve(gift_finder()):
        ask = call.facts["ask"]
        assert isinstance(ask, Ask)  # noqa: S101 -- for the type checker
        if call.at.date() < PAIRS_SINCE:
            structlog.call(call, compact(_event(call, ask)))
        else:
            number = len(pairs.calls)
            call, passes = _advised(call) if number in ADVISED else (call, [])
            pairs.call(call, compact(_pair(call, ask, number, passes)))
    return [structlog, pairs]


def _event(call: Call, ask: Ask) -> dict[str, object]:
    return {
        "endpoint": call.endpoint,
        "model": call.model,
        "usage": usage(call.tokens, geo="global"),
        "message_id": ident("msg_01", "gift_finder", ask.request_id, length=22),
        "request_id": ident("req_011C", "gift_finder", ask.request_id),
        "user_id": ask.facts["user"],
        "stop_reason": "end_turn",
        "latency_ms": ask.latency_ms,
        "level": "info",
        "timestamp": stamp(call.at),
        "event": "claude_api_call",
    }


def _advised(call: Call) -> tuple[Call, list[object]]:
    """The call with an advisor's pass in the middle: the response's own totals leave that pass out."""
    dice = Dice(f"advisor/{call.at}")
    begun = Tokens(call.tokens.input, call.tokens.cache_read, call.tokens.cache_write_5m, 0, dice.whole(40, 90))
    ended = Tokens(call.tokens.input + dice.whole(400, 700), PREFIX, 0, 0, call.tokens.output)
    advice = Tokens(input=PREFIX + call.tokens.input + dice.whole(60, 120), output=dice.whole(350, 800))
    passes: list[object] = [
        {"type": kind, **({"model": model} if model else {}), **counters(tokens), "output_tokens": tokens.output}
        for kind, model, tokens in (
            ("message", None, begun),
            ("advisor_message", "claude-opus-5-5", advice),
            ("message", None, ended),
        )
    ]
    whole = Call(
        call.at,
        call.endpoint,
        call.model,
        begun + ended,
        advisor=("claude-opus-5-5", advice),
        facts=call.facts,
    )
    return whole, passes


def _pair(call: Call, ask: Ask, number: int, passes: list[object]) -> dict[str, object]:
    searches = 0 if passes else call.searches
    return {
        "timestamp": stamp(call.at),
        "endpoint": call.endpoint,
        "latency_ms": ask.latency_ms,
        "request": {
            "model": call.model,
            "max_tokens": 2048,
            "stream": False,
            "system": [{"type": "text", "text": "[gift finder 2]", "cache_control": {"type": "ephemeral"}}],
            "messages": [{"role": "user", "content": f"[question {number}]"}],
            "metadata": {"user_id": ask.facts["user"]},
        },
        "response": {
            "id": ident("msg_01", "gift_finder", ask.request_id, length=22),
            "type": "message",
            "role": "assistant",
            "model": call.model,
            "content": [{"type": "text", "text": "…"}],
            "stop_reason": "end_turn",
            "stop_sequence": None,
            "usage": usage(call.tokens, searches=searches, geo="global", iterations=passes),
        },
    }
