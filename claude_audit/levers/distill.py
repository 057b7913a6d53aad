"""Distillation: endpoints answered by a small model of your own, trained on the answers. Graded assumed.

What it assumes: that model answers as well, at the price you say. Nothing in a log tells any of it: what the training
costs (`--distill-training`), what a request costs there (`--distill-request`, US dollars) or its tokens do
(`--distill-price IN:OUT`, US dollars per million), and what hosting costs a month (`--distill-hosting`).

Formula: months to break even = training / (n x (c_api - c_own) - hosting), with n requests a month, judged last, against
the bill after all other levers: what would pay in a month today may never pay once the requests are routed, cached or
batched. The step's saving is that of running it, hosting of the log's days included; the training is beside it.

Example: a million requests a month at $0.004, $0.0005 with a model of one's own, hosting at $1,500, training at $2,000:
4,000 - 500 - 1,500 = $2,000 a month, so one month. Of 87.5 % before hosting, 50 % are left.

When it costs money: whenever the requests cost no more than the hosting does. It then never pays.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal
from fnmatch import fnmatchcase
from fractions import Fraction
from typing import TYPE_CHECKING, Any

from claude_audit.errors import AuditError
from claude_audit.levers import Kind, Lever, Option, Outcome, Stage, changed_rows, kept_out
from claude_audit.levers._offers import offer, offered, usd
from claude_audit.money import EXACT, ZERO, dollars, ended, exact
from claude_audit.states import Fee, State
from claude_audit.text import count
from claude_audit.waterfall import Assumption, Effort, Grade, Risk

if TYPE_CHECKING:
    import narwhals.stable.v2 as nw

    from claude_audit.catalog import Catalog
    from claude_audit.engines import Engine
    from claude_audit.scan import Scan
    from claude_audit.states import Pricer

NAME = "distill"
MONTH = 30
"""Days: the month of every projection here."""
SEARCHES = "distill_searches"
OWN = "own model"


@dataclass
class Distill(Lever):
    """`--distill ENDPOINT`."""

    endpoints: tuple[str, ...]
    per_token: tuple[Decimal, Decimal] | None
    """US dollars per million tokens in and out."""
    per_request: Decimal
    hosting: Decimal
    """US dollars a month."""
    training: Decimal
    days: int = 1
    """Calendar days of the log, UTC: found by survey."""
    name: str = NAME
    stage: Stage = Stage.PRICE
    dimensions: tuple[str, ...] = ("endpoint",)

    @property
    def argument(self) -> str:
        """The endpoints."""
        return ", ".join(self.endpoints)

    def survey(self, usage: nw.LazyFrame[Any], engine: Engine) -> nw.LazyFrame[Any]:
        """How many days the log has: hosting is paid by the month."""
        import narwhals.stable.v2 as nw

        start = datetime(1970, 1, 1, tzinfo=UTC)
        ends = ((nw.col("ts").min() - nw.lit(start)), (nw.col("ts").max() - nw.lit(start)))
        first, last = engine.rows(usage.select(*(e.dt.total_seconds().alias(f"t{n}") for n, e in enumerate(ends))))[0]
        self.days = 1 if first is None else int(last) // 86400 - int(first) // 86400 + 1
        return usage

    def classify(self, scan: Scan) -> None:
        """Which requests search the web: no model of one's own does."""
        import narwhals.stable.v2 as nw

        scan.key(SEARCHES, nw.col("web_searches").fill_null(0) > 0, 2)

    def _named(self, state: State) -> bool:
        return any(fnmatchcase(state.labels["endpoint"] or "", glob) for glob in self.endpoints)

    def _barred(self, state: State) -> str | None:
        return "web searches" if state.keys[SEARCHES] else None

    def _own(self, state: State) -> State:
        """The requests answered by the model of one's own."""
        plain, out = self.per_token or (ZERO, ZERO)
        moved = offered(state, offer(OWN, {"input": plain, "output": out}, "--distill-price"))
        if not self.per_request:
            return moved
        return moved.but(beside=(*moved.beside, Fee("answers", self.per_request * state.rows)))

    @property
    def hosting_here(self) -> Decimal:
        """US dollars of hosting for the log's days."""
        return ended(Fraction(self.hosting) * self.days / MONTH)

    def move(self, states: Sequence[State], pricer: Pricer) -> list[State]:
        """The named endpoints answer for themselves; the hosting stands beside the first of them."""
        result, hosted = list(states), False
        for n, state in enumerate(states):
            if not self._named(state) or self._barred(state):
                continue
            result[n] = self._own(state)
            if self.hosting and not hosted:
                fee = Fee("hosting", self.hosting_here)
                result[n] = result[n].but(beside=(*result[n].beside, fee))
                hosted = True
        return result

    def judge(self, before: Sequence[State], after: Sequence[State], pricer: Pricer) -> Outcome:
        """Months to break even, against the bill as it is by now and as it is today."""
        point = pricer.saving(before, after)
        moved = [(b, a) for b, a in zip(before, after, strict=True) if a is not b]
        api = pricer.total([b for b, _ in moved])
        own = EXACT.subtract(EXACT.subtract(api, point), self.hosting_here if moved else ZERO)
        logged = [b.logged() for b, _ in moved]
        today = pricer.saving(logged, [self._own(state) for state in logged])
        today = EXACT.subtract(today, self.hosting_here if moved else ZERO)
        months, months_today = self.months(point), self.months(today)
        rows = sum(b.rows for b, _ in moved)
        monthly = Fraction(MONTH, self.days)
        facts = {
            "months_to_break_even": _number(months),
            "months_to_break_even_today": _number(months_today),
            "training_usd": exact(self.training),
            "monthly": {
                "requests": round(float(rows * monthly), 6),
                "api_usd": exact(ended(Fraction(api) * monthly)),
                "own_usd": exact(ended(Fraction(own) * monthly)),
                "hosting_usd": exact(self.hosting),
                "net_usd": exact(ended(Fraction(point) * monthly)),
            },
            "gross_share": float(1 - Fraction(own) / Fraction(api)) if api else None,
            "net_share": float(Fraction(point) / Fraction(api)) if api else None,
        }
        return Outcome(
            changed=changed_rows(before, after),
            low=point,
            high=point,
            grade=Grade.ASSUMED,
            caveats=tuple(self._said(rows, point, months, months_today)) if moved else (self._nobody(),),
            assumptions=tuple(self._assumptions()),
            excluded=kept_out([(s, self._barred(s)) for s in before if self._named(s)], pricer),
            facts={"distill": facts},
        )

    def months(self, saving: Decimal) -> Fraction | None:
        """Until the training is paid, by what the log's days save. None: never."""
        return Fraction(self.training) * self.days / (Fraction(saving) * MONTH) if saving > 0 else None

    def _said(self, rows: int, saving: Decimal, months: Fraction | None, today: Fraction | None) -> list[str]:
        requests = count(rows, "request")
        if months is None:
            said = [
                f"It never pays: {requests} cost no more than the model of your own does, hosting included"
                + (f"; against today's bill it would have paid after {_months(today)}." if today is not None else ".")
            ]
        else:
            monthly = ended(Fraction(saving) * MONTH / self.days)
            said = [
                f"Training of {dollars(self.training)} is paid after {_months(months)}, at {dollars(monthly)} a month net of hosting"
                + (f"; against today's bill after {_months(today)}." if today not in (None, months) else ".")
            ]
        return [
            *said,
            "Check your contract: training on answers may be restricted (not verified here). Quality and upkeep are not in the "
            "logs.",
        ]

    def _nobody(self) -> str:
        return f"No priced request of endpoint {self.argument} is in the log."

    def _assumptions(self) -> list[Assumption]:
        found = [Assumption("training", dollars(self.training), "flag")]
        if self.per_token:
            prices = " and ".join(exact(price) or "0" for price in self.per_token)
            found.append(Assumption("USD per million tokens in and out, at today's counts", prices, "flag"))
        if self.per_request:
            found.append(Assumption("a request", dollars(self.per_request), "flag"))
        found.append(Assumption("hosting a month", dollars(self.hosting), "flag" if self.hosting else "default"))
        found.append(Assumption("days of the log (UTC)", str(self.days), "measured"))
        return found


