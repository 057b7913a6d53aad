"""Logs of the clouds' own: Bedrock's invocation log, Vertex AI's request-response log, Azure API Management's table."""

from __future__ import annotations

import gzip
import json
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from exports import CLASSES, fates, garbage, native_again, quick, rows, survives, told
from hypothesis import given
from hypothesis import strategies as st
from logs import audit, read, table, write

Record = dict[str, Any]


def message(model: str = "claude-sonnet-4-6", **usage: Any) -> Record:
    """An answer of the Messages API."""
    counts = {
        "input_tokens": 12,
        "cache_creation_input_tokens": 2048,
        "cache_read_input_tokens": 4096,
        "output_tokens": 300,
    }
    content = [{"type": "text", "text": "…"}]
    return {
        "id": "msg_bdrk_1",
        "type": "message",
        "model": model,
        "content": content,
        "stop_reason": "end_turn",
        "usage": counts | usage,
    }


def split(w5: int, w1: int) -> dict[str, int]:
    return {"ephemeral_5m_input_tokens": w5, "ephemeral_1h_input_tokens": w1}


def invoked(n: int = 1, body: Any = None, *, model: str = "global.anthropic.claude-sonnet-4-6", **more: Any) -> Record:
    """A record of Bedrock's log."""
    return {
        "timestamp": f"2026-11-02T10:00:{n:02d}Z",
        "accountId": "111122223333",
        "identity": {"arn": "arn:aws:sts::111122223333:assumed-role/shop/ana"},
        "region": "us-east-1",
        "requestId": f"request-{n}",
        "operation": "InvokeModel",
        "modelId": model,
        "input": {
            "inputBodyJson": {},
            "inputTokenCount": 12,
            "cacheReadInputTokenCount": 4096,
            "cacheWriteInputTokenCount": 2048,
        },
        "output": {"outputBodyJson": body, "outputTokenCount": 300},
        "schemaType": "ModelInvocationLog",
        "schemaVersion": "1.0",
    } | more


