"""What log files are packed in: compressed by gzip or zstd, or written as UTF-16 or UTF-32 with a byte order mark.

Told by the first bytes, never by the name: names are lost on the way, or stay behind.
"""

from __future__ import annotations

import codecs
import gzip
import io
from functools import lru_cache
from pathlib import Path
from typing import IO, TYPE_CHECKING, cast

if TYPE_CHECKING:
    from _typeshed import WriteableBuffer

BLOCK_BYTES = 2**20
COMPRESSED = {"gz": b"\x1f\x8b", "zst": b"\x28\xb5\x2f\xfd"}
"""First bytes of compressed files (RFC 1952; RFC 8878)."""
# UTF-32 first: in little order its mark begins with that of UTF-16.
ENCODED = {
    "utf-32": (codecs.BOM_UTF32_LE, codecs.BOM_UTF32_BE),
    "utf-16": (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE),
}
"""Byte order marks: what spreadsheets save as "Unicode text", and what PowerShell redirects into a file."""


def opened(path: Path) -> IO[bytes]:
    """The file's bytes, decompressed, and as UTF-8 where it is marked as another Unicode."""
    stream = path.open("rb")
    kind = _of(stream.peek(4), COMPRESSED)
    if kind:
        stream.close()
        stream = cast(io.BufferedReader, gzip.GzipFile(path)) if kind == "gz" else _zstd(path)
    encoding = _encoding(stream.peek(4))
    return io.BufferedReader(_AsUtf8(stream, encoding), BLOCK_BYTES) if encoding else stream


def _zstd(path: Path) -> io.BufferedReader:
    import pyarrow as pa

    return io.BufferedReader(pa.CompressedInputStream(path.open("rb"), "zstd"))


@lru_cache(maxsize=65536)
def packed(path: Path, size: int, mtime_ns: int) -> bool:
    """Whether the file of that size and time holds something else than the bytes of its text."""
    with path.open("rb") as stream:
        first = stream.peek(4)
    return bool(_of(first, COMPRESSED) or _encoding(first))


def _of(first: bytes, magic: dict[str, bytes]) -> str:
    return next((kind for kind, begin in magic.items() if first.startswith(begin)), "")


def _encoding(first: bytes) -> str:
    return next((name for name, marks in ENCODED.items() if first.startswith(marks)), "")


class _AsUtf8(io.RawIOBase):
    """Text of another Unicode encoding as UTF-8. Bytes that are none of it become U+FFFD."""

    def __init__(self, stream: IO[bytes], encoding: str) -> None:
        self._stream = stream
        self._decoder = codecs.getincrementaldecoder(encoding)("replace")
        self._rest = b""

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: WriteableBuffer) -> int:
        while not self._rest:
            block = self._stream.read(BLOCK_BYTES)
            self._rest = self._decoder.decode(block, final=not block).encode()
            if not block:
                break
        view = memoryview(buffer)
        count = min(len(view), len(self._rest))
        view[:count], self._rest = self._rest[:count], self._rest[count:]
        return count

    def close(self) -> None:
        self._stream.close()
        super().close()
