"""The report: its sums, its words, what is committed as a sample, and the commands that write it."""

from __future__ import annotations

import json
import re
from dataclasses import replace
from datetime import date
from decimal import Decimal
from html.parser import HTMLParser
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from logs import audit, audited, record
from sample_report import FOLDER, files
from sample_report import report as sample

from claude_audit.accounting import IngestReport
from claude_audit.audit import Audit
from claude_audit.commands import demo
from claude_audit.commands._write import write_whole
from claude_audit.errors import AuditError
from claude_audit.filters import parse
from claude_audit.limits import Budget
from claude_audit.outlook import AsOf
from claude_audit.renderers import charts, html, markdown
from claude_audit.renderers import json as json_report
from claude_audit.report import SCENARIO, Report, build
from claude_audit.text import printable
from claude_audit.waterfall import Effort, Grade, Interaction, Next, Risk, Step, Waterfall

if TYPE_CHECKING:
    from command_line import Command

pytest_plugins = ("command_line",)

TODAY = date(2026, 11, 21)
USD = Decimal("0.003")
"""One record: 1,000 x 2 + 100 x 10 per million."""


@pytest.fixture(scope="module")
def larkspur_store(tmp_path_factory: pytest.TempPathFactory) -> tuple[IngestReport, Audit]:
    """The sample logs, ingested."""
    return demo.read_samples(tmp_path_factory.mktemp("larkspur") / "store")


@pytest.fixture(scope="module")
def larkspur(larkspur_store: tuple[IngestReport, Audit]) -> Report:
    """The report on them."""
    return sample(larkspur_store[1])


def days(first: int, last: int, **more: Any) -> list[dict[str, Any]]:
    """A record on each of these days of November."""
    return [record(n, timestamp=f"2026-11-{n:02}T10:00:00Z", **more) for n in range(first, last + 1)]


def made(folder: Path, records: list[Any], **more: Any) -> Report:
    """The report on these records, without a what-if."""
    return build(audited(folder, records), more.pop("waterfall", None), today=TODAY, **more)


def test_the_sample_report_is_what_the_sample_logs_produce(larkspur: Report) -> None:
    for name, text in files(larkspur).items():
        assert (FOLDER / name).read_text(encoding="utf-8") == text, f"{name}: python tests/sample_report.py --write"


def test_nothing_of_the_machine_is_in_the_sample(larkspur: Report) -> None:
    for text in files(larkspur).values():
        assert str(Path.home()) not in text and str(FOLDER.parent.parent) not in text and "/tmp" not in text  # noqa: S108


def test_every_part_of_the_report_adds_up_to_its_total(larkspur: Report) -> None:
    report, whole = larkspur, larkspur.total_usd
    for spend in (report.by_who, report.by_model, report.by_pair):
        assert sum(row.cost_usd for row in spend.rows if row.cost_usd is not None) == whole
        assert sum(spend.components.values()) == whole
    assert sum(report.days.values()) == sum(usd for _, usd, _ in report.months) == whole
    assert report.waterfall is not None and report.waterfall.baseline_usd == whole
    assert sum(n for _, _, n in report.months) == len(report.days) == 67
    lines = report.lines
    assert lines.lines == lines.kept + lines.duplicates + sum(lines.ignored.values()) + lines.rejected == 4079


def test_a_report_in_figures(tmp_path: Path) -> None:
    report = made(tmp_path, [*days(1, 20), record(99, model="claude-unknown-9", timestamp="2026-11-20T11:00:00Z")])
    assert (report.total_usd, report.requests, report.a_day_usd) == (20 * USD, 21, USD)
    assert (report.who, report.largest and report.largest.labels) == ("endpoint", ("chat",))
    assert (report.unpriced.requests, report.priced_share) == (1, 1 - 1 / 21)
    projected = report.outlook.forecast.projected_usd
    assert projected is not None and abs(projected / (30 * USD) - 1) < Decimal("0.02")
    assert (report.today, report.best, report.filters) == (TODAY, None, ())


def test_days_without_a_record_are_there_and_cost_nothing(tmp_path: Path) -> None:
    report = made(tmp_path, [*days(1, 2), *days(5, 5)])
    assert list(report.days.values()) == [USD, USD, 0, 0, USD]


