"""Logs of anybody's own making, by a map: lines, documents, nested lists and Parquet, in the map's units."""

from __future__ import annotations

import json
from collections.abc import Mapping
from decimal import Decimal
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from exports import fates, rows
from logs import audit, read, write

from claude_audit.accounting import IngestReport
from claude_audit.calls import Assumptions
from claude_audit.errors import AuditError
from claude_audit.mapping_file import load

MAP = """
model: meta.engine
input_tokens: usage.in
output_tokens: usage.out
timestamp: {from: when, unit: s}
latency_ms: {from: took, unit: s, optional: true}
cost: {from: price, unit: cents, optional: true}
endpoint: =newsletter
"""


def call(n: int = 0, **changes: Any) -> dict[str, Any]:
    """1,000 tokens in, 100 out, of Claude Sonnet 5.5: 0.3 cents."""
    return {
        "meta": {"engine": "claude-sonnet-5-5"},
        "usage": {"in": 1000, "out": 100},
        "when": 1793613600 + n,
    } | changes


USD = Decimal("0.003")


def ingested(folder: Path, text: str, path: Path, **more: Any) -> IngestReport:
    (folder / "map.yaml").write_text(text)
    return read(folder / "store", path, assume=Assumptions(mapping=load(folder / "map.yaml")), **more)


def told(folder: Path, text: str, *lines: Mapping[str, Any] | str, columns: str) -> list[tuple[Any, ...]]:
    ingested(folder, text, write(folder / "app.jsonl", lines))
    return rows(folder / "store", columns)


def test_lines(tmp_path: Path) -> None:
    found = told(
        tmp_path, MAP, call(took=1.5, price="0.31"), call(1),
        columns="CAST(ts AS VARCHAR), model, endpoint, input_tokens, output_tokens, latency_ms, cost_reported_usd, format, line",
    )  # fmt: skip
    assert found == [
        (
            "2026-11-02 10:00:00+00",
            "claude-sonnet-5-5",
            "newsletter",
            1000,
            100,
            1500.0,
            Decimal("0.0031"),
            "mapped",
            1,
        ),
        ("2026-11-02 10:00:01+00", "claude-sonnet-5-5", "newsletter", 1000, 100, None, None, "mapped", 2),
    ]
    assert audit(tmp_path / "store").spend().total_usd == 2 * USD


@pytest.mark.parametrize(
    ("unit", "value", "tokens"),
    [("thousands", 1.204, 1204), ("thousands", "1,204", 1_204_000), ("millions", "0.5", 500_000), ("tokens", "7", 7)],
)
def test_units_of_tokens(tmp_path: Path, unit: str, value: object, tokens: int) -> None:
    text = MAP.replace("usage.in", f"{{from: usage.in, unit: {unit}}}")
    assert told(tmp_path, text, call(usage={"in": value, "out": 1}), columns="input_tokens") == [(tokens,)]


@pytest.mark.parametrize("value", [1.2045, -1, "many", 10**30, True])
def test_what_is_no_whole_number_of_tokens_rejects_its_line(tmp_path: Path, value: object) -> None:
    text = MAP.replace("usage.in", "{from: usage.in, unit: thousands}")
    report = ingested(tmp_path, text, write(tmp_path / "app.jsonl", [call(), call(1, usage={"in": value, "out": 1})]))
    assert (
        fates(report) == (1, 0, 0, 1) and report.rejects[0].line == 2 and "input_tokens is" in report.rejects[0].reason
    )


@pytest.mark.parametrize(
    ("unit", "value", "milliseconds"),
    [("s", 1.5, 1500.0), ("us", "2500", 2.5), ("ns", 3e6, 3.0), ("min", 2, 120_000.0)],
)
def test_units_of_time(tmp_path: Path, unit: str, value: object, milliseconds: float) -> None:
    text = MAP.replace("unit: s, optional", f"unit: {unit}, optional")
    assert told(tmp_path, text, call(took=value), columns="latency_ms") == [(milliseconds,)]


@pytest.mark.parametrize(
    ("unit", "value", "usd"),
    [("cents", "1.5", "0.015"), ("per_mille", 3, "0.003"), ("micros", 2500, "0.0025"), ("nanos", 7, "0.000000007"), ("usd", "$2", "2")],
)  # fmt: skip
def test_units_of_money(tmp_path: Path, unit: str, value: object, usd: str) -> None:
    text = MAP.replace("unit: cents", f"unit: {unit}")
    assert told(tmp_path, text, call(price=value), columns="cost_reported_usd") == [(Decimal(usd),)]


