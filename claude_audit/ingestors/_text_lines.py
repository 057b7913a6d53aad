"""What the lines of a text log have in common, as regular expressions and SQL: the time at their start, key=value pairs."""

from __future__ import annotations

import re
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
    r"""(?:"(?:[^"\\]|\\.)*"|'(?:[^'\\]|\\.)*'|[0-9]{1,3}(?:,[0-9]{3})+|[^\s,;()"'{\[]*(?:\[[0-9]+[a-z]\])?)"""
)
"""key=value; a value in quotes may hold anything, a bare one ends at a blank, a comma or a bracket (but claude-…[1m])."""

PLAIN = (
    ("=>", r"""["'\]]? *=> *""", ": "),
    (" = ", r"([A-Za-z0-9_]) = ", r"\1="),
    ("(", r"""\b(?:Some|Optional)\(("?[^()"]*"?)\)""", r"\1"),
)
"""(What a line then has, a regular expression, what is put in its place): how other languages print what Python and Go print
as name: 3 and name=3. Ruby and PHP `=>`, C# and Java ` = `, Rust and Swift `Some(3)`, `Optional(3)`."""


def plain(line: str) -> str:
    """A line as it is read."""
    for _, pattern, other in PLAIN:
        line = re.sub(pattern, other, line)
    return line


NO_SUMS = (
    # What one call's counts add up to is no sum over calls.
    (r"(?i)\btotal(?: tokens?[:=]? *[0-9][0-9,.]*|[:=]? *[0-9][0-9,.]* tokens?)", ""),
    # Nor is how long it took in all, and a limit to how often one may call is none of its counts.
    (r"(?i)\btotal (?:time|duration|latency|elapsed|cost|price)|\brate[- ]limit\w*", ""),
    # Labels of a call may be any word; what a line says is none.
    (r"\b(?:msg|message|event)=", " "),
    (PAIR, ""),
)
"""What is left out of a line's beginning (a regular expression, what is put in its place) before words for sums are looked for."""


def of_one_call(text: str, pattern: str, sums: str) -> str:
    """SQL: whether nothing before what the pattern finds in a line says that it tells a sum over calls, or a limit."""
    before = f"left({text}, instr({text}, regexp_extract({text}, {quoted(pattern)})) - 1)"
    for away, other in NO_SUMS:
        before = f"regexp_replace({before}, {quoted(away)}, {quoted(other)}, 'g')"
    return f"NOT regexp_matches({before}, {quoted(sums)})"


def summed(before: str, sums: str) -> bool:
    """Whether what stands before the counts of a line says so."""
    for away, other in NO_SUMS:
        before = re.sub(away, other, before)
    return re.search(sums, before) is not None


def macros(connection: DuckDBPyConnection) -> None:
    """Define the functions that the SQL below uses."""
    plain = "v"
    for mark, pattern, other in PLAIN:
        plain = f"CASE WHEN contains(v, {quoted(mark)}) THEN regexp_replace({plain}, {quoted(pattern)}, {quoted(other)}, 'g') ELSE {plain} END"
    for statement in (
        f"text_plain(v) AS {plain}",
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
