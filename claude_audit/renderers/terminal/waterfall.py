"""What would have saved: the bill before and after, each step, whose saving it is, what it rests on, what to do first."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from claude_audit.bill import total
from claude_audit.money import dollars
from claude_audit.renderers import figures
from claude_audit.renderers.figures import percent
from claude_audit.renderers.terminal.screen import Row, Screen, lines, prose, table
from claude_audit.text import count, printable

if TYPE_CHECKING:
    from rich.console import RenderableType
    from rich.table import Table
    from rich.text import Text

    from claude_audit.waterfall import Step, Waterfall

MOST_CAVEATS = 3
"""Of one step that are shown; how many more there are is said."""
MOST_DIFFERENCES = 2
"""Between models, likewise."""

LEGEND = (
    "Each step starts where the one before it ended. alone: without the other steps. "
    "at least, at most: the bounds of the step."
)


def waterfall_tables(waterfall: Waterfall, *, width: int | None = None, color: bool | None = None) -> str:
    """The bill before and after; the steps; whose saving it is; what to do first; what each step rests on."""
    screen = Screen.here(width, color)
    body: list[Row] = [
        (
            [f"{n} {figures.lever(step)}"],
            [*map(dollars, (step.saving_usd, step.alone_usd, step.low_usd, step.high_usd)), step.grade.value],
            None,
        )
        for n, step in enumerate(waterfall.steps, 1)
    ]
    if len(body) > 1:
        body.append((["together"], [dollars(waterfall.saving_usd), *[""] * 4], None))
    columns = ["saves", "alone", "at least", "at most", "grade"]
    steps = table(["step"], columns, body, screen.width) if body else None
    legend = lines([("dim", LEGEND)]) if body else None
    notes = [[("dim", printable(note))] for note in figures.notes(waterfall)]
    return screen.print(
        _head(waterfall),
        steps,
        legend,
        _shares(waterfall, screen),
        _overlaps(waterfall),
        _next(waterfall),
        *[_details(n, step) for n, step in enumerate(waterfall.steps, 1)],
        _grades(waterfall),
        lines(*notes) if notes else None,
    )


def _head(waterfall: Waterfall) -> RenderableType:
    """The figures that matter, one under the other, each with its name before and its meaning after it."""
    from rich.table import Table
    from rich.text import Text

    saving, monthly = waterfall.saving_usd, waterfall.monthly_saving_usd
    word = "the bill RISES by" if saving < 0 else "saved"
    share = f"{percent(abs(saving) / waterfall.baseline_usd)} of the bill" if waterfall.baseline_usd else ""
    if share and waterfall.overlap is not None:
        share += ", each dollar counted once"
    rows = [
        ("bill as logged", dollars(waterfall.baseline_usd), figures.period(waterfall.since, waterfall.until), "bold"),
        ("bill after all steps", dollars(waterfall.final_usd), "", "bold"),
        (word, dollars(abs(saving)), share, "bold"),
    ]
    if words := figures.one_by_one(waterfall):
        rows.append(("  one by one", dollars(waterfall.standalone_usd), words, "strike dim"))
    if monthly is not None:
        rows.append(("  in 30 days", dollars(abs(monthly)), "at the pace of this log", ""))
    evidenced = dollars(waterfall.evidenced_saving_usd)
    rows.append(("  evidenced", evidenced, "low ends of metered and replayed steps", ""))
    grid = Table(box=None, show_header=False, pad_edge=False, padding=(0, 2, 0, 0))
    grid.add_column(no_wrap=True)
    grid.add_column(justify="right", no_wrap=True)
    grid.add_column(overflow="fold")
    for name, figure, meaning, style in rows:
        grid.add_row(Text(name), Text(figure, style=style), Text(meaning, style="dim"))
    return grid


def _shares(waterfall: Waterfall, screen: Screen) -> Table | None:
    """Whose saving is it: done first, done last, and the mean over all orders; None when nobody asked."""
    steps = [step for step in waterfall.steps if step.shapley_usd is not None]
    if not steps:
        return None
    ranged = waterfall.attribution == "all" and all(step.order_range for step in steps)
    body: list[Row] = []
    for n, step in enumerate(steps, 1):
        ends = [dollars(end) for end in step.order_range or ()] if ranged else []
        cells = [dollars(step.alone_usd), dollars(step.last_usd), *ends, dollars(step.shapley_usd)]
        body.append(([f"{n} {figures.lever(step)}"], cells, None))
    blank = [""] * (3 if ranged else 1)
    shares = total(step.shapley_usd for step in steps if step.shapley_usd is not None)
    body.append((["added up"], [dollars(waterfall.standalone_usd), *blank, dollars(shares)], None))
    heads = ["done first", "done last", *(["least", "most"] if ranged else []), "fair share"]
    return table(["whose saving"], heads, body, screen.width)


def _overlaps(waterfall: Waterfall) -> Text | None:
    """Which steps save the same dollars, or help each other."""
    told = list(figures.overlaps(waterfall))
    return lines(*([("", printable(words))] for words in told)) if told else None


def _next(waterfall: Waterfall) -> RenderableType | None:
    """The order of work."""
    from rich.table import Table
    from rich.text import Text

    if not waterfall.next:
        return None
    grid = Table(box=None, show_header=False, pad_edge=False, padding=(0, 1, 0, 0))
    grid.add_column(justify="right", no_wrap=True)
    grid.add_column(overflow="fold")
    grid.add_row("", Text("Do this next: the most that is sure for its effort first", style="bold"))
    place = 0
    for entry in waterfall.next:
        place += 1 if entry.saving_usd > 0 else 0
        effort = f" ({entry.effort.words} effort)" if entry.saving_usd > 0 else ""
        grid.add_row(f"{place}." if entry.saving_usd > 0 else "-", Text(prose(entry.words + effort)))
    return grid


def _details(n: int, step: Step) -> RenderableType:
    """What a step warns of, reaches, does not tell and takes for granted; what matters most first."""
    from rich.table import Table
    from rich.text import Text

    grid = Table(box=None, show_header=False, pad_edge=False, padding=(0, 1, 0, 0))
    grid.add_column(justify="right", no_wrap=True)
    grid.add_column(overflow="fold")
    grid.add_row(
        Text(f"{n}", style="bold"),
        Text.assemble((printable(figures.lever(step)), "bold"), (f"  {printable(figures.costs_to_do(step))}", "dim")),
    )
    for mark, style, words in _told(step):
        grid.add_row(Text(mark, style=style), Text(prose(words), style=style))
    return grid


def _told(step: Step) -> Iterator[tuple[str, str, str]]:
    """(mark, style, sentence)."""
    for warning in figures.warnings(step):
        yield "!", "red", warning
    shown = step.caveats[:MOST_CAVEATS]
    for caveat in shown:
        yield "-", "", caveat
    if len(step.caveats) > len(shown):
        yield "-", "dim", f"and {count(len(step.caveats) - len(shown), 'more note')}: --format markdown shows all"
    for words in (figures.reach(step), figures.lacks(step), figures.taken_for_granted(step), figures.left_out(step)):
        if words:
            yield "-", "dim", words
    for words in figures.first_of(step.platform_differences, MOST_DIFFERENCES):
        yield "-", "dim", words


def _grades(waterfall: Waterfall) -> Text | None:
    met = figures.grades(waterfall)
    return lines(*([("dim", f"{grade}: {words}")] for grade, words in met)) if met else None
