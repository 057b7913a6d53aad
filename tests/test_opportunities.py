"""Every lever tried alone: which one is worth its effort, what raises the bill, and what the log does not tell."""

from __future__ import annotations

import csv as csv_file
import io
import json
from dataclasses import replace
from decimal import Decimal
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from logs import record
from stores import stored

from claude_audit.audit import Audit
from claude_audit.errors import AuditError
from claude_audit.levers import Kind, as_typed, registry
from claude_audit.levers.batch import Batch
from claude_audit.opportunities import Opportunities, Opportunity, Standing
from claude_audit.recorded_fields import recorded, ways
from claude_audit.renderers import opportunities as rendered
from claude_audit.renderers.terminal import opportunities_tables
from claude_audit.waterfall import Grade

if TYPE_CHECKING:
    from command_line import Command

pytest_plugins = ("command_line",)


@pytest.fixture
def audit(tmp_path: Path) -> Audit:
    """Twenty classifications that can wait (20 x (1,800 x 2 + 50 x 10) / 1e6 = $0.082), four long answers."""
    records = [
        record(n, task="classify", endpoint="extract", input=1800, output=50, latency_tolerant=True) for n in range(20)
    ]
    records += [record(20 + n, task="essay", endpoint="write", input=3000, output=2000 + n) for n in range(4)]
    return stored(tmp_path / "store", records)


def by_lever(found: Opportunities) -> dict[str, Opportunity]:
    return {one.lever: one for one in found.found}


def test_every_lever_of_the_registry_is_tried_or_says_why_not(audit: Audit) -> None:
    found = audit.opportunities()
    assert sorted(one.lever for one in found.found) == sorted(kind.name for kind in registry())
    for one in found.found:
        assert (one.step is None) == (one.standing is Standing.NOT_TRIED)
        assert one.reason if one.step is None else one.step.before_usd == found.baseline_usd


def test_each_is_worth_what_it_saves_alone(audit: Audit) -> None:
    """A lever among all of them, in one scan, comes to what it comes to by itself."""
    for one in audit.opportunities().found:
        if one.step is not None:
            kind = next(kind for kind in registry() if kind.name == one.lever)
            single = audit.whatif(**(kind.trial or {}))
            assert single.steps[0].saving_usd == one.step.saving_usd, one.lever
            assert (single.steps[0].low_usd, single.steps[0].high_usd) == (one.step.low_usd, one.step.high_usd), (
                one.lever
            )
            assert single.steps[0].requests_changed == one.step.requests_changed, one.lever


def test_what_is_sure_to_save_most_for_its_effort_stands_first(audit: Audit) -> None:
    found = audit.opportunities()
    sure = found.standing(Standing.SURE)
    assert [one.per_effort_usd for one in sure] == sorted((one.per_effort_usd for one in sure), reverse=True)
    assert found.found[: len(sure)] == sure
    batch = by_lever(found)["batch"]
    assert batch.standing is Standing.SURE and batch.step is not None
    assert batch.step.saving_usd == Decimal("0.041")  # half of $0.082
    assert batch.per_effort_usd == Decimal("0.013667")  # a third of it: medium effort weighs 3


def test_what_is_missing_is_named_with_the_way_to_it(audit: Audit) -> None:
    replay = by_lever(audit.opportunities())["cache_replay"]
    assert replay.standing is Standing.UNKNOWN
    assert [(missing.field, missing.way) for missing in replay.missing][:1] == [
        ("prompt_blocks", "claude_audit.record writes it")
    ]
    shown = opportunities_tables(audit.opportunities(), width=80, color=False)
    assert "This log does not tell" in shown
    assert "cache replay: log prompt_blocks" in " ".join(shown.split())


def test_an_assumed_rate_is_not_tried_where_the_replay_finds_it_out(tmp_path: Path) -> None:
    blocks = [{"hash": "a", "tokens": 4000, "kind": "system", "breakpoint": True}]
    log = stored(tmp_path / "store", [record(n * 30, input=4100, output=10, prompt_blocks=blocks) for n in range(4)])
    found = by_lever(log.opportunities())
    assert found["cache_replay"].standing is Standing.SURE and found["cache_replay"].step is not None
    assert found["cache_replay"].step.grade is Grade.REPLAYED
    assert found["cache_hit"].standing is Standing.NOT_TRIED
    assert found["cache_hit"].reason == "cache replay finds out what it assumes"
    assert by_lever(log.opportunities(cache_hit="0.5"))["cache_hit"].step is not None  # it was asked for


def test_options_take_the_place_of_defaults(audit: Audit) -> None:
    found = by_lever(audit.opportunities(batch=["write"], cap_output="100", simple_prompt="10"))
    assert found["batch"].flags == "--batch write"
    assert found["cap_output"].flags == "--cap-output 100"
    assert found["route_simple"].flags == "--route-simple haiku --simple-prompt 10"
    with pytest.raises(AuditError, match="unknown lever or option 'batchh'"):
        audit.opportunities(batchh=True)
    with pytest.raises(AuditError, match="--cap-output"):
        audit.opportunities(cap_output="-1")


