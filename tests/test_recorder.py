"""The recorder: every way of calling the API leaves one whole line, without text, that ingest reads as the bill has it."""

from __future__ import annotations

import asyncio
import json
import multiprocessing
import subprocess
import sys
import threading
import time
import warnings
from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from logs import audit, read, write
from stand_in_api import EVENTS, MESSAGE, REQUEST, USAGE, USD, api

from claude_audit import record
from claude_audit.recorded_streams import _warned
from claude_audit.store import Store

__all__ = ["api"]


@pytest.fixture(autouse=True)
def log(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("CLAUDE_AUDIT_LOG", str(tmp_path / "calls.jsonl"))
    monkeypatch.chdir(tmp_path)
    for name in ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "http_proxy", "https_proxy", "all_proxy"):
        monkeypatch.delenv(name, raising=False)
    _warned.clear()
    return tmp_path / "calls.jsonl"


def lines(log: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in log.read_text(encoding="utf-8").splitlines()] if log.exists() else []


def the_one(log: Path) -> dict[str, Any]:
    """The one record of the log: of the call above, with all that it is billed by, without its text."""
    (line,) = lines(log)
    assert "ecret" not in log.read_text(encoding="utf-8")
    assert {name: count for name, count in line["usage"].items() if count is not None} == USAGE
    return line


def billed(log: Path) -> tuple[dict[str, int], Decimal]:
    """The formats that ingest takes the log for, and what it comes to."""
    store = log.parent / "store"
    return dict(read(store, log).formats), audit(store).spend().total_usd


def test_a_message_as_the_api_returns_it(log: Path) -> None:
    reply = record(MESSAGE, request=REQUEST, endpoint="chat", user="ana", tags={"branch": "main"})
    assert reply is MESSAGE
    line = the_one(log)
    assert line["message_id"] == "msg_7"
    assert (line["endpoint"], line["user"], line["tags"]) == ("chat", "ana", {"branch": "main"})
    assert (line["max_tokens"], line["tools_defined"], line["message_count"]) == (512, 1, 3)
    assert (line["thinking"], line["has_images"], line["output_blocks"]) == (False, False, 1)
    assert "latency_ms" not in line  # when the call was sent is not known
    assert billed(log) == ({"native": 1}, USD)


def test_prompt_blocks_are_those_that_ingest_makes_of_the_same_pair(log: Path, tmp_path: Path) -> None:
    record(MESSAGE, request=REQUEST)
    pair = {"timestamp": "2026-11-02T10:00:00Z", "request": REQUEST, "response": MESSAGE}
    text = json.dumps(pair, ensure_ascii=False, separators=(",", ":"))
    read(tmp_path / "pairs", write(tmp_path / "pairs.jsonl", [text]))
    place = Store(tmp_path / "pairs")
    import duckdb

    (parts,) = place.part_paths(place.manifest())
    found = duckdb.connect().execute("SELECT prompt_blocks FROM read_parquet(?)", [str(parts)]).fetchone()
    assert found is not None
    (line,) = lines(log)
    assert [block | {"breakpoint": block.get("breakpoint", False)} for block in line["prompt_blocks"]] == found[0]
    assert sum(block["tokens"] for block in line["prompt_blocks"]) == 6300
    assert [b["kind"] for b in line["prompt_blocks"]] == ["tools", "system", "message", "message", "message"]


