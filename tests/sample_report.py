"""reports/sample: what sample_logs/ produces, for a fixed day and without anything of the machine it was made on.

    python tests/sample_report.py            compare
    python tests/sample_report.py --write    put in what is produced now

The same as `claude-audit report --monthly 200 --today 2026-11-21` on the seven folders of sample logs.
"""

from __future__ import annotations

import sys
import tempfile
from datetime import date
from decimal import Decimal
from pathlib import Path

from claude_audit.audit import Audit
from claude_audit.commands.demo import read_samples
from claude_audit.limits import Budget
from claude_audit.outlook import AsOf
from claude_audit.renderers import html, json, markdown
from claude_audit.report import SCENARIO, Report, build

TODAY = date(2026, 11, 21)
FOLDER = Path(__file__).resolve().parent.parent / "reports" / "sample"


def report(audit: Audit) -> Report:
    """The report on the sample logs."""
    opportunities = audit.opportunities()
    return build(
        audit,
        audit.whatif(**SCENARIO),
        today=TODAY,
        as_of=AsOf(TODAY, TODAY),
        budgets=[Budget("monthly", limit=Decimal(200), where="--monthly")],
        opportunities=opportunities,
        findings=audit.findings(opportunities=opportunities),
    )


def files(made: Report) -> dict[str, str]:
    """File name -> what it should hold."""
    return {"audit.html": html.render(made), "audit.md": markdown.render(made), "audit.json": json.render(made)}


def main() -> int:
    stale = 0
    FOLDER.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as folder:
        made = report(read_samples(Path(folder) / "store")[1])
    for name, text in files(made).items():
        place = FOLDER / name
        if not place.is_file() or place.read_text(encoding="utf-8") != text:
            stale += 1
            if "--write" in sys.argv:
                place.write_text(text, encoding="utf-8")
    return 0 if "--write" in sys.argv else stale


if __name__ == "__main__":
    sys.exit(main())
