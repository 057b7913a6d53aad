"""What a window over conversations found, in sentences: how much is history, and where a cache had made it cheap."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal
from fractions import Fraction
from typing import TYPE_CHECKING, Any

from claude_audit.levers._messages import gate_of
from claude_audit.money import EXACT, ZERO, dollars, exact
from claude_audit.rates import Unpriced
from claude_audit.text import count

if TYPE_CHECKING:
    from claude_audit.states import Pricer, State

HOW, CUT = "history_how", "history_cut"
CACHED = 3
"""Value of CUT where a cache is lost."""
NAMED = 3


@dataclass(frozen=True, slots=True)
class CachedSessions:
    """Requests of one model whose history was cached, and slides."""

    model: str
    requests: int
    history: int
    """Cached tokens behind their system prompts."""
    window: int
    """Tokens behind the system prompt that are left."""
    saving_usd: Decimal
    break_even: Fraction | None
    """The input price in reads: how many times as long as its window a history must be. None: not sold."""

    @property
    def times(self) -> Fraction | None:
        """How many times as long as the window the history is."""
        return Fraction(self.history) / Fraction(self.window) if self.window else None


@dataclass(frozen=True, slots=True)
class Found:
    """The judged requests by what the window does to them."""

    requests: int
    prompt_tokens: int
    history_tokens: int
    """Of all messages before the newest one."""
    cut_requests: int
    cut_tokens: int
    plain_usd: Decimal
    """What the window saves where nothing was cached."""
    cached: tuple[CachedSessions, ...]

    @staticmethod
    def of(before: Sequence[State], after: Sequence[State], pricer: Pricer) -> Found:
        """From the states before and after the lever."""
        requests = prompt = history = cut_requests = cut_tokens = 0
        plain = ZERO
        groups: dict[str, list[tuple[State, State]]] = {}
        for old, new in zip(before, after, strict=True):
            if gate_of(old, HOW) is not None:
                continue
            requests += old.rows
            prompt += old.sum_of("prompt")
            history += old.sums["history_past"]
            if not old.keys[CUT]:
                continue
            cut_requests += old.rows
            cut_tokens += old.sums["history_gone"]
            if old.keys[CUT] == CACHED:
                groups.setdefault(str(old.group.model), []).append((old, new))
            else:
                plain = EXACT.add(plain, EXACT.subtract(pricer.cost(old), pricer.cost(new)))
        cached = tuple(_cached(model, pairs, pricer) for model, pairs in sorted(groups.items()))
        # Of a line that a router parts, the shares are exact and add up to whole tokens.
        return Found(requests, int(prompt), int(history), cut_requests, int(cut_tokens), plain, cached)

    @property
    def share(self) -> float | None:
        """Of the judged prompts' tokens, those that are history."""
        return self.history_tokens / self.prompt_tokens if self.prompt_tokens else None

    def facts(self) -> dict[str, Any]:
        """As JSON carries it."""
        return {
            "requests": self.requests,
            "prompt_tokens": self.prompt_tokens,
            "history_tokens": self.history_tokens,
            "history_share": self.share,
            "requests_cut": self.cut_requests,
            "tokens_cut": self.cut_tokens,
            "uncached_saving_usd": exact(self.plain_usd),
            "cached": [
                {
                    "model": group.model,
                    "requests": group.requests,
                    "history_tokens": group.history,
                    "window_tokens": group.window,
                    "history_to_window": None if group.times is None else round(float(group.times), 6),
                    "break_even": None if group.break_even is None else round(float(group.break_even), 6),
                    "saving_usd": exact(group.saving_usd),
                }
                for group in self.cached
            ],
        }


def _cached(model: str, pairs: Sequence[tuple[State, State]], pricer: Pricer) -> CachedSessions:
    saving, ratios = ZERO, set()
    for old, new in pairs:
        saving = EXACT.add(saving, EXACT.subtract(pricer.cost(old), pricer.cost(new)))
        price = pricer.price(old)
        if not isinstance(price, Unpriced) and (read := price.usd("cache_read")) and (plain := price.usd("input")):
            ratios.add(Fraction(plain) / Fraction(read))
    return CachedSessions(
        model=model,
        requests=sum(old.rows for old, _ in pairs),
        history=int(sum(old.sums["history_behind"] for old, _ in pairs)),
        window=int(sum(old.sums["history_left"] for old, _ in pairs)),
        saving_usd=saving,
        break_even=max(ratios, default=None),
    )


def share(found: Found) -> list[str]:
    """How much of the input is history."""
    if not found.history_tokens or found.share is None:
        return []
    return [
        f"History is {found.share:.0%} of the input of the {count(found.requests, 'request')} whose messages are known "
        f"({found.history_tokens:,.0f} of {found.prompt_tokens:,.0f} tokens)."
    ]


def cached(found: Found, window: int) -> list[str]:
    """Where the sessions cache, what the window costs or saves, and from what length of history on it would pay."""
    said = []
    for group in sorted(found.cached, key=lambda group: group.saving_usd)[:NAMED]:
        verb = "saves" if group.saving_usd > 0 else "costs" if group.saving_usd < 0 else "changes nothing:"
        sentence = (
            f"In cached sessions on {group.model} ({count(group.requests, 'request')}) the window {verb} "
            f"{dollars(abs(group.saving_usd))}: once it slides, nothing behind the system prompt can be read."
        )
        if group.break_even is not None and group.times is not None:
            sentence += (
                f" It pays there only when the history is more than {_times(group.break_even)} times as long as the window; "
                f"here it is {_times(group.times)} times ({group.history:,.0f} to {group.window:,.0f} tokens)."
            )
        said.append(sentence)
    return said


def kept_marks(found: Found, low: Decimal, saving: Decimal) -> list[str]:
    """That cache marks must move with the window."""
    if not found.cached or low >= saving:
        return []
    return [
        f"Move the cache marks to the end of the system prompt: left where they are, the window is written anew each turn, "
        f"and the step {'saves' if low >= 0 else 'costs'} {dollars(abs(low))}."
    ]


def nothing(before: Sequence[State], judged: Sequence[State]) -> list[str]:
    """That the log tells no messages."""
    if judged or not before:
        return []
    return [
        "No figure: no request tells its messages. Log prompt_blocks (a hash, a size and a kind for each block of the prompt), or "
        "at least the session."
    ]


def _times(ratio: Fraction) -> str:
    return f"{float(ratio):.1f}".removesuffix(".0")
