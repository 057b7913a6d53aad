"""Every lever tried alone, as JSON, CSV and Markdown; and the sentences that the terminal shares."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from claude_audit.money import dollars, exact
from claude_audit.opportunities import Opportunities, Opportunity, Standing
from claude_audit.renderers import figures
from claude_audit.renderers.columns import as_csv, as_markdown, markdown_text
from claude_audit.text import count
from claude_audit.waterfall_told import instant, step_document

RANKED = (Standing.SURE, Standing.MAYBE, Standing.COSTS)
"""Those whose saving has figures that say something."""
ABOUT = "Each lever alone, at its default. These savings overlap: they do not add up."
COLUMNS = (
    "lever",
    "flags",
    "standing",
    "low_usd",
    "saving_usd",
    "high_usd",
    "per_effort_usd",
    "requests_changed",
    "grade",
    "effort",
    "risk",
    "missing_fields",
    "reason",
)


def document(found: Opportunities) -> dict[str, Any]:
    """Best first. `step` is a step as whatif gives it, on the untouched log; null when the lever was not tried."""
    return {
        "period": {"since": instant(found.since), "until": instant(found.until)},
        "lookback_days": found.lookback_days,
        "baseline_usd": exact(found.baseline_usd),
        "requests": found.requests,
        "unpriced_requests": found.unpriced_requests,
        "opportunities": [
            {
                "lever": one.lever,
                "flags": one.flags,
                "standing": one.standing.value,
                "per_effort_usd": exact(one.per_effort_usd),
                "monthly_saving_usd": exact(found.monthly_usd(one)),
                "missing": [{"field": missing.field, "way": missing.way} for missing in one.missing],
                "reason": one.reason or None,
                "step": step_document(one.step) if one.step else None,
            }
            for one in found.found
        ],
        "together": found.together or None,
    }


def csv(found: Opportunities) -> str:
    """A row a lever, money exact."""
    rows = []
    for one in found.found:
        step = one.step
        money = (step.low_usd, step.saving_usd, step.high_usd) if step else (None, None, None)
        told = (str(step.requests_changed), step.grade.value, step.effort.value) if step else ("", "", "")
        rows.append(
            [
                one.lever,
                one.flags,
                one.standing.value,
                *(exact(usd) or "" for usd in (*money, one.per_effort_usd)),
                *told,
                str(step.quality_risk.level) if step else "",
                " ".join(missing.field for missing in one.missing),
                one.reason,
            ]
        )
    return as_csv(COLUMNS, rows)


def markdown(found: Opportunities) -> str:
    """A table of those with figures, then the rest in sentences."""
    period = figures.period(found.since, found.until)
    parts = [f"The bill as logged is **{dollars(found.baseline_usd)}** ({period}). {ABOUT}"]
    header = ["Lever", "At least", "Expected", "At most", "Requests", "Effort", "Risk", "Grade"]
    rows = []
    for one in found.standing(*RANKED):
        if step := one.step:
            money = map(dollars, (step.low_usd, step.saving_usd, step.high_usd))
            words = (step.effort.words, f"{step.quality_risk.level} of 4", step.grade.value)
            rows.append([figures.lever(step), *money, f"{step.requests_changed:,}", *words])
    if rows:
        parts.append(as_markdown(header, rows, right=(1, 2, 3, 4)))
    points = [f"- {markdown_text(words)}" for _, words in sentences(found)]
    if points:
        parts.append("\n".join(points))
    if found.unpriced_requests:
        parts.append(f"{count(found.unpriced_requests, 'request')} without a price: no lever touched them.")
    if found.together:
        parts.append(f"Those that are sure to save, together: `claude-audit whatif {found.together}`")
    return "\n\n".join(parts) + "\n"


def sentences(found: Opportunities) -> Iterator[tuple[Standing, str]]:
    """What the figures do not say by themselves."""
    for one in found.standing(Standing.MAYBE, Standing.COSTS):
        if one.step and (words := _why(one)):
            title = figures.title(one.step)
            yield one.standing, words if words.startswith(title) else f"{title}: {words}"
    for one in found.standing(Standing.UNKNOWN):
        yield Standing.UNKNOWN, f"{one.lever.replace('_', ' ')}{_bound(one)}: log {_fields(one)}"
    idle = [one.lever.replace("_", " ") for one in found.standing(Standing.NOTHING)]
    if idle:
        yield Standing.NOTHING, f"changes nothing on this log: {', '.join(idle)}"
    for one in found.standing(Standing.NOT_TRIED):
        yield Standing.NOT_TRIED, f"{one.lever.replace('_', ' ')}: {one.reason}"


def _why(one: Opportunity) -> str:
    """What to know first of a lever that may cost: a warning, else a caveat that tells how much."""
    if one.step is None:
        return ""
    measured = [caveat for mark in "$%" for caveat in one.step.caveats if mark in caveat]
    told = [*figures.warnings(one.step), *measured, *one.step.caveats]
    return " ".join(told[:2]) if one.standing is Standing.COSTS else next(iter(told), "")


def _bound(one: Opportunity) -> str:
    if one.step is None or one.step.high_usd <= 0:
        return ""
    return f" (at most {dollars(one.step.high_usd)})"


def _fields(one: Opportunity) -> str:
    """Fields that come to be in the same way are named together."""
    ways: dict[str, list[str]] = {}
    for missing in one.missing:
        ways.setdefault(missing.way, []).append(missing.field)
    return "; ".join(f"{', '.join(fields)} ({way})" for way, fields in ways.items())
