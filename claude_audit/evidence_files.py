"""Files of consoles and billing reports, on their way into the store beside the logs of the same ingest."""

from __future__ import annotations

import csv
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from claude_audit import evidence, overlaps
from claude_audit.accounting import IngestReport, Lines, cell
from claude_audit.errors import AuditError
from claude_audit.ingestors_evidence import Report, registry
from claude_audit.packing import opened
from claude_audit.pieces import LogFile
from claude_audit.store import REJECTS_KEPT, Export, FileRecord, Manifest, Reject, Store

if TYPE_CHECKING:
    from claude_audit.catalog import Catalog
    from claude_audit.ingestors import Head

Papers = Sequence[tuple[LogFile, Report]]


@dataclass(frozen=True, slots=True)
class Taken:
    """What reading them did: the manifest to commit, and what to tell."""

    manifest: Manifest
    rows: int
    """Rows that the evidence did not hold before, of those that count."""
    counted: Lines
    rejects: tuple[Reject, ...]
    formats: Counter[str]
    warnings: tuple[str, ...]
    bytes: int

    def told(self, report: IngestReport) -> IngestReport:
        """The report of the logs' ingest with that of the evidence on top."""
        formats = Counter(report.formats) + self.formats
        return replace(
            report,
            bytes=report.bytes + self.bytes,
            counted=report.counted + self.counted,
            rejects=(*report.rejects, *self.rejects)[:REJECTS_KEPT],
            formats=dict(sorted(formats.items())),
            warnings=(*report.warnings, *self.warnings),
            evidence_rows=self.rows,
        )

    def write_rejects(self, file: Path, *, fresh: bool) -> None:
        """Their rejected rows, as CSV: in a fresh file, or at the end of that of the logs."""
        with file.open("w" if fresh else "a", newline="", encoding="utf-8") as out:
            writer = csv.writer(out)
            if fresh:
                writer.writerow(("source", "line", "reason"))
            writer.writerows((cell(r.source), r.line, cell(r.reason)) for r in self.rejects)


def recognised(head: Head, forced: str | None) -> Report | None:
    """The format of evidence that a file is of, or that the user says it is of."""
    if forced is not None:
        return registry().get(forced)
    return next((report for report in registry().values() if report.recognise(head)), None)


def take(papers: Papers, store: Store, manifest: Manifest, catalog: Catalog) -> Taken:
    """Read the files, write their rows as a part of the store, and say what the manifest must become.

    A download that the store has already, under whatever name, adds nothing. Raises AuditError for an unreadable file.
    """
    if not papers:
        return Taken(manifest, 0, Lines(), (), Counter(), (), 0)
    before = evidence.load(store, manifest)
    exports = {export.id: export for export in manifest.exports}
    fresh: list[evidence.Evidence] = []
    told: list[tuple[LogFile, Report, set[str], Lines, list[Reject]]] = []
    for file, report in papers:
        new, lines, rejects = set(), Lines(), []
        for download in report.read(_text(file), file.name):
            identity = f"{report.name}:{download.digest}"
            lines += _lines(download)
            rejects += [Reject(file.name, bad.line, bad.reason) for bad in download.rejected]
            if identity in exports:
                continue
            new.add(identity)
            exports[identity] = _export(identity, file, report, download)
            fresh += evidence.identified(
                download.claims,
                format=report.name,
                kind=report.kind,
                source=file.name,
                export=identity,
                catalog=catalog,
            )
        told.append((file, report, new, lines, rejects))
    by_day = [report.name for report in registry().values() if report.by_day]
    known = {row.evidence_id for row in overlaps.counted(before, manifest.exports, by_day).rows}
    after = overlaps.counted([*before, *fresh], tuple(exports.values()), by_day)
    kept = Counter(row.export for row in after.rows if row.evidence_id not in known)
    return _taken(papers, store, manifest, before, fresh, tuple(exports.values()), told, kept, after.warnings)


def _taken(
    papers: Papers,
    store: Store,
    manifest: Manifest,
    before: list[evidence.Evidence],
    fresh: list[evidence.Evidence],
    exports: tuple[Export, ...],
    told: Sequence[tuple[LogFile, Report, set[str], Lines, list[Reject]]],
    kept: Counter[str],
    warnings: tuple[str, ...],
) -> Taken:
    files = dict(manifest.files)
    counted = Lines()
    for file, report, new, lines, _ in told:
        rows = sum(kept[export] for export in new)
        lines = replace(lines, kept=rows, duplicates=lines.duplicates - rows)
        counted += lines
        if file.name != "<stdin>":
            files[file.key] = _record(file, report, lines)
    parts = manifest.evidence
    if fresh:
        merge = len(parts) >= evidence.MOST_PARTS
        part = evidence.write(store, [*before, *fresh] if merge else fresh)
        parts = (part,) if merge else (*parts, part)
    rejects = tuple(reject for *_, found in told for reject in found)
    return Taken(
        replace(
            manifest, files=files, evidence=parts, exports=exports, rejects=(*manifest.rejects, *rejects)[:REJECTS_KEPT]
        ),
        sum(kept.values()),
        counted,
        rejects,
        Counter(report.name for _, report in papers),
        warnings,
        sum(file.size for file, _ in papers),
    )


def _text(file: LogFile) -> str:
    try:
        with opened(file.path) as stream:
            return stream.read().decode("utf-8", "replace")
    except (OSError, EOFError) as error:
        reason = error.strerror if isinstance(error, OSError) and error.strerror else str(error)
        raise AuditError(
            f"{file.name}: cannot be read: {reason}", "repair or leave out the file and ingest again"
        ) from error


def _lines(download: evidence.Download) -> Lines:
    """Its lines by fate; `duplicates` holds those of its claims until it is known which of them are new."""
    ignored = Counter(unread.reason for unread in download.ignored)
    rejected = len(download.rejected)
    return Lines(
        len(download.claims) + sum(ignored.values()) + rejected, 0, len(download.claims), dict(ignored), rejected
    )


def _export(identity: str, file: LogFile, report: Report, download: evidence.Download) -> Export:
    return Export(
        id=identity,
        format=report.name,
        source=file.name,
        rows=len(download.claims),
        written_ns=file.mtime_ns,
        first=download.first.isoformat() if download.first else None,
        last=download.last.isoformat() if download.last else None,
        more=download.more,
    )


def _record(file: LogFile, report: Report, lines: Lines) -> FileRecord:
    # Without digests of its beginning and end: such a file is never read on from where it ended, but anew.
    return FileRecord(
        path=file.key,
        name=file.name,
        format=report.name,
        size=file.size,
        mtime_ns=file.mtime_ns,
        end=0,
        head="",
        tail="",
        sha256=None,
        lines=lines.lines,
        kept=lines.kept,
        duplicates=lines.duplicates,
        ignored=lines.ignored,
        rejected=lines.rejected,
    )
