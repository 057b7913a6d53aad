"""Windows over conversations and summaries of them: what they save uncached, what they cost cached, and what nobody can say."""

from __future__ import annotations

from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from conversations import chat
from logs import record
from stores import stored

from claude_audit.errors import AuditError
from claude_audit.levers import page
from claude_audit.waterfall import Grade, Step

ANSWERS = Decimal("0.02")
"""20 answers of 100 tokens on Claude Sonnet 5.5, at 10 dollars per million."""


def one(folder: Path, records: list[dict[str, Any]], **options: Any) -> Step:
    (step,) = stored(folder / "store", records).whatif(**options).steps
    assert step.low_usd <= step.saving_usd <= step.high_usd
    return step


# 20 turns of 100-token messages behind 500 tokens of system prompt: prompts of 600, 800, … 4,400; 50,000 tokens.
# From the sixth turn on (11 messages) the last ten are 1,000 tokens.


def test_the_last_ten_messages_save_45_percent_of_an_uncached_input(tmp_path: Path) -> None:
    step = one(tmp_path, chat(20), history="10")
    left = (600 + 800 + 1000 + 1200 + 1400) + 15 * (500 + 1000)
    assert step.before_usd - ANSWERS == Decimal(50_000 * 2) / 10**6
    assert step.after_usd - ANSWERS == Decimal(left * 2) / 10**6 == Decimal("0.055")
    assert (step.saving_usd, step.low_usd, step.high_usd) == (Decimal("0.045"),) * 3
    assert (step.requests_changed, step.grade) == (15, Grade.BOUNDED)
    assert "The model would have forgotten what lies before the window." in step.caveats
    assert step.warnings == ()


def test_the_same_window_costs_three_times_as_much_where_the_session_caches(tmp_path: Path) -> None:
    step = one(tmp_path, chat(20, cached=True), history="10")
    # Today: the first prompt written, then 200 tokens a turn; everything before is read.
    today = Decimal("2.5") * (600 + 19 * 200) + Decimal("0.1") * sum(600 + 200 * n for n in range(19))
    # The window: five turns as today, then 15 prompts of 1,500 tokens, plain: 500 of system prompt are under the minimum of 512.
    five = Decimal("2.5") * (600 + 4 * 200) + Decimal("0.1") * (600 + 800 + 1000 + 1200)
    assert step.before_usd - ANSWERS == today / 10**6 == Decimal("0.01556")
    assert step.after_usd - ANSWERS == (five + 15 * 1500 * 2) / 10**6 == Decimal("0.04886")
    assert (step.saving_usd, step.high_usd) == (Decimal("-0.0333"),) * 2
    # With the marks where they are, each of the 15 windows is written: 0.5 dollars per million more.
    assert step.low_usd == step.saving_usd - Decimal("0.5") * 15 * 1500 / 10**6
    assert step.facts["history"]["cached"] == [
        {
            "model": "claude-sonnet-5-5",
            "requests": 15,
            "history_tokens": sum(1600 + 200 * n - 500 for n in range(15)),
            "window_tokens": 15 * 1000,
            "history_to_window": 2.5,
            "break_even": 20.0,
            "saving_usd": "-0.0333",
        }
    ]
    assert any(
        "pays there only when the history is more than 20 times as long as the window" in c for c in step.caveats
    )
    assert any("Move the cache marks" in c for c in step.caveats)
    assert step.warnings == ("history RAISES the bill here by $0.0333.",)


def test_a_history_long_enough_pays_even_where_it_is_read_from_the_cache(tmp_path: Path) -> None:
    # One message of window, 20,000 tokens of history before it: 202 times as long as the question.
    long = chat(2, system=600, question=100, answer=20_000, cached=True)
    step = one(tmp_path, long, history="1")
    today = Decimal("2.5") * (20_800 - 700) + Decimal("0.1") * 700
    window = Decimal("0.1") * 600 + 2 * 100
    assert step.saving_usd == (today - window) / 10**6
    assert any("the window saves" in c and "is 202 times" in c for c in step.caveats)


def test_a_system_prompt_over_the_minimum_stays_read(tmp_path: Path) -> None:
    step = one(tmp_path, chat(3, system=1000, cached=True), history="1")
    # Turns two and three: 1,000 read, the question plain.
    first = Decimal("2.5") * 1100
    assert step.after_usd == (first + 2 * (Decimal("0.1") * 1000 + 2 * 100) + 3 * 100 * 10) / 10**6


def test_history_is_76_percent_of_the_input(tmp_path: Path) -> None:
    step = one(tmp_path, chat(20), history="9")
    facts = step.facts["history"]
    assert facts["history_tokens"] == sum(200 * turn for turn in range(20)) == 38_000
    assert (facts["prompt_tokens"], facts["history_share"]) == (50_000, 0.76)
    assert any(c.startswith("History is 76% of the input of the 20 requests") for c in step.caveats)


