"""Dumped streams: the last delta over the start, one call a message, whatever the events are wrapped in."""

from __future__ import annotations

import json
from collections.abc import Iterable
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from exports import CLASSES, fates, garbage, native_again, quick, rows, survives, told
from hypothesis import given
from hypothesis import strategies as st
from logs import audit, read, record, table, write

Event = dict[str, Any]


def start(message: str | None = "msg_1", model: str = "claude-sonnet-5-5", **usage: Any) -> Event:
    counts = {"input_tokens": 1000, "output_tokens": 1} | usage
    return {
        "type": "message_start",
        "message": {"id": message, "type": "message", "model": model, "content": [], "usage": counts},
    }


def block(kind: str = "text", **more: Any) -> Event:
    return {"type": "content_block_start", "index": 0, "content_block": {"type": kind, **more}}


def text(words: str = "Hello") -> Event:
    return {"type": "content_block_delta", "index": 0, "delta": {"type": "text_delta", "text": words}}


def delta(stop: str = "end_turn", category: str | None = None, **usage: Any) -> Event:
    details = {"stop_details": {"type": "refusal", "category": category}} if category else {}
    return {"type": "message_delta", "delta": {"stop_reason": stop, **details}, "usage": {"output_tokens": 100} | usage}


STOP = {"type": "message_stop"}


def whole(message: str | None = "msg_1", **more: Any) -> list[Event]:
    return [start(message, **more), block(), text(), {"type": "content_block_stop", "index": 0}, delta(), STOP]


def sse(events: Iterable[Event]) -> str:
    return "".join(f"event: {e['type']}\ndata: {json.dumps(e)}\n\n" for e in events)


def test_a_call_is_its_start_and_its_other_lines_are_its_events(tmp_path: Path) -> None:
    report = read(tmp_path / "store", write(tmp_path / "dump.jsonl", [*whole("msg_1"), *whole("msg_2")]))
    assert fates(report) == (2, 0, 10, 0)
    assert report.formats == {"stream": 1}
    assert rows(tmp_path / "store", f"line, message_id, {CLASSES}") == [
        (1, "msg_1", 1000, 0, 0, 0, 100),
        (7, "msg_2", 1000, 0, 0, 0, 100),
    ]


def test_the_last_recorded_count_counts_and_nothing_is_added(tmp_path: Path) -> None:
    # Recorded: a run of code execution reads what it wrote; only the first 3,068 have a known TTL.
    split = {"ephemeral_5m_input_tokens": 3068, "ephemeral_1h_input_tokens": 0}
    events = [
        start(
            input_tokens=2,
            cache_creation_input_tokens=3068,
            cache_read_input_tokens=0,
            cache_creation=split,
            inference_geo="us",
        ),
        block("server_tool_use"),
        delta(input_tokens=4, cache_creation_input_tokens=3068, cache_read_input_tokens=3068, output_tokens=50),
        delta(input_tokens=6, cache_creation_input_tokens=3337, cache_read_input_tokens=6289, output_tokens=198),
        STOP,
    ]
    columns = "input_tokens, cache_read_tokens, cache_write_5m_tokens, cache_write_unknown_tokens, output_tokens, geo, stop_reason"
    assert told(tmp_path, *events, columns=columns) == [(6, 6289, 3068, 269, 198, "us", "end_turn")]


def test_a_delta_without_input_keeps_the_start(tmp_path: Path) -> None:
    assert told(tmp_path, start(input_tokens=17), delta(input_tokens=None, output_tokens=227)) == [(17, 0, 0, 0, 227)]


def test_two_starts_of_one_message_are_one_call(tmp_path: Path) -> None:
    assert told(tmp_path, start(), start(), block(), delta(), STOP) == [(1000, 0, 0, 0, 100)]


@pytest.mark.parametrize(
    "events", [[start()], [start(), block(), text()], [start(output_tokens=25), {"type": "error"}]]
)
def test_a_cut_stream_counts_its_input_and_says_so(tmp_path: Path, events: list[Event]) -> None:
    assert told(tmp_path, *events, columns="input_tokens, output_tokens, flags") == [
        (1000, None, ["partial_stream", "time_from_file"])
    ]


def test_the_end_of_a_cut_dump_is_rejected_and_costs_no_other_line(tmp_path: Path) -> None:
    lines = [json.dumps(e) for e in (*whole("msg_1"), *whole("msg_2"))]
    report = read(tmp_path / "store", write(tmp_path / "dump.jsonl", [*lines[:-2], lines[-2][:50]]))
    assert fates(report) == (2, 0, 8, 1)
    assert rows(tmp_path / "store", "message_id, output_tokens") == [("msg_1", 100), ("msg_2", None)]


