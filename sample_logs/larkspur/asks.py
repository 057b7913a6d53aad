"""What Larkspur's own application asks of the API, before the cache has decided what is read and written."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime

from .cache import PromptCache
from .calls import Block, Call, Tokens, refusal_is_free
from .dice import ident


@dataclass(frozen=True, slots=True)
class Ask:
    """A request and the size of its answer."""

    at: datetime
    endpoint: str
    model: str
    workspace: str
    blocks: tuple[Block, ...]
    output: int
    request_id: str
    tail: int = 0
    """Prompt tokens after the last block: never cached."""
    thinking: int = 0
    searches: int = 0
    batch: bool = False
    refused: str | None = None
    """The category of a refusal before any output."""
    ttft_ms: int | None = None
    ms_per_token: int = 14
    facts: Mapping[str, object] = field(default_factory=dict)
    """Fields of the native record as they are written."""

    @property
    def latency_ms(self) -> int:
        return (self.ttft_ms or 600) + self.output * self.ms_per_token


def request_id(endpoint: str, *parts: object) -> str:
    return ident("req_011C", endpoint, *parts)


def serve(asks: Iterable[Ask]) -> list[Call]:
    """The calls in the order of their start, with what the prompt cache read and wrote for each."""
    cache = PromptCache()
    calls = []
    for ask in sorted(asks, key=lambda ask: (ask.at, ask.request_id)):
        read = write = 0
        if not ask.batch:
            read, write = cache.serve(
                ask.at, ask.workspace, ask.model, ask.blocks, ask.ttft_ms if ask.ttft_ms is not None else ask.latency_ms
            )
        prompt = sum(block.tokens for block in ask.blocks) + ask.tail
        free = ask.refused is not None and refusal_is_free(ask.at.date(), ask.refused)
        calls.append(
            Call(
                ask.at,
                ask.endpoint,
                ask.model,
                Tokens(input=prompt - read - write, cache_read=read, cache_write_5m=write, output=ask.output),
                searches=ask.searches,
                batch=ask.batch,
                unbilled="refusal" if free else None,
                facts={"ask": ask},
            )
        )
    return calls
