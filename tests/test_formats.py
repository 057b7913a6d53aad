"""Recognition among all formats, the list of them, and the sample logs read by each."""

from __future__ import annotations

import importlib.util
import json
import sys
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from logs import audit, read

from claude_audit import ingestors_evidence
from claude_audit.commands import run
from claude_audit.ingestors import registry

SAMPLES = Path(__file__).parents[1] / "sample_logs"


def test_every_format_has_a_page() -> None:
    for name, format in registry().items():
        assert format.name == name and format.title
        assert "ecognised by" in format.doc, name
    for name, paper in ingestors_evidence.registry().items():
        assert paper.name == name and paper.title and paper.doc.strip(), name


def test_the_list(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["formats"]) == 0
    shown = capsys.readouterr().out
    evidence = list(ingestors_evidence.registry())
    assert all(name in shown for name in (*registry(), *evidence))
    assert max(map(len, shown.splitlines())) <= 80 and "never added to spend" in shown
    assert run(["formats", "--format", "json"]) == 0
    told = json.loads(capsys.readouterr().out)
    assert [(f["name"], f["kind"]) for f in told["formats"]] == [
        *((name, "log") for name in registry()),
        *((name, "evidence") for name in evidence),
    ]


def test_one_page(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["formats", "show", "csv"]) == 0
    assert "input_includes_cache" in capsys.readouterr().out
    assert run(["formats", "show", "cvs"]) == 2
    assert "did you mean 'csv'" in capsys.readouterr().err


@pytest.mark.parametrize("name", [*registry(), *ingestors_evidence.registry()])
def test_pages_fit_a_terminal(name: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "80")
    run(["formats", "show", name])
    shown = capsys.readouterr().out
    assert max(map(len, shown.splitlines())) <= 80 and len(shown) > 200


@pytest.mark.parametrize("name", list(ingestors_evidence.registry()))
def test_one_page_of_evidence(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["formats", "show", name]) == 0
    shown = capsys.readouterr().out
    assert shown.startswith(f"{name} (evidence: ") and "ecognised by" in shown
    assert run(["formats", "show", name, "--format", "json"]) == 0
    assert json.loads(capsys.readouterr().out)["kind"] == "evidence"


def _truth() -> dict[str, Any]:
    spec = importlib.util.spec_from_file_location("larkspur_truth", SAMPLES / "generate.py")
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    truth: dict[str, Any] = module.truth()
    return truth


TRUTH = _truth()


@pytest.mark.parametrize("name", sorted(TRUTH["lines"]))
def test_the_sample_logs(tmp_path: Path, name: str) -> None:
    """Every line's fate, and the figures of every endpoint and model, against what the generator made up."""
    report = read(tmp_path / "store", SAMPLES / name)
    counted, lines = report.counted, TRUTH["lines"][name]
    assert dict(report.formats) == {name: lines["files"]}
    assert (counted.lines, counted.kept, counted.duplicates, sum(counted.ignored.values()), counted.rejected) == (
        lines["lines"],
        lines["calls"],
        lines["duplicates"],
        lines["ignored"],
        lines["rejected"],
    )
    answer = audit(tmp_path / "store").spend(["endpoint", "model"])
    found = {row.labels: (row.requests, dict(row.tokens), row.cost_usd) for row in answer.rows}
    assert found == {
        (row["endpoint"], row["model"]): (
            row["requests"],
            {c: row[c] for c in ("input", "cache_read", "cache_write_5m", "cache_write_1h", "output")},
            Decimal(row["cost_usd"]) if row["cost_usd"] is not None else None,
        )
        for row in TRUTH["rows"]
        if row["format"] == name
    }
