"""What the tests of tables and text logs share: a file as it stands, ingested, and its rows."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from hypothesis import strategies as st
from logs import audit, read

from claude_audit.accounting import IngestReport
from claude_audit.calls import Assumptions

CALL = "line, input_tokens, output_tokens"
CACHED = "input_tokens, cache_read_tokens, cache_write_5m_tokens, cache_write_1h_tokens, cache_write_unknown_tokens, output_tokens"

garbage = st.lists(
    st.text(st.characters(exclude_characters="\n\r", exclude_categories=["Cs"]), max_size=60), max_size=8
)


def ingested(
    folder: Path, text: str | bytes, name: str = "app.log", *, model: str | None = None, **more: Any
) -> IngestReport:
    """The file, ingested into folder/store. `model`: of --assume-model; the rest goes to Assumptions and ingest."""
    path = folder / "logs" / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(text.encode() if isinstance(text, str) else text)
    assume = Assumptions(model=model, timezone=more.pop("timezone", "UTC"), mapping=more.pop("mapping", None))
    return read(folder / "store", path, assume=assume, **more)


def calls(folder: Path, text: str | bytes, columns: str = CALL, **more: Any) -> list[tuple[Any, ...]]:
    """Those columns of the file's calls, in the order of their lines."""
    ingested(folder, text, **more)
    return in_store(folder, columns)


def in_store(folder: Path, columns: str = CALL) -> list[tuple[Any, ...]]:
    """Those columns of the rows of folder/store, in the order of their lines."""
    found = audit(folder / "store")
    return found.engine.sql(f"SELECT {columns} FROM usage ORDER BY source, line, pass, model_raw", found.parts)
