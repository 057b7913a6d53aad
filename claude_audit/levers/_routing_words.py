"""What routing means, in sentences and figures: who would have answered, what a router costs and gets wrong."""

from __future__ import annotations

from collections.abc import Sequence
from decimal import Decimal
from fractions import Fraction
from typing import TYPE_CHECKING, Any

from claude_audit.levers._routing_errors import Router, Sums, unseen
from claude_audit.levers._routing_rows import LIMITS
from claude_audit.money import dollars, exact, rounded
from claude_audit.states import text_of
from claude_audit.text import count
from claude_audit.waterfall import Assumption

if TYPE_CHECKING:
    from claude_audit.rates import Model
    from claude_audit.states import State

PLACES = 12
"""Of a figure in dollars that is the quotient of two."""


def routed(target: Model, moved: Sequence[tuple[State, State]]) -> list[str]:
    """That answers are not simulated; requests older than the target; a target that thinks unasked."""
    rows = sum(after.rows for _, after in moved)
    if not rows:
        return []
    said = [
        f"Costs are simulated, answers are not: {rows:,} requests would have been answered by {target.name}. "
        "Try 100-200 of them per endpoint before switching."
    ]
    early = sum(after.rows for _, after in moved if after.group.on < target.rates[0].since)
    if early:
        said.append(f"{early:,} requests are older than {target.name}; they are priced at its first price.")
    if target.thinks == "can_be_off":
        said.append(
            f"{target.name} thinks unless told not to, and thinking is billed as output: this is its cost with thinking turned "
            "off. Left on, it costs more, by how much no log of another model tells."
        )
    elif target.thinks == "always":
        said.append(
            f"{target.name} always thinks, and thinking is billed as output: its answers cost more than shown, by how much no "
            "log of another model tells."
        )
    return said


def share(of: Decimal) -> list[str]:
    """That a share of requests is no share of dollars."""
    return [
        f"Which {_percent(of)} % of the requests are simple is not known: the point is that share of every request's saving, the "
        "bounds are those that save least and those that save most. Log a task, or let rules decide."
    ]


def router(router: Router, target: Model, sums: Sums) -> list[str]:
    """What the router costs, what it gets wrong, and what would be left of it."""
    judged = sums.simple + sums.hard
    if not judged:
        return []
    said = []
    errors, caught = Fraction(router.errors), Fraction(router.caught)
    if router.model and (even := sums.break_even(errors, caught)) is not None:
        each = Fraction(sums.kappa) / Fraction(judged)
        pays = (
            f"it pays while a call costs less than {dollars(rounded(even, PLACES))}"
            if even > 0
            else "no router pays here"
        )
        said.append(
            f"{router.model.name} judges {count(_whole(judged), 'request')} first, for {dollars(sums.kappa)} in all, "
            f"{dollars(rounded(each, PLACES))} each; {pays}."
        )
        share = (
            f" {_percent(each * Fraction(judged) / Fraction(sums.gain_simple))} % of" if sums.gain_simple > 0 else ""
        )
        rules = dollars(sums.gain_simple)
        said.append(
            f"Rules that never err would save {rules} at no cost; the calls alone eat{share or ' all of'} that."
        )
    if errors:
        bad = errors * Fraction(sums.hard)
        unnoticed = bad * (1 - caught)
        said.append(
            f"At an accuracy of {_percent(router.accuracy)} %, about {_whole(bad):,} answers would come from {target.name} that "
            f"should not: {_whole(bad - unnoticed):,} caught and asked again, {_whole(unnoticed):,} unnoticed; and about "
            f"{_whole(errors * Fraction(sums.simple)):,} simple requests would stay where they are."
        )
    if router.counts:
        right, tries = router.counts
        low, high = router.accuracies
        said.append(
            f"{right:,} right of {tries:,} tried is {_percent(low)} to {_percent(high)} % with 95 % confidence: the bounds "
            "are taken over that."
            + (f" No error in {tries:,} still allows {_percent(unseen(tries))} %." if right == tries else "")
        )
    return said


def router_facts(router: Router, sums: Sums) -> dict[str, Any]:
    """The router's figures, as JSON carries them. Requests are expectations, to six places."""
    judged = Fraction(sums.simple) + Fraction(sums.hard)
    errors, caught = Fraction(router.errors), Fraction(router.caught)
    bad = errors * Fraction(sums.hard)
    even = sums.break_even(errors, caught)

    def requests(number: Fraction) -> float:
        return round(float(number), 6)

    return {
        "model": router.model.id if router.model else None,
        "requests_judged": requests(judged),
        "requests_simple": requests(Fraction(sums.simple)),
        "requests_routed": requests((1 - errors) * Fraction(sums.simple) + bad),
        "requests_bad": requests(bad),
        "requests_unnoticed": requests(bad * (1 - caught)),
        "calls_usd": exact(sums.kappa),
        "asked_again_usd": exact(rounded(errors * caught * Fraction(sums.cost_hard), PLACES)),
        "rules_alone_usd": exact(sums.gain_simple),
        "call_usd": exact(rounded(Fraction(sums.kappa) / judged, PLACES)) if judged else None,
        "call_break_even_usd": exact(rounded(even, PLACES)) if even is not None else None,
    }


def rests_on(
    target: Model, limits: tuple[int, int], known: Decimal | None, factor: Decimal, factor_said: str | None
) -> list[Assumption]:
    """What is taken for simple, and how the target counts. `known`: a share is all that is known of who is simple.

    `factor_said`: where the tokenizer factor is from; None where none is needed.
    """
    found = [Assumption("target", target.id, "flag")]
    if known is not None:
        found.append(Assumption("share of requests that is simple", text_of(known), "flag"))
    for what, limit, usual in zip(("prompt", "answer"), limits, LIMITS, strict=True):
        if known is None:
            source = "flag" if limit != usual else "default"
            found.append(Assumption(f"simple {what}, tokens at most", str(limit), source))
    if factor_said:
        found.append(Assumption("tokens of the new tokenizer for one of the old", text_of(factor), factor_said))
    return found


def assumed(router: Router) -> list[Assumption]:
    """What the router is taken to be."""
    found = []
    if router.model:
        found.append(Assumption("router", router.model.id, "flag"))
        for name, tokens in (("prompt", router.prompt), ("answer", router.answer)):
            source = "flag" if f"router_{name}" in router.given else "default"
            found.append(Assumption(f"tokens of the router's {name}", str(tokens), source))
    ends = ""
    if router.accuracies:
        low, high = (text_of(round(end, 3)) for end in router.accuracies)
        ends = f" ({low} to {high})"
    found.append(Assumption("share of right verdicts", text_of(router.accuracy) + ends, router.said))
    found.append(
        Assumption(
            "share of bad answers caught and asked again",
            text_of(router.caught),
            "flag" if router.caught_given else "default",
        )
    )
    return found


def _whole(number: Fraction | Decimal) -> int:
    return round(number)


def _percent(share: Fraction | Decimal) -> str:
    return f"{float(share) * 100:.1f}".removesuffix(".0")
