"""Another provider: the same requests at another platform's prices, or at another vendor's. Bounded; off unless asked for.

What it assumes: the requests may go there. With the name of a platform (anthropic, aws_bedrock, gcp_vertex, azure_foundry,
claude_platform_aws, openrouter) the model stays the same, and its price there is the catalog's: the list price, a premium
for a region, a gateway's fee. With a file, the requests go to another vendor's model, whose answers nobody has seen:

    name: other-large
    usd_per_mtok: {input: 0.5, output: 2}     # cache_read, cache_write_5m, cache_write_1h where they are sold
    tokens: [0.8, 1.2]                        # its tokens for one of Claude's: at least, at most
    fee: 0.05                                 # a gateway's, on top
    models: [claude-sonnet-*]                 # whose requests would go; all, where it is left out
    endpoints: [mail-*]                       # likewise
    batch: 0.5                                # factor of its batches; batches stay, where it is left out

Formula: tokens x factor x price x (1 + fee). Of another vendor both ends of the token factor are shown, and the point is
the dearer one; cache tokens are billed as input where no price for them is named. Of a platform with a premium for regions
low and high are with and without it, unless `--provider-region` says which.
Kept where they are: fast mode and priority tier; US inference, unless a region is asked for; models not sold there; in a
batch or with web searches, where the other side has none.

Example: 10 million tokens in and 1 million out on Claude Sonnet 5.5 cost 10 x 2 + 1 x 10 = $30. At 0.50 and 2, 0.8 to 1.2
tokens for one, and a fee of 5 %: (10 x 0.5 + 1 x 2) x 0.8 x 1.05 = $5.88 to $8.82.

When it costs money: in a region's premium; where the other side caches nothing; where its tokenizer counts more.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from decimal import Decimal
from fnmatch import fnmatchcase
from pathlib import Path
from typing import TYPE_CHECKING, Any

from claude_audit.errors import AuditError
from claude_audit.levers import Kind, Lever, Option, Outcome, Stage, changed_rows, kept_out, pairs
from claude_audit.levers._offers import offer, offered
from claude_audit.money import EXACT
from claude_audit.rates import Factor, Unpriced
from claude_audit.states import State, text_of
from claude_audit.waterfall import Assumption, Effort, Grade, Risk

if TYPE_CHECKING:
    from claude_audit.catalog import Catalog
    from claude_audit.levers._vendor_file import OtherVendor
    from claude_audit.scan import Scan
    from claude_audit.states import Pricer

NAME = "provider"
CLOUDS = ("aws_bedrock", "gcp_vertex", "azure_foundry")
"""Platforms that sell by region."""
PLATFORMS = ("anthropic", *CLOUDS, "claude_platform_aws", "openrouter")
REGIONS = ("global", "regional")
SEARCHES = "provider_searches"
"""The key that parts rows with web searches."""
ONE = Decimal(1)


@dataclass
class Provider(Lever):
    """`--provider NAME|FILE.yaml`."""

    asked: str
    vendor: OtherVendor | None
    """None: a platform that sells the same models."""
    region: str | None
    fee: Decimal
    fee_where: str
    """Where the fee is from: a flag, or a place in a file."""
    name: str = NAME
    stage: Stage = Stage.PRICE
    dimensions: tuple[str, ...] = ("endpoint",)
    single: bool = True
    _known: dict[tuple[int, str, Decimal], tuple[State, State]] = field(default_factory=dict, repr=False)

    @property
    def argument(self) -> str:
        """The platform, or the vendor's name."""
        return self.vendor.name if self.vendor else self.asked

    @property
    def factors(self) -> tuple[Decimal, ...]:
        """Its tokens for one of Claude's, the dearer end first."""
        return tuple(sorted(self.vendor.tokens, reverse=True)) if self.vendor else (ONE,)

    @property
    def regions(self) -> tuple[str, ...]:
        """Where it may be sold, the one of the point first."""
        if self.asked not in CLOUDS:
            return ("global",)
        return (self.region,) if self.region else REGIONS

    def classify(self, scan: Scan) -> None:
        """Which requests search the web."""
        import narwhals.stable.v2 as nw

        if self.vendor:
            scan.key(SEARCHES, nw.col("web_searches").fill_null(0) > 0, 2)

    def _barred(self, state: State, pricer: Pricer) -> str | None:
        group = state.group
        if state.offer is not None:
            return "at another price already"
        if group.speed == "fast":
            return "fast mode"
        if group.tier == "priority":
            return "priority tier"
        if self.vendor:
            return self._barred_there(state, self.vendor)
        model = pricer.catalog.models.get(group.model or "")
        if group.provider == self.asked:
            return "there already"
        if model is None or (self.asked == "aws_bedrock" and not model.bedrock):
            return "model not sold there"
        if self.asked == "gcp_vertex" and not model.vertex:
            return "model not sold there"
        if self.asked == "openrouter" and group.tier == "batch":
            return "in a batch"
        if group.geo == "us" and self.asked in (*CLOUDS, "openrouter") and self.region != "regional":
            return "US inference"
        there = [pricer.price(self._there(state, pricer, region)) for region in self.regions]
        return "no price there" if any(isinstance(price, Unpriced) for price in there) else None

    def _barred_there(self, state: State, vendor: OtherVendor) -> str | None:
        if not any(fnmatchcase(state.group.model or "", glob) for glob in vendor.models):
            return "not among the models named"
        if not any(fnmatchcase(state.labels["endpoint"] or "", glob) for glob in vendor.endpoints):
            return "not among the endpoints named"
        if state.group.geo == "us":
            return "US inference"
        if state.keys[SEARCHES]:
            return "web searches"
        return "in a batch" if state.group.tier == "batch" and vendor.batch is None else None

    def _there(self, state: State, pricer: Pricer, region: str) -> State:
        """The state on the platform, at list price there."""
        routing, place = None, None
        if self.asked in CLOUDS:
            routing = None if self.asked == "azure_foundry" and region == "global" else region
            place = "global" if self.asked == "gcp_vertex" and region == "global" else None
        geo = state.group.geo if self.asked in ("anthropic", "claude_platform_aws") else None
        there = state.regrouped(provider=self.asked, routing=routing, region=place, geo=geo)
        price = pricer.price(there)
        if not self.fee or isinstance(price, Unpriced):
            return there
        return there.but(offer=replace(price, factors=(*price.factors, self._fee())))

    def _fee(self) -> Factor:
        return Factor(f"fee of {self.argument}", EXACT.add(ONE, self.fee), self.fee_where)

    def placed(self, state: State, pricer: Pricer, region: str, per_token: Decimal) -> State:
        """The state at the other provider."""
        key = (id(state), region, per_token)
        if key not in self._known:
            # Kept beside its source, whose id would else be given to another.
            self._known[key] = state, self._placed(state, pricer, region, per_token)
        return self._known[key][1]

    def _placed(self, state: State, pricer: Pricer, region: str, per_token: Decimal) -> State:
        if self.vendor is None:
            return self._there(state, pricer, region)
        factors = [self._fee()] if self.fee else []
        if state.group.tier == "batch" and self.vendor.batch is not None:
            factors.append(Factor("batch", self.vendor.batch, self.vendor.where))
        prices = {str(name): usd for name, usd in self.vendor.usd_per_mtok.items() if usd is not None}
        return offered(state, offer(self.vendor.name, prices, self.vendor.where, tuple(factors)), per_token)

    def move(self, states: Sequence[State], pricer: Pricer) -> list[State]:
        """To the other provider, at the dearer end of the token factor."""
        return [
            state if self._barred(state, pricer) else self.placed(state, pricer, self.regions[0], self.factors[0])
            for state in states
        ]

    def judge(self, before: Sequence[State], after: Sequence[State], pricer: Pricer) -> Outcome:
        """Over token factors and regions."""
        moved = [old for old, _ in pairs(before, after)]
        cost = pricer.total(moved)
        savings = [
            EXACT.subtract(cost, pricer.total([self.placed(state, pricer, region, factor) for state in moved]))
            for region in self.regions
            for factor in self.factors
        ]
        sure = not self.vendor and not self.fee and min(savings) == max(savings)
        return Outcome(
            changed=changed_rows(before, after),
            low=min(savings),
            high=max(savings),
            grade=Grade.METERED if sure else Grade.BOUNDED,
            caveats=tuple(self._caveats()) if moved else ("No request may go there.",),
            assumptions=tuple(self._assumptions()),
            excluded=kept_out([(state, self._barred(state, pricer)) for state in before], pricer),
            risk=Risk(4, ("another vendor's model answers",)) if self.vendor else None,
        )

    def _caveats(self) -> list[str]:
        if self.vendor:
            said = [
                f"{self.vendor.name} counts tokens by a tokenizer of its own: an interval, of which the point is the dearer "
                "end. Its answers are not in this log; try them before you switch."
            ]
        else:
            said = ["Caches are cold on the day of the change; limits, features and answers there are yours to try."]
        if len(self.regions) > 1:
            said.append("Low is with the premium of a region, the point without it: --provider-region says which.")
        return [*said, "Residency and latency duties are yours to judge."]

    def _assumptions(self) -> list[Assumption]:
        found = []
        if self.vendor:
            low, high = min(self.factors), max(self.factors)
            span = text_of(low) if low == high else f"{text_of(low)} to {text_of(high)}"
            found.append(Assumption("its tokens for one of Claude's", span, "flag"))
        if self.fee:
            source = "flag" if self.vendor or self.fee_where.startswith("--") else "vendor"
            found.append(Assumption("fee on top", f"{text_of(self.fee * 100)} %", source))
        if self.region:
            found.append(Assumption("region", self.region, "flag"))
        return found


