"""Small logs for tests: records as a team would write them, and an audit of them."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from claude_audit.accounting import IngestReport
from claude_audit.audit import Audit
from claude_audit.calls import Assumptions
from claude_audit.catalog import Catalog, load
from claude_audit.filters import Filters
from claude_audit.ingest import ingest
from claude_audit.store import Store

CATALOG: Catalog = load()


def record(n: int = 0, **changes: Any) -> dict[str, Any]:
    """A native record: Claude Sonnet 5.5, 1,000 tokens in and 100 out, its own request id and second."""
    usage = {
        "input_tokens": changes.pop("input", 1000),
        "output_tokens": changes.pop("output", 100),
        "cache_read_input_tokens": changes.pop("read", 0),
        "cache_creation_input_tokens": changes.pop("w5", 0) + changes.get("w1", 0),
        "cache_creation": {
            "ephemeral_5m_input_tokens": 0,
            "ephemeral_1h_input_tokens": changes.pop("w1", 0),
        },
    }
    split = usage["cache_creation"]
    split["ephemeral_5m_input_tokens"] = usage["cache_creation_input_tokens"] - split["ephemeral_1h_input_tokens"]
    usage |= changes.pop("usage", {})
    return {
        "timestamp": f"2026-11-02T10:{n // 60 % 60:02d}:{n % 60:02d}Z",
        "model": "claude-sonnet-5-5",
        "usage": usage,
        "request_id": f"req_{n}",
        "endpoint": "chat",
    } | changes


def said(
    message: str = "msg_1",
    request: str | None = "req_1",
    *,
    output: int = 100,
    ts: str = "2026-11-02T10:00:00.000Z",
    session: str = "s1",
    **more: Any,
) -> dict[str, Any]:
    """An assistant line of a Claude Code transcript: Claude Sonnet 4.6, 10 tokens in."""
    line = {
        "type": "assistant",
        "sessionId": session,
        "uuid": f"{message}-{ts}",
        "timestamp": ts,
        "isSidechain": more.pop("side", False),
        "cwd": "/home/ana/shop",
        "message": {
            "id": message,
            "role": "assistant",
            "model": more.pop("model", "claude-sonnet-4-6"),
            "stop_reason": more.pop("stop", "end_turn"),
            "content": [{"type": "text", "text": "…"}],
            "usage": {"input_tokens": 10, "output_tokens": output} | more.pop("usage", {}),
        },
    }
    if request:
        line["requestId"] = request
    return line | more


def write(path: Path, records: Iterable[Mapping[str, Any] | str]) -> Path:
    """A JSONL file of these records; a string is a line as it stands."""
    path.parent.mkdir(parents=True, exist_ok=True)
    lines = [r if isinstance(r, str) else json.dumps(r) for r in records]
    path.write_text("".join(line + "\n" for line in lines), encoding="utf-8")
    return path


def read(store: Path, *paths: Path | str, assume: Assumptions | None = None, **more: Any) -> IngestReport:
    """Ingest the paths into the store."""
    return ingest([str(p) for p in paths], Store(store), lambda: CATALOG, assume or Assumptions(), **more)


def audit(store: Path, filters: Filters | None = None) -> Audit:
    """The audit of a store."""
    return Audit.open(store, catalog=CATALOG, filters=filters)


def audited(folder: Path, records: Iterable[Mapping[str, Any] | str], name: str = "app.jsonl") -> Audit:
    """The audit of these records, ingested into a store in the folder."""
    read(folder / "store", write(folder / "logs" / name, records))
    return audit(folder / "store")


def table(store: Path, *, without: Iterable[str] = ()) -> list[tuple[Any, ...]]:
    """Every row of the store, sorted, as text: for comparing two stores. `without`: columns that may differ."""
    import duckdb

    parts = [str(p) for p in Store(store).part_paths(Store(store).manifest())]
    if not parts:
        return []
    drop = f"EXCLUDE ({', '.join(without)})" if without else ""
    rows = duckdb.connect().execute(f"SELECT * {drop} FROM read_parquet(?)", [parts])
    columns = [d[0] for d in rows.description]
    casts = ", ".join(f'CAST("{c}" AS VARCHAR)' for c in columns)
    return sorted(
        duckdb.connect().execute(f"SELECT {casts} FROM (SELECT * {drop} FROM read_parquet(?))", [parts]).fetchall(),
        key=lambda row: tuple("" if v is None else v for v in row),
    )
