"""Amazon Bedrock's model invocation log: S3 files (`AWSLogs/…/BedrockModelInvocationLogs/`), CloudWatch exports; and the
results of its batch jobs.

Recognised by `schemaType: ModelInvocationLog`, in a record itself, in CloudWatch's `@message`, in the lists of `field` and
`value` that a Logs Insights query answers, or after the time and before the rest of an exported line. A record is one
invocation, by its requestId. Its input count leaves cached tokens out. How long cache writes live stands in the logged
body only: in `usage.cache_creation` of an answer or of a stream's first event, in Converse's `cacheDetails`; without
bodies it is unknown (billed as 5m, flagged), and so it is for bodies that the log keeps in files of their own (`…/data/`),
which are not read. Records without counts (errors, guardrails that intervened) and other
vendors' models are ignored.

The results of a batch job (`….jsonl.out`) are lines of `recordId`, `modelInput` and `modelOutput`: a call each, at the batch
price. They tell the model where its answer does, and neither their time nor an inference profile. The job's
`manifest.json.out` has the sums of the same calls, and is ignored.

Tells: model and inference profile (which decides the regional premium), all token classes, the caller's ARN as user,
requestMetadata as labels (every one a tag; those named endpoint, team and so on fill those columns); with bodies also
passes, stop reason, output cap, tools, and the prompt as hashes of its blocks. An application inference profile hides its
model: that of the body is taken, else the row has no price (give it an alias). Cannot tell: batch jobs, which are not in
this log (their results are read beside it).
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from typing import Any

from claude_audit.ingestors import Head, Ingestor, Kind, Reading
from claude_audit.ingestors import _events as answers
from claude_audit.ingestors import _gateways as gateways
from claude_audit.ingestors import _labels as labels
from claude_audit.ingestors import _pairs as pairs
from claude_audit.ingestors import _records as records
from claude_audit.model_ids import HIDES_MODEL

SCHEMA = "ModelInvocationLog"
FIELDS = records.fields(
    texts="schemaType timestamp=timestamp|@timestamp region requestId operation modelId errorCode "
    "arn=identity.arn inputTokenCount=input.inputTokenCount outputTokenCount=output.outputTokenCount "
    "read=input.cacheReadInputTokenCount written=input.cacheWriteInputTokenCount accountId recordId processedRecordCount",
    nested="input output identity requestMetadata modelInput modelOutput",
    marks="schemaType requestId modelId modelInput processedRecordCount",
)
"""With dots: as a Logs Insights query names what stands inside."""

INPUT = json.dumps(
    {
        "inputTokenCount": "VARCHAR",
        "cacheReadInputTokenCount": "VARCHAR",
        "cacheWriteInputTokenCount": "VARCHAR",
        "inputBodyJson": "JSON",
    }
)
OUTPUT = json.dumps({"outputTokenCount": "VARCHAR", "outputBodyJson": "JSON"})
CONVERSE = json.dumps(
    {
        "stopReason": "VARCHAR",
        "metrics": {"latencyMs": "VARCHAR"},
        "output": {"message": {"content": "JSON"}},
        "amazon-bedrock-guardrailAction": "VARCHAR",
        "usage": {
            "inputTokens": "VARCHAR",
            "outputTokens": "VARCHAR",
            "cacheReadInputTokens": "VARCHAR",
            "cacheWriteInputTokens": "VARCHAR",
            "cacheReadInputTokenCount": "VARCHAR",
            "cacheWriteInputTokenCount": "VARCHAR",
            "cacheDetails": [{"ttl": "VARCHAR", "inputTokens": "VARCHAR"}],
        },
    }
)


QUERIED = {"requestId", "modelId", "input.inputTokenCount"}
"""Names of a record that a query picked apart."""
RESULT = {"recordId", "modelInput"}
"""Of a line of a batch job's results."""
SUMS = {"totalRecordCount", "processedRecordCount", "inputTokenCount"}
"""Of a batch job's manifest."""