def test_the_sure_ones_together_are_a_command_that_runs(audit: Audit, run: Command) -> None:
    together = audit.opportunities().together
    assert "--batch-tagged" in together and "--route-simple haiku" in together
    done = run("--store", str(audit.store.path), "whatif", *together.split(), "--format", "json")
    assert done.returncode == 0 and len(json.loads(done.stdout)["steps"]) >= 2


def test_nothing_that_excludes_another_is_tried_with_it(audit: Audit) -> None:
    found = audit.opportunities()
    names = [one.lever for one in found.standing(Standing.SURE)]
    sure = next(one for one in found.found if one.lever == names[0])
    both = tuple(replace(sure, lever=name, flags=f"--{name}") for name in ("cache_replay", "cache_hit", "batch"))
    assert replace(found, found=both).together == "--cache_replay --batch"


def test_a_new_lever_takes_part_by_declaring_its_default() -> None:
    for kind in registry():
        assert (
            kind.trial is None
            or kind.options[0].name in kind.trial
            or any(option.name in kind.trial for option in kind.options)
        ), kind.name
    flag = (
        next(kind for kind in registry() if kind.options[0].type is bool and kind.default is None)
        if any(kind.options[0].type is bool and kind.default is None for kind in registry())
        else replace(registry()[0], options=(replace(registry()[0].options[0], type=bool),), default=None)
    )
    assert flag.trial == {flag.options[0].name: True}
    value: Kind = replace(registry()[0], options=(replace(registry()[0].options[0], type=str),), default=None)
    assert value.trial is None


def test_a_lever_that_refuses_this_log_does_not_keep_the_others_from_theirs(
    audit: Audit, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = by_lever(audit.opportunities())

    def refuse(*_: Any) -> None:
        raise AuditError("this log is too strange for batches")

    monkeypatch.setattr(Batch, "classify", refuse)
    found = by_lever(audit.opportunities())
    assert (
        found["batch"].standing is Standing.NOT_TRIED and found["batch"].reason == "this log is too strange for batches"
    )
    assert found["cap_output"] == whole["cap_output"] and found["route_simple"] == whole["route_simple"]


def test_an_empty_log_has_no_opportunities(tmp_path: Path) -> None:
    empty = stored(tmp_path / "store", []).opportunities()
    assert (empty.found, empty.baseline_usd, empty.together) == ((), 0, "")
    assert "No lever saves here." in opportunities_tables(empty, width=80)


@pytest.mark.parametrize(
    ("options", "typed"),
    [
        ({"cap_output": "512"}, "--cap-output 512"),
        ({"batch": ["a", "b c"], "batch_tagged": True}, "--batch a --batch 'b c' --batch-tagged"),
        ({"cap_thinking": False}, ""),
    ],
)
def test_options_as_they_are_typed(options: dict[str, Any], typed: str) -> None:
    assert as_typed(options) == typed


def test_what_the_log_records_is_counted(audit: Audit) -> None:
    known = recorded(audit.usage(), audit.engine)
    assert known.rows == 24
    assert (known.by_column["task"], known.by_column["latency_tolerant"], known.by_column["prompt_blocks"]) == (
        24,
        20,
        0,
    )
    assert known.has("prompt_blocks|task") and not known.has("prompt_blocks|request_hash")
    assert [(missing.field, missing.way) for missing in ways(["task", "a|b", "task"])] == [
        ("task", "claude_audit.record(…, task=…) writes it"),
        ("a or b", "a field of the native record"),
    ]


def test_all_formats_tell_the_same(audit: Audit) -> None:
    found = audit.opportunities()
    document = rendered.document(found)
    assert document["baseline_usd"] == "0.18606"  # 0.082 + 4 x 3,000 x 2 / 1e6 + 8,006 x 10 / 1e6
    json.dumps(document)
    rows = list(csv_file.DictReader(io.StringIO(rendered.csv(found))))
    assert [row["lever"] for row in rows] == [one["lever"] for one in document["opportunities"]]
    batch = next(row for row in rows if row["lever"] == "batch")
    assert (batch["saving_usd"], batch["grade"], batch["standing"]) == ("0.041", "metered", "sure")
    assert "| batch: tagged | $0.041 | $0.041 | $0.041 | 20 |" in rendered.markdown(found)
    frame = found.to_frame()
    assert list(frame["lever"]) == [row["lever"] for row in rows]
    assert frame.set_index("lever").loc["batch", "saving_usd"] == Decimal("0.041")
    shown = opportunities_tables(found, width=80, color=False)
    assert max(map(len, shown.splitlines())) <= 80
    assert "These savings overlap: they do not add up." in shown


def test_the_command_tries_all(store: Path, run: Command) -> None:
    for how in ("table", "json", "csv", "markdown"):
        done = run("whatif", "--all", "--format", how)
        assert done.returncode == 0 and "cap" in done.stdout, done.stderr
    assert run("whatif", "--all", "--order", "written").returncode == 2
    assert run("whatif", "--all", "--published").returncode == 2
