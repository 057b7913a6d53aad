"""Rewrite the sample logs of Larkspur, a made-up online plant shop: always the same bytes.

    python sample_logs/generate.py                 rewrite the log files beside this script
    python sample_logs/generate.py --out DIR       write them somewhere else
    python sample_logs/generate.py --truth         write nothing; print what an audit of them must find, as JSON

Standard library only. README.md beside it tells what is hidden in the data.
"""

from __future__ import annotations

import argparse
import functools
import gzip
import json
import sys
from pathlib import Path
from typing import Any

HERE = Path(__file__).resolve().parent
if str(HERE) not in sys.path:  # so that it can also be loaded by its path, as the tests do
    sys.path.insert(0, str(HERE))

from larkspur import batches, claude_code, gateway, messages, native, tables  # noqa: E402
from larkspur.logfile import LogFile  # noqa: E402
from larkspur.truth import truth as _truth  # noqa: E402


@functools.cache
def logs() -> tuple[LogFile, ...]:
    """All log files, in memory."""
    return tuple(
        file for source in (native, messages, tables, claude_code, gateway, batches) for file in source.files()
    )


def truth() -> dict[str, Any]:
    """What an audit of the sample logs must find, computed from the calls that were made up and not from the files.

    Figures are those of `claude-audit spend`: `requests` counts free and unpriced calls too, tokens are billed ones,
    `cost_usd` is an exact decimal in a string (None where nothing has a price). A pass of an advisor has its tokens and
    dollars under its own model and no request. Models are the catalog's ids, or the logged name of an unknown one.

    - `total_usd requests tokens web_searches unpriced unbilled period`: the whole data set
    - `rows`: one for each (format, endpoint, model)
    - `by_endpoint by_model by_day`: the same by one dimension; None is the key of calls without one; days are UTC
    - `lines`: for each format files, lines, calls, passes (rows of the table), duplicates, ignored, rejected
    """
    return _truth(list(logs()))


def write(folder: Path) -> list[Path]:
    """Write the log files below `folder`, and return their paths.

    A compressed file that already holds the same lines is left alone: zlib's builds differ in the bytes they make.
    """
    written = []
    for file in logs():
        path = folder / file.path
        path.parent.mkdir(parents=True, exist_ok=True)
        if path.suffix != ".gz":
            path.write_bytes(file.content)
        elif not (path.exists() and gzip.decompress(path.read_bytes()) == file.content):
            with path.open("wb") as raw, gzip.GzipFile("", "wb", fileobj=raw, mtime=0) as packed:
                packed.write(file.content)
        written.append(path)
    return written


def main() -> None:
    parser = argparse.ArgumentParser(description="Rewrite the sample logs of Larkspur, a made-up online plant shop.")
    parser.add_argument("--out", type=Path, default=HERE, metavar="DIR", help="where to (default: beside this script)")
    parser.add_argument("--truth", action="store_true", help="write nothing, print what an audit must find")
    options = parser.parse_args()
    if options.truth:
        figures = truth()
        for name in ("by_endpoint", "by_model"):
            figures[name] = {key or "null": row for key, row in figures[name].items()}
        print(json.dumps(figures, indent=1))
        return
    paths = write(options.out)
    size = sum(path.stat().st_size for path in paths)
    print(f"{len(paths)} files, {size:,} bytes, {truth()['requests']:,} requests, ${truth()['total_usd']}")


if __name__ == "__main__":
    main()
