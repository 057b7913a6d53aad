"""Windows and summaries hold the laws of all levers: any stack of them costs what each conversation, redone by hand, costs."""

from __future__ import annotations

import tempfile
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from fractions import Fraction
from pathlib import Path
from typing import Any

import whatif_reference as slow
import whatif_reference_history as conversations
from conversations import blocks_of
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from logs import record
from stores import stored
from test_scenario_cases import hold

quick = settings(max_examples=8, deadline=None, suppress_health_check=[HealthCheck.too_slow])
START = datetime(2026, 10, 6, 23, 50, tzinfo=UTC)
"""Ten minutes before a day with other prices."""

sizes = st.one_of(st.integers(1, 300), st.sampled_from([512, 2000, 40_000]))
MODELS = ("claude-sonnet-5-5", "claude-opus-4-8", "claude-sonnet-4-5")


@st.composite
def logs(draw: st.DrawFn) -> list[dict[str, Any]]:
    made: list[dict[str, Any]] = []
    for number in range(draw(st.integers(1, 3))):
        made += draw(sessions(number))
    if draw(st.booleans()):
        made.append(_record(90, START, 700, (0, 0, 0), 20, "a"))
        made.append({**_record(91, START, 700, (0, 0, 0), 20, "a"), "model": "claude-unknown-9"})
    return made