def test_an_even_window_is_advised_against(tmp_path: Path) -> None:
    assert any("take 9 or 11" in c for c in one(tmp_path / "a", chat(3), history="10").caveats)
    assert not any("begins with an answer" in c for c in one(tmp_path / "b", chat(3), history="9").caveats)


@pytest.mark.parametrize(("window", "gone"), [("10", 100), ("9", 200), ("1", 1000)])
def test_without_blocks_sizes_are_inferred_from_what_each_turn_adds(tmp_path: Path, window: str, gone: int) -> None:
    # Six turns: the last prompt holds 11 messages of 100 tokens; all but the first question's size is known.
    log = chat(6, blocks=False)
    step = one(tmp_path / "inferred", log, history=window)
    sizes = one(tmp_path / "exact", chat(6), history=window)
    turns = 5 if window == "1" else 1
    known = sizes.facts["history"]["tokens_cut"] - turns * 100
    assert step.facts["history"]["tokens_cut"] == known
    assert step.saving_usd == step.low_usd == Decimal(known * 2) / 10**6
    # High: the system prompt could be empty, and then the first prompt is all question.
    assert step.high_usd == Decimal((known + turns * 600) * 2) / 10**6
    assert step.low_usd <= sizes.saving_usd <= step.high_usd
    assert step.missing_fields == ("prompt_blocks",)
    assert any("inferred from sessions that only append" in c for c in step.caveats)


def test_thinking_is_no_part_of_the_next_prompt(tmp_path: Path) -> None:
    log = chat(4, blocks=False)
    for r in log:
        r["usage"]["output_tokens"] += 5000
        r["usage"]["output_tokens_details"] = {"thinking_tokens": 5000}
    step = one(tmp_path, log, history="3")
    # Turn three keeps 200 of its 400 tokens behind the first prompt (answer, question) and the question before: 300.
    assert step.facts["history"]["tokens_cut"] == 100 + 300
    for r in log:
        del r["usage"]["output_tokens_details"]
    unknown = one(tmp_path / "untold", log, history="3")
    assert [(e.gate, e.requests) for e in unknown.excluded] == [
        ("history edited, or several threads in one session", 4)
    ]
    for r in log:
        r["thinking"] = True
    assert one(tmp_path / "told", log, history="3").excluded == ()


def test_what_cannot_be_judged_is_counted_with_its_cost(tmp_path: Path) -> None:
    edited = chat(4, blocks=False, session="edited", number=10)
    edited[2]["usage"]["input_tokens"] = 700  # shorter than the prompt before it
    mixed = chat(3, blocks=False, session="mixed", number=20)
    mixed[1]["model"] = "claude-sonnet-4-5"
    jumps = chat(3, blocks=False, session="jumps", number=30)
    for n, r in enumerate(jumps):
        r["message_count"] = 1 + 4 * n
    odd = [record(40, prompt_blocks=[{"hash": "a", "tokens": 5, "kind": None}])]
    good = chat(3, blocks=False, session="good", number=50)
    step = one(tmp_path, [*edited, *mixed, *jumps, *odd, *good, record(60)], history="1")
    assert {e.gate: e.requests for e in step.excluded} == {
        "history edited, or several threads in one session": 4 + 3,
        "session across two tokenizers": 3,
        "prompt_blocks without messages": 1,
        "no session and no prompt_blocks": 1,
    }
    assert next(e.usd for e in step.excluded if e.gate == "no session and no prompt_blocks") == Decimal("0.003")
    assert step.requests_changed == 2  # the second and third turn of the good one: each loses an answer at least
    assert step.coverage is not None and step.coverage.requests == 3


@pytest.mark.parametrize("lever", ["history", "summarize_after"])
def test_without_sessions_there_is_no_figure(lever: str, tmp_path: Path) -> None:
    step = one(tmp_path, [record(n, message_count=40) for n in range(5)], **{lever: "5"})
    assert (step.saving_usd, step.low_usd, step.high_usd, step.requests_changed) == (0, 0, 0, 0)
    assert any(c.startswith("No figure: no request tells its messages.") for c in step.caveats)
    assert step.missing_fields == ("session",)


def test_sessions_are_told_apart_by_endpoint_and_workspace_and_ordered_by_time(tmp_path: Path) -> None:
    one_way = chat(6, blocks=False, endpoint="a") + chat(6, blocks=False, endpoint="b", number=30)
    step = one(tmp_path / "one", one_way, history="3")
    assert step.excluded == ()
    assert one(tmp_path / "two", one_way[::-1], history="3") == step


