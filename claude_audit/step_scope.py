"""Where a step of a scenario reached, and what else is another on the model or platform that it moves requests to."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from decimal import Decimal
from typing import TYPE_CHECKING

from claude_audit.money import EXACT, ZERO
from claude_audit.waterfall import Scope

if TYPE_CHECKING:
    from claude_audit.rates import Model
    from claude_audit.states import Pricer, State

MOST_PAIRS = 4
"""Pairs of models whose differences are told; beyond them, how many more."""


def scope(touched: Iterable[State], pricer: Pricer) -> Scope:
    """The endpoints and models of these states, dearest first."""
    endpoints: dict[str | None, Decimal] = {}
    models: dict[str, Decimal] = {}
    for state in touched:
        usd, endpoint, model = pricer.cost(state), state.labels.get("endpoint"), state.group.model or ""
        endpoints[endpoint] = EXACT.add(endpoints.get(endpoint, ZERO), usd)
        models[model] = EXACT.add(models.get(model, ZERO), usd)
    by_cost = sorted(endpoints, key=lambda name: (-endpoints[name], name or ""))
    return Scope(tuple(by_cost), tuple(sorted(models, key=lambda name: (-models[name], name))))


def differences(pairs: Sequence[tuple[State, State]], pricer: Pricer) -> tuple[str, ...]:
    """What differs, beside the price, where a step moved requests to another model or platform. In words."""
    found: list[str] = []
    moves: dict[tuple[str, str], Decimal] = {}
    for before, after in pairs:
        old, new = before.group.model, after.group.model
        if old and new and old != new and after.removed is None:
            moves[old, new] = EXACT.add(moves.get((old, new), ZERO), pricer.cost(before))
    models = pricer.catalog.models
    for old, new in sorted(moves, key=lambda move: (-moves[move], move)):
        if old in models and new in models and (words := _between(models[old], models[new])):
            found.append(f"{models[old].name} to {models[new].name}: {'; '.join(words)}")
    if len(found) > MOST_PAIRS:
        found[MOST_PAIRS:] = [f"and so from {len(found) - MOST_PAIRS} more models, each in its way"]
    platforms = sorted(
        {
            (str(before.group.provider), str(after.group.provider))
            for before, after in pairs
            if before.group.provider != after.group.provider
        }
    )
    found += [f"{old} to {new}: other limits, features and data location" for old, new in platforms]
    return tuple(found)


def _between(old: Model, new: Model) -> list[str]:
    words = []
    if old.tokenizer != new.tokenizer:
        words.append("another tokenizer, so the same text has another number of tokens")
    if new.context < old.context:
        words.append(f"window {new.context:,} tokens instead of {old.context:,}")
    if new.max_output < old.max_output:
        words.append(f"at most {new.max_output:,} output tokens instead of {old.max_output:,}")
    least = [model.minimums[-1][1] if model.minimums else None for model in (old, new)]
    if least[0] != least[1] and least[1] is not None:
        was = "" if least[0] is None else f" instead of {least[0]:,}"
        words.append(f"caches prompts from {least[1]:,} tokens{was}")
    if old.inference_geo_us and not new.inference_geo_us:
        words.append("no US-only inference")
    return words
