"""Whether a request thought, and how many of its answer's tokens that were: they are never part of what a reader sees."""

from __future__ import annotations

from typing import TYPE_CHECKING

from claude_audit.tally import quantity

if TYPE_CHECKING:
    import narwhals.stable.v2 as nw

    from claude_audit.row_columns import Known
    from claude_audit.scan import Scan

FIELD = "thinking_tokens"
"""The column, and the quantity of a scan, that holds them."""


def never(known: Known) -> bool:
    """Whether no row of the store thinks, by what is known of its columns."""
    return known.empty("thinking") and known.at_most(FIELD) == 0


def thinks() -> nw.Expr:
    """True where the row says so or counts thinking tokens; what is not recorded is no thinking."""
    import narwhals.stable.v2 as nw

    return nw.col("thinking").fill_null(False) | (nw.col(FIELD).fill_null(0) > 0)


def counted() -> nw.Expr:
    """True where the row tells how many of its output tokens were thinking: it counts them, or says that it had none."""
    import narwhals.stable.v2 as nw

    return ~nw.col(FIELD).is_null() | ~nw.col("thinking").fill_null(True)


def thinking(scan: Scan) -> nw.Expr:
    """The thinking tokens of each row, 0 where none are counted, as a quantity that the levers before carry along."""
    import narwhals.stable.v2 as nw

    if "thinking" in scan.quantities:
        return scan.quantities["thinking"][()]
    return scan.quantity("thinking", nw.min_horizontal(nw.col(FIELD).fill_null(0), quantity("output")))


def in_agent_loop() -> nw.Expr:
    """True where the answer calls a tool, or waits for one: the next request depends on it."""
    import narwhals.stable.v2 as nw

    reason = nw.col("stop_reason").fill_null("")
    return (reason == "tool_use") | (reason == "pause_turn") | (nw.col("tools_used").fill_null(0) > 0)
