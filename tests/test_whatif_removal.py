"""Requests left out, served from a store and sent together: held against row-by-row re-pricing, alone and with others."""

from __future__ import annotations

import tempfile
from collections.abc import Mapping, Sequence
from fractions import Fraction
from pathlib import Path
from typing import Any

import removal_reference as removal
import whatif_reference as slow
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from logs import record
from stores import stored
from test_scenario_cases import hold

OPTIONS: Mapping[str, Any] = {
    "drop_retries": True,
    "response_cache": "15m",
    "items_per_call": "3",
    "cap_output": "100",
    "route_simple": "haiku",
    "cache_hit": "0.85",
    "batch": ["a"],
}
"""In the order of application."""

LATER: Mapping[str, slow.Lever] = {
    "cap_output": slow.each(lambda row: slow.cap(row, 100)),
    "route_simple": slow.each(lambda row: slow.route(row, "claude-haiku-5-5", Fraction(13, 10))),
    "cache_hit": lambda rows: slow.cache(rows, Fraction(85, 100)),
    "batch": slow.each(lambda row: slow.batch(row, "a")),
}
system = {"hash": "s1", "kind": "system", "tokens": 900}
MODELS = ("claude-sonnet-5-5", "claude-haiku-5-5", "claude-sonnet-4-5")
PROMPTS: tuple[tuple[int, list[dict[str, Any]] | None], ...] = (
    (1000, [system, {"hash": "m1", "kind": "message", "tokens": 100}]),
    (1015, [system, {"hash": "m2", "kind": "message", "tokens": 115}]),
    (60_000, [{"hash": "t", "kind": "tools", "tokens": 500}, {"hash": "s2", "kind": "system", "tokens": 600}]),
    (5000, [{"hash": "m", "kind": "message", "tokens": 5000}]),
    (1000, None),
    (1000, []),
)


def maybe(draw: st.DrawFn, name: str, *values: Any) -> dict[str, Any]:
    value = draw(st.sampled_from([None, *values]))
    return {} if value is None else {name: value}


def seldom(draw: st.DrawFn, name: str, *values: Any) -> dict[str, Any]:
    return {name: draw(st.sampled_from(values))} if draw(st.integers(0, 7)) == 0 else {}


@st.composite
def logs(draw: st.DrawFn) -> list[dict[str, Any]]:
    made: list[dict[str, Any]] = []
    second = 0
    usual = draw(st.sampled_from(MODELS)), draw(st.sampled_from(PROMPTS)), draw(st.sampled_from([0, 0, 600]))
    for n in range(draw(st.integers(2, 14))):
        second += draw(st.sampled_from([0, 0, 1, 30, 60, 61, 900, 901, 3600]))
        model, (prompt, blocks), read = usual
        if draw(st.integers(0, 2)) == 0:
            model, (prompt, blocks) = draw(st.sampled_from(MODELS)), draw(st.sampled_from(PROMPTS))
        more = {
            **maybe(draw, "request_hash", "h1", "h1", "h2"),
            **seldom(draw, "session", "s"),
            **seldom(draw, "retry_of", f"req_{draw(st.integers(0, n))}"),
            **maybe(draw, "stop_reason", "end_turn"),
            **seldom(draw, "stop_reason", "max_tokens", "refusal"),
            **seldom(draw, "status", "timeout", "invalid"),
            **maybe(draw, "latency_ms", 0, 5000, 60_000, 700_000),
            **seldom(draw, "message_count", 1, 5),
            **seldom(draw, "tools_used", 0, 1),
            **seldom(draw, "workspace", "w"),
            **({} if blocks is None else {"prompt_blocks": blocks}),
        }
        made.append(
            record(
                n,
                timestamp=f"2026-11-02T{10 + second // 3600:02d}:{second // 60 % 60:02d}:{second % 60:02d}+00:00",
                model=model,
                input=prompt - read,
                read=read,
                output=draw(st.integers(1, 300)),
                endpoint=draw(st.sampled_from(["a", "a", "a", "b"])),
                usage={"service_tier": draw(st.sampled_from(["standard"] * 5 + ["batch"]))},
                **more,
            )
        )
        if second > 9 * 3600:
            break
    return made


def repriced(rows: Sequence[slow.Row], names: Sequence[str]) -> list[slow.Row]:
    """The rows after these levers, in the order of application."""
    left = list(rows)
    if "drop_retries" in names:
        left = removal.drop_retries(left)
    if "response_cache" in names:
        left = removal.response_cache(left, 900, rows)
    if "items_per_call" in names:
        left = removal.items_per_call(left, 3)
    for name in names:
        if name in LATER:
            left = LATER[name](left)
    return left


@settings(max_examples=18, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(
    logs(),
    st.sets(st.sampled_from(list(OPTIONS)), min_size=1) | st.sampled_from([set(list(OPTIONS)[:3]), set(OPTIONS)]),
)
def test_any_subset_costs_what_repricing_row_by_row_says(made: list[dict[str, Any]], chosen: set[str]) -> None:
    rows = slow.rows_of(made)
    names = [name for name in OPTIONS if name in chosen]
    with tempfile.TemporaryDirectory() as folder:
        answer = stored(Path(folder) / "store", made).whatif(**{name: OPTIONS[name] for name in names})
        assert Fraction(answer.baseline_usd) == slow.total(rows)
        assert Fraction(answer.final_usd) == slow.total(repriced(rows, names)), names


@settings(max_examples=3, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(logs(), st.randoms(use_true_random=False))
def test_the_laws_hold_and_the_order_of_flags_does_not_matter(made: list[dict[str, Any]], chance: Any) -> None:
    with tempfile.TemporaryDirectory() as folder:
        levers = {name: OPTIONS[name] for name in list(OPTIONS)[:3]} | {"cache_replay": True}
        audit = stored(Path(folder) / "store", made)
        answer = audit.whatif(**levers, attribution="shapley")
        hold(answer)
        hold(audit.whatif(**OPTIONS))
        names = list(levers)
        chance.shuffle(names)
        assert audit.whatif(**{name: levers[name] for name in names}, attribution="shapley") == answer
        for step in answer.steps:
            assert step.alone_usd == audit.whatif(**{step.lever: levers[step.lever]}).saving_usd


@settings(max_examples=5, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(logs())
def test_one_item_a_call_is_what_the_log_has(made: list[dict[str, Any]]) -> None:
    with tempfile.TemporaryDirectory() as folder:
        step = stored(Path(folder) / "store", made).whatif(items_per_call="1").steps[0]
        assert (step.saving_usd, step.low_usd, step.high_usd, step.requests_changed) == (0, 0, 0, 0)
