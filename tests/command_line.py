"""Command lines run in this process, as a user would meet them; fixtures for tests that ask for them."""

from __future__ import annotations

import contextlib
from collections.abc import Callable
from pathlib import Path

import pytest
from logs import read, record, write

from claude_audit import commands


class Done:
    """What one command line printed, and its exit code."""

    def __init__(self, code: int, out: str, err: str) -> None:
        self.returncode, self.stdout, self.stderr = code, out, err


Command = Callable[..., Done]


@pytest.fixture
def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Command:
    """Runs a command line in the test's folder, on an 80-column terminal."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("COLUMNS", "80")

    def command(*args: str) -> Done:
        code = commands.run(list(args))
        return Done(code, *capsys.readouterr())

    return command


@pytest.fixture
def store(tmp_path: Path) -> Path:
    """A folder with a store of twenty days."""
    write(tmp_path / "app.jsonl", [record(n, timestamp=f"2026-11-{n:02}T10:00:00Z") for n in range(1, 21)])
    with contextlib.chdir(tmp_path):
        read(Path(".claude-audit"), "app.jsonl")
    return tmp_path
