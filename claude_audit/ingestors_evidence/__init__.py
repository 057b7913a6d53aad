"""Formats of consoles' and billing reports, one file each: how one is recognised, and what its rows claim.

They are evidence, to compare logs with (claude_audit.evidence), and are looked for before the formats of logs.
"""

from __future__ import annotations

import importlib
import pkgutil
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from claude_audit.evidence import Download
    from claude_audit.ingestors import Head

Kind = Literal["usage", "cost"]


@dataclass(frozen=True)
class Report:
    """One format of evidence."""

    name: str
    title: str
    """What it is, in half a line."""
    kind: Kind
    """What it is about: tokens used, or dollars charged."""
    by_day: bool
    """Downloads that overlap give way to each other by whole days; otherwise bucket by bucket."""
    recognise: Callable[[Head], bool]
    """Whether a file that begins like this is of the format: by content, never by name."""
    read: Callable[[str, str], Iterable[Download]]
    """The downloads in a file, from its text and its name. Never raises for what a file may hold."""
    rank: int
    """Which to believe first where several formats tell of one day: the more detailed one."""
    scope: str = "anthropic"
    """What part of the spend it covers: anthropic, openrouter, or claude_code alone."""
    doc: str = ""


PAGES = ("starting_at", "model_breakdown")
"""A page of an API's answer holds one of these words as a key: a log hardly ever does."""


def may_be(head: Head) -> bool:
    """Whether a file that begins like this can be evidence at all: told without loading a format."""
    text = head.text
    return text.lstrip()[:1] not in ("{", "[") or any(f'"{word}"' in text for word in PAGES)


@cache
def registry() -> Mapping[str, Report]:
    """Every format by name, the most detailed first."""
    found = []
    for module in pkgutil.iter_modules(__path__):
        if not module.name.startswith("_"):
            loaded = importlib.import_module(f"{__name__}.{module.name}")
            found += [r for r in vars(loaded).values() if isinstance(r, Report)]
    return {r.name: r for r in sorted(found, key=lambda r: (r.rank, r.name))}
