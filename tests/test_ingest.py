"""Logs into the store: what is kept, what is a duplicate, what is refused, and that nothing is lost or counted twice."""

from __future__ import annotations

import gzip
import io
import json
import os
from decimal import Decimal
from pathlib import Path

import pytest
from logs import audit, audited, read, record, said, table, write

from claude_audit.accounting import IngestReport
from claude_audit.calls import Assumptions
from claude_audit.errors import AuditError


def counts(report: IngestReport) -> tuple[int, int, int, int, int]:
    c = report.counted
    assert c.lines == c.kept + c.duplicates + sum(c.ignored.values()) + c.rejected
    return c.lines, c.kept, c.duplicates, sum(c.ignored.values()), c.rejected


def test_every_line_has_a_fate(tmp_path: Path) -> None:
    log = write(
        tmp_path / "app.jsonl",
        [
            record(1),
            record(1),  # the same call, logged twice
            {"timestamp": "2026-11-02T10:00:00Z", "event": "server started"},
            record(2, output=-3),
            "not json",
            "",
            record(3),
        ],
    )
    report = read(tmp_path / "store", log)
    assert counts(report) == (6, 2, 1, 1, 2)
    assert [(r.line, r.reason) for r in report.rejects] == [(4, "output_tokens is -3"), (5, "not valid JSON")]


def test_every_line_has_a_fate_where_all_records_are_wrapped(tmp_path: Path) -> None:
    wrapped = [{"level": "info", "event": json.dumps(record(n))} for n in range(3)]
    log = write(
        tmp_path / "app.jsonl", [*wrapped, "no json", "[1, 2]", "7", "{}", {"level": "info", "event": "started"}]
    )
    report = read(tmp_path / "store", log)
    assert counts(report) == (8, 3, 0, 4, 1)
    # And where other lines hold their counts themselves.
    more = write(tmp_path / "more.jsonl", [*wrapped, record(7), "no json", "[1, 2]", "7", "{}", {"event": "started"}])
    assert counts(read(tmp_path / "other", more)) == (9, 4, 0, 4, 1)


def test_half_an_emoji_in_a_wrapped_record(tmp_path: Path) -> None:
    halved = json.dumps(record(1) | {"note": "half"}).replace("half", "\\ud83d")
    log = write(
        tmp_path / "app.jsonl", [{"level": "info", "event": halved}, {"level": "info", "event": json.dumps(record(2))}]
    )
    assert counts(read(tmp_path / "store", log)) == (2, 2, 0, 0, 0)


def test_what_is_no_log_is_named_in_one_line(tmp_path: Path) -> None:
    write(tmp_path / "logs" / "app.jsonl", [record(1)])
    for n in range(5):
        write(tmp_path / "logs" / f"notes-{n}.md", ["# Notes", "nothing to bill"] * 20)
    (tmp_path / "logs" / "picture.png").write_bytes(bytes(range(256)) * 40)
    warnings = read(tmp_path / "store", tmp_path / "logs").warnings
    names = ", ".join(str(tmp_path / "logs" / f"notes-{n}.md") for n in range(3))
    assert warnings[:2] == (
        f"{names} and 2 more: not a log of a format known here; not read",
        f"{tmp_path}/logs/picture.png: a binary file; not read",
    )


@pytest.mark.parametrize(
    ("count", "kept"),
    [
        ("100", True),
        ("100.0", True),
        ('"100"', True),
        ("0", True),
        ("-1", False),
        ("10.5", False),
        ("1e999", False),
        ("NaN", False),
        ("9223372036854775807", True),
        ("9223372036854775808", False),
        ('"many"', False),
        ("true", False),
    ],
)
def test_what_a_count_is(tmp_path: Path, count: str, kept: bool) -> None:
    line = json.dumps(record(1)).replace('"output_tokens": 100', f'"output_tokens": {count}')
    report = read(tmp_path / "store", write(tmp_path / "app.jsonl", [record(2), line]))
    assert (report.counted.kept, report.counted.rejected) == ((2, 0) if kept else (1, 1))


