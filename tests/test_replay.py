"""The prompt-cache replay: the rules request by request, a slow reference beside it, and the lever on small logs."""

from __future__ import annotations

import gc
import json
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from fractions import Fraction
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from logs import audited, record

from claude_audit.audit import Audit
from claude_audit.errors import AuditError
from claude_audit.replay import POLICIES, TTLS, VISIBLE, Place, Plan, Requests, calibrated, serial_writes
from claude_audit.waterfall import Grade, Step, Waterfall

SECOND = 1_000_000
BASE = Place("here")


@dataclass(frozen=True)
class Asked:
    """One request of a test: its blocks are written `hash:tokens`, with a `!` where they are marked."""

    start: int
    """Microseconds."""
    prompt: str
    place: Place | None = BASE
    first_token: int = 0
    end: int = 0
    """Microseconds after the start."""

    @property
    def blocks(self) -> list[tuple[str, int, bool]]:
        parts = [[*block.rstrip("!").split(":"), block[-1]] for block in self.prompt.split()]
        return [(name, int(tokens), last == "!") for name, tokens, last in parts]

    @property
    def seen(self) -> dict[str, int]:
        moments = (self.start, self.start + self.first_token, self.start + self.end)
        return dict(zip(VISIBLE, moments, strict=True))


def at(seconds: float, prompt: str, place: Place | None = BASE, first_token: float = 0, end: float = 0) -> Asked:
    return Asked(round(seconds * SECOND), prompt, place, round(first_token * SECOND), round(end * SECOND))


def served(
    asked: Sequence[Asked], policy: str | None = None, ttl: str | int = "5m", visible: str = "start"
) -> list[tuple[int, int]]:
    """(read, written) of each request, as the fast replay has it."""
    import numpy as np

    places = list(dict.fromkeys(request.place for request in asked))
    blocks = [request.blocks for request in asked]
    names: dict[str, int] = {}
    upto: list[int] = []
    for prompt in blocks:
        running = 0
        for _, tokens, _ in prompt:
            running += tokens
            upto.append(running)
    requests = Requests(
        start=np.array([request.start for request in asked], np.int64),
        seen={name: np.array([request.seen[name] for request in asked], np.int64) for name in VISIBLE},
        kind=np.array([places.index(request.place) for request in asked], np.int32),
        first=np.cumsum([0, *(len(prompt) for prompt in blocks)]).astype(np.int64),
        block=np.array([names.setdefault(b[0], len(names)) for prompt in blocks for b in prompt], np.int32),
        upto=np.array(upto, np.int64),
        marked=np.array([b[2] for prompt in blocks for b in prompt], bool),
    )
    answer = Plan(requests, places, policy).run(TTLS[ttl] if isinstance(ttl, str) else ttl, visible)
    return list(zip(answer.read.tolist(), answer.written.tolist(), strict=True))


# The rules, one by one.


@pytest.mark.parametrize(
    ("ttl", "gap", "reads"),
    [("5m", 300, 1), ("5m", 300.000001, 0), ("1h", 3600, 1), ("1h", 3600.000001, 0)],
)
def test_a_gap_of_exactly_the_ttl_is_alive(ttl: str, gap: float, reads: int) -> None:
    first, second = served([at(0, "a:1000"), at(gap, "a:1000")], ttl=ttl)
    assert first == (0, 1000)
    assert second == ((1000, 0) if reads else (0, 1000))


def test_a_read_keeps_an_entry_alive_from_the_readers_start() -> None:
    asked = [at(0, "a:1000"), at(250, "a:1000", end=40), at(550, "a:1000"), at(851, "a:1000")]
    assert served(asked) == [(0, 1000), (1000, 0), (1000, 0), (0, 1000)]


def test_equal_starts_are_served_in_the_order_of_the_log() -> None:
    long, short = at(5, "a:1000 b:500"), at(5, "a:1000")
    assert served([short, long]) == [(0, 1000), (1000, 500)]
    assert served([long, short]) == [(0, 1500), (0, 1000)]


@pytest.mark.parametrize(("visible", "read"), [("start", 1000), ("first-token", 0), ("end", 0)])
def test_what_is_still_being_written_is_written_again(visible: str, read: int) -> None:
    asked = [at(0, "a:1000", first_token=2, end=9), at(1, "a:1000", first_token=2, end=9)]
    assert served(asked, visible=visible) == [(0, 1000), (read, 1000 - read)]


