"""LiteLLM's spend log: rows of its table as JSON and as CSV, and the payload of its callbacks."""

from __future__ import annotations

import csv
import io
import json
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from exports import CLASSES, fates, garbage, quick, rows, survives, told
from hypothesis import given
from hypothesis import strategies as st
from logs import audit, read, write
from plain_logs import ingested

Record = dict[str, Any]
USD = (Decimal(3) * 3 + Decimal(1111) * 3 / 10 + Decimal(14) * 15) / 10**6
"""Of one row: Claude Sonnet 4.6, 3 uncached and 1,111 read, 14 out."""


def usage(read: int = 1111, w5: int = 0, w1: int = 0, **more: Any) -> Record:
    """metadata.usage_object."""
    return {
        "prompt_tokens": 3 + read + w5 + w1,
        "completion_tokens": 14,
        "completion_tokens_details": {"reasoning_tokens": 5},
        "prompt_tokens_details": {
            "cached_tokens": read,
            "cache_creation_tokens": w5 + w1,
            "cache_creation_token_details": {"ephemeral_5m_input_tokens": w5, "ephemeral_1h_input_tokens": w1},
        },
        "cache_creation_input_tokens": w5 + w1,
        "cache_read_input_tokens": read,
        "service_tier": "standard",
        "inference_geo": "not_available",
    } | more


def metadata(used: Record | None, **more: Any) -> Record:
    return {
        "user_api_key_alias": "bot",
        "user_api_key_team_alias": "marketing",
        "spend_logs_metadata": {"endpoint": "/chat", "campaign": "autumn", "prompt": "secret"},
        "usage_object": used,
    } | more


def row(n: int = 1, used: Record | None = None, **more: Any) -> Record:
    """A row of LiteLLM_SpendLogs."""
    used = usage() if used is None else used
    return {
        "request_id": f"chatcmpl-{n}",
        "litellm_call_id": f"call-{n}",
        "call_type": "acompletion",
        "api_key": "8" * 64,
        "cache_hit": "None",
        "startTime": f"2026-11-02 10:00:{n:02d}.500000+00:00",
        "endTime": f"2026-11-02 10:00:{n + 2:02d}.500000+00:00",
        "completionStartTime": f"2026-11-02 10:00:{n + 1:02d}.500000+00:00",
        "model": "claude-sonnet-4-6",
        "model_group": "writer",
        "custom_llm_provider": "anthropic",
        "user": "",
        "end_user": "u-1",
        "team_id": "team-1",
        "spend": 0.00055,
        "prompt_tokens": used.get("prompt_tokens", 0),
        "completion_tokens": used.get("completion_tokens", 0),
        "request_tags": json.dumps(["branch:main", "urgent", "branch:other"]),
        "session_id": "s-1",
        "status": "success",
        "metadata": json.dumps(metadata(used)),
    } | more


def payload(n: int = 1, used: Record | None = None, **more: Any) -> Record:
    """A StandardLoggingPayload."""
    used = usage() if used is None else used
    return {
        "id": f"chatcmpl-{n}",
        "litellm_call_id": f"call-{n}",
        "trace_id": "s-1",
        "session_id": "",
        "cache_hit": None,
        "stream": True,
        "status": "success",
        "custom_llm_provider": "anthropic",
        "startTime": 1793613600.5 + n,
        "endTime": 1793613602.5 + n,
        "completionStartTime": 1793613601.5 + n,
        "response_time": 2.0,
        "model": "claude-sonnet-4-6",
        "model_group": "writer",
        "metadata": metadata(used),
        "response_cost": 0.00055,
        "prompt_tokens": used.get("prompt_tokens", 0),
        "completion_tokens": used.get("completion_tokens", 0),
        "request_tags": ["branch:main", "urgent", "branch:other"],
        "end_user": "u-1",
        "model_parameters": {"max_tokens": 256},
        "hidden_params": {
            "additional_headers": {
                "llm_provider-request-id": f"req_{n}",
                "llm_provider-anthropic-workspace-id": "wrkspc_1",
            }
        },
        "response": {"usage": used, "choices": []},
    } | more


