"""OpenRouter, Cloudflare, Kong and Envoy: what their logs count, what they leave out, and what is said of that."""

from __future__ import annotations

import json
import tempfile
from collections.abc import Mapping
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from logs import audit, read, record, table, write

quick = settings(max_examples=3, deadline=None, suppress_health_check=[HealthCheck.too_slow])

CREATED = 1793613600
"""2026-11-02T10:00:00Z."""


def rows(store: Path, columns: str) -> list[tuple[Any, ...]]:
    found = audit(store)
    return found.engine.sql(f"SELECT {columns} FROM usage ORDER BY ts, identity", found.parts)


def told(folder: Path, *lines: Mapping[str, Any] | str, columns: str) -> list[tuple[Any, ...]]:
    """These lines, ingested: the columns of each row."""
    read(folder / "store", write(folder / "log.jsonl", lines))
    return rows(folder / "store", columns)


CLASSES = (
    "coalesce(input_tokens, 0), coalesce(cache_read_tokens, 0), coalesce(cache_write_5m_tokens, 0) + coalesce(cache_write_unknown_tokens, 0), "
    "coalesce(cache_write_1h_tokens, 0), output_tokens"
)


def answer(
    n: int = 1, prompt: int = 2572, output: int = 63, cached: int = 3, written: int = 2569, **more: Any
) -> dict[str, Any]:
    """A chat completion of OpenRouter."""
    return {
        "id": f"gen-{n}",
        "object": "chat.completion",
        "created": CREATED + n,
        "model": "anthropic/claude-4.6-sonnet-20260217",
        "provider": "Anthropic",
        "choices": [{"finish_reason": "stop", "native_finish_reason": "end_turn"}],
        "usage": {
            "prompt_tokens": prompt,
            "completion_tokens": output,
            "prompt_tokens_details": {"cached_tokens": cached, "cache_write_tokens": written},
            "completion_tokens_details": {"reasoning_tokens": 7},
            "cost": 0.01,
        },
    } | more


def generation(n: int = 1, prompt: int = 2572, output: int = 63, cached: int = 3, **more: Any) -> dict[str, Any]:
    """The record of a generation, whose counts of another tokenizer differ."""
    return {
        "data": {
            "id": f"gen-{n}",
            "upstream_id": f"msg_{n}",
            "created_at": f"2026-11-02T10:00:{n:02d}.123Z",
            "model": "anthropic/claude-sonnet-4.6",
            "provider_name": "Anthropic",
            "tokens_prompt": 1800,
            "tokens_completion": 40,
            "native_tokens_prompt": prompt,
            "native_tokens_completion": output,
            "native_tokens_cached": cached,
            "latency": 812,
            "generation_time": 2400,
            "total_cost": 0.01,
            "external_user": "u-4",
        }
        | more
    }


def test_openrouter_records_under_data_are_a_call_each(tmp_path: Path) -> None:
    listed = {"data": [generation(1)["data"], generation(2)["data"], generation(1)["data"]]}
    assert told(tmp_path / "line", listed, columns="input_tokens, output_tokens") == [(2569, 63)] * 2
    (tmp_path / "file.json").write_text(json.dumps(listed, indent=1))
    report = read(tmp_path / "store", tmp_path / "file.json")
    assert (report.formats, report.counted.kept, report.counted.duplicates) == ({"openrouter": 1}, 2, 1)


def test_openrouter_responses_include_the_cached_tokens(tmp_path: Path) -> None:
    messages = {
        "type": "message",
        "stop_reason": "refusal",
        "usage": {"input_tokens": 10, "output_tokens": 4, "cache_read_input_tokens": 90},
    }
    responses = {
        "object": "response",
        "usage": {"input_tokens": 100, "output_tokens": 4, "input_tokens_details": {"cached_tokens": 90}},
    }
    found = told(
        tmp_path,
        answer(1),
        answer(2, **messages),
        answer(3, **responses),
        columns=f"{CLASSES}, thinking_tokens, provider, gateway, stop_reason, cost_reported_usd, cost_reported_by",
    )
    openrouter = ("openrouter", "openrouter")
    assert found == [
        (0, 3, 2569, 0, 63, 7, *openrouter, "end_turn", Decimal("0.01"), "gateway_charge"),
        (10, 90, 0, 0, 4, None, *openrouter, "refusal", None, None),
        (10, 90, 0, 0, 4, None, *openrouter, "end_turn", None, None),
    ]


