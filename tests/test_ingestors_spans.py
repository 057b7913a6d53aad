"""Braintrust, PostHog, Datadog and Weave: what spans and events of calls count, and which of them count the same twice."""

from __future__ import annotations

import csv
import json
from collections.abc import Sequence
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from exports import CLASSES, fates, garbage, native_again, quick, rows, survives, told
from hypothesis import given
from hypothesis import strategies as st
from logs import audit, read, record, write

Record = dict[str, Any]
EPOCH = 1793613600
"""2026-11-02T10:00:00Z."""


def as_csv(path: Path, records: Sequence[Record]) -> Path:
    """A CSV export: nested values as JSON in a cell, nothing for null."""
    with path.open("w", newline="") as out:
        to = csv.writer(out)
        to.writerow(records[0])
        for record in records:
            to.writerow("" if v is None else v if isinstance(v, str) else json.dumps(v) for v in record.values())
    return path


def span(n: int = 1, metrics: Record | None = None, kind: str = "llm", parents: Any = None, **more: Any) -> Record:
    """A row of Braintrust's logs."""
    counts = {"start": EPOCH + n + 0.25, "end": EPOCH + n + 1.5, "prompt_tokens": 9703.0, "completion_tokens": 200,
              "prompt_cached_tokens": 9000, "prompt_cache_creation_tokens": 700, "tokens": 9903}  # fmt: skip
    return {
        "id": f"row-{n}", "created": f"2026-11-02T10:00:{n:02d}.000Z", "project_id": "p-1", "span_id": f"span-{n}", "root_span_id": "span-0",
        "span_parents": parents, "span_attributes": {"name": "anthropic.messages.create", "type": kind}, "metrics": counts | (metrics or {}),
        "metadata": {"model": "claude-sonnet-4-6", "provider": "anthropic", "feature": "search", "prompt": "never kept"}, "tags": ["plan:pro"],
        "error": None, "input": "a question", "output": "an answer",
    } | more  # fmt: skip


