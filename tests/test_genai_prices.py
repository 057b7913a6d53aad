"""Every price row against the genai-prices package: each difference is known, and each known one is still there.

genai-prices (MIT, pydantic) is dated and exact too, which makes it the best second opinion there is. Where it differs,
the reason stands in KNOWN, and the row's own sources in pricing/anthropic.yaml decide.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from functools import cache

import pytest
from genai_prices import Usage, calc_price, extract_usage

from claude_audit.catalog import TOKEN_CLASSES, Group, Price, load
from claude_audit.money import EXACT, MILLION

CATALOG = load()
LAST = date(2026, 11, 21)
"""The day to which both know prices."""
BATCH_FIXED = date(2026, 10, 14)
"""From then on genai-prices halves the batches of models that are still sold."""
SIZES = {"base": 10_000, "long": 250_000}
MODES = ("standard", "batch", "fast")
CACHE = ("cache_read", "cache_write_5m", "cache_write_1h")

Answer = Decimal | str
"""US dollars, or why there are none."""


@dataclass(frozen=True)
class Case:
    """One request: model, UTC day, tokens of one class (for output also a prompt), how it is served, size of prompt."""

    model: str
    on: date
    token_class: str
    mode: str
    size: str

    @property
    def tokens(self) -> dict[str, int]:
        prompt = SIZES[self.size]
        if self.token_class == "output":
            return {"input": prompt, "output": 1_000}
        return {self.token_class: prompt}


def ours(case: Case) -> Answer:
    group = Group(
        case.model,
        case.on,
        size=sum(SIZES[case.size] > threshold for threshold in CATALOG.thresholds),
        tier="batch" if case.mode == "batch" else "standard",
        speed="fast" if case.mode == "fast" else "standard",
    )
    price = CATALOG.price(group)
    if not isinstance(price, Price):
        return price.reason
    total = Decimal(0)
    for token_class, tokens in case.tokens.items():
        usd = price.usd(token_class)
        if usd is None:
            return "no price"
        total += usd * tokens
    return EXACT.divide(total, MILLION)


def theirs(case: Case) -> Answer:
    tokens = {name: case.tokens.get(name, 0) for name in TOKEN_CLASSES}
    raw = {
        "input_tokens": tokens["input"],
        "cache_read_input_tokens": tokens["cache_read"],
        "cache_creation_input_tokens": tokens["cache_write_5m"] + tokens["cache_write_1h"],
        "cache_creation": {
            "ephemeral_5m_input_tokens": tokens["cache_write_5m"],
            "ephemeral_1h_input_tokens": tokens["cache_write_1h"],
        },
        "output_tokens": tokens["output"],
    }
    context = {"standard": None, "batch": {"processing": "batch"}, "fast": {"speed": "fast"}}[case.mode]
    noon = datetime(case.on.year, case.on.month, case.on.day, 12, tzinfo=UTC)
    try:
        usage = extract_usage({"model": case.model, "usage": raw}, provider_id="anthropic").usage
        price = calc_price(
            usage, case.model, provider_id="anthropic", genai_request_timestamp=noon, price_context=context
        )
    except LookupError:
        return "unknown"
    return price.total_price


def days(model: str) -> set[date]:
    """First and last day of each dated row, the day before the first, and the days around genai-prices' batch fix."""
    known = CATALOG.models[model]
    found = {BATCH_FIXED - timedelta(days=1), BATCH_FIXED, LAST}
    for rate in (*known.rates, *known.fast_rates):
        found.add(rate.since)
        if rate.until:
            found |= {rate.until - timedelta(days=1), rate.until}
    first = known.rates[0].since
    return {first - timedelta(days=1)} | {day for day in found if first <= day}


def grid() -> Iterator[Case]:
    for model in CATALOG.models:
        for on in sorted(days(model)):
            for token_class in TOKEN_CLASSES:
                for mode in MODES:
                    for size in SIZES:
                        yield Case(model, on, token_class, mode, size)


@dataclass(frozen=True)
class Known:
    """A set of cases in which genai-prices differs, all of them, and why."""

    why: str
    models: tuple[str, ...] = ()
    """None: all."""
    classes: tuple[str, ...] = TOKEN_CLASSES
    modes: tuple[str, ...] = MODES
    sizes: tuple[str, ...] = ("base", "long")
    since: date = date.min
    until: date = date.max

    def covers(self, case: Case) -> bool:
        return (
            (not self.models or case.model in self.models)
            and case.token_class in self.classes
            and case.mode in self.modes
            and case.size in self.sizes
            and self.since <= case.on < self.until
        )


def before_the_first_row() -> Iterator[Known]:
    for model in CATALOG.models.values():
        yield Known("a price before the model's release", (model.id,), until=model.rates[0].since)


def no_fast_row() -> Iterator[Known]:
    """A log that says fast on a day without a fast price: theirs is some price, ours is none."""
    for model in CATALOG.models.values():
        edges = [model.rates[0].since]
        for rate in model.fast_rates:
            edges += [rate.since, rate.until or date.max]
        edges.append(date.max)
        for start, end in zip(edges[::2], edges[1::2], strict=True):
            if start < end:
                yield Known("a fast price when none is sold", (model.id,), modes=("fast",), since=start, until=end)


UNKNOWN_TO_THEM = ("claude-instant-1", "claude-1", "claude-mythos-preview", "claude-mythos-5", "claude-mythos-5-1")
RETIRED = tuple(
    model.id for model in CATALOG.models.values() if model.retired and model.retired <= BATCH_FIXED
)  # Sonnet 4.5 and later are not among them
SONNET_4, SONNET_45 = "claude-sonnet-4-20250514", "claude-sonnet-4-5-20250929"

