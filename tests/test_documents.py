"""Documents of JSON: whole, large, several in a row, and cut short; each record once, and what is none is rejected."""

from __future__ import annotations

import json
import tempfile
from pathlib import Path
from typing import Any

import duckdb
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from logs import audit, read, record

from claude_audit import documents
from claude_audit.ingestors import closed
from claude_audit.pieces import Piece

CALLS = [json.dumps(record(n)) for n in range(4)]


def fates(folder: Path, text: str | bytes) -> tuple[int, int, int]:
    """(lines, calls, rejected) of a document."""
    folder.mkdir(exist_ok=True)
    path = folder / "calls.json"
    path.write_bytes(text.encode() if isinstance(text, str) else text)
    counted = read(folder / "store", path).counted
    assert counted.lines == counted.kept + counted.duplicates + sum(counted.ignored.values()) + counted.rejected
    return counted.lines, counted.kept, counted.rejected


@pytest.fixture(params=["small", "large"])
def size(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    """Every document is a large one, or none is."""
    monkeypatch.setattr(documents, "LARGE", 0 if request.param == "large" else 2**40)
    return str(request.param)


@pytest.mark.parametrize(
    ("text", "told"),
    [
        (f"[{','.join(CALLS)}]", (4, 4, 0)),
        ("[\n  " + ",\n  ".join(CALLS) + "\n]\n", (4, 4, 0)),
        ("\ufeff" + json.dumps([json.loads(call) for call in CALLS], indent=2), (4, 4, 0)),
        (json.dumps(json.loads(CALLS[0]), indent=1), (1, 1, 0)),
        ("".join(CALLS), (4, 4, 0)),
        (f"[{CALLS[0]},{CALLS[1]}]\n\n[{CALLS[2]}]", (3, 3, 0)),
        (json.dumps({"object": "list", "data": [json.loads(call) for call in CALLS], "more": None}), (4, 4, 0)),
        (
            json.dumps({"hits": {"total": 4, "hits": [{"_source": json.loads(call)} for call in CALLS]}}, indent=1),
            (4, 4, 0),
        ),
        # What is cut off or broken is rejected, and no record in front of it is lost.
        (f"[{','.join(CALLS)}"[:-9], (4, 3, 1)),
        (f"[{','.join(CALLS)},", (5, 4, 1)),
        (f"[{','.join(CALLS)}", (5, 4, 1)),
        (f"[{CALLS[0]},{CALLS[1]} {{broken}},{CALLS[2]}]", (3, 2, 1)),
        (f"[{','.join(CALLS)}]]", (5, 4, 1)),
        ("".join(CALLS)[:-9], (4, 3, 1)),
        (f"[{CALLS[0]}]\n[{CALLS[1]},", (2, 1, 1)),
        # Braces in a text part no documents.
        (json.dumps([record(1, endpoint='}{ ][ }[ , ] \\ " …'), record(2)]), (2, 2, 0)),
    ],
)
def test_every_record_of_a_document_has_a_fate(
    tmp_path: Path, size: str, text: str, told: tuple[int, int, int]
) -> None:
    assert fates(tmp_path, text) == told


def test_a_document_that_is_no_utf8_is_read_all_the_same(tmp_path: Path, size: str) -> None:
    text = f"[{','.join(CALLS)}]".encode().replace(b'"chat"', b'"caf\xe9"')
    assert b"\xe9" in text and fates(tmp_path, text) == (4, 4, 0)
    assert audit(tmp_path / "store").spend(["endpoint"]).rows[0].labels == ("caf\ufffd",)


values: st.SearchStrategy[Any] = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=6) | st.sampled_from(["}{", "],[", " \t"]),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner, max_size=3),
    max_leaves=8,
)
objects = st.dictionaries(st.text(max_size=3), values, min_size=1, max_size=3)


@settings(max_examples=60, deadline=None)
@given(st.lists(values) | objects, st.sampled_from([None, 0, 2]), st.sampled_from(["", " ", "\n\r\t"]))
def test_read_value_by_value_it_is_the_same_records(made: Any, indent: int | None, blanks: str) -> None:
    """And not whole records only: numbers, texts, lists in a list."""
    text = blanks + json.dumps(made, indent=indent, ensure_ascii=False) + blanks
    with tempfile.TemporaryDirectory() as folder, duckdb.connect() as connection:
        path = Path(folder) / "a.json"
        path.write_text(text, encoding="utf-8", newline="")
        one = Piece(path, 7, 0, path.stat().st_size)
        assert documents._by_value(
            connection, one, "document_0", isinstance(made, list), documents._looked_over(path)[2]
        )
        found = connection.execute("SELECT line, text FROM document_0 ORDER BY line").fetchall()
        wanted = made if isinstance(made, list) else [made]
        assert [json.loads(value) for _, value in found] == wanted
        assert [line for line, _ in found] == [*range(1, len(wanted) + 1)]


