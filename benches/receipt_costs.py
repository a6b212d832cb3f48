"""What receipts cost: the call with and without them, and asking afterwards.

    python benches/receipt_costs.py [--rows N,N,...] [--ceilings N,N,...] [--rounds N] [--json FILE]

Lists of memories of some 215 characters, four tiers mixed, tokens counted beforehand; with and without a
ceiling, by the documented formula and by `evidence`. Asked afterwards: the report of all, with the budget at
which each of the first hundred left out would be taken, and the sentence of the memory left out last.

With `--ceilings` only what takes longest: under each ceiling, with tier budgets that sum to 100,000 tokens,
the report and the receipts of the first, the middle and the last memory left out, and whether their budgets
were found.

Receipts that change what is selected fail the run.

Exit code: 0; 1 if a selection differs or the build is no release; 2 for bad usage; 130 on Ctrl-C.
"""

from __future__ import annotations

import argparse
import json
import sys
from dataclasses import asdict, dataclass, field
from functools import partial
from itertools import product
from pathlib import Path
from statistics import median
from typing import TYPE_CHECKING, Any

from measuring import NOW, QUERY, DifferentResultsError, memory_fields, refusal, spread, timed
from memory_budget_allocator import MemoryBudgetAllocator, MemoryItem, WorkspaceConfig
from memory_budget_allocator._core import BUILD_PROFILE
from program import is_written, run

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from memory_budget_allocator import Allocation

ROWS = (100, 1_000, 10_000)
CEILING: dict[str, Any] = {"max_prompt_tokens": 1_000, "tokenizer": "o200k_base"}
CALLS: dict[str, dict[str, Any]] = {
    "formula": {},
    "evidence": {"ranking": "evidence"},
    "formula, ceiling": CEILING,
    "evidence, ceiling": {**CEILING, "ranking": "evidence"},
}


@dataclass
class Times:
    """Milliseconds, a round each."""

    call: str
    rows: int
    without: list[float] = field(default_factory=list)
    asked: list[float] = field(default_factory=list)
    report: list[float] = field(default_factory=list)
    explain: list[float] = field(default_factory=list)

    @property
    def row(self) -> str:
        columns = (self.without, self.asked, self.report, self.explain)
        return f"{self.call:<18} {self.rows:>7,} " + " ".join(f"{spread(times):>28}" for times in columns)


HEADER = f"{'call':<18} {'rows':>7} " + " ".join(
    f"{heading:>28}" for heading in ("allocate, ms", "receipts=True", "report()", "explain()")
)


def measure(name: str, memories: Sequence[MemoryItem], rounds: int) -> Times:
    """All the times of one call."""
    allocator = MemoryBudgetAllocator(WorkspaceConfig("default"), log_allocations=False, history_limit=1)

    def call(*, receipts: bool) -> Callable[[], Allocation]:
        return lambda: allocator.allocate(QUERY, memories, current_time=NOW, receipts=receipts, **CALLS[name])

    times = Times(name, len(memories))
    call(receipts=True)()  # counts the tokens and reads the words
    for _ in range(rounds):
        elapsed, plain = timed(call(receipts=False))
        times.without.append(elapsed)
        elapsed, told = timed(call(receipts=True))
        times.asked.append(elapsed)
        if [memory.memory_id for memory in plain] != [memory.memory_id for memory in told]:
            raise DifferentResultsError(f"{name}, {len(memories):,} memories: receipts change the selection")
        elapsed, report = timed(told.report)
        times.report.append(elapsed)
        left_out = [receipt.memory_id for receipt in report.rows if receipt.decision == "left_out"]
        if left_out:
            times.explain.append(timed(partial(told.explain, left_out[-1]))[0])
    return times


@dataclass
class Searches:
    """Milliseconds, a round each, and what was found."""

    call: str
    rows: int
    ceiling: int
    left_out: int = 0
    not_found: int = 0
    report: list[float] = field(default_factory=list)
    explain: dict[str, list[float]] = field(default_factory=lambda: {"first": [], "middle": [], "last": []})
    found: dict[str, bool] = field(default_factory=dict)

    @property
    def row(self) -> str:
        sentences = [
            spread(times) + ("" if self.found.get(which, True) else " not found") if times else "-"
            for which, times in self.explain.items()
        ]
        columns = " ".join(f"{text:>28}" for text in (spread(self.report), *sentences))
        what = f"{self.call:<9} {self.rows:>7,} {self.ceiling:>9,} {self.left_out:>8,} {self.not_found:>9}"
        return f"{what} {columns}"


