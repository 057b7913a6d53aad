"""What users attach to a call, from several places at once: objects of labels, lists of words, single columns."""

from __future__ import annotations

from collections.abc import Iterable

from claude_audit.ingestors import _gateways as gateways


def words(json_text: str) -> str:
    """SQL: a JSON list of words as a list of key and value: `key:value`, or a word by itself, which is then `true`."""
    return f"""CASE WHEN json_type({json_text}) = 'ARRAY'
                THEN list_transform(json_extract_string({json_text}, '$[*]'), lambda t: CASE
                    WHEN contains(t, ':') THEN {{'key': trim(split_part(t, ':', 1)), 'value': trim(substr(t, instr(t, ':') + 1))}}
                    ELSE {{'key': t, 'value': 'true'}} END)
                ELSE [] END"""


def labelled(rows: str, *listed: str) -> str:
    """SQL: the rows with `labels`, lists of key and value as one list with the first value of each key."""
    every = f"list_concat({', '.join(listed)})" if len(listed) > 1 else listed[0]
    # In steps: what a lambda reads is worked out once for each row then, and not once for each label.
    return f"""
        SELECT * EXCLUDE (every_label, label_keys),
            list_filter(every_label, lambda e, i: list_position(label_keys, e.key) = i) AS labels
        FROM (
            SELECT *, list_transform(every_label, lambda e: e.key) AS label_keys
            FROM (SELECT *, {every} AS every_label FROM ({rows}))
        )"""


def columns(**named: str) -> str:
    """SQL: single values as a list of key and value: key=SQL of its text."""
    return "[" + ", ".join(f"{{'key': '{key}', 'value': {text}}}" for key, text in named.items()) + "]"


def columns_and_tags(listed: str, but: Iterable[str] = (), **own: str) -> str:
    """SQL: the columns that labels fill, and `tags`. `own`: column -> SQL of what comes before a label; `but`: no tags."""
    filled = [
        f'coalesce({f"{own[field]}, " if field in own else ""}{gateways.label(field, listed)}) AS "{field}"'
        for field in gateways.LABELS
    ]
    return ",\n            ".join((*filled, f"{gateways.tags(listed, but)} AS tags"))
