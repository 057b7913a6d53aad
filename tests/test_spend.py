"""Who spent it: by any dimension, in any time zone, with what has no price said and what is concentrated told."""

from __future__ import annotations

from decimal import Decimal
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest
from logs import audit, audited, record

from claude_audit.errors import AuditError
from claude_audit.filters import parse
from claude_audit.renderers.terminal.spend import spend_tables
from claude_audit.spend import Pareto, as_document

USD = Decimal("0.003")
"""One record: 1,000 x 2 + 100 x 10 per million."""


def test_rows_by_endpoint_dearest_first(tmp_path: Path) -> None:
    spend = audited(
        tmp_path, [record(1, endpoint="a"), record(2, endpoint="b"), record(3, endpoint="b"), record(4, endpoint=None)]
    )
    answer = spend.spend(["endpoint"])
    assert [(row.labels[0], row.requests, row.cost_usd) for row in answer.rows] == [
        ("b", 2, 2 * USD),
        ("a", 1, USD),
        (None, 1, USD),
    ]
    assert (answer.total_usd, answer.requests, answer.rows[0].share) == (4 * USD, 4, 0.5)


def test_an_unknown_model_is_counted_and_never_zero(tmp_path: Path) -> None:
    answer = audited(tmp_path, [record(1), record(2, model="claude-unknown-9"), record(3, model=None)]).spend(["model"])
    rows = {row.labels[0]: (row.cost_usd, row.unpriced_requests) for row in answer.rows}
    assert rows == {"claude-sonnet-5-5": (USD, 0), "claude-unknown-9": (None, 1), None: (None, 1)}
    assert (answer.unpriced.requests, answer.unpriced.models) == (2, ("claude-unknown-9",))
    assert as_document(answer)["rows"][1]["cost_usd"] is None


@pytest.mark.parametrize(("endpoint", "shown"), [("", "(none)"), ("  ", '"  "'), ("\t", '"\\t"'), ("a b", "a b")])
def test_a_name_that_would_look_empty_is_seen(tmp_path: Path, endpoint: str, shown: str) -> None:
    lines = spend_tables(audited(tmp_path, [record(1, endpoint=endpoint)]).spend(["endpoint"]), width=80).splitlines()
    assert lines[5].startswith(f"{shown} ")


def test_a_token_class_without_a_price_unprices_its_requests_only(tmp_path: Path) -> None:
    old = {"model": "claude-2.1", "timestamp": "2024-06-01T10:00:00Z"}
    answer = audited(tmp_path, [record(1, **old), record(2, read=50, **old)]).spend()
    assert (answer.unpriced.requests, answer.total_usd) == (1, Decimal(1000 * 8 + 100 * 24) / 10**6)


def test_free_calls_count_as_requests_and_cost_nothing(tmp_path: Path) -> None:
    answer = audited(
        tmp_path, [record(1), record(2, status="error"), record(3, status="error", model="claude-unknown-9")]
    ).spend()
    assert (answer.requests, answer.total_usd, answer.tokens["input"], answer.unpriced.requests) == (3, USD, 1000, 0)


def test_days_begin_where_the_time_zone_says(tmp_path: Path) -> None:
    spend = audited(
        tmp_path, [record(1, timestamp="2026-10-25T00:30:00Z"), record(2, timestamp="2026-10-24T21:30:00Z")]
    )
    by_day = {
        zone: [row.labels[0] for row in audit(tmp_path / "store", parse(None, None, zone, ())).spend(["day"]).rows]
        for zone in ("UTC", "Europe/Berlin", "America/New_York")
    }
    assert by_day == {
        "UTC": ["2026-10-24", "2026-10-25"],
        "Europe/Berlin": ["2026-10-24", "2026-10-25"],
        "America/New_York": ["2026-10-24"],
    }
    assert spend.spend(["week", "month"]).rows[0].labels == ("2026-10-19", "2026-10")


def test_the_hour_the_clock_is_put_back_is_counted_once_each_time(tmp_path: Path) -> None:
    # Berlin, 2026-10-25: 00:30 UTC is 02:30 summer time, 01:30 UTC is 02:30 winter time.
    audited(tmp_path, [record(1, timestamp="2026-10-25T00:30:00Z"), record(2, timestamp="2026-10-25T01:30:00Z")])
    rows = audit(tmp_path / "store", parse(None, None, "Europe/Berlin", ())).spend(["hour"]).rows
    assert [(row.labels[0], row.requests) for row in rows] == [("2026-10-25T02", 2)]


@pytest.mark.parametrize(
    ("where", "requests"),
    [
        (["endpoint=a"], 1),
        (["endpoint="], 1),
        (["model=sonnet"], 0),
        (["model=claude-sonnet-5-5"], 4),
        (["tag:branch=main"], 1),
        (["endpoint=a", "team=x"], 0),
        (["day=2026-11-02"], 4),
        (["month=2026-10"], 0),
    ],
)
def test_filters(tmp_path: Path, where: list[str], requests: int) -> None:
    audited(
        tmp_path,
        [record(1, endpoint="a"), record(2, endpoint=None), record(3, team="x"), record(4, tags={"branch": "main"})],
    )
    if where == ["model=sonnet"]:
        requests = 4  # the newest Sonnet
    assert audit(tmp_path / "store", parse(None, None, None, where)).spend().requests == requests


