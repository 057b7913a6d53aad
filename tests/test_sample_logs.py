"""The sample logs: always the same bytes, worth what their generator says, and hiding what their README tells."""

from __future__ import annotations

import csv
import gzip
import importlib.util
import json
import re
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal
from pathlib import Path
from statistics import median
from typing import Any

import pytest

FOLDER = Path(__file__).parents[1] / "sample_logs"
FORMATS = ("claude_code", "csv", "litellm", "message_batches", "messages", "native", "text")
CLASSES = ("input", "cache_read", "cache_write_5m", "cache_write_1h", "output")
README = (FOLDER / "README.md").read_text(encoding="utf-8")


def _load() -> Any:
    spec = importlib.util.spec_from_file_location("larkspur_generate", FOLDER / "generate.py")
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


generate = _load()
TRUTH: dict[str, Any] = generate.truth()


def _files(folder: Path) -> dict[str, Path]:
    return {
        path.relative_to(folder).as_posix(): path
        for name in FORMATS
        for path in sorted((folder / name).rglob("*"))
        if path.is_file()
    }


def _bytes(path: Path) -> bytes:
    return gzip.decompress(path.read_bytes()) if path.suffix == ".gz" else path.read_bytes()


def _lines(name: str) -> list[str]:
    return [
        line
        for key, path in _files(FOLDER).items()
        if key.startswith(name + "/")
        for line in _bytes(path).decode().splitlines()
    ]


def _json(line: str) -> dict[str, Any] | None:
    try:
        record: dict[str, Any] = json.loads(line)
    except ValueError:
        return None
    return record


NATIVE = [record for line in _lines("native") if (record := _json(line)) and "usage" in record]


def _native(endpoint: str) -> list[dict[str, Any]]:
    seen = {record["request_id"]: record for record in NATIVE if record["endpoint"] == endpoint}
    return list(seen.values())


def _prompt(record: dict[str, Any]) -> int:
    usage = record["usage"]
    return int(usage["input_tokens"] + usage["cache_read_input_tokens"] + usage["cache_creation_input_tokens"])


def _cents(usd: Decimal) -> str:
    return f"{usd:,.2f}"


# --- the files ------------------------------------------------------------------------------------------------------


def test_files_are_what_the_generator_writes(tmp_path: Path) -> None:
    generate.write(tmp_path)
    fresh, kept = _files(tmp_path), _files(FOLDER)
    assert sorted(fresh) == sorted(kept)
    for name, path in fresh.items():
        # a compressed file is compared by its lines: builds of zlib differ in the bytes they make
        assert _bytes(path) == _bytes(kept[name]), f"{name} is not what `python sample_logs/generate.py` writes"


def test_a_second_run_leaves_the_compressed_file_alone(tmp_path: Path) -> None:
    [packed] = [path for path in generate.write(tmp_path) if path.suffix == ".gz"]
    other = gzip.compress(_bytes(packed), compresslevel=1)
    packed.write_bytes(other)
    generate.write(tmp_path)
    assert packed.read_bytes() == other
    packed.write_bytes(gzip.compress(b"{}\n"))
    generate.write(tmp_path)
    assert _bytes(packed) == _bytes(_files(FOLDER)[packed.relative_to(tmp_path).as_posix()])


def test_small_enough_to_ship() -> None:
    assert sum(path.stat().st_size for path in _files(FOLDER).values()) < 1_500_000


def test_nothing_personal_and_no_text() -> None:
    words = re.compile(r'"(?:text|content)":"([^"]*)"')
    for name, path in _files(FOLDER).items():
        content = _bytes(path).decode()
        assert "@" not in content, name
        assert not re.search(r"\b\d{1,3}(?:\.\d{1,3}){3}\b", content), f"{name} holds an address"
        assert all(len(text) <= 20 for text in words.findall(content)), f"{name} holds a text"


# --- the figures: the files read anew, against the generator's own sum ----------------------------------------------


@dataclass(frozen=True)
class Row:
    """One pass as the files tell it; `identity` finds the duplicates."""

    identity: str
    endpoint: str | None
    model: str | None
    day: str
    tokens: tuple[int, ...]
    searches: int = 0
    requests: int = 1


def _usage(block: dict[str, Any]) -> tuple[int, ...]:
    split = block.get("cache_creation", {})
    hour = split.get("ephemeral_1h_input_tokens", 0)
    written = block["cache_creation_input_tokens"]
    return block["input_tokens"], block["cache_read_input_tokens"], written - hour, hour, block["output_tokens"]


def _searches(block: dict[str, Any]) -> int:
    return int(block.get("server_tool_use", {}).get("web_search_requests", 0))


