"""Conversations that send their whole past with every turn: what the growth of their prompts cost.

Sessions of five requests or more on one endpoint and model, most of which have a longer prompt than the one before. In each
request the tokens beyond the length of the session's first prompt are the growth; they stand at the end of the prompt, so
they are taken from what was billed there: uncached input first, then cache writes, then reads. That is the amount at most;
at least nothing, because some of the past was needed.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator
from decimal import Decimal

from claude_audit.bill import total
from claude_audit.money import ZERO
from claude_audit.prompt_ends import flag
from claude_audit.rules import Finding, Log, Rule
from claude_audit.rules._cached_turns import CALL, ORDER
from claude_audit.rules._labels import NONE
from claude_audit.rules._priced import priced
from claude_audit.tally import Extra, quantity, tally
from claude_audit.text import count
from claude_audit.waterfall import Grade

NAME = "growing_history"
TURNS = 5
THREAD = (*CALL, "model")
FROM_THE_END = ("input", "cache_write_5m", "cache_write_1h", "cache_read")
"""Token classes by where they stand in a prompt, the last first."""


def _find(log: Log) -> Iterator[Finding]:
    import narwhals.stable.v2 as nw

    audit, reach = log.audit, log.audit.reach
    if reach is None:
        return
    prompt = nw.col("prompt_tokens")
    rows = audit.usage().filter(
        ~nw.col("session").is_null(), nw.col("unbilled").is_null(), nw.col("row_kind") == "call", nw.col("pass") == 0
    )
    rows = rows.filter(~prompt.is_null())
    rows = rows.with_columns(grown_before=prompt.shift(1).over(*THREAD, order_by=ORDER))
    first = nw.col("grown_before").is_null()
    longer = flag((prompt > nw.col("grown_before")).fill_null(False))
    rows = rows.with_columns(grown_longer=longer, grown_first=flag(first) * prompt, grown_one=nw.lit(1))
    rows = rows.with_columns(
        grown_turns=nw.col("grown_one").sum().over(*THREAD),
        grown_often=nw.col("grown_longer").sum().over(*THREAD),
        grown_from=nw.col("grown_first").max().over(*THREAD),
    )
    turns = nw.col("grown_turns")
    rows = rows.filter(turns >= TURNS, 2 * nw.col("grown_often") > turns - 1)
    left = nw.max_horizontal(prompt - nw.col("grown_from"), nw.lit(0))
    sums = {"sessions": flag(first)}
    for name in FROM_THE_END:
        sums[f"grown_{name}"] = nw.min_horizontal(left, quantity(name))
        left = left - sums[f"grown_{name}"]
    costs: dict[str, list[Decimal]] = defaultdict(list)
    found: dict[str, list[int]] = defaultdict(lambda: [0, 0, 0])
    for line in tally(rows, reach, audit.catalog, audit.engine, ["endpoint"], extra=Extra({}, sums)):
        sessions, *grown = map(int, line.more)
        usd = priced(line, dict(zip(FROM_THE_END, grown, strict=True)), audit.catalog)
        if usd is None:
            continue  # tokens without a price: rule no_price
        endpoint = line.labels[0] or NONE
        costs[endpoint].append(usd)
        whole = sum(line.tokens[:4])
        found[endpoint] = [n + more for n, more in zip(found[endpoint], (sessions, sum(grown), whole), strict=True)]
    for endpoint, (sessions, grown_tokens, whole) in found.items():
        if grown_tokens:
            yield Finding(
                NAME,
                endpoint,
                f"{count(sessions, 'conversation')} of {TURNS} turns or more grew: {100 * grown_tokens / whole:.0f} % of their input "
                "tokens repeat what was said after the first prompt.",
                "keep a window of turns, or sum up what is older: it pays where the past is not read from the cache, as whatif "
                "--history tells",
                Grade.BOUNDED,
                ZERO,
                total(costs[endpoint]),
                ("claude-audit whatif --history 10",),
            )


RULE = Rule(NAME, "conversations that send their whole past", _find, __doc__ or "", ("session",))
