"""Standard speed: fast mode's own prices replaced by the standard ones. Graded metered.

What it assumes: nothing of the answers, which are the same; only that they may come more slowly. `speed` is what the API
says that it served.

Formula: the same tokens at the model's standard price of the same day, in the price band of their prompt; fast mode costs
twice as much on current models (six times on Opus 4.6 and 4.7 while it lasted). Batch, geography and regions stay.
Requests on the priority tier are left as they are: a commitment cannot be priced from usage, so what giving it up would
save is not estimable, and never $0.

Example: a million tokens in and 0.2 million out of Claude Opus 5.5 cost 1 x 8 + 0.2 x 40 = $16 in fast mode, and
1 x 4 + 0.2 x 20 = $8 at standard speed.

When it costs money: never in tokens. Duty decides: what was bought is latency.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from claude_audit.levers import Kind, Lever, Option, Outcome, Stage, changed_rows, kept_out
from claude_audit.money import dollars
from claude_audit.text import count
from claude_audit.waterfall import Effort, Grade, Risk

if TYPE_CHECKING:
    from claude_audit.catalog import Catalog
    from claude_audit.scan import Scan
    from claude_audit.states import Pricer, State

NAME = "standard_speed"
PRIORITY = "priority tier: not estimable"


@dataclass
class StandardSpeed(Lever):
    """`--standard-speed`."""

    name: str = NAME
    stage: Stage = Stage.PRICE
    dimensions: tuple[str, ...] = ()
    single: bool = True
    argument: str = ""

    def classify(self, scan: Scan) -> None:
        """The speed is part of what decides a price already."""

    def move(self, states: Sequence[State], pricer: Pricer) -> list[State]:
        """Standard speed for what was served fast."""
        return [state.regrouped(speed="standard") if _fast(state) else state for state in states]

    def judge(self, before: Sequence[State], after: Sequence[State], pricer: Pricer) -> Outcome:
        """The difference of the two prices; what no one can say of the priority tier."""
        saving = pricer.saving(before, after)
        changed = changed_rows(before, after)
        caveats = []
        if changed:
            caveats.append("The same answers, more slowly: latency duties are yours to judge.")
        else:
            caveats.append("No priced request in the log was served in fast mode.")
        priority = [state for state in before if state.group.tier == "priority"]
        if priority:
            rows, usd = sum(state.rows for state in priority), pricer.total(priority)
            caveats.append(
                f"Served on the priority tier: {count(rows, 'request')}, {dollars(usd)} at list price. It is a commitment, closed "
                "to new purchase, that usage does not price. What leaving it would save is not estimable."
            )
        return Outcome(
            changed=changed,
            low=saving,
            high=saving,
            grade=Grade.METERED,
            caveats=tuple(caveats),
            excluded=kept_out([(state, PRIORITY) for state in priority], pricer),
        )


def _fast(state: State) -> bool:
    return state.group.speed == "fast"


def build(options: Mapping[str, Any], catalog: Catalog) -> StandardSpeed | None:
    """The lever for these options."""
    return StandardSpeed() if options.get(NAME) else None


KIND = Kind(
    NAME,
    Stage.PRICE,
    (Option(NAME, bool, "Serve at standard speed what was served in fast mode."),),
    build,
    __doc__ or "",
    effort=Effort.VERY_LOW,
    risk=Risk(0, ("latency",)),
    rollback="ask for fast mode again",
)
