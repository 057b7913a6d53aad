"""What `claude -p --output-format stream-json` (or json) prints: the messages of headless Claude Code runs.

The desktop app keeps the same messages of its agent's sessions, in files audit.jsonl.

Recognised by records with `session_id` and `type` system, assistant, user or result; or results without a type, as Python's
Agent SDK holds them (`session_id`, `num_turns`, `total_cost_usd`, `usage`). The bill is in `modelUsage` of a
session's result records: one row a model. It is cumulative, so the record with most output counts, and replaces what an
earlier ingest had of the session; the others are duplicates. Assistant lines carry the usage of the start of their stream
(output 4 for 87) and are ignored, as is `usage` of the result, which is the main loop only. A session without a result has
no bill here: its lines are ignored under a reason of their own.

Tells: all token classes with TTL, searches, session, project (the working folder), Claude Code's own estimate. Cannot tell:
how many calls there were and how large their prompts (`sums_only`: no request counts, base rates), when each of them ran,
endpoint, speed. A result that names several models counts as one line for each.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from claude_audit.ingestors import Head, Ingestor, Kind, Reading
from claude_audit.ingestors._messages_usage import USAGE

TYPES = ("system", "assistant", "user", "result", "stream_event")
STRUCTURE = json.dumps(
    {
        "type": "VARCHAR",
        "subtype": "VARCHAR",
        "session_id": "VARCHAR",
        "timestamp": "VARCHAR",
        "_audit_timestamp": "VARCHAR",
        "cwd": "VARCHAR",
        "model": "VARCHAR",
        "usage": USAGE,
        "modelUsage": "JSON",
        "model_usage": "JSON",
        "total_cost_usd": "VARCHAR",
        "num_turns": "VARCHAR",
    }
)
MODEL_USAGE = json.dumps(
    {
        "inputTokens": "VARCHAR",
        "outputTokens": "VARCHAR",
        "cacheReadInputTokens": "VARCHAR",
        "cacheCreationInputTokens": "VARCHAR",
        "cacheCreationEphemeral5mInputTokens": "VARCHAR",
        "cacheCreationEphemeral1hInputTokens": "VARCHAR",
        "webSearchRequests": "VARCHAR",
        "costUSD": "VARCHAR",
        "provider": "VARCHAR",
    }
)


OF_SDK = ("session_id", "num_turns", "total_cost_usd", "usage")
"""What a result has as Python's Agent SDK holds it, without a type."""


def _of_sdk(record: Mapping[str, Any]) -> bool:
    return "type" not in record and {*OF_SDK} <= record.keys()


def _recognise(head: Head) -> bool:
    if any(isinstance(r.get("session_id"), str) and r.get("type") in TYPES for r in head.records):
        return True
    # Among records of another make, which tell of calls, a result is an application's own.
    others = (r for r in head.records if "usage" in r and "parent_tool_use_id" not in r and not _of_sdk(r))
    return any(map(_of_sdk, head.records)) and next(others, None) is None