KNOWN = [
    Known("no entry", UNKNOWN_TO_THEM),
    *before_the_first_row(),
    *no_fast_row(),
    Known("the price of Claude 2.1 before 2.1", ("claude-2.0",), until=date(2023, 11, 21)),
    Known("cache tokens at the input price, without caching", ("claude-2.0", "claude-2.1"), CACHE),
    Known("cache prices for a model without caching", ("claude-3-sonnet-20240229",), CACHE),
    Known("no 1/5 in the first month", ("claude-3-5-haiku-20241022",), until=date(2024, 12, 3)),
    Known(
        "no long-prompt price",
        (SONNET_4,),
        modes=("standard",),
        sizes=("long",),
        since=date(2025, 8, 12),
        until=date(2026, 4, 30),
    ),
    Known("the long-prompt price after its end", (SONNET_45,), sizes=("long",), since=date(2026, 4, 30)),
    Known(
        "the lower read price from the first day",
        ("claude-sonnet-5-5",),
        ("cache_read",),
        modes=("standard",),
        until=date(2026, 10, 7),
    ),
    Known("batches at the full price, before the fix", modes=("batch",), until=BATCH_FIXED),
    Known("batches at the full price, retired models", RETIRED, modes=("batch",)),
    Known("the standard price for fast mode", ("claude-opus-4-6", "claude-opus-4-7"), modes=("fast",)),
]

CANCEL = [
    Known(
        "full price of a halved read price",
        ("claude-sonnet-5-5",),
        ("cache_read",),
        modes=("batch",),
        since=date(2026, 9, 28),
        until=date(2026, 10, 7),
    ),
    Known(
        "full base price, half of the doubled one",
        (SONNET_4,),
        ("input", *CACHE),
        ("batch",),
        ("long",),
        since=date(2025, 8, 12),
        until=date(2026, 4, 30),
    ),
]
"""Where two of their errors make a right price."""


@cache
def differences() -> dict[Case, tuple[Answer, Answer]]:
    return {case: (mine, other) for case in grid() if (mine := ours(case)) != (other := theirs(case))}


def test_the_grid_is_the_whole_list() -> None:
    cases = list(grid())
    assert {case.model for case in cases} == set(CATALOG.models)
    rows = [rate for model in CATALOG.models.values() for rate in (*model.rates, *model.fast_rates)]
    assert all(any(case.model == rate.model and rate.covers(case.on) for case in cases) for rate in rows)
    agree = [case for case in cases if case not in differences()]
    assert all(isinstance(ours(case), Decimal) for case in agree)
    assert {case.mode for case in agree} == set(MODES)


def test_no_difference_is_unknown() -> None:
    new = [
        (case, answers)
        for case, answers in differences().items()
        if not any(known.covers(case) for known in KNOWN) or any(known.covers(case) for known in CANCEL)
    ]
    assert new == []


@pytest.mark.parametrize("known", KNOWN, ids=lambda known: f"{known.why} {' '.join(known.models)}")
def test_a_known_difference_is_still_there(known: Known) -> None:
    cases = [case for case in grid() if known.covers(case) and not any(both.covers(case) for both in CANCEL)]
    assert cases
    assert [case for case in cases if case not in differences()] == []


BEDROCK_UNKNOWN = {
    # (profile or "", model) that their aws provider does not find
    *(("", model) for model in ("claude-1", "claude-2.0", "claude-2.1", "claude-instant-1", "claude-mythos-preview")),
    *((profile, f"claude-mythos-{version}") for profile in ("", "us") for version in ("preview", "5", "5-1")),
    ("global", "claude-mythos-5-1"),
    *(("apac", model) for model in ("claude-opus-4-8", "claude-fable-5", "claude-opus-5", "claude-opus-5-5")),
    ("eu", "claude-fable-5-1"),
    *(("us-gov", model) for model in ("claude-opus-4-8", "claude-opus-5", "claude-opus-5-5", "claude-fable-5-1")),
}


def cloud_price(provider: str, spelling: str) -> Answer:
    try:
        price = calc_price(
            Usage(input_tokens=10_000, output_tokens=1_000),
            spelling,
            provider_id=provider,
            genai_request_timestamp=datetime(2026, 11, 20, 12, tzinfo=UTC),
        )
    except LookupError:
        return "unknown"
    return price.total_price


def our_cloud_price(spelling: str, region: str | None = None, provider: str | None = None) -> Decimal:
    found = CATALOG.resolve(spelling, families=False)
    assert found is not None
    on = date(2026, 11, 20)
    price = CATALOG.price(
        Group(found.model.id, on, provider=provider or found.provider, routing=found.routing, region=region)
    )
    assert isinstance(price, Price)
    total = 10_000 * (price.usd("input") or 0) + 1_000 * (price.usd("output") or 0)
    return EXACT.divide(Decimal(total), MILLION)


def test_bedrock_ids_cost_the_same() -> None:
    """10,000 tokens in, 1,000 out. GovCloud is 1.2 here and 1.1 there: an open question, the setting bedrock_us_gov."""
    unknown = set()
    for model in CATALOG.models.values():
        for profile in ("", *model.profiles):
            spelling = f"{profile}.{model.bedrock}".lstrip(".")
            mine, other = our_cloud_price(spelling), cloud_price("aws", spelling)
            if other == "unknown":
                unknown.add((profile, model.id))
            elif profile == "us-gov":
                assert mine / Decimal("1.2") * Decimal("1.1") == other, spelling
            else:
                assert mine == other, spelling
    assert unknown == BEDROCK_UNKNOWN


def test_vertex_ids_cost_the_same() -> None:
    for model in CATALOG.models.values():
        for spelling in model.vertex:
            assert our_cloud_price(spelling, "global", "gcp_vertex") == cloud_price("google", spelling), spelling
