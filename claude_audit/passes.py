"""From the calls that won to rows of the normalized table: one a billed pass.

`usage.iterations` (Messages API) lists the passes of a call. Messages alone repeat the top-level counters; compactions and
advisor passes come on top of them (docs: Compaction; Advisor tool); with a fallback each entry is billed at its own model
and one that declined before any output is free (docs: Refusals and fallback). Price bands are judged pass by pass.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from claude_audit.pieces import quoted_list
from claude_audit.usage import COLUMNS

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection

    from claude_audit.catalog import Catalog

ENTRY = (
    'STRUCT("type" VARCHAR, model VARCHAR, input_tokens BIGINT, output_tokens BIGINT, cache_read_input_tokens BIGINT, '
    "cache_creation_input_tokens BIGINT, cache_creation STRUCT(ephemeral_5m_input_tokens BIGINT, ephemeral_1h_input_tokens BIGINT))"
)

ENTRIES = (
    '[{"type":"VARCHAR","model":"VARCHAR","input_tokens":"BIGINT","output_tokens":"BIGINT","cache_read_input_tokens":"BIGINT",'
    '"cache_creation_input_tokens":"BIGINT",'
    '"cache_creation":{"ephemeral_5m_input_tokens":"BIGINT","ephemeral_1h_input_tokens":"BIGINT"}}]'
)


def models(connection: DuckDBPyConnection, catalog: Catalog) -> None:
    """Fill `models(spelling, model, provider, routing, first_sold)` for every spelling among the calls."""
    names = [
        row[0]
        for row in connection.execute("""
            SELECT DISTINCT model_name FROM calls WHERE model_name IS NOT NULL
            UNION SELECT DISTINCT unnest(json_extract_string(iterations, '$[*].model')) FROM calls
            WHERE passes_in(iterations) > 0""").fetchall()
        if row[0] is not None
    ]
    found = [catalog.resolve(name, families=False) for name in names]
    connection.execute(
        "CREATE OR REPLACE TEMP TABLE models AS SELECT unnest(?::VARCHAR[]) AS spelling, unnest(?::VARCHAR[]) AS model, "
        "unnest(?::VARCHAR[]) AS provider, unnest(?::VARCHAR[]) AS routing, unnest(?::DATE[]) AS first_sold",
        [
            names,
            [r.model.id if r else None for r in found],
            [r.provider if r else None for r in found],
            [r.routing if r else None for r in found],
            [r.model.rates[0].since if r and r.model.rates else None for r in found],
        ],
    )


def plausible_times(connection: DuckDBPyConnection) -> None:
    """Where a file's name seems to date its records, but a model in it was not sold yet: take the file's own time.

    "advisor-20260301.json" names a version, not a day.
    """
    connection.execute("""
        UPDATE files SET fallback = written
        WHERE file IN (
            SELECT files.file
            FROM files
            JOIN (
                SELECT file, model_name AS spelling FROM calls WHERE list_contains(flags, 'time_from_file')
                UNION ALL SELECT file, unnest(json_extract_string(iterations, '$[*].model')) FROM calls
                WHERE list_contains(flags, 'time_from_file') AND passes_in(iterations) > 0
            ) AS named USING (file)
            JOIN models USING (spelling)
            WHERE files.fallback <> files.written
            GROUP BY files.file, files.written, files.fallback
            HAVING max(models.first_sold) > files.fallback
        )""")


def rows(connection: DuckDBPyConnection, catalog: Catalog, winners: str = "winners") -> str:
    """SQL: the table's columns, one row a pass, of every call in `winners(call, key, first_at)`."""
    reused = "false"
    if _any(connection, "reused"):
        reused = "w.key IN (SELECT key FROM keys WHERE identity IN (SELECT identity FROM reused))"
    won = f"SELECT calls.*, w.key, w.first_at, {reused} AS reused FROM {winners} AS w JOIN calls USING (call)"
    plain = f"""
        SELECT *, 'call' AS kind, 0 AS pass, model_name AS pass_model, free AS pass_free,
            uncached AS p_input, cache_read_tokens AS p_read, write_5m AS p_5m, write_1h AS p_1h, write_unknown AS p_unknown,
            output_tokens AS p_output, thinking_tokens AS p_thinking, web_searches AS p_searches,
            CASE
                WHEN {_SUM_OF_CALLS} THEN NULL
                WHEN server_calls > 0
                    THEN CAST((prompt::HUGEINT + server_calls) // (server_calls::HUGEINT + 1) AS BIGINT)
                ELSE prompt
            END AS p_prompt
        FROM won"""
    columns = _columns(catalog)
    if not _any(connection, "calls WHERE passes_in(iterations) > 0"):
        return f"WITH won AS ({won}) SELECT {columns} FROM ({plain}) AS p {_JOINS}"
    every = f"{plain} WHERE passes_in(iterations) = 0 UNION ALL BY NAME {_several()}"
    return f"WITH won AS NOT MATERIALIZED ({won}) SELECT {columns} FROM ({every}) AS p {_JOINS}"


