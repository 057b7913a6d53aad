"""What libraries and frameworks make of a usage block: their names, and whether their input has the cached tokens in it.

Every record is the same call: 10 tokens of plain input, 60 read from the cache, 20 written to it for five minutes and 10
for an hour, 100 of output.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import duckdb
import pytest
from logs import read, write

from claude_audit.store import Store

MODEL = "claude-sonnet-4-6"
RETURNED = {
    "input_tokens": 10,
    "output_tokens": 100,
    "cache_read_input_tokens": 60,
    "cache_creation_input_tokens": 30,
    "cache_creation": {"ephemeral_5m_input_tokens": 20, "ephemeral_1h_input_tokens": 10},
    "service_tier": "batch",
}
COUNTS = "input_tokens, cache_read_tokens, cache_write_unknown_tokens, cache_write_5m_tokens, cache_write_1h_tokens, output_tokens"
SPLIT, UNSPLIT = (10, 60, None, 20, 10, 100), (10, 60, 30, None, None, 100)
AI_SDK_6 = {
    "inputTokens": 100,
    "inputTokenDetails": {"noCacheTokens": 10, "cacheReadTokens": 60, "cacheWriteTokens": 30},
    "outputTokens": 100,
    "outputTokenDetails": {"textTokens": 100},
    "totalTokens": 200,
}


def rows(folder: Path, record: dict[str, Any], columns: str = COUNTS) -> list[tuple[Any, ...]]:
    """Columns of the calls in a log of this record."""
    store = folder / "store"
    read(store, write(folder / "app.jsonl", [{"timestamp": "2026-11-02T10:00:00Z", "model": MODEL, **record}]))
    parts = [str(p) for p in Store(store).part_paths(Store(store).manifest())]
    return duckdb.connect().execute(f"SELECT {columns} FROM read_parquet(?)", [parts]).fetchall()


@pytest.mark.parametrize(
    ("usage", "counted"),
    [
        pytest.param(AI_SDK_6 | {"raw": RETURNED}, SPLIT, id="AI SDK 6, which keeps what was returned"),
        pytest.param(
            {
                "inputTokens": {"total": 100, "noCache": 10, "cacheRead": 60, "cacheWrite": 30},
                "outputTokens": {"total": 100},
                "raw": RETURNED,
            },
            SPLIT,
            id="a model of the AI SDK 6, as its middleware sees it",
        ),
        pytest.param(
            {"promptTokens": 10, "completionTokens": 100, "totalTokens": 110, "nativeUsage": RETURNED},
            SPLIT,
            id="Spring AI",
        ),
        pytest.param(
            {
                "prompt_tokens": 100,
                "completion_tokens": 100,
                "total_tokens": 200,
                "prompt_tokens_details": {
                    "cached_tokens": 60,
                    "cache_creation_tokens": 30,
                    "cache_creation_token_details": RETURNED["cache_creation"],
                },
                "cache_read_input_tokens": 60,
                "cache_creation_input_tokens": 30,
            },
            SPLIT,
            id="an answer of LiteLLM",
        ),
        pytest.param(
            {
                "inputTokens": 100,
                "outputTokens": 100,
                "inputDetails": {"text": 10, "cacheRead": 60, "cacheWrite": 30, "cacheWrite5m": 20, "cacheWrite1h": 10},
            },
            SPLIT,
            id="Mastra",
        ),
        pytest.param(
            {
                "prompt_tokens": 100,
                "completion_tokens": 100,
                "prompt_tokens_details": {"cached_tokens": 60, "cache_write_tokens": 30},
            },
            UNSPLIT,
            id="an answer of OpenRouter, without its id",
        ),
        pytest.param(
            {
                "input_tokens": 100,
                "cache_write_tokens": 30,
                "cache_read_tokens": 60,
                "output_tokens": 100,
                "details": {},
            },
            UNSPLIT,
            id="Pydantic AI, without details",
        ),
        pytest.param(
            {
                "input_tokens": 100,
                "cache_write_tokens": 30,
                "cache_read_tokens": 60,
                "output_tokens": 100,
                "details": {"input_tokens": 3, "output_tokens": 40, "compaction_input_tokens": 7},
            },
            UNSPLIT,
            id="Pydantic AI, whose details leave a compaction out of the input",
        ),
        pytest.param(
            {
                "input_tokens": 100,
                "output_tokens": 100,
                "total_tokens": 200,
                "cached_prompt_tokens": 60,
                "cache_creation_tokens": 30,
            },
            UNSPLIT,
            id="CrewAI",
        ),
        pytest.param(
            {
                "inputTokenCount": 100,
                "outputTokenCount": 100,
                "totalTokenCount": 200,
                "cachedInputTokenCount": 60,
                "additionalCounts": {"CacheCreationInputTokens": 30},
            },
            UNSPLIT,
            id="Microsoft.Extensions.AI",
        ),
        pytest.param(
            {
                "inputTokenCount": 10,
                "outputTokenCount": 100,
                "additionalCounts": {"CacheCreationInputTokens": 30, "CacheReadInputTokens": 60},
            },
            UNSPLIT,
            id="Microsoft.Extensions.AI, by a client that leaves the cache out of the input",
        ),
    ],
)
def test_usage_blocks_of_frameworks(tmp_path: Path, usage: dict[str, Any], counted: tuple[Any, ...]) -> None:
    assert rows(tmp_path, {"usage": usage}) == [counted]
    assert rows(tmp_path / "wrapped", {"attributes": {"model": MODEL, "usage": usage}}) == [counted]


def test_the_block_that_a_library_keeps_tells_the_tier_too(tmp_path: Path) -> None:
    assert rows(tmp_path, {"usage": AI_SDK_6 | {"raw": RETURNED}}, "tier") == [("batch",)]


def test_a_kept_block_of_another_api_is_none_of_ours(tmp_path: Path) -> None:
    """OpenAI's input includes what is cached, under a name that is the Messages API's."""
    kept = {"input_tokens": 100, "output_tokens": 100, "input_tokens_details": {"cached_tokens": 90}}
    assert rows(tmp_path, {"usage": AI_SDK_6 | {"raw": kept}}) == [UNSPLIT]


@pytest.mark.parametrize(
    "metadata",
    [
        {"anthropic": {"cacheReadInputTokens": 60, "cacheCreationInputTokens": 30}},
        {"bedrock": {"usage": {"cacheReadInputTokens": 60, "cacheWriteInputTokens": 30}}},
    ],
)
def test_prompt_tokens_of_the_ai_sdk_4_leave_out_the_cache_however_large_they_are(
    tmp_path: Path, metadata: dict[str, Any]
) -> None:
    usage = {"promptTokens": 500, "completionTokens": 100, "totalTokens": 600}
    assert rows(tmp_path, {"usage": usage, "providerMetadata": metadata}) == [(500, *UNSPLIT[1:])]


def test_on_bedrock_the_ai_sdk_5_tells_the_written_tokens_beside_its_usage(tmp_path: Path) -> None:
    usage = {"inputTokens": 500, "outputTokens": 100, "cachedInputTokens": 60}
    metadata = {"bedrock": {"usage": {"cacheWriteInputTokens": 30}}}
    assert rows(tmp_path, {"usage": usage, "providerMetadata": metadata}) == [(500, *UNSPLIT[1:])]


@pytest.mark.parametrize(("total", "plain"), [(690, 500), (600, 410)])
def test_a_total_of_langchain_tells_whether_its_input_has_the_cached_tokens(
    tmp_path: Path, total: int, plain: int
) -> None:
    """Of Bedrock's Converse its input once had none, and its total all."""
    details = {"cache_read": 60, "cache_creation": 30}
    usage = {"input_tokens": 500, "output_tokens": 100, "total_tokens": total, "input_token_details": details}
    assert rows(tmp_path, {"usage_metadata": usage}) == [(plain, *UNSPLIT[1:])]


