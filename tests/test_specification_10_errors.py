"""Section 10: one tree of errors, each also the built-in one that a Python programmer expects."""

from __future__ import annotations

import pickle
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

import memory_budget_allocator
from memory_budget_allocator import MemoryBudgetAllocator, MemoryItem, MemoryTier, WorkspaceConfig
from memory_budget_config_loader import MemoryBudgetConfigLoader

if TYPE_CHECKING:
    from collections.abc import Callable


@pytest.mark.parametrize(
    ("name", "bases"),
    [
        ("MemoryBudgetError", (Exception,)),
        ("ItemTypeError", (TypeError,)),
        ("ItemValueError", (ValueError,)),
        ("ArgumentTypeError", (TypeError,)),
        ("ArgumentValueError", (ValueError,)),
        ("ConfigurationError", (ValueError,)),
        ("ConfigurationTypeError", (ValueError, TypeError)),
        ("ConfigurationNotFoundError", (FileNotFoundError,)),
    ],
)
def test_the_tree(name: str, bases: tuple[type[Exception], ...]) -> None:
    error: Any = getattr(memory_budget_allocator, name)
    assert name in memory_budget_allocator.__all__
    assert issubclass(error, memory_budget_allocator.MemoryBudgetError)
    for base in bases:
        assert issubclass(error, base)
    assert type(pickle.loads(pickle.dumps(error("why")))) is error


def item(**fields: Any) -> MemoryItem:
    return MemoryItem(**({"memory_id": "m", "text": "", "tier": "rag", "timestamp": None} | fields))


def allocate(*arguments: Any, **options: Any) -> Any:
    return MemoryBudgetAllocator().allocate_memory_budget(*arguments, **options)


@pytest.mark.parametrize(
    ("call", "name"),
    [
        (lambda: item(text=5), "ItemTypeError"),
        (lambda: item(tier="attic"), "ItemValueError"),
        (lambda: setattr(item(), "access_count", -1), "ItemValueError"),
        (lambda: allocate("", [object()]), "ItemTypeError"),
        (lambda: allocate("", 5), "ArgumentTypeError"),
        (lambda: allocate(None, []), "ArgumentTypeError"),
        (lambda: allocate("", [], workspace_id=5), "ArgumentTypeError"),
        (lambda: allocate("", [], project_id=5), "ArgumentTypeError"),
        (lambda: allocate("", [], current_time="now"), "ArgumentTypeError"),
        (lambda: allocate("", [], context={"turns": -1}), "ArgumentValueError"),
        (lambda: WorkspaceConfig("w", max_total_tokens=-1), "ConfigurationError"),
        (lambda: WorkspaceConfig("w", rag_memory_pct=float("nan")), "ConfigurationError"),
        (lambda: WorkspaceConfig("w", rag_memory_pct="half"), "ConfigurationTypeError"),  # type: ignore[arg-type]
        (lambda: MemoryBudgetAllocator().register_workspace("w"), "MemoryBudgetError"),  # type: ignore[arg-type]
        (
            lambda: MemoryBudgetConfigLoader.load_from_yaml(Path("no/such/file.yaml")),
            "ConfigurationNotFoundError",
        ),
    ],
)
def test_what_raises_what(call: Callable[[], object], name: str) -> None:
    with pytest.raises(getattr(memory_budget_allocator, name)):
        call()


def test_a_configuration_error_names_field_and_value() -> None:
    with pytest.raises(memory_budget_allocator.ConfigurationError, match="demotion_threshold") as caught:
        WorkspaceConfig("w", demotion_threshold=-0.5)
    assert (caught.value.field, caught.value.value) == ("demotion_threshold", -0.5)


def test_long_values_are_shortened() -> None:
    with pytest.raises(ValueError, match="tier") as caught:
        item(tier="x" * 1_000_000)
    assert len(str(caught.value)) < 500
    culprit = "i" * 1_000_000
    with pytest.raises(ValueError, match="token_count") as caught:
        item(memory_id=culprit, token_count=-1)
    assert len(str(caught.value)) < 700


def test_awkward_values_do_not_break_the_message() -> None:
    class Unprintable:
        def __repr__(self) -> str:
            raise RuntimeError("no words for me")

    with pytest.raises(TypeError, match="text"):
        item(text=Unprintable())
    with pytest.raises(ValueError, match="tier") as caught:
        item(tier="attic\n\ud800")
    assert "\n" not in str(caught.value)


def test_members_of_the_tiers_are_unaffected_by_errors() -> None:
    memory = item()
    with pytest.raises(ValueError, match="attic"):
        memory.tier = "attic"  # type: ignore[assignment]
    assert memory.tier is MemoryTier.RAG
