"""A store of native records written straight as Parquet: for tests of what comes after ingest, hundreds of them a minute."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from logs import CATALOG

from claude_audit.audit import Audit
from claude_audit.filters import Filters
from claude_audit.store import Manifest, Part, Store
from claude_audit.usage import arrow_schema

PLAIN = (
    "endpoint workspace user session team project environment task unit request_id message_id retry_of "
    "request_hash stop_reason max_tokens tools_defined tools_used message_count has_images thinking "
    "latency_tolerant stream latency_ms ttft_ms region effort"
).split()
"""Fields of a native record that are columns as they stand."""


def stored(folder: Path, records: Iterable[Mapping[str, Any]], filters: Filters | None = None) -> Audit:
    """The audit of these records (logs.record), as ingest would store them."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    rows = [_row(n, record) for n, record in enumerate(records, 1)]
    store = Store(folder)
    (folder / "parts").mkdir(parents=True, exist_ok=True)
    name = store.new_part()
    pq.write_table(pa.Table.from_pylist(rows, schema=arrow_schema()), store.part(name))
    instants = sorted(row["ts"] for row in rows)
    models = tuple(sorted({row["model"] for row in rows if row["model"]}))
    parts = (Part(name, len(rows), _text(instants[0]), _text(instants[-1]), models),) if rows else ()
    store.commit(Manifest(parts))
    return Audit.open(folder, catalog=CATALOG, filters=filters)


def _text(moment: datetime) -> str:
    return moment.astimezone(UTC).isoformat().replace("+00:00", "Z")


def _row(line: int, record: Mapping[str, Any]) -> dict[str, Any]:
    usage = record["usage"]
    split = usage.get("cache_creation") or {}
    w1 = split.get("ephemeral_1h_input_tokens") or 0
    written = usage.get("cache_creation_input_tokens") or 0
    found = CATALOG.resolve(record["model"], families=False)
    blocks = record.get("prompt_blocks")
    blocks = blocks and [{"kind": None, "breakpoint": None} | block for block in blocks]
    prompt = usage["input_tokens"] + (usage.get("cache_read_input_tokens") or 0) + written
    searches = (usage.get("server_tool_use") or {}).get("web_search_requests")
    return {
        "row_id": f"{line:032x}",
        "format": "native",
        "source": "app.jsonl",
        "line": line,
        "identity": record.get("request_id"),
        "call_key": record.get("request_id") or f"line {line}",
        "flags": [],
        "ts": datetime.fromisoformat(record["timestamp"]),
        "row_kind": "call",
        "pass": 0,
        "requests": 1,
        "provider": record.get("provider") or (found and found.provider) or "anthropic",
        "routing": found and found.routing,
        **{name: record.get(name) for name in PLAIN},
        "tags": {name: str(value) for name, value in (record.get("tags") or {}).items()},
        "model": found and found.model.id,
        "model_raw": record["model"],
        "input_tokens": usage["input_tokens"],
        "cache_read_tokens": usage.get("cache_read_input_tokens"),
        "cache_write_5m_tokens": written - w1,
        "cache_write_1h_tokens": w1,
        "output_tokens": usage["output_tokens"],
        "thinking_tokens": (usage.get("output_tokens_details") or {}).get("thinking_tokens"),
        "prompt_tokens": -(-prompt // (1 + (searches or 0))),
        "web_searches": searches,
        "tier": usage.get("service_tier"),
        "speed": usage.get("speed"),
        "geo": usage.get("inference_geo"),
        "prompt_blocks": blocks,
        "cache_breakpoints": None if blocks is None else sum(bool(block["breakpoint"]) for block in blocks),
        "cacheable_tokens": None if blocks is None else _cacheable(blocks),
        "status": record.get("status", "ok"),
    }


def _cacheable(blocks: list[dict[str, Any]]) -> int:
    sizes = [block["tokens"] for block in blocks]
    marks = [n for n, block in enumerate(blocks) if block["breakpoint"]]
    if marks:
        return sum(sizes[: marks[-1] + 1])
    head = next((n for n, block in enumerate(blocks) if block["kind"] not in ("tools", "system")), len(blocks))
    return sum(sizes[:head]) if head else sum(sizes)
