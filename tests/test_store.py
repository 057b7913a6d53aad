"""The store: damaged, newer, read-only, killed in the middle, used by two at once."""

from __future__ import annotations

import json
import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from logs import audit, read, record, table, write

from claude_audit.errors import AuditError
from claude_audit.store import Store


def test_a_newer_store_is_refused(tmp_path: Path) -> None:
    read(tmp_path / "store", write(tmp_path / "a.jsonl", [record(1)]))
    manifest = tmp_path / "store" / "manifest.json"
    manifest.write_text(json.dumps({**json.loads(manifest.read_text()), "schema_version": 99}))
    with pytest.raises(AuditError, match="schema version 99"):
        Store(tmp_path / "store").manifest()


@pytest.mark.parametrize("damage", ["{", "[]", '{"schema_version": 1}'])
def test_a_damaged_manifest_is_named(tmp_path: Path, damage: str) -> None:
    (tmp_path / "manifest.json").write_text(damage)
    with pytest.raises(AuditError, match=r"manifest\.json"):
        Store(tmp_path).manifest()


def test_an_unreadable_part_is_named(tmp_path: Path) -> None:
    read(tmp_path / "store", write(tmp_path / "a.jsonl", [record(1)]))
    (part,) = (tmp_path / "store" / "parts").iterdir()
    part.write_bytes(b"no parquet")
    with pytest.raises(AuditError, match="cannot be read"):
        audit(tmp_path / "store").spend()


def test_a_missing_part_is_named(tmp_path: Path) -> None:
    read(tmp_path / "store", write(tmp_path / "a.jsonl", [record(1)]))
    (part,) = (tmp_path / "store" / "parts").iterdir()
    part.unlink()
    with pytest.raises(AuditError, match="missing"):
        audit(tmp_path / "store").spend()


def test_a_place_that_cannot_be_written_is_named_and_the_store_unharmed(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(AuditError, match="cannot be written"):
        read(tmp_path / "file" / "store", write(tmp_path / "a.jsonl", [record(1)]))


PROGRAM = [sys.executable, "-m", "claude_audit"]


def test_an_ingest_killed_at_any_moment_leaves_the_store_as_before_or_as_after(tmp_path: Path) -> None:
    first, second = tmp_path / "one.jsonl", tmp_path / "two.jsonl"
    write(first, [record(n) for n in range(300)])
    write(second, [record(n, output=200 + n) for n in range(150, 3000)])
    undisturbed = tmp_path / "undisturbed"
    read(undisturbed, first)
    before = table(undisturbed)
    began = time.monotonic()
    read(undisturbed, second)
    took = time.monotonic() - began
    after = table(undisturbed)

    chance = random.Random(5)
    store = tmp_path / "store"
    read(store, first)
    for _ in range(6):
        child = subprocess.Popen(
            [*PROGRAM, "--store", str(store), "ingest", str(second)],
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        time.sleep(chance.uniform(0.1, 0.4 + took))
        child.send_signal(signal.SIGKILL)
        child.wait()
        assert table(store) in (before, after)
    read(store, second)
    assert table(store) == after


def test_two_ingests_at_once_wait_for_each_other(tmp_path: Path) -> None:
    logs = [
        write(tmp_path / f"{name}.jsonl", [record(n) for n in span])
        for name, span in (("a", range(500)), ("b", range(250, 900)))
    ]
    store = tmp_path / "store"
    children = [
        subprocess.Popen([*PROGRAM, "--store", str(store), "ingest", str(log)], stdout=subprocess.DEVNULL)
        for log in logs
    ]
    assert [child.wait() for child in children] == [0, 0]
    alone = tmp_path / "alone"
    read(alone, *logs)
    assert table(store, without=["source", "line"]) == table(alone, without=["source", "line"])


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write anywhere")
def test_a_read_only_store_is_named(tmp_path: Path) -> None:
    store = tmp_path / "store"
    store.mkdir()
    store.chmod(0o500)
    with pytest.raises(AuditError, match="cannot be written"):
        read(store, write(tmp_path / "a.jsonl", [record(1)]))


def test_a_store_that_this_user_may_not_look_into_is_no_empty_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def barred(path: Path) -> object:
        raise PermissionError(13, "Permission denied", str(path))

    monkeypatch.setattr(Path, "is_file", barred)
    monkeypatch.setattr(Path, "read_bytes", barred)
    assert Store(tmp_path).exists
    with pytest.raises(AuditError, match="cannot be read: Permission denied"):
        Store(tmp_path).manifest()
