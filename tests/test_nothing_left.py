"""Filters that leave nothing say why."""

from __future__ import annotations

from pathlib import Path

import pytest
from command_line import Command, run, store  # noqa: F401
from logs import audited, record

from claude_audit.nothing_left import reasons


@pytest.mark.parametrize(
    ("filters", "said"),
    [
        ({"where": (("endpoint", "caht"),)}, ["no request has endpoint caht; there are chat, report"]),
        ({"where": (("team", "red"),)}, ["no request has team red: the log names none"]),
        ({"where": (("model", ""),)}, ["no request is without model; there is claude-sonnet-5-5"]),
        (
            {"where": (("endpoint", "report"), ("user", "ada"))},
            ["each of these filters leaves requests, all of them together none"],
        ),
        ({"where": (("endpoint", "x"), ("user", "y"))}, ["no request has endpoint x", "no request has user y"]),
        ({"where": (("tag:branch", "main"),)}, ["no request has tag:branch main: the log names none"]),
    ],
)
def test_the_value_that_is_not_there_and_what_is(tmp_path: Path, filters: dict[str, object], said: list[str]) -> None:
    lines = [record(1, endpoint="chat", user="ada"), record(2, endpoint="chat"), record(3, endpoint="report")]
    audit = audited(tmp_path, lines).filtered(**filters)
    assert not audit.spend().requests
    found = list(reasons(audit))
    assert len(found) == len(said)
    assert all(line.startswith(start) for line, start in zip(found, said, strict=True)), found


def test_at_most_six_values_are_named(tmp_path: Path) -> None:
    lines = [record(n, endpoint=f"e{n}") for n in range(9)]
    audit = audited(tmp_path, lines).filtered(where=(("endpoint", "x\x1b[2J"),))
    (line,) = reasons(audit)
    assert line.endswith("there are e0, e1, e2, e3, e4, e5 and 3 more")
    assert "\x1b" not in line


@pytest.mark.parametrize("args", [["spend"], ["whatif", "--cap-output", "10"]])
def test_days_outside_of_the_log(store: Path, run: Command, args: list[str]) -> None:  # noqa: F811
    done = run(*args, "--since", "2027-01-01")
    assert (done.returncode, done.stderr) == (0, "note: the log covers 2026-11-01 to 2026-11-20\n")
