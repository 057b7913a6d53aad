"""Which lines tell of the same call: one of them wins, the others are duplicates, whatever their file, order or ingest.

Rules (and where they come from: transcripts repeat a response once a content block, and repeat whole sessions when resumed;
gateways reuse ids):
- lines with one identity and equal input counters are one call; the one with most output counts, whole, at the earliest time;
  of equal ones, the one that tells most of the cache (an event tells the TTL of writes, a span of the same call does not);
- one identity with other input counters is another call, unless the format says that its lines are snapshots of one call;
- without any id every line is a call of its own; where a file is no more what it was when it was read before, a line is
  known by its place and what it tells there: a corrected file adds what is new, a rotated log all of its calls;
- a side-chain line whose message id is known under another request id is a replay of that call;
- calls of different formats that share an id are one call (joined.py).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from claude_audit import joined

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection

KEY = """CASE
    WHEN identity IS NULL THEN 'line:' || path || ':' || line || coalesce('#' || part, '')
    WHEN snapshots THEN identity
    ELSE identity || '|' || concat_ws(',', coalesce(uncached, 0), coalesce(cache_read_tokens, 0), writes, coalesce(model_name, ''))
        || '@' || format
END"""

_CACHED = """coalesce(cache_read_tokens, 0) + coalesce(cache_write_5m_tokens, 0) + coalesce(cache_write_1h_tokens, 0)
                    + coalesce(cache_write_unknown_tokens, 0)"""
"""SQL: the cached tokens of a stored row."""

# Of the lines of a key the best one wins: the order of the fields is that of the rules above.
BEST = """
    SELECT key, count(*) AS lines, count(call) AS new_lines, min(moment) AS first_at,
        CASE WHEN count(*) = 1 THEN any_value(call) ELSE nullif(arg_max(coalesce(call, -1), {
            'weight': weight, 'cached': cached, 'ttl': -no_ttl, 'stored': call IS NULL, 'moment': -epoch_us(moment),
            'file': -coalesce(file, 0), 'line': -coalesce(line, 0)}), -1) END AS call,
        any_value(identity) AS identity, any_value(message_id) AS message_id, any_value(request_id) AS request_id,
        bool_and(side) AS side, any_value(format) AS format, max(weight) AS weight
    FROM contest GROUP BY key"""
# The same at less cost where most lines have a key of their own. Keys whose hashes differ are not the same.
MOSTLY_ALONE = f"""
    SELECT key, 1 AS lines, (call IS NOT NULL)::INTEGER AS new_lines, moment AS first_at, call, identity, message_id,
        request_id, side, format, weight
    FROM contest WHERE hash(key) NOT IN (SELECT mark FROM shared)
    UNION ALL {BEST.replace("GROUP BY", "WHERE hash(key) IN (SELECT mark FROM shared) GROUP BY")}"""


@dataclass(frozen=True, slots=True)
class Outcome:
    """What the contest decided, beside the tables `winners` and `stale`."""

    stale: int
    """Calls in the store that a new line replaces, completes or dates back."""
    joined: int
    """Calls that another format's record of the same call tells better."""


def decide(connection: DuckDBPyConnection, stored: str | None) -> Outcome:
    """Fill `winners(call, key, first_at, reused)` and `stale(key)`, and count every line of `calls` in `line_counts`.

    `stored` is the relation of the store's rows, None when it is empty. A stored call that still wins, at its time, is left
    alone; one that a new line completes is listed in `stale`, with its rows to be written again under `winners` or, where
    only its time moves, in `moved(key, first_at)`.
    """
    run = connection.execute
    run(f"""
        CREATE TEMP TABLE contest AS
        SELECT call, {KEY} AS key, identity, message_id, request_id, coalesce(side_chain, false) AS side,
            weight, coalesce(ts, fallback) AS moment, calls.file, calls.line, calls.format, coalesce(cache_read_tokens, 0) + writes AS cached,
            coalesce(write_unknown, 0) AS no_ttl
        FROM calls JOIN files USING (file)""")
    if stored:
        _part_from_others(connection, stored)
        run(f"""
            INSERT INTO contest
            SELECT NULL, call_key, any_value(identity), any_value(message_id), any_value(request_id),
                bool_or(coalesce(tags['side_chain'] = 'true', false)), coalesce(sum(output_tokens), 0), min(ts), NULL, NULL,
                any_value(format),
                sum({_CACHED}),
                coalesce(sum(cache_write_unknown_tokens), 0)
            FROM {stored}
            WHERE {joined.base("call_key")} IN (SELECT {joined.base("key")} FROM contest)
                OR message_id IN (SELECT message_id FROM contest)
                OR request_id IN (SELECT request_id FROM contest)
            GROUP BY call_key""")
    run(f"CREATE TEMP TABLE keys AS {MOSTLY_ALONE if _mostly_alone(connection) else BEST}")
    # Of the keys of one message id, a main-chain one is the call and the side-chain ones are replays; of side chains
    # alone the earliest is the call.
    run("""
        CREATE TEMP TABLE replays AS
        SELECT key FROM (
            SELECT key, side, row_number() OVER (PARTITION BY message_id ORDER BY side, first_at, key) AS place
            FROM keys
            WHERE format = 'claude_code' AND request_id IS NOT NULL AND message_id IN (
                SELECT message_id FROM keys WHERE format = 'claude_code' AND request_id IS NOT NULL
                GROUP BY message_id HAVING count(*) > 1 AND bool_or(side))
        ) WHERE side AND place > 1""")
    run("DELETE FROM keys WHERE key IN (SELECT key FROM replays)")
    run("CREATE TEMP TABLE winners AS SELECT call, key, first_at, lines > new_lines AS known FROM keys")
    better = joined.link(connection)
    run("CREATE TEMP TABLE lost (call BIGINT, key VARCHAR, first_at TIMESTAMPTZ)")
    run("CREATE TEMP TABLE revived (key VARCHAR, first_at TIMESTAMPTZ)")
    if better:
        _make_way(connection)
    run("CREATE TEMP TABLE moved (key VARCHAR, first_at TIMESTAMPTZ)")
    run("CREATE TEMP TABLE stale (key VARCHAR)")
    if stored:
        run("""
            INSERT INTO moved
            SELECT w.key, w.first_at FROM winners AS w JOIN contest AS c USING (key)
            WHERE w.call IS NULL AND c.call IS NULL AND w.first_at < c.moment AND w.key NOT IN (SELECT key FROM revived)""")
        run("""
            INSERT INTO stale
            SELECT key FROM moved
            UNION SELECT key FROM winners WHERE known AND call IS NOT NULL
            UNION SELECT r.key FROM replays AS r JOIN contest AS c USING (key) WHERE c.call IS NULL
            UNION SELECT key FROM revived
            UNION SELECT j.key FROM joined AS j JOIN contest AS c USING (key) WHERE j.key <> j.leader AND c.call IS NULL""")
        run("DELETE FROM winners WHERE call IS NULL")
    run("""
        CREATE TEMP TABLE reused AS
        SELECT identity FROM keys
        WHERE identity IS NOT NULL AND new_lines > 0 AND key NOT IN (SELECT key FROM joined WHERE key <> leader)
        GROUP BY identity HAVING count(*) > 1""")
    run("""
        INSERT INTO line_counts
        SELECT c.file, CASE WHEN w.call IS NOT NULL AND NOT w.known THEN 'kept' ELSE 'duplicate' END, NULL, count(*)
        FROM contest AS c LEFT JOIN winners AS w ON w.call = c.call
        WHERE c.call IS NOT NULL
        GROUP BY ALL""")
    found = run("SELECT count(*) FROM stale").fetchone()
    return Outcome(stale=found[0] if found else 0, joined=better)


