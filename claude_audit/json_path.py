"""Ways into a record, as people write them: `usage.input_tokens`, `calls[0].model`, `$."odd name".count`.

A key that has the whole text as its name comes before the steps that the text could mean: logs have keys like
`gen_ai.usage.input_tokens`. A step may lead through a string that holds JSON.
"""

from __future__ import annotations

import difflib
import json
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

from claude_audit.aliases import normalized

Steps = tuple[str | int, ...]

_STEP = re.compile(r'\.?(?:"((?:[^"\\]|\\.)+)"|([^.\[\]"]+)|\[(\d{1,9})\]|\["((?:[^"\\]|\\.)+)"\])')
MOST_STEPS = 12
MOST_VALUES = 2_000
"""Places of one record that are looked at to find the closest."""


def parse(text: str) -> Steps:
    """The steps of a path. Raises ValueError for a text that is none."""
    rest = text.strip()
    if rest == "$":
        return ()
    rest = rest.removeprefix("$") if rest.startswith(("$.", "$[")) else rest
    steps: list[str | int] = []
    at = 0
    while at < len(rest):
        match = _STEP.match(rest, at)
        if match is None or (at == 0 and rest.startswith(".") and not text.strip().startswith("$")):
            raise ValueError(f"no path: {text}")
        quoted, plain, index, bracketed = match.groups()
        name = quoted or bracketed
        steps.append(int(index) if index else re.sub(r"\\(.)", r"\1", name) if name else plain)
        at = match.end()
    if not steps or len(steps) > MOST_STEPS:
        raise ValueError(f"no path: {text}")
    return tuple(steps)


def ways(text: str) -> tuple[Steps, ...]:
    """What a text may mean, in the order in which it is tried."""
    try:
        steps = parse(text)
    except ValueError:
        return ((text,),)
    return (steps,) if steps == (text,) else ((text,), steps)


def lookup(record: object, text: str) -> Any:
    """What stands there; None where nothing does."""
    for steps in ways(text):
        found = _follow(record, steps)
        if found is not None:
            return found
    return None


def present(record: object, text: str) -> bool:
    """Whether the place is there, with a value or with null."""
    for steps in ways(text):
        holder = _follow(record, steps[:-1])
        if isinstance(holder, str):
            holder = _parsed(holder)
        last = steps[-1] if steps else None
        if isinstance(holder, Mapping) and last in holder:
            return True
        if isinstance(holder, list) and isinstance(last, int) and last < len(holder):
            return True
        if not steps:
            return True
    return False


def _follow(value: Any, steps: Steps) -> Any:
    for step in steps:
        if isinstance(value, str):
            value = _parsed(value)
        if isinstance(value, Mapping) and isinstance(step, str):
            value = value.get(step)
        elif isinstance(value, list) and isinstance(step, int) and step < len(value):
            value = value[step]
        else:
            return None
    return value


def _parsed(text: str) -> Any:
    if not text.lstrip().startswith(("{", "[")):
        return None
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        return None


def written(steps: Steps) -> str:
    """The path of these steps, in the shortest way it can be written."""
    text = ""
    for step in steps:
        if isinstance(step, int):
            text += f"[{step}]"
        elif re.fullmatch(r'[^.\[\]"$]+', step):
            text += f".{step}" if text else step
        else:
            escaped = re.sub(r'(["\\])', r"\\\1", step)
            text += f'."{escaped}"' if text else f'$."{escaped}"'
    return text


def places(record: object) -> Iterator[str]:
    """Every place of a record that has a name, those inside of others too; of lists their first element."""
    seen = 0
    todo: list[tuple[Steps, Any]] = [((), record)]
    while todo and seen < MOST_VALUES:
        steps, value = todo.pop(0)
        seen += 1
        if steps:
            yield written(steps)
        if isinstance(value, str):
            value = _parsed(value)
        if len(steps) == MOST_STEPS:
            continue
        if isinstance(value, Mapping):
            todo += [((*steps, str(name)), inner) for name, inner in value.items()]
        elif isinstance(value, list) and value:
            todo.append(((*steps, 0), value[0]))


def closest(wanted: Sequence[str], names: Iterable[str]) -> list[str]:
    """Up to three of the `names` that look like one of the `wanted`: by the whole path, or by its last step."""
    known = list(dict.fromkeys(name for name in names if name))
    whole = {normalized(name): name for name in reversed(known)}
    last = {normalized(_last(name)): name for name in reversed(known)}
    found: list[str] = []
    for word in wanted:
        for text, table, cutoff in (
            (word, whole, 0.6),
            (_last(word), last, 0.6),
            (word, last, 0.6),
            (word, whole, 0.45),
        ):
            found += [table[near] for near in difflib.get_close_matches(normalized(text), table, n=3, cutoff=cutoff)]
    return list(dict.fromkeys(found))[:3]


def _last(text: str) -> str:
    words = [step for step in ways(text)[-1] if isinstance(step, str)]
    return words[-1] if words else text
