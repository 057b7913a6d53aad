"""Dated prices, each with the file and line that states it."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace
from datetime import date, timedelta
from decimal import Decimal
from fnmatch import fnmatchcase
from functools import cached_property
from pathlib import Path

from claude_audit import model_ids
from claude_audit.catalog_contents import Contents
from claude_audit.catalog_list import listed
from claude_audit.money import EXACT
from claude_audit.rates import (
    Band,
    Factor,
    Group,
    Model,
    Price,
    Rate,
    RefusalRule,
    Resolved,
    Setting,
    Unpriced,
)
from claude_audit.usage import TOKEN_CLASSES

__all__ = [
    "TOKEN_CLASSES",
    "Band",
    "Catalog",
    "Factor",
    "Group",
    "Model",
    "Price",
    "Rate",
    "RefusalRule",
    "Resolved",
    "Setting",
    "Unpriced",
    "load",
]

UNKNOWN_MODEL = Unpriced("unknown model")
BEFORE_FIRST_PRICE = Unpriced("before its first price")
NO_PRICE_IN_FORCE = Unpriced("no price in force")
NO_FAST_PRICE = Unpriced("no fast price in force")
FAST_BATCH = Unpriced("fast mode is not sold in batches")


def load(*user_files: Path) -> Catalog:
    """The prices that ship with the package, with the user's files on top (pricing/README.md, "Your own prices").

    Raises AuditError naming file and line for what is wrong in a file.
    """
    if not user_files:
        return Catalog(listed())
    from claude_audit.catalog_build import build

    return Catalog(build(user_files))


class Catalog:
    """Models, their dated prices, and everything that multiplies or adds to them. It does not change once loaded."""

    def __init__(self, contents: Contents) -> None:
        self._contents = contents
        self.models: Mapping[str, Model] = contents.models
        """By id, newest first."""
        self.settings: Mapping[str, Setting] = contents.settings
        """The open questions about bills, by name, with the answers in use."""
        self.refusal_rules: tuple[RefusalRule, ...] = contents.refusals
        """When a refusal without output is billed, ascending in time, without gaps."""
        self.tokenizer_factor: Decimal = contents.tokenizer.ratio
        """Tokens of the new tokenizer for one of the old, for the same text."""
        self.tokenizer_range: tuple[Decimal, Decimal] = (contents.tokenizer.low, contents.tokenizer.high)
        self.as_of: date = contents.as_of
        """The day to which the built-in files are known to be complete."""
        self._prices: dict[tuple[Group, bool], Price | Unpriced] = {}
        self._resolved: dict[tuple[str, bool], Resolved | None] = {}

    @cached_property
    def thresholds(self) -> tuple[int, ...]:
        """All prompt sizes above which some model at some time costs more, ascending."""
        return tuple(sorted({rate.band.over for rate in self._all_rates() if rate.band}))

    @cached_property
    def banded_models(self) -> frozenset[str]:
        """Models for which the size of a prompt decides, at some time."""
        return frozenset(rate.model for rate in self._all_rates() if rate.band)

    @cached_property
    def without_cache_price(self) -> frozenset[str]:
        """Models that at some time have no price for cache tokens."""
        models = self.models.values()
        return frozenset(m.id for m in models if any(r.usd_per_mtok["cache_read"] is None for r in m.rates))

    @cached_property
    def contract(self) -> bool:
        """Whether a file of the user's changes what the list says of a price."""
        return bool(self._contents.discounts) or any(not rate.listed for rate in self._all_rates())

    def _all_rates(self) -> Iterator[Rate]:
        for model in self.models.values():
            yield from model.rates
            yield from model.fast_rates

    def resolve(self, spelling: str, *, families: bool = True) -> Resolved | None:
        """The model that `spelling` means, and what the spelling shows about who bills; None, never a guess.

        "haiku" means the newest Haiku; say `families=False` for text from a log, where that would be a guess.
        """
        key = (spelling, families)
        if key not in self._resolved:
            if len(self._resolved) > 50_000:  # a log may hold any text where a model should stand
                self._resolved.clear()
            match = self._contents.ids.find(spelling, families=families)
            self._resolved[key] = (
                None if match is None else Resolved(self.models[match.model], match.provider, match.routing)
            )
        return self._resolved[key]

    def is_claude(self, spelling: str) -> bool:
        """Whether `spelling` can be a Claude model, known or not; tells other vendors' rows apart in shared logs.

        ARNs that hide their model (application inference profiles) count: they are kept, unpriced.
        """
        return model_ids.is_claude(spelling) or self.resolve(spelling) is not None

    def price(self, group: Group, *, lenient: bool = False) -> Price | Unpriced:
        """What the tokens of a group cost.

        `lenient` prices a day before a model's first row at that row: for the targets of what-ifs only.
        """
        key = (group, lenient)
        if key not in self._prices:
            self._prices[key] = self._price(group, lenient)
        return self._prices[key]

    def _price(self, group: Group, lenient: bool) -> Price | Unpriced:
        model = self.models.get(group.model) if group.model else None
        if model is None:
            return UNKNOWN_MODEL
        fast = group.speed == "fast"
        if fast and group.tier == "batch":
            return FAST_BATCH
        decided: list[str] = []
        rate = self._rate(model, group.on, lenient, fast)
        if fast and rate == NO_FAST_PRICE:
            decided.append("fast_without_price")
            if self.settings["fast_without_price"].value == "standard":
                rate = self._rate(model, group.on, lenient, fast=False)
        if isinstance(rate, Unpriced):
            return rate
        if rate.setting:
            decided.append(rate.setting)
        rate = self._kept_elsewhere(model, group, rate, decided)
        banded = rate.band is not None and group.size > self.thresholds.index(rate.band.over)
        factors = tuple(self._factors(model, group, rate, decided))
        return Price(rate, banded, factors, tuple(decided))

    def list_price(self, group: Group) -> Price | Unpriced:
        """What the tokens of a group would cost without the user's own prices and discounts.

        A model that is in the user's files only has no other price than theirs: that one.
        """
        price = self.price(group)
        if isinstance(price, Unpriced):
            return price
        if not price.rate.listed:
            listed = self._without_contract.price(group)
            return price if isinstance(listed, Unpriced) else listed
        discounts = [row.factor for row in self._contents.discounts]
        return replace(price, factors=tuple(factor for factor in price.factors if factor not in discounts))

    @cached_property
    def _without_contract(self) -> Catalog:
        """The list, under the user's answers to the open questions."""
        mine = self._contents
        return Catalog(replace(listed(), factors=mine.factors, settings=mine.settings))

    def _rate(self, model: Model, on: date, lenient: bool, fast: bool) -> Rate | Unpriced:
        rate = model.rate(on, fast=fast)
        if rate is not None:
            return rate
        rates = model.fast_rates if fast else model.rates
        if lenient and rates and on < rates[0].since:
            return rates[0]
        if on < model.rates[0].since:
            return BEFORE_FIRST_PRICE
        return NO_FAST_PRICE if fast else NO_PRICE_IN_FORCE

    def _kept_elsewhere(self, model: Model, group: Group, rate: Rate, decided: list[str]) -> Rate:
        """The row with the long-prompt price that a cloud may have kept, where that would change anything."""
        row = self._contents.long_prompts_elsewhere
        concerned = model.id in row.models and group.provider in row.providers and group.on >= row.ended
        if not concerned or rate.fast or rate.band or not rate.listed:
            return rate
        kept = model.rate(row.ended - timedelta(days=1))
        if kept is None or kept.band is None or group.size <= self.thresholds.index(kept.band.over):
            return rate
        decided.append("long_prompts_elsewhere")
        return kept if self.settings["long_prompts_elsewhere"].value == "kept" else rate

    def _factors(self, model: Model, group: Group, rate: Rate, decided: list[str]) -> Iterator[Factor]:
        names = [_region_factor(group)]
        if group.geo == "us":
            # A US Data Zone of Foundry is that same premium, not a second one.
            names = ["inference_geo_us", *(name for name in names if name != "foundry_us_data_zone")]
        if group.tier in ("batch", "priority"):
            names.append(group.tier)
        for name in names:
            row = self._contents.factors.get(name) if name else None
            if row is None or (row.since and group.on < row.since):
                continue
            if row.applies_to != "all" and not getattr(model, row.applies_to):
                continue
            if question := _QUESTIONS.get(name or ""):
                decided.append(question)
            if row.factor != 1:
                yield Factor(str(name).replace("_", " "), row.factor, row.where)
        if rate.listed and (discount := self._discount(model, group)):
            yield discount

    def _discount(self, model: Model, group: Group) -> Factor | None:
        for row in reversed(self._contents.discounts):
            if row.provider not in (None, group.provider) or not fnmatchcase(model.id, row.models):
                continue
            if (row.since is None or row.since <= group.on) and (row.until is None or group.on < row.until):
                return row.factor
        return None

    def boundaries(self, models: Iterable[str], first: date, last: date) -> tuple[date, ...]:
        """The days in (first, last] from which on something else holds for one of the models, ascending.

        A rate, a cache minimum, a factor or a discount. Between two of them every price stays as it is; which refusals are
        billed may change (that is said of each row when it is read).
        """
        days: set[date | None] = {row.since for row in self._contents.factors.values()}
        days.add(self._contents.long_prompts_elsewhere.ended)
        for row in self._contents.discounts:
            days |= {row.since, row.until}
        for model in (self.models[name] for name in models if name in self.models):
            days |= {day for rate in (*model.rates, *model.fast_rates) for day in (rate.since, rate.until)}
            days |= {day for day, _ in model.minimums}
        return tuple(sorted(day for day in days if day is not None and first < day <= last))

    def search_fee(self) -> tuple[Decimal, str]:
        """(US dollars of one web search, where that is stated). No factor touches it."""
        row = self._contents.tools["web_search"]
        return EXACT.divide(row.usd, Decimal(row.units)), row.where

    def gateway_fee(self, provider: str) -> tuple[Decimal, str] | None:
        """(the share that a gateway takes on top of prices, where that is stated). None: it takes none, or nobody says."""
        row = self._contents.gateways.get(provider)
        return (row.share, row.where) if row else None

    def refusal_billed(self, on: date, category: str | None, provider: str | None = None) -> bool:
        """Whether a refusal without output is billed on that UTC day. `category` is stop_details.category."""
        if provider in self.refusals_always_billed_by:
            return True
        rule = next(rule for rule in reversed(self.refusal_rules) if rule.since is None or rule.since <= on)
        return rule.bills(category)

    @cached_property
    def refusals_always_billed_by(self) -> frozenset[str]:
        """Providers whose refusals cost whatever the rules say (setting refusals_on_clouds)."""
        return frozenset(("aws_bedrock", "gcp_vertex") if self.settings["refusals_on_clouds"].value == "billed" else ())


_QUESTIONS = {
    "bedrock_bare": "bedrock_bare_id",
    "bedrock_unknown": "bedrock_without_profile",
    "bedrock_us_gov": "bedrock_us_gov",
    "vertex_unknown": "vertex_without_location",
    "priority": "priority_tier",
}
"""Factor -> the open question that it answers."""


def _region_factor(group: Group) -> str | None:
    """The factor that the cloud and the place of a request ask for."""
    region = (group.region or "").lower()
    match group.provider:
        case "gcp_vertex":
            place = region or group.routing
            if place in (None, "bare"):
                return "vertex_unknown"
            return "vertex_global" if place == "global" else "vertex_regional"
        case "azure_foundry":
            return "foundry_us_data_zone" if group.routing == "regional" else "foundry"
        case "claude_platform_aws":
            return "claude_platform_aws"
    if group.routing == "us-gov" or (region.startswith("us-gov-") and group.routing in (None, "bare")):
        return "bedrock_us_gov"
    if group.routing:
        return f"bedrock_{group.routing}"
    return "bedrock_unknown" if group.provider == "aws_bedrock" else None
