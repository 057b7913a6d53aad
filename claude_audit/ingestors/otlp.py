"""OpenTelemetry, as OTLP JSON: what the Collector's file exporter writes, and what OTLP over HTTP carries.

Recognised by `resourceSpans`, `resourceLogs` or `resourceMetrics`. One line holds many records: a span or a log event is one
in the counts of lines. A call is a span of a single model call, or an event that counts its tokens:

- the anthropic SDK (`com.anthropic.sdk.*`) and the platform's own spans of the same calls (`com.anthropic.claude-platform`)
- Claude Code: events `claude_code.api_request`, and spans `claude_code.llm_request`
- instrumentations: Traceloop, OpenInference, OpenLIT, pydantic-ai, Logfire, the AI SDK (`ai`, `gen_ai`), Langfuse's SDK, and
  others with their names

Spans of agents, workflows and tools repeat the figures of the calls in them and are ignored, and so do spans of a call whose
output is that of the calls right inside (a framework's, around its library's), unless it alone tells the cached tokens of
the one call in it; metrics are ignored too. Of the Claude Agent SDK's runs OpenInference and Logfire tell sums alone, on the
agent's span: a row without a number of requests (`sums_only`, `lower_bound`), unless Claude Code itself tells of the session's
calls in the file. Records that
share an Anthropic request id or message id are one call, whoever tells of it: an event with the TTL of its cache writes is
taken before a span without. Without such an id the span's own id identifies it.

Whether input includes cached tokens depends on who emits: it does, but for Claude Code, Langfuse's SDK, Traceloop's spans of
Bedrock and what OpenLIT tells of the anthropic library and of Bedrock (of LiteLLM and the Agent SDK it adds them). Of an unknown
emitter it is assumed to (`basis_assumed`), unless one of its records in the file proves otherwise: more cached tokens than
input, or a total that adds them; one that tells of no cached tokens in the file is flagged (`cache_unseen`). The AI SDK's
`providerMetadata` and Logfire's `gen_ai.usage.raw` hold the raw usage block, which is taken then.

service.name is the project, deployment.environment.name the environment, the conversation the session; other attributes of
the resource are tags. Cannot tell: advisor passes, web searches, speed and geography of the SDK's spans, and the TTL split of
its compaction (`lower_bound`); the TTL of writes in most instrumentations; whether a refusal had content.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence

from claude_audit.ingestors import Head, Ingestor, Kind, Reading
from claude_audit.ingestors import _emitters as emitters
from claude_audit.ingestors import _gateways as gateways
from claude_audit.ingestors import _gen_ai as gen_ai
from claude_audit.ingestors import _otlp as otlp
from claude_audit.ingestors._messages_usage import USAGE, counts_of
from claude_audit.pieces import quoted, quoted_list

SIGNALS = ("resourceSpans", "resourceLogs", "resourceMetrics")
FIRST_KEY = re.compile(rf'\s*\[?\s*\{{\s*"({"|".join(SIGNALS)})"\s*:')
CLAUDE_CODE = {
    "input_tokens": ("input_tokens",),
    "output_tokens": ("output_tokens",),
    "cache_read_tokens": ("cache_read_tokens",),
    "cache_write_tokens": ("cache_creation_tokens",),
    "cache_write_5m_tokens": ("cache_creation_5m_tokens",),
    "cache_write_1h_tokens": ("cache_creation_1h_tokens",),
    "model_raw": ("model",),
    "request_id": ("request_id",),
    "effort": ("effort",),
    "speed": ("speed",),
    "ttft_ms": ("ttft_ms",),
    "cost_reported_usd": ("cost_usd",),
}
"""What Claude Code's events and spans call things, beside the conventions."""

CLAUDE_CODE_CALLS = ("claude_code.llm_request", "claude_code.api_request", "api_request")

COUNTS = (
    "input_tokens",
    "output_tokens",
    "cache_read_tokens",
    "cache_write_tokens",
    "cache_write_5m_tokens",
    "cache_write_1h_tokens",
)
LABELS = (
    "request_id",
    "session",
    "endpoint",
    "user",
    "workspace",
    "tier",
    "speed",
    "max_tokens",
    "stop_reason",
    "effort",
    "stream",
    "ttft_ms",
    "cost_reported_usd",
)

REPEATS = "agent|tool|workflow|task|chain|embedding|retriev|rerank|memory"
"""In an operation's name: work that has no tokens of its own, or those of the calls in it."""

