"""Fork, spawn, the end of the interpreter and subinterpreters: no hang, no crash, no noise."""

from __future__ import annotations

import multiprocessing
import os
import pickle
import random
import subprocess
import sys
import threading
import time
import warnings
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import pytest

from memory_budget_allocator import MemoryBudgetAllocator, MemoryItem, MemoryPool, WorkspaceConfig
from pool_helpers import comparable, item

if TYPE_CHECKING:
    from collections.abc import Callable

pytestmark = pytest.mark.thread_unsafe(reason="forks, and starts many processes")

NOW = datetime(2026, 3, 4, 5, 6, 7, tzinfo=UTC)
PATIENCE_SECONDS = 60


def memories(count: int) -> list[MemoryItem]:
    return [item(f"m{number}", token_count=5, importance_score=number % 10 / 10) for number in range(count)]


def exit_code(child: int) -> int:
    """How a child ended; one that hangs is killed and counts as failed."""
    end = time.monotonic() + PATIENCE_SECONDS
    while time.monotonic() < end:
        done, status = os.waitpid(child, os.WNOHANG)
        if done:
            return os.waitstatus_to_exitcode(status)
        time.sleep(0.005)
    os.kill(child, 9)
    os.waitpid(child, 0)
    raise AssertionError("the child hung")


def fork_among_threads(rounds: int) -> None:
    allocator = MemoryBudgetAllocator(log_allocations=False, history_limit=50)
    small, large = memories(50), memories(60_000)  # the latter gives up the interpreter
    pool = MemoryPool.from_items(memories(500))
    resident = MemoryPool.from_items(large)
    stop = threading.Event()
    works: list[Callable[[int], object]] = [
        lambda turn: allocator.allocate("q", small),
        lambda turn: allocator.allocate("q", large),
        lambda turn: allocator.allocate("q", resident),
        lambda turn: (pool.add(item(f"new {turn % 9}")), pool.remove(f"new {turn % 9}"), pool.compact()),
        lambda turn: (allocator.allocate("q", pool), allocator.allocation_history),
    ]

    def run(work: Callable[[int], object]) -> None:
        turn = 0
        while not stop.is_set():
            turn += 1
            work(turn)
            time.sleep(0.001)  # the forking thread has to get its turn

    threads = [threading.Thread(target=run, args=(work,)) for work in works]
    for thread in threads:
        thread.start()
    chance = random.Random(1)
    try:
        for _ in range(rounds):
            time.sleep(chance.random() * 0.01)
            with warnings.catch_warnings():
                warnings.simplefilter("ignore", DeprecationWarning)  # 3.12 warns of forks among threads
                child = os.fork()
            if child == 0:
                code = 1
                try:
                    for turn, work in enumerate(works):
                        work(turn)
                    pool.add_many(memories(10))
                    pool.update("m1", text="changed")
                    assert pool["m1"].text == "changed"
                    allocator.get_allocation_statistics()
                    assert len(MemoryBudgetAllocator().allocate("q", small)) > 0
                    code = 0
                finally:
                    os._exit(code)
            assert exit_code(child) == 0
    finally:
        stop.set()
        for thread in threads:
            thread.join()


needs_fork = pytest.mark.skipif(not hasattr(os, "fork"), reason="this system has no fork")


@needs_fork
def test_a_child_forked_among_allocations_allocates() -> None:
    fork_among_threads(8)


@needs_fork
@pytest.mark.verify
def test_many_children_forked_among_allocations_allocate() -> None:
    fork_among_threads(60)


def allocate_elsewhere(work: tuple[list[MemoryItem], WorkspaceConfig]) -> tuple[Any, list[MemoryItem]]:
    items, config = work
    allocation = MemoryBudgetAllocator(config, log_allocations=False).allocate(
        "Hello", items, current_time=NOW
    )
    return comparable(allocation), items


@pytest.mark.parametrize("method", multiprocessing.get_all_start_methods())
def test_memories_and_configurations_travel_between_processes(method: str) -> None:
    items = [
        item("plain", text="x" * 40, metadata={"tags": [1, "two"]}),
        item("surrogate \ud800", relevance_score=0.1 + 0.2, timestamp=datetime(2026, 1, 1)),
        *memories(50),
    ]
    config = WorkspaceConfig("w", max_total_tokens=500, freshness_half_life_hours=7.5)
    here, _ = allocate_elsewhere((pickle.loads(pickle.dumps(items)), config))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        with multiprocessing.get_context(method).Pool(2) as pool:
            for there, returned in pool.map(allocate_elsewhere, [(items, config)] * 4):
                assert there == here
                assert returned[0].metadata == items[0].metadata
                assert returned[0].token_count == 10  # and still the library's own estimate
                returned[0].text = ""
                MemoryBudgetAllocator().allocate("q", returned[:1])
                assert returned[0].token_count == 0