@pytest.mark.parametrize(
    ("time", "utc"),
    [
        ("2026-11-02T10:00:00Z", "2026-11-02T10"),
        ("2026-11-02T01:30:00+02:00", "2026-11-01T23"),
        ("2026-11-02 10:00:00,123", "2026-11-02T10"),
        ("2026-11-02T10:00:00.123456789Z", "2026-11-02T10"),
        ("2026-11-02T00:30:00+0100", "2026-11-01T23"),
        ("2026-11-02 10:00:00 UTC", "2026-11-02T10"),
        (1793613600, "2026-11-02T10"),
        (1793613600.5, "2026-11-02T10"),
        (1793613600000, "2026-11-02T10"),
        (1793613600000000, "2026-11-02T10"),
        (1793613600000000000, "2026-11-02T10"),
        ("2026-11-02t10:00:00z", "2026-11-02T10"),
        ("2026-11-02T10:00:00,5Z", "2026-11-02T10"),
        ("2026-11-02t10:00:00.5+01:00", "2026-11-02T09"),
        ("2026-11-02 10:00:00 Europe/Berlin", "2026-11-02T09"),
        ("2026-11-02 10:00:00 America/New_York", "2026-11-02T15"),
        (1793577599999999999, "2026-11-01T23"),
        ("2026-11-01T23:59:59.999999999Z", "2026-11-01T23"),
        ("2026-11-02 02:00:00.000 -0800", "2026-11-02T10"),
        ("2026-11-02 10:00:00.0000000 +00:00", "2026-11-02T10"),
        ("2026-11-02 10:00:00.000 Z", "2026-11-02T10"),
        ("2026-11-02 11:00:00.123456789 +0100 CET m=+0.017", "2026-11-02T10"),
        ("2026-11-02T11:00:00.123+01:00[Europe/Berlin]", "2026-11-02T10"),
        ("Mon, 02 Nov 2026 10:00:00 GMT", "2026-11-02T10"),
        ("Mon Nov 02 2026 11:00:00 GMT+0100 (Central European Standard Time)", "2026-11-02T10"),
        ("02/Nov/2026:11:00:00 +0100", "2026-11-02T10"),
        ("Mon Nov  2 10:00:00 2026", "2026-11-02T10"),
        ("Mon Nov  2 11:00:00 +0100 2026", "2026-11-02T10"),
        ("Nov 2, 2026, 10:00:00 AM", "2026-11-02T10"),
        ("2 Nov 2026 10:00", "2026-11-02T10"),
        ("02.11.2026 10:00:00", "2026-11-02T10"),
        ("2.11.2026 10:00", "2026-11-02T10"),
        ("2026-11-02 10:00:00 PM", "2026-11-02T22"),
        ("2026-11-02 12:30:00 AM", "2026-11-02T00"),
    ],
)
def test_spellings_of_one_instant(tmp_path: Path, time: object, utc: str) -> None:
    spend = audited(tmp_path, [record(1, timestamp=time)]).spend(["hour"])
    assert [row.labels for row in spend.rows] == [(utc,)]


def test_a_time_without_zone_is_read_in_the_assumed_one_and_flagged(tmp_path: Path) -> None:
    log = write(tmp_path / "app.jsonl", [record(1, timestamp="2026-11-02 00:30:00")])
    report = read(tmp_path / "store", log, assume=Assumptions(timezone="Europe/Berlin"))
    assert [row.labels for row in audit(tmp_path / "store").spend(["day"]).rows] == [("2026-11-01",)]
    assert any("no zone" in warning for warning in report.warnings)


