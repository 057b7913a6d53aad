"""What a console or a billing report claims, in a table of its own beside the usage: to compare with, never to add.

A row is one line of a report: tokens, or dollars, of a stretch of time. Reports are small (they are sums already), so they
are read in Python, whole; all their rows are kept, and `overlaps` says which of them count.
"""

from __future__ import annotations

import hashlib
import re
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, fields, replace
from datetime import UTC, datetime
from decimal import Decimal, InvalidOperation
from functools import cache
from typing import TYPE_CHECKING

from claude_audit.errors import AuditError
from claude_audit.money import EXACT, exact
from claude_audit.store import Manifest, Part, Store

if TYPE_CHECKING:
    import pyarrow as pa

    from claude_audit.catalog import Catalog

MOST_PARTS = 8
"""With more Parquet files of evidence than this they are made one: reports are downloaded again and again."""

DIGITS = 18
"""Decimal places of stored dollars. Reports in fractional cents show up to five places of a cent."""

COUNT_LIMIT = 2**63
LONGEST_LABEL = 500


@dataclass(frozen=True, slots=True)
class Claim:
    """One row of a report, as its reader found it. None: the report does not say."""

    line: int
    """Of a CSV file the line; of JSON the number of the row."""
    start: datetime
    end: datetime
    """What it covers: [start, end), UTC."""
    model_raw: str | None = None
    workspace_id: str | None = None
    workspace_name: str | None = None
    api_key_id: str | None = None
    api_key_name: str | None = None
    user: str | None = None
    tier: str | None = None
    context_window: str | None = None
    geo: str | None = None
    speed: str | None = None
    product: str | None = None
    token_type: str | None = None
    """The token class (usage.TOKEN_CLASSES) of an amount; None for an amount of all classes."""
    cost_type: str | None = None
    """tokens, web_search, code_execution or session_usage; None for an amount of all of them."""
    customer_type: str | None = None
    other: str | None = None
    """Further things the report is grouped by, as sorted JSON."""
    input_tokens: int | None = None
    cache_read_tokens: int | None = None
    cache_write_5m_tokens: int | None = None
    cache_write_1h_tokens: int | None = None
    output_tokens: int | None = None
    prompt_tokens: int | None = None
    """All input in one figure, where the report does not part it."""
    web_searches: int | None = None
    requests: int | None = None
    amount_usd: Decimal | None = None
    list_amount_usd: Decimal | None = None
    """Before discounts."""
    rounding_usd: Decimal | None = None
    """By how much the amount may be off: half a unit of the last place that its report shows."""


@dataclass(frozen=True, slots=True)
class Evidence:
    """A claim in the store."""

    evidence_id: str
    """Equal rows of one export have different ids; the same row of two exports has the same."""
    format: str
    source: str
    export: str
    """The download it came with (store.Export)."""
    kind: str
    """usage or cost."""
    model: str | None
    """The catalog's id; None when it does not know the model."""
    claim: Claim

    @property
    def workspace(self) -> str | None:
        """Name, else id."""
        return self.claim.workspace_name or self.claim.workspace_id

    @property
    def api_key(self) -> str | None:
        """Name, else id."""
        return self.claim.api_key_name or self.claim.api_key_id

    @property
    def tokens(self) -> tuple[int | None, ...]:
        """By usage.TOKEN_CLASSES."""
        c = self.claim
        return (c.input_tokens, c.cache_read_tokens, c.cache_write_5m_tokens, c.cache_write_1h_tokens, c.output_tokens)


@dataclass(frozen=True, slots=True)
class Unread:
    """A row that is no claim, and why."""

    line: int
    reason: str


@dataclass(frozen=True, slots=True)
class Download:
    """One export as it was read: a CSV file, or one page of an API's answer."""

    claims: tuple[Claim, ...]
    digest: str
    """Of its content: the same download, found again anywhere, adds nothing."""
    first: datetime | None
    last: datetime | None
    """What it covers, UTC; days without a row included. None: it says nothing of any time."""
    more: bool = False
    """It says that a further page exists."""
    ignored: tuple[Unread, ...] = ()
    rejected: tuple[Unread, ...] = ()


class BadValueError(ValueError):
    """A value of a report that is not what its column holds; the message says which."""


def _absent(value: object) -> bool:
    return value is None or (isinstance(value, str) and value.strip() in ("", "-", "--", "null"))


def _shown(value: object) -> str:
    return str(value).strip()[:60].encode("utf-8", "replace").decode()


def count(value: object, name: str) -> int | None:
    """A whole number from 0 to 2^63-1; None when there is none. Raises BadValueError."""
    if _absent(value):
        return None
    text = str(value).strip()
    if isinstance(value, str) and re.fullmatch(r"[0-9]{1,3}(,[0-9]{3})+", text):
        text = text.replace(",", "")
    if (
        not isinstance(value, bool)
        and (found := re.fullmatch(r"([0-9]{1,19})(\.0*)?", text))
        and int(found[1]) < COUNT_LIMIT
    ):
        return int(found[1])
    raise BadValueError(f"{name} is {_shown(value)}")


def amount(value: object, name: str, *, cents: bool = False) -> Decimal | None:
    """US dollars from a number or its text, exact; None when there is none. A credit is negative. Raises BadValueError."""
    if _absent(value):
        return None
    plain = re.sub(r"^(-?)\$", r"\1", str(value).strip())
    if re.fullmatch(r"-?[0-9]{1,3}(,[0-9]{3})+(\.[0-9]+)?", plain):
        plain = plain.replace(",", "")
    try:
        number = Decimal("NaN") if isinstance(value, bool) else Decimal(plain)
    except InvalidOperation:
        number = Decimal("NaN")
    exponent = number.as_tuple().exponent
    if not isinstance(exponent, int) or not 2 * cents - DIGITS <= exponent or number.adjusted() > DIGITS:
        raise BadValueError(f"{name} is {_shown(value)}")
    return EXACT.scaleb(number, Decimal(-2)) if cents else number