class TestBraintrust:
    def test_input_includes_what_was_cached(self, tmp_path: Path) -> None:
        columns = f"{CLASSES}, latency_ms, endpoint, project, tags, CAST(ts AS VARCHAR)"
        assert told(tmp_path, span(), columns=columns) == [
            (3, 9000, 700, 0, 200, 1250, "search", "p-1", {"feature": "search", "plan": "pro"}, "2026-11-02 10:00:01.25+00")
        ]  # fmt: skip

    def test_a_name_whose_input_cannot_include_it_leaves_it_out(self, tmp_path: Path) -> None:
        own = span(3, span_attributes={"name": "own call", "type": "llm"})
        spans = [span(1, {"prompt_tokens": 3}), span(2, {"prompt_tokens": 12000}), own]
        assert told(tmp_path, *spans) == [
            (3, 9000, 700, 0, 200),
            (12000, 9000, 700, 0, 200),
            (3, 9000, 700, 0, 200),
        ]

    @pytest.mark.parametrize("total", [3000.0, None], ids=["beside the total", "in its place"])
    def test_the_split_of_writes_searches_and_tier_where_the_wrapper_says_them(
        self, tmp_path: Path, total: float | None
    ) -> None:
        metrics = {
            "prompt_tokens": 12010.0,
            "prompt_cache_creation_tokens": total,
            "prompt_cache_creation_5m_tokens": 1000.0,
            "prompt_cache_creation_1h_tokens": 2000.0,
            "server_tool_use_web_search_requests": 2.0,
            "server_tool_use_web_fetch_requests": 1.0,
        }
        metadata = {"model": "claude-sonnet-4-6", "provider": "anthropic", "usage_service_tier": "priority"}
        columns = f"{CLASSES}, web_searches, tier, array_to_string(flags, ' ')"
        assert told(tmp_path, span(1, metrics, metadata=metadata), columns=columns) == [
            (10, 9000, 1000, 2000, 200, 2, "priority", "")
        ]

    def test_what_sums_or_repeats_is_no_call(self, tmp_path: Path) -> None:
        """A task has the sum of its calls, a wrapper's llm span repeats the one that it makes, however they are ordered."""
        spans = [
            span(1, kind="task"),
            span(2, parents=["span-1"]),
            span(3, parents=["span-2"]),
            span(4, parents=["span-1"]),
            span(5, kind="tool", parents=["span-4"], metrics={"prompt_tokens": None, "completion_tokens": None}),
            span(6, kind="score"),
        ]
        for order in (spans, spans[::-1]):
            name = str(order[0]["id"])
            report = read(tmp_path / name, write(tmp_path / f"{name}.jsonl", order))
            assert report.counted.ignored == {"span that repeats those in it": 1, "span: score": 1, "span: task": 1, "span: tool": 1}  # fmt: skip
            assert rows(tmp_path / name, "identity") == [("braintrust:row-3",), ("braintrust:row-4",)]

    def test_what_is_no_call_of_claude(self, tmp_path: Path) -> None:
        nothing = {"prompt_tokens": None, "completion_tokens": None}
        records = [
            span(1, metadata={"model": "gpt-5"}),
            span(2, nothing, error="overloaded"),
            span(3, nothing),
            span(4, {"prompt_tokens": -1}),
            span(5, metadata={"model": "us.anthropic.claude-sonnet-4-6", "provider": "bedrock"}),
        ]
        report = read(tmp_path / "store", write(tmp_path / "logs.jsonl", records))
        assert report.counted.ignored == {
            "failed call without usage": 1,
            "other vendor's model": 1,
            "span without usage": 1,
        }
        assert [r.reason for r in report.rejects] == ["input_tokens is -1"]
        assert rows(tmp_path / "store", "provider") == [("aws_bedrock",)]

    def test_every_export_tells_the_same(self, tmp_path: Path) -> None:
        records = [span(1), span(2, kind="task"), span(3, parents=["span-2"])]
        write(tmp_path / "rows.jsonl", records)
        (tmp_path / "fetch.json").write_text(json.dumps({"events": records, "cursor": None}, indent=1))
        (tmp_path / "sql.json").write_text(json.dumps({"data": records, "schema": {}}))
        as_csv(tmp_path / "rows.csv", records)
        names = ["rows.jsonl", "fetch.json", "sql.json", "rows.csv"]
        for name in names:
            report = read(tmp_path / f"store {name}", tmp_path / name)
            assert (name, report.formats, fates(report)) == (name, {"braintrust": 1}, (2, 0, 1, 0))
            assert rows(tmp_path / f"store {name}", CLASSES) == [(3, 9000, 700, 0, 200)] * 2
        assert read(tmp_path / "all", *(tmp_path / n for n in names)).counted.kept == 2

    @quick
    @given(st.lists(garbage(span(), [["metrics", "prompt_tokens"], ["metadata", "model"], ["span_parents"]]), max_size=8))  # fmt: skip
    def test_garbage(self, lines: list[str]) -> None:
        survives([span(50), span(51)], lines, Decimal("0.01"), 2)

    def test_written_back_as_native_records_the_bill_is_the_same(self, tmp_path: Path) -> None:
        told(tmp_path, span(1), span(2, {"prompt_tokens": 12000}))
        assert native_again(tmp_path / "store") == audit(tmp_path / "store").spend().total_usd


def event(n: int = 1, name: str = "$ai_generation", **more: Any) -> Record:
    """An event of PostHog: Anthropic's own counts."""
    told = {
        "$ai_model": "claude-sonnet-4-6", "$ai_provider": "anthropic", "$ai_input_tokens": 12000, "$ai_output_tokens": 200,
        "$ai_cache_read_input_tokens": 9000, "$ai_cache_creation_input_tokens": 700, "$ai_latency": 1.25, "$ai_trace_id": "t-1",
        "$ai_session_id": "s-9", "$ai_input": [{"role": "user", "content": "never kept"}], "$lib": "posthog-python", "feature": "search",
    }  # fmt: skip
    properties = told | {f"$ai_{key}": value for key, value in more.items()}
    return {
        "uuid": f"event-{n}",
        "event": name,
        "distinct_id": "u-1",
        "timestamp": f"2026-11-02T10:00:{n:02d}.000Z",
        "properties": {key: value for key, value in properties.items() if value is not None},
    }


