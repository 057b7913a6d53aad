"""Home-made tables of calls: CSV with commas, semicolons, tabs or bars, one call a row under a header.

Recognised by a header with a column of input or output tokens (names in claude_audit.aliases; case, blanks, `_` and `-`
make no difference), or by the columns that --map names (`claude-audit formats show mapped`; a path leads on into a cell
that holds JSON). Titles, remarks and a line `sep=;` above the header are passed over. Counts may be quoted and have
separators of thousands; an empty cell, `-` and `null` are "not recorded", which is not 0. Unknown columns become tags,
unless they hold text.

- Between semicolons 1.000 is a thousand and 1,25 is one and a quarter, unless a count such as 1204.0 proves the contrary;
  between tabs 2.345 proves it; between commas a dot is a decimal mark.
- Whether input includes cached tokens: `prompt_tokens` beside `cached_tokens` does (OpenAI's shape), names of Anthropic's
  shape do not; a mixture is taken to include them, flagged, unless a row has more cached tokens than input, which proves
  the contrary for the whole file. `input_includes_cache: true` in --map settles it.
- A row of several calls (column `calls`) counts as that many requests.
- A row without a readable time is rejected: that is what a line of totals looks like. So is a row that does not fit the
  header; its neighbours are read.
- Every row without a request or message id is a call, equal rows too.

Cannot tell what the table leaves out: mostly the cache (input is then a lower bound, flagged), the time to live of cache
writes, searches, and the model where no column says it (--assume-model, --map).
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import TYPE_CHECKING

from claude_audit import json_path
from claude_audit.aliases import ALIASES, WRITTEN, fields, inclusive, meant, normalized, taggable, unseen
from claude_audit.ingestors import Head, Ingestor, Kind, Reading
from claude_audit.ingestors import _mapped as mapped
from claude_audit.ingestors import _named as named
from claude_audit.ingestors import _table as table
from claude_audit.ingestors._numbers import dotted
from claude_audit.mapping import FieldMap, check
from claude_audit.pieces import quoted_list

if TYPE_CHECKING:
    from claude_audit.ingestors._table import Table

MOST_TAGS = 64
DERIVED = ("totaltokens", "total")
"""No labels: the sums of columns that are read."""
CACHE = ("cache_read_tokens", "cache_write_tokens", "cache_write_5m_tokens", "cache_write_1h_tokens")


def _recognise(head: Head) -> bool:
    if head.json:
        return False
    names, _ = table.header(head.text)
    if len(names) < 2:
        return False
    if head.mapping and any(_located(p, names) for source in head.mapping.counted for p in source.paths):
        return True
    known = fields(names)
    counts = [name for field in ("input_tokens", "output_tokens") for name in known.get(field, ())]
    if not counts or len(known) < 2:
        return False
    # A program that writes a header has one too: below other lines it is one of a table only where rows stand under it.
    return not table.titled(head.text) or any(
        re.search("[0-9]", row[name]) for row in table.sample(head.text) for name in counts
    )


def _hold(head: Head) -> None:
    names, _ = table.header(head.text)
    if head.mapping is None or head.json or len(names) < 2:
        return
    rows = table.sample(head.text)
    for path in (path for source in head.mapping.sources() for path in source.paths):
        column, steps = _located(path, names) or ("", ())
        if column and not steps:
            rows = [row | {path: row[column]} for row in rows]
    check(head.mapping, rows, head.name, "column")


def _named(column: str, names: tuple[str, ...]) -> str | None:
    """The header's name for a column that --map names: equal, or equal but for what makes no difference."""
    alike = (name for name in names if normalized(name) == normalized(column))
    return column if column in names else next(alike, None)


def _located(path: str, names: tuple[str, ...]) -> tuple[str, json_path.Steps] | None:
    """The column that a path of --map leads to, and the steps on into JSON in its cells; None: no such column."""
    if column := _named(path, names):
        return column, ()
    first, *rest = json_path.ways(path)[-1] or ("",)
    found = _named(first, names) if isinstance(first, str) and rest else None
    return (found, tuple(rest)) if found else None