def test_what_a_filter_leaves_out_is_not_seen(tmp_path: Path) -> None:
    log = chat(6, blocks=False, endpoint="a") + chat(6, blocks=False, session="t", endpoint="b", number=30)
    audit = stored(tmp_path / "store", log)
    part = audit.filtered(where=(("endpoint", "b"),)).whatif(history="3").steps[0]
    assert part.saving_usd * 2 == audit.whatif(history="3").saving_usd


# Summaries. HIST-like: 20 turns, after 10 of them (20 messages) one summary of 300 tokens by Haiku 5.5.

CALL = Decimal(2 * 10 * 100 + 100) * Decimal("0.10") / 10**6 + Decimal(300) * Decimal("0.50") / 10**6


def test_a_summary_saves_a_third_of_an_uncached_input(tmp_path: Path) -> None:
    step = one(tmp_path, chat(20), summarize_after="20")
    after = sum(900 + 200 * n for n in range(10))
    left = sum(600 + 200 * n for n in range(10)) + after
    assert step.after_usd - ANSWERS == Decimal(left * 2) / 10**6 + CALL
    assert step.saving_usd / (step.before_usd - ANSWERS) == Decimal("0.3364")
    assert step.facts["summaries"]["calls"] == 1
    assert Decimal(step.facts["summaries"]["calls_usd"]) == CALL == Decimal("0.00036")
    assert step.requests_changed == 10


def test_the_same_summary_loses_two_percent_of_a_cached_one(tmp_path: Path) -> None:
    step = one(tmp_path, chat(20, cached=True), summarize_after="20")
    before = Decimal("2.5") * (600 + 9 * 200) + Decimal("0.1") * sum(600 + 200 * n for n in range(9))
    # One re-write of 900 tokens, then 200 a turn again.
    after = Decimal("2.5") * (900 + 9 * 200) + Decimal("0.1") * sum(900 + 200 * n for n in range(9))
    assert (before / 10**6, after / 10**6) == (Decimal("0.00726"), Decimal("0.00828"))
    assert step.after_usd - ANSWERS == (before + after) / 10**6 + CALL == Decimal("0.0159")
    assert step.saving_usd == Decimal("-0.00034")
    assert any("Where sessions cache, this costs $0.00034" in c for c in step.caveats)
    assert step.warnings == ("summarize after RAISES the bill here by $0.00034.",)


def test_a_summary_sums_up_the_one_before_it(tmp_path: Path) -> None:
    # A summary each five turns: the second reads the first, and ten messages.
    step = one(tmp_path, chat(11), summarize_after="10", summary_tokens="50", summary_instruction="0")
    reads = 1000 + (1000 + 50)
    assert Decimal(step.facts["summaries"]["calls_usd"]) == (Decimal("0.10") * reads + Decimal("0.50") * 2 * 50) / 10**6
    prompts = [600, 800, 1000, 1200, 1400, 650, 850, 1050, 1250, 1450, 650]
    assert step.after_usd == (
        Decimal(sum(prompts) * 2 + 11 * 100 * 10) / 10**6 + Decimal(step.facts["summaries"]["calls_usd"])
    )


def test_short_messages_are_dearer_summed_up(tmp_path: Path) -> None:
    step = one(tmp_path, chat(4, question=10, answer=10), summarize_after="4")
    assert step.saving_usd < 0
    assert any("the messages are too short" in c for c in step.caveats)


def test_without_blocks_a_summary_covers_all_but_the_first_prompt(tmp_path: Path) -> None:
    step = one(tmp_path / "inferred", chat(20, blocks=False), summarize_after="20")
    sizes = one(tmp_path / "exact", chat(20), summarize_after="20")
    # The first question (100 tokens) stays in ten prompts, and the summary need not read it.
    assert sizes.saving_usd - step.saving_usd == Decimal(10 * 100 * 2) / 10**6 - Decimal("0.10") * 100 / 10**6
    assert step.low_usd < step.saving_usd < step.high_usd
    assert step.low_usd <= sizes.saving_usd <= step.high_usd


def test_a_session_that_began_before_the_log_is_not_summed_up_until_it_is_known(tmp_path: Path) -> None:
    log = chat(12, blocks=False)[6:]
    for n, r in enumerate(log):
        r["message_count"] = 13 + 2 * n
    step = one(tmp_path, log, summarize_after="10")
    assert [(e.gate, e.requests) for e in step.excluded] == [("session began before the log", 4)]
    assert step.facts["summaries"]["calls"] == 1