RESOURCE_LABELS = ("service.name", "deployment.environment.name", "deployment.environment", "team")
"""Attributes of the resource that fill columns; `telemetry.*` says nothing to attribute by, `process.*` may hold text."""


def _recognise(head: Head) -> bool:
    # A document that is longer than its head has no whole record there.
    return any(not r.keys().isdisjoint(SIGNALS) for r in head.records) or FIRST_KEY.match(head.text) is not None


def _attribute(name: str) -> str:
    return f"texts[list_position(names, {quoted(name)})]"


def _of_resource(*names: str) -> str:
    return f"coalesce({', '.join(f'resource_texts[list_position(resource_names, {quoted(n)})]' for n in names)}, NULL)"


def _field(field: str) -> str:
    """SQL: what a record says of a field of ours, by the names that its emitter uses."""
    own = f"coalesce({', '.join(map(_attribute, CLAUDE_CODE[field]))}, NULL)" if field in CLAUDE_CODE else "NULL"
    shared = gen_ai.first(field, _attribute) if field in gen_ai.NAMES else "NULL"
    return f"CASE WHEN of_claude_code THEN coalesce({own}, {shared}) ELSE {shared} END"


def _of_bedrock() -> str:
    """SQL: the model's id on Bedrock, if that is what was asked for."""
    asked = f"coalesce({', '.join(map(_attribute, gen_ai.ASKED))})"
    return f"CASE WHEN regexp_matches({asked}, '(^|[./])anthropic[.]') THEN {asked} END"


def _compaction() -> str:
    """SQL: the passes of a span that tells of a compaction, which its own counts leave out.

    Its tokens are a total, whatever part of them was cached. The other entry is the span's own counts, without the cached.
    """
    split = ", ".join(f"'ephemeral_{ttl}_input_tokens': cache_write_{ttl}_tokens" for ttl in ("5m", "1h"))
    return f"""CASE WHEN NOT ({gateways.nothing_counted("compaction_input", "compaction_output")}) THEN to_json([
                {{'type': 'message', 'output_tokens': output_tokens, 'cache_read_input_tokens': cache_read_tokens,
                    'input_tokens': CASE WHEN inclusive
                        THEN CAST(greatest({_number("input_tokens")} - {CACHED}, 0) AS VARCHAR) ELSE input_tokens END,
                    'cache_creation_input_tokens': CAST({WRITES} AS VARCHAR), 'cache_creation': {{{split}}}}},
                {{'type': 'compaction', 'output_tokens': compaction_output, 'cache_read_input_tokens': NULL,
                    'input_tokens': compaction_input, 'cache_creation_input_tokens': NULL, 'cache_creation': NULL}}]) END"""


def _number(count: str) -> str:
    # Two counts of 2^63-1 are within the rules each; their sum has to stay a number.
    return f"coalesce(count_of({count}), 0)::HUGEINT"


WRITES = (
    f"greatest({_number('cache_write_tokens')}, "
    f"{_number('cache_write_5m_tokens')} + {_number('cache_write_1h_tokens')})"
)
CACHED = f"({_number('cache_read_tokens')} + {WRITES})"
ADDED = (
    f"coalesce({CACHED} > 0 AND count_of(total_tokens) "
    f"= {_number('input_tokens')} + {_number('output_tokens')} + {CACHED}, false)"
)
"""SQL: whether the total adds the cached tokens, which the input then leaves out."""


def _marks(names: Mapping[str, Sequence[str]]) -> str:
    """SQL: the attributes one of which a record of a call has."""
    return quoted_list([gen_ai.LANGFUSES, *(name for field in gen_ai.COUNTED for name in names[field])])


