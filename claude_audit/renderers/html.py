"""The report as one self-contained page: nothing is fetched, nothing runs but what is in it, all that a log says is escaped."""

from __future__ import annotations

import base64
import hashlib
import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from itertools import accumulate
from typing import TYPE_CHECKING, Any

from claude_audit import __version__
from claude_audit.accounting import Lines
from claude_audit.money import EXACT, ZERO, dollars, exact
from claude_audit.renderers import charts, figures, findings, opportunities, reconcile
from claude_audit.report import Report
from claude_audit.text import count, day_name, printable

if TYPE_CHECKING:
    from jinja2 import Environment
    from markupsafe import Markup


@dataclass(frozen=True, slots=True)
class DayRow:
    """One day of the table under the charts."""

    day: date
    amounts: tuple[Decimal | None, ...]
    """US dollars: spent, expected, low, high, and what the month has or will have cost by then."""


def render(report: Report) -> str:
    """The page, as a string that ends in a newline."""
    from markupsafe import Markup

    environment = _environment()
    style, script = (_asset(environment, name) for name in ("report.css", "report.js"))
    budget = report.monthly_budget
    trend, month = charts.trend(report), charts.month(report.outlook, budget.limit_usd if budget else None)
    return environment.get_template("report.html").render(
        report=report,
        version=__version__,
        period=figures.period(report.since, report.until, report.timezone),
        policy=_policy(style, script),
        style=Markup(style),  # noqa: S704 - our own files
        script=Markup(script),  # noqa: S704
        trend=trend,
        trend_words=_trend_words(report),
        month=month,
        month_words=_month_words(report),
        stack=charts.stack(report),
        falls=charts.falls(report.waterfall) if report.waterfall else [],
        days=list(_days(report)),
        pareto=figures.pareto(report.by_who.pareto, figures.plural(report.by_who.by)) if report.by_who.pareto else "",
        reasons=figures.reasons(report.unpriced),
        way_out=figures.WAY_OUT,
        components=figures.COMPONENT,
        part=figures.part,
        grades=figures.grades(report.waterfall) if report.waterfall else [],
        notes=figures.notes(report.waterfall) if report.waterfall else [],
        overlaps=list(figures.overlaps(report.waterfall)) if report.waterfall else [],
        opportunities_about=opportunities.ABOUT,
        ranked=report.opportunities.standing(*opportunities.RANKED) if report.opportunities else (),
        opportunity_words=[words for _, words in opportunities.sentences(report.opportunities)]
        if report.opportunities
        else [],
        findings_about=findings.ABOUT,
        finding_rest=list(findings.rest(report.findings)) if report.findings else [],
        shortened=figures.shortened,
        lines=_lines,
        invoice=reconcile.section(report.reconciliation) if report.reconciliation else None,
    )


def _environment() -> Environment:
    from jinja2 import Environment, PackageLoader, StrictUndefined

    environment = Environment(
        loader=PackageLoader("claude_audit.renderers"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
        finalize=_shown,
    )
    environment.filters |= {
        "usd": dollars,
        "spent": figures.spent,
        "exact": exact,
        "percent": figures.percent,
        "compact": figures.compact,
        "cost": figures.cost,
        "label": figures.label,
        "lever": figures.lever,
        "warnings": figures.warnings,
        "basis": figures.basis,
        "interval": figures.interval,
        "costs_to_do": figures.costs_to_do,
        "reach": figures.reach,
        "lacks": figures.lacks,
        "verdict": figures.verdict,
        "standing": figures.standing,
        "breakable": _breakable,
        "count": count,
        "day": day_name,
        "dimension": figures.dimension,
        "sentence": figures.sentence,
        "finds": findings.title,
        "amounts": findings.amounts,
    }
    return environment


def _shown(value: Any) -> Any:
    """Whatever is printed: text without characters that could hide or turn what is there (bidi controls and the like)."""
    from markupsafe import Markup

    if not isinstance(value, str) or isinstance(value, Markup):
        return value
    return printable(value).replace(" %", "\N{NO-BREAK SPACE}%")


def _breakable(text: str) -> Markup:
    """A name that may be broken where a person would break it."""
    from markupsafe import Markup, escape

    return Markup(re.sub(r"([_/:.\-])(?=\w)", r"\1<wbr>", str(escape(printable(text)))))  # noqa: S704 - escaped


def _asset(environment: Environment, name: str) -> str:
    assert environment.loader is not None  # noqa: S101 - given above
    return environment.loader.get_source(environment, name)[0]


def _policy(style: str, script: str) -> str:
    """Nothing may be loaded from anywhere; the page's own style and script are known by their digests."""
    return (
        f"default-src 'none'; style-src '{_digest(style)}'; script-src '{_digest(script)}'; img-src data:; "
        "base-uri 'none'; form-action 'none'"
    )


def _digest(text: str) -> str:
    return "sha256-" + base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()


def _days(report: Report) -> Iterator[DayRow]:
    """Newest first: the days to come, then the past."""
    view = report.outlook
    ahead = {day.day: day for day in view.forecast.by_day}
    sums = accumulate((view.spent.get(day, ZERO) for day in view.window), EXACT.add)
    by_then = dict(zip(view.window, sums, strict=True))
    for day in sorted({*report.days, *ahead}, reverse=True):
        if guess := ahead.get(day):
            expected = (guess.median_usd, guess.low_usd, guess.high_usd, guess.total_median_usd)
            yield DayRow(day, (report.days.get(day), *expected))
        else:
            yield DayRow(day, (report.days.get(day), None, None, None, by_then.get(day)))


def _trend_words(report: Report) -> str:
    """The chart for those who cannot see it."""
    if not report.days:
        return ""
    dearest = max(report.days, key=lambda day: report.days[day])
    return (
        f"Bars from {day_name(min(report.days))} to {day_name(max(report.days))}; the highest is {day_name(dearest)} with "
        f"{dollars(report.days[dearest])}. The figures stand in the table “The days as a table”."
    )


def _month_words(report: Report) -> str:
    view, guess = report.outlook, report.outlook.forecast
    words = f"{view.window.name}: {dollars(view.actual_usd)} spent"
    if guess.projected_usd is not None:
        words += (
            f", {dollars(guess.projected_usd)} projected, 80 % interval {dollars(guess.projected_low_usd)} to "
            f"{dollars(guess.projected_high_usd)}"
        )
    if budget := report.monthly_budget:
        words += f", budget {dollars(budget.limit_usd)}"
    return words + "."


def _lines(counted: Lines) -> Markup:
    """The cells of a row of line counts."""
    from markupsafe import Markup

    numbers = (counted.lines, counted.kept, counted.duplicates, sum(counted.ignored.values()), counted.rejected)
    cells = "".join(f'<td class="n">{number:,}</td>' for number in numbers)
    return Markup(cells)  # noqa: S704 - numbers only