def test_server_sent_events_as_text(tmp_path: Path) -> None:
    path = tmp_path / "answer.sse"
    path.write_text(
        "HTTP/2 200\nrequest-id: req_1\n\n: keep-alive\n"
        + sse(whole("msg_1")).replace("\n", "\r\n")
        + "data:" + json.dumps(start("msg_2")) + "\n\ndata: {broken\n\ndata:" + json.dumps(delta()) + "\n\ndata: [DONE]\n"
    )  # fmt: skip
    report = read(tmp_path / "store", path)
    assert (report.counted.kept, report.counted.rejected) == (2, 1)
    assert rows(tmp_path / "store", "message_id, input_tokens, output_tokens") == [
        ("msg_1", 1000, 100),
        ("msg_2", 1000, 100),
    ]


def test_a_document_of_events(tmp_path: Path) -> None:
    (tmp_path / "events.json").write_text(json.dumps([*whole("msg_1"), *whole("msg_2")], indent=2))
    assert fates(read(tmp_path / "store", tmp_path / "events.json")) == (2, 0, 10, 0)
    assert rows(tmp_path / "store", "message_id, output_tokens") == [("msg_1", 100), ("msg_2", 100)]


@pytest.mark.parametrize(
    "wrap",
    [
        lambda e: {"ts": "2026-11-02T10:00:00Z", "request_id": "req_9", "endpoint": "chat", "event": e},
        lambda e: {"time": "2026-11-02T10:00:00Z", "request_id": "req_9", "feature": "chat", "data": json.dumps(e)},
        lambda e: {
            "ts": "2026-11-02T10:00:00Z",
            "request_id": "req_9",
            "endpoint": "chat",
            "msg": f"data: {json.dumps(e)}",
        },
        lambda e: {"ts": "2026-11-02T10:00:00Z", "request_id": "req_9", "endpoint": "chat", "log": {"payload": e}},
        lambda e: {"ts": "2026-11-02T10:00:00Z", "request_id": "req_9", "endpoint": "chat", **e},
    ],
)
def test_the_log_around_the_events_tells_time_and_labels(tmp_path: Path, wrap: Any) -> None:
    columns = f"CAST(ts AS VARCHAR), request_id, endpoint, flags, {CLASSES}"
    assert told(tmp_path, *map(wrap, whole()), columns=columns) == [
        ("2026-11-02 10:00:00+00", "req_9", "chat", [], 1000, 0, 0, 0, 100)
    ]
    assert audit(tmp_path / "store").spend().total_usd == Decimal("0.003")


def test_streams_that_run_at_the_same_time_are_told_apart_by_their_request(tmp_path: Path) -> None:
    one, two = ([{"request_id": f"req_{n}", "event": e} for e in whole(f"msg_{n}", input_tokens=n)] for n in (1, 2))
    one[-2]["event"]["usage"]["output_tokens"] = 11
    two[-2]["event"]["usage"]["output_tokens"] = 22
    mixed = [event for pair in zip(one, two, strict=True) for event in pair]
    columns = "request_id, input_tokens, output_tokens"
    assert told(tmp_path, *mixed, columns=columns) == [("req_1", 1, 11), ("req_2", 2, 22)]


def test_a_request_named_on_the_first_event_only_is_no_way_to_tell_streams_apart(tmp_path: Path) -> None:
    events = [{"request_id": "req_1", "event": start()}, {"event": block()}, {"event": delta()}]
    assert told(tmp_path, *events, columns="request_id, output_tokens") == [("req_1", 100)]


@pytest.mark.parametrize(("events", "unbilled"), [([], "refusal"), ([block(), text()], None)])
def test_a_refusal_is_free_before_any_content(tmp_path: Path, events: list[Event], unbilled: str | None) -> None:
    wrapped = [{"ts": "2026-11-02T10:00:00Z", "event": e} for e in (start(), *events, delta("refusal", "cyber"), STOP)]
    assert told(tmp_path, *wrapped, columns="unbilled, status, refusal_category") == [(unbilled, "refused", "cyber")]


def test_the_model_that_served_after_a_fallback(tmp_path: Path) -> None:
    fallback = block("fallback", **{"from": {"model": "claude-fable-5"}, "to": {"model": "claude-opus-4-8"}})
    assert told(tmp_path, start(model="claude-fable-5"), fallback, block(), delta(), columns="model") == [
        ("claude-opus-4-8",)
    ]


