"""Where a figure comes from: quantity x rate x factors = amount, under the price row it goes by."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from claude_audit import explain
from claude_audit.bill import SEARCHES
from claude_audit.money import exact
from claude_audit.renderers import figures
from claude_audit.renderers.terminal.screen import Screen, lines
from claude_audit.text import printable

if TYPE_CHECKING:
    from rich.console import RenderableType
    from rich.text import Text

    from claude_audit.bill import LineItem
    from claude_audit.explain import Pass, Section


def explain_tables(
    items: Sequence[LineItem], passes: Sequence[Pass] = (), *, width: int | None = None, color: bool | None = None
) -> str:
    """Quantity x rate x factors = amount, line by line under the price they go by, and their sum.

    With `passes`, theirs one after the other, each with the place it was read at; else `items`, those alike as one.
    """
    screen = Screen.here(width, color)
    parts: list[RenderableType] = []
    for one in passes:
        parts += [_pass(one), *map(_section, explain.sections(one.items))]
    if not passes:
        parts += map(_section, explain.sections(explain.merged(items)))
    every = [item for one in passes for item in one.items] or list(items)
    if not every and not passes:
        return screen.print(lines([("", "No billed tokens in this period.")]))
    unpriced = sum(item.usd is None for item in every)
    if every and unpriced == len(every):
        return screen.print(*parts, lines([("bold", f"total {figures.NO_PRICE}")]))
    notes = [[("bold", f"total ${exact(explain.total_usd(every))}"), ("dim", "  exact: no figure above is rounded")]]
    if unpriced:
        have = "line has" if unpriced == 1 else "lines have"
        notes.append([("yellow", f"{unpriced:,} {have} no price and {'is' if unpriced == 1 else 'are'} not in it")])
    return screen.print(*parts, lines(*notes))


def _pass(one: Pass) -> Text:
    kind = "call" if one.kind == "call" and not one.number else f"{one.kind}, pass {one.number}"
    ids = [f"{name} {value}" for name, value in (("request", one.request_id), ("message", one.message_id)) if value]
    about = [
        f"{one.at:%Y-%m-%d %H:%M:%S} UTC",
        f"endpoint {figures.label(one.endpoint)}",
        f"model {figures.label(one.model)}",
    ]
    told = [
        [("bold", printable(one.place)), ("", f"  {one.format}, {kind}")],
        [("dim", printable(" · ".join([*about, *ids, f"row {one.row_id}"])))],
    ]
    if one.unbilled:
        told.append([("", f"not billed: {printable(one.unbilled)}")])
    return lines(*told)


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
