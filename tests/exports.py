"""What the tests of export formats share: rows of a store, fuzz, and a call written back as a native record."""

from __future__ import annotations

import json
import tempfile
from collections.abc import Iterable, Mapping, Sequence
from decimal import Decimal
from pathlib import Path
from typing import Any

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from logs import audit, read, write

from claude_audit.accounting import IngestReport

quick = settings(max_examples=3, deadline=None, suppress_health_check=[HealthCheck.too_slow])

CLASSES = (
    "coalesce(input_tokens, 0), coalesce(cache_read_tokens, 0), "
    "coalesce(cache_write_5m_tokens, 0) + coalesce(cache_write_unknown_tokens, 0), coalesce(cache_write_1h_tokens, 0), output_tokens"
)
"""Input, reads, writes of 5m (unknown ones too), writes of 1h, output."""

Line = Mapping[str, Any] | str


def rows(store: Path, columns: str) -> list[tuple[Any, ...]]:
    """The columns of each row, in order of time."""
    found = audit(store)
    return found.engine.sql(f"SELECT {columns} FROM usage ORDER BY ts, identity, pass", found.parts)


def told(folder: Path, *lines: Line, columns: str = CLASSES) -> list[tuple[Any, ...]]:
    """These lines of JSON, ingested: the columns of each row."""
    read(folder / "store", write(folder / "log.jsonl", lines))
    return rows(folder / "store", columns)


def fates(report: IngestReport) -> tuple[int, int, int, int]:
    """(kept, duplicates, ignored, rejected), which are all lines."""
    c = report.counted
    assert c.lines == c.kept + c.duplicates + sum(c.ignored.values()) + c.rejected
    return c.kept, c.duplicates, sum(c.ignored.values()), c.rejected


values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(st.text(max_size=6), inner, max_size=2),
    max_leaves=6,
)


def garbage(good: Mapping[str, Any], deep: Sequence[Sequence[str]] = ()) -> st.SearchStrategy[str]:
    """Lines that are no JSON, other JSON, and the good record with something else at one place (a path of `deep`, or a key)."""
    places = [*deep, *([key] for key in good)]

    def broken(place: Sequence[str], value: object) -> str:
        record = json.loads(json.dumps(good))
        at = record
        for step in place[:-1]:
            at = at[step]
        at[place[-1]] = value
        return json.dumps(record)

    return st.one_of(
        st.text(max_size=40).map(lambda t: t.replace("\n", " ").replace("\r", " ")),
        values.map(json.dumps),
        st.builds(broken, st.sampled_from(places), values),
    )


def survives(good: Sequence[Line], lines: Sequence[str], usd: Decimal, requests: int) -> None:
    """Good records among other lines: none of them is lost, every line has a fate, the bill is no less."""
    with tempfile.TemporaryDirectory() as folder:
        store = Path(folder) / "store"
        middle = len(good) // 2
        report = read(store, write(Path(folder) / "a.jsonl", [*good[:middle], *lines, *good[middle:]]))
        fates(report)
        assert report.counted.lines >= len(good) + sum(bool(line.strip(" \t\r")) for line in lines)
        found = audit(store).spend()
        assert found.requests is not None and found.requests >= requests and found.total_usd >= usd


def native_again(store: Path) -> Decimal:
    """The bill of a store's calls, written back as native records: by their counts, model, time and way to the model.

    What is free stays out: the native record has no word for a hit in a gateway's own cache.
    """
    wanted = (
        "CAST(ts AS VARCHAR), model_raw, provider, region, tier, geo, speed, requests, input_tokens, cache_read_tokens, "
        "cache_write_5m_tokens, cache_write_unknown_tokens, cache_write_1h_tokens, output_tokens, web_searches"
    )
    found = audit(store)
    billed = found.engine.sql(f"SELECT {wanted} FROM usage WHERE unbilled IS NULL", found.parts)
    with tempfile.TemporaryDirectory() as folder:
        read(Path(folder) / "store", write(Path(folder) / "native.jsonl", map(_native, billed)), input_format="native")
        return audit(Path(folder) / "store").spend().total_usd


def _native(row: Iterable[Any]) -> dict[str, Any]:
    ts, model, provider, region, tier, geo, speed, requests, fresh, cached, w5, unknown, w1, output, searches = row
    written = sum(count or 0 for count in (w5, unknown, w1))
    usage = {
        "input_tokens": fresh,
        "cache_read_input_tokens": cached,
        "cache_creation_input_tokens": written,
        "cache_creation": {"ephemeral_5m_input_tokens": w5, "ephemeral_1h_input_tokens": w1},
        "output_tokens": output or 0,
        "service_tier": tier,
        "inference_geo": geo,
        "speed": speed,
        "server_tool_use": {"web_search_requests": searches},
    }
    calls = {"calls": requests} if requests is not None and requests > 1 else {}
    return {"timestamp": ts, "model": model, "provider": provider, "region": region, "usage": usage} | calls