def _read_native() -> Iterator[Row]:
    for record in NATIVE:
        usage, day = record["usage"], record["timestamp"][:10]
        category = record.get("stop_details", {}).get("category")
        billed = category is None or (category == "bio" and day >= "2026-09-24")
        tokens = _usage(usage) if billed else (0,) * 5
        yield Row(record["request_id"], record["endpoint"], record["model"], day, tokens, _searches(usage))


def _read_messages() -> Iterator[Row]:
    for record in map(json.loads, _lines("messages")):
        body = record.get("response", record)
        if "usage" not in body:
            continue
        usage, day = body["usage"], record["timestamp"][:10]
        name = body.get("id") or body["message_id"]
        passes = usage.get("iterations", [])
        own = [entry for entry in passes if entry["type"] == "message"] or [usage]
        tokens = tuple(map(sum, zip(*map(_usage, own), strict=True)))
        yield Row(name, record["endpoint"], body["model"], day, tokens, _searches(usage))
        for entry in passes:
            if entry["type"] == "advisor_message":
                yield Row(f"{name}/advisor", record["endpoint"], entry["model"], day, _usage(entry), requests=0)


def _read_csv() -> Iterator[Row]:
    for n, row in enumerate(csv.DictReader(_lines("csv"))):
        tokens = (int(row["input_tokens"]), 0, 0, 0, int(row["output_tokens"]))
        yield Row(str(n), row["endpoint"], row["model"], row["timestamp"][:10], tokens)


def _read_text() -> Iterator[Row]:
    for n, line in enumerate(_lines("text")):
        if call := re.search(r"API call \[(\w+)\]: (\d+) input, (\d+) output tokens$", line):
            yield Row(str(n), call[1], None, line[:10], (int(call[2]), 0, 0, 0, int(call[3])))
        elif " claude call " in line:
            keys = dict(pair.split("=") for pair in line.split() if "=" in pair)
            tokens = (int(keys["input_tokens"]), 0, 0, 0, int(keys["output_tokens"]))
            yield Row(keys["request_id"], keys["endpoint"], keys["model"], line[:10], tokens)


def _read_litellm() -> Iterator[Row]:
    for row in map(json.loads, _lines("litellm")):
        metadata = json.loads(row["metadata"])
        if row["custom_llm_provider"] != "anthropic" or row["status"] == "failure":
            continue
        counted = metadata["usage_object"]
        read, written = counted["cache_read_input_tokens"], counted["cache_creation_input_tokens"]
        tokens = (row["prompt_tokens"] - read - written, read, written, 0, row["completion_tokens"])
        tokens = (0,) * 5 if row["cache_hit"] == "True" else tokens
        endpoint = metadata["spend_logs_metadata"]["endpoint"]
        yield Row(row["litellm_call_id"], endpoint, row["model"], row["startTime"][:10], tokens)


def _read_batches() -> Iterator[Row]:
    for name, path in _files(FOLDER).items():
        if name.startswith("message_batches/"):
            for line in map(json.loads, path.read_text().splitlines()):
                if line["result"]["type"] == "succeeded":
                    message = line["result"]["message"]
                    assert message["usage"]["service_tier"] == "batch"
                    day = name.split("_")[2]
                    yield Row(message["id"], None, message["model"], day, _usage(message["usage"]))


def _read_claude_code() -> Iterator[Row]:
    largest: dict[tuple[str, str], dict[str, Any]] = {}
    for line in map(json.loads, _lines("claude_code")):
        message = line["message"]
        if line["type"] == "assistant" and message["model"] != "<synthetic>":
            key = (message["id"], line["requestId"])
            known = largest.setdefault(key, line)
            if message["usage"]["output_tokens"] > known["message"]["usage"]["output_tokens"]:
                largest[key] = line
    for key, line in largest.items():
        message = line["message"]
        yield Row("/".join(key), None, message["model"], line["timestamp"][:10], _usage(message["usage"]))


READERS: dict[str, Callable[[], Iterator[Row]]] = {
    "claude_code": _read_claude_code,
    "csv": _read_csv,
    "litellm": _read_litellm,
    "message_batches": _read_batches,
    "messages": _read_messages,
    "native": _read_native,
    "text": _read_text,
}
FULL = {"claude-haiku-4-5": "claude-haiku-4-5-20251001", "claude-sonnet-4-5": "claude-sonnet-4-5-20250929"}


