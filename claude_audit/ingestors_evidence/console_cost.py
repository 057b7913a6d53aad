"""The Console's cost export (CSV): dollars by day, model, key, workspace and token type, rounded to the cent a row.

Recognised by `usage_date_utc`, `token_type` and `cost_usd` in the header; every generation of it since December 2024.
Models have display names. Two rows that agree in everything but the amount are both right: they are added. A search or
another tool has `--` for a model. `list_price_usd`, where there is one, is the price before discounts.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime

from claude_audit.evidence import BadValueError, Claim, Download, amount, text
from claude_audit.ingestors import Head
from claude_audit.ingestors_evidence import Report
from claude_audit.ingestors_evidence import _table as table

TOKEN_TYPES = {
    "input": "input",
    "input_no_cache": "input",
    "input_cache_read": "cache_read",
    "input_cache_write": "cache_write_5m",
    "input_cache_write_5m": "cache_write_5m",
    "input_cache_write_1h": "cache_write_1h",
    "output": "output",
}


def _recognise(head: Head) -> bool:
    return table.has_columns(head, "usage_date_utc", "token_type", "cost_usd")


def _claim(row: table.Row, line: int, start: datetime, end: datetime) -> Claim:
    cost = amount(row.get("costusd"), "cost_usd")
    if cost is None:
        raise BadValueError("cost_usd is missing")
    kind, geo, tier = text(row.get("tokentype")), text(row.get("inferencegeo")), text(row.get("usagetype"))
    cost_type = text(row.get("costtype"))
    return Claim(
        line=line,
        start=start,
        end=end,
        model_raw=text(row.get("model")),
        workspace_id=text(row.get("workspaceid")),
        workspace_name=text(row.get("workspace")),
        api_key_id=text(row.get("apikeyid")),
        api_key_name=text(row.get("apikey")),
        tier=None if tier == "message" else tier,
        context_window=text(row.get("contextwindow")),
        geo=None if geo == "not_available" else geo,
        speed=text(row.get("speed")),
        token_type=TOKEN_TYPES.get(kind, kind) if kind else None,
        cost_type="tokens" if kind or cost_type == "token" else cost_type,
        amount_usd=cost,
        list_amount_usd=amount(row.get("listpriceusd"), "list_price_usd"),
    )


def _read(text: str, name: str) -> Iterator[Download]:
    return table.read(text, name, "usage_date_utc", ("token_type", "cost_usd"), _claim)


CONSOLE_COST = Report(
    name="console_cost",
    title="the Console's cost export (CSV)",
    kind="cost",
    by_day=True,
    recognise=_recognise,
    read=_read,
    rank=10,
    doc=__doc__,
)
