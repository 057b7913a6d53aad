"""The report as Markdown: for a pull request, a wiki, a mail."""

from __future__ import annotations

from collections.abc import Iterator

from claude_audit import __version__
from claude_audit.bill import SEARCHES
from claude_audit.money import dollars
from claude_audit.renderers import figures, findings, opportunities, reconcile
from claude_audit.renderers.columns import as_markdown, markdown_text
from claude_audit.renderers.figures import compact, percent, sentence
from claude_audit.renderers.rows import spend_table, waterfall_markdown
from claude_audit.report import Report
from claude_audit.text import count, day_name

MOST_ROWS = 50


def render(report: Report) -> str:
    """The whole report; long tables are shortened so that they still add up (JSON has every row)."""
    return "\n\n".join(_parts(report)) + "\n"


def _parts(report: Report) -> Iterator[str]:
    yield f"# Claude spending, {figures.period(report.since, report.until, report.timezone)}"
    if report.filters:
        yield markdown_text(" ".join(report.filters))
    yield "\n".join(f"- **{name}** {answer}" for name, answer in _answers(report))
    yield "## Where does it go?"
    if report.by_who.pareto:
        yield markdown_text(figures.pareto(report.by_who.pareto, figures.plural(report.by_who.by)))
    yield spend_table(report.by_who, MOST_ROWS)
    yield spend_table(report.by_model, MOST_ROWS)
    yield _components(report)
    yield "## Where is it heading?"
    yield from _heading(report)
    yield "## What would save most?"
    if report.waterfall:
        yield waterfall_markdown(report.waterfall).rstrip("\n")
    else:
        yield "No what-if was asked for: `claude-audit whatif` tries levers on these very requests."
    if report.opportunities and report.opportunities.found:
        yield "### Every lever, each alone"
        yield opportunities.markdown(report.opportunities).rstrip("\n")
    if report.findings:
        yield "## What went wrong?"
        yield findings.ABOUT
        yield findings.markdown(report.findings).partition("\n\n")[2].rstrip("\n")
    yield "## How sure are we?"
    yield from _sure(report)
    if report.reconciliation:
        yield "## Is this all we are billed for?"
        yield reconcile.markdown(report.reconciliation).partition("\n\n")[2]
    yield f"## Every {figures.dimension(report.who).lower()} and model"
    yield spend_table(report.by_pair, MOST_ROWS)
    yield (
        f"Made by claude-audit {__version__} for {report.today}; days begin at midnight in {report.timezone}, prices go "
        "by UTC."
    )


def _answers(report: Report) -> Iterator[tuple[str, str]]:
    day = f", {dollars(report.a_day_usd)} a day" if report.a_day_usd is not None else ""
    yield "What did we spend?", f"{figures.spent(report.known_usd)} in {count(report.requests, 'request')}{day}."
    if row := report.largest:
        name = markdown_text(figures.label(row.labels[0]))
        yield "Where does it go?", f"{name}: {figures.cost(row)}, {percent(row.share)} of it all."
    guess, name = report.outlook.forecast, report.outlook.window.name
    if guess.projected_usd is None:
        yield "Where is it heading?", f"Undecided: {markdown_text('; '.join(guess.notes))}."
    else:
        interval = f", 80 % interval {dollars(guess.projected_low_usd)} to {dollars(guess.projected_high_usd)}"
        held = f"; {figures.verdict(report.monthly_budget)}" if report.monthly_budget else ""
        shown = interval if guess.method != "actual" else ""
        yield "Where is it heading?", f"{dollars(guess.projected_usd)} for {name}{shown}{held}."
    if (step := report.best) and report.waterfall:
        share = percent(step.saving_usd / report.waterfall.baseline_usd)
        less = f"{dollars(step.saving_usd)} less ({share}); {step.grade.value}"
        yield "What would save most?", f"{markdown_text(figures.lever(step))}: {less}."
    lines = report.lines
    yield (
        "How sure are we?",
        f"{percent(report.priced_share)} of the requests have a price; {count(lines.rejected, 'line')} of "
        f"{lines.lines:,} could not be read; prices are complete to {report.prices_as_of}.",
    )


def _components(report: Report) -> str:
    spend = report.by_who
    body = []
    for name, usd in spend.components.items():
        if usd or spend.tokens.get(name):
            tokens = "" if name == SEARCHES else compact(spend.tokens[name])
            body.append([figures.COMPONENT[name], tokens, *figures.part(spend, name)])
    return as_markdown(("Part", "Tokens", "Cost", "Share"), body, right=(1, 2, 3))


def _heading(report: Report) -> Iterator[str]:
    months = [[f"{first:%B %Y}", str(days), dollars(usd), dollars(usd / days)] for first, usd, days in report.months]
    yield as_markdown(("Month", "Days", "Cost", "A day"), months, right=(1, 2, 3))
    guess = report.outlook.forecast
    if guess.method not in ("actual", "undecided"):
        days = count(guess.complete_days, "complete day")
        yield f"Method: {guess.method}, {guess.confidence} confidence, from {days}."
    if guess.notes:
        yield "\n".join(f"- {markdown_text(sentence(note))}" for note in guess.notes)
    if report.gate.results:
        header = ("Budget", "Verdict", "Limit", "Spent", "Projected", "Low", "High", "Crossed on")
        rows = []
        for result in report.gate.results:
            view = result.outlook.forecast
            amounts = (result.limit_usd, result.outlook.actual_usd, view.projected_usd)
            ends = (view.projected_low_usd, view.projected_high_usd)
            crossed = day_name(result.crosses_on) if result.crosses_on else ""
            only = "".join(f" {name}={value}" for name, value in result.budget.only.items())
            rows.append(
                [result.budget.name + only, figures.standing(result), *map(dollars, (*amounts, *ends)), crossed]
            )
        yield as_markdown(header, rows, right=range(2, 7))


def _sure(report: Report) -> Iterator[str]:
    header = ("Format", "Files", "Lines", "Calls", "Duplicates", "Ignored", "Rejected")
    rows = [(row.format + (" (evidence)" if row.evidence else ""), row.files, row.counted) for row in report.formats]
    rows.append(("together", sum(row.files for row in report.formats), report.lines))
    yield as_markdown(
        header,
        [
            [
                name,
                str(files),
                *(f"{n:,}" for n in (c.lines, c.kept, c.duplicates, sum(c.ignored.values()), c.rejected)),
            ]
            for name, files, c in rows
        ],
        right=range(1, 7),
    )
    if missing := figures.unpriced(report.unpriced):
        yield f"{markdown_text(sentence(missing))} {figures.WAY_OUT}"
    if report.warnings:
        yield "\n".join(f"- {markdown_text(sentence(warning))}" for warning in report.warnings)
    if report.rejects:
        places = [(f"{r.source}:{r.line}" if r.line is not None else r.source, r.reason) for r in report.rejects]
        yield as_markdown(("Rejected line", "Why"), places[:MOST_ROWS])
