"""Where a frame of usage comes from. Everything above is written once, in narwhals."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from typing import TYPE_CHECKING, Any, Protocol

if TYPE_CHECKING:
    import narwhals.stable.v2 as nw
    import pyarrow as pa


class Engine(Protocol):
    """Something that scans the store's Parquet parts."""

    def wide(self) -> AbstractContextManager[None]:
        """While it lasts, frames of hundreds of columns are built without what would cost more than it helps."""
        ...

    def scan(self, parts: Sequence[str], tags: Sequence[str] = ()) -> nw.LazyFrame[Any]:
        """The rows of the parts, lazily; for each of `tags` a text column `tag:<key>`."""
        ...

    def rows(self, frame: nw.LazyFrame[Any]) -> list[tuple[Any, ...]]:
        """The frame's rows as Python values."""
        ...

    def later(self, frame: nw.LazyFrame[Any]) -> Callable[[], list[tuple[Any, ...]]]:
        """The frame's rows, asked for beside whatever is done meanwhile: the answer waits for them."""
        ...

    def batches(self, frame: nw.LazyFrame[Any]) -> tuple[pa.Schema, Iterator[pa.RecordBatch]]:
        """The frame's schema, and its rows as Arrow batches. Until they are read, nothing else can be asked."""
        ...

    def table(self, columns: Mapping[str, Sequence[str] | Sequence[int]]) -> nw.LazyFrame[Any]:
        """A small table of texts and whole numbers, all columns of one length, to join to."""
        ...

    def among(self, frame: nw.LazyFrame[Any], column: str, values: Sequence[str], name: str) -> nw.LazyFrame[Any]:
        """The frame with `name`: whether the text in `column` is one of `values`, false where there is none."""
        ...
