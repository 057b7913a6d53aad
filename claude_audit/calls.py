"""What a log may say of a call: the columns that an ingestor yields, those that they become, and the functions between.

An ingestor's SELECT yields one row for each line (or record), with any of CALL_COLUMNS as text, straight from the log. Each
is checked and typed by one rule for all formats (typed.py); a value that breaks a rule rejects its line, by name.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from claude_audit import instants
from claude_audit.extents import digest

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection

    from claude_audit.mapping import FieldMap

COUNTS = (
    "input_tokens",
    "output_tokens",
    "cache_read_tokens",
    "cache_write_tokens",
    "cache_write_5m_tokens",
    "cache_write_1h_tokens",
    "thinking_tokens",
    "web_searches",
    "server_calls",
)
"""Text in, BIGINT out; anything but a whole number from 0 to 2^63-1 rejects the line. `cache_write_tokens` is the total of
all TTLs; `server_calls` counts runs of server-side tools (they make one prompt's size unknowable from a sum)."""

TEXTS = (
    "request_id message_id session gateway region routing workspace api_key user team project environment "
    "endpoint task unit model_raw provider tier speed geo stop_reason refusal_category effort prefix_hash "
    "request_hash cache_miss_reason status retry_of cost_reported_by unbilled"
).split()
NUMBERS = {
    "latency_ms": "DOUBLE",
    "ttft_ms": "DOUBLE",
    "max_tokens": "BIGINT",
    "tools_defined": "INTEGER",
    "tools_used": "INTEGER",
    "message_count": "INTEGER",
    "cache_breakpoints": "SMALLINT",
    "cache_missed_tokens": "BIGINT",
    "content_blocks": "INTEGER",
    "cost_reported_usd": "DECIMAL(28,12)",
    "requests": "BIGINT",
}
"""Side facts: a value that is no such number is taken as not recorded."""
BOOLEANS = ("has_images", "thinking", "latency_tolerant", "stream", "side_chain")
STRUCTURED = {
    "iterations": "JSON",
    "tags": "MAP(VARCHAR, VARCHAR)",
    "prompt_blocks": "STRUCT(hash VARCHAR, tokens BIGINT, kind VARCHAR, breakpoint BOOLEAN)[]",
    "notes": "VARCHAR[]",
}
"""`notes`: flags (usage.FLAGS) that the ingestor itself sets."""
SPECIAL = {
    "file": "INTEGER",
    "line": "BIGINT",
    "part": "INTEGER",
    "ignore": "VARCHAR",
    "reject": "VARCHAR",
    "ts": "VARCHAR",
    "identity": "VARCHAR",
    "snapshots": "BOOLEAN",
    "inclusive": "BOOLEAN",
    "cache_unseen": "BOOLEAN",
}
"""`part`: the record's number where one line lists several. `ignore`: why a line is no call (then nothing else is read);
`reject`: why it is broken. `identity`: what duplicates are found by, where it is not request_id or message_id.
`snapshots`: lines of one identity are one call whatever they count (a transcript's growing lines). `inclusive`:
input_tokens contains reads and writes."""

MOST = 2**63 - 1
"""What a count can be at most."""

CALL_COLUMNS = dict.fromkeys((*COUNTS, *TEXTS, *NUMBERS, *BOOLEANS), "VARCHAR") | STRUCTURED | SPECIAL
"""Every column an ingestor may yield, with the type it is read as. Missing ones are null."""


PLAIN = tuple(c for c in TEXTS if c not in ("model_raw", "endpoint", "tier", "speed", "geo", "status", "unbilled"))
"""Texts that are taken as they are."""

CALL = {
    "ts": "TIMESTAMPTZ",
    "part": "INTEGER",
    **dict.fromkeys((*PLAIN, "model_name", "endpoint", "tier", "speed", "geo"), "VARCHAR"),
    **dict.fromkeys(("writes", "uncached", "cache_read_tokens", "write_5m", "write_1h", "write_unknown"), "BIGINT"),
    **dict.fromkeys(("output_tokens", "thinking_tokens", "web_searches", "server_calls", "prompt", "weight"), "BIGINT"),
    **NUMBERS,
    **dict.fromkeys((*BOOLEANS, "refused_empty", "snapshots"), "BOOLEAN"),
    "iterations": "JSON",
    "tags": STRUCTURED["tags"],
    "prompt_blocks": STRUCTURED["prompt_blocks"],
    "outcome": "VARCHAR",
    "free": "VARCHAR",
    "flags": "VARCHAR[]",
    "identity": "VARCHAR",
}
"""The typed columns of a call, with their types."""


@dataclass(frozen=True, slots=True)
class Assumptions:
    """What the user said about logs that do not say it themselves."""

    model: str | None = None
    timezone: str = "UTC"
    endpoint: str | None = None
    mapping: FieldMap | None = None
    """Of --map."""

    @property
    def told(self) -> dict[str, str]:
        """Option -> what it says, of those that say anything; of a map, a digest."""
        said = {
            "--map": digest(repr(self.mapping).encode()) if self.mapping else None,
            "--assume-model": self.model,
            "--assume-timezone": None if self.timezone == "UTC" else self.timezone,
            "--default-endpoint": self.endpoint,
        }
        return {option: value for option, value in said.items() if value}


def macros(connection: DuckDBPyConnection, assume: Assumptions) -> None:
    """Define the functions that the SELECTs of all formats share."""
    instants.macros(connection, assume.timezone)
    for statement in (
        # NULL and \N are what databases dump.
        "absent(v) AS v IS NULL OR v IN ('', '-', '--', 'null', 'NULL', '\\N', 'None')",
        # 12 and 12.0 are counts; "1,204" is one where people write (counted() strips the separators).
        """count_of(v) AS CASE
            WHEN v IS NULL THEN NULL
            WHEN TRY_CAST(v AS BIGINT)::VARCHAR = v AND NOT starts_with(v, '-') THEN TRY_CAST(v AS BIGINT)
            WHEN regexp_full_match(v, '[0-9]+(\\.0*)?') THEN TRY_CAST(split_part(v, '.', 1) AS BIGINT)
        END""",
        """counted(v) AS CASE
            WHEN regexp_full_match(trim(v), '[0-9]{1,3}(,[0-9]{3})+') THEN replace(trim(v), ',', '') ELSE trim(v)
        END""",
        # The payloads of server-sent events, as a JSON array: what a gateway logs of a stream, in one string. The last may be cut.
        r"""events_of(v) AS CASE WHEN regexp_matches(v, '^\s*(event|data):') THEN '[' || array_to_string(list_filter(
            regexp_extract_all(v, '(?m)^[ \t]*data:[ \t]*(\{.*\})', 1), lambda x: json_valid(x)), ',') || ']' END""",
        "without_lone_surrogates(v) AS regexp_replace(v, '\\\\u[dD][89a-fA-F][0-9a-fA-F]{2}', '', 'g')",
        # How much output a call tells of: of several lines about one call, the one that tells most counts.
        "passes_in(list) AS CASE WHEN list IS NULL THEN 0 ELSE coalesce(json_array_length(list), 0) END",
        """extra_output(list, top) AS CASE
            WHEN list_contains(json_extract_string(list, '$[*].type'), 'fallback_message')
                THEN coalesce(list_sum(TRY_CAST(json_extract_string(list, '$[*].output_tokens') AS BIGINT[])), 0) - coalesce(top, 0)
            ELSE coalesce(list_sum(list_transform(
                list_filter(TRY(json_transform(list, '[{"type":"VARCHAR","output_tokens":"BIGINT"}]')), lambda e: e."type" <> 'message'),
                lambda e: e.output_tokens)), 0)
        END""",
        """cacheable(blocks) AS CASE
            WHEN blocks IS NULL THEN NULL
            WHEN len(list_filter(blocks, lambda b: b.breakpoint)) > 0
                THEN list_sum(list_transform(
                    blocks[1:list_max(list_transform(blocks, lambda b, i: CASE WHEN b.breakpoint THEN i ELSE 0 END))],
                    lambda b: b.tokens))
            WHEN blocks[1].kind IN ('tools', 'system')
                THEN list_sum(list_transform(
                    blocks[1:coalesce(list_min(list_transform(blocks, lambda b, i: CASE WHEN b.kind NOT IN ('tools', 'system')
                        OR b.kind IS NULL THEN i END)), len(blocks) + 1) - 1],
                    lambda b: b.tokens))
            ELSE coalesce(list_sum(list_transform(blocks, lambda b: b.tokens)), 0)
        END""",
        "truth(v) AS CASE lower(v) WHEN 'true' THEN true WHEN '1' THEN true WHEN 'yes' THEN true "
        "WHEN 'false' THEN false WHEN '0' THEN false WHEN 'no' THEN false END",
    ):
        connection.execute(f"CREATE OR REPLACE MACRO {statement}")
