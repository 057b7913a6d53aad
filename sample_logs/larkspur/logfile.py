"""A log file on its way to the disk, and the tally of what its lines are."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass, field

from .calls import Call, Tokens


@dataclass(slots=True)
class LogFile:
    """Lines of one file, with what each of them must come to in an audit."""

    path: str
    """Below sample_logs/; its first part is the folder of the format, and .gz says that it is stored compressed."""
    calls: list[Call] = field(default_factory=list)
    """One for each call whose first line is in this file."""
    lines: list[str] = field(default_factory=list)
    duplicates: int = 0
    ignored: int = 0
    rejected: int = 0
    headers: int = 0

    @property
    def format(self) -> str:
        return self.path.split("/")[0]

    @property
    def content(self) -> bytes:
        return "".join(line + "\n" for line in self.lines).encode()

    def call(self, call: Call, line: str) -> None:
        self.calls.append(call)
        self.lines.append(line)

    def duplicate(self, line: str) -> None:
        self.duplicates += 1
        self.lines.append(line)

    def ignore(self, line: str) -> None:
        self.ignored += 1
        self.lines.append(line)

    def reject(self, line: str) -> None:
        self.rejected += 1
        self.lines.append(line)

    def header(self, line: str) -> None:
        self.headers += 1
        self.lines.append(line)


def compact(record: object) -> str:
    return json.dumps(record, separators=(",", ":"), ensure_ascii=False)


def usage(
    tokens: Tokens,
    *,
    thinking: int | None = None,
    searches: int = 0,
    tier: str = "standard",
    geo: str | None = None,
    iterations: Sequence[object] = (),
) -> dict[str, object]:
    """The Messages API's usage block; the optional parts only where they say something."""
    block: dict[str, object] = counters(tokens)
    block["output_tokens"] = tokens.output
    if thinking is not None:
        block["output_tokens_details"] = {"thinking_tokens": thinking}
    if searches:
        block["server_tool_use"] = {"web_search_requests": searches, "web_fetch_requests": 0}
    block["service_tier"] = tier
    if geo is not None:
        block["inference_geo"] = geo
    if iterations:
        block["iterations"] = list(iterations)
    return block


def counters(tokens: Tokens) -> dict[str, object]:
    """The input side of a usage block; the split by TTL where anything was written."""
    block: dict[str, object] = {
        "input_tokens": tokens.input,
        "cache_creation_input_tokens": tokens.writes,
        "cache_read_input_tokens": tokens.cache_read,
    }
    if tokens.writes:
        block["cache_creation"] = {
            "ephemeral_5m_input_tokens": tokens.cache_write_5m,
            "ephemeral_1h_input_tokens": tokens.cache_write_1h,
        }
    return block
