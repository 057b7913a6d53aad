"""OpenTelemetry: whose spans count, what their input includes, and that one call told by several emitters is one."""

from __future__ import annotations

import json
import tempfile
from collections import Counter
from collections.abc import Mapping
from decimal import Decimal
from itertools import permutations
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from logs import audit, read, record, said, write

from claude_audit.accounting import IngestReport

quick = settings(max_examples=4, deadline=None, suppress_health_check=[HealthCheck.too_slow])

START = 1793613600_000_000_000
"""2026-11-02T10:00:00Z, as OTLP writes it."""
SDK, PLATFORM = "com.anthropic.sdk.python", "com.anthropic.claude-platform"
TRACELOOP = "opentelemetry.instrumentation.anthropic"
EVENTS, TRACING = "com.anthropic.claude_code.events", "com.anthropic.claude_code.tracing"


def attributes(values: Mapping[str, Any], *, numbers: bool = False) -> list[dict[str, Any]]:
    """OTLP's list of attributes; whole numbers as strings, as the Collector writes them, or as `numbers`."""

    def value(v: Any) -> dict[str, Any]:
        if isinstance(v, bool):
            return {"boolValue": v}
        if isinstance(v, int):
            return {"intValue": v if numbers else str(v)}
        if isinstance(v, float):
            return {"doubleValue": v}
        return (
            {"arrayValue": {"values": [{"stringValue": x} for x in v]}} if isinstance(v, list) else {"stringValue": v}
        )

    return [{"key": key, "value": value(v)} for key, v in values.items()]


def span(n: int = 1, name: str = "chat", *, numbers: bool = False, **values: Any) -> dict[str, Any]:
    """A span of Claude Sonnet 5.5, one second long; `values` are its attributes, with `__` for a point in a name."""
    own = {"gen_ai.response.model": "claude-sonnet-5-5"} | {k.replace("__", "."): v for k, v in values.items()}
    return {
        "traceId": "ab" * 16,
        "spanId": f"{n:016x}",
        "name": name,
        "startTimeUnixNano": str(START + n * 10**9),
        "endTimeUnixNano": str(START + (n + 1) * 10**9),
        "attributes": attributes(own, numbers=numbers),
        "status": {},
    }


def used(input: int, output: int, read: int = 0, write: int = 0) -> dict[str, int]:
    """The attributes of the conventions."""
    return {
        "gen_ai__usage__input_tokens": input,
        "gen_ai__usage__output_tokens": output,
        "gen_ai__usage__cache_read__input_tokens": read,
        "gen_ai__usage__cache_creation__input_tokens": write,
    }


def spans(scope: str, *records: object, **resource: str) -> dict[str, Any]:
    """One line of the file exporter."""
    about = {"service.name": "shop"} | {k.replace("__", "."): v for k, v in resource.items()}
    return {
        "resourceSpans": [
            {
                "resource": {"attributes": attributes(about)},
                "scopeSpans": [{"scope": {"name": scope}, "spans": list(records)}],
            }
        ]
    }


def events(*records: object, scope: str = EVENTS) -> dict[str, Any]:
    return {
        "resourceLogs": [
            {
                "resource": {"attributes": attributes({"team": "platform", "cost_center": "cc-42"})},
                "scopeLogs": [{"scope": {"name": scope}, "logRecords": list(records)}],
            }
        ]
    }


def api_request(n: int = 1, request: str | None = "req_cc", **more: Any) -> dict[str, Any]:
    """Claude Code's event of a call: 3 tokens in, 12,480 written for an hour, 87 out."""
    values = {
        "event.name": "api_request",
        "model": "claude-sonnet-5",
        "input_tokens": 3,
        "output_tokens": 87,
        "cache_read_tokens": 0,
        "cache_creation_tokens": 12480,
        "cache_creation_5m_tokens": 0,
        "cache_creation_1h_tokens": 12480,
        "duration_ms": 2000,
        "session.id": "s1",
    } | ({"request_id": request} if request else {})
    time = str(START + n * 10**9)
    body = {"stringValue": "claude_code.api_request"}
    return {"timeUnixNano": time, "body": body, "attributes": attributes(values | more, numbers=True)}


def llm_request(n: int = 1, request: str = "req_cc") -> dict[str, Any]:
    """Claude Code's span of the same call, which does not tell the TTL."""
    return span(
        n,
        "claude_code.llm_request",
        numbers=True,
        model="claude-sonnet-5",
        input_tokens=3,
        output_tokens=87,
        cache_read_tokens=0,
        cache_creation_tokens=12480,
        request_id=request,
        gen_ai__response__id=request,
    )


def rows(store: Path, columns: str) -> list[tuple[Any, ...]]:
    found = audit(store)
    return found.engine.sql(f"SELECT {columns} FROM usage ORDER BY ts, row_kind, output_tokens", found.parts)


CLASSES = (
    "input_tokens, coalesce(cache_read_tokens, 0), coalesce(cache_write_5m_tokens, 0) + coalesce(cache_write_unknown_tokens, 0), "
    "coalesce(cache_write_1h_tokens, 0), output_tokens"
)


