"""Tool definitions sent with every request of an endpoint that never calls them.

The amount is what the lever prune_tools saves: `claude-audit explain lever prune_tools`."""

from __future__ import annotations

from collections.abc import Iterator

from claude_audit.rules import Finding, Log, Rule
from claude_audit.rules._of_lever import of_lever

NAME, LEVER = "unused_tools", "prune_tools"


def _find(log: Log) -> Iterator[Finding]:
    tools = "definitions of tools that nothing on {} endpoint calls"
    seen = (f"carries {tools.format('its')}", f"carry {tools.format('their')}")
    return of_lever(
        log, NAME, LEVER, seen, "leave these tools out, in one change: each change of tools empties the prompt cache"
    )


RULE = Rule(NAME, "tools that nobody calls", _find, __doc__ or "", ("tools_defined|prompt_blocks",), LEVER)