def _months(months: Fraction) -> str:
    shown = f"{float(months):,.1f}".removesuffix(".0")
    return f"{shown} month" if shown == "1" else f"{shown} months"


def _number(months: Fraction | None) -> float | None:
    return None if months is None else round(float(months), 6)


def build(options: Mapping[str, Any], catalog: Catalog) -> Distill | None:
    """The lever for these options. Raises AuditError where nothing is said of what the model of one's own costs."""
    named = options.get(NAME) or []
    endpoints = tuple(dict.fromkeys([named] if isinstance(named, str) else map(str, named)))
    given = {part: options.get(f"distill_{part}") for part in ("price", "request", "hosting", "training")}
    if not endpoints:
        return None
    if given["training"] is None or all(given[part] is None for part in ("price", "request", "hosting")):
        raise AuditError(
            "--distill needs to be told what no log tells: the training, and what answering costs then",
            "for example --distill-training 2000 --distill-hosting 1500 --distill-price 0.10:0.40",
        )
    return Distill(
        endpoints=endpoints,
        per_token=None if given["price"] is None else _prices(given["price"]),
        per_request=usd(given["request"] or 0, "--distill-request", "0.0005"),
        hosting=usd(given["hosting"] or 0, "--distill-hosting", "1500"),
        training=usd(given["training"], "--distill-training", "2000"),
    )


def _prices(value: Any) -> tuple[Decimal, Decimal]:
    plain, colon, out = str(value).partition(":")
    if not colon:
        raise AuditError(
            f"--distill-price {value!r} is not IN:OUT", "USD per million tokens: --distill-price 0.10:0.40"
        )
    return usd(plain, "--distill-price", "0.10:0.40"), usd(out, "--distill-price", "0.10:0.40")


KIND = Kind(
    NAME,
    Stage.PRICE,
    (
        Option(NAME, list[str], "Answer this endpoint's requests by a model of your own (repeatable).", "GLOB"),
        Option("distill_training", str, "What training it costs, once.", "USD"),
        Option("distill_price", str, "Its tokens, per million in and out.", "IN:OUT"),
        Option("distill_request", str, "A request of it.", "USD"),
        Option("distill_hosting", str, "Its hosting, a month.", "USD"),
    ),
    build,
    __doc__ or "",
    effort=Effort.VERY_HIGH,
    risk=Risk(3, ("another model answers",)),
    rollback="the endpoint's model",
    turn=3,
)
