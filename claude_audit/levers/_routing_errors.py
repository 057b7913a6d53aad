"""Routers that cost something and make mistakes: what a classifier call costs, and what its errors do to the saving.

Of the requests judged, a share p is simple. A router of accuracy A sends q = p A + (1 - p)(1 - A) of them to the target;
bad = (1 - p)(1 - A) of them did not belong there. A share D of those is caught and asked again where it would have gone at
once; bad (1 - D) goes unnoticed. With kappa the cost of a call of the router:

    cost = kappa + q x target + (1 - q) x original + bad x D x original

and routing pays only while kappa < q (original - target) - bad x D x original. An accuracy says nothing of which errors
are made, so the bounds are all errors on simple requests (which stay), and all on the others (which go and come back).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from decimal import Decimal, localcontext
from fractions import Fraction
from typing import TYPE_CHECKING, Any

from claude_audit.errors import AuditError
from claude_audit.money import EXACT, ZERO

if TYPE_CHECKING:
    from claude_audit.catalog import Catalog
    from claude_audit.rates import Group, Model
    from claude_audit.states import State

Z95 = Decimal("1.959963984540054")
"""Of the normal distribution: 95 % lie within so many deviations of the mean."""
ACCURACY = Decimal("0.9")
ACCURACIES = (Decimal("0.85"), Decimal("0.92"))
"""Where nobody says how good a router is: what guides to routing claim of theirs. Common advice, not a measurement."""
PROMPT, ANSWER = 150, 5
"""Tokens of a router's instruction and of its verdict, where nobody says: a short rubric, and one word."""


def wilson(hits: int, of: int, z: Decimal = Z95) -> tuple[Decimal, Decimal]:
    """The Wilson score interval of a share, to 12 places: 95 of 100 is 0.888249530768 to 0.978456320846."""
    with localcontext(EXACT):
        n, share = Decimal(of), Decimal(hits) / of
        middle = share + z * z / (2 * n)
        spread = z * ((share * (1 - share) + z * z / (4 * n)) / n).sqrt()
        ends = (middle - spread) / (1 + z * z / n), (middle + spread) / (1 + z * z / n)
        low, high = (max(Decimal(0), min(Decimal(1), end)).quantize(Decimal("1e-12")) for end in ends)
        return low, high


def unseen(of: int) -> Decimal:
    """The failure rate that no failure in so many tries still allows, with 95 % confidence: the rule of three."""
    return Decimal(3) / Decimal(of)


@dataclass(frozen=True, slots=True)
class Sums:
    """US dollars over the requests that are judged: as they are, and on the target."""

    gain_simple: Decimal = ZERO
    """What the simple ones cost less on the target."""
    gain_hard: Decimal = ZERO
    """What the others would cost less there: a cheap answer, but not the one that was needed."""
    cost_hard: Decimal = ZERO
    """What the others cost where they are."""
    simple: Decimal = ZERO
    hard: Decimal = ZERO
    """How many they are. An expectation, where only a share is known."""
    kappa: Decimal = ZERO
    """What all calls of the router cost."""

    def plus(self, share: Decimal, gain: Decimal, cost: Decimal, rows: Decimal, kappa: Decimal) -> Sums:
        """With so many more requests, of which this share is simple."""
        rest = EXACT.subtract(Decimal(1), share)
        parts = ((gain, share), (gain, rest), (cost, rest), (rows, share), (rows, rest), (kappa, Decimal(1)))
        old = (self.gain_simple, self.gain_hard, self.cost_hard, self.simple, self.hard, self.kappa)
        return Sums(*(EXACT.add(a, EXACT.multiply(b, weight)) for a, (b, weight) in zip(old, parts, strict=True)))

    def saving(self, stay: Fraction, stray: Fraction, caught: Fraction) -> Fraction:
        """When a share `stay` of the simple ones is judged hard and a share `stray` of the others simple."""
        bad = stray * (Fraction(self.gain_hard) - caught * Fraction(self.cost_hard))
        return (1 - stay) * Fraction(self.gain_simple) + bad - Fraction(self.kappa)

    def splits(self, errors: Fraction) -> Iterator[tuple[Fraction, Fraction]]:
        """Ways in which a share of wrong verdicts can fall: alike on both, all on the simple ones, all on the others."""
        yield errors, errors
        simple, hard = Fraction(self.simple), Fraction(self.hard)
        wrong = errors * (simple + hard)
        for first, second, swap in ((simple, hard, False), (hard, simple, True)):
            on_first = min(wrong, first)
            rates = (on_first / first if first else Fraction(0), (wrong - on_first) / second if second else Fraction(0))
            yield rates[::-1] if swap else rates

    def break_even(self, errors: Fraction, caught: Fraction) -> Fraction | None:
        """The most that one call of the router may cost, US dollars. None without requests."""
        judged = Fraction(self.simple) + Fraction(self.hard)
        gross = self.saving(errors, errors, caught) + Fraction(self.kappa)
        return gross / judged if judged else None


