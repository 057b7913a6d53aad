"""What can go wrong, in words a user can act on, and the exit code it ends with."""

from __future__ import annotations

from enum import IntEnum


class Exit(IntEnum):
    """Exit codes of every command; they are public (README, "Exit codes")."""

    OK = 0
    BREACH = 1
    """A budget or a threshold is breached."""
    ERROR = 2
    """Wrong usage, broken configuration, unreadable input or an internal error."""
    UNDECIDED = 3
    """Too little history, or too much of it has no price."""


class AuditError(Exception):
    """A problem that the user can solve: what and where in `message`, the way out in `hint`."""

    def __init__(self, message: str, hint: str = "", exit_code: Exit = Exit.ERROR) -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint
        self.exit_code = exit_code
