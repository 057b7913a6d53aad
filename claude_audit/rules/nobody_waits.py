"""Requests that may wait for an answer, by what the log says of them (latency_tolerant) or by when they are sent.

Where the log says who may wait, the amount is what the lever batch saves on those. Where it does not, requests that come in
bursts or keep the same hours every day, of no session and no user and not streamed, are candidates: at most half of their
tokens' price, at least nothing, because only their owner knows who waits. `claude-audit explain lever batch` has the limits.
"""

from __future__ import annotations

from collections.abc import Iterator
from decimal import Decimal

from claude_audit.levers._batch_candidates import FIELDS, WHY
from claude_audit.money import ZERO
from claude_audit.rules import Finding, Log, Rule
from claude_audit.rules._of_lever import of_lever
from claude_audit.text import count
from claude_audit.waterfall import Grade

NAME, TITLE, LEVER = "nobody_waits", "answered at once, though nobody waits", "batch"
ANSWERED = "answered at once, at the full price"
SENT = {WHY[1]: "in bursts", WHY[2]: "at the same hours every day"}
"""How candidates came, by why they are some. Where no field tells who waits, that is no pattern, and no finding."""

_said = of_lever(
    NAME,
    TITLE,
    LEVER,
    (f"may wait and is {ANSWERED}", f"may wait and are {ANSWERED}"),
    "send them through the Message Batches API",
    __doc__,
).find


def _find(log: Log) -> Iterator[Finding]:
    yield from _said(log)
    one = log.opportunity(LEVER)
    for each in one.step.facts.get("candidates", ()) if one and one.step else ():
        if each["why"] in SENT:
            number = each["requests"]
            were = "was" if number == 1 else "were"
            yield Finding(
                NAME,
                each["endpoint"],
                f"{count(number, 'request')} came {SENT[each['why']]} and {were} {ANSWERED}: nothing shows that anybody waited.",
                "ask who waits for them; if nobody does, send them through the Message Batches API",
                Grade.BOUNDED,
                ZERO,
                Decimal(each["saving_at_most_usd"]),
                ("claude-audit whatif --batch-candidates",),
            )


RULE = Rule(NAME, TITLE, _find, __doc__ or "", ("|".join(("latency_tolerant", *FIELDS)),), LEVER)
