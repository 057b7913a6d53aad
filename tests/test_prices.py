"""What tokens cost, as sums a reader can redo: tokens in millions times dollars per million."""

import csv
import io
import json
from datetime import date
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from claude_audit.catalog import TOKEN_CLASSES, Catalog, Group, Model, Price, Unpriced, load
from claude_audit.commands import run

CATALOG = load()

# (input, cache_read, cache_write_5m, cache_write_1h, output); None: not sold
FABLE_5 = ("10", "1", "12.5", "20", "50")
FABLE_51 = ("10", "0.25", "12.5", "20", "50")
FABLE_52 = ("8", "0.2", "10", "16", "40")
OPUS_5 = ("5", "0.5", "6.25", "10", "25")
OPUS_4 = ("15", "1.5", "18.75", "30", "75")
SONNET_4 = ("3", "0.3", "3.75", "6", "15")
SONNET_5 = ("2", "0.2", "2.5", "4", "10")
CLAUDE_2 = ("8", None, None, None, "24")
CLAUDE_1 = ("11.02", None, None, None, "32.68")
FAST_6X = ("30", "3", "37.5", "60", "150")
FAST_2X = ("10", "1", "12.5", "20", "50")

ROWS = [
    # model, first day, prices: every standard row of the list, in the order of the file
    ("claude-fable-5-2", "2026-11-09", FABLE_52),
    ("claude-mythos-5-2", "2026-11-09", FABLE_52),
    ("claude-haiku-5-5", "2026-10-07", ("0.1", "0.01", "0.125", "0.2", "0.5")),
    ("claude-sonnet-5-5", "2026-09-28", ("2", "0.2", "2.5", "4", "10")),
    ("claude-sonnet-5-5", "2026-10-07", ("2", "0.1", "2.5", "4", "10")),
    ("claude-opus-5-5", "2026-09-22", ("4", "0.2", "5", "8", "20")),
    ("claude-fable-5-1", "2026-09-01", FABLE_51),
    ("claude-mythos-5-1", "2026-09-01", FABLE_51),
    ("claude-opus-5", "2026-07-24", OPUS_5),
    ("claude-sonnet-5", "2026-06-30", SONNET_5),
    ("claude-fable-5", "2026-06-09", FABLE_5),
    ("claude-mythos-5", "2026-06-09", FABLE_5),
    ("claude-opus-4-8", "2026-05-28", OPUS_5),
    ("claude-opus-4-7", "2026-04-16", OPUS_5),
    ("claude-mythos-preview", "2026-04-07", ("25", "2.5", "31.25", "50", "125")),
    ("claude-sonnet-4-6", "2026-02-17", SONNET_4),
    ("claude-sonnet-4-6", "2026-03-13", SONNET_4),
    ("claude-opus-4-6", "2026-02-05", OPUS_5),
    ("claude-opus-4-6", "2026-03-13", OPUS_5),
    ("claude-opus-4-5-20251101", "2025-11-24", OPUS_5),
    ("claude-haiku-4-5-20251001", "2025-10-15", ("1", "0.1", "1.25", "2", "5")),
    ("claude-sonnet-4-5-20250929", "2025-09-29", SONNET_4),
    ("claude-sonnet-4-5-20250929", "2026-04-30", SONNET_4),
    ("claude-opus-4-1-20250805", "2025-08-05", OPUS_4),
    ("claude-opus-4-20250514", "2025-05-22", OPUS_4),
    ("claude-sonnet-4-20250514", "2025-05-22", SONNET_4),
    ("claude-sonnet-4-20250514", "2025-08-12", SONNET_4),
    ("claude-sonnet-4-20250514", "2026-04-30", SONNET_4),
    ("claude-3-7-sonnet-20250219", "2025-02-24", SONNET_4),
    ("claude-3-5-haiku-20241022", "2024-11-04", ("1", "0.1", "1.25", "2", "5")),
    ("claude-3-5-haiku-20241022", "2024-12-03", ("0.8", "0.08", "1", "1.6", "4")),
    ("claude-3-5-sonnet-20241022", "2024-10-22", SONNET_4),
    ("claude-3-5-sonnet-20240620", "2024-06-20", SONNET_4),
    ("claude-3-haiku-20240307", "2024-03-13", ("0.25", "0.03", "0.3", "0.5", "1.25")),
    ("claude-3-opus-20240229", "2024-03-04", OPUS_4),
    ("claude-3-sonnet-20240229", "2024-03-04", ("3", None, None, None, "15")),
    ("claude-2.1", "2023-11-21", CLAUDE_2),
    ("claude-2.0", "2023-07-11", CLAUDE_1),
    ("claude-2.0", "2023-11-21", CLAUDE_2),
    ("claude-instant-1", "2023-07-11", ("1.63", None, None, None, "5.51")),
    ("claude-instant-1", "2024-01-01", ("0.8", None, None, None, "2.4")),
    ("claude-1", "2023-07-11", CLAUDE_1),
    ("claude-1", "2023-11-21", CLAUDE_2),
]

