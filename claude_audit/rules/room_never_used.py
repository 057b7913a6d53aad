"""A max_tokens far above what answers need: more than eight times the length that 99 % of them stay under.

It costs nothing until it is used, so the amount is $0; it is what stands between a runaway answer and the bill.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Sequence

from claude_audit.money import ZERO
from claude_audit.rules import Finding, Log, Rule
from claude_audit.rules._labels import NONE, where
from claude_audit.text import count
from claude_audit.waterfall import Grade

NAME = "room_never_used"
TIMES, FEWEST = 8, 100
"""Answers of an endpoint below which nothing is said of their longest."""


def _find(log: Log) -> Iterator[Finding]:
    import narwhals.stable.v2 as nw

    rows = log.audit.usage().filter(
        nw.col("unbilled").is_null(), nw.col("row_kind") == "call", ~nw.col("output_tokens").is_null()
    )
    asked = rows.select("endpoint", "output_tokens", "max_tokens", one=nw.lit(1))
    counted = asked.group_by("endpoint", "output_tokens").agg(nw.col("one").sum(), nw.col("max_tokens").min())
    lengths: dict[str, list[tuple[int, int]]] = defaultdict(list)
    caps: dict[str, int] = {}
    for endpoint, length, number, cap in log.audit.engine.rows(counted):
        lengths[endpoint or NONE].append((length, number))
        if cap is not None:
            caps[endpoint or NONE] = min(cap, caps.get(endpoint or NONE, cap))
    for endpoint, cap in sorted(caps.items()):
        answers, longest = _p99(lengths[endpoint])
        if answers >= FEWEST and cap > TIMES * max(longest, 1):
            yield Finding(
                NAME,
                endpoint,
                f"max_tokens is {cap:,} or more, and 99 % of {count(answers, 'answer')} have at most {count(longest, 'token')}.",
                f"set it to {2 * max(longest, 1):,} or so: a cap costs nothing until it is used",
                Grade.METERED,
                ZERO,
                ZERO,
                (f"claude-audit whatif --cap-output p99 {where('endpoint', endpoint)}",),
            )


def _p99(lengths: Sequence[tuple[int, int]]) -> tuple[int, int]:
    """(answers, the least length that at most one in a hundred exceeds)."""
    answers = left = sum(number for _, number in lengths)
    for length, number in sorted(lengths):
        left -= number
        if left * 100 <= answers:
            return answers, length
    return answers, 0


RULE = Rule(NAME, "a max_tokens far above the answers", _find, __doc__ or "", ("max_tokens",))
