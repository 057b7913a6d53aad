"""LiteLLM's spend log: rows of its table LiteLLM_SpendLogs, as JSON or CSV, and the StandardLoggingPayload of its callbacks.

Recognised by `litellm_call_id`, or by `custom_llm_provider` beside `spend` or `response_cost`. A row is one request to
the proxy; `litellm_call_id` identifies it, else its request id. `prompt_tokens` includes what was read from and written to
the prompt cache; how much that is stands in `usage_object`. A call of several passes (an advisor, a compaction) is billed
pass by pass from `usage_object.iterations`: LiteLLM adds the passes up at the main model's price. An answer from LiteLLM's
own cache (`cache_hit`) is a request that cost nothing. Requests that failed or have no usage, and other vendors' models,
are ignored. Payloads are found inside what a callback (`standard_logging_object`) or a logger has around them, and rows in
the `data` of the proxy's own answer.

Tells: all token classes, tier, geography, searches, the key's alias or hash, team, user, session, tags; endpoint from
`spend_logs_metadata.endpoint`, else the model group. `spend` is LiteLLM's own estimate: kept as reported cost, never used.
Cannot tell: whether a refusal came before any output, and Anthropic's request id (the payload can).
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence

from claude_audit.aliases import TEXT_FIELDS, normalized
from claude_audit.ingestors import Head, Ingestor, Kind, Reading
from claude_audit.ingestors import _named as named
from claude_audit.ingestors import _table as table
from claude_audit.pieces import quoted, quoted_list

USAGE = {
    "prompt_tokens": "VARCHAR",
    "completion_tokens": "VARCHAR",
    "prompt_tokens_details": {
        "cached_tokens": "VARCHAR",
        "cache_creation_tokens": "VARCHAR",
        "cache_write_tokens": "VARCHAR",
        "cache_creation_token_details": {
            "ephemeral_5m_input_tokens": "VARCHAR",
            "ephemeral_1h_input_tokens": "VARCHAR",
        },
    },
    "input_tokens_details": {"cached_tokens": "VARCHAR"},
    "completion_tokens_details": {"reasoning_tokens": "VARCHAR"},
    "cache_read_input_tokens": "VARCHAR",
    "cache_creation_input_tokens": "VARCHAR",
    "cache_creation": {"ephemeral_5m_input_tokens": "VARCHAR", "ephemeral_1h_input_tokens": "VARCHAR"},
    "server_tool_use": {"web_search_requests": "VARCHAR", "web_fetch_requests": "VARCHAR"},
    "service_tier": "VARCHAR",
    "inference_geo": "VARCHAR",
    "speed": "VARCHAR",
    "iterations": "JSON",
}
METADATA = {
    "usage_object": USAGE,
    "additional_usage_values": USAGE,
    "user_api_key_alias": "VARCHAR",
    "user_api_key_hash": "VARCHAR",
    "user_api_key_team_alias": "VARCHAR",
    "user_api_key_team_id": "VARCHAR",
    "user_api_key_project_alias": "VARCHAR",
    "user_api_key_project_id": "VARCHAR",
    "user_api_key_end_user_id": "VARCHAR",
    "user_api_key_user_id": "VARCHAR",
    "spend_logs_metadata": "JSON",
    "batch_successful_requests": "VARCHAR",
    "cost_breakdown": {"vertex_location": "VARCHAR"},
}
HIDDEN = {
    "additional_headers": {"llm_provider-request-id": "VARCHAR", "llm_provider-anthropic-workspace-id": "VARCHAR"},
    "usage_object": USAGE,
}
TEXTS = (
    "request_id id litellm_call_id trace_id session_id call_type api_key api_base cache_hit startTime "
    "endTime completionStartTime response_time request_duration_ms model model_group custom_llm_provider "
    "end_user user team_id status spend response_cost prompt_tokens completion_tokens stream"
).split()
NESTED = ["metadata", "request_tags", "hidden_params", "model_parameters", "response"]
"""Objects in a payload; JSON in a string in a row of the table."""
HOLDERS = ("standard_logging_object", "message", "msg", "event", "jsonPayload", "data")
"""Where a payload, or a list of rows, stands inside what a callback, a logger or the proxy's own answer has around it."""
STRUCTURE = json.dumps({**dict.fromkeys(TEXTS, "VARCHAR"), **dict.fromkeys((*NESTED, *HOLDERS), "JSON")})
HELD = "r IS NOT NULL AND coalesce(r.prompt_tokens, r.spend, r.response_cost) IS NULL"
"""SQL: whether a record is none of a request itself."""
DEPTH = 2

