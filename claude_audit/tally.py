"""Usage summed into whole quantities a price group: the one heavy query behind every figure.

Within a group (model, stretch of days without a price change, prompt-size band, tier, speed, geography, provider) cost is
linear in tokens, so the engine sums integers, and money is made afterwards from a few thousand lines.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, date, datetime, timedelta
from functools import cache, reduce
from operator import add
from typing import TYPE_CHECKING, Any
from zoneinfo import ZoneInfo

from claude_audit import sums as kept
from claude_audit.clock import UTC_ZONE, from_day, offsets, week_start
from claude_audit.grouping import Asked, grouped, of_one_price
from claude_audit.rates import Group
from claude_audit.row_columns import NOTHING, Known, is_null
from claude_audit.usage import TIME_DIMENSIONS, TOKEN_CLASSES, TOKEN_COLUMNS

if TYPE_CHECKING:
    import narwhals.stable.v2 as nw

    from claude_audit.catalog import Catalog
    from claude_audit.engines import Engine

Label = str | None


@dataclass(frozen=True, slots=True)
class Reach:
    """What a store holds, as far as prices are concerned: known without reading a row."""

    first: datetime
    last: datetime
    models: tuple[str, ...]
    known: Known = field(default_factory=Known)
    """Of its columns; nothing where nobody looked."""

    def of(self, models: Iterable[str]) -> Reach:
        """The same of rows of these models alone."""
        theirs = tuple(sorted(models))
        same, texts = self.known.same | {is_null("model")}, self.known.texts
        if len(theirs) == 1:
            same, texts = same | {"model"}, {**texts, "model": theirs[0]}
        return replace(self, models=theirs, known=replace(self.known, same=same, texts=texts))


@dataclass(frozen=True, slots=True)
class Line:
    """One line of the tally: rows that agree in the asked-for dimensions and in everything that decides a price."""

    labels: tuple[Label, ...]
    """A value for each dimension asked for; None: not recorded."""
    group: Group
    name: Label
    """The model: the catalog's id, else as logged."""
    unsold: bool
    """Its rows hold cache tokens, of a model that has no price for them at some time."""
    requests: int
    billed_requests: int
    """Without the free ones."""
    billed_passes: int
    """Billed rows that are not a call's first."""
    tokens: tuple[int, ...]
    """Billed tokens by TOKEN_CLASSES; writes of unknown TTL are among those of 5m."""
    ttl_unknown: int
    """The part of them whose TTL is unknown."""
    searches: int
    """Billed web searches."""
    more: tuple[Any, ...] = ()
    """Values of the extra keys, sums, lowest and highest that were asked for, in order."""


@dataclass(frozen=True, slots=True)
class Extra:
    """What a what-if adds to the scan: narwhals expressions by column name."""

    keys: Mapping[str, Any]
    sums: Mapping[str, Any]
    lowest: Mapping[str, Any] = field(default_factory=dict)
    """Of which each line holds the least value, or None."""
    highest: Mapping[str, Any] = field(default_factory=dict)


def quantity(token_class: str, known: Known = NOTHING) -> nw.Expr:
    """The tokens of that class of a row; what was not recorded adds nothing."""
    import narwhals.stable.v2 as nw

    columns = [column for column in TOKEN_COLUMNS[token_class] if known.at_most(column) != 0]
    return reduce(add, (known.filled(column, 0) for column in columns)) if columns else nw.lit(0, dtype=nw.Int64)


def tally(
    usage: nw.LazyFrame[Any],
    reach: Reach,
    catalog: Catalog,
    engine: Engine,
    by: Sequence[str] = (),
    timezone: ZoneInfo = UTC_ZONE,
    extra: Extra | None = None,
    targets: Sequence[str] = (),
    known: bool = False,
    same: Collection[str] = (),
    ready: Callable[[], Any] = lambda: None,
    done: Callable[[], Any] = lambda: None,
) -> list[Line]:
    """Sum `usage` by the dimensions `by` and by price group. Integers only, one scan.

    `targets`: models that a what-if prices the rows at: days on which their prices change part the lines too.
    `known`: the rows carry their model's facts already. `same`: columns that have one value in all rows. `ready` returns
    when the scan may begin; `done` is called when it has ended.
    """
    if not known:
        usage = with_model_facts(usage, engine, reach, model_facts(reach, catalog))
    first_day, days = days_of(reach, catalog, targets)

    keys = line_keys(by, reach, catalog, timezone, targets)
    sums = line_sums(reach)
    extra, simulated = extra or Extra({}, {}), extra is not None
    keys |= extra.keys
    sums |= extra.sums
    asked = Asked(keys, sums, extra.lowest, extra.highest)
    rows = grouped(usage, asked, engine, same, ready, done)
    if days and simulated:
        rows = of_one_price(rows, asked, first_day, days, targets, catalog)
    return _lines(rows, by, days, first_day, len(extra.keys))


