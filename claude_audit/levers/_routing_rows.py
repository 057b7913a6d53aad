"""Who could answer on a smaller model: what the engine says of each row, from the row as logged.

A row is kept where it is by one of GATES, or belongs to one of three nested sets: certain, likely, possible.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from decimal import Decimal
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import narwhals.stable.v2 as nw

    from claude_audit.rates import Model
    from claude_audit.scan import Scan

SIMPLE_TASKS = ("classify", "extract", "yes_no", "route", "triage", "format", "short_summary")
UNFINISHED = ("tool_use", "pause_turn", "max_tokens", "refusal", "model_context_window_exceeded")
"""Stop reasons of answers that a smaller model may not have ended alike."""
CERTAIN, LIKELY, POSSIBLE = "certain", "likely", "possible"
NESTED = ((CERTAIN,), (CERTAIN, LIKELY), (CERTAIN, LIKELY, POSSIBLE))
"""The sets that a bound is taken over, each with all that is in it."""
LIMITS = (2000, 150)
"""Tokens of a simple prompt and a simple answer at most, where nobody says otherwise."""

GATES = (
    "pass of a longer call, or a sum of several",
    "no room on the target",
    "answer not ended by itself",
    "tools used",
    "thinking",
    "images",
)
"""What a row shows that keeps it where it is, in the order in which they are told."""
SESSION = "its cached session holds a request that must stay"
CODES = (*GATES, CERTAIN, LIKELY, POSSIBLE, SESSION)
"""What the engine says of a row, as a number. From CERTAIN to SESSION, the higher the harder to move."""


def code(
    scan: Scan,
    target: Model,
    prompt: nw.Expr,
    output: nw.Expr,
    longest: Sequence[int | None],
    limits: tuple[int, int],
    no_room: nw.Expr | None = None,
) -> nw.Expr:
    """A place in CODES. `prompt` and `output`: tokens as the target counts them; `longest`: what both are at most.

    `limits`: of a simple prompt and answer. `no_room`: what else counts as no room on the target.
    """
    import narwhals.stable.v2 as nw

    from claude_audit.levers._thinking import never, thinks

    known = scan.reach.known
    logged, answered = scan.quantities["prompt"][()], scan.quantities["output"][()]
    certain = scan.among("task", SIMPLE_TASKS)
    likely = nw.col("task").is_null() & (logged <= limits[0]) & (answered <= limits[1])
    if known.at_most("message_count") != 0:
        likely = likely & (nw.col("message_count").fill_null(1) <= 1)
    if known.at_most("tools_defined") != 0:
        likely = likely & (nw.col("tools_defined").fill_null(0) == 0)
    too_large: nw.Expr = nw.lit(False)
    most_in, most_out = longest
    if most_in is None or most_out is None or most_in + most_out > target.context:
        too_large = prompt + output > target.context
    if most_out is None or most_out > target.max_output:
        too_large = too_large | (output > target.max_output)
    closed = (
        ~scan.call,
        too_large if no_room is None else too_large | no_room,
        scan.among("stop_reason", UNFINISHED),
        nw.lit(False) if known.at_most("tools_used") == 0 else nw.col("tools_used").fill_null(0) > 0,
        nw.lit(False) if never(known) else thinks(),
        nw.lit(False) if known.empty("has_images") else nw.col("has_images").fill_null(False),
    )
    found: nw.Expr = nw.lit(CODES.index(POSSIBLE))
    for n, holds in reversed(list(enumerate((*closed, certain, likely)))):
        found = nw.when(holds).then(nw.lit(n)).otherwise(found)
    return found


def session_code(scan: Scan, own: str, stays: nw.Expr) -> nw.Expr:
    """The code of the hardest row of a row's session, where that session is cached; else its own (the column `own`).

    `stays`: whether a row must stay for what its price group shows. Binds columns to the scan.
    """
    import narwhals.stable.v2 as nw

    from claude_audit.prompt_ends import either, flag

    first, last = CODES.index(CERTAIN), CODES.index(SESSION)
    shut = nw.col(own) < first
    scan.bind(
        route_hard=either(shut | stays, last, nw.col(own)),
        route_read=flag(scan.cached > 0),
    )
    scan.bind(
        route_worst=nw.col("route_hard").max().over("session"),
        route_warm=nw.col("route_read").max().over("session"),
    )
    together = ~nw.col("session").is_null() & (nw.col("route_warm") > 0) & ~shut
    return either(together, nw.col("route_worst"), nw.col(own))


def ask(scan: Scan, model: Model, prompt: int, marks: Mapping[Decimal, str], others: Sequence[str]) -> nw.Expr:
    """Ask for what a router of that model reads, with an instruction of `prompt` tokens; and what that is of each row.

    `marks`: of the variants of a routed prompt, by tokenizer factor. Their first mark names the lever. `others`: models
    that count otherwise than the router.
    """
    from claude_audit.levers._tokenizers import recount
    from claude_audit.tally import size

    own = next(iter(marks.values()))
    for factor, mark in marks.items():
        for variant in [v for v in scan.quantities["prompt"] if v and v[-1] == mark]:
            read = recount(scan, factor, model, others)(scan.quantities["prompt"][variant[:-1]]) + prompt
            scan.sums["+".join(("router", *variant))] = read
            if model.id in scan.catalog.banded_models:
                bands = len(scan.catalog.thresholds) + 1
                scan.key("+".join(("router_size", *variant)), size(scan.catalog, read), bands)
    return scan.sums[f"router+{own}"]
