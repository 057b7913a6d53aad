"""The rows of a scan: with what is known of their models, what was bound and joined, and no column that nobody looks at."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from claude_audit.tally import line_sums, model_facts, with_model_facts

if TYPE_CHECKING:
    import narwhals.stable.v2 as nw

    from claude_audit.engines import Engine
    from claude_audit.scan import Scan


def rows_of(scan: Scan, usage: nw.LazyFrame[Any], by: Sequence[str], engine: Engine) -> nw.LazyFrame[Any]:
    """The rows as the tally of a scan by these dimensions needs them."""
    import narwhals.stable.v2 as nw

    if not scan.joins:  # a join may look at any column
        read = _text(scan, by)
        usage = usage.select(*(nw.col(name) for name in usage.collect_schema().names() if name in read))
    facts = {**model_facts(scan.reach, scan.catalog), **scan.facts}
    usage = with_model_facts(usage, engine, scan.reach, facts)
    for name, (column, texts) in scan.listed.items():
        usage = engine.among(usage, column, texts, name)
    usage = scan.columns.joined_to(usage)
    for join in scan.joins:
        usage = join(usage, by)
    return usage


def _text(scan: Scan, by: Sequence[str]) -> str:
    """A text in which all columns occur that the tally looks at, and what is bound and asked for."""
    asked = [*scan.line_keys(by).values(), *scan.keys.known.values(), *line_sums(scan.reach).values()]
    asked += [*scan.sums.values(), *scan.lowest.values(), *scan.highest.values()]
    asked += [quantity for variants in scan.quantities.values() for quantity in variants.values()]
    listed = [column for column, _ in scan.listed.values()]
    return " ".join(("model", *listed, scan.columns.text(), *map(repr, asked)))
