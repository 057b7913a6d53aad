"""Claude Code transcripts: what the record of a request adds to its responses (identity and replays: tests/test_ingest.py)."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from exports import fates, rows
from logs import read, said, write

COLUMNS = "max_tokens, effort, thinking, prefix_hash, request_hash, cache_breakpoints"


def asked(ref: str = "ask-1", **more: Any) -> dict[str, Any]:
    """The record of a request, as a transcript has it before the response."""
    params = {"max_tokens": 32000, "thinking": {"type": "adaptive"}, "output_config": {"effort": "high"}}
    marks = [{"path": ["system", 0]}, {"path": ["messages", 3]}]
    return {
        "type": "api-request", "sessionId": "s1", "timestamp": "2026-11-02T10:00:00Z", "id": ref, "shapeHash": "5a5a", "requestDigest": "6b6b",
        "params": params, "cacheControl": marks,
    } | more  # fmt: skip


def test_a_request_tells_its_cap_its_hashes_and_its_marks(tmp_path: Path) -> None:
    lines = [
        asked(), said("msg_1", "req_1", requestRef="ask-1"), said("msg_1", "req_1", output=150, requestRef="ask-1"),
        said("msg_2", "req_2", ts="2026-11-02T10:01:00Z", requestRef="ask-9"), said("msg_3", "req_3", ts="2026-11-02T10:02:00Z", effort="low"),
    ]  # fmt: skip
    report = read(tmp_path / "store", write(tmp_path / "s1.jsonl", lines))
    assert fates(report) == (3, 1, 1, 0) and dict(report.counted.ignored) == {"api-request": 1}
    assert rows(tmp_path / "store", f"output_tokens, {COLUMNS}") == [
        (150, 32000, "high", True, "5a5a", "6b6b", 2),
        (100, None, None, None, None, None, None),
        (100, None, "low", None, None, None, None),
    ]


def test_requests_of_other_sessions_tell_nothing(tmp_path: Path) -> None:
    write(tmp_path / "logs/a.jsonl", [asked()])
    write(tmp_path / "logs/b.jsonl", [said("msg_1", "req_1", requestRef="ask-1")])
    read(tmp_path / "store", tmp_path / "logs")
    assert rows(tmp_path / "store", "max_tokens") == [(None,)]


@pytest.mark.parametrize(
    "noise",
    [{"params": None}, {"params": "x"}, {"params": {"max_tokens": "many", "thinking": 3}}, {"cacheControl": {"a": 1}}, {"id": None}],
)  # fmt: skip
def test_what_a_request_may_hold_costs_no_call(tmp_path: Path, noise: dict[str, Any]) -> None:
    lines = [asked(**noise), asked(**noise), said("msg_1", "req_1", requestRef="ask-1")]
    assert fates(read(tmp_path / "store", write(tmp_path / "s1.jsonl", lines))) == (1, 0, 2, 0)


@pytest.mark.parametrize("between", ["\n\n", "\n{broken\n"], ids=["blank lines", "a broken line"])
def test_a_request_is_known_among_lines_that_are_read_as_text(tmp_path: Path, between: str) -> None:
    ask = json.dumps(asked(note="cut \ud83d"))  # half an emoji, as JavaScript cuts it
    lines = [ask, json.dumps(said("msg_1", "req_1", requestRef="ask-1")), json.dumps(said("msg_2", "req_2"))]
    file = tmp_path / "s1.jsonl"
    file.write_text(between.join(lines) + "\n", encoding="utf-8")
    read(tmp_path / "store", file)
    assert rows(tmp_path / "store", COLUMNS) == [(32000, "high", True, "5a5a", "6b6b", 2), (None,) * 6]


def test_a_long_session_whose_file_begins_with_what_names_no_session(tmp_path: Path) -> None:
    before = [{"type": "summary", "summary": "…", "leafUuid": f"leaf-{n}"} for n in range(150)]
    before += [{"type": "file-history-snapshot", "messageId": f"m-{n}", "snapshot": {}} for n in range(50)]
    report = read(tmp_path / "store", write(tmp_path / "s1.jsonl", [*before, said(), said(model="<synthetic>")]))
    assert dict(report.formats) == {"claude_code": 1} and fates(report) == (1, 0, 201, 0)
    assert rows(tmp_path / "store", "session, project, output_tokens") == [("s1", "/home/ana/shop", 100)]


@pytest.mark.parametrize("message", ["msg_1", None])
def test_a_forked_session_repeats_lines_without_a_request_id(tmp_path: Path, message: str | None) -> None:
    line = said(request=None) | {"uuid": "u-1"}
    line["message"]["id"] = message
    fork = {"sessionId": "s2", "uuid": "u-9", "forkedFrom": {"sessionId": "s1", "messageUuid": "u-1"}}
    own = said("msg_2", None, session="s2", ts="2026-11-02T10:05:00Z")
    write(tmp_path / "logs" / "a.jsonl", [line | fork, own])
    report = read(tmp_path / "store", write(tmp_path / "logs" / "b.jsonl", [line]).parent)
    assert fates(report) == (2, 1, 0, 0)
    # Lines without any id are calls, equal ones too.
    bare = [{k: v for k, v in line.items() if k != "uuid"} for _ in range(2)]
    if message is None:
        assert fates(read(tmp_path / "bare", write(tmp_path / "bare.jsonl", bare))) == (2, 0, 0, 0)
