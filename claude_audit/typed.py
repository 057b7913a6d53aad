"""SQL that checks and types what a log says of a call: counts checked, times read, cache writes split; or a reason why not."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from claude_audit.calls import BOOLEANS, CALL_COLUMNS, COUNTS, MOST, NUMBERS, PLAIN, Assumptions
from claude_audit.pieces import quoted

SMALL = 2**59
"""Counts up to this add up to less than MOST, however many of a call's are added."""

FIRST, LAST = "1970-01-01 00:00:00+00", "2262-01-01 00:00:00+00"
"""No call was made before, or will have been after: such a time is none (an "infinity", a year of five digits)."""

TOLD = {
    "error": "error|errored|failed|failure|expired|cancell?ed",
    "timeout": "(client[ _-]?)?time(d)?[ _-]?out|aborted|disconnected",
    "invalid": "invalid([ _-](output|json|answer|response))?",
}
"""What became of a call, by the words for it in a log. The client gave up (timeout), or could not use the answer (invalid):
billed all the same, by what is counted."""


@dataclass(frozen=True, slots=True)
class Given:
    """The columns that an ingestor's SELECT yields. What it does not yield costs nothing: no column is made of it.

    Four steps, each a SELECT over the one before: `cast`, `numbered`, `typed`, and `call` beside `reason`.
    """

    present: frozenset[str]

    def _all(self, *names: str) -> list[str]:
        return [name for name in names if name in self.present]

    def _or(self, name: str, otherwise: str) -> str:
        return name if name in self.present else otherwise

    def _zero(self, name: str) -> str:
        return f"coalesce({name}, 0)" if name in self.present else "0"

    @property
    def _split(self) -> str:
        """SQL: the cache writes whose TTL is known."""
        return f"({self._zero('cache_write_5m_tokens')} + {self._zero('cache_write_1h_tokens')})"

    def cast(self) -> str:
        """SQL: every column in the type that it is read as; `ignore` and `reject` always."""
        wanted = {"file", "line", "ignore", "reject"} | self.present
        return ", ".join(
            f'{column if column in self.present else "NULL"}::{sql} AS "{column}"'
            for column, sql in CALL_COLUMNS.items()
            if column in wanted
        )

    def numbered(self) -> str:
        """SQL: beside the counts, the numbers that their texts are, if they are."""
        return "".join(f", TRY_CAST({c} AS BIGINT) AS n_{c}" for c in self._all(*COUNTS))

    def typed(self) -> str:
        """SQL: every column typed, null where its text is no such value; counts and the time also as text."""
        counts, numbers, truths = self._all(*COUNTS), self._all(*NUMBERS), self._all(*BOOLEANS)
        away = ["ignore", *counts, *(f"n_{c}" for c in counts), *numbers, *truths, *self._all("ts")]
        parts = [f"* EXCLUDE ({', '.join(away)})", f"coalesce(ignore, {self._nothing()}) AS ignore"]
        for c in counts:
            # Nearly every count is written as the engine writes it: the rest takes the longer way.
            parts.append(f"CASE WHEN n_{c} >= 0 AND n_{c}::VARCHAR = {c} THEN n_{c} ELSE count_of({c}) END AS {c}")
            parts.append(f"{c} AS {c}_text")
        parts += [f"TRY_CAST({c} AS {NUMBERS[c]}) AS {c}" for c in numbers]
        parts += [f"truth({c}) AS {c}" for c in truths]
        if "ts" in self.present:
            parts += ["ts AS ts_text", "CASE WHEN absent(ts) THEN NULL ELSE instant(ts) END AS ts"]
        else:
            parts += ["NULL::VARCHAR AS ts_text", "NULL::TIMESTAMPTZ AS ts"]
        return ", ".join(parts)

    def _nothing(self) -> str:
        """SQL: the reason to ignore a record without any count."""
        counted = self._all(*(c for c in COUNTS if c not in ("server_calls", "thinking_tokens")))
        none = f"coalesce({', '.join(counted)}) IS NULL" if counted else "true"
        return f"CASE WHEN reject IS NULL AND {none} THEN 'no token counts' END"

    def reason(self) -> str:
        """SQL: why a line is rejected, naming the first value that breaks a rule."""
        cases = [
            f"WHEN {c} IS NULL AND {c}_text IS NOT NULL AND NOT absent({c}_text) THEN '{c} is ' || left({c}_text, 60)"
            for c in self._all(*COUNTS)
        ]
        if "iterations" in self.present:
            for name in ("input_tokens", "output_tokens", "cache_read_input_tokens", "cache_creation_input_tokens"):
                listed = f"json_extract_string(iterations, '$[*].{name}')"
                wrong = f"list_filter({listed}, lambda x: NOT absent(x) AND count_of(x) IS NULL)"
                cases.append(
                    f"WHEN passes_in(iterations) > 0 AND len({wrong}) > 0 THEN '{name} in iterations is ' || left({wrong}[1], 60)"
                )
        cases += [
            f"WHEN {sum_of} > {MOST} THEN 'the token counts of {what} add up to more than {MOST}'"
            for what, sum_of in self._sums()
        ]
        cases.append(
            f"WHEN NOT absent(ts_text) AND coalesce(ts < TIMESTAMPTZ {quoted(FIRST)} OR ts >= TIMESTAMPTZ {quoted(LAST)}, true) "
            "THEN 'the time ' || left(ts_text, 60) || ' cannot be read'"
        )
        return f"CASE {' '.join(cases)} END"

    def _sums(self) -> Iterator[tuple[str, str]]:
        """What has to be a count in sum too, and its SQL, of wide numbers: the prompt, and all that the passes count."""

        def wide(name: str) -> str:
            return f"coalesce({name}, 0)::HUGEINT" if name in self.present else "0::HUGEINT"

        split = f"{wide('cache_write_5m_tokens')} + {wide('cache_write_1h_tokens')}"
        cached = f"({wide('cache_read_tokens')} + greatest({wide('cache_write_tokens')}, {split}))"
        own = wide("input_tokens")
        added = [c for c in self._all(*COUNTS) if c.startswith(("input", "cache"))]
        prompt = f"{own} + {cached}"
        if "inclusive" in self.present:
            prompt = f"CASE WHEN inclusive AND {own} >= {cached} THEN {own} ELSE {prompt} END"
        if added:
            yield "the prompt", f"CASE WHEN greatest({', '.join(added)}) > {SMALL} THEN {prompt} END"
        if "iterations" in self.present:
            names = ["input_tokens", "output_tokens", "cache_read_input_tokens", "cache_creation_input_tokens"]
            names += [f"cache_creation.ephemeral_{ttl}_input_tokens" for ttl in ("5m", "1h")]
            passes = " + ".join(
                f"coalesce(list_sum(TRY_CAST(json_extract_string(iterations, '$[*].{name}') AS BIGINT[])), 0)::HUGEINT"
                for name in names
            )
            yield "the passes", f"CASE WHEN passes_in(iterations) > 0 THEN {passes} END"

    def call(self, assume: Assumptions) -> dict[str, str]:
        """SQL of the typed columns of one call, by name. The engine lets a later one use an earlier one."""
        has, zero = self.present.__contains__, self._zero
        made = {"ts": "ts"}
        made |= {c: f"nullif({c}, '')" for c in self._all(*PLAIN)}
        told = "CASE WHEN absent(model_raw) THEN {} ELSE model_raw END" if has("model_raw") else "{}"
        if has("model_raw") or assume.model:
            made["model_name"] = told.format(quoted(assume.model) if assume.model else "NULL")
        own = "nullif(endpoint, '')" if has("endpoint") else "NULL"
        if has("endpoint") or assume.endpoint:
            made["endpoint"] = f"coalesce({own}, {quoted(assume.endpoint)})" if assume.endpoint else own
        if has("tier"):
            made["tier"] = "nullif(nullif(lower(tier), ''), 'null')"
        if has("speed"):
            made["speed"] = "CASE lower(speed) WHEN 'normal' THEN 'standard' WHEN '' THEN NULL ELSE lower(speed) END"
        if has("geo"):
            made["geo"] = "CASE lower(geo) WHEN 'not_available' THEN NULL WHEN '' THEN NULL ELSE lower(geo) END"
        made |= self._tokens()
        made |= {c: c for c in self._all(*NUMBERS, *BOOLEANS, "iterations", "tags", "prompt_blocks", "part")}
        if has("prompt_blocks"):
            # least() passes over a null: without blocks it would say 32,767.
            marked = "least(len(list_filter(prompt_blocks, lambda b: b.breakpoint)), 32767)::SMALLINT"
            marks = f"CASE WHEN prompt_blocks IS NOT NULL THEN {marked} END"
            made["cache_breakpoints"] = f"coalesce(cache_breakpoints, {marks})" if has("cache_breakpoints") else marks
        refused = "stop_reason = 'refusal'" if has("stop_reason") else "false"
        made["outcome"] = f"CASE WHEN {refused} THEN 'refused' ELSE 'ok' END"
        if has("status"):
            error, timeout, invalid = (
                f"WHEN regexp_full_match(lower(status), '{words}') THEN '{name}'" for name, words in TOLD.items()
            )
            made["outcome"] = f"CASE {error} {timeout} WHEN {refused} THEN 'refused' {invalid} ELSE 'ok' END"
        if has("stop_reason"):
            blocks = self._or("content_blocks", "NULL::INTEGER")
            made["refused_empty"] = f"{refused} AND ({blocks} = 0 OR {blocks} IS NULL AND {zero('output_tokens')} = 0)"
        if has("unbilled") or has("status"):
            free = "WHEN nullif(unbilled, '') IS NOT NULL THEN unbilled" if has("unbilled") else ""
            made["free"] = f"CASE {free} WHEN outcome = 'error' THEN 'error' END"
        made["flags"] = self._flags(refused, assume)
        ids = [f"nullif({c}, '')" for c in self._all("identity", "request_id", "message_id")]
        if ids:
            made["identity"] = f"coalesce({', '.join(ids)})"
        made["snapshots"] = "coalesce(snapshots, false)" if has("snapshots") else "false"
        extra = "CASE WHEN passes_in(iterations) > 0 THEN extra_output(iterations, {}) ELSE 0 END".format(
            self._or("output_tokens", "NULL")
        )
        made["weight"] = (
            f"TRY(({zero('output_tokens')} + {extra})::BIGINT)" if has("iterations") else zero("output_tokens")
        )
        return made

    def _tokens(self) -> dict[str, str]:
        has, zero, split = self.present.__contains__, self._zero, self._split
        # What adds up to more than a count has no call, but a reason: then the sums here are null.
        made = {"writes": f"TRY(greatest({zero('cache_write_tokens')}, {split}))"}
        own = self._or("input_tokens", "NULL")
        cached = f"{zero('cache_read_tokens')} + writes"
        made["uncached"] = f"{own}::BIGINT"
        if has("inclusive"):
            made["uncached"] = (
                f"TRY(CASE WHEN inclusive AND {zero('input_tokens')} >= {cached} "
                f"THEN {own} - {cached.replace('+', '-')} ELSE {own} END)"
            )
        if has("cache_write_5m_tokens"):
            made["write_5m"] = "cache_write_5m_tokens"
        if has("cache_write_1h_tokens"):
            made["write_1h"] = "cache_write_1h_tokens"
        if has("cache_write_tokens"):
            made["write_unknown"] = f"TRY(CASE WHEN cache_write_tokens > {split} THEN cache_write_tokens - {split} END)"
        made |= {c: c for c in self._all("cache_read_tokens", "output_tokens", "thinking_tokens", "web_searches")}
        made["server_calls"] = zero("server_calls")
        made["prompt"] = f"TRY(uncached + {cached})"
        return made

    def _short(self) -> str:
        """SQL: whether the input or the output of a billed call is in no count, nor in those of its passes, nor said to be cut."""
        gone = " OR ".join(f"{self._or(c, 'NULL')} IS NULL" for c in ("input_tokens", "output_tokens"))
        told = [f"({gone})"]
        if {"unbilled", "status"} & self.present:
            told.append("free IS NULL")
        if "iterations" in self.present:
            told.append("passes_in(iterations) = 0")
        if "notes" in self.present:
            told.append("NOT coalesce(list_contains(notes, 'partial_stream'), false)")
        return " AND ".join(told)

    def _flags(self, refused: str, assume: Assumptions) -> str:
        """SQL: what is assumed about a call. Most calls need none of it: the list is put together for those that do."""
        has = self.present.__contains__
        zoned = "suffix(ts_text, 'Z') AND strlen(ts_text) > 10"
        cases = {
            "time_from_file": "ts IS NULL",
            "time_zone_assumed": f"ts IS NOT NULL AND NOT ({zoned}) AND naive_time(ts_text)",
        }
        if assume.model:
            cases["model_assumed"] = "absent(model_raw)" if has("model_raw") else "true"
        if has("cache_write_tokens"):
            cases["ttl_unknown"] = "write_unknown > 0"
        if has("inclusive"):
            cached = f"{self._zero('cache_read_tokens')} + writes"
            cases["basis_assumed"] = f"TRY(inclusive AND {self._zero('input_tokens')} < {cached})"
        if has("cache_unseen"):
            cases["cache_unseen"] = "cache_unseen"
        cases["count_missing"] = self._short()
        if has("stop_reason"):
            blocks = "content_blocks IS NULL AND" if has("content_blocks") else ""
            cases["refusal_content_unknown"] = f"{refused} AND {blocks} NOT refused_empty"
        notes = "coalesce(notes, [])" if has("notes") else "[]::VARCHAR[]"
        listed = ", ".join(f"CASE WHEN {condition} THEN '{flag}' END" for flag, condition in cases.items())
        some = " OR ".join(f"coalesce({condition}, false)" for condition in cases.values())
        return f"CASE WHEN {some} THEN list_filter(list_concat({notes}, [{listed}]), lambda x: x IS NOT NULL) ELSE {notes} END"
