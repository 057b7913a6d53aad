"""Levers in order over one scan: the waterfall, what each is worth alone and last, and its fair share."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from decimal import Decimal
from fractions import Fraction
from itertools import combinations
from math import factorial
from pathlib import Path
from typing import TYPE_CHECKING, Any
from zoneinfo import ZoneInfo

from claude_audit.errors import AuditError
from claude_audit.levers import Lever, Outcome, registry
from claude_audit.levers import options as lever_options
from claude_audit.money import EXACT, ZERO, dollars, rounded
from claude_audit.scan import Pricer, Scan, State, states
from claude_audit.tally import tally
from claude_audit.waterfall import Step, Waterfall

if TYPE_CHECKING:
    import narwhals.stable.v2 as nw

    from claude_audit.catalog import Catalog
    from claude_audit.engines import Engine
    from claude_audit.tally import Reach

ATTRIBUTIONS = ("waterfall", "alone", "shapley", "all")
MOST_SHAPLEY = 6
"""Levers for which all orders are computed: 64 subsets."""


def levers_of(options: Mapping[str, Any], catalog: Catalog) -> list[Lever]:
    """The levers that these option values ask for, in the order of application.

    Raises AuditError for a value that makes no sense, an unknown option, and when no lever is asked for.
    """
    known = lever_options()
    for name in options:
        if name not in known:
            raise AuditError(f"unknown lever or option {name!r}", f"known are: {', '.join(sorted(known))}")
    found = [lever for kind in registry() if (lever := kind.build(options, catalog)) is not None]
    if not found:
        flags = ", ".join(kind.options[0].flag for kind in registry())
        raise AuditError("no lever to try", f"say one of {flags}, or --scenario FILE.yaml")
    return found


@dataclass(frozen=True)
class Run:
    """The states before any lever, and what each subset of levers makes of them. Every subset is computed once."""

    levers: tuple[Lever, ...]
    start: tuple[State, ...]
    pricer: Pricer
    known: dict[tuple[int, ...], list[State]]

    def after(self, chosen: tuple[int, ...]) -> list[State]:
        """The states after the chosen levers (ascending positions), in the order of application."""
        if not chosen:
            return list(self.start)
        if chosen not in self.known:
            self.known[chosen] = self._moved(chosen)
        return self.known[chosen]

    def _moved(self, chosen: tuple[int, ...]) -> list[State]:
        before = self.after(chosen[:-1])
        return self.levers[chosen[-1]].move(before, self.pricer)

    def total(self, chosen: tuple[int, ...]) -> Decimal:
        """US dollars after the chosen levers."""
        return self.pricer.total(self.after(chosen))


def simulate(
    usage: nw.LazyFrame[Any],
    reach: Reach,
    levers: Sequence[Lever],
    catalog: Catalog,
    engine: Engine,
    *,
    since: datetime | None,
    until: datetime | None,
    timezone: ZoneInfo,
    attribution: str = "waterfall",
) -> Waterfall:
    """Apply `levers` (in the order of application) to `usage`: steps whose savings add up to the total exactly.

    `attribution`: shapley and all add last_usd and shapley_usd to each step, for up to six levers.
    """
    run, unpriced = _scanned(usage, reach, levers, catalog, engine)
    steps: list[Step] = []
    graded: list[State] = list(run.start)
    for n, lever in enumerate(levers):
        before, after = run.after(tuple(range(n))), run.after(tuple(range(n + 1)))
        outcome = lever.judge(before, after, run.pricer)
        graded, step = _step(run, n, lever, outcome, before, after, graded)
        steps.append(step)
    if attribution in ("shapley", "all"):
        steps = _attributed(run, steps)
    baseline = run.total(())
    result = Waterfall(since, until, baseline, tuple(steps), None, unpriced_requests=unpriced)
    return replace(
        result,
        monthly_saving_usd=_monthly(result.saving_usd, since, until, timezone),
        notes=tuple(_notes(result, run, catalog)),
    )


def _scanned(
    usage: nw.LazyFrame[Any], reach: Reach, levers: Sequence[Lever], catalog: Catalog, engine: Engine
) -> tuple[Run, int]:
    for lever in levers:
        usage = lever.survey(usage, engine)
    scan = Scan(catalog, reach)
    for lever in levers:
        lever.provide(scan)
    for lever in levers:
        lever.classify(scan)
    by = tuple(dict.fromkeys(name for lever in levers for name in lever.dimensions))
    for join in scan.joins:
        usage = join(usage, by)
    extra = scan.extra()
    lines = tally(usage, reach, catalog, engine, by, extra=extra, targets=tuple(scan.moves.values()))
    pricer = Pricer(catalog)
    start, unpriced = states(lines, by, extra, pricer)
    return Run(tuple(levers), tuple(start), pricer, {}), unpriced


def _step(
    run: Run,
    n: int,
    lever: Lever,
    outcome: Outcome,
    before: Sequence[State],
    after: Sequence[State],
    graded: list[State],
) -> tuple[list[State], Step]:
    """The step, graded no better than any earlier one that changed one of its rows; and the states' grades after it."""
    grade = outcome.grade
    touched = [i for i, (b, a) in enumerate(zip(before, after, strict=True)) if a is not b]
    for i in touched:
        grade = grade.at_best(graded[i].grade)
    regraded = list(graded)
    for i in touched:
        regraded[i] = replace(regraded[i], grade=grade)
    cost_before, cost_after = run.pricer.total(before), run.pricer.total(after)
    alone = EXACT.subtract(run.total(()), run.total((n,)))
    step = Step(
        lever=lever.name,
        argument=lever.argument,
        before_usd=cost_before,
        after_usd=cost_after,
        alone_usd=alone,
        low_usd=outcome.low,
        high_usd=outcome.high,
        requests_changed=outcome.changed,
        grade=grade,
        caveats=outcome.caveats,
        warnings=tuple(_raises(lever, EXACT.subtract(cost_before, cost_after), alone, before, after, run.pricer)),
        assumptions=outcome.assumptions,
        excluded=outcome.excluded,
        facts=outcome.facts,
    )
    return regraded, step


