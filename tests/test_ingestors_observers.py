"""Langfuse, LangSmith, Helicone and Portkey: what their exports count, in every shape they are saved in."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from exports import CLASSES, fates, garbage, native_again, quick, rows, survives, told
from hypothesis import given
from hypothesis import strategies as st
from logs import audit, read, record, write

from claude_audit.calls import Assumptions
from claude_audit.errors import AuditError

Record = dict[str, Any]


def as_csv(path: Path, records: Iterable[Mapping[str, Any]]) -> Path:
    """A CSV export: nested values as JSON in a cell, nothing for null."""

    def cell(value: object) -> str:
        text = "" if value is None else value if isinstance(value, str) else json.dumps(value)
        return '"' + text.replace('"', '""') + '"'

    lines = [",".join(map(cell, r.values())) for r in records]
    path.write_text(",".join(next(iter(records))) + "\n" + "\n".join(lines) + "\n")
    return path


def observed(n: int = 1, usage: Any = None, **more: Any) -> Record:
    """An observation of Langfuse."""
    usage = {"input": 210, "output": 60, "input_cached_tokens": 9000} if usage is None else usage
    return {
        "id": f"observation-{n}",
        "traceId": "t-1",
        "type": "GENERATION",
        "name": "claude-call",
        "startTime": f"2026-11-02T10:00:{n:02d}.000Z",
        "endTime": f"2026-11-02T10:00:{n:02d}.500Z",
        "completionStartTime": None,
        "model": "claude-sonnet-5-5",
        "modelParameters": {"max_tokens": 1024},
        "usageDetails": usage,
        "totalCost": 0.01,
        "latency": 0.5,
        "timeToFirstToken": 0.4,
        "environment": "production",
        "metadata": {"team": "growth", "prompt": "never kept", "nested": {"a": 1}},
        "userId": "u-1",
        "sessionId": "s-9",
        "traceName": "checkout",
        "traceTags": ["web", "plan:pro"],
    } | more


def snake(observation: Record) -> Record:
    """The same as the export to blob storage has it: other names, times without a zone."""
    names = {"model": "provided_model_name", "traceTags": "tags"}
    named = {names.get(k, "".join("_" + c.lower() if c.isupper() else c for c in k)): v for k, v in observation.items()}
    for name in ("start_time", "end_time"):
        named[name] = named[name].replace("T", " ").replace("Z", "000")
    return named | {"model_parameters": json.dumps(named["model_parameters"])}


class TestLangfuse:
    @pytest.mark.parametrize(
        ("usage", "figures"),
        [
            # OpenTelemetry: reasoning is taken out of the output, the TTL is unknown.
            ({"input": 210, "output": 60, "input_cached_tokens": 9000, "input_cache_creation": 400, "output_reasoning_tokens": 40, "total": 9710}, (210, 9000, 400, 0, 100)),
            # AI SDK: what is left of the writes beside the split.
            ({"input": 15, "output": 7, "input_cache_read": 16, "input_cache_creation": 100, "input_cache_creation_5m": 800, "input_cache_creation_1h": 1200}, (15, 16, 900, 1200, 7)),
            ({"input": 15, "output": 7, "input_cache_creation": 0, "input_cache_creation_5m": 800, "input_cache_creation_1h": 1200}, (15, 0, 800, 1200, 7)),
            ({"input": 15, "output": 7, "input_cache_creation": 2000, "input_cache_creation_5m": 800, "input_cache_creation_1h": 1200}, (15, 0, 800, 1200, 7)),
            # The plain SDK: Anthropic's names, text as the export writes it.
            ({"input": "1200", "output": "35", "cache_read_input_tokens": "4200", "cache_creation_input_tokens": "0"}, (1200, 4200, 0, 0, 35)),
            ({"input_tokens": 12, "output_tokens": 35, "cache_read_input_tokens": 4200, "cache_creation_input_tokens": 9}, (12, 4200, 9, 0, 35)),
            # LangChain's handler: each detail of the input under its own name, and taken out of it.
            ({"input": 31, "output": 9, "input_cache_read": 500, "input_cache_creation": 0, "input_ephemeral_5m_input_tokens": 20, "input_ephemeral_1h_input_tokens": 70, "total": 630}, (31, 500, 20, 70, 9)),
            # LiteLLM's callback takes the reads out of the input and leaves the writes in.
            ({"input": 121, "output": 9, "total": 630, "cache_read_input_tokens": 500, "cache_creation_input_tokens": 90}, (31, 500, 90, 0, 9)),
            ({"input": 31, "output": 9, "total": 630, "cache_read_input_tokens": 500, "cache_creation_input_tokens": 90}, (31, 500, 90, 0, 9)),
            # One class alone: what has no count is left out of the export.
            ({"input": 12, "output_reasoning_tokens": 40}, (12, 0, 0, 0, 40)),
            ({"input_cache_creation": 900}, (0, 0, 900, 0, None)),
        ],
    )  # fmt: skip
    def test_what_the_counts_are_called(self, tmp_path: Path, usage: Record, figures: tuple[int, ...]) -> None:
        assert told(tmp_path, observed(usage=usage)) == [figures]

    @pytest.mark.parametrize(
        ("input", "total", "flags"),
        [(700, 709, "basis_assumed ttl_unknown"), (500, 509, "ttl_unknown"), (700, 1299, "ttl_unknown"), (700, None, "ttl_unknown")],
        ids=["could include them", "less than the cached", "adds all", "no total"],
    )  # fmt: skip
    def test_a_total_of_input_and_output_leaves_open_what_input_includes(
        self, tmp_path: Path, input: int, total: int | None, flags: str
    ) -> None:
        usage = {"input": input, "output": 9, "cache_read_input_tokens": 500, "cache_creation_input_tokens": 90}
        record = observed(usage=usage | ({"total": total} if total else {}))
        assert told(tmp_path, record, columns=f"{CLASSES}, array_to_string(list_sort(flags), ' ')") == [
            (input, 500, 90, 0, 9, flags)
        ]

    @pytest.mark.parametrize(
        ("usage", "figures", "flags"),
        [
            # The anthropic SDK's spans: a name that Langfuse does not know, so that its writes stay in the input.
            ({"input": 1010, "output": 9, "input_cached_tokens": 9000, "cache_write.input_tokens": 1000, "total": 11019}, (10, 9000, 1000, 0, 9), "ttl_unknown"),
            # Strands on Bedrock: the reads were taken out of an input that never had them; the total is Bedrock's.
            ({"input": 0, "output": 9, "input_cached_tokens": 9000, "cache_write_input_tokens": 1000, "total": 10219}, (210, 9000, 1000, 0, 9), "ttl_unknown"),
            ({"input": 210, "output": 9, "input_cached_tokens": 9000, "cache_write_input_tokens": 1000, "total": 10219}, (210, 9000, 1000, 0, 9), "ttl_unknown"),
            ({"input": 210, "output": 9, "input_cached_tokens": 9000, "cache_write_input_tokens": 1000}, (210, 9000, 1000, 0, 9), "ttl_unknown"),
            # The AI SDK on Bedrock: by version the input has the writes or not.
            ({"input": 1010, "output": 9, "input_cache_creation": 0, "input_cache_write": 1000}, (1010, 0, 1000, 0, 9), "basis_assumed ttl_unknown"),
            ({"input": 10, "output": 9, "input_cache_creation": 0, "input_cache_write": 1000}, (10, 0, 1000, 0, 9), "ttl_unknown"),
        ],
    )  # fmt: skip
    def test_writes_by_names_that_langfuse_does_not_know(
        self, tmp_path: Path, usage: Record, figures: tuple[int, ...], flags: str
    ) -> None:
        columns = f"{CLASSES}, array_to_string(list_sort(flags), ' ')"
        assert told(tmp_path, observed(usage=usage), columns=columns) == [(*figures, flags)]

    def test_a_generation_around_others_that_add_up_to_it_repeats_them(self, tmp_path: Path) -> None:
        """An agent's span, a cycle without counts of its own, and in it the calls."""
        cached = {"input": 5, "output": 30, "input_cached_tokens": 900}
        spans = [
            observed(1, {"input": 900, "output": 50}, name="agent"),
            observed(2, {}, type="SPAN", parentObservationId="observation-1"),
            observed(3, {"input": 500, "output": 30}, parentObservationId="observation-2"),
            observed(
                4, {"input": 400, "output": 15, "output_reasoning_tokens": 5}, parentObservationId="observation-2"
            ),
            # A tool of a call that asked a model itself.
            observed(5, {"input": 7, "output": 11}, parentObservationId="observation-4"),
            # A decorator that alone tells the cached tokens of the call in it.
            observed(6, cached),
            observed(7, {"input": 5, "output": 30}, parentObservationId="observation-6"),
        ]
        for order in (spans, [*spans[::-1], spans[3]]):
            name = str(len(order))
            report = read(tmp_path / name, write(tmp_path / f"{name}.jsonl", order))
            assert report.counted.ignored == {"observation: SPAN": 1, "span that repeats those in it": 2}
            assert rows(tmp_path / name, "identity, output_tokens") == [
                ("langfuse:observation-3", 30),
                ("langfuse:observation-4", 20),
                ("langfuse:observation-5", 11),
                ("langfuse:observation-6", 30),
            ]

    def test_only_generations_of_claude_are_calls(self, tmp_path: Path) -> None:
        records = [
            observed(1),
            observed(1),
            observed(2, type="SPAN", model=None),
            observed(3, type="EVENT", usage={}),
            observed(4, model="gpt-4o-mini"),
            observed(5, usage={}),
            observed(6, usage={"input": -3, "output": 1}),
        ]
        report = read(tmp_path / "store", write(tmp_path / "observations.jsonl", records))
        assert fates(report) == (1, 1, 4, 1)
        assert report.counted.ignored == {
            "generation without usage": 1,
            "observation: EVENT": 1,
            "observation: SPAN": 1,
            "other vendor's model": 1,
        }
        assert [r.reason for r in report.rejects] == ["input_tokens is -3"]

    def test_who_why_and_how_long(self, tmp_path: Path) -> None:
        columns = '"user", session, environment, endpoint, team, tags, latency_ms, ttft_ms, max_tokens, cost_reported_usd, thinking_tokens'
        assert told(tmp_path, observed(), columns=columns) == [
            ("u-1", "s-9", "production", "checkout", "growth", {"team": "growth", "web": "true", "plan": "pro"}, 500, 400, 1024, Decimal("0.01"), None)
        ]  # fmt: skip

    def test_every_export_tells_the_same(self, tmp_path: Path) -> None:
        import pyarrow as pa
        import pyarrow.parquet as pq

        records = [
            observed(1),
            observed(2, {"input": 1, "output": 2, "input_cache_creation_1h": 3}),
            observed(3, type="SPAN", usage={}),
        ]
        write(tmp_path / "ui.jsonl", records)
        (tmp_path / "ui.json").write_text(json.dumps(records, indent=1))
        (tmp_path / "api.json").write_text(json.dumps({"data": records, "meta": {"page": 1}}))
        as_csv(tmp_path / "ui.csv", records)
        blobs = [snake(r) for r in records]
        write(tmp_path / "blob.jsonl", blobs)
        as_csv(tmp_path / "blob.csv", blobs)
        typed = pa.schema(
            [(k, pa.map_(pa.string(), pa.uint64())) if k == "usage_details"
             else (k, pa.map_(pa.string(), pa.string())) if k == "metadata"
             else (k, pa.timestamp("us")) if k in ("start_time", "end_time")
             else (k, pa.list_(pa.string())) if k == "tags"
             else (k, pa.float64()) if k in ("total_cost", "latency", "time_to_first_token")
             else (k, pa.string()) for k in blobs[0]]
        )  # fmt: skip
        import datetime

        for blob in blobs:
            blob["metadata"] = {k: str(v) for k, v in blob["metadata"].items()}
            for name in ("start_time", "end_time"):
                blob[name] = datetime.datetime.fromisoformat(blob[name])
        pq.write_table(pa.Table.from_pylist(blobs, schema=typed), tmp_path / "blob.parquet")
        columns = f"identity, CAST(ts AS VARCHAR), flags, {CLASSES}, latency_ms, max_tokens, \"user\", endpoint, team, tags['plan']"
        expected = [
            (
                "langfuse:observation-1",
                "2026-11-02 10:00:01+00",
                [],
                210,
                9000,
                0,
                0,
                60,
                500,
                1024,
                "u-1",
                "checkout",
                "growth",
                "pro",
            ),
            (
                "langfuse:observation-2",
                "2026-11-02 10:00:02+00",
                [],
                1,
                0,
                0,
                3,
                2,
                500,
                1024,
                "u-1",
                "checkout",
                "growth",
                "pro",
            ),
        ]
        names = ["ui.jsonl", "ui.json", "api.json", "ui.csv", "blob.jsonl", "blob.csv", "blob.parquet"]
        for name in names:
            report = read(tmp_path / f"store {name}", tmp_path / name, assume=Assumptions(timezone="Asia/Tokyo"))
            assert (name, report.formats, fates(report)) == (name, {"langfuse": 1}, (2, 0, 1, 0))
            assert (name, rows(tmp_path / f"store {name}", columns)) == (name, expected)
        assert read(tmp_path / "all", *(tmp_path / n for n in names)).counted.kept == 2

    def test_a_table_that_grew_is_read_from_its_header(self, tmp_path: Path) -> None:
        path = as_csv(tmp_path / "ui.csv", [observed(1)])
        read(tmp_path / "store", path)
        as_csv(path, [observed(1), observed(2)])
        assert fates(read(tmp_path / "store", path)) == (1, 1, 0, 0)

    def test_parquet_that_nobody_knows_is_said_to_be_so(self, tmp_path: Path) -> None:
        import pyarrow as pa
        import pyarrow.parquet as pq

        pq.write_table(pa.table({"a": [1]}), tmp_path / "a.parquet")
        (tmp_path / "cut.parquet").write_bytes((tmp_path / "a.parquet").read_bytes()[:-20])
        for name, said in (
            ("a.parquet", "Parquet with no known name of a token count; it has a"),
            ("cut.parquet", "a binary file"),
        ):
            with pytest.raises(AuditError, match=said):
                read(tmp_path / "store", tmp_path / name)

    @quick
    @given(st.lists(garbage(observed(), [["usageDetails", "input"], ["usageDetails", "output"]]), max_size=8))
    def test_garbage(self, lines: list[str]) -> None:
        survives([observed(50), observed(51)], lines, Decimal("0.00384"), 2)

    def test_written_back_as_native_records_the_bill_is_the_same(self, tmp_path: Path) -> None:
        usages = [
            {
                "input": n,
                "output": 9,
                "input_cached_tokens": 7 * n,
                "input_cache_creation": n,
                "output_reasoning_tokens": n,
            }
            for n in (1, 50, 3000)
        ]
        told(tmp_path, *(observed(n, usage) for n, usage in enumerate(usages)))
        assert native_again(tmp_path / "store") == audit(tmp_path / "store").spend().total_usd


