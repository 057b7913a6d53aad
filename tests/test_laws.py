"""What must hold for any log: sums, orders, parts."""

from __future__ import annotations

import json
import tempfile
from decimal import Decimal
from fractions import Fraction
from pathlib import Path
from typing import Any

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from logs import CATALOG, audit, read, record, said, table, write

from claude_audit.bill import bill, explain, total
from claude_audit.rates import Group, Unpriced
from claude_audit.tally import Line
from claude_audit.usage import TOKEN_CLASSES

quick = settings(
    max_examples=12, deadline=None, suppress_health_check=[HealthCheck.too_slow, HealthCheck.function_scoped_fixture]
)

MODELS = ("claude-sonnet-5-5", "claude-haiku-5-5", "claude-opus-4-8", "claude-2.1", "claude-unknown-9")
tokens = st.integers(0, 300_000)


@st.composite
def records(draw: st.DrawFn) -> list[dict[str, Any]]:
    made = []
    for n in range(draw(st.integers(1, 12))):
        usage = {
            "service_tier": draw(st.sampled_from(["standard", "batch"])),
            "inference_geo": draw(st.sampled_from(["us", "global", None])),
            "server_tool_use": {"web_search_requests": draw(st.integers(0, 2))},
        }
        made.append(
            record(
                draw(st.integers(0, 8)),
                model=draw(st.sampled_from(MODELS)),
                input=draw(tokens),
                output=draw(tokens),
                read=draw(tokens),
                w5=draw(tokens),
                w1=draw(tokens),
                usage=usage,
                timestamp=f"2026-{draw(st.sampled_from(['10-06', '10-07', '11-02']))}T23:5{n % 10}:00Z",
                endpoint=draw(st.sampled_from(["a", "b", None])),
                team=draw(st.sampled_from(["x", None])),
            )
        )
    return made


@quick
@given(records())
def test_every_grouping_and_every_explanation_adds_up_to_the_same_total(made: list[dict[str, Any]]) -> None:
    with tempfile.TemporaryDirectory() as folder:
        store = Path(folder) / "store"
        read(store, write(Path(folder) / "a.jsonl", made))
        found = audit(store)
        whole = found.spend()
        for by in (["endpoint"], ["model", "day"], ["token_type"], ["tier", "token_type"], ["team", "hour", "month"]):
            answer = found.spend(by)
            assert answer.total_usd == whole.total_usd
            assert total(row.cost_usd for row in answer.rows if row.cost_usd is not None) == whole.total_usd
        assert total(whole.components.values()) == whole.total_usd
        assert total(item.usd for item in found.explain() if item.usd is not None) == whole.total_usd


@quick
@given(records())
def test_the_tally_bills_what_row_by_row_billing_does(made: list[dict[str, Any]]) -> None:
    with tempfile.TemporaryDirectory() as folder:
        store = Path(folder) / "store"
        read(store, write(Path(folder) / "a.jsonl", made))
        found = audit(store)
        rows = found.engine.sql(
            "SELECT model, CAST(ts AS DATE), coalesce(prompt_tokens, 0), tier, geo, input_tokens, cache_read_tokens, "
            "coalesce(cache_write_5m_tokens, 0) + coalesce(cache_write_unknown_tokens, 0), coalesce(cache_write_1h_tokens, 0), "
            "output_tokens, web_searches FROM usage",
            found.parts,
        )
        expected = Fraction(0)
        for model, day, prompt, tier, geo, *counts, searches in rows:
            size = sum(prompt > limit for limit in CATALOG.thresholds) if model in CATALOG.banded_models else 0
            price = CATALOG.price(Group(model, day, size, tier, geo=geo))
            if isinstance(price, Unpriced):
                continue
            rates = [price.usd(name) for name in TOKEN_CLASSES]
            if any(rate is None and count for rate, count in zip(rates, counts, strict=True)):
                continue
            expected += sum(Fraction(c) * Fraction(r or 0) / 10**6 for c, r in zip(counts, rates, strict=True))
            expected += Fraction(searches, 100)
        assert Fraction(found.spend().total_usd) == expected


