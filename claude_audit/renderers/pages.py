"""Pages of documentation, as docstrings hold them, for a terminal."""

from __future__ import annotations

import re
import shutil
import textwrap


def filled(page: str, width: int | None = None) -> str:
    """The page for a terminal of that width: paragraphs filled, lines that are set in left as they are."""
    width = max(40, width or shutil.get_terminal_size((80, 24)).columns)
    shown: list[str] = []
    for block in page.strip().split("\n\n"):
        block_lines: list[str] = []
        for line in block.split("\n"):
            if block_lines and not line.startswith((" ", "-", "|")) and not block_lines[-1].startswith((" ", "|")):
                block_lines[-1] += " " + line
            else:
                block_lines.append(line)
        shown.append("\n".join(_filled(line, width) for line in block_lines))
    return "\n\n".join(shown) + "\n"


def _filled(line: str, width: int) -> str:
    """A paragraph on several lines; what is set in keeps its place, and is set in further where it goes on."""
    inset = len(line) - len(line.lstrip())
    flag = re.match(r" +--.*?  +", line)
    further = " " * (flag.end() if flag and flag.end() < width / 2 else inset)
    return "\n".join(textwrap.wrap(line, width, subsequent_indent=further, break_long_words=False)) or line
