"""Exports: what they hold adds up to the bill, row by row and as a whole, whatever the log is like."""

from __future__ import annotations

import csv
import io
import json
import tempfile
from collections.abc import Callable
from datetime import datetime
from decimal import Decimal
from pathlib import Path
from typing import TYPE_CHECKING, Any

import duckdb
import pytest
from hypothesis import given
from hypothesis import strategies as st
from logs import audit, read, record, write
from test_laws import quick, records

from claude_audit.audit import Audit
from claude_audit.bill import bill, total
from claude_audit.catalog import load
from claude_audit.clock import UTC_ZONE
from claude_audit.errors import AuditError
from claude_audit.focus import BY, COLUMNS, charges
from claude_audit.money import EXACT
from claude_audit.row_costs import priced_rows

if TYPE_CHECKING:
    from command_line import Command

pytest_plugins = ("command_line",)

PROVIDERS = ("anthropic", "aws_bedrock", "gcp_vertex", "openrouter", "azure_foundry")


@st.composite
def logs(draw: st.DrawFn) -> list[dict[str, Any]]:
    """Records of several providers, with free refusals and answers of further passes among them."""
    made = []
    for one in draw(records()):
        one |= {"provider": draw(st.sampled_from(PROVIDERS)), "workspace": draw(st.sampled_from(["w", None]))}
        if draw(st.integers(0, 4)) == 0:
            one |= {"stop_reason": "refusal", "output_blocks": 0}
            one["usage"] = one["usage"] | {"output_tokens": 0}
        made.append(one)
    return made


def rows_of(found: Audit) -> list[dict[str, Any]]:
    assert found.reach is not None
    priced = priced_rows(found.usage(), found.reach, found.catalog, found.engine)
    return [row for batch in priced.batches for row in batch.to_pylist(maps_as_pydicts="strict")]


def focus_of(found: Audit, tags: tuple[str, ...] = ()) -> list[dict[str, Any]]:
    return charges(found.lines([*BY, *tags]), found.catalog, UTC_ZONE, tags)


@quick
@given(logs())
def test_every_export_adds_up_to_the_bill(made: list[dict[str, Any]]) -> None:
    with tempfile.TemporaryDirectory() as folder:
        place = Path(folder) / "store"
        read(place, write(Path(folder) / "a.jsonl", made))
        found = audit(place)
        whole = found.spend()
        rows = rows_of(found)
        assert len(rows) == found.manifest.rows
        assert total(row["cost_usd"] for row in rows if row["cost_usd"] is not None) == whole.total_usd
        billed = [row for row in rows if row["cost_usd"] is None]
        assert sum(row["requests"] for row in billed) == whole.unpriced.requests
        assert all(row["no_price"] for row in billed)
        # Each row costs what a bill of that row alone says.
        alone = {line.labels[0]: line.usd for line in by_row(found)}
        assert {row["row_id"]: row["cost_usd"] for row in rows} == alone

        focus = focus_of(found, ("team",))
        assert total(row["BilledCost"] for row in focus if row["BilledCost"] is not None) == whole.total_usd
        assert sum(row["ConsumedQuantity"] for row in focus) == sum(whole.tokens.values()) + sum(
            line.searches for line in found.lines()
        )
        for row in focus:
            assert (row["BilledCost"] is None) == (row["ListUnitPrice"] is None) == (row["x_NoPrice"] is not None)
            if row["ListCost"] is not None:
                assert EXACT.multiply(row["ListUnitPrice"], row["PricingQuantity"]) == row["ListCost"]
                assert EXACT.multiply(row["ContractedUnitPrice"], row["PricingQuantity"]) == row["ContractedCost"]
                assert row["ListCost"] == row["BilledCost"] == row["EffectiveCost"] == row["ContractedCost"]
        keys = [(r["ChargePeriodStart"], r["ServiceName"], r["SkuPriceId"], r["SkuId"], r["Tags"], r["SubAccountId"], r["SkuPriceDetails"]) for r in focus]  # fmt: skip
        assert len(keys) == len(set(keys))


