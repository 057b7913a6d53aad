"""The gate for GitHub Actions: annotations, the step's summary and its outputs."""

from __future__ import annotations

import re

from claude_audit.budget import BudgetResult, Gate
from claude_audit.gate_words import Advice, message, rule, word
from claude_audit.money import exact

SHOWN = 10
"""Annotations that GitHub shows a kind and step."""
SUMMARY_BYTES = 900_000
"""GitHub drops a step summary over 1 MiB as a whole."""


def workflow_commands(gate: Gate, advice: Advice | None = None) -> list[str]:
    """Annotations: an error for each budget that fails the gate, a warning for each other that is not within."""
    errors = [result for result in gate.results if _kind(result, gate) == "error"]
    warnings = [result for result in gate.results if _kind(result, gate) == "warning"]
    return [*_commands("error", errors, advice), *_commands("warning", warnings, advice)]


def _kind(result: BudgetResult, gate: Gate) -> str:
    if word(result) == "UNDECIDED":
        if gate.on_undecided == "pass":
            return ""
        return "error" if result.open and gate.on_undecided == "fail" else "warning"
    return {"FAIL": "error", "WARN": "warning"}.get(word(result), "")


def _commands(kind: str, results: list[BudgetResult], advice: Advice | None) -> list[str]:
    shown = results if len(results) <= SHOWN else results[: SHOWN - 1]
    lines = [_command(kind, rule(result), result.budget.where, message(result, advice)) for result in shown]
    if len(shown) < len(results):
        names = ", ".join(rule(result) for result in results[len(shown) :])
        lines.append(_command(kind, f"{len(results) - len(shown)} more budgets", "", names))
    return lines


def _command(kind: str, title: str, where: str, body: str) -> str:
    place = re.fullmatch(r"(.+):([0-9]+)", where)
    properties = [f"title={_property(title)}"]
    if place:
        properties += [f"file={_property(place[1])}", f"line={place[2]}"]
    return f"::{kind} {','.join(properties)}::{_data(body)}"


def _data(text: str) -> str:
    return text.replace("%", "%25").replace("\r", "%0D").replace("\n", "%0A")


def _property(text: str) -> str:
    return _data(text).replace(":", "%3A").replace(",", "%2C")


def summary(markdown: str, already: int) -> str:
    """What may still be appended to a summary file that holds `already` bytes."""
    room = SUMMARY_BYTES - already
    body = markdown.encode()
    if len(body) <= room:
        return markdown
    note = "\n\nThe rest is left out: GitHub shows no summary over 1 MiB.\n"
    kept = body[: max(0, room - len(note))].decode(errors="ignore")
    return f"{kept}{note}" if kept else ""


def outputs(gate: Gate) -> str:
    """`name=value` lines: verdict, exit_code, breached (names), and the first budget's figures."""
    values = {
        "verdict": gate.verdict,
        "exit_code": str(int(gate.exit_code)),
        "breached": ",".join(result.budget.name for result in gate.results if result.breached),
    }
    if gate.results:
        view = gate.results[0].outlook
        values["actual_usd"] = exact(view.actual_usd) or ""
        values["projected_usd"] = exact(view.forecast.projected_usd) or ""
    return "".join(f"{name}={value}\n" for name, value in values.items())