def _belongs(record: Mapping[str, Any] | Sequence[str]) -> bool:
    return isinstance(record, Mapping) and (
        record.get("schemaType") == SCHEMA or any(names <= record.keys() for names in (QUERIED, RESULT, SUMS))
    )


BODY_FILE = re.compile(r"BedrockModelInvocationLogs/.*/data/[^/]+_(?:input|output)\.json")
"""A body too large for its record, which points to it (Bedrock's fixed place for them): no record of its own."""


def _recognise(head: Head) -> bool:
    if BODY_FILE.search(head.name):
        return True
    found: list[Mapping[str, Any]] = [records.of_fields(head.records)]
    if SCHEMA in head.text and not head.records:
        found = [record for line in head.lines[:20] if (record := _exported(line))]
    return any(map(_belongs, head.inside)) or any(_belongs(inner) for r in found for inner in records.inside(r))


def _exported(line: str) -> Mapping[str, Any] | None:
    """The record in an exported line, with other things around it."""
    match = re.search(r"\{.*\}", line)
    for text in (match[0], match[0].replace('""', '"')) if match else ():
        try:
            found = json.loads(text)
        except (ValueError, RecursionError):
            continue
        if isinstance(found, dict):
            return found
    return None


HEADER = r"""(["@A-Za-z.]+,)*"?@?message"?(,["@A-Za-z.]+)* *"""
EXPORTED = f"""(
        SELECT file, line, CASE
            WHEN starts_with(text, '{{') OR starts_with(ltrim(text), '[') OR starts_with(ltrim(text), '{{') OR NOT contains(text, '{{') THEN text
            WHEN json_valid(regexp_extract(text, '\\{{.*\\}}')) THEN regexp_extract(text, '\\{{.*\\}}')
            ELSE replace(regexp_extract(text, '\\{{.*\\}}'), '""', '"') END AS text
        FROM lines
        WHERE CASE WHEN contains(text, '{{') THEN true ELSE NOT regexp_full_match(rtrim(text, chr(13)), '{HEADER}') END)"""
"""What stands around a record in an exported line left out: a time before it, or the other cells of a table."""


def _select(_: Reading) -> str:
    each = f"SELECT * FROM ({records.of_json(FIELDS, EXPORTED)})"
    bodies = f"""
        SELECT * EXCLUDE (input, output, identity, inputTokenCount, outputTokenCount, read, written, arn),
            coalesce(i.inputTokenCount, inputTokenCount) AS own_input,
            coalesce(i.cacheReadInputTokenCount, read) AS own_read,
            coalesce(i.cacheWriteInputTokenCount, written) AS own_written,
            coalesce(o.outputTokenCount, outputTokenCount) AS own_output,
            coalesce(TRY(json_extract_string(identity, '$.arn')), arn) AS caller,
            coalesce({records.as_json("i.inputBodyJson")}, modelInput) AS asked,
            coalesce({records.as_json("o.outputBodyJson")}, modelOutput) AS body
        FROM (
            SELECT *, TRY(json_transform(input, '{INPUT}')) AS i, TRY(json_transform(output, '{OUTPUT}')) AS o
            FROM ({each})
        )"""
    read = f"""
        SELECT *,
            TRY(json_transform(CASE json_type(body) WHEN 'OBJECT' THEN body
                WHEN 'ARRAY' THEN CAST(json_extract(body, '$[*].metadata')[-1] AS VARCHAR) END, '{CONVERSE}')) AS c
        FROM ({answers.told(answers.answers(bodies, "body"))})"""
    nothing = gateways.nothing_counted("input_tokens", "output_tokens", "cache_read_tokens", "cache_write_tokens")
    none = " AND ".join(f"absent({name})" for name in ("input_tokens", "output_tokens"))
    return pairs.with_request(f"""
        SELECT * EXCLUDE (broken, errorCode, guardrail, kept, max_tokens, asked_max_tokens, tier, of_batch, sums),
            CASE WHEN of_batch THEN 'batch' ELSE tier END AS tier,
            coalesce(max_tokens, asked_max_tokens) AS max_tokens,
            CASE
                WHEN broken IS NOT NULL THEN NULL
                WHEN sums THEN 'sums of a batch job'
                WHEN of_batch AND ({none}) THEN 'batch record without usage'
                WHEN NOT kept THEN 'no invocation record'
                WHEN ({none}) AND errorCode IS NOT NULL THEN 'failed invocation: ' || left(errorCode, 60)
                WHEN guardrail = 'INTERVENED' AND {nothing} THEN 'blocked by a guardrail'
                WHEN {none} THEN 'record without usage'
            END AS ignore,
            broken AS reject
        FROM ({_calls(read)})""")


