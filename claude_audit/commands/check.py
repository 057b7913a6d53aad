"""`claude-audit check`: is spending within budget; the exit code is the answer a pipeline needs."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import replace
from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, cast

import typer

from claude_audit.commands.common import (
    Format,
    FormatOption,
    Session,
    Since,
    Until,
    Where,
    Zone,
    emit,
    emit_json,
    one_of,
    say,
    session,
)
from claude_audit.errors import AuditError

if TYPE_CHECKING:
    from claude_audit.budget import Gate
    from claude_audit.config import Config, Value
    from claude_audit.gate_words import Advice
    from claude_audit.limits import Budget
    from claude_audit.outlook import AsOf, History


def register(app: typer.Typer) -> None:
    """Add the command to the program."""
    app.command(help="Hold spending against budgets: exit code 1 when one is breached, 3 when undecided.")(check)


Today = Annotated[
    str | None,
    typer.Option("--today", metavar="DATE", help="Judge as of that day [default: the day after the newest record]."),
]


def check(
    ctx: typer.Context,
    monthly: Annotated[str | None, typer.Option("--monthly", metavar="USD", help="Budget of the month.")] = None,
    weekly: Annotated[str | None, typer.Option("--weekly", metavar="USD", help="Budget of the week.")] = None,
    daily: Annotated[str | None, typer.Option("--daily", metavar="USD", help="Budget of the day.")] = None,
    increase: Annotated[
        str | None,
        typer.Option("--fail-on-increase", metavar="PERCENT", help="Budget: the previous period and 20% more."),
    ] = None,
    fail_on: Annotated[
        str | None,
        typer.Option(
            "--fail-on",
            metavar="actual|projected|upper",
            help="What a budget is held against: spent, projected, or the 80 % interval's end [default: projected].",
        ),
    ] = None,
    on_undecided: Annotated[
        str | None,
        typer.Option("--on-undecided", metavar="fail|warn|pass", help="When nobody can say [default: fail: exit 3]."),
    ] = None,
    max_unpriced: Annotated[
        str | None,
        typer.Option("--max-unpriced", metavar="PERCENT", help="Requests without a price that are fine [default: 5%]."),
    ] = None,
    today: Today = None,
    junit: Annotated[
        str | None, typer.Option("--junit", metavar="FILE", help="Also write the results as JUnit XML.")
    ] = None,
    since: Since = None,
    until: Until = None,
    zone: Zone = None,
    where: Where = None,
    output: FormatOption = Format.TABLE,
) -> None:
    """Hold spending against budgets."""
    from claude_audit.budget import evaluate
    from claude_audit.gate_words import Advice, verdict_line
    from claude_audit.limits import FAIL_ON, ON_UNDECIDED, FailOn, OnUndecided

    here = session(ctx)
    config = here.config
    limits = {"month": monthly, "week": weekly, "day": daily}
    rules = budgets(config, limits, increase)
    if fail_on is not None:
        held = cast(FailOn, one_of(fail_on, FAIL_ON, "value of --fail-on"))
        rules = [replace(rule, fail_on=held) for rule in rules]
    undecided = cast(OnUndecided, one_of(on_undecided or config.on_undecided, ON_UNDECIDED, "value of --on-undecided"))
    unpriced = config.max_unpriced if max_unpriced is None else flag("--max-unpriced", max_unpriced).share()

    history, as_of = open_history(here, today, since, until, zone, where)
    gate = evaluate(
        history, rules, as_of, on_undecided=undecided, max_unpriced=unpriced, days_off=frozenset(config.days_off)
    )
    advice = Advice()
    _write_artefacts(gate, advice, junit, os.environ)
    _answer(gate, advice, output)
    say(f"claude-audit check: {verdict_line(gate)}")
    if gate.exit_code:
        raise typer.Exit(gate.exit_code)


def budgets(config: Config, limits: Mapping[str, str | None], increase: str | None) -> list[Budget]:
    """The configured budgets; those that flags give come first and replace configured ones of their name."""
    from claude_audit.config import PERIOD_NAMES
    from claude_audit.limits import Budget

    given: list[Budget] = []
    for period, name in PERIOD_NAMES.items():
        if (limit := limits[period]) is not None:
            place = f"--{name}"
            given.append(Budget(name, period, flag(place, limit).dollars(), fail_on=config.fail_on, where=place))
    if increase is not None:
        place = "--fail-on-increase"
        share = flag(place, increase).percent()
        for period in [budget.period for budget in given] or ["month"]:
            name = f"{PERIOD_NAMES[period]}-increase"
            given.append(Budget(name, period, increase=share, fail_on=config.fail_on, where=place))
    named = {budget.name for budget in given}
    rules = [*given, *(budget for budget in config.budgets if budget.name not in named)]
    if not rules:
        raise AuditError(
            "there is no budget to check", "give one: --monthly 500, or `budgets: [{limit: 500}]` in claude-audit.yaml"
        )
    return rules


def open_history(
    here: Session, today: str | None, since: str | None, until: str | None, zone: str | None, where: list[str] | None
) -> tuple[History, AsOf]:
    """The store's spending by day, and the point in time to judge it at."""
    from claude_audit import clock
    from claude_audit.outlook import AsOf

    day: date | None = flag("--today", today).day() if today is not None else None
    history = here.audit(since, until, zone, where).history()
    return history, AsOf.of(history, clock.today(clock.zone(zone or here.config.timezone)), day)


def flag(name: str, text: str) -> Value:
    """A flag's text, to be read by the rules of the configuration."""
    from claude_audit.config import Value
    from claude_audit.config_file import Source

    return Value(text, Source(name, Path(), {}), (name.lstrip("-"),))


def _answer(gate: Gate, advice: Advice, output: Format) -> None:
    from claude_audit.renderers import gate as render

    if output is Format.JSON:
        emit_json(render.document(gate, advice))
    elif output is Format.CSV:
        emit(render.csv(gate))
    elif output is Format.MARKDOWN:
        emit(render.markdown(gate, advice))
    else:
        emit(render.text(gate, advice))


def _write_artefacts(gate: Gate, advice: Advice, junit: str | None, environ: Mapping[str, str]) -> None:
    """JUnit XML, and what GitHub Actions reads; all before the exit code, which may end the job."""
    if junit is not None:
        from claude_audit.renderers.junit import render

        path = Path(junit)
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(render(gate, advice), encoding="utf-8")
        except OSError as error:
            problem = f"{junit}: can't be written: {error.strerror or error}"
            raise AuditError(problem, "say --junit with a file in a folder that can be written to") from error
    if environ.get("GITHUB_ACTIONS") == "true":
        from claude_audit.renderers.github import workflow_commands

        for line in workflow_commands(gate, advice):
            say(line)
    if summary_file := environ.get("GITHUB_STEP_SUMMARY"):
        from claude_audit.renderers.gate import markdown
        from claude_audit.renderers.github import summary

        path = Path(summary_file)
        already = path.stat().st_size if path.exists() else 0
        _append(path, summary(markdown(gate, advice), already))
    if output_file := environ.get("GITHUB_OUTPUT"):
        from claude_audit.renderers.github import outputs

        _append(Path(output_file), outputs(gate))


def _append(path: Path, text: str) -> None:
    """A place that GitHub named but that can't be written must not change the verdict."""
    try:
        with path.open("a", encoding="utf-8") as file:
            file.write(text)
    except OSError as error:
        say(f"claude-audit: {path}: can't be written: {error.strerror or error}")
