"""Rows of spending and the steps of a what-if as CSV (money exact) and as Markdown (money for people)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from claude_audit.bill import SEARCHES, LineItem
from claude_audit.money import dollars, exact
from claude_audit.renderers import figures
from claude_audit.renderers.columns import as_csv, as_markdown, markdown_text
from claude_audit.renderers.figures import compact, percent
from claude_audit.spend import TOKEN_TYPE
from claude_audit.text import count
from claude_audit.usage import TOKEN_CLASSES

if TYPE_CHECKING:
    from claude_audit.spend import Spend
    from claude_audit.waterfall import Step, Waterfall

WATERFALL_COLUMNS = (
    "lever",
    "argument",
    "before_usd",
    "after_usd",
    "saving_usd",
    "alone_usd",
    "low_usd",
    "high_usd",
    "requests_changed",
    "grade",
)


def spend_csv(spend: Spend) -> str:
    """A row a group: its dimensions, requests, tokens by class, exact dollars (empty without a price), share."""
    header = [*spend.by, "requests", "unpriced_requests", *TOKEN_CLASSES, "cost_usd", "share"]
    if not spend.by:
        everything = [_text(spend.requests), _text(spend.unpriced.requests), *map(str, spend.tokens.values())]
        return as_csv(header, [[*everything, _text(exact(spend.known_usd)), "1" if spend.total_usd else ""]])
    return as_csv(
        header,
        [
            [
                *(label or "" for label in row.labels),
                _text(row.requests),
                str(row.unpriced_requests),
                *(str(row.tokens[name]) for name in TOKEN_CLASSES),
                _text(exact(row.cost_usd)),
                "" if row.share is None else repr(row.share),
            ]
            for row in spend.rows
        ],
    )


def _text(value: object) -> str:
    return "" if value is None else str(value)


def spend_markdown(spend: Spend) -> str:
    """The total, a table of the rows, how concentrated they are, and what has no price."""
    total = f"**{figures.spent(spend.known_usd)}** in {count(spend.requests, 'request')}"
    parts = [f"{total}, {figures.period(spend.since, spend.until)}."]
    if spend.by:
        parts.append(spend_table(spend))
    if spend.pareto:
        parts.append(markdown_text(figures.pareto(spend.pareto, figures.plural(spend.by))))
    if missing := figures.unpriced(spend.unpriced):
        parts.append(markdown_text(missing))
    return "\n\n".join(parts) + "\n"


def spend_table(spend: Spend, most: int | None = None) -> str:
    """The rows as a Markdown table; beyond `most`, the rest in one row, so that it adds up."""
    counted = TOKEN_TYPE not in spend.by
    names = map(figures.dimension, spend.by)
    header = [*map(markdown_text, names), *(["Requests"] if counted else []), "Tokens", "Cost", "Share"]
    rows, rest = figures.shortened(spend.rows, most)
    body = [
        [
            *map(figures.label, row.labels),
            *([f"{row.requests or 0:,}"] if counted else []),
            compact(sum(row.tokens.values())),
            figures.cost(row),
            percent(row.share),
        ]
        for row in rows
    ]
    if rest:
        left_out = [f"… and {len(spend.rows) - len(rows):,} more", *[""] * (len(spend.by) - 1)]
        requests = [f"{rest.requests or 0:,}"] if counted else []
        body.append([*left_out, *requests, compact(sum(rest.tokens.values())), figures.cost(rest), percent(rest.share)])
    return as_markdown(header, body, right=range(len(spend.by), len(header)))


def waterfall_csv(waterfall: Waterfall) -> str:
    """A row a step, money exact; the attributed shares too, when they were asked for."""
    attributed = any(step.shapley_usd is not None for step in waterfall.steps)
    header = [*WATERFALL_COLUMNS, *(("last_usd", "shapley_usd") if attributed else ())]
    return as_csv(header, [_step(step)[: len(header)] for step in waterfall.steps])


def _step(step: Step) -> list[str]:
    money = (step.before_usd, step.after_usd, step.saving_usd, step.alone_usd, step.low_usd, step.high_usd)
    shares = (step.last_usd, step.shapley_usd)
    return [
        step.lever,
        step.argument,
        *(_text(exact(amount)) for amount in money),
        str(step.requests_changed),
        step.grade.value,
        *(_text(exact(amount)) for amount in shares),
    ]


def waterfall_markdown(waterfall: Waterfall) -> str:
    """The bill before and after, a table of the steps, and what they rest on."""
    saving, share = waterfall.saving_usd, ""
    if waterfall.baseline_usd:
        share = f" ({percent(abs(saving) / waterfall.baseline_usd)})"
    word = "raises the bill by" if saving < 0 else "saves"
    lines = [
        f"The bill of {dollars(waterfall.baseline_usd)} ({figures.period(waterfall.since, waterfall.until)}) would have been "
        f"**{dollars(waterfall.final_usd)}**: the scenario {word} {dollars(abs(saving))}{share}."
    ]
    if waterfall.monthly_saving_usd is not None:
        lines.append(f"In 30 days at this pace: {dollars(waterfall.monthly_saving_usd)}.")
    lines.append(f"Evidenced (low ends of metered and replayed steps): {dollars(waterfall.evidenced_saving_usd)}.")
    if waterfall.overlap is not None:
        struck = f"~~{dollars(waterfall.standalone_usd)}~~"
        lines.append(
            f"One by one these savings would add up to {struck}: they overlap {waterfall.overlap:.1f} times, and the total "
            "counts each dollar once."
        )
    parts = [" ".join(lines)]
    if waterfall.steps:
        parts.append(_steps_table(waterfall))
    parts += [markdown_text(words) for words in figures.overlaps(waterfall)]
    if waterfall.next:
        work = [f"{markdown_text(entry.words)} ({entry.effort.words} effort)" for entry in waterfall.next]
        parts.append("\n".join(["Do this next:", "", *(f"{n}. {words}" for n, words in enumerate(work, 1))]))
    points = [
        f"- **{markdown_text(figures.lever(step))}**: {markdown_text(text)}"
        for step in waterfall.steps
        for text in (
            *figures.warnings(step),
            *step.caveats,
            f"{figures.costs_to_do(step)}; {figures.reach(step)}",
            *filter(None, [figures.lacks(step)]),
            *figures.basis(step),
            *step.platform_differences,
        )
    ]
    points += [f"- {markdown_text(note)}" for note in figures.notes(waterfall)]
    return "\n\n".join([*parts, "\n".join(points)] if points else parts) + "\n"


def _steps_table(waterfall: Waterfall) -> str:
    attributed = any(step.shapley_usd is not None for step in waterfall.steps)
    header = ["Step", "Saving", "Alone", "Low", "High", "Bill after", "Requests changed", "Grade"]
    header += ["Last", "Shapley"] if attributed else []
    body = []
    for step in waterfall.steps:
        money = (step.saving_usd, step.alone_usd, step.low_usd, step.high_usd, step.after_usd)
        shares = [dollars(step.last_usd), dollars(step.shapley_usd)] if attributed else []
        cells = [*map(dollars, money), f"{step.requests_changed:,}", step.grade.value, *shares]
        body.append([figures.lever(step), *cells])
    return as_markdown(header, body, right=[n for n in range(1, len(header)) if n != 7])


ITEM_COLUMNS = (
    "request_id",
    "message_id",
    "row_id",
    "source",
    "line",
    "model",
    "component",
    "quantity",
    "unit",
    "rate_usd",
    "per",
    "factors",
    "amount_usd",
    "where",
    "note",
)


def items_csv(items: Sequence[tuple[Sequence[str], LineItem]]) -> str:
    """Line items with exact money; before each what it belongs to (request, message and row id, source, line)."""
    return as_csv(ITEM_COLUMNS, [[*whose, *_item(item)] for whose, item in items])


def items_markdown(items: Sequence[tuple[Sequence[str], LineItem]]) -> str:
    """The same as a table, without columns that are empty throughout."""
    rows = [[*whose, *_item(item)] for whose, item in items]
    used = [n for n in range(len(ITEM_COLUMNS)) if any(row[n] for row in rows)]
    numbers = {ITEM_COLUMNS.index(name) for name in ("line", "quantity", "rate_usd", "per", "amount_usd")}
    right = [place for place, n in enumerate(used) if n in numbers]
    return as_markdown([ITEM_COLUMNS[n] for n in used], [[row[n] for n in used] for row in rows], right=right) + "\n"


def _item(item: LineItem) -> list[str]:
    return [
        _text(item.model),
        item.component,
        str(item.quantity),
        "searches" if item.component == SEARCHES else "tokens",
        _text(exact(item.usd_per_unit)),
        str(item.per),
        " x ".join(f"{exact(value)} {name}" for name, value, _ in item.factors),
        _text(exact(item.usd)),
        item.where,
        item.note,
    ]
