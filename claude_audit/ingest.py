"""Logs into the store: walk, recognise, read, find duplicates, commit; every line accounted for."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from functools import cache
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING

from claude_audit import extents, ingest_run
from claude_audit import pieces as reading
from claude_audit.accounting import IngestReport
from claude_audit.errors import AuditError
from claude_audit.pieces import LogFile
from claude_audit.recognition import Recognition, Unread
from claude_audit.store import FileRecord, Manifest, Store

if TYPE_CHECKING:
    from claude_audit.batches import Progress
    from claude_audit.calls import Assumptions
    from claude_audit.catalog import Catalog
    from claude_audit.evidence_files import Taken
    from claude_audit.ingestors_evidence import Report


NAMED = 3
"""Files that a warning names; it counts the others."""


def ingest(
    arguments: Sequence[str],
    store: Store,
    catalog: Callable[[], Catalog],
    assume: Assumptions,
    *,
    input_format: str | None = None,
    progress: Progress | None = None,
    rejects_file: Path | None = None,
    again: bool = False,
) -> IngestReport:
    """Read what `arguments` mean (files, folders, globs, `-`) and commit the new rows to the store, all or nothing.

    Files that were read before and have not changed are skipped; grown ones are read from where they ended. `again`: all
    are read anew, and their rows replaced. `catalog` is asked for only when there is something to read. Every rejected
    line's place and reason goes to `rejects_file`, as CSV.
    Raises AuditError for an argument without files, for files of no known format, and when the store can't be written.
    """
    check_format(input_format)
    with store.writing() as scratch:
        found = [log_file(path, name) for path, name in reading.expand(arguments, scratch)]
        report = take_in(
            found,
            store,
            scratch,
            catalog,
            assume,
            input_format=input_format,
            progress=progress,
            rejects_file=rejects_file,
            again=again,
        )
    if report is None:
        raise AuditError(
            f"{', '.join(arguments)}: no log lines found",
            "the files are empty: point at the folder that holds your logs",
        )
    return report


def take_in(
    found: Sequence[LogFile],
    store: Store,
    scratch: Path,
    catalog: Callable[[], Catalog],
    assume: Assumptions,
    *,
    input_format: str | None = None,
    progress: Progress | None = None,
    rejects_file: Path | None = None,
    again: bool = False,
) -> IngestReport | None:
    """The same of these files, by a writer of the store (Store.writing yields `scratch`). None: they are all empty."""
    manifest = store.manifest()
    anew = _read_before(found, manifest) if again else ()
    files, unchanged = (list(found), 0) if again else _to_read(found, manifest)
    hints = () if again else tuple(_read_otherwise(found, manifest, assume))
    if not files:
        return IngestReport(files=len(found), unchanged=unchanged, rows_total=manifest.rows, warnings=hints)
    prices = cache(catalog)
    recognition = Recognition(files, input_format, assume)
    report = IngestReport(rows_total=manifest.rows)
    with ingest_run.opened(store, manifest, scratch, assume, sum(file.size - file.start for file in files)) as run:
        jobs = recognition.jobs()
        first = next(jobs, None)
        if first is not None:
            run.read(chain([first], jobs), prices, progress)
        papers, unread = recognition.papers, recognition.unread
        if first is None and not papers:
            return _nothing_read(found, unread, unchanged, manifest)
        taken = _evidence(papers, store, manifest, prices()) if papers else None
        after = taken.manifest if taken else manifest
        if first is None:
            store.commit(after)
        else:
            run.manifest = after
            run.replace(anew)
            report = run.commit(prices(), rejects_file)
    warnings = (*_not_read(unread), *hints, *report.warnings)
    report = replace(report, files=len(found), unchanged=unchanged, warnings=warnings)
    if taken and rejects_file:
        taken.write_rejects(rejects_file, fresh=first is None)
    return taken.told(report) if taken else report


def _evidence(papers: Sequence[tuple[LogFile, Report]], store: Store, manifest: Manifest, catalog: Catalog) -> Taken:
    from claude_audit import evidence_files

    return evidence_files.take(papers, store, manifest, catalog)


def check_format(name: str | None) -> None:
    """Raises AuditError for a name that is no format's."""
    if name is None:
        return
    from claude_audit import ingestors_evidence
    from claude_audit.ingestors import registry

    if name in registry() or name in ingestors_evidence.registry():
        return
    known = sorted({*registry(), *ingestors_evidence.registry()})
    raise AuditError(f"unknown format {name!r}", f"use one of: {', '.join(known)}")


