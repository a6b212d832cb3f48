"""Builds the wheel from the tree and from the source distribution, compares them, and runs the tests on every
interpreter of this machine that the wheel is for.

Interpreters are looked for in PATH and in pyenv's folder. A free-threaded one gets a wheel of its own and the
tests run with the interpreter's lock off, which is checked before and after.
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
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
WORK = ROOT / "target/wheels"
SOURCE = WORK / "source"  # both builds happen here: paths must not make a difference
OLDEST = (3, 11)
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
# Forced, because of what else the tests import.
SUITE_WITHOUT_LOCK = """
import sys
import pytest
status = pytest.main(sys.argv[1:])
assert not sys._is_gil_enabled(), "the tests ran with the lock on"
sys.exit(status)
"""


def run(*command: str | Path, cwd: Path = ROOT, environment: dict[str, str] | None = None) -> None:
    subprocess.run(command, cwd=cwd, check=True, env=os.environ | (environment or {}))


def build(origin: str) -> Path:
    """The wheel that pip makes of SOURCE."""
    out = WORK / f"of-{origin}"
    shutil.rmtree(out, ignore_errors=True)
    out.mkdir(parents=True)
    environment = {"CARGO_TARGET_DIR": str(WORK / "cargo")}
    pip = (sys.executable, "-m", "pip", "wheel", "--no-deps", "--quiet", "--disable-pip-version-check")
    run(*pip, "--wheel-dir", out, ".", cwd=SOURCE, environment=environment)
    (wheel,) = out.glob("*.whl")
    return wheel


def fresh_source() -> None:
    shutil.rmtree(SOURCE, ignore_errors=True)
    SOURCE.parent.mkdir(parents=True, exist_ok=True)


def copy_tree() -> None:
    """The files that git knows, as they are now."""
    fresh_source()
    listed = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, check=True, capture_output=True).stdout
    for name in listed.decode().split("\0"):
        if name and (ROOT / name).is_file():
            (SOURCE / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(ROOT / name, SOURCE / name)


def source_distribution() -> Path:
    """Made of SOURCE by the build backend that pyproject.toml asks for."""
    out = WORK / "sdist"
    shutil.rmtree(out, ignore_errors=True)
    backend = WORK / "backend"
    wanted = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["build-system"]["requires"]
    pip = (sys.executable, "-m", "pip", "install", "--quiet", "--disable-pip-version-check")
    run(*pip, "--target", backend, "--upgrade", *wanted)
    run(backend / "bin/maturin", "sdist", "--out", out, cwd=SOURCE)
    (archive,) = out.glob("*.tar.gz")
    return archive


def unpack(archive: Path) -> None:
    fresh_source()
    with tarfile.open(archive) as packed:
        packed.extractall(WORK / "unpacked", filter="data")
    (folder,) = (WORK / "unpacked").iterdir()
    shutil.move(folder, SOURCE)
    (WORK / "unpacked").rmdir()


def content(packed: zipfile.ZipFile, name: str) -> bytes:
    """A file's bytes; without what every build makes anew: number and time of the list of materials."""
    read = packed.read(name)
    if name.endswith(".cyclonedx.json"):
        materials = json.loads(read)
        del materials["serialNumber"], materials["metadata"]["timestamp"]
        return json.dumps(materials).encode()
    if name.endswith(".dist-info/RECORD"):
        return b"\n".join(line for line in read.splitlines() if b".cyclonedx.json" not in line)
    return read


def contents(wheel: Path) -> dict[str, str]:
    with zipfile.ZipFile(wheel) as packed:
        return {name: hashlib.sha256(content(packed, name)).hexdigest() for name in packed.namelist()}


def compare(first: Path, second: Path) -> None:
    left, right = contents(first), contents(second)
    different = sorted(name for name in left.keys() | right.keys() if left.get(name) != right.get(name))
    if first.name != second.name or different:
        sys.exit(f"{first.name} of the tree and {second.name} of the source distribution differ: {different}")
    print(f"compared {len(left)} files of two wheels: the same to the byte")


def interpreters() -> dict[Path, tuple[tuple[int, ...], bool]]:
    """Executables of every CPython from OLDEST on, with version and whether it is free-threaded."""
    folders = [Path(folder) for folder in os.environ.get("PATH", "").split(os.pathsep)]
    pyenv = Path(os.environ.get("PYENV_ROOT", Path.home() / ".pyenv")) / "versions"
    folders += sorted(pyenv.glob("*/bin"))
    found: dict[Path, tuple[tuple[int, ...], bool]] = {}
    homes: set[str] = set()
    for executable in (path for folder in folders for path in sorted(folder.glob("python3*"))):
        is_environment = (executable.parent.parent / "pyvenv.cfg").exists()
        if is_environment or not NAME.fullmatch(executable.name) or not os.access(executable, os.X_OK):
            continue
        asked = subprocess.run([executable, "-c", ASK], check=False, capture_output=True, text=True)
        if asked.returncode != 0:
            continue
        name, *version, free, home = asked.stdout.split()
        numbers = tuple(map(int, version))
        if name == "cpython" and numbers >= OLDEST and home not in homes:
            homes.add(home)
            found[executable] = (numbers, free == "1")
    return found


def try_wheel(executable: Path, wheel: Path, is_free_threaded: bool) -> None:
    """Installs the wheel and the tests' needs into an environment of its own and runs the tests there."""
    environment = WORK / "environment"
    run(executable, "-m", "venv", "--clear", "--without-pip", environment)
    python = environment / "bin/python"
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    pip = (
        sys.executable,
        "-m",
        "pip",
        "--python",
        python,
        "install",
        "--quiet",
        "--disable-pip-version-check",
    )
    run(*pip, "--prefer-binary", wheel, *project["dependency-groups"]["test"])
    options = ["-q", "-p", "no:cacheprovider"]
    if is_free_threaded:
        run(python, "-c", LOCK_STAYS_OFF)
        run(python, "-X", "gil=0", "-c", SUITE_WITHOUT_LOCK, *options)
    else:
        run(python, "-m", "pytest", *options)


def main() -> int:
    copy_tree()
    wheel = build("tree")
    archive = source_distribution()
    unpack(archive)
    compare(wheel, build("sdist"))
    found = interpreters()
    if not found:
        sys.exit("there is no interpreter to try the wheel on")
    free = 0
    for executable, (version, is_free_threaded) in found.items():
        print(
            f"CPython {'.'.join(map(str, version))}{' free-threaded' * is_free_threaded}: {executable}",
            flush=True,
        )
        if is_free_threaded:
            free += 1
            own = WORK / "of-free-threaded"
            shutil.rmtree(own, ignore_errors=True)
            run(executable, "-m", "pip", "wheel", "--no-deps", "--quiet", "--wheel-dir", own, ".", cwd=SOURCE)
            (its_wheel,) = own.glob("*.whl")
            try_wheel(executable, its_wheel, True)
        else:
            try_wheel(executable, wheel, False)
    if not free:
        print("no free-threaded interpreter on this machine: compiling for one is all that was checked")
    print(f"tried {len(found)} interpreters")
    return 0


if __name__ == "__main__":
    sys.exit(main())
