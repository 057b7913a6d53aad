"""Answers for a terminal: tables that fit its width, with every figure whole, and the sentences that belong to them."""

from __future__ import annotations

import os
import shutil
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from claude_audit.bill import SEARCHES, total
from claude_audit.money import dollars, exact
from claude_audit.renderers import figures
from claude_audit.renderers.figures import compact, percent, size
from claude_audit.spend import TOKEN_TYPE
from claude_audit.text import count, printable
from claude_audit.usage import TIME_DIMENSIONS

if TYPE_CHECKING:
    from rich.console import RenderableType
    from rich.table import Table
    from rich.text import Text

    from claude_audit.bill import LineItem
    from claude_audit.explain import Pass, Section
    from claude_audit.spend import Spend, SpendRow
    from claude_audit.waterfall import Step, Waterfall

__all__ = ["Screen", "clean", "explain_tables", "size", "spend_tables", "waterfall_tables"]

MOST_ROWS = 25
BAR = 8
"""Cells of a bar."""
WIDE = 112
"""From this width on, tokens are told apart by what they cost."""
NARROWEST_LABEL = 10


def clean(text: str) -> str:
    """Text from a log that cannot drive the terminal: control characters and the like are shown as escapes."""
    return printable(text)


@dataclass(frozen=True, slots=True)
class Screen:
    """What is printed on."""

    width: int
    color: bool

    @classmethod
    def here(cls, width: int | None = None, color: bool | None = None) -> Screen:
        """The terminal's width, 80 when stdout is none; colours on a terminal that may have them (NO_COLOR, TERM)."""
        if width is None:
            width = max(40, shutil.get_terminal_size((80, 24)).columns)
        if color is None:
            color = sys.stdout.isatty() and not os.environ.get("NO_COLOR") and os.environ.get("TERM") != "dumb"
        return cls(width, color)

    def print(self, *parts: RenderableType | None) -> str:
        """The parts as text, with a blank line between them."""
        import io

        from rich.console import Console, Group
        from rich.padding import Padding

        shown = [part for part in parts if part is not None]
        console = Console(
            file=io.StringIO(),
            width=self.width,
            force_terminal=self.color,
            color_system="standard" if self.color else None,
            no_color=not self.color,
            markup=False,
            highlight=False,
            emoji=False,
            legacy_windows=False,
        )
        # A table whose figures alone are wider than the terminal stays whole: a cut figure is a wrong one.
        console.width = max(self.width, *(console.measure(part).minimum for part in shown), 1)
        console.print(Group(*(Padding(part, (0 if n == 0 else 1, 0, 0, 0)) for n, part in enumerate(shown))))
        written = console.file.getvalue()  # type: ignore[attr-defined]
        return "\n".join(line.rstrip() for line in str(written).splitlines()) + "\n"


def spend_tables(spend: Spend, *, width: int | None = None, color: bool | None = None) -> str:
    """The total, the rows, what the bill is made of, how concentrated it is, and what has no price."""
    screen = Screen.here(width, color)
    head = _lines(
        [
            ("bold", dollars(spend.total_usd)),
            ("", f"  {figures.period(spend.since, spend.until)}, UTC" if spend.since else ""),
        ],
        [("dim", count(spend.requests, "request") + f", {compact(sum(spend.tokens.values()))} billed tokens")],
    )
    if not spend.requests:
        return screen.print(_lines([("", "No requests in this period.")]))
    missing = figures.unpriced(spend.unpriced)
    notes = [[("yellow", printable(missing))], [("dim", figures.WAY_OUT)]] if missing else []
    if any(row.unpriced_requests and row.cost_usd is not None for row in spend.rows):
        notes.append([("dim", "≥: some requests of that row have no price.")])
    found = spend.pareto
    return screen.print(
        head,
        _rows(spend, screen) if spend.by else None,
        _lines([("", figures.pareto(found, figures.plural(spend.by)))]) if found else None,
        _components(spend) if TOKEN_TYPE not in spend.by else None,
        _lines(*notes) if notes else None,
    )


