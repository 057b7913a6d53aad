"""Every lever that the log supports, each alone at its default, by what it is sure to save for its effort.

One scan for all of them: each is tried on the untouched log, so levers that exclude each other can stand side by side,
and nothing here adds up. What is lacking for the others is said, with how to come by it.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from enum import StrEnum
from fractions import Fraction
from typing import TYPE_CHECKING, Any

from claude_audit.errors import AuditError
from claude_audit.lever_run import Run
from claude_audit.levers import Kind, Lever, as_typed, kind_of, registry
from claude_audit.levers import options as lever_options
from claude_audit.money import ZERO, rounded
from claude_audit.recorded_fields import Missing, Recorded, recorded, ways
from claude_audit.scenario import alone, monthly, scan
from claude_audit.waterfall import Grade, Step

if TYPE_CHECKING:
    from zoneinfo import ZoneInfo

    import narwhals.stable.v2 as nw
    import pandas as pd

    from claude_audit.catalog import Catalog
    from claude_audit.engines import Engine
    from claude_audit.tally import Reach


class Standing(StrEnum):
    """What trying a lever came to."""

    SURE = "sure"
    """Even the low end of its saving is above zero."""
    MAYBE = "maybe"
    """It may save, or may cost."""
    COSTS = "costs"
    """The point of its saving is below zero: it raises the bill here."""
    NOTHING = "nothing"
    """It finds nothing to change, or changes nothing in the bill."""
    UNKNOWN = "unknown"
    """The log lacks what it needs; at most a bound is known."""
    NOT_TRIED = "not_tried"
    """It needs a value that only the user knows."""


@dataclass(frozen=True, slots=True)
class Opportunity:
    """One lever alone."""

    lever: str
    flags: str
    """As typed, to try it again."""
    standing: Standing
    step: Step | None = None
    """Its only step on the untouched log. None when it was not tried."""
    missing: tuple[Missing, ...] = ()
    reason: str = ""
    """Why it was not tried."""

    @property
    def per_effort_usd(self) -> Decimal | None:
        """The low end of its saving for each unit of effort (1, very low, to 5): what it is ranked by."""
        if self.step is None:
            return None
        return rounded(Fraction(self.step.low_usd) / self.step.effort.weight, 6)


@dataclass(frozen=True, slots=True)
class Opportunities:
    """All levers, best first."""

    since: datetime | None
    until: datetime | None
    baseline_usd: Decimal
    found: tuple[Opportunity, ...]
    lookback_days: int | None = None
    requests: int = 0
    unpriced_requests: int = 0

    def standing(self, *standings: Standing) -> tuple[Opportunity, ...]:
        """Those of these standings, in order."""
        return tuple(one for one in self.found if one.standing in standings)

    def monthly_usd(self, one: Opportunity) -> Decimal | None:
        """What it saves in 30 days at the log's pace."""
        return monthly(one.step.saving_usd, self.lookback_days) if one.step else None

    @property
    def together(self) -> str:
        """The flags of all that are sure to save, to be tried as one scenario; empty for fewer than two of them."""
        sure = self.standing(Standing.SURE)
        replaced = {name for one in sure for name in kind_of(one.lever).supersedes}
        flags = [one.flags for one in sure if one.lever not in replaced]
        return " ".join(flags) if len(flags) > 1 else ""

    def to_frame(self) -> pd.DataFrame:
        """One row a lever, as a pandas frame; money is Decimal, what is unknown None."""
        import pandas as pd

        rows = []
        for one in self.found:
            step = one.step
            rows.append(
                {
                    "lever": one.lever,
                    "flags": one.flags,
                    "standing": one.standing.value,
                    "low_usd": step.low_usd if step else None,
                    "saving_usd": step.saving_usd if step else None,
                    "high_usd": step.high_usd if step else None,
                    "per_effort_usd": one.per_effort_usd,
                    "requests_changed": step.requests_changed if step else None,
                    "grade": step.grade.value if step else None,
                    "effort": step.effort.value if step else None,
                    "risk": step.quality_risk.level if step else None,
                    "missing_fields": [missing.field for missing in one.missing],
                }
            )
        return pd.DataFrame(rows, dtype=object)


