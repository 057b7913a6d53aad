"""`claude-audit forecast`: what the month, week or day will probably cost."""

from __future__ import annotations

import shutil
from typing import Annotated, cast

import typer

from claude_audit.commands.check import Today, open_history
from claude_audit.commands.common import (
    Format,
    FormatOption,
    Since,
    Until,
    Where,
    Zone,
    emit,
    emit_json,
    one_of,
    say,
    session,
)
from claude_audit.errors import AuditError, Exit


def register(app: typer.Typer) -> None:
    """Add the command to the program."""
    app.command(help="What the month will cost, with an 80 % interval; exit code 3 when the log is too short.")(
        forecast
    )


def forecast(
    ctx: typer.Context,
    period: Annotated[
        str, typer.Option("--period", metavar="month|week|day", help="What to forecast the rest of.")
    ] = "month",
    backtest: Annotated[bool, typer.Option("--backtest", help="Also try the method on this log's own past.")] = False,
    horizon: Annotated[
        int, typer.Option("--horizon", metavar="DAYS", min=1, max=366, help="How far ahead the backtest forecasts.")
    ] = 30,
    today: Today = None,
    since: Since = None,
    until: Until = None,
    zone: Zone = None,
    where: Where = None,
    output: FormatOption = Format.TABLE,
) -> None:
    """What the month, week or day will cost."""
    from claude_audit.forecast import backtest as try_out
    from claude_audit.limits import PERIODS, Period
    from claude_audit.outlook import Window, outlook
    from claude_audit.renderers import forecast as render

    if not 1 <= horizon <= 366:  # typer shows the bounds, and does not hold them
        raise AuditError(f"--horizon {horizon} is not a number of days from 1 to 366", "for example --horizon 30")
    chosen = cast(Period, one_of(period, PERIODS, "period"))
    here = session(ctx)
    off = frozenset(here.config.days_off)
    history, as_of = open_history(here, today, since, until, zone, where)
    view = outlook(history, Window.holding(as_of.day, chosen), as_of, days_off=off)
    complete = {day: usd for day, usd in history.daily().items() if day < as_of.today} if backtest else {}
    tried = try_out(view.past or complete, horizon, days_off=off) if backtest else None
    if output is Format.JSON:
        emit_json(render.document(view, tried))
    elif output is Format.CSV:
        emit(render.csv(view))
    elif output is Format.MARKDOWN:
        emit(render.markdown(view, tried))
    else:
        emit(render.text(view, tried, width=shutil.get_terminal_size((80, 24)).columns))
    if view.forecast.projected_usd is None:
        say(f"claude-audit forecast: undecided: {'; '.join(view.forecast.notes)}")
        raise typer.Exit(Exit.UNDECIDED)