@pytest.mark.parametrize(
    "time",
    [
        "yesterday",
        "11/02/2026 10:00",
        "02.11.26 10:00",
        "46328.5",
        "infinity",
        "-infinity",
        "epoch",
        "99999-01-01T00:00:00Z",
        "9999-12-31T23:59:59Z",
        "0001-01-01T00:00:00Z",
    ],
)
def test_an_unreadable_time_rejects_its_line(tmp_path: Path, time: str) -> None:
    report = read(tmp_path / "store", write(tmp_path / "app.jsonl", [record(1), record(2, timestamp=time)]))
    assert [r.reason for r in report.rejects] == [f"the time {time} cannot be read"]
    assert audit(tmp_path / "store").spend().requests == 1


def test_growing_snapshots_of_a_transcript_are_one_call_at_its_earliest_time(tmp_path: Path) -> None:
    late, early = "2026-11-02T00:00:01.000Z", "2026-11-01T23:59:59.000Z"
    spend = audited(
        tmp_path, [said(output=9, ts=early, stop=None), said(output=9, ts=early, stop=None), said(output=159, ts=late)]
    ).spend(["day"])
    assert [(row.labels[0], row.cost_usd) for row in spend.rows] == [("2026-11-01", Decimal("0.002415"))]


def test_one_id_with_other_input_is_another_call(tmp_path: Path) -> None:
    both = audited(tmp_path, [record(1, request_id="req_x"), record(2, request_id="req_x", input=5000)])
    assert both.spend().requests == 2
    assert any(
        "id_reused" in (row[0] or "") for row in table(tmp_path / "store", without=["row_id"]) for row in [(row[5],)]
    )


def test_records_without_an_id_are_calls_each_and_a_copy_of_their_file_adds_nothing(tmp_path: Path) -> None:
    anonymous = {k: v for k, v in record(1).items() if k != "request_id"}
    first = write(tmp_path / "logs" / "a.jsonl", [anonymous, anonymous])
    assert counts(read(tmp_path / "store", first)) == (2, 2, 0, 0, 0)
    copy = tmp_path / "logs" / "backup" / "a (copy).jsonl"
    copy.parent.mkdir()
    copy.write_bytes(first.read_bytes())
    assert counts(read(tmp_path / "store", tmp_path / "logs")) == (2, 0, 2, 0, 0)
    assert audit(tmp_path / "store").spend().requests == 2


def test_nothing_new_reads_nothing(tmp_path: Path) -> None:
    log = write(tmp_path / "app.jsonl", [record(1)])
    read(tmp_path / "store", log)
    again = read(tmp_path / "store", log)
    assert (again.unchanged, again.counted.lines, again.rows_added, again.rows_total) == (1, 0, 0, 1)


def test_a_grown_file_is_read_from_where_it_ended_and_completes_what_was_partial(tmp_path: Path) -> None:
    store, log = tmp_path / "store", tmp_path / "s1.jsonl"
    whole = [said("msg_1", "req_1"), said("msg_2", "req_2", output=9, stop=None), said("msg_2", "req_2", output=159)]
    text = "".join(json.dumps(line) + "\n" for line in whole)
    log.write_text(text[: len(text) - 40])
    first = read(store, log)
    assert (first.counted.kept, first.counted.rejected) == (2, 1)
    log.write_text(text + json.dumps(said("msg_3", "req_3")) + "\n")
    second = read(store, log)
    assert second.counted.lines == 2, "only the tail is read again"
    assert (second.counted.kept, second.counted.duplicates, second.rows_added) == (1, 1, 1)
    assert audit(store).spend().tokens["output"] == 100 + 159 + 100
    whole_store = tmp_path / "at once"
    read(whole_store, log)
    assert table(store, without=["line"]) == table(whole_store, without=["line"])


def test_line_numbers_are_those_of_the_file_also_in_its_grown_part(tmp_path: Path) -> None:
    log = write(tmp_path / "app.jsonl", [record(1), "", record(2)])
    read(tmp_path / "store", log)
    with log.open("a") as out:
        out.write("\nbroken\n")
    assert [(r.line, r.reason) for r in read(tmp_path / "store", log).rejects] == [(5, "not valid JSON")]


