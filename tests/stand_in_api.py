"""A stand-in for the Messages API on loopback: one answer, as a whole or as a stream, and what it costs."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from decimal import Decimal
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest

USAGE = {
    "input_tokens": 1000,
    "output_tokens": 200,
    "cache_read_input_tokens": 5000,
    "cache_creation_input_tokens": 300,
    "cache_creation": {"ephemeral_5m_input_tokens": 100, "ephemeral_1h_input_tokens": 200},
    "service_tier": "standard",
}
USD = Decimal("0.00555")
"""Sonnet 5.5 in November 2026: (1,000 x 2 + 5,000 x 0.10 + 100 x 2.50 + 200 x 4 + 200 x 10) / 1,000,000."""

REQUEST: dict[str, Any] = {
    "model": "claude-sonnet-5-5",
    "max_tokens": 512,
    "system": [{"type": "text", "text": "Secret of the house: Grüße.", "cache_control": {"type": "ephemeral"}}],
    "tools": [{"name": "look", "description": "Secret tool", "input_schema": {"type": "object", "properties": {}}}],
    "messages": [
        {"role": "user", "content": "A secret question?"},
        {"role": "assistant", "content": [{"type": "text", "text": "A secret answer."}]},
        {"role": "user", "content": [{"type": "text", "text": "And another secret."}]},
    ],
}
START = {"input_tokens": 1000, "output_tokens": 1, "cache_read_input_tokens": 5000, "cache_creation_input_tokens": 300}
EVENTS: list[dict[str, Any]] = [
    {
        "type": "message_start",
        "message": {
            "id": "msg_7",
            "type": "message",
            "role": "assistant",
            "model": "claude-sonnet-5-5",
            "content": [],
            "stop_reason": None,
            "stop_sequence": None,
            "usage": START | {"cache_creation": USAGE["cache_creation"], "service_tier": "standard"},
        },
    },
    {"type": "content_block_start", "index": 0, "content_block": {"type": "text", "text": ""}},
    {"type": "content_block_delta", "index": 0, "delta": {"type": "text_delta", "text": "A secret "}},
    {"type": "content_block_delta", "index": 0, "delta": {"type": "text_delta", "text": "reply."}},
    {"type": "content_block_stop", "index": 0},
    {
        "type": "message_delta",
        "delta": {"stop_reason": "end_turn", "stop_sequence": None},
        "usage": dict.fromkeys(START) | {"output_tokens": 200},  # what a delta leaves open keeps its start
    },
    {"type": "message_stop"},
]
MESSAGE = {
    "id": "msg_7",
    "type": "message",
    "role": "assistant",
    "model": "claude-sonnet-5-5",
    "content": [{"type": "text", "text": "A secret reply."}],
    "stop_reason": "end_turn",
    "stop_sequence": None,
    "usage": USAGE,
}


class Api(BaseHTTPRequestHandler):
    """A stand-in for the Messages API."""

    def do_POST(self) -> None:
        asked = json.loads(self.rfile.read(int(self.headers["content-length"])))
        streamed = asked.get("stream")
        body = (
            "".join(f"event: {e['type']}\ndata: {json.dumps(e)}\n\n" for e in EVENTS)
            if streamed
            else json.dumps(MESSAGE)
        )
        self.send_response(200)
        self.send_header("content-type", "text/event-stream" if streamed else "application/json")
        self.send_header("request-id", "req_7")
        self.send_header("content-length", str(len(body.encode())))
        self.end_headers()
        self.wfile.write(body.encode())

    def log_message(self, *args: Any) -> None:
        pass


@pytest.fixture(scope="module")
def api() -> Iterator[str]:
    server = ThreadingHTTPServer(("127.0.0.1", 0), Api)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True)
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    server.server_close()