class TestPosthog:
    @pytest.mark.parametrize(
        ("more", "flags", "figures"),
        [
            ({}, "ttl_unknown", (12000, 9000, 700, 0, 200)),
            ({"cache_reporting_exclusive": True}, "ttl_unknown", (12000, 9000, 700, 0, 200)),
            ({"cache_reporting_exclusive": False}, "ttl_unknown", (2300, 9000, 700, 0, 200)),
            # Another provider's: PostHog takes Claude to leave them out, and nothing shows it.
            ({"provider": "vercel"}, "basis_assumed ttl_unknown", (12000, 9000, 700, 0, 200)),
            ({"provider": "vercel", "input_tokens": 3}, "ttl_unknown", (3, 9000, 700, 0, 200)),
            # Said to include more than there is.
            ({"cache_reporting_exclusive": False, "input_tokens": 3}, "basis_assumed ttl_unknown", (3, 9000, 700, 0, 200)),
            ({"cache_creation_5m_input_tokens": 200, "cache_creation_1h_input_tokens": 500}, "", (12000, 9000, 200, 500, 200)),
            ({"cache_read_input_tokens": None, "cache_creation_input_tokens": None}, "cache_unseen", (12000, 0, 0, 0, 200)),
        ],
    )  # fmt: skip
    def test_whether_the_input_has_what_was_cached(
        self, tmp_path: Path, more: Record, flags: str, figures: tuple[int, ...]
    ) -> None:
        columns = f"{CLASSES}, array_to_string(list_sort(flags), ' ')"
        assert told(tmp_path, event(**more), columns=columns) == [(*figures, flags)]

    def test_who_why_and_how_long(self, tmp_path: Path) -> None:
        one = event(total_cost_usd=0.02, max_tokens=512, web_search_count=2, time_to_first_token=0.5)
        columns = '"user", session, endpoint, tags, latency_ms, ttft_ms, max_tokens, web_searches, cost_reported_usd'
        assert told(tmp_path, one, columns=columns) == [
            ("u-1", "s-9", "search", {"feature": "search"}, 1250, 500, 512, 2, Decimal("0.02"))
        ]

    def test_only_generations_of_claude_are_calls(self, tmp_path: Path) -> None:
        """A trace and a span have the sums of what is in them, and the page's own events stand between."""
        records = [
            {"uuid": "page-1", "event": "$pageview", "distinct_id": "u-1", "timestamp": "2026-11-02T10:00:00Z", "properties": {}},
            event(1, "$ai_trace"),
            event(2, "$ai_span"),
            event(3),
            event(3),
            event(4, model="gpt-5", provider="openai"),
            event(5, is_error=True, http_status=529, input_tokens=0, output_tokens=0, cache_read_input_tokens=None, cache_creation_input_tokens=None),
            event(6, input_tokens=None, output_tokens=None, cache_read_input_tokens=None, cache_creation_input_tokens=None),
            event(7, output_tokens=-1),
        ]  # fmt: skip
        report = read(tmp_path / "store", write(tmp_path / "events.jsonl", records))
        assert fates(report) == (1, 1, 6, 1)
        assert report.counted.ignored == {
            "event: $pageview": 1,
            "event: $ai_trace": 1,
            "event: $ai_span": 1,
            "failed call without usage": 1,
            "generation without usage": 1,
            "other vendor's model": 1,
        }

    def test_every_export_tells_the_same(self, tmp_path: Path) -> None:
        import pyarrow as pa
        import pyarrow.parquet as pq

        records = [event(1), event(2, "$ai_trace"), event(3, cache_reporting_exclusive=False)]
        write(tmp_path / "events.jsonl", records)
        texts = [r | {"properties": json.dumps(r["properties"])} for r in records]
        write(tmp_path / "batch.jsonl", texts)
        (tmp_path / "api.json").write_text(json.dumps({"next": None, "results": records}, indent=1))
        as_csv(tmp_path / "events.csv", records)
        flat = [
            {k: v for k, v in r.items() if k != "properties"}
            | {f"properties.{k}": r["properties"].get(k) for k in records[2]["properties"]}
            for r in records
        ]
        as_csv(tmp_path / "query.csv", flat)
        pq.write_table(pa.Table.from_pylist(texts), tmp_path / "batch.parquet")
        names = ["events.jsonl", "batch.jsonl", "api.json", "events.csv", "query.csv", "batch.parquet"]
        for name in names:
            report = read(tmp_path / f"store {name}", tmp_path / name)
            assert (name, report.formats, fates(report)) == (name, {"posthog": 1}, (2, 0, 1, 0))
            assert (name, rows(tmp_path / f"store {name}", f'"user", session, {CLASSES}')) == (
                name,
                [("u-1", "s-9", 12000, 9000, 700, 0, 200), ("u-1", "s-9", 2300, 9000, 700, 0, 200)],
            )
        assert read(tmp_path / "all", *(tmp_path / n for n in names)).counted.kept == 2

    @quick
    @given(st.lists(garbage(event(), [["properties", "$ai_model"], ["properties", "$ai_input_tokens"]]), max_size=8))
    def test_garbage(self, lines: list[str]) -> None:
        survives([event(50), event(51)], lines, Decimal("0.05"), 2)

    def test_written_back_as_native_records_the_bill_is_the_same(self, tmp_path: Path) -> None:
        told(tmp_path, event(1), event(2, cache_reporting_exclusive=False))
        assert native_again(tmp_path / "store") == audit(tmp_path / "store").spend().total_usd


