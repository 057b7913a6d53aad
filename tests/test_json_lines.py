"""Lines of JSON read by the engine: every line keeps its number and its fate, whatever stands around it."""

from __future__ import annotations

import json
import tempfile
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from logs import read, record, said, table, write

from claude_audit import json_lines, pieces
from claude_audit.accounting import IngestReport
from claude_audit.usage import NAMES

quick = settings(
    max_examples=25, deadline=None, suppress_health_check=[HealthCheck.too_slow, HealthCheck.function_scoped_fixture]
)


def call(n: int) -> bytes:
    return json.dumps(said(f"msg_{n}", f"req_{n}")).encode()


KINDS = {
    "call": (call, "kept"),
    "spaces": (lambda n: b" \t" + call(n) + b"  ", "kept"),
    "carriage return": (lambda n: call(n) + b"\r", "kept"),
    "half an emoji": (lambda n: call(n).replace(b'"s1"', b'"s\\ud83d1"'), "kept"),
    "no UTF-8": (lambda n: call(n).replace(b'"s1"', b'"caf\xe9"'), "kept"),
    "prompt": (lambda n: json.dumps({"type": "user", "sessionId": "s1", "uuid": str(n)}).encode(), "ignored"),
    "number": (lambda n: b"%d" % n, "ignored"),
    "cut": (lambda n: call(n)[:-20], "rejected"),
    "two": (lambda n: call(n) + b" " + call(n), "rejected"),
    "words": (lambda n: b"no JSON", "rejected"),
    "control": (lambda n: b"\x01", "rejected"),
    "blank": (lambda n: b"", None),
    "only spaces": (lambda n: b"  \t\r", None),
}


def told(report: IngestReport) -> tuple[int, int, int]:
    counted = report.counted
    return counted.kept + counted.duplicates, sum(counted.ignored.values()), counted.rejected


@quick
@given(st.lists(st.sampled_from(sorted(KINDS)), max_size=12), st.booleans(), st.booleans())
def test_every_line_keeps_its_number_and_its_fate(kinds: list[str], mark: bool, ended: bool) -> None:
    kinds = ["call", *kinds]
    lines = [KINDS[kind][0](n) for n, kind in enumerate(kinds, 1)]
    fates = [KINDS[kind][1] for kind in kinds]
    with tempfile.TemporaryDirectory() as folder:
        log = Path(folder) / "session.jsonl"
        log.write_bytes((b"\xef\xbb\xbf" if mark else b"") + b"\n".join(lines) + (b"\n" if ended else b""))
        report = read(Path(folder) / "store", log)
        assert told(report) == (fates.count("kept"), fates.count("ignored"), fates.count("rejected"))
        kept = lines_kept(Path(folder) / "store")
        assert kept == [n for n, fate in enumerate(fates, 1) if fate == "kept"]
        assert [r.line for r in report.rejects] == [n for n, fate in enumerate(fates, 1) if fate == "rejected"]


def lines_kept(store: Path) -> list[int]:
    """The lines that the store's rows stand in, ascending."""
    place = NAMES.index("line")
    return sorted(int(row[place]) for row in table(store))


def no_text(*_: object) -> None:
    raise AssertionError("read as text")


def test_a_clean_log_is_never_split_as_text(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pieces, "lines_relation", no_text)
    monkeypatch.setattr(json_lines, "of_texts", no_text)
    assert read(tmp_path / "store", write(tmp_path / "a.jsonl", [record(n) for n in range(50)])).rows_added == 50
    transcript = write(tmp_path / "b.jsonl", [said(f"msg_{n}", f"call_{n}") for n in range(50)])
    assert read(tmp_path / "store", transcript).rows_added == 50


def test_broken_lines_are_picked_out_and_their_file_is_not(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pieces, "lines_relation", no_text)
    log = write(tmp_path / "a.jsonl", [said("msg_1", "req_1"), "broken", said("msg_2", "req_2")])
    assert [(r.line, r.reason) for r in read(tmp_path / "store", log).rejects] == [(2, "not valid JSON")]
    assert lines_kept(tmp_path / "store") == [1, 3]


def test_a_file_of_many_broken_lines_is_read_as_text(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(json_lines, "MOST_ODD", 3)
    log = write(tmp_path / "a.jsonl", [said("msg_1", "req_1"), *["broken"] * 4, said("msg_2", "req_2")])
    assert [r.line for r in read(tmp_path / "store", log).rejects] == [2, 3, 4, 5]
    assert lines_kept(tmp_path / "store") == [1, 6]


def test_a_line_longer_than_the_engine_reads_is_read_as_text(tmp_path: Path) -> None:
    long = said("msg_1", "req_1")
    long["message"]["content"] = "x" * (17 * 2**20)
    log = write(tmp_path / "a.jsonl", [said("msg_0", "req_0"), long, "broken", said("msg_2", "req_2")])
    report = read(tmp_path / "store", log)
    assert (report.rows_added, [r.line for r in report.rejects]) == (3, [3])
    assert lines_kept(tmp_path / "store") == [1, 2, 4]
