"""Home-made tables: any header, any delimiter, quotes that pair and quotes that do not, and what a table cannot tell."""

from __future__ import annotations

import csv
import gzip
import io
import tempfile
from decimal import Decimal
from pathlib import Path

import pytest
from exports import fates
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from logs import audit, read, table
from plain_logs import CACHED, CALL, calls, garbage, in_store, ingested

from claude_audit import pieces
from claude_audit.calls import Assumptions
from claude_audit.errors import AuditError
from claude_audit.mapping import FieldMap
from claude_audit.mapping_file import load

HEADER = "timestamp,model,endpoint,input_tokens,output_tokens\n"
quick = settings(max_examples=8, deadline=None, suppress_health_check=[HealthCheck.too_slow])


def row(n: int, *, model: str = "claude-opus-4-8", endpoint: str = "chat", told: str = "10,20") -> str:
    return f"2026-11-02T10:00:{n:02d}Z,{model},{endpoint},{told}\n"


def test_a_row_is_a_call(tmp_path: Path) -> None:
    assert calls(tmp_path, HEADER + row(1) + row(2, told="30,40"), name="usage.csv") == [(2, 10, 20), (3, 30, 40)]
    answer = audit(tmp_path / "store").spend(["endpoint"])
    assert answer.total_usd == (Decimal(40) * 5 + Decimal(60) * 25) / 10**6
    assert [(r.labels[0], r.requests) for r in answer.rows] == [("chat", 2)]


@pytest.mark.parametrize("delimiter", [",", ";", "\t"])
@pytest.mark.parametrize("end", ["\n", "\r\n"])
def test_delimiters_and_line_ends(tmp_path: Path, delimiter: str, end: str) -> None:
    text = (HEADER + row(1) + row(2)).replace(",", delimiter).replace("\n", end)
    assert calls(tmp_path, "\ufeff" + text, name="usage.txt") == [(2, 10, 20), (3, 10, 20)]


@pytest.mark.parametrize(
    "header",
    [
        "ts,model_name,feature,prompt_tokens,completion_tokens",
        "Created At,Model,Endpoint,Input Tokens,Output Tokens",
        "created-at,modelId,useCase,inputTokens,outputTokens",
        "@timestamp,MODEL_USED,route,TOKENS_IN,TOKENS_OUT",
    ],
)
def test_names_of_columns(tmp_path: Path, header: str) -> None:
    report = ingested(tmp_path, header + "\n" + row(1), name="usage.csv")
    assert dict(report.formats) == {"csv": 1}
    assert in_store(tmp_path, "endpoint, model, input_tokens, output_tokens, CAST(ts AS VARCHAR)") == [
        ("chat", "claude-opus-4-8", 10, 20, "2026-11-02 10:00:01+00")
    ]


@pytest.mark.parametrize(
    ("cell", "tokens"),
    [
        ("1204", 1204),
        ("1204.0", 1204),
        ('"1,204"', 1204),
        ("1 204", 1204),
        ("1_204", 1204),
        ("1'204", 1204),
        ('"1,234,567.00"', 1234567),
        ("", None),
        ("-", None),
        ("--", None),
        ("null", None),
    ],
)
def test_counts_as_people_write_them(tmp_path: Path, cell: str, tokens: int | None) -> None:
    assert calls(tmp_path, HEADER + row(1, told=f"{cell},20"), name="usage.csv") == [(2, tokens, 20)]


@pytest.mark.parametrize("cell", ["-4", "1.5", "1.204", "NaN", "many", '"1,2"', '"12,34,567"', "9223372036854775808"])
def test_what_is_no_count_rejects_its_row(tmp_path: Path, cell: str) -> None:
    report = ingested(tmp_path, HEADER + row(1) + row(2, told=f"{cell},20") + row(3), name="usage.csv")
    assert fates(report) == (2, 0, 0, 1)
    assert [(r.line, r.reason) for r in report.rejects] == [(3, f"input_tokens is {cell.strip(chr(34))}")]


