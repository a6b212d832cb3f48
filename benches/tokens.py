"""How long counting tokens takes beside Python tiktoken, and what exact counts cost an allocation.

    TIKTOKEN_CACHE_DIR=... python benches/tokens.py

Fails if counting is less than 5 times as fast as tiktoken on one core, if an allocation with exact counts
that are known takes more than 1.2 times as long as one with estimates, or if ten megabytes of one character
take more than 5 seconds of one core.
"""

from __future__ import annotations

import random
import sys
import threading
from statistics import median
from time import perf_counter, process_time, thread_time
from typing import TYPE_CHECKING

from measuring import NOW, QUERY, texts
from memory_budget_allocator import (
    MemoryBudgetAllocator,
    MemoryItem,
    MemoryTier,
    _core,
    count_all_tokens,
    count_tokens,
)
from tokenization.reference import VOCABULARIES, encodings

if TYPE_CHECKING:
    from collections.abc import Callable

TEXTS, ROUNDS = 10_000, 7
ONE_THREAD = 100
"""Texts counted at a time where one core is wanted: too few for a second thread."""
WORST = ("a", " ", "\n", "!", "0", "é", "中", "😀", "\u0301", "A", "aB", "\r\n", "'s")


def best(work: Callable[[], object], clock: Callable[[], float]) -> float:
    times: list[float] = []
    for _ in range(ROUNDS):
        start = clock()
        work()
        times.append(clock() - start)
    return min(times)


def speed(failures: list[str]) -> None:
    generator = random.Random(1)
    made = [text for _, text in zip(range(TEXTS), texts(generator), strict=False)]
    parts = [made[start : start + ONE_THREAD] for start in range(0, TEXTS, ONE_THREAD)]
    for name in VOCABULARIES:
        encoding = encodings()[name]
        if count_all_tokens(made, name) != [len(encoding.encode_ordinary(text)) for text in made]:
            failures.append(f"{name}: the counts differ")
        theirs = best(
            lambda encoding=encoding: [len(encoding.encode_ordinary(text)) for text in made], thread_time
        )
        ours = best(lambda name=name: [count_all_tokens(part, name) for part in parts], thread_time)
        wall = best(lambda name=name: count_all_tokens(made, name), perf_counter)
        print(
            f"{name}: {TEXTS} texts, us a text of one core: tiktoken {theirs / TEXTS * 1e6:.2f}, "
            f"ours {ours / TEXTS * 1e6:.2f}, {theirs / ours:.1f} times as fast; "
            f"as one batch {wall / TEXTS * 1e6:.2f} us of wall time"
        )
        if theirs < 5 * ours:
            failures.append(f"{name}: only {theirs / ours:.1f} times as fast as tiktoken")
    bound = best(lambda: [count_all_tokens(part, "upper_bound") for part in parts], thread_time)
    print(f"upper_bound: {bound / TEXTS * 1e6:.2f} us a text")


def allocations(failures: list[str]) -> None:
    allocator = MemoryBudgetAllocator(log_allocations=False)

    def items() -> list[MemoryItem]:
        generator = random.Random(2)
        tiers = list(MemoryTier)
        return [
            MemoryItem(str(i), text, tiers[i % 4], NOW, relevance_score=generator.random())
            for i, text in zip(range(100), texts(generator), strict=False)
        ]

    estimated, counted = items(), items()

    def hundred(memories: list[MemoryItem], tokenizer: str) -> None:
        for _ in range(100):
            allocator.allocate(QUERY, memories, current_time=NOW, tokenizer=tokenizer)

    rounds = [
        (
            best(lambda: hundred(estimated, "estimate"), thread_time),
            best(lambda: hundred(counted, "o200k_base"), thread_time),
        )
        for _ in range(5)
    ]
    ratio = median(exact / estimate for estimate, exact in rounds)
    print(
        f"allocate, 100 memories, counts known: {rounds[0][1] * 1e4:.1f} us, "
        f"{ratio:.2f} times as long as with estimates"
    )
    if ratio > 1.2:
        failures.append(f"allocations with exact counts take {ratio:.2f} times as long")


def worst_cases(failures: list[str]) -> None:
    for name in VOCABULARIES:
        shown: list[str] = []
        for unit in (*WORST, "letters"):
            count = 10_000_000 // len(unit.encode())
            text = (
                "".join(random.Random(3).choices("abcdefghijklmnopqrstuvwxyz", k=10_000_000))
                if unit == "letters"
                else unit * count
            )
            start = process_time()
            count_tokens(text, name)
            seconds = process_time() - start
            shown.append(f"{unit!r} {seconds:.2f}")
            if seconds > 5:
                failures.append(f"{name}: 10 MB of {unit!r} took {seconds:.1f} s")
        print(f"{name}, seconds for 10 MB of: {', '.join(shown)}")


def main() -> int:
    if _core.BUILD_PROFILE != "release":
        sys.exit("a debug build says nothing about speed")
    assert threading.active_count() == 1
    start = process_time()
    count_tokens("x")
    print(f"o200k_base, first count: {(process_time() - start) * 1e3:.0f} ms")
    failures: list[str] = []
    speed(failures)
    allocations(failures)
    worst_cases(failures)
    for failure in failures:
        print(f"MISSED: {failure}")
    return 1 if failures else 0


if __name__ == "__main__":
    sys.exit(main())
