"""What must hold for levers that make prompts shorter, alone and with others, on any log."""

from __future__ import annotations

import tempfile
from collections.abc import Mapping
from fractions import Fraction
from pathlib import Path
from typing import Any

import reshaped_reference as cuts
import whatif_reference as slow
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st
from logs import record
from stores import stored
from test_scenario_cases import hold
from test_whatif_laws import some

quick = settings(max_examples=6, deadline=None, suppress_health_check=[HealthCheck.too_slow])

MODELS = ("claude-sonnet-5-5", "claude-haiku-5-5", "claude-opus-4-8", "claude-sonnet-4-5", "claude-unknown-9")
KINDS = ("system", "system", "tools", "chunk", "document", "message", "other")


@st.composite
def logs(draw: st.DrawFn) -> list[dict[str, Any]]:
    """Requests whose classes end anywhere in their prompts, within blocks and between them."""
    made = []
    for n in range(draw(st.integers(1, 8))):
        sizes = draw(st.lists(st.integers(0, 900), max_size=6))
        blocks = [
            {
                "hash": f"{n}.{i}",
                "kind": draw(st.sampled_from(KINDS)),
                "tokens": size,
                "breakpoint": draw(st.booleans()),
            }
            for i, size in enumerate(sizes)
        ]
        more = draw(st.sampled_from([0, 3, 600, 98_000, 101_000, 119_000, 125_000]))
        prompt = max(sum(sizes) + more - draw(st.sampled_from([0, 0, 0, 5])), 0)
        edges = sorted(draw(st.integers(0, prompt)) for _ in range(3))
        if draw(st.booleans()):
            edges = [0, 0, 0]
        made.append(
            record(
                n,
                model=draw(st.sampled_from(MODELS)),
                timestamp=f"2026-{draw(st.sampled_from(['10-08', '11-02']))}T12:00:{n:02d}+00:00",
                input=prompt - edges[2],
                output=draw(st.integers(0, 300)),
                read=edges[0],
                w1=edges[1] - edges[0],
                w5=edges[2] - edges[1],
                usage={"service_tier": draw(st.sampled_from(["standard", "standard", "batch"]))},
                endpoint=draw(st.sampled_from(["a", "b"])),
                **some(draw, "prompt_blocks", blocks, blocks),
                **some(draw, "tools_defined", 0, 4),
                **some(draw, "tools_used", 0, 1),
                **some(draw, "task", "classify"),
            )
        )
    return made


OPTIONS: Mapping[str, Mapping[str, Any]] = {
    "prune_tools": {"prune_tools": True, "unused_tools": "300"},
    "rag_k": {"rag_k": "1"},
    "trim_system": {"trim_system": "400"},
    "under_band": {"under_band": "20"},
    "cap_output": {"cap_output": "100"},
    "route_simple": {"route_simple": "haiku"},
    "cache_hit": {"cache_hit": "0.85"},
    "batch": {"batch": ["a"]},
}
REFERENCE: Mapping[str, slow.Lever] = {
    "prune_tools": slow.each(lambda row: cuts.prune(row, 300)),
    "rag_k": slow.each(lambda row: cuts.rag(row, 1)),
    "trim_system": slow.each(lambda row: cuts.trim(row, 400)),
    "under_band": slow.each(lambda row: cuts.under_band(row, 20)),
    "cap_output": slow.each(lambda row: slow.cap(row, 100)),
    "route_simple": slow.each(lambda row: slow.route(row, "claude-haiku-5-5", Fraction(13, 10))),
    "cache_hit": lambda rows: slow.cache(rows, Fraction(85, 100)),
    "batch": slow.each(lambda row: slow.batch(row, "a")),
}
SHORTER = tuple(OPTIONS)[:4]


def asked(names: Any) -> dict[str, Any]:
    """The options of these levers."""
    return {key: value for name in names for key, value in OPTIONS[name].items()}


