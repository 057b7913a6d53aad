"""What the user has set: flag > environment > project file > user file > default, and where each value came from."""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import date, datetime
from decimal import Decimal, InvalidOperation
from pathlib import Path
from typing import Any, cast

from claude_audit.config_file import Key, Source, sources
from claude_audit.errors import AuditError
from claude_audit.limits import (
    FAIL_ON,
    MAX_UNPRICED,
    MODES,
    ON_UNDECIDED,
    PERIODS,
    Budget,
    FailOn,
    Mode,
    OnUndecided,
    Period,
)
from claude_audit.usage import DIMENSIONS, TIME_DIMENSIONS

PREFIX = "CLAUDE_AUDIT_"
PERIOD_NAMES: dict[Period, str] = {"month": "monthly", "week": "weekly", "day": "daily"}
ONLY = tuple(name for name in DIMENSIONS if name not in (*TIME_DIMENSIONS, "token_type"))
_THOUSANDS = re.compile(r"[0-9]{1,3}(,[0-9]{3})+(\.[0-9]+)?")
_NUMBER = re.compile(r"[0-9]+(\.[0-9]+)?")
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9 ._-]{0,63}")


@dataclass(frozen=True, slots=True)
class Config:
    """Every setting. `origins` says where each came from: a flag, a variable, file:line, or default."""

    store: Path = Path(".claude-audit")
    timezone: str = "UTC"
    prices: tuple[Path, ...] = ()
    budgets: tuple[Budget, ...] = ()
    days_off: tuple[date, ...] = ()
    fail_on: FailOn = "projected"
    on_undecided: OnUndecided = "fail"
    max_unpriced: Decimal = MAX_UNPRICED
    assume_model: str | None = None
    assume_timezone: str | None = None
    default_endpoint: str | None = None
    origins: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Value:
    """One raw value, where it stands, and what a relative path in it is relative to."""

    raw: Any
    source: Source
    key: Key

    @property
    def place(self) -> str:
        """file:line, or the variable."""
        return self.source.place(self.key)

    def error(self, problem: str, hint: str = "") -> AuditError:
        """What is wrong here."""
        if self.place == f"--{self._called}" and problem.startswith(f"{self._called} "):
            return AuditError(f"--{problem}", hint)  # a flag is its own place
        return AuditError(f"{self.place}: {problem}", hint)

    def items(self) -> list[Value]:
        """The members of a list, or the single value."""
        if isinstance(self.raw, list):
            return [Value(raw, self.source, (*self.key, n)) for n, raw in enumerate(self.raw)]
        return [] if self.raw is None else [self]

    def fields(self, allowed: Sequence[str]) -> dict[str, Value]:
        """The members of a mapping. Raises AuditError for a key that is not allowed, naming the nearest one."""
        if not isinstance(self.raw, dict):
            raise self.error(f"{self._called} must be keys with values, not {self.raw!r}")
        for name in self.raw:
            if name not in allowed:
                raise Value(None, self.source, (*self.key, name)).error(*_unknown("key", name, allowed))
        return {name: Value(raw, self.source, (*self.key, name)) for name, raw in self.raw.items() if raw is not None}

    @property
    def _called(self) -> str:
        return next((str(part) for part in reversed(self.key) if isinstance(part, str)), "the configuration")

    def text(self) -> str:
        """A word or a number, as written."""
        if isinstance(self.raw, bool) or not isinstance(self.raw, str | int | Decimal) or self.raw == "":
            raise self.error(f"{self._called} must be text, not {self.raw!r}")
        return str(self.raw)

    def choice(self, allowed: Sequence[str]) -> str:
        """One of the allowed words."""
        if self.text() not in allowed:
            raise self.error(*_unknown(self._called, self.text(), allowed))
        return self.text()

    def path(self) -> Path:
        """A path; a relative one counts from the folder of the file that names it."""
        return self.source.base / Path(self.text()).expanduser()

    def zone(self) -> str:
        """An IANA time zone."""
        from claude_audit.clock import zone

        try:
            return zone(self.text()).key
        except AuditError as error:
            raise self.error(error.message, error.hint) from error

    def day(self) -> date:
        """A date as YYYY-MM-DD."""
        try:
            if isinstance(self.raw, date) and not isinstance(self.raw, datetime):
                return self.raw
            return date.fromisoformat(self.text().strip())
        except ValueError as error:
            raise self.error(f"{self.raw!r} is not a date", "write it as 2026-12-24") from error

    def dollars(self) -> Decimal:
        """An amount of USD, not negative: 500, "$1,200.50". A comma that does not part thousands is no decimal point."""
        text = self.text().strip().removeprefix("$").strip()
        plain = text.replace(",", "") if _THOUSANDS.fullmatch(text) else text
        return self._number(plain, "an amount in dollars, such as 500 or 1,200.50")

    def share(self) -> Decimal:
        """A share between 0 and 1: 0.05 or 5%."""
        text = self.text().strip()
        value = self.percent() if text.endswith("%") else self._number(text, "a share, such as 5% or 0.05")
        if value > 1:
            raise self.error(f"{self._called} is {self.raw}: a share is at most 100%", "write 5% or 0.05")
        return value

    def percent(self) -> Decimal:
        """20% as 0.2; the sign must be there, for 20 and 0.2 would be guesses."""
        text = self.text().strip()
        if not text.endswith("%"):
            raise self.error(
                f"{self._called} is {text}: a percentage is needed",
                f"write {text}% if that is what you mean" if _NUMBER.fullmatch(text) else "such as 20%",
            )
        return self._number(text[:-1].strip(), "a percentage, such as 20%").scaleb(-2)

    def _number(self, text: str, what: str) -> Decimal:
        try:
            number = Decimal(text)
        except InvalidOperation as error:
            raise self.error(f"{self._called} is {self.raw!r}, which is not {what}") from error
        if not number.is_finite() or number < 0 or number.adjusted() > 15:
            raise self.error(
                f"{self._called} is {self.raw if isinstance(self.raw, Decimal) else repr(self.raw)}: use {what}"
            )
        return number