def build(options: Mapping[str, Any], catalog: Catalog) -> Provider | None:
    """The lever for these options. Raises AuditError for a provider that is neither a platform nor a file."""
    asked = options.get(NAME)
    if asked is None:
        return None
    asked = str(asked)
    region = options.get("provider_region")
    if region is not None and (asked not in CLOUDS or region not in REGIONS):
        raise AuditError(
            f"--provider-region {region!r} with --provider {asked}", f"global or regional, of {', '.join(CLOUDS)}"
        )
    given = options.get("provider_fee")
    if asked in PLATFORMS:
        known = catalog.gateway_fee(asked)
        fee, where = (_fee(given), "--provider-fee") if given is not None else known or (Decimal(0), "")
        return Provider(asked, None, region, fee, where)
    if not asked.endswith((".yaml", ".yml")):
        hint = f"one of {', '.join(PLATFORMS)}, or a file of prices: claude-audit whatif --provider other.yaml"
        raise AuditError(f"--provider {asked!r}: no such platform", hint)
    from claude_audit.levers._vendor_file import vendor_file

    vendor = vendor_file(Path(asked))
    fee, where = (vendor.fee, vendor.where) if given is None else (_fee(given), "--provider-fee")
    return Provider(asked, vendor, None, fee, where)


def _fee(value: Any) -> Decimal:
    text = str(value).strip()
    try:
        fee = Decimal(text.removesuffix("%")) / (100 if text.endswith("%") else 1)
    except ArithmeticError:
        fee = Decimal(-1)
    if not fee.is_finite() or not 0 <= fee <= 1:
        raise AuditError(f"--provider-fee {value} is not a share from 0 to 1", "for example --provider-fee 0.055")
    return fee


KIND = Kind(
    NAME,
    Stage.PRICE,
    (
        Option(NAME, str, "Bill the requests as another platform, or a file of prices, would.", "NAME|FILE"),
        Option("provider_region", str, "There: global or regional [both, as bounds].", "WHERE"),
        Option("provider_fee", str, "A gateway's fee on top, as a share [what is known of it].", "SHARE"),
    ),
    build,
    __doc__ or "",
    effort=Effort.HIGH,
    rollback="the client's base URL and credentials",
    turn=2,
)
