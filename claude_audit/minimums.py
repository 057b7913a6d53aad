"""The shortest prompts that models cache, over the days of a log."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, date, timedelta
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from claude_audit.catalog import Catalog
    from claude_audit.rates import Model
    from claude_audit.tally import Reach


def at_first(reach: Reach, catalog: Catalog, to: Mapping[str, str] | None = None) -> dict[str, int]:
    """By model of the log, the minimum on its first day, in tokens; 1 where no source states any.

    `to`: of the model that rows of a model are moved to. A day before its first figure takes that one: on their own model,
    rows of such days have no price for cache tokens.
    """
    first = reach.first.astimezone(UTC).date()
    return {name: model.minimum(first, lenient=True) or 1 for name, model in _models(reach, catalog, to).items()}


def steps(reach: Reach, catalog: Catalog, to: Mapping[str, str] | None = None) -> dict[date, dict[str, int]]:
    """The days in the log on which a minimum changes, ascending, and by how many tokens, by model."""
    first, last = reach.first.astimezone(UTC).date(), reach.last.astimezone(UTC).date()
    models = _models(reach, catalog, to)
    found = {
        since: {
            name: dict(model.minimums)[since] - (model.minimum(since - timedelta(days=1), lenient=True) or 0)
            for name, model in models.items()
            if since in dict(model.minimums)
        }
        for since in sorted({since for m in models.values() for since, _ in m.minimums if first < since <= last})
    }
    return {since: by_model for since, by_model in found.items() if any(by_model.values())}


def _models(reach: Reach, catalog: Catalog, to: Mapping[str, str] | None) -> dict[str, Model]:
    named = {name: (to or {}).get(name, name) for name in reach.models}
    return {name: catalog.models[there] for name, there in named.items() if there in catalog.models}