def run(n: int = 1, prompt: Any = 12000, output: Any = 200, details: Any = None, **more: Any) -> Record:
    """A run of LangSmith."""
    details = (
        {"cache_read": 9000, "cache_creation": 0, "ephemeral_5m_input_tokens": 500, "ephemeral_1h_input_tokens": 1500}
        if details is None
        else details
    )
    return {
        "id": f"run-{n}",
        "name": "ChatAnthropic",
        "run_type": "llm",
        "start_time": f"2026-11-02T10:00:{n:02d}.100000",
        "end_time": f"2026-11-02T10:00:{n:02d}.600000",
        "trace_id": "run-0",
        "session_id": "project-1",
        "status": "success",
        "error": None,
        "tags": ["prod"],
        "extra": {
            "metadata": {
                "ls_provider": "anthropic",
                "ls_model_name": "claude-sonnet-5-5",
                "ls_max_tokens": 1024,
                "thread_id": "th-1",
                "feature": "search",
            }
        },
        "prompt_tokens": prompt,
        "completion_tokens": output,
        "prompt_token_details": details,
        "completion_token_details": {"reasoning": 12},
        "total_cost": "0.01",
        "events": [{"name": "new_token", "data": [1]}],
    } | more


class TestLangsmith:
    @pytest.mark.parametrize(
        ("details", "figures"),
        [
            (
                {
                    "cache_read": 9000,
                    "cache_creation": 0,
                    "ephemeral_5m_input_tokens": 500,
                    "ephemeral_1h_input_tokens": 1500,
                },
                (1000, 9000, 500, 1500, 200),
            ),
            (
                {
                    "cache_read": 9000,
                    "cache_creation": 0,
                    "ephemeral_5m_input_tokens": 500,
                    "ephemeral_1hr_input_tokens": 1500,
                },
                (1000, 9000, 500, 1500, 200),
            ),
            (
                {"cache_read": 9000, "cache_creation": 2000, "ephemeral_5m_input_tokens": 2000},
                (1000, 9000, 2000, 0, 200),
            ),
            ({"cache_read": 9000, "cache_creation": 2000}, (1000, 9000, 2000, 0, 200)),
            ({}, (12000, 0, 0, 0, 200)),
        ],
    )
    def test_input_includes_what_was_cached(self, tmp_path: Path, details: Record, figures: tuple[int, ...]) -> None:
        assert told(tmp_path, run(details=details)) == [figures]

    def test_a_wrapper_that_left_the_cache_out_is_found_by_what_cannot_be(self, tmp_path: Path) -> None:
        cached = {"cache_read": 39000, "cache_creation": 0}
        runs = [
            run(1, 19, details=cached, name="Messages"),
            run(2, 50000, details=cached, name="Messages"),
            run(3, 50000, details=cached),
        ]
        assert told(tmp_path, *runs) == [(19, 39000, 0, 0, 200), (50000, 39000, 0, 0, 200), (11000, 39000, 0, 0, 200)]

    def test_a_proof_that_comes_later_adds_no_call(self, tmp_path: Path) -> None:
        first, proof = run(1, 50000, details={"cache_read": 39000}), run(2, 19, details={"cache_read": 39000})
        path = write(tmp_path / "runs.jsonl", [first])
        read(tmp_path / "store", path)
        write(path, [first, proof])
        read(tmp_path / "store", path)
        assert rows(tmp_path / "store", f"identity, {CLASSES}") == [
            ("langsmith:run-1", 11000, 39000, 0, 0, 200),
            ("langsmith:run-2", 19, 39000, 0, 0, 200),
        ]

    def test_an_llm_run_around_another_that_tells_the_same_repeats_it(self, tmp_path: Path) -> None:
        records = [
            run(1, 1000, 50, {}, name="decorated"),
            run(2, run_type="chain", parent_run_id="run-1"),
            run(3, 1000, 50, {}, parent_run_id="run-2"),
            run(4, 300, 20, {}, parent_run_id="run-3"),
        ]
        report = read(tmp_path / "store", write(tmp_path / "runs.jsonl", records))
        assert report.counted.ignored == {"run: chain": 1, "span that repeats those in it": 1}
        assert rows(tmp_path / "store", "identity") == [("langsmith:run-3",), ("langsmith:run-4",)]

    def test_writes_that_the_agent_sdk_s_tracer_counts_twice(self, tmp_path: Path) -> None:
        """Its last turn has the hour's writes of all turns once more, as those of five minutes."""
        turns = [
            run(1, 7003, details={"cache_read": 0, "ephemeral_5m_input_tokens": 0, "ephemeral_1hr_input_tokens": 7000}),
            run(2, 7512, details={"cache_read": 7000, "ephemeral_5m_input_tokens": 7500, "ephemeral_1hr_input_tokens": 500}),
        ]  # fmt: skip
        assert told(tmp_path, *turns, columns=f"{CLASSES}, array_to_string(flags, ' ')") == [
            (3, 0, 0, 7000, 200, ""),
            (12, 7000, 0, 500, 200, "basis_assumed"),
        ]

    def test_only_llm_runs_of_claude_are_calls(self, tmp_path: Path) -> None:
        other = {"metadata": {"ls_provider": "openai", "ls_model_name": "gpt-5"}}
        nothing = {"prompt_tokens": None, "completion_tokens": None}
        records = [
            run(1),
            run(2, run_type="chain"),
            run(3, extra=other),
            run(4, **nothing),
            run(5, 700, 0, {}, status="error", error="RateLimitError()"),
            run(6, extra={"metadata": {"ls_provider": "openai"}}),
        ]
        report = read(tmp_path / "store", write(tmp_path / "runs.jsonl", records))
        assert report.counted.ignored == {"other vendor's model": 2, "run without usage": 1, "run: chain": 1}
        assert rows(tmp_path / "store", "identity, status, unbilled") == [
            ("langsmith:run-1", "ok", None),
            ("langsmith:run-5", "error", "error"),
        ]

    def test_who_why_and_how_long(self, tmp_path: Path) -> None:
        columns = (
            "CAST(ts AS VARCHAR), flags, session, project, endpoint, tags, latency_ms, max_tokens, thinking_tokens"
        )
        labels = {"thread_id": "th-1", "feature": "search", "prod": "true"}
        assert told(tmp_path, run(), columns=columns) == [
            ("2026-11-02 10:00:01.1+00", [], "th-1", "project-1", "search", labels, 500, 1024, 12)
        ]

    def test_usage_that_stands_elsewhere(self, tmp_path: Path) -> None:
        usage = {
            "input_tokens": 12000,
            "output_tokens": 200,
            "input_token_details": {"cache_read": 9000, "ephemeral_1h_input_tokens": 2000},
        }
        nothing = {"prompt_tokens": None, "completion_tokens": None, "prompt_token_details": None}
        extra = run()["extra"]
        deep = {"generations": [[{"message": {"kwargs": {"usage_metadata": usage}}}]]}
        records = [
            run(1, **nothing) | {"extra": extra | {"metadata": extra["metadata"] | {"usage_metadata": usage}}},
            run(2, **nothing, outputs={"usage_metadata": usage}),
            run(3, **nothing, outputs=deep),
        ]
        assert told(tmp_path, *records) == [(1000, 9000, 0, 2000, 200)] * 3

    @pytest.mark.parametrize("nothing", [None, 0])
    def test_the_api_s_own_block_where_nothing_else_counts(self, tmp_path: Path, nothing: int | None) -> None:
        """The JavaScript SDK's. Its input leaves the cache out, and proves nothing of other runs of its name."""
        usage = {"input_tokens": 1000, "output_tokens": 200, "cache_read_input_tokens": 9000}
        bare = {"prompt_tokens": nothing, "completion_tokens": nothing, "prompt_token_details": None}
        deep = {"generations": [[{"message": {"kwargs": {"response_metadata": {"usage": usage}}}}]]}
        runs = [run(1, **bare, outputs={"usage": usage}), run(2, **bare, outputs=deep)]
        runs.append(run(3, details={"cache_read": 9000}))
        assert told(tmp_path, *runs) == [(1000, 9000, 0, 0, 200)] * 2 + [(3000, 9000, 0, 0, 200)]

    def test_every_export_tells_the_same(self, tmp_path: Path) -> None:
        import pyarrow as pa
        import pyarrow.parquet as pq

        records = [run(1), run(2, 1000, 90, {"cache_creation": 300}), run(3, run_type="chain")]
        write(tmp_path / "runs.jsonl", records)
        (tmp_path / "runs.json").write_text(json.dumps({"runs": records, "cursors": {}}))
        as_csv(tmp_path / "runs.csv", records)
        flat = [{k: json.dumps(v) if isinstance(v, dict | list) else v for k, v in r.items()} for r in records]
        pq.write_table(pa.Table.from_pylist(flat), tmp_path / "runs.parquet")
        for name in ("runs.jsonl", "runs.json", "runs.csv", "runs.parquet"):
            report = read(tmp_path / f"store {name}", tmp_path / name)
            assert (name, report.formats, fates(report)) == (name, {"langsmith": 1}, (2, 0, 1, 0))
            assert rows(tmp_path / f"store {name}", f"identity, session, {CLASSES}") == [
                ("langsmith:run-1", "th-1", 1000, 9000, 500, 1500, 200),
                ("langsmith:run-2", "th-1", 700, 0, 300, 0, 90),
            ]

    @quick
    @given(st.lists(garbage(run(), [["prompt_token_details", "cache_read"], ["extra", "metadata"]]), max_size=8))
    def test_garbage(self, lines: list[str]) -> None:
        survives([run(50), run(51)], lines, Decimal("0.005"), 2)

    def test_written_back_as_native_records_the_bill_is_the_same(self, tmp_path: Path) -> None:
        told(tmp_path, *(run(n, 12000 + n, n) for n in (1, 20, 30)))
        assert native_again(tmp_path / "store") == audit(tmp_path / "store").spend().total_usd