@settings(quick, max_examples=12)
@given(logs(), st.just(set(SHORTER)) | st.sets(st.sampled_from(list(OPTIONS)), min_size=1))
def test_any_subset_costs_what_cutting_row_by_row_says(made: list[dict[str, Any]], chosen: set[str]) -> None:
    changed = slow.rows_of(made)
    names = [name for name in OPTIONS if name in chosen]
    for name in names:
        changed = REFERENCE[name](changed)
    with tempfile.TemporaryDirectory() as folder:
        answer = stored(Path(folder) / "store", made).whatif(**asked(names))
        hold(answer)
        assert Fraction(answer.final_usd) == slow.total(changed), names


@quick
@given(logs())
def test_cuts_are_metered_where_blocks_are_logged_and_bound_what_is_not(made: list[dict[str, Any]]) -> None:
    with tempfile.TemporaryDirectory() as folder:
        audit = stored(Path(folder) / "store", made)
        for name in ("rag_k", "trim_system"):
            (step,) = audit.whatif(**asked([name])).steps
            assert step.requests_changed <= len(made)
            told = [{**one, "prompt_blocks": one.get("prompt_blocks", [])} for one in made]
            (sure,) = stored(Path(folder) / f"told-{name}", told).whatif(**asked([name])).steps
            assert sure.saving_usd == sure.low_usd == sure.high_usd == step.saving_usd
            assert sure.grade == "metered"


@settings(quick, max_examples=4)
@given(logs())
def test_judged_row_by_row_the_figures_of_parts_add_up(made: list[dict[str, Any]]) -> None:
    with tempfile.TemporaryDirectory() as folder:
        audit = stored(Path(folder) / "store", made)
        whole = audit.whatif(**asked(SHORTER))
        parts = [audit.filtered(where=(("endpoint", name),)).whatif(**asked(SHORTER)) for name in ("a", "b")]
        assert sum((part.final_usd for part in parts), parts[0].final_usd * 0) == whole.final_usd
        changed = [sum(step.requests_changed for step in answer.steps) for answer in (*parts, whole)]
        assert changed[0] + changed[1] == changed[2]


@quick
@given(logs())
def test_a_cut_of_nothing_changes_nothing(made: list[dict[str, Any]]) -> None:
    told = [one for one in made if "prompt_blocks" in one]
    assume(told)
    with tempfile.TemporaryDirectory() as folder:
        audit = stored(Path(folder) / "store", told)
        for name in ("trim_system", "rag_k"):
            step = audit.whatif(**{name: "1000000"}).steps[0]
            assert (step.saving_usd, step.low_usd, step.high_usd, step.requests_changed) == (0, 0, 0, 0), name


@quick
@given(logs(), st.integers(1, 1200))
def test_a_bound_holds_whatever_the_blocks_would_have_said(made: list[dict[str, Any]], most: int) -> None:
    """Forget the blocks of all requests: what trimming really saves lies within what the log without them allows."""
    same = 1 + min(sum(b["tokens"] for b in one.get("prompt_blocks", [])) for one in made)
    told = []
    for one in made:  # one system prompt, shared by all: as the bound takes it
        usage = one["usage"]
        prompt = usage["input_tokens"] + usage["cache_read_input_tokens"] + usage["cache_creation_input_tokens"]
        if prompt >= same:
            told.append(one | {"prompt_blocks": [{"hash": "s", "kind": "system", "tokens": same}], "endpoint": "a"})
    assume(told)
    blind = [{k: v for k, v in one.items() if k != "prompt_blocks"} for one in told]
    with tempfile.TemporaryDirectory() as folder:
        real = stored(Path(folder) / "told", told).whatif(trim_system=str(most)).steps[0]
        guess = stored(Path(folder) / "blind", blind).whatif(trim_system=str(most)).steps[0]
        assert guess.saving_usd == 0
        assert guess.low_usd <= real.saving_usd <= guess.high_usd
