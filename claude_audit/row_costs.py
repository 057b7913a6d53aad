"""Every row with its own exact cost: each price group is priced once, and its prices multiply whole columns.

The prices of one token are made where all money is made (bill.py); here they meet the rows, in 256-bit decimals that
hold every digit. A row's cost is what the bill of that row alone would be.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from decimal import Decimal
from functools import reduce
from typing import TYPE_CHECKING, Any

from claude_audit.bill import COMPONENTS, SEARCHES, cost
from claude_audit.errors import AuditError
from claude_audit.rates import Group, Price, Unpriced
from claude_audit.tally import Reach, epoch_day, line_keys, model_facts, with_model_facts
from claude_audit.usage import NAMES, TOKEN_CLASSES, TOKEN_COLUMNS

if TYPE_CHECKING:
    import narwhals.stable.v2 as nw
    import pyarrow as pa

    from claude_audit.catalog import Catalog
    from claude_audit.engines import Engine

TEXTS = ("model", "tier", "speed", "geo", "provider", "routing", "region")
WHOLE = ("epoch", "size")
"""The two kinds of keys that decide a price (tally.line_keys, with g_ before them)."""
PRICE = "g_price"
QUANTITY_DIGITS, PRICE_DIGITS = 19, 50
"""A 64-bit count times such a price, six of them added up, stays within the 76 digits of a 256-bit decimal."""
WIDEST = 24
"""Decimal places of a cost up to which it is written with 128 bits, which more readers know."""


@dataclass(frozen=True, slots=True)
class PricedRows:
    """The rows in the order of time, in batches: the columns of the usage table, then cost_usd, price_row and no_price."""

    schema: pa.Schema
    batches: Iterator[pa.RecordBatch]


def priced_rows(usage: nw.LazyFrame[Any], reach: Reach, catalog: Catalog, engine: Engine) -> PricedRows:
    """Each row of `usage` with cost_usd (exact; null without a price, 0 for free calls), where its price stands, or why
    it has none. The costs add up to the bill of the rows.

    Raises AuditError when prices of the user's own have more digits than a cost can carry.
    """
    import narwhals.stable.v2 as nw

    keys = {name: line_keys((), reach, catalog)[f"g_{name}"] for name in (*TEXTS, *WHOLE)}
    facts = model_facts(reach, catalog)
    known = with_model_facts(usage, engine, reach, facts)
    met = engine.rows(known.select(**keys).unique())
    if not met:
        raise AuditError("no requests are left by these filters", "claude-audit spend --by month shows what there is")
    prices = _Prices.of([catalog.price(_group(row, reach, catalog)) for row in met], catalog)
    # A join does not match null with null: where a key was not recorded, a text stands that no row has.
    absent = "(none)"
    while any(absent in row for row in met):
        absent += "'"
    table: dict[str, Sequence[str] | Sequence[int]] = {
        f"k_{name}": [row[n] if n >= len(TEXTS) else (absent if row[n] is None else row[n]) for row in met]
        for n, name in enumerate(keys)
    }
    keyed = {f"k_{name}": key.fill_null(absent) if name in TEXTS else key for name, key in keys.items()}
    typed = {name: key if name[2:] in TEXTS else key.cast(nw.Int64) for name, key in keyed.items()}
    joined = known.with_columns(**typed).join(
        engine.table(table | {PRICE: list(range(len(met)))}), on=list(keyed), how="left"
    )
    read, batches = engine.batches(joined.select(*NAMES, PRICE).sort("ts", "row_id"))
    schema = prices.schema(read)
    return PricedRows(schema, (prices.applied(batch, schema) for batch in batches))


def _group(row: tuple[Any, ...], reach: Reach, catalog: Catalog) -> Group:
    model, tier, speed, geo, provider, routing, region, passed, size = row
    return Group(model, epoch_day(int(passed), reach, catalog), int(size), tier, speed, geo, provider, routing, region)


@dataclass(frozen=True, slots=True)
class _Prices:
    """What one token of each class, and one search, costs in each price group; null: no price."""

    usd: dict[str, pa.Array]
    priced: pa.Array
    where: pa.Array
    reason: pa.Array
    places: int

    @classmethod
    def of(cls, prices: Sequence[Price | Unpriced], catalog: Catalog) -> _Prices:
        import pyarrow as pa

        fee = catalog.search_fee()[0]
        units = {
            name: [None if isinstance(price, Unpriced) else _unit(price, name, fee) for price in prices]
            for name in COMPONENTS
        }
        every = [usd for column in units.values() for usd in column if usd is not None]
        places = max([10, *(-int(usd.as_tuple().exponent) for usd in every)])
        kind = pa.decimal256(PRICE_DIGITS, min(places, PRICE_DIGITS - 4))
        try:
            usd = {name: pa.array(column, type=kind) for name, column in units.items()}
        except pa.ArrowInvalid as error:
            raise AuditError(
                f"a price of one token has {places} decimal places, and a row's cost can carry {PRICE_DIGITS - 4}",
                "round the prices and discounts in your own price file, or export groups of rows (--by)",
            ) from error
        return cls(
            usd,
            pa.array([not isinstance(price, Unpriced) for price in prices]),
            pa.array([None if isinstance(price, Unpriced) else price.rate.where for price in prices], pa.string()),
            pa.array([price.reason if isinstance(price, Unpriced) else None for price in prices], pa.string()),
            places,
        )

    def schema(self, read: pa.Schema) -> pa.Schema:
        """Of the rows as they are handed out."""
        import pyarrow as pa

        kind = pa.decimal128(38, self.places) if self.places <= WIDEST else pa.decimal256(76, self.places)
        more = [("cost_usd", kind), ("price_row", pa.string()), ("no_price", pa.string())]
        return pa.schema([*(read.field(name) for name in NAMES), *(pa.field(*field) for field in more)])

    def applied(self, batch: pa.RecordBatch, schema: pa.Schema) -> pa.RecordBatch:
        """The batch's rows with their costs."""
        import pyarrow as pa
        import pyarrow.compute as pc

        group = batch.column(PRICE)
        terms = []
        for name in COMPONENTS:
            columns = TOKEN_COLUMNS[name] if name in TOKEN_CLASSES else ("web_searches",)
            counts = [pc.fill_null(batch.column(column), 0) for column in columns]
            quantity = reduce(pc.add_checked, counts)
            product = pc.multiply(pc.cast(quantity, pa.decimal256(QUANTITY_DIGITS, 0)), self.usd[name].take(group))
            nothing = pa.scalar(Decimal(0), product.type)
            # A class without a price matters only to rows that hold such tokens.
            terms.append(pc.if_else(pc.equal(quantity, 0), nothing, product))
        usd = pc.cast(reduce(pc.add, terms), schema.field("cost_usd").type)
        billed = pc.is_null(batch.column("unbilled"))
        priced = self.priced.take(group)
        usd = pc.if_else(priced, usd, pa.scalar(None, usd.type))
        usd = pc.if_else(billed, usd, pa.scalar(Decimal(0), usd.type))
        reason = pc.coalesce(self.reason.take(group), pa.scalar("no price for cache tokens"))
        return pa.RecordBatch.from_arrays(
            [
                *(batch.column(name) for name in NAMES),
                usd,
                self.where.take(group),
                pc.if_else(pc.is_null(usd), reason, pa.scalar(None, pa.string())),
            ],
            schema=schema,
        )


def _unit(price: Price, name: str, fee: Decimal) -> Decimal | None:
    """US dollars of one token of that class, or of one search."""
    if name == SEARCHES:
        return fee
    usd = price.usd(name)
    return None if usd is None else cost(1, usd)
