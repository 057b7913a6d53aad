"""Whether a request thought: its answer can then not be capped or handed to a smaller model like any other."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import narwhals.stable.v2 as nw


def thinks() -> nw.Expr:
    """True where the row says so or counts thinking tokens; what is not recorded is no thinking."""
    import narwhals.stable.v2 as nw

    return nw.col("thinking").fill_null(False) | (nw.col("thinking_tokens").fill_null(0) > 0)