def load(
    *,
    store: str | None = None,
    config_file: Path | None = None,
    environ: Mapping[str, str] | None = None,
    cwd: Path | None = None,
) -> Config:
    """All settings, from the process's environment and working folder unless others are given.

    Raises AuditError, with file:line, for an unknown key or a value that can't be right.
    """
    environ, cwd = os.environ if environ is None else environ, _here() if cwd is None else cwd
    forced = config_file or (Path(environ[PREFIX + "CONFIG"]) if environ.get(PREFIX + "CONFIG") else None)
    given: dict[str, Value] = {}
    for source in reversed(sources(forced, environ, cwd)):
        given |= Value(source.data, source, ()).fields((*SETTINGS, "budgets"))
    for name, setting in SETTINGS.items():
        if raw := environ.get(variable(name)):
            parts = raw.split(setting.separator) if setting.separator else raw
            given[name] = Value(parts, Source(variable(name), Path(), {}), (name,))
    if store is not None:
        given["store"] = Value(store, Source("--store", Path(), {}), ("store",))

    values: dict[str, Any] = {name: setting.parse(given[name]) for name, setting in SETTINGS.items() if name in given}
    config = replace(Config(), **values)
    if "budgets" in given:
        config = replace(config, budgets=_budgets(given["budgets"], config.fail_on))
    names = (*SETTINGS, "budgets")
    return replace(config, origins={name: given[name].place if name in given else "default" for name in names})


def _here() -> Path:
    try:
        return Path.cwd()
    except FileNotFoundError as error:
        raise AuditError("the current folder is gone", "go to one that is there, and try again") from error


def variable(name: str) -> str:
    """The environment variable of a setting."""
    return PREFIX + name.upper()


@dataclass(frozen=True, slots=True)
class Setting:
    """How a setting is read."""

    parse: Callable[[Value], object]
    separator: str = ""
    """Between the members of a list in an environment variable."""


SETTINGS: Mapping[str, Setting] = {
    "store": Setting(Value.path),
    "timezone": Setting(Value.zone),
    "prices": Setting(lambda value: tuple(item.path() for item in value.items()), os.pathsep),
    "days_off": Setting(lambda value: tuple(sorted({item.day() for item in value.items()})), ","),
    "fail_on": Setting(lambda value: value.choice(FAIL_ON)),
    "on_undecided": Setting(lambda value: value.choice(ON_UNDECIDED)),
    "max_unpriced": Setting(Value.share),
    "assume_model": Setting(Value.text),
    "assume_timezone": Setting(Value.zone),
    "default_endpoint": Setting(Value.text),
}
"""Every key but `budgets`, which has no environment variable."""

BUDGET_KEYS = ("name", "limit", "increase", "period", "only", "mode", "fail_on")


def _budgets(value: Value, fail_on: FailOn) -> tuple[Budget, ...]:
    if not isinstance(value.raw, list):
        raise value.error("budgets must be a list", "write `budgets: [{limit: 500, period: month}]`")
    found: dict[str, Budget] = {}
    for item in value.items():
        for budget in _budget(item, fail_on):
            if budget.name in found:
                raise item.error(
                    f"a second budget is called {budget.name!r} (the first: {found[budget.name].where})",
                    "give each budget its own name",
                )
            found[budget.name] = budget
    return tuple(found.values())


def _budget(value: Value, fail_on: FailOn) -> list[Budget]:
    """One rule, or two when it has both a limit and an increase."""
    fields = value.fields(BUDGET_KEYS)
    period = cast(Period, fields["period"].choice(PERIODS)) if "period" in fields else "month"
    name = fields["name"].text() if "name" in fields else PERIOD_NAMES[period]
    if not _NAME.fullmatch(name):
        raise fields["name"].error(
            f"{name!r} can't be a budget's name", "use letters, digits, spaces, dots, dashes and underscores"
        )
    only = _only(fields["only"]) if "only" in fields else {}
    mode = cast(Mode, fields["mode"].choice(MODES)) if "mode" in fields else "block"
    held = cast(FailOn, fields["fail_on"].choice(FAIL_ON)) if "fail_on" in fields else fail_on
    rule = Budget(name=name, period=period, only=only, mode=mode, fail_on=held, where=value.place)
    rules = []
    if "limit" in fields:
        rules.append(replace(rule, limit=fields["limit"].dollars()))
    if "increase" in fields:
        rules.append(replace(rule, name=f"{name}-increase" if rules else name, increase=fields["increase"].percent()))
    if not rules:
        raise value.error(f"budget {name!r} has no limit", "give it `limit: 500`, or `increase: 20%`")
    return rules


def _only(value: Value) -> dict[str, str]:
    if not isinstance(value.raw, dict):
        raise value.error(f"only must be dimensions with values, not {value.raw!r}", "write `only: {endpoint: chat}`")
    tags = [name for name in value.raw if name.startswith("tag:") and len(name) > len("tag:")]
    return {name: field.text() for name, field in value.fields((*ONLY, "tag:<key>", *tags)).items()}


def _unknown(what: str, name: str, allowed: Sequence[str]) -> tuple[str, str]:
    import difflib

    near = difflib.get_close_matches(name.replace("-", "_"), allowed, n=1)
    hint = f"did you mean {near[0]!r}?" if near else f"use one of: {', '.join(allowed)}"
    return f"unknown {what} {name!r}", hint
