"""The normalized table: one row a pass of a call, and what each of its columns means."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import pyarrow as pa

SCHEMA_VERSION = 1
"""Of the Parquet files in a store. A store with a higher one was written by a newer claude-audit."""

TOKEN_CLASSES = ("input", "cache_read", "cache_write_5m", "cache_write_1h", "output")
"""Disjoint classes of billed tokens, in invoice order. Writes of unknown TTL are billed and shown as 5m."""


TOKEN_COLUMNS = {
    "input": ("input_tokens",),
    "cache_read": ("cache_read_tokens",),
    "cache_write_5m": ("cache_write_5m_tokens", "cache_write_unknown_tokens"),
    "cache_write_1h": ("cache_write_1h_tokens",),
    "output": ("output_tokens",),
}
"""Token class -> the columns of the usage table that make it up."""


@dataclass(frozen=True, slots=True)
class Column:
    """One column of the table."""

    name: str
    sql: str
    """Its DuckDB type."""
    meaning: str
    null: str
    """What a null says; empty when the column is never null. null is "not recorded"; 0 is "recorded as zero"."""


def _columns(*rows: tuple[str, str, str, str]) -> tuple[Column, ...]:
    return tuple(Column(name, sql, meaning, null) for names, sql, meaning, null in rows for name in names.split())


BLOCK = "STRUCT(hash VARCHAR, tokens BIGINT, kind VARCHAR, breakpoint BOOLEAN)"

COLUMNS = _columns(
    ("row_id", "VARCHAR", "32 hex digits of SHA-256 over format, identity or file and line, kind and pass", ""),
    ("format", "VARCHAR", "the log format it was read by", ""),
    ("source", "VARCHAR", "the file it stands in", ""),
    ("line", "BIGINT", "the line of that file, from 1", "the format has no lines"),
    ("identity", "VARCHAR", "what duplicates are found by", "the record carries no id"),
    ("call_key", "VARCHAR", "equal on all passes of one call, and on no other call's", ""),
    ("flags", "VARCHAR[]", "what was assumed about this row (see FLAGS)", ""),
    ("ts", "TIMESTAMPTZ", "start of the request, UTC; decides the price", ""),
    ("latency_ms ttft_ms", "DOUBLE", "time to the last, and to the first token, in milliseconds", "not recorded"),
    ("request_id message_id session", "VARCHAR", "ids as logged", "not recorded"),
    ("row_kind", "VARCHAR", "call, advisor, compaction or fallback", ""),
    ("pass", "SMALLINT", "0 on the first row of a call", ""),
    ("requests", "BIGINT", "1 on pass 0, else 0", "the source has sums only"),
    (
        "provider",
        "VARCHAR",
        "who bills: anthropic, aws_bedrock, gcp_vertex, azure_foundry, claude_platform_aws, openrouter",
        "",
    ),
    ("gateway", "VARCHAR", "what logged it on the way, such as litellm", "direct"),
    ("region", "VARCHAR", "cloud region or location, as logged", "unknown"),
    ("routing", "VARCHAR", "global, regional, bare or us-gov: decides a cloud's premium", "unknown"),
    ("workspace api_key", "VARCHAR", "id, else name; hashed keys as sha256:…", "not recorded"),
    ("user team project environment endpoint", "VARCHAR", "what the spend is attributed to", "not recorded"),
    ("task unit", "VARCHAR", "what kind of job, and for which piece of work (native record)", "not recorded"),
    ("tags", "MAP(VARCHAR, VARCHAR)", "everything else to attribute by", ""),
    ("model", "VARCHAR", "the catalog's id", "unknown model: no price"),
    ("model_raw", "VARCHAR", "the model as logged", "not recorded"),
    ("input_tokens", "BIGINT", "uncached input", "not recorded"),
    ("cache_read_tokens", "BIGINT", "input read from the prompt cache", "not recorded"),
    (
        "cache_write_5m_tokens cache_write_1h_tokens",
        "BIGINT",
        "input written to the cache with that TTL",
        "not recorded",
    ),
    ("cache_write_unknown_tokens", "BIGINT", "written with a TTL that the log does not tell; billed as 5m", "none"),
    ("output_tokens", "BIGINT", "billed output, thinking included", "not recorded"),
    ("thinking_tokens", "BIGINT", "the thinking part of the output", "not recorded"),
    ("prompt_tokens", "BIGINT", "size of this pass's prompt: decides the price band", "only a sum of prompts is known"),
    ("web_searches", "BIGINT", "billed web searches of the call, on pass 0", "not recorded"),
    ("tier", "VARCHAR", "standard, batch, priority or flex: what served", "billed as standard"),
    ("speed", "VARCHAR", "standard or fast: what served", "billed as standard"),
    ("geo", "VARCHAR", "inference geography: global or us", "billed as global"),
    ("unbilled", "VARCHAR", "why the call is free: refusal, error, gateway_cache or declined", "billed"),
    ("max_tokens", "BIGINT", "the request's output cap", "not recorded"),
    ("stop_reason refusal_category effort", "VARCHAR", "as the API returns them", "not recorded"),
    ("tools_defined tools_used message_count", "INTEGER", "shape of the request", "unknown, not 0"),
    ("has_images thinking latency_tolerant stream", "BOOLEAN", "shape of the request", "unknown, not false"),
    ("prompt_blocks", BLOCK + "[]", "the prompt's blocks in order; a hash covers all before it too", "unknown"),
    (
        "cacheable_tokens",
        "BIGINT",
        "tokens up to the last marked block, else of the leading tools and system blocks, else of all blocks",
        "no prompt_blocks",
    ),
    (
        "prefix_hash request_hash",
        "VARCHAR",
        "hash of model, tools and system; of the whole request without ids",
        "unknown",
    ),
    ("cache_breakpoints", "SMALLINT", "cache_control marks of the request", "unknown"),
    ("cache_miss_reason", "VARCHAR", "the API's own diagnosis", "not recorded"),
    ("cache_missed_tokens", "BIGINT", "tokens that would have been read from the cache", "not recorded"),
    (
        "status",
        "VARCHAR",
        "ok, refused, error, timeout (the client gave up) or invalid (it could not use the answer)",
        "",
    ),
    ("retry_of", "VARCHAR", "request id that this one repeats", "not recorded"),
    (
        "cost_reported_usd",
        "DECIMAL(28,12)",
        "what the source claims it cost: evidence, never the price",
        "not recorded",
    ),
    ("cost_reported_by", "VARCHAR", "client, gateway_estimate or gateway_charge", "not recorded"),
)

NAMES = tuple(column.name for column in COLUMNS)

FLAGS = {
    "time_zone_assumed": "the time carried no zone",
    "time_from_file": "the record carried no time: that of the file was taken",
    "model_assumed": "the record named no model: --assume-model was taken",
    "ttl_unknown": "cache writes of unknown TTL, billed as 5m",
    "basis_assumed": "input could include cached tokens or not: an assumption was made",
    "cache_unseen": "the log has no cache counters: input is a lower bound, and a hit rate is unknown",
    "count_missing": "the log has no count of input, or none of output: the cost is a lower bound",
    "band_unknown": "the prompt's size is known only as a sum, of server-tool passes or of several calls",
    "sums_only": "the source tells sums over several calls: how many, and how large their prompts were, is unknown",
    "partial_stream": "the stream was cut: output unknown",
    "id_reused": "two calls carry one id",
    "refusal_content_unknown": "a refusal whose content was not logged: billed",
    "sampled": "the source may log a sample of the traffic only, by its sampling rate: totals may be too low",
    "lower_bound": "the source is known to miss calls",
}
"""What an ingestor may have assumed about a row, in words."""

DIMENSIONS = (
    "endpoint",
    "model",
    "provider",
    "workspace",
    "api_key",
    "user",
    "session",
    "team",
    "project",
    "environment",
    "tier",
    "source",
    "hour",
    "day",
    "week",
    "month",
    "token_type",
)
"""What `--by` and `--where` take, besides tag:<key>."""

TIME_DIMENSIONS = ("hour", "day", "week", "month")


def arrow_schema() -> pa.Schema:
    """The table's Arrow schema (dictionaries decoded), for readers outside DuckDB."""
    import pyarrow as pa

    fields = {"hash": pa.string(), "tokens": pa.int64(), "kind": pa.string(), "breakpoint": pa.bool_()}
    block = pa.struct(list(fields.items()))
    types = {
        "VARCHAR": pa.string(),
        "BIGINT": pa.int64(),
        "INTEGER": pa.int32(),
        "SMALLINT": pa.int16(),
        "DOUBLE": pa.float64(),
        "BOOLEAN": pa.bool_(),
        "TIMESTAMPTZ": pa.timestamp("us", "UTC"),
        "VARCHAR[]": pa.list_(pa.string()),
        "MAP(VARCHAR, VARCHAR)": pa.map_(pa.string(), pa.string()),
        BLOCK + "[]": pa.list_(block),
        "DECIMAL(28,12)": pa.decimal128(28, 12),
    }
    return pa.schema([pa.field(column.name, types[column.sql], nullable=bool(column.null)) for column in COLUMNS])
