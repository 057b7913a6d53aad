"""Labelled figures in a text log, "Input tokens: 563": a call is a run of them, on one line or on several.

A repeated label or a blank line begins the next call; so does a label after some other line, once input and output have
been told. A run without both is no call: a script that prints how large its prompt will be has not called anybody yet.
"""

from __future__ import annotations

import re

from claude_audit.aliases import ALIASES, LOOSE, normalized
from claude_audit.ingestors import _named as named
from claude_audit.ingestors import _text_lines as text_lines
from claude_audit.pieces import quoted, quoted_list

SPOKEN = {
    "input_tokens": "uncached_input_tokens",
    "cache_read_tokens": "cached_input_tokens cached_prompt_tokens input_tokens_(cache_read) tokens_read_from_cache",
    "cache_write_tokens": (
        "input_tokens_(cache_write) input_tokens_(cache_create) input_tokens_(cache_creation) tokens_written_to_cache"
    ),
    "model_raw": "model model_used",
    "other": "total_tokens",
}
"""Labels beside the aliases, in the words of people who print them. `other` belongs to a run and says nothing new."""

SHORT = {
    "cache_read_tokens": "cache_read cache_reads",
    "cache_write_tokens": "cache_write cache_writes cache_creation cache_create",
}
"""Labels that are said of time and bytes too: no run begins with one, and no unit follows."""
NO_UNIT = r"(?: *(?:tokens?|[,;|)}\]]|$))"

FIGURES = (*named.COUNTED, "cost_reported_usd")
WORDS = ("model_raw", "endpoint", "request_id", "tier", "geo")
FIELDS = (*FIGURES, *WORDS, "other")

NUMBER = r"-?[0-9][0-9,._]*"
WORD = r"[A-Za-z][A-Za-z0-9._/@:\[\]-]*"
START = r"""(?:^|[^A-Za-z0-9_-])['"]?"""
END = r"""['"]? *: *['"]?"""
OF_ALL = r"(?:usage|tokens?|costs?|session|run|job|daily|weekly|monthly|final|overall)"
SUMS = (
    r"(?i)\b(?:total|sum|avg|average|mean|median|min|max|minimum|maximum|limit|budget|remaining|overall|cumulative"
    rf"|{OF_ALL} summary|[0-9,]+ (?:calls|requests))\b"
)
"""Before a label it says that the figure is not that of one call."""


def _words(field: str) -> tuple[str, ...]:
    """The labels of a field, words joined by underscores."""
    if field == "endpoint":
        return ("endpoint",)  # "stage: 2" and "step: 3" are no endpoints
    aliases = ALIASES[field] if field in (*FIGURES, "tier", "geo", "request_id") else ()
    # Those of SHORT are told apart.
    return (*SPOKEN.get(field, "").split(), *(word for word in aliases if normalized(word) not in LOOSE))


def _pattern(field: str) -> str:
    """A regular expression: the labels of a field, however their words are joined."""
    forms = {_form(word) for word in _words(field)}
    return "|".join(sorted(forms, key=len, reverse=True))


def _form(word: str) -> str:
    """A regular expression: a label, however its words are joined."""
    return "[ _-]?".join(re.sub(r"tokens$", "tokens?", re.escape(part)) for part in word.split("_"))


LABELS = {field: _pattern(field) for field in FIELDS}
_TOKENS = "|".join(LABELS[field] for field in FIGURES if field.endswith("_tokens"))
_FIGURES = "|".join(LABELS[field] for field in (*FIGURES, "other"))
_WORDS = "|".join(LABELS[field] for field in WORDS)
_SHORT = "|".join(sorted(map(_form, " ".join(SHORT.values()).split()), key=len, reverse=True))

TOKENS = rf"(?i){START}(?:{_TOKENS}){END}{NUMBER}"
"""A label of tokens, and its number."""
ANY = rf"(?i){START}(?:(?:{_FIGURES}){END}\$? *{NUMBER}|(?:{_WORDS}){END}{WORD}|(?:{_SHORT}){END}{NUMBER}{NO_UNIT})"
"""A label of a run, and its value."""
PAIRED = rf"(?i)\b({_WORDS})="
"""A word that is told as key=value beside labels."""


def matches(text: str) -> str:
    """SQL: whether a line has a label of tokens, and one call's."""
    return f"(contains({text}, ':') AND regexp_matches({text}, {quoted(TOKENS)}) AND {text_lines.of_one_call(text, TOKENS, SUMS)})"


def printed(text: str) -> bool:
    """Whether a text has labels of both input and output."""
    of_one = []
    for line in text.split("\n"):
        found = re.search(TOKENS, line)
        if found and not text_lines.summed(line[: found.start()], SUMS):
            of_one.append(line)
    return all(
        any(re.search(rf"(?i){START}(?:{LABELS[field]}){END}{NUMBER}", line) for line in of_one)
        for field in ("input_tokens", "output_tokens")
    )


def _spellings() -> dict[str, str]:
    """Label in small letters and digits only -> its field."""
    return {
        re.sub(r"[^a-z0-9]", "", spelling): field
        for field in FIELDS
        for word in (*_words(field), *SHORT.get(field, "").split())
        for spelling in (word, re.sub(r"tokens\b", "token", word.replace("_", " ")))
    }