LANGCHAIN = {"input_tokens": 100, "output_tokens": 100, "input_token_details": {"cache_read": 60, "cache_creation": 30}}
SUMMED = {"inputTokens": 10, "outputTokens": 100, "cacheReadInputTokens": 60, "cacheWriteInputTokens": 30}


@pytest.mark.parametrize(
    ("record", "counted"),
    [
        pytest.param({"llm_output": {"id": "msg_1", "model": MODEL, "usage": RETURNED}, "generations": [[{"text": ""}]]}, SPLIT, id="LangChain's result"),
        pytest.param({"generations": [[{"message": {"lc": 1, "kwargs": {"usage_metadata": LANGCHAIN}}}]], "llm_output": None}, UNSPLIT, id="LangChain's result, without its own output"),
        pytest.param({"response_metadata": {"id": "msg_1", "model": MODEL, "usage": RETURNED}}, SPLIT, id="LangChain's message, the API's block alone"),
        pytest.param({"llmOutput": {"tokenUsage": {"promptTokens": 100, "completionTokens": 100, "prompt_tokens_details": {"cached_tokens": 60, "cache_write_tokens": 30}}}}, UNSPLIT, id="LangChain in JavaScript"),
        pytest.param({"replies": [{"role": "assistant", "meta": {"model": MODEL, "usage": RETURNED}}]}, SPLIT, id="Haystack"),
        pytest.param({"llm": {"replies": [{"_role": "assistant", "_meta": {"model": MODEL, "usage": RETURNED}}]}}, SPLIT, id="Haystack's pipeline"),
        pytest.param({"replies": ["…"], "meta": [{"model": MODEL, "usage": RETURNED}]}, SPLIT, id="Haystack's generator"),
        pytest.param({"metrics": {"cycle_count": 3, "accumulated_usage": SUMMED}}, UNSPLIT, id="Strands"),
    ],
)  # fmt: skip
def test_where_frameworks_keep_their_usage(tmp_path: Path, record: dict[str, Any], counted: tuple[Any, ...]) -> None:
    assert rows(tmp_path, record) == [counted]


