"""Every spelling of a model that logs are known to hold, and none that only looks like one."""

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from claude_audit.catalog import Model, load
from claude_audit.catalog_build import built_in
from claude_audit.model_spellings import model_ids

CATALOG = load()

H45, S45, S4, S37 = (
    "claude-haiku-4-5-20251001",
    "claude-sonnet-4-5-20250929",
    "claude-sonnet-4-20250514",
    "claude-3-7-sonnet-20250219",
)
OCTOBER, JUNE, H35 = "claude-3-5-sonnet-20241022", "claude-3-5-sonnet-20240620", "claude-3-5-haiku-20241022"
ARN = "arn:aws:bedrock:us-east-1:123456789012"
GOV_ARN = "arn:aws-us-gov:bedrock:us-gov-west-1::"
VERTEX_PATH = "projects/shop/locations/{}/publishers/anthropic/models/claude-opus-5"

SPELLINGS = [
    # spelling, model, provider, routing
    ("claude-sonnet-4-5", S45, None, None),
    ("claude-sonnet-4-0", S4, None, None),
    ("claude-sonnet-4-0'", S4, None, None),
    ('  "Claude-Sonnet-4" ', S4, None, None),
    ("claude-3-5-haiku-latest", H35, None, None),
    ("claude-sonnet-4-5-latest", S45, None, None),
    ("claude-4-sonnet-20250514", S4, None, None),
    ("claude-4.5-sonnet", S45, None, None),
    ("claude-4-5-sonnet-20250929", S45, None, None),
    ("claude-sonnet-4.5-20250929", S45, None, None),
    ("claude-3.7-sonnet", S37, None, None),
    ("claude-sonnet-3.7", S37, None, None),
    ("claude-3.5-sonnet", OCTOBER, None, None),
    ("claude-opus-4.0", "claude-opus-4-20250514", None, None),
    ("Claude Haiku 4.5", H45, None, None),
    ("Claude  3.5  Haiku", H35, None, None),
    ("Claude Opus 3", "claude-3-opus-20240229", None, None),
    ("Claude 3 Opus", "claude-3-opus-20240229", None, None),
    ("Claude Fable 5.1", "claude-fable-5-1", None, None),
    ("Claude Mythos Preview", "claude-mythos-preview", None, None),
    ("anthropic/claude-opus-4-8", "claude-opus-4-8", None, None),
    ("anthropic/claude-sonnet-4.5", S45, None, None),
    ("anthropic/claude-3.7-sonnet:thinking", S37, None, None),
    ("anthropic/claude-3.5-sonnet:beta", OCTOBER, None, None),
    ("openrouter/anthropic/claude-4.6-sonnet-20260217", "claude-sonnet-4-6", "openrouter", None),
    ("claude-opus-4-7-20260416", "claude-opus-4-7", None, None),
    ("claude-opus-4-6[1m]", "claude-opus-4-6", None, None),
    (f"{S45}[1m]", S45, None, None),
    ("claude-v1", "claude-1", None, None),
    ("claude-2", "claude-2.0", None, None),
    ("claude-instant-1.2", "claude-instant-1", None, None),
    # Bedrock
    ("anthropic.claude-v2", "claude-2.0", "aws_bedrock", "bare"),
    ("anthropic.claude-v2:1", "claude-2.1", "aws_bedrock", "bare"),
    ("anthropic.claude-v2:1:200k", "claude-2.1", "aws_bedrock", "bare"),
    ("anthropic.claude-v2:0:18k", "claude-2.0", "aws_bedrock", "bare"),
    ("anthropic.claude-instant-v1:2:100k", "claude-instant-1", "aws_bedrock", "bare"),
    ("anthropic.claude-3-5-sonnet-20241022-v2:0", OCTOBER, "aws_bedrock", "bare"),
    ("anthropic.claude-3-5-sonnet-20240620-v1:0", JUNE, "aws_bedrock", "bare"),
    ("anthropic.claude-3-haiku-20240307-v1:0:48k", "claude-3-haiku-20240307", "aws_bedrock", "bare"),
    ("anthropic.claude-haiku-4-5", H45, "aws_bedrock", "bare"),
    ("us.anthropic.claude-opus-4-6-v1", "claude-opus-4-6", "aws_bedrock", "regional"),
    ("us.anthropic.claude-opus-4-6-v1[1m]", "claude-opus-4-6", "aws_bedrock", "regional"),
    ("in.anthropic.claude-opus-5", "claude-opus-5", "aws_bedrock", "regional"),
    ("global.anthropic.claude-haiku-4-5-20251001-v1:0", H45, "aws_bedrock", "global"),
    ("us-gov.anthropic.claude-opus-5", "claude-opus-5", "aws_bedrock", "us-gov"),
    ("bedrock/us.anthropic.claude-sonnet-4-6", "claude-sonnet-4-6", "aws_bedrock", "regional"),
    ("bedrock/converse/eu.anthropic.claude-opus-5", "claude-opus-5", "aws_bedrock", "regional"),
    ("bedrock/us-east-1/anthropic.claude-v1", "claude-1", "aws_bedrock", "bare"),
    ("bedrock/us-gov-west-1/anthropic.claude-opus-5", "claude-opus-5", "aws_bedrock", "us-gov"),
    (f"{ARN}:inference-profile/us.anthropic.{S45}-v1:0", S45, "aws_bedrock", "regional"),
    (f"arn:aws:bedrock:us-west-2::foundation-model/anthropic.{H45}-v1:0", H45, "aws_bedrock", "bare"),
    (
        f"{GOV_ARN}foundation-model/anthropic.claude-opus-5",
        "claude-opus-5",
        "aws_bedrock",
        "us-gov",
    ),
    # Vertex, Foundry
    ("claude-haiku-4-5@20251001", H45, "gcp_vertex", None),
    ("claude-haiku-4-5@default", H45, "gcp_vertex", None),
    ("claude-3-5-sonnet-v2@20241022", OCTOBER, "gcp_vertex", None),
    ("claude-3-5-sonnet@20240620", JUNE, "gcp_vertex", None),
    ("vertex_ai/claude-opus-4-5@20251101", "claude-opus-4-5-20251101", "gcp_vertex", None),
    ("publishers/anthropic/models/claude-opus-5", "claude-opus-5", "gcp_vertex", None),
    (VERTEX_PATH.format("us-east5"), "claude-opus-5", "gcp_vertex", "regional"),
    (VERTEX_PATH.format("global"), "claude-opus-5", "gcp_vertex", "global"),
    ("azure_ai/claude-opus-5", "claude-opus-5", "azure_foundry", None),
]

