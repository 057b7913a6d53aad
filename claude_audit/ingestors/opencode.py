"""OpenCode's messages: ~/.local/share/opencode/storage/message/<session>/msg_*.json, and what `opencode export` writes.

Recognised by ids that begin with `ses_`, and with `msg_` or `prt_` beside them; an export by the session under its `info`.
A message of role assistant is a call. It is written again as it grows, and a forked session has copies under new ids: calls
go by the moment they were made and what they counted. Parts and sessions repeat what messages tell and are ignored, and so
are the user's messages, those without tokens, and other vendors' models. Versions since February 2026 keep messages in a
database (opencode.db), which is not read: export the sessions.

`input` leaves cached tokens out. Reasoning stands beside `output`, except where `total` shows that it is in it, and in
versions without a total, which left it there.

Tells: model, token classes, thinking, time, provider, session, project (the working folder), agent as endpoint, why it
stopped. `cost` is OpenCode's own estimate, 0 under a subscription: kept as reported cost, never used. Cannot tell: the TTL
of cache writes (billed as 5m, flagged), searches, tier, latency (the tools' time is in it). Titles are written by calls
that are in no message, and a message of versions before November 2025 has the counts of its last step only: a lower bound.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from typing import Any

from claude_audit.ingestors import Head, Ingestor, Kind, Reading
from claude_audit.ingestors import _gateways as gateways

STRUCTURE = json.dumps(
    {
        **dict.fromkeys(("id", "sessionID", "messageID", "role", "modelID", "providerID"), "VARCHAR"),
        **dict.fromkeys(("mode", "agent", "variant", "finish", "cost"), "VARCHAR"),
        "time": {"created": "VARCHAR"},
        "path": {"cwd": "VARCHAR"},
        "tokens": {
            **dict.fromkeys(("total", "input", "output", "reasoning"), "VARCHAR"),
            "cache": {"read": "VARCHAR", "write": "VARCHAR"},
        },
        "error": "JSON",
    }
)
EXPORT = re.compile(r'\s*\{\s*"info"\s*:\s*\{\s*"id"\s*:\s*"ses_')
"""How an export begins; its first message may lie far behind that."""
REASONS = {"stop": "end_turn", "length": "max_tokens", "tool-calls": "tool_use", "content-filter": "refusal"}
"""OpenCode's words for why a message ended, and Anthropic's."""


def _belongs(record: Mapping[str, Any]) -> bool:
    def begins(name: str, *starts: str) -> bool:
        value = record.get(name)
        return isinstance(value, str) and value.startswith(starts)

    if begins("id", "ses_"):
        return "time" in record and ("projectID" in record or "directory" in record)
    return begins("sessionID", "ses_") and begins("id", "msg_", "prt_")


def _recognise(head: Head) -> bool:
    return EXPORT.match(head.text) is not None or any(map(_belongs, head.records))


def _messages() -> str:
    """SQL: file, line, text of each message; `line` counts on through an export."""
    listed = """CASE WHEN TRY(json_type(text, '$.messages')) = 'ARRAY' AND TRY(json_type(text, '$.info')) = 'OBJECT'
                THEN json_extract(text, '$.messages[*].info')::VARCHAR[] END"""
    return f"""(
        SELECT file, line + generate_subscripts(items, 1) - 1 AS line, unnest(items) AS text
        FROM (SELECT file, line, coalesce(nullif({listed}, []), [text]) AS items FROM lines))"""


def _select(_: Reading) -> str:
    t = "r.tokens"
    counted = (f"{t}.input", f"{t}.output", f"{t}.reasoning", f"{t}.cache.read", f"{t}.cache.write")
    nothing = gateways.nothing_counted(*counted)
    parts = (f"coalesce(count_of({c}), 0)::HUGEINT" for c in counted if c != f"{t}.reasoning")
    within = f"(absent({t}.total) OR coalesce(count_of({t}.total) = {' + '.join(parts)}, false))"
    reasons = " ".join(f"WHEN '{theirs}' THEN '{ours}'" for theirs, ours in REASONS.items())
    return f"""
        SELECT
            file, line, {gateways.NOT_JSON} AS reject,
            CASE
                WHEN r.messageID IS NOT NULL THEN 'part of a message'
                WHEN r.role IS NULL AND starts_with(r.id, 'ses_') THEN 'session'
                WHEN r.role = 'user' THEN 'user message'
                WHEN r.role IS DISTINCT FROM 'assistant' THEN 'other record'
                WHEN {nothing} AND r.error IS NOT NULL THEN 'failed call without usage'
                WHEN {nothing} THEN 'message without usage'
                WHEN {gateways.other_vendor("r.modelID", "r.providerID")} THEN 'other vendor''s model'
            END AS ignore,
            r."time".created AS ts,
            r.modelID AS model_raw,
            {gateways.provider("r.providerID")} AS provider,
            'opencode' AS gateway,
            'opencode:' || coalesce(r."time".created, r.id) AS identity,
            {t}.input AS input_tokens,
            CASE WHEN count_of({t}.reasoning) > 0 AND count_of({t}.output) IS NOT NULL AND NOT {within}
                THEN CAST(count_of({t}.output)::HUGEINT + count_of({t}.reasoning) AS VARCHAR) ELSE {t}.output END AS output_tokens,
            {t}.reasoning AS thinking_tokens,
            {t}.cache.read AS cache_read_tokens,
            {t}.cache.write AS cache_write_tokens,
            ['lower_bound'] AS notes,
            r.sessionID AS session,
            r.path.cwd AS project,
            coalesce(nullif(r.agent, ''), r.mode) AS endpoint,
            CASE r.finish {reasons} ELSE r.finish END AS stop_reason,
            r.cost AS cost_reported_usd,
            CASE WHEN r.cost IS NOT NULL THEN 'client' END AS cost_reported_by,
            map_from_entries(list_filter([
                {{'k': 'providerID', 'v': r.providerID}}, {{'k': 'variant', 'v': r.variant}}
            ], lambda e: e.v IS NOT NULL)) AS tags
        FROM (SELECT file, line, text, json_record(text, '{STRUCTURE}') AS r FROM {_messages()})"""


OPENCODE = Ingestor(
    name="opencode",
    title="OpenCode messages and exported sessions",
    kind=Kind.LINES,
    recognise=_recognise,
    select=_select,
    rank=42,
    shared=True,
    doc=__doc__,
)
