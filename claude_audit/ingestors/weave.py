"""W&B Weave's calls, as its API streams them and its pages download them: JSON lines, or JSON.

Recognised by `op_name` and `started_at` beside `trace_id`. A call with usage under `summary` is one, by its id and model; ops
that call others have their sums there: one with a call with usage directly in it is ignored. Of an export of root calls alone
the sums are all there is: such rows count as many requests as the summary says. Export a trace whole or its root, not both.
Calls without usage, and other vendors' models, are ignored.

Where the output is the API's own answer (`output.usage`), its counts are taken: they leave cached tokens out. In the summary
`prompt_tokens` includes them, and `input_tokens` does so since July 2026 (wandb/weave pull request 7561): where one of a file's
calls of one op has more cached tokens than that, all of that op are taken to leave them out; else they are taken to include
them, which is flagged (`basis_assumed`).

Tells: model, token classes, time, latency, user, project, thread as session, the op as a tag, attributes as labels (every plain
one a tag; those named feature, team and so on fill those columns); with the API's answer also the TTL of cache writes, thinking,
searches, tier, geography, speed, stop reason and message id. Cannot tell without it: the TTL (billed as 5m, flagged), passes.
"""

from __future__ import annotations

import json

from claude_audit.ingestors import Head, Ingestor, Kind, Reading
from claude_audit.ingestors import _gateways as gateways
from claude_audit.ingestors import _labels as labels
from claude_audit.ingestors import _nested as nested
from claude_audit.ingestors import _records as records
from claude_audit.ingestors._messages_usage import USAGE, counts_of

STRUCTURE = json.dumps(
    {
        **dict.fromkeys(("id", "project_id", "op_name", "parent_id", "started_at", "ended_at", "exception"), "VARCHAR"),
        **dict.fromkeys(("wb_user_id", "thread_id"), "VARCHAR"),
        "attributes": "JSON",
        "inputs": {"max_tokens": "VARCHAR", "stream": "VARCHAR"},
        "output": {
            **dict.fromkeys(("id", "type", "stop_reason"), "VARCHAR"),
            "stop_details": {"category": "VARCHAR"},
            "content": "JSON",
            "usage": USAGE,
        },
        "summary": {"usage": "JSON"},
    }
)
SUMMED = json.dumps(
    dict.fromkeys(
        (
            *("requests", "input_tokens", "prompt_tokens", "output_tokens", "completion_tokens"),
            *("cache_read_input_tokens", "cache_creation_input_tokens"),
        ),
        "VARCHAR",
    )
    | {"prompt_tokens_details": {"cached_tokens": "VARCHAR"}}
)
MARKS = frozenset(("op_name", "trace_id", "started_at"))


def _recognise(head: Head) -> bool:
    return any(found.keys() >= MARKS for found in head.inside)


def _select(_: Reading) -> str:
    """calls: each once, and whether others lie in it. told: each once a model. judged: what the op's input includes."""
    read = f"SELECT file, line, text, json_record(text, '{STRUCTURE}') AS r FROM ({records.unwrapped(('op_name',))})"
    has_usage = "json_type(r.summary.usage) = 'OBJECT' AND r.summary.usage::VARCHAR <> '{}'"
    models = f"""CASE WHEN {has_usage} THEN map_entries(from_json(r.summary.usage, '"MAP(VARCHAR, JSON)"'))
                ELSE [{{'key': NULL::VARCHAR, 'value': NULL::JSON}}] END"""
    op = "regexp_extract(r.op_name, '(?:/op/)?([^/:]+)(?::[^/:]*)?$', 1)"
    own = {
        "input_tokens": "coalesce(u.input_tokens, u.prompt_tokens)",
        "output_tokens": "coalesce(u.output_tokens, u.completion_tokens)",
        "cache_read_tokens": "coalesce(u.cache_read_input_tokens, u.prompt_tokens_details.cached_tokens)",
        "cache_write_tokens": "u.cache_creation_input_tokens",
    }
    cached = f"coalesce(count_of({own['cache_read_tokens']}), 0)::HUGEINT + coalesce(count_of({own['cache_write_tokens']}), 0)"
    counted = ", ".join(
        f"CASE WHEN native THEN {sql} ELSE {own.get(name, 'NULL')} END AS {name}"
        for name, sql in counts_of("r.output.usage").items()
    )
    labelled = labels.labelled(
        f"""
        SELECT *, coalesce(bool_or(NOT native AND {cached} > count_of({own["input_tokens"]}))
            OVER (PARTITION BY file, op), false) AS exclusive
        FROM (
            SELECT *, TRY(json_transform(used.value, '{SUMMED}')) AS u, {op} AS op,
                len(models) = 1 AND NOT outer_span AND r.output."type" = 'message' AND r.output.usage.input_tokens IS NOT NULL AS native
            FROM (
                SELECT *, unnest(models) AS used, generate_subscripts(models, 1) AS part
                FROM (SELECT *, {models} AS models FROM ({nested.with_outer(read, "r.id", "[r.parent_id]", has_usage)}))
            )
        )""",
        gateways.pairs("r.attributes"),
        labels.columns(op="op"),
    )
    return f"""
        SELECT
            file, line, nullif(part, 1) AS part, {gateways.NOT_JSON} AS reject,
            CASE
                WHEN used.key IS NULL AND r.exception IS NOT NULL THEN 'failed call without usage'
                WHEN used.key IS NULL THEN 'call without usage'
                WHEN outer_span THEN '{nested.REPEATS}'
            END AS ignore,
            r.started_at AS ts,
            used.key AS model_raw,
            'weave' AS gateway,
            'weave:' || r.id || '/' || used.key AS identity,
            CASE WHEN native AND starts_with(r.output.id, 'msg_') THEN r.output.id END AS message_id,
            true AS snapshots,
            NOT native AND NOT exclusive AS inclusive,
            {counted},
            cache_read_tokens IS NULL AND cache_write_tokens IS NULL AS cache_unseen,
            CASE WHEN NOT native AND NOT exclusive AND u.input_tokens IS NOT NULL AND {
        cached
    } > 0 THEN ['basis_assumed'] END AS notes,
            CASE WHEN NOT native THEN u.requests END AS requests,
            CASE WHEN native THEN r.output.stop_reason END AS stop_reason,
            CASE WHEN native THEN r.output.stop_details.category END AS refusal_category,
            CASE WHEN native AND json_type(r.output.content) = 'ARRAY' THEN json_array_length(r.output.content)::VARCHAR END AS content_blocks,
            r.inputs.max_tokens AS max_tokens,
            r.inputs.stream AS "stream",
            CAST(date_diff('microsecond', instant(r.started_at), instant(r.ended_at)) / 1000 AS VARCHAR) AS latency_ms,
            {
        labels.columns_and_tags(
            "labels",
            user="nullif(r.wb_user_id, '')",
            session="nullif(r.thread_id, '')",
            project="nullif(r.project_id, '')",
        )
    }
        FROM ({labelled})"""


WEAVE = Ingestor(
    name="weave",
    title="W&B Weave calls",
    kind=Kind.LINES,
    recognise=_recognise,
    select=_select,
    rank=51,
    shared=True,
    cross_line=True,
    doc=__doc__,
)
