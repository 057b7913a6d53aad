"""Claude Code session transcripts: ~/.claude/projects/<folder>/<session>.jsonl and its subagents/**/agent-*.jsonl.

Recognised by records with `sessionId` and `type`. A call is an assistant line with `message.usage`; it stands on one line
for each content block or streaming snapshot, and again in every session that resumed this one. Lines of one (message id,
request id) are one call: the one with most output counts, at the earliest time. Without a request id the session takes
its place; without a message id, the line's uuid. What a forked session has copied goes by the ids that it was copied from.

Tells: all token classes with TTL, tier, speed, geography, searches, session, project (the working folder), branch, agent;
where the transcript has `api-request` records (requestRef), also hashes of the prompt's fixed part and of the request, the
output cap, effort, cache marks.
Cannot tell: endpoint, key, workspace, latency; the /compact summary and web-search side calls are not in a transcript, so
its cost is a lower bound. Under a subscription the dollars are notional.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from itertools import islice
from typing import Any

from claude_audit.ingestors import Head, Ingestor, Kind, Reading, Wider, parsed
from claude_audit.ingestors._messages_usage import USAGE, counts

OF_CALL = {
    "type": "VARCHAR",
    "timestamp": "VARCHAR",
    "sessionId": "VARCHAR",
    "forkedFrom": "JSON",
    "requestId": "VARCHAR",
    "uuid": "VARCHAR",
    "isSidechain": "VARCHAR",
    "agentId": "VARCHAR",
    "cwd": "VARCHAR",
    "gitBranch": "VARCHAR",
    "effort": "VARCHAR",
    "message": {
        "id": "VARCHAR",
        "model": "VARCHAR",
        "role": "VARCHAR",
        "stop_reason": "VARCHAR",
        "stop_details": {"category": "VARCHAR"},
        "usage": USAGE,
    },
}
OF_SESSION = "coalesce(r.forkedFrom->>'$.sessionId', r.sessionId)"
"""SQL: the session in which a line was written. A fork begins with copies of the lines before it, under its own id."""
OF_REQUEST = {
    "requestRef": "VARCHAR",
    "id": "VARCHAR",
    "shapeHash": "VARCHAR",
    "requestDigest": "VARCHAR",
    "params": {
        "max_tokens": "VARCHAR",
        "thinking": {"type": "VARCHAR"},
        "output_config": {"effort": "VARCHAR"},
    },
    "cacheControl": "JSON",
}


MOST_LOOKED_AT = 20
"""Lines after the first ones that may be of a session."""


def _recognise(head: Head) -> bool:
    if any(map(_of_session, head.records)):
        return True
    # Before a session's first line stand summaries and snapshots of files, which name none: of a long one by the hundred.
    if head.document or not head.records or not all("type" in r for r in head.records):
        return False
    told = (line for line in head.text.split("\n") if '"sessionId"' in line)
    return any(isinstance(r, dict) and _of_session(r) for r in map(parsed, islice(told, MOST_LOOKED_AT)))


def _of_session(record: Mapping[str, Any]) -> bool:
    return "sessionId" in record and "type" in record


ASKED = """
    SELECT file AS asked_in, r.id AS ref, any_value(r.shapeHash) AS shape, any_value(r.requestDigest) AS digest,
        any_value(r.params) AS params,
        any_value(CASE WHEN json_type(r.cacheControl) = 'ARRAY' THEN json_array_length(r.cacheControl) END)::VARCHAR AS marks
    FROM records WHERE r."type" = 'api-request' AND r.id IS NOT NULL GROUP BY ALL"""

FROM_REQUEST = """
            coalesce(r.effort, params.output_config.effort) AS effort,
            params.max_tokens AS max_tokens,
            CASE params.thinking."type" WHEN 'disabled' THEN 'false' WHEN 'enabled' THEN 'true' WHEN 'adaptive' THEN 'true' END
                AS thinking,
            shape AS prefix_hash,
            digest AS request_hash,
            marks AS cache_breakpoints,"""


def _select(reading: Reading) -> str:
    told, asked = "r.effort AS effort,", ""
    if reading.wide:
        told, asked = FROM_REQUEST, f"LEFT JOIN ({ASKED}) ON asked_in = file AND ref = r.requestRef"
    return f"""
        SELECT
            file, line,
            CASE WHEN r IS NULL THEN 'not valid JSON' END AS reject,
            CASE
                WHEN coalesce(r."type", r.message.role, '') <> 'assistant' THEN coalesce(r."type", 'other record')
                WHEN r.message.model = '<synthetic>' THEN 'synthetic message'
                WHEN r.message.usage IS NULL THEN 'assistant line without usage'
            END AS ignore,
            r."timestamp" AS ts,
            r.message.model AS model_raw,
            r.requestId AS request_id,
            r.message.id AS message_id,
            CASE
                WHEN r.message.usage IS NULL THEN NULL
                WHEN r.message.id IS NULL
                    THEN 'claude_code:' || {OF_SESSION} || '/' || coalesce(r.forkedFrom->>'$.messageUuid', r.uuid)
                WHEN r.requestId IS NULL THEN 'claude_code:' || {OF_SESSION} || '/' || r.message.id
                ELSE concat('claude_code:', r.message.id, '/', r.requestId)
            END AS identity,
            true AS snapshots,
            r.isSidechain AS side_chain,
            r.sessionId AS session,
            r.cwd AS project,
            {told}
            r.message.stop_reason AS stop_reason,
            r.message.stop_details.category AS refusal_category,
            {counts("r.message.usage")},
            'claude_code' AS gateway,
            ['lower_bound'] AS notes,
            CASE WHEN r.message.usage IS NOT NULL THEN map_from_entries(list_filter([
                {{'k': 'gitBranch', 'v': r.gitBranch}},
                {{'k': 'agentId', 'v': r.agentId}},
                {{'k': 'side_chain', 'v': CASE WHEN r.isSidechain = 'true' THEN 'true' END}}
            ], lambda e: e.v IS NOT NULL)) END AS tags
        FROM records {asked}"""


CLAUDE_CODE = Ingestor(
    name="claude_code",
    title="Claude Code session transcripts",
    kind=Kind.LINES,
    recognise=_recognise,
    select=_select,
    structure=json.dumps(OF_CALL),
    wider=Wider("api-request", json.dumps(OF_CALL | OF_REQUEST)),
    rank=40,
    doc=__doc__,
)
