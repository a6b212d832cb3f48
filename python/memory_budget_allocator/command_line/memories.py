"""Memories from a file: which keys a record has, what each may hold, and the `MemoryItem` it becomes."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any, Literal, cast

from memory_budget_allocator.command_line.json_input import described, read_objects
from memory_budget_allocator.command_line.problems import DataError
from memory_budget_allocator.configuration_schema import LARGEST_COUNT
from memory_budget_allocator.errors import MemoryBudgetError
from memory_budget_allocator.item_face import MemoryItem
from memory_budget_allocator.levels import MemoryTier
from memory_budget_allocator.wording import nearest_known, shown

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = ["FIELDS", "REQUIRED", "MemoryFile", "parse_time", "read_memories"]

Kind = Literal["text", "text or null", "tier", "time", "object", "number", "count"]

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
}
"""The keys of a record: the fields of `MemoryItem`, in their order."""

REQUIRED = ("memory_id", "text", "tier")

_TIERS = frozenset(tier.value for tier in MemoryTier)

_ACCEPTED: Mapping[Kind, str] = {
    "text": "text",
    "text or null": "text or null",
    "tier": "one of " + ", ".join(tier.value for tier in MemoryTier),
    "time": "an ISO 8601 date and time such as 2026-03-14T15:09:26Z, or null",
    "object": "an object",
    "number": "a number",
    "count": f"a whole number from 0 to {LARGEST_COUNT}",
}


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


def parse_time(text: str) -> datetime:
    """An ISO 8601 date and time; without an offset it is UTC.

    Raises:
        ValueError: the text is something else.
    """
    return datetime.fromisoformat(text)


def _item(place: str, record: dict[str, Any]) -> MemoryItem:
    for key in record:
        if key not in FIELDS:
            raise DataError(
                f"{place}: {shown(key)}: unknown key, {nearest_known(key, FIELDS)}; "
                "data of your own belongs under 'metadata'"
            )
    for key in REQUIRED:
        if key not in record:
            raise DataError(f"{place}: {key}: missing, must be {_ACCEPTED[FIELDS[key]]}")
    values: dict[str, Any] = {"timestamp": None}
    for key, value in record.items():
        try:
            values[key] = _checked(FIELDS[key], value)
        except OverflowError:
            message = f"{place}: {key}: must be a number that a 64-bit float can hold, got {described(value)}"
            raise DataError(message) from None
        except ValueError:
            message = f"{place}: {key}: must be {_ACCEPTED[FIELDS[key]]}, got {described(value)}"
            raise DataError(message) from None
    try:
        return MemoryItem(**values)
    except MemoryBudgetError as error:
        raise DataError(f"{place}: {error}") from error


def _checked(kind: Kind, value: object) -> object:
    """The value as `MemoryItem` takes it; ValueError or OverflowError if the kind does not allow it."""
    if value is None and kind in ("text or null", "time"):
        return None
    match kind:
        case "text" | "text or null":
            fits = isinstance(value, str)
        case "tier":
            fits = isinstance(value, str) and value in _TIERS
        case "time":
            if isinstance(value, str):
                return parse_time(value)
            fits = False
        case "object":
            fits = isinstance(value, dict)
        case "number":
            fits = isinstance(value, (int, float)) and not isinstance(value, bool)
            value = float(cast("float", value)) if fits else value
        case "count":
            fits = isinstance(value, int) and not isinstance(value, bool) and 0 <= value <= LARGEST_COUNT
    if not fits:
        raise ValueError
    return value