def by_row(found: Audit) -> list[Any]:
    class Row:
        def __init__(self, labels: tuple[Any, ...], usd: Decimal | None) -> None:
            self.labels, self.usd = labels, usd

    return [Row(b.line.labels, b.usd) for b in bill(found.lines(["row_id"]), found.catalog).lines]


def test_a_focus_row_whole(tmp_path: Path) -> None:
    made = [record(n, workspace="prod", usage={"service_tier": "batch"}) for n in (1, 2)]
    read(tmp_path / "store", write(tmp_path / "a.jsonl", made))
    first, second = focus_of(audit(tmp_path / "store"))
    # 2 x 1,000 tokens in at $2 and 2 x 100 out at $10 per million, half of it in a batch.
    assert (first["BilledCost"], second["BilledCost"]) == (Decimal("0.002"), Decimal("0.001"))
    place = first.pop("x_PriceRow")
    assert place.startswith("pricing/anthropic.yaml:")
    assert first == {
        "BilledCost": Decimal("0.002"),
        "BillingAccountId": None,
        "BillingAccountName": None,
        "BillingCurrency": "USD",
        "BillingPeriodEnd": datetime.fromisoformat("2026-12-01T00:00:00Z"),
        "BillingPeriodStart": datetime.fromisoformat("2026-11-01T00:00:00Z"),
        "ChargeCategory": "Usage",
        "ChargeClass": None,
        "ChargeDescription": "claude-sonnet-5-5: input tokens, batch",
        "ChargeFrequency": "Usage-Based",
        "ChargePeriodEnd": datetime.fromisoformat("2026-11-03T00:00:00Z"),
        "ChargePeriodStart": datetime.fromisoformat("2026-11-02T00:00:00Z"),
        "ConsumedQuantity": 2000,
        "ConsumedUnit": "Tokens",
        "ContractedCost": Decimal("0.002"),
        "ContractedUnitPrice": Decimal(1),
        "EffectiveCost": Decimal("0.002"),
        "InvoiceIssuerName": "Anthropic",
        "ListCost": Decimal("0.002"),
        "ListUnitPrice": Decimal(1),
        "PricingCategory": "Standard",
        "PricingQuantity": Decimal("0.002"),
        "PricingUnit": "1000000 Tokens",
        "ProviderName": "Anthropic",
        "PublisherName": "Anthropic",
        "RegionId": None,
        "RegionName": None,
        "ResourceId": "chat",
        "ResourceName": None,
        "ResourceType": "Endpoint",
        "ServiceCategory": "AI and Machine Learning",
        "ServiceName": "Claude API",
        "ServiceSubcategory": "Generative AI",
        "SkuId": "claude-sonnet-5-5/input",
        "SkuMeter": "Input Tokens",
        "SkuPriceDetails": '{"x_Direction":"input","x_Model":"claude-sonnet-5-5","x_ServiceTier":"batch","x_TokenType":"input"}',
        "SkuPriceId": "claude-sonnet-5-5/input/batch",
        "SubAccountId": "prod",
        "SubAccountName": "prod",
        "Tags": '{"endpoint":"chat"}',
        "x_NoPrice": None,
    }
    assert {"x_PriceRow", *first} == set(COLUMNS)


MANDATORY = """BilledCost BillingAccountId BillingAccountName BillingCurrency BillingPeriodEnd BillingPeriodStart ChargeCategory
ChargeClass ChargeDescription ChargePeriodEnd ChargePeriodStart ContractedCost EffectiveCost InvoiceIssuerName ListCost
PricingQuantity PricingUnit ProviderName PublisherName ServiceCategory ServiceName""".split()
"""Of FOCUS 1.2."""
MAY_BE_NULL = {"BillingAccountName", "ChargeClass"}


