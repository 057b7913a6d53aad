"""Much thinking for little answer: more than ten tokens thought for each one said, in answers of under 50 tokens.

The amount is between nothing (the thought may have been needed) and all of that thinking at the price of output.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterator
from decimal import Decimal

from claude_audit.bill import total
from claude_audit.money import ZERO
from claude_audit.rules import Finding, Log, Rule
from claude_audit.rules._labels import NONE
from claude_audit.rules._priced import priced
from claude_audit.tally import Extra, tally
from claude_audit.text import count
from claude_audit.waterfall import Grade

NAME = "thinking_on_short_answers"
SHORT, TIMES = 50, 10


def _find(log: Log) -> Iterator[Finding]:
    import narwhals.stable.v2 as nw

    audit, reach = log.audit, log.audit.reach
    if reach is None:
        return
    thought, said = nw.col("thinking_tokens"), nw.col("output_tokens") - nw.col("thinking_tokens")
    rows = audit.usage().filter(nw.col("unbilled").is_null(), said >= 0, said < SHORT, thought > TIMES * said)
    lines = tally(rows, reach, audit.catalog, audit.engine, ["endpoint"], extra=Extra({}, {"thought": thought}))
    # What has no price stands by itself: of all together, no amount would be the most.
    costs: dict[tuple[str, str, bool], list[Decimal]] = defaultdict(list)
    requests: Counter[tuple[str, str, bool]] = Counter()
    tokens: Counter[tuple[str, str, bool]] = Counter()
    for line in lines:
        thinking = int(line.more[0])
        usd = priced(line, {"output": thinking}, audit.catalog)
        key = (line.labels[0] or NONE, line.name or NONE, usd is not None)
        requests[key] += line.billed_requests
        tokens[key] += thinking
        costs[key] += [] if usd is None else [usd]
    for key, number in requests.items():
        most = total(costs[key]) if key[-1] else None
        yield Finding(
            NAME,
            " on ".join(key[:2]),
            f"{count(number, 'answer')} of under {SHORT} tokens took {tokens[key]:,} tokens of thinking.",
            "turn thinking off there, or ask for less effort, and compare the answers",
            Grade.BOUNDED,
            None if most is None else ZERO,
            most,
        )


RULE = Rule(NAME, "much thinking for short answers", _find, __doc__ or "", ("thinking_tokens",))
