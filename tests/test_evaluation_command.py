"""``memory-budget evaluate``: tables, files, policies from modules, progress, what is missing."""

from __future__ import annotations

import errno
import json
import os
import signal
import subprocess
import sys
import time
from typing import TYPE_CHECKING, Any

import pytest

from evaluation_data import conversation, records, write_folder, write_lines
from memory_budget_allocator import ArgumentValueError, MissingExtraError
from memory_budget_allocator.command_line import main
from memory_budget_allocator.evaluation import dataset_from_records, evaluate
from memory_budget_allocator.text_width import display_width

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture
def data(tmp_path: Path) -> str:
    """Two conversations in which cosine finds half of the evidence and all of it."""
    other = records()[0] | {"conversation": "other", "gold": ["message-0"], "updated": []}
    return str(write_lines(tmp_path / "data.jsonl", [*records(), other]))


def test_the_tables(data: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "80")
    assert main(["evaluate", data, "--budgets", "60,1000"]) == 0
    printed = capsys.readouterr()
    assert printed.err == ""
    lines = printed.out.splitlines()
    assert lines[:3] == [
        "Data       data.jsonl, 2 conversations, 12 candidates",
        "Questions  2 with evidence, 1 without are left out",
        "Intervals  95 %, 2,000 bootstrap samples over conversations, seed 0",
    ]
    assert lines[4].split() == ["RECALL,", "%", "60", "1,000"]
    cosine = next(number for number, line in enumerate(lines) if line.startswith("cosine "))
    assert lines[cosine].split() == ["cosine", "25.0", "100.0"]
    assert lines[cosine + 1].split() == ["0.0..50.0", "100.0..100.0"]
    for heading in ("ALL EVIDENCE, %", "NEWER FACT, %", "- cosine", "Recall at 1,000 tokens, %:"):
        assert any(line.startswith(heading) for line in lines), heading
    assert max(map(display_width, lines)) <= 80


def test_one_conversation_has_no_intervals(
    tmp_path: Path, data: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["evaluate", data, "--split", "odd", "--policies", "cosine"]) == 0
    assert "Intervals  none: they take at least two conversations" in capsys.readouterr().out
    folder = write_folder(tmp_path / "folder", conversation())
    assert main(["evaluate", str(folder), "--policies", "oracle,cosine", "--baseline", "oracle"]) == 0
    printed = capsys.readouterr().out
    assert "- oracle" in printed
    assert ".." not in printed


