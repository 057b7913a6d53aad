"""Logs that are read again because they were understood wrongly: their rows are replaced, nobody else's are touched."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from format_samples import SAMPLES
from logs import audit, read, record, table, write

from claude_audit.calls import Assumptions
from claude_audit.errors import AuditError
from claude_audit.mapping_file import load
from claude_audit.store import Store


def mapped(folder: Path, input_tokens: str, output_tokens: str) -> Assumptions:
    (folder / "map.yaml").write_text(
        f"ts: at\nmodel: which\ninput_tokens: {input_tokens}\noutput_tokens: {output_tokens}\n", encoding="utf-8"
    )
    return Assumptions(mapping=load(folder / "map.yaml"))


def test_a_corrected_map(tmp_path: Path) -> None:
    calls = [{"at": f"2026-11-02T10:00:0{n}Z", "which": "claude-sonnet-4-6", "a": 1000, "b": n} for n in range(3)]
    log = write(tmp_path / "own.jsonl", calls)
    other = write(tmp_path / "app.jsonl", [record(1), record(2)])
    store = tmp_path / "store"
    read(store, log, assume=mapped(tmp_path, "b", "a"))
    read(store, other)
    wrong = table(store)

    right = mapped(tmp_path, "a", "b")
    skipped = read(store, log, assume=right)
    assert skipped.unchanged == 1 and table(store) == wrong
    assert skipped.warnings == (f"{log}: read before without this --map; --again reads what was read before anew",)

    report = read(store, log, assume=right, again=True)
    assert (report.files, report.unchanged, report.rows_added, report.rows_total) == (1, 0, 3, 5)
    read(tmp_path / "fresh", log, assume=right)
    read(tmp_path / "fresh", other)
    assert table(store) == table(tmp_path / "fresh") != wrong
    assert not read(store, log, assume=right).warnings


def test_a_model_that_is_assumed_later(tmp_path: Path) -> None:
    named, nameless = record(1), record(2)
    del nameless["model"]
    log = write(tmp_path / "app.jsonl", [named, nameless])
    read(tmp_path / "store", log)
    assert audit(tmp_path / "store").spend().unpriced.requests == 1
    haiku = Assumptions(model="claude-haiku-4-5")
    assert "without this --assume-model" in read(tmp_path / "store", log, assume=haiku).warnings[0]
    assert read(tmp_path / "store", log, assume=haiku, again=True).rows_added == 2
    assert audit(tmp_path / "store").spend().unpriced.requests == 0


def test_a_file_that_grew_is_still_one_that_was_read_otherwise(tmp_path: Path) -> None:
    nameless = record(1)
    del nameless["model"]
    log = write(tmp_path / "app.jsonl", [nameless, record(2)])
    haiku = Assumptions(model="claude-haiku-4-5")
    read(tmp_path / "store", log)
    write(log, [nameless, record(2), record(3)])
    for _ in range(2):  # its beginning was read without the model, both times
        assert "without this --assume-model" in read(tmp_path / "store", log, assume=haiku).warnings[0]
    read(tmp_path / "store", log, assume=haiku, again=True)
    assert not any("--again" in warning for warning in read(tmp_path / "store", log, assume=haiku).warnings)


def test_a_call_that_another_file_has_too_stays_one_call(tmp_path: Path) -> None:
    one = write(tmp_path / "one.jsonl", [record(1), record(2)])
    two = write(tmp_path / "two.jsonl", [record(2), record(3)])
    read(tmp_path / "store", one, two)
    before = table(tmp_path / "store", without=["source", "line"])
    for log in (one, two, two, one):
        read(tmp_path / "store", log, again=True)
        assert table(tmp_path / "store", without=["source", "line"]) == before


def test_copies_without_ids_are_still_counted_once(tmp_path: Path) -> None:
    bare = {
        "timestamp": "2026-11-02T10:00:00Z",
        "model": "claude-sonnet-4-6",
        "usage": {"input_tokens": 7, "output_tokens": 5},
    }
    one, two = (write(tmp_path / name, [bare, bare]) for name in ("one.jsonl", "two.jsonl"))
    assert read(tmp_path / "store", one, two).rows_total == 2
    assert read(tmp_path / "store", one, two, again=True).rows_total == 2
    assert read(tmp_path / "store", two, again=True).rows_total == 2


def test_rejects_are_those_of_the_last_reading(tmp_path: Path) -> None:
    log = write(tmp_path / "app.jsonl", [record(1), "no json"])
    other = write(tmp_path / "other.jsonl", [record(2), "no json either"])
    for _ in range(3):
        read(tmp_path / "store", log, other, again=True)
    manifest = Store(tmp_path / "store").manifest()
    assert [(r.source, r.line) for r in manifest.rejects] == [(str(log), 2), (str(other), 2)]
    assert [manifest.files[str(path)].lines for path in (log, other)] == [2, 2]


def test_a_file_that_is_of_no_format_any_more_keeps_its_rows(tmp_path: Path) -> None:
    log, other = write(tmp_path / "app.jsonl", [record(1)]), write(tmp_path / "other.jsonl", [record(2)])
    read(tmp_path / "store", log, other)
    before = table(tmp_path / "store")
    log.write_text("nothing to see here\n" * 40, encoding="utf-8")
    report = read(tmp_path / "store", log, other, again=True)
    assert "not a log" in report.warnings[0] and table(tmp_path / "store") == before


def test_two_files_under_one_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for folder in ("a", "b"):
        write(tmp_path / folder / "app.jsonl", [record(1 if folder == "a" else 2)])
        monkeypatch.chdir(tmp_path / folder)
        read(tmp_path / "store", "app.jsonl")
    with pytest.raises(AuditError, match="two files under this name") as caught:
        read(tmp_path / "store", "app.jsonl", again=True)
    assert str(tmp_path / "a" / "app.jsonl") in str(caught.value)
    assert len(table(tmp_path / "store")) == 2


@pytest.mark.parametrize("name", [name for name, sample in SAMPLES.items() if not sample.flags])
def test_reading_again_changes_nothing(tmp_path: Path, name: str) -> None:
    SAMPLES[name].write(tmp_path / "logs")
    write(tmp_path / "logs" / "beside.jsonl", [record(50)])
    read(tmp_path / "store", tmp_path / "logs")
    before, manifest = table(tmp_path / "store"), Store(tmp_path / "store").manifest()
    read(tmp_path / "store", tmp_path / "logs", again=True)
    assert table(tmp_path / "store") == before
    assert json.dumps(sorted(Store(tmp_path / "store").manifest().files)) == json.dumps(sorted(manifest.files))
