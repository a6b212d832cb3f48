"""Runs proofs and tells what they came to.

    .ci/proof.py NAME COMMAND...   runs one, shows its output, notes times, outcome and what it counted
    .ci/proof.py                   prints the table of all that were noted; fails if one of them did

What a proof counted is read from its output: "explored 12 interleavings", "ran 500 executions", "3 passed".
"""

import re
import resource
import subprocess
import sys
import time
from pathlib import Path

NOTES = Path("target/proofs")
COUNTED = re.compile(r"\b(?:explored|tried|ran|broke|made|compared) (\d+) (\w+)|\b(\d+) (passed|skipped)\b")
NOUNS = {"passed": "tests", "skipped": "skipped"}


def counted(output: str) -> str:
    """The sums of what lines of the output say, by what they count."""
    sums: dict[str, int] = {}
    for number, noun, tests, verb in COUNTED.findall(output):
        what = noun or NOUNS[verb]
        sums[what] = sums.get(what, 0) + int(number or tests)
    return ", ".join(f"{number:,} {what}" for what, number in sums.items())


def run(name: str, command: list[str]) -> int:
    """Runs one proof and notes what it came to; its exit status."""
    NOTES.mkdir(parents=True, exist_ok=True)
    started = time.monotonic()
    lines: list[str] = []
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True) as process:
        assert process.stdout is not None
        for line in process.stdout:
            lines.append(line)
            print(f"{name}: {line}", end="", flush=True)
    output = "".join(lines)
    seconds = time.monotonic() - started
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    outcome = "green" if process.returncode == 0 else "FAILED"
    (NOTES / f"{name}.log").write_text(output, encoding="utf-8")
    note = f"{outcome}\t{seconds:.0f}\t{used.ru_utime + used.ru_stime:.0f}\t{counted(output)}\n"
    (NOTES / f"{name}.note").write_text(note, encoding="utf-8")
    return process.returncode


def summary() -> int:
    """Prints what was noted; 1 if something failed, or nothing ran."""
    notes = sorted(NOTES.glob("*.note"))
    failed = 0
    print(f"\n{'proof':18} {'outcome':8} {'seconds':>7} {'of a core':>9}  counted")
    for note in notes:
        outcome, seconds, used, what = note.read_text(encoding="utf-8").rstrip("\n").split("\t")
        failed += outcome != "green"
        print(f"{note.stem:18} {outcome:8} {seconds:>7} {used:>9}  {what}")
    return 1 if failed or not notes else 0


if __name__ == "__main__":
    sys.exit(run(sys.argv[1], sys.argv[2:]) if len(sys.argv) > 2 else summary())
