"""How figures and names are written for people, the same on every surface."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import UTC, datetime, tzinfo
from decimal import Decimal

from claude_audit.bill import SEARCHES, total
from claude_audit.budget import BudgetResult
from claude_audit.money import EXACT, dollars, exact
from claude_audit.spend import Pareto, Spend, SpendRow, UnpricedUsage
from claude_audit.tally import Label
from claude_audit.text import count
from claude_audit.usage import TOKEN_CLASSES
from claude_audit.waterfall import Grade, Step, Waterfall

NONE = "(none)"
"""A label that was not recorded."""
NO_PRICE = "no price"
WAY_OUT = "A model gets a price under prices: in the configuration; a record that names none, by ingest --assume-model."
"""For what has no price."""

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


def spent(usd: Decimal | None) -> str:
    """A total, unless nothing in it has a price."""
    return NO_PRICE if usd is None else dollars(usd)


def part(spend: Spend, component: str) -> tuple[str, str]:
    """(dollars, share of the total) of a component; tokens for nothing are of requests without a price."""
    usd = spend.components[component]
    if not usd and spend.unpriced.requests:
        return NO_PRICE, ""
    return dollars(usd), percent(float(usd / spend.total_usd) if spend.total_usd else None)


def rate(usd: Decimal) -> str:
    """A price, exact, with at least its cents: $0.20, $0.125."""
    whole, _, part = (exact(usd) or "0").partition(".")
    return f"${whole}.{part:0<2}"


def label(value: Label) -> str:
    """A dimension's value; one that was not recorded says so, and one that would look empty stands in quotes."""
    return NONE if value is None else value if value.strip() else f'"{value}"'


def lever(step: Step) -> str:
    """A step's lever and its argument: route simple: haiku."""
    return f"{title(step)}: {step.argument}" if step.argument else title(step)


def title(step: Step) -> str:
    """A step's lever as words: cache hit."""
    return step.lever.replace("_", " ")


def interval(step: Step) -> str:
    """Between what and what a step's saving is."""
    if step.low_usd == step.high_usd:
        return dollars(step.low_usd)
    return f"{dollars(step.low_usd)} to {dollars(step.high_usd)}"


def warnings(step: Step) -> tuple[str, ...]:
    """Where the step raises the bill, in words; never silent when it does."""
    if step.saving_usd < 0 and not step.warnings:
        return (f"{title(step)} RAISES the bill here by {dollars(-step.saving_usd)}.",)
    return step.warnings


def basis(step: Step) -> list[str]:
    """What the step assumes, and which requests its gates left out."""
    told = []
    if step.assumptions:
        told.append("assumes " + "; ".join(f"{a.name} {a.value} ({a.source})" for a in step.assumptions))
    if step.excluded:
        gates = (f"{e.gate}: {count(e.requests, 'request')}, {dollars(e.usd)}" for e in step.excluded)
        told.append("left out: " + "; ".join(gates))
    return told


def left_out(step: Step, most: int = 3) -> str:
    """Which requests its gates kept out, the dearest gates first; empty when none."""
    gates = sorted(step.excluded, key=lambda gate: (-gate.usd, gate.gate))
    told = [f"{e.gate} ({count(e.requests, 'request')}, {dollars(e.usd)})" for e in gates[:most]]
    rest = gates[most:]
    if rest:
        told.append(f"{len(rest)} more gates ({dollars(total(gate.usd for gate in rest))})")
    return "not touched: " + "; ".join(told) if told else ""


def taken_for_granted(step: Step) -> str:
    """The assumptions that nobody gave: defaults, and what was measured or the vendor says; empty when none."""
    told = [f"{a.name} {a.value} ({a.source})" for a in step.assumptions if a.source != "flag"]
    return "assumes " + "; ".join(told) if told else ""


def reach(step: Step) -> str:
    """How many requests it changes, and what they cost before it; empty when none."""
    if not step.requests_changed:
        return "changes no request"
    told = f"changes {count(step.requests_changed, 'request')}"
    if step.eligible is None or step.eligible.request_share is None:
        return told
    spend = f"{percent(step.eligible.usd_share)} of the spend" if step.eligible.usd_share is not None else ""
    shares = ", ".join(filter(None, (f"{percent(step.eligible.request_share)} of them", spend)))
    if step.scope and len(step.scope.endpoints) == 1:
        shares += f", all of {label(step.scope.endpoints[0])}"
    return f"{told}: {shares}"


def lacks(step: Step) -> str:
    """Fields that are not in the log; empty when none."""
    return f"better with {', '.join(step.missing_fields)} in the log" if step.missing_fields else ""


def costs_to_do(step: Step) -> str:
    """What it takes, and what it may do to the answers: low effort, risk 3 of 4 (truncation)."""
    risk = step.quality_risk
    if not risk.level:
        return f"{step.effort.words} effort, no risk to answers"
    why = f" ({', '.join(risk.reasons)})" if risk.reasons else ""
    return f"{step.effort.words} effort, risk to answers {risk.level} of 4{why}"


