"""Downloads overlap: which rows of the evidence count, each day (or bucket of time) from one of them only.

CSV exports give way by whole days: a day that stands in two of them counts from the newer, with all its rows. Answers of
an API give way bucket by bucket: the same row in two pages counts once; reports that are grouped differently, or by
buckets of different width, are never added.
"""

from __future__ import annotations

import json
import re
from bisect import bisect_left, bisect_right
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta

from claude_audit.evidence import Evidence
from claude_audit.store import Export

DAY = timedelta(days=1)
SAME_COPY_NS = 600 * 10**9
"""Files written within ten minutes may have been copied together: their times then say nothing about which is newer."""

_COPY = re.compile(r"\((\d+)\)(?=\.[^/]*$|$)")

DIMENSIONS = (
    "model_raw workspace_id workspace_name api_key_id api_key_name user tier context_window geo speed product token_type "
    "cost_type customer_type"
).split()


@dataclass(frozen=True, slots=True)
class Counted:
    """The evidence that counts."""

    rows: tuple[Evidence, ...]
    replaced: int
    """Rows that don't count, because another download tells of the same."""
    warnings: tuple[str, ...]


def newness(export: Export) -> tuple[str, int, int, int, str, str]:
    """Sorts older downloads before newer ones.

    What reaches further in time was downloaded later; then the file's time decides, unless it may be that of a copy; then
    a browser's "(1)"; then anything that is always the same.
    """
    copy = _COPY.search(export.source)
    times = (export.written_ns // SAME_COPY_NS, int(copy[1]) if copy else 0, export.written_ns)
    return (export.last or "", *times, export.source, export.id)


def counted(rows: Sequence[Evidence], exports: Sequence[Export], by_day: Iterable[str]) -> Counted:
    """Which of the rows count. `by_day`: the formats whose downloads give way by whole days."""
    order = {export.id: place for place, export in enumerate(sorted(exports, key=newness))}
    names = {export.id: export.source for export in exports}
    formats: dict[str, list[Evidence]] = defaultdict(list)
    for row in rows:
        formats[row.format].append(row)
    whole_days = frozenset(by_day)
    kept: list[Evidence] = []
    warnings: list[str] = []
    for name, members in sorted(formats.items()):
        choose = _by_day if name in whole_days else _by_bucket
        chosen, said = choose(members, order, names)
        kept += chosen
        warnings += [f"{name}: {text}" for text in said]
    kept.sort(key=lambda r: (r.format, r.claim.start, order.get(r.export, -1), r.claim.line, r.evidence_id))
    return Counted(tuple(kept), len(rows) - len(kept), (*warnings, *_missing_pages(exports)))


def _by_day(
    rows: Sequence[Evidence], order: Mapping[str, int], names: Mapping[str, str]
) -> tuple[list[Evidence], list[str]]:
    days: dict[date, dict[str, list[Evidence]]] = defaultdict(lambda: defaultdict(list))
    for row in rows:
        days[row.claim.start.date()][row.export].append(row)
    kept: list[Evidence] = []
    differing: dict[tuple[str, str], list[date]] = defaultdict(list)
    for day, downloads in sorted(days.items()):
        newest_first = sorted(downloads, key=lambda e: order.get(e, -1), reverse=True)
        seen: set[str | None] = set()
        for export in newest_first:
            workspaces = {row.workspace for row in downloads[export]}
            if not seen & workspaces:  # downloads of one workspace each have nothing in common
                kept += downloads[export]
                seen |= workspaces
            elif {r.evidence_id for r in downloads[export]} != {r.evidence_id for r in downloads[newest_first[0]]}:
                differing[names.get(export, "?"), names.get(newest_first[0], "?")].append(day)
    said = [
        f"{_days(when)} of {older}: {newer}, which is newer, says otherwise and counts"
        for (older, newer), when in sorted(differing.items())
    ]
    return kept, said


def _days(days: Sequence[date]) -> str:
    return days[0].isoformat() if len(days) == 1 else f"{len(days)} days from {days[0]} to {days[-1]}"


def _by_bucket(
    rows: Sequence[Evidence], order: Mapping[str, int], names: Mapping[str, str]
) -> tuple[list[Evidence], list[str]]:
    buckets: dict[tuple[datetime, datetime], dict[str, list[Evidence]]] = defaultdict(lambda: defaultdict(list))
    for row in rows:
        buckets[row.claim.start, row.claim.end][row.export].append(row)
    chosen, said = _one_width(buckets)
    grouped = {export: _grouped_by(r for r in rows if r.export == export) for export in {r.export for r in rows}}
    kept: list[Evidence] = []
    clashes: set[tuple[str, str]] = set()
    for span in sorted(chosen):
        kept += _of_bucket(buckets[span], order, grouped, clashes)
    said += [
        f"{names.get(a, '?')} and {names.get(b, '?')} tell of the same time, grouped differently: the one in more detail counts"
        for a, b in sorted(clashes)
    ]
    return kept, said


def _of_bucket(
    downloads: Mapping[str, Sequence[Evidence]],
    order: Mapping[str, int],
    grouped: Mapping[str, frozenset[str]],
    clashes: set[tuple[str, str]],
) -> Iterator[Evidence]:
    """The rows of one bucket: of downloads grouped alike each row once, from the newest that has it."""
    by_detail = sorted(
        downloads, key=lambda e: (len(grouped[e]), "model_raw" in grouped[e], order.get(e, -1)), reverse=True
    )
    taken: list[str] = []
    keys: dict[tuple[object, ...], str] = {}
    for export in by_detail:
        clash = next((t for t in taken if _clash(downloads[t], downloads[export], grouped[t], grouped[export])), None)
        if clash is not None:
            clashes.add((clash, export))
            continue
        taken.append(export)
        for row in downloads[export]:
            owner = keys.get(_key(row))
            if owner is None or order.get(owner, -1) < order.get(export, -1):
                keys[_key(row)] = export
    for export in taken:
        yield from (row for row in downloads[export] if keys[_key(row)] == export)


def _clash(some: Sequence[Evidence], others: Sequence[Evidence], a: frozenset[str], b: frozenset[str]) -> bool:
    """Whether two downloads that are grouped differently tell of the same usage: their shared dimensions don't part them."""
    if a == b:
        return False
    shared = sorted(a & b)
    return bool({_named(row, shared) for row in some} & {_named(row, shared) for row in others})


def _grouped_by(rows: Iterable[Evidence]) -> frozenset[str]:
    """The dimensions that some row of a download names. A null is "not grouped by" or "has none": only the query told."""
    found: set[str] = set()
    for row in rows:
        found |= {name for name in DIMENSIONS if getattr(row.claim, name) is not None}
        if row.claim.other:
            found |= {f"other:{name}" for name in json.loads(row.claim.other)}
    return frozenset(found)


def _named(row: Evidence, names: Sequence[str]) -> tuple[object, ...]:
    other = json.loads(row.claim.other) if row.claim.other else {}
    return tuple(
        str(other.get(name.removeprefix("other:"))) if name.startswith("other:") else getattr(row.claim, name)
        for name in names
    )


def _key(row: Evidence) -> tuple[object, ...]:
    return (*(getattr(row.claim, name) for name in DIMENSIONS), row.claim.other)


Span = tuple[datetime, datetime]


def _one_width(buckets: Iterable[Span]) -> tuple[set[Span], list[str]]:
    """Buckets without those that overlap others of another width: each moment counts once.

    A day in one bucket is whole for certain, hours may be some of it: the day counts. Of a longer stretch the days count
    when all of them are there, else the stretch.
    """
    spans = set(buckets)
    short = {span for span in spans if span[1] - span[0] <= DAY}
    chosen: set[Span] = set()
    cover: list[Span] = []
    for span in sorted(short, key=lambda s: (s[0] - s[1], s)):
        if not _touches(cover, span):
            chosen.add(span)
            cover.insert(bisect_left(cover, span), span)
    days = {moment.astimezone(UTC).date() for moment, _ in chosen}
    for span in sorted(spans - short, key=lambda s: (s[0] - s[1], s)):
        length = (span[1] - span[0] - timedelta(microseconds=1)).days + 1
        told = all((span[0] + n * DAY).date() in days for n in range(length))
        if not told and not any(_meet(span, other) for other in chosen - short):
            chosen = {other for other in chosen if not _meet(span, other)} | {span}
    dropped = len(spans) - len(chosen)
    said = [f"{dropped} buckets overlap others of another width and do not count"] if dropped else []
    return chosen, said


def _meet(one: Span, other: Span) -> bool:
    return one[0] < other[1] and other[0] < one[1]


def _touches(cover: Sequence[Span], span: Span) -> bool:
    """Whether `span` overlaps one of `cover`, which are sorted and do not overlap each other."""
    at = bisect_right(cover, span)
    return any(_meet(span, other) for other in cover[max(0, at - 1) : at + 1])


def _missing_pages(exports: Sequence[Export]) -> Iterator[str]:
    """Pages that say there is a further one, when no page of the report goes on from there."""
    for page in sorted(exports, key=lambda e: (e.source, e.id)):
        if not page.more or page.last is None:
            continue
        if not any(_goes_on(page.last, e) for e in exports if e.format == page.format and e.id != page.id):
            yield f"{page.format}: {page.source} says that there is a next page, and it is not here: the report is incomplete"


def _goes_on(end: str, page: Export) -> bool:
    if page.first is None or page.last is None or page.first > end:
        return False
    return page.last > end or (page.last == end and not page.more)
