"""What a person reads: figures, tables for a terminal, rows as CSV and Markdown; whole, and safe whatever a log holds."""

from __future__ import annotations

import csv
import io
from dataclasses import replace
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.cells import cell_len

from claude_audit.bill import COMPONENTS, LineItem
from claude_audit.explain import Pass
from claude_audit.money import ZERO
from claude_audit.rates import Group
from claude_audit.renderers import figures
from claude_audit.renderers.rows import (
    items_csv,
    items_markdown,
    spend_csv,
    spend_markdown,
    waterfall_csv,
    waterfall_markdown,
)
from claude_audit.renderers.terminal import clean, explain_tables, spend_tables, waterfall_tables
from claude_audit.renderers.terminal.screen import Row, Screen, table
from claude_audit.spend import Spend, SpendRow, UnpricedUsage
from claude_audit.usage import TOKEN_CLASSES
from claude_audit.waterfall import Assumption, Effort, Excluded, Grade, Interaction, Next, Risk, Step, Waterfall

BEGIN, END = datetime(2026, 11, 1, 9, tzinfo=UTC), datetime(2026, 11, 20, 18, tzinfo=UTC)


def row(
    *labels: str | None, usd: str | None = "1", requests: int | None = 1, unpriced: int = 0, **tokens: int
) -> SpendRow:
    return SpendRow(
        labels,
        requests,
        unpriced,
        dict.fromkeys(TOKEN_CLASSES, 0) | tokens,
        None if usd is None else Decimal(usd),
        None,
    )


def spending(*rows: SpendRow, by: tuple[str, ...] = ("endpoint",), **more: Any) -> Spend:
    """A spend of these rows: totals and shares follow from them."""
    whole = sum((r.cost_usd for r in rows if r.cost_usd is not None), ZERO)
    shared = [
        SpendRow(
            r.labels,
            r.requests,
            r.unpriced_requests,
            r.tokens,
            r.cost_usd,
            None if r.cost_usd is None or not whole else float(r.cost_usd / whole),
        )
        for r in rows
    ]
    tokens = {name: sum(r.tokens[name] for r in rows) for name in TOKEN_CLASSES}
    fields: dict[str, Any] = {
        "by": by,
        "rows": tuple(shared),
        "since": BEGIN,
        "until": END,
        "total_usd": whole,
        "requests": sum(r.requests or 0 for r in rows),
        "tokens": tokens,
        "components": dict.fromkeys(COMPONENTS, ZERO) | {"input": whole},
        "unpriced": UnpricedUsage(),
    }
    return Spend(**fields | more)


def step(lever: str = "batch", before: str = "100", after: str = "60", **more: Any) -> Step:
    saved = Decimal(before) - Decimal(after)
    fields: dict[str, Any] = {
        "argument": "report",
        "before_usd": Decimal(before),
        "after_usd": Decimal(after),
        "alone_usd": saved,
        "low_usd": saved,
        "high_usd": saved,
        "requests_changed": 1200,
        "grade": Grade.METERED,
    }
    return Step(lever=lever, **fields | more)


def waterfall(*steps: Step, **more: Any) -> Waterfall:
    return Waterfall(BEGIN, END, steps[0].before_usd if steps else Decimal(100), steps, Decimal("60"), **more)


@pytest.mark.parametrize(
    ("number", "shown"),
    [(0, "0"), (950, "950"), (999, "999"), (1000, "1.0K"), (99_949, "99.9K"), (99_950, "100K"), (999_499, "999K"),
     (999_500, "1.0M"), (12_345_678, "12.3M"), (188_000_000, "188M"), (5 * 10**12, "5.0T"), (10**16, "10,000T")],
)  # fmt: skip
def test_counts_are_compact(number: int, shown: str) -> None:
    assert figures.compact(number) == shown


@pytest.mark.parametrize(
    ("number", "shown"), [(0, "0 B"), (999, "999 B"), (4_100_000, "4.1 MB"), (999_960, "1.0 MB"), (10**13, "10.0 TB")]
)
def test_sizes_are_in_the_unit_a_person_would_choose(number: int, shown: str) -> None:
    assert figures.size(number) == shown