@st.composite
def transcripts(draw: st.DrawFn) -> list[dict[str, Any]]:
    """Lines of a few responses, repeated and growing, in any order, in several sessions."""
    lines = []
    for n in range(draw(st.integers(1, 5))):
        request = draw(st.sampled_from([f"req_{n}", None]))
        for _ in range(draw(st.integers(1, 3))):
            second = draw(st.integers(0, 59))
            lines.append(
                said(
                    f"msg_{n}",
                    request,
                    output=draw(st.sampled_from([9, 9, 50, 159])),
                    ts=f"2026-11-02T10:00:{second:02d}.000Z",
                    session=draw(st.sampled_from(["s1", "s2"])),
                    side=draw(st.booleans()),
                )
            )
    return draw(st.permutations(lines))


VOLATILE = (
    "source",
    "line",
    "row_id",
    "session",
    "stop_reason",
    "tags",
    "flags",
    "project",
    "call_key",
    "identity",
    "request_id",
)


@quick
@given(transcripts(), st.integers(1, 3), st.randoms(use_true_random=False))
def test_ingesting_twice_in_parts_or_in_another_order_gives_the_same_calls(
    lines: list[dict[str, Any]], parts: int, chance: Any
) -> None:
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        read(folder / "once", write(folder / "once.jsonl", lines))
        pieces = [write(folder / f"part-{n}.jsonl", lines[n::parts]) for n in range(parts) if lines[n::parts]]
        chance.shuffle(pieces)
        for piece in (*pieces, *pieces):
            read(folder / "parts", piece)
        assert table(folder / "parts", without=VOLATILE) == table(folder / "once", without=VOLATILE)


lines_strategy = st.builds(
    lambda model, counts, searches: Line(
        labels=("x",),
        group=Group(model, __import__("datetime").date(2026, 11, 2)),
        name=model,
        unsold=False,
        requests=1,
        billed_requests=1,
        billed_passes=0,
        tokens=tuple(counts),
        ttl_unknown=0,
        searches=searches,
    ),
    st.sampled_from(MODELS),
    st.lists(st.integers(0, 2**62), min_size=5, max_size=5),
    st.integers(0, 10**6),
)


@given(st.lists(lines_strategy, max_size=8), st.lists(lines_strategy, max_size=8))
def test_billing_two_tables_apart_equals_billing_them_together(one: list[Line], other: list[Line]) -> None:
    together = bill([*one, *other], CATALOG).total_usd
    assert together == bill(one, CATALOG).total_usd + bill(other, CATALOG).total_usd


@given(st.lists(lines_strategy, max_size=8))
def test_explained_lines_add_up_to_the_bill(lines: list[Line]) -> None:
    assert total(item.usd for item in explain(lines, CATALOG) if item.usd is not None) == bill(lines, CATALOG).total_usd


garbage = st.one_of(
    st.text(max_size=60).map(lambda t: t.replace("\n", " ").replace("\r", " ")),
    st.recursive(
        st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=8),
        lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
        max_leaves=8,
    ).map(lambda v: json.dumps(v)),
    st.builds(
        lambda v: json.dumps({**record(1), "usage": v}),
        st.dictionaries(
            st.sampled_from(["input_tokens", "output_tokens", "iterations", "cache_creation"]),
            st.none() | st.integers() | st.text(max_size=4) | st.lists(st.integers(), max_size=2),
            max_size=4,
        ),
    ),
)


@quick
@given(st.lists(garbage, max_size=12))
def test_garbage_never_costs_its_neighbours(lines: list[str]) -> None:
    with tempfile.TemporaryDirectory() as folder:
        good = [json.dumps(record(100)), json.dumps(record(101))]
        report = read(Path(folder) / "store", write(Path(folder) / "a.jsonl", [good[0], *lines, good[1]]))
        c = report.counted
        assert c.lines == c.kept + c.duplicates + sum(c.ignored.values()) + c.rejected
        assert c.lines == 2 + sum(bool(line.strip(" \t\r")) for line in lines)
        found = audit(Path(folder) / "store").spend()
        assert found.requests >= 2 and found.total_usd >= 2 * Decimal("0.003")
