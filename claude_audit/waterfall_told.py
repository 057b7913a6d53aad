"""A scenario's answer as JSON carries it, and as a pandas frame: everything that is known of each step."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import TYPE_CHECKING, Any

from claude_audit.money import exact

if TYPE_CHECKING:
    import pandas as pd

    from claude_audit.waterfall import AtList, Coverage, Step, Waterfall

PLAIN = (
    "lever",
    "argument",
    "before_usd",
    "after_usd",
    "saving_usd",
    "alone_usd",
    "low_usd",
    "high_usd",
    "last_usd",
    "shapley_usd",
    "requests_changed",
)
"""Columns of a frame that are a step's fields as they stand."""


def frame(steps: Sequence[Step]) -> pd.DataFrame:
    """One row a step. Money is Decimal, texts and lists are as in the JSON, what is unknown is None."""
    import pandas as pd

    rows = []
    for step in steps:
        low, high = step.order_range or (None, None)
        coverage, eligible = step.coverage, step.eligible
        rows.append(
            {name: getattr(step, name) for name in PLAIN}
            | {
                "order_min_usd": low,
                "order_max_usd": high,
                "eligible_usd": eligible.usd if eligible else None,
                "eligible_request_share": eligible.request_share if eligible else None,
                "eligible_usd_share": eligible.usd_share if eligible else None,
                "coverage_request_share": coverage.request_share if coverage else None,
                "coverage_usd_share": coverage.usd_share if coverage else None,
                "grade": step.grade.value,
                "risk": step.quality_risk.level,
                "effort": step.effort.value,
                "rollback": step.rollback,
                "endpoints": list(step.scope.endpoints) if step.scope else [],
                "models": list(step.scope.models) if step.scope else [],
                "missing_fields": list(step.missing_fields),
                "warnings": list(step.warnings),
                "caveats": list(step.caveats),
                "assumptions": [f"{a.name} {a.value} ({a.source})" for a in step.assumptions],
            }
        )
    columns = list(rows[0]) if rows else [*PLAIN, "grade"]
    return pd.DataFrame(rows, columns=columns, dtype=object).astype({"requests_changed": "int64"} if rows else {})


def document(waterfall: Waterfall) -> dict[str, Any]:
    """The whole answer: money as exact strings, what is not known as null."""
    overlap = waterfall.overlap
    return {
        "period": {"since": instant(waterfall.since), "until": instant(waterfall.until)},
        "lookback_days": waterfall.lookback_days,
        "price_book_version": waterfall.price_book or None,
        "baseline_usd": exact(waterfall.baseline_usd),
        "final_usd": exact(waterfall.final_usd),
        "saving_usd": exact(waterfall.saving_usd),
        "evidenced_saving_usd": exact(waterfall.evidenced_saving_usd),
        "standalone_saving_usd": exact(waterfall.standalone_usd),
        "overlap": None if overlap is None else round(float(overlap), 6),
        "monthly_saving_usd": exact(waterfall.monthly_saving_usd),
        "requests": waterfall.requests,
        "unpriced_requests": waterfall.unpriced_requests,
        "attribution": waterfall.attribution,
        "at_list_prices": _at_list(waterfall.at_list),
        "steps": [step_document(step) for step in waterfall.steps],
        "next": [
            {
                "lever": entry.lever,
                "low_usd": exact(entry.low_usd),
                "saving_usd": exact(entry.saving_usd),
                "effort": entry.effort.value,
                "words": entry.words,
            }
            for entry in waterfall.next
        ],
        "notes": list(waterfall.notes),
    }


def _at_list(listed: AtList | None) -> dict[str, Any] | None:
    if listed is None:
        return None
    return {
        "baseline_usd": exact(listed.baseline_usd),
        "final_usd": exact(listed.final_usd),
        "saving_usd": exact(listed.saving_usd),
        "unpriced_requests": listed.unpriced_requests,
    }


def step_document(step: Step) -> dict[str, Any]:
    """One step. last_usd and shapley_usd are there when they were asked for."""
    found: dict[str, Any] = {
        "lever": step.lever,
        "argument": step.argument,
        "before_usd": exact(step.before_usd),
        "after_usd": exact(step.after_usd),
        "saving_usd": exact(step.saving_usd),
        "alone_usd": exact(step.alone_usd),
        "low_usd": exact(step.low_usd),
        "high_usd": exact(step.high_usd),
        "requests_changed": step.requests_changed,
        "grade": step.grade.value,
        "caveats": list(step.caveats),
        "warnings": list(step.warnings),
        "assumptions": [{"name": a.name, "value": a.value, "source": a.source} for a in step.assumptions],
        "scope": _scope(step),
        "eligible": _coverage(step.eligible),
        "excluded": [{"gate": e.gate, "requests": e.requests, "usd": exact(e.usd)} for e in step.excluded],
        "coverage": _coverage(step.coverage),
        "missing_fields": list(step.missing_fields),
        "quality_risk": {"level": step.quality_risk.level, "reasons": list(step.quality_risk.reasons)},
        "effort": step.effort.value,
        "rollback": step.rollback,
        "platform_differences": list(step.platform_differences),
        "interacts_with": None
        if step.interacts_with is None
        else [{"lever": other.lever, "overlap_usd": exact(other.overlap_usd)} for other in step.interacts_with],
        "order_range": None
        if step.order_range is None
        else {"min_usd": exact(step.order_range[0]), "max_usd": exact(step.order_range[1])},
        "calibration": None
        if step.calibration is None
        else {"n": step.calibration.billed, "unit": "billed read tokens", "error": step.calibration.error},
        **step.facts,
    }
    if step.last_usd is not None:
        found["last_usd"] = exact(step.last_usd)
    if step.shapley_usd is not None:
        found["shapley_usd"] = exact(step.shapley_usd)
    return found


def _scope(step: Step) -> dict[str, Any] | None:
    if step.scope is None:
        return None
    reached = {"endpoints": list(step.scope.endpoints), "models": list(step.scope.models)}
    usd = exact(step.eligible.usd) if step.eligible else None
    return {**reached, "requests": step.requests_changed, "usd": usd}


def _coverage(coverage: Coverage | None) -> dict[str, Any] | None:
    if coverage is None:
        return None
    shares = {"request_share": coverage.request_share, "usd_share": coverage.usd_share}
    return {"requests": coverage.requests, "usd": exact(coverage.usd), **shares}


def instant(moment: datetime | None) -> str | None:
    """RFC 3339, UTC."""
    return moment.isoformat().replace("+00:00", "Z") if moment else None
