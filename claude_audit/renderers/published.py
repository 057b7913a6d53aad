"""Published claims beside what they come to here: verdicts in words; JSON, CSV and Markdown."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

from claude_audit.claims import Claim, Says
from claude_audit.money import dollars, exact
from claude_audit.published import Checked, Published, Verdict
from claude_audit.renderers import figures
from claude_audit.renderers.columns import as_csv, as_markdown, markdown_text
from claude_audit.renderers.figures import percent
from claude_audit.text import count, day_name
from claude_audit.waterfall_told import instant

TITLE = {
    Verdict.HOLDS: "holds here",
    Verdict.UNSURE: "not sure here",
    Verdict.LESS: "less here",
    Verdict.MORE: "more here",
    Verdict.COSTS: "COSTS money here",
    Verdict.NOTHING: "no case here",
    Verdict.UNKNOWN: "this log can't tell",
    Verdict.RIGHT: "right",
    Verdict.WRONG: "wrong",
}
OF = {
    "bill": "of the bill",
    "changed": "of what the requests concerned cost",
    "prompts": "of the cost of all prompts",
    "answers": "of the cost of all answers",
    "requests": "of the requests",
    "output": "of the output tokens",
    "hits": "of the prompt tokens",
    "cut": "of the answers",
}
COLUMNS = (
    "claim",
    "source",
    "read",
    "says",
    "of",
    "verdict",
    "low",
    "point",
    "high",
    "low_usd",
    "saving_usd",
    "high_usd",
    "grade",
    "words",
)


def says(claim: Claim) -> str:
    """The published figure, in words."""
    found = claim.says
    if found is None:
        return ""
    match found.kind:
        case "saves":
            return "it saves"
        case "usd":
            return dollars(found.low)
        case "times":
            return f"{_plain(found.low)} times"
    return f"{_range(found)} {OF[claim.of]}"


def _range(found: Says) -> str:
    if found.up_to:
        return f"up to {_share(found.high)}"
    return _share(found.low) if found.low == found.high else f"{_share(found.low)} to {_share(found.high)}"


def _share(value: Decimal) -> str:
    return percent(value).replace(".0 %", " %")


def _plain(value: Decimal) -> str:
    return exact(round(value, 2)) or "0"


def here(checked: Checked) -> str:
    """What it comes to: the interval, the dollars, the grade; empty when nothing was found."""
    claim, found = checked.claim, checked.found
    if found is None or claim.says is None:
        return ""
    if claim.says.kind == "usd":
        return dollars(found.point)
    if claim.says.kind == "times":
        return f"{_plain(found.point)} times"
    shares = percent(found.point)
    if (found.low, found.high) != (found.point, found.point):
        shares += f", between {percent(found.low)} and {percent(found.high)},"
    told = f"{shares} {OF[claim.of]}"
    if found.saving_usd is not None and claim.of in ("bill", "changed", "prompts", "answers"):
        told += f" ({dollars(found.saving_usd)})"
    return told + (f"; {found.grade.value}" if found.grade else "")


def verdict(checked: Checked) -> str:
    """The verdict as a sentence."""
    claim, found = checked.claim, checked.found
    match checked.verdict:
        case Verdict.UNKNOWN:
            ways = "; ".join(f"{missing.field}: {missing.way}" for missing in checked.missing)
            return f"This log can't tell. It lacks {ways}."
        case Verdict.NOTHING:
            why = f" ({checked.reason})" if checked.reason else ""
            return f"No request of this log is concerned{why}."
        case Verdict.WRONG | Verdict.RIGHT if found is None:
            return claim.fact
        case Verdict.RIGHT:
            return f"The list price says so too: {here(checked)}."
        case Verdict.WRONG:
            return f"By the price list it is {here(checked)}."
    assert found is not None  # noqa: S101 - of every verdict left
    match checked.verdict:
        case Verdict.COSTS:
            return f"It RAISES the bill here by {dollars(-(found.saving_usd or Decimal(0)))}."
        case Verdict.HOLDS:
            return "So it is on this log."
        case Verdict.LESS:
            return f"Here it is at most {percent(found.high)}." if found.high > 0 else "Here it saves nothing."
        case Verdict.MORE:
            return f"Here it is at least {percent(found.low)}."
    low = claim.says.low if claim.says else Decimal(0)
    high = claim.says.high if claim.says else Decimal(0)
    if claim.says and claim.says.kind == "saves":
        return f"Probably, but it may also cost: {dollars(found.low_usd)} at worst."
    if found.point < low:
        return "Probably less here; at the far end of what is not known, it reaches the claim."
    return "Probably more here." if found.point > high else "Probably, but what is not known is large."


def summary(found: Published) -> str:
    """How many claims stand how, in a sentence."""
    words = {
        Verdict.COSTS: ("would COST money here", "would COST money here"),
        Verdict.LESS: ("comes to less here", "come to less here"),
        Verdict.MORE: ("comes to more here", "come to more here"),
        Verdict.UNSURE: ("is not settled", "are not settled"),
        Verdict.HOLDS: ("holds here", "hold here"),
        Verdict.UNKNOWN: ("needs fields that this log lacks", "need fields that this log lacks"),
        Verdict.NOTHING: ("concerns no request here", "concern no request here"),
        Verdict.WRONG: ("is wrong for everybody", "are wrong for everybody"),
        Verdict.RIGHT: ("is right for everybody", "are right for everybody"),
    }
    counts = {verdict: sum(one.verdict is verdict for one in found.checked) for verdict in words}
    told = [f"{n} {words[verdict][n > 1]}" for verdict, n in counts.items() if n]
    return f"Of {count(len(found.checked), 'claim')}: {', '.join(told)}." if told else "There are no claims to check."


def source(claim: Claim) -> str:
    """Who says so, and when that was read."""
    return f"{claim.by}; read {day_name(claim.read)}, {claim.read.year}"


def document(found: Published) -> dict[str, Any]:
    """Each claim with its figure here. Shares are numbers, dollars exact strings, what is not known null."""
    return {
        "period": {"since": instant(found.since), "until": instant(found.until)},
        "baseline_usd": exact(found.baseline_usd),
        "requests": found.requests,
        "summary": summary(found),
        "claims": [_entry(checked) for checked in found.checked],
    }


def _entry(checked: Checked) -> dict[str, Any]:
    claim, found, said = checked.claim, checked.found, checked.claim.says
    money = said is not None and said.kind == "usd"
    figure = {name: _figure(getattr(found, name), money) for name in ("low", "point", "high")} if found else None
    return {
        "claim": claim.claim,
        "source": claim.by,
        "read": claim.read.isoformat(),
        "entry": claim.where,
        "says": None
        if said is None
        else {
            "kind": said.kind,
            "low": None if said.kind == "saves" else _figure(said.low, money),
            "high": None if said.kind == "saves" else _figure(said.high, money),
            "up_to": said.up_to,
        },
        "of": claim.of if claim.levers or claim.formula else None,
        "levers": dict(claim.levers) or None,
        "verdict": checked.verdict.value,
        "words": verdict(checked),
        "here": figure,
        "low_usd": exact(found.low_usd) if found else None,
        "saving_usd": exact(found.saving_usd) if found else None,
        "high_usd": exact(found.high_usd) if found else None,
        "grade": found.grade.value if found and found.grade else None,
        "requests_changed": found.requests if found else None,
        "missing": [{"field": missing.field, "way": missing.way} for missing in checked.missing],
        "remark": claim.remark or None,
    }


def _figure(value: Decimal, money: bool) -> str | float | None:
    return exact(value) if money else float(value)


def csv(found: Published) -> str:
    """A row a claim."""
    rows = []
    for checked in found.checked:
        claim, one = checked.claim, checked.found
        shares = [exact(value) or "" for value in (one.low, one.point, one.high)] if one else [""] * 3
        money = [exact(usd) or "" for usd in (one.low_usd, one.saving_usd, one.high_usd)] if one else [""] * 3
        told = (claim.claim, claim.by, claim.read.isoformat(), says(claim))
        of = claim.of if claim.levers or claim.formula else ""
        grade = one.grade.value if one and one.grade else ""
        rows.append([*told, of, checked.verdict.value, *shares, *money, grade, verdict(checked)])
    return as_csv(COLUMNS, rows)


def markdown(found: Published) -> str:
    """A table of the claims, then the sources."""
    period = figures.period(found.since, found.until)
    lead = f"What cost guides publish, on this log ({dollars(found.baseline_usd)}, {period}). {summary(found)}"
    header = ["", "Claim", "Published", "Here", "Verdict"]
    rows = []
    for n, checked in enumerate(found.checked, 1):
        words = f"{TITLE[checked.verdict]}: {verdict(checked)}"
        rows.append([str(n), checked.claim.claim, says(checked.claim), here(checked), words])
    sources = "\n".join(
        f"{n}. {markdown_text(source(checked.claim))}"
        + (f". {markdown_text(checked.claim.remark)}" * bool(checked.claim.remark))
        for n, checked in enumerate(found.checked, 1)
    )
    return f"{lead}\n\n{as_markdown(header, rows)}\n\n{sources}\n"
