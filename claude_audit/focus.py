"""The bill as rows of FOCUS 1.2, the FinOps Open Cost and Usage Specification: what finance tools read.

One row a day, endpoint, model, provider, tier and token type (and workspace, region and whatever else decides a price).
Columns and their rules: github.com/FinOps-Open-Cost-and-Usage-Spec/FOCUS_Spec, version 1.2, read 2026-11-28. What it
leaves to the exporter is decided so:

- A price is for "1000000 Tokens" or "Searches"; unit price x PricingQuantity is the cost exactly.
- ListUnitPrice and ListCost are those of the list: a batch or a region has its own. ContractedUnitPrice and the three other
  costs are what the user's own prices and discounts make of it; without any, they equal the list.
- What has no price has null costs, though FOCUS wants a figure there: 0 would say that it was free.
- BillingAccountId is not in any log: the user gives it, or it is null.
- A day is one of the time zone asked for, written as UTC instants.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from datetime import date, datetime, timedelta
from decimal import Decimal
from typing import TYPE_CHECKING, Any
from zoneinfo import ZoneInfo

from claude_audit.bill import COMPONENTS, SEARCHES, components
from claude_audit.clock import midnight
from claude_audit.money import EXACT, MILLION
from claude_audit.rates import Price, Unpriced
from claude_audit.usage import DIMENSIONS

if TYPE_CHECKING:
    from claude_audit.catalog import Catalog
    from claude_audit.tally import Label, Line

VERSION = "1.2"
BY = ("day", "endpoint", "model", "provider", "tier", "workspace")
"""The dimensions of a row; more of them become tags."""

COSTS = ("BilledCost", "EffectiveCost", "ListCost", "ContractedCost")
QUANTITIES = ("PricingQuantity", "ConsumedQuantity")
DECIMALS = (*COSTS, "ListUnitPrice", "ContractedUnitPrice", "PricingQuantity")
INTEGERS = ("ConsumedQuantity",)
INSTANTS = ("BillingPeriodStart", "BillingPeriodEnd", "ChargePeriodStart", "ChargePeriodEnd")
COLUMNS = (
    "BilledCost",
    "BillingAccountId",
    "BillingAccountName",
    "BillingCurrency",
    "BillingPeriodEnd",
    "BillingPeriodStart",
    "ChargeCategory",
    "ChargeClass",
    "ChargeDescription",
    "ChargeFrequency",
    "ChargePeriodEnd",
    "ChargePeriodStart",
    "ConsumedQuantity",
    "ConsumedUnit",
    "ContractedCost",
    "ContractedUnitPrice",
    "EffectiveCost",
    "InvoiceIssuerName",
    "ListCost",
    "ListUnitPrice",
    "PricingCategory",
    "PricingQuantity",
    "PricingUnit",
    "ProviderName",
    "PublisherName",
    "RegionId",
    "RegionName",
    "ResourceId",
    "ResourceName",
    "ResourceType",
    "ServiceCategory",
    "ServiceName",
    "ServiceSubcategory",
    "SkuId",
    "SkuMeter",
    "SkuPriceDetails",
    "SkuPriceId",
    "SubAccountId",
    "SubAccountName",
    "Tags",
    "x_PriceRow",
    "x_NoPrice",
)
"""The mandatory columns, and those of the others that a log of calls can fill; our own after them, as FOCUS wants it."""

SELLERS = {
    "anthropic": ("Claude API", "Anthropic", "Anthropic"),
    "aws_bedrock": ("Amazon Bedrock", "Amazon Web Services", "Amazon Web Services"),
    "gcp_vertex": ("Vertex AI", "Google Cloud", "Google Cloud"),
    "azure_foundry": ("Microsoft Foundry", "Microsoft", "Microsoft"),
    "claude_platform_aws": ("Claude Platform on AWS", "Anthropic", "Amazon Web Services"),
    "openrouter": ("OpenRouter", "OpenRouter", "OpenRouter"),
}
"""Provider of a usage row -> ServiceName, ProviderName, InvoiceIssuerName."""

METERS: dict[str, tuple[str, dict[str, str]]] = {
    "input": ("Input Tokens", {"x_Direction": "input"}),
    "cache_read": ("Cache Read Tokens", {"x_Direction": "input", "x_CacheAction": "read"}),
    "cache_write_5m": (
        "Cache Write Tokens, 5 Minutes",
        {"x_Direction": "input", "x_CacheAction": "write", "x_CacheDuration": "5m"},
    ),
    "cache_write_1h": (
        "Cache Write Tokens, 1 Hour",
        {"x_Direction": "input", "x_CacheAction": "write", "x_CacheDuration": "1h"},
    ),
    "output": ("Output Tokens", {"x_Direction": "output"}),
    SEARCHES: ("Web Searches", {}),
}
"""Token type -> SkuMeter, and what SkuPriceDetails says of it."""


def charges(
    lines: Iterable[Line], catalog: Catalog, timezone: ZoneInfo, tags: Sequence[str] = (), account: str | None = None
) -> list[dict[str, Any]]:
    """The rows by COLUMNS, in the order of time, from a tally by (*BY, *tags). BilledCost adds up to its bill exactly.

    Decimals are exact, instants UTC; SkuPriceDetails and Tags are JSON objects as text. None: null.
    """
    merged: dict[tuple[Any, ...], dict[str, Any]] = {}
    for line in lines:
        for row in _of_line(line, catalog, timezone, tags, account):
            key = tuple(value for name, value in row.items() if name not in (*COSTS, *QUANTITIES))
            known = merged.setdefault(key, row)
            if known is not row:
                known["ConsumedQuantity"] += row["ConsumedQuantity"]
                for name in (*COSTS, "PricingQuantity"):
                    known[name] = None if row[name] is None else EXACT.add(known[name], row[name])
    return [
        row
        for _, row in sorted(
            merged.items(), key=lambda item: (item[1]["ChargePeriodStart"], [(v is None, str(v)) for v in item[0]])
        )
    ]


def _of_line(
    line: Line, catalog: Catalog, timezone: ZoneInfo, tags: Sequence[str], account: str | None
) -> Iterable[dict[str, Any]]:
    price, listed = catalog.price(line.group), catalog.list_price(line.group)
    billed = components(price, line.tokens, line.searches, catalog)
    by_list = components(listed, line.tokens, line.searches, catalog)
    if by_list is None:
        listed, by_list = price, billed  # the list does not sell what the user's own prices do
    day, endpoint, _, provider, tier, workspace = line.labels[: len(BY)]
    begin, end = _day(str(day), timezone)
    month = date.fromisoformat(str(day)).replace(day=1)
    service, seller, issuer = SELLERS.get(str(provider), (str(provider), str(provider), str(provider)))
    attribution = {"endpoint": endpoint, **dict(zip(tags, line.labels[len(BY) :], strict=True))}
    told = {_tag(name): value for name, value in attribution.items() if value is not None}
    for n, name in enumerate(COMPONENTS):
        count = line.searches if name == SEARCHES else line.tokens[n]
        if not count:
            continue
        meter, details = METERS[name]
        special = _special(listed)
        sku = f"{line.name or 'unknown'}/{name}"
        cost = billed[name] if billed else None
        yield {
            "BilledCost": cost,
            "BillingAccountId": account,
            "BillingAccountName": None,
            "BillingCurrency": "USD",
            "BillingPeriodEnd": midnight((month + timedelta(days=32)).replace(day=1), timezone),
            "BillingPeriodStart": midnight(month, timezone),
            "ChargeCategory": "Usage",
            "ChargeClass": None,
            "ChargeDescription": ", ".join((f"{line.name or 'unknown model'}: {meter.lower()}", *special)),
            "ChargeFrequency": "Usage-Based",
            "ChargePeriodEnd": end,
            "ChargePeriodStart": begin,
            "ConsumedQuantity": count,
            "ConsumedUnit": "Searches" if name == SEARCHES else "Tokens",
            "ContractedCost": cost,
            "ContractedUnitPrice": _unit(price, name, catalog) if billed else None,
            "EffectiveCost": cost,
            "InvoiceIssuerName": issuer,
            "ListCost": by_list[name] if by_list else None,
            "ListUnitPrice": _unit(listed, name, catalog) if by_list else None,
            "PricingCategory": "Standard",
            "PricingQuantity": Decimal(count) if name == SEARCHES else EXACT.divide(Decimal(count), MILLION),
            "PricingUnit": "Searches" if name == SEARCHES else "1000000 Tokens",
            "ProviderName": seller,
            "PublisherName": "Anthropic",
            "RegionId": line.group.region,
            "RegionName": line.group.region,
            "ResourceId": endpoint,
            "ResourceName": None,
            "ResourceType": "Endpoint" if endpoint is not None else None,
            "ServiceCategory": "AI and Machine Learning",
            "ServiceName": service,
            "ServiceSubcategory": "Generative AI",
            "SkuId": sku,
            "SkuMeter": meter,
            "SkuPriceDetails": _json(_details(line, listed, tier, name) | details) if billed else None,
            "SkuPriceId": "/".join((sku, *special)) if billed else None,
            "SubAccountId": workspace,
            "SubAccountName": workspace,
            "Tags": _json(told) if told else None,
            "x_PriceRow": _place(price, name, catalog) if billed else None,
            "x_NoPrice": None if billed else _reason(price),
        }


def _day(day: str, timezone: ZoneInfo) -> tuple[datetime, datetime]:
    first = date.fromisoformat(day)
    return midnight(first, timezone), midnight(first + timedelta(days=1), timezone)


def _unit(price: Price | Unpriced, name: str, catalog: Catalog) -> Decimal | None:
    """US dollars of a PricingUnit."""
    if name == SEARCHES:
        return catalog.search_fee()[0]
    return None if isinstance(price, Unpriced) else price.usd(name)


def _special(price: Price | Unpriced) -> list[str]:
    """What makes it another list price than the model's plain one: fast, a long prompt, and published factors."""
    if isinstance(price, Unpriced):
        return []
    band = price.rate.band if price.banded else None
    factors = [factor.name for factor in price.factors if not factor.name.startswith("discount on ")]
    return [
        *(["fast"] if price.rate.fast else []),
        *([f"prompt over {band.over} tokens"] if band else []),
        *factors,
    ]


def _details(line: Line, price: Price | Unpriced, tier: Label, name: str) -> dict[str, str]:
    details = {"x_Model": line.name or "", "x_TokenType": name}
    if name == SEARCHES:
        return details
    details["x_ServiceTier"] = tier or "standard"
    if isinstance(price, Price):
        if price.rate.fast:
            details["x_Speed"] = "fast"
        if price.banded and price.rate.band:
            details["x_PromptOver"] = f"{price.rate.band.over} tokens"
    if line.group.geo == "us":
        details["x_InferenceGeo"] = "us"
    return details


def _place(price: Price | Unpriced, name: str, catalog: Catalog) -> str | None:
    if name == SEARCHES:
        return catalog.search_fee()[1]
    return None if isinstance(price, Unpriced) else price.rate.where


def _reason(price: Price | Unpriced) -> str:
    return price.reason if isinstance(price, Unpriced) else "no price for cache tokens"


def _tag(name: str) -> str:
    """A tag's own key, unless a dimension is called like that."""
    key = name.removeprefix("tag:")
    return name if key in DIMENSIONS else key


def _json(value: dict[str, Any]) -> str:
    return json.dumps(value, ensure_ascii=False, sort_keys=True, separators=(",", ":"))
