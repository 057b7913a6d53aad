"""Log lines that tell of calls: what an application's logger, or a script's print, says after each of them.

Recognised by a line of one of these forms, after any prefix; everything else in the log is ignored.

- `API call [ENDPOINT]: 563 input, 4 output tokens`
- `key=value` pairs with a count of input and one of output tokens (names in claude_audit.aliases), values quoted or not
- `Usage(…, input_tokens=563, output_tokens=4, …)`, the repr of the Anthropic SDK's usage, alone or inside `Message(…)`
- labelled figures, `Input tokens: 563` and so on, one call a run of them (see _blocks.py)
- JSON with a usage block, after a prefix

A time at the start of the line is the call's; without one, the file's time is taken, and flagged. `key=value` pairs beside
the counts are read too: model, endpoint, latency, ids, and unknown ones as tags. A count that is none rejects its line.

Tells what the line says, seldom more than model, endpoint and four counts. Cannot tell the model where no line names it
(--assume-model), nor calls that were not logged. Two equal lines without an id are two calls.
"""

from __future__ import annotations

import json
import re

from claude_audit.aliases import ALIASES, fields, normalized, taggable
from claude_audit.ingestors import Head, Ingestor, Kind, Reading, messages
from claude_audit.ingestors import _blocks as blocks
from claude_audit.ingestors import _named as named
from claude_audit.ingestors._messages_usage import USAGE, counts
from claude_audit.pieces import quoted, quoted_list

DAY = r"[0-9]{4}[-/][0-9]{2}[-/][0-9]{2}"
CLOCK = r"[0-9]{2}:[0-9]{2}(?::[0-9]{2}(?:[.,][0-9]{1,9})?)?"
ZONE = r"(?: ?(?:Z|UTC|GMT|[+-][0-9]{2}:?[0-9]{2})|[+-][0-9]{2})?"
LEAD = (
    r"^\s*(?:[A-Za-z0-9_.-]+ *\| *)?"  # docker compose: the container's name
    r"[\[(<]*(?:[A-Za-z]{3,8}[\])>]*[\s:|-]+[\[(<]*)?"  # a level before the time
    r"(?:@?(?:ts|time|timestamp|asctime)=)?[\"']?"
)
TIME = rf"{LEAD}({DAY}[T ,_]{{1,2}}{CLOCK}{ZONE}|1[4-9][0-9]{{8}}(?:\.[0-9]{{1,9}}|[0-9]{{3}})?[\])>]?\s)"

API_CALL = r"(?i)API call \[([^\]]*)\]:? +([-+\w.,]+) input(?: tokens?)?,? +(?:and +)?([-+\w.,]+) output tokens?"
PAIR = (
    r"""([A-Za-z_@][A-Za-z0-9_.@-]*)="""
    r"""("(?:[^"\\]|\\.)*"|'(?:[^'\\]|\\.)*'|[0-9]{1,3}(?:,[0-9]{3})+|[^\s,;()"']*)"""
)
USAGE_REPR = r"(?:^|[^A-Za-z])(?:Beta)?Usage" + (
    r"\((?:[^()]|\((?:[^()]|\((?:[^()]|\([^()]*\))*\))*\))*\)"  # parentheses three deep
)
MOST_TAGS = 64


def _key(field: str) -> str:
    """A regular expression: one of the names of a field, as a key with an equals sign."""
    forms = "|".join("[_-]?".join(word.split("_")) for word in ALIASES[field])
    return rf"(?i)(?:^|[\s,;({{\[|.])(?:{forms})="


INPUT, OUTPUT = _key("input_tokens"), _key("output_tokens")


def _recognise(head: Head) -> bool:
    sample = head.lines[:60]
    if head.document or b"\0" in head.data or 2 * len(head.records) > len(sample):
        return False
    told = [line for line in head.text.split("\n") if "token" in line.lower()]
    return any(map(_is_call, told)) or blocks.printed("\n".join(told))


