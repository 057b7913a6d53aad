"""What a scenario answers: the bill before, each lever's step, the bill after; graded, bounded, explained."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from decimal import Decimal
from enum import StrEnum
from typing import TYPE_CHECKING, Any

from claude_audit.money import EXACT, ZERO, dollars

if TYPE_CHECKING:
    import pandas as pd

MOST_OVERLAP = Decimal("1.2")
"""Times the saving that the standalone savings may add up to before an answer warns that they overlap."""


class Grade(StrEnum):
    """What a figure rests on, strongest first."""

    METERED = "metered"
    """Arithmetic on billed tokens: no behaviour is assumed."""
    REPLAYED = "replayed"
    """Deterministic replay of timestamps and hashes under documented rules."""
    BOUNDED = "bounded"
    """A field is missing, or the effect is an interval."""
    ASSUMED = "assumed"
    """Rests on a parameter that is not in the log."""

    @property
    def evidenced(self) -> bool:
        """Whether its low end may be added to the headline."""
        return self in (Grade.METERED, Grade.REPLAYED)

    def at_best(self, other: Grade) -> Grade:
        """The weaker of the two."""
        order = list(Grade)
        return max(self, other, key=order.index)


class Effort(StrEnum):
    """What it takes to put a lever into practice."""

    VERY_LOW = "very_low"
    """A parameter of the request."""
    LOW = "low"
    """A prompt, a setting."""
    MEDIUM = "medium"
    """Code around the request."""
    HIGH = "high"
    """Another way of calling, or of answering."""
    VERY_HIGH = "very_high"
    """A project."""

    @property
    def weight(self) -> int:
        """1 to 5: savings are compared per unit of it."""
        return list(Effort).index(self) + 1

    @property
    def words(self) -> str:
        """very low, low, …"""
        return self.value.replace("_", " ")


@dataclass(frozen=True, slots=True)
class Risk:
    """What a lever may do to the answers: the worst of its reasons, never their average."""

    level: int = 0
    """0 (none) to 4."""
    reasons: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Coverage:
    """Some of the requests, and what they cost."""

    requests: int
    usd: Decimal
    request_share: float | None = None
    """Of the priced requests."""
    usd_share: float | None = None
    """Of the bill before the step."""


@dataclass(frozen=True, slots=True)
class Scope:
    """Where a lever reached: whose requests it changed, and on which models they were before it."""

    endpoints: tuple[str | None, ...]
    """Most spend first; None: not recorded."""
    models: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Calibration:
    """A replay held against what was billed, where the lever is in use already."""

    billed: int
    """Tokens."""
    predicted: int

    @property
    def error(self) -> float | None:
        """predicted / billed - 1, to six places."""
        return round(self.predicted / self.billed - 1, 6) if self.billed else None


@dataclass(frozen=True, slots=True)
class Interaction:
    """What two levers of a scenario are to each other."""

    lever: str
    """The other one."""
    overlap_usd: Decimal
    """Saved by either alone, and once only by both. Negative: together they save more than one by one."""


@dataclass(frozen=True, slots=True)
class Next:
    """A lever's place in the order of work: the most low-end saving for its effort, given those before it."""

    lever: str
    low_usd: Decimal
    """The low end of what it adds after those before it."""
    saving_usd: Decimal
    effort: Effort
    words: str


@dataclass(frozen=True, slots=True)
class Assumption:
    """A parameter that a step rests on."""

    name: str
    value: str
    source: str
    """flag, default, measured or vendor."""


@dataclass(frozen=True, slots=True)
class Excluded:
    """Requests that a gate kept out, and what they cost today."""

    gate: str
    requests: int
    usd: Decimal


@dataclass(frozen=True, slots=True)
class Step:
    """One lever at its place in the order."""

    lever: str
    argument: str
    before_usd: Decimal
    after_usd: Decimal
    alone_usd: Decimal
    """What the lever saves on the untouched log."""
    low_usd: Decimal
    high_usd: Decimal
    """Bounds of the step's own saving."""
    requests_changed: int
    grade: Grade
    caveats: tuple[str, ...] = ()
    warnings: tuple[str, ...] = ()
    """Where the lever raises the bill, in words."""
    assumptions: tuple[Assumption, ...] = ()
    excluded: tuple[Excluded, ...] = ()
    facts: Mapping[str, Any] = field(default_factory=dict)
    """Further figures of the lever, by name (truncated_share, target, …), ready for JSON."""
    last_usd: Decimal | None = None
    """What it adds when it is applied last."""
    shapley_usd: Decimal | None = None
    """Its mean share over all orders."""
    order_range: tuple[Decimal, Decimal] | None = None
    """The least and the most it adds, over all orders."""
    coverage: Coverage | None = None
    """What it could judge."""
    missing_fields: tuple[str, ...] = ()
    """What is not in the log, and would make the figure better."""
    quality_risk: Risk = field(default_factory=Risk)
    effort: Effort = Effort.MEDIUM
    rollback: str = ""
    eligible: Coverage | None = None
    """The requests it changed, and what they cost before it."""
    scope: Scope | None = None
    platform_differences: tuple[str, ...] = ()
    """What else is another on the model or platform that rows are moved to, in words."""
    interacts_with: tuple[Interaction, ...] | None = None
    """The other levers that it overlaps with or helps; None: not computed (over six levers)."""
    calibration: Calibration | None = None

    @property
    def saving_usd(self) -> Decimal:
        """before - after, exact. Negative when the lever raises the bill."""
        return EXACT.subtract(self.before_usd, self.after_usd)


