"""A prompt with the oldest of its messages left out: where each class of its tokens ends by then."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from claude_audit.prompt_ends import Prompt, flag

if TYPE_CHECKING:
    import narwhals.stable.v2 as nw


@dataclass(frozen=True, slots=True)
class Cut:
    """What is left out of a row's prompt, in tokens, and what takes its place; 0 and 0 in rows that are left alone."""

    rest: nw.Expr
    """From the first message to the prompt's end, as logged: what precedes the messages may have changed since."""
    tokens: nw.Expr
    instead: nw.Expr | None = None

    def at(self, prompt: Prompt) -> nw.Expr:
        """Where the messages begin."""
        import narwhals.stable.v2 as nw

        return nw.max_horizontal(prompt.prompt - self.rest, nw.lit(0))

    def of(self, prompt: Prompt) -> Prompt:
        """The prompt without it, each place still billed in the class that it was."""
        import narwhals.stable.v2 as nw

        at = self.at(prompt)
        left = prompt.without(at, self.tokens)
        instead = self.instead
        if instead is None:
            return left
        whole = left.prompt + instead

        def moved(end: nw.Expr) -> nw.Expr:
            return end + flag(end > at) * instead

        return Prompt(
            moved(left.read),
            moved(left.wrote_1h),
            moved(left.wrote_5m),
            whole,
            None if left.cacheable is None else nw.min_horizontal(moved(left.cacheable), whole),
        )


def uncached_from(prompt: Prompt, at: nw.Expr, where: nw.Expr) -> Prompt:
    """The prompt, in the rows where that holds (1 or 0) uncached from that place on, and not to be cached there either."""
    import narwhals.stable.v2 as nw

    def upto(end: nw.Expr) -> nw.Expr:
        return end - where * nw.max_horizontal(end - at, nw.lit(0))

    cacheable = None if prompt.cacheable is None else upto(prompt.cacheable)
    return Prompt(upto(prompt.read), upto(prompt.wrote_1h), upto(prompt.wrote_5m), prompt.prompt, cacheable)


def written_from(prompt: Prompt, at: nw.Expr, where: nw.Expr, billed: Prompt) -> Prompt:
    """The prompt, in the rows where that holds (1 or 0) with all of its cached part from that place on written anew.

    At the TTL that the row writes at; for 5 minutes where it writes nothing. What precedes that place is read only where it
    reaches the model's minimum, or no more was read before the change either (`billed`).
    """
    import narwhals.stable.v2 as nw

    short = nw.min_horizontal(prompt.read, at)
    short = short * flag((short >= nw.col("q_minimum")) | (short == billed.read))
    read = prompt.read - where * (prompt.read - short)
    # Without one-hour writes the place where they end is where reading ends.
    hour = prompt.wrote_1h - where * flag(prompt.wrote_1h == prompt.read) * (prompt.wrote_1h - read)
    return Prompt(read, hour, prompt.wrote_5m, prompt.prompt, prompt.cacheable)
