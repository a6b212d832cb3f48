"""The pages about the command line and the evaluation show what really happens."""

from __future__ import annotations

import re
import shlex
from pathlib import Path

import pytest

from memory_budget_allocator.command_line import main

DOCUMENTATION = Path(__file__).parent.parent / "docs"
PAGES = [(DOCUMENTATION / name).read_text(encoding="utf-8") for name in ("command-line.md", "evaluation.md")]
FILES = re.compile(r"^`([\w.-]+)`[^\n]*:\n\n```\w+\n(.*?)^```", re.DOTALL | re.MULTILINE)
BLOCKS = re.compile(r"^```console\n(.*?)^```", re.DOTALL | re.MULTILINE)
COMMANDS = re.compile(r"^\$ memory-budget ([^\n]*)\n(.*?)(?=^\$ |\Z)", re.DOTALL | re.MULTILINE)


def examples() -> list[tuple[str, str]]:
    return [
        example for page in PAGES for block in BLOCKS.findall(page) for example in COMMANDS.findall(block)
    ]


def test_the_pages_have_examples_of_every_command() -> None:
    shown = " ".join(command for command, _ in examples())
    for command in ("allocate", "complexity", "promote", "evaluate", "learn", "config check", "config show"):
        assert f"{command} " in shown


@pytest.mark.parametrize(("command", "output"), examples(), ids=[command for command, _ in examples()])
def test_example(
    command: str,
    output: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    for page in PAGES:
        for name, content in FILES.findall(page):
            (tmp_path / name).write_text(content, encoding="utf-8")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("COLUMNS", "80")
    code = main(shlex.split(command))
    shown = capsys.readouterr()
    assert shown.out + shown.err == output
    assert code == (1 if shown.err else 0)
