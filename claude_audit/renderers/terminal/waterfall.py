"""What would have saved: the bill before and after, each step, whose saving it is, and what it rests on."""

from __future__ import annotations

from typing import TYPE_CHECKING

from claude_audit.bill import total
from claude_audit.money import dollars
from claude_audit.renderers import figures
from claude_audit.renderers.figures import percent
from claude_audit.renderers.terminal.screen import Row, Screen, lines, table
from claude_audit.text import printable

if TYPE_CHECKING:
    from rich.console import RenderableType
    from rich.table import Table
    from rich.text import Text

    from claude_audit.waterfall import Step, Waterfall


def waterfall_tables(waterfall: Waterfall, *, width: int | None = None, color: bool | None = None) -> str:
    """The bill as logged, each step, the bill after them; below it what the steps rest on, and where they raise the bill."""
    screen = Screen.here(width, color)
    saving, monthly = waterfall.saving_usd, waterfall.monthly_saving_usd
    word = "the bill RISES by" if saving < 0 else "saved"
    share = f"{percent(abs(saving) / waterfall.baseline_usd)} of the bill" if waterfall.baseline_usd else ""
    head = _pairs(
        ("bill as logged", dollars(waterfall.baseline_usd), figures.period(waterfall.since, waterfall.until)),
        ("bill after all steps", dollars(waterfall.final_usd), ""),
        (word, dollars(abs(saving)), share),
        (f"{word} a month", dollars(None if monthly is None else abs(monthly)), "30 days at the pace of this log"),
        ("evidenced", dollars(waterfall.evidenced_saving_usd), "low ends of metered and replayed steps"),
    )
    body: list[Row] = [
        (
            [f"{n} {figures.lever(step)}"],
            [
                dollars(step.saving_usd),
                dollars(step.alone_usd),
                dollars(step.low_usd),
                dollars(step.high_usd),
                f"{step.requests_changed:,}",
                step.grade.value,
            ],
            None,
        )
        for n, step in enumerate(waterfall.steps, 1)
    ]
    columns = ["saving", "alone", "low", "high", "requests", "grade"]
    steps = table(["step"], columns, body, screen.width) if body else None
    parts = [_details(n, step) for n, step in enumerate(waterfall.steps, 1)]
    notes = [[("dim", printable(note))] for note in waterfall.notes]
    return screen.print(
        head, steps, _attribution(waterfall, screen), *parts, _grades(waterfall), lines(*notes) if notes else None
    )


def _pairs(*rows: tuple[str, str, str]) -> RenderableType:
    """Figures one under the other, each with its name before and its meaning after it."""
    from rich.table import Table
    from rich.text import Text

    table = Table(box=None, show_header=False, pad_edge=False, padding=(0, 2, 0, 0))
    table.add_column(no_wrap=True)
    table.add_column(justify="right", no_wrap=True)
    table.add_column(overflow="fold")
    for n, (name, figure, meaning) in enumerate(rows):
        table.add_row(Text(name), Text(figure, style="bold" if n < 3 else ""), Text(meaning, style="dim"))
    return table


def _attribution(waterfall: Waterfall, screen: Screen) -> Table | None:
    """Whose saving is it: first, last, and the mean over all orders; None when nobody asked."""
    steps = [step for step in waterfall.steps if step.shapley_usd is not None]
    if not steps:
        return None
    body: list[Row] = [
        (
            [f"{n} {figures.lever(step)}"],
            [dollars(step.alone_usd), dollars(step.last_usd), dollars(step.shapley_usd)],
            None,
        )
        for n, step in enumerate(steps, 1)
    ]
    sum_row = ["", "", dollars(total(step.shapley_usd for step in steps if step.shapley_usd is not None))]
    body.append((["together"], sum_row, None))
    return table(["whose saving"], ["applied first", "applied last", "fair share (Shapley)"], body, screen.width)


def _details(n: int, step: Step) -> RenderableType | None:
    """What a step warns of, does not tell, assumes and left out."""
    from rich.table import Table
    from rich.text import Text

    lines = [Text(printable(warning), style="red") for warning in figures.warnings(step)]
    lines += [Text(printable(caveat)) for caveat in step.caveats]
    lines += [Text(printable(told), style="dim") for told in figures.basis(step)]
    if not lines:
        return None
    table = Table(box=None, show_header=False, pad_edge=False, padding=(0, 1, 0, 0))
    table.add_column(justify="right", no_wrap=True)
    table.add_column(overflow="fold")
    table.add_row(Text(f"{n}", style="bold"), Text(printable(figures.lever(step)), style="bold"))
    for line in lines:
        table.add_row("-", line)
    return table


def _grades(waterfall: Waterfall) -> Text | None:
    met = figures.grades(waterfall)
    return lines(*([("dim", f"{grade}: {words}")] for grade, words in met)) if met else None
