"""A row's prompt by where it changes class, as engine expressions: what levers shorten, lengthen and make cold.

Counted from its start, tokens up to `read` were read from the cache, from there to `wrote_1h` written for an hour, to
`wrote_5m` written for five minutes, and the rest, to `prompt`, is uncached. What a lever takes out of a prompt or adds to it
so comes off, or on, the class that was billed for that place.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import narwhals.stable.v2 as nw

ENDS = ("read", "wrote_1h", "wrote_5m", "prompt")


@dataclass(frozen=True, slots=True)
class Prompt:
    """A row's prompt by where it changes class: each an end, in tokens from its start; and what of it could be cached."""

    read: nw.Expr
    wrote_1h: nw.Expr
    wrote_5m: nw.Expr
    prompt: nw.Expr
    cacheable: nw.Expr | None = None
    head: nw.Expr | None = None
    """Where the start ends that all prompts of a template share."""

    def each(self, change: Callable[[nw.Expr], nw.Expr]) -> Prompt:
        """The same change of every end."""
        return Prompt(
            change(self.read),
            change(self.wrote_1h),
            change(self.wrote_5m),
            change(self.prompt),
            None if self.cacheable is None else change(self.cacheable),
            None if self.head is None else change(self.head),
        )

    def without(self, at: nw.Expr | int, tokens: nw.Expr) -> Prompt:
        """Without the `tokens` (not negative) that begin `at` that place."""
        import narwhals.stable.v2 as nw

        def cut(end: nw.Expr) -> nw.Expr:
            after = end if isinstance(at, int) and at == 0 else nw.max_horizontal(end - at, nw.lit(0))
            return end - nw.min_horizontal(after, tokens)

        return self.each(cut)

    def with_start(self, tokens: nw.Expr) -> Prompt:
        """With `tokens` more near its start: in whatever class its first token is billed."""
        head = None if self.head is None else self.head + flag(self.head > 0) * tokens
        begun = Prompt(
            self.read + flag(self.read > 0) * tokens,
            self.wrote_1h + flag(self.wrote_1h > 0) * tokens,
            self.wrote_5m + flag(self.wrote_5m > 0) * tokens,
            self.prompt + tokens,
            head=head,
        )
        if self.cacheable is None:
            return begun
        return Prompt(
            begun.read,
            begun.wrote_1h,
            begun.wrote_5m,
            begun.prompt,
            self.cacheable + flag(self.cacheable > 0) * tokens,
            head,
        )

    def cold(self) -> Prompt:
        """The same prompt with nothing of it in a cache."""
        import narwhals.stable.v2 as nw

        nothing = nw.lit(0)
        return Prompt(nothing, nothing, nothing, self.prompt, self.cacheable, self.head)


def flag(condition: nw.Expr) -> nw.Expr:
    """1 where it holds, else 0: arithmetic with it is several times faster than a choice."""
    import narwhals.stable.v2 as nw

    return condition.cast(nw.Int64)


def either(condition: nw.Expr, then: nw.Expr | int, otherwise: nw.Expr) -> nw.Expr:
    """`then` where the condition (never null) holds: for whole numbers, without a branch."""
    return otherwise + flag(condition) * (then - otherwise)
