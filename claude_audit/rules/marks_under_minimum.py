"""Cache marks on prompts that are too short to be cached: the API ignores them without a word.

Requests with cache_control marks that neither read nor wrote anything, on a prompt shorter than the model caches on that
day. What padding would save depends on how often prompts come back, which such a log does not tell: no amount.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator

from claude_audit.rules import Finding, Log, Rule
from claude_audit.rules._labels import NONE
from claude_audit.tally import Extra, tally
from claude_audit.text import count
from claude_audit.waterfall import Grade

NAME = "marks_under_minimum"


def _find(log: Log) -> Iterator[Finding]:
    import narwhals.stable.v2 as nw

    audit, reach = log.audit, log.audit.reach
    if reach is None:
        return
    models = audit.catalog.models
    sizes = sorted({tokens for name in reach.models for _, tokens in models[name].minimums})
    cached = (nw.col(f"cache_{kind}_tokens").fill_null(0) for kind in ("read", "write_5m", "write_1h", "write_unknown"))
    rows = audit.usage().filter(
        nw.col("cache_breakpoints") > 0, ~nw.col("prompt_tokens").is_null(), *(tokens == 0 for tokens in cached)
    )
    # Between two of the sizes all prompts are alike: a line's own model and day then tell which it needed.
    reached = {f"r_{size}": nw.col("prompt_tokens") >= size for size in sizes}
    lines = tally(rows, reach, audit.catalog, audit.engine, ["endpoint"], extra=Extra(reached, {}))
    found: Counter[tuple[str, str, int]] = Counter()
    for line in lines:
        model = models.get(line.group.model or "")
        least = model.minimum(line.group.on) if model else None
        if model and least and not dict(zip(sizes, line.more, strict=False))[least]:
            found[line.labels[0] or NONE, model.id, least] += line.billed_requests
    for (endpoint, name, least), requests in found.items():
        if requests:
            yield Finding(
                NAME,
                f"{endpoint} on {name}",
                f"{count(requests, 'request')} {'marks' if requests == 1 else 'mark'} a prompt for the cache that is shorter than "
                f"the {least:,} tokens that the model needs: nothing was cached.",
                "take the marks out; or, where the same start comes back often, let it grow to that size",
                Grade.METERED,
            )


RULE = Rule(NAME, "cache marks on prompts too short", _find, __doc__ or "", ("cache_breakpoints",))
