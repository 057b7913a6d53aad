"""One line in an application makes the log that an audit wishes for: usage, ids and hashes of each call, and no text.

    >>> from claude_audit import record
    >>> request = dict(model="claude-sonnet-5-5", max_tokens=512, messages=[...])
    >>> reply = record(client.messages.create(**request), request=request, endpoint="chat")

`record` gives back what it was given, so it goes around any call: of the official SDK or of anything that returns the API's
JSON; plain, awaited or streamed. Appended records never interleave, whatever threads and processes write them, and a
failure to write is a warning, never an error of the application (unless `strict`).
"""

from __future__ import annotations

import inspect
import json
import os
import time
from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, TypeVar, cast

from claude_audit.prompt_shape import plain, prompt_blocks, shape
from claude_audit.recorded_streams import AsyncRaw, AsyncRecorded, Recorded, get, header, message_of, quiet, warn

VARIABLE = "CLAUDE_AUDIT_LOG"
"""Names the file where records go when the call does not; else it is DEFAULT_FILE in the working directory."""

DEFAULT_FILE = "claude-audit.jsonl"

LONGEST_LABEL = 200
"""Characters of an attribute. What is longer is a text, and none is recorded."""

T = TypeVar("T")


def record(
    response: T,
    *,
    request: Mapping[str, Any] | None = None,
    endpoint: str | None = None,
    to: str | os.PathLike[str] | None = None,
    strict: bool = False,
    started: datetime | float | None = None,
    **attributes: Any,
) -> T:
    """Append a record of `response` to a JSONL file, and return the response (of a stream: one that is recorded at its end).

    `response`: a message, as the SDK's object or as a mapping; an awaitable of one; a stream of events, or the SDK's stream
    manager; a raw response (`with_raw_response`); a result of a batch. `request`: the parameters of the call; its prompt
    leaves hashes and sizes. `started`: when the request was sent (datetime, or seconds since the epoch), where that is not
    to be measured: a call that was made before `record` saw it has its end for a time. `attributes`: what to attribute the
    call to (endpoint, user, team, project, environment, session, workspace, api_key_id, unit, task, provider, region,
    latency_tolerant, retry_of, tags={…}), as short labels, numbers or booleans.
    Raises only with `strict`: OSError when the file can't be written, TypeError or ValueError for what is no response.
    """
    taken: Any = response
    with quiet(strict):
        call = Call(request, {"endpoint": endpoint, **attributes}, to, strict, _seconds(started), time.time())
        taken = call.taken(response)
    return cast(T, taken)


def _seconds(started: datetime | float | None) -> float | None:
    if isinstance(started, datetime):
        return started.timestamp()  # a naive one is local time, as everywhere in Python
    return None if started is None else float(started)


@dataclass(frozen=True, slots=True)
class Call:
    """One call: what is known of it before its response is."""

    request: Mapping[str, Any] | None
    attributes: Mapping[str, Any]
    to: str | os.PathLike[str] | None
    strict: bool
    started: float | None
    seen: float
    """When `record` was called. Seconds since the epoch, as `started`."""

    def taken(self, response: Any) -> Any:
        """The response, recorded now or at its end."""
        if inspect.isawaitable(response):
            return self._awaited(response)
        if message_of(response) is not None:
            self.write(response, self.started, self.started and self.seen)
            return response
        if isinstance(response, Mapping) or hasattr(response, "model_dump"):
            return response  # an error, a batch item that failed, a count of tokens: nothing that was billed
        if hasattr(response, "parse") and hasattr(response, "headers"):
            return AsyncRaw(self, response) if inspect.iscoroutinefunction(response.parse) else self._raw(response)
        if hasattr(response, "__aenter__") or hasattr(response, "__aiter__"):
            return AsyncRecorded(self, response)
        if hasattr(response, "__enter__") or (
            hasattr(response, "__iter__") and not isinstance(response, str | bytes | list | tuple)
        ):
            return Recorded(self, response)
        raise TypeError(f"a {type(response).__name__} is no response of the Messages API")

    async def _awaited(self, response: Any) -> Any:
        began = self.started or time.time()
        taken = await response
        with quiet(self.strict):
            taken = replace(self, started=began, seen=time.time()).taken(taken)
        return taken  # noqa: RET504 - what quiet() swallows leaves it as it was

    def _raw(self, response: Any) -> Any:
        """A raw response: its message is parsed (the SDK keeps it), its headers have the id, its clock the duration."""
        message = response.parse()
        if message_of(message) is not None:
            elapsed = getattr(response, "elapsed", None)
            began = self.started or (self.seen - elapsed.total_seconds() if isinstance(elapsed, timedelta) else None)
            self.write(message, began, began and self.seen, request_id=header(response))
        return response

    def write(
        self,
        response: Any,
        began: float | None,
        done: float | None,
        first: float | None = None,
        *,
        request_id: str | None = None,
        streamed: bool = False,
    ) -> None:
        """Append the record of a message. Times in seconds since the epoch; None: not measured."""
        fields = _fields(response)
        usage = fields.pop("usage")
        fields |= {
            "request_id": request_id or fields.get("request_id"),
            "latency_ms": _elapsed(began, done),
            "ttft_ms": _elapsed(began, first),
            "stream": True if streamed else None,
        }
        if self.request is not None:
            asked = plain(self.request)
            fields = shape(asked) | {k: v for k, v in fields.items() if v is not None}
            if not _several_prompts(usage):
                fields["prompt_blocks"] = prompt_blocks(asked, _prompt_tokens(usage))
        labels = _labels(self.attributes)
        if "tags" in fields:
            labels["tags"] = fields["tags"] | labels.get("tags", {})
        line = {
            "timestamp": datetime.fromtimestamp(began or self.seen, UTC)
            .isoformat(timespec="milliseconds")
            .replace("+00:00", "Z"),
            "model": fields.pop("model"),
            "usage": usage,
            **{k: v for k, v in fields.items() if v is not None},
            **labels,
        }
        append(self.to, line)


