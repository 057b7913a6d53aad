"""What-if levers, one file each: which rows they concern, and what they do to usage. Never to money.

A lever classifies rows in the engine (scan.Scan) and moves quantities on the small table that comes back; the price book
then says what before and after cost. Order of application is Stage, whatever the order of the flags.
"""

from __future__ import annotations

import importlib
import pkgutil
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from enum import IntEnum
from functools import cache
from typing import TYPE_CHECKING, Any, Protocol

from claude_audit.errors import AuditError
from claude_audit.waterfall import Assumption, Excluded, Grade

if TYPE_CHECKING:
    import narwhals.stable.v2 as nw

    from claude_audit.catalog import Catalog
    from claude_audit.engines import Engine
    from claude_audit.scan import Pricer, Scan, State


class Stage(IntEnum):
    """Order of application."""

    REMOVE = 1
    """Requests that need not have been sent."""
    RESHAPE = 2
    """Other prompts."""
    OUTPUT = 3
    MODEL = 4
    CACHE = 5
    """On the streams that result, with the target's minimum."""
    BATCH = 6
    PRICE = 7
    """Speed, geography, provider."""


@dataclass(frozen=True, slots=True)
class Option:
    """One flag of `whatif`, and key of a scenario file."""

    name: str
    """With underscores; the flag has hyphens."""
    type: Any
    """str, int, bool or list[str]."""
    help: str
    metavar: str = ""

    @property
    def flag(self) -> str:
        """--as-typed."""
        return "--" + self.name.replace("_", "-")


@dataclass(frozen=True, slots=True)
class Outcome:
    """What a lever did to the states before it, and how sure that is."""

    changed: int
    """Rows whose model, tier or any billed quantity it changed."""
    low: Decimal
    high: Decimal
    """Bounds of its saving here, US dollars."""
    grade: Grade
    caveats: tuple[str, ...] = ()
    assumptions: tuple[Assumption, ...] = ()
    excluded: tuple[Excluded, ...] = ()
    facts: Mapping[str, Any] = field(default_factory=dict)


class Lever(Protocol):
    """One way of saving. Levers derive from it, so that they need write only what they do."""

    name: str
    """Of the flag, with underscores."""
    stage: Stage
    argument: str
    """As the user gave it."""
    dimensions: tuple[str, ...]
    """What the lines must be told apart by for it."""

    def survey(self, usage: nw.LazyFrame[Any], engine: Engine) -> nw.LazyFrame[Any]:
        """Look at the rows before the scan, where a parameter must be read off them, or a row's part depends on others.

        Returns the rows, with columns of its own joined where it needs any. Most levers need not look.
        """
        return usage

    def provide(self, scan: Scan) -> None:
        """Quantities that levers before it must carry along: asked of all before any classifies."""

    def classify(self, scan: Scan) -> None:
        """Ask the engine for the keys and variants it needs."""
        ...

    def move(self, states: Sequence[State], pricer: Pricer) -> list[State]:
        """The states after it, in the same order; those it does not concern are the same objects."""
        ...

    def judge(self, before: Sequence[State], after: Sequence[State], pricer: Pricer) -> Outcome:
        """What the move meant: bounds, grade, caveats."""
        ...


@dataclass(frozen=True, slots=True)
class Kind:
    """A lever as the registry knows it."""

    name: str
    stage: Stage
    options: tuple[Option, ...]
    """Its own flag first, then those that tune it."""
    build: Callable[[Mapping[str, Any], Catalog], Lever | None]
    """The lever for these option values; None when its flag is not among them."""
    doc: str


@cache
def registry() -> tuple[Kind, ...]:
    """Every lever, in the order of application."""
    found = []
    for module in pkgutil.iter_modules(__path__):
        if not module.name.startswith("_"):
            loaded = importlib.import_module(f"{__name__}.{module.name}")
            found += [kind for kind in vars(loaded).values() if isinstance(kind, Kind)]
    return tuple(sorted(found, key=lambda kind: (kind.stage, kind.name)))


def options() -> dict[str, Option]:
    """All flags by name, each once."""
    return {option.name: option for kind in registry() for option in kind.options}


def positive(value: Any, flag: str, what: str = "a whole number above 0") -> int:
    """A whole number from a flag or a file. Raises AuditError that names the flag."""
    try:
        number = int(str(value))
    except ValueError:
        number = 0
    if number <= 0:
        raise AuditError(f"{flag} {value!r} is not {what}", f"for example {flag} 512")
    return number


def changed_rows(before: Sequence[State], after: Sequence[State]) -> int:
    """Rows of the states that are no longer what they were."""
    return sum(
        b.rows for b, a in zip(before, after, strict=True) if a is not b and (a.group, a.tokens) != (b.group, b.tokens)
    )
