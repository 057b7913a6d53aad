"""The Admin API's cost report (GET /v1/organizations/cost_report, JSON pages): dollars by day.

Recognised by `starting_at` and `results` with `amount`. An amount is a decimal string in cents: "417.20384" is
$4.1720384. Priority Tier is not in it. The time-bucketed analytics cost report has the same shape, with the list price.
"""

from __future__ import annotations

from collections.abc import Iterator

from claude_audit.evidence import Claim, Download, Unread
from claude_audit.ingestors import Head
from claude_audit.ingestors_evidence import Report
from claude_audit.ingestors_evidence import _pages as pages


def _wanted(row: pages.Item) -> bool:
    return "amount" in row


def _recognise(head: Head) -> bool:
    entries = [e for e in pages.sample(head) if "starting_at" in e and isinstance(e.get("results"), list)]
    return any(isinstance(row, dict) and _wanted(row) for e in entries for row in e["results"])


def _claims(entry: pages.Item, row: pages.Item, number: int) -> Iterator[Claim | Unread]:
    start, end = pages.period(entry, row)
    if pages.overlapping(row):
        yield Unread(number, pages.OVERLAP)
    else:
        yield Claim(line=number, start=start, end=end, **pages.dimensions(row), **pages.charged(row))


def _read(text: str, _name: str) -> Iterator[Download]:
    return pages.read(text, _wanted, _claims)


ADMIN_COST = Report(
    name="admin_cost",
    title="the Admin API's cost report (JSON)",
    kind="cost",
    by_day=False,
    recognise=_recognise,
    read=_read,
    rank=20,
    doc=__doc__,
)
