"""Text logs: the lines that tell of calls, whatever stands before them, and the many that do not."""

from __future__ import annotations

import json
import tempfile
from decimal import Decimal
from pathlib import Path

import pytest
from exports import fates
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from logs import audit, read
from plain_logs import CACHED, CALL, calls, garbage, in_store, ingested

from claude_audit.errors import AuditError

API_CALL = "API call [chat]: 563 input, 4 output tokens"
PAIRS = "claude call model=claude-opus-4-8 endpoint=chat input_tokens=563 output_tokens=4"
USAGE = (
    "Usage(cache_creation=CacheCreation(ephemeral_1h_input_tokens=7, ephemeral_5m_input_tokens=2), cache_creation_input_tokens=9, "
    "cache_read_input_tokens=40, inference_geo='us', input_tokens=563, output_tokens=4, "
    "output_tokens_details=OutputTokensDetails(thinking_tokens=3), "
    "server_tool_use=ServerToolUsage(web_fetch_requests=0, web_search_requests=1), service_tier='batch', speed=None)"
)
BLOCK = "Input tokens: 563\nOutput tokens: 4"
JSON = '{"model": "claude-opus-4-8", "endpoint": "chat", "usage": {"input_tokens": 563, "output_tokens": 4}}'
quick = settings(max_examples=8, deadline=None, suppress_health_check=[HealthCheck.too_slow])


@pytest.mark.parametrize("said", [API_CALL, PAIRS, USAGE, BLOCK, JSON, BLOCK.replace("\n", ", ")])
@pytest.mark.parametrize("end", ["\n", "\r\n"])
def test_the_forms_of_a_call(tmp_path: Path, said: str, end: str) -> None:
    text = f"2026-11-02 10:00:00,123 INFO app.llm started\n2026-11-02 10:00:01,123 INFO app.llm {said}\nbye\n"
    report = ingested(tmp_path, text.replace("\n", end), model="claude-opus-4-8")
    assert dict(report.formats) == {"text": 1}
    assert in_store(tmp_path, "line, input_tokens, output_tokens, model, CAST(ts AS VARCHAR)") == [
        (2, 563, 4, "claude-opus-4-8", "2026-11-02 10:00:01.123+00")
    ]
    assert fates(report)[0] == 1
    assert report.counted.lines == text.count("\n")


PREFIXES = (
    ("2026-11-02 10:00:01,123 INFO app.llm ", "2026-11-02 10:00:01.123+00"),
    ("2026-11-02 10:00:01,123 - app.llm - INFO - ", "2026-11-02 10:00:01.123+00"),
    ("2026-11-02 10:00:01.123 | INFO     | app.llm:call:15 - ", "2026-11-02 10:00:01.123+00"),
    ("2026-11-02T00:30:00+0100 | INFO | app.llm:15 - ", "2026-11-01 23:30:00+00"),
    ("2026-11-02T10:00:01.123456789Z ", "2026-11-02 10:00:01.123456+00"),
    ("[2026-11-02 10:00:01] INFO in app: ", "2026-11-02 10:00:01+00"),
    ("[2026-11-02T10:00:01.5Z] ", "2026-11-02 10:00:01.5+00"),
    ("2026/11/02 10:00:01 ", "2026-11-02 10:00:01+00"),
    ("2026-11-02 10:00:01 +0100 [info] ", "2026-11-02 09:00:01+00"),
    ("2026-11-02 10:00:01 UTC INFO ", "2026-11-02 10:00:01+00"),
    ("INFO:2026-11-02 10:00:01,123:app:", "2026-11-02 10:00:01.123+00"),
    ("[INFO]\t2026-11-02T10:00:01.123Z\tc0ffee\t", "2026-11-02 10:00:01.123+00"),
    ("(INFO) 2026-11-02 10:00 ", "2026-11-02 10:00:00+00"),
    ("web-1  | 2026-11-02 10:00:01,123 INFO ", "2026-11-02 10:00:01.123+00"),
    ('time="2026-11-02T10:00:01+02:00" level=info ', "2026-11-02 08:00:01+00"),
    ("1793613600.5 ", "2026-11-02 10:00:00.5+00"),
    ("[1793613600500] ", "2026-11-02 10:00:00.5+00"),
    ("<134>1 2026-11-02T10:00:01.123Z web-1 app 71 - - ", "2026-11-02 10:00:01.123+00"),
    ("I, [2026-11-02T10:00:01.123456 #71]  INFO -- : ", "2026-11-02 10:00:01.123456+00"),
)


