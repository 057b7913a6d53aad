"""The command line: finds the command, loads only that one, and turns any error into words and an exit code."""

from __future__ import annotations

import gc
import importlib
import io
import os
import sys
from typing import Annotated

import typer

from claude_audit.commands import _plain_options
from claude_audit.errors import AuditError, Exit

COMMANDS = {
    "ingest": "ingest",
    "spend": "spend",
    "whatif": "whatif",
    "check": "check",
    "findings": "findings",
    "report": "report",
    "explain": "explain",
    "forecast": "forecast",
    "reconcile": "reconcile",
    "diff": "diff",
    "export": "export",
    "prices": "prices",
    "formats": "formats",
    "config": "config",
    "demo": "demo",
}
"""Command -> module beside this one, in the order of the help text. A module has `register(app)`."""

GLOBAL_OPTIONS_WITH_VALUE = ("--store", "--config")


def main() -> None:
    """Entry point of the `claude-audit` program."""
    gc.set_threshold(100_000)  # what a command makes it mostly keeps: looking through it more often finds nothing
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):  # a terminal that is not UTF-8 shows ? for a box line; it is no error
            stream.reconfigure(errors="replace")
    sys.exit(run(sys.argv[1:]))


def run(argv: list[str]) -> int:
    """Run one command line (without the program's name) and return its exit code. Prints; never raises."""
    from claude_audit.commands.common import emit_error

    try:
        result = _app(argv)(args=argv, prog_name="claude-audit", standalone_mode=False)
        return result if isinstance(result, int) else Exit.OK
    except AuditError as error:
        emit_error(argv, error.message, error.hint)
        return error.exit_code
    except typer.Exit as stop:
        return stop.exit_code
    except typer.TyperException as error:
        emit_error(argv, error.format_message(), "claude-audit --help lists commands and options")
        return Exit.ERROR
    except (KeyboardInterrupt, typer.Abort):
        emit_error(argv, "interrupted", "the store is as it was before this command")
        return 130
    except BrokenPipeError:
        # The reader of our output went away (| head): not an error, and nothing more can be written.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return Exit.OK
    except Exception as error:
        if os.environ.get("CLAUDE_AUDIT_DEBUG"):
            raise
        from claude_audit.commands import _machine

        if machine := _machine.failure(error):
            emit_error(argv, machine.message, machine.hint)
            return machine.exit_code
        emit_error(
            argv,
            f"internal error: {type(error).__name__}: {error}",
            "this is a bug in claude-audit: set CLAUDE_AUDIT_DEBUG=1 to see where, and please report it",
        )
        return Exit.ERROR


def _app(argv: list[str]) -> typer.Typer:
    """The app with the command that `argv` names, or with all of them when it names none (help, a typo)."""
    app = typer.Typer(
        name="claude-audit",
        help="What your Claude API logs cost, to the cent, and what each way of saving would really have saved.",
        invoke_without_command=True,
        add_completion=True,
        rich_markup_mode=None,
        pretty_exceptions_enable=False,
    )
    _plain_options.install()
    app.callback()(_globals)
    wanted = _command_in(argv)
    for module in dict.fromkeys([COMMANDS[wanted]] if wanted in COMMANDS else COMMANDS.values()):
        importlib.import_module(f"claude_audit.commands.{module}").register(app)
    return app


def _command_in(argv: list[str]) -> str | None:
    words = iter(argv)
    for word in words:
        if word in GLOBAL_OPTIONS_WITH_VALUE:
            next(words, None)
        elif not word.startswith("-"):
            return word
        elif word == "--help":
            return None
    return None


def _version(asked: bool) -> None:
    """Answers before typer misses a command."""
    if asked:
        from claude_audit import __version__

        typer.echo(f"claude-audit {__version__}")
        raise typer.Exit


def _globals(
    ctx: typer.Context,
    store: Annotated[
        str | None, typer.Option("--store", metavar="DIR", help="The audited data set [default: ./.claude-audit].")
    ] = None,
    config: Annotated[
        str | None, typer.Option("--config", metavar="FILE", help="Configuration [default: nearest claude-audit.yaml].")
    ] = None,
    version: Annotated[
        bool, typer.Option("--version", help="Show the version and exit.", is_eager=True, callback=_version)
    ] = False,
) -> None:
    if ctx.invoked_subcommand is None:
        typer.echo(ctx.get_help())
        raise typer.Exit(Exit.ERROR)
    from claude_audit.commands.common import Session

    ctx.obj = Session(store_flag=store, config_flag=config)
