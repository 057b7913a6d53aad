"""A million requests of 20 blocks each: the prompt-cache replay, beside a plain sum over the blocks of the same Parquet.

    python benchmarks/replay.py [--millions 1] [--rounds 1] [--store DIR]

The rows are made by SQL straight into a store of their own: ten days of conversations of 16 turns on five models in three
workspaces, the first blocks shared by an endpoint, more of the rest by a session with every turn; three in four mark their
system prompt and the end of what stays, the others carry no mark and repeat themselves.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
import tempfile
from pathlib import Path

from measure import PROGRAM, Run, run, table
from rows import MADE, MODELS

from claude_audit.store import Manifest, Part, Store
from claude_audit.usage import COLUMNS

TURNS, BLOCKS, TOKENS = 16, 20, 300
FIRST, LAST = "2026-11-01", "2026-11-10"
SESSION, TURN = f"(n // {TURNS})", f"(n % {TURNS})"
HELD = f"(CASE WHEN {SESSION} % 4 = 0 THEN {BLOCKS} ELSE least(5 + {TURN}, {BLOCKS}) END)"
"""Blocks from the start that the session's next turn repeats."""
HASH = f"""left(md5(CASE
    WHEN i < 4 THEN 'endpoint-' || ({SESSION} % 8) || '-' || i
    WHEN i < {HELD} THEN 'session-' || {SESSION} || '-' || i
    ELSE 'turn-' || n || '-' || i END), 16)"""
OWN = {
    # A session's first turn at some time of the ten days, a turn a minute or, in one session of five, every ten minutes.
    "ts": f"TIMESTAMPTZ '{FIRST} 00:00:00+00' + to_milliseconds((hash({SESSION}) % 850000000)::BIGINT "
    f"+ {TURN} * CASE WHEN {SESSION} % 5 = 0 THEN 600000 ELSE 60000 END)",
    "workspace": f"'w' || ({SESSION} % 3)",
    "endpoint": f"'endpoint-' || ({SESSION} % 8)",
    "model": f"{{models}}[1 + ({SESSION} % 5)::INTEGER]",
    "model_raw": "model",
    "input_tokens": str(BLOCKS * TOKENS + 40),
    "cache_read_tokens": "0",
    "cache_write_5m_tokens": "0",
    "prompt_tokens": "input_tokens",
    "ttft_ms": "400 + h % 1000",
    "latency_ms": "2000 + h % 9000",
    "prompt_blocks": f"""list_transform(range({BLOCKS}), lambda i: {{{{
        'hash': {HASH},
        'tokens': {TOKENS},
        'kind': CASE WHEN i < 4 THEN 'system' ELSE 'message' END,
        'breakpoint': {SESSION} % 4 > 0 AND i IN (3, {HELD} - 1)}}}})""",
}


def fill(folder: Path, millions: float) -> None:
    """A store with that many rows in `folder`."""
    import duckdb

    rows = int(millions * 1_000_000)
    store = Store(folder)
    (folder / "parts").mkdir(parents=True, exist_ok=True)
    names = "['" + "', '".join(MODELS) + "']"
    made = MADE | OWN
    columns = ", ".join(
        f'CAST({made[c.name].format(rows=rows, models=names) if c.name in made else "NULL"} AS {c.sql}) AS "{c.name}"'
        for c in COLUMNS
    )
    name = store.new_part()
    connection = duckdb.connect()
    connection.execute("SET TimeZone = 'UTC'")
    connection.execute("SET preserve_insertion_order = false")
    connection.execute(
        f"COPY (SELECT {columns} FROM (SELECT range AS n, hash(range) % 1000000000 AS h FROM range({rows}))) "
        f"TO '{store.part(name)}' (FORMAT parquet)"
    )
    part = Part(name, rows, f"{FIRST}T00:00:00.000000Z", f"{LAST}T23:59:59.000000Z", tuple(sorted(MODELS)))
    store.commit(Manifest((part,)))


def main() -> None:
    ask = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    ask.add_argument("--millions", type=float, default=1)
    ask.add_argument("--rounds", type=int, default=1)
    ask.add_argument("--store", type=Path)
    ask.add_argument("--fill", type=Path, help=argparse.SUPPRESS)
    given = ask.parse_args()
    if given.fill:
        fill(given.fill, given.millions)
        return
    with tempfile.TemporaryDirectory() as scratch:
        folder = given.store or Path(scratch) / "store"
        if not Store(folder).exists:
            # In a process of its own: a child's peak memory begins with that of the process that starts it.
            subprocess.run(
                [sys.executable, __file__, "--fill", str(folder), "--millions", str(given.millions)], check=True
            )
        plain = (
            'import duckdb, sys; duckdb.sql("SELECT count(*), sum(list_sum(list_transform(prompt_blocks, lambda b: b.tokens))), '
            "sum(list_sum(list_transform(prompt_blocks, lambda b: strlen(b.hash)))) FROM read_parquet('\" + sys.argv[1] + "
            '"/parts/*.parquet\')").fetchall()'
        )
        whatif = [*PROGRAM, "--store", str(folder), "whatif", "--format", "json", "--cache-replay"]
        jobs = {
            "plain sum": [sys.executable, "-c", plain, str(folder)],
            "replay": whatif,
            "replay, every block": [*whatif, "--cache-policy", "every"],
            "replay, auto": [*whatif, "--cache-ttl", "auto"],
            "replay after routing": [
                *whatif,
                "--route-simple",
                "haiku",
                "--simple-prompt",
                "10000",
                "--simple-output",
                "1000",
            ],
        }
        rounds: dict[str, list[Run]] = {name: [] for name in jobs}
        for _ in range(given.rounds):
            for name, command in jobs.items():
                rounds[name].append(run(command, Path(scratch)))
        print(f"{given.millions:g} million requests of {BLOCKS} blocks, {given.rounds} rounds")
        table(rounds, "plain sum")


if __name__ == "__main__":
    main()
