"""What cost guides publish, recomputed on the user's own log: what the claim says, what it would be here, and a verdict."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from enum import StrEnum
from fractions import Fraction
from typing import TYPE_CHECKING, Any

from claude_audit.bill import SEARCHES, components, cost, total
from claude_audit.claims import Claim, Sum, claims
from claude_audit.errors import AuditError
from claude_audit.lever_run import Run
from claude_audit.levers import kind_of, registry
from claude_audit.money import EXACT, ZERO, rounded
from claude_audit.rates import Group, Unpriced
from claude_audit.recorded_fields import Missing, recorded, ways
from claude_audit.scenario import alone, levers_of, scan, stacked
from claude_audit.states import OUTPUT
from claude_audit.waterfall import Grade, Step

if TYPE_CHECKING:
    import narwhals.stable.v2 as nw

    from claude_audit.catalog import Catalog
    from claude_audit.engines import Engine
    from claude_audit.levers import Lever
    from claude_audit.tally import Reach

TOLERANCE = Decimal("0.005")
"""Half a point: published shares are rounded."""
FACTS = {"hits": ("replay", "token_hit_rate"), "cut": ("truncated_share",)}
"""Measures that a lever finds itself, by the place among its facts."""


class Verdict(StrEnum):
    """How a claim stands."""

    HOLDS = "holds"
    UNSURE = "unsure"
    """What it would be here is an interval, and the claim is inside, or reaches in."""
    LESS = "less"
    MORE = "more"
    COSTS = "costs"
    """Here it raises the bill."""
    NOTHING = "nothing"
    """No request of this log is concerned."""
    UNKNOWN = "unknown"
    """The log lacks the fields."""
    RIGHT = "right"
    WRONG = "wrong"


@dataclass(frozen=True, slots=True)
class Found:
    """What a claim comes to here. In the unit of the claim: a share, US dollars, or times."""

    low: Decimal
    point: Decimal
    high: Decimal
    saving_usd: Decimal | None = None
    """The point of the saving, where the claim is of one."""
    low_usd: Decimal | None = None
    high_usd: Decimal | None = None
    grade: Grade | None = None
    requests: int | None = None
    """That the levers change."""


@dataclass(frozen=True, slots=True)
class Checked:
    """One claim, held against the log or the price list."""

    claim: Claim
    verdict: Verdict
    found: Found | None = None
    missing: tuple[Missing, ...] = ()
    reason: str = ""
    """Why nothing is found, where no field is missing."""


@dataclass(frozen=True, slots=True)
class Published:
    """All of them."""

    since: datetime | None
    until: datetime | None
    baseline_usd: Decimal
    checked: tuple[Checked, ...]
    requests: int = 0


def published(
    usage: nw.LazyFrame[Any],
    reach: Reach,
    catalog: Catalog,
    engine: Engine,
    *,
    since: datetime | None,
    until: datetime | None,
    entries: Sequence[Claim] | None = None,
) -> Published:
    """Hold claims (those of the package, unless others are given) against `usage`. Levers share scans where they can.

    Raises AuditError for a claim that asks for what is no lever or no model.
    """
    entries = claims() if entries is None else entries
    known = recorded(usage, engine)
    asked: dict[str, list[Lever]] = {}
    for entry in entries:
        if entry.levers:
            try:
                asked.setdefault(_key(entry.levers), levers_of(entry.levers, catalog))
            except AuditError as error:
                raise AuditError(f"{entry.where}: {error.message}", error.hint) from error
    steps: dict[str, tuple[Run, tuple[int, ...], list[Step]]] = {}
    base: Run | None = None
    for batch in _rounds({key: levers[0] for key, levers in asked.items() if len(levers) == 1}):
        run, _ = scan(usage, reach, list(batch.values()), catalog, engine, combine=False)
        base = base or run
        steps |= {key: (run, (n,), [alone(run, n)]) for n, key in enumerate(batch)}
    for key, levers in asked.items():
        if len(levers) > 1:
            run, _ = scan(usage, reach, levers, catalog, engine)
            base = base or run
            steps[key] = run, tuple(range(len(levers))), stacked(run)
    if base is None:
        base, _ = scan(usage, reach, [], catalog, engine)
    checked = []
    for entry in entries:
        if entry.fact:
            checked.append(Checked(entry, Verdict.WRONG))
        elif entry.paper:
            checked.append(_on_paper(entry, catalog))
        elif entry.formula:
            checked.append(_by_formula(entry, base))
        else:
            run, chosen, made = steps[_key(entry.levers)]
            lacking = [name for step in made for name in kind_of(step.lever).needs if not known.has(name)]
            checked.append(_on_log(entry, run, chosen, made, lacking))
    return Published(since, until, base.total(()), tuple(checked), sum(state.rows for state in base.start))


def _key(levers: Mapping[str, Any]) -> str:
    return repr(sorted(levers.items()))


def _rounds(levers: Mapping[str, Lever]) -> list[dict[str, Lever]]:
    """The levers in as few lots as need be for no lot to hold one lever twice, each in the order of application."""
    order = [kind.name for kind in registry()]
    lots: list[dict[str, Lever]] = []
    for key, lever in sorted(levers.items(), key=lambda entry: order.index(entry[1].name)):
        lot = next((lot for lot in lots if all(other.name != lever.name for other in lot.values())), None)
        if lot is None:
            lots.append(lot := {})
        lot[key] = lever
    return lots


def _on_log(entry: Claim, run: Run, chosen: tuple[int, ...], steps: Sequence[Step], lacking: Sequence[str]) -> Checked:
    """The claim by its levers, on the untouched log."""
    missing = ways([*lacking, *(name for step in steps for name in step.missing_fields)])
    changed = max(step.requests_changed for step in steps)
    saving = EXACT.subtract(run.total(()), run.total(chosen))
    low = total(step.low_usd for step in steps)
    high = min(total(step.high_usd for step in steps), run.total(()))  # no stack saves more than the bill
    grade = steps[0].grade
    for step in steps:
        grade = grade.at_best(step.grade)
    if missing and saving == 0 and not changed:
        return Checked(entry, Verdict.UNKNOWN, missing=missing)
    whole = _whole(entry.of, run, steps)
    if whole is not None:
        found = [Fraction(usd) / Fraction(whole) for usd in (low, saving, high)] if whole else []
    else:
        share = _counted(entry.of, run, chosen, steps)
        found = [] if share is None else [share] * 3
    if not found or (not changed and entry.of not in FACTS):
        return Checked(entry, Verdict.NOTHING, missing=missing, reason=_why(steps))
    least, point, most = (rounded(value, 6) for value in found)
    result = Found(least, point, most, saving, low, high, grade, changed)
    return Checked(entry, _verdict(entry, result), result, missing)


def _whole(of: str, run: Run, steps: Sequence[Step]) -> Decimal | None:
    """The dollars that the saving is a share of; None for measures that are no dollars."""
    if of == "bill":
        return run.total(())
    if of == "changed":
        return total(step.eligible.usd for step in steps if step.eligible)
    if of == "prompts":
        return total(usd for parts in _parts(run) for name, usd in parts.items() if name not in ("output", SEARCHES))
    if of == "answers":
        return total(parts["output"] for parts in _parts(run))
    return None


def _parts(run: Run) -> list[dict[str, Decimal]]:
    """The components of each state of the untouched log."""
    priced = (
        components(run.pricer.price(state), state.tokens, state.searches, run.pricer.catalog) for state in run.start
    )
    return [parts for parts in priced if parts is not None]


def _counted(of: str, run: Run, chosen: tuple[int, ...], steps: Sequence[Step]) -> Fraction | None:
    """The share of requests or tokens, or what the lever itself found."""
    if of == "requests":
        return _ratio(max(step.requests_changed for step in steps), sum(state.rows for state in run.start))
    if of == "output":
        before = total(state.tokens[OUTPUT] for state in run.start)
        after = total(state.tokens[OUTPUT] for state in run.after(chosen))
        return _ratio(EXACT.subtract(before, after), before)
    value: Any = steps[-1].facts
    for name in FACTS[of]:
        value = value.get(name) if isinstance(value, Mapping) else None
    return None if value is None else Fraction(str(value))


def _ratio(part: Decimal | int, whole: Decimal | int) -> Fraction | None:
    return Fraction(part) / Fraction(whole) if whole else None


def _why(steps: Sequence[Step]) -> str:
    """The gate that kept most dollars out."""
    gates = [gate for step in steps for gate in step.excluded]
    return max(gates, key=lambda gate: gate.usd).gate if gates else ""


def _verdict(entry: Claim, found: Found) -> Verdict:
    says = entry.says
    assert says is not None  # noqa: S101 - of all but facts
    if entry.of not in FACTS and found.saving_usd is not None and found.saving_usd < 0:
        return Verdict.COSTS
    if says.kind == "saves":
        if found.point <= 0:
            return Verdict.LESS
        return Verdict.HOLDS if found.low > 0 else Verdict.UNSURE
    if says.up_to:  # any saving keeps the letter of it; half of it keeps the promise
        return Verdict.HOLDS if 2 * found.high >= says.high else Verdict.LESS
    least, most = says.low - TOLERANCE, says.high + TOLERANCE
    if found.high < least:
        return Verdict.LESS
    if found.low > most:
        return Verdict.MORE
    if least <= found.low and found.high <= most:
        return Verdict.HOLDS
    return Verdict.UNSURE


def _by_formula(entry: Claim, run: Run) -> Checked:
    """What is found of the bill by a formula that knows input and output only."""
    whole = run.total(())
    if not whole:
        return Checked(entry, Verdict.NOTHING, reason="the bill is empty")
    known = total(parts["input"] + parts["output"] for parts in _parts(run))
    share = rounded(Fraction(known) / Fraction(whole), 6)
    found = Found(share, share, share, grade=Grade.METERED)
    return Checked(entry, _verdict(entry, found), found)


def _on_paper(entry: Claim, catalog: Catalog) -> Checked:
    """The claim's own example at list prices."""
    value = Fraction(_priced(entry, entry.paper, catalog))
    if entry.over:
        value /= Fraction(_priced(entry, entry.over, catalog))
    found = rounded(value, 6)
    says = entry.says
    assert says is not None  # noqa: S101 - of all but facts
    places = -int(says.low.as_tuple().exponent)
    right = rounded(value, max(places, 0)) == rounded(says.low, max(places, 0))
    return Checked(entry, Verdict.RIGHT if right else Verdict.WRONG, Found(found, found, found))


def _priced(entry: Claim, sums: Sequence[Sum], catalog: Catalog) -> Decimal:
    amounts = []
    for one in sums:
        resolved = catalog.resolve(one.model)
        if resolved is None:
            raise AuditError(f"{entry.where}: no such model {one.model!r}", "claude-audit prices lists them")
        price = catalog.price(Group(resolved.model.id, one.on or catalog.as_of))
        for name, quantity in one.tokens.items():
            rate = None if isinstance(price, Unpriced) else price.usd(name)
            if rate is None:
                raise AuditError(f"{entry.where}: {resolved.model.id} has no price for {name} on that day")
            amounts.append(cost(quantity, rate))
    return total(amounts) or ZERO
