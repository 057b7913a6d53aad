"""The whole audit as plain values: everything a page may show, gathered once, with the day it is for as an argument."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta, tzinfo
from decimal import Decimal
from typing import TYPE_CHECKING, Any

from claude_audit.accounting import Lines
from claude_audit.bill import total
from claude_audit.budget import Gate, evaluate
from claude_audit.money import EXACT, ZERO
from claude_audit.outlook import AsOf, Outlook, Window, outlook
from claude_audit.store import Manifest, Reject
from claude_audit.usage import FLAGS

if TYPE_CHECKING:
    from claude_audit.audit import Audit
    from claude_audit.budget import BudgetResult
    from claude_audit.filters import Filters
    from claude_audit.findings import Findings
    from claude_audit.limits import Budget
    from claude_audit.opportunities import Opportunities
    from claude_audit.reconciliation import Reconciliation
    from claude_audit.spend import Spend, SpendRow, UnpricedUsage
    from claude_audit.waterfall import Step, Waterfall

SCENARIO: Mapping[str, Any] = {"route_simple": "haiku", "batch_tagged": True}
"""What a report tries out when nobody says otherwise: levers that the log itself names candidates for."""

WHO = ("endpoint", "project", "team", "workspace", "api_key", "user")
"""What spend is shown by: the first of them that the log records."""


@dataclass(frozen=True, slots=True)
class FormatLines:
    """What became of the lines of all files of one format."""

    format: str
    files: int
    counted: Lines
    evidence: bool = False
    """Whether it is what a console or a billing report claims: rows of evidence then, no calls."""


@dataclass(frozen=True, slots=True)
class Report:
    """One audit. Nothing in it depends on the machine, and only `today` on the clock."""

    today: date
    """The day it is for: days before it are complete."""
    timezone: tzinfo
    filters: tuple[str, ...]
    """The flags that narrowed it, as typed; empty: the whole store."""
    prices_as_of: date
    """The day to which the built-in prices are known to be complete."""
    by_who: Spend
    """By one of WHO."""
    by_model: Spend
    by_pair: Spend
    """By both."""
    days: Mapping[date, Decimal]
    """US dollars by day, from the first to the last with a record; days without one are 0."""
    outlook: Outlook
    """The month of the newest record, with its forecast."""
    gate: Gate
    """The configured budgets; without results when there are none."""
    waterfall: Waterfall | None
    formats: tuple[FormatLines, ...]
    """Of the whole store: filters don't apply to lines."""
    rejects: tuple[Reject, ...]
    """The first hundred."""
    warnings: tuple[str, ...]
    """What figures rest on where it could be otherwise."""
    reconciliation: Reconciliation | None = None
    """Logs against what consoles and billing reports claim; None without such evidence, or of a part of the logs."""
    opportunities: Opportunities | None = None
    """Every lever that the log supports, each alone."""
    findings: Findings | None = None
    """What went wrong or was wasted."""

    @property
    def who(self) -> str:
        """The dimension of `by_who`."""
        return self.by_who.by[0]

    @property
    def total_usd(self) -> Decimal:
        """US dollars of all that has a price."""
        return self.by_who.total_usd

    @property
    def known_usd(self) -> Decimal | None:
        """The same; None where all that would cost something has no price."""
        return self.by_who.known_usd

    @property
    def requests(self) -> int:
        """Calls, free ones included."""
        return self.by_who.requests

    @property
    def unpriced(self) -> UnpricedUsage:
        """What has no price."""
        return self.by_who.unpriced

    @property
    def since(self) -> datetime | None:
        """The first instant, UTC."""
        return self.by_who.since

    @property
    def until(self) -> datetime | None:
        """The last instant, UTC."""
        return self.by_who.until

    @property
    def a_day_usd(self) -> Decimal | None:
        """Mean US dollars a calendar day of the period; None without days, and where nothing has a price."""
        known = self.known_usd
        return EXACT.divide(known, Decimal(len(self.days))) if self.days and known is not None else None

    @property
    def largest(self) -> SpendRow | None:
        """The row of `by_who` that cost most."""
        return next((row for row in self.by_who.rows if row.cost_usd), None)

    @property
    def best(self) -> Step | None:
        """The step of the what-if that saves most; None when none saves."""
        steps = self.waterfall.steps if self.waterfall else ()
        found = max(steps, key=lambda step: step.saving_usd, default=None)
        return found if found and found.saving_usd > 0 else None

    @property
    def priced_share(self) -> float:
        """Share of the requests that have a price, or are free."""
        return 1 - self.unpriced.requests / self.requests if self.requests else 1.0

    @property
    def lines(self) -> Lines:
        """What became of all lines that were read."""
        result = Lines()
        for counted in self.formats:
            result += counted.counted
        return result

    @property
    def months(self) -> tuple[tuple[date, Decimal, int], ...]:
        """(first of the month, US dollars, days of it in the period)."""
        found: dict[date, list[Decimal]] = {}
        for day, usd in self.days.items():
            found.setdefault(day.replace(day=1), []).append(usd)
        return tuple((month, total(amounts), len(amounts)) for month, amounts in found.items())

    @property
    def monthly_budget(self) -> BudgetResult | None:
        """The tightest budget of the month on all spending: the line that the trend is drawn against."""
        held = [
            result
            for result in self.gate.results
            if result.budget.period == "month" and not result.budget.only and result.limit_usd is not None
        ]
        return min(held, key=lambda result: result.limit_usd or ZERO, default=None)


