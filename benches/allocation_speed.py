"""How fast an allocation is, beside a plain Python loop doing the same work in the same process.

    python benches/allocation_speed.py [--rounds N] [--json FILE]

Absolute times say more about the machine than about the library, so the figure that counts is the ratio. It
counts only under two conditions, and the program fails where one does not hold: both sides return the same
result with every score equal to the bit, and the baseline is not slow itself (its time is compared with what
the plain loop is known to take).

Exit code: 0; 1 if results differ, a ratio misses its target or is void; 2 for bad usage; 130 on Ctrl-C.
"""

from __future__ import annotations

import argparse
import json
import platform
import sys
from dataclasses import asdict, dataclass
from pathlib import Path
from statistics import median
from typing import TYPE_CHECKING, Any, cast

if TYPE_CHECKING:
    from collections.abc import Sequence

from measuring import (
    EXPLANATION_OF_VOID,
    KNOWN_REFERENCE_MS,
    NOW,
    QUERY,
    DifferentResultsError,
    is_void,
    memory_fields,
    paired_ratio,
    reference,
    refusal,
    spread,
    timed,
)
from memory_budget_allocator import MemoryBudgetAllocator, MemoryItem, WorkspaceConfig, __version__
from memory_budget_allocator._core import BUILD_PROFILE
from program import is_written, run

WARM_UP_ROUNDS = 3


@dataclass(frozen=True)
class Size:
    """One row of the benchmark."""

    memories: int
    rounds: int
    target_ratio: float | None = None
    known_reference_ms: float | None = None
    """What the baseline takes on the idle machine this benchmark was written on."""


SIZES = (
    Size(100, rounds=500, target_ratio=5.0, known_reference_ms=KNOWN_REFERENCE_MS[100]),
    Size(1_000, rounds=100),
    Size(10_000, rounds=30, target_ratio=10.0, known_reference_ms=KNOWN_REFERENCE_MS[10_000]),
)


@dataclass(frozen=True)
class Measurement:
    """The times of one size, in milliseconds, one of each side for every round."""

    size: Size
    reference_ms: tuple[float, ...]
    library_ms: tuple[float, ...]

    @property
    def ratio(self) -> float:
        return paired_ratio(self.reference_ms, self.library_ms)

    @property
    def is_void(self) -> bool:
        return is_void(self.reference_ms, self.size.known_reference_ms)

    @property
    def misses_target(self) -> bool:
        return self.size.target_ratio is not None and self.ratio < self.size.target_ratio


def written_state(item: Any) -> tuple[Any, ...]:
    """What an allocation writes to a memory, every bit of the scores visible."""
    return (
        item.token_count,
        item.freshness_score.hex(),
        item.combined_score.hex(),
        item.access_count,
        item.last_accessed,
    )


def require_equal_work(
    expected: dict[str, Any], actual: dict[str, Any], theirs: Sequence[Any], ours: Sequence[Any]
) -> None:
    """Compare the results (apart from their duration) and what was written to each memory.

    Raises:
        DifferentResultsError: they are not the same.
    """
    for result in (expected, actual):
        del result["processing_time_ms"]
    for key in expected.keys() | actual.keys():
        if expected.get(key) != actual.get(key):
            raise DifferentResultsError(f"the results differ in {key!r}")
    for one, other in zip(theirs, ours, strict=True):
        if written_state(one) != written_state(other):
            raise DifferentResultsError(f"memory {one.memory_id!r} was written differently")


