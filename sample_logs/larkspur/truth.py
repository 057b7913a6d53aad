"""What an audit of the sample logs must find, added up from the calls themselves and not from the files."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from typing import Any

from .calls import CLASSES, FULL_IDS, Call, Tokens, usd
from .dice import stamp
from .logfile import LogFile


@dataclass(frozen=True, slots=True)
class Pass:
    """One model's part of a call, with what counts of it: nothing but the request, when it was free."""

    format: str
    day: date
    endpoint: str | None
    model: str | None
    requests: int
    tokens: Tokens
    searches: int
    usd: Decimal | None


def passes(file: LogFile) -> Iterator[Pass]:
    for call in file.calls:
        day, free = call.at.date(), call.unbilled is not None
        tokens, searches = (Tokens(), 0) if free else (call.tokens, call.searches)
        cost = Decimal(0) if free else usd(call.model, day, tokens, searches=searches, batch=call.batch)
        yield Pass(file.format, day, call.endpoint, _full(call.model), 1, tokens, searches, cost)
        if call.advisor is not None:
            model, advice = call.advisor
            cost = usd(model, day, advice, batch=call.batch)
            yield Pass(file.format, day, call.endpoint, _full(model), 0, advice, 0, cost)


def _full(model: str | None) -> str | None:
    return FULL_IDS.get(model, model) if model else None


def _sum(rows: Iterable[Pass]) -> dict[str, Any]:
    """Requests, billed tokens by class, and the dollars of what has a price (None when nothing has one)."""
    rows = list(rows)
    priced = [row.usd for row in rows if row.usd is not None]
    return {
        "requests": sum(row.requests for row in rows),
        **{name: sum(getattr(row.tokens, name) for row in rows) for name in CLASSES},
        "web_searches": sum(row.searches for row in rows),
        "unpriced_requests": sum(row.requests for row in rows if row.usd is None),
        "cost_usd": f"{sum(priced, Decimal(0)).normalize():f}" if priced else None,
    }


def _by(rows: list[Pass], *names: str) -> list[tuple[tuple[Any, ...], dict[str, Any]]]:
    groups: dict[tuple[Any, ...], list[Pass]] = {}
    for row in rows:
        groups.setdefault(tuple(getattr(row, name) for name in names), []).append(row)
    return [(key, _sum(groups[key])) for key in sorted(groups, key=lambda key: tuple(str(part or "") for part in key))]


def truth(files: list[LogFile]) -> dict[str, Any]:
    """The figures an audit is held against; generate.truth() says what they mean."""
    rows = [row for file in files for row in passes(file)]
    calls: list[Call] = [call for file in files for call in file.calls]
    total = _sum(rows)
    return {
        "period": {"first": stamp(min(call.at for call in calls)), "last": stamp(max(call.at for call in calls))},
        "total_usd": total["cost_usd"],
        "requests": total["requests"],
        "tokens": {name: total[name] for name in CLASSES},
        "web_searches": total["web_searches"],
        "unpriced": {
            "requests": total["unpriced_requests"],
            "models": sorted({row.model for row in rows if row.usd is None and row.model}),
        },
        "unbilled": {
            reason: sum(call.unbilled == reason for call in calls)
            for reason in sorted({call.unbilled for call in calls if call.unbilled})
        },
        "lines": {name: _lines([file for file in files if file.format == name]) for name in _formats(files)},
        "rows": [
            {"format": form, "endpoint": endpoint, "model": model, **figures}
            for (form, endpoint, model), figures in _by(rows, "format", "endpoint", "model")
        ],
        "by_endpoint": {key[0]: figures for key, figures in _by(rows, "endpoint")},
        "by_model": {key[0]: figures for key, figures in _by(rows, "model")},
        "by_day": {key[0].isoformat(): figures for key, figures in _by(rows, "day")},
    }


def _formats(files: list[LogFile]) -> list[str]:
    return sorted({file.format for file in files})


def _lines(files: list[LogFile]) -> dict[str, int]:
    """lines = calls + duplicates + ignored + rejected; a CSV's header is no line."""
    return {
        "files": len(files),
        "lines": sum(len(file.lines) - file.headers for file in files),
        "calls": sum(len(file.calls) for file in files),
        "passes": sum(1 + (call.advisor is not None) for file in files for call in file.calls),
        "duplicates": sum(file.duplicates for file in files),
        "ignored": sum(file.ignored for file in files),
        "rejected": sum(file.rejected for file in files),
    }
