"""What changed between two periods, in sentences, and as JSON, CSV or Markdown."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from decimal import Decimal
from typing import TYPE_CHECKING, Any

from claude_audit.diff import PARTS
from claude_audit.money import dollars, exact
from claude_audit.renderers import figures
from claude_audit.renderers.columns import as_csv, as_markdown, markdown_text
from claude_audit.renderers.figures import percent
from claude_audit.text import count, day_name

if TYPE_CHECKING:
    from claude_audit.diff import Amount, Change, Diff, Side
    from claude_audit.tally import Label

WORDS = {
    "volume": ("more requests", "fewer requests"),
    "input": ("more uncached input per request", "less uncached input per request"),
    "cache": ("more cached input per request", "less cached input per request"),
    "output": ("longer answers", "shorter answers"),
    "web_search": ("more web searches per request", "fewer web searches per request"),
    "mix": ("a dearer mix of tiers, models or prompt sizes", "a cheaper mix of tiers, models or prompt sizes"),
    "price": ("higher prices", "lower prices"),
    "new": ("what is new", "what is new"),
    "gone": ("what is gone", "what is gone"),
}
"""A part that adds to the cost, and one that takes from it, in words."""
SHORT = {"volume": "requests", "web_search": "searches"}
"""Parts whose name in a narrow column is another one."""
MOST_CAUSES = 3
WORTH_TELLING = Decimal("0.05")
"""The share of all movements below which a cause is not in the sentence."""


def signed(usd: Decimal | None) -> str:
    """A change in dollars with its sign: +$1.20, -$3.00; a dash where it is not known."""
    if usd is None:
        return "-"
    return f"+{dollars(usd)}" if usd > 0 else dollars(usd)


def cause(row: Change) -> str:
    """What made most of a row's change, in one word."""
    return SHORT.get(row.cause, row.cause) if row.cause else ""


def words(found: Diff, part: str, usd: Decimal) -> str:
    """A part in words: more requests."""
    text = WORDS[part][usd < 0]
    if part == "volume" and (found.after.amount.requests - found.before.amount.requests) * usd <= 0:
        return f"{text} where they cost most"  # each group counts its own, so the dear ones decide
    return text


def verdict(found: Diff) -> str:
    """How much more or less, and why, in a sentence."""
    before, after, change = _name(found, found.before), _name(found, found.after), found.change_usd
    if unknown := [_name(found, side) for side in (found.before, found.after) if _unknown(side)]:
        return f"How {after} compares with {before} is not known: no request of {' or '.join(unknown)} has a price."
    if not change and not any(found.parts.values()):
        return f"{_first(after)} cost as much as {before}: {dollars(found.after.usd)}."
    if change:
        shares = [] if found.change_share is None else [_signed_percent(found.change_share)]
        if _lengths_differ(found) and found.per_day_share is not None:
            shares.append(f"a day {_signed_percent(found.per_day_share)}")
        head = f"{_first(after)} cost {dollars(abs(change))} {'more' if change > 0 else 'less'} than {before}"
        head += f" ({'; '.join(shares)})" if shares else ""
    else:
        head = f"{_first(after)} cost as much as {before}, for other reasons"
    return f"{head}: {'; '.join(_causes(found))}."


def _unknown(side: Side) -> bool:
    return side.amount.usd is None and side.amount.unpriced_requests > 0


def _cost(side: Side) -> str:
    return figures.NO_PRICE if _unknown(side) else dollars(side.usd)


def _lengths_differ(found: Diff) -> bool:
    return found.before.covered.count != found.after.covered.count


def _causes(found: Diff) -> Iterator[str]:
    parts = {name: usd for name, usd in found.parts.items() if usd}
    moved = sum(abs(usd) for usd in parts.values())
    ranked = sorted(parts, key=lambda name: -abs(parts[name]))
    for name in [part for n, part in enumerate(ranked) if not n or abs(parts[part]) >= WORTH_TELLING * moved][
        :MOST_CAUSES
    ]:
        usd, details = parts[name], []
        if usd * found.change_usd > 0 and abs(usd) <= abs(found.change_usd):
            details.append(f"{percent(usd / found.change_usd)} of it")
        if who := _who(found, name, usd):
            details.append(who)
        yield f"{words(found, name, usd)} {signed(usd)}" + (f" ({', '.join(details)})" if details else "")


