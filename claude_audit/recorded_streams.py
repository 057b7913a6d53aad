"""Streams of the Messages API, handed on event by event, and recorded when they end, are closed or given up.

The wrappers stand in for the SDK's streams and their managers: what they don't know they pass on.
"""

from __future__ import annotations

import contextlib
import time
import warnings
from collections.abc import AsyncIterator, Iterator, Mapping
from dataclasses import replace
from datetime import timedelta
from typing import TYPE_CHECKING, Any

from claude_audit.prompt_shape import plain

if TYPE_CHECKING:
    from claude_audit.recorder import Call

_warned: set[str] = set()


@contextlib.contextmanager
def quiet(strict: bool) -> Iterator[None]:
    """Nothing that goes wrong in here reaches the application; it is told once a kind."""
    try:
        yield
    except Exception as error:
        if strict:
            raise
        warn(f"claude_audit.record: {type(error).__name__}: {error}; this call is not in the log", type(error).__name__)


def warn(text: str, kind: str) -> None:
    """Say it, once a kind."""
    if kind not in _warned:
        _warned.add(kind)
        with contextlib.suppress(Exception):  # warnings may have been made errors
            warnings.warn(text, RuntimeWarning, stacklevel=4)


def get(value: Any, name: str) -> Any:
    """A key of a mapping, or an attribute of an object; None where there is none."""
    return value.get(name) if isinstance(value, Mapping) else getattr(value, name, None)


def header(response: Any) -> str | None:
    """The request's id among a response's headers."""
    headers = get(response, "headers")
    found = headers.get("request-id") if headers is not None and hasattr(headers, "get") else None
    return found if isinstance(found, str) else None


def message_of(response: Any) -> Any:
    """The message in a response: itself, or that of a batch's result; None when there is none."""
    result = get(response, "result")
    if result is not None and get(result, "message") is not None:
        return get(result, "message")
    return response if get(response, "usage") is not None and get(response, "model") is not None else None


class _Heard:
    """What the events of a stream add up to: the last word of each count, as they are cumulative."""

    def __init__(self, call: Call, inner: Any) -> None:
        self.call, self.inner = call, inner
        self.began = call.started
        """When the request was sent, seconds since the epoch; None: not seen."""
        self.first: float | None = None
        self.message: dict[str, Any] | None = None
        self.usage: dict[str, Any] = {}
        self.blocks: list[Any] = []
        self.ended = False
        self.written = False

    def event(self, event: Any) -> None:
        """Take note of one event; an SDK's own additions to them say nothing new."""
        kind = get(event, "type")
        if kind == "message_start":
            started = get(event, "message")
            self.message = {name: get(started, name) for name in ("id", "model", "_request_id")}
            self.usage = dict(plain(get(started, "usage")) or {})
        elif kind == "content_block_start":
            self.first = self.first or time.time()
            block = get(event, "content_block")
            self.blocks.append({"type": get(block, "type")})
            if get(block, "type") == "fallback" and self.message is not None:
                served = get(get(block, "to"), "model")
                self.message["model"] = served if isinstance(served, str) else self.message["model"]
        elif kind == "message_delta" and self.message is not None:
            delta = get(event, "delta")
            self.message |= {name: get(delta, name) for name in ("stop_reason", "stop_details")}
            told = plain(get(event, "usage")) or {}
            self.usage |= {name: count for name, count in told.items() if count is not None}
            self.ended = True

    def write(self) -> None:
        """Record the stream, once, as far as it came."""
        if self.written:
            return
        self.written = True
        with quiet(self.call.strict):
            done = time.time()
            message = self._message()
            if message is None:
                return  # it failed before it began
            response = get(self.inner, "response")
            identity = get(self.inner, "request_id") or header(response)
            began = self.began or _sent(response, done, self.first)
            tell = self.call.attributes if self.ended else _tagged(self.call.attributes, "partial_stream")
            replace(self.call, attributes=tell).write(
                message,
                began,
                done if self.ended else None,
                self.first,
                request_id=identity if isinstance(identity, str) else None,
                streamed=True,
            )

    def _message(self) -> Any:
        if self.message is None:
            with contextlib.suppress(Exception):  # part of it was read before it came here
                snapshot = self.inner.current_message_snapshot
                self.ended = get(snapshot, "stop_reason") is not None
                return snapshot
            return None
        usage = dict(self.usage)
        if not self.ended:
            usage["output_tokens"] = None  # only a placeholder came: what was put out is not known
        return self.message | {"usage": usage, "content": self.blocks}


def _sent(response: Any, done: float, first: float | None) -> float | None:
    """When the request of a closed response was sent, by the HTTP client's clock.

    That clock stopped when the response was closed, a little before `done`: the request was sent before its first token all
    the same.
    """
    with contextlib.suppress(Exception):
        elapsed = response.elapsed
        if isinstance(elapsed, timedelta):
            return min(done - elapsed.total_seconds(), first or done)
    return None


def _tagged(attributes: Mapping[str, Any], tag: str) -> dict[str, Any]:
    tags = attributes.get("tags")
    return {**attributes, "tags": {**(tags if isinstance(tags, Mapping) else {}), tag: True}}


