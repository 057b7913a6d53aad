"""Scenarios from a file: the levers and options that the flags give, under the same names, for review and for next month."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from claude_audit.errors import AuditError
from claude_audit.levers import options as lever_options

ABOUT_THE_RUN = ("attribution", "order")
"""Keys that say how the answer is told, not what is tried."""
ORDERS = ("stage", "written")
"""In which the steps stand: of application, or as the options were written. The total is the same."""


def scenario_file(path: Path) -> dict[str, Any]:
    """Option values from a scenario file: `levers:` with one lever an entry, and options beside it.

    `attribution` is passed on as it stands, and so is `order`: stage, written (the options are in the file's order), or a
    list of levers. Raises AuditError naming file and line.
    """
    from claude_audit.yaml_lines import Key, place, read

    data, lines = read(path)
    known = lever_options()

    def bad(key: Key, problem: str, hint: str = "") -> AuditError:
        return AuditError(f"{place(str(path), lines, key)}: {problem}", hint)

    if not isinstance(data, dict) or not isinstance(data.get("levers"), list):
        hint = "for example: levers: [{cap_output: 512}, {batch: [report]}]"
        raise bad((), "a scenario needs a list `levers:`", hint)
    found: dict[str, Any] = {}
    entries: list[tuple[Key, Any]] = [(("levers", n), entry) for n, entry in enumerate(data["levers"])]
    entries += [((name,), {name: value}) for name, value in data.items() if name != "levers"]
    for key, entry in entries:
        if isinstance(entry, str):
            entry = {entry: True}
        if not isinstance(entry, dict) or not entry:
            raise bad(key, "a lever is written as name: value", "for example: - cap_output: 512")
        for name, value in entry.items():
            if name in found:
                raise bad(key, f"{name} is there twice")
            if name not in known and name not in ABOUT_THE_RUN:
                raise bad(key, f"unknown lever or option {name!r}", f"known are: {', '.join(sorted(known))}")
            found[name] = [str(v) for v in value] if isinstance(value, list) else value
    order = found.get("order", "stage")
    if not isinstance(order, list) and order not in ORDERS:
        raise bad(("order",), f"order {order!r} is neither stage nor written, nor a list of levers")
    return found