@pytest.mark.parametrize("name", FORMATS)
def test_the_files_hold_what_the_truth_says(name: str) -> None:
    rows = {row.identity: row for row in READERS[name]()}.values()
    found: dict[tuple[str, str], Counter[str]] = {}
    for row in rows:
        figures = found.setdefault((row.endpoint or "", FULL.get(row.model or "", row.model or "")), Counter())
        figures.update(dict(zip(CLASSES, row.tokens, strict=True)))
        figures.update(requests=row.requests, web_searches=row.searches)
    said = {
        (row["endpoint"] or "", row["model"] or ""): {key: row[key] for key in (*CLASSES, "requests", "web_searches")}
        for row in TRUTH["rows"]
        if row["format"] == name
    }
    assert {key: dict(figures) for key, figures in found.items()} == said
    assert len(rows) == TRUTH["lines"][name]["passes"]
    assert {row.day for row in rows} <= TRUTH["by_day"].keys()


@pytest.mark.parametrize("name", FORMATS)
def test_every_line_is_accounted_for(name: str) -> None:
    lines = TRUTH["lines"][name]
    assert len(_lines(name)) - (name == "csv") == lines["lines"]
    assert lines["lines"] == lines["calls"] + lines["duplicates"] + lines["ignored"] + lines["rejected"]


@pytest.mark.parametrize("part", ["rows", "by_endpoint", "by_model", "by_day"])
def test_every_grouping_adds_up_to_the_total(part: str) -> None:
    rows = TRUTH[part] if part == "rows" else TRUTH[part].values()
    assert sum(Decimal(row["cost_usd"] or 0) for row in rows) == Decimal(TRUTH["total_usd"])
    assert sum(row["requests"] for row in rows) == TRUTH["requests"]
    assert {name: sum(row[name] for row in rows) for name in CLASSES} == TRUTH["tokens"]


# --- the story ------------------------------------------------------------------------------------------------------