class TestBedrock:
    def test_the_ttl_of_writes_is_in_the_body(self, tmp_path: Path) -> None:
        answer = message(cache_creation=split(48, 2000))
        events = [
            {"type": "message_start", "message": message(cache_creation=split(0, 2048), output_tokens=1)},
            {"type": "content_block_start", "content_block": {"type": "text"}},
            {"type": "message_delta", "delta": {"stop_reason": "end_turn"}, "usage": {"output_tokens": 300}},
            {
                "type": "message_stop",
                "amazon-bedrock-invocationMetrics": {"invocationLatency": 4100, "firstByteLatency": 600},
            },
        ]
        details = [{"ttl": "1h", "inputTokens": 1948}, {"ttl": "5m", "inputTokens": 100}]
        converse = {"output": {"message": {"content": [{"text": "…"}]}}, "stopReason": "end_turn", "metrics": {"latencyMs": 900},
                    "usage": {"inputTokens": 12, "outputTokens": 300, "cacheReadInputTokenCount": 4096, "cacheReadInputTokens": 4096,
                              "cacheWriteInputTokenCount": 2048, "cacheWriteInputTokens": 2048, "cacheDetails": details}}  # fmt: skip
        records = [
            invoked(1, answer),
            invoked(2, events),
            invoked(3, converse),
            invoked(4),
            invoked(5, json.dumps(answer)),
        ]
        assert told(tmp_path, *records, columns=f"{CLASSES}, latency_ms, ttft_ms, stop_reason") == [
            (12, 4096, 48, 2000, 300, None, None, "end_turn"),
            (12, 4096, 0, 2048, 300, 4100, 600, "end_turn"),
            (12, 4096, 100, 1948, 300, 900, None, "end_turn"),
            (12, 4096, 2048, 0, 300, None, None, None),
            (12, 4096, 48, 2000, 300, None, None, "end_turn"),
        ]
        assert [flags for (flags,) in rows(tmp_path / "store", "flags")] == [[], [], [], ["ttl_unknown"], []]

    @pytest.mark.parametrize(
        ("model", "routing", "usd"),
        [
            ("global.anthropic.claude-sonnet-4-6", "global", "0.0045"),
            ("us.anthropic.claude-sonnet-4-6", "regional", "0.00495"),
            (
                "arn:aws:bedrock:us-east-1:111122223333:inference-profile/eu.anthropic.claude-sonnet-4-6",
                "regional",
                "0.00495",
            ),
            ("anthropic.claude-sonnet-4-20250514-v1:0", "bare", "0.0045"),
            ("us.anthropic.claude-sonnet-4-20250514-v1:0", "regional", "0.0045"),
        ],
    )
    def test_the_profile_decides_the_premium(self, tmp_path: Path, model: str, routing: str, usd: str) -> None:
        record = invoked(model=model, input={"inputTokenCount": 1000}, output={"outputTokenCount": 100})
        assert told(tmp_path, record, columns="provider, routing, region") == [("aws_bedrock", routing, "us-east-1")]
        assert audit(tmp_path / "store").spend().total_usd == Decimal(usd)  # 1,000 x 3 + 100 x 15, per million

    def test_results_of_a_batch_job_cost_half(self, tmp_path: Path) -> None:
        converse = {"usage": {"inputTokens": 9, "outputTokens": 4, "totalTokens": 13}, "stopReason": "end_turn"}
        titan = {"inputTextTokenCount": 8, "results": [{"tokenCount": 3}]}
        asked = {"anthropic_version": "bedrock-2023-05-31", "max_tokens": 64, "messages": []}
        results: list[Record] = [
            {"recordId": "R1", "modelInput": asked, "modelOutput": message(cache_creation=split(48, 2000))},
            {"recordId": "R2", "modelInput": asked, "error": {"errorCode": 400, "errorMessage": "…"}},
            {"modelOutput": converse, "modelInput": {"messages": []}, "recordId": "R3"},
            {"recordId": "R4", "modelInput": {"inputText": "…"}, "modelOutput": titan},
        ]
        results_file = write(tmp_path / "job-2026-11-02" / "calls.jsonl.out", results)
        sums = {
            "totalRecordCount": 4,
            "processedRecordCount": 4,
            "successRecordCount": 3,
            "errorRecordCount": 1,
            "inputTokenCount": 29,
            "outputTokenCount": 307,
        }
        report = read(tmp_path / "store", results_file)
        assert fates(report) == (2, 0, 2, 0)
        assert report.counted.ignored == {"batch record without usage": 2}
        report = read(tmp_path / "store", write(tmp_path / "job-2026-11-02" / "manifest.json.out", [sums]))
        assert fates(report) == (0, 0, 1, 0)
        assert report.counted.ignored == {"sums of a batch job": 1}
        assert sorted(rows(tmp_path / "store", f"{CLASSES}, model, provider, tier, tags['recordId']")) == [
            (9, 0, 0, 0, 4, None, "aws_bedrock", "batch", "R3"),
            (12, 4096, 48, 2000, 300, "claude-sonnet-4-6", "aws_bedrock", "batch", "R1"),
        ]
        plain = (
            Decimal(12 * 3 + 2000 * 6 + 300 * 15) + Decimal("4096") * Decimal("0.3") + Decimal("48") * Decimal("3.75")
        )
        assert audit(tmp_path / "store").spend().total_usd == plain / 2 / 1_000_000

    def test_records_that_a_delivery_stream_put_on_one_line(self, tmp_path: Path) -> None:
        text = "".join(json.dumps(invoked(n)) for n in (1, 2, 3))
        (tmp_path / "stream-1-2026-11-02").write_text(text)
        report = read(tmp_path / "store", tmp_path / "stream-1-2026-11-02")
        assert dict(report.formats) == {"bedrock": 1}
        assert fates(report) == (3, 0, 0, 0)
        assert rows(tmp_path / "store", CLASSES) == [(12, 4096, 2048, 0, 300)] * 3

    def test_a_query_s_columns_saved_as_a_table(self, tmp_path: Path) -> None:
        names = "@timestamp requestId modelId input.inputTokenCount input.cacheReadInputTokenCount input.cacheWriteInputTokenCount"
        (tmp_path / "logs-insights-results.csv").write_text(
            f"{','.join(names.split())},output.outputTokenCount\n"
            "2026-11-02 10:00:01.000,request-1,global.anthropic.claude-sonnet-4-6,12,4096,2048,300\n"
        )
        read(tmp_path / "store", tmp_path / "logs-insights-results.csv")
        assert rows(tmp_path / "store", f"{CLASSES}, provider, routing, request_id") == [
            (12, 4096, 2048, 0, 300, "aws_bedrock", "global", "request-1")
        ]

    def test_an_application_profile_names_no_model_its_answer_does(self, tmp_path: Path) -> None:
        profile = "arn:aws:bedrock:us-east-1:111122223333:application-inference-profile/a1b2c3"
        records = [invoked(1, message("claude-sonnet-4-20250514"), model=profile), invoked(2, None, model=profile)]
        report = read(tmp_path / "store", write(tmp_path / "log.jsonl", records))
        assert fates(report) == (2, 0, 0, 0)
        assert rows(tmp_path / "store", "model, model_raw") == [
            ("claude-sonnet-4-20250514", "claude-sonnet-4-20250514"),
            (None, profile),
        ]

    def test_converse_counts_the_cache_under_either_name(self, tmp_path: Path) -> None:
        usage = {
            "inputTokens": 12,
            "outputTokens": 300,
            "cacheReadInputTokenCount": 4096,
            "cacheWriteInputTokenCount": 48,
        }
        record = invoked(body={"usage": usage}, operation="Converse", input={})
        assert told(tmp_path, record) == [(12, 4096, 48, 0, 300)]

    def test_what_is_no_call(self, tmp_path: Path) -> None:
        guardrail = {"content": [], "amazon-bedrock-guardrailAction": "INTERVENED"}
        nothing: Record = {"input": {}, "output": {"outputBodyJson": None}}
        records = [
            invoked(1, errorCode="ThrottlingException", **nothing),
            invoked(2, input={"inputTokenCount": 0}, output={"outputTokenCount": 0, "outputBodyJson": guardrail}),
            invoked(3, model="amazon.nova-lite-v1:0"),
            invoked(4, **nothing),
            {"level": "info", "message": "rotated"},
            invoked(5),
        ]
        report = read(tmp_path / "store", write(tmp_path / "log.jsonl", records))
        assert report.counted.ignored == {
            "failed invocation: ThrottlingException": 1,
            "blocked by a guardrail": 1,
            "other vendor's model": 1,
            "record without usage": 1,
            "no invocation record": 1,
        }
        assert fates(report) == (1, 0, 5, 0)

    def test_who_called_and_why(self, tmp_path: Path) -> None:
        record = invoked(
            requestMetadata={"feature": "search", "team": "growth", "note": "x" * 300}, operation="ConverseStream"
        )
        columns = '"user", endpoint, team, tags, "stream"'
        assert told(tmp_path, record, columns=columns) == [
            (
                "arn:aws:sts::111122223333:assumed-role/shop/ana",
                "search",
                "growth",
                {"feature": "search", "team": "growth", "accountId": "111122223333"},
                True,
            )
        ]

    def test_every_way_out_of_cloudwatch_tells_the_same(self, tmp_path: Path) -> None:
        record = invoked(body=message(cache_creation=split(0, 2048)))
        text = json.dumps(record)
        escaped = text.replace('"', '""')
        listed = [
            {"field": "@timestamp", "value": "2026-11-02 10:00:01.000"},
            {"field": "@message", "value": text},
            {"field": "@ptr", "value": "x"},
        ]
        forms = {
            "s3.json.gz": text,
            "wrapped.jsonl": json.dumps({"@timestamp": "2026-11-02 10:00:01.000", "@message": text}),
            "insights.json": json.dumps({"results": [listed], "status": "Complete"}, indent=1),
            "lists.json": json.dumps([listed], indent=1),
            "lists.jsonl": json.dumps(listed),
            "events.json": json.dumps({"events": [{"timestamp": 1793613601000, "message": text, "eventId": "1"}]}),
            "subscription.json.gz": json.dumps(
                {"messageType": "DATA_MESSAGE", "logEvents": [{"id": "1", "timestamp": 1793613601000, "message": text}]}
            ),
            "export.log": f"2026-11-02T10:00:01.000Z {text}",
            "console.csv": f'@timestamp,@message\n2026-11-02 10:00:01.000,"{escaped}"',
        }
        for name, form in forms.items():
            path = tmp_path / name
            path.write_bytes(gzip.compress(form.encode() + b"\n") if name.endswith(".gz") else form.encode() + b"\n")
            report = read(tmp_path / f"store {name}", path)
            others = 2 if name == "lists.jsonl" else 0  # one list is a document of its fields
            assert (name, report.formats, fates(report)) == (name, {"bedrock": 1}, (1, 0, others, 0))
        tables = [table(tmp_path / f"store {name}", without=["source", "line"]) for name in forms]
        assert all(t == tables[0] for t in tables)
        assert read(tmp_path / "all", *(tmp_path / name for name in forms)).counted.duplicates == len(forms) - 1

    def test_bodies_in_files_of_their_own_are_no_second_call(self, tmp_path: Path) -> None:
        folder = tmp_path / "AWSLogs/1/BedrockModelInvocationLogs/us-east-1/2026/11/02/10"
        place = {"outputBodyS3Path": "s3://logs/data/request-1_output.json.gz", "outputTokenCount": 300}
        write(folder / "log.json", [invoked(1, output=place)])
        write(folder / "data/request-1_output.json", [message()])
        report = read(tmp_path / "store", tmp_path / "AWSLogs")
        assert report.formats == {"bedrock": 2} and fates(report) == (1, 0, 1, 0)

    def test_chosen_fields_of_a_query(self, tmp_path: Path) -> None:
        values = {"@timestamp": "2026-11-02 10:00:01.000", "requestId": "r-1", "modelId": "global.anthropic.claude-sonnet-4-6",
                  "input.inputTokenCount": "12", "input.cacheReadInputTokenCount": "4096", "output.outputTokenCount": "300",
                  "identity.arn": "arn:aws:iam::1:user/ana"}  # fmt: skip
        path = tmp_path / "answer.json"
        path.write_text(json.dumps({"results": [[{"field": k, "value": v} for k, v in values.items()]]}))
        read(tmp_path / "store", path)
        assert rows(tmp_path / "store", f'CAST(ts AS VARCHAR), "user", flags, {CLASSES}') == [
            ("2026-11-02 10:00:01+00", "arn:aws:iam::1:user/ana", [], 12, 4096, 0, 0, 300)
        ]

    def test_the_prompt_of_a_logged_request_is_kept_as_hashes(self, tmp_path: Path) -> None:
        asked = {"anthropic_version": "bedrock-2023-05-31", "max_tokens": 512, "system": "You are terse." * 100,
                 "messages": [{"role": "user", "content": "Hello " * 100}]}  # fmt: skip
        counts = {"inputTokenCount": 100}
        usage = {"input_tokens": 100, "cache_creation_input_tokens": 0, "cache_read_input_tokens": 0}
        whole = invoked(1, message(**usage), input={"inputBodyJson": asked, **counts})
        cut = invoked(
            2,
            message(**usage),
            input={"inputBodyJson": asked | {"system": "", "messages": []}, "inputTokenCount": 10**6},
        )
        columns = "max_tokens, message_count, list_transform(prompt_blocks, lambda b: b.kind), list_sum(list_transform(prompt_blocks, lambda b: b.tokens))"
        assert told(tmp_path, whole, cut, columns=columns)[0] == (512, 1, ["system", "message"], 100)

    def test_passes_in_the_body_are_billed_one_by_one(self, tmp_path: Path) -> None:
        passes = [
            {
                "type": "message",
                "input_tokens": 12,
                "output_tokens": 300,
                "cache_read_input_tokens": 4096,
                "cache_creation_input_tokens": 2048,
            },
            {"type": "compaction", "input_tokens": 50_000, "output_tokens": 500},
        ]
        record = invoked(
            body=message(cache_creation=split(2048, 0), iterations=passes), input={"inputTokenCount": 50_012}
        )
        assert told(tmp_path, record, columns=f"row_kind, {CLASSES}") == [
            ("call", 12, 4096, 2048, 0, 300),
            ("compaction", 50_000, 0, 0, 0, 500),
        ]

    @quick
    @given(st.lists(garbage(invoked(), [["input", "inputTokenCount"], ["output", "outputBodyJson"]]), max_size=8))
    def test_garbage(self, lines: list[str]) -> None:
        survives([invoked(50), invoked(51)], lines, Decimal("0.02"), 2)

    def test_written_back_as_native_records_the_bill_is_the_same(self, tmp_path: Path) -> None:
        records = [
            invoked(n, message(model, cache_creation=split(n, 2048 - n)), model=f"{way}anthropic.{model}")
            for n, (way, model) in enumerate(
                [
                    ("us.", "claude-sonnet-4-6"),
                    ("global.", "claude-opus-4-8"),
                    ("eu.", "claude-haiku-4-5-20251001-v1:0"),
                ]
            )
        ]
        read(tmp_path / "store", write(tmp_path / "log.jsonl", records))
        assert native_again(tmp_path / "store") == audit(tmp_path / "store").spend().total_usd