@pytest.mark.parametrize(
    ("share", "shown"),
    [(0.0, "0.0 %"), (0.0001, "<0.1 %"), (0.459, "45.9 %"), (0.99996, ">99.9 %"), (1.0, "100.0 %"), (None, "")],
)
def test_rounding_makes_neither_nothing_nor_everything(share: float | None, shown: str) -> None:
    assert figures.percent(share) == shown


def test_a_spend_on_an_80_column_terminal() -> None:
    answer = spending(
        row("chat", "claude-sonnet-5-5", usd="41.5", requests=3644, input=1_200_000, output=94_000),
        row("report", "claude-opus-5-5", usd="8", requests=12, unpriced=2, input=900_000),
        row("classify", "claude-haiku-5-5", usd="0.00042", requests=9, input=4_200),
        row(None, "claude-unknown-9", usd=None, requests=3, unpriced=3, input=30),
        by=("endpoint", "model"),
        unpriced=UnpricedUsage(5, 0, ("claude-unknown-9",), (("claude-unknown-9", "unknown model", 5),)),
    )
    assert spend_tables(answer, width=80, color=False) == (
        """\
$49.50  Nov 1 to Nov 20, 2026, UTC
3,668 requests, 2.2M billed tokens

endpoint  model              requests  tokens      cost   share
─────────────────────────────────────────────────────────────────────────
chat      claude-sonnet-5-5     3,644    1.3M    $41.50  83.8 %  ██████▊
report    claude-opus-5-5          12    900K   ≥ $8.00  16.2 %  █▎
classify  claude-haiku-5-5          9    4.2K  $0.00042  <0.1 %  ▏
(none)    claude-unknown-9          3      30  no price

The top fifth (1 of 3 groups) makes 83.8 % of the spend; one alone makes 80 %.

made of         tokens      cost    share
───────────────────────────────────────────────────
uncached input    2.1M    $49.50  100.0 %  ████████
output           94.0K  no price

5 requests have no price and are not in the total. claude-unknown-9: unknown
model (5)
A model gets a price under prices: in the configuration; a record that names
none, by ingest --assume-model.
≥: some requests of that row have no price.
"""
    )


def test_a_long_table_is_cut_and_still_adds_up() -> None:
    rows = [row(f"endpoint-{n:02}", usd=str(100 - n), requests=n + 1) for n in range(42)]
    shown = spend_tables(spending(*rows), width=80, color=False)
    rest = [line for line in shown.splitlines() if line.startswith("… and")]
    assert "endpoint-24" in shown and "endpoint-25" not in shown
    assert [line.split() for line in rest] == [["…", "and", "17", "more", "578", "0", "$1,139.00", "34.1", "%"]]
    assert sum(100 - n for n in range(25, 42)) == 1139


def test_one_row_more_is_shown_rather_than_counted() -> None:
    shown = spend_tables(spending(*(row(f"endpoint-{n:02}") for n in range(26))), width=80, color=False)
    assert "endpoint-25" in shown and "… and" not in shown


def test_of_many_days_the_latest_are_shown() -> None:
    rows = [row(f"2026-10-{n:02}") for n in range(1, 32)]
    shown = spend_tables(spending(*rows, by=("day",)), width=80, color=False)
    assert "… 6 earlier" in shown and "2026-10-31" in shown and "2026-10-06" not in shown


def test_what_is_concentrated_and_what_is_not() -> None:
    even = spending(*(row(f"e{n}") for n in range(10)))
    assert "The top fifth (2 of 10 endpoints) makes 20.0 % of the spend." in spend_tables(even, width=120)
    assert "80/20 does not hold here: it takes 8 of 10 to make 80 %." in spend_tables(even, width=120)
    few = spending(row("big", usd="90"), *(row(f"e{n}", usd="1") for n in range(9)))
    assert "makes 91.9 % of the spend; one alone makes 80 %." in spend_tables(few, width=120)


def test_token_types_have_no_requests_and_are_not_told_twice() -> None:
    answer = spending(
        row("output", requests=None, output=5), row("web_search", requests=None), by=("token_type",), requests=2
    )
    shown = spend_tables(answer, width=80, color=False)
    assert "token type" in shown and "made of" not in shown and "requests  " not in shown


def test_an_empty_answer_says_so() -> None:
    assert spend_tables(spending(since=None, until=None), width=80) == "No requests.\n"