def test_a_rewritten_file_is_read_whole(tmp_path: Path) -> None:
    log = write(tmp_path / "app.jsonl", [record(1), record(2)])
    read(tmp_path / "store", log)
    write(log, [record(3), record(4), record(5)])
    assert read(tmp_path / "store", log).counted.kept == 3


def nameless(*numbers: int) -> str:
    """Lines of records without an id."""
    bare = ({k: v for k, v in record(n).items() if k != "request_id"} for n in numbers)
    return "".join(json.dumps(r) + "\n" for r in bare)


@pytest.mark.parametrize("packed", [False, True])
def test_a_log_that_is_rotated_loses_no_call_without_an_id_and_none_counts_twice(tmp_path: Path, packed: bool) -> None:
    logs = tmp_path / "logs"
    logs.mkdir()

    def lies(name: str, *numbers: int) -> None:
        text = nameless(*numbers).encode()
        old = packed and name != "app.log"
        (logs / f"{name}{'.gz' if old else ''}").write_bytes(gzip.compress(text) if old else text)

    kept = []
    for step in (
        {"app.log": (1, 2, 3)},
        {"app.log.1": (1, 2, 3, 4), "app.log": (5, 6)},
        {"app.log": (5, 6, 7, 8, 9)},
        {"app.log.2": (1, 2, 3, 4), "app.log.1": (5, 6, 7, 8, 9, 10), "app.log": (11,)},
        {"app.log": (11, 12, 13)},
        {"copy.log": (1, 2, 3, 4)},
    ):
        for name, numbers in step.items():
            lies(name, *numbers)
        kept.append(read(tmp_path / "store", logs).rows_added)
    assert kept == [3, 3, 3, 2, 2, 0]
    assert audit(tmp_path / "store").spend().requests == 13


def test_a_corrected_file_adds_the_line_that_was_corrected(tmp_path: Path) -> None:
    log = tmp_path / "app.jsonl"
    log.write_text(nameless(1) + "{broken\n" + nameless(3))
    assert counts(read(tmp_path / "store", log)) == (3, 2, 0, 0, 1)
    log.write_text(nameless(1, 2, 3))
    assert counts(read(tmp_path / "store", log)) == (3, 1, 2, 0, 0)


def test_a_table_that_is_begun_anew_under_its_name(tmp_path: Path) -> None:
    def rows(*seconds: int) -> str:
        return "timestamp,model,input_tokens,output_tokens\n" + "".join(
            f"2026-11-02T10:00:{n:02d}Z,claude-sonnet-4-6,10,100\n" for n in seconds
        )

    log = tmp_path / "calls.csv"
    kept = []
    for text in (rows(1, 2, 3), rows(4), rows(4, 5, 6, 7), rows(4, 5, 6, 7, 8)):
        log.write_text(text)
        kept.append(read(tmp_path / "store", log).rows_added)
    assert kept == [3, 1, 3, 1]


def test_gzip_zstd_bom_crlf_and_broken_utf8_are_nothing_special(tmp_path: Path) -> None:
    import pyarrow as pa

    def line(n: int) -> bytes:
        return json.dumps(record(n)).encode()

    logs = tmp_path / "logs"
    logs.mkdir()
    (logs / "a.jsonl.gz").write_bytes(gzip.compress(line(1) + b"\n"))
    with pa.CompressedOutputStream(pa.OSFile(str(logs / "b.jsonl.zst"), "wb"), "zstd") as out:
        out.write(line(2) + b"\n")
    (logs / "OLD.GZ").write_bytes(gzip.compress(line(7)))
    (logs / "c.jsonl").write_bytes(b"\xef\xbb\xbf" + line(3) + b"\r\n\r\n" + line(4) + b"\r\n")
    (logs / "d[1].jsonl").write_bytes(line(5).replace(b'"chat"', b'"caf\xe9"') + b"\n" + line(6))
    report = read(tmp_path / "store", logs)
    assert counts(report) == (7, 7, 0, 0, 0)
    assert {row.labels[0] for row in audit(tmp_path / "store").spend(["endpoint"]).rows} == {"chat", "caf�"}


