"""Is a month, week or day of spending within its budget: compared unrounded, and undecided rather than guessed."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from itertools import accumulate
from typing import Literal, get_args

from claude_audit.bill import total
from claude_audit.errors import Exit
from claude_audit.forecast import Backtest
from claude_audit.limits import MAX_UNPRICED, Budget, OnUndecided
from claude_audit.money import EXACT
from claude_audit.outlook import AsOf, Driver, History, Outlook, Window, outlook
from claude_audit.text import count, printable

Verdict = Literal["ok", "at_risk", "undecided", "over"]

SEVERITY: tuple[Verdict, ...] = get_args(Verdict)
"""From best to worst; the gate's verdict is the worst of its budgets'."""


@dataclass(frozen=True, slots=True)
class BudgetResult:
    """What a budget came to."""

    budget: Budget
    outlook: Outlook
    limit_usd: Decimal | None
    """None when it depends on a previous period that is not known."""
    previous_usd: Decimal | None
    """What the period before cost, for a budget of `increase`."""
    verdict: Verdict
    reasons: tuple[str, ...]
    """Why it is undecided."""
    driver: Driver | None
    trials: Backtest | None
    max_unpriced: Decimal = MAX_UNPRICED
    """Share of requests without a price up to which its figures stand."""

    @property
    def unpriced_allowed(self) -> int:
        """Requests without a price that its figures leave out, where there are few enough of them for a verdict."""
        return self.outlook.unpriced if self.outlook.unpriced_share <= self.max_unpriced else 0

    @property
    def actual_over(self) -> bool:
        """Spent already: certain."""
        return _exceeds(self.outlook.actual_usd, self.limit_usd)

    @property
    def projected_over(self) -> bool:
        """Spent, or more likely than not at the period's end."""
        return self.actual_over or _exceeds(self.outlook.forecast.projected_usd, self.limit_usd)

    @property
    def upper_over(self) -> bool:
        """Spent, or at the upper end of the 80 % interval."""
        return self.projected_over or _exceeds(self.outlook.forecast.projected_high_usd, self.limit_usd)

    @property
    def breached(self) -> bool:
        """By what the budget is held against: its `fail_on`."""
        return {"actual": self.actual_over, "projected": self.projected_over, "upper": self.upper_over}[
            self.budget.fail_on
        ]

    @property
    def fails(self) -> bool:
        """Breached, and not just a warning."""
        return self.breached and self.budget.mode == "block"

    @property
    def open(self) -> bool:
        """Nobody can say whether it is kept, and it would matter."""
        return self.verdict == "undecided" and self.budget.mode == "block"

    @property
    def crosses_on(self) -> date | None:
        """The day on which spending went, or is projected to go, over the limit."""
        if self.limit_usd is None or not self.projected_over:
            return None
        return self._first_over([(day.day, day.total_median_usd) for day in self.outlook.forecast.by_day])

    @property
    def could_cross_on(self) -> date | None:
        """The day on which the upper end of the interval goes over the limit."""
        if self.limit_usd is None or not self.upper_over:
            return None
        return self._first_over([(day.day, day.total_high_usd) for day in self.outlook.forecast.by_day])

    def _first_over(self, ahead: Sequence[tuple[date, Decimal]]) -> date | None:
        so_far = zip(self.outlook.spent, accumulate(self.outlook.spent.values(), EXACT.add), strict=True)
        return next((day for day, total in (*so_far, *ahead) if _exceeds(total, self.limit_usd)), None)


@dataclass(frozen=True, slots=True)
class Gate:
    """All budgets together."""

    results: tuple[BudgetResult, ...]
    on_undecided: OnUndecided = "fail"

    @property
    def verdict(self) -> Verdict:
        """The worst one."""
        return max((result.verdict for result in self.results), key=SEVERITY.index, default="ok")

    @property
    def exit_code(self) -> Exit:
        """1 when a blocking budget is breached, else 3 when one can't be decided and that is to fail, else 0."""
        if any(result.fails for result in self.results):
            return Exit.BREACH
        if self.on_undecided == "fail" and any(result.open for result in self.results):
            return Exit.UNDECIDED
        return Exit.OK