def _who(found: Diff, part: str, usd: Decimal) -> str:
    """Where most of a part comes from, when one group, or some models, make it."""
    if part == "price":
        models = found.price_by_model
        ranked = sorted(models, key=lambda name: -abs(models[name]))
        return ", ".join(ranked[:2]) + (f" and {len(ranked) - 2} more" if len(ranked) > 2 else "")
    rows = [row for row in found.rows if row.parts[part]]
    top = max(rows, key=lambda row: row.parts[part] * (1 if usd > 0 else -1))
    if len(found.rows) < 2 or not found.by:
        return ""
    named = _group(found.by, top.labels)
    if len(rows) == 1:
        return named
    return f"most in {named}" if abs(top.parts[part]) * 2 > abs(usd) else f"in {len(rows)} {figures.plural(found.by)}"


def _group(by: Sequence[str], labels: Sequence[Label]) -> str:
    """A group in a sentence: chat on claude-sonnet-5-5; support, no user."""
    text = ""
    for name, label in zip(by, labels, strict=True):
        joint = "" if not text else " on " if name == "model" else ", "
        text += joint + (f"no {name.removeprefix('tag:').replace('_', ' ')}" if label is None else figures.label(label))
    return text


def notes(found: Diff) -> list[str]:
    """What to keep in mind: days that differ or are not covered, usage without a price, how prices were taken out."""
    told = []
    for side in (found.before, found.after):
        if side.covered != side.days:
            ends = [f"begins on {day_name(side.covered.first)}"] if side.covered.first > side.days.first else []
            ends += [f"ends on {day_name(side.covered.last)}"] if side.covered.last < side.days.last else []
            told.append(
                f"{_first(side.days.name)}: the log {' and '.join(ends)}, {side.covered.count} of {side.days.count} days."
            )
    if _lengths_differ(found):
        share = "" if found.per_day_share is None else f" ({_signed_percent(found.per_day_share)})"
        told.append(
            f"The periods differ in length ({found.before.covered.count} and {count(found.after.covered.count, 'day')}), "
            f"which alone would make {signed(found.of_length_usd)}: a day cost {dollars(found.before.usd_per_day)} before and "
            f"{dollars(found.after.usd_per_day)} after{share}."
        )
    unpriced = [side for side in (found.before, found.after) if side.amount.unpriced_requests]
    if unpriced:
        each = " and ".join(f"{side.amount.unpriced_requests:,} {side.days.when}" for side in unpriced)
        marked = any(a.usd is not None and a.unpriced_requests for row in found.rows for a in (row.before, row.after))
        told.append(f"Requests without a price are in no figure{' (≥: a row holds some)' if marked else ''}: {each}.")
    return told


def _name(found: Diff, side: Side) -> str:
    """A period in the sentence: without the year when both have the same, with the days that the log covers."""
    years = {day.year for each in (found.before, found.after) for day in (each.days.first, each.days.last)}
    name = side.days.short if len(years) == 1 and found.before.days != found.after.days else side.days.name
    part = f" ({side.covered.count} of {side.days.count} days)" if side.covered != side.days else ""
    return name + part + (f" in {side.store}" if side.store else "")


def _first(text: str) -> str:
    return text[:1].upper() + text[1:]


def _signed_percent(share: float) -> str:
    return f"{'-' if share < 0 else '+'}{percent(abs(share))}"


