"""Cloudflare AI Gateway: its logs, as the API lists them, one a line or under `result`.

Recognised by `tokens_in`, `tokens_out` and `cached` in a record. A record is one request to the gateway, by its id. An answer
from the gateway's own cache (`cached`) is a request that cost nothing. Failed requests without tokens, and other vendors'
models, are ignored; a failed one that counts input alone is kept and cost nothing.

Tells: model, tokens in and out, duration, and `metadata`: every label there is a tag, and those named endpoint, user,
session, team, project or environment (or by another name that claude_audit knows) fill those columns. Where the record has the
answer (`response`, or a `response_head` that is all of it), its own usage block counts. Cannot tell without it: prompt caching,
nor whether `tokens_in` includes cached tokens, so that input and cost are guesses wherever prompts are cached (`cache_unseen`,
`basis_assumed`). `cost` is the gateway's own estimate: kept as reported cost, never used.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from claude_audit.ingestors import Head, Ingestor, Kind, Reading
from claude_audit.ingestors import _events as answers
from claude_audit.ingestors import _gateways as gateways
from claude_audit.ingestors import _records as wrapped

STRUCTURE = {
    **dict.fromkeys(
        (
            "id",
            "created_at",
            "duration",
            "provider",
            "model",
            "success",
            "status_code",
            "cached",
            "tokens_in",
            "tokens_out",
            "cost",
        ),
        "VARCHAR",
    ),
    "metadata": "JSON",
    "response": "JSON",
    "response_head": "JSON",
}
"""`response_head` is the beginning of the answer's body, whole where it is short; `response` the body, where it was added."""
MARK = "tokens_in"
MARKS = frozenset((MARK, "tokens_out", "cached"))


def _recognise(head: Head) -> bool:
    return any(_belongs(found) for found in head.inside)


def _belongs(record: Mapping[str, Any]) -> bool:
    listed = record.get("result")
    return any(
        isinstance(r, dict) and r.keys() >= MARKS for r in (record, *(listed if isinstance(listed, list) else ()))
    )


def _select(_: Reading) -> str:
    listed = """CASE WHEN TRY(json_type(text, '$.result')) = 'ARRAY'
                THEN from_json(json_extract(text, '$.result'), '["JSON"]')::VARCHAR[] ELSE [] END"""
    each = f"(SELECT file, line, unnest(CASE WHEN len({listed}) > 0 THEN {listed} ELSE [text] END) AS text FROM lines)"
    found = gateways.records(STRUCTURE, f"({wrapped.unwrapped([MARK], each)})", "part")
    bodies = f"""
        SELECT *, coalesce({wrapped.as_json("CAST(r.response AS VARCHAR)")}, {wrapped.as_json("CAST(r.response_head AS VARCHAR)")}) AS body
        FROM ({found})"""
    told = answers.told(answers.answers(bodies, "body"))
    anthropic = "answer_usage.input_tokens IS NOT NULL"
    own = {"input_tokens": "r.tokens_in", "output_tokens": "r.tokens_out"}
    counted = {
        name: f"CASE WHEN {anthropic} THEN {sql} ELSE {own.get(name, 'NULL')} END"
        for name, sql in answers.usage().items()
    }
    # Of a long stream the head has the beginning alone, and the record how much came out in the end.
    counted["output_tokens"] = "coalesce(answer_usage.output_tokens, r.tokens_out)"
    metadata = "CASE json_type(r.metadata) WHEN 'VARCHAR' THEN r.metadata->>'$' ELSE CAST(r.metadata AS VARCHAR) END"
    nothing = gateways.nothing_counted("r.tokens_in", "r.tokens_out")
    return f"""
        SELECT
            file, line, part, {gateways.NOT_JSON} AS reject,
            CASE
                WHEN {anthropic} THEN NULL
                WHEN {nothing} AND (lower(r.success) = 'false' OR {gateways.failed("r.status_code")})
                    THEN 'failed call without usage'
                WHEN r.tokens_in IS NULL AND r.tokens_out IS NULL THEN 'record without usage'
                WHEN {gateways.other_vendor("r.model", "r.provider")} THEN 'other vendor''s model'
            END AS ignore,
            r.created_at AS ts,
            r.model AS model_raw,
            nullif(r.id, '') AS identity,
            {gateways.provider("r.provider")} AS provider,
            'cloudflare' AS gateway,
            CASE WHEN {anthropic} THEN answer_id END AS message_id,
            {answers.columns(counted)},
            NOT {anthropic} AS cache_unseen,
            CASE WHEN NOT {anthropic} THEN ['basis_assumed'] WHEN r.tokens_out IS NULL THEN {answers.NOTES} END AS notes,
            CASE WHEN truth(r.cached) THEN 'gateway_cache' END AS unbilled,
            CASE WHEN {gateways.failed("r.status_code")} AND {gateways.nothing_counted("r.tokens_out")} THEN 'error' END AS status,
            r.duration AS latency_ms,
            r.cost AS cost_reported_usd,
            CASE WHEN r.cost IS NOT NULL THEN 'gateway_estimate' END AS cost_reported_by,
            {gateways.labels("labels")},
            {gateways.tags("labels")} AS tags
        FROM (SELECT *, {gateways.pairs(metadata)} AS labels FROM ({told}))"""


CLOUDFLARE = Ingestor(
    name="cloudflare",
    title="Cloudflare AI Gateway logs",
    kind=Kind.LINES,
    recognise=_recognise,
    select=_select,
    rank=66,
    shared=True,
    doc=__doc__,
)
