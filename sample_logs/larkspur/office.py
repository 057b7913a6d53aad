"""The endpoints of the back office: classify_review, extract_invoice, care_guide, nightly_report and stock_agent."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date, datetime, timedelta

from .asks import Ask, request_id
from .calls import Block, chain
from .dice import CUSTOMERS, DAYS, OFFICE, Dice, after, digest, growth, moment, opus

OFFICE_KEY = {"workspace": "back-office", "api_key_id": "key_backoffice", "environment": "production"}
SPIKE = date(2026, 10, 22)
"""Somebody sends the whole season's invoices through extract_invoice once more."""
REFRESH = date(2026, 10, 18)
"""A Sunday on which old care guides are rewritten through the Batch API."""


def classify_review() -> Iterator[Ask]:
    """A marked system prompt of 3,310 tokens on a model that caches from 4,096: nothing is ever cached.

    The shop's webhook now and then delivers a review twice; the same request goes out twice.
    """
    dice = Dice("classify_review")
    for day in DAYS:
        at = moment(day, 7, dice.whole(0, 59), dice.whole(0, 59))
        for n in range(dice.count(3.6 * CUSTOMERS[day.weekday()] * growth(day))):
            blocks = chain(
                ("system", "review labels 3", 3_310, True), ("message", f"{day}/{n}", dice.whole(50, 330), False)
            )
            answer = dice.whole(5, 12)
            for copy in range(2 if dice.chance(0.13) else 1):
                yield Ask(
                    at,
                    "classify_review",
                    "claude-haiku-4-5",
                    "back-office",
                    blocks,
                    answer,
                    request_id("classify_review", day, n, copy),
                    tail=3,
                    facts={
                        **OFFICE_KEY,
                        "team": "catalogue",
                        "task": "classify",
                        "max_tokens": 1024,
                        "stop_reason": "end_turn",
                        "tools_defined": 0,
                        "message_count": 1,
                        "request_hash": "sha256:" + digest("review", day, n)[:16],
                    },
                )
                at = after(at, dice, 40, 400)
            at = after(at, dice, 900, 9_000)


def extract_invoice() -> Iterator[Ask]:
    """Suppliers' invoices and delivery notes, long and simple, on the dearest model of the house."""
    dice = Dice("extract_invoice")
    number = 4_000
    for day in DAYS:
        at = moment(day, 6, dice.whole(0, 30), dice.whole(0, 59))
        for _ in range(dice.count(5.6 * OFFICE[day.weekday()] * growth(day))):
            number += 1
            yield from _invoice(dice, at, number, "key_backoffice")
            at = after(at, dice, 60, 160)
        if day == SPIKE:
            at = moment(day, 13, 4, 11)
            for again in range(number - 150, number):
                yield from _invoice(dice, at, again, "key_migration")
                at = after(at, dice, 11, 24)


def _invoice(dice: Dice, at: datetime, number: int, key: str) -> Iterator[Ask]:
    """One extraction, and a second one when the first answer was no valid JSON."""
    size = Dice(f"invoice/{number}").whole(34_000, 88_000)  # the same when the invoice comes once more
    blocks = chain(("system", "invoice schema 5", 2_610, False), ("message", f"{number}", size, False))
    first = request_id("extract_invoice", number, key, 0)
    for attempt in range(2 if dice.chance(0.05) else 1):
        ask = Ask(
            at,
            "extract_invoice",
            opus(at.date()),
            "back-office",
            blocks,
            dice.whole(620, 1_150),
            first if attempt == 0 else request_id("extract_invoice", number, key, attempt),
            facts={
                **OFFICE_KEY,
                "api_key_id": key,
                "team": "purchasing",
                "task": "extract",
                "unit": f"invoice-{number}",
                "latency_tolerant": True,
                "max_tokens": 2048,
                "stop_reason": "end_turn",
                "tools_defined": 0,
                "message_count": 1,
                "has_images": False,
                "request_hash": "sha256:" + digest("invoice", number)[:16],
                **({"retry_of": first} if attempt else {}),
            },
        )
        yield ask
        at += timedelta(milliseconds=ask.latency_ms + dice.whole(800, 3_000))


def care_guide() -> Iterator[Ask]:
    """Long texts on Opus. Until 2026-10-19 the cap of 4,096 cut some of them, and they were asked for again."""
    dice = Dice("care_guide")
    for day in DAYS:
        at = moment(day, 9, dice.whole(0, 50), dice.whole(0, 59))
        for n in range(dice.count(3.6 * OFFICE[day.weekday()] * growth(day))):
            yield from _guide(dice, at, f"{day}/{n}")
            at = after(at, dice, 600, 4_000)
        if day == REFRESH:
            at = moment(day, 21, 30, 0)
            for n in range(22):
                yield _draft(at, f"refresh/{n}", dice.whole(5_000, 9_500), 16_000, dice, batch=True)
                at += timedelta(milliseconds=dice.whole(3, 40))


def _guide(dice: Dice, at: datetime, name: str) -> Iterator[Ask]:
    wanted = dice.whole(1_700, 5_200) if at.date() < date(2026, 10, 20) else dice.whole(3_800, 12_500)
    cap = 4_096 if at.date() < date(2026, 10, 20) else 16_000
    first = _draft(at, name, wanted, cap, dice)
    yield first
    if wanted > cap:
        later = at + timedelta(milliseconds=first.latency_ms + dice.whole(2_000, 20_000))
        yield _draft(later, name, wanted + dice.whole(0, 700), 16_000, dice, retry_of=first.request_id)