@st.composite
def sessions(draw: st.DrawFn, number: int) -> list[dict[str, Any]]:
    """A conversation, logged with its blocks or without, cached anyhow; now and then one that does not only append."""
    blocks = draw(st.booleans())
    edited = not blocks and draw(st.integers(0, 9)) == 0
    model, endpoint = draw(st.sampled_from(MODELS)), draw(st.sampled_from(["a", "b"]))
    system, messages = draw(sizes), [draw(sizes)]
    session = f"session {number}" if not blocks or draw(st.booleans()) else None
    made = []
    for turn in range(draw(st.integers(1, 7))):
        size = system + sum(messages) + (draw(sizes) if blocks else 0)
        ends = sorted(draw(st.sampled_from([0, system, size, size // 2, size - messages[-1]])) for _ in range(3))
        moment = START + timedelta(minutes=4 * turn, seconds=number)
        answer, thinking = draw(st.integers(0, 300)), draw(st.sampled_from([0, 0, 40]))
        log = _record(10 * number + turn, moment, size, tuple(ends), answer + thinking, endpoint, thinking)
        log["model"] = "claude-sonnet-4-5" if edited and turn == 2 else model
        log |= {"session": session} if session else {}
        log |= {"prompt_blocks": blocks_of(f"s{number}", system, messages)} if blocks else {}
        made.append(log)
        messages = [*messages, answer, draw(sizes)]
        if edited and turn == 3:
            messages = messages[3:]
    return made


def _record(
    n: int, moment: datetime, size: int, ends: tuple[int, ...], output: int, endpoint: str, thinking: int = 0
) -> dict[str, Any]:
    read, hour, cached = ends
    more = {"usage": {"output_tokens_details": {"thinking_tokens": thinking}}} if thinking else {}
    return record(
        n,
        timestamp=moment.isoformat(),
        input=size - cached,
        read=read,
        w1=hour - read,
        w5=cached - hour,
        output=output,
        endpoint=endpoint,
        **more,
    )


OTHERS: Mapping[str, Any] = {"cap_output": "100", "route_simple": "haiku", "cache_hit": "0.85", "batch": ["a"]}
REFERENCE: Mapping[str, slow.Lever] = {
    "cap_output": slow.each(lambda row: slow.cap(row, 100)),
    "route_simple": slow.each(lambda row: slow.route(row, "claude-haiku-5-5", Fraction(13, 10))),
    "cache_hit": lambda rows: slow.cache(rows, Fraction(85, 100)),
    "batch": slow.each(lambda row: slow.batch(row, "a")),
}
STACKS = ((), ("route_simple", "cache_hit"), tuple(OTHERS))


@settings(quick, max_examples=16)
@given(logs(), st.integers(1, 8), st.sampled_from(STACKS))
def test_a_window_under_any_stack_is_each_conversation_redone(
    made: list[dict[str, Any]], keep: int, stack: tuple[str, ...]
) -> None:
    rows = slow.rows_of(made)
    _holds(made, {"history": str(keep)}, conversations.window(rows, keep), Fraction(0), stack)


@settings(quick, max_examples=16)
@given(logs(), st.integers(1, 8), st.sampled_from([1, 60, 300]), st.sampled_from(STACKS))
def test_summaries_under_any_stack_are_each_conversation_redone(
    made: list[dict[str, Any]], most: int, tokens: int, stack: tuple[str, ...]
) -> None:
    rows = slow.rows_of(made)
    changed, spent = conversations.summaries(rows, most, tokens, 100)
    _holds(made, {"summarize_after": str(most), "summary_tokens": str(tokens)}, changed, spent, stack)


def _holds(
    made: list[dict[str, Any]],
    lever: dict[str, Any],
    changed: list[slow.Row],
    beside: Fraction,
    stack: tuple[str, ...],
) -> None:
    differ = sum(
        (a.u, a.r, a.w5, a.w1) != (b.u, b.r, b.w5, b.w1) for a, b in zip(slow.rows_of(made), changed, strict=True)
    )
    rows = changed
    for name in stack:
        rows = REFERENCE[name](rows)
    with tempfile.TemporaryDirectory() as folder:
        answer = stored(Path(folder) / "store", made).whatif(**lever, **{name: OTHERS[name] for name in stack})
        hold(answer)
        assert Fraction(answer.final_usd) == slow.total(rows) + beside
        first = answer.steps[0]
        assert first.requests_changed >= differ if beside else first.requests_changed == differ


@quick
@given(
    logs(),
    st.sampled_from([{"history": "3"}, {"summarize_after": "3", "summary_tokens": "20"}]),
    st.randoms(use_true_random=False),
)
def test_the_order_of_the_lines_does_not_matter(made: list[dict[str, Any]], lever: dict[str, str], chance: Any) -> None:
    with tempfile.TemporaryDirectory() as folder:
        one = stored(Path(folder) / "one", made).whatif(**lever, **OTHERS)
        other = stored(Path(folder) / "two", chance.sample(made, len(made))).whatif(**OTHERS, **lever)
        assert one == other


@quick
@given(logs())
def test_a_window_larger_than_any_conversation_changes_nothing(made: list[dict[str, Any]]) -> None:
    with tempfile.TemporaryDirectory() as folder:
        audit = stored(Path(folder) / "store", made)
        for lever in ({"history": "1000"}, {"summarize_after": "1000"}):
            step = audit.whatif(**lever).steps[0]
            assert (step.saving_usd, step.low_usd, step.high_usd, step.requests_changed) == (0, 0, 0, 0)


@quick
@given(logs(), st.integers(1, 6), st.sampled_from([None, "end", "every", "marked"]))
def test_a_replay_after_them_is_a_replay_of_the_prompts_rewritten_by_hand(
    made: list[dict[str, Any]], number: int, policy: str | None
) -> None:
    made = [{**log, "prompt_blocks": _marked(log["prompt_blocks"])} for log in made if log.get("prompt_blocks")]
    if not made:
        return
    cache: dict[str, Any] = {"cache_replay": True, "cache_ttl": "1h"} | ({"cache_policy": policy} if policy else {})
    with tempfile.TemporaryDirectory() as folder:
        audit = stored(Path(folder) / "store", made)
        rewritten = [_windowed(log, number) for log in made]
        by_hand = stored(Path(folder) / "rewritten", rewritten).whatif(**cache)
        assert audit.whatif(history=str(number), **cache).final_usd == by_hand.final_usd

        lever = {"summarize_after": str(number), "summary_tokens": "60", "summary_instruction": "0"}
        summed = [_summed(log, number, 60) for log in made]
        by_hand = stored(Path(folder) / "summed", summed).whatif(**cache)
        spent = Fraction(audit.whatif(**lever).steps[0].facts["summaries"]["calls_usd"])
        assert Fraction(audit.whatif(**lever, **cache).final_usd) == Fraction(by_hand.final_usd) + spent


def _marked(blocks: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Marks at the end of the system prompt and of the prompt."""
    return [{**block, "breakpoint": n in (0, len(blocks) - 1)} for n, block in enumerate(blocks)]


def _windowed(log: dict[str, Any], keep: int) -> dict[str, Any]:
    system, *said = log["prompt_blocks"]
    return _rewritten(log, [system], said, max(len(said) - keep, 0))


def _summed(log: dict[str, Any], most: int, tokens: int) -> dict[str, Any]:
    system, *said = log["prompt_blocks"]
    turns = (most + 1) // 2
    gone = (len(said) - 1) // (2 * turns) * 2 * turns if log.get("session") else 0
    if not gone:
        return log
    # The summary and the message after it are one block: what counts is where entries can begin and end.
    said = [{**block, "tokens": block["tokens"] + tokens * (n == gone)} for n, block in enumerate(said)]
    made = _rewritten(log, [system], said, gone)
    made["usage"] = made["usage"] | {"input_tokens": made["usage"]["input_tokens"] + tokens}
    return made


def _rewritten(
    log: dict[str, Any], head: list[dict[str, Any]], said: list[dict[str, Any]], gone: int
) -> dict[str, Any]:
    """The log's prompt without its first messages, all of it plain input: only the replay says what is cached."""
    usage = log["usage"]
    sent = usage["input_tokens"] + usage["cache_read_input_tokens"] + usage["cache_creation_input_tokens"]
    kept = [{**block, "hash": f"{block['hash']} without {gone}" if gone else block["hash"]} for block in said[gone:]]
    lost = sum(block["tokens"] for block in log["prompt_blocks"][1 : 1 + gone])
    plain = usage | {
        "input_tokens": sent - lost,
        "cache_read_input_tokens": 0,
        "cache_creation_input_tokens": 0,
        "cache_creation": {"ephemeral_5m_input_tokens": 0, "ephemeral_1h_input_tokens": 0},
    }
    return {**log, "prompt_blocks": [*head, *kept], "usage": plain}
