"""The Messages API's answer, whole or as the events of a stream, as one relation: what it says of the call.

A stream begins with the input side and a placeholder for the output; each later `message_delta` is cumulative, may correct
the input side and leaves out what it does not change. So the last recorded value counts, the first event's where there is
none, and nothing is ever added (Anthropic docs, Streaming messages).
"""

from __future__ import annotations

import json
from collections.abc import Mapping

from claude_audit.ingestors._body import REQUEST
from claude_audit.ingestors._messages_usage import DIAGNOSTICS, USAGE, counts_of, misses

TYPES = (
    "message_start",
    "content_block_start",
    "content_block_delta",
    "content_block_stop",
    "message_delta",
    "message_stop",
    "ping",
    "error",
)
TELLING = ("message_start", "content_block_start", "message_delta", "message_stop")
"""The events that say something of the bill; the others are text and pauses."""

MESSAGE = {
    "type": "VARCHAR",
    "id": "VARCHAR",
    "model": "VARCHAR",
    "stop_reason": "VARCHAR",
    "stop_details": {"category": "VARCHAR"},
    "content": "JSON",
    "usage": USAGE,
    "diagnostics": DIAGNOSTICS,
}
METRICS = {
    "inputTokenCount": "VARCHAR",
    "outputTokenCount": "VARCHAR",
    "cacheReadInputTokenCount": "VARCHAR",
    "cacheWriteInputTokenCount": "VARCHAR",
    "invocationLatency": "VARCHAR",
    "firstByteLatency": "VARCHAR",
}
"""What Bedrock adds to the last event of a stream."""
EVENT = {
    "type": "VARCHAR",
    "message": {name: kind for name, kind in MESSAGE.items() if name != "content"},
    "content_block": {"type": "VARCHAR", "to": {"model": "VARCHAR"}},
    "delta": {"stop_reason": "VARCHAR", "stop_details": {"category": "VARCHAR"}},
    "usage": USAGE,
    "amazon-bedrock-invocationMetrics": METRICS,
}

_MESSAGES = json.dumps([EVENT])
_MESSAGE = json.dumps(MESSAGE)

NO_ANSWER = f"CASE WHEN false THEN json_transform('{{}}', '{_MESSAGE}') END"
"""SQL: no answer as a whole."""


def answers(rows: str, body: str) -> str:
    """SQL: the `rows` with the answer in `body` (SQL of JSON text, or null): a message, a list of events, or either as text.

    Adds `whole` (a MESSAGE struct) and `events` (a list of EVENT structs); at most one of them is not null.
    """
    return f"""
        SELECT * EXCLUDE (answer_text),
            CASE WHEN json_type(answer_text) = 'OBJECT' THEN TRY(json_transform(answer_text, '{_MESSAGE}')) END AS whole,
            CASE WHEN json_type(answer_text) = 'ARRAY' THEN TRY(json_transform(answer_text, '{_MESSAGES}')) END AS events
        FROM (SELECT *, {_unquoted(body)} AS answer_text FROM ({rows}))"""


def _unquoted(body: str) -> str:
    """SQL: valid JSON text; what is a string of JSON, or of a stream's events, is taken out of its string."""
    return f"""CASE
                WHEN {body} IS NULL OR NOT json_valid({body}) THEN NULL
                WHEN json_type({body}) <> 'VARCHAR' THEN CAST({body} AS VARCHAR)
                WHEN json_valid(CAST({body} AS JSON)->>'$') THEN CAST({body} AS JSON)->>'$'
                ELSE events_of(CAST({body} AS JSON)->>'$')
            END"""