def test_who_sums_up_can_be_chosen_and_falls_back_on_the_sessions_own_model(tmp_path: Path) -> None:
    own = one(tmp_path / "own", chat(20), summarize_after="20", summary_model="claude-sonnet-5-5")
    assert Decimal(own.facts["summaries"]["calls_usd"]) == Decimal(2100 * 2 + 300 * 10) / 10**6
    # 199,600 tokens of history, the instruction and the summary are more than Haiku 4.5 takes in.
    for answer, model, usd in ((180_000, "haiku", 1 * 180_300 + 5 * 300), (199_500, "sonnet", 2 * 199_800 + 10 * 300)):
        log = chat(2, question=100, answer=answer)
        step = one(
            tmp_path / model, log, summarize_after="2", summary_model="claude-haiku-4-5", summary_instruction="200"
        )
        assert Decimal(step.facts["summaries"]["calls_usd"]) == Decimal(usd) / 10**6
    # Over its price band the whole call is dearer.
    band = one(tmp_path / "band", chat(2, answer=100_000), summarize_after="2")
    assert Decimal(band.facts["summaries"]["calls_usd"]) == (Decimal("0.5") * 100_200 + Decimal("2.5") * 300) / 10**6


# With a replay of the cache: prompts whose hashes changed.


def test_a_replay_after_a_summary_finds_what_the_summary_said(tmp_path: Path) -> None:
    answer = stored(tmp_path / "store", chat(41, cached=True)).whatif(
        summarize_after="10", cache_replay=True, cache_policy="end"
    )
    summary, replay = answer.steps
    assert (replay.saving_usd, replay.requests_changed) == (0, 0)
    assert replay.facts["replay"]["requests"] == 41
    assert summary.facts["summaries"]["calls"] == 8


def test_a_replay_after_a_window_writes_each_window_anew(tmp_path: Path) -> None:
    window, replay = (
        stored(tmp_path / "store", chat(20, cached=True)).whatif(history="10", cache_replay=True, cache_policy="end")
    ).steps
    assert replay.after_usd == window.before_usd - window.low_usd
    assert replay.facts["replay"]["requests_hit"] == 4
    assert replay.requests_changed == 15


BAD = [
    ({"history": "0"}, "--history '0' is not a number of messages above 0"),
    ({"history": "ten"}, "--history 'ten' is not"),
    ({"summarize_after": "-1"}, "--summarize-after '-1' is not"),
    ({"summarize_after": "10", "summary_tokens": "x"}, "--summary-tokens 'x' is not"),
    ({"summarize_after": "10", "summary_tokens": 0}, "--summary-tokens 0 is not"),
    ({"summarize_after": "10", "summary_tokens": "9999999"}, "is more than claude-haiku-5-5 can write"),
    ({"summarize_after": "10", "summary_instruction": "-2"}, "--summary-instruction '-2' is not"),
    ({"summarize_after": "10", "summary_model": "gpt-7"}, "--summary-model 'gpt-7': no such model"),
    ({"summarize_after": "10", "history": "5"}, "--history and --summarize-after exclude each other"),
]


@pytest.mark.parametrize(("options", "words"), BAD, ids=[words for _, words in BAD])
def test_a_value_that_makes_no_sense_is_an_error_that_names_it(
    options: dict[str, Any], words: str, tmp_path: Path
) -> None:
    with pytest.raises(AuditError) as raised:
        stored(tmp_path / "store", [record(1)]).whatif(**options)
    assert words in raised.value.message
    assert raised.value.hint


def test_the_examples_of_their_pages_are_right(tmp_path: Path) -> None:
    window = one(tmp_path / "w", chat(15, system=400, question=50, answer=50), history="5")
    assert window.before_usd == Decimal("0.0345") + 15 * 50 * 10 / Decimal(10**6)
    assert window.after_usd == Decimal("0.0189") + 15 * 50 * 10 / Decimal(10**6)
    assert "$0.0345" in page("history") and "$0.0189" in page("history")
    summary = one(tmp_path / "s", chat(8, system=400), summarize_after="8")
    assert summary.before_usd == Decimal("0.0192") + 8 * 100 * 10 / Decimal(10**6)
    assert summary.after_usd == Decimal("0.0152") + Decimal("0.00024") + 8 * 100 * 10 / Decimal(10**6)
    assert "$0.0192" in page("summarize_after") and "$0.00024" in page("summarize_after")


def test_a_router_that_errs_leaves_whole_tokens(tmp_path: Path) -> None:
    audit = stored(tmp_path / "store", chat(20))
    alone, _ = audit.whatif(history="10", route_simple="haiku").steps
    beside, _ = audit.whatif(history="10", route_simple="haiku", router="haiku", router_accuracy="0.95").steps

    assert beside.facts["history"] == alone.facts["history"]
    assert all(
        isinstance(beside.facts["history"][name], int) for name in ("prompt_tokens", "history_tokens", "tokens_cut")
    )
