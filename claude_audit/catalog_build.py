"""From price files to a catalog's contents: rows get their end, the user's go before the list's."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from datetime import date
from decimal import Decimal
from fnmatch import fnmatchcase
from functools import cache
from itertools import pairwise
from pathlib import Path
from typing import Any

from claude_audit.catalog_contents import Contents, Discount, Fee, GatewayFee, KeptPrices, Multiplier, TokenizerFactor
from claude_audit.errors import AuditError
from claude_audit.model_ids import Match, ModelIds
from claude_audit.model_spellings import model_ids
from claude_audit.price_files import (
    AliasEntry,
    DiscountRow,
    ModelEntry,
    ModelFile,
    PlatformFile,
    PriceRow,
    RefusalRow,
    SettingRow,
    UserFile,
    UserPrice,
)
from claude_audit.price_files import Over as OverEntry
from claude_audit.price_folder import folder
from claude_audit.rates import Band, Factor, Model, Rate, RefusalRule, Setting
from claude_audit.shape import Document, document, read
from claude_audit.usage import TOKEN_CLASSES

NEEDED = {
    "settings": (
        "fast_without_price",
        "long_prompts_elsewhere",
        "refusals_on_clouds",
        "bedrock_bare_id",
        "bedrock_without_profile",
        "bedrock_us_gov",
        "vertex_without_location",
        "priority_tier",
    ),
    "factors": (
        "batch",
        "inference_geo_us",
        "bedrock_global",
        "bedrock_regional",
        "bedrock_bare",
        "bedrock_unknown",
        "bedrock_us_gov",
        "vertex_global",
        "vertex_regional",
        "vertex_unknown",
        "foundry",
        "foundry_us_data_zone",
        "claude_platform_aws",
        "priority",
    ),
    "server_tools": ("web_search",),
    "tokenizers": ("new",),
}
"""What the rules in catalog.py look up by name in platforms.yaml."""
IN_ORDER = "keep rows in the order of time"
LISTED = "claude-audit prices lists the models"


@cache
def built_in() -> tuple[ModelFile, PlatformFile]:
    """The price files that ship with the package, read once a process."""
    return (
        read(ModelFile, document(folder() / "anthropic.yaml", "pricing/anthropic.yaml")),
        read(PlatformFile, document(folder() / "platforms.yaml", "pricing/platforms.yaml")),
    )


def build(user_files: Sequence[Path]) -> Contents:
    """The built-in files and the user's on top, later files before earlier ones. Raises AuditError with file:line."""
    listed, platforms = built_in()
    documents = [document(path) for path in user_files]
    users = [(read(UserFile, file), file) for file in documents]
    return assemble(listed, platforms, users)


def assemble(listed: ModelFile, platforms: PlatformFile, users: Sequence[tuple[UserFile, Document]]) -> Contents:
    """`build` on files that were read already."""
    entries, sources = dict(listed.models), dict(listed.sources)
    for user, _ in users:
        sources |= user.sources
        for model, entry in user.models.items():
            if model in entries:
                raise AuditError(f"{entry.where}: {model} is in the list already", "give your price under `prices`")
            entries[model] = entry
    for part, names in NEEDED.items():
        if missing := [name for name in names if name not in getattr(platforms, part)]:
            raise AuditError(f"{_file(platforms.refusals)}: {part}: {missing[0]} is missing")
    settings = {name: _setting(name, row) for name, row in platforms.settings.items()}
    factors = {
        name: Multiplier(row.factor, row.applies_to, row.since, row.where) for name, row in platforms.factors.items()
    }
    for user, file in users:
        for name, value in user.settings.items():
            settings[name] = _answer(settings, name, value, file)
            if factor := platforms.settings[name].factor:
                factors[factor] = factors[factor]._replace(factor=Decimal(value), where=settings[name].where)
    tokenizer, kept = platforms.tokenizers["new"], platforms.long_prompts_elsewhere
    contents = Contents(
        models={model: _model(model, entry, sources) for model, entry in entries.items()},
        ids=model_ids(entries, listed.families),
        factors=factors,
        tools={name: Fee(row.usd, row.units, row.where) for name, row in platforms.server_tools.items()},
        gateways={name: GatewayFee(row.fee, row.where) for name, row in platforms.gateways.items()},
        refusals=_refusals(platforms.refusals, settings),
        tokenizer=TokenizerFactor(tokenizer.ratio, tokenizer.low, tokenizer.high),
        long_prompts_elsewhere=KeptPrices(kept.models, kept.ended, kept.providers),
        settings=settings,
        as_of=min(listed.as_of, platforms.as_of),
    )
    for known in contents.models.values():
        for rate in (*known.rates, *known.fast_rates):
            if rate.setting is not None and rate.setting not in settings:
                raise AuditError(f"{rate.where}: setting: there is no question {rate.setting!r} in platforms.yaml")
    for user, file in users:
        for spelling, target in user.aliases.items():
            contents.ids.alias(spelling, _alias(contents.ids, spelling, target, file))
    for user, _ in users:
        for price in user.prices:
            _override(contents, price)
        contents.discounts += [_discount(row, entries) for row in user.discounts]
    return contents