@pytest.mark.parametrize("empty", [{}, {"prompt_tokens": 1114, "completion_tokens": 14}])
def test_a_block_without_the_cache_hides_none_that_tells_of_it(tmp_path: Path, empty: Record) -> None:
    rest = {name: value for name, value in usage().items() if name not in ("prompt_tokens", "completion_tokens")}
    told = row(used=usage(), metadata=json.dumps(metadata(empty, additional_usage_values=rest)))
    read(tmp_path / "store", write(tmp_path / "spend.jsonl", [told]))
    assert audit(tmp_path / "store").spend().total_usd == USD


@pytest.mark.parametrize("record", [row(), payload()])
def test_prompt_tokens_include_the_cache(tmp_path: Path, record: Record) -> None:
    assert told(tmp_path, record) == [(3, 1111, 0, 0, 14)]
    assert audit(tmp_path / "store").spend().total_usd == USD


def test_the_split_of_writes(tmp_path: Path) -> None:
    short = usage(read=0, w5=48, w1=2000)
    del short["prompt_tokens_details"]["cache_creation_token_details"]
    assert told(tmp_path, row(1, usage(read=7, w5=48, w1=2000)), row(2, short)) == [
        (3, 7, 48, 2000, 14),
        (3, 0, 2048, 0, 14),
    ]


@pytest.mark.parametrize(
    ("used", "classes"),
    [
        (
            {"input_tokens": 3, "output_tokens": 14, "cache_read_input_tokens": 7, "cache_creation_input_tokens": 2048,
             "cache_creation": {"ephemeral_5m_input_tokens": 48, "ephemeral_1h_input_tokens": 2000}},
            (3, 7, 48, 2000, 14),
        ),
        ({"input_tokens": 2058, "output_tokens": 14, "input_tokens_details": {"cached_tokens": 2000}}, (58, 2000, 0, 0, 14)),
    ],
    ids=["messages", "responses"],
)  # fmt: skip
def test_a_usage_block_as_an_api_returned_it(tmp_path: Path, used: Record, classes: tuple[int, ...]) -> None:
    counts = {"prompt_tokens": 2058, "completion_tokens": 14}
    assert told(tmp_path, row(used=used, **counts)) == [classes]


LABELS = 'endpoint, api_key, team, "user", session, latency_ms, ttft_ms, cost_reported_by, gateway, CAST(tags AS VARCHAR), thinking_tokens'


@pytest.mark.parametrize("record", [row(), payload()])
def test_labels(tmp_path: Path, record: Record) -> None:
    assert told(tmp_path, record, columns=LABELS) == [
        (
            "/chat",
            "bot",
            "marketing",
            "u-1",
            "s-1",
            2000.0,
            1000.0,
            "gateway_estimate",
            "litellm",
            "{campaign=autumn, branch=main, urgent=true}",
            5,
        )
    ]


def test_what_only_a_payload_tells(tmp_path: Path) -> None:
    columns = "request_id, workspace, max_tokens, stream"
    assert told(tmp_path, payload(), columns=columns) == [("req_1", "wrkspc_1", 256, True)]


def test_labels_when_some_are_missing(tmp_path: Path) -> None:
    bare = json.dumps({"usage_object": usage()})
    found = told(
        tmp_path,
        row(1, metadata=bare, request_tags="[]"),
        row(2, metadata=bare, model_group="", api_key="sk-0123456789abcdefghij"),
        columns="endpoint, api_key, team",
    )
    assert found[0] == ("writer", "sha256:" + "8" * 64, "team-1")
    assert found[1][0] is None and found[1][1].startswith("sha256:") and "sk-" not in found[1][1]


