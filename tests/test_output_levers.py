"""Levers of answers, newer models and price modifiers: upstream of the cache replay, in notes, and what they refuse."""

from __future__ import annotations

import tempfile
from decimal import Decimal
from fractions import Fraction
from itertools import pairwise
from math import ceil
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from logs import CATALOG, record
from stores import stored

from claude_audit.errors import AuditError
from claude_audit.levers import kind_of, page, registry
from claude_audit.levers._shares import shares
from claude_audit.levers.cap_output import caps_for, measured
from claude_audit.levers.upgrade import successors
from claude_audit.waterfall import Grade

quick = settings(max_examples=12, deadline=None, suppress_health_check=[HealthCheck.too_slow])


@st.composite
def sessions(draw: st.DrawFn) -> list[dict[str, Any]]:
    """Requests that share prompts as far as their blocks agree; what was billed is another matter."""
    made, at = [], 0
    for n in range(draw(st.integers(1, 8))):
        at += draw(st.sampled_from([0, 1, 200, 300, 301, 3600, 4000]))
        path = draw(st.lists(st.sampled_from("ab"), max_size=3))
        sizes = {"a": 901, "b": 300}
        blocks = [
            {"hash": "/".join(path[: k + 1]), "tokens": sizes[name], "kind": "message"} for k, name in enumerate(path)
        ]
        made.append(
            record(
                n,
                model=draw(st.sampled_from(["claude-sonnet-5", "claude-sonnet-4-5"])),
                timestamp=f"2026-11-02T{10 + at // 3600:02d}:{at // 60 % 60:02d}:{at % 60:02d}+00:00",
                input=sum(block["tokens"] for block in blocks) + draw(st.integers(0, 50)),
                read=draw(st.sampled_from([0, 0, 300, 901])),
                w5=draw(st.sampled_from([0, 0, 600, 901])),
                output=2 * draw(st.integers(0, 150)),
                thinking=False,
                tools_used=draw(st.sampled_from([0, 0, 1])),
                workspace=draw(st.sampled_from(["w", "v"])),
                prompt_blocks=blocks,
            )
        )
    return made


def upgraded(one: dict[str, Any]) -> dict[str, Any]:
    """The record as Sonnet 5.5 would have logged it: every end of its prompt counted once."""
    factor = Fraction(13, 10) if one["model"] == "claude-sonnet-4-5" else Fraction(1)
    usage, ends = one["usage"], [0]
    for block in one["prompt_blocks"]:
        ends.append(ends[-1] + block["tokens"])
    read, cached = usage["cache_read_input_tokens"], usage["cache_creation_input_tokens"]
    read, cached, prompt = (ceil(factor * end) for end in (read, read + cached, read + cached + usage["input_tokens"]))
    if cached < 512:
        read = cached = 0
    blocks = [
        {**block, "tokens": ceil(factor * end) - ceil(factor * begin)}
        for block, (begin, end) in zip(one["prompt_blocks"], pairwise(ends), strict=True)
    ]
    sizes = {
        "input": prompt - cached,
        "read": read,
        "w5": cached - read,
        "output": ceil(factor * usage["output_tokens"]),
    }
    plain = {name: value for name, value in one.items() if name != "usage"}
    return record(**{**plain, **sizes, "model": "claude-sonnet-5-5", "prompt_blocks": blocks})


