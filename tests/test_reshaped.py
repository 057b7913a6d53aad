"""Shorter prompts: what a log must show for it, what a replay of the cache then sees, and what is asked wrongly."""

from __future__ import annotations

from collections.abc import Callable
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from logs import record
from stores import stored

from claude_audit.errors import AuditError
from claude_audit.waterfall import Step

Block = dict[str, Any]


def block(name: str, kind: str, tokens: int, mark: bool = False) -> Block:
    return {"hash": name, "kind": kind, "tokens": tokens, "breakpoint": mark}


def asked(n: int, *blocks: Block, every: int = 60, tail: int = 0, **more: Any) -> dict[str, Any]:
    """Request n, `every` seconds after the one before it, billed without a cache; `tail`: tokens behind its blocks."""
    seconds = n * every
    moment = f"2026-11-{2 + seconds // 86400:02d}T{seconds // 3600 % 24:02d}:{seconds // 60 % 60:02d}:{seconds % 60:02d}+00:00"
    prompt = sum(b["tokens"] for b in blocks) + tail
    return record(n, timestamp=moment, input=prompt, output=0, prompt_blocks=list(blocks), **more)


def tools(n: int, **more: Any) -> dict[str, Any]:
    """One of 1,000 requests over a month that define tools of 300 tokens: 301 of them on the first day."""
    blocks = [block("t", "tools", 300), block("s", "system", 700)]
    day = 2 + max(n - 300, 0) * 29 // 699
    when = f"2026-11-{day:02d}" if day <= 30 else f"2026-12-{day - 30:02d}"
    given = {"timestamp": f"{when}T10:00:00Z", "output": 0, "prompt_blocks": blocks, "tools_defined": 3} | more
    return record(n, **given)


def pruned(tmp_path: Path, made: list[dict[str, Any]], **more: Any) -> Step:
    return stored(tmp_path / "store", made).whatif(prune_tools=True, **more).steps[0]


class TestUnusedTools:
    def test_tools_that_a_thousand_calls_over_a_month_never_called_can_go(self, tmp_path: Path) -> None:
        step = pruned(tmp_path, [tools(n, tools_used=0) for n in range(1000)])
        assert step.saving_usd == step.low_usd == Decimal(1000 * 300 * 2) / 10**6
        assert (step.grade, step.requests_changed) == ("metered", 1000)
        assert step.facts["endpoints"] == [{"workspace": None, "endpoint": "chat", "tools": "never called"}]

    def test_with_them_goes_the_prompt_that_the_api_adds_where_it_stands_outside_of_the_blocks(
        self, tmp_path: Path
    ) -> None:
        made = [tools(n, tools_used=0, model="claude-sonnet-5") for n in range(1000)]
        made[0] = tools(0, tools_used=0, model="claude-sonnet-5", prompt_blocks=[block("t", "tools", 300)])
        step = pruned(tmp_path, made)
        # Sonnet 5 adds 354 tokens; request 0 has 700 behind its blocks, the others none.
        assert step.saving_usd == Decimal(1000 * 300 + 354) * 2 / 10**6

    @pytest.mark.parametrize(
        ("changes", "gate"),
        [
            ({"tools_used": 0, "n": 999}, "fewer than 1,000 calls over 30 days: too few to call a tool unused"),
            ({"tools_used": 0, "day": "2026-11-09T10:00:00Z"}, "fewer than 1,000 calls over 30 days: too few to call a tool unused"),
            ({"tools_used": 1, "tools_defined": 1}, "its only tool is called"),
            ({"prompt_blocks": [block("s", "system", 700)]}, "tools defined, but no block of kind tools"),
        ],
    )  # fmt: skip
    def test_who_is_left_out_is_counted(self, changes: dict[str, Any], gate: str, tmp_path: Path) -> None:
        changes = dict(changes)
        count, day = changes.pop("n", 1000), changes.pop("day", None)
        made = [tools(n, **changes, **({"timestamp": day} if day else {})) for n in range(count)]
        step = pruned(tmp_path, made)
        assert (step.saving_usd, step.low_usd, step.high_usd) == (0, 0, 0)
        assert [(e.gate, e.requests) for e in step.excluded] == [(gate, count)]

    @pytest.mark.parametrize(
        "once",
        [{"tools_used": 2}, {"tools_used": None, "stop_reason": "tool_use"}, {"usage": {"server_tool_use": {"web_search_requests": 1}}}],
    )  # fmt: skip
    def test_one_call_of_one_tool_leaves_a_bound(self, once: dict[str, Any], tmp_path: Path) -> None:
        made = [tools(n, tools_used=0) for n in range(1000)]
        made[500] = tools(500, **({"tools_used": 0} | once))
        step = pruned(tmp_path, made)
        assert (step.saving_usd, step.low_usd, step.grade) == (0, 0, "bounded")
        assert step.high_usd == Decimal(1000 * 300 * 2) / 10**6

    def test_an_answer_that_ended_by_itself_called_nothing(self, tmp_path: Path) -> None:
        assert pruned(tmp_path, [tools(n, stop_reason="end_turn") for n in range(1000)]).saving_usd > 0
        unsure = [tools(n, stop_reason="max_tokens") for n in range(1000)]
        step = stored(tmp_path / "unsure", unsure).whatif(prune_tools=True).steps[0]
        assert (step.saving_usd, step.high_usd) == (0, Decimal(1000 * 300 * 2) / 10**6)

    def test_without_blocks_tools_may_be_all_of_the_shortest_prompt(self, tmp_path: Path) -> None:
        made = [{k: v for k, v in tools(n, tools_used=0).items() if k != "prompt_blocks"} for n in range(1000)]
        step = pruned(tmp_path, made)
        assert (step.saving_usd, step.high_usd) == (0, Decimal(1000 * 1000 * 2) / 10**6)
        assert "prompt_blocks" in step.missing_fields

    def test_tokens_that_you_know_to_be_unused_leave_prompts_without_blocks_too(self, tmp_path: Path) -> None:
        plain = record(1, tools_defined=2, read=600, input=400, output=0)
        made = [plain, record(2, tools_defined=0, output=0), record(3, output=0)]
        step = pruned(tmp_path, made, unused_tools=50)
        assert step.saving_usd == Decimal(50) / 10 / 10**6
        assert [(e.gate, e.requests) for e in step.excluded] == [("tools_defined not recorded", 1)]


