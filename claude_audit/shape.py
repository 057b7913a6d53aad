"""A file's shape as annotated dataclasses: read strictly, complaints with file and line, or shown as JSON Schema."""

from __future__ import annotations

import difflib
import types
from collections.abc import Callable, Mapping
from dataclasses import MISSING, dataclass, fields
from datetime import date
from decimal import Decimal
from functools import cache
from pathlib import Path
from typing import Annotated, Any, Literal, TypeVar, Union, cast, get_args, get_origin, get_type_hints

from claude_audit.errors import AuditError
from claude_audit.yaml_lines import Key, place

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Document:
    """A file as yaml_lines reads it."""

    path: str
    """As it is named in messages and beside prices."""
    data: Any
    lines: dict[Key, int]

    def place(self, key: Key) -> str:
        """`file:line` of a value."""
        return place(self.path, self.lines, key)

    def wrong(self, key: Key, message: str, hint: str = "") -> AuditError:
        """The error that says so, at that value."""
        name = ".".join(str(part) for part in key)
        return AuditError(f"{self.place(key)}: {name + ': ' if name else ''}{message}", hint)


Reader = Callable[[Any, Key, Document], Any]


def read(kind: type[T], document: Document) -> T:
    """The document as a `kind`. A dataclass with a field `where: str` gets its own `file:line` there.

    Raises AuditError for a missing, unknown or mistyped value.
    """
    hint: Any = kind
    return cast(T, _reader(hint)(document.data, (), document))


def document(path: Path, name: str | None = None) -> Document:
    """The YAML file at `path`, named `name` in messages. Raises AuditError when it can't be read."""
    from claude_audit import yaml_lines

    data, lines = yaml_lines.read(path)
    return Document(name or str(path), {} if data is None else data, lines)


@cache
def _hints(kind: type) -> dict[str, Any]:
    return get_type_hints(kind, include_extras=True)


@cache
def _reader(hint: Any) -> Reader:
    origin, args = get_origin(hint), get_args(hint)
    if origin is Annotated:
        return _reader(args[0])
    if origin in (Union, types.UnionType):
        return _union_reader(args)
    if origin is Literal:
        return _literal_reader(args)
    if origin is tuple:
        return _list_reader(_reader(args[0]))
    if origin is not None and issubclass(origin, Mapping):
        return _mapping_reader(_reader(args[0]), _reader(args[1]))
    if hasattr(hint, "__dataclass_fields__"):
        return _record_reader(hint)
    return _scalar_reader(hint)


def _scalar_reader(kind: type) -> Reader:
    words = {str: "text", bool: "true or false", int: "a whole number", date: "a date (YYYY-MM-DD)"}
    wanted = words.get(kind, "a number")
    accepts: tuple[type, ...] = (int, Decimal) if kind is Decimal else (kind,)

    def read_scalar(value: Any, key: Key, document: Document) -> Any:
        if type(value) not in accepts:
            raise document.wrong(key, f"{_said(value)} is not {wanted}")
        return Decimal(value) if kind is Decimal else value

    return read_scalar


def _union_reader(args: tuple[Any, ...]) -> Reader:
    optional = type(None) in args
    readers = [_reader(arg) for arg in args if arg is not type(None)]

    def read_union(value: Any, key: Key, document: Document) -> Any:
        if value is None and optional:
            return None
        for reader in readers[:-1]:
            try:
                return reader(value, key, document)
            except AuditError:
                continue
        return readers[-1](value, key, document)

    return read_union


def _literal_reader(allowed: tuple[Any, ...]) -> Reader:
    def read_literal(value: Any, key: Key, document: Document) -> Any:
        if value not in allowed:
            names = ", ".join(map(str, allowed))
            raise document.wrong(key, f"{_said(value)} is not one of {names}", _near(value, allowed))
        return value

    return read_literal


