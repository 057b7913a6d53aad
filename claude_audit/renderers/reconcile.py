"""A reconciliation as JSON, as text, as Markdown or as CSV: the verdict first, then where the difference lies."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any

from claude_audit.bill import total
from claude_audit.money import ZERO, dollars, exact
from claude_audit.reconciliation import BY, PriceLine, Reconciliation, Row
from claude_audit.renderers.columns import as_csv, as_markdown, fitted, markdown_text
from claude_audit.renderers.figures import percent
from claude_audit.text import count, folded, printable

MOST_ROWS = 25
SHORTEST_LABEL = 12
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


@dataclass(frozen=True, slots=True)
class Table:
    """Rows for people."""

    caption: str
    header: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    figures: range
    """Which columns hold amounts."""
    spare: tuple[int, ...] = ()
    """Columns that can be missed first, where there is little room."""


@dataclass(frozen=True, slots=True)
class Section:
    """A reconciliation as a part of a page."""

    verdict: tuple[str, ...]
    tables: tuple[Table, ...]
    notes: tuple[str, ...]


def section(found: Reconciliation, by: Sequence[str] = ()) -> Section:
    """The verdict, the largest differences, prices that differ, and what was not compared: as words, to be escaped."""
    tables = (table for table in (_differences(found, by), _prices(found)) if table.rows)
    return Section(tuple(verdict(found)), tuple(tables), found.notes)


def text(found: Reconciliation, by: Sequence[str] = (), *, width: int = 80) -> str:
    """The section for a terminal of that width."""
    shown = section(found, by)
    parts = [folded("\n".join(shown.verdict), width)]
    parts += [_fitted(table, width) for table in shown.tables]
    if shown.notes:
        parts.append(folded("\n".join(f"note: {printable(note)}" for note in shown.notes), width))
    return "\n\n".join(parts)


def _fitted(table: Table, width: int) -> str:
    """The table without columns that can be missed, then with shorter labels, until it fits or they are short."""
    for longest in (60, 40, 30, 24, 20, 16, SHORTEST_LABEL):
        rows = [
            [cell if n in table.figures else _short(cell, longest) for n, cell in enumerate(row)] for row in table.rows
        ]
        shown = fitted(table.header, rows, table.figures, width=width, spare=table.spare)
        if max(map(len, shown.splitlines())) <= width:
            break
    return shown


def _short(label: str, longest: int) -> str:
    """A label with its middle left out: the ends are what tells ids and names apart."""
    label = printable(label)
    return label if len(label) <= longest else f"{label[: longest // 2]}…{label[len(label) - longest // 2 + 1 :]}"


def markdown(found: Reconciliation, by: Sequence[str] = ()) -> str:
    """The section for a page of Markdown."""
    shown = section(found, by)
    parts = ["### Logs against the invoice", markdown_text(" ".join(shown.verdict))]
    parts += [as_markdown(table.header, table.rows, table.figures) for table in shown.tables]
    if shown.notes:
        parts.append("\n".join(f"- {markdown_text(note)}" for note in shown.notes))
    return "\n\n".join(parts)


def csv(found: Reconciliation, by: Sequence[str] = BY) -> str:
    """A row a place where logs and evidence meet, money exact; empty where it is not known."""
    rows = [_row_document(row, by) for row in found.by(by)]
    return as_csv([*by, *FIGURES], [["" if v is None else str(v) for v in row.values()] for row in rows])


def _differences(found: Reconciliation, by: Sequence[str]) -> Table:
    """The rows that differ, the largest first, and one for all that match."""
    names = list(by) or [name for name in PUT_TOGETHER if any(row.labels[0] for row in found.by((name,)))]
    rows = found.by(names)
    differing = [row for row in rows if row.status != "matched"]
    header = (*(WORDS[name].capitalize() for name in names), "Billed", "Logged", "Not logged", "Not billed", "Status")
    shown = [
        (*(label or "-" for label in row.labels), *map(_amount, _money(row)), STATUS[row.status])
        for row in differing[:MOST_ROWS]
    ]
    for these, words in ((differing[MOST_ROWS:], "more"), ([r for r in rows if r.status == "matched"], "matched")):
        if these and names:
            sums = [total(amount or ZERO for amount in column) for column in zip(*map(_money, these), strict=True)]
            shown.append((f"{count(len(these), 'row')} {words}", *[""] * (len(names) - 1), *map(_amount, sums), ""))
    first = len(names)
    spare = (first + 4, *([names.index("workspace")] if "workspace" in names else []))
    return Table("Logs against the invoice", header, tuple(shown), range(first, first + 4), spare)


def _money(row: Row) -> tuple[Decimal | None, ...]:
    return row.billed_usd, row.ours_usd, row.unlogged_usd, row.unbilled_usd


def _amount(usd: Decimal | None) -> str:
    return "" if usd == 0 else dollars(usd)


def _prices(found: Reconciliation) -> Table:
    """Where the invoice's prices are not ours, or not its own list's: by model and class, days together."""
    groups: dict[tuple[str, str], list[PriceLine]] = {}
    for line in found.prices:
        if line.difference_usd or line.discount_usd:
            groups.setdefault((line.model or "-", line.token_type or line.kind or "-"), []).append(line)
    rows = []
    for key, lines in groups.items():
        ours = None if any(line.ours_usd is None for line in lines) else total(line.ours_usd or ZERO for line in lines)
        listed = (
            None if any(line.list_usd is None for line in lines) else total(line.list_usd or ZERO for line in lines)
        )
        gaps = (total(line.discount_usd for line in lines), total(line.difference_usd for line in lines))
        rows.append(
            (
                max(map(abs, gaps)),
                (*key, *map(_amount, (ours, listed, total(line.billed_usd for line in lines), *gaps))),
            )
        )
    rows.sort(key=lambda row: (-row[0], row[1]))
    header = ("Price of", "Class", "Ours", "List", "Billed", "Discount", "List - ours")
    return Table(
        "Prices that differ, for the same tokens", header, tuple(row for _, row in rows[:MOST_ROWS]), range(2, 7)
    )
