"""`claude-audit demo`: the sample logs that ship with the package, from ingest to report."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from claude_audit.commands._write import write_whole
from claude_audit.commands.common import Format, FormatOption, emit, emit_json, say
from claude_audit.errors import AuditError

if TYPE_CHECKING:
    from claude_audit.accounting import IngestReport
    from claude_audit.audit import Audit

DEFAULT = "reports/demo.html"

SAMPLES = ("native", "messages", "csv", "text", "claude_code", "litellm", "message_batches")
"""The folders of sample logs, one a format."""

NEXT = """Now with your own logs (they stay on this machine):
  claude-audit ingest PATH...
  claude-audit spend --by endpoint,model
  claude-audit whatif --route-simple haiku --cache-hit 0.85
  claude-audit check --monthly 500
  claude-audit report"""


def register(app: typer.Typer) -> None:
    """Add the command to the program."""
    app.command(help="Audit the sample logs that ship with claude-audit, and write their report.")(demo)


def demo(
    html: Annotated[str, typer.Option("--html", metavar="FILE", help="Where to write the report.")] = DEFAULT,
    output: FormatOption = Format.TABLE,
) -> None:
    """Audit the sample logs that ship with claude-audit."""
    from claude_audit import clock, temporary
    from claude_audit.renderers import html as page
    from claude_audit.report import SCENARIO, build

    place = Path(html).absolute()
    with temporary.folder() as folder:
        counted, audit = read_samples(folder / "store")
        waterfall = audit.whatif(**SCENARIO)
        today = clock.today(audit.filters.timezone)
        tried = audit.opportunities()
        found = audit.findings(opportunities=tried)
        made = build(audit, waterfall, today=today, opportunities=tried, findings=found)
    write_whole(place, page.render(made))
    if output is Format.JSON:
        from claude_audit.renderers.json import document

        emit_json({"html": html, "report": document(made)})
        return
    from claude_audit.renderers import rows, terminal

    show_spend, show_whatif = {
        Format.TABLE: (terminal.spend_tables, terminal.waterfall_tables),
        Format.CSV: (rows.spend_csv, rows.waterfall_csv),
        Format.MARKDOWN: (rows.spend_markdown, rows.waterfall_markdown),
    }[output]
    tell = emit if output is Format.TABLE else say
    tell("Two months of Larkspur, a plant shop that does not exist, in seven log formats.")
    tell(_accounted(counted))
    tell(f"\n$ claude-audit spend --by {made.who}")
    emit(show_spend(made.by_who))
    tell("\n$ claude-audit whatif --route-simple haiku --batch-tagged")
    emit(show_whatif(waterfall))
    tell(f"\nThe whole audit on one page: {html} (open it in a browser).")
    tell("\n" + NEXT)


def folder() -> Path:
    """Where the sample logs are: inside an installed package, beside it in a checkout."""
    home = Path(__file__).parent.parent
    installed = home / "_sample_logs"
    found = installed if installed.is_dir() else home.parent / "sample_logs"
    if not found.is_dir():
        raise AuditError(f"{installed}: the sample logs are missing", "install claude-audit again")
    return found


def read_samples(store: Path) -> tuple[IngestReport, Audit]:
    """The sample logs in a store of their own, with the built-in prices; named from the folder that they lie in."""
    import contextlib

    from claude_audit.audit import Audit
    from claude_audit.calls import Assumptions
    from claude_audit.catalog import load
    from claude_audit.ingest import ingest
    from claude_audit.store import Store

    logs, catalog = folder(), load()
    with contextlib.chdir(logs.parent):
        paths = [f"{logs.name}/{name}" for name in SAMPLES]
        counted = ingest(paths, Store(store.absolute()), lambda: catalog, Assumptions())
    return counted, Audit.open(store, catalog=catalog)


def _accounted(report: IngestReport) -> str:
    counted = report.counted
    ignored = sum(counted.ignored.values())
    return (
        f"{report.files} files, {counted.lines:,} lines: {counted.kept:,} calls, {counted.duplicates:,} duplicates, "
        f"{ignored:,} ignored, {counted.rejected:,} rejected"
    )
