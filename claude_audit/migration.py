"""Models that retire soon: what next month costs on their successors, though nobody asked."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from fractions import Fraction
from typing import TYPE_CHECKING

from claude_audit.levers import Lever
from claude_audit.levers._tokenizers import tokenizers
from claude_audit.levers.upgrade import AUTO, Upgrade, cold, successors
from claude_audit.money import dollars, rounded
from claude_audit.states import State
from claude_audit.text import count

if TYPE_CHECKING:
    from claude_audit.catalog import Catalog
    from claude_audit.states import Pricer
    from claude_audit.tally import Reach

SOON = timedelta(days=60)
"""After a log's last request: a model that retires by then has to be left within two months."""


def forced(levers: Sequence[Lever], reach: Reach, catalog: Catalog, until: datetime) -> Upgrade | None:
    """The upgrade of models that retire soon, or have; None where there are none, or an upgrade is tried anyway."""
    if any(isinstance(lever, Upgrade) for lever in levers):
        return None
    to = successors(catalog, AUTO)
    last = _last(until)
    retiring = {
        name: to[name]
        for name in reach.models
        if name in to
        and any(
            day <= last
            for day in (catalog.models[name].retired, *catalog.models[name].retired_elsewhere.values())
            if day
        )
    }
    return Upgrade(AUTO, retiring, tokenizers({}, catalog)) if retiring else None


def _last(until: datetime) -> date:
    return until.astimezone(UTC).date() + SOON


def notes(change: Upgrade, states: Sequence[State], pricer: Pricer, until: datetime, days: int) -> Iterable[str]:
    """For each retiring model, and the day: what 30 days cost at the log's pace, on it and on its successor; and of which
    requests the successor takes none."""
    fit: dict[tuple[date, str], list[State]] = defaultdict(list)
    stay: dict[tuple[date, str], list[State]] = defaultdict(list)
    for state in states:
        if change.concerns(state):
            name = str(state.group.model)
            day = pricer.catalog.models[name].retires(state.group.provider)
            if day is not None and day <= _last(until):
                (fit if change.barred(state, pricer) is None else stay)[day, name].append(state)
    for day, name in sorted({**fit, **stay}):
        old, left = fit[day, name], stay[day, name]
        to = change.to[name].name
        ends = "retires" if day > until.astimezone(UTC).date() else "retired"
        said = [f"{pricer.catalog.models[name].name} {ends} on {day}."]
        if old:
            after = [
                pricer.total(_on(day, state) for state in made)
                for factor in change.text.factors
                for warm in [[change.moved(state, factor) for state in old]]
                for made in (warm, cold(old, warm))
            ]
            before, point, low, high = (
                dollars(_month(usd, days)) for usd in (pricer.total(old), after[0], min(after), max(after))
            )
            between = f" ({low} to {high})" if low != high else ""
            said.append(
                f"At the pace of this log its {count(_rows(old), 'request')} cost {before} a month; on {to} the same text costs "
                f"{point}{between}."
            )
        if left:
            why = sorted({change.barred(state, pricer) or "" for state in left})
            which = f"{count(_rows(left), 'other request')}" if old else f"Its {count(_rows(left), 'request')}"
            said.append(
                f"{which}, at {dollars(_month(pricer.total(left), days))} a month, can't move to {to}: {', '.join(why)}."
            )
        yield f"{' '.join(said)} See --upgrade {AUTO}."


def _rows(states: Iterable[State]) -> int:
    return sum(state.rows for state in states)


def _on(day: date, state: State) -> State:
    """At the prices of the day from which there is no choice, where that is later."""
    return state.regrouped(on=max(day, state.group.on))


def _month(usd: Decimal, days: int) -> Decimal:
    return rounded(Fraction(usd) / days * 30, 6)
