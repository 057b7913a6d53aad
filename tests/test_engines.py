"""The embedded engine's dealings with its own client."""

from __future__ import annotations

import pytest
from duckdb import _expression

from claude_audit.engines._wide import wide


def test_what_is_put_aside_is_put_back() -> None:
    before = _expression.string_literals
    with pytest.raises(ZeroDivisionError), wide():
        with wide():
            assert _expression.string_literals is None
        assert _expression.string_literals is None
        raise ZeroDivisionError
    assert _expression.string_literals is before


def test_a_client_that_is_built_otherwise_is_left_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delattr(_expression, "string_literals")
    with wide():
        pass
    assert getattr(_expression, "string_literals", None) is None
