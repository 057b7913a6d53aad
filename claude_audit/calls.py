"""From what a log says of a call to typed columns: counts checked, times read, cache writes split; or a reason why not.

An ingestor's SELECT yields one row for each line (or record), with any of the CALL columns as text, straight from the log.
Here each of them is checked and typed by one rule for all formats; a value that breaks a rule rejects its line, by name.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING

from claude_audit.pieces import quoted, quoted_list

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection

    from claude_audit.catalog import Catalog

COUNTS = (
    "input_tokens",
    "output_tokens",
    "cache_read_tokens",
    "cache_write_tokens",
    "cache_write_5m_tokens",
    "cache_write_1h_tokens",
    "thinking_tokens",
    "web_searches",
    "server_calls",
)
"""Text in, BIGINT out; anything but a whole number from 0 to 2^63-1 rejects the line. `cache_write_tokens` is the total of
all TTLs; `server_calls` counts runs of server-side tools (they make one prompt's size unknowable from a sum)."""

TEXTS = (
    "request_id message_id session gateway region routing workspace api_key user team project environment "
    "endpoint task unit model_raw provider tier speed geo stop_reason refusal_category effort prefix_hash "
    "request_hash cache_miss_reason status retry_of cost_reported_by unbilled"
).split()
NUMBERS = {
    "latency_ms": "DOUBLE",
    "ttft_ms": "DOUBLE",
    "max_tokens": "BIGINT",
    "tools_defined": "INTEGER",
    "tools_used": "INTEGER",
    "message_count": "INTEGER",
    "cache_breakpoints": "SMALLINT",
    "cache_missed_tokens": "BIGINT",
    "content_blocks": "INTEGER",
    "cost_reported_usd": "DECIMAL(28,12)",
    "requests": "BIGINT",
}
"""Side facts: a value that is no such number is taken as not recorded."""
BOOLEANS = ("has_images", "thinking", "latency_tolerant", "stream", "side_chain")
STRUCTURED = {
    "iterations": "JSON",
    "tags": "MAP(VARCHAR, VARCHAR)",
    "prompt_blocks": "STRUCT(hash VARCHAR, tokens BIGINT, kind VARCHAR, breakpoint BOOLEAN)[]",
    "notes": "VARCHAR[]",
}
"""`notes`: flags (usage.FLAGS) that the ingestor itself sets."""
SPECIAL = {
    "file": "INTEGER",
    "line": "BIGINT",
    "ignore": "VARCHAR",
    "reject": "VARCHAR",
    "ts": "VARCHAR",
    "identity": "VARCHAR",
    "snapshots": "BOOLEAN",
    "inclusive": "BOOLEAN",
    "cache_unseen": "BOOLEAN",
}
"""`ignore`: why a line is no call (then nothing else is read); `reject`: why it is broken. `identity`: what duplicates are
found by, where it is not request_id or message_id. `snapshots`: lines of one identity are one call whatever they count
(a transcript's growing lines). `inclusive`: input_tokens contains reads and writes."""

MOST = 2**63 - 1
"""What a count can be at most."""

CALL_COLUMNS = dict.fromkeys((*COUNTS, *TEXTS, *NUMBERS, *BOOLEANS), "VARCHAR") | STRUCTURED | SPECIAL
"""Every column an ingestor may yield, with the type it is read as. Missing ones are null."""


@dataclass(frozen=True, slots=True)
class Assumptions:
    """What the user said about logs that do not say it themselves."""

    model: str | None = None
    timezone: str = "UTC"
    endpoint: str | None = None
    mapping: Mapping[str, str] | None = None
    """Of --map: our field -> the log's column."""


def macros(connection: DuckDBPyConnection, assume: Assumptions) -> None:
    """Define the functions that the SELECTs of all formats share."""
    zone = quoted(assume.timezone)
    for statement in (
        "absent(v) AS v IS NULL OR v IN ('', '-', '--', 'null', 'None')",
        # 12 and 12.0 are counts; "1,204" is one where people write (counted() strips the separators).
        """count_of(v) AS CASE
            WHEN v IS NULL THEN NULL
            WHEN TRY_CAST(v AS BIGINT)::VARCHAR = v AND NOT starts_with(v, '-') THEN TRY_CAST(v AS BIGINT)
            WHEN regexp_full_match(v, '[0-9]+(\\.0*)?') THEN TRY_CAST(split_part(v, '.', 1) AS BIGINT)
        END""",
        """counted(v) AS CASE
            WHEN regexp_full_match(trim(v), '[0-9]{1,3}(,[0-9]{3})+') THEN replace(trim(v), ',', '') ELSE trim(v)
        END""",
        # Epochs in s, ms, us or ns, told apart by size; then a text with a zone; then a text without one.
        """epoch_us_of(v) AS CASE
            WHEN v < 100000000000 THEN CAST(floor(v * 1000000) AS BIGINT)
            WHEN v < 100000000000000 THEN CAST(floor(v * 1000) AS BIGINT)
            WHEN v < 100000000000000000 THEN CAST(floor(v) AS BIGINT)
            ELSE CAST(floor(v / 1000) AS BIGINT)
        END""",
        "zoned(v) AS regexp_matches(v, '(Z|z|UTC|GMT|[0-9][+-][0-9]{2}(:?[0-9]{2})?)$') AND strlen(v) > 10",
        "naive_time(v) AS NOT zoned(v) AND NOT regexp_full_match(v, '[0-9]+(\\.[0-9]+)?')",
        f"""instant(v) AS CASE
            WHEN suffix(v, 'Z') THEN TRY_CAST(v AS TIMESTAMPTZ)
            WHEN regexp_full_match(v, '[0-9]+(\\.[0-9]+)?')
                THEN TRY(make_timestamptz(epoch_us_of(TRY_CAST(v AS DECIMAL(30, 9)))))
            WHEN zoned(v) THEN TRY_CAST(replace(replace(v, ',', '.'), 'GMT', 'UTC') AS TIMESTAMPTZ)
            ELSE TRY(timezone({zone}, TRY_CAST(replace(v, ',', '.') AS TIMESTAMP)))
        END""",
        # JavaScript cuts strings inside an emoji; the escape is valid JSON, but no Unicode text.
        "without_lone_surrogates(v) AS regexp_replace(v, '\\\\u[dD][89a-fA-F][0-9a-fA-F]{2}', '', 'g')",
        # How much output a call tells of: of several lines about one call, the one that tells most counts.
        "passes_in(list) AS CASE WHEN list IS NULL THEN 0 ELSE coalesce(json_array_length(list), 0) END",
        """extra_output(list, top) AS CASE
            WHEN list_contains(json_extract_string(list, '$[*].type'), 'fallback_message')
                THEN coalesce(list_sum(TRY_CAST(json_extract_string(list, '$[*].output_tokens') AS BIGINT[])), 0) - coalesce(top, 0)
            ELSE coalesce(list_sum(list_transform(
                list_filter(TRY(json_transform(list, '[{"type":"VARCHAR","output_tokens":"BIGINT"}]')), lambda e: e."type" <> 'message'),
                lambda e: e.output_tokens)), 0)
        END""",
        """cacheable(blocks) AS CASE
            WHEN blocks IS NULL THEN NULL
            WHEN len(list_filter(blocks, lambda b: b.breakpoint)) > 0
                THEN list_sum(list_transform(
                    blocks[1:list_max(list_transform(blocks, lambda b, i: CASE WHEN b.breakpoint THEN i ELSE 0 END))],
                    lambda b: b.tokens))
            WHEN blocks[1].kind IN ('tools', 'system')
                THEN list_sum(list_transform(
                    blocks[1:coalesce(list_min(list_transform(blocks, lambda b, i: CASE WHEN b.kind NOT IN ('tools', 'system')
                        OR b.kind IS NULL THEN i END)), len(blocks) + 1) - 1],
                    lambda b: b.tokens))
            ELSE coalesce(list_sum(list_transform(blocks, lambda b: b.tokens)), 0)
        END""",
        "truth(v) AS CASE lower(v) WHEN 'true' THEN true WHEN '1' THEN true WHEN 'yes' THEN true "
        "WHEN 'false' THEN false WHEN '0' THEN false WHEN 'no' THEN false END",
    ):
        connection.execute(f"CREATE OR REPLACE MACRO {statement}")


def prepare(connection: DuckDBPyConnection, files: Sequence[tuple[str, str, datetime, datetime]]) -> None:
    """Create the empty tables that reading fills; and `files`: name, path, time in its name or else of the file, file time."""
    connection.execute(
        "CREATE TABLE files AS SELECT unnest(range(len(?::VARCHAR[])))::INTEGER AS file, unnest(?::VARCHAR[]) AS name, "
        "unnest(?::VARCHAR[]) AS path, unnest(?::TIMESTAMPTZ[]) AS fallback, unnest(?::TIMESTAMPTZ[]) AS written",
        [[f[0] for f in files], *([f[n] for f in files] for n in range(4))],
    )
    connection.execute("CREATE TABLE line_counts (file INTEGER, outcome VARCHAR, reason VARCHAR, lines BIGINT)")
    connection.execute("CREATE TABLE rejects (file INTEGER, line BIGINT, reason VARCHAR)")


def check(connection: DuckDBPyConnection, name: str, select: str) -> None:
    """Run one ingestor's SELECT into the new table `name`: every value checked and typed, every line with its fate.

    `ignore` and `reason` say why a line is no call, and why it is rejected.
    """
    present = {row[0] for row in connection.execute(f"DESCRIBE {select}").fetchall()}
    unknown = present - set(CALL_COLUMNS)
    assert not unknown, f"unknown columns: {sorted(unknown)}"  # noqa: S101 - a mistake in an ingestor
    given = ", ".join(
        f'{column}::{sql} AS "{column}"' if column in present else f'NULL::{sql} AS "{column}"'
        for column, sql in CALL_COLUMNS.items()
    )
    connection.execute(f"""
        CREATE TABLE {name} AS
        WITH given AS (SELECT {given} FROM ({select})),
        typed AS (
            SELECT * EXCLUDE (ts, {", ".join((*COUNTS, *NUMBERS, *BOOLEANS))}, ignore),
                coalesce(ignore, CASE WHEN reject IS NULL AND {_no_counts()} THEN 'no token counts' END) AS ignore,
                {_typed()},
                ts AS ts_text,
                CASE WHEN absent(ts) THEN NULL ELSE instant(ts) END AS ts
            FROM given
        )
        SELECT *, coalesce(reject, CASE WHEN ignore IS NULL THEN {_reason()} END) AS reason FROM typed""")


def take(
    connection: DuckDBPyConnection,
    tables: Sequence[str],
    format_name: str,
    assume: Assumptions,
    catalog: Catalog,
    shared: bool,
) -> None:
    """Move the lines of checked tables on: calls to `calls`, the others to the counts; and drop the tables.

    `shared`: the format is used for other vendors' models too; those rows are ignored.
    """
    checked = " UNION ALL ".join(f"SELECT * FROM {name}" for name in tables)
    ignore = "ignore"
    if shared:
        names = connection.execute(
            f"SELECT DISTINCT model_raw FROM ({checked}) WHERE ignore IS NULL AND NOT absent(model_raw)"
        ).fetchall()
        others = quoted_list([name for (name,) in names if not catalog.is_claude(name)])
        ignore = f"coalesce(ignore, CASE WHEN list_contains({others}::VARCHAR[], model_raw) THEN 'other vendor''s model' END)"
    fate = f"SELECT * EXCLUDE (ignore, reason), {ignore} AS ignore, CASE WHEN {ignore} IS NULL OR reject IS NOT NULL THEN reason END AS reason FROM ({checked})"
    connection.execute(f"""
        INSERT INTO line_counts
        SELECT file, CASE WHEN reason IS NOT NULL THEN 'rejected' WHEN ignore IS NOT NULL THEN 'ignored' ELSE 'call' END,
            CASE WHEN reason IS NULL THEN ignore END, count(*)
        FROM ({fate}) GROUP BY ALL""")
    connection.execute(f"INSERT INTO rejects SELECT file, line, reason FROM ({fate}) WHERE reason IS NOT NULL")
    calls = f"""
        SELECT {quoted(format_name)} AS format, {_call(assume)}
        FROM ({fate}) JOIN files USING (file)
        WHERE ignore IS NULL AND reason IS NULL"""
    exists = connection.execute("SELECT count(*) FROM duckdb_tables() WHERE table_name = 'calls'").fetchone()
    connection.execute(f"{'INSERT INTO calls' if exists and exists[0] else 'CREATE TABLE calls AS'} {calls}")
    for name in tables:
        connection.execute(f"DROP TABLE {name}")


def _no_counts() -> str:
    return " AND ".join(f"{name} IS NULL" for name in COUNTS if name not in ("server_calls", "thinking_tokens"))


def _typed() -> str:
    """Each text column beside its typed value: NULL where the text is no such value."""
    parts = [f"CASE WHEN absent({c}) THEN NULL ELSE {c} END AS {c}_text, count_of({c}) AS {c}" for c in COUNTS]
    parts += [f"TRY_CAST({c} AS {sql}) AS {c}" for c, sql in NUMBERS.items()]
    parts += [f"truth({c}) AS {c}" for c in BOOLEANS]
    return ", ".join(parts)


def _reason() -> str:
    """SQL: why a line is rejected, naming the first value that breaks a rule."""
    cases = [f"WHEN {c}_text IS NOT NULL AND {c} IS NULL THEN '{c} is ' || left({c}_text, 60)" for c in COUNTS]
    for name in ("input_tokens", "output_tokens", "cache_read_input_tokens", "cache_creation_input_tokens"):
        listed = f"json_extract_string(iterations, '$[*].{name}')"
        cases.append(
            f"WHEN passes_in(iterations) > 0 AND len(list_filter({listed}, lambda x: NOT absent(x) AND count_of(x) IS NULL)) > 0 "
            f"THEN '{name} in iterations is ' || left(list_filter({listed}, lambda x: NOT absent(x) AND count_of(x) IS NULL)[1], 60)"
        )
    cases += [
        f"WHEN {sum_of} > {MOST} THEN 'the token counts of {what} add up to more than {MOST}'"
        for what, sum_of in _sums()
    ]
    cases.append("WHEN NOT absent(ts_text) AND ts IS NULL THEN 'the time ' || left(ts_text, 60) || ' cannot be read'")
    return f"CASE {' '.join(cases)} END"


def _sums() -> list[tuple[str, str]]:
    """What has to be a count in sum too, and its SQL, of wide numbers: the prompt, and all that the passes count."""
    wide = "coalesce({}, 0)::HUGEINT".format
    split = f"{wide('cache_write_5m_tokens')} + {wide('cache_write_1h_tokens')}"
    cached = f"({wide('cache_read_tokens')} + greatest({wide('cache_write_tokens')}, {split}))"
    own = wide("input_tokens")
    prompt = f"CASE WHEN inclusive AND {own} >= {cached} THEN {own} ELSE {own} + {cached} END"
    names = ["input_tokens", "output_tokens", "cache_read_input_tokens", "cache_creation_input_tokens"]
    names += [f"cache_creation.ephemeral_{ttl}_input_tokens" for ttl in ("5m", "1h")]
    passes = " + ".join(
        f"coalesce(list_sum(TRY_CAST(json_extract_string(iterations, '$[*].{name}') AS BIGINT[])), 0)::HUGEINT"
        for name in names
    )
    return [("the prompt", prompt), ("the passes", f"CASE WHEN passes_in(iterations) > 0 THEN {passes} END")]


def _call(assume: Assumptions) -> str:
    """SQL: the typed columns of one call. DuckDB lets a later expression use an earlier alias."""
    zero = "coalesce({}, 0)".format
    split = f"({zero('cache_write_5m_tokens')} + {zero('cache_write_1h_tokens')})"
    model = (
        f"CASE WHEN absent(model_raw) THEN {quoted(assume.model)} ELSE model_raw END"
        if assume.model
        else "CASE WHEN absent(model_raw) THEN NULL ELSE model_raw END"
    )
    endpoint = (
        f"coalesce(nullif(endpoint, ''), {quoted(assume.endpoint)})" if assume.endpoint else "nullif(endpoint, '')"
    )
    marks = "least(len(list_filter(prompt_blocks, lambda b: b.breakpoint)), 32767)"
    told = {"cache_breakpoints": f"coalesce(cache_breakpoints, {marks}::SMALLINT) AS cache_breakpoints"}
    numbers = ", ".join(told.get(name, name) for name in NUMBERS)
    blank = ", ".join(
        f"nullif({c}, '') AS {c}"
        for c in TEXTS
        if c not in ("model_raw", "endpoint", "tier", "speed", "geo", "status", "unbilled", "provider")
    )
    return f"""
        file, line, coalesce(ts, fallback) AS moment, {blank},
        {model} AS model_name,
        {endpoint} AS endpoint,
        nullif(provider, '') AS provider,
        nullif(nullif(lower(tier), ''), 'null') AS tier,
        CASE lower(speed) WHEN 'normal' THEN 'standard' WHEN '' THEN NULL ELSE lower(speed) END AS speed,
        CASE lower(geo) WHEN 'not_available' THEN NULL WHEN '' THEN NULL ELSE lower(geo) END AS geo,
        GREATEST(coalesce(cache_write_tokens, 0), {split}) AS writes,
        CASE WHEN inclusive AND {zero("input_tokens")} >= {zero("cache_read_tokens")} + writes
            THEN input_tokens - {zero("cache_read_tokens")} - writes ELSE input_tokens END AS uncached,
        inclusive AND {zero("input_tokens")} < {zero("cache_read_tokens")} + writes AS not_inclusive,
        cache_read_tokens,
        cache_write_5m_tokens AS write_5m,
        cache_write_1h_tokens AS write_1h,
        CASE WHEN {zero("cache_write_tokens")} > {split} THEN cache_write_tokens - {split} END AS write_unknown,
        output_tokens, thinking_tokens, web_searches, {zero("server_calls")} AS server_calls,
        uncached + {zero("cache_read_tokens")} + writes AS prompt,
        {numbers}, {", ".join(BOOLEANS)}, iterations, tags, prompt_blocks,
        CASE WHEN regexp_full_match(lower(status), 'error|errored|failed|failure|expired|cancell?ed') THEN 'error'
            WHEN stop_reason = 'refusal' THEN 'refused' ELSE 'ok' END AS outcome,
        stop_reason = 'refusal' AND (content_blocks = 0 OR content_blocks IS NULL AND {zero("output_tokens")} = 0) AS refused_empty,
        CASE WHEN nullif(unbilled, '') IS NOT NULL THEN unbilled WHEN outcome = 'error' THEN 'error' END AS free,
        list_filter(list_concat(coalesce(notes, []), [
            CASE WHEN ts IS NULL THEN 'time_from_file' WHEN naive_time(ts_text) THEN 'time_zone_assumed' END,
            CASE WHEN absent(model_raw) AND model_name IS NOT NULL THEN 'model_assumed' END,
            CASE WHEN write_unknown > 0 THEN 'ttl_unknown' END,
            CASE WHEN not_inclusive THEN 'basis_assumed' END,
            CASE WHEN cache_unseen THEN 'cache_unseen' END,
            CASE WHEN stop_reason = 'refusal' AND content_blocks IS NULL AND NOT refused_empty THEN 'refusal_content_unknown' END
        ]), lambda x: x IS NOT NULL) AS flags,
        coalesce(nullif(identity, ''), nullif(request_id, ''), nullif(message_id, '')) AS identity,
        coalesce(snapshots, false) AS snapshots,
        coalesce(output_tokens, 0) + CASE WHEN passes_in(iterations) > 0 THEN extra_output(iterations, output_tokens) ELSE 0 END AS weight
    """