def append(to: str | os.PathLike[str] | None, line: Mapping[str, Any]) -> None:
    """Append one line of JSON to the file, whole or not at all, whoever else writes to it. Raises OSError."""
    import fcntl

    data = (json.dumps(line, ensure_ascii=False, separators=(",", ":")) + "\n").encode("utf-8", "replace")
    path = Path(os.fspath(to) if to is not None else os.environ.get(VARIABLE) or DEFAULT_FILE)
    # Opened for each record: the lock then holds between threads too, and a rotated file is let go of.
    handle = os.open(path, os.O_RDWR | os.O_APPEND | os.O_CREAT | getattr(os, "O_CLOEXEC", 0), 0o644)
    try:
        fcntl.flock(handle, fcntl.LOCK_EX)
        size = os.fstat(handle).st_size
        if size and os.pread(handle, 1, size - 1) != b"\n":
            data = b"\n" + data  # somebody died within a line: theirs is lost, not ours
        try:
            written = os.write(handle, data)
            while written < len(data):
                written += os.write(handle, data[written:])
        except OSError:
            os.ftruncate(handle, size)
            raise
    finally:
        os.close(handle)


def _fields(response: Any) -> dict[str, Any]:
    """The native record's fields that a response tells; never what it says."""
    message = message_of(response)
    usage = _counts(plain(get(message, "usage")))
    content = get(message, "content")
    details = get(message, "stop_details")
    fields = {
        "model": get(message, "model"),
        "usage": usage,
        "request_id": get(message, "_request_id"),
        "message_id": get(message, "id"),
        "stop_reason": get(message, "stop_reason"),
        "stop_details": {k: get(details, k) for k in ("type", "category")} if details is not None else None,
        "output_blocks": len(content) if isinstance(content, list) else None,
        "tools_used": sum(get(part, "type") == "tool_use" for part in content) if isinstance(content, list) else None,
    }
    if message is not response:  # an item of a batch: its usage does not always say so
        usage.setdefault("service_tier", "batch")
        fields["tags"] = {"custom_id": get(response, "custom_id")}
    return fields


def _counts(usage: Any) -> Any:
    """A usage block without anything long enough to be a text."""
    if isinstance(usage, Mapping):
        return {str(k): _counts(v) for k, v in usage.items()}
    if isinstance(usage, list):
        return [_counts(v) for v in usage]
    return None if isinstance(usage, str) and len(usage) > 64 else usage


def _several_prompts(usage: Mapping[str, Any]) -> bool:
    """Whether the counts add up several prompts, so that none of them has a known size."""
    passes = usage.get("iterations")
    return _sum(usage.get("server_tool_use")) > 0 or (isinstance(passes, list) and len(passes) > 1)


def _prompt_tokens(usage: Mapping[str, Any]) -> int:
    read = {name: usage.get(name) for name in ("input_tokens", "cache_read_input_tokens")}
    writes = {"total": usage.get("cache_creation_input_tokens")}
    return _sum(read) + max(_sum(writes), _sum(usage.get("cache_creation")))


def _sum(counts: Any) -> int:
    return sum(n for n in counts.values() if isinstance(n, int)) if isinstance(counts, Mapping) else 0


def _elapsed(began: float | None, moment: float | None) -> float | None:
    """Milliseconds between two readings of the clock; None: not measured, or the clock was set back between them."""
    return round((moment - began) * 1000, 3) if began and moment and moment >= began else None


def _labels(attributes: Mapping[str, Any]) -> dict[str, Any]:
    """Attributes that are labels, numbers or booleans; others are left out, and said."""
    kept: dict[str, Any] = {}
    for name, value in attributes.items():
        if name == "tags" and isinstance(value, Mapping):
            kept[name] = _labels(value)
        elif isinstance(value, bool | int | float) or (isinstance(value, str) and len(value) <= LONGEST_LABEL):
            kept[name] = value
        elif value is not None:
            warn(
                f"claude_audit.record: {name} is no short label and was left out: texts are never recorded",
                f"label {name}",
            )
    return kept