@pytest.mark.parametrize(
    "order", [(answer(), generation()), (generation(), answer())], ids=["response first", "record first"]
)
@pytest.mark.parametrize("at_once", [True, False], ids=["at once", "one by one"])
def test_a_response_and_its_generation_record_are_one_call(
    tmp_path: Path, order: tuple[dict[str, Any], ...], at_once: bool
) -> None:
    batches = [list(order)] if at_once else [[one] for one in order]
    for n, batch in enumerate(batches):
        read(tmp_path / "store", write(tmp_path / f"{n}.jsonl", batch))
    assert rows(tmp_path / "store", f"requests, {CLASSES}") == [(1, 0, 3, 2569, 0, 63)], (
        "only the response has the writes"
    )


def test_a_generation_record_is_billed_on_native_counts(tmp_path: Path) -> None:
    found = told(
        tmp_path,
        generation(1),
        generation(2, model="openai/gpt-4o-mini"),
        generation(3, native_tokens_prompt=0, native_tokens_completion=0),
        columns=f'{CLASSES}, message_id, latency_ms, "user", CAST(tags AS VARCHAR)',
    )
    assert found == [(2569, 3, 0, 0, 63, "msg_1", 2400.0, "u-4", "{upstream_provider=Anthropic}")]
    assert audit(tmp_path / "store").spend().total_usd == (2569 * 3 + 3 * Decimal("0.3") + 63 * 15) / 10**6


def test_what_openrouter_answers_from_its_own_cache_is_free(tmp_path: Path) -> None:
    counts = {"native_tokens_prompt": 900, "native_tokens_completion": 40, "model": "anthropic/claude-sonnet-5.5"}
    generated = counts | {"created_at": "2026-11-02T10:00:00Z", "total_cost": 0}
    nothing = {"native_tokens_prompt": 0, "native_tokens_completion": 0}
    lines = [
        generated | {"id": "gen-1", "response_cache_source_id": None},
        generated | {"id": "gen-2", "response_cache_source_id": "gen-1"},
        generated | {"id": "gen-3", "response_cache_source_id": "gen-1"} | nothing,
    ]
    read(tmp_path / "store", write(tmp_path / "log.jsonl", lines))
    assert rows(tmp_path / "store", "identity, requests, unbilled") == [
        ("gen-1", 1, None),
        ("gen-2", 1, "gateway_cache"),
        ("gen-3", 1, "gateway_cache"),
    ]


def test_a_stream_s_chunks_are_one_call_and_those_without_usage_none(tmp_path: Path) -> None:
    chunk = {k: v for k, v in answer(1, object="chat.completion.chunk").items() if k != "usage"}
    report = read(tmp_path / "store", write(tmp_path / "chunks.jsonl", [chunk, chunk, answer(1)]))
    assert (report.counted.kept, report.counted.ignored) == (1, {"record without usage": 2})


@pytest.mark.parametrize(
    ("upstream", "bills"), [("Anthropic", "anthropic"), ("Amazon Bedrock", "aws_bedrock"), ("Google", "gcp_vertex")]
)
def test_with_the_customer_s_own_key_the_upstream_provider_bills(tmp_path: Path, upstream: str, bills: str) -> None:
    usage = answer()["usage"] | {"is_byok": True}
    assert told(tmp_path, answer(provider=upstream, usage=usage), columns="provider") == [(bills,)]


def test_an_application_s_record_around_a_response_names_endpoint_and_labels(tmp_path: Path) -> None:
    around = {"feature": "search", "user_id": "u-7", "branch": "main", "timestamp": "2026-11-05T00:00:00Z"}
    found = told(
        tmp_path,
        around | {"response": answer(1)},
        around | {"message": json.dumps({"body": answer(2)})},
        columns="endpoint, \"user\", tags['branch'], output_tokens, CAST(ts AS DATE)::VARCHAR",
    )
    assert found == [("search", "u-7", "main", 63, "2026-11-02")] * 2, "the record's own time wins"


