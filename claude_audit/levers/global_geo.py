"""Global inference: the premium for US-only inference and for cloud regions given up. Graded metered.

What it assumes: nothing of the answers, which are the same; only that they may be computed anywhere. Rows of
`inference_geo: us` go to global; rows of a Bedrock profile or region, of a Vertex location or of a Foundry US Data Zone go
to the provider's global endpoint, where the model has one there (pricing/anthropic.yaml, `profiles`).

Gates: GovCloud, which has no global endpoint; a model without a global profile on Bedrock. Only rows that pay a premium
are moved: models and days without one, and places that the log does not tell, stay as they are.

Formula: the same tokens without the factor of 1.1. Batch, speed, bands and web searches stay.

Example: a million tokens in and 0.2 million out of Claude Sonnet 5.5 with inference_geo us cost (1 x 2 + 0.2 x 10) x 1.1 =
$4.40, and $4.00 globally.

When it costs money: never in tokens. Duty decides: where data may go is not in the log, and nearer may be faster.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from claude_audit.levers import Kind, Lever, Option, Outcome, Stage, changed_rows, kept_out
from claude_audit.rates import Price
from claude_audit.waterfall import Effort, Grade, Risk

if TYPE_CHECKING:
    from claude_audit.catalog import Catalog
    from claude_audit.scan import Scan
    from claude_audit.states import Pricer, State

NAME = "global_geo"
GOVCLOUD, NO_PROFILE = "GovCloud", "no global profile on Bedrock"


@dataclass
class GlobalGeo(Lever):
    """`--global-geo`."""

    name: str = NAME
    stage: Stage = Stage.PRICE
    dimensions: tuple[str, ...] = ()
    single: bool = True
    argument: str = ""

    def classify(self, scan: Scan) -> None:
        """Geography and region are part of what decides a price already."""

    def move(self, states: Sequence[State], pricer: Pricer) -> list[State]:
        """Global, where that is cheaper."""
        return [self._moved(state, pricer) for state in states]

    def _moved(self, state: State, pricer: Pricer) -> State:
        made = state
        if made.group.geo == "us":
            made = made.regrouped(geo="global")
        if self._barred(state, pricer) is None:
            made = _out_of_region(made)
        return made if made is not state and _cheaper(made, state, pricer) else state

    def _barred(self, state: State, pricer: Pricer) -> str | None:
        """Why the premium of its region stays; None when it need not."""
        group = state.group
        if group.provider != "aws_bedrock":
            return None
        if group.routing == "us-gov" or (group.region or "").lower().startswith("us-gov-"):
            return GOVCLOUD
        model = pricer.catalog.models.get(group.model or "")
        return None if model is not None and "global" in model.profiles else NO_PROFILE

    def judge(self, before: Sequence[State], after: Sequence[State], pricer: Pricer) -> Outcome:
        """The premiums; those that a gate keeps."""
        saving = pricer.saving(before, after)
        changed = changed_rows(before, after)
        gates = []
        for state in before:
            gate = self._barred(state, pricer)
            gates.append((state, gate if gate and _cheaper(_out_of_region(state), state, pricer) else None))
        words = "Residency and latency duties are yours to judge."
        return Outcome(
            changed=changed,
            low=saving,
            high=saving,
            grade=Grade.METERED,
            caveats=(words if changed else "No priced request in the log pays a premium for its geography.",),
            excluded=kept_out(gates, pricer),
        )


def _out_of_region(state: State) -> State:
    """At the global endpoint of its cloud; itself where it shows no region."""
    match state.group.provider:
        case "gcp_vertex" if state.group.region or state.group.routing not in (None, "bare"):
            return state.regrouped(region="global", routing="global")
        case "aws_bedrock" if state.group.routing or (state.group.region or "").lower().startswith("us-gov-"):
            return state.regrouped(routing="global")
        case "azure_foundry" if state.group.routing:
            return state.regrouped(routing="global")
    return state


def _cheaper(made: State, than: State, pricer: Pricer) -> bool:
    new, old = pricer.price(made), pricer.price(than)
    return isinstance(new, Price) and isinstance(old, Price) and new.factor < old.factor


def build(options: Mapping[str, Any], catalog: Catalog) -> GlobalGeo | None:
    """The lever for these options."""
    return GlobalGeo() if options.get(NAME) else None


KIND = Kind(
    NAME,
    Stage.PRICE,
    (Option(NAME, bool, "Give up US-only inference and cloud regions that cost a premium."),),
    build,
    __doc__ or "",
    effort=Effort.VERY_LOW,
    risk=Risk(0, ("residency", "latency")),
    rollback="name the region again",
)
