"""A reconciliation as JSON, as text, as Markdown or as CSV: the verdict first, then where the difference lies."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any

from claude_audit.money import dollars, exact
from claude_audit.reconciliation import BY, PriceLine, Reconciliation, Row
from claude_audit.renderers.columns import as_csv, as_markdown, as_text
from claude_audit.renderers.figures import percent
from claude_audit.text import count, printable

MOST_ROWS = 25
PUT_TOGETHER = ("model", "workspace", "api_key", "token_type")
"""What a table's rows are by when nobody says otherwise: days together."""
FIGURES = ("logged", "billed", "ours_usd", "billed_usd", "unlogged_usd", "unbilled_usd", "undecided_usd", "status")
WORDS = {"api_key": "key", "workspace": "workspace", "model": "model", "token_type": "class", "day": "day"}
STATUS = {
    "matched": "matched",
    "unlogged": "billed, not logged",
    "unbilled": "logged, not billed",
    "undecided": "no price",
    "mixed": "both ways",
}


def document(found: Reconciliation, by: Sequence[str] = BY) -> dict[str, Any]:
    """The reconciliation as JSON carries it."""
    rest = found.rest
    return {
        "evidence": {
            "rows": found.rows,
            "amount_usd": exact(found.amount_usd),
            "tokens": dict(found.tokens),
            "sources": [
                {
                    "format": source.format,
                    "kind": source.kind,
                    "rows": source.rows,
                    "since": _time(source.first),
                    "until": _time(source.last),
                    "amount_usd": exact(source.amount_usd),
                    "tokens": dict(source.tokens),
                }
                for source in found.sources
            ],
        },
        "period": {"since": _time(found.since), "until": _time(found.until)},
        "verdict": " ".join(verdict(found)),
        "basis": "billed" if found.has_dollars else "list_price" if found.cells else None,
        "billed_usd": exact(found.billed_usd) if found.rows else None,
        "explained_usd": exact(found.explained_usd) if found.rows else None,
        "explained_share": found.explained_share,
        "unlogged_usd": exact(found.unlogged_usd) if found.rows else None,
        "unbilled_usd": exact(found.unbilled_usd) if found.rows else None,
        "undecided_usd": exact(found.undecided_usd) if found.rows else None,
        "discount_usd": exact(found.discount_usd) if found.prices else None,
        "price_difference_usd": exact(found.price_difference_usd) if found.prices else None,
        "rest": rest and {"by": rest.by, "label": rest.label, "usd": exact(rest.usd), "share": rest.share},
        "by": list(by),
        "rows": [_row_document(row, by) for row in found.by(by)],
        "prices": [_price_document(line) for line in found.prices],
        "not_compared": {
            "usd": exact(found.uncovered_usd),
            "requests": found.uncovered_requests,
            "providers": {name: exact(usd) for name, usd in found.elsewhere.items()},
        },
        "warnings": list(found.notes),
    }


def _time(moment: datetime | None) -> str | None:
    return moment.isoformat().replace("+00:00", "Z") if moment else None


def _row_document(row: Row, by: Sequence[str]) -> dict[str, Any]:
    return {
        **dict(zip(by, row.labels, strict=True)),
        "logged": row.logged,
        "billed": row.billed,
        "ours_usd": exact(row.ours_usd),
        "billed_usd": exact(row.billed_usd),
        "unlogged_usd": exact(row.unlogged_usd),
        "unbilled_usd": exact(row.unbilled_usd),
        "undecided_usd": exact(row.undecided_usd),
        "status": row.status,
    }


def _price_document(line: PriceLine) -> dict[str, Any]:
    return {
        "day": line.period.label,
        "model": line.model,
        "token_type": line.token_type or line.kind,
        "billed": line.quantity,
        "ours_usd": exact(line.ours_usd),
        "list_usd": exact(line.list_usd),
        "billed_usd": exact(line.billed_usd),
        "tolerance_usd": exact(line.tolerance_usd),
        "discount_usd": exact(line.discount_usd),
        "difference_usd": exact(line.difference_usd),
    }


def verdict(found: Reconciliation) -> list[str]:
    """What it comes to, in sentences."""
    if not found.rows:
        return ["No console export or billing report has been ingested: there is nothing to compare the logs with."]
    share = found.explained_share
    if share is None:
        said = ["The reports claim nothing in this period."]
    else:
        what = "the invoice" if found.has_dollars else "the reported usage, at list prices"
        much = (
            "all"
            if not found.unlogged_usd and not found.undecided_usd
            else "none"
            if found.explained_usd <= 0
            else percent(share)
        )
        of = f"{dollars(found.explained_usd)} of {dollars(found.billed_usd)}, {_span(found)}"
        said = [f"Your logs explain {much} of {what} ({of})."]
    if (rest := found.rest) and rest.label is not None:
        whole = f"of the rest ({dollars(found.unlogged_usd)})"
        part = f"All {whole}" if rest.usd == found.unlogged_usd else f"{percent(rest.share)} {whole}"
        said.append(f"{part} is {WORDS[rest.by]} {printable(rest.label)}.")
    if found.undecided_usd:
        said.append(f"{dollars(found.undecided_usd)} can't be compared: the logged models have no price.")
    if found.unbilled_usd:
        said.append(f"{dollars(found.unbilled_usd)} was logged but not billed.")
    if found.discount_usd:
        side = "below" if found.discount_usd > 0 else "above"
        said.append(f"The invoice is {dollars(abs(found.discount_usd))} {side} its own list prices.")
    if found.price_difference_usd:
        side = "above" if found.price_difference_usd > 0 else "below"
        said.append(f"For the same tokens it is {dollars(abs(found.price_difference_usd))} {side} our prices.")
    return said


