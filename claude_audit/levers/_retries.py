"""Which calls a later call replaced, and how they had ended.

Three ways to tell, the surest first: a later call names it (`retry_of`); the next call with the same request_hash comes
within an hour; the next call of the same session and endpoint comes within a minute, with a prompt of the same size within
2 %. But for the first way, the call must have ended badly: cut at its cap, refused, broken off, not usable. Gaps are
counted from its end, where the log tells it, else from its start.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from claude_audit.levers._verdicts import IN_ORDER, lasted, one_call, started
from claude_audit.tally import quantity

if TYPE_CHECKING:
    import narwhals.stable.v2 as nw
    import pyarrow as pa

    from claude_audit.engines import Engine

NAMED, CUT, REFUSED, BROKEN_OFF, UNUSABLE = 1, 2, 3, 4, 5
ENDS = {
    CUT: "cut at max_tokens",
    REFUSED: "refused",
    BROKEN_OFF: "timed out or failed",
    UNUSABLE: "answer not usable",
    NAMED: "asked again (retry_of)",
}
"""How a replaced call had ended."""
FULL = ("max_tokens", "model_context_window_exceeded")
SAME_HASH_US = 3_600_000_000
SAME_SESSION_US = 60_000_000
ALIKE = 50
"""Prompts of the same size within 1/50."""


@dataclass(frozen=True, slots=True)
class Seen:
    """What a log tells of retries, in calls."""

    hashed: int
    in_sessions: int
    naming: int
    """Calls that name another one which they repeat."""
    ending: int
    """Calls that say how they ended."""
    possible: int
    """Calls that ended badly and may have been replaced, without a hash or a session to tell."""
    free: int
    """Calls that failed for free."""


def unknown_output() -> nw.Expr:
    """Whether what a billed call answered is not known: the client had gone, or the stream was cut."""
    import narwhals.stable.v2 as nw

    return (
        nw.col("output_tokens").is_null()
        | nw.col("flags").list.contains("partial_stream").fill_null(False)
        | ((nw.col("status") == "timeout").fill_null(False) & (quantity("output") == 0))
    )


def ended_badly() -> nw.Expr:
    """A place in ENDS, 0 for a call that ended well."""
    import narwhals.stable.v2 as nw

    stop, status = nw.col("stop_reason"), nw.col("status")
    return (
        nw.when(status.is_in(["timeout", "error"]) | unknown_output())
        .then(nw.lit(BROKEN_OFF))
        .when((status == "refused") | (stop == "refusal"))
        .then(nw.lit(REFUSED))
        .when(status == "invalid")
        .then(nw.lit(UNUSABLE))
        .when(stop.is_in(list(FULL)))
        .then(nw.lit(CUT))
        .otherwise(nw.lit(0))
    )


def _calls(usage: nw.LazyFrame[Any]) -> nw.LazyFrame[Any]:
    """The billed calls, with what tells one from its retry."""
    import narwhals.stable.v2 as nw

    cached = quantity("cache_read") + quantity("cache_write_5m") + quantity("cache_write_1h")
    latency = lasted()
    return usage.filter(one_call(), nw.col("unbilled").is_null()).select(
        "call_key", "request_id", "retry_of", "request_hash", "session", "endpoint", "stop_reason",
        *(nw.col(name).fill_null(-1) if name == "line" else nw.col(name) for name in IN_ORDER),
        model=nw.coalesce(nw.col("model"), nw.col("model_raw")),
        start=started(),
        until=started() + latency.fill_null(0),
        prompt=quantity("input") + cached,
        bad=ended_badly(),
    )  # fmt: skip


def replaced(usage: nw.LazyFrame[Any], engine: Engine) -> tuple[dict[str, Any], Seen]:
    """A table by call_key of how it had ended (a place in ENDS) and its retry's prompt in tokens; and what the log tells."""
    import narwhals.stable.v2 as nw

    calls = _calls(usage)
    seen = _seen(usage, calls, engine)
    bad = nw.col("bad") > 0
    found = []
    if seen.naming:
        naming = calls.filter(~nw.col("retry_of").is_null())
        naming = naming.select("retry_of", again="prompt", next="start", at="line")
        later = nw.col("next") > nw.col("start")  # two that name each other: the later one stays
        later = later | ((nw.col("next") == nw.col("start")) & (nw.col("at") > nw.col("line")))
        found.append(
            calls.drop("retry_of")
            .join(naming, left_on="request_id", right_on="retry_of")
            .filter(later)
            .select("call_key", "again", end=nw.when(bad).then(nw.col("bad")).otherwise(nw.lit(NAMED)))
        )
    if seen.hashed:
        by = "request_hash"
        hashed = calls.filter(~nw.col(by).is_null())
        good = nw.when(nw.col("bad") == 0).then(nw.col("start")).max().over(by)
        # What the same cap cuts again and again is no retry: a ping, or an answer of one token.
        other = (nw.col("bad") != CUT) | (good > nw.col("start")).fill_null(False)
        near = nw.col("next") - nw.col("until") <= SAME_HASH_US
        again = _next(hashed, (by,)).with_columns(other=other).filter(bad, near, nw.col("other"))
        found.append(again.select("call_key", "again", end="bad"))
    if seen.in_sessions:
        by_session = calls.filter(~nw.col("session").is_null()).with_columns(endpoint=nw.col("endpoint").fill_null(""))
        again = _next(by_session, ("session", "endpoint")).filter(bad, _alike(), _soon())
        found.append(again.select("call_key", "again", end="bad"))
    if not found:
        return {"call_key": [], "retry": [], "retry_again": []}, seen
    whole = nw.concat(found).group_by("call_key").agg(retry=nw.col("end").max(), retry_again=nw.col("again").max())
    return _table(whole), seen


