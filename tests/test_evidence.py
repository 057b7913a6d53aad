"""What consoles and billing reports claim: every format and generation, kept apart from usage, each day counted once."""

from __future__ import annotations

import gzip
import json
import os
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from claims import COST_COLUMNS, USAGE_COLUMNS, bucket, claimed, cost, counted, csv, page, tokens, used
from logs import audit, read, record, write

from claude_audit.errors import AuditError
from claude_audit.reconcile_claims import amount_of, tokens_of
from claude_audit.store import Store


def totals(*counts: int | None) -> dict[str, int | None]:
    return dict(zip(("input", "cache_read", "cache_write_5m", "cache_write_1h", "output"), counts, strict=True))


class TestConsole:
    def test_usage(self, tmp_path: Path) -> None:
        file = csv(
            tmp_path / "u.csv",
            USAGE_COLUMNS,
            [
                used(counts=(41203, 12750, 5, 7, 15011), searches=2),
                used(workspace='"North, South"', tier="batch"),
                used().removesuffix(","),  # exports end early where the last column is empty
            ],
        )
        first, second, _ = rows = claimed(tmp_path, file)
        assert tokens_of(rows) == totals(43203, 7, 12750, 5, 15211)
        assert (first.model, first.api_key, first.workspace) == ("claude-sonnet-5-5", "web", "Default")
        assert (first.claim.tier, first.claim.context_window, first.claim.web_searches) == ("standard", "≤ 200k", 2)
        assert (second.workspace, second.claim.tier, second.claim.line) == ("North, South", "batch", 3)
        assert first.claim.start == datetime(2026, 11, 2, tzinfo=UTC)
        assert first.claim.end == datetime(2026, 11, 3, tzinfo=UTC)

    def test_usage_of_the_time_when_writes_had_no_ttl(self, tmp_path: Path) -> None:
        header = USAGE_COLUMNS.replace("_5m,usage_input_tokens_cache_write_1h", "").removesuffix(",inference_geo,speed")
        row = "2025-04-02,claude-3-7-sonnet-20250219,k,Default,standard,≤ 200k,5000,700,300,400,0"
        assert tokens_of(claimed(tmp_path, csv(tmp_path / "u.csv", header, [row]))) == totals(5000, 300, 700, 0, 400)

    @pytest.mark.parametrize("time", ["2026-04-02 04:00", "2026-04-02T04:00:00Z", "2026-04-02T06:00:00+02:00"])
    def test_usage_by_the_hour(self, tmp_path: Path, time: str) -> None:
        (row,) = claimed(tmp_path, csv(tmp_path / "u.csv", USAGE_COLUMNS, [used(time)]))
        assert (row.claim.start, row.claim.end) == (
            datetime(2026, 4, 2, 4, tzinfo=UTC),
            datetime(2026, 4, 2, 5, tzinfo=UTC),
        )

    @pytest.mark.parametrize(
        ("header", "row"),
        [
            (
                "usage_date_utc,model,workspace,api_key,usage_type,token_type,cost_usd",
                "Claude Haiku 4.5,Default,k,message,input,0.07",
            ),
            (
                "usage_date_utc,model,workspace,api_key,usage_type,context_window,token_type,cost_usd,cost_type",
                "Claude Haiku 4.5,Default,k,message,≤ 200k,input_no_cache,0.07,token",
            ),
            (
                "usage_date_utc,model,workspace,api_key,usage_type,context_window,token_type,cost_usd,cost_type,inference_geo,speed",
                "Claude Haiku 4.5,Default,k,message,≤ 200k,input_no_cache,0.07,token,not_available,",
            ),
            (
                COST_COLUMNS.removesuffix(",api_key_id,api_key_status"),
                "Claude Haiku 4.5,Default,k,message,≤ 200k,input_no_cache,0.07,0.10,token,not_available,",
            ),
            (
                COST_COLUMNS,
                "Claude Haiku 4.5,Default,k,message,≤ 200k,input_no_cache,0.07,0.10,token,not_available,,apikey_1,active",
            ),
        ],
        ids=["2024-12", "2025-12", "2026-02", "2026-03", "2026-08"],
    )
    def test_cost_of_every_generation(self, tmp_path: Path, header: str, row: str) -> None:
        (found,) = claimed(tmp_path, csv(tmp_path / "c.csv", header, [f"2026-11-02,{row}"]))
        claim = found.claim
        assert (claim.amount_usd, claim.token_type, claim.cost_type) == (Decimal("0.07"), "input", "tokens")
        assert (found.model, claim.api_key_name, claim.geo) == ("claude-haiku-4-5-20251001", "k", None)
        assert claim.list_amount_usd == (Decimal("0.10") if "list_price" in header else None)
        assert claim.api_key_id == ("apikey_1" if "api_key_id" in header else None)
        assert claim.rounding_usd == Decimal("0.005")

    def test_equal_rows_are_all_right(self, tmp_path: Path) -> None:
        rows = [
            cost("0.75", "input_cache_write_5m"),
            cost("1.16", "input_cache_write_5m"),
            cost("1.16", "input_cache_write_5m"),
        ]
        assert amount_of(claimed(tmp_path, csv(tmp_path / "c.csv", COST_COLUMNS, rows))) == Decimal("3.07")

    def test_rows_without_a_model(self, tmp_path: Path) -> None:
        row = "2026-11-02,--,Default,k,--,--,--,0.07,0.07,web_search,--,--,,"
        (found,) = claimed(tmp_path, csv(tmp_path / "c.csv", COST_COLUMNS, [row]))
        assert (found.claim.model_raw, found.claim.token_type, found.claim.cost_type) == (None, None, "web_search")

    @pytest.mark.parametrize(
        ("name", "model"),
        [
            ("Claude Sonnet 3.5 2024-10-22", "claude-3-5-sonnet-20241022"),
            ("Claude Sonnet 3.5 2024-06-20", "claude-3-5-sonnet-20240620"),
            ("Claude Haiku 4.5", "claude-haiku-4-5-20251001"),
            ("Claude Unheard 9", None),
        ],
    )
    def test_display_names(self, tmp_path: Path, name: str, model: str | None) -> None:
        (row,) = claimed(tmp_path, csv(tmp_path / "c.csv", COST_COLUMNS, [cost("1.00", model=name)]))
        assert (row.model, row.claim.model_raw) == (model, name)

    def test_a_sheet_saved_with_semicolons(self, tmp_path: Path) -> None:
        file = csv(
            tmp_path / "c.csv",
            COST_COLUMNS.replace(",", ";"),
            [cost("1,204.50").replace(",", ";").replace("1;204", "1,204")],
        )
        assert amount_of(claimed(tmp_path, file)) == Decimal("1204.50")

    def test_broken_rows_cost_no_other(self, tmp_path: Path) -> None:
        good, negative = used(), used(counts=(-3, 0, 0, 0, 1))
        file = csv(
            tmp_path / "u.csv",
            USAGE_COLUMNS,
            [
                good,
                negative,
                used("yesterday"),
                "2026-11-02,claude-sonnet-5-5,web",
                good + ",7,8",
                used(counts=(1, 0, 0, 0, 1)).replace(",1,0,", ",1.5,0,"),
            ],
        )
        report = read(tmp_path / "store", file)
        assert (report.evidence_rows, report.counted.lines, report.counted.rejected) == (1, 6, 5)
        assert [(r.line, r.reason) for r in report.rejects] == [
            (3, "usage_input_tokens_no_cache is -3"),
            (4, "usage_date_utc is 'yesterday', which is no time"),
            (5, "usage_input_tokens_no_cache is missing"),
            (6, "16 columns where the header has 14"),
            (7, "usage_input_tokens_no_cache is 1.5"),
        ]


