"""What holds for every log format: its sample tells all it can, each row leads back to its line, and no input breaks reading."""

from __future__ import annotations

import csv
import json
import re
import tempfile
from collections.abc import Iterator
from functools import cache
from itertools import pairwise
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from exports import fates, native_again, rows
from format_samples import SAMPLES, Sample
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from logs import audit, read, table

from claude_audit import batches, checked
from claude_audit.accounting import IngestReport
from claude_audit.calls import Assumptions
from claude_audit.errors import AuditError
from claude_audit.explain import passes, total_usd
from claude_audit.ingestors import registry
from claude_audit.mapping import FieldMap
from claude_audit.mapping_file import load
from claude_audit.usage import COLUMNS

TEXTS = [name for name in SAMPLES if name != "parquet"]
"""Formats whose files are text."""
FIXED = [
    name for name in SAMPLES if name not in ("native", "messages", "csv", "json_cells", "parquet", "text", "mapped")
]
"""Formats whose fields are the vendor's; the others take whatever fields a log has."""


@cache
def mapping(text: str) -> FieldMap:
    with tempfile.TemporaryDirectory() as folder:
        (Path(folder) / "map.yaml").write_text(text)
        return load(Path(folder) / "map.yaml")


def assumed(sample: Sample) -> Assumptions:
    text = sample.flags.get("map")
    return Assumptions(model=sample.flags.get("model"), mapping=mapping(text) if text else None)


def ingested(name: str, folder: Path, sample: Sample | None = None, **more: Any) -> IngestReport:
    sample = sample or SAMPLES[name]
    return read(folder / "store", sample.write(folder / "logs"), assume=assumed(sample), **more)


def test_every_format_has_a_sample() -> None:
    assert set(SAMPLES) == set(registry())


@pytest.mark.parametrize("name", SAMPLES)
def test_a_sample_is_recognised_and_read_whole(tmp_path: Path, name: str) -> None:
    report = ingested(name, tmp_path)
    assert dict(report.formats) == {name: 1}
    kept, _, _, rejected = fates(report)
    assert kept and not rejected and not report.unpriced_models