def test_broken_rows_cost_no_others(tmp_path: Path) -> None:
    text = (
        HEADER
        + row(1)
        + "2026-11-02T10:00:02Z,claude-opus-4-8\n"  # too few
        + row(3).replace("\n", ",more\n")
        + row(4, endpoint='"chat')  # a quote that nothing closes
        + row(5)
        + "\n"  # a blank line is no line
        + row(6, endpoint='"of, two\nlines and ""quotes"""')
        + "soon,claude-opus-4-8,chat,10,20\n"
        + row(8, told="10,2")
    )
    report = ingested(tmp_path, text, name="usage.csv")
    assert fates(report) == (4, 0, 0, 4)
    assert [(r.line, r.reason) for r in report.rejects] == [
        (3, "2 columns where the header has 5"),
        (4, "6 columns where the header has 5"),
        (5, "quotes do not pair"),
        (10, "the time soon cannot be read"),
    ]
    assert in_store(tmp_path, "line, endpoint") == [
        (2, "chat"),
        (6, "chat"),
        (8, 'of, two\nlines and "quotes"'),
        (11, "chat"),
    ]


def test_rows_of_several_lines_survive_a_stray_quote_before_them(tmp_path: Path) -> None:
    several = "".join(row(n, endpoint=f'"a\nb{n}"') for n in range(10, 15))
    report = ingested(
        tmp_path, HEADER + row(1, endpoint='"stray') + several + row(2, endpoint='"last'), name="usage.csv"
    )
    assert fates(report) == (5, 0, 0, 2)
    assert [r.line for r in report.rejects] == [2, 13]


@quick
@given(
    cells=st.lists(
        st.text(st.characters(exclude_characters="\r\0", exclude_categories=["Cs"]), max_size=20), max_size=6
    )
)
def test_what_a_csv_writer_writes_is_read(cells: list[str]) -> None:
    """Any text, written by the standard library with the quotes it needs, comes back as rows of their own."""
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow(("timestamp", "model", "note", "input_tokens", "output_tokens", "request_id"))
    for n, cell in enumerate(cells):
        writer.writerow(("2026-11-02T10:00:00Z", "claude-opus-4-8", cell, n, 1, f"req_{n}"))
    with tempfile.TemporaryDirectory() as folder:
        report = ingested(Path(folder), out.getvalue(), name="usage.csv")
        assert fates(report) == (len(cells), 0, 0, 0)


@quick
@given(between=garbage)
def test_garbage_between_rows(between: list[str]) -> None:
    good = [row(n, told=f"{n},1").strip() for n in range(1, 5)]
    lines = [line for n, each in enumerate(good) for line in (*between[n : n + 1], each)] + between[4:]
    with tempfile.TemporaryDirectory() as folder:
        report = ingested(Path(folder), HEADER + "\n".join(lines) + "\n", name="usage.csv")
        fates(report)
        assert [r[1] for r in in_store(Path(folder))] == [1, 2, 3, 4]


def test_two_equal_rows_without_an_id_are_two_calls_and_read_once(tmp_path: Path) -> None:
    assert fates(ingested(tmp_path, HEADER + row(1) * 2, name="usage.csv")) == (2, 0, 0, 0)
    grown = ingested(tmp_path, HEADER + row(1) * 2 + row(3), name="usage.csv")
    assert fates(grown) == (1, 2, 0, 0)


def test_rows_with_an_id_are_known_by_it(tmp_path: Path) -> None:
    header = HEADER.replace("endpoint", "id")
    report = ingested(tmp_path, header + row(1, endpoint="req_1") * 2 + row(2, endpoint="17") * 2, name="usage.csv")
    assert fates(report) == (3, 1, 0, 0)


