"""What a budget is: a limit of a period, and the words that say when it counts as breached."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Literal, get_args

Period = Literal["month", "week", "day"]
PERIODS: tuple[Period, ...] = get_args(Period)
FailOn = Literal["actual", "projected", "upper"]
OnUndecided = Literal["fail", "warn", "pass"]
Mode = Literal["block", "warn"]

FAIL_ON: tuple[FailOn, ...] = get_args(FailOn)
ON_UNDECIDED: tuple[OnUndecided, ...] = get_args(OnUndecided)
MODES: tuple[Mode, ...] = get_args(Mode)
MAX_UNPRICED = Decimal("0.05")
"""Share of requests without a price above which a budget that looks kept is undecided."""


@dataclass(frozen=True, slots=True)
class Budget:
    """One rule: what a period may cost, in dollars or relative to the period before."""

    name: str
    period: Period = "month"
    limit: Decimal | None = None
    """USD; None for a budget of `increase`."""
    increase: Decimal | None = None
    """Over the previous period's actual spend, as a share: 0.2 allows 20 % more."""
    only: Mapping[str, str] = field(default_factory=dict)
    """Dimension -> value; empty for all spending."""
    mode: Mode = "block"
    fail_on: FailOn = "projected"
    where: str = ""
    """The rule's place: a flag, or file:line."""