class TestLangChain:
    """Its usage_metadata, in lines that an application logs."""

    USAGE: Record = {  # noqa: RUF012
        "input_tokens": 12000,
        "output_tokens": 200,
        "total_tokens": 12200,
        "input_token_details": {"cache_read": 9000, "cache_creation": 0, "ephemeral_5m_input_tokens": 500, "ephemeral_1h_input_tokens": 1500},
        "output_token_details": {"reasoning": 12},
    }  # fmt: skip

    def test_its_input_includes_the_cache(self, tmp_path: Path) -> None:
        model = {"timestamp": "2026-11-02T10:00:00Z", "model": "claude-sonnet-5-5"}
        answer = {
            "content": "never kept",
            "usage_metadata": self.USAGE,
            "response_metadata": {"id": "msg_1", "model_name": "claude-sonnet-5-5", "stop_reason": "end_turn"},
        }
        whole = {"input_tokens": 1000, "output_tokens": 200, "cache_read_input_tokens": 9000}
        lines = [
            model | {"usage_metadata": self.USAGE},
            {"time": "2026-11-02T10:00:01Z", "level": "info", "data": model | {"usage_metadata": self.USAGE}},
            {"time": "2026-11-02T10:00:02Z", "event": "llm_end", "response": answer},
            model | {"timestamp": "2026-11-02T10:00:03Z", "usage": whole, "usage_metadata": self.USAGE},
            model | {"timestamp": "2026-11-02T10:00:04Z", "input_tokens": 7, "output_tokens": 8},
            {
                "timestamp": "2026-11-02T10:00:05Z",
                "model": "gemini-2.5-pro",
                "usage_metadata": {"prompt_token_count": 5},
            },
            model | {"timestamp": "2026-11-02T10:00:06Z", "usage": self.USAGE},
        ]
        assert told(tmp_path, *lines, columns=f"model, {CLASSES}, thinking_tokens, message_id, stop_reason") == [
            ("claude-sonnet-5-5", 1000, 9000, 500, 1500, 200, 12, None, None),
            ("claude-sonnet-5-5", 1000, 9000, 500, 1500, 200, 12, None, None),
            ("claude-sonnet-5-5", 1000, 9000, 500, 1500, 200, 12, "msg_1", "end_turn"),
            ("claude-sonnet-5-5", 1000, 9000, 0, 0, 200, None, None, None),
            ("claude-sonnet-5-5", 7, 0, 0, 0, 8, None, None, None),
            ("claude-sonnet-5-5", 1000, 9000, 500, 1500, 200, None, None, None),
        ]