def test_what_was_looked_up_is_told_part_by_part_by_the_recorder_and_by_ingest(log: Path, tmp_path: Path) -> None:
    def found(name: str) -> dict[str, Any]:
        return {"type": "search_result", "source": name, "title": name, "content": [{"type": "text", "text": "…" * 99}]}

    page = {"type": "document", "source": {"type": "text", "data": "a page" * 50}}
    brought = {"type": "tool_result", "tool_use_id": "t1", "content": [found("é"), found("b")]}
    marked = brought | {"cache_control": {"type": "ephemeral"}}
    messages = [
        {"role": "user", "content": [page, page, {"type": "text", "text": "what is it?"}]},
        {"role": "assistant", "content": [{"type": "tool_use", "id": "t1", "name": "find", "input": {}}]},
        {"role": "user", "content": [brought, None, {"type": "text", "text": "well?"}]},
        {"role": "user", "content": [marked]},
        {"role": "user", "content": [{"type": "tool_result", "content": "nothing"}, "odd", None, 3]},
        {"role": "user", "content": "document"},
    ]
    request = REQUEST | {"system": "s", "messages": messages}
    record(MESSAGE, request=request)
    pair = {"timestamp": "2026-11-02T10:00:00Z", "request": request, "response": MESSAGE}
    read(
        tmp_path / "pairs",
        write(tmp_path / "pairs.jsonl", [json.dumps(pair, ensure_ascii=False, separators=(",", ":"))]),
    )
    place = Store(tmp_path / "pairs")
    import duckdb

    (parts,) = place.part_paths(place.manifest())
    (blocks,) = duckdb.connect().execute("SELECT prompt_blocks FROM read_parquet(?)", [str(parts)]).fetchone() or ()
    (line,) = lines(log)
    assert [block | {"breakpoint": block.get("breakpoint", False)} for block in line["prompt_blocks"]] == blocks
    kinds = "tools system document document message message search_result search_result" + 5 * " message"
    assert [block["kind"] for block in blocks] == kinds.split()
    assert [n for n, block in enumerate(blocks) if block["breakpoint"]] == [10]


def test_prompts_share_a_prefix_as_far_as_their_hashes_agree(log: Path) -> None:
    longer = REQUEST | {"messages": [*REQUEST["messages"], {"role": "user", "content": "more"}]}
    other = REQUEST | {"system": "another one"}
    for request in (REQUEST, longer, other):
        record(MESSAGE, request=request)
    first, more, changed = ([block["hash"] for block in line["prompt_blocks"]] for line in lines(log))
    assert more[: len(first)] == first
    assert changed[0] == first[0]
    assert not set(changed[1:]) & set(first)


def test_automatic_caching_marks_the_end_of_the_prompt(log: Path) -> None:
    record(MESSAGE, request=REQUEST | {"system": "s", "cache_control": {"type": "ephemeral"}})
    assert [bool(block.get("breakpoint")) for block in lines(log)[0]["prompt_blocks"]] == [False] * 4 + [True]


def test_counts_over_several_prompts_are_no_prompt(log: Path) -> None:
    record(MESSAGE | {"usage": USAGE | {"server_tool_use": {"web_search_requests": 2}}}, request=REQUEST)
    assert "prompt_blocks" not in lines(log)[0]


def test_a_result_of_a_batch(log: Path) -> None:
    record(
        {
            "custom_id": "doc-1",
            "result": {"type": "succeeded", "message": MESSAGE | {"usage": {"input_tokens": 1, "output_tokens": 1}}},
        }
    )
    record({"custom_id": "doc-2", "result": {"type": "expired"}})
    (line,) = lines(log)
    assert (line["usage"]["service_tier"], line["tags"]) == ("batch", {"custom_id": "doc-1"})


def test_texts_are_never_attributes(log: Path) -> None:
    with pytest.warns(RuntimeWarning, match="prompt is no short label"):
        record(MESSAGE, prompt="x" * 5000, unit="ticket-118")
    (line,) = lines(log)
    assert line["unit"] == "ticket-118"
    assert "prompt" not in line


def test_when_it_was_sent_is_taken_from_whoever_knows(log: Path) -> None:
    record(MESSAGE, started=time.time() - 2)
    (line,) = lines(log)
    assert 2000 <= line["latency_ms"] < 60_000


def test_a_stream_of_plain_events(log: Path) -> None:
    assert list(record(iter(EVENTS), request=REQUEST, endpoint="chat")) == EVENTS
    assert the_one(log)["stop_reason"] == "end_turn"
    assert billed(log) == ({"native": 1}, USD)


@pytest.mark.parametrize("events", [2, 5])
def test_a_stream_that_is_given_up_says_so(log: Path, events: int) -> None:
    stream = record(iter(EVENTS))
    for _ in range(events):
        next(stream)
    stream.close()  # type: ignore[attr-defined]
    (line,) = lines(log)
    assert (line["usage"]["output_tokens"], line["tags"]) == (None, {"partial_stream": True})


