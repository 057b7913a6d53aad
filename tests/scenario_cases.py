"""Scenario cases: a log in a few words, the levers, and every figure as a sum that a reader can redo."""

from __future__ import annotations

import ast
import operator
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from fractions import Fraction
from pathlib import Path
from typing import Any

from logs import record

from claude_audit.yaml_lines import read

FOLDER = Path(__file__).parent / "scenarios"
START = datetime(2026, 11, 2, 10, tzinfo=UTC)
OPERATORS = {ast.Add: operator.add, ast.Sub: operator.sub, ast.Mult: operator.mul, ast.Div: operator.truediv}


@dataclass(frozen=True)
class Run:
    """One what-if on the case's log, and what of its answer is named."""

    levers: Mapping[str, Any]
    expect: Mapping[str, Any]
    where: Mapping[str, str]


@dataclass(frozen=True)
class Case:
    """One file of the folder."""

    name: str
    about: str
    records: tuple[Mapping[str, Any], ...]
    runs: tuple[Run, ...]


def cases() -> list[Case]:
    """All of the folder, by name."""
    return [_case(path) for path in sorted(FOLDER.glob("*.yaml"))]


def _case(path: Path) -> Case:
    data, _ = read(path)
    runs = tuple(Run(run["whatif"], run["expect"], run.get("where") or {}) for run in data["runs"])
    return Case(path.stem, data["about"], tuple(_records(data)), runs)


def _records(data: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
    """`times: n` repeats a line, `every: seconds` spaces all of them; {n} in a text is the record's number."""
    number = 0
    for line in data["records"]:
        line = {**data.get("all", {}), **line}
        for _ in range(line.pop("times", 1)):
            moment = START + timedelta(seconds=number * data.get("every", 7))
            if "at" in line:
                moment = START + timedelta(seconds=float(line["at"]))
            given = {name: _numbered(value, number) for name, value in line.items() if name != "at"}
            yield record(number, **{"timestamp": moment.isoformat(), **given})
            number += 1


def _numbered(value: Any, number: int) -> Any:
    if isinstance(value, str):
        return value.replace("{n}", str(number))
    if isinstance(value, dict):
        return {name: _numbered(entry, number) for name, entry in value.items()}
    if isinstance(value, list):
        return [_numbered(entry, number) for entry in value]
    return value


def figure(value: Any) -> Fraction:
    """A number, or the value of a sum such as `(1200 * 2 + 80 * 10) / 1e6`: exact."""
    if isinstance(value, int | Decimal):
        return Fraction(value)
    return _evaluated(ast.parse(value, mode="eval").body)


def _evaluated(node: ast.expr) -> Fraction:
    match node:
        case ast.Constant(value=int() | float() as number):
            return Fraction(str(number))
        case ast.UnaryOp(op=ast.USub(), operand=inner):
            return -_evaluated(inner)
        case ast.BinOp(left=left, op=sign, right=right):
            return Fraction(OPERATORS[type(sign)](_evaluated(left), _evaluated(right)))
    raise ValueError(f"not a sum: {ast.dump(node)}")


def differences(want: Mapping[str, Any], got: Mapping[str, Any], place: str = "") -> Iterator[str]:
    """Where an answer (as JSON carries it) contradicts what a case names."""
    for name, value in want.items():
        where = f"{place}{name}"
        if name == "steps":
            levers = [step["lever"] for step in value], [step["lever"] for step in got["steps"]]
            if levers[0] != levers[1]:
                yield f"{where}: {levers[0]} expected, not {levers[1]}"
                continue
            for wanted, step in zip(value, got["steps"], strict=True):
                yield from differences(wanted, step, f"{wanted['lever']}.")
        elif isinstance(value, dict):
            yield from differences(value, got[name], f"{where}.")
        elif name.endswith("_usd") and value is not None:
            if Fraction(got[name]) != figure(value):
                yield f"{where}: {float(figure(value))} expected, not {got[name]}"
        elif name.endswith("_share") and value is not None:
            if abs(float(figure(value)) - got[name]) > 1e-12:
                yield f"{where}: {float(figure(value))} expected, not {got[name]}"
        elif name.endswith("_says"):
            said = got.get(name.removesuffix("_says"))
            if not any(value in line for line in (said if isinstance(said, list) else [str(said)])):
                yield f"{where}: {value!r} is not in {said!r}"
        elif isinstance(value, Decimal):
            if got.get(name) != float(value):
                yield f"{where}: {value} expected, not {got.get(name)!r}"
        elif got.get(name) != value:
            yield f"{where}: {value!r} expected, not {got.get(name)!r}"