def _file(rows: Iterable[RefusalRow]) -> str:
    """The file that they stand in."""
    return next((row.where.rpartition(":")[0] for row in rows), "price file")


def _model(model: str, entry: ModelEntry, sources: Mapping[str, str]) -> Model:
    rates = _rates(model, entry.prices, sources, fast=False)
    if not rates:
        raise AuditError(f"{entry.where}: {model} has no price row")
    released = entry.released
    if isinstance(released, str):
        try:
            released = date.fromisoformat(f"{released}-01")
        except ValueError as error:
            raise AuditError(f"{entry.where}: released: {released!r} is neither a day nor a month (YYYY-MM)") from error
    minimums = tuple((row.since, row.tokens) for row in entry.minimum_cacheable)
    for before, row in pairwise(entry.minimum_cacheable):
        if row.since <= before.since:
            raise AuditError(f"{row.where}: a row of {row.since} after one of {before.since}", IN_ORDER)
    tools = entry.tool_prompt_tokens
    return Model(
        id=model,
        name=entry.name,
        family=entry.family,
        tokenizer=entry.tokenizer,
        released=released,
        deprecated=entry.deprecated,
        retired=entry.retired,
        retired_elsewhere=entry.retired_elsewhere,
        context=entry.context,
        max_output=entry.max_output,
        inference_geo_us=entry.inference_geo_us,
        regional_premium=entry.regional_premium,
        rates=rates,
        fast_rates=_rates(model, entry.fast, sources, fast=True),
        minimums=minimums,
        aliases=entry.aliases,
        bedrock=entry.bedrock.id if entry.bedrock else None,
        profiles=entry.bedrock.profiles if entry.bedrock else (),
        vertex=entry.vertex,
        tool_prompt_tokens=(tools.auto, tools.forced) if tools else None,
        notes=entry.notes,
        conflicts=entry.conflicts,
        where=entry.where,
        thinks=_thinks(entry, sources),
    )


def _thinks(entry: ModelEntry, sources: Mapping[str, str]) -> str | None:
    row = entry.thinks
    if row is not None and (unknown := [name for name in row.source if name not in sources]):
        raise AuditError(f"{row.where}: source {unknown[0]!r} is not under `sources`")
    return row.unless_told if row else None


def _rates(model: str, rows: Sequence[PriceRow], sources: Mapping[str, str], *, fast: bool) -> tuple[Rate, ...]:
    rates = []
    for row, after in zip(rows, (*rows[1:], None), strict=False):
        if after and after.since <= row.since:
            raise AuditError(f"{after.where}: a row of {after.since} after one of {row.since}", IN_ORDER)
        if row.until and (row.until <= row.since or (after and row.until > after.since)):
            hint = "leave `until` out: the next row ends it"
            raise AuditError(f"{row.where}: until {row.until} lies outside of the row", hint)
        if unknown := [name for name in row.source if name not in sources]:
            raise AuditError(f"{row.where}: source {unknown[0]!r} is not under `sources`")
        rates.append(
            Rate(
                model=model,
                since=row.since,
                until=row.until or (after.since if after else None),
                usd_per_mtok=_prices(row.usd_per_mtok, row.where),
                band=_band(row.over, row.where),
                fast=fast,
                where=row.where,
                read=row.read,
                source=", ".join(row.source),
                confidence=row.confidence,
                setting=row.setting,
                note=row.note,
            )
        )
    return tuple(rates)


def _prices(given: Mapping[Any, Decimal | None], where: str) -> dict[str, Decimal | None]:
    prices = {name: given.get(name) for name in TOKEN_CLASSES}
    for name, price in prices.items():
        if price is not None and price < 0:
            raise AuditError(f"{where}: {name}: a price can't be below 0")
    if all(price is None for price in prices.values()):
        raise AuditError(f"{where}: a row without any price")
    return prices