FAST_ROWS = [
    # model, first day, first day without it, prices
    ("claude-fable-5-2", "2026-11-09", None, ("16", "0.4", "20", "32", "80")),
    ("claude-mythos-5-2", "2026-11-09", None, ("16", "0.4", "20", "32", "80")),
    ("claude-opus-5-5", "2026-09-22", None, ("8", "0.4", "10", "16", "40")),
    ("claude-opus-5", "2026-07-24", None, FAST_2X),
    ("claude-opus-4-8", "2026-05-28", "2026-11-30", FAST_2X),
    ("claude-opus-4-7", "2026-05-12", "2026-07-24", FAST_6X),
    ("claude-opus-4-6", "2026-02-07", "2026-02-22", FAST_6X),
    ("claude-opus-4-6", "2026-02-22", "2026-06-29", FAST_6X),
]

BANDS = [
    # model, first day, first day without it, limit, prices above it
    ("claude-haiku-5-5", "2026-10-07", None, 100_000, ("0.5", "0.05", "0.625", "1", "2.5")),
    ("claude-sonnet-4-6", "2026-02-17", "2026-03-13", 200_000, ("6", "0.6", "7.5", "12", "22.5")),
    ("claude-opus-4-6", "2026-02-05", "2026-03-13", 200_000, ("10", "1", "12.5", "20", "37.5")),
    ("claude-sonnet-4-5-20250929", "2025-09-29", "2026-04-30", 200_000, ("6", "0.6", "7.5", "12", "22.5")),
    ("claude-sonnet-4-20250514", "2025-08-12", "2026-04-30", 200_000, ("6", "0.6", "7.5", "12", "22.5")),
]


def decimals(prices: tuple[str | None, ...]) -> dict[str, Decimal | None]:
    return {name: None if price is None else Decimal(price) for name, price in zip(TOKEN_CLASSES, prices, strict=True)}


def size(prompt: int) -> int:
    return sum(prompt > threshold for threshold in CATALOG.thresholds)


def price(model: str, on: str, prompt: int = 1_000, catalog: Catalog = CATALOG, **group: Any) -> Price:
    found = catalog.resolve(model)
    assert found is not None
    answer = catalog.price(Group(found.model.id, date.fromisoformat(on), size=size(prompt), **group))
    assert isinstance(answer, Price), answer
    return answer


def refused(model: str | None, on: str, **group: Any) -> str:
    answer = CATALOG.price(Group(model, date.fromisoformat(on), **group))
    assert isinstance(answer, Unpriced), answer
    return answer.reason


def mtok(price: Price, token_class: str, tokens: int) -> Decimal:
    """`tokens` of a class in dollars."""
    usd = price.usd(token_class)
    assert usd is not None
    return usd * tokens / 1_000_000


# The list


def test_every_standard_row_stands_here() -> None:
    stated = [
        (model.id, str(rate.since), dict(rate.usd_per_mtok))
        for model in CATALOG.models.values()
        for rate in model.rates
    ]
    assert stated == [(model, since, decimals(prices)) for model, since, prices in ROWS]


def test_every_fast_row_stands_here() -> None:
    stated = [
        (model.id, str(rate.since), str(rate.until) if rate.until else None, dict(rate.usd_per_mtok))
        for model in CATALOG.models.values()
        for rate in model.fast_rates
    ]
    assert stated == [(model, since, until, decimals(prices)) for model, since, until, prices in FAST_ROWS]


def test_every_long_prompt_price_stands_here() -> None:
    stated = [
        (
            model.id,
            str(rate.since),
            str(rate.until) if rate.until else None,
            rate.band.over,
            dict(rate.band.usd_per_mtok),
        )
        for model in CATALOG.models.values()
        for rate in model.rates
        if rate.band
    ]
    assert stated == [(model, since, until, over, decimals(prices)) for model, since, until, over, prices in BANDS]
    assert CATALOG.thresholds == (100_000, 200_000)
    assert CATALOG.banded_models == {model for model, *_ in BANDS}


