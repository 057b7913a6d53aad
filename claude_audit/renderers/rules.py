"""The rules of findings themselves: a line for each, and the page of one, as text, CSV, Markdown and JSON."""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from typing import Any

from claude_audit.renderers.columns import as_csv, as_markdown, fitted
from claude_audit.renderers.pages import filled
from claude_audit.rules import Rule

COLUMNS = ("rule", "finds", "needs")


def document(rule: Rule, *, whole: bool) -> dict[str, Any]:
    """What the registry knows of a rule; `whole`: with its page."""
    found: dict[str, Any] = {"rule": rule.name, "finds": rule.title, "needs": list(rule.needs)}
    return found | ({"page": rule.doc} if whole else {})


def table(rules: Sequence[Rule]) -> str:
    """A line each, and where to read more."""
    width = shutil.get_terminal_size((80, 24)).columns
    shown = fitted(("rule", "what it finds"), [(rule.name, rule.title) for rule in rules], width=max(width, 60))
    return f"{shown}\n\nMore of one: claude-audit explain rule NAME\n"


def csv(rules: Sequence[Rule]) -> str:
    """A row each."""
    return as_csv(COLUMNS, [_row(rule) for rule in rules])


def markdown(rules: Sequence[Rule]) -> str:
    """A table, a row each."""
    return as_markdown(COLUMNS, [_row(rule) for rule in rules]) + "\n"


def page_text(rule: Rule, width: int | None = None) -> str:
    """The page for a terminal of that width."""
    return filled(rule.doc, width)


def page_markdown(rule: Rule) -> str:
    """The page under its name."""
    return f"# {rule.name}\n\n```text\n{rule.doc.strip()}\n```\n"


def _row(rule: Rule) -> list[str]:
    return [rule.name, rule.title, " ".join(rule.needs)]