def test_of_mastra_s_spans_a_generation_counts_and_not_its_steps_too(tmp_path: Path) -> None:
    half = {"inputTokens": 50, "outputTokens": 50, "inputDetails": {"text": 5, "cacheRead": 30, "cacheWrite": 15}}
    whole = {"inputTokens": 100, "outputTokens": 100, "inputDetails": {"text": 10, "cacheRead": 60, "cacheWrite": 30}}

    def span(name: str, kind: str, parent: str | None, **attributes: Any) -> dict[str, Any]:
        at = {"traceId": "t", "startTime": "2026-11-02T10:00:00Z", "startedAt": "2026-11-02T10:00:00Z"}
        return {"id": name, "type": kind, "parentSpanId": parent, **at, "attributes": attributes}

    steps = [span(f"s{n}", "model_step", "g", model=MODEL, usage=half) for n in (1, 2)]
    run = span("r", "agent_run", None, agentId="a", usage=whole)
    log = write(tmp_path / "spans.jsonl", [run, *steps, span("g", "model_generation", "r", model=MODEL, usage=whole)])
    report = read(tmp_path / "store", log)
    assert report.counted.ignored == {"span that repeats a call": 3}
    parts = [str(p) for p in Store(tmp_path / "store").part_paths(Store(tmp_path / "store").manifest())]
    sql = f"SELECT requests, prompt_tokens, {COUNTS} FROM read_parquet(?)"
    assert duckdb.connect().execute(sql, [parts]).fetchall() == [(2, None, *UNSPLIT)]
    # Where the generation has no counts, its steps are the calls.
    read(tmp_path / "steps", write(tmp_path / "steps.jsonl", [*steps, span("g", "model_generation", "r", model=MODEL)]))
    assert Store(tmp_path / "steps").manifest().rows == 2


