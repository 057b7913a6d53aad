"""The logs against the invoice: verdicts on small logs and reports whose answer can be seen."""

from __future__ import annotations

import json
from collections.abc import Iterable
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from claims import COST_COLUMNS, USAGE_COLUMNS, bucket, cost, csv, page, tokens, used
from hypothesis import given, settings
from hypothesis import strategies as st
from logs import CATALOG, audit, read, record, write

from claude_audit.commands import run
from claude_audit.filters import parse
from claude_audit.reconcile import compare, reconcile
from claude_audit.reconcile_facts import Fact, Period
from claude_audit.reconciliation import Reconciliation
from claude_audit.renderers.reconcile import csv as as_csv
from claude_audit.renderers.reconcile import document, markdown, section, text, verdict

MILLION = 10**6


def call(n: int, day: int = 2, key: str | None = "web", **more: Any) -> dict[str, Any]:
    """A million tokens of Sonnet 5.5 in ($2), and a hundred thousand out ($1)."""
    usage = {"input": MILLION, "output": MILLION // 10}
    labels = {"workspace": "Default"} | ({"api_key_id": key} if key else {})
    return record(n, timestamp=f"2026-11-{day:02d}T10:00:00Z", **usage | labels | more)


def compared(
    folder: Path, records: Iterable[dict[str, Any]], *reports: Path, same: Any = (), **filters: Any
) -> Reconciliation:
    store = folder / "store"
    files = [write(folder / "app.jsonl", records)] if (records := list(records)) else []
    read(store, *files, *reports)
    window = parse(filters.get("since"), filters.get("until"), "UTC", ())
    return reconcile(audit(store, window), same)


def usage(folder: Path, *rows: str, name: str = "usage.csv") -> Path:
    return csv(folder / name, USAGE_COLUMNS, rows)


def costs(folder: Path, *rows: str) -> Path:
    return csv(folder / "cost.csv", COST_COLUMNS, rows)


def statuses(found: Reconciliation) -> set[tuple[str, str | None, str | None, str]]:
    return {(c.period.label, c.api_key, c.token_type or c.kind, c.status) for c in found.cells}


def sentence(found: Reconciliation) -> str:
    return " ".join(verdict(found))


FULL = used(counts=(MILLION, 0, 0, 0, MILLION // 10))
"""What the Console says of one such call."""


class TestTokens:
    """A report of tokens: compared exactly, valued at our prices."""

    def test_all_is_there(self, tmp_path: Path) -> None:
        found = compared(tmp_path, [call(1)], usage(tmp_path, FULL))
        assert statuses(found) == {
            ("2026-11-02", "web", "input", "matched"),
            ("2026-11-02", "web", "output", "matched"),
        }
        assert (
            sentence(found)
            == "Your logs explain all of the reported usage, at list prices ($3.00 of $3.00, 2026-11-02)."
        )

    def test_billed_but_not_logged(self, tmp_path: Path) -> None:
        bot = used(key="ci-bot", counts=(MILLION // 2, 0, 0, 0, 0))
        more = used(day="2026-11-03", counts=(MILLION // 10, 0, 0, 0, 0))
        found = compared(tmp_path, [call(1)], usage(tmp_path, FULL, bot, more))
        assert (found.billed_usd, found.unlogged_usd, found.unbilled_usd) == (Decimal("4.2"), Decimal("1.2"), 0)
        assert found.rest is not None
        assert (found.rest.by, found.rest.label, found.rest.usd) == ("api_key", "ci-bot", 1)
        assert sentence(found) == (
            "Your logs explain 71.4 % of the reported usage, at list prices ($3.00 of $4.20, 2026-11-02 to 2026-11-03). "
            "83.3 % of the rest ($1.20) is key ci-bot."
        )

    def test_logged_but_not_billed(self, tmp_path: Path) -> None:
        found = compared(tmp_path, [call(1), call(2)], usage(tmp_path, FULL))
        assert (found.unlogged_usd, found.unbilled_usd) == (0, 3)
        assert "$3.00 was logged but not billed." in sentence(found)

    def test_both_at_once_are_not_set_off(self, tmp_path: Path) -> None:
        found = compared(tmp_path, [call(1, key="app")], usage(tmp_path, FULL))
        assert (found.explained_usd, found.unlogged_usd, found.unbilled_usd) == (0, 3, 3)
        assert "explain none" in sentence(found)

    @pytest.mark.parametrize(
        ("missing", "unlogged"),
        [("batch", "1"), ("standard", "2")],  # a million tokens at 2, in a batch at 1
    )
    def test_what_is_missing_costs_what_its_own_tier_does(self, tmp_path: Path, missing: str, unlogged: str) -> None:
        logged = ["batch", "standard", "batch" if missing == "standard" else "standard"]
        logs = [call(n, output=0, usage={"service_tier": tier}) for n, tier in enumerate(logged)]
        rows = [used(counts=(2 * MILLION, 0, 0, 0, 0), tier=tier) for tier in ("batch", "standard")]
        found = compared(tmp_path, logs, usage(tmp_path, *rows))
        assert (found.billed_usd, found.unlogged_usd, found.unbilled_usd) == (6, Decimal(unlogged), 0)
        assert len(found.by(["day", "model", "token_type"])) == 1

    def test_where_a_side_leaves_out_the_tier_it_is_not_guessed(self, tmp_path: Path) -> None:
        rows = [used(counts=(MILLION, 0, 0, 0, 0), tier=tier) for tier in ("batch", "standard")]
        found = compared(tmp_path, [call(1, output=0), call(2, output=0)], usage(tmp_path, *rows))
        assert (found.unlogged_usd, found.unbilled_usd) == (0, 0)

    def test_a_report_without_keys_is_not_blamed_on_the_logs(self, tmp_path: Path) -> None:
        file = page(tmp_path / "u.json", [bucket(2, tokens(input=3 * MILLION, output=MILLION // 5))])
        found = compared(tmp_path, [call(1), call(2, key="app")], file)
        assert (found.unlogged_usd, found.notes) == (2, ())

    def test_one_token_less_is_seen_and_not_rounded_away(self, tmp_path: Path) -> None:
        found = compared(tmp_path, [call(1)], usage(tmp_path, used(counts=(MILLION + 1, 0, 0, 0, MILLION // 10))))
        assert found.unlogged_usd == Decimal("0.000002")
        assert "explain >99.9 % of" in sentence(found)

    def test_a_day_on_which_nothing_was_billed_is_compared_too(self, tmp_path: Path) -> None:
        file = page(tmp_path / "u.json", [bucket(1, tokens(input=5)), bucket(2), bucket(3, tokens(input=5))])
        found = compared(tmp_path, [call(1)], file)
        assert ("2026-11-02", "web", "input", "unbilled") in statuses(found)

    def test_days_without_evidence_are_not(self, tmp_path: Path) -> None:
        found = compared(tmp_path, [call(1), call(2, day=9)], usage(tmp_path, FULL))
        assert (found.unbilled_usd, found.uncovered_usd, found.uncovered_requests) == (0, 3, 1)

    def test_what_others_bill_is_not(self, tmp_path: Path) -> None:
        found = compared(
            tmp_path, [call(1), call(2, provider="aws_bedrock", region="us-east-1")], usage(tmp_path, FULL)
        )
        assert (found.unlogged_usd, found.unbilled_usd) == (0, 0)
        assert set(found.elsewhere) == {"aws_bedrock"}

    def test_searches(self, tmp_path: Path) -> None:
        asked = call(1, usage={"server_tool_use": {"web_search_requests": 3}})
        found = compared(tmp_path, [asked], usage(tmp_path, used(counts=(MILLION, 0, 0, 0, MILLION // 10), searches=5)))
        assert found.unlogged_usd == Decimal("0.02")
        assert ("2026-11-02", "web", "web_search", "unlogged") in statuses(found)

    @pytest.mark.parametrize(
        ("row", "usd"),
        [
            (used(counts=(MILLION, 0, 0, 0, 0), tier="batch"), "1"),
            (used(model="claude-haiku-5-5", counts=(MILLION, 0, 0, 0, 0)), "0.1"),
            (used(model="claude-haiku-5-5", counts=(MILLION, 0, 0, 0, 0), window="> 200k"), "0.5"),
            (used(model="claude-sonnet-4-5", day="2026-03-02", counts=(MILLION, 0, 0, 0, 0), window="200k-1M"), "6"),
            (used(model="claude-sonnet-4-5", day="2026-03-02", counts=(MILLION, 0, 0, 0, 0), window="0-200k"), "3"),
            (used(day="2026-10-01", counts=(0, 0, 0, MILLION, 0)), "0.2"),
            (used(day="2026-10-07", counts=(0, 0, 0, MILLION, 0)), "0.1"),
            (used(model="claude-opus-5-5", counts=(MILLION, 0, 0, 0, 0)).removesuffix("global,") + "us,fast", "8.8"),
        ],
    )
    def test_reports_are_priced_by_day_tier_window_speed_and_place(self, tmp_path: Path, row: str, usd: str) -> None:
        assert compared(tmp_path, [], usage(tmp_path, row)).billed_usd == Decimal(usd)


class TestDollars:
    """A report of dollars alone: compared within its own rounding."""

    def test_within_the_rounding(self, tmp_path: Path) -> None:
        found = compared(
            tmp_path, [call(1)], costs(tmp_path, cost("2.00"), cost("0.50", "output"), cost("0.49", "output"))
        )
        assert [c.status for c in found.cells] == ["matched", "matched"]
        assert (found.amount_usd, set(found.tokens.values())) == (Decimal("2.99"), {None})

    def test_beyond_it(self, tmp_path: Path) -> None:
        found = compared(tmp_path, [call(1)], costs(tmp_path, cost("2.01"), cost("0.99", "output")))
        assert (found.unlogged_usd, found.unbilled_usd) == (Decimal("0.01"), Decimal("0.01"))

    def test_many_rows_round_more(self, tmp_path: Path) -> None:
        rows = [cost("0.20") for _ in range(10)]
        found = compared(tmp_path, [call(1, input=1_020_000, output=0)], costs(tmp_path, *rows))
        assert [c.status for c in found.cells] == ["matched"]  # 2.04 against 2.00 give or take 10 x 0.005

    def test_what_is_too_little_for_a_row_is_not_missed(self, tmp_path: Path) -> None:
        found = compared(tmp_path, [call(1, input=MILLION, output=400)], costs(tmp_path, cost("2.00")))
        assert found.unbilled_usd == 0

    def test_discounts_are_told_from_gaps(self, tmp_path: Path) -> None:
        rows = [
            cost("1.60", listed="2.00"),
            cost("0.80", "output", listed="1.00"),
            cost("4.00", key="ci-bot", listed="5.00"),
        ]
        found = compared(tmp_path, [call(1)], costs(tmp_path, *rows))
        assert (found.billed_usd, found.unlogged_usd, found.discount_usd) == (Decimal("6.4"), 4, Decimal("1.6"))
        assert "The invoice is $1.60 below its own list prices." in sentence(found)

    def test_models_without_a_price_are_undecided(self, tmp_path: Path) -> None:
        rows = [cost("2.00"), cost("1.00", "output"), cost("7.00", model="claude-unheard-9")]
        found = compared(tmp_path, [call(1), call(2, model="claude-unheard-9")], costs(tmp_path, *rows))
        assert (found.explained_usd, found.undecided_usd, found.unlogged_usd) == (3, 7, 0)
        assert "$7.00 can't be compared" in sentence(found)

    def test_credits_are_no_gap(self, tmp_path: Path) -> None:
        found = compared(
            tmp_path,
            [call(1)],
            costs(tmp_path, cost("2.00"), cost("1.00", "output"), cost("-0.50", "input_cache_read")),
        )
        assert (found.billed_usd, found.unlogged_usd, found.unbilled_usd) == (Decimal("2.5"), 0, 0)

    def test_what_no_log_shows_is_named(self, tmp_path: Path) -> None:
        rows = [{"amount": "50", "cost_type": "code_execution", "model": None, "token_type": None}]
        found = compared(tmp_path, [call(1)], page(tmp_path / "c.json", [bucket(2, *rows)]))
        assert found.unlogged_usd == Decimal("0.5")
        assert any("code execution" in note for note in found.notes)

    def test_a_report_by_nothing_is_compared_as_one(self, tmp_path: Path) -> None:
        group: dict[str, None] = {}
        row = {
            "starting_at": "2026-11-01T00:00:00Z",
            "ending_at": "2026-12-01T00:00:00Z",
            "group": group,
            "cost": {"amount": "600", "list_amount": "600", "currency": "USD"},
        }
        found = compared(
            tmp_path, [call(1), call(2, day=20, model="claude-haiku-4-5", output=0)], page(tmp_path / "c.json", [row])
        )
        (cell,) = found.cells
        assert (cell.period.label, cell.ours_usd, cell.unlogged_usd) == ("2026-11-01 to 2026-11-30", 4, 2)


class TestBoth:
    """A report of tokens and one of dollars: the gap in tokens, the price in dollars."""

    def test_amounts_are_shared_out_and_add_up(self, tmp_path: Path) -> None:
        rows = [
            used(counts=(MILLION, 0, 0, 0, 0)),
            used(key="ci-bot", counts=(MILLION // 3, 0, 0, 0, 0)),
            used(key="x", counts=(7, 0, 0, 0, 0)),
        ]
        found = compared(
            tmp_path, [call(1, output=0)], usage(tmp_path, *rows), costs(tmp_path, cost("2.40", listed="2.67"))
        )
        assert found.billed_usd == Decimal("2.40")
        assert found.explained_usd + found.unlogged_usd == Decimal("2.40")
        assert abs(found.unlogged_usd - Decimal("0.60")) < Decimal("0.0001")
        assert found.discount_usd == Decimal("0.27")
        assert found.price_difference_usd == 0  # 2.67 for 2.6666…: the report's rounding

    def test_another_list_price_is_seen(self, tmp_path: Path) -> None:
        found = compared(
            tmp_path,
            [call(1, output=0)],
            usage(tmp_path, used(counts=(MILLION, 0, 0, 0, 0))),
            costs(tmp_path, cost("3.00")),
        )
        assert (found.unlogged_usd, found.price_difference_usd) == (0, 1)
        assert "For the same tokens it is $1.00 above our prices." in sentence(found)

    def test_tokens_without_an_amount_are_said(self, tmp_path: Path) -> None:
        found = compared(tmp_path, [call(1)], usage(tmp_path, FULL), costs(tmp_path, cost("2.00")))
        assert (found.billed_usd, found.unlogged_usd) == (2, 0)
        assert any("worth $1.00" in note for note in found.notes)

    def test_the_more_detailed_report_of_a_day_counts_and_the_other_is_not_added(self, tmp_path: Path) -> None:
        admin = page(
            tmp_path / "u.json",
            [bucket(2, tokens(input=MILLION, output=MILLION // 10)), bucket(3, tokens(input=MILLION, output=0))],
        )
        found = compared(tmp_path, [call(1)], usage(tmp_path, FULL), admin)
        assert (found.rows, found.billed_usd, found.unlogged_usd) == (3, 5, 2)
        assert found.tokens["input"] == 2 * MILLION
        assert any("1 row of admin_usage" in note for note in found.notes)


class TestLabels:
    """Keys and workspaces: told apart as far as both sides tell, and never guessed."""

    def test_logs_without_keys_are_compared_without_them(self, tmp_path: Path) -> None:
        both = [FULL, used(key="ci-bot", counts=(MILLION, 0, 0, 0, MILLION // 10))]
        found = compared(tmp_path, [call(1, key=None), call(2, key="ci-bot")], usage(tmp_path, *both))
        assert (found.unlogged_usd, found.unbilled_usd) == (0, 0)

    def test_where_only_one_key_is_billed_the_gap_is_its(self, tmp_path: Path) -> None:
        found = compared(tmp_path, [call(1, key=None)], usage(tmp_path, FULL, FULL))
        assert found.rest is not None
        assert found.rest.label == "web"

    def test_ids_and_names_are_joined_where_a_report_has_both(self, tmp_path: Path) -> None:
        logs = [call(1, key="apikey_1")]
        alone = compared(tmp_path / "1", logs, usage(tmp_path / "1", FULL))
        assert (alone.unlogged_usd, alone.unbilled_usd) == (0, 0)
        assert any("not compared by key" in note for note in alone.notes)
        paired = costs(tmp_path / "2", cost("2.00", key_id="apikey_1"), cost("1.00", "output", key_id="apikey_1"))
        told = compared(tmp_path / "2", logs, usage(tmp_path / "2", FULL, used(key="ci-bot")), paired)
        assert not [note for note in told.notes if "not compared by key" in note]
        assert {c.api_key for c in told.cells if c.status == "matched"} == {"web"}

    def test_or_where_the_user_says_so(self, tmp_path: Path) -> None:
        found = compared(
            tmp_path, [call(1, key="apikey_1")], usage(tmp_path, FULL, used(key="ci-bot")), same=[("apikey_1", "web")]
        )
        assert {(c.api_key, c.status) for c in found.cells} == {("web", "matched"), ("ci-bot", "unlogged")}

    def test_the_workspace_without_an_id_is_the_default_one(self, tmp_path: Path) -> None:
        rows = [tokens(input=MILLION, output=MILLION // 10), tokens(workspace_id="wrkspc_1", input=1)]
        found = compared(tmp_path, [call(1)], page(tmp_path / "u.json", [bucket(2, *rows)]))
        assert {(c.workspace, c.status) for c in found.cells} == {
            ("Default", "matched"),
            ("wrkspc_1", "unlogged"),
            ("wrkspc_1", "unlogged"),
        }


def test_claude_codes_own_report_is_compared_with_its_transcripts_only(tmp_path: Path) -> None:
    from logs import said

    person = {
        "date": "2026-11-02T00:00:00Z",
        "actor": {"type": "user_actor", "email_address": "ana@example.com"},
        "model_breakdown": [
            {
                "model": "claude-sonnet-4-6",
                "tokens": {"input": 10, "output": 100, "cache_read": 0, "cache_creation": 0},
                "estimated_cost": {"amount": 1},
            }
        ],
    }
    other = person | {"customer_type": "subscription"}
    found = compared(
        tmp_path,
        [],
        page(tmp_path / "cc.json", [person, other]),
        write(tmp_path / "t.jsonl", [said()]),
        write(tmp_path / "a.jsonl", [call(2)]),
    )
    assert {c.status for c in found.cells} == {"matched"}
    assert found.uncovered_requests == 1
    assert any("subscriptions" in note for note in found.notes)


def test_openrouters_report_is_compared_with_what_it_bills(tmp_path: Path) -> None:
    header = "Date,Slug,Usage,BYOK Usage,Requests,Prompt Tokens,Completion Tokens,Reasoning Tokens"
    file = csv(tmp_path / "o.csv", header, ["2026-11-02,anthropic/claude-sonnet-5.5,5.00,0,1,1,1,0"])
    found = compared(tmp_path, [call(1), call(2, provider="openrouter")], file)
    (cell,) = found.cells
    assert (cell.ours_usd, cell.billed_usd, cell.unlogged_usd, found.uncovered_usd) == (3, 5, 2, 3)


def test_only_some_days(tmp_path: Path) -> None:
    rows = [used(day=f"2026-11-{day:02d}", counts=(MILLION, 0, 0, 0, 0)) for day in range(1, 6)]
    found = compared(tmp_path, [call(1)], usage(tmp_path, *rows), since="2026-11-02", until="2026-11-03")
    assert {c.period.label for c in found.cells} == {"2026-11-02", "2026-11-03"}
    assert found.rows == 2


def test_hours_that_are_a_part_of_a_day_are_compared_with_these_hours(tmp_path: Path) -> None:
    hours = [
        bucket(
            f"2026-11-02T{h:02d}:00:00Z",
            tokens(input=MILLION if h == 10 else 0, output=0),
            until=f"2026-11-02T{h + 1:02d}:00:00Z",
        )
        for h in (9, 10)
    ]
    found = compared(
        tmp_path, [call(1, output=0), call(2) | {"timestamp": "2026-11-02T15:00:00Z"}], page(tmp_path / "u.json", hours)
    )
    assert {c.status for c in found.cells} == {"matched"}
    assert found.uncovered_requests == 1


def test_without_evidence_there_is_nothing_to_compare(tmp_path: Path) -> None:
    found = compared(tmp_path, [call(1)])
    assert (found.rows, found.amount_usd, found.cells) == (0, None, ())
    assert document(found)["evidence"]["tokens"] == dict.fromkeys(
        ("input", "cache_read", "cache_write_5m", "cache_write_1h", "output")
    )
    assert "nothing to compare" in " ".join(text(found).split())
    assert max(map(len, text(found).splitlines())) <= 80


DAYS = [Period(datetime(2026, 11, day, tzinfo=UTC), datetime(2026, 11, day + 1, tzinfo=UTC)) for day in (1, 2)]
USD = st.decimals(0, 5, places=3)


def facts(**parts: Any) -> st.SearchStrategy[list[Fact]]:
    """Some facts of tokens: two days, and a few models, classes and keys, told or not."""
    labels = {
        "model": ("m1", "m2"),
        "token_type": ("input", "output"),
        "workspace": (None, "w"),
        "api_key": (None, "k1", "k2"),
    }
    chosen = {name: st.sampled_from(values) for name, values in labels.items()} | parts
    return st.lists(st.builds(Fact, st.sampled_from(DAYS), st.just("tokens"), **chosen), max_size=9)


@settings(max_examples=150, deadline=None)
@given(
    logs=facts(quantity=st.integers(1, 50), usd=USD | st.none()),
    usage=facts(quantity=st.integers(1, 50), usd=USD | st.none()),
    cost=facts(
        usd=USD,
        list_usd=USD | st.none(),
        token_type=st.sampled_from((None, "input", "output")),
        rounding_usd=st.just(Decimal("0.005")),
    ),
)
def test_every_dollar_of_the_invoice_is_in_one_place(logs: list[Fact], usage: list[Fact], cost: list[Fact]) -> None:
    """billed = explained + unlogged + undecided, ours = matched + unbilled, whatever the rows are put together by."""
    cells, prices, _ = compare(logs, usage, cost)
    found = Reconciliation(1, None, {}, (), cells, prices, bool(cost))
    invoice = sum((f.usd or Decimal(0) for f in cost), Decimal(0))
    days = {f.period for f in cost}
    invoice += sum((f.usd or Decimal(0) for f in usage if f.period not in days), Decimal(0))
    assert found.billed_usd == invoice
    assert found.explained_usd + found.unlogged_usd + found.undecided_usd == invoice
    assert sum(c.logged for c in cells) == sum(f.quantity or 0 for f in logs)
    assert all(c.unlogged_usd + c.undecided_usd <= c.billed_usd for c in cells)
    assert all(c.unbilled_usd <= c.ours_usd for c in cells if c.ours_usd is not None)
    assert not [c for c in cells if c.unlogged_usd and c.unbilled_usd]
    for by in ((), ("day",), ("api_key", "token_type"), ("model", "workspace")):
        together = found.by(by)
        for column in ("unlogged_usd", "billed_usd", "unbilled_usd", "undecided_usd"):
            assert sum(getattr(row, column) for row in together) == getattr(found, column)


def test_what_is_compared_with_itself_matches(tmp_path: Path) -> None:
    """A report made of the very same calls leaves nothing over, at any price and in any tier."""
    models = [m.id for m in list(CATALOG.models.values())[:6]]
    records = [
        call(n, 1 + n % 3, "web", model=models[n % 6], input=n * 999, output=n * 7, read=n * 50, w5=n, w1=2 * n)
        for n in range(1, 40)
    ]
    sums: dict[tuple[str, str], list[int]] = {}
    for r in records:
        u = r["usage"]
        counts = (u["input_tokens"], *u["cache_creation"].values(), u["cache_read_input_tokens"], u["output_tokens"])
        key = (r["timestamp"][:10], r["model"])
        sums[key] = [a + b for a, b in zip(sums.get(key, [0] * 5), counts, strict=True)]
    rows = [used(day, model, counts=tuple(counts)) for (day, model), counts in sums.items()]  # type: ignore[arg-type]
    found = compared(tmp_path, records, usage(tmp_path, *rows))
    assert {c.status for c in found.cells} == {"matched"}
    assert found.billed_usd == audit(tmp_path / "store").spend().total_usd


class TestCommand:
    @pytest.fixture
    def store(self, tmp_path: Path) -> Path:
        bot = used(key="=ci\x1b[31m|bot of the northern build farm", counts=(MILLION, 0, 0, 0, 0))
        compared(tmp_path, [call(1)], usage(tmp_path, FULL, bot))
        return tmp_path / "store"

    def out(self, capsys: pytest.CaptureFixture[str], *argv: str) -> tuple[int, str, str]:
        code = run(list(argv))
        said = capsys.readouterr()
        return code, said.out, said.err

    def test_json(self, store: Path, capsys: pytest.CaptureFixture[str]) -> None:
        code, out, _ = self.out(capsys, "--store", str(store), "reconcile", "--format", "json")
        found = json.loads(out)
        assert code == 0
        assert (found["billed_usd"], found["unlogged_usd"], found["explained_share"]) == ("5", "2", 0.6)
        assert found["evidence"] | {"sources": []} == {
            "rows": 2,
            "amount_usd": None,
            "tokens": {
                "input": 2 * MILLION,
                "cache_read": 0,
                "cache_write_5m": 0,
                "cache_write_1h": 0,
                "output": MILLION // 10,
            },
            "sources": [],
        }
        assert len(found["rows"]) == 3
        assert found["rows"][0]["day"] == "2026-11-02"

    @pytest.mark.parametrize("form", ["table", "markdown", "csv"])
    def test_labels_are_harmless(self, store: Path, capsys: pytest.CaptureFixture[str], form: str) -> None:
        code, out, _ = self.out(capsys, "--store", str(store), "reconcile", "--format", form)
        assert code == 0
        assert "\x1b" not in out
        assert "ci" in out
        if form == "markdown":
            assert "\\|bot" in out
        if form == "csv":
            assert ",'=ci" in out

    def test_by(self, store: Path, capsys: pytest.CaptureFixture[str]) -> None:
        _, out, _ = self.out(capsys, "--store", str(store), "reconcile", "--by", "day", "--format", "csv")
        assert out.splitlines()[1].startswith("2026-11-02,1100000,2100000,3,5,2,0,0,unlogged")
        code, _, err = self.out(capsys, "--store", str(store), "reconcile", "--by", "days")
        assert code == 2
        assert "did you mean 'day'" in err

    @pytest.mark.parametrize(("least", "code"), [("60", 0), ("60%", 0), ("61", 1), ("101", 2), ("much", 2)])
    def test_fail_under(self, store: Path, capsys: pytest.CaptureFixture[str], least: str, code: int) -> None:
        assert self.out(capsys, "--store", str(store), "reconcile", "--fail-under", least)[0] == code

    def test_it_fits_the_terminal(
        self, store: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setenv("COLUMNS", "80")
        _, out, _ = self.out(capsys, "--store", str(store), "reconcile")
        table = out[out.index("Model") :].splitlines()
        assert max(map(len, table)) <= 80

    def test_the_section_of_a_page_is_escaped(self, tmp_path: Path) -> None:
        from claude_audit.renderers import html

        bot = used(key="<script>x</script>", counts=(MILLION, 0, 0, 0, 0))
        found = section(compared(tmp_path, [call(1)], usage(tmp_path, FULL, bot)))
        template = "{% import 'reconcile.html' as invoice %}{{ invoice.section(found) }}"
        page = html._environment().from_string(template).render(found=found)
        assert "Is this all we are billed for?" in page
        assert "<script>" not in page
        assert "&lt;script&gt;" in page
        assert page.count("<td") == page.count("</td>") > 0

    def test_renderers_agree(self, store: Path) -> None:
        found = reconcile(audit(store))
        assert "60.0 %" in text(found)
        assert "60.0 %" in markdown(found)
        assert as_csv(found).count("\n") == 4