def of_sums(groups: Sequence[Sequence[Any]], reach: Reach, catalog: Catalog, by: Sequence[str] = ()) -> list[Line]:
    """The same lines from what was summed when the parts were written (sums.py), for `by` among sums.DIMENSIONS."""
    first_day, days = days_of(reach, catalog, ())
    return _lines(kept.tallied(groups, by, days, catalog), by, days, first_day, 0)


def _lines(
    rows: Iterable[tuple[Any, ...]], by: Sequence[str], days: Sequence[date], first_day: date, extra_keys: int
) -> list[Line]:
    """The rows as lines, by labels, model and price group; lines of one group share the object."""

    @cache
    def group(model: Label, passed: int, band: int, *rest: Label) -> Group:
        return Group(model, days[passed - 1] if passed else first_day, int(band), *rest)

    @cache
    def order(labels: tuple[Label, ...], name: Label, group: Group) -> tuple[tuple[bool, str], ...]:
        return tuple((v is None, str(v)) for v in (*labels, name, *_key(group)))

    lines = [_line(row, by, group, extra_keys) for row in rows]
    return sorted(lines, key=lambda line: order(line.labels, line.name, line.group))


def days_of(reach: Reach, catalog: Catalog, targets: Sequence[str]) -> tuple[date, tuple[date, ...]]:
    """The first day, and the later ones from which on something else holds for a price."""
    first, last = reach.first.astimezone(UTC).date(), reach.last.astimezone(UTC).date()
    return first, catalog.boundaries({*reach.models, *targets}, first, last)


def epoch_day(passed: int, reach: Reach, catalog: Catalog) -> date:
    """The day on which an epoch (the key g_epoch) begins, as a group's day."""
    first_day, days = days_of(reach, catalog, ())
    return days[passed - 1] if passed else first_day


def line_keys(
    by: Sequence[str],
    reach: Reach,
    catalog: Catalog,
    timezone: ZoneInfo = UTC_ZONE,
    targets: Sequence[str] = (),
) -> dict[str, Any]:
    """What parts the lines of a tally: expressions by name, the dimensions asked for first, then what decides a price."""
    import narwhals.stable.v2 as nw

    _, days = days_of(reach, catalog, targets)
    return {
        **{f"by_{n}": label(name, reach, timezone) for n, name in enumerate(by)},
        "g_name": nw.col("model") if reach.known.full("model") else model_label(),
        "g_model": nw.col("model"),
        "g_epoch": epoch(days),
        "g_size": own_size(reach, catalog, nw.col("prompt_tokens").fill_null(0), reach.known.at_most("prompt_tokens")),
        "g_tier": nw.col("tier"),
        "g_speed": nw.col("speed"),
        "g_geo": nw.col("geo"),
        "g_provider": nw.col("provider"),
        "g_routing": nw.col("routing"),
        "g_region": nw.col("region"),
        "g_unsold": unsold(reach, catalog),
    }


def line_sums(reach: Reach) -> dict[str, Any]:
    """What every line adds up, by name: Line's own fields, in their order."""
    import narwhals.stable.v2 as nw

    def of_billed(value: nw.Expr) -> nw.Expr:
        return value if reach.known.empty("unbilled") else _if(nw.col("unbilled").is_null(), value)

    return {
        "s_requests": nw.col("requests").fill_null(0),
        "s_billed": of_billed(nw.col("requests").fill_null(0)),
        "s_passes": of_billed(_if(nw.col("pass") > 0, nw.lit(1))),
        **{f"s_{name}": of_billed(quantity(name, reach.known)) for name in TOKEN_CLASSES},
        "s_ttl_unknown": of_billed(nw.col("cache_write_unknown_tokens").fill_null(0)),
        "s_searches": of_billed(nw.col("web_searches").fill_null(0)),
    }


def _key(group: Group) -> tuple[Any, ...]:
    return (group.on, group.size, group.tier, group.speed, group.geo, group.provider, group.routing, group.region)


def _if(condition: nw.Expr, value: nw.Expr) -> nw.Expr:
    import narwhals.stable.v2 as nw

    return nw.when(condition).then(value).otherwise(nw.lit(0))


def _line(row: tuple[Any, ...], by: Sequence[str], group_of: Callable[..., Group], extra_keys: int) -> Line:
    at = len(by)
    labels = tuple(written(name, value) for name, value in zip(by, row[:at], strict=True))
    name, *decides, no_price = row[at : at + 11]
    more_keys = row[at + 11 : at + 11 + extra_keys]
    sums = row[at + 11 + extra_keys :]
    return Line(
        labels=labels,
        group=group_of(*decides),
        name=name,
        unsold=bool(no_price),
        requests=int(sums[0]),
        billed_requests=int(sums[1]),
        billed_passes=int(sums[2]),
        tokens=tuple(int(v) for v in sums[3:8]),
        ttl_unknown=int(sums[8]),
        searches=int(sums[9]),
        more=(*more_keys, *sums[10:]),
    )


def model_label() -> nw.Expr:
    """The catalog's id, else the model as logged."""
    import narwhals.stable.v2 as nw

    return nw.coalesce(nw.col("model"), nw.col("model_raw"))