def _part_from_others(connection: DuckDBPyConnection, stored: str) -> None:
    """Give the lines without an id that stand where the store knows a call of other facts a key of their own.

    Only in files that are not what they were: a rotated log begins anew under the same path.
    """
    run = connection.execute
    if not run("SELECT 1 FROM calls JOIN files USING (file) WHERE rewritten AND identity IS NULL LIMIT 1").fetchone():
        return
    run(f"""
        UPDATE contest SET key = others.key
        FROM (
            SELECT call, key || '~' || left(md5(concat_ws(',', c.ts, weight, own, cached)), 16) AS key
            FROM (
                SELECT call, key, contest.weight, cached, ts, coalesce(uncached, 0) AS own, passes_in(iterations) AS passes
                FROM contest JOIN calls USING (call) JOIN files ON files.file = contest.file
                WHERE rewritten AND contest.identity IS NULL
            ) AS c
            JOIN (
                SELECT call_key AS key, min(ts) AS told_at, bool_or(list_contains(flags, 'time_from_file')) AS timeless,
                    coalesce(sum(output_tokens), 0) AS output, coalesce(sum(input_tokens), 0) AS told_own,
                    sum({_CACHED}) AS told_cached
                FROM {stored} WHERE identity IS NULL GROUP BY call_key
            ) USING (key)
            WHERE ts IS NOT NULL AND (timeless OR ts <> told_at) OR weight <> output
                OR passes = 0 AND (own <> told_own OR cached <> told_cached)
        ) AS others
        WHERE others.call = contest.call""")


def _mostly_alone(connection: DuckDBPyConnection) -> bool:
    """Whether few lines share a key, as in most logs but transcripts; `shared(mark)` has the hashes of those keys then."""
    connection.execute(
        "CREATE TEMP TABLE shared AS SELECT hash(key) AS mark, count(*) AS lines FROM contest GROUP BY 1 HAVING lines > 1"
    )
    row = connection.execute(
        "SELECT coalesce((SELECT sum(lines) FROM shared), 0) * 4 < (SELECT count(*) FROM contest)"
    ).fetchone()
    return row is not None and bool(row[0])


def _make_way(connection: DuckDBPyConnection) -> None:
    """Of joined calls only the leader stays among the winners, at the earliest time of all.

    `lost` keeps the new ones that gave way, and `revived` the stored ones that a new record completes: both have columns
    to give, or to be filled.
    """
    run = connection.execute
    run("""
        CREATE TEMP TABLE groups AS
        SELECT j.leader, min(j.first_at) AS first_at, bool_or(c.call IS NULL) AS known, bool_or(c.call IS NOT NULL) AS fresh
        FROM joined AS j JOIN contest AS c USING (key) GROUP BY j.leader""")
    run("""
        INSERT INTO lost SELECT w.call, w.key, w.first_at FROM winners AS w JOIN joined AS j USING (key)
        WHERE j.key <> j.leader AND w.call IS NOT NULL""")
    run("DELETE FROM winners WHERE key IN (SELECT key FROM joined WHERE key <> leader)")
    run("""
        INSERT INTO revived SELECT leader, first_at FROM groups
        WHERE fresh AND leader NOT IN (SELECT key FROM winners WHERE call IS NOT NULL)""")
    run("""
        UPDATE winners SET first_at = g.first_at, known = winners.known OR g.known
        FROM groups AS g WHERE g.leader = winners.key""")