@pytest.mark.parametrize("provider", [*PROVIDERS, "claude_platform_aws"])
def test_mandatory_columns_are_there_and_filled(tmp_path: Path, provider: str) -> None:
    read(tmp_path / "store", write(tmp_path / "a.jsonl", [record(1, provider=provider, endpoint=None)]))
    found = audit(tmp_path / "store")
    for row in charges(found.lines(BY), found.catalog, UTC_ZONE, account="org-7"):
        assert [name for name in MANDATORY if row[name] is None and name not in MAY_BE_NULL] == []
        assert [name for name in row if not name[0].isupper()] == ["x_PriceRow", "x_NoPrice"]


def test_prices_of_very_many_digits_stay_exact_or_are_refused(tmp_path: Path) -> None:
    read(tmp_path / "store", write(tmp_path / "a.jsonl", [record(1), record(2)]))
    for digits, fits in ((30, True), (40, False)):
        (tmp_path / "ours.yaml").write_text(f"discounts: [{{models: 'claude-*', factor: 0.{'3' * digits}}}]")
        found = Audit.open(tmp_path / "store", catalog=load(tmp_path / "ours.yaml"))
        if fits:
            assert total(row["cost_usd"] for row in rows_of(found)) == found.spend().total_usd
        else:
            with pytest.raises(AuditError, match="decimal places"):
                rows_of(found)


def test_searches_are_rows_of_their_own(tmp_path: Path) -> None:
    made = [record(1, input=0, output=0, usage={"server_tool_use": {"web_search_requests": 3}})]
    read(tmp_path / "store", write(tmp_path / "a.jsonl", made))
    (row,) = focus_of(audit(tmp_path / "store"))
    assert (row["SkuMeter"], row["ConsumedUnit"], row["PricingUnit"]) == ("Web Searches", "Searches", "Searches")
    assert (row["ListUnitPrice"], row["PricingQuantity"], row["ListCost"]) == (Decimal("0.01"), 3, Decimal("0.03"))


@pytest.mark.parametrize(
    ("prices", "listed", "contracted"),
    [
        ("discounts: [{models: 'claude-*', factor: 0.9}]", "2", "1.8"),
        (
            "prices:\n  - model: claude-sonnet-5-5\n    since: 2026-10-01\n    source: contract\n    usd_per_mtok: "
            "{input: 1.5, cache_read: 0.09, cache_write_5m: 2.25, cache_write_1h: 3.6, output: 9}\n",
            "2",
            "1.5",
        ),
    ],
)
def test_a_contract_has_its_own_costs_beside_those_of_the_list(
    tmp_path: Path, prices: str, listed: str, contracted: str
) -> None:
    (tmp_path / "ours.yaml").write_text(prices)
    read(tmp_path / "store", write(tmp_path / "a.jsonl", [record(1, output=0)]))
    found = Audit.open(tmp_path / "store", catalog=load(tmp_path / "ours.yaml"))
    (row,) = focus_of(found)
    assert (row["ListUnitPrice"], row["ContractedUnitPrice"]) == (Decimal(listed), Decimal(contracted))
    assert row["ListCost"] == Decimal(listed) / 1000
    assert row["BilledCost"] == row["EffectiveCost"] == row["ContractedCost"] == Decimal(contracted) / 1000
    assert row["BilledCost"] == found.spend().total_usd
    assert row["SkuPriceId"] == "claude-sonnet-5-5/input"


def test_what_has_no_price_has_null_costs(tmp_path: Path) -> None:
    read(tmp_path / "store", write(tmp_path / "a.jsonl", [record(1, model="claude-next-1", output=0)]))
    (row,) = focus_of(audit(tmp_path / "store"))
    for name in ("BilledCost", "EffectiveCost", "ListCost", "ContractedCost", "ListUnitPrice", "ContractedUnitPrice"):
        assert row[name] is None, name
    assert (row["ConsumedQuantity"], row["x_NoPrice"]) == (1000, "unknown model")


