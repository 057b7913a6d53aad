"""Levers together: their order, what each is worth alone, last and on average, and scenarios from a file."""

from __future__ import annotations

from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from logs import record
from stores import stored

from claude_audit.audit import Audit
from claude_audit.errors import AuditError
from claude_audit.scenario import scenario_file
from claude_audit.waterfall import Grade


@pytest.fixture
def audit(tmp_path: Path) -> Audit:
    """Twenty classifications that can wait, four long answers, one of them cut off, and two requests without a price."""
    records = [
        record(n, task="classify", endpoint="extract", input=1800, output=50, latency_tolerant=True) for n in range(20)
    ]
    records += [record(20 + n, task="essay", endpoint="write", input=3000, output=700 + n) for n in range(4)]
    records += [record(30 + n, model="claude-unknown-9", task="classify", endpoint="extract") for n in range(2)]
    return stored(tmp_path / "store", records)


def test_the_steps_stand_in_the_order_of_application_whatever_the_order_of_the_flags(audit: Audit) -> None:
    one = audit.whatif(batch=["extract"], cache_hit="0.5", route_simple="haiku", cap_output="100")
    other = audit.whatif(cap_output="100", route_simple="haiku", cache_hit="0.5", batch=["extract"])
    assert [step.lever for step in one.steps] == ["cap_output", "route_simple", "cache_hit", "batch"]
    assert one == other


def test_the_total_is_the_same_for_every_attribution_and_the_shares_add_up_to_it(audit: Audit) -> None:
    levers: dict[str, Any] = {"cap_output": "600", "route_simple": "haiku", "cache_hit": "0.5", "batch": ["extract"]}
    plain = audit.whatif(**levers)
    shared = audit.whatif(**levers, attribution="shapley")
    assert plain.saving_usd == shared.saving_usd
    assert sum(step.shapley_usd or 0 for step in shared.steps) == shared.saving_usd
    assert [step.alone_usd for step in plain.steps] == [step.alone_usd for step in shared.steps]
    for step in plain.steps:
        alone = audit.whatif(**{step.lever: levers[step.lever]})
        assert alone.saving_usd == step.alone_usd
    for step in shared.steps:
        without = audit.whatif(**{name: value for name, value in levers.items() if name != step.lever})
        assert step.last_usd == shared.saving_usd - without.saving_usd


def test_a_log_of_unknown_models_only_has_nothing_to_save(tmp_path: Path) -> None:
    audit = stored(tmp_path / "store", [record(0, model="claude-unknown-9", endpoint="a")])
    for options in ({"trim_system": "100", "under_band": "20"}, {"route_simple": "haiku", "cache_hit": "0.5"}):
        answer = audit.whatif(**options)
        assert (answer.baseline_usd, answer.saving_usd, answer.unpriced_requests) == (0, 0, 1)


def test_requests_without_a_price_are_never_touched(audit: Audit) -> None:
    answer = audit.whatif(route_simple="haiku", batch=["extract"], cache_hit="0.9")
    assert answer.unpriced_requests == 2
    assert all(step.requests_changed <= 24 for step in answer.steps)
    assert "2 requests have no price: no lever touched them." in answer.notes


def test_the_headline_holds_what_is_evidenced_only(audit: Audit) -> None:
    answer = audit.whatif(batch=["extract"], cap_output="600")
    cap, batch = answer.steps
    assert (cap.grade, batch.grade) == (Grade.BOUNDED, Grade.METERED)
    assert answer.evidenced_saving_usd == batch.low_usd == batch.saving_usd > 0


def test_a_step_is_graded_no_better_than_what_it_builds_on(audit: Audit) -> None:
    assert [step.grade for step in audit.whatif(cap_output="600", batch=["extract", "write"]).steps] == [
        Grade.BOUNDED,
        Grade.BOUNDED,
    ]
    assert audit.whatif(route_simple="haiku", batch=["write"]).steps[1].grade is Grade.METERED


def test_a_lever_that_raises_the_bill_says_so_and_where(tmp_path: Path) -> None:
    warm = record(1, model="claude-sonnet-4-5", endpoint="chat", task="classify", input=0, read=20_000, output=10)
    cold = record(2, model="claude-sonnet-4-5", endpoint="mail", task="classify", input=90_000, output=10)
    found = stored(tmp_path / "store", [warm, cold]).whatif(route_simple="claude-haiku-4-5").steps[0]
    assert found.saving_usd > 0
    assert found.warnings == (
        "route simple raises the cost of chat on claude-sonnet-4-5-20250929 (+$0.0139): leave these out.",
    )
    alone = stored(tmp_path / "other", [warm]).whatif(route_simple="claude-haiku-4-5").steps[0]
    assert alone.warnings == ("route simple RAISES the bill here by $0.0139.",)


