"""OpenRouter's activity export (CSV): dollars by day and model.

Recognised by `Slug` and `BYOK Usage` in the header. It has no cache columns, so its tokens can't be priced: `Usage` (US
dollars) is the only truth in it. Other vendors' models are left out.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime

from claude_audit.evidence import BadValueError, Claim, Download, Unread, amount, count, text
from claude_audit.ingestors import Head
from claude_audit.ingestors_evidence import Report
from claude_audit.ingestors_evidence import _table as table
from claude_audit.model_ids import is_claude


def _recognise(head: Head) -> bool:
    return table.has_columns(head, "Slug", "BYOK Usage")


def _claim(row: table.Row, line: int, start: datetime, end: datetime) -> Claim | Unread:
    slug = text(row.get("slug"))
    if slug and not is_claude(slug):
        return Unread(line, "other vendor's model")
    usd = amount(row.get("usage", row.get("usageusd")), "Usage")
    if usd is None:
        raise BadValueError("Usage is missing")
    return Claim(
        line=line,
        start=start,
        end=end,
        model_raw=slug,
        output_tokens=count(row.get("completiontokens"), "Completion Tokens"),
        prompt_tokens=count(row.get("prompttokens"), "Prompt Tokens"),
        requests=count(row.get("requests"), "Requests"),
        amount_usd=usd,
    )


def _read(text: str, name: str) -> Iterator[Download]:
    return table.read(text, name, "Date", ("Slug",), _claim)


OPENROUTER_ACTIVITY = Report(
    name="openrouter_activity",
    title="OpenRouter's activity export (CSV)",
    kind="cost",
    by_day=True,
    recognise=_recognise,
    read=_read,
    rank=10,
    scope="openrouter",
    doc=__doc__,
)
