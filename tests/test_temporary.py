"""Where nothing can be written, what was asked for is refused in words, and what is stored stays as it is."""

from __future__ import annotations

import gzip
import json
import os
import resource
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from conversations import chat
from logs import audit, read, write

from claude_audit import temporary
from claude_audit.commands import _machine
from claude_audit.engines.duckdb import DuckDB

if TYPE_CHECKING:
    from command_line import Command

pytest_plugins = ("command_line",)

PROGRAM = [sys.executable, "-m", "claude_audit"]
BYTES = 400
"""Of a file, where the system lets none become larger."""


def confined(folder: Path, *args: str) -> subprocess.CompletedProcess[str]:
    """A command whose files may not grow, as on a full disk."""
    return subprocess.run(
        [*PROGRAM, *args],
        cwd=folder,
        capture_output=True,
        text=True,
        check=False,
        env={**os.environ, "TMPDIR": str(folder)},
        preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (BYTES, BYTES)),
    )


@pytest.mark.parametrize("lever", [("--history", "3"), ("--cache-replay",), ("--trim-system", "100")])
def test_no_room_for_what_is_worked_out_on_the_way(tmp_path: Path, lever: tuple[str, ...]) -> None:
    read(tmp_path / ".claude-audit", write(tmp_path / "app.jsonl", chat(9)))
    done = confined(tmp_path, "whatif", *lever)
    assert done.returncode == 2 and not done.stdout
    assert "no room to write" in done.stderr and "TMPDIR" in done.stderr and "bug" not in done.stderr
    assert not list(tmp_path.glob("claude-audit-*"))
    assert audit(tmp_path / ".claude-audit").spend().requests == 9


def test_no_room_to_unpack_a_log_is_not_the_logs_fault(tmp_path: Path) -> None:
    lines = "".join(json.dumps(record) + "\n" for record in chat(9))
    (tmp_path / "app.jsonl.gz").write_bytes(gzip.compress(lines.encode()))
    done = confined(tmp_path, "ingest", "app.jsonl.gz")
    assert done.returncode == 2
    assert "scratch" in done.stderr and "cannot be written" in done.stderr and "free some space" in done.stderr


@pytest.mark.parametrize("args", [("whatif", "--history", "3"), ("ingest", "--dry-run", "app.jsonl"), ("demo",)])
def test_nowhere_to_put_temporary_files(
    tmp_path: Path, run: Command, monkeypatch: pytest.MonkeyPatch, args: tuple[str, ...]
) -> None:
    read(tmp_path / ".claude-audit", write(tmp_path / "app.jsonl", chat(9)))

    def nowhere(**_: str) -> str:
        raise FileNotFoundError(2, "No usable temporary directory found")

    monkeypatch.setattr(tempfile, "mkdtemp", nowhere)
    done = run(*args)
    assert done.returncode == 2
    assert "no folder for temporary files" in done.stderr and "TMPDIR" in done.stderr


def test_folders_are_gone_with_who_asked_for_them(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))

    class Owner:
        pass

    owner = Owner()
    kept = temporary.kept_by(owner)
    with temporary.folder() as passing:
        assert {kept, passing} == set(tmp_path.iterdir())
    assert set(tmp_path.iterdir()) == {kept}
    del owner
    assert not list(tmp_path.iterdir())


def test_an_engine_without_memory_says_so() -> None:
    import duckdb

    with duckdb.connect() as connection:
        connection.execute("SET memory_limit = '1MB'")
        connection.execute("SET temp_directory = ''")
        with pytest.raises(duckdb.OutOfMemoryException) as caught:
            connection.execute("SELECT count(DISTINCT range) FROM range(3000000)").fetchall()
    told = _machine.failure(caught.value)
    assert told is not None and told.message.startswith("not enough memory") and "--where" in told.hint
    assert _machine.failure(ValueError("another")) is None


def test_a_place_without_the_right_to_it_is_named() -> None:
    told = _machine.failure(PermissionError(13, "Permission denied", "/their/prices.yaml"))
    assert told is not None and told.message == "/their/prices.yaml: permission denied"


def test_what_memory_has_no_room_for_goes_to_the_temporary_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    engine = DuckDB()
    engine._connection.execute("SET memory_limit = '60MB'")
    many = "SELECT count(*) FROM (SELECT DISTINCT hash(range), hash(range + 1) FROM range(2000000))"
    assert engine._connection.execute(many).fetchall() == [(2_000_000,)]
    (spilt,) = tmp_path.iterdir()
    assert spilt.name.startswith("claude-audit-spill-")
    engine._connection.close()
    assert not list(tmp_path.iterdir())
