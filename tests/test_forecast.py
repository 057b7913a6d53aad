"""The forecast: its methods by length of history, its laws, and how it does on made series."""

from __future__ import annotations

import math
import random
from datetime import date, timedelta
from decimal import Decimal

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from claude_audit.forecast import Backtest, Forecast, Segment, backtest, forecast

MONDAY = date(2026, 9, 7)


def days(first: date, number: int) -> tuple[date, ...]:
    return tuple(first + timedelta(days=n) for n in range(number))


def history(*usd: float | None, first: date = MONDAY) -> dict[date, Decimal]:
    """USD by day from `first` on; None is a day without a record."""
    found = zip(days(first, len(usd)), usd, strict=True)
    return {day: Decimal(str(value)) for day, value in found if value is not None}


def ahead(past: dict[date, Decimal], number: int) -> Segment:
    return Segment(days(max(past) + timedelta(days=1), number), past)


OFFICE = (140.0, 140.0, 140.0, 140.0, 140.0, None, None)


@pytest.mark.parametrize(
    ("complete_days", "method", "confidence"),
    [
        (2, "undecided", "none"),
        (3, "run-rate", "low"),
        (6, "run-rate", "low"),
        (7, "level", "medium"),
        (13, "level", "medium"),
        (14, "level x weekday", "medium"),
        (27, "level x weekday", "medium"),
        (28, "level x weekday", "high"),
    ],
)
def test_the_method_depends_on_the_number_of_complete_days(complete_days: int, method: str, confidence: str) -> None:
    past = history(*[10.0] * complete_days)
    result = forecast([ahead(past, 10)], Decimal(50))
    assert (result.method, result.confidence, result.complete_days) == (method, confidence, complete_days)


def test_an_undecided_forecast_says_why_and_claims_nothing() -> None:
    result = forecast([ahead(history(10, 10), 5)], Decimal(20))
    assert result.to_date_usd == 20
    assert (result.projected_usd, result.projected_low_usd, result.projected_high_usd, result.by_day) == (None,) * 3 + (
        (),
    )
    assert result.notes == ("too little history: 2 complete days with records, at least 3 are needed",)


@pytest.mark.parametrize("complete_days", [3, 6, 7, 13, 14, 60])
def test_a_steady_past_goes_on(complete_days: int) -> None:
    result = forecast([ahead(history(*[10.0] * complete_days), 9)], Decimal(30))
    assert result.projected_usd is not None
    assert result.projected_usd == pytest.approx(Decimal(30 + 9 * 10), rel=Decimal("0.03"))


def test_a_five_day_week_is_not_forecast_low_because_weekends_are_idle() -> None:
    past = history(*OFFICE * 6)  # ends on a Friday, so Saturday comes next
    result = forecast([ahead(past, 28)], Decimal(0))
    assert result.median_usd == pytest.approx(Decimal(28 * 100), rel=Decimal("0.03"))
    assert [day.median_usd for day in result.by_day[:2]] == [0, 0]
    assert result.gaps == ()


def test_a_price_change_is_in_the_days_after_it_and_only_there() -> None:
    past = history(*[10.0] * 28)
    tomorrow = max(past) + timedelta(days=1)
    before = Segment(days(tomorrow, 4), past)
    after = Segment(days(tomorrow + timedelta(days=4), 6), {day: usd * 2 for day, usd in past.items()})
    plain = forecast([ahead(past, 10)], Decimal(0))
    dearer = forecast([before, after], Decimal(0))
    assert [day.median_usd for day in dearer.by_day[:4]] == [day.median_usd for day in plain.by_day[:4]]
    assert [day.median_usd for day in dearer.by_day[4:]] == pytest.approx(
        [2 * day.median_usd for day in plain.by_day[4:]]
    )
    assert dearer.notes == ("prices change on Oct 9: each day is forecast at the rates in force on it",)