def _rows(spend: Spend, screen: Screen) -> Table:
    """The first 25 rows and the rest of them in one; by time, the last 25 and what came before in one."""
    timely = spend.by[0] in TIME_DIMENSIONS
    rows = list(spend.rows)
    extra = len(rows) - MOST_ROWS if len(rows) > MOST_ROWS + 1 else 0
    kept = (rows[extra:] if timely else rows[: len(rows) - extra]) if extra else rows
    rest = rows[:extra] if timely else rows[len(rows) - extra :]
    by_class = screen.width >= WIDE and TOKEN_TYPE not in spend.by
    token_columns = ("uncached", "cache read", "cache write", "output") if by_class else ("tokens",)
    counted = TOKEN_TYPE not in spend.by
    figures_of = [*(("requests",) if counted else ()), *token_columns, "cost", "share"]

    def cells(row: SpendRow) -> list[str]:
        counts = _four(row) if by_class else [sum(row.tokens.values())]
        tokens = [compact(n) if n or counted else "" for n in counts]
        requests = [f"{row.requests:,}"] if row.requests is not None else []
        return [*requests, *tokens, figures.cost(row), percent(row.share)]

    body = [([figures.label(label) for label in row.labels], cells(row), row.share) for row in kept]
    if extra:
        merged = figures.merged(rest)
        name = f"… {extra:,} earlier" if timely else f"… and {extra:,} more"
        body.insert(0 if timely else len(body), ([name, *[""] * (len(spend.by) - 1)], cells(merged), None))
    return _table([_name(name) for name in spend.by], figures_of, body, screen.width)


def _name(dimension: str) -> str:
    return "token type" if dimension == TOKEN_TYPE else printable(dimension).replace("_", " ")


def _four(row: SpendRow) -> tuple[int, int, int, int]:
    tokens = row.tokens
    return (
        tokens["input"],
        tokens["cache_read"],
        tokens["cache_write_5m"] + tokens["cache_write_1h"],
        tokens["output"],
    )


def _components(spend: Spend) -> Table | None:
    parts = [(name, usd) for name, usd in spend.components.items() if usd or spend.tokens.get(name)]
    if not parts:
        return None
    whole = spend.total_usd
    body = []
    for name, usd in parts:
        share = float(usd / whole) if whole else None
        tokens = "" if name == SEARCHES else compact(spend.tokens[name])
        body.append(([figures.COMPONENT[name]], [tokens, dollars(usd), percent(share)], share))
    return _table(["made of"], ["tokens", "cost", "share"], body, 0)


def _table(
    names: Sequence[str], amounts: Sequence[str], body: Sequence[tuple[list[str], list[str], float | None]], width: int
) -> Table:
    """Labels left, figures right and never cut, a bar for the share; labels share what width is left (0: no limit)."""
    from rich import box
    from rich.cells import cell_len
    from rich.table import Table
    from rich.text import Text

    bars = any(share for _, _, share in body)
    table = Table(box=box.SIMPLE_HEAD, show_edge=False, pad_edge=False, padding=(0, 1, 0, 0), header_style="dim")
    cells = [[*map(printable, labels), *numbers] for labels, numbers, _ in body]
    heads = [*names, *amounts]
    natural = [max(cell_len(row[n]) for row in [heads, *cells]) for n in range(len(heads))]
    left = width - sum(natural[len(names) :]) - 2 * len(heads) - (BAR if bars else -2)
    rooms = _shared(natural[: len(names)], left) if width else natural[: len(names)]
    for name, room in zip(names, rooms, strict=True):
        table.add_column(name, width=room, overflow="fold")
    for name in amounts:
        table.add_column(name, justify="right", no_wrap=True)
    if bars:
        table.add_column("", no_wrap=True, width=BAR)
    for row, (_, _, share) in zip(cells, body, strict=True):
        folded = [_folded(cell, room) for cell, room in zip(row, rooms, strict=False)]
        shown = [Text(cell) for cell in [*folded, *row[len(rooms) :]]]
        table.add_row(*shown, *([Text(_bar(share), style="cyan")] if bars else []))
    return table