@pytest.mark.parametrize("said", [API_CALL, PAIRS, USAGE, BLOCK, JSON])
def test_the_time_at_the_start_of_a_line(tmp_path: Path, said: str) -> None:
    text = "\n\n".join(prefix + said for prefix, _ in PREFIXES)
    found = calls(tmp_path, text, "input_tokens, output_tokens, CAST(ts AS VARCHAR)")
    assert found == [(563, 4, utc) for _, utc in PREFIXES]


@pytest.mark.parametrize("said", ["INFO:app:" + API_CALL, "retry at 2026-11-02 10:00:01: " + API_CALL, "ok " + PAIRS])
def test_no_time_at_the_start_of_a_line(tmp_path: Path, said: str) -> None:
    found = calls(tmp_path, said + "\n", "CAST(ts AS VARCHAR), 'time_from_file' IN flags", name="app-2026-10-05.log")
    assert found == [("2026-10-05 00:00:00+00", True)]


def test_a_time_that_is_none_rejects_the_call(tmp_path: Path) -> None:
    report = ingested(tmp_path, f"2026-13-02 10:00:00 {API_CALL}\n2026-11-02 10:00:00 {API_CALL}\n")
    assert fates(report) == (1, 0, 0, 1)
    assert report.rejects[0].reason == "the time 2026-13-02 10:00:00 cannot be read"


@pytest.mark.parametrize(
    "line",
    [
        "classify: 3 calls, avg 480 in / 22 out",
        "Total: 10 calls, 9,912 input, 731 output tokens",
        "API call [chat]: avg 480 input, 22 output tokens",
        "API call [chat] failed after 2390 ms",
        "input_tokens=563",
        "Input tokens: 563",
        "Max output tokens: 4096",
        "Total input tokens: 9,912, total output tokens: 731",
        "Summary of 10 calls: Input tokens: 9,912, Output tokens: 731",
        'request {"model": "claude-opus-4-8", "max_tokens": 100}',
        'cut off {"usage": {"input_tokens": 5, "output_tok',
        "def cost(input_tokens: int, output_tokens: int) -> float:",
        "how many tokens were that?",
    ],
)
def test_lines_that_are_no_calls(tmp_path: Path, line: str) -> None:
    report = ingested(tmp_path, f"{API_CALL}\n\n{line}\n\n{API_CALL}\n")
    assert fates(report) == (2, 0, 1, 0)


@pytest.mark.parametrize("count", ["-5", "5.5", "1.2.3"])
@pytest.mark.parametrize("said", [API_CALL, PAIRS, BLOCK, JSON])
def test_what_is_no_count_rejects_its_call(tmp_path: Path, count: str, said: str) -> None:
    if said is JSON:
        count = count.replace("1.2.3", '"many"')
    report = ingested(tmp_path, f"x {said}\n\nx {said.replace('563', count)}\n\nx {said}\n")
    assert (report.counted.kept, report.counted.rejected) == (2, 1)
    assert report.rejects[0].reason == "input_tokens is " + count.strip('"')


@pytest.mark.parametrize(
    ("pairs", "told"),
    [
        ("tokens_in=5 tokens_out=7", (5, 7)),
        ("inputTokens=5,outputTokens=7", (5, 7)),
        ("input_tokens=\"1,204\", output_tokens='7'", (1204, 7)),
        ("{input_tokens=1,204, output_tokens=7}", (1204, 7)),
        ("usage.input_tokens=5 usage.output_tokens=7", (5, 7)),
        ("gen_ai.usage.input_tokens=5;gen_ai.usage.output_tokens=7", (5, 7)),
        ('input_tokens=5 output_tokens=7 meta={"a": 1}', (5, 7)),
        ('msg="said input_tokens=1 and output_tokens=2" input_tokens=5 output_tokens=7', (5, 7)),
        ("input_tokens=5 output_tokens=None", (5, None)),
        ("input_tokens=5 output_tokens=7.", (5, 7)),
    ],
)
def test_key_value_pairs(tmp_path: Path, pairs: str, told: tuple[int | None, int | None]) -> None:
    assert calls(tmp_path, f"INFO {PAIRS}\nINFO {pairs}\n", "input_tokens, output_tokens")[1] == told


