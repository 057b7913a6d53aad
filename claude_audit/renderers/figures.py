"""How figures and names are written for people, the same on every surface."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from decimal import Decimal
from zoneinfo import ZoneInfo

from claude_audit.bill import SEARCHES
from claude_audit.money import dollars
from claude_audit.spend import Pareto, SpendRow, UnpricedUsage
from claude_audit.tally import Label
from claude_audit.text import count
from claude_audit.waterfall import Grade, Step

NONE = "(none)"
"""A label that was not recorded."""
NO_PRICE = "no price"

COMPONENT = {
    "input": "uncached input",
    "cache_read": "cache reads",
    "cache_write_5m": "cache writes, 5 min",
    "cache_write_1h": "cache writes, 1 hour",
    "output": "output",
    SEARCHES: "web searches",
}
"""What a bill is made of, in words."""

GRADE = {
    Grade.METERED: "arithmetic on billed tokens; no behaviour is assumed",
    Grade.REPLAYED: "replay of the log's timestamps and hashes under documented rules",
    Grade.BOUNDED: "a field is missing or the effect is an interval: between low and high",
    Grade.ASSUMED: "rests on a parameter that is not in the log",
}
"""What each grade means."""

_STEPS = (("", 1), ("K", 10**3), ("M", 10**6), ("B", 10**9), ("T", 10**12))


def compact(number: int) -> str:
    """A count in at most five characters: 950, 1.2K, 12.3M; whole below a thousand."""
    for (unit, size), (_, following) in zip(_STEPS, (*_STEPS[1:], ("", 0)), strict=True):
        shown = f"{number / size:.1f}" if unit and number < 99.95 * size else f"{number / size:,.0f}"
        if not following or float(shown.replace(",", "")) < 1000:
            return shown + unit
    raise AssertionError("unreachable")


def size(bytes_: int) -> str:
    """Bytes in the unit that a person would choose: 512 B, 4.1 MB."""
    if bytes_ < 1000:
        return f"{bytes_} B"
    for unit, factor in (("kB", 10**3), ("MB", 10**6), ("GB", 10**9)):
        if bytes_ < 999.95 * factor:
            return f"{bytes_ / factor:.1f} {unit}"
    return f"{bytes_ / 10**12:.1f} TB"


def percent(share: float | Decimal | None) -> str:
    """A share as 45.9 %. Rounding makes neither 0 nor 100 of what is something, or not all."""
    if share is None:
        return ""
    points = float(share) * 100
    if 0 < points < 0.05:
        return "<0.1 %"
    if 99.95 <= points < 100:
        return ">99.9 %"
    return f"{points:.1f} %"


def cost(row: SpendRow) -> str:
    """A row's dollars: at least that much where some of its requests have no price."""
    if row.cost_usd is None:
        return NO_PRICE
    return f"≥ {dollars(row.cost_usd)}" if row.unpriced_requests else dollars(row.cost_usd)


def label(value: Label) -> str:
    """A dimension's value; one that was not recorded says so."""
    return NONE if value is None else value or '""'


def lever(step: Step) -> str:
    """A step's lever and its argument: route simple: haiku."""
    return f"{title(step)}: {step.argument}" if step.argument else title(step)


def title(step: Step) -> str:
    """A step's lever as words: cache hit."""
    return step.lever.replace("_", " ")


def period(since: datetime | None, until: datetime | None, zone: ZoneInfo = ZoneInfo("UTC")) -> str:
    """The days of two instants, in that zone: Nov 1 to Nov 20, 2026."""
    if since is None or until is None:
        return "no requests"
    first, last = since.astimezone(zone).date(), until.astimezone(zone).date()
    end = f"{last:%b} {last.day}, {last.year}"
    if first == last:
        return end
    begin = f"{first:%b} {first.day}" + (f", {first.year}" if first.year != last.year else "")
    return f"{begin} to {end}"


def pareto(found: Pareto, what: str) -> str:
    """How concentrated the spend is, in a sentence or two. `what`: the things that are counted, in the plural."""
    fifth = f"The top fifth ({found.top} of {found.groups} {what}) makes {percent(found.top_share)} of the spend"
    eighty = f"{found.needed} {'makes' if found.needed == 1 else 'make'} 80 %"
    if found.holds:
        return f"{fifth}; {eighty}."
    return f"{fifth}. 80/20 does not hold here: it takes {found.needed} of {found.groups} to make 80 %."


def plural(by: Sequence[str]) -> str:
    """What the groups of these dimensions are called: endpoints; endpoint-model pairs."""
    if len(by) == 1:
        name = by[0].removeprefix("tag:").replace("_", " ")
        return name + ("es" if name.endswith(("s", "x", "ch", "sh")) else "s")
    return "groups"


def unpriced(usage: UnpricedUsage) -> str | None:
    """What has no price, plainly; None when everything has one."""
    if not usage.requests and not usage.passes:
        return None
    parts = [count(usage.requests, "request")] if usage.requests else []
    if usage.passes:
        parts.append(f"{usage.passes:,} further pass{'' if usage.passes == 1 else 'es'} of calls")
    have = "has" if usage.requests + usage.passes == 1 else "have"
    which = "; ".join(f"{model}: {why}" + (f" ({n:,})" if n else "") for model, why, n in usage.reasons)
    return f"{' and '.join(parts)} {have} no price and {'is' if have == 'has' else 'are'} not in the total. {which}"
