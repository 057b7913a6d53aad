"""Where a figure comes from: line items that add up, the place of each price, and the line each request was read at."""

from __future__ import annotations

import json
import re
from decimal import Decimal
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from logs import read, record, write

from claude_audit.levers import registry

if TYPE_CHECKING:
    from command_line import Command

pytest_plugins = ("command_line",)

USD = Decimal("0.003")
"""One record: 1,000 x 2 + 100 x 10 per million."""


def test_explain_one_request(store: Path, run: Command) -> None:
    done = run("explain", "req_7")
    assert done.returncode == 0, done.stderr
    lines = done.stdout.splitlines()
    assert lines[0] == "app.jsonl:7  native, call" and "total $0.003 " in done.stdout
    assert re.search(r"claude-sonnet-5-5 +pricing/anthropic.yaml:\d+", done.stdout)
    assert re.search(r"uncached input +1,000 tokens × \$2.00 per million += \$0.002", done.stdout)


def test_explain_adds_up_whatever_is_asked(store: Path, run: Command) -> None:
    whole = json.loads(run("explain", "--format", "json").stdout)
    assert whole["total_usd"] == "0.06" == str(sum(Decimal(row["amount_usd"]) for row in whole["rows"]))
    row = whole["rows"][0]
    factors = Decimal(1)
    for factor in row["factors"]:
        factors *= Decimal(factor["factor"])
    assert Decimal(row["amount_usd"]) == row["quantity"] * Decimal(row["rate"]) / row["per"] * factors
    day = json.loads(run("explain", "--since", "2026-11-20", "--format", "json").stdout)
    assert day["total_usd"] == "0.003" and "passes" not in day
    call = json.loads(run("explain", "req_3", "--format", "json").stdout)
    assert [(p["source"], p["line"], p["cost_usd"]) for p in call["passes"]] == [("app.jsonl", 3, "0.003")]


def test_explain_shows_all_passes_of_a_call(tmp_path: Path, run: Command) -> None:
    advisor = {"iterations": [
        {"type": "message", "input_tokens": 1000, "output_tokens": 100},
        {"type": "advisor_message", "model": "claude-opus-5-5", "input_tokens": 50, "output_tokens": 5},
    ]}  # fmt: skip
    read(
        tmp_path / ".claude-audit", write(tmp_path / "app.jsonl", [record(1, usage=advisor), record(2, status="error")])
    )
    answer = json.loads(run("explain", "req_1", "--format", "json").stdout)
    assert [(p["kind"], p["line"]) for p in answer["passes"]] == [("call", 1), ("advisor", 1)]
    assert answer["total_usd"] == str(USD + Decimal(50 * 4 + 5 * 20) / 10**6)
    assert "not billed: error" in run("explain", "req_2").stdout


def test_explain_tells_what_has_no_price(tmp_path: Path, run: Command) -> None:
    read(tmp_path / ".claude-audit", write(tmp_path / "app.jsonl", [record(1), record(2, model="claude-unknown-9")]))
    answer = json.loads(run("explain", "req_2", "--format", "json").stdout)
    assert (
        answer["passes"][0]["cost_usd"] is None and answer["unpriced_rows"] == 2 and answer["rows"][0]["rate"] is None
    )
    shown = run("explain").stdout
    assert "claude-unknown-9  unknown model" in shown and "2 lines have no price and are not in it" in shown


def test_explain_names_an_id_that_is_not_there(store: Path, run: Command) -> None:
    done = run("explain", "req_999", "--format", "json")
    assert done.returncode == 2 and "req_999" in json.loads(done.stdout)["error"]["message"]
    assert run("explain", "req_3", "--since", "2026-11-09").returncode == 2


@pytest.mark.parametrize("how", ["csv", "markdown"])
def test_explain_as_rows(store: Path, how: str, run: Command) -> None:
    done = run("explain", "req_3", "--format", how)
    assert done.returncode == 0 and "app.jsonl" in done.stdout and "0.001" in done.stdout


def test_a_lever_is_explained_by_its_page(store: Path, run: Command) -> None:
    shown = run("explain", "lever", "cap-output")
    assert shown.returncode == 0 and max(map(len, shown.stdout.splitlines())) <= 80
    for part in ("What it assumes:", "Formula:", "Example:", "When it costs money:", "--cap-thinking"):
        assert part in shown.stdout, part
    document = json.loads(run("explain", "lever", "cap_output", "--format", "json").stdout)["levers"]
    assert [(one["lever"], one["stage"], one["effort"]) for one in document] == [("cap_output", 3, "very_low")]
    assert "Formula:" in document[0]["page"]
    assert "```text" in run("explain", "lever", "cap_output", "--format", "markdown").stdout


def test_all_levers_have_a_line_each(tmp_path: Path, run: Command) -> None:
    """Without a store too: nothing of the log is asked for."""
    names = [kind.name for kind in registry()]
    shown = run("explain", "lever").stdout
    assert max(map(len, shown.splitlines())) <= 80
    assert [line.split()[0] for line in shown.splitlines() if line[:1].islower() and line.split()[0] in names] == names
    document = json.loads(run("explain", "lever", "--format", "json").stdout)["levers"]
    assert [one["lever"] for one in document] == names
    assert all(one["what"].endswith(".") and len(one["what"]) < 160 and "page" not in one for one in document)
    for how in ("csv", "markdown"):
        assert all(
            name.replace("_", "\\_" if how == "markdown" else "_") in run("explain", "lever", "--format", how).stdout
            for name in names
        )


def test_a_wrong_lever_is_named_and_an_id_stays_an_id(store: Path, run: Command) -> None:
    done = run("explain", "lever", "cap")
    assert done.returncode == 2 and "did you mean cap_output?" in done.stderr
    assert run("explain", "req_3").returncode == 0
    assert "explain takes one id" in run("explain", "req_3", "req_4").stderr


def test_where_nothing_has_a_price_no_answer_is_a_sum_of_dollars(tmp_path: Path, run: Command) -> None:
    lost = [record(n, model="claude-unknown-9", timestamp=f"2026-11-{n:02d}T10:00:00Z") for n in range(1, 5)]
    read(tmp_path / ".claude-audit", write(tmp_path / "app.jsonl", lost))
    assert run("spend").stdout.startswith("no price  Nov 1 to Nov 4, 2026")
    assert "**no price** in 4 requests" in run("spend", "--format", "markdown").stdout
    assert run("explain").stdout.endswith("\ntotal no price\n")
    assert "undecided: there is no evidence" in run("reconcile", "--fail-under", "50%").stderr
    told = run("diff", "--before", "2026-11-01..2026-11-02", "--after", "2026-11-03..2026-11-04").stdout
    assert told.startswith("How Nov 3 to Nov 4 compares with Nov 1 to Nov 2 is not known: no request of")
    assert "before  Nov 1 to Nov 2, 2026: no price, 2 requests" in told and "$" not in told
    assert run("report", "--html", "audit.html").stdout.startswith("no price in 4 requests")
    assert ">no price</span></h1>" in (tmp_path / "audit.html").read_text(encoding="utf-8")
