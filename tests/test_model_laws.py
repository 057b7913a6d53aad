"""Routers, providers and models of one's own under any other lever: the bill is that of re-pricing row by row."""

from __future__ import annotations

import tempfile
from collections.abc import Mapping
from fractions import Fraction
from pathlib import Path
from typing import Any

import whatif_reference as slow
import whatif_reference_models as models
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from stores import stored
from test_scenario_cases import hold
from test_whatif_laws import logs

few = settings(max_examples=4, deadline=None, suppress_health_check=[HealthCheck.too_slow])
TARGET, ROUTER = "claude-haiku-5-5", "claude-haiku-4-5-20251001"

LEVERS: Mapping[str, Mapping[str, Any]] = {
    "cap_output": {"cap_output": "100"},
    "route_simple": {"route_simple": "haiku", "router": ROUTER, "router_accuracy": "0.875", "router_detect": "0.5"},
    "cache_hit": {"cache_hit": "0.85"},
    "batch": {"batch": ["a"], "batch_candidates": True},
    "distill": {"distill": ["b"], "distill_price": "0.1:0.4", "distill_hosting": "0.3", "distill_training": "1"},
}
DAYS = {"10-06": 279, "10-07": 280, "11-02": 306}


def hosting(made: list[dict[str, Any]]) -> Fraction:
    days = [DAYS[record["timestamp"][5:10]] for record in made]
    return Fraction(3, 10) * (max(days) - min(days) + 1) / 30


def changed(rows: list[slow.Row], name: str, made: list[dict[str, Any]]) -> list[slow.Row]:
    match name:
        case "cap_output":
            return [slow.cap(row, 100) for row in rows]
        case "route_simple":
            accuracy, caught = Fraction(7, 8), Fraction(1, 2)
            return models.route_by_router(rows, TARGET, ROUTER, Fraction(13, 10), accuracy, caught)
        case "cache_hit":
            return slow.cache(rows, Fraction(85, 100))
        case "batch":
            return [slow.batch(row, "a") for row in rows]
        case "distill":
            return models.own_model(rows, "b", Fraction(1, 10), Fraction(4, 10), hosting(made))
    raise ValueError(name)


@settings(few, max_examples=20)
@given(logs(), st.sampled_from(["route_simple", "distill"]), st.sets(st.sampled_from(list(LEVERS))))
def test_every_subset_costs_what_repricing_row_by_row_says(
    made: list[dict[str, Any]], one: str, others: set[str]
) -> None:
    wanted = slow.rows_of(made)
    options: dict[str, Any] = {}
    for name in (name for name in LEVERS if name in {one, *others}):
        wanted = changed(wanted, name, made)
        options |= LEVERS[name]
    with tempfile.TemporaryDirectory() as folder:
        answer = stored(Path(folder) / "store", made).whatif(**options)
        hold(answer)
        assert Fraction(answer.final_usd) == slow.total(wanted), options


@few
@given(logs(), st.sampled_from(["0.5", "0.33", "1"]))
def test_another_vendor_costs_what_its_prices_say(made: list[dict[str, Any]], accuracy: str) -> None:
    with tempfile.TemporaryDirectory() as folder:
        other = Path(folder) / "other.yaml"
        other.write_text("name: x\nusd_per_mtok: {input: 0.5, output: 2}\ntokens: [0.8, 1.2]\nfee: 0.05\n")
        audit = stored(Path(folder) / "store", made)
        answer = audit.whatif(route_simple="haiku", router_accuracy=accuracy, batch=["a"], provider=str(other))
        hold(answer)
        rows = slow.rows_of(made)
        wanted = []
        for row in rows:
            simple = slow.may_go(row, TARGET, Fraction(13, 10))
            right, wrong = Fraction(accuracy), 1 - Fraction(accuracy)
            there = slow.routed(row, TARGET, Fraction(13, 10))
            usd = row.usd()
            assert usd is not None
            if simple is None:
                wanted.append(row)
            elif simple:
                wanted += [slow.replace(there, share=right), slow.replace(row, share=wrong)]
            else:
                wanted += [slow.replace(there, share=wrong, beside=wrong * usd), slow.replace(row, share=right)]
        wanted = [slow.batch(row, "a") for row in wanted]
        dear = (Fraction(1, 2), Fraction(2), Fraction(12, 10), Fraction(5, 100))
        assert Fraction(answer.final_usd) == slow.total([models.elsewhere(row, *dear) for row in wanted])


@few
@given(logs())
def test_a_router_that_never_errs_and_costs_nothing_is_no_router(made: list[dict[str, Any]]) -> None:
    with tempfile.TemporaryDirectory() as folder:
        audit = stored(Path(folder) / "store", made)
        plain = audit.whatif(route_simple="haiku", batch=["a"])
        perfect = audit.whatif(route_simple="haiku", router_accuracy="1", batch=["a"])
        assert [step.saving_usd for step in perfect.steps] == [step.saving_usd for step in plain.steps]
        assert (perfect.steps[0].low_usd, perfect.steps[0].high_usd) == (
            plain.steps[0].low_usd,
            plain.steps[0].high_usd,
        )


@few
@given(logs())
def test_a_share_of_simple_requests_is_bounded_by_those_that_save_least_and_most(made: list[dict[str, Any]]) -> None:
    with tempfile.TemporaryDirectory() as folder:
        audit = stored(Path(folder) / "store", made)
        answer = audit.whatif(route_simple="haiku", route_share="0.6", tokenizer_factor="1.3")
        hold(answer)
        gains = []
        for row in slow.rows_of(made):
            if slow.may_go(row, TARGET, Fraction(13, 10)) is not None:
                before, after = row.usd(), slow.routed(row, TARGET, Fraction(13, 10)).usd()
                assert before is not None and after is not None
                gains.append(before - after)
        gains.sort()
        many = int(Fraction("0.6") * len(gains))
        (step,) = answer.steps
        assert Fraction(step.saving_usd) == sum(gains, Fraction(0)) * Fraction("0.6")
        assert Fraction(step.low_usd) <= sum(gains[:many], Fraction(0))
        assert Fraction(step.high_usd) >= sum(gains[len(gains) - many :], Fraction(0))
        same = all(
            slow.log_model(row) in ("claude-sonnet-5-5", TARGET, "claude-opus-4-8") for row in slow.rows_of(made)
        )
        if same:  # one tokenizer: no factor widens the bounds
            assert Fraction(step.low_usd) == min(sum(gains[:many], Fraction(0)), Fraction(step.saving_usd))


@few
@given(logs(), st.randoms(use_true_random=False))
def test_neither_the_order_of_rows_nor_of_flags_matters(made: list[dict[str, Any]], chance: Any) -> None:
    options = {**LEVERS["route_simple"], **LEVERS["batch"], **LEVERS["distill"], "route_sessions": True}
    names = list(options)
    chance.shuffle(names)
    with tempfile.TemporaryDirectory() as folder:
        one = stored(Path(folder) / "one", made).whatif(**options)
        other = stored(Path(folder) / "two", chance.sample(made, len(made))).whatif(**{n: options[n] for n in names})
        assert one == other