def test_since_and_until_are_days_included(tmp_path: Path) -> None:
    audited(tmp_path, [record(n, timestamp=f"2026-11-0{n}T23:59:59Z") for n in (1, 2, 3)])
    answer = audit(tmp_path / "store", parse("2026-11-02", "2026-11-02", None, ())).spend()
    assert answer.requests == 1
    assert answer.since == answer.until and answer.since is not None and answer.since.day == 2


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (("2026-13-01", None, None, ()), "--since '2026-13-01' is not a date"),
        (("2026-11-02", "2026-11-01", None, ()), "is after"),
        ((None, None, "Mars/Olympus", ()), "unknown time zone"),
        ((None, None, None, ["endpont=chat"]), "no dimension 'endpont'"),
        ((None, None, None, ["endpoint"]), "has no value"),
        ((None, None, None, ["day=soon"]), "not a day"),
        ((None, None, None, ["token_type=input"]), "token_type"),
    ],
)
def test_filters_that_make_no_sense_are_named(
    arguments: tuple[str | None, str | None, str | None, list[str]], says: str
) -> None:
    with pytest.raises(AuditError) as caught:
        parse(*arguments)
    assert says in caught.value.message and caught.value.hint


def test_token_types_hold_their_own_tokens_and_money(tmp_path: Path) -> None:
    usage = {"server_tool_use": {"web_search_requests": 2}}
    rows = {
        r.labels[0]: r
        for r in audited(tmp_path, [record(1, read=10_000, w1=500, usage=usage)]).spend(["token_type"]).rows
    }
    assert {name: row.cost_usd for name, row in rows.items()} == {
        "input": Decimal("0.002"),
        "output": Decimal("0.001"),
        "cache_read": Decimal("0.001"),
        "cache_write_1h": Decimal("0.002"),
        "web_search": Decimal("0.02"),
    }
    assert rows["cache_read"].tokens["cache_read"] == 10_000 and rows["cache_read"].requests is None


def test_pareto(tmp_path: Path) -> None:
    steep = audited(tmp_path, [record(n, endpoint=f"e{n}", input=100_000 if n == 0 else 100) for n in range(5)])
    assert steep.spend(["endpoint"]).pareto == Pareto(5, 1, steep.spend(["endpoint"]).pareto.top_share, 1)  # type: ignore[union-attr]
    flat = audited(tmp_path / "flat", [record(n, endpoint=f"e{n}") for n in range(5)]).spend(["endpoint"]).pareto
    assert flat is not None and (flat.needed, flat.holds) == (4, False)
    assert audited(tmp_path / "two", [record(1), record(2, endpoint="b")]).spend(["endpoint"]).pareto is None


def test_a_band_is_a_matter_of_one_prompt_strictly_over_the_limit(tmp_path: Path) -> None:
    haiku = {"model": "claude-haiku-5-5", "output": 0}
    answer = audited(tmp_path, [record(1, input=100_000, **haiku), record(2, input=100_001, **haiku)]).spend()
    assert answer.total_usd == Decimal(100_000 * Decimal("0.1") + 100_001 * Decimal("0.5")) / 10**6


def test_a_day_that_a_price_changed_parts_the_bill(tmp_path: Path) -> None:
    reads = {"input": 0, "output": 0, "read": 1_000_000}
    answer = audited(
        tmp_path,
        [record(1, timestamp="2026-10-06T23:59:59Z", **reads), record(2, timestamp="2026-10-07T00:00:00Z", **reads)],
    ).spend(["day"])
    assert [row.cost_usd for row in answer.rows] == [Decimal("0.2"), Decimal("0.1")]


def test_open_questions_that_touched_money_are_told(tmp_path: Path) -> None:
    answer = audited(tmp_path, [record(1, model="anthropic.claude-haiku-4-5-20251001-v1:0")]).spend()
    assert any("bedrock_bare_id" in note for note in answer.notes)


def test_a_frame_for_notebooks(tmp_path: Path) -> None:
    frame = audited(tmp_path, [record(1), record(2, endpoint="b")]).spend(["endpoint"]).to_frame()
    assert list(frame["endpoint"]) == ["b", "chat"] or list(frame["endpoint"]) == ["chat", "b"]
    assert sum(frame["cost_usd"]) == 2 * USD


def test_an_empty_answer_is_an_answer(tmp_path: Path) -> None:
    audited(tmp_path, [record(1)])
    answer = audit(tmp_path / "store", parse("2027-01-01", None, None, ())).spend(["endpoint"])
    assert (answer.total_usd, answer.rows, answer.since) == (Decimal(0), (), None)


def test_zones_are_real() -> None:
    assert parse(None, None, "Asia/Kathmandu", ()).timezone == ZoneInfo("Asia/Kathmandu")