def observed(n: int = 1, kind: str = "llm", metrics: Record | None = None, **more: Any) -> Record:
    """A span of Datadog's export API."""
    counts = {"input_tokens": 9703, "output_tokens": 200, "cache_read_input_tokens": 9000, "cache_write_input_tokens": 700,
              "ephemeral_5m_input_tokens": 200, "ephemeral_1h_input_tokens": 500, "non_cached_input_tokens": 3,
              "estimated_total_cost": 11700000}  # fmt: skip
    attributes = {
        "span_id": f"span-{n}", "trace_id": "trace-1", "parent_id": "undefined", "span_kind": kind, "ml_app": "shop", "session_id": "s-9",
        "model_name": "claude-sonnet-4-6", "model_provider": "anthropic", "name": "Messages.create", "start_ns": (EPOCH + n) * 10**9,
        "duration": 1250000000.0, "status": "ok", "metrics": counts | (metrics or {}), "input": {"value": "never kept"},
        "tags": ["env:prod", "feature:search", "version:", "source:integration"],
    } | more  # fmt: skip
    return {"id": f"span-{n}", "type": "span", "attributes": attributes}


class TestDatadog:
    @pytest.mark.parametrize(
        ("metrics", "flags", "figures"),
        [
            ({}, [], (3, 9000, 200, 500, 200)),
            ({"ephemeral_5m_input_tokens": None, "ephemeral_1h_input_tokens": None}, ["ttl_unknown"], (3, 9000, 700, 0, 200)),
            # Written by hand, as Anthropic counts.
            ({"input_tokens": 3}, ["basis_assumed"], (3, 9000, 200, 500, 200)),
        ],
    )  # fmt: skip
    def test_input_includes_what_was_cached(
        self, tmp_path: Path, metrics: Record, flags: list[str], figures: tuple[int, ...]
    ) -> None:
        assert told(tmp_path, observed(metrics=metrics), columns=f"flags, {CLASSES}") == [(flags, *figures)]

    def test_who_why_and_how_long(self, tmp_path: Path) -> None:
        columns = "session, project, environment, endpoint, tags, latency_ms, cost_reported_usd, CAST(ts AS VARCHAR)"
        tags = {"env": "prod", "feature": "search", "source": "integration", "model_provider": "anthropic"}
        assert told(tmp_path, observed(), columns=columns) == [
            ("s-9", "shop", "prod", "search", tags, 1250, Decimal("0.0117"), "2026-11-02 10:00:01+00")
        ]

    def test_what_sums_or_repeats_is_no_call(self, tmp_path: Path) -> None:
        records = [
            observed(1, "agent"),
            observed(2, "workflow", parent_id="span-1"),
            observed(3, parent_id="span-2"),  # a framework's, around the library's own
            observed(4, parent_id="span-3"),
            observed(5, model_name="gpt-5", model_provider="openai"),
            observed(6, metrics={"input_tokens": 0, "output_tokens": 0}, status="error"),
            observed(7, metrics={"input_tokens": None, "output_tokens": None}),
            observed(8, metrics={"output_tokens": -1}),
            observed(9, model_provider="amazon_bedrock"),
        ]
        path = tmp_path / "spans.json"
        path.write_text(json.dumps({"data": records, "meta": {"status": "done"}}))
        report = read(tmp_path / "store", path)
        assert (report.formats, fates(report)) == ({"datadog_llm": 1}, (2, 0, 6, 1))
        assert report.counted.ignored == {
            "failed call without usage": 1,
            "other vendor's model": 1,
            "span that repeats those in it": 1,
            "span without usage": 1,
            "span: agent": 1,
            "span: workflow": 1,
        }
        assert rows(tmp_path / "store", "identity, provider") == [
            ("datadog:trace-1/span-4", "anthropic"),
            ("datadog:trace-1/span-9", "aws_bedrock"),
        ]
        # The attributes alone, one a line, are the same spans.
        lines = write(tmp_path / "attributes.jsonl", [r["attributes"] for r in records])
        assert fates(read(tmp_path / "store", lines)) == (0, 2, 6, 1)

    @quick
    @given(st.lists(garbage(observed(), [["attributes", "metrics"], ["attributes", "start_ns"]]), max_size=8))
    def test_garbage(self, lines: list[str]) -> None:
        survives([observed(50), observed(51)], lines, Decimal("0.01"), 2)

    def test_written_back_as_native_records_the_bill_is_the_same(self, tmp_path: Path) -> None:
        told(tmp_path, observed(1), observed(2, metrics={"input_tokens": 3}))
        assert native_again(tmp_path / "store") == audit(tmp_path / "store").spend().total_usd


