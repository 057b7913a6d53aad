"""A forecast as JSON, as text, as Markdown or as CSV."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from decimal import Decimal
from typing import Any

from claude_audit.forecast import Backtest, DayForecast
from claude_audit.gate_words import left_out
from claude_audit.money import dollars, exact
from claude_audit.outlook import Outlook
from claude_audit.renderers.columns import as_csv, as_markdown, as_text
from claude_audit.renderers.gate import trials
from claude_audit.text import count, folded

HEADER = ("day", "low_usd", "median_usd", "high_usd", "total_low_usd", "total_median_usd", "total_high_usd")
PEOPLE = ("Day", "Low", "Median", "High", "Total low", "Total", "Total high")


def document(view: Outlook, backtest: Backtest | None = None) -> dict[str, Any]:
    """The forecast as JSON carries it; low and high are the ends of an 80 % interval."""
    guess = view.forecast
    return {
        "period": {"since": view.window.first.isoformat(), "until": view.window.last.isoformat()},
        "today": view.as_of.today.isoformat(),
        "actual_usd": exact(view.actual_usd),
        "remaining_usd": exact(guess.median_usd),
        "remaining_low_usd": exact(guess.low_usd),
        "remaining_high_usd": exact(guess.high_usd),
        "projected_usd": exact(guess.projected_usd),
        "low_usd": exact(guess.projected_low_usd),
        "high_usd": exact(guess.projected_high_usd),
        "method": guess.method,
        "confidence": guess.confidence,
        "complete_days": view.complete_days,
        "history_days": guess.complete_days,
        "gaps": [day.isoformat() for day in guess.gaps],
        "unpriced": {"requests": view.unpriced, "of": view.requests},
        "notes": list(guess.notes),
        "days": [dict(zip(HEADER, _row(day, exact), strict=True)) for day in guess.by_day],
        "backtest": trials(backtest),
    }


def text(view: Outlook, backtest: Backtest | None = None, *, width: int = 80) -> str:
    """Totals, what they rest on, and a line a day, for a terminal of that width."""
    parts = [folded("\n".join(_lines(view, backtest)), width)]
    if view.forecast.by_day:
        rows = [_row(day, dollars) for day in view.forecast.by_day]
        parts.append(as_text(PEOPLE, rows, right=range(1, len(PEOPLE))))
    return "\n\n".join(parts)


def markdown(view: Outlook, backtest: Backtest | None = None) -> str:
    """The same for a page."""
    parts = [f"### Forecast for {view.window.name}", "\n".join(f"- {line.strip()}" for line in _lines(view, backtest))]
    if view.forecast.by_day:
        rows = [_row(day, dollars) for day in view.forecast.by_day]
        parts.append(as_markdown(PEOPLE, rows, right=range(1, len(PEOPLE))))
    return "\n\n".join(parts)


def csv(view: Outlook) -> str:
    """A row a day ahead, money exact."""
    return as_csv(HEADER, [_row(day, lambda value: exact(value) or "") for day in view.forecast.by_day])


def _lines(view: Outlook, backtest: Backtest | None) -> Sequence[str]:
    guess, window = view.forecast, view.window
    lines = [
        f"{window.name}, as of {view.as_of.today}",
        f"  to date    {dollars(view.actual_usd)} ({view.complete_days} of {count(window.days, 'day')} complete)",
    ]
    if guess.median_usd is not None:
        band = f"80 % interval {dollars(guess.low_usd)} to {dollars(guess.high_usd)}"
        whole = f"80 % interval {dollars(guess.projected_low_usd)} to {dollars(guess.projected_high_usd)}"
        lines.append(f"  to come    {dollars(guess.median_usd)} ({band})")
        lines.append(f"  projected  {dollars(guess.projected_usd)} ({whole})")
        basis = (
            f"{guess.method}, {guess.confidence} confidence, {count(guess.complete_days, 'complete day')} of history"
        )
        lines.append(
            "  method     nothing is left to forecast" if guess.method == "actual" else f"  method     {basis}"
        )
    else:
        lines.append("  undecided")
    if view.unpriced:
        lines.append(f"  note: {left_out(view)}")
    lines += [f"  note: {note}" for note in guess.notes]
    if backtest is not None:
        lines.append(f"  backtest   {_tried(backtest)}")
    return lines


def _tried(backtest: Backtest) -> str:
    if backtest.mape is None or backtest.coverage is None:
        return f"the log is too short to try forecasts of {count(backtest.horizon, 'day')} on it"
    said = (
        f"{count(backtest.origins, 'forecast')} of {count(backtest.horizon, 'day')} on this log's past: off by "
        f"{100 * backtest.mape:.1f} % on average, {100 * backtest.coverage:.0f} % within the 80 % interval"
    )
    return f"{said}; lean on this forecast with care" if backtest.doubtful else said


def _row(day: DayForecast, money: Callable[[Decimal], str | None]) -> list[str]:
    amounts = (
        day.low_usd,
        day.median_usd,
        day.high_usd,
        day.total_low_usd,
        day.total_median_usd,
        day.total_high_usd,
    )
    return [day.day.isoformat(), *(money(amount) or "" for amount in amounts)]
