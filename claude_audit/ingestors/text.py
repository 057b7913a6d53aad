"""Log lines that tell of calls: what an application's logger, or a script's print, says after each of them.

Recognised by a line of one of these forms, after any prefix; everything else in the log is ignored.

- `API call [ENDPOINT]: 563 input, 4 output tokens`, also in the words of others: `563 input tokens and 4 output tokens`
- `key=value` pairs with a count of input and one of output tokens (names in claude_audit.aliases), values quoted or not
- `Usage(…, input_tokens=563, output_tokens=4, …)`, the repr of the Anthropic SDK's usage, alone or inside `Message(…)`
- labelled figures, `Input tokens: 563` and so on, one call a run of them (see _blocks.py)
- JSON with a usage block, after a prefix

What languages and libraries print otherwise is read as those: `InputTokens = 563`, `:input_tokens=>563`, `Some(563)`. A line
that says before its counts that they are totals, averages or limits is no call.

Lines may stand in a collector's JSON, as text (see _said.py). A time at the start of the line is the call's, else what stands
around it; without one, the file's time is taken, and flagged. `key=value` pairs beside
the counts are read too: model, endpoint, latency, ids, and unknown ones as tags. A count that is none rejects its line.

Tells what the line says, seldom more than model, endpoint and four counts. Cannot tell the model where no line names it
(--assume-model), nor calls that were not logged. Two equal lines without an id are two calls.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Sequence

from claude_audit.aliases import (
    ALIASES,
    OPENAI_CACHED,
    OPENAI_INPUT,
    WRITTEN,
    field_of,
    fields,
    meant,
    normalized,
    spoken,
    taggable,
)
from claude_audit.ingestors import Head, Ingestor, Kind, Reading, messages
from claude_audit.ingestors import _blocks as blocks
from claude_audit.ingestors import _named as named
from claude_audit.ingestors import _numbers as numbers
from claude_audit.ingestors import _said as said
from claude_audit.ingestors import _text_lines as text_lines
from claude_audit.ingestors._body import NOT_TAGS
from claude_audit.ingestors._messages_usage import USAGE, counts
from claude_audit.ingestors._text_lines import picked
from claude_audit.pieces import quoted, quoted_list

API_CALL = (
    r"(?i)(?:API call \[([^\]]*)\]:? +([-+\w.,]+) input(?: tokens?)?,? +(?:and +)?([-+\w.,]+) output tokens?"
    r"|\b([0-9][\w.,]*) (?:input|prompt)(?: tokens?)?(?:,? and|,| [+/|])? +([0-9][\w.,]*) (?:output|completion)\b)"
)
"""Group 1 is the endpoint; 2 and 3, or 4 and 5, are the counts."""
NAMED = r"(?i)API call \["
LOGGED = (
    r"^\W*(?:\d{2,4}[-/:.]\d{1,2}|[A-Z][a-z]{2} +\d{1,2},? \d)|(?i:\b(?:trace|debug|info|notice|warn(?:ing)?|error)\b)"
)
"""What a logger puts before its words: a time, a level."""
LONGEST_SAID = 100
"""Characters of a line that says two counts and was not logged: a longer one, or one that ends with a period, is prose."""
SUMMED = r"(?i)(?:^|[^\w-])(?:totals?|cumulative|average|avg|mean|overall|sum of|limits?|[0-9,]+ (?:calls|requests))(?:[^\w-]|$)"
"""Before the counts of a line it says that they are not those of one call."""
USAGE_REPR = (
    r"(?:^|[^A-Za-z])((?:Beta)?Usage"
    r"\((?:[^()]|\((?:[^()]|\((?:[^()]|\([^()]*\))*\))*\))*\))"  # parentheses in parentheses, three deep
)
SUM = "total, average or limit"
"""Why a line with counts is no call."""
MOST_TAGS = 64


def _key(field: str) -> str:
    """A regular expression: one of the names of a field, as a key with an equals sign."""
    forms = "|".join("[_-]?".join(word.split("_")) for word in ALIASES[field])
    return rf"(?i)(?:^|[\s,;:({{\[|.\"'])(?:{forms})="


OF_PYDANTIC = "(contains(text, 'RunUsage(') OR contains(text, 'RequestUsage('))"
"""SQL: whether a line has Pydantic AI's repr, whose input includes the cached tokens."""
INPUT, OUTPUT = _key("input_tokens"), _key("output_tokens")


