"""What the commands share: the session, the options that mean the same everywhere, and how an answer is printed."""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from enum import StrEnum
from functools import cached_property
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from claude_audit.errors import AuditError

if TYPE_CHECKING:
    from claude_audit.audit import Audit
    from claude_audit.catalog import Catalog
    from claude_audit.config import Config

SCHEMA_VERSION = 1
"""Of every JSON document the commands print."""


class Format(StrEnum):
    """How an answer is printed."""

    TABLE = "table"
    JSON = "json"
    CSV = "csv"
    MARKDOWN = "markdown"


FormatOption = Annotated[Format, typer.Option("--format", help="How to print the answer.")]
Since = Annotated[str | None, typer.Option("--since", metavar="DATE", help="First day to count.")]
Until = Annotated[str | None, typer.Option("--until", metavar="DATE", help="Last day to count, included.")]
Zone = Annotated[
    str | None,
    typer.Option("--timezone", metavar="IANA", help="Where days begin [default: UTC]. Prices go by UTC always."),
]
Where = Annotated[
    list[str] | None,
    typer.Option("--where", metavar="DIM=VALUE", help="Only rows with that value (repeatable, all must hold)."),
]


@dataclass
class Session:
    """One run of the program: where the store is, and what the configuration says."""

    store_flag: str | None
    config_flag: str | None

    @cached_property
    def config(self) -> Config:
        """Flags, environment, files and defaults, merged (claude_audit.config)."""
        from claude_audit.config import load

        return load(store=self.store_flag, config_file=Path(self.config_flag) if self.config_flag else None)

    @property
    def store(self) -> Path:
        """The store's directory; it may not exist yet."""
        return Path(self.config.store)

    @cached_property
    def catalog(self) -> Catalog:
        """Built-in prices, and the user's on top."""
        from claude_audit.catalog import load

        for path in self.config.prices:
            if not path.exists():
                named = self.config.origins.get("prices", "the configuration")
                raise AuditError(f"{path}: there is no such price file", f"{named} names it: mend the path there")
        return load(*self.config.prices)

    def audit(
        self,
        since: str | None = None,
        until: str | None = None,
        zone: str | None = None,
        where: Sequence[str] | None = None,
    ) -> Audit:
        """The store's rows that the filters leave. Raises AuditError when there is no store."""
        from claude_audit.audit import Audit
        from claude_audit.filters import parse

        filters = parse(since, until, zone or self.config.timezone, where or ())
        return Audit.open(self.store, catalog=self.catalog, filters=filters)


def session(ctx: typer.Context) -> Session:
    """The session that the program's own options opened."""
    obj = ctx.obj
    assert isinstance(obj, Session)  # noqa: S101 - set by the callback that runs before every command
    return obj


def say_why_none(audit: Audit) -> None:
    """Of an audit without requests, on stderr."""
    from claude_audit.nothing_left import reasons

    for reason in reasons(audit):
        say(f"note: {reason}")


def emit(text: str) -> None:
    """Print an answer on stdout, ending in exactly one newline."""
    sys.stdout.write(text if text.endswith("\n") else text + "\n")


def emit_json(document: Mapping[str, Any]) -> None:
    """Print a JSON document with its schema version; Decimals must have been made strings before (money.exact)."""
    emit(json.dumps({"schema_version": SCHEMA_VERSION, **document}, ensure_ascii=False, default=_refuse))


def _refuse(value: object) -> str:
    if isinstance(value, Decimal):
        raise TypeError("a Decimal reached JSON: write money with money.exact()")
    return str(value)


def say(text: str) -> None:
    """A line of the conversation, on stderr."""
    sys.stderr.write(text if text.endswith("\n") else text + "\n")


def emit_error(argv: Sequence[str], message: str, hint: str) -> None:
    """An error in words on stderr, or as the JSON document that the caller asked for on stdout."""
    if _asks_for_json(argv):
        emit(json.dumps({"schema_version": SCHEMA_VERSION, "error": {"message": message, "hint": hint}}))
        return
    say(f"claude-audit: {message}")
    if hint:
        say(f"  {hint}")


def _asks_for_json(argv: Sequence[str]) -> bool:
    return "--format=json" in argv or any(flag == "--format" and value == "json" for flag, value in pairwise(argv))


def one_of(value: str, allowed: Sequence[str], what: str) -> str:
    """`value` when it is allowed. Raises AuditError that names the nearest allowed one."""
    import difflib

    if value in allowed:
        return value
    near = difflib.get_close_matches(value, allowed, n=1)
    raise AuditError(
        f"unknown {what} {value!r}", f"did you mean {near[0]!r}?" if near else f"use one of: {', '.join(allowed)}"
    )
