"""Small jobs on the dearest families: classifications and short questions that Opus, Fable or Mythos answer.

The requests are the likely set of the lever route_simple (`claude-audit explain lever route_simple`), and the amount is
what it saves on them with the newest Haiku: costs are simulated, answers are not.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import reduce
from operator import or_

from claude_audit.levers import kind_of
from claude_audit.money import ZERO
from claude_audit.rules import Finding, Log, Rule
from claude_audit.rules._of_lever import endpoints
from claude_audit.scenario import alone, levers_of, scan
from claude_audit.text import count

NAME = "big_model_small_job"
FAMILIES = ("opus", "fable", "mythos")


def _find(log: Log) -> Iterator[Finding]:
    import narwhals.stable.v2 as nw

    audit, reach = log.audit, log.audit.known_reach
    models = [name for name in (reach.models if reach else ()) if audit.catalog.models[name].family in FAMILIES]
    if reach is None or not models:
        return
    theirs = audit.usage().filter(reduce(or_, (nw.col("model") == name for name in models)))
    levers = levers_of({"route_simple": "haiku"}, audit.catalog)
    run, _ = scan(theirs, reach.of(models), levers, audit.catalog, audit.engine, combine=False)
    step = alone(run, 0)
    if step.requests_changed and step.high_usd > 0:
        yield Finding(
            NAME,
            endpoints(step),
            f"{count(step.requests_changed, 'request')} of a simple kind, or short, went to {', '.join(sorted(models))}.",
            "try the newest Haiku on 100 to 200 of them, endpoint by endpoint",
            step.grade,
            max(ZERO, step.low_usd),
            step.high_usd,
            ("claude-audit whatif --route-simple haiku",),
        )


RULE = Rule(NAME, "big models on small jobs", _find, __doc__ or "", kind_of("route_simple").needs)
