"""What the rules found: a table, dearest first, then each in words with the way out."""

from __future__ import annotations

from typing import TYPE_CHECKING

from claude_audit.money import dollars
from claude_audit.renderers import figures
from claude_audit.renderers.findings import ABOUT, amounts, rest, title
from claude_audit.renderers.terminal.screen import Row, Screen, lines, prose, table
from claude_audit.text import count, printable

if TYPE_CHECKING:
    from rich.console import RenderableType

    from claude_audit.findings import Findings
    from claude_audit.rules import Finding

MOST = 15


def findings_tables(answer: Findings, *, width: int | None = None, color: bool | None = None) -> str:
    """The bill, the findings by what they cost at least, each in words, and what could not be judged."""
    screen = Screen.here(width, color)
    if not answer.requests:
        return screen.print(lines([("", "No requests.")]))
    period = figures.period(answer.since, answer.until)
    head = lines(
        [("bold", dollars(answer.spent_usd)), ("", f"  {period}, {count(answer.requests, 'request')}")], [("", ABOUT)]
    )
    shown = answer.found[:MOST]
    body: list[Row] = [
        ([f"{n} {title(one)}", one.subject], [*amounts(one), one.grade.value], None) for n, one in enumerate(shown, 1)
    ]
    ranked = (
        table(["finding", "where"], ["at least", "at most", "grade"], body, screen.width)
        if body
        else lines([("", "Nothing was found.")])
    )
    left = len(answer.found) - len(shown)
    more = lines([("dim", f"and {left} more: --format markdown shows all")]) if left else None
    said = [[("dim", printable(words))] for words in rest(answer)]
    met = {one.grade: None for one in shown}
    legend = lines(*([("dim", f"{grade.value}: {words}")] for grade, words in figures.GRADE.items() if grade in met))
    return screen.print(
        head, ranked, more, _words(shown) if shown else None, legend if met else None, lines(*said) if said else None
    )


def _words(shown: tuple[Finding, ...]) -> RenderableType:
    from rich.table import Table
    from rich.text import Text

    grid = Table(box=None, show_header=False, pad_edge=False, padding=(0, 1, 0, 0))
    grid.add_column(justify="right", no_wrap=True)
    grid.add_column(overflow="fold")
    for n, one in enumerate(shown, 1):
        said = Text(prose(one.message))
        said.append(f" {one.remedy[0].upper()}{one.remedy[1:]}.", style="bold")
        grid.add_row(str(n), said)
        for command in one.evidence:
            grid.add_row("", Text(printable(command), style="dim"))
    return grid
