"""All that a catalog answers from, ready to be looked up: what price files come to once they are read and held together."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date
from decimal import Decimal
from typing import NamedTuple

from claude_audit.model_ids import ModelIds
from claude_audit.rates import Factor, Model, RefusalRule, Setting


class Multiplier(NamedTuple):
    """A factor on every token class of the requests that it applies to."""

    factor: Decimal
    applies_to: str
    """all, or the mark of a model (inference_geo_us, regional_premium) that it takes."""
    since: date | None
    where: str


class Fee(NamedTuple):
    """US dollars for so many units of a server tool."""

    usd: Decimal
    units: int
    where: str


class GatewayFee(NamedTuple):
    """The share that a gateway takes on top of prices."""

    share: Decimal
    where: str


class TokenizerFactor(NamedTuple):
    """Tokens of the new tokenizer for one of the old, and the ends of the vendor's range."""

    ratio: Decimal
    low: Decimal
    high: Decimal


class KeptPrices(NamedTuple):
    """Long-prompt prices that platforms may have kept after Anthropic ended them."""

    models: tuple[str, ...]
    ended: date
    providers: tuple[str, ...]


class Discount(NamedTuple):
    """A factor of the user's own on list prices."""

    models: str
    """A glob over ids."""
    provider: str | None
    since: date | None
    until: date | None
    factor: Factor


@dataclass(slots=True)
class Contents:
    """All that a Catalog answers from."""

    models: dict[str, Model]
    """By id, newest first."""
    ids: ModelIds
    factors: dict[str, Multiplier]
    tools: Mapping[str, Fee]
    gateways: Mapping[str, GatewayFee]
    refusals: tuple[RefusalRule, ...]
    tokenizer: TokenizerFactor
    long_prompts_elsewhere: KeptPrices
    settings: dict[str, Setting]
    as_of: date
    discounts: list[Discount] = field(default_factory=list)
