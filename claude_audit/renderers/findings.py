"""What the rules found, as JSON, CSV and Markdown; and the sentences that the terminal shares."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from claude_audit.findings import Findings
from claude_audit.money import dollars, exact
from claude_audit.renderers import figures
from claude_audit.renderers.columns import as_csv, as_markdown, markdown_text
from claude_audit.rules import Finding
from claude_audit.waterfall_told import instant

ABOUT = "A request may be in several findings: they do not add up."
COLUMNS = ("rule", "subject", "low_usd", "high_usd", "grade", "message", "remedy", "evidence")


def document(answer: Findings) -> dict[str, Any]:
    """Dearest first. low_usd and high_usd are null where no amount can be told."""
    return {
        "period": {"since": instant(answer.since), "until": instant(answer.until)},
        "total_usd": exact(answer.spent_usd),
        "requests": answer.requests,
        "findings": [
            {
                "rule": one.rule,
                "subject": one.subject,
                "message": one.message,
                "low_usd": exact(one.low_usd),
                "high_usd": exact(one.high_usd),
                "grade": one.grade.value,
                "remedy": one.remedy,
                "evidence": list(one.evidence),
            }
            for one in answer.found
        ],
        "nothing_found": [rule.name for rule in answer.nothing],
        "not_judged": [
            {"rule": rule.name, "missing": [{"field": each.field, "way": each.way} for each in missing]}
            for rule, missing in answer.blind
        ],
    }


def csv(answer: Findings) -> str:
    """A row a finding, money exact."""
    return as_csv(
        COLUMNS,
        [
            [
                one.rule,
                one.subject,
                exact(one.low_usd) or "",
                exact(one.high_usd) or "",
                one.grade.value,
                one.message,
                one.remedy,
                "; ".join(one.evidence),
            ]
            for one in answer.found
        ],
    )


def markdown(answer: Findings) -> str:
    """A table, then each finding in words."""
    period = figures.period(answer.since, answer.until)
    parts = [f"**{dollars(answer.spent_usd)}** ({period}). {ABOUT}"]
    if answer.found:
        rows = [[title(one), one.subject, *amounts(one), one.grade.value] for one in answer.found]
        parts.append(as_markdown(["Finding", "Where", "At least", "At most", "Grade"], rows, right=(2, 3)))
        parts.append("\n".join(f"- {markdown_text(sentence(one))}" for one in answer.found))
    else:
        parts.append("Nothing was found.")
    parts += [markdown_text(words) for words in rest(answer)]
    return "\n\n".join(parts) + "\n"


def title(one: Finding) -> str:
    """What its rule finds."""
    from claude_audit.rules import registry

    return registry()[one.rule].title


def amounts(one: Finding) -> tuple[str, str]:
    """At least and at most; a dash where no amount can be told."""
    low, high = ("-" if usd is None else dollars(usd) for usd in (one.low_usd, one.high_usd))
    return low, high


def sentence(one: Finding) -> str:
    """Where, what, and the way out."""
    return f"{one.subject}: {one.message} Way out: {one.remedy}."


def rest(answer: Findings) -> Iterator[str]:
    """What was looked for and not found, and what the log does not tell."""
    for rule, missing in answer.blind:
        lacking = "; ".join(f"{each.field} ({each.way})" for each in missing)
        yield f"Not judged: {rule.title}. The log lacks {lacking}."
    if answer.nothing:
        yield f"Looked for and not found: {', '.join(rule.title for rule in answer.nothing)}."