def test_what_today_has_cost_already_counts_once() -> None:
    past = history(*[10.0] * 28)
    segment = ahead(past, 3)
    today = segment.days[0]
    usual = forecast([segment], Decimal(280))
    half = forecast([segment], Decimal(284), spent={today: Decimal(4)})
    burst = forecast([segment], Decimal(380), spent={today: Decimal(100)})
    assert half.projected_usd == pytest.approx(usual.projected_usd, rel=Decimal("0.01"))
    assert burst.by_day[0].median_usd == 100
    assert burst.projected_usd == pytest.approx(Decimal(280 + 100 + 20), rel=Decimal("0.02"))


def test_nothing_left_to_forecast_leaves_the_actual_figure() -> None:
    exact = Decimal("12.3456789")
    result = forecast([], exact)
    assert result.method == "actual"
    assert (result.projected_low_usd, result.projected_usd, result.projected_high_usd) == (exact, exact, exact)


def test_gaps_are_named_and_idle_weekends_are_not() -> None:
    usd = [*OFFICE * 4]
    usd[8] = usd[9] = None  # Tuesday and Wednesday of the second week
    result = forecast([ahead(history(*usd), 7)], Decimal(0))
    assert result.gaps == (date(2026, 9, 15), date(2026, 9, 16))
    assert result.notes[0].startswith("no record on Sep 15 to Sep 16: counted as $0")


def test_days_off_are_no_gap_and_not_part_of_the_level_and_cost_nothing_ahead() -> None:
    usd: list[float | None] = [100.0] * 28
    usd[20] = usd[21] = None
    past = history(*usd)
    segment = ahead(past, 5)
    off = {MONDAY + timedelta(days=20), MONDAY + timedelta(days=21), segment.days[2]}
    result = forecast([segment], Decimal(0), days_off=off)
    assert result.gaps == ()
    assert result.complete_days == 26
    assert result.by_day[2].high_usd == 0
    assert result.median_usd == pytest.approx(Decimal(400), rel=Decimal("0.03"))
    assert result.notes == ("Oct 7 is a day off: forecast at $0",)


def test_a_last_day_that_was_cut_short_is_pointed_out() -> None:
    result = forecast([ahead(history(*[100.0] * 27, 30.0), 5)], Decimal(0))
    assert result.notes == (
        "Oct 4 holds 32% of what such a day usually does: if the log was cut during it, "
        "--today 2026-10-04 counts it as unfinished",
    )


def test_days_that_lie_in_the_history_can_not_be_forecast() -> None:
    past = history(*[10.0] * 5)
    with pytest.raises(ValueError, match="history reaches 2026-09-11"):
        forecast([Segment((max(past),), past)], Decimal(0))


# Laws

AMOUNTS = st.one_of(st.none(), st.just(0.0), st.floats(1e-6, 1e9, allow_nan=False).map(lambda x: round(x, 6)))
PASTS = st.lists(AMOUNTS, min_size=0, max_size=120)


def of(usd: list[float | None], number: int, off: frozenset[date] = frozenset()) -> Forecast:
    past = history(*usd)
    start = max(past, default=MONDAY - timedelta(days=1)) + timedelta(days=1)
    return forecast([Segment(days(start, number), past)], Decimal(7), days_off=off)


@given(PASTS, st.integers(1, 62), st.sets(st.integers(0, 180), max_size=40))
@settings(max_examples=60, deadline=None)
def test_any_history_gives_an_ordered_interval_or_none_at_all(
    usd: list[float | None], number: int, off: set[int]
) -> None:
    result = of(usd, number, frozenset(MONDAY + timedelta(days=n) for n in off))
    if result.method == "undecided":
        assert result.projected_usd is None and len(result.notes) == 1
        return
    assert result.low_usd is not None and result.median_usd is not None and result.high_usd is not None
    assert 0 <= result.low_usd <= result.median_usd <= result.high_usd
    assert result.by_day[-1].total_median_usd == result.projected_usd
    assert result.by_day[-1].total_high_usd == result.projected_high_usd
    totals = [day.total_median_usd for day in result.by_day]
    assert totals == sorted(totals)
    assert all(day.low_usd <= day.median_usd <= day.high_usd for day in result.by_day)