PROVIDERS = {
    "anthropic": "anthropic",
    "bedrock": "aws_bedrock",
    "bedrock_converse": "aws_bedrock",
    "vertex_ai": "gcp_vertex",
    "vertex_ai-anthropic_models": "gcp_vertex",
    "azure_ai": "azure_foundry",
    "azure": "azure_foundry",
    "openrouter": "openrouter",
}


_WRITTEN = (
    "coalesce(nullif(u.cache_creation_input_tokens, '0'), u.prompt_tokens_details.cache_creation_tokens, "
    "u.prompt_tokens_details.cache_write_tokens)"
)


BLOCKS = ("m.usage_object", "h.usage_object", "answer.usage", "m.additional_usage_values")
"""Where a row may have its usage block, the likeliest first. One may be there and empty, or without the cache."""


def _block() -> str:
    """SQL: the first usage block that tells of the cache or of passes, else the first one that tells a count."""

    def told(block: str, *names: str) -> str:
        return f"CASE WHEN coalesce({', '.join(f'{block}.{name}' for name in names)}) IS NOT NULL THEN {block} END"

    rich = (
        "cache_read_input_tokens",
        "cache_creation_input_tokens",
        "prompt_tokens_details.cached_tokens",
        "input_tokens_details.cached_tokens",
        "iterations::VARCHAR",
    )
    some = ("prompt_tokens", "completion_tokens", "service_tier", "inference_geo", "speed")
    return f"coalesce({', '.join([*(told(b, *rich) for b in BLOCKS), *(told(b, *some) for b in BLOCKS), *BLOCKS])})"


def _belongs(names: object) -> bool:
    found = set(names) if isinstance(names, Mapping | Sequence) else set()
    return "litellm_call_id" in found or (
        "custom_llm_provider" in found and not found.isdisjoint({"spend", "response_cost"})
    )


def _recognise(head: Head) -> bool:
    if head.json:
        told = "litellm_call_id" in head.text or "custom_llm_provider" in head.text
        return told and any(_belongs(r) or _belongs(r.get(HOLDERS[0])) for r in head.inside)
    return _belongs(table.header(head.text)[0])


def _select(reading: Reading) -> str:
    """Lines and documents of JSON."""
    records = "records"
    held = reading.connection.execute(f"SELECT 1 FROM records WHERE {HELD} LIMIT 1").fetchone() is not None
    if held:
        records = "(SELECT *, NULL::INTEGER AS part FROM records)"
        for _ in range(DEPTH):
            records = _inside(records, "line + place - 1" if reading.document else "line")
    nested = ", ".join(
        f"CASE json_type(r.{name}) WHEN 'VARCHAR' THEN r.{name}->>'$' ELSE CAST(r.{name} AS VARCHAR) END AS {name}"
        for name in NESTED
    )
    return _calls(
        f"""
        SELECT file, line, {"part, " if held else ""}CASE WHEN r IS NULL THEN 'not valid JSON' END AS broken,
            {", ".join(f'r."{name}"' for name in TEXTS)}, {nested}
        FROM {records}""",
        listed=held,
    )


