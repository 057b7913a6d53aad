"""What cost guides publish, as data: each claim with its source, the day it was read, and how to recompute it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date
from decimal import Decimal
from pathlib import Path
from typing import Any

from claude_audit.errors import AuditError
from claude_audit.usage import TOKEN_CLASSES

FILE = Path(__file__).parent / "published_claims.yaml"
MEASURES = ("bill", "changed", "prompts", "answers", "requests", "output", "hits", "cut")
"""What a share may be of."""
FORMULAS = ("input_and_output",)
KEYS = {"claim", "by", "read", "says", "of", "levers", "formula", "paper", "over", "fact", "remark"}


@dataclass(frozen=True, slots=True)
class Says:
    """The published figure."""

    kind: str
    """share, saves (only that it does), usd or times."""
    low: Decimal = Decimal(0)
    high: Decimal = Decimal(0)
    up_to: bool = False


@dataclass(frozen=True, slots=True)
class Sum:
    """Tokens of one model, to be priced by the list."""

    model: str
    on: date | None
    """The day whose prices hold; None: the newest."""
    tokens: Mapping[str, int]


@dataclass(frozen=True, slots=True)
class Claim:
    """One sentence that people repeat."""

    claim: str
    by: str
    read: date
    where: str
    """File and line of the entry."""
    says: Says | None = None
    of: str = "bill"
    levers: Mapping[str, Any] = field(default_factory=dict)
    formula: str = ""
    paper: tuple[Sum, ...] = ()
    over: tuple[Sum, ...] = ()
    fact: str = ""
    remark: str = ""


def claims(path: Path = FILE) -> tuple[Claim, ...]:
    """The claims of a file, in its order. Raises AuditError that names file and line."""
    from claude_audit.yaml_lines import place, read

    data, lines = read(path)
    entries = data.get("claims") if isinstance(data, dict) else None
    if not isinstance(entries, list):
        raise AuditError(f"{path}: a file of claims needs a list `claims:`")
    return tuple(_claim(entry, place(path.name, lines, ("claims", n))) for n, entry in enumerate(entries))


def _claim(entry: Any, where: str) -> Claim:
    if not isinstance(entry, dict) or not {"claim", "by", "read"} <= entry.keys():
        raise AuditError(f"{where}: a claim needs claim, by and read")
    unknown = sorted(entry.keys() - KEYS)
    if unknown:
        raise AuditError(f"{where}: unknown key {unknown[0]!r}", f"known are: {', '.join(sorted(KEYS))}")
    ways = [name for name in ("levers", "formula", "paper", "fact") if name in entry]
    if len(ways) != 1:
        raise AuditError(f"{where}: a claim is recomputed in one way", "give one of levers, formula, paper, fact")
    if not isinstance(entry["read"], date):
        raise AuditError(f"{where}: read {entry['read']!r} is no date", "for example read: 2026-11-21")
    says = None if "fact" in entry else _says(entry.get("says"), where)
    of = entry.get("of", "bill")
    if of not in MEASURES:
        raise AuditError(f"{where}: of {of!r} is no measure", f"use one of: {', '.join(MEASURES)}")
    if "formula" in entry and entry["formula"] not in FORMULAS:
        raise AuditError(f"{where}: unknown formula {entry['formula']!r}", f"use one of: {', '.join(FORMULAS)}")
    return Claim(
        claim=str(entry["claim"]),
        by=str(entry["by"]),
        read=entry["read"],
        where=where,
        says=says,
        of=of,
        levers={
            name: value if isinstance(value, bool | list) else str(value)
            for name, value in (entry.get("levers") or {}).items()
        },
        formula=str(entry.get("formula") or ""),
        paper=_sums(entry.get("paper") or (), where),
        over=_sums(entry.get("over") or (), where),
        fact=str(entry.get("fact") or ""),
        remark=str(entry.get("remark") or ""),
    )


def _says(value: Any, where: str) -> Says:
    match value:
        case "saves":
            return Says("saves")
        case int() | Decimal() if not isinstance(value, bool):
            return Says("share", Decimal(value), Decimal(value))
        case [int() | Decimal() as low, int() | Decimal() as high] if low <= high:
            return Says("share", Decimal(low), Decimal(high))
        case {"up_to": int() | Decimal() as high}:
            return Says("share", Decimal(0), Decimal(high), up_to=True)
        case {"usd": int() | Decimal() as usd}:
            return Says("usd", Decimal(usd), Decimal(usd))
        case {"times": int() | Decimal() as times}:
            return Says("times", Decimal(times), Decimal(times))
    hint = "a share (0.5), a range ([0.6, 0.85]), {up_to: 0.9}, saves, {usd: 1.44} or {times: 10}"
    raise AuditError(f"{where}: says {value!r} is no figure", hint)


def _sums(entries: Sequence[Any], where: str) -> tuple[Sum, ...]:
    found = []
    for entry in entries:
        tokens = entry.get("tokens") if isinstance(entry, dict) else None
        if not isinstance(tokens, dict) or not tokens.keys() <= set(TOKEN_CLASSES) or "model" not in entry:
            raise AuditError(f"{where}: a sum needs model and tokens", f"token classes are {', '.join(TOKEN_CLASSES)}")
        found.append(Sum(str(entry["model"]), entry.get("on"), {name: int(n) for name, n in tokens.items()}))
    return tuple(found)
