"""Kong AI Gateway: log lines of Kong's logging plugins that hold what its AI plugins count.

Recognised by an object `ai` with a plugin's `usage` or `meta` in it (ai-proxy, ai-proxy-advanced and others). Each plugin that
counts tokens is a call: a request transformer asks a model of its own. One that stands there under its older and its newer
name (`ai-proxy` and `proxy`) with equal counts is one call. `request.id` identifies it. An answer from Kong's
semantic cache is a request that cost nothing. Lines without AI figures, failed requests without tokens and other vendors'
models are ignored.

Tells: model, time, latency; endpoint is the route, user the consumer; service and workspace of Kong are tags. Cannot tell:
the cached part of the prompt. `prompt_tokens` is what Anthropic calls input_tokens, and reads and writes of the cache are
dropped: a lower bound wherever prompts are cached (`cache_unseen`). Where `prompt_tokens_details` names cached tokens, the
prompt is assumed to include them (`basis_assumed`), unless a line of the file has more of them than prompt. `cost` is the
gateway's own estimate: kept as reported cost, never used.
"""

from __future__ import annotations

import json
import re

from claude_audit.ingestors import Head, Ingestor, Kind, Reading
from claude_audit.ingestors import _gateways as gateways
from claude_audit.ingestors import _records as wrapped
from claude_audit.pieces import quoted

STRUCTURE = {
    "started_at": "VARCHAR",
    "request": {"id": "VARCHAR"},
    "response": {"status": "VARCHAR"},
    "route": {"name": "VARCHAR"},
    "service": {"name": "VARCHAR"},
    "consumer": {"username": "VARCHAR", "custom_id": "VARCHAR", "id": "VARCHAR"},
    "latencies": {"request": "VARCHAR"},
    "workspace_name": "VARCHAR",
    "ai": "JSON",
}
PLUGIN = {
    "meta": dict.fromkeys(
        ("provider_name", "request_model", "response_model", "llm_latency", "request_mode"), "VARCHAR"
    ),
    "usage": {
        **dict.fromkeys(
            (
                "prompt_tokens",
                "prompt_token",
                "completion_tokens",
                "completion_token",
                "cost",
                "time_to_first_token",
            ),
            "VARCHAR",
        ),
        "prompt_tokens_details": {"cached_tokens": "VARCHAR"},
        "completion_tokens_details": {"reasoning_tokens": "VARCHAR"},
    },
    "cache": {"cache_status": "VARCHAR"},
}
DETAILED = "e.told.usage.prompt_tokens_details.cached_tokens IS NOT NULL"
"""SQL: whether a plugin's entry `e` tells of cached tokens."""
SAME = (
    "concat_ws('|', regexp_replace(x.name, '^ai-|-advanced$', '', 'g'), coalesce(x.told.usage.prompt_tokens, x.told.usage.prompt_token), "
    "coalesce(x.told.usage.completion_tokens, x.told.usage.completion_token))"
)
"""SQL: what entries `x` of one call agree in: `ai-proxy` and `proxy`, its name since Kong 3.9, may stand side by side."""
MARKS = ("ai",)
AI_LINE = re.compile(r'(?<!\\)"ai"\s*:\s*\{\s*"[a-z-]*(proxy|transformer)[a-z-]*"\s*:\s*\{')


def _recognise(head: Head) -> bool:
    for record in head.inside:
        ai = record.get("ai")
        plugins = ai.values() if isinstance(ai, dict) else ()
        if any(isinstance(p, dict) and isinstance(p.get("usage", p.get("meta")), dict) for p in plugins):
            return True
    # Other traffic may fill the first lines of a gateway's log.
    return head.json and AI_LINE.search(head.text) is not None