def test_a_compaction_is_a_pass_of_its_own(tmp_path: Path) -> None:
    passes = [
        {"type": "compaction", "input_tokens": 60385, "output_tokens": 522, "cache_creation_input_tokens": 900,
         "cache_creation": {"ephemeral_5m_input_tokens": 900, "ephemeral_1h_input_tokens": 0}},
        {"type": "message", "input_tokens": 612, "output_tokens": 2819, "cache_creation_input_tokens": 0},
    ]  # fmt: skip
    first = start(
        input_tokens=60385,
        cache_creation_input_tokens=900,
        cache_creation={"ephemeral_5m_input_tokens": 900, "ephemeral_1h_input_tokens": 0},
    )
    last = delta(input_tokens=612, cache_creation_input_tokens=0, output_tokens=2819, iterations=passes)
    assert told(tmp_path, first, block("compaction"), last, columns=f"row_kind, {CLASSES}") == [
        ("call", 612, 0, 0, 0, 2819),
        ("compaction", 60385, 0, 900, 0, 522),
    ]


def test_a_dump_that_grew_or_was_copied_adds_what_is_new(tmp_path: Path) -> None:
    path = write(tmp_path / "dump.jsonl", [*whole("msg_1"), start("msg_2"), block()])
    read(tmp_path / "store", path)
    assert rows(tmp_path / "store", "output_tokens") == [(100,), (None,)]
    with path.open("a") as out:
        out.writelines(json.dumps(e) + "\n" for e in (delta(), STOP, *whole("msg_3")))
    read(tmp_path / "store", path)
    read(tmp_path / "store", write(tmp_path / "copy.jsonl", path.read_text().splitlines()))
    assert sorted(rows(tmp_path / "store", "message_id, output_tokens")) == [
        ("msg_1", 100),
        ("msg_2", 100),
        ("msg_3", 100),
    ]


def test_events_without_their_start_are_said(tmp_path: Path) -> None:
    report = read(tmp_path / "store", write(tmp_path / "dump.jsonl", [text(), delta(), STOP, *whole()]))
    assert report.counted.ignored["event of a stream without its start"] == 2
    assert report.counted.kept == 1


def test_claude_codes_own_stream_is_billed_by_its_result(tmp_path: Path) -> None:
    events = [{"type": "stream_event", "session_id": "s", "event": e} for e in whole()]
    report = read(tmp_path / "store", write(tmp_path / "run.jsonl", events))
    assert report.formats == {"claude_code_result": 1}


def test_metrics_that_bedrock_adds_stand_in_for_what_is_missing(tmp_path: Path) -> None:
    metrics = {
        "inputTokenCount": 12,
        "outputTokenCount": 300,
        "cacheReadInputTokenCount": 0,
        "cacheWriteInputTokenCount": 7,
    }
    last = {"type": "message_stop", "amazon-bedrock-invocationMetrics": metrics}
    assert told(tmp_path, start(input_tokens=12), block(), last, columns=f"provider, {CLASSES}") == [
        ("aws_bedrock", 12, 0, 7, 0, 300)
    ]


@quick
@given(
    st.lists(st.one_of(garbage(start()), garbage(delta()), st.just("data: {x"), st.just("event: ping")), max_size=10)
)
def test_garbage_never_costs_another_message(lines: list[str]) -> None:
    good = [
        {"ts": "2026-11-02T10:00:00Z", "request_id": f"req_{n}", "event": e} for n in (1, 2) for e in whole(f"msg_{n}")
    ]
    survives(good, lines, Decimal(0), 2)


def test_written_back_as_native_records_the_bill_is_the_same(tmp_path: Path) -> None:
    split = {"ephemeral_5m_input_tokens": 300, "ephemeral_1h_input_tokens": 40}
    for n in range(3):
        events = [
            start(
                f"msg_{n}",
                "claude-opus-4-8",
                cache_creation_input_tokens=340,
                cache_creation=split,
                service_tier="standard",
            ),
            block(),
            delta(input_tokens=1000 + n, cache_read_input_tokens=5 * n, server_tool_use={"web_search_requests": n}),
        ]
        path = write(tmp_path / f"{n}.jsonl", [{"ts": f"2026-11-0{n + 1}T10:00:00Z", "event": e} for e in events])
        read(tmp_path / "store", path)
    before = table(tmp_path / "store")
    assert len(before) == 3
    assert native_again(tmp_path / "store") == audit(tmp_path / "store").spend().total_usd


def test_a_program_that_speaks_of_events_and_data_is_no_stream(tmp_path: Path) -> None:
    (tmp_path / "client.py").write_text("class Event:\n    event: str\n    data: bytes\n    database = connect()\n")
    read(tmp_path / "store", tmp_path / "client.py", write(tmp_path / "app.jsonl", [record(1)]))
    assert audit(tmp_path / "store").spend().requests == 1
