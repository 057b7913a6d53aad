"""The endpoints that customers meet: support_chat, plant_doctor and order_status."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date, datetime, timedelta

from .asks import Ask, request_id
from .calls import Block, chain
from .dice import CUSTOMERS, DAYS, Dice, after, growth, moment, sonnet

SUPPORT = {"workspace": "shop", "api_key_id": "key_web", "team": "support", "environment": "production"}
REFUSALS = (
    (date(2026, 9, 17), "cyber"),
    (date(2026, 9, 21), "bio"),
    (date(2026, 10, 13), "bio"),
    (date(2026, 10, 28), "cyber"),
    (date(2026, 11, 6), "cyber"),
    (date(2026, 11, 17), "bio"),
)
"""Somebody tests the chat's limits, or asks for a stronger poison than the shop sells."""


def customer(dice: Dice) -> str:
    return f"c-{dice.whole(1000, 1899)}"


def chat_start(day: date) -> tuple[tuple[str, str, int, bool], ...]:
    """Four tools and a system prompt that stays as it is, but for one release."""
    release = "2026.38" if day < date(2026, 10, 19) else "2026.42"
    return (("tools", "chat tools", 2_840, False), ("system", f"chat {release}", 21_400, True))


def conversation(start: tuple[tuple[str, str, int, bool], ...], name: str, sizes: list[int]) -> tuple[Block, ...]:
    """The prompt of a turn: the start, then all messages so far, the last one marked for the cache."""
    last = len(sizes) - 1
    turns = [("message", f"{name}/{n}", size, n == last) for n, size in enumerate(sizes)]
    return chain(*start, *turns)


def support_chat() -> Iterator[Ask]:
    """Evenings, when the humans have gone: sessions back to back, so that the start of the prompt stays warm."""
    dice = Dice("support_chat")
    for day in DAYS:
        at = moment(day, 17, dice.whole(0, 25), dice.whole(0, 59))
        for n in range(dice.count(1.55 * CUSTOMERS[day.weekday()] * growth(day))):
            name = f"{day:%m%d}-{n}"
            yield from _chat(dice, at, name)
            at = after(at, dice, 110, 400)
    for day, category in REFUSALS:
        at = moment(day, 18, dice.whole(0, 50), dice.whole(0, 59))
        name = f"refused-{day:%m%d}"
        yield Ask(
            at,
            "support_chat",
            sonnet(day),
            "shop",
            conversation(chat_start(day), name, [dice.whole(60, 160)]),
            dice.whole(0, 4),
            request_id("support_chat", name),
            tail=3,
            refused=category,
            ttft_ms=dice.whole(300, 600),
            facts={
                **SUPPORT,
                "user": customer(dice),
                "session": f"chat-{name}",
                "max_tokens": 1024,
                "stop_reason": "refusal",
                "stop_details": {"type": "refusal", "category": category},
                "output_blocks": 0,
                "stream": True,
                "tools_defined": 4,
                "message_count": 1,
            },
        )


def _chat(dice: Dice, at: datetime, name: str) -> Iterator[Ask]:
    user, channel = customer(dice), dice.pick(("web", "web", "app"))
    sizes: list[int] = []
    turns = dice.whole(2, 6)
    for turn in range(turns):
        sizes.append(dice.whole(40, 260))
        looked_up = dice.chance(0.3)
        if looked_up:
            sizes[-1] += dice.whole(500, 1_400)
        output = dice.whole(120, 480)
        yield Ask(
            at,
            "support_chat",
            sonnet(at.date()),
            "shop",
            conversation(chat_start(at.date()), name, list(sizes)),
            output,
            request_id("support_chat", name, turn),
            tail=3,
            ttft_ms=dice.whole(420, 900),
            facts={
                **SUPPORT,
                "user": user,
                "session": f"chat-{name}",
                "unit": f"ticket-{name}",
                "max_tokens": 1024,
                "stop_reason": "end_turn",
                "stream": True,
                "tools_defined": 4,
                "tools_used": int(looked_up),
                "message_count": len(sizes),
                "tags": {"channel": channel},
            },
        )
        sizes.append(output)
        pause = turn == 1 and dice.chance(0.12)
        at = after(at, dice, 330, 560) if pause else after(at, dice, 25, 110)


HANDBOOK = 104_300
"""Tokens of the whole plant care handbook, which is plant_doctor's system prompt."""


def plant_doctor() -> Iterator[Ask]:
    """Clinic hours on Wednesday and Saturday: short questions, one after the other, to a handbook that stays warm."""
    dice = Dice("plant_doctor")
    for day in DAYS:
        if day.weekday() not in (2, 5):
            continue
        at = moment(day, 10, 0, dice.whole(2, 40))
        together = 3 if dice.chance(0.25) else 1
        for n in range(dice.count(19 * growth(day))):
            yield Ask(
                at,
                "plant_doctor",
                sonnet(day),
                "shop",
                chain(("system", "handbook 7", HANDBOOK, True), ("message", f"{day}/{n}", dice.whole(110, 420), False)),
                dice.whole(70, 190),
                request_id("plant_doctor", day, n),
                tail=3,
                ttft_ms=dice.whole(1_900, 3_200),
                facts={
                    **SUPPORT,
                    "user": customer(dice),
                    "task": "triage",
                    "max_tokens": 400,
                    "stop_reason": "end_turn",
                    "stream": True,
                    "message_count": 1,
                },
            )
            # visitors who wait at the door all come in at once, before the handbook is in the cache
            at = at + timedelta(milliseconds=dice.whole(150, 600)) if n + 1 < together else after(at, dice, 40, 230)


def order_status() -> Iterator[Ask]:
    """After the noon mail, with the time of day at the very start of the prompt: each call writes a cache nobody reads.

    The next call comes within minutes: with the time at the end of the prompt nearly all of them would read.
    """
    dice = Dice("order_status")
    for day in DAYS:
        at = moment(day, 12, dice.whole(0, 20), dice.whole(0, 59))
        for n in range(dice.count(5.0 * CUSTOMERS[day.weekday()] * growth(day))):
            yield Ask(
                at,
                "order_status",
                sonnet(day),
                "shop",
                chain(
                    ("system", f"it is now {at.isoformat()}", 22_900, True),
                    ("message", f"{day}/{n}", dice.whole(60, 210), False),
                ),
                dice.whole(60, 220),
                request_id("order_status", day, n),
                tail=3,
                facts={
                    **SUPPORT,
                    "user": customer(dice),
                    "unit": f"order-{dice.whole(20_000, 29_999)}",
                    "max_tokens": 512,
                    "stop_reason": "end_turn",
                    "stream": False,
                    "tools_defined": 0,
                    "message_count": 1,
                },
            )
            at = after(at, dice, 15, 270)
