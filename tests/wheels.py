"""Builds the wheel from the tree and from the source distribution, compares them, and runs the tests on every
interpreter of this machine that the wheel is for.

Interpreters are looked for in PATH and in pyenv's folder. The one that runs this tries as many generated
examples as `make test` does, the others fewer. A free-threaded one gets a wheel of its own and the tests run
with the interpreter's lock off, which is checked before and after.
"""

from __future__ import annotations

import hashlib
import json
import os
import re
import shutil
import subprocess
import sys
import tarfile
import tomllib
import zipfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
WORK = ROOT / "target/wheels"
TOOLS = WORK / "tools"
SOURCE = WORK / "source"
OLDEST = (3, 11)
OLDEST_FREE_THREADED = (3, 14)  # of those that PyO3 supports
NAME = re.compile(r"python3(\.\d+t?)?")
ASK = (
    "import sys, sysconfig; print(sys.implementation.name, *sys.version_info[:3], "
    "sysconfig.get_config_var('Py_GIL_DISABLED') or 0, sys.prefix)"
)
# An extension module that does not say it can do without the interpreter's lock turns it on when imported.
LOCK_STAYS_OFF = """
import sys
import memory_budget_allocator
allocator = memory_budget_allocator.MemoryBudgetAllocator()
allocator.allocate("query", memory_budget_allocator.MemoryPool())
assert not sys._is_gil_enabled(), "the library turned the lock on"
"""
# Forced by PYTHON_GIL=0, because of what else the tests import.
SUITE_WITHOUT_LOCK = """
import sys
import pytest
status = pytest.main(sys.argv[1:])
assert not sys._is_gil_enabled(), "the tests ran with the lock on"
sys.exit(status)
"""


@dataclass(frozen=True)
class Interpreter:
    """A CPython of this machine."""

    executable: Path
    home: Path
    version: tuple[int, ...]
    is_free_threaded: bool

    def __str__(self) -> str:
        kind = " free-threaded" if self.is_free_threaded else ""
        return f"CPython {'.'.join(map(str, self.version))}{kind}: {self.executable}"


def run(*command: str | Path, cwd: Path = ROOT, environment: dict[str, str] | None = None) -> None:
    subprocess.run(command, cwd=cwd, check=True, env=os.environ | (environment or {}))


def project() -> dict[str, Any]:
    return tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))


def fetch_tools() -> None:
    """The build backend that pyproject.toml asks for, and a pip that knows wheels of every interpreter."""
    shutil.rmtree(TOOLS, ignore_errors=True)
    install = (sys.executable, "-m", "pip", "install", "--quiet", "--disable-pip-version-check")
    run(*install, "--target", TOOLS, "pip", *project()["build-system"]["requires"])


def pip(python: str | Path, command: str, *arguments: str | Path, **more: Any) -> None:
    """Pip as that interpreter runs it, which need not have one."""
    run(python, TOOLS / "pip", command, "--quiet", "--disable-pip-version-check", *arguments, **more)


def build(name: str, source: Path, compiled: Path, python: str | Path = sys.executable) -> Path:
    """The wheel that pip makes of the source; `compiled` is cargo's folder."""
    out = WORK / name
    shutil.rmtree(out, ignore_errors=True)
    environment = {"CARGO_TARGET_DIR": str(compiled)}
    pip(python, "wheel", "--no-deps", "--wheel-dir", out, ".", cwd=source, environment=environment)
    (wheel,) = out.glob("*.whl")
    return wheel