READS = {"claude-opus-5-5": "0.05", "claude-fable-5-1": "0.025", "claude-mythos-5-1": "0.025"} | {
    "claude-fable-5-2": "0.025",
    "claude-mythos-5-2": "0.025",
}


@pytest.mark.parametrize("model", CATALOG.models.values(), ids=lambda model: model.id)
def test_cache_prices_are_the_published_multiples_of_input(model: Model) -> None:
    """1.25x, 2x and 0.1x, with the exceptions that Anthropic publishes: a slip of the pen in a row shows here."""
    for rate in (*model.rates, *model.fast_rates):
        for prices in (rate.usd_per_mtok, *([rate.band.usd_per_mtok] if rate.band else [])):
            if prices["cache_read"] is None or model.id == "claude-3-haiku-20240307":  # no cache; published rounded
                continue
            read = READS.get(model.id, "0.1")
            if model.id == "claude-sonnet-5-5" and rate.since >= date(2026, 10, 7):
                read = "0.05"
            assert prices["input"] is not None
            assert prices["cache_write_5m"] == prices["input"] * Decimal("1.25")
            assert prices["cache_write_1h"] == prices["input"] * 2
            assert prices["cache_read"] == prices["input"] * Decimal(read)


# Days


@pytest.mark.parametrize(
    ("model", "token_class", "before", "last", "first", "after"),
    [
        ("claude-2.0", "output", "32.68", "2023-11-20", "2023-11-21", "24"),
        ("claude-3-5-haiku", "input", "1", "2024-12-02", "2024-12-03", "0.8"),
        ("claude-sonnet-5-5", "cache_read", "0.2", "2026-10-06", "2026-10-07", "0.1"),
    ],
)
def test_a_price_changes_at_midnight(
    model: str, token_class: str, before: str, last: str, first: str, after: str
) -> None:
    assert price(model, last).usd(token_class) == Decimal(before)
    assert price(model, first).usd(token_class) == Decimal(after)


def test_the_rise_of_sonnet_5_was_cancelled() -> None:
    assert price("claude-sonnet-5", "2026-08-31") == price("claude-sonnet-5", "2026-09-01")


def test_a_retired_model_keeps_its_last_price() -> None:
    assert price("claude-opus-4-1", "2027-06-01").usd("input") == Decimal(15)


def test_what_has_no_price() -> None:
    assert refused(None, "2026-11-20") == "unknown model"
    assert refused("claude-fable-5-3", "2026-11-20") == "unknown model"
    assert refused("claude-opus-5-5", "2026-09-21") == "before its first price"
    assert refused("claude-opus-5-5", "2026-09-21", speed="fast") == "before its first price"
    assert refused("claude-opus-4-7", "2026-07-24", speed="fast") == "no fast price in force"
    assert refused("claude-sonnet-5-5", "2026-11-20", speed="fast") == "no fast price in force"
    assert refused("claude-opus-5", "2026-11-20", speed="fast", tier="batch") == "fast mode is not sold in batches"
    assert price("claude-3-sonnet", "2024-06-01").usd("cache_read") is None
    assert price("claude-3-sonnet", "2024-06-01", tier="batch").usd("cache_read") is None


def test_a_what_if_may_ask_for_a_model_before_its_time() -> None:
    early = CATALOG.price(Group("claude-haiku-5-5", date(2026, 1, 1)), lenient=True)
    assert isinstance(early, Price) and early.usd("input") == Decimal("0.1")
    over = CATALOG.price(Group("claude-opus-4-7", date(2026, 11, 1), speed="fast"), lenient=True)
    assert over == Unpriced("no fast price in force")


# Sums


def test_a_plain_request() -> None:
    """10,000 in at 3 and 1,000 out at 15."""
    sonnet = price("claude-sonnet-4-5", "2026-11-20")
    assert mtok(sonnet, "input", 10_000) + mtok(sonnet, "output", 1_000) == Decimal("0.03") + Decimal("0.015")


def test_a_cached_agent_turn() -> None:
    """50,000 read at 0.20, 2,000 written for an hour at 8, 500 in at 4, 800 out at 20."""
    opus = price("claude-opus-5-5", "2026-11-20")
    assert mtok(opus, "cache_read", 50_000) == Decimal("0.01")
    assert mtok(opus, "cache_write_1h", 2_000) == Decimal("0.016")
    assert mtok(opus, "input", 500) + mtok(opus, "output", 800) == Decimal("0.002") + Decimal("0.016")


