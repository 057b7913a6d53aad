"""What the user says of logs that do not say it themselves: taken, flagged on the rows, and reported with what was taken."""

from __future__ import annotations

import json
import os
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from exports import rows
from logs import record, write

if TYPE_CHECKING:
    from command_line import Command, Done

pytest_plugins = ("command_line",)


def ingested(run: Command, *flags: str) -> dict[str, Any]:
    done: Done = run("ingest", "app.jsonl", "--format", "json", *flags)
    assert done.returncode == 0, done.stdout
    answer: dict[str, Any] = json.loads(done.stdout)
    return answer


def without(n: int, *fields: str, **more: Any) -> dict[str, Any]:
    return {name: value for name, value in record(n, **more).items() if name not in fields}


def test_a_model(tmp_path: Path, run: Command) -> None:
    write(tmp_path / "app.jsonl", [without(1, "model"), record(2)])
    told = ingested(run, "--assume-model", "claude-opus-5-5")
    assert "1 row: the record named no model: --assume-model was taken: claude-opus-5-5" in told["warnings"]
    assert rows(tmp_path / ".claude-audit", "model, 'model_assumed' IN flags") == [
        ("claude-opus-5-5", True),
        ("claude-sonnet-5-5", False),
    ]


@pytest.mark.parametrize(
    ("name", "hint"), [("claude-opus-5-6", "claude-opus-5-5"), ("haiku", "claude-"), ("zzz", "prices lists")]
)
def test_a_model_without_a_price_is_no_assumption(tmp_path: Path, run: Command, name: str, hint: str) -> None:
    write(tmp_path / "app.jsonl", [without(1, "model")])
    done = run("ingest", "app.jsonl", "--assume-model", name)
    assert done.returncode == 2 and f"--assume-model {name}: the price list has no model" in done.stderr
    assert hint in done.stderr and not (tmp_path / ".claude-audit").exists()


def test_a_zone(tmp_path: Path, run: Command) -> None:
    times = ("2026-07-02T10:00:00", "2026-11-02 10:00:00,5", "2026-11-02T10:00:00+02:00", "1793613600")
    write(tmp_path / "app.jsonl", [record(n, timestamp=ts) for n, ts in enumerate(times)])
    told = ingested(run, "--assume-timezone", "Europe/Berlin")
    assert "2 rows: the time carried no zone; Europe/Berlin was taken (--assume-timezone)" in told["warnings"]
    assert rows(tmp_path / ".claude-audit", "CAST(ts AS VARCHAR), 'time_zone_assumed' IN flags") == [
        ("2026-07-02 08:00:00+00", True),
        ("2026-11-02 08:00:00+00", False),
        ("2026-11-02 09:00:00.5+00", True),
        ("2026-11-02 10:00:00+00", False),
    ]


def test_no_zone_is_utc_and_said(tmp_path: Path, run: Command) -> None:
    write(tmp_path / "app.jsonl", [record(1, timestamp="2026-11-02T10:00:00")])
    assert "1 row: the time carried no zone; UTC was taken (--assume-timezone)" in ingested(run)["warnings"]


def test_a_zone_that_is_none(tmp_path: Path, run: Command) -> None:
    write(tmp_path / "app.jsonl", [record(1)])
    assert run("ingest", "app.jsonl", "--assume-timezone", "Mars/Olympus").returncode == 2


def test_the_time_of_a_file(tmp_path: Path, run: Command) -> None:
    lines = [{name: value for name, value in record(n).items() if name != "timestamp"} for n in range(4)]
    write(tmp_path / "logs/app-2026-11-05.jsonl", lines[:1])
    other = write(tmp_path / "logs/other.jsonl", lines[1:])
    moment = datetime(2026, 11, 3, 12, tzinfo=UTC).timestamp()
    os.utime(other, (moment, moment))
    told = json.loads(run("ingest", "logs", "--format", "json").stdout)
    says = "4 rows: the record carried no time: that of the file was taken (1 by the date in its name, 3 by its last change)"
    assert says in told["warnings"]
    assert rows(tmp_path / ".claude-audit", "CAST(ts AS VARCHAR), flags[1]") == [
        *[("2026-11-03 12:00:00+00", "time_from_file")] * 3,
        ("2026-11-05 00:00:00+00", "time_from_file"),
    ]


def test_what_is_assumed_stays_with_the_rows(tmp_path: Path, run: Command) -> None:
    """Reports made long after the ingest say it too."""
    write(tmp_path / "app.jsonl", [without(1, "model", timestamp="2026-11-02T10:00:00")])
    ingested(run, "--assume-model", "claude-opus-5-5")
    told = json.loads(run("report", "--format", "json").stdout)
    assert "1 row: the time carried no zone" in told["warnings"]
    assert "1 row: the record named no model: --assume-model was taken" in told["warnings"]


def test_an_endpoint_and_the_configuration(tmp_path: Path, run: Command) -> None:
    write(tmp_path / "app.jsonl", [without(1, "endpoint", "model"), record(2)])
    (tmp_path / "claude-audit.yaml").write_text("assume_model: claude-opus-5-5\ndefault_endpoint: news\n")
    ingested(run)
    assert rows(tmp_path / ".claude-audit", "endpoint, model") == [
        ("news", "claude-opus-5-5"),
        ("chat", "claude-sonnet-5-5"),
    ]
