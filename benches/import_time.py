"""What importing the library costs, and what its files weigh.

    python benches/import_time.py [--rounds N] [--json FILE]

Interpreters are started in turns, each importing one of three things: yaml (which every user of the library
has to import at some time), yaml and the standard modules that the library rests on, yaml and the library.
Each measures its own import; the figures are medians, and medians of the rounds' own differences.

The weight is that of the installed files, each compressed as in a wheel.

Exit code: 0; 1 if a target is missed or the build is a debug build; 2 for bad usage; 130 on Ctrl-C.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import zlib
from importlib.metadata import files
from pathlib import Path
from statistics import median
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

from measuring import refusal, spread
from memory_budget_allocator._core import BUILD_PROFILE
from program import is_written, run

ROUNDS = 40
WARM_UP_ROUNDS = 3
TARGET_MS = 25.0
# 2.5 and the two vocabularies: `cat rust/core/data/*.vocabulary | gzip | wc -c` says 1,421,900.
TARGET_MEGABYTES = 2.5 + 1.42

YAML = "yaml"
STANDARD = "yaml, standard modules"
LIBRARY = "yaml, library"
IMPORTS = {
    YAML: "import yaml",
    STANDARD: "import yaml, dataclasses, datetime, enum, itertools, logging, typing",
    LIBRARY: "import yaml, memory_budget_allocator",
}


def import_ms(statement: str) -> float:
    """What the statement takes in an interpreter of its own, in milliseconds."""
    program = f"from time import perf_counter as t; s = t()\n{statement}\nprint(t() - s)"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, check=True, text=True)
    return float(done.stdout) * 1e3


def measure(rounds: int) -> dict[str, list[float]]:
    times: dict[str, list[float]] = {name: [] for name in IMPORTS}
    for number in range(-WARM_UP_ROUNDS, rounds):
        in_turn = list(IMPORTS)[:: -1 if number % 2 else 1]
        for name in in_turn:
            elapsed = import_ms(IMPORTS[name])
            if number >= 0:
                times[name].append(elapsed)
    return times


def over_yaml(times: dict[str, list[float]], name: str) -> float:
    """The median of the rounds' own differences."""
    return median(other - yaml for other, yaml in zip(times[name], times[YAML], strict=True))


def compressed_megabytes() -> float:
    """The installed files, each compressed as in a wheel."""
    installed = files("memory-budget-allocator") or []
    # Bytecode is made by the installer and is in no wheel.
    contents = [file.read_binary() for file in installed if file.suffix != ".pyc"]
    return sum(len(zlib.compress(content)) for content in contents) / 1e6


def parse_arguments(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description="Time the import and weigh the installed files.")
    parser.add_argument("--rounds", type=int, default=ROUNDS, metavar="N")
    parser.add_argument("--json", type=Path, metavar="FILE", help="also write the figures to FILE")
    parsed = parser.parse_args(arguments)
    if parsed.rounds < 1:
        parser.error(f"--rounds must be at least 1, got {parsed.rounds}")
    return parsed


def main(arguments: Sequence[str] | None = None) -> int:
    parsed = parse_arguments(arguments)
    refused = refusal(BUILD_PROFILE)
    if refused is not None:
        print(f"import_time: {refused}", file=sys.stderr)
        return 1
    times = measure(parsed.rounds)
    for name, own in times.items():
        print(f"{name:24} {spread(own)} ms, {over_yaml(times, name):.1f} over yaml")
    library_ms, megabytes = over_yaml(times, LIBRARY), compressed_megabytes()
    met = library_ms <= TARGET_MS and megabytes <= TARGET_MEGABYTES
    print(
        f"import over yaml: {library_ms:.1f} ms, at most {TARGET_MS:g}\n"
        f"installed files, compressed: {megabytes:.2f} MB, at most {TARGET_MEGABYTES:g}\n"
        f"{'met' if met else 'MISSED'}"
    )
    figures = {"import_ms": times, "over_yaml_ms": library_ms, "compressed_megabytes": megabytes}
    if not is_written("import_time", parsed.json, json.dumps(figures, indent=2)):
        return 1
    return 0 if met else 1


if __name__ == "__main__":
    run(main)
