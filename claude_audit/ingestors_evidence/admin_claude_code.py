"""The Admin API's Claude Code report (GET /v1/organizations/usage_report/claude_code, JSON): people's days with it.

Recognised by `date` and `model_breakdown`. A row is one model of one actor's day. Amounts are estimates in whole cents.
Cache writes have no TTL (counted as 5m). Usage under a subscription is not invoiced by the token.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import timedelta

from claude_audit.evidence import BadValueError, Claim, Download, Unread, amount, count, instant, text
from claude_audit.ingestors import Head
from claude_audit.ingestors_evidence import Report
from claude_audit.ingestors_evidence import _pages as pages


def _wanted(row: pages.Item) -> bool:
    return isinstance(row.get("model_breakdown"), list)


def _recognise(head: Head) -> bool:
    return any("date" in e and _wanted(e) for e in pages.sample(head))


def _claims(_entry: pages.Item, row: pages.Item, number: int) -> Iterator[Claim | Unread]:
    day, actor = instant(row.get("date"), "date"), pages.inner(row, "actor")
    other = {
        k: row[k]
        for k in ("terminal_type", "is_remote", "subscription_type", "organization_id")
        if row.get(k) is not None
    }
    for part in row["model_breakdown"]:
        if not isinstance(part, dict):
            raise BadValueError("model_breakdown holds something that is no object")
        tokens, cost = pages.inner(part, "tokens"), pages.inner(part, "estimated_cost")
        if cost.get("currency") not in (None, "USD"):
            raise BadValueError(f"the currency is {str(cost['currency'])[:20]}, not USD")
        writes = count(tokens.get("cache_creation"), "cache_creation")
        yield Claim(
            line=number,
            start=day,
            end=day + timedelta(days=1),
            model_raw=text(part.get("model")),
            api_key_name=text(actor.get("api_key_name")),
            user=text(actor.get("email_address")),
            product="claude_code",
            customer_type=text(row.get("customer_type")),
            other=json.dumps(other, sort_keys=True, default=str) if other else None,
            input_tokens=count(tokens.get("input"), "input"),
            cache_read_tokens=count(tokens.get("cache_read"), "cache_read"),
            cache_write_5m_tokens=writes,
            cache_write_1h_tokens=None if writes is None else 0,
            output_tokens=count(tokens.get("output"), "output"),
            amount_usd=amount(cost.get("amount"), "estimated_cost", cents=True),
        )


def _read(text: str, _name: str) -> Iterator[Download]:
    return pages.read(text, _wanted, _claims)


ADMIN_CLAUDE_CODE = Report(
    name="admin_claude_code",
    title="the Admin API's Claude Code report (JSON)",
    kind="usage",
    by_day=False,
    recognise=_recognise,
    read=_read,
    rank=90,
    scope="claude_code",
    doc=__doc__,
)