@pytest.mark.parametrize("width", [40, 60, 80, 100, 140])
def test_tables_fit_the_terminal_and_keep_every_figure_whole(width: int) -> None:
    long = "a-service-with-a-name-that-nobody-would-want-to-type-twice"
    answer = spending(
        row(long, "claude-sonnet-4-5-20250929", usd="12345678.90", requests=12_345_678, input=10**12),
        row("b", "c", usd="0.01"),
        by=("endpoint", "model"),
    )
    shown = spend_tables(answer, width=width, color=False)
    rows = shown.split("made of")[0]
    assert "$12,345,678.90" in rows and "12,345,678 " in rows and "1.0T" in rows
    folded = "".join(line[:11].strip() for line in rows.splitlines()[4:])
    assert "…" not in shown and (long in folded or width >= 80)
    assert width < 80 or max(map(len, shown.splitlines())) <= width


def test_labels_come_before_bars_and_wide_characters_count_twice() -> None:
    amounts = ["40.0T", "$40,000,000.00", ">99.9 %"]
    body: list[Row] = [(["仕様書" * 5, "2026-11-02", "claude-sonnet-5-5", "cache_write_1h"], amounts, 0.99)]
    heads = ["tokens", "cost", "share"]
    many = Screen(80, False).print(table(["endpoint", "day", "model", "token type"], heads, body, 80)).splitlines()
    assert max(map(cell_len, many)) <= 80 and "█" not in "".join(many)
    few = Screen(80, False).print(table(["team"], heads, [(["仕様書" * 20], amounts, 0.99)], 80)).splitlines()
    assert max(map(cell_len, few)) <= 80 and "█" in "".join(few)
    wide = [cell_len(line.split()[0]) for line in few[2:]]
    assert sum(wide) == 120 and len(set(wide[:-1])) == 1  # full lines, and what is left


def test_wider_terminals_tell_the_token_classes_apart() -> None:
    answer = spending(row("chat", input=1, cache_read=2_000, cache_write_5m=3, cache_write_1h=4, output=5))
    line = next(line for line in spend_tables(answer, width=120, color=False).splitlines() if line.startswith("chat"))
    assert line.split()[:7] == ["chat", "1", "1", "2.0K", "7", "5", "$1.00"]


def test_colours_only_where_they_may_be(monkeypatch: pytest.MonkeyPatch) -> None:
    answer = spending(row("chat"))
    assert "\x1b[" in spend_tables(answer, width=80, color=True)
    assert "\x1b[" not in spend_tables(answer)  # stdout is no terminal here
    monkeypatch.setattr("sys.stdout.isatty", lambda: True, raising=False)
    assert "\x1b[" not in spend_tables(answer)  # NO_COLOR is set (conftest.py)
    monkeypatch.delenv("NO_COLOR")
    monkeypatch.setenv("TERM", "xterm")
    assert "\x1b[" in spend_tables(answer)
    monkeypatch.setenv("TERM", "dumb")
    assert "\x1b[" not in spend_tables(answer)


def test_the_terminals_width_is_used(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "120")
    assert "cache write" in spend_tables(spending(row("chat", input=5)))
    monkeypatch.delenv("COLUMNS")
    assert "cache write " not in spend_tables(spending(row("chat", input=5))).split("made of")[0]


HOSTILE = "\x1b[31mred\x1b]0;title\x07\r\n=cmd|'/c calc'!A1\u202egnp.exe[link](javascript:x)<img src=x onerror=y>"
hostile = st.text(st.characters(codec="utf-8"), max_size=40) | st.just(HOSTILE)


@given(hostile)
def test_no_name_moves_the_terminal_or_leaves_its_line(name: str) -> None:
    assert clean(name).isprintable()
    shown = spend_tables(spending(row(name, usd="2"), row("other")), width=80, color=False)
    assert shown.replace("\n", "").isprintable()


@given(hostile)
def test_no_name_leaves_its_cell_or_becomes_a_formula(name: str) -> None:
    table = spend_csv(spending(row(name, usd="2"), row("other")))
    header, first, _ = csv.reader(io.StringIO(table))
    assert len(first) == len(header) and first[0].isprintable() and first[header.index("cost_usd")] == "2"
    assert not first[0].startswith(("=", "+", "@", "\t", "\r"))
    markdown = spend_markdown(spending(row(name, usd="2"), row("other")))
    line = next(line for line in markdown.splitlines() if "$2.00" in line and line.startswith("|"))
    assert line.replace("\\\\", "").replace("\\|", "").count("|") == 6 and "<" not in line.replace("&lt;", "")