def _draft(
    at: datetime, name: str, wanted: int, cap: int, dice: Dice, *, batch: bool = False, retry_of: str | None = None
) -> Ask:
    cut = wanted > cap
    return Ask(
        at,
        "care_guide",
        opus(at.date()),
        "back-office",
        chain(
            ("system", "house style 2", 3_420, False),
            ("message", name, Dice(f"guide/{name}").whole(4_000, 11_000), False),
        ),
        min(wanted, cap),
        request_id("care_guide", name, retry_of),
        batch=batch,
        facts={
            **OFFICE_KEY,
            "team": "catalogue",
            "user": dice.pick(("staff-04", "staff-09")),
            "task": "draft",
            "max_tokens": cap,
            "stop_reason": "max_tokens" if cut else "end_turn",
            "tools_defined": 0,
            "message_count": 1,
            **({"latency_tolerant": True} if batch else {}),
            **({"retry_of": retry_of} if retry_of else {}),
        },
    )


REPORTS = ("sales", "stock", "returns", "suppliers", "web")


def nightly_report() -> Iterator[Ask]:
    """At two in the night, whole exports in one prompt, read by nobody before eight: a batch in all but price."""
    dice = Dice("nightly_report")
    for day in DAYS:
        at = moment(day, 2, 0, dice.whole(5, 40))
        for name in REPORTS[: 3 if day.weekday() in (6, 0) else 5]:
            size = int(dice.whole(155_000, 240_000) * growth(day))
            ask = Ask(
                at,
                "nightly_report",
                opus(day),
                "back-office",
                chain(("system", f"report {name}", 1_930, False), ("message", f"{name}/{day}", size, False)),
                dice.whole(2_600, 5_200),
                request_id("nightly_report", name, day),
                facts={
                    "workspace": "back-office",
                    "api_key_id": "key_nightly",
                    "team": "operations",
                    "environment": "production",
                    "task": "report",
                    "latency_tolerant": True,
                    "max_tokens": 8_000,
                    "stop_reason": "end_turn",
                    "stream": False,
                    "tools_defined": 0,
                    "message_count": 1,
                    "tags": {"report": name},
                },
            )
            yield ask
            at += timedelta(milliseconds=ask.latency_ms + dice.whole(900, 4_000))


def stock_agent() -> Iterator[Ask]:
    """Reorders stock with 14 tools, twice a week. A human approves half way, and the cache is cold by then."""
    dice = Dice("stock_agent")
    for day in DAYS:
        if day.weekday() in (1, 4):
            yield from _run(dice, moment(day, 9, dice.whole(5, 50), dice.whole(0, 59)), f"run-{day:%m%d}")


def _run(dice: Dice, at: datetime, name: str) -> Iterator[Ask]:
    start = (("tools", "stock tools", 9_260, False), ("system", "stock agent 4", 4_310, True))
    messages: list[int] = [dice.whole(900, 2_400)]
    turns = dice.whole(8, 12)
    for turn in range(turns):
        last = turn == turns - 1
        thinking = dice.whole(150, 900)
        spoken = dice.whole(500, 1_100) if last else dice.whole(90, 320)
        searches = dice.whole(1, 3) if not last and dice.chance(0.12) else 0
        blocks: tuple[Block, ...] = chain(
            *start, *(("message", f"{name}/{n}", size, n == len(messages) - 1) for n, size in enumerate(messages))
        )
        ask = Ask(
            at,
            "stock_agent",
            opus(at.date()),
            "agents",
            blocks,
            thinking + spoken,
            request_id("stock_agent", name, turn),
            tail=3 + searches * dice.whole(4_000, 6_500),
            thinking=thinking,
            searches=searches,
            ttft_ms=dice.whole(900, 1_800),
            facts={
                "workspace": "agents",
                "api_key_id": "key_agents",
                "team": "purchasing",
                "environment": "production",
                "session": name,
                "max_tokens": 16_000,
                "stop_reason": "end_turn" if last else "tool_use",
                "stream": True,
                "tools_defined": 14,
                "tools_used": 0 if last else dice.whole(1, 3),
                "message_count": len(messages),
                "thinking": True,
            },
        )
        yield ask
        messages += [spoken, dice.whole(1_200, 7_500)]
        approval = turn == turns // 2
        wait = dice.whole(540, 1_900) if approval else dice.whole(1, 9)
        at += timedelta(milliseconds=ask.latency_ms + wait * 1000 + dice.whole(0, 999))


def canary() -> Iterator[Ask]:
    """Three calls to a model that is in no price list: they have no price, which is not the price 0."""
    dice = Dice("canary")
    for n in range(3):
        yield Ask(
            moment(date(2026, 11, 12), 15, 10 + 7 * n, dice.whole(0, 59)),
            "classify_review",
            "claude-preview-canary",
            "back-office",
            (),
            dice.whole(6, 14),
            request_id("canary", n),
            tail=dice.whole(3_300, 3_700),
            facts={**OFFICE_KEY, "team": "catalogue", "task": "classify", "environment": "staging"},
        )
