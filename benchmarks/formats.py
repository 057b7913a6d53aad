"""Every format of JSON lines: the speed of a whole ingest beside DuckDB reading the same file with explicit columns.

    python benchmarks/formats.py [--mb 100] [--rounds 3] [--samples DIR] [FORMAT ...]

DIR holds a folder of small logs for each format (sample_logs/ by default). The lines of a folder's *.jsonl are repeated up
to that size, with other ids each time, so that every repetition is a call of its own. What is told is the time of `ingest`
without that of ingesting a hundred lines (start-up), beside `CREATE TABLE AS SELECT * FROM read_json(file, columns = …)` with
all the columns that the file has.
"""

from __future__ import annotations

import argparse
import json
import re
import statistics
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

from measure import PROGRAM, run

ID = re.compile(r"(?:^|[_.-])id$|Id$|^uuid$|^identifier$|ID$")
MARK = "0a1b2c3d"
"""Stands in the last places of every id of a template: eight hexadecimal digits, as trace ids have."""


def ids(value: object, name: str = "") -> Iterator[str]:
    """The texts under keys that name an id, at any depth; OpenTelemetry's attributes name theirs beside the value."""
    if isinstance(value, dict):
        named = value.get("key")
        if isinstance(named, str) and isinstance(value.get("value"), dict):
            yield from ids(value["value"].get("stringValue"), named)
        for key, inner in value.items():
            yield from ids(inner, key)
    elif isinstance(value, list):
        for inner in value:
            yield from ids(inner, name)
    elif isinstance(value, str) and len(value) >= 10 and ID.search(name):
        yield value


def templates(folder: Path) -> list[str]:
    """The folder's lines of JSON, with MARK at the end of every id."""
    made = []
    for path in sorted(folder.rglob("*.jsonl")):
        for line in path.read_text(encoding="utf-8").splitlines():
            try:
                record = json.loads(line)
            except ValueError:
                continue
            for text in sorted(set(ids(record)), key=len, reverse=True):
                line = line.replace(json.dumps(text)[1:-1], json.dumps(text[:-8])[1:-1] + MARK)
            made.append(line + "\n")
    return made


def fill(path: Path, lines: list[str], megabytes: float) -> None:
    """The lines over and over, up to that size, with ids of their own in each repetition."""
    with path.open("w", encoding="utf-8") as out:
        number = 0
        while out.tell() < megabytes * 1e6:
            number += 1
            out.writelines(line.replace(MARK, f"{number:08x}") for line in lines)


def read_json(path: Path, rounds: int) -> tuple[float, float]:
    """Wall and CPU seconds that DuckDB needs to read the file into a table, its columns given."""
    import duckdb

    found = duckdb.sql(f"DESCRIBE SELECT * FROM read_json('{path}', sample_size = 20000)").fetchall()
    columns = ", ".join(f"'{name}': '{kind}'" for name, kind, *_ in found)
    told = []
    for _ in range(rounds):
        with duckdb.connect() as connection:
            connection.execute("SET preserve_insertion_order = false")
            wall, cpu = time.perf_counter(), time.process_time()
            connection.execute(f"CREATE TABLE t AS SELECT * FROM read_json('{path}', columns = {{{columns}}})")
            told.append((time.perf_counter() - wall, time.process_time() - cpu))
    return statistics.median(wall for wall, _ in told), statistics.median(cpu for _, cpu in told)


def main() -> None:
    ask = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    ask.add_argument("formats", nargs="*", help="folders of DIR (default: all with *.jsonl)")
    ask.add_argument("--mb", type=float, default=100)
    ask.add_argument("--rounds", type=int, default=3)
    ask.add_argument("--samples", type=Path, default=Path(__file__).parents[1] / "sample_logs")
    given = ask.parse_args()
    for folder in sorted(given.samples.iterdir()):
        lines = templates(folder) if folder.is_dir() and folder.name in (given.formats or [folder.name]) else []
        if not lines:
            continue
        with tempfile.TemporaryDirectory() as scratch:
            work = Path(scratch)
            (work / "few.jsonl").write_text("".join(lines[:100]), encoding="utf-8")
            fill(work / "all.jsonl", lines, given.mb)
            runs = {
                name: [
                    run([*PROGRAM, "--store", f"{name}{n}", "ingest", f"{name}.jsonl", "--format", "json"], work)
                    for n in range(given.rounds)
                ]
                for name in ("few", "all")
            }
            own, cpu = (
                statistics.median(getattr(r, kind) for r in runs["all"])
                - statistics.median(getattr(r, kind) for r in runs["few"])
                for kind in ("wall", "cpu")
            )
            try:
                beside, beside_cpu = read_json(work / "all.jsonl", given.rounds)
            except Exception as error:
                print(f"{folder.name:26} not read by read_json: {str(error).splitlines()[0][:80]}")
                continue
            size = (work / "all.jsonl").stat().st_size / 1e6
            print(
                f"{folder.name:26} {size:5.0f} MB  ingest {own:6.2f} s {size / own:6.0f} MB/s  read_json {beside:6.2f} s  "
                f"{beside / own:5.2f} x its speed by wall, {beside_cpu / cpu:5.2f} x by CPU",
                flush=True,
            )


if __name__ == "__main__":
    main()
