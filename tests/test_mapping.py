"""--map: fields by the words people have for them, places, constants, units, and errors that name the line."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from claude_audit import json_path
from claude_audit.errors import AuditError
from claude_audit.ingestors import registry
from claude_audit.mapping import FieldMap, Source, check
from claude_audit.mapping_file import load


def mapped(folder: Path, text: str) -> FieldMap:
    (folder / "map.yaml").write_text(text)
    return load(folder / "map.yaml")


def test_fields_places_and_constants(tmp_path: Path) -> None:
    found = mapped(
        tmp_path,
        "model: engine\ntimestamp: {from: when, unit: ms}\nprompt_tokens: [usage.in, in]\ncost: {from: paid, unit: cents}\n"
        "endpoint: =news\nis_batch: true\ninput_includes_cache: true\noutput_excludes_thinking: true\nmax_tokens: {value: 5}\n"
        "tags: {branch: git.branch, site: =shop}\nrecords: data.calls[]\nonly: {type: [llm, chat], ok: true}\n",
    )
    assert {name: (s.paths, s.constant, s.unit) for name, s in found.fields.items()} == {
        "model_raw": (("engine",), None, ""),
        "ts": (("when",), None, "ms"),
        "input_tokens": (("usage.in", "in"), None, ""),
        "cost_reported_usd": (("paid",), None, "cents"),
        "endpoint": ((), "news", ""),
        "is_batch": ((), "true", ""),
        "max_tokens": ((), "5", ""),
    }
    assert {name: source.said for name, source in found.tags.items()} == {"branch": "git.branch", "site": "=shop"}
    assert (found.includes_cache, found.excludes_thinking, found.records) == (True, True, "data.calls")
    assert [(one.path, one.values) for one in found.only] == [("type", ("llm", "chat")), ("ok", ("true",))]
    assert found.fields["input_tokens"].said == "usage.in or in" and found.fields["ts"].said == "when (ms)"


@pytest.mark.parametrize(
    ("text", "says", "hint"),
    [
        ("", "a mapping has lines like", "our field"),
        ("- model\n", "a mapping has lines like", "our field"),
        ("model: engine\nmodl: engine\n", "map.yaml:2: modl is no field", "did you mean 'model'"),
        ("zzz: engine\n", "map.yaml:1: zzz is no field", "known: "),
        ("model: 5\n", "map.yaml:1: model: 5 is not the name of a column", "constant"),
        ("model: [a, 5]\n", "map.yaml:1: model: 5 is not the name of a column", "constant"),
        ("model: =\n", "map.yaml:1: model: an equals sign with nothing after it", "constant"),
        ("model: engine\nmodel_name: other\n", "map.yaml:2: model_name is mapped twice", "keep one"),
        ("input_includes_cache: cached\n", "takes true or false", "whole log"),
        ("model: [\n", "not valid YAML", ""),
        ("input_tokens: {from: a, unit: cents}\n", "map.yaml:1: input_tokens: no unit cents", "thousands"),
        ("model: {from: a, unit: s}\n", "map.yaml:1: model has no unit", ""),
        ("latency_ms:\n  from: a\n  units: s\n", "map.yaml:3: latency_ms: unknown key units", "did you mean 'unit'"),
        ("latency_ms: {unit: s}\n", "latency_ms takes either from or value", ""),
        ("latency_ms: {from: a, value: 1}\n", "latency_ms takes either from or value", ""),
        ("latency_ms: {from: a, optional: maybe}\n", "optional takes true or false", ""),
        ("model: {from: a, format: '%d'}\n", "model: a format is for times", "%d.%m.%Y"),
        ("timestamp: {from: a, format: '%Q'}\n", "%Q means nothing in a time", "%d.%m.%Y"),
        ("timestamp: {from: a, format: 'today'}\n", "today means nothing in a time", "%d.%m.%Y"),
        ("input_tokens: =many\n", "input_tokens: 'many' is not a whole number", "constant"),
        ("input_tokens: =-3\n", "input_tokens: '-3' is not a whole number", "constant"),
        ("latency_ms: =soon\n", "latency_ms: 'soon' is not a number", "constant"),
        ("thinking: =deep\n", "thinking: 'deep' is not true or false", "constant"),
        ("timestamp: =yesterday\n", "timestamp: 'yesterday' is not a time", "constant"),
        ("tier: =cheap\n", "tier: 'cheap' is not one of standard, batch", "constant"),
        ("tags: branch\n", "map.yaml:1: tags are a mapping", "git.branch"),
        ("only: llm\n", "map.yaml:1: only is a mapping", "llm_call"),
        ("only: {type: {a: b}}\n", "only: type takes a value or a list", ""),
        ("records: 'a..b'\n", "map.yaml:1: records: 'a..b' is no path", "data.calls"),
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


RECORD = {
    "meta": {"engine": "claude-haiku-5-5", "took": "fast"},
    "usage": {"tok_in": 3},
    "gen_ai.out": 4,
    "raw": '{"ms": 5}',
}


@pytest.mark.parametrize(
    ("path", "value"),
    [
        ("meta.engine", "claude-haiku-5-5"),
        ("$.meta.engine", "claude-haiku-5-5"),
        ('meta["engine"]', "claude-haiku-5-5"),
        ("gen_ai.out", 4),
        ("raw.ms", 5),
        ("meta", RECORD["meta"]),
        ("meta.none", None),
        ("usage[0]", None),
    ],
)
def test_ways_into_a_record(path: str, value: object) -> None:
    assert json_path.lookup(RECORD, path) == value
    assert json_path.present(RECORD, path) == (value is not None)


@pytest.mark.parametrize("text", ["", ".", "a..b", "a[", "a[-1]", '"', "$x.", "a."])
def test_what_is_no_path(text: str) -> None:
    with pytest.raises(ValueError, match="no path"):
        json_path.parse(text)


@pytest.mark.parametrize(
    ("own", "path", "says"),
    [
        ("model_raw", "meta.engin", "map.yaml:7: f: no record at the beginning of app.jsonl has 'meta.engin' (closest: meta.engine"),
        ("input_tokens", "tok_inn", "(closest: usage.tok_in"),
        ("input_tokens", "meta", "map.yaml:7: f: meta holds an object in app.jsonl, which is not a whole number"),
        ("latency_ms", "meta.took", "meta.took holds 'fast' in app.jsonl, which is not a number"),
        ("model_raw", "usage", "usage holds an object in app.jsonl, which is not text"),
    ],
)  # fmt: skip
def test_a_map_that_does_not_fit(own: str, path: str, says: str) -> None:
    found = FieldMap({own: Source(own, "f", "map.yaml:7", (path,))})
    with pytest.raises(AuditError) as error:
        check(found, [RECORD] * 5, "app.jsonl")
    assert says in error.value.message
    if "beginning" in says:
        check(FieldMap({own: Source(own, "f", "map.yaml:7", (path,), optional=True)}), [RECORD] * 5, "app.jsonl")


def test_a_few_records_prove_no_mistake() -> None:
    found = FieldMap(
        {own: Source(own, own, "map.yaml:1", (path,)) for own, path in (("user", "who"), ("latency_ms", "meta.took"))}
    )
    check(found, [RECORD] * 2, "app.jsonl")


def test_the_maps_that_the_readme_and_the_page_show_are_maps(tmp_path: Path) -> None:
    readme = (Path(__file__).parents[1] / "README.md").read_text(encoding="utf-8")
    (shown,) = re.findall(r"```yaml\n# map.yaml\n(.*?)```", readme, re.DOTALL)
    page = "".join(line[4:] + "\n" for line in registry()["mapped"].doc.splitlines() if line.startswith("    "))
    for text in (shown, page):
        found = mapped(tmp_path, text)
        assert found.fields["output_tokens"].unit == "thousands" and found.records == "data.calls" and found.only
