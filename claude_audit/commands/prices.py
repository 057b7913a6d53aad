"""`claude-audit prices`: the catalog, with where and when each figure was read."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import date
from decimal import Decimal
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from claude_audit.commands.common import Format, FormatOption, emit, emit_json, session
from claude_audit.errors import AuditError, Exit
from claude_audit.text import count, folded

if TYPE_CHECKING:
    from claude_audit.catalog import Catalog, Model, Rate, Setting
    from claude_audit.price_check import Problem

UNIT = "USD per million tokens"
_SHORT = {"cache_read": "cached", "cache_write_5m": "5m", "cache_write_1h": "1h"}

On = Annotated[str | None, typer.Option("--on", metavar="DATE", help="The prices of that UTC day [default: today].")]
Today = Annotated[
    str | None, typer.Option("--today", metavar="DATE", help="The day to judge age on [default: today, UTC].")
]


def register(app: typer.Typer) -> None:
    """Add the command and its subcommands to the program."""
    group = typer.Typer(rich_markup_mode=None, add_completion=False)
    group.callback(invoke_without_command=True)(table)
    group.command("show", help="Everything known of one model: rows in time, spellings, limits, open questions.")(show)
    group.command("settings", help="The open questions about bills: who says what, and the answers in use.")(settings)
    group.command("check", help="Look for errors, gaps, stale readings and colliding aliases in price files.")(check)
    app.add_typer(group, name="prices", help="Dated prices, with where and when each figure was read.")


def table(ctx: typer.Context, on: On = None, output: FormatOption = Format.TABLE) -> None:
    """One line a model: what it costs on a day."""
    if ctx.invoked_subcommand is not None:
        return
    catalog, day = session(ctx).catalog, _day(on, "--on")
    rows = [(model, rate) for model in catalog.models.values() if (rate := model.rate(day))]
    if output is Format.JSON:
        emit_json(
            {
                "as_of": str(catalog.as_of),
                "on": str(day),
                "unit": UNIT,
                "rows": [
                    _model(model, day) | {"price": _rate(rate), "fast": _rate(model.rate(day, fast=True))}
                    for model, rate in rows
                ],
            }
        )
        return
    from claude_audit.catalog import TOKEN_CLASSES

    head = ["model", *TOKEN_CLASSES, "over", "fast", "since", "read", "where"]
    body = [
        [
            model.id,
            *(_figure(rate.usd_per_mtok[name]) for name in TOKEN_CLASSES),
            _over(rate),
            _fast(model.rate(day, fast=True)),
            str(rate.since),
            str(rate.read),
            rate.where,
        ]
        for model, rate in rows
    ]
    dropped = _print(output, head, body, numbers=range(1, 6), spare=(9, 10, 7, 6, 8))
    if output is Format.TABLE:
        if 6 in dropped:
            emit("")
            for line in body:
                extra = [f"prompts {line[6]}" if line[6] else "", f"fast mode {line[7]}" if line[7] else ""]
                if any(extra):
                    emit(f"{line[0]}: {', '.join(filter(None, extra))}")
        retired = sum(1 for model, _ in rows if model.retired and model.retired <= day)
        emit(
            f"\n{UNIT} on {day}; complete to {catalog.as_of}.\n{len(rows)} models, {retired} of them retired."
            "\nPrompts >100k, fast mode: input/output. -: not sold, so without a price."
            "\nMore of one model: claude-audit prices show MODEL"
        )


def show(
    ctx: typer.Context,
    model: Annotated[str, typer.Argument(metavar="MODEL", help="Any spelling of it, or a family for its newest.")],
    on: Annotated[str | None, typer.Option("--on", metavar="DATE", help="Only what holds on that UTC day.")] = None,
    output: FormatOption = Format.TABLE,
) -> None:
    """Everything known of one model."""
    catalog = session(ctx).catalog
    resolved = catalog.resolve(model)
    if resolved is None:
        raise AuditError(f"no price for a model called {model!r}", _nearest(catalog, model))
    found, day = resolved.model, _day(on, "--on") if on else None
    rates = [rate for rate in (*found.rates, *found.fast_rates) if day is None or rate.covers(day)]
    if not rates:
        raise AuditError(f"{found.id} had no price on {day}", f"its first row is of {found.rates[0].since}")
    if output is Format.JSON:
        emit_json(
            {
                "unit": UNIT,
                **_model(found, day),
                "spelling": {"given": model, "provider": resolved.provider, "routing": resolved.routing},
                "prices": [_rate(rate) for rate in rates if not rate.fast],
                "fast": [_rate(rate) for rate in rates if rate.fast],
                "minimums": [{"since": str(since), "tokens": tokens} for since, tokens in found.minimums],
                "aliases": list(found.aliases),
                "bedrock": {"id": found.bedrock, "profiles": list(found.profiles)},
                "vertex": list(found.vertex),
                "settings": [
                    _setting(catalog.settings[name]) for name in dict.fromkeys(rate.setting for rate in rates) if name
                ],
                "notes": list(found.notes),
                "conflicts": list(found.conflicts),
                "where": found.where,
            }
        )
        return
    from claude_audit.catalog import TOKEN_CLASSES

    head = ["from", "until", "speed", "prompt", *TOKEN_CLASSES, "confidence", "source", "read", "where"]
    body = [
        [
            str(rate.since),
            str(rate.until or ""),
            "fast" if rate.fast else "standard",
            prompt,
            *(_figure(prices[name]) for name in TOKEN_CLASSES),
            rate.confidence,
            rate.source,
            str(rate.read),
            rate.where,
        ]
        for rate in rates
        for prompt, prices in _sizes(rate)
    ]
    if output is Format.TABLE:
        _say("\n".join(_facts(found, resolved.provider, resolved.routing, day)))
        emit("")
    dropped = _print(output, head, body, numbers=range(4, 9), spare=(10, 11, 9, 12))
    if output is Format.TABLE:
        if dropped:
            emit("")
            for place in dict.fromkeys(
                f"{line[12]}: {line[10]}, read {line[11]}, confidence {line[9]}" for line in body
            ):
                _say(place)
        for label, lines in (("note", found.notes), ("conflict", found.conflicts)):
            for line in lines:
                emit("")
                _say(f"{label}: {line}")


def settings(ctx: typer.Context, output: FormatOption = Format.TABLE) -> None:
    """The open questions: who says what, and the answers in use."""
    found = list(session(ctx).catalog.settings.values())
    if output is Format.JSON:
        emit_json({"settings": [_setting(setting) for setting in found]})
    elif output is Format.TABLE:
        for setting in found:
            _say(
                f"{setting.name}: {setting.value}" + ("" if setting.value == setting.default else f" ({setting.where})")
            )
            _say(f"  {setting.question}")
            for source, answer in setting.says.items():
                _say(f"    {source}: {answer}")
            choices = " or ".join(setting.choices) if setting.choices else "a factor"
            _say(f"  to change it: {f'a setting, {choices}' if setting.settable else setting.change}")
            emit("")
    else:
        head = ["name", "value", "default", "question", "where"]
        body = [[s.name, str(s.value), str(s.default), s.question, s.where] for s in found]
        _print(output, head, body, ())


def check(
    ctx: typer.Context,
    files: Annotated[
        list[Path] | None,
        typer.Argument(metavar="FILE...", help="Price files [default: built-in and configured ones]."),
    ] = None,
    today: Today = None,
    output: FormatOption = Format.TABLE,
) -> None:
    """Look for errors, gaps, stale readings and colliding aliases. Exit code 2 when a file can't be used as it is."""
    from claude_audit.price_check import check as look

    day = _day(today, "--today")
    problems = look(files, day) if files else [*look((), day), *_configured(ctx, day)]
    errors = sum(1 for problem in problems if problem.severity == "error")
    if output is Format.JSON:
        emit_json(
            {
                "today": str(day),
                "errors": errors,
                "warnings": len(problems) - errors,
                "problems": [{"severity": p.severity, "message": p.message, "hint": p.hint} for p in problems],
            }
        )
    elif output is Format.TABLE:
        for problem in problems:
            emit(f"{problem.severity}: {problem.message}" + (f"\n  {problem.hint}" if problem.hint else ""))
        emit(f"{count(errors, 'error')}, {count(len(problems) - errors, 'warning')}")
    else:
        _print(output, ["severity", "message", "hint"], [[p.severity, p.message, p.hint] for p in problems], ())
    if errors:
        raise typer.Exit(Exit.ERROR)


