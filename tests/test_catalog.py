"""The catalog's files: where each price stands, a user's file on top, dates at which anything changes, the schema."""

import json
from datetime import date, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st
from jsonschema import Draft202012Validator

from claude_audit import yaml_lines
from claude_audit.catalog import TOKEN_CLASSES, Catalog, Group, Price, Rate, load
from claude_audit.catalog_build import build, overlay
from claude_audit.errors import AuditError
from claude_audit.price_check import Problem, check
from claude_audit.price_files import schema_text
from claude_audit.price_folder import checksums, folder
from claude_audit.price_list import CONTENTS, READ_FROM

CATALOG = load()
DAY = date(2026, 11, 20)


def user(tmp_path: Path, text: str) -> Catalog:
    return load(write(tmp_path, text))


def write(tmp_path: Path, text: str) -> Path:
    file = tmp_path / "ours.yaml"
    file.write_text(text, encoding="utf-8")
    return file


def priced(catalog: Catalog, model: str, on: date = DAY, **group: Any) -> Price:
    answer = catalog.price(Group(model, on, **group))
    assert isinstance(answer, Price), answer
    return answer


# The built-in files


def test_a_price_names_the_line_that_states_it() -> None:
    for model in CATALOG.models.values():
        for rate in (*model.rates, *model.fast_rates):
            name, line = rate.where.removeprefix("pricing/").split(":")
            text = (folder() / name).read_text().splitlines()[int(line) - 1]
            assert text.strip() == f"- since: {rate.since}"
            assert rate.source and rate.read == date(2026, 11, 21)


def test_a_factor_and_a_fee_name_theirs() -> None:
    lines = (folder() / "platforms.yaml").read_text().splitlines()
    (factor,) = priced(CATALOG, "claude-opus-5", tier="batch").factors
    for where, name in ((factor.where, "batch:"), (CATALOG.search_fee()[1], "web_search:")):
        assert lines[int(where.split(":")[1]) - 1].strip() == name


def test_rows_of_a_model_follow_each_other() -> None:
    for model in CATALOG.models.values():
        for before, after in zip(model.rates, model.rates[1:], strict=False):
            assert before.until == after.since
        assert model.rates[-1].until is None
        for rate in model.fast_rates:
            assert model.rates[0].since <= rate.since


def test_the_schema_is_the_one_of_the_types() -> None:
    assert (folder() / "schema.json").read_text() == schema_text()


def test_the_list_is_what_the_files_come_to() -> None:
    assert checksums() == READ_FROM, "python -m claude_audit.price_list_source"
    assert build(()) == CONTENTS


