"""What cost guides publish, recomputed: every claim of the package, and each verdict on a log made for it."""

from __future__ import annotations

import csv as csv_file
import io
import json
from decimal import Decimal
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from logs import CATALOG, record
from stores import stored

from claude_audit.audit import Audit
from claude_audit.claims import Claim, claims
from claude_audit.errors import AuditError
from claude_audit.published import Checked, Verdict
from claude_audit.renderers import published as rendered
from claude_audit.renderers.columns import markdown_text
from claude_audit.renderers.terminal import published_tables
from claude_audit.scenario import levers_of
from claude_audit.waterfall import Grade

if TYPE_CHECKING:
    from command_line import Command

pytest_plugins = ("command_line",)


@pytest.fixture
def audit(tmp_path: Path) -> Audit:
    """Ten classifications that can wait, ten other requests, all alike: 1,000 x 2 + 100 x 10 = $0.003 each."""
    records = [record(n, task="classify", endpoint="extract", latency_tolerant=True) for n in range(10)]
    records += [record(10 + n, task="essay", endpoint="write") for n in range(10)]
    return stored(tmp_path / "store", records)


def checked(audit: Audit, folder: Path, entry: str) -> Checked:
    """One claim, written as in the package's file."""
    file = folder / "claims.yaml"
    file.write_text(f"claims:\n  - claim: It saves.\n    by: somebody\n    read: 2026-11-21\n    {entry}\n")
    found = audit.published(claims(file)).checked
    assert len(found) == 1
    return found[0]


def test_every_claim_of_the_package_can_be_recomputed() -> None:
    found = claims()
    assert len(found) > 15
    for claim in found:
        assert claim.by and claim.read.year == 2026 and claim.where.startswith("published_claims.yaml:")
        if claim.levers:
            assert levers_of(claim.levers, CATALOG), claim.claim
    assert len({claim.claim for claim in found}) == len(found)


@pytest.mark.parametrize(
    ("entry", "verdict", "shares"),
    [
        # Half of what the ten tagged requests cost, exactly.
        ("says: 0.5\n    of: changed\n    levers: {batch_tagged: true}", Verdict.HOLDS, ["0.5"] * 3),
        ("says: 0.5\n    of: bill\n    levers: {batch_tagged: true}", Verdict.LESS, ["0.25"] * 3),
        ("says: [0.1, 0.2]\n    of: bill\n    levers: {batch_tagged: true}", Verdict.MORE, ["0.25"] * 3),
        ("says: {up_to: 0.4}\n    of: bill\n    levers: {batch_tagged: true}", Verdict.HOLDS, ["0.25"] * 3),
        ("says: {up_to: 0.9}\n    of: bill\n    levers: {batch_tagged: true}", Verdict.LESS, ["0.25"] * 3),
        ("says: saves\n    levers: {batch_tagged: true}", Verdict.HOLDS, ["0.25"] * 3),
        # 10 of 20 requests; routed at a twentieth of the price: 10 x 0.00285 of 20 x 0.003. At most all of them: 95 %.
        ("says: 0.5\n    of: requests\n    levers: {route_simple: haiku}", Verdict.HOLDS, ["0.5"] * 3),
        ("says: [0.6, 0.85]\n    levers: {route_simple: haiku}", Verdict.UNSURE, ["0.475", "0.475", "0.95"]),
        # A cap of 40 cuts 60 of 100 tokens on all: 20 x 60 x 10 / 1e6 = 0.012 of 0.06, or costs the calls again.
        ("says: 0.2\n    levers: {cap_output: 40}", Verdict.UNSURE, ["-0.8", "0.2", "0.2"]),
        ("says: 0.6\n    of: output\n    levers: {cap_output: 40}", Verdict.HOLDS, ["0.6"] * 3),
        ("says: 0.6\n    of: answers\n    levers: {cap_output: 40}", Verdict.UNSURE, ["-2.4", "0.6", "0.6"]),
        ("says: 0.1\n    of: cut\n    levers: {cap_output: 40}", Verdict.MORE, ["1"] * 3),
        # A tenth read at a twentieth of the price, the rest written at 1.25 times: 0.005 + 1.125 for 1.
        ("says: 0.7\n    of: prompts\n    levers: {cache_hit: 0.1}", Verdict.COSTS, ["-0.13", "-0.13", "0"]),
        # Together: half of a twentieth.
        (
            "says: 0.4875\n    levers: {route_simple: haiku, batch_tagged: true}",
            Verdict.UNSURE,
            ["0.4875", "0.4875", "0.9625"],
        ),
        ("says: 1\n    formula: input_and_output", Verdict.HOLDS, ["1"] * 3),
    ],
)
def test_a_verdict_follows_from_the_figure(
    audit: Audit, tmp_path: Path, entry: str, verdict: Verdict, shares: list[str]
) -> None:
    one = checked(audit, tmp_path, entry)
    assert one.found is not None
    assert [one.found.low, one.found.point, one.found.high] == list(map(Decimal, shares))
    assert one.verdict is verdict