def test_who_is_the_first_dimension_that_the_log_records(tmp_path: Path) -> None:
    report = made(tmp_path, days(1, 3, endpoint=None, team="growth"))
    assert (report.who, report.by_pair.by) == ("team", ("team", "model"))
    assert "Every team and model" in html.render(report)
    assert "by_team" in json_report.document(report)


def test_what_a_record_was_assumed_to_be_is_told(tmp_path: Path) -> None:
    report = made(tmp_path, [record(1, timestamp="2026-11-02T10:00:00"), record(2)])
    assert "1 row: the time carried no zone" in report.warnings


def test_filters_are_said_and_hold(tmp_path: Path) -> None:
    audited(tmp_path, days(1, 10))
    report = build(
        audit(tmp_path / "store", parse("2026-11-03", "2026-11-04", None, ["endpoint=chat"])), None, today=TODAY
    )
    assert report.filters == ("--since 2026-11-03", "--until 2026-11-04", "--where endpoint=chat")
    assert (report.requests, len(report.days)) == (2, 2)
    assert "--where endpoint=chat" in html.render(report)


def test_nothing_left_by_the_filters_is_still_a_report(tmp_path: Path) -> None:
    audited(tmp_path, days(1, 3))
    empty = audit(tmp_path / "store", parse("2027-01-01", None, None, ()))
    report = build(empty, empty.whatif(**SCENARIO), today=TODAY)
    assert (report.total_usd, report.days, report.largest) == (0, {}, None)
    assert "nowhere yet" in html.render(report) and "$0.00 in 0 requests" in markdown.render(report)
    assert json_report.document(report)["days"] == []


@pytest.mark.parametrize(
    ("limit", "words"),
    [
        ("1", "within the $1.00 budget"),
        ("0.05", "over the $0.05 budget"),
        ("0.0895", "heading over the $0.0895 budget"),
    ],
)
def test_a_budget_of_the_month_is_drawn_and_told(tmp_path: Path, limit: str, words: str) -> None:
    budgets = [Budget("monthly", limit=Decimal(limit)), Budget("chat", limit=Decimal(9), only={"endpoint": "chat"})]
    report = made(tmp_path, days(1, 20), budgets=budgets)
    page = html.render(report)
    assert words in page and words in markdown.render(report) and 'class="budget"' in page
    assert "chat endpoint=chat" in page
    assert [b["name"] for b in json_report.document(report)["budgets"]] == ["monthly", "chat"]


def test_the_day_it_is_for_is_an_argument(tmp_path: Path) -> None:
    records = audited(tmp_path, days(1, 10))
    early = build(records, None, today=TODAY, as_of=AsOf(date(2026, 11, 6), date(2026, 11, 6)))
    late = build(records, None, today=TODAY)
    assert (early.outlook.complete_days, late.outlook.complete_days) == (5, 10)


def test_too_little_history_has_no_forecast_and_says_why(tmp_path: Path) -> None:
    report = made(tmp_path, days(1, 2))
    assert "too little history" in html.render(report) and "Undecided: too little history" in markdown.render(report)


class Page(HTMLParser):
    """What is in a page: its tags, the text outside them, and whether they are nested well."""

    VOID = ("meta", "link", "wbr", "br")

    def __init__(self, text: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.words = ""
        self.feed(text)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))
        if tag not in self.VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))

    def handle_endtag(self, tag: str) -> None:
        assert self.open and self.open.pop() == tag, f"</{tag}> closes no <{tag}>"

    def handle_data(self, data: str) -> None:
        self.words += data


def test_the_page_is_well_formed_and_needs_nothing_from_anywhere(larkspur: Report) -> None:
    page = Page(html.render(larkspur))
    assert page.open == [] and [tag for tag, _ in page.tags].count("main") == 1
    for tag, attributes in page.tags:
        assert not attributes.keys() & {"src", "srcset", "action", "style", "onclick", "onload", "xlink:href"}
        assert (attributes.get("href") or "#").startswith(("#", "data:,")), (tag, attributes)
    policy = next(a["content"] or "" for tag, a in page.tags if a.get("http-equiv") == "Content-Security-Policy")
    assert policy.startswith("default-src 'none';") and "unsafe" not in policy
    assert not re.search(r"@import|url\(", html.render(larkspur))


