"""What changed between two periods: parts that add up to the change exactly, and words that a person understands."""

from __future__ import annotations

import json
import tempfile
from datetime import date
from decimal import Decimal
from fractions import Fraction
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from logs import CATALOG, audit, read, record, write
from test_export import logs
from test_laws import quick

from claude_audit.bill import bill, total
from claude_audit.diff import PARTS, Change, Diff, _grouped, _shares, _Valued, diff
from claude_audit.errors import AuditError, Exit
from claude_audit.filters import Filters
from claude_audit.money import EXACT
from claude_audit.periods import Days, chosen, parse

if TYPE_CHECKING:
    from command_line import Command

pytest_plugins = ("command_line",)

OCTOBER, NOVEMBER = Days(date(2026, 10, 1), date(2026, 10, 31)), Days(date(2026, 11, 1), date(2026, 11, 30))


def compared(store: Path, before: Days, after: Days, by: tuple[str, ...]) -> Diff:
    sides = [(days, days, audit(store, Filters(days.first, days.last)).lines(by)) for days in (before, after)]
    return diff(sides[0], sides[1], CATALOG, by)


def made_of(*records: dict[str, Any], by: tuple[str, ...] = ("endpoint",), days: tuple[Days, Days]) -> Diff:
    with tempfile.TemporaryDirectory() as folder:
        read(Path(folder) / "store", write(Path(folder) / "a.jsonl", records))
        return compared(Path(folder) / "store", *days, by)


def one(*records: dict[str, Any], days: tuple[Days, Days] = (OCTOBER, NOVEMBER)) -> Change:
    (row,) = made_of(*records, days=days).rows
    return row


def october(n: int, **changes: Any) -> dict[str, Any]:
    return record(n, timestamp=f"2026-10-20T10:00:{n:02}Z", **changes)


def november(n: int, **changes: Any) -> dict[str, Any]:
    return record(n, timestamp=f"2026-11-20T10:00:{n:02}Z", **changes)


def nonzero(row: Change) -> dict[str, str]:
    return {name: format(usd.normalize(), "f") for name, usd in row.parts.items() if usd}


@st.composite
def two_months(draw: st.DrawFn) -> list[dict[str, Any]]:
    """Records on days around a price change, in two months."""
    made = draw(logs())
    for n, one in enumerate(made):
        day = draw(st.sampled_from(["10-05", "10-06", "10-07", "11-02", "11-03"]))
        one |= {"timestamp": f"2026-{day}T12:00:{n:02}Z", "request_id": f"req_{n}"}
    return made


def assert_nothing_but_rounding_is_made_up(store: Path, days: tuple[Days, Days], by: tuple[str, ...]) -> None:
    """Before any rounding, the parts of each group add up to its change."""
    old, new = (_grouped(bill(audit(store, Filters(d.first, d.last)).lines(by), CATALOG).lines) for d in days)
    for labels in old.keys() & new.keys():
        was, now = (_Valued.of(side[labels], CATALOG, days[0].last) for side in (old, new))
        costs = [total(b.usd for b in side[labels] if b.usd is not None) for side in (old, new)]
        assert sum(_shares(was, now).values(), Fraction(0)) == Fraction(costs[1]) - Fraction(costs[0])


@settings(quick, max_examples=30)
@given(
    two_months(),
    st.sampled_from([("endpoint", "model"), ("endpoint",), ("provider", "tier"), ("team", "workspace")]),
    st.sampled_from([(OCTOBER, NOVEMBER), (NOVEMBER, OCTOBER), (Days(date(2026, 10, 5), date(2026, 10, 6)), NOVEMBER)]),
)
def test_the_parts_add_up_to_the_change_whatever_the_log_and_the_dimensions(
    made: list[dict[str, Any]], by: tuple[str, ...], days: tuple[Days, Days]
) -> None:
    with tempfile.TemporaryDirectory() as folder:
        store = Path(folder) / "store"
        read(store, write(Path(folder) / "a.jsonl", made))
        found = compared(store, *days, by)
        for side, asked in zip((found.before, found.after), days, strict=True):
            spent = audit(store, Filters(asked.first, asked.last)).spend()
            assert side.usd == spent.total_usd
            assert (side.amount.requests, side.amount.unpriced_requests) == (spent.requests, spent.unpriced.requests)
        for row in found.rows:
            assert set(row.parts) == set(PARTS)
            assert total(row.parts.values()) == (row.change_usd or 0)
            models = row.price_by_model.values()
            assert abs(EXACT.subtract(total(models), row.parts["price"])) <= Decimal("1e-11")
        assert total(found.parts.values()) == found.change_usd
        assert_nothing_but_rounding_is_made_up(store, days, by)
        assert total(row.change_usd for row in found.rows if row.change_usd is not None) == found.change_usd