def requested(n: int = 1, **more: Any) -> Record:
    """A request of Helicone."""
    return {
        "request_id": f"request-{n}",
        "request_created_at": f"2026-11-02T10:00:{n:02d}.000Z",
        "request_model": "claude-sonnet-5-5",
        "request_user_id": "u-1",
        "request_properties": {"Feature": "search", "Team": "growth", "Helicone-Session-Id": "x"},
        "response_status": 200,
        "response_model": "claude-sonnet-5-5",
        "provider": "ANTHROPIC",
        "delay_ms": 812,
        "time_to_first_token": 300,
        "prompt_tokens": 120,
        "prompt_cache_read_tokens": 9000,
        "prompt_cache_write_tokens": 600,
        "completion_tokens": 300,
        "cost": 0.01,
        "cache_reference_id": "00000000-0000-0000-0000-000000000000",
    } | more


NO_TOKENS = dict.fromkeys(
    ("prompt_tokens", "prompt_cache_read_tokens", "prompt_cache_write_tokens", "completion_tokens")
)


class TestHelicone:
    def test_input_leaves_out_what_was_cached(self, tmp_path: Path) -> None:
        assert told(tmp_path, requested(), columns=f"flags, {CLASSES}") == [(["ttl_unknown"], 120, 9000, 600, 0, 300)]

    def test_records_without_an_id_that_lines_list_are_calls_each(self, tmp_path: Path) -> None:
        """An answer of the API a line, and an array of records: those of one line are no duplicates of the next line's."""
        records = [requested(n, request_id=None, response_id=None) for n in range(1, 8)]
        lines = [
            json.dumps({"data": records[:2]}),
            json.dumps({"data": records[2:4]}),
            json.dumps(records[4:6]),
            records[6],
        ]
        path = write(tmp_path / "log.jsonl", lines)
        assert fates(read(tmp_path / "store", path)) == (7, 0, 0, 0)
        assert len({day for (day,) in rows(tmp_path / "store", "ts")}) == 7
        assert read(tmp_path / "store", path).counted.kept == 0

    def test_cached_tokens_alone_are_usage(self, tmp_path: Path) -> None:
        cached = NO_TOKENS | {"prompt_cache_read_tokens": 9000}
        zero = NO_TOKENS | {"prompt_cache_read_tokens": 0, "prompt_cache_write_tokens": 0}
        assert told(tmp_path, requested(1, **cached), requested(2, **zero)) == [(0, 9000, 0, 0, None)]

    def test_a_body_with_usage_wins(self, tmp_path: Path) -> None:
        usage = {"input_tokens": 121, "cache_creation_input_tokens": 600, "cache_read_input_tokens": 9000, "output_tokens": 301,
                 "cache_creation": {"ephemeral_5m_input_tokens": 0, "ephemeral_1h_input_tokens": 600}}  # fmt: skip
        body = {
            "id": "msg_1",
            "type": "message",
            "model": "claude-sonnet-5-5",
            "content": [],
            "stop_reason": "end_turn",
            "usage": usage,
        }
        openai = {"model": "claude-sonnet-5-5", "usage": {"prompt_tokens": 1, "completion_tokens": 1}}
        written = {
            "cached_tokens": 9000,
            "cache_write_tokens": 600,
            "cache_write_details": {"write_5m_tokens": 0, "write_1h_tokens": 600},
        }
        events = [
            {"type": "message_start", "message": body},
            {"type": "message_delta", "delta": {}, "usage": {"output_tokens": 302}},
        ]
        records = [
            requested(1, response_body=body),
            requested(2, response_body=json.dumps(body)),
            requested(3, response_body=openai),
            requested(4, response_body=events),
            requested(5, response_body={"usage": openai["usage"] | {"prompt_tokens_details": written}}),  # type: ignore[operator]
        ]
        assert told(tmp_path, *records, columns=f"message_id, {CLASSES}") == [
            ("msg_1", 121, 9000, 0, 600, 301),
            ("msg_1", 121, 9000, 0, 600, 301),
            (None, 120, 9000, 600, 0, 300),
            ("msg_1", 121, 9000, 0, 600, 302),
            (None, 120, 9000, 0, 600, 300),
        ]

    def test_what_is_no_billed_call(self, tmp_path: Path) -> None:
        records = [
            requested(1, response_status=529, **NO_TOKENS),
            requested(2, response_status=-3, **NO_TOKENS),
            requested(3, request_model="gpt-4o-mini", response_model="gpt-4o-mini", provider="OPENAI"),
            requested(4, cache_reference_id="8a271279-f092-49f6-a29d-7da107158da2"),
            requested(5),
        ]
        report = read(tmp_path / "store", write(tmp_path / "requests.jsonl", records))
        assert report.counted.ignored == {
            "cut off by the client: its cost is unknown": 1,
            "failed call without usage": 1,
            "other vendor's model": 1,
        }
        assert rows(tmp_path / "store", "identity, unbilled") == [
            ("helicone:request-4", "gateway_cache"),
            ("helicone:request-5", None),
        ]
        spent = audit(tmp_path / "store").spend()
        assert spent.requests == 2 and spent.total_usd == Decimal(
            "0.00564"
        )  # 120 x 2 + 9,000 x 0.1 + 600 x 2.5 + 300 x 10, per million

    def test_who_and_why(self, tmp_path: Path) -> None:
        columns = '"user", endpoint, team, tags, latency_ms, ttft_ms, provider, gateway'
        labels = {"Feature": "search", "Team": "growth", "Helicone-Session-Id": "x"}
        assert told(tmp_path, requested(), columns=columns) == [
            ("u-1", "search", "growth", labels, 812, 300, "anthropic", "helicone")
        ]

    def test_a_cloud_is_told_by_the_request_s_model(self, tmp_path: Path) -> None:
        sent = requested(
            provider="BEDROCK", request_model="us.anthropic.claude-sonnet-4-6", response_model="claude-sonnet-4-6"
        )
        assert told(tmp_path, sent, columns="provider, routing, model") == [
            ("aws_bedrock", "regional", "claude-sonnet-4-6")
        ]

    def test_the_export_tool_s_csv_has_fewer_columns(self, tmp_path: Path) -> None:
        names = "response_id response_created_at response_status request_created_at request_properties request_user_id model prompt_tokens completion_tokens cost"
        values = (
            "r-1",
            "2026-11-02T10:00:02Z",
            200,
            "2026-11-02T10:00:01Z",
            {"Feature": "search"},
            "u-1",
            "claude-sonnet-5-5",
            120,
            300,
            0.01,
        )
        path = as_csv(tmp_path / "output.csv", [dict(zip(names.split(), values, strict=True))])
        assert read(tmp_path / "store", path).formats == {"helicone": 1}
        assert rows(tmp_path / "store", "identity, endpoint, flags, input_tokens, output_tokens") == [
            ("helicone:r-1", "search", ["cache_unseen"], 120, 300)
        ]

    @quick
    @given(st.lists(garbage(requested(response_body={"usage": {}}), [["response_body", "usage"]]), max_size=8))
    def test_garbage(self, lines: list[str]) -> None:
        survives([requested(50), requested(51)], lines, Decimal("0.01"), 2)

    def test_written_back_as_native_records_the_bill_is_the_same(self, tmp_path: Path) -> None:
        told(tmp_path, *(requested(n, prompt_tokens=n, prompt_cache_write_tokens=10 * n) for n in (1, 20, 30)))
        assert native_again(tmp_path / "store") == audit(tmp_path / "store").spend().total_usd


