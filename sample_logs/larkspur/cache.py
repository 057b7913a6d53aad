"""The prompt cache as Anthropic documents it, so that what the logs bill fits the prompts they list.

Rules from "Prompt caching" (Anthropic docs, read 2026-11): entries are written at marked blocks only, live five minutes
from the start of the last request that used them, can be read once the first token of the writer has come, are found at
most 20 blocks back from a mark, and do not exist below the model's minimum. Now and then one is evicted early.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

from .calls import Block
from .dice import Dice

MINIMUM = {
    "claude-opus-5": 512,
    "claude-opus-5-5": 512,
    "claude-sonnet-4-5-20250929": 1024,
    "claude-sonnet-5": 1024,
    "claude-sonnet-5-5": 512,
    "claude-haiku-4-5": 4096,
}
"""Shortest cacheable prompt in tokens; a shorter one is silently not cached."""
TTL = timedelta(minutes=5)
LOOKBACK = 20
MARKS = 4
EVICTED = 0.012


@dataclass(slots=True)
class Entry:
    last: datetime
    seen: datetime


class PromptCache:
    """What one organisation's cache holds, by workspace and model."""

    def __init__(self) -> None:
        self._entries: dict[tuple[str, str, str], Entry] = {}
        self._dice = Dice("evictions")

    def serve(
        self, at: datetime, workspace: str, model: str, blocks: tuple[Block, ...], first_token_ms: int
    ) -> tuple[int, int]:
        """Tokens read and tokens written by a request; requests must come in the order of their start."""
        sums = [sum(block.tokens for block in blocks[: n + 1]) for n in range(len(blocks))]
        marks = [n for n, block in enumerate(blocks) if block.mark and sums[n] >= MINIMUM[model]][-MARKS:]
        if not marks:
            return 0, 0
        keys = [(workspace, model, block.hash) for block in blocks]
        found = self._found(at, keys, marks, [total >= MINIMUM[model] for total in sums])
        if found is not None and self._dice.chance(EVICTED):
            for key in keys:
                self._entries.pop(key, None)
            found = None
        for n in marks:
            self._touch(keys[n], at, at + timedelta(milliseconds=first_token_ms), write=found is None or n > found)
        read = 0 if found is None else sums[found]
        return read, max(sums[marks[-1]] - read, 0)

    def _alive(self, key: tuple[str, str, str], at: datetime) -> bool:
        entry = self._entries.get(key)
        return entry is not None and at - entry.last <= TTL

    def _found(
        self, at: datetime, keys: list[tuple[str, str, str]], marks: list[int], enough: list[bool]
    ) -> int | None:
        for mark in reversed(marks):
            for n in range(mark, max(mark - LOOKBACK, -1), -1):
                if enough[n] and self._alive(keys[n], at) and self._entries[keys[n]].seen <= at:
                    return n
        return None

    def _touch(self, key: tuple[str, str, str], at: datetime, seen: datetime, *, write: bool) -> None:
        if self._alive(key, at):
            entry = self._entries[key]
            entry.last = at
            entry.seen = min(entry.seen, seen) if write else entry.seen
        elif write:
            self._entries[key] = Entry(at, seen)
