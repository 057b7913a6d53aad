"""Requests that look as if nobody waited for them: sent in bursts, or at the same hour day after day. An upper bound.

A candidate is one call, not streamed, of no session and no user, that called no tool, and whose piece of work (`unit`) has
no later call within 24 hours. Its template (workspace, endpoint, model, and the prefix's hash where one is logged) came in
a burst, 20 or more with half of the gaps under 2 seconds, or keeps hours like a cron job: 80 % of its requests within one
2-hour slot of the day (UTC), on 5 days or more. A log that records neither stream nor session nor user cannot tell: there
every call outside agent loops is one.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal
from typing import TYPE_CHECKING, Any

from claude_audit.money import ZERO, dollars, exact
from claude_audit.text import count

if TYPE_CHECKING:
    import narwhals.stable.v2 as nw

    from claude_audit.engines import Engine

CANDIDATE = "batch_candidate"
"""The column, and the key of the tally: a place in WHY."""
WHY = (None, "a burst", "the same hours every day", "no field tells that somebody waited")
BURST, MEDIAN_GAP, BREAK = 20, 2_000_000, 60_000_000
"""Requests of a burst at least; the median gap, and the gap that ends it, in microseconds."""
CRON_SHARE, CRON_DAYS = 0.8, 5
HOUR, DAY = 3_600_000_000, 86_400_000_000
NAMED = 5
"""Endpoints in a sentence."""
FIELDS = ("stream", "session", "user")
"""What tells that somebody waits."""


@dataclass(frozen=True, slots=True)
class Candidates:
    """Requests of an endpoint that could go in batches."""

    endpoint: str
    why: str
    requests: int
    usd: Decimal
    saving: Decimal
    """At most, US dollars."""

    def as_document(self) -> dict[str, Any]:
        """As JSON carries it."""
        usd = {"usd": exact(self.usd), "saving_at_most_usd": exact(self.saving)}
        return {"endpoint": self.endpoint, "why": self.why, "requests": self.requests, **usd}


def words(found: Sequence[Candidates], told: bool) -> list[str]:
    """What was found, and that it stays out of the sum."""
    if not found:
        return ["No request looks as if nobody waited for it."]
    saving = sum((each.saving for each in found), ZERO)
    named = "; ".join(
        f"{each.endpoint} ({count(each.requests, 'request')}, at most {dollars(each.saving)}, {each.why})"
        for each in found[:NAMED]
    )
    more = f"; and {len(found) - NAMED} more" if len(found) > NAMED else ""
    said = [
        f"Candidates, worth at most {dollars(saving)}, in the high end only: {named}{more}. Ask who waits for them, then say "
        f"--batch ENDPOINT."
    ]
    if not told:
        said.append(
            "The log records neither stream nor session nor user: every call outside agent loops is a candidate."
        )
    return said


def marked(usage: nw.LazyFrame[Any], engine: Engine) -> tuple[nw.LazyFrame[Any], bool]:
    """The rows, each with whether and why it is a candidate; and whether the log can tell."""
    import narwhals.stable.v2 as nw

    from claude_audit.levers._thinking import in_agent_loop
    from claude_audit.prompt_ends import flag

    told = engine.rows(usage.select(*(flag(~nw.col(name).is_null()).sum().alias(name) for name in FIELDS)))[0]
    alone = (nw.col("row_kind") == "call") & (nw.col("requests") == 1) & nw.col("unbilled").is_null() & ~in_agent_loop()
    if not any(told):
        return usage.with_columns((flag(alone.fill_null(False)) * (len(WHY) - 1)).alias(CANDIDATE)), False
    parts = (nw.col(name).fill_null("") for name in ("workspace", "endpoint", "model_raw", "prefix_hash"))
    free = alone & ~nw.col("stream").fill_null(False) & nw.col("session").is_null() & nw.col("user").is_null()
    start = nw.lit(datetime(1970, 1, 1, tzinfo=UTC))
    rows = usage.with_columns(
        batch_of=nw.concat_str(*parts, separator="\x1f"), batch_at=(nw.col("ts") - start).dt.total_microseconds()
    )
    later = (nw.col("batch_at").shift(-1) - nw.col("batch_at")).over("unit", order_by="batch_at")
    rows = rows.with_columns(batch_next=later)
    waited = ~nw.col("unit").is_null() & (nw.col("batch_next") <= DAY).fill_null(False)
    rows = rows.with_columns(batch_may=flag((free & ~waited).fill_null(False)), batch_one=nw.lit(1))
    burst, rows = _bursts(rows)
    cron, rows = _crons(rows)
    kind = flag(burst) + flag(~burst & cron) * 2
    return rows.with_columns((kind * nw.col("batch_may")).alias(CANDIDATE)), True


OF = ("batch_of", "batch_may")
"""Candidates of one template, apart from its other rows."""


def _bursts(rows: nw.LazyFrame[Any]) -> tuple[nw.Expr, nw.LazyFrame[Any]]:
    """Whether a row is in a burst; and the rows with what tells."""
    import narwhals.stable.v2 as nw

    from claude_audit.prompt_ends import flag

    gap = (nw.col("batch_at") - nw.col("batch_at").shift(1)).over(*OF, order_by="batch_at")
    rows = rows.with_columns(batch_gap=gap)
    rows = rows.with_columns(batch_new=flag((nw.col("batch_gap") > BREAK).fill_null(True)))
    rows = rows.with_columns(
        batch_run=nw.col("batch_new").cum_sum().over(*OF, order_by="batch_at"),
        batch_step=nw.when(nw.col("batch_new") == 0).then(nw.col("batch_gap")),
    )
    rows = rows.with_columns(
        batch_many=nw.col("batch_one").sum().over(*OF, "batch_run"),
        batch_median=nw.col("batch_step").median().over(*OF, "batch_run"),
    )
    return (nw.col("batch_many") >= BURST) & (nw.col("batch_median") < MEDIAN_GAP).fill_null(False), rows


def _crons(rows: nw.LazyFrame[Any]) -> tuple[nw.Expr, nw.LazyFrame[Any]]:
    """Whether a row's template keeps hours; and the rows with what tells. Slots begin at even hours, or at odd ones."""
    import narwhals.stable.v2 as nw

    from claude_audit.prompt_ends import flag

    rows = rows.with_columns(
        batch_day=nw.col("batch_at") // DAY,
        batch_even=nw.col("batch_at") % DAY // (2 * HOUR),
        batch_odd=(nw.col("batch_at") + HOUR) % DAY // (2 * HOUR),
        batch_all=nw.col("batch_one").sum().over(*OF),
    )
    for slot in ("batch_even", "batch_odd"):
        before = nw.col("batch_day").shift(1).over(*OF, slot, order_by="batch_at")
        rows = rows.with_columns(
            before.alias(f"{slot}_before"), nw.col("batch_one").sum().over(*OF, slot).alias(f"{slot}_n")
        )
        first = flag((nw.col("batch_day") != nw.col(f"{slot}_before")).fill_null(True))
        rows = rows.with_columns(first.alias(f"{slot}_first"))
        rows = rows.with_columns(nw.col(f"{slot}_first").sum().over(*OF, slot).alias(f"{slot}_days"))
        keeps = (nw.col(f"{slot}_n") >= CRON_SHARE * nw.col("batch_all")) & (nw.col(f"{slot}_days") >= CRON_DAYS)
        rows = rows.with_columns(flag(keeps).alias(f"{slot}_keeps"))
        rows = rows.with_columns(nw.col(f"{slot}_keeps").max().over(*OF).alias(f"{slot}_cron"))
    return (nw.col("batch_even_cron") + nw.col("batch_odd_cron")) > 0, rows