def _calls(read: str) -> str:
    """SQL: the call columns; with passes the body's counters, since only they are known to fit the passes."""
    usage = answers.usage()
    own = {
        "input_tokens": "own_input, c.usage.inputTokens",
        "output_tokens": "own_output, c.usage.outputTokens",
        "cache_read_tokens": "own_read, c.usage.cacheReadInputTokens, c.usage.cacheReadInputTokenCount",
        "cache_write_tokens": "own_written, c.usage.cacheWriteInputTokens, c.usage.cacheWriteInputTokenCount",
    }
    ttl = "CAST(list_sum(list_transform(list_filter(c.usage.cacheDetails, lambda d: d.ttl = '{}'), lambda d: TRY_CAST(d.inputTokens AS BIGINT))) AS VARCHAR)"
    counted = {
        name: f"CASE WHEN passes_in({usage['iterations']}) > 0 THEN {usage[name]} ELSE coalesce({sql}, {usage[name]}) END"
        for name, sql in own.items()
    }
    counted |= {
        f"cache_write_{t}_tokens": f"coalesce({usage[f'cache_write_{t}_tokens']}, {ttl.format(t)})"
        for t in ("5m", "1h")
    }
    counted["stop_reason"] = "coalesce(answer_stop_reason, c.stopReason)"
    counted["content_blocks"] = "coalesce(answer_blocks, CAST(json_array_length(c.output.message.content) AS VARCHAR))"
    claude = "json_extract(asked, '$.anthropic_version') IS NOT NULL AND answer_usage IS NOT NULL"
    told = labels.labelled(
        read, gateways.pairs("requestMetadata"), labels.columns(accountId="accountId", recordId="recordId")
    )
    return f"""
            SELECT
                file, line, part, broken, errorCode,
                modelInput IS NOT NULL AND recordId IS NOT NULL AS of_batch,
                processedRecordCount IS NOT NULL AND modelInput IS NULL AS sums,
                c."amazon-bedrock-guardrailAction" AS guardrail,
                coalesce(schemaType = '{SCHEMA}' OR modelId IS NOT NULL, false) OR modelOutput IS NOT NULL AS kept,
                {records.utc('"timestamp"')} AS ts,
                -- An application inference profile or provisioned throughput names no model; its answer does.
                CASE WHEN regexp_matches(modelId, ':({HIDES_MODEL})/') OR modelId IS NULL
                    THEN coalesce(answer_model, modelId) ELSE modelId END AS model_raw,
                'aws_bedrock' AS provider,
                region,
                requestId AS request_id,
                answer_id AS message_id,
                {answers.columns(counted)},
                coalesce(c.metrics.latencyMs, answer_metrics.invocationLatency) AS latency_ms,
                answer_metrics.firstByteLatency AS ttft_ms,
                CASE WHEN operation LIKE '%Stream' THEN 'true' WHEN operation IS NOT NULL THEN 'false' END AS "stream",
                {answers.asked("asked", claude)},
                json_extract_string(asked, '$.inferenceConfig.maxTokens') AS asked_max_tokens,
                {labels.columns_and_tags("labels", user="caller")}
            FROM ({told})"""


BEDROCK = Ingestor(
    name="bedrock",
    title="Amazon Bedrock model invocation logs (S3, CloudWatch)",
    kind=Kind.LINES,
    recognise=_recognise,
    select=_select,
    rank=15,
    shared=True,
    doc=__doc__,
)
