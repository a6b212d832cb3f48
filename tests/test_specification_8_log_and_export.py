"""Section 8: the lines that are logged, and the file that is exported."""

from __future__ import annotations

import json
import logging
import re
from typing import TYPE_CHECKING, Any

import pytest

from memory_budget_allocator import MemoryBudgetAllocator, MemoryItem, MemoryTier, WorkspaceConfig

if TYPE_CHECKING:
    from datetime import datetime
    from pathlib import Path

LOGGER = "memory_budget_allocator"


def memory(
    memory_id: str, tokens: int = 10, tier: MemoryTier = MemoryTier.WORKING, text: str = "text"
) -> MemoryItem:
    return MemoryItem(memory_id, text, tier, None, token_count=tokens)


def test_one_line_of_information(caplog: pytest.LogCaptureFixture) -> None:
    allocator = MemoryBudgetAllocator()
    with caplog.at_level(logging.INFO, logger=LOGGER):
        allocator.allocate_memory_budget("Explain the architecture", [memory("a"), memory("b", 8)])
    (record,) = caplog.records
    assert (record.name, record.levelno) == (LOGGER, logging.INFO)
    assert re.fullmatch(
        r"Memory Budget Allocation - Workspace: default, Complexity: medium, "
        r"Tokens: 18, Memories: 2, Time: \d+\.\d\dms",
        record.getMessage(),
    )


def test_one_line_a_tier_for_debugging(caplog: pytest.LogCaptureFixture) -> None:
    items = [
        memory("a", 2048),
        *(memory(name, 500) for name in "bcde"),
        memory("f", 1024, MemoryTier.LONG_TERM),
    ]
    with caplog.at_level(logging.DEBUG, logger=LOGGER):
        MemoryBudgetAllocator().allocate_memory_budget("Explain the architecture", items)
    lines = [record.getMessage() for record in caplog.records if record.levelno == logging.DEBUG]
    assert lines == [
        "Tier working: 2048/2458 tokens (83.32% utilized), 1/5 memories",
        "Tier project: 0/2048 tokens (0.00% utilized), 0/0 memories",
        "Tier long_term: 1024/1638 tokens (62.52% utilized), 1/1 memories",
        "Tier rag: 0/2048 tokens (0.00% utilized), 0/0 memories",
    ]
    assert sum(record.levelno == logging.INFO for record in caplog.records) == 1


def test_no_line_when_it_is_not_wanted(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.DEBUG, logger=LOGGER):
        MemoryBudgetAllocator(log_allocations=False).allocate_memory_budget("", [memory("a")])
    assert caplog.records == []
    with caplog.at_level(logging.WARNING, logger=LOGGER):
        MemoryBudgetAllocator().allocate_memory_budget("", [memory("a")])
    assert caplog.records == []


def test_nothing_is_formatted_when_the_level_is_off() -> None:
    made: list[object] = []
    before = logging.getLogRecordFactory()

    def counting(*arguments: object, **options: object) -> logging.LogRecord:
        made.append(arguments)
        return before(*arguments, **options)

    logger = logging.getLogger(LOGGER)
    logging.setLogRecordFactory(counting)
    logger.setLevel(logging.WARNING)
    try:
        MemoryBudgetAllocator().allocate_memory_budget("", [memory("a")])
    finally:
        logger.setLevel(logging.NOTSET)
        logging.setLogRecordFactory(before)
    assert made == []


@pytest.mark.parametrize("separator", ["\n", "\r", "\r\n", "\v", "\f", "\x1c", "\x85", "\u2028", "\u2029"])
def test_an_id_cannot_forge_a_line(separator: str, caplog: pytest.LogCaptureFixture) -> None:
    name = f"desk{separator}Tier rag: 1/1 tokens"
    allocator = MemoryBudgetAllocator()
    with caplog.at_level(logging.DEBUG, logger=LOGGER):
        allocator.register_workspace(WorkspaceConfig(name, working_memory_pct=0.9))
        allocator.allocate_memory_budget("", [memory(name)], name)
        allocator.allocate_memory_budget("", [memory(name)], "unknown " + name)
        broken = memory(name)
        broken.relevance_score = float("nan")
        allocator.allocate_memory_budget("", [broken])
    assert len(caplog.records) >= 10
    for record in caplog.records:
        assert len(record.getMessage().splitlines()) == 1