def _select(_: Reading) -> str:
    """SQL: a row a record, or one for a line without any.

    items: the records with scope and resource. named: their attributes by name, of those that count tokens. told: their
    fields. counted: their counts and ids. around: spans whose output is that of the calls right in them, told under other
    ids. judged: what their input includes.
    """
    metadata, own_usage = _attribute("ai.response.providerMetadata"), _attribute(gen_ai.RAW)
    block = quoted(json.dumps(USAGE))
    raw = quoted(
        json.dumps(
            {
                "anthropic": {"usage": USAGE, **dict.fromkeys(emitters.BESIDE.values(), "VARCHAR")},
                "bedrock": {"usage": dict.fromkeys(emitters.OF_BEDROCK.values(), "VARCHAR")},
            }
        )
    )
    return f"""
        WITH items AS (
            SELECT file, line, {gateways.NOT_JSON} AS broken, r.resourceMetrics IS NOT NULL AS metrics, unnest(
                CASE WHEN len(spans) + len(events) > 0 THEN list_concat(spans, events) ELSE [NULL] END) AS s
            FROM (
                SELECT *,
                    coalesce({otlp.items("r.resourceSpans", "scopeSpans", "spans", "span")}, []) AS spans,
                    coalesce({otlp.items("r.resourceLogs", "scopeLogs", "logRecords", "event")}, []) AS events
                FROM ({gateways.records(otlp.STRUCTURE)})
            )
        ),
        named AS (
            SELECT file, line, broken, metrics, s.kind, s.trace_id, s.span_id, s.parent, s.name, s.began, s.ended, s.status,
                coalesce(s.scope, '') AS scope,
                {emitters.OWN_NAMES} AS of_claude_code,
                list_transform(s.attributes, lambda x: x.key) AS every_name,
                list_has_any(every_name,
                    CASE WHEN of_claude_code THEN {_marks(CLAUDE_CODE)} ELSE {_marks(gen_ai.NAMES)} END) AS counted,
                CASE WHEN counted THEN {otlp.texts("s.attributes")} END AS own_texts,
                own_texts[list_position(every_name, {quoted(gen_ai.LANGFUSES)})] AS of_langfuse,
                list_filter(TRY(json_keys(of_langfuse)), lambda k: regexp_full_match(k, '[A-Za-z0-9_]+')) AS keys,
                CASE WHEN counted THEN list_concat(every_name, list_transform(keys, lambda k: {quoted(gen_ai.OF_LANGFUSE)} || k))
                    END AS names,
                list_concat(own_texts, list_transform(keys, lambda k: json_extract_string(of_langfuse, '$."' || k || '"'))) AS texts,
                CASE WHEN counted THEN list_transform(s.resource, lambda x: x.key) END AS resource_names,
                CASE WHEN counted THEN {otlp.texts("s.resource")} END AS resource_texts
            FROM items
        ),
        told AS (
            SELECT *,
                {", ".join(f"{_field(name)} AS {name}_told" for name in COUNTS)},
                {", ".join(f'{_field(name)} AS "{name}"' for name in LABELS if name != "request_id")},
                coalesce({_of_bedrock()}, {_field("model_raw")}) AS model_raw,
                {_field("request_id")} AS own_request_id,
                {gen_ai.first("thinking_tokens", _attribute)} AS thinking_told,
                {gen_ai.first("total_tokens", _attribute)} AS total_tokens,
                {gen_ai.first("response_id", _attribute)} AS response_id,
                {gen_ai.first("vendor", _attribute)} AS vendor,
                lower({gen_ai.first("operation", _attribute)}) AS operation,
                {_attribute("anthropic.usage.compaction.input_tokens")} AS compaction_input,
                {_attribute("anthropic.usage.compaction.output_tokens")} AS compaction_output,
                {_attribute("ai.usage.inputTokenDetails.noCacheTokens")} AS not_cached,
                {_attribute("duration_ms")} AS duration,
                {_attribute("anthropic.thinking.type")} AS thinking_type,
                {_of_resource("team")} AS team,
                {_of_resource("service.name")} AS project,
                {_of_resource("deployment.environment.name", "deployment.environment")} AS environment,
                {_tags()} AS tags,
                TRY(json_transform(CASE WHEN starts_with({metadata}, '{{') THEN {metadata} END, {raw})) AS of_provider,
                of_provider['anthropic'] AS anthropic,
                of_provider['bedrock']['usage'] AS of_bedrock,
                coalesce(anthropic['usage'], CASE WHEN lower(vendor) = 'anthropic' AND starts_with({own_usage}, '{{')
                    THEN TRY(json_transform({own_usage}, {block})) END) AS raw,
                list_has_any(names, {quoted_list(emitters.DETAILS)}) AS detailed,
                {emitters.SUMS} AS sums
            FROM named
        ),
        counted AS MATERIALIZED (
            SELECT * EXCLUDE (tier, speed, names, texts, resource_names, resource_texts), {_counts()},
                coalesce(raw.service_tier, tier) AS tier,
                coalesce(raw.speed, speed) AS speed,
                CASE WHEN starts_with(own_request_id, 'req_') OR of_claude_code THEN own_request_id
                    WHEN starts_with(response_id, 'req_') THEN response_id END AS request_id,
                CASE WHEN starts_with(response_id, 'msg_') THEN response_id END AS message_id,
                coalesce(request_id, nullif(response_id, ''), 'otlp:' || nullif(trace_id, '') || '/' || nullif(span_id, ''),
                    'otlp:' || md5(concat_ws('|', scope, name, began, array_to_string(names, ','), array_to_string(texts, ','))))
                    AS identity,
                CASE
                    WHEN kind IS NULL THEN CASE WHEN metrics THEN 'metrics' ELSE 'no spans or events' END
                    WHEN NOT coalesce(counted, false)
                        OR of_claude_code AND NOT list_has_any([name, {_attribute("event.name")}], {quoted_list(CLAUDE_CODE_CALLS)})
                        THEN kind || ' of no model call'
                    WHEN NOT sums AND ({_repeats()}) THEN 'span that repeats the calls in it'
                    WHEN {_nothing()} AND (status IN ('2', 'STATUS_CODE_ERROR') OR lower({_attribute("success")}) = 'false')
                        THEN 'failed call without usage'
                    WHEN {gateways.other_vendor("model_raw", "vendor")} THEN 'other vendor''s model'
                END AS ignore
            FROM told
        ),
        inner_calls AS MATERIALIZED (
            SELECT file, trace_id, parent, request_id, message_id, count_of(output_tokens) AS output, {CACHED} > 0 AS tells_cache
            FROM counted WHERE parent <> '' AND ignore IS NULL AND count_of(output_tokens) > 0
        ),
        around AS (
            SELECT o.file, o.trace_id, o.span_id,
                count(*) = 1 AND any_value({CACHED}) > 0 AND NOT bool_or(i.tells_cache) AS alone_tells_cache
            FROM inner_calls AS i JOIN counted AS o ON o.file = i.file AND o.trace_id = i.trace_id AND o.span_id = i.parent
            WHERE o.ignore IS NULL AND (i.request_id = o.request_id OR i.message_id = o.message_id) IS DISTINCT FROM true
            GROUP BY o.file, o.trace_id, o.span_id
            HAVING sum(i.output) = any_value(count_of(o.output_tokens))
        ),
        judged AS (
            SELECT * REPLACE (CASE
                    WHEN ignore IS NOT NULL THEN ignore
                    WHEN sums AND bool_or(of_claude_code) OVER (PARTITION BY file, session)
                        THEN 'span that repeats calls told one by one'
                    WHEN (file, trace_id, span_id) IN (SELECT (file, trace_id, span_id) FROM around WHERE NOT alone_tells_cache)
                        THEN 'span that repeats the calls in it'
                    WHEN count_of(output_tokens) > 0 AND (file, trace_id, parent) IN (
                            SELECT (file, trace_id, span_id) FROM around WHERE alone_tells_cache)
                        THEN 'span of a call that the span around it tells more of' END AS ignore),
                coalesce(bool_or(raw IS NULL AND not_cached IS NULL AND (
                    {CACHED} > count_of(input_tokens)
                    OR {ADDED})
                ) OVER (PARTITION BY file, scope), false) AS proven_exclusive,
                bool_and(coalesce(cache_read_tokens, cache_write_tokens, cache_write_5m_tokens, cache_write_1h_tokens) IS NULL)
                    FILTER (ignore IS NULL) OVER (PARTITION BY file, scope) AS untold,
                CASE WHEN raw IS NOT NULL OR not_cached IS NOT NULL OR {emitters.EXCLUSIVE} THEN true
                    WHEN {emitters.TOTAL_TELLS} THEN {ADDED}
                    WHEN {emitters.INCLUSIVE} OR detailed AND of_bedrock IS NULL THEN false
                    WHEN {" OR ".join(f"anthropic.{name} IS NOT NULL" for name in emitters.BESIDE.values())} THEN true END AS exclusive,
                exclusive IS NOT NULL AS known,
                CASE WHEN exclusive THEN false
                    WHEN known THEN true ELSE NOT proven_exclusive END AS inclusive
            FROM counted
        )
        SELECT
            file, line, broken AS reject,
            ignore,
            -- An event is sent when its call has ended.
            CASE WHEN of_claude_code AND kind = 'event'
                THEN coalesce(TRY(CAST(CAST(began AS BIGINT) - CAST(duration AS BIGINT) * 1000000 AS VARCHAR)), began)
                ELSE began END AS ts,
            CASE WHEN ended IS NULL THEN duration
                WHEN TRY_CAST(ended AS HUGEINT) > TRY_CAST(began AS HUGEINT)
                    THEN CAST((CAST(ended AS HUGEINT) - CAST(began AS HUGEINT)) / 1e6 AS VARCHAR) END AS latency_ms,
            model_raw,
            {gateways.provider("vendor")} AS provider,
            CASE WHEN of_claude_code THEN 'claude_code' END AS gateway,
            request_id, message_id, identity,
            {", ".join(COUNTS)}, thinking_tokens, web_searches, server_calls, inclusive,
            coalesce(iterations, {_compaction()}) AS iterations,
            session, endpoint, "user", workspace, tier, speed, geo, max_tokens, stop_reason, effort, stream, ttft_ms,
            CASE thinking_type WHEN 'disabled' THEN 'false' WHEN 'enabled' THEN 'true' WHEN 'adaptive' THEN 'true' END AS thinking,
            cost_reported_usd,
            CASE WHEN cost_reported_usd IS NOT NULL THEN 'client' END AS cost_reported_by,
            team, project, environment, tags,
            list_filter([
                CASE WHEN {emitters.SDK} OR sums THEN 'lower_bound' END,
                CASE WHEN list_contains({quoted_list(emitters.NO_CACHE_COUNTS)}, scope) AND cache_read_tokens IS NULL
                    OR NOT known AND untold THEN 'cache_unseen' END,
                CASE WHEN sums THEN 'sums_only' END,
                CASE WHEN NOT known AND inclusive AND {CACHED} > 0
                    OR list_contains({quoted_list(emitters.MIXED_INPUT)}, scope) AND cache_read_tokens IS NULL THEN 'basis_assumed' END
            ], lambda x: x IS NOT NULL) AS notes
        FROM judged"""


