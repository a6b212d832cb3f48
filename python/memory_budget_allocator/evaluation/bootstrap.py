"""Averages over questions, and how far chance may have moved them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

__all__ = ["SAMPLES", "Averages", "averages"]

SAMPLES = 2000
INTERVAL = (2.5, 97.5)  # percentiles: a 95 % interval

DRAWN_AT_ONCE = 1 << 22
"""Conversations drawn before they are added up: bounds the memory, whatever the data."""


@dataclass(frozen=True)
class Averages:
    """The average of each column with its interval; NaN where there is none."""

    mean: NDArray[np.float64]
    low: NDArray[np.float64]
    high: NDArray[np.float64]


def averages(
    groups: Sequence[tuple[NDArray[np.float64], NDArray[np.bool_]]],
    conversations: NDArray[np.intp],
    seed: int,
) -> list[Averages]:
    """For each group the average of its questions, with 95 % percentile bootstrap intervals.

    Whole conversations are drawn, 2,000 times as many as there are: questions about the same conversation
    resemble each other, so that drawing single questions would claim too much certainty. All groups and
    columns see the same draws.

    Args:
        groups: values of questions x columns, and which questions belong to the group.
        conversations: the number of each question's conversation, counted from 0 without gaps.
        seed: of the draws.
    """
    count = int(conversations.max(initial=-1)) + 1
    widths = [values.shape[1] for values, _ in groups]
    sums = np.zeros((count, sum(widths)))
    sizes = np.zeros((count, len(groups)))
    first = 0
    for group, (values, members) in enumerate(groups):
        np.add.at(sums[:, first : first + widths[group]], conversations[members], values[members])
        np.add.at(sizes[:, group], conversations[members], 1.0)
        first += widths[group]
    group_of_column = np.repeat(np.arange(len(groups)), widths)
    mean = _ratio(sums.sum(axis=0), sizes.sum(axis=0)[group_of_column])
    # One conversation says nothing about how conversations differ.
    has_interval = (sizes > 0).sum(axis=0)[group_of_column] > 1
    low, high = np.full((2, len(mean)), np.nan)
    if has_interval.any():
        resampled = _resampled(sums[:, has_interval], sizes, group_of_column[has_interval], seed)
        # A draw may hold no question of a rare group: it says nothing about that group.
        low[has_interval], high[has_interval] = np.nanpercentile(resampled, INTERVAL, axis=0)
    borders = np.cumsum(widths)[:-1]
    parts = (np.split(figures, borders) for figures in (mean, low, high))
    return [Averages(*figures) for figures in zip(*parts, strict=True)]


def _resampled(
    sums: NDArray[np.float64], sizes: NDArray[np.float64], group_of_column: NDArray[np.intp], seed: int
) -> NDArray[np.float64]:
    """The averages of each sample: samples x columns."""
    generator = np.random.default_rng(seed)
    count = len(sums)
    rows = max(1, DRAWN_AT_ONCE // count)
    parts: list[NDArray[np.float64]] = []
    for start in range(0, SAMPLES, rows):
        samples = min(rows, SAMPLES - start)
        drawn = generator.integers(0, count, (samples, count)) + count * np.arange(samples)[:, np.newaxis]
        # How often each conversation is in each sample.
        times = np.bincount(drawn.ravel(), minlength=samples * count).reshape(samples, count).astype(float)
        parts.append(_ratio(times @ sums, (times @ sizes)[:, group_of_column]))
    return np.concatenate(parts)


def _ratio(sums: NDArray[np.float64], sizes: NDArray[np.float64]) -> NDArray[np.float64]:
    ratio = np.full(sums.shape, np.nan)
    np.divide(sums, sizes, out=ratio, where=sizes > 0)
    return ratio