def same_as(tmp_path: Path, made: list[dict[str, Any]], by_hand: list[dict[str, Any]], **levers: Any) -> Step:
    """The replay after these levers, which must find what a replay of prompts cut by hand finds."""
    left = stored(tmp_path / "log", made).whatif(**levers, cache_replay=True)
    right = stored(tmp_path / "hand", by_hand).whatif(cache_replay=True)
    assert left.final_usd == right.final_usd
    facts, wanted = left.steps[-1].facts["replay"], right.steps[-1].facts["replay"]
    for name in ("requests", "requests_hit", "read_tokens", "write_tokens", "uncached_tokens"):
        assert facts[name] == wanted[name], name
    return left.steps[-1]


class TestReplayOfShorterPrompts:
    def test_trimmed_system_prompts(self, tmp_path: Path) -> None:
        def log(first: int, second: int) -> list[dict[str, Any]]:
            head = (block("a", "tools", 400), block("b", "system", first), block("c", "system", second, True))
            return [asked(n, *head, block(f"m{n}", "message", 90), tail=10) for n in range(6)]

        step = same_as(tmp_path, log(900, 800), log(900, 100), trim_system=1000)
        assert step.facts["replay"]["read_tokens"] == 5 * 1400

    def test_prompts_that_fall_below_the_minimum_are_cached_no_more(self, tmp_path: Path) -> None:
        step = same_as(
            tmp_path,
            [asked(n, block("b", "system", 900, True)) for n in range(4)],
            [asked(n, block("b", "system", 300, True)) for n in range(4)],
            trim_system=300,
        )
        assert step.facts["replay"]["uncached_tokens"] == 1200

    def test_fewer_chunks(self, tmp_path: Path) -> None:
        def log(keep: Callable[[int], bool]) -> list[dict[str, Any]]:
            made = []
            for n in range(8):
                chunks = [block(f"d{n % 2}.{i}", "document", 300) for i in range(5) if keep(i)]
                made.append(asked(n, block("s", "system", 600), *chunks, block(f"q{n}", "message", 40, True)))
            return made

        step = same_as(tmp_path, log(lambda i: True), log(lambda i: i < 2), rag_k=2)
        assert step.facts["replay"]["requests"] == 8

    def test_tools_given_as_unused(self, tmp_path: Path) -> None:
        def log(first: int, second: int) -> list[dict[str, Any]]:
            head = (block("t", "tools", first), block("u", "tools", second), block("s", "system", 800, True))
            return [asked(n, *head, block(f"m{n}", "message", 60), tools_defined=2) for n in range(5)]

        same_as(tmp_path, log(500, 400), log(500, 100), prune_tools=True, unused_tools=300)

    def test_a_cut_prompt_shares_nothing_behind_the_cut_with_one_that_is_whole(self, tmp_path: Path) -> None:
        """104,000 tokens become 100,000; 130,000 of the same beginning stay: what they share is what both still have."""
        head = [block("a", "system", 90_000, True), block("b", "message", 12_000, True)]
        near = asked(0, *head, block("c", "message", 2_000, True), model="claude-haiku-5-5")
        far = asked(1, *head, block("d", "message", 28_000, True), model="claude-haiku-5-5")
        answer = stored(tmp_path / "store", [near, far]).whatif(under_band=20, cache_replay=True)
        facts = answer.steps[-1].facts["replay"]
        assert (facts["read_tokens"], facts["write_tokens"]) == (90_000, 100_000 + 40_000)

    def test_tools_that_differ_by_request_leave_nothing_to_read(self, tmp_path: Path) -> None:
        made = [asked(n, block("t", "tools", 900), block("s", "system", 800, True)) for n in range(5)]
        audit = stored(tmp_path / "store", made)
        alike = audit.whatif(prune_tools=True, unused_tools=400, cache_replay=True)
        each = audit.whatif(prune_tools=True, unused_tools=400, prune_per_request=True, cache_replay=True)
        assert alike.steps[-1].facts["replay"]["read_tokens"] == 4 * 1300
        assert each.steps[-1].facts["replay"]["read_tokens"] == 0
        assert each.steps[-1].facts["replay"]["write_tokens"] == 5 * 1300

    @pytest.mark.parametrize("other", [{"history": 3}, {"summarize_after": 4}])
    def test_with_messages_left_out_before_and_after(self, other: dict[str, Any], tmp_path: Path) -> None:
        def log(tools: int, system: int) -> list[dict[str, Any]]:
            made = []
            for n in range(9):
                turns = [block(f"m{i}", "message", 60 + i) for i in range(2 * n + 1)]
                head = (block("t", "tools", tools), block("s", "system", system, True))
                made.append(asked(n, *head, *turns, session="s1", tools_defined=2, message_count=len(turns)))
            return made

        cuts = {"prune_tools": True, "unused_tools": 150, "trim_system": 600}
        left = stored(tmp_path / "log", log(400, 800)).whatif(**cuts, **other, cache_replay=True)
        right = stored(tmp_path / "hand", log(250, 600)).whatif(**other, cache_replay=True)
        assert left.final_usd == right.final_usd
        assert left.steps[-1].facts["replay"] | {"back_test": None} == right.steps[-1].facts["replay"] | {
            "back_test": None
        }
        found = {step.lever: step.requests_changed for step in left.steps}
        assert found["prune_tools"] == found["trim_system"] == 9 and found[next(iter(other))] > 0

    @pytest.mark.parametrize("other", [{"history": 3}, {"summarize_after": 4}])
    def test_chunks_are_cut_once_for_messages_that_hold_any_are_not_left_out(
        self, other: dict[str, Any], tmp_path: Path
    ) -> None:
        made = []
        for n in range(6):
            kinds = [(kind, i) for i in range(2 * n + 1) for kind in ("message", "document", "document")]
            turns = [block(f"{kind}{i}.{place}", kind, 300) for place, (kind, i) in enumerate(kinds)]
            made.append(asked(n, block("s", "system", 900), *turns, session="s1", message_count=2 * n + 1))
        audit = stored(tmp_path / "store", made)
        both, alone = audit.whatif(rag_k=1, **other), audit.whatif(rag_k=1)
        assert both.final_usd == alone.final_usd
        assert next(step for step in both.steps if step.lever != "rag_k").requests_changed == 0

    def test_all_cuts_at_once(self, tmp_path: Path) -> None:
        def log(*sizes: int) -> list[dict[str, Any]]:
            kinds = ("tools", "system", "chunk", "chunk")
            head = [block(kind + str(i), kind, size) for i, (kind, size) in enumerate(zip(kinds, sizes, strict=True))]
            return [asked(n, *head, block(f"m{n}", "message", 70, True), tools_defined=1) for n in range(6)]

        same_as(
            tmp_path,
            log(500, 700, 400, 400),
            log(400, 600, 400, 0),
            prune_tools=True,
            unused_tools=100,
            trim_system=600,
            rag_k=1,
        )


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"trim_system": "0"}, "--trim-system '0' is not a number of tokens above 0"),
        ({"trim_system": "some"}, "--trim-system 'some'"),
        ({"rag_k": "-1"}, "--rag-k '-1' is not a number of chunks above 0"),
        ({"under_band": "0"}, "--under-band '0' is not a percentage from 1 to 1000"),
        ({"under_band": "a lot"}, "--under-band 'a lot'"),
        ({"prune_tools": True, "unused_tools": "x"}, "--unused-tools 'x'"),
        ({"unused_tools": "100", "rag_k": "3"}, "--unused-tools without --prune-tools"),
        ({"prune_per_request": True, "rag_k": "3"}, "--prune-per-request without --prune-tools"),
    ],
)
def test_what_makes_no_sense_is_said(options: dict[str, Any], words: str, tmp_path: Path) -> None:
    with pytest.raises(AuditError, match="--") as error:
        stored(tmp_path / "store", [record()]).whatif(**options)
    assert words in error.value.message


def test_a_sum_of_prompts_has_no_band_and_that_is_said(tmp_path: Path) -> None:
    import pyarrow as pa
    import pyarrow.parquet as pq

    audit = stored(tmp_path / "store", [record(0, model="claude-haiku-5-5", input=150_000, output=0)])
    (part,) = (tmp_path / "store" / "parts").glob("*.parquet")
    table = pq.read_table(part)
    place = table.schema.get_field_index("prompt_tokens")
    gone = table.set_column(place, table.schema.field(place), pa.nulls(1, pa.int64()))
    pq.write_table(gone, part)
    step = audit.whatif(under_band=20).steps[0]
    assert (step.saving_usd, step.low_usd, step.high_usd) == (0, 0, 0)
    assert step.facts["band_unknown"] == {"rows": 1, "below_usd": "0.015", "above_usd": "0.075"}
    assert step.missing_fields == ("the size of each prompt",)
