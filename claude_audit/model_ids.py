"""Which model a spelling means: whole ids only, under the routes, profiles and suffixes that vendors wrap them in."""

from __future__ import annotations

import re
from dataclasses import dataclass, field, replace

ROUTES = {
    "openrouter": "openrouter",
    "anthropic": None,
    "bedrock": "aws_bedrock",
    "bedrock_converse": "aws_bedrock",
    "converse": None,
    "invoke": None,
    "vertex_ai": "gcp_vertex",
    "azure_ai": "azure_foundry",
    "publishers": "gcp_vertex",
    "models": None,
}
"""Path segments that gateways put before an id -> who bills then; None when that stays open (LiteLLM and OpenRouter
both write `anthropic/`)."""

_AWS_REGION = re.compile(r"[a-z]{2}(?:-gov|-iso[a-z]?)?-[a-z]+-[0-9]")
_ARN = re.compile(r"arn:(aws[a-z-]*):bedrock:[a-z0-9-]*:[0-9]*:([a-z-]+)/(?:.*/)?([^/]+)")
_VERTEX = re.compile(r"projects/[^/]+/locations/([^/]+)/publishers/anthropic/models/([^/]+)")
_PROFILE = re.compile(r"(?:(us|eu|jp|au|apac|in|global|us-gov)\.)?anthropic\.(.+)")
HIDES_MODEL = "application-inference-profile|provisioned-model|prompt|(default-)?prompt-router"
"""Kinds of Bedrock resources that can be called, and name no model: a regular expression of what stands before the `/`."""
_OPAQUE = re.compile(rf"arn:aws[a-z-]*:bedrock:[^/]*:({HIDES_MODEL})/.+", re.I)
_SUFFIXES = (
    re.compile(r"(.+)\[1m\]"),  # Claude Code, for the long window
    re.compile(r"(.+):thinking"),  # OpenRouter
    re.compile(r"(.+):beta"),  # OpenRouter
    re.compile(r"(.+)@default"),  # Vertex
    re.compile(r"(.+):[0-9]+k"),  # Bedrock, provisioned throughput with that window
)
_DATE_AT = re.compile(r"(.+)@([0-9]{8})")
_LATEST = re.compile(r"(.+)(?<!-[0-9]{8})-latest")
VERSION = re.compile(r"(.+)-v([0-9]+)(?::[0-9]+)?")
"""Bedrock's versions of an id."""


@dataclass(frozen=True, slots=True)
class Match:
    """What a spelling says."""

    model: str
    """The id in the price file."""
    provider: str | None = None
    """aws_bedrock, gcp_vertex, azure_foundry or openrouter, when the spelling shows it."""
    routing: str | None = None
    """global, regional, us-gov or bare (a Bedrock id without a profile), when the spelling shows it."""


@dataclass
class ModelIds:
    """Every spelling of the models of a price file."""

    ids: dict[str, str]
    """Whole ids -> model, without routes, profiles and suffixes."""
    names: dict[str, str]
    """As people write them (claude haiku 4.5) -> model."""
    versions: dict[str, int]
    """Model -> the N that may follow its name as -vN; 0: none may."""
    families: dict[str, str]
    """haiku -> its newest model."""
    _user: dict[str, Match] = field(default_factory=dict, repr=False)
    _cache: dict[str, Match | None] = field(default_factory=dict, repr=False, compare=False)

    def alias(self, spelling: str, match: Match) -> None:
        """Let `spelling` mean `match`, before anything else it could mean."""
        self._user[_trimmed(spelling)] = match
        self._cache.clear()

    def find(self, spelling: str, *, families: bool = True) -> Match | None:
        """What `spelling` means, or None: never a guess.

        A bare family name ("haiku") means its newest model when `families` is true. That is what a person types; a
        log that says so does not tell which model ran.
        """
        name = _trimmed(spelling)
        if name in self.families and name not in self._user:
            return Match(self.families[name]) if families else None
        if name not in self._cache:
            if len(self._cache) > 50_000:  # a log may hold any text where a model should stand
                self._cache.clear()
            self._cache[name] = self._find(name)
        return self._cache[name]

    def _find(self, name: str) -> Match | None:
        if name in self._user:
            return self._user[name]
        if not name.isascii() or len(name) > 300:
            return None
        if " " in name:
            model = self.names.get(" ".join(name.split()))
            return Match(model) if model else None
        peeled = _peel(name)
        if peeled is None:
            return None
        core, match = peeled
        model = self._whole(core)
        if model is None:
            return None
        vertex = match.provider is None and "@" in core
        return replace(match, model=model, provider="gcp_vertex" if vertex else match.provider)

    def _whole(self, core: str) -> str | None:
        """The model of an id that may still wear suffixes, each at most once."""
        version = None
        suffixes = list(_SUFFIXES)
        while core not in self.ids:
            for suffix in suffixes:
                if found := suffix.fullmatch(core):
                    suffixes.remove(suffix)
                    core = found[1]
                    break
            else:
                if found := _DATE_AT.fullmatch(core):
                    core = f"{found[1]}-{found[2]}"
                elif version is None and (found := VERSION.fullmatch(core)):
                    core, version = found[1], int(found[2])
                elif (found := _LATEST.fullmatch(core)) and found[1] in self.ids:
                    core = found[1]
                else:
                    return None
        model = self.ids[core]
        return model if version in (None, self.versions[model]) else None


def is_claude(spelling: str) -> bool:
    """Whether a spelling can be a Claude model's: it says so, or it is an ARN that hides its model."""
    return "claude" in spelling.lower() or is_opaque(spelling)


def is_opaque(spelling: str) -> bool:
    """Whether it is an ARN that names no model (an application inference profile, a stored prompt, a router): unpriced until
    the user maps it."""
    return _OPAQUE.fullmatch(spelling.strip()) is not None


def _trimmed(spelling: str) -> str:
    text = spelling.strip(" \t\r\n'\"`")
    return text.lower() if text.isascii() else text  # lower() turns some foreign letters into ASCII ones


def _peel(name: str) -> tuple[str, Match] | None:
    """(what is left, provider and routing) without ARN, routes and profile; None when an unknown thing is in front."""
    provider: str | None = None
    region = ""
    if name.startswith("arn:"):
        arn = _ARN.fullmatch(name)
        if arn is None or arn[2] not in ("inference-profile", "foundation-model"):
            return None
        provider, region, name = "aws_bedrock", "us-gov-" if arn[1] == "aws-us-gov" else "", arn[3]
    if vertex := _VERTEX.fullmatch(name):
        return vertex[2], Match("", "gcp_vertex", "global" if vertex[1] == "global" else "regional")
    *routes, name = name.split("/")
    for route in routes:
        if provider == "aws_bedrock" and _AWS_REGION.fullmatch(route):
            region = route
        elif route in ROUTES:
            provider = provider or ROUTES[route]
        else:
            return None
    profile = _PROFILE.fullmatch(name)
    if profile is None:
        return name, Match("", provider)
    routing = {None: "bare", "global": "global", "us-gov": "us-gov"}.get(profile[1], "regional")
    if routing == "bare" and region.startswith("us-gov-"):
        routing = "us-gov"
    return profile[2], Match("", "aws_bedrock", routing)
