"""The Python face: open a store, ask it what the commands ask it.

>>> from claude_audit import Audit
>>> Audit.open(".claude-audit").spend(by=["endpoint", "model"]).to_frame()
>>> Audit.open(".claude-audit").whatif(cap_output="512", batch=["report"]).to_frame()
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from concurrent.futures import Future
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from claude_audit import sums
from claude_audit.beside import beside
from claude_audit.bill import LineItem, explain
from claude_audit.clock import UTC_ZONE
from claude_audit.errors import AuditError
from claude_audit.filters import Filters, dimension
from claude_audit.money import ZERO
from claude_audit.spend import TOKEN_TYPE, Spend, spend
from claude_audit.store import Manifest, Store
from claude_audit.tally import Line, Reach, of_sums, tally
from claude_audit.usage import TIME_DIMENSIONS

if TYPE_CHECKING:
    import narwhals.stable.v2 as nw

    from claude_audit.catalog import Catalog
    from claude_audit.claims import Claim
    from claude_audit.diff import Diff
    from claude_audit.engines.duckdb import DuckDB
    from claude_audit.findings import Findings
    from claude_audit.history import History
    from claude_audit.opportunities import Opportunities
    from claude_audit.published import Published
    from claude_audit.row_columns import Known
    from claude_audit.waterfall import Waterfall


@dataclass(frozen=True)
class Audit:
    """The rows of a store that the filters leave, and the prices to bill them with."""

    store: Store
    manifest: Manifest
    catalog: Catalog
    filters: Filters

    @classmethod
    def open(cls, store: str | Path, *, catalog: Catalog | None = None, filters: Filters | None = None) -> Audit:
        """The audit of a store directory. Raises AuditError when nothing was ingested there."""
        place = Store(Path(store))
        if not place.exists:
            raise AuditError(
                f"{place.path}: nothing has been ingested here", "claude-audit ingest PATH reads logs into the store"
            )
        if catalog is None:
            from claude_audit.catalog import load

            catalog = load()
        return cls(place, place.manifest(), catalog, filters or Filters())

    def filtered(self, **changes: Any) -> Audit:
        """The same store under other filters (fields of filters.Filters)."""
        return replace(self, filters=replace(self.filters, **changes))

    @cached_property
    def engine(self) -> DuckDB:
        """What scans the parts."""
        from claude_audit.engines.duckdb import DuckDB

        return DuckDB()

    @cached_property
    def parts(self) -> list[str]:
        """The Parquet files."""
        return [str(path) for path in self.store.part_paths(self.manifest)]

    @cached_property
    def reach(self) -> Reach | None:
        """First and last instant and the models of the whole store; None when it holds no rows."""
        parts = [part for part in self.manifest.parts if part.first and part.last]
        if not parts:
            return None
        first = min(datetime.fromisoformat(str(part.first)) for part in parts)
        last = max(datetime.fromisoformat(str(part.last)) for part in parts)
        return Reach(first, last, tuple(sorted({model for part in parts for model in part.models})))

    @cached_property
    def known_reach(self) -> Reach | None:
        """`reach` with what is known of the columns, for questions that look at many of them."""
        return None if self.reach is None else replace(self.reach, known=self._known.result())

    @cached_property
    def _known(self) -> Future[Known]:
        """What the parts' footers say of their columns, read beside whatever is done meanwhile."""
        from claude_audit.engines.footers import known

        return beside(known, self.parts)

    def usage(self, tags: Sequence[str] = ()) -> nw.LazyFrame[Any]:
        """The filtered rows, lazily, with a column `tag:<key>` for each of `tags`."""
        frame = self.engine.scan(self.parts, tuple(dict.fromkeys((*tags, *self.filters.tags))))
        return self.filters.apply(frame, self.catalog)

    def lines(self, by: Sequence[str] = ()) -> list[Line]:
        """The tally by these dimensions; empty for an empty store."""
        if self.reach is None:
            return []
        groups = self._summed(by)
        if groups is not None:
            return of_sums(groups, self.reach, self.catalog, by)
        tags = [name.removeprefix("tag:") for name in by if name.startswith("tag:")]
        return tally(self.usage(tags), self.reach, self.catalog, self.engine, by, self.filters.timezone)

    def _summed(self, by: Sequence[str]) -> list[list[Any]] | None:
        """What was summed when the parts were written, where that answers the question; None: the rows have to be scanned."""
        timely = not {*by}.isdisjoint(TIME_DIMENSIONS) and self.filters.timezone != UTC_ZONE
        if timely or not sums.DIMENSIONS.issuperset(by) or not self._unfiltered:
            return None
        groups: list[list[Any]] = []
        for part in self.manifest.parts:
            found = sums.read(self.store.sums(part.name), self.store.part(part.name), self.catalog.thresholds)
            if found is None:
                return None
            groups += found
        return groups

    @property
    def _unfiltered(self) -> bool:
        return self.filters == replace(Filters(), timezone=self.filters.timezone)

    def period(self) -> tuple[datetime | None, datetime | None]:
        """The first and the last instant of the filtered rows, UTC."""
        if self.reach is None:
            return None, None
        if self._unfiltered:
            return self.reach.first, self.reach.last
        import narwhals.stable.v2 as nw

        start = datetime(1970, 1, 1, tzinfo=UTC)
        frame = self.usage().select(
            first=(nw.col("ts").min() - nw.lit(start)).dt.total_microseconds(),
            last=(nw.col("ts").max() - nw.lit(start)).dt.total_microseconds(),
        )
        first, last = self.engine.rows(frame)[0]
        if first is None:
            return None, None
        return start + timedelta(microseconds=first), start + timedelta(microseconds=last)

    def spend(self, by: Sequence[str] = ()) -> Spend:
        """The bill by these dimensions."""
        by = tuple(dict.fromkeys(dimension(name, "--by") for name in by))
        lines = self.lines([name for name in by if name != TOKEN_TYPE])
        since, until = self.period()
        return spend(lines, self.catalog, by, since, until)

    def history(self) -> History:
        """Spending by day, for forecasts and budgets."""
        from claude_audit.history import History

        return History(self)

    def whatif(
        self, *, attribution: str = "waterfall", order: str | Sequence[str] = "stage", **options: Any
    ) -> Waterfall:
        """What levers would have saved: `whatif(route_simple="haiku", cache_hit="0.85", batch=["report"])`.

        The options are the flags of the command, with underscores. `order` of the steps: stage (of application), written
        (as the options stand), or names of levers; the total is the same. Raises AuditError for what makes no sense.
        """
        if self.reach is not None:
            _ = self._known, self.engine  # both are loaded while the footers are read
        from claude_audit.scenario import levers_of, ordered, simulate
        from claude_audit.waterfall import Waterfall

        levers = levers_of(options, self.catalog)
        written = ordered(order, options)
        (since, until), reach = self.period(), self.known_reach
        if reach is None or since is None:
            return Waterfall(None, None, ZERO, (), None, ("There is no request to try anything on.",))
        found = simulate(
            self.usage(),
            reach,
            levers,
            self.catalog,
            self.engine,
            since=since,
            until=until,
            timezone=self.filters.timezone,
            attribution=attribution,
            order=written,
            elsewhere=self._elsewhere,
        )
        return found.beside_list(self._at_list_prices(options)) if self.catalog.contract else found

    def _elsewhere(self) -> tuple[nw.LazyFrame[Any], DuckDB]:
        """The filtered rows in an engine that may be asked while this one is at work."""
        engine = self.engine.beside()
        return self.filters.apply(engine.scan(self.parts, self.filters.tags), self.catalog), engine

    def _at_list_prices(self, options: dict[str, Any]) -> Waterfall:
        """The same scenario without the user's own prices and discounts."""
        from claude_audit.catalog import load

        return replace(self, catalog=load()).whatif(**options)

    def opportunities(self, *, only: Collection[str] | None = None, **options: Any) -> Opportunities:
        """Every lever that the log supports, each alone at its default, best first; or `only` those named.

        `options` take the place of defaults.
        """
        from claude_audit.opportunities import Opportunities, opportunities

        (since, until), reach = self.period(), self.known_reach
        if reach is None or since is None:
            return Opportunities(None, None, ZERO, ())
        return opportunities(
            self.usage(),
            reach,
            self.catalog,
            self.engine,
            since=since,
            until=until,
            timezone=self.filters.timezone,
            given=options,
            only=only,
        )

    def findings(self, rules: Sequence[str] = (), *, opportunities: Opportunities | None = None) -> Findings:
        """What went wrong or was wasted, dearest first: by all rules, or those named.

        `opportunities`: of these rows, where they are known already. Raises AuditError for a name that is no rule's.
        """
        from claude_audit.findings import findings

        return findings(self, rules, opportunities)

    def published(self, claims: Sequence[Claim] | None = None) -> Published:
        """What cost guides publish, recomputed on these requests. `claims` (claims.claims(path)) take the package's place."""
        from claude_audit.published import Published, published

        (since, until), reach = self.period(), self.known_reach
        if reach is None or since is None:
            return Published(None, None, ZERO, ())
        return published(self.usage(), reach, self.catalog, self.engine, since=since, until=until, entries=claims)

    def diff(
        self,
        before: str | None = None,
        after: str | None = None,
        *,
        by: Sequence[str] = ("endpoint", "model"),
        against: str | Path | None = None,
    ) -> Diff:
        """What changed between two periods, in parts that add up: `diff("2026-10", "2026-11", by=["team"])`.

        Periods are months, weeks (2026-W46), days or DATE..DATE; with none, the last complete month and the one before,
        or weeks of a shorter log. `against`: another store, whose rows are the ones before. Raises AuditError for what
        makes no sense, and when a period has no requests.
        """
        from claude_audit.clock import today
        from claude_audit.comparison import compare

        other = None if against is None else Audit.open(against, catalog=self.catalog, filters=self.filters)
        now = today(self.filters.timezone)
        return compare(self, before, after, by, now, other, None if against is None else str(against))

    def explain(self, by: Sequence[str] = ()) -> list[LineItem]:
        """The bill of the filtered rows as line items."""
        return explain(self.lines(by), self.catalog)