def _configured(ctx: typer.Context, day: date) -> list[Problem]:
    from claude_audit.price_check import check as look

    paths = session(ctx).config.prices
    return look(paths, day) if paths else []


def _day(text: str | None, flag: str) -> date:
    if text is None:
        from claude_audit.clock import today, zone

        return today(zone("UTC"))
    try:
        return date.fromisoformat(text)
    except ValueError as error:
        raise AuditError(f"{flag} {text!r} is not a date", "write it as 2026-11-21") from error


def _nearest(catalog: Catalog, spelling: str) -> str:
    import difflib

    near = difflib.get_close_matches(spelling.lower(), list(catalog.models), n=1, cutoff=0.5)
    return (f"did you mean {near[0]!r}? " if near else "") + "claude-audit prices lists the models"


def _model(model: Model, day: date | None) -> dict[str, Any]:
    return {
        "model": model.id,
        "name": model.name,
        "family": model.family,
        "tokenizer": model.tokenizer,
        "released": str(model.released),
        "deprecated": str(model.deprecated) if model.deprecated else None,
        "retired": str(model.retired) if model.retired else None,
        "context": model.context,
        "max_output": model.max_output,
        "minimum_cacheable": model.minimum(day) if day else (model.minimums[-1][1] if model.minimums else None),
        "inference_geo_us": model.inference_geo_us,
        "regional_premium": model.regional_premium,
    }


