"""The records of an export, however it was saved: JSON lines, JSON documents, rows under a header, Parquet.

Each becomes a relation of file, line, part (of a line that lists several), `broken` (why it is no record, else null) and the fields that a format asks for, as
text; a nested value is JSON text, also where the export has it as a string.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from claude_audit.aliases import normalized
from claude_audit.errors import AuditError
from claude_audit.ingestors import Head, Ingestor, Kind, Reading
from claude_audit.ingestors import _table as table
from claude_audit.pieces import identifier, quoted, quoted_list

LISTS = (
    *("data", "results", "records", "runs", "requests", "observations", "logs", "items", "events", "rows", "value"),
    "logEvents",
)
"""Under which an answer of an export API lists its records; the last one is a CloudWatch subscription's."""
OBJECTS = ("jsonPayload", "_source", "fields", "event", "data", "body", "response", "record", "log")
STRINGS = ("message", "msg", "log", "line", "@message", "MESSAGE", "textPayload", "data", "event")
WRAPPERS = tuple(dict.fromkeys((*OBJECTS, *STRINGS)))
"""What log collectors put around a record: an object, or a string of JSON."""
_AROUND = (*WRAPPERS, *LISTS)
_NAMES = frozenset(_AROUND)
DEPTH = 3
COUNT = re.compile(r"(tokens?|units)$")
"""A column of counts, by its normalized name: in a table the thousands may be separated."""
MOST = 20
"""Records looked at to recognise a list."""


@dataclass(frozen=True, slots=True)
class Fields:
    """What a format reads of a record: our name -> its spellings, the likeliest first."""

    texts: Mapping[str, tuple[str, ...]]
    nested: Mapping[str, tuple[str, ...]]
    marks: tuple[str, ...]
    """Keys that only a record of the format has at its top: by one of them it is found inside what is around it."""

    @property
    def names(self) -> tuple[str, ...]:
        return (*self.texts, *self.nested)


def fields(texts: str, nested: str, marks: str) -> Fields:
    """Fields from words: `name` or `name=spelling|spelling`, with blanks between."""

    def spelt(words: str) -> dict[str, tuple[str, ...]]:
        pairs = [word.partition("=") for word in words.split()]
        return {name: tuple((spellings or name).split("|")) for name, _, spellings in pairs}

    return Fields(spelt(texts), spelt(nested), tuple(marks.split()))


def inside(record: Mapping[str, Any], depth: int = 0) -> Iterator[Mapping[str, Any]]:
    """A JSON object and those that it wraps or lists: candidates for a record."""
    yield record
    if depth == DEPTH or _NAMES.isdisjoint(record):
        return
    for name in _AROUND:
        value = record.get(name)
        if isinstance(value, str):
            if not value.lstrip().startswith("{"):
                continue
            try:
                value = json.loads(value)
            except (ValueError, RecursionError):
                continue
        if isinstance(value, dict):
            yield from inside(value, depth + 1)
        elif isinstance(value, list):
            for item in value[:MOST]:
                found = of_fields(item) if isinstance(item, list) else item
                if isinstance(found, dict):
                    yield from inside(found, depth + 1)


def of_fields(parts: Sequence[object]) -> dict[str, Any]:
    """A record of CloudWatch Logs Insights, which answers with lists of `field` and `value`."""
    return {p["field"]: p.get("value") for p in parts if isinstance(p, dict) and isinstance(p.get("field"), str)}


def ingestor(
    *,
    name: str,
    title: str,
    belongs: Callable[[Mapping[str, Any] | Sequence[str]], bool],
    wanted: Fields,
    calls: Callable[[str], str],
    rank: int,
    doc: str,
    cross_line: bool = False,
) -> Ingestor:
    """A format whose records are the same as JSON, under a header and in Parquet: `calls` is the SELECT over their fields.

    `belongs`: whether a record, or a table with these columns, is of the format.
    """
    return Ingestor(
        name=name,
        title=title,
        kind=Kind.LINES,
        recognise=lambda head: recognised(head, belongs),
        select=lambda _: calls(of_json(wanted)),
        table=lambda reading: calls(of_table(reading, wanted)),
        parquet=lambda reading: calls(of_parquet(reading, wanted)),
        rank=rank,
        shared=True,
        cross_line=cross_line,
        doc=doc,
    )