def logged(n: int = 1, **more: Any) -> dict[str, Any]:
    """A record of Cloudflare's AI Gateway."""
    return {
        "id": f"01K{n}",
        "created_at": f"2026-11-02T10:00:{n:02d}.000Z",
        "duration": 1830,
        "provider": "anthropic",
        "model": "claude-sonnet-5-5",
        "success": True,
        "status_code": 200,
        "cached": False,
        "tokens_in": 1200,
        "tokens_out": 300,
        "cost": 0.004,
        "metadata": '{"feature":"search","tenant":"a"}',
    } | more


def test_cloudflare_s_own_cache_is_free_and_its_failures_are_none(tmp_path: Path) -> None:
    lines = [
        logged(1),
        logged(2, cached=True),
        logged(3, success=False, status_code=429, tokens_in=None, tokens_out=None),
        logged(4, success=False, status_code=529, tokens_out=0),
        logged(5, success=False, status_code=499),
        logged(6, provider="openai", model="gpt-4o-mini"),
        logged(7, provider="openai", model=""),
        logged(8, tokens_in=-1),
        logged(1),
        "{",
        {"event": "started"},
    ]
    report = read(tmp_path / "store", write(tmp_path / "log.jsonl", lines))
    c = report.counted
    assert (c.lines, c.kept, c.duplicates, c.rejected) == (11, 4, 1, 2)
    assert c.ignored == {"failed call without usage": 1, "other vendor's model": 2, "record without usage": 1}
    found = rows(
        tmp_path / "store", "identity, requests, unbilled, array_to_string(flags, ' '), endpoint, tags['feature']"
    )
    labels = ("basis_assumed cache_unseen", "search", "search")
    assert found == [
        ("01K1", 1, None, *labels),
        ("01K2", 1, "gateway_cache", *labels),
        ("01K4", 1, "error", *labels),
        ("01K5", 1, None, *labels),
    ]
    assert audit(tmp_path / "store").spend().total_usd == 2 * Decimal("0.0054"), "hanging up does not save the charge"


ANSWER = {
    "id": "msg_1",
    "type": "message",
    "model": "claude-sonnet-5-5",
    "usage": {
        "input_tokens": 10,
        "output_tokens": 50,
        "cache_read_input_tokens": 9000,
        "cache_creation_input_tokens": 1000,
        "cache_creation": {"ephemeral_5m_input_tokens": 200, "ephemeral_1h_input_tokens": 800},
    },
}
START = {"type": "message_start", "message": ANSWER | {"usage": ANSWER["usage"] | {"output_tokens": 1}}}  # type: ignore[operator]
DELTA = {"type": "message_delta", "delta": {"stop_reason": "end_turn"}, "usage": {"output_tokens": 50}}


def sent(*events: dict[str, Any], cut: str = "") -> str:
    """Server-sent events."""
    return "".join(f"event: {e['type']}\ndata: {json.dumps(e)}\n\n" for e in events) + cut


@pytest.mark.parametrize(
    "body",
    [
        {"response_head": json.dumps(ANSWER), "response_head_complete": True},
        {"response": ANSWER},
        {"response_head": sent(START, DELTA)},
        {"response_head": sent(START, cut='event: message_delta\ndata: {"type": "mess'), "tokens_out": 50},
    ],
    ids=["head", "body", "stream", "cut stream"],
)
def test_an_answer_in_cloudflare_s_record_counts(tmp_path: Path, body: dict[str, Any]) -> None:
    read(tmp_path / "store", write(tmp_path / "log.jsonl", [logged(1, **body)]))
    assert rows(tmp_path / "store", f"{CLASSES}, message_id, array_to_string(flags, ' ')") == [
        (10, 9000, 200, 800, 50, "msg_1", "")
    ]


def test_a_head_that_was_cut_tells_nothing(tmp_path: Path) -> None:
    head = json.dumps(ANSWER)[:-20]
    read(tmp_path / "store", write(tmp_path / "log.jsonl", [logged(1, response_head=head)]))
    assert rows(tmp_path / "store", "input_tokens, output_tokens, array_to_string(flags, ' ')") == [
        (1200, 300, "basis_assumed cache_unseen")
    ]


