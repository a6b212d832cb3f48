"""Run as a program: exports in children that are killed, or refused; prints what was found as JSON.

A process of its own, because it forks, and because it may give up its rights.
"""

from __future__ import annotations

import errno
import json
import os
import random
import resource
import signal
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

from memory_budget_allocator import MemoryBudgetAllocator, durable_write

if TYPE_CHECKING:
    from collections.abc import Callable

NOBODY = 65534


def exporter(entries: int) -> MemoryBudgetAllocator:
    allocator = MemoryBudgetAllocator(log_allocations=False)
    for number in range(entries):
        allocator.allocate(f"{entries} entries, the {number}th", [])
    return allocator


def in_a_child(work: Callable[[], None]) -> int:
    """The status of a child that does the work."""
    child = os.fork()
    if child == 0:
        work()
        os._exit(0)
    return os.waitpid(child, 0)[1]


def killed_at_random(target: Path, rounds: int, seed: int) -> dict[str, Any]:
    """Children export in turns until they are killed; the file holds one export or the other."""
    chance = random.Random(seed)
    few, many = exporter(5), exporter(60)
    whole = []
    started = time.perf_counter()
    for allocator in (few, many):
        allocator.export_allocation_log(target)
        whole.append(target.read_bytes())
    a_pair = time.perf_counter() - started  # a disk may take its time to flush
    found = [0, 0]
    torn = 0
    for _ in range(rounds):
        child = os.fork()
        if child == 0:
            while True:
                few.export_allocation_log(target)
                many.export_allocation_log(target)
        time.sleep(chance.random() * max(0.02, 3 * a_pair))
        os.kill(child, signal.SIGKILL)
        os.waitpid(child, 0)
        content = target.read_bytes()
        if content in whole:
            found[whole.index(content)] += 1
        else:
            torn += 1
    return {"rounds": rounds, "found": found, "torn": torn}


def killed_at_every_line(target: Path) -> dict[str, Any]:
    """Child n is killed as it comes to the nth line that `durable_write` executes."""
    old, new = exporter(3), exporter(5)
    new.export_allocation_log(target)
    whole = target.read_bytes()
    source = durable_write.__file__
    found: list[str] = []
    while True:
        for stale in target.parent.glob(".*.part"):
            stale.unlink()
        old.export_allocation_log(target)
        before = target.read_bytes()
        remaining = len(found)

        def stop_at_line(frame: Any, event: str, _: object) -> Any:
            nonlocal remaining
            if frame.f_code.co_filename != source:
                return None
            if event == "line":
                if remaining == 0:
                    os.kill(os.getpid(), signal.SIGKILL)
                remaining -= 1
            return stop_at_line

        def work() -> None:
            sys.settrace(stop_at_line)
            new.export_allocation_log(target)

        status = in_a_child(work)
        content = target.read_bytes()
        found.append("new" if content == whole else "old" if content == before else "torn")
        if not os.WIFSIGNALED(status):
            return {"found": found, "exit": os.WEXITSTATUS(status)}


def refused(target: Path, prepare: Callable[[], None]) -> dict[str, Any]:
    """What an export says in a child that was prepared for failure, and what is left of the folder."""
    many = exporter(500)
    reading, writing = os.pipe()

    def work() -> None:
        prepare()
        try:
            many.export_allocation_log(target)
        except OSError as error:
            text = f"{type(error).__name__}: {error}"
            os.write(writing, text.encode())

    status = in_a_child(work)
    os.close(writing)
    return {
        "status": status,
        "error": os.read(reading, 10_000).decode(),
        "content": target.read_text(),
        "names": sorted(path.name for path in target.parent.iterdir()),
    }


def limited() -> None:
    resource.setrlimit(resource.RLIMIT_FSIZE, (10_000, 10_000))


def powerless() -> None:
    if os.geteuid() == 0:
        os.setgroups([])
        os.setgid(NOBODY)
        os.setuid(NOBODY)


def nothing_more() -> None:
    """The disk is full without that."""


def main() -> dict[str, Any]:
    task, target = sys.argv[1], Path(sys.argv[2])
    match task:
        case "random":
            return killed_at_random(target, int(sys.argv[3]), int(sys.argv[4]))
        case "lines":
            return killed_at_every_line(target)
        case "limited":
            return refused(target, limited)
        case "read-only":
            return refused(target, powerless)
        case "full":
            return refused(target, nothing_more)
    raise SystemExit(errno.EINVAL)


if __name__ == "__main__":
    print(json.dumps(main()))
