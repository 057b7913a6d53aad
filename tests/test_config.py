"""The configuration: which place wins, where each value came from, and what a mistake is answered with."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Mapping
from datetime import date
from decimal import Decimal
from pathlib import Path

import pytest

from claude_audit.config import SETTINGS, Config, load, variable
from claude_audit.errors import AuditError, Exit
from claude_audit.limits import Budget

YAML = "claude-audit.yaml"


def write(path: Path, text: str) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="utf-8")
    return path


def read(cwd: Path, text: str | None = None, environ: Mapping[str, str] | None = None, **flags: object) -> Config:
    if text is not None:
        write(cwd / YAML, text)
    return load(environ=environ or {}, cwd=cwd, **flags)  # type: ignore[arg-type]


def mistake(cwd: Path, text: str, name: str = YAML) -> tuple[str, str]:
    write(cwd / name, text)
    with pytest.raises(AuditError) as caught:
        load(environ={}, cwd=cwd)
    assert caught.value.exit_code is Exit.ERROR
    return caught.value.message, caught.value.hint


def test_without_anything_every_value_is_a_default(tmp_path: Path) -> None:
    config = read(tmp_path)
    assert (config.store, config.timezone, config.prices, config.budgets) == (Path(".claude-audit"), "UTC", (), ())
    assert (config.fail_on, config.on_undecided, config.max_unpriced) == ("projected", "fail", Decimal("0.05"))
    assert config.origins == dict.fromkeys([*SETTINGS, "budgets"], "default")


def test_flag_beats_environment_beats_project_beats_user_beats_default(tmp_path: Path) -> None:
    home = tmp_path / "home"
    everything = "store: {0}\nassume_model: {0}\ndefault_endpoint: {0}\nassume_timezone: Asia/Tokyo\n"
    write(home / "claude-audit/config.yaml", everything.format("user"))
    write(tmp_path / "work" / YAML, "store: project\nassume_model: project\ndefault_endpoint: project\n")
    environ = {
        "XDG_CONFIG_HOME": str(home),
        "CLAUDE_AUDIT_STORE": "environment",
        "CLAUDE_AUDIT_ASSUME_MODEL": "environment",
    }
    config = load(store="flag", environ=environ, cwd=tmp_path / "work")
    assert (config.store, config.assume_model, config.default_endpoint) == (Path("flag"), "environment", "project")
    assert (config.assume_timezone, config.timezone) == ("Asia/Tokyo", "UTC")
    assert [config.origins[name] for name in ("store", "assume_model", "default_endpoint", "timezone")] == [
        "--store",
        "CLAUDE_AUDIT_ASSUME_MODEL",
        "claude-audit.yaml:3",
        "default",
    ]
    assert config.origins["assume_timezone"] == f"{home}/claude-audit/config.yaml:4"


def test_the_users_file_is_under_home_when_xdg_says_nothing(tmp_path: Path) -> None:
    write(tmp_path / "home/.config/claude-audit/config.yaml", "assume_model: mine")
    assert load(environ={"HOME": str(tmp_path / "home")}, cwd=tmp_path).assume_model == "mine"


def test_the_nearest_file_upwards_counts_and_its_paths_are_its_own(tmp_path: Path) -> None:
    write(tmp_path / YAML, "store: far\nassume_model: far")
    write(tmp_path / "a" / YAML, "store: data/audit\nprices: [prices/ours.yaml, /etc/prices.yaml]")
    (tmp_path / "a/b/c").mkdir(parents=True)
    config = load(environ={}, cwd=tmp_path / "a/b/c")
    assert config.store == Path("../../data/audit")
    assert config.prices == (Path("../../prices/ours.yaml"), Path("/etc/prices.yaml"))
    assert config.assume_model is None
    assert config.origins["store"] == "../../claude-audit.yaml:1"


@pytest.mark.parametrize("source", ["flag", "environment"])
def test_a_forced_file_is_the_only_one(tmp_path: Path, source: str) -> None:
    write(tmp_path / YAML, "assume_model: project")
    forced = write(tmp_path / "ci/audit.yaml", "timezone: Europe/Berlin")
    if source == "flag":
        config = load(config_file=forced, environ={"HOME": str(tmp_path)}, cwd=tmp_path)
    else:
        config = load(environ={"CLAUDE_AUDIT_CONFIG": "ci/audit.yaml"}, cwd=tmp_path)
    assert (config.timezone, config.assume_model) == ("Europe/Berlin", None)
    assert config.origins["timezone"] == "ci/audit.yaml:1"


def test_a_forced_file_that_is_not_there_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(AuditError, match=r"ci\.yaml: can't be read: No such file"):
        load(config_file=Path("ci.yaml"), environ={}, cwd=tmp_path)
    write(tmp_path / "pyproject.toml", "[tool.other]\n")
    with pytest.raises(AuditError, match=r"pyproject\.toml has no \[tool\.claude-audit\]"):
        load(config_file=Path("pyproject.toml"), environ={}, cwd=tmp_path)


BUDGETS = """\
fail_on: upper
budgets:
  - name: chat month
    limit: 500.25
    only: {endpoint: chat, "tag:branch": 12}
    fail_on: actual
  - {limit: "$1,200", period: week, mode: warn}
  - {period: day, increase: 20%}
  - name: both
    limit: 10
    increase: 12.5 %
