"""What the one scan adds up, and what it leaves to arithmetic afterwards."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from logs import record
from stores import stored

from claude_audit import scenario
from claude_audit.audit import Audit
from claude_audit.lever_run import Run
from claude_audit.recount import Recount
from claude_audit.scan import Scan
from claude_audit.scan_rows import rows_of
from claude_audit.scenario import levers_of

OLD, OTHER = "claude-sonnet-4-5-20250929", "claude-sonnet-5-5"
"""The first has one price in all of autumn 2026, the second another one from 7 October on."""


def scanned(audit: Audit, monkeypatch: pytest.MonkeyPatch, **options: Any) -> tuple[Run, Scan]:
    """The run of these levers, and what they asked of the engine."""
    asked: list[Scan] = []
    made = Scan.__post_init__

    def kept(scan: Scan) -> None:
        made(scan)
        asked.append(scan)

    monkeypatch.setattr(Scan, "__post_init__", kept)
    reach = audit.known_reach
    assert reach is not None
    run, _ = scenario.scan(audit.usage(), reach, levers_of(options, audit.catalog), audit.catalog, audit.engine)
    return run, asked[0]


def test_days_on_which_another_model_changes_its_price_part_no_lines(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    days = ("2026-10-05T10:00:00Z", "2026-10-09T10:00:00Z")
    records = [
        record(n, model=model, timestamp=day)
        for n, (model, day) in enumerate((m, d) for m in (OLD, OTHER) for d in days)
    ]
    run, _ = scanned(stored(tmp_path / "store", records), monkeypatch, batch=["a"])
    assert [(s.group.model, str(s.group.on), s.rows) for s in run.start if s.group.model == OLD] == [
        (OLD, "2026-10-05", 2)
    ]
    assert [s.rows for s in run.start if s.group.model == OTHER] == [1, 1]


def test_they_part_them_where_rows_may_move_to_that_model(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    days = ("2026-10-05T10:00:00Z", "2026-10-09T10:00:00Z")
    records = [record(n, model=OLD, timestamp=day) for n, day in enumerate(days)]
    run, _ = scanned(stored(tmp_path / "store", records), monkeypatch, upgrade="auto")
    assert [s.rows for s in run.start] == [1, 1]


def test_an_answer_that_is_cut_is_not_added_up(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    outputs = (100, 101, 900, 77)
    records = [record(n, model=OLD, output=output, task="classify") for n, output in enumerate(outputs)]
    run, asked = scanned(stored(tmp_path / "store", records), monkeypatch, cap_output="100", route_simple="haiku")
    cut = ("output", "cap_output"), ("output", "cap_output", "route_simple")
    assert not {"+".join(name) for name in cut} & asked.extra().sums.keys()
    totals = {name: sum(s.sum_of(name[0], name[1:]) for s in run.start) for name in cut}
    # ceil(1.3 x 100) = 130 three times, ceil(1.3 x 77) = 101 once
    assert list(totals.values()) == [377, 491]


def test_a_key_of_few_values_is_never_null(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Packed into one number, a null would take the other keys with it."""
    told = {"prompt_blocks": [{"hash": "a", "tokens": 1000, "breakpoint": True}], "cache_breakpoints": 1}
    audit = stored(tmp_path / "store", [record(0, **told), record(1), record(2, read=500)])
    _, asked = scanned(audit, monkeypatch, cap_output="50", route_simple="haiku", cache_hit="0.9", batch_tagged=True)
    rows = rows_of(asked, audit.usage(), ("endpoint", "workspace"), audit.engine)
    keys = {name: asked.keys.known[name] for name in asked.keys.ranges}
    assert len(keys) > 8
    for row in audit.engine.rows(rows.select(**keys)):
        assert None not in row, dict(zip(keys, row, strict=True))


@given(st.integers(0, 10**9), st.sampled_from(["old", "new", "other"]))
def test_a_number_is_recounted_as_the_rows_are(tokens: int, model: str) -> None:
    factor = Fraction(13, 10)
    seen: list[tuple[Any, Fraction]] = []

    def scaled(expression: Any, ratio: Fraction, models: Any) -> Any:
        seen.append((tuple(models), ratio))
        return expression

    recount = Recount(scaled, ((factor, ("old",)), (1 / factor, ("new",))))
    recount(None)  # type: ignore[arg-type]
    assert seen == [(("old",), factor), (("new",), 1 / factor)]
    ratio = dict(seen).get((model,), Fraction(1))
    assert ratio * tokens <= recount.number(tokens, model) < ratio * tokens + 1
