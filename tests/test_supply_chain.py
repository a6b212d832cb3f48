"""What the library is made of: dependencies, their licences and sources, and every use of `unsafe`."""

from __future__ import annotations

import json
import re
import subprocess
import tomllib
from collections import Counter
from functools import cache
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).parent.parent
LOCKS = [ROOT / "Cargo.lock", ROOT / "fuzz/Cargo.lock", ROOT / "benches/baseline/Cargo.lock"]
LICENCES = {
    "MIT",
    "Apache-2.0",
    "Apache-2.0 WITH LLVM-exception",
    "BSD-2-Clause",
    "BSD-3-Clause",
    "Unicode-3.0",
    "Unlicense",
    "Zlib",
}
CRATES_IO = "registry+https://github.com/rust-lang/crates.io-index"
# Of model checkers and test libraries, in two versions each because those want different ones.
DUPLICATES_IN_TESTS = {"getrandom", "rand", "rand_core", "syn", "windows-sys"}
SAFETY = re.compile(r"//+ (SAFETY:|# Safety)")
# `unsafe` as a block, function, trait or implementation; not as part of a function's type.
UNSAFE = re.compile(r"\bunsafe\s*(\{|impl\b|trait\b|fn\s+\w|extern \"C\" fn\s+\w)")


@cache
def metadata() -> dict[str, Any]:
    command = ["cargo", "metadata", "--locked", "--format-version", "1"]
    return json.loads(subprocess.run(command, cwd=ROOT, check=True, capture_output=True).stdout)


def is_allowed(expression: str) -> bool:
    """Whether an SPDX expression (or an old one with slashes) can be met with the licences we accept."""
    tokens = re.findall(r"[()]|[^()\s]+", expression.replace("/", " OR ").replace(" WITH ", "_WITH_"))

    def either() -> bool:
        met = both()
        while tokens and tokens[0] == "OR":
            tokens.pop(0)
            met = both() or met
        return met

    def both() -> bool:
        met = one()
        while tokens and tokens[0] == "AND":
            tokens.pop(0)
            met = one() and met
        return met

    def one() -> bool:
        token = tokens.pop(0)
        if token != "(":
            return token.replace("_WITH_", " WITH ") in LICENCES
        met = either()
        assert tokens.pop(0) == ")"
        return met

    met = either()
    assert not tokens, expression
    return met


def shipped() -> set[str]:
    """Ids of the packages that the native module is built from, on any platform."""
    nodes = {node["id"]: node for node in metadata()["resolve"]["nodes"]}
    found: set[str] = set()
    ahead = [id_ for id_ in metadata()["workspace_members"] if "bindings" in id_]
    while ahead:
        package = ahead.pop()
        if package in found:
            continue
        found.add(package)
        for dependency in nodes[package]["deps"]:
            kinds = dependency["dep_kinds"]
            models = ("cfg(loom)", "cfg(shuttle)")
            if any(kind["kind"] != "dev" and kind["target"] not in models for kind in kinds):
                ahead.append(dependency["pkg"])
    return found


def names(packages: set[str]) -> Counter[str]:
    return Counter(it["name"] for it in metadata()["packages"] if it["id"] in packages)


def test_every_licence_is_one_we_accept() -> None:
    for package in metadata()["packages"]:
        assert package["license"], f"{package['name']} names no licence"
        assert is_allowed(package["license"]), f"{package['name']}: {package['license']}"


@pytest.mark.parametrize(
    ("expression", "allowed"),
    [
        ("MIT", True),
        ("GPL-3.0-only", False),
        ("GPL-3.0-only OR MIT", True),
        ("MIT/Apache-2.0", True),
        ("MIT AND GPL-3.0-only", False),
        ("(MIT OR GPL-3.0-only) AND Unicode-3.0", True),
        ("(MIT AND GPL-3.0-only) OR LGPL-2.1-or-later", False),
        ("Apache-2.0 WITH LLVM-exception", True),
    ],
)
def test_licence_expressions(expression: str, allowed: bool) -> None:
    assert is_allowed(expression) is allowed


