"""Parquet of anybody's own making: columns of counts, texts of JSON, structs; and what is none of it."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from exports import fates
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from logs import audit, read
from plain_logs import in_store

from claude_audit.errors import AuditError

AT = datetime(2026, 11, 2, 10, tzinfo=UTC)
USAGE = {"input_tokens": 12, "cache_read_input_tokens": 800, "cache_creation_input_tokens": 40, "output_tokens": 30}
SPLIT = USAGE | {"cache_creation": {"ephemeral_5m_input_tokens": 10, "ephemeral_1h_input_tokens": 30}}
ANSWER = {"id": "msg_01", "model": "claude-opus-4-8", "stop_reason": "end_turn", "usage": SPLIT}
CALL = "line, model, endpoint, input_tokens, cache_read_tokens, output_tokens, CAST(ts AS VARCHAR)"
FACTS = ("claude-opus-4-8", "chat", 12, 800, 30, "2026-11-02 10:00:00+00")


def write(path: Path, rows: list[dict[str, Any]]) -> Path:
    pq.write_table(pa.Table.from_pylist(rows), path)
    return path


@pytest.mark.parametrize(
    "row",
    [
        {"timestamp": AT, "model": "claude-opus-4-8", "endpoint": "chat"} | USAGE,
        {"Created At": AT, "Model": "claude-opus-4-8", "Feature": "chat", "tokensIn": 12, "cacheRead": 800, "tokensOut": 30},
        {"ts": AT, "model": "claude-opus-4-8", "endpoint": "chat", "usage": SPLIT},
        {"ts": AT, "model": "claude-opus-4-8", "endpoint": "chat", "usage": json.dumps(SPLIT)},
        {"ts": AT, "endpoint": "chat", "response": ANSWER},
        {"ts": AT, "endpoint": "chat", "answer": json.dumps(ANSWER)},
        {"ts": AT.isoformat(), "payload": {"endpoint": "chat", "response": ANSWER}},
        {"ts": AT.timestamp(), "event": json.dumps({"endpoint": "chat", "message": ANSWER}).encode()},
    ],
)  # fmt: skip
def test_rows_of_any_shape(tmp_path: Path, row: dict[str, Any]) -> None:
    report = read(tmp_path / "store", write(tmp_path / "calls.parquet", [row, row]))
    assert dict(report.formats) == {"parquet": 1} and report.counted.lines == 2
    assert in_store(tmp_path, CALL)[0] == (1, *FACTS)


def test_what_a_row_lacks_is_null_and_what_is_none_rejects_it(tmp_path: Path) -> None:
    rows = [
        {"ts": AT, "model": "claude-opus-4-8", "input_tokens": 12.0, "output_tokens": 30},
        {"ts": AT, "model": "claude-opus-4-8", "input_tokens": 1.5, "output_tokens": 30},
        {"ts": AT, "model": "claude-opus-4-8", "input_tokens": None, "output_tokens": None},
        {"ts": AT, "model": None, "input_tokens": 7.0, "output_tokens": 30},
    ]
    report = read(tmp_path / "store", write(tmp_path / "calls.parquet", rows))
    assert fates(report) == (2, 0, 1, 1)
    assert [(r.line, r.reason) for r in report.rejects] == [(2, "input_tokens is 1.5")]
    assert in_store(tmp_path, "line, model, input_tokens") == [(1, "claude-opus-4-8", 12), (4, None, 7)]


def test_what_was_said_is_not_kept(tmp_path: Path) -> None:
    row = {"ts": AT, "prompt": "secret", "messages": [{"role": "user", "content": "secret"}], "response": ANSWER}
    read(tmp_path / "store", write(tmp_path / "calls.parquet", [row]))
    assert b"secret" not in b"".join(p.read_bytes() for p in (tmp_path / "store").rglob("*") if p.is_file())


def test_explain_leads_to_the_row(tmp_path: Path) -> None:
    read(tmp_path / "store", write(tmp_path / "calls.parquet", [{"ts": AT, "response": ANSWER}]))
    assert in_store(tmp_path, "source, line, message_id") == [(str(tmp_path / "calls.parquet"), 1, "msg_01")]


def test_a_file_that_is_none(tmp_path: Path) -> None:
    (tmp_path / "calls.jsonl").write_text(json.dumps(ANSWER) + "\n")
    with pytest.raises(AuditError, match="not all of the files are Parquet"):
        read(tmp_path / "store", tmp_path / "calls.jsonl", input_format="parquet")


cell = st.one_of(
    st.none(), st.booleans(), st.integers(-(2**63), 2**63 - 1), st.floats(), st.binary(max_size=20),
    st.text(st.characters(exclude_categories=["Cs"]), max_size=20), st.just(json.dumps(ANSWER)), st.just('{"usage": '),
)  # fmt: skip


@settings(max_examples=30, deadline=None, suppress_health_check=list(HealthCheck))
@given(
    st.lists(
        st.dictionaries(st.sampled_from(["ts", "model", "input_tokens", "usage", "response", "x'\"; --"]), cell),
        min_size=1,
        max_size=4,
    )
)
def test_nothing_in_a_file_breaks_reading(tmp_path_factory: pytest.TempPathFactory, rows: list[dict[str, Any]]) -> None:
    folder = tmp_path_factory.mktemp("rows")
    try:
        write(folder / "calls.parquet", [{"ts": AT, "output_tokens": 3, "model": "claude-opus-4-8"}, *rows])
    except (pa.ArrowException, OverflowError):
        return  # of two types in one column
    report = read(folder / "store", folder / "calls.parquet")
    fates(report)
    assert report.counted.lines == len(rows) + 1
    assert audit(folder / "store").spend().total_usd >= 0
