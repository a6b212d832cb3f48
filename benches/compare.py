"""How fast an allocation is through every door, beside everything one could write instead.

    python benches/compare.py [--quick] [--sizes N,N,...] [--rounds N] [--json FILE] [--plot FILE.png]

One run, one table: the library, the plain loop, NumPy, Polars, a straightforward Rust port, and the time to
read the columns once. Every side must give the selection that a full sort gives, or the program fails.

Exit code: 0; 1 if selections differ, a side is missing, a ratio misses its target or is void; 2 for bad
usage; 130 on Ctrl-C.
"""

from __future__ import annotations

import argparse
import gc
import platform
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from measuring import EXPLANATION_OF_VOID, DifferentResultsError, refusal
from memory_budget_allocator import __version__
from memory_budget_allocator._core import BUILD_PROFILE
from memory_budget_allocator.durable_write import write_text
from program import run

if TYPE_CHECKING:
    from collections.abc import Sequence

    from comparison.rounds import Measured

SIZES = (100, 1_000, 10_000, 100_000, 1_000_000, 10_000_000)
QUICK_SIZES = SIZES[:4]
ROUNDS = {100: 40, 1_000: 40, 10_000: 20, 100_000: 12}
MANY_ROUNDS, FEW_ROUNDS, QUICK_ROUNDS = 15, 7, 7


def rounds_for(rows: int, *, quick: bool) -> int:
    rounds = ROUNDS.get(rows, MANY_ROUNDS if rows <= 1_000_000 else FEW_ROUNDS)
    return min(QUICK_ROUNDS, rounds) if quick else rounds


def sizes(text: str) -> tuple[int, ...]:
    parts = text.split(",")
    if not all(part.isascii() and part.isdigit() and 0 < int(part) <= SIZES[-1] for part in parts):
        raise argparse.ArgumentTypeError(
            f"needs whole numbers from 1 to {SIZES[-1]}, separated by commas, got {text!r}"
        )
    return tuple(sorted({int(part) for part in parts}))


def parse_arguments(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description="Time allocations beside what one could write instead.")
    parser.add_argument("--quick", action="store_true", help="up to 100,000 memories, few rounds")
    parser.add_argument(
        "--sizes", type=sizes, metavar="N,N,...", help="memories (default: 100 to 10 million)"
    )
    parser.add_argument("--rounds", type=int, metavar="N", help="rounds of every size")
    parser.add_argument("--json", type=Path, metavar="FILE", help="also write the figures to FILE")
    parser.add_argument("--plot", type=Path, metavar="FILE.png", help="also draw the medians (matplotlib)")
    parsed = parser.parse_args(arguments)
    if parsed.rounds is not None and parsed.rounds < 1:
        parser.error(f"--rounds must be at least 1, got {parsed.rounds}")
    return parsed


def progress(text: str) -> None:
    if sys.stderr.isatty():
        print(f"\r\x1b[K{text}", end="", file=sys.stderr, flush=True)


def conclude(measurements: Sequence[Measured]) -> tuple[list[str], bool]:
    """Verdicts on all targets, and whether everything is as it should be."""
    from comparison.sides import LOOP, TARGETS

    pairs = [target.verdict(measured) for target in TARGETS for measured in measurements]
    verdicts = [pair for pair in pairs if pair is not None]
    for text, _ in verdicts:
        print(text)
    if any(measured.is_void(LOOP) for measured in measurements):
        print(EXPLANATION_OF_VOID)
    missing = {name: why for measured in measurements for name, why in measured.missing.items()}
    for name, why in missing.items():
        print(f"compare: MISSING: {name}: {why}", file=sys.stderr)
    return [text for text, _ in verdicts], not missing and all(met for _, met in verdicts)


def write(parsed: argparse.Namespace, measurements: Sequence[Measured], verdicts: Sequence[str]) -> bool:
    """Write what was asked for; whether all of it could be."""
    from comparison.report import as_json, plot
    from comparison.side import MissingSideError

    written = True
    for path in (parsed.json, parsed.plot):
        if path is None:
            continue
        try:
            if path is parsed.json:
                write_text(path, [as_json(measurements, verdicts)])
            else:
                plot(measurements, path)
        except MissingSideError as error:
            print(f"compare: {error}", file=sys.stderr)
            written = False
        except OSError as error:
            print(f"compare: cannot write {path}: {error.strerror}", file=sys.stderr)
            written = False
    return written


def main(arguments: Sequence[str] | None = None) -> int:
    parsed = parse_arguments(arguments)
    refused = refusal(BUILD_PROFILE)
    if refused is not None:
        print(f"compare: {refused}", file=sys.stderr)
        return 1
    try:
        import numpy
    except ModuleNotFoundError:
        print("compare: needs NumPy: pip install numpy", file=sys.stderr)
        return 1
    from comparison.report import table
    from comparison.rounds import measure
    from comparison.sides import SIDES

    print(
        f"memory-budget-allocator {__version__}, Python {platform.python_version()}, "
        f"NumPy {numpy.__version__}\n"
        "Four tiers mixed, token counts known (42 to 65), budgets of 4,096 tokens in all. Ratios are the\n"
        "medians of paired rounds. loop /: the plain loop's time over this one. NumPy /: that of NumPy with\n"
        "stored freshness over this one. / bound: this time over that of reading the columns once.\n"
    )
    measurements: list[Measured] = []
    for rows in parsed.sizes or (QUICK_SIZES if parsed.quick else SIZES):
        try:
            measured = measure(rows, SIDES, parsed.rounds or rounds_for(rows, quick=parsed.quick), progress)
        except DifferentResultsError as error:
            print(f"compare: {rows:,} memories: DIFFERENT SELECTION: {error}", file=sys.stderr)
            return 1
        progress("")
        measurements.append(measured)
        print(table(measured), flush=True)
        gc.collect()
    print("All selections are those of a full stable sort.\n")
    verdicts, good = conclude(measurements)
    return 0 if write(parsed, measurements, verdicts) and good else 1


if __name__ == "__main__":
    run(main)
