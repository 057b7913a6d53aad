"""What-if levers, one file each: which rows they concern, and what they do to usage. Never to money.

A lever classifies rows in the engine (scan.Scan) and moves quantities on the small table that comes back; the price book
then says what before and after cost. Order of application is Stage, whatever the order of the flags.
"""

from __future__ import annotations

import importlib
import pkgutil
import shlex
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from enum import IntEnum
from functools import cache
from typing import TYPE_CHECKING, Any, Protocol

from claude_audit.errors import AuditError
from claude_audit.money import EXACT, ZERO
from claude_audit.waterfall import Assumption, Calibration, Coverage, Effort, Excluded, Grade, Risk

if TYPE_CHECKING:
    import narwhals.stable.v2 as nw

    from claude_audit.catalog import Catalog
    from claude_audit.engines import Engine
    from claude_audit.scan import Scan
    from claude_audit.states import Pricer, State
    from claude_audit.tally import Reach


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
    coverage: Coverage | None = None
    """What it could judge; None: every row."""
    missing: tuple[str, ...] = ()
    """Fields that would have made the figure better, and are not in the log."""
    risk: Risk | None = None
    """To the answers, on these rows; None: the kind's own."""
    calibration: Calibration | None = None
    """Against what was billed, where the lever is in use already."""


class Lever(Protocol):
    """One way of saving, with its parameters."""

    name: str
    """Its flag's name, with underscores."""
    stage: Stage
    dimensions: tuple[str, ...]
    """Of the rows it needs to tell apart."""

    single: bool = False
    """`move` judges each state by itself, whatever the others are."""
    slow: bool = False
    """`move` goes back to the rows: it is asked for no more sets of levers than the answer needs."""

    @property
    def argument(self) -> str:
        """Its parameter as the user gave it."""
        ...

    def inspect(self, usage: nw.LazyFrame[Any], engine: Engine, reach: Reach) -> nw.LazyFrame[Any]:
        """What must be known of the rows before the scan: the frame with further columns, or as it was."""
        return self.survey(usage, engine)

    def survey(self, usage: nw.LazyFrame[Any], engine: Engine) -> nw.LazyFrame[Any]:
        """`inspect`, for levers that need not know what the store holds."""
        return usage

    def provide(self, scan: Scan) -> None:
        """Quantities that levers before it must carry along: asked of all before any classifies."""
        return

    def classify(self, scan: Scan) -> None:
        """Ask the engine for the keys and variants it needs."""
        ...

    def part(self, states: Sequence[State], pricer: Pricer) -> list[State]:
        """The lines as logged, those of which it concerns only a share in shares (State.share_of): asked before any moves."""
        return list(states)

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
    effort: Effort = Effort.MEDIUM
    """To put it into practice."""
    risk: Risk = field(default_factory=Risk)
    """To the answers, where a step does not say otherwise."""
    rollback: str = "one setting"
    """How to undo it."""
    default: Mapping[str, Any] | None = None
    """Option values that `whatif --all` tries it with. None: its flag alone, where that takes no value; else not tried."""
    needs: tuple[str, ...] = ()
    """Columns of the log without which it cannot say what it saves; `a|b`: either will do."""
    fallback: Mapping[str, Any] | None = None
    """Option values that it is tried with, in place of `default`, where a field that it needs is lacking."""
    supersedes: tuple[str, ...] = ()
    """Levers that assume what this one finds out: no scenario takes both."""
    turn: int = 1
    """Its place within its stage; those of one turn stand by name."""

    @property
    def title(self) -> str:
        """Its name as words."""
        return self.name.replace("_", " ")

    @property
    def trial(self) -> Mapping[str, Any] | None:
        """The option values that it is tried with when nobody says any; None: it needs a value that only a user knows."""
        if self.default is None and self.options[0].type is bool:
            return {self.options[0].name: True}
        return self.default

    @property
    def summary(self) -> str:
        """The first sentence of its page."""
        return self.doc.strip().split("\n\n")[0].replace("\n", " ").partition(". Graded")[0].rstrip(".") + "."


@cache
def registry() -> tuple[Kind, ...]:
    """Every lever, in the order of application."""
    found = []
    for module in pkgutil.iter_modules(__path__):
        if not module.name.startswith("_"):
            loaded = importlib.import_module(f"{__name__}.{module.name}")
            found += [kind for kind in vars(loaded).values() if isinstance(kind, Kind)]
    return tuple(sorted(found, key=lambda kind: (kind.stage, kind.turn, kind.name)))