class Recorded:
    """A stream, or the SDK's manager of one, that is recorded when it ends, is closed or given up."""

    def __init__(self, call: Call, inner: Any) -> None:
        self._inner = inner
        self._manager: Any = None
        self._heard = _Heard(call, inner)
        self._events: Iterator[Any] | None = None

    def __getattr__(self, name: str) -> Any:
        return getattr(self._inner, name)

    def __enter__(self) -> Recorded:
        if hasattr(self._inner, "__enter__"):
            if not hasattr(self._inner, "__iter__"):  # a manager, which sends the request now
                self._heard.began = self._heard.began or time.time()
            self._manager = self._inner
            self._inner = self._heard.inner = self._manager.__enter__()
        return self

    def __exit__(self, *error: Any) -> Any:
        try:
            return self._manager.__exit__(*error) if self._manager is not None else None
        finally:
            self._heard.write()

    def __iter__(self) -> Iterator[Any]:
        return self

    def __next__(self) -> Any:
        if self._events is None:
            self._events = iter(self._inner)
        try:
            event = next(self._events)
        except BaseException:  # its end, or its failure
            self._heard.write()
            raise
        with quiet(False):
            self._heard.event(event)
        return event

    @property
    def text_stream(self) -> Iterator[str]:
        """The text alone, as of the SDK's stream."""
        for event in self:
            text = get(get(event, "delta"), "text") if get(event, "type") == "content_block_delta" else None
            if isinstance(text, str):
                yield text

    def until_done(self) -> None:
        """Read it to its end."""
        for _ in self:
            pass

    def get_final_message(self) -> Any:
        """As of the SDK's stream."""
        self.until_done()
        return self._inner.get_final_message()

    def get_final_text(self) -> Any:
        """As of the SDK's stream."""
        self.until_done()
        return self._inner.get_final_text()

    def close(self) -> None:
        """Close the stream; what came of it is recorded."""
        try:
            if hasattr(self._inner, "close"):
                self._inner.close()
        finally:
            self._heard.write()

    def __del__(self) -> None:
        heard = self.__dict__.get("_heard")
        if heard is not None and heard.message is not None:
            heard.write()


class AsyncRecorded:
    """The same for `async for` and `async with`."""

    def __init__(self, call: Call, inner: Any) -> None:
        self._inner = inner
        self._manager: Any = None
        self._heard = _Heard(call, inner)
        self._events: AsyncIterator[Any] | None = None

    def __getattr__(self, name: str) -> Any:
        return getattr(self._inner, name)

    async def __aenter__(self) -> AsyncRecorded:
        if hasattr(self._inner, "__aenter__"):
            if not hasattr(self._inner, "__aiter__"):  # a manager, which sends the request now
                self._heard.began = self._heard.began or time.time()
            self._manager = self._inner
            self._inner = self._heard.inner = await self._manager.__aenter__()
        return self

    async def __aexit__(self, *error: Any) -> Any:
        try:
            return await self._manager.__aexit__(*error) if self._manager is not None else None
        finally:
            self._heard.write()

    def __aiter__(self) -> AsyncIterator[Any]:
        return self

    async def __anext__(self) -> Any:
        if self._events is None:
            self._events = aiter(self._inner)
        try:
            event = await anext(self._events)
        except BaseException:  # its end, its failure, or a cancelled task
            self._heard.write()
            raise
        with quiet(False):
            self._heard.event(event)
        return event

    @property
    async def text_stream(self) -> AsyncIterator[str]:
        """The text alone, as of the SDK's stream."""
        async for event in self:
            text = get(get(event, "delta"), "text") if get(event, "type") == "content_block_delta" else None
            if isinstance(text, str):
                yield text

    async def until_done(self) -> None:
        """Read it to its end."""
        async for _ in self:
            pass

    async def get_final_message(self) -> Any:
        """As of the SDK's stream."""
        await self.until_done()
        return await self._inner.get_final_message()

    async def get_final_text(self) -> Any:
        """As of the SDK's stream."""
        await self.until_done()
        return await self._inner.get_final_text()

    async def close(self) -> None:
        """Close the stream; what came of it is recorded."""
        try:
            if hasattr(self._inner, "close"):
                await self._inner.close()
        finally:
            self._heard.write()

    def __del__(self) -> None:
        heard = self.__dict__.get("_heard")
        if heard is not None and heard.message is not None:
            heard.write()


class AsyncRaw:
    """An asynchronous raw response, recorded when it is parsed."""

    def __init__(self, call: Call, inner: Any) -> None:
        self._call, self._inner, self._written = call, inner, False

    def __getattr__(self, name: str) -> Any:
        return getattr(self._inner, name)

    async def parse(self, *args: Any, **more: Any) -> Any:
        """The message, as of the SDK's response."""
        message = await self._inner.parse(*args, **more)
        if not self._written and message_of(message) is not None:
            self._written = True
            with quiet(self._call.strict):
                call = self._call
                call.write(message, call.started, call.started and call.seen, request_id=header(self._inner))
        return message
