"""Columns computed once a row: each in the first round in which all that it names is there."""

from typing import Any

import duckdb
import narwhals.stable.v2 as nw
import pytest

from claude_audit.row_columns import Columns, same_in_all


def test_what_builds_on_nothing_shares_the_first_round_however_late_it_is_added() -> None:
    columns = Columns()
    columns.add({"twice": nw.col("tokens") * 2})
    columns.add({"more": nw.col("twice") + 1, "most": nw.col("twice").max().over("model")})
    columns.add({"half": nw.col("tokens") / 2})
    columns.add({"all": nw.when(nw.col("half") > 1).then(nw.col("more")).otherwise(nw.col("twice"))})

    assert [sorted(columns) for columns in columns.rounds] == [["half", "twice"], ["more", "most"], ["all"]]
    connection = duckdb.connect()
    rows: nw.LazyFrame[Any] = nw.from_native(connection.sql("SELECT 'a' AS model, unnest([1, 4]) AS tokens"))
    assert sorted(nw.to_native(columns.joined_to(rows)).fetchall()) == [
        ("a", 1, 2, 0.5, 3, 8, 2),
        ("a", 4, 8, 2.0, 9, 8, 9),
    ]


def test_a_name_is_given_once() -> None:
    columns = Columns()
    columns.add({"twice": nw.col("tokens") * 2})

    with pytest.raises(AssertionError, match="two columns named twice"):
        columns.add({"twice": nw.col("tokens") * 3})


def test_an_expression_is_the_same_in_all_rows_where_all_that_it_reads_is() -> None:
    same = {"tier", "tokens.is_null()"}

    assert same_in_all(nw.col("tier") == "batch", same)
    assert same_in_all(~nw.col("tokens").is_null() & nw.col("tier").is_null(), same)
    assert same_in_all(nw.lit(0), same)
    assert not same_in_all(nw.col("tokens") > 0, same)
    assert not same_in_all(nw.col("tag:tier") == "batch", same)
    assert not same_in_all(nw.len().over("tier"), same)
    assert not same_in_all(nw.col("tier").max().over("tokens"), same)


def test_a_bound_column_is_the_same_where_its_expression_is() -> None:
    columns = Columns()
    columns.add({"waits": nw.col("tier") == "batch", "long": nw.col("tokens") > 9})
    columns.add({"both": nw.col("waits") & nw.col("long"), "cheap": nw.col("waits") | nw.col("waits").is_null()})

    assert columns.same({"tier"}) == {"tier", "waits", "cheap"}