def test_what_else_pairs_tell(tmp_path: Path) -> None:
    line = (
        '2026-11-02 10:00:00 call model=claude-opus-4-6[1m] endpoint="of two words" input_tokens=5 output_tokens=7 elapsed=1.5s '
        "cost=$0.01 user_id=u-1 request_id=req_1 service_tier=batch branch=main prompt=secret note='it''s' retries=None"
    )
    columns = 'model, endpoint, latency_ms, cost_reported_usd, "user", request_id, tier, CAST(tags AS VARCHAR)'
    assert calls(tmp_path, line + "\n", columns) == [
        ("claude-opus-4-6", "of two words", 1500.0, Decimal("0.01"), "u-1", "req_1", "batch", "{branch=main, note=it}")
    ]


def test_a_call_that_names_no_request_is_no_duplicate_of_another(tmp_path: Path) -> None:
    line = "2026-11-02 10:00:00 request_id=None input_tokens=5 output_tokens=7\n"
    assert fates(ingested(tmp_path, line * 3)) == (3, 0, 0, 0)
    assert fates(ingested(tmp_path, line.replace("None", "req_1") * 3, name="b.log")) == (1, 2, 0, 0)


def test_whether_pairs_include_the_cache(tmp_path: Path) -> None:
    lines = (
        "prompt_tokens=100 cached_tokens=40 completion_tokens=4",
        "input_tokens=100 cached_tokens=40 output_tokens=4",
        "input_tokens=100 cache_read_tokens=400 output_tokens=4",
        "input_tokens=100 output_tokens=4",
        "input_tokens=100 cached_input_tokens=40 output_tokens=4",
        "input_tokens=100 cache_read=40 created=true output_tokens=4",
    )
    columns = "input_tokens, cache_read_tokens, 'basis_assumed' IN flags, 'cache_unseen' IN flags"
    assert calls(tmp_path, "\n".join(lines), columns) == [
        (60, 40, False, False),
        (60, 40, True, False),
        (100, 400, False, False),
        (100, None, False, True),
        (60, 40, True, False),
        (100, 40, False, False),
    ]
    proof = "input_tokens=100 cached_tokens=400 output_tokens=4"
    assert calls(tmp_path / "b", f"{lines[1]}\n{proof}\n", columns) == [
        (100, 40, False, False),
        (100, 400, False, False),
    ]


class TestUsageRepr:
    def test_every_counter(self, tmp_path: Path) -> None:
        found = calls(
            tmp_path,
            f"INFO:app:{USAGE} model=claude-opus-4-8\n",
            f"{CACHED}, thinking_tokens, web_searches, tier, geo, model",
        )
        assert found == [(563, 40, 2, 7, None, 4, 3, 1, "batch", "us", "claude-opus-4-8")]

    def test_a_whole_message_without_what_it_says(self, tmp_path: Path) -> None:
        said = "Usage(input_tokens=9, output_tokens=9) secret=yes, it's"
        line = (
            f"INFO app endpoint=chat Message(id='msg_01', container=None, content=[TextBlock(citations=None, text=\"{said}\", type='text')], "
            f"model='claude-opus-4-8', role='assistant', stop_reason='end_turn', stop_sequence=None, type='message', usage={USAGE})"
        )
        columns = "input_tokens, output_tokens, message_id, model, endpoint, stop_reason, CAST(tags AS VARCHAR)"
        assert calls(tmp_path, line + "\n", columns) == [
            (563, 4, "msg_01", "claude-opus-4-8", "chat", "end_turn", "{}")
        ]
        assert fates(ingested(tmp_path, line + "\n", name="again.log")) == (0, 1, 0, 0)

    def test_a_refusal_before_any_output_is_free(self, tmp_path: Path) -> None:
        line = (
            "2026-11-02 10:00:00 Message(id='msg_01', content=[], model='claude-fable-5', stop_reason='refusal', "
            "stop_details=RefusalStopDetails(category='cyber', type='refusal'), usage=Usage(input_tokens=10, output_tokens=5))"
        )
        assert calls(tmp_path, line, "unbilled, refusal_category") == [("refusal", "cyber")]

    def test_the_passes_of_an_advised_call(self, tmp_path: Path) -> None:
        entries = (
            "BetaMessageIterationUsage(cache_creation=None, cache_read_input_tokens=0, input_tokens=563, output_tokens=4, type='message'), "
            "BetaAdvisorMessageIterationUsage(input_tokens=2518, model='claude-opus-4-8', output_tokens=22, type='advisor_message')"
        )
        line = f"2026-11-02 10:00:00 model=claude-sonnet-5 BetaUsage(input_tokens=563, iterations=[{entries}], output_tokens=4)"
        found = calls(tmp_path, line, "row_kind, model, input_tokens, output_tokens, requests")
        assert found == [("call", "claude-sonnet-5", 563, 4, 1), ("advisor", "claude-opus-4-8", 2518, 22, 0)]

    def test_one_that_is_cut_off_is_read_as_pairs(self, tmp_path: Path) -> None:
        assert calls(tmp_path, "INFO Usage(input_tokens=5, output_tokens=6, service_tier='stand\n") == [(1, 5, 6)]