def opportunities(
    usage: nw.LazyFrame[Any],
    reach: Reach,
    catalog: Catalog,
    engine: Engine,
    *,
    since: datetime | None,
    until: datetime | None,
    timezone: ZoneInfo,
    given: Mapping[str, Any] | None = None,
    only: Collection[str] | None = None,
) -> Opportunities:
    """Try every lever of the registry, or those named in `only`, on `usage`. `given`: option values in place of defaults.

    Raises AuditError for a given value that makes no sense.
    """
    from claude_audit.scenario import days

    for name in given or {}:
        if name not in lever_options():
            raise AuditError(f"unknown lever or option {name!r}", f"known are: {', '.join(sorted(lever_options()))}")
    known = recorded(usage, engine)
    levers: list[Lever] = []
    tried: list[tuple[Kind, Mapping[str, Any]]] = []
    left: list[Opportunity] = []
    for kind in registry():
        if only is not None and kind.name not in only:
            continue
        options = _options(kind, given or {}, known)
        if options is None:
            left.append(
                _not_tried(kind, f"it needs a value of yours: {kind.options[0].flag} {kind.options[0].metavar}")
            )
            continue
        try:
            lever = kind.build(options, catalog)
        except AuditError as error:
            if any(option.name in (given or {}) for option in kind.options):
                raise
            left.append(_not_tried(kind, error.message))
            continue
        if lever is not None:
            levers.append(lever)
            tried.append((kind, options))
    run, unpriced, steps = _tried(usage, reach, levers, catalog, engine)
    found = []
    for (kind, options), step in zip(tried, steps, strict=True):
        if isinstance(step, AuditError):
            left.append(_not_tried(kind, step.message))
        else:
            found.append(_judged(kind, options, step, known))
    for one in tuple(found):
        if one.step and one.step.grade is Grade.REPLAYED and one.step.requests_changed:
            for name in kind_of(one.lever).supersedes:
                if name not in (given or {}):
                    found = [other for other in found if other.lever != name]
                    left.append(_not_tried(kind_of(name), f"{kind_of(one.lever).title} finds out what it assumes"))
    places = list(Standing)
    found.sort(key=lambda one: (places.index(one.standing), -(one.per_effort_usd or ZERO), -_point(one), one.lever))
    return Opportunities(
        since,
        until,
        run.total(()),
        (*found, *left),
        days(since, until, timezone),
        sum(state.rows for state in run.start),
        unpriced,
    )


def _tried(
    usage: nw.LazyFrame[Any], reach: Reach, levers: Sequence[Lever], catalog: Catalog, engine: Engine
) -> tuple[Run, int, list[Step | AuditError]]:
    """The run, the requests without a price, and each lever's step: of one scan; of one each where a lever refuses."""
    try:
        run, unpriced = scan(usage, reach, levers, catalog, engine, combine=False)
        return run, unpriced, [alone(run, n) for n in range(len(levers))]
    except AuditError:
        steps: list[Step | AuditError] = []
        for lever in levers:
            try:
                steps.append(alone(scan(usage, reach, [lever], catalog, engine)[0], 0))
            except AuditError as error:
                steps.append(error)
        return *scan(usage, reach, [], catalog, engine), steps


def _options(kind: Kind, given: Mapping[str, Any], known: Recorded) -> Mapping[str, Any] | None:
    """What to try a lever with: what was given for it, else its default, with the options given that tune it."""
    default = kind.trial
    if kind.fallback is not None and not all(map(known.has, kind.needs)):
        default = kind.fallback
    own = {option.name: given[option.name] for option in kind.options if option.name in given}
    if kind.options[0].name in own:
        return own
    return None if default is None else {**default, **own}


def _judged(kind: Kind, options: Mapping[str, Any], step: Step, known: Recorded) -> Opportunity:
    lacking = [name for name in kind.needs if not known.has(name)]
    missing = ways([*lacking, *step.missing_fields])
    return Opportunity(kind.name, as_typed(options), _standing(step, lacking), step, missing)


def _standing(step: Step, lacking: Sequence[str]) -> Standing:
    if step.low_usd > 0:
        return Standing.SURE
    if step.saving_usd < 0:
        return Standing.COSTS
    if step.saving_usd == 0 and (lacking or step.missing_fields):
        return Standing.UNKNOWN
    if step.saving_usd > 0 or step.high_usd > 0:
        return Standing.MAYBE
    return Standing.NOTHING


def _point(one: Opportunity) -> Decimal:
    return one.step.saving_usd if one.step else ZERO


def _not_tried(kind: Kind, reason: str) -> Opportunity:
    return Opportunity(kind.name, kind.options[0].flag, Standing.NOT_TRIED, reason=reason)