def test_a_changed_file_goes_before_the_list(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("claude_audit.price_list.READ_FROM", {"anthropic.yaml": 1})
    monkeypatch.setattr("claude_audit.price_list.CONTENTS", None)
    assert load().models == CATALOG.models


@pytest.mark.parametrize("name", ["anthropic.yaml", "platforms.yaml"])
def test_the_files_keep_to_the_schema(name: str) -> None:
    check_schema((folder() / name).read_text())


def check_schema(text: str) -> None:
    validator = Draft202012Validator(json.loads(schema_text()), format_checker=Draft202012Validator.FORMAT_CHECKER)
    validator.validate(json.loads(json.dumps(yaml.safe_load(text), default=str)))


def test_numbers_are_exact() -> None:
    assert priced(CATALOG, "claude-haiku-5-5").usd("cache_write_5m") == Decimal("0.125")
    product = priced(CATALOG, "claude-haiku-5-5", tier="batch", geo="us").usd("cache_read")
    assert product == Decimal("0.01") * Decimal("1.1") * Decimal("0.5")


def test_tokenizers() -> None:
    assert (CATALOG.tokenizer_factor, CATALOG.tokenizer_range) == (Decimal("1.3"), (Decimal("1.00"), Decimal("1.35")))
    new = {model.id for model in CATALOG.models.values() if model.tokenizer == "new"}
    assert {"claude-opus-4-7", "claude-mythos-preview", "claude-sonnet-5", "claude-haiku-5-5"} <= new
    assert not {"claude-opus-4-6", "claude-sonnet-4-6", "claude-haiku-4-5-20251001"} & new


# Refusals


@pytest.mark.parametrize(
    ("on", "category", "billed"),
    [
        ("2026-06-01", "cyber", True),
        ("2026-06-02", "bio", False),
        ("2026-09-23", None, False),
        ("2026-09-24", "bio", True),
        ("2026-09-24", "frontier_llm", True),
        ("2026-09-24", "reasoning_extraction", True),
        ("2026-09-24", "cyber", False),
        ("2026-09-24", "general_harms", False),
        ("2026-09-24", None, False),
    ],
)
def test_a_refusal_without_output(on: str, category: str | None, billed: bool) -> None:
    assert CATALOG.refusal_billed(date.fromisoformat(on), category) is billed
    rule = next(rule for rule in reversed(CATALOG.refusal_rules) if not rule.since or str(rule.since) <= on)
    assert rule.bills(category) is billed


def test_open_questions_about_refusals_are_settings(tmp_path: Path) -> None:
    theirs = user(tmp_path, "settings: {refusals_of_other_categories: billed, refusals_on_clouds: billed}")
    assert theirs.refusal_billed(DAY, "general_harms") and theirs.refusal_billed(DAY, None)
    assert not theirs.refusal_billed(DAY, "cyber")
    assert theirs.refusal_billed(DAY, "cyber", "aws_bedrock")
    assert not CATALOG.refusal_billed(DAY, "cyber", "aws_bedrock")


# When anything changes


def test_boundaries_of_a_model() -> None:
    days = CATALOG.boundaries(["claude-sonnet-5-5"], date(2026, 9, 28), date(2026, 10, 7))
    assert days == (date(2026, 10, 7),)
    assert CATALOG.boundaries(["claude-sonnet-5-5"], date(2026, 10, 7), date(2026, 11, 21)) == ()
    assert date(2026, 6, 9) in CATALOG.boundaries(["claude-opus-4-7"], date(2026, 6, 1), date(2026, 6, 30))  # a minimum
    assert CATALOG.boundaries([], date(2026, 6, 1), date(2026, 6, 30)) == ()  # a rule for refusals changes, no price


@given(
    st.sampled_from(sorted(CATALOG.models)),
    st.dates(date(2023, 7, 1), date(2026, 12, 31)),
    st.integers(0, len(CATALOG.thresholds)),
    st.sampled_from([None, "batch"]),
    st.sampled_from([None, "fast"]),
    st.sampled_from([None, "us"]),
    st.sampled_from([(None, None), ("aws_bedrock", "bare"), ("aws_bedrock", "regional"), ("gcp_vertex", "regional")]),
)
def test_between_two_boundaries_nothing_changes(model, on, size, tier, speed, geo, cloud) -> None:
    """What makes sums over a stretch of days right: one day's price is every day's."""
    changes = (date.min, *CATALOG.boundaries([model], date.min, date.max))
    start = max(day for day in changes if day <= on)
    rest = [Group(model, day, size, tier, speed, geo, *cloud) for day in (start, on)]
    assert CATALOG.price(rest[0]) == CATALOG.price(rest[1])
    known = CATALOG.models[model]
    assert known.minimum(start) == known.minimum(on)


# A user's file

OURS = """\
prices:
- model: claude-sonnet-5-5
  since: 2026-10-20
  until: 2026-11-10
  usd_per_mtok: {input: 1.80, cache_read: 0.09, cache_write_5m: 2.25, cache_write_1h: 3.60, output: 9}
  over: {prompt_tokens: 150000, usd_per_mtok: {input: 3, output: 12}}
  source: contract 118
- {model: Claude Opus 5, since: 2026-11-01, fast: true, usd_per_mtok: {input: 9, output: 45}}
discounts:
- {models: "claude-*", factor: 0.95, since: 2026-01-01}
- {models: "claude-opus-*", factor: 0.9, since: 2026-11-01, until: 2026-12-01}
- {models: "claude-*", factor: 0.93, provider: aws_bedrock}
aliases:
  cheap: haiku
  Larkspur-Main: us.anthropic.claude-opus-5
  arn:aws:bedrock:us-east-1:123456789012:application-inference-profile/abc123def456:
    {model: claude-opus-5, provider: aws_bedrock, routing: global}
settings:
  bedrock_bare_id: 1
  fast_without_price: standard
  long_prompts_elsewhere: kept
"""


def test_a_file_of_ones_own_keeps_to_the_schema() -> None:
    check_schema(OURS)


def test_a_price_of_ones_own_holds_on_its_days(tmp_path: Path) -> None:
    ours = user(tmp_path, OURS)
    prices = {
        day: priced(ours, "claude-sonnet-5-5", date(2026, *day)).rate.usd_per_mtok["input"]
        for day in ((10, 19), (10, 20), (11, 9), (11, 10))
    }
    assert prices == {(10, 19): 2, (10, 20): Decimal("1.8"), (11, 9): Decimal("1.8"), (11, 10): 2}
    mine = priced(ours, "claude-sonnet-5-5", date(2026, 11, 1), tier="batch")
    assert mine.rate.where == f"{tmp_path / 'ours.yaml'}:2"
    assert mine.usd("input") == Decimal("0.9")  # batches still halve it, the 0.95 of the list doesn't touch it
    assert ours.thresholds == (100_000, 150_000, 200_000)
    assert priced(ours, "claude-sonnet-5-5", date(2026, 11, 1), size=2).usd("output") == 12
    fast = priced(ours, "claude-opus-5", speed="fast")
    assert (fast.usd("output"), fast.usd("cache_read")) == (45, None)


def test_discounts_the_last_that_matches(tmp_path: Path) -> None:
    ours = user(tmp_path, OURS)
    cases = [
        ("claude-haiku-4-5-20251001", date(2026, 3, 1), None, "0.95"),
        ("claude-haiku-4-5-20251001", date(2025, 12, 31), None, "1"),
        ("claude-opus-5", date(2026, 10, 31), None, "0.95"),
        ("claude-opus-5", date(2026, 11, 1), None, "0.9"),
        ("claude-opus-5", date(2026, 12, 1), None, "0.95"),
        ("claude-opus-5", date(2026, 11, 1), "aws_bedrock", "0.93"),
    ]
    for model, on, provider, factor in cases:
        assert priced(ours, model, on, **({"provider": provider} if provider else {})).factor == Decimal(factor)
    (discount,) = priced(ours, "claude-opus-5", date(2026, 11, 1)).factors
    assert discount.where == f"{tmp_path / 'ours.yaml'}:11"


def test_aliases_of_ones_own(tmp_path: Path) -> None:
    ours = user(tmp_path, OURS)
    arn = "arn:aws:bedrock:us-east-1:123456789012:application-inference-profile/abc123def456"
    found = {name: ours.resolve(name, families=False) for name in ("cheap", "larkspur-main", arn)}
    assert {name: (hit.model.id, hit.provider, hit.routing) for name, hit in found.items() if hit} == {
        "cheap": ("claude-haiku-5-5", None, None),
        "larkspur-main": ("claude-opus-5", "aws_bedrock", "regional"),
        arn: ("claude-opus-5", "aws_bedrock", "global"),
    }
    assert CATALOG.resolve("cheap") is None  # the built-in catalog is as it was


def test_settings_of_ones_own(tmp_path: Path) -> None:
    ours = user(tmp_path, OURS.split("discounts:")[0] + "settings:" + OURS.split("settings:")[1])
    bare = priced(ours, "claude-opus-5", provider="aws_bedrock", routing="bare")
    assert (bare.factor, bare.decided) == (1, ("bedrock_bare_id",))
    assert ours.settings["bedrock_bare_id"].where == f"{tmp_path / 'ours.yaml'}:10"
    assert priced(ours, "claude-sonnet-5", speed="fast").usd("input") == 2
    assert priced(ours, "claude-sonnet-5", speed="fast").decided == ("fast_without_price",)


@pytest.mark.parametrize(("answer", "price"), [("kept", 6), ("ended", 3)])
def test_long_prompts_that_a_cloud_may_still_charge_for(tmp_path: Path, answer: str, price: int) -> None:
    ours = user(tmp_path, f"settings: {{long_prompts_elsewhere: {answer}}}")
    group = {"size": 2, "provider": "aws_bedrock", "routing": "global"}
    cloud = priced(ours, "claude-sonnet-4-5-20250929", **group)
    assert (cloud.usd("input"), cloud.decided) == (price, ("long_prompts_elsewhere",))
    at_home = priced(ours, "claude-sonnet-4-5-20250929", size=2)
    assert (at_home.usd("input"), at_home.decided) == (3, ())


def test_a_model_the_list_does_not_have_yet(tmp_path: Path) -> None:
    ours = user(
        tmp_path,
        """\
sources: {mail: a mail of our account manager}
models:
  claude-sonnet-6:
    name: Claude Sonnet 6
    family: sonnet
    tokenizer: new
    released: 2026-11-20
    context: 1000000
    max_output: 128000
    prices:
    - {since: 2026-11-20, usd_per_mtok: {input: 2, output: 8}, source: [mail], read: 2026-11-20}
""",
    )
    found = ours.resolve("sonnet")
    assert found is not None and found.model.id == "claude-sonnet-6"
    assert priced(ours, "claude-sonnet-6").usd("output") == 8
    spelled = ours.resolve("openrouter/anthropic/claude-6-sonnet-20261120")
    assert spelled is not None and spelled.model is found.model


@pytest.mark.parametrize(
    ("text", "line", "message"),
    [
        ("price: []", 1, "price: unknown key"),
        ("prices:\n- {model: claude-opus-9, since: 2026-01-01, usd_per_mtok: {input: 1}}", 2, "is no known model"),
        ("prices:\n- {model: opus, since: 2026-01-01, usd_per_mtok: {input: 1}}", 2, "'opus' is no known model"),
        ("prices:\n- model: claude-opus-5\n  since: 1 May\n  usd_per_mtok: {input: 1}", 3, "'1 May' is not a date"),
        ("prices:\n- model: claude-opus-5\n  since: 2026-01-01", 2, "usd_per_mtok is missing"),
        ("prices:\n- {model: claude-opus-5, since: 2026-01-01, usd_per_mtok: {input: a}}", 2, "'a' is not a number"),
        ("prices:\n- {model: claude-opus-5, since: 2026-01-01, usd_per_mtok: {inputs: 1}}", 2, "not one of input"),
        ("prices:\n- {model: claude-opus-5, since: 2026-01-01, usd_per_mtok: {input: -1}}", 2, "below 0"),
        ("prices:\n- {model: claude-opus-5, since: 2026-01-01, usd_per_mtok: {}}", 2, "without any price"),
        ("prices:\n- {model: claude-opus-5, since: 2026-02-30, usd_per_mtok: {}}", 2, "not a date of the calendar"),
        ("discounts:\n- {models: claude-opos-*, factor: 0.9}", 2, "matches no model id"),
        ("discounts:\n- {models: claude-*, factor: true}", 2, "true is not a number"),
        ("discounts: {models: claude-*}", 1, "a mapping is not a list"),
        ("aliases: {a: claude-opus-9}", 1, "is no known model"),
        ("aliases:\n  a: {model: claude-opus-5, routing: local}", 2, "'local' is not one of global"),
        ("settings:\n  bedrock_bare: 1", 2, "unknown setting"),
        ("settings:\n  bedrock_bare_id: free", 2, "free is not a factor"),
        ("settings:\n  fast_without_price: 1", 2, "not one of unpriced, standard"),
        ("settings:\n  claude_instant_cut: 2024-01-01", 2, "is not"),
        ("settings:\n  claude_instant_cut: soon", 2, "not answered by a setting"),
        ("models:\n  claude-opus-5: {}", 2, "name is missing"),
        ("a: 1\na: 2", 2, "'a' is given twice"),
        ("prices: [", 1, "not valid YAML"),
        ("just words", 1, "is not a mapping"),
    ],
)
def test_a_mistake_is_named_with_its_line(tmp_path: Path, text: str, line: int, message: str) -> None:
    with pytest.raises(AuditError) as caught:
        user(tmp_path, text)
    assert caught.value.message.startswith(f"{tmp_path / 'ours.yaml'}:{line}: ")
    assert message in caught.value.message


def test_an_unknown_key_suggests_the_known_one(tmp_path: Path) -> None:
    with pytest.raises(AuditError) as caught:
        user(tmp_path, "alias: {}")
    assert caught.value.hint == "did you mean 'aliases'?"


def test_a_file_that_cant_be_read(tmp_path: Path) -> None:
    with pytest.raises(AuditError, match="can't be read"):
        load(tmp_path / "none.yaml")
    (tmp_path / "latin.yaml").write_bytes(b"aliases: {\xe9: haiku}")
    with pytest.raises(AuditError, match="not UTF-8"):
        load(tmp_path / "latin.yaml")


def test_an_empty_file_changes_nothing(tmp_path: Path) -> None:
    assert user(tmp_path, "").models == CATALOG.models


def test_later_files_go_before_earlier_ones(tmp_path: Path) -> None:
    first, second = tmp_path / "a.yaml", tmp_path / "b.yaml"
    first.write_text("discounts: [{models: claude-*, factor: 0.9}]\naliases: {x: haiku}")
    second.write_text("discounts: [{models: claude-*, factor: 0.8}]\naliases: {x: opus}")
    both = load(first, second)
    assert priced(both, "claude-opus-5").factor == Decimal("0.8")
    found = both.resolve("x")
    assert found is not None and found.model.family == "opus"


def rate(since: int, until: int | None, where: str = "list") -> Rate:
    start = date(2026, 1, 1)
    end = None if until is None else start + timedelta(days=until)
    prices = dict.fromkeys(TOKEN_CLASSES, Decimal(1))
    return Rate("m", start + timedelta(days=since), end, prices, None, False, where, start, "", "high")


@given(st.lists(st.integers(0, 60), unique=True, max_size=5), st.integers(0, 60), st.none() | st.integers(1, 30))
def test_a_row_on_top_of_others(starts: list[int], since: int, length: int | None) -> None:
    """On each day the top row if it holds then, else what held before; never two."""
    starts.sort()
    below = tuple(rate(start, end) for start, end in zip(starts, [*starts[1:], None], strict=False))
    top = rate(since, None if length is None else since + length, "top")
    both = overlay(below, top)
    for number in range(100):
        day = date(2026, 1, 1) + timedelta(days=number)
        holding = [row for row in both if row.covers(day)]
        before = [row for row in below if row.covers(day)]
        assert [row.where for row in holding] == (["top"] if top.covers(day) else [row.where for row in before])


# prices check

TODAY = date(2026, 11, 21)


def check_edited(tmp_path: Path, name: str, *edits: tuple[str, str]) -> list[Problem]:
    """The problems of a built-in file after an edit."""
    text = (folder() / name).read_text()
    for old, new in edits:
        assert old in text
        text = text.replace(old, new, 1)
    file = tmp_path / name
    file.write_text(text)
    return check([file], TODAY)


def test_the_built_in_files_have_no_problem() -> None:
    assert check([], TODAY) == []


@pytest.mark.parametrize(
    ("name", "old", "new", "severity", "message"),
    [
        ("anthropic.yaml", "source: [docs-nov,", "source: [docs-dec,", "error", "source 'docs-dec' is not under"),
        ("anthropic.yaml", "families: [", "families: [epic, ", "error", "no model is of the family 'epic'"),
        ("anthropic.yaml", "vertex: [claude-opus-5]", "vertex: [claude-opus-4-8]", "error", "is a spelling of"),
        (
            "anthropic.yaml",
            "setting: sonnet_3_cache",
            "setting: sonnet_4_cache",
            "error",
            "no question 'sonnet_4_cache'",
        ),
        ("anthropic.yaml", "        setting: mythos_preview_price\n", "", "warning", "a conflict without a `setting`"),
        ("anthropic.yaml", "sources:\n", "sources:\n  nobody: no row\n", "warning", "no row cites the source 'nobody'"),
        ("anthropic.yaml", "read: 2026-11-21", "read: 2062-11-21", "error", "read on 2062-11-21, which is after today"),
        ("anthropic.yaml", "read: 2026-11-21", "read: 2026-09-21", "warning", "read on 2026-09-21, 61 days ago"),
        ("platforms.yaml", "  batch:", "  lot:", "error", "factors: batch is missing"),
        ("platforms.yaml", "source: [litellm]", "source: [hearsay]", "error", "source 'hearsay' is not under"),
        ("platforms.yaml", "factor: bedrock_bare\n", "factor: bedrock_nude\n", "error", "no factor 'bedrock_nude'"),
        ("platforms.yaml", "unlisted: refusals", "unlisted: refutals", "error", "no setting 'refutals_of"),
        ("platforms.yaml", "factor: 0.5", "factor: half", "error", "'half' is not a number"),
    ],
)
def test_check_finds(tmp_path: Path, name: str, old: str, new: str, severity: str, message: str) -> None:
    problems = check_edited(tmp_path, name, (old, new))
    assert [problem.severity for problem in problems] == [severity]
    assert problems[0].message.startswith(str(tmp_path / name)) and message in problems[0].message


def test_check_finds_rows_out_of_order_and_gaps(tmp_path: Path) -> None:
    row = "      - since: 2026-09-28\n"
    (early,) = check_edited(tmp_path, "anthropic.yaml", (row, "      - since: 2026-10-28\n"))
    assert early.severity == "error" and "a row of 2026-10-07 after one of 2026-10-28" in early.message
    (gap,) = check_edited(tmp_path, "anthropic.yaml", (row, row + "        until: 2026-10-01\n"))
    assert "claude-sonnet-5-5 has no price from 2026-10-01 until 2026-10-07" in gap.message
    (beyond,) = check_edited(tmp_path, "anthropic.yaml", (row, row + "        until: 2026-10-08\n"))
    assert beyond.severity == "error" and "until 2026-10-08 lies outside of the row" in beyond.message


# YAML


def test_yaml_values_and_their_lines() -> None:
    data, lines = yaml_lines.load("a: 0.10\nb:\n- 3\n- {day: 2026-11-20, q: '1', no: no, t: true, e: 1e3, n: ~}\n", "f")
    assert data == {
        "a": Decimal("0.10"),
        "b": [3, {"day": date(2026, 11, 20), "q": "1", "no": "no", "t": True, "e": Decimal(1000), "n": None}],
    }
    assert str(data["a"]) == "0.10"
    assert (lines["a",], lines["b",], lines["b", 0], lines["b", 1, "day"]) == (1, 2, 3, 4)


BOMB = "a: &a [1]\n" + "".join(
    f"{name}: &{name} [{', '.join([f'*{before}'] * 9)}]\n" for before, name in zip("abcdef", "bcdefg", strict=True)
)
"""Nine times nine times …: half a million values in seven lines."""


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("&a [*a]", "f:1: nested too deep"),
        (BOMB, "too large"),
        ("? [1]\n: 2", "f:1: a key must be a word"),
        ("--- 1\n--- 2", "not valid YAML"),
        ("a: \x01", "f: not valid YAML"),
        ("a: *b", "undefined alias"),
        ("x: " + "[" * 2000, "f:"),
    ],
)
def test_yaml_that_is_none(text: str, message: str) -> None:
    with pytest.raises(AuditError) as caught:
        yaml_lines.load(text, "f")
    assert message in caught.value.message


def test_yaml_tags_build_nothing() -> None:
    assert yaml_lines.load("a: !!python/object/apply:os.system [exit]", "f")[0] == {"a": ["exit"]}


def test_yaml_without_the_c_library_is_read_alike(monkeypatch: pytest.MonkeyPatch) -> None:
    text = (folder() / "platforms.yaml").read_text()
    fast = yaml_lines.load(text, "f")
    monkeypatch.setattr(yaml, "__with_libyaml__", False)
    monkeypatch.setattr(yaml_lines, "_PARSERS", {})
    assert yaml_lines.load(text, "f") == fast
