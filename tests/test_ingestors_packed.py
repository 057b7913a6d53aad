"""Calls that stand in a list on one line, in a string, or under names of another case: the same calls as plain records."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import duckdb
import pytest
from logs import read, write

from claude_audit.accounting import IngestReport
from claude_audit.store import Store

MODEL = "claude-sonnet-4-6"
AT = "2026-11-02T10:00:00Z"
USAGE = {
    "input_tokens": 10,
    "output_tokens": 100,
    "cache_read_input_tokens": 60,
    "cache_creation_input_tokens": 30,
    "cache_creation": {"ephemeral_5m_input_tokens": 20, "ephemeral_1h_input_tokens": 10},
}
COUNTS = "input_tokens, cache_read_tokens, cache_write_5m_tokens, cache_write_1h_tokens, output_tokens"
PLAIN = (10, 60, 20, 10, 100)


def calls(folder: Path, lines: list[Any], columns: str = COUNTS) -> tuple[IngestReport, list[tuple[Any, ...]]]:
    """What is said of a log of these lines, and columns of its calls."""
    store = folder / "store"
    report = read(store, write(folder / "app.jsonl", [json.dumps(line) for line in lines]))
    parts = [str(p) for p in Store(store).part_paths(Store(store).manifest())]
    sql = f"SELECT {columns} FROM read_parquet(?) ORDER BY line, identity"
    return report, duckdb.connect().execute(sql, [parts]).fetchall() if parts else []


def call(n: int, **more: Any) -> dict[str, Any]:
    return {"timestamp": AT, "model": MODEL, "usage": USAGE, "request_id": f"req_{n}", **more}


PRINTED = (
    "Usage(cache_creation=CacheCreation(ephemeral_1h_input_tokens=10, ephemeral_5m_input_tokens=20), "
    "cache_creation_input_tokens=30, cache_read_input_tokens=60, input_tokens=10, output_tokens=100, "
    "server_tool_use=None, service_tier='standard')"
)


@pytest.mark.parametrize(
    "usage", [json.dumps(USAGE), json.dumps(USAGE, indent=1), json.dumps(json.dumps(USAGE)), str(USAGE), PRINTED]
)
def test_a_usage_block_in_a_string(tmp_path: Path, usage: str) -> None:
    plain = {"timestamp": AT, "model": MODEL, "usage": usage}
    assert calls(tmp_path / "a", [plain])[1] == [PLAIN]
    assert calls(tmp_path / "b", [{"time": AT, "event": {"model": MODEL, "usage": usage}}])[1] == [PLAIN]
    # Among others: no line is lost to how its neighbours are written.
    assert calls(tmp_path / "c", [call(1), plain])[1] == [PLAIN, PLAIN]


@pytest.mark.parametrize("name", ["response", "message", "body"])
def test_an_answer_in_a_string_with_its_usage_in_another(tmp_path: Path, name: str) -> None:
    answer = json.dumps({"id": "msg_1", "model": MODEL, "usage": json.dumps(USAGE)})
    assert calls(tmp_path, [{"timestamp": AT, name: answer}])[1] == [PLAIN]


def test_a_usage_that_cannot_be_read_is_rejected_by_its_line(tmp_path: Path) -> None:
    report, found = calls(tmp_path, [call(1), call(2, usage="input_tokens about 5")])
    assert found == [PLAIN]
    assert [(r.line, r.reason) for r in report.rejects] == [(2, "the usage is no JSON object: input_tokens about 5")]


@pytest.mark.parametrize(
    "lines",
    [
        [[call(1), call(2)], [call(3)]],
        [call(1), [call(2), call(3)]],
        [{"data": [call(1), call(2)]}, {"data": [call(3)], "has_more": False}],
        [{"team": "a", "calls": [call(1), call(2)]}, call(3)],
        [{"response": {"results": [call(1), call(2), call(3)]}}],
        [{"records": [{"time": AT, "response": {"model": MODEL, "usage": USAGE, "id": f"msg_{n}"}} for n in range(3)]}],
    ],
)
def test_records_that_a_line_lists(tmp_path: Path, lines: list[Any]) -> None:
    report, found = calls(tmp_path, lines)
    assert found == [PLAIN] * 3
    assert (report.counted.kept, report.counted.rejected) == (3, 0)


def test_a_document_of_a_list_numbers_its_records(tmp_path: Path) -> None:
    log = tmp_path / "export.json"
    log.write_text(json.dumps({"data": [call(1), call(2, usage=USAGE | {"output_tokens": -3})]}, indent=1))
    report = read(tmp_path / "store", log)
    assert report.rows_added == 1
    assert [(r.line, r.reason) for r in report.rejects] == [(2, "output_tokens is -3")]


def test_equal_records_of_a_list_without_ids_are_calls_each_and_read_again_add_none(tmp_path: Path) -> None:
    plain = {"timestamp": AT, "model": MODEL, "usage": USAGE}
    _, found = calls(tmp_path, [[plain, plain], [plain]])
    assert len(found) == 3
    assert read(tmp_path / "store", tmp_path / "app.jsonl", again=True).rows_total == 3


def test_what_is_told_around_a_list_holds_for_its_records_but_for_ids_and_sums(tmp_path: Path) -> None:
    around = {"timestamp": AT, "session_id": "s", "feature": "f", "request_id": "req_1", "cost": 3, "latency_ms": 9}
    record = {"model": MODEL, "usage": USAGE}
    columns = "endpoint, session, request_id, latency_ms, cost_reported_usd"
    _, found = calls(tmp_path, [{**around, "calls": [record, record | {"endpoint": "own"}]}], columns)
    assert sorted(found) == [("f", "s", None, None, None), ("own", "s", None, None, None)]


def test_lists_that_are_no_records_leave_their_line_as_it_is(tmp_path: Path) -> None:
    asked = [{"role": "user", "content": 'what is {"input_tokens": 5}?'}]
    answer = {"model": MODEL, "usage": USAGE}
    lines = [
        {"timestamp": AT, "messages": asked, "response": answer},
        {"timestamp": AT, "request": {"max_tokens": 9, "messages": asked}, "response": answer},
        {"timestamp": AT, "events": [{"tokens": 5}], **answer},
    ]
    report, found = calls(tmp_path, [*lines, [1, 2], []])
    assert found == [PLAIN] * 3
    assert report.counted.ignored == {"record without usage": 2}


NET = {
    "InputTokens": 10, "OutputTokens": 100, "CacheReadInputTokens": 60, "CacheCreationInputTokens": 30,
    "CacheCreation": {"Ephemeral5mInputTokens": 20, "Ephemeral1hInputTokens": 10},
}  # fmt: skip
CAMEL = {
    "inputTokens": 10, "outputTokens": 100, "cacheReadInputTokens": 60, "cacheCreationInputTokens": 30,
    "cacheCreation": {"ephemeral5mInputTokens": 20, "ephemeral1hInputTokens": 10},
}  # fmt: skip


@pytest.mark.parametrize(
    "record",
    [
        {"Timestamp": AT, "Model": MODEL, "Usage": NET},
        {"Timestamp": AT, "Model": MODEL, "Usage": json.dumps(NET)},
        {"@t": AT, "Response": {"Id": "msg_1", "Model": MODEL, "Usage": NET}},
        {"timestamp": AT, "model": MODEL, "usage": CAMEL},
        {"TIMESTAMP": AT, "MODEL": MODEL, "USAGE": {name.upper(): value for name, value in USAGE.items()}},
    ],
)
def test_names_of_another_case(tmp_path: Path, record: dict[str, Any]) -> None:
    columns = COUNTS if "USAGE" not in record else "input_tokens, cache_read_tokens, 20, 10, output_tokens"
    assert calls(tmp_path / "a", [record], columns)[1] == [PLAIN]
    assert calls(tmp_path / "b", [call(1), record], columns)[1] == [PLAIN, PLAIN]


@pytest.mark.parametrize(
    "model", [{"provider": "anthropic.messages", "modelId": MODEL}, {"id": MODEL, "name": "Sonnet"}]
)
def test_a_model_that_is_an_object(tmp_path: Path, model: dict[str, str]) -> None:
    lines = [call(1), call(2, model=model), {"time": AT, "event": {"model": model, "usage": USAGE}}]
    assert calls(tmp_path, lines, "model")[1] == [(MODEL,)] * 3