def test_a_list_of_cloudflare_s_records_is_read_record_by_record(tmp_path: Path) -> None:
    path = tmp_path / "page.json"
    path.write_text(
        json.dumps({"result": [logged(n, metadata={"user": f"u{n}"}) for n in range(3)], "success": True}, indent=1)
    )
    assert read(tmp_path / "store", path).counted.kept == 3
    assert rows(tmp_path / "store", '"user"') == [("u0",), ("u1",), ("u2",)]


def kong(n: int = 1, plugin: str = "ai-proxy", status: int = 200, **told: Any) -> dict[str, Any]:
    """A line of Kong's http-log with what an AI plugin adds."""
    entry = {
        "meta": {"provider_name": "anthropic", "request_model": "claude-sonnet-5-5", "llm_latency": 1800},
        "usage": {"prompt_tokens": 300, "completion_tokens": 25, "cost": 0.001},
    } | told
    return {
        "started_at": CREATED * 1000 + n,
        "request": {"id": f"k{n}", "uri": "/claude"},
        "response": {"status": status},
        "route": {"name": "claude-chat"},
        "service": {"name": "llm"},
        "consumer": {"username": "ana"},
        "ai": {plugin: entry},
    }


def test_kong_s_plugins_are_calls_and_drop_the_cached_part(tmp_path: Path) -> None:
    both = kong(5)
    both["ai"]["ai-request-transformer"] = kong(plugin="x", usage={"prompt_tokens": 7, "completion_tokens": 1})["ai"][
        "x"
    ]
    lines = [
        {"started_at": 1, "request": {"uri": "/health"}, "response": {"status": 200}},
        kong(1),
        kong(2, "ai-proxy-advanced", cache={"cache_status": "Hit"}),
        kong(3, meta={"provider_name": "openai", "response_model": "gpt-4o"}),
        kong(4, status=429, usage={}),
        both,
        {"log": json.dumps(kong(6)), "stream": "stdout"},
    ]
    report = read(tmp_path / "store", write(tmp_path / "access.log", lines))
    c = report.counted
    assert (c.lines, c.kept) == (8, 5), "one line told of two calls"
    assert c.ignored == {"failed call without usage": 1, "other vendor's model": 1, "record without usage": 1}
    found = rows(
        tmp_path / "store",
        "identity, input_tokens, unbilled, endpoint, \"user\", tags['plugin'], array_to_string(flags, ' ')",
    )
    labels, flags = ("claude-chat", "ana"), "cache_unseen"
    assert found == [
        ("k1", 300, None, *labels, "ai-proxy", flags),
        ("k2", 300, "gateway_cache", *labels, "ai-proxy-advanced", flags),
        ("k5", 300, None, *labels, "ai-proxy", flags),
        ("k5/ai-request-transformer", 7, None, *labels, "ai-request-transformer", flags),
        ("k6", 300, None, *labels, "ai-proxy", flags),
    ]


@pytest.mark.parametrize(("other", "uncached", "flags"), [(50, 200, "basis_assumed"), (400, 300, "")])
def test_kong_s_cached_tokens_are_part_of_the_prompt_unless_a_line_proves_otherwise(
    tmp_path: Path, other: int, uncached: int, flags: str
) -> None:
    def with_cached(n: int, cached: int) -> dict[str, Any]:
        usage = {"prompt_tokens": 300, "completion_tokens": 25, "prompt_tokens_details": {"cached_tokens": cached}}
        return kong(n, usage=usage)

    columns = "input_tokens, cache_read_tokens, array_to_string(flags, ' ')"
    assert told(tmp_path, with_cached(1, 100), with_cached(2, other), columns=columns)[0] == (uncached, 100, flags)


def test_lines_of_kong_without_a_request_id_that_a_line_lists(tmp_path: Path) -> None:
    calls = [{k: v for k, v in kong(n).items() if k != "request"} for n in range(1, 6)]
    lines = [json.dumps({"records": calls[:2]}), json.dumps(calls[2:4]), calls[4]]
    assert read(tmp_path / "store", write(tmp_path / "log.jsonl", lines)).counted.kept == 5


