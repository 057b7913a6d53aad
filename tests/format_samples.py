"""One sample of every log format, by name: records that tell all that the format can tell. Numbers and names are made up.

Fuzzing, the table of the README and the tests that hold for all formats stand on them.
"""

from __future__ import annotations

import csv as csv_files
import io
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

Record = dict[str, Any]

MAP = """
model: meta.engine
input_tokens: usage.in
output_tokens: usage.out
cache_read_tokens: usage.hit
cache_write_5m_tokens: usage.w5
cache_write_1h_tokens: usage.w1
input_includes_cache: false
timestamp: {from: when, unit: s}
latency_ms: {from: took, unit: s}
ttft_ms: {from: first, unit: ms}
cost: {from: price, unit: cents}
endpoint: meta.feature
thinking_tokens: usage.think
web_searches: usage.searches
user: who.user
session: who.session
team: who.team
project: who.project
api_key: who.key
workspace: who.workspace
max_tokens: cap
stop_reason: why
tags: {branch: git.branch}
"""
LABELS = {
    "endpoint": "chat", "user": "u-1", "session": "s-1", "team": "growth", "project": "shop", "environment": "production",
    "branch": "main",
}  # fmt: skip
"""What a team attaches to its calls."""
USAGE: Record = {
    "input_tokens": 1200, "cache_creation_input_tokens": 300, "cache_read_input_tokens": 4000,
    "cache_creation": {"ephemeral_5m_input_tokens": 100, "ephemeral_1h_input_tokens": 200},
    "output_tokens": 150, "output_tokens_details": {"thinking_tokens": 40},
    "server_tool_use": {"web_search_requests": 1, "web_fetch_requests": 0},
    "service_tier": "standard", "inference_geo": "us", "speed": "standard",
}  # fmt: skip
REQUEST: Record = {
    "model": "claude-sonnet-4-6", "max_tokens": 1024, "stream": False, "anthropic_version": "2023-06-01",
    "thinking": {"type": "enabled", "budget_tokens": 500}, "output_config": {"effort": "high"},
    "tools": [{"name": "find", "description": "…" * 800}],
    "system": [{"type": "text", "text": "…" * 900, "cache_control": {"type": "ephemeral"}}],
    "messages": [{"role": "user", "content": "…" * 400}],
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Sample:
    """A file of one format."""

    name: str
    records: Sequence[Record] = ()
    """Lines of JSON, one a record, or rows of a Parquet file; or none, and `text` is the file."""
    text: str = ""
    flags: Mapping[str, str] = field(default_factory=dict)
    """Of ingest: `map` (its YAML) and `model` (--assume-model)."""

    def write(self, folder: Path) -> Path:
        """The file, in a folder."""
        folder.mkdir(parents=True, exist_ok=True)
        path = folder / self.name
        if path.suffix == ".parquet":
            pq.write_table(pa.Table.from_pylist([*self.records]), path)
            return path
        path.write_text(self.text or "".join(json.dumps(record, ensure_ascii=False) + "\n" for record in self.records))
        return path


def usage(**more: Any) -> Record:
    return json.loads(json.dumps(USAGE)) | more  # type: ignore[no-any-return]


def message(n: int = 1, model: str = "claude-sonnet-4-6", **more: Any) -> Record:
    """An answer of the Messages API."""
    content = [{"type": "text", "text": "…"}, {"type": "tool_use", "id": "toolu_1", "name": "find", "input": {}}]
    return {
        "id": f"msg_{n:024}", "type": "message", "role": "assistant", "model": model, "content": content,
        "stop_reason": "tool_use", "usage": usage(),
    } | more  # fmt: skip


def refused(n: int) -> Record:
    return message(n, content=[], stop_reason="refusal", stop_details={"type": "refusal", "category": "bio"},
                   usage=usage(output_tokens=0, output_tokens_details=None, server_tool_use=None))  # fmt: skip


def compacted(n: int) -> Record:
    """An answer of two passes, and no search: its prompt has a size."""
    passes = [
        {"type": "compaction", "input_tokens": 90, "output_tokens": 5},
        {"type": "message", "input_tokens": 1200, "output_tokens": 150, "cache_read_input_tokens": 4000, "cache_creation_input_tokens": 300},
    ]  # fmt: skip
    missed = {"cache_miss_reason": {"type": "model_changed", "cache_missed_input_tokens": 90}}
    return message(n, usage=usage(iterations=passes, server_tool_use=None), diagnostics=missed)


def plain(n: int) -> Record:
    """An answer without a search: the size of its prompt is known, and so are its blocks."""
    return message(n, usage=usage(server_tool_use=None))


def at(second: int) -> str:
    return f"2026-11-02T10:00:{second:02}.000Z"


EPOCH = 1793613600
"""2026-11-02T10:00:00Z."""


def native() -> Sample:
    own = {
        "request_id": "req_1", "message_id": "msg_1", "workspace": "w-1", "api_key_id": "apikey_1", "provider": "anthropic",
        "region": "eu-west-1", "max_tokens": 4096, "stop_reason": "end_turn", "stream": False, "latency_ms": 1200, "ttft_ms": 300,
        "tools_defined": 4, "tools_used": 1, "message_count": 7, "has_images": False, "thinking": True, "task": "classify",
        "latency_tolerant": True, "unit": "ticket-118", "status": "ok", "retry_of": "req_0", "request_hash": "sha256:1",
        "prefix_hash": "sha256:2", "output_blocks": 1, "cost_usd": "0.01", "tags": {"branch": "main"},
        "prompt_blocks": [{"hash": "ab", "tokens": 3000, "kind": "system", "breakpoint": True}, {"hash": "cd", "tokens": 2500, "kind": "message"}],
    } | {k: v for k, v in LABELS.items() if k != "branch"}  # fmt: skip
    passes = [
        {"type": "message", "input_tokens": 1200, "output_tokens": 150, "cache_read_input_tokens": 4000, "cache_creation_input_tokens": 300},
        {"type": "advisor_message", "model": "claude-opus-4-8", "input_tokens": 800, "output_tokens": 20},
    ]  # fmt: skip
    first = {"timestamp": at(1), "model": "claude-sonnet-4-6", "usage": usage()} | own
    second = {
        "timestamp": at(2),
        "model": "claude-sonnet-4-6",
        "usage": usage(iterations=passes),
        "request_id": "req_2",
    }
    third = {"timestamp": at(3), "model": "claude-sonnet-4-6", "usage": usage(output_tokens=0), "request_id": "req_3",
             "stop_reason": "refusal", "stop_details": {"category": "bio"}, "output_blocks": 0}  # fmt: skip
    return Sample("app.jsonl", [first, second, third])


def messages() -> Sample:
    answer = message(1, diagnostics={"cache_miss_reason": {"type": "model_changed", "cache_missed_input_tokens": 90}})
    own = {
        "request_id": "req_1",
        "latency_ms": 1200,
        "ttft_ms": 300,
        "workspace": "w-1",
        "api_key": "web",
        "cost": 0.01,
    } | LABELS
    pair = {"ts": at(1), "request": REQUEST, "response": answer} | own
    flat = {
        "ts": at(2),
        "model": "claude-sonnet-4-6",
        "prompt_tokens": 500,
        "cached_tokens": 100,
        "completion_tokens": 9,
    }
    return Sample(
        "calls.jsonl",
        [
            pair,
            {"ts": at(3), "response": refused(3)},
            flat,
            {"ts": at(4), "request": REQUEST, "response": plain(4)} | own | {"request_id": "req_4"},
            {"ts": at(5), "response": compacted(5)},
        ],
    )


def csv() -> Sample:
    header = (
        "timestamp,model,endpoint,input_tokens,output_tokens,cache_read_input_tokens,ephemeral_5m_input_tokens,ephemeral_1h_input_tokens,"
        "thinking_tokens,web_searches,latency_ms,ttft_ms,cost_usd,user_id,session_id,request_id,message_id,service_tier,speed,inference_geo,"
        "workspace,api_key,team,project,environment,provider,region,max_tokens,stop_reason,stream,tools_defined,tools_used,message_count,"
        "has_images,thinking,task,latency_tolerant,unit,status,retry_of,request_hash,prefix_hash,output_blocks,branch\n"
    )
    row = (
        f"{at(1)},claude-sonnet-4-6,chat,1200,150,4000,100,200,40,1,1200,300,0.01,u-1,s-1,req_1,msg_1,standard,standard,us,w-1,web,growth,shop,"
        "production,anthropic,eu-west-1,1024,end_turn,false,4,1,7,false,true,classify,true,ticket-118,ok,req_0,h1,h2,1,main\n"
    )
    return Sample(
        "calls.csv", text=header + row + row.replace("req_1,msg_1", "req_2,msg_2").replace("end_turn", "refusal")
    )


def json_cells() -> Sample:
    own = {"request_id": "req_1", "latency_ms": "1200", "ttft_ms": "300", "workspace": "w-1", "api_key": "web", "cost": "0.01"} | LABELS  # fmt: skip
    out = io.StringIO()
    rows = csv_files.writer(out, lineterminator="\n")
    rows.writerow(["created_at", *own, "Request", "Response"])
    for n, answer in enumerate((message(1), refused(2), plain(3), compacted(4)), 1):
        told = own | {"request_id": f"req_{n}"}
        rows.writerow([at(n), *told.values(), json.dumps(REQUEST), json.dumps(answer)])
    return Sample("export.csv", text=out.getvalue())


def parquet() -> Sample:
    own = {
        "request_id": "req_1",
        "latency_ms": 1200,
        "ttft_ms": 300,
        "workspace": "w-1",
        "api_key": "web",
        "cost": 0.01,
    } | LABELS
    answers = (message(1), refused(2), plain(3), compacted(4))
    rows = [own | {"ts": at(n), "request_id": f"req_{n}", "request": json.dumps(REQUEST), "response": json.dumps(answer)}
            for n, answer in enumerate(answers, 1)]  # fmt: skip
    return Sample("calls.parquet", rows)


def text() -> Sample:
    repr_ = (
        "Usage(cache_creation=CacheCreation(ephemeral_1h_input_tokens=200, ephemeral_5m_input_tokens=100), "
        "cache_creation_input_tokens=300, cache_read_input_tokens=4000, inference_geo='us', input_tokens=1200, output_tokens=150, "
        "output_tokens_details=OutputTokensDetails(thinking_tokens=40), server_tool_use=ServerToolUsage(web_fetch_requests=0, "
        "web_search_requests=1), service_tier='standard', speed='standard')"
    )
    pairs = (
        "claude call model=claude-sonnet-4-6 endpoint=chat input_tokens=1200 output_tokens=150 cache_read_input_tokens=4000 "
        "latency_ms=1200 user=u-1 session_id=s-1 request_id=req_1 message_id=msg_1 team=growth project=shop environment=production "
        "workspace=w-1 api_key=web max_tokens=1024 stop_reason=end_turn ttft_ms=300 request_hash=h1 cost_usd=0.01 branch=main"
    )
    lines = (
        f"2026-11-02 10:00:01,123 INFO app {pairs}\n2026-11-02 10:00:02,123 INFO app started\n"
        f"2026-11-02 10:00:03,123 INFO app {repr_}\n2026-11-02 10:00:04,123 INFO app API call [chat]: 563 input, 4 output tokens\n"
        "2026-11-02 10:00:05,123 INFO app Input tokens: 563\nOutput tokens: 4\n"
        f"2026-11-02 10:00:06,123 INFO app {json.dumps({'model': 'claude-sonnet-4-6', 'usage': USAGE})}\n"
    )
    return Sample("app.log", text=lines, flags={"model": "claude-sonnet-4-6"})


def claude_code() -> Sample:
    own = {"sessionId": "s-1", "cwd": "/home/ana/shop", "gitBranch": "main", "version": "2.1.0", "userType": "external"}
    asked = {
        "type": "api-request", "id": "ask-1", "timestamp": at(1), "sessionId": "s-1", "shapeHash": "5a" * 32, "requestDigest": "6b" * 32,
        "params": {"model": "claude-sonnet-4-6", "max_tokens": 32000, "thinking": {"type": "adaptive"}, "output_config": {"effort": "high"}},
        "cacheControl": [{"path": ["system", 0], "value": {"type": "ephemeral", "ttl": "1h"}}],
    }  # fmt: skip

    def line(n: int, answer: Record, **more: Any) -> Record:
        return {"type": "assistant", "timestamp": at(n), "uuid": f"uuid-{n}", "requestId": f"req_{n}", "isSidechain": False, "message": answer} | own | more  # fmt: skip

    return Sample("session.jsonl", [
        {"type": "user", "timestamp": at(0), "uuid": "uuid-0", "message": {"role": "user", "content": "…"}} | own,
        asked,
        line(1, message(1, usage=usage(output_tokens=9))) | {"requestRef": "ask-1"},
        line(2, message(1)) | {"requestId": "req_1", "requestRef": "ask-1"},
        line(3, message(3), isSidechain=True, agentId="a-1", effort="low"),
        line(4, refused(4)),
        line(5, compacted(5)),
    ])  # fmt: skip


def claude_code_result() -> Sample:
    used = {
        "claude-sonnet-4-6": {"inputTokens": 1200, "outputTokens": 150, "cacheReadInputTokens": 4000, "cacheCreationInputTokens": 300,
                              "cacheCreationEphemeral5mInputTokens": 100, "cacheCreationEphemeral1hInputTokens": 200, "webSearchRequests": 1,
                              "costUSD": 0.01, "provider": "firstParty"},
    }  # fmt: skip
    return Sample("run.jsonl", [
        {"type": "system", "subtype": "init", "session_id": "s-1", "cwd": "/home/ana/shop", "model": "claude-sonnet-4-6"},
        {"type": "assistant", "session_id": "s-1", "message": message(1)},
        {"type": "result", "subtype": "success", "session_id": "s-1", "timestamp": at(3), "usage": usage(), "modelUsage": used,
         "total_cost_usd": 0.01},
    ])  # fmt: skip


def opencode() -> Sample:
    def said(n: int, **more: Any) -> Record:
        return {
            "id": f"msg_{n}", "sessionID": "ses_1", "role": "assistant", "time": {"created": (EPOCH + n) * 1000, "completed": (EPOCH + n + 9) * 1000},
            "parentID": "msg_0", "modelID": "claude-sonnet-4-6", "providerID": "anthropic", "mode": "build", "agent": "build", "variant": "high",
            "path": {"cwd": "/home/ana/shop", "root": "/home/ana/shop"}, "cost": 0.01, "finish": "tool-calls",
            "tokens": {"total": 5650, "input": 1200, "output": 110, "reasoning": 40, "cache": {"read": 4000, "write": 300}},
        } | more  # fmt: skip

    user = {"id": "msg_0", "sessionID": "ses_1", "role": "user", "time": {"created": EPOCH * 1000}}
    failed = {
        "error": {"name": "APIError"},
        "tokens": {"input": 0, "output": 0, "reasoning": 0, "cache": {"read": 0, "write": 0}},
    }
    return Sample("msg_1.json", [user, said(1), said(2, providerID="amazon-bedrock"), said(3, **failed)])  # fmt: skip


def cline() -> Sample:
    def asked(n: int, say: str = "api_req_started", provider: str = "anthropic", **counts: Any) -> Record:
        told = {"tokensIn": 1200, "tokensOut": 150, "cacheWrites": 300, "cacheReads": 4000, "cost": 0.01} | counts
        return {
            "ts": (EPOCH + n) * 1000, "type": "say", "say": say, "text": json.dumps(told), "partial": False,
            "modelInfo": {"modelId": "claude-sonnet-4-6", "providerId": provider, "mode": "act"},
        }  # fmt: skip

    task = {"ts": EPOCH * 1000, "type": "say", "say": "task", "text": "…"}
    return Sample("ui_messages.json", [
        task, asked(1), asked(2, provider="bedrock"), asked(3, "subagent_usage"), asked(4, apiProtocol="anthropic", tokensIn=5500),
    ])  # fmt: skip


def pi() -> Sample:
    def said(n: int, **more: Any) -> Record:
        counted = {
            "input": 1200,
            "output": 150,
            "cacheRead": 4000,
            "cacheWrite": 300,
            "totalTokens": 5650,
            "cost": {"total": 0.01},
        }
        told = {
            "role": "assistant", "api": "anthropic-messages", "provider": "anthropic", "model": "claude-sonnet-4-6",
            "responseId": f"msg_{n}", "usage": counted, "stopReason": "toolUse", "timestamp": (EPOCH + n) * 1000,
        } | more  # fmt: skip
        return {"type": "message", "id": f"e{n}", "parentId": f"e{n - 1}", "timestamp": at(n + 9), "message": told}

    session = {"type": "session", "version": 3, "id": "s-1", "timestamp": at(0), "cwd": "/home/ana/shop"}
    user = {
        "type": "message",
        "id": "e0",
        "parentId": None,
        "timestamp": at(0),
        "message": {"role": "user", "content": "…"},
    }
    return Sample("s-1.jsonl", [session, user, said(1), said(2, provider="amazon-bedrock")])


def message_batches() -> Sample:
    return Sample("results-2026-11-02.jsonl", [
        {"custom_id": "r1", "result": {"type": "succeeded", "message": message(1)}},
        {"custom_id": "r2", "result": {"type": "succeeded", "message": refused(2)}},
        {"custom_id": "r4", "result": {"type": "succeeded", "message": compacted(4)}},
        {"custom_id": "r3", "result": {"type": "expired"}},
        # Of a job on Vertex AI.
        {"custom_id": "r5", "response": message(5) | {"type": "message"}, "status": "", "processed_time": at(5)},
    ])  # fmt: skip


def stream() -> Sample:
    started = {"id": "msg_1", "type": "message", "model": "claude-sonnet-4-6", "usage": usage(output_tokens=1)}
    stop = {"stop_reason": "refusal", "stop_details": {"type": "refusal", "category": "bio"}}
    return Sample("dump.jsonl", [
        {"ts": at(1), "request_id": "req_1", "latency_ms": 1200, "ttft_ms": 300, "max_tokens": 1024, **LABELS, "event": {"type": "message_start", "message": started}},
        {"ts": at(1), "event": {"type": "content_block_start", "index": 0, "content_block": {"type": "tool_use"}}},
        {"ts": at(2), "event": {"type": "message_delta", "delta": stop, "usage": {"output_tokens": 150}}},
        {"ts": at(2), "event": {"type": "message_stop"}},
        {"ts": at(4), "event": {"type": "message_start", "message": compacted(4)}},
        {"ts": at(5), "event": {"type": "message_delta", "usage": {"output_tokens": 150}}},
        {"ts": at(5), "event": {"type": "message_stop", "amazon-bedrock-invocationMetrics": {"firstByteLatency": 300}}},
    ])  # fmt: skip


def bedrock() -> Sample:
    def record(n: int, body: Any, **more: Any) -> Record:
        return {
            "schemaType": "ModelInvocationLog", "schemaVersion": "1.0", "timestamp": at(n), "accountId": "111122223333", "region": "us-east-1",
            "requestId": f"request-{n}", "operation": "InvokeModel", "modelId": "us.anthropic.claude-sonnet-4-6",
            "identity": {"arn": "arn:aws:sts::111122223333:assumed-role/shop/ana"}, "requestMetadata": LABELS,
            "input": {"inputBodyJson": REQUEST, "inputTokenCount": 1200, "cacheReadInputTokenCount": 4000, "cacheWriteInputTokenCount": 300},
            "output": {"outputBodyJson": body, "outputTokenCount": 150},
        } | more  # fmt: skip

    events = [
        {"type": "message_start", "message": message(2)},
        {"type": "message_delta", "delta": {"stop_reason": "refusal", "stop_details": {"category": "bio"}}, "usage": {"output_tokens": 150}},
        {"type": "message_stop", "amazon-bedrock-invocationMetrics": {"invocationLatency": 4100, "firstByteLatency": 600}},
    ]  # fmt: skip
    return Sample("log.json", [
        record(1, message(1)), record(2, events, operation="InvokeModelWithResponseStream"), record(3, compacted(3)), record(4, plain(4)),
    ])  # fmt: skip


def vertex() -> Sample:
    return Sample("rows.jsonl", [
        {"logging_time": at(n), "request_id": f"{n}", "model": "claude-sonnet-4-6", "api_method": "rawPredict",
         "endpoint": "projects/p/locations/us-east5/publishers/anthropic/models/claude-sonnet-4-6",
         "full_request": REQUEST, "full_response": answer, "metadata": {"request_latency": 1200}}
        for n, answer in ((1, message(1)), (2, refused(2)), (3, compacted(3)), (4, plain(4)))
    ])  # fmt: skip


def azure_apim() -> Sample:
    return Sample("rows.jsonl", [
        {"TimeGenerated": "2026-11-02T10:00:01.1234567Z", "CorrelationId": "c-1", "ModelName": "claude-sonnet-4-6", "DeploymentName": "claude-prod",
         "PromptTokens": 1200, "CompletionTokens": 150, "SequenceNumber": 0, "Region": "eastus2", "IsStreamCompletion": False},
    ])  # fmt: skip


def langfuse() -> Sample:
    counts = {"input": 1200, "output": 110, "output_reasoning_tokens": 40, "input_cached_tokens": 4000, "input_cache_creation": 50,
              "input_cache_creation_5m": 100, "input_cache_creation_1h": 200}  # fmt: skip
    return Sample("observations.jsonl", [
        {"id": "o-1", "traceId": "t-1", "type": "GENERATION", "name": "call", "startTime": at(1), "endTime": at(3), "completionStartTime": at(2),
         "model": "claude-sonnet-4-6", "modelParameters": {"max_tokens": 1024}, "usageDetails": counts, "totalCost": 0.01, "environment": "production",
         "metadata": {"team": "growth", "branch": "main"}, "userId": "u-1", "sessionId": "s-1", "traceName": "chat", "traceTags": ["web"],
         "projectId": "shop"},
        {"id": "o-2", "traceId": "t-1", "type": "SPAN", "startTime": at(1), "usageDetails": {}},
    ])  # fmt: skip


def langsmith() -> Sample:
    details = {
        "cache_read": 4000,
        "cache_creation": 0,
        "ephemeral_5m_input_tokens": 100,
        "ephemeral_1h_input_tokens": 200,
    }
    own = {"ls_provider": "anthropic", "ls_model_name": "claude-sonnet-4-6", "ls_max_tokens": 1024}
    return Sample("runs.jsonl", [
        {"id": "run-1", "trace_id": "t-1", "run_type": "llm", "name": "ChatAnthropic", "session_name": "shop", "status": "success",
         "start_time": "2026-11-02T10:00:01", "first_token_time": "2026-11-02T10:00:02", "end_time": "2026-11-02T10:00:03",
         "prompt_tokens": 5500, "completion_tokens": 150, "total_cost": 0.01, "prompt_token_details": details, "completion_token_details": {"reasoning": 40},
         "extra": {"metadata": own | LABELS}, "tags": ["web"]},
        {"id": "run-2", "trace_id": "t-1", "run_type": "chain", "name": "chain", "start_time": "2026-11-02T10:00:01"},
        {"id": "run-4", "trace_id": "t-3", "run_type": "llm", "name": "ChatBedrock", "start_time": "2026-11-02T10:00:04", "prompt_tokens": 5,
         "completion_tokens": 1, "extra": {"metadata": own | {"ls_provider": "amazon_bedrock"}}},
        {"id": "run-3", "trace_id": "t-2", "run_type": "llm", "name": "ChatAnthropic", "status": "error", "start_time": "2026-11-02T10:00:01",
         "prompt_tokens": 5, "completion_tokens": 0, "extra": {"metadata": own}},
        # A turn of the Agent SDK, as the JavaScript SDK sums it up.
        {"id": "run-5", "trace_id": "t-4", "run_type": "llm", "name": "claude.assistant.turn", "start_time": "2026-11-02T10:00:05",
         "prompt_tokens": 210, "completion_tokens": 9, "extra": {"metadata": own},
         "prompt_token_details": {"cache_read": 100, "ephemeral_5m_input_tokens": 150, "ephemeral_1hr_input_tokens": 100}},
    ])  # fmt: skip


def braintrust() -> Sample:
    def span(n: int, kind: str = "llm", metadata: Record | None = None, **more: Any) -> Record:
        counts = {
            "start": EPOCH + n, "end": EPOCH + n + 1.2, "time_to_first_token": 0.3, "prompt_tokens": 5500, "completion_tokens": 150, "tokens": 5650,
            "prompt_cached_tokens": 4000, "prompt_cache_creation_tokens": 300, "completion_reasoning_tokens": 40, "estimated_cost": 0.01,
            "prompt_cache_creation_5m_tokens": 100, "prompt_cache_creation_1h_tokens": 200, "server_tool_use_web_search_requests": 1,
        }  # fmt: skip
        told = {
            "model": "claude-sonnet-4-6",
            "provider": "anthropic",
            "max_tokens": 1024,
            "stop_reason": "end_turn",
            "usage_service_tier": "standard",
        } | LABELS
        return {
            "id": f"b-{n}", "_xact_id": "1", "created": at(n), "project_id": "shop", "log_id": "g", "span_id": f"s-{n}", "root_span_id": "s-1",
            "span_parents": ["s-1"], "span_attributes": {"name": "anthropic.messages.create", "type": kind}, "metrics": counts,
            "metadata": told | (metadata or {}), "tags": ["web"], "input": "…", "output": "…",
        } | more  # fmt: skip

    return Sample("logs.jsonl", [
        span(1, "task", span_parents=None), span(2), span(3, metadata={"provider": "bedrock"}),
        span(4, error="overloaded", metrics={"prompt_tokens": 7, "completion_tokens": 0}),
    ])  # fmt: skip


def posthog() -> Sample:
    def event(n: int, name: str = "$ai_generation", **more: Any) -> Record:
        told = {
            "$ai_model": "claude-sonnet-4-6", "$ai_provider": "anthropic", "$ai_input_tokens": 1200, "$ai_output_tokens": 150,
            "$ai_cache_read_input_tokens": 4000, "$ai_cache_creation_input_tokens": 300, "$ai_cache_creation_5m_input_tokens": 100,
            "$ai_cache_creation_1h_input_tokens": 200, "$ai_reasoning_tokens": 40, "$ai_web_search_count": 1, "$ai_latency": 1.2,
            "$ai_time_to_first_token": 0.3, "$ai_stop_reason": "end_turn", "$ai_stream": True, "$ai_max_tokens": 1024, "$ai_http_status": 200,
            "$ai_total_cost_usd": 0.01, "$ai_session_id": "s-1", "$ai_trace_id": "t-1", "$ai_input": [{"role": "user", "content": "…"}],
        }  # fmt: skip
        properties = told | LABELS | {f"$ai_{key}": value for key, value in more.items()}
        return {"uuid": f"u-{n}", "event": name, "distinct_id": "u-1", "timestamp": at(n), "properties": properties}

    return Sample("events.jsonl", [
        event(1, "$ai_trace"), event(2), event(3, provider="bedrock", input_tokens=5500), event(4, is_error=True, output_tokens=0),
    ])  # fmt: skip


def datadog_llm() -> Sample:
    def span(n: int, kind: str = "llm", provider: str = "anthropic", **counts: Any) -> Record:
        told = {
            "input_tokens": 5500, "output_tokens": 150, "reasoning_output_tokens": 40, "cache_read_input_tokens": 4000,
            "cache_write_input_tokens": 300, "ephemeral_5m_input_tokens": 100, "ephemeral_1h_input_tokens": 200, "time_to_first_token": 0.3,
            "estimated_total_cost": 10000000, "total_tokens": 5650,
        } | counts  # fmt: skip
        attributes = {
            "span_id": f"s-{n}", "trace_id": "t-1", "parent_id": "s-1", "span_kind": kind, "ml_app": "shop", "session_id": "s-1",
            "model_name": "claude-sonnet-4-6", "model_provider": provider, "start_ns": (EPOCH + n) * 10**9, "duration": 1200000000,
            "status": "ok" if counts.get("output_tokens") != 0 else "error", "metrics": told, "metadata": {"max_tokens": 1024},
            "tags": ["env:production", *(f"{key}:{value}" for key, value in LABELS.items())], "name": "Messages.create",
        }  # fmt: skip
        return {"id": f"s-{n}", "type": "span", "attributes": attributes}

    return Sample(
        "spans.jsonl", [span(1, "agent"), span(2), span(3, provider="amazon_bedrock"), span(4, output_tokens=0)]
    )


def weave() -> Sample:
    def call(n: int, output: Any, counts: Record, **more: Any) -> Record:
        return {
            "id": f"w-{n}", "project_id": "growth/shop", "op_name": "weave:///growth/shop/op/anthropic.Messages.create:5f", "trace_id": "t-1",
            "parent_id": "w-1", "started_at": at(n), "ended_at": at(n + 1), "inputs": {"model": "claude-sonnet-4-6", "max_tokens": 1024, "stream": False},
            "output": output, "summary": {"usage": {"claude-sonnet-4-6": {"requests": 1} | counts}, "status_counts": {"success": 1}},
            "attributes": LABELS, "wb_user_id": "u-1", "thread_id": "s-1",
        } | more  # fmt: skip

    summed = {
        "input_tokens": 5500,
        "output_tokens": 150,
        "cache_read_input_tokens": 4000,
        "cache_creation_input_tokens": 300,
    }
    root = call(1, None, summed | {"requests": 3}, parent_id=None, op_name="weave:///growth/shop/op/answer:77")
    refusal = refused(4)
    two = {"usage": {"claude-sonnet-4-6": summed, "claude-haiku-4-5": summed}}
    return Sample("calls.jsonl", [
        root, call(2, message(2), summed), call(3, "…", summed), call(4, refusal, summed), call(5, compacted(5), summed),
        call(6, "…", {}, summary=two),
    ])  # fmt: skip


def helicone() -> Sample:
    def record(n: int, **more: Any) -> Record:
        return {
            "request_id": f"h-{n}", "request_created_at": at(n), "response_status": 200, "request_model": "claude-sonnet-4-6",
            "response_model": "claude-sonnet-4-6", "provider": "ANTHROPIC", "delay_ms": 1200, "time_to_first_token": 300, "prompt_tokens": 1200,
            "completion_tokens": 150, "prompt_cache_read_tokens": 4000, "prompt_cache_write_tokens": 300, "cost": 0.01, "request_user_id": "u-1",
            "request_properties": LABELS,
        } | more  # fmt: skip

    return Sample("requests.jsonl", [
        record(1, request_body=REQUEST, response_body=message(1)), record(2), record(3, response_body=refused(3)),
        record(8, request_body=REQUEST, response_body=plain(8)), record(9, response_body=compacted(9)),
        record(4, cache_reference_id="11111111-0000-0000-0000-000000000000"), record(5, response_status=500, completion_tokens=0, prompt_tokens=7),
        record(6, provider="AWS"), record(7, provider="BEDROCK"),
    ])  # fmt: skip


def portkey() -> Sample:
    def record(n: int, **more: Any) -> Record:
        return {
            "id": f"p-{n}", "trace_id": "t-1", "created_at": at(n), "ai_org": "anthropic", "ai_model": "claude-sonnet-4-6", "cost": 1.0,
            "response_time": 1200, "response_status_code": 200, "is_success": True, "cache_status": "MISS", "config": "pc-1", "request": REQUEST,
            "response": message(n), "metadata": LABELS | {"_user": "u-1"},
        } | more  # fmt: skip

    chat = {
        "prompt_tokens": 1200,
        "completion_tokens": 150,
        "total_tokens": 5650,
        "cache_read_input_tokens": 4000,
        "cache_creation_input_tokens": 300,
    }
    return Sample("logs.jsonl", [
        record(1), record(2, response={"usage": chat}), record(3, response=refused(3)), record(4, cache_status="HIT"),
        record(7, response=plain(7)), record(8, response=compacted(8)), record(9, response={"usage": chat | {"total_tokens": 1351}}),
        record(5, ai_org="bedrock", ai_model="us.anthropic.claude-sonnet-4-6"),
        record(6, response_status_code=500, response=None, req_units=7, res_units=0),
    ])  # fmt: skip


def openrouter() -> Sample:
    counts = {
        "prompt_tokens": 5500, "completion_tokens": 150, "prompt_tokens_details": {"cached_tokens": 4000, "cache_write_tokens": 300},
        "completion_tokens_details": {"reasoning_tokens": 40}, "cost": 0.01, "server_tool_use": {"web_search_requests": 1},
        "cache_creation": {"ephemeral_5m_input_tokens": 100, "ephemeral_1h_input_tokens": 200},
    }  # fmt: skip
    answer = {
        "id": "gen-1", "object": "chat.completion", "created": EPOCH + 1, "model": "anthropic/claude-4.6-sonnet-20260217", "provider": "Anthropic",
        "service_tier": "standard", "choices": [{"finish_reason": "stop", "native_finish_reason": "end_turn"}], "usage": counts,
    }  # fmt: skip
    record = {
        "id": "gen-2", "upstream_id": "msg_2", "created_at": at(2), "model": "anthropic/claude-sonnet-4.6", "provider_name": "Anthropic",
        "tokens_prompt": 900, "tokens_completion": 40, "native_tokens_prompt": 5500, "native_tokens_completion": 150, "native_tokens_cached": 4000,
        "native_tokens_reasoning": 40, "latency": 812, "generation_time": 2400, "total_cost": 0.01, "external_user": "u-1", "session_id": "s-1",
        "streamed": True, "origin": "https://shop.example",
    }  # fmt: skip
    passes = [
        {"type": "message", "input_tokens": 10, "output_tokens": 4},
        {"type": "compaction", "input_tokens": 90, "output_tokens": 5},
    ]
    other = {
        "id": "gen-3",
        "created": EPOCH + 3,
        "model": "anthropic/claude-sonnet-4.6",
        "usage": {"input_tokens": 10, "output_tokens": 4, "iterations": passes},
    }
    again = record | {"id": "gen-4", "upstream_id": None, "response_cache_source_id": "gen-2", "total_cost": 0}
    return Sample("answers.jsonl", [{"response": answer} | LABELS, {"data": record}, other, {"data": again}])


def cloudflare() -> Sample:
    def record(n: int, **more: Any) -> Record:
        return {"id": f"cf-{n}", "created_at": at(n), "duration": 1200, "provider": "anthropic", "model": "claude-sonnet-4-6", "success": True,
                "status_code": 200, "cached": False, "tokens_in": 1200, "tokens_out": 150, "cost": 0.01, "metadata": json.dumps(LABELS)} | more  # fmt: skip

    return Sample("logs.jsonl", [
        record(1), record(2, cached=True), record(3, provider="aws-bedrock"), record(4, status_code=500, tokens_out=0),
        *(record(n, response_head=json.dumps(answer(n)), response_head_complete=True) for n, answer in enumerate((message, refused, compacted), 5)),
    ])  # fmt: skip


def kong() -> Sample:
    def record(n: int, status: int = 200, plugin: Record | None = None, **more: Any) -> Record:
        told = {
            "meta": {"provider_name": "anthropic", "request_model": "claude-sonnet-4-6", "response_model": "claude-sonnet-4-6", "llm_latency": 1200,
                     "request_mode": "oneshot"},
            "usage": {"prompt_tokens": 1200, "completion_tokens": 150, "cost": 0.01, "time_to_first_token": 300,
                      "prompt_tokens_details": {"cached_tokens": 400}, "completion_tokens_details": {"reasoning_tokens": 40}},
        } | (plugin or {})  # fmt: skip
        return {
            "started_at": (EPOCH + n) * 1000, "request": {"id": f"k-{n}"}, "response": {"status": status}, "route": {"name": "chat"},
            "service": {"name": "llm"}, "consumer": {"username": "u-1"}, "latencies": {"request": 1300}, "workspace_name": "default",
            "ai": {"ai-proxy": told},
        } | more  # fmt: skip

    bedrock_meta = {"provider_name": "bedrock", "response_model": "anthropic.claude-sonnet-4-6"}
    return Sample("access.jsonl", [
        record(1), record(2, plugin={"cache": {"cache_status": "Hit"}}), record(3, plugin={"meta": bedrock_meta}),
        record(4, 500, plugin={"usage": {"prompt_tokens": 7, "completion_tokens": 0}}), {"request": {"id": "other"}},
    ])  # fmt: skip


def envoy() -> Sample:
    def record(n: int, **more: Any) -> Record:
        return {
            "start_time": at(n), "duration": 1200, "response_code": 200, "x-request-id": f"e-{n}", "route_name": "chat",
            "gen_ai.provider.name": "anthropic", "gen_ai.response.model": "claude-sonnet-4-6", "gen_ai.response.id": f"msg_{n}",
            "gen_ai.usage.input_tokens": 5500, "gen_ai.usage.output_tokens": 150, "gen_ai.usage.cached_input_tokens": 4000,
            "gen_ai.usage.cache_creation_input_tokens": 300, "gen_ai.usage.cache_creation.ephemeral_5m_input_tokens": 100,
            "gen_ai.usage.cache_creation.ephemeral_1h_input_tokens": 200, "gen_ai.usage.reasoning_tokens": 40,
            "gen_ai.request.max_tokens": 1024, "gen_ai.response.finish_reasons": "end_turn", "anthropic.response.service_tier": "standard",
        } | LABELS | more  # fmt: skip

    return Sample("access.jsonl", [record(1), record(2, response_code=500) | {"gen_ai.usage.output_tokens": 0}])


def litellm() -> Sample:
    counts = {
        "prompt_tokens": 5500, "completion_tokens": 150, "completion_tokens_details": {"reasoning_tokens": 40},
        "prompt_tokens_details": {"cached_tokens": 4000, "cache_creation_tokens": 300,
                                  "cache_creation_token_details": {"ephemeral_5m_input_tokens": 100, "ephemeral_1h_input_tokens": 200}},
        "cache_creation_input_tokens": 300, "cache_read_input_tokens": 4000, "service_tier": "standard", "inference_geo": "us", "speed": "standard",
        "server_tool_use": {"web_search_requests": 1},
    }  # fmt: skip
    metadata = {
        "user_api_key_alias": "web", "user_api_key_team_alias": "growth", "user_api_key_project_alias": "shop",
        "spend_logs_metadata": {"endpoint": "chat", "branch": "main"}, "usage_object": counts,
    }  # fmt: skip
    row = {
        "request_id": "chatcmpl-1", "litellm_call_id": "call-1", "call_type": "acompletion", "api_key": "8" * 64, "cache_hit": "None",
        "startTime": "2026-11-02 10:00:01+00:00", "completionStartTime": "2026-11-02 10:00:02+00:00", "endTime": "2026-11-02 10:00:03+00:00",
        "model": "claude-sonnet-4-6", "model_group": "writer", "custom_llm_provider": "anthropic", "end_user": "u-1", "team_id": "t-1", "spend": 0.01,
        "prompt_tokens": 5500, "completion_tokens": 150, "request_tags": json.dumps(["branch:main"]), "session_id": "s-1", "status": "success",
        "metadata": json.dumps(metadata),
    }  # fmt: skip
    headers = {"llm_provider-request-id": "req_2", "llm_provider-anthropic-workspace-id": "w-1"}
    payload = {
        "id": "msg_2", "litellm_call_id": "call-2", "trace_id": "s-1", "cache_hit": None, "stream": True, "status": "success",
        "custom_llm_provider": "anthropic", "startTime": EPOCH + 2.5, "completionStartTime": EPOCH + 3.0, "endTime": EPOCH + 4.5, "response_time": 2.0,
        "model": "claude-sonnet-4-6", "metadata": metadata, "response_cost": 0.01, "prompt_tokens": 5500, "completion_tokens": 150,
        "model_parameters": {"max_tokens": 256}, "hidden_params": {"additional_headers": headers}, "response": {"usage": counts},
    }  # fmt: skip
    passes = [
        {"type": "message", "input_tokens": 10, "output_tokens": 4},
        {"type": "compaction", "input_tokens": 90, "output_tokens": 5},
    ]
    several = row | {
        "litellm_call_id": "call-3",
        "request_id": "chatcmpl-3",
        "metadata": json.dumps({"usage_object": counts | {"iterations": passes}}),
    }
    batch_metadata = metadata | {"batch_successful_requests": 3}
    return Sample("spend.jsonl", [
        row, payload, several, row | {"litellm_call_id": "call-4", "request_id": "chatcmpl-4", "cache_hit": "True"},
        row | {"litellm_call_id": "call-5", "request_id": "chatcmpl-5", "call_type": "aretrieve_batch", "metadata": json.dumps(batch_metadata),
               "custom_llm_provider": "bedrock", "model": "anthropic.claude-sonnet-4-6",
               "api_base": "https://bedrock-runtime.us-east-1.amazonaws.com/model/x"},
    ])  # fmt: skip


def attributes(values: Mapping[str, Any]) -> list[Record]:
    """OTLP's list of attributes."""
    kinds = {bool: "boolValue", int: "intValue", float: "doubleValue", str: "stringValue"}
    return [{"key": k, "value": {kinds[type(v)]: str(v) if type(v) is int else v}} for k, v in values.items()]


def otlp() -> Sample:
    def span(n: int, scope: str, values: Mapping[str, Any]) -> Record:
        one = {
            "traceId": "ab" * 16, "spanId": f"{n:016x}", "name": "chat", "startTimeUnixNano": str((EPOCH + n) * 10**9),
            "endTimeUnixNano": str((EPOCH + n + 1) * 10**9), "attributes": attributes(values), "status": {},
        }  # fmt: skip
        resource = {
            "service.name": "shop",
            "deployment.environment.name": "production",
            "team": "growth",
            "branch": "main",
        }
        return {
            "resourceSpans": [
                {
                    "resource": {"attributes": attributes(resource)},
                    "scopeSpans": [{"scope": {"name": scope}, "spans": [one]}],
                }
            ]
        }

    sdk = span(1, "com.anthropic.sdk.python", {
        "gen_ai.operation.name": "chat", "gen_ai.response.model": "claude-sonnet-4-6", "gen_ai.response.id": "msg_1", "anthropic.request.id": "req_1",
        "gen_ai.usage.input_tokens": 5500, "gen_ai.usage.output_tokens": 150, "gen_ai.usage.cache_read.input_tokens": 4000,
        "gen_ai.usage.cache_write.input_tokens": 300, "anthropic.usage.cache_creation.ephemeral_5m_input_tokens": 100,
        "anthropic.usage.cache_creation.ephemeral_1h_input_tokens": 200, "gen_ai.usage.reasoning.output_tokens": 40,
        "anthropic.usage.compaction.input_tokens": 90, "anthropic.usage.compaction.output_tokens": 5, "anthropic.workspace.id": "w-1",
        "anthropic.response.service_tier": "standard", "anthropic.message.stop_reason": "end_turn", "gen_ai.request.max_tokens": 1024,
        "gen_ai.request.stream": False, "gen_ai.request.reasoning.level": "high", "anthropic.thinking.type": "enabled",
        "gen_ai.conversation.id": "s-1",
    })  # fmt: skip
    raw = json.dumps({"anthropic": {"usage": USAGE}})
    vercel = span(2, "ai", {
        "ai.operationId": "ai.generateText.doGenerate", "ai.response.model": "claude-sonnet-4-6", "ai.response.id": "msg_2",
        "ai.usage.inputTokens": 5500, "ai.usage.outputTokens": 150, "ai.response.providerMetadata": raw, "ai.telemetry.functionId": "chat",
        "ai.model.provider": "amazon-bedrock", "ai.response.msToFirstChunk": 300.5, "enduser.id": "u-1",
    })  # fmt: skip
    event = {"timeUnixNano": str((EPOCH + 3) * 10**9), "body": {"stringValue": "claude_code.api_request"}, "attributes": attributes({
        "event.name": "api_request", "model": "claude-sonnet-4-6", "input_tokens": 1200, "output_tokens": 150, "cache_read_tokens": 4000,
        "cache_creation_tokens": 300, "cache_creation_5m_tokens": 100, "cache_creation_1h_tokens": 200, "cost_usd": 0.01, "duration_ms": 1200,
        "ttft_ms": 300, "request_id": "req_3", "speed": "standard", "session.id": "s-1", "user.email": "ana@shop.example",
    })}  # fmt: skip
    scope = {"scope": {"name": "com.anthropic.claude_code.events"}, "logRecords": [event]}
    return Sample(
        "otlp.jsonl", [sdk, vercel, {"resourceLogs": [{"resource": {"attributes": []}, "scopeLogs": [scope]}]}]
    )


def mapped() -> Sample:
    def record(n: int) -> Record:
        return {"when": EPOCH + n, "took": 1.2, "first": 300, "price": 1, "request_id": f"req_{n}", "git": {"branch": "main"},
                "meta": {"engine": "claude-sonnet-4-6", "feature": "chat"}, "cap": 1024, "why": "end_turn", "who": {"user": "u-1", "session": "s-1", "team": "growth", "project": "shop", "key": "web", "workspace": "w-1"},
                "usage": {"in": 1200, "out": 150, "hit": 4000, "w5": 100, "w1": 200, "think": 40, "searches": 1}}  # fmt: skip

    return Sample("own.jsonl", [record(1), record(2)], flags={"map": MAP})


SAMPLES: Mapping[str, Sample] = {
    make.__name__: make()
    for make in (
        native, messages, csv, json_cells, parquet, text, claude_code, claude_code_result, opencode, cline, pi, message_batches, stream, otlp, litellm,
        bedrock, vertex, azure_apim, langfuse, langsmith, braintrust, posthog, datadog_llm, weave, helicone, portkey, openrouter, cloudflare, kong,
        envoy, mapped,
    )
}  # fmt: skip