class TestAdmin:
    def test_usage(self, tmp_path: Path) -> None:
        row = tokens(
            cache_creation={"ephemeral_5m_input_tokens": 510, "ephemeral_1h_input_tokens": 1040},
            cache_read_input_tokens=260,
        )
        row |= {
            "api_key_id": "apikey_1",
            "workspace_id": "wrkspc_1",
            "account_id": "user_1",
            "server_tool_use": {"web_search_requests": 7},
        }
        (found,) = rows = claimed(tmp_path, page(tmp_path / "u.json", [bucket(1, row), bucket(2)]))
        assert tokens_of(rows) == totals(1000, 260, 510, 1040, 100)
        assert (found.api_key, found.workspace, found.claim.user, found.claim.web_searches) == (
            "apikey_1",
            "wrkspc_1",
            "user_1",
            7,
        )

    def test_cost_is_in_cents(self, tmp_path: Path) -> None:
        rows = [
            {
                "amount": "417.20384",
                "currency": "USD",
                "cost_type": "tokens",
                "model": "claude-opus-5-5",
                "token_type": "uncached_input_tokens",
            },
            {
                "amount": "0.6",
                "currency": "USD",
                "cost_type": "tokens",
                "model": "claude-opus-5-5",
                "token_type": "cache_creation.ephemeral_1h_input_tokens",
            },
            {"amount": "10", "currency": "USD", "cost_type": "web_search", "model": None, "token_type": None},
            {"amount": "7", "currency": "EUR", "cost_type": "web_search", "model": None, "token_type": None},
        ]
        found = claimed(tmp_path, page(tmp_path / "c.json", [bucket(1, *rows)]))
        assert amount_of(found) == Decimal("4.2780384")
        assert [row.claim.token_type for row in found] == ["input", "cache_write_1h", None]
        assert {row.claim.rounding_usd for row in found} == {Decimal("0.00000005")}  # half of the fifth place of a cent

    def test_claude_code(self, tmp_path: Path) -> None:
        day = {
            "date": "2026-11-08T00:00:00Z",
            "actor": {"type": "user_actor", "email_address": "dev@example.com"},
            "customer_type": "subscription",
            "model_breakdown": [
                {
                    "model": "claude-opus-5-5",
                    "tokens": {"input": 41020, "output": 11870, "cache_read": 7440, "cache_creation": 2110},
                    "estimated_cost": {"amount": 173, "currency": "USD"},
                }
            ],
        }
        (row,) = rows = claimed(tmp_path, page(tmp_path / "cc.json", [day]))
        assert (tokens_of(rows), amount_of(rows)) == (totals(41020, 7440, 2110, 0, 11870), Decimal("1.73"))
        assert (row.claim.user, row.claim.customer_type) == ("dev@example.com", "subscription")

    def test_a_page_longer_than_what_is_looked_at_first(self, tmp_path: Path) -> None:
        many = [tokens(api_key_id=f"apikey_{n}") for n in range(900)]
        for indent in (None, 2):
            file = page(tmp_path / f"u{indent}.json", [bucket(1, *many), bucket(2, *many)], indent=indent)
            assert len(claimed(tmp_path / str(indent), file)) == 1800

    def test_pages_one_a_line_in_a_list_printed_in_a_row_or_packed(self, tmp_path: Path) -> None:
        pages = [{"data": [bucket(day, tokens())], "has_more": day < 3} for day in (1, 2, 3)]
        texts = {
            "lines.jsonl": "\n".join(map(json.dumps, pages)),
            "list.json": json.dumps(pages),
            "row.json": "\n".join(json.dumps(p, indent=1) for p in pages),
            "entries.json": json.dumps([entry for p in pages for entry in p["data"]]),
            "entries.jsonl": "\n".join(json.dumps(entry) for p in pages for entry in p["data"]),
        }
        for name, text in texts.items():
            (tmp_path / name).write_text(text)
            assert len(claimed(tmp_path / f"{name}-store", tmp_path / name)) == 3, name
        (tmp_path / "p.json.gz").write_bytes(gzip.compress(texts["list.json"].encode()))
        assert len(claimed(tmp_path / "gz", tmp_path / "p.json.gz")) == 3

    def test_what_is_no_row_is_rejected(self, tmp_path: Path) -> None:
        file = page(
            tmp_path / "u.json", [bucket(1, tokens(), tokens(input=-1), {"odd": 1}), bucket("x", tokens(), until="y")]
        )
        report = read(tmp_path / "store", file)
        assert (report.evidence_rows, report.counted.rejected) == (1, 3)
        assert [r.reason for r in report.rejects] == [
            "uncached_input_tokens is -1",
            "not a row of this report",
            "starting_at is 'x', which is no time",
        ]

    def test_a_file_cut_off(self, tmp_path: Path) -> None:
        pages = json.dumps({"data": [bucket(1, tokens())]}) + "\n" + json.dumps({"data": [bucket(2, tokens())]})[:-40]
        (tmp_path / "u.jsonl").write_text(pages)
        report = read(tmp_path / "store", tmp_path / "u.jsonl")
        assert (report.evidence_rows, [r.reason for r in report.rejects]) == (1, ["not valid JSON from here on"])