class TestPrintedFigures:
    def test_runs_of_lines(self, tmp_path: Path) -> None:
        text = """Calling Claude...
Input tokens: 1,563
Output tokens: 4
Estimated cost: $0.0123
Input tokens: 3
Output tokens: 414
Estimated cost: $0.0456

Cache read tokens: 1,111
Cache write tokens: 418
Input tokens: 5
Output tokens: 33
done
"""
        report = ingested(tmp_path, text, name="run-2026-11-02.log", model="claude-opus-4-8")
        assert in_store(tmp_path, f"line, {CACHED}, cost_reported_usd") == [
            (2, 1563, None, None, None, None, 4, Decimal("0.0123")),
            (5, 3, None, None, None, None, 414, Decimal("0.0456")),
            (9, 5, 1111, None, None, 418, 33, None),
        ]
        assert fates(report) == (3, 0, 9, 0)
        tokens = (1563 + 3 + 5) * 5 + Decimal(1111) / 2 + 418 * Decimal("6.25") + (4 + 414 + 33) * 25
        assert audit(tmp_path / "store").spend().total_usd == tokens / 10**6

    def test_what_a_script_prints_besides(self, tmp_path: Path) -> None:
        text = """Input tokens: 14

  Model: claude-opus-4-8
  - Input tokens:  9
some other thread
  - Output tokens: 8
  - Total tokens: 17
---
Cache read tokens: 50
Input tokens: 3
Output tokens: 4
Total input tokens: 12
Total output tokens: 12
"""
        found = calls(tmp_path, text, "line, model, input_tokens, cache_read_tokens, output_tokens")
        assert found == [(4, "claude-opus-4-8", 9, None, 8), (9, None, 3, 50, 4)]

    def test_one_line_or_a_dictionary(self, tmp_path: Path) -> None:
        text = (
            "INFO usage: Input tokens: 5, Output tokens: 7\n"
            "INFO {'input_tokens': 1, 'output_tokens': 2, 'cache_creation': {'ephemeral_1h_input_tokens': 7}, "
            "'server_tool_use': {'web_search_requests': 2}, 'service_tier': 'batch'}\n"
            '{\n  "usage": {\n    "input_tokens": 3,\n    "output_tokens": 4\n  }\n}\n'
        )
        columns = "line, input_tokens, output_tokens, cache_write_1h_tokens, web_searches, tier"
        assert calls(tmp_path, text, columns) == [
            (1, 5, 7, None, None, None),
            (2, 1, 2, 7, 2, "batch"),
            (5, 3, 4, None, None, None),
        ]

    def test_prompt_tokens_beside_cached_ones(self, tmp_path: Path) -> None:
        text = "Prompt tokens: 100\nCached tokens: 40\nCompletion tokens: 2\n\nInput tokens: 1\nCache read tokens: 9\nOutput tokens: 2\n"
        assert calls(tmp_path, text, "input_tokens, cache_read_tokens") == [(60, 40), (1, 9)]

    @quick
    @given(
        st.lists(
            st.tuples(st.integers(0, 10**6), st.integers(0, 10**4), st.booleans(), st.sampled_from(["", "\n", "ok\n"])),
            min_size=1,
        )
    )
    def test_however_calls_follow_one_another(self, printed: list[tuple[int, int, bool, str]]) -> None:
        text = "".join(
            f"Input tokens: {i:,}\nOutput tokens: {o}\n" + ("Estimated cost: $0.01\n" if cost else "") + after
            for i, o, cost, after in printed
        )
        with tempfile.TemporaryDirectory() as folder:
            found = calls(Path(folder), text, "input_tokens, output_tokens, cost_reported_usd IS NOT NULL")
            assert found == [(i, o, cost) for i, o, cost, _ in printed]


