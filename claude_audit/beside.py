"""Work in a thread of its own, while whoever asked for it goes on."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from typing import ParamSpec, TypeVar

Arguments = ParamSpec("Arguments")
Made = TypeVar("Made")


def beside(work: Callable[Arguments, Made], *args: Arguments.args, **named: Arguments.kwargs) -> Future[Made]:
    """What the work will have made, or raised. Its thread ends with it."""
    thread = ThreadPoolExecutor(1)
    asked = thread.submit(work, *args, **named)
    thread.shutdown(wait=False)
    return asked
