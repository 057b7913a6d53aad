"""The hit rates that a log's own times and prompts support: what an assumed rate is held against."""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction
from typing import TYPE_CHECKING, Any

from claude_audit import temporary
from claude_audit.replay import TTLS

if TYPE_CHECKING:
    import narwhals.stable.v2 as nw

    from claude_audit.engines import Engine

FOREVER = 2**61
"""A lifetime in microseconds that no log outlasts."""


@dataclass(frozen=True, slots=True)
class Supported:
    """Shares of cacheable tokens that a replay of the log reads, on the models as logged."""

    requests: int
    low: Fraction
    """Entries can be read once their writer has answered."""
    high: Fraction
    """Entries can be read at once."""
    best: Fraction
    """And they never die: no TTL reads more."""
    marked: bool
    """Of the tokens up to the last marked block. False: no block is marked, and of whole prompts, cached to their end."""


def supported(rows: nw.LazyFrame[Any], engine: Engine, ttl: str, minimum: str) -> Supported | None:
    """What a replay of the rows with marked blocks finds, of those with any where none is marked.

    None when none can be replayed, or none is long enough. `minimum`: the column with the shortest cacheable prompt of a
    row's model on its day.
    """
    return _under("marked", rows, engine, ttl, minimum) or _under("end", rows, engine, ttl, minimum)


def _under(policy: str, rows: nw.LazyFrame[Any], engine: Engine, ttl: str, minimum: str) -> Supported | None:
    import narwhals.stable.v2 as nw

    from claude_audit.levers._replayed import ORGANISATION_WIDE
    from claude_audit.levers._streams import KIND_OF_ROW, stream
    from claude_audit.replay import Place, Plan

    names = ("provider", "workspace", "model", "speed", minimum)
    with temporary.folder() as folder:
        found = stream(rows, [nw.col(name) for name in names], policy, folder)
        if found.path is None or not found.kinds:
            return None
        kinds = engine.scan([str(found.path)])
        each = (
            rows.select("row_id", *names)
            .join(kinds, on="row_id", how="inner")
            .filter(nw.col(KIND_OF_ROW) >= 0)
            .select(KIND_OF_ROW, *names)
            .unique()
        )
        told = engine.rows(each)
    places: list[Place | None] = [None] * found.kinds
    for kind, provider, workspace, model, speed, least in told:
        if model is not None:
            space = (provider, None if provider in ORGANISATION_WIDE else workspace, model, speed or "standard")
            places[int(kind)] = Place(space, int(least or 1))
    plan = Plan(found.requests, places, policy)
    rates = []
    for lifetime, visible in ((TTLS[ttl], "end"), (TTLS[ttl], "start"), (FOREVER, "start")):
        answer = plan.run(lifetime, visible)
        read, written = int(answer.read.sum()), int(answer.written.sum())
        if not read + written:
            return None
        rates.append(Fraction(read, read + written))
    return Supported(len(found.requests), min(rates[:2]), max(rates[:2]), max(rates), policy == "marked")