def test_the_dollars_stand_beside_the_share(audit: Audit, tmp_path: Path) -> None:
    found = checked(audit, tmp_path, "says: 0.5\n    of: changed\n    levers: {batch_tagged: true}").found
    assert found is not None
    assert (found.saving_usd, found.grade, found.requests) == (Decimal("0.015"), Grade.METERED, 10)


def test_what_the_log_cannot_tell_is_said_with_the_way_out(audit: Audit, tmp_path: Path) -> None:
    one = checked(audit, tmp_path, "says: {up_to: 0.9}\n    of: prompts\n    levers: {cache_replay: true}")
    assert one.verdict is Verdict.UNKNOWN and one.found is None
    assert rendered.verdict(one).startswith(
        "This log can't tell. It lacks prompt_blocks: claude_audit.record writes it"
    )


def test_where_no_request_is_concerned_the_gate_is_named(tmp_path: Path) -> None:
    log = stored(tmp_path / "store", [record(1, latency_tolerant=True, stream=True)])
    one = checked(log, tmp_path, "says: 0.5\n    of: changed\n    levers: {batch_tagged: true}")
    assert one.verdict is Verdict.NOTHING
    assert rendered.verdict(one) == "No request of this log is concerned (streamed)."


def test_a_formula_that_forgets_the_cache_finds_part_of_the_bill(tmp_path: Path) -> None:
    """1,000 x 2 + 100 x 10 = 3,000, beside 20,000 x 0.10 + 400 x 2.50 = 3,000 for reads and writes."""
    log = stored(tmp_path / "store", [record(1, read=20_000, w5=400)])
    one = checked(log, tmp_path, "says: 1\n    formula: input_and_output")
    assert one.found is not None and one.found.point == Decimal("0.5") and one.verdict is Verdict.LESS


def test_the_cost_of_prompts_holds_neither_answers_nor_searches(tmp_path: Path) -> None:
    """Prompts cost 1,000 x 2 / 1e6 = $0.002; the search ($0.01) and the answer are no part of them. Half of a batch."""
    search = {"server_tool_use": {"web_search_requests": 1}}
    log = stored(tmp_path / "store", [record(1, latency_tolerant=True, usage=search)])
    one = checked(log, tmp_path, "says: 0.75\n    of: prompts\n    levers: {batch_tagged: true}")
    assert one.found is not None and one.found.saving_usd == Decimal("0.0015")
    assert one.found.point == Decimal("0.75") and one.verdict is Verdict.HOLDS


