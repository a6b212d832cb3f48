"""Makes the native `MemoryItem` a dataclass to every observer.

A schema dataclass states the fields once, for `dataclasses`, `inspect`, `typing` and ``match``; its
generated attributes are handed to the native class. (Decorating the native class itself would put
class attributes over its fields.)
"""

# No `from __future__ import annotations`: the field types shall be classes, not strings.
import dataclasses
import inspect
from datetime import datetime
from typing import Any

from memory_budget_allocator._core import MemoryItem
from memory_budget_allocator.levels import MemoryTier

__all__ = ["MemoryItem"]


@dataclasses.dataclass
class _Schema:
    memory_id: str
    text: str
    tier: MemoryTier
    timestamp: datetime | None
    user_id: str | None = None
    metadata: dict[str, Any] = dataclasses.field(default_factory=dict)
    relevance_score: float = 0.0
    importance_score: float = 0.5
    freshness_score: float = 1.0
    combined_score: float = 0.0
    token_count: int = 0
    access_count: int = 0
    last_accessed: datetime | None = None
    promotion_score: float = 0.0
    _: dataclasses.KW_ONLY
    pinned: bool = False
    evergreen: bool = False
    session_id: str | None = None
    position: int | None = None
    supersedes: str | None = None


_DOCUMENTATION = """One memory with its scoring metadata: a dataclass, implemented natively.

Fields can be read and assigned from any thread. Construction and assignment check types and values.

Args:
    memory_id: identifier, chosen by the caller; need not be unique.
    text: the memory's content.
    tier: a `MemoryTier` or its string value.
    timestamp: when the memory was created; naive means UTC; None means unknown (always fresh).
    user_id: whose memory it is, or None.
    metadata: a dict for the caller's own use.
    relevance_score: similarity to the query, usually 0 to 1. Values outside are accepted, NaN and
        infinities count as 0 in a score.
    importance_score: intrinsic importance, usually 0 to 1.
    freshness_score: written by scoring, 0 to 1.
    combined_score: written by scoring, 0 to 1.
    token_count: tokens the memory costs, 0 to 2**53 - 1; 0 means not known: an estimate is made
        from the text and written back.
    access_count: how often the memory was selected, 0 to 2**53 - 1.
    last_accessed: when the memory was last selected, or None.
    promotion_score: written by the evaluation of promotions.
    pinned: taken before all others and whatever its score; keyword-only.
    evergreen: stays fresh whatever its age; keyword-only.
    session_id: the conversation or document that the memory is a part of, or None; keyword-only.
    position: its place there, from 0 on; neighbours differ by 1; keyword-only.
    supersedes: the id of the memory that this one replaces, or None; keyword-only.

Raises:
    ItemTypeError: a field has the wrong type (also a `TypeError`).
    ItemValueError: a field has an impossible value (also a `ValueError`).
"""


class _Signature:
    """`MemoryItem`'s signature; a subclass with a constructor of its own is asked for that instead."""

    def __init__(self) -> None:
        self._own = inspect.signature(_Schema)

    def __get__(self, instance: object, owner: type) -> inspect.Signature:
        if all(getattr(owner, name) is getattr(MemoryItem, name) for name in ("__init__", "__new__")):
            return self._own
        raise AttributeError("__signature__")


def _donations() -> dict[str, object]:
    names = ["__dataclass_fields__", "__dataclass_params__", "__match_args__", "__annotations__", "__repr__"]
    if hasattr(_Schema, "__replace__"):  # Python 3.13 and later
        names.append("__replace__")
    return {
        **{name: getattr(_Schema, name) for name in names},
        # Announced as slots, so that @dataclass(slots=True) on a subclass does not lay new ones over them.
        "__slots__": tuple(_Schema.__dataclass_fields__),
        "__signature__": _Signature(),
        "__doc__": _DOCUMENTATION,
    }


for _name, _value in _donations().items():
    setattr(MemoryItem, _name, _value)