@quick
@given(logs())
def test_nothing_changes_between_equal_periods(made: list[dict[str, Any]]) -> None:
    with tempfile.TemporaryDirectory() as folder:
        read(Path(folder) / "store", write(Path(folder) / "a.jsonl", made))
        found = compared(Path(folder) / "store", OCTOBER, OCTOBER, ("endpoint", "model"))
        assert found.change_usd == 0 and not any(found.parts.values())


# Claude Sonnet 5.5: input $2, output $10 a million tokens; a record is 1,000 in and 100 out: $0.003.


def test_free_calls_count_as_requests_whatever_stands_beside_them() -> None:
    # Sonnet 5.5, 1,000 in and 100 out: $0.003. From one to two paid calls, and from none to two free ones that cost nothing:
    # $0.003 x (4 / 1 - 1) more for their number, and half of that less per call. A call in fast mode has no price there, and
    # leaves the free ones of its kind free.
    fast = {"speed": "fast"}
    free = [november(n, status="error", **fast) for n in (2, 3)]
    paid = [october(1), november(6), november(4)]
    assert nonzero(one(*paid, *free)) == nonzero(one(*paid, *free, november(5, **fast)))
    assert nonzero(one(*paid, *free)) == {"volume": "0.009", "input": "-0.004", "output": "-0.002"}


def test_more_requests_are_volume() -> None:
    row = one(october(1), november(2), november(3), november(4))
    assert (row.before.usd, row.after.usd) == (Decimal("0.003"), Decimal("0.009"))
    assert nonzero(row) == {"volume": "0.006"}


def test_tokens_per_request_by_kind_at_their_price_before() -> None:
    row = one(
        october(1), november(2, input=2000, output=50, w5=1000, usage={"server_tool_use": {"web_search_requests": 1}})
    )
    # 1,000 more in x $2; 50 fewer out x $10; 1,000 written x $2.50, which nobody did before; one search, $0.01.
    assert nonzero(row) == {"input": "0.002", "output": "-0.0005", "cache": "0.0025", "web_search": "0.01"}


def test_volume_comes_first_then_tokens_then_the_price() -> None:
    # Cache reads cost $0.20 a million until Oct 6, $0.10 from Oct 7.
    days = Days(date(2026, 10, 6), date(2026, 10, 6)), Days(date(2026, 10, 7), date(2026, 10, 7))
    before = [record(1, timestamp="2026-10-06T10:00:00Z", input=0, output=0, read=1_000_000)]
    after = [record(n, timestamp="2026-10-07T10:00:00Z", input=0, output=0, read=3_000_000) for n in (2, 3)]
    row = one(*before, *after, days=days)
    # $0.20 -> $0.60: one more request at $0.20; 4 M more read at $0.20; 6 M in all, $0.10 cheaper.
    assert nonzero(row) == {"volume": "0.2", "cache": "0.8", "price": "-0.6"}
    assert row.price_by_model == {"claude-sonnet-5-5": Decimal("-0.6")}
    back = one(*before, *after, days=(days[1], days[0]))
    # $0.60 -> $0.20, valued at $0.10: one request of 3 M fewer; 2 M fewer read; 1 M in all, $0.10 dearer.
    assert nonzero(back) == {"volume": "-0.3", "cache": "-0.2", "price": "0.1"}


