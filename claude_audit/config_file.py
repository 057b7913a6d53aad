"""The configuration files: which one counts, and what it says, with the line of every value."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from pathlib import Path
from typing import Any

from claude_audit.errors import AuditError

NAMES = ("claude-audit.yaml", "claude-audit.yml")
TABLE = ("tool", "claude-audit")
"""Where pyproject.toml holds the same keys."""

Key = tuple[str | int, ...]


@dataclass(frozen=True, slots=True)
class Source:
    """Values from one place."""

    name: str
    """The file as messages name it, or the environment variable."""
    base: Path
    """What relative paths in it are relative to."""
    data: Mapping[str, Any]
    lines: Mapping[Key, int] = field(default_factory=dict)

    def place(self, key: Key) -> str:
        """`file:line` of a value, or of the nearest thing around it that has a line."""
        while key and key not in self.lines:
            key = key[:-1]
        return f"{self.name}:{self.lines[key]}" if key in self.lines else self.name


def sources(forced: Path | None, environ: Mapping[str, str], cwd: Path) -> list[Source]:
    """The files that count, the strongest first: the forced one alone, or the project's nearest and the user's own."""
    if forced is not None:
        source = read(forced.expanduser(), cwd)
        if source is None:
            raise AuditError(
                f"{forced} has no [{'.'.join(TABLE)}]", "add that table, or name another file with --config"
            )
        return [source]
    found = [_nearest(cwd), _users(environ, cwd)]
    return [source for source in found if source is not None]


def read(path: Path, cwd: Path) -> Source | None:
    """What a YAML file, or the table of a TOML file, says; None for a TOML file without that table."""
    path = cwd / path
    name, base = _shown(path, cwd), Path(_shown(path.parent, cwd))
    if path.suffix == ".toml":
        found = _toml(path, name)
        if found is None:
            return None
        data, lines = found
    else:
        from claude_audit import yaml_lines

        # Through `load`, not `read`: messages then name the file as the user sees it.
        data, lines = yaml_lines.load(_text(path, name), name)
    if data is None:
        data = {}
    if not isinstance(data, dict):
        raise AuditError(f"{name}:1: must be keys with values, such as `timezone: Europe/Berlin`")
    return Source(name, base, data, lines)


def _nearest(cwd: Path) -> Source | None:
    for folder in (cwd, *cwd.parents):
        for name in NAMES:
            if _there(folder / name):
                return read(folder / name, cwd)
        project = folder / "pyproject.toml"
        if _there(project) and (source := read(project, cwd)) is not None:
            return source
    return None


def _users(environ: Mapping[str, str], cwd: Path) -> Source | None:
    if home := environ.get("XDG_CONFIG_HOME"):
        folder = Path(home)
    elif home := environ.get("HOME"):
        folder = Path(home) / ".config"
    else:
        return None
    path = folder / "claude-audit" / "config.yaml"
    return read(path, cwd) if _there(path) else None


def _there(path: Path) -> bool:
    """Whether there is such a file, as far as this user can see: in a container the home may be another's."""
    try:
        return path.is_file()
    except OSError:
        return False


def _shown(path: Path, cwd: Path) -> str:
    """Relative to the working folder where that is shorter to read, else in full."""
    full = Path(os.path.normpath(path))
    if full.is_relative_to(cwd):
        return str(full.relative_to(cwd))
    return os.path.relpath(full, cwd) if cwd.is_relative_to(full.parent) and len(cwd.parts) > 2 else str(full)


def _text(path: Path, name: str) -> str:
    try:
        return path.read_text(encoding="utf-8-sig")
    except OSError as error:
        hint = "--config names a file; without it claude-audit.yaml of this folder is read, if there is one"
        raise AuditError(f"{name}: can't be read: {error.strerror or error}", hint) from error
    except UnicodeDecodeError as error:
        raise AuditError(f"{name}: not UTF-8 text (byte {error.start})", "save the file as UTF-8") from error


_HEADER = re.compile(r"\s*(\[\[?)\s*([^\[\]]+?)\s*\]\]?\s*(#.*)?$")
_PAIR = re.compile(r"\s*([A-Za-z0-9_-]+|\"[^\"]+\"|'[^']+')\s*=")


def _toml(path: Path, name: str) -> tuple[Any, dict[Key, int]] | None:
    text = _text(path, name)
    if TABLE[1] not in text:
        return None
    import tomllib

    try:
        document = tomllib.loads(text, parse_float=Decimal)
    except tomllib.TOMLDecodeError as error:
        line = re.search(r"at line (\d+)", str(error))
        raise AuditError(f"{name}:{line[1] if line else 1}: not valid TOML: {error}") from error
    tool = document.get(TABLE[0])
    if not isinstance(tool, dict) or TABLE[1] not in tool:
        return None
    return tool[TABLE[1]], _toml_lines(text)


def _toml_lines(text: str) -> dict[Key, int]:
    """Lines of the table's keys. tomllib keeps none, so they are read off the layout; only messages depend on them."""
    lines: dict[Key, int] = {}
    seen: dict[Key, int] = {}
    inside: Key | None = None
    array: Key | None = None
    for number, line in enumerate(text.splitlines(), 1):
        if header := _HEADER.match(line):
            path = tuple(part.strip().strip("\"'") for part in header[2].split("."))
            inside = array = None
            if path[: len(TABLE)] == TABLE:
                inside = path[len(TABLE) :]
                if header[1] == "[[":
                    position = seen[inside] = seen.get(inside, -1) + 1
                    inside = (*inside, position)
                lines.setdefault(inside, number)
        elif inside is not None and array is not None and line.lstrip().startswith("{"):
            position = seen[array] = seen.get(array, -1) + 1
            lines[*array, position] = number
        elif inside is not None and (pair := _PAIR.match(line)):
            key = (*inside, pair[1].strip("\"'"))
            lines.setdefault(key, number)
            array = key if line.rstrip().endswith("[") else None
    return lines
