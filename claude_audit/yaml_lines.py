"""YAML whose numbers are exact and whose every value knows the line it stands on."""

from __future__ import annotations

import re
from datetime import date
from decimal import Decimal
from pathlib import Path
from typing import Any

from claude_audit.errors import AuditError

Key = tuple[str | int, ...]
"""The way to a value: mapping keys and list positions from the top. `()` is the document itself."""

_INT = re.compile(r"[-+]?[0-9]{1,40}")
_DECIMAL = re.compile(r"[-+]?(?:[0-9]{1,40}\.?[0-9]{0,40}|\.[0-9]{1,40})(?:[eE][-+]?[0-9]{1,2})?")
_DATE = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}")
_WORDS = {"": None, "~": None, "null": None, "true": True, "false": False}

MAX_DEPTH = 40
MAX_VALUES = 200_000
"""Far beyond any file a person keeps; they stop aliases that point at themselves or multiply."""


def load(text: str, path: str | Path) -> tuple[Any, dict[Key, int]]:
    """(the document, line of each of its values by Key; lines count from 1). An empty document is None.

    Plain numbers become int, or Decimal when they have a point or an exponent, so 0.1 is one tenth. Plain dates become
    `date`; true, false and null are the YAML 1.2 words (no, off and yes stay text). Quoted scalars are text.
    Raises AuditError, naming `path` and the line, for what is not YAML and for a key given twice.
    """
    import yaml

    try:
        parser = _parser_class()(text)
        try:
            node = parser.get_single_node()
        finally:
            parser.dispose()
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        where = f"{path}:{min(mark.line, text.count(chr(10))) + 1}" if mark else f"{path}"
        raise AuditError(f"{where}: not valid YAML: {error.problem or error.context}") from error
    except yaml.YAMLError as error:
        raise AuditError(f"{path}: not valid YAML: {' '.join(str(error).split())}") from error
    lines: dict[Key, int] = {}
    return (None if node is None else _value(node, (), lines, path)), lines


def read(path: Path) -> tuple[Any, dict[Key, int]]:
    """`load` of a UTF-8 file. Raises AuditError when the file can't be read."""
    try:
        text = path.read_text(encoding="utf-8-sig")
    except OSError as error:
        raise AuditError(f"{path}: can't be read: {error.strerror or error}") from error
    except UnicodeDecodeError as error:
        raise AuditError(f"{path}: not UTF-8 text (byte {error.start})", "save the file as UTF-8") from error
    return load(text, path)


def place(path: str | Path, lines: dict[Key, int], key: Key) -> str:
    """`file:line` of a value, or of the nearest thing around it that has a line."""
    while key and key not in lines:
        key = key[:-1]
    return f"{path}:{lines.get(key, 1)}"


_PARSERS: dict[str, Any] = {}


def _parser_class() -> Any:
    """PyYAML's composer, in C where it is there, with only one question asked of a scalar: was it quoted?"""
    if "parser" not in _PARSERS:
        import yaml

        class Plain:
            """Tags a plain scalar "p" and everything else "q"; PyYAML's own YAML 1.1 guesses cost most of its time."""

            def resolve(self, kind: type, value: object, implicit: object) -> str:
                return "p" if isinstance(implicit, tuple) and implicit[0] else "q"

            def descend_resolver(self, current_node: object, current_index: object) -> None: ...

            def ascend_resolver(self) -> None: ...

        if yaml.__with_libyaml__:
            c_module: Any = yaml.cyaml
            _PARSERS["parser"] = type("LineParser", (Plain, c_module.CParser), {})
        else:

            def init(self: Any, stream: str) -> None:
                yaml.reader.Reader.__init__(self, stream)
                yaml.scanner.Scanner.__init__(self)
                yaml.parser.Parser.__init__(self)
                yaml.composer.Composer.__init__(self)

            bases = (Plain, yaml.reader.Reader, yaml.scanner.Scanner, yaml.parser.Parser, yaml.composer.Composer)
            _PARSERS["parser"] = type("LineParser", bases, {"__init__": init})
    return _PARSERS["parser"]


def _value(node: Any, key: Key, lines: dict[Key, int], path: str | Path) -> Any:
    line = node.start_mark.line + 1
    if len(key) > MAX_DEPTH or len(lines) > MAX_VALUES:
        raise AuditError(f"{path}:{line}: nested too deep or too large", "aliases (*name) may point at themselves")
    lines[key] = line
    content = node.value
    if isinstance(content, str):
        return _scalar(content, line, path) if node.tag == "p" else content
    if content and isinstance(content[0], tuple):
        result: dict[Any, Any] = {}
        for key_node, value_node in content:
            name = key_node.value
            if not isinstance(name, str):
                raise AuditError(f"{path}:{key_node.start_mark.line + 1}: a key must be a word")
            if name in result:
                raise AuditError(f"{path}:{key_node.start_mark.line + 1}: {name!r} is given twice", "keep one of them")
            result[name] = _value(value_node, (*key, name), lines, path)
            lines[*key, name] = key_node.start_mark.line + 1
        return result
    if not content:
        return {} if node.id == "mapping" else []
    return [_value(item, (*key, position), lines, path) for position, item in enumerate(content)]


def _scalar(text: str, line: int, path: str | Path) -> Any:
    if text in _WORDS:
        return _WORDS[text]
    if text[0] not in "0123456789+-.":
        return text
    if _INT.fullmatch(text):
        return int(text)
    if _DECIMAL.fullmatch(text):
        return Decimal(text)
    if _DATE.fullmatch(text):
        try:
            return date.fromisoformat(text)
        except ValueError as error:
            raise AuditError(f"{path}:{line}: {text} is not a date of the calendar") from error
    return text