def recognised(head: Head, belongs: Callable[[Mapping[str, Any] | Sequence[str]], bool]) -> bool:
    """Whether a record `belongs` to a format (a mapping), or a table does (the names of its columns)."""
    if head.columns:
        return belongs(head.columns)
    if head.json:
        return any(map(belongs, head.inside))
    return belongs(table.header(head.text)[0])


def of_json(wanted: Fields, lines: str = "lines") -> str:
    """SQL: the records of lines and documents."""
    structure = quoted(
        json.dumps(
            {
                **{spelling: "VARCHAR" for spellings in wanted.texts.values() for spelling in spellings},
                **{spelling: "JSON" for spellings in wanted.nested.values() for spelling in spellings},
            }
        )
    )
    columns = [f"{_first(spellings)} AS {identifier(name)}" for name, spellings in wanted.texts.items()]
    columns += [
        f"{as_json(_first(spellings, nested=True))} AS {identifier(name)}" for name, spellings in wanted.nested.items()
    ]
    return f"""
        SELECT file, line, part, CASE WHEN r IS NULL THEN 'not valid JSON' END AS broken, {", ".join(columns)}
        FROM (
            SELECT file, line, part, coalesce(
                TRY(json_transform(text, {structure})),
                TRY(json_transform(without_lone_surrogates(text), {structure}))) AS r
            FROM ({unwrapped(wanted.marks, lines)})
        )"""


def _first(spellings: Sequence[str], *, nested: bool = False) -> str:
    wrap = "nullif(CAST(r.{} AS VARCHAR), 'null')" if nested else "r.{}"
    values = [wrap.format(identifier(spelling)) for spelling in spellings]
    return values[0] if len(values) == 1 else f"coalesce({', '.join(values)})"


FIELD_LISTS = """coalesce(
                CAST(TRY(map_from_entries(list_transform(
                    list_filter(TRY(json_transform(text, '[{"field":"VARCHAR","value":"VARCHAR"}]')), lambda f: f.field IS NOT NULL),
                    lambda f: {'k': f.field, 'v': f.value}))) AS JSON)::VARCHAR, text)"""


def unwrapped(marks: Sequence[str], lines: str = "lines") -> str:
    """SQL: file, line, part and text of the objects that have one of the keys `marks`, out of lists and wrappers.

    A list of `field` and `value`, as CloudWatch Logs Insights answers, is taken as an object. `line` counts on through a
    list, and `part` is the place in it: by both a record is told from those of the lines after it. Lines without such an
    object stay as they are.
    """
    found = f"list_has_any(coalesce(TRY(json_keys(x)), []), {quoted_list(marks)})"
    listed = ", ".join(quoted(f"$.{name}") for name in LISTS)
    steps = ", ".join(
        f"CASE WHEN starts_with(ltrim(json_extract_string(x, {path})), '{{') THEN json_extract_string(x, {path}) END"
        for path in (quoted(f'$."{name}"') for name in WRAPPERS)
    )
    steps += """, CASE WHEN json_extract_string(x, '$.field') = '@message' THEN json_extract_string(x, '$.value') END"""
    inner = "[text]"
    for _ in range(DEPTH):
        inner = (
            f"list_transform({inner}, lambda x: CASE WHEN {found} THEN x ELSE coalesce(TRY(coalesce({steps})), x) END)"
        )
    types = f"TRY(json_type(text, [{listed}]))"
    items = f"from_json(json_extract(text, [{listed}])[list_position({types}, 'ARRAY')], '[\"JSON\"]')::VARCHAR[]"
    return f"""
        SELECT file, line, part, CASE WHEN direct THEN text ELSE {inner}[1] END AS text
        FROM (
            SELECT file, line, part, direct, CASE WHEN starts_with(ltrim(text), '[') THEN {FIELD_LISTS} ELSE text END AS text
            FROM (
                SELECT file, direct, line + place - 1 AS line, CASE WHEN several THEN place::INTEGER END AS part, text
                FROM (
                    SELECT file, direct, line, len(items) > 1 AS several, unnest(items) AS text, generate_subscripts(items, 1) AS place
                    FROM (
                        SELECT file, line, direct, CASE
                            WHEN direct THEN [text]
                            WHEN starts_with(ltrim(text), '[')
                                    AND coalesce(TRY(json_type(text, '$[0]') = 'OBJECT' AND NOT json_exists(text, '$[0].field')), false)
                                THEN coalesce(nullif(TRY(from_json(text, '["JSON"]'))::VARCHAR[], []), [text])
                            WHEN list_position({types}, 'ARRAY') IS NULL THEN [text]
                            ELSE coalesce(nullif({items}, []), [text]) END AS items
                        FROM (SELECT file, line, text, {found.replace("json_keys(x)", "json_keys(text)")} AS direct FROM {lines})
                    )
                )
            )
        )"""