def told(folder: Path, *lines: Mapping[str, Any] | str, columns: str = CLASSES) -> list[tuple[Any, ...]]:
    """These lines, ingested: the token classes of each row."""
    read(folder / "store", write(folder / "spans.jsonl", lines))
    return rows(folder / "store", columns)


OPENINFERENCE = {
    "openinference__span__kind": "LLM",
    "llm__token_count__prompt": 5100,
    "llm__token_count__completion": 44,
    "llm__token_count__prompt_details__cache_read": 5000,
}
RAW = json.dumps(
    {
        "anthropic": {
            "usage": {
                "input_tokens": 7,
                "output_tokens": 445,
                "cache_read_input_tokens": 16399,
                "cache_creation_input_tokens": 2089,
                "cache_creation": {"ephemeral_5m_input_tokens": 89, "ephemeral_1h_input_tokens": 2000},
            }
        }
    }
)
AI = {"ai__usage__inputTokens": 18495, "ai__usage__outputTokens": 445, "ai__response__providerMetadata": RAW}
AI_DETAILS = {
    "ai__usage__inputTokens": 1000,
    "ai__usage__outputTokens": 5,
    "ai__usage__inputTokenDetails__noCacheTokens": 100,
    "ai__usage__inputTokenDetails__cacheReadTokens": 900,
}
SPLIT = {
    "anthropic__usage__cache_creation__ephemeral_5m_input_tokens": 300,
    "anthropic__usage__cache_creation__ephemeral_1h_input_tokens": 700,
}


EMITTERS: list[tuple[str, str, dict[str, Any], tuple[int, ...]]] = [
    (SDK, "anthropic.messages.create", used(10_200, 120, 9000, 1000) | SPLIT, (200, 9000, 300, 700, 120)),
    (TRACELOOP, "anthropic.chat", used(10_200, 120, 9000, 1000), (200, 9000, 1000, 0, 120)),
    ("gen_ai", "chat claude-sonnet-5-5", used(10_200, 120, 9000, 1000), (200, 9000, 1000, 0, 120)),
    ("pydantic-ai", "chat", used(1300, 90, 1000) | {"gen_ai__operation__name": "chat"}, (300, 1000, 0, 0, 90)),
    ("pydantic-ai", "chat claude-sonnet-5-5", used(1300, 90, 1000), (300, 1000, 0, 0, 90)),
    ("openinference.instrumentation.anthropic", "Messages", OPENINFERENCE, (100, 5000, 0, 0, 44)),
    ("openlit.instrumentation.anthropic", "chat", used(9000, 800, 6000), (9000, 6000, 0, 0, 800)),
    ("openlit.otel.tracing", "chat", used(9000, 800, 6000) | {"gen_ai__system": "anthropic"}, (9000, 6000, 0, 0, 800)),
    ("openlit.otel.tracing", "chat", used(9000, 800, 6000) | {"gen_ai__system": "litellm"}, (3000, 6000, 0, 0, 800)),
    ("openlit.instrumentation.claude_agent_sdk", "chat", used(9000, 800, 6000), (3000, 6000, 0, 0, 800)),
    ("ai", "ai.generateText.doGenerate", AI, (7, 16399, 89, 2000, 445)),
    ("ai", "ai.streamText.doStream", AI_DETAILS, (100, 900, 0, 0, 5)),
    ("openlit.instrumentation.bedrock", "chat", used(9000, 800, 6000), (9000, 6000, 0, 0, 800)),
    ("@openlit/instrumentation-anthropic", "chat", used(9000, 800, 6000), (9000, 6000, 0, 0, 800)),
    ("openlit", "chat", used(9000, 800, 6000) | {"gen_ai__system": "aws.bedrock"}, (9000, 6000, 0, 0, 800)),
    ("opentelemetry.instrumentation.bedrock", "bedrock.converse", used(9000, 800, 6000), (9000, 6000, 0, 0, 800)),
    ("my.own.tracing", "ask", used(10_200, 120, 9000, 1000), (200, 9000, 1000, 0, 120)),
]


def test_what_input_includes_depends_on_who_emits(tmp_path: Path) -> None:
    lines = [spans(scope, span(n, name, **values)) for n, (scope, name, values, _) in enumerate(EMITTERS)]
    assert told(tmp_path, *lines) == [classes for *_, classes in EMITTERS]


def test_a_total_tells_what_bedrock_s_input_includes(tmp_path: Path) -> None:
    """OpenInference hands on Converse's input and total as they are, and adds the cached tokens of Anthropic's own answer."""
    converse = OPENINFERENCE | {"llm__token_count__prompt": 100, "llm__token_count__total": 5144}
    emitted = spans("openinference.instrumentation.bedrock", span(1, **converse), span(2, **OPENINFERENCE))
    assert told(tmp_path, emitted) == [(100, 5000, 0, 0, 44), (100, 5000, 0, 0, 44)]


