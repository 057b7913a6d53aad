"""OpenCode and Cline: what coding agents beside Claude Code keep of their calls."""

from __future__ import annotations

import json
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from exports import CLASSES, fates, garbage, native_again, quick, rows, survives, told
from hypothesis import given
from hypothesis import strategies as st
from logs import audit, read, write

Record = dict[str, Any]
EPOCH = 1793613600
"""2026-11-02T10:00:00Z."""


def tokens(input: Any = 3, output: Any = 200, reasoning: Any = 0, read: Any = 9000, written: Any = 700, **more: Any) -> Record:  # fmt: skip
    return {"input": input, "output": output, "reasoning": reasoning, "cache": {"read": read, "write": written}} | more


def answered(n: int = 1, **more: Any) -> Record:
    """A message of OpenCode's assistant."""
    return {
        "id": f"msg_{n}",
        "sessionID": "ses_1",
        "role": "assistant",
        "time": {"created": (EPOCH + n) * 1000, "completed": (EPOCH + n + 30) * 1000},
        "parentID": "msg_0",
        "modelID": "claude-sonnet-4-6",
        "providerID": "anthropic",
        "mode": "build",
        "path": {"cwd": "/home/ana/shop", "root": "/home/ana/shop"},
        "cost": 0.008,
        "tokens": tokens(),
        "finish": "stop",
    } | more


class TestOpencode:
    @pytest.mark.parametrize(
        ("counted", "figures"),
        [
            (tokens(), (3, 9000, 700, 0, 200, 0)),
            # A total that adds the reasoning: it was taken out of the output.
            (tokens(reasoning=50, total=9953), (3, 9000, 700, 0, 250, 50)),
            # A total that does not, and a version without one: it is in the output.
            (tokens(reasoning=50, total=9903), (3, 9000, 700, 0, 200, 50)),
            (tokens(reasoning=50), (3, 9000, 700, 0, 200, 50)),
            # A total of something else proves nothing: OpenCode takes reasoning out of the output since it has totals.
            (tokens(reasoning=50, total=1), (3, 9000, 700, 0, 250, 50)),
        ],
    )
    def test_what_a_message_counts(self, tmp_path: Path, counted: Record, figures: tuple[int, ...]) -> None:
        assert told(tmp_path, answered(tokens=counted), columns=f"{CLASSES}, thinking_tokens") == [figures]

    def test_a_tree_of_files_as_opencode_writes_it(self, tmp_path: Path) -> None:
        """One object a file, over several lines; parts repeat the message, sessions tell no counts."""
        finished = {"type": "step-finish", "reason": "stop", "cost": 0.008, "tokens": tokens()}
        for name, record in {
            "session/p/ses_1.json": {"id": "ses_1", "projectID": "p", "directory": "/home/ana/shop", "time": {"created": EPOCH * 1000}},
            "message/ses_1/msg_0.json": {"id": "msg_0", "sessionID": "ses_1", "role": "user", "time": {"created": EPOCH * 1000}},
            "message/ses_1/msg_1.json": answered(1),
            "message/ses_1/msg_2.json": answered(2, agent="plan"),
            "part/msg_1/prt_1.json": {"id": "prt_1", "sessionID": "ses_1", "messageID": "msg_1"} | finished,
        }.items():  # fmt: skip
            path = tmp_path / "storage" / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(json.dumps(record, indent=2))
        report = read(tmp_path / "store", tmp_path / "storage")
        assert (report.formats, fates(report)) == ({"opencode": 5}, (2, 0, 3, 0))
        assert report.counted.ignored == {"part of a message": 1, "session": 1, "user message": 1}
        columns = f"endpoint, session, project, stop_reason, flags, tags, cost_reported_usd, latency_ms, {CLASSES}"
        same = ("ses_1", "/home/ana/shop", "end_turn", ["lower_bound", "ttl_unknown"], {"providerID": "anthropic"},
                Decimal("0.008"), None, 3, 9000, 700, 0, 200)  # fmt: skip
        assert rows(tmp_path / "store", columns) == [("build", *same), ("plan", *same)]

    def test_an_exported_session(self, tmp_path: Path) -> None:
        part = {"type": "step-finish", "id": "prt_1", "tokens": tokens()}
        messages = [
            {"info": {"id": "msg_0", "sessionID": "ses_1", "role": "user", "summary": {"title": "x" * 300_000}}, "parts": []},
            {"info": answered(1), "parts": [part, part]},
            {"info": answered(2, modelID="gpt-5", providerID="openai"), "parts": []},
        ]  # fmt: skip
        path = tmp_path / "session.json"
        path.write_text(json.dumps({"info": {"id": "ses_1", "title": "shop"}, "messages": messages}, indent=2))
        report = read(tmp_path / "store", path)
        assert (report.formats, fates(report)) == ({"opencode": 1}, (1, 0, 2, 0))
        assert rows(tmp_path / "store", f"identity, {CLASSES}") == [("opencode:1793613601000", 3, 9000, 700, 0, 200)]
        write(tmp_path / "message.jsonl", [answered(1)])  # the export and the message's own file tell of one call
        assert fates(read(tmp_path / "store", tmp_path / "message.jsonl")) == (0, 1, 0, 0)

    def test_a_message_that_grows_and_a_fork_are_one_call(self, tmp_path: Path) -> None:
        """A fork copies messages under new ids into a session of its own."""
        empty = tokens(0, 0, 0, 0, 0)
        path = write(tmp_path / "a.jsonl", [answered(1, tokens=empty, cost=0)])
        assert read(tmp_path / "store", path).counted.ignored == {"message without usage": 1}
        write(path, [answered(1)])
        fork = answered(1, id="msg_77", sessionID="ses_2", parentID="msg_76")
        read(tmp_path / "store", path, write(tmp_path / "b.jsonl", [fork]))
        assert rows(tmp_path / "store", CLASSES) == [(3, 9000, 700, 0, 200)]

    def test_what_is_no_call_of_claude(self, tmp_path: Path) -> None:
        nothing = {"tokens": tokens(0, 0, 0, 0, 0), "error": {"name": "APIError", "data": {"message": "overloaded"}}}
        records = [
            answered(1, modelID="gpt-5", providerID="openai"),
            answered(2, **nothing),
            answered(3, providerID="amazon-bedrock", modelID="us.anthropic.claude-sonnet-4-6"),
            answered(4, error={"name": "MessageAbortedError"}),  # the user's hanging up: billed
            answered(5, tokens=tokens(input=-1)),
        ]
        report = read(tmp_path / "store", write(tmp_path / "a.jsonl", records))
        assert report.counted.ignored == {"failed call without usage": 1, "other vendor's model": 1}
        assert [r.reason for r in report.rejects] == ["input_tokens is -1"]
        assert rows(tmp_path / "store", "provider, unbilled") == [("aws_bedrock", None), ("anthropic", None)]

    @quick
    @given(st.lists(garbage(answered(), [["tokens", "input"], ["tokens", "cache"], ["time", "created"]]), max_size=8))
    def test_garbage(self, lines: list[str]) -> None:
        survives([answered(50), answered(51)], lines, Decimal("0.01"), 2)

    def test_written_back_as_native_records_the_bill_is_the_same(self, tmp_path: Path) -> None:
        told(tmp_path, answered(1), answered(2, tokens=tokens(reasoning=50, total=9953)))
        assert native_again(tmp_path / "store") == audit(tmp_path / "store").spend().total_usd
