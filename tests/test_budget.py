"""Budgets: verdicts, exit codes, and that nothing turns over into within."""

from __future__ import annotations

from datetime import date, timedelta
from decimal import Decimal

import pytest
from fake_history import FakeHistory, Row, steady
from hypothesis import given, settings
from hypothesis import strategies as st

from claude_audit.bill import total
from claude_audit.budget import SEVERITY, BudgetResult, Gate, evaluate
from claude_audit.limits import Budget, OnUndecided
from claude_audit.money import EXACT
from claude_audit.outlook import AsOf, Window

OCT, NOV = date(2026, 10, 1), date(2026, 11, 1)
TODAY = date(2026, 11, 21)
NOW = date(2027, 1, 1)
STEADY = FakeHistory(steady(OCT, 51))
"""$10 a day from Oct 1 to Nov 20: $310 in October, $200 in November so far, $300 projected."""


def judge(history: FakeHistory, budget: Budget, today: date | None = TODAY) -> BudgetResult:
    return evaluate(history, [budget], AsOf.of(history, NOW, today)).results[0]


def monthly(limit: str, **more: object) -> Budget:
    return Budget("monthly", "month", Decimal(limit), **more)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("limit", "fail_on", "verdict", "breached", "exit_code"),
    [
        # $200 spent, $300 projected, up to $330 or so
        ("199.99", "actual", "over", True, 1),
        ("200", "actual", "over", False, 0),
        ("200", "projected", "over", True, 1),
        ("290", "projected", "over", True, 1),
        ("290", "actual", "over", False, 0),
        ("305", "projected", "at_risk", False, 0),
        ("305", "upper", "at_risk", True, 1),
        ("400", "upper", "ok", False, 0),
        ("400", "projected", "ok", False, 0),
        ("0", "actual", "over", True, 1),
    ],
)
def test_verdict_and_exit_code(limit: str, fail_on: str, verdict: str, breached: bool, exit_code: int) -> None:
    budget = monthly(limit, fail_on=fail_on)
    gate = evaluate(STEADY, [budget], AsOf(TODAY, TODAY))
    assert (gate.verdict, gate.results[0].breached, gate.exit_code) == (verdict, breached, exit_code)


def test_figures_of_a_month_that_goes_on() -> None:
    result = judge(STEADY, monthly("250"))
    view = result.outlook
    assert (view.window.first, view.window.last) == (NOV, date(2026, 11, 30))
    assert (view.actual_usd, view.complete_days, len(view.forecast.by_day)) == (Decimal(200), 20, 10)
    assert view.forecast.projected_usd == pytest.approx(Decimal(300), rel=Decimal("0.02"))
    assert result.crosses_on == date(2026, 11, 26)  # the sixth of the $10 days after $200
    assert (result.driver.endpoint, result.driver.usd) == ("chat", Decimal(200)) if result.driver else False


def test_a_limit_that_was_crossed_is_dated_on_the_day_of_it() -> None:
    assert judge(STEADY, monthly("100")).crosses_on == date(2026, 11, 11)
    assert judge(STEADY, monthly("400")).crosses_on is None


@pytest.mark.parametrize(
    ("period", "first", "last", "actual"),
    [
        ("month", NOV, date(2026, 11, 30), 200),
        ("week", date(2026, 11, 16), date(2026, 11, 22), 50),
        ("day", TODAY, TODAY, 0),
    ],
)
def test_periods(period: str, first: date, last: date, actual: int) -> None:
    view = judge(STEADY, Budget("x", period, Decimal(1000))).outlook  # type: ignore[arg-type]
    assert (view.window.first, view.window.last, view.actual_usd) == (first, last, actual)


def test_without_a_given_day_the_period_of_the_newest_record_is_judged() -> None:
    whole = FakeHistory(steady(NOV, 30))
    result = judge(whole, monthly("299"), today=None)
    assert result.outlook.window == Window.holding(NOV, "month")
    assert (result.verdict, result.outlook.forecast.method, result.outlook.actual_usd) == (
        "over",
        "actual",
        Decimal(300),
    )
    assert judge(whole, monthly("300"), today=None).verdict == "ok"
    december = judge(whole, monthly("299"), today=date(2026, 12, 1))
    assert (december.outlook.window.first, december.outlook.actual_usd) == (date(2026, 12, 1), 0)