def test_spend_as_csv_is_exact() -> None:
    answer = spending(row("chat", usd="0.002415", input=7), row(None, usd=None, unpriced=1), requests=2)
    assert spend_csv(answer) == (
        "endpoint,requests,unpriced_requests,input,cache_read,cache_write_5m,cache_write_1h,output,cost_usd,share\n"
        "chat,1,0,7,0,0,0,0,0.002415,1.0\n"
        ",1,1,0,0,0,0,0,,\n"
    )
    assert (
        spend_csv(spending(row("chat", usd="0.002415"), by=(), rows=())).splitlines()[1] == "1,0,0,0,0,0,0,0.002415,1"
    )


def test_spend_as_markdown() -> None:
    answer = spending(row("a|b", usd="3", requests=2, input=1500), row(None, usd="1", output=10))
    assert spend_markdown(answer) == (
        """\
**$4.00** in 3 requests, Nov 1 to Nov 20, 2026.

| Endpoint | Requests | Tokens | Cost | Share |
| --- | ---: | ---: | ---: | ---: |
| a\\|b | 2 | 1.5K | $3.00 | 75.0 % |
| (none) | 1 | 10 | $1.00 | 25.0 % |
"""
    )


STEPS = (
    step(
        "route_simple",
        "205",
        "82.5",
        argument="haiku",
        low_usd=Decimal("120.25"),
        grade=Grade.ASSUMED,
        caveats=("Costs are simulated, answers are not.",),
        assumptions=(Assumption("target", "claude-haiku-5-5", "flag"),),
        excluded=(Excluded("tools used", 160, Decimal("2.62")),),
    ),
    step("cache_hit", "82.5", "90", argument="0.2", alone_usd=Decimal(-9), grade=Grade.BOUNDED, requests_changed=7),
    step("batch", "90", "45.0001", alone_usd=Decimal("102.5")),
)


def test_a_what_if_on_an_80_column_terminal() -> None:
    answer = waterfall(*STEPS, notes=("Prompts and answers are not simulated.",))
    assert waterfall_tables(answer, width=80, color=False) == (
        """\
bill as logged        $205.00  Nov 1 to Nov 20, 2026
bill after all steps   $45.00
saved                 $160.00  78.0 % of the bill, each dollar counted once
  one by one          $216.00  not a saving: these overlap 1.4 times
  in 30 days           $60.00  at the pace of this log
  evidenced            $45.00  low ends of metered and replayed steps

step                     saves    alone  at least  at most    grade
───────────────────────────────────────────────────────────────────
1 route simple: haiku  $122.50  $122.50   $120.25  $122.50  assumed
2 cache hit: 0.2        -$7.50   -$9.00    -$7.50   -$7.50  bounded
3 batch: report         $45.00  $102.50    $45.00   $45.00  metered
together               $160.00

Each step starts where the one before it ended. alone: without the other steps.
at least, at most: the bounds of the step.

1 route simple: haiku  medium effort, no risk to answers
- Costs are simulated, answers are not.
- changes 1,200 requests
- not touched: tools used (160 requests, $2.62)

2 cache hit: 0.2  medium effort, no risk to answers
! cache hit RAISES the bill here by $7.50.
- changes 7 requests

3 batch: report  medium effort, no risk to answers
- changes 1,200 requests

metered: arithmetic on billed tokens; no behaviour is assumed
bounded: a field is missing or the effect is an interval: between low and high
assumed: rests on a parameter that is not in the log

Prompts and answers are not simulated.
"""
    )


