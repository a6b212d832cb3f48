"""Timing all sides of one size in turn, and making sure that they answer alike."""

from __future__ import annotations

import gc
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from comparison.side import MissingSideError, Prepared, Side
from comparison.workload import Workload
from measuring import KNOWN_REFERENCE_MS, DifferentResultsError, is_void, paired_ratio, timed, timed_batch

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from comparison.workload import Selection

BATCH_MS = 2.0
"""Short calls are timed in batches of about this length, so that the clock costs nothing."""
LONG_MS = 100.0
"""Calls longer than this are not run once more before they are timed."""


@dataclass
class Measured:
    """What came out for one size. Times are milliseconds a call, one for every round."""

    rows: int
    read_bytes: int
    times_ms: dict[str, list[float]] = field(default_factory=dict)
    missing: dict[str, str] = field(default_factory=dict)
    selected: int = 0

    def ratio(self, slower: str, faster: str) -> float | None:
        """How many times as long one side takes as the other; None where one of them did not run."""
        if slower not in self.times_ms or faster not in self.times_ms:
            return None
        return paired_ratio(self.times_ms[slower], self.times_ms[faster])

    def is_void(self, baseline: str) -> bool:
        """Whether the baseline is slower here than it is known to be."""
        times = self.times_ms.get(baseline)
        return times is not None and is_void(times, KNOWN_REFERENCE_MS.get(self.rows))


def first_difference(expected: Selection, actual: Selection) -> str:
    for tier, (wanted, got) in enumerate(zip(expected, actual, strict=True)):
        if wanted != got:
            pairs = enumerate(zip(wanted, got, strict=False))
            shorter = min(len(wanted), len(got))
            place = next((place for place, (one, other) in pairs if one != other), shorter)
            shown = slice(place, place + 3)
            return f"tier {tier}, place {place}: expected rows {wanted[shown]}, got {got[shown]}"
    return "none"


def measure(
    rows: int, sides: Sequence[Side], rounds: int, report: Callable[[str], None] = lambda _: None
) -> Measured:
    """Time every side that goes up to so many memories.

    Raises:
        DifferentResultsError: a side selects something else than a full sort does.
    """
    workload = Workload(rows)
    expected = workload.expected()
    measured = Measured(rows, workload.read_bytes, selected=sum(map(len, expected)))
    running: list[tuple[Side, Prepared, int, bool]] = []
    for side in sides:
        if rows > side.most:
            continue
        report(f"{rows:,} memories: preparing {side.name}")
        try:
            prepared = side.prepare(workload)
        except MissingSideError as error:
            measured.missing[side.name] = str(error)
            continue
        _, answer = timed(prepared.call)
        if prepared.rows is not None and (actual := prepared.rows(answer)) != expected:
            raise DifferentResultsError(f"{side.name}: {first_difference(expected, actual)}")
        del answer
        duration_ms, _ = timed(prepared.call)
        calls = max(1, min(1_000, int(BATCH_MS / duration_ms)))
        running.append((side, prepared, calls, duration_ms < LONG_MS))
        measured.times_ms[side.name] = []
    gc.collect()
    for number in range(rounds):
        report(f"{rows:,} memories: round {number + 1} of {rounds}")
        # Backwards every other time: nobody always comes after the same side.
        for side, prepared, calls, warm_up in running if number % 2 else running[::-1]:
            if warm_up:  # the side before left the caches full of its own data
                prepared.call()
            measured.times_ms[side.name].append(timed_batch(prepared.call, calls))
    for side, prepared, _, _ in running:
        if prepared.rows is not None and prepared.rows(prepared.call()) != expected:
            raise DifferentResultsError(f"{side.name}: another selection after {rounds} rounds")
    return measured
