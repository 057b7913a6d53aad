"""--map FILE.yaml: where a log that nobody knows has our fields: paths into JSON, columns, constants, units.

model: engine                      # our field: a column, or a path such as usage.model or calls[0]."model id"
input_tokens: [in, usage.in]       # several: the first that is recorded
timestamp: {from: when, unit: ms}  # a unit, where it is not ours
latency_ms: {from: took, unit: s, optional: true}
endpoint: =newsletter              # after an equals sign: a constant for every record
tags: {branch: git.branch}         # more to attribute by
input_includes_cache: true         # whether input counts hold the tokens read from and written to the cache
output_excludes_thinking: true     # whether thinking tokens come on top of the output
records: data.calls                # JSON: the list, inside a line or a file, whose elements are the records
only: {type: llm_call}             # records with another value there are ignored

What it does not name is read by the names that claude-audit knows; what it names comes from there alone.
"""

from __future__ import annotations

import difflib
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from claude_audit import json_path
from claude_audit.aliases import ALIASES, field_of, normalized
from claude_audit.errors import AuditError
from claude_audit.mapping import (
    DIRECTIVES,
    EXCLUDES_THINKING,
    INCLUDES_CACHE,
    NAMES,
    SAID,
    SECTIONS,
    SWITCHES,
    UNITS,
    UNMAPPED,
    WORDS,
    FieldMap,
    Only,
    Source,
    fits,
    kind_of,
    measures,
)
from claude_audit.yaml_lines import Key, place, read


def load(path: Path) -> FieldMap:
    """The file. Raises AuditError, naming the file's line, for what can't be read or means nothing."""
    data, lines = read(path)
    if not isinstance(data, dict) or not data:
        raise AuditError(f"{path}: a mapping has lines like `model: engine`", "our field, a colon, a column or a path")
    return _Reader(path, lines).map(data)