GROUP = dict.fromkeys(
    "model workspace_id api_key_id actor product service_tier context_window inference_geo speed".split()
)


def entry(day: int = 1, **parts: Any) -> dict[str, Any]:
    return {"starting_at": f"2026-11-{day:02d}T00:00:00Z", "ending_at": f"2026-11-{day + 1:02d}T00:00:00Z"} | parts


class TestAnalytics:
    def usage(self, **group: Any) -> dict[str, Any]:
        return entry(
            group=GROUP | group,
            usage={k: v for k, v in tokens().items() if "tokens" in k or "cache" in k} | {"requests": 41},
        )

    def test_usage(self, tmp_path: Path) -> None:
        actor = {"type": "user_actor", "email_address": "dev@example.com", "user_id": "user_1"}
        (row,) = claimed(
            tmp_path, page(tmp_path / "u.json", [self.usage(model="claude-haiku-5-5", actor=actor, product="chat")])
        )
        assert (row.format, row.model, row.claim.requests) == ("analytics_usage", "claude-haiku-5-5", 41)
        assert (row.claim.user, row.claim.product) == ("dev@example.com", "chat")

    def test_cost_before_and_after_discounts(self, tmp_path: Path) -> None:
        said = {"amount": "752.25", "list_amount": "835.8333", "currency": "USD", "requests": 41}
        (row,) = claimed(
            tmp_path, page(tmp_path / "c.json", [entry(group=GROUP | {"model": "claude-sonnet-5-5"}, cost=said)])
        )
        assert (row.claim.amount_usd, row.claim.list_amount_usd) == (Decimal("7.5225"), Decimal("8.358333"))

    def test_by_user(self, tmp_path: Path) -> None:
        actor = {"type": "user_actor", "email_address": "dev@example.com", "user_id": "user_1", "deleted": False}
        (row,) = claimed(tmp_path, page(tmp_path / "u.json", [entry(actor=actor, total_tokens=1100, **tokens())]))
        assert (row.format, row.claim.user, row.claim.input_tokens) == ("analytics_usage", "dev@example.com", 1000)

    def test_teams_overlap_and_are_left_out(self, tmp_path: Path) -> None:
        file = page(tmp_path / "u.json", [self.usage(rbac_group_id="rbac_group_1"), self.usage(rbac_group_id=None)])
        report = read(tmp_path / "store", file)
        assert (report.evidence_rows, dict(report.counted.ignored)) == (1, {"rows by RBAC group overlap": 1})


