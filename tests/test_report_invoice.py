"""The report's section on the invoice: there when a store holds evidence, on every surface, and safe."""

from __future__ import annotations

import json
from datetime import date
from pathlib import Path

import pytest
from claims import COST_COLUMNS, cost, csv
from logs import audit, read, record, write

from claude_audit.filters import parse
from claude_audit.renderers import html, markdown
from claude_audit.renderers import json as json_report
from claude_audit.report import Report, build

ASKED = "Is this all we are billed for?"


def reported(folder: Path, *rows: str, where: tuple[str, ...] = (), zone: str = "UTC") -> Report:
    """Ten calls of key web at a dollar of input each, and this cost export."""
    lines = [
        record(n, timestamp=f"2026-11-{n:02}T23:30:00Z", input=500_000, output=0, api_key_id="web", workspace="Default")
        for n in range(1, 11)
    ]
    files = [write(folder / "app.jsonl", lines), *([csv(folder / "cost.csv", COST_COLUMNS, rows)] if rows else [])]
    read(folder / "store", *files)
    found = audit(folder / "store", parse(None, None, zone, where))
    return build(found, None, today=date(2026, 11, 21))


def billed(*, bot: bool = True) -> list[str]:
    rows = [cost("1.00", day=f"2026-11-{n:02}", key="web") for n in range(1, 11)]
    return rows + ([cost("3.00", day="2026-11-05", key="ci-bot <script>")] if bot else [])


def test_on_every_surface(tmp_path: Path) -> None:
    made = reported(tmp_path, *billed())
    says = "Your logs explain 76.9 % of the invoice ($10.00 of $13.00, 2026-11-01 to 2026-11-10)."
    told = json.loads(json_report.render(made)) if hasattr(json_report, "render") else json_report.document(made)
    assert told["reconcile"]["unlogged_usd"] == "3" and told["reconcile"]["verdict"].startswith(says)
    text = markdown.render(made)
    assert f"## {ASKED}\n\n{says} All of the rest ($3.00) is key ci-bot &lt;script&gt;." in text
    page = html.render(made)
    assert ASKED in page and 'id="invoice"' in page and "ci-bot <script>" not in page
    assert says.replace(" %", "\N{NO-BREAK SPACE}%") in page


def test_without_evidence_there_is_none(tmp_path: Path) -> None:
    made = reported(tmp_path)
    assert json_report.document(made)["reconcile"] is None
    assert ASKED not in html.render(made) and ASKED not in markdown.render(made)


def test_a_part_of_the_logs_is_held_against_no_invoice(tmp_path: Path) -> None:
    made = reported(tmp_path, *billed(), where=("endpoint=chat",))
    assert made.requests == 10 and json_report.document(made)["reconcile"] is None and ASKED not in html.render(made)


@pytest.mark.parametrize("zone", ["Asia/Tokyo", "America/Los_Angeles"])
def test_an_invoice_has_days_of_utc(tmp_path: Path, zone: str) -> None:
    made = reported(tmp_path, *billed(bot=False), zone=zone)
    assert (
        made.reconciliation is not None
        and not made.reconciliation.unlogged_usd
        and not made.reconciliation.unbilled_usd
    )


def test_evidence_alone(tmp_path: Path) -> None:
    read(tmp_path / "store", csv(tmp_path / "cost.csv", COST_COLUMNS, billed()))
    made = build(audit(tmp_path / "store"), None, today=date(2026, 11, 21))
    assert "Your logs explain none of the invoice" in html.render(made).replace("\N{NO-BREAK SPACE}", " ")


def test_its_rows_are_no_calls(tmp_path: Path) -> None:
    made = reported(tmp_path, *billed())
    assert [(row.format, row.evidence) for row in made.formats] == [("console_cost", True), ("native", False)]
    assert "console_cost (evidence)" in html.render(made).replace(
        "<wbr>", ""
    ) and "console\\_cost (evidence)" in markdown.render(made)