UNKNOWN = [
    "",
    "claude",
    "claude-sonnet-6",
    "claude-fable-5-3",
    "claude-haiku-4-20250514",  # in published guides; there is no Haiku 4
    "claude-haiku-3-5",  # in published guides; the id is claude-3-5-haiku-20241022
    "claude-sonnet-3-7",
    "claude-3-7-sonnet-20240620",  # litellm; a mistyped date
    "claude-sonnet-4-5-20250930",
    "claude-sonnet-4-5@20250930",
    "claude-opus-4-6-20260206",
    "claude-sonnet-4-5-20250929-latest",
    "claude-3-5-sonnet-20240620-v2:0",  # the second version is the October snapshot
    "claude-3-5-sonnet-20241022-v1:0",
    "claude-opus-5-v2",
    "claude-2-v2",
    "claude-instant",
    "claude-instant-v2",
    "us.anthropic.claude-nova-9-v1:0",
    "us.claude-opus-5",
    "xx.anthropic.claude-opus-5",
    "bedrock/us-east-1/1-month-commitment/anthropic.claude-v1",
    f"{ARN}:application-inference-profile/abc123def456",
    f"{ARN}:provisioned-model/abc123def456",
    "arn:aws:s3:::logs/claude-opus-5",
    "mistral/claude-opus-5",
    "claude-hai\u212au-4-5",  # a Kelvin sign lower-cases to k
    "gpt-4o",
    "__proto__",
    "<synthetic>",
    "<script>alert(1)</script>",
    "claude-" + "x" * 5000,
]


@pytest.mark.parametrize(("spelling", "model", "provider", "routing"), SPELLINGS)
def test_spelling(spelling: str, model: str, provider: str | None, routing: str | None) -> None:
    found = CATALOG.resolve(spelling, families=False)
    assert found is not None
    assert (found.model.id, found.provider, found.routing) == (model, provider, routing)


@pytest.mark.parametrize("spelling", UNKNOWN)
def test_not_a_model(spelling: str) -> None:
    assert CATALOG.resolve(spelling) is None


