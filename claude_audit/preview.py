"""What an ingest would make of logs: read from the beginning of each into a store that is thrown away, and shown."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from decimal import Decimal
from pathlib import Path
from typing import TYPE_CHECKING, Any

from claude_audit import pieces as reading
from claude_audit import temporary
from claude_audit.audit import Audit
from claude_audit.errors import AuditError
from claude_audit.explain import passes, total_usd
from claude_audit.ingest import check_format, log_file, take_in
from claude_audit.packing import opened
from claude_audit.recognition import Recognition
from claude_audit.store import Store
from claude_audit.usage import NAMES

if TYPE_CHECKING:
    from claude_audit.accounting import IngestReport
    from claude_audit.calls import Assumptions
    from claude_audit.catalog import Catalog
    from claude_audit.mapping import FieldMap
    from claude_audit.pieces import LogFile
    from claude_audit.recognition import Job
    from claude_audit.store import FileRecord

MOST_FILES = 3
"""Of one format, that are read."""
MOST_LINES = 2_000
"""Of one file, that are read; documents, Parquet and evidence are read whole."""
MOST_CALLS = 3
"""That are shown: of one format, or one each of several."""

OURS = frozenset("row_id format source line identity call_key pass flags".split())
"""Columns that the log does not tell, or that are shown elsewhere."""
PLAIN = {"row_kind": "call", "requests": 1, "status": "ok"}
"""What goes without saying."""

WANTED = {
    "model_raw": "such a call has no price: --assume-model ID names one",
    "input_tokens": "its uncached input is not in the bill",
    "output_tokens": "its output is not in the bill",
    "endpoint": "spend can't be told apart by it: --default-endpoint NAME names one",
    "request_id message_id": "the same call in another log can't be known: it would be counted twice",
    "cache_read_tokens": "no hit rate can be shown",
    "stop_reason": "no lever knows whether the answer was complete",
    "max_tokens": "the request's own cap is unknown",
    "tools_used": "routing leaves the call out, or assumes",
    "latency_ms ttft_ms": "replays assume when an answer was there",
    "prompt_blocks": "no cache replay of its prompt",
}
"""Columns (any one of a group will do) whose absence matters, and how."""


@dataclass(frozen=True, slots=True)
class Looked:
    """One file."""

    source: str
    format: str | None
    """None: of no format known here."""
    record: FileRecord | None = None
    """What became of the lines that were read; None: it was not looked into."""
    why: str = ""
    """Why it can't be read."""


@dataclass(frozen=True, slots=True)
class Field:
    """One column of a call, as it was understood."""

    name: str
    value: Any
    said: str = ""
    """Where --map takes it from."""


@dataclass(frozen=True, slots=True)
class Shown:
    """One of the first calls."""

    source: str
    line: int | None
    format: str
    fields: tuple[Field, ...]
    flags: tuple[str, ...]
    """Of usage.FLAGS: what was assumed."""
    usd: Decimal | None
    """None: it has no price."""


@dataclass(frozen=True, slots=True)
class Missing:
    """What some of the calls do not tell, and what follows from it."""

    columns: tuple[str, ...]
    calls: int
    of: int
    means: str


@dataclass(frozen=True, slots=True)
class Preview:
    """The beginning of some logs, as it would be read."""

    files: tuple[Looked, ...]
    report: IngestReport
    """Of what was looked into."""
    calls: tuple[Shown, ...]
    missing: tuple[Missing, ...]


def preview(
    arguments: Sequence[str], catalog: Callable[[], Catalog], assume: Assumptions, *, input_format: str | None = None
) -> Preview:
    """Read the beginnings of the first files of each format, leaving every store as it is.

    What a store holds already is not looked at: duplicates are those within what is read. Raises AuditError as an ingest
    of the same arguments would.
    """
    check_format(input_format)
    with temporary.folder() as folder:
        store = Store(folder / "store")
        with store.writing() as scratch:
            found = [log_file(path, name) for path, name in reading.expand(arguments, scratch)]
            recognition = Recognition(found, input_format, assume)
            jobs = list(recognition.jobs())
            papers, unread = recognition.papers, recognition.unread
            chosen = [*_sampled(jobs, folder), *(file for file, _ in papers[: MOST_FILES * 3])]
            if not chosen:
                chosen = found  # for the error that says why
            report = take_in(chosen, store, scratch, catalog, assume, input_format=input_format)
        if report is None:
            raise AuditError(
                f"{', '.join(arguments)}: no log lines found",
                "the files are empty: point at the folder that holds your logs",
            )
        records = {record.name: record for record in store.manifest().files.values()}
        looked = [
            *(Looked(job.file.name, job.ingestor.name, records.get(job.file.name)) for job in jobs),
            *(Looked(file.name, paper.name, records.get(file.name)) for file, paper in papers),
            *(Looked(one.file.name, None, why=one.words) for one in unread),
        ]
        audit = Audit.open(store.path, catalog=catalog())
        calls = tuple(_calls(audit, assume.mapping)) if audit.reach else ()
        missing = tuple(_missing(audit)) if audit.reach else ()
    return Preview(tuple(sorted(looked, key=lambda one: one.source)), report, calls, missing)


