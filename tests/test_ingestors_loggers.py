"""Records as loggers, collectors, dumps of databases and other programs write them: their counts, times and labels."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from logs import read, write
from plain_logs import CACHED, calls, in_store

from claude_audit.aliases import field_of
from claude_audit.errors import AuditError

MODEL = "claude-sonnet-4-6"
AT = "2026-11-03T08:00:00Z"
FLAT = {"input_tokens": 12, "output_tokens": 45, "cache_read_input_tokens": 300, "cache_creation_input_tokens": 70}
COUNTED = (12, 300, None, None, 70, 45)
"""What FLAT tells, by CACHED: the written tokens have no time to live."""


def told(folder: Path, record: dict[str, Any], columns: str = CACHED) -> list[tuple[Any, ...]]:
    """Columns of the calls in a log of one record."""
    read(folder / "store", write(folder / "logs" / "app.jsonl", [record]))
    return in_store(folder, columns)


@pytest.mark.parametrize(
    "usage",
    [
        {"input": 12, "output": 45, "cacheRead": 300, "cacheWrite": 70, "totalTokens": 427},
        {"input": 12, "output": 45, "cache_read": 300, "cache_write": 70},
        {"input": 12, "output": 45, "reasoning": 0, "cache": {"read": 300, "write": 70}},
        # Inspect's.
        {"input_tokens": 12, "output_tokens": 45, "input_tokens_cache_read": 300, "input_tokens_cache_write": 70},
    ],
)
@pytest.mark.parametrize("name", ["usage", "tokens"])
def test_short_names_in_a_usage_block(tmp_path: Path, name: str, usage: dict[str, Any]) -> None:
    assert told(tmp_path, {"timestamp": AT, "model": MODEL, name: usage}) == [COUNTED]


def test_written_tokens_where_the_api_has_their_split(tmp_path: Path) -> None:
    """A number is all that was written; beside it, in other records, the API's own object stays what it is."""
    number = {"input_tokens": 12, "output_tokens": 45, "cache_read": 300, "cache_creation": 70}
    split = {"input_tokens": 12, "output_tokens": 45, "cache_creation": {"ephemeral_1h_input_tokens": 70}}
    none = {"input_tokens": 12, "output_tokens": 45, "cache_creation": None, "cache_creation_input_tokens": 70}
    bodies = [{"usage": number}, number, {"usage": split}, split, {"usage": none}, none]
    records = [{"timestamp": f"2026-11-03T08:00:0{n}Z", "model": MODEL, **body} for n, body in enumerate(bodies)]
    read(tmp_path / "store", write(tmp_path / "app.jsonl", records))
    whole, hour, plain = COUNTED, (12, None, None, 70, None, 45), (12, None, None, None, 70, 45)
    assert in_store(tmp_path, CACHED) == [whole, whole, hour, hour, plain, plain]


def test_a_number_of_tokens_is_no_usage_block(tmp_path: Path) -> None:
    record = {"timestamp": AT, "model": MODEL, "tokens": 57, "response": {"usage": FLAT}}
    assert told(tmp_path, record) == [COUNTED]


def test_cached_tokens_under_a_name_that_nobody_knows_are_said_to_be_missing(tmp_path: Path) -> None:
    usage = {"input_tokens": 12, "output_tokens": 45}
    records = [
        {"timestamp": AT, "model": MODEL, "usage": usage | {"from_cache": 300}},
        {"timestamp": AT, "model": MODEL, "usage": usage | {"from_cache": 0}},
        {"timestamp": AT, "model": MODEL, "usage": usage},
    ]
    read(tmp_path / "store", write(tmp_path / "app.jsonl", records))
    assert [flags for (flags,) in in_store(tmp_path, "flags")] == [["cache_unseen"], [], []]


@pytest.mark.parametrize("name", ["response", "response_json", "raw_response"])
def test_the_whole_answer_tells_more_than_counts_beside_it(tmp_path: Path, name: str) -> None:
    answer = {"id": "msg_1", "model": MODEL, "usage": FLAT}
    record = {"timestamp": AT, "model": MODEL, "prompt_tokens": 12, "completion_tokens": 45, name: answer}
    assert told(tmp_path, record) == [COUNTED]