def test_days_are_those_of_the_time_zone(tmp_path: Path) -> None:
    read(tmp_path / "store", write(tmp_path / "a.jsonl", [record(1, timestamp="2026-10-31T23:30:00Z", output=0)]))
    from claude_audit.clock import zone
    from claude_audit.filters import Filters

    berlin = zone("Europe/Berlin")
    found = audit(tmp_path / "store", Filters(timezone=berlin))
    (row,) = charges(found.lines(BY), found.catalog, berlin)
    assert row["ChargePeriodStart"] == datetime.fromisoformat("2026-10-31T23:00:00Z")
    assert row["BillingPeriodEnd"] == datetime.fromisoformat("2026-11-30T23:00:00Z")


# The command


def parsed(text: str) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(text)))


def as_csv(run: Command, *args: str) -> list[dict[str, str]]:
    return parsed(run("export", *args).stdout)


def as_json(run: Command, *args: str) -> list[dict[str, Any]]:
    document = json.loads(run("export", *args, "--format", "json").stdout)
    assert (document["schema_version"], document["total_usd"]) == (1, "0.06")
    rows: list[dict[str, Any]] = document["rows"]
    return rows


def as_jsonl(run: Command, *args: str) -> list[dict[str, Any]]:
    return [json.loads(line) for line in run("export", *args, "--format", "jsonl").stdout.split("\n")[:-1]]


def as_parquet(run: Command, *args: str) -> list[dict[str, Any]]:
    done = run("export", *args, "--format", "parquet", "--output", "out.parquet")
    assert (done.returncode, done.stdout) == (0, ""), done.stderr
    found = duckdb.connect().execute("SELECT * FROM 'out.parquet'")
    return [dict(zip([d[0] for d in found.description], row, strict=True)) for row in found.fetchall()]