def _span(found: Reconciliation) -> str:
    if found.since is None or found.until is None:
        return "no days"
    first, last = found.since.date(), (found.until - timedelta(microseconds=1)).date()
    return first.isoformat() if first == last else f"{first} to {last}"


def text(found: Reconciliation, by: Sequence[str] = ()) -> str:
    """The verdict, the largest differences, prices that differ, and what was not compared."""
    parts = ["\n".join(verdict(found))]
    header, rows = _table(found, by, dollars)
    if rows:
        parts.append(as_text(header, rows, right=range(len(header) - 5, len(header) - 1)))
    parts += _prices(found, as_text)
    if found.notes:
        parts.append("\n".join(f"note: {printable(note)}" for note in found.notes))
    return "\n\n".join(parts)


def markdown(found: Reconciliation, by: Sequence[str] = ()) -> str:
    """The same for a page."""
    from claude_audit.renderers.columns import markdown_text

    parts = ["### Logs against the invoice", markdown_text(" ".join(verdict(found)))]
    header, rows = _table(found, by, dollars)
    if rows:
        parts.append(as_markdown(header, rows, right=range(len(header) - 5, len(header) - 1)))
    parts += _prices(found, as_markdown)
    if found.notes:
        parts.append("\n".join(f"- {markdown_text(note)}" for note in found.notes))
    return "\n\n".join(parts)


def csv(found: Reconciliation, by: Sequence[str] = BY) -> str:
    """A row a place where logs and evidence meet, money exact; empty where it is not known."""
    rows = [_row_document(row, by) for row in found.by(by)]
    return as_csv([*by, *FIGURES], [["" if v is None else str(v) for v in row.values()] for row in rows])


def _table(
    found: Reconciliation, by: Sequence[str], money: Callable[[Decimal | None], str]
) -> tuple[list[str], list[list[str]]]:
    """Header and rows: those that differ, the largest first, and one for all that match."""
    names = list(by) or [name for name in PUT_TOGETHER if any(row.labels[0] for row in found.by((name,)))]
    rows = found.by(names)
    differing = [row for row in rows if row.status != "matched"]
    header = [*(WORDS[name].capitalize() for name in names), "Billed", "Logged", "Not logged", "Not billed", ""]
    shown = [
        [*(label or "-" for label in row.labels), *_amounts(row, money), STATUS[row.status]]
        for row in differing[:MOST_ROWS]
    ]
    for these, words in ((differing[MOST_ROWS:], "more"), ([r for r in rows if r.status == "matched"], "matched")):
        if these and names:
            sums = [
                sum((amount or Decimal(0) for amount in column), Decimal(0))
                for column in zip(*map(_money, these), strict=True)
            ]
            shown.append([f"{count(len(these), 'row')} {words}", *[""] * (len(names) - 1), *map(money, sums), ""])
    return header, shown


def _money(row: Row) -> tuple[Decimal | None, ...]:
    return row.billed_usd, row.ours_usd, row.unlogged_usd, row.unbilled_usd


def _amounts(row: Row, money: Callable[[Decimal | None], str]) -> Iterator[str]:
    for amount in _money(row):
        yield "" if amount == 0 else money(amount)


def _prices(found: Reconciliation, render: Callable[..., str]) -> list[str]:
    """Where the invoice's prices are not ours, or not its own list's: by model and class, days together."""
    sums: dict[tuple[str, str], list[Decimal]] = {}
    for line in found.prices:
        if line.difference_usd or line.discount_usd:
            key = (line.model or "-", line.token_type or line.kind or "-")
            amounts = (
                line.ours_usd or Decimal(0),
                line.list_usd or Decimal(0),
                line.billed_usd,
                line.discount_usd,
                line.difference_usd,
            )
            sums[key] = [a + b for a, b in zip(sums.get(key, [Decimal(0)] * 5), amounts, strict=True)]
    if not sums:
        return []
    header = ["Price of", "Class", "Ours", "List", "Billed", "Discount", "List - ours"]
    ranked = sorted(sums.items(), key=lambda item: -abs(item[1][3]) - abs(item[1][4]))[:MOST_ROWS]
    return [
        render(
            header,
            [[*key, *("" if a == 0 else dollars(a) for a in amounts)] for key, amounts in ranked],
            right=range(2, 7),
        )
    ]
