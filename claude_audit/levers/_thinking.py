"""Whether a request thought, or was a step of an agent: such answers can not be treated like any other."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import narwhals.stable.v2 as nw


def thinks() -> nw.Expr:
    """True where the row says so or counts thinking tokens; what is not recorded is no thinking."""
    import narwhals.stable.v2 as nw

    return nw.col("thinking").fill_null(False) | (nw.col("thinking_tokens").fill_null(0) > 0)


def in_agent_loop() -> nw.Expr:
    """True where the answer calls a tool, or waits for one: the next request depends on it."""
    import narwhals.stable.v2 as nw

    reason = nw.col("stop_reason").fill_null("")
    return (reason == "tool_use") | (reason == "pause_turn") | (nw.col("tools_used").fill_null(0) > 0)
