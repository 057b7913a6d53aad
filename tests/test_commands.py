"""The command line as a user meets it: exit codes, errors that help, JSON that is JSON, a quick start."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from logs import read, record, write

import claude_audit

PROGRAM = [sys.executable, "-m", "claude_audit"]


def run(folder: Path, *args: str, **env: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [*PROGRAM, *args],
        cwd=folder,
        capture_output=True,
        text=True,
        check=False,
        env={**os.environ, "COLUMNS": "80", **env},
    )


def document(folder: Path, *args: str) -> tuple[int, dict[str, Any]]:
    done = run(folder, *args, "--format", "json")
    assert done.stdout.count("\n") == 1, done.stdout + done.stderr
    parsed = json.loads(done.stdout)
    assert parsed["schema_version"] == 1
    return done.returncode, parsed


@pytest.fixture
def audited(tmp_path: Path) -> Path:
    read(tmp_path / ".claude-audit", write(tmp_path / "app.jsonl", [record(n) for n in range(5)]))
    return tmp_path


def test_a_folder_that_is_gone_is_named(tmp_path: Path) -> None:
    (tmp_path / "gone").mkdir()
    command = f"cd gone && rmdir ../gone && {sys.executable} -m claude_audit spend"
    done = subprocess.run(["sh", "-c", command], cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.returncode == 2 and "the current folder is gone" in done.stderr


def test_a_store_whose_path_is_no_utf8_is_named(audited: Path) -> None:
    done = run(audited, "--store", "st\udcff", "ingest", "app.jsonl")
    assert done.returncode == 2 and "not UTF-8" in done.stderr and "store" in done.stderr


@pytest.mark.parametrize(
    ("args", "says", "hint"),
    [
        (["spend"], "nothing has been ingested", "claude-audit ingest"),
        (["ingest", "missing"], "no such file", "spelling"),
        (["ingest", "--input-format", "smoke", "."], "unknown format 'smoke'", "native"),
        (["ingest", "--assume-timezone", "Nowhere", "."], "unknown time zone", "IANA"),
        (["spend", "--format", "xml"], "not one of table, json, csv, markdown", "--help"),
        (["sepnd"], "sepnd", "--help"),
        (["spend", "--bye", "model"], "--bye", "--help"),
    ],
)
def test_wrong_usage_is_named_with_a_way_out(tmp_path: Path, args: list[str], says: str, hint: str) -> None:
    done = run(tmp_path, *args)
    assert done.returncode == 2
    assert says in done.stderr and hint in done.stderr and "Traceback" not in done.stderr
    assert done.stdout == ""


@pytest.mark.parametrize(
    ("args", "says"),
    [
        (["spend", "--by", "endpont"], "did you mean 'endpoint'?"),
        (["whatif"], "no lever to try"),
        (["whatif", "--cache-hit", "85"], "did you mean 0.85?"),
        (["whatif", "--cache-hit", "most"], "not a rate"),
        (["whatif", "--route-simple", "haiko"], "no such model"),
        (["whatif", "--cap-output", "-5"], "--cap-output"),
        (["whatif", "--cap-output", "5", "--attribution", "best"], "unknown attribution"),
        (["whatif", "--scenario", "missing.yaml"], "missing.yaml"),
        (["whatif", "--cacheable", "lots", "--cache-hit", "0.5"], "--cacheable"),
        (["whatif", "--cap-output", "5", "--order", "batch"], "order names batch"),
        (["whatif", "--all", "--attribution", "shapley"], "--attribution says nothing with --all"),
        (["whatif", "--published", "--cap-output", "5"], "cap_output says nothing"),
        (["check"], "no budget"),
        (["check", "--monthly", "lots"], "lots"),
    ],
)
def test_values_that_make_no_sense_are_named(audited: Path, args: list[str], says: str) -> None:
    code, answer = document(audited, *args)
    assert code == 2
    assert says in f"{answer['error']['message']} {answer['error']['hint']}"


def test_a_broken_scenario_file_is_named_with_its_line(audited: Path) -> None:
    (audited / "s.yaml").write_text("levers:\n  - cap_output: 512\n  - route_simpel: haiku\n")
    code, answer = document(audited, "whatif", "--scenario", "s.yaml")
    assert code == 2 and answer["error"]["message"].startswith("s.yaml:3: unknown lever or option 'route_simpel'")


def test_broken_configuration_is_named_with_its_line(audited: Path) -> None:
    (audited / "claude-audit.yaml").write_text("timezone: UTC\nbudget:\n  - limit: 5\n")
    code, answer = document(audited, "spend")
    assert code == 2 and "claude-audit.yaml:2" in answer["error"]["message"]


def test_a_csv_without_a_model_column_is_named(tmp_path: Path) -> None:
    (tmp_path / "usage.csv").write_text(
        "timestamp,endpoint,modle,input_tokens,output_tokens\n2026-11-02T10:00:00Z,chat,x,1,2\n"
    )
    code, answer = document(tmp_path, "ingest", "usage.csv")
    assert code == 2
    assert (
        "model" in answer["error"]["message"] and "modle" in f"{answer['error']['message']} {answer['error']['hint']}"
    )


def test_one_file_and_one_row_are_told_in_the_singular(tmp_path: Path) -> None:
    write(tmp_path / "app.jsonl", [record(1, model="claude-opus-9")])
    first, again = (run(tmp_path, "ingest", "app.jsonl") for _ in range(2))
    assert first.stdout.startswith("Read 1 file, ") and "(1 new row)" in first.stdout
    assert first.stdout.endswith("\n1 row in the store.\n") and "warning: 1 row of claude-opus-9" in first.stderr
    assert again.stdout == "Nothing new: 1 of 1 file is as it was. 1 row in the store.\n"


def test_strict_ingest_fails_after_storing_what_was_good(tmp_path: Path) -> None:
    write(tmp_path / "app.jsonl", [record(1), "broken"])
    done = run(tmp_path, "ingest", "app.jsonl", "--strict", "--rejects", "rejects.csv")
    assert done.returncode == 2
    assert (tmp_path / "rejects.csv").read_text().splitlines() == ["source,line,reason", "app.jsonl,2,not valid JSON"]
    assert document(tmp_path, "spend")[1]["requests"] == 1


@pytest.mark.parametrize(("limit", "verdict", "code"), [("1000", "ok", 0), ("0.001", "over", 1)])
def test_the_gate_answers_with_its_exit_code(tmp_path: Path, limit: str, verdict: str, code: int) -> None:
    days = [record(n, timestamp=f"2026-11-{n:02d}T10:00:00Z") for n in range(1, 16)]
    read(tmp_path / ".claude-audit", write(tmp_path / "app.jsonl", days))
    assert (
        document(tmp_path, "check", "--monthly", limit)[0],
        document(tmp_path, "check", "--monthly", limit)[1]["verdict"],
    ) == (
        code,
        verdict,
    )


def test_too_little_history_is_undecided(audited: Path) -> None:
    code, answer = document(audited, "check", "--monthly", "1000")
    assert (code, answer["verdict"]) == (3, "undecided")
    assert run(audited, "check", "--monthly", "1000", "--on-undecided", "pass").returncode == 0


@pytest.mark.parametrize(
    "args", [["spend"], ["spend", "--by", "endpoint,model"], ["prices"], ["formats"], ["whatif", "--cap-output", "50"]]
)
@pytest.mark.parametrize("how", ["table", "csv", "markdown", "json"])
def test_every_format_prints(audited: Path, args: list[str], how: str) -> None:
    done = run(audited, *args, "--format", how)
    assert done.returncode == 0 and done.stdout.strip(), done.stderr
    if how == "table":
        assert max(map(len, done.stdout.splitlines())) <= 80


def test_hostile_names_cannot_move_the_terminal(tmp_path: Path) -> None:
    hostile = "\x1b[31mred\x1b[0m\x07\r=cmd()|<b>"
    write(tmp_path / "app.jsonl", [record(1, endpoint=hostile, model=hostile)])
    for how in ("table", "csv", "markdown"):
        assert run(tmp_path, "ingest", "app.jsonl").returncode == 0
        out = run(tmp_path, "spend", "--by", "endpoint", "--format", how).stdout
        assert "\x1b" not in out and "\x07" not in out
    assert "\n=cmd" not in run(tmp_path, "spend", "--by", "endpoint", "--format", "csv").stdout


def test_help_loads_nothing_heavy() -> None:
    code = "import sys\nfrom claude_audit.commands import run\nrun(['--help'])\nsys.stderr.write(' '.join(sys.modules))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    loaded = set(done.stderr.split())
    assert not loaded & {
        "pandas",
        "pyarrow",
        "duckdb",
        "narwhals",
        "jinja2",
        "yaml",
        "numpy",
        "pydantic",
        "rich.console",
    }
    assert "ingest" in done.stdout and "whatif" in done.stdout


def test_a_reader_that_goes_away_is_no_error(audited: Path) -> None:
    done = subprocess.run(
        ["bash", "-c", f"{sys.executable} -m claude_audit spend | true"],
        cwd=audited,
        capture_output=True,
        text=True,
        check=False,
    )
    assert "Traceback" not in done.stderr


def test_the_order_written_is_that_of_the_flags(audited: Path) -> None:
    flags = ["--route-simple", "haiku", "--cap-output", "50", "--batch", "chat"]
    orders = {
        how: [step["lever"] for step in document(audited, "whatif", *flags, "--order", how)[1]["steps"]]
        for how in ("written", "stage", "batch,route_simple")
    }
    assert orders == {
        "written": ["route_simple", "cap_output", "batch"],
        "stage": ["cap_output", "route_simple", "batch"],
        "batch,route_simple": ["batch", "route_simple", "cap_output"],
    }
    (audited / "s.yaml").write_text("order: written\nlevers: [{batch: [chat]}, {cap_output: 50}]\n")
    answer = document(audited, "whatif", "--scenario", "s.yaml")[1]
    assert [step["lever"] for step in answer["steps"]] == ["batch", "cap_output"]


def test_the_flags_of_whatif_stand_in_the_order_of_application(tmp_path: Path) -> None:
    from claude_audit.commands._lever_flags import PANELS
    from claude_audit.levers import Stage, registry

    shown = run(tmp_path, "whatif", "--help").stdout
    assert max(map(len, shown.splitlines())) <= 80
    stages = list(dict.fromkeys(kind.stage for kind in registry()))
    heads = [line.rstrip(":") for line in shown.splitlines() if line.rstrip(":") in PANELS.values()]
    assert heads == [PANELS[stage.name] for stage in stages]
    assert set(PANELS) == {stage.name for stage in Stage}
    for kind in registry():
        for option in kind.options:
            assert option.flag in shown


def test_a_report_shows_the_what_if_that_was_asked_for(audited: Path) -> None:
    code, answer = document(audited, "report", "--cap-output", "50", "--batch", "chat", "--today", "2026-11-03")
    assert code == 0
    assert [step["lever"] for step in answer["whatif"]["steps"]] == ["cap_output", "batch"]
    assert all("shapley_usd" in step for step in answer["whatif"]["steps"])
    assert {one["lever"] for one in answer["opportunities"]["opportunities"]} >= {"cap_output", "batch", "cache_replay"}
    (audited / "s.yaml").write_text("levers: [{cap_output: 50}]\n")
    code, answer = document(audited, "report", "--cap-output", "50", "--scenario", "s.yaml")
    assert code == 2 and "both as a flag and in s.yaml" in answer["error"]["message"]


def test_the_package_hands_out_its_face_only_when_it_is_asked_for() -> None:
    code = (
        "import sys, claude_audit\nassert not {'duckdb', 'pandas', 'claude_audit.audit'} & set(sys.modules)\n"
        "from claude_audit import Audit\nassert Audit.__module__ == 'claude_audit.audit'\n"
        "assert not {'duckdb', 'pandas'} & set(sys.modules), 'a store is not open yet'\n"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


def test_the_version_is_said(tmp_path: Path) -> None:
    done = run(tmp_path, "--version")
    assert (done.returncode, done.stdout, done.stderr) == (0, f"claude-audit {claude_audit.__version__}\n", "")


@pytest.mark.parametrize(
    ("typed", "offered"),
    [("sp", "spend"), ("spend --ti", "--timezone"), ("whatif --route-si", "--route-simple"), ("prices sh", "show")],
)
def test_a_shell_completes_commands_and_options(tmp_path: Path, typed: str, offered: str) -> None:
    words = f"claude-audit {typed}"
    env = {"COMP_WORDS": words, "COMP_CWORD": str(words.count(" ")), "_CLAUDE_AUDIT_COMPLETE": "complete_bash"}
    script = "import sys; sys.argv[0] = 'claude-audit'; from claude_audit.commands import main; main()"
    done = subprocess.run(
        [sys.executable, "-c", script], cwd=tmp_path, capture_output=True, text=True, env=os.environ | env
    )
    assert offered in done.stdout.split(), done.stderr


def test_without_a_command_the_help_is_shown(tmp_path: Path) -> None:
    done, asked = run(tmp_path), run(tmp_path, "--help")
    assert (done.returncode, done.stdout, done.stderr) == (2, asked.stdout, "")


def test_config_alone_shows_the_settings(tmp_path: Path) -> None:
    done = run(tmp_path, "config")
    assert (done.returncode, done.stdout) == (0, run(tmp_path, "config", "show").stdout)


def test_a_flag_is_named_once(audited: Path) -> None:
    done = run(audited, "check", "--monthly", "abc")
    assert done.stderr.startswith("claude-audit: --monthly is 'abc', which is not an amount")
