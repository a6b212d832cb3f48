"""How long `ranking="evidence"` takes over a resident pool, beside the same ranking in NumPy.

    python benches/evidence.py [--rows N] [--rounds N] [--json FILE]

Memories of some 215 characters in sessions of 50, token counts known, four tiers mixed; the relevance comes
with the call, float32. Words are drawn as they are in language: the n-th most frequent 1/n as often as the
first. Both sides have everything beforehand that does not depend on the query, and must select the same.

Exit code: 0; 1 if a selection differs, the call over 100,000 memories takes more than 2 ms, or the build is
no release; 2 for bad usage.
"""

from __future__ import annotations

import argparse
import gc
import json
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path
from statistics import median
from typing import TYPE_CHECKING

import numpy as np

from comparison.numpy_sides import Known, by_sampled_cut, choose
from comparison.ours import allocator, positions
from comparison.workload import Workload
from measuring import NOW, DifferentResultsError, paired_ratio, refusal, spread, timed, timed_batch
from memory_budget_allocator import MemoryItem, MemoryPool
from memory_budget_allocator._core import BUILD_PROFILE
from program import is_written, run

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from numpy.typing import NDArray

    from comparison.workload import Selection

TARGET_MS = 2.0
TARGET_ROWS = 100_000
QUERY = "what w0 is w1 about w37 and w250 w1900 w8000"
"""Two of its words are the most frequent ones; as simple as the query that the workload has budgets for."""
VOCABULARY = 20_000
CHARACTERS = 215
SESSION = 50
CALLS = 5
"""Calls in a row, of which the mean is taken."""
K1, B = 1.5, 0.75
LEXICAL, IMPORTANCE, NEIGHBOURS, COST_FLOOR = 0.5, 0.25, 0.3, 32


def texts(rows: int) -> list[str]:
    generator = np.random.default_rng(rows)
    longest = CHARACTERS // 3
    numbers = (VOCABULARY ** generator.random((rows, longest))).astype(np.int64) - 1
    words = [[f"w{number}" for number in row] for row in numbers.tolist()]
    return [" ".join(row)[:CHARACTERS].rpartition(" ")[0] for row in words]


class InNumpy:
    """The ranking as somebody who knows NumPy writes it for speed: postings with what each adds to BM25,
    costs and importance are ready, neighbours are rows to be looked up, one row more stands for those that
    are not there."""

    def __init__(self, workload: Workload, texts: Sequence[str]) -> None:
        self.workload = workload
        counted = [Counter(text.split()) for text in texts]
        lengths = [counts.total() for counts in counted]
        average = sum(lengths) / len(lengths)
        postings: dict[str, tuple[list[int], list[float]]] = {}
        for row, counts in enumerate(counted):
            damping = K1 * (1.0 - B + B * lengths[row] / average)
            for word, count in counts.items():
                rows, gains = postings.setdefault(word, ([], []))
                rows.append(row)
                gains.append(count * (K1 + 1.0) / (count + damping))
        self.postings: dict[str, tuple[NDArray[np.intp], NDArray[np.float64]]] = {}
        for word, (rows, gains) in postings.items():
            if 2 * len(rows) <= len(texts):
                worth = np.log((len(texts) + 2.0) / (2.0 * len(rows) + 1.0))
                self.postings[word] = (np.array(rows), worth * np.array(gains))
        number = np.arange(workload.rows)
        place = number % SESSION
        last = (place == SESSION - 1) | (number == workload.rows - 1)
        self.before = np.where(place > 0, number - 1, workload.rows)
        self.after = np.where(last, workload.rows, number + 1)
        self.importance = workload.importance * IMPORTANCE
        self.cost = np.log(np.maximum(workload.tokens, COST_FLOOR))
        self.known = Known.of(workload.tokens, workload.tier)

    def __call__(self) -> Selection:
        workload = self.workload
        bm25 = np.zeros(workload.rows)
        for word in QUERY.split():
            if (found := self.postings.get(word)) is not None:
                rows, gains = found
                bm25[rows] += gains  # every row once
        match = workload.relevance.astype(np.float64)
        match -= match.mean()
        match /= match.std()
        bm25 -= bm25.mean()
        bm25 *= LEXICAL / bm25.std()
        match += bm25
        match -= match.mean()
        match /= match.std()
        scores = np.empty(workload.rows + 1)
        np.add(match, self.importance, out=scores[:-1])
        scores[-1] = scores[:-1].min()
        around = scores[self.before]
        around += scores[self.after]
        around *= NEIGHBOURS / 2.0
        key = scores[:-1]
        key *= 1.0 - NEIGHBOURS
        key += around
        key -= self.cost
        return choose(key, workload.tokens, workload.tier, by_sampled_cut, self.known)


