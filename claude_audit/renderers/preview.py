"""How logs would be read: a table of the files, the first calls field by field, and what they do not tell."""

from __future__ import annotations

import textwrap
from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

from claude_audit import preview
from claude_audit.money import dollars, exact
from claude_audit.preview import MOST_FILES, Field, Looked, Missing, Preview, Shown
from claude_audit.renderers.columns import fitted
from claude_audit.text import count, printable
from claude_audit.usage import FLAGS

MOST_SHOWN = 20
"""Files and rejected lines that are listed."""


def text(found: Preview, *, width: int = 80) -> str:
    """For a terminal of that width."""
    parts = [_intro(found, width), _files(found.files, width)]
    if listed := "\n".join(_lines(found, width)):
        parts.append(listed)
    parts += [_call(one, width) for one in found.calls]
    if found.missing:
        rows = [
            (" or ".join(m.columns), f"{m.calls:,} of {m.of:,}", m.means) for m in found.missing
        ]  # fmt: skip
        parts.append(fitted(("not recorded", "calls", "so"), rows, (1,), width=width))
    if warnings := [*_unpriced(found), *found.report.warnings]:
        parts.append("\n".join(_wrapped(f"warning: {printable(warning)}", width) for warning in warnings))
    return "\n\n".join(parts)


def _intro(found: Preview, width: int) -> str:
    read = sum(one.record is not None for one in found.files)
    more = len(found.files) - read - sum(one.format is None for one in found.files)
    told = f"Dry run: nothing is written. The first {preview.MOST_LINES:,} lines of {count(read, 'file')} were read"
    return _wrapped(told + (f" ({MOST_FILES} of each format; {more:,} more)." if more > 0 else "."), width)


def _files(files: Sequence[Looked], width: int) -> str:
    header = ("file", "read as", "lines", "calls", "duplicates", "ignored", "rejected")
    rows = [_row(one) for one in files[:MOST_SHOWN]]
    shown = fitted(header, rows, range(2, 7), width=max(width, 60), spare=(4,))
    if max(map(len, shown.splitlines())) > width:
        rows = [(_short(row[0], max(width - 50, 14)), *row[1:]) for row in rows]
        shown = fitted(header, rows, range(2, 7), width=width, spare=(4,))
    unread = [
        _wrapped(f"{printable(f.source)}: not read: {printable(f.why)}", width) for f in files if f.format is None
    ]
    rest = [f"… and {count(len(files) - MOST_SHOWN, 'more file')}"] if len(files) > MOST_SHOWN else []
    return "\n".join((shown, *rest, *unread[:MOST_SHOWN]))


def _row(one: Looked) -> tuple[str, ...]:
    if one.record is None:
        return one.source, one.format or "not read", "", "", "", "", ""
    r = one.record
    return (
        one.source,
        r.format,
        *(f"{n:,}" for n in (r.lines, r.kept, r.duplicates, sum(r.ignored.values()), r.rejected)),
    )


def _lines(found: Preview, width: int) -> Iterator[str]:
    counted = found.report.counted
    for reason, lines in sorted(counted.ignored.items(), key=lambda item: (-item[1], item[0])):
        yield _wrapped(f"ignored:  {lines:,} × {printable(reason)}", width)
    for reject in found.report.rejects[:MOST_SHOWN]:
        place = reject.source if reject.line is None else f"{reject.source}:{reject.line}"
        yield _wrapped(f"rejected: {printable(place)}: {printable(reject.reason)}", width)
    if counted.rejected > MOST_SHOWN:
        yield f"rejected: … and {counted.rejected - MOST_SHOWN:,} more"


