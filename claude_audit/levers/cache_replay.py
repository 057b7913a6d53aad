"""Prompt caching replayed: what your own requests, at their own times, would have read and written. Graded replayed.

What it assumes: no hit rate. Requests with prompt_blocks are served one after the other, by start, under the vendor's
rules: an entry lives 5 minutes (or 1 hour) from the start of the last request that wrote or read it, can be read once the
response that wrote it has begun, and is shared within a workspace (on Bedrock and Vertex: within the organisation), a
model and a speed. Prompts under the model's minimum are not cached. Entries are written where blocks are marked (at most
four marks, each looks back over 20 blocks), else at the end of each prompt; `--cache-policy every` writes at every block,
which no client can do, and is the upper bound. Rows without prompt_blocks, in batches, or whose blocks are larger than
their prompt stay as billed; when such rows hold over 20 % of the spend, the step counts as bounded.

Formula: per request read + written + uncached = prompt. Low and high: the lowest and highest saving over the visibility
asked for, entries readable from the writer's start, and only from its end. Where caching is on today, the reads that the
replay predicts are compared with those that were billed (back_test), and the difference is printed.

Example: a prefix of 4,000 tokens and a question of 200 on Claude Sonnet 5.5, 100 answer tokens, sent at 0, 1, 100, 395, 700
and 900 s, first tokens 2 s later: 3 of the 6 read. 6 x (200 x 2 + 100 x 10) + 3 x 4,000 x (0.10 + 2.50) = $0.0396 for
$0.0564. Could entries be read at once, the second request would read too: $0.03.

When it costs money: cold traffic, with gaps longer than the TTL; parallel first requests, which all write; 1-hour entries
(written at twice the input price) where 5-minute ones stay alive.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from typing import TYPE_CHECKING, Any

from claude_audit import temporary
from claude_audit.errors import AuditError
from claude_audit.levers import Kind, Lever, Option, Outcome, Stage, positive
from claude_audit.money import EXACT, ZERO, exact
from claude_audit.replay import POLICIES, TTLS, VISIBLE
from claude_audit.waterfall import Assumption, Calibration, Effort, Excluded, Grade

if TYPE_CHECKING:
    import narwhals.stable.v2 as nw

    from claude_audit.catalog import Catalog
    from claude_audit.engines import Engine
    from claude_audit.levers._replayed import BackTest, Replayed, Replayer
    from claude_audit.levers._shared_prefix import Group, Name
    from claude_audit.scan import Scan
    from claude_audit.states import Pricer, State

NAME = "cache_replay"
AUTO = "auto"
MOST_UNREPLAYED = Decimal("0.20")
"""Share of the spend above which rows that cannot be replayed make the figure a bound."""


@dataclass
class CacheReplay(Lever):
    """`--cache-replay`."""

    policy: str | None
    ttl: str
    minimum: int | None
    visible: str
    factor: Decimal
    given: frozenset[str]
    """Options that were asked for; the others are defaults."""
    name: str = NAME
    stage: Stage = Stage.CACHE
    dimensions: tuple[str, ...] = ("workspace", "endpoint")
    slow: bool = True
    _engine: Engine | None = field(default=None, repr=False)
    _scan: Scan | None = field(default=None, repr=False)
    _replayer: Replayer | None = field(default=None, repr=False)
    _groups: Mapping[Name, Group] = field(default_factory=dict, repr=False)
    """Of a log without prompt_blocks."""

    @property
    def argument(self) -> str:
        """The TTL, and what else was asked for."""
        asked = [self.ttl]
        asked += [f"policy {self.policy}"] if self.policy else []
        asked += [f"minimum {self.minimum}"] if self.minimum is not None else []
        asked += [f"visible from {self.visible}"] if "cache_visible" in self.given else []
        return ", ".join(asked)

    @property
    def replayer(self) -> Replayer:
        """The rows that can be replayed: there once the scan has begun."""
        if self._replayer is None:
            raise AssertionError("the replay reads its rows before the tally")
        return self._replayer

    def survey(self, usage: nw.LazyFrame[Any], engine: Engine) -> nw.LazyFrame[Any]:
        """Nothing to read before all levers have said what parts the rows."""
        self._engine = engine
        return usage

    def classify(self, scan: Scan) -> None:
        """Part the lines by the kinds of rows that are replayed alike."""
        import narwhals.stable.v2 as nw

        from claude_audit.levers._streams import KIND_OF_ROW

        self._scan = scan
        scan.key(KIND_OF_ROW, nw.col(KIND_OF_ROW))
        scan.joins.append(self._joined)

    def _joined(self, usage: nw.LazyFrame[Any], by: Sequence[str]) -> nw.LazyFrame[Any]:
        """The rows, each with its kind, or why it has none; null where there are no prompt_blocks."""
        import narwhals.stable.v2 as nw

        from claude_audit.levers._replayed import ENDS, Replayer, end_of
        from claude_audit.levers._shared_prefix import groups
        from claude_audit.levers._streams import KIND_OF_ROW, stream

        if self._engine is None or self._scan is None:
            raise AssertionError("rows are joined after survey and classify")
        folder = temporary.kept_by(self)
        scan = self._scan
        keys = [key for name, key in scan.line_keys(by).items() if name != KIND_OF_ROW]
        beside = {name: nw.col(name) for rewrite in scan.rewrites.values() for name in rewrite.columns}
        for variant in scan.quantities["prompt"]:
            if variant and all(mark in scan.rewrites for mark in variant):
                beside |= {end_of(what, variant): scan.quantities[what][variant] for what in ENDS}
        found = stream(usage, keys, self.policy, folder, beside)
        self._replayer = Replayer(
            found, scan.catalog, scan.moves, scan.grown, self.policy, self.minimum, self.factor, scan.rewrites
        )
        if found.path is None:
            self._groups = groups(usage, self._engine)
            return usage.with_columns(nw.lit(None).cast(nw.Int32).alias(KIND_OF_ROW))
        return usage.join(self._engine.scan([str(found.path)]), on="row_id", how="left")

    def move(self, states: Sequence[State], pricer: Pricer) -> list[State]:
        """Read and write what the replay of the requests, as they are by now, says."""
        return self.replayer.replay(states, pricer, self.ttl, self.visible).states

    def judge(self, before: Sequence[State], after: Sequence[State], pricer: Pricer) -> Outcome:
        """The visibilities, the other TTL, the back-test; what could not be replayed."""
        from claude_audit.levers import _replay_words as words
        from claude_audit.levers._shared_prefix import bound

        spend = pricer.total(before)

        def saving(replayed: Replayed) -> Decimal:
            return EXACT.subtract(spend, pricer.total(replayed.states))

        def replay(ttl: str | None, visible: str = self.visible) -> Replayed:
            return self.replayer.replay(before, pricer, ttl, visible)

        point = replay(self.ttl)
        seen = {visible: replay(self.ttl, visible) for visible in VISIBLE}
        savings = [saving(point), *map(saving, seen.values())]
        by_ttl = {"none": saving(replay(None))} | {ttl: saving(replay(ttl)) for ttl in TTLS}
        test = self.replayer.back_test(pricer.logged or before, pricer, self.ttl, self.visible)
        barred = self._barred(before, pricer)
        left_out = sum((usd for _, usd in barred.values()), ZERO)
        settled = None
        if test and test.phi < 1:
            settled = EXACT.subtract(spend, pricer.total(self.replayer.calibrated(point, test.phi)))
        facts = self._facts(point, test, settled)
        facts["saving_by_ttl_usd"] = {ttl: exact(usd) for ttl, usd in by_ttl.items()}
        limits = bound(self._groups, before, pricer, "5m" if self.ttl == AUTO else self.ttl, self.minimum)
        if limits:
            facts["bound"] = {
                "requests": limits.requests,
                "token_hit_rate_low": limits.rates[0],
                "token_hit_rate_high": limits.rates[1],
                "low_usd": exact(limits.low_usd),
                "high_usd": exact(limits.high_usd),
            }
        caveats = [words.replayed(test) if point.requests else words.nothing(limits)]
        caveats += words.calibration(test, settled, max(savings))
        at_once = self.replayer.replay(before, pricer, self.ttl, "start", point.ttls)
        caveats += words.fan_out(point, at_once, EXACT.subtract(saving(at_once), savings[0]))
        caveats += words.other_ttl(self.ttl, by_ttl)
        caveats += words.chosen(point) if self.ttl == AUTO else []
        caveats += words.cold(before, point, savings[0], pricer)
        caveats += words.unreplayed(barred, left_out, spend)
        caveats += words.untimed(self.replayer.stream.untimed, self.visible)
        caveats += [] if self.minimum else words.no_minimum(before, point, pricer)
        return Outcome(
            changed=point.changed,
            low=min(savings),
            high=max(savings),
            grade=Grade.BOUNDED if left_out > MOST_UNREPLAYED * spend else Grade.REPLAYED,
            caveats=tuple(caveats),
            assumptions=tuple(self._assumptions()),
            excluded=tuple(Excluded(gate, rows, usd) for gate, (rows, usd) in sorted(barred.items())),
            facts={"replay": facts},
            calibration=Calibration(test.billed, test.predicted) if test and test.billed else None,
        )

    def _barred(self, states: Sequence[State], pricer: Pricer) -> dict[str, tuple[int, Decimal]]:
        """By gate: the rows that stay as billed, and what they cost."""
        found: dict[str, tuple[int, Decimal]] = {}
        for state in states:
            if gate := self.replayer.barred(state, pricer):
                rows, usd = found.get(gate, (0, ZERO))
                found[gate] = rows + state.rows, EXACT.add(usd, pricer.cost(state))
        return found

    def _facts(self, point: Replayed, test: BackTest | None, settled: Decimal | None) -> dict[str, Any]:
        error = test.error if test else None
        facts: dict[str, Any] = {
            "requests": point.requests,
            "requests_hit": point.hit,
            "read_tokens": point.read,
            "write_tokens": point.written,
            "uncached_tokens": point.uncached,
            "token_hit_rate": point.token_hit_rate,
            "back_test": {
                "billed_read_tokens": test.billed if test else None,
                "predicted_read_tokens": test.predicted if test else None,
                "error": None if error is None else round(float(error), 6),
                "calibrated_saving_usd": exact(settled),
            },
        }
        if self.ttl == AUTO:
            names = ("provider", "workspace", "model", "speed")
            facts["ttls"] = [dict(zip(names, space, strict=True)) | {"ttl": ttl} for space, ttl in point.ttls.items()]
        return facts

    def _assumptions(self) -> list[Assumption]:
        def source(option: str) -> str:
            return "flag" if option in self.given else "default"

        return [
            Assumption("TTL of writes", self.ttl, source("cache_ttl")),
            Assumption("where entries are written", self.policy or "at marks, else at the end", source("cache_policy")),
            Assumption(
                "entries can be read from the writer's", self.visible.replace("-", " "), source("cache_visible")
            ),
            Assumption(
                "shortest cacheable prompt",
                "the model's own" if self.minimum is None else f"{self.minimum} tokens",
                "vendor" if self.minimum is None else "flag",
            ),
        ]


def build(options: Mapping[str, Any], catalog: Catalog) -> CacheReplay | None:
    """The lever for these options. Raises AuditError for a value that is none, and beside --cache-hit."""
    if not options.get(NAME):
        return None
    if options.get("cache_hit") is not None:
        raise AuditError(
            "--cache-hit and --cache-replay exclude each other: one assumes the hit rate that the other finds out",
            "use --cache-replay where the log has prompt_blocks, else --cache-hit",
        )
    minimum = options.get("cache_minimum")
    factor = options.get("tokenizer_factor")
    return CacheReplay(
        policy=_one_of(options, "cache_policy", POLICIES, None),
        ttl=_one_of(options, "cache_ttl", (*TTLS, AUTO), "5m") or "5m",
        minimum=None if minimum is None else positive(minimum, "--cache-minimum", "a number of tokens above 0"),
        visible=_one_of(options, "cache_visible", VISIBLE, "first-token") or "first-token",
        factor=catalog.tokenizer_factor if factor is None else Decimal(str(factor)),
        given=frozenset(name for name, value in options.items() if value is not None),
    )


def _one_of(options: Mapping[str, Any], name: str, known: Sequence[str], default: str | None) -> str | None:
    value = options.get(name)
    if value is None:
        return default
    if str(value) not in known:
        raise AuditError(f"--{name.replace('_', '-')} {value!r} is not known", f"use one of: {', '.join(known)}")
    return str(value)


KIND = Kind(
    NAME,
    Stage.CACHE,
    (
        Option(NAME, bool, "Replay the prompt cache over the log's own times and prompts."),
        Option(
            "cache_policy", str, "Where entries are written: marked, end or every block [marked, else end].", "POLICY"
        ),
        Option("cache_ttl", str, "Lifetime of written entries: 5m, 1h, or (replayed) auto, the cheapest [5m].", "TTL"),
        Option("cache_minimum", int, "Shortest cacheable prompt, in tokens [the model's own].", "N"),
        Option(
            "cache_visible",
            str,
            "Entries can be read from the writer's start, first-token or end [first-token].",
            "WHEN",
        ),
    ),
    build,
    __doc__ or "",
    effort=Effort.LOW,
    rollback="take cache_control out again",
    default={NAME: True, "cache_ttl": AUTO},
    needs=("prompt_blocks",),
    supersedes=("cache_hit",),
)
