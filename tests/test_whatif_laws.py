"""What must hold for any log and any levers."""

from __future__ import annotations

import tempfile
from collections.abc import Mapping
from fractions import Fraction
from pathlib import Path
from typing import Any

import whatif_reference as slow
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from logs import record
from stores import stored
from test_scenario_cases import hold

quick = settings(max_examples=8, deadline=None, suppress_health_check=[HealthCheck.too_slow])

MODELS = (
    "claude-sonnet-5-5",
    "claude-haiku-5-5",
    "claude-opus-4-8",
    "claude-sonnet-4-5",
    "claude-haiku-4-5",
    "claude-unknown-9",
)
sizes = st.one_of(st.integers(0, 3000), st.sampled_from([0, 511, 512, 1024, 4096, 76_923, 76_924, 100_000, 100_001]))
block = st.builds(
    lambda kind, tokens, mark: {"hash": "h", "kind": kind, "tokens": tokens, "breakpoint": mark},
    st.sampled_from(["system", "tools", "message"]),
    st.integers(0, 2000),
    st.booleans(),
)


def some(draw: st.DrawFn, name: str, *values: Any) -> dict[str, Any]:
    value = draw(st.sampled_from([None, *values]))
    return {} if value is None else {name: value}


@st.composite
def logs(draw: st.DrawFn) -> list[dict[str, Any]]:
    made = []
    for n in range(draw(st.integers(1, 10))):
        model = draw(st.sampled_from(MODELS))
        day = draw(st.sampled_from(["10-06", "10-07", "11-02"]))
        if model == "claude-haiku-5-5" and day == "10-06":
            day = "10-07"  # it was not sold before
        usage = {
            "service_tier": draw(st.sampled_from(["standard", "standard", "batch", "priority"])),
            "inference_geo": draw(st.sampled_from(["us", "global"])) if model != MODELS[3] else "global",
            "server_tool_use": {"web_search_requests": draw(st.integers(0, 1))},
            "speed": draw(st.sampled_from(["standard", "standard", "fast"]))
            if model == "claude-opus-4-8"
            else "standard",
            **draw(st.sampled_from([{}, {"output_tokens_details": {"thinking_tokens": 7}}])),
        }
        if usage["speed"] == "fast":
            usage["service_tier"] = "standard"
        more = {
            **some(draw, "task", "classify", "essay"),
            **some(draw, "stop_reason", "end_turn", "max_tokens"),
            **some(draw, "tools_used", 0, 1),
            **some(draw, "message_count", 1, 5),
            **some(draw, "stream", True),
            **some(draw, "workspace", "w"),
            **some(draw, "prompt_blocks", draw(st.lists(block, max_size=4))),
        }
        made.append(
            record(
                n,
                model=model,
                timestamp=f"2026-{day}T12:00:{n:02d}+00:00",
                input=draw(sizes),
                output=draw(st.integers(0, 400)),
                read=draw(sizes),
                w5=draw(sizes),
                w1=draw(sizes),
                usage=usage,
                endpoint=draw(st.sampled_from(["a", "b"])),
                **more,
            )
        )
    return made


OPTIONS: Mapping[str, Any] = {
    "cap_output": "100",
    "route_simple": "haiku",
    "cache_hit": "0.85",
    "batch": ["a"],
}
REFERENCE: Mapping[str, slow.Lever] = {
    "cap_output": slow.each(lambda row: slow.cap(row, 100)),
    "route_simple": slow.each(lambda row: slow.route(row, "claude-haiku-5-5", Fraction(13, 10))),
    "cache_hit": lambda rows: slow.cache(rows, Fraction(85, 100)),
    "batch": slow.each(lambda row: slow.batch(row, "a")),
}


@settings(quick, max_examples=45)
@given(logs(), st.sets(st.sampled_from(list(OPTIONS)), min_size=1))
def test_every_subset_costs_what_repricing_row_by_row_says(made: list[dict[str, Any]], subset: set[str]) -> None:
    changed = rows = slow.rows_of(made)
    names = [name for name in OPTIONS if name in subset]
    for name in names:
        changed = REFERENCE[name](changed)
    with tempfile.TemporaryDirectory() as folder:
        answer = stored(Path(folder) / "store", made).whatif(**{name: OPTIONS[name] for name in names})
        assert Fraction(answer.baseline_usd) == slow.total(rows)
        assert Fraction(answer.final_usd) == slow.total(changed), names


@quick
@given(logs(), st.randoms(use_true_random=False))
def test_the_laws_hold_and_the_order_of_flags_and_rows_does_not_matter(made: list[dict[str, Any]], chance: Any) -> None:
    with tempfile.TemporaryDirectory() as folder:
        answer = stored(Path(folder) / "one", made).whatif(**OPTIONS, attribution="shapley")
        hold(answer)
        names = list(OPTIONS)
        chance.shuffle(names)
        shuffled = chance.sample(made, len(made))
        other = stored(Path(folder) / "two", shuffled).whatif(**{n: OPTIONS[n] for n in names}, attribution="shapley")
        assert other == answer


@quick
@given(logs())
def test_levers_that_judge_rows_by_themselves_add_up_over_disjoint_filters(made: list[dict[str, Any]]) -> None:
    levers = {name: OPTIONS[name] for name in ("cap_output", "route_simple", "batch")}
    with tempfile.TemporaryDirectory() as folder:
        audit = stored(Path(folder) / "store", made)
        whole = audit.whatif(**levers)
        parts = [audit.filtered(where=(("endpoint", name),)).whatif(**levers) for name in ("a", "b")]
        assert sum((part.final_usd for part in parts), parts[0].final_usd * 0) == whole.final_usd
        assert sum(part.unpriced_requests for part in parts) == whole.unpriced_requests


NOTHING: Mapping[str, Any] = {
    "cap_output": "1000000",
    "cache_hit": "0",
    "batch": ["nowhere"],
}


@quick
@given(logs())
def test_a_lever_at_todays_value_changes_nothing(made: list[dict[str, Any]]) -> None:
    with tempfile.TemporaryDirectory() as folder:
        audit = stored(Path(folder) / "store", made)
        for name, value in NOTHING.items():
            step = audit.whatif(**{name: value}).steps[0]
            assert (step.saving_usd, step.requests_changed) == (0, 0), name