@pytest.mark.parametrize(
    "row",
    [
        tokens(input=10**19),
        tokens(input="9" * 5000),
        tokens(input=True),
        tokens(input="NaN"),
        tokens(input={"n": 1}),
        tokens(input=1.5),
    ],
)
def test_what_no_count_is(tmp_path: Path, row: dict[str, Any]) -> None:
    report = read(tmp_path / "store", page(tmp_path / "u.json", [bucket(1, row, tokens())]))
    assert (report.evidence_rows, report.counted.rejected) == (1, 1)


@pytest.mark.parametrize(
    "amount", ["1e999999999", "1e-40", "NaN", "Infinity", "", None, "12,5", "0." + "1" * 300, True, "\ud83d"]
)
def test_what_no_amount_is(tmp_path: Path, amount: Any) -> None:
    rows = [{"amount": amount, "model": None}, {"amount": "5", "model": "\ud83d"}]
    report = read(tmp_path / "store", page(tmp_path / "c.json", [bucket(1, *rows)]))
    assert (report.evidence_rows, report.counted.rejected) == (1, 1)


@pytest.mark.parametrize("time", ["9999-12-31", "0001-01-01T00:00:00+14:00", "", "--", "2026-13-01", "Total"])
def test_what_no_time_is(tmp_path: Path, time: str) -> None:
    report = read(tmp_path / "store", csv(tmp_path / "u.csv", USAGE_COLUMNS, [used(time), used()]))
    assert (report.evidence_rows, report.counted.rejected) == (1, 1)


def test_openrouter_activity(tmp_path: Path) -> None:
    header = "Date,Slug,{},BYOK Usage,Requests,Prompt Tokens,Completion Tokens,Reasoning Tokens"
    for name in ("Usage", "Usage (USD)"):
        rows = [
            '"2026-11-12 00:00:00","anthropic/claude-opus-4.7","88.41","0","912","14210330","611207","0"',
            "2026-11-12,openai/gpt-5,9,0,1,1,1,0",
        ]
        folder = tmp_path / name
        report = read(folder / "store", csv(folder / "a.csv", header.format(name), rows))
        assert (report.evidence_rows, dict(report.counted.ignored)) == (1, {"other vendor's model": 1})
        (row,) = counted(folder / "store")
        assert (row.model, row.claim.amount_usd, row.claim.requests) == ("claude-opus-4-7", Decimal("88.41"), 912)