def told(rows: str) -> str:
    """SQL: the `rows`, which have `whole` and `events`, with what the answer says in columns of `answer_` and their names.

    `answer_usage` is a struct like USAGE, null without any usage; `answer_cut` says that a stream ended before its output
    was told. A stream's own counters are of its first event as far as the later ones do not say otherwise; with
    `iterations` the split of cache writes is that of the message entries, which the top level stands for.
    """

    def last(path: str) -> str:
        return (
            f"coalesce(list_filter(list_transform(deltas, lambda d: d.usage.{path}), lambda v: v IS NOT NULL)[-1], "
            f"start.usage.{path})"
        )

    def metric(path: str, name: str) -> str:
        return f"coalesce({last(path)}, metrics.{name})"

    entries = "list_filter(TRY(json_transform(passes, '{}')), lambda e: e.\"type\" = 'message')".format(
        json.dumps([{"type": "VARCHAR", "cache_creation": USAGE["cache_creation"]}])
    )

    def split(ttl: str) -> str:
        path = f"cache_creation.ephemeral_{ttl}_input_tokens"
        listed = (
            f"list_filter(list_transform(entries, lambda e: TRY_CAST(e.{path} AS BIGINT)), lambda v: v IS NOT NULL)"
        )
        unchanged = f"{last('cache_creation_input_tokens')} = start.usage.cache_creation_input_tokens"
        return f"""CASE WHEN passes IS NULL OR (len({listed}) = 0 AND {unchanged})
                            THEN {last(path)} ELSE CAST(list_sum({listed}) AS VARCHAR) END"""

    output = "list_filter(list_transform(deltas, lambda d: d.usage.output_tokens), lambda v: v IS NOT NULL)[-1]"
    return f"""
        SELECT * EXCLUDE (start, deltas, opened, metrics, listed, passes, entries),
            CASE WHEN events IS NULL THEN whole.usage
                WHEN start.usage IS NULL AND len(deltas) = 0 AND metrics IS NULL THEN NULL
                ELSE {{
                    'input_tokens': {metric("input_tokens", "inputTokenCount")},
                    'output_tokens': coalesce({output}, metrics.outputTokenCount),
                    'cache_read_input_tokens': {metric("cache_read_input_tokens", "cacheReadInputTokenCount")},
                    'cache_creation_input_tokens': {metric("cache_creation_input_tokens", "cacheWriteInputTokenCount")},
                    'cache_creation': {{
                        'ephemeral_5m_input_tokens': {split("5m")},
                        'ephemeral_1h_input_tokens': {split("1h")}
                    }},
                    'output_tokens_details': {{'thinking_tokens': {last("output_tokens_details.thinking_tokens")}}},
                    'server_tool_use': {{
                        'web_search_requests': {last("server_tool_use.web_search_requests")},
                        'web_fetch_requests': {last("server_tool_use.web_fetch_requests")}
                    }},
                    'service_tier': {last("service_tier")},
                    'inference_geo': {last("inference_geo")},
                    'speed': {last("speed")},
                    'iterations': passes
                }} END AS answer_usage,
            events IS NOT NULL AND coalesce({output}, metrics.outputTokenCount) IS NULL AS answer_cut,
            coalesce(whole.id, start.id) AS answer_id,
            coalesce(
                list_filter(list_transform(opened, lambda b: b."to".model), lambda v: v IS NOT NULL)[-1],
                whole.model, start.model) AS answer_model,
            coalesce(whole.stop_reason,
                list_filter(list_transform(deltas, lambda d: d.delta.stop_reason), lambda v: v IS NOT NULL)[-1])
                AS answer_stop_reason,
            coalesce(whole.stop_details.category,
                list_filter(list_transform(deltas, lambda d: d.delta.stop_details.category), lambda v: v IS NOT NULL)[-1])
                AS answer_refusal_category,
            coalesce(whole.diagnostics, start.diagnostics) AS answer_diagnostics,
            CASE WHEN start IS NOT NULL OR len(deltas) > 0 THEN CAST(len(opened) AS VARCHAR)
                WHEN json_type(whole.content) = 'ARRAY' THEN CAST(json_array_length(whole.content) AS VARCHAR)
            END AS answer_blocks,
            CASE WHEN start IS NOT NULL OR len(deltas) > 0
                    THEN CAST(len(list_filter(opened, lambda b: b."type" = 'tool_use')) AS VARCHAR)
                WHEN json_type(whole.content) = 'ARRAY' THEN CAST(len(list_filter(
                    json_extract_string(whole.content, '$[*].type'), lambda t: t = 'tool_use')) AS VARCHAR)
            END AS answer_tools,
            metrics AS answer_metrics
        FROM (
            SELECT *, {entries} AS entries
            FROM (
                SELECT *, CASE WHEN json_type(listed) = 'ARRAY' AND json_array_length(listed) > 0 THEN listed END AS passes
                FROM (
                    SELECT *, {last("iterations")} AS listed
                    FROM (
                        SELECT *,
                            list_filter(events, lambda e: e."type" = 'message_start')[1].message AS start,
                            list_filter(events, lambda e: e."type" = 'message_delta') AS deltas,
                            list_transform(
                                list_filter(events, lambda e: e."type" = 'content_block_start'),
                                lambda e: e.content_block) AS opened,
                            list_filter(events, lambda e: e."amazon-bedrock-invocationMetrics" IS NOT NULL)[-1]
                                ."amazon-bedrock-invocationMetrics" AS metrics
                        FROM ({rows})
                    )
                )
            )
        )"""


def usage() -> dict[str, str]:
    """Call column -> SQL of what `answer_usage` says."""
    return counts_of("answer_usage")


def columns(counted: Mapping[str, str] | None = None) -> str:
    """SQL: the call columns of what `told` adds, the model and the ids excepted. `counted`: other SQL for some of them."""
    own = {
        "stop_reason": "answer_stop_reason",
        "refusal_category": "answer_refusal_category",
        "content_blocks": "answer_blocks",
        "tools_used": "answer_tools",
    }
    told = ", ".join(f"{sql} AS {name}" for name, sql in {**usage(), **own, **(counted or {})}.items())
    return f"{told}, {misses('answer_diagnostics')}"


NOTES = "CASE WHEN answer_cut THEN ['partial_stream'] ELSE [] END"
"""SQL: what has to be said of the answer."""


def asked(body: str, told_by: str = "answer_usage.input_tokens IS NOT NULL") -> str:
    """SQL: the call columns of the request in `body` (valid JSON text, or null), for claude_audit.ingestors._pairs.

    Only where the answer is Anthropic's own (`told_by`) is the request of that shape too. A body with fewer bytes than
    its prompt has tokens was left out or cut when it was logged: of its prompt nothing can be told.
    """
    request = f"TRY(json_transform({body}, '{json.dumps(REQUEST)}'))"
    prompt = " + ".join(
        f"coalesce(count_of(answer_usage.{name}), 0)::HUGEINT"
        for name in ("input_tokens", "cache_read_input_tokens", "cache_creation_input_tokens")
    )
    return f"""
            json_extract_string({body}, '$.max_tokens') AS max_tokens,
            json_extract_string({body}, '$.output_config.effort') AS effort,
            CASE WHEN json_extract_string({body}, '$.thinking.type') IN ('enabled', 'adaptive') THEN 'true' END AS thinking,
            NULL::VARCHAR AS tools_defined,
            NULL::VARCHAR AS message_count,
            NULL::VARCHAR AS has_images,
            CASE WHEN {told_by} AND strlen({body}) >= {prompt} THEN {request} END AS request,
            NULL::STRUCT(hash VARCHAR, tokens BIGINT, kind VARCHAR, breakpoint BOOLEAN)[] AS listed_blocks"""