@pytest.mark.parametrize(("prompt", "usd"), [(100_000, "0.01"), (100_001, "0.0500005")])
def test_one_token_more_moves_the_whole_prompt(prompt: int, usd: str) -> None:
    """Haiku 5.5: 0.10 to 100,000 tokens, 0.50 above, strictly."""
    assert mtok(price("haiku", "2026-11-20", prompt), "input", prompt) == Decimal(usd)


def test_a_band_of_one_model_is_none_of_another() -> None:
    assert price("claude-sonnet-4-5", "2026-01-15", 150_000).usd("input") == 3
    assert price("claude-sonnet-4-5", "2026-01-15", 200_001).usd("input") == 6
    assert price("claude-opus-5-5", "2026-11-20", 900_000).usd("input") == 4


def test_a_batch_of_long_prompts_in_the_us() -> None:
    """200,000 tokens at 0.50, by 0.5 for the batch, by 1.1 for the place: 0.055."""
    haiku = price("haiku", "2026-11-20", 200_000, tier="batch", geo="us")
    assert mtok(haiku, "input", 200_000) == Decimal("0.1") * Decimal("0.5") * Decimal("1.1")
    assert [factor.name for factor in haiku.factors] == ["inference geo us", "batch"]
    assert haiku.factor == Decimal("0.55")


def test_fast_mode_in_the_us() -> None:
    """1,000 out at 40, by 1.1."""
    opus = price("claude-opus-5-5", "2026-11-20", speed="fast", geo="us")
    assert mtok(opus, "output", 1_000) == Decimal("0.044")


@pytest.mark.parametrize(
    ("model", "on", "geo", "factor"),
    [
        ("claude-opus-4-6", "2026-02-05", "us", "1.1"),
        ("claude-opus-5", "2026-11-20", "us", "1.1"),
        ("claude-mythos-preview", "2026-05-01", "us", "1.1"),
        ("claude-opus-5", "2026-11-20", "global", "1"),
        ("claude-opus-5", "2026-11-20", "not_available", "1"),
        ("claude-opus-5", "2026-11-20", "", "1"),
        ("claude-opus-4-5", "2026-11-20", "us", "1"),  # refuses the parameter
    ],
)
def test_inference_geo(model: str, on: str, geo: str, factor: str) -> None:
    assert price(model, on, geo=geo).factor == Decimal(factor)


@pytest.mark.parametrize(
    ("spelling", "on", "factor", "question"),
    [
        ("us.anthropic.claude-haiku-4-5-20251001-v1:0", "2026-11-20", "1.1", None),
        ("jp.anthropic.claude-sonnet-4-5-20250929-v1:0", "2026-11-20", "1.1", None),
        ("global.anthropic.claude-haiku-4-5-20251001-v1:0", "2026-11-20", "1", None),
        ("anthropic.claude-haiku-4-5-20251001-v1:0", "2026-11-20", "1.1", "bedrock_bare_id"),
        ("us-gov.anthropic.claude-opus-5", "2026-11-20", "1.2", "bedrock_us_gov"),
        ("us.anthropic.claude-sonnet-4-20250514-v1:0", "2026-11-20", "1", None),
        ("anthropic.claude-3-haiku-20240307-v1:0", "2026-11-20", "1", None),
        ("bedrock/claude-opus-5", "2026-11-20", "1", "bedrock_without_profile"),
    ],
)
def test_bedrock(spelling: str, on: str, factor: str, question: str | None) -> None:
    found = CATALOG.resolve(spelling)
    assert found is not None
    group = {"provider": found.provider, "routing": found.routing}
    answer = price(spelling, on, **{name: value for name, value in group.items() if value})
    assert answer.factor == Decimal(factor)
    assert answer.decided == ((question,) if question else ())