def test_a_stream_that_is_dropped_is_recorded_too(log: Path) -> None:
    stream = record(iter(EVENTS))
    next(stream)
    del stream
    assert len(lines(log)) == 1


def test_what_fails_in_a_stream_reaches_its_reader(log: Path) -> None:
    def failing() -> Iterator[dict[str, Any]]:
        yield from EVENTS[:3]
        raise ConnectionError("gone")

    with pytest.raises(ConnectionError, match="gone"):
        list(record(failing()))
    assert len(lines(log)) == 1


def test_what_was_not_billed_leaves_nothing(log: Path) -> None:
    error = {"type": "error", "error": {"type": "overloaded_error"}}
    assert record(error) is error
    assert not log.exists()


def test_an_application_never_fails_for_its_log(tmp_path: Path) -> None:
    place = tmp_path / "no" / "such" / "folder.jsonl"
    with pytest.warns(RuntimeWarning, match="not in the log") as said:
        assert record(MESSAGE, to=place) is MESSAGE
        assert record(MESSAGE, to=place) is MESSAGE
    assert len(said) == 1  # once is enough
    with pytest.warns(RuntimeWarning, match="no response"):
        assert record("hello") == "hello"
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert record(MESSAGE, to=place) is MESSAGE


def test_strict_raises(tmp_path: Path) -> None:
    with pytest.raises(OSError, match="folder"):
        record(MESSAGE, to=tmp_path / "no" / "folder.jsonl", strict=True)
    with pytest.raises(TypeError, match="no response"):
        record(3, strict=True)


def test_a_line_that_somebody_left_unfinished_costs_no_other(log: Path) -> None:
    log.write_text('{"timestamp": "2026-')
    record(MESSAGE)
    assert json.loads(log.read_text().splitlines()[1])["message_id"] == "msg_7"


def test_without_a_place_it_is_the_working_directory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("CLAUDE_AUDIT_LOG")
    record(MESSAGE)
    assert len(lines(tmp_path / "claude-audit.jsonl")) == 1


