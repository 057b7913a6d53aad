"""The Analytics API's cost rows (since 2026-10-29, JSON pages): dollars by whatever was asked for, before and after discounts.

Recognised by `group` beside `cost`, or by an `actor` beside flat amounts (the report by user). Amounts are strings in
fractional cents; `amount` is after discounts, `list_amount` before. Rows by RBAC group overlap: left out.
"""

from __future__ import annotations

from collections.abc import Iterator

from claude_audit.evidence import Claim, Download, Unread
from claude_audit.ingestors import Head
from claude_audit.ingestors_evidence import Report
from claude_audit.ingestors_evidence import _pages as pages


def _wanted(row: pages.Item) -> bool:
    if isinstance(row.get("cost"), dict):
        return isinstance(row.get("group"), dict) and "amount" in row["cost"]
    return "actor" in row and "amount" in row and "list_amount" in row


def _recognise(head: Head) -> bool:
    return any(_wanted(e) for e in pages.sample(head))


def _claims(entry: pages.Item, row: pages.Item, number: int) -> Iterator[Claim | Unread]:
    start, end = pages.period(entry, row)
    group, cost = pages.inner(row, "group") or row, pages.inner(row, "cost") or row
    if pages.overlapping(group):
        yield Unread(number, pages.OVERLAP)
    else:
        yield Claim(line=number, start=start, end=end, **pages.dimensions(group), **pages.charged(cost))


def _read(text: str, _name: str) -> Iterator[Download]:
    return pages.read(text, _wanted, _claims)


ANALYTICS_COST = Report(
    name="analytics_cost",
    title="the Analytics API's cost rows (JSON)",
    kind="cost",
    by_day=False,
    recognise=_recognise,
    read=_read,
    rank=30,
    doc=__doc__,
)