def _raises(
    lever: Lever, saving: Decimal, alone: Decimal, before: Sequence[State], after: Sequence[State], pricer: Pricer
) -> Iterable[str]:
    """Where a lever raises the bill, in words: in all, or for some endpoints behind a saving in all."""
    title = lever.name.replace("_", " ")
    if saving < 0:
        yield f"{title} RAISES the bill here by {dollars(-saving)}."
    if alone < 0 <= saving:
        yield f"{title} alone would raise the bill by {dollars(-alone)}."
    by_endpoint: dict[tuple[str, str], Decimal] = {}
    for old, new in zip(before, after, strict=True):
        if old is not new:
            key = (old.labels.get("endpoint") or "(none)", old.group.model or "")
            change = EXACT.subtract(pricer.cost(new), pricer.cost(old))
            by_endpoint[key] = EXACT.add(by_endpoint.get(key, ZERO), change)
    dearer = sorted(((usd, key) for key, usd in by_endpoint.items() if usd > 0), reverse=True)
    if dearer and (saving >= 0 or len(by_endpoint) > 1):
        worst = ", ".join(f"{endpoint} on {model} (+{dollars(usd)})" for usd, (endpoint, model) in dearer[:3])
        more = f" and {len(dearer) - 3} more" if len(dearer) > 3 else ""
        yield f"{title} raises the cost of {worst}{more}: leave these out."


def _attributed(run: Run, steps: Sequence[Step]) -> list[Step]:
    """The steps with what each adds when applied last, and its Shapley share: exact, and adding up to the total."""
    count = len(run.levers)
    if count > MOST_SHAPLEY:
        raise AuditError(
            f"--attribution shapley takes up to {MOST_SHAPLEY} levers, not {count}",
            "leave some out, or use --attribution alone",
        )
    everything = tuple(range(count))
    whole = run.total(everything)
    shares = []
    for n in everything:
        others = tuple(i for i in everything if i != n)
        share = Fraction(0)
        for size in range(count):
            weight = Fraction(factorial(size) * factorial(count - size - 1), factorial(count))
            for chosen in combinations(others, size):
                joined = tuple(sorted((*chosen, n)))
                share += weight * (Fraction(run.total(chosen)) - Fraction(run.total(joined)))
        shares.append(share)
    exact_shares = [rounded(share, 12) for share in shares]
    saved = EXACT.subtract(run.total(()), whole)
    # What rounding leaves over goes to the largest step, so that the shares add up exactly.
    if exact_shares:
        largest = max(range(count), key=lambda n: shares[n])
        rest = EXACT.subtract(saved, sum((s for n, s in enumerate(exact_shares) if n != largest), ZERO))
        exact_shares[largest] = rest
    return [
        replace(
            step,
            last_usd=EXACT.subtract(run.total(tuple(i for i in everything if i != n)), whole),
            shapley_usd=exact_shares[n],
        )
        for n, step in enumerate(steps)
    ]


def _monthly(saving: Decimal, since: datetime | None, until: datetime | None, timezone: ZoneInfo) -> Decimal | None:
    if since is None or until is None:
        return None
    days = (until.astimezone(timezone).date() - since.astimezone(timezone).date() + timedelta(days=1)).days
    return rounded(Fraction(saving) / days * 30, 6)


def _notes(result: Waterfall, run: Run, catalog: Catalog) -> Iterable[str]:
    if result.unpriced_requests:
        yield f"{result.unpriced_requests:,} requests have no price: no lever touched them."
    alone = sum((step.alone_usd for step in result.steps), ZERO)
    if len(result.steps) > 1 and result.saving_usd > 0 and alone > Decimal("1.2") * result.saving_usd:
        times = alone / result.saving_usd
        yield (
            f"These savings overlap: alone they add up to {dollars(alone)}, {times:.1f} times the {dollars(result.saving_usd)} "
            "that they save together."
        )
    yield "Prompts and answers are not simulated: only tokens and prices are."


def scenario_file(path: Path) -> dict[str, Any]:
    """Option values from a scenario file: `levers:` with one lever an entry, and options beside it.

    Raises AuditError naming file and line.
    """
    from claude_audit.yaml_lines import place, read

    data, lines = read(path)
    known = lever_options()

    def bad(key: tuple[Any, ...], problem: str, hint: str = "") -> AuditError:
        return AuditError(f"{place(str(path), lines, key)}: {problem}", hint)

    if not isinstance(data, dict) or not isinstance(data.get("levers"), list):
        raise bad(
            (), "a scenario needs a list `levers:`", "for example: levers: [{cap_output: 512}, {batch: [report]}]"
        )
    found: dict[str, Any] = {}
    entries = [(("levers", n), entry) for n, entry in enumerate(data["levers"])]
    entries += [((name,), {name: value}) for name, value in data.items() if name != "levers"]
    for key, entry in entries:
        if not isinstance(entry, dict):
            entry = {entry: True} if isinstance(entry, str) else None
        if not entry:
            raise bad(key, "a lever is written as name: value", "for example: - cap_output: 512")
        for name, value in entry.items():
            if name == "attribution":
                found[name] = value
            elif name not in known:
                raise bad(key, f"unknown lever or option {name!r}", f"known are: {', '.join(sorted(known))}")
            elif name in found:
                raise bad(key, f"{name} is there twice")
            else:
                found[name] = [str(v) for v in value] if isinstance(value, list) else value
    return found