def test_the_page_can_be_read_without_seeing_it(larkspur: Report) -> None:
    tags = Page(html.render(larkspur)).tags
    names = [tag for tag, _ in tags]
    assert names.count("caption") == names.count("table") > 8
    assert all(attributes.get("scope") in ("col", "row") for tag, attributes in tags if tag == "th")
    drawn = [a for tag, a in tags if tag == "svg" and (a.get("role") or a.get("class") in ("bar", "fall", "stack"))]
    assert all(a.get("aria-labelledby") or a.get("aria-hidden") for a in drawn)
    assert {a["id"] for tag, a in tags if tag in ("title", "desc") and "id" in a} == {
        "trend-title",
        "trend-desc",
        "month-title",
        "month-desc",
    }


def test_the_first_screen_answers_the_five_questions(larkspur: Report) -> None:
    words = re.sub(
        r"\s+",
        " ",
        Page(html.render(larkspur)).words.partition("The top fifth")[0].rpartition("Claude spending audit")[2],
    )
    for answer in (
        "What did we spend? $560.22 3,859 requests",
        "Where does it go? nightly_report $301.59, 53.8 % of it all",
        "Where is it heading? $233.02 for November 2026; 80 % interval $215.27 to $257.16 heading over the $200.00 budget",
        "What would save most? batch: tagged $152.42 less (27.2 %);",
        "How sure are we? 99.5 % of the requests have a price; 1 line of 4,079 could not be read",
    ):
        assert answer in words


HOSTILE = "</script><script>alert(1)</script><img src=x onerror=alert(2)>\x1b[31m\u202e|`&\"'"


def test_no_name_from_a_log_gets_out_of_its_place(tmp_path: Path) -> None:
    names = {"endpoint": HOSTILE, "model": HOSTILE, "team": HOSTILE}
    report = made(tmp_path, [record(n, **names) for n in range(3)] + days(1, 4) + [HOSTILE])
    page = html.render(report)
    assert [tag for tag, _ in Page(page).tags].count("script") == 1 and "<img" not in page
    assert "\x1b" not in page and "\u202e" not in page and printable(HOSTILE) in Page(page).words
    text = markdown.render(report)
    assert "<img" not in text and "\x1b" not in text and "\u202e" not in text
    assert {
        line.count("|") - line.count("\\|") for line in text.splitlines() if "alert" in line and line[0] == "|"
    } <= {6, 7}
    assert json.loads(json_report.render(report))["by_endpoint"]["rows"]


def test_json_is_whole_exact_and_stable(larkspur: Report) -> None:
    document = json.loads(json_report.render(larkspur))
    assert document["schema_version"] == 1 and document["total_usd"] == "560.216466155"
    assert sum(Decimal(row["cost_usd"] or 0) for row in document["by_endpoint_and_model"]["rows"]) == larkspur.total_usd
    assert sum(Decimal(day["cost_usd"]) for day in document["days"]) == larkspur.total_usd
    assert len(document["by_endpoint_and_model"]["rows"]) == len(larkspur.by_pair.rows)
    assert document["whatif"]["baseline_usd"] == document["total_usd"]
    assert document["lines"]["formats"]["native"]["rejected"] == 1


def test_long_tables_are_shortened_and_add_up(tmp_path: Path) -> None:
    report = made(tmp_path, [record(n, endpoint=f"e{n:03}", input=1000 + n) for n in range(260)])
    page = Page(html.render(report)).words
    assert "… and 60 more" in page and "… and 245 more" in page
    assert "… and 210 more" in markdown.render(report)
    assert len(json_report.document(report)["by_endpoint"]["rows"]) == 260


def bill(*steps: Step, baseline: str = "10") -> Waterfall:
    return Waterfall(None, None, Decimal(baseline), steps, Decimal(1))


def one(before: str, after: str, low: str, high: str) -> Step:
    alone = Decimal(before) - Decimal(after)
    return Step("batch", "x", Decimal(before), Decimal(after), alone, Decimal(low), Decimal(high), 1, Grade.METERED)


def test_a_waterfall_begins_each_step_where_the_last_one_ended(larkspur: Report) -> None:
    rows = charts.falls(bill(one("10", "6", "3", "5"), one("6", "8", "-3", "-1")))
    assert [(row.kind, row.x, row.width) for row in rows] == [
        ("bill", 0, 100),
        ("saving", 60, 40),
        ("rise", 60, 20),
        ("final", 0, 80),
    ]
    assert [(row.low, row.high) for row in rows[1:3]] == [(50, 70), (70, 90)]
    raised = replace(larkspur, waterfall=bill(one("10", "12", "-3", "-1")))
    assert "RAISED the bill by $2.00" in html.render(raised) and "raises the bill by $2.00" in markdown.render(raised)
    assert "none of these" in html.render(raised)
    assert "claude-audit whatif" in html.render(replace(larkspur, waterfall=None))


