"""claude-audit: what your Claude API logs cost, to the cent, and what each way of saving would really have saved."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from claude_audit.audit import Audit as Audit
    from claude_audit.recorder import record as record

__version__ = "0.1.0"


def __getattr__(name: str) -> object:
    """`claude_audit.record` and `claude_audit.Audit`, each imported when it is first used."""
    if name == "record":
        from claude_audit.recorder import record

        return record
    if name == "Audit":
        from claude_audit.audit import Audit

        return Audit
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