def test_kong_s_plugin_under_its_older_and_newer_name_is_one_call(tmp_path: Path) -> None:
    detailed = {"prompt_tokens": 300, "completion_tokens": 25, "prompt_tokens_details": {"cached_tokens": 200}}
    line = kong(1)
    line["ai"]["proxy"] = line["ai"]["ai-proxy"] | {"usage": detailed}
    other = kong(2)
    other["ai"]["proxy"] = other["ai"]["ai-proxy"] | {"usage": {"prompt_tokens": 7, "completion_tokens": 1}}
    read(tmp_path / "store", write(tmp_path / "access.log", [line, other]))
    found = rows(tmp_path / "store", "input_tokens, cache_read_tokens, output_tokens")
    assert sorted(found, key=str) == [(100, 200, 25), (300, None, 25), (7, None, 1)]


def test_kong_is_recognised_behind_other_traffic(tmp_path: Path) -> None:
    health = {"started_at": 1, "request": {"uri": "/health"}, "response": {"status": 200}}
    report = read(tmp_path / "store", write(tmp_path / "access.log", [*[health] * 80, kong(1)]))
    assert (report.formats, report.counted.kept) == ({"kong": 1}, 1)


def envoy(n: int = 1, **more: Any) -> dict[str, Any]:
    """A line of an access log, keys as in the gateway's example. `__` stands for a point."""
    return {
        "gen_ai.request.model": "claude-sonnet-5-5",
        "gen_ai.response.model": "claude-sonnet-5-5",
        "gen_ai.provider.name": "anthropic-backend",
        "gen_ai.usage.input_tokens": "10300",
        "gen_ai.usage.output_tokens": "120",
        "start_time": f"2026-11-02T10:00:{n:02d}.000Z",
        "response_code": 200,
        "duration": 1830,
        "x-request-id": "edb34bab",
        "x-tenant": "acme",
        "user-agent": "curl",
    } | {k.replace("__", "."): v for k, v in more.items()}


def test_envoy_s_input_includes_the_cached_tokens_and_its_keys_are_the_user_s(tmp_path: Path) -> None:
    cache = {"gen_ai__usage__cached_input_tokens": "9000", "gen_ai__usage__cache_creation_input_tokens": 1000}
    none = {"gen_ai__usage__input_tokens": "-", "gen_ai__usage__output_tokens": "-", "gen_ai__response__model": "-"}
    lines = [
        envoy(1, **cache),
        envoy(2, team="shop", route_name="chat"),
        envoy(3, **none, response_code=503),
        envoy(4, **none),
        envoy(5, gen_ai__response__model="gpt-4o"),
        envoy(6, gen_ai__response__model="-"),
        {"message": json.dumps(envoy(7, gen_ai__usage__output_tokens="many"))},
        envoy(1, **cache),
    ]
    report = read(tmp_path / "store", write(tmp_path / "access.log", lines))
    c = report.counted
    assert (c.lines, c.kept, c.duplicates, c.rejected) == (8, 3, 1, 1)
    assert c.ignored == {"failed call without usage": 1, "other vendor's model": 1, "record without usage": 1}
    found = rows(tmp_path / "store", f"{CLASSES}, endpoint, team, CAST(tags AS VARCHAR), len(flags)")
    tags = "{x-tenant=acme, backend=anthropic-backend}"
    assert found == [
        (300, 9000, 1000, 0, 120, None, None, tags, 1),  # the writes' TTL is unknown
        (10_300, 0, 0, 0, 120, "chat", "shop", tags, 0),
        (10_300, 0, 0, 0, 120, None, None, tags, 0),
    ]


def test_envoy_s_keys_up_to_its_version_0_4(tmp_path: Path) -> None:
    line = {
        "genai_model_name": "claude-sonnet-5-5", "genai_model_name_override": "-", "genai_backend_name": "default/claude",
        "genai_tokens_input": "10300", "genai_tokens_output": 120, "genai_tokens_cached_input": 9000,
        "start_time": "2026-11-02T10:00:01.000Z", "response_code": 200, "x-request-id": "a",
    }  # fmt: skip
    columns = "model, input_tokens, cache_read_tokens, output_tokens, CAST(tags AS VARCHAR)"
    assert told(tmp_path, line, columns=columns) == [("claude-sonnet-5-5", 1300, 9000, 120, "{backend=default/claude}")]


