"""Reports that are answers of an API: pages of JSON, one or several in a file, and the buckets of time in them."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from datetime import datetime
from decimal import Decimal
from functools import lru_cache
from typing import Any

from claude_audit.evidence import BadValueError, Claim, Download, Unread, amount, count, instant, with_rounding
from claude_audit.evidence import text as label
from claude_audit.ingestors import Head
from claude_audit.ingestors_evidence import may_be

Item = Mapping[str, Any]

_DECODER = json.JSONDecoder(parse_float=Decimal)
_BETWEEN = re.compile(r"[ \t\r\n,]*")


def sample(head: Head) -> tuple[Item, ...]:
    """The first entries of the pages that a file begins with; of a page cut off, those that are whole."""
    text = head.text.lstrip()
    if text[:1] not in ("{", "[") or not may_be(head):
        return ()
    return _sampled(text)


@lru_cache(maxsize=1)
def _sampled(text: str) -> tuple[Item, ...]:
    found = [item for document in _documents(text)[0] for item in _entries(document)]
    return tuple(found[:20]) or tuple(_of_cut(text))[:20]


def _of_cut(text: str) -> Iterator[Item]:
    """What is whole of a page that is longer than the beginning of the file."""
    start = re.search(r'"data"\s*:\s*\[', text[:4096])
    if start is None:
        return
    at = text.find("{", start.end())
    while at >= 0:
        try:
            item, at = _DECODER.raw_decode(text, at)
        except (ValueError, RecursionError):
            break
        yield item
        at = text.find("{", at)
    else:
        return
    begun = re.match(r'\{\s*"(?:starting_at|date)"\s*:\s*"[^"]*"', text[at:])
    rows = re.compile(r'"results"\s*:\s*\[\s*').search(text, at)
    if begun and rows:  # one bucket with more rows than the beginning holds: its first row
        try:
            row, _ = _DECODER.raw_decode(text, rows.end())
        except (ValueError, RecursionError):
            return
        yield {"starting_at": begun[0], "results": [row]}


def _documents(text: str) -> tuple[list[Any], bool]:
    """The JSON values in a text (one document, lines, or several in a row), and whether that is all there is in it."""
    text = text.removeprefix("\ufeff")
    found: list[Any] = []
    at = _next(text, 0)
    while at < len(text):
        try:
            value, at = _DECODER.raw_decode(text, at)
        except (ValueError, RecursionError):
            return found, False
        found.append(value)
        at = _next(text, at)
    return found, True


def _next(text: str, at: int) -> int:
    between = _BETWEEN.match(text, at)
    return between.end() if between else at


def _entries(document: Any) -> list[Item]:
    """The entries of a page, of a list of pages, or of a list of entries taken out of one."""
    if isinstance(document, list):
        return [item for part in document for item in _entries(part)]
    if not isinstance(document, dict):
        return []
    data = document.get("data")
    if isinstance(data, list):
        return [item for item in data if isinstance(item, dict)]
    return [document]


def _pages(documents: list[Any]) -> list[tuple[list[Item], bool]]:
    """(entries, whether it says that there is more) of each page; entries that stand alone are a page together."""
    loose: list[Item] = []
    pages: list[tuple[list[Item], bool]] = []

    def walk(value: Any) -> None:
        if isinstance(value, list):
            for part in value:
                walk(part)
        elif isinstance(value, dict) and isinstance(value.get("data"), list):
            pages.append((_entries(value), value.get("has_more") is True))
        elif isinstance(value, dict):
            loose.append(value)

    walk(documents)
    return [*pages, (loose, False)] if loose or not pages else pages


def read(
    text: str, wanted: Callable[[Item], bool], claims: Callable[[Item, Item, int], Iterable[Claim | Unread]]
) -> Iterator[Download]:
    """A download a page. `claims` makes an entry and one of its rows (or itself) claims; it may raise BadValueError.

    `wanted`: whether a row is of the format at all.
    """
    documents, whole = _documents(text)
    number = 0
    for place, (entries, more) in enumerate(pages := _pages(documents)):
        found: list[Claim] = []
        ignored: list[Unread] = []
        rejected: list[Unread] = []
        spans: list[datetime] = []
        for entry in entries:
            rows = entry.get("results")
            spans += _span(entry) if isinstance(rows, list) else []
            for row in rows if isinstance(rows, list) else [entry]:
                number += 1
                try:
                    if not isinstance(row, dict) or not wanted(row):
                        raise BadValueError("not a row of this report")
                    made = list(claims(entry, row, number))
                except BadValueError as error:
                    rejected.append(Unread(number, str(error)))
                    continue
                found += [m for m in made if isinstance(m, Claim)]
                ignored += [m for m in made if isinstance(m, Unread)]
        if not whole and place == len(pages) - 1:
            rejected.append(Unread(number + 1, "not valid JSON from here on"))
        spans += [moment for claim in found for moment in (claim.start, claim.end)]
        said = json.dumps(entries, sort_keys=True, default=str).encode("utf-8", "surrogatepass")
        yield Download(
            with_rounding(found),
            hashlib.sha256(said).hexdigest(),
            min(spans, default=None),
            max(spans, default=None),
            more,
            tuple(ignored),
            tuple(rejected),
        )


def _span(entry: Item) -> list[datetime]:
    try:
        return [instant(entry.get("starting_at"), "starting_at"), instant(entry.get("ending_at"), "ending_at")]
    except BadValueError:
        return []


def period(entry: Item, row: Item) -> tuple[datetime, datetime]:
    """[start, end) of a row: its own, or its bucket's. Raises BadValueError."""
    whose = entry if entry.get("starting_at") else row
    start, end = instant(whose.get("starting_at"), "starting_at"), instant(whose.get("ending_at"), "ending_at")
    if end <= start:
        raise BadValueError(f"ending_at is not after starting_at ({whose.get('starting_at')})")
    return start, end