def test_what_counts_dollars_twice_is_struck_through_beside_the_total() -> None:
    coloured = waterfall_tables(waterfall(*STEPS), width=80, color=True)
    assert "\x1b[2;9m$216.00\x1b[0m" in coloured
    assert "~~$216.00~~: they overlap 1.4 times" in waterfall_markdown(waterfall(*STEPS))
    apart = waterfall(step("batch", "100", "60"), step("cap_output", "60", "40"))
    assert apart.overlap is None and "one by one" not in waterfall_tables(apart, width=80)
    twice = waterfall(
        step("batch", "100", "60", alone_usd=Decimal(45)), step("cap_output", "60", "40"), attribution="alone"
    )
    assert "one by one           $65.00  not the total: $5.00 is in it twice" in waterfall_tables(twice, width=80)
    helped = replace(twice, steps=(replace(twice.steps[0], alone_usd=Decimal(35)), twice.steps[1]))
    assert "one by one           $55.00  $5.00 less than together" in waterfall_tables(helped, width=80)


def test_a_step_tells_the_worst_first_and_shortens_what_is_long() -> None:
    gates = tuple(Excluded(f"gate {n}", n, Decimal(n)) for n in range(1, 6))
    told = step(
        "route_simple",
        caveats=tuple(f"Caveat {n}." for n in range(1, 7)),
        warnings=("route simple raises the cost of chat.",),
        excluded=gates,
        quality_risk=Risk(3, ("truncation", "format")),
        effort=Effort.VERY_LOW,
        missing_fields=("task",),
        platform_differences=("A to B: another tokenizer",),
        assumptions=(Assumption("target", "b", "flag"), Assumption("limit", "2000", "default")),
    )
    lines = waterfall_tables(waterfall(told), width=80, color=False).splitlines()
    start = lines.index("1 route simple: report  very low effort, risk to answers 3 of 4 (truncation,")
    assert lines[start:][:12] == [
        "1 route simple: report  very low effort, risk to answers 3 of 4 (truncation,",
        "  format)",
        "! route simple raises the cost of chat.",
        "- Caveat 1.",
        "- Caveat 2.",
        "- Caveat 3.",
        "- and 3 more notes: --format markdown shows all",
        "- changes 1,200 requests",
        "- better with task in the log",
        "- assumes limit 2000 (default)",
        "- not touched: gate 5 (5 requests, $5.00); gate 4 (4 requests, $4.00); gate 3 (3",
        "  requests, $3.00); 2 more gates ($3.00)",
    ]
    assert "Caveat 6." in waterfall_markdown(waterfall(told))


def test_overlaps_and_the_order_of_work_are_told_in_words() -> None:
    one = step("batch", "100", "60", interacts_with=(Interaction("cap_output", Decimal(10)),))
    two = step("cap_output", "60", "40", interacts_with=(Interaction("batch", Decimal(10)),))
    work = (
        Next("cap_output", Decimal(20), Decimal(20), Effort.VERY_LOW, "cap output saves $20.00, at least $20.00"),
        Next("batch", ZERO, ZERO, Effort.MEDIUM, "skip batch: it saves nothing"),
    )
    shown = waterfall_tables(waterfall(one, two, next=work), width=80, color=False)
    assert "Saved by either, but only once: $10.00 by batch and cap output." in shown
    assert "1. cap output saves $20.00, at least $20.00 (very low effort)" in shown
    assert " - skip batch: it saves nothing" in shown
    helps = [replace(one, interacts_with=(Interaction("cap_output", Decimal(-10)),)), replace(two, interacts_with=())]
    assert list(figures.overlaps(waterfall(*helps))) == ["More together than apart: $10.00 by batch and cap output."]


def test_a_what_if_that_raises_the_bill_says_so() -> None:
    shown = waterfall_tables(waterfall(step("cache_hit", "10", "12.5", argument="0.1")), width=80, color=False)
    assert "the bill RISES by" in shown and "saved" not in shown
    assert "cache hit RAISES the bill here by $2.50." in shown


def test_shares_of_the_saving_when_they_were_asked_for() -> None:
    shared = [
        step("batch", "100", "60", last_usd=Decimal(30), shapley_usd=Decimal(35)),
        step("cap_output", "60", "40", last_usd=Decimal(10), shapley_usd=Decimal(25)),
    ]
    answer = waterfall(*shared)
    lines = waterfall_tables(answer, width=80, color=False).splitlines()
    assert [line.split() for line in lines if line.startswith("added up")] == [["added", "up", "$60.00", "$60.00"]]
    assert waterfall_csv(answer).splitlines()[1].endswith(",30,35")
    assert "Shapley" in waterfall_markdown(answer)