def logged(n: int = 1, answer: Any = None, **more: Any) -> Record:
    """A row of Vertex AI's table."""
    answer = message("claude-sonnet-4-6", cache_creation=split(2000, 48)) if answer is None else answer
    return {
        "logging_time": f"2026-11-02 10:00:{n:02d}.123456 UTC",
        "request_id": str(7000 + n),
        "model": "claude-sonnet-4-6@default",
        "full_request": json.dumps({"anthropic_version": "vertex-2023-10-16", "max_tokens": 1024, "messages": []}),
        "full_response": answer if isinstance(answer, str) else json.dumps(answer),
        "metadata": json.dumps({"request_latency": 1830}),
    } | more


class TestVertex:
    def test_the_answer_is_anthropics_own(self, tmp_path: Path) -> None:
        as_object = logged(2) | {
            "full_response": message(cache_creation=split(2000, 48)),
            "metadata": {"request_latency": 5},
        }
        events = [{"type": "message_start", "message": message(cache_creation=split(2000, 48))},
                  {"type": "message_delta", "delta": {}, "usage": {"output_tokens": 300}}]  # fmt: skip
        error = logged(4, {"type": "error", "error": {"type": "rate_limit_error"}})
        records = [
            logged(1),
            as_object,
            logged(3, events),
            error,
            logged(5, {}),
            logged(6, "quota"),
            logged(7, model="gemini-3-pro"),
        ]
        report = read(tmp_path / "store", write(tmp_path / "log.jsonl", records))
        assert fates(report) == (4, 0, 3, 0)
        assert report.counted.ignored == {"error response": 1, "record without usage": 2}
        figures = ("gcp_vertex", "claude-sonnet-4-6", 1024, ["sampled"], 12, 4096, 2000, 48, 300)
        assert rows(tmp_path / "store", f"provider, model, max_tokens, flags, {CLASSES}")[:3] == [figures] * 3
        assert rows(tmp_path / "store", "latency_ms")[:2] == [(1830,), (5,)]

    @pytest.mark.parametrize("quoted", [False, True])
    def test_a_stream_logged_as_text(self, tmp_path: Path, quoted: bool) -> None:
        events = [
            {"type": "message_start", "message": message(cache_creation=split(2000, 48), output_tokens=1)},
            {"type": "message_delta", "delta": {"stop_reason": "end_turn"}, "usage": {"output_tokens": 300}},
        ]
        text = "".join(f"event: {e['type']}\ndata: {json.dumps(e)}\n\n" for e in events)
        line = logged(1) | {"full_response": json.dumps(text) if quoted else text}
        assert told(tmp_path, line) == [(12, 4096, 2000, 48, 300)]

    def test_a_location_that_is_named_decides_the_premium(self, tmp_path: Path) -> None:
        place = "projects/shop/locations/{}/publishers/anthropic/models/claude-sonnet-4-6"
        usage = {
            "cache_read_input_tokens": 0,
            "cache_creation_input_tokens": 0,
            "input_tokens": 1000,
            "output_tokens": 100,
        }
        for region, usd in (("us-east5", "0.00495"), ("global", "0.0045")):
            record = logged(1, message(**usage), endpoint=place.format(region))
            assert told(tmp_path / region, record, columns="region") == [(region,)]
            assert audit(tmp_path / region / "store").spend().total_usd == Decimal(usd)

    def test_as_csv(self, tmp_path: Path) -> None:
        record = logged(1)
        cells = ['"' + str(v).replace('"', '""') + '"' for v in record.values()]
        path = tmp_path / "bq.csv"
        path.write_text(",".join(record) + "\n" + ",".join(cells) + "\n")
        assert read(tmp_path / "store", path).formats == {"vertex": 1}
        assert rows(tmp_path / "store", CLASSES) == [(12, 4096, 2000, 48, 300)]

    @quick
    @given(st.lists(garbage(logged()), max_size=8))
    def test_garbage(self, lines: list[str]) -> None:
        survives([logged(50), logged(51)], lines, Decimal("0.02"), 2)

    def test_written_back_as_native_records_the_bill_is_the_same(self, tmp_path: Path) -> None:
        told(tmp_path, *(logged(n, message(input_tokens=n * 1000, service_tier="batch")) for n in range(3)))
        assert native_again(tmp_path / "store") == audit(tmp_path / "store").spend().total_usd


