"""Claude Code transcripts: a first ingest, one with nothing new, and `spend`, beside a raw scan of the same files.

    python benchmarks/transcripts.py [--mb 200] [--rounds 5] [--tree DIR] [--peer 'other-tool daily --json']

`--tree`: transcripts that exist already, DIR/projects/**; else they are made. The raw scan is DuckDB splitting every file
into lines and parsing each line's JSON, with no further work. A peer is any command; {tree} in it is replaced by the folder
that holds projects/, which is also its CLAUDE_CONFIG_DIR.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import shlex
import statistics
import sys
import tempfile
import uuid
from datetime import UTC, datetime, timedelta
from pathlib import Path

from measure import PROGRAM, Run, run, table

MODELS = ("claude-sonnet-4-6", "claude-opus-5", "claude-haiku-4-5-20251001", "claude-sonnet-5")
RAW_SCAN = """
import duckdb, glob, sys
files = glob.glob(sys.argv[1] + '/projects/**/*.jsonl', recursive=True)
duckdb.sql("SELECT count(*) FROM (SELECT unnest(string_split(content, chr(10))) AS line FROM read_text(" + repr(files) + ")) "
           "WHERE json_valid(line)").fetchall()
"""


def fill(tree: Path, megabytes: float) -> int:
    """Write transcripts of about that size, in files of very different sizes. Returns the bytes written."""
    chance = random.Random(11)
    words = " ".join(
        chance.choice(("cache", "token", "invoice", "garden", "return", "const", "日本語", "über", "“plant”"))
        for _ in range(40_000)
    )
    written, goal, number = 0, megabytes * 2**20, 0
    while written < goal:
        session = str(uuid.UUID(int=chance.getrandbits(128), version=4))
        path = tree / "projects" / f"-home-ana-shop-{number % 23}" / f"{session}.jsonl"
        path.parent.mkdir(parents=True, exist_ok=True)
        text = "".join(lines(chance, words, session, size=int(min(chance.lognormvariate(11.8, 1.4), goal / 4))))
        written += path.write_bytes(text.encode())
        number += 1
    return written


def lines(chance: random.Random, words: str, session: str, size: int) -> list[str]:
    """One session: prompts, and responses on one to four lines each, some of them growing."""
    moment = datetime(2026, 9, 20, tzinfo=UTC) + timedelta(seconds=chance.randrange(60 * 86400))
    made: list[str] = []
    total = 0

    def put(kind: str, message: dict[str, object], **more: object) -> None:
        nonlocal total
        made.append(
            json.dumps(
                {
                    "type": kind,
                    "sessionId": session,
                    "uuid": f"{chance.getrandbits(64):x}",
                    "timestamp": moment.isoformat(timespec="milliseconds").replace("+00:00", "Z"),
                    "cwd": "/home/ana/shop",
                    "gitBranch": "main",
                    "isSidechain": False,
                    "message": message,
                    **more,
                },
                ensure_ascii=False,
                separators=(",", ":"),
            )
            + "\n"
        )
        total += len(made[-1].encode())

    def prose(most: int) -> str:
        start = chance.randrange(len(words) - most)
        return words[start : start + chance.randrange(100, most)]

    while total < size:
        moment += timedelta(seconds=chance.randrange(1, 90))
        put("user", {"role": "user", "content": prose(5000)})
        identity, request = f"msg_{chance.getrandbits(96):x}", f"req_{chance.getrandbits(96):x}"
        usage = {
            "input_tokens": chance.randrange(1, 20),
            "cache_read_input_tokens": chance.randrange(150_000),
            "cache_creation_input_tokens": 800,
            "cache_creation": {"ephemeral_5m_input_tokens": 300, "ephemeral_1h_input_tokens": 500},
            "output_tokens": 9,
            "service_tier": "standard",
        }
        repeats = chance.choices((1, 2, 3, 4), (40, 35, 18, 7))[0]
        for n in range(repeats):
            moment += timedelta(milliseconds=chance.randrange(50, 900))
            if n == repeats - 1:
                usage["output_tokens"] = chance.randrange(10, 900)
            content = [{"type": "text", "text": prose(3000)}]
            message = {
                "id": identity,
                "role": "assistant",
                "model": chance.choice(MODELS),
                "content": content,
                "usage": usage,
            }
            put("assistant", message, requestId=request)
    return made


def main() -> None:
    ask = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    ask.add_argument("--mb", type=float, default=200)
    ask.add_argument("--rounds", type=int, default=5)
    ask.add_argument("--tree", type=Path, help="a folder that holds projects/ (default: made for the occasion)")
    ask.add_argument("--peer", help="another program, run over the same tree")
    given = ask.parse_args()
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch)
        tree = given.tree.resolve() if given.tree else folder / "tree"
        made = sum(path.stat().st_size for path in tree.rglob("*.jsonl"))
        size = made or fill(tree, given.mb)
        os.environ["CLAUDE_CONFIG_DIR"] = str(tree)
        rounds: dict[str, list[Run]] = {}
        for n in range(given.rounds + 1):
            audit = [*PROGRAM, "--store", f"store-{n}"]
            jobs = {
                "raw scan": [sys.executable, "-c", RAW_SCAN, str(tree)],
                "first ingest": [*audit, "ingest", str(tree / "projects"), "--format", "json"],
                "ingest, nothing new": [*audit, "ingest", str(tree / "projects"), "--format", "json"],
                "spend": [*audit, "spend", "--format", "json"],
            }
            if given.peer:
                jobs["peer"] = shlex.split(given.peer.replace("{tree}", str(tree)))
            for name, command in jobs.items():
                measured = run(command, folder)
                if n:  # the first round warms the caches
                    rounds.setdefault(name, []).append(measured)
        print(f"{size / 1e6:.0f} MB, {given.rounds} rounds")
        beside = "peer" if given.peer else "raw scan"
        table(rounds, beside)
        for what, jobs_of in {
            "first answer": ("first ingest", "spend"),
            "new day": ("ingest, nothing new", "spend"),
        }.items():
            ratios = {
                kind: sum(statistics.median(getattr(r, kind) for r in rounds[job]) for job in jobs_of)
                / statistics.median(getattr(r, kind) for r in rounds[beside])
                for kind in ("wall", "cpu")
            }
            print(
                f"{what} ({' + '.join(jobs_of)}): {ratios['wall']:.2f} x {beside} by wall, {ratios['cpu']:.2f} x by CPU"
            )


if __name__ == "__main__":
    main()
