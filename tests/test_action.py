"""action.yml: its own steps, run as GitHub's runner runs them, but for the installation."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml
from logs import record, write

ACTION = Path(__file__).parent.parent / "action.yml"
NAMES = re.compile(r"\$\{\{\s*([\w.-]+)\s*\}\}")

pytestmark = pytest.mark.skipif(not ACTION.exists(), reason="only in a checkout")


def perform(work: Path, **given: str) -> tuple[list[subprocess.CompletedProcess[str]], dict[str, str]]:
    """Every step after the installation, up to one that fails; and the action's outputs."""
    action: dict[str, Any] = yaml.safe_load(ACTION.read_text())
    inputs = {f"inputs.{name}": given.get(name, spec.get("default", "")) for name, spec in action["inputs"].items()}
    missing = [name for name, spec in action["inputs"].items() if spec.get("required") and name not in given]
    assert not missing
    program = work / "temp" / "claude-audit" / "bin" / "claude-audit"
    program.parent.mkdir(parents=True, exist_ok=True)
    program.write_text(f"#!{sys.executable}\nimport sys\nfrom claude_audit.commands import main\nsys.exit(main())\n")
    program.chmod(0o755)
    done: list[subprocess.CompletedProcess[str]] = []
    for step in action["runs"]["steps"][1:]:
        assert "${{" not in step["run"], "an input in a script is run as code"
        if step.get("if") == "${{ inputs.report != '' }}":
            if not inputs["inputs.report"]:
                continue
        else:
            assert "if" not in step
        env = {name: NAMES.sub(lambda found: inputs[found[1]], value) for name, value in step["env"].items()}
        own = {"RUNNER_TEMP": str(work / "temp"), "GITHUB_OUTPUT": str(work / "output"), "GITHUB_ACTIONS": "true"}
        own |= {"GITHUB_STEP_SUMMARY": str(work / "summary.md"), "COLUMNS": "80"}
        script = ["bash", "--noprofile", "--norc", "-eo", "pipefail", "-c", step["run"]]
        done.append(subprocess.run(script, cwd=work, env=os.environ | own | env, capture_output=True, text=True))
        if done[-1].returncode:
            break
    told = (work / "output").read_text() if (work / "output").exists() else ""
    wrote = dict(line.split("=", 1) for line in told.splitlines())
    outputs = {
        name: NAMES.sub(lambda found: wrote.get(found[1].removeprefix("steps.check.outputs."), ""), spec["value"])
        for name, spec in action["outputs"].items()
    }
    return done, outputs


@pytest.fixture
def work(tmp_path: Path) -> Path:
    write(tmp_path / "logs" / "my app.jsonl", [record(n, timestamp=f"2026-11-{n:02}T10:00:00Z") for n in range(1, 21)])
    return tmp_path


def test_within_budget(work: Path) -> None:
    done, outputs = perform(work, logs="logs\n\n", monthly="500", report="out/audit.html", junit="out/budgets.xml")
    assert [step.returncode for step in done] == [0, 0, 0], done[-1].stderr
    assert outputs["verdict"] == "ok"
    assert outputs["exit_code"] == "0"
    assert float(outputs["projected_usd"]) > float(outputs["actual_usd"]) > 0
    assert (work / "out" / "audit.html").exists()
    assert "<testsuite" in (work / "out" / "budgets.xml").read_text()
    assert (work / "summary.md").read_text()


def test_over_budget_fails_the_job_and_says_why(work: Path) -> None:
    done, outputs = perform(work, logs="logs/*.jsonl", monthly="0.01")
    assert done[-1].returncode == 1
    assert "::error title=budget.monthly" in done[-1].stdout + done[-1].stderr
    assert (outputs["verdict"], outputs["breached"]) == ("over", "monthly")


def test_budgets_of_a_configuration_file(work: Path) -> None:
    (work / "ci.yaml").write_text("budgets:\n  - {name: all, limit: 0.01}\n")
    done, outputs = perform(work, logs="logs/my app.jsonl", config="ci.yaml")
    assert (done[-1].returncode, outputs["breached"]) == (1, "all")


@pytest.mark.parametrize(("given", "code"), [({}, 0), ({"fail-on": "projected"}, 1)])
def test_what_the_configuration_says_holds_unless_an_input_is_given(
    work: Path, given: dict[str, str], code: int
) -> None:
    # $0.06 so far, some $0.09 to come.
    (work / "ci.yaml").write_text("fail_on: actual\nbudgets:\n  - {name: all, limit: 0.07}\n")
    done, _ = perform(work, logs="logs/my app.jsonl", config="ci.yaml", **given)
    assert done[-1].returncode == code, done[-1].stderr


def test_undecided_passes_where_the_configuration_says_so(work: Path) -> None:
    (work / "ci.yaml").write_text("on_undecided: pass\nbudgets:\n  - {name: all, limit: 1, only: {endpoint: nope}}\n")
    done, outputs = perform(work, logs="logs/my app.jsonl", config="ci.yaml")
    assert (done[-1].returncode, outputs["verdict"]) == (0, "undecided")


def test_an_input_is_never_run(work: Path) -> None:
    done, _ = perform(work, logs='logs/$(touch ran)"; touch ran; "', monthly="$(touch ran)")
    assert done[-1].returncode == 2
    assert not (work / "ran").exists()
