"""What a log without request hashes still says about duplicates: identical requests have identical prompt sizes.

Of calls that agree in model and prompt size at most all but one repeat another; what they cost is at most the cost of all
but the cheapest. A bound, never a finding.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import TYPE_CHECKING, Any

from claude_audit.levers._batches import batches
from claude_audit.levers._verdicts import codes, numbers
from claude_audit.rates import Group, Unpriced
from claude_audit.tally import epoch_day, line_keys, model_facts, quantity, with_model_facts
from claude_audit.usage import TOKEN_CLASSES

if TYPE_CHECKING:
    import narwhals.stable.v2 as nw
    import numpy as np
    from numpy.typing import NDArray

    from claude_audit.catalog import Catalog
    from claude_audit.engines import Engine
    from claude_audit.tally import Reach

GROUP_KEYS = tuple(f"g_{name}" for name in "model epoch size tier speed geo provider routing region".split())
QUANTITIES = (*TOKEN_CLASSES, "searches")


@dataclass(frozen=True, slots=True)
class Usage:
    """What calls of one price group used."""

    group: Group
    tokens: tuple[Decimal, ...]
    """By TOKEN_CLASSES."""
    searches: int


@dataclass(frozen=True, slots=True)
class Duplicates:
    """Calls that may repeat another."""

    requests: int
    usage: tuple[Usage, ...]
    """Of all but the cheapest of those that are alike: what they cost is the most that they can save."""


def duplicates(
    calls: nw.LazyFrame[Any], engine: Engine, reach: Reach, catalog: Catalog, without: nw.Expr | None
) -> Duplicates:
    """Of these calls (rows that are one call, with a model). `without`: calls that an earlier lever leaves out."""
    import narwhals.stable.v2 as nw
    import numpy as np

    if without is not None:
        calls = calls.filter(~without)
    cached = quantity("cache_read") + quantity("cache_write_5m") + quantity("cache_write_1h")
    keys = {name: key for name, key in line_keys((), reach, catalog).items() if name in GROUP_KEYS}
    known = with_model_facts(calls, engine, reach, model_facts(reach, catalog))
    frame = (
        known.filter(~nw.col("model").is_null())
        .with_columns(alike_prompt=quantity("input") + cached)
        .with_columns(alike=nw.len().over("model", "alike_prompt"))
        .filter(nw.col("alike") > 1)
        .select(
            **keys,
            prompt=nw.col("alike_prompt"),
            **{name: quantity(name) for name in TOKEN_CLASSES},
            searches=nw.col("web_searches").fill_null(0),
        )
    )
    columns: dict[str, list[Any]] = {}
    for batch in batches(frame):
        for name in ("prompt", *QUANTITIES):
            columns.setdefault(name, []).append(numbers(batch, name))
        for name in GROUP_KEYS:
            columns.setdefault(name, []).append(batch.column(name))
    if not columns:
        return Duplicates(0, ())
    kind, kinds = _kinds(columns, reach, catalog)
    model = codes(columns["g_model"])
    amounts = {name: np.concatenate(columns[name]) for name in QUANTITIES}
    weight = _weights(kind, kinds, amounts, catalog)
    prompt = np.concatenate(columns["prompt"])
    order = np.lexsort((weight, prompt, model))
    order = order[~np.isnan(weight[order])]
    first = np.concatenate(
        ([True], (model[order][1:] != model[order][:-1]) | (prompt[order][1:] != prompt[order][:-1]))
    )
    more = order[~first[: len(order)]]
    return Duplicates(len(more), tuple(_usage(kind[more], kinds, {n: a[more] for n, a in amounts.items()})))


def _kinds(columns: dict[str, list[Any]], reach: Reach, catalog: Catalog) -> tuple[NDArray[np.int64], list[Group]]:
    """For each row the number of its price group, and the groups."""
    import numpy as np
    import pyarrow as pa

    each = [codes(columns[name]) for name in GROUP_KEYS]
    mixed = np.zeros(len(each[0]), np.int64)
    for code in each:
        mixed = np.unique(mixed * (int(code.max()) + 2) + code + 1, return_inverse=True)[1]
    _, at, kind = np.unique(mixed, return_index=True, return_inverse=True)
    values = {name: pa.chunked_array(columns[name]).take(pa.array(at)).to_pylist() for name in GROUP_KEYS}
    groups = []
    for row in zip(*(values[name] for name in GROUP_KEYS), strict=True):
        model, passed, size, *rest = row
        groups.append(Group(model, epoch_day(passed, reach, catalog), int(size), *rest))
    return kind, groups


def _weights(
    kind: NDArray[np.int64], kinds: Sequence[Group], amounts: dict[str, NDArray[np.int64]], catalog: Catalog
) -> NDArray[np.float64]:
    """What puts calls in order of their cost; not a number where there is no price."""
    import numpy as np

    fee = float(catalog.search_fee()[0]) * 1e6
    rates = []
    for group in kinds:
        price = catalog.price(group)
        usd = [None] * 5 if isinstance(price, Unpriced) else [price.usd(name) for name in TOKEN_CLASSES]
        rates.append([*(float("nan") if rate is None else float(rate) for rate in usd), fee])
    table = np.array(rates)
    total = np.zeros(len(kind))
    for n, name in enumerate(QUANTITIES):
        used = amounts[name] > 0
        total[used] += table[kind[used], n] * amounts[name][used]
    unpriced = np.isnan(table[:, 0])[kind]
    total[unpriced] = np.nan
    return total


def _usage(kind: NDArray[np.int64], kinds: Sequence[Group], amounts: dict[str, NDArray[np.int64]]) -> Iterator[Usage]:
    import numpy as np

    sums = {}
    for name, amount in amounts.items():
        sums[name] = np.zeros(len(kinds), np.int64)
        np.add.at(sums[name], kind, amount)
    for n, group in enumerate(kinds):
        if any(sums[name][n] for name in QUANTITIES):
            tokens = tuple(Decimal(int(sums[name][n])) for name in TOKEN_CLASSES)
            yield Usage(group, tokens, int(sums["searches"][n]))