class TestCache:
    """Whether input includes what was read from and written to the cache."""

    COLUMNS = "input_tokens, cache_read_tokens, prompt_tokens, CAST(flags AS VARCHAR)"

    def told(self, folder: Path, header: str, *rows: str, **more: object) -> list[tuple[object, ...]]:
        text = f"timestamp,model,{header}\n" + "".join(f"2026-11-02T10:00:00Z,claude-opus-4-8,{r}\n" for r in rows)
        return calls(folder, text, self.COLUMNS, name="usage.csv", **more)

    def test_openai_names_include_it(self, tmp_path: Path) -> None:
        found = self.told(tmp_path, "prompt_tokens,cached_tokens,completion_tokens", "100,40,5", "100,0,5")
        assert found == [(60, 40, 100, "[]"), (100, 0, 100, "[]")]

    def test_anthropic_names_do_not(self, tmp_path: Path) -> None:
        assert self.told(tmp_path, "input_tokens,cache_read_input_tokens,output_tokens", "100,40,5") == [
            (100, 40, 140, "[]")
        ]

        assert self.told(tmp_path / "short", "Input Tokens,Cache Read,Output Tokens", "100,40,5", "100,hit,5") == [
            (100, 40, 140, "[]"),
            (100, None, 100, "[]"),
        ]

    @pytest.mark.parametrize("cached", ["cached_tokens", "cached_input_tokens"])
    def test_a_mixture_is_an_assumption(self, tmp_path: Path, cached: str) -> None:
        found = self.told(tmp_path, f"input_tokens,{cached},output_tokens", "100,40,5", "100,0,5")
        assert found == [(60, 40, 100, "[basis_assumed]"), (100, 0, 100, "[]")]

    def test_until_a_row_proves_the_contrary(self, tmp_path: Path) -> None:
        found = self.told(tmp_path, "input_tokens,cached_tokens,output_tokens", "100,40,5", "-4,400,5", "100,400,5")
        assert found == [(100, 40, 140, "[]"), (100, 400, 500, "[]")]

    def test_or_the_user_says_so(self, tmp_path: Path) -> None:
        mapping = FieldMap(includes_cache=False)
        found = self.told(tmp_path, "input_tokens,cached_tokens,output_tokens", "100,40,5", mapping=mapping)
        assert found == [(100, 40, 140, "[]")]

    def test_no_columns_for_it(self, tmp_path: Path) -> None:
        report = ingested(tmp_path, HEADER + row(1), name="usage.csv")
        assert any("no cache counters" in warning for warning in report.warnings)

    def test_writes_by_ttl(self, tmp_path: Path) -> None:
        header = "timestamp,model,input_tokens,cache_creation_input_tokens,ephemeral_1h_input_tokens,output_tokens\n"
        text = header + "2026-11-02T10:00:00Z,claude-opus-4-8,5,100,80,1\n"
        assert calls(tmp_path, text, CACHED, name="usage.csv") == [(5, None, None, 80, 20, 1)]


@pytest.mark.parametrize(
    "totals", ["TOTAL,,,100,200", ",,TOTAL,100,200", ",Total:,,100,200", ",,,100,200", ",claude-opus-4-8,Sum,1,2"]
)
def test_a_row_of_totals_is_no_call(tmp_path: Path, totals: str) -> None:
    assert fates(ingested(tmp_path, HEADER + row(1) + totals + "\n", name="usage.csv")) == (1, 0, 0, 1)


def test_a_call_without_a_time_has_that_of_its_file(tmp_path: Path) -> None:
    found = calls(
        tmp_path, HEADER + ",claude-opus-4-8,chat,10,20\n", "CAST(ts AS VARCHAR), flags[1]", name="usage-2026-10-05.csv"
    )
    assert found == [("2026-10-05 00:00:00+00", "time_from_file")]


