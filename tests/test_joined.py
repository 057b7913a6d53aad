"""One call in several files is one call, told by the best source, whatever comes first."""

from __future__ import annotations

import json
from itertools import permutations
from pathlib import Path
from typing import Any

import pytest
from logs import audit, read, record, said, table, write

APP = record(1, request_id="req_x", message_id="msg_x", input=1000, output=100, endpoint="chat")
LINE = "2026-11-02 10:00:00,000 INFO app claude call model=claude-sonnet-5-5 input_tokens=999 output_tokens=99 request_id=req_x user_id=u-7\n"
TRANSCRIPT = said("msg_x", "req_x", output=100, ts="2026-11-02T09:59:59.000Z", model="claude-sonnet-5-5", effort="high")


def sources(folder: Path) -> dict[str, Path]:
    text = folder / "worker.log"
    text.parent.mkdir(parents=True, exist_ok=True)
    text.write_text(LINE)
    return {
        "native": write(folder / "app.jsonl", [APP]),
        "text": text,
        "claude_code": write(folder / "s1.jsonl", [TRANSCRIPT]),
    }


@pytest.mark.parametrize("order", list(permutations(("native", "text", "claude_code"))), ids=" ".join)
@pytest.mark.parametrize("at_once", [True, False], ids=["at once", "one by one"])
def test_three_records_of_one_call_are_one_request(tmp_path: Path, order: tuple[str, ...], at_once: bool) -> None:
    logs, store = sources(tmp_path / "logs"), tmp_path / "store"
    reports = [read(store, *(logs[n] for n in order))] if at_once else [read(store, logs[n]) for n in order]
    assert sum(r.counted.kept for r in reports) == 1 and sum(r.counted.duplicates for r in reports) == 2
    found = audit(store)
    assert found.spend().requests == 1
    assert found.spend().tokens["input"] == 1000, "the application's record is nearest to the response"
    rows = found.engine.sql(
        'SELECT format, endpoint, "user", effort, session, CAST(ts AS VARCHAR) FROM usage', found.parts
    )
    assert rows == [("native", "chat", "u-7", "high", "s1", "2026-11-02 09:59:59+00")]
    before = table(store)
    for path in logs.values():
        path.write_text(path.read_text() + "\n")
        read(store, path)
    assert table(store) == before


def test_without_a_common_id_nothing_is_joined(tmp_path: Path) -> None:
    app = write(tmp_path / "app.jsonl", [record(1, request_id="req_a", message_id="msg_x")])
    transcript = write(tmp_path / "s.jsonl", [said("msg_x", "req_b", model="claude-sonnet-5-5")])
    read(tmp_path / "store", app, transcript)
    assert audit(tmp_path / "store").spend().requests == 2


def test_a_message_id_alone_joins_where_one_side_has_no_request_id(tmp_path: Path) -> None:
    app = {k: v for k, v in record(1, message_id="msg_x").items() if k != "request_id"}
    read(
        tmp_path / "store",
        write(tmp_path / "app.jsonl", [json.loads(json.dumps(app))]),
        write(tmp_path / "s.jsonl", [said("msg_x", "req_b")]),
    )
    assert audit(tmp_path / "store").spend().requests == 1


@pytest.mark.parametrize("order", [("app", "kong"), ("kong", "app")])
def test_an_id_of_a_gateway_s_own_joins_what_counts_the_same(tmp_path: Path, order: tuple[str, str]) -> None:
    app = record(1, request_id="k-1", output=100)
    usage = {"prompt_tokens": 1000, "completion_tokens": 100}
    told = {"meta": {"response_model": "claude-sonnet-5-5", "llm_latency": 7}, "usage": usage}
    kong = {"started_at": 1793613601000, "request": {"id": "k-1"}, "route": {"name": "shop"}, "ai": {"ai-proxy": told}}
    files = {"app": write(tmp_path / "app.jsonl", [app]), "kong": write(tmp_path / "kong.jsonl", [kong])}
    for name in order:
        read(tmp_path / "store", files[name])
    found = audit(tmp_path / "store")
    columns = "format, endpoint, latency_ms, flags"
    assert found.engine.sql(f"SELECT {columns} FROM usage", found.parts) == [("native", "chat", 7.0, [])]
    assert found.spend().requests == 1


def spent(n: int, **more: Any) -> str:
    """A row of a table of the same calls, without an id."""
    return f"2026-11-02T10:00:{n % 60:02d}Z,claude-sonnet-5-5,{more.get('input', 1000 + n)},{100 + n}\n"


@pytest.mark.parametrize("at_once", [True, False])
def test_calls_that_look_alike_but_share_no_id_are_told(tmp_path: Path, at_once: bool) -> None:
    calls = [record(n, input=1000 + n, output=100 + n) for n in range(30)]
    app = write(tmp_path / "logs" / "app.jsonl", calls)
    table_ = tmp_path / "logs" / "calls.csv"
    table_.write_text("timestamp,model,input_tokens,output_tokens\n" + "".join(spent(n) for n in range(25)))
    if not at_once:
        read(tmp_path / "store", app)
    told = read(tmp_path / "store", tmp_path / "logs").warnings
    says = "25 calls in csv logs look like calls in native logs (same hour, model and counts; 25 in the hours of both)"
    assert next(warning for warning in told if "look like" in warning).startswith(says)
    assert audit(tmp_path / "store").spend().requests == 55, "nothing is taken away on a guess"


@pytest.mark.parametrize("change", [{"input": 7}, {"few": 19}])
def test_calls_that_do_not_look_alike_are_not_told(tmp_path: Path, change: dict[str, int]) -> None:
    write(tmp_path / "logs" / "app.jsonl", [record(n, input=1000 + n, output=100 + n) for n in range(30)])
    rows = [spent(n, **change) for n in range(change.get("few", 25))]
    (tmp_path / "logs" / "calls.csv").write_text("timestamp,model,input_tokens,output_tokens\n" + "".join(rows))
    assert not [warning for warning in read(tmp_path / "store", tmp_path / "logs").warnings if "look like" in warning]


@pytest.mark.parametrize("order", list(permutations(("answers", "bedrock"))), ids=" ".join)
@pytest.mark.parametrize("at_once", [True, False], ids=["at once", "one by one"])
def test_the_cloud_that_bills_is_known_from_its_own_log(tmp_path: Path, order: tuple[str, ...], at_once: bool) -> None:
    answer = {
        "id": "msg_bdrk_1",
        "model": "claude-sonnet-4-6",
        "content": [],
        "usage": {"input_tokens": 10, "output_tokens": 5},
    }
    invoked = {
        "schemaType": "ModelInvocationLog",
        "timestamp": "2026-11-02T10:00:00Z",
        "requestId": "aws-1",
        "operation": "InvokeModel",
        "modelId": "us.anthropic.claude-sonnet-4-6",
        "input": {"inputTokenCount": 10},
        "output": {"outputTokenCount": 5, "outputBodyJson": answer},
    }
    logs = {
        "answers": write(tmp_path / "app.jsonl", [answer | {"timestamp": "2026-11-02T10:00:01Z"}]),
        "bedrock": write(tmp_path / "invocations.jsonl", [invoked]),
    }
    store = tmp_path / "store"
    for paths in [[logs[n] for n in order]] if at_once else [[logs[n]] for n in order]:
        read(store, *paths)
    found = audit(store)
    assert [(row.labels, row.requests) for row in found.spend(("provider",)).rows] == [(("aws_bedrock",), 1)]
    # (10 x 3 + 5 x 15) per million, and 10 % for a regional profile
    assert str(found.spend().total_usd) == "0.0001155"
