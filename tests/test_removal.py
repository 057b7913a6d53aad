"""Retries, stored answers and joint calls: what a YAML case cannot say, from the arrays up."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from logs import CATALOG, audited, record

from claude_audit.errors import AuditError
from claude_audit.levers import page
from claude_audit.levers._stored_answers import IN_FLIGHT, PERHAPS, SERVED, answered
from claude_audit.levers._verdicts import duration, run_starts
from claude_audit.money import exact
from claude_audit.scenario import levers_of
from claude_audit.waterfall import Grade

SECOND = 1_000_000


@given(
    st.lists(st.tuples(st.integers(0, 2), st.integers(0, 30)), max_size=30),
    st.integers(0, 12),
    st.one_of(st.none(), st.integers(1, 4)),
)
def test_runs_are_what_walking_from_row_to_row_finds(rows: list[tuple[int, int]], span: int, most: int | None) -> None:
    rows.sort()
    wanted, first, size = [], (-1, 0), 0
    for key, start in rows:
        begins = key != first[0] or start - first[1] > span or size == most
        first, size = ((key, start), 1) if begins else (first, size + 1)
        wanted.append(begins)
    keys, starts = (np.array([row[n] for row in rows], np.int64) for n in (0, 1))
    assert run_starts(keys, starts, span, most).tolist() == wanted


@pytest.mark.parametrize(
    ("latency", "first_token", "gap", "how"),
    [
        (20, -1, 20, SERVED),
        (20, -1, 19, IN_FLIGHT),
        (20, 1, 19, IN_FLIGHT),
        (-1, 5, 4, IN_FLIGHT),
        (-1, 5, 5, PERHAPS),
        (-1, -1, 1, PERHAPS),
        (-1, -1, 600, SERVED),
        (20, -1, 3600, SERVED),
        (20, -1, 3601, 0),
    ],
)
def test_when_a_stored_answer_is_there(latency: int, first_token: int, gap: int, how: int) -> None:
    us = [np.array([n if n < 0 else n * SECOND] * 2, np.int64) for n in (latency, first_token)]
    start = np.array([0, gap], np.int64) * SECOND
    both = np.ones(2, bool)
    assert answered(np.zeros(2, np.int64), start, us[0], us[1], both, 3600 * SECOND).tolist() == [0, how]


def timeouts(folder: Path, **first: Any) -> Any:
    made = [record(0, request_hash="h", **first), record(30, request_hash="h", stop_reason="end_turn")]
    return audited(folder, made).whatif(drop_retries=True)


def test_a_client_that_gave_up_paid_between_nothing_and_its_cap(tmp_path: Path) -> None:
    answer = timeouts(tmp_path, status="timeout", output=None, max_tokens=4096)
    (step,) = answer.steps
    assert (exact(step.low_usd), exact(step.saving_usd)) == ("0", "0.002")
    assert step.high_usd * 1_000_000 == 1000 * 2 + 4096 * 10
    assert step.grade is Grade.BOUNDED and answer.evidenced_saving_usd == 0
    assert any("between nothing and its prompt plus max_tokens" in line for line in step.caveats)


def test_without_a_cap_the_models_own_bounds_it_and_the_retry_tells_the_prompt(tmp_path: Path) -> None:
    (step,) = timeouts(tmp_path, status="timeout", input=0, output=0).steps
    assert (step.low_usd, step.saving_usd) == (0, 0)
    assert step.high_usd * 1_000_000 == 1000 * 2 + CATALOG.models["claude-sonnet-5-5"].max_output * 10


def test_a_timeout_with_counted_output_was_billed_for_it(tmp_path: Path) -> None:
    (step,) = timeouts(tmp_path, status="timed out").steps
    assert exact(step.low_usd) == exact(step.saving_usd) == exact(step.high_usd) == "0.003"
    assert step.grade is Grade.METERED


def test_failures_that_cost_nothing_save_nothing(tmp_path: Path) -> None:
    (step,) = timeouts(tmp_path, status="error").steps
    assert (step.saving_usd, step.requests_changed) == (0, 0)
    assert "1 failed request cost nothing, so there is nothing to save." in step.caveats


def test_of_two_calls_that_name_each_other_the_later_stays(tmp_path: Path) -> None:
    made = [record(0, retry_of="req_1"), record(1, retry_of="req_0"), record(2, retry_of="req_2")]
    (step,) = audited(tmp_path, made).whatif(drop_retries=True).steps
    assert step.requests_changed == 1


def test_all_passes_of_a_replaced_call_go_with_it(tmp_path: Path) -> None:
    passes = [
        {"type": "message", "input_tokens": 1000, "output_tokens": 100},
        {"type": "advisor_message", "model": "claude-opus-5-5", "input_tokens": 500, "output_tokens": 50},
    ]
    made = [record(0, usage={"iterations": passes}), record(9, retry_of="req_0")]
    audit = audited(tmp_path, made)
    answer = audit.whatif(drop_retries=True)
    assert exact(answer.final_usd) == "0.003"
    assert answer.steps[0].requests_changed == 2


def test_a_back_test_is_of_the_whole_log(tmp_path: Path) -> None:
    blocks = [{"hash": "s", "kind": "system", "tokens": 2000}]
    made = [
        record(0, input=0, w5=2000, prompt_blocks=blocks, latency_ms=0),
        record(200, input=0, read=2000, prompt_blocks=blocks, latency_ms=0, request_hash="h", stop_reason="max_tokens"),
        record(400, input=0, read=2000, prompt_blocks=blocks, latency_ms=0, request_hash="h", stop_reason="end_turn"),
    ]
    step = audited(tmp_path, made).whatif(drop_retries=True, cache_replay=True).steps[1]
    assert step.facts["replay"]["requests_hit"] == 0
    assert step.facts["replay"]["back_test"]["billed_read_tokens"] == 4000
    assert step.facts["replay"]["back_test"]["error"] == 0


def test_answers_of_unknown_duration_count_at_once_and_not_at_the_low_end(tmp_path: Path) -> None:
    made = [record(n, request_hash="h") for n in (0, 60, 599, 700)]
    (step,) = audited(tmp_path, made).whatif(response_cache="1h").steps
    assert (exact(step.low_usd), exact(step.saving_usd), exact(step.high_usd)) == ("0.003", "0.009", "0.009")
    assert "latency_ms" in step.missing_fields


def test_the_bound_of_duplicates_leaves_out_what_was_dropped_before(tmp_path: Path) -> None:
    made = [record(0, output=50), record(1, retry_of="req_0"), record(2, output=300), record(3, output=200)]
    answer = audited(tmp_path, made).whatif(drop_retries=True, response_cache="1h")
    # The retry is asked again on purpose; of the two left without a hash, the dearer one may repeat the other.
    assert exact(answer.steps[1].high_usd) == "0.005"


@pytest.mark.parametrize("text", ["", "1", "h", "-1h", "0s", "1w", "1h30m", "1e3s", "99999999999s"])
def test_what_is_no_duration(text: str) -> None:
    with pytest.raises(AuditError, match=r"--response-cache '.*' is not a duration"):
        levers_of({"response_cache": text}, CATALOG)


@pytest.mark.parametrize(
    ("text", "seconds"), [("1h", 3600), ("15m", 900), ("86400s", 86400), ("2d", 172_800), ("0.5 H", 1800)]
)
def test_durations(text: str, seconds: int) -> None:
    assert duration(text, "--x") == seconds * SECOND


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"items_per_call": "0"}, "--items-per-call '0'"),
        ({"items_per_call": "2", "items_window": "soon"}, "--items-window 'soon'"),
        ({"items_per_call": "2", "items_framing": "10"}, "--items-framing '10' is not IN:OUT"),
        ({"items_per_call": "2", "items_failure": "1.5"}, "--items-failure 1.5 is not a rate"),
    ],
)
def test_what_cannot_be_asked_for(options: dict[str, str], words: str) -> None:
    with pytest.raises(AuditError, match=words):
        levers_of(options, CATALOG)


@pytest.mark.parametrize("name", ["drop_retries", "response_cache", "items_per_call"])
def test_each_has_a_page(name: str) -> None:
    assert all(words in page(name) for words in ("What it assumes", "Formula", "Example", "When it costs money"))
