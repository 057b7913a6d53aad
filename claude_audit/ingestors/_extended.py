"""MongoDB's extended JSON, as mongoexport writes it: numbers, times and ids that say their type, read as what they are."""

from __future__ import annotations

from collections.abc import Sequence

from claude_audit.pieces import quoted

KEY = "_id"
"""Every document has one: where no record does, nothing is looked for."""
VALUES = r'\{ *"\$(?:oid|uuid|numberInt|numberLong|numberDouble|numberDecimal)" *: *("[^"]*") *\}'
DATES = r'\{ *"\$date" *: *("[^"]*"|-?[0-9]+) *\}'


def plain(lines: str, keys: Sequence[Sequence[str]]) -> str:
    """The relation of lines whose objects have these keys, with the typed values of its text as plain ones."""
    if not any(KEY in names for names in keys):
        return lines
    text = "text"
    for pattern in (VALUES, DATES):  # a date may be a number that says its type
        text = f"regexp_replace({text}, {quoted(pattern)}, '\\1', 'g')"
    return f"""(SELECT * REPLACE (CASE WHEN contains(text, '"$') THEN {text} ELSE text END AS text) FROM {lines})"""
