"""The README is true: its console blocks print what it shows, its commands exist, its links lead somewhere."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
from readme import BLOCK, HOME, commands, documents, shown

from claude_audit.commands import COMMANDS
from claude_audit.commands.demo import read_samples
from claude_audit.levers import registry


@pytest.mark.parametrize("path", documents(), ids=lambda p: p.name)
def test_console_blocks_print_what_they_show(path: Path, tmp_path: Path) -> None:
    text = path.read_text(encoding="utf-8")
    assert shown(text, tmp_path) == text, "python tests/readme.py --write puts in what is printed now"


def test_the_notebook_of_the_readme_runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """As it stands there, on the sample logs; its last two lines are frames with a row a step, and a row a lever."""
    monkeypatch.chdir(tmp_path)
    read_samples(tmp_path / ".claude-audit")
    text = (HOME / "README.md").read_text(encoding="utf-8")
    found = [block for block in re.findall(r"```python\n(.*?)```", text, re.DOTALL) if "Audit.open" in block]
    assert len(found) == 1
    names: dict[str, Any] = {}
    exec(found[0], names)  # noqa: S102 - our own README
    answer, frame = names["answer"], names["answer"].to_frame()
    assert list(frame["lever"]) == ["route_simple", "batch"]
    assert sum(frame["shapley_usd"]) == sum(frame["saving_usd"]) == answer.saving_usd > 0
    for column in ("low_usd", "high_usd", "grade", "endpoints", "assumptions", "caveats"):
        assert column in frame.columns, column
    assert set(names["audit"].opportunities().to_frame()["lever"]) == {kind.name for kind in registry()}


def test_there_are_two_set_up_commands_of_one_line_each() -> None:
    text = (HOME / "README.md").read_text(encoding="utf-8")
    lines = [c for block in BLOCK.finditer(text) for c, _ in commands(block[2]) if c.startswith("python3 -m venv")]
    assert [("demo" in line, "pytest" in line) for line in lines] == [(True, False), (False, True)]


def test_every_command_is_in_the_readme() -> None:
    text = (HOME / "README.md").read_text(encoding="utf-8")
    assert [name for name in COMMANDS if f"claude-audit {name}" not in text] == []


@pytest.mark.parametrize(
    "name", ["README.md", "CONTRIBUTING.md", "CHANGELOG.md", "pricing/README.md", "sample_logs/README.md"]
)
def test_links_to_files_lead_somewhere(name: str) -> None:
    document = HOME / name
    targets = re.findall(r"\]\((?!https?:|#)([^)#\s]+)", document.read_text(encoding="utf-8"))
    assert [target for target in targets if not (document.parent / target).exists()] == []
