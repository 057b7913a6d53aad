"""`claude-audit explain`: where a figure comes from: one request, or all that the filters leave, as line items; a lever."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Annotated, Any

import typer

from claude_audit.commands.common import Format, FormatOption, Since, Until, Where, Zone, emit, emit_json, session

if TYPE_CHECKING:
    from claude_audit.bill import LineItem
    from claude_audit.explain import Pass

LEVER, RULE = "lever", "rule"
"""Stand where an id would: no id of ours or the API's reads like that."""


def register(app: typer.Typer) -> None:
    """Add the command to the program."""
    about = (
        "A figure as line items: quantity x rate x factors = amount, and where each price stands. "
        "explain lever NAME: what a what-if lever assumes, its formula, when it costs money; explain lever: all of them. "
        "explain rule NAME: what a finding rests on."
    )
    app.command(help=about)(explain)


def explain(
    ctx: typer.Context,
    identifier: Annotated[
        str | None,
        typer.Argument(
            metavar="ID|lever|rule", help="A request id, message id or row id; all rows without one; or lever, rule."
        ),
    ] = None,
    name: Annotated[str | None, typer.Argument(metavar="NAME", help="After lever or rule: one of them.")] = None,
    since: Since = None,
    until: Until = None,
    timezone: Zone = None,
    where: Where = None,
    output: FormatOption = Format.TABLE,
) -> None:
    """A figure as line items."""
    from claude_audit.errors import AuditError
    from claude_audit.explain import merged, passes

    if identifier == LEVER:
        return _levers(name, output)
    if identifier == RULE:
        return _rules(name, output)
    if name is not None:
        raise AuditError(f"explain takes one id, not {identifier} and {name}", "claude-audit explain lever NAME")
    audit = session(ctx).audit(since, until, timezone, where)
    calls: tuple[Pass, ...] = ()
    items: Sequence[LineItem] = ()
    if identifier is None:
        items = merged(audit.explain())
    elif audit.reach is None:
        raise AuditError(f"no request has the id {identifier!r}", "the store holds no requests")
    else:
        calls = passes(audit.usage(), audit.reach, audit.catalog, audit.engine, identifier)
    if output is Format.JSON:
        emit_json(_document(items, calls))
    elif output is Format.TABLE:
        from claude_audit.renderers.terminal import explain_tables

        emit(explain_tables(items, calls))
    else:
        from claude_audit.renderers import rows

        write = rows.items_csv if output is Format.CSV else rows.items_markdown
        emit(write(list(_with_place(items, calls))))
    return None


def _levers(name: str | None, output: Format) -> None:
    """The page of one lever, or a line for each."""
    from claude_audit.levers import kind_of, registry
    from claude_audit.renderers import levers

    kinds = registry() if name is None else (kind_of(name),)
    if output is Format.JSON:
        emit_json({"levers": [levers.document(kind, whole=name is not None) for kind in kinds]})
    elif name is not None and output is not Format.CSV:
        emit(levers.page_text(kinds[0]) if output is Format.TABLE else levers.page_markdown(kinds[0]))
    else:
        write = {Format.TABLE: levers.table, Format.CSV: levers.csv, Format.MARKDOWN: levers.markdown}[output]
        emit(write(kinds))


def _rules(name: str | None, output: Format) -> None:
    """The page of one rule, or a line for each."""
    from claude_audit.renderers import rules as render
    from claude_audit.rules import registry, rule_of

    rules = tuple(registry().values()) if name is None else (rule_of(name),)
    if output is Format.JSON:
        emit_json({"rules": [render.document(rule, whole=name is not None) for rule in rules]})
    elif name is not None and output is not Format.CSV:
        emit(render.page_text(rules[0]) if output is Format.TABLE else render.page_markdown(rules[0]))
    else:
        emit({Format.TABLE: render.table, Format.CSV: render.csv, Format.MARKDOWN: render.markdown}[output](rules))


def _with_place(items: Sequence[LineItem], calls: Sequence[Pass]) -> Iterator[tuple[Sequence[str], LineItem]]:
    for one in calls:
        whose = (one.request_id or "", one.message_id or "", one.row_id, one.source, str(one.line or ""))
        yield from ((whose, item) for item in one.items)
    yield from (((("",) * 5), item) for item in items)


def _document(items: Sequence[LineItem], calls: Sequence[Pass]) -> dict[str, Any]:
    from claude_audit.explain import total_usd
    from claude_audit.money import exact

    every = [item for one in calls for item in one.items] or list(items)
    document: dict[str, Any] = {
        "rows": [*map(_item, items), *(_item(item) | {"row_id": one.row_id} for one in calls for item in one.items)],
        "total_usd": exact(total_usd(every)),
        "unpriced_rows": sum(item.usd is None for item in every),
    }
    if calls:
        document["passes"] = [
            {
                "row_id": one.row_id,
                "request_id": one.request_id,
                "message_id": one.message_id,
                "kind": one.kind,
                "pass": one.number,
                "at": one.at.isoformat().replace("+00:00", "Z"),
                "format": one.format,
                "source": one.source,
                "line": one.line,
                "endpoint": one.endpoint,
                "model": one.model,
                "unbilled": one.unbilled,
                "cost_usd": None if any(item.usd is None for item in one.items) else exact(total_usd(one.items)),
            }
            for one in calls
        ]
    return document


def _item(item: LineItem) -> dict[str, Any]:
    from claude_audit.bill import SEARCHES
    from claude_audit.money import exact

    return {
        "model": item.model,
        "component": item.component,
        "quantity": item.quantity,
        "unit": "searches" if item.component == SEARCHES else "tokens",
        "rate": exact(item.usd_per_unit),
        "per": item.per,
        "factors": [{"name": name, "factor": exact(value), "where": where} for name, value, where in item.factors],
        "amount_usd": exact(item.usd),
        "where": item.where,
        "note": item.note or None,
    }