@dataclass(frozen=True, slots=True)
class _Reader:
    path: Path
    lines: dict[Key, int]

    def map(self, data: Mapping[str, Any]) -> FieldMap:
        fields: dict[str, Source] = {}
        switches: dict[str, bool] = {}
        for name, value in data.items():
            if name in SECTIONS:
                continue
            if (switch := next((s for s in SWITCHES if normalized(s) == normalized(name)), None)) is not None:
                switches[switch] = self._truth(name, value)
                continue
            own = _field(name)
            if own is None:
                raise AuditError(f"{self._at(name)}: {name} is no field", _near(name))
            if own in fields:
                raise AuditError(
                    f"{self._at(name)}: {name} is mapped twice", "two names of one field: keep one of them"
                )
            fields[own] = self._source(own, name, value, (name,))
        return FieldMap(
            fields,
            self._tags(data.get("tags")),
            self._only(data.get("only")),
            self._records(data.get("records")),
            self._at("records") if "records" in data else "",
            switches.get(INCLUDES_CACHE),
            switches.get(EXCLUDES_THINKING, False),
        )

    def _at(self, *key: str | int) -> str:
        return place(self.path, self.lines, key)

    def _truth(self, name: str, value: Any) -> bool:
        if isinstance(value, str) and value.lower() in ("=true", "=false"):
            value = value.lower() == "=true"
        if not isinstance(value, bool):
            raise AuditError(
                f"{self._at(name)}: {name} takes true or false", "it is a fact about the whole log, no column"
            )
        return value

    def _source(self, own: str, name: str, value: Any, key: tuple[str, ...]) -> Source:
        where = self._at(*key)
        if isinstance(value, bool):
            value = f"={str(value).lower()}"
        if isinstance(value, str) and value.startswith("="):
            return Source(own, name, where, constant=_checked(own, name, value[1:].strip(), where))
        if not isinstance(value, dict):
            return Source(own, name, where, self._paths(name, value, where))
        known = ("from", "value", "unit", "format", "optional")
        for option in value:
            if option not in known:
                near = difflib.get_close_matches(option, known, n=1)
                raise AuditError(
                    f"{self._at(*key, option)}: {name}: unknown key {option}",
                    f"did you mean {near[0]!r}?" if near else f"known: {', '.join(known)}",
                )
        if ("from" in value) == ("value" in value):
            raise AuditError(f"{where}: {name} takes either from or value", "from: COLUMN-OR-PATH, value: CONSTANT")
        if "value" in value:
            text = value["value"]
            text = str(text).lower() if isinstance(text, bool) else str(text)
            return Source(own, name, where, constant=_checked(own, name, text, where))
        optional = value.get("optional", False)
        if not isinstance(optional, bool):
            raise AuditError(f"{self._at(*key, 'optional')}: {name}: optional takes true or false")
        unit, form = self._unit(own, name, value.get("unit"), key), self._format(own, name, value.get("format"), key)
        return Source(own, name, where, self._paths(name, value["from"], where), None, unit, form, optional)

    def _paths(self, name: str, value: Any, where: str) -> tuple[str, ...]:
        given = value if isinstance(value, list) else [value]
        if not given or any(not isinstance(text, str) or not text.strip() for text in given):
            shown = next((text for text in given if not isinstance(text, str) or not text.strip()), value)
            raise AuditError(
                f"{where}: {name}: {shown!r} is not the name of a column, nor a path", "a constant begins with ="
            )
        return tuple(text.strip() for text in given)

    def _unit(self, own: str, name: str, unit: Any, key: tuple[str, ...]) -> str:
        if unit is None:
            return ""
        units = UNITS.get(measures(own), {})
        if not units:
            raise AuditError(f"{self._at(*key, 'unit')}: {name} has no unit")
        found = str(unit).lower().replace("-", "_")
        if found not in units:
            raise AuditError(f"{self._at(*key, 'unit')}: {name}: no unit {unit}", f"one of: {', '.join(units)}")
        return found

    def _format(self, own: str, name: str, form: Any, key: tuple[str, ...]) -> str:
        if form is None:
            return ""
        where = self._at(*key, "format")
        if own != "ts" or not isinstance(form, str):
            raise AuditError(f"{where}: {name}: a format is for times", 'such as "%d.%m.%Y %H:%M:%S"')
        unknown = [d for d in re.findall(r"%-?(.?)", form) if d not in DIRECTIVES or not d]
        if unknown or "%" not in form:
            shown = f"%{unknown[0]}" if unknown else form
            raise AuditError(f"{where}: {name}: {shown} means nothing in a time", 'such as "%d.%m.%Y %H:%M:%S"')
        return form

    def _tags(self, value: Any) -> dict[str, Source]:
        if value is None:
            return {}
        if not isinstance(value, dict) or not value:
            raise AuditError(f"{self._at('tags')}: tags are a mapping", "such as tags: {branch: git.branch}")
        return {name: self._source(f"tag:{name}", name, entry, ("tags", name)) for name, entry in value.items()}

    def _only(self, value: Any) -> tuple[Only, ...]:
        if value is None:
            return ()
        if not isinstance(value, dict) or not value:
            raise AuditError(f"{self._at('only')}: only is a mapping", "such as only: {type: llm_call}")
        found = []
        for path, entry in value.items():
            values = entry if isinstance(entry, list) else [entry]
            if not values or any(isinstance(v, dict | list) or v is None for v in values):
                raise AuditError(f"{self._at('only', path)}: only: {path} takes a value or a list of them")
            said = tuple(str(v).lower() if isinstance(v, bool) else str(v).removeprefix("=") for v in values)
            found.append(Only(path, said, self._at("only", path)))
        return tuple(found)

    def _records(self, value: Any) -> str | None:
        if value is None:
            return None
        try:
            text = str(value).removesuffix("[*]").removesuffix("[]") if isinstance(value, str) else ""
            json_path.parse(text)
        except ValueError as error:
            raise AuditError(
                f"{self._at('records')}: records: {value!r} is no path", "such as records: data.calls"
            ) from error
        return text


def _checked(own: str, name: str, text: str, where: str) -> str:
    """A constant, which is of the field's type."""
    if not text:
        raise AuditError(f"{where}: {name}: an equals sign with nothing after it", "write the constant after it")
    wanted = kind_of(own)
    if not fits(wanted, text) or (own in WORDS and text.lower() not in WORDS[own]):
        what = f"one of {', '.join(WORDS[own])}" if own in WORDS else SAID[wanted]
        raise AuditError(f"{where}: {name}: {text!r} is not {what}", "a constant is taken as it stands")
    return text


def _field(name: str) -> str | None:
    known = NAMES.get(name) or (name if name in ALIASES and name not in UNMAPPED else field_of(name))
    return known if known not in UNMAPPED else None


def _near(name: str) -> str:
    fields = sorted({*ALIASES, *NAMES, *SWITCHES, *SECTIONS} - {*UNMAPPED, "model_raw"})
    near = difflib.get_close_matches(name.lower(), fields, n=1)
    return f"did you mean {near[0]!r}?" if near else f"known: {', '.join(fields)}"