class TestPasses:
    """With usage_object.iterations the bill is the list: prompt_tokens is the sum of all passes."""

    def entry(self, kind: str, fresh: int, out: int, **more: Any) -> Record:
        cache = {"cache_read_input_tokens": 0, "cache_creation_input_tokens": 0}
        return {"type": kind, "input_tokens": fresh, "output_tokens": out} | cache | more

    def test_an_advisor_is_billed_at_its_own_model(self, tmp_path: Path) -> None:
        used = usage(read=0, prompt_tokens=4908, completion_tokens=143, iterations=[
            self.entry("message", 1128, 110), self.entry("advisor_message", 2518, 22, model="claude-opus-4-8"), self.entry("message", 1262, 11),
        ])  # fmt: skip
        found = told(tmp_path, row(1, used), columns="row_kind, model, input_tokens, output_tokens, requests")
        assert found == [
            ("call", "claude-sonnet-4-6", 1128, 110, 1),
            ("advisor", "claude-opus-4-8", 2518, 22, 0),
            ("call", "claude-sonnet-4-6", 1262, 11, 0),
        ]

    def test_a_compaction_reads_and_writes_the_cache_itself(self, tmp_path: Path) -> None:
        written = {
            "cache_creation_input_tokens": 55096,
            "cache_creation": {"ephemeral_5m_input_tokens": 55096, "ephemeral_1h_input_tokens": 0},
        }
        used = usage(read=0, w5=55096, prompt_tokens=55425, completion_tokens=136, iterations=[
            self.entry("compaction", 100, 131, **written), self.entry("message", 229, 5),
        ])  # fmt: skip
        assert sorted(told(tmp_path, row(1, used))) == [(100, 0, 55096, 0, 131), (229, 0, 0, 0, 5)]


def test_its_own_cache_is_free(tmp_path: Path) -> None:
    found = told(tmp_path, row(1), row(2, cache_hit="True"), row(3, cache_hit="False"), columns="unbilled, requests")
    assert found == [(None, 1), ("gateway_cache", 1), (None, 1)]
    assert audit(tmp_path / "store").spend().total_usd == 2 * USD


def test_lines_that_cost_nothing(tmp_path: Path) -> None:
    none = {"prompt_tokens": 0, "completion_tokens": 0}
    log = write(
        tmp_path / "spend.jsonl",
        [
            row(1),
            row(1),
            row(2, model="gpt-4o-mini", custom_llm_provider="openai"),
            row(3, none, status="failure"),
            row(4, none, model="", custom_llm_provider=""),
            row(5, model="", custom_llm_provider="openai"),
            row(6, {"prompt_tokens": -1, "completion_tokens": 2}),
            "cut",
        ],
    )
    report = read(tmp_path / "store", log)
    assert fates(report) == (1, 1, 4, 2)
    assert dict(report.counted.ignored) == {
        "failed call without usage": 1,
        "other vendor's model": 2,
        "record without usage": 1,
    }


@pytest.mark.parametrize(
    ("more", "way"),
    [
        ({"custom_llm_provider": "bedrock", "model": "us.anthropic.claude-sonnet-4-6", "api_base": "https://bedrock-runtime.us-east-1.amazonaws.com/m"},
         ("aws_bedrock", "us-east-1", "regional", "claude-sonnet-4-6")),
        ({"custom_llm_provider": "vertex_ai", "api_base": "https://us-east5-aiplatform.googleapis.com/v1"},
         ("gcp_vertex", "us-east5", None, "claude-sonnet-4-6")),
        ({"custom_llm_provider": "vertex_ai", "api_base": "https://aiplatform.googleapis.com/v1"},
         ("gcp_vertex", "global", None, "claude-sonnet-4-6")),
        ({"custom_llm_provider": "azure_ai"}, ("azure_foundry", None, None, "claude-sonnet-4-6")),
    ],
)  # fmt: skip
def test_clouds_behind_it(tmp_path: Path, more: Record, way: tuple[str | None, ...]) -> None:
    assert told(tmp_path, row(1, **more), columns="provider, region, routing, model") == [way]


def test_a_batch_is_one_row_of_many_requests(tmp_path: Path) -> None:
    used = usage(read=0)
    batch = row(1, used, call_type="aretrieve_batch", metadata=json.dumps(metadata(used, batch_successful_requests=40)))
    assert told(tmp_path, batch, columns="tier, requests, prompt_tokens") == [("batch", 40, None)]