@pytest.mark.parametrize("input", [10_010, 10], ids=["the sum", "before March 2026"])
def test_logfire_tells_cached_tokens_in_the_raw_usage_alone(tmp_path: Path, input: int) -> None:
    raw = {
        "input_tokens": 10,
        "output_tokens": 50,
        "cache_read_input_tokens": 9000,
        "cache_creation_input_tokens": 1000,
        "cache_creation": {"ephemeral_5m_input_tokens": 200, "ephemeral_1h_input_tokens": 800},
        "server_tool_use": {"web_search_requests": 2},
        "service_tier": "priority",
    }
    values = {
        "gen_ai__provider__name": "anthropic",
        "gen_ai__usage__input_tokens": input,
        "gen_ai__usage__output_tokens": 50,
        "gen_ai__usage__raw": json.dumps(raw),
        "operation__cost": 0.25,
    }
    columns = f"{CLASSES}, web_searches, tier, cost_reported_usd, array_to_string(flags, ' ')"
    assert told(tmp_path, spans("logfire.anthropic", span(1, **values)), columns=columns) == [
        (10, 9000, 200, 800, 50, 2, "priority", Decimal("0.25"), "")
    ]


def test_the_raw_usage_of_another_api_is_no_block_of_anthropic_s(tmp_path: Path) -> None:
    raw = json.dumps({"input_tokens": 900, "output_tokens": 7, "input_tokens_details": {"cached_tokens": 800}})
    values = used(900, 7, 800) | {"gen_ai__provider__name": "openai", "gen_ai__usage__raw": raw}
    assert told(tmp_path, spans("logfire.openai", span(1, **values))) == [(100, 800, 0, 0, 7)]


def test_an_emitter_that_never_writes_cached_tokens_is_a_lower_bound(tmp_path: Path) -> None:
    counts = {"llm__token_count__prompt": 310, "llm__token_count__completion": 12}
    emitted = [
        spans("@arizeai/openinference-instrumentation-anthropic", span(1, "Anthropic Messages", **counts)),
        spans("openinference.instrumentation.anthropic", span(2, "Messages", **counts)),
    ]
    assert told(tmp_path, *emitted, columns=f"{CLASSES}, array_to_string(flags, ' ')") == [
        (310, 0, 0, 0, 12, "cache_unseen"),
        (310, 0, 0, 0, 12, ""),
    ]


def test_whole_numbers_are_numbers_or_strings(tmp_path: Path) -> None:
    one, other = span(1, numbers=True, **used(1000, 10)), span(2, **used(1000, 10))
    assert told(tmp_path, spans(TRACELOOP, one, other)) == [(1000, 0, 0, 0, 10)] * 2


@pytest.mark.parametrize(
    ("proof", "classes", "flags"),
    [
        (used(10, 1), (1000, 600, 0, 0, 50), "basis_assumed"),
        (used(100, 1, 600), (1600, 600, 0, 0, 50), ""),
        (used(700, 1, 600) | {"gen_ai__usage__total_tokens": 1301}, (1600, 600, 0, 0, 50), ""),
    ],
    ids=["no record tells", "more cached than input", "a total that adds the cached"],
)
def test_of_an_unknown_emitter_one_record_proves_the_basis_for_its_file(
    tmp_path: Path, proof: dict[str, int], classes: tuple[int, ...], flags: str
) -> None:
    found = told(
        tmp_path,
        spans("my.own.tracing", span(1, **used(1600, 50, 600)), span(2, **proof)),
        columns=f"{CLASSES}, array_to_string(flags, ' ')",
    )
    assert found[0] == (*classes, flags)


def test_the_ai_sdk_s_raw_usage_proves_nothing_of_its_other_spans(tmp_path: Path) -> None:
    counts = {"ai__usage__inputTokens": 1000, "ai__usage__outputTokens": 5}
    version_5 = counts | {"ai__usage__cachedInputTokens": 600}
    version_6 = counts | {
        f"ai__usage__inputTokenDetails__{k}Tokens": n for k, n in {"cacheRead": 600, "cacheWrite": 100}.items()
    }
    version_4 = {
        "ai__usage__promptTokens": 300,
        "ai__usage__completionTokens": 5,
        "ai__response__providerMetadata": json.dumps(
            {"anthropic": {"cacheReadInputTokens": 600, "cacheCreationInputTokens": 100}}
        ),
    }
    emitted = [
        span(n, "ai.generateText.doGenerate", **v) for n, v in enumerate((AI, AI_DETAILS, version_6, version_5), 1)
    ]
    assert told(tmp_path, spans("ai", *emitted), columns=f"{CLASSES}, array_to_string(flags, ' ')") == [
        (7, 16399, 89, 2000, 445, ""),
        (100, 900, 0, 0, 5, ""),
        (300, 600, 100, 0, 5, "ttl_unknown"),
        (400, 600, 0, 0, 5, "basis_assumed"),
    ]
    older = spans("ai", span(1, "ai.generateText.doGenerate", **version_4))
    assert told(tmp_path / "older", older) == [(300, 600, 100, 0, 5)]


