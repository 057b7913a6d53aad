"""Fewer retrieved chunks: of each retrieval the first N stay in the prompt. Graded metered, or bounded without block sizes.

What it assumes: the answer stands in the first N chunks. Recall is not in the logs.

A chunk is one of the prompt_blocks of kind `document`, `search_result`, `chunk` or `retrieval`; a retrieval is a run of
them with nothing between, and N holds for each run. The recorder, and ingest of logged requests, tell `document` and
`search_result` blocks apart by themselves; your own log may name its chunks.

Formula: tokens of the chunks after the first N, at the rate they were billed at: read, written or uncached. Then the cache
minimum again, as in trim_system. Without prompt_blocks the chunks are anything from nothing to the shortest prompt of the
endpoint: the point is 0, low and high are what that could come to.

Example: 8 chunks of 500 tokens, uncached on Claude Sonnet 5.5; N = 3 removes 5 x 500 tokens a request, 2,500 x 2 USD per
million = $0.005. In a prefix that is read nine times of ten and written once, the same tokens cost 0.9 x 0.10 + 0.1 x 2.50 =
0.34 USD per million: $0.00085.

When it costs money: when a cached prompt falls below the minimum, and when the model asks again for what it missed.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from claude_audit.levers import Kind, Option, Stage, positive
from claude_audit.levers._cuts import Cuts, first_of_each_run
from claude_audit.levers._shorter import Shorter
from claude_audit.waterfall import Assumption, Effort, Risk

if TYPE_CHECKING:
    from claude_audit.catalog import Catalog

NAME = "rag_k"
KINDS = ("document", "search_result", "chunk", "retrieval")
"""Kinds of blocks that a retrieval put into a prompt."""


@dataclass
class RagK(Shorter):
    """`--rag-k N`."""

    name: str = NAME
    what: str = "retrieved chunks"
    note: str = "Recall at k is not in the logs: ask some of your questions with fewer chunks before you switch."

    @property
    def nothing(self) -> tuple[str, ...]:
        """No retrieval is that long, as far as blocks tell."""
        kinds = f"{', '.join(KINDS[:-1])} or {KINDS[-1]}"
        return (f"No prompt holds more than {self.asked} prompt_blocks of kind {kinds} in a row.",)

    def assumptions(self) -> tuple[Assumption, ...]:
        """How many chunks stay."""
        return (Assumption("chunks kept of each retrieval", self.asked, "flag"),)


def build(options: Mapping[str, Any], catalog: Catalog) -> RagK | None:
    """The lever for these options. Raises AuditError for what is no number of chunks."""
    if options.get(NAME) is None:
        return None
    most = positive(options[NAME], "--rag-k", "a number of chunks above 0")
    return RagK(Cuts(NAME, KINDS, first_of_each_run(most), in_messages=True), str(most))


KIND = Kind(
    NAME,
    Stage.RESHAPE,
    (Option(NAME, str, "Keep the first N chunks of each retrieval.", "N"),),
    build,
    __doc__ or "",
    effort=Effort.LOW,
    risk=Risk(3, ("an answer may stand in a chunk that is left out",)),
    needs=("prompt_blocks",),
)
