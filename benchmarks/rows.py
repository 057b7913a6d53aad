"""Ten million native rows in a store: `spend` (scanned), a what-if of four levers, and of six with every subset of them,
beside a plain sum over the same Parquet.

    python benchmarks/rows.py [--millions 10] [--rounds 3] [--store DIR] [--staying]

The rows are made by SQL straight into a store of their own: 60 days, 5 models, 8 endpoints, cached and uncached prompts.
Sonnet 4.5, a fifth of them, retires within two months of the last: what that costs is a note of every what-if, and one more
scan of its rows. With --staying they are of Sonnet 4.6, and there is nothing to note.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
import tempfile
from pathlib import Path

from measure import PROGRAM, Run, run, table

from claude_audit.store import Manifest, Part, Store
from claude_audit.usage import COLUMNS

MODELS = (
    "claude-sonnet-5-5",
    "claude-opus-5-5",
    "claude-haiku-4-5-20251001",
    "claude-sonnet-4-5-20250929",
    "claude-haiku-5-5",
)
STAYING = tuple("claude-sonnet-4-6" if "sonnet-4-5" in name else name for name in MODELS)
MADE = {
    "row_id": "md5(n::VARCHAR)",
    "format": "'native'",
    "source": "'app.jsonl'",
    "line": "n",
    "identity": "'req_' || n",
    "call_key": "'req_' || n",
    "flags": "[]::VARCHAR[]",
    "ts": "TIMESTAMPTZ '2026-09-20 00:00:00+00' + to_microseconds((n * (5184000000000 / {rows}))::BIGINT)",
    "request_id": "'req_' || n",
    "row_kind": "'call'",
    "pass": "0",
    "requests": "1",
    "provider": "'anthropic'",
    "workspace": "'w' || (h % 3)",
    "endpoint": "'endpoint-' || (h % 8)",
    "task": "CASE WHEN h % 8 = 0 THEN 'classify' END",
    "model": "{models}[1 + (h // 8 % 5)::INTEGER]",
    "model_raw": "{models}[1 + (h // 8 % 5)::INTEGER]",
    "input_tokens": "100 + h // 64 % 4000",
    "cache_read_tokens": "CASE WHEN h % 8 < 4 THEN 2000 + h // 128 % 90000 ELSE 0 END",
    "cache_write_5m_tokens": "CASE WHEN h % 16 < 2 THEN h // 256 % 3000 ELSE 0 END",
    "cache_write_1h_tokens": "0",
    "output_tokens": "1 + h // 512 % 1200",
    "prompt_tokens": "input_tokens + cache_read_tokens + cache_write_5m_tokens",
    "stop_reason": "'end_turn'",
    "stream": "h % 8 = 1",
    "latency_tolerant": "h % 8 = 2",
    "tags": "MAP {{}}",
    "status": "'ok'",
}


def fill(folder: Path, millions: float, models: tuple[str, ...] = MODELS) -> None:
    """A store with that many rows in `folder`."""
    import duckdb

    rows = int(millions * 1_000_000)
    store = Store(folder)
    (folder / "parts").mkdir(parents=True, exist_ok=True)
    names = "['" + "', '".join(models) + "']"
    columns = ", ".join(
        f'CAST({MADE[c.name].format(rows=rows, models=names) if c.name in MADE else "NULL"} AS {c.sql}) AS "{c.name}"'
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
    part = Part(name, rows, "2026-09-20T00:00:00.000000Z", "2026-11-18T23:59:59.000000Z", tuple(sorted(models)))
    store.commit(Manifest((part,)))


def main() -> None:
    ask = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    ask.add_argument("--millions", type=float, default=10)
    ask.add_argument("--rounds", type=int, default=3)
    ask.add_argument("--store", type=Path)
    ask.add_argument("--staying", action="store_true", help="no model of the log retires soon")
    ask.add_argument("--fill", type=Path, help=argparse.SUPPRESS)
    given = ask.parse_args()
    if given.fill:
        fill(given.fill, given.millions, STAYING if given.staying else MODELS)
        return
    with tempfile.TemporaryDirectory() as scratch:
        folder = given.store or Path(scratch) / "store"
        if not Store(folder).exists:
            # In a process of its own: a child's peak memory begins with that of the process that starts it.
            subprocess.run(
                [sys.executable, __file__, "--fill", str(folder), "--millions", str(given.millions)]
                + ["--staying"] * given.staying,
                check=True,
            )
        plain = (
            'import duckdb, sys; duckdb.sql("SELECT model, endpoint, sum(input_tokens), sum(cache_read_tokens), '
            "sum(cache_write_5m_tokens), sum(output_tokens) FROM read_parquet('\" + sys.argv[1] + \"/parts/*.parquet') "
            'GROUP BY ALL").fetchall()'
        )
        audit = [*PROGRAM, "--store", str(folder)]
        levers = ["--cap-output", "512", "--route-simple", "haiku", "--cache-hit", "0.85", "--batch-tagged"]
        more = ["--standard-speed", "--global-geo"]
        jobs = {
            "plain sum": [sys.executable, "-c", plain, str(folder)],
            "spend": [*audit, "spend", "--by", "endpoint,model", "--format", "json"],
            "what-if, four levers": [*audit, "whatif", *levers, "--format", "json"],
            "six levers, all 64 subsets": [
                *audit,
                "whatif",
                *levers,
                *more,
                "--attribution",
                "all",
                "--format",
                "json",
            ],
        }
        rounds: dict[str, list[Run]] = {name: [] for name in jobs}
        for n in range(given.rounds + 1):
            for name, command in jobs.items():
                measured = run(command, Path(scratch))
                if n:  # the first round warms the caches
                    rounds[name].append(measured)
        print(f"{given.millions:g} million rows, {given.rounds} rounds")
        table(rounds, "plain sum")


if __name__ == "__main__":
    main()