def _sampled(jobs: Sequence[Job], folder: Path) -> Iterator[LogFile]:
    """The first files of each format; those of lines as a copy of their beginning."""
    from claude_audit.ingestors import Kind

    seen: Counter[str] = Counter()
    for job in jobs:
        seen[job.ingestor.name] += 1
        if seen[job.ingestor.name] > MOST_FILES:
            continue
        yield job.file if job.kind in (Kind.DOCUMENT, Kind.PARQUET) else _beginning(job.file, folder / str(job.index))


def _beginning(file: LogFile, folder: Path) -> LogFile:
    """A copy of the file's first lines under its own name, which may date it."""
    folder.mkdir()
    name = file.path.name.removesuffix(".gz").removesuffix(".zst")
    copy = folder / name
    with opened(file.path) as stream, copy.open("wb") as out:
        for _ in range(MOST_LINES):
            if not (line := stream.readline()):
                break
            out.write(line)
    return replace(file, path=copy, size=copy.stat().st_size)


def _calls(audit: Audit, mapping: FieldMap | None) -> Iterator[Shown]:
    """The first calls: MOST_CALLS of one format, or one each of several."""
    formats = audit.engine.sql("SELECT DISTINCT format FROM usage ORDER BY format", audit.parts)
    each = MOST_CALLS if len(formats) == 1 else 1
    columns = ", ".join(f'"{name}"' for name in NAMES)
    found = audit.engine.sql(
        f"SELECT {columns} FROM usage WHERE pass = 0 QUALIFY row_number() OVER "
        f"(PARTITION BY format ORDER BY source, line, call_key) <= {each} ORDER BY format, source, line, call_key",
        audit.parts,
    )
    assert audit.reach is not None  # noqa: S101 - there are rows
    for values in found:
        row = dict(zip(NAMES, values, strict=True))
        said = _said(mapping) if row["format"] in ("mapped", "csv") and mapping else {}
        items = [
            item
            for one in passes(audit.usage(), audit.reach, audit.catalog, audit.engine, row["row_id"])
            for item in one.items
        ]
        yield Shown(
            source=row["source"],
            line=row["line"],
            format=row["format"],
            fields=tuple(
                Field(name, value, said.get(name, ""))
                for name, value in row.items()
                if name not in OURS and value is not None and value != {} and value != PLAIN.get(name)
                and not (name == "model_raw" and value == row["model"])
            ),
            flags=tuple(row["flags"]),
            usd=None if any(item.usd is None for item in items) else total_usd(items),
        )  # fmt: skip


def _said(mapping: FieldMap) -> dict[str, str]:
    """Column of the table -> where the map takes it from."""
    columns = {"latency_s": "latency_ms", "is_batch": "tier", "calls": "requests", "cache_write_tokens": "cache_write_unknown_tokens"}  # fmt: skip
    found = {columns.get(own, own): source.said for own, source in mapping.fields.items()}
    if mapping.tags:
        found["tags"] = ", ".join(source.said for source in mapping.tags.values())
    return found | ({"model": found["model_raw"]} if "model_raw" in found else {})


def _missing(audit: Audit) -> Iterator[Missing]:
    """Of the calls that were read: how many lack what matters."""
    lacks = ", ".join(
        f"count(*) FILTER ({' AND '.join(f'{name} IS NULL' for name in names.split())})" for names in WANTED
    )
    (row,) = audit.engine.sql(f"SELECT count(*), {lacks} FROM usage WHERE pass = 0", audit.parts)
    calls, *missing = row
    for (names, means), lacking in zip(WANTED.items(), missing, strict=True):
        if lacking:
            yield Missing(tuple(names.split()), lacking, calls, means)