def test_a_day_that_is_not_over_counts_what_it_has_cost_and_is_forecast() -> None:
    today = AsOf.of(STEADY, date(2026, 11, 20))
    assert today == AsOf(date(2026, 11, 20), date(2026, 11, 20), by_the_clock=True)
    view = evaluate(STEADY, [monthly("1000")], today).results[0].outlook
    assert (view.actual_usd, view.complete_days, view.forecast.by_day[0].day) == (200, 19, date(2026, 11, 20))
    assert view.forecast.projected_usd == pytest.approx(Decimal(300), rel=Decimal("0.02"))


def test_records_after_the_given_day_do_not_exist_yet() -> None:
    view = judge(STEADY, monthly("1000"), today=date(2026, 11, 6)).outlook
    assert (view.actual_usd, view.complete_days) == (Decimal(60), 5)


def test_records_dated_after_the_clock_are_told_of() -> None:
    # The log reaches Nov 20, and it is Nov 18: $20 lie in the future.
    said = (
        "today is 2026-11-18, and the log has records on Nov 19 to Nov 20 ($20.00), which are not counted: was it written in "
        "another time zone (ingest --assume-timezone)?"
    )
    for limit, as_of, told in [
        ("1000", AsOf.of(STEADY, date(2026, 11, 18)), True),
        ("1000", AsOf.of(STEADY, date(2026, 11, 20)), False),
        ("1000", AsOf.of(STEADY, NOW, date(2026, 11, 18)), False),
    ]:
        (result,) = evaluate(STEADY, [monthly(limit)], as_of).results
        assert (said in result.outlook.forecast.notes) == told


@pytest.mark.parametrize(
    ("most", "fail_on", "verdict", "reasons"),
    [("0.05", "projected", "undecided", 1), ("0.05", "actual", "undecided", 1), ("1", "projected", "ok", 0)],
)
def test_a_log_without_any_price_is_not_forecast_at_nothing(
    most: str, fail_on: str, verdict: str, reasons: int
) -> None:
    nameless = FakeHistory([Row(NOV + timedelta(days=n), None, model="new") for n in range(20)])
    gate = evaluate(nameless, [monthly("400", fail_on=fail_on)], AsOf(TODAY, TODAY), max_unpriced=Decimal(most))
    (result,) = gate.results
    guess = result.outlook.forecast
    assert (guess.projected_usd, guess.notes) == (
        None,
        ("no request has a price: what November 2026 costs is not known",),
    )
    assert (result.verdict, len(result.reasons)) == (verdict, reasons)


SHORT = FakeHistory(steady(NOV, 2))


@pytest.mark.parametrize(
    ("limit", "fail_on", "on_undecided", "verdict", "exit_code"),
    [
        ("500", "projected", "fail", "undecided", 3),
        ("500", "projected", "warn", "undecided", 0),
        ("500", "projected", "pass", "undecided", 0),
        ("500", "actual", "fail", "ok", 0),
        ("19", "projected", "fail", "over", 1),
    ],
)
def test_two_days_decide_only_what_is_spent(
    limit: str, fail_on: str, on_undecided: OnUndecided, verdict: str, exit_code: int
) -> None:
    gate = evaluate(SHORT, [monthly(limit, fail_on=fail_on)], AsOf.of(SHORT, NOW), on_undecided=on_undecided)
    assert (gate.verdict, gate.exit_code) == (verdict, exit_code)
    assert gate.results[0].outlook.forecast.projected_usd is None


def unpriced(number: int) -> FakeHistory:
    return FakeHistory([*steady(OCT, 51), *(Row(TODAY - timedelta(days=1), None, model="new") for _ in range(number))])


@pytest.mark.parametrize(
    ("without_price", "limit", "most", "verdict", "exit_code"),
    [
        (1, "400", "0.05", "ok", 0),  # 1 of 21 requests of November is under 5 %
        (5, "400", "0.2", "ok", 0),  # 5 of 25 are 20 %, and that is allowed
        (2, "400", "0.05", "undecided", 3),
        (2, "400", "0.10", "ok", 0),
        (2, "250", "0.05", "over", 1),  # what has no price can only add
        (1, "400", "0", "undecided", 3),
    ],
)
def test_too_many_requests_without_a_price_leave_it_open(
    without_price: int, limit: str, most: str, verdict: str, exit_code: int
) -> None:
    gate = evaluate(unpriced(without_price), [monthly(limit)], AsOf(TODAY, TODAY), max_unpriced=Decimal(most))
    assert (gate.verdict, gate.exit_code) == (verdict, exit_code)
    assert bool(gate.results[0].reasons) == (Decimal(without_price) / (20 + without_price) > Decimal(most))


