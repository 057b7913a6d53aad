"""Azure API Management's log of language models: the Log Analytics table ApiManagementGatewayLlmLog, as CSV or JSON.

Recognised by `CorrelationId` beside `PromptTokens`. Long messages are split over several rows of one CorrelationId, with the
counts on one of them or repeated: a call is what has one CorrelationId, told by the row with most output; rows without
counts are ignored, the others are duplicates. The model's name, and either count, may stand on another row of the same call
in the file.

Tells: model, tokens in and out, time, deployment, region. Cannot tell: the cache, nor whether PromptTokens includes cached
tokens (`cache_unseen`, `basis_assumed`), so that cost is a guess wherever prompts are cached; users and keys, which are in
another table (ApiManagementGatewayLogs, by the same CorrelationId).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from claude_audit.aliases import normalized
from claude_audit.ingestors import Head, Ingestor, Kind, Reading
from claude_audit.ingestors import _gateways as gateways
from claude_audit.ingestors import _records as records

FIELDS = records.fields(
    texts="time=TimeGenerated|TimeGenerated[UTC]|time correlation=CorrelationId model=ModelName deployment=DeploymentName "
    "prompt=PromptTokens completion=CompletionTokens streamed=IsStreamCompletion region=Region",
    nested="properties",
    marks="CorrelationId properties",
)


def _belongs(record: Mapping[str, Any] | Sequence[str]) -> bool:
    inner = record.get("properties") if isinstance(record, Mapping) else None
    names = {normalized(str(name)) for name in (*record, *(inner if isinstance(inner, dict) else ()))}
    return {"correlationid", "prompttokens"} <= names


def _recognise(head: Head) -> bool:
    return records.recognised(head, _belongs) or any(
        _belongs([str(c.get("name")) for c in table.get("columns", ()) if isinstance(c, dict)])
        for record in head.records
        for table in record.get("tables", ()) or ()
        if isinstance(table, dict)
    )


TABLES = """(
        SELECT file, line + generate_subscripts(items, 1) - 1 AS line, unnest(items) AS text
        FROM (
            SELECT file, line, CASE
                WHEN contains(text, '"tables"') AND json_valid(text) AND json_type(text, '$.tables[0].rows') = 'ARRAY'
                    THEN coalesce(nullif(list_transform(
                        from_json(json_extract(text, '$.tables[0].rows'), '["JSON"]'),
                        lambda r: coalesce(CAST(TRY(map_from_entries(list_transform(
                            list_zip(json_extract_string(text, '$.tables[0].columns[*].name'), json_extract_string(r, '$[*]')),
                            lambda z: {'k': z[1], 'v': z[2]}))) AS JSON)::VARCHAR, CAST(r AS VARCHAR))), []), [text])
                ELSE [text] END AS items
            FROM lines
        ))"""
"""What the query API answers, a list of columns and a list of rows, as an object for each row."""


def _utc(time: str) -> str:
    """SQL: Log Analytics tells UTC; its portal writes "11/18/2026, 10:00:00.123 AM"."""
    said = f"replace({time}, chr(8239), ' ')"
    american = " ".join(
        f"WHEN try_strptime({said}, '%m/%d/%Y, {form}') IS NOT NULL "
        f"THEN strftime(try_strptime({said}, '%m/%d/%Y, {form}'), '%Y-%m-%dT%H:%M:%S.%fZ')"
        for form in ("%I:%M:%S.%f %p", "%I:%M:%S %p")
    )
    return f"CASE WHEN contains({time}, '/') THEN CASE {american} ELSE {time} END ELSE {records.utc(time)} END"


def _of_the_call(count: str) -> str:
    """SQL: a count of the row, or of another row of its call where this one has none, or zero."""
    return f"CASE WHEN absent({count}) OR count_of({count}) = 0 THEN CAST(most_{count} AS VARCHAR) ELSE {count} END"


def _calls(rows: str) -> str:
    nothing = gateways.nothing_counted("prompt", "completion")
    return f"""
        SELECT
            file, line, part, broken AS reject,
            CASE
                WHEN broken IS NOT NULL THEN NULL
                WHEN correlation IS NULL AND prompt IS NULL AND completion IS NULL THEN 'other record'
                WHEN {nothing} THEN 'row without token counts'
            END AS ignore,
            {_utc("time")} AS ts,
            CASE WHEN contains(lower(named), 'claude') OR NOT contains(lower(deployed), 'claude') THEN named
                ELSE coalesce(named, deployed) END AS model_raw,
            'azure_foundry' AS provider,
            'azure_apim' AS gateway,
            'azure_apim:' || correlation AS identity,
            true AS snapshots,
            {_of_the_call("prompt")} AS input_tokens,
            {_of_the_call("completion")} AS output_tokens,
            true AS cache_unseen,
            ['basis_assumed'] AS notes,
            region,
            streamed AS "stream",
            map_from_entries(list_filter([{{'k': 'deployment', 'v': deployed}}], lambda e: e.v <> '')) AS tags
        FROM (
            SELECT *,
                coalesce(nullif(model, ''), max(nullif(model, '')) OVER call) AS named,
                coalesce(nullif(deployment, ''), max(nullif(deployment, '')) OVER call) AS deployed,
                max(count_of(prompt)) OVER call AS most_prompt,
                max(count_of(completion)) OVER call AS most_completion
            FROM ({rows})
            WINDOW call AS (PARTITION BY file, coalesce(correlation, 'line ' || line))
        )"""


def _of_json(lines: str) -> str:
    """Rows of the table; a diagnostic setting that writes to storage puts them under `properties`, in camelCase."""
    inner = [
        f"coalesce({name}, json_extract_string(properties, '$.{column[0].lower()}{column[1:]}'), "
        f"json_extract_string(properties, '$.{column}')) AS {name}"
        for name, (column, *_) in FIELDS.texts.items()
    ]
    return f"SELECT file, line, part, broken, {', '.join(inner)} FROM ({records.of_json(FIELDS, lines)})"


def _select(_: Reading) -> str:
    return _calls(_of_json(TABLES))


def _table(reading: Reading) -> str:
    return _calls(records.of_table(reading, FIELDS))


AZURE_APIM = Ingestor(
    name="azure_apim",
    title="Azure API Management's language model log (Log Analytics)",
    kind=Kind.LINES,
    recognise=_recognise,
    select=_select,
    table=_table,
    rank=62,
    shared=True,
    cross_line=True,
    doc=__doc__,
)