def make_pool(workload: Workload, texts: Sequence[str]) -> MemoryPool:
    def items() -> list[MemoryItem]:
        return [
            MemoryItem(
                **{**fields, "text": text, "relevance_score": 0.0},  # type: ignore[arg-type]
                session_id=f"session-{number // SESSION}",
                position=number % SESSION,
            )
            for number, (fields, text) in enumerate(zip(workload.fields(), texts, strict=True))
        ]

    return MemoryPool.from_items(items())


@dataclass
class Measured:
    """Milliseconds; a value for every round but of the first call."""

    rows: int
    selected: int
    first_ms: float
    library_ms: list[float] = field(default_factory=list)
    numpy_ms: list[float] = field(default_factory=list)
    weighted_ms: list[float] = field(default_factory=list)

    @property
    def misses_target(self) -> bool:
        return self.rows == TARGET_ROWS and median(self.library_ms) > TARGET_MS


def measure(rows: int, rounds: int) -> Measured:
    """Time both sides, and the documented formula over the same pool.

    Raises:
        DifferentResultsError: the two sides select different memories.
    """
    workload = Workload(rows)
    made = texts(rows)
    pool = make_pool(workload, made)
    in_numpy = InNumpy(workload, made)
    allocate = allocator().allocate

    def ours(ranking: str) -> Callable[[], object]:
        return lambda: allocate(QUERY, pool, relevance=workload.relevance, ranking=ranking, current_time=NOW)

    first_ms, answer = timed(ours("evidence"))
    expected = in_numpy()
    if (actual := positions(answer)) != expected:
        raise DifferentResultsError(f"the library selects {actual}, NumPy {expected}")
    measured = Measured(rows, sum(map(len, expected)), first_ms)
    sides = (
        (ours("evidence"), measured.library_ms),
        (in_numpy, measured.numpy_ms),
        (ours("weighted"), measured.weighted_ms),
    )
    gc.collect()
    for number in range(rounds):
        for call, times in sides[:: -1 if number % 2 else 1]:
            call()
            times.append(timed_batch(call, CALLS))
    return measured


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--rows", type=int, default=TARGET_ROWS, metavar="N", help="default: 100,000")
    parser.add_argument("--rounds", type=int, default=30, metavar="N", help="default: 30")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the figures there")
    options = parser.parse_args(arguments)
    if options.rows < 1 or options.rounds < 1:
        parser.error("--rows and --rounds must be at least 1")
    if (refused := refusal(BUILD_PROFILE)) is not None:
        print(refused)
        return 1
    try:
        measured = measure(options.rows, options.rounds)
    except DifferentResultsError as error:
        print(f"DIFFERENT: {error}")
        return 1
    ratio = paired_ratio(measured.numpy_ms, measured.library_ms)
    print(f"{measured.rows:,} memories, {measured.selected} selected, ms: median (least to most)")
    print(f"first call, which reads and indexes the texts: {measured.first_ms:.0f}")
    print(f"evidence:      {spread(measured.library_ms)}")
    print(f"NumPy:         {spread(measured.numpy_ms)}, {ratio:.2f} times as long")
    print(f"weighted:      {spread(measured.weighted_ms)}")
    if measured.misses_target:
        print(f"MISSED: the target is {TARGET_MS} ms")
    figures = vars(measured) | {"numpy_over_library": ratio}
    if not is_written("evidence", options.json, json.dumps(figures, indent=2) + "\n"):
        return 1
    return int(measured.misses_target)


if __name__ == "__main__":
    run(main)