def test_the_page_tells_what_overlaps_whose_saving_it_is_and_what_to_do_first(larkspur: Report) -> None:
    first = replace(one("10", "6", "4", "4"), shapley_usd=Decimal("3.5"))
    second = replace(
        one("6", "4", "-1", "2"),
        lever="cap_output",
        alone_usd=Decimal(5),
        shapley_usd=Decimal("2.5"),
        grade=Grade.BOUNDED,
        effort=Effort.VERY_LOW,
        quality_risk=Risk(3, ("truncation",)),
        rollback="raise max_tokens",
        missing_fields=("task",),
        interacts_with=(Interaction("batch", Decimal(3)),),
    )
    work = (
        Next("batch", Decimal(4), Decimal(4), Effort.MEDIUM, "batch saves $4.00, at least $4.00"),
        Next("cap_output", Decimal(0), Decimal(0), Effort.VERY_LOW, "skip cap output: it saves nothing"),
    )
    report = replace(larkspur, waterfall=replace(bill(first, second), next=work))
    page = html.render(report)
    assert page.count("<s>$9.00</s>") == 2  # beside the total, and under the standalone savings
    words = " ".join(Page(page).words.split())
    for told in (
        "These savings overlap 1.5 times: one by one they would add up to $9.00",
        "Saved by either, but only once: $3.00 by batch and cap output.",
        "Do this next Batch saves $4.00, at least $4.00. Medium effort. Skip cap output: it saves nothing.",
        "Very low effort, risk to answers 3 of 4 (truncation). Changes 1 request. To undo it: raise max_tokens.",
        "Better with task in the log.",
        "Fair share",
    ):
        assert told in words, told
    assert 'class="chip metered"' in page and 'class="chip bounded"' in page
    text = markdown.render(report)
    assert "~~$9.00~~" in text and "2. skip cap output: it saves nothing" in text


def test_every_lever_alone_is_on_the_page(larkspur: Report) -> None:
    found = larkspur.opportunities
    assert found is not None and found.baseline_usd == larkspur.total_usd
    for text in (Page(html.render(larkspur)).words, markdown.render(larkspur)):
        assert "Every lever, each alone" in text and "they do not add up" in text
        assert f"claude-audit whatif {found.together}" in text
    assert "Every lever, each alone" not in html.render(replace(larkspur, opportunities=None))


def test_charts_stay_inside_their_frame(larkspur: Report) -> None:
    trend, month = charts.trend(larkspur), charts.month(larkspur.outlook, Decimal(200))
    assert trend and month and trend.peak and trend.peak.text == "Oct 22: $49.28"
    for mark in (*trend.marks, *charts.stack(larkspur)):
        assert 0 <= mark.x <= mark.x + mark.width <= 100.02 and 0 <= mark.y <= mark.y + mark.height <= 100.02
    numbers = [float(n) for n in re.findall(r"[0-9.]+", month.spent + month.area + month.median + month.band)]
    assert min(numbers) >= 0 and max(numbers) <= 100 and month.budget and 0 < month.budget.at < 100
    assert len([mark for mark in trend.marks if mark.kind == "day"]) == 67


def test_a_chart_shows_the_last_three_months_of_a_long_log(tmp_path: Path) -> None:
    months = [record(n, timestamp=f"2026-{m:02}-01T10:00:00Z") for n, m in enumerate(range(1, 12))]
    report = made(tmp_path, months)
    trend = charts.trend(report)
    assert trend and trend.cut and trend.begins == date(2026, 8, 2)
    assert len(report.months) == 11 and "since Aug 2" in html.render(report)


# Commands


def test_report_writes_the_page_and_says_where(store: Path, run: Command) -> None:
    done = run("report", "--today", "2026-11-21", "--monthly", "1")
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines()[0] == "$0.06 in 20 requests, Nov 1 to Nov 20, 2026"
    assert "Report written to reports/audit.html (" in done.stdout
    page = (store / "reports" / "audit.html").read_text(encoding="utf-8")
    assert page.startswith("<!DOCTYPE html>") and "within the $1.00 budget" in page
    assert [path.name for path in (store / "reports").iterdir()] == ["audit.html"]


