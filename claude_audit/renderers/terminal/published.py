"""Published claims on a terminal: the claim and its verdict, the figure it publishes beside the one here, the source."""

from __future__ import annotations

from typing import TYPE_CHECKING

from claude_audit.money import dollars
from claude_audit.published import Verdict
from claude_audit.renderers import figures
from claude_audit.renderers.published import TITLE, here, says, source, summary, verdict
from claude_audit.renderers.terminal.screen import Screen, lines
from claude_audit.text import count, printable

if TYPE_CHECKING:
    from rich.console import RenderableType

    from claude_audit.published import Checked, Published

STYLE = {
    Verdict.HOLDS: "green",
    Verdict.RIGHT: "green",
    Verdict.COSTS: "red",
    Verdict.WRONG: "red",
    Verdict.LESS: "yellow",
    Verdict.UNSURE: "yellow",
}


def published_tables(found: Published, *, width: int | None = None, color: bool | None = None) -> str:
    """Each claim: what it says, what it would be here, the verdict in words, who says so."""
    screen = Screen.here(width, color)
    period = figures.period(found.since, found.until)
    head = lines(
        [("bold", "What cost guides publish, on your own log")],
        [("", f"{dollars(found.baseline_usd)}  {period}, {count(found.requests, 'priced request')}")],
        [("", summary(found))],
    )
    parts = [_claim(n, checked) for n, checked in enumerate(found.checked, 1)]
    met = {checked.found.grade: None for checked in found.checked if checked.found and checked.found.grade}
    legend = lines(*([("dim", f"{grade.value}: {words}")] for grade, words in figures.GRADE.items() if grade in met))
    return screen.print(head, *parts, legend if met else None)


def _claim(n: int, checked: Checked) -> RenderableType:
    from rich.table import Table
    from rich.text import Text

    claim = checked.claim
    grid = Table(box=None, show_header=False, pad_edge=False, padding=(0, 1, 0, 0))
    grid.add_column(justify="right", no_wrap=True, width=2)
    grid.add_column(no_wrap=True, width=7)
    grid.add_column(overflow="fold")
    style = STYLE.get(checked.verdict, "")
    grid.add_row(Text(str(n), style="bold"), Text("claim"), Text(printable(claim.claim), style="bold"))
    if published := says(claim):
        grid.add_row("", "says", Text(printable(published)))
    if now := here(checked):
        grid.add_row("", "here", Text(printable(now)))
    words = TITLE[checked.verdict]
    if checked.found is None or checked.verdict in (Verdict.COSTS, Verdict.UNSURE):
        words = f"{words}: {verdict(checked)}"  # the figure above does not say it by itself
    grid.add_row("", "verdict", Text(printable(words), style=style))
    if claim.remark:
        grid.add_row("", "", Text(printable(claim.remark), style="dim"))
    grid.add_row("", Text("source", style="dim"), Text(printable(source(claim)), style="dim"))
    return grid
