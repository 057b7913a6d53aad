"""Requests without a price: they are in no figure, so every total is too low by what they cost."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator

from claude_audit.bill import bill
from claude_audit.rates import Unpriced
from claude_audit.rules import Finding, Log, Rule
from claude_audit.rules._labels import NONE, where
from claude_audit.text import count
from claude_audit.waterfall import Grade

NAME = "no_price"


def _find(log: Log) -> Iterator[Finding]:
    found: Counter[tuple[str | None, str]] = Counter()
    for billed in bill(log.audit.lines(["model"]), log.audit.catalog).unpriced:
        reason = billed.price.reason if isinstance(billed.price, Unpriced) else "a token class without a price"
        found[billed.line.name, reason] += billed.line.billed_requests
    for (model, reason), requests in found.items():
        yield Finding(
            NAME,
            model or NONE,
            f"{count(requests, 'request')} {'has' if requests == 1 else 'have'} no price ({reason if model else 'no model named'}).",
            "give the model a price or an alias in a price file of yours"
            if model
            else "say which model it was: ingest --assume-model",
            Grade.METERED,
            evidence=(f"claude-audit explain {where('model', model or NONE)}",),
        )


RULE = Rule(NAME, "requests without a price", _find, __doc__ or "")