def test_a_price_change_inside_a_period_is_price_too() -> None:
    days = Days(date(2026, 10, 5), date(2026, 10, 7)), NOVEMBER
    reads = {"input": 0, "output": 0, "read": 1_000_000}
    before = [record(n, timestamp=f"2026-10-0{n}T10:00:00Z", **reads) for n in (6, 7)]
    row = one(*before, november(8, **reads), november(9, **reads), days=days)
    assert (row.before.usd, row.after.usd) == (Decimal("0.3"), Decimal("0.2"))
    assert nonzero(row) == {"price": "-0.1"}


def test_another_tier_or_model_is_mix() -> None:
    batch = one(october(1), november(2, usage={"service_tier": "batch"}))
    assert nonzero(batch) == {"mix": "-0.0015"}
    model = one(october(1), november(2, model="claude-opus-5-5"))
    assert nonzero(model) == {"mix": "0.003"}


def test_groups_of_one_period_are_new_or_gone_as_a_whole() -> None:
    found = made_of(
        october(1, endpoint="old"), november(2, endpoint="a"), november(3, endpoint="a"), days=(OCTOBER, NOVEMBER)
    )
    assert [(row.labels, row.standing, nonzero(row)) for row in found.rows] == [
        (("a",), "new", {"new": "0.006"}),
        (("old",), "gone", {"gone": "-0.003"}),
    ]


def test_what_has_no_price_is_counted_and_not_known() -> None:
    unknown = {"endpoint": "x", "model": "claude-next-1"}
    found = made_of(october(1), november(2), october(3, **unknown), november(4, **unknown), days=(OCTOBER, NOVEMBER))
    row = next(row for row in found.rows if row.labels == ("x",))
    assert (row.standing, row.before.usd, row.after.usd, row.change_usd) == ("no price", None, None, None)
    assert (found.before.amount.unpriced_requests, found.after.amount.unpriced_requests) == (1, 1)


def test_quotients_that_do_not_end_still_add_up() -> None:
    records = [october(n, output=n) for n in range(3)] + [november(10 + n, output=7 * n) for n in range(7)]
    row = one(*records)
    assert total(row.parts.values()) == row.change_usd
    assert row.parts["price"] == row.parts["mix"] == 0


# Periods


@pytest.mark.parametrize(
    ("text", "first", "last", "name"),
    [
        ("2026-02", "2026-02-01", "2026-02-28", "February 2026"),
        ("2026-W46", "2026-11-09", "2026-11-15", "the week of Nov 9, 2026"),
        ("2026-11-05", "2026-11-05", "2026-11-05", "Nov 5, 2026"),
        ("2026-11-05..2026-11-20", "2026-11-05", "2026-11-20", "Nov 5 to Nov 20, 2026"),
        ("2026-12-30..2027-01-02", "2026-12-30", "2027-01-02", "Dec 30, 2026 to Jan 2, 2027"),
    ],
)
def test_periods_as_a_person_writes_them(text: str, first: str, last: str, name: str) -> None:
    days = parse(text, "--before")
    assert (days.first.isoformat(), days.last.isoformat(), days.name) == (first, last, name)


@pytest.mark.parametrize(
    "text", ["soon", "2026", "2026-13", "2026-02-30", "2026-W60", "2026-11-05..", "2026-11-05..2026-11-01"]
)
def test_other_words_are_an_error_with_a_way_out(text: str) -> None:
    with pytest.raises(AuditError) as error:
        parse(text, "--after")
    assert "--after" in error.value.message and error.value.hint


@pytest.mark.parametrize(
    ("first", "last", "today", "before", "after"),
    [
        ("2026-09-01", "2026-11-20", "2026-11-21", "September 2026", "October 2026"),
        ("2026-09-01", "2026-10-31", "2026-11-01", "September 2026", "October 2026"),
        ("2026-09-01", "2026-10-31", "2026-10-31", "Oct 17 to Oct 23, 2026", "Oct 24 to Oct 30, 2026"),
        ("2026-09-15", "2026-11-20", "2026-11-21", "Nov 7 to Nov 13, 2026", "Nov 14 to Nov 20, 2026"),
    ],
)
def test_which_periods_when_nobody_says(first: str, last: str, today: str, before: str, after: str) -> None:
    log = Days(date.fromisoformat(first), date.fromisoformat(last))
    old, new = chosen(None, None, log, date.fromisoformat(today))
    assert (old.name, new.name) == (before, after)