@pytest.mark.parametrize("name", ["app.jsonl", "part-0000", "app.zst", "app.gz"])
@pytest.mark.parametrize("packing", ["gz", "zst", "none"])
def test_what_is_packed_is_told_by_its_bytes_and_not_by_its_name(tmp_path: Path, name: str, packing: str) -> None:
    import pyarrow as pa

    def lines(*numbers: int) -> bytes:
        text = "".join(json.dumps(record(n)) + "\n" for n in numbers).encode()
        if packing == "zst":
            return pa.compress(text, "zstd", asbytes=True)
        return gzip.compress(text) if packing == "gz" else text

    log = _file(tmp_path / name, lines(1, 2))
    assert counts(read(tmp_path / "store", log)) == (2, 2, 0, 0, 0)
    _file(log, lines(1, 2, 3))
    assert read(tmp_path / "store", log).rows_added == 1
    assert audit(tmp_path / "store").spend().requests == 3


def test_standard_input_may_be_packed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    packed = gzip.compress(json.dumps(record(1)).encode())
    monkeypatch.setattr("sys.stdin", io.TextIOWrapper(io.BytesIO(packed)))
    assert counts(read(tmp_path / "store", "-")) == (1, 1, 0, 0, 0)


def test_a_log_larger_than_one_piece_is_read_in_parts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("claude_audit.pieces.PIECE_BYTES", 2_000)
    monkeypatch.setattr("claude_audit.batches.BATCH_BYTES", 5_000)
    log = write(tmp_path / "app.jsonl", [*(record(n) for n in range(100)), "broken", "x" * 9_000, record(100)])
    report = read(tmp_path / "store", log)
    assert counts(report) == (103, 101, 0, 0, 2)
    assert [r.line for r in report.rejects] == [101, 102]


def test_passes_are_rows_of_their_own_model_and_one_request(tmp_path: Path) -> None:
    entry = {"cache_read_input_tokens": 0, "cache_creation_input_tokens": 0}
    advised = {
        "input_tokens": 2390,
        "output_tokens": 121,
        "iterations": [
            {"type": "message", "input_tokens": 1128, "output_tokens": 110, **entry},
            {"type": "advisor_message", "model": "claude-opus-4-8", "input_tokens": 2518, "output_tokens": 22, **entry},
            {"type": "message", "input_tokens": 1262, "output_tokens": 11, **entry},
        ],
    }
    spend = audited(tmp_path, [record(1, model="claude-sonnet-5", usage=advised)]).spend(["model"])
    costs = {row.labels[0]: (row.requests, row.cost_usd) for row in spend.rows}
    assert costs == {
        "claude-sonnet-5": (1, Decimal(2390 * 2 + 121 * 10) / 10**6),
        "claude-opus-4-8": (0, Decimal(2518 * 5 + 22 * 25) / 10**6),
    }


def test_a_count_that_is_none_inside_iterations_rejects_the_line(tmp_path: Path) -> None:
    bad = {"iterations": [{"type": "message", "input_tokens": -1, "output_tokens": 1}]}
    report = read(tmp_path / "store", write(tmp_path / "a.jsonl", [record(1), record(2, usage=bad)]))
    assert [r.reason for r in report.rejects] == ["input_tokens in iterations is -1"]


def test_message_entries_that_do_not_add_up_leave_the_top_level_in_charge(tmp_path: Path) -> None:
    usage = {
        "input_tokens": 1000,
        "output_tokens": 100,
        "iterations": [{"type": "message", "input_tokens": 1, "output_tokens": 1}],
    }
    assert audited(tmp_path, [record(1, usage=usage)]).spend().tokens["input"] == 1000


