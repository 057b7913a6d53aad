"""ingest --dry-run: what the first calls would be, on 80 columns and as JSON, and nothing is written."""

from __future__ import annotations

import gzip
import json
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from logs import record, write

from claude_audit import preview

if TYPE_CHECKING:
    from command_line import Command

pytest_plugins = ("command_line",)

MAP = "model: engine\ninput_tokens: {from: use.in, unit: thousands}\noutput_tokens: use.out\ntimestamp: when\nendpoint: =news\n"


def call(n: int = 0) -> dict[str, object]:
    return {"engine": "claude-sonnet-5-5", "use": {"in": 1, "out": 100}, "when": f"2026-11-02T10:00:{n:02}Z"}


def test_how_the_first_calls_are_understood(tmp_path: Path, run: Command) -> None:
    (tmp_path / "map.yaml").write_text(MAP)
    write(tmp_path / "app.jsonl", [call(1), "nope", call(2), {"kind": "other"}])
    done = run("ingest", "--dry-run", "--map", "map.yaml", "app.jsonl")
    assert done.stderr == "" and done.returncode == 0
    assert done.stdout.startswith(
        """\
Dry run: nothing is written. The first 2,000 lines of 1 file were read.

file       read as  lines  calls  duplicates  ignored  rejected
app.jsonl  mapped       4      2           0        1         1

ignored:  1 × no token counts
rejected: app.jsonl:2: not valid JSON

app.jsonl:1  mapped, $0.003
  ts             2026-11-02 10:00:01 UTC  when
  provider       anthropic
  endpoint       news                     =news
  model          claude-sonnet-5-5        engine
  input_tokens   1,000                    use.in (thousands)
  output_tokens  100                      use.out
  prompt_tokens  1,000
  assumed: the log has no cache counters: input is a lower bound, and a hit rate
           is unknown

app.jsonl:3  mapped, $0.003
"""
    )
    assert "stop_reason               2 of 2  no lever knows" in done.stdout
    assert [path.name for path in tmp_path.iterdir() if path.name.startswith(".claude")] == []


def test_a_real_ingest_afterwards_reads_everything(tmp_path: Path, run: Command) -> None:
    write(tmp_path / "app.jsonl", [record(n) for n in range(3)])
    assert run("ingest", "--dry-run", "app.jsonl").returncode == 0
    assert json.loads(run("ingest", "app.jsonl", "--format", "json").stdout)["rows_added"] == 3


def test_several_formats_as_json(tmp_path: Path, run: Command) -> None:
    write(tmp_path / "logs/app.jsonl", [record(1), record(1), record(2, model="claude-unknown-9")])
    (tmp_path / "logs/calls.csv").write_text(
        "timestamp,model,input_tokens,output_tokens\n2026-11-02 10:00,claude-opus-5-5,7,-8\n2026-11-02 10:00,claude-opus-5-5,7,8\n"
    )
    (tmp_path / "logs/notes.txt").write_text("nothing here\n")
    (tmp_path / "logs/cost.csv").write_text(
        "usage_date_utc,model,workspace,api_key,usage_type,token_type,cost_usd\n2026-11-02,claude-opus-5-5,w,k,standard,output,1.00\n"
    )
    told = json.loads(run("ingest", "--dry-run", "logs", "--format", "json").stdout)
    assert {file["source"]: file["format"] for file in told["files"]} == {
        "logs/app.jsonl": "native", "logs/calls.csv": "csv", "logs/cost.csv": "console_cost", "logs/notes.txt": None,
    }  # fmt: skip
    assert told["lines"] == told["kept"] + told["duplicates"] + sum(told["ignored"].values()) + told["rejected"] == 6
    assert (told["duplicates"], told["rejected"], told["evidence_rows"]) == (1, 1, 1)
    assert [(c["source"], c["line"], c["fields"]["output_tokens"], c["cost_usd"]) for c in told["calls"]] == [
        ("logs/calls.csv", 3, 8, "0.000188"),
        ("logs/app.jsonl", 1, 100, "0.003"),
    ]
    assert told["calls"][0]["assumed"] == ["time_zone_assumed", "cache_unseen"]
    assert {k: v for m in told["missing"] if "request_id" in m["fields"] for k, v in m.items() if k != "means"} == {
        "fields": ["request_id", "message_id"],
        "calls": 1,
        "of": 3,
    }
    assert told["unpriced_models"] == {"claude-unknown-9": 1}
    assert told["dry_run"] is True and told["files"][-1]["reason"] == "not a log of a format known here"


def test_only_the_beginning_is_read(tmp_path: Path, run: Command, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(preview, "MOST_LINES", 10)
    (tmp_path / "logs").mkdir()
    for n in range(5):
        with gzip.open(tmp_path / f"logs/{n}-2026-11-02.jsonl.gz", "wt") as log:
            log.writelines(json.dumps(record(line, request_id=f"req_{n}_{line}")) + "\n" for line in range(50))
    told = json.loads(run("ingest", "--dry-run", "logs", "--format", "json").stdout)
    assert [(file["read"], file["lines"]) for file in told["files"]] == [(True, 10)] * 3 + [(False, None)] * 2
    shown = " ".join(run("ingest", "--dry-run", "logs").stdout.split())
    assert told["lines"] == 30 and "The first 10 lines of 3 files were read (3 of each format; 2 more)." in shown


@pytest.mark.parametrize("width", [60, 80, 120])
def test_it_fits_the_terminal(tmp_path: Path, run: Command, monkeypatch: pytest.MonkeyPatch, width: int) -> None:
    monkeypatch.setenv("COLUMNS", str(width))
    long = "x" * 90
    write(tmp_path / f"{long}.jsonl", [record(1, endpoint=long, tags={f"k{n}": long for n in range(5)}), "{" + long])
    shown = run("ingest", "--dry-run", f"{long}.jsonl").stdout
    wide = [line for line in shown.splitlines() if len(line) > width and long not in line]
    assert wide == [] and "\x1b" not in shown


def test_mistakes_end_as_in_an_ingest(tmp_path: Path, run: Command) -> None:
    write(tmp_path / "app.jsonl", [record(1), "nope"])
    (tmp_path / "map.yaml").write_text("endpoint: featur\n")
    assert run("ingest", "--dry-run", "--strict", "app.jsonl").returncode == 2
    assert "no such file" in run("ingest", "--dry-run", "none.jsonl").stderr
    assert "unknown format" in run("ingest", "--dry-run", "--input-format", "nativ", "app.jsonl").stderr
    assert "--dry-run writes no file" in run("ingest", "--dry-run", "--rejects", "r.csv", "app.jsonl").stderr
    (tmp_path / "empty.jsonl").write_text("\n")
    assert "no log lines found" in run("ingest", "--dry-run", "empty.jsonl").stderr
    (tmp_path / "words.txt").write_text("only words\n")
    assert "not a log of a format known here" in run("ingest", "--dry-run", "words.txt").stderr
