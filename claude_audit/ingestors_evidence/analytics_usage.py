"""The Analytics API's usage rows (since 2026-10-29, JSON pages): tokens and requests by whatever was asked for.

Recognised by `group` beside `usage`, or by an `actor` beside flat counts (the report by user). Without a bucket width a
row covers the whole range that was asked for. Rows by RBAC group overlap, as people are in several groups: left out.
"""

from __future__ import annotations

from collections.abc import Iterator

from claude_audit.evidence import Claim, Download, Unread
from claude_audit.ingestors import Head
from claude_audit.ingestors_evidence import Report
from claude_audit.ingestors_evidence import _pages as pages


def _wanted(row: pages.Item) -> bool:
    if isinstance(row.get("usage"), dict):
        return isinstance(row.get("group"), dict) and "uncached_input_tokens" in row["usage"]
    return "actor" in row and "uncached_input_tokens" in row


def _recognise(head: Head) -> bool:
    return any(_wanted(e) for e in pages.sample(head))


def _claims(entry: pages.Item, row: pages.Item, number: int) -> Iterator[Claim | Unread]:
    start, end = pages.period(entry, row)
    group, usage = pages.inner(row, "group") or row, pages.inner(row, "usage") or row
    if pages.overlapping(group):
        yield Unread(number, pages.OVERLAP)
    else:
        yield Claim(line=number, start=start, end=end, **pages.dimensions(group), **pages.token_counts(usage))


def _read(text: str, _name: str) -> Iterator[Download]:
    return pages.read(text, _wanted, _claims)


ANALYTICS_USAGE = Report(
    name="analytics_usage",
    title="the Analytics API's usage rows (JSON)",
    kind="usage",
    by_day=False,
    recognise=_recognise,
    read=_read,
    rank=30,
    doc=__doc__,
)