def test_figures_and_a_picture_are_written(
    data: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    figures, picture = tmp_path / "figures.json", tmp_path / "recall.png"
    assert main(["evaluate", data, "--json", str(figures), "--plot", str(picture), "--seed", "4"]) == 0
    assert capsys.readouterr().err == ""
    assert json.loads(figures.read_text(encoding="utf-8")) == evaluate(data, seed=4).to_dict()
    assert picture.read_bytes().startswith(b"\x89PNG\r\n\x1a\n")


@pytest.mark.parametrize("option", ["--json", "--plot"])
def test_a_target_that_cannot_be_written_is_named(
    option: str, data: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    target = str(tmp_path / "nowhere" / "file.png")
    assert main(["evaluate", data, option, target]) == 1
    error = capsys.readouterr().err
    assert error == f"memory-budget: error: {target}: cannot be written: No such file or directory\n"


@pytest.mark.parametrize("option", ["--json", "--plot"])
def test_a_full_disk_leaves_the_old_file(
    option: str,
    data: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    def full(_: int) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    folder = tmp_path / "figures"
    folder.mkdir()
    target = folder / "file.png"
    target.write_text("old")
    monkeypatch.setattr(os, "fsync", full)
    assert main(["evaluate", data, option, str(target)]) == 1
    error = capsys.readouterr().err
    assert error == f"memory-budget: error: {target}: cannot be written: {os.strerror(errno.ENOSPC)}\n"
    assert target.read_text() == "old"
    assert [path.name for path in folder.iterdir()] == ["file.png"]


POLICIES = """
def newest(question, candidates, budget):
    return [each.candidate_id for each in sorted(candidates, key=lambda each: each.timestamp, reverse=True)]

def broken(question, candidates, budget):
    raise RuntimeError("out of order\\nor so")

class Own:
    select = staticmethod(newest)

number = 5
"""


@pytest.fixture
def policies(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """A module of policies in the current folder."""
    name = f"policies_{tmp_path.name}"
    (tmp_path / f"{name}.py").write_text(POLICIES)
    monkeypatch.chdir(tmp_path)
    return name


def test_policies_from_the_current_folder(
    data: str, policies: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = list(sys.path)
    newest, own = f"{policies}:newest", f"{policies}:Own.select"
    target = tmp_path / "figures.json"
    command = ["evaluate", data, "--policy", newest, "--policy", own, "--baseline", newest]
    assert main([*command, "--json", str(target)]) == 0
    assert f"- {policies}"[:20] in capsys.readouterr().out
    recall = json.loads(target.read_text())["recall_percent"]
    assert recall[newest] == recall[own] == recall["recent"]
    assert sys.path == path


def test_policies_that_are_none_are_named(
    data: str, policies: str, capsys: pytest.CaptureFixture[str]
) -> None:
    for name, message in {
        "no_such_module:function": "policy 'no_such_module:function': cannot be imported: ModuleNotFound",
        f"{policies}:gone": f"policy '{policies}:gone': cannot be imported: AttributeError: ",
        f"{policies}:broken": (
            f"policy '{policies}:broken', question 'answered', budget 256: RuntimeError: out of order\\nor so"
        ),
    }.items():
        assert main(["evaluate", data, "--policy", name]) == 1
        error = capsys.readouterr().err
        assert error.startswith(f"memory-budget: error: {message}")
        assert error.count("\n") == 1
    assert main(["evaluate", data, "--policy", f"{policies}:number"]) == 2
    assert "must be a function or a Ranking, got 5" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        *((["--budgets=" + text], "argument --budgets: ") for text in ("", "256,", "1e3", "0", "-5", "²")),
        (["--budgets", str(2**53)], "argument --budgets: "),
        (["--policies", "cosine,magic"], "there is no policy 'magic', only formula, evidence"),
        (["--policies", ","], "there is no policy to evaluate"),
        (["--policy", "module"], "argument --policy: must be MODULE:FUNCTION, got 'module'"),
        (["--baseline", "magic"], "baseline 'magic' is none of the policies"),
        (["--seed", "-1"], "seed: must be from 0 to"),
        (["--plot", "picture.gif"], "a plot must end in one of .png, .svg, .pdf, got 'picture.gif'"),
        (["--split", "first"], "argument --split: invalid choice: 'first'"),
    ],
)
def test_wrong_usage(
    arguments: list[str], message: str, data: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["evaluate", data, *arguments]) == 2
    printed = capsys.readouterr()
    assert printed.out == ""
    assert message in printed.err


def test_unusable_data_is_one_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = write_lines(tmp_path / "data.jsonl", [records()[0] | {"gold": ["x"]}])
    assert main(["evaluate", str(path)]) == 1
    printed = capsys.readouterr()
    assert printed.out == ""
    assert printed.err == f'memory-budget: error: {path}:1: gold: "x" is the id of no candidate\n'


def test_a_terminal_gets_a_bar_that_goes_away(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = write_folder(tmp_path / "folder", conversation())
    monkeypatch.setattr(sys.stderr, "isatty", lambda: True, raising=False)
    assert main(["evaluate", str(folder)]) == 0
    shown = capsys.readouterr().err
    assert "[" + "-" * 30 + "] 0/1 conversations read" in shown
    assert "[" + "-" * 30 + "] 0/1 conversations evaluated" in shown
    assert shown.endswith("\r\x1b[K")


def test_ctrl_c_ends_quietly_with_130(data: str, tmp_path: Path) -> None:
    (tmp_path / "slow.py").write_text(
        "import pathlib, time\ndef slow(*_):\n    pathlib.Path('started').touch()\n    time.sleep(60)\n"
    )
    process = subprocess.Popen(
        [sys.executable, "-m", "memory_budget_allocator", "evaluate", data, "--policy", "slow:slow"],
        cwd=tmp_path,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )
    deadline = time.monotonic() + 60
    while not (tmp_path / "started").exists() and time.monotonic() < deadline:
        time.sleep(0.02)
    process.send_signal(signal.SIGINT)
    output, error = process.communicate(timeout=60)
    assert (process.returncode, output, error) == (130, b"", b"")


# What is missing


@pytest.mark.parametrize(
    ("package", "arguments", "message"),
    [
        (
            "numpy",
            [],
            "the evaluation needs NumPy: pip install 'memory-budget-allocator[evaluate]'",
        ),
        (
            "matplotlib",
            ["--plot", "recall.png"],
            "a plot needs matplotlib: pip install 'memory-budget-allocator[plot]'",
        ),
    ],
)
def test_a_missing_package_is_named_with_its_extra(
    package: str, arguments: list[str], message: str, data: str, tmp_path: Path
) -> None:
    program = (
        f"import sys; sys.modules[{package!r}] = None; "
        "from memory_budget_allocator.command_line import main; sys.exit(main())"
    )
    done = subprocess.run(
        [sys.executable, "-c", program, "evaluate", data, *arguments],
        capture_output=True,
        encoding="utf-8",
        env=os.environ,
        cwd=tmp_path,
        check=False,
        timeout=60,
    )
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr == f"memory-budget: error: {message}\n"


def test_the_plot_of_the_python_call(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def odd_name(*_: Any) -> list[str]:
        return []

    report = evaluate(dataset_from_records(records()), policies={"_$x^$": odd_name}, budgets=[100])
    report.plot(tmp_path / "one.SVG")
    assert "$x^$" in (tmp_path / "one.SVG").read_text(encoding="utf-8")
    with pytest.raises(ArgumentValueError, match=r"must end in one of \.png"):
        report.plot(tmp_path / "one")
    monkeypatch.setitem(sys.modules, "matplotlib.figure", None)
    with pytest.raises(MissingExtraError, match="needs matplotlib"):
        report.plot(tmp_path / "other.png")
    assert not (tmp_path / "other.png").exists()
