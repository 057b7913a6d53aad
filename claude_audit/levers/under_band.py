"""Prompts just over a price band are cut to it: the whole request then costs the lower price. Graded metered or bounded.

What it assumes: a prompt that is at most PERCENT % (20) larger than a band can do without what is too much.

Some models charge more for the whole request, output included, when its prompt is larger than a limit: Haiku 5.5 five times
as much over 100,000 tokens. Other models have one price for prompts of any length: there is nothing to save, and the step
says so.

Formula: prompt = the limit. What goes stands at the end of the prompt, uncached before cached; where prompts are cached, low
and high are what the same tokens would be worth taken from its start, or its end.

Example: 110,000 tokens in and 2,000 out on Claude Haiku 5.5: (110,000 x 0.50 + 2,000 x 2.50) / 1,000,000 = $0.06. Cut to 100,000:
(100,000 x 0.10 + 2,000 x 0.50) / 1,000,000 = $0.011, a bill 5.5 times as small for a prompt 9 % shorter.

When it costs money: not on a bill; when the model asks again for what it missed.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from typing import TYPE_CHECKING, Any

from claude_audit.errors import AuditError
from claude_audit.levers import Kind, Lever, Option, Outcome, Stage, changed_rows, coverage, kept_out, pairs
from claude_audit.levers._reblocked import until
from claude_audit.levers._shorter import CHANGED_BEFORE
from claude_audit.money import EXACT, ZERO, dollars, exact
from claude_audit.prompt_ends import Prompt, flag
from claude_audit.rates import Unpriced
from claude_audit.states import State, Variant
from claude_audit.text import count
from claude_audit.waterfall import Assumption, Effort, Grade, Risk

if TYPE_CHECKING:
    import narwhals.stable.v2 as nw

    from claude_audit.catalog import Catalog
    from claude_audit.scan import Scan
    from claude_audit.states import Pricer

NAME = "under_band"
USUAL = 20
"""Percent above a band up to which a prompt can be trimmed."""


@dataclass
class UnderBand(Lever):
    """`--under-band PERCENT`."""

    percent: int
    limits: Mapping[str, int]
    """By model: prompt tokens above which its requests cost more, or once did."""
    name: str = NAME
    stage: Stage = Stage.RESHAPE
    dimensions: tuple[str, ...] = ("endpoint",)
    single: bool = True
    here: dict[str, int] = field(default_factory=dict)
    """The limits of the models in the log."""

    @property
    def argument(self) -> str:
        """The percentage."""
        return f"{self.percent}%"

    def classify(self, scan: Scan) -> None:
        """Which prompts are a little over their model's band, and what is left of them at it."""
        import narwhals.stable.v2 as nw

        self.here = {model: self.limits[model] for model in scan.reach.models if model in self.limits}
        whole = ~nw.col("prompt_tokens").is_null()
        scan.bind(band_limit=scan.fact(self.here).fill_null(0) * (scan.turns if self.here else 1))
        scan.key("band_sum", ~whole & (nw.col("band_limit") > 0), 2)
        if not self.here:
            return
        scan.bind(band_one=scan.call & whole & (nw.col("band_limit") > 0))

        def over(prompt: nw.Expr) -> nw.Expr:
            near = prompt * 100 <= nw.col("band_limit") * (100 + self.percent)
            return nw.col("band_one") & (prompt > nw.col("band_limit")) & near

        def single(variant: Variant) -> bool:
            """Calls that hold several requests have a size of their own, which is none of these."""
            return not any(mark in scan.packs for mark in variant)

        for variant, prompt in list(scan.quantities["prompt"].items()):
            if not any("@" in mark for mark in variant) and NAME not in variant and single(variant):
                scan.key(_near(variant), over(prompt), 2)

        def excess(before: Prompt) -> nw.Expr:
            return flag(over(before.prompt)) * (before.prompt - nw.col("band_limit"))

        def ended(before: Prompt) -> Prompt:
            much = excess(before)
            end = before.prompt - much
            return before.each(lambda tokens: nw.min_horizontal(tokens, end))

        scan.reshape(NAME, ended, follows=single)
        scan.reshape(f"{NAME}@start", lambda before: before.without(0, excess(before)), follows=single)
        scan.rewrites[NAME] = until("band_limit")

    def _over(self, state: State, pricer: Pricer) -> bool:
        """Whether its prompts are a little over a band that holds for their price."""
        if not state.keys.get(_near(state.prompt)):
            return False
        price = pricer.price(state)
        return not isinstance(price, Unpriced) and price.banded

    def move(self, states: Sequence[State], pricer: Pricer) -> list[State]:
        """Cut to the band."""
        return [state.reshaped(NAME) if self._over(state, pricer) else state for state in states]

    def judge(self, before: Sequence[State], after: Sequence[State], pricer: Pricer) -> Outcome:
        """How many requests, and what they pay for the band; cut at the other end; sums of unknown prompts."""
        moved = pairs(before, after)
        olds = [b for b, _ in moved]
        savings = [
            pricer.saving(olds, [a for _, a in moved]),
            pricer.saving(olds, [b.reshaped(f"{NAME}@start") for b in olds]),
        ]
        rows, cost = sum(b.rows for b in olds), pricer.total(olds)
        caveats = []
        if moved:
            ratio = cost / pricer.total([a for _, a in moved]) if pricer.total([a for _, a in moved]) else None
            much = sum(b.sum_of("prompt") - a.sum_of("prompt") for b, a in moved)
            caveats.append(
                f"{count(rows, 'request')} up to {self.percent} % over a band cost {dollars(cost)}"
                + (f", {ratio:.2f} times what they would cost at it" if ratio else "")
                + f": {much:,} tokens too many."
            )
        else:
            caveats.append(f"No request is up to {self.percent} % over a price band.")
        caveats += self._others(before)
        sums = self._sums(before, pricer)
        if sums:
            caveats.append(
                f"{count(sums[0], 'row')} of a banded model {'adds' if sums[0] == 1 else 'add'} up several prompts, so their band is "
                f"unknown: billed below it ({dollars(sums[1])}); above it, {'it' if sums[0] == 1 else 'they'} would cost "
                f"{dollars(sums[2])}, and the difference would be at stake."
            )
        facts: dict[str, Any] = {"near": [self._line(key, those) for key, those in self._groups(moved, pricer)]}
        if sums:
            facts["band_unknown"] = {"rows": sums[0], "below_usd": exact(sums[1]), "above_usd": exact(sums[2])}
        return Outcome(
            changed=changed_rows(before, after),
            low=min(savings),
            high=max(savings),
            grade=Grade.METERED if savings[0] == savings[1] else Grade.BOUNDED,
            caveats=tuple(caveats),
            assumptions=(
                Assumption(
                    "percent over a band that can go", str(self.percent), "flag" if self.percent != USUAL else "default"
                ),
            ),
            excluded=kept_out([(s, self._gate(s, pricer)) for s in before], pricer),
            facts=facts,
            coverage=coverage([s for s in before if not s.keys["band_sum"]], pricer),
            missing=("the size of each prompt",) if sums else (),
        )

    def _gate(self, state: State, pricer: Pricer) -> str | None:
        if state.keys["band_sum"]:
            return "a sum of several prompts"
        price = pricer.price(state)
        if isinstance(price, Unpriced) or not price.banded or self._over(state, pricer):
            return None
        if _near(state.prompt) not in state.keys:
            return CHANGED_BEFORE
        return f"more than {self.percent} % over the band"

    def _others(self, before: Sequence[State]) -> list[str]:
        names = sorted({str(state.group.model) for state in before} - self.here.keys())
        if not names:
            return []
        some = ", ".join(names[:4]) + (f" and {len(names) - 4} more" if len(names) > 4 else "")
        return [f"{some}: one price for prompts of any length, so no band and nothing to save."]

    def _sums(self, before: Sequence[State], pricer: Pricer) -> tuple[int, Decimal, Decimal] | None:
        """Rows whose prompts are known as a sum only; their cost below the band, and above it."""
        rows, below, above = 0, ZERO, ZERO
        for state in before:
            if state.keys["band_sum"]:
                low, high = (pricer.usd(state.regrouped(size=size)) for size in (0, 9))
                if low is not None and high is not None and low != high:
                    rows += state.rows
                    below, above = EXACT.add(below, low), EXACT.add(above, high)
        return (rows, below, above) if rows else None

    def _groups(
        self, moved: Sequence[tuple[State, State]], pricer: Pricer
    ) -> list[tuple[tuple[str, str], tuple[int, Decimal, Decimal]]]:
        """By endpoint and model: requests, their cost and what they would save; the most at stake first."""
        found: dict[tuple[str, str], tuple[int, Decimal, Decimal]] = {}
        for b, a in moved:
            key = (b.labels["endpoint"] or "(none)", str(b.group.model))
            rows, usd, saved = found.get(key, (0, ZERO, ZERO))
            saving = EXACT.subtract(pricer.cost(b), pricer.cost(a))
            found[key] = rows + b.rows, EXACT.add(usd, pricer.cost(b)), EXACT.add(saved, saving)
        return sorted(found.items(), key=lambda item: (-item[1][2], item[0]))

    def _line(self, key: tuple[str, str], those: tuple[int, Decimal, Decimal]) -> dict[str, Any]:
        rows, usd, saved = those
        return {
            "endpoint": key[0],
            "model": key[1],
            "limit": self.here[key[1]],
            "requests": rows,
            "usd": exact(usd),
            "saving_usd": exact(saved),
        }


def _near(variant: Variant) -> str:
    return "+".join(("band_near", *variant))


def build(options: Mapping[str, Any], catalog: Catalog) -> UnderBand | None:
    """The lever for these options. Raises AuditError for what is no percentage."""
    asked = options.get(NAME)
    if asked is None:
        return None
    try:
        percent = int(str(asked).strip().removesuffix("%"))
    except ValueError:
        percent = 0
    if not 1 <= percent <= 1000:
        raise AuditError(
            f"--under-band {asked!r} is not a percentage from 1 to 1000", f"for example --under-band {USUAL}"
        )
    limits = {m.id: rate.band.over for m in catalog.models.values() for rate in m.rates if rate.band}
    return UnderBand(percent, limits)


KIND = Kind(
    NAME,
    Stage.RESHAPE,
    (Option(NAME, str, "Cut prompts that are up to PERCENT % over a price band to it.", "PERCENT"),),
    build,
    __doc__ or "",
    effort=Effort.LOW,
    risk=Risk(2, ("what is cut from a long prompt may have mattered",)),
    default={NAME: "20"},
)