class TestIngest:
    def test_evidence_is_never_spend(self, tmp_path: Path) -> None:
        report = read(tmp_path / "store", csv(tmp_path / "c.csv", COST_COLUMNS, [cost("1.00"), cost("2.00")]))
        assert (report.rows_added, report.rows_total, report.evidence_rows) == (0, 0, 2)
        spend = audit(tmp_path / "store").spend(["model"])
        assert (spend.total_usd, spend.requests, spend.rows) == (0, 0, ())

    def test_logs_and_evidence_in_one_go(self, tmp_path: Path) -> None:
        write(tmp_path / "logs" / "app.jsonl", [record(1), record(2), "broken"])
        csv(tmp_path / "logs" / "c.csv", COST_COLUMNS, [cost("1.00"), cost("x")])
        report = read(tmp_path / "store", tmp_path / "logs", rejects_file=tmp_path / "rejects.csv")
        assert (report.rows_added, report.evidence_rows) == (2, 1)
        assert dict(report.formats) == {"console_cost": 1, "native": 1}
        c = report.counted
        assert (c.lines, c.kept, c.rejected) == (5, 3, 2)
        assert [line.split(",")[2] for line in (tmp_path / "rejects.csv").read_text().splitlines()] == [
            "reason",
            "not valid JSON",
            "cost_usd is x",
        ]

    def test_it_stays_when_logs_come_and_go(self, tmp_path: Path) -> None:
        store = tmp_path / "store"
        read(store, csv(tmp_path / "c.csv", COST_COLUMNS, [cost("1.00")]))
        for n in range(2):
            read(store, write(tmp_path / f"{n}.jsonl", [record(n), record(5, output=100 + n)]))
        assert amount_of(counted(store)) == 1
        assert audit(store).spend().requests == 3

    def test_twice_adds_nothing_and_neither_does_a_copy(self, tmp_path: Path) -> None:
        store, file = tmp_path / "store", csv(tmp_path / "c.csv", COST_COLUMNS, [cost("1.00"), cost("1.00")])
        assert read(store, file).evidence_rows == 2
        again = read(store, file)
        assert (again.evidence_rows, again.unchanged) == (0, 1)
        os.utime(file, (1, 1))
        touched = read(store, file)
        assert (touched.evidence_rows, touched.counted.duplicates) == (0, 2)
        (tmp_path / "copy.csv").write_bytes(file.read_bytes())
        assert read(store, tmp_path / "copy.csv").evidence_rows == 0
        assert amount_of(counted(store)) == 2

    def test_a_file_that_has_grown_is_read_anew(self, tmp_path: Path) -> None:
        store, file = tmp_path / "store", csv(tmp_path / "c.csv", COST_COLUMNS, [cost("1.00")])
        read(store, file)
        csv(file, COST_COLUMNS, [cost("1.00"), cost("2.00"), cost("4.00", day="2026-11-03")])
        assert read(store, file).evidence_rows == 2
        assert amount_of(counted(store)) == 7

    def test_many_downloads_are_put_together(self, tmp_path: Path) -> None:
        store = tmp_path / "store"
        for day in range(1, 12):
            read(store, csv(tmp_path / f"{day}.csv", COST_COLUMNS, [cost("1.00", day=f"2026-11-{day:02d}")]))
        assert amount_of(counted(store)) == 11
        assert len(Store(store).manifest().evidence) < 10
        assert len(list((store / "parts").iterdir())) < 11  # what was replaced is swept away

    def test_a_format_can_be_forced(self, tmp_path: Path) -> None:
        file = csv(tmp_path / "c.csv", COST_COLUMNS, [cost("1.00")])
        assert read(tmp_path / "store", file, input_format="console_cost").evidence_rows == 1
        with pytest.raises(AuditError, match="unknown format 'console'") as error:
            read(tmp_path / "other", file, input_format="console")
        assert "console_cost" in error.value.hint

    def test_damaged_evidence_is_named(self, tmp_path: Path) -> None:
        read(tmp_path / "store", csv(tmp_path / "c.csv", COST_COLUMNS, [cost("1.00")]))
        (part,) = (tmp_path / "store" / "parts").iterdir()
        part.write_bytes(b"no parquet")
        with pytest.raises(AuditError, match="evidence cannot be read"):
            counted(tmp_path / "store")


