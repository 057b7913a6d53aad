"""Each file of scenarios/ is a worked example: its log, its levers, its figures; and the laws hold on all of them."""

from __future__ import annotations

import json
from decimal import Decimal
from pathlib import Path

import pytest
from scenario_cases import Case, cases, differences
from stores import stored

from claude_audit.filters import Filters
from claude_audit.waterfall import Waterfall

CASES = cases()


@pytest.mark.parametrize("case", CASES, ids=[case.name for case in CASES])
def test_a_scenario_saves_what_its_arithmetic_says(case: Case, tmp_path: Path) -> None:
    audit = stored(tmp_path / "store", case.records)
    for run in case.runs:
        answer = audit.filtered(where=tuple(run.where.items())).whatif(**run.levers)
        assert list(differences(run.expect, answer.as_document())) == [], f"{case.about} {run.levers}"
        hold(answer)
        assert answer.baseline_usd == audit.filtered(where=tuple(run.where.items())).spend().total_usd


def hold(answer: Waterfall) -> None:
    """The laws of any answer."""
    left = answer.baseline_usd
    for step in answer.steps:
        assert step.before_usd == left
        left = step.after_usd
        assert step.low_usd <= step.saving_usd <= step.high_usd, step.lever
        assert step.requests_changed > 0 or step.saving_usd == 0
    assert left == answer.final_usd
    shares = [step.shapley_usd for step in answer.steps if step.shapley_usd is not None]
    assert not shares or sum(shares, Decimal(0)) == answer.saving_usd
    json.dumps(answer.as_document())  # no Decimal, no date in it


def test_filters_come_first(tmp_path: Path) -> None:
    case = next(case for case in CASES if case.name == "cache-what-is-cached-already")
    audit = stored(tmp_path / "store", case.records, Filters(where=(("endpoint", "some"),)))
    assert audit.whatif(cache_hit="0.85").steps[0].requests_changed == 39
