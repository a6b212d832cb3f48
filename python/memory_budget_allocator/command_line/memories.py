"""Memories from a file: which keys a record has, what each may hold, and the `MemoryItem` it becomes."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from memory_budget_allocator.command_line.problems import DataError
from memory_budget_allocator.errors import MemoryBudgetError
from memory_budget_allocator.item_face import MemoryItem
from memory_budget_allocator.json_fields import checked, known_keys_only, require
from memory_budget_allocator.json_input import read_objects

if TYPE_CHECKING:
    from collections.abc import Mapping

    from memory_budget_allocator.json_fields import Kind

__all__ = ["FIELDS", "REQUIRED", "MemoryFile", "read_memories"]

FIELDS: Mapping[str, Kind] = {
    "memory_id": "text",
    "text": "text",
    "tier": "tier",
    "timestamp": "time",
    "user_id": "text or null",
    "metadata": "object",
    "relevance_score": "number",
    "importance_score": "number",
    "freshness_score": "number",
    "combined_score": "number",
    "token_count": "count",
    "access_count": "count",
    "last_accessed": "time",
    "promotion_score": "number",
    "pinned": "flag",
    "evergreen": "flag",
    "session_id": "text or null",
    "position": "count or null",
    "supersedes": "text or null",
}
"""The keys of a record: the fields of `MemoryItem`, in their order."""

REQUIRED = ("memory_id", "text", "tier")


@dataclass(frozen=True, slots=True)
class MemoryFile:
    """The memories of a file, in its order."""

    items: list[MemoryItem]
    unscored: list[MemoryItem]
    """Those whose record says nothing about `combined_score`."""


def read_memories(path: str) -> MemoryFile:
    """Read a JSON array or JSON lines file of memories; - is standard input.

    Raises:
        DataError: naming file, line, field and value.
    """
    found = MemoryFile([], [])
    for place, record in read_objects(path):
        item = _item(place, record)
        found.items.append(item)
        if "combined_score" not in record:
            found.unscored.append(item)
    return found


def _item(place: str, record: dict[str, Any]) -> MemoryItem:
    known_keys_only(place, record, FIELDS, "; data of your own belongs under 'metadata'")
    for key in REQUIRED:
        require(place, record, key, FIELDS[key])
    values: dict[str, Any] = {"timestamp": None}
    for key, value in record.items():
        values[key] = checked(place, key, FIELDS[key], value)
    try:
        return MemoryItem(**values)
    except MemoryBudgetError as error:
        raise DataError(f"{place}: {error}") from error