@pytest.mark.parametrize("name", FIXED)
def test_a_sample_tells_all_that_its_format_can_tell(
    tmp_path: Path, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each column that the SELECT has is filled by some record: else the table of what formats fill would be short."""
    filled: dict[str, int] = {}
    check = checked.check

    def watched(connection: Any, table: str, format: str, select: str, assume: Assumptions) -> checked.Checked:
        columns = [row[0] for row in connection.execute(f"DESCRIBE {select}").fetchall()]
        counts = connection.execute(
            f"SELECT {', '.join(f'count({c!r})'.replace(chr(39), chr(34)) for c in columns)} FROM ({select})"
        )
        for column, count in zip(columns, counts.fetchone(), strict=True):
            filled[column] = filled.get(column, 0) + count
        return check(connection, table, format, select, assume)

    monkeypatch.setattr(checked, "check", watched)
    ingested(name, tmp_path)
    filled.pop("part", None)  # a place, where a line lists records
    assert [column for column, count in filled.items() if not count] in ([], ["reject"], ["ignore"], ["ignore", "reject"], ["reject", "ignore"])  # fmt: skip


@pytest.mark.parametrize("name", TEXTS)
def test_explain_leads_every_row_back_to_its_line(tmp_path: Path, name: str) -> None:
    """Of each row: the file, a line of it that tells of that call, and line items that add up to the bill."""
    ingested(name, tmp_path)
    found = audit(tmp_path / "store")
    assert found.reach is not None
    lines = (tmp_path / "logs" / SAMPLES[name].name).read_text().splitlines()
    whole, seen = 0, 0
    for row_id, source, line, output, format in rows(tmp_path / "store", "row_id, source, line, output_tokens, format"):
        told = passes(found.usage(), found.reach, found.catalog, found.engine, row_id)
        mine = [one for one in told if one.row_id == row_id]
        assert [(one.source, one.line, one.format) for one in mine] == [(source, line, format)] and format == name
        assert mine[0].place == f"{source}:{line}" and 1 <= line <= len(lines)
        if name not in ("stream", "text") and output:
            assert str(output) in lines[line - 1] or name in ("langfuse", "litellm", "opencode")
        whole += total_usd(mine[0].items)
        seen += 1
    assert seen and whole == found.spend().total_usd


IN_TABLES = [name for name in FIXED if registry()[name].parquet and SAMPLES[name].records]
"""Formats of JSON whose records are also read under a header and in Parquet."""


@pytest.mark.parametrize("name", IN_TABLES)
def test_the_same_records_under_a_header_and_in_parquet_are_the_same_calls(tmp_path: Path, name: str) -> None:
    sample = SAMPLES[name]
    names = list(dict.fromkeys(key for record in sample.records for key in record))
    flat = [
        {
            key: value if value is None or isinstance(value, str) else json.dumps(value)
            for key in names
            for value in [record.get(key)]
        }
        for record in sample.records
    ]
    (tmp_path / "csv").mkdir()
    with (tmp_path / "csv" / "a.csv").open("w", newline="") as out:
        table_of = csv.DictWriter(out, names)
        table_of.writeheader()
        table_of.writerows(flat)
    (tmp_path / "parquet").mkdir()
    pq.write_table(pa.Table.from_pylist(flat), tmp_path / "parquet" / "a.parquet")
    columns = ", ".join(column.name for column in COLUMNS if column.name not in ("row_id", "source", "line"))
    ingested(name, tmp_path)
    told = rows(tmp_path / "store", columns)
    for place in ("csv", "parquet"):
        assert dict(read(tmp_path / f"store-{place}", tmp_path / place).formats) == {name: 1}
        assert rows(tmp_path / f"store-{place}", columns) == told, place


HOSTILE = (
    None, True, False, 0, -1, 1.5, 2**63 - 1, 2**63, 10**40, -(10**20), 1e308, "", " ", "-", "null", "NaN", "1,204", "12.0", "'", '"', "\\",
    "'; DROP TABLE calls; --", "\u0000", "\ud800", "\u202e", "🦜" * 50, "x" * 5000, "$[*]", "[{", "{", [], {}, [[]], [None], {"a": {"b": [1]}}, [1, "a"],
    "claude-", "claude-sonnet-4-6 ", "2026-13-40T99:00:00Z", "9999-12-31T23:59:59Z", "0001-01-01", 253402300800, "1e400",
)  # fmt: skip
"""What stands somewhere in somebody's log, sooner or later."""


def ways(record: Any, so_far: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    """The way to every value of a record."""
    items = record.items() if isinstance(record, dict) else enumerate(record) if isinstance(record, list) else ()
    for key, value in items:
        yield (*so_far, key)
        yield from ways(value, (*so_far, key))


def changed(record: Any, way: tuple[Any, ...], how: str, value: Any) -> Any:
    """A copy of a record with one place dropped, replaced, wrapped, doubled or renamed."""
    copy = json.loads(json.dumps(record))
    at = copy
    for step in way[:-1]:
        at = at[step]
    last = way[-1]
    match how:
        case "drop":
            del at[last]
        case "replace":
            at[last] = value
        case "wrap":
            at[last] = {"value": at[last]} if value else [at[last]]
        case "text":
            at[last] = json.dumps(at[last])
        case "add" if isinstance(at, dict):
            at[str(value)[:40] or "noise"] = value
        case _:
            at[last] = [at[last], at[last]]
    return copy


HOW = st.sampled_from(("drop", "replace", "replace", "replace", "wrap", "text", "add", "twice"))


@cache
def places(name: str) -> list[tuple[int, tuple[Any, ...]]]:
    """Every place of every record of a sample."""
    return [(n, way) for n, record in enumerate(SAMPLES[name].records) for way in ways(record)]


NOISE = ("nope", "{", "[]", '{"a": 1', "null", "1", '"text"', "\u0000", "{}", "[1, 2]")
Change = tuple[Any, ...]


def changes(name: str) -> st.SearchStrategy[list[Change]]:
    """What is done to a sample: to a place of a record, to a stretch of a line, or a line that is none put in."""
    if SAMPLES[name].records:
        change = st.tuples(st.sampled_from(places(name)), HOW, st.sampled_from(HOSTILE))
    else:
        change = st.tuples(
            st.tuples(st.integers(0, 99), st.integers(0, 999)), st.integers(0, 20), st.sampled_from(HOSTILE)
        )
    noise = st.tuples(st.just("noise"), st.integers(0, 9), st.sampled_from(NOISE))
    return st.lists(change | change | change | noise, min_size=1, max_size=4)


def mutated(name: str, done: list[Change]) -> list[str]:
    """The lines of a sample with these changes."""
    records: list[Any] = list(SAMPLES[name].records)
    lines = SAMPLES[name].text.splitlines()
    for place, how, value in done:
        if place == "noise":
            continue
        if not records:
            n, at = place[0] % len(lines), place[1] % (len(lines[place[0] % len(lines)]) + 1)
            lines[n] = lines[n][:at] + str(value).replace("\n", " ") + lines[n][at + how :]
            continue
        try:
            records[place[0]] = changed(records[place[0]], place[1], how, value)
        except (LookupError, TypeError):
            continue  # an earlier change took that place away
    lines = lines or [json.dumps(record) for record in records]
    for place, how, value in done:
        if place == "noise":
            lines.insert(how, value)
    return lines


def apart(line: str, n: int) -> str:
    """A line whose ids are those of another file's calls."""
    return re.sub(r'"([a-z]{1,8}[-_][0-9]+)"', rf'"\g<1>{n}"', line)


@pytest.mark.parametrize("name", TEXTS)
def test_nothing_in_a_log_breaks_reading(name: str) -> None:
    """Mutated records of the format, several files at once: no crash, every line accounted for, and what is billed is
    billed the same when it is written back in the native form and read again."""
    sample = SAMPLES[name]

    @settings(
        max_examples=5,
        database=None,
        derandomize=True,
        phases=[Phase.generate],
        suppress_health_check=list(HealthCheck),
    )
    @given(st.lists(changes(name), min_size=8, max_size=8))
    def holds(files: list[list[Change]]) -> None:
        with tempfile.TemporaryDirectory() as folder:
            logs, store = Path(folder) / "logs", Path(folder) / "store"
            logs.mkdir()
            lines = [[apart(line, n) for line in mutated(name, done)] for n, done in enumerate(files)]
            for n, file in enumerate(lines):
                (logs / f"{n}-{sample.name}").write_bytes(("\n".join(file) + "\n").encode("utf-8", "surrogatepass"))
            try:
                report = read(store, logs, assume=assumed(sample), input_format=name)
            except AuditError as error:
                # A table can lose its header, and a map fit no record of a file: nothing else stops an ingest.
                assert name == "csv" or (name == "mapped" and "map.yaml:" in error.message), error
                return
            fates(report)
            if name not in (
                "csv",
                "json_cells",
                "text",
                "otlp",
                "claude_code_result",
                "kong",
                "weave",
            ):  # where a record is a line
                assert report.counted.lines == sum(bool(line.strip(" \t\r")) for file in lines for line in file)
            if report.rows_total:
                assert native_again(store) == audit(store).spend().total_usd

    holds()


def at(record: Any, way: tuple[Any, ...]) -> Any:
    for step in way:
        record = record[step]
    return record


LARGEST = 2**63 - 1


@pytest.mark.parametrize("name", [name for name in TEXTS if SAMPLES[name].records])
def test_the_largest_count_anywhere(tmp_path: Path, name: str) -> None:
    """Each number of each record as large as a count can be, alone and with its neighbours: sums overflow nowhere."""
    sample = SAMPLES[name]
    lines = []
    for record in sample.records:
        numbers = [way for way in ways(record) if re.fullmatch(r"[0-9]+(\.[0-9]+)?", str(at(record, way)))]
        for few in (
            *([way] for way in numbers),
            *([a, b] for a, b in pairwise(numbers)),
            numbers,
        ):
            copy = json.loads(json.dumps(record))
            for way in few:
                old = at(copy, way)
                at(copy, way[:-1])[way[-1]] = str(LARGEST) if isinstance(old, str) else LARGEST
            lines.append(json.dumps(copy))
    many = Sample(sample.name, text="".join(apart(line, n) + "\n" for n, line in enumerate(lines)), flags=sample.flags)
    report = ingested(name, tmp_path, many, input_format=name)
    fates(report)
    audit(tmp_path / "store").spend()


def test_formats_side_by_side_are_read_the_same_whatever_the_batches(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, sample in SAMPLES.items():
        if not sample.flags:  # the others are nobody's without a flag
            Sample(f"{name}-{sample.name}", sample.records, sample.text).write(tmp_path / "logs")
    at_once = read(tmp_path / "one", tmp_path / "logs")
    monkeypatch.setattr(batches, "BATCH_BYTES", 3000)
    monkeypatch.setattr(batches, "UNIT_BYTES", 1000)
    in_parts = read(tmp_path / "two", tmp_path / "logs")
    assert set(at_once.formats) == {name for name, sample in SAMPLES.items() if not sample.flags}
    assert at_once.counted == in_parts.counted and table(tmp_path / "one") == table(tmp_path / "two")
