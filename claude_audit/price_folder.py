"""The price files that ship with the package, as files."""

from __future__ import annotations

import zlib
from pathlib import Path

FILES = ("anthropic.yaml", "platforms.yaml")


def folder() -> Path:
    """Where the built-in price files are: inside an installed package, beside it in a checkout."""
    installed = Path(__file__).parent / "_pricing"
    return installed if installed.is_dir() else Path(__file__).parent.parent / "pricing"


def checksums() -> dict[str, int]:
    """CRC-32 of each of the files; of those that can't be read, none."""
    found = {}
    for name in FILES:
        try:
            found[name] = zlib.crc32((folder() / name).read_bytes())
        except OSError:
            continue
    return found