def test_the_ai_sdk_tells_cache_writes_on_bedrock_in_what_its_provider_adds(tmp_path: Path) -> None:
    model = {"gen_ai.response.model": "us.anthropic.claude-sonnet-4-6", "ai__model__provider": "amazon-bedrock"}
    counts = {"ai__usage__outputTokens": 40, "ai__usage__cachedInputTokens": 300}
    written = {"ai__response__providerMetadata": json.dumps({"bedrock": {"usage": {"cacheWriteInputTokens": 150}}})}
    details = {
        f"ai__usage__inputTokenDetails__{k}Tokens": n
        for k, n in (("noCache", 50), ("cacheRead", 300), ("cacheWrite", 150))
    }
    version_5 = model | counts | written | {"ai__usage__inputTokens": 500, "ai__usage__totalTokens": 990}
    version_6 = model | counts | written | details | {"ai__usage__inputTokens": 500, "ai__usage__totalTokens": 540}
    names = f"{CLASSES}, provider"
    for n, (values, uncached) in enumerate(((version_5, 500), (version_6, 50))):
        emitted = spans("ai", span(1, "ai.generateText.doGenerate", **values))
        assert told(tmp_path / str(n), emitted, columns=names) == [(uncached, 300, 150, 0, 40, "aws_bedrock")]


@pytest.mark.parametrize("written", ["cache_creation_tokens", "cache_write_tokens"])
def test_cached_tokens_go_by_shorter_names_too(tmp_path: Path, written: str) -> None:
    counts = used(7, 40) | {"gen_ai__usage__cache_read_tokens": 300, f"gen_ai__usage__{written}": 150}
    del counts["gen_ai__usage__cache_read__input_tokens"], counts["gen_ai__usage__cache_creation__input_tokens"]
    assert told(tmp_path, spans("an.agent", span(1, **counts))) == [(7, 300, 150, 0, 40)]


def test_the_first_names_of_semantic_kernel(tmp_path: Path) -> None:
    counts = {"gen_ai__response__prompt_tokens": 120, "gen_ai__response__completion_tokens": 8}
    assert told(tmp_path, spans("Microsoft.SemanticKernel.Diagnostics", span(1, **counts))) == [(120, 0, 0, 0, 8)]


def test_an_empty_attribute_says_nothing_and_hides_nothing(tmp_path: Path) -> None:
    values = used(120, 8) | {"gen_ai.response.model": "", "gen_ai.request.model": "claude-haiku-4-5"}
    assert told(tmp_path, spans("an.agent", span(1, **values)), columns="model") == [("claude-haiku-4-5-20251001",)]


@pytest.mark.parametrize("scope", ["litellm", "gcp.vertex.agent"])
def test_an_emitter_that_drops_cached_tokens_is_flagged(tmp_path: Path, scope: str) -> None:
    plain = {"gen_ai__usage__input_tokens": 900, "gen_ai__usage__output_tokens": 8}
    found = told(tmp_path, spans(scope, span(1, **plain)), columns=f"{CLASSES}, array_to_string(list_sort(flags), ' ')")
    assert found == [(900, 0, 0, 0, 8, "basis_assumed cache_unseen")]


def test_spans_of_botocore_tell_no_cached_tokens(tmp_path: Path) -> None:
    plain = {
        "gen_ai.response.model": "us.anthropic.claude-sonnet-4-6",
        "gen_ai__usage__input_tokens": 9,
        "gen_ai__usage__output_tokens": 4,
    }
    emitted = spans("opentelemetry.instrumentation.botocore.bedrock-runtime", span(1, **plain))
    assert told(tmp_path, emitted, columns="input_tokens, provider, array_to_string(flags, ' ')") == [
        (9, "aws_bedrock", "cache_unseen")
    ]


def test_claude_code_is_known_by_its_record_where_the_scope_is_lost(tmp_path: Path) -> None:
    assert told(tmp_path, events(api_request(), scope="")) == [(3, 0, 0, 12480, 87)]


def test_an_unknown_emitter_that_tells_of_no_cached_tokens_is_flagged(tmp_path: Path) -> None:
    plain = {"gen_ai__usage__input_tokens": 9, "gen_ai__usage__output_tokens": 4}
    lines = [
        spans("a.tracer", span(1, **plain), span(2, **plain)),
        spans("b.tracer", span(3, **plain), span(4, **used(9, 4))),
        spans("pydantic-ai", span(5, **plain)),
    ]
    assert told(tmp_path, *lines, columns="array_to_string(flags, ' ')") == [("cache_unseen",)] * 2 + [("",)] * 3


def test_the_id_that_bedrock_was_asked_for_tells_its_region(tmp_path: Path) -> None:
    values = used(9, 4) | {"gen_ai__request__model": "eu.anthropic.claude-sonnet-4-6", "gen_ai__system": "AWS"}
    emitted = spans("opentelemetry.instrumentation.bedrock", span(1, **values))
    assert told(tmp_path, emitted, columns="model_raw, provider, routing") == [
        ("eu.anthropic.claude-sonnet-4-6", "aws_bedrock", "regional")
    ]


