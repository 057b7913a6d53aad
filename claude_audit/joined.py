"""One call in several files: an application's log, a gateway's row, a span and a transcript may all tell of it.

Calls of different formats are one when they carry the same request id, or the same message id and no two request ids, or
another id of one spelling with the same input counters and model. The
token figures are taken whole from the best source, its unrecorded columns are filled from the others, and nothing is ever
added. Without a common id nothing is joined. OpenTelemetry has many emitters in one format: a span with a message id alone
joins the span that has the request id too.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from claude_audit.pieces import quoted
from claude_audit.usage import NAMES

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection

BEST_FIRST = (
    ("native", "messages"),
    ("claude_code",),
    ("message_batches",),
    ("stream",),
    ("otlp",),
    ("bedrock", "vertex", "litellm", "openrouter", "langfuse", "helicone", "portkey", "langsmith"),
    ("weave", "braintrust", "posthog", "datadog_llm", "opencode", "cline", "pi"),
    ("azure_apim", "cloudflare", "kong", "envoy"),
    ("text", "csv", "mapped"),
)
"""How near a source is to the response itself: what it says of tokens is taken before what a later one says."""

OWN = frozenset(
    (
        "row_id format source line identity call_key flags ts row_kind pass requests provider model model_raw "
        "input_tokens cache_read_tokens cache_write_5m_tokens cache_write_1h_tokens "
        "cache_write_unknown_tokens output_tokens thinking_tokens prompt_tokens web_searches tier speed geo "
        "unbilled status tags prompt_blocks cacheable_tokens"
    ).split()
)
"""Columns that stay those of the best source: what it counted, and what identifies it."""
FILLED = tuple(name for name in NAMES if name not in OWN)


def rank(column: str) -> str:
    """SQL: the place of a format among the sources, the best first."""
    cases = " ".join(f"WHEN {column} IN {_in(formats)} THEN {place}" for place, formats in enumerate(BEST_FIRST))
    return f"CASE {cases} ELSE {len(BEST_FIRST)} END"


def _in(names: tuple[str, ...]) -> str:
    return "(" + ", ".join(quoted(name) for name in names) + ")"


def base(key: str) -> str:
    """SQL: a key of the contest without its format. What two formats tell under one of these is one call, each with what it
    knows of it.
    """
    return f"CASE WHEN ends_with({key}, '@' || format) THEN left({key}, len({key}) - len(format) - 1) ELSE {key} END"


def link(connection: DuckDBPyConnection) -> int:
    """Create `joined(key, leader, first_at)`: the keys whose call another key tells better. Returns how many they are.

    Reads `keys(key, format, request_id, message_id, weight, first_at)` of the contest.
    """
    run = connection.execute
    run("CREATE TEMP TABLE joined (key VARCHAR, leader VARCHAR, first_at TIMESTAMPTZ)")
    several = run("SELECT count(DISTINCT format) > 1 OR bool_or(format = 'otlp') FROM keys").fetchone()
    if several is None or not several[0]:
        return 0
    run(f"""
        CREATE TEMP TABLE links AS
        WITH based AS (SELECT key, format, {base("key")} AS base FROM keys)
        SELECT a.key, b.key AS other FROM keys AS a JOIN keys AS b ON a.request_id = b.request_id AND a.format <> b.format
        UNION
        SELECT a.key, b.key FROM keys AS a JOIN keys AS b ON a.message_id = b.message_id AND a.format <> b.format
        WHERE a.request_id IS NULL OR b.request_id IS NULL OR a.request_id = b.request_id
        UNION
        SELECT a.key, b.key FROM based AS a JOIN based AS b ON a.base = b.base AND a.format <> b.format
        UNION
        SELECT a.key, b.key FROM keys AS a JOIN keys AS b ON a.message_id = b.message_id AND a.format = b.format
        WHERE a.format = 'otlp' AND (a.request_id IS NULL) <> (b.request_id IS NULL)""")
    # A call has a handful of sources: three rounds of taking the smallest neighbour reach all of them.
    run("CREATE TEMP TABLE labels AS SELECT key, least(key, min(other)) AS label FROM links GROUP BY key")
    for _ in range(3):
        run("""
            CREATE OR REPLACE TEMP TABLE labels AS
            SELECT l.key, least(any_value(mine.label), min(theirs.label)) AS label
            FROM links AS l JOIN labels AS mine ON mine.key = l.key JOIN labels AS theirs ON theirs.key = l.other
            GROUP BY l.key""")
    run(f"""
        INSERT INTO joined
        SELECT key, leader, first_at FROM (
            SELECT key, first_value(key) OVER best AS leader, min(k.first_at) OVER (PARTITION BY label) AS first_at
            FROM labels JOIN keys AS k USING (key)
            WINDOW best AS (PARTITION BY label ORDER BY {rank("k.format")}, k.weight DESC, k.request_id IS NULL, key)
        )""")
    found = run("SELECT count(*) FROM joined WHERE key <> leader").fetchone()
    return int(found[0]) if found else 0


def filled(connection: DuckDBPyConnection, rows: str, donors: str) -> str:
    """SQL: the table `rows` with what its joined calls did not record filled from the other sources' rows, and tags merged.

    `donors`: a relation of rows of the table with a column `leader`, the call_key that they give to; the best source gives
    first.
    """
    given = ", ".join(f"arg_min({name}, place) AS {name}" for name in (*FILLED, "prompt_blocks", "cacheable_tokens"))
    # An answer says nothing of who bills, and stands as Anthropic's: a cloud's own log of the call knows.
    given += ", arg_min(provider, place) FILTER (provider <> 'anthropic') AS cloud"
    connection.execute(f"""
        CREATE TEMP TABLE gifts AS
        SELECT * EXCLUDE (entries), map_from_entries(list_filter(
            entries, lambda e, i: list_position(list_transform(entries, lambda x: x.key), e.key) = i)) AS tags
        FROM (
            SELECT leader, {given}, flatten(list(map_entries(tags) ORDER BY place)) AS entries
            FROM (
                SELECT *, row_number() OVER (ORDER BY {rank("format")}, call_key, row_id) AS place
                FROM ({donors}) WHERE pass = 0
            ) GROUP BY leader
        )""")
    columns = ", ".join(f"coalesce(r.{name}, g.{name}) AS {name}" for name in FILLED)
    return f"""
        SELECT r.* REPLACE (
            {columns},
            CASE WHEN r.provider = 'anthropic' THEN coalesce(g.cloud, r.provider) ELSE r.provider END AS provider,
            CASE WHEN r.pass = 0 THEN coalesce(r.prompt_blocks, g.prompt_blocks) END AS prompt_blocks,
            CASE WHEN r.pass = 0 THEN coalesce(r.cacheable_tokens, g.cacheable_tokens) END AS cacheable_tokens,
            CASE WHEN g.tags IS NULL THEN r.tags ELSE map_concat(g.tags, r.tags) END AS tags)
        FROM {rows} AS r LEFT JOIN gifts AS g ON g.leader = r.call_key"""
