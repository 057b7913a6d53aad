"""Levers in order over one scan: the waterfall, what each is worth alone and last, and its fair share."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import datetime, timedelta
from decimal import Decimal
from fractions import Fraction
from functools import partial, reduce
from operator import or_
from threading import Event
from time import sleep
from typing import TYPE_CHECKING, Any
from zoneinfo import ZoneInfo

from claude_audit.attribution import MOST_SHAPLEY, interactions, order_of_work, ranges, shapley
from claude_audit.errors import AuditError
from claude_audit.lever_run import Run
from claude_audit.levers import Kind, Lever, kind_of, registry
from claude_audit.levers import options as lever_options
from claude_audit.migration import forced
from claude_audit.migration import notes as migration_notes
from claude_audit.money import EXACT, ZERO, dollars, rounded
from claude_audit.scan import Scan
from claude_audit.scan_rows import rows_of
from claude_audit.scenario_file import ORDERS, scenario_file
from claude_audit.states import Pricer, State, states
from claude_audit.step_scope import differences, scope
from claude_audit.tally import tally
from claude_audit.text import count
from claude_audit.waterfall import Coverage, Grade, Step, Waterfall

if TYPE_CHECKING:
    import narwhals.stable.v2 as nw

    from claude_audit.catalog import Catalog
    from claude_audit.engines import Engine
    from claude_audit.tally import Reach

__all__ = [
    "ATTRIBUTIONS",
    "ORDERS",
    "alone",
    "levers_of",
    "migrations",
    "ordered",
    "scan",
    "scenario_file",
    "simulate",
    "stacked",
]

ATTRIBUTIONS = ("waterfall", "alone", "shapley", "all")


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
        hint = f"--all tries every lever that the log supports; or say some of {flags}, or --scenario FILE.yaml"
        raise AuditError("no lever to try", hint)
    return found


def ordered(how: str | Sequence[str], options: Mapping[str, Any]) -> tuple[str, ...]:
    """The names of the levers in the order that was asked for: empty for that of application (stage).

    written: as their options stand in `options`; a list of names: these first. Raises AuditError for anything else.
    """
    if isinstance(how, str) and how == "stage":
        return ()
    asked = [kind for kind in registry() if any(option.name in options for option in kind.options)]
    if isinstance(how, str) and how == "written":
        places = list(options)
        first = {
            kind.name: min(places.index(option.name) for option in kind.options if option.name in options)
            for kind in asked
        }
        return tuple(sorted(first, key=lambda name: first[name]))
    names = how.split(",") if isinstance(how, str) else how
    found = tuple(kind_of(str(name)).name for name in names)
    missing = [name for name in found if name not in {kind.name for kind in asked}]
    if missing:
        raise AuditError(
            f"order names {missing[0]}, which this scenario does not try", "say stage, written, or its levers"
        )
    return found


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
    order: Sequence[str] = (),
    elsewhere: Callable[[], tuple[nw.LazyFrame[Any], Engine]] | None = None,
) -> Waterfall:
    """Apply `levers` (in the order of application) to `usage`: steps whose savings add up to the total exactly.

    `attribution`: shapley and all add last_usd, shapley_usd and the range over all orders to each step. `order`: names of
    levers, for steps that stand in that order; what a step saves is then what its lever adds to those before it.
    `elsewhere`: the same rows in an engine that may be asked meanwhile.
    """
    lookback = days(since, until, timezone)
    begun, scanned, rest = Event(), Event(), (reach, levers, catalog, until, lookback)
    with ThreadPoolExecutor(1) as beside:
        # Prepared during the one scan, and run while the levers are priced, which takes one core.
        asked = None
        if elsewhere is not None:
            asked = beside.submit(lambda: begun.wait() and migrations(elsewhere, *rest, scanned.wait))
        try:
            run, unpriced = scan(
                usage, reach, levers, catalog, engine, ready=begun.set, done=partial(_hand_over, scanned)
            )
        finally:
            begun.set()
            scanned.set()
        steps = stacked(run)
        if order:
            steps = _reordered(run, steps, order)
        steps = _attributed(run, steps, asked=attribution in ("shapley", "all"))
        work = order_of_work(run) if 1 < len(levers) <= MOST_SHAPLEY else ()
        retiring = (asked.result() if asked else migrations(lambda: (usage, engine), *rest)) or ()
    result = Waterfall(
        since,
        until,
        run.total(()),
        tuple(steps),
        None,
        unpriced_requests=unpriced,
        requests=sum(state.rows for state in run.start),
        next=work,
        lookback_days=lookback,
        attribution=attribution,
        price_book=catalog.as_of.isoformat(),
    )
    return replace(
        result,
        monthly_saving_usd=monthly(result.saving_usd, lookback),
        notes=(*retiring, *_notes(result, order)),
    )


def _hand_over(event: Event) -> None:
    """Let the thread that waits for this go on at once: it starts the engine, and lets go of the interpreter again."""
    event.set()
    sleep(0.001)


def migrations(
    rows: Callable[[], tuple[nw.LazyFrame[Any], Engine]],
    reach: Reach,
    levers: Sequence[Lever],
    catalog: Catalog,
    until: datetime | None,
    lookback: int | None,
    ready: Callable[[], Any] = lambda: None,
) -> tuple[str, ...]:
    """What models that retire soon cost on their successors: a scan of their rows alone, where there are any."""
    import narwhals.stable.v2 as nw

    change = forced(levers, reach, catalog, until) if until else None
    if change is None or until is None or not lookback:
        return ()
    usage, engine = rows()
    # Comparisons, not a list: the engine skips what it need not read.
    theirs = usage.filter(reduce(or_, (nw.col("model") == name for name in sorted(change.to))))
    run, _ = scan(theirs, reach.of(change.to), [change], catalog, engine, combine=False, by=(), ready=ready)
    return tuple(migration_notes(change, run.start, run.pricer, until, lookback))


def scan(
    usage: nw.LazyFrame[Any],
    reach: Reach,
    levers: Sequence[Lever],
    catalog: Catalog,
    engine: Engine,
    *,
    combine: bool = True,
    by: Sequence[str] = ("endpoint",),
    ready: Callable[[], Any] = lambda: None,
    done: Callable[[], Any] = lambda: None,
) -> tuple[Run, int]:
    """The run of these levers, and the number of requests without a price. One scan, and what levers look at before it.

    Without `combine`, only each lever alone can be asked for: quantities for levers upon levers are left out. `by`: what the
    steps are told by, beside the levers' own dimensions. `ready` returns when the scan, prepared by then, may begin; `done`
    is called when it has ended.
    """
    with engine.wide():
        for lever in levers:
            usage = lever.inspect(usage, engine, reach)
        asked = Scan(catalog, reach, combine)
        for lever in levers:
            lever.provide(asked)
        for lever in levers:
            lever.classify(asked)
        by = tuple(dict.fromkeys((*by, *(name for lever in levers for name in lever.dimensions))))
        extra = asked.extra()
        frame = rows_of(asked, usage, by, engine)
        lines = tally(
            frame,
            reach,
            catalog,
            engine,
            by,
            extra=extra,
            targets=asked.targets,
            known=True,
            same=asked.same(),
            ready=ready,
            done=done,
        )
    pricer = Pricer(catalog)
    start, pricer.unpriced = states(lines, by, extra, pricer, asked)
    for lever in levers:
        start = lever.part(start, pricer)
    pricer.logged = tuple(start)
    return Run(tuple(levers), tuple(start), pricer), sum(state.line.billed_requests for state in pricer.unpriced)


def alone(run: Run, n: int) -> Step:
    """One lever of the run on the untouched log."""
    return _step(run, (n,), [Grade.METERED] * len(run.start))


def stacked(run: Run) -> list[Step]:
    """All levers of the run, each on what those before it left."""
    steps: list[Step] = []
    grades = [Grade.METERED] * len(run.start)
    for n in range(len(run.levers)):
        steps.append(_step(run, tuple(range(n + 1)), grades))
    return steps


def _step(run: Run, chosen: tuple[int, ...], grades: list[Grade]) -> Step:
    """The step of the last of these levers after the others, graded no better than any earlier one that changed one of its
    rows; the rows' grades are brought up."""
    before, after = run.after(chosen[:-1]), run.after(chosen)
    lever, outcome = run.levers[chosen[-1]], run.judged(chosen)
    kind = kind_of(lever.name)
    grade = outcome.grade
    touched = [i for i, (b, a) in enumerate(zip(before, after, strict=True)) if a is not b]
    for i in touched:
        grade = grade.at_best(grades[i])
    for i in touched:
        grades[i] = grade
    cost_before, cost_after = run.total(chosen[:-1]), run.total(chosen)
    alone = EXACT.subtract(run.total(()), run.total(chosen[-1:]))
    saving = EXACT.subtract(cost_before, cost_after)
    changed = Coverage(outcome.changed, run.pricer.total(before[i] for i in touched))
    every = Coverage(sum(state.rows for state in before if state.removed is None), cost_before)
    return Step(
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
        warnings=tuple(_raises(kind, saving, alone, before, after, run.pricer)),
        assumptions=outcome.assumptions,
        excluded=outcome.excluded,
        facts=outcome.facts,
        coverage=_share(outcome.coverage or every, every),
        eligible=_share(changed, every),
        missing_fields=outcome.missing,
        quality_risk=outcome.risk or kind.risk,
        effort=kind.effort,
        rollback=kind.rollback,
        scope=scope((before[i] for i in touched), run.pricer),
        platform_differences=differences([(before[i], after[i]) for i in touched], run.pricer),
        calibration=outcome.calibration,
    )