def _call(one: Shown, width: int) -> str:
    price = "no price" if one.usd is None else dollars(one.usd)
    place = one.source if one.line is None else f"{one.source}:{one.line}"
    rows = [(field.name, _value(field), field.said) for field in one.fields]
    said = any(row[2] for row in rows)
    names = max(len(row[0]) for row in rows)
    values = max(len(row[1]) for row in rows)
    lines = []
    for name, value, source in rows:
        begin = f"  {name:<{names}}  "
        if said:
            room = max(width - len(begin) - 2 - max(len(row[2]) for row in rows), 16)
            value = f"{_short(value, room):<{min(values, room)}}  {source}"
        lines.append(_wrapped((begin + value).rstrip(), width, " " * len(begin)))
    notes = [_wrapped(f"  assumed: {FLAGS[flag]}", width, " " * 11) for flag in one.flags if flag in FLAGS]
    return "\n".join((_wrapped(f"{printable(place)}  {one.format}, {price}", width), *lines, *notes))


def _value(field: Field) -> str:
    value = field.value
    if isinstance(value, datetime):
        return value.astimezone(UTC).strftime("%Y-%m-%d %H:%M:%S.%f").rstrip("0").rstrip(".") + " UTC"
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, float):
        return f"{value:,.12g}"
    if isinstance(value, int):
        return f"{value:,}"
    if isinstance(value, Decimal):
        return f"{value.normalize():f}"
    if isinstance(value, Mapping):
        return printable(", ".join(f"{key}={inner}" for key, inner in value.items()))
    if isinstance(value, list):
        return f"{count(len(value), 'block')}, {sum(block['tokens'] or 0 for block in value):,} tokens"
    return printable(str(value))


def _unpriced(found: Preview) -> Iterator[str]:
    for model, rows in found.report.unpriced_models.items():
        yield f"{count(rows, 'row')} of {'no model' if model == '(none)' else model}: no price"


def _short(label: str, longest: int) -> str:
    """A label with its middle left out."""
    label = printable(label)
    return label if len(label) <= longest else f"{label[: longest // 2]}…{label[len(label) - longest // 2 + 1 :]}"


def _wrapped(line: str, width: int, indent: str = "    ") -> str:
    return "\n".join(textwrap.wrap(line, width, subsequent_indent=indent, break_on_hyphens=False)) or line


def document(found: Preview) -> dict[str, Any]:
    """As JSON: counts as integers, money exact, what is not known null."""
    report = found.report
    return {
        "dry_run": True,
        "files": [_file(one) for one in found.files],
        "lines": report.counted.lines,
        "kept": report.counted.kept,
        "duplicates": report.counted.duplicates,
        "ignored": dict(report.counted.ignored),
        "rejected": report.counted.rejected,
        "rejects": [{"source": r.source, "line": r.line, "reason": r.reason} for r in report.rejects],
        "evidence_rows": report.evidence_rows,
        "calls": [_call_document(one) for one in found.calls],
        "missing": [_missing(one) for one in found.missing],
        "unpriced_models": dict(report.unpriced_models),
        "warnings": list(report.warnings),
    }


def _file(one: Looked) -> dict[str, Any]:
    r = one.record
    return {
        "source": one.source,
        "format": one.format,
        "reason": one.why or None,
        "read": r is not None,
        "lines": r and r.lines,
        "kept": r and r.kept,
        "duplicates": r and r.duplicates,
        "ignored": r and dict(r.ignored),
        "rejected": r and r.rejected,
    }


def _call_document(one: Shown) -> dict[str, Any]:
    return {
        "source": one.source,
        "line": one.line,
        "format": one.format,
        "fields": {field.name: _plain(field.value) for field in one.fields},
        "from": {field.name: field.said for field in one.fields if field.said},
        "assumed": list(one.flags),
        "cost_usd": exact(one.usd),
    }


def _missing(one: Missing) -> dict[str, Any]:
    return {"fields": list(one.columns), "calls": one.calls, "of": one.of, "means": one.means}


def _plain(value: Any) -> Any:
    if isinstance(value, datetime):
        return value.astimezone(UTC).isoformat().replace("+00:00", "Z")
    return exact(value) if isinstance(value, Decimal) else value