ANSWER = {
    "id": "msg_7",
    "type": "message",
    "role": "assistant",
    "model": "claude-sonnet-4-6",
    "content": [{"type": "text", "text": "never kept"}],
    "stop_reason": "end_turn",
    "usage": {
        "input_tokens": 3,
        "output_tokens": 200,
        "cache_read_input_tokens": 9000,
        "cache_creation_input_tokens": 700,
        "cache_creation": {"ephemeral_5m_input_tokens": 200, "ephemeral_1h_input_tokens": 500},
    },
}


def called(n: int = 1, output: Any = None, counts: Record | None = None, parent: int | None = None, **more: Any) -> Record:  # fmt: skip
    """A call of Weave."""
    summed = {
        "requests": 1,
        "input_tokens": 9703,
        "output_tokens": 200,
        "cache_read_input_tokens": 9000,
        "cache_creation_input_tokens": 700,
    }
    return {
        "id": f"call-{n}", "project_id": "growth/shop", "op_name": "weave:///growth/shop/op/anthropic.Messages.create:9aF", "trace_id": "trace-1",
        "parent_id": parent and f"call-{parent}", "started_at": f"2026-11-02T10:00:{n:02d}.000Z", "ended_at": f"2026-11-02T10:00:{n:02d}.750Z",
        "inputs": {"model": "claude-sonnet-4-6", "max_tokens": 512, "messages": "never kept"}, "output": output, "exception": None,
        "summary": {"usage": {"claude-sonnet-4-6": counts or summed}}, "attributes": {"feature": "search", "weave": {"os": "Linux"}},
        "wb_user_id": "u-1", "thread_id": "s-9",
    } | more  # fmt: skip


