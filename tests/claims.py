"""Small console exports and billing reports for tests."""

from __future__ import annotations

import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from logs import read

from claude_audit import evidence, overlaps
from claude_audit.evidence import Evidence
from claude_audit.ingestors_evidence import registry
from claude_audit.store import Store

USAGE_COLUMNS = (
    "usage_date_utc,model_version,api_key,workspace,usage_type,context_window,usage_input_tokens_no_cache,"
    "usage_input_tokens_cache_write_5m,usage_input_tokens_cache_write_1h,usage_input_tokens_cache_read,usage_output_tokens,"
    "web_search_count,inference_geo,speed"
)
COST_COLUMNS = (
    "usage_date_utc,model,workspace,api_key,usage_type,context_window,token_type,cost_usd,list_price_usd,cost_type,"
    "inference_geo,speed,api_key_id,api_key_status"
)


def csv(path: Path, header: str, rows: Iterable[str]) -> Path:
    """A CSV file as the Console writes it."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("\n".join(["\ufeff" + header, *rows]) + "\n", encoding="utf-8")
    return path


def used(
    day: str = "2026-11-02",
    model: str = "claude-sonnet-5-5",
    key: str = "web",
    counts: tuple[int, int, int, int, int] = (1000, 0, 0, 0, 100),
    *,
    workspace: str = "Default",
    tier: str = "standard",
    window: str = "≤ 200k",
    searches: int = 0,
) -> str:
    """A row of the usage export; counts of input, 5m writes, 1h writes, reads, output."""
    return f"{day},{model},{key},{workspace},{tier},{window},{','.join(map(str, counts))},{searches},global,"


def cost(
    usd: str,
    kind: str = "input_no_cache",
    day: str = "2026-11-02",
    model: str = "Claude Sonnet 5.5",
    key: str = "web",
    *,
    workspace: str = "Default",
    listed: str | None = None,
    key_id: str = "",
) -> str:
    """A row of the cost export."""
    return f"{day},{model},{workspace},{key},message,≤ 200k,{kind},{usd},{listed or usd},token,global,,{key_id},active"


def page(path: Path, entries: Iterable[dict[str, Any]], *, more: bool = False, indent: int | None = None) -> Path:
    """A page of an API's answer."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(
        json.dumps({"data": list(entries), "has_more": more, "next_page": "p" if more else None}, indent=indent)
    )
    return path


def bucket(day: int | str, *rows: dict[str, Any], until: str | None = None) -> dict[str, Any]:
    """A bucket of an Admin report: a day of November 2026, or from one instant to another."""
    if isinstance(day, int):
        return {
            "starting_at": f"2026-11-{day:02d}T00:00:00Z",
            "ending_at": f"2026-11-{day + 1:02d}T00:00:00Z",
            "results": list(rows),
        }
    return {"starting_at": day, "ending_at": until, "results": list(rows)}


def tokens(
    model: str | None = "claude-sonnet-5-5", *, input: int = 1000, output: int = 100, **more: Any
) -> dict[str, Any]:
    """A row of an Admin usage report."""
    return {
        "model": model,
        "uncached_input_tokens": input,
        "cache_creation": {"ephemeral_5m_input_tokens": 0, "ephemeral_1h_input_tokens": 0},
        "cache_read_input_tokens": 0,
        "output_tokens": output,
        "server_tool_use": {"web_search_requests": 0},
        "api_key_id": None,
        "workspace_id": None,
        "service_tier": "standard",
        "context_window": "0-200k",
        "inference_geo": "global",
    } | more


def counted(store: Path) -> list[Evidence]:
    """The rows of evidence in a store that count."""
    place = Store(store)
    manifest = place.manifest()
    by_day = [report.name for report in registry().values() if report.by_day]
    return list(overlaps.counted(evidence.load(place, manifest), manifest.exports, by_day).rows)


def claimed(folder: Path, *files: Path) -> list[Evidence]:
    """What files claim, ingested into a store in the folder."""
    read(folder / "store", *files)
    return counted(folder / "store")