def _select(reading: Reading) -> str:
    """Lines that are no result; results by model; and, of old versions, results that name no model.

    The session's folder and model stand in its first line.
    """
    reading.connection.execute(f"""
        CREATE OR REPLACE TEMP TABLE run_lines AS
        SELECT *, "type" = 'result' AND session_id IS NOT NULL
                AND (json_type(modelUsage) = 'OBJECT' AND modelUsage <> '{{}}' OR usage IS NOT NULL) AS billed
        FROM (
            SELECT * REPLACE (
                    coalesce("type", CASE WHEN num_turns IS NOT NULL AND usage IS NOT NULL THEN 'result' END) AS "type",
                    coalesce(modelUsage, model_usage) AS modelUsage),
                -- A result of the SDK's names no model, its assistants' messages no session.
                CASE WHEN min(model) OVER (PARTITION BY file) = max(model) OVER (PARTITION BY file)
                    THEN min(model) OVER (PARTITION BY file) END AS only_model
            FROM (
                SELECT file, line, unnest(r), r IS NULL AS broken
                FROM (SELECT file, line, json_record(text, '{STRUCTURE}') AS r FROM lines)
            )
        )""")
    reading.connection.execute("""
        CREATE OR REPLACE TEMP TABLE run_sessions AS
        SELECT session_id, any_value(cwd) AS project, any_value(model) FILTER (WHERE "type" = 'system') AS main_model,
            coalesce(bool_or(billed), false) AS ended
        FROM run_lines WHERE session_id IS NOT NULL GROUP BY session_id""")
    same = """
            coalesce("timestamp", _audit_timestamp) AS ts,
            session_id AS session,
            project,
            l.usage.service_tier AS tier,
            l.usage.inference_geo AS geo,
            'claude_code' AS gateway,
            'client' AS cost_reported_by,
            true AS snapshots"""
    return f"""
        SELECT
            file, line,
            CASE WHEN broken THEN 'not valid JSON' END AS reject,
            CASE
                WHEN "type" = 'result' THEN 'result without usage'
                WHEN "type" = 'assistant' AND NOT coalesce(ended, false) THEN 'assistant line of a session without a result'
                ELSE coalesce("type", 'other record')
            END AS ignore
        FROM run_lines LEFT JOIN run_sessions USING (session_id)
        WHERE broken OR NOT coalesce(billed, false)
        UNION ALL BY NAME
        SELECT
            file, line, {same},
            model_name AS model_raw,
            'claude_code_result:' || session_id || '/' || model_name AS identity,
            m.inputTokens AS input_tokens,
            m.outputTokens AS output_tokens,
            m.cacheReadInputTokens AS cache_read_tokens,
            m.cacheCreationInputTokens AS cache_write_tokens,
            m.cacheCreationEphemeral5mInputTokens AS cache_write_5m_tokens,
            m.cacheCreationEphemeral1hInputTokens AS cache_write_1h_tokens,
            m.webSearchRequests AS web_searches,
            m.costUSD AS cost_reported_usd,
            CASE m.provider WHEN 'firstParty' THEN 'anthropic' WHEN 'bedrock' THEN 'aws_bedrock' WHEN 'vertex' THEN 'gcp_vertex'
                WHEN 'foundry' THEN 'azure_foundry' END AS provider,
            ['sums_only'] AS notes
        FROM (
            SELECT *, TRY(json_transform(e.value, '{MODEL_USAGE}')) AS m, e.key AS model_name
            FROM (
                SELECT *, unnest(map_entries(from_json(modelUsage, '"MAP(VARCHAR, JSON)"'))) AS e
                FROM run_lines WHERE billed AND json_type(modelUsage) = 'OBJECT'
            )
        ) AS l LEFT JOIN run_sessions USING (session_id)
        UNION ALL BY NAME
        SELECT
            file, line, {same},
            coalesce(l.model, main_model, only_model) AS model_raw,
            'claude_code_result:' || session_id || '/' AS identity,
            l.usage.input_tokens AS input_tokens,
            l.usage.output_tokens AS output_tokens,
            l.usage.cache_read_input_tokens AS cache_read_tokens,
            l.usage.cache_creation_input_tokens AS cache_write_tokens,
            l.usage.cache_creation.ephemeral_5m_input_tokens AS cache_write_5m_tokens,
            l.usage.cache_creation.ephemeral_1h_input_tokens AS cache_write_1h_tokens,
            l.usage.server_tool_use.web_search_requests AS web_searches,
            total_cost_usd AS cost_reported_usd,
            ['sums_only', 'lower_bound'] AS notes
        FROM run_lines AS l LEFT JOIN run_sessions USING (session_id)
        WHERE billed AND (json_type(modelUsage) IS DISTINCT FROM 'OBJECT' OR modelUsage = '{{}}')"""


CLAUDE_CODE_RESULT = Ingestor(
    name="claude_code_result",
    title="output of claude -p (stream-json, json)",
    kind=Kind.LINES,
    recognise=_recognise,
    select=_select,
    rank=45,
    cross_line=True,
    doc=__doc__,
)
