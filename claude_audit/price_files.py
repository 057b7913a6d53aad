"""What may stand in a price file: the shape of pricing/*.yaml and of a user's own, as types."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date
from decimal import Decimal
from typing import Annotated, Any, Literal

TokenClass = Literal["input", "cache_read", "cache_write_5m", "cache_write_1h", "output"]
Prices = Annotated[
    Mapping[TokenClass, Decimal | None],
    "US dollars per million tokens. A class that is null or left out is not sold: its tokens have no price",
]
Sources = Annotated[tuple[str, ...], "who states it, by the names under `sources`"]
ReadOn = Annotated[date, "the day somebody last read it there"]
Since = Annotated[date, "first day, from 00:00 UTC"]
Until = Annotated[date | None, "first day on which it no longer holds; by default that of the next row"]
Confidence = Literal["high", "single", "conflict"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Over:
    """Prices of the whole request when its prompt (input, reads and writes) is larger than `prompt_tokens`."""

    prompt_tokens: int
    usd_per_mtok: Prices
    beta_header: Annotated[bool, "such prompts were errors without a beta header"] = False


@dataclass(frozen=True, slots=True, kw_only=True)
class PriceRow:
    """What a model cost from a day on. Rows are added, never changed once they were right."""

    where: str
    since: Since
    usd_per_mtok: Prices
    over: Over | None = None
    until: Until = None
    source: Sources
    read: ReadOn
    confidence: Annotated[Confidence, "high: sources agree; single: one only; conflict: they disagree"] = "high"
    setting: Annotated[str | None, "the open question that this row answers"] = None
    note: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class MinimumRow:
    """The shortest prompt that is cached, in tokens, from a day on. Shorter ones are silently not cached."""

    where: str
    since: Since
    tokens: int
    source: Sources
    read: ReadOn
    confidence: Confidence = "high"


@dataclass(frozen=True, slots=True, kw_only=True)
class ToolPrompt:
    """Tokens the API adds to a request that defines tools. They are in usage.input_tokens already."""

    auto: Annotated[int, "tool_choice auto or none"]
    forced: Annotated[int, "tool_choice any or tool"]
    note: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Bedrock:
    """Ids on Amazon Bedrock."""

    id: str
    profiles: Annotated[tuple[str, ...], "inference profiles seen, as in <profile>.<id>"] = ()
    also: Annotated[tuple[str, ...], "other spellings of the id"] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class LongContext:
    """A larger window that needed a beta header."""

    tokens: int
    since: Since
    until: Until = None
    header: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ThinksRow:
    """That a model thinks when a request does not say whether it should."""

    where: str
    unless_told: Annotated[Literal["can_be_off", "always"], "always: no request can turn it off"]
    source: Sources
    read: ReadOn


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelEntry:
    """One model, under its id."""

    where: str
    name: Annotated[str, "as Anthropic writes it"]
    family: str
    tokenizer: Annotated[Literal["old", "new"], "which tokenizer counts its tokens"]
    released: Annotated[date | str, "a day, or YYYY-MM when only the month is known"]
    deprecated: date | None = None
    retired: Annotated[date | None, "from that day Anthropic's own API refuses it"] = None
    retired_elsewhere: Annotated[Mapping[str, date], "the same on other platforms"] = field(default_factory=dict)
    context: Annotated[int, "tokens of the window"]
    context_beta: LongContext | None = None
    max_output: int
    max_output_batch_beta: Annotated[int | None, "in batches, with a beta header"] = None
    inference_geo_us: Annotated[bool, "takes inference_geo: us, at a premium"] = False
    regional_premium: Annotated[bool, "costs more in a region than globally on Bedrock and Vertex"] = False
    aliases: Annotated[tuple[str, ...], "other whole ids"] = ()
    bedrock: Bedrock | None = None
    vertex: Annotated[tuple[str, ...], "ids on Google Cloud"] = ()
    minimum_cacheable: tuple[MinimumRow, ...] = ()
    tool_prompt_tokens: ToolPrompt | None = None
    thinks: Annotated[ThinksRow | None, "thinks by default; left out: it does not, or nobody says"] = None
    prices: tuple[PriceRow, ...]
    fast: Annotated[tuple[PriceRow, ...], "prices when usage.speed is fast"] = ()
    notes: tuple[str, ...] = ()
    conflicts: Annotated[tuple[str, ...], "where sources disagree, and what stands here"] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelFile:
    """pricing/anthropic.yaml."""

    as_of: date
    sources: Mapping[str, str]
    families: Annotated[tuple[str, ...], "names that stand for the newest model of the family"]
    models: Mapping[str, ModelEntry]


@dataclass(frozen=True, slots=True, kw_only=True)
class FactorRow:
    """A factor on every token class of a request."""

    where: str
    factor: Decimal
    applies_to: Annotated[Literal["all", "inference_geo_us", "regional_premium"], "models with that mark"] = "all"
    since: Since | None = None
    signal: Annotated[str, "what in a log says so"]
    source: Sources
    read: ReadOn
    note: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class ToolRow:
    """A fee that is not by tokens."""

    where: str
    usd: Decimal
    units: Annotated[int, "how many of `per` that buys"] = 1
    per: str
    since: Since | None = None
    source: Sources
    read: ReadOn
    note: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class GatewayRow:
    """What a gateway takes on top of the prices of those behind it. Its fee is on no bill of tokens: what-ifs add it."""

    where: str
    fee: Annotated[Decimal, "a share: 0.05 is five percent"]
    source: Sources
    read: ReadOn
    note: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class RefusalRow:
    """Whether a refusal (stop_reason refusal) without any output is billed, from a day on."""

    where: str
    since: Since | None = None
    billed: Annotated[Literal["all", "none"] | tuple[str, ...], "all, none, or these stop_details.category values"]
    free: Annotated[tuple[str, ...], "categories known to be free"] = ()
    unlisted: Annotated[str | None, "the setting that decides all other categories, and none given"] = None
    source: Sources
    read: ReadOn
    note: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class TokenizerRow:
    """How many tokens a tokenizer counts for one of the old one."""

    where: str
    ratio: Decimal
    low: Decimal
    high: Decimal
    models: str
    source: Sources
    read: ReadOn


@dataclass(frozen=True, slots=True, kw_only=True)
class SettingRow:
    """An open question: who says what, and what we do until it is settled."""

    where: str
    question: str
    says: Annotated[Mapping[str, str], "source -> its answer"]
    default: Annotated[Decimal | str, "a factor, or one of `choices`, or what the data does"]
    choices: Annotated[tuple[str, ...], "other values to set; none: settled by `change`"] = ()
    factor: Annotated[str | None, "the factor that the setting's number replaces"] = None
    change: Annotated[str | None, "how to have it otherwise, when it is no setting"] = None
    read: ReadOn


@dataclass(frozen=True, slots=True, kw_only=True)
class LongPromptRow:
    """Prices that platforms may have kept after Anthropic ended them."""

    where: str
    models: tuple[str, ...]
    ended: date
    providers: tuple[str, ...]
    source: Sources
    read: ReadOn


@dataclass(frozen=True, slots=True, kw_only=True)
class PlatformFile:
    """pricing/platforms.yaml."""

    as_of: date
    sources: Mapping[str, str]
    factors: Mapping[str, FactorRow]
    server_tools: Mapping[str, ToolRow]
    gateways: Mapping[str, GatewayRow]
    refusals: tuple[RefusalRow, ...]
    tokenizers: Mapping[Literal["old", "new"], TokenizerRow]
    long_prompts_elsewhere: LongPromptRow
    settings: Mapping[str, SettingRow]


@dataclass(frozen=True, slots=True, kw_only=True)
class UserPrice:
    """What you pay for a model in place of its list price, from `since` until `until`."""

    where: str
    model: Annotated[str, "any spelling of it"]
    since: Since
    until: Annotated[date | None, "first day on which the list price holds again; by default never"] = None
    usd_per_mtok: Prices
    over: Over | None = None
    fast: Annotated[bool, "the price when usage.speed is fast"] = False
    source: Annotated[str, "your contract, say"] = "your own price file"
    read: date | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class AliasEntry:
    """What a spelling of yours stands for, and how it is billed."""

    model: str
    provider: str | None = None
    routing: Literal["global", "regional", "us-gov", "bare"] | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class DiscountRow:
    """A factor on list prices. The last one that matches a model, a day and a provider is taken."""

    where: str
    models: Annotated[str, "a glob over ids, such as claude-opus-*"]
    factor: Annotated[Decimal, "0.9 is ten percent off"]
    since: Since | None = None
    until: Annotated[date | None, "first day on which it no longer holds"] = None
    provider: Annotated[str | None, "only what that provider bills, such as aws_bedrock"] = None
    note: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class UserFile:
    """Your own prices: whatever stands here goes before the list."""

    sources: Mapping[str, str] = field(default_factory=dict)
    models: Annotated[Mapping[str, ModelEntry], "models that the list does not have yet"] = field(default_factory=dict)
    prices: tuple[UserPrice, ...] = ()
    aliases: Annotated[
        Mapping[str, str | AliasEntry], "a spelling (a gateway's name, an inference profile's ARN) -> the model"
    ] = field(default_factory=dict)
    discounts: tuple[DiscountRow, ...] = ()
    settings: Annotated[Mapping[str, Decimal | str], "your answers to the open questions"] = field(default_factory=dict)


def schema() -> dict[str, Any]:
    """pricing/schema.json: the JSON Schema of all three files."""
    from claude_audit.shape import schema as shape_of

    definitions: dict[str, Any] = {}
    kinds = [shape_of(kind, definitions) for kind in (ModelFile, PlatformFile, UserFile)]
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "Price files of claude-audit",
        "anyOf": kinds,
        "$defs": dict(sorted(definitions.items())),
    }


def schema_text() -> str:
    """The contents of pricing/schema.json."""
    return json.dumps(schema(), indent=2) + "\n"
