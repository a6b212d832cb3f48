"""How many allocations a second two threads get done, beside two processes doing the same calls.

    python benches/throughput.py [--rounds N] [--seconds S] [--contention] [--json FILE]

Threads share one allocator and one set of memories; processes have their own. Beside the pool stands what the
interpreter alone makes of such calls: a stand-in that holds its lock as long as an allocation does, hashes
bytes without it for the rest of the time, and shares nothing with the other thread.

With --contention instead: how long one call takes while another thread keeps the interpreter busy, for
numbers of memories around the one from which the library gives the interpreter up
(rust/bindings/src/gateway.rs).

Exit code: 0; 1 if a side is missing or scaling misses its target; 2 for bad usage; 130 on Ctrl-C.
"""

from __future__ import annotations

import argparse
import gc
import hashlib
import json
import multiprocessing
import platform
import sys
import threading
from dataclasses import dataclass, field
from pathlib import Path
from statistics import median, quantiles
from time import perf_counter, sleep
from typing import TYPE_CHECKING, Any

from measuring import refusal
from memory_budget_allocator import __version__
from memory_budget_allocator._core import BUILD_PROFILE
from program import is_written, run

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from multiprocessing.connection import Connection

TARGET = 0.9
"""Scaling of two threads over the scaling of two processes, pool of 100,000."""
TARGET_WORKLOAD = "pool of 100,000"
WORKLOADS = {
    "list of 100": ("list", 100),
    "list of 1,000": ("list", 1_000),
    TARGET_WORKLOAD: ("pool", 100_000),
}
STAND_IN = "its stand-in"
CONTENTION_SIZES = (100, 500, 1_000, 1_999, 2_000, 4_000, 10_000, 30_000, 100_000)
SETTINGS = ("1 thread", "2 threads", "1 process", "2 processes")


def prepared_call(kind: str, rows: int) -> Callable[[], Any]:
    """A call over its own memories.

    Raises:
        MissingSideError: the library has no such door.
    """
    from comparison.ours import list_of_items, pool
    from comparison.workload import Workload

    return (list_of_items if kind == "list" else pool)(Workload(rows)).call


def least_seconds(call: Callable[[], Any], calls: int = 200) -> float:
    """Of one call, when nothing disturbs it."""
    least = float("inf")
    for _ in range(calls):
        started = perf_counter()
        call()
        least = min(least, perf_counter() - started)
    return least


def stand_in(attached: float, detached: float) -> Callable[[], Any]:
    """A call that holds the interpreter for so many seconds and works without it for so many."""

    def hold(laps: int) -> None:
        for _ in range(laps):
            pass

    laps, sample = 10_000, bytes(1_000_000)
    laps = round(laps * attached / least_seconds(lambda: hold(laps)))
    # hashlib gives the interpreter up for anything longer than 2,047 bytes.
    content = bytes(max(2_048, round(len(sample) * detached / least_seconds(lambda: hashlib.sha256(sample)))))

    def call() -> None:
        hold(laps)
        hashlib.sha256(content)

    return call


def shares_of_a_call() -> tuple[float, float]:
    """Seconds that an allocation from the pool holds the interpreter, and seconds it works without.

    A pool of 100 never gives it up: its call is what the large one does attached and a selection of
    100, so that the stand-in is no more favourable than the allocation.
    """
    attached = least_seconds(prepared_call("pool", 100))
    return attached, least_seconds(prepared_call("pool", 100_000)) - attached


def calls_until(call: Callable[[], Any], seconds: float) -> float:
    """Calls a second, over about so many seconds."""
    done = 0
    started = perf_counter()
    end = started + seconds
    while (now := perf_counter()) < end:
        call()
        done += 1
    return done / (now - started)


def in_threads(call: Callable[[], Any], threads: int, seconds: float) -> float:
    """Calls a second of so many threads together."""
    rates = [0.0] * threads
    barrier = threading.Barrier(threads)

    def run(place: int) -> None:
        barrier.wait()
        rates[place] = calls_until(call, seconds)

    running = [threading.Thread(target=run, args=(place,)) for place in range(threads)]
    for thread in running:
        thread.start()
    for thread in running:
        thread.join()
    return sum(rates)


