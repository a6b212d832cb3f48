"""Threads that start at the same moment, and what of a result they may change."""

from __future__ import annotations

import sys
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from threading import Barrier
from typing import TYPE_CHECKING, Any, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

Result = TypeVar("Result")

CHANGEABLE = {"timestamp", "processing_time_ms"}


def together(count: int, work: Callable[[int], Result]) -> list[Result]:
    """The results of `work(0)` to `work(count - 1)`, each in a thread, all released at once."""
    barrier = Barrier(count)

    def run(number: int) -> Result:
        barrier.wait(60)
        return work(number)

    with ThreadPoolExecutor(count) as pool:
        return list(pool.map(run, range(count)))


@contextmanager
def eager_switching() -> Iterator[None]:
    """Threads take turns every microsecond instead of every five milliseconds."""
    before = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    try:
        yield
    finally:
        sys.setswitchinterval(before)


def without_what_others_change(result: Any) -> Any:
    """A result without what concurrent calls may change: the time of the call and the access counts."""
    tiers = {
        name: tier
        | {
            "selected_memories": [
                {key: value for key, value in entry.items() if key != "access_count"}
                for entry in tier["selected_memories"]
            ]
        }
        for name, tier in result["tiers"].items()
    }
    return {key: value for key, value in result.items() if key not in CHANGEABLE} | {"tiers": tiers}