def test_date_and_time_in_two_columns(tmp_path: Path) -> None:
    text = "date,time,model,input_tokens,output_tokens\n2026-11-02,10:30,claude-opus-4-8,1,2\n"
    assert calls(tmp_path, text, "CAST(ts AS VARCHAR)", name="usage.csv", timezone="Europe/Berlin") == [
        ("2026-11-02 09:30:00+00",)
    ]


def test_a_row_may_stand_for_several_calls(tmp_path: Path) -> None:
    text = (
        "timestamp,model,calls,input_tokens,output_tokens\n"
        "2026-11-02T10:00:00Z,claude-sonnet-4-5,3,500000,30\n"
        "2026-11-02T10:00:00Z,claude-sonnet-4-5,1,500,30\n"
        "2026-11-02T10:00:00Z,claude-sonnet-4-5,,500,30\n"
    )
    found = calls(tmp_path, text, "requests, prompt_tokens, 'band_unknown' IN flags", name="usage.csv")
    assert found == [(3, None, True), (1, 500, False), (1, 500, False)]


def test_a_list_of_calls_is_counted(tmp_path: Path) -> None:
    header = "started_at,model,claude_call_details,input_tokens,output_tokens\n"
    cells = ("8+7: 15529.75ms (COMPLETED)|8+9: 210ms (FAILED)", '"[1, 2, 3]"', "")
    text = header + "".join(f"2026-11-02T10:00:00Z,claude-opus-4-8,{cell},1,2\n" for cell in cells)
    assert calls(tmp_path, text, "requests", name="runs.csv") == [(2,), (3,), (0,)]


def test_what_else_a_table_tells(tmp_path: Path) -> None:
    text = (
        "timestamp,model,endpoint,input_tokens,output_tokens,elapsed,cost_usd,customer_id,session_id,is_batch,api_key,region_code,prompt,body\n"
        '2026-11-02T10:00:00Z,claude-opus-4-8,chat,1,2,1.5,"$1,000.25",c-1,s-1,true,sk-ant-api03-0123456789abcdef,eu-1,secret,{"a":1}\n'
    )
    found = calls(
        tmp_path,
        text,
        'latency_ms, cost_reported_usd, "user", session, tier, left(api_key, 7), CAST(tags AS VARCHAR)',
        name="usage.csv",
    )
    assert found == [(1500.0, Decimal("1000.25"), "c-1", "s-1", "batch", "sha256:", "{region_code=eu-1}")]


def test_no_model_is_an_error_that_helps(tmp_path: Path) -> None:
    text = HEADER.replace("model", "modl") + row(1)
    with pytest.raises(AuditError, match=r"usage\.csv: no column holds the model \(closest: modl\)") as error:
        ingested(tmp_path, text, name="usage.csv")
    assert "--assume-model" in error.value.hint
    assert calls(tmp_path, text, "model, 'model_assumed' IN flags", name="usage.csv", model="haiku") == [(None, True)]


@pytest.mark.parametrize(
    "text", ["a,b,c\n1,2,3\n", "when,model,total_tokens\n2026-11-02T10:00:00Z,claude-opus-4-8,7\n", "input_tokens\n1\n"]
)
def test_tables_without_tokens_are_not_recognised(tmp_path: Path, text: str) -> None:
    with pytest.raises(AuditError, match="not a log of a format known here"):
        ingested(tmp_path, text, name="usage.csv")


def test_a_forced_format_names_what_is_missing(tmp_path: Path) -> None:
    with pytest.raises(AuditError, match="no column holds the token counts"):
        ingested(
            tmp_path,
            "timestamp,model,tokens\n2026-11-02T10:00:00Z,claude-opus-4-8,7\n",
            name="usage.csv",
            input_format="csv",
        )