def _is_call(line: str) -> bool:
    if re.search(API_CALL, line):
        return True
    if re.search(INPUT + r"[\"']?[0-9]", line) and re.search(OUTPUT + r"[\"']?[0-9]", line):
        return True
    body = re.search(r"\{.*\}", line) or re.search(r'\{\s*".*\}', line)
    try:
        record = json.loads(body[0]) if body else None
    except (ValueError, RecursionError):
        return False
    return isinstance(record, dict) and messages.token_record(record)


def _time(text: str) -> str:
    """SQL: the time at the start of a line, in the form in which instant() reads it."""
    found = f"trim(regexp_extract({text}, {quoted(TIME)}, 1), '[]()<> ')"
    spaced = f"regexp_replace({found}, '^([0-9]{{4}})[-/]([0-9]{{2}})[-/]([0-9]{{2}})[T ,_]+', '\\1-\\2-\\3 ')"
    return f"nullif(regexp_replace({spaced}, ' ([+-])', '\\1'), '')"


def _select(reading: Reading) -> str:
    """Lines are sorted by their form first, in one pass; then each form that there is has its own SELECT."""
    run = reading.connection.execute
    run(f"""
        CREATE OR REPLACE TEMP TABLE text_lines AS
        SELECT file, line, form, CASE WHEN form IS NULL THEN NULL WHEN form = 'json' THEN body ELSE rest END AS text,
            CASE WHEN form IS NOT NULL THEN {_time("text")} END AS at
        FROM (
            SELECT *, CASE WHEN told THEN CASE
                WHEN contains(rest, 'Usage(') AND regexp_matches(rest, {quoted(USAGE_REPR)}) AND contains(rest, 'input_tokens=')
                    THEN 'repr'
                WHEN regexp_matches(rest, {quoted(API_CALL)}) THEN 'call'
                WHEN contains(rest, '=') AND regexp_matches(rest, {quoted(INPUT)}) AND regexp_matches(rest, {quoted(OUTPUT)})
                    THEN 'pairs'
                WHEN regexp_matches(body, '(?i)"[a-z_-]*tokens?[a-z_-]*" *:') THEN 'json'
                WHEN {blocks.matches("rest")} THEN 'block'
            END END AS form
            FROM (
                SELECT *, CASE WHEN body IS NULL THEN text ELSE replace(text, body, ' ') END AS rest
                FROM (
                    SELECT file, line, text, told, CASE
                        WHEN NOT told OR NOT contains(text, '{{') THEN NULL
                        WHEN json_valid(regexp_extract(text, '\\{{.*\\}}')) THEN regexp_extract(text, '\\{{.*\\}}')
                        WHEN json_valid(regexp_extract(text, '\\{{\\s*".*\\}}')) THEN regexp_extract(text, '\\{{\\s*".*\\}}')
                    END AS body
                    FROM (
                        SELECT file, line, rtrim(text, chr(13)) AS text, contains(text, 'oken') OR contains(text, 'OKEN') AS told
                        FROM lines
                    )
                )
            )
        )""")
    forms = {row[0] for row in run("SELECT DISTINCT form FROM text_lines WHERE form IS NOT NULL").fetchall()}
    parts = []
    if forms & {"pairs", "call", "repr"}:
        parts += _pairs(reading, forms)
    if "block" in forms:
        parts.append(_basis(blocks.select("text_lines", _time("text")), "block"))
    if "json" in forms:
        run("CREATE OR REPLACE TEMP TABLE text_json AS SELECT file, line, text, at FROM text_lines WHERE form = 'json'")
        parts.append(f"""
            SELECT m.* REPLACE (coalesce(m.ts, t.at) AS ts)
            FROM ({messages.select(reading, "text_json")}) AS m JOIN text_json AS t USING (file, line)""")
    return "\nUNION ALL BY NAME\n".join([*parts, "SELECT file, line, 'no call' AS ignore FROM text_lines WHERE form IS NULL"])
