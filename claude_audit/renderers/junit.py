"""The gate as JUnit XML, a test case a budget: what GitLab, Jenkins, Azure and Buildkite show."""

from __future__ import annotations

from xml.etree import ElementTree as Xml

from claude_audit.budget import Gate
from claude_audit.gate_words import Advice, headline, message, word


def render(gate: Gate, advice: Advice | None = None) -> str:
    """FAIL is a failure, UNDECIDED an error where it fails the gate, else skipped; a warning passes with its text."""
    suite = Xml.Element("testsuite", name="claude-audit")
    counts = {"tests": len(gate.results), "failures": 0, "errors": 0, "skipped": 0}
    for result in gate.results:
        case = Xml.SubElement(suite, "testcase", classname="budget", name=result.budget.name)
        kind = word(result)
        if kind == "FAIL":
            tag, counted = "failure", "failures"
        elif kind == "UNDECIDED" and result.open and gate.on_undecided == "fail":
            tag, counted = "error", "errors"
        elif kind == "UNDECIDED":
            tag, counted = "skipped", "skipped"
        else:
            Xml.SubElement(case, "system-out").text = message(result, advice)
            continue
        counts[counted] += 1
        detail = Xml.SubElement(case, tag, message=headline(result))
        if tag != "skipped":
            detail.set("type", result.verdict)
        detail.text = message(result, advice)
    for name, number in counts.items():
        suite.set(name, str(number))
    root = Xml.Element("testsuites")
    root.append(suite)
    Xml.indent(root)
    return f"<?xml version='1.0' encoding='utf-8'?>\n{Xml.tostring(root, encoding='unicode')}\n"