def _counts() -> str:
    """SQL: the counts of the raw usage block where there is one, else those of the attributes."""
    told = {name: f"{name}_told" for name in COUNTS}
    told |= {
        name: f"coalesce({name}_told, anthropic.{word}, of_bedrock.{emitters.OF_BEDROCK[name]})"
        for name, word in emitters.BESIDE.items()
    }
    told |= {"input_tokens": "coalesce(not_cached, input_tokens_told)", "thinking_tokens": "thinking_told"}
    return ", ".join(
        f"CASE WHEN raw IS NOT NULL THEN {sql} ELSE {told.get(name, 'NULL')} END AS {name}"
        for name, sql in counts_of("raw").items()
        if name not in ("tier", "speed")
    )


def _repeats() -> str:
    """SQL: whether a span tells of several calls, or of none: only those of single model calls count."""
    kinds = f"coalesce({_attribute('openinference.span.kind')}, {_attribute('traceloop.span.kind')})"
    inner = f"coalesce({_attribute('ai.operationId')}, name)"
    return f"""regexp_matches(operation, '{REPEATS}')
                    OR lower({kinds}) <> 'llm'
                    OR lower({_attribute("langfuse.observation.type")}) <> 'generation'
                    OR scope = 'pydantic-ai' AND coalesce(operation, split_part(name, ' ', 1)) <> 'chat'
                    OR scope = 'ai' AND NOT regexp_matches({inner}, 'do(Generate|Stream)')"""


