"""Numbers as people and spreadsheets write them: separators of thousands, decimal commas, dollar signs.

1.204 is twelve hundred in one country and a little more than one in another. What separates the cells of a table tells
them apart: where the comma is a decimal mark, it is no delimiter.
"""

from __future__ import annotations

from collections.abc import Collection
from typing import TYPE_CHECKING

from claude_audit.pieces import quoted

if TYPE_CHECKING:
    from claude_audit.ingestors import Reading
    from claude_audit.ingestors._table import Table

THOUSANDS = r"[0-9]{1,3}(?:[,_' \x{a0}\x{202f}][0-9]{3})+(?:\.0+)?"
DOTTED = r"[0-9]{1,3}(?:\.[0-9]{3})+(?:,0+)?"
ONE_OR_THOUSAND = r"[0-9]{1,3}(?:\.000)+(?:,0+)?"
"""Those of DOTTED that are whole numbers either way."""
DECIMAL = r"[0-9]+\.[0-9]{1,2}|[0-9]+\.[0-9]{4,}|[0-9]{4,}\.[0-9]+"
WHOLE = r"[0-9]+,0{1,2}|[0-9]+,0{4,}"
"""A whole number behind a decimal comma: three digits would be thousands."""


def count(text: str, dotted: str | None = None) -> str:
    """SQL: a count as it is written by people, without the separators of thousands.

    `dotted`: SQL of whether its table separates them by dots.
    """

    def bare(mark: str) -> str:
        return f"regexp_replace(regexp_replace({text}, '[{mark}]0+ *$', ''), '[^0-9]', '', 'g')"

    other = ""
    if dotted:
        other = f"WHEN {dotted} AND regexp_full_match(trim({text}), {quoted(DOTTED)}) THEN {bare(',')}"
    return f"""CASE WHEN regexp_full_match({text}, '[0-9]+') THEN {text} {other}
                WHEN regexp_full_match(trim({text}), {quoted(THOUSANDS)}) THEN {bare(".")}
                WHEN regexp_full_match(trim({text}), {quoted(WHOLE)}) THEN split_part(trim({text}), ',', 1)
                ELSE trim({text}) END"""


def dollars(text: str, comma: bool = False) -> str:
    """SQL: an amount without its dollar sign and the separators of thousands. One in another currency is no number then.

    A comma before anything but whole groups of three digits is a decimal mark, and every last one is where the comma is the
    mark of decimals (`comma`).
    """
    bare = rf"regexp_replace({text}, '[$ ]|USD', '', 'g')"
    thousands = rf"regexp_full_match({bare}, '-?[1-9][0-9]{{0,2}}(,[0-9]{{3}})+(\.[0-9]+)?')"
    decimal = rf"regexp_full_match({bare}, '-?[0-9]+(\.[0-9]{{3}})*,[0-9]+')"
    if not comma:
        decimal = f"{decimal} AND NOT {thousands}"
    return f"CASE WHEN {decimal} THEN replace(replace({bare}, '.', ''), ',', '.') ELSE replace({bare}, ',', '') END"


def dotted(reading: Reading, part: Table, counts: Collection[str]) -> str | None:
    """SQL: whether a row's file separates thousands by dots; None where none does. `counts`: SQL of the cells that count.

    One count with a dot that is no whole number otherwise proves it (2.345), and one that can't be thousands (12.0) proves the
    contrary. 1.000 alone is a thousand between semicolons only.
    """
    if part.delimiter == "," or not counts:
        return None
    cells = f"[{', '.join(f'trim({sql})' for sql in counts)}]"

    def some(pattern: str, but: str = "$.") -> str:
        found = f"regexp_full_match(x, {quoted(pattern)}) AND NOT regexp_full_match(x, {quoted(but)})"
        return f"bool_or(len(list_filter({cells}, lambda x: {found})) > 0)"

    thousands = some(DOTTED, "$." if part.delimiter == ";" else ONE_OR_THOUSAND)
    files = reading.connection.execute(
        f"SELECT file FROM {part.rows} WHERE broken IS NULL GROUP BY file HAVING {thousands} AND NOT {some(DECIMAL)}"
    ).fetchall()
    return f"file IN ({', '.join(str(file) for (file,) in files)})" if files else None
