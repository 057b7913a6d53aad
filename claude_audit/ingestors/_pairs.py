"""What the request of a request/response pair adds: its shape, and its prompt as hashes and sizes of blocks, without text.

Blocks are the tools, each part of the system prompt, each message; of messages that hold what was looked up (documents,
search results, also those that a tool brought), each part. A block's hash covers all blocks before it, so that two prompts
share a prefix as far as their hashes agree. A block's tokens are not in the log: the prompt's tokens, which are, are shared
out by length in characters. The recorder does the same in Python (prompt_shape.py).
"""

from __future__ import annotations

from claude_audit.pieces import quoted_list
from claude_audit.prompt_shape import CHUNKS

PROMPT = " + ".join(
    f"coalesce(count_of({name}), 0)::HUGEINT"
    for name in ("input_tokens", "cache_read_tokens", "greatest(cache_write_tokens, cache_write_5m_tokens)")
)


NEEDED = (
    "input_tokens cache_read_tokens cache_write_tokens cache_write_5m_tokens server_calls iterations "
    "tools_defined message_count has_images"
).split()
"""Columns that the SELECT must have."""

LOOKED_UP = quoted_list(CHUNKS)


def _holds(value: str) -> str:
    """SQL: whether the content of a JSON object is a list with something looked up in it."""
    types = f"json_extract_string({value}, '$.content[*].type')"
    return f"(json_type({value}, '$.content') = 'ARRAY' AND list_has_any({types}, {LOOKED_UP}))"


def _parts(value: str) -> str:
    """SQL: the list that the content of a JSON object is."""
    return f"""from_json(json_extract({value}, '$.content'), '["JSON"]')"""


BROUGHT = f"""json_extract_string(p, '$.type') = 'tool_result' AND json_extract(p, '$.cache_control') IS NULL AND {_holds("p")}"""
MESSAGE_PARTS = f"""
    CASE WHEN json_type(m, '$.content') = 'ARRAY' THEN flatten(list_transform({_parts("m")}, lambda p:
        CASE WHEN {BROUGHT} THEN {_parts("p")} ELSE [p] END)) ELSE [] END"""
"""SQL: what a message `m` holds, and what its tools brought, one by one."""
BLOCKS_OF_MESSAGE = f"""list_transform([{MESSAGE_PARTS}], lambda parts:
    CASE WHEN list_has_any(list_transform(parts, lambda p: coalesce(json_extract_string(p, '$.type'), '')), {LOOKED_UP})
    THEN list_transform(parts, lambda p: {{
        'kind': CASE WHEN json_extract_string(p, '$.type') IN ({", ".join(f"'{kind}'" for kind in CHUNKS)})
            THEN json_extract_string(p, '$.type') ELSE 'message' END,
        'text': coalesce(CAST(p AS VARCHAR), 'null')}})
    ELSE [{{'kind': 'message', 'text': CAST(m AS VARCHAR)}}] END)[1]"""
"""SQL: the blocks of a message `m`."""


def with_request(named: str) -> str:
    """SQL: the SELECT `named`, which has columns `request` and `listed_blocks`, with what the request tells in their place."""
    return f"""
        WITH named AS ({named}),
        parted AS (
            SELECT *, CASE WHEN request.messages IS NULL OR server_calls > 0 OR passes_in(iterations) > 1 THEN NULL ELSE list_concat(
                CASE WHEN json_array_length(request.tools) > 0 THEN [{{'kind': 'tools', 'text': CAST(request.tools AS VARCHAR)}}]
                    ELSE [] END,
                CASE json_type(request.system)
                    WHEN 'ARRAY' THEN list_transform(
                        from_json(request.system, '["JSON"]'), lambda x: {{'kind': 'system', 'text': CAST(x AS VARCHAR)}})
                    WHEN 'VARCHAR' THEN [{{'kind': 'system', 'text': CAST(request.system AS VARCHAR)}}]
                    ELSE [] END,
                CASE WHEN json_type(request.messages) = 'ARRAY' THEN flatten(list_transform(
                        from_json(request.messages, '["JSON"]'), lambda m: {BLOCKS_OF_MESSAGE}))
                    ELSE [] END) END AS parts
            FROM named
        ),
        sized AS (
            SELECT *,
                list_transform(parts, lambda p: md5(p.text)) AS digests,
                list_transform(parts, lambda p: strlen(p.text)) AS lengths,
                least({PROMPT}, 9223372036854775807) AS prompt_size
            FROM parted
        )
        SELECT * EXCLUDE (request, listed_blocks, parts, digests, lengths, prompt_size, tools_defined, message_count, has_images),
            coalesce(tools_defined, CAST(json_array_length(request.tools) AS VARCHAR),
                CASE WHEN request.messages IS NOT NULL THEN '0' END) AS tools_defined,
            coalesce(message_count, CAST(json_array_length(request.messages) AS VARCHAR)) AS message_count,
            coalesce(has_images, CASE WHEN request.messages IS NOT NULL
                THEN CAST(regexp_matches(CAST(request.messages AS VARCHAR), '"type" *: *"image"') AS VARCHAR) END) AS has_images,
            coalesce(listed_blocks, list_transform(parts, lambda p, i: {{
                'hash': left(md5(array_to_string(digests[1:i], '')), 16),
                'tokens': prompt_size * list_sum(lengths[1:i])::BIGINT // greatest(list_sum(lengths)::BIGINT, 1)
                    - prompt_size * coalesce(list_sum(lengths[1:i - 1])::BIGINT, 0) // greatest(list_sum(lengths)::BIGINT, 1),
                'kind': p.kind,
                'breakpoint': contains(p.text, '"cache_control"')}})) AS prompt_blocks
        FROM sized"""