def test_one_period_is_compared_with_its_neighbour() -> None:
    log = Days(date(2026, 1, 1), date(2026, 12, 31))
    assert chosen("2026-02", None, log, log.last) == (parse("2026-02", ""), parse("2026-03", ""))
    assert chosen(None, "2026-03", log, log.last) == (parse("2026-02", ""), parse("2026-03", ""))
    assert chosen(None, "2026-W02", log, log.last) == (parse("2026-W01", ""), parse("2026-W02", ""))


def test_a_log_of_a_few_days_is_too_short_to_choose() -> None:
    with pytest.raises(AuditError) as error:
        chosen(None, None, Days(date(2026, 11, 1), date(2026, 11, 9)), date(2026, 11, 10))
    assert error.value.exit_code is Exit.UNDECIDED
    assert "9 complete days" in error.value.message and "--before" in error.value.hint
    with pytest.raises(AuditError) as error:
        chosen(None, None, Days(date(2026, 11, 1), date(2026, 11, 1)), date(2026, 11, 10))
    assert "1 complete day:" in error.value.message and "(Nov 1, 2026 is there)" in error.value.hint


# The command


@pytest.fixture
def two(tmp_path: Path, run: Command) -> Path:
    """October: chat twice. November, until the 20th: chat three times, longer answers, and a new endpoint."""
    made = [
        record(1, timestamp="2026-10-01T10:00:00Z"),
        october(2),
        *(november(n, output=300) for n in (3, 4, 5)),
        november(6, endpoint="search", model="claude-next-1"),
        november(7, endpoint="search", output=0),
    ]
    write(tmp_path / "app.jsonl", made)
    assert run("ingest", "app.jsonl").returncode == 0
    return tmp_path


def test_the_table_fits_a_terminal(run: Command, two: Path) -> None:
    done = run("diff", "--before", "2026-10")
    assert done.returncode == 0
    assert done.stdout == TABLE
    assert max(map(len, done.stdout.splitlines())) <= 80


TABLE = """\
November (20 of 30 days) cost $0.011 more than October (+183.3 %; a day
+339.2 %): longer answers +$0.006 (54.5 % of it, chat on claude-sonnet-5-5);
more requests +$0.003 (27.3 % of it, chat on claude-sonnet-5-5); what is new
+$0.002 (18.2 % of it, search on claude-sonnet-5-5).

before  October 2026: $0.006, 2 requests
after   November 2026: $0.017, 5 requests

why                cost
─────────────────────────────────
longer answers  +$0.006  ████▍
more requests   +$0.003  ██▏
what is new     +$0.002  █▌
the change      +$0.011

endpoint  model              before     after   change  mostly
──────────────────────────────────────────────────────────────
chat      claude-sonnet-5-5  $0.006    $0.015  +$0.009  output
search    claude-sonnet-5-5       -    $0.002  +$0.002     new
search    claude-next-1           -  no price        -

November 2026: the log ends on Nov 20, 20 of 30 days.
The periods differ in length (31 and 20 days), which alone would make
-$0.002129: a day cost $0.0001935 before and $0.00085 after (+339.2 %).
Requests without a price are in no figure: 1 in November 2026.
"""


def test_json_holds_exact_parts(run: Command, two: Path) -> None:
    document = json.loads(run("diff", "--before", "2026-10", "--format", "json").stdout)
    assert (document["schema_version"], document["change_usd"]) == (1, "0.011")
    assert (document["before"]["cost_usd"], document["after"]["cost_usd"]) == ("0.006", "0.017")
    assert (document["before"]["days_covered"], document["after"]["days_covered"]) == (31, 20)
    assert {name: usd for name, usd in document["parts_usd"].items() if usd != "0"} == {
        "volume": "0.003",
        "output": "0.006",
        "new": "0.002",
    }
    chat, search, unknown = document["rows"]
    assert (chat["endpoint"], chat["model"], chat["standing"], chat["change_usd"]) == (
        "chat",
        "claude-sonnet-5-5",
        "changed",
        "0.009",
    )
    assert (search["standing"], search["before"]["cost_usd"], search["parts_usd"]["new"]) == ("new", None, "0.002")
    assert (unknown["standing"], unknown["change_usd"], unknown["after"]["unpriced_requests"]) == ("no price", None, 1)
    assert document["warnings"][0] == "November 2026: the log ends on Nov 20, 20 of 30 days."
    assert "1 in November 2026" in document["warnings"][-1]


