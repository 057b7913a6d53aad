"""The Console's usage export (CSV): tokens by day or hour, model, key, workspace and tier.

Recognised by `usage_date_utc` and `usage_input_tokens_no_cache` in the header. Keys and workspaces have names, not ids.
Older generations have one cache-write column without TTL (counted as 5m, as it is billed) and no search, geography or
speed columns; rows may end early. Hours are written `2026-04-02 04:00` or with a T.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime

from claude_audit.evidence import Claim, Download, count, text
from claude_audit.ingestors import Head
from claude_audit.ingestors_evidence import Report
from claude_audit.ingestors_evidence import _table as table


def _recognise(head: Head) -> bool:
    return table.has_columns(head, "usage_date_utc", "usage_input_tokens_no_cache")


def _claim(row: table.Row, line: int, start: datetime, end: datetime) -> Claim:
    def counted(name: str) -> int | None:
        return count(row.get(name.replace("_", "")), name)

    short, long = counted("usage_input_tokens_cache_write_5m"), counted("usage_input_tokens_cache_write_1h")
    if "usageinputtokenscachewrite5m" not in row and (writes := counted("usage_input_tokens_cache_write")) is not None:
        short, long = writes, 0
    geo = text(row.get("inferencegeo"))
    return Claim(
        line=line,
        start=start,
        end=end,
        model_raw=text(row.get("modelversion")) or text(row.get("model")),
        workspace_id=text(row.get("workspaceid")),
        workspace_name=text(row.get("workspace")),
        api_key_id=text(row.get("apikeyid")),
        api_key_name=text(row.get("apikey")),
        tier=text(row.get("usagetype")),
        context_window=text(row.get("contextwindow")),
        geo=None if geo == "not_available" else geo,
        speed=text(row.get("speed")),
        input_tokens=counted("usage_input_tokens_no_cache"),
        cache_read_tokens=counted("usage_input_tokens_cache_read"),
        cache_write_5m_tokens=short,
        cache_write_1h_tokens=long,
        output_tokens=counted("usage_output_tokens"),
        web_searches=counted("web_search_count"),
    )


def _read(text: str, name: str) -> Iterator[Download]:
    return table.read(text, name, "usage_date_utc", ("usage_input_tokens_no_cache", "usage_output_tokens"), _claim)


CONSOLE_USAGE = Report(
    name="console_usage",
    title="the Console's usage export (CSV)",
    kind="usage",
    by_day=True,
    recognise=_recognise,
    read=_read,
    rank=10,
    doc=__doc__,
)
