"""Breaks each lock-free structure on purpose, one place at a time, and sees its model fail.

Works on a copy of the sources in target/mutations; the names of mutations to try may be given as arguments.
A mutation whose text is not found once, that does not compile, or that its model survives, fails the check.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parents[3]
COPY = ROOT / "target/mutations"
CORE = "rust/core/src/"
# A model that a mutation sends into an endless loop has noticed it too, but not as it should.
LONGEST_RUN_S = 300


@dataclass(frozen=True)
class Mutation:
    name: str
    file: str
    model: str
    before: str
    after: str


MUTATIONS = [
    Mutation(
        "journal: a ticket is drawn by a load and a store",
        CORE + "journal.rs",
        "journal::no_push_is_lost",
        "let ticket = self.tickets.next.fetch_add(1, AcqRel);",
        "let ticket = self.tickets.next.load(Acquire);"
        " self.tickets.next.store(ticket + 1, crate::sync::Release);",
    ),
    Mutation(
        "journal: a ticket is drawn relaxed",
        CORE + "journal.rs",
        "journal::a_reader_can_trust_order_and_completeness",
        "self.tickets.next.fetch_add(1, AcqRel)",
        "self.tickets.next.fetch_add(1, Relaxed)",
    ),
    Mutation(
        "journal: an overtaken writer puts its entry down all the same",
        CORE + "journal.rs",
        "journal::a_slot_keeps_the_newer_of_two_writers",
        "Some(newer) if newer.ticket > ticket => {",
        "Some(newer) if newer.ticket == u64::MAX => {",
    ),
    Mutation(
        "journal: around the ring, an overtaken writer puts its entry down all the same",
        CORE + "journal.rs",
        "journal::a_ring_goes_around",
        "Some(newer) if newer.ticket > ticket => {",
        "Some(newer) if newer.ticket == u64::MAX => {",
    ),
    Mutation(
        "journal: no second look at the mark after writing",
        CORE + "journal.rs",
        "journal::a_push_is_before_or_after_a_clear",
        "if ticket < self.tickets.cleared.fetch_add(0, AcqRel) {",
        "if ticket == u64::MAX {",
    ),
    Mutation(
        "journal: the second look at the mark only loads",
        CORE + "journal.rs",
        "journal::a_push_is_before_or_after_a_clear",
        "if ticket < self.tickets.cleared.fetch_add(0, AcqRel) {",
        "if ticket < self.tickets.cleared.load(Acquire) {",
    ),
    Mutation(
        "journal: a reader does not ask again what was cleared",
        CORE + "journal.rs",
        "journal::a_reader_sees_a_clear_as_one_step",
        "let cleared = self.tickets.cleared.load(Acquire);",
        "let cleared = 0;",
    ),
    Mutation(
        "journal: a clear begins where another one has only begun",
        CORE + "journal.rs",
        "journal::overlapping_clears_leave_nothing_unknown",
        "let start = self.oldest(end, &self.tickets.swept);",
        "let start = self.oldest(end, &self.tickets.cleared);",
    ),
    Mutation(
        "statistics: a sum by a load and a store",
        CORE + "statistics.rs",
        "statistics::totals_are_exact",
        "self.lower.fetch_add(value & LOWER, Relaxed);",
        "self.lower.store(self.lower.load(Relaxed) + (value & LOWER), Relaxed);",
    ),
    Mutation(
        "statistics: an allocation is counted relaxed",
        CORE + "statistics.rs",
        "statistics::totals_are_exact",
        "self.levels[observation.level.index()].fetch_add(1, Release);",
        "self.levels[observation.level.index()].fetch_add(1, Relaxed);",
    ),
    Mutation(
        "statistics: a new workspace's map replaces whatever is there",
        CORE + "statistics.rs",
        "statistics::new_workspaces_lose_no_record",
        "bucket.exchange(&map, Some(Arc::new(extended)));",
        "bucket.exchange(&bucket.load(), Some(Arc::new(extended)));",
    ),
    Mutation(
        "memory: an access by a load and a store",
        CORE + "memory.rs",
        "memory::no_access_is_lost",
        "self.access_count.fetch_update(Relaxed, Relaxed, more).is_ok()",
        "more(self.accesses()).map(|count| self.set_accesses(count)).is_some()",
    ),
    Mutation(
        "memory: no second look at the text after writing a count",
        CORE + "memory.rs",
        "memory::no_count_outlives_its_text",
        "let current = self.text_version.load(Acquire) == text_version;",
        "let current = text_version != u32::MAX;",
    ),
    Mutation(
        "memory: the version of a text rises before its length is known",
        CORE + "memory.rs",
        "memory::no_count_outlives_its_text",
        "self.text_length.store(code_points, Release);\n        self.text_version.fetch_add(1, AcqRel);",
        "self.text_version.fetch_add(1, AcqRel);\n        self.text_length.store(code_points, Release);",
    ),
    Mutation(
        "token cell: forgetting only looks where there is nothing to forget",
        CORE + "token_cell.rs",
        "memory::no_count_outlives_its_text",
        "Some(if word >> COUNT_BITS == 0 { word } else { 0 })",
        "(word >> COUNT_BITS != 0).then_some(0)",
    ),
    Mutation(
        "token cell: forgetting is relaxed",
        CORE + "token_cell.rs",
        "memory::no_count_outlives_its_text",
        "self.0.fetch_update(AcqRel, Acquire, forget)",
        "self.0.fetch_update(Relaxed, Relaxed, forget)",
    ),
    Mutation(
        "token cell: a count is written without acquiring",
        CORE + "token_cell.rs",
        "memory::no_count_outlives_its_text",
        "self.0.compare_exchange(seen.0, word.0, AcqRel, Relaxed).is_ok()",
        "self.0.compare_exchange(seen.0, word.0, Release, Relaxed).is_ok()",
    ),
    Mutation(
        "token cell: a count is taken back without looking",
        CORE + "token_cell.rs",
        "memory::a_count_is_never_seen_with_another_counter",
        "let _ = self.0.compare_exchange(word.0, earlier.0, AcqRel, Relaxed);",
        "let _ = earlier; self.0.store(word.0, Release);",
    ),
    Mutation(
        "factor table: a free place is taken by a store",
        CORE + "token_cell.rs",
        "memory::a_factor_keeps_its_place",
        "0 => place\n                    .compare_exchange(0, wanted, Relaxed, Relaxed)\n"
        "                    .map_or_else(|other| other, |_| wanted),",
        "0 => { place.store(wanted, Relaxed); wanted }",
    ),
    Mutation(
        "pool: rows are published after the lock is given back",
        CORE + "pool/mod.rs",
        "pool::writers_lose_nothing_to_each_other",
        "self.published.store(Arc::new(snapshot));\n        drop(index);",
        "drop(index);\n        self.published.store(Arc::new(snapshot));",
    ),
    Mutation(
        "pool: who looks up takes the rows before the lock",
        CORE + "pool/mod.rs",
        "pool::no_access_is_lost_to_a_compaction",
        "let index = self.index();\n            let snapshot = self.published.load_full();\n"
        "            (work",
        "let snapshot = self.published.load_full();\n            let index = self.index();\n"
        "            (work",
    ),
    Mutation(
        "pool: a condition is checked before the lock",
        CORE + "pool/mod.rs",
        "pool::a_conditional_change_meets_the_rows_it_wants",
        "let index = self.index();\n        if !wanted(&self.published.load()) {\n"
        "            return None;\n        }",
        "if !wanted(&self.published.load()) {\n            return None;\n        }\n"
        "        let index = self.index();",
    ),
    Mutation(
        "pool: changes are published one by one",
        CORE + "pool/mod.rs",
        "allocation::an_allocation_among_changed_rows",
        "draft.finish();",
        "self.published.store(Arc::new(draft.snapshot.clone())); draft.finish();",
    ),
    Mutation(
        "accesses: one is counted by a load and a store",
        CORE + "pool/access.rs",
        "pool::accesses_add_up_and_come_with_their_time",
        "let counted = cell.count.fetch_update(AcqRel, Acquire, more);",
        "let before = cell.count.load(Acquire);"
        " let counted = more(before).map(|it| { cell.count.store(it, Release); before }).ok_or(before);",
    ),
    Mutation(
        "accesses: one is counted relaxed",
        CORE + "pool/access.rs",
        "pool::accesses_add_up_and_come_with_their_time",
        "cell.count.fetch_update(AcqRel, Acquire, more)",
        "cell.count.fetch_update(crate::sync::Relaxed, crate::sync::Relaxed, more)",
    ),
    Mutation(
        "accesses: the time is written after the count",
        CORE + "pool/access.rs",
        "pool::accesses_add_up_and_come_with_their_time",
        "cell.last_us.store(now_us, Release);\n        let more = |count: u64|"
        " (count != MOVED).then(|| (count + 1).min(MAX_COUNT));\n"
        "        let counted = cell.count.fetch_update(AcqRel, Acquire, more);",
        "let more = |count: u64| (count != MOVED).then(|| (count + 1).min(MAX_COUNT));"
        " let counted = cell.count.fetch_update(AcqRel, Acquire, more);"
        " cell.last_us.store(now_us, Release);",
    ),
    Mutation(
        "accesses: a cell is taken by a load and a store",
        CORE + "pool/access.rs",
        "pool::no_access_is_lost_to_a_compaction",
        "let count = cell.count.swap(MOVED, AcqRel);",
        "let count = cell.count.load(Acquire); cell.count.store(MOVED, Release);",
    ),
    Mutation(
        "accesses: a cell that moved is not marked",
        CORE + "pool/draft.rs",
        "pool::no_access_is_lost_to_a_compaction",
        "let access = if untouched { Access::NONE } else { cells.take(at) };",
        "let access = if untouched { Access::NONE } else { cells.read(at).unwrap_or(Access::NONE) };",
    ),
    Mutation(
        "accesses: cells that nobody touched are not marked",
        CORE + "pool/draft.rs",
        "pool::no_access_is_lost_to_a_compaction",
        "cells.abandon_untouched(at, &moved);\n            let untouched = cells.is_abandoned(at, &moved);",
        "let untouched = cells.read(at) == Ok(Access::NONE) && !cells.is_abandoned(at, &moved);",
    ),
    Mutation(
        "configuration: a call reads it twice",
        "tests/core/models/world.rs",
        "allocation::an_allocation_among_configurations",
        "let noted = Noted { now_us, configuration: configuration.number, plan: planned };",
        "let noted = Noted { now_us, configuration: self.configuration.load().number, plan: planned };",
    ),
]


def copy_sources() -> None:
    shutil.rmtree(COPY, ignore_errors=True)
    for folder in ("rust", "tests/core", "benches/core"):
        shutil.copytree(ROOT / folder, COPY / folder)
    for file in ("Cargo.toml", "Cargo.lock"):
        shutil.copy2(ROOT / file, COPY / file)


def run_model(model: str) -> tuple[bool, str]:
    """Whether the model compiled, ran and failed, and what was printed."""
    environment = os.environ | {
        "RUSTFLAGS": "--cfg loom",
        "RUST_BACKTRACE": "0",
        # Compiled often and run once, until it fails. The libraries stay optimised.
        "CARGO_INCREMENTAL": "1",
        "CARGO_PROFILE_MODELS_OPT_LEVEL": "0",
    }
    command = [
        "cargo",
        "test",
        "--locked",
        "--profile",
        "models",
        "-p",
        "memory-budget-core",
        "--test",
        "loom",
    ]
    command += ["--target-dir", str(ROOT / "target/loom")]

    def run(arguments: list[str], longest_s: float | None) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [*command, *arguments],
            cwd=COPY,
            env=environment,
            text=True,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            timeout=longest_s,
            check=False,
        )

    compiled = run(["--no-run"], None)
    if compiled.returncode != 0:
        return False, compiled.stdout
    try:
        finished = run(["--", "--exact", model], LONGEST_RUN_S)
    except subprocess.TimeoutExpired:
        return False, f"no end after {LONGEST_RUN_S} s"
    return f"test {model} ... FAILED" in finished.stdout, finished.stdout


def try_mutation(mutation: Mutation) -> str | None:
    """What is wrong with it; None if the model noticed."""
    path = COPY / mutation.file
    sound = path.read_text(encoding="utf-8")
    if sound.count(mutation.before) != 1:
        return f"its text occurs {sound.count(mutation.before)} times in {mutation.file}"
    try:
        path.write_text(sound.replace(mutation.before, mutation.after), encoding="utf-8")
        noticed, output = run_model(mutation.model)
    finally:
        path.write_text(sound, encoding="utf-8")
    return None if noticed else f"{mutation.model} did not fail:\n{output[-3000:]}"


def main(wanted: list[str]) -> int:
    chosen = [it for it in MUTATIONS if not wanted or any(word in it.name for word in wanted)]
    copy_sources()
    missed = 0
    for mutation in chosen:
        started = time.monotonic()
        fault = try_mutation(mutation)
        missed += fault is not None
        verdict = "noticed" if fault is None else f"NOT NOTICED: {fault}"
        print(f"{mutation.name} ({time.monotonic() - started:.0f} s): {verdict}", flush=True)
    print(f"broke {len(chosen)} places, of which the models noticed {len(chosen) - missed}")
    return 1 if missed or not chosen else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
