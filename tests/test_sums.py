"""The sums beside a part: the same tally as a scan of its rows, or none."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from logs import audit, read, record, write
from test_laws import quick, records

from claude_audit import sums
from claude_audit.audit import Audit
from claude_audit.errors import AuditError

ASKED = ((), ("endpoint", "model"), ("day", "provider", "tier"), ("week",), ("month", "model"))


def without_sums(store: Path) -> Audit:
    for path in (store / "sums").iterdir():
        path.unlink()
    return audit(store)


@quick
@given(records())
def test_the_sums_say_what_a_scan_says(made: list[dict[str, Any]]) -> None:
    with tempfile.TemporaryDirectory() as folder:
        store = Path(folder) / "store"
        read(store, write(Path(folder) / "a.jsonl", made[: len(made) // 2 + 1]))
        read(store, write(Path(folder) / "b.jsonl", made[len(made) // 2 :]))
        summed = [audit(store).lines(by) for by in ASKED]
        scanned = without_sums(store)
        assert summed == [scanned.lines(by) for by in ASKED]


def test_passes_and_free_calls_are_summed_alike(tmp_path: Path) -> None:
    entry = {"cache_read_input_tokens": 0, "cache_creation_input_tokens": 0}
    passes = [
        {"type": "message", "input_tokens": 10, "output_tokens": 100, **entry},
        {"type": "advisor_message", "model": "claude-opus-4-8", "input_tokens": 25, "output_tokens": 2, **entry},
    ]
    made = [
        record(1, input=10, usage={"iterations": passes}),
        record(2, output=0, stop_reason="refusal", output_blocks=0),
        record(3, input=250_000, model="claude-sonnet-4-5-20250929"),
    ]
    read(tmp_path / "store", write(tmp_path / "a.jsonl", made))
    summed = [audit(tmp_path / "store").lines(by) for by in ASKED]
    scanned = without_sums(tmp_path / "store")
    assert summed == [scanned.lines(by) for by in ASKED]


def test_a_plain_question_needs_no_scan_and_others_do(tmp_path: Path) -> None:
    read(tmp_path / "store", write(tmp_path / "a.jsonl", [record(1), record(2, team="x")]))
    asked = audit(tmp_path / "store")
    assert "engine" not in vars(asked)
    asked.spend(["endpoint"])
    assert "engine" not in vars(asked)
    assert [row.labels for row in asked.spend(["team"]).rows] == [("x",), (None,)]
    assert "engine" in vars(asked)


def test_a_part_of_too_many_kinds_has_no_sums(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sums, "MOST_GROUPS", 2)
    read(tmp_path / "store", write(tmp_path / "a.jsonl", [record(n, endpoint=f"e{n}") for n in range(3)]))
    assert list((tmp_path / "store" / "sums").iterdir()) == []
    assert audit(tmp_path / "store").spend().requests == 3


def test_sums_go_with_their_part(tmp_path: Path) -> None:
    store = tmp_path / "store"
    read(store, write(tmp_path / "a.jsonl", [record(1, output=5)]))
    read(
        store, write(tmp_path / "b.jsonl", [record(1, output=50), record(2)])
    )  # completes the first: its part is stale
    read(store, write(tmp_path / "c.jsonl", [record(3)]))
    parts = {path.name for path in (store / "parts").iterdir()}
    assert {path.stem for path in (store / "sums").iterdir()} <= parts
    assert audit(store).spend().tokens["output"] == 50 + 100 + 100


def test_sums_of_another_file_than_the_part_are_not_believed(tmp_path: Path) -> None:
    read(tmp_path / "store", write(tmp_path / "a.jsonl", [record(1)]))
    (part,) = (tmp_path / "store" / "parts").iterdir()
    part.write_bytes(part.read_bytes()[:-1])
    with pytest.raises(AuditError, match="cannot be read"):
        audit(tmp_path / "store").spend()