def passed(n: int = 1, usage: Any = None, **more: Any) -> Record:
    """A request of Portkey to /v1/messages."""
    usage = {"input_tokens": 120, "cache_creation_input_tokens": 600, "cache_read_input_tokens": 9000, "output_tokens": 300,
             "cache_creation": {"ephemeral_5m_input_tokens": 0, "ephemeral_1h_input_tokens": 600}} if usage is None else usage  # fmt: skip
    return {
        "id": f"log-{n}",
        "created_at": f"2026-11-02T10:00:{n:02d}.000Z",
        "request": {"model": "claude-sonnet-5-5", "max_tokens": 512},
        "response": {"id": f"msg_{n}", "model": "claude-sonnet-5-5", "usage": usage},
        "ai_org": "anthropic",
        "ai_model": "claude-sonnet-5-5",
        "req_units": 120,
        "res_units": 300,
        "cost": 0.564,
        "response_time": 1250,
        "response_status_code": 200,
        "metadata": {"feature": "search", "_user": "u-1"},
    } | more


def chat(read: int, written: int, total: int | None, prompt: int = 200) -> Record:
    return {
        "prompt_tokens": prompt,
        "completion_tokens": 30,
        "cache_read_input_tokens": read,
        "cache_creation_input_tokens": written,
        "total_tokens": total,
    }