def _many(log: str, worker: int, calls: int) -> None:
    threads = [
        threading.Thread(
            target=lambda t=t: [
                record(MESSAGE | {"id": f"msg_{worker}_{t}_{n}"}, to=log, request=REQUEST, unit="x" * (n % 190))
                for n in range(calls)
            ]
        )
        for t in range(3)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()


def test_lines_of_threads_and_processes_never_interleave(log: Path) -> None:
    context = multiprocessing.get_context("fork")
    workers = [context.Process(target=_many, args=(str(log), worker, 40)) for worker in range(3)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    assert {line["message_id"] for line in lines(log)} == {
        f"msg_{w}_{t}_{n}" for w in range(3) for t in range(3) for n in range(40)
    }
    assert len(lines(log)) == 360


def test_the_import_is_light() -> None:
    """An application that records has none of the auditor's dependencies loaded."""
    code = (
        "import sys, claude_audit; claude_audit.record; "
        "print(sorted({m.split('.')[0] for m in sys.modules} & {'pandas', 'pyarrow', 'duckdb', 'narwhals', 'typer', 'rich', 'yaml'}))"
    )
    assert (
        subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.strip() == "[]"
    )


class TestOfficialSdk:
    """Against the real `anthropic` package, talking to a stand-in on the loopback interface."""

    @pytest.fixture
    def client(self, api: str) -> Iterator[Any]:
        anthropic = pytest.importorskip("anthropic")
        with anthropic.Anthropic(api_key="test", base_url=api, max_retries=0) as client:
            yield client

    def run(self, api: str, ask: Any) -> Any:
        """What `ask(client)` gives, of an asynchronous client."""
        anthropic = pytest.importorskip("anthropic")

        async def main() -> Any:
            async with anthropic.AsyncAnthropic(api_key="test", base_url=api, max_retries=0) as client:
                return await ask(client)

        return asyncio.run(main())

    def test_create(self, client: Any, log: Path) -> None:
        reply = record(client.messages.create(**REQUEST), request=REQUEST, endpoint="chat")
        assert reply.content[0].text == "A secret reply."
        line = the_one(log)
        assert (line["request_id"], line["message_id"], line["output_blocks"]) == ("req_7", "msg_7", 1)

    def test_a_reply_goes_into_the_next_request(self, client: Any, log: Path) -> None:
        reply = record(client.messages.create(**REQUEST), request=REQUEST)
        follow = REQUEST | {"messages": [*REQUEST["messages"], {"role": "assistant", "content": reply.content}]}
        record(MESSAGE, request=follow)
        first, second = (line["prompt_blocks"] for line in lines(log))
        assert [b["hash"] for b in second][: len(first)] == [b["hash"] for b in first]

    def test_raw_response(self, client: Any, log: Path) -> None:
        raw = record(client.messages.with_raw_response.create(**REQUEST), request=REQUEST)
        assert raw.parse().id == "msg_7"
        line = the_one(log)
        assert line["request_id"] == "req_7"
        assert line["latency_ms"] > 0

    def test_events(self, client: Any, log: Path) -> None:
        with record(client.messages.create(**REQUEST, stream=True), request=REQUEST) as stream:
            assert [event.type for event in stream] == [event["type"] for event in EVENTS]
        line = the_one(log)
        assert (line["request_id"], line["stream"], line["stop_reason"]) == ("req_7", True, "end_turn")
        assert line["latency_ms"] >= line["ttft_ms"] >= 0

    @pytest.mark.parametrize("way", ["text", "events", "final"])
    def test_stream_manager(self, client: Any, log: Path, way: str) -> None:
        with record(client.messages.stream(**REQUEST), request=REQUEST) as stream:
            match way:
                case "text":
                    assert "".join(stream.text_stream) == "A secret reply."
                case "events":
                    assert "message_stop" in [event.type for event in stream]
                case "final":
                    assert stream.get_final_text() == "A secret reply."
            assert stream.get_final_message().usage.output_tokens == 200
        line = the_one(log)
        assert (line["request_id"], line["output_blocks"]) == ("req_7", 1)
        assert line["latency_ms"] >= line["ttft_ms"] >= 0

    def test_a_stream_manager_left_early(self, client: Any, log: Path) -> None:
        with record(client.messages.stream(**REQUEST)) as stream:
            next(iter(stream))
        (line,) = lines(log)
        assert line["tags"] == {"partial_stream": True}

    def test_a_count_of_tokens_is_no_call(self, log: Path) -> None:
        types = pytest.importorskip("anthropic.types")
        count = types.MessageTokensCount(input_tokens=3)
        assert record(count) is count
        assert not log.exists()

    def test_async_create(self, api: str, log: Path) -> None:
        async def ask(client: Any) -> Any:
            return await record(client.messages.create(**REQUEST), request=REQUEST)

        assert self.run(api, ask).id == "msg_7"
        line = the_one(log)
        assert line["request_id"] == "req_7"
        assert line["latency_ms"] > 0

    def test_async_events(self, api: str, log: Path) -> None:
        async def ask(client: Any) -> list[str]:
            stream = await record(client.messages.create(**REQUEST, stream=True), request=REQUEST)
            return [event.type async for event in stream]

        assert self.run(api, ask)[-1] == "message_stop"
        assert the_one(log)["latency_ms"] > 0

    @pytest.mark.parametrize("way", ["text", "final"])
    def test_async_stream_manager(self, api: str, log: Path, way: str) -> None:
        async def ask(client: Any) -> str:
            async with record(client.messages.stream(**REQUEST), request=REQUEST) as stream:
                if way == "text":
                    return "".join([text async for text in stream.text_stream])
                return str(await stream.get_final_text())

        assert self.run(api, ask) == "A secret reply."
        assert the_one(log)["request_id"] == "req_7"

    def test_async_raw_response(self, api: str, log: Path) -> None:
        async def ask(client: Any) -> Any:
            raw = await record(client.messages.with_raw_response.create(**REQUEST), request=REQUEST)
            return await raw.parse()

        assert self.run(api, ask).id == "msg_7"
        assert the_one(log)["request_id"] == "req_7"