def _any(connection: DuckDBPyConnection, rows: str) -> bool:
    return connection.execute(f"SELECT 1 FROM {rows} LIMIT 1").fetchone() is not None


_SUM_OF_CALLS = "(coalesce(requests, 1) > 1 OR list_contains(flags, 'sums_only'))"
"""SQL: whether a row stands for several calls, so that the size of no single prompt is known."""

_MESSAGES_ONLY = (
    "(passes_in(iterations) = 0 OR list_distinct(json_extract_string(iterations, '$[*].type')) = ['message'])"
)
"""SQL: whether nothing but the model itself ran: what a compaction or an advisor cost is billed, whatever came of it."""

_JOINS = """
    JOIN files USING (file)
    LEFT JOIN models AS m ON m.spelling = p.pass_model
    LEFT JOIN models AS own ON own.spelling = p.model_name"""
"""SQL: m: the model of the pass; own: that of the call. Clouds list the passes of a call under plain ids."""


def _sum(field: str) -> str:
    return f"coalesce(list_sum(list_transform(messages, lambda x: x.{field})), 0)"


_SUM_OF_WRITES = """coalesce(list_sum(list_transform(messages, lambda x: greatest(
                        coalesce(x.cache_creation_input_tokens, 0),
                        coalesce(x.cache_creation.ephemeral_5m_input_tokens, 0)
                            + coalesce(x.cache_creation.ephemeral_1h_input_tokens, 0)))), 0)"""
"""SQL: what the message entries wrote, where an entry may hold the total, its split by TTL, or both."""


def _several() -> str:
    """SQL: the passes of the calls that list several.

    listed: the entries as structs. judged: whether the message entries stand for the top level. chosen: where they do
    not, one entry of the top level's figures takes their place. placed: a row an entry, and the place of the one that
    was returned, whose searches and thinking the top level tells. sized: its cache writes and TTL.
    """
    return f"""
        SELECT * FROM (
            WITH listed AS (
                SELECT *, TRY(json_transform(iterations, '{ENTRIES}'))::{ENTRY}[] AS entries
                FROM won WHERE passes_in(iterations) > 0
            ),
            typed AS (
                SELECT *, list_contains(list_transform(entries, lambda x: x."type"), 'fallback_message') AS fallback,
                    list_filter(entries, lambda x: x."type" = 'message') AS messages
                FROM listed
            ),
            judged AS (
                SELECT *, fallback OR (
                    {_sum("input_tokens")} = coalesce(uncached, 0)
                    AND {_sum("cache_read_input_tokens")} = coalesce(cache_read_tokens, 0)
                    AND {_sum("output_tokens")} = coalesce(output_tokens, 0)
                    AND {_SUM_OF_WRITES} = writes) AS whole
                FROM typed
            ),
            chosen AS (
                SELECT * REPLACE (CASE WHEN whole THEN entries ELSE list_concat(
                        [{{'type': 'message', 'model': NULL, 'input_tokens': uncached, 'output_tokens': output_tokens,
                            'cache_read_input_tokens': cache_read_tokens, 'cache_creation_input_tokens': writes,
                            'cache_creation': {{'ephemeral_5m_input_tokens': write_5m, 'ephemeral_1h_input_tokens': write_1h}}
                        }}::{ENTRY}],
                        list_filter(entries, lambda x: x."type" <> 'message')) END AS entries)
                FROM judged
            ),
            placed AS (
                SELECT *, unnest(entries) AS e, generate_subscripts(entries, 1) AS place,
                    CASE WHEN fallback THEN 1
                        ELSE coalesce(list_position(list_transform(entries, lambda x: x."type"), 'message'), 1) END AS first_place,
                    CASE WHEN fallback
                        THEN len(entries) + 1 - list_position(
                            list_reverse(list_transform(entries, lambda x: x."type")), 'fallback_message')
                        ELSE first_place END AS told_place
                FROM chosen
            ),
            sized AS (
                SELECT *,
                    coalesce(e.cache_creation.ephemeral_5m_input_tokens, 0)
                        + coalesce(e.cache_creation.ephemeral_1h_input_tokens, 0) AS e_split,
                    greatest(coalesce(e.cache_creation_input_tokens, 0), e_split) AS e_writes,
                    -- A message entry without a split of its own has the TTL of the whole call, where that is one TTL.
                    CASE WHEN e."type" <> 'message' OR e_split > 0 OR write_unknown > 0 THEN NULL
                        WHEN write_1h > 0 AND coalesce(write_5m, 0) = 0 THEN '1h'
                        WHEN write_5m > 0 AND coalesce(write_1h, 0) = 0 THEN '5m' END AS one_ttl
                FROM placed
            )
            SELECT * EXCLUDE (entries, fallback, messages, whole, e, place, first_place, told_place, e_split, e_writes, one_ttl),
                CASE e."type" WHEN 'advisor_message' THEN 'advisor' WHEN 'compaction' THEN 'compaction'
                    WHEN 'fallback_message' THEN 'fallback' ELSE 'call' END AS kind,
                CASE WHEN place = first_place THEN 0 WHEN place < first_place THEN place ELSE place - 1 END AS pass,
                coalesce(e.model, model_name) AS pass_model,
                coalesce(free, CASE WHEN fallback AND e."type" = 'message' AND coalesce(e.output_tokens, 0) = 0
                    THEN 'declined' END) AS pass_free,
                e.input_tokens AS p_input,
                e.cache_read_input_tokens AS p_read,
                CASE one_ttl WHEN '5m' THEN e_writes ELSE e.cache_creation.ephemeral_5m_input_tokens END AS p_5m,
                CASE one_ttl WHEN '1h' THEN e_writes ELSE e.cache_creation.ephemeral_1h_input_tokens END AS p_1h,
                CASE WHEN one_ttl IS NULL AND e_writes > e_split THEN e_writes - e_split END AS p_unknown,
                e.output_tokens AS p_output,
                CASE WHEN place = told_place THEN thinking_tokens END AS p_thinking,
                CASE WHEN place = told_place THEN web_searches END AS p_searches,
                CASE WHEN whole OR e."type" <> 'message'
                    THEN coalesce(e.input_tokens, 0) + coalesce(e.cache_read_input_tokens, 0) + e_writes END AS p_prompt
            FROM sized
        )"""