def epoch(days: Sequence[date]) -> nw.Expr:
    """How many of the (ascending) `days` a row's instant has reached: rows that agree in it share all prices."""
    import narwhals.stable.v2 as nw

    passed: nw.Expr = nw.lit(0)
    for day in days:
        begin = datetime(day.year, day.month, day.day, tzinfo=UTC)
        passed = passed + (nw.col("ts") >= nw.lit(begin)).cast(nw.Int64)
    return passed


BANDED, UNSOLD = "m_banded", "m_unsold"
"""Facts of a row's model, joined to it: it has prices by prompt size; at some time it had none for cache tokens. 1 or 0."""


def model_facts(reach: Reach, catalog: Catalog) -> dict[str, Mapping[str, int]]:
    """What a tally must know of each model of the store: name of the fact -> model -> 1. Facts that hold for none are left out."""
    listed = {BANDED: catalog.banded_models & set(reach.models), UNSOLD: _without_cache_price(reach, catalog)}
    return {name: dict.fromkeys(sorted(models), 1) for name, models in listed.items() if models}


def _without_cache_price(reach: Reach, catalog: Catalog) -> frozenset[str]:
    return catalog.without_cache_price & set(reach.models)


def with_model_facts(
    usage: nw.LazyFrame[Any], engine: Engine, reach: Reach, facts: Mapping[str, Mapping[str, int]]
) -> nw.LazyFrame[Any]:
    """The rows with a whole number for each fact of their model: 0 for models that it does not name, null without a model.

    One join for all of them: comparing each row's model with a list costs as much for every list.
    """
    import narwhals.stable.v2 as nw

    if not facts:
        return usage
    if not reach.models:  # a log of unknown models only
        return usage.with_columns(**{name: nw.lit(None).cast(nw.Int64) for name in facts})
    if reach.known.texts.get("model") == reach.models[0] and reach.known.full("model"):
        [model] = reach.models
        return usage.with_columns(
            **{name: nw.lit(values.get(model, 0), dtype=nw.Int64) for name, values in facts.items()}
        )
    table: dict[str, Sequence[str] | Sequence[int]] = {"model": reach.models}
    table |= {name: [values.get(model, 0) for model in reach.models] for name, values in facts.items()}
    return usage.join(engine.table(table), on="model", how="left")


def size(catalog: Catalog, prompt: nw.Expr, most: int | None = None) -> nw.Expr:
    """How many of the catalog's prompt-size limits the prompt (never null, `most` at most) is larger than, strictly."""
    import narwhals.stable.v2 as nw

    passed: nw.Expr = nw.lit(0)
    for limit in catalog.thresholds:
        if most is None or most > limit:
            passed = passed + (prompt > limit).cast(nw.Int64)
    return passed


def own_size(reach: Reach, catalog: Catalog, prompt: nw.Expr, most: int | None = None) -> nw.Expr:
    """`size` for rows whose own model has prices by prompt size, 0 for others."""
    import narwhals.stable.v2 as nw

    banded = catalog.banded_models & set(reach.models)
    if not banded or (most is not None and most <= min(catalog.thresholds)):
        return nw.lit(0)
    return nw.col(BANDED).fill_null(0) * size(catalog, prompt, most)


def unsold(reach: Reach, catalog: Catalog) -> nw.Expr:
    """Whether a row holds cache tokens of a model that at some time has no price for them."""
    import narwhals.stable.v2 as nw

    if not _without_cache_price(reach, catalog):
        return nw.lit(False)
    cached = quantity("cache_read") + quantity("cache_write_5m") + quantity("cache_write_1h") > 0
    return (nw.col(UNSOLD) == 1).fill_null(False) & cached


def label(name: str, reach: Reach, timezone: ZoneInfo) -> nw.Expr:
    """The column that a dimension groups by. Days and hours are values of time here; `written` makes them text."""
    import narwhals.stable.v2 as nw

    if name == "model":
        return model_label()
    if name not in TIME_DIMENSIONS:
        return nw.col(name)
    (_, shift_at_first), *later = offsets(timezone, reach.first, reach.last)
    local: nw.Expr = nw.col("ts")
    if later or shift_at_first:
        shift: nw.Expr = nw.lit(timedelta(seconds=shift_at_first))
        for begin, offset in later:
            moved = nw.lit(timedelta(seconds=offset))
            shift = nw.when(nw.col("ts") >= nw.lit(begin)).then(moved).otherwise(shift)
        local = nw.col("ts") + shift
    return local.dt.truncate("1h") if name == "hour" else local.dt.date()


def written(name: str, value: Any) -> Label:
    """A label as it is shown: 2026-11-01, 2026-11-01T09 (hour), the Monday of a week, 2026-11 (month)."""
    if value is None:
        return None
    if name == "hour":
        return f"{value:%Y-%m-%dT%H}"
    if name not in TIME_DIMENSIONS:
        return str(value)
    day: date = value if isinstance(value, date) else from_day(int(value))
    if name == "week":
        return week_start(day).isoformat()
    return day.isoformat()[:7] if name == "month" else day.isoformat()
