"""Both sides of a reconciliation as facts of one shape, by period; and the facts that the logs hold.

A period is a UTC day that the evidence covers, or a longer stretch where a report has only that.
"""

from __future__ import annotations

from bisect import bisect_right
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import TYPE_CHECKING
from zoneinfo import ZoneInfo

from claude_audit.bill import SEARCHES, bill
from claude_audit.money import EXACT, ZERO
from claude_audit.usage import TOKEN_CLASSES

if TYPE_CHECKING:
    from claude_audit.audit import Audit

DAY = timedelta(days=1)
TOKENS = "tokens"
CLAUDE_CODE = "claude_code"
BATCH = "batch"


@dataclass(frozen=True, slots=True, order=True)
class Period:
    """A stretch of time that evidence covers: [begin, end), UTC; and what part of the spend it is about."""

    begin: datetime
    end: datetime
    scope: str = "anthropic"

    @property
    def label(self) -> str:
        """2026-11-01, or its ends."""
        if self.end - self.begin == DAY and self.begin.time() == datetime.min.time():
            return self.begin.date().isoformat()
        whole = self.begin.time() == self.end.time() == datetime.min.time()
        first, last = (self.begin, self.end - DAY) if whole else (self.begin, self.end)
        return " to ".join(t.date().isoformat() if whole else t.strftime("%Y-%m-%dT%H:%M") for t in (first, last))


class Periods:
    """Periods that do not overlap within a scope, to be found by an instant."""

    def __init__(self, periods: Iterable[Period]) -> None:
        self.all = tuple(sorted(periods))
        self.scopes = frozenset(period.scope for period in self.all)
        self._by_scope = {scope: [p for p in self.all if p.scope == scope] for scope in self.scopes}

    def at(self, moment: datetime, scopes: Sequence[str]) -> Period | None:
        """The period that holds the instant, of the first of the scopes that has one."""
        for periods in (self._by_scope.get(scope, []) for scope in scopes):
            place = bisect_right(periods, moment, key=lambda p: p.begin) - 1
            if place >= 0 and moment < periods[place].end:
                return periods[place]
        return None

    @property
    def of_whole_days(self) -> bool:
        """Whether all of them begin and end at midnight, UTC."""
        return all(t.time() == datetime.min.time() for p in self.all for t in (p.begin, p.end))


@dataclass(frozen=True, slots=True)
class Fact:
    """So much of one thing in one period. None: not told."""

    period: Period
    kind: str | None
    """tokens, web_search, code_execution, session_usage; None: all of them in one amount."""
    model: str | None = None
    token_type: str | None = None
    workspace: str | None = None
    api_key: str | None = None
    quantity: int | None = None
    """Tokens, or searches."""
    usd: Decimal | None = None
    """Of the logs, and of a report of tokens: at our prices. Of a report of dollars: as billed."""
    list_usd: Decimal | None = None
    """As billed, but before discounts."""
    rounding_usd: Decimal = ZERO
    tier: str | None = None
    """batch, or standard for every other tier: they cost the same."""


def told_tier(name: str | None) -> str | None:
    """A tier as facts tell it."""
    return name if name in (None, BATCH) else "standard"


@dataclass(frozen=True, slots=True)
class Source:
    """One format among the evidence."""

    format: str
    kind: str
    rows: int
    first: datetime
    last: datetime
    amount_usd: Decimal | None
    tokens: Mapping[str, int | None]


@dataclass(frozen=True, slots=True)
class Logged:
    """The logs of a reconciliation."""

    facts: tuple[Fact, ...]
    uncovered_usd: Decimal
    """Of calls on days that no evidence covers."""
    uncovered_requests: int
    elsewhere: Mapping[str, Decimal]
    """US dollars by provider, of calls that others bill."""


def logged(audit: Audit, periods: Periods) -> Logged:
    """The audit's rows as facts, in the periods of the evidence."""
    unit = "day" if periods.of_whole_days else "hour"
    lines = audit.filtered(timezone=ZoneInfo("UTC")).lines((unit, "workspace", "api_key", "gateway"))
    facts: list[Fact] = []
    uncovered, requests = ZERO, 0
    elsewhere: dict[str, Decimal] = defaultdict(lambda: ZERO)
    for priced in bill(lines, audit.catalog).lines:
        line = priced.line
        begin, workspace, key, gateway = line.labels
        provider = line.group.provider or "anthropic"
        moment = datetime.fromisoformat(f"{begin}:00" if unit == "hour" else str(begin)).replace(tzinfo=UTC)
        period = periods.at(moment, _scopes(provider, gateway))
        if period is None:
            if provider == "anthropic" or provider in periods.scopes:
                uncovered = EXACT.add(uncovered, priced.usd or ZERO)
                requests += line.requests
            else:
                elsewhere[provider] = EXACT.add(elsewhere[provider], priced.usd or ZERO)
            continue
        tier = told_tier(line.group.tier)
        for name, count in zip(TOKEN_CLASSES, line.tokens, strict=True):
            if count:
                usd = priced.components[name] if priced.components else None
                facts.append(Fact(period, TOKENS, line.name, name, workspace, key, count, usd, tier=tier))
        if line.searches:
            fee = EXACT.multiply(audit.catalog.search_fee()[0], Decimal(line.searches))
            facts.append(Fact(period, SEARCHES, line.name, None, workspace, key, line.searches, fee))
    return Logged(tuple(facts), uncovered, requests, dict(elsewhere))


def _scopes(provider: str, gateway: str | None) -> tuple[str, ...]:
    """Which reports tell of a call, the fuller ones first."""
    if provider == "anthropic":
        return ("anthropic", CLAUDE_CODE) if gateway == CLAUDE_CODE else ("anthropic",)
    return (provider,)