class TestJsonAfterAPrefix:
    def test_the_records_own_time_and_labels(self, tmp_path: Path) -> None:
        own = JSON.replace('"endpoint"', '"timestamp": "2026-11-02T09:59:59Z", "endpoint"')
        text = f"2026-11-02 10:00:00 INFO {JSON}\n2026-11-02 10:00:00 INFO {{worker}} {own} in 3 s\n"
        columns = "line, input_tokens, endpoint, model, CAST(ts AS VARCHAR)"
        assert calls(tmp_path, text, columns) == [
            (1, 563, "chat", "claude-opus-4-8", "2026-11-02 10:00:00+00"),
            (2, 563, "chat", "claude-opus-4-8", "2026-11-02 09:59:59+00"),
        ]

    def test_usage_in_a_string_is_no_record(self, tmp_path: Path) -> None:
        text = f'INFO {JSON}\nINFO {{"message": "Usage(input_tokens=5, output_tokens=6)", "tokens": 3}}\n'
        assert fates(ingested(tmp_path, text)) == (1, 0, 1, 0)

    def test_json_lines_are_no_text(self, tmp_path: Path) -> None:
        assert dict(ingested(tmp_path, JSON + "\n{\n" + JSON + "\n").formats) == {"messages": 1}


@quick
@given(between=garbage)
def test_garbage_between_calls(between: list[str]) -> None:
    good = [API_CALL, PAIRS, "x " + JSON, USAGE]
    lines = [line for n, each in enumerate(good) for line in (*between[n : n + 1], each)] + between[4:]
    with tempfile.TemporaryDirectory() as folder:
        report = ingested(Path(folder), "\n".join(lines) + "\n")
        fates(report)
        assert sum(1 for row in in_store(Path(folder)) if row[1:] == (563, 4)) == 4


@quick
@given(st.lists(st.sampled_from([API_CALL, PAIRS, USAGE, BLOCK, JSON]), min_size=1), st.data())
def test_lines_cut_anywhere_never_crash(said: list[str], data: st.DataObject) -> None:
    cut = [line[: data.draw(st.integers(0, len(line)))] for line in said]
    with tempfile.TemporaryDirectory() as folder:
        fates(ingested(Path(folder), "\n".join([API_CALL, *cut]), input_format="text"))


def test_a_log_without_calls_is_not_recognised(tmp_path: Path) -> None:
    with pytest.raises(AuditError, match="not a log of a format known here"):
        ingested(tmp_path, "2026-11-02 10:00:00 INFO started\n2026-11-02 10:00:00 INFO 12 tokens left\n")


@pytest.mark.parametrize("first", ["{", '{\n"text"', '{"a": ', '{"level": "info", "msg": "cut he', "[", "}"])
def test_a_first_line_like_json_makes_no_document_of_a_text_log(tmp_path: Path, first: str) -> None:
    found = calls(tmp_path, f"{first}\n{API_CALL}\n{PAIRS}\n", "line, input_tokens")
    assert found == [(n + first.count("\n"), 563) for n in (2, 3)]


def test_the_first_call_may_stand_far_down(tmp_path: Path) -> None:
    assert calls(tmp_path, "2026-11-02 10:00:00 INFO tick\n" * 3000 + API_CALL + "\n") == [(3001, 563, 4)]


def test_a_grown_log_is_read_on(tmp_path: Path) -> None:
    log = tmp_path / "app.log"
    log.write_text(f"2026-11-02 10:00:00 {API_CALL}\n")
    read(tmp_path / "store", log)
    with log.open("a") as more:
        more.write(f"2026-11-02 10:00:01 {API_CALL}\n2026-11-02 10:00:02 {PAIRS}\n")
    assert fates(read(tmp_path / "store", log)) == (2, 0, 0, 0)
    assert in_store(tmp_path, "line") == [(1,), (2,), (3,)]


def test_a_stray_zero_byte_makes_no_binary_file(tmp_path: Path) -> None:
    report = ingested(tmp_path, API_CALL + "\n\x00\n" + API_CALL + "\n")
    assert dict(report.formats) == {"text": 1}
    assert len(in_store(tmp_path)) == 2


