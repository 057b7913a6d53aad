"""Every lever tried alone: a table, best first; then what may cost, what the log does not tell, what to try together."""

from __future__ import annotations

from typing import TYPE_CHECKING

from claude_audit.money import dollars
from claude_audit.opportunities import Standing
from claude_audit.renderers import figures
from claude_audit.renderers.opportunities import ABOUT, RANKED, sentences
from claude_audit.renderers.terminal.screen import Row, Screen, lines, prose, table
from claude_audit.text import count

if TYPE_CHECKING:
    from rich.console import RenderableType

    from claude_audit.opportunities import Opportunities

HEADINGS = {
    Standing.MAYBE: "Before you count on the high end",
    Standing.COSTS: "Raises the bill here",
    Standing.UNKNOWN: "This log does not tell",
    Standing.NOT_TRIED: "Not tried",
    Standing.NOTHING: "",
}


def opportunities_tables(found: Opportunities, *, width: int | None = None, color: bool | None = None) -> str:
    """The bill, the levers by what they are sure to save for their effort, and everything that stands beside it."""
    screen = Screen.here(width, color)
    period = figures.period(found.since, found.until)
    head = lines(
        [("bold", dollars(found.baseline_usd)), ("", f"  {period}, {count(found.requests, 'priced request')}")],
        [("", ABOUT)],
    )
    body: list[Row] = [
        (
            [f"{n} {figures.lever(one.step)}"],
            [
                *map(dollars, (one.step.low_usd, one.step.saving_usd, one.step.high_usd)),
                one.step.effort.words,
                one.step.grade.value,
            ],
            None,
        )
        for n, one in enumerate(found.standing(*RANKED), 1)
        if one.step
    ]
    columns = ["at least", "expected", "at most", "effort", "grade"]
    ranked = (
        table(["lever, best first"], columns, body, screen.width) if body else lines([("", "No lever saves here.")])
    )
    told: dict[Standing, list[str]] = {}
    for standing, words in sentences(found):
        told.setdefault(standing, []).append(words)
    parts = [_listed(HEADINGS[standing], told[standing], standing) for standing in HEADINGS if standing in told]
    unpriced = found.unpriced_requests
    have = "has" if unpriced == 1 else "have"
    last = lines(
        *([[("dim", f"{count(unpriced, 'request')} {have} no price: no lever touched them.")]] if unpriced else []),
        *([[("", "Together: "), ("bold", f"claude-audit whatif {found.together}")]] if found.together else []),
        [("dim", "More of one: claude-audit explain lever NAME")],
    )
    met = {one.step.grade: None for one in found.standing(*RANKED) if one.step}
    legend = lines(*([("dim", f"{grade.value}: {words}")] for grade, words in figures.GRADE.items() if grade in met))
    return screen.print(head, ranked, *parts, legend if met else None, last)


def _listed(heading: str, points: list[str], standing: Standing) -> RenderableType:
    from rich.table import Table
    from rich.text import Text

    grid = Table(box=None, show_header=False, pad_edge=False, padding=(0, 1, 0, 0))
    grid.add_column(justify="right", no_wrap=True)
    grid.add_column(overflow="fold")
    if heading:
        grid.add_row("", Text(heading, style="bold"))
    for words in points:
        style = {Standing.COSTS: "red", Standing.NOTHING: "dim"}.get(standing, "")
        grid.add_row("!" if standing is Standing.COSTS else "-", Text(prose(words), style=style))
    return grid