HEADER = "TimeGenerated,CorrelationId,ModelName,DeploymentName,PromptTokens,CompletionTokens,TotalTokens,IsStreamCompletion,Region,SequenceNumber"


def row(
    n: int,
    prompt: object = 1200,
    output: object = 300,
    *,
    model: str = "claude-sonnet-4-6",
    deployment: str = "sonnet",
    part: int = 0,
) -> str:
    return f"2026-11-02T10:00:{n:02d}.1234567Z,c-{n},{model},{deployment},{prompt},{output},,false,eastus2,{part}"


def apim(folder: Path, *lines: str, header: str = HEADER) -> list[tuple[Any, ...]]:
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "llm.csv").write_text("\n".join((header, *lines)) + "\n")
    report = read(folder / "store", folder / "llm.csv")
    assert report.formats == {"azure_apim": 1}
    fates(report)
    return rows(folder / "store", "identity, model, input_tokens, output_tokens")


class TestAzureApim:
    def test_the_rows_of_one_message_are_one_call(self, tmp_path: Path) -> None:
        lines = [
            row(1),
            row(1, part=1),
            row(2, "", "", part=0),
            row(2, 900, 40, part=1),
            row(3, 0, 0),
            row(3, 50, 5, part=2),
            row(4, model="gpt-5"),
        ]
        assert apim(tmp_path, *lines) == [
            ("azure_apim:c-1", "claude-sonnet-4-6", 1200, 300),
            ("azure_apim:c-2", "claude-sonnet-4-6", 900, 40),
            ("azure_apim:c-3", "claude-sonnet-4-6", 50, 5),
        ]
        assert (
            rows(tmp_path / "store", "provider, region, tags, flags")
            == [("azure_foundry", "eastus2", {"deployment": "sonnet"}, ["basis_assumed", "cache_unseen"])] * 3
        )

    def test_the_counts_of_a_call_may_stand_on_two_rows(self, tmp_path: Path) -> None:
        lines = [
            row(1, 1200, ""),
            row(1, "", 300, part=1),
            row(2, 900, 0),
            row(2, 0, 40, part=1),
            row(2, -1, 40, part=2),
        ]
        assert apim(tmp_path, *lines) == [
            ("azure_apim:c-1", "claude-sonnet-4-6", 1200, 300),
            ("azure_apim:c-2", "claude-sonnet-4-6", 900, 40),
        ]

    def test_thousands_may_be_separated(self, tmp_path: Path) -> None:
        assert apim(tmp_path, row(1, '"1,200"', "300")) == [("azure_apim:c-1", "claude-sonnet-4-6", 1200, 300)]

    def test_the_model_may_stand_on_another_row(self, tmp_path: Path) -> None:
        lines = [
            row(1, "", "", part=1),
            row(1, model="", deployment=""),
            row(2, model="", deployment="claude-haiku-4-5"),
        ]
        assert apim(tmp_path, *lines) == [
            ("azure_apim:c-1", "claude-sonnet-4-6", 1200, 300),
            ("azure_apim:c-2", "claude-haiku-4-5-20251001", 1200, 300),
        ]

    def test_the_portal_writes_american_times(self, tmp_path: Path) -> None:
        header = HEADER.replace("TimeGenerated", "TimeGenerated [UTC]")
        line = row(1).replace("2026-11-02T10:00:01.1234567Z", '"11/2/2026, 1:00:01.123 PM"')
        assert apim(tmp_path, line, row(2).replace("Z", ""), header=header)
        assert rows(tmp_path / "store", "CAST(ts AS VARCHAR), flags") == [
            ("2026-11-02 10:00:02.123456+00", ["basis_assumed", "cache_unseen"]),
            ("2026-11-02 13:00:01.123+00", ["basis_assumed", "cache_unseen"]),
        ]

    def test_json_of_the_query_api_the_cli_and_storage(self, tmp_path: Path) -> None:
        names, values = HEADER.split(","), row(1).split(",")
        record: Record = dict(zip(names, values, strict=True)) | {"PromptTokens": 1200, "CompletionTokens": 300}
        columns = [{"name": name, "type": "string"} for name in names]
        table_of_all = {
            "tables": [
                {
                    "name": "PrimaryResult",
                    "columns": columns,
                    "rows": [list(record.values()), list((record | {"CorrelationId": "c-2"}).values())],
                }
            ]
        }
        camel = {name[0].lower() + name[1:]: value for name, value in record.items()}
        stored = {"time": camel.pop("timeGenerated"), "category": "GatewayLlmLogs", "properties": camel}
        for name, text, calls in (
            ("api.json", json.dumps(table_of_all, indent=1), 2),
            ("cli.json", json.dumps([record, record]), 1),
            ("export.jsonl", json.dumps(record) + "\n" + json.dumps(record), 1),
            ("storage.json", json.dumps(stored), 1),
        ):
            (tmp_path / name).write_text(text + "\n")
            report = read(tmp_path / f"store {name}", tmp_path / name)
            assert (name, report.formats, report.counted.kept) == (name, {"azure_apim": 1}, calls)
            assert rows(tmp_path / f"store {name}", "identity, CAST(ts AS VARCHAR), input_tokens, output_tokens")[0] == (
                "azure_apim:c-1", "2026-11-02 10:00:01.123456+00", 1200, 300)  # fmt: skip

    @quick
    @given(st.lists(st.lists(st.text(max_size=6, alphabet='a",;1 \t{\n'), max_size=12).map(",".join), max_size=6))
    def test_garbage(self, lines: list[str]) -> None:
        import tempfile

        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / "llm.csv"
            path.write_text("\n".join((HEADER, row(1), *lines, row(2))) + "\n")
            report = read(Path(folder) / "store", path)
            fates(report)
            assert report.counted.kept >= 1

    def test_written_back_as_native_records_the_bill_is_the_same(self, tmp_path: Path) -> None:
        apim(tmp_path, row(1), row(2, model="claude-opus-4-8"), row(3, 250_000, 17))
        assert native_again(tmp_path / "store") == audit(tmp_path / "store").spend().total_usd