def test_the_earliest_of_two_writers_decides_when_an_entry_is_seen() -> None:
    slow, quick = at(0, "a:1000", first_token=30), at(1, "a:1000", first_token=2)
    assert served([slow, quick, at(2, "a:1000"), at(3, "a:1000")], visible="first-token") == [
        (0, 1000),
        (0, 1000),
        (0, 1000),
        (1000, 0),
    ]


def test_only_the_last_four_marks_count() -> None:
    five = at(0, "a:10! b:10! c:10! d:10! e:10!")
    assert served([five, at(1, "a:10! x:10")]) == [(0, 50), (0, 10)]
    assert served([five, at(1, "a:10 b:10! x:10")]) == [(0, 50), (20, 0)]


@pytest.mark.parametrize(("between", "read"), [(19, 10), (20, 0)])
def test_a_mark_looks_back_over_twenty_blocks_itself_included(between: int, read: int) -> None:
    more = " ".join(f"m{n}:1" for n in range(between - 1))
    asked = [at(0, "a:10!"), at(1, f"a:10 {more} last:1!")]
    assert served(asked) == [(0, 10), (read, 10 + between - read)]


def test_a_second_mark_finds_what_the_last_one_is_too_far_from() -> None:
    more = " ".join(f"m{n}:1" for n in range(30))
    asked = [at(0, "a:10!"), at(1, f"a:10! {more} last:1!")]
    assert served(asked) == [(0, 10), (10, 31)]


def test_at_the_end_there_is_no_limit_to_looking_back() -> None:
    more = " ".join(f"m{n}:1" for n in range(200))
    assert served([at(0, "a:10"), at(1, f"a:10 {more}")]) == [(0, 10), (10, 200)]


def test_a_read_keeps_the_marks_before_it_alive_but_revives_none() -> None:
    both, first = "a:10! b:10!", "a:10! z:1"
    assert served([at(0, both), at(200, both), at(450, first)])[2] == (10, 0)
    # At 400 s the first mark is dead, and reading the second one's entry does not bring it back.
    asked = [at(0, "a:10!"), at(250, "a:10 b:10!"), at(551, "a:10! b:10!"), at(600, first)]
    assert served(asked)[2:] == [(0, 20), (10, 0)]
    asked = [at(0, "a:10!"), at(200, "a:10! b:10!"), at(450, "a:10 b:10!"), at(700, "a:10! b:10!"), at(701, first)]
    assert served(asked)[3:] == [(20, 0), (0, 10)]


@pytest.mark.parametrize("policy", POLICIES)
def test_prompts_under_the_minimum_neither_write_nor_refresh(policy: str) -> None:
    place = Place("here", minimum=100)
    short, enough = "a:99!", "a:99! b:1!"
    assert served([at(0, short, place), at(1, short, place)], policy) == [(0, 0), (0, 0)]
    asked = [at(0, enough, place), at(200, short, place), at(400, enough, place)]
    assert served(asked, policy) == [(0, 100), (0, 0), (0, 100)]


def test_a_prefix_under_the_minimum_is_never_read() -> None:
    low, high = Place("here", minimum=1), Place("here", minimum=50)
    asked = [at(0, "a:40", low), at(1, "a:40 b:20", high)]
    assert served(asked, "end") == [(0, 40), (0, 60)]
    assert served(asked, "every") == [(0, 40), (0, 60)]


def test_every_block_is_an_entry_up_to_the_first_that_is_none() -> None:
    asked = [at(0, "a:10 b:10 c:10"), at(1, "a:10 x:10 c:10"), at(2, "a:10 b:10 y:10")]
    assert served(asked, "every") == [(0, 30), (10, 20), (20, 10)]


def test_marks_and_ends_share_their_entries() -> None:
    assert served([at(0, "a:10! q:5"), at(1, "a:10 r:5"), at(2, "a:10 r:5 s:5!")]) == [(0, 10), (10, 5), (15, 5)]


def test_spaces_share_nothing() -> None:
    here, there = at(0, "a:10", Place("w1")), at(1, "a:10", Place("w2"))
    assert served([here, there, at(2, "a:10", Place("w1"))]) == [(0, 10), (0, 10), (10, 0)]


