"""The README's table of what each source fills, made by reading the sample of each format."""

from __future__ import annotations

import tempfile
from pathlib import Path

from format_samples import SAMPLES
from logs import read

from claude_audit.calls import Assumptions
from claude_audit.mapping_file import load

COLUMNS = {
    "input, output": "input_tokens AND output_tokens",
    "cache reads": "cache_read_tokens",
    "cache writes": "cache_write_5m_tokens OR cache_write_1h_tokens OR cache_write_unknown_tokens",
    "TTL": "cache_write_5m_tokens OR cache_write_1h_tokens",
    "thinking": "thinking_tokens",
    "searches": "web_searches",
    "passes": "row_kind",
    "time": "time_from_file",
    "id": "request_id OR message_id",
    "key": "api_key",
    "workspace": "workspace",
    "endpoint": "endpoint",
    "user": "user",
    "session": "session",
    "team or project": "team OR project",
    "tags": "tags",
    "latency": "latency_ms",
    "first token": "ttft_ms",
    "output cap": "max_tokens",
    "stop reason": "stop_reason",
    "prompt hashes": "prompt_blocks OR prefix_hash OR request_hash",
    "cost": "cost_reported_usd",
}
"""Column of the table -> what of the usage table it stands for."""
SPECIAL = {
    "row_kind": "row_kind <> 'call'",
    "time_from_file": "NOT list_contains(flags, 'time_from_file')",
    "tags": "len(map_keys(tags)) > 0",
}
YES, NO = "●", ""


def told(name: str) -> dict[str, bool]:
    """For each column of the table: whether some row of the format's sample has it."""
    sample = SAMPLES[name]
    with tempfile.TemporaryDirectory() as folder:
        mapping = None
        if text := sample.flags.get("map"):
            (Path(folder) / "map.yaml").write_text(text)
            mapping = load(Path(folder) / "map.yaml")
        assume = Assumptions(model=sample.flags.get("model"), mapping=mapping)
        read(Path(folder) / "store", sample.write(Path(folder) / "logs"), assume=assume)
        asked = ", ".join(f"count(*) FILTER ({_some(names)}) > 0" for names in COLUMNS.values())
        (found,) = rows_of(Path(folder) / "store", asked)
    return dict(zip(COLUMNS, found, strict=True))


def rows_of(store: Path, columns: str) -> list[tuple[bool, ...]]:
    from logs import audit

    found = audit(store)
    return found.engine.sql(f"SELECT {columns} FROM usage", found.parts)


def _some(names: str) -> str:
    return " ".join(
        word if word in ("AND", "OR") else SPECIAL.get(word, f'"{word}" IS NOT NULL') for word in names.split()
    )


def table() -> str:
    """Markdown: a row a format, a column what it may fill."""
    header = "| Source | " + " | ".join(COLUMNS) + " |"
    rule = "| --- |" + " :---: |" * len(COLUMNS)
    body = [f"| `{name}` | " + " | ".join(YES if yes else NO for yes in told(name).values()) + " |" for name in SAMPLES]
    return "\n".join((header, rule, *body)) + "\n"


if __name__ == "__main__":
    print(table())  # noqa: T201
