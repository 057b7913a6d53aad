"""Tool pruning: definitions of tools that nobody calls leave the prompt, once and for all. Graded metered, or bounded.

What it assumes: tools that were defined and not called in 1,000 calls over 30 days will not be missed. A log counts tools, it
does not name them. So of an endpoint that never calls any, all definitions can go, and with the last of them the system
prompt that the API adds for tools (some 290 to 800 tokens by model: tool_prompt_tokens in pricing/anthropic.yaml), as far as
it stands outside of the logged blocks. Of an endpoint that calls some, nobody knows which: the point is 0, the high end all
of its definitions. If you know how many tokens of definitions nobody calls, say `--unused-tools TOKENS`: then the figure is
yours, graded assumed, and holds wherever tools are defined.

Called is: tools_used above 0, a stop_reason of tool_use, a web search. Where tools_used is not recorded, an answer that
ended by itself called nothing. Other server tools leave no trace of their use: look them up before you drop them.

Formula: tokens of the prompt_blocks of kind `tools`, at the rate they were billed at (tools stand first in a prompt, so it is
that of the cache, where there is one). Then the cache minimum again, as in trim_system.

Example: 20 prompts of Claude Sonnet 5.5 begin with 7,500 tokens of tools, written twice and read 18 times. Without 6,000 of
them: 20 x 6,000 x (0.1 x 2.50 + 0.9 x 0.10) / 1,000,000 = $0.0408 less.

When it costs money: when the tools differ from request to request (`--prune-per-request` shows it). They stand first, so no
request then shares a prefix with another, and the whole cache is void: with a system prompt of 4,000 tokens behind them,
20 x (1,500 + 4,000) x 2 / 1,000,000 = $0.22, where all of it cost $0.0782 before.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from enum import Enum
from typing import TYPE_CHECKING, Any

from claude_audit.errors import AuditError
from claude_audit.levers import Kind, Option, Outcome, Stage, pairs, positive
from claude_audit.levers._cuts import AS_IT_WAS, CUT, UNKNOWN, Cuts, all_but
from claude_audit.levers._reblocked import shrunk
from claude_audit.levers._shorter import Shorter
from claude_audit.money import ZERO, dollars, exact
from claude_audit.prompt_ends import Prompt, flag
from claude_audit.states import READ, WRITE_1H, State
from claude_audit.text import count
from claude_audit.waterfall import Assumption, Effort, Grade, Risk

if TYPE_CHECKING:
    import narwhals.stable.v2 as nw

    from claude_audit.catalog import Catalog
    from claude_audit.engines import Engine
    from claude_audit.scan import Scan
    from claude_audit.states import Pricer

NAME = "prune_tools"
ENOUGH_CALLS, ENOUGH_DAYS = 1000, 30
"""From so many calls, over so many days, a tool that was never called counts as unused."""
NO_BLOCK, NOT_TOLD = 6, 7
"""What this lever says of a row beside what _cuts.py does."""
GATES = {
    NO_BLOCK: "tools defined, but no block of kind tools",
    NOT_TOLD: "tools_defined not recorded",
}
ENDED = ("end_turn", "stop_sequence")
"""Stop reasons of answers that wait for no tool."""


class Verdict(Enum):
    """What an endpoint's requests say of its tools."""

    NEVER = "never called"
    SOME = "some called"
    UNSURE = "nobody says whether any was called"
    ONLY_ONE = "its only tool is called"
    FEW = f"fewer than {ENOUGH_CALLS:,} calls over {ENOUGH_DAYS} days: too few to call a tool unused"