@given(PASTS, st.integers(1, 31))
@settings(max_examples=20, deadline=None)
def test_equal_input_gives_equal_figures(usd: list[float | None], number: int) -> None:
    assert of(usd, number) == of(usd, number)


@given(st.lists(st.floats(0.01, 1e4).map(lambda x: round(x, 4)), min_size=3, max_size=60), st.integers(1, 1000))
@settings(max_examples=30, deadline=None)
def test_the_currency_does_not_matter(usd: list[float], factor: int) -> None:
    one, many = of([*usd], 10), of([value * factor for value in usd], 10)
    assert one.median_usd is not None and many.median_usd is not None
    assert float(many.median_usd) == pytest.approx(float(one.median_usd) * factor, rel=1e-3, abs=1e-3 * factor)


# The method on made series: weekly pattern, noise, and a level that moves

WEEK = (1.3, 1.4, 1.35, 1.3, 1.2, 0.25, 0.2)


def made(kind: str, seed: int, length: int = 120) -> dict[date, Decimal]:
    chance = random.Random(f"{kind} {seed}")
    level, usd = 100.0, []
    for n in range(length):
        if kind == "moving" and n % 7 == 0:
            level *= math.exp(chance.gauss(0, 0.12))
        pattern = 1.0 if kind == "flat" else (1.4 * (n % 7 < 5)) if kind == "closed weekends" else WEEK[n % 7]
        growth = 1.02 ** (n / 7) if kind == "growing" else 1.0
        usd.append(round(level * pattern * growth * math.exp(chance.gauss(0, 0.35)), 6) or None)
    return history(*usd)


@pytest.mark.parametrize(
    ("kind", "worst_mape"),
    [("flat", 0.25), ("office", 0.25), ("closed weekends", 0.25), ("growing", 0.25), ("moving", 0.4)],
)
def test_backtests_on_made_series_hold_what_the_band_promises(kind: str, worst_mape: float) -> None:
    trials = [backtest(made(kind, seed), 5, most=40) for seed in range(4)]
    assert sum(trial.origins for trial in trials) >= 100
    mape = sum(trial.mape or 0 for trial in trials) / len(trials)
    assert mape < worst_mape


def test_over_all_made_series_the_eighty_percent_band_covers_sixty_to_ninety_five_percent() -> None:
    kinds = ("flat", "office", "closed weekends", "growing", "moving")
    trials = [backtest(made(kind, seed), 7, most=40) for kind in kinds for seed in range(4)]
    coverage = sum((trial.coverage or 0) * trial.origins for trial in trials) / sum(trial.origins for trial in trials)
    assert 0.6 <= coverage <= 0.95


def test_a_backtest_needs_a_week_before_and_the_horizon_after() -> None:
    assert backtest(history(*[10.0] * 16), 10) == Backtest(horizon=10, origins=0, mape=None, coverage=None)
    assert backtest(history(*[10.0] * 17), 10).origins == 1
    assert backtest({}, 10).origins == 0
    # Seven weeks of Mon to Fri end on a Friday: days 7 to 37 can be an origin, and 9 of them are idle.
    assert backtest(history(*OFFICE * 7), 10).origins == 31 - 9


def test_a_backtest_that_failed_is_doubtful_once_there_are_enough_trials() -> None:
    assert Backtest(7, 20, mape=0.31, coverage=0.9).doubtful
    assert Backtest(7, 20, mape=0.1, coverage=0.59).doubtful
    assert not Backtest(7, 20, mape=0.3, coverage=0.6).doubtful
    assert not Backtest(7, 7, mape=0.9, coverage=0.1).doubtful
