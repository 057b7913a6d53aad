"""What the logs of gateways have in common: JSON records, a provider's name, labels that users add as they like."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from typing import Any

from claude_audit.aliases import ALIASES, NO_DIFFERENCE, TEXT_FIELDS, normalized
from claude_audit.ingestors._named import LONGEST_TAG
from claude_audit.pieces import quoted, quoted_list

LABELS = ("endpoint", "user", "session", "team", "project", "environment")
"""Columns that a user's own labels fill when they go by the names of claude_audit.aliases."""

NOT_JSON = "CASE WHEN r IS NULL AND NOT json_valid(text) THEN 'not valid JSON' END"
"""SQL: why a line of `records` is rejected."""


def records(structure: Mapping[str, Any], lines: str = "lines", *also: str) -> str:
    """SQL: file, line, text, and the record as a struct `r`, null where the text is no JSON object.

    `also`: further columns of `lines` to hand on.
    """
    shape = quoted(json.dumps(structure))
    return f"""
        SELECT {", ".join(("file", "line", "text", *also))}, coalesce(
            TRY(json_transform(text, {shape})),
            TRY(json_transform(without_lone_surrogates(text), {shape}))) AS r
        FROM {lines}"""


def provider(name: str) -> str:
    """SQL: who bills, by the name that a gateway or a library gives it; null where the model's spelling decides."""
    return f"""CASE
                WHEN regexp_matches(lower({name}), 'bedrock|^(aws|amazon)$') THEN 'aws_bedrock'
                WHEN regexp_matches(lower({name}), 'vertex|gcp') THEN 'gcp_vertex'
                WHEN regexp_matches(lower({name}), 'azure|foundry') THEN 'azure_foundry'
                WHEN regexp_matches(lower({name}), 'openrouter') THEN 'openrouter'
            END"""


def other_vendor(model: str, name: str) -> str:
    """SQL: whether a record without a model is another vendor's, by the provider's name."""
    ours = "anthropic|claude|aws|amazon|bedrock|vertex|gcp|google|azure|foundry|openrouter"
    return f"absent({model}) AND NOT absent({name}) AND NOT regexp_matches(lower({name}), '{ours}')"


def failed(status: str) -> str:
    """SQL: whether an HTTP status says that the request failed. Where no output came, that costs nothing.

    499 is the client's hanging up: a request on its way is charged all the same (support.claude.com, article 8114526).
    """
    return f"coalesce(TRY_CAST({status} AS INTEGER) >= 400 AND TRY_CAST({status} AS INTEGER) <> 499, false)"


def nothing_counted(*counts: str) -> str:
    """SQL: whether none of these counts is recorded as more than zero."""
    return " AND ".join(f"(absent({count}) OR coalesce(count_of({count}) = 0, false))" for count in counts)


def pairs(json_text: str) -> str:
    """SQL: the fields of a JSON object (also one in a string of JSON) as a list of key and value, both text."""
    return f"""coalesce(map_entries(TRY(from_json({json_text}, '"MAP(VARCHAR, VARCHAR)"'))), [])"""


def label(field: str, listed: str) -> str:
    """SQL: what `listed`, a list of pairs, has under a name of `field`."""
    names = quoted_list([normalized(name) for name in ALIASES[field]])
    return (
        f"list_filter({listed}, lambda e: list_contains({names}, "
        f"regexp_replace(lower(e.key), '{NO_DIFFERENCE}', '', 'g')) AND {_PLAIN})[1].value"
    )


def labels(listed: str) -> str:
    """SQL: a select list of LABELS from a list of pairs."""
    return ", ".join(f'{label(field, listed)} AS "{field}"' for field in LABELS)


KNOWN = tuple(dict.fromkeys(name for names in ALIASES.values() for name in names))
"""Names that claude_audit.aliases knows, which are no tags."""


def tags(listed: str, but: Iterable[str] = ()) -> str:
    """SQL: a map of a list of pairs, without the names `but`: short plain values only, text is never kept."""
    left_out = quoted_list(sorted({*map(normalized, TEXT_FIELDS), *map(normalized, but)}))
    return (
        f"map_from_entries(list_filter({listed}, lambda e: e.key <> '' AND strlen(e.key) <= 64 AND {_PLAIN} AND NOT "
        f"list_contains({left_out}, regexp_replace(lower(e.key), '{NO_DIFFERENCE}', '', 'g'))))"
    )


_PLAIN = f"e.value <> '' AND e.value <> '-' AND strlen(e.value) <= {LONGEST_TAG} AND NOT regexp_matches(e.value, '^ *[{{\\[]')"