def _select(_: Reading) -> str:
    """plugins: a row a plugin that says something of a call, or one for a line without any."""
    shape = quoted(json.dumps(PLUGIN))
    counts = {
        "input_tokens": "coalesce(p.usage.prompt_tokens, p.usage.prompt_token)",
        "output_tokens": "coalesce(p.usage.completion_tokens, p.usage.completion_token)",
        "cache_read_tokens": "p.usage.prompt_tokens_details.cached_tokens",
    }
    counted = ", ".join(f"{sql} AS {name}" for name, sql in counts.items())
    nothing, no_output = (
        gateways.nothing_counted("input_tokens", "output_tokens"),
        gateways.nothing_counted("output_tokens"),
    )
    failed = gateways.failed("r.response.status")
    labels = {"service": "r.service.name", "kong_workspace": "r.workspace_name", "plugin": "plugin.name"}
    listed = ", ".join(f"{{'key': '{key}', 'value': {sql}}}" for key, sql in labels.items())
    return f"""
        WITH listed AS (
            SELECT *, list_filter(
                list_transform(map_entries(TRY(from_json(r.ai, '"MAP(VARCHAR, JSON)"'))), lambda e: {{
                    'name': e.key, 'told': TRY(json_transform(e.value, {shape}))}}),
                lambda e: e.told.usage IS NOT NULL OR e.told.meta IS NOT NULL OR e.told.cache IS NOT NULL) AS told
            FROM ({gateways.records(STRUCTURE, f"({wrapped.unwrapped(MARKS)})", "part")})
        ),
        calling AS (
            SELECT *, list_filter(usages, lambda e, i: list_position(list_transform(usages, lambda x: {SAME}), {SAME.replace("x.", "e.")}) = i)
                    AS callers,
                list_contains(list_transform(told, lambda e: lower(e.told.cache.cache_status)), 'hit') AS hit
            FROM (
                SELECT *, list_concat(list_filter(counting, lambda e: {DETAILED}), list_filter(counting, lambda e: NOT {DETAILED})) AS usages
                FROM (SELECT *, list_filter(told, lambda e: e.told.usage IS NOT NULL) AS counting FROM listed)
            )
        ),
        plugins AS (
            SELECT * EXCLUDE (told, callers), unnest(CASE WHEN len(callers) > 0 THEN callers ELSE [NULL] END) AS plugin,
                unnest(CASE WHEN len(callers) > 0 THEN range(len(callers)) ELSE [0] END) AS place
            FROM calling
        ),
        counted AS (
            SELECT *, {counted} FROM (SELECT *, plugin.told AS p FROM plugins)
        ),
        judged AS (
            SELECT *, coalesce(p.meta.response_model, p.meta.request_model) AS model_raw,
                coalesce(bool_or(count_of(cache_read_tokens) > count_of(input_tokens)) OVER (PARTITION BY file), false) AS proven_exclusive
            FROM counted
        )
        SELECT
            file, line, part, {gateways.NOT_JSON} AS reject,
            CASE
                WHEN {nothing} AND NOT coalesce(hit, false) THEN
                    CASE WHEN {failed} THEN 'failed call without usage' ELSE 'record without usage' END
                WHEN {gateways.other_vendor("model_raw", "p.meta.provider_name")} THEN 'other vendor''s model'
            END AS ignore,
            r.started_at AS ts,
            model_raw,
            CASE WHEN place = 0 THEN nullif(r.request.id, '')
                ELSE coalesce(nullif(r.request.id, ''), 'kong:' || md5(text)) || '/' || plugin.name END AS identity,
            {gateways.provider("p.meta.provider_name")} AS provider,
            'kong' AS gateway,
            NOT proven_exclusive AS inclusive,
            {", ".join(counts)},
            p.usage.completion_tokens_details.reasoning_tokens AS thinking_tokens,
            cache_read_tokens IS NULL AS cache_unseen,
            CASE WHEN NOT proven_exclusive AND count_of(cache_read_tokens) > 0 THEN ['basis_assumed'] END AS notes,
            -- A transformer has asked its model before the cache answered.
            CASE WHEN hit AND NOT contains(plugin.name, 'transformer') THEN 'gateway_cache' END AS unbilled,
            CASE WHEN {failed} AND {no_output} THEN 'error' END AS status,
            coalesce(p.meta.llm_latency, r.latencies.request) AS latency_ms,
            p.usage.time_to_first_token AS ttft_ms,
            CASE p.meta.request_mode WHEN 'stream' THEN 'true' WHEN 'oneshot' THEN 'false' END AS stream,
            p.usage.cost AS cost_reported_usd,
            CASE WHEN p.usage.cost IS NOT NULL THEN 'gateway_estimate' END AS cost_reported_by,
            r.route.name AS endpoint,
            coalesce(r.consumer.username, r.consumer.custom_id, r.consumer.id) AS "user",
            {gateways.tags(f"[{listed}]")} AS tags
        FROM judged"""


KONG = Ingestor(
    name="kong",
    title="Kong AI Gateway logs",
    kind=Kind.LINES,
    recognise=_recognise,
    select=_select,
    rank=68,
    shared=True,
    doc=__doc__,
)
