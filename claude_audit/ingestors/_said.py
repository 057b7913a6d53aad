"""Lines of a text log inside a collector's JSON: Docker's `log`, Google's `textPayload`, CloudWatch's `message`.

A string is taken out where it begins like text and the rest of its record counts no tokens: it is what a logger printed.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from claude_audit.aliases import fields
from claude_audit.ingestors import Head, Reading, parsed
from claude_audit.ingestors import _wrapped as wrapped
from claude_audit.ingestors._unfolded import COUNTING, LISTS, unfolded
from claude_audit.pieces import quoted, quoted_list

AROUND = ("jsonPayload", "_source", "fields", "result", "attributes")
"""Objects that the string may stand in."""
PATHS = (*((name,) for name in wrapped.STRINGS), *((outer, name) for outer in AROUND for name in wrapped.STRINGS))
MOST_LOOKED_AT = 200


def strings(head: Head) -> Iterator[str]:
    """The strings in the records at the beginning of a file, and in its lines that speak of tokens."""
    records: list[Any] = [*head.records]
    if not head.document:
        records += map(parsed, [line for line in head.text.split("\n") if "token" in line.lower()][:MOST_LOOKED_AT])
    for record in records:
        if isinstance(record, dict):
            lists = [record[name] for name in LISTS if isinstance(record.get(name), list)] if head.document else []
            listed = (inner for found in lists for inner in found)
            for one in (record, *listed):
                if isinstance(one, dict):
                    yield from _in(one)


def _in(record: Mapping[str, Any]) -> Iterator[str]:
    for path in PATHS:
        value: Any = record
        for name in path:
            value = value.get(name) if isinstance(value, dict) else None
        if isinstance(value, str) and "token" in value.lower() and not value.lstrip().startswith("{"):
            yield value


def source(reading: Reading) -> str:
    """The relation file, line, text, outer_at: lines as a program printed them, and the time that stands beside, as text."""
    run = reading.connection.execute
    told = "starts_with(ltrim(text), '{')"
    if run(f"SELECT 1 FROM lines WHERE contains(text, 'oken') AND {told} LIMIT 1").fetchone() is None:
        return "(SELECT file, line, text, NULL::VARCHAR AS outer_at FROM lines)"
    keyed = f"(SELECT file, line, text, CASE WHEN {told} THEN TRY(json_keys(text)) END AS keys FROM lines)"
    # Only in a document does each record of a list have a line of its own.
    rows = unfolded(reading, keyed).rows if reading.document else keyed
    keys = run(f"SELECT DISTINCT unnest(keys) FROM {rows} LIMIT {wrapped.MOST_KEYS}").fetchall()
    names = [name for (name,) in keys]
    paths = [path for path in PATHS if path[0] in names]
    if not paths:
        return "(SELECT file, line, text, NULL::VARCHAR AS outer_at FROM lines)"
    places = quoted_list([".".join(["$", *(f'"{name}"' for name in path)]) for path in paths])
    times = [f"json_extract_string(text, {quoted(wrapped.at(name))})" for name in fields(names).get("ts", ())]
    apart = quoted('{"' + '":null,"'.join(wrapped.STRINGS) + '":null}')
    nested = quoted("{" + ",".join(f'"{name}":null' for name in AROUND) + "}")
    run(f"""
        CREATE OR REPLACE TEMP TABLE said_lines AS
        SELECT file, line, coalesce(said, text) AS text, CASE WHEN said IS NOT NULL THEN coalesce({", ".join([*times, "NULL"])}) END
            AS outer_at
        FROM (
            SELECT *, CASE WHEN keys IS NOT NULL AND NOT {_counting(f"json_merge_patch(json_merge_patch(text, {nested}), {apart})")}
                THEN list_filter(json_extract_string(text, {places}),
                    lambda s: NOT starts_with(ltrim(s), '{{'))[1] END AS said
            FROM {rows}
        )""")
    return "said_lines"


def _counting(json: str) -> str:
    return f"regexp_matches(lower(CAST({json} AS VARCHAR)), {quoted(COUNTING)})"