def build(
    audit: Audit,
    waterfall: Waterfall | None,
    *,
    today: date,
    as_of: AsOf | None = None,
    budgets: Sequence[Budget] = (),
    days_off: Collection[date] = (),
    opportunities: Opportunities | None = None,
    findings: Findings | None = None,
) -> Report:
    """The report of an audit, with a what-if of it, its opportunities and its findings (or None), as of `today`.

    `as_of` is the day after the newest record when that is past, else `today`, unless it is given.
    """
    history = audit.history()
    as_of = as_of or AsOf.of(history, today)
    by_who = _by_who(audit)
    return Report(
        today=today,
        timezone=audit.filters.timezone,
        filters=tuple(_said(audit.filters)),
        prices_as_of=audit.catalog.as_of,
        by_who=by_who,
        by_model=audit.spend(["model"]),
        by_pair=audit.spend([by_who.by[0], "model"]),
        days=_every_day(history.daily()),
        outlook=outlook(history, Window.holding(as_of.day, "month"), as_of, days_off=days_off),
        gate=evaluate(history, budgets, as_of, on_undecided="warn", days_off=days_off),
        waterfall=waterfall,
        formats=tuple(_formats(audit.manifest)),
        rejects=audit.manifest.rejects,
        warnings=(*by_who.notes, *_flagged(audit)),
        reconciliation=_reconciled(audit),
        opportunities=opportunities,
        findings=findings,
    )


def _reconciled(audit: Audit) -> Reconciliation | None:
    # An invoice knows neither endpoints nor tags: against some of the logs, all the others would seem to be missing.
    if not audit.manifest.evidence or audit.filters.where:
        return None
    from claude_audit.reconcile import reconcile

    return reconcile(audit.filtered(timezone=UTC))


def _by_who(audit: Audit) -> Spend:
    """The spend by the first of WHO that any record names; by endpoint when none is."""
    first = audit.spend(WHO[:1])
    if any(row.labels[0] is not None for row in first.rows):
        return first
    others = (audit.spend([name]) for name in WHO[1:])
    return next((found for found in others if any(row.labels[0] is not None for row in found.rows)), first)


def _every_day(daily: Mapping[date, Decimal]) -> dict[date, Decimal]:
    if not daily:
        return {}
    first, last = min(daily), max(daily)
    days = (first + timedelta(days=n) for n in range((last - first).days + 1))
    return {day: daily.get(day, ZERO) for day in days}


def _said(filters: Filters) -> Iterator[str]:
    if filters.since:
        yield f"--since {filters.since}"
    if filters.until:
        yield f"--until {filters.until}"
    for name, value in filters.where:
        yield f"--where {name}={value}"


def _formats(manifest: Manifest) -> Iterator[FormatLines]:
    from claude_audit.ingestors_evidence import registry

    for name in sorted({record.format for record in manifest.files.values()}):
        records = [record for record in manifest.files.values() if record.format == name]
        counted = Lines()
        for r in records:
            counted += Lines(r.lines, r.kept, r.duplicates, dict(r.ignored), r.rejected)
        yield FormatLines(name, len(records), counted, name in registry())


def _flagged(audit: Audit) -> Iterator[str]:
    """What was assumed about rows, with how many: in words of usage.FLAGS."""
    if audit.reach is None:
        return
    import narwhals.stable.v2 as nw

    flags = {name: nw.col("flags").list.contains(name).cast(nw.Int64).sum() for name in FLAGS}
    for (name, words), rows in zip(FLAGS.items(), audit.engine.rows(audit.usage().select(**flags))[0], strict=True):
        if rows and name != "ttl_unknown":  # that one is among the notes of the spend, in tokens
            yield f"{rows:,} row{'' if rows == 1 else 's'}: {words}"