@pytest.mark.parametrize(
    ("said", "counted"),
    [
        # Rust, Swift
        (
            "usage=Usage { input_tokens: 12, output_tokens: 45, cache_creation_input_tokens: Some(70), "
            'cache_read_input_tokens: Some(300) } model="claude-sonnet-4-6"',
            (12, 300, None, None, 70, 45),
        ),
        ("input_tokens=12 output_tokens=45 cache_read_input_tokens=Some(300)", (12, 300, None, None, None, 45)),
        (
            "Usage(inputTokens: 12, outputTokens: 45, cacheReadInputTokens: Optional(300))",
            (12, 300, None, None, None, 45),
        ),
        # C# and Java
        ("Usage { InputTokens = 12, OutputTokens = 45, CacheReadInputTokens = 300 }", (12, 300, None, None, None, 45)),
        (
            "Usage{cacheCreation=CacheCreation{ephemeral1hInputTokens=20, ephemeral5mInputTokens=50}, "
            "cacheCreationInputTokens=70, cacheReadInputTokens=300, inputTokens=12, outputTokens=45, serviceTier=standard}",
            (12, 300, 50, 20, None, 45),
        ),
        ("usage=Usage[inputTokens=12, outputTokens=45, cacheReadInputTokens=300]", (12, 300, None, None, None, 45)),
        # Ruby, Elixir, PHP
        ("{:input_tokens=>12, :output_tokens=>45, :cache_read_input_tokens=>300}", (12, 300, None, None, None, 45)),
        (
            '%{"cache_read_input_tokens" => 300, "input_tokens" => 12, "output_tokens" => 45}',
            (12, 300, None, None, None, 45),
        ),
        (
            "Array\n(\n    [input_tokens] => 12\n    [cache_read_input_tokens] => 300\n    [output_tokens] => 45\n)",
            (12, 300, None, None, None, 45),
        ),
        # Short labels, no unit behind them; labels with more words
        ("Input tokens: 12, Output tokens: 45, Cache creation: 70, Cache read: 300", (12, 300, None, None, 70, 45)),
        ("Input tokens: 12\nOutput tokens: 45\nCache write: 70 tokens\nCache read: 300", (12, 300, None, None, 70, 45)),
        ("Input tokens: 12, Output tokens: 45, Cache read: 30 ms, Cache write: 5MB", (12, None, None, None, None, 45)),
        (
            "Input tokens: 12\nOutput tokens: 45\nInput tokens (cache read): 300\nInput tokens (cache write): 70",
            (12, 300, None, None, 70, 45),
        ),
        ("input_tokens=12 output_tokens=45 cache_creation=70 cache_read=300", (12, 300, None, None, 70, 45)),
        # Libraries whose input includes the cache
        (
            "RunUsage(input_tokens=382, cache_write_tokens=70, cache_read_tokens=300, output_tokens=45, requests=1)",
            (12, 300, None, None, 70, 45),
        ),
        (
            "Usage(completion_tokens=45, prompt_tokens=382, total_tokens=427, prompt_tokens_details=PromptTokensDetailsWrapper("
            "cached_tokens=300, cache_creation_tokens=70), cache_creation_input_tokens=70, cache_read_input_tokens=300)",
            (12, 300, None, None, 70, 45),
        ),
        (
            "usage_metadata={'input_tokens': 382, 'output_tokens': 45, 'input_token_details': {'cache_read': 300, 'cache_creation': 70}}",
            (12, 300, None, None, 70, 45),
        ),
        # In words
        ("Claude used 12 input tokens and 45 output tokens", (12, None, None, None, None, 45)),
        ("Tokens: 12 input + 45 output = 57 total", (12, None, None, None, None, 45)),
    ],
)
def test_how_other_languages_and_libraries_print_a_call(
    tmp_path: Path, said: str, counted: tuple[int | None, ...]
) -> None:
    assert calls(tmp_path, f"2026-11-03 08:00:00 INFO {said}\n", CACHED) == [counted]


def test_a_model_beside_labels_is_theirs(tmp_path: Path) -> None:
    text = "usage={InputTokens:12 OutputTokens:45} model=claude-sonnet-4-6\nmodel=claude-haiku-4-5 is loaded\n"
    assert calls(tmp_path, text, "input_tokens, model_raw") == [(12, "claude-sonnet-4-6")]


