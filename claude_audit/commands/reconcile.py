"""`claude-audit reconcile`: the logs against what consoles and billing reports say."""

from __future__ import annotations

import shutil
from typing import Annotated

import typer

from claude_audit.commands.common import Format, FormatOption, Since, Until, emit, emit_json, one_of, say, session
from claude_audit.errors import AuditError, Exit


def register(app: typer.Typer) -> None:
    """Add the command to the program."""
    app.command(help="Logs against the invoice: what is billed but not logged, and the other way round.")(reconcile)


def reconcile(
    ctx: typer.Context,
    by: Annotated[
        str | None, typer.Option("--by", metavar="DIM,DIM", help="day, model, workspace, api_key, token_type.")
    ] = None,
    same: Annotated[
        list[str] | None,
        typer.Option(
            "--same", metavar="A=B", help="Two names of one key or workspace: an id and its name (repeatable)."
        ),
    ] = None,
    fail_under: Annotated[
        str | None,
        typer.Option("--fail-under", metavar="PERCENT", help="Exit with 1 when the logs explain less of it."),
    ] = None,
    since: Since = None,
    until: Until = None,
    output: FormatOption = Format.TABLE,
) -> None:
    """Logs against the invoice: what is billed but not logged, and the other way round."""
    from claude_audit.reconcile import reconcile as compare
    from claude_audit.reconciliation import BY
    from claude_audit.renderers import reconcile as render

    names = tuple(
        dict.fromkeys(one_of(name.strip(), BY, "dimension") for name in (by or "").split(",") if name.strip())
    )
    least = None if fail_under is None else _percent(fail_under)
    pairs = [_pair(text) for text in same or ()]
    found = compare(session(ctx).audit(since, until, "UTC"), pairs)
    match output:
        case Format.JSON:
            emit_json(render.document(found, names or BY))
        case Format.CSV:
            emit(render.csv(found, names or BY))
        case Format.MARKDOWN:
            emit(render.markdown(found, names))
        case Format.TABLE:
            emit(render.text(found, names, width=shutil.get_terminal_size((80, 24)).columns))
    if not found.rows:
        say("next: download a cost or usage CSV in the Console, and claude-audit ingest it")
    if least is not None:
        share = found.explained_share
        if share is None:
            why = "the evidence claims no amounts" if found.rows else "there is no evidence to compare with"
            say(f"claude-audit reconcile: undecided: {why}")
            raise typer.Exit(Exit.UNDECIDED)
        if share * 100 < least:
            say(f"FAIL reconcile: {render.verdict(found)[0]} --fail-under {fail_under}")
            raise typer.Exit(Exit.BREACH)


def _pair(text: str) -> tuple[str, str]:
    one, separator, other = text.partition("=")
    if not separator or not one.strip() or not other.strip():
        raise AuditError(f"--same {text!r}: not two names", "write --same apikey_01ABC=ci-bot")
    return one.strip(), other.strip()


def _percent(text: str) -> float:
    try:
        number = float(text.strip().removesuffix("%"))
    except ValueError:
        number = -1.0
    if not 0 <= number <= 100:
        raise AuditError(f"--fail-under {text!r}: not a percentage", "write a number from 0 to 100, such as 95")
    return number