@dataclass(frozen=True, slots=True)
class Router:
    """How requests are judged."""

    model: Model | None
    """Asked before each request; None: rules decide, at no cost."""
    prompt: int
    """Tokens of its instruction, besides the request."""
    answer: int
    accuracy: Decimal
    accuracies: tuple[Decimal, ...]
    """What the bounds are taken over."""
    counts: tuple[int, int] | None
    """Right verdicts and tries, where the accuracy was measured so."""
    caught: Decimal
    caught_given: bool
    said: str
    """Where the accuracy is from: flag or default."""
    given: frozenset[str] = frozenset()

    @property
    def errors(self) -> Decimal:
        """The share of wrong verdicts."""
        return EXACT.subtract(Decimal(1), self.accuracy)

    def bounds(self, sums: Sums) -> Iterator[Fraction]:
        """The saving over accuracies, ways of erring, and, where nobody says, none or all of the bad answers caught."""
        shares = {Fraction(self.caught)} if self.caught_given else {Fraction(0), Fraction(1)}
        for accuracy in {self.accuracy, *self.accuracies}:
            for stay, stray in sums.splits(1 - Fraction(accuracy)):
                for caught in shares:
                    yield sums.saving(stay, stray, caught)


def shares(states: Sequence[State], simple: Sequence[Decimal | None], errors: Decimal) -> list[State]:
    """Each state that is judged in up to four shares: simple or not, judged rightly or not.

    `simple`: the share of a state's requests that is; None: not judged. A share that goes to the target has the key
    route_go, one that should not have gone route_astray. Rows are counted out among the shares, so that over all states
    each gets its part, and a state's rows add up.
    """
    right = EXACT.subtract(Decimal(1), errors)
    owed = [Decimal(0)] * 3
    found: list[State] = []
    for state, part in zip(states, simple, strict=True):
        if part is None:
            found.append(state)
            continue
        hard = EXACT.subtract(Decimal(1), part)
        weights = [EXACT.multiply(a, b) for a, b in ((part, errors), (hard, errors), (hard, right), (part, right))]
        left, last = state.rows, max(n for n, weight in enumerate(weights) if weight)
        for n, (weight, go, astray) in enumerate(zip(weights, *FATES, strict=True)):
            if not weight:
                continue
            rows = left
            if n != last:
                owed[n] = EXACT.add(owed[n], EXACT.multiply(weight, Decimal(state.rows)))
                rows = min(left, int(owed[n]))
                owed[n] = EXACT.subtract(owed[n], Decimal(rows))
            left -= rows
            found.append(state.share_of(weight, rows, route_go=go, route_astray=astray))
    return found


FATES = ((False, True, False, True), (False, True, False, False))
"""Of the simple ones judged hard, the hard ones judged simple, the hard and the simple judged rightly: gone; gone astray."""


def at_once(group: Group, model: Model, size: int) -> Group:
    """Where a router answers: at standard speed and in no batch, wherever the request itself goes."""
    return replace(group, model=model.id, size=size, tier=None, speed=None)


def router_of(options: Mapping[str, Any], catalog: Catalog) -> Router | None:
    """The router that these options describe; None when no option speaks of one.

    Raises AuditError for an option that makes no sense, or none without another.
    """
    name, accuracy, caught = (options.get(f"router{part}") for part in ("", "_accuracy", "_detect"))
    lone = [o for o in ("router_prompt", "router_answer") if options.get(o) is not None and name is None]
    if lone:
        raise AuditError(f"--{lone[0].replace('_', '-')} without a router", "say which model judges: --router haiku")
    if name is None and accuracy is None:
        if caught is not None:
            raise AuditError(
                "--router-detect without errors to detect", "say how good the router is: --router-accuracy 0.9"
            )
        return None
    model = None
    if name is not None:
        found = catalog.resolve(str(name))
        if found is None:
            raise AuditError(f"--router {name!r}: no such model", "claude-audit prices lists the models")
        model = found.model
    point, ends, counts = _accuracy(accuracy)
    return Router(
        model=model,
        prompt=_tokens(options, "router_prompt", PROMPT),
        answer=_tokens(options, "router_answer", ANSWER),
        accuracy=point,
        accuracies=ends,
        counts=counts,
        caught=Decimal(1) if caught is None else share_of(caught, "--router-detect"),
        caught_given=caught is not None,
        said="default" if accuracy is None else "flag",
        given=frozenset(name for name, value in options.items() if value is not None),
    )


def _accuracy(value: Any) -> tuple[Decimal, tuple[Decimal, ...], tuple[int, int] | None]:
    if value is None:
        return ACCURACY, ACCURACIES, None
    hits, slash, of = str(value).partition("/")
    if not slash:
        return share_of(value, "--router-accuracy"), (), None
    try:
        right, tries = int(hits), int(of)
    except ValueError:
        right, tries = 1, 0
    if not 0 <= right <= tries or not 0 < tries <= 10**9:
        raise AuditError(f"--router-accuracy {value!r} is not K/N", "K right verdicts of N tried, such as 95/100")
    share = (Decimal(right) / Decimal(tries)).quantize(Decimal("1e-6"))
    return share, wilson(right, tries), (right, tries)


def share_of(value: Any, flag: str) -> Decimal:
    """A share from a flag. Raises AuditError that names the flag."""
    try:
        share = Decimal(str(value))
    except ArithmeticError:
        share = Decimal(-1)
    if not share.is_finite() or not 0 <= share <= 1 or share != round(share, 6):
        raise AuditError(
            f"{flag} {value} is not a share from 0 to 1", f"at most six decimal places, such as {flag} 0.9"
        )
    return share


def _tokens(options: Mapping[str, Any], name: str, default: int) -> int:
    value = options.get(name)
    if value is None:
        return default
    try:
        tokens = int(str(value))
    except ValueError:
        tokens = -1
    if not 0 <= tokens <= 10**7:
        raise AuditError(
            f"--{name.replace('_', '-')} {value!r} is not a number of tokens", f"0 or more; default {default}"
        )
    return tokens