def test_csv_and_markdown(run: Command, two: Path) -> None:
    done = run("diff", "--before", "2026-10", "--format", "csv", "--by", "endpoint")
    assert done.stdout.splitlines()[:2] == [
        "endpoint,standing,before_usd,after_usd,change_usd,before_requests,after_requests,before_unpriced_requests,"
        "after_unpriced_requests,volume_usd,input_usd,cache_usd,output_usd,web_search_usd,mix_usd,price_usd,new_usd,gone_usd",
        "chat,changed,0.006,0.015,0.009,2,3,0,0,0.003,0,0,0.006,0,0,0,0,0",
    ]
    assert "cost $0.011 more than October" in done.stderr
    text = run("diff", "--before", "2026-10", "--format", "markdown").stdout
    assert text.startswith("**November (20 of 30 days) cost $0.011 more than October")
    assert "| chat | claude-sonnet-5-5 | $0.006 | $0.015 | +$0.009 | output |" in text
    assert "| Longer answers | +$0.006 |" in text


def test_the_python_face(two: Path) -> None:
    found = audit(two / ".claude-audit").diff("2026-10", by=["endpoint"])
    frame = found.to_frame()
    assert list(frame["endpoint"]) == ["chat", "search"]
    assert sum(frame["change_usd"]) == found.change_usd == Decimal("0.011")
    assert sum(frame[f"{name}_usd"].sum() for name in PARTS) == found.change_usd


def test_two_stores(run: Command, two: Path) -> None:
    write(two / "old.jsonl", [october(1)])
    assert run("--store", "old", "ingest", "old.jsonl").returncode == 0
    document = json.loads(run("diff", "--against", "old", "--format", "json").stdout)
    assert (document["before"]["cost_usd"], document["after"]["cost_usd"]) == ("0.003", "0.023")
    assert (document["before"]["store"], document["after"]["store"]) == ("old", None)
    assert " in old (" in document["verdict"]


@pytest.mark.parametrize(
    ("args", "code", "says"),
    [
        (["--by", "modle"], 2, "did you mean 'model'"),
        (["--by", "day"], 2, "no day in common"),
        (["--by", "token_type"], 2, "told by token type"),
        (["--by", ","], 2, "no dimension"),
        (["--after", "2027-01"], 2, "no requests in December 2026"),
        (["--before", "2026-10", "--where", "endpoint=search"], 2, "no requests in October 2026 with that filter"),
        (["--before", "2026-09-05"], 2, "no requests on Sep 5, 2026"),
        (["--before", "2026-09-05..2026-09-06"], 2, "no requests from Sep 5 to Sep 6, 2026"),
        (["--before", "then"], 2, "not a period"),
        (["--against", "nowhere"], 2, "nothing has been ingested here"),
        (["--since", "2026-10-01"], 2, "--since"),
    ],
)
def test_wrong_usage_is_named(run: Command, two: Path, args: list[str], code: int, says: str) -> None:
    done = run("diff", *args)
    assert (done.returncode, done.stdout) == (code, "")
    assert says in done.stderr


def test_hostile_names_drive_nothing(run: Command, tmp_path: Path) -> None:
    hostile = "=cmd|x\x1b[31m"
    write(tmp_path / "app.jsonl", [october(1, endpoint=hostile), november(2, endpoint=hostile), november(3)])
    assert run("ingest", "app.jsonl").returncode == 0
    for how in ("table", "csv", "markdown"):
        done = run("diff", "--before", "2026-10", "--format", how)
        assert "\x1b" not in done.stdout + done.stderr
    assert "\n=cmd" not in run("diff", "--before", "2026-10", "--format", "csv").stdout