@pytest.mark.parametrize(
    ("group", "factor", "questions"),
    [
        ({"provider": "gcp_vertex", "region": "us-east5"}, "1.1", ()),
        ({"provider": "gcp_vertex", "region": "eu"}, "1.1", ()),
        ({"provider": "gcp_vertex", "region": "global"}, "1", ()),
        ({"provider": "gcp_vertex", "routing": "regional"}, "1.1", ()),
        ({"provider": "gcp_vertex"}, "1", ("vertex_without_location",)),
        ({"provider": "aws_bedrock", "routing": "bare", "region": "us-gov-west-1"}, "1.2", ("bedrock_us_gov",)),
        ({"provider": "azure_foundry", "region": "eastus2"}, "1", ()),
        ({"provider": "azure_foundry", "routing": "regional"}, "1.1", ()),
        ({"provider": "azure_foundry", "routing": "regional", "geo": "us"}, "1.1", ()),
        ({"provider": "claude_platform_aws", "region": "us-east-1"}, "1", ()),
        ({"provider": "openrouter"}, "1", ()),
        ({"provider": "anthropic"}, "1", ()),
        ({"tier": "priority"}, "1", ("priority_tier",)),
        ({"tier": "standard", "speed": "standard"}, "1", ()),
    ],
)
def test_clouds_and_tiers(group: dict[str, Any], factor: str, questions: tuple[str, ...]) -> None:
    answer = price("claude-opus-5", "2026-11-20", **group)
    assert (answer.factor, answer.decided) == (Decimal(factor), questions)


def test_vertex_asks_no_premium_for_older_models() -> None:
    assert price("claude-sonnet-4", "2026-11-20", provider="gcp_vertex", region="us-east5").factor == 1


def test_a_price_that_rests_on_an_open_question_says_so() -> None:
    assert price("claude-mythos-preview", "2026-05-15").decided == ("mythos_preview_price",)


def test_a_search_costs_a_cent() -> None:
    fee, where = CATALOG.search_fee()
    assert fee * 3 == Decimal("0.03")
    assert where.startswith("pricing/platforms.yaml:")


@pytest.mark.parametrize(
    ("model", "on", "tokens"),
    [
        ("claude-opus-4-7", "2026-06-08", 4096),
        ("claude-opus-4-7", "2026-06-09", 2048),
        ("claude-sonnet-4-6", "2026-02-26", 1024),
        ("claude-sonnet-4-6", "2026-02-27", 2048),
        ("claude-sonnet-4-6", "2026-05-14", 1024),
        ("claude-haiku-5-5", "2026-11-20", 512),
        ("claude-haiku-4-5", "2026-11-20", 4096),
        ("claude-3-opus", "2024-08-13", None),  # a day before prompt caching
        ("claude-3-sonnet", "2024-12-01", None),
        ("claude-fable-5-2", "2026-11-20", None),
    ],
)
def test_the_shortest_cached_prompt(model: str, on: str, tokens: int | None) -> None:
    found = CATALOG.resolve(model)
    assert found is not None and found.model.minimum(date.fromisoformat(on)) == tokens


def test_the_first_minimum_for_what_ifs() -> None:
    opus = CATALOG.models["claude-opus-4-7"]
    assert opus.minimum(date(2026, 1, 1)) is None
    assert opus.minimum(date(2026, 1, 1), lenient=True) == 4096
    assert CATALOG.models["claude-fable-5-2"].minimum(date(2026, 1, 1), lenient=True) is None


# The command


@pytest.fixture(autouse=True)
def nobodys_configuration(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "none"))
    monkeypatch.delenv("CLAUDE_AUDIT_PRICES", raising=False)


def prices(capsys: pytest.CaptureFixture[str], *arguments: str) -> tuple[int, str]:
    code = run(["prices", *arguments])
    return code, capsys.readouterr().out


def test_the_list_as_json(capsys: pytest.CaptureFixture[str]) -> None:
    code, out = prices(capsys, "--format", "json", "--on", "2026-10-06")
    document = json.loads(out)
    assert (code, document["schema_version"], document["on"]) == (0, 1, "2026-10-06")
    rows = {row["model"]: row for row in document["rows"]}
    assert rows["claude-sonnet-5-5"]["price"]["usd_per_mtok"]["cache_read"] == "0.2"
    assert "claude-haiku-5-5" not in rows  # released a day later
    assert rows["claude-3-sonnet-20240229"]["price"]["usd_per_mtok"]["cache_read"] is None


def test_the_list_as_csv_and_markdown(capsys: pytest.CaptureFixture[str]) -> None:
    _, out = prices(capsys, "--format", "csv", "--on", "2026-11-20")
    rows = list(csv.DictReader(io.StringIO(out)))
    assert len(rows) == len(CATALOG.models)
    assert {row["model"]: row["output"] for row in rows}["claude-haiku-5-5"] == "0.50"
    _, out = prices(capsys, "--format", "markdown", "--on", "2026-11-20")
    assert out.startswith("| model | input |")


