"""Answers that ended at max_tokens: paid for, and often of no use.

What they cost is told for each endpoint where it is more than one answer in a hundred. Whether they were used, or asked
for again, only the application knows; attempts that were repeated are found by the rule sent_again.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterator
from decimal import Decimal

from claude_audit.bill import bill, total
from claude_audit.money import dollars
from claude_audit.rules import Finding, Log, Rule
from claude_audit.rules._labels import NONE
from claude_audit.tally import Extra, tally
from claude_audit.text import count
from claude_audit.waterfall import Grade

NAME = "answers_cut_off"
SHARE = Decimal("0.01")


def _find(log: Log) -> Iterator[Finding]:
    import narwhals.stable.v2 as nw

    audit, reach = log.audit, log.audit.reach
    if reach is None:
        return
    cut = (nw.col("stop_reason") == "max_tokens").fill_null(False)
    lines = tally(audit.usage(), reach, audit.catalog, audit.engine, ["endpoint"], extra=Extra({"cut": cut}, {}))
    answers: Counter[str] = Counter()
    short: Counter[str] = Counter()
    costs: dict[str, list[Decimal]] = defaultdict(list)
    unpriced: Counter[str] = Counter()
    for billed in bill(lines, audit.catalog).lines:
        endpoint = billed.line.labels[0] or NONE
        answers[endpoint] += billed.line.billed_requests
        if billed.line.more[0]:
            short[endpoint] += billed.line.billed_requests
            if billed.usd is None:
                unpriced[endpoint] += billed.line.billed_requests
            else:
                costs[endpoint].append(billed.usd)
    for endpoint, number in short.items():
        if number > SHARE * answers[endpoint]:
            yield Finding(
                NAME,
                endpoint,
                f"{number:,} of {count(answers[endpoint], 'answer')} ended at max_tokens; "
                f"{_cost(costs[endpoint], number, unpriced[endpoint])}.",
                "raise max_tokens: it costs nothing until it is used; or ask for shorter answers",
                Grade.METERED,
            )


def _cost(costs: list[Decimal], number: int, unpriced: int) -> str:
    """What that many answers cost, in words: what has no price did not cost nothing."""
    if unpriced == number:
        return "what they cost is not known, for want of a price"
    if unpriced:
        return (
            f"they cost {dollars(total(costs))}, and {unpriced:,} of them {'has' if unpriced == 1 else 'have'} no price"
        )
    return f"they cost {dollars(total(costs))}"


RULE = Rule(NAME, "answers cut off", _find, __doc__ or "", ("stop_reason",))
