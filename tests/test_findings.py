"""Findings: each rule on a log that it is for and on one that it is not, with the dollars worked out by hand."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import date, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from command_line import Command, run, store  # noqa: F401
from hypothesis import given
from hypothesis import strategies as st
from logs import audited, record

from claude_audit.catalog import load
from claude_audit.errors import AuditError
from claude_audit.findings import Findings
from claude_audit.renderers import findings as render
from claude_audit.renderers.terminal import findings_tables
from claude_audit.rules import Finding, registry
from claude_audit.rules.spend_spike import spikes, stands_out
from claude_audit.waterfall import Grade

HOSTILE = "a\x1b[2J'; rm -rf ~ #<b>|"


def found(folder: Path, records: Sequence[Mapping[str, Any]], *rules: str, **filters: Any) -> Findings:
    return audited(folder, records).filtered(**filters).findings(rules)


def only(folder: Path, records: Sequence[Mapping[str, Any]], rule: str) -> list[Finding]:
    answer = found(folder, records, rule)
    assert {one.rule for one in answer.found} <= {rule}
    return list(answer.found)


# Caches without readers. Claude Sonnet 5.5 in November 2026: input 2, read 0.10, written for 5 minutes 2.50 USD per million.


def test_a_cache_that_nobody_reads_costs_its_premium(tmp_path: Path) -> None:
    written = [record(n, endpoint="chat", input=0, w5=100_000, timestamp=f"2026-11-0{n}T10:00:00Z") for n in (1, 2)]
    read = [record(3, endpoint="chat", input=0, read=100_000, timestamp="2026-11-02T10:01:00Z")]
    (one,) = only(tmp_path, [*written, *read], "cache_without_readers")
    # The first day: 0.1 M x (2.50 - 2). The second: that, less 0.1 M x (2 - 0.10) of its read, is a gain.
    assert (one.low_usd, one.high_usd, one.grade) == (Decimal("0.05"), Decimal("0.05"), Grade.METERED)
    assert one.subject == "chat on claude-sonnet-5-5"
    assert one.message.startswith("On 1 of 2 days with caching") and "100,000 written" in one.message


def test_a_cache_that_is_read_is_no_finding(tmp_path: Path) -> None:
    lines = [record(1, w5=100_000), record(2, read=100_000)]
    assert only(tmp_path, lines, "cache_without_readers") == []


# Caches that ran out during a break. Claude Sonnet 5.5: read 0.10, written for 5 minutes 2.50, for an hour 4 USD per million.


def turn(n: int, at: str, **changes: Any) -> dict[str, Any]:
    return record(n, session="s", input=0, timestamp=f"2026-11-02T{at}Z", **changes)


def test_a_prompt_written_again_after_a_break(tmp_path: Path) -> None:
    first, warm = turn(1, "10:00:00", w5=100_000), turn(2, "10:04:00", read=100_000, w5=10_000)
    back = turn(3, "10:30:00", w5=115_000)
    (one,) = only(tmp_path, [first, warm, back], "cold_after_break")
    # 110,000 tokens were there: 0.11 M x (2.50 - 0.10). An hour had cost 1.50 more on the other 115,000 that were written.
    assert one.high_usd == Decimal("0.264")
    assert one.low_usd == Decimal("0.264") - Decimal("0.115") * Decimal("1.5")
    assert "1 request came back to its session" in one.message and "110,000 tokens again" in one.message


def test_after_more_than_an_hour_only_the_most_is_known(tmp_path: Path) -> None:
    lines = [turn(1, "10:00:00", w5=100_000), turn(2, "11:00:01", w5=100_000)]
    (one,) = only(tmp_path, lines, "cold_after_break")
    assert (one.low_usd, one.high_usd) == (0, Decimal("0.24"))


def test_what_others_kept_alive_is_not_written_again(tmp_path: Path) -> None:
    lines = [turn(1, "10:00:00", w5=100_000), turn(2, "10:30:00", read=40_000, w5=90_000)]
    (one,) = only(tmp_path, lines, "cold_after_break")
    assert one.high_usd == Decimal("0.06") * Decimal("2.4")


@pytest.mark.parametrize(
    "second",
    [
        turn(2, "10:05:00", w5=100_000),
        turn(2, "10:30:00", w5=49_999),
        turn(2, "10:30:00", read=100_000, w5=10),
        turn(2, "10:30:00", read=100_000, w5=60_000),
        turn(2, "10:59:00", w1=100_000),
        turn(2, "10:30:00", w5=100_000) | {"session": "other"},
        turn(2, "10:30:00", w5=100_000) | {"model": "claude-opus-5-5"},
    ],
    ids=[
        "in time",
        "a shorter prompt",
        "still warm",
        "still warm, and much is new",
        "within its hour",
        "another session",
        "another model",
    ],
)
def test_no_cold_request(tmp_path: Path, second: dict[str, Any]) -> None:
    assert only(tmp_path, [turn(1, "10:00:00", w5=100_000), second], "cold_after_break") == []


@pytest.mark.parametrize(
    ("hours_until", "low"),
    [("2026-11-04", "0.06"), ("2026-11-03", "0"), ("2026-11-02", "0")],
    ids=["always", "later not", "never"],
)
def test_a_low_end_needs_a_price_for_an_hour_on_every_day(tmp_path: Path, hours_until: str, low: str) -> None:
    row = "- {{model: claude-sonnet-5-5, since: {}, source: contract, usd_per_mtok: {{input: 2, cache_read: 0.10, cache_write_5m: 2.50{}, output: 10}}}}\n"
    hours = row.format("2026-11-01", ", cache_write_1h: 4") + row.format(hours_until, "")
    (tmp_path / "own.yaml").write_text("prices:\n" + hours)
    lines = [turn(1, "10:00:00", w5=100_000), turn(2, "10:30:00", w5=120_000)]
    lines += [turn(3, "10:00:00", w5=10_000) | {"timestamp": "2026-11-03T10:00:00Z"}]
    audit = replace(audited(tmp_path, lines), catalog=load(tmp_path / "own.yaml"))
    (one,) = audit.findings(["cold_after_break"]).found
    # 0.1 M x (2.50 - 0.10) at most. An hour at 4: less 1.50 on each of the other 120,000 of that day. The day after none is
    # cold (10,000 are less than half), and as long as an hour had a price there, it had cost 10,000 x 1.50 more.
    assert (one.low_usd, one.high_usd) == (Decimal(low) - (Decimal("0.015") if low != "0" else 0), Decimal("0.24"))


# Models in turns: each has a cache of its own.


def test_a_return_to_a_model_writes_what_the_other_has_written(tmp_path: Path) -> None:
    sonnet, opus = "claude-sonnet-5-5", "claude-opus-5-5"
    lines = [
        turn(1, "10:00:00", model=sonnet, w5=100_000),
        turn(2, "10:01:00", model=opus, w5=120_000),
        turn(3, "10:02:00", model=sonnet, read=100_000, w5=25_000),
    ]
    (one,) = only(tmp_path, lines, "models_in_turns")
    # 20,000 of its 25,000 were in the other's cache: 0.02 M x (2.50 - 0.10). The first on Opus is no return.
    assert (one.low_usd, one.high_usd, one.grade) == (0, Decimal("0.048"), Grade.BOUNDED)
    assert one.subject == "chat" and "1 request returned" in one.message and "20,000 tokens" in one.message


def test_one_model_or_a_late_return_is_no_turn(tmp_path: Path) -> None:
    lines = [turn(1, "10:00:00", w5=100_000), turn(2, "10:01:00", read=100_000, w5=20_000)]
    assert only(tmp_path, lines, "models_in_turns") == []
    lines = [
        turn(1, "10:00:00", w5=100_000),
        turn(2, "10:01:00", model="claude-opus-5-5", w5=120_000),
        turn(3, "10:07:00", read=100_000, w5=25_000),
    ]
    assert only(tmp_path / "late", lines, "models_in_turns") == []


# Prompts whose start keeps changing.


def dated(n: int, start: int = 4_000, system: str = "", **changes: Any) -> dict[str, Any]:
    """A request whose system prompt begins with another text each time."""
    blocks = [
        {"hash": system or f"s{n}", "kind": "system", "tokens": start},
        {"hash": f"m{n}", "tokens": 5_000 - start},
    ]
    return record(n, input=5_000, prompt_blocks=blocks, prefix_hash=system or f"p{n}", **changes)


def test_starts_that_are_never_the_same(tmp_path: Path) -> None:
    (one,) = only(tmp_path, [dated(n, 4_000 + n) for n in range(20)], "changing_start")
    # Starts of 4,000 to 4,019 tokens, 80,190 in all, at 2 less 0.10 USD per million.
    assert (one.low_usd, one.high_usd, one.grade) == (0, Decimal("80190") * Decimal("1.9") / 1_000_000, Grade.BOUNDED)
    assert one.subject == "chat on claude-sonnet-5-5" and "20 different starts" in one.message


@pytest.mark.parametrize(
    "lines",
    [
        [dated(n) for n in range(19)],
        [dated(n, system="same") for n in range(20)],
        [dated(n, 4_000 if n else 2_000) for n in range(20)],
        [dated(n, 500) for n in range(20)],
    ],
    ids=["few", "one start", "many sizes", "too short to be cached"],
)
def test_starts_that_are_no_finding(tmp_path: Path, lines: list[dict[str, Any]]) -> None:
    assert only(tmp_path, lines, "changing_start") == []


# Conversations that send their whole past.


def talk(n: int, **changes: Any) -> dict[str, Any]:
    return record(n, session="s", **changes)


def test_what_the_growth_of_prompts_cost(tmp_path: Path) -> None:
    # Prompts of 1,000, 2,000, … 5,000 tokens, of which all but the last 500 come from the cache.
    lines = [talk(n, input=500, read=1_000 * n + 500) for n in range(5)]
    (one,) = only(tmp_path, lines, "growing_history")
    # Growth of 1,000 + 2,000 + 3,000 + 4,000: four times 500 at 2 USD per million, the rest read at 0.10.
    assert one.high_usd == (2_000 * Decimal(2) + 8_000 * Decimal("0.1")) / 1_000_000
    assert (one.low_usd, one.subject) == (0, "chat")
    assert one.message.startswith("1 conversation of 5 turns or more grew: 67 %")


@pytest.mark.parametrize(
    "lines",
    [
        [talk(n, input=1_000 * (n + 1)) for n in range(4)],
        [talk(n, input=1_000) for n in range(6)],
        [talk(n, input=5_000 - 1_000 * n) for n in range(5)],
        [record(n, input=1_000 * (n + 1)) for n in range(6)],
    ],
    ids=["four turns", "one length", "shrinking", "no session"],
)
def test_conversations_that_do_not_grow(tmp_path: Path, lines: list[dict[str, Any]]) -> None:
    assert only(tmp_path, lines, "growing_history") == []


# Marks under the minimum: 512 tokens on Claude Sonnet 5.5, 4,096 on Claude Haiku 4.5.


def test_marks_on_prompts_too_short(tmp_path: Path) -> None:
    haiku = {"model": "claude-haiku-4-5", "endpoint": "tag"}
    blocks = [{"hash": "a", "tokens": 400, "kind": "system", "breakpoint": True}]
    lines = [
        record(1, endpoint="chat", input=511, prompt_blocks=blocks),
        record(2, endpoint="chat", input=512, prompt_blocks=blocks),
        record(3, **haiku, input=4095, prompt_blocks=blocks),
        record(4, **haiku, input=4096, prompt_blocks=blocks),
        record(5, endpoint="chat", input=100, prompt_blocks=[{**blocks[0], "breakpoint": False}]),
        record(6, endpoint="chat", input=0, read=500, prompt_blocks=blocks),
    ]
    first, second = sorted(only(tmp_path, lines, "marks_under_minimum"), key=lambda one: one.subject)
    assert (first.subject, second.subject) == ("chat on claude-sonnet-5-5", "tag on claude-haiku-4-5-20251001")
    assert first.message.startswith("1 request mark") and "512 tokens" in first.message
    assert second.message.startswith("1 request mark") and "4,096 tokens" in second.message
    assert first.low_usd is None and first.high_usd is None


# Thinking. Output of Claude Sonnet 5.5 costs 10 USD per million.


def thinking(n: int, thought: int, said: int, **more: Any) -> dict[str, Any]:
    details = {"output_tokens_details": {"thinking_tokens": thought}}
    return record(n, output=thought + said, usage=details, thinking=True, **more)


def test_much_thinking_for_short_answers(tmp_path: Path) -> None:
    lines = [
        thinking(1, 491, 49, endpoint="chat"),  # more than ten times 49
        thinking(2, 490, 49, endpoint="chat"),  # ten times
        thinking(3, 5000, 50, endpoint="chat"),  # no short answer
        thinking(4, 1000, 0, endpoint="route", model="claude-opus-9"),  # no price
    ]
    one, other = only(tmp_path, lines, "thinking_on_short_answers")
    assert (one.subject, one.low_usd, one.high_usd) == ("chat on claude-sonnet-5-5", 0, Decimal("0.00491"))
    assert one.message == "1 answer of under 50 tokens took 491 tokens of thinking."
    assert (other.subject, other.low_usd, other.high_usd) == ("route on claude-opus-9", None, None)


def test_thinking_without_a_price_is_not_in_an_amount(tmp_path: Path) -> None:
    fast = {"speed": "fast", "output_tokens": 549, "output_tokens_details": {"thinking_tokens": 500}}
    lines = [thinking(1, 500, 49), record(2, usage=fast, thinking=True)]
    one, other = only(tmp_path, lines, "thinking_on_short_answers")
    assert (one.subject, one.high_usd) == ("chat on claude-sonnet-5-5", Decimal("0.005"))
    assert (other.subject, other.high_usd) == ("chat on claude-sonnet-5-5", None)


# Answers


def test_answers_cut_off_are_told_from_one_in_a_hundred(tmp_path: Path) -> None:
    cut = [record(n, endpoint="a", stop_reason="max_tokens") for n in range(2)]
    rest = [record(n, endpoint="a", stop_reason="end_turn") for n in range(2, 150)]
    rare = [record(n, endpoint="b", stop_reason="max_tokens" if n == 200 else "end_turn") for n in range(200, 300)]
    (one,) = only(tmp_path, [*cut, *rest, *rare], "answers_cut_off")
    # 1,000 tokens in and 100 out cost $0.003.
    assert (one.subject, one.message) == ("a", "2 of 150 answers ended at max_tokens; they cost $0.006.")
    assert one.low_usd is None


def test_what_cut_answers_cost_is_no_zero_where_it_is_not_known(tmp_path: Path) -> None:
    cut = {"stop_reason": "max_tokens"}
    lines = [record(n, endpoint="a", model="claude-opus-9", **cut) for n in range(2)]
    lines += [record(n, endpoint="b", model="claude-opus-9" if n == 2 else "claude-sonnet-5-5", **cut) for n in (2, 3)]
    told = {one.subject: one.message for one in only(tmp_path, lines, "answers_cut_off")}
    assert told == {
        "a": "2 of 2 answers ended at max_tokens; what they cost is not known, for want of a price.",
        "b": "2 of 2 answers ended at max_tokens; they cost $0.003, and 1 of them has no price.",
    }


def test_a_max_tokens_far_above_the_answers(tmp_path: Path) -> None:
    lines = [record(n, endpoint="a", output=10 if n else 5000, max_tokens=81) for n in range(100)]
    lines += [record(n, endpoint="b", output=10, max_tokens=80) for n in range(100, 200)]
    lines += [record(n, endpoint="c", output=1, max_tokens=9000) for n in range(200, 299)]
    (one,) = only(tmp_path, lines, "room_never_used")
    assert (one.subject, one.low_usd, one.high_usd) == ("a", 0, 0)
    assert "99 % of 100 answers have at most 10 tokens" in one.message


# Levers


OF_LEVERS = {
    "asked_before": "response_cache",
    "just_over_a_band": "under_band",
    "long_system_prompt": "trim_system",
    "nobody_waits": "batch",
    "sent_again": "drop_retries",
    "unused_tools": "prune_tools",
}


@pytest.mark.parametrize(("rule", "lever"), OF_LEVERS.items())
def test_what_a_lever_leaves_out_is_what_it_saves(tmp_path: Path, rule: str, lever: str) -> None:
    system = [{"hash": "s", "tokens": 900, "kind": "system"}, {"hash": "m", "tokens": 100, "kind": "message"}]
    tools = [{"hash": "t", "tokens": 700, "kind": "tools"}, *system]
    lines = [record(n, endpoint="chat", prompt_blocks=system, request_hash="same") for n in range(3)]
    agent = {"endpoint": "agent", "prompt_blocks": tools, "tools_defined": 3, "tools_used": 0, "input": 1700}
    # A tool counts as unused after 1,000 calls over 30 days without one.
    lines += [
        record(50 + n, **agent, timestamp=f"2026-10-{n % 31 + 1:02}T{n // 60:02}:{n % 60:02}:00Z") for n in range(1000)
    ]
    lines += [record(2000, request_id="late", retry_of="req_0", endpoint="chat")]
    lines += [record(2001, model="claude-haiku-5-5", input=104_000, endpoint="long")]
    lines += [record(2002, latency_tolerant=True, endpoint="night")]
    audit = audited(tmp_path, lines)
    one = audit.opportunities(only=[lever]).found[0]
    assert one.step is not None and one.step.high_usd > 0
    (told,) = audit.findings([rule]).found
    assert (told.low_usd, told.high_usd) == (max(Decimal(0), one.step.low_usd), one.step.high_usd)
    assert told.evidence == (f"claude-audit whatif {one.flags}",)
    assert told.grade is one.step.grade


@pytest.mark.parametrize(("output", "seen"), [(0, "at most 0 tokens."), (1, "at most 1 token.")])
def test_no_cap_of_nothing_is_recommended(tmp_path: Path, output: int, seen: str) -> None:
    (one,) = only(tmp_path, [record(n, output=output, max_tokens=9) for n in range(100)], "room_never_used")
    assert one.message.endswith(seen) and one.remedy.startswith("set it to 2 or so")


def test_one_request_is_told_in_the_singular(tmp_path: Path) -> None:
    system = [{"hash": "s", "tokens": 900, "kind": "system"}, {"hash": "m", "tokens": 100, "kind": "message"}]
    mark = [{"hash": "m", "tokens": 200, "kind": "system", "breakpoint": True}]
    lines = [
        record(1, prompt_blocks=system, request_hash="h"),
        record(2, request_hash="h"),
        record(3, retry_of="req_1", input=300),
        record(4, model="claude-haiku-5-5", input=104_000),
        record(5, latency_tolerant=True),
        record(6, prompt_blocks=mark, input=200),
    ]
    rules = [*OF_LEVERS, "marks_under_minimum"]
    told = {one.rule: one.message.split()[:3] for one in found(tmp_path, lines, *rules).found}
    assert told == {
        "just_over_a_band": ["1", "request", "has"],
        "long_system_prompt": ["1", "request", "carries"],
        "marks_under_minimum": ["1", "request", "marks"],
        "nobody_waits": ["1", "request", "may"],
        "sent_again": ["1", "request", "was"],
    }


def nightly(days: int, **changes: Any) -> list[dict[str, Any]]:
    """Four requests a night, five minutes apart: 100,000 tokens in and 1,000 out on Claude Sonnet 5.5 cost $0.21."""
    times = [f"2026-11-{day + 1:02}T03:{5 * n:02}:00Z" for day in range(days) for n in range(4)]
    night = {"endpoint": "digest", "input": 100_000, "output": 1_000, "stream": False, **changes}
    return [record(n, timestamp=at, **night) for n, at in enumerate(times)]


def test_a_nightly_job_that_pays_for_answers_at_once(tmp_path: Path) -> None:
    (one,) = only(tmp_path, nightly(5), "nobody_waits")
    assert (one.subject, one.low_usd, one.high_usd, one.grade) == ("digest", 0, Decimal("2.1"), Grade.BOUNDED)
    assert one.message.startswith("20 requests came at the same hours every day and were answered at once")
    assert one.evidence == ("claude-audit whatif --batch-candidates",)


@pytest.mark.parametrize("changes", [{"stream": True}, {"user": "ann"}, {"session": "s"}])
def test_somebody_may_wait_for_a_nightly_job(tmp_path: Path, changes: dict[str, Any]) -> None:
    assert only(tmp_path, nightly(5, **changes), "nobody_waits") == []


def test_four_nights_are_no_habit(tmp_path: Path) -> None:
    assert only(tmp_path, nightly(4), "nobody_waits") == []


def test_who_waits_is_not_judged_where_no_field_tells(tmp_path: Path) -> None:
    answer = found(tmp_path, nightly(5, stream=None), "nobody_waits")
    assert (answer.found, [rule.name for rule, _ in answer.blind]) == ((), ["nobody_waits"])


def test_big_models_on_small_jobs_leave_the_others_alone(tmp_path: Path) -> None:
    lines = [
        record(1, model="claude-opus-5-5", task="classify", endpoint="tag"),
        record(2, model="claude-sonnet-5-5", task="classify", endpoint="tag"),
        record(3, model="claude-opus-5-5", task="essay", output=4000, endpoint="write"),
    ]
    (one,) = only(tmp_path, lines, "big_model_small_job")
    # Opus 5.5: 1,000 x 4 + 100 x 20 = $0.006; Haiku 5.5: 1,000 x 0.10 + 100 x 0.50 = $0.00015. At most the essay too:
    # 1,000 x 4 + 4,000 x 20 - (1,000 x 0.10 + 4,000 x 0.50) = $0.0819.
    assert (one.subject, one.low_usd) == ("tag", Decimal("0.00585"))
    assert one.high_usd == Decimal("0.00585") + Decimal("0.0819")


# Prices


def test_requests_without_a_price(tmp_path: Path) -> None:
    nameless = {key: value for key, value in record(3).items() if key != "model"}
    (one, other) = only(tmp_path, [record(1), record(2, model="claude-opus-9"), nameless], "no_price")
    assert {one.subject, other.subject} == {"claude-opus-9", "(none)"}
    assert all(each.low_usd is None for each in (one, other))


def test_a_model_that_retires_soon(tmp_path: Path) -> None:
    (one,) = only(tmp_path, [record(1, model="claude-sonnet-4-5")], "retiring_model")
    assert one.subject == "Claude Sonnet 4.5" and "2026-11-30" in one.message
    assert one.remedy.startswith("move to the successor before that day")


def test_before_a_day_that_is_over_nobody_moves(tmp_path: Path) -> None:
    (one,) = only(tmp_path, [record(1, model="claude-opus-4-1")], "retiring_model")
    assert " retired on 2026-08-05" in one.message and one.remedy == "move to the successor, and compare answers first"


# Spikes

FIRST = date(2026, 9, 1)


def series(*usd: str) -> dict[date, Decimal]:
    """The same weekday, week by week."""
    return {FIRST + timedelta(weeks=n): Decimal(each) for n, each in enumerate(usd)}


@pytest.mark.parametrize(
    ("before", "day", "out"),
    [
        # Median 10, MAD 1: 0.6745 x (15.19 - 10) / 1 = 3.50066.
        (("9", "10", "10", "11", "12", "9"), "15.19", True),
        (("9", "10", "10", "11", "12", "9"), "15.18", False),
        # MAD 0: the mean distance is 0.5, and 3.5 x 1.253314 x 0.5 = 2.193; what counts are the five dollars.
        (("10", "10", "10", "12"), "15", True),
        (("10", "10", "10", "12"), "14.99", False),
        # No distance at all.
        (("10", "10", "10", "10"), "15", True),
        # Twenty percent of a hundred.
        (("100", "100", "100", "100"), "119.99", False),
        (("100", "100", "100", "100"), "120", True),
    ],
)
def test_what_stands_out(before: Sequence[str], day: str, out: bool) -> None:
    days = list(map(Decimal, before))
    expected = sorted(days)[len(days) // 2 - 1 : len(days) // 2 + 1]
    assert stands_out(Decimal(day), days, sum(expected, Decimal(0)) / 2) is out


def test_a_second_spike_is_seen_behind_the_first(tmp_path: Path) -> None:
    assert [day for day, _, _ in spikes(series("10", "10", "11", "9", "90", "10", "90"))] == [
        FIRST + timedelta(weeks=4),
        FIRST + timedelta(weeks=6),
    ]


def test_four_weeks_come_first_and_eight_count() -> None:
    assert list(spikes(series("1", "1", "1", "99"))) == []
    ((day, expected, weeks),) = spikes(series(*["1000"] * 2, *["1"] * 8, "99"))
    assert (day, expected, weeks) == (FIRST + timedelta(weeks=10), 1, 8)


def test_a_day_without_requests_cost_nothing() -> None:
    days = series("1", "1", "1", "1", "1", "1", "1", "60")
    for weeks in (2, 3, 4, 5):
        del days[FIRST + timedelta(weeks=weeks)]
    ((_, expected, _),) = spikes(days)
    assert expected == 0


@given(st.lists(st.integers(0, 10_000), min_size=5, max_size=12))
def test_no_day_up_to_the_dearest_before_it_is_a_spike(usd: list[int]) -> None:
    days = series(*map(str, usd))
    for day, expected, _ in spikes(days):
        before = [days[day - timedelta(weeks=n)] for n in range(1, 9) if day - timedelta(weeks=n) in days]
        assert days[day] >= expected + 5
        assert sorted(before)[0] <= expected <= sorted(before)[-1]


@pytest.mark.parametrize("model", ["claude-sonnet-5", "claude-opus-9"])
def test_a_spike_names_what_grew(tmp_path: Path, model: str) -> None:
    lines = [
        record(n, endpoint="chat", model=model, timestamp=f"{FIRST + timedelta(days=n)}T10:00:00Z") for n in range(36)
    ]
    day = FIRST + timedelta(days=35)
    lines += [record(100 + n, endpoint="import", input=5_000_000, timestamp=f"{day}T11:0{n}:00Z") for n in range(3)]
    if model == "claude-opus-9":  # what the days before cost is not known
        assert only(tmp_path, lines, "spend_spike") == []
        return
    (one,) = only(tmp_path, lines, "spend_spike")
    # Three times 5 M x 2 + 100 x 10 USD per million.
    assert (one.subject, one.low_usd) == ("2026-10-06", Decimal("30.003"))
    assert "Most of it: import on claude-sonnet-5-5, $30.00 more than a week before (it is new)." in one.message


def test_a_spike_is_compared_only_with_a_day_that_had_requests(tmp_path: Path) -> None:
    days = [FIRST + timedelta(days=n) for n in range(36)]
    quiet = [
        record(n, timestamp=f"{day}T10:00:00Z") for n, day in enumerate(days) if day.weekday() != days[-1].weekday()
    ]
    (one,) = only(tmp_path, [*quiet, record(99, input=3_000_000, timestamp=f"{days[-1]}T10:00:00Z")], "spend_spike")
    assert one.evidence == (f"claude-audit spend --by endpoint,user --since {days[-1]} --until {days[-1]}",)


# The whole


def test_tools_are_not_judged_where_the_log_tells_of_none(tmp_path: Path) -> None:
    answer = found(tmp_path, [record(1)], "unused_tools")
    assert [rule.name for rule, _ in answer.blind] == ["unused_tools"] and not answer.nothing


def test_each_rule_says_what_it_rests_on() -> None:
    for name, rule in registry().items():
        assert name == rule.name and len(rule.doc) > 80 and rule.title[0].islower()


def test_dearest_first_and_what_was_not_judged(tmp_path: Path) -> None:
    lines = [record(1, latency_tolerant=True), record(2, model="claude-opus-9"), record(3, w5=100_000, input=0)]
    answer = found(tmp_path, lines)
    lows = [one.low_usd or Decimal(0) for one in answer.found]
    assert lows == sorted(lows, reverse=True) and answer.found[0].low_usd
    judged = {rule.name for rule in answer.nothing} | {one.rule for one in answer.found}
    assert judged.isdisjoint(rule.name for rule, _ in answer.blind)
    assert judged | {rule.name for rule, _ in answer.blind} == set(registry())
    frame = answer.to_frame()
    assert len(frame) == len(answer.found) and frame["low_usd"][0] == answer.found[0].low_usd


def test_an_unknown_rule_is_named(tmp_path: Path) -> None:
    with pytest.raises(AuditError, match="no rule 'spikes'") as caught:
        found(tmp_path, [record(1)], "spikes")
    assert "spend_spike" in caught.value.hint


def test_names_from_a_log_drive_nothing(tmp_path: Path) -> None:
    lines = [record(1, endpoint=HOSTILE, input=0, w5=100_000), record(2, endpoint=HOSTILE, model="claude-x`y")]
    answer = found(tmp_path, lines, where=(("endpoint", HOSTILE),))
    for text in (findings_tables(answer, width=80), render.csv(answer)):
        assert "\x1b" not in text
    assert "<b>" not in render.markdown(answer) and "\x1b" not in render.markdown(answer)
    (command,) = next(one for one in answer.found if one.rule == "cache_without_readers").evidence
    assert "'\"'\"'; rm -rf" in command  # quoted as one word


def test_findings_stay_within_the_filters(tmp_path: Path) -> None:
    lines = [record(n, endpoint=e, input=0, w5=100_000) for n, e in enumerate(("a", "b"))]
    answer = found(tmp_path, lines, "cache_without_readers", where=(("endpoint", "b"),), since=date(2026, 11, 1))
    (one,) = answer.found
    assert one.subject.startswith("b on ")
    assert one.evidence[0].endswith("--where model=claude-sonnet-5-5 --since 2026-11-01")


@pytest.mark.parametrize("how", ["table", "json", "csv", "markdown"])
def test_the_command(store: Path, run: Command, how: str) -> None:  # noqa: F811
    done = run("findings", "--format", how)
    assert (done.returncode, done.stderr) == (0, "")
    if how == "json":
        told = json.loads(done.stdout)
        assert told["schema_version"] == 1 and told["requests"] == 20
        assert {each["rule"] for each in told["not_judged"]} >= {"marks_under_minimum"}
    if how == "table":
        assert max(map(len, done.stdout.splitlines())) <= 80


def test_no_rows_no_findings(store: Path, run: Command) -> None:  # noqa: F811
    done = run("findings", "--where", "endpoint=nowhere")
    assert (done.returncode, done.stdout) == (0, "No requests.\n")
    assert "no request has endpoint nowhere" in done.stderr


@pytest.mark.parametrize("how", ["table", "json", "csv", "markdown"])
def test_rules_have_pages(store: Path, run: Command, how: str) -> None:  # noqa: F811
    every, one = run("explain", "rule", "--format", how), run("explain", "rule", "spend_spike", "--format", how)
    assert all(name in every.stdout.replace("\\", "") for name in registry())
    assert "weekday" in one.stdout or how == "csv"
    assert run("explain", "rule", "nope").returncode == 2
