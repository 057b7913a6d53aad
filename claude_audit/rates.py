"""What a price is made of: dated rates of models, factors on top, and the group of rows that shares them."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date
from decimal import Decimal

from claude_audit.money import EXACT

OWN_API = (None, "anthropic", "claude_platform_aws")
"""Providers that run Anthropic's own API: they retire a model on Anthropic's day."""


@dataclass(frozen=True, slots=True)
class Band:
    """Prices of the whole request when its prompt is larger than `over` tokens."""

    over: int
    usd_per_mtok: Mapping[str, Decimal | None] = field(hash=False)
    """By token class; None: not sold."""
    beta_header: bool = False
    """Such prompts were errors without a beta header."""


@dataclass(frozen=True, slots=True)
class Rate:
    """One dated row: what a model costs in [since, until), by UTC day."""

    model: str
    since: date
    until: date | None
    usd_per_mtok: Mapping[str, Decimal | None] = field(hash=False)
    """By token class; None: not sold, so such tokens have no price."""
    band: Band | None
    fast: bool
    where: str
    """`pricing/anthropic.yaml:123`, or the user's file and line."""
    read: date
    """When somebody last read it at the source."""
    source: str
    confidence: str
    """high, single (one source) or conflict (sources disagree; `setting` names the question)."""
    setting: str | None = None
    note: str | None = None
    listed: bool = True
    """A list price, which discounts apply to; False for a row of the user's own."""

    def covers(self, on: date) -> bool:
        """Whether the row is in force on that UTC day."""
        return self.since <= on and (self.until is None or on < self.until)


@dataclass(frozen=True, slots=True)
class Model:
    """One model and all that the price file says of it."""

    id: str
    name: str
    family: str
    tokenizer: str
    """old or new: which tokenizer counts its tokens."""
    released: date
    deprecated: date | None
    retired: date | None
    """From that day Anthropic's own API refuses it; its last price stays, as clouds may serve it longer."""
    retired_elsewhere: Mapping[str, date] = field(hash=False)
    """The same on clouds, by provider."""
    context: int
    max_output: int
    inference_geo_us: bool
    regional_premium: bool
    rates: tuple[Rate, ...]
    fast_rates: tuple[Rate, ...]
    minimums: tuple[tuple[date, int], ...]
    """(from that day, shortest prompt that is cached, in tokens), ascending; empty when no source knows."""
    aliases: tuple[str, ...]
    bedrock: str | None
    profiles: tuple[str, ...]
    vertex: tuple[str, ...]
    tool_prompt_tokens: tuple[int, int] | None
    """What the API adds to a request with tools (tool_choice auto or none; any or tool); input_tokens has it in."""
    notes: tuple[str, ...]
    conflicts: tuple[str, ...]
    where: str
    thinks: str | None = None
    """It thinks unless a request turns that off (can_be_off), or in any case (always). None: it does not, or nobody says."""

    def minimum(self, on: date, *, lenient: bool = False) -> int | None:
        """The shortest prompt that is cached on that day, in tokens. None: not known, or no caching yet.

        `lenient` takes the first figure for earlier days.
        """
        position = bisect_right(self.minimums, on, key=lambda row: row[0])
        if position:
            return self.minimums[position - 1][1]
        return self.minimums[0][1] if lenient and self.minimums else None

    def retires(self, provider: str | None) -> date | None:
        """From which day that provider refuses it; None: no day is known."""
        return self.retired_elsewhere.get(provider or "", self.retired if provider in OWN_API else None)

    def rate(self, on: date, *, fast: bool = False) -> Rate | None:
        """The row in force on that UTC day."""
        return next((rate for rate in (self.fast_rates if fast else self.rates) if rate.covers(on)), None)


@dataclass(frozen=True, slots=True)
class Resolved:
    """What a spelling of a model says."""

    model: Model
    provider: str | None = None
    """Who bills, when the spelling shows it: aws_bedrock, gcp_vertex, azure_foundry, openrouter."""
    routing: str | None = None
    """global, regional, us-gov or bare, when the spelling shows it."""


@dataclass(frozen=True, slots=True)
class Factor:
    """A number that multiplies every token price of a group."""

    name: str
    value: Decimal
    where: str


@dataclass(frozen=True, slots=True)
class Group:
    """Everything that decides a price: rows that agree in it are billed as one sum."""

    model: str | None
    on: date
    """The UTC day, or any day since which no price changed."""
    size: int = 0
    """How many of the catalog's thresholds the prompt is larger than."""
    tier: str | None = None
    speed: str | None = None
    geo: str | None = None
    provider: str | None = None
    routing: str | None = None
    region: str | None = None
    _hash: int = field(init=False, repr=False, compare=False)
    """Kept: a scenario looks groups up some hundred thousand times."""

    def __post_init__(self) -> None:
        rest = (self.tier, self.speed, self.geo, self.provider, self.routing, self.region)
        object.__setattr__(self, "_hash", hash((self.model, self.on, self.size, *rest)))

    def __hash__(self) -> int:
        return self._hash


@dataclass(frozen=True, slots=True)
class Price:
    """What a group's tokens cost: a dated row, one of its two prompt sizes, and the factors."""

    rate: Rate
    banded: bool
    factors: tuple[Factor, ...] = ()
    decided: tuple[str, ...] = ()
    """The open questions (Catalog.settings) whose answer this price rests on."""

    @property
    def list_usd_per_mtok(self) -> Mapping[str, Decimal | None]:
        """The row's prices by token class, before factors."""
        return self.rate.band.usd_per_mtok if self.banded and self.rate.band else self.rate.usd_per_mtok

    @property
    def factor(self) -> Decimal:
        """The product of the factors."""
        product = Decimal(1)
        for factor in self.factors:
            product = EXACT.multiply(product, factor.value)
        return product

    def usd(self, token_class: str) -> Decimal | None:
        """US dollars per million tokens of that class, factors included, exact. None: the class has no price."""
        listed = self.list_usd_per_mtok[token_class]
        return None if listed is None else EXACT.multiply(listed, self.factor)


@dataclass(frozen=True, slots=True)
class Unpriced:
    """Why a group has no price. Not an error: such rows are counted and shown, never 0."""

    reason: str


@dataclass(frozen=True, slots=True)
class RefusalRule:
    """Whether a refusal without any output is billed in [since, until), by UTC day."""

    since: date | None
    until: date | None
    billed: frozenset[str]
    """Categories (stop_details.category) that are billed."""
    free: frozenset[str]
    """Categories that are free."""
    others_billed: bool
    """All other categories, and a refusal that names none."""
    where: str

    def bills(self, category: str | None) -> bool:
        """Whether a refusal of that category is billed under this rule."""
        if category in self.billed:
            return True
        return self.others_billed and category not in self.free


@dataclass(frozen=True, slots=True)
class Setting:
    """An open question about bills: who answers it how, and which answer is in use."""

    name: str
    question: str
    says: Mapping[str, str] = field(hash=False)
    """Source -> its answer."""
    default: Decimal | str
    value: Decimal | str
    choices: tuple[str, ...]
    settable: bool
    change: str | None
    """How to have it otherwise, when it is no setting."""
    where: str
    """Where the value in use is stated."""