class TestPortkey:
    @pytest.mark.parametrize(
        ("usage", "flags", "figures"),
        [
            (None, [], (120, 9000, 0, 600, 300)),
            (chat(4000, 0, 4230), [], (200, 4000, 0, 0, 30)),
            (chat(4000, 70, 4300), ["ttl_unknown"], (200, 4000, 70, 0, 30)),
            (chat(150, 0, 230), [], (50, 150, 0, 0, 30)),  # a total that does not add them: prompt_tokens has them
            (chat(150, 0, None), ["basis_assumed"], (200, 150, 0, 0, 30)),
            (chat(0, 0, 230), [], (200, 0, 0, 0, 30)),
            (
                {
                    "prompt_tokens": 200,
                    "completion_tokens": 30,
                    "total_tokens": 230,
                    "prompt_tokens_details": {"cached_tokens": 0},
                },
                [],
                (200, 0, 0, 0, 30),
            ),
        ],
    )
    def test_whether_the_input_has_what_was_cached(
        self, tmp_path: Path, usage: Record | None, flags: list[str], figures: tuple[int, ...]
    ) -> None:
        assert told(tmp_path, passed(usage=usage), columns=f"flags, {CLASSES}") == [(flags, *figures)]

    def test_without_the_response_there_are_units(self, tmp_path: Path) -> None:
        assert told(tmp_path, passed(response=None), columns=f"flags, {CLASSES}") == [
            (["cache_unseen"], 120, 0, 0, 0, 300)
        ]

    def test_what_is_no_billed_call(self, tmp_path: Path) -> None:
        nothing = {"response": {"error": {}}, "req_units": 0, "res_units": 0}
        records = [
            passed(1, response_status_code=429, **nothing),
            passed(2, ai_org="openai", ai_model="gpt-4o", response={"usage": chat(0, 0, 230), "model": "gpt-4o"}),
            passed(3, cache_status="HIT"),
            passed(4, cache_status="MISS"),
            passed(5, response_status_code=499, response=None, req_units=None, res_units=None),
        ]
        report = read(tmp_path / "store", write(tmp_path / "logs.jsonl", records))
        assert report.counted.ignored == {
            "cut off by the client: its cost is unknown": 1,
            "failed call without usage": 1,
            "other vendor's model": 1,
        }
        assert rows(tmp_path / "store", "identity, unbilled") == [
            ("portkey:log-3", "gateway_cache"),
            ("portkey:log-4", None),
        ]

    def test_who_and_why(self, tmp_path: Path) -> None:
        columns = '"user", endpoint, tags, latency_ms, max_tokens, cost_reported_usd, message_id'
        assert told(tmp_path, passed(), columns=columns) == [
            ("u-1", "search", {"feature": "search", "_user": "u-1"}, 1250, 512, Decimal("0.00564"), "msg_1")
        ]

    def test_an_application_s_log_of_the_same_message_is_joined(self, tmp_path: Path) -> None:
        app = record(1, message_id="msg_1", input=120, read=9000, w1=600, output=300)
        read(tmp_path / "store", write(tmp_path / "portkey.jsonl", [passed(1)]), write(tmp_path / "app.jsonl", [app]))
        assert rows(tmp_path / "store", 'format, request_id, "user"') == [("native", "req_1", "u-1")]

    @quick
    @given(st.lists(garbage(passed(), [["response", "usage"], ["response", "usage", "input_tokens"]]), max_size=8))
    def test_garbage(self, lines: list[str]) -> None:
        survives([passed(50), passed(51)], lines, Decimal("0.01"), 2)

    def test_written_back_as_native_records_the_bill_is_the_same(self, tmp_path: Path) -> None:
        told(tmp_path, passed(1), passed(2, chat(4000, 70, 4300)), passed(3, chat(150, 0, 230)))
        assert native_again(tmp_path / "store") == audit(tmp_path / "store").spend().total_usd
