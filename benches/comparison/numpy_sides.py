"""The allocation in NumPy, as somebody who knows NumPy well writes it for speed.

Whatever can be had beforehand is had beforehand and not timed: budgets, buffers for the results of every
operation, the least number of tokens of each tier. Nothing is checked, nothing but the selection comes out,
nothing is written back. Partitions of each tier alone were tried and are slower at every size, also with
columns grouped by tier.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import inf
from typing import TYPE_CHECKING, TypeAlias

import numpy as np

from comparison.side import Prepared
from comparison.workload import BUDGETS, CONFIG, NOW_US, WEIGHTS

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

    from comparison.workload import Selection, Workload

    Floats: TypeAlias = NDArray[np.floating]
    Integers: TypeAlias = NDArray[np.integer]
    Best: TypeAlias = Callable[[Floats, int], Integers]

WIDEN = 8
ROOM = 3.0  # how many budgets of tokens are looked at first: sorting a few more costs less than a second look
SAMPLE_ONE_IN = 64


@dataclass(slots=True)
class Record:
    """A dataclass kept simple for speed: the tier a number, the time in microseconds."""

    memory_id: str
    text: str
    tier: int
    timestamp_us: int
    relevance_score: float
    importance_score: float
    token_count: int


def by_argpartition(score: Floats, count: int) -> Integers:
    """The best `count` rows, in no order."""
    return np.argpartition(score, len(score) - count)[len(score) - count :]


def by_sampled_cut(score: Floats, count: int) -> Integers:
    """At least the best `count` rows: those above a score guessed from a sample."""
    if count * 4 < len(score) // SAMPLE_ONE_IN:
        sample = score[::SAMPLE_ONE_IN]
        # Twice as many, because the guess from so few is a rough one.
        place = len(sample) - 1 - max(4, 2 * count // SAMPLE_ONE_IN)
        rows = np.flatnonzero(score >= np.partition(sample, place)[place])
        if len(rows) >= count:
            return rows
    return by_argpartition(score, count)


def choose(score: Floats, tokens: Integers, tier: Integers, best: Best, known: Known) -> Selection:
    """The rows that the budgets take, per tier, best first.

    One look for all tiers together: the best few hundred are taken in order. More are looked at until it is
    certain that nothing else fits: the rest of each budget is below the least number of tokens in its tier,
    or no rows are left. Lists and a loop, because for a few hundred values they are quicker than arrays.
    """
    count = known.count
    while True:
        everything = count >= len(score)
        if everything:
            ranked = np.argsort(-score, kind="stable")
        else:
            rows = best(score, count)
            rows.sort()  # so that equals come in input order
            scores = score[rows]
            order = np.argsort(-scores, kind="stable")
            ranked = rows[order]
            # Of equals to the last one some may be missing: it decides nothing.
            ranked = ranked[: np.count_nonzero(scores > scores[order[-1]])]
        rests = list(BUDGETS)
        open_tiers = known.open_tiers
        taken: Selection = [[] for _ in rests]
        for row, cost, number in zip(
            ranked.tolist(), tokens[ranked].tolist(), tier[ranked].tolist(), strict=True
        ):
            rest = rests[number] - cost
            if rest >= 0:
                taken[number].append(row)
                rests[number] = rest
                if rest < known.least[number]:
                    open_tiers -= 1
                    if not open_tiers:
                        return taken
        if everything:
            return taken
        count *= WIDEN


@dataclass(frozen=True)
class Known:
    """What a look at the tokens tells beforehand."""

    least: list[float]
    """Fewest tokens of any memory, by tier; infinite where there is none."""
    count: int
    """How many rows to look at first."""

    @classmethod
    def of(cls, tokens: Integers, tier: Integers) -> Known:
        least = [min(tokens[tier == number].tolist(), default=inf) for number in range(len(BUDGETS))]
        return cls(least, int(ROOM * sum(BUDGETS) / tokens.mean()))

    @property
    def open_tiers(self) -> int:
        """Tiers in which something fits an unused budget."""
        return sum(least <= budget for least, budget in zip(self.least, BUDGETS, strict=True))


class Columns:
    """Columns as they are, and room for the results of all operations."""

    def __init__(self, workload: Workload, *, stored_freshness: bool) -> None:
        self.workload = workload
        self.freshness = workload.freshness if stored_freshness else None
        self.score = np.empty(workload.rows)
        self.term = np.empty(workload.rows)
        self.known = Known.of(workload.tokens, workload.tier)

    def write_scores(self) -> None:
        score, term = self.score, self.term
        w_relevance, w_importance, w_freshness = WEIGHTS
        np.multiply(self.workload.relevance, w_relevance, out=score, dtype=np.float64)
        np.multiply(self.workload.importance, w_importance, out=term)
        np.add(score, term, out=score)
        if self.freshness is None:
            np.subtract(NOW_US, self.workload.timestamp_us, out=term, casting="unsafe")
            np.divide(term, 1e6, out=term)
            np.divide(term, 3600.0, out=term)
            np.multiply(term, -0.693, out=term)
            np.divide(term, CONFIG.freshness_half_life_hours, out=term)
            np.exp(term, out=term)
            np.multiply(term, w_freshness, out=term)
        else:
            np.multiply(self.freshness, w_freshness, out=term)
        np.add(score, term, out=score)

    def prepared(self, best: Best) -> Prepared:
        tokens, tier = self.workload.tokens, self.workload.tier

        def allocate() -> Selection:
            self.write_scores()
            return choose(self.score, tokens, tier, best, self.known)

        return Prepared(allocate, lambda selection: selection)


def columns(workload: Workload) -> Prepared:
    return Columns(workload, stored_freshness=False).prepared(by_argpartition)


def columns_with_stored_freshness(workload: Workload) -> Prepared:
    return Columns(workload, stored_freshness=True).prepared(by_argpartition)


def columns_with_sampled_cut(workload: Workload) -> Prepared:
    return Columns(workload, stored_freshness=True).prepared(by_sampled_cut)


def from_list(workload: Workload) -> Prepared:
    columns = (workload.tier, workload.timestamp_us, workload.relevance, workload.importance, workload.tokens)
    numbers = zip(workload.ids, *(column.tolist() for column in columns), strict=True)
    records = [Record(memory_id, "", *rest) for memory_id, *rest in numbers]
    known = Known.of(workload.tokens, workload.tier)
    w_relevance, w_importance, w_freshness = WEIGHTS

    def allocate() -> Selection:
        tier = np.array([record.tier for record in records], np.uint8)
        relevance = np.array([record.relevance_score for record in records])
        importance = np.array([record.importance_score for record in records])
        timestamp_us = np.array([record.timestamp_us for record in records])
        tokens = np.array([record.token_count for record in records])
        age_hours = (NOW_US - timestamp_us) / 1e6 / 3600.0
        freshness = np.exp(-0.693 * age_hours / CONFIG.freshness_half_life_hours)
        score = relevance * w_relevance + importance * w_importance + freshness * w_freshness
        return choose(score, tokens, tier, by_argpartition, known)

    return Prepared(allocate, lambda selection: selection)
