"""Logs that real programs wrote a moment ago: the anthropic SDK's OpenTelemetry spans, LiteLLM's callback; loopback only."""

from __future__ import annotations

import asyncio
import json
import os
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import anthropic
import pytest
from exports import rows
from logs import audit, read
from opentelemetry.exporter.otlp.json.file.trace_exporter import FileSpanExporter
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from stand_in_api import REQUEST, USD, api

from claude_audit import record

__all__ = ["api"]

COUNTS = "input_tokens, cache_read_tokens, cache_write_5m_tokens, cache_write_1h_tokens, output_tokens, request_id, message_id"


@pytest.fixture(autouse=True)
def _loopback_only(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    for name in list(os.environ):
        if name.lower().endswith("_proxy") or name.startswith("OTEL_"):
            monkeypatch.delenv(name)
    monkeypatch.setenv("CLAUDE_AUDIT_LOG", str(tmp_path / "calls.jsonl"))


def whole(client: anthropic.Anthropic) -> Any:
    return client.messages.create(**REQUEST)


def events(client: anthropic.Anthropic) -> Any:
    return list(client.messages.create(**REQUEST, stream=True))


def helper(client: anthropic.Anthropic) -> Any:
    with client.messages.stream(**REQUEST) as stream:
        return stream.get_final_message()


class TestSpansOfTheSdk:
    @pytest.fixture
    def telemetry(self, tmp_path: Path) -> Iterator[Any]:
        """The SDK's option that sends its spans to a file, as the OTLP file exporter writes them."""
        about = {"service.name": "shop", "deployment.environment.name": "production", "team": "growth"}
        provider = TracerProvider(resource=Resource.create(about))
        provider.add_span_processor(SimpleSpanProcessor(FileSpanExporter(tmp_path / "spans.jsonl")))
        yield {"tracer_provider": provider}
        provider.shutdown()

    @pytest.mark.parametrize("ask", [whole, events, helper])
    def test_a_call(self, api: str, tmp_path: Path, telemetry: Any, ask: Callable[[anthropic.Anthropic], Any]) -> None:
        with anthropic.Anthropic(api_key="k", base_url=api, max_retries=0, open_telemetry=telemetry) as client:
            ask(client)
        assert dict(read(tmp_path / "store", tmp_path / "spans.jsonl").formats) == {"otlp": 1}
        told = f"{COUNTS}, model, project, environment, team, max_tokens, stop_reason, tier, latency_ms > 0"
        assert rows(tmp_path / "store", told) == [
            (1000, 5000, 100, 200, 200, "req_7", "msg_7", "claude-sonnet-5-5", "shop", "production", "growth", 512,
             "end_turn", "standard", True)
        ]  # fmt: skip
        assert audit(tmp_path / "store").spend().total_usd == USD

    def test_a_call_without_waiting(self, api: str, tmp_path: Path, telemetry: Any) -> None:
        async def ask() -> None:
            async with anthropic.AsyncAnthropic(
                api_key="k", base_url=api, max_retries=0, open_telemetry=telemetry
            ) as client:
                await client.messages.create(**REQUEST)

        asyncio.run(ask())
        read(tmp_path / "store", tmp_path / "spans.jsonl")
        assert audit(tmp_path / "store").spend().total_usd == USD

    def test_no_prompt_and_no_answer_is_kept(self, api: str, tmp_path: Path, telemetry: Any) -> None:
        content = telemetry | {"traces": {"content_mode": "full_content"}}
        with anthropic.Anthropic(api_key="k", base_url=api, max_retries=0, open_telemetry=content) as client:
            whole(client)
        read(tmp_path / "store", tmp_path / "spans.jsonl")
        (part,) = (tmp_path / "store" / "parts").iterdir()
        assert b"ecret" not in part.read_bytes() and b"ecret" not in (tmp_path / "store" / "manifest.json").read_bytes()

    @pytest.mark.parametrize("order", [("calls.jsonl", "spans.jsonl"), ("spans.jsonl", "calls.jsonl")])
    def test_a_span_and_a_record_of_one_call_are_one_call(
        self, api: str, tmp_path: Path, telemetry: Any, order: tuple[str, str]
    ) -> None:
        with anthropic.Anthropic(api_key="k", base_url=api, max_retries=0, open_telemetry=telemetry) as client:
            record(whole(client), request=REQUEST, endpoint="chat")
        for name in order:
            read(tmp_path / "store", tmp_path / name)
        assert rows(tmp_path / "store", "format, endpoint, project, request_id") == [
            ("native", "chat", "shop", "req_7")
        ]
        assert audit(tmp_path / "store").spend().total_usd == USD


@pytest.fixture(scope="module")
def litellm() -> Any:
    os.environ["LITELLM_LOCAL_MODEL_COST_MAP"] = "True"  # else it fetches its prices from the network
    if not os.environ.get("REAL_PROGRAMS"):
        # Not by its name alone: the sample logs have a folder of that name.
        pytest.importorskip("litellm.integrations.custom_logger", reason="pip install -e '.[litellm]' to run it")
    import litellm
    from litellm.integrations.custom_logger import CustomLogger

    class Writer(CustomLogger):  # type: ignore[misc]
        log = Path("nowhere")

        def log_success_event(self, kwargs: Any, response_obj: Any, start_time: Any, end_time: Any) -> None:
            with self.log.open("a") as out:
                out.write(json.dumps(kwargs["standard_logging_object"], default=str) + "\n")

    litellm.callbacks = [Writer()]  # it keeps the first one of a class
    return litellm


class TestLiteLlm:
    """Its callback for one's own logging writes StandardLoggingPayloads, a line each.

    LiteLLM is some 200 MB with all it needs, so it is an extra of its own (`.[litellm]`); CI installs it and sets
    REAL_PROGRAMS, so that these tests are skipped nowhere without a word.
    """

    @pytest.mark.parametrize("streamed", [False, True])
    def test_a_payload(self, api: str, tmp_path: Path, litellm: Any, streamed: bool) -> None:
        log = tmp_path / "payloads.jsonl"
        litellm.callbacks[0].log = log
        asked = {
            "model": "anthropic/claude-sonnet-5-5", "messages": [{"role": "user", "content": "A secret question?"}], "max_tokens": 64,
            "api_key": "k", "api_base": api, "metadata": {"tags": ["branch:main"]}
        }  # fmt: skip
        answer = litellm.completion(**asked, stream=streamed)
        if streamed:
            list(answer)
        waited = time.monotonic() + 30
        while not log.exists() or not log.read_text().endswith("\n"):  # it is written by another thread
            assert time.monotonic() < waited
            time.sleep(0.05)
        assert dict(read(tmp_path / "store", log).formats) == {"litellm": 1}
        told = f"{COUNTS}, model, max_tokens, tags['branch'], gateway"
        assert rows(tmp_path / "store", told) == [
            (1000, 5000, 100, 200, 200, "req_7", None, "claude-sonnet-5-5", 64, "main", "litellm")
        ]
        assert audit(tmp_path / "store").spend().total_usd == USD
        (reported,) = rows(tmp_path / "store", "cost_reported_usd, cost_reported_by")
        assert reported == (USD, "gateway_estimate"), "LiteLLM's own price list has the same rates"
