"""What the statistics of a store's parts say of its columns: never more than is true, and never another answer."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import Any

import duckdb
import pytest
from hypothesis import given
from hypothesis import strategies as st
from logs import record
from stores import stored
from test_laws import quick, records

from claude_audit.audit import Audit
from claude_audit.engines import footers
from claude_audit.row_columns import Known, is_null


def known(folder: Path, *parts: str) -> Known:
    paths = [str(folder / f"{n}.parquet") for n in range(len(parts))]
    for path, values in zip(paths, parts, strict=True):
        duckdb.connect().sql(f"SELECT * FROM (VALUES {values}) AS t(tier, tokens)").write_parquet(path)
    return footers.known(paths)


def test_a_text_and_a_number_that_all_rows_have(tmp_path: Path) -> None:
    found = known(tmp_path, "('batch', 3), ('batch', 3)", "('batch', 3)")

    assert found.same == {"tier", "tokens", is_null("tier"), is_null("tokens")}
    assert found.texts == {"tier": "batch"}
    assert not found.empty("tier")


def test_a_value_that_some_rows_lack_is_not_the_same_in_all(tmp_path: Path) -> None:
    found = known(tmp_path, "('batch', 3::BIGINT), (NULL, 3)")

    assert found.same == {"tokens", is_null("tokens")}
    assert not found.texts


def test_a_column_without_values(tmp_path: Path) -> None:
    found = known(tmp_path, "(NULL::VARCHAR, 3::BIGINT)", "(NULL::VARCHAR, NULL::BIGINT)")

    assert found.same == {"tier"}
    assert (found.empty("tier"), found.full("tier"), found.empty("tokens")) == (True, False, False)
    assert found.at_most("tier") == 0


@pytest.mark.parametrize("parts", [("('a', 2), ('a', 10)", "('a', 10)"), ("('a', 2)", "('a', 10)")])
def test_numbers_are_compared_as_numbers(tmp_path: Path, parts: tuple[str, ...]) -> None:
    found = known(tmp_path, *(part.replace(")", "::BIGINT)") for part in parts))

    assert "tokens" not in found.same
    assert found.at_most("tokens") == 10
    assert found.at_most("tokens", "tokens") == 20


def test_of_a_column_with_negative_numbers_or_of_no_such_column_no_most_is_known(tmp_path: Path) -> None:
    found = known(tmp_path, "('a', -1::BIGINT), ('a', 5)")

    assert found.at_most("tokens") is None
    assert found.at_most("output_tokens") is None


LEVERS: tuple[dict[str, Any], ...] = (
    {"cap_output": "5", "route_simple": "haiku", "cache_hit": "0.85", "batch_tagged": True},
    {"cap_output": "2x", "upgrade": "auto", "cache_hit": "0.5", "standard_speed": True, "global_geo": True},
    {"route_simple": "claude-haiku-4-5", "router": "haiku", "cache_hit": "0.9", "cacheable": "50%"},
)


def answer(audit: Audit, options: dict[str, Any]) -> dict[str, Any]:
    return audit.whatif(attribution="all", **options).as_document()


def unknowing(audit: Audit) -> Audit:
    """The same audit, to which the statistics of the parts say nothing."""
    other = audit.filtered()
    vars(other)["known_reach"] = audit.reach
    return other


@quick
@given(records(), st.sampled_from(LEVERS))
def test_what_is_known_of_the_columns_changes_no_answer(made: list[dict[str, Any]], options: dict[str, Any]) -> None:
    with tempfile.TemporaryDirectory() as folder:
        audit = stored(Path(folder) / "store", made)
        assert answer(audit, options) == answer(unknowing(audit), options)


@pytest.mark.parametrize("options", LEVERS)
@pytest.mark.parametrize(
    "more",
    [
        {},
        {"latency_tolerant": True, "stream": False, "endpoint": "report", "stop_reason": "end_turn"},
        {"thinking": True, "tools_used": 2, "has_images": True, "stop_reason": "max_tokens"},
        {"input": 150_000, "read": 120_000, "w5": 300, "tools_defined": 0, "message_count": 1},
    ],
)
def test_rows_that_are_all_alike_are_told_as_though_nobody_knew(
    tmp_path: Path, options: dict[str, Any], more: dict[str, Any]
) -> None:
    audit = stored(tmp_path / "store", [record(n, model="claude-sonnet-4-5-20250929", **more) for n in range(5)])

    assert answer(audit, options) == answer(unknowing(audit), options)


def test_a_minimum_that_all_rows_share_is_as_wide_a_number_as_any(tmp_path: Path) -> None:
    rows = [record(n, model="claude-haiku-4-5", input=3_000, prompt_blocks=[]) for n in range(3)]
    audit = stored(tmp_path / "store", rows)

    assert answer(audit, {"cache_hit": "0"}) == answer(unknowing(audit), {"cache_hit": "0"})
