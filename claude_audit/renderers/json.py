"""The report as a JSON document: money as exact strings, what is not known as null."""

from __future__ import annotations

import json
from typing import Any

from claude_audit import __version__
from claude_audit.accounting import Lines
from claude_audit.money import exact
from claude_audit.renderers import findings, forecast, gate, opportunities, reconcile
from claude_audit.report import Report
from claude_audit.spend import as_document

SCHEMA_VERSION = 1


def document(report: Report) -> dict[str, Any]:
    """Everything that the page shows, and every row of it."""
    spend = as_document(report.by_pair)
    return {
        "today": report.today.isoformat(),
        "timezone": str(report.timezone),
        "filters": list(report.filters),
        "claude_audit": __version__,
        "prices_as_of": report.prices_as_of.isoformat(),
        **{name: spend[name] for name in ("period", "total_usd", "requests", "unpriced", "tokens", "components_usd")},
        f"by_{report.who}": _rows(as_document(report.by_who)),
        "by_model": _rows(as_document(report.by_model)),
        f"by_{report.who}_and_model": _rows(spend),
        "days": [{"day": day.isoformat(), "cost_usd": exact(usd)} for day, usd in report.days.items()],
        "months": [
            {"month": f"{first:%Y-%m}", "days": days, "cost_usd": exact(usd)} for first, usd, days in report.months
        ],
        "forecast": forecast.document(report.outlook),
        "budgets": gate.document(report.gate)["budgets"],
        "whatif": report.waterfall.as_document() if report.waterfall else None,
        "reconcile": reconcile.document(report.reconciliation) if report.reconciliation else None,
        "opportunities": opportunities.document(report.opportunities) if report.opportunities else None,
        "findings": findings.document(report.findings) if report.findings else None,
        "lines": {
            **_lines(report.lines),
            "formats": {row.format: {"files": row.files, **_lines(row.counted)} for row in report.formats},
            "rejects": [{"source": r.source, "line": r.line, "reason": r.reason} for r in report.rejects],
        },
        "warnings": list(report.warnings),
    }


def _rows(spend: dict[str, Any]) -> dict[str, Any]:
    return {"rows": spend["rows"], "pareto": spend["pareto"]}


def _lines(counted: Lines) -> dict[str, Any]:
    return {
        "lines": counted.lines,
        "kept": counted.kept,
        "duplicates": counted.duplicates,
        "ignored": dict(counted.ignored),
        "rejected": counted.rejected,
    }


def render(report: Report) -> str:
    """The document for a file, indented."""
    whole = {"schema_version": SCHEMA_VERSION, **document(report)}
    return json.dumps(whole, ensure_ascii=False, indent=1) + "\n"
