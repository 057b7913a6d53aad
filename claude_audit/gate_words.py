"""A budget's result in words: limit, actual, difference, window, driver, the rule's place, the next step."""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal

from claude_audit.budget import BudgetResult, Gate
from claude_audit.forecast import Backtest
from claude_audit.money import dollars
from claude_audit.outlook import Outlook
from claude_audit.text import count, day_name, printable

NEXT_STEP = "claude-audit whatif --route-simple haiku --cache-hit 0.85"


@dataclass(frozen=True, slots=True)
class Advice:
    """What to try when a budget is in danger."""

    command: str = NEXT_STEP
    monthly_saving_usd: Decimal | None = None
    """What it is estimated to save; None when nobody has simulated it."""


def word(result: BudgetResult) -> str:
    """FAIL, WARN, UNDECIDED or PASS."""
    if result.fails:
        return "FAIL"
    if result.verdict == "undecided":
        return "UNDECIDED"
    return "WARN" if result.verdict in ("over", "at_risk") else "PASS"


def rule(result: BudgetResult) -> str:
    """The rule's id, such as budget.monthly."""
    return f"budget.{result.budget.name}"


def message(result: BudgetResult, advice: Advice | None = None) -> str:
    """Everything about one budget, several lines without a newline at the end."""
    return "\n  ".join([f"{word(result)} {rule(result)}: {headline(result)}", *details(result, advice or Advice())])


def headline(result: BudgetResult) -> str:
    """The verdict in one sentence."""
    view, limit, window = result.outlook, result.limit_usd, result.outlook.window
    projected, high = view.forecast.projected_usd, view.forecast.projected_high_usd
    if limit is not None and result.actual_over:
        spent, allowed = told_apart(view.actual_usd, limit)
        return f"spent {spent} {window.when} exceeds {allowed} by {_difference(view.actual_usd, limit)}"
    if limit is not None and projected is not None and result.projected_over:
        spent, allowed = told_apart(projected, limit)
        return f"projected {spent} for {window.name} exceeds {allowed} by {_difference(projected, limit)}"
    if limit is None or result.verdict == "undecided":
        return "; ".join(result.reasons)
    if projected is None:
        spent, allowed = told_apart(view.actual_usd, limit)
        return (
            f"spent {spent} {window.when} is within {allowed}; there is no projection: {'; '.join(view.forecast.notes)}"
        )
    spent, allowed = told_apart(projected, limit)
    said = (
        f"spent {spent} {window.when}" if view.forecast.method == "actual" else f"projected {spent} for {window.name}"
    )
    if result.verdict == "at_risk" and high is not None:
        upper, _ = told_apart(high, limit)
        return f"{said} is within {allowed}, but the upper end of its 80 % interval, {upper}, is not"
    spare = _difference(limit, projected, limit) if projected != limit else "nothing"
    return f"{said} is within {allowed}, {spare} to spare"


def details(result: BudgetResult, advice: Advice) -> list[str]:
    """What the headline rests on, a line each."""
    lines = [_arithmetic(result)]
    if result.previous_usd is not None and result.budget.increase is not None:
        before = result.outlook.window.previous.name
        lines.append(f"limit: {before} {dollars(result.previous_usd)} + {_percent(result.budget.increase)}")
    largest = _largest(result)
    place = f"rule: {result.budget.where}" if result.budget.where else ""
    if largest or place:
        lines.append("      ".join(part for part in (largest, place) if part))
    if result.verdict == "over":
        lines += [f"also: {reason}" for reason in result.reasons]
    if result.outlook.forecast.method != "undecided":
        lines += [f"note: {note}" for note in result.outlook.forecast.notes]
    if result.unpriced_allowed:
        lines.append(f"note: {left_out(result.outlook)}")
    if result.trials is not None and result.trials.doubtful:
        lines.append(doubt(result.trials))
    if result.verdict in ("over", "at_risk"):
        saving = advice.monthly_saving_usd
        worth = f"   saves an estimated {dollars(saving)} a month" if saving is not None and saving > 0 else ""
        lines.append(f"next: {advice.command}{worth}")
    return lines


def left_out(view: Outlook) -> str:
    """How many requests have no price, and so are in none of an outlook's dollars."""
    one = view.unpriced == 1
    have, are = ("has", "is") if one else ("have", "are")
    return f"{view.unpriced:,} of {count(view.requests, 'request')} {have} no price and {are} not in the figures"


def doubt(trials: Backtest) -> str:
    """Why not to lean on a forecast, from its own past."""
    off, inside = 100 * (trials.mape or 0), 100 * (trials.coverage or 0)
    return (
        f"note: take the forecast with care: on this log's past, forecasts of {count(trials.horizon, 'day')} "
        f"were off by {off:.0f} % on average, and {inside:.0f} % of them held their 80 % interval "
        f"({count(trials.origins, 'trial')})"
    )


def verdict_line(gate: Gate) -> str:
    """The gate in one line, for the conversation."""
    total = len(gate.results)
    failed = [rule(result) for result in gate.results if result.fails]
    words = [word(result) for result in gate.results]
    parts = [f"{words.count(kind)} {kind.lower()}" for kind in ("FAIL", "UNDECIDED", "WARN", "PASS") if kind in words]
    which = f": {', '.join(failed)}" if failed else ""
    return f"{gate.verdict} ({count(total, 'budget')}: {', '.join(parts)}){which}"


def told_apart(value: Decimal, other: Decimal) -> tuple[str, str]:
    """Two amounts for people; where rounding would make different ones look equal, in full."""
    short = dollars(value), dollars(other)
    return (f"${value:,f}", f"${other:,f}") if value != other and short[0] == short[1] else short


def _difference(high: Decimal, low: Decimal, base: Decimal | None = None) -> str:
    """How far apart, in dollars and relative to `base` (the lower one)."""
    base = low if base is None else base
    return f"{dollars(high - low)} ({_percent((high - low) / base)})" if base else dollars(high - low)


def _percent(share: Decimal) -> str:
    return "under 1 %" if 0 < share < Decimal("0.005") else f"{100 * share:,.0f} %"


def _arithmetic(result: BudgetResult) -> str:
    view = result.outlook
    guess, window = view.forecast, view.window
    days = f"{view.complete_days} of {count(window.days, 'day')}"
    to_date = f"{window.period} to date {dollars(view.actual_usd)} ({days})"
    if guess.method == "actual":
        line = f"{dollars(view.actual_usd)} in {days}, nothing left to forecast"
    elif guess.median_usd is None:
        line = to_date
    else:
        band = f"80 % interval {dollars(guess.low_usd)} to {dollars(guess.high_usd)}, {guess.method}"
        line = f"{to_date} + forecast {dollars(guess.median_usd)} ({band})"
    if result.crosses_on is not None:
        past = result.actual_over
        return f"{line}; {'crossed' if past else 'crosses'} the budget on {day_name(result.crosses_on)}"
    if result.verdict == "at_risk" and result.could_cross_on is not None:
        return f"{line}; could cross the budget on {day_name(result.could_cross_on)}"
    return line


def _largest(result: BudgetResult) -> str:
    driver = result.driver
    if driver is None or not driver.usd:
        return ""
    names = (printable(driver.endpoint or "(no endpoint)"), printable(driver.model or "(unknown model)"))
    actual = result.outlook.actual_usd
    share = f" ({_percent(driver.usd / actual)})" if actual else ""
    return f"largest: {names[0]} on {names[1]} {dollars(driver.usd)}{share}"
