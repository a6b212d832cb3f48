"""docs/errors.md: every row is called, proved to change nothing, and compared with the page."""

from __future__ import annotations

import difflib
import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

import memory_budget_allocator
from error_rows import SECTIONS
from error_scene import PROGRAM, Scene, outcome
from memory_budget_allocator import MemoryBudgetError

if TYPE_CHECKING:
    from collections.abc import Iterator

pytestmark = pytest.mark.thread_unsafe(reason="changes the current folder")

PAGE = Path(__file__).parent.parent / "docs" / "errors.md"
BEGINNING = "<!-- written by tests/test_errors_page.py --rewrite-expected -->\n"
ROWS = [row for rows in SECTIONS.values() for row in rows]
COMMANDS = [row for row in ROWS if row.startswith(PROGRAM)]
SYSTEM = {"FileNotFoundError", "IsADirectoryError"}
"""What exporting raises: errors of the system, not of the data."""


@pytest.fixture(scope="module")
def found(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, tuple[str, str, Any]]]:
    """What every row raises; each one is proved to change nothing on the way."""
    before_folder = Path.cwd()
    outcomes = {}
    os.chdir(tmp_path_factory.mktemp("scene"))
    try:
        scene = Scene()
        expected = scene.state()
        for row in ROWS:
            outcomes[row] = outcome(row, scene)
            assert scene.state() == expected, f"changed something: {row}"
    finally:
        os.chdir(before_folder)
    return outcomes


def cell(text: str) -> str:
    return (
        text.replace("\\", "\\\\")
        .replace("|", "\\|")
        .replace("<", "\\<")
        .replace("*", "\\*")
        .replace("_", "\\_")
    )


def code(text: str) -> str:
    return "`" + text.replace("|", "\\|") + "`"


def tables(found: dict[str, tuple[str, str, Any]]) -> str:
    parts = []
    for title, rows in SECTIONS.items():
        parts += [f"## {title}\n", "| Call | Raises | Message | Changed |", "| --- | --- | --- | --- |"]
        parts += [
            f"| {code(row)} | {code(found[row][0])} | {cell(found[row][1])} | nothing |" for row in rows
        ]
        parts.append("")
    return "\n".join(parts)


def test_the_page_says_what_happens(
    found: dict[str, tuple[str, str, Any]], request: pytest.FixtureRequest
) -> None:
    page = PAGE.read_text(encoding="utf-8")
    introduction, _, written = page.partition(BEGINNING)
    expected = tables(found)
    if request.config.getoption("--rewrite-expected"):
        PAGE.write_text(introduction + BEGINNING + "\n" + expected, encoding="utf-8", newline="\n")
        return
    difference = difflib.unified_diff(
        written.strip().splitlines(), expected.strip().splitlines(), "docs/errors.md", "now", lineterm="", n=0
    )
    assert not list(difference)


def test_there_are_rows_for_every_entry_point() -> None:
    assert len(ROWS) == len(set(ROWS)) >= 120
    text = "\n".join(ROWS)
    for name in ("MemoryBudgetAllocator", "WorkspaceConfig", "ComplexityRules", "MemoryPool"):
        assert f"{name}(" in text or f"{name}." in text
    public = {name for name in vars(memory_budget_allocator.MemoryBudgetAllocator) if name[0] != "_"}
    never = {"allocation_history", "clear_allocation_history", "complexity_rules", "tier_order"}
    never |= {"allocate_memory_budget"}  # allocate, as a dict
    for name in public - never - {"allocate"}:
        assert f"{name}(" in text, name
    for name in ("allocate", "complexity", "promote", "config check", "config show"):
        assert any(row.startswith(PROGRAM + name) for row in COMMANDS), name


def test_errors_are_of_the_one_tree(found: dict[str, tuple[str, str, Any]]) -> None:
    for row, (name, _, error) in found.items():
        if row.startswith(PROGRAM):
            assert name in {"exit 1", "exit 2"}, row
        else:
            assert isinstance(error, MemoryBudgetError) or name in SYSTEM, (row, name)


def test_messages_are_short_and_on_one_line(found: dict[str, tuple[str, str, Any]]) -> None:
    for row, (_, message, _) in found.items():
        assert message.isprintable(), row
        assert 10 < len(message) < 400, row
        assert " at 0x" not in message, row


def test_exit_codes_tell_usage_from_data(found: dict[str, tuple[str, str, Any]]) -> None:
    for row in COMMANDS:
        name, message, _ = found[row]
        assert message.startswith("memory-budget"), message
        assert "error: " in message
        assert name in {"exit 1", "exit 2"}