def test_a_response_that_is_text_changes_nothing(tmp_path: Path) -> None:
    assert told(tmp_path, {"timestamp": AT, "model": MODEL, **FLAT, "response": "Hello"}) == [COUNTED]


@pytest.mark.parametrize(
    "line",
    [
        {"Timestamp": AT, "LogLevel": "Information", "State": {"Model": MODEL, **FLAT}},  # .NET
        {"timeMillis": 1793692800000, "contextMap": {"model": MODEL, **FLAT}},  # Log4j
        {"instant": {"epochSecond": 1793692800, "nanoOfSecond": 0}, "contextMap": {"model": MODEL, **FLAT}},
        {"timestamp": "1793692800000", "mdc": {"model": MODEL, **FLAT}},  # Logback
        {"timestamp": AT, "customDimensions": {"Model": MODEL, **FLAT}},  # Application Insights
        {"time": AT, "msg": "asked", "anthropic": {"model": MODEL, **FLAT}},
        {"dt": AT, "model": MODEL, **FLAT},  # Better Stack
        {"datetime_utc": AT, "model": MODEL, **FLAT},
        {"logGroup": "/app", "logEvents": [{"timestamp": 1793692800000, "message": {"model": MODEL, **FLAT}}]},
        {"_source": {"@timestamp": AT, "llm.model": MODEL} | {f"llm.usage.{name}": n for name, n in FLAT.items()}},
        {"timestamp": AT, "model": MODEL} | {f"usage_{name}": n for name, n in FLAT.items()},
    ],
)
def test_where_loggers_and_collectors_put_what_they_are_told(tmp_path: Path, line: dict[str, Any]) -> None:
    what = f"{CACHED}, model_raw, epoch(ts)::BIGINT"
    assert told(tmp_path, line, what) == [(*COUNTED, MODEL, 1793692800)]


def test_columns_of_objects_that_were_flattened(tmp_path: Path) -> None:
    header = (
        "@timestamp,request.timestamp,@model,usage.input_tokens,usage.output_tokens,usage.cache_read_input_tokens,"
        "usage.cache_creation.ephemeral_5m_input_tokens,usage.cache_creation.ephemeral_1h_input_tokens,response.content,app.team"
    )
    row = f'"Nov 3, 2026 @ 08:00:00.000",2020-01-01,{MODEL},12,45,300,50,20,Hello,shop'
    what = f"{CACHED}, model_raw, epoch(ts)::BIGINT, team, tags"
    assert calls(tmp_path, f"{header}\n{row}\n", what, name="app.csv") == [
        (12, 300, 50, 20, None, 45, MODEL, 1793692800, "shop", {})
    ]


def test_flattened_names_of_openai_s_shape_include_the_cache(tmp_path: Path) -> None:
    record = {
        "ts": AT,
        "model": MODEL,
        "usage.prompt_tokens": 312,
        "usage.completion_tokens": 45,
        "usage.cached_tokens": 300,
    }
    assert told(tmp_path, record) == [(12, 300, None, None, None, 45)]


@pytest.mark.parametrize("name", ["gen_ai.usage.output_tokens", "ai.usage.output_tokens"])
def test_names_of_spans_are_left_to_those_who_know_what_they_count(name: str) -> None:
    assert field_of(name) is None
    assert field_of("llm.output_tokens") == "output_tokens"


@pytest.mark.parametrize("cell", ["NULL", r"\N"])
def test_what_databases_dump_for_nothing(tmp_path: Path, cell: str) -> None:
    text = f"ts\tmodel\tinput_tokens\toutput_tokens\tcache_read_tokens\n{AT}\t{MODEL}\t12\t45\t{cell}\n"
    assert calls(tmp_path, text, name="app.tsv") == [(2, 12, 45)]


RUN = {"session_id": "s-1", "num_turns": 3, "duration_api_ms": 900, "total_cost_usd": 0.05, "usage": FLAT}
"""What Python's Agent SDK says of a run: the sum of its calls."""


