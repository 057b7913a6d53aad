"""Options of plain types without pydantic: typer (0.29) sends every value through it, which costs 80 ms at start-up.

Ours are text, whole numbers, flags, lists of text and one choice. Where a typer has no such seam, it does it its own way.
"""

from __future__ import annotations

from enum import Enum
from typing import Any, get_args, get_origin

import typer


def install() -> None:
    """Let typer coerce plain values directly. Does nothing with a typer that is built otherwise."""
    try:
        from typer import core as typer_core
        from typer._coercion import RuntimeParam

        core: Any = typer_core
        original = core.build_runtime_param
    except (ImportError, AttributeError):
        return

    class Plain(RuntimeParam):
        """One value, or a list of them, of a plain type."""

        def _coerce_value(self, value: Any, param: Any, ctx: Any) -> Any:
            kind: Any = self.annotation
            if get_origin(kind) is list:
                return [_one(get_args(kind)[0], item, param, ctx) for item in value]
            return _one(kind, value, param, ctx)

    def build(descriptor: Any) -> Any:
        kind: Any = descriptor.annotation
        item = get_args(kind)[0] if get_origin(kind) is list and get_args(kind) else kind
        if item in (str, int, bool) or (isinstance(item, type) and issubclass(item, Enum)):
            return Plain(parameter_info=descriptor.parameter_info, annotation=kind)
        return original(descriptor)

    core.build_runtime_param = build


def _one(kind: Any, value: Any, param: Any, ctx: Any) -> Any:
    if kind is int and not isinstance(value, int):
        try:
            return int(str(value))
        except ValueError:
            raise typer.BadParameter(f"{value!r} is not a whole number.", ctx=ctx, param=param) from None
    if isinstance(kind, type) and issubclass(kind, Enum) and not isinstance(value, kind):
        try:
            return kind(value)
        except ValueError:
            choices = ", ".join(str(choice.value) for choice in kind)
            raise typer.BadParameter(f"{value!r} is not one of {choices}.", ctx=ctx, param=param) from None
    return value
