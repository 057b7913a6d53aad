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

from claude_audit.calls import Assumptions

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


def asked(n: int = 1, say: str = "api_req_started", model: str | None = "claude-sonnet-4-6", **counts: Any) -> Record:
    """A message of Cline about a request."""
    told = {"tokensIn": 3, "tokensOut": 200, "cacheWrites": 700, "cacheReads": 9000, "cost": 0.008} | counts
    named = {"modelInfo": {"modelId": model, "providerId": "anthropic", "mode": "act"}} if model else {}
    return {"ts": (EPOCH + n) * 1000, "type": "say", "say": say, "text": json.dumps(told), "partial": False} | named


TASK = {"ts": EPOCH * 1000, "type": "say", "say": "task", "text": "build a shop"}


class TestCline:
    def test_a_task_as_the_editor_keeps_it(self, tmp_path: Path) -> None:
        """One list on one line; a placeholder is written before the counts are known."""
        placeholder = {"ts": (EPOCH + 3) * 1000, "type": "say", "say": "api_req_started", "text": '{"request":"…"}'}
        messages = [TASK, asked(1), {"ts": (EPOCH + 2) * 1000, "type": "ask", "ask": "tool", "text": "{}"}, placeholder]
        folder = tmp_path / "tasks" / "1793613600000"
        folder.mkdir(parents=True)
        (folder / "ui_messages.json").write_text(json.dumps(messages))
        report = read(tmp_path / "store", tmp_path / "tasks")
        assert (report.formats, fates(report)) == ({"cline": 1}, (1, 0, 3, 0))
        assert report.counted.ignored == {"message: ask": 1, "message: task": 1, "request without usage": 1}
        columns = f"identity, session, endpoint, flags, cost_reported_usd, requests, {CLASSES}"
        expected = ("cline:1793613600000/1793613601000", "1793613600000", "act", ["lower_bound", "ttl_unknown"],
                    Decimal("0.008"), 1, 3, 9000, 700, 0, 200)  # fmt: skip
        assert rows(tmp_path / "store", columns) == [expected]
        # The task goes on: what was read before is no new call, and the placeholder has become one.
        (folder / "ui_messages.json").write_text(json.dumps([*messages[:3], asked(3), asked(4)]))
        read(tmp_path / "store", tmp_path / "tasks")
        assert rows(tmp_path / "store", CLASSES) == [(3, 9000, 700, 0, 200)] * 3

    @pytest.mark.parametrize(
        ("counts", "figures"),
        [
            ([{}], [(3, 9000, 700, 0, 200)]),
            # Cline names no protocol: its input never has the cached tokens, however large it is.
            ([{"tokensIn": 12000}], [(12000, 9000, 700, 0, 200)]),
            # Roo's has them; of Anthropic's protocol since October 2025.
            ([{"tokensIn": 9703, "apiProtocol": "anthropic"}], [(3, 9000, 700, 0, 200)]),
            ([{"tokensIn": 9703, "apiProtocol": "openai"}], [(3, 9000, 700, 0, 200)]),
            ([{"tokensIn": 12000, "apiProtocol": "anthropic", "request": "…"}], [(12000, 9000, 700, 0, 200)]),
            # One request of the file that cannot have them shows that none has.
            (
                [{"tokensIn": 12000, "apiProtocol": "anthropic"}, {"apiProtocol": "anthropic"}],
                [(12000, 9000, 700, 0, 200), (3, 9000, 700, 0, 200)],
            ),
            # A task that went on after an update: before it the requests are in the text.
            (
                [{"apiProtocol": "anthropic", "request": "…"}, {"tokensIn": 9703, "apiProtocol": "anthropic"}],
                [(3, 9000, 700, 0, 200), (3, 9000, 700, 0, 200)],
            ),
        ],
    )
    def test_whether_the_input_has_what_was_cached(
        self, tmp_path: Path, counts: list[Record], figures: list[tuple[int, ...]]
    ) -> None:
        assert told(tmp_path, TASK, *(asked(n, **c) for n, c in enumerate(counts, 1))) == figures

    def test_where_the_model_is_told(self, tmp_path: Path) -> None:
        """Cline beside the request; Roo nowhere: it is said, or the call has no price."""
        roo = asked(1, model=None, apiProtocol="anthropic", tokensIn=9703)
        path = write(tmp_path / "ui_messages.json", [TASK, roo])
        read(tmp_path / "untold", path)
        assert audit(tmp_path / "untold").spend().unpriced.requests == 1
        read(tmp_path / "told", path, assume=Assumptions(model="claude-sonnet-4-6"))
        assert rows(tmp_path / "told", "model, flags") == [
            ("claude-sonnet-4-6", ["lower_bound", "model_assumed", "ttl_unknown"])
        ]

    def test_sums_are_no_calls(self, tmp_path: Path) -> None:
        """What subagents spent is known as a sum alone; what was deleted, and a task's item of the history, is counted elsewhere."""
        subagents = {"source": "subagents", "tokensIn": 40, "tokensOut": 900, "cacheWrites": 100, "cacheReads": 5000}
        records = [
            TASK,
            asked(1, "deleted_api_reqs"),
            asked(2, "subagent_usage", **subagents),
            asked(3, "subagent_usage", **subagents | {"cacheWrites": 0, "cacheReads": 0}),
        ]
        report = read(tmp_path / "store", write(tmp_path / "ui_messages.json", records))
        assert report.counted.ignored == {"message: task": 1, "sum of deleted requests": 1}
        assert rows(tmp_path / "store", f"requests, flags, {CLASSES}") == [
            (None, ["lower_bound", "sums_only", "ttl_unknown"], 40, 5000, 100, 0, 900),
            (None, ["lower_bound", "sums_only", "basis_assumed"], 40, 0, 0, 0, 900),
        ]
        item = {"id": "1793613600000", "ts": EPOCH * 1000, "task": "build a shop", "tokensIn": 9, "tokensOut": 9, "totalCost": 1, "modelId": "claude-sonnet-4-6"}  # fmt: skip
        (tmp_path / "taskHistory.json").write_text(json.dumps([item, item | {"id": "2"}]))
        assert read(tmp_path / "history", tmp_path / "taskHistory.json").counted.ignored == {"sum of a task": 2}

    def test_what_is_no_call_of_claude(self, tmp_path: Path) -> None:
        zero = {"tokensIn": 0, "tokensOut": 0, "cacheWrites": 0, "cacheReads": 0, "cost": 0}
        records = [
            asked(1, model="gpt-5"),
            asked(2, **zero, cancelReason="user_cancelled"),
            asked(3, **zero, cancelReason="streaming_failed", streamingFailedMessage="overloaded"),
            asked(4, cancelReason="user_cancelled"),  # its counts came before it was cut: billed
            asked(5) | {"text": "{"},
            asked(6, tokensOut=-5),
        ]
        report = read(tmp_path / "store", write(tmp_path / "ui_messages.json", records))
        assert report.counted.ignored == {
            "cut off by the client: its cost is unknown": 1,
            "failed call without usage": 1,
            "other vendor's model": 1,
        }
        assert [r.reason for r in report.rejects] == [
            "the text of the request is not valid JSON",
            "output_tokens is -5",
        ]
        assert rows(tmp_path / "store", CLASSES) == [(3, 9000, 700, 0, 200)]

    @quick
    @given(st.lists(garbage(asked(), [["modelInfo", "modelId"], ["text"], ["ts"]]), max_size=8))
    def test_garbage(self, lines: list[str]) -> None:
        survives([asked(50), asked(51)], lines, Decimal("0.01"), 2)

    def test_written_back_as_native_records_the_bill_is_the_same(self, tmp_path: Path) -> None:
        told(tmp_path, TASK, asked(1), asked(2, tokensIn=9703, apiProtocol="openai"))
        assert native_again(tmp_path / "store") == audit(tmp_path / "store").spend().total_usd