AGENT = {
    "openinference__span__kind": "AGENT",
    "llm__token_count__prompt": 100,
    "llm__token_count__completion": 50,
    "llm__token_count__prompt_details__cache_read": 5000,
    "llm__token_count__prompt_details__cache_write": 700,
    "session__id": "s1",
}
RUN = used(10_010, 50, 9000, 1000) | {"gen_ai__operation__name": "invoke_agent", "gen_ai__conversation__id": "s1"}


@pytest.mark.parametrize(
    ("scope", "run", "classes"),
    [
        ("openinference.instrumentation.claude_agent_sdk", AGENT, (100, 5000, 700, 0, 50)),
        ("logfire.claude_agent_sdk", RUN, (10, 9000, 1000, 0, 50)),
    ],
)
def test_of_the_agent_sdk_s_runs_the_sums_are_all_there_is(
    tmp_path: Path, scope: str, run: dict[str, Any], classes: tuple[int, ...]
) -> None:
    """Its spans of the model's turns have no counts, or what a turn begins with. Claude Code's own events tell each call."""
    part = {"gen_ai__usage__partial__input_tokens": 5005, "gen_ai__usage__partial__output_tokens": 3}
    line = spans(scope, span(1, "agent", **run), span(2, "chat", **part))
    columns = f"{CLASSES}, requests, array_to_string(list_sort(flags), ' ')"
    assert told(tmp_path / "sdk", line, columns=columns) == [(*classes, None, "lower_bound sums_only ttl_unknown")]
    both = told(tmp_path / "both", line, events(api_request()))
    assert both == [(3, 0, 0, 12480, 87)]


LLM = {"openinference__span__kind": "LLM", "llm__token_count__prompt": 1000}
WITHIN = {"parentSpanId": f"{1:016x}"}


def test_a_span_around_calls_that_add_up_to_its_output_repeats_them(tmp_path: Path) -> None:
    """A framework's span of a call, and in it the span of the library that made the call."""
    frameworks = span(1, "ChatAnthropic", **LLM, llm__token_count__completion=50)
    inner = span(2, "Messages", **LLM, llm__token_count__completion=30), span(3, "Messages", **used(700, 20))
    lines = [
        spans("openinference.instrumentation.langchain", frameworks),
        spans("openinference.instrumentation.anthropic", inner[0] | WITHIN),
        spans(TRACELOOP, inner[1] | WITHIN),
    ]
    report = read(tmp_path / "store", write(tmp_path / "spans.jsonl", lines))
    assert (report.counted.kept, report.counted.ignored) == (2, {REPEATS: 1})
    assert rows(tmp_path / "store", "input_tokens, output_tokens") == [(1000, 30), (700, 20)]


@pytest.mark.parametrize("inside", [{}, {"gen_ai__usage__cache_read_input_tokens": 700}], ids=["untold", "told"])
def test_of_a_call_told_twice_the_span_with_its_cached_tokens_counts(tmp_path: Path, inside: dict[str, int]) -> None:
    plain = {"gen_ai__usage__input_tokens": 9, "gen_ai__usage__output_tokens": 40}
    cached = {"gen_ai__usage__cache_read_input_tokens": 700, "gen_ai__usage__cache_write_input_tokens": 60}
    total = {"gen_ai__usage__total_tokens": 809}
    framework = spans("strands.telemetry.tracer", span(1, "chat", **plain, **cached, **total))
    library = spans("opentelemetry.instrumentation.botocore.bedrock-runtime", span(2, **plain, **inside) | WITHIN)
    for name, lines in (("one", (framework, library)), ("other", (library, framework))):
        assert told(tmp_path / name, *lines) == [(9, 700, 0 if inside else 60, 0, 40)]


def test_a_span_around_calls_of_other_output_is_a_call(tmp_path: Path) -> None:
    """A tool that the model called asked a model itself, and the client's span holds the platform's of the same request."""
    lines = [
        spans("my.tracing", span(1, **used(1000, 50)), span(2, **used(700, 20)) | WITHIN),
        spans(SDK, span(4, **used(10, 5), anthropic__request__id="req_1", gen_ai__request__max_tokens=64)),
        spans(PLATFORM, span(5, **used(10, 5), anthropic__request__id="req_1") | {"parentSpanId": f"{4:016x}"}),
    ]
    report = read(tmp_path / "store", write(tmp_path / "spans.jsonl", lines))
    assert (report.counted.kept, report.counted.duplicates, report.counted.ignored) == (3, 1, {})
    assert rows(tmp_path / "store", "output_tokens, max_tokens") == [(50, None), (20, None), (5, 64)]


