"""Conversations that came back after a break to a cache that had run out: their prompts were written again.

A request of a session is cold when more than the time to live (an hour where it writes for an hour, else five minutes) has
passed since the session's last request of that endpoint and model, and it writes at least half as much as that one had in
the cache and did not find all of that there. What it writes of that, less what reading it had cost, is the amount at most.
At least: what writing everything for an hour had saved on breaks of up to an hour, less what that had cost more on all
other writes; nothing for longer breaks, and nothing where the model has no price for an hour.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass, field
from decimal import Decimal

from claude_audit.bill import total
from claude_audit.money import EXACT, ZERO
from claude_audit.prompt_ends import flag
from claude_audit.rules import Finding, Log, Rule
from claude_audit.rules._cached_turns import HOUR, alive, turns, written_again
from claude_audit.rules._labels import NONE, where
from claude_audit.rules._priced import priced
from claude_audit.tally import Extra, Line, tally
from claude_audit.text import count
from claude_audit.usage import TOKEN_CLASSES
from claude_audit.waterfall import Grade

NAME = "cold_after_break"


@dataclass(slots=True)
class Lost:
    """What was written again, of one endpoint and model."""

    requests: int = 0
    tokens: int = 0
    most: list[Decimal] = field(default_factory=list)
    """US dollars."""
    saved_by_hours: list[Decimal] = field(default_factory=list)
    """US dollars that writing everything for an hour had saved, or (negative) cost more."""
    sells_hours: bool = True
    """There is a price for that."""


def _find(log: Log) -> Iterator[Finding]:
    catalog = log.audit.catalog
    found: dict[tuple[str, str], Lost] = defaultdict(Lost)
    for line in _lines(log):
        requests, soon, later, hour = map(int, line.more)
        again = soon + later + hour
        written = priced(line, {"cache_write_5m": soon + later, "cache_write_1h": hour}, catalog)
        read = priced(line, {"cache_read": again}, catalog)
        if written is None or read is None:
            continue  # tokens without a price: rule no_price
        of = found[line.labels[0] or NONE, line.name or NONE]
        of.requests += requests
        of.tokens += again
        of.most.append(EXACT.subtract(written, read))
        everything = line.tokens[TOKEN_CLASSES.index("cache_write_5m")]
        as_billed = priced(line, {"cache_write_5m": everything}, catalog)
        for_an_hour = priced(line, {"cache_write_1h": everything - soon, "cache_read": soon}, catalog)
        if as_billed is None or for_an_hour is None:
            of.sells_hours = False
        else:
            of.saved_by_hours.append(EXACT.subtract(as_billed, for_an_hour))
    for (endpoint, model), lost in found.items():
        if lost.requests:
            yield Finding(
                NAME,
                f"{endpoint} on {model}",
                f"{count(lost.requests, 'request')} came back to {'its' if lost.requests == 1 else 'their'} session after the "
                f"cache had run out, and wrote {lost.tokens:,} tokens again.",
                "write for an hour where people pause for less than that (whatif --cache-replay --cache-ttl 1h tells what it "
                "saves), or start afresh with less after a break",
                Grade.BOUNDED,
                max(ZERO, total(lost.saved_by_hours)) if lost.sells_hours else ZERO,
                total(lost.most),
                (f"claude-audit spend --by day,token_type {where('endpoint', endpoint)} {where('model', model)}",),
            )


def _lines(log: Log) -> list[Line]:
    """The tally of requests in sessions by endpoint, with the number of cold ones, and the tokens that they write again: of
    5-minute entries after breaks of up to an hour, and after longer ones; of 1-hour entries."""
    import narwhals.stable.v2 as nw

    audit, reach = log.audit, log.audit.reach
    if reach is None:
        return []
    held, wrote, for_an_hour = (nw.col(f"turn_{name}") for name in ("held", "wrote", "hour"))
    # What others read from the same entry, or kept alive, has not run out: then nothing is written again.
    out = (1 - alive()) * flag(2 * wrote >= held) * flag(written_again() > 0)
    again = out * written_again()
    soon = (1 - for_an_hour) * flag(nw.col("turn_gap") <= HOUR)
    sums = {
        "cold": out,
        "cold_soon": again * soon,
        "cold_later": again * (1 - for_an_hour - soon),
        "cold_of_an_hour": again * for_an_hour,
    }
    return tally(turns(log, "model"), reach, audit.catalog, audit.engine, ["endpoint"], extra=Extra({}, sums))


RULE = Rule(NAME, "caches that ran out during a break", _find, __doc__ or "", ("session",))
