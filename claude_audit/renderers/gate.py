"""The gate's answer: as JSON, as the messages themselves, as a Markdown page or as CSV."""

from __future__ import annotations

from collections.abc import Callable
from decimal import Decimal
from typing import Any

from claude_audit.budget import BudgetResult, Gate
from claude_audit.forecast import Backtest
from claude_audit.gate_words import Advice, message, rule, verdict_line, word
from claude_audit.money import dollars, exact
from claude_audit.renderers.columns import as_csv, as_markdown


def document(gate: Gate, advice: Advice | None = None) -> dict[str, Any]:
    """The gate as JSON carries it; money as exact strings, what is not known as None."""
    return {
        "verdict": gate.verdict,
        "exit_code": int(gate.exit_code),
        "on_undecided": gate.on_undecided,
        "budgets": [_budget(result, advice) for result in gate.results],
    }


def _budget(result: BudgetResult, advice: Advice | None) -> dict[str, Any]:
    view, guess, budget, driver = result.outlook, result.outlook.forecast, result.budget, result.driver
    return {
        "name": budget.name,
        "limit_usd": exact(result.limit_usd),
        "actual_usd": exact(view.actual_usd),
        "projected_usd": exact(guess.projected_usd),
        "low_usd": exact(guess.projected_low_usd),
        "high_usd": exact(guess.projected_high_usd),
        "verdict": result.verdict,
        "crosses_on": result.crosses_on.isoformat() if result.crosses_on else None,
        "driver": {"endpoint": driver.endpoint, "model": driver.model, "usd": exact(driver.usd)} if driver else None,
        "message": message(result, advice),
        "breached": result.breached,
        "mode": budget.mode,
        "fail_on": budget.fail_on,
        "only": dict(budget.only),
        "rule": budget.where or None,
        "increase": None if budget.increase is None else float(budget.increase),
        "previous_usd": exact(result.previous_usd),
        "period": {"since": view.window.first.isoformat(), "until": view.window.last.isoformat()},
        "today": view.as_of.today.isoformat(),
        "complete_days": view.complete_days,
        "history_days": guess.complete_days,
        "method": guess.method,
        "confidence": guess.confidence,
        "unpriced": {"requests": view.unpriced, "of": view.requests},
        "reasons": list(result.reasons),
        "notes": list(guess.notes),
        "backtest": trials(result.trials),
    }


def trials(backtest: Backtest | None) -> dict[str, Any] | None:
    """A backtest as JSON carries it."""
    if backtest is None:
        return None
    return {
        "horizon_days": backtest.horizon,
        "origins": backtest.origins,
        "mape": backtest.mape,
        "coverage": backtest.coverage,
    }


def text(gate: Gate, advice: Advice | None = None) -> str:
    """Each budget's message."""
    return "\n".join(message(result, advice) for result in gate.results)


HEADER = ("budget", "verdict", "limit", "actual", "projected", "low", "high", "crosses_on", "endpoint", "model", "rule")


def csv(gate: Gate) -> str:
    """A row a budget, money exact."""
    rows = [_row(result, lambda value: exact(value) or "") for result in gate.results]
    return as_csv(HEADER, rows)


def markdown(gate: Gate, advice: Advice | None = None) -> str:
    """A table of the budgets and below it their messages."""
    header = (
        "Budget",
        "Verdict",
        "Limit",
        "Spent",
        "Projected",
        "Low",
        "High",
        "Crosses on",
        "Endpoint",
        "Model",
        "Rule",
    )
    rows = [_row(result, dollars) for result in gate.results]
    table = as_markdown(header, rows, right=range(2, 7))
    return f"### Claude spending: {verdict_line(gate)}\n\n{table}\n\n```text\n{text(gate, advice)}\n```\n"


def _row(result: BudgetResult, money: Callable[[Decimal | None], str]) -> list[str]:
    view, driver = result.outlook, result.driver
    return [
        rule(result),
        f"{word(result)} ({result.verdict})",
        money(result.limit_usd),
        money(view.actual_usd),
        money(view.forecast.projected_usd),
        money(view.forecast.projected_low_usd),
        money(view.forecast.projected_high_usd),
        result.crosses_on.isoformat() if result.crosses_on else "",
        (driver.endpoint or "") if driver else "",
        (driver.model or "") if driver else "",
        result.budget.where,
    ]