REPEATS, OTHER = "span that repeats the calls in it", "other vendor's model"
NO_CALLS: list[tuple[str, str, dict[str, Any], str]] = [
    ("pydantic-ai", "invoke_agent support", {"gen_ai__operation__name": "invoke_agent"}, REPEATS),
    ("pydantic-ai", "agent run", {}, REPEATS),
    ("ai", "ai.generateText", {}, REPEATS),
    ("langgraph", "research.workflow", {"traceloop__span__kind": "workflow"}, REPEATS),
    ("openinference.instrumentation.langchain", "chain", {"openinference__span__kind": "CHAIN"}, REPEATS),
    ("opentelemetry.instrumentation.openai", "chat", {"gen_ai__response__model": "gpt-4o-mini"}, OTHER),
    ("my.tracing", "chat", {"gen_ai__response__model": "", "gen_ai__provider__name": "openai"}, OTHER),
]


def test_spans_of_several_calls_and_of_other_vendors_are_ignored(tmp_path: Path) -> None:
    call = spans(TRACELOOP, span(100, **used(1000, 10)))
    others = [
        spans(scope, span(n, name, **(used(1000, 10) | values))) for n, (scope, name, values, _) in enumerate(NO_CALLS)
    ]
    report = read(tmp_path / "store", write(tmp_path / "spans.jsonl", [call, *others]))
    assert report.counted.kept == 1
    assert report.counted.ignored == Counter(reason for *_, reason in NO_CALLS)


def test_one_line_holds_many_records_and_each_has_a_fate(tmp_path: Path) -> None:
    bad = span(3, **(used(1000, 10) | {"gen_ai__usage__output_tokens": -3}))
    lines = [
        spans(TRACELOOP, span(1, **used(1000, 10)), span(2, "GET /"), bad, 17, None, {"attributes": "none"}),
        '{"resourceSpans": [{"resource"',
        spans(TRACELOOP),
        {"resourceSpans": "none"},
        {"hello": 1},
        spans(TRACELOOP, span(4, **used(2000, 20)), span(1, **used(1000, 10))),
    ]
    report = read(tmp_path / "store", write(tmp_path / "spans.jsonl", lines))
    c = report.counted
    assert (c.lines, c.kept, c.duplicates, c.rejected) == (12, 2, 1, 2)
    assert c.ignored == {"no spans or events": 3, "span of no model call": 4}
    assert [(r.line, r.reason) for r in report.rejects] == [(1, "output_tokens is -3"), (2, "not valid JSON")]


def test_a_document_over_many_lines_is_read_too(tmp_path: Path) -> None:
    path = tmp_path / "trace.json"
    path.write_text(json.dumps(spans(TRACELOOP, *(span(n, **used(1000, 10)) for n in range(400))), indent=2))
    assert read(tmp_path / "store", path).counted.kept == 400


def sources() -> dict[str, dict[str, Any]]:
    """One call, as the SDK, the platform and another library's instrumentation tell of it."""
    ids = {"anthropic__request__id": "req_x", "gen_ai__response__id": "msg_x"}
    return {
        "client": spans(SDK, span(1, **(used(10_200, 120, 9000, 1000) | SPLIT | ids))),
        "server": spans(PLATFORM, span(2, **(used(10_200, 120, 9000, 1000) | SPLIT | ids))),
        "library": spans(TRACELOOP, span(3, **used(10_200, 120, 9000, 1000), gen_ai__response__id="msg_x")),
    }


@pytest.mark.parametrize("order", [("all",), *list(permutations(sources()))[::2]], ids=" ".join)
def test_a_call_that_several_emitters_tell_of_is_one(tmp_path: Path, order: tuple[str, ...]) -> None:
    logs = {name: write(tmp_path / f"{name}.jsonl", [line]) for name, line in sources().items()}
    batches = [tuple(logs)] if order == ("all",) else [(name,) for name in order]
    reports = [read(tmp_path / "store", *(logs[name] for name in batch)) for batch in batches]
    assert sum(r.counted.kept for r in reports) == 1
    assert rows(tmp_path / "store", CLASSES) == [(200, 9000, 300, 700, 120)], "the emitter that knows the TTL"


@pytest.mark.parametrize("order", [("span", "event"), ("event", "span")], ids=" ".join)
@pytest.mark.parametrize("at_once", [True, False], ids=["at once", "one by one"])
def test_of_claude_code_the_event_is_billed_where_there_is_one(
    tmp_path: Path, order: tuple[str, ...], at_once: bool
) -> None:
    logs = {
        "span": write(tmp_path / "traces.jsonl", [spans(TRACING, llm_request(1), llm_request(5, "req_other"))]),
        "event": write(tmp_path / "logs.jsonl", [events(api_request(3))]),
    }
    for batch in [list(order)] if at_once else [[name] for name in order]:
        read(tmp_path / "store", *(logs[name] for name in batch))
    found = rows(tmp_path / "store", f"request_id, {CLASSES}, CAST(ts AS VARCHAR)")
    assert found == [
        ("req_cc", 3, 0, 0, 12480, 87, "2026-11-02 10:00:01+00"),
        ("req_other", 3, 0, 12480, 0, 87, "2026-11-02 10:00:05+00"),
    ]


