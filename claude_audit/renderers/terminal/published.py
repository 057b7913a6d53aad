"""Published claims on a terminal: the claim and its verdict, the figure it publishes beside the one here, the source."""

from __future__ import annotations

from typing import TYPE_CHECKING

from claude_audit.money import dollars
from claude_audit.published import Verdict
from claude_audit.renderers import figures
from claude_audit.renderers.published import here, says, source, summary, verdict
from claude_audit.renderers.terminal.screen import Screen, lines, prose
from claude_audit.text import count

if TYPE_CHECKING:
    from rich.console import RenderableType

    from claude_audit.published import Checked, Published

SECTIONS = (
    (Verdict.COSTS, "Would COST money here", "red"),
    (Verdict.LESS, "Less here than published", "yellow"),
    (Verdict.MORE, "More here than published", "green"),
    (Verdict.UNSURE, "Not settled by this log", "yellow"),
    (Verdict.HOLDS, "Holds here", "green"),
    (Verdict.UNKNOWN, "This log lacks the fields", ""),
    (Verdict.NOTHING, "No request of this log is concerned", ""),
    (Verdict.WRONG, "Wrong for everybody", "red"),
    (Verdict.RIGHT, "Right for everybody", "green"),
)
"""Headings of the verdicts, what needs attention first."""
SPOKEN = (Verdict.COSTS, Verdict.UNSURE, Verdict.UNKNOWN, Verdict.NOTHING)
"""Verdicts with something to say that neither the heading nor the figure does."""


def published_tables(found: Published, *, width: int | None = None, color: bool | None = None) -> str:
    """By verdict, each claim: what it says, what it would be here, what to know, who says so."""
    screen = Screen.here(width, color)
    period = figures.period(found.since, found.until)
    head = lines(
        [("bold", "What cost guides publish, on your own log")],
        [("", f"{dollars(found.baseline_usd)}  {period}, {count(found.requests, 'priced request')}")],
        [("", summary(found))],
    )
    parts: list[RenderableType] = []
    for verdict_, heading, style in SECTIONS:
        members = [one for one in found.checked if one.verdict is verdict_]
        parts += [_claim(one, heading if n == 0 else "", style) for n, one in enumerate(members)]
    met = {checked.found.grade: None for checked in found.checked if checked.found and checked.found.grade}
    legend = lines(*([("dim", f"{grade.value}: {words}")] for grade, words in figures.GRADE.items() if grade in met))
    return screen.print(head, *parts, legend if met else None)


def _claim(checked: Checked, heading: str, style: str) -> RenderableType:
    from rich.console import Group
    from rich.table import Table
    from rich.text import Text

    claim = checked.claim
    grid = Table(box=None, show_header=False, pad_edge=False, padding=(0, 1, 0, 0))
    grid.add_column(no_wrap=True, width=6)
    grid.add_column(overflow="fold")
    grid.add_row(Text("claim", style="dim"), Text(prose(claim.claim), style="bold"))
    if published := says(claim):
        grid.add_row(Text("says", style="dim"), Text(prose(published)))
    if now := here(checked):
        grid.add_row(Text("here" if claim.levers or claim.formula else "is", style="dim"), Text(prose(now)))
    if checked.verdict in SPOKEN or claim.fact:
        grid.add_row("", Text(prose(verdict(checked))))
    if claim.remark:
        grid.add_row("", Text(prose(claim.remark)))
    grid.add_row("", Text(prose(source(claim)), style="dim"))
    return Group(Text(heading.upper(), style=f"bold {style}".strip()), Text(""), grid) if heading else grid
