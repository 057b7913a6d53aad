"""`claude-audit config show`: every setting, and where its value comes from."""

from __future__ import annotations

from datetime import date
from decimal import Decimal
from pathlib import Path
from typing import TYPE_CHECKING, Any

import typer

from claude_audit.commands.common import Format, FormatOption, emit, emit_json, session

if TYPE_CHECKING:
    from claude_audit.config import Config
    from claude_audit.limits import Budget


def register(app: typer.Typer) -> None:
    """Add the command to the program."""
    group = typer.Typer(help="What is configured, and where.")
    group.callback(invoke_without_command=True)(table)
    group.command("show", help="Every setting, its value, and the flag, variable or file line it comes from.")(show)
    app.add_typer(group, name="config")


def table(ctx: typer.Context, output: FormatOption = Format.TABLE) -> None:
    """What `show` shows."""
    if ctx.invoked_subcommand is None:
        show(ctx, output)


def show(ctx: typer.Context, output: FormatOption = Format.TABLE) -> None:
    """Every setting, its value and its origin."""
    from claude_audit.renderers.columns import as_csv, as_markdown, as_text

    settings = _settings(session(ctx).config)
    header = ("setting", "value", "from", "variable")
    rows = [(row["setting"], _words(row["value"]), row["from"], row["variable"] or "") for row in settings]
    if output is Format.JSON:
        emit_json({"settings": settings})
    elif output is Format.CSV:
        emit(as_csv(header, rows))
    elif output is Format.MARKDOWN:
        emit(as_markdown(header, rows))
    else:
        emit(as_text(header, rows))


def _settings(config: Config) -> list[dict[str, Any]]:
    from claude_audit.config import SETTINGS, variable

    settings: list[dict[str, Any]] = [
        {
            "setting": name,
            "value": _plain(getattr(config, name)),
            "from": config.origins[name],
            "variable": variable(name),
        }
        for name in SETTINGS
    ]
    if not config.budgets:
        settings.append({"setting": "budgets", "value": [], "from": config.origins["budgets"], "variable": None})
    return settings + [
        {"setting": f"budgets.{rule.name}", "value": _budget(rule), "from": rule.where, "variable": None}
        for rule in config.budgets
    ]


def _budget(rule: Budget) -> dict[str, Any]:
    from claude_audit.money import exact

    amount = {"increase": _plain(rule.increase)} if rule.limit is None else {"limit_usd": exact(rule.limit)}
    return {**amount, "period": rule.period, "only": dict(rule.only), "mode": rule.mode, "fail_on": rule.fail_on}


def _plain(value: object) -> Any:
    """As JSON carries it: shares are numbers."""
    if isinstance(value, tuple):
        return [_plain(item) for item in value]
    if isinstance(value, Path | date):
        return str(value)
    return float(value) if isinstance(value, Decimal) else value


def _words(value: object) -> str:
    if isinstance(value, dict):
        return ", ".join(f"{name} {_words(part)}" for name, part in value.items() if part)
    if isinstance(value, list):
        return ", ".join(map(_words, value)) or "none"
    return "none" if value is None else str(value)