@pytest.mark.parametrize(
    ("line", "is_call"),
    [
        ("Session total: input_tokens=3 output_tokens=6", False),
        ('level=info msg="session totals" input_tokens=3 output_tokens=6', False),
        ("Average over 5 calls: 3 input tokens and 6 output tokens", False),
        ("Limits: 200000 input tokens, 8192 output tokens", False),
        ("Usage summary: Input tokens: 3, Output tokens: 6", False),
        ("endpoint=total input_tokens=3 output_tokens=6", True),
        ("rate limit ok, input_tokens=3 output_tokens=6", True),
        ("total time 1.2 s, input_tokens=3 output_tokens=6", True),
        ("Total tokens: 9 (input_tokens=3, output_tokens=6)", True),
        ("Total tokens: 9, Input tokens: 3, Output tokens: 6", True),
        ("Generated summary. Input tokens: 3, Output tokens: 6", True),
    ],
)
def test_sums_over_calls_and_what_only_looks_like_them(tmp_path: Path, line: str, is_call: bool) -> None:
    report = ingested(tmp_path, f"{API_CALL}\n\n{line}\n")
    assert fates(report) == (1 + is_call, 0, 1 - is_call, 0)


SAID = "claude call model=claude-opus-4-8 input_tokens=563 output_tokens=4"


class TestInsideACollectorsJson:
    @pytest.mark.parametrize(
        "line",
        [
            {"log": f"INFO {SAID}\n", "stream": "stdout", "time": "2026-11-02T10:00:05.5Z"},
            {"textPayload": SAID, "timestamp": "2026-11-02T10:00:05.5Z", "severity": "INFO"},
            {"jsonPayload": {"message": SAID}, "timestamp": "2026-11-02T10:00:05.5Z"},
            {"@message": SAID, "@timestamp": "2026-11-02 10:00:05.5Z"},
            {"MESSAGE": SAID, "__REALTIME_TIMESTAMP": "1793613605500000"},
            # The line's own time comes first.
            {"log": f"2026-11-02T10:00:05.5Z INFO {SAID}\n", "time": "2026-11-02T10:00:07Z"},
        ],
    )
    def test_a_line_that_a_program_printed(self, tmp_path: Path, line: dict[str, object]) -> None:
        other = {
            name: "started" if name in ("log", "textPayload", "@message", "MESSAGE") else value
            for name, value in line.items()
        }
        text = f"{json.dumps(other)}\n{json.dumps(line)}\n"
        what = f"{CALL}, model_raw, CAST(ts AS VARCHAR)"
        assert calls(tmp_path, text, what)[-1] == (2, 563, 4, "claude-opus-4-8", "2026-11-02 10:00:05.5+00")

    def test_figures_on_several_lines(self, tmp_path: Path) -> None:
        said = [
            "asking",
            "Input tokens: 12",
            "Output tokens: 45",
            "Cache read: 300",
            "done",
            "Input tokens: 5, Output tokens: 6",
        ]
        text = "".join(json.dumps({"log": f"{one}\n", "time": "2026-11-02T10:00:05Z"}) + "\n" for one in said)
        assert calls(tmp_path, text, f"line, {CACHED}") == [
            (2, 12, 300, None, None, None, 45),
            (6, 5, None, None, None, None, 6),
        ]

    @pytest.mark.parametrize("name", ["events", "entries"])
    def test_a_document_of_lines(self, tmp_path: Path, name: str) -> None:
        events = [{"timestamp": 1793613605500, "message": message} for message in ("START", SAID, SAID)]
        assert calls(tmp_path, json.dumps({name: events}, indent=1), name="app.json") == [(2, 563, 4), (3, 563, 4)]

    def test_a_record_with_counts_is_none_of_a_text_log(self, tmp_path: Path) -> None:
        record = {
            "message": SAID,
            "timestamp": "2026-11-02T10:00:05Z",
            "usage": {"input_tokens": 9, "output_tokens": 1},
        }
        assert calls(tmp_path, json.dumps(record) + "\n") == [(1, 9, 1)]


def test_prose_about_tokens_is_no_log(tmp_path: Path) -> None:
    prose = "# My app\n\nEach classification takes about 563 input tokens and 44 output tokens.\nA report has 2,390 prompt and 121 output tokens, as we measured in March.\n"
    (tmp_path / "README.md").write_text(prose)
    with pytest.raises(AuditError, match="not a log"):
        read(tmp_path / "store", tmp_path / "README.md")
    log = "2026-11-03 08:00:00 Used 12 input tokens and 45 output tokens.\nused 13 input and 45 output tokens\n"
    assert calls(tmp_path, log + prose, "input_tokens") == [(12,), (13,)]
