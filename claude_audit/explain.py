"""One request, or many, as line items: where it was read, and quantity x rate x factors = amount."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import TYPE_CHECKING, Any

from claude_audit.bill import COMPONENTS, LineItem, explain, total
from claude_audit.errors import AuditError
from claude_audit.tally import Reach, tally

if TYPE_CHECKING:
    import narwhals.stable.v2 as nw

    from claude_audit.catalog import Catalog
    from claude_audit.engines import Engine

IDS = ("request_id", "message_id", "row_id")
"""Columns that an id is looked for in."""

_COLUMNS = {
    "row_id": "row_id",
    "request_id": "request_id",
    "message_id": "message_id",
    "call_key": "call_key",
    "kind": "row_kind",
    "number": "pass",
    "source": "source",
    "line": "line",
    "format": "format",
    "endpoint": "endpoint",
    "model": "model_raw",
    "unbilled": "unbilled",
}
"""Field of a Pass -> column of the usage table."""


@dataclass(frozen=True, slots=True)
class Pass:
    """One billed pass of a call (most calls have one), as the log tells it, and its bill."""

    row_id: str
    request_id: str | None
    message_id: str | None
    call_key: str
    kind: str
    """call, advisor, compaction or fallback."""
    number: int
    source: str
    line: int | None
    """Where it was read; None: the format has no lines."""
    format: str
    endpoint: str | None
    model: str | None
    """As logged."""
    unbilled: str | None
    """Why it is free; None: it is billed."""
    at: datetime
    """UTC."""
    items: tuple[LineItem, ...] = ()

    @property
    def place(self) -> str:
        """file:line."""
        return self.source if self.line is None else f"{self.source}:{self.line}"


def passes(
    usage: nw.LazyFrame[Any],
    reach: Reach,
    catalog: Catalog,
    engine: Engine,
    identifier: str,
) -> tuple[Pass, ...]:
    """All passes of the calls that carry this request id, message id or row id, in the order of the calls.

    Raises AuditError when no row does.
    """
    import narwhals.stable.v2 as nw

    named = nw.any_horizontal(*(nw.col(column) == identifier for column in IDS), ignore_nulls=True)
    keys = sorted({str(key) for (key,) in engine.rows(usage.filter(named).select("call_key"))})
    if not keys:
        raise AuditError(
            f"no request has the id {identifier!r}",
            "give a request id, a message id or a row id as it stands in the log; filters count too",
        )
    chosen = usage.filter(nw.col("call_key").is_in(keys))
    epoch = datetime(1970, 1, 1, tzinfo=UTC)
    moment = (nw.col("ts") - nw.lit(epoch)).dt.total_microseconds()
    columns = {field: nw.col(column) for field, column in _COLUMNS.items()}
    rows = [dict(zip((*columns, "at"), row, strict=True)) for row in engine.rows(chosen.select(**columns, at=moment))]
    items: dict[str, list[LineItem]] = {}
    for line in tally(chosen, reach, catalog, engine, ("row_id",)):
        items.setdefault(str(line.labels[0]), []).extend(explain([line], catalog))
    found = [Pass(**row | {"at": epoch + timedelta(microseconds=row["at"])}) for row in rows]
    return tuple(
        replace(one, items=tuple(items.get(one.row_id, ())))
        for one in sorted(found, key=lambda one: (one.at, one.call_key, one.number, one.row_id))
    )


def merged(items: Iterable[LineItem]) -> list[LineItem]:
    """The items with those of equal price, factors and place as one: their quantities and amounts added up, exactly."""
    groups: dict[tuple[Any, ...], list[LineItem]] = {}
    for item in items:
        key = (item.model, item.component, item.usd_per_unit, item.factors, item.where, item.note, item.usd is None)
        groups.setdefault(key, []).append(item)
    return [
        replace(
            members[0],
            quantity=sum(item.quantity for item in members),
            usd=None if members[0].usd is None else total(item.usd for item in members if item.usd is not None),
        )
        for members in groups.values()
    ]


@dataclass(frozen=True, slots=True)
class Section:
    """Line items of one model that share a price row and factors."""

    model: str | None
    where: str
    factors: tuple[tuple[str, Decimal, str], ...]
    items: tuple[LineItem, ...]


def sections(items: Iterable[LineItem]) -> list[Section]:
    """The items by model, price row and factors: the dearest section first, what has no price last."""
    groups: dict[tuple[str | None, str, tuple[tuple[str, Decimal, str], ...]], list[LineItem]] = {}
    for item in items:
        groups.setdefault((item.model, item.where, item.factors), []).append(item)
    for members in groups.values():
        members.sort(key=lambda item: COMPONENTS.index(item.component))
    found = [Section(model, where, factors, tuple(members)) for (model, where, factors), members in groups.items()]
    return sorted(
        found,
        key=lambda section: (
            all(item.usd is None for item in section.items),
            -total(item.usd for item in section.items if item.usd is not None),
            section.model or "",
            section.where,
        ),
    )


def total_usd(items: Sequence[LineItem]) -> Decimal:
    """US dollars of the items that have a price."""
    return total(item.usd for item in items if item.usd is not None)