def as_json(text: str) -> str:
    """SQL: valid JSON text, out of its string where an export has a nested value as a string; of server-sent events their
    payloads, as an array; null for anything else.
    """
    return f"""CASE
                WHEN NOT coalesce(json_valid({text}), false) THEN events_of({text})
                WHEN json_type({text}) = 'NULL' THEN NULL
                WHEN json_type({text}) <> 'VARCHAR' THEN {text}
                WHEN json_valid(CAST({text} AS JSON)->>'$') THEN CAST({text} AS JSON)->>'$'
                ELSE events_of(CAST({text} AS JSON)->>'$')
            END"""


def of_table(reading: Reading, wanted: Fields) -> str:
    """SQL: the rows under a header, of all files that are read now."""
    parts = []
    for part in table.tables(reading):
        columns = {normalized(name): f"c{place}" for place, name in reversed([*enumerate(part.names, 1)])}
        parts.append(f"SELECT file, line, NULL::INTEGER AS part, broken, {_cells(wanted, columns)} FROM {part.rows}")
    if not parts:
        nothing = ", ".join(f"NULL::VARCHAR AS {identifier(name)}" for name in wanted.names)
        return f"SELECT file, line, NULL::INTEGER AS part, NULL::VARCHAR AS broken, {nothing} FROM csv_lines"
    return "\nUNION ALL BY NAME\n".join(parts)


def of_parquet(reading: Reading, wanted: Fields) -> str:
    """SQL: the rows of Parquet files; `line` is the number of the row.

    Raises AuditError for a file that is no readable Parquet.
    """
    from claude_audit.engines.bare import duckdb

    parts = []
    for file, path in reading.paths.items():
        source = f"{quoted_list([path])}, hive_partitioning = false, binary_as_string = true"
        try:
            described = reading.connection.execute(f"DESCRIBE SELECT * FROM read_parquet({source})").fetchall()
        except duckdb.Error as error:
            raise AuditError(f"{path}: no readable Parquet file: {str(error).splitlines()[0][:200]}") from error
        columns = {normalized(str(name)): _plain(identifier(str(name)), str(kind)) for name, kind, *_ in described}
        parts.append(f"""
            SELECT {file} AS file, file_row_number + 1 AS line, NULL::INTEGER AS part, NULL::VARCHAR AS broken, {_cells(wanted, columns)}
            FROM read_parquet({source}, file_row_number = true)""")
    return "\nUNION ALL BY NAME\n".join(parts)


def _plain(column: str, kind: str) -> str:
    """SQL: a typed column as text; what is nested as JSON."""
    if kind.endswith("]") or kind.startswith(("MAP(", "STRUCT(", "VARIANT")):
        return f"CAST(to_json({column}) AS VARCHAR)"
    return f"CAST({column} AS VARCHAR)"


def _cells(wanted: Fields, columns: Mapping[str, str]) -> str:
    """SQL: the fields of a table. `columns`: normalized name -> SQL of its text."""
    parts = []
    for names, is_nested in ((wanted.texts, False), (wanted.nested, True)):
        for name, spellings in names.items():
            found = dict.fromkeys(columns[normalized(s)] for s in spellings if normalized(s) in columns)
            values = [f"nullif({sql}, '')" for sql in found] or ["NULL::VARCHAR"]
            if any(COUNT.search(normalized(s)) for s in spellings):
                values = [f"counted({sql})" for sql in values]
            text = f"coalesce({', '.join(values)})" if len(values) > 1 else values[0]
            parts.append(f"{as_json(text) if is_nested else text} AS {identifier(name)}")
    return ", ".join(parts)


def utc(text: str) -> str:
    """SQL: a time of a source that writes UTC without saying so, with its zone."""
    return f"CASE WHEN naive_time({text}) THEN replace({text}, ',', '.') || 'Z' ELSE {text} END"
