"""Upgrade: the same requests on a newer model of their own family. Graded bounded; the saving may be negative.

What it assumes: the newer model answers the same text at the same length, as its own tokenizer counts it. `--upgrade auto`
takes the newest priced model of each row's family (Opus, Sonnet, Haiku, …); a model or a family moves the older models of
that family only. Costs are simulated, answers are not.

Gates: prompt and answer, as the target counts them, fit its context and its longest output; US inference and fast mode
only where the target has them; only on clouds that sell it; no priority tier (a commitment to the old model).

Formula: across the tokenizer change (4.7 and later count about 30 % more tokens for the same text) prompt, cacheable part
and output are scaled, each rounded up once a row (of what was cached, each part up to where it ends: read, then written for
an hour, then for five minutes); then the price band of the new size, at the target's price of the day. Caches: all requests
of the model move together, so what was read from its cache is read from the new one's, at the new sizes; but what is under
the target's minimum is uncached, and the new cache starts cold. Within an hour every entry that was alive has been used
again or is gone, so the low end counts every read of a model's first hour as a write (at the 1-hour price where that model's
rows write for an hour, else at the 5-minute price).
Low and high: the lowest and highest saving over tokenizer factors 1.00, the one in use and 1.35, with a warm and a cold
start. A request that is routed afterwards is counted once, from the log to the model that answers it.

Example: 10 million tokens in and 1 million out of Claude Opus 4.5 cost 10 x 5 + 1 x 25 = $75. On Opus 5.5 they are 13 and
1.3 million: 13 x 4 + 1.3 x 20 = $78. The price per token falls by 20 %, the price of the text rises by 4 %. From Opus 4.8,
which counts tokens alike, the same tokens cost $60.

When it costs money: where the list price falls by less than the tokenizer adds, as above; where a prompt grows over a price
band of the target (100,000 tokens on Haiku 5.5); where prompts fall under a larger cache minimum.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from functools import reduce
from operator import or_
from typing import TYPE_CHECKING, Any

from claude_audit.errors import AuditError
from claude_audit.levers import Kind, Lever, Option, Outcome, Stage, changed_rows, kept_out, pairs
from claude_audit.levers._tokenizers import Tokenizers, tokenizers
from claude_audit.money import EXACT, dollars, exact
from claude_audit.rates import Model
from claude_audit.row_columns import Known
from claude_audit.states import READ, WRITE_1H, WRITE_5M, State
from claude_audit.text import count
from claude_audit.waterfall import Assumption, Effort, Grade, Risk

if TYPE_CHECKING:
    import narwhals.stable.v2 as nw

    from claude_audit.catalog import Catalog
    from claude_audit.engines import Engine
    from claude_audit.scan import Scan
    from claude_audit.states import Pricer
    from claude_audit.tally import Reach

NAME = "upgrade"
AUTO = "auto"
LONGEST_TTL = timedelta(hours=1)
"""Of a cache entry: within it every entry that was alive at the switch has been read again, or is gone."""
FREE, NO_ROOM = 0, 1
"""What the engine says of a row, as a number."""
UNLIMITED = 2**62


@dataclass
class Upgrade(Lever):
    """`--upgrade MODEL|auto`."""

    asked: str
    to: Mapping[str, Model]
    """By model as logged, the one that it is moved to."""
    text: Tokenizers
    name: str = NAME
    stage: Stage = Stage.MODEL
    dimensions: tuple[str, ...] = ()
    single: bool = True
    first: dict[str, datetime] = field(default_factory=dict)
    """By model, the start of its first request: filled by inspect."""

    @property
    def argument(self) -> str:
        """As the user gave it."""
        return self.asked

    def inspect(self, usage: nw.LazyFrame[Any], engine: Engine, reach: Reach) -> nw.LazyFrame[Any]:
        """When each model's requests begin: its cache is cold from then on."""
        import narwhals.stable.v2 as nw

        left = {name for name in reach.models if name in self.to}
        start = datetime(1970, 1, 1, tzinfo=UTC)
        # Most models are in use on the first day: no more is read for those.
        for rows in (usage.filter(nw.col("ts") <= nw.lit(reach.first + timedelta(days=1))), usage):
            if left:
                # Comparisons, not a list: the engine skips what it need not read.
                theirs = rows.filter(reduce(or_, (nw.col("model") == name for name in sorted(left))))
                begun = theirs.select("model", "ts").group_by("model").agg(nw.col("ts").min())
                found = engine.rows(begun.select("model", at=(nw.col("ts") - nw.lit(start)).dt.total_microseconds()))
                self.first |= {model: start + timedelta(microseconds=at) for model, at in found}
                left -= self.first.keys()
        self.first = dict(sorted(self.first.items()))
        return usage

    def classify(self, scan: Scan) -> None:
        """Each row's text as its target counts it under each factor, whether it fits, and whether its cache is cold yet."""
        import narwhals.stable.v2 as nw

        from claude_audit.prompt_ends import flag
        from claude_audit.tally import size

        to = {name: self.to[name] for name in scan.reach.models if name in self.to}
        scan.moves[NAME] = {name: target.id for name, target in to.items()}
        self.text.moving(scan.catalog, to)
        if not to:
            return
        scan.bind(upgrade_minimum=scan.minimum(scan.moves[NAME]))
        banded = [name for name, target in to.items() if target.id in scan.catalog.banded_models]
        grows = scan.fact(dict.fromkeys(banded, 1)) * flag(~nw.col("prompt_tokens").is_null())
        scales = {self.text.mark(NAME, factor): self.text.recount(scan, factor) for factor in self.text.factors}
        scan.remodel(scales, nw.col("upgrade_minimum"))
        for mark, scale in scales.items():
            for what in ("output", "thinking"):
                if what in scan.quantities:
                    scan.vary(what, mark, scale)
        for variant in list(scan.quantities["prompt"]) if banded else ():
            if variant and variant[-1] in scales:
                passed = grows * size(scan.catalog, scan.judged(variant))
                scan.key("+".join(("size", *variant)), passed, len(scan.catalog.thresholds) + 1)
        scan.key(NAME, self._room(scan, to), 2)
        scan.key("upgrade_cold", self._cold_yet(scan.reach.known), 2)

    def _room(self, scan: Scan, to: Mapping[str, Model]) -> nw.Expr:
        """FREE or NO_ROOM. Of sums over several calls no prompt is known, so that none can be too large."""
        import narwhals.stable.v2 as nw

        from claude_audit.prompt_ends import flag

        prompt, output = scan.quantities["prompt"][(NAME,)], scan.quantities["output"][(NAME,)]
        most_in, most_out = (self.text.most(scan.most(what)) for what in ("prompt", "output"))
        if most_in is not None and most_out is not None:
            roomy = (most_in + most_out <= target.context and most_out <= target.max_output for target in to.values())
            if all(roomy):
                return nw.lit(FREE)
        context = scan.fact({name: target.context for name, target in to.items()}, UNLIMITED)
        longest = scan.fact({name: target.max_output for name, target in to.items()}, UNLIMITED)
        crowded = (prompt + output > context) | (output > longest)
        return flag(~nw.col("prompt_tokens").is_null() & crowded)

    def _cold_yet(self, known: Known) -> nw.Expr:
        import narwhals.stable.v2 as nw

        cold: nw.Expr = nw.lit(False)
        for model, first in self.first.items():
            early = nw.col("ts") <= nw.lit(first + LONGEST_TTL)
            if known.texts.get("model") == model:
                return early
            cold = cold | ((nw.col("model") == model).fill_null(False) & early)
        return cold

    def barred(self, state: State, pricer: Pricer) -> str | None:
        """The gate that keeps a state on its model; None when it may be moved."""
        target, group = self.to[str(state.group.model)], state.group
        if state.keys[NAME] == NO_ROOM:
            return "no room on the target"
        if group.tier == "priority":
            return "priority tier"
        if group.geo == "us" and not target.inference_geo_us:
            return "US inference, which the target has not"
        if group.provider == "gcp_vertex" and not target.vertex:
            return "the target is not sold on Vertex"
        if group.provider == "aws_bedrock":
            if target.bedrock is None:
                return "the target is not sold on Bedrock"
            if group.routing in ("global", "us-gov") and group.routing not in target.profiles:
                return f"the target has no {group.routing} profile on Bedrock"
        if pricer.usd(self.moved(state, self.text.factor)) is None:
            return "fast mode, which the target has not" if group.speed == "fast" else "no price"
        return None

    def concerns(self, state: State) -> bool:
        """There is a newer model for it, and no other lever moved it yet."""
        return state.group.model in self.to and not state.moved

    def move(self, states: Sequence[State], pricer: Pricer) -> list[State]:
        """The newer model, its caches warm."""
        return [
            self.moved(state, self.text.factor)
            if self.concerns(state) and self.barred(state, pricer) is None
            else state
            for state in states
        ]

    def moved(self, state: State, factor: Decimal) -> State:
        """The state on its target, as a tokenizer with that factor counts it."""
        mark = self.text.mark(NAME, factor)
        target = self.to[str(state.group.model)]
        return state.reshaped(mark, moved=True).regrouped(model=target.id).answering((*state.output, mark))

    def bounds(self, old: Sequence[State], pricer: Pricer) -> tuple[Decimal, Decimal]:
        """The lowest and the highest saving of moving these, over the tokenizer factors, with caches warm and cold."""
        savings = []
        for factor in self.text.factors:
            made = [self.moved(b, factor) for b in old]
            savings += [pricer.saving(old, made), pricer.saving(old, cold(old, made))]
        return min(savings), max(savings)

    def judge(self, before: Sequence[State], after: Sequence[State], pricer: Pricer) -> Outcome:
        """Over the tokenizer factors, warm and cold; each pair of models with its price per token and per text."""
        moved = pairs(before, after)
        old, new = [b for b, _ in moved], [a for _, a in moved]
        low, high = self.bounds(old, pricer)
        found = self._by_pair(moved, pricer)
        targets = sorted({str(a.group.model) for a in new}) or [self.asked]
        foreign = any(b.group.model in self.text.foreign for b in old)
        return Outcome(
            changed=changed_rows(before, after),
            low=low,
            high=high,
            grade=Grade.BOUNDED,
            caveats=tuple(self._caveats(moved, found, pricer)),
            assumptions=(
                Assumption("target", ", ".join(targets), "flag"),
                *((self.text.assumption,) if foreign else ()),
            ),
            excluded=kept_out(((b, self.barred(b, pricer) if self.concerns(b) else None) for b in before), pricer),
            facts={"upgrades": [entry | {k: exact(entry[k]) for k in USD} for entry in found]},
        )

    def _by_pair(self, moved: Sequence[tuple[State, State]], pricer: Pricer) -> list[dict[str, Any]]:
        """Each old and new model, dearest first: requests, dollars, how the price of a token and of a text changes."""
        members: dict[tuple[str, str], list[tuple[State, State]]] = {}
        for b, a in moved:
            members.setdefault((str(b.group.model), str(a.group.model)), []).append((b, a))
        found = []
        for (source, target), those in members.items():
            cost = pricer.total(b for b, _ in those)
            after = pricer.total(a for _, a in those)
            alike = pricer.total([_same_tokens(b, target) for b, _ in those])
            found.append(
                {
                    "from": source,
                    "to": target,
                    "requests": sum(b.rows for b, _ in those),
                    "before_usd": cost,
                    "after_usd": after,
                    "price_per_token_change": _change(cost, alike),
                    "price_of_text_change": _change(cost, after),
                }
            )
        return sorted(found, key=lambda entry: (-entry["before_usd"], entry["from"]))

    def _caveats(
        self, moved: Sequence[tuple[State, State]], found: Sequence[Mapping[str, Any]], pricer: Pricer
    ) -> Iterable[str]:
        models = pricer.catalog.models
        if not moved:
            yield "No priced request in the log is on a model that this would replace."
        for entry in found[:3]:
            yield (
                f"{models[entry['from']].name} to {models[entry['to']].name}: price per token "
                f"{_falls(entry['price_per_token_change'])}, the price of your text "
                f"{_changes(entry['price_of_text_change'])}."
            )
        if len(found) > 3:
            yield f"And {count(len(found) - 3, 'other pair')} of models."
        warm = [a for _, a in moved]
        extra = -pricer.saving(warm, cold([b for b, _ in moved], warm))
        if extra:
            yield f"Caches start cold on the new model: what must be written once more costs up to {dollars(extra)}."
        early = sum(a.rows for _, a in moved if a.group.on < models[str(a.group.model)].rates[0].since)
        if early:
            yield f"Sent before the new model was sold, and priced at its first price: {count(early, 'request')}."
        yield from self._forced(moved, pricer)
        if moved:
            yield "Costs are simulated, answers are not: a newer model may answer at another length."

    def _forced(self, moved: Sequence[tuple[State, State]], pricer: Pricer) -> Iterable[str]:
        """The models among these that retire, and when."""
        days: dict[date, set[str]] = {}
        for b, _ in moved:
            model = pricer.catalog.models[str(b.group.model)]
            if (day := model.retires(b.group.provider)) is not None:
                days.setdefault(day, set()).add(model.name)
        for day, names in sorted(days.items()):
            yield f"{', '.join(sorted(names))} {'retires' if len(names) == 1 else 'retire'} on {day}: that change is forced."


