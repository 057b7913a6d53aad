"""Chance, ids and days, all from one seed: the same on every machine and every Python."""

from __future__ import annotations

import hashlib
import random
from collections.abc import Sequence
from datetime import UTC, date, datetime, time, timedelta
from typing import TypeVar

SEED = 20261120
FIRST = date(2026, 9, 15)
LAST = date(2026, 11, 20)
DAYS = tuple(FIRST + timedelta(days=n) for n in range((LAST - FIRST).days + 1))

CUSTOMERS = (1.0, 0.95, 0.95, 1.0, 1.1, 1.35, 1.3)
"""Monday to Sunday: gardeners write at the weekend."""
OFFICE = (1.15, 1.0, 1.0, 1.0, 0.9, 0.0, 0.0)
"""Monday to Sunday: the back office does not."""

ALPHABET = "123456789ABCDEFGHJKLMNPQRSTUVWXYZabcdefghijkmnopqrstuvwxyz"

T = TypeVar("T")


class Dice:
    """A stream of chance with a name of its own, so that a change to one endpoint leaves the others as they were.

    Only `Random.random` is used: its sequence for a seed is the one that Python promises to keep.
    """

    def __init__(self, name: str) -> None:
        self._random = random.Random(f"larkspur/{SEED}/{name}").random

    def whole(self, low: int, high: int) -> int:
        """A whole number from low to high, both included."""
        return low + int(self._random() * (high - low + 1))

    def chance(self, share: float) -> bool:
        return self._random() < share

    def pick(self, items: Sequence[T]) -> T:
        return items[int(self._random() * len(items))]

    def count(self, expected: float) -> int:
        """A whole number that is `expected` on average."""
        return int(expected) + self.chance(expected - int(expected))


def growth(day: date) -> float:
    """Larkspur grows by a quarter over the period."""
    return 1 + 0.25 * (day - FIRST).days / (len(DAYS) - 1)


def moment(day: date, hour: int, minute: int = 0, second: int = 0, ms: int = 0) -> datetime:
    return datetime.combine(day, time(hour, minute, second, ms * 1000), UTC)


def after(at: datetime, dice: Dice, low: int, high: int) -> datetime:
    """A moment `low` to `high` seconds later, at some millisecond."""
    return at + timedelta(seconds=dice.whole(low, high), milliseconds=dice.whole(0, 999))


def digest(*parts: object) -> str:
    """64 hex digits that depend on nothing but the parts."""
    return hashlib.sha256("/".join(("larkspur", *map(str, parts))).encode()).hexdigest()


def ident(prefix: str, *parts: object, length: int = 20) -> str:
    """An id of the API's look, such as req_011C… or msg_01…."""
    number = int(digest(prefix, *parts), 16)
    letters = []
    for _ in range(length):
        number, rest = divmod(number, len(ALPHABET))
        letters.append(ALPHABET[rest])
    return prefix + "".join(letters)


def uuid(*parts: object) -> str:
    hexed = digest(*parts)
    return f"{hexed[:8]}-{hexed[8:12]}-4{hexed[13:16]}-a{hexed[17:20]}-{hexed[20:32]}"


def stamp(at: datetime) -> str:
    """RFC 3339 in UTC with milliseconds."""
    return at.strftime("%Y-%m-%dT%H:%M:%S.") + f"{at.microsecond // 1000:03d}Z"


def sonnet(day: date) -> str:
    """Sonnet 5.5 came out on 2026-09-28; Larkspur moved two days later."""
    return "claude-sonnet-5-5" if day >= date(2026, 9, 30) else "claude-sonnet-5"


def opus(day: date) -> str:
    """Opus 5.5 came out on 2026-09-22; Larkspur moved two days later."""
    return "claude-opus-5-5" if day >= date(2026, 9, 24) else "claude-opus-5"