def log_file(path: Path, name: str) -> LogFile:
    """A file as it lies there now."""
    stat = path.stat()
    return LogFile(path, name, stat.st_size, stat.st_mtime_ns)


def _to_read(found: Sequence[LogFile], manifest: Manifest) -> tuple[list[LogFile], int]:
    """The files that are new, changed or grown (these from where they ended), and how many are as they were."""
    files, unchanged = [], 0
    for file in found:
        known = manifest.files.get(file.key)
        if known is None or file.name == "<stdin>":
            files.append(file)
        elif (known.size, known.mtime_ns) == (file.size, file.mtime_ns):
            unchanged += 1
        elif (
            known.end and not file.packed and extents.continues(file, extents.Extent(known.end, known.head, known.tail))
        ):
            before = extents.count_lines(file.path, known.end)
            files.append(replace(file, start=known.end, lines_before=before, rewritten=known.rewritten))
        else:
            files.append(replace(file, rewritten=True))
    return files, unchanged


def _read_before(found: Sequence[LogFile], manifest: Manifest) -> tuple[FileRecord, ...]:
    """What is known of the files. Raises AuditError where their rows can't be told from another file's."""
    known = [record for file in found if (record := manifest.files.get(file.key))]
    paths, names = {record.path for record in known}, {record.name for record in known}
    for record in manifest.files.values():
        if record.path not in paths and record.name in names:
            raise AuditError(
                f"{record.name}: the store has rows of two files under this name, one of them {record.path}",
                "ingest both again together, or all logs into a new store (--store DIR)",
            )
    return tuple(known)


def _read_otherwise(found: Sequence[LogFile], manifest: Manifest, assume: Assumptions) -> Iterator[str]:
    """A hint where files are skipped that were read without what the user says of them now."""
    told = assume.told
    for option in told:
        skipped = [
            record.name
            for file in found
            if (record := manifest.files.get(file.key))
            and record.told.get(option) != told[option]
            and (option != "--map" or record.format in ("mapped", "csv"))
        ]
        if skipped:
            files = skipped[0] if len(skipped) == 1 else f"{skipped[0]} and {len(skipped) - 1} more"
            yield f"{files}: read before without this {option}; --again reads what was read before anew"


def _nothing_read(
    found: Sequence[LogFile],
    unread: Sequence[Unread],
    unchanged: int,
    manifest: Manifest,
) -> IngestReport | None:
    if unread and not unchanged:
        first = unread[0]
        more = f" (and {len(unread) - 1} more)" if len(unread) > 1 else ""
        raise AuditError(
            f"{first.file.name}: {first.words}{more}",
            "claude-audit formats lists what can be read; --input-format NAME forces one, --map FILE.yaml maps columns",
        )
    if not unread and not unchanged:
        return None
    return IngestReport(
        files=len(found), unchanged=unchanged, rows_total=manifest.rows, warnings=tuple(_not_read(unread))
    )


def _not_read(unread: Sequence[Unread]) -> list[str]:
    """A line for each reason, with the first of its files: a folder of logs holds much that is none."""
    names: dict[str, list[str]] = {}
    for one in unread:
        names.setdefault(one.why, []).append(one.file.name)
    return [
        f"{', '.join(found[:NAMED])}{f' and {len(found) - NAMED:,} more' if len(found) > NAMED else ''}: {why}; not read"
        for why, found in names.items()
    ]