@dataclass
class PruneTools(Shorter):
    """`--prune-tools`, `--unused-tools N`, `--prune-per-request`."""

    unused: int | None = None
    """Tokens of definitions that nobody calls, if the user knows."""
    per_request: bool = False
    hidden: Mapping[str, int] = field(default_factory=dict)
    """By model: tokens of the system prompt that comes with tools."""
    name: str = NAME
    what: str = "tool definitions"
    wants: tuple[str, ...] = ("prompt_blocks", "tools_defined", "tools_used")
    verdicts: dict[tuple[str | None, str | None], Verdict] = field(default_factory=dict)
    """By workspace and endpoint."""

    @property
    def argument(self) -> str:
        """What was asked for beside it."""
        asked = [] if self.unused is None else [f"{self.unused} unused tokens"]
        return ", ".join([*asked, *(["per request"] if self.per_request else [])]) or "on"

    def survey(self, usage: nw.LazyFrame[Any], engine: Engine) -> nw.LazyFrame[Any]:
        """What each row would lose, and for each endpoint whether its tools are ever called."""
        import narwhals.stable.v2 as nw

        usage = self.cuts.survey(usage, engine)
        defined = nw.col("tools_defined")
        blind = nw.col("prompt_blocks").is_null()
        asks = (nw.col(self.cuts.column("state")).fill_null(AS_IT_WAS) == CUT) | (blind & (defined.fill_null(1) > 0))
        counted = ~nw.col("tools_used").is_null()
        used = (
            (nw.col("tools_used").fill_null(0) > 0)
            | (nw.col("stop_reason") == "tool_use").fill_null(False)
            | (nw.col("web_searches").fill_null(0) > 0)
        )
        told = counted | nw.col("stop_reason").is_in(ENDED).fill_null(False)
        rows = usage.filter(nw.col("unbilled").is_null(), nw.col("row_kind") == "call", asks).select(
            "workspace",
            "endpoint",
            "ts",
            calls=nw.col("requests").fill_null(0),
            used=flag(used),
            unsure=flag(~told),
            most=defined.fill_null(2),
        )
        groups = rows.group_by("workspace", "endpoint").agg(
            calls=nw.col("calls").sum(),
            first=nw.col("ts").min(),
            last=nw.col("ts").max(),
            used=nw.col("used").max(),
            unsure=nw.col("unsure").max(),
            most=nw.col("most").max(),
        )
        names = ("workspace", "endpoint", "calls", "first", "last", "used", "unsure", "most")
        for workspace, endpoint, calls, first, last, *rest in engine.rows(groups.select(*names)):
            days = (last.date() - first.date()).days + 1
            self.verdicts[workspace, endpoint] = _verdict(int(calls), days, *map(int, rest))
        return usage

    def classify(self, scan: Scan) -> None:
        """As any cut; the system prompt that comes with tools goes with them; per request, every cache is void."""
        scan.bind(prune_hidden=self._hidden(scan))
        super().classify(scan)
        if self.per_request:
            scan.reshape(f"{NAME}@static", super().make, follows=self.cuts.follows)
            scan.reshape(f"{NAME}@none", Prompt.cold, follows=self.cuts.follows)
            scan.rewrites[NAME] = shrunk(self.cuts.kinds, self.cuts.keep, alone=True)

    @property
    def bounds_asked(self) -> bool:
        """Whether anything is bounded: where tokens are given, nothing is."""
        return self.unused is None and not self.per_request

    def _hidden(self, scan: Scan) -> nw.Expr:
        """The added system prompt of a row's model, as far as its blocks leave room; 0 where its size is known to nobody."""
        import narwhals.stable.v2 as nw

        found = scan.fact(self.hidden) if self.unused is None else nw.lit(0)
        return nw.min_horizontal(found, nw.col(self.cuts.column("rest")).fill_null(0))

    def told(self, scan: Scan) -> nw.Expr:
        """As the blocks say; where there are none, as tools_defined does."""
        import narwhals.stable.v2 as nw

        state, defined = self.cuts.state, nw.col("tools_defined")
        blockless = (state == AS_IT_WAS) & (defined.fill_null(0) > 0)
        none = (state == UNKNOWN) & (defined.fill_null(1) == 0)
        found = nw.when(blockless).then(nw.lit(NO_BLOCK)).when(none).then(nw.lit(AS_IT_WAS))
        if self.unused is not None:
            found = found.when((state == UNKNOWN) & defined.is_null()).then(nw.lit(NOT_TOLD))
            found = found.when(state == UNKNOWN).then(nw.lit(CUT))
        return found.otherwise(state)

    def make(self, before: Prompt) -> Prompt:
        """Without the tools (or the tokens of them that were given), and without what the API adds for them."""
        import narwhals.stable.v2 as nw

        after = self.cuts.cut(before)
        extra = nw.col("prune_hidden")
        if self.unused is not None:
            # Rows that do not tell their blocks: tools stand first.
            extra = extra + flag((self.cuts.state == UNKNOWN) & (nw.col(self.key) == CUT)) * self.unused
        after = after.without(0, extra)
        return after.cold() if self.per_request else after

    def _without(self, before: Prompt) -> Prompt:
        after = self.cuts.cut(before).without(0, _col("prune_hidden"))
        return super()._without(after) if self.cuts.unknown else after

    def verdict(self, state: State) -> Verdict:
        """On the tools of the state's endpoint."""
        return self.verdicts.get((state.labels["workspace"], state.labels["endpoint"]), Verdict.FEW)

    def gate(self, state: State) -> str | None:
        """Also: too few calls, an only tool that is called."""
        said = state.keys[self.key]
        if said in GATES:
            return GATES[said]
        if self.bounds_asked and said in (CUT, UNKNOWN) and self.verdict(state) in (Verdict.FEW, Verdict.ONLY_ONE):
            return self.verdict(state).value
        return super().gate(state)

    def chosen(self, state: State) -> bool:
        """Whether its tools go: never called, or said to be unused."""
        return super().chosen(state) and (not self.bounds_asked or self.verdict(state) is Verdict.NEVER)

    def bounded(self, state: State) -> bool:
        """Whether some of its tools may be unused, and nobody knows how much that is."""
        if not self.bounds_asked or self.gate(state):
            return False
        said = state.keys[self.key]
        return said == UNKNOWN or (said == CUT and self.verdict(state) is not Verdict.NEVER)

    def move(self, states: Sequence[State], pricer: Pricer) -> list[State]:
        """Drop the definitions."""
        return [state.reshaped(NAME, void=self.per_request) if self.chosen(state) else state for state in states]

    def judge(self, before: Sequence[State], after: Sequence[State], pricer: Pricer) -> Outcome:
        """As any cut; per request, also what the same would save for all requests alike."""
        from dataclasses import replace

        outcome = super().judge(before, after, pricer)
        if self.per_request:
            return self._per_request(outcome, pairs(before, after), pricer)
        if self.unused is not None:
            outcome = replace(outcome, grade=Grade.ASSUMED)
        return replace(outcome, facts={**outcome.facts, "endpoints": self._endpoints()})

    def _endpoints(self) -> list[dict[str, Any]]:
        rows = sorted(self.verdicts.items(), key=lambda item: tuple(name or "" for name in item[0]))
        return [
            {"workspace": workspace, "endpoint": endpoint, "tools": verdict.value}
            for (workspace, endpoint), verdict in rows
        ]

    def _per_request(self, outcome: Outcome, moved: Sequence[tuple[State, State]], pricer: Pricer) -> Outcome:
        """With tools that differ from request to request: nothing is read, whatever is left out."""
        from dataclasses import replace

        olds = [b for b, _ in moved]
        point = pricer.saving(olds, [a for _, a in moved])
        least = point if self.unused is not None else pricer.saving(olds, [b.reshaped(f"{NAME}@none") for b in olds])
        static = pricer.saving(olds, [b.reshaped(f"{NAME}@static") for b in olds])
        caveats = [text for text in outcome.caveats if not text.startswith("The day of the change")]
        if any(sum(b.tokens[READ : WRITE_1H + 1]) for b in olds):
            caveats.append(
                "Tools stand first in a prompt: where they differ from request to request, nothing behind them can be read from "
                f"the cache. The same tools left out of all requests alike: {dollars(static)} saved."
            )
        if self.unused is None and moved:
            caveats.append("At best: no request needs any of its tools; at worst all do. Say --unused-tools TOKENS.")
        return replace(
            outcome,
            low=min(point, least),
            high=max(point, least),
            grade=Grade.ASSUMED,
            caveats=tuple(caveats),
            facts={**outcome.facts, "static_saving_usd": exact(static)},
        )

    def assumptions(self) -> tuple[Assumption, ...]:
        """What was given, and from when on a tool counts as unused."""
        given = [] if self.unused is None else [Assumption("tokens of unused tools", str(self.unused), "flag")]
        if self.bounds_asked:
            given.append(Assumption("a tool is unused if never called in calls", f"{ENOUGH_CALLS:,}", "default"))
            given.append(Assumption("over days", str(ENOUGH_DAYS), "default"))
        return tuple(given)

    def floor(self, moved: Iterable[tuple[State, State]], pricer: Pricer) -> tuple[int, Decimal] | None:
        """None where nothing is cached any more, whatever is left."""
        return None if self.per_request else super().floor(moved, pricer)

    def bounds(self, blind: Sequence[State], pricer: Pricer) -> tuple[Decimal, Decimal]:
        """None where tokens were given."""
        return super().bounds(blind, pricer) if self.bounds_asked else (ZERO, ZERO)

    def _blind(self, blind: Sequence[State], low: Decimal, high: Decimal) -> str:
        rows = sum(state.rows for state in blind)
        return (
            f"In {count(rows, 'more request')} some tools may be unused: a log counts tools, it does not name them. Were nearly all "
            f"of their definitions unused, up to {dollars(high)} more"
            + (f"; {dollars(-low)} less, if a cut fell below the cache minimum." if low < 0 else ".")
            + " If you know the tokens, say --unused-tools."
        )

    def words(self, moved: Sequence[tuple[State, State]]) -> Iterator[str]:
        """Also where tools are never called, and models of which nobody says what their tools bring along."""
        yield from super().words(moved)
        if not moved or self.unused is not None or self.per_request:
            return
        names = sorted({b.labels["endpoint"] or "(none)" for b, _ in moved})
        yield (
            f"No tool was ever called on {', '.join(names[:5])}{f' and {len(names) - 5} more' if len(names) > 5 else ''}. Server tools "
            "such as web fetch leave no trace of their use: look them up first."
        )
        unknown = sorted({str(b.group.model) for b, _ in moved} - self.hidden.keys())
        if unknown:
            yield f"No source states the system prompt that tools add on {', '.join(unknown)}: none is counted."


