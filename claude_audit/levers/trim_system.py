"""System trimming: a system prompt longer than N tokens is cut to N. Graded metered, or bounded where sizes are unknown.

What it assumes: the answers stay as good. What is cut stands at the end of the system part, and is taken off at the rate it
was billed at: read, written or uncached.

Formula: tokens cut = max(0, system - N), in each prompt; system is the sum of its prompt_blocks of kind `system`. Then the
cache minimum again: where less than the model's minimum is left of a cached prompt, all of what is left is paid as input.
The step says so, and what it would save to stop at the minimum. Without prompt_blocks the system part is anything from
nothing to the shortest prompt of its endpoint: the point is 0, low and high are what that could come to.

Example: 20 prompts of Claude Sonnet 5.5 begin with 2,000 system tokens, one written and 19 read: (2,000 x 2.50 + 19 x 2,000 x
0.10) / 1,000,000 = $0.0088. Cut to 1,500: (1,500 x 2.50 + 19 x 1,500 x 0.10) / 1,000,000 = $0.0066.

When it costs money: when a cached prompt falls below the minimum. The same prompts cut to 400 are below the 512 tokens of
Sonnet 5.5, so 20 x 400 x 2 / 1,000,000 = $0.016; cut to 512 they cost $0.00225.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from claude_audit.levers import Kind, Option, Stage, positive
from claude_audit.levers._cuts import Cuts, beyond
from claude_audit.levers._shorter import Shorter
from claude_audit.waterfall import Effort, Risk

if TYPE_CHECKING:
    from claude_audit.catalog import Catalog

NAME = "trim_system"


@dataclass
class TrimSystem(Shorter):
    """`--trim-system N`."""

    name: str = NAME
    what: str = "system prompt"

    @property
    def nothing(self) -> tuple[str, ...]:
        """No system prompt is that long."""
        return (f"No logged system prompt is longer than {self.kept:,} tokens.",)


def build(options: Mapping[str, Any], catalog: Catalog) -> TrimSystem | None:
    """The lever for these options. Raises AuditError for what is no number of tokens."""
    if options.get(NAME) is None:
        return None
    most = positive(options[NAME], "--trim-system", "a number of tokens above 0")
    return TrimSystem(Cuts(NAME, ("system",), beyond(most)), str(most), kept=most)


KIND = Kind(
    NAME,
    Stage.RESHAPE,
    (Option(NAME, str, "Cut system prompts to N tokens.", "N"),),
    build,
    __doc__ or "",
    effort=Effort.LOW,
    risk=Risk(1, ("instructions that are cut are not followed",)),
    rollback="the old system prompt",
    default={NAME: "500"},
    needs=("prompt_blocks",),
)
