"""The engine's sums of rows by what parts them, as few lines as tell all that is asked."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from functools import cache
from typing import TYPE_CHECKING, Any

from claude_audit.row_columns import same_in_all

if TYPE_CHECKING:
    import narwhals.stable.v2 as nw

    from claude_audit.catalog import Catalog
    from claude_audit.engines import Engine

ROWS = "rows_in_all"
"""How many rows are in a group."""


@dataclass(frozen=True, slots=True)
class Asked:
    """What is asked of each group of rows: narwhals expressions by column name."""

    keys: Mapping[str, Any]
    """What its rows agree in. Among them g_model, and g_epoch, the number of days on which a price changed that had passed."""
    sums: Mapping[str, Any]
    lowest: Mapping[str, Any]
    highest: Mapping[str, Any]


def grouped(
    usage: nw.LazyFrame[Any],
    of: Asked,
    engine: Engine,
    same: Collection[str],
    ready: Callable[[], Any],
    done: Callable[[], Any],
) -> list[tuple[Any, ...]]:
    """The keys, sums, lowest and highest of each group of rows.

    What has one value in all rows, given the columns that are the `same` in all, is looked up in one of them: the engine
    neither groups by it nor adds it up. Nor does it part the rows twice by keys that are the same expression.
    """
    import narwhals.stable.v2 as nw

    every = {**of.keys, **of.sums, **of.lowest, **of.highest}
    alike = {name: e for name, e in every.items() if same and same_in_all(e, same)}
    if alike.keys() >= of.keys.keys():
        alike = {}  # without a key there is nothing to group by
    written: dict[str, str] = {}
    twins = {name: written.setdefault(repr(e), name) for name, e in of.keys.items()}
    asked = [name for name in every if name not in alike and twins.get(name, name) == name]
    frame = usage.select(*(every[name].alias(name) for name in asked))
    frame = frame.group_by(*(name for name in asked if name in of.keys)).agg(
        nw.len().alias(ROWS),
        *(nw.col(name).sum() for name in asked if name in of.sums),
        *(nw.col(name).min() for name in asked if name in of.lowest),
        *(nw.col(name).max() for name in asked if name in of.highest),
    )
    frame = frame.select(ROWS, *asked)
    one = engine.later(usage.head(1).select(*(e.alias(name) for name, e in alike.items()))) if alike else list
    ready()
    rows = engine.rows(frame)
    done()
    if not rows:
        return []
    values: list[Sequence[Any]] = list(zip(*rows, strict=True))
    counts = values[0]
    columns = dict(zip(asked, values[1:], strict=True))
    columns |= {name: columns[twin] for name, twin in twins.items() if twin in columns}
    for values_of_one in one():
        for name, value in zip(alike, values_of_one, strict=True):
            columns[name] = [count * int(value or 0) for count in counts] if name in of.sums else [value] * len(rows)
    return list(zip(*(columns[name] for name in every), strict=True))


def of_one_price(
    rows: Iterable[tuple[Any, ...]],
    of: Asked,
    first: date,
    days: Sequence[date],
    targets: Sequence[str],
    catalog: Catalog,
) -> list[tuple[Any, ...]]:
    """The rows, those as one that differ in their days alone, where neither their model nor a target changes its price.

    Days part the rows of every model as soon as one of them has another price; all that follows is done for each line.
    """
    keys = [*of.keys]
    model_at, epoch_at, width = keys.index("g_model"), keys.index("g_epoch"), len(keys)

    @cache
    def begun(model: str | None) -> tuple[int, ...]:
        """By epoch, the first one that has the same prices."""
        of_note = {*catalog.boundaries({*targets, *([model] if model else [])}, first, days[-1])}
        found = [0]
        for number, day in enumerate(days, start=1):
            found.append(number if day in of_note else found[-1])
        return tuple(found)

    alike: dict[tuple[Any, ...], list[tuple[Any, ...]]] = {}
    for row in rows:
        key = (*row[:epoch_at], begun(row[model_at])[row[epoch_at]], *row[epoch_at + 1 : width])
        alike.setdefault(key, []).append(row[width:])
    how: list[Callable[[Iterable[Any]], Any]] = [sum] * len(of.sums)
    how += [_least] * len(of.lowest) + [_largest] * len(of.highest)
    return [
        (*key, *values[0])
        if len(values) == 1
        else (*key, *(add_up(column) for add_up, column in zip(how, zip(*values, strict=True), strict=True)))
        for key, values in alike.items()
    ]


def _least(values: Iterable[Any]) -> Any:
    return min((value for value in values if value is not None), default=None)


def _largest(values: Iterable[Any]) -> Any:
    return max((value for value in values if value is not None), default=None)