@pytest.mark.parametrize(
    ("family", "newest"),
    [
        ("haiku", "claude-haiku-5-5"),
        ("Sonnet", "claude-sonnet-5-5"),
        ("opus", "claude-opus-5-5"),
        ("fable", "claude-fable-5-2"),
        ("mythos", "claude-mythos-5-2"),
    ],
)
def test_a_family_is_its_newest_model_for_people_and_nothing_in_logs(family: str, newest: str) -> None:
    found = CATALOG.resolve(family)
    assert found is not None and found.model.id == newest
    assert CATALOG.resolve(family, families=False) is None


@pytest.mark.parametrize("model", CATALOG.models.values(), ids=lambda model: model.id)
def test_every_published_id_is_its_own_model_on_every_cloud(model: Model) -> None:
    for spelling in (model.id, *model.aliases, *model.vertex, model.id.upper(), f"{model.id}[1m]", model.name):
        assert CATALOG.resolve(spelling, families=False).model is model, spelling
    assert model.bedrock is not None
    for profile in ("", *(f"{profile}." for profile in model.profiles)):
        for route in ("", "bedrock/", "bedrock/us-east-1/", f"{ARN}:inference-profile/"):
            assert CATALOG.resolve(f"{route}{profile}{model.bedrock}").model is model, profile


def test_claude_or_another_vendor() -> None:
    ours = ["claude-nova-9", "us.anthropic.claude-x", "haiku", f"{ARN}:application-inference-profile/abc",
            f"{ARN}:prompt/AB12:1", f"{ARN}:prompt-router/xyz"]  # fmt: skip
    theirs = [
        "gpt-4o",
        "amazon.nova-lite-v1:0",
        "gemini-2.5-pro",
        "",
        f"{ARN}:foundation-model/meta.llama",
    ]
    assert [spelling for spelling in ours + theirs if CATALOG.is_claude(spelling)] == ours


IDS = sorted({name for model in CATALOG.models.values() for name in (model.id, *model.aliases)})
WHOLE = model_ids(built_in()[0].models, ()).ids
SUFFIX = re.compile(r"(\[1m\]|:thinking|:beta|@default|:[0-9]+k|-v[0-9]+(:[0-9]+)?|-latest|[-@][0-9]{8})*")
ROUTE = re.compile(
    r"((openrouter|anthropic|bedrock|bedrock_converse|converse|invoke|vertex_ai|azure_ai|publishers|models)/)*"
    r"((us|eu|jp|au|apac|in|global|us-gov)\.)?(anthropic\.)?"
)
TEXT = st.text("abcdefghijklmnopqrstuvwxyz0123456789-.:@/_[]", min_size=1, max_size=12)


@given(st.sampled_from(IDS), TEXT)
def test_no_unknown_ending_resolves(name: str, ending: str) -> None:
    """claude-fable-5 must not catch claude-fable-5-1, nor claude-fable-5-anything."""
    spelling = name + ending
    found = CATALOG.resolve(spelling, families=False)
    if found is not None:
        ends = [spelling[: len(spelling) - size] for size in range(len(ending) + 1)]
        wholes = [whole for whole in ends if whole in WHOLE and SUFFIX.fullmatch(spelling[len(whole) :])]
        assert wholes and WHOLE[wholes[0]] == found.model.id


@given(st.sampled_from(IDS), TEXT)
def test_no_unknown_beginning_resolves(name: str, beginning: str) -> None:
    if not ROUTE.fullmatch(beginning):
        assert CATALOG.resolve(beginning + name, families=False) is None


@given(st.sampled_from(IDS), st.data())
def test_no_changed_letter_resolves_to_the_same_model(name: str, data: st.DataObject) -> None:
    place = data.draw(st.integers(0, len(name) - 1))
    letter = data.draw(st.sampled_from("abcdefghijklmnopqrstuvwxyz0123456789"))
    changed = name[:place] + letter + name[place + 1 :]
    found, before = CATALOG.resolve(changed, families=False), CATALOG.resolve(name)
    if found is not None and before is not None and changed != name and name[place] not in "-.":
        assert found.model is not before.model or changed in IDS, changed


@given(st.text(max_size=60))
def test_any_text_is_answered(text: str) -> None:
    CATALOG.resolve(text)
    CATALOG.is_claude(text)
