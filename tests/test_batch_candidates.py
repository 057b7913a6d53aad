"""Who looks as if nobody waited: bursts, hours kept day after day, and logs that cannot tell."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from decimal import Decimal
from fractions import Fraction
from pathlib import Path
from typing import Any

import pytest
from logs import record
from stores import stored

from claude_audit.levers.batch import break_even
from claude_audit.waterfall import Step

NIGHT = datetime(2026, 11, 2, 3, 30, tzinfo=UTC)


def looked_at(folder: Path, records: list[dict[str, Any]]) -> Step:
    (step,) = stored(folder, records).whatif(batch_candidates=True).steps
    assert (step.saving_usd, step.low_usd, step.requests_changed) == (0, 0, 0)
    return step


def requests(step: Step) -> dict[str, int]:
    return {each["why"]: each["requests"] for each in step.facts["candidates"]}


def at(n: int, moment: datetime, **more: Any) -> dict[str, Any]:
    return record(n, timestamp=moment.isoformat(), **{"stream": False, **more})


def test_a_burst_is_twenty_with_half_the_gaps_under_two_seconds(tmp_path: Path) -> None:
    quick = [at(n, NIGHT + timedelta(seconds=1.9 * n)) for n in range(20)]
    assert requests(looked_at(tmp_path / "a", quick)) == {"a burst": 20}
    assert requests(looked_at(tmp_path / "b", quick[:19])) == {}
    slow = [at(n, NIGHT + timedelta(seconds=2 * n)) for n in range(30)]
    assert requests(looked_at(tmp_path / "c", slow)) == {}
    apart = quick[:10] + [at(50 + n, NIGHT + timedelta(minutes=5, seconds=n)) for n in range(10)]
    assert requests(looked_at(tmp_path / "d", apart)) == {}


def test_two_templates_make_no_burst_together(tmp_path: Path) -> None:
    both = [at(n, NIGHT + timedelta(seconds=n), endpoint=f"e{n % 2}") for n in range(30)]
    assert requests(looked_at(tmp_path / "a", both)) == {}


@pytest.mark.parametrize(
    ("days", "hours", "found"), [(5, [0, 1], 10), (4, [0, 1], 0), (5, [0, 1, 5], 0), (8, [0] * 4 + [5], 40)]
)
def test_a_cron_job_keeps_two_hours_on_five_days(tmp_path: Path, days: int, hours: list[int], found: int) -> None:
    rows = [
        at(100 * day + n, NIGHT + timedelta(days=day, hours=hour, minutes=2 * n))
        for day in range(days)
        for n, hour in enumerate(hours)
    ]
    step = looked_at(tmp_path / "store", rows)
    assert requests(step) == ({"the same hours every day": found} if found else {})
    assert step.high_usd == found * Decimal("0.0015")


@pytest.mark.parametrize(
    "more",
    [
        {"stream": True},
        {"session": "s"},
        {"user": "u"},
        {"tools_used": 1},
        {"stop_reason": "pause_turn"},
        {"unit": "one piece of work"},
        {"usage": {"service_tier": "batch"}},
        {"usage": {"service_tier": "priority"}},
    ],
)
def test_somebody_waits(tmp_path: Path, more: dict[str, Any]) -> None:
    rows = [at(n, NIGHT + timedelta(seconds=n), **more) for n in range(25)]
    last = {"a burst": 1} if "unit" in more else {}
    assert requests(looked_at(tmp_path / "store", rows)) in ({}, last)


def test_a_log_that_cannot_tell_bounds_all_that_is_no_agents(tmp_path: Path) -> None:
    rows = [record(0), record(1), record(2, tools_used=1)]
    step = looked_at(tmp_path / "store", rows)
    assert requests(step) == {"no field tells that somebody waited": 2}
    assert step.missing_fields == ("stream", "session", "user")
    assert step.high_usd == Decimal("0.003")


def test_the_order_of_records_does_not_matter(tmp_path: Path) -> None:
    rows = [at(n, NIGHT + timedelta(seconds=n // 2)) for n in range(40)]
    one, other = looked_at(tmp_path / "a", rows), looked_at(tmp_path / "b", rows[::-1])
    assert one.facts == other.facts


def test_the_hit_rate_at_which_a_batch_costs_what_staying_does() -> None:
    # 8,000 cached of 8,200 tokens in, 100 out, Claude Sonnet 4.5, 95 % read: 5.88 per 1,000; in a batch 11.91 to 2.526.
    assert break_even(Decimal("5.88"), Decimal("11.91"), Decimal("2.526")) == Fraction(339, 460)
    assert break_even(Decimal(1), Decimal(1), Decimal(1)) is None
