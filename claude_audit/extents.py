"""How far log files have been read: where they end, and what tells a grown one from another one."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from claude_audit.packing import BLOCK_BYTES, opened
from claude_audit.pieces import LogFile

SAMPLE_BYTES = 4096


@dataclass(frozen=True, slots=True)
class Extent:
    """How far a file has been read: what the next ingest needs to go on from there."""

    end: int
    """Byte after the last complete line (the size, for a compressed file)."""
    head: str
    tail: str
    """Digests of the bytes at the start, and of those just before `end`: they tell a grown file from another one."""


def digest(data: bytes) -> str:
    """A short digest that tells apart what two files hold at one place."""
    return hashlib.blake2b(data, digest_size=12).hexdigest()


def extent(file: LogFile) -> Extent:
    """How far `file` reaches now, to its last complete line."""
    with file.path.open("rb") as stream:
        first = stream.read(SAMPLE_BYTES)
        end = file.size if file.packed else _after_last_break(stream, file.start, file.size)
        return Extent(end, digest(first[:end]), _tail(stream, end))


def _after_last_break(stream: IO[bytes], start: int, size: int) -> int:
    at, block = size, SAMPLE_BYTES
    while at > start:
        begin = max(start, at - block)
        stream.seek(begin)
        found = stream.read(at - begin).rfind(b"\n")
        if found >= 0:
            return begin + found + 1
        at, block = begin, BLOCK_BYTES
    return start


def count_lines(path: Path, end: int) -> int:
    """Line breaks in the first `end` bytes of the file's content, unpacked."""
    lines = 0
    with opened(path) as stream:
        while end > 0 and (block := stream.read(min(8 * BLOCK_BYTES, end))):
            lines, end = lines + block.count(b"\n"), end - len(block)
    return lines


def _tail(stream: IO[bytes], end: int) -> str:
    begin = max(0, end - SAMPLE_BYTES)
    stream.seek(begin)
    return digest(stream.read(end - begin))


def continues(file: LogFile, known: Extent) -> bool:
    """Whether the file still begins with what was read of it before."""
    if file.size < known.end:
        return False
    with file.path.open("rb") as stream:
        first = stream.read(SAMPLE_BYTES)
        return digest(first[: known.end]) == known.head and _tail(stream, known.end) == known.tail


@dataclass(frozen=True, slots=True)
class Content:
    """What a file holds, unpacked, as far as it has been read: its copies are known by it."""

    sha256: str
    size: int
    """In bytes."""


def sha256_at(path: Path, ends: Iterable[int], last: int | None) -> dict[int, str]:
    """SHA-256 of the first `end` bytes of the file's content, unpacked, for those of the `ends` before `last`, and for it.

    None: to its end.
    """
    found, running, at = {}, hashlib.sha256(), 0
    wanted = sorted(end for end in {*ends} if last is None or end < last)
    with opened(path) as stream:
        for end in (*wanted, last):
            while end is None or at < end:
                if not (block := stream.read(BLOCK_BYTES if end is None else min(BLOCK_BYTES, end - at))):
                    break
                running.update(block)
                at += len(block)
            if end is None or at == end:
                found[at] = running.hexdigest()
    return found