def _rate(rate: Rate | None) -> dict[str, Any] | None:
    from claude_audit.money import exact

    if rate is None:
        return None
    band = rate.band
    return {
        "since": str(rate.since),
        "until": str(rate.until) if rate.until else None,
        "usd_per_mtok": {name: exact(price) for name, price in rate.usd_per_mtok.items()},
        "over": band
        and {
            "prompt_tokens": band.over,
            "beta_header": band.beta_header,
            "usd_per_mtok": {name: exact(price) for name, price in band.usd_per_mtok.items()},
        },
        "confidence": rate.confidence,
        "setting": rate.setting,
        "listed": rate.listed,
        "source": rate.source,
        "read": str(rate.read),
        "note": rate.note,
        "where": rate.where,
    }


def _setting(setting: Setting) -> dict[str, Any]:
    return {
        "name": setting.name,
        "question": setting.question,
        "says": dict(setting.says),
        "value": str(setting.value),
        "default": str(setting.default),
        "choices": list(setting.choices),
        "settable": setting.settable,
        "change": setting.change,
        "where": setting.where,
    }


def _sizes(rate: Rate) -> list[tuple[str, Mapping[str, Decimal | None]]]:
    if rate.band is None:
        return [("any", rate.usd_per_mtok)]
    return [(f"to {rate.band.over:,}", rate.usd_per_mtok), (f"over {rate.band.over:,}", rate.band.usd_per_mtok)]


def _facts(model: Model, provider: str | None, routing: str | None, day: date | None) -> list[str]:
    minimum = model.minimum(day) if day else (model.minimums[-1][1] if model.minimums else None)
    ends = f", deprecated {model.deprecated}" if model.deprecated else ""
    ends += f", retired {model.retired}" if model.retired else ""
    facts = [
        f"{model.name} ({model.id}), released {model.released}{ends}",
        f"window {model.context:,}, output to {model.max_output:,} tokens, {model.tokenizer} tokenizer, "
        + (f"caches prompts from {minimum:,} tokens" if minimum else "shortest cached prompt unknown"),
    ]
    if model.aliases:
        facts.append("also " + ", ".join(model.aliases))
    if model.bedrock:
        profiles = f" ({', '.join(model.profiles)})" if model.profiles else ""
        facts.append(f"on Bedrock {model.bedrock}{profiles}")
    if model.vertex:
        facts.append(f"on Vertex {', '.join(model.vertex)}")
    if provider or routing:
        facts.append(f"that spelling says: {', '.join(word for word in (provider, routing) if word)}")
    return facts


def _figure(price: Decimal | None) -> str:
    from claude_audit.money import exact

    text = exact(price)
    if text is None:
        return "-"
    whole, _, part = text.partition(".")
    return f"{whole}.{part:0<2}"


def _over(rate: Rate) -> str:
    if rate.band is None:
        return ""
    prices = rate.band.usd_per_mtok
    return f"{_figure(prices['input'])}/{_figure(prices['output'])} >{rate.band.over // 1000}k"


def _fast(rate: Rate | None) -> str:
    return f"{_figure(rate.usd_per_mtok['input'])}/{_figure(rate.usd_per_mtok['output'])}" if rate else ""


def _say(text: str) -> None:
    """Sentences, as wide as the terminal is."""
    import shutil

    emit(folded(text, shutil.get_terminal_size((80, 24)).columns))


def _print(
    output: Format,
    head: Sequence[str],
    body: Sequence[Sequence[str]],
    numbers: Sequence[int],
    spare: Sequence[int] = (),
) -> list[int]:
    """Print the rows. On a narrow terminal the `spare` columns go first; returns those that went."""
    import shutil

    from claude_audit.renderers.columns import as_csv, as_markdown, fitted

    dropped: list[int] = []
    match output:
        case Format.CSV:
            emit(as_csv(head, body))
        case Format.MARKDOWN:
            emit(as_markdown(head, body, list(numbers)))
        case _:
            short = [_SHORT.get(name, name) for name in head]
            width = shutil.get_terminal_size((80, 24)).columns
            emit(fitted(short, body, list(numbers), width=width, spare=spare, dropped=dropped))
    return dropped