def serve(make: Callable[..., Callable[[], Any]], arguments: Sequence[Any], connection: Connection) -> None:
    """A process that calls for as many seconds as it is told, until it is told none."""
    try:
        call = make(*arguments)
        call()
        gc.disable()
        connection.send(None)
        while seconds := connection.recv():
            connection.send(calls_until(call, seconds))
    except (EOFError, KeyboardInterrupt):
        pass  # the program that asks has ended, and says why itself


@dataclass
class Rates:
    """Calls a second of one workload, by setting, one for every round."""

    name: str
    rates: dict[str, list[float]] = field(default_factory=lambda: {setting: [] for setting in SETTINGS})

    def scaling(self, of: str) -> float:
        """How many times one's calls two get done: median of the rounds' own ratios."""
        one, two = ("1 thread", "2 threads") if of == "threads" else ("1 process", "2 processes")
        return median(b / a for a, b in zip(self.rates[one], self.rates[two], strict=True))

    @property
    def share(self) -> float:
        return self.scaling("threads") / self.scaling("processes")


def measure(name: str, rounds: int, seconds: float) -> Rates:
    """Threads and processes in turn.

    Raises:
        MissingSideError: the library has no such door.
    """
    make: Callable[..., Callable[[], Any]] = stand_in if name == STAND_IN else prepared_call
    made_of = shares_of_a_call() if name == STAND_IN else WORKLOADS[name]
    call = make(*made_of)
    call()
    context = multiprocessing.get_context("spawn")
    pipes = [context.Pipe() for _ in range(2)]
    workers = [
        context.Process(target=serve, args=(make, made_of, theirs), daemon=True) for _, theirs in pipes
    ]
    for worker in workers:
        worker.start()
    connections = [ours for ours, _ in pipes]
    for connection in connections:
        connection.recv()

    def in_processes(processes: int) -> float:
        for connection in connections[:processes]:
            connection.send(seconds)
        return sum(connection.recv() for connection in connections[:processes])

    measured = Rates(name)
    runs: dict[str, Callable[[], float]] = {
        "1 thread": lambda: in_threads(call, 1, seconds),
        "2 threads": lambda: in_threads(call, 2, seconds),
        "1 process": lambda: in_processes(1),
        "2 processes": lambda: in_processes(2),
    }
    gc.collect()
    gc.disable()
    try:
        for number in range(rounds):
            for setting in SETTINGS if number % 2 else SETTINGS[::-1]:
                measured.rates[setting].append(runs[setting]())
    finally:
        gc.enable()
        for connection in connections:
            connection.send(0)
        for worker in workers:
            worker.join()
    return measured


def latencies_ms(call: Callable[[], Any], seconds: float) -> list[float]:
    times = []
    end = perf_counter() + seconds
    while (started := perf_counter()) < end:
        call()
        times.append((perf_counter() - started) * 1e3)
    return times


class BusyThread:
    """A thread that runs Python code without a pause, and how fast it gets on."""

    def __init__(self) -> None:
        self._stop = False
        self._laps = 0
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._started = 0.0

    def _run(self) -> None:
        while not self._stop:
            for _ in range(1_000):
                pass
            self._laps += 1

    def __enter__(self) -> BusyThread:
        self._started = perf_counter()
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop = True
        self._thread.join()
        self.laps_a_second = self._laps / (perf_counter() - self._started)


def contention(sizes: Sequence[int], seconds: float) -> list[dict[str, float]]:
    """Latencies of a call over a list, alone and beside a busy thread, and what the latter is left with."""
    with BusyThread() as undisturbed:
        sleep(seconds)
    rows: list[dict[str, float]] = []
    for size in sizes:
        call = prepared_call("list", size)
        call()
        gc.collect()
        gc.disable()
        try:
            alone = latencies_ms(call, seconds)
            with BusyThread() as busy:
                beside = latencies_ms(call, seconds)
        finally:
            gc.enable()
        rows.append(
            {
                "memories": size,
                "alone_median_ms": median(alone),
                "beside_median_ms": median(beside),
                "beside_mean_ms": sum(beside) / len(beside),
                "beside_99th_ms": quantiles(beside, n=100)[98] if len(beside) > 1 else beside[0],
                "busy_thread_share": busy.laps_a_second / undisturbed.laps_a_second,
            }
        )
    return rows


