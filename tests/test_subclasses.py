"""Subclasses of `MemoryItem` with constructors, state and names of their own."""

from __future__ import annotations

import copy
import inspect
import pickle
import threading
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import pytest

from memory_budget_allocator import MemoryBudgetAllocator, MemoryItem

NOW = datetime(2026, 1, 1, tzinfo=UTC)


class Plain(MemoryItem):
    pass


@dataclass
class Extended(MemoryItem):
    extra: int = 3


class OwnInit(MemoryItem):
    def __init__(self, note: str) -> None:
        super().__init__(note, note, "rag", None)  # type: ignore[arg-type]


class OwnNew(MemoryItem):
    def __new__(cls, note: str, *arguments: Any, **options: Any) -> OwnNew:
        return super().__new__(cls)

    def __init__(self, note: str) -> None:
        super().__init__(note, note, "rag", None)  # type: ignore[arg-type]

    def __getnewargs__(self) -> tuple[str]:
        return (self.memory_id,)


class Locked(MemoryItem):
    """Drops its lock from the state, and finds a new one."""

    def __init__(self, *arguments: Any, **options: Any) -> None:
        super().__init__(*arguments, **options)
        self.lock = threading.Lock()
        self.mood = "calm"

    def __getstate__(self) -> object:
        state = dict(self.__dict__)
        del state["lock"]
        return state


class Restoring(Locked):
    def __setstate__(self, state: Any) -> None:
        self.__dict__.update(state)
        self.lock = threading.Lock()


KEYWORD_ONLY = ["pinned", "evergreen", "session_id", "position", "supersedes"]
POSITIONAL = [name for name in inspect.signature(MemoryItem).parameters if name not in KEYWORD_ONLY]


@pytest.mark.parametrize(
    ("kind", "expected"),
    [
        (Plain, [*inspect.signature(MemoryItem).parameters]),
        (Extended, [*POSITIONAL, "extra", *KEYWORD_ONLY]),
        (OwnInit, ["note"]),
        (OwnNew, ["note"]),
    ],
)
def test_signatures_are_those_of_the_constructor(kind: type[Any], expected: list[str]) -> None:
    parameters = [name for name in inspect.signature(kind).parameters if name not in {"arguments", "options"}]
    assert parameters == expected


DUPLICATES: list[Any] = [copy.copy, copy.deepcopy, lambda item: pickle.loads(pickle.dumps(item))]


@pytest.mark.parametrize("duplicate", DUPLICATES)
@pytest.mark.parametrize("kind", [Locked, Restoring])
def test_a_subclass_speaks_for_its_own_state(kind: type[Any], duplicate: Any) -> None:
    item = kind("m", "some text", "rag", NOW, metadata={"tags": [1]}, relevance_score=0.25)
    item.mood = "eager"
    MemoryBudgetAllocator().allocate("q", [item], current_time=NOW)
    twin = duplicate(item)
    assert type(twin) is kind
    assert twin == item
    assert twin.mood == "eager"
    assert hasattr(twin, "lock") == (kind is Restoring)
    # The estimate is still known as the library's own: it follows the text.
    twin.text = "x" * 80
    MemoryBudgetAllocator().allocate("q", [twin], current_time=NOW)
    assert twin.token_count == 20


@pytest.mark.parametrize("duplicate", DUPLICATES)
def test_a_subclass_may_ask_for_arguments(duplicate: Any) -> None:
    item = OwnNew("note")
    assert duplicate(item) == item


def test_a_failed_second_construction_leaves_a_blank_item() -> None:
    item = MemoryItem("m", "x" * 400, "rag", NOW)  # type: ignore[arg-type]
    with pytest.raises(TypeError):
        item.__init__(1, "y", "working", NOW)  # type: ignore[misc, arg-type]
    result = MemoryBudgetAllocator().allocate_memory_budget("q", [item], current_time=NOW)
    assert (item.text, item.token_count) == ("", 0)
    assert result["total_memories_selected"] == 1


class Loud(str):
    """A str that prints as something else, on two lines."""

    __slots__ = ("anything",)

    def __str__(self) -> str:
        return "EVIL\nline"

    __repr__ = __str__

    def isprintable(self) -> bool:
        return True


def test_results_and_the_log_hold_plain_strings(caplog: pytest.LogCaptureFixture) -> None:
    loud = Loud("quiet")
    item = MemoryItem(loud, loud, "rag", None)  # type: ignore[arg-type]
    allocator = MemoryBudgetAllocator()
    with caplog.at_level("INFO", logger="memory_budget_allocator"):
        result = allocator.allocate_memory_budget(loud, [item], loud)
    assert item.memory_id is loud
    (entry,) = result["tiers"]["rag"]["selected_memories"]
    for text in (result["query"], result["workspace_id"], entry["memory_id"], entry["text"]):
        assert type(text) is str
        assert text == "quiet"
    assert not any("EVIL" in message for message in caplog.messages)
    with pytest.raises(ValueError, match="token_count") as caught:
        MemoryItem(loud, "", "rag", None, token_count=-1)  # type: ignore[arg-type]
    assert "\n" not in str(caught.value)


def test_a_class_that_cannot_be_hashed_is_accepted() -> None:
    class Unhashable(type):
        __hash__ = None  # type: ignore[assignment]

    class Odd(MemoryItem, metaclass=Unhashable):
        pass

    item = Odd("m", "text", "rag", None)  # type: ignore[arg-type]
    assert len(MemoryBudgetAllocator().allocate("q", [item])) == 1
