"""OpenRouter: its responses, in its three dialects, and the records of its /api/v1/generation.

Recognised by `native_tokens_prompt`, or an `id` that begins with `gen-`; at the top of a record, in what an application
wraps around it (response, data, body, result, message), or in a list under `data`. The generation's id identifies the call:
its response, the chunks of its stream and its generation record are one, and the one that tells most of the cache counts.

The prompt's tokens include what was read from and written to the cache, but in the Messages dialect (`usage.input_tokens`).
Of a generation record the native counts are billed: `tokens_prompt` is of another tokenizer; cache writes are not in it, so
that they are billed as plain input there.

Tells: model, stop reason, reasoning tokens, upstream provider, and what OpenRouter charged (`usage.cost`, kept as reported
cost, never used). With the customer's own key (`is_byok`) the upstream provider bills. A generation that came from
OpenRouter's own cache of responses (`response_cache_source_id`) is a request that cost nothing. Cannot tell: the TTL of cache
writes (billed as 5m), the endpoint, unless the application's record around it names one.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from claude_audit.ingestors import Head, Ingestor, Kind, Reading
from claude_audit.ingestors import _gateways as gateways
from claude_audit.ingestors._messages_usage import USAGE
from claude_audit.ingestors._records import MOST, WRAPPERS

CONTAINERS = tuple(dict.fromkeys((*WRAPPERS, "result")))
DEPTH = 2
LIST = "data"
"""Where a document lists several of them."""
CACHED = {"cached_tokens": "VARCHAR", "cache_write_tokens": "VARCHAR"}
STRUCTURE: dict[str, Any] = {
    **dict.fromkeys(
        (
            "id",
            "object",
            "model",
            "created",
            "created_at",
            "provider",
            "provider_name",
            "service_tier",
            "native_tokens_prompt",
            "native_tokens_completion",
            "native_tokens_cached",
            "native_tokens_reasoning",
            "total_cost",
            "is_byok",
            "latency",
            "generation_time",
            "streamed",
            "native_finish_reason",
            "stop_reason",
            "external_user",
            "session_id",
            "upstream_id",
            "api_type",
            "origin",
            "app_id",
            "data_region",
            "response_cache_source_id",
        ),
        "VARCHAR",
    ),
    "choices": [{"native_finish_reason": "VARCHAR"}],
    "usage": {
        **USAGE,
        "prompt_tokens": "VARCHAR",
        "completion_tokens": "VARCHAR",
        "prompt_tokens_details": CACHED,
        "input_tokens_details": CACHED,
        "completion_tokens_details": {"reasoning_tokens": "VARCHAR"},
        "output_tokens_details": {"reasoning_tokens": "VARCHAR", "thinking_tokens": "VARCHAR"},
        "cost": "VARCHAR",
        "is_byok": "VARCHAR",
    },
}


def _belongs(record: object, depth: int = 0) -> bool:
    if isinstance(record, str) and record.lstrip().startswith("{"):
        try:
            record = json.loads(record)
        except (ValueError, RecursionError):
            return False
    if not isinstance(record, Mapping):
        return False
    if "native_tokens_prompt" in record or str(record.get("id", "")).startswith("gen-"):
        return True
    return depth < DEPTH and any(_belongs(record[name], depth + 1) for name in CONTAINERS if name in record)


def _recognise(head: Head) -> bool:
    return any(_belongs(record) for listing in head.records for record in (listing, *_listed_in(listing)))


def _listed_in(record: Mapping[str, Any]) -> list[object]:
    found = record.get(LIST)
    return found[:MOST] if isinstance(found, list) else []


def _body() -> str:
    """SQL: the JSON of OpenRouter's own record: the text, or what stands in a container."""

    def marked(text: str) -> str:
        return f"(contains({text}, 'gen-') OR contains({text}, 'native_tokens_prompt'))"

    inner = ", ".join(
        f"CASE WHEN {marked(value)} AND starts_with(ltrim({value}), '{{') THEN {value} END"
        for value in (f"json_extract_string(x, '$.\"{name}\"')" for name in CONTAINERS)
    )
    own = "starts_with(json_extract_string(x, '$.id'), 'gen-') OR json_type(x, '$.native_tokens_prompt') IS NOT NULL"
    result = "[text]"
    for _ in range(DEPTH):
        result = f"list_transform({result}, lambda x: CASE WHEN {own} THEN x ELSE coalesce({inner}, x) END)"
    return f"TRY({result}[1])"