@pytest.mark.parametrize("how", ["json", "markdown"])
def test_report_prints_the_same_content(store: Path, how: str, run: Command) -> None:
    done = run("report", "--format", how)
    assert done.returncode == 0 and done.stderr == "" and not (store / "reports").exists()
    assert (
        json.loads(done.stdout)["total_usd"] == "0.06" if how == "json" else done.stdout.startswith("# Claude spending")
    )


def test_report_takes_a_scenario(store: Path, run: Command) -> None:
    (store / "s.yaml").write_text("levers:\n  - cap_output: 50\n")
    answer = json.loads(run("report", "--scenario", "s.yaml", "--format", "json").stdout)
    assert [step["lever"] for step in answer["whatif"]["steps"]] == ["cap_output"]


@pytest.mark.parametrize(
    ("args", "says"),
    [
        (["--format", "csv"], "no single table"),
        (["--html", "."], "is a folder"),
        (["--html", "app.jsonl/x.html"], "cannot be written"),
        (["--today", "soon"], "--today"),
        (["--monthly", "lots"], "--monthly"),
        (["--scenario", "missing.yaml"], "missing.yaml"),
    ],
)
def test_report_names_what_makes_no_sense(store: Path, args: list[str], says: str, run: Command) -> None:
    done = run("report", *args)
    assert done.returncode == 2 and says in done.stderr and "Traceback" not in done.stderr


def test_a_file_is_written_whole_or_not_at_all(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    place = tmp_path / "new" / "page.html"
    write_whole(place, "first")

    def full(self: Path, *args: Any, **more: Any) -> int:
        with self.open("w") as out:
            out.write("half")
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(Path, "write_text", full)
    with pytest.raises(AuditError, match="No space left"):
        write_whole(place, "second")
    assert place.read_text() == "first" and list(place.parent.iterdir()) == [place]


def test_a_link_to_a_page_stays_a_link(tmp_path: Path) -> None:
    (tmp_path / "real.html").write_text("old")
    (tmp_path / "link.html").symlink_to(tmp_path / "real.html")
    write_whole(tmp_path / "link.html", "new")
    assert (tmp_path / "link.html").is_symlink() and (tmp_path / "real.html").read_text() == "new"


@pytest.fixture
def ingested(larkspur_store: tuple[IngestReport, Audit], monkeypatch: pytest.MonkeyPatch) -> None:
    """Spares a demo the ingest of logs that were ingested before."""
    monkeypatch.setattr(demo, "read_samples", lambda store: larkspur_store)


def test_demo_as_json(tmp_path: Path, ingested: None, run: Command) -> None:
    answer = json.loads(run("demo", "--html", "d.html", "--format", "json").stdout)
    assert answer["schema_version"] == 1 and answer["report"]["total_usd"] == "560.216466155"
    assert (tmp_path / "d.html").is_file()


@pytest.mark.parametrize("how", ["csv", "markdown"])
def test_demo_as_rows(ingested: None, run: Command, how: str) -> None:
    done = run("demo", "--format", how)
    assert done.returncode == 0 and "nightly" in done.stdout and "larkspur" in done.stderr.lower()


def test_demo_audits_the_sample_logs_and_says_what_next(tmp_path: Path, run: Command) -> None:
    done = run("demo")
    assert done.returncode == 0, done.stderr
    assert "13 files, 4,079 lines: 3,859 calls, 73 duplicates, 146 ignored, 1 rejected" in done.stdout
    assert "$560.22" in done.stdout and "reports/demo.html" in done.stdout and "claude-audit ingest PATH" in done.stdout
    assert max(map(len, done.stdout.splitlines())) <= 80
    assert [path.name for path in tmp_path.iterdir()] == ["reports"] and (
        tmp_path / "reports" / "demo.html"
    ).stat().st_size > 50_000


def test_what_went_wrong_is_on_every_page(larkspur: Report) -> None:
    assert larkspur.findings is not None and larkspur.findings.found
    for one in larkspur.findings.found:
        assert one.subject.split(" on ")[0].split(",")[0] in html.render(larkspur).replace("<wbr>", "")
    page, text = html.render(replace(larkspur, findings=None)), markdown.render(replace(larkspur, findings=None))
    assert "What went wrong?" in html.render(larkspur) and "What went wrong?" in markdown.render(larkspur)
    assert "What went wrong?" not in page + text