class TestWeave:
    @pytest.mark.parametrize(
        ("output", "counts", "flags", "figures"),
        [
            # The API's own answer, whatever the summary makes of it.
            (ANSWER, {"input_tokens": 3}, [], (3, 9000, 200, 500, 200)),
            (ANSWER, {"input_tokens": 9703}, [], (3, 9000, 200, 500, 200)),
            # The summary alone: more cached tokens than input show that it leaves them out.
            ("text", {"input_tokens": 3, "output_tokens": 200, "cache_read_input_tokens": 9000}, [], (3, 9000, 0, 0, 200)),
            ("text", {"input_tokens": 9703, "output_tokens": 200, "cache_read_input_tokens": 9000}, ["basis_assumed"], (703, 9000, 0, 0, 200)),
            ("text", {"prompt_tokens": 9703, "completion_tokens": 200, "prompt_tokens_details": {"cached_tokens": 9000}}, [], (703, 9000, 0, 0, 200)),
            ("text", {"input_tokens": 9703, "output_tokens": 200}, ["cache_unseen"], (9703, 0, 0, 0, 200)),
        ],
    )  # fmt: skip
    def test_what_the_counts_are_taken_from(
        self, tmp_path: Path, output: Any, counts: Record, flags: list[str], figures: tuple[int, ...]
    ) -> None:
        assert told(tmp_path, called(output=output, counts=counts), columns=f"flags, {CLASSES}") == [(flags, *figures)]

    def test_who_why_and_how_long(self, tmp_path: Path) -> None:
        columns = '"user", session, project, endpoint, tags, latency_ms, max_tokens, stop_reason, message_id'
        tags = {"feature": "search", "op": "anthropic.Messages.create"}
        assert told(tmp_path, called(output=ANSWER), columns=columns) == [
            ("u-1", "s-9", "growth/shop", "search", tags, 750, 512, "end_turn", "msg_7")
        ]

    def test_a_call_that_sums_others_is_none(self, tmp_path: Path) -> None:
        """In one file the leaves count; of an export of roots alone, the root does, as the requests that it sums."""
        sums = {
            "requests": 2,
            "input_tokens": 6,
            "output_tokens": 400,
            "cache_read_input_tokens": 18000,
            "cache_creation_input_tokens": 1400,
        }
        root = called(1, counts=sums, op_name="weave:///growth/shop/op/answer:1")
        middle = called(2, counts=sums, parent=1)
        leaves = [called(3, ANSWER | {"id": "msg_3"}, parent=2), called(4, ANSWER | {"id": "msg_4"}, parent=2)]
        report = read(tmp_path / "whole", write(tmp_path / "whole.jsonl", [root, middle, *leaves]))
        assert report.counted.ignored == {"span that repeats those in it": 2}
        assert rows(tmp_path / "whole", f"requests, {CLASSES}") == [(1, 3, 9000, 200, 500, 200)] * 2
        read(tmp_path / "roots", write(tmp_path / "roots.jsonl", [root]))
        assert rows(tmp_path / "roots", f"requests, {CLASSES}") == [(2, 6, 18000, 1400, 0, 400)]

    def test_each_model_of_a_call(self, tmp_path: Path) -> None:
        counts = {"requests": 1, "input_tokens": 5, "output_tokens": 7, "cache_read_input_tokens": 0}
        usage = {"claude-sonnet-4-6": counts, "claude-haiku-4-5": counts, "gpt-5": counts}
        report = read(tmp_path / "store", write(tmp_path / "calls.jsonl", [called(summary={"usage": usage})]))
        assert report.counted.ignored == {"other vendor's model": 1}
        assert sorted(rows(tmp_path / "store", "model_raw, input_tokens")) == [("claude-haiku-4-5", 5), ("claude-sonnet-4-6", 5)]  # fmt: skip

    def test_what_is_no_call(self, tmp_path: Path) -> None:
        records = [
            called(1, summary={"status_counts": {"error": 1}}, exception="APIStatusError: overloaded"),
            called(2, summary={"usage": {}}),
            called(3, counts={"input_tokens": -1, "output_tokens": 2}),
        ]
        (tmp_path / "calls.json").write_text(json.dumps(records, indent=2))
        report = read(tmp_path / "store", tmp_path / "calls.json")
        assert (report.formats, fates(report)) == ({"weave": 1}, (0, 0, 2, 1))
        assert report.counted.ignored == {"call without usage": 1, "failed call without usage": 1}

    @quick
    @given(st.lists(garbage(called(output=ANSWER), [["summary", "usage"], ["output", "usage"], ["op_name"]]), max_size=8))  # fmt: skip
    def test_garbage(self, lines: list[str]) -> None:
        survives([called(50, ANSWER), called(51, ANSWER)], lines, Decimal("0.01"), 2)

    def test_written_back_as_native_records_the_bill_is_the_same(self, tmp_path: Path) -> None:
        told(tmp_path, called(1, ANSWER), called(2), called(3, counts={"prompt_tokens": 50, "completion_tokens": 9}))
        assert native_again(tmp_path / "store") == audit(tmp_path / "store").spend().total_usd

    def test_an_application_s_log_of_the_same_message_is_joined(self, tmp_path: Path) -> None:
        app = record(1, message_id="msg_7", input=3, read=9000, w5=200, w1=500, output=200, model="claude-sonnet-4-6")
        read(
            tmp_path / "store",
            write(tmp_path / "weave.jsonl", [called(1, ANSWER)]),
            write(tmp_path / "app.jsonl", [app]),
        )
        assert rows(tmp_path / "store", 'format, request_id, "user"') == [("native", "req_1", "u-1")]