def test_the_list_for_people(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "160")
    _, out = prices(capsys, "--on", "2026-11-20")
    line = next(line for line in out.splitlines() if line.startswith("claude-haiku-5-5 "))
    assert "0.50/2.50 >100k" in line and "2026-10-07" in line and "pricing/anthropic.yaml:" in line


def test_show_takes_any_spelling(capsys: pytest.CaptureFixture[str]) -> None:
    code, out = prices(capsys, "show", "us.anthropic.claude-mythos-preview", "--format", "json")
    document = json.loads(out)
    assert (code, document["model"]) == (0, "claude-mythos-preview")
    assert document["spelling"]["routing"] == "regional"
    assert document["prices"][0]["usd_per_mtok"]["output"] == "125"
    assert [setting["name"] for setting in document["settings"]] == ["mythos_preview_price"]


@pytest.mark.parametrize("args", [["show", "claude-haiku-5-5"], ["show", "claude-mythos-preview"], ["settings"]])
def test_sentences_keep_to_the_width_of_the_terminal(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, args: list[str]
) -> None:
    monkeypatch.setenv("COLUMNS", "80")
    _, narrow = prices(capsys, *args)
    monkeypatch.setenv("COLUMNS", "300")
    _, wide = prices(capsys, *args)
    assert max(map(len, narrow.splitlines())) <= 80 < max(map(len, wide.splitlines()))


def test_show_on_a_day(capsys: pytest.CaptureFixture[str]) -> None:
    _, out = prices(capsys, "show", "claude-sonnet-5-5", "--on", "2026-10-06")
    assert "2026-09-28" in out and "0.20" in out
    code, _ = prices(capsys, "show", "claude-sonnet-5-5", "--on", "2026-01-01")
    assert code == 2


def test_show_of_nothing_known_names_the_nearest(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["prices", "show", "claude-haiku-3-5"]) == 2
    error = capsys.readouterr().err
    assert "no price for a model called 'claude-haiku-3-5'" in error
    assert "did you mean" in error


def test_settings_lists_who_says_what(capsys: pytest.CaptureFixture[str]) -> None:
    _, out = prices(capsys, "settings", "--format", "json")
    settings = {setting["name"]: setting for setting in json.loads(out)["settings"]}
    assert settings["bedrock_us_gov"]["value"] == "1.2"
    assert set(settings["bedrock_us_gov"]["says"]) == {"litellm", "genai"}
    _, text = prices(capsys, "settings")
    assert all(name in text for name in settings)


def test_check_finds_the_built_in_files_good(capsys: pytest.CaptureFixture[str]) -> None:
    code, out = prices(capsys, "check", "--today", "2026-11-21", "--format", "json")
    assert (code, json.loads(out)["problems"]) == (0, [])


def test_check_knows_a_stale_reading(capsys: pytest.CaptureFixture[str]) -> None:
    code, out = prices(capsys, "check", "--today", "2027-01-21")
    assert code == 0 and "61 days ago" in out and out.endswith("0 errors, 2 warnings\n")
    _, out = prices(capsys, "check", "--today", "2027-01-20")
    assert out == "0 errors, 0 warnings\n"


def test_check_of_a_broken_file(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    file = tmp_path / "ours.yaml"
    file.write_text("aliases:\n  cheap: claude-haiku-9\n")
    code, out = prices(capsys, "check", str(file), "--format", "json")
    assert (code, json.loads(out)["errors"]) == (2, 1)
    (problem,) = json.loads(out)["problems"]
    assert problem["message"] == f"{file}:2: aliases.cheap: 'claude-haiku-9' is no known model"
    assert prices(capsys, "check", str(file))[1].endswith("1 error, 0 warnings\n")


def test_check_warns_of_what_works_but_is_hardly_meant(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    file = tmp_path / "ours.yaml"
    file.write_text(
        "aliases: {claude-opus-5: claude-opus-5-5}\n"
        "prices:\n"
        "- {model: claude-haiku-5-5, since: 2026-01-01, usd_per_mtok: {input: 1}}\n"
        "- {model: claude-haiku-5.5, since: 2026-02-01, usd_per_mtok: {input: 2}}\n"
    )
    code, out = prices(capsys, "check", str(file))
    assert code == 0
    assert f"{file}:1: 'claude-opus-5' is claude-opus-5 already" in out
    assert f"{file}:4: overlaps the row at {file}:3" in out
