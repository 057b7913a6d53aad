"""What went wrong in a log, or was wasted: one rule a file, with what it cost and the way out."""

from __future__ import annotations

import importlib
import pkgutil
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from decimal import Decimal
from functools import cache, cached_property
from typing import TYPE_CHECKING

from claude_audit.errors import AuditError
from claude_audit.history import BASE
from claude_audit.waterfall import Grade

if TYPE_CHECKING:
    from claude_audit.audit import Audit
    from claude_audit.opportunities import Opportunities, Opportunity
    from claude_audit.tally import Line


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that a rule has found."""

    rule: str
    subject: str
    """Where: an endpoint, a model, a day; several with commas."""
    message: str
    """What was seen, with its figures."""
    remedy: str
    """The way out."""
    grade: Grade
    low_usd: Decimal | None = None
    """US dollars of the log's period that it cost too much, at least. None: no amount can be told."""
    high_usd: Decimal | None = None
    """At most."""
    evidence: tuple[str, ...] = ()
    """Commands that show the requests, or the figures behind the amount."""


@dataclass(frozen=True)
class Log:
    """What rules look at. What several of them ask for is asked once."""

    audit: Audit
    levers: frozenset[str] = frozenset()
    """That rules will ask for."""
    tried: Opportunities | None = None
    """They, where they have been tried already."""

    @cached_property
    def by_day(self) -> list[Line]:
        """The tally by day, endpoint and model (history.BASE)."""
        return self.audit.lines(BASE)

    @cached_property
    def opportunities(self) -> Opportunities:
        """Those levers, each alone at its default."""
        return self.audit.opportunities(only=self.levers) if self.tried is None else self.tried

    def opportunity(self, lever: str) -> Opportunity | None:
        """One of them; None where the log has no request."""
        return next((one for one in self.opportunities.found if one.lever == lever), None)


@dataclass(frozen=True, slots=True)
class Rule:
    """One rule."""

    name: str
    title: str
    """What it finds, in a few words."""
    find: Callable[[Log], Iterable[Finding]]
    doc: str
    needs: tuple[str, ...] = ()
    """Columns of the log without which it can find nothing; `a|b`: either will do."""
    lever: str = ""
    """That it asks Log.opportunity for."""


@cache
def registry() -> Mapping[str, Rule]:
    """Every rule by name, in alphabetical order."""
    found = []
    for module in pkgutil.iter_modules(__path__):
        if not module.name.startswith("_"):
            loaded = importlib.import_module(f"{__name__}.{module.name}")
            found += [rule for rule in vars(loaded).values() if isinstance(rule, Rule)]
    return {rule.name: rule for rule in sorted(found, key=lambda rule: rule.name)}


def rule_of(name: str) -> Rule:
    """The rule of that name. Raises AuditError that lists them."""
    found = registry().get(name.strip().replace("-", "_"))
    if found is None:
        raise AuditError(f"no rule {name!r}", f"known are: {', '.join(registry())}")
    return found
