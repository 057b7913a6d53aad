"""What is printed on, and tables that fit it with every figure whole."""

from __future__ import annotations

import os
import shutil
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from claude_audit.text import printable

if TYPE_CHECKING:
    from rich.console import RenderableType
    from rich.table import Table
    from rich.text import Text

BAR = 8
"""Cells of a bar."""
NARROWEST_LABEL = 10
KEPT_SPACE = "\ue000"
"""Stands for a space at which no line is broken, until the lines are: rich breaks them at U+00A0 too."""

Row = tuple[list[str], list[str], float | None]
"""Labels, figures, and the share that its bar shows (None: no bar)."""


def clean(text: str) -> str:
    """Text from a log that cannot drive the terminal: control characters and the like are shown as escapes."""
    return printable(text)


def prose(text: str) -> str:
    """Clean text that may stand on several lines."""
    return _kept(clean(text))


def _kept(text: str) -> str:
    """The text with no place to break a line between a number and its percent sign."""
    return text.replace(" %", f"{KEPT_SPACE}%")


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

        from rich.console import Console

        out = io.StringIO()
        console = Console(
            file=out,
            width=self.width,
            force_terminal=self.color,
            color_system="standard" if self.color else None,
            no_color=not self.color,
            markup=False,
            highlight=False,
            emoji=False,
            legacy_windows=False,
        )
        for n, part in enumerate(part for part in parts if part is not None):
            if n:
                console.print()
            console.width = max(self.width, _needed(part))
            console.print(part)
        shown = out.getvalue().replace(KEPT_SPACE, " ")
        return "\n".join(line.rstrip() for line in shown.splitlines()) + "\n"


def _needed(part: RenderableType) -> int:
    """The width below which a figure would be cut, and a cut figure is a wrong one: then lines are longer instead."""
    from rich.cells import cell_len
    from rich.console import Group
    from rich.table import Table

    if isinstance(part, Group):
        return max(map(_needed, part.renderables), default=0)
    if not isinstance(part, Table):
        return 0
    width = 0
    for column in part.columns:
        natural = max(cell_len(str(cell)) for cell in (column.header, *column.cells))
        width += column.width or (natural if column.no_wrap else min(natural, NARROWEST_LABEL))
    gap = part.padding[1] + (1 if part.box else 0)
    return width + gap * (len(part.columns) - 1)


def table(names: Sequence[str], amounts: Sequence[str], body: Sequence[Row], width: int) -> Table:
    """Labels left, figures right and never cut, a bar for the share; labels share what width is left (0: no limit)."""
    from rich import box
    from rich.cells import cell_len
    from rich.table import Table
    from rich.text import Text

    bars = any(share for _, _, share in body)
    made = Table(box=box.SIMPLE_HEAD, show_edge=False, pad_edge=False, padding=(0, 1, 0, 0), header_style="dim")
    cells = [[*map(printable, labels), *numbers] for labels, numbers, _ in body]
    heads = [*names, *amounts]
    natural = [max(cell_len(row[n]) for row in [heads, *cells]) for n in range(len(heads))]
    left = width - sum(natural[len(names) :]) - 2 * len(heads) + 2
    # A bar only repeats its share: labels come first.
    least = sum(min(each, NARROWEST_LABEL) for each in natural[: len(names)])
    bars = bars and (not width or left - 2 - BAR >= least)
    left -= 2 + BAR if bars else 0
    rooms = _shared(natural[: len(names)], left) if width else natural[: len(names)]
    for name, room in zip(names, rooms, strict=True):
        made.add_column(name, width=room, overflow="fold")
    for name in amounts:
        made.add_column(name, justify="right", no_wrap=True)
    if bars:
        made.add_column("", no_wrap=True, width=BAR)
    for row, (_, _, share) in zip(cells, body, strict=True):
        folded = [_folded(cell, room) for cell, room in zip(row, rooms, strict=False)]
        shown = [Text(cell) for cell in [*folded, *row[len(rooms) :]]]
        made.add_row(*shown, *([Text(_bar(share), style="cyan")] if bars else []))
    return made


def _folded(label: str, room: int) -> str:
    """A label too long for its column on several lines, cut after a separator where there is one in the second half."""
    from rich.cells import cell_len, chop_cells

    lines = []
    while cell_len(label) > room:
        fits = max(1, len(chop_cells(label, room)[0]))
        cut = max((label.rfind(mark, fits // 2, fits) for mark in "/-_.:, "), default=-1) + 1 or fits
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


def lines(*rows: Sequence[tuple[str, str]]) -> Text:
    """Lines of (style, text) runs."""
    from rich.text import Text

    return Text("\n").join(Text.assemble(*((_kept(text), style) for style, text in row)) for row in rows)