def _recognise(head: Head) -> bool:
    sample = head.lines[:60]
    if head.binary:
        return False
    packed = head.document or 2 * len(head.records) > len(sample)
    lines = said.strings(head) if packed else (line for line in head.text.split("\n") if "token" in line.lower())
    told = [text_lines.plain(line) for line in lines]
    return any(map(_is_call, told)) or blocks.printed("\n".join(told))


def _is_call(line: str) -> bool:
    found = re.search(API_CALL, line)
    if found and not text_lines.summed(line[: found.start()], SUMMED):
        said_so = len(line) <= LONGEST_SAID and not line.rstrip().endswith(".")
        if said_so or re.search(NAMED, line) or re.search(LOGGED, line):
            return True
    if re.search(INPUT + r"[\"']?[0-9]", line) and re.search(OUTPUT + r"[\"']?[0-9]", line):
        return True
    body = re.search(r"\{.*\}", line) or re.search(r'\{\s*".*\}', line)
    try:
        record = json.loads(body[0]) if body else None
    except (ValueError, RecursionError):
        return False
    return isinstance(record, dict) and messages.token_record(record)


def _select(reading: Reading) -> str:
    """Lines are sorted by their form first, in one pass; then each form that there is has its own SELECT."""
    run = reading.connection.execute
    text_lines.macros(reading.connection)
    lines = said.source(reading)
    time = f"coalesce({text_lines.time('text')}, outer_at)"
    run(f"""
        CREATE OR REPLACE TEMP TABLE text_lines AS
        SELECT file, line, form, CASE WHEN form IS NULL THEN NULL WHEN form = 'json' THEN body ELSE rest END AS text,
            CASE WHEN form IS NOT NULL THEN {time} END AS told_at
        FROM (
            SELECT *, CASE WHEN told THEN CASE
                WHEN contains(rest, 'Usage(') AND regexp_matches(rest, {quoted(USAGE_REPR)})
                    AND regexp_matches(rest, '[( ]input_tokens=') THEN 'repr'
                WHEN contains(rest, 'put') AND regexp_matches(rest, {quoted(API_CALL)}) AND {text_lines.of_one_call("rest", API_CALL, SUMMED)}
                    AND ({_printed("text")} OR outer_at IS NOT NULL) THEN 'call'
                WHEN contains(rest, '=') AND regexp_matches(rest, {quoted(INPUT)}) AND regexp_matches(rest, {quoted(OUTPUT)})
                    THEN CASE WHEN {text_lines.of_one_call("rest", INPUT, SUMMED)} AND {text_lines.of_one_call("rest", OUTPUT, SUMMED)}
                        THEN 'pairs' ELSE 'sum' END
                WHEN regexp_matches(body, '(?i)"[a-z_-]*tokens?[a-z_-]*" *:') THEN 'json'
                WHEN {blocks.matches("rest")} THEN 'block'
            END END AS form
            FROM (
                SELECT *, CASE WHEN told THEN text_plain(CASE WHEN body IS NULL THEN text ELSE replace(text, body, ' ') END)
                    END AS rest
                FROM (
                    SELECT file, line, text, told, outer_at, CASE
                        WHEN NOT told OR NOT contains(text, '{{') THEN NULL
                        WHEN json_valid(regexp_extract(text, '\\{{.*\\}}')) THEN regexp_extract(text, '\\{{.*\\}}')
                        WHEN json_valid(regexp_extract(text, '\\{{\\s*".*\\}}')) THEN regexp_extract(text, '\\{{\\s*".*\\}}')
                    END AS body
                    FROM (
                        SELECT file, line, rtrim(text, chr(13) || chr(10)) AS text, outer_at,
                            contains(text, 'oken') OR contains(text, 'OKEN') AS told
                        FROM {lines}
                    )
                )
            )
        )""")
    forms = {row[0] for row in run("SELECT DISTINCT form FROM text_lines WHERE form IS NOT NULL").fetchall()}
    parts = []
    if forms & {"pairs", "call", "repr"}:
        parts += _pairs(reading, forms)
    if "block" in forms:
        parts.append(_basis(blocks.select(lines, "text_lines", time), named.COUNTED))
    if "json" in forms:
        run(
            "CREATE OR REPLACE TEMP TABLE text_json AS "
            + messages.keyed("(SELECT * FROM text_lines WHERE form = 'json')", "told_at")
        )
        parts.append(f"""
            SELECT m.* REPLACE (coalesce(m.ts, t.told_at) AS ts)
            FROM ({messages.select(reading, "text_json")}) AS m JOIN text_json AS t USING (file, line)""")
    return "\nUNION ALL BY NAME\n".join(
        [
            *parts,
            f"SELECT file, line, CASE form WHEN 'sum' THEN '{SUM}' ELSE 'no call' END AS ignore FROM text_lines "
            "WHERE form IS NULL OR form = 'sum'",
        ]
    )