def test_a_file_of_envoy_s_without_cache_counts_is_flagged(tmp_path: Path) -> None:
    assert told(tmp_path, envoy(1), columns="array_to_string(flags, ' ')") == [("cache_unseen",)]


def as_openrouter(n: int, uncached: int, output: int, cached: int, written: int) -> dict[str, Any]:
    return answer(n, uncached + cached + written, output, cached, written)


def as_envoy(n: int, uncached: int, output: int, cached: int, written: int) -> dict[str, Any]:
    counts = {"input_tokens": uncached + cached + written, "output_tokens": output, "cached_input_tokens": cached}
    counts["cache_creation_input_tokens"] = written
    return envoy(
        n, gen_ai__response__model="claude-sonnet-4-6", **{f"gen_ai__usage__{k}": v for k, v in counts.items()}
    )


counts = st.integers(1, 90_000)


@quick
@given(st.lists(st.tuples(counts, counts, counts, counts), min_size=4, max_size=8))
@pytest.mark.parametrize("line", [as_openrouter, as_envoy])
def test_a_line_bills_what_the_native_record_of_its_call_bills(line: Any, calls: list[tuple[int, ...]]) -> None:
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        native = [
            record(n, model="claude-sonnet-4-6", input=uncached, output=output, read=cached, w5=written)
            for n, (uncached, output, cached, written) in enumerate(calls)
        ]
        read(folder / "gateway", write(folder / "gateway.jsonl", [line(n, *call) for n, call in enumerate(calls)]))
        read(folder / "native", write(folder / "native.jsonl", native))
        one, other = audit(folder / "gateway").spend(), audit(folder / "native").spend()
        assert (one.total_usd, one.tokens, one.requests) == (other.total_usd, other.tokens, other.requests)


SAMPLES = {"openrouter": answer, "cloudflare": logged, "kong": kong, "envoy": envoy}


def test_no_text_is_kept(tmp_path: Path) -> None:
    for name, make in SAMPLES.items():
        line = make(1) | {"prompt": "SECRET", "messages": [{"content": "SECRET"}], "error": "SECRET"}
        read(tmp_path / "store", write(tmp_path / f"{name}.jsonl", [line]))
    assert len(table(tmp_path / "store")) == len(SAMPLES)
    assert b"SECRET" not in b"".join(p.read_bytes() for p in (tmp_path / "store").rglob("*") if p.is_file())


scalars = st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=6)
anything = st.recursive(
    scalars,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=6), inner, max_size=3),
    max_leaves=8,
)


@quick
@given(st.data())
@pytest.mark.parametrize("name", sorted(SAMPLES))
def test_garbage_never_costs_its_neighbours(name: str, data: st.DataObject) -> None:
    make = SAMPLES[name]
    keys = st.sampled_from([*make(1), "result", "response", "usage"])
    odd = st.one_of(
        st.text(max_size=40).map(lambda t: t.replace("\n", " ").replace("\r", " ")),
        anything.map(json.dumps),
        st.dictionaries(keys, anything, max_size=3).map(lambda changes: json.dumps(make(50) | changes)),
        st.dictionaries(keys, anything, max_size=3).map(lambda changes: json.dumps({"message": json.dumps(changes)})),
    )
    lines = data.draw(st.lists(odd, max_size=12))
    with tempfile.TemporaryDirectory() as folder:
        log = write(Path(folder) / "log.jsonl", [make(1), *lines, make(2)])
        report = read(Path(folder) / "store", log)
        c = report.counted
        assert report.formats == {name: 1}
        assert c.lines == c.kept + c.duplicates + sum(c.ignored.values()) + c.rejected
        assert c.lines >= 2 + sum(bool(line.strip(" \t\r")) for line in lines)
        assert audit(Path(folder) / "store").spend().requests >= 2
