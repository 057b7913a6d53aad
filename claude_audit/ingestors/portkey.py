"""Portkey's log export: JSON, JSON lines, CSV or Parquet.

Recognised by `ai_org` beside `ai_model`. A record is one request to the gateway, by its id. The usage block of its `response`
counts: on /v1/messages it is Anthropic's own. On chat/completions `prompt_tokens` leaves the cached tokens out, which stand
beside it, and `total_tokens` adds them; a total that does not add them shows a version of the gateway whose prompt_tokens has
them already; without a total the former is assumed (`basis_assumed`). Exports without the response have `req_units` and
`res_units` only (`cache_unseen`). An answer from Portkey's own cache is a request that cost nothing. Failed requests without
tokens, and other vendors' models, are ignored.

Tells: model, token classes (the TTL of writes on /v1/messages), latency, metadata as labels (every one a tag; `_user` and
those named feature, team and so on fill those columns), and of `request` the output cap, tools and the prompt as hashes of its
blocks. `cost` is Portkey's own estimate, in cents by its documentation: kept as reported cost, never used. Cannot tell: when a
request to chat/completions wrote to the cache for how long (billed as 5m, flagged), and of a refusal there whether it was free.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

from claude_audit.ingestors import _events as answers
from claude_audit.ingestors import _gateways as gateways
from claude_audit.ingestors import _labels as labels
from claude_audit.ingestors import _pairs as pairs
from claude_audit.ingestors import _records as records

FIELDS = records.fields(
    texts="id trace_id created_at ai_org ai_model req_units res_units total_units request_url cost response_time "
    "response_status_code is_success cache_status config prompt_slug",
    nested="request response metadata",
    marks="ai_org ai_model",
)
CHAT = json.dumps(
    {
        "prompt_tokens": "VARCHAR",
        "completion_tokens": "VARCHAR",
        "total_tokens": "VARCHAR",
        "cache_read_input_tokens": "VARCHAR",
        "cache_creation_input_tokens": "VARCHAR",
        "prompt_tokens_details": {"cached_tokens": "VARCHAR"},
    }
)


def _belongs(record: Mapping[str, Any] | Sequence[str]) -> bool:
    return "ai_org" in record and "ai_model" in record


def _calls(rows: str) -> str:
    anthropic = "answer_usage.input_tokens IS NOT NULL"
    own = {
        "input_tokens": "coalesce(chat.prompt_tokens, req_units)",
        "output_tokens": "coalesce(chat.completion_tokens, res_units)",
        "cache_read_tokens": "coalesce(chat.cache_read_input_tokens, chat.prompt_tokens_details.cached_tokens)",
        "cache_write_tokens": "chat.cache_creation_input_tokens",
    }
    counted = {
        name: f"CASE WHEN {anthropic} THEN {sql} ELSE {own.get(name, 'NULL')} END"
        for name, sql in answers.usage().items()
    }
    model = f"""CASE WHEN {gateways.provider("ai_org")} IS NULL THEN coalesce(answer_model, nullif(ai_model, ''), json_extract_string(request, '$.model'))
                -- A cloud's id tells its region, the answer's model does not.
                ELSE coalesce(nullif(ai_model, ''), json_extract_string(request, '$.model'), answer_model) END"""
    nothing = gateways.nothing_counted("input_tokens", "output_tokens", "cache_read_tokens", "cache_write_tokens")
    cached = "coalesce(count_of(cache_read_tokens), 0)::HUGEINT + coalesce(count_of(cache_write_tokens), 0)"
    added = "count_of(chat.total_tokens)::HUGEINT - count_of(input_tokens) - count_of(output_tokens)"
    labelled = labels.labelled(
        answers.told(answers.answers(rows, "response")),
        gateways.pairs("metadata"),
        labels.columns(config="config", prompt_slug="prompt_slug"),
    )
    read = f"SELECT *, TRY(json_transform(json_extract(response, '$.usage'), '{CHAT}')) AS chat FROM ({labelled})"
    return pairs.with_request(f"""
        SELECT * EXCLUDE (chat, anthropic, broken, failed, cut),
            CASE
                WHEN broken IS NOT NULL THEN NULL
                WHEN failed AND {nothing} THEN 'failed call without usage'
                WHEN cut AND {nothing} THEN 'cut off by the client: its cost is unknown'
                WHEN input_tokens IS NULL AND output_tokens IS NULL THEN 'record without usage'
            END AS ignore,
            broken AS reject,
            -- A total that leaves out what was cached: prompt_tokens has it already.
            coalesce(NOT anthropic AND {cached} > 0 AND {added} = 0, false) AS inclusive,
            CASE WHEN NOT anthropic AND {cached} > 0 AND {added} NOT IN (0, {cached}) IS DISTINCT FROM false
                THEN ['basis_assumed'] END AS notes
        FROM (
            SELECT
                file, line, part, broken, chat, {anthropic} AS anthropic,
                {gateways.failed("response_status_code")} AS failed,
                coalesce(TRY_CAST(response_status_code AS INTEGER) = 499, false) AS cut,
                created_at AS ts,
                {model} AS model_raw,
                {gateways.provider("ai_org")} AS provider,
                'portkey' AS gateway,
                'portkey:' || nullif(id, '') AS identity,
                CASE WHEN starts_with(answer_id, 'msg_') THEN answer_id END AS message_id,
                {answers.columns(counted)},
                NOT {anthropic} AND chat.prompt_tokens IS NULL AS cache_unseen,
                CASE WHEN regexp_matches(upper(cache_status), '(^| )HIT$') THEN 'gateway_cache' END AS unbilled,
                CASE WHEN {gateways.failed("response_status_code")} AND NOT {anthropic}
                    AND {gateways.nothing_counted("chat.completion_tokens", "res_units")} THEN 'error' END AS status,
                response_time AS latency_ms,
                CAST(TRY_CAST(cost AS DECIMAL(28, 12)) / 100 AS VARCHAR) AS cost_reported_usd,
                CASE WHEN cost IS NOT NULL THEN 'gateway_estimate' END AS cost_reported_by,
                json_extract_string(request, '$.stream') AS "stream",
                {answers.asked("request", anthropic)},
                {labels.columns_and_tags("labels", user="json_extract_string(metadata, '$._user')")}
            FROM ({read})
        )""")


PORTKEY = records.ingestor(
    name="portkey",
    title="Portkey log exports (JSON, CSV, Parquet)",
    belongs=_belongs,
    wanted=FIELDS,
    calls=_calls,
    rank=58,
    doc=__doc__ or "",
)
