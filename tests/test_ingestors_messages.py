"""Usage blocks under other names, and the labels of what is wrapped around a record."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import duckdb
import pytest
from logs import read, write

from claude_audit.store import Store

MODEL = "claude-sonnet-4-6"
USAGE = {"input_tokens": 10, "output_tokens": 100}


def rows(folder: Path, records: list[dict[str, Any]], columns: str) -> list[tuple[Any, ...]]:
    """Columns of the calls in a log of these records, by time."""
    store = folder / "store"
    read(store, write(folder / "app.jsonl", records))
    parts = [str(p) for p in Store(store).part_paths(Store(store).manifest())]
    connection = duckdb.connect()
    connection.execute("SET TimeZone = 'UTC'")
    return connection.execute(f"SELECT {columns} FROM read_parquet(?) ORDER BY ts", [parts]).fetchall()


@pytest.mark.parametrize(
    ("usage", "counted"),
    [
        # Bedrock's Converse: its input is without the cache.
        (
            {"inputTokens": 10, "outputTokens": 100, "cacheReadInputTokens": 5, "cacheWriteInputTokens": 7},
            (10, 5, 7, 100),
        ),
        # An application's own short names.
        ({"input_tokens": 10, "output_tokens": 100, "cache_read_tokens": 5, "cache_write_tokens": 7}, (10, 5, 7, 100)),
        # OpenAI's shape: what is cached is part of the prompt.
        ({"prompt_tokens": 100, "completion_tokens": 10, "cached_tokens": 60}, (40, 60, None, 10)),
        (
            {"prompt_tokens": 100, "completion_tokens": 10, "prompt_tokens_details": {"cached_tokens": 60}},
            (40, 60, None, 10),
        ),
        # OpenAI's names beside Anthropic's: without the cache.
        ({"prompt_tokens": 100, "completion_tokens": 10, "cache_read_input_tokens": 60}, (100, 60, None, 10)),
        ({"promptTokens": 100, "completionTokens": 10}, (100, None, None, 10)),
        # OpenAI's shape with Anthropic's names beside its own: what they count is part of the prompt all the same.
        (
            {
                "prompt_tokens": 100,
                "completion_tokens": 10,
                "total_tokens": 110,
                "prompt_tokens_details": {"cached_tokens": 60},
                "cache_read_input_tokens": 60,
                "cache_creation_input_tokens": 30,
            },
            (10, 60, 30, 10),
        ),
        # Unless the total says that they come on top of it.
        (
            {
                "prompt_tokens": 100,
                "completion_tokens": 10,
                "total_tokens": 200,
                "prompt_tokens_details": {"cached_tokens": 60},
                "cache_read_input_tokens": 60,
                "cache_creation_input_tokens": 30,
            },
            (100, 60, 30, 10),
        ),
        # The AI SDK: since its version 6 the input includes the cache, and says how much that is; before, it did not.
        (
            {
                "inputTokens": 100,
                "outputTokens": 10,
                "cachedInputTokens": 60,
                "inputTokenDetails": {"noCacheTokens": 10, "cacheReadTokens": 60, "cacheWriteTokens": 30},
            },
            (10, 60, 30, 10),
        ),
        ({"inputTokens": 100, "outputTokens": 10, "cachedInputTokens": 60}, (100, 60, None, 10)),
        # Pydantic AI: the input of its sums includes the cache, that of its details is the API's own.
        (
            {
                "input_tokens": 100,
                "output_tokens": 10,
                "cache_read_tokens": 60,
                "cache_write_tokens": 30,
                "details": {"input_tokens": 10, "output_tokens": 10, "cache_read_input_tokens": 60},
            },
            (10, 60, 30, 10),
        ),
    ],
)
def test_a_usage_block_under_other_names(
    tmp_path: Path, usage: dict[str, Any], counted: tuple[int | None, ...]
) -> None:
    columns = "input_tokens, cache_read_tokens, cache_write_unknown_tokens, output_tokens"
    call = {"timestamp": "2026-11-02T10:00:00Z", "model": MODEL, "usage": usage}
    assert rows(tmp_path, [call], columns) == [counted]
    assert rows(tmp_path / "wrapped", [{"time": "2026-11-02T10:00:00Z", "response": call}], columns) == [counted]


def test_each_record_says_by_its_own_names_whether_its_input_includes_the_cache(tmp_path: Path) -> None:
    at = "2026-11-02T10:00:0{}Z"
    told = rows(
        tmp_path,
        [
            {
                "timestamp": at.format(1),
                "model": MODEL,
                "prompt_tokens": 100,
                "completion_tokens": 9,
                "cached_tokens": 60,
            },
            {
                "timestamp": at.format(2),
                "model": MODEL,
                "input_tokens": 100,
                "output_tokens": 9,
                "cache_read_input_tokens": 60,
            },
            {"timestamp": at.format(3), "model": MODEL, "prompt_tokens": 100, "completion_tokens": 9},
        ],
        "input_tokens, cache_read_tokens",
    )
    assert told == [(40, 60), (100, 60), (100, None)]


def test_logs_of_one_ingest_may_spell_their_fields_in_small_and_capital_letters(tmp_path: Path) -> None:
    fields = ("timestamp", "model", "input_tokens", "output_tokens", "endpoint")
    spellings = (fields, [f.upper() for f in fields], [f.title() for f in fields])
    calls = [
        dict(zip(names, (f"2026-11-02T10:00:0{n}Z", MODEL, 10 + n, 100, f"e{n}"), strict=True))
        for n, names in enumerate(spellings)
    ]
    wrapped = {"time": "2026-11-02T10:00:03Z", "endpoint": "e3", "response": {"model": MODEL, "usage": USAGE}}
    shouted = {"TIME": "2026-11-02T10:00:04Z", "Endpoint": "e4", "response": {"MODEL": MODEL, "usage": USAGE}}
    spoken = {"time": "2026-11-02T10:00:05Z", "endpoint": "e5", "response": {"Model": MODEL, "usage": USAGE}}
    told = rows(tmp_path, [*calls, wrapped, shouted, spoken], "input_tokens, model_raw, endpoint")
    assert told == [(10, MODEL, "e0"), (11, MODEL, "e1"), (12, MODEL, "e2"), *((10, MODEL, f"e{n}") for n in (3, 4, 5))]
    # And where all of them are wrapped.
    only = rows(tmp_path / "only", [wrapped, shouted, spoken], "model_raw, endpoint")
    assert only == [(MODEL, "e3"), (MODEL, "e4"), (MODEL, "e5")]


def test_a_log_with_much_before_its_first_call_is_recognised(tmp_path: Path) -> None:
    noise = [{"event": "request", "path": "/", "number": n} for n in range(500)]
    call = {"event": "call", "timestamp": "2026-11-02T10:00:00Z", "model": MODEL, **USAGE}
    assert rows(tmp_path, [*noise, call], "input_tokens") == [(10,)]


def test_counts_beside_a_usage_block_without_any(tmp_path: Path) -> None:
    call = {"timestamp": "2026-11-02T10:00:00Z", "model": MODEL, "usage": {"cost": 0.1}, **USAGE}
    assert rows(tmp_path, [call, call | {"usage": {"input_tokens": 7, "output_tokens": 1}}], "input_tokens") == [
        (10,),
        (7,),
    ]


def test_of_all_that_is_around_a_record_the_nearest_tells_its_labels(tmp_path: Path) -> None:
    body = {"model": MODEL, "usage": USAGE}
    app = {"endpoint": "chat", "user": "ana", "branch": "main"}
    told = rows(
        tmp_path,
        [
            # A container's log around an application's record, which holds the response.
            {
                "time": "2026-11-02T12:00:00Z",
                "log": json.dumps(
                    {"timestamp": "2026-11-02T10:00:01Z", "request_id": "req_1", **app, "response": body}
                ),
            },
            # A log collector's hit around a record in a message.
            {
                "_index": "logs",
                "_source": {
                    "@timestamp": "2026-11-02T10:00:02Z",
                    "agent": {"type": "filebeat"},
                    "user": {"name": "root"},
                    "message": json.dumps({**body, **app, "request_id": "req_2"}),
                },
            },
            # A pair in a container's log.
            {
                "time": "2026-11-02T10:00:03Z",
                "log": json.dumps({"request": {"max_tokens": 55}, "request_id": "req_3", **app, "response": body}),
            },
            # What the nearest leaves out, one further out tells.
            {
                "timestamp": "2026-11-02T10:00:04Z",
                "request_id": "req_4",
                **app,
                "jsonPayload": {"feature": "search", "result": {"user": {"id": 7}, "body": body}},
            },
        ],
        "ts, endpoint, \"user\", request_id, max_tokens, tags['branch']",
    )
    assert told == [
        (datetime(2026, 11, 2, 10, 0, 1, tzinfo=UTC), "chat", "ana", "req_1", None, "main"),
        (datetime(2026, 11, 2, 10, 0, 2, tzinfo=UTC), "chat", "ana", "req_2", None, "main"),
        (datetime(2026, 11, 2, 10, 0, 3, tzinfo=UTC), "chat", "ana", "req_3", 55, "main"),
        (datetime(2026, 11, 2, 10, 0, 4, tzinfo=UTC), "search", "ana", "req_4", None, "main"),
    ]


AS_RETURNED = {
    "input_tokens": 10, "output_tokens": 100, "cache_read_input_tokens": 60, "cache_creation_input_tokens": 30,
    "cache_creation": {"ephemeral_5m_input_tokens": 20, "ephemeral_1h_input_tokens": 10},
    "service_tier": "batch", "inference_geo": "us", "server_tool_use": {"web_search_requests": 2},
}  # fmt: skip


@pytest.mark.parametrize(
    "record",
    [
        # LangChain, before its own block told of the cache, and since.
        {
            "response_metadata": {"id": "msg_1", "model": MODEL, "usage": AS_RETURNED},
            "usage_metadata": {"input_tokens": 10, "output_tokens": 100, "total_tokens": 110},
        },
        {
            "response_metadata": {"id": "msg_1", "model": MODEL, "usage": AS_RETURNED},
            "usage_metadata": {
                "input_tokens": 100, "output_tokens": 100, "input_token_details": {"cache_read": 60, "cache_creation": 30}
            },
        },
        # The AI SDK: its model stands in the response.
        {
            "usage": {"inputTokens": 10, "outputTokens": 100, "cachedInputTokens": 60},
            "providerMetadata": {"anthropic": {"usage": AS_RETURNED, "cacheCreationInputTokens": 30}},
            "response": {"id": "msg_1", "modelId": MODEL},
        },
    ],
)  # fmt: skip
def test_the_usage_block_as_the_api_returned_it_is_taken_before_what_a_library_made_of_it(
    tmp_path: Path, record: dict[str, Any]
) -> None:
    columns = """model, message_id, input_tokens, cache_read_tokens, cache_write_5m_tokens, cache_write_1h_tokens,
        cache_write_unknown_tokens, output_tokens, web_searches, tier, geo"""
    call = {"timestamp": "2026-11-02T10:00:00Z", **record}
    expected = [(MODEL, "msg_1", 10, 60, 20, 10, None, 100, 2, "batch", "us")]
    assert rows(tmp_path, [call], columns) == expected
    assert rows(tmp_path / "wrapped", [{"time": "2026-11-02T10:00:00Z", "data": call}], columns) == expected


def test_without_the_usage_block_the_ai_sdk_tells_the_written_tokens_beside(tmp_path: Path) -> None:
    call = {
        "timestamp": "2026-11-02T10:00:00Z", "model": MODEL, "usage": {"promptTokens": 10, "completionTokens": 100},
        "experimental_providerMetadata": {"anthropic": {"cacheCreationInputTokens": 30, "cacheReadInputTokens": 60}},
    }  # fmt: skip
    columns = "input_tokens, cache_read_tokens, cache_write_unknown_tokens, output_tokens"
    assert rows(tmp_path, [call], columns) == [(10, 60, 30, 100)]


def test_a_usage_block_spread_out_over_its_record(tmp_path: Path) -> None:
    passes = [
        {"type": "message", "input_tokens": 10, "output_tokens": 100},
        {"type": "advisor_message", "model": "claude-opus-4-8", "input_tokens": 7, "output_tokens": 8},
    ]
    call = {"timestamp": "2026-11-02T10:00:00Z", "model": MODEL, **AS_RETURNED}
    columns = """cache_write_5m_tokens, cache_write_1h_tokens, cache_write_unknown_tokens, web_searches, tier, geo"""
    assert rows(tmp_path, [call], columns) == [(20, 10, None, 2, "batch", "us")]
    assert rows(tmp_path / "passes", [{**call, "iterations": passes}], "model, output_tokens") == [
        (MODEL, 100),
        ("claude-opus-4-8", 8),
    ]


@pytest.mark.parametrize(
    "record",
    [
        {"payload": {"model": MODEL, "usage": USAGE}},
        {"context": {"model": MODEL, "usage": USAGE}},
        {"model": MODEL, "metadata": {"usage": USAGE}},
        {"model": MODEL, "token_usage": USAGE},
        {"model": MODEL, "tokens": USAGE},
        {"kwargs": {"usage_metadata": USAGE, "response_metadata": {"model": MODEL}}},
        {"attributes": {"status": "info", "attributes": {"model": MODEL, "usage": USAGE}}},
        {"result": {"_raw": json.dumps({"model": MODEL, "usage": USAGE})}},
    ],
)
def test_a_call_inside_what_an_application_or_a_collector_puts_its_lines_in(
    tmp_path: Path, record: dict[str, Any]
) -> None:
    found = rows(tmp_path, [{"timestamp": "2026-11-02T10:00:00Z", **record}], "model, input_tokens, output_tokens")
    assert found == [(MODEL, 10, 100)]


def test_a_label_that_is_named_like_such_an_object(tmp_path: Path) -> None:
    call = {"timestamp": "2026-11-02T10:00:00Z", "model": MODEL, "usage": USAGE, "context": "checkout"}
    assert rows(tmp_path, [call], "tags['context']") == [("checkout",)]


@pytest.mark.parametrize(
    "told",
    [
        {"created": 1793613600},
        {"created": True, "end_time": "2026-11-02T10:00:00Z"},
        {"@t": "2026-11-02T10:00:00.0000000Z"},
        {"logged_at": "2026-11-02T10:00:00Z"},
        {"__REALTIME_TIMESTAMP": "1793613600000000"},
    ],
)
def test_a_time_under_other_names(tmp_path: Path, told: dict[str, Any]) -> None:
    call = {**told, "model": MODEL, "usage": USAGE}
    assert rows(tmp_path, [call], "ts, flags") == [(datetime(2026, 11, 2, 10, tzinfo=UTC), [])]


@pytest.mark.parametrize(
    ("flat", "counted"),
    [
        ({"cache_read": 60, "cache_write": 30}, (10, 60, 30)),
        ({"cache_read": True, "cache_write": "none"}, (10, None, None)),
        ({"prompt_tokens": 100, "cached_input_tokens": 60, "input_tokens": None}, (40, 60, None)),
    ],
)
def test_cached_tokens_under_short_names(tmp_path: Path, flat: dict[str, Any], counted: tuple[int | None, ...]) -> None:
    call = {"timestamp": "2026-11-02T10:00:00Z", "model": MODEL, **USAGE, **flat}
    assert rows(tmp_path, [call], "input_tokens, cache_read_tokens, cache_write_unknown_tokens") == [counted]


@pytest.mark.parametrize(
    ("message_id", "named", "provider"),
    [
        ("msg_bdrk_01A", None, "aws_bedrock"),
        ("msg_vrtx_01A", None, "gcp_vertex"),
        ("msg_01A", None, "anthropic"),
        ("msg_vrtx_01A", "aws_bedrock", "aws_bedrock"),
        (None, None, "anthropic"),
    ],
)
def test_a_cloud_is_known_by_how_its_answers_ids_begin(
    tmp_path: Path, message_id: str | None, named: str | None, provider: str
) -> None:
    answer = {"timestamp": "2026-11-02T10:00:00Z", "id": message_id, "model": MODEL, "usage": USAGE, "provider": named}
    record = {name: value for name, value in answer.items() if value is not None}
    assert rows(tmp_path, [record], "provider, model") == [(provider, MODEL)]


@pytest.mark.parametrize(("caller", "endpoint"), [("billing", "billing"), ("app/main.go:12", None)])
def test_where_a_logger_stands_is_no_endpoint(tmp_path: Path, caller: str, endpoint: str | None) -> None:
    line = {"ts": 1793613600.5, "caller": caller, "msg": "done", "model": MODEL, "usage": USAGE}
    assert rows(tmp_path, [line], "endpoint") == [(endpoint,)]


def test_a_first_line_that_is_broken_makes_no_document_of_a_log(tmp_path: Path) -> None:
    lines = [{"timestamp": f"2026-11-02T10:00:0{n}Z", "model": MODEL, "usage": USAGE} for n in range(3)]
    log = write(tmp_path / "app.jsonl", [json.dumps(lines[0])[:40], *lines[1:]])
    report = read(tmp_path / "store", log)
    assert (report.counted.kept, [r.line for r in report.rejects]) == (2, [1])


@pytest.mark.parametrize(
    ("usage", "flagged"),
    [
        (USAGE, False),
        (USAGE | {"input_tokens": 0}, False),
        ({"output_tokens": 100}, True),
        ({"input_tokens": 10, "cache_read_input_tokens": 5}, True),
        ({"output_tokens": 100, "cache_read_input_tokens": 5}, True),
    ],
)
def test_a_count_that_is_not_there_is_said(tmp_path: Path, usage: dict[str, int], flagged: bool) -> None:
    line = {"timestamp": "2026-11-02T10:00:00Z", "model": MODEL, "usage": usage}
    assert rows(tmp_path, [line], "list_contains(flags, 'count_missing')") == [(flagged,)]


def test_what_failed_and_is_free_lacks_no_count(tmp_path: Path) -> None:
    line = {"timestamp": "2026-11-02T10:00:00Z", "model": MODEL, "usage": {"input_tokens": 10}, "status": "error"}
    assert rows(tmp_path, [line], "unbilled, flags") == [("error", [])]


COUNTS = "input_tokens, cache_read_tokens, cache_write_unknown_tokens, output_tokens, CAST(ts AS VARCHAR)"
CACHED = USAGE | {"cache_read_input_tokens": 800, "cache_creation_input_tokens": 40}
AT = "2026-11-02T10:00:00Z"


@pytest.mark.parametrize(
    "line",
    [
        {"_id": {"$oid": "6909"}, "createdAt": {"$date": AT}, "model": MODEL, "usage": CACHED},
        {
            "_id": {"$oid": "6909"},
            "createdAt": {"$date": {"$numberLong": "1793613600000"}},
            "model": MODEL,
            "usage": {name: {"$numberInt": str(count)} for name, count in CACHED.items()},
        },
        {"took": 3, "hits": {"total": {"value": 1}, "hits": [{"_source": {"@timestamp": AT, "model": MODEL, "usage": CACHED}}]}},
        {"TimeGenerated": AT, "Properties": json.dumps({"model": MODEL, "usage": CACHED})},
        {"time": 1793613600000, "level": 30, "msg": "done", "res": {"model": MODEL, "usage": CACHED}},
    ],
)  # fmt: skip
def test_records_as_databases_and_collectors_export_them(tmp_path: Path, line: dict[str, Any]) -> None:
    assert rows(tmp_path, [line], COUNTS) == [(10, 800, 40, 100, "2026-11-02 10:00:00+00")]


def test_a_text_that_looks_like_a_typed_value_stays_a_text(tmp_path: Path) -> None:
    line = {"_id": 1, "ts": AT, "model": MODEL, "usage": USAGE, "endpoint": 'say {"$oid": "x"}'}
    assert rows(tmp_path, [line], "endpoint") == [('say {"$oid": "x"}',)]


def test_a_tracers_block_with_the_counts_as_they_were_returned(tmp_path: Path) -> None:
    usage = {"prompt_tokens": 10, "completion_tokens": 100, "total_tokens": 110}
    usage |= {f"original_usage.{name}": count for name, count in CACHED.items()}
    line = {"start_time": AT, "model": MODEL, "usage": usage}
    assert rows(tmp_path, [line], COUNTS) == [(10, 800, 40, 100, "2026-11-02 10:00:00+00")]


@pytest.mark.parametrize("model", ["{", '{"id": ', "{}", '{"id": "claude-sonnet-4-6"}'])
def test_a_model_that_looks_like_json_breaks_nothing(tmp_path: Path, model: str) -> None:
    lines = [{"timestamp": AT, "model": name, "usage": USAGE} for name in (MODEL, {"id": MODEL}, model)]
    assert [name for (name,) in rows(tmp_path, lines, "model")].count(MODEL) == 2 + (MODEL in model)
