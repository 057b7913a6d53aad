"""The prices that ship with the package: as price_list.py holds them, else read from their files.

Reading and checking the files takes longer than most questions to a store; price_list.py is what they came to.
"""

from __future__ import annotations

from claude_audit.catalog_contents import Contents
from claude_audit.price_folder import checksums


def listed() -> Contents:
    """What the built-in files say. Raises AuditError with file:line for what is wrong in one that was changed."""
    from claude_audit.price_list import CONTENTS, READ_FROM

    # A checksum, because it is a slip that is looked for: a price added without writing price_list.py anew.
    if checksums() == READ_FROM:
        return CONTENTS
    from claude_audit.catalog_build import build

    return build(())
