"""Conversations as logs show them: prompts that grow by an answer and a question each turn."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

from logs import record

START = datetime(2026, 11, 2, 10, tzinfo=UTC)


def blocks_of(session: str, system: int, messages: Sequence[int]) -> list[dict[str, Any]]:
    """A prompt's blocks: the system prompt, shared by all sessions, and this session's messages so far."""
    said = [{"hash": f"{session}-{n}", "tokens": size, "kind": "message"} for n, size in enumerate(messages)]
    return [{"hash": f"system-{system}", "tokens": system, "kind": "system"}, *said]


def chat(
    turns: int,
    *,
    system: int = 500,
    question: int = 100,
    answer: int = 100,
    cached: bool = False,
    blocks: bool = True,
    session: str | None = "s",
    number: int = 0,
    **more: Any,
) -> list[dict[str, Any]]:
    """A session of one request a minute. `cached`: each reads the prompt before it and writes what is new (one entry a prompt)."""
    made, before, messages = [], 0, [question]
    for turn in range(turns):
        size = system + sum(messages)
        given = dict(more)
        if blocks:
            given["prompt_blocks"] = blocks_of(session or "none", system, messages)
        if session:
            given["session"] = session
        made.append(
            record(
                number + turn,
                timestamp=(START + timedelta(minutes=turn, seconds=number)).isoformat(),
                input=0 if cached else size,
                read=before if cached else 0,
                w5=size - before if cached else 0,
                output=answer,
                latency_ms=2000,
                ttft_ms=500,
                **given,
            )
        )
        before = size
        messages = [*messages, answer, question]
    return made