def instant(value: object, name: str) -> datetime:
    """UTC from RFC 3339, or a date, or a date and time with a space; without a zone it is UTC. Raises BadValueError."""
    if _absent(value):
        raise BadValueError(f"{name} is missing")
    try:
        moment = datetime.fromisoformat(str(value).strip().removesuffix(" UTC"))
        moment = moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment.astimezone(UTC)
    except (ValueError, OverflowError) as error:
        raise BadValueError(f"{name} is {_shown(value)!r}, which is no time") from error
    if not 2000 <= moment.year < 2100:
        raise BadValueError(f"{name} is {_shown(value)!r}, which no report is about")
    return moment


def text(value: object) -> str | None:
    """A label; None for what stands where there is none."""
    if _absent(value) or isinstance(value, dict | list | bool):
        return None
    return str(value).strip()[:LONGEST_LABEL].encode("utf-8", "replace").decode()


def with_rounding(claims: Iterable[Claim]) -> tuple[Claim, ...]:
    """The claims of one export, each with the rounding that its finest amount shows: half a cent at most."""
    claims = tuple(claims)
    shown = [c.amount_usd for c in claims if c.amount_usd is not None]
    if not shown:
        return claims
    places = max(2, *(-int(a.as_tuple().exponent) for a in shown))
    half = Decimal(5).scaleb(-places - 1)
    return tuple(replace(c, rounding_usd=half) if c.amount_usd is not None else c for c in claims)


def model_id(spelling: str | None, catalog: Catalog) -> str | None:
    """The catalog's id for a report's model: an id, a display name, or a name with a date ("Claude Sonnet 3.5 2024-10-22")."""
    if spelling is None:
        return None
    found = catalog.resolve(spelling, families=False)
    if found is None and (dated := re.fullmatch(r"(.+?)[ -](20\d\d)-(\d\d)-(\d\d)", spelling)):
        named = catalog.resolve(dated[1], families=False)
        if named is not None:
            base = re.sub(r"-20\d{6}$", "", named.model.id)
            found = catalog.resolve(f"{base}-{dated[2]}{dated[3]}{dated[4]}", families=False)
    return found.model.id if found else None


def identified(
    claims: Sequence[Claim], *, format: str, kind: str, source: str, export: str, catalog: Catalog
) -> Iterator[Evidence]:
    """The claims of one export as rows of the store."""
    seen: Counter[str] = Counter()
    for claim in claims:
        said = "|".join(_said(getattr(claim, name)) for name in CLAIM_FIELDS if name not in ("line", "rounding_usd"))
        seen[said] += 1
        digest = hashlib.sha256(f"{format}|{said}|{seen[said]}".encode()).hexdigest()[:32]
        yield Evidence(digest, format, source, export, kind, model_id(claim.model_raw, catalog), claim)


def _said(value: object) -> str:
    return "" if value is None else exact(value) or "" if isinstance(value, Decimal) else str(value)


CLAIM_FIELDS = tuple(field.name for field in fields(Claim))
ROW_FIELDS = tuple(field.name for field in fields(Evidence) if field.name != "claim")


@cache
def schema() -> pa.Schema:
    """Of the evidence's Parquet files."""
    import pyarrow as pa

    def of(name: str) -> pa.DataType:
        if name in ("start", "end"):
            return pa.timestamp("us", "UTC")
        if name.endswith("_usd"):
            return pa.decimal128(38, DIGITS)
        if name == "line" or name.endswith("_tokens") or name in ("web_searches", "requests"):
            return pa.int64()
        return pa.string()

    return pa.schema([pa.field(name, of(name)) for name in (*ROW_FIELDS, *CLAIM_FIELDS)])


def write(store: Store, rows: Sequence[Evidence]) -> Part:
    """A new Parquet part of these rows; the manifest must name it for it to count."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    columns: dict[str, list[object]] = {name: [getattr(row, name) for row in rows] for name in ROW_FIELDS}
    columns |= {name: [getattr(row.claim, name) for row in rows] for name in CLAIM_FIELDS}
    name = store.new_part()
    pq.write_table(pa.table(columns, schema=schema()), store.part(name), compression="zstd")
    models = {row.model for row in rows if row.model}
    first, last = min(row.claim.start for row in rows), max(row.claim.start for row in rows)
    return Part(name, len(rows), first.isoformat(), last.isoformat(), tuple(sorted(models)))


def load(store: Store, manifest: Manifest) -> list[Evidence]:
    """Every row of evidence in the store, those that newer exports replace included. Raises AuditError when damaged."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    rows: list[Evidence] = []
    for part in manifest.evidence:
        path = store.part(part.name)
        try:
            table = pq.read_table(path, schema=schema())
            columns = [table.column(name).to_pylist() for name in (*ROW_FIELDS, *CLAIM_FIELDS)]
        except (OSError, pa.ArrowException, KeyError) as error:
            raise AuditError(
                f"{path}: the evidence cannot be read: {str(error).splitlines()[0]}",
                "restore the store from a backup, or ingest the reports into a new one (--store DIR)",
            ) from error
        at = len(ROW_FIELDS)
        for values in zip(*columns, strict=True):
            rows.append(Evidence(*(*values[:at], Claim(*values[at:]))))
    return rows
