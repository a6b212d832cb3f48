"""The allocation in NumPy, as somebody who knows NumPy well writes it for speed.

Whatever can be had beforehand is had beforehand and not timed: budgets, buffers for the results of every
operation, columns grouped by tier, and the least number of tokens of each tier. Nothing is checked, nothing
but the selection comes out, nothing is written back.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise
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


def fill(
    score: Floats, tokens: Integers, budget: int, least_tokens: int, count: int, best: Best
) -> list[int]:
    """The rows of one tier that its budget takes, best first.

    The best `count` are taken in order. More are looked at until it is certain that nothing else fits: the
    rest of the budget is below the least number of tokens, or no rows are left. Lists and a loop, because
    for some fifty values they are quicker than arrays.
    """
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
        rest = budget
        taken = []
        for row, cost in zip(ranked.tolist(), tokens[ranked].tolist(), strict=True):
            if cost <= rest:
                taken.append(row)
                rest -= cost
                if rest < least_tokens:
                    return taken
        if everything:
            return taken
        count *= WIDEN


def first_count(budget: int, tokens: Integers) -> int:
    """How many rows to look at first."""
    return int(ROOM * budget / tokens.mean()) + 8 if len(tokens) else 1


class Columns:
    """Columns grouped by tier, input order kept within each, so that a tier is a slice."""

    def __init__(self, workload: Workload, *, stored_freshness: bool) -> None:
        self.order = np.argsort(workload.tier, kind="stable")
        self.relevance = workload.relevance[self.order]
        self.importance = workload.importance[self.order]
        self.tokens = workload.tokens[self.order]
        self.freshness = workload.freshness[self.order] if stored_freshness else None
        self.timestamp_us = workload.timestamp_us[self.order]
        ends = np.searchsorted(workload.tier[self.order], range(len(BUDGETS) + 1)).tolist()
        self.slices = [slice(start, end) for start, end in pairwise(ends)]
        self.score = np.empty(workload.rows)
        self.term = np.empty(workload.rows)
        parts = [self.tokens[part] for part in self.slices]
        self.least = [int(part.min()) if len(part) else 0 for part in parts]
        self.counts = [first_count(budget, part) for budget, part in zip(BUDGETS, parts, strict=True)]
        self.calls = [
            ((self.score[part], self.tokens[part], budget, least), count)
            for part, budget, least, count in zip(self.slices, BUDGETS, self.least, self.counts, strict=True)
        ]

    def write_scores(self) -> None:
        score, term = self.score, self.term
        w_relevance, w_importance, w_freshness = WEIGHTS
        np.multiply(self.relevance, w_relevance, out=score, dtype=np.float64)
        np.multiply(self.importance, w_importance, out=term)
        np.add(score, term, out=score)
        if self.freshness is None:
            np.subtract(NOW_US, self.timestamp_us, out=term, casting="unsafe")
            np.divide(term, 1e6, out=term)
            np.divide(term, 3600.0, out=term)
            np.multiply(term, -0.693, out=term)
            np.divide(term, CONFIG.freshness_half_life_hours, out=term)
            np.exp(term, out=term)
            np.multiply(term, w_freshness, out=term)
        else:
            np.multiply(self.freshness, w_freshness, out=term)
        np.add(score, term, out=score)

    def allocate(self, best: Best) -> list[list[int]]:
        self.write_scores()
        return [fill(*tier, count=count, best=best) for tier, count in self.calls]

    def rows(self, taken: list[list[int]]) -> Selection:
        return [self.order[part][rows].tolist() for part, rows in zip(self.slices, taken, strict=True)]


def columns(workload: Workload) -> Prepared:
    ready = Columns(workload, stored_freshness=False)
    return Prepared(lambda: ready.allocate(by_argpartition), ready.rows)


def columns_with_stored_freshness(workload: Workload) -> Prepared:
    ready = Columns(workload, stored_freshness=True)
    return Prepared(lambda: ready.allocate(by_argpartition), ready.rows)


def columns_with_sampled_cut(workload: Workload) -> Prepared:
    ready = Columns(workload, stored_freshness=True)
    return Prepared(lambda: ready.allocate(by_sampled_cut), ready.rows)


def from_list(workload: Workload) -> Prepared:
    columns = (workload.tier, workload.timestamp_us, workload.relevance, workload.importance, workload.tokens)
    numbers = zip(workload.ids, *(column.tolist() for column in columns), strict=True)
    records = [Record(memory_id, "", *rest) for memory_id, *rest in numbers]
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
        selection: Selection = []
        for number, budget in enumerate(BUDGETS):
            members = np.flatnonzero(tier == number)
            costs = tokens[members]
            least = int(costs.min()) if len(costs) else 0
            count = first_count(budget, costs)
            taken = fill(score[members], costs, budget, least, count=count, best=by_argpartition)
            selection.append(members[taken].tolist())
        return selection

    return Prepared(allocate, lambda selection: selection)