def _next(calls: nw.LazyFrame[Any], by: tuple[str, ...]) -> nw.LazyFrame[Any]:
    """With the start and the prompt of the next call of the same kind."""
    import narwhals.stable.v2 as nw

    def after(name: str) -> nw.Expr:
        return nw.col(name).shift(-1).over(*by, order_by=IN_ORDER)

    return calls.with_columns(next=after("start"), again=after("prompt"))


def _alike() -> nw.Expr:
    import narwhals.stable.v2 as nw

    prompt, again = nw.col("prompt"), nw.col("again")
    return ((again - prompt).abs() * ALIKE <= prompt).fill_null(False)


def _soon() -> nw.Expr:
    import narwhals.stable.v2 as nw

    return (nw.col("next") - nw.col("until") <= SAME_SESSION_US).fill_null(False)


def _table(frame: nw.LazyFrame[Any]) -> dict[str, pa.Array]:
    import pyarrow as pa

    from claude_audit.levers._batches import batches

    found = list(batches(frame.select("call_key", "retry", "retry_again")))
    if not found:
        return {"call_key": [], "retry": [], "retry_again": []}
    table = pa.Table.from_batches(found)
    return {name: table.column(name) for name in table.column_names}


def _seen(usage: nw.LazyFrame[Any], calls: nw.LazyFrame[Any], engine: Engine) -> Seen:
    import narwhals.stable.v2 as nw

    def known(name: str) -> nw.Expr:
        return (~nw.col(name).is_null()).cast(nw.Int64).sum().alias(name)

    one = usage.filter(one_call())
    billed = one.filter(nw.col("unbilled").is_null())
    names = ("request_hash", "session", "retry_of", "stop_reason")
    hashed, sessions, naming, ending = (int(n or 0) for n in engine.rows(billed.select(*map(known, names)))[0])
    alone = calls.filter(nw.col("request_hash").is_null(), nw.col("session").is_null(), nw.col("retry_of").is_null())
    alone = alone.with_columns(endpoint=nw.col("endpoint").fill_null(""), model=nw.col("model").fill_null(""))
    likely = _next(alone, ("endpoint", "model")).filter(nw.col("bad") > 0, _alike(), _soon())
    possible = int(engine.rows(likely.select(n=nw.len()))[0][0])
    free = one.filter(nw.col("unbilled") == "error").select(n=nw.len())
    return Seen(hashed, sessions, naming, ending, possible, int(engine.rows(free)[0][0]))