def test_a_write_split_smaller_than_the_total_leaves_the_rest_unknown_and_billed_as_5m(tmp_path: Path) -> None:
    usage = {
        "cache_creation_input_tokens": 100_000,
        "cache_creation": {"ephemeral_5m_input_tokens": 0, "ephemeral_1h_input_tokens": 40_000},
    }
    answer = audited(tmp_path, [record(1, input=0, output=0, usage=usage)]).spend()
    assert answer.tokens["cache_write_5m"] == 60_000
    assert answer.total_usd == Decimal("60000") * Decimal("2.5") / 10**6 + Decimal("40000") * 4 / 10**6
    assert any("60,000 tokens" in note for note in answer.notes)


@pytest.mark.parametrize(
    ("day", "category", "cost"),
    [
        ("2026-06-01", "cyber", "0.005"),  # until 2026-06-02 refusals were billed: 1,000 x 5
        ("2026-06-02", "cyber", "0"),
        ("2026-10-01", "cyber", "0"),
        ("2026-10-01", "bio", "0.005"),
    ],
)
def test_refusals_without_output_are_billed_by_the_rule_of_their_day(
    tmp_path: Path, day: str, category: str, cost: str
) -> None:
    refused = record(
        1,
        model="claude-opus-4-7",
        output=0,
        timestamp=f"{day}T12:00:00Z",
        stop_reason="refusal",
        stop_details={"type": "refusal", "category": category},
    )
    answer = audited(tmp_path, [refused]).spend()
    assert (answer.requests, answer.total_usd) == (1, Decimal(cost))


@pytest.mark.parametrize(("entries", "cost"), [(["message"], "0"), (["compaction", "message"], "0.0055")])
def test_a_refusal_is_free_also_where_its_one_pass_is_listed(tmp_path: Path, entries: list[str], cost: str) -> None:
    sizes = {
        "message": {"input_tokens": 1000, "output_tokens": 0},
        "compaction": {"input_tokens": 100, "output_tokens": 0},
    }
    refused = record(
        1,
        model="claude-opus-4-7",
        output=0,
        timestamp="2026-06-02T12:00:00Z",
        stop_reason="refusal",
        usage={"iterations": [{"type": entry} | sizes[entry] for entry in entries]},
    )
    answer = audited(tmp_path, [refused]).spend()
    assert (answer.requests, answer.total_usd) == (1, Decimal(cost))


def test_request_and_response_pairs_keep_hashes_and_sizes_and_no_text(tmp_path: Path) -> None:
    import duckdb

    def pair(n: int, question: str) -> dict[str, object]:
        return {
            "timestamp": f"2026-11-02T10:00:0{n}Z",
            "endpoint": "ask",
            "request": {
                "model": "claude-sonnet-5-5",
                "max_tokens": 300,
                "system": "SECRET system prompt",
                "messages": [{"role": "user", "content": question}],
            },
            "response": {
                "id": f"msg_{n}",
                "model": "claude-sonnet-5-5",
                "content": [{"type": "text", "text": "SECRET answer"}],
                "usage": {"input_tokens": 100, "output_tokens": 5},
            },
        }

    read(tmp_path / "store", write(tmp_path / "pairs.jsonl", [pair(1, "SECRET one"), pair(2, "SECRET two")]))
    parts = [str(p) for p in (tmp_path / "store" / "parts").iterdir()]
    rows = (
        duckdb.connect()
        .execute("SELECT prompt_blocks, max_tokens, message_count FROM read_parquet(?) ORDER BY ts", [parts])
        .fetchall()
    )
    first, second = rows[0][0], rows[1][0]
    assert [b["kind"] for b in first] == ["system", "message"]
    assert sum(b["tokens"] for b in first) == 100
    assert first[0]["hash"] == second[0]["hash"] and first[1]["hash"] != second[1]["hash"]
    assert rows[0][1:] == (300, 1)
    everything = b"".join(p.read_bytes() for p in (tmp_path / "store").rglob("*") if p.is_file())
    assert b"SECRET" not in everything and "SECRET" not in str(table(tmp_path / "store"))