def _share(part: Coverage, whole: Coverage) -> Coverage:
    return replace(
        part,
        request_share=part.requests / whole.requests if whole.requests else None,
        usd_share=float(part.usd / whole.usd) if whole.usd else None,
    )


def _raises(
    kind: Kind, saving: Decimal, alone: Decimal, before: Sequence[State], after: Sequence[State], pricer: Pricer
) -> Iterable[str]:
    """Where a lever raises the bill, in words: in all, or for some endpoints behind a saving in all."""
    if saving < 0:
        yield f"{kind.title} RAISES the bill here by {dollars(-saving)}."
    if alone < 0 <= saving:
        yield f"{kind.title} alone would raise the bill by {dollars(-alone)}."
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
        yield f"{kind.title} raises the cost of {worst}{more}: leave these out."


def _reordered(run: Run, steps: Sequence[Step], order: Sequence[str]) -> list[Step]:
    """The steps in the order asked for: the same levers on the same rows, each worth what it adds to those before it.

    A step's bounds keep the distance from its saving that they have in the order of application.
    """
    places = {lever.name: n for n, lever in enumerate(run.levers)}
    written = [places[name] for name in order if name in places]
    written += [n for n in range(len(steps)) if n not in written]
    found: list[Step] = []
    chosen: tuple[int, ...] = ()
    for n in written:
        before = run.total(chosen)
        chosen = tuple(sorted((*chosen, n)))
        after = run.total(chosen)
        shift = EXACT.subtract(EXACT.subtract(before, after), steps[n].saving_usd)
        low, high = EXACT.add(steps[n].low_usd, shift), EXACT.add(steps[n].high_usd, shift)
        found.append(replace(steps[n], before_usd=before, after_usd=after, low_usd=low, high_usd=high))
    return found


