"""Langfuse observations: exports from its pages, its API and to blob storage, as JSON, JSON lines, CSV or Parquet.

Recognised by `usageDetails` (or `usage_details`) beside `type`. An observation of type GENERATION is a call, by its id; all
others (spans, events, tools, agents) repeat what is in them and are ignored, and so are generations without usage, those whose
output is that of the generations in them (Strands' agents, a decorator's around its library's; the file must hold both) and
other vendors' models. Times are UTC. `input` leaves cached tokens out; reads and writes stand under several names.
`input_cache_creation` is what is left of the writes beside `_5m` and `_1h`, unless it equals their sum. Reasoning is taken
out of `output` by Langfuse and added again here. Writes by a name that Langfuse does not know (the anthropic SDK's spans) it
leaves in `input`: taken out here. LiteLLM's callback takes only the reads out of `input`: where the total is
that of input, reads and output, the writes are in the input and are taken out here. A total of input and output alone beside
cached tokens is LiteLLM's older one, whose input has them all, or that of an input without them: read as the latter, and
flagged (`basis_assumed`).

Tells: model, token classes, time, latency, user, session, environment, the trace's name as endpoint, metadata and tags as
labels (every one a tag; those named endpoint, team and so on fill those columns). `totalCost` is Langfuse's own estimate:
kept as reported cost, never used. Cannot tell: searches, tier, geography and passes; the TTL of writes where the plain SDK
logged (billed as 5m, flagged). Where OpenLIT feeds Langfuse, it subtracts the cache from an input that never had it: too
low, and nothing in the export shows it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from claude_audit.ingestors import _gateways as gateways
from claude_audit.ingestors import _labels as labels
from claude_audit.ingestors import _langfuse_names as names
from claude_audit.ingestors import _nested as nested
from claude_audit.ingestors import _records as records

FIELDS = records.fields(
    texts="id parent=parentObservationId|parent_observation_id type "
    "start=startTime|start_time end=endTime|end_time first=completionStartTime|completion_start_time "
    "model=model|providedModelName|provided_model_name cost=totalCost|total_cost|calculatedTotalCost latency "
    "ttft=timeToFirstToken|time_to_first_token user_id=userId|user_id session_id=sessionId|session_id "
    "trace_name=traceName|trace_name name environment prompt_name=promptName|prompt_name project_id=projectId|project_id "
    "release version",
    nested="usage=usageDetails|usage_details metadata words=traceTags|tags parameters=modelParameters|model_parameters",
    marks="usageDetails usage_details",
)


def _belongs(record: Mapping[str, Any] | Sequence[str]) -> bool:
    return "type" in record and ("usageDetails" in record or "usage_details" in record)


def _count(name: str) -> str:
    return f"""json_extract_string(usage, '$."{name}"')"""


def _first(spellings: Sequence[str]) -> str:
    """SQL: the first recorded count of these names."""
    return f"coalesce({', '.join(map(_count, spellings))})"


def _some(spellings: Sequence[str]) -> str:
    """SQL: the same, but one of zero only where none is more."""
    some = ", ".join(f"nullif({_count(name)}, '0')" for name in spellings)
    return f"coalesce({some}, {_first(spellings)})"


def _seconds(later: str) -> str:
    """SQL: milliseconds from the start to a later time, when that is after it."""
    return f"CASE WHEN {later} > began THEN date_diff('microsecond', began, {later}) / 1000 END"


def _number(count: str) -> str:
    return f"coalesce(count_of({count}), 0)::HUGEINT"


NOTHING = """coalesce("in", "out", thought, "read", rest, w5, w1) IS NULL"""
OUT = """CASE WHEN "out" IS NULL THEN thought
                WHEN count_of(thought) > 0 AND count_of("out") IS NOT NULL AND plain
                THEN CAST(count_of("out")::HUGEINT + count_of(thought) AS VARCHAR) ELSE "out" END"""
"""SQL: the output as it is billed."""


def _calls(rows: str) -> str:
    split = "coalesce(count_of(w5), 0)::HUGEINT + coalesce(count_of(w1), 0)"
    own, was_read = _number('"in"'), _number('"read"')
    labelled = labels.labelled(
        rows, gateways.pairs("metadata"), labels.words("words"), labels.columns(release="release", version="version")
    )
    read = nested.with_repeated(
        _counted(labelled),
        span="id",
        parent="parent",
        counted=f"""upper("type") = 'GENERATION' AND NOT ({NOTHING})""",
        output=f"count_of({OUT})",
        cached=f"""{was_read} + {_number("rest")} + {split}""",
    )
    return f"""
        SELECT
            file, line, part, broken AS reject,
            CASE
                WHEN broken IS NOT NULL THEN NULL
                WHEN upper("type") IS DISTINCT FROM 'GENERATION' THEN 'observation: ' || coalesce(left("type", 40), 'without type')
                WHEN {NOTHING} THEN 'generation without usage'
                WHEN repeated THEN '{nested.REPEATS}'
            END AS ignore,
            {records.utc('"start"')} AS ts,
            model AS model_raw,
            'langfuse:' || id AS identity,
            CASE basis WHEN 'writes' THEN CAST(count_of("in") - written AS VARCHAR)
                WHEN 'total' THEN CAST(beyond + {own} - {was_read} - written AS VARCHAR) ELSE "in" END AS input_tokens,
            {OUT} AS output_tokens,
            thought AS thinking_tokens,
            "read" AS cache_read_tokens,
            CASE WHEN count_of(rest) IS NULL THEN rest
                WHEN {split} > 0 AND count_of(rest) <> {split} THEN CAST(count_of(rest) + {split} AS VARCHAR)
                ELSE rest END AS cache_write_tokens,
            w5 AS cache_write_5m_tokens,
            w1 AS cache_write_1h_tokens,
            CASE basis WHEN 'unsure' THEN ['basis_assumed'] ELSE [] END AS notes,
            'langfuse' AS gateway,
            CAST(coalesce({_seconds("ended")}, TRY_CAST(latency AS DOUBLE) * 1000) AS VARCHAR) AS latency_ms,
            CAST(coalesce({_seconds("answered")}, TRY_CAST(ttft AS DOUBLE) * 1000) AS VARCHAR) AS ttft_ms,
            json_extract_string(parameters, '$.max_tokens') AS max_tokens,
            cost AS cost_reported_usd,
            CASE WHEN cost IS NOT NULL THEN 'gateway_estimate' END AS cost_reported_by,
            {
        labels.columns_and_tags(
            "labels",
            user="nullif(user_id, '')",
            session="nullif(session_id, '')",
            environment="nullif(environment, '')",
            project="nullif(project_id, '')",
            endpoint="nullif(trace_name, ''), nullif(prompt_name, '')",
        )
    }
        FROM (
            SELECT *,
                {_number("total")} - {own} - {_number('"out"')} - {_number("thought")} AS beyond,
                greatest({_number("rest")}, {split}) AS written,
                CASE WHEN {_number(_count(names.LEFT_IN))} BETWEEN 1 AND {own} THEN 'writes'
                    WHEN {_number(_count(names.UNKNOWN))} > 0 AND beyond + {own} >= {was_read} + written
                        AND NOT absent(total) THEN 'total'
                    WHEN {_number(_count(names.BY_PROVIDER))} BETWEEN 1 AND {own} THEN 'unsure'
                    WHEN absent(total) OR {own} < written THEN NULL
                    WHEN written > 0 AND beyond = {was_read} AND count_of("read") > 0 THEN 'writes'
                    WHEN beyond = 0 AND written + {was_read} BETWEEN 1 AND {own} THEN 'unsure' END AS basis
            FROM ({read})
        )"""


def _counted(labelled: str) -> str:
    """SQL: the observations with the counts that they record, and their times."""
    return f"""
            SELECT *,
                {_first(names.TOTAL)} AS total,
                {_first(names.INPUT)} AS "in",
                {_first(names.OUTPUT)} AS "out",
                json_exists(usage, '$.output') AS plain,
                {_first(names.REASONING)} AS thought,
                {_some(names.READ)} AS "read",
                {_some(names.REST)} AS rest,
                {_first(names.SPLIT["5m"])} AS w5,
                {_first(names.SPLIT["1h"])} AS w1,
                instant({records.utc('"start"')}) AS began,
                instant({records.utc('"end"')}) AS ended,
                instant({records.utc('"first"')}) AS answered
            FROM ({labelled})"""


LANGFUSE = records.ingestor(
    name="langfuse",
    title="Langfuse observations (JSON, CSV, Parquet)",
    belongs=_belongs,
    wanted=FIELDS,
    calls=_calls,
    rank=36,
    cross_line=True,
    doc=__doc__ or "",
)