HEADER_OF_SEARCHES = f"{'call':<9} {'rows':>7} {'ceiling':>9} {'left out':>8} {'not found':>9} " + " ".join(
    f"{heading:>28}" for heading in ("report(), ms", "explain(first)", "explain(middle)", "explain(last)")
)
REPORTED = 100


def search(name: str, memories: Sequence[MemoryItem], ceiling: int, rounds: int) -> Searches:
    """How long the budgets of what was left out are looked for."""
    workspace = WorkspaceConfig("default", max_total_tokens=100_000)
    allocator = MemoryBudgetAllocator(workspace, log_allocations=False, history_limit=1)
    options = {**CALLS[f"{name}, ceiling"], "max_prompt_tokens": ceiling}
    searches = Searches(name, len(memories), ceiling)
    for _ in range(rounds):
        told = allocator.allocate(QUERY, memories, current_time=NOW, receipts=True, **options)
        elapsed, report = timed(told.report)
        searches.report.append(elapsed)
        left_out = [receipt for receipt in report.rows if receipt.decision == "left_out"]
        searches.left_out = len(left_out)
        searches.not_found = sum(not receipt.fits_at_known for receipt in left_out[:REPORTED])
        places = {"first": 0, "middle": len(left_out) // 2, "last": -1}
        for which, place in places.items() if left_out else ():
            memory_id = left_out[place].memory_id
            elapsed, receipts = timed(partial(told._receipts, memory_id, True))
            searches.explain[which].append(elapsed)
            searches.found[which] = all(receipt["fits_at_known"] for receipt in receipts)
    return searches


def parse_arguments(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description="What receipts cost.")
    parser.add_argument(
        "--rows",
        type=lambda text: [int(each) for each in text.split(",")],
        metavar="N,N,...",
        default=list(ROWS),
    )
    parser.add_argument(
        "--ceilings",
        type=lambda text: [int(each) for each in text.split(",")],
        metavar="N,N,...",
        default=[],
        help="only the searches for budgets under these ceilings",
    )
    parser.add_argument("--rounds", type=int, metavar="N", default=5)
    parser.add_argument("--json", type=Path, metavar="FILE", help="also write the figures to FILE")
    parsed = parser.parse_args(arguments)
    if not all(rows >= 100 for rows in parsed.rows):
        parser.error("--rows must be 100 or more, so that something is left out")
    if not all(ceiling >= 1 for ceiling in parsed.ceilings):
        parser.error("--ceilings must be 1 or more")
    if parsed.rounds < 1:
        parser.error("--rounds must be 1 or more")
    return parsed


def main(arguments: Sequence[str] | None = None) -> int:
    parsed = parse_arguments(arguments)
    if (why := refusal(BUILD_PROFILE)) is not None:
        print(f"receipt_costs: {why}", file=sys.stderr)
        return 1
    print(HEADER_OF_SEARCHES if parsed.ceilings else HEADER)
    measured: list[dict[str, Any]] = []
    for rows in parsed.rows:
        memories = [MemoryItem(**fields) for fields in memory_fields(rows)]
        for name, ceiling in product(("formula", "evidence"), parsed.ceilings):
            searches = search(name, memories, ceiling, parsed.rounds)
            print(searches.row, flush=True)
            measured.append(asdict(searches))
        for name in CALLS if not parsed.ceilings else ():
            try:
                times = measure(name, memories, parsed.rounds)
            except DifferentResultsError as error:
                print(f"DIFFERENT: {error}")
                return 1
            print(times.row, flush=True)
            measured.append({**asdict(times), "ratio": median(times.asked) / median(times.without)})
    if not is_written("receipt_costs", parsed.json, json.dumps(measured, indent=2) + "\n"):
        return 1
    return 0


if __name__ == "__main__":
    run(main)
