"""What the lines of a text log have in common, as regular expressions and SQL: the time at their start, key=value pairs."""

from __future__ import annotations

from typing import TYPE_CHECKING

from claude_audit.pieces import quoted

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection

CLOCK = r"[0-9]{2}:[0-9]{2}(?::[0-9]{2}(?:[.,][0-9]{1,9})?)?"
ZONE = r"(?: ?(?:Z|UTC|GMT|[+-][0-9]{2}:?[0-9]{2})|[+-][0-9]{2})?"
STAMP = rf"[0-9]{{4}}[-/][0-9]{{2}}[-/][0-9]{{2}}[T ,_]{{1,2}}{CLOCK}{ZONE}"
EPOCH = r"1[4-9][0-9]{8}(?:\.[0-9]{1,9}|[0-9]{3})?"
LEAD = (
    r"^\s*(?:<[0-9]{1,3}>1? *)?"  # syslog: its priority and version
    r"(?:[A-Za-z0-9_.-]+ *\| *)?"  # docker compose: the container's name
    r"(?:[A-Z], )?"  # Ruby: the level's first letter
    r"[\[(<]*(?:[A-Za-z]{3,8}[\])>]*[\s:|-]+[\[(<]*)?"  # a level before the time
    r"(?:@?(?:ts|time|timestamp|asctime)=)?[\"']?"
)
LED = rf"{LEAD}(?:{STAMP}|{EPOCH}[\])>]?\s)"
LONGEST_LEAD = 120
"""The time ends within so many characters of the line, or is not at its start."""

PAIR = (
    r"""[A-Za-z_@][A-Za-z0-9_.@-]*="""
    r"""(?:"(?:[^"\\]|\\.)*"|'(?:[^'\\]|\\.)*'|[0-9]{1,3}(?:,[0-9]{3})+|[^\s,;()"']*)"""
)
"""key=value; a value in quotes may hold anything, a bare one ends at a blank, a comma or a parenthesis."""


def macros(connection: DuckDBPyConnection) -> None:
    """Define the functions that the SQL below uses."""
    for statement in (
        # 2026/11/03, 08:00:00 +0100 as 2026-11-03 08:00:00+0100
        """text_time(v) AS CASE
            WHEN v = '' THEN NULL
            WHEN v[5] NOT IN ('-', '/') THEN v
            ELSE replace(left(v, 10), '/', '-') || ' ' || replace(replace(ltrim(substr(v, 11), 'T ,_'), ' +', '+'), ' -', '-')
        END""",
        "text_recorded(v) AS CASE WHEN absent(v) THEN NULL ELSE v END",
        """text_unquoted(v) AS CASE
            WHEN starts_with(v, '"') OR starts_with(v, '''') THEN v[2:-2]
            WHEN contains(v, '[') THEN v
            ELSE rtrim(v, ']}>|.')
        END""",
        "text_value(pair) AS text_recorded(text_unquoted(substr(pair, instr(pair, '=') + 1)))",
    ):
        connection.execute(f"CREATE OR REPLACE TEMP MACRO {statement}")


def time(text: str) -> str:
    """SQL: the time at the start of a line, in a form that instant() reads; null where there is none.

    Most lines begin with it: no lead is looked for there.
    """
    start = f"left({text}, {LONGEST_LEAD})"
    led = f"regexp_extract({start}, {quoted(LED)})"
    return f"""CASE
                WHEN regexp_matches({start}, '^[0-9]{{4}}[-/]') THEN text_time(regexp_extract({start}, {quoted("^" + STAMP)}))
                ELSE text_time(regexp_extract({led}, {quoted(f"(?:{STAMP}|{EPOCH})")})) END"""


def pairs(text: str) -> str:
    """SQL: the key=value pairs of a line, as a list of texts."""
    return f"regexp_extract_all({text}, {quoted(PAIR)})"


def picked(key: str) -> str:
    """SQL: the value of a key among the columns `pairs` and `keys`, which stand side by side; null where not recorded."""
    return f"text_value(pairs[list_position(keys, {quoted(key)})])"