def _printed(line: str) -> str:
    """SQL: whether a program printed a line with the counts of a call in words; or it is prose."""
    said_so = f"strlen({line}) <= {LONGEST_SAID} AND NOT suffix(rtrim({line}), '.')"
    return f"({said_so} OR regexp_matches({line}, {quoted(NAMED)}) OR regexp_matches({line}, {quoted(LOGGED)}))"


def _pairs(reading: Reading, forms: set[str]) -> list[str]:
    """SQL: the calls of lines with key=value pairs, which tell the counts or stand beside them."""
    run = reading.connection.execute
    run(f"""
        CREATE OR REPLACE TEMP TABLE text_pairs AS
        SELECT file, line, form, told_at, text, usage, {text_lines.pairs("beside")} AS pairs,
            list_transform(pairs, lambda p: split_part(p, '=', 1)) AS keys
        FROM (
            SELECT *, CASE WHEN usage IS NULL THEN text ELSE {_beside_message("replace(text, usage, ' ')")} END AS beside
            FROM (
                SELECT *, CASE WHEN form = 'repr' THEN regexp_extract_all(text, {quoted(USAGE_REPR)}, 1)[-1] END AS usage
                FROM text_lines WHERE form IN ('pairs', 'call', 'repr')
            )
        )""")
    names = _by_last_part(
        run("SELECT DISTINCT unnest(keys) AS key FROM text_pairs ORDER BY key LIMIT 20000").fetchall()
    )
    known = {field: [key for name in found for key in names[name]] for field, found in fields(names).items()}
    for name in WRITTEN:
        known.setdefault("cache_write_tokens", []).extend(names.get(name, ()))
    known = {field: keys for field, keys in known.items() if keys}

    unknown = [name for name in names if field_of(name) is None and _is_label(name)][:MOST_TAGS]
    # Each value is looked up once: what is made of it uses it several times.
    columns = {f"own_{field}": _first(keys) for field, keys in known.items()}
    if unknown:
        columns["tags"] = named.tags([(name, _first(names[name])) for name in unknown])
    run(f"""
        CREATE OR REPLACE TEMP VIEW text_calls AS
        SELECT file, line, form, told_at, text, usage, keys, {picked("category")} AS category
            {"".join(f', {sql} AS "{name}"' for name, sql in columns.items())}
        FROM text_pairs""")

    def value(field: str) -> str | None:
        return f'"own_{field}"' if field in known else None

    counted, labels = named.counts(value), named.labels(value)
    if unknown:
        labels["tags"] = "tags"
    labels["ts"] = f"coalesce(told_at, {value('ts') or 'NULL'})"
    cached = [f"{sql} IS NOT NULL" for name, sql in counted.items() if name.startswith("cache")]
    labels["cache_unseen"] = f"NOT ({' OR '.join(cached)})" if cached else "true"
    selects = {
        "pairs": _of_pairs(labels, counted, known),
        "call": _of_api_calls(labels, counted),
        "repr": _of_reprs(labels),
    }
    return [sql for form, sql in selects.items() if form in forms]


def _first(keys: Sequence[str]) -> str:
    """SQL: the value of the first of the keys that has one."""
    values = [meant(key.rpartition(".")[2], picked(key)) for key in keys]
    return f"coalesce({', '.join(values)})" if len(values) > 1 else values[0]


_NO_TAGS = frozenset(map(normalized, (*NOT_TAGS, "category", "stop_details", "total_tokens")))


def _is_label(name: str) -> bool:
    """Whether an unknown key may become a tag: not the name of a part of a repr, nor of text."""
    return normalized(name) not in _NO_TAGS and not name.endswith("_details") and taggable(name)


def _by_last_part(keys: Iterable[tuple[str]]) -> dict[str, list[str]]:
    """usage.input_tokens is input_tokens: the last part of dotted keys -> the keys, those nearest to the top first."""
    names: dict[str, list[str]] = {}
    for (key,) in sorted(keys, key=lambda row: row[0].count(".")):
        names.setdefault(key.rpartition(".")[2], []).append(key)
    return names


