"""Files that are compressed or written in another Unicode: read as if they were not."""

from __future__ import annotations

import gzip
from pathlib import Path

import pyarrow as pa
import pytest
from plain_logs import calls, in_store, ingested

from claude_audit.packing import opened, packed

TABLE = (
    "timestamp\tmodel\tendpoint\tinput_tokens\toutput_tokens\n2026-11-02T10:00:00Z\tclaude-opus-4-8\tBüro 🌿\t10\t20\n"
)
LINES = (
    '{"timestamp":"2026-11-02T10:00:00Z","model":"claude-opus-4-8","usage":{"input_tokens":7,"output_tokens":9}}\n' * 2
)


@pytest.mark.parametrize("encoding", ["utf-16", "utf-16-be", "utf-32", "utf-8-sig"])
@pytest.mark.parametrize("compress", [bytes, gzip.compress, lambda data: pa.compress(data, "zstd", asbytes=True)])
def test_a_spreadsheets_unicode_text(tmp_path: Path, encoding: str, compress: object) -> None:
    text = TABLE.encode(encoding)
    marked = b"\xfe\xff" + text if encoding == "utf-16-be" else text
    assert calls(tmp_path, compress(marked), "line, endpoint, input_tokens", name="usage.txt") == [(2, "Büro 🌿", 10)]


def test_lines_of_json_in_utf_16(tmp_path: Path) -> None:
    assert calls(tmp_path, LINES.encode("utf-16"), name="app.jsonl") == [(1, 7, 9), (2, 7, 9)]


def test_a_copy_in_another_encoding_is_the_same_log(tmp_path: Path) -> None:
    ingested(tmp_path, LINES, name="app.jsonl")
    report = ingested(tmp_path, LINES.encode("utf-16"), name="copy.jsonl")
    assert (report.counted.kept, report.counted.duplicates) == (0, 2)
    assert in_store(tmp_path, "source") == [(str(tmp_path / "logs" / "app.jsonl"),)] * 2


def test_bytes_that_are_no_utf_16_cost_their_line_only(tmp_path: Path) -> None:
    lines = [line.encode("utf-16-le") for line in LINES.splitlines(keepends=True)]
    report = ingested(tmp_path, b"\xff\xfe" + lines[0] + b"\x00\xd8" + lines[1] + lines[0] + b"{", name="app.jsonl")
    assert (report.counted.kept, report.counted.rejected) == (2, 2)


def test_reading_by_pieces_of_any_size_gives_the_whole(tmp_path: Path) -> None:
    path = tmp_path / "log"
    path.write_bytes(("ä€🌿\n" * 100_000).encode("utf-16"))
    assert packed(path, path.stat().st_size, 0)
    with opened(path) as stream:
        found = [stream.read(size) for size in (0, 1, 7, 1000, 300_001)] + [stream.read()]
    assert [len(part) for part in found[:5]] == [0, 1, 7, 1000, 300_001]
    assert b"".join(found).decode() == "ä€🌿\n" * 100_000