def test_map_names_columns_and_constants(tmp_path: Path) -> None:
    (tmp_path / "map.yaml").write_text(
        "model: engine\ninput_tokens: in\noutput_tokens: out\ntimestamp: when\nendpoint: =news\nis_batch: true\n"
    )
    text = "when,engine,in,out,timestamp\n2026-11-02T10:00:00Z,claude-opus-4-8,7,8,yesterday\n"
    found = calls(
        tmp_path,
        text,
        "model, endpoint, input_tokens, output_tokens, tier",
        name="usage.csv",
        mapping=load(tmp_path / "map.yaml"),
    )
    assert found == [("claude-opus-4-8", "news", 7, 8, "batch")]


def test_map_of_a_column_that_is_not_there(tmp_path: Path) -> None:
    (tmp_path / "map.yaml").write_text("endpoint: =news\nmodel: engin\n")
    with pytest.raises(AuditError, match=r"map.yaml:2: model: .*usage.csv has no column 'engin' \(closest: engine"):
        ingested(
            tmp_path, HEADER.replace("model", "engine") + row(1), name="usage.csv", mapping=load(tmp_path / "map.yaml")
        )


def test_map_with_units_a_format_and_a_way_into_a_cell(tmp_path: Path) -> None:
    (tmp_path / "map.yaml").write_text(
        "model: Engine\ninput_tokens: {from: Tok In, unit: thousands}\noutput_tokens: meta.out\nonly: {kind: llm}\n"
        'timestamp: {from: when, format: "%d.%m.%Y %H:%M"}\ntags: {branch: meta.branch}\ncost: {from: paid, unit: cents}\n'
    )
    text = (
        "When;engine;tok in;meta;kind;paid\n"
        '02.11.2026 10:00;claude-opus-4-8;1,204;"{""out"": 5, ""branch"": ""main""}";llm;1.5\n'
        '02.11.2026 10:01;claude-opus-4-8;0.5;"{""out"": 6}";llm;\n'
        '02.11.2026 10:02;claude-opus-4-8;0.5;"{""out"": 6}";tool;\n'
    )
    columns = "CAST(ts AS VARCHAR), input_tokens, output_tokens, tags['branch'], cost_reported_usd, flags[1]"
    found = calls(tmp_path, text, columns, name="usage.csv", mapping=load(tmp_path / "map.yaml"))
    assert found == [
        ("2026-11-02 10:00:00+00", 1_204_000, 5, "main", Decimal("0.015"), "time_zone_assumed"),
        ("2026-11-02 10:01:00+00", 500, 6, None, None, "time_zone_assumed"),
    ]


def test_files_with_other_headers_are_read_together(tmp_path: Path) -> None:
    logs = tmp_path / "logs"
    logs.mkdir()
    (logs / "a.csv").write_text(HEADER + row(1, told="1,2"))
    (logs / "b.csv").write_text(
        "time;completion_tokens;prompt_tokens;model\n2026-11-02T10:00:00Z;4;3;claude-opus-4-8\n"
    )
    with gzip.open(logs / "c.csv.gz", "wt") as packed:
        packed.write(HEADER + row(1, told="5,6"))
    assert fates(read(tmp_path / "store", logs)) == (3, 0, 0, 0)
    assert in_store(tmp_path, "input_tokens, output_tokens") == [(1, 2), (3, 4), (5, 6)]


def test_bytes_that_are_no_text_cost_no_row(tmp_path: Path) -> None:
    text = (HEADER + row(1, endpoint="caf\xe9") + row(2)).encode("latin-1")
    assert [r[0] for r in calls(tmp_path, text, "endpoint", name="usage.csv")] == ["caf\ufffd", "chat"]