def _of_pairs(labels: dict[str, str], counted: dict[str, str], known: dict[str, list[str]]) -> str:
    def chosen(field: str, *names: str) -> str:
        """SQL: whether the key that tells the field on a line is of one of these names."""
        alike = ((key, spoken(key) in map(normalized, names)) for key in known.get(field, ()))
        cases = " ".join(f"WHEN list_contains(keys, {quoted(key)}) THEN {str(same).lower()}" for key, same in alike)
        return f"CASE {cases} ELSE false END" if cases else "false"

    def told(field: str, *names: str) -> str:
        """SQL: whether a line has a key of one of these names, whatever others tell the field too."""
        listed = [key for key in known.get(field, ()) if spoken(key) in map(normalized, names)]
        return f"list_has_any(keys, {quoted_list(listed)})" if listed else "false"

    sql = f"""
        SELECT file, line, {named.listed({**counted, **labels})},
            {chosen("input_tokens", OPENAI_INPUT)} OR {OF_PYDANTIC} AS openai_input,
            {told("cache_read_tokens", *OPENAI_CACHED)} OR {OF_PYDANTIC} AS openai_cached
        FROM text_calls WHERE form = 'pairs'"""
    cached = any(name.startswith("cache") for name in counted)
    return _basis(sql, list(counted)) if cached else f"SELECT * EXCLUDE (openai_input, openai_cached) FROM ({sql})"


def _of_api_calls(labels: dict[str, str], counted: dict[str, str]) -> str:
    def group(*numbers: int) -> str:
        found = (f"nullif(rtrim(regexp_extract(text, {quoted(API_CALL)}, {number}), ',.'), '')" for number in numbers)
        return f"coalesce({', '.join(found)}, NULL)"

    endpoint = f"coalesce({group(1)}, {labels.get('endpoint', 'NULL')})"
    own = {
        "input_tokens": numbers.count(group(2, 4)),
        "output_tokens": numbers.count(group(3, 5)),
        "endpoint": endpoint,
    }
    return f"""
        SELECT file, line, {named.listed({**counted, **labels, **own})}
        FROM text_calls WHERE form = 'call'"""


def _of_reprs(labels: dict[str, str]) -> str:
    """SQL: the calls told by the SDK's repr of a usage block, turned into the JSON that it was made from."""
    beside = {name: sql for name, sql in labels.items() if name not in ("tier", "geo", "speed", "cache_unseen")}
    steps = (
        (r"([A-Za-z_][A-Za-z0-9_]*)=", r'"\1": '),
        (r"[A-Za-z_][A-Za-z0-9_]*\(", "{"),
        (r"\)", "}"),
        (r"'([^']*)'", r'"\1"'),
        (r"\bNone\b", "null"),
        (r"\bTrue\b", "true"),
        (r"\bFalse\b", "false"),
    )
    text = "usage"
    for pattern, replacement in steps:
        text = f"regexp_replace({text}, {quoted(pattern)}, {quoted(replacement)}, 'g')"
    return f"""
        SELECT file, line,
            CASE WHEN u IS NULL THEN 'the repr of a usage block cannot be read' END AS reject,
            {counts("u")},
            {named.listed(beside)},
            CASE WHEN contains(text, 'stop_details=') THEN category END AS refusal_category,
            CASE WHEN contains(text, 'content=[]') THEN '0' WHEN contains(text, 'content=[') THEN '1' END AS content_blocks
        FROM (
            SELECT *, TRY(json_transform({text}, {quoted(json.dumps(USAGE))})) AS u
            FROM text_calls WHERE form = 'repr'
        )"""


def _beside_message(text: str) -> str:
    """SQL: a line with the repr of a whole message, without what was said in it."""
    kept = f"regexp_replace({text}, 'content=\\[.*\\], model=', 'model=')"
    return f"regexp_replace({kept}, 'content=\\[.*$', '')"


def _basis(calls: str, names: Sequence[str]) -> str:
    """SQL: whether the input of each call includes its cached tokens, by its names.

    Names that OpenAI uses say so, unless a call under such names has more cached tokens than input.
    """
    columns = {name: name for name in names}
    some = " OR ".join(f"count_of({name}) > 0" for name in names if name.startswith("cache"))
    return f"""
        SELECT * EXCLUDE (openai_input, openai_cached, proven),
            (openai_input OR openai_cached) AND NOT proven AS inclusive,
            CASE WHEN openai_input <> openai_cached AND NOT proven AND ({some}) THEN ['basis_assumed'] END AS notes
        FROM (
            SELECT *, coalesce(bool_or((openai_input OR openai_cached) AND {named.more_cached_than_input(columns)})
                OVER (PARTITION BY file), false) AS proven
            FROM ({calls})
        )"""


TEXT = Ingestor(
    name="text",
    title="log lines: API call […], key=value, Usage(…), printed figures, JSON after a prefix",
    kind=Kind.LINES,
    recognise=_recognise,
    select=_select,
    rank=190,
    by_number=True,
    doc=__doc__,
)