def measure(size: Size) -> Measurement:
    """Time both sides in turn, each round on memories made anew from the same fields."""
    fields = memory_fields(size.memories)
    plain_config = reference.Workspace("default")
    allocator = MemoryBudgetAllocator(WorkspaceConfig("default"), log_allocations=False)
    reference_ms: list[float] = []
    library_ms: list[float] = []
    for round_number in range(-WARM_UP_ROUNDS, size.rounds):
        theirs = [reference.Memory(**values) for values in fields]
        ours = [MemoryItem(**values) for values in fields]

        def run_reference(memories: list[reference.Memory] = theirs) -> dict[str, Any]:
            return reference.allocate_memory_budget(QUERY, memories, plain_config, now=NOW)

        def run_library(memories: list[MemoryItem] = ours) -> dict[str, Any]:
            return cast("dict[str, Any]", allocator.allocate_memory_budget(QUERY, memories, current_time=NOW))

        # The side that goes first alternates: neither always finds the caches as the other left them.
        if round_number % 2:
            library_time, actual = timed(run_library)
            reference_time, expected = timed(run_reference)
        else:
            reference_time, expected = timed(run_reference)
            library_time, actual = timed(run_library)
        require_equal_work(expected, actual, theirs, ours)
        if round_number >= 0:
            reference_ms.append(reference_time)
            library_ms.append(library_time)
    return Measurement(size, tuple(reference_ms), tuple(library_ms))


# Output


HEADINGS = ("memories", "reference, ms", "known", "library, ms", "ratio", "target")
ROW = "{:>9}  {:>27}  {:>6}  {:>25}  {:>6}  {}"


def row(measured: Measurement) -> str:
    size = measured.size
    if size.target_ratio is None:
        verdict = "-"
    elif measured.is_void:
        verdict = "VOID"
    else:
        verdict = f"{size.target_ratio:.0f}x {'missed' if measured.misses_target else 'met'}"
    return ROW.format(
        f"{size.memories:,}",
        spread(measured.reference_ms),
        "-" if size.known_reference_ms is None else f"{size.known_reference_ms:g}",
        spread(measured.library_ms),
        f"{measured.ratio:.1f}x",
        verdict,
    )


def as_json(measurements: Sequence[Measurement]) -> str:
    rows = [
        {
            **asdict(measured.size),
            "reference_median_ms": median(measured.reference_ms),
            "reference_min_ms": min(measured.reference_ms),
            "reference_max_ms": max(measured.reference_ms),
            "library_median_ms": median(measured.library_ms),
            "library_min_ms": min(measured.library_ms),
            "library_max_ms": max(measured.library_ms),
            "ratio": measured.ratio,
            "void": measured.is_void,
            "target_missed": measured.misses_target,
        }
        for measured in measurements
    ]
    about = {"version": __version__, "python": platform.python_version(), "machine": platform.machine()}
    return json.dumps({**about, "sizes": rows}, indent=2) + "\n"


def parse_arguments(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description="Time allocations beside a plain Python loop.")
    parser.add_argument("--rounds", type=int, metavar="N", help="rounds of every size (default: 500 to 30)")
    parser.add_argument("--json", type=Path, metavar="FILE", help="also write the figures to FILE")
    parsed = parser.parse_args(arguments)
    if parsed.rounds is not None and parsed.rounds < 1:
        parser.error(f"--rounds must be at least 1, got {parsed.rounds}")
    return parsed


def main(arguments: Sequence[str] | None = None) -> int:
    parsed = parse_arguments(arguments)
    refused = refusal(BUILD_PROFILE)
    if refused is not None:
        print(f"allocation_speed: {refused}", file=sys.stderr)
        return 1
    print(
        f"memory-budget-allocator {__version__} beside plain Python {platform.python_version()}\n"
        "medians (min to max) of paired rounds; four tiers, 8,192 tokens, texts of 215 characters\n"
    )
    print(ROW.format(*HEADINGS))
    measurements: list[Measurement] = []
    for size in SIZES:
        rounds = parsed.rounds or size.rounds
        try:
            measured = measure(Size(size.memories, rounds, size.target_ratio, size.known_reference_ms))
        except DifferentResultsError as error:
            print(f"allocation_speed: {size.memories:,} memories: {error}", file=sys.stderr)
            return 1
        measurements.append(measured)
        print(row(measured), flush=True)
    print("\nAll results equal, every score to the bit.")
    voided = any(measured.is_void for measured in measurements)
    if voided:
        print(EXPLANATION_OF_VOID)
    if not is_written("allocation_speed", parsed.json, as_json(measurements)):
        return 1
    return 1 if voided or any(measured.misses_target for measured in measurements) else 0


if __name__ == "__main__":
    run(main)
