"""The gate as a user and a pipeline meet it: its words, its formats, its artefacts, its exit code."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import date, timedelta
from decimal import Decimal
from pathlib import Path
from types import SimpleNamespace
from typing import Any
from xml.etree import ElementTree as Xml

import pytest
from fake_history import FakeHistory, Row, steady

from claude_audit.budget import Gate, evaluate
from claude_audit.commands import run
from claude_audit.commands.common import Session
from claude_audit.gate_words import Advice, message, told_apart, verdict_line
from claude_audit.limits import Budget, OnUndecided, Period
from claude_audit.outlook import AsOf
from claude_audit.renderers import gate as render
from claude_audit.renderers import github, junit
from claude_audit.renderers.columns import as_csv, as_markdown, as_text

OCT, NOV = date(2026, 10, 1), date(2026, 11, 1)
TODAY = date(2026, 11, 21)
STEADY = FakeHistory(steady(OCT, 51))
HOSTILE = "chat\x1b[2J\n::error::<b>|`=1+1\u202e"


def gate(*budgets: Budget, history: FakeHistory = STEADY, on_undecided: OnUndecided = "fail") -> Gate:
    return evaluate(history, budgets, AsOf(TODAY, TODAY), on_undecided=on_undecided)


def monthly(limit: str, **more: Any) -> Budget:
    return Budget("monthly", "month", Decimal(limit), **more)


def words(history: FakeHistory, *budgets: Budget, advice: Advice | None = None) -> list[str]:
    return message(gate(*budgets, history=history).results[0], advice).splitlines()


# Words


def test_a_breach_says_limit_actual_difference_window_driver_place_and_next_step() -> None:
    ended = FakeHistory([*steady(NOV, 20), *steady(NOV, 10, "30", endpoint="report", model="claude-opus-5-5")])
    lines = words(
        ended,
        monthly("250", where="claude-audit.yaml:14"),
        advice=Advice("claude-audit whatif --batch report", Decimal(120)),
    )
    assert lines[0] == "FAIL budget.monthly: spent $500.00 in November 2026 exceeds $250.00 by $250.00 (100 %)"
    assert lines[1].startswith("  month to date $500.00 (20 of 30 days) + forecast $")
    assert lines[1].endswith("crossed the budget on Nov 7")  # the seventh of the $40 days
    assert lines[2] == "  largest: report on claude-opus-5-5 $300.00 (60 %)      rule: claude-audit.yaml:14"
    assert lines[-1] == "  next: claude-audit whatif --batch report   saves an estimated $120.00 a month"


@pytest.mark.parametrize(
    ("period", "said"),
    [("day", "spent $10.00 on Nov 21, 2026 exceeds"), ("week", "spent $60.00 in the week of Nov 16, 2026 exceeds")],
)
def test_a_day_is_spent_on_and_a_week_in(period: Period, said: str) -> None:
    assert said in words(FakeHistory(steady(OCT, 52)), Budget("it", period, Decimal(5)))[0]


@pytest.mark.parametrize(
    ("limit", "start"),
    [
        ("250", "FAIL budget.monthly: projected $"),
        ("305", "WARN budget.monthly: projected $"),
        ("400", "PASS budget.monthly: projected $"),
    ],
)
def test_the_first_word_is_what_happens(limit: str, start: str) -> None:
    assert words(STEADY, monthly(limit))[0].startswith(start)
    assert ("next: " in "".join(words(STEADY, monthly(limit)))) == (start[:4] != "PASS")


def test_a_warning_is_not_called_a_failure() -> None:
    assert words(STEADY, monthly("250", mode="warn"))[0].startswith("WARN budget.monthly: projected")


@pytest.mark.parametrize("limit", ["400", "100"])
def test_requests_without_a_price_are_told_also_where_they_are_few(limit: str) -> None:
    priced = steady(OCT, 51)
    without = Row(priced[-1].day, None, model="new")
    lines = words(FakeHistory([*priced, without]), monthly(limit))
    assert lines.count("  note: 1 of 21 requests has no price and is not in the figures") == 1
    assert "no price" not in "".join(words(STEADY, monthly(limit)))


def test_an_undecided_budget_says_why_once() -> None:
    lines = words(FakeHistory(steady(date(2026, 11, 19), 2)), monthly("500"))
    reason = "too little history: 2 complete days with records, at least 3 are needed"
    assert lines[0] == f"UNDECIDED budget.monthly: {reason}"
    assert "".join(lines).count(reason) == 1


@pytest.mark.parametrize(
    ("one", "other", "shown"),
    [
        ("12840", "10000", ("$12,840.00", "$10,000.00")),
        ("500.000001", "500", ("$500.000001", "$500")),
        ("500", "500", ("$500.00", "$500.00")),
    ],
)
def test_two_amounts_that_differ_never_look_alike(one: str, other: str, shown: tuple[str, str]) -> None:
    assert told_apart(Decimal(one), Decimal(other)) == shown


def test_a_log_whose_past_could_not_be_forecast_says_so() -> None:
    rows = [Row(OCT + timedelta(days=n), Decimal(100 if n % 11 in (0, 4) else 1)) for n in range(51)]
    notes = [line for line in words(FakeHistory(rows), monthly("100000")) if "take the forecast with care" in line]
    assert len(notes) == 1
    assert "were off by" in notes[0]


def test_the_verdict_line_counts_and_names_what_failed() -> None:
    both = gate(monthly("100"), Budget("weekly", "week", Decimal(1000)))
    assert verdict_line(both) == "over (2 budgets: 1 fail, 1 pass): budget.monthly"


# Formats


def test_the_json_document_holds_what_the_contract_names() -> None:
    document = render.document(gate(monthly("250", where="claude-audit.yaml:2")))
    (budget,) = document["budgets"]
    assert (document["verdict"], document["exit_code"]) == ("over", 1)
    assert {name: budget[name] for name in ("name", "limit_usd", "actual_usd", "verdict", "crosses_on", "driver")} == {
        "name": "monthly",
        "limit_usd": "250",
        "actual_usd": "200",
        "verdict": "over",
        "crosses_on": "2026-11-26",
        "driver": {"endpoint": "chat", "model": "claude-sonnet-5-5", "usd": "200"},
    }
    assert all(isinstance(budget[name], str) for name in ("projected_usd", "low_usd", "high_usd", "message"))
    assert Decimal(budget["low_usd"]) <= Decimal(budget["projected_usd"]) <= Decimal(budget["high_usd"])
    json.dumps(document)


def test_what_is_not_known_is_null() -> None:
    short = gate(monthly("500"), history=FakeHistory(steady(date(2026, 11, 19), 2)))
    (budget,) = render.document(short)["budgets"]
    assert [budget[name] for name in ("projected_usd", "low_usd", "high_usd", "crosses_on")] == [None] * 4
    assert "| unknown | unknown | unknown |" in render.markdown(short)
    assert "monthly,UNDECIDED (undecided),500,20,,,,," in render.csv(short)


def test_text_from_a_log_can_not_act_wherever_it_is_shown() -> None:
    hostile = gate(monthly("100"), history=FakeHistory(steady(NOV, 20, endpoint=HOSTILE, model="=cmd|m")))
    everything = [render.text(hostile), render.markdown(hostile), render.csv(hostile), junit.render(hostile)]
    everything += github.workflow_commands(hostile)
    for text in everything:
        assert "\x1b" not in text
        assert "\u202e" not in text
        assert "\n::error" not in text
    row = next(line for line in render.markdown(hostile).splitlines() if line.startswith("| budget.monthly"))
    assert "&lt;b&gt;\\|\\`=1+1" in row
    assert ",'=cmd|m," in render.csv(hostile)
    assert Xml.fromstring(junit.render(hostile)).tag == "testsuites"  # noqa: S314 - our own text


@pytest.mark.parametrize(
    ("history", "on_undecided", "limit", "counts", "tag"),
    [
        (STEADY, "fail", "100", ("1", "1", "0", "0"), "failure"),
        (STEADY, "fail", "305", ("1", "0", "0", "0"), "system-out"),
        (FakeHistory([]), "fail", "100", ("1", "0", "1", "0"), "error"),
        (FakeHistory([]), "warn", "100", ("1", "0", "0", "1"), "skipped"),
    ],
)
def test_junit(history: FakeHistory, on_undecided: OnUndecided, limit: str, counts: tuple[str, ...], tag: str) -> None:
    text = junit.render(gate(monthly(limit), history=history, on_undecided=on_undecided))
    suite = Xml.fromstring(text)[0]  # noqa: S314 - our own text
    assert tuple(suite.get(name) for name in ("tests", "failures", "errors", "skipped")) == counts
    assert (suite[0].get("classname"), suite[0].get("name"), suite[0][0].tag) == ("budget", "monthly", tag)


# GitHub


def test_annotations_name_file_and_line_and_escape_what_github_would_read() -> None:
    (line,) = github.workflow_commands(gate(monthly("100", where="ci, a:b/claude-audit.yaml:14")))
    assert line.startswith(
        "::error title=budget.monthly,file=ci%2C a%3Ab/claude-audit.yaml,line=14::FAIL budget.monthly"
    )
    assert "(100 %25)%0A  month to date" in line
    assert "\n" not in line


def test_a_budget_from_a_flag_has_no_file() -> None:
    (line,) = github.workflow_commands(gate(monthly("100", where="--monthly")))
    assert line.startswith("::error title=budget.monthly::FAIL")


@pytest.mark.parametrize(
    ("history", "on_undecided", "budget", "kind"),
    [
        (STEADY, "fail", monthly("305"), "warning"),
        (STEADY, "fail", monthly("400"), ""),
        (FakeHistory([]), "fail", monthly("1"), "error"),
        (FakeHistory([]), "fail", monthly("1", mode="warn"), "warning"),
        (FakeHistory([]), "warn", monthly("1"), "warning"),
        (FakeHistory([]), "pass", monthly("1"), ""),
    ],
)
def test_the_kind_of_an_annotation(history: FakeHistory, on_undecided: OnUndecided, budget: Budget, kind: str) -> None:
    lines = github.workflow_commands(gate(budget, history=history, on_undecided=on_undecided))
    assert [line.split(" ")[0] for line in lines] == ([f"::{kind}"] if kind else [])


def test_at_most_ten_annotations_of_a_kind_and_the_rest_by_name() -> None:
    ten = github.workflow_commands(gate(*(Budget(f"b{n}", "month", Decimal(1)) for n in range(10))))
    assert len(ten) == 10
    assert "title=budget.b9" in ten[9]
    twelve = github.workflow_commands(gate(*(Budget(f"b{n}", "month", Decimal(1)) for n in range(12))))
    assert len(twelve) == 10
    assert twelve[9] == "::error title=3 more budgets::budget.b9, budget.b10, budget.b11"


@pytest.mark.parametrize(("already", "length"), [(0, 5), (899_995, 5), (899_996, 0), (10**7, 0)])
def test_a_summary_stays_below_what_github_shows(already: int, length: int) -> None:
    assert len(github.summary("12345", already)) == length
    long = github.summary("ä" * 10**6, 1000)
    assert len(long.encode()) <= github.SUMMARY_BYTES - 1000
    assert long.endswith("GitHub shows no summary over 1 MiB.\n")


# Tables


def test_columns() -> None:
    header, rows = ("name", "usd"), [["chat", "1.50"], ["x|y\n", "-12"]]
    assert as_text(header, rows, right=[1]) == "name    usd\nchat   1.50\nx|y\\n   -12"
    assert as_markdown(header, rows, right=[1]).splitlines()[1:] == [
        "| --- | ---: |",
        "| chat | 1.50 |",
        "| x\\|y\\\\n | -12 |",
    ]
    assert as_csv(("a",), [["-12"], ["-1+1"], ["@x"], ["=x"], ["+x"], ["ok"]]) == "a\n-12\n'-1+1\n'@x\n'=x\n'+x\nok\n"


# The commands


Cli = Callable[..., tuple[int, str, str]]


@pytest.fixture
def cli(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path) -> Cli:
    """Runs a command line over a given history: (exit code, stdout, stderr)."""
    for name in ("GITHUB_ACTIONS", "GITHUB_STEP_SUMMARY", "GITHUB_OUTPUT", "XDG_CONFIG_HOME"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.chdir(tmp_path)

    def call(*argv: str, history: FakeHistory = STEADY) -> tuple[int, str, str]:
        audit = SimpleNamespace(history=lambda: history)
        monkeypatch.setattr(Session, "audit", lambda self, *filters: audit)
        code = run(list(argv))
        return code, *capsys.readouterr()

    return call


@pytest.mark.parametrize(
    ("argv", "code", "verdict"),
    [
        (["--monthly", "400"], 0, "ok"),
        (["--monthly", "$250"], 1, "over"),
        (["--monthly", "250", "--fail-on", "actual"], 0, "over"),
        (["--monthly", "305"], 0, "at_risk"),
        (["--monthly", "305", "--fail-on", "upper"], 1, "at_risk"),
        (["--weekly", "1", "--monthly", "400"], 1, "over"),
        (["--daily", "100"], 0, "ok"),
        (["--fail-on-increase", "20%"], 0, "ok"),
        (["--fail-on-increase", "-20%"], 2, ""),
        (["--monthly", "400", "--today", "2026-11-30"], 3, "undecided"),
        (["--monthly", "400", "--today", "2026-11-30", "--on-undecided", "warn"], 0, "undecided"),
        (["--monthly", "lots"], 2, ""),
        (["--monthly", "400", "--fail-on", "projcted"], 2, ""),
        (["--monthly", "400", "--today", "soon"], 2, ""),
        ([], 2, ""),
    ],
)
def test_check_exit_codes(cli: Cli, argv: list[str], code: int, verdict: str) -> None:
    found, out, err = cli("check", *argv, "--format", "json")
    document = json.loads(out)
    assert (found, document.get("verdict", ""), document["schema_version"]) == (code, verdict, 1)
    assert ("error" in document) == (code == 2)
    assert verdict == "" or err.splitlines()[-1].startswith(f"claude-audit check: {verdict} (")


def test_check_takes_budgets_from_the_configuration_and_flags_replace_their_namesakes(cli: Cli, tmp_path: Path) -> None:
    (tmp_path / "claude-audit.yaml").write_text("budgets:\n- {limit: 100}\n- {name: chat, limit: 7, mode: warn}\n")
    code, out, _ = cli("check", "--format", "json")
    assert code == 1
    assert [(row["name"], row["limit_usd"], row["rule"]) for row in json.loads(out)["budgets"]] == [
        ("monthly", "100", "claude-audit.yaml:2"),
        ("chat", "7", "claude-audit.yaml:3"),
    ]
    code, out, _ = cli("check", "--monthly", "1000", "--format", "json")
    assert code == 0
    assert [(row["name"], row["rule"]) for row in json.loads(out)["budgets"]] == [
        ("monthly", "--monthly"),
        ("chat", "claude-audit.yaml:3"),
    ]


def test_check_prints_the_answer_on_stdout_and_the_verdict_on_stderr(cli: Cli) -> None:
    _, out, err = cli("check", "--monthly", "100")
    assert out.startswith("FAIL budget.monthly: spent $")
    assert "rule: --monthly" in out
    assert err == "claude-audit check: over (1 budget: 1 fail): budget.monthly\n"


@pytest.mark.parametrize(("name", "start"), [("csv", "budget,verdict,limit"), ("markdown", "### Claude spending: ok")])
def test_check_in_other_formats(cli: Cli, name: str, start: str) -> None:
    assert cli("check", "--monthly", "1000", "--format", name)[1].startswith(start)


def test_check_leaves_its_artefacts_before_it_fails(cli: Cli, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    summary, output = tmp_path / "summary.md", tmp_path / "output"
    summary.write_text("before\n")
    monkeypatch.setenv("GITHUB_ACTIONS", "true")
    monkeypatch.setenv("GITHUB_STEP_SUMMARY", str(summary))
    monkeypatch.setenv("GITHUB_OUTPUT", str(output))
    code, out, err = cli("check", "--monthly", "100", "--junit", "results/gate.xml", "--format", "json")
    assert code == 1
    assert len(out.splitlines()) == 1
    assert err.startswith("::error title=budget.monthly::FAIL")
    assert summary.read_text().startswith("before\n### Claude spending: over")
    assert "verdict=over\nexit_code=1\nbreached=monthly\nactual_usd=200\n" in output.read_text()
    assert Xml.parse(tmp_path / "results/gate.xml").getroot()[0].get("failures") == "1"  # noqa: S314 - our own file


def test_check_says_when_the_junit_file_can_not_be_written(cli: Cli, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    code, _, err = cli("check", "--monthly", "400", "--junit", "file/gate.xml")
    assert code == 2
    assert "file/gate.xml: can't be written" in err


def test_a_forecast_in_words_keeps_to_the_width(cli: Cli, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "80")
    _, out, _ = cli("forecast", "--backtest", "--horizon", "7")
    assert max(map(len, out.splitlines())) <= 80
    assert "within the 80 % interval" in " ".join(out.split())


@pytest.mark.parametrize("days", ["0", "367", "-1"])
def test_a_horizon_that_is_none_is_refused(cli: Cli, days: str) -> None:
    code, out, err = cli("forecast", "--backtest", f"--horizon={days}")
    assert (code, out) == (2, "") and f"{days} is not a number of days from 1 to 366" in err


def test_forecast_json(cli: Cli) -> None:
    code, out, err = cli("forecast", "--backtest", "--horizon", "7", "--format", "json")
    document = json.loads(out)
    assert (code, err) == (0, "")
    assert document["period"] == {"since": "2026-11-01", "until": "2026-11-30"}
    assert (document["today"], document["actual_usd"], document["complete_days"]) == ("2026-11-21", "200", 20)
    assert Decimal(document["projected_usd"]) == Decimal(document["actual_usd"]) + Decimal(document["remaining_usd"])
    assert [row["day"] for row in document["days"]] == [f"2026-11-{n}" for n in range(21, 31)]
    assert document["days"][-1]["total_median_usd"] == document["projected_usd"]
    assert document["backtest"]["origins"] == 51 - 7 - 7 + 1
    assert document["backtest"]["mape"] < 0.05


@pytest.mark.parametrize(
    ("name", "start"),
    [
        ("table", "November 2026, as of 2026-11-21\n"),
        ("csv", "day,low_usd"),
        ("markdown", "### Forecast for November 2026"),
    ],
)
def test_forecast_in_other_formats(cli: Cli, name: str, start: str) -> None:
    code, out, _ = cli("forecast", "--format", name)
    assert (code, out[: len(start)]) == (0, start)
    days = [line for line in out.splitlines() if line.lstrip("| ").startswith("2026-11-")]
    assert len(days) == 10


def test_forecast_of_a_short_log_is_undecided(cli: Cli) -> None:
    code, out, err = cli("forecast", "--format", "json", history=FakeHistory(steady(NOV, 2)))
    assert (code, json.loads(out)["projected_usd"]) == (3, None)
    assert err == (
        "claude-audit forecast: undecided: too little history: 2 complete days with records, at least 3 are needed\n"
    )


def test_config_show_says_where_each_value_comes_from(
    cli: Cli, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "claude-audit.yaml").write_text("timezone: Europe/Berlin\nbudgets:\n- {limit: 0.10, only: {team: a}}\n")
    monkeypatch.setenv("CLAUDE_AUDIT_FAIL_ON", "upper")
    _, out, _ = cli("--store", "here", "config", "show", "--format", "json")
    settings = {row["setting"]: (row["value"], row["from"]) for row in json.loads(out)["settings"]}
    assert settings["store"] == ("here", "--store")
    assert settings["timezone"] == ("Europe/Berlin", "claude-audit.yaml:1")
    assert settings["fail_on"] == ("upper", "CLAUDE_AUDIT_FAIL_ON")
    assert settings["max_unpriced"] == (0.05, "default")
    assert settings["budgets.monthly"] == (
        {"limit_usd": "0.1", "period": "month", "only": {"team": "a"}, "mode": "block", "fail_on": "upper"},
        "claude-audit.yaml:3",
    )
    code, table, _ = cli("config", "show")
    assert code == 0
    assert ["timezone", "Europe/Berlin", "claude-audit.yaml:1", "CLAUDE_AUDIT_TIMEZONE"] in map(
        str.split, table.splitlines()
    )


def test_a_mistake_in_the_configuration_ends_any_command_with_two(cli: Cli, tmp_path: Path) -> None:
    (tmp_path / "claude-audit.yaml").write_text("budget: 500\n")
    code, out, _ = cli("check", "--format", "json")
    assert (code, json.loads(out)["error"]) == (
        2,
        {"message": "claude-audit.yaml:1: unknown key 'budget'", "hint": "did you mean 'budgets'?"},
    )