def copy_tree(copy: Path) -> None:
    """The files that git knows, as they are now."""
    shutil.rmtree(copy, ignore_errors=True)
    listed = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, check=True, capture_output=True).stdout
    for name in listed.decode().split("\0"):
        if name and (ROOT / name).is_file():
            (copy / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(ROOT / name, copy / name)


def source_distribution() -> Path:
    """Made by the build backend of the files that git knows."""
    tree, out = WORK / "tree", WORK / "sdist"
    copy_tree(tree)
    shutil.rmtree(out, ignore_errors=True)
    run(TOOLS / "bin/maturin", "sdist", "--out", out, cwd=tree)
    (archive,) = out.glob("*.tar.gz")
    return archive


def unpack(archive: Path) -> None:
    shutil.rmtree(SOURCE, ignore_errors=True)
    with tarfile.open(archive) as packed:
        packed.extractall(WORK / "unpacked", filter="data")
    (folder,) = (WORK / "unpacked").iterdir()
    shutil.move(folder, SOURCE)
    (WORK / "unpacked").rmdir()
    # All of the archive is from 2006, so that cargo would take for current what an earlier run compiled.
    for path in SOURCE.rglob("*"):
        path.touch()


def content(packed: zipfile.ZipFile, name: str, source: Path) -> bytes:
    """A file's bytes; without what is each build's own: folder, number and time in the list of materials."""
    read = packed.read(name)
    if name.endswith(".cyclonedx.json"):
        materials = json.loads(read.replace(source.as_uri().encode(), b""))
        del materials["serialNumber"], materials["metadata"]["timestamp"]
        return json.dumps(materials).encode()
    if name.endswith(".dist-info/RECORD"):
        return b"\n".join(line for line in read.splitlines() if b".cyclonedx.json" not in line)
    return read


def contents(wheel: Path, source: Path) -> dict[str, str]:
    with zipfile.ZipFile(wheel) as packed:
        return {name: hashlib.sha256(content(packed, name, source)).hexdigest() for name in packed.namelist()}


def compare(first: Path, second: Path) -> None:
    left, right = contents(first, ROOT), contents(second, SOURCE)
    different = sorted(name for name in left.keys() | right.keys() if left.get(name) != right.get(name))
    if first.name != second.name or different:
        sys.exit(f"{first.name} of the tree and {second.name} of the source distribution differ: {different}")
    print(f"compared {len(left)} files of two wheels: the same to the byte")


def interpreters() -> list[Interpreter]:
    """Every CPython that the wheel is for, once."""
    folders = [Path(folder) for folder in os.environ.get("PATH", "").split(os.pathsep)]
    pyenv = Path(os.environ.get("PYENV_ROOT", Path.home() / ".pyenv")) / "versions"
    folders += sorted(pyenv.glob("*/bin"))
    found: dict[tuple[str, ...], Interpreter] = {}
    for executable in (path for folder in folders for path in sorted(folder.glob("python3*"))):
        is_environment = (executable.parent.parent / "pyvenv.cfg").exists()
        if is_environment or not NAME.fullmatch(executable.name) or not os.access(executable, os.X_OK):
            continue
        asked = subprocess.run([executable, "-c", ASK], check=False, capture_output=True, text=True)
        if asked.returncode != 0:
            continue
        name, *numbers, free, home = asked.stdout.strip().split(" ", 5)
        version, is_free_threaded = tuple(map(int, numbers)), free == "1"
        oldest = OLDEST_FREE_THREADED if is_free_threaded else OLDEST
        # Several may share a home: an interpreter is known by that and its version and kind.
        if name == "cpython" and version >= oldest:
            interpreter = Interpreter(executable, Path(home), version, is_free_threaded)
            found.setdefault((*numbers, free, home), interpreter)
    return list(found.values())


def install(python: Path, wheel: Path, *, only_binary: bool) -> list[str]:
    """Installs the wheel and what the tests need; what there is no wheel of, if that is allowed."""
    # Not compiled ahead: the tests use a small part of these libraries.
    options = ("--no-compile", "--prefer-binary")
    wanted: list[str] = project()["dependency-groups"]["test"]
    if not only_binary:
        pip(python, "install", *options, wheel, *wanted)
        return []
    pip(python, "install", *options, wheel)
    missing: list[str] = []
    for requirement in wanted:
        try:
            pip(python, "install", *options, "--only-binary", ":all:", requirement)
        except subprocess.CalledProcessError:
            missing.append(re.split(r"\W", requirement)[0])
    return missing


def tests_that_import(libraries: list[str]) -> list[Path]:
    imported = re.compile(rf"^\s*(import|from) ({'|'.join(libraries)})\b", re.MULTILINE)
    files = sorted((ROOT / "tests").glob("test_*.py"))
    return [file for file in files if libraries and imported.search(file.read_text(encoding="utf-8"))]


def try_wheel(interpreter: Interpreter, wheel: Path) -> None:
    """Installs the wheel into an environment of its own and runs the tests there."""
    environment = WORK / "environment"
    run(interpreter.executable, "-m", "venv", "--clear", "--without-pip", environment)
    python = environment / "bin/python"
    options = ["-q", "-p", "no:cacheprovider"]
    if interpreter.home != Path(sys.base_prefix):
        options.append("--hypothesis-profile=quick")
    if not interpreter.is_free_threaded:
        install(python, wheel, only_binary=False)
        run(python, "-m", "pytest", *options)
        return
    # Libraries that are not made for it yet would take hours to build, if they can be.
    wheel = build("of-free-threaded", SOURCE, WORK / "cargo", python)
    missing = install(python, wheel, only_binary=True)
    left_out = tests_that_import(missing)
    if left_out:
        names = ", ".join(file.name for file in left_out)
        print(f"NOT RUN, for want of wheels of {', '.join(missing)}: {names}", flush=True)
    options += [f"--ignore={file}" for file in left_out]
    run(python, "-c", LOCK_STAYS_OFF)
    run(python, "-c", SUITE_WITHOUT_LOCK, *options, environment={"PYTHON_GIL": "0"})


def main() -> int:
    fetch_tools()
    wheel = build("of-tree", ROOT, ROOT / "target")
    unpack(source_distribution())
    compare(wheel, build("of-sdist", SOURCE, WORK / "cargo"))
    found = interpreters()
    if not found:
        sys.exit("there is no interpreter to try the wheel on")
    for interpreter in found:
        print(interpreter, flush=True)
        try_wheel(interpreter, wheel)
    if not any(interpreter.is_free_threaded for interpreter in found):
        print("no free-threaded interpreter on this machine: compiling for one is all that was checked")
    print(f"tried {len(found)} interpreters")
    return 0


if __name__ == "__main__":
    sys.exit(main())