def select(lines: str, marked: str, time: str) -> str:
    """SQL: the calls printed in the `lines` (file, line, text, outer_at) of the files that have some of the form 'block' in the table
    `marked` (file, line, form).

    `time`: SQL of the time at the start of a line. Yields a row for the first line of each call, and one for each other
    line of that form, which is no call. Whether the labels are OpenAI's (`openai_input`, `openai_cached`) is told beside.

    label_lines: every line with labels, and how many lines that are not blank came before it. events: a label each.
    runs: a label seen for the nth time belongs to run n or later; a line between, once the run is complete, ends it.
    """
    picked = {field: f"any_value(v) FILTER (WHERE field = '{field}')" for field in FIELDS if field != "other"}
    columns = {**named.counts(picked.get), **named.labels(picked.get)}
    spellings = _spellings()
    short = [normalized(word) for word in " ".join(SHORT.values()).split()]
    return f"""
        WITH numbered AS (
            SELECT l.file, l.line, text_plain(rtrim(l.text, chr(13) || chr(10))) AS text, l.outer_at,
                row_number() OVER (PARTITION BY l.file ORDER BY l.line) AS ordinal,
                coalesce(m.form, 'block') = 'block' AS free
            FROM {lines} AS l JOIN {marked} AS m USING (file, line)
            WHERE l.file IN (SELECT file FROM {marked} WHERE form = 'block')
        ),
        label_lines AS (
            SELECT file, line, ordinal, {time} AS told_at, contains(text, 'input_token_details') AS parts,
                regexp_extract_all(CASE WHEN contains(text, '=') AND regexp_matches(text, {quoted(TOKENS)})
                    THEN regexp_replace(text, {quoted(PAIRED)}, '\\1: ', 'g') ELSE text END, {quoted(ANY)}) AS labels
            FROM numbered
            WHERE free AND contains(text, ':') AND regexp_matches(text, {quoted(ANY)}) AND {text_lines.of_one_call("text", ANY, SUMS)}
        ),
        parted AS (
            SELECT *, sum(CASE WHEN line - before - 1 > ordinal - ordinal_before - 1 THEN 1 ELSE 0 END)
                    OVER (PARTITION BY file ORDER BY line) AS part,
                sum(ordinal - ordinal_before - 1) OVER (PARTITION BY file ORDER BY line) AS others
            FROM (
                SELECT *, lag(line, 1, line - 1) OVER w AS before, lag(ordinal, 1, ordinal - 1) OVER w AS ordinal_before
                FROM label_lines WINDOW w AS (PARTITION BY file ORDER BY line)
            )
        ),
        events AS (
            SELECT e.* EXCLUDE (found, value), s.field,
                CASE WHEN s.short THEN rtrim(regexp_extract(value, {quoted("^" + NUMBER)}), ',.') ELSE rtrim(value, ',.') END AS v
            FROM (
                SELECT * EXCLUDE (label), translate(lower(label), ' _-:()''"', '') AS said,
                    ltrim(substr(found, instr(found, label) + length(label)), ' ''"$') AS value
                FROM (
                    SELECT *, regexp_extract(found, '[A-Za-z][A-Za-z0-9 _()-]*[''"]? *:') AS label
                    FROM (
                        SELECT * EXCLUDE (labels, before, ordinal_before),
                            unnest(labels) AS found, generate_subscripts(labels, 1) AS place
                        FROM parted
                    )
                )
            ) AS e
            JOIN (
                SELECT unnest({quoted_list(list(spellings))}) AS said, unnest({quoted_list(list(spellings.values()))}) AS field,
                    list_contains({quoted_list(short)}, said) AS short
            ) AS s USING (said)
        ),
        runs AS (
            SELECT *, max(nth) OVER (PARTITION BY file, part ORDER BY line, place) AS run
            FROM (
                SELECT *, row_number() OVER (PARTITION BY file, part, field ORDER BY line, place) AS nth FROM events
            )
        ),
        completed AS (
            SELECT file, part, run,
                greatest(
                    min(others) FILTER (WHERE field = 'input_tokens'),
                    min(others) FILTER (WHERE field = 'output_tokens')) AS complete
            FROM runs GROUP BY file, part, run
        ),
        ended AS (
            SELECT r.* EXCLUDE (nth), r.run + CASE
                WHEN c.complete IS NOT NULL AND n.run IS NOT NULL AND r.others > c.complete
                    AND r.field NOT IN ('input_tokens', 'output_tokens') THEN 1 ELSE 0 END AS call
            FROM runs AS r
            JOIN completed AS c USING (file, part, run)
            LEFT JOIN completed AS n ON n.file = r.file AND n.part = r.part AND n.run = r.run + 1
        ),
        called AS (
            SELECT *, max(nth) OVER (PARTITION BY file, part, call ORDER BY line, place) AS again
            FROM (
                SELECT *, row_number() OVER (PARTITION BY file, part, call, field ORDER BY line, place) AS nth FROM ended
            )
        ),
        calls_printed AS (
            SELECT
                file,
                min(line) FILTER (WHERE field LIKE '%_tokens') AS line,
                arg_min(told_at, line) FILTER (WHERE told_at IS NOT NULL) AS ts,
                {named.listed(columns)},
                -- LangChain's block tells parts of its input.
                bool_or(parts OR field = 'input_tokens' AND starts_with(said, 'prompt')) AS openai_input,
                bool_or(parts OR field = 'cache_read_tokens' AND starts_with(said, 'cached')) AS openai_cached,
                NOT bool_or(starts_with(field, 'cache')) AS cache_unseen
            FROM called
            GROUP BY file, part, call, again
            HAVING bool_or(field = 'input_tokens') AND bool_or(field = 'output_tokens')
        )
        SELECT * FROM calls_printed
        UNION ALL BY NAME
        SELECT file, line, 'more of a printed call, or no call' AS ignore
        FROM {marked} AS m ANTI JOIN calls_printed AS c ON c.file = m.file AND c.line = m.line
        WHERE form = 'block'"""