def test_another_tokenizer_rounds_each_prefix_up_once() -> None:
    place = Place("here", factor=Fraction(13, 10))
    assert served([at(0, "a:3 b:3", place), at(1, "a:3 b:3 c:1", place)]) == [(0, 8), (8, 2)]


def test_a_place_of_none_is_not_replayed_and_touches_nothing() -> None:
    assert served([at(0, "a:10", None), at(1, "a:10"), at(2, "", BASE)]) == [(0, 0), (0, 10), (0, 0)]


# A slow replay, straight from the rules, beside the fast one.


@dataclass
class Entry:
    last: int
    seen: int


@dataclass
class Slow:
    """Served one after the other, looking at every block."""

    policy: str | None
    ttl: int
    visible: str
    entries: dict[tuple[Any, str], Entry] = field(default_factory=dict)

    def serve(self, request: Asked) -> tuple[int, int]:
        place, blocks, now = request.place, request.blocks, request.start
        if place is None or not blocks:
            return 0, 0
        sums = [sum(tokens for _, tokens, _ in blocks[:k]) for k in range(len(blocks) + 1)]
        upto = [-((-place.factor.numerator * s) // place.factor.denominator) for s in sums]
        if upto[-1] < place.minimum:
            return 0, 0
        names = [(place.space, ""), *((place.space, name) for name, _, _ in blocks)]
        found = [self.entries.get(name) for name in names]
        # Judged before anything is touched.
        alive = [entry is not None and now - entry.last <= self.ttl for entry in found]
        usable = [ok and now >= found[k].seen for k, ok in enumerate(alive)]  # type: ignore[union-attr]
        count = len(blocks)

        def touch(k: int, written: bool) -> None:
            before = self.entries.get(names[k])
            seen = before.seen if before else 0
            if written and not alive[k]:
                seen = request.seen[self.visible]
            elif written and not usable[k]:
                seen = min(seen, request.seen[self.visible])
            self.entries[names[k]] = Entry(now, seen)

        marked = [k for k in range(1, count + 1) if blocks[k - 1][2]]
        policy = self.policy or ("marked" if marked else "end")
        if policy == "every":
            hit = 0
            while hit < count and usable[hit + 1]:
                hit += 1
            hit = hit if upto[hit] >= place.minimum else 0
            for k in range(1, count + 1):
                touch(k, k > hit)
            return upto[hit], upto[count] - upto[hit]
        marks = [count] if policy == "end" else [k for k in marked if upto[k] >= place.minimum][-4:]
        if not marks:
            return 0, 0
        reach = count if policy == "end" else 20
        looked = [k for mark in reversed(marks) for k in range(mark, max(mark - reach, 0), -1)]
        hit = next((k for k in looked if usable[k] and upto[k] >= place.minimum), 0)
        if hit:
            touch(hit, False)
        for mark in marks:
            if mark > hit or (mark < hit and alive[mark]):
                touch(mark, mark > hit)
        return upto[hit], upto[marks[-1]] - upto[hit]


@st.composite
def streams(draw: st.DrawFn) -> list[Asked]:
    """Requests of a few conversations, whose prompts grow, fork and stop; with ties, overlaps and gaps about the TTL."""
    places = draw(
        st.lists(
            st.builds(
                Place,
                st.sampled_from(["w1", "w2"]),
                st.sampled_from([1, 5, 30]),
                st.sampled_from([Fraction(1), Fraction(13, 10), Fraction(10, 13)]),
            )
            | st.none(),
            min_size=1,
            max_size=3,
        )
    )
    now, asked = 0, []
    for _ in range(draw(st.integers(0, 14))):
        now += draw(st.sampled_from([0, 0, 1, 20, 99, 100, 101, 250]))
        fork, depth = draw(st.integers(0, 2)), draw(st.integers(0, 30))
        prompt = [
            f"{'s' if n < fork else f'f{fork}'}-{n}:{(n * 7) % 4}{'!' if draw(st.integers(0, 5)) == 0 else ''}"
            for n in range(depth)
        ]
        if draw(st.integers(0, 9)) == 0 and prompt:
            prompt.append(prompt[0])  # a hash that is there twice, which a log may hold
        delay = draw(st.sampled_from([0, 1, 50, 150]))
        asked.append(
            Asked(now, " ".join(prompt), draw(st.sampled_from(places)), delay, delay + draw(st.integers(0, 90)))
        )
    return asked


@settings(max_examples=150, deadline=None)
@given(streams(), st.sampled_from([*POLICIES, None]), st.sampled_from([100, 300]), st.sampled_from(VISIBLE))
def test_the_fast_replay_is_the_slow_one(asked: list[Asked], policy: str | None, ttl: int, visible: str) -> None:
    slow = Slow(policy, ttl, visible)
    assert served(asked, policy, ttl, visible) == [slow.serve(request) for request in asked]


def test_calibration_writes_the_reads_that_do_not_happen() -> None:
    # 1.20 M reads predicted and 1.08 M billed where caching is on; 500,000 and 50,000 written elsewhere.
    happens = Fraction(1_080_000, 1_200_000)
    assert calibrated(500_000, 50_000, happens) == (450_000, 100_000)
    assert calibrated(7, 1, Fraction(1, 2)) == (3, 5)


@pytest.mark.parametrize(
    ("requests", "span", "ttl", "writes"),
    [(1000, 86_400, 300, (1, 289)), (1000, 86_400, 3600, (1, 25)), (5, 86_400, 300, (1, 5)), (0, 0, 300, (0, 0))],
)
def test_serial_requests_write_once_a_ttl_at_most(requests: int, span: int, ttl: int, writes: tuple[int, int]) -> None:
    assert serial_writes(requests, span, ttl) == writes


# The lever, on logs.


def sent(n: int, seconds: float, prompt: str, rest: int = 0, **more: Any) -> dict[str, Any]:
    """A native record `seconds` after ten o'clock, whose prompt is these blocks and `rest` tokens more, all uncached."""
    blocks = []
    for block in prompt.split():
        name, tokens = block.rstrip("!").split(":")
        blocks.append({"hash": name, "tokens": int(tokens), "kind": "system", "breakpoint": block.endswith("!")})
    whole, part = divmod(round(seconds * 1000), 1000)
    hours, minutes, secs = 10 + whole // 3600, whole // 60 % 60, whole % 60
    day, hours = 2 + hours // 24, hours % 24
    cached = more.get("read", 0) + more.get("w5", 0) + more.get("w1", 0)
    more = {"input": sum(int(b["tokens"]) for b in blocks) + rest - cached, "output": 100, "workspace": "w1"} | more
    return record(
        n,
        timestamp=f"2026-11-{day:02d}T{hours:02d}:{minutes:02d}:{secs:02d}.{part:03d}Z",
        prompt_blocks=blocks,
        **more,
    )


def replayed(log: Audit, **options: Any) -> Step:
    return whatif(log, **options).steps[-1]


def whatif(log: Audit, **options: Any) -> Waterfall:
    return log.whatif(**({"cache_replay": True} | options))


def facts(step: Step) -> dict[str, Any]:
    return step.facts["replay"]


SIX = [(0, 2, 10), (1, 2, 7), (100, 2, 10), (395, 2, 20), (700, 2, 10), (900, 2, 10)]


@pytest.fixture(scope="module")
def six(tmp_path_factory: pytest.TempPathFactory) -> Audit:
    """One prefix of 4,000 tokens in six requests of Sonnet 5.5: (start, first token, end) in seconds."""
    return audited(
        tmp_path_factory.mktemp("six"),
        [
            sent(n, start, f"sys:4000! q{n}:200", ttft_ms=token * 1000, latency_ms=end * 1000)
            for n, (start, token, end) in enumerate(SIX)
        ],
    )


@pytest.mark.parametrize(
    ("options", "hits", "cost"),
    [
        ({}, 3, "0.0396"),
        ({"cache_visible": "start"}, 4, "0.03"),
        ({"cache_visible": "end"}, 3, "0.0396"),
        ({"cache_ttl": "1h"}, 4, "0.042"),
        ({"cache_minimum": 5000}, 0, "0.0564"),
    ],
)
def test_one_prefix_six_requests(six: Audit, options: dict[str, Any], hits: int, cost: str) -> None:
    step = replayed(six, **options)
    assert (step.before_usd, step.after_usd) == (Decimal("0.0564"), Decimal(cost))
    assert facts(step)["requests_hit"] == hits
    assert facts(step)["read_tokens"] == hits * 4000


def test_the_interval_is_what_the_other_visibilities_answer(six: Audit) -> None:
    step = replayed(six)
    answers = [replayed(six, cache_visible=visible).saving_usd for visible in VISIBLE]
    assert (step.low_usd, step.saving_usd, step.high_usd) == (min(answers), answers[1], max(answers))
    assert (step.low_usd, step.high_usd) == (Decimal("0.0168"), Decimal("0.0264"))
    assert step.grade is Grade.REPLAYED
    assert any("Cold fan-out: 4,000 tokens" in words and "$0.0096" in words for words in step.caveats)


def test_the_answer_is_json_and_names_what_was_asked(six: Audit) -> None:
    document = whatif(six, cache_ttl="auto", cache_policy="marked").as_document()["steps"][0]
    assert json.loads(json.dumps(document))["argument"] == "auto, policy marked"
    assert document["replay"] | {"ttls": [], "back_test": {}} == {
        "requests": 6,
        "requests_hit": 3,
        "read_tokens": 12_000,
        "write_tokens": 12_000,
        "uncached_tokens": 1200,
        "token_hit_rate": 0.47619,
        "back_test": {},
        "ttls": [],
        "saving_by_ttl_usd": {"none": "0", "5m": "0.0168", "1h": "0.0144"},
    }


def test_a_twenty_minute_cadence_loses_at_five_minutes_and_wins_at_an_hour(tmp_path: Path) -> None:
    log = audited(tmp_path, [sent(n, n * 1200, "sys:10000", output=0) for n in range(6)])
    short, long, auto = (replayed(log, cache_ttl=ttl) for ttl in ("5m", "1h", "auto"))
    assert (short.before_usd, short.after_usd, long.after_usd) == (Decimal("0.12"), Decimal("0.15"), Decimal("0.045"))
    assert auto.saving_usd == long.saving_usd == Decimal("0.075")
    assert [space["ttl"] for space in facts(auto)["ttls"]] == ["1h"]
    assert any("RAISES the bill" in words for words in short.warnings)
    assert any(
        "0.0 % of the cacheable tokens are read" in words and "from 20.8 % on" in words for words in short.caveats
    )
    assert any(words.startswith("--cache-ttl 1h would cost $0.105 less") for words in short.caveats)


def test_auto_leaves_cold_traffic_uncached_space_by_space(tmp_path: Path) -> None:
    steady = [sent(n, n * 60, "sys:2000", workspace="steady") for n in range(10)]
    cold = [sent(100 + n, n * 7200, "sys:2000", workspace="cold") for n in range(4)]
    step = replayed(audited(tmp_path, steady + cold), cache_ttl="auto")
    assert {space["workspace"]: space["ttl"] for space in facts(step)["ttls"]} == {"steady": "5m", "cold": None}
    assert "auto: 5m for claude-sonnet-5-5 in steady; no caching for claude-sonnet-5-5 in cold." in step.caveats
    assert step.requests_changed == 10


@pytest.mark.parametrize(("apart", "saving"), [(0, "-0.15"), (5, "0.498")])
def test_ten_parallel_requests_all_write_unless_one_goes_first(tmp_path: Path, apart: int, saving: str) -> None:
    log = audited(tmp_path, [sent(n, apart if n else 0, "doc:30000", output=0, ttft_ms=3000) for n in range(10)])
    step = replayed(log)
    assert step.saving_usd == Decimal(saving)
    assert any("Cold fan-out" in words for words in step.caveats) == (apart == 0)


def test_an_hour_pays_where_five_minutes_write_often_enough_more(tmp_path: Path) -> None:
    # Ten bursts of ten, hours apart, each with a pause of ten minutes in its middle: 20 writes at 5m, 10 at 1h.
    starts = [burst * 8000 + n * 60 + (600 if n >= 5 else 0) for burst in range(10) for n in range(10)]
    log = audited(
        tmp_path,
        [sent(n, start, "sys:1000", output=0, model="claude-sonnet-4-5") for n, start in enumerate(starts)],
    )
    short = replayed(log, cache_minimum=1000)
    assert short.after_usd == Decimal("0.099")
    assert replayed(log, cache_minimum=1000, cache_ttl="1h").after_usd == Decimal("0.087")
    assert any("--cache-ttl 1h would cost $0.012 less than 5m" in words for words in short.caveats)


def test_steady_traffic_is_dearer_at_an_hour(tmp_path: Path) -> None:
    log = audited(tmp_path, [sent(n, n * 60, f"sys:1000! q{n}:10") for n in range(5)])
    step = replayed(log, cache_ttl="1h")
    assert any("--cache-ttl 5m would cost" in words and "steady" in words for words in step.caveats)


def test_what_cannot_be_replayed_stays_as_billed_and_is_counted(tmp_path: Path) -> None:
    good = [sent(n, n * 60, "sys:2000! q:10") for n in range(20)]
    log = audited(
        tmp_path,
        [
            *good,
            record(100, input=500),
            sent(101, 5, "sys:2000! q:10", usage={"service_tier": "batch"}),
            sent(102, 5, "sys:2000! q:10", rest=-1),
            sent(103, 5, "plain:2000"),
            sent(104, 5, "", rest=30),
        ],
    )
    step = replayed(log, cache_policy="marked")
    assert facts(step)["requests"] == 21  # an empty list says that no part of the prompt is a block
    assert {e.gate: e.requests for e in step.excluded} == {
        "in a batch": 1,
        "no marked block": 1,
        "no prompt_blocks": 1,
        "prompt_blocks larger than the prompt": 1,
    }
    assert step.grade is Grade.REPLAYED
    assert step.requests_changed == 20
    assert facts(replayed(log))["requests"] == 22  # by default an unmarked prompt is cached at its end


def test_much_that_cannot_be_replayed_makes_it_a_bound(tmp_path: Path) -> None:
    known = [sent(n, n * 60, "sys:2000") for n in range(4)]
    assert replayed(audited(tmp_path / "a", [*known, record(100, input=2000)])).grade is Grade.REPLAYED
    assert replayed(audited(tmp_path / "b", [*known, record(100, input=2001)])).grade is Grade.BOUNDED


def test_broken_blocks_are_not_replayed(tmp_path: Path) -> None:
    hashless = sent(1, 1, "a:10") | {"prompt_blocks": [{"tokens": 10}]}
    sizeless = sent(2, 2, "a:10") | {"prompt_blocks": [{"hash": "a"}]}
    negative = sent(3, 3, "a:10") | {"prompt_blocks": [{"hash": "a", "tokens": -5}]}
    step = replayed(audited(tmp_path, [sent(0, 0, "a:10"), hashless, sizeless, negative]), cache_minimum=1)
    assert {e.gate: e.requests for e in step.excluded} == {"prompt_blocks without hash or size": 3}


@pytest.mark.parametrize(
    ("changes", "shared"),
    [
        ({}, True),
        ({"workspace": "w2"}, False),
        ({"provider": "aws_bedrock", "workspace": "w2"}, True),
        ({"provider": "gcp_vertex", "workspace": "w2"}, True),
        ({"provider": "azure_foundry", "workspace": "w2"}, False),
        ({"model": "claude-opus-5-5"}, False),
        ({"endpoint": "other"}, True),
        ({"usage": {"speed": "fast"}, "model": "claude-opus-5-5"}, False),
    ],
)
def test_who_shares_a_cache(tmp_path: Path, changes: dict[str, Any], shared: bool) -> None:
    base = {k: v for k, v in changes.items() if k == "provider"}
    if "usage" in changes:
        base["model"] = changes["model"]
    log = audited(tmp_path, [sent(0, 0, "a:5000", **base), sent(1, 60, "a:5000", **changes)])
    assert facts(replayed(log))["requests"] == 2
    assert facts(replayed(log))["requests_hit"] == int(shared)


def test_free_calls_touch_nothing(tmp_path: Path) -> None:
    failed = sent(0, 0, "a:5000", status="error")
    step = replayed(audited(tmp_path, [failed, sent(1, 60, "a:5000")]))
    assert (facts(step)["requests"], facts(step)["requests_hit"]) == (1, 0)


def test_the_back_test_compares_reads_where_caching_is_on(tmp_path: Path) -> None:
    # 'chat' caches today: 4 of its 5 requests could have read, 3 did. 'ask' does not.
    chat = [sent(0, 0, "a:5000", rest=10, w5=5000)]
    chat += [sent(n, n * 60, "a:5000", rest=10, read=5000) for n in (1, 2, 3)]
    chat += [sent(4, 240, "a:5000", rest=10, w5=5000)]
    ask = [sent(100 + n, n, "b:5000", endpoint="ask", workspace="w9") for n in range(3)]
    step = replayed(audited(tmp_path, chat + ask))
    assert facts(step)["back_test"] == {
        "billed_read_tokens": 15_000,
        "predicted_read_tokens": 20_000,
        "error": 0.333333,
        "calibrated_saving_usd": "0.0105",
    }
    assert (
        "Replayed from your timestamps; on endpoints that cache today the same method is off by +33.3 %."
        in step.caveats
    )
    assert any("Only 75.0 % of the reads that the replay predicts were billed" in words for words in step.caveats)
    assert step.requests_changed == 4  # the requests that were billed just so are not changed


def test_without_a_bill_to_compare_with_there_is_no_error(six: Audit) -> None:
    step = replayed(six)
    assert facts(step)["back_test"]["billed_read_tokens"] is None
    assert facts(step)["back_test"]["error"] is None
    assert any("no bill to be checked against" in words for words in step.caveats)


def test_a_log_that_was_billed_as_replayed_does_not_change(tmp_path: Path) -> None:
    log = audited(tmp_path, [sent(0, 0, "a:5000", rest=10, w5=5000), sent(1, 60, "a:5000", rest=10, read=5000)])
    step = replayed(log)
    assert (step.saving_usd, step.requests_changed, facts(step)["back_test"]["error"]) == (0, 0, 0.0)


def test_a_log_without_blocks_gets_a_bound_and_no_figure(tmp_path: Path) -> None:
    span = [f"2026-11-{2 + t // 86_400:02d}T{t // 3600 % 24:02d}:{t // 60 % 60:02d}:{t % 60:02d}Z" for t in
            (86_400 * n // 999 for n in range(1000))]  # fmt: skip
    log = audited(
        tmp_path,
        [record(n, input=5000, output=0, model="claude-sonnet-4-5", timestamp=time) for n, time in enumerate(span)],
    )
    step = replayed(log)
    assert (step.before_usd, step.saving_usd, step.grade) == (15, 0, Grade.BOUNDED)
    assert facts(step)["bound"] == {
        "requests": 1000,
        "token_hit_rate_low": 0.711,
        "token_hit_rate_high": 0.999,
        "low_usd": "8.51475",
        "high_usd": "13.48275",
    }
    assert any("71.1 to 99.9 %" in words and "$8.51 to $13.48" in words for words in step.caveats)


def test_after_routing_the_targets_own_stream_is_replayed(tmp_path: Path) -> None:
    # Five classifications on Sonnet 4.5 (old tokenizer) go to Haiku 5.5 (new: 1.3 tokens for one), where a chat is at home.
    small = [sent(n, n * 60, "a:1000 q:10", rest=7, task="classify", model="claude-sonnet-4-5") for n in range(5)]
    chat = [sent(100 + n, n * 60 + 1, "b:2000", model="claude-haiku-5-5", endpoint="talk") for n in range(3)]
    log = audited(tmp_path, small + chat)
    found = whatif(log, route_simple="haiku")
    route, step = found.steps
    assert route.after_usd == step.before_usd
    # 1,010 tokens of blocks become 1,313, 1,017 of prompt 1,323: ten uncached a request.
    assert facts(step) | {"back_test": {}, "saving_by_ttl_usd": {}} == {
        "requests": 8,
        "requests_hit": 6,
        "read_tokens": 4 * 1313 + 2 * 2000,
        "write_tokens": 1313 + 2000,
        "uncached_tokens": 50,
        "token_hit_rate": round(9252 / 12615, 6),
        "back_test": {},
        "saving_by_ttl_usd": {},
    }
    assert step.grade is Grade.ASSUMED  # it builds on the routing's assumption
    assert step.alone_usd == replayed(log).saving_usd != step.saving_usd


def test_the_targets_minimum_decides_after_routing(tmp_path: Path) -> None:
    # 800 tokens are too few for Sonnet 4.5 (1,024), and enough for Haiku 5.5 (512).
    log = audited(tmp_path, [sent(n, n * 60, "a:800", task="classify", model="claude-sonnet-4-5") for n in range(3)])
    assert facts(replayed(log))["requests_hit"] == 0
    assert facts(whatif(log, route_simple="haiku").steps[-1])["requests_hit"] == 2


LEVERS: list[dict[str, Any]] = [
    {"route_simple": "haiku"},
    {"cap_output": 50},
    {"batch": ["chat"]},
    {"route_simple": "claude-haiku-4-5", "cap_output": 50, "batch_tagged": True},
]


@st.composite
def small_logs(draw: st.DrawFn) -> list[dict[str, Any]]:
    """Logs of one day with prompts of one to three blocks, some cached, some without blocks, on two models."""
    rows, now = [], 0.0
    for n in range(draw(st.integers(1, 12))):
        now += draw(st.sampled_from([0, 1, 60, 299, 301, 4000]))
        depth = draw(st.integers(0, 3))
        prompt = " ".join(f"{'abc'[k]}:{600 * (k + 1)}" for k in range(depth))
        more: dict[str, Any] = {
            "model": draw(st.sampled_from(["claude-sonnet-5-5", "claude-sonnet-4-5", "claude-haiku-5-5"])),
            "workspace": draw(st.sampled_from(["w1", "w2"])),
            "endpoint": draw(st.sampled_from(["chat", "ask"])),
            "ttft_ms": draw(st.sampled_from([None, 900, 70_000])),
            "latency_tolerant": draw(st.booleans()),
        }
        if draw(st.booleans()):
            more["task"] = "classify"
        if depth and draw(st.booleans()):
            more["read"] = 600
        row = sent(n, now, prompt, rest=draw(st.integers(0, 40)) + (600 if not depth else 0), **more)
        if draw(st.integers(0, 4)) == 0:
            del row["prompt_blocks"]
        rows.append(row)
    return rows


@settings(max_examples=6, deadline=None)
@given(small_logs(), st.sampled_from(LEVERS), st.sampled_from(["5m", "1h", "auto"]))
def test_steps_add_up_whatever_is_stacked(rows: list[dict[str, Any]], others: dict[str, Any], ttl: str) -> None:
    with tempfile.TemporaryDirectory() as folder:
        log = audited(Path(folder), rows)
        found = whatif(log, cache_ttl=ttl, attribution="shapley", **others)
        assert found.baseline_usd - sum(step.saving_usd for step in found.steps) == found.final_usd
        assert sum(step.shapley_usd or 0 for step in found.steps) == found.baseline_usd - found.final_usd
        for step in found.steps:
            assert step.low_usd <= step.saving_usd <= step.high_usd
        step = next(step for step in found.steps if step.lever == "cache_replay")
        assert step.alone_usd == replayed(log, cache_ttl=ttl).saving_usd
        counted = facts(step)["requests"] + sum(excluded.requests for excluded in step.excluded)
        assert counted == len(rows)
        if ttl == "auto":
            assert step.saving_usd >= max(Decimal(usd) for usd in facts(step)["saving_by_ttl_usd"].values())


def test_the_bill_after_a_replay_is_the_bill_of_its_tokens(tmp_path: Path) -> None:
    rows = [sent(n, n * 45, f"sys:3000! q{n}:100", rest=20) for n in range(8)]
    step = replayed(audited(tmp_path / "a", rows))
    # The same requests, billed as the replay says: the first writes, the others read.
    billed = [
        sent(n, n * 45, f"sys:3000! q{n}:100", rest=20, **({"read": 3000} if n else {"w5": 3000})) for n in range(8)
    ]
    assert audited(tmp_path / "b", billed).spend().total_usd == step.after_usd


def test_the_order_of_files_and_lines_breaks_ties(tmp_path: Path) -> None:
    rows = [sent(0, 0, "a:1000"), sent(1, 0, "a:1000 b:1000")]
    first = replayed(audited(tmp_path / "x", rows), cache_visible="start")
    second = replayed(audited(tmp_path / "y", rows[::-1]), cache_visible="start")
    assert facts(first)["read_tokens"] == 1000
    assert facts(second)["read_tokens"] == 0


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"cache_hit": "0.8"}, "exclude each other"),
        ({"cache_ttl": "2h"}, "--cache-ttl '2h' is not known"),
        ({"cache_policy": "all"}, "--cache-policy 'all' is not known"),
        ({"cache_visible": "later"}, "--cache-visible 'later' is not known"),
        ({"cache_minimum": -5}, "--cache-minimum -5 is not a number of tokens"),
        ({"cache_minimum": "many"}, "--cache-minimum 'many' is not a number of tokens"),
    ],
)
def test_what_cannot_be_asked_for(six: Audit, options: dict[str, Any], words: str) -> None:
    with pytest.raises(AuditError, match=words) as raised:
        whatif(six, **options)
    assert raised.value.exit_code == 2
    assert raised.value.hint


def test_nothing_is_left_behind(six: Audit, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    replayed(six)
    gc.collect()
    assert not list(tmp_path.iterdir())
