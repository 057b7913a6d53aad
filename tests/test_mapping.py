"""--map: fields by the words people have for them, columns, constants, and errors that name the line."""

from __future__ import annotations

from pathlib import Path

import pytest

from claude_audit.errors import AuditError
from claude_audit.mapping import load


def mapped(folder: Path, text: str) -> dict[str, str]:
    (folder / "map.yaml").write_text(text)
    return load(folder / "map.yaml")


def test_fields_columns_and_constants(tmp_path: Path) -> None:
    text = "model: engine\ntimestamp: when\nprompt_tokens: in\ncost: paid\nendpoint: =news\nis_batch: true\ninput_includes_cache: =true\n"
    assert mapped(tmp_path, text) == {
        "model_raw": "engine",
        "ts": "when",
        "input_tokens": "in",
        "cost_reported_usd": "paid",
        "endpoint": "=news",
        "is_batch": "=true",
        "input_includes_cache": "=true",
    }


@pytest.mark.parametrize(
    ("text", "says", "hint"),
    [
        ("", "a mapping has lines like", "our field"),
        ("- model\n", "a mapping has lines like", "our field"),
        ("model: engine\nmodl: engine\n", "map.yaml:2: modl is no field", "did you mean 'model'"),
        ("zzz: engine\n", "map.yaml:1: zzz is no field", "known: "),
        ("model: 5\n", "map.yaml:1: model: 5 is not the name of a column", "constant"),
        ("model: =\n", "is not the name of a column", "constant"),
        ("model: engine\nmodel_name: other\n", "map.yaml:2: model_name is mapped twice", "keep one"),
        ("input_includes_cache: cached\n", "takes =true or =false", "whole table"),
        ("model: [\n", "not valid YAML", ""),
    ],
)
def test_mistakes_are_named(tmp_path: Path, text: str, says: str, hint: str) -> None:
    with pytest.raises(AuditError) as error:
        mapped(tmp_path, text)
    assert says in error.value.message
    assert hint in error.value.hint


def test_a_file_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(AuditError, match="can't be read"):
        load(tmp_path / "none.yaml")