def evaluate(
    history: History,
    budgets: Sequence[Budget],
    as_of: AsOf,
    *,
    on_undecided: OnUndecided = "fail",
    max_unpriced: Decimal = MAX_UNPRICED,
    days_off: Collection[date] = (),
) -> Gate:
    """Every budget's result, in their order; one that is over hides no other."""
    return Gate(tuple(_judge(history, budget, as_of, max_unpriced, days_off) for budget in budgets), on_undecided)


def _judge(
    history: History, budget: Budget, as_of: AsOf, max_unpriced: Decimal, days_off: Collection[date]
) -> BudgetResult:
    window = Window.holding(as_of.day, budget.period)
    view = outlook(history, window, as_of, only=budget.only, days_off=days_off)
    limit, previous, reasons = _limit(history, budget, window, max_unpriced)
    if not history.daily(only=budget.only):
        said = printable(" and ".join(f"{name}={value}" for name, value in budget.only.items()))
        reasons.append(f"no record has {said}: check the spelling" if said else "no record at all: ingest a log first")
    elif view.forecast.method == "undecided" and budget.fail_on != "actual" and not view.nothing_priced:
        reasons += view.forecast.notes
    if view.unpriced_share > max_unpriced:
        reasons.append(_unpriced(view.unpriced, view.requests, window.name, max_unpriced))
    return BudgetResult(
        budget=budget,
        outlook=view,
        limit_usd=limit,
        previous_usd=previous,
        verdict=_verdict(view, limit, bool(reasons)),
        reasons=tuple(reasons),
        driver=history.driver(window.first, min(window.last, as_of.today), budget.only),
        trials=view.trials(days_off),
        max_unpriced=max_unpriced,
    )


def _verdict(view: Outlook, limit: Decimal | None, open_questions: bool) -> Verdict:
    """What has no price can only add to the cost, so over stays over; nothing else is sure while questions are open."""
    if _exceeds(view.actual_usd, limit) or _exceeds(view.forecast.projected_usd, limit):
        return "over"
    if open_questions or limit is None:
        return "undecided"
    return "at_risk" if _exceeds(view.forecast.projected_high_usd, limit) else "ok"


def _limit(
    history: History, budget: Budget, window: Window, max_unpriced: Decimal
) -> tuple[Decimal | None, Decimal | None, list[str]]:
    """(USD limit, what the previous period cost, why the limit is not known)."""
    if budget.increase is None:
        return budget.limit, None, []
    before = window.previous
    if history.first_day is None or history.first_day > before.first:
        begins = f"the log begins on {history.first_day}" if history.first_day else "there is no log"
        return None, None, [f"{before.name}, which it is compared with, is not whole: {begins}"]
    unpriced, requests = history.unpriced_share(before.first, before.last, budget.only)
    if requests and Decimal(unpriced) / requests > max_unpriced:
        return None, None, [_unpriced(unpriced, requests, before.name, max_unpriced)]
    daily = history.daily(only=budget.only)
    cost = total(daily[day] for day in before if day in daily)
    if not cost:
        return None, cost, [f"{before.name}, which it is compared with, cost nothing"]
    return EXACT.multiply(cost, EXACT.add(Decimal(1), budget.increase)), cost, []


def _unpriced(unpriced: int, requests: int, name: str, most: Decimal) -> str:
    return (
        f"{unpriced:,} of {count(requests, 'request')} of {name} {'has' if unpriced == 1 else 'have'} no price, at most {int(most * requests):,} may: "
        "claude-audit spend --by model shows which, and `prices:` in the configuration gives them one"
    )


def _exceeds(value: Decimal | None, limit: Decimal | None) -> bool:
    return value is not None and limit is not None and value > limit