def overlaps(waterfall: Waterfall, most: int = 3) -> Iterator[str]:
    """Which steps save the same dollars, and which help each other, in sentences; those that matter."""
    pairs: dict[frozenset[str], Decimal] = {}
    for step in waterfall.steps:
        for other in step.interacts_with or ():
            pairs[frozenset((step.lever, other.lever))] = other.overlap_usd
    least = abs(waterfall.saving_usd) / 100
    names = {step.lever: title(step) for step in waterfall.steps}
    told = sorted(((usd, pair) for pair, usd in pairs.items() if abs(usd) > least), key=lambda p: (-p[0], sorted(p[1])))
    shared = [(usd, pair) for usd, pair in told if usd > 0][:most]
    helped = [(usd, pair) for usd, pair in reversed(told) if usd < 0][:most]

    def both(pair: frozenset[str]) -> str:
        return " and ".join(name for lever, name in names.items() if lever in pair)

    if shared:
        yield "Saved by either, but only once: " + "; ".join(f"{dollars(u)} by {both(p)}" for u, p in shared) + "."
    if helped:
        yield "More together than apart: " + "; ".join(f"{dollars(-u)} by {both(p)}" for u, p in helped) + "."


def first_of(words: Sequence[str], most: int) -> list[str]:
    """The first sentences, and how many more there are; all of them when one at most would be left over."""
    if len(words) <= most + 1:
        return list(words)
    return [*words[:most], f"and {len(words) - most} more like that"]


def one_by_one(waterfall: Waterfall) -> str:
    """What to say beside the sum of the standalone savings: where it misleads, or when shares were asked for; else empty."""
    if waterfall.overlap is not None:
        return f"not a saving: these overlap {waterfall.overlap:.1f} times"
    twice = EXACT.subtract(waterfall.standalone_usd, waterfall.saving_usd)
    if waterfall.attribution == "waterfall" or not twice or len(waterfall.steps) < 2:
        return ""
    return f"not the total: {dollars(twice)} is in it twice" if twice > 0 else f"{dollars(-twice)} less than together"


def notes(waterfall: Waterfall) -> list[str]:
    """The notes, without the one that the head of a page says already."""
    return [note for note in waterfall.notes if not note.startswith("These savings overlap")]


def shortened(rows: Sequence[SpendRow], most: int | None) -> tuple[Sequence[SpendRow], SpendRow | None]:
    """The first `most` rows, and the others as one; all of them, and None, when one row at most would be left over."""
    if most is None or len(rows) <= most + 1:
        return rows, None
    return rows[:most], merged(rows[most:])


def merged(rows: Sequence[SpendRow]) -> SpendRow:
    """Several rows as one, so that a shortened table still adds up."""
    costs = [row.cost_usd for row in rows if row.cost_usd is not None]
    shares = [row.share for row in rows if row.share is not None]
    return SpendRow(
        labels=(),
        requests=None if any(row.requests is None for row in rows) else sum(row.requests or 0 for row in rows),
        unpriced_requests=sum(row.unpriced_requests for row in rows),
        tokens={name: sum(row.tokens[name] for row in rows) for name in TOKEN_CLASSES},
        cost_usd=total(costs) if costs else None,
        share=sum(shares) if shares else None,
    )


def standing(result: BudgetResult) -> str:
    """A budget's verdict in a word or two."""
    if result.verdict == "over":
        return "over" if result.actual_over else "heading over"
    return {"ok": "within", "at_risk": "may go over"}.get(result.verdict, result.verdict)


def verdict(result: BudgetResult) -> str:
    """The same with the budget: heading over the $500.00 budget."""
    return f"{standing(result)}{':' if result.verdict == 'undecided' else ''} the {dollars(result.limit_usd)} budget"


def period(since: datetime | None, until: datetime | None, zone: tzinfo = UTC) -> str:
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
    if found.holds:
        return f"{fifth}; {'one alone makes' if found.needed == 1 else f'{found.needed} of them make'} 80 %."
    return f"{fifth}. 80/20 does not hold here: it takes {found.needed} of {found.groups} to make 80 %."


def grades(waterfall: Waterfall) -> list[tuple[str, str]]:
    """The grades of its steps, strongest first, and what they mean."""
    met = {step.grade for step in waterfall.steps}
    return [(grade.value, words) for grade, words in GRADE.items() if grade in met]


def dimension(name: str) -> str:
    """A dimension's name as a heading: Api key; a tag's is its own."""
    return name.removeprefix("tag:") if name.startswith("tag:") else name.replace("_", " ").capitalize()


def sentence(text: str) -> str:
    """A note as a sentence of its own."""
    return text[:1].upper() + text[1:] + ("" if text.endswith((".", "!", "?", ":")) else ".")


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
    which = "; ".join(f"{model}: {why}" + (f" ({n:,})" if n else "") for model, why, n in reasons(usage))
    return f"{' and '.join(parts)} {have} no price and {'is' if have == 'has' else 'are'} not in the total. {which}"


def reasons(usage: UnpricedUsage) -> list[tuple[str, str, int]]:
    """(model as logged, why it has no price, requests)."""
    return [(model, "no model named" if model == NONE else why, n) for model, why, n in usage.reasons]
