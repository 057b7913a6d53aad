"""The same requests elsewhere: at another platform's prices, at another vendor's, and at list prices beside your own."""

from __future__ import annotations

from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from logs import record
from stores import stored

from claude_audit.audit import Audit
from claude_audit.catalog import load
from claude_audit.errors import AuditError
from claude_audit.waterfall import Grade, Step

OTHER = """\
name: other-large
usd_per_mtok: {input: 0.5, output: 2}
tokens: [0.8, 1.2]
fee: 0.05
"""


@pytest.fixture
def audit(tmp_path: Path) -> Audit:
    """Ten million tokens in and one million out on Claude Sonnet 5.5: $30."""
    return stored(tmp_path / "store", [record(n, input=1_000_000, output=100_000) for n in range(10)])


def other(folder: Path, text: str = OTHER) -> str:
    path = folder / "other.yaml"
    path.write_text(text)
    return str(path)


def only(audit: Audit, **options: Any) -> Step:
    (step,) = audit.whatif(**options).steps
    return step


def test_another_vendor_is_an_interval_whose_point_is_the_dearer_end(audit: Audit, tmp_path: Path) -> None:
    found = only(audit, provider=other(tmp_path))
    assert found.before_usd == 30
    assert (found.low_usd, found.high_usd) == (30 - Decimal("8.82"), 30 - Decimal("5.88"))
    assert found.saving_usd == found.low_usd
    assert found.grade is Grade.BOUNDED
    assert found.argument == "other-large"
    assert found.quality_risk.level == 4
    assert "Residency and latency duties are yours to judge." in found.caveats


def test_the_fee_can_be_said_with_the_flag(audit: Audit, tmp_path: Path) -> None:
    assert only(audit, provider=other(tmp_path), provider_fee="0").low_usd == 30 - Decimal("8.4")


def test_cache_tokens_are_input_where_the_other_side_sells_none(tmp_path: Path) -> None:
    audit = stored(tmp_path / "store", [record(input=0, output=0, read=1_000_000)])
    plain = only(audit, provider=other(tmp_path, OTHER.replace("[0.8, 1.2]", "[1]").replace("0.05", "0")))
    assert plain.after_usd == Decimal("0.5")
    sold = (
        OTHER.replace("output: 2", "output: 2, cache_read: 0.05").replace("[0.8, 1.2]", "[1]").replace("fee: 0.05", "")
    )
    assert only(audit, provider=other(tmp_path, sold)).after_usd == Decimal("0.05")


def test_what_cannot_go_there_is_counted(tmp_path: Path) -> None:
    records = [
        record(0),
        record(1, usage={"service_tier": "batch"}),
        record(2, usage={"server_tool_use": {"web_search_requests": 1}}),
        record(3, usage={"inference_geo": "us"}),
        record(4, endpoint="mail"),
        record(5, model="claude-opus-4-8"),
        record(6, model="claude-opus-4-8", usage={"speed": "fast"}),
        record(7, usage={"service_tier": "priority"}),
    ]
    text = OTHER + "models: [claude-sonnet-*]\nendpoints: [ch*]\n"
    found = only(stored(tmp_path / "store", records), provider=other(tmp_path, text))
    assert found.requests_changed == 1
    assert {e.gate: e.requests for e in found.excluded} == {
        "in a batch": 1,
        "web searches": 1,
        "US inference": 1,
        "not among the endpoints named": 1,
        "not among the models named": 1,
        "fast mode": 1,
        "priority tier": 1,
    }


def test_a_region_of_a_cloud_costs_ten_percent_more(audit: Audit) -> None:
    open_ = only(audit, provider="aws_bedrock")
    assert (open_.low_usd, open_.saving_usd, open_.high_usd) == (-3, 0, 0)
    assert open_.grade is Grade.BOUNDED
    settled = only(audit, provider="gcp_vertex", provider_region="regional")
    assert (settled.low_usd, settled.saving_usd, settled.high_usd) == (-3, -3, -3)
    assert settled.grade is Grade.METERED
    assert settled.warnings


def test_leaving_a_region_saves_its_premium(tmp_path: Path) -> None:
    rows = [record(input=1_000_000, output=0, provider="gcp_vertex", region="us-east5")]
    found = only(stored(tmp_path / "store", rows), provider="anthropic")
    assert (found.before_usd, found.saving_usd, found.grade) == (Decimal("2.2"), Decimal("0.2"), Grade.METERED)
    assert only(stored(tmp_path / "store2", rows), provider="gcp_vertex").excluded[0].gate == "there already"


def test_a_gateways_fee_is_the_catalogs(audit: Audit) -> None:
    found = only(audit, provider="openrouter")
    assert found.saving_usd == -30 * Decimal("0.055")
    assert found.assumptions[0].source == "vendor"
    assert only(audit, provider="openrouter", provider_fee="10%").saving_usd == -3


def test_models_that_a_platform_does_not_sell_stay(tmp_path: Path) -> None:
    audit = stored(tmp_path / "store", [record(model="claude-mythos-5-2", timestamp="2026-11-10T10:00:00Z")])
    found = only(audit, provider="gcp_vertex")
    assert found.excluded[0].gate == "model not sold there"
    assert found.caveats == ("No request may go there.",)


def test_your_own_prices_stand_beside_the_list(audit: Audit, tmp_path: Path) -> None:
    (tmp_path / "mine.yaml").write_text("discounts:\n- {models: claude-sonnet-*, factor: 0.9}\n")
    mine = Audit(audit.store, audit.manifest, load(tmp_path / "mine.yaml"), audit.filters)
    answer = mine.whatif(route_simple="haiku", batch=["chat"])
    listed = audit.whatif(route_simple="haiku", batch=["chat"])
    assert answer.at_list is not None and listed.at_list is None
    assert (answer.baseline_usd, answer.at_list.baseline_usd) == (27, 30)
    assert answer.at_list.saving_usd == listed.saving_usd
    assert any("$27.00, 10.0 % less than the list" in note for note in answer.notes)
    assert answer.as_document()["at_list_prices"]["baseline_usd"] == "30"


BAD = [
    ({"provider": "gpt"}, "--provider 'gpt': no such platform"),
    ({"provider": "nowhere.yaml"}, "nowhere.yaml: can't be read"),
    ({"provider": "aws_bedrock", "provider_region": "moon"}, "--provider-region 'moon'"),
    ({"provider": "anthropic", "provider_region": "global"}, "--provider-region 'global'"),
    ({"provider": "openrouter", "provider_fee": "7"}, "--provider-fee 7 is not a share"),
]


@pytest.mark.parametrize(("options", "words"), BAD, ids=[words for _, words in BAD])
def test_what_cannot_be_asked_for(options: dict[str, Any], words: str, audit: Audit) -> None:
    with pytest.raises(AuditError) as raised:
        audit.whatif(**options)
    assert words in raised.value.message


FILES = [
    (OTHER.replace("input: 0.5, ", ""), "other.yaml:2: usd_per_mtok: no price for input"),
    (OTHER.replace("[0.8, 1.2]", "[0]"), "other.yaml:3: tokens: one number or two"),
    (OTHER.replace("0.05", "-1"), "can't be below 0"),
    (OTHER + "colour: red\n", "other.yaml:5"),
]


@pytest.mark.parametrize(("text", "words"), FILES, ids=[words for _, words in FILES])
def test_a_broken_file_names_its_line(text: str, words: str, audit: Audit, tmp_path: Path) -> None:
    with pytest.raises(AuditError) as raised:
        audit.whatif(provider=other(tmp_path, text))
    assert words in raised.value.message
