"""When a call was: times as logs and spreadsheets write them, as SQL functions.

Known: RFC 3339 and what databases and loggers make of it (a blank for the T, a comma for the point, an offset with or without
a blank and a colon, a zone's name, AM and PM, what Go and Java add at the end); times with an English month (RFC 2822, HTTP,
JavaScript, Apache, ctime); dates with dots, whose day comes first; epochs in seconds to nanoseconds. Dates with slashes that do
not begin with the year are left to --map, which says where the day stands.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from claude_audit.pieces import quoted

if TYPE_CHECKING:
    from collections.abc import Sequence

    from duckdb import DuckDBPyConnection

FIRST_EPOCH = 1_000_000_000
"""September 2001, before any log of calls: a smaller number is none of seconds (46,327 is a spreadsheet's day)."""
FIRST_YEAR = 2000
"""A smaller one was written with two digits."""

WITH_ZONE = (
    "%a, %d %b %Y %H:%M:%S %z",
    "%d %b %Y %H:%M:%S %z",
    "%d/%b/%Y:%H:%M:%S %z",
    "%a %b %d %Y %H:%M:%S %z",
    "%a %b %d %H:%M:%S %z %Y",
)
_CLOCKS = (" %H:%M:%S.%f", " %H:%M:%S", " %H:%M", " %I:%M:%S %p", " %I:%M %p", "")
WITHOUT_ZONE = (
    *(f"{day}{clock}" for day in ("%d.%m.%Y", "%d %b %Y", "%b %d, %Y", "%d-%b-%Y") for clock in _CLOCKS),
    *(f"%Y-%m-%d{clock}" for clock in _CLOCKS[3:5]),
    "%a %b %d %H:%M:%S %Y",
)

_NUMBER = r"'[0-9]+(\.[0-9]+)?'"
_MERIDIEM = r"'[0-9] ?[AaPp][Mm]$'"
# A word at the end is a zone's name (Europe/Berlin), but for AM and PM.
_ZONE = r"'(Z|z|UTC|GMT|[0-9] ?[+-][0-9]{2}(:?[0-9]{2})?( [A-Z]{3,5})?|[0-9] +[A-Za-z][A-Za-z0-9_/+-]*|[+-][0-9]{4} [0-9]{4})$'"


def macros(connection: DuckDBPyConnection, zone: str) -> None:
    """Define `instant(v)`, null for what cannot be read, and `naive_time(v)`: whether it has no zone, and `zone` is taken."""
    for statement in (
        # In s, ms, us or ns, told apart by size (ns in whole numbers: a double can't hold them).
        f"""epoch_us_of(v) AS CASE
            WHEN v < {FIRST_EPOCH} THEN NULL
            WHEN v < 100000000000 THEN CAST(floor(v * 1000000) AS BIGINT)
            WHEN v < 100000000000000 THEN CAST(floor(v * 1000) AS BIGINT)
            WHEN v < 100000000000000000 THEN CAST(floor(v) AS BIGINT)
            ELSE CAST(CAST(floor(v) AS HUGEINT) // 1000 AS BIGINT)
        END""",
        # Java's [Europe/Berlin], JavaScript's (Central European Time), Go's m=+0.01: said beside the offset.
        r"bare_time(v) AS CASE WHEN regexp_matches(v, '[0-9\])]$') THEN regexp_replace(v, '( ?\(.*\)|\[.*\]| m=[+-][0-9.]+)$', '') ELSE v END",
        f"zoned(v) AS regexp_matches(bare_time(v), {_ZONE}) AND NOT regexp_matches(v, {_MERIDIEM}) AND strlen(v) > 10",
        f"naive_time(v) AS NOT zoned(v) AND NOT regexp_full_match(v, {_NUMBER})",
        # The engine reads no offset behind a blank.
        r"""offset_time(v) AS TRY_CAST(regexp_replace(regexp_replace(bare_time(v), '[A-Z]{3,5}$', ''), ' *([+-][0-9]{2}):?([0-9]{2})? *$', '\1:\2')
            AS TIMESTAMPTZ)""",
        f"""written_time(v) AS coalesce(
            TRY_STRPTIME(regexp_replace(regexp_replace(v, ' +', ' ', 'g'), '(GMT|UTC)$', '+0000'), {_formats(WITH_ZONE)}),
            TRY_STRPTIME(regexp_replace(regexp_replace(v, ' +', ' ', 'g'), '(GMT|UTC)([+-])', '\\2'), {_formats(WITH_ZONE)}))""",
        f"""written_day(v) AS TRY_STRPTIME(regexp_replace(regexp_replace(trim(v), '[, @]+', ' ', 'g'), '([0-9])([AaPp][Mm])$', '\\1 \\2'),
            {_formats([form.replace(",", "") for form in WITHOUT_ZONE])})""",
        f"""instant(v) AS CASE
            WHEN suffix(v, 'Z')
                THEN coalesce(TRY_CAST(v AS TIMESTAMPTZ), TRY_CAST(replace(replace(upper(v), ',', '.'), ' Z', 'Z') AS TIMESTAMPTZ))
            WHEN regexp_full_match(v, {_NUMBER})
                THEN TRY(make_timestamptz(epoch_us_of(TRY_CAST(v AS DECIMAL(30, 9)))))
            WHEN zoned(v) THEN coalesce(
                TRY_CAST(replace(replace(v, ',', '.'), 'GMT', 'UTC') AS TIMESTAMPTZ),
                TRY_CAST(replace(upper(v), ',', '.') AS TIMESTAMPTZ),
                offset_time(replace(v, ',', '.')),
                written_time(bare_time(v)))
            WHEN regexp_matches(v, '^ *[0-9]{{4}}[^0-9]') AND NOT regexp_matches(v, {_MERIDIEM})
                THEN TRY(timezone({quoted(zone)}, TRY_CAST(replace(upper(v), ',', '.') AS TIMESTAMP)))
            WHEN year(written_day(v)) >= {FIRST_YEAR} THEN TRY(timezone({quoted(zone)}, written_day(v)))
        END""",
    ):
        connection.execute(f"CREATE OR REPLACE MACRO {statement}")


def _formats(formats: Sequence[str]) -> str:
    return f"[{', '.join(map(quoted, formats))}]"