def inner(row: Item, name: str) -> Item:
    """An object in a row; empty where there is none."""
    value = row.get(name)
    return value if isinstance(value, dict) else {}


def token_counts(usage: Item) -> dict[str, Any]:
    """The counts of a usage object as an Admin or Analytics report names them. Raises BadValueError."""
    split = inner(usage, "cache_creation")
    return {
        "input_tokens": count(usage.get("uncached_input_tokens"), "uncached_input_tokens"),
        "cache_read_tokens": count(usage.get("cache_read_input_tokens"), "cache_read_input_tokens"),
        "cache_write_5m_tokens": count(split.get("ephemeral_5m_input_tokens"), "ephemeral_5m_input_tokens"),
        "cache_write_1h_tokens": count(split.get("ephemeral_1h_input_tokens"), "ephemeral_1h_input_tokens"),
        "output_tokens": count(usage.get("output_tokens"), "output_tokens"),
        "web_searches": count(inner(usage, "server_tool_use").get("web_search_requests"), "web_search_requests"),
        "requests": count(usage.get("requests"), "requests"),
    }


def charged(cost: Item) -> dict[str, Any]:
    """The amounts of a cost object, which has them in cents, in dollars. Raises BadValueError."""
    if cost.get("currency") not in (None, "USD"):
        raise BadValueError(f"the currency is {str(cost['currency'])[:20]}, not USD")
    usd = amount(cost.get("amount"), "amount", cents=True)
    if usd is None:
        raise BadValueError("amount is missing")
    return {
        "amount_usd": usd,
        "list_amount_usd": amount(cost.get("list_amount"), "list_amount", cents=True),
        "requests": count(cost.get("requests"), "requests"),
    }


TOKEN_TYPES = {
    "uncached_input_tokens": "input",
    "cache_read_input_tokens": "cache_read",
    "cache_creation.ephemeral_5m_input_tokens": "cache_write_5m",
    "cache_creation.ephemeral_1h_input_tokens": "cache_write_1h",
    "output_tokens": "output",
}
"""The reports' words for the token classes of usage.TOKEN_CLASSES."""

NAMED = frozenset(
    (
        "model workspace_id api_key_id service_tier context_window inference_geo speed product token_type "
        "cost_type actor account_id service_account_id"
    ).split()
)
"""Dimensions that have columns of their own."""

MEASURES = frozenset(
    (
        "amount list_amount currency requests total_tokens uncached_input_tokens cache_read_input_tokens "
        "cache_creation output_tokens server_tool_use starting_at ending_at description usage cost group "
        "results"
    ).split()
)


def dimensions(group: Item) -> dict[str, Any]:
    """The columns that a row is grouped by, of Claim; what has no column is told apart by `other`."""
    geo, actor = label(group.get("inference_geo")), inner(group, "actor")
    who = next(
        (label(actor.get(k)) for k in ("email_address", "user_id", "service_account_id") if label(actor.get(k))), None
    )
    kind = label(group.get("token_type"))
    more = {k: v for k, v in group.items() if k not in NAMED | MEASURES and v is not None}
    if actor and not who and not label(actor.get("api_key_id")):
        more["actor"] = actor
    return {
        "model_raw": label(group.get("model")),
        "workspace_id": label(group.get("workspace_id")),
        "api_key_id": label(group.get("api_key_id")) or label(actor.get("api_key_id")),
        "user": who or label(group.get("account_id")) or label(group.get("service_account_id")),
        "tier": label(group.get("service_tier")),
        "context_window": label(group.get("context_window")),
        "geo": None if geo == "not_available" else geo,
        "speed": label(group.get("speed")),
        "product": label(group.get("product")),
        "token_type": TOKEN_TYPES.get(kind, kind) if kind else None,
        "cost_type": label(group.get("cost_type")),
        "other": json.dumps(more, sort_keys=True, default=str) if more else None,
    }


def overlapping(group: Item) -> bool:
    """Whether the row is a team's: people in several teams are in several rows, so such rows can't be added up."""
    return any(group.get(name) is not None for name in ("rbac_group_id", "rbac_group"))


OVERLAP = "rows by RBAC group overlap"
