"""Keys of objects that are read together, though they may differ in case only: the engine's structs hold one spelling."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

MOST_SPELLINGS = 8
"""Sets of fields that differ in case only, of one ingest. Beyond, the first spelling of a name is read."""


def spelt_alike(keys: Sequence[Sequence[str]]) -> list[list[Sequence[str]]]:
    """The lists of keys in groups without two spellings of a name that differ in case only: the engine's structs hold one."""
    groups: list[tuple[dict[str, str], list[Sequence[str]]]] = []
    for names in keys:
        spelt = {name.lower(): name for name in reversed(names)}
        fits = (known for known in groups if all(known[0].get(low, name) == name for low, name in spelt.items()))
        found = next(fits, None)
        if found is None and len(groups) == MOST_SPELLINGS:
            found = groups[-1]
        elif found is None:
            groups.append(found := ({}, []))
        found[0].update(spelt)
        found[1].append(names)
    return [listed for _, listed in groups]


def union(keys: Iterable[Sequence[str]]) -> list[str]:
    """The names in any of the lists."""
    return list(dict.fromkeys(name for names in keys for name in names))


def told_apart(names: Iterable[str]) -> list[str]:
    """The names without those that differ from an earlier one in case only: the engine's structs hold one of them."""
    seen: dict[str, str] = {}
    for name in names:
        seen.setdefault(name.lower(), name)
    return list(seen.values())