@pytest.mark.parametrize(("unit", "value"), [("s", 5), ("ms", 5000), ("us", "5000000"), ("ns", 5 * 10**9)])
def test_units_of_epochs_however_small(tmp_path: Path, unit: str, value: object) -> None:
    text = MAP.replace("unit: s}", f"unit: {unit}}}")
    assert told(tmp_path, text, call(when=value), columns="CAST(ts AS VARCHAR)") == [("1970-01-01 00:00:05+00",)]


def test_a_part_of_a_microsecond_is_cut_off_not_rounded_into_the_next_day(tmp_path: Path) -> None:
    text = MAP.replace("unit: s}", "unit: ns}")
    assert told(tmp_path, text, call(when=1_791_331_199_999_999_999), columns="CAST(ts AS VARCHAR)") == [
        ("2026-10-06 23:59:59.999999+00",)
    ]


def test_a_time_in_a_format_of_its_own(tmp_path: Path) -> None:
    text = MAP.replace("unit: s}", 'format: "%d/%m/%Y %H:%M %z"}')
    report = ingested(
        tmp_path, text, write(tmp_path / "a.jsonl", [call(when="02/11/2026 10:00 +0200"), call(when="2026-11-02")])
    )
    assert rows(tmp_path / "store", "CAST(ts AS VARCHAR), flags") == [("2026-11-02 08:00:00+00", ["cache_unseen"])]
    assert fates(report) == (1, 0, 0, 1)


def test_a_document_and_a_list_inside_it(tmp_path: Path) -> None:
    (tmp_path / "flat.json").write_text(json.dumps([call(), call(1)], indent=1))
    (tmp_path / "deep.json").write_text(json.dumps({"data": {"calls": [call(2), {"usage": None}, call(3)]}}, indent=1))
    assert fates(ingested(tmp_path, MAP, tmp_path / "flat.json")) == (2, 0, 0, 0)
    report = ingested(tmp_path, MAP + "records: data.calls\n", tmp_path / "deep.json")
    assert fates(report) == (2, 0, 1, 0)
    assert rows(tmp_path / "store", "source[-9:], line") == [("flat.json", 1), ("flat.json", 2), ("deep.json", 1), ("deep.json", 3)]  # fmt: skip


def test_lists_inside_of_lines(tmp_path: Path) -> None:
    """Every record is a call of its own, at the line it stands in; reading on after the file grew adds what is new."""
    text = MAP + "records: calls[*]\n"
    path = write(tmp_path / "app.jsonl", [{"calls": [call(), call()]}, {"calls": []}, {"calls": call(1)}, "nope"])
    assert fates(ingested(tmp_path, text, path)) == (3, 0, 1, 1)
    assert rows(tmp_path / "store", "line") == [(1,), (1,), (3,)]
    with path.open("a") as log:
        log.write(json.dumps({"calls": [call(2), call(2)]}) + "\n")
    assert fates(ingested(tmp_path, text, path)) == (2, 0, 0, 0)
    assert audit(tmp_path / "store").spend().total_usd == 5 * USD


def test_a_list_in_a_string(tmp_path: Path) -> None:
    line = {"msg": json.dumps({"calls": [call(), call(1)]})}
    report = ingested(tmp_path, MAP + "records: msg.calls\n", write(tmp_path / "a.jsonl", [line]))
    assert fates(report) == (2, 0, 0, 0)


def test_parquet(tmp_path: Path) -> None:
    pq.write_table(pa.Table.from_pylist([call(n, id=f"req_{n}") for n in range(3)]), tmp_path / "calls.parquet")
    assert fates(ingested(tmp_path, MAP.replace(", optional: true", ", optional: true"), tmp_path / "calls.parquet")) == (3, 0, 0, 0)  # fmt: skip
    assert rows(tmp_path / "store", "line, input_tokens, output_tokens, request_id") == [
        (n + 1, 1000, 100, f"req_{n}") for n in range(3)
    ]


