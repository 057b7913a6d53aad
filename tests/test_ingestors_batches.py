"""Results of message batches, and the output of headless Claude Code: what is billed, what is repeated, what is no call."""

from __future__ import annotations

import json
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from exports import CLASSES, fates, garbage, quick, rows, survives, told
from hypothesis import given
from hypothesis import strategies as st
from logs import audit, read, said, write

Record = dict[str, Any]


class TestMessageBatches:
    USD = (Decimal(1000) * 5 + Decimal(100) * 25) / 2 / 10**6
    """Of one item: Claude Opus 4.8, 1,000 in and 100 out, at half price."""

    @staticmethod
    def item(
        n: int = 1, *, of: str = "claude-opus-4-8", content: int = 1, stop: str = "end_turn", **usage: Any
    ) -> Record:
        message = {
            "id": f"msg_{n}",
            "model": of,
            "content": [{"type": "text", "text": "…"}] * content,
            "stop_reason": stop,
            "usage": {"input_tokens": 1000, "output_tokens": 100} | usage,
        }
        return {"custom_id": f"r{n}", "result": {"type": "succeeded", "message": message}}

    def test_half_price_also_where_usage_does_not_say_so(self, tmp_path: Path) -> None:
        found = told(
            tmp_path,
            self.item(1),
            self.item(2, service_tier="standard"),
            columns="tier, message_id, CAST(tags AS VARCHAR)",
        )
        assert found == [("batch", "msg_1", "{custom_id=r1}"), ("batch", "msg_2", "{custom_id=r2}")]
        assert audit(tmp_path / "store").spend().total_usd == 2 * self.USD

    def test_a_list_of_items_is_at_the_batch_price_too(self, tmp_path: Path) -> None:
        items = [self.item(1), self.item(2)]
        page, log = tmp_path / "page.json", tmp_path / "log.jsonl"
        page.write_text(json.dumps({"results": items}, indent=1))
        write(log, [json.dumps(items), {"timestamp": "2026-11-02T10:00:00Z"} | self.item(3)])
        for name, path, calls in (("page", page, 2), ("log", log, 3)):
            assert read(tmp_path / name, path).formats == {"message_batches": 1}
            assert audit(tmp_path / name).spend().total_usd == calls * self.USD
        assert rows(tmp_path / "log", "CAST(ts AS VARCHAR)")[0] == ("2026-11-02 10:00:00+00",)

    def test_a_job_on_vertex_writes_the_answer_beside_the_request(self, tmp_path: Path) -> None:
        answer = self.item(1, of="claude-sonnet-4-6")["result"]["message"] | {"type": "message", "id": "msg_vrtx_1"}
        asked = {"custom_id": "r1", "request": {"max_tokens": 64, "messages": []}}
        lines = [
            asked | {"response": answer, "status": "", "processed_time": "2026-11-02T10:00:00.5+00:00"},
            asked | {"response": {}, "status": "Quota exceeded"},
        ]
        report = read(tmp_path / "store", write(tmp_path / "predictions.jsonl", lines))
        assert (report.formats, report.counted.ignored) == ({"message_batches": 1}, {"batch item errored": 1})
        assert rows(tmp_path / "store", "tier, provider, CAST(ts AS VARCHAR)") == [
            ("batch", "gcp_vertex", "2026-11-02 10:00:00.5+00")
        ]

    def test_searches_have_no_discount(self, tmp_path: Path) -> None:
        told(tmp_path, self.item(1, server_tool_use={"web_search_requests": 2}))
        assert audit(tmp_path / "store").spend().total_usd == self.USD + Decimal("0.02")

    def test_items_that_are_not_billed(self, tmp_path: Path) -> None:
        lines = [
            self.item(1),
            self.item(1),
            {"custom_id": "r2", "result": {"type": "errored", "error": {"type": "error"}}},
            {"custom_id": "r3", "result": {"type": "canceled"}},
            {"custom_id": "r4", "result": {"type": "expired"}},
            {"custom_id": "r5", "result": None},
            self.item(6, output_tokens=-1),
            "cut",
        ]
        report = read(tmp_path / "store", write(tmp_path / "results.jsonl", lines))
        assert (dict(report.formats), fates(report)) == ({"message_batches": 1}, (1, 1, 4, 2))
        assert set(report.counted.ignored) == {
            "batch item canceled",
            "batch item errored",
            "batch item expired",
            "record without result",
        }

    def test_a_refusal_before_any_output_is_a_request_and_free(self, tmp_path: Path) -> None:
        log = write(
            tmp_path / "results-2026-08-01.jsonl",
            [self.item(1, content=0, stop="refusal", output_tokens=5), self.item(2, stop="refusal")],
        )
        read(tmp_path / "store", log)
        assert rows(tmp_path / "store", "unbilled, requests, 'time_from_file' IN flags, CAST(ts AS VARCHAR)") == [
            ("refusal", 1, True, "2026-08-01 00:00:00+00"),
            (None, 1, True, "2026-08-01 00:00:00+00"),
        ]

    @quick
    @given(
        st.lists(
            garbage({"custom_id": "x", "result": {"type": "succeeded", "message": {"usage": {"input_tokens": 1}}}}),
            max_size=5,
        )
    )
    def test_garbage_between_items(self, lines: list[str]) -> None:
        survives([self.item(1), self.item(2)], lines, 2 * self.USD, 2)