def select(reading: Reading) -> str:
    """The SELECT for tables, of all headers that are read now."""
    parts = [_rows(part, reading) for part in table.tables(reading)]
    return "\nUNION ALL BY NAME\n".join(parts) or "SELECT file, line FROM csv_rows"


def _rows(part: Table, reading: Reading) -> str:
    """SQL: the calls of the files with one header."""
    mapping = reading.assume.mapping or FieldMap()
    names = _columns(part, mapping)

    def cell(path: str) -> str | None:
        column, steps = _located(path, part.names) or ("", ())
        text = f"c{part.positions(column)[0]}" if column else None
        return mapped.inside(text, steps) if text and steps else text

    def value(field: str) -> str | None:
        if source := mapping.fields.get(field):
            return mapped.value(source, cell)
        cells = [meant(name, f"c{place}") for name in names.get(field, ()) for place in part.positions(name)]
        return f"coalesce({', '.join(cells)})" if cells else None

    counted = [sql for name in named.COUNTED if (sql := value(name))]
    counts = named.counts(value, dotted(reading, part, counted))
    labels = named.labels(value, comma=part.delimiter == ";")
    if "input_tokens" not in counts and "output_tokens" not in counts:
        raise table.missing(
            part.source,
            "token counts",
            ALIASES["input_tokens"],
            part.names,
            "--map FILE.yaml says which columns hold them",
        )
    if "model_raw" not in labels and not reading.assume.model:
        raise table.missing(
            part.source,
            "model",
            ALIASES["model_raw"],
            part.names,
            "--assume-model ID names one for all rows; --map FILE.yaml says which column holds it (model: COLUMN)",
        )
    if mapping.excludes_thinking and {"output_tokens", "thinking_tokens"} <= {*counts}:
        counts["output_tokens"] = mapped.output(counts)
    cached = any(name in counts for name in CACHE)
    columns = {**_times(names, part, value, labels), **counts, **labels}
    columns |= _basis(reading, part, names, counts, mapping) if cached else {"cache_unseen": "true"}
    mapped_names = {
        located[0] for source in mapping.sources() for p in source.paths if (located := _located(p, part.names))
    }
    lost = [f"c{part.positions(name)[0]}" for name in unseen(part.names) if name not in mapped_names]
    if cached and lost:
        columns["cache_unseen"] = " OR ".join(f"coalesce(count_of({cell}), 0) > 0" for cell in lost)
    told = [(name, sql) for name, source in mapping.tags.items() if (sql := mapped.value(source, cell))]
    if unknown := [*(tag for tag in _unknown(part, names) if tag[0] not in mapping.tags), *told]:
        columns["tags"] = named.tags(unknown)
    if skipped := mapped.only(mapping.only, cell):
        columns["ignore"] = f"CASE WHEN broken IS NULL THEN {skipped} END"
    if details := _details(names, part):
        # A list of calls that is empty tells of none, where a count that is empty tells nothing.
        columns["requests"] = f"CASE WHEN {details} IS NULL THEN '0' ELSE {columns['requests']} END"
    reject = f"coalesce(broken, {columns.pop('reject')})" if "reject" in columns else "broken"
    return f"""
        SELECT
            file, line, {reject} AS reject,
            {named.listed(columns)}
        FROM {part.rows}"""


def _columns(part: Table, mapping: FieldMap) -> dict[str, list[str]]:
    """Our field -> the columns that hold it, the likeliest first; what --map says comes before what names say."""
    found = fields(dict.fromkeys(part.names))
    if written := [name for name in dict.fromkeys(part.names) if normalized(name) in map(normalized, WRITTEN)]:
        found["cache_write_tokens"] = [*found.get("cache_write_tokens", ()), *written]
    for field, source in mapping.fields.items():
        columns = [located[0] for path in source.paths if (located := _located(path, part.names))]
        for others in found.values():
            others[:] = [name for name in others if name not in columns]
        found[field] = columns
    return {field: columns for field, columns in found.items() if columns}


