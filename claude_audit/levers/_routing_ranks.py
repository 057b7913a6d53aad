"""Which requests would save least on the target, and which most: the bounds where only a share of them is known.

The order is settled row by row, from the tokens as logged; what the chosen rows save is then exact arithmetic on the tally.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from decimal import Decimal
from pathlib import Path
from typing import TYPE_CHECKING, Any

from claude_audit.rates import Group, Price, Unpriced
from claude_audit.usage import TOKEN_CLASSES

if TYPE_CHECKING:
    import narwhals.stable.v2 as nw
    import numpy as np
    from numpy.typing import NDArray

    from claude_audit.engines import Engine
    from claude_audit.scan import Scan

RANK = "route_rank"
"""The column, and the key of the tally: 1 among those that save least, 2 among those that save most, 3 both, 0 neither."""
LEAST, MOST = 1, 2

Gate = Callable[[int, Group, str | None], str | None]
"""Why rows of that code, price group and endpoint are not routed; None: they may be."""


def joined(
    usage: nw.LazyFrame[Any],
    engine: Engine,
    scan: Scan,
    target: str,
    mark: str,
    share: Decimal,
    gate: Gate,
    folder: Path,
) -> nw.LazyFrame[Any]:
    """The rows, each with its rank: see `ranked`, which writes a file to the folder."""
    import narwhals.stable.v2 as nw

    path = folder / "ranks.parquet"
    if not ranked(usage, scan, target, mark, share, gate, path):
        return usage.with_columns(nw.lit(0).alias(RANK))
    found = usage.join(engine.scan([str(path)]), on="row_id", how="left")
    return found.with_columns(nw.col(RANK).fill_null(0))


def ranked(
    usage: nw.LazyFrame[Any], scan: Scan, target: str, mark: str, share: Decimal, gate: Gate, path: Path
) -> bool:
    """Write row_id and rank of the rows that may be routed to a Parquet file. False when there are none.

    floor(share x rows) of them are the least, and as many the most. `mark`: of the variants as the target counts them.
    """
    import narwhals.stable.v2 as nw
    import numpy as np
    import pyarrow as pa
    from pyarrow import parquet

    from claude_audit.tally import days_of, line_keys

    targets = scan.targets
    keys = line_keys((), scan.reach, scan.catalog, targets=targets)
    names = ("g_model", "g_epoch", "g_size", "g_tier", "g_speed", "g_geo", "g_provider", "g_routing", "g_region")
    there = scan.keys.known.get(f"size+{mark}", nw.lit(0))
    wanted = {
        "code": scan.keys.known["route"],
        "there": there,
        "endpoint": nw.col("endpoint"),
        **{name: keys[name] for name in names},
    }
    amounts = {
        **{name: nw.col(f"q_{name}") for name in TOKEN_CLASSES},
        "big_in": scan.quantities["prompt"][(mark,)],
        "big_out": scan.quantities["output"][(mark,)],
    }
    rows = usage.filter(scan.billed, ~nw.col("model").is_null()).select(
        nw.col("row_id"), *(e.alias(n) for n, e in wanted.items()), *(e.alias(n) for n, e in amounts.items())
    )
    table = pa.RecordBatchReader.from_stream(nw.to_native(rows)).read_all()
    kind, examples = _kinds(table, tuple(wanted))
    first, days = days_of(scan.reach, scan.catalog, targets)
    rates: list[NDArray[np.float64] | None] = []
    for code, band, endpoint, model, passed, size, *rest in examples:
        group = Group(model, days[passed - 1] if passed else first, int(size), *rest)
        away = Group(target, group.on, int(band), *rest)
        free = gate(int(code), group, endpoint) is None
        rates.append(_rates(scan.catalog.price(group), scan.catalog.price(away, lenient=True)) if free else None)
    may = np.array([rate is not None for rate in rates], bool)[kind] if len(kind) else np.zeros(0, bool)
    if not may.any():
        return False
    of_kind = np.array([np.zeros(len(amounts)) if rate is None else rate for rate in rates])
    saving = np.zeros(table.num_rows)
    for n, name in enumerate(amounts):
        saving += table.column(name).to_numpy().astype(float) * of_kind[kind, n]
    chosen = np.flatnonzero(may)
    found = pa.table({"row_id": table.column("row_id").take(chosen), "saving": saving[chosen]})
    found = found.sort_by([("saving", "ascending"), ("row_id", "ascending")])
    many = int(share * len(chosen))
    rank = np.zeros(len(chosen), np.int32)
    rank[:many] += LEAST
    rank[len(chosen) - many :] += MOST
    parquet.write_table(pa.table({"row_id": found.column("row_id"), RANK: rank}), path)
    return True


def _kinds(table: Any, names: Sequence[str]) -> tuple[NDArray[np.int64], list[tuple[Any, ...]]]:
    """For each row the number of its combination of values; and each combination."""
    import numpy as np
    import pyarrow.compute as pc

    mixed = np.zeros(table.num_rows, np.int64)
    for name in names:
        column = pc.dictionary_encode(table.column(name).combine_chunks())
        codes = column.indices.fill_null(-1).to_numpy(zero_copy_only=False).astype(np.int64)
        mixed = mixed * (len(column.dictionary) + 1) + codes + 1
        mixed = np.unique(mixed, return_inverse=True)[1].reshape(-1)  # few, so that the product stays small
    _, example, kind = np.unique(mixed, return_index=True, return_inverse=True)
    columns = [table.column(name).take(example).to_pylist() for name in names]
    return kind.reshape(-1), list(zip(*columns, strict=True))


def _rates(now: Price | Unpriced, then: Price | Unpriced) -> NDArray[np.float64] | None:
    """What a token of each class saves, and of the prompt and the answer costs there: for the order alone, so no Decimal."""
    import numpy as np

    if isinstance(now, Unpriced) or isinstance(then, Unpriced):
        return None
    away = [-(then.usd(name) or 0) for name in ("input", "output")]
    return np.array([float(rate or 0) for rate in (*(now.usd(name) for name in TOKEN_CLASSES), *away)])