def briefer(one: dict[str, Any]) -> dict[str, Any]:
    """The record with 30 tokens more at the start of its prompt and half of its answer, unless it used tools."""
    if one["tools_used"]:
        return one
    usage, first = one["usage"], one["prompt_blocks"][:1]
    sizes = {
        "input": usage["input_tokens"],
        "read": usage["cache_read_input_tokens"],
        "w5": usage["cache_creation_input_tokens"],
    }
    sizes[next((name for name in ("read", "w5") if sizes[name]), "input")] += 30
    blocks = [{**block, "tokens": block["tokens"] + 30} for block in first] + one["prompt_blocks"][1:]
    blocks = [{**block, "hash": "brief/" + block["hash"]} for block in blocks]
    plain = {name: value for name, value in one.items() if name != "usage"}
    return record(**{**plain, **sizes, "output": usage["output_tokens"] // 2, "prompt_blocks": blocks})


@quick
@given(sessions(), st.sampled_from(["5m", "1h", "auto"]), st.sampled_from(["upgrade", "concise", "both"]))
def test_a_replay_after_another_lever_is_a_replay_of_the_log_that_it_would_have_made(
    made: list[dict[str, Any]], ttl: str, which: str
) -> None:
    levers: dict[str, Any] = {}
    other = made
    if which != "upgrade":
        levers |= {"concise": "0.5", "concise_tokens": 30}
        other = [briefer(one) for one in other]
    if which != "concise":
        levers |= {"upgrade": "auto"}
        other = [upgraded(one) for one in other]
    replay: dict[str, Any] = {"cache_replay": True, "cache_ttl": ttl}
    with tempfile.TemporaryDirectory() as folder:
        stacked = stored(Path(folder) / "one", made).whatif(**levers, **replay)
        plain = stored(Path(folder) / "two", other).whatif(**replay)
    # Half of an odd answer, counted 1.3 times, is no whole number of tokens: there only the cache is compared.
    whole = which != "both" or all(one["model"] != "claude-sonnet-4-5" for one in made)
    last = stacked.steps[-1]
    assert last.saving_usd == plain.saving_usd
    assert not whole or stacked.final_usd == plain.final_usd
    assert last.requests_changed == plain.steps[0].requests_changed
    for fact in ("requests", "requests_hit", "read_tokens", "write_tokens", "uncached_tokens"):
        assert last.facts["replay"][fact] == plain.steps[0].facts["replay"][fact], fact


SOON = [record(n, model="claude-sonnet-4-5", input=1000, output=100) for n in range(20)]


def notes(folder: Path, records: list[dict[str, Any]], **levers: Any) -> list[str]:
    return [note for note in stored(folder / "store", records).whatif(**levers).notes if "retire" in note]


def test_a_model_that_retires_soon_is_told_with_next_months_bill_though_nobody_asked(tmp_path: Path) -> None:
    # One day of 20 requests: (1,000 x 3 + 100 x 15) x 20 / 1e6 = $0.09; on Sonnet 5.5 (1,300 x 2 + 130 x 10) x 20 = $0.078.
    assert notes(tmp_path, SOON, batch=["nowhere"]) == [
        "Claude Sonnet 4.5 retires on 2026-11-30. At the pace of this log its 20 requests cost $2.70 a month; on Claude "
        "Sonnet 5.5 the same text costs $2.34 ($1.80 to $2.43). See --upgrade auto."
    ]


def test_requests_that_the_successor_can_not_take_are_told_of(tmp_path: Path) -> None:
    # 800,000 tokens become 1,040,000, over its window: 0.8 x 3 x 30 days = $72. Retired with nothing else, they stand alone.
    long = record(99, model="claude-sonnet-4-5", timestamp=SOON[0]["timestamp"], input=800_000, output=0)
    (note,) = notes(tmp_path / "both", [*SOON, long], batch=["nowhere"])
    left = "at $72.00 a month, can't move to Claude Sonnet 5.5: no room on the target. See --upgrade auto."
    assert "its 20 requests cost $2.70 a month" in note and note.endswith(f"1 other request, {left}")
    assert notes(tmp_path / "alone", [long], batch=["nowhere"]) == [
        f"Claude Sonnet 4.5 retires on 2026-11-30. Its 1 request, {left}"
    ]


def test_it_is_priced_on_the_day_of_the_change(tmp_path: Path) -> None:
    # On October 1 a read of Sonnet 5.5 cost 0.20; on November 30 it costs 0.10.
    early = [
        record(1, model="claude-sonnet-4-5", timestamp="2026-10-01T12:00:00+00:00", input=0, read=100_000, output=0)
    ]
    (note,) = notes(tmp_path, early, batch=["nowhere"])
    assert "cost $0.90 a month; on Claude Sonnet 5.5 the same text costs $0.39 " in note


@pytest.mark.parametrize(
    ("change", "levers"),
    [
        ({"timestamp": "2026-09-30T12:00:00+00:00"}, {}),  # 61 days before
        ({"model": "claude-opus-4-8"}, {}),
        ({"model": "anthropic.claude-sonnet-4-5-20250929-v1:0"}, {}),  # Bedrock serves it until April
        ({}, {"upgrade": "auto"}),  # the step tells
    ],
)
def test_no_word_of_retirement_where_there_is_none(
    tmp_path: Path, change: dict[str, Any], levers: dict[str, Any]
) -> None:
    assert notes(tmp_path, [{**one, **change} for one in SOON], **(levers or {"batch": ["nowhere"]})) == []


def test_an_upgrade_says_that_it_is_forced(tmp_path: Path) -> None:
    (step,) = stored(tmp_path / "store", SOON).whatif(upgrade="auto").steps
    assert "Claude Sonnet 4.5 retires on 2026-11-30: that change is forced." in step.caveats
    assert step.facts["upgrades"] == [
        {
            "from": "claude-sonnet-4-5-20250929",
            "to": "claude-sonnet-5-5",
            "requests": 20,
            "before_usd": "0.09",
            "after_usd": "0.078",
            "price_per_token_change": pytest.approx(-1 / 3),
            "price_of_text_change": pytest.approx(-0.2 / 1.5),
        }
    ]


def test_a_note_of_retirement_changes_no_figure(tmp_path: Path) -> None:
    audit = stored(tmp_path / "store", SOON)
    levers: dict[str, Any] = {"cap_output": "50", "route_simple": "haiku", "cache_hit": "0.5", "batch": ["chat"]}
    noted, asked = audit.whatif(**levers), audit.whatif(**levers, upgrade="claude-sonnet-4")
    assert noted.final_usd == asked.final_usd
    assert [s.saving_usd for s in noted.steps] == [s.saving_usd for s in asked.steps if s.lever != "upgrade"]


def test_each_model_has_the_newest_of_its_family_as_successor() -> None:
    found = successors(CATALOG)
    assert found["claude-haiku-4-5-20251001"].id == "claude-haiku-5-5"
    assert found["claude-fable-5"].id == "claude-fable-5-2"
    assert "claude-opus-5-5" not in found
    assert all(old != new.id and CATALOG.models[old].released < new.released for old, new in found.items())
    assert {new.id for new in successors(CATALOG, "claude-opus-4-8").values()} == {"claude-opus-4-8"}
    assert "claude-opus-5" not in successors(CATALOG, "claude-opus-4-8")


def test_fast_mode_goes_along_where_the_newer_model_has_it(tmp_path: Path) -> None:
    fast = record(1, model="claude-opus-4-8", input=100_000, output=0, usage={"speed": "fast"})
    stays = record(2, model="claude-mythos-5", input=100_000, output=0, usage={"service_tier": "priority"})
    (step,) = stored(tmp_path / "store", [fast, stays]).whatif(upgrade="auto").steps
    assert (step.requests_changed, step.saving_usd) == (1, Decimal(100_000) * (10 - 8) / 1_000_000)
    assert [entry.gate for entry in step.excluded] == ["priority tier"]


def test_measured_caps() -> None:
    assert measured("2x", [(50, 3), (800, 2)]) == 100
    assert measured("2x", [(10, 1), (21, 1)]) == 31
    assert measured("2x", []) is None
    # Shares are compared as whole numbers: 29 of 2,900 is one in a hundred, and not one more.
    assert caps_for([(1, 2871), (2, 29)])["1 %"] == 1
    assert caps_for([(1, 2870), (2, 30)])["1 %"] == 2


def test_nothing_to_measure_is_said(tmp_path: Path) -> None:
    (step,) = stored(tmp_path / "store", [record(1, thinking=True)]).whatif(cap_output="p95").steps
    assert (step.saving_usd, step.facts["cap_tokens"]) == (0, None)
    assert step.caveats == ("No answer in the log could be cut: there is nothing to measure p95 on.",)


@pytest.mark.parametrize(
    ("text", "low", "high"),
    [("0.2:0.4", "0.2", "0.4"), ("20%:40%", "0.2", "0.4"), ("0.3", "0.3", "0.3"), (["0", "1"], "0", "1")],
)
def test_shares(text: Any, low: str, high: str) -> None:
    assert (str(shares(text, "--x").low), str(shares(text, "--x").high)) == (low, high)


BAD = [
    ({"concise": "0.4:0.2"}, "--concise '0.4:0.2' is not LOW:HIGH, two shares from 0 to 1"),
    ({"concise": "20:40"}, "--concise '20:40' is not LOW:HIGH"),
    ({"concise": "0.2:0.3:0.4"}, "is not LOW:HIGH"),
    ({"concise": "nan"}, "is not LOW:HIGH"),
    ({"concise": "0.2", "concise_tokens": "-1"}, "--concise-tokens '-1' is not a number of tokens"),
    ({"effort_cut": ""}, "--effort-cut '' is not LOW:HIGH"),
    ({"upgrade": "gpt-7"}, "--upgrade 'gpt-7': no such model"),
    ({"upgrade": "auto", "tokenizer_factor": "nan"}, "--tokenizer-factor 'nan' is not a factor"),
    ({"cap_output": "3x"}, "--cap-output '3x' is not a whole number above 0, 2x, p95 or p99"),
]


@pytest.mark.parametrize(("options", "words"), BAD, ids=[words for _, words in BAD])
def test_a_value_that_makes_no_sense_is_an_error_that_names_it(
    tmp_path: Path, options: dict[str, Any], words: str
) -> None:
    with pytest.raises(AuditError) as raised:
        stored(tmp_path / "store", [record(1)]).whatif(**options)
    assert words in raised.value.message
    assert raised.value.hint


def test_upgrades_come_before_routing_and_each_lever_has_its_page() -> None:
    names = [kind.name for kind in registry()]
    assert names.index("upgrade") < names.index("route_simple") < names.index("batch") < names.index("standard_speed")
    for name in ("concise", "effort-cut", "upgrade", "standard-speed", "global-geo"):
        text = page(name)
        assert "Formula:" in text and "Example:" in text and "When it costs money:" in text
        assert f"--{name}" in text


def test_speed_and_geography_are_metered_and_evidenced(tmp_path: Path) -> None:
    one = record(1, model="claude-opus-5-5", usage={"speed": "fast", "inference_geo": "us"})
    answer = stored(tmp_path / "store", [one]).whatif(standard_speed=True, global_geo=True)
    assert [step.grade for step in answer.steps] == [Grade.METERED, Grade.METERED]
    assert answer.evidenced_saving_usd == answer.saving_usd > 0
    assert kind_of("global_geo").risk.reasons == ("residency", "latency")