@dataclass(frozen=True, slots=True)
class AtList:
    """A scenario at list prices."""

    baseline_usd: Decimal
    final_usd: Decimal
    unpriced_requests: int
    """That the list has no price for."""

    @property
    def saving_usd(self) -> Decimal:
        """baseline - final."""
        return EXACT.subtract(self.baseline_usd, self.final_usd)


@dataclass(frozen=True, slots=True)
class Waterfall:
    """baseline - the steps' savings = final, exactly."""

    since: datetime | None
    until: datetime | None
    baseline_usd: Decimal
    steps: tuple[Step, ...]
    monthly_saving_usd: Decimal | None
    """A projection: saving / days x 30, half even to six places. None without rows."""
    notes: tuple[str, ...] = ()
    unpriced_requests: int = 0
    """Requests that no lever touched, because they have no price."""
    requests: int = 0
    """Priced requests that the levers saw."""
    next: tuple[Next, ...] = ()
    """The order of work: each lever with what it adds after those before it. Empty for a single lever."""
    lookback_days: int | None = None
    """Calendar days from the first row to the last, both included. None without rows."""
    attribution: str = "waterfall"
    """How the saving is shared out among the steps: waterfall, alone, shapley or all."""
    price_book: str = ""
    """The day to which the prices are known to be complete."""

    at_list: AtList | None = None
    """The same at list prices, where the user's own differ."""

    def beside_list(self, other: Waterfall) -> Waterfall:
        """With the figures of the same scenario at list prices beside its own, and in words."""
        listed = AtList(other.baseline_usd, other.final_usd, other.unpriced_requests)
        off = ""
        if listed.baseline_usd and listed.baseline_usd != self.baseline_usd:
            share = abs(self.baseline_usd / listed.baseline_usd - 1) * 100
            off = f", {share:.1f} % {'less' if self.baseline_usd < listed.baseline_usd else 'more'} than the list"
        note = (
            f"At your own prices these requests cost {dollars(self.baseline_usd)}{off}, and the steps save "
            f"{dollars(self.saving_usd)}; at list prices {dollars(listed.baseline_usd)}, and {dollars(listed.saving_usd)}."
        )
        if listed.unpriced_requests > self.unpriced_requests:
            note += f" {listed.unpriced_requests - self.unpriced_requests:,} of them have no list price."
        return replace(self, at_list=listed, notes=(*self.notes, note))

    @property
    def final_usd(self) -> Decimal:
        """The bill after all steps."""
        return self.steps[-1].after_usd if self.steps else self.baseline_usd

    @property
    def saving_usd(self) -> Decimal:
        """baseline - final."""
        return EXACT.subtract(self.baseline_usd, self.final_usd)

    @property
    def evidenced_saving_usd(self) -> Decimal:
        """The sum of the low ends of the steps that are metered or replayed: what a budget may count on."""
        result = ZERO
        for step in self.steps:
            if step.grade.evidenced:
                result = EXACT.add(result, step.low_usd)
        return result

    @property
    def standalone_usd(self) -> Decimal:
        """The sum of what the levers save one by one: what is saved twice is in it twice."""
        result = ZERO
        for step in self.steps:
            result = EXACT.add(result, step.alone_usd)
        return result

    @property
    def overlap(self) -> Decimal | None:
        """How many times the saving the levers save one by one, when that is over 1.2; None: no overlap to speak of."""
        if len(self.steps) < 2 or self.saving_usd <= 0 or self.standalone_usd <= MOST_OVERLAP * self.saving_usd:
            return None
        return EXACT.divide(self.standalone_usd, self.saving_usd)

    def to_frame(self) -> pd.DataFrame:
        """One row a step, as a pandas frame, with all that is known of it; money is Decimal, what is unknown None."""
        from claude_audit.waterfall_told import frame

        return frame(self.steps)

    def as_document(self) -> dict[str, Any]:
        """The answer as JSON carries it."""
        from claude_audit.waterfall_told import document

        return document(self)
