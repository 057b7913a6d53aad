"""What summaries in place of old messages would have cost and lost, in words."""

from __future__ import annotations

from collections.abc import Iterator
from decimal import Decimal

from claude_audit.money import dollars
from claude_audit.text import count


def caveats(
    calls: int, calls_usd: Decimal, cached_usd: Decimal, plain_usd: Decimal, inferred: bool, tokens: int
) -> Iterator[str]:
    """`cached_usd`, `plain_usd`: what sessions that cache save, and the others; `tokens`: of a summary."""
    if calls:
        yield "The model would have known what lies before a summary from the summary only."
        yield f"{count(calls, 'summary call')} would have cost {dollars(calls_usd)}, in the figure already."
    if cached_usd < 0:
        elsewhere = f" Elsewhere it saves {dollars(plain_usd)}." if plain_usd > 0 else ""
        yield (
            f"Where sessions cache, this costs {dollars(-cached_usd)}: their messages are cheap to read, and each summary is a "
            f"call and a new cache write.{elsewhere}"
        )
    if plain_usd < 0:
        yield (
            f"Where nothing is cached, this costs {dollars(-plain_usd)}: the messages are too short, or the sessions end too "
            f"soon, for summaries of {tokens} tokens; sum up later, or shorter (--summary-tokens)."
        )
    if inferred:
        yield (
            "Message sizes without prompt_blocks are inferred from sessions that only append: the point keeps each "
            "session's first prompt whole, the high end sums it up too."
        )