def _inside(records: str, line: str) -> str:
    """SQL: the records, in place of those that only hold others what they hold. `line`: of one in a list (its `place`)."""
    held = ", ".join(
        f"CASE json_type(r.{name}) WHEN 'VARCHAR' THEN r.{name}->>'$' WHEN 'OBJECT' THEN CAST(r.{name} AS VARCHAR) END"
        for name in HOLDERS
    )
    told = "starts_with(ltrim(h), '{') AND contains(h, 'custom_llm_provider')"
    listed = "nullif(from_json(r.data, '[\"JSON\"]')::VARCHAR[], [])"
    return f"""(
        SELECT file, {line} AS line, CASE WHEN several THEN place::INTEGER ELSE part END AS part,
            coalesce(TRY(json_transform(item, {quoted(STRUCTURE)})), r) AS r
        FROM (
            SELECT file, line, part, r, len(items) > 1 AS several, unnest(items) AS item, generate_subscripts(items, 1) AS place
            FROM (
                SELECT file, line, part, r, CASE
                    WHEN NOT ({HELD}) THEN [NULL]
                    WHEN json_type(r.data) = 'ARRAY' THEN coalesce({listed}, [NULL])
                    ELSE [list_filter([{held}], lambda h: {told})[1]] END AS items
                FROM {records}
            )
        ))"""


def _rows(reading: Reading) -> str:
    """The CSV export of the table."""
    parts = []
    for part in table.tables(reading):
        places = {normalized(name): place for place, name in reversed([*enumerate(part.names, 1)])}
        cells = ", ".join(
            f'{f"c{place}" if (place := places.get(normalized(name))) else "NULL::VARCHAR"} AS "{name}"'
            for name in (*TEXTS, *NESTED)
        )
        parts.append(f"SELECT file, line, broken, {cells} FROM {part.rows}")
    return _calls("\nUNION ALL BY NAME\n".join(parts)) if parts else "SELECT file, line FROM csv_rows"


ENTRIES = json.dumps(
    [
        {
            "type": "VARCHAR",
            "input_tokens": "BIGINT",
            "output_tokens": "BIGINT",
            "cache_read_input_tokens": "BIGINT",
            "cache_creation_input_tokens": "BIGINT",
            "cache_creation": {"ephemeral_5m_input_tokens": "BIGINT", "ephemeral_1h_input_tokens": "BIGINT"},
        }
    ]
)


def _count(field: str, own: str) -> str:
    """SQL: a count of the row; where the call had several passes, the sum over those that the top level stands for."""
    return f"""CASE WHEN passes_in(listed) > 0
                THEN CAST(coalesce(list_sum(list_transform(messages, lambda x: x.{field})), 0) AS VARCHAR) ELSE {own} END"""


def _nested(name: str, structure: object) -> str:
    return f"TRY(json_transform(CASE WHEN json_valid({name}) THEN {name} END, {quoted(json.dumps(structure))}))"


