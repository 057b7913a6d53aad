"""Windows and summaries a conversation at a time, each prompt a string with a letter for every token: slow, and plain.

r: read from the cache, h: written for an hour, m: written for five minutes, u: uncached.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from fractions import Fraction
from itertools import pairwise
from typing import Any

import whatif_reference as slow
from logs import CATALOG


@dataclass(frozen=True)
class Turn:
    """A prompt as far as its messages are known: tokens before them, and the sizes of those that may go."""

    begin: int
    messages: tuple[int, ...]
    counted: int
    """Messages, those within `begin` included."""


def window(rows: Sequence[slow.Row], keep: int) -> list[slow.Row]:
    """Each prompt with the last `keep` messages."""
    turns = known(rows)
    made = []
    for n, row in enumerate(rows):
        turn = turns.get(n)
        if turn is None or turn.counted <= keep:
            made.append(row)
            continue
        gone = sum(turn.messages[: max(len(turn.messages) - keep, 0)])
        tokens, cacheable = _cut(row, turn.begin, gone, 0)
        end = min(turn.begin, len(tokens))
        tokens = tokens[:end] + "u" * (len(tokens) - end)
        made.append(_as(row, tokens, min(cacheable, end)))
    return made


def summaries(rows: Sequence[slow.Row], most: int, tokens: int, instruction: int) -> tuple[list[slow.Row], Fraction]:
    """The prompts behind their summaries, and what the calls to Haiku 5.5 that write these cost."""
    turns = known(rows)
    made, spent = list(rows), Fraction(0)
    for members in _sessions(rows).values():
        covered, made_any = 0, False
        held: int | None = None
        for n in members:
            turn = turns.get(n)
            if turn is None:
                continue
            # Messages since the last summary: two more each turn.
            new = turn.counted > most and (held is None or (turn.counted - held) > most)
            if new:
                held = turn.counted - 1
                before = covered
                covered = sum(turn.messages[:-1])
                reads = covered - before + instruction + (tokens if made_any else 0)
                size = sum(reads > limit for limit in CATALOG.thresholds)
                group = slow.Group("claude-haiku-5-5", rows[n].day, size, geo=rows[n].geo, provider="anthropic")
                price = CATALOG.price(group, lenient=True)
                assert not isinstance(price, slow.Unpriced)
                rates = {name: Fraction(price.usd(name) or 0) for name in ("input", "output")}
                made_any = True
                spent += (reads * rates["input"] + tokens * rates["output"]) / 10**6
            if not made_any:
                continue
            prompt, cacheable = _cut(rows[n], turn.begin, covered, tokens)
            if new:
                read = min(rows[n].r, turn.begin)
                if read < _minimum(rows[n]) and read != rows[n].r:
                    read = Fraction(0)
                cached = len(prompt.rstrip("u"))
                one_hour = prompt.rfind("h") + 1
                prompt = "r" * int(read) + "h" * max(one_hour - int(read), 0)
                prompt += "m" * (cached - len(prompt))
                total, _ = _cut(rows[n], turn.begin, covered, tokens)
                prompt += "u" * (len(total) - len(prompt))
            made[n] = _as(rows[n], prompt, cacheable)
    return made, spent


def known(rows: Sequence[slow.Row]) -> dict[int, Turn]:
    """By place, the rows whose messages have sizes: from blocks, or in sessions where every prompt only appends."""
    found = {}
    for members in _sessions(rows).values():
        said: list[int] = []
        appends = all(rows[b].prompt - rows[a].prompt >= _answer(rows[a]) for a, b in pairwise(members))
        families = {CATALOG.models[rows[n].model].tokenizer for n in members}
        for place, n in enumerate(members):
            if place:
                before = rows[members[place - 1]]
                said += [int(_answer(before)), int(rows[n].prompt - before.prompt - _answer(before))]
            blocks = rows[n].logged.get("prompt_blocks")
            if blocks is not None:
                if turn := _of_blocks(blocks):
                    found[n] = turn
            elif appends and len(families) == 1:
                found[n] = Turn(int(rows[members[0]].prompt), tuple(said), len(said) + 1)
    for n, row in enumerate(rows):
        blocks = row.logged.get("prompt_blocks")
        if blocks is not None and row.logged.get("session") is None and (turn := _of_blocks(blocks)):
            found[n] = turn
    return found


def _of_blocks(blocks: Sequence[dict[str, Any]]) -> Turn | None:
    sizes = tuple(block["tokens"] for block in blocks if block["kind"] == "message")
    head = [block["kind"] for block in blocks[: len(blocks) - len(sizes)]]
    if not sizes or any(kind == "message" for kind in head):
        return None
    return Turn(sum(block["tokens"] for block in blocks) - sum(sizes), sizes, len(sizes))


def _sessions(rows: Sequence[slow.Row]) -> dict[Any, list[int]]:
    found: dict[Any, list[int]] = {}
    for n in sorted(range(len(rows)), key=lambda n: rows[n].logged["timestamp"]):
        log = rows[n].logged
        if log.get("session"):
            found.setdefault((log.get("workspace"), log.get("endpoint"), log["session"]), []).append(n)
    return found


def _answer(row: slow.Row) -> int:
    thinking = row.logged["usage"].get("output_tokens_details", {}).get("thinking_tokens")
    if thinking is None and row.logged.get("thinking"):
        return 0
    return max(row.logged["usage"]["output_tokens"] - (thinking or 0), 0)


def _minimum(row: slow.Row) -> int:
    return CATALOG.models[row.model].minimum(row.day) or 1


def _cut(row: slow.Row, at: int, gone: int, instead: int) -> tuple[str, int]:
    """The prompt without `gone` tokens from there on, and how much of it could be cached.

    What takes their place is in the class of the token after it, and cached where that is.
    """
    tokens = "r" * int(row.r) + "h" * int(row.w1) + "m" * int(row.w5) + "u" * int(row.u)
    after = tokens[at + gone :]
    cacheable = int(row.cacheable)
    left = min(cacheable, at) + max(cacheable - at - gone, 0)
    if not instead:
        return tokens[:at] + after, left
    filled = tokens[:at] + (after[0] if after else "u") * instead + after
    return filled, left + instead if left > at else left


def _as(row: slow.Row, tokens: str, cacheable: int) -> slow.Row:
    cached = len(tokens) - tokens.count("u")
    if cached < _minimum(row) and cached < row.r + row.w5 + row.w1:
        tokens = "u" * len(tokens)
    u, r, w5, w1 = (Fraction(tokens.count(letter)) for letter in "urmh")
    return replace(row, u=u, r=r, w5=w5, w1=w1, cacheable=Fraction(cacheable))