def _band(over: OverEntry | None, where: str) -> Band | None:
    if over is None:
        return None
    if over.prompt_tokens <= 0:
        raise AuditError(f"{where}: over: prompt_tokens must be more than 0")
    return Band(over.prompt_tokens, _prices(over.usd_per_mtok, where), over.beta_header)


def _refusals(rows: Sequence[RefusalRow], settings: Mapping[str, Setting]) -> tuple[RefusalRule, ...]:
    rules = []
    for row, after in zip(rows, (*rows[1:], None), strict=False):
        if row.unlisted and row.unlisted not in settings:
            raise AuditError(f"{row.where}: unlisted: there is no setting {row.unlisted!r}")
        listed = row.billed if isinstance(row.billed, tuple) else ()
        others = settings[row.unlisted].value == "billed" if row.unlisted else row.billed == "all"
        until = after.since if after else None
        rules.append(RefusalRule(row.since, until, frozenset(listed), frozenset(row.free), others, row.where))
    return tuple(rules)


def _setting(name: str, row: SettingRow) -> Setting:
    settable = bool(row.choices or row.factor)
    return Setting(name, row.question, row.says, row.default, row.default, row.choices, settable, row.change, row.where)


def _answer(settings: Mapping[str, Setting], name: str, value: Decimal | str, file: Document) -> Setting:
    known = settings.get(name)
    if known is None:
        names = ", ".join(setting.name for setting in settings.values() if setting.settable)
        raise file.wrong(("settings", name), "unknown setting", f"known: {names}")
    if not known.settable:
        raise file.wrong(("settings", name), "is not answered by a setting", f"what answers it: {known.change}")
    if known.choices and value not in known.choices:
        raise file.wrong(("settings", name), f"{value} is not one of {', '.join(known.choices)}")
    if not known.choices and (isinstance(value, str) or value <= 0):
        raise file.wrong(("settings", name), f"{value} is not a factor", "1 is the list price, 1.1 is ten percent more")
    return replace(known, value=value, where=file.place(("settings", name)))


def _alias(ids: ModelIds, spelling: str, target: str | AliasEntry, file: Document) -> Match:
    entry = AliasEntry(model=target) if isinstance(target, str) else target
    match = ids.find(entry.model)
    if match is None:
        raise file.wrong(("aliases", spelling), f"{entry.model!r} is no known model", LISTED)
    return replace(match, provider=entry.provider or match.provider, routing=entry.routing or match.routing)


def _override(contents: Contents, price: UserPrice) -> None:
    match = contents.ids.find(price.model, families=False)
    if match is None:
        raise AuditError(f"{price.where}: {price.model!r} is no known model", LISTED)
    if price.until is not None and price.until <= price.since:
        raise AuditError(f"{price.where}: until {price.until} is not after since {price.since}")
    rate = Rate(
        model=match.model,
        since=price.since,
        until=price.until,
        usd_per_mtok=_prices(price.usd_per_mtok, price.where),
        band=_band(price.over, price.where),
        fast=price.fast,
        where=price.where,
        read=price.read or price.since,
        source=price.source,
        confidence="high",
        listed=False,
    )
    model = contents.models[match.model]
    if price.fast:
        contents.models[model.id] = replace(model, fast_rates=overlay(model.fast_rates, rate))
    else:
        contents.models[model.id] = replace(model, rates=overlay(model.rates, rate))


def overlay(rates: Iterable[Rate], top: Rate) -> tuple[Rate, ...]:
    """`rates` with `top` in force on all of its days; what it covers is cut away."""
    kept = [top]
    for rate in rates:
        if rate.since < top.since:
            kept.append(replace(rate, until=min(rate.until or top.since, top.since)))
        if top.until is not None and (rate.until is None or rate.until > top.until):
            kept.append(replace(rate, since=max(rate.since, top.until)))
    return tuple(sorted(kept, key=lambda rate: rate.since))


def _discount(row: DiscountRow, entries: Mapping[str, ModelEntry]) -> Discount:
    if not any(fnmatchcase(model, row.models) for model in entries):
        raise AuditError(f"{row.where}: models: {row.models!r} matches no model id", LISTED)
    if row.factor < 0:
        raise AuditError(f"{row.where}: factor: {row.factor} is below 0", "0.9 is ten percent off")
    if row.since and row.until and row.until <= row.since:
        raise AuditError(f"{row.where}: until {row.until} is not after since {row.since}")
    factor = Factor(f"discount on {row.models}", row.factor, row.where)
    return Discount(row.models, row.provider, row.since, row.until, factor)