def _nothing() -> str:
    return gateways.nothing_counted(*COUNTS)


def _tags() -> str:
    """SQL: the other attributes of the resource, and what the AI SDK's users add to a call."""
    prefix = "ai.telemetry.metadata."
    own = f"""list_transform(list_filter(list_zip(names, texts), lambda x: starts_with(x[1], '{prefix}')),
                lambda x: {{'key': substr(x[1], {len(prefix) + 1}), 'value': x[2]}})"""
    resource = "list_transform(list_zip(resource_names, resource_texts), lambda x: {'key': x[1], 'value': x[2]})"
    extra = ", ".join(
        f"{{'key': {quoted(name)}, 'value': {_attribute(name)}}}" for name in ("query_source", "organization.id")
    )
    listed = f"list_concat({resource}, {own}, CASE WHEN of_claude_code THEN [{extra}] END)"
    distinct = (
        f"list_filter({listed}, lambda e, i: list_position(list_transform({listed}, lambda x: x.key), e.key) = i)"
    )
    plain = f"list_filter({distinct}, lambda e: NOT regexp_matches(e.key, '^(telemetry|process)\\.'))"
    return gateways.tags(plain, but=RESOURCE_LABELS)


OTLP = Ingestor(
    name="otlp",
    title="OpenTelemetry (OTLP JSON): spans and events of the anthropic SDK, Claude Code, instrumentations",
    kind=Kind.LINES,
    recognise=_recognise,
    select=_select,
    rank=10,
    shared=True,
    doc=__doc__,
)