def test_nothing_comes_from_outside_the_registry() -> None:
    for lock in LOCKS:
        packages = tomllib.loads(lock.read_text(encoding="utf-8"))["package"]
        for package in packages:
            assert package.get("source") in (None, CRATES_IO), f"{lock}: {package['name']}"
            assert ("source" in package) == ("checksum" in package), f"{lock}: {package['name']}"


def test_fuzzers_try_what_is_shipped() -> None:
    ours, fuzzed = (
        {(it["name"], it["version"]) for it in tomllib.loads(lock.read_text(encoding="utf-8"))["package"]}
        for lock in LOCKS[:2]
    )
    linked = {"arc-swap", "crossbeam-utils", "hashbrown", "thiserror"}
    assert {it for it in fuzzed if it[0] in linked} == {it for it in ours if it[0] in linked}


def test_what_is_shipped_has_no_crate_twice() -> None:
    twice = {name for name, times in names(shipped()).items() if times > 1}
    assert not twice
    everything = names({package["id"] for package in metadata()["packages"]})
    assert {name for name, times in everything.items() if times > 1} == DUPLICATES_IN_TESTS


def code(path: Path) -> list[str]:
    """Lines of a Rust file, comments emptied."""
    lines = path.read_text(encoding="utf-8").splitlines()
    return ["" if line.strip().startswith("//") else line for line in lines]


def uses_of_unsafe() -> list[tuple[Path, int]]:
    files = sorted((ROOT / "rust").rglob("*.rs"))
    return [
        (path, number)
        for path in files
        for number, line in enumerate(code(path))
        for _ in UNSAFE.finditer(line)
    ]


def is_justified(path: Path, number: int) -> bool:
    """Whether a comment right above says why it is sound; statements may begin some lines earlier."""
    lines = path.read_text(encoding="utf-8").splitlines()
    above = reversed(lines[max(0, number - 9) : number + 1])
    for line in above:
        if SAFETY.search(line):
            return True
        if line.strip() in ("", "}"):
            return False
    return False


def test_every_use_of_unsafe_is_justified() -> None:
    bare = [f"{path.relative_to(ROOT)}:{number + 1}" for path, number in uses_of_unsafe()]
    bare = [place for place, use in zip(bare, uses_of_unsafe(), strict=True) if not is_justified(*use)]
    assert not bare


def test_documentation_knows_the_numbers() -> None:
    page = (ROOT / "docs/reliability.md").read_text(encoding="utf-8")
    uses = uses_of_unsafe()
    files = {path for path, _ in uses}
    assert all("bindings" in path.parts for path in files), "the core has none"
    assert f"`unsafe` stands in {len(uses)} places of {len(files)} files" in " ".join(page.split())
    third_party = len(shipped()) - 2
    assert f"{third_party} crates besides our two" in " ".join(page.split())


def test_documentation_knows_how_many_proofs_there_are() -> None:
    page = (ROOT / "docs/reliability.md").read_text(encoding="utf-8")
    folder = ROOT / "tests/core/models"
    modelled = ("allocation", "journal", "memory", "pool", "statistics")
    models = sum((folder / f"{name}.rs").read_text(encoding="utf-8").count("#[test]") for name in modelled)
    assert page.count(f"| {models} models, ") == 2
    mutations = (folder / "mutations.py").read_text(encoding="utf-8").count("    Mutation(\n")
    assert f"| {mutations} places, all noticed |" in page
    (figures,) = (line for line in page.splitlines() if line.startswith("| fuzzing "))
    targets = {path.stem for path in (ROOT / "fuzz/fuzz_targets").glob("*.rs")}
    assert set(re.findall(r"[\d,]+ `(\w+)`", figures)) == targets
    assert all(f"| `{target}` | " in page for target in targets)


def test_the_core_forbids_unsafe() -> None:
    assert "#![forbid(unsafe_code)]" in (ROOT / "rust/core/src/lib.rs").read_text(encoding="utf-8")
