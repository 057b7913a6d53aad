"""README's console blocks: what they say is run, and what they show is what is printed.

    python tests/readme.py            compare
    python tests/readme.py --write    put in what is printed now

A block is fenced with ```console. A line that begins with "$ " is a command; the lines under it are its output. Commands
of one file run in one folder, in order, with the sample logs in it. The table of what each source fills is made anew too. Set-up lines (python3 -m venv …) are run by CI itself.
"""

from __future__ import annotations

import os
import re
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import fills

HOME = Path(__file__).resolve().parent.parent
TABLE = re.compile(r"(<!-- made by tests/fills.py -->\n)(.*?)(<!-- to here -->)", re.DOTALL)
BLOCK = re.compile(r"(```console\n)(.*?)(```)", re.DOTALL)
NOT_RUN = ("python3 -m venv", "pip install", "pip ")


def documents() -> list[Path]:
    """The files whose console blocks are kept true."""
    return [HOME / "README.md"]


def commands(block: str) -> Iterator[tuple[str, str]]:
    """(command, output) of a block's body."""
    command, output = None, ""
    for line in block.splitlines(keepends=True):
        if line.startswith("$ "):
            if command is not None:
                yield command, output
            command, output = line[2:].rstrip("\n"), ""
        else:
            output += line
    if command is not None:
        yield command, output


def run(command: str, folder: Path) -> str:
    """What the command prints in that folder, on an 80-column terminal without colours."""
    env = {
        k: v
        for k, v in os.environ.items()
        if not k.startswith("CLAUDE_AUDIT_") and k not in ("GITHUB_ACTIONS", "FORCE_COLOR")
    }
    env |= {
        "PATH": f"{Path(sys.executable).parent}:{env.get('PATH', '')}",
        "COLUMNS": "80",
        "NO_COLOR": "1",
        "XDG_CONFIG_HOME": str(folder / ".config"),
    }
    done = subprocess.run(
        ["bash", "-c", command],
        cwd=folder,
        env=env,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
    )
    return done.stdout


def shown(document: str, folder: Path) -> str:
    """The document with every block's output as it is printed now."""
    (folder / "sample_logs").symlink_to(HOME / "sample_logs")

    def fresh(match: re.Match[str]) -> str:
        body = ""
        for command, output in commands(match[2]):
            body += f"$ {command}\n" + (output if command.startswith(NOT_RUN) else run(command, folder))
        return match[1] + body + match[3]

    return TABLE.sub(lambda match: match[1] + fills.table() + match[3], BLOCK.sub(fresh, document))


def main() -> int:
    stale = 0
    for path in documents():
        text = path.read_text(encoding="utf-8")
        with tempfile.TemporaryDirectory() as folder:
            now = shown(text, Path(folder))
        if now != text:
            stale += 1
            if "--write" in sys.argv:
                path.write_text(now, encoding="utf-8")
    return 0 if "--write" in sys.argv else stale


if __name__ == "__main__":
    sys.exit(main())