@settings(max_examples=60, deadline=None)
@given(st.lists(objects, min_size=2, max_size=5), st.data())
def test_a_document_cut_anywhere_is_not_taken_for_whole(made: list[Any], data: st.DataObject) -> None:
    text = json.dumps(made)
    text = text[: data.draw(st.integers(1, len(text) - 1))]
    with tempfile.TemporaryDirectory() as folder, duckdb.connect() as connection:
        path = Path(folder) / "a.json"
        path.write_text(text, encoding="utf-8")
        one = Piece(path, 0, 0, path.stat().st_size)
        assert not documents._large(connection, one, "document_0")
        documents.relation(connection, [one])
        *whole, (_, rest) = connection.execute("SELECT line, text FROM lines ORDER BY line").fetchall()
        assert [json.loads(value) for _, value in whole] == made[: len(whole)]
        with pytest.raises(ValueError, match=r"Expecting|Unterminated|Extra|Invalid|property"):
            json.loads(rest)


@pytest.mark.parametrize("indent", [None, 1])
def test_an_object_longer_than_its_beginning_is_recognised_by_what_it_lists(tmp_path: Path, indent: int | None) -> None:
    """Its first record is whole, and the list around it is not."""
    many = [record(n, note="…" * 60) for n in range(900)]
    text = json.dumps({"object": "list", "url": "/logs?a,b={}", "data": many}, indent=indent)
    assert len(text) > 300_000 and fates(tmp_path, text) == (900, 900, 0)


def test_where_its_elements_stand_is_told_of_a_large_object_too(tmp_path: Path, size: str) -> None:
    read(tmp_path / "store", _written(tmp_path, {"team": "ops", "data": [record(n, output=n) for n in range(1, 4)]}))
    told = audit(tmp_path / "store").engine.sql(
        "SELECT line, team, output_tokens FROM usage ORDER BY line", audit(tmp_path / "store").parts
    )
    assert told == [(1, "ops", 1), (2, "ops", 2), (3, "ops", 3)]


def test_counts_beside_a_list_are_not_repeated_with_its_elements(tmp_path: Path, size: str) -> None:
    """The usage of a finished answer is the sum of its steps."""
    steps = [{"usage": {"input_tokens": n, "output_tokens": 1}} for n in (10, 20)]
    answer = {"model": "claude-sonnet-5-5", "timestamp": "2026-11-02T10:00:00Z", "steps": steps}
    read(tmp_path / "store", _written(tmp_path, answer | {"usage": {"input_tokens": 30, "output_tokens": 2}}))
    found = audit(tmp_path / "store").spend()
    assert (found.requests, found.tokens["input"], found.tokens["output"]) == (2, 30, 2)


def _written(folder: Path, document: object) -> Path:
    path = folder / "calls.json"
    path.write_text(json.dumps(document, indent=1), encoding="utf-8")
    return path


@settings(max_examples=80, deadline=None)
@given(objects, st.data())
def test_the_beginning_of_a_value_can_be_closed_anywhere(made: dict[str, Any], data: st.DataObject) -> None:
    text = json.dumps(made, ensure_ascii=data.draw(st.booleans()))
    begun = closed(text[: data.draw(st.integers(0, len(text)))])
    assert not begun or isinstance(json.loads(begun), dict)
    assert json.loads(closed(text)) == made


@settings(max_examples=80, deadline=None)
@given(
    st.dictionaries(st.text(max_size=3), st.lists(objects, max_size=4) | objects | values, max_size=3),
    st.sampled_from([None, 1]),
)
def test_the_longest_list_of_an_object_is_found_where_it_stands(made: dict[str, Any], indent: int | None) -> None:
    text = json.dumps(made, indent=indent)
    found = documents.longest(text)
    lists = [value for value in made.values() if isinstance(value, list) and value]
    if found is None:
        assert not lists
        return
    begin, end, elements = found
    assert json.loads(text[begin:end]) == [json.loads(element) for element in elements]
    assert end - begin >= max((len(json.dumps(one)) for one in lists), default=0) or indent