def test_what_if_without_requests() -> None:
    assert "bill as logged" in waterfall_tables(
        Waterfall(None, None, ZERO, (), None, ("There is no request to try anything on.",))
    )


def test_steps_as_csv_are_exact_and_add_up() -> None:
    lines = list(csv.DictReader(io.StringIO(waterfall_csv(waterfall(*STEPS)))))
    assert [line["saving_usd"] for line in lines] == ["122.5", "-7.5", "44.9999"]
    assert Decimal(205) - sum(Decimal(line["saving_usd"]) for line in lines) == Decimal("45.0001")
    assert (lines[0]["lever"], lines[0]["argument"], lines[0]["grade"]) == ("route_simple", "haiku", "assumed")


def test_steps_as_markdown() -> None:
    markdown = waterfall_markdown(waterfall(*STEPS))
    assert "The bill of $205.00 (Nov 1 to Nov 20, 2026) would have been **$45.00**" in markdown
    assert "| cache hit: 0.2 | -$7.50 | -$9.00 | -$7.50 | -$7.50 | $90.00 | 7 | bounded |" in markdown
    assert "- **cache hit: 0.2**: cache hit RAISES the bill here by $7.50." in markdown


GROUP = Group("claude-opus-5-5", date(2026, 11, 1), 0, "batch", None, None, "anthropic", None, None)
HALF = (("batch", Decimal("0.5"), "pricing/platforms.yaml:23"),)
OPUS = "pricing/anthropic.yaml:162"


def item(component: str, quantity: int, rate: str | None, usd: str | None, **more: Any) -> LineItem:
    fields: dict[str, Any] = {
        "model": "claude-opus-5-5",
        "factors": HALF,
        "where": OPUS,
        "group": GROUP,
        "per": 1_000_000,
    }
    fields |= more
    price, amount = (None if figure is None else Decimal(figure) for figure in (rate, usd))
    return LineItem(component=component, quantity=quantity, usd_per_unit=price, usd=amount, **fields)


ITEMS = (
    item("output", 162_071, "20", "1.62071"),
    item("input", 237_923, "4", "0.475846"),
    item("output", 1, "20", "0.00001"),
    item("web_search", 2, "0.01", "0.02", factors=(), where="pricing/platforms.yaml:139", per=1),
    item("input", 5, None, None, model="claude-unknown-9", factors=(), where="unknown model"),
)


def test_a_figure_as_line_items() -> None:
    assert explain_tables(ITEMS, width=80, color=False) == (
        """\
claude-opus-5-5  pricing/anthropic.yaml:162
× 0.5 batch  pricing/platforms.yaml:23
uncached input 237,923 tokens × $4.00 per million × 0.5  = $0.475846
output         162,072 tokens × $20.00 per million × 0.5 =  $1.62072

claude-opus-5-5  pricing/platforms.yaml:139
web searches 2 searches × $0.01 each = $0.02

claude-unknown-9  unknown model
uncached input 5 tokens no price

total $2.116566  exact: no figure above is rounded
1 line has no price and is not in it
"""
    )


def test_a_call_says_where_it_was_read() -> None:
    call = Pass(
        "ab12", "req_1", None, "k", "call", 0, "logs/app.jsonl", 7, "native", None, "opus", None, BEGIN, ITEMS[:2]
    )
    free = Pass("ab13", None, "msg_1", "k", "advisor", 1, "logs/a.csv", None, "csv", "chat", None, "refusal", BEGIN)
    shown = explain_tables((), [call, free], width=100, color=False)
    assert shown.splitlines()[:2] == [
        "logs/app.jsonl:7  native, call",
        "2026-11-01 09:00:00 UTC · endpoint (none) · model opus · request req_1 · row ab12",
    ]
    assert "logs/a.csv  csv, advisor, pass 1" in shown and "not billed: refusal" in shown
    assert shown.splitlines()[-1].startswith("total $2.096556 ")


def test_line_items_as_rows() -> None:
    placed = [(("req_1", "", "ab12", "=logs", "7"), ITEMS[0])]
    assert items_csv(placed).splitlines()[1] == (
        "req_1,,ab12,'=logs,7,claude-opus-5-5,output,162071,tokens,20,1000000,0.5 batch,1.62071,pricing/anthropic.yaml:162,"
    )
    assert "message" not in items_markdown(placed) and "note" not in items_markdown(placed)
