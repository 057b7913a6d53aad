"""The what-if levers themselves: a line for each, and the page of one, as text, CSV, Markdown and JSON."""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from typing import Any

from claude_audit.levers import Kind, page
from claude_audit.renderers.columns import as_csv, as_markdown, fitted
from claude_audit.renderers.pages import filled

COLUMNS = ("lever", "stage", "flag", "effort", "risk", "what")


def document(kind: Kind, *, whole: bool) -> dict[str, Any]:
    """What the registry knows of a lever; `whole`: with its page."""
    found: dict[str, Any] = {
        "lever": kind.name,
        "stage": int(kind.stage),
        "stage_name": kind.stage.name.lower(),
        "what": kind.summary,
        "flags": [
            {"flag": option.flag, "metavar": option.metavar or None, "help": option.help} for option in kind.options
        ],
        "effort": kind.effort.value,
        "quality_risk": {"level": kind.risk.level, "reasons": list(kind.risk.reasons)},
        "rollback": kind.rollback,
        "default": None if kind.trial is None else dict(kind.trial),
        "needs": list(kind.needs),
    }
    return found | ({"page": page(kind.name)} if whole else {})


def table(kinds: Sequence[Kind]) -> str:
    """A line each, in the order of application, and where to read more."""
    rows = [[kind.name, kind.options[0].flag + f" {kind.options[0].metavar}".rstrip(), kind.summary] for kind in kinds]
    width = shutil.get_terminal_size((80, 24)).columns
    head = "Levers of claude-audit whatif, in the order in which they apply:"
    shown = fitted(("lever", "flag", "what"), rows, width=max(width, 60), spare=(1,))
    return f"{head}\n\n{shown}\n\nMore of one: claude-audit explain lever NAME\n"


def csv(kinds: Sequence[Kind]) -> str:
    """A row each."""
    return as_csv(COLUMNS, [_row(kind) for kind in kinds])


def markdown(kinds: Sequence[Kind]) -> str:
    """A table, a row each."""
    return as_markdown(COLUMNS, [_row(kind) for kind in kinds]) + "\n"


def page_text(kind: Kind, width: int | None = None) -> str:
    """The page for a terminal of that width."""
    return filled(page(kind.name), width)


def page_markdown(kind: Kind) -> str:
    """The page under its name; its text is set as it stands, for it holds formulas."""
    return f"# {kind.name}\n\n```text\n{page(kind.name).rstrip()}\n```\n"


def _row(kind: Kind) -> list[str]:
    flag = f"{kind.options[0].flag} {kind.options[0].metavar}".rstrip()
    return [kind.name, str(int(kind.stage)), flag, kind.effort.value, f"{kind.risk.level}", kind.summary]