PROVIDER = """coalesce(p.provider, m.provider, own.provider,
            CASE WHEN starts_with(p.message_id, 'msg_bdrk_') THEN 'aws_bedrock' WHEN starts_with(p.message_id, 'msg_vrtx_') THEN 'gcp_vertex' END,
            'anthropic')"""
"""SQL: who bills: as the log names it, as the model is spelt, as the answer's id begins: clouds answer with a plain model."""


def _columns(catalog: Catalog) -> str:
    """SQL: every column of the table, in order."""
    smallest = min(catalog.thresholds, default=0)
    several = f"(server_calls > 0 OR {_SUM_OF_CALLS}) AND passes_in(iterations) = 0"
    unsure = f"coalesce(pass = 0 AND prompt > {smallest} AND {several}, false)"
    made = {
        "row_id": "left(sha256(concat_ws('|', format, key, kind, pass)), 32)",
        "source": "files.name",
        "call_key": "key",
        "flags": f"""CASE WHEN reused OR {unsure} THEN list_concat(flags, list_filter([
            CASE WHEN reused THEN 'id_reused' END, CASE WHEN {unsure} THEN 'band_unknown' END],
            lambda x: x IS NOT NULL)) ELSE flags END""",
        "ts": "first_at",
        "row_kind": "kind",
        "requests": "CASE WHEN requests IS NOT NULL THEN CASE WHEN pass = 0 THEN requests ELSE 0 END "
        "WHEN list_contains(flags, 'sums_only') THEN NULL WHEN pass = 0 THEN 1 ELSE 0 END",
        "provider": PROVIDER,
        "routing": "coalesce(p.routing, m.routing, own.routing)",
        "model": "m.model",
        "model_raw": "pass_model",
        "input_tokens": "p_input",
        "cache_read_tokens": "p_read",
        "cache_write_5m_tokens": "p_5m",
        "cache_write_1h_tokens": "p_1h",
        "cache_write_unknown_tokens": "p_unknown",
        "output_tokens": "p_output",
        "thinking_tokens": "p_thinking",
        "prompt_tokens": "p_prompt",
        "web_searches": "p_searches",
        "unbilled": f"coalesce(pass_free, CASE WHEN refused_empty AND {_MESSAGES_ONLY} AND NOT ({_refusal_billed(catalog)}) THEN 'refusal' END)",
        "status": "outcome",
        "tags": "coalesce(tags, MAP {})",
        "cacheable_tokens": "CASE WHEN pass = 0 THEN cacheable(prompt_blocks) END",
    }
    return ", ".join(f'CAST({made.get(c.name, "p." + c.name)} AS {c.sql}) AS "{c.name}"' for c in COLUMNS)


def _refusal_billed(catalog: Catalog) -> str:
    """SQL: whether a refusal before any output is billed, by the catalog's dated rules."""
    cases = []
    for rule in catalog.refusal_rules:
        until = f"first_at < TIMESTAMPTZ '{rule.until.isoformat()} 00:00:00+00'" if rule.until else "true"
        since = f"first_at >= TIMESTAMPTZ '{rule.since.isoformat()} 00:00:00+00'" if rule.since else "true"
        billed, free = quoted_list(sorted(rule.billed)), quoted_list(sorted(rule.free))
        others = "true" if rule.others_billed else "false"
        cases.append(
            f"WHEN {since} AND {until} THEN coalesce(list_contains({billed}::VARCHAR[], refusal_category), false) "
            f"OR {others} AND NOT coalesce(list_contains({free}::VARCHAR[], refusal_category), false)"
        )
    always = quoted_list(sorted(catalog.refusals_always_billed_by))
    return f"list_contains({always}::VARCHAR[], {PROVIDER}) OR CASE {' '.join(cases)} ELSE true END"