def _calls(rows: str, *, listed: bool = False) -> str:
    """SQL: the calls of rows with the columns `broken`, TEXTS and NESTED; `listed`: and `part`.

    named: what is nested, as structs. counted: the usage block. found: the passes, and what several columns use. The counts of the row itself come first:
    they are what LiteLLM bills, and a failure has zeros there.
    """
    providers = " ".join(f"WHEN {quoted(name)} THEN {quoted(ours)}" for name, ours in PROVIDERS.items())
    # An answer of /v1/messages or /v1/responses that is logged as it came has the API's own names.
    w5, w1 = (
        f"coalesce(u.prompt_tokens_details.cache_creation_token_details.{name}, u.cache_creation.{name})"
        for name in ("ephemeral_5m_input_tokens", "ephemeral_1h_input_tokens")
    )
    was_read = (
        "coalesce(nullif(u.cache_read_input_tokens, '0'), u.prompt_tokens_details.cached_tokens, "
        "u.input_tokens_details.cached_tokens)"
    )
    return rf"""
        WITH named AS (
            SELECT *, {_nested("metadata", METADATA)} AS m, {_nested("hidden_params", HIDDEN)} AS h,
                {_nested("response", {"usage": USAGE})} AS answer,
                {_nested("model_parameters", {"max_tokens": "VARCHAR", "stream": "VARCHAR"})} AS p
            FROM ({rows})
        ),
        counted AS (
            SELECT *, {_block()} AS u FROM named
        ),
        found AS (
            SELECT *,
                CASE WHEN json_type(u.iterations) = 'ARRAY' THEN u.iterations END AS listed,
                list_filter(TRY(json_transform(listed, '{ENTRIES}')), lambda x: x."type" = 'message') AS messages,
                coalesce(nullif(prompt_tokens, '0'), u.prompt_tokens, prompt_tokens) AS prompt,
                coalesce(nullif(completion_tokens, '0'), u.completion_tokens, completion_tokens) AS completion,
                instant(startTime) AS began, instant(endTime) AS ended, instant(completionStartTime) AS answered,
                CASE WHEN json_valid(m.spend_logs_metadata->>'$') THEN m.spend_logs_metadata->>'$' END AS labels,
                coalesce(nullif(request_id, ''), id) AS own_id,
                coalesce(nullif(api_key, ''), m.user_api_key_hash) AS key_hash
            FROM counted
        )
        SELECT
            file, line, {"part, " if listed else ""}broken AS reject,
            CASE
                WHEN coalesce(prompt, '0') = '0' AND coalesce(completion, '0') = '0' THEN
                    CASE WHEN status = 'failure' THEN 'failed call without usage' ELSE 'record without usage' END
                WHEN absent(model) AND NOT list_contains({quoted_list(list(PROVIDERS))}, custom_llm_provider)
                    THEN 'other vendor''s model'
            END AS ignore,
            startTime AS ts,
            model AS model_raw,
            coalesce(nullif(litellm_call_id, ''), own_id) AS identity,
            coalesce(h.additional_headers."llm_provider-request-id", CASE WHEN NOT starts_with(own_id, 'msg_') THEN own_id END)
                AS request_id,
            CASE WHEN starts_with(own_id, 'msg_') THEN own_id END AS message_id,
            passes_in(listed) = 0 AS inclusive,
            {_count("input_tokens", "prompt")} AS input_tokens,
            {_count("output_tokens", "completion")} AS output_tokens,
            {_count("cache_read_input_tokens", was_read)}
                AS cache_read_tokens,
            {_count("cache_creation_input_tokens", _WRITTEN)}
                AS cache_write_tokens,
            {_count("cache_creation.ephemeral_5m_input_tokens", w5)} AS cache_write_5m_tokens,
            {_count("cache_creation.ephemeral_1h_input_tokens", w1)} AS cache_write_1h_tokens,
            u.completion_tokens_details.reasoning_tokens AS thinking_tokens,
            u.server_tool_use.web_search_requests AS web_searches,
            TRY(coalesce(TRY_CAST(u.server_tool_use.web_search_requests AS BIGINT), 0)
                + coalesce(TRY_CAST(u.server_tool_use.web_fetch_requests AS BIGINT), 0)) AS server_calls,
            listed AS iterations,
            u.inference_geo AS geo,
            u.speed AS speed,
            -- A batch is one row, written when its cost is known.
            CASE WHEN ends_with(call_type, 'retrieve_batch') THEN 'batch' ELSE u.service_tier END AS tier,
            CASE WHEN ends_with(call_type, 'retrieve_batch') THEN m.batch_successful_requests END AS requests,
            CASE WHEN lower(cache_hit) = 'true' THEN 'gateway_cache' END AS unbilled,
            status,
            'litellm' AS gateway,
            CASE custom_llm_provider {providers} END AS provider,
            coalesce(
                nullif(m.cost_breakdown.vertex_location, ''),
                nullif(regexp_extract(api_base, '^https://bedrock-runtime[a-z-]*\.([a-z0-9-]+)\.amazonaws', 1), ''),
                nullif(regexp_extract(api_base, '^https://([a-z0-9-]+)-aiplatform\.googleapis', 1), ''),
                CASE WHEN starts_with(api_base, 'https://aiplatform.googleapis.com') THEN 'global' END) AS region,
            coalesce(nullif(labels->>'$.endpoint', ''), nullif(model_group, '')) AS endpoint,
            coalesce(nullif(end_user, ''), nullif(m.user_api_key_end_user_id, ''), nullif("user", ''), m.user_api_key_user_id)
                AS "user",
            coalesce(nullif(m.user_api_key_team_alias, ''), nullif(team_id, ''), m.user_api_key_team_id) AS team,
            coalesce(nullif(m.user_api_key_project_alias, ''), m.user_api_key_project_id) AS project,
            coalesce(nullif(session_id, ''), trace_id) AS session,
            h.additional_headers."llm_provider-anthropic-workspace-id" AS workspace,
            coalesce(nullif(m.user_api_key_alias, ''), CASE WHEN regexp_full_match(key_hash, '[0-9a-f]{{64}}')
                THEN 'sha256:' || key_hash ELSE {named.api_key("key_hash")} END) AS api_key,
            p.max_tokens AS max_tokens,
            coalesce(nullif("stream", ''), p."stream") AS "stream",
            CAST(coalesce(
                TRY_CAST(request_duration_ms AS DOUBLE),
                TRY_CAST(response_time AS DOUBLE) * 1000,
                date_diff('microsecond', began, ended) / 1000) AS VARCHAR) AS latency_ms,
            CASE WHEN answered > began AND answered < ended
                THEN CAST(date_diff('microsecond', began, answered) / 1000 AS VARCHAR) END AS ttft_ms,
            coalesce(spend, response_cost) AS cost_reported_usd,
            CASE WHEN coalesce(spend, response_cost) IS NOT NULL THEN 'gateway_estimate' END AS cost_reported_by,
            {_tags()} AS tags
        FROM found"""