@pytest.mark.parametrize(
    ("entry", "verdict", "value"),
    [
        # 1,600,000 x 0.30 + 400,000 x 3.75 = 480,000 + 1,500,000
        (
            "says: {usd: 1.44}\n    paper: [{model: claude-sonnet-4-5, on: 2026-11-01, tokens: {cache_read: 1600000, cache_write_5m: 400000}}]",
            Verdict.WRONG,
            "1.98",
        ),
        (
            "says: {usd: 0.0006}\n    paper: [{model: claude-sonnet-4-5, tokens: {cache_read: 2000}}]",
            Verdict.RIGHT,
            "0.0006",
        ),
        (
            "says: {times: 3}\n    paper: [{model: claude-sonnet-4-5, tokens: {input: 9}}]\n    over: [{model: claude-haiku-4-5, tokens: {input: 9}}]",
            Verdict.RIGHT,
            "3",
        ),
    ],
)
def test_an_example_of_a_guide_at_list_prices(
    audit: Audit, tmp_path: Path, entry: str, verdict: Verdict, value: str
) -> None:
    one = checked(audit, tmp_path, entry)
    assert one.found is not None and one.found.point == Decimal(value)
    assert one.verdict is verdict


@pytest.mark.parametrize(
    ("entry", "says"),
    [
        ("says: 0.5", "recomputed in one way"),
        ("says: 0.5\n    fact: no\n    levers: {batch_tagged: true}", "recomputed in one way"),
        ("says: plenty\n    levers: {batch_tagged: true}", "says 'plenty' is no figure"),
        ("says: [0.9, 0.1]\n    levers: {batch_tagged: true}", "is no figure"),
        ("says: 0.5\n    of: dreams\n    levers: {batch_tagged: true}", "of 'dreams' is no measure"),
        ("says: 0.5\n    levers: {btach_tagged: true}", "unknown lever or option 'btach_tagged'"),
        ("says: 0.5\n    formula: magic", "unknown formula"),
        ("says: {usd: 1}\n    paper: [{model: nobody, tokens: {input: 1}}]", "no such model"),
        ("says: {usd: 1}\n    paper: [{model: haiku, tokens: {in: 1}}]", "needs model and tokens"),
        ("sayz: 0.5\n    levers: {batch_tagged: true}", "unknown key 'sayz'"),
    ],
)
def test_a_broken_claim_is_named_with_its_line(audit: Audit, tmp_path: Path, entry: str, says: str) -> None:
    with pytest.raises(AuditError) as error:
        checked(audit, tmp_path, entry)
    assert says in error.value.message and error.value.message.startswith("claims.yaml:2: ")


def test_levers_of_one_name_are_tried_with_each_argument(audit: Audit, tmp_path: Path) -> None:
    """Two caps cannot share a scan: each still comes to its own figure."""
    entries = [
        Claim(f"cap {n}", "", claims()[0].read, "here", claims()[0].says, "output", {"cap_output": str(n)})
        for n in (40, 80)
    ]
    found = audit.published(entries).checked
    assert [one.found.point if one.found else None for one in found] == [Decimal("0.6"), Decimal("0.2")]


def test_all_formats_tell_the_same(audit: Audit) -> None:
    found = audit.published()
    document: dict[str, Any] = rendered.document(found)
    json.dumps(document)
    rows = list(csv_file.DictReader(io.StringIO(rendered.csv(found))))
    assert [row["verdict"] for row in rows] == [one["verdict"] for one in document["claims"]]
    shown = published_tables(found, width=80, color=False)
    assert max(map(len, shown.splitlines())) <= 80
    markdown = rendered.markdown(found)
    for one in found.checked:
        assert markdown_text(one.claim.claim) in markdown
    half = next(one for one in document["claims"] if one["levers"] == {"batch_tagged": True})
    assert (half["verdict"], half["saving_usd"], half["here"]["point"], half["read"]) == (
        "holds",
        "0.015",
        0.5,
        "2026-11-21",
    )
    assert document["summary"].startswith(f"Of {len(rows)} claims: ")


def test_an_empty_log_and_the_command(tmp_path: Path, store: Path, run: Command) -> None:
    assert stored(tmp_path / "empty", []).published().checked == ()
    for how in ("table", "json", "csv", "markdown"):
        done = run("whatif", "--published", "--format", how)
        assert done.returncode == 0 and "90 %" in done.stdout, done.stderr
    assert run("whatif", "--published", "--cap-output", "5").returncode == 2