USD = ("before_usd", "after_usd")


def cold(old: Sequence[State], warm: Sequence[State]) -> list[State]:
    """The moved states when all that was read in the first hour has to be written: for an hour where their old model's
    writes are billed for one.
    """
    hour = {b.group.model for b, a in zip(old, warm, strict=True) if a.tokens[WRITE_1H]}
    return [
        _written(a, "cache_write_1h" if b.group.model in hour else "cache_write_5m")
        for b, a in zip(old, warm, strict=True)
    ]


def _written(state: State, ttl: str) -> State:
    if not state.keys["upgrade_cold"] or not state.tokens[READ]:
        return state
    held = state.tokens[WRITE_1H if ttl == "cache_write_1h" else WRITE_5M]
    return state.with_tokens(cache_read=0, **{ttl: EXACT.add(held, state.tokens[READ])})


def _same_tokens(state: State, target: str) -> State:
    """At the target's list price, as though it counted tokens alike."""
    return state.but(moved=True).regrouped(model=target, size=0)


def _change(before: Decimal, after: Decimal) -> float | None:
    return float(after / before - 1) if before else None


def _falls(change: float | None) -> str:
    if not change:
        return "stays"
    return f"{'falls' if change < 0 else 'rises'} {abs(change) * 100:.1f} %"