def test_metrics_are_never_billed(tmp_path: Path) -> None:
    metrics = {"resourceMetrics": [{"scopeMetrics": [{"metrics": [{"name": "claude_code.token.usage"}]}]}]}
    report = read(tmp_path / "store", write(tmp_path / "otel.jsonl", [metrics, events(api_request())]))
    assert (report.counted.kept, report.counted.ignored) == (1, {"metrics": 1})


def test_a_transcript_and_its_events_are_one_call(tmp_path: Path) -> None:
    usage = {
        "input_tokens": 3,
        "cache_creation_input_tokens": 12480,
        "cache_creation": {"ephemeral_5m_input_tokens": 0, "ephemeral_1h_input_tokens": 12480},
    }
    line = said("msg_1", "req_cc", output=87, model="claude-sonnet-5", usage=usage)
    event = api_request(effort="high", **{"user.email": "ana@shop.example"})
    read(
        tmp_path / "store",
        write(tmp_path / "s1.jsonl", [line]),
        write(tmp_path / "otel.jsonl", [events(event)]),
    )
    found = rows(tmp_path / "store", '"format", effort, "user", team, cache_write_1h_tokens')
    assert found == [("claude_code", "high", "ana@shop.example", "platform", 12480)]


def test_events_without_a_request_id_are_calls_each_and_their_copy_adds_nothing(tmp_path: Path) -> None:
    lines = [events(api_request(1, None), api_request(2, None))]
    read(tmp_path / "store", write(tmp_path / "a.jsonl", lines))
    again = read(tmp_path / "store", write(tmp_path / "b.jsonl", lines))
    assert (again.counted.duplicates, again.rows_total) == (2, 2)


def test_a_compaction_is_a_pass_of_its_own(tmp_path: Path) -> None:
    compaction = {
        "anthropic__usage__compaction__input_tokens": 150_000,
        "anthropic__usage__compaction__output_tokens": 131,
        "gen_ai__response__model": "claude-haiku-5-5",
    }
    found = told(
        tmp_path,
        spans(SDK, span(1, **(used(10_200, 5, 9000, 1000) | SPLIT | compaction))),
        columns=f"row_kind, requests, prompt_tokens, {CLASSES}",
    )
    assert found == [
        ("call", 1, 10_200, 200, 9000, 300, 700, 5),
        ("compaction", 0, 150_000, 150_000, 0, 0, 0, 131),
    ]
    # Haiku 5.5 costs five times as much above 100,000 tokens: the compaction does, the call does not.
    call = Decimal(200) / 10 + Decimal(9000) / 100 + Decimal(300) * Decimal("0.125") + Decimal(700) / 5 + Decimal(5) / 2
    assert audit(tmp_path / "store").spend().total_usd == (call + 5 * (Decimal(15_000) + Decimal(131) / 2)) / 10**6


def test_labels_ids_and_times_are_kept_and_text_is_not(tmp_path: Path) -> None:
    call = span(
        1,
        **(used(1000, 10) | {"anthropic__request__id": "req_1", "gen_ai__response__id": "msg_1"}),
        gen_ai__conversation__id="conv-42",
        gen_ai__agent__name="support",
        gen_ai__input__messages="SECRET question",
        gen_ai__response__finish_reasons=["end_turn"],
        anthropic__workspace__id="wrkspc_1",
        anthropic__response__service_tier="batch",
    )
    line = spans(SDK, call, deployment__environment__name="prod", cost_center="cc-1", telemetry__sdk__name="otel")
    columns = (
        "project, environment, session, endpoint, workspace, tier, request_id, message_id, stop_reason, latency_ms, "
        "CAST(tags AS VARCHAR), array_to_string(flags, ' ')"
    )
    assert told(tmp_path, line, columns=columns) == [
        (
            *("shop", "prod", "conv-42", "support", "wrkspc_1", "batch", "req_1", "msg_1", "end_turn", 1000.0),
            "{cost_center=cc-1}",
            "lower_bound",
        )
    ]
    everything = b"".join(p.read_bytes() for p in (tmp_path / "store").rglob("*") if p.is_file())
    assert b"SECRET" not in everything


def test_a_failed_call_without_tokens_is_ignored(tmp_path: Path) -> None:
    failed = span(1, **used(0, 0)) | {"status": {"code": 2}}
    report = read(tmp_path / "store", write(tmp_path / "spans.jsonl", [spans(SDK, failed, span(2, **used(10, 1)))]))
    assert (report.counted.kept, report.counted.ignored) == (1, {"failed call without usage": 1})


def test_counts_that_add_up_to_no_count_reject_their_record_alone(tmp_path: Path) -> None:
    most = 2**63 - 1
    huge = span(1, **(used(10, most, most, most) | {"gen_ai__usage__total_tokens": most}))
    report = read(tmp_path / "store", write(tmp_path / "spans.jsonl", [spans("x", huge, span(2, **used(10, most)))]))
    assert [r.reason for r in report.rejects] == [
        "the token counts of the prompt add up to more than 9223372036854775807"
    ]
    assert report.counted.kept == 1


