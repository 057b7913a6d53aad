"""The laws of any answer, for the levers of answers, newer models and price modifiers beside those before and after them."""

from __future__ import annotations

import tempfile
from collections.abc import Mapping
from fractions import Fraction
from pathlib import Path
from typing import Any

import whatif_output_reference as own
import whatif_reference as slow
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from stores import stored
from test_scenario_cases import hold
from test_whatif_laws import logs, some

quick = settings(max_examples=8, deadline=None, suppress_health_check=[HealthCheck.too_slow])

OPTIONS: Mapping[str, Mapping[str, Any]] = {
    "cap_output": {"cap_output": "2x"},
    "concise": {"concise": "0.2:0.4", "concise_tokens": 30},
    "effort_cut": {"effort_cut": "0.1:0.5"},
    "upgrade": {"upgrade": "auto"},
    "route_simple": {"route_simple": "haiku"},
    "cache_hit": {"cache_hit": "0.85"},
    "batch": {"batch": ["a"]},
    "global_geo": {"global_geo": True},
    "standard_speed": {"standard_speed": True},
}
"""In the order of application."""


@st.composite
def thinking_logs(draw: st.DrawFn) -> list[dict[str, Any]]:
    """Logs whose requests say that they did not think, that they did, how much, or nothing; at high or low effort."""
    return [
        {**record, **some(draw, "thinking", False, True), **some(draw, "effort", "low", "high")}
        for record in draw(logs())
    ]


def reference(made: list[dict[str, Any]]) -> dict[str, slow.Lever]:
    lengths = own.answers(made)
    cap = max(1, own.twice_the_median(lengths)) if lengths else 1
    return {
        "cap_output": slow.each(lambda row: slow.cap(row, cap)),
        "concise": slow.each(lambda row: own.concise(row, Fraction(3, 10), 30)),
        "effort_cut": slow.each(lambda row: own.effort(row, Fraction(3, 10))),
        "upgrade": slow.each(lambda row: own.upgrade(row, Fraction(13, 10))),
        "route_simple": slow.each(lambda row: slow.route(row, "claude-haiku-5-5", Fraction(13, 10))),
        "cache_hit": lambda rows: slow.cache(rows, Fraction(85, 100)),
        "batch": slow.each(lambda row: slow.batch(row, "a")),
        "global_geo": slow.each(own.global_geo),
        "standard_speed": slow.each(own.standard_speed),
    }


def flags(names: Any) -> dict[str, Any]:
    return {flag: value for name in OPTIONS if name in names for flag, value in OPTIONS[name].items()}


def billed(row: slow.Row) -> tuple[Any, ...]:
    return row.model, row.speed, row.u, row.r, row.w5, row.w1, row.answer


@quick
@given(thinking_logs(), st.lists(st.sets(st.sampled_from(list(OPTIONS)), min_size=1), min_size=1, max_size=1))
def test_any_subset_costs_what_repricing_row_by_row_says(made: list[dict[str, Any]], subsets: list[set[str]]) -> None:
    rows, levers = slow.rows_of(made), reference(made)
    with tempfile.TemporaryDirectory() as folder:
        audit = stored(Path(folder) / "store", made)
        for names in [*subsets, set(OPTIONS)]:
            changed = rows
            for name in OPTIONS:
                changed = levers[name](changed) if name in names else changed
            answer = audit.whatif(**flags(names))
            assert Fraction(answer.baseline_usd) == slow.total(rows)
            assert Fraction(answer.final_usd) == slow.total(changed), names
            hold(answer)


@quick
@given(thinking_logs())
def test_each_alone_changes_the_requests_that_repricing_changes(made: list[dict[str, Any]]) -> None:
    rows, levers = slow.rows_of(made), reference(made)
    with tempfile.TemporaryDirectory() as folder:
        audit = stored(Path(folder) / "store", made)
        for name in ("cap_output", "concise", "effort_cut", "upgrade", "standard_speed"):
            after = levers[name](rows)
            changed = sum(billed(a) != billed(b) for a, b in zip(rows, after, strict=True))
            assert audit.whatif(**OPTIONS[name]).steps[0].requests_changed == changed, name


@quick
@given(thinking_logs(), st.randoms(use_true_random=False))
def test_the_order_of_flags_and_rows_does_not_matter(made: list[dict[str, Any]], chance: Any) -> None:
    with tempfile.TemporaryDirectory() as folder:
        answer = stored(Path(folder) / "one", made).whatif(**flags(OPTIONS))
        names = list(OPTIONS)
        chance.shuffle(names)
        shuffled = chance.sample(made, len(made))
        asked = {flag: value for name in names for flag, value in OPTIONS[name].items()}
        assert stored(Path(folder) / "two", shuffled).whatif(**asked) == answer


@quick
@given(thinking_logs())
def test_they_add_up_over_disjoint_filters(made: list[dict[str, Any]]) -> None:
    levers = flags(set(OPTIONS) - {"cap_output", "cache_hit"})
    with tempfile.TemporaryDirectory() as folder:
        audit = stored(Path(folder) / "store", made)
        whole = audit.whatif(**levers)
        parts = [audit.filtered(where=(("endpoint", name),)).whatif(**levers) for name in ("a", "b")]
        assert sum((part.final_usd for part in parts), parts[0].final_usd * 0) == whole.final_usd


@quick
@given(thinking_logs())
def test_todays_value_changes_nothing(made: list[dict[str, Any]]) -> None:
    with tempfile.TemporaryDirectory() as folder:
        audit = stored(Path(folder) / "store", made)
        for today in ({"concise": "0", "concise_tokens": 0}, {"effort_cut": "0:0"}, {"upgrade": "claude-sonnet-4"}):
            step = audit.whatif(**today).steps[0]
            assert (step.saving_usd, step.low_usd <= 0 <= step.high_usd, step.requests_changed) == (0, True, 0), today
        moved = audit.whatif(upgrade="auto", global_geo=True, standard_speed=True)
        assert moved.unpriced_requests == sum(record["model"] == "claude-unknown-9" for record in made)