def test_overlapping_levers_are_called_that(audit: Audit) -> None:
    notes = audit.whatif(route_simple="haiku", cache_hit="0.9", batch=["extract"]).notes
    assert any("savings overlap" in note for note in notes)
    assert not any("savings overlap" in note for note in audit.whatif(batch=["extract"], cap_output="600").notes)


def test_an_empty_store_and_a_filter_that_leaves_nothing(tmp_path: Path) -> None:
    empty = stored(tmp_path / "empty", [])
    assert empty.whatif(cap_output="10").notes == ("There is no request to try anything on.",)
    some = stored(tmp_path / "some", [record(1)])
    assert some.filtered(where=(("endpoint", "nowhere"),)).whatif(cap_output="10").saving_usd == 0


BAD = [
    ({}, "no lever to try"),
    ({"cap_output": "0"}, "--cap-output '0' is not a whole number above 0"),
    ({"cap_output": "many"}, "--cap-output 'many' is not"),
    ({"cache_hit": "1.5"}, "--cache-hit 1.5 is not a rate from 0 to 1"),
    ({"cache_hit": "85"}, "--cache-hit 85 is not a rate from 0 to 1"),
    ({"cache_hit": "nan"}, "is not a rate from 0 to 1"),
    ({"cache_hit": "0.5", "cacheable": "-1"}, "neither tokens nor a percentage"),
    ({"cache_hit": "0.5", "cacheable": "120%"}, "neither tokens nor a percentage"),
    ({"cache_hit": "0.5", "cache_ttl": "2h"}, "--cache-ttl '2h'"),
    ({"route_simple": "gpt-7"}, "--route-simple 'gpt-7': no such model"),
    ({"route_simple": "haiku", "tokenizer_factor": "0"}, "--tokenizer-factor '0' is not a factor"),
    ({"route_simple": "haiku", "simple_prompt": "-3"}, "--simple-prompt '-3'"),
    ({"cap_outputs": "5"}, "unknown lever or option 'cap_outputs'"),
]


@pytest.mark.parametrize(("options", "words"), BAD, ids=[words for _, words in BAD])
def test_a_value_that_makes_no_sense_is_an_error_that_names_it(
    options: dict[str, Any], words: str, audit: Audit
) -> None:
    with pytest.raises(AuditError) as raised:
        audit.whatif(**options)
    assert words.lower() in raised.value.message.lower()
    assert raised.value.hint


def test_a_percentage_where_a_rate_is_meant_is_recognised(audit: Audit) -> None:
    with pytest.raises(AuditError) as raised:
        audit.whatif(cache_hit="85")
    assert raised.value.hint == "did you mean 0.85?"


def test_a_scenario_file_says_what_the_flags_say(audit: Audit, tmp_path: Path) -> None:
    path = tmp_path / "plan.yaml"
    path.write_text(
        "levers:\n- cap_output: 600\n- route_simple: haiku\n- cache_hit: 0.85\n- batch: [extract, write]\n"
        "- batch_tagged\nnever_route: [legal-*]\nattribution: shapley\n"
    )
    options = scenario_file(path)
    assert options == {
        "cap_output": 600,
        "route_simple": "haiku",
        "cache_hit": Decimal("0.85"),
        "batch": ["extract", "write"],
        "batch_tagged": True,
        "never_route": ["legal-*"],
        "attribution": "shapley",
    }
    assert (
        audit.whatif(**options).saving_usd
        == audit.whatif(
            cap_output="600", route_simple="haiku", cache_hit="0.85", batch=["extract", "write"], batch_tagged=True
        ).saving_usd
    )


FILES = [
    ("levers: 3\n", "plan.yaml:1: a scenario needs a list `levers:`"),
    ("levers:\n- cap_output: 5\n- cap_ouput: 6\n", "plan.yaml:3: unknown lever or option 'cap_ouput'"),
    ("levers:\n- cap_output: 5\n- cap_output: 6\n", "plan.yaml:3: cap_output is there twice"),
    ("levers:\n- 5\n", "plan.yaml:2: a lever is written as name: value"),
    ("levers: [cap_output\n", "plan.yaml:2: not valid YAML"),
]


@pytest.mark.parametrize(("text", "words"), FILES, ids=[words for _, words in FILES])
def test_a_broken_scenario_file_names_its_line(text: str, words: str, tmp_path: Path) -> None:
    path = tmp_path / "plan.yaml"
    path.write_text(text)
    with pytest.raises(AuditError) as raised:
        scenario_file(path)
    assert words in raised.value.message


LEVERS: dict[str, Any] = {"batch": ["extract"], "cap_output": "600", "route_simple": "haiku"}