def test_what_the_map_does_not_name_is_read_by_the_names_known_here(tmp_path: Path) -> None:
    line = {"timestamp": "2026-11-02T10:00:00Z", "model": "claude-sonnet-5-5", "request_id": "req_1", "kind": "x"}
    line |= {"ctx": {"feature": "search"}, "usage": {"input_tokens": 1000, "output_tokens": 100}}
    found = told(tmp_path, "endpoint: ctx.feature\ntags: {kind2: kind}\n", line,
        columns="endpoint, request_id, input_tokens, tags['kind'], tags['kind2'], CAST(ts AS VARCHAR)")  # fmt: skip
    assert found == [("search", "req_1", 1000, None, "x", "2026-11-02 10:00:00+00")]
    assert audit(tmp_path / "store").spend().total_usd == USD


def test_only_some_records(tmp_path: Path) -> None:
    lines = [call(type="llm"), call(type="tool"), call(1, type="chat"), call(2)]
    report = ingested(tmp_path, MAP + "only: {type: [llm, chat]}\n", write(tmp_path / "a.jsonl", lines))
    assert fates(report) == (2, 0, 2, 0) and dict(report.counted.ignored) == {"type is not llm or chat": 2}


@pytest.mark.parametrize(
    ("text", "usage", "tokens"),
    [
        ("input_includes_cache: true\n", {"in": 100, "hit": 40, "out": 1}, (60, 40, "[]")),
        ("input_includes_cache: false\n", {"in": 100, "hit": 40, "out": 1}, (100, 40, "[]")),
        ("", {"in": 100, "hit": 40, "out": 1}, (100, 40, "[]")),
        ("", {"in": 100, "cached_tokens": 40, "out": 1}, (60, 40, "[basis_assumed]")),
        ("", {"in": 100, "cached_tokens": 400, "out": 1}, (100, 400, "[]")),
    ],
)
def test_whether_input_holds_the_cached_tokens(
    tmp_path: Path, text: str, usage: dict[str, int], tokens: tuple[Any, ...]
) -> None:
    name = "hit" if "hit" in usage else "cached_tokens"
    found = told(tmp_path, MAP + f"cache_read_tokens: usage.{name}\n" + text, call(usage=usage),
        columns="input_tokens, cache_read_tokens, CAST(flags AS VARCHAR)")  # fmt: skip
    assert found == [tokens]


def test_thinking_that_comes_on_top(tmp_path: Path) -> None:
    text = MAP + "thinking_tokens: usage.reason\noutput_excludes_thinking: true\n"
    lines = [call(usage={"in": 1, "out": 10, "reason": 7}), call(1, usage={"in": 1, "out": 10})]
    assert told(tmp_path, text, *lines, columns="output_tokens, thinking_tokens") == [(17, 7), (10, None)]


def test_a_map_that_does_not_fit_is_an_error_that_helps(tmp_path: Path) -> None:
    path = write(tmp_path / "app.jsonl", [call()])
    with pytest.raises(AuditError, match=r"map.yaml:2: model: no record .* has 'meta.engin' \(closest: meta.engine"):
        ingested(tmp_path, MAP.replace("meta.engine", "meta.engin"), path)
    with pytest.raises(AuditError, match=r"the map does not fit: .*map.yaml:1: input_tokens: .* \(closest: usage.in"):
        ingested(tmp_path, "input_tokens: usage.inn\n", path)
    with pytest.raises(AuditError, match=r"map.yaml:9: records: nothing is listed under 'usag' .*\(closest: usage"):
        ingested(tmp_path, MAP + "records: usag\n", path, input_format="mapped")
    with pytest.raises(AuditError, match="needs a map"):
        read(tmp_path / "store", path, input_format="mapped")


def test_a_map_that_nothing_was_read_by_is_told(tmp_path: Path) -> None:
    line = {"type": "assistant", "sessionId": "s", "uuid": "u", "timestamp": "2026-11-02T10:00:00Z"}
    line["message"] = {"id": "msg_1", "model": "claude-sonnet-4-6", "usage": {"input_tokens": 1, "output_tokens": 1}}
    report = ingested(tmp_path, MAP, write(tmp_path / "s.jsonl", [line]))
    assert any("--map was not used" in warning for warning in report.warnings)


def test_hostile_names(tmp_path: Path) -> None:
    name = "a'b\"c].d"
    text = MAP.replace("meta.engine", json.dumps(name)) + f'tags: {{"x\'y": {json.dumps(name)}}}\n'
    assert told(tmp_path, text, call() | {name: "claude-opus-5-5"}, columns="model, CAST(tags AS VARCHAR)")[0][0] == "claude-opus-5-5"  # fmt: skip