def _select(_: Reading) -> str:
    """bodies: OpenRouter's own record, and the fields of what is wrapped around it."""
    mended = "CASE WHEN json_valid(text) THEN text ELSE without_lone_surrogates(text) END"
    listing = f"CASE WHEN contains(text, '\"{LIST}\"') THEN TRY(json_type(text, '$.{LIST}')) END"
    any_of: dict[str, tuple[str, ...]] = {
        "input_tokens": ("r.native_tokens_prompt", "u.prompt_tokens", "u.input_tokens"),
        "output_tokens": ("r.native_tokens_completion", "u.completion_tokens", "u.output_tokens"),
        "cache_read_tokens": (
            "r.native_tokens_cached",
            "u.prompt_tokens_details.cached_tokens",
            "u.input_tokens_details.cached_tokens",
            "u.cache_read_input_tokens",
        ),
        "cache_write_tokens": (
            "u.prompt_tokens_details.cache_write_tokens",
            "u.input_tokens_details.cache_write_tokens",
            "u.cache_creation_input_tokens",
        ),
        "thinking_tokens": (
            "r.native_tokens_reasoning",
            "u.completion_tokens_details.reasoning_tokens",
            "u.output_tokens_details.reasoning_tokens",
            "u.output_tokens_details.thinking_tokens",
        ),
    }
    columns = {name: f"coalesce({', '.join(sources)})" for name, sources in any_of.items()}
    upstream = "coalesce(nullif(r.provider_name, ''), r.provider)"
    return f"""
        WITH bodies AS (
            SELECT file, line, text AS whole, coalesce({_body()}, text) AS text
            FROM (
                SELECT file, line, unnest(CASE WHEN {listing} = 'ARRAY'
                    THEN coalesce(nullif(from_json(json_extract(text, '$.{LIST}'), '["JSON"]')::VARCHAR[], []), [text])
                    ELSE [text] END) AS text
                FROM (SELECT file, line, {mended} AS text FROM lines)
            )
        ),
        found AS (
            SELECT *, r.usage AS u, CASE WHEN whole <> text THEN {gateways.pairs("whole")} ELSE [] END AS around,
                truth(coalesce(r.usage.is_byok, r.is_byok)) AS own_key
            FROM ({gateways.records(STRUCTURE, "bodies", "whole")})
        )
        SELECT
            file, line, {gateways.NOT_JSON} AS reject,
            CASE WHEN {gateways.nothing_counted(columns["input_tokens"], columns["output_tokens"])} AND absent(r.response_cache_source_id)
                THEN 'record without usage' END AS ignore,
            CASE WHEN NOT absent(r.response_cache_source_id) THEN 'gateway_cache' END AS unbilled,
            coalesce(r.created_at, r.created, {gateways.label("ts", "around")}) AS ts,
            r.model AS model_raw,
            nullif(r.id, '') AS identity,
            true AS snapshots,
            CASE WHEN starts_with(r.upstream_id, 'msg_') THEN r.upstream_id END AS message_id,
            CASE WHEN own_key THEN coalesce({gateways.provider(upstream)},
                CASE WHEN regexp_matches(lower({upstream}), 'google') THEN 'gcp_vertex' ELSE 'anthropic' END)
                ELSE 'openrouter' END AS provider,
            'openrouter' AS gateway,
            r.native_tokens_prompt IS NOT NULL OR u.input_tokens IS NULL OR r.object = 'response'
                OR u.input_tokens_details.cached_tokens IS NOT NULL AS inclusive,
            {", ".join(f"{sql} AS {name}" for name, sql in columns.items())},
            u.cache_creation.ephemeral_5m_input_tokens AS cache_write_5m_tokens,
            u.cache_creation.ephemeral_1h_input_tokens AS cache_write_1h_tokens,
            u.server_tool_use.web_search_requests AS web_searches,
            CASE WHEN lower(coalesce(r.service_tier, u.service_tier)) = 'default' THEN 'standard'
                ELSE coalesce(r.service_tier, u.service_tier) END AS tier,
            CASE WHEN json_type(u.iterations) = 'ARRAY' THEN u.iterations END AS iterations,
            coalesce(r.native_finish_reason, r.stop_reason, r.choices[1].native_finish_reason) AS stop_reason,
            CAST(greatest(TRY_CAST(r.latency AS DOUBLE), TRY_CAST(r.generation_time AS DOUBLE)) AS VARCHAR) AS latency_ms,
            r.streamed AS stream,
            coalesce(u.cost, r.total_cost) AS cost_reported_usd,
            CASE WHEN coalesce(u.cost, r.total_cost) IS NOT NULL THEN 'gateway_charge' END AS cost_reported_by,
            coalesce(nullif(r.external_user, ''), {gateways.label("user", "around")}) AS "user",
            coalesce(nullif(r.session_id, ''), {gateways.label("session", "around")}) AS session,
            {", ".join(f"{gateways.label(name, 'around')} AS {name}" for name in ("endpoint", "team", "project", "environment"))},
            {gateways.tags(_listed(upstream), but=gateways.KNOWN)} AS tags
        FROM found"""


def _listed(upstream: str) -> str:
    """SQL: pairs of what else there is to attribute by, the application's own labels last."""
    own = {"upstream_provider": upstream} | {
        name: f"r.{name}" for name in ("api_type", "origin", "app_id", "data_region")
    }
    pairs = ", ".join(f"{{'key': '{name}', 'value': {sql}}}" for name, sql in own.items())
    return f"list_concat([{pairs}], list_filter(around, lambda e: NOT list_contains({list(own)}, e.key)))"


OPENROUTER = Ingestor(
    name="openrouter",
    title="OpenRouter: responses and generation records",
    kind=Kind.LINES,
    recognise=_recognise,
    select=_select,
    rank=64,
    shared=True,
    doc=__doc__,
)