def _tags() -> str:
    """SQL: `key:value` of request_tags, and the plain labels of spend_logs_metadata."""
    asked = """CASE WHEN json_valid(request_tags) AND json_type(request_tags) = 'ARRAY'
                THEN list_transform(json_extract_string(request_tags, '$[*]'), lambda t: CASE WHEN contains(t, ':')
                    THEN {'k': trim(split_part(t, ':', 1)), 'v': trim(substr(t, instr(t, ':') + 1))}
                    ELSE {'k': t, 'v': 'true'} END)
                ELSE [] END"""
    pointer = "'/' || replace(replace(k, '~', '~0'), '/', '~1')"
    given = f"""CASE WHEN json_type(labels) = 'OBJECT'
                THEN list_transform(json_keys(labels), lambda k: {{'k': k, 'v': json_extract_string(labels, {pointer})}})
                ELSE [] END"""
    text = quoted_list(sorted({"endpoint", *TEXT_FIELDS}))
    entries = f"list_concat({given}, {asked})"
    return f"""map_from_entries(list_filter({entries}, lambda e, i: e.k <> '' AND e.v <> '' AND strlen(e.k) <= 64
                AND strlen(e.v) <= {named.LONGEST_TAG} AND NOT regexp_matches(e.v, '^ *[{{\\[]')
                AND NOT list_contains({text}, lower(e.k))
                AND list_position(list_transform({entries}, lambda x: x.k), e.k) = i))"""


LITELLM = Ingestor(
    name="litellm",
    title="LiteLLM: rows of LiteLLM_SpendLogs (JSON or CSV), StandardLoggingPayload",
    kind=Kind.LINES,
    recognise=_recognise,
    select=_select,
    structure=STRUCTURE,
    table=_rows,
    rank=35,
    shared=True,
    doc=__doc__,
)
