"""The levers of answers, newer models and price modifiers a row at a time, in exact fractions, by the rules' own words."""

from __future__ import annotations

from dataclasses import replace
from fractions import Fraction
from math import ceil
from typing import Any

from logs import CATALOG
from whatif_reference import Row, log_model


def answers(records: list[dict[str, Any]], endpoint: str | None = None) -> list[int]:
    """The lengths of the answers that could be cut, ascending."""
    return sorted(
        record["usage"]["output_tokens"]
        for record in records
        if CATALOG.resolve(record["model"], families=False)
        and not thinking(record)
        and endpoint in (None, record["endpoint"])
    )


def twice_the_median(lengths: list[int]) -> int:
    middle = len(lengths) // 2
    return 2 * lengths[middle] if len(lengths) % 2 else lengths[middle - 1] + lengths[middle]


def cutting_at_most(percent: int, lengths: list[int]) -> int:
    return next(cap for cap in lengths if 100 * sum(n > cap for n in lengths) <= percent * len(lengths))


def thinking(record: dict[str, Any]) -> bool:
    return bool(record.get("thinking") or record["usage"].get("output_tokens_details", {}).get("thinking_tokens"))


def counts_thinking(record: dict[str, Any]) -> bool:
    return record.get("thinking") is False or "output_tokens_details" in record["usage"]


def concise(row: Row, share: Fraction, instruction: int) -> Row:
    log = row.logged
    tools = log.get("tools_used") or log.get("stop_reason") == "tool_use"
    if tools or log.get("task") in ("extract", "format") or not counts_thinking(log):
        return row
    # The instruction stands first: it is billed in the class of the prompt's first token.
    first = next((name for name in ("r", "w1", "w5") if getattr(row, name)), "u")
    longer: dict[str, Any] = {first: getattr(row, first) + instruction}
    if row.cacheable:
        longer["cacheable"] = row.cacheable + instruction
    return replace(row, cut_visible=share, **longer)


def effort(row: Row, share: Fraction) -> Row:
    if row.logged.get("effort") == "low" or "output_tokens_details" not in row.logged["usage"]:
        return row
    return replace(row, cut_thinking=share)


def upgrade(row: Row, factor: Fraction) -> Row:
    """To the newest of the family, with what is cached."""
    model = CATALOG.models[log_model(row)]
    target = next(m for m in CATALOG.models.values() if m.family == model.family and m.rates)
    if target.released <= model.released or row.tier == "priority":
        return row
    ratio = {("old", "new"): factor, ("new", "old"): 1 / factor}.get((model.tokenizer, target.tokenizer), Fraction(1))
    logged_prompt, logged_output = _logged(row)
    there = ceil(ratio * logged_prompt), ceil(ratio * logged_output)
    if sum(there) > target.context or there[1] > target.max_output:
        return row
    if row.geo == "us" and not target.inference_geo_us:
        return row
    read, hour, cached, prompt = (
        Fraction(ceil(ratio * end)) for end in (row.r, row.r + row.w1, row.r + row.w1 + row.w5, row.prompt)
    )
    if cached < (target.minimum(row.day, lenient=True) or 1):
        read = hour = cached = Fraction(0)
    made = replace(
        row,
        model=target.id,
        u=prompt - cached,
        r=read,
        w1=hour - read,
        w5=cached - hour,
        o=Fraction(ceil(ratio * row.o)),
        h=Fraction(ceil(ratio * row.h)),
        cacheable=Fraction(ceil(ratio * row.cacheable)),
        moved=True,
        before=row,
    )
    return row if made.usd() is None else made


def _logged(row: Row) -> tuple[int, int]:
    usage = row.logged["usage"]
    prompt = usage["input_tokens"] + usage["cache_read_input_tokens"] + usage["cache_creation_input_tokens"]
    return prompt, usage["output_tokens"]


def standard_speed(row: Row) -> Row:
    return replace(row, speed="standard")


def global_geo(row: Row) -> Row:
    return replace(row, geo="global")