def _folded(label: str, room: int) -> str:
    """A label too long for its column on several lines, cut after a separator where there is one in the second half."""
    lines = []
    while len(label) > room:
        cut = max((label.rfind(mark, room // 2, room) for mark in "/-_.:, "), default=-1) + 1 or room
        lines.append(label[:cut])
        label = label[cut:]
    return "\n".join([*lines, label])


def _shared(wanted: Sequence[int], room: int) -> list[int]:
    """Widths of at most `wanted` that fit `room`: the widest give way first, none below what can be read."""
    widths = list(wanted)
    while sum(widths) > room:
        widest = max(range(len(widths)), key=lambda n: widths[n])
        if widths[widest] <= NARROWEST_LABEL:
            break
        widths[widest] -= 1
    return widths


def _bar(share: float | None) -> str:
    """A bar of eight cells for the whole, in eighths of a cell; something is never nothing."""
    if not share or share < 0:
        return ""
    eighths = max(1, round(min(share, 1.0) * BAR * 8))
    return "█" * (eighths // 8) + ("", "▏", "▎", "▍", "▌", "▋", "▊", "▉")[eighths % 8]


def _lines(*lines: Sequence[tuple[str, str]]) -> Text:
    """Lines of (style, text) runs."""
    from rich.text import Text

    return Text("\n").join(Text.assemble(*((text, style) for style, text in line)) for line in lines)


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
    body: list[tuple[list[str], list[str], float | None]] = [
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
    steps = _table(["step"], columns, body, screen.width) if body else None
    parts = [_details(n, step) for n, step in enumerate(waterfall.steps, 1)]
    notes = [[("dim", printable(note))] for note in waterfall.notes]
    return screen.print(
        head, steps, _attribution(waterfall, screen), *parts, _grades(waterfall), _lines(*notes) if notes else None
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
    body: list[tuple[list[str], list[str], float | None]] = [
        (
            [f"{n} {figures.lever(step)}"],
            [dollars(step.alone_usd), dollars(step.last_usd), dollars(step.shapley_usd)],
            None,
        )
        for n, step in enumerate(steps, 1)
    ]
    sum_row = ["", "", dollars(total(step.shapley_usd for step in steps if step.shapley_usd is not None))]
    body.append((["together"], sum_row, None))
    return _table(["whose saving"], ["applied first", "applied last", "fair share (Shapley)"], body, screen.width)


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
    return _lines(*([("dim", f"{grade}: {words}")] for grade, words in met)) if met else None


def explain_tables(
    items: Sequence[LineItem], passes: Sequence[Pass] = (), *, width: int | None = None, color: bool | None = None
) -> str:
    """Quantity x rate x factors = amount, line by line under the price they go by, and their sum.

    With `passes`, theirs one after the other, each with the place it was read at; else `items`, those alike as one.
    """
    from claude_audit import explain

    screen = Screen.here(width, color)
    parts: list[RenderableType] = []
    for one in passes:
        parts += [_pass(one), *map(_section, explain.sections(one.items))]
    if not passes:
        parts += map(_section, explain.sections(explain.merged(items)))
    every = [item for one in passes for item in one.items] or list(items)
    unpriced = sum(item.usd is None for item in every)
    notes = [[("bold", f"total ${exact(explain.total_usd(every))}"), ("dim", "  exact: no figure above is rounded")]]
    if unpriced:
        have = "line has" if unpriced == 1 else "lines have"
        notes.append([("yellow", f"{unpriced:,} {have} no price and {'is' if unpriced == 1 else 'are'} not in it")])
    return screen.print(*parts, _lines(*notes))


def _pass(one: Pass) -> Text:
    kind = "call" if one.kind == "call" and not one.number else f"{one.kind}, pass {one.number}"
    ids = [f"{name} {value}" for name, value in (("request", one.request_id), ("message", one.message_id)) if value]
    about = [
        f"{one.at:%Y-%m-%d %H:%M:%S} UTC",
        f"endpoint {figures.label(one.endpoint)}",
        f"model {figures.label(one.model)}",
    ]
    lines = [
        [("bold", printable(one.place)), ("", f"  {one.format}, {kind}")],
        [("dim", printable(" · ".join([*about, *ids, f"row {one.row_id}"])))],
    ]
    if one.unbilled:
        lines.append([("", f"not billed: {printable(one.unbilled)}")])
    return _lines(*lines)


def _section(section: Section) -> RenderableType:
    """One price row: its place and factors, and under it what was billed by it."""
    from rich.console import Group
    from rich.table import Table
    from rich.text import Text

    model = Text(printable(figures.label(section.model)), style="bold")
    head = Text.assemble(model, Text(f"  {printable(section.where)}", style="dim"))
    for name, factor, where in section.factors:
        head.append(f"\n× {exact(factor)} {name}  ")
        head.append(printable(where), style="dim")
    table = Table(box=None, show_header=False, pad_edge=False, padding=(0, 1, 0, 0))
    for side in ("left", "right", "left", "left", "left", "right"):
        table.add_column(justify="right" if side == "right" else "left", no_wrap=True)
    table.add_column(overflow="fold")
    amounts = [None if item.usd is None else exact(item.usd) or "0" for item in section.items]
    places = max((len(amount.partition(".")[2]) for amount in amounts if amount), default=0)
    for item, amount in zip(section.items, amounts, strict=True):
        unit = "searches" if item.component == SEARCHES else "tokens"
        per = "each" if item.per == 1 else "per million"
        sold = item.usd_per_unit is not None
        rate = f"× {figures.rate(item.usd_per_unit)} {per}" if item.usd_per_unit is not None else figures.NO_PRICE
        times = "".join(f" × {exact(factor)}" for _, factor, _ in section.factors) if sold else ""
        result = ("", "") if amount is None else ("=", f"${_padded(amount, places)}")
        cells = (figures.COMPONENT[item.component], f"{item.quantity:,}", unit, rate + times, *result)
        table.add_row(*map(Text, cells), Text(printable(item.note), style="dim"))
    return Group(head, table)


def _padded(amount: str, places: int) -> str:
    """So that the points of right-aligned amounts stand one under the other."""
    whole, point, part = amount.partition(".")
    return f"{whole}{point or (' ' if places else '')}{part:<{places}}"
