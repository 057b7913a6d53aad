"""What a request to the Messages API tells without its text: its shape, and its prompt as chained hashes of blocks.

Blocks are the tools, each part of the system prompt, each message; of messages that hold what was looked up (documents,
search results, also those that a tool brought), each part. A block's hash covers all blocks before it, so that two prompts
share a prefix as far as their hashes agree. A block's size is its share of the billed prompt, by length. This is what
ingest makes of a logged request too (ingestors/_pairs.py, in SQL); a test holds the two together.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Mapping, Sequence, Set
from typing import Any

AMONG_IDS = ("metadata", "stream", "extra_headers", "extra_query", "extra_body", "timeout", "betas")
"""Parameters that do not change what is asked: no part of a request's hash."""


CHUNKS = ("document", "search_result")
"""Types of content that something was looked up for: blocks of their own, of this kind."""


def plain(value: Any) -> Any:
    """A value as JSON would carry it: the SDK's objects as mappings, without what was never set."""
    if isinstance(value, Mapping):
        return {str(k): plain(v) for k, v in value.items() if not _omitted(v)}
    if isinstance(value, str | int | float | bool) or value is None:
        return value
    if isinstance(value, bytes | bytearray):
        return hashlib.sha256(value).hexdigest()
    dump = getattr(value, "model_dump", None)
    if callable(dump):
        return dump(mode="json", exclude_unset=True, warnings=False)
    if isinstance(value, Sequence | Set):  # not an iterator: the call has used it up
        return [plain(v) for v in value]
    return type(value).__name__


def _omitted(value: Any) -> bool:
    """Whether it is the SDK's mark for a parameter that was left out."""
    return type(value).__name__ in ("NotGiven", "Omit")


def _text(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"))


def _blocks(request: Mapping[str, Any]) -> Iterator[tuple[str, Any]]:
    """(kind, content) in the order in which the cache sees them."""
    if request.get("tools"):
        yield "tools", request["tools"]
    system = request.get("system")
    for part in system if isinstance(system, list) else [system] if isinstance(system, str) else []:
        yield "system", part
    messages = request.get("messages")
    for message in messages if isinstance(messages, list) else []:
        parts = [inner for part in _list(message, "content") for inner in _looked_up(part)]
        if any(_type(part) in CHUNKS for part in parts):
            yield from ((_type(part) if _type(part) in CHUNKS else "message", part) for part in parts)
        else:
            yield "message", message


def _looked_up(part: Any) -> list[Any]:
    """What a tool brought, one by one, where it is looked up; else the part. A mark on the whole keeps it whole."""
    brought = _list(part, "content") if _type(part) == "tool_result" and not part.get("cache_control") else []
    return brought if any(_type(one) in CHUNKS for one in brought) else [part]


def _list(value: Any, name: str) -> list[Any]:
    found = value.get(name) if isinstance(value, dict) else None
    return found if isinstance(found, list) else []


def _type(value: Any) -> str:
    found = value.get("type") if isinstance(value, dict) else None
    return found if isinstance(found, str) else ""


def prompt_blocks(request: Mapping[str, Any], prompt_tokens: int) -> list[dict[str, Any]]:
    """The prompt of a plain request, block by block: hash, tokens (adding up to `prompt_tokens`), kind, breakpoint."""
    found = [(kind, _text(content), _marked(content)) for kind, content in _blocks(request)]
    lengths = [len(text.encode("utf-8", "surrogatepass")) for _, text, _ in found]
    whole, before, chain = max(sum(lengths), 1), 0, ""
    blocks = []
    for (kind, text, marked), length in zip(found, lengths, strict=True):
        # MD5 names a block, and guards nothing: it is what the SQL has, and fast on long prompts.
        chain += hashlib.md5(text.encode("utf-8", "surrogatepass"), usedforsecurity=False).hexdigest()
        tokens = prompt_tokens * (before + length) // whole - prompt_tokens * before // whole
        before += length
        block: dict[str, Any] = {
            "hash": hashlib.md5(chain.encode(), usedforsecurity=False).hexdigest()[:16],
            "tokens": tokens,
            "kind": kind,
        }
        blocks.append(block | {"breakpoint": True} if marked else block)
    if blocks and request.get("cache_control"):  # automatic caching: one entry at the prompt's end
        blocks[-1]["breakpoint"] = True
    return blocks


def _marked(content: Any) -> bool:
    if isinstance(content, dict):
        return bool(content.get("cache_control")) or any(_marked(v) for v in content.values())
    return isinstance(content, list) and any(_marked(v) for v in content)


def shape(request: Mapping[str, Any]) -> dict[str, Any]:
    """What a plain request tells beside its prompt: the fields of the native record."""
    messages, tools, thinking = request.get("messages"), request.get("tools"), request.get("thinking")
    asked = {k: v for k, v in request.items() if k not in AMONG_IDS}
    prefix = {k: request.get(k) for k in ("model", "tools", "system")}
    effort = request.get("output_config")
    return {
        "max_tokens": request.get("max_tokens"),
        "stream": True if request.get("stream") is True else None,
        "tools_defined": len(tools) if isinstance(tools, list) else 0,
        "message_count": len(messages) if isinstance(messages, list) else None,
        "has_images": _has(messages, "image") if isinstance(messages, list) else None,
        "thinking": thinking.get("type") in ("enabled", "adaptive") if isinstance(thinking, dict) else False,
        "effort": effort.get("effort") if isinstance(effort, dict) else None,
        "prefix_hash": _hash(prefix),
        "request_hash": _hash(asked),
    }


def _has(content: Any, kind: str) -> bool:
    if isinstance(content, dict):
        return content.get("type") == kind or any(_has(v, kind) for v in content.values())
    return isinstance(content, list) and any(_has(v, kind) for v in content)


def _hash(value: Any) -> str:
    text = json.dumps(value, sort_keys=True, ensure_ascii=False, separators=(",", ":"))
    return "sha256:" + hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()[:32]