def show_contention(rows: Sequence[dict[str, float]]) -> None:
    shape = "{:>9}  {:>13}  {:>13}  {:>13}  {:>13}  {:>11}"
    print(
        "one call, ms; beside = while another thread runs Python code, which gets on at so many per cent\n"
        "of its own speed; the switch interval is 5 ms\n"
    )
    headings = ("memories", "alone, median", "beside, median", "beside, mean", "beside, 99th", "other thread")
    print(shape.format(*headings))
    for row in rows:
        size, *times, share = row.values()
        print(shape.format(f"{size:,}", *(f"{time:.4f}" for time in times), f"{share:.0%}"))


def parse_arguments(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description="Allocations a second of two threads and two processes.")
    parser.add_argument("--rounds", type=int, metavar="N", default=10, help="rounds (default: 10)")
    parser.add_argument("--seconds", type=float, metavar="S", default=0.25, help="of one setting in a round")
    parser.add_argument("--contention", action="store_true", help="latencies beside a busy thread instead")
    parser.add_argument("--json", type=Path, metavar="FILE", help="also write the figures to FILE")
    parsed = parser.parse_args(arguments)
    if parsed.rounds < 1:
        parser.error(f"--rounds must be at least 1, got {parsed.rounds}")
    if not 0 < parsed.seconds <= 60:
        parser.error(f"--seconds must be above 0 and at most 60, got {parsed.seconds}")
    return parsed


SHAPE = "{:<16} {:>11} {:>11} {:>11} {:>11}  {:>8} {:>10}  {:>8}"


def run_throughput(parsed: argparse.Namespace) -> tuple[list[dict[str, Any]], bool]:
    """Measure and print every workload; figures, and whether all is as it should be."""
    from comparison.side import MissingSideError

    print("allocations a second, medians of rounds in turn; the last column is threads / processes\n")
    print(SHAPE.format("", *SETTINGS, "threads", "processes", "share"))
    figures: list[dict[str, Any]] = []
    good = True
    for name in (*WORKLOADS, STAND_IN):
        try:
            measured = measure(name, parsed.rounds, parsed.seconds)
        except MissingSideError as error:
            print(f"{name:<16} MISSING: {error}")
            print(f"throughput: MISSING: {name}: {error}", file=sys.stderr)
            figures.append({"workload": name, "missing": str(error)})
            good = False
            continue
        threads, processes = measured.scaling("threads"), measured.scaling("processes")
        rates = (f"{median(rates):,.0f}" for rates in measured.rates.values())
        verdict = ""
        if name == TARGET_WORKLOAD:
            met = measured.share >= TARGET
            good &= met
            verdict = f"  at least {TARGET:g}: {'met' if met else 'MISSED'}"
        scalings = (f"{threads:.2f}x", f"{processes:.2f}x", f"{measured.share:.2f}")
        print(SHAPE.format(name, *rates, *scalings) + verdict, flush=True)
        figures.append({"workload": name, "share": measured.share, **measured.rates})
    return figures, good


def main(arguments: Sequence[str] | None = None) -> int:
    parsed = parse_arguments(arguments)
    refused = refusal(BUILD_PROFILE)
    if refused is not None:
        print(f"throughput: {refused}", file=sys.stderr)
        return 1
    try:
        import numpy  # noqa: F401 - to say so in one line instead of failing in the middle
    except ModuleNotFoundError:
        print("throughput: needs NumPy: pip install numpy", file=sys.stderr)
        return 1
    print(f"memory-budget-allocator {__version__}, Python {platform.python_version()}")
    if parsed.contention:
        figures, good = contention(CONTENTION_SIZES, parsed.seconds * 4), True
        show_contention(figures)
    else:
        figures, good = run_throughput(parsed)
    about = {"version": __version__, "python": platform.python_version()}
    if not is_written("throughput", parsed.json, json.dumps({**about, "rows": figures}, indent=2) + "\n"):
        return 1
    return 0 if good else 1


if __name__ == "__main__":
    run(main)
