"""Tool definitions sent with every request of an endpoint that never calls them.

The amount is what the lever prune_tools saves: `claude-audit explain lever prune_tools`."""

from claude_audit.rules._of_lever import of_lever

RULE = of_lever(
    "unused_tools",
    "tools that nobody calls",
    "prune_tools",
    (
        "carries definitions of tools that nothing on its endpoint calls",
        "carry definitions of tools that nothing on their endpoint calls",
    ),
    "leave these tools out, in one change: each change of tools empties the prompt cache",
    __doc__,
    needs=("tools_defined|prompt_blocks",),
)
