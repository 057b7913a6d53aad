"""Who spent it: the total, the rows, what it is made of, how concentrated it is, and what has no price."""

from __future__ import annotations

from typing import TYPE_CHECKING

from claude_audit.bill import SEARCHES
from claude_audit.renderers import figures
from claude_audit.renderers.figures import compact, percent
from claude_audit.renderers.terminal.screen import Screen, lines, table
from claude_audit.spend import TOKEN_TYPE
from claude_audit.text import count, printable
from claude_audit.usage import TIME_DIMENSIONS

if TYPE_CHECKING:
    from rich.table import Table

    from claude_audit.spend import Spend, SpendRow

MOST_ROWS = 25
WIDE = 112
"""From this width on, tokens are told apart by what they cost."""


def spend_tables(spend: Spend, *, width: int | None = None, color: bool | None = None) -> str:
    """The total, the rows, what the bill is made of, how concentrated it is, and what has no price."""
    screen = Screen.here(width, color)
    if not spend.requests and not any(spend.tokens.values()):
        return screen.print(lines([("", "No requests.")]))
    when = f"  {figures.period(spend.since, spend.until)}, UTC"
    billed = f"{count(spend.requests, 'request')}, {compact(sum(spend.tokens.values()))} billed tokens"
    head = lines([("bold", figures.spent(spend.known_usd)), ("", when)], [("dim", billed)])
    missing = figures.unpriced(spend.unpriced)
    notes = [[("yellow", printable(missing))], [("dim", figures.WAY_OUT)]] if missing else []
    if any(row.unpriced_requests and row.cost_usd is not None for row in spend.rows):
        notes.append([("dim", "≥: some requests of that row have no price.")])
    found = spend.pareto
    return screen.print(
        head,
        _rows(spend, screen) if spend.by else None,
        lines([("", figures.pareto(found, figures.plural(spend.by)))]) if found else None,
        _components(spend) if TOKEN_TYPE not in spend.by else None,
        lines(*notes) if notes else None,
    )


def _rows(spend: Spend, screen: Screen) -> Table:
    """The first 25 rows and the rest of them in one; by time, the last 25 and what came before in one."""
    timely = spend.by[0] in TIME_DIMENSIONS
    kept, rest = figures.shortened(spend.rows[::-1] if timely else spend.rows, MOST_ROWS)
    kept = kept[::-1] if timely else kept
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
    if rest:
        extra = len(spend.rows) - len(kept)
        name = f"… {extra:,} earlier" if timely else f"… and {extra:,} more"
        body.insert(0 if timely else len(body), ([name, *[""] * (len(spend.by) - 1)], cells(rest), None))
    return table([_name(name) for name in spend.by], figures_of, body, screen.width)


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
        body.append(([figures.COMPONENT[name]], [tokens, *figures.part(spend, name)], share))
    return table(["made of"], ["tokens", "cost", "share"], body, 0)
