"""A daily series as level x weekday x noise, and its simulated futures: the numeric part of forecast.py."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

    Floats = npt.NDArray[np.float64]

LEVEL_DAYS, WEEKDAY_DAYS = 7, 14
HALF_LIFE_DAYS = 7
WEEKS = 8
"""Of history that the weekday pattern, and the weekly shapes of the simulation, are taken from."""
MEMORY_DAYS = 91
"""Older days weigh less than 1/8000 in the level: they are left out."""
SIMULATIONS = 800
PRIOR_SIGMA, PRIOR_WEEKS = 0.2, 3
"""Before a log shows its own: the level moves by 20 % a week, with the weight of three weeks of evidence."""
MAX_SIGMA = 1.0

Method = Literal["level x weekday", "level", "run-rate"]


@dataclass(frozen=True, slots=True)
class Fit:
    """What a daily series looks like. Column 0 of `index` and `shapes` is the weekday after the last complete day."""

    method: Method
    level: float
    """Of a day whose weekday index is 1, at the end of the series."""
    index: Floats
    """(7,) weekday pattern around 1."""
    shapes: Floats
    """(weeks, 7) of past weeks: day / (week's mean x index)."""
    sigma: float
    """Standard deviation of the level's log change in a week."""
    start: float
    """Standard deviation of the logarithm of the level itself."""
    last: float
    """The last complete day."""


@dataclass(frozen=True, slots=True)
class Draws:
    """Random numbers that all segments share, so that a price change does not reshuffle the future."""

    weeks: Floats
    """(SIMULATIONS, weeks) in [0, 1): which past week gives the shape."""
    walk: Floats
    """(SIMULATIONS, weeks) standard normal: the level's weekly steps."""
    start: Floats
    """(SIMULATIONS, 1) standard normal: the error of the level itself."""

    @classmethod
    def seeded(cls, seed: int, weeks: int) -> Draws:
        import numpy as np

        generator = np.random.default_rng(seed)
        start = generator.standard_normal((SIMULATIONS, 1))
        # Week by week: a longer period leaves the numbers of its earlier weeks as they were.
        columns = [(generator.random(SIMULATIONS), generator.standard_normal(SIMULATIONS)) for _ in range(weeks)]
        shape, walk = (np.stack(parts, axis=1) for parts in zip(*columns, strict=True))
        return cls(shape, walk, start)


def fit(values: Floats) -> Fit:
    """Level, weekday pattern and noise of daily values, oldest first; NaN marks a day off."""
    import numpy as np

    known = values[~np.isnan(values)]
    if not np.isnan(values[-MEMORY_DAYS:]).all():
        values = values[-MEMORY_DAYS:]
    size, count = len(values), len(known)
    index, changes = np.ones(7), np.zeros(0)
    if count >= WEEKDAY_DAYS:
        method: Method = "level x weekday"
        weeks = min(WEEKS, size // 7)
        shapes, means = _relative(values[size - 7 * weeks :].reshape(weeks, 7))
        if len(shapes):
            # Shrunk toward 1 by the number of weeks seen: one odd Monday is not a pattern.
            typical = np.array([np.median(c[~np.isnan(c)]) if not np.isnan(c).all() else 1.0 for c in shapes.T])
            index = 1 + (typical - 1) * len(shapes) / (len(shapes) + 1)
        changes = np.diff(np.log(means))
    elif count >= LEVEL_DAYS and size >= 7:
        method = "level"
        shapes, _ = _relative(np.stack([values[start : start + 7] for start in range(size - 6)]))
    else:
        method = "run-rate"
        positions = (np.arange(len(known))[:, None] + np.arange(7)) % len(known)
        shapes = known[positions] / known.mean() if known.mean() > 0 else np.ones((1, 7))
    shapes = np.where(np.isnan(shapes), 1.0, shapes / index) if len(shapes) else np.ones((1, 7))

    ages = np.arange(size)[::-1]
    weights = np.ones(size) if method == "run-rate" else 0.5 ** (ages / HALF_LIFE_DAYS)
    weights[np.isnan(values)] = 0
    # Sum over sum, not the mean of day / index: on idle weekends the mean of those ratios is 0 / index, and the level
    # comes out 20 % low for a team that works five days a week.
    level = float((weights * np.nan_to_num(values)).sum() / (weights * index[(-1 - ages) % 7]).sum())
    sigma = float(np.sqrt((PRIOR_WEEKS * PRIOR_SIGMA**2 + (changes**2).sum()) / (PRIOR_WEEKS + len(changes))))
    effective = weights.sum() ** 2 / (weights**2).sum()
    start = float(shapes.std() / np.sqrt(effective))
    return Fit(method, level, index, shapes, min(sigma, MAX_SIGMA), min(start, MAX_SIGMA), float(values[-1]))


def _relative(weeks: Floats) -> tuple[Floats, Floats]:
    """(weeks divided by their own mean, those means), for the weeks that have a mean above 0."""
    import numpy as np

    seen = ~np.isnan(weeks)
    means = np.nan_to_num(weeks).sum(axis=1) / np.maximum(seen.sum(axis=1), 1)
    alive = means > 0
    return weeks[alive] / means[alive, None], means[alive]


def simulate(model: Fit, offsets: npt.NDArray[np.int64], random: Draws) -> Floats:
    """(simulations, days): level x weekday x a past week's shape x a random walk of the level by weeks."""
    import numpy as np

    week, column = offsets // 7, offsets % 7
    steps = random.walk * model.sigma
    steps[:, 0] *= np.sqrt(0.5)  # the middle of the first week is half a week away: half the variance
    path = np.exp(np.cumsum(steps, axis=1) + random.start * model.start)
    shape = model.shapes[(random.weeks * len(model.shapes)).astype(int)]
    result: Floats = model.level * model.index[column] * shape[:, week, column] * path[:, week]
    return result