def test_a_library_configures_no_logging() -> None:
    MemoryBudgetAllocator().allocate_memory_budget("", [])
    logger = logging.getLogger(LOGGER)
    assert (logger.level, logger.propagate, logger.disabled) == (logging.NOTSET, True, False)
    assert all(isinstance(handler, logging.NullHandler) for handler in logger.handlers)


def test_an_export_holds_the_entries(tmp_path: Path, now: datetime) -> None:
    allocator = MemoryBudgetAllocator(log_allocations=False)
    for query in ("a", "b"):
        allocator.allocate_memory_budget(query, [memory("m", text="x" * 200)], current_time=now)
    path = tmp_path / "log.json"
    allocator.export_allocation_log(path)
    entries: Any = json.loads(path.read_text(encoding="utf-8"))
    assert entries == list(allocator.allocation_history)
    assert [(entry["query"], entry["format"]) for entry in entries] == [("a", 1), ("b", 1)]


def test_an_export_of_nothing_is_an_empty_array(tmp_path: Path) -> None:
    path = tmp_path / "log.json"
    MemoryBudgetAllocator().export_allocation_log(str(path))
    assert json.loads(path.read_bytes()) == []


def test_any_string_loads_back_equal(tmp_path: Path) -> None:
    awkward = '\ud800 \udfff 😀 é \x00 \n \u2028 " \\ </script>'
    allocator = MemoryBudgetAllocator(log_allocations=False)
    allocator.allocate_memory_budget(
        awkward, [memory(awkward, text=awkward * 30)], awkward, project_id=awkward
    )
    path = tmp_path / "log.json"
    allocator.export_allocation_log(path)
    path.read_bytes().decode("utf-8", errors="strict")
    (entry,) = json.loads(path.read_text(encoding="utf-8"))
    assert entry == next(iter(allocator.allocation_history))
    assert (entry["query"], entry["workspace_id"], entry["project_id"]) == (awkward, awkward, awkward)
    assert entry["tiers"]["working"]["selected_memories"][0]["memory_id"] == awkward


def test_an_export_replaces_the_file_whole(tmp_path: Path) -> None:
    path = tmp_path / "log.json"
    path.write_text("old " * 10_000, encoding="utf-8")
    allocator = MemoryBudgetAllocator(log_allocations=False)
    allocator.allocate_memory_budget("a", [])
    allocator.export_allocation_log(path)
    assert len(json.loads(path.read_text(encoding="utf-8"))) == 1
    assert [entry.name for entry in tmp_path.iterdir()] == ["log.json"]


def test_a_failed_export_leaves_the_old_file_and_nothing_else(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "log.json"
    path.write_text("old", encoding="utf-8")

    def refuse(*_: object, **__: object) -> None:
        raise OSError("no renaming today")

    for owner, name in (
        ("os", "replace"),
        ("os", "rename"),
        ("pathlib.Path", "replace"),
        ("pathlib.Path", "rename"),
    ):
        monkeypatch.setattr(f"{owner}.{name}", refuse)
    allocator = MemoryBudgetAllocator(log_allocations=False)
    allocator.allocate_memory_budget("a", [])
    with pytest.raises(OSError, match="no renaming today"):
        allocator.export_allocation_log(path)
    monkeypatch.undo()
    assert path.read_text(encoding="utf-8") == "old"
    assert [entry.name for entry in tmp_path.iterdir()] == ["log.json"]


def test_an_export_into_a_missing_folder_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(OSError, match="missing"):
        MemoryBudgetAllocator().export_allocation_log(tmp_path / "missing" / "log.json")


@pytest.mark.parametrize("path", [None, 5])
def test_a_path_is_a_path(path: Any) -> None:
    with pytest.raises(TypeError):
        MemoryBudgetAllocator().export_allocation_log(path)