def _times(
    names: Mapping[str, list[str]], part: Table, value: named.Value, labels: Mapping[str, str]
) -> dict[str, str]:
    """The time of a row, and why a row without one is none of a call."""
    time = value("ts")
    if time is None:
        return {}
    if both := _day_and_time(names.get("ts", []), part):
        time = f"coalesce({both}, {time})"
    # The sums below a table have no time, and no model either or a word that says what they are.
    said = [f"c{place}" for place in range(1, len(part.names) + 1)]
    totals = (
        f"list_has_any({quoted_list(TOTALS)}, list_transform([{', '.join(said)}], lambda c: rtrim(lower(c), ': ')))"
    )
    nothing = f"{labels['model_raw']} IS NULL" if "model_raw" in labels else "false"
    return {
        "ts": time,
        "reject": f"CASE WHEN {time} IS NULL AND ({totals} OR {nothing}) THEN 'a row of totals: no time' END",
    }


TOTALS = ("total", "totals", "sum", "grand total", "subtotal", "all", "overall", "average", "avg", "mean")


def _day_and_time(names: list[str], part: Table) -> str | None:
    """SQL: a date and a time of day that stand in two columns, put together."""
    by_name = {normalized(name): f"c{part.positions(name)[0]}" for name in names}
    day, time = by_name.get("date"), by_name.get("time")
    if not day or not time:
        return None
    return (
        rf"CASE WHEN regexp_full_match({time}, '[0-9]{{1,2}}:[0-9]{{2}}.*') AND regexp_full_match({day}, '[0-9]{{4}}[-/][0-9]{{1,2}}[-/][0-9]{{1,2}}') "
        f"THEN {day} || ' ' || {time} END"
    )


def _basis(
    reading: Reading, part: Table, names: Mapping[str, list[str]], counts: dict[str, str], mapping: FieldMap
) -> dict[str, str]:
    """Whether input includes cached tokens: by --map, by the names, or by a row that could not be otherwise."""
    if mapping.includes_cache is not None:
        return {"inclusive": str(mapping.includes_cache).lower()}
    by_name = inclusive({field: list(columns) for field, columns in names.items()})
    if by_name is False:
        return {"inclusive": "false"}
    impossible = named.more_cached_than_input(counts)
    proven = reading.connection.execute(
        f"SELECT DISTINCT file FROM {part.rows} WHERE broken IS NULL AND {impossible}"
    ).fetchall()
    includes = f"file NOT IN ({', '.join(str(file) for (file,) in proven)})" if proven else "true"
    columns = {"inclusive": includes}
    if by_name is None:
        some = " OR ".join(f"count_of({counts[name]}) > 0" for name in CACHE if name in counts)
        columns["notes"] = f"CASE WHEN ({includes}) AND ({some}) THEN ['basis_assumed'] END"
    return columns


def _unknown(part: Table, names: Mapping[str, list[str]]) -> list[tuple[str, str]]:
    known = {name for columns in names.values() for name in columns}
    fresh = [
        n for n in dict.fromkeys(part.names) if n and n not in known and normalized(n) not in DERIVED and taggable(n)
    ][:MOST_TAGS]
    return [(name, f"c{part.positions(name)[0]}") for name in fresh]


def _details(names: Mapping[str, list[str]], part: Table) -> str | None:
    columns = [name for name in names.get("calls", ()) if normalized(name).endswith("details")]
    return f"c{part.positions(columns[0])[0]}" if columns and len(names["calls"]) == 1 else None


CSV = Ingestor(
    name="csv",
    title="home-made tables of calls: CSV with commas, semicolons, tabs or bars",
    kind=Kind.TABLE,
    recognise=_recognise,
    hold=_hold,
    select=select,
    rank=110,
    doc=__doc__,
)
