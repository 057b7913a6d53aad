"""Writes price_list.py: what the built-in price files come to, as the values themselves.

python -m claude_audit.price_list_source && ruff format claude_audit/price_list.py
"""

from __future__ import annotations

from pathlib import Path

from claude_audit.catalog_build import build
from claude_audit.price_folder import checksums

HEAD = '''"""What pricing/anthropic.yaml and pricing/platforms.yaml come to. Written by price_list_source.py: change the files."""

from datetime import date
from decimal import Decimal

from claude_audit.catalog_contents import Contents, Fee, GatewayFee, KeptPrices, Multiplier, TokenizerFactor
from claude_audit.model_ids import ModelIds
from claude_audit.rates import Band, Model, Rate, RefusalRule, Setting
'''


def source() -> str:
    """The text of price_list.py, which `ruff format` then sets."""
    contents = repr(build(())).replace("datetime.date(", "date(")
    return f"{HEAD}\nREAD_FROM = {checksums()!r}\nCONTENTS = {contents}\n"


if __name__ == "__main__":
    Path(__file__).with_name("price_list.py").write_text(source(), encoding="utf-8")