def test_unknown_scalars_become_tags_but_text_does_not(tmp_path: Path) -> None:
    answer = audited(tmp_path, [record(1, experiment="b", prompt="tell me", tags={"branch": "main"})])
    assert [row.labels for row in answer.spend(["tag:experiment", "tag:branch", "tag:prompt"]).rows] == [
        ("b", "main", None)
    ]


@pytest.mark.parametrize(
    ("make", "says"),
    [
        (lambda p: p / "missing", "no such file or folder"),
        (lambda p: (p / "empty").mkdir() or p / "empty", "holds no files"),
        (lambda p: _file(p / "blank.jsonl", b"\n\n"), "no log lines found"),
        (lambda p: _file(p / "picture.bin", bytes(range(256)) * 20), "a binary file"),
        (lambda p: _file(p / "poem.txt", b"roses are red\nviolets are blue\n"), "not a log of a format known here"),
        (
            lambda p: _file(p / "app.jsonl", b'{"level":"info","tokens":3}\n{"n":1}\n'),
            "token count; it has level, tokens, n",
        ),
        (lambda p: _file(p / "bill.csv", b"day,usd\n2026-11-01,3\n"), "token count; it has day, usd"),
        (lambda p: _file(p / "wide.csv", b"a,b,c,d,e,f,g,h,i,j\n"), "f, g, h and 2 more"),
        (lambda p: _file(p / "broken.jsonl.gz", b"\x1f\x8b\x08 no gzip"), "cannot be read"),
    ],
)
def test_input_that_cannot_be_read_is_named(tmp_path: Path, make: object, says: str) -> None:
    path = make(tmp_path)  # type: ignore[operator]
    with pytest.raises(AuditError, match=says) as caught:
        read(tmp_path / "store", path)
    assert caught.value.hint


def _file(path: Path, data: bytes) -> Path:
    path.write_bytes(data)
    return path


def test_marks_of_a_prompt_are_counted_where_its_blocks_are_told(tmp_path: Path) -> None:
    blocks = [
        {"hash": "a", "tokens": 5, "kind": "system", "breakpoint": True},
        {"hash": "b", "tokens": 5, "kind": "message"},
    ]
    write(tmp_path / "app.jsonl", [record(1), record(2, prompt_blocks=blocks), record(3, prompt_blocks=[])])
    read(tmp_path / "store", tmp_path / "app.jsonl")
    found = audit(tmp_path / "store")
    assert found.engine.sql("SELECT cache_breakpoints FROM usage ORDER BY ts", found.parts) == [(None,), (1,), (0,)]


def test_a_name_that_is_no_utf8_is_read_and_shown_as_escapes(tmp_path: Path) -> None:
    logs = tmp_path / "logs"
    logs.mkdir()
    for n, suffix in enumerate((b".jsonl", b".jsonl.gz", b".json")):
        data = (json.dumps(record(n)) + "\n").encode()
        Path(os.fsdecode(os.fsencode(logs) + b"/caf\xe9" + suffix)).write_bytes(
            gzip.compress(data) if suffix.endswith(b"gz") else data
        )
    store = tmp_path / "store"
    assert read(store, logs).rows_added == 3
    sources = {row.labels[0] for row in audit(store).spend(["source"]).rows}
    assert sources == {f"{logs}/caf\\xe9{suffix}" for suffix in (".jsonl", ".jsonl.gz", ".json")}
    again = read(store, logs)
    assert (again.rows_added, again.rows_total) == (0, 3)