def spoken(n: int = 1, kind: str = "message", **more: Any) -> Record:
    """A line of a session of Pi's: its assistant's message."""
    message = {
        "role": "assistant",
        "provider": "anthropic",
        "model": "claude-sonnet-4-6",
        "usage": {"input": 3, "output": 200, "cacheRead": 9000, "cacheWrite": 700, "cost": {"total": 0.008}},
        "stopReason": "stop",
        "timestamp": (EPOCH + n) * 1000,
    }
    return {"type": kind, "id": f"e{n}", "timestamp": "2026-11-02T11:00:00Z", "message": message | more}


SESSION = {"type": "session", "version": 3, "id": "s-1", "cwd": "/home/ana/shop"}


class TestPi:
    def test_a_session(self, tmp_path: Path) -> None:
        nothing = {"input": 0, "output": 0, "cacheRead": 0, "cacheWrite": 0}
        lines = [
            SESSION,
            {"type": "message", "message": {"role": "user", "content": "…"}},
            spoken(1),
            spoken(2, usage=nothing, stopReason="error"),
            spoken(3, provider="openai", model="gpt-5"),
            {"type": "compaction", "tokensBefore": 50000},
        ]
        report = read(tmp_path / "store", write(tmp_path / "s-1.jsonl", lines))
        assert (dict(report.formats), fates(report)) == ({"pi": 1}, (1, 0, 5, 0))
        columns = f"{CLASSES}, session, project, stop_reason, CAST(ts AS VARCHAR), CAST(cost_reported_usd AS DOUBLE)"
        assert rows(tmp_path / "store", columns) == [
            (3, 9000, 700, 0, 200, "s-1", "/home/ana/shop", "end_turn", "2026-11-02 10:00:01+00", 0.008)
        ]

    def test_what_is_printed_and_copies_in_a_fork_are_the_same_call(self, tmp_path: Path) -> None:
        printed = [SESSION, spoken(1, "message_update"), spoken(1, "message_end"), spoken(1, "turn_end"),
                   {"type": "agent_end", "messages": [spoken(1)["message"]]}]  # fmt: skip
        paths = [
            write(tmp_path / "printed.jsonl", printed),
            write(tmp_path / "s-1.jsonl", [SESSION, spoken(1)]),
            write(tmp_path / "s-2.jsonl", [SESSION | {"id": "s-2"}, spoken(1), spoken(2)]),
        ]
        assert fates(read(tmp_path / "store", *paths)) == (2, 2, 6, 0)

    @quick
    @given(st.lists(garbage(spoken(), [["message", "usage"], ["message", "timestamp"], ["message"]]), max_size=8))
    def test_garbage(self, lines: list[str]) -> None:
        survives([spoken(50), spoken(51)], lines, Decimal("0.01"), 2)