def document(found: Diff) -> dict[str, Any]:
    """The answer as JSON carries it: money as exact strings."""
    return {
        "by": list(found.by),
        "before": _side(found.before),
        "after": _side(found.after),
        "change_usd": exact(found.change_usd),
        "change_share": found.change_share,
        "parts_usd": {name: exact(usd) for name, usd in found.parts.items()},
        "price_by_model_usd": {name: exact(usd) for name, usd in found.price_by_model.items()},
        "change_per_day_share": found.per_day_share,
        "valued_on": found.valued_on.isoformat(),
        "verdict": verdict(found),
        "rows": [
            {
                **dict(zip(found.by, row.labels, strict=True)),
                "standing": row.standing,
                "change_usd": exact(row.change_usd),
                "before": _amount(row.before),
                "after": _amount(row.after),
                "parts_usd": {name: exact(usd) for name, usd in row.parts.items()},
            }
            for row in found.rows
        ],
        "warnings": notes(found),
    }


def _side(side: Side) -> dict[str, Any]:
    return {
        "name": side.days.name,
        "store": side.store,
        "first": side.days.first.isoformat(),
        "last": side.days.last.isoformat(),
        "days": side.days.count,
        "days_covered": side.covered.count,
        **_amount(side.amount),
        "cost_usd": exact(side.usd),
        "cost_usd_per_day": exact(side.usd_per_day),
    }


def _amount(amount: Amount) -> dict[str, Any]:
    return {
        "cost_usd": exact(amount.usd),
        "requests": amount.requests,
        "unpriced_requests": amount.unpriced_requests,
    }


def csv(found: Diff) -> str:
    """A row a group: before, after, the change and its parts, exact dollars (empty without a price)."""
    header = [
        *found.by,
        *("standing", "before_usd", "after_usd", "change_usd", "before_requests", "after_requests"),
        *("before_unpriced_requests", "after_unpriced_requests"),
        *(f"{name}_usd" for name in PARTS),
    ]
    return as_csv(
        header,
        [
            [
                *(label or "" for label in row.labels),
                row.standing,
                *(exact(usd) or "" for usd in (row.before.usd, row.after.usd, row.change_usd)),
                *(str(n) for n in (row.before.requests, row.after.requests)),
                *(str(n) for n in (row.before.unpriced_requests, row.after.unpriced_requests)),
                *(exact(row.parts[name]) or "0" for name in PARTS),
            ]
            for row in found.rows
        ],
    )


def amount(side: Amount) -> str:
    """One side of a row for people: a dash where nothing was used."""
    if side.usd is None:
        return figures.NO_PRICE if side.unpriced_requests else "-"
    return f"≥ {dollars(side.usd)}" if side.unpriced_requests else dollars(side.usd)


def markdown(found: Diff) -> str:
    """The verdict, the causes, the groups, and what to keep in mind."""
    rows = [
        [*map(figures.label, row.labels), amount(row.before), amount(row.after), signed(row.change_usd), cause(row)]
        for row in found.rows
    ]
    header = [*map(markdown_text, map(figures.dimension, found.by)), "Before", "After", "Change", "Mostly"]
    at = len(found.by)
    causes = [[_first(words(found, name, usd)), signed(usd)] for name, usd in ranked(found)]
    total = ["Change", signed(found.change_usd)]
    parts = [
        f"**{markdown_text(verdict(found))}**",
        as_markdown(["What changed", "Cost"], [*causes, total], right=[1]),
        as_markdown(header, rows, right=[at, at + 1, at + 2]),
        *(markdown_text(note) for note in notes(found)),
    ]
    return "\n\n".join(parts) + "\n"


def ranked(found: Diff) -> list[tuple[str, Decimal]]:
    """The parts that are not 0, the largest movements first."""
    return sorted(((n, usd) for n, usd in found.parts.items() if usd), key=lambda part: -abs(part[1]))


def sides(found: Diff) -> list[str]:
    """Both totals and their requests, a line each."""
    return [
        f"{word:6}  {side.days.name}{f' in {side.store}' if side.store else ''}: {_cost(side)}, {count(side.amount.requests, 'request')}"
        for word, side in (("before", found.before), ("after", found.after))
    ]