counts = st.integers(0, 300_000)


@quick
@given(st.lists(st.tuples(counts, counts, counts, counts, counts), min_size=4, max_size=8))
def test_a_span_bills_what_the_native_record_of_its_call_bills(calls: list[tuple[int, ...]]) -> None:
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        lines, native = [], []
        for n, (uncached, output, cached, w5, w1) in enumerate(calls):
            split = {
                "anthropic__usage__cache_creation__ephemeral_5m_input_tokens": w5,
                "anthropic__usage__cache_creation__ephemeral_1h_input_tokens": w1,
            }
            lines.append(spans(SDK, span(n, **(used(uncached + cached + w5 + w1, output, cached, w5 + w1) | split))))
            native.append(record(n, input=uncached, output=output, read=cached, w5=w5, w1=w1))
        read(folder / "spans", write(folder / "spans.jsonl", lines))
        read(folder / "native", write(folder / "native.jsonl", native))
        one, other = audit(folder / "spans").spend(["hour"]), audit(folder / "native").spend(["hour"])
        assert (one.total_usd, one.tokens, one.requests) == (other.total_usd, other.tokens, other.requests)


scalars = st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=6)
NAMES = (
    "gen_ai.usage.input_tokens",
    "gen_ai.usage.cache_read.input_tokens",
    "ai.response.providerMetadata",
    "scope",
    "x",
)
anything = st.recursive(
    scalars,
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(
                ["attributes", "key", "value", "stringValue", "intValue", "resource", "scope", "name", "spans"]
            ),
            inner,
            max_size=4,
        )
    ),
    max_leaves=10,
)
odd_spans = st.builds(
    lambda values, more: span(9, **used(5, 1)) | {"attributes": attributes(values)} | more,
    st.dictionaries(st.sampled_from(NAMES), st.integers(-5, 2**64) | st.text(max_size=6), max_size=4),
    st.dictionaries(
        st.sampled_from(["startTimeUnixNano", "endTimeUnixNano", "attributes", "traceId"]), anything, max_size=2
    ),
)
odd_lines = st.one_of(
    st.text(max_size=40).map(lambda t: t.replace("\n", " ").replace("\r", " ")),
    anything.map(json.dumps),
    anything.map(lambda v: json.dumps({"resourceSpans": v, "resourceLogs": v})),
    st.lists(odd_spans | anything, max_size=3).map(lambda s: json.dumps(spans("my.own.tracing", *s))),
    st.lists(anything, max_size=2).map(lambda s: json.dumps(events(*s, api_request(9, None)))),
)


@quick
@given(st.lists(odd_lines, max_size=8))
def test_garbage_never_costs_its_neighbours(lines: list[str]) -> None:
    with tempfile.TemporaryDirectory() as name:
        good = [spans(TRACELOOP, span(100 + n, **used(1000, 100))) for n in (0, 1)]
        report = read(Path(name) / "store", write(Path(name) / "a.jsonl", [good[0], *lines, good[1]]))
        assert_all_counted(report)
        assert audit(Path(name) / "store").spend().requests >= 2


def assert_all_counted(report: IngestReport) -> None:
    c = report.counted
    assert c.lines == c.kept + c.duplicates + sum(c.ignored.values()) + c.rejected


def observation(n: int, kind: str, usage: object, **more: str) -> dict[str, Any]:
    """A span of Langfuse's SDK."""
    values = {
        "langfuse__observation__type": kind,
        "langfuse__observation__model__name": "claude-sonnet-5-5",
        "langfuse__observation__usage_details": usage if isinstance(usage, str) else json.dumps(usage),
    }
    made = span(n, **values, **more)
    made["attributes"] = [a for a in made["attributes"] if a["key"] != "gen_ai.response.model"]
    return made


def test_langfuses_own_spans_hold_their_counts_in_one_attribute(tmp_path: Path) -> None:
    returned = {
        "input_tokens": 12,
        "cache_read_input_tokens": 800,
        "cache_creation_input_tokens": 40,
        "output_tokens": 30,
    }
    line = spans(
        "langfuse-sdk",
        observation(1, "generation", {"input": 12, "input_cached_tokens": 800, "output": 30}, langfuse__user__id="ana"),
        observation(2, "generation", returned),
        observation(3, "span", returned),
        observation(4, "generation", "{"),
        observation(5, "generation", {"in\"put'": 1, "input": 7, "output": 2}),
    )
    columns = 'model, input_tokens, cache_read_tokens, cache_write_unknown_tokens, output_tokens, "user"'
    assert told(tmp_path, line, columns=columns) == [
        ("claude-sonnet-5-5", 12, 800, None, 30, "ana"),
        ("claude-sonnet-5-5", 12, 800, 40, 30, None),
        ("claude-sonnet-5-5", 7, None, None, 2, None),
    ]