def _list_reader(item: Reader) -> Reader:
    def read_list(value: Any, key: Key, document: Document) -> tuple[Any, ...]:
        if not isinstance(value, list):
            raise document.wrong(key, f"{_said(value)} is not a list")
        return tuple(item(entry, (*key, position), document) for position, entry in enumerate(value))

    return read_list


def _mapping_reader(name: Reader, item: Reader) -> Reader:
    def read_mapping(value: Any, key: Key, document: Document) -> dict[str, Any]:
        if not isinstance(value, dict):
            raise document.wrong(key, f"{_said(value)} is not a mapping")
        return {name(entry, (*key, entry), document): item(value[entry], (*key, entry), document) for entry in value}

    return read_mapping


def _record_reader(kind: Any) -> Reader:
    hints = _hints(kind)
    readers = {field.name: _reader(hints[field.name]) for field in fields(kind) if field.name != "where"}
    needed = tuple(
        field.name
        for field in fields(kind)
        if field.default is MISSING and field.default_factory is MISSING and field.name != "where"
    )
    placed = "where" in hints

    def read_record(value: Any, key: Key, document: Document) -> Any:
        if not isinstance(value, dict):
            raise document.wrong(key, f"{_said(value)} is not a mapping of {', '.join(readers)}")
        given = {}
        for name, entry in value.items():
            if name not in readers:
                raise document.wrong((*key, name), "unknown key", _near(name, readers))
            given[name] = readers[name](entry, (*key, name), document)
        for name in needed:
            if name not in given:
                raise document.wrong(key, f"{name} is missing")
        if placed:
            given["where"] = document.place(key)
        return kind(**given)

    return read_record


def _said(value: Any) -> str:
    if value is None:
        return "nothing"
    if isinstance(value, dict | list):
        return "a mapping" if isinstance(value, dict) else "a list"
    if isinstance(value, bool):
        return str(value).lower()
    return repr(value) if isinstance(value, str) else str(value)


def _near(value: Any, allowed: Any) -> str:
    near = difflib.get_close_matches(str(value), [str(name) for name in allowed], n=1)
    return f"did you mean {near[0]!r}?" if near else f"known: {', '.join(str(name) for name in allowed)}"


def schema(kind: Any, definitions: dict[str, Any]) -> dict[str, Any]:
    """The JSON Schema (2020-12) of a type; dataclasses are added to `definitions` and referred to."""
    origin, args = get_origin(kind), get_args(kind)
    if origin is Annotated:
        return {**schema(args[0], definitions), "description": args[1]}
    if origin in (Union, types.UnionType):
        return {"anyOf": [schema(arg, definitions) for arg in args]}
    if origin is Literal:
        return {"enum": list(args)}
    if origin is tuple:
        return {"type": "array", "items": schema(args[0], definitions)}
    if origin is not None and issubclass(origin, Mapping):
        names, values = schema(args[0], definitions), schema(args[1], definitions)
        shape = {"type": "object", "additionalProperties": values}
        return shape if names == {"type": "string"} else {**shape, "propertyNames": names}
    if hasattr(kind, "__dataclass_fields__"):
        if kind.__name__ not in definitions:
            definitions[kind.__name__] = {}  # a place, so that a type may hold itself
            definitions[kind.__name__] = _record_schema(kind, definitions)
        return {"$ref": f"#/$defs/{kind.__name__}"}
    if kind is date:
        return {"type": "string", "format": "date"}
    names_of: dict[Any, str] = {str: "string", bool: "boolean", int: "integer", Decimal: "number", type(None): "null"}
    return {"type": names_of[kind]}


def _record_schema(kind: Any, definitions: dict[str, Any]) -> dict[str, Any]:
    hints = _hints(kind)
    keep = [field for field in fields(kind) if field.name != "where"]
    return {
        "type": "object",
        "description": (kind.__doc__ or "").strip().splitlines()[0],
        "properties": {field.name: schema(hints[field.name], definitions) for field in keep},
        "required": [f.name for f in keep if f.default is MISSING and f.default_factory is MISSING],
        "additionalProperties": False,
    }