def _verdict(calls: int, days: int, used: int, unsure: int, most: int) -> Verdict:
    if calls < ENOUGH_CALLS or days < ENOUGH_DAYS:
        return Verdict.FEW
    if used:
        return Verdict.ONLY_ONE if most == 1 else Verdict.SOME
    return Verdict.UNSURE if unsure else Verdict.NEVER


def _col(name: str) -> nw.Expr:
    import narwhals.stable.v2 as nw

    return nw.col(name)


def build(options: Mapping[str, Any], catalog: Catalog) -> PruneTools | None:
    """The lever for these options. Raises AuditError for what is no number of tokens, and for its options without it."""
    if not options.get(NAME):
        for name in ("unused_tools", "prune_per_request"):
            if options.get(name):
                raise AuditError(f"--{name.replace('_', '-')} without --prune-tools", "say --prune-tools too")
        return None
    unused = options.get("unused_tools")
    if unused is not None:
        unused = positive(unused, "--unused-tools", "a number of tokens above 0")
    return PruneTools(
        Cuts(NAME, ("tools",), all_but(unused)),
        "on",
        unused=unused,
        per_request=bool(options.get("prune_per_request")),
        hidden={m.id: m.tool_prompt_tokens[0] for m in catalog.models.values() if m.tool_prompt_tokens},
    )


KIND = Kind(
    NAME,
    Stage.RESHAPE,
    (
        Option(NAME, bool, "Leave out the definitions of tools that are never called."),
        Option("unused_tools", str, "So many tokens of tool definitions are unused: you know it.", "TOKENS"),
        Option("prune_per_request", bool, "Show what tools that differ by request do to the cache."),
    ),
    build,
    __doc__ or "",
    effort=Effort.LOW,
    risk=Risk(1, ("a tool that is left out may be wanted once",)),
    rollback="the old list of tools",
)