def kind_of(name: str) -> Kind:
    """The lever of that name. Raises AuditError that lists them."""
    wanted = name.strip().removeprefix("--").replace("-", "_")
    for kind in registry():
        if kind.name == wanted or any(option.name == wanted for option in kind.options[:1]):
            return kind
    import difflib

    names = [kind.name for kind in registry()]
    near = difflib.get_close_matches(wanted, names, n=1) or [name for name in names if wanted and wanted in name]
    raise AuditError(f"no lever {name!r}", f"did you mean {near[0]}?" if near else f"known are: {', '.join(names)}")


def page(name: str) -> str:
    """A lever's page: what it assumes, its formula, an example, when it costs money, its flags. Plain text.

    Raises AuditError for a name that is no lever's.
    """
    kind = kind_of(name)
    flags = [(f"{o.flag} {o.metavar}".rstrip(), o.help) for o in kind.options]
    width = max(len(flag) for flag, _ in flags)
    lines = [f"  {flag:{width}}  {words}" for flag, words in flags]
    place = f"Stage {int(kind.stage)} of 7 ({kind.stage.name.lower()}). Effort: {kind.effort.words}. "
    risk = f"Risk to the answers: {kind.risk.level} of 4" + (
        f" ({', '.join(kind.risk.reasons)})" if kind.risk.reasons else ""
    )
    return "\n".join([kind.doc.strip(), "", f"{place}{risk}. To undo it: {kind.rollback}.", "", "Flags:", *lines, ""])


def options() -> dict[str, Option]:
    """All flags by name, each once."""
    return {option.name: option for kind in registry() for option in kind.options}


def as_typed(options: Mapping[str, Any]) -> str:
    """Option values as the flags that give them: --route-simple haiku --batch report."""
    words: list[str] = []
    for name, value in options.items():
        flag = "--" + name.replace("_", "-")
        if isinstance(value, bool):
            words += [flag] if value else []
        else:
            for one in value if isinstance(value, list | tuple) else [value]:
                words.append(f"{flag} {shlex.quote(str(one))}")
    return " ".join(words)


def positive(value: Any, flag: str, what: str = "a whole number above 0", example: int = 512) -> int:
    """A whole number from a flag or a file. Raises AuditError that names the flag."""
    try:
        number = int(str(value))
    except ValueError:
        number = 0
    if number <= 0:
        raise AuditError(f"{flag} {value!r} is not {what}", f"for example {flag} {example}")
    return number


def not_negative(value: Any, flag: str, default: int) -> int:
    """A number of tokens, 0 too, from a flag or a file; the default where nobody says. Raises AuditError that names the flag."""
    if value is None:
        return default
    return 0 if str(value) == "0" else positive(value, flag, "a number of tokens", default)


def changed_rows(before: Sequence[State], after: Sequence[State]) -> int:
    """Rows of the states that are no longer what they were. Of a share smaller than a request one is counted."""
    changed = [
        b.rows
        for b, a in zip(before, after, strict=True)
        if a is not b
        and (a.group, a.tokens, a.removed, a.beside, a.offer) != (b.group, b.tokens, b.removed, b.beside, b.offer)
    ]
    return sum(changed) or min(len(changed), 1)


def pairs(before: Sequence[State], after: Sequence[State]) -> list[tuple[State, State]]:
    """The states that a lever changed, before and after."""
    return [(b, a) for b, a in zip(before, after, strict=True) if a is not b]


def kept_out(gates: Iterable[tuple[State, str | None]], pricer: Pricer) -> tuple[Excluded, ...]:
    """The requests and dollars that each gate kept out, by its name."""
    found: dict[str, tuple[int, Decimal]] = {}
    for state, gate in gates:
        if gate:
            rows, usd = found.get(gate, (0, ZERO))
            found[gate] = rows + state.rows, EXACT.add(usd, pricer.cost(state))
    return tuple(Excluded(gate, rows, usd) for gate, (rows, usd) in sorted(found.items()))


def coverage(judged: Iterable[State], pricer: Pricer) -> Coverage:
    """What a lever could judge."""
    judged = list(judged)
    return Coverage(sum(state.rows for state in judged), pricer.total(judged))
