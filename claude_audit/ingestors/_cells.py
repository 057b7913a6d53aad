"""Rows of tables as records of JSON: what their cells hold is what was logged, the other columns stand around it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from claude_audit.aliases import field_of, normalized, taggable
from claude_audit.ingestors import Reading, messages, parsed
from claude_audit.ingestors import _wrapped as wrapped
from claude_audit.ingestors._body import BODY
from claude_audit.ingestors._unfolded import COUNTING
from claude_audit.pieces import quoted

MOST_LOOKED_AT = 20
"""Cells of a column that tell what it holds."""
AS_THEY_ARE = ("usage", "usage_metadata", "request", "response_metadata", "diagnostics", "tags")
"""Names of what is read as JSON beside, or around, a usage block."""
PLACES = tuple(name for name in ("response", *wrapped.CONTAINERS) if name not in wrapped.STRINGS)
"""Where a record may stand inside another one: for columns of other names."""


def roles(cells: Mapping[str, Sequence[str]]) -> dict[str, str]:
    """Column -> the key that its JSON has in the record; of columns that hold JSON, if one of them holds counts.

    `cells`: some of each column.
    """
    found: dict[str, str] = {}
    counted = False
    for column, texts in cells.items():
        values = [value for text in texts if text.lstrip().startswith("{") and isinstance(value := parsed(text), dict)]
        if not values:
            continue
        name = next((known for known in AS_THEY_ARE if normalized(known) == normalized(column)), None)
        if name and name.startswith("usage"):
            holds = any(messages.token_record({name: value}) for value in values)
        else:
            holds = name is None and any(map(messages.token_record, values))
        if holds and name is None:
            name = next((place for place in PLACES if place not in found.values()), None)
        if name and name not in found.values():
            found[column] = name
            counted = counted or holds
    return found if counted else {}


def records(reading: Reading, rows: str, columns: Mapping[str, str], nested: Mapping[str, str]) -> str:
    """SQL: the JSON of each of the rows. `columns`: name -> SQL of its text or value; `nested`: of its JSON, as it is typed."""

    every = {**columns, **nested}

    def some(sql: str) -> str:
        text = f"CAST({sql} AS VARCHAR)"
        like_json = f"starts_with(ltrim({text}), '{{')"
        counting = f"{like_json} AND regexp_matches(lower({text}), {quoted(COUNTING)})"
        return (
            f"list_concat(max({text}, {MOST_LOOKED_AT}) FILTER ({counting}), [any_value({text}) FILTER ({like_json})])"
        )

    # All columns in one scan: of each, cells that seem to count, and one of the others.
    looked_at = (
        reading.connection.execute(f"SELECT {', '.join(map(some, every.values()))} FROM {rows}").fetchone() or ()
    )
    held = roles({name: list(filter(None, texts)) for name, texts in zip(every, looked_at, strict=True)})
    entries = []
    for name, sql in every.items():
        if name in held:
            json = f"coalesce(TRY_CAST({sql} AS JSON), to_json({sql}))"
            entries.append(f"{quoted(held[name])}, {sql if name in nested else json}")
        elif name not in held.values() and (name in BODY or field_of(name) or taggable(name)):
            entries.append(f"{quoted(name)}, {sql}")  # what was asked and answered is left behind
    return f"CAST(json_object({', '.join(entries)}) AS VARCHAR)"


def calls(reading: Reading, rows: str) -> str:
    """The SELECT for rows `file, line, broken, text`: what `messages` makes of the text, and why a row is broken."""
    reading.connection.execute(f"CREATE OR REPLACE TEMP TABLE cell_records AS {messages.keyed(f'({rows})', 'broken')}")
    return f"""
        SELECT m.* REPLACE (coalesce(t.broken, m.reject) AS reject)
        FROM ({messages.select(reading, "cell_records")}) AS m JOIN cell_records AS t USING (file, line)"""