"""


def test_budgets_carry_their_line(tmp_path: Path) -> None:
    chat = {"endpoint": "chat", "tag:branch": "12"}
    assert read(tmp_path, BUDGETS).budgets == (
        Budget("chat month", "month", Decimal("500.25"), only=chat, fail_on="actual", where="claude-audit.yaml:3"),
        Budget("weekly", "week", Decimal(1200), mode="warn", fail_on="upper", where="claude-audit.yaml:7"),
        Budget("daily", "day", increase=Decimal("0.2"), fail_on="upper", where="claude-audit.yaml:8"),
        Budget("both", "month", Decimal(10), fail_on="upper", where="claude-audit.yaml:9"),
        Budget("both-increase", "month", increase=Decimal("0.125"), fail_on="upper", where="claude-audit.yaml:9"),
    )


TOML = """\
[project]
name = "ours"

[tool.claude-audit]
timezone = "America/New_York"
max_unpriced = 0.1
days_off = [2026-12-25]

[[tool.claude-audit.budgets]]
limit = 0.1

[[tool.claude-audit.budgets]]
name = "weekly"
period = "week"
limit = 7

[tool.other]
limit = 1
"""


def test_pyproject_holds_the_same_keys(tmp_path: Path) -> None:
    write(tmp_path / "pyproject.toml", TOML)
    config = load(environ={}, cwd=tmp_path)
    assert (config.timezone, config.max_unpriced) == ("America/New_York", Decimal("0.1"))
    assert config.days_off == (date(2026, 12, 25),)
    assert [(budget.limit, budget.where) for budget in config.budgets] == [
        (Decimal("0.1"), "pyproject.toml:9"),
        (Decimal(7), "pyproject.toml:12"),
    ]
    assert config.origins["timezone"] == "pyproject.toml:5"


def test_inline_budgets_of_pyproject_know_their_line_too(tmp_path: Path) -> None:
    text = "[tool.claude-audit]\nbudgets = [\n  {limit = 1},\n  {name = 'second', limit = 2},\n]\n"
    write(tmp_path / "pyproject.toml", text)
    assert [budget.where for budget in load(environ={}, cwd=tmp_path).budgets] == [
        "pyproject.toml:3",
        "pyproject.toml:4",
    ]


def test_a_pyproject_without_our_table_is_passed_over_even_when_it_is_broken(tmp_path: Path) -> None:
    write(tmp_path / YAML, "assume_model: ours")
    write(tmp_path / "a/pyproject.toml", "this is not TOML")
    assert load(environ={}, cwd=tmp_path / "a").assume_model == "ours"


def test_environment_variables_hold_lists(tmp_path: Path) -> None:
    environ = {"CLAUDE_AUDIT_PRICES": "one.yaml:two.yaml", "CLAUDE_AUDIT_DAYS_OFF": "2026-12-26, 2026-12-25"}
    config = read(tmp_path, environ=environ)
    assert config.prices == (Path("one.yaml"), Path("two.yaml"))
    assert config.days_off == (date(2026, 12, 25), date(2026, 12, 26))
    assert read(tmp_path, environ={"CLAUDE_AUDIT_STORE": ""}).origins["store"] == "default"


@pytest.mark.parametrize(
    ("text", "message", "hint"),
    [
        ("store: x\ntimezome: UTC", "claude-audit.yaml:2: unknown key 'timezome'", "did you mean 'timezone'?"),
        ("days-off: []", "claude-audit.yaml:1: unknown key 'days-off'", "did you mean 'days_off'?"),
        ("budgets:\n- limit: 1\n  perod: week", "claude-audit.yaml:3: unknown key 'perod'", "did you mean 'period'?"),
        ("timezone: Mars/Base", "claude-audit.yaml:1: unknown time zone 'Mars/Base'", "use an IANA name"),
        ("fail_on: projcted", "claude-audit.yaml:1: unknown fail_on 'projcted'", "did you mean 'projected'?"),
        (
            "days_off:\n- 2026-12-24\n- someday",
            "claude-audit.yaml:3: 'someday' is not a date",
            "write it as 2026-12-24",
        ),
        ("max_unpriced: 20", "claude-audit.yaml:1: max_unpriced is 20: a share is at most 100%", "write 5%"),
        ("budgets: 500", "claude-audit.yaml:1: budgets must be a list", "write `budgets: ["),
        ("budgets: [500]", "claude-audit.yaml:1: budgets must be keys with values, not 500", ""),
        ("budgets: [{period: week}]", "claude-audit.yaml:1: budget 'weekly' has no limit", "give it `limit: 500`"),
        ("budgets: [{limit: -1}]", "claude-audit.yaml:1: limit is -1: use an amount in dollars", ""),
        ("budgets: [{limit: much}]", "claude-audit.yaml:1: limit is 'much', which is not an amount in dollars", ""),
        ("budgets: [{limit: '1,5'}]", "claude-audit.yaml:1: limit is '1,5', which is not an amount in dollars", ""),
        ("budgets: [{limit: '10,00'}]", "claude-audit.yaml:1: limit is '10,00', which is not an amount", ""),
        ("budgets: [{limit: '1000,000'}]", "claude-audit.yaml:1: limit is '1000,000', which is not", ""),
        ("budgets: [{limit: 1e30}]", "claude-audit.yaml:1: limit is 1E+30: use an amount in dollars", ""),
        ("budgets: [{limit: NaN}]", "claude-audit.yaml:1: limit is 'NaN': use an amount in dollars", ""),
        ("budgets: [{limit: true}]", "claude-audit.yaml:1: limit must be text, not True", ""),
        ("budgets: [{increase: 20}]", "claude-audit.yaml:1: increase is 20: a percentage is needed", "write 20% if"),
        ("budgets: [{increase: lots}]", "claude-audit.yaml:1: increase is lots: a percentage is needed", "such as 20%"),
        (
            "budgets:\n- {limit: 1}\n- {limit: 2}",
            "claude-audit.yaml:3: a second budget is called 'monthly' (the first: claude-audit.yaml:2)",
            "give each budget its own name",
        ),
        ("budgets: [{limit: 1, name: 'a|b'}]", "claude-audit.yaml:1: 'a|b' can't be a budget's name", "use letters"),
        (
            "budgets: [{limit: 1, only: {endpiont: chat}}]",
            "claude-audit.yaml:1: unknown key 'endpiont'",
            "did you mean 'endpoint'?",
        ),
        (
            "budgets: [{limit: 1, only: chat}]",
            "claude-audit.yaml:1: only must be dimensions with values",
            "write `only:",
        ),
        ("[1, 2]", "claude-audit.yaml:1: must be keys with values", ""),
        ("a: b: c", "claude-audit.yaml:1: not valid YAML", ""),
    ],
)
def test_a_mistake_is_named_with_its_line_and_a_way_out(tmp_path: Path, text: str, message: str, hint: str) -> None:
    found = mistake(tmp_path, text)
    assert found[0].startswith(message)
    assert found[1].startswith(hint)


def test_mistakes_in_pyproject_have_lines_as_well(tmp_path: Path) -> None:
    broken = mistake(tmp_path, "[tool.claude-audit]\ntimezone = \n", "pyproject.toml")
    assert broken[0].startswith("pyproject.toml:2: not valid TOML")
    unknown = mistake(tmp_path, "\n[tool.claude-audit]\nstore = 'x'\nstoer = 'y'\n", "pyproject.toml")
    assert unknown == ("pyproject.toml:4: unknown key 'stoer'", "did you mean 'store'?")


def test_a_mistake_in_the_environment_names_the_variable(tmp_path: Path) -> None:
    with pytest.raises(AuditError, match="CLAUDE_AUDIT_TIMEZONE: unknown time zone 'Nowhere'"):
        read(tmp_path, environ={variable("timezone"): "Nowhere"})


def test_an_empty_file_and_null_values_set_nothing(tmp_path: Path) -> None:
    assert read(tmp_path, "# nothing yet\n").origins["store"] == "default"
    assert read(tmp_path, "store:\nbudgets: []\n").store == Path(".claude-audit")


def test_a_configuration_without_a_file_loads_no_yaml_and_no_numpy(tmp_path: Path) -> None:
    program = (
        "import sys; from pathlib import Path; from claude_audit.config import load\n"
        "load(environ={}, cwd=Path.cwd())\n"
        "print([name for name in ('yaml', 'numpy', 'tomllib') if name in sys.modules])"
    )
    run = subprocess.run([sys.executable, "-c", program], cwd=tmp_path, capture_output=True, text=True, check=True)
    assert run.stdout.strip() == "[]"


def test_a_home_that_this_user_may_not_look_into_is_none(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """As in a container that runs as another user than its image was made for."""
    looked = Path.is_file

    def barred(path: Path) -> bool:
        if path.is_relative_to("/root-only"):
            raise PermissionError(13, "Permission denied", str(path))
        return looked(path)

    monkeypatch.setattr(Path, "is_file", barred)
    assert read(tmp_path, environ={"HOME": "/root-only"}) == read(tmp_path)
