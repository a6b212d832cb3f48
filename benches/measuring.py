"""What the speed benchmarks share: the memories, the clock, and when a baseline is too slow."""

from __future__ import annotations

import gc
import random
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path
from statistics import median
from time import perf_counter_ns
from typing import TYPE_CHECKING, Any, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "tests"))

import reference  # the benchmarks import it from here, where the path is known

T = TypeVar("T")

NOW = datetime(2026, 3, 14, 12, 0, tzinfo=UTC)
# A simple query, because it halves the budgets: the whole 8,192 tokens have room for all of 100 memories,
# and nothing would be left to decide.
QUERY = "What is my current task?"
SEED = 20260314
OLDEST_US = 90 * 86_400 * 10**6
TEXT_LENGTHS = (170, 260)  # characters, 215 on average
WORDS = (
    *("the", "user", "asked", "about", "slow", "database", "queries", "and", "wants", "an", "index", "on"),
    *("orders", "before", "release", "because", "reports", "time", "out", "when", "many", "tenants", "run"),
)

KNOWN_REFERENCE_MS = {100: 0.35, 10_000: 25.0}
"""What tests/reference.py takes, by memories, on the idle machine these benchmarks were written on."""
TOLERATED_SLOWNESS = 1.5
"""A baseline slower than its known time by more than this factor voids the ratio."""
EXPLANATION_OF_VOID = (
    f"VOID: even the fastest round of the reference took more than {TOLERATED_SLOWNESS} times its\n"
    "known time, so that its ratio says nothing. Repeat on an idle machine."
)


class DifferentResultsError(Exception):
    """The sides did not do the same work, so that their times cannot be compared."""


def texts(generator: random.Random) -> Iterator[str]:
    """Texts without end, of the lengths that memories have."""
    while True:
        length = generator.randint(*TEXT_LENGTHS)
        yield " ".join(generator.choices(WORDS, k=length // 2))[:length]


def memory_fields(count: int) -> list[dict[str, Any]]:
    """Memories as an application hands them over: four tiers mixed, tokens not counted yet."""
    generator = random.Random(SEED + count)
    fields: list[dict[str, Any]] = []
    for number, text in zip(range(count), texts(generator), strict=False):
        fields.append(
            {
                "memory_id": f"memory-{number}",
                "text": text,
                "tier": generator.choice(reference.TIERS),
                "timestamp": NOW - timedelta(microseconds=generator.randrange(OLDEST_US)),
                "relevance_score": generator.random(),
                "importance_score": generator.random(),
                "access_count": generator.randrange(10),
            }
        )
    return fields


def timed(call: Callable[[], T]) -> tuple[float, T]:
    """Milliseconds a call takes, and its result; without the collector, as `timeit` does it."""
    gc.disable()
    try:
        started = perf_counter_ns()
        result = call()
        return (perf_counter_ns() - started) / 1e6, result
    finally:
        gc.enable()


def timed_batch(call: Callable[[], object], calls: int) -> float:
    """Milliseconds one call takes, averaged over so many in a row; without the collector."""
    repetitions = range(calls)
    gc.disable()
    try:
        started = perf_counter_ns()
        for _ in repetitions:
            call()
        return (perf_counter_ns() - started) / 1e6 / calls
    finally:
        gc.enable()


def paired_ratio(slower: Sequence[float], faster: Sequence[float]) -> float:
    """Median of the rounds' own ratios: a phase in which the machine is busy slows both sides alike."""
    return median(one / other for one, other in zip(slower, faster, strict=True))


def is_void(times_ms: Sequence[float], known_ms: float | None) -> bool:
    """Whether a baseline is slow even in its fastest round, the one least disturbed by others."""
    return known_ms is not None and min(times_ms) > TOLERATED_SLOWNESS * known_ms


def spread(times_ms: Sequence[float]) -> str:
    return f"{median(times_ms):.3f} ({min(times_ms):.3f} to {max(times_ms):.3f})"


def refusal(build_profile: str) -> str | None:
    """Why a build is not timed, if it is not."""
    if build_profile == "release":
        return None
    return f"refused: the native module is a {build_profile} build"
