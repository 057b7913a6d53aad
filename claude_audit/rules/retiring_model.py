"""Models that retire within two months of the log's end, or have: what 30 days cost on them and on their successors."""

from __future__ import annotations

from collections.abc import Iterator

from claude_audit.rules import Finding, Log, Rule
from claude_audit.scenario import days, migrations
from claude_audit.waterfall import Grade

NAME = "retiring_model"


def _find(log: Log) -> Iterator[Finding]:
    audit, reach = log.audit, log.audit.known_reach
    since, until = audit.period()
    if reach is None:
        return
    span = days(since, until, audit.filters.timezone)
    for note in migrations(lambda: (audit.usage(), audit.engine), reach, (), audit.catalog, until, span):
        yield Finding(
            NAME,
            note.partition(" retire")[0],
            note.removesuffix(" See --upgrade auto."),
            f"move to the successor{' before that day' if ' retires on ' in note else ''}, and compare answers first",
            Grade.BOUNDED,
            evidence=("claude-audit whatif --upgrade auto",),
        )


RULE = Rule(NAME, "models that retire soon", _find, __doc__ or "")
