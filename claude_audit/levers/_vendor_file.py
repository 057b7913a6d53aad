"""A file of another vendor's prices: what `--provider FILE.yaml` reads."""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path
from typing import Annotated

from claude_audit.price_files import Prices
from claude_audit.shape import document, read


@dataclass(frozen=True, slots=True, kw_only=True)
class OtherVendor:
    """What stands in it."""

    where: str
    name: str
    usd_per_mtok: Prices
    tokens: Annotated[tuple[Decimal, ...], "its tokens for one of Claude's: at least, at most"]
    fee: Annotated[Decimal, "a share on top"] = Decimal(0)
    models: Annotated[tuple[str, ...], "globs over the catalog's ids"] = ("*",)
    endpoints: Annotated[tuple[str, ...], "globs"] = ("*",)
    batch: Annotated[Decimal | None, "factor of its batches"] = None


def vendor_file(path: Path) -> OtherVendor:
    """The file at `path`. Raises AuditError with file and line for what is wrong in it."""
    file = document(path)
    vendor = read(OtherVendor, file)
    if len(vendor.tokens) not in (1, 2) or not all(Decimal("0.1") <= n <= 10 for n in vendor.tokens):
        raise file.wrong(("tokens",), "one number or two, from 0.1 to 10", "for example tokens: [0.8, 1.2]")
    for name in ("input", "output"):
        if vendor.usd_per_mtok.get(name) is None:
            raise file.wrong(("usd_per_mtok",), f"no price for {name}", "for example {input: 0.5, output: 2}")
    if any(price is not None and price < 0 for price in vendor.usd_per_mtok.values()) or vendor.fee < 0:
        raise file.wrong(("usd_per_mtok",), "a price or a fee can't be below 0")
    return vendor