def test_steps_in_the_order_written_add_up_to_the_same_total(audit: Audit) -> None:
    stage, written = audit.whatif(**LEVERS), audit.whatif(**LEVERS, order="written")
    assert [step.lever for step in written.steps] == ["batch", "cap_output", "route_simple"]
    assert written.final_usd == stage.final_usd
    assert written.steps[0].saving_usd == written.steps[0].alone_usd
    left = written.baseline_usd
    for step in written.steps:
        assert step.before_usd == left and step.low_usd <= step.saving_usd <= step.high_usd
        left = step.after_usd
    assert any("order that was asked for" in note for note in written.notes)
    named = audit.whatif(**LEVERS, order=["route_simple", "batch"])
    assert [step.lever for step in named.steps] == ["route_simple", "batch", "cap_output"]
    assert audit.whatif(**LEVERS, order="route-simple,batch") == named


@pytest.mark.parametrize(
    ("order", "says"),
    [("cache_hit", "does not try"), ("sideways", "no lever 'sideways'"), (["batch", "cap"], "no lever")],
)
def test_an_order_that_names_no_lever_of_the_scenario_is_an_error(audit: Audit, order: Any, says: str) -> None:
    with pytest.raises(AuditError, match=says):
        audit.whatif(**LEVERS, order=order)


def test_a_scenario_file_may_give_its_own_order(audit: Audit, tmp_path: Path) -> None:
    file = tmp_path / "s.yaml"
    file.write_text("order: written\nlevers: [{batch: [extract]}, {cap_output: 600}, {route_simple: haiku}]\n")
    assert audit.whatif(**scenario_file(file)) == audit.whatif(**LEVERS, order="written")
    file.write_text(
        "order: [route_simple, batch]\nlevers: [{batch: [extract]}, {cap_output: 600}, {route_simple: haiku}]\n"
    )
    assert [step.lever for step in audit.whatif(**scenario_file(file)).steps] == ["route_simple", "batch", "cap_output"]
    file.write_text("levers: [batch_tagged]\norder: backwards\n")
    with pytest.raises(AuditError, match=r"s\.yaml:2: order 'backwards'"):
        scenario_file(file)


def test_what_two_levers_save_together_less_or_more_than_apart(audit: Audit) -> None:
    answer = audit.whatif(route_simple="haiku", batch=["extract"])
    route, batch = answer.steps
    overlap = route.alone_usd + batch.alone_usd - answer.saving_usd
    assert overlap > 0
    assert [(one.lever, one.overlap_usd) for one in route.interacts_with or ()] == [("batch", overlap)]
    assert [(one.lever, one.overlap_usd) for one in batch.interacts_with or ()] == [("route_simple", overlap)]
    assert batch.order_range == (batch.saving_usd, batch.alone_usd)
    apart = audit.whatif(cap_output="600", batch=["extract"])  # the cap cuts essays only
    assert [step.interacts_with for step in apart.steps] == [(), ()]


def test_a_step_tells_all_that_it_rests_on(audit: Audit) -> None:
    answer = audit.whatif(route_simple="haiku").as_document()
    assert answer["lookback_days"] == 1 and answer["price_book_version"] == "2026-11-21"
    step = answer["steps"][0]
    assert step["scope"] == {
        "endpoints": ["extract"],
        "models": ["claude-sonnet-5-5"],
        "requests": 20,
        "usd": "0.082",
    }
    for name in (
        "eligible excluded coverage missing_fields quality_risk effort rollback interacts_with order_range "
        "calibration caveats assumptions grade platform_differences"
    ).split():
        assert name in step, name
    assert step["calibration"] is None  # nothing here is billed as cached


def test_what_else_is_another_on_the_target_is_told(tmp_path: Path) -> None:
    old = record(1, model="claude-sonnet-4-5", task="classify")
    step = stored(tmp_path / "store", [old]).whatif(route_simple="haiku").steps[0]
    assert step.platform_differences == (
        "Claude Sonnet 4.5 to Claude Haiku 5.5: another tokenizer, so the same text has another number of tokens; "
        "caches prompts from 512 tokens instead of 1,024",
    )


def test_a_frame_holds_everything_a_notebook_needs(audit: Audit) -> None:
    answer = audit.whatif(**LEVERS, attribution="shapley")
    frame = answer.to_frame()
    assert list(frame["lever"]) == [step.lever for step in answer.steps]
    assert sum(frame["saving_usd"]) == sum(frame["shapley_usd"]) == answer.saving_usd  # Decimal, so exact
    assert list(frame["requests_changed"]) == [step.requests_changed for step in answer.steps]
    assert list(frame["endpoints"]) == [["write"], ["extract"], ["extract"]]
    assert list(frame["risk"]) == [step.quality_risk.level for step in answer.steps]
    assert audit.whatif(**LEVERS).to_frame()["shapley_usd"].isna().all()
