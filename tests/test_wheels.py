"""`wheels.py`: which interpreters it finds, and what it does with one that has no lock. None is real."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

import wheels


def interpreter(executable: Path, answer: str) -> Path:
    """A program that answers like an interpreter."""
    executable.parent.mkdir(parents=True, exist_ok=True)
    executable.write_text(f"#!/bin/sh\n{answer}\n", encoding="utf-8")
    executable.chmod(0o755)
    return executable


def test_every_interpreter_that_the_wheel_is_for_is_found_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder, versions = tmp_path / "bin", tmp_path / "pyenv/versions"
    # Three in one home, one of them under two names.
    usual = interpreter(folder / "python3", "echo cpython 3 12 4 0 /a home")
    interpreter(folder / "python3.12", "echo cpython 3 12 4 0 /a home")
    other = interpreter(folder / "python3.14", "echo cpython 3 14 1 0 /a home")
    free = interpreter(folder / "python3.14t", "echo cpython 3 14 1 1 /a home")
    elsewhere = interpreter(versions / "3.15.0t/bin/python3.15t", "echo cpython 3 15 0 1 /elsewhere")
    interpreter(versions / "3.13.0t/bin/python3.13t", "echo cpython 3 13 0 1 /too early without a lock")
    interpreter(versions / "3.10.2/bin/python3.10", "echo cpython 3 10 2 0 /too old")
    interpreter(versions / "pypy/bin/python3.11", "echo pypy 3 11 9 0 /pypy")
    interpreter(folder / "python3.11", "exit 127")
    interpreter(folder / "python3-config", "echo cpython 3 12 4 0 /not an interpreter")
    interpreter(folder / "python3.16", "echo cpython 3 16 0 0 /not executable").chmod(0o644)
    environment = interpreter(tmp_path / "environment/bin/python3", "echo cpython 3 12 4 0 /environment")
    (tmp_path / "environment/pyvenv.cfg").touch()
    monkeypatch.setenv("PATH", f"{folder}:{environment.parent}:{tmp_path / 'absent'}")
    monkeypatch.setenv("PYENV_ROOT", str(tmp_path / "pyenv"))
    assert wheels.interpreters() == [
        wheels.Interpreter(usual, Path("/a home"), (3, 12, 4), False),
        wheels.Interpreter(other, Path("/a home"), (3, 14, 1), False),
        wheels.Interpreter(free, Path("/a home"), (3, 14, 1), True),
        wheels.Interpreter(elsewhere, Path("/elsewhere"), (3, 15, 0), True),
    ]


def commands(monkeypatch: pytest.MonkeyPatch, home: Path, without_lock: bool) -> list[tuple[list[str], Any]]:
    """What is run to try a wheel, each with what it adds to the environment; of polars there is no wheel."""
    ran: list[tuple[list[str], Any]] = []

    def run(*command: str | Path, environment: Any = None, **_: Any) -> None:
        ran.append(([str(word) for word in command], environment))
        if any(str(word).startswith("polars") for word in command) and "--only-binary" in command:
            raise subprocess.CalledProcessError(1, command)

    def build(name: str, *where: Path) -> Path:
        ran.append(([name, *map(str, where)], None))
        return Path(f"/{name}.whl")

    monkeypatch.setattr(wheels, "run", run)
    monkeypatch.setattr(wheels, "build", build)
    wheels.try_wheel(
        wheels.Interpreter(Path("/found/python3"), home, (3, 14, 1), without_lock), Path("/usual.whl")
    )
    return ran


def test_without_a_lock_the_suite_runs_on_a_wheel_of_its_own_and_the_lock_stays_off(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    ran = commands(monkeypatch, Path("/found"), without_lock=True)
    python = str(wheels.WORK / "environment/bin/python")
    made, build, *installed, lock, suite = ran
    assert made[0][:3] == ["/found/python3", "-m", "venv"]
    assert build[0] == ["of-free-threaded", str(wheels.SOURCE), str(wheels.WORK / "cargo"), python]
    assert installed[0][0][0] == python
    assert installed[0][0][-1] == "/of-free-threaded.whl"
    assert len(installed) == 1 + len(wheels.project()["dependency-groups"]["test"])
    assert lock == ([python, "-c", wheels.LOCK_STAYS_OFF], None)
    command, environment = suite
    assert command[:3] == [python, "-c", wheels.SUITE_WITHOUT_LOCK]
    assert environment == {"PYTHON_GIL": "0"}
    # Only what needs a library that is not made for it is left out, and not in silence.
    ignored = {Path(word.removeprefix("--ignore=")).name for word in command if word.startswith("--ignore")}
    assert "test_columns_arrow.py" in ignored
    assert not ignored & {"test_columns.py", "test_pool.py", Path(__file__).name}
    assert "NOT RUN, for want of wheels of polars: test_columns_arrow.py" in capsys.readouterr().out


def test_with_a_lock_the_whole_suite_runs_on_the_usual_wheel(monkeypatch: pytest.MonkeyPatch) -> None:
    for home, profile in ((Path("/found"), ["--hypothesis-profile=quick"]), (Path(sys.base_prefix), [])):
        _, installed, suite = commands(monkeypatch, home, without_lock=False)
        assert "/usual.whl" in installed[0]
        python = str(wheels.WORK / "environment/bin/python")
        assert suite == ([python, "-m", "pytest", "-q", "-p", "no:cacheprovider", *profile], None)


@pytest.mark.parametrize("script", [wheels.LOCK_STAYS_OFF, wheels.SUITE_WITHOUT_LOCK])
@pytest.mark.parametrize("turned_on", [True, False])
def test_a_lock_that_is_turned_on_is_noticed(script: str, turned_on: bool) -> None:
    pretending = f"import sys\nsys._is_gil_enabled = lambda: {turned_on}\n"
    command = [sys.executable, "-c", pretending + script, "--version"]
    finished = subprocess.run(command, check=False, capture_output=True, text=True)
    assert (finished.returncode != 0) is turned_on, finished.stderr
    assert ("lock on" in finished.stderr) is turned_on, finished.stderr
