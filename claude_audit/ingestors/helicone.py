"""Helicone requests: what its API and its export tool write, as JSON, JSON lines, CSV or Parquet.

Recognised by `request_created_at` beside `delay_ms`, `request_properties` or `response_created_at`. A record is one request,
by its request_id. `prompt_tokens` leaves cached tokens out. Exports with bodies have the answer itself, whose usage block
then counts. An answer from Helicone's own cache (`cache_reference_id`) is a request that cost nothing. Failed requests
without tokens, and other vendors' models, are ignored.

Tells: model, token classes, latency, user, properties as labels (every one a tag; those named feature, team and so on fill
those columns); with bodies also the TTL of cache writes, passes, searches, stop reason, and the prompt as hashes of its
blocks. `cost` is Helicone's own estimate: kept as reported cost, never used. Cannot tell without bodies: the TTL of writes
(billed as 5m, flagged). Columns of the cache are missing in some CSV exports (`cache_unseen`).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from claude_audit.ingestors import _events as answers
from claude_audit.ingestors import _gateways as gateways
from claude_audit.ingestors import _labels as labels
from claude_audit.ingestors import _pairs as pairs
from claude_audit.ingestors import _records as records

FIELDS = records.fields(
    texts="request_id response_id request_created_at response_status response_model request_model model model_override "
    "request_user_id provider delay_ms time_to_first_token prompt_tokens completion_tokens "
    "read=prompt_cache_read_tokens written=prompt_cache_write_tokens cost=cost|costUSD|cost_usd cache_reference_id "
    "reasoning=reasoning_tokens",
    nested="request_properties=request_properties|properties request_body response_body",
    marks="request_created_at",
)
NO_REFERENCE = "00000000-0000-0000-0000-000000000000"


def _belongs(record: Mapping[str, Any] | Sequence[str]) -> bool:
    return "request_created_at" in record and any(
        name in record for name in ("delay_ms", "request_properties", "response_created_at")
    )


def _calls(rows: str) -> str:
    own = {
        "input_tokens": "prompt_tokens",
        "output_tokens": "completion_tokens",
        "cache_read_tokens": '"read"',
        "cache_write_tokens": "written",
        **{
            f"cache_write_{ttl}_tokens": f"json_extract_string(response_body, '$.usage.prompt_tokens_details.cache_write_details.write_{ttl}_tokens')"
            for ttl in ("5m", "1h")
        },
    }
    # An answer that Helicone has put into OpenAI's shape has no input_tokens.
    counted = {
        name: f"CASE WHEN answer_usage.input_tokens IS NOT NULL THEN {sql} ELSE {own.get(name, 'NULL')} END"
        for name, sql in answers.usage().items()
    }
    nothing = gateways.nothing_counted("prompt_tokens", "completion_tokens", '"read"', "written")
    read = labels.labelled(answers.told(answers.answers(rows, "response_body")), gateways.pairs("request_properties"))
    return pairs.with_request(f"""
        SELECT
            file, line, part, broken AS reject,
            CASE
                WHEN broken IS NOT NULL THEN NULL
                WHEN answer_usage IS NULL AND {nothing} AND {gateways.failed("response_status")} THEN 'failed call without usage'
                WHEN answer_usage IS NULL AND {nothing} AND TRY_CAST(response_status AS INTEGER) IN (-4, -3, 408, 499)
                    THEN 'cut off by the client: its cost is unknown'
                WHEN answer_usage IS NULL AND prompt_tokens IS NULL AND completion_tokens IS NULL AND {nothing} THEN 'record without usage'
                WHEN {gateways.other_vendor("coalesce(answer_model, response_model, request_model, model)", "provider")}
                    THEN 'other vendor''s model'
            END AS ignore,
            {records.utc("request_created_at")} AS ts,
            CASE WHEN {gateways.provider("provider")} IS NULL THEN coalesce(answer_model, nullif(response_model, ''),
                    nullif(model_override, ''), nullif(request_model, ''), nullif(model, ''))
                -- A cloud's id tells its region, the answer's model does not.
                ELSE coalesce(nullif(request_model, ''), nullif(model_override, ''), nullif(response_model, ''),
                    nullif(model, ''), answer_model) END AS model_raw,
            {gateways.provider("provider")} AS provider,
            'helicone' AS gateway,
            'helicone:' || coalesce(nullif(request_id, ''), nullif(response_id, '')) AS identity,
            answer_id AS message_id,
            {answers.columns(counted)},
            answer_usage.input_tokens IS NULL AND "read" IS NULL AND written IS NULL AS cache_unseen,
            CASE WHEN nullif(cache_reference_id, '') <> '{NO_REFERENCE}' THEN 'gateway_cache' END AS unbilled,
            CASE WHEN {gateways.failed("response_status")} AND {gateways.nothing_counted("completion_tokens")} THEN 'error' END AS status,
            delay_ms AS latency_ms,
            time_to_first_token AS ttft_ms,
            cost AS cost_reported_usd,
            CASE WHEN cost IS NOT NULL THEN 'gateway_estimate' END AS cost_reported_by,
            json_extract_string(request_body, '$.stream') AS "stream",
            {answers.asked("request_body")},
            {labels.columns_and_tags("labels", user="nullif(request_user_id, '')")}
        FROM ({read})""")


HELICONE = records.ingestor(
    name="helicone",
    title="Helicone requests (JSON, CSV, Parquet)",
    belongs=_belongs,
    wanted=FIELDS,
    calls=_calls,
    rank=56,
    doc=__doc__ or "",
)
