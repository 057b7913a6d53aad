"""The spellings of a price file's models: ids as published and as gateways turn them, names as the Console writes them."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from datetime import date

from claude_audit.errors import AuditError
from claude_audit.model_ids import VERSION, ModelIds
from claude_audit.price_files import ModelEntry

_FAMILY_FIRST = re.compile(r"claude-([a-z]+)-([0-9](?:-[0-9])?)(-[0-9]{8})?")
_NUMBER_FIRST = re.compile(r"claude-([0-9](?:-[0-9])?)-([a-z]+)(-[0-9]{8})?")


def model_ids(entries: Mapping[str, ModelEntry], families: tuple[str, ...]) -> ModelIds:
    """The index of all of them. Raises AuditError, with the file and line, for a spelling of two models."""
    ids: dict[str, str] = {}
    display: dict[str, str] = {}
    for model, entry in entries.items():
        names = list(dict.fromkeys(_names(model, entry)))
        for name in names:
            _claim(ids, name, model, entry.where)
        for name in (entry.name.lower(), *_display_names(names)):
            _claim(display, name, model, entry.where)
    versions = {model: _bedrock_version(model, entry, ids) for model, entry in entries.items()}
    return ModelIds(ids, display, versions, {family: _newest(entries, family) for family in families})


def _claim(index: dict[str, str], name: str, model: str, where: str) -> None:
    other = index.setdefault(name, model)
    if other != model:
        raise AuditError(f"{where}: {name!r} is a spelling of {other} too", "a spelling stands for one model only")


def _bedrock_version(model: str, entry: ModelEntry, ids: Mapping[str, str]) -> int:
    """The N that may follow the model's name as -vN: its Bedrock id's, 1 when that has none, 0 for never."""
    if entry.bedrock is None:
        return 1
    version = VERSION.fullmatch(entry.bedrock.id.removeprefix("anthropic."))
    if version is None:
        return 1
    return int(version[2]) if ids.get(version[1]) == model else 0


def _names(model: str, entry: ModelEntry) -> Iterator[str]:
    """Every whole id of a model: as published, with dots, with the number before the family, with the release date."""
    published = [model, *entry.aliases, *entry.vertex]
    if entry.bedrock:
        published += [name.removeprefix("anthropic.") for name in (entry.bedrock.id, *entry.bedrock.also)]
    for name in (name.lower() for name in published):
        for form in (name, *_turned(name, entry.family)):
            yield form
            if isinstance(entry.released, date) and not re.search(r"[0-9]{8}|-v[0-9]", model + form):
                yield f"{form}-{entry.released:%Y%m%d}"  # OpenRouter dates the ids that Anthropic doesn't


def _turned(name: str, family: str) -> Iterator[str]:
    """The same id with a dot in its number, and with number and family the other way round.

    claude-sonnet-4-5 is also claude-sonnet-4.5, claude-4-5-sonnet and claude-4.5-sonnet. An id of the 3 generation,
    born number first, takes the family first with a dot only: claude-haiku-3-5 is in guides and was never an id.
    """
    if (found := _FAMILY_FIRST.fullmatch(name)) and found[1] == family:
        number, day, native = found[2], found[3] or "", True
    elif (found := _NUMBER_FIRST.fullmatch(name)) and found[2] == family:
        number, day, native = found[1], found[3] or "", False
    else:
        return
    dotted = number.replace("-", ".")
    yield f"claude-{number}-{family}{day}"
    yield f"claude-{dotted}-{family}{day}"
    if native or "." in dotted:
        yield f"claude-{family}-{dotted}{day}"


def _display_names(names: list[str]) -> Iterator[str]:
    """`claude haiku 4.5` and `claude 4.5 haiku` of ids without a date: the Console writes names, not ids."""
    for name in names:
        if re.fullmatch(r"claude(?:-[a-z]+)*-[0-9](?:\.[0-9])?(?:-[a-z]+)*|claude(?:-[a-z]+)+", name):
            yield name.replace("-", " ")
            if found := re.fullmatch(r"claude-([0-9])-([a-z]+)", name):
                yield f"claude {found[2]} {found[1]}"


def _newest(entries: Mapping[str, ModelEntry], family: str) -> str:
    members = [(str(entry.released), model) for model, entry in entries.items() if entry.family == family]
    if not members:
        file = next((entry.where.rpartition(":")[0] for entry in entries.values()), "price file")
        raise AuditError(f"{file}: families: no model is of the family {family!r}")
    return max(members)[1]