def test_a_breached_budget_hides_no_other() -> None:
    budgets = [monthly("100"), Budget("weekly", "week", Decimal(10)), Budget("daily", "day", Decimal(1000))]
    gate = evaluate(STEADY, budgets, AsOf(TODAY, TODAY))
    assert [result.verdict for result in gate.results] == ["over", "over", "ok"]
    assert [result.fails for result in gate.results] == [True, True, False]


def test_a_warning_does_not_fail_and_a_block_beside_it_does() -> None:
    as_of = AsOf(TODAY, TODAY)
    warn, block = monthly("100", mode="warn"), Budget("weekly", "week", Decimal(10))
    assert (evaluate(STEADY, [warn], as_of).verdict, evaluate(STEADY, [warn], as_of).exit_code) == ("over", 0)
    assert evaluate(STEADY, [warn, block], as_of).exit_code == 1
    assert evaluate(SHORT, [monthly("500", mode="warn")], AsOf.of(SHORT, NOW)).exit_code == 0


def test_breached_comes_before_undecided() -> None:
    mixed = FakeHistory([*steady(NOV, 2), *steady(NOV, 2, "100", endpoint="batch")])
    budgets = [
        monthly("500", only={"endpoint": "chat"}),
        Budget("batch", "month", Decimal(150), only={"endpoint": "batch"}),
    ]
    gate = evaluate(mixed, budgets, AsOf.of(mixed, NOW))
    assert [result.verdict for result in gate.results] == ["undecided", "over"]
    assert (gate.verdict, gate.exit_code) == ("over", 1)


TWO = FakeHistory([*STEADY.rows, *steady(date(2026, 11, 10), 3, "70", endpoint="report", model="claude-opus-5-5")])


def test_a_budget_of_one_endpoint_sees_that_endpoint() -> None:
    result = judge(TWO, monthly("205", only={"endpoint": "report"}, fail_on="actual"))
    assert (result.verdict, result.outlook.actual_usd, result.crosses_on) == ("over", Decimal(210), date(2026, 11, 12))
    assert result.driver is not None and result.driver.model == "claude-opus-5-5"
    # Quiet since: the days on which the log goes on without it are days at $0, not missing ones.
    assert result.outlook.forecast.complete_days == 11
    assert result.outlook.forecast.gaps == ()
    projected = result.outlook.forecast.projected_usd
    assert projected is not None and projected < 410  # what is to come is the report's, not everybody's


def test_a_value_that_no_record_has_is_a_typo_until_shown_otherwise() -> None:
    result = judge(TWO, monthly("205", only={"endpoint": "reprot"}))
    assert (result.verdict, result.reasons) == ("undecided", ("no record has endpoint=reprot: check the spelling",))


@pytest.mark.parametrize(
    ("increase", "limit", "verdict"),
    [("0.2", "372.0", "ok"), ("0", "310", "at_risk"), ("-0.1", "279.0", "over")],
)
def test_an_increase_is_over_the_actual_cost_of_the_period_before(increase: str, limit: str, verdict: str) -> None:
    result = judge(STEADY, Budget("monthly-increase", "month", increase=Decimal(increase)))
    assert (result.previous_usd, result.limit_usd, result.verdict) == (Decimal(310), Decimal(limit), verdict)


@pytest.mark.parametrize(
    ("history", "reason"),
    [
        (FakeHistory(steady(date(2026, 10, 2), 50)), "is not whole: the log begins on 2026-10-02"),
        (
            FakeHistory([*steady(OCT, 51), *(Row(OCT, None) for _ in range(9))]),
            "9 of 40 requests of October 2026 have no price, at most 2 may",
        ),
        (
            FakeHistory([*steady(OCT, 31, "0"), *steady(NOV, 20)]),
            "October 2026, which it is compared with, cost nothing",
        ),
    ],
)
def test_a_previous_period_that_is_not_known_leaves_the_increase_open(history: FakeHistory, reason: str) -> None:
    result = judge(history, Budget("up", "month", increase=Decimal("0.2")))
    assert (result.verdict, result.limit_usd) == ("undecided", None)
    assert any(reason in said for said in result.reasons)


