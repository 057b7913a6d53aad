"""What is said beside an assumed hit rate: when caching pays, what can be reached, and what the log contradicts."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path
from typing import Any

import pytest
from logs import CATALOG, audited, record
from stores import stored

from claude_audit.audit import Audit
from claude_audit.levers._cache_arithmetic import Multiples, best_rate, multiples
from claude_audit.money import dollars, ended
from claude_audit.rates import Group, Unpriced
from claude_audit.waterfall import Step

TENTH = Multiples(Fraction(5, 4), Fraction(2), Fraction(1, 10))
TWENTIETH = Multiples(Fraction(5, 4), Fraction(2), Fraction(1, 20))
FORTIETH = Multiples(Fraction(5, 4), Fraction(2), Fraction(1, 40))


def test_when_a_cache_pays() -> None:
    assert [each.break_even("5m") for each in (TENTH, TWENTIETH, FORTIETH)] == [
        Fraction(5, 23),
        Fraction(5, 24),
        Fraction(10, 49),
    ]
    assert [each.break_even("1h") for each in (TENTH, TWENTIETH)] == [Fraction(10, 19), Fraction(20, 39)]
    assert [each.reads_per_write("5m") for each in (TENTH, TWENTIETH)] == [Fraction(5, 18), Fraction(5, 19)]
    assert [each.reads_per_write("1h") for each in (TENTH, TWENTIETH)] == [Fraction(10, 9), Fraction(20, 19)]
    assert (TENTH.paid(Fraction(85, 100), "5m"), 1 - TENTH.paid(Fraction(85, 100), "5m")) == (
        Fraction("0.2725"),
        Fraction("0.7275"),
    )


def test_pings_that_are_worth_a_write() -> None:
    # 2,000 tokens on Claude Sonnet 4.5: a ping reads for $0.0006, a write costs $0.0069 more than a read.
    assert (TENTH.pings, TWENTIETH.pings) == (11, 24)
    assert 4 * Fraction("0.0006") < Fraction("0.0069") < 12 * Fraction("0.0006")


def test_how_often_five_minutes_must_write_for_an_hour_to_pay() -> None:
    assert (TENTH.hour_pays_from, TWENTIETH.hour_pays_from) == (Fraction(38, 23), Fraction(13, 8))


def test_the_multiples_are_the_prices() -> None:
    def of(model: str) -> Multiples | None:
        from datetime import date

        price = CATALOG.price(Group(model, date(2026, 11, 2)))
        assert not isinstance(price, Unpriced)
        return multiples(price)

    assert of("claude-sonnet-4-5-20250929") == TENTH
    assert of("claude-sonnet-5-5") == TWENTIETH
    assert of("claude-2.1") is None  # it never cached


def test_the_best_rate_of_n_uses() -> None:
    assert [best_rate(n) for n in (0, 1, 2, 20)] == [0, 0, Fraction(1, 2), Fraction(19, 20)]


def only(audit: Audit, **options: Any) -> Step:
    (step,) = audit.whatif(**options).steps
    return step


def said(step: Step, words: str) -> bool:
    return any(words in caveat for caveat in step.caveats)


def test_a_rate_that_a_few_requests_cannot_reach_is_called_that(tmp_path: Path) -> None:
    audit = stored(tmp_path / "store", [record(n, input=5000) for n in range(5)])
    assert said(
        only(audit, cache_hit="0.85"), "85 % is out of reach for chat on claude-sonnet-5-5 (5 requests, at most 80 %)"
    )
    assert not said(only(audit, cache_hit="0.8"), "out of reach")


def test_a_rate_below_break_even_is_called_that(tmp_path: Path) -> None:
    audit = stored(tmp_path / "store", [record(n, input=5000) for n in range(9)])
    step = only(audit, cache_hit="0.2")
    assert said(step, "At 20 % caching costs more than none on claude-sonnet-5-5 (from 20.8 %).")
    assert step.saving_usd < 0
    assert not said(only(audit, cache_hit="0.21"), "costs more than none")
    assert said(only(audit, cache_hit="0.5", cache_ttl="1h"), "from 51.3 %")
    assert step.facts["break_even"] == [
        {
            "model": "claude-sonnet-5-5",
            "break_even_rate": 0.208333,
            "reads_per_write": 0.263158,
            "pings_worth_a_write": 24,
            "hour_pays_from_writes_ratio": 1.625,
        }
    ]


def blocks(n: int, seconds: int, **more: Any) -> dict[str, Any]:
    prompt = [
        {"hash": more.pop("hash", "sys"), "tokens": 4000, "kind": "system", "breakpoint": True},
        {"hash": f"q{n}", "tokens": 200, "kind": "message"},
    ]
    moment = f"2026-11-02T10:{seconds // 60:02d}:{seconds % 60:02d}Z"
    return record(n, timestamp=moment, input=4200, prompt_blocks=prompt, **more)


def test_the_rate_beside_what_the_timestamps_support(tmp_path: Path) -> None:
    # One prefix at 0, 1, 100, 395, 700 and 900 s, answered after 10 s: 3 of 6 read; could they at once, 4; without end, 5.
    audit = stored(
        tmp_path / "store", [blocks(n, at, latency_ms=10_000) for n, at in enumerate((0, 1, 100, 395, 700, 900))]
    )
    step = only(audit, cache_hit="0.85")
    assert said(
        step, "You assumed 85 %; your timestamps support 50 to 66.7 % of the cacheable tokens (6 requests replayed"
    )
    assert said(step, "85 % is out of reach there: with entries that never died, 83.3 % would be read")
    assert step.facts["supported_rate"] == {"requests": 6, "low": 0.5, "high": 0.666667, "best": 0.833333}
    assert not said(only(audit, cache_hit="0.6"), "out of reach")
    assert said(only(audit, cache_hit="0.6", cache_ttl="1h"), "your timestamps support 66.7 to 83.3 %")


def test_blocks_without_marks_are_cached_to_their_end_and_bound_nothing(tmp_path: Path) -> None:
    made = [blocks(n, 60 * n) for n in range(4)]
    for each in made:
        each["prompt_blocks"][0]["breakpoint"] = False
    step = only(stored(tmp_path / "store", made), cache_hit="0.7")
    assert said(step, "support 0 to 0 % of the prompts' tokens, cached to their end since no block is marked")
    assert not said(step, "out of reach there")


def test_without_blocks_no_rate_is_supported_and_the_assumption_is_said(tmp_path: Path) -> None:
    step = only(stored(tmp_path / "store", [record(n, input=5000) for n in range(9)]), cache_hit="0.5")
    assert not said(step, "timestamps support")
    assert said(step, "show no prompt structure")
    assert "supported_rate" not in step.facts


def prefix(n: int, tokens: int, **more: Any) -> dict[str, Any]:
    prompt = [{"hash": "s", "tokens": tokens, "kind": "system"}, {"hash": f"q{n}", "tokens": 100, "kind": "message"}]
    return record(n, input=tokens + 100, output=0, prompt_blocks=prompt, **more)


@pytest.mark.parametrize(("tokens", "pays"), [(1023, True), (400, True), (270, False)])
def test_where_padding_to_the_minimum_pays(tmp_path: Path, tokens: int, pays: bool) -> None:
    # Claude Sonnet 4.5 caches from 1,024 tokens on. At 85 % they cost what 279 uncached ones do.
    audit = stored(tmp_path / "store", [prefix(n, tokens, model="claude-sonnet-4-5") for n in range(10)])
    step = only(audit, cache_hit="0.85")
    saving = 10 * (tokens - 1024 * Fraction("0.2725")) * 3 / 10**6
    assert step.saving_usd == 0
    assert said(step, f"10 requests of chat are {1024 - tokens} tokens short of the minimum of 1,024") == pays
    assert not pays or said(step, f"caching them at this rate would save {dollars(ended(saving))}.")


def test_prompts_of_any_size_are_weighed(tmp_path: Path) -> None:
    audit = stored(tmp_path / "store", [record(1, input=0, w1=10**13)])
    assert audit.whatif(route_simple="haiku", cache_hit="0.85").steps[1].requests_changed == 1


def test_a_target_has_its_own_minimum_to_pad_to(tmp_path: Path) -> None:
    audit = stored(tmp_path / "store", [prefix(n, 3000, model="claude-sonnet-4-5", task="classify") for n in range(10)])
    routed = audit.whatif(route_simple="claude-haiku-4-5", cache_hit="0.85").steps[1]
    assert said(routed, "1,096 tokens short of the minimum of 4,096 on claude-haiku-4-5-20251001")


def test_minimums_that_the_log_contradicts(tmp_path: Path) -> None:
    short = [record(n, model="claude-sonnet-4-5", input=100, w5=600 + n) for n in range(3)]
    missed = [blocks(10 + n, n, model="claude-sonnet-4-5") for n in range(2)]
    fine = [record(20, model="claude-sonnet-4-5", input=0, w5=1024)]
    step = only(stored(tmp_path / "store", short + missed + fine), cache_hit="0.5")
    assert said(step, "3 requests of claude-sonnet-4-5-20250929 wrote prompts as short as 600 tokens to the cache")
    assert said(step, "where the catalog says 1,024")
    assert said(
        step, "2 requests of claude-sonnet-4-5-20250929 with marked starts of up to 4,000 tokens neither wrote nor read"
    )
    assert not said(only(stored(tmp_path / "other", fine), cache_hit="0.5"), "minimum")


def test_marks_are_counted_when_a_log_is_ingested(tmp_path: Path) -> None:
    step = only(audited(tmp_path, [blocks(n, n, model="claude-sonnet-4-5") for n in range(2)]), cache_hit="0.5")
    assert said(step, "with marked starts of up to 4,000 tokens neither wrote nor read")
