"""JSON of anybody's own making, by a map of yours: --map FILE.yaml says which places hold what.

Recognised by the places of token counts that the map names, in JSON lines, in whole files of JSON and in Parquet; tables
with a header are read as `csv` by the same map. A file that a format of its own recognises is read by that one;
--input-format mapped forces the map.

    model: meta.engine                  # our field: a path
    input_tokens: [usage.in, tok_in]    # the first that is recorded
    output_tokens: {from: out, unit: thousands}  # tokens, thousands, millions
    timestamp: {from: when, unit: ms}   # ns, us, ms, s; or a format: "%d.%m.%Y"
    latency_ms: {from: took, unit: s}   # ns, us, ms, s, min
    cost: {from: paid, unit: cents, optional: true}  # per_mille, micros, nanos
    endpoint: =newsletter               # a constant
    tags: {branch: git.branch}
    input_includes_cache: true
    output_excludes_thinking: true
    records: data.calls                 # the list whose elements are records
    only: {type: llm_call}

A key whose whole name is the path comes before the path; a path leads through strings that hold JSON. What the map names
comes from there alone; other fields are found by the names that `messages` knows. Every place must be in one of a file's
first records, unless it is `optional`. `ingest --dry-run` shows what a map makes of the first calls. Counts and times are
checked as in every format; where input could hold the cached tokens or not, and neither map nor names say it, it is taken
to hold them, flagged, unless a record proves the contrary.

Cannot tell what the map does not name and the record does not say in words known here.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from claude_audit import json_path
from claude_audit.errors import AuditError
from claude_audit.ingestors import Head, Ingestor, Kind, Reading, csv, messages
from claude_audit.ingestors import _mapped as mapped
from claude_audit.ingestors import _named as named
from claude_audit.mapping import FieldMap, check
from claude_audit.pieces import identifier, quoted, quoted_list

MOST_PARTS = 2**24
"""Records that one line may list."""


def _records(head: Head, path: str | None) -> Iterator[Mapping[str, Any]]:
    """The first records, out of the list that the map names."""
    for record in head.records:
        listed = json_path.lookup(record, path) if path else record
        for item in listed[:20] if isinstance(listed, list) else [listed]:
            if isinstance(item, Mapping):
                yield item


def _recognise(head: Head) -> bool:
    map_ = head.mapping
    if map_ is None:
        return False
    if head.columns:
        return any(json_path.ways(p)[-1][:1] in [(c,) for c in head.columns] for s in map_.counted for p in s.paths)
    records = list(_records(head, map_.records)) if head.json else []
    counted = any(json_path.present(record, p) for s in map_.counted for p in s.paths for record in records)
    return counted or any(messages.token_record(record) for record in records)


def _hold(head: Head) -> None:
    map_ = head.mapping
    if map_ is None or not head.json:
        return
    records = list(_records(head, map_.records))
    if map_.records and not records and head.records:
        places = [place for record in head.records for place in json_path.places(record)]
        near = json_path.closest([map_.records], places)
        raise AuditError(
            f"{map_.records_where}: records: nothing is listed under {map_.records!r} at the beginning of {head.name}"
            + (f" (closest: {', '.join(near)})" if near else ""),
            "correct the --map file",
        )
    if records:
        check(map_, records, head.name)


def _select(reading: Reading) -> str:
    map_ = _map(reading)
    _view(reading, map_, "(SELECT file, line, mended(text) AS text FROM lines)")
    return _mapped(reading, map_)


def _parquet(reading: Reading) -> str:
    map_ = _map(reading)
    parts = []
    for file, path in reading.paths.items():
        source = f"{quoted_list([path])}, hive_partitioning = false, binary_as_string = true"
        names = [
            row[0] for row in reading.connection.execute(f"DESCRIBE SELECT * FROM read_parquet({source})").fetchall()
        ]
        packed = ", ".join(f"{identifier(name)} := {identifier(name)}" for name in names)
        parts.append(f"""
            SELECT {file} AS file, file_row_number + 1 AS line, CAST(to_json(struct_pack({packed})) AS VARCHAR) AS text
            FROM read_parquet({source}, file_row_number = true)""")
    _view(reading, map_, f"({' UNION ALL '.join(parts)})")
    return _mapped(reading, map_)


def _map(reading: Reading) -> FieldMap:
    if reading.assume.mapping is None:
        raise AuditError("the format `mapped` needs a map", "--map FILE.yaml; claude-audit formats show mapped")
    return reading.assume.mapping


def _view(reading: Reading, map_: FieldMap, lines: str) -> None:
    """Make the view `map_lines`: file, line (a number of its own for each record), place, part, text and `bare`, why it is none."""
    if map_.records is None:
        select = f"SELECT file, line, line AS place, NULL::INTEGER AS part, text, NULL::VARCHAR AS bare FROM {lines}"
    else:
        nothing = quoted(f"no records under {map_.records}")
        # Of a document the number of the record is its place; of lines it is the line, and the record's number in it.
        place, part = ("line + n - 1", "NULL") if reading.document else ("line", "n")
        select = f"""
            SELECT file, line * {MOST_PARTS} + n AS line, {place} AS place, CAST({part} AS INTEGER) AS part, text,
                CASE WHEN listed THEN NULL WHEN json_valid(text) THEN {nothing} END AS bare
            FROM (
                SELECT file, line, len(items) > 0 AS listed, unnest(CASE WHEN len(items) > 0 THEN items ELSE [text] END) AS text,
                    generate_subscripts(CASE WHEN len(items) > 0 THEN items ELSE [text] END, 1) AS n
                FROM (SELECT file, line, text, TRY({mapped.list_at("text", map_.records)}) AS items FROM {lines})
            )"""
    reading.connection.execute(f"CREATE OR REPLACE TEMP VIEW map_lines AS {select}")


def _mapped(reading: Reading, map_: FieldMap) -> str:
    base = messages.select(reading, f"({messages.keyed('(SELECT * FROM map_lines WHERE bare IS NULL)')})")
    known = [row[0] for row in reading.connection.execute(f"DESCRIBE {base}").fetchall()]
    wanted = [path for source in map_.sources() for path in source.paths] + [one.path for one in map_.only]
    places = mapped.Places.of(wanted)

    def value(field: str) -> str | None:
        source = map_.fields.get(field)
        return mapped.value(source, places.cell) if source else None

    counts = named.counts(value)
    columns = {**counts, **named.labels(value)}
    if time := value("ts"):
        columns["ts"] = time
    if "tier" in columns and "tier" not in map_.fields:
        columns["tier"] = f"coalesce({columns['tier']}, b.tier)"  # is_batch alone
    if map_.excludes_thinking and {"output_tokens", "thinking_tokens"} <= {*columns}:
        columns["output_tokens"] = mapped.output(columns)
    if counts:
        columns |= _basis(reading, map_, places, columns, known)
    given = [(name, sql) for name, source in map_.tags.items() if (sql := mapped.value(source, places.cell))]
    if "tags" in known:
        # What the map reads is no label as well.
        claimed = quoted_list(
            sorted({str(steps[0]) for path in wanted for steps in json_path.ways(path) if len(steps) == 1})
        )
        own = f"map_from_entries(list_filter(map_entries(b.tags), lambda e: NOT list_contains({claimed}::VARCHAR[], e.key)))"
        columns["tags"] = f"map_concat(coalesce({own}, MAP {{}}), {named.tags(given)})" if given else own
    elif given:
        columns["tags"] = named.tags(given)
    skipped = mapped.only(map_.only, places.cell) or "NULL"
    ignore = "NULL" if map_.counted else 'b."ignore"'
    columns["ignore"] = f"coalesce(m.bare, {skipped}, {ignore})"
    columns["reject"] = "CASE WHEN NOT json_valid(m.text) THEN 'not valid JSON' END"
    if map_.counted:
        columns["iterations"] = "NULL::JSON"  # those of a usage block that the map passes over
    rest = [f'b."{name}"' for name in known if name not in ("file", "line", *columns)]
    return f"""
        WITH m AS (SELECT *, {places.looked_up} AS places FROM map_lines),
        b AS ({base})
        SELECT m.file, m.place AS line, m.part, {", ".join((*rest, named.listed(columns)))}
        FROM m LEFT JOIN b ON b.file = m.file AND b.line = m.line"""


def _basis(
    reading: Reading, map_: FieldMap, places: mapped.Places, columns: Mapping[str, str], known: Sequence[str]
) -> dict[str, str]:
    """Whether input includes cached tokens, where the map names counts: by the map, the names, or a record's proof."""
    cached = [name for name in mapped.CACHE if name in columns]
    if not cached and map_.includes_cache is None:
        # What the record tells of its cache by itself, with what that says of the input.
        told = [f"b.{name} IS NULL" for name in ("cache_read_tokens", "cache_write_tokens") if name in known]
        return {"cache_unseen": " AND ".join(told) or "true"} if map_.counted else {}
    includes = mapped.basis(map_)
    if includes is not None:
        return {"inclusive": str(includes).lower(), "cache_unseen": "false"}
    impossible = named.more_cached_than_input({n: columns[n] for n in (*cached, "input_tokens") if n in columns})
    proven = reading.connection.execute(
        f"SELECT DISTINCT file FROM (SELECT *, {places.looked_up} AS places FROM map_lines) WHERE {impossible}"
    ).fetchall()
    holds = f"m.file NOT IN ({', '.join(str(file) for (file,) in proven)})" if proven else "true"
    some = " OR ".join(f"count_of({columns[name]}) > 0" for name in cached)
    return {
        "inclusive": holds,
        "cache_unseen": "false",
        "notes": f"CASE WHEN ({holds}) AND ({some}) THEN ['basis_assumed'] END",
    }


MAPPED = Ingestor(
    name="mapped",
    title="JSON or Parquet of your own making, as --map FILE.yaml describes it",
    kind=Kind.LINES,
    recognise=_recognise,
    hold=_hold,
    by_number=True,
    select=_select,
    rank=75,
    table=csv.select,
    parquet=_parquet,
    doc=__doc__,
)
