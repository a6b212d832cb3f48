"""What the rows of `error_rows` are called with, and what must not change when they fail."""

from __future__ import annotations

import contextlib
import dataclasses
import io
import shlex
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

import numpy as np

from memory_budget_allocator import (
    ComplexityRules,
    MemoryBudgetAllocator,
    MemoryItem,
    MemoryPool,
    Ranking,
    WorkspaceConfig,
)
from memory_budget_allocator.command_line import main
from memory_budget_config_loader import MemoryBudgetConfigLoader
from reference import Memory

NOW = datetime(2026, 3, 14, 15, 9, 26, tzinfo=UTC)
FIELDS = [field.name for field in dataclasses.fields(MemoryItem)]
PROGRAM = "memory-budget "


class Closed:
    """A memory that raises when it is read."""

    memory_id = "closed"

    def __getattr__(self, name: str) -> Any:
        raise RuntimeError("no comment")


class TableOfNothing:
    """Claims to speak Arrow."""

    def __arrow_c_stream__(self, requested_schema: object = None) -> object:
        return 5

    def __repr__(self) -> str:
        return "table_of_nothing"


def item(memory_id: Any = "m9", **fields: Any) -> MemoryItem:
    return MemoryItem(memory_id, **({"text": "a text", "tier": "rag", "timestamp": NOW} | fields))


def foreign(memory_id: Any = "foreign", **fields: Any) -> Memory:
    return Memory(memory_id, **({"text": "a text", "tier": "rag", "timestamp": NOW} | fields))


def change(memory_id: Any, current: Any, target: Any) -> dict[str, Any]:
    entry = {"memory_id": memory_id, "current_tier": current, "target_tier": target}
    return {"promotions": [entry], "demotions": []}


def yaml(text: str) -> str:
    Path("team.yaml").write_text(text, encoding="utf-8")
    return "team.yaml"


class Scene:
    """Memories, a pool and an allocator with a history; the current folder is the scene's own."""

    def __init__(self) -> None:
        self.memories: list[Any] = [
            item("m1", tier="working", token_count=5, access_count=3, metadata={"a": [1]}),
            foreign("m2", tier="working", token_count=7),
        ]
        self.allocator = MemoryBudgetAllocator(log_allocations=False)
        self.spoiled = WorkspaceConfig("spoiled")
        self.allocator.register_workspace(self.spoiled)
        self.spoiled.freshness_half_life_hours = -1.0
        self.allocator.allocate("before", self.memories, current_time=NOW)
        self.pool = MemoryPool.from_items(self.memories)
        self.allocator.allocate("before", self.pool, current_time=NOW)
        Path("memories.jsonl").write_text('{"memory_id": "m", "text": "t", "tier": "rag"}\n')

    def names(self) -> dict[str, Any]:
        """What a row may speak of."""
        return {
            "ComplexityRules": ComplexityRules,
            "MemoryBudgetAllocator": MemoryBudgetAllocator,
            "MemoryBudgetConfigLoader": MemoryBudgetConfigLoader,
            "MemoryPool": MemoryPool,
            "Ranking": Ranking,
            "WorkspaceConfig": WorkspaceConfig,
            "allocate": self.allocator.allocate,
            "allocator": self.allocator,
            "change": change,
            "closed": Closed,
            "config": self.allocator.workspace_configs["default"],
            "dataclasses": dataclasses,
            "date": date,
            "foreign": foreign,
            "item": item,
            "memories": self.memories,
            "np": np,
            "pool": self.pool,
            "snapshot": self.pool.snapshot(),
            "spoiled": self.spoiled,
            "table_of_nothing": TableOfNothing(),
            "yaml": yaml,
        }

    def state(self) -> Any:
        """Everything that a failed call must leave as it was."""
        statistics: Any = self.allocator.get_allocation_statistics(current_time=NOW)
        return repr(
            [
                [[getattr(memory, name) for name in FIELDS] for memory in (*self.memories, *self.pool)],
                (self.pool.ids, self.pool.rows, self.pool.version, len(self.pool)),
                statistics,
                self.allocator.allocation_history,
                self.allocator.workspace_configs,
                self.allocator.project_configs,
            ]
        )


def outcome(row: str, scene: Scene) -> tuple[str, str, BaseException | None]:
    """Name and message of what a row raises; of a command its exit code and what it prints."""
    if row.startswith(PROGRAM):
        return *_command(row), None
    try:
        eval(row, scene.names())
    except Exception as error:
        return type(error).__name__, str(error), error
    raise AssertionError(f"accepted: {row}")


def _command(row: str) -> tuple[str, str]:
    command, _, fields = row.removeprefix(PROGRAM).partition("   with ")
    if fields:
        Path("memories.jsonl").write_text(fields + "\n", encoding="utf-8")
    output, errors = io.StringIO(), io.StringIO()
    with contextlib.redirect_stdout(output), contextlib.redirect_stderr(errors):
        code = main(shlex.split(command))
    assert output.getvalue() == ""
    return f"exit {code}", errors.getvalue().splitlines()[-1]