def _changes(change: float | None) -> str:
    return f"changes by {change * 100:+.1f} %" if change else "stays"


def successors(catalog: Catalog, asked: str = AUTO) -> dict[str, Model]:
    """By model, the newest of its family that is sold; with a model or family asked for, that one, for older ones only.

    Raises AuditError for a model that the catalog does not know.
    """
    if asked == AUTO:
        newest: dict[str, Model] = {}
        for model in catalog.models.values():
            if model.rates and not (model.retired and model.retired <= catalog.as_of):
                newest.setdefault(model.family, model)  # newest first
    else:
        found = catalog.resolve(asked)
        if found is None:
            hint = "claude-audit prices lists the models; opus means the newest Opus, auto each model's own successor"
            raise AuditError(f"--upgrade {asked!r}: no such model", hint)
        newest = {found.model.family: found.model}
    return {
        model.id: newest[model.family]
        for model in catalog.models.values()
        if model.family in newest and model.released < newest[model.family].released
    }


def build(options: Mapping[str, Any], catalog: Catalog) -> Upgrade | None:
    """The lever for these options. Raises AuditError for a target that the catalog does not know."""
    if options.get(NAME) is None:
        return None
    asked = str(options[NAME]).strip()
    return Upgrade(asked, successors(catalog, asked), tokenizers(options, catalog))


KIND = Kind(
    NAME,
    Stage.MODEL,
    (
        Option(NAME, str, "Move requests to a newer model of their family, or each to its newest.", "MODEL|auto"),
        Option("tokenizer_factor", str, "Tokens of the new tokenizer for one of the old [1.3].", "F"),
    ),
    build,
    __doc__ or "",
    effort=Effort.LOW,
    risk=Risk(1, ("other answers",)),
    rollback="name the old model again, while it is sold",
    turn=0,
    default={NAME: "auto"},
)
