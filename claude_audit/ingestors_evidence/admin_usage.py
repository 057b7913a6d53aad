"""The Admin API's usage report (GET /v1/organizations/usage_report/messages, JSON pages): tokens by bucket of time.

Recognised by `starting_at` and `results` with `uncached_input_tokens`. Buckets are UTC, [starting_at, ending_at). A null
in a dimension means "not grouped by it" or "has none": only the query knows. The time-bucketed analytics report has the
same shape, with products and request counts.
"""

from __future__ import annotations

from collections.abc import Iterator

from claude_audit.evidence import Claim, Download, Unread
from claude_audit.ingestors import Head
from claude_audit.ingestors_evidence import Report
from claude_audit.ingestors_evidence import _pages as pages


def _wanted(row: pages.Item) -> bool:
    return "uncached_input_tokens" in row


def _recognise(head: Head) -> bool:
    entries = pages.sample(head)
    rows = [row for e in entries if "starting_at" in e and isinstance(e.get("results"), list) for row in e["results"]]
    if rows:
        return any(isinstance(row, dict) and _wanted(row) for row in rows)
    return bool(entries) and all("starting_at" in e and e.get("results") == [] for e in entries)  # nothing was used


def _claims(entry: pages.Item, row: pages.Item, number: int) -> Iterator[Claim | Unread]:
    start, end = pages.period(entry, row)
    if pages.overlapping(row):
        yield Unread(number, pages.OVERLAP)
    else:
        yield Claim(line=number, start=start, end=end, **pages.dimensions(row), **pages.token_counts(row))


def _read(text: str, _name: str) -> Iterator[Download]:
    return pages.read(text, _wanted, _claims)


ADMIN_USAGE = Report(
    name="admin_usage",
    title="the Admin API's usage report (JSON)",
    kind="usage",
    by_day=False,
    recognise=_recognise,
    read=_read,
    rank=20,
    doc=__doc__,
)
