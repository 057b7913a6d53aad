"""What changed between two periods: the verdict, the causes, and the groups that changed most."""

from __future__ import annotations

from typing import TYPE_CHECKING

from claude_audit.bill import total
from claude_audit.money import dollars
from claude_audit.renderers import diff as told
from claude_audit.renderers import figures
from claude_audit.renderers.terminal.screen import Row, Screen, lines, table
from claude_audit.text import printable

if TYPE_CHECKING:
    from rich.table import Table

    from claude_audit.diff import Diff

MOST_ROWS = 25


def diff_tables(found: Diff, *, width: int | None = None, color: bool | None = None) -> str:
    """The verdict, both totals, the causes in dollars, the groups, and what to keep in mind."""
    screen = Screen.here(width, color)
    notes = told.notes(found)
    return screen.print(
        lines([("bold", printable(told.verdict(found)))]),
        lines(*([("dim", printable(side))] for side in told.sides(found))),
        _causes(found),
        _rows(found, screen),
        lines(*([("dim", printable(note))] for note in notes)) if notes else None,
    )


def _rows(found: Diff, screen: Screen) -> Table:
    shown, rest = found.rows[:MOST_ROWS], found.rows[MOST_ROWS:]
    body: list[Row] = [
        (
            [figures.label(label) for label in row.labels],
            [told.amount(row.before), told.amount(row.after), told.signed(row.change_usd), told.cause(row)],
            None,
        )
        for row in shown
    ]
    if rest:
        before, after, change = (
            total(usd for usd in amounts if usd is not None)
            for amounts in zip(*((row.before.usd, row.after.usd, row.change_usd) for row in rest), strict=True)
        )
        name = [f"… and {len(rest):,} more", *[""] * (len(found.by) - 1)]
        body.append((name, [dollars(before), dollars(after), told.signed(change), ""], None))
    names = [printable(name).replace("_", " ") for name in found.by]
    return table(names, ["before", "after", "change", "mostly"], body, screen.width)


def _causes(found: Diff) -> Table | None:
    """Each part, the largest movement first, with its share of all movements as a bar; then what they add up to."""
    parts = told.ranked(found)
    if not parts:
        return None
    moved = total(abs(usd) for _, usd in parts)
    body: list[Row] = [
        ([told.words(found, name, usd)], [told.signed(usd)], float(abs(usd) / moved)) for name, usd in parts
    ]
    body.append((["the change"], [told.signed(found.change_usd)], None))
    return table(["why"], ["cost"], body, 0)