def test_the_table_as_csv_gives_the_same_calls(tmp_path: Path) -> None:
    records = [row(1), row(2, usage(read=0, w5=48, w1=2000)), row(3, cache_hit="True"), row(4, model="gpt-4o-mini")]
    out = io.StringIO()
    writer = csv.DictWriter(out, fieldnames=list(records[0]))
    writer.writeheader()
    writer.writerows(records)
    report = ingested(tmp_path / "csv", out.getvalue(), name="spend.csv")
    assert (dict(report.formats), fates(report)) == ({"litellm": 1}, (3, 0, 1, 0))
    read(tmp_path / "json" / "store", write(tmp_path / "spend.jsonl", records))
    columns = f"{CLASSES}, {LABELS}, unbilled, identity"
    assert rows(tmp_path / "csv" / "store", columns) == rows(tmp_path / "json" / "store", columns)
    assert fates(ingested(tmp_path / "json", out.getvalue(), name="spend.csv")) == (0, 3, 1, 0)


def test_one_document_is_read_like_lines(tmp_path: Path) -> None:
    (tmp_path / "spend.json").write_text(json.dumps([row(1), row(2)], indent=1))
    assert fates(read(tmp_path / "store", tmp_path / "spend.json")) == (2, 0, 0, 0)


@quick
@given(st.lists(garbage(row(9), [["metadata"], ["request_tags"]]), max_size=5))
def test_garbage_between_rows(lines: list[str]) -> None:
    survives([row(1), payload(2)], lines, 2 * USD, 2)


@quick
@given(
    garbage(
        payload(9),
        [["metadata", "usage_object"], ["metadata", "usage_object", "iterations"], ["metadata", "spend_logs_metadata"]],
    )
)
def test_garbage_in_payloads(line: str) -> None:
    survives([row(1), payload(2)], [line], 2 * USD, 2)


@pytest.mark.parametrize(
    "lines",
    [
        [{"message": json.dumps(payload()), "level": "INFO", "timestamp": "2026-11-02T10:00:09Z"}],
        [{"litellm_call_id": "call-1", "model": "claude-sonnet-4-6", "standard_logging_object": payload()}],
        [{"event": "success", "jsonPayload": {"standard_logging_object": payload()}}, {"event": "started"}],
        [payload(), {"msg": json.dumps({"note": "no call"})}, payload()],
    ],
)
def test_payloads_inside_what_is_around_them(tmp_path: Path, lines: list[Record]) -> None:
    report = read(tmp_path / "store", write(tmp_path / "proxy.jsonl", lines))
    assert dict(report.formats) == {"litellm": 1} and report.counted.kept == 1 and report.counted.rejected == 0
    assert rows(tmp_path / "store", "input_tokens, cache_read_tokens, output_tokens, request_id") == [
        (3, 1111, 14, "req_1")
    ]


@pytest.mark.parametrize("indent", [None, 2])
def test_rows_listed_in_an_answer_of_the_proxy(tmp_path: Path, indent: int | None) -> None:
    answer = {"data": [row(1), row(2)], "total": 2, "page": 1}
    (tmp_path / "logs.json").write_text(json.dumps(answer, indent=indent))
    report = read(tmp_path / "store", tmp_path / "logs.json")
    assert dict(report.formats) == {"litellm": 1} and fates(report) == (2, 0, 0, 0)
    assert audit(tmp_path / "store").spend().total_usd == 2 * USD


def test_rows_listed_on_a_line_stand_on_that_line(tmp_path: Path) -> None:
    nameless = {key: value for key, value in row(3).items() if key not in ("request_id", "litellm_call_id", "id")}
    lines = [{"data": [row(1), row(2)]}, {"data": [nameless, nameless, row(4) | {"prompt_tokens": "x"}]}, row(5)]
    report = read(tmp_path / "store", write(tmp_path / "answers.jsonl", lines))
    assert fates(report) == (5, 0, 0, 1)
    assert [reject.line for reject in report.rejects] == [2]
    assert sorted(line for (line,) in rows(tmp_path / "store", "line")) == [1, 1, 2, 2, 3]