def orders(files: list[Path]) -> list[list[Path]]:
    """Orders in which each of the files comes first, and each last."""
    turned = [files[n:] + files[:n] for n in range(len(files))]
    return [*turned, files[::-1]]


class TestOverlaps:
    """A day in two downloads counts from one of them, whatever the order in which they come."""

    def sums(self, folder: Path, files: list[Path]) -> Decimal | None:
        """What the files come to, ingested in every order, one by one and together."""
        found = set()
        for n, order in enumerate(orders(files)):
            for file in order:
                read(folder / f"s{n}", file)
            found.add(amount_of(counted(folder / f"s{n}")))
        read(folder / "together", *files)
        found.add(amount_of(counted(folder / "together")))
        (only,) = found
        return only

    def test_the_newer_export_has_the_day_with_all_its_rows(self, tmp_path: Path) -> None:
        days = [f"2026-11-{day:02d}" for day in range(1, 5)]
        first = csv(tmp_path / "b.csv", COST_COLUMNS, [cost("1.00", day=d) for d in days[:2]])
        second = csv(
            tmp_path / "a.csv", COST_COLUMNS, [c for d in days[1:3] for c in (cost("5.00", day=d), cost("5.00", day=d))]
        )
        third = csv(tmp_path / "c.csv", COST_COLUMNS, [cost("7.00", day=d) for d in days[2:]])
        assert self.sums(tmp_path, [first, second, third]) == 1 + 10 + 7 + 7

    def test_what_reaches_further_is_newer(self, tmp_path: Path) -> None:
        """Copies have any times: the first was downloaded when its last day was not over."""
        early = csv(
            tmp_path / "early.csv", COST_COLUMNS, [cost("9.00", day="2026-11-01"), cost("1.00", day="2026-11-02")]
        )
        late = csv(
            tmp_path / "late.csv", COST_COLUMNS, [cost("2.00", day="2026-11-02"), cost("3.00", day="2026-11-03")]
        )
        os.utime(late, (1_000_000, 1_000_000))
        assert self.sums(tmp_path, [early, late]) == 9 + 2 + 3

    def test_the_range_in_the_name_is_what_it_covers(self, tmp_path: Path) -> None:
        early = csv(tmp_path / "claude_api_cost_2026_11_01_to_2026_11_02.csv", COST_COLUMNS, [cost("1.00")])
        late = csv(tmp_path / "claude_api_cost_2026_11_02_to_2026_11_05.csv", COST_COLUMNS, [cost("2.00")])
        assert self.sums(tmp_path, [early, late]) == 2

    def test_of_one_range_the_later_file_or_the_browsers_second(self, tmp_path: Path) -> None:
        old, new = (
            csv(tmp_path / name, COST_COLUMNS, [cost(usd)]) for name, usd in (("z.csv", "1.00"), ("a.csv", "2.00"))
        )
        os.utime(old, (1_700_000_000, 1_700_000_000))
        assert self.sums(tmp_path / "times", [old, new]) == 2
        first, again = (
            csv(tmp_path / name, COST_COLUMNS, [cost(usd)]) for name, usd in (("c.csv", "1.00"), ("c (1).csv", "2.00"))
        )
        for file in (first, again):
            os.utime(file, (1_800_000_000, 1_800_000_000))
        assert self.sums(tmp_path / "copies", [first, again]) == 2

    def test_downloads_of_one_workspace_each_have_nothing_in_common(self, tmp_path: Path) -> None:
        files = [csv(tmp_path / f"{w}.csv", COST_COLUMNS, [cost("1.00", workspace=w)]) for w in ("north", "south")]
        assert self.sums(tmp_path, files) == 2

    def test_new_rows_are_those_that_were_not_there(self, tmp_path: Path) -> None:
        days = [f"2026-11-{day:02d}" for day in range(1, 4)]
        read(tmp_path / "store", csv(tmp_path / "a.csv", COST_COLUMNS, [cost("1.00", day=d) for d in days[:2]]))
        report = read(tmp_path / "store", csv(tmp_path / "b.csv", COST_COLUMNS, [cost("1.00", day=d) for d in days]))
        assert (report.evidence_rows, report.counted.duplicates) == (1, 2)

    def test_days_that_differ_are_said(self, tmp_path: Path) -> None:
        read(tmp_path / "store", csv(tmp_path / "a.csv", COST_COLUMNS, [cost("1.00")]))
        report = read(
            tmp_path / "store", csv(tmp_path / "b.csv", COST_COLUMNS, [cost("2.00"), cost("1.00", day="2026-11-03")])
        )
        assert [w for w in report.warnings if "2026-11-02 of" in w and "b.csv" in w]

    def tokens(self, folder: Path, files: list[Path]) -> int | None:
        found = set()
        for n, order in enumerate(orders(files)):
            for file in order:
                read(folder / f"s{n}", file)
            found.add(tokens_of(counted(folder / f"s{n}"))["input"])
        (only,) = found
        return only

    def test_a_page_saved_twice(self, tmp_path: Path) -> None:
        rows = [bucket(1, tokens(input=1)), bucket(2, tokens(input=2))]
        files = [
            page(tmp_path / "a.json", rows),
            page(tmp_path / "b.json", rows),
            page(tmp_path / "c.json", rows, indent=1),
        ]
        files.append(page(tmp_path / "d.json", [*rows[1:], bucket(3, tokens(input=4))]))
        assert self.tokens(tmp_path, files) == 7

    def test_a_bucket_asked_for_again_has_its_later_count(self, tmp_path: Path) -> None:
        early = page(tmp_path / "b.json", [bucket(1, tokens(input=1)), bucket(2, tokens(input=5))])
        late = page(tmp_path / "a.json", [bucket(2, tokens(input=9)), bucket(3, tokens(input=100))])
        assert self.tokens(tmp_path, [early, late]) == 110

    def test_pages_of_one_bucket(self, tmp_path: Path) -> None:
        keys = [tokens(api_key_id=f"apikey_{n}", input=1) for n in range(6)]
        files = [page(tmp_path / f"{n}.json", [bucket(1, *keys[n : n + 3])], more=n == 0) for n in (0, 3)]
        assert self.tokens(tmp_path, files) == 6

    def test_reports_grouped_differently_are_not_added(self, tmp_path: Path) -> None:
        fine = page(tmp_path / "fine.json", [bucket(1, *(tokens(api_key_id=f"apikey_{n}", input=5) for n in range(2)))])
        coarse = page(tmp_path / "coarse.json", [bucket(1, tokens(input=10)), bucket(2, tokens(input=100))])
        assert self.tokens(tmp_path, [fine, coarse]) == 110
        report = read(tmp_path / "together", fine, coarse)
        assert any("grouped differently" in warning for warning in report.warnings)

    def test_reports_of_one_workspace_each_are(self, tmp_path: Path) -> None:
        north = page(tmp_path / "n.json", [bucket(1, tokens(workspace_id="wrkspc_n", api_key_id="apikey_1", input=5))])
        south = page(tmp_path / "s.json", [bucket(1, tokens(workspace_id="wrkspc_s", input=10))])
        assert self.tokens(tmp_path, [north, south]) == 15

    def test_buckets_of_different_width_are_not_added(self, tmp_path: Path) -> None:
        hours = [
            bucket(f"2026-11-01T{h:02d}:00:00Z", tokens(input=1), until=f"2026-11-01T{h + 1:02d}:00:00Z")
            for h in range(20)
        ]
        day = page(tmp_path / "day.json", [bucket(1, tokens(input=24))])
        assert self.tokens(tmp_path / "1", [page(tmp_path / "hours.json", hours), day]) == 24
        weeks = page(
            tmp_path / "weeks.json", [bucket("2026-11-01T00:00:00Z", tokens(input=70), until="2026-11-08T00:00:00Z")]
        )
        assert self.tokens(tmp_path / "2", [weeks, day]) == 70  # a week with one day in it is not the sum of its days
        days = page(tmp_path / "days.json", [bucket(n, tokens(input=11)) for n in range(1, 8)])
        assert self.tokens(tmp_path / "3", [weeks, days]) == 77

    @pytest.mark.parametrize(("pages", "warned"), [((1,), True), ((1, 2), False), ((2,), False)])
    def test_a_next_page_that_is_not_there(self, tmp_path: Path, pages: tuple[int, ...], warned: bool) -> None:
        files = [page(tmp_path / f"{n}.json", [bucket(n, tokens())], more=n == 1) for n in pages]
        report = read(tmp_path / "store", *files)
        assert any("next page" in warning for warning in report.warnings) is warned
