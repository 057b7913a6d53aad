"""What users attach to a call, as keys and values or as a list of words: labels to attribute spend by.

All short plain ones become tags. Those that go by a name of ours (claude_audit.aliases), such as `Feature` or `user_id`,
also fill that column. Text is never kept.
"""

from __future__ import annotations

from claude_audit.aliases import ALIASES, TEXT_FIELDS, normalized
from claude_audit.ingestors import _named as named
from claude_audit.pieces import quoted_list

LONGEST_KEY = 64


def of_object(text: str) -> str:
    """SQL: the labels of a JSON object in `text` (valid JSON, or null): a list of {k, v}."""
    pointer = "'/' || replace(replace(k, '~', '~0'), '/', '~1')"
    return f"""CASE WHEN json_type({text}) = 'OBJECT'
                THEN list_transform(json_keys({text}), lambda k: {{'k': k, 'v': json_extract_string({text}, {pointer})}})
                ELSE [] END"""


def of_list(text: str) -> str:
    """SQL: the labels of a JSON list of words, `key:value` or a word by itself, which is then `true`."""
    return f"""CASE WHEN json_type({text}) = 'ARRAY'
                THEN list_transform(json_extract_string({text}, '$[*]'), lambda t: CASE
                    WHEN contains(t, ':') THEN {{'k': trim(split_part(t, ':', 1)), 'v': trim(substr(t, instr(t, ':') + 1))}}
                    ELSE {{'k': t, 'v': 'true'}} END)
                ELSE [] END"""


def of_columns(**columns: str) -> str:
    """SQL: labels of the values of columns: tag = SQL of its text."""
    return "[" + ", ".join(f"{{'k': '{tag}', 'v': {text}}}" for tag, text in columns.items()) + "]"


def kept(*labels: str) -> str:
    """SQL: lists of labels as one list, of short plain values only, the first of each key."""
    text = quoted_list(sorted(map(normalized, TEXT_FIELDS)))
    every = f"list_concat({', '.join(labels)})" if len(labels) > 1 else labels[0]
    fit = f"""list_filter({every}, lambda e: e.k <> '' AND e.v <> '' AND strlen(e.k) <= {LONGEST_KEY}
                AND strlen(e.v) <= {named.LONGEST_TAG} AND NOT regexp_matches(e.v, '^ *[{{\\[]')
                AND NOT list_contains({text}, regexp_replace(lower(e.k), '[^a-z0-9@]', '', 'g')))"""
    return f"list_filter({fit}, lambda e, i: list_position(list_transform({fit}, lambda x: x.k), e.k) = i)"


def tags(labels: str) -> str:
    """SQL: the map of labels that were `kept`."""
    return f"map_from_entries({labels})"


def named_as(labels: str, field: str, *more: str) -> str:
    """SQL: the value of the label that goes by one of the names of our `field`, or by one of `more`; null without."""
    names = quoted_list(sorted({normalized(name) for name in (*ALIASES[field], *more)}))
    return f"list_filter({labels}, lambda e: list_contains({names}, regexp_replace(lower(e.k), '[^a-z0-9@]', '', 'g')))[1].v"
