"""Answers for a terminal, one file an answer; rich is imported here and in commands only."""

from claude_audit.renderers.figures import size
from claude_audit.renderers.terminal.diff import diff_tables
from claude_audit.renderers.terminal.explain import explain_tables
from claude_audit.renderers.terminal.findings import findings_tables
from claude_audit.renderers.terminal.opportunities import opportunities_tables
from claude_audit.renderers.terminal.published import published_tables
from claude_audit.renderers.terminal.screen import Screen, clean
from claude_audit.renderers.terminal.spend import spend_tables
from claude_audit.renderers.terminal.waterfall import waterfall_tables

__all__ = [
    "Screen",
    "clean",
    "diff_tables",
    "explain_tables",
    "findings_tables",
    "opportunities_tables",
    "published_tables",
    "size",
    "spend_tables",
    "waterfall_tables",
]