def test_an_agent_s_sum_says_that_it_is_one(tmp_path: Path) -> None:
    assert rows(
        tmp_path, {"accumulated_usage": SUMMED}, "requests, prompt_tokens, list_contains(flags, 'sums_only')"
    ) == [(None, None, True)]


@pytest.mark.parametrize(
    ("usage", "counted"),
    [
        ({"requests": 2, "input_tokens": 100, "cache_write_tokens": 30, "cache_read_tokens": 60, "output_tokens": 100, "details": {}}, UNSPLIT),
        # Up to its version 0.x; before it told of the cache, that was none of its input.
        ({"requests": 2, "request_tokens": 100, "response_tokens": 100, "details": {"input_tokens": 10, "cache_read_input_tokens": 60, "cache_creation_input_tokens": 30}}, UNSPLIT),
        ({"requests": 2, "request_tokens": 10, "response_tokens": 100, "details": {"input_tokens": 10, "cache_read_input_tokens": 60}}, (10, 60, None, None, None, 100)),
        ({"requests": 2, "request_tokens": 10, "response_tokens": 100, "details": None}, (10, None, None, None, None, 100)),
    ],
)  # fmt: skip
def test_pydantic_ai_s_sum_over_the_requests_of_a_run(
    tmp_path: Path, usage: dict[str, Any], counted: tuple[Any, ...]
) -> None:
    assert rows(tmp_path, {"usage": usage}, f"requests, prompt_tokens, {COUNTS}") == [(2, None, *counted)]


def finished(**more: Any) -> dict[str, Any]:
    """What the AI SDK calls back with, after two steps: its usage is the last one's."""
    total = {
        "inputTokens": 200, "outputTokens": 200,
        "inputTokenDetails": {"noCacheTokens": 20, "cacheReadTokens": 120, "cacheWriteTokens": 60},
    }  # fmt: skip
    last = {"providerMetadata": {"anthropic": {"usage": RETURNED}}, "response": {"id": "msg_2", "modelId": MODEL}}
    return {"finishReason": "stop", "usage": AI_SDK_6, "totalUsage": total, **last, **more}


@pytest.mark.parametrize("wrap", [lambda event: event, lambda event: {"event": event}, lambda event: {"result": event}])
def test_each_step_of_the_ai_sdk_is_a_call_and_their_sum_is_none(tmp_path: Path, wrap: Any) -> None:
    steps = [{"usage": AI_SDK_6, "response": {"id": f"msg_{n}", "modelId": MODEL}} for n in (1, 2)]
    told = rows(tmp_path, wrap(finished(steps=steps)), f"requests, {COUNTS}")
    assert told == [(1, *UNSPLIT), (1, *UNSPLIT)]


def test_without_the_steps_their_sum_is_counted_and_not_the_last_one(tmp_path: Path) -> None:
    total = (20, 120, 60, None, None, 200)
    assert rows(tmp_path, finished(), f"requests, list_contains(flags, 'sums_only'), {COUNTS}") == [
        (None, True, *total)
    ]
    bare = [{"text": "a"}, {"text": "b"}]
    assert rows(tmp_path / "bare", finished(steps=bare), f"requests, prompt_tokens, {COUNTS}") == [(2, None, *total)]
    # Of one step they are the same, and the provider's block tells more.
    assert rows(tmp_path / "one", finished(totalUsage=AI_SDK_6), f"requests, {COUNTS}") == [(1, *SPLIT)]


def test_a_total_that_runs_on_beside_a_usage_block_is_not_counted(tmp_path: Path) -> None:
    assert rows(tmp_path, {"usage": RETURNED, "total_usage": {"input_tokens": 9000, "output_tokens": 9000}}) == [SPLIT]


def test_a_sum_over_the_calls_of_a_crew(tmp_path: Path) -> None:
    record = {
        "prompt_tokens": 70,
        "cached_prompt_tokens": 60,
        "completion_tokens": 100,
        "total_tokens": 170,
        "successful_requests": 3,
    }
    assert rows(tmp_path, record, f"requests, {COUNTS}") == [(3, 10, 60, None, None, None, 100)]
