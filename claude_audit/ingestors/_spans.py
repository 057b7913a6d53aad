"""Mastra's spans in a log: an answer's generation has the sum of its steps, which each have theirs, and is told once.

Span types as of mastra-ai/mastra (2026): model_generation (llm_generation before) around model_step and model_chunk, inside
agent_run. Only the generation is sure to name its model.
"""

from __future__ import annotations

KEYS = frozenset(("id", "type", "parentSpanId"))
"""What a span has, whatever else."""
WHOLE = "('model_generation', 'llm_generation')"
PARTS = "('agent_run', 'model_step', 'model_chunk')"
"""What tells of the same tokens from outside, or in parts."""


def told(span: str, nothing: str) -> tuple[str, str]:
    """SQL of the struct `span`: a case of why a record is no call, and how many calls one is the sum of, where its file says.

    `nothing`: whether the record has no counts. In a file whose generations have none, their steps are the calls.
    """
    kind = f'{span}."type"'
    whole = f"{kind} IN {WHOLE} AND NOT ({nothing})"
    repeats = f"WHEN {kind} IN {PARTS} AND bool_or({whole}) OVER (PARTITION BY file) THEN 'span that repeats a call'"
    answer = f"""CASE WHEN {kind} = 'model_step' THEN {span}."parentSpanId" ELSE {span}.id END"""
    steps = f"count(*) FILTER ({kind} = 'model_step') OVER (PARTITION BY file, {answer})"
    return repeats, f"CASE WHEN {whole} THEN CAST(nullif({steps}, 0) AS VARCHAR) END"