INIT: Record = {
    "type": "system",
    "subtype": "init",
    "session_id": "s1",
    "cwd": "/home/dev/shop",
    "model": "claude-sonnet-5",
}


class TestClaudeCodeResults:
    @staticmethod
    def used(fresh: int, out: int, read: int = 0, w5: int = 0, w1: int = 0, searches: int = 0, **more: Any) -> Record:
        return {
            "inputTokens": fresh,
            "outputTokens": out,
            "cacheReadInputTokens": read,
            "cacheCreationInputTokens": w5 + w1,
            "cacheCreationEphemeral5mInputTokens": w5,
            "cacheCreationEphemeral1hInputTokens": w1,
            "webSearchRequests": searches,
            "costUSD": 0.5,
            "provider": "firstParty",
        } | more

    @staticmethod
    def result(models: Record | None, session: str = "s1", at: str = "2026-11-12T09:01:00.000Z", **more: Any) -> Record:
        usage = {"input_tokens": 9, "output_tokens": 230, "service_tier": "standard"}
        return {
            "type": "result",
            "subtype": "success",
            "session_id": session,
            "timestamp": at,
            "usage": usage,
            "modelUsage": models,
        } | more

    @staticmethod
    def said(session: str = "s1") -> Record:
        usage = {"input_tokens": 3, "output_tokens": 4}
        return {
            "type": "assistant",
            "session_id": session,
            "message": {"id": "m", "model": "claude-sonnet-5", "usage": usage},
        }

    @property
    def first(self) -> Record:
        return self.result({"claude-sonnet-5": self.used(6, 174, 12480, w1=13120)})

    @property
    def second(self) -> Record:
        models = {
            "claude-sonnet-5": self.used(9, 230, 25600, w1=13120, searches=1),
            "claude-haiku-4-5-20251001": self.used(2100, 150, w5=400),
        }
        return self.result(models, at="2026-11-12T09:05:00.000Z")

    BILL = (
        (Decimal(9) * 2 + Decimal(25600) / 5 + Decimal(13120) * 4 + Decimal(230) * 10) / 10**6
        + Decimal("0.01")
        + (Decimal(2100) + Decimal(400) * Decimal("1.25") + Decimal(150) * 5) / 10**6
    )

    def test_the_last_result_of_a_session_is_its_bill(self, tmp_path: Path) -> None:
        found = told(
            tmp_path,
            INIT,
            self.said(),
            self.first,
            self.said(),
            self.second,
            columns=f"model, {CLASSES}, requests, prompt_tokens, project",
        )
        assert sorted(found) == [
            ("claude-haiku-4-5-20251001", 2100, 0, 400, 0, 150, None, None, "/home/dev/shop"),
            ("claude-sonnet-5", 9, 25600, 0, 13120, 230, None, None, "/home/dev/shop"),
        ]
        assert audit(tmp_path / "store").spend().total_usd == self.BILL

    def test_the_desktop_app_tells_the_time_under_a_name_of_its_own(self, tmp_path: Path) -> None:
        result = {k: v for k, v in self.first.items() if k != "timestamp"} | {
            "_audit_timestamp": "2026-11-12T09:01:00Z"
        }
        assert told(tmp_path, INIT, result, columns="ts::VARCHAR, flags") == [("2026-11-12 09:01:00+00", ["sums_only"])]

    @pytest.mark.parametrize("session", ["s1", "s2"])
    def test_a_session_whose_transcript_is_there_too_is_told(self, tmp_path: Path, session: str) -> None:
        write(tmp_path / "logs" / "run.jsonl", [INIT, self.first])
        write(tmp_path / "logs" / "s1.jsonl", [said(session=session, ts="2026-11-12T09:00:30.000Z")])
        warnings = read(tmp_path / "store", tmp_path / "logs").warnings
        says = "1 session of claude_code_result logs is in claude_code logs too, call by call"
        assert [w.startswith(says) for w in warnings].count(True) == (session == "s1")

    def test_lines_and_their_fates(self, tmp_path: Path) -> None:
        lines = [
            INIT,
            self.said(),
            self.first,
            self.second,
            self.said("s2"),
            {"type": "user", "session_id": "s1"},
            "cut",
        ]
        report = read(tmp_path / "store", write(tmp_path / "run.jsonl", lines))
        # A result counts as one line for each model that it names.
        assert (dict(report.formats), fates(report)) == ({"claude_code_result": 1}, (2, 1, 4, 1))
        assert dict(report.counted.ignored) == {
            "assistant": 1,
            "assistant line of a session without a result": 1,
            "system": 1,
            "user": 1,
        }

    @pytest.mark.parametrize("order", [("first", "second"), ("second", "first")])
    def test_a_later_ingest_replaces_the_sum(self, tmp_path: Path, order: tuple[str, str]) -> None:
        for name in order:
            read(tmp_path / "store", write(tmp_path / f"{name}.jsonl", [getattr(self, name)]))
        assert audit(tmp_path / "store").spend().total_usd == self.BILL

    def test_sums_have_no_price_band(self, tmp_path: Path) -> None:
        old = {"claude-sonnet-4-5": self.used(300_000, 100)}
        found = told(
            tmp_path,
            self.result(old, at="2026-01-12T09:01:00Z"),
            columns="prompt_tokens, 'sums_only' IN flags, 'band_unknown' IN flags",
        )
        assert found == [(None, True, True)]
        assert audit(tmp_path / "store").spend().total_usd == (Decimal(300_000) * 3 + Decimal(100) * 15) / 10**6

    def test_a_document_of_one_result_or_of_all_messages(self, tmp_path: Path) -> None:
        (tmp_path / "one.json").write_text(json.dumps(self.second, indent=1))
        (tmp_path / "all.json").write_text(json.dumps([INIT, self.said(), self.second]))
        assert fates(read(tmp_path / "store", tmp_path / "one.json")) == (2, 0, 0, 0)
        assert fates(read(tmp_path / "store", tmp_path / "all.json")) == (0, 2, 2, 0)

    def test_old_results_name_no_model(self, tmp_path: Path) -> None:
        old = self.result(None)
        del old["modelUsage"]
        assert told(tmp_path, INIT, old, columns=f"model, {CLASSES}, 'lower_bound' IN flags") == [
            ("claude-sonnet-5", 9, 0, 0, 0, 230, True)
        ]

    def test_clouds(self, tmp_path: Path) -> None:
        models = {
            "us.anthropic.claude-sonnet-4-6": self.used(1, 2, provider="bedrock"),
            "claude-haiku-4-5@20251001": self.used(1, 2, provider="vertex"),
        }
        found = told(tmp_path, self.result(models), columns="provider, model")
        assert sorted(found) == [("aws_bedrock", "claude-sonnet-4-6"), ("gcp_vertex", "claude-haiku-4-5-20251001")]

    @quick
    @given(
        st.lists(
            garbage({"type": "result", "session_id": "s9", "modelUsage": {"claude-sonnet-5": {"inputTokens": 1}}}),
            max_size=5,
        )
    )
    def test_garbage_between_messages(self, lines: list[str]) -> None:
        good = self.result({"claude-sonnet-4-6": self.used(1000, 100)}, "other")
        survives([INIT, good], lines, (Decimal(1000) * 3 + Decimal(100) * 15) / 10**6, 0)