@pytest.mark.parametrize("how", [as_csv, as_json, as_jsonl, as_parquet])
@pytest.mark.parametrize(
    ("args", "money", "count"), [((), "cost_usd", 20), (("--focus",), "BilledCost", 40), (("--rows",), "cost_usd", 20)]
)
def test_all_tables_in_all_formats_hold_the_exact_cost(
    run: Command,
    store: Path,
    how: Callable[..., list[dict[str, Any]]],
    args: tuple[str, ...],
    money: str,
    count: int,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("claude_audit.engines.duckdb.BATCH_ROWS", 7)
    rows = how(run, *args)
    assert len(rows) == count
    assert total(Decimal(row[money]) for row in rows) == Decimal("0.06")


def test_groups_are_by_day_unless_another_time_is_asked_for(run: Command, store: Path) -> None:
    assert as_csv(run)[0] == {
        "day": "2026-11-01",
        "endpoint": "chat",
        "model": "claude-sonnet-5-5",
        "requests": "1",
        "unpriced_requests": "0",
        "input": "1000",
        "cache_read": "0",
        "cache_write_5m": "0",
        "cache_write_1h": "0",
        "output": "100",
        "cost_usd": "0.003",
    }
    (month,) = as_csv(run, "--by", "month")
    assert (month["month"], month["requests"], month["cost_usd"]) == ("2026-11", "20", "0.06")
    assert len(as_csv(run, "--since", "2026-11-19", "--where", "endpoint=chat")) == 2


def test_a_row_holds_every_column_as_it_is(run: Command, tmp_path: Path) -> None:
    hostile = '=cmd|"x",\x1b[31m'
    blocks = [{"hash": "ab", "tokens": 5, "kind": "system", "breakpoint": True}]
    made = [record(1, endpoint=hostile, user="-3", prompt_blocks=blocks, tags={"branch": "main"}), record(2, user=None)]
    write(tmp_path / "app.jsonl", made)
    assert run("ingest", "app.jsonl").returncode == 0
    first, second = as_csv(run, "--rows")
    assert first["endpoint"] == '\'=cmd|"x",\\x1b[31m'
    assert (first["user"], second["user"]) == ("-3", "")
    assert first["ts"] == "2026-11-02T10:01:01Z" or first["ts"].endswith("Z")
    assert json.loads(first["tags"]) == {"branch": "main"}
    assert json.loads(first["prompt_blocks"])[0]["tokens"] == 5
    assert first["price_row"].startswith("pricing/anthropic.yaml:")
    told = as_jsonl(run, "--rows")
    assert told[0]["endpoint"] == hostile
    assert (told[0]["tags"], told[1]["tags"], told[1]["user"]) == ({"branch": "main"}, {}, None)
    assert (told[0]["input_tokens"], told[0]["cost_usd"]) == (1000, "0.003")


def test_keys_that_were_not_recorded_meet_no_row_that_says_so_in_words(run: Command, tmp_path: Path) -> None:
    made = [record(1, region="(none)"), record(2, region=None), record(3, region="(none)'")]
    write(tmp_path / "app.jsonl", made)
    assert run("ingest", "app.jsonl").returncode == 0
    assert [row["cost_usd"] for row in as_csv(run, "--rows")] == ["0.003"] * 3


def test_usage_without_a_price_is_warned_of_and_never_free(run: Command, tmp_path: Path) -> None:
    write(tmp_path / "app.jsonl", [record(1), record(2, model="claude-next-1")])
    assert run("ingest", "app.jsonl").returncode == 0
    for args in ((), ("--focus",), ("--rows",)):
        done = run("export", *args)
        assert done.returncode == 0
        assert "warning: 1 request has no price" in done.stderr and "claude-next-1: unknown model (1)" in done.stderr
        costs = [row.get("cost_usd", row.get("BilledCost")) for row in parsed(done.stdout)]
        assert "" in costs and "0" not in costs


def test_focus_names_the_billing_account_and_more_tags(run: Command, tmp_path: Path) -> None:
    write(tmp_path / "app.jsonl", [record(1, team="search", tags={"branch": "main", "endpoint": "x"})])
    assert run("ingest", "app.jsonl").returncode == 0
    assert "BillingAccountId is empty" in run("export", "--focus").stderr
    done = run("export", "--focus", "--billing-account", "org-7", "--by", "team,tag:branch,tag:endpoint")
    row = parsed(done.stdout)[0]
    assert (row["BillingAccountId"], done.stderr) == ("org-7", "")
    assert json.loads(row["Tags"]) == {"branch": "main", "endpoint": "chat", "tag:endpoint": "x", "team": "search"}


@pytest.mark.parametrize(
    ("args", "says"),
    [
        (["--focus", "--rows"], "two different tables"),
        (["--rows", "--by", "team"], "nothing to group by"),
        (["--by", "modle"], "no dimension 'modle'"),
        (["--focus", "--by", "endpoint"], "by endpoint already"),
        (["--focus", "--by", "month"], "FOCUS rows are by day already"),
        (["--billing-account", "x"], "add --focus"),
        (["--format", "parquet"], "--output usage.parquet"),
        (["--where", "endpoint=other"], "no requests are left"),
        (["--rows", "--since", "2030-01-01"], "no requests are left"),
        (["--output", "."], "is a folder"),
    ],
)
def test_wrong_usage_is_named(run: Command, store: Path, args: list[str], says: str) -> None:
    done = run("export", *args)
    assert (done.returncode, done.stdout) == (2, "")
    assert says in done.stderr
    assert (
        run("export", *args, "--format", "json").stdout.startswith('{"schema_version": 1, "error"') or "parquet" in args
    )


def test_a_file_is_written_whole_or_not_at_all(
    run: Command,
    store: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    assert run("export", "--output", "out/usage.csv").returncode == 0
    kept = (store / "out/usage.csv").read_text()
    assert len(parsed(kept)) == 20

    def broken(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("claude_audit.renderers.table_files.csv", broken)
    done = run("export", "--output", "out/usage.csv")
    assert done.returncode == 2 and "No space left" in done.stderr
    assert (store / "out/usage.csv").read_text() == kept
    assert [path.name for path in (store / "out").iterdir()] == ["usage.csv"]