def test_a_result_as_the_agent_sdk_holds_it_is_a_sum(tmp_path: Path) -> None:
    said = {"content": [{"text": "…"}], "model": MODEL, "parent_tool_use_id": None}
    read(tmp_path / "store", write(tmp_path / "logs" / "run.jsonl", [said, {"subtype": "success", **RUN}]))
    what = f"format, {CACHED}, model_raw, requests, session, 'sums_only' IN flags"
    assert in_store(tmp_path, what) == [("claude_code_result", *COUNTED, MODEL, None, "s-1", True)]


def test_a_result_that_names_its_models(tmp_path: Path) -> None:
    used = {"inputTokens": 20, "outputTokens": 50, "cacheReadInputTokens": 300, "cacheCreationInputTokens": 70}
    assert told(tmp_path, {**RUN, "model_usage": {MODEL: used}}) == [(20, 300, None, None, 70, 50)]


def test_a_run_s_usage_in_a_log_of_calls_is_flagged_as_a_sum(tmp_path: Path) -> None:
    call = {"timestamp": AT, "model": MODEL, "usage": FLAT}
    talk = {"timestamp": AT, "model": MODEL, "usage": FLAT, "num_turns": 8}  # an application's own word
    run = {"timestamp": AT, "model": MODEL, **RUN}
    read(tmp_path / "store", write(tmp_path / "logs" / "app.jsonl", [call, talk, run]))
    assert in_store(tmp_path, "requests, 'sums_only' IN flags") == [(1, False), (1, False), (None, True)]


@pytest.mark.parametrize("name", ["calls", "responses"])
def test_the_calls_beside_their_sum_count_and_it_does_not(tmp_path: Path, name: str) -> None:
    one = {"model": MODEL, "usage": {"input_tokens": 5, "output_tokens": 7}}
    record = {"started_at": AT, "usage": {"input_tokens": 10, "output_tokens": 14}, name: [one, one]}
    assert told(tmp_path, record, "input_tokens, output_tokens, requests") == [(5, 7, 1), (5, 7, 1)]


@pytest.mark.parametrize(
    ("names", "counted"),
    [
        ("cache_create_tokens,cache_read_tokens", (12, 300, None, None, 70, 45)),
        ("cache_creation,cache_read", (12, 300, None, None, 70, 45)),
        ("cache_creation_1h_tokens,cache_read_tokens", (12, 300, None, 70, None, 45)),
        ("cache_5m_tokens,cache_read_tokens", (12, 300, 70, None, None, 45)),
    ],
)
def test_columns_of_written_tokens(tmp_path: Path, names: str, counted: tuple[int | None, ...]) -> None:
    text = f"ts,model,input_tokens,output_tokens,{names}\n{AT},{MODEL},12,45,70,300\n"
    assert calls(tmp_path, text, CACHED, name="app.csv") == [counted]


@pytest.mark.parametrize(
    ("names", "missing"),
    [
        ("cache_read_tokens,tokens_put_in_cache_by_write", True),
        ("cache_read_tokens,cache_savings_tokens", False),
        ("cache_read_tokens,total_cached_tokens", False),
        ("cache_write_tokens,tokens_served_from_cache", True),
    ],
)
def test_a_column_that_seems_to_count_cached_tokens(tmp_path: Path, names: str, missing: bool) -> None:
    first, second = names.split(",")
    flat = {"ts": AT, "model": MODEL, "input_tokens": 12, "output_tokens": 45, first: 300, second: 70}
    text = ",".join(flat) + "\n" + ",".join(map(str, flat.values())) + "\n"
    assert calls(tmp_path / "table", text, "'cache_unseen' IN flags", name="app.csv") == [(missing,)]
    assert told(tmp_path / "json", flat, "'cache_unseen' IN flags") == [(missing,)]


def test_a_report_of_tokens_is_no_call(tmp_path: Path) -> None:
    """What names no model has no usage block under that name: sums of other programs, and of this one."""
    (tmp_path / "report.json").write_text(json.dumps({"total_usd": "1.2", "tokens": {"input": 12, "output": 45}}))
    with pytest.raises(AuditError, match="not a log"):
        read(tmp_path / "store", tmp_path / "report.json")
