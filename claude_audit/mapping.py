"""--map FILE.yaml: which column of a table holds what, for tables whose header does not say it in words we know.

model: engine            # our field: the table's column
input_tokens: toks_in
output_tokens: toks_out
endpoint: =newsletter    # after an equals sign: a constant for every row
"""

from __future__ import annotations

from pathlib import Path

from claude_audit.aliases import ALIASES, field_of, normalized
from claude_audit.errors import AuditError
from claude_audit.yaml_lines import place, read

INCLUDES_CACHE = "input_includes_cache"
"""Takes a constant only: whether input counts include the tokens read from and written to the cache."""

NAMES = {"model": "model_raw", "timestamp": "ts", "cost": "cost_reported_usd", "requests": "calls"}
"""What people call a field, where it is not our name for it."""

UNMAPPED = ("bare_id",)


def load(path: Path) -> dict[str, str]:
    """Our field -> the name of its column, or `=` and a constant.

    Raises AuditError for a file that can't be read, a field we don't know and a value that is neither.
    """
    data, lines = read(path)
    if not isinstance(data, dict) or not data:
        raise AuditError(f"{path}: a mapping has lines like `model: engine`", "our field, a colon, the table's column")
    found: dict[str, str] = {}
    for name, column in data.items():
        where = place(path, lines, (name,))
        field = _field(str(name))
        if field is None:
            raise AuditError(f"{where}: {name} is no field", _near(str(name)))
        if isinstance(column, bool):
            column = f"={str(column).lower()}"
        if not isinstance(column, str) or not column.strip("= "):
            raise AuditError(f"{where}: {name}: {column!r} is not the name of a column", "a constant begins with =")
        if field == INCLUDES_CACHE and column.lower() not in ("=true", "=false"):
            raise AuditError(f"{where}: {name} takes =true or =false", "it is a fact about the whole table, no column")
        if field in found:
            raise AuditError(f"{where}: {name} is mapped twice", "two names of one field: keep one of them")
        found[field] = column
    return found


def spoken(field: str) -> str:
    """What people call a field of ours."""
    return next((name for name, own in NAMES.items() if own == field), field)


def _field(name: str) -> str | None:
    if normalized(name) == normalized(INCLUDES_CACHE):
        return INCLUDES_CACHE
    known = NAMES.get(name) or (name if name in ALIASES and name not in UNMAPPED else field_of(name))
    return known if known not in UNMAPPED else None


def _near(name: str) -> str:
    import difflib

    fields = sorted({*ALIASES, *NAMES, INCLUDES_CACHE} - {*UNMAPPED, "model_raw"})
    near = difflib.get_close_matches(name.lower(), fields, n=1)
    return f"did you mean {near[0]!r}?" if near else f"known: {', '.join(fields)}"
