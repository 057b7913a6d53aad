"""Columns computed once a row: each in the first round in which all that it names is there."""

from typing import Any

import duckdb
import narwhals.stable.v2 as nw
import pytest

from claude_audit.row_columns import Columns


def test_what_builds_on_nothing_shares_the_first_round_however_late_it_is_added() -> None:
    columns = Columns()
    columns.add({"twice": nw.col("tokens") * 2})
    columns.add({"more": nw.col("twice") + 1, "most": nw.col("twice").max().over("model")})
    columns.add({"half": nw.col("tokens") / 2})
    columns.add({"all": nw.when(nw.col("half") > 1).then(nw.col("more")).otherwise(nw.col("twice"))})

    assert [sorted(columns) for columns in columns.rounds] == [["half", "twice"], ["more", "most"], ["all"]]
    rows: nw.LazyFrame[Any] = nw.from_native(duckdb.sql("SELECT 'a' AS model, unnest([1, 4]) AS tokens"))
    assert sorted(nw.to_native(columns.joined_to(rows)).fetchall()) == [
        ("a", 1, 2, 0.5, 3, 8, 2),
        ("a", 4, 8, 2.0, 9, 8, 9),
    ]


def test_a_name_is_given_once() -> None:
    columns = Columns()
    columns.add({"twice": nw.col("tokens") * 2})

    with pytest.raises(AssertionError, match="two columns named twice"):
        columns.add({"twice": nw.col("tokens") * 3})
