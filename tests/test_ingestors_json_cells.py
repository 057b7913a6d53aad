"""Tables with JSON in their cells: whatever the columns are called, and what stands in the rows that hold no call."""

from __future__ import annotations

import csv
import io
import json
from pathlib import Path
from typing import Any

import pytest
from exports import fates
from logs import audit, read
from plain_logs import in_store, ingested

USAGE = {"input_tokens": 12, "cache_read_input_tokens": 800, "cache_creation_input_tokens": 40, "output_tokens": 30}
ANSWER = {
    "id": "msg_01", "type": "message", "role": "assistant", "model": "claude-opus-4-8", "stop_reason": "end_turn",
    "content": [{"type": "text", "text": 'Two\nlines, and "quotes".'}], "usage": USAGE,
}  # fmt: skip
CALL = "line, model, endpoint, input_tokens, cache_read_tokens, cache_write_unknown_tokens, output_tokens, CAST(ts AS VARCHAR)"
TIME = "2026-11-02 10:00:00"
FACTS = ("claude-opus-4-8", "chat", 12, 800, 40, 30, "2026-11-02 10:00:00+00")


def export(*rows: list[Any], delimiter: str = ",") -> str:
    out = io.StringIO()
    csv.writer(out, delimiter=delimiter, lineterminator="\n").writerows(
        [json.dumps(cell) if isinstance(cell, dict) else cell for cell in row] for row in rows
    )
    return out.getvalue()


@pytest.mark.parametrize("delimiter", [",", ";", "\t"])
@pytest.mark.parametrize(
    ("header", "cells"),
    [
        (["created_at", "endpoint", "model", "usage"], [TIME, "chat", "claude-opus-4-8", USAGE]),
        (["CREATED_AT", "FEATURE", "RESPONSE"], [f"{TIME}.000 Z", "chat", ANSWER]),
        (["timestamp", "route", "response_body"], [TIME, "chat", ANSWER]),
        (
            ["timestamp [UTC]", "customDimensions"],
            ["11/2/2026", {"timestamp": f"{TIME}Z", "endpoint": "chat"} | ANSWER],
        ),
        (["@timestamp", "@message"], ["", {"level": "info", "ts": f"{TIME}Z", "endpoint": "chat", "response": ANSWER}]),
        (["Date", "Service", "Message"], [f"{TIME}Z", "web", {"endpoint": "chat", "response": ANSWER}]),
        (["time", "payload"], [TIME, {"data": {"endpoint": "chat", "message": ANSWER}}]),
    ],
)
def test_columns_of_any_name(tmp_path: Path, delimiter: str, header: list[str], cells: list[Any]) -> None:
    report = ingested(tmp_path, export(header, cells, delimiter=delimiter), name="export.csv")
    assert dict(report.formats) == {"json_cells": 1} and fates(report) == (1, 0, 0, 0)
    assert in_store(tmp_path, CALL) == [(2, *FACTS)]


def test_a_request_beside_its_answer_is_a_pair(tmp_path: Path) -> None:
    asked = {"model": "claude-opus-4-8", "max_tokens": 500, "system": "You are brief. " * 40, "messages": []}
    ingested(
        tmp_path, export(["ts", "request_body", "request", "answer"], [TIME, "…", asked, ANSWER]), name="pairs.csv"
    )
    assert in_store(tmp_path, "max_tokens, len(prompt_blocks), message_id") == [(500, 1, "msg_01")]


def test_every_row_has_a_fate(tmp_path: Path) -> None:
    rows = [
        [TIME, "chat", ANSWER],
        [TIME, "chat", {"error": {"type": "overloaded_error"}, "max_tokens": 5}],
        [TIME, "chat", "not JSON at all"],
        [TIME, "chat", ""],
        [TIME, "chat"],
        [TIME, "chat", ANSWER | {"usage": USAGE | {"output_tokens": -3}}],
        [TIME, "chat", ANSWER | {"id": "msg_02"}],
    ]
    report = ingested(tmp_path, export(["ts", "endpoint", "response"], *rows), name="export.csv")
    assert fates(report) == (2, 0, 3, 2)
    assert [(r.line, r.reason) for r in report.rejects] == [
        (6, "2 columns where the header has 3"),
        (7, "output_tokens is -3"),
    ]
    assert audit(tmp_path / "store").spend().requests == 2


def test_tables_of_other_headers_are_read_together(tmp_path: Path) -> None:
    logs = tmp_path / "logs"
    logs.mkdir()
    for name, header in (("a.csv", ["ts", "feature", "response"]), ("b.csv", ["response", "ts", "endpoint"])):
        cells = {"ts": TIME, "feature": "chat", "endpoint": "chat", "response": ANSWER | {"id": f"msg_{name}"}}
        (logs / name).write_text(export(header, [cells[column] for column in header]))
    assert fates(read(tmp_path / "store", logs)) == (2, 0, 0, 0)
    assert in_store(tmp_path, CALL) == [(2, *FACTS)] * 2


def test_what_was_said_is_not_kept(tmp_path: Path) -> None:
    ingested(tmp_path, export(["ts", "prompt", "note", "response"], [TIME, "secret", "n" * 300, ANSWER]), name="e.csv")
    kept = b"".join(path.read_bytes() for path in (tmp_path / "store").rglob("*") if path.is_file())
    assert b"secret" not in kept and b"nnnnnnnn" not in kept and b"quotes" not in kept


def test_calls_may_stand_far_down(tmp_path: Path) -> None:
    failed = [[TIME, "chat", {"error": {"type": "overloaded_error", "n": n}}] for n in range(300)]
    text = export(["ts", "endpoint", "answer"], *failed, [TIME, "chat", ANSWER])
    assert fates(ingested(tmp_path, text, name="export.csv", input_format="json_cells")) == (1, 0, 300, 0)