def test_money_is_worth_a_look() -> None:
    by_endpoint = {name: Decimal(row["cost_usd"] or 0) for name, row in TRUTH["by_endpoint"].items() if name}
    total = Decimal(TRUTH["total_usd"])
    assert 300 < total < 3000
    top = sorted(by_endpoint.values(), reverse=True)[: len(by_endpoint) // 5]
    assert sum(top) > Decimal("0.75") * total
    assert f"Two of ten named endpoints make {sum(top) / total * 100:.0f} % of the bill" in README
    assert TRUTH["unpriced"] == {"requests": 19, "models": ["claude-preview-canary"]}
    assert TRUTH["unbilled"] == {"gateway_cache": 1, "refusal": 4}


def test_two_months_with_weekends_and_a_spike() -> None:
    days = {name: Decimal(row["cost_usd"]) for name, row in TRUTH["by_day"].items()}
    assert (min(days), max(days), len(days)) == ("2026-09-15", "2026-11-20", 67)
    weekend = [usd for name, usd in days.items() if datetime.fromisoformat(name).weekday() >= 5]
    assert median(weekend) < Decimal("0.8") * median(days.values())
    spike = max(days, key=lambda name: days[name])
    assert spike == "2026-10-22" and days[spike] > 4 * median(days.values())
    assert f"${_cents(days[spike])} in one day" in README


def test_ids_are_unique_and_equal_hashes_mean_equal_blocks() -> None:
    assert [count for count in Counter(record["request_id"] for record in NATIVE).values() if count > 1] == [2]
    sizes: dict[str, set[tuple[int, str]]] = {}
    for record in NATIVE:
        blocks = record.get("prompt_blocks", [])
        assert sum(block["tokens"] for block in blocks) <= _prompt(record)
        for block in blocks:
            sizes.setdefault(block["hash"], set()).add((block["tokens"], block["kind"]))
    assert all(len(size) == 1 for size in sizes.values())


def test_the_nightly_report_could_wait() -> None:
    rows = _native("nightly_report")
    assert all(row["latency_tolerant"] and row["usage"]["service_tier"] == "standard" for row in rows)
    half = Decimal(TRUTH["by_endpoint"]["nightly_report"]["cost_usd"]) / 2
    assert f"${_cents(half)} less in a batch" in README


def test_invoices_fit_on_haiku() -> None:
    rows = _native("extract_invoice")
    assert all(row["task"] == "extract" and row["stop_reason"] == "end_turn" for row in rows)
    assert max(map(_prompt, rows)) < 100_000
    usd = sum(_prompt(row) * Decimal("0.10") + row["usage"]["output_tokens"] * Decimal("0.50") for row in rows)
    assert f"${_cents(usd / 1_000_000)} on Haiku 5.5" in README


def test_routing_the_warm_chat_raises_the_bill() -> None:
    rows = _native("plant_doctor")
    assert all(row["task"] == "triage" for row in rows) and min(map(_prompt, rows)) > 100_000
    # Haiku 5.5 above 100,000 prompt tokens: 0.50 in, 2.50 out, and a cache of its own that is cold
    haiku = (
        sum(_prompt(row) * Decimal("0.50") + row["usage"]["output_tokens"] * Decimal("2.50") for row in rows)
        / 1_000_000
    )
    now = Decimal(TRUTH["by_endpoint"]["plant_doctor"]["cost_usd"])
    assert haiku > Decimal("1.5") * now
    assert f"${_cents(haiku)} instead of\n  ${_cents(now)}" in README


def test_a_clock_at_the_start_of_the_prompt_writes_the_cache_and_never_reads() -> None:
    rows = sorted(_native("order_status"), key=lambda row: row["timestamp"])
    assert {row["usage"]["cache_read_input_tokens"] for row in rows} == {0}
    assert {row["usage"]["cache_creation_input_tokens"] for row in rows} == {22_900}
    starts = [datetime.fromisoformat(row["timestamp"]) for row in rows]
    warm = [
        row
        for row, start, before in zip(rows[1:], starts[1:], starts, strict=False)
        if start - before <= timedelta(minutes=5)
    ]
    assert f"{len(warm) / len(rows):.0%}".replace("%", " %") + " of the calls" in README
    # a read for a write: 2.50 less 0.20, from 2026-10-07 less 0.10
    late = sum(row["timestamp"] >= "2026-10-07" for row in warm)
    saved = 22_900 * ((len(warm) - late) * Decimal("2.30") + late * Decimal("2.40"))
    assert f"would save ${_cents(saved / 1_000_000)}" in README


def test_a_stable_prompt_is_read() -> None:
    for endpoint, share in (("support_chat", 0.8), ("plant_doctor", 0.9)):
        row = TRUTH["by_endpoint"][endpoint]
        assert row["cache_read"] / (row["cache_read"] + row["cache_write_5m"]) > share


def test_a_marked_prompt_below_the_minimum_is_not_cached() -> None:
    rows = [row for row in _native("classify_review") if row["model"] == "claude-haiku-4-5"]
    assert all(row["prompt_blocks"][0]["breakpoint"] and row["prompt_blocks"][0]["tokens"] < 4_096 for row in rows)
    assert all(row["usage"]["input_tokens"] == _prompt(row) for row in rows)
    assert max(Counter(row["request_hash"] for row in rows).values()) == 2


def test_cut_answers_are_asked_for_again() -> None:
    rows = {row["request_id"]: row for row in _native("care_guide")}
    cut = {name for name, row in rows.items() if row["stop_reason"] == "max_tokens"}
    assert cut == {row["retry_of"] for row in rows.values() if "retry_of" in row}
    assert all(rows[name]["usage"]["output_tokens"] == rows[name]["max_tokens"] == 4_096 for name in cut)
    assert f"{len(cut)} answers were cut" in README
    assert sum(row["usage"]["service_tier"] == "batch" for row in rows.values()) == 22


def test_the_price_change_is_inside_the_period() -> None:
    reads = [
        row["timestamp"][:10]
        for row in NATIVE
        if row["model"] == "claude-sonnet-5-5" and row["usage"]["cache_read_input_tokens"]
    ]
    assert min(reads) < "2026-10-07" < max(reads)


# --- the page -------------------------------------------------------------------------------------------------------


def test_readme_tables_are_the_truth() -> None:
    assert f"{TRUTH['requests']:,} requests, ${_cents(Decimal(TRUTH['total_usd']))} at list prices" in README
    for name, lines in TRUTH["lines"].items():
        counts = " | ".join(f"{lines[key]:,}" for key in ("lines", "calls", "duplicates", "ignored", "rejected"))
        assert re.search(rf"^\| `{name}/` \| .* \| {counts} \|$", README, re.M), f"{name}: {counts}"
    for name, row in TRUTH["by_endpoint"].items():
        label = f"`{name}`" if name else r"\(none\)"
        figures = f"{row['requests']:,} | {_cents(Decimal(row['cost_usd']))}"
        assert re.search(rf"^\| {label} \| .* \| {re.escape(figures)} \|$", README, re.M), f"{name}: {figures}"


def test_nothing_beside_the_logs_reads_like_a_call() -> None:
    """A walk over the whole folder must not find calls in the page or in the generator."""
    for path in (FOLDER / "README.md", *FOLDER.glob("*.py"), *FOLDER.glob("larkspur/*.py")):
        for line in path.read_text(encoding="utf-8").splitlines():
            assert not re.search(r"\d+ input, \d+ output tokens|input_tokens=\d+.*output_tokens=\d+", line), path.name
            assert not line.startswith("{"), path.name
