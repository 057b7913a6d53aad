"""What --map says as SQL: places of a JSON record or cells of a table, in our units."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal

from claude_audit import json_path
from claude_audit.aliases import inclusive
from claude_audit.ingestors import _numbers as numbers
from claude_audit.json_path import Steps
from claude_audit.mapping import UNITS, FieldMap, Only, Source, measures
from claude_audit.pieces import quoted, quoted_list

Cell = Callable[[str], str | None]
"""A path or column -> SQL of the text there, null where it is not recorded; None where no record has it."""

CACHE = ("cache_read_tokens", "cache_write_tokens", "cache_write_5m_tokens", "cache_write_1h_tokens")


def value(source: Source, cell: Cell) -> str | None:
    """SQL: what a source tells, in our unit; None where no record tells it."""
    if source.constant is not None:
        return quoted(source.constant)
    cells = [f"nullif({sql}, '')" for path in source.paths if (sql := cell(path))]
    if not cells:
        return None
    text = f"coalesce({', '.join(cells)})" if len(cells) > 1 else cells[0]
    if source.format:
        return _formatted(text, source.format)
    if not source.unit:
        return text
    kind = measures(source.field)
    factor = UNITS[kind][source.unit]
    return {"tokens": _tokens, "time": _span, "epoch": _epoch, "money": _money}[kind](text, factor, source.unit)


def _tokens(text: str, factor: Decimal, unit: str) -> str:
    # What is no number, or too large for one, stays as it is with its unit: its line is then rejected by that name.
    number = f"CAST(TRY(TRY_CAST({numbers.count(text)} AS DECIMAL(38, 9)) * {factor}) AS VARCHAR)"
    return f"CASE WHEN absent({text}) THEN NULL ELSE coalesce({number}, {text} || {quoted(' ' + unit)}) END"


def _span(text: str, factor: Decimal, unit: str) -> str:
    return f"CAST(TRY_CAST({text} AS DOUBLE) * {factor} AS VARCHAR)"


def _epoch(text: str, factor: Decimal, unit: str) -> str:
    moment = (
        f"CAST(TRY(make_timestamptz(CAST(floor(TRY_CAST({text} AS DECIMAL(38, 9)) * {factor}) AS BIGINT))) AS VARCHAR)"
    )
    return (
        f"CASE WHEN regexp_full_match({text}, '[0-9]+(\\.[0-9]+)?') "
        f"THEN coalesce({moment}, {text} || {quoted(' ' + unit)}) ELSE {text} END"
    )


def _money(text: str, factor: Decimal, unit: str) -> str:
    return f"CAST(TRY(TRY_CAST({numbers.dollars(text)} AS DECIMAL(28, 12)) * CAST('{factor:f}' AS DECIMAL(10, 9))) AS VARCHAR)"


def _formatted(text: str, form: str) -> str:
    zone = " || '+00'" if "%z" in form or "%Z" in form else ""
    read = f"strftime(TRY_STRPTIME({text}, {quoted(form)}), '%Y-%m-%d %H:%M:%S.%f'){zone}"
    return f"CASE WHEN absent({text}) THEN NULL ELSE coalesce({read}, {text} || ' (another format)') END"


@dataclass(frozen=True, slots=True)
class Places:
    """The places of JSON records that a map names, looked up together: each record is parsed once."""

    steps: tuple[Steps, ...]

    @staticmethod
    def of(paths: Sequence[str]) -> Places:
        """All that the paths may mean."""
        return Places(tuple(dict.fromkeys(steps for path in paths for steps in json_path.ways(path))))

    @property
    def looked_up(self) -> str:
        """SQL: a list of what stands at each of them, of the column `text`."""
        paths = quoted_list([_path(steps) for steps in self.steps] or ["$"])
        return f"TRY(json_extract_string(text, {paths}))"

    def cell(self, path: str) -> str:
        """SQL: the text at a path, of the columns `text` and `places`; also of JSON inside of strings."""
        tried = []
        for steps in json_path.ways(path):
            tried.append(f"places[{self.steps.index(steps) + 1}]")
            tried += [
                f"TRY(json_extract_string(json_extract_string(text, {quoted(_path(steps[:n]))}), {quoted(_path(steps[n:]))}))"
                for n in range(len(steps) - 1, 0, -1)
            ]
        return f"coalesce({', '.join(tried)})" if len(tried) > 1 else tried[0]


def inside(text: str, steps: Steps) -> str:
    """SQL: what stands at a path in JSON text; null where the text is none."""
    return f"TRY(json_extract_string({text}, {quoted(_path(steps))}))"


def _path(steps: Steps) -> str:
    """A path as the engine writes it."""
    parts = (f"[{step}]" if isinstance(step, int) else f".{json.dumps(step, ensure_ascii=False)}" for step in steps)
    return "$" + "".join(parts)


def list_at(text: str, path: str) -> str:
    """SQL: the elements of the list at a path, as JSON; one for an object there; null where neither is."""
    tried = []
    for steps in json_path.ways(path):
        tried.append(f"json_extract({text}, {quoted(_path(steps))})")
        tried += [
            f"TRY(json_extract(json_extract_string({text}, {quoted(_path(steps[:n]))}), {quoted(_path(steps[n:]))}))"
            for n in range(len(steps) - 1, 0, -1)
        ]
    found = f"coalesce({', '.join(tried)})"
    # A string may hold the list.
    found = f"TRY(CASE json_type({found}) WHEN 'VARCHAR' THEN CAST({found}->>'$' AS JSON) ELSE {found} END)"
    return f"""CASE json_type({found})
                WHEN 'ARRAY' THEN from_json({found}, '["JSON"]')::VARCHAR[] WHEN 'OBJECT' THEN [CAST({found} AS VARCHAR)] END"""


def only(wanted: Sequence[Only], cell: Cell) -> str | None:
    """SQL: why a record is not among those that the map wants; None when it wants all."""
    cases = [
        f"WHEN {cell(one.path) or 'NULL'} IS NULL OR {cell(one.path) or 'NULL'} NOT IN ({', '.join(map(quoted, one.values))}) "
        f"THEN {quoted(f'{one.path} is not ' + ' or '.join(one.values))}"
        for one in wanted
    ]
    return f"CASE {' '.join(cases)} END" if cases else None


def spelling(mapped: FieldMap) -> dict[str, list[str]]:
    """Our field -> the last names of the places it is read from: they say what the log's author means by input."""
    return {
        own: [
            next((str(s) for s in reversed(json_path.ways(path)[-1]) if isinstance(s, str)), path)
            for path in source.paths
        ]
        for own, source in mapped.fields.items()
        if source.paths
    }


def basis(mapped: FieldMap) -> bool | None:
    """Whether input counts include cached tokens: as the map says, else by the names; None: nobody can tell."""
    return mapped.includes_cache if mapped.includes_cache is not None else inclusive(spelling(mapped))


def output(counts: Mapping[str, str]) -> str:
    """SQL: billed output of a log that keeps thinking tokens apart from it."""
    out, thinking = counts["output_tokens"], counts["thinking_tokens"]
    both = f"count_of({out}) IS NOT NULL AND count_of({thinking}) IS NOT NULL"
    return f"CASE WHEN {both} THEN CAST(count_of({out})::HUGEINT + count_of({thinking}) AS VARCHAR) ELSE {out} END"
