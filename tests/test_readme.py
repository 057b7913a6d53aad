"""The README is true: its console blocks print what it shows, its commands exist, its links lead somewhere."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from readme import BLOCK, HOME, commands, documents, shown

from claude_audit.commands import COMMANDS


@pytest.mark.parametrize("path", documents(), ids=lambda p: p.name)
def test_console_blocks_print_what_they_show(path: Path, tmp_path: Path) -> None:
    text = path.read_text(encoding="utf-8")
    assert shown(text, tmp_path) == text, "python tests/readme.py --write puts in what is printed now"


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