def _attributed(run: Run, steps: Sequence[Step], *, asked: bool) -> list[Step]:
    """The steps with what they are to each other; when that was asked for, with what each adds when applied last, its
    range over all orders, and its Shapley share."""
    everything = tuple(range(len(run.levers)))
    few = len(everything) <= MOST_SHAPLEY
    shares = shapley(run) if asked else []
    spans = ranges(run) if few and (asked or not any(lever.slow for lever in run.levers)) else {}
    between = interactions(run) if few else None
    places = {lever.name: n for n, lever in enumerate(run.levers)}
    found = []
    for step in steps:
        n = places[step.lever]
        step = replace(step, order_range=spans.get(n), interacts_with=between[n] if between is not None else None)
        if asked:
            last = EXACT.subtract(run.total(tuple(i for i in everything if i != n)), run.total(everything))
            step = replace(step, last_usd=last, shapley_usd=shares[n])
        found.append(step)
    return found


def days(since: datetime | None, until: datetime | None, timezone: ZoneInfo) -> int | None:
    if since is None or until is None:
        return None
    return (until.astimezone(timezone).date() - since.astimezone(timezone).date() + timedelta(days=1)).days


def monthly(saving: Decimal, days: int | None) -> Decimal | None:
    """What would be saved in 30 days at the pace of these, half even to six places. None without days."""
    return rounded(Fraction(saving) / days * 30, 6) if days else None


def _notes(result: Waterfall, order: Sequence[str]) -> Iterable[str]:
    if order:
        yield "Steps stand in the order that was asked for; the total is the same in any order."
    if result.unpriced_requests:
        yield f"{count(result.unpriced_requests, 'request')} {'has' if result.unpriced_requests == 1 else 'have'} no price: no lever touched them."
    if result.overlap is not None:
        yield (
            f"These savings overlap {result.overlap:.1f} times: one by one they would add up to "
            f"{dollars(result.standalone_usd)}, together they save {dollars(result.saving_usd)}, each dollar counted once."
        )
    yield "Prompts and answers are not simulated: only tokens and prices are."