BEFORE_THE_END = """
import sys, threading, time
from datetime import UTC, datetime
from array import array
from memory_budget_allocator import MemoryBudgetAllocator, MemoryItem, MemoryPool
now = datetime(2026, 1, 1, tzinfo=UTC)
def item(number, **fields):
    return MemoryItem(f"m{number}", "text", "rag", now, token_count=5, **fields)
class Foreign:
    def __init__(self, number):
        self.__dict__.update(
            memory_id=str(number), text="x", tier="rag", timestamp=now, user_id=None, metadata={},
            importance_score=0.5, freshness_score=1.0, combined_score=0.0, token_count=3, access_count=0,
            last_accessed=None, promotion_score=0.0)
    @property
    def relevance_score(self):
        return sum(range(3000)) * 0.0
allocator = MemoryBudgetAllocator(log_allocations=False)
config = allocator.workspace_configs["default"]
small = [item(number) for number in range(100)]
foreign = [Foreign(number) for number in range(50)]
pool = MemoryPool.from_items(item(number) for number in range(60_000))
other = MemoryPool()
columns = {"relevance_score": array("d", range(60_000)), "token_count": array("q", [5]) * 60_000}
works = dict(
    small=lambda: allocator.allocate("q", small),
    pool=lambda: allocator.allocate("q", pool),
    columns=lambda: allocator.allocate("q", columns),
    many=lambda: other.add_many(small),
    foreign=lambda: allocator.allocate("q", foreign),
    generator=lambda: allocator.allocate("q", (item(number) for number in range(2000))),
    pool_generator=lambda: other.add_many(item(number) for number in range(2000)),
    promotion=lambda: allocator.evaluate_promotion_demotion(foreign, config),
    score=lambda: [allocator.calculate_memory_score(each, config) for each in foreign],
)
started = threading.Barrier(4)
def run(work):
    started.wait()
    while True:
        work()
"""

DAEMONS = """
for _ in range(3):
    threading.Thread(target=run, args=(works[sys.argv[1]],), daemon=True).start()
started.wait()
time.sleep(0.05)
"""

FINALIZERS = """
class Last:
    def __del__(self):
        assert len(allocator.allocate("q", small)) > 0
        assert len(allocator.allocate("q", pool)) > 0
        assert pool["m1"].memory_id == "m1"
        other.add(item(1))
import atexit
atexit.register(lambda: (allocator.allocate("q", pool), other.add_many(small)))
small[0].metadata = {"last": Last(), "pool": pool, "me": small[0]}
other.add(small[0])
iterator, snapshot, allocation = iter(pool), pool.snapshot(), allocator.allocate("q", pool)
next(iterator)
sys.last = Last()
"""


def at_the_end(script: str, *arguments: str) -> None:
    done = subprocess.run(
        [sys.executable, "-X", "faulthandler", "-W", "error", "-c", BEFORE_THE_END + script, *arguments],
        capture_output=True,
        timeout=120,
        check=False,
    )
    assert (done.returncode, done.stdout, done.stderr) == (0, b"", b"")


WORKS = (
    *("small", "pool", "columns", "many", "foreign"),
    *("generator", "pool_generator", "promotion", "score"),
)


@pytest.mark.parametrize("work", ["small", "pool", "columns", "foreign", "generator"])
def test_the_interpreter_ends_while_daemon_threads_work(work: str) -> None:
    at_the_end(DAEMONS, work)


@pytest.mark.verify
@pytest.mark.parametrize("work", WORKS * 3)
def test_the_interpreter_ends_again_and_again_while_daemon_threads_work(work: str) -> None:
    at_the_end(DAEMONS, work)


def test_the_interpreter_ends_with_a_pool_in_use_and_finalizers_that_allocate() -> None:
    at_the_end(FINALIZERS)


SUBINTERPRETER = """
import sys
try:
    import _interpreters as interpreters
except ImportError:
    import _xxsubinterpreters as interpreters
code = '''
try:
    import memory_budget_allocator
except ImportError as error:
    assert "subinterpreters" in str(error) or "interpreter" in str(error), error
else:
    from datetime import UTC, datetime
    memory = memory_budget_allocator.MemoryItem("m", "text", "rag", datetime(2026, 1, 1, tzinfo=UTC))
    assert len(memory_budget_allocator.MemoryBudgetAllocator().allocate("q", [memory])) == 1
'''
if sys.argv[1] == "main":
    import memory_budget_allocator
for _ in range(3):
    interpreter = interpreters.create()
    failure = interpreters.run_string(interpreter, code)
    assert failure is None, failure
    interpreters.destroy(interpreter)
if sys.argv[1] == "main":
    from memory_budget_allocator import MemoryBudgetAllocator
    MemoryBudgetAllocator().allocate("q", [])
"""


@pytest.mark.parametrize("first", ["main", "sub"])
def test_a_subinterpreter_is_refused_or_served(first: str) -> None:
    done = subprocess.run(
        [sys.executable, "-X", "faulthandler", "-c", SUBINTERPRETER, first],
        capture_output=True,
        timeout=120,
        check=False,
    )
    assert (done.returncode, done.stderr) == (0, b"")
