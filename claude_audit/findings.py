"""What all rules find in a log, dearest first. Findings overlap: a request may be in several, and nothing adds them up."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from decimal import Decimal
from typing import TYPE_CHECKING

from claude_audit.money import ZERO
from claude_audit.recorded_fields import Missing, recorded, ways
from claude_audit.rules import Finding, Log, Rule, registry, rule_of
from claude_audit.rules._labels import narrowed

if TYPE_CHECKING:
    import pandas as pd

    from claude_audit.audit import Audit
    from claude_audit.opportunities import Opportunities


@dataclass(frozen=True, slots=True)
class Findings:
    """The answer to "what went wrong?"."""

    since: datetime | None
    until: datetime | None
    spent_usd: Decimal
    """US dollars of what has a price."""
    requests: int
    found: tuple[Finding, ...] = ()
    """The highest low ends first."""
    nothing: tuple[Rule, ...] = ()
    """Rules that found nothing."""
    blind: tuple[tuple[Rule, tuple[Missing, ...]], ...] = ()
    """Rules that could find nothing, because the log lacks a field."""

    def to_frame(self) -> pd.DataFrame:
        """One row a finding, as a pandas frame; money is Decimal, what is unknown None."""
        import pandas as pd

        columns = ("rule", "subject", "low_usd", "high_usd", "grade", "message", "remedy")
        rows = [[getattr(one, name) for name in columns] for one in self.found]
        return pd.DataFrame(rows, columns=columns, dtype=object)


def findings(audit: Audit, names: Sequence[str] = (), opportunities: Opportunities | None = None) -> Findings:
    """What the rules (all of them, or those named) find. Raises AuditError for a name that is no rule's.

    `opportunities`: every lever alone on these rows, where that is known already.
    """
    rules = list(dict.fromkeys(map(rule_of, names))) if names else list(registry().values())
    whole = audit.spend()
    if not whole.requests:
        return Findings(whole.since, whole.until, whole.total_usd, 0)
    known = recorded(audit.usage(), audit.engine)
    lacking = {rule: [name for name in rule.needs if not known.has(name)] for rule in rules}
    able = [rule for rule in rules if not lacking[rule]]
    log = Log(audit, frozenset(rule.lever for rule in able if rule.lever), opportunities)
    by_rule = {rule: list(rule.find(log)) for rule in able}
    found = [one for mine in by_rule.values() for one in mine]
    found = [replace(one, evidence=tuple(narrowed(each, audit.filters) for each in one.evidence)) for one in found]
    nothing = tuple(rule for rule, mine in by_rule.items() if not mine)
    blind = tuple((rule, ways(names)) for rule, names in lacking.items() if names)
    found.sort(key=lambda one: (-(one.low_usd or ZERO), -(one.high_usd or ZERO), one.rule, one.subject))
    return Findings(whole.since, whole.until, whole.total_usd, whole.requests, tuple(found), nothing, blind)