def test_a_large_table_is_read_in_pieces_that_hold_whole_rows(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    text = HEADER + "".join(row(n % 60, endpoint=f'"a,\nb ""{n}"""', told=f"{n},1") for n in range(400))
    whole = calls(tmp_path / "whole", text, CALL, name="usage.csv")
    monkeypatch.setattr(pieces, "PIECE_BYTES", 500)
    assert calls(tmp_path / "pieces", text, CALL, name="usage.csv") == whole
    assert [r[1] for r in whole] == list(range(400))


def test_standard_input_and_folders_give_the_same_rows(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    text = HEADER + row(1) + row(2)
    ingested(tmp_path / "file", text, name="usage.csv")
    monkeypatch.setattr("sys.stdin", io.TextIOWrapper(io.BytesIO(text.encode())))
    read(tmp_path / "pipe" / "store", "-", assume=Assumptions())
    differ = ("row_id", "source", "identity", "call_key")
    assert table(tmp_path / "file" / "store", without=differ) == table(tmp_path / "pipe" / "store", without=differ)


def test_a_quote_inside_a_cell_takes_no_other_row_with_it(tmp_path: Path) -> None:
    text = HEADER + row(1, told="1,1") + '0"\n' + row(2, told="2,1")
    report = ingested(tmp_path, text, name="usage.csv")
    assert [r.line for r in report.rejects] == [3]
    assert [r[1] for r in in_store(tmp_path)] == [1, 2]


DECIMAL_COMMA = "timestamp;model;input_tokens;output_tokens;cost\n"


@pytest.mark.parametrize(
    ("cell", "tokens"),
    [("1.000", 1000), ("2.345", 2345), ("1.234.567", 1234567), ("12,0", 12), ("1.204,00", 1204), ("7", 7)],
)
def test_between_semicolons_a_dot_separates_thousands(tmp_path: Path, cell: str, tokens: int) -> None:
    text = DECIMAL_COMMA + f"2026-11-02T10:00:00Z;claude-opus-4-8;{cell};20;0,01\n"
    assert calls(tmp_path, text, name="usage.csv") == [(2, tokens, 20)]


def test_decimals_with_a_dot_prove_that_it_does_not_separate_thousands(tmp_path: Path) -> None:
    text = DECIMAL_COMMA + "".join(
        f"2026-11-02T10:00:0{n}Z;claude-opus-4-8;{cell};20;\n" for n, cell in enumerate(("1.000", "1204.000"))
    )
    assert calls(tmp_path, text, name="usage.csv") == [(2, 1, 20), (3, 1204, 20)]


@pytest.mark.parametrize(("others", "tokens"), [("7", 1), ("2.345", 1000)])
def test_between_tabs_another_count_has_to_prove_it(tmp_path: Path, others: str, tokens: int) -> None:
    text = HEADER.replace(",", "\t") + "".join(
        f"2026-11-02T10:00:0{n}Z\tclaude-opus-4-8\tchat\t{cell}\t20\n" for n, cell in enumerate(("1.000", others))
    )
    assert calls(tmp_path, text, name="usage.tsv")[0] == (2, tokens, 20)


@pytest.mark.parametrize(
    ("delimiter", "cell", "usd"),
    [
        (";", "1,25", "1.25"),
        (";", "1,250", "1.25"),
        (";", "1.001,5", "1001.5"),
        (";", "0.0125", "0.0125"),
        (",", '"1,25"', "1.25"),
        (",", '"0,125"', "0.125"),
        (",", '"$1,250"', "1250"),
        (",", '"1,250.75"', "1250.75"),
        ("\t", "0,0125", "0.0125"),
    ],
)
def test_amounts_with_a_decimal_comma(tmp_path: Path, delimiter: str, cell: str, usd: str) -> None:
    text = "timestamp,model,input_tokens,output_tokens,cost\n2026-11-02T10:00:00Z,claude-opus-4-8,10,20,"
    ingested(tmp_path, text.replace(",", delimiter) + cell + "\n", name="usage.csv")
    assert in_store(tmp_path, "cost_reported_usd") == [(Decimal(usd),)]


def test_a_line_that_says_the_delimiter_is_no_row(tmp_path: Path) -> None:
    text = "sep=;\n" + (HEADER + row(1)).replace(",", ";")
    assert calls(tmp_path, text, name="usage.csv") == [(3, 10, 20)]


@pytest.mark.parametrize(
    "above", ["Usage by call\nExported 2026-11-02\n\n", "# made by export.py, 3 columns\n", "sep=,\n", "Total,,,,30\n"]
)
def test_titles_and_remarks_may_stand_above_the_header(tmp_path: Path, above: str) -> None:
    line = above.count("\n") + 2
    assert calls(tmp_path, above + HEADER + row(1), name="usage.csv") == [(line, 10, 20)]


def test_bars_between_cells(tmp_path: Path) -> None:
    text = (HEADER + row(1, endpoint='"a|b"') + row(2)).replace(",", "|")
    assert calls(tmp_path, text, "line, endpoint, output_tokens", name="usage.csv") == [(2, "a|b", 20), (3, "chat", 20)]


def test_a_date_whose_day_nobody_knows_is_left_to_a_map(tmp_path: Path) -> None:
    text = HEADER + row(1) + "11/02/2026 10:00,claude-opus-4-8,chat,10,20\n"
    report = ingested(tmp_path, text, name="usage.csv")
    assert fates(report) == (1, 0, 0, 1)
    assert any("1 line rejected for the time alone" in warning for warning in report.warnings)
    (tmp_path / "map.yaml").write_text('timestamp: {from: timestamp, format: "%m/%d/%Y %H:%M"}')
    assert fates(
        ingested(tmp_path / "mapped", HEADER + text.split("\n")[2], name="u.csv", mapping=load(tmp_path / "map.yaml"))
    ) == (1, 0, 0, 0)


@pytest.mark.parametrize(
    ("name", "cell"), [("cost", "€1.25"), ("cost", "1.25 EUR"), ("Cost (€)", "1.25"), ("cost_eur", "1.25")]
)
def test_an_amount_in_another_currency_is_none_of_dollars(tmp_path: Path, name: str, cell: str) -> None:
    text = f"timestamp,model,input_tokens,output_tokens,{name}\n2026-11-02T10:00:00Z,claude-opus-4-8,10,20,{cell}\n"
    ingested(tmp_path, text, name="usage.csv")
    assert in_store(tmp_path, "cost_reported_usd") == [(None,)]


@pytest.mark.parametrize("name", ["calls", "Requests", "request_count", "numCalls"])
def test_a_row_of_several_calls_counts_as_that_many(tmp_path: Path, name: str) -> None:
    text = f"date,model,{name},input_tokens,output_tokens\n2026-11-02,claude-haiku-5-5,3,300000,30\n"
    ingested(tmp_path, text, name="daily.csv")
    assert in_store(tmp_path, "requests, prompt_tokens, tags") == [(3, None, {})]


def test_a_program_that_writes_a_header_is_no_table(tmp_path: Path) -> None:
    program = 'import csv\n\nout.write("timestamp,model,input_tokens,output_tokens\\n")\nfor call in calls:\n    write(call)\n'
    (tmp_path / "export.py").write_text(program)
    (tmp_path / "calls.csv").write_text(
        "Usage of November\n\ntimestamp,model,input_tokens,output_tokens\n2026-11-03T08:00:00Z,claude-opus-4-8,12,3\n"
    )
    report = read(tmp_path / "store", tmp_path / "export.py", tmp_path / "calls.csv")
    assert dict(report.formats) == {"csv": 1} and (report.counted.kept, report.counted.rejected) == (1, 0)


def test_a_row_that_speaks_of_tokens_is_no_header(tmp_path: Path) -> None:
    text = "BilledCost,ConsumedQuantity,SkuMeter\n0.010461,10461,claude-haiku-4-5: input tokens\n0.02,5,claude-haiku-4-5: output tokens\n"
    (tmp_path / "focus.csv").write_text(text)
    with pytest.raises(AuditError, match="no known name of a token count"):
        read(tmp_path / "store", tmp_path / "focus.csv")