def test_a_price_that_changes_on_the_first_of_the_rest_is_in_the_projection() -> None:
    doubled = FakeHistory(STEADY.rows, {date(2026, 11, 26): Decimal(2)})
    view = judge(doubled, monthly("1000")).outlook  # $200 + 5 days at $10 + 5 days at $20
    assert view.forecast.projected_usd == pytest.approx(Decimal(350), rel=Decimal("0.02"))
    assert "prices change on Nov 26: each day is forecast at the rates in force on it" in view.forecast.notes


def test_a_log_that_ended_a_while_ago_is_estimated_and_one_that_ended_long_ago_is_not() -> None:
    late = judge(STEADY, monthly("1000"), today=date(2026, 11, 25)).outlook.forecast
    assert late.projected_usd == pytest.approx(Decimal(300), rel=Decimal("0.02"))
    assert "the log ends on Nov 20, 4 whole days before 2026-11-25: the days since then are estimated" in late.notes
    old = judge(STEADY, monthly("1000"), today=date(2026, 11, 29))
    assert (old.verdict, old.outlook.forecast.projected_usd) == ("undecided", None)


def test_a_month_that_the_log_does_not_cover_says_so() -> None:
    view = judge(FakeHistory(steady(date(2026, 11, 11), 10)), monthly("1000")).outlook
    assert view.complete_days == 10
    assert "the log begins on Nov 11: what November 2026 cost before is not in the figures" in view.forecast.notes


def test_no_record_at_all_is_undecided() -> None:
    result = judge(FakeHistory([]), monthly("500"))
    assert (result.verdict, result.reasons) == ("undecided", ("no record at all: ingest a log first",))


# Laws

AMOUNT = st.decimals("0", "100000", places=9)
PAST = st.lists(AMOUNT, min_size=1, max_size=45)


def of(amounts: list[Decimal]) -> FakeHistory:
    return FakeHistory([Row(OCT + timedelta(days=n), usd) for n, usd in enumerate(amounts)])


@given(PAST, st.integers(0, 40))
@settings(max_examples=40, deadline=None)
def test_no_rounding_turns_over_into_within(amounts: list[Decimal], digits: int) -> None:
    """The smallest excess of what is spent over the limit is an excess, at any number of digits."""
    excess = Decimal(1).scaleb(-digits)
    history = of([*amounts[:-1], EXACT.add(amounts[-1], excess)])
    window = AsOf.of(history, NOW).day.replace(day=1)
    limit = total(usd for row, usd in zip(history.rows, amounts, strict=True) if row.day >= window)
    budget = Budget("x", "month", limit, fail_on="actual")
    gate = evaluate(history, [budget], AsOf.of(history, NOW))
    assert (gate.verdict, gate.exit_code) == ("over", 1)
    assert not evaluate(of(amounts), [budget], AsOf.of(history, NOW)).results[0].actual_over


@given(PAST, AMOUNT, AMOUNT, st.sampled_from(["actual", "projected", "upper"]))
@settings(max_examples=30, deadline=None)
def test_a_higher_limit_is_never_worse(amounts: list[Decimal], one: Decimal, two: Decimal, fail_on: str) -> None:
    history = of(amounts)
    results = [judge(history, monthly(str(limit), fail_on=fail_on), None) for limit in sorted((one, two))]
    tight, wide = results
    assert SEVERITY.index(tight.verdict) >= SEVERITY.index(wide.verdict)
    assert tight.breached or not wide.breached
    gates = [Gate((result,)).exit_code for result in results]
    assert gates[0] == 1 or gates[1] != 1


@given(PAST, AMOUNT)
@settings(max_examples=30, deadline=None)
def test_what_is_held_against_only_gets_stricter(amounts: list[Decimal], limit: Decimal) -> None:
    result = judge(of(amounts), monthly(str(limit)), None)
    assert result.actual_over <= result.projected_over <= result.upper_over
    assert (result.crosses_on is not None) == result.projected_over
    assert (result.could_cross_on is not None) == result.upper_over
