"""Carrying out recommended tier changes."""

from __future__ import annotations

import contextlib
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, cast

from memory_budget_allocator._core import MemoryPool
from memory_budget_allocator.errors import (
    ArgumentTypeError,
    ArgumentValueError,
    ItemTypeError,
    ItemValueError,
)
from memory_budget_allocator.levels import MemoryTier
from memory_budget_allocator.wording import shown, shown_with_type

if TYPE_CHECKING:
    from collections.abc import Iterable

    from memory_budget_allocator.protocols import MemoryLike
    from memory_budget_allocator.results import (
        PromotionResult,
        TierChangeOutcome,
        TierMove,
        UnmatchedTierChange,
    )

__all__ = ["apply_tier_changes"]

TIER = "tier"


def apply_tier_changes(
    items: Iterable[MemoryLike] | MemoryPool, result: PromotionResult
) -> TierChangeOutcome:
    """See `MemoryBudgetAllocator.apply_tier_changes`. Either every move is made or none."""
    changes = _changes(result)
    if isinstance(items, MemoryPool):
        return _in_pool(items, changes)
    by_id: dict[str, list[tuple[MemoryLike, MemoryTier]]] = {}
    for position, item in enumerate(_iterated(items)):
        memory_id, tier = _identity(item, position)
        by_id.setdefault(memory_id, []).append((item, tier))

    moves: list[tuple[MemoryLike, MemoryTier]] = []
    outcome: TierChangeOutcome = {"moved": [], "stale": [], "unknown": []}
    for memory_id, current, target in changes:
        known = by_id.get(memory_id)
        matching = [item for item, tier in known or () if tier is current]
        if matching:
            moves.extend((item, target) for item in matching)
            # Matched again under the new tier: a later change of the same result sees the move.
            by_id[memory_id] = [(item, target if tier is current else tier) for item, tier in known or ()]
            move: TierMove = {
                "memory_id": memory_id,
                "from_tier": current.value,
                "to_tier": target.value,
            }
            outcome["moved"].extend([move] if len(matching) == 1 else [move.copy() for _ in matching])
        else:
            unmatched: UnmatchedTierChange = {
                "memory_id": memory_id,
                "current_tier": current.value,
                "target_tier": target.value,
            }
            outcome["stale" if known else "unknown"].append(unmatched)
    _move(moves)
    return outcome


def _in_pool(pool: MemoryPool, changes: list[tuple[str, MemoryTier, MemoryTier]]) -> TierChangeOutcome:
    outcome: TierChangeOutcome = {"moved": [], "stale": [], "unknown": []}
    for (memory_id, current, target), status in zip(changes, pool._change_tiers(changes), strict=True):  # pyright: ignore[reportPrivateUsage]
        if status == "moved":
            outcome["moved"].append(
                {"memory_id": memory_id, "from_tier": current.value, "to_tier": target.value}
            )
        else:
            outcome[status].append(
                {"memory_id": memory_id, "current_tier": current.value, "target_tier": target.value}
            )
    return outcome


def _move(moves: list[tuple[MemoryLike, MemoryTier]]) -> None:
    written: list[tuple[MemoryLike, Any]] = []
    for item, target in moves:
        try:
            written.append((item, item.tier))  # noted first: a setter may assign and then raise
            setattr(item, TIER, target)  # the protocol states the tier as read-only
        except BaseException as error:
            for changed, tier in reversed(written):
                # What refuses even its old value keeps the new one; the first error is the one to report.
                with contextlib.suppress(Exception):
                    setattr(changed, TIER, tier)
            if isinstance(error, Exception):
                raise ItemTypeError(
                    f"memory {shown(item.memory_id)}: writing tier failed: {error}"
                ) from error
            raise


def _iterated(items: Iterable[MemoryLike]) -> list[MemoryLike]:
    if isinstance(cast("object", items), (str, bytes, Mapping)):
        raise ArgumentTypeError(f"items must be an iterable of memories, got {shown(items)}")
    try:
        iterator = iter(items)
    except TypeError:
        raise ArgumentTypeError(f"items must be an iterable of memories, got {shown(items)}") from None
    return list(iterator)


def _identity(item: MemoryLike, position: int) -> tuple[str, MemoryTier]:
    try:
        memory_id, tier = cast("Any", item.memory_id), cast("Any", item.tier)
    except AttributeError as error:
        raise ItemTypeError(
            f"memory at position {position}: {shown(item)} needs the attributes memory_id and tier: {error}"
        ) from error
    except Exception as error:
        message = f"memory at position {position}: reading it failed: {type(error).__name__}: {error}"
        raise ItemValueError(message) from error
    if not isinstance(memory_id, str):
        raise ItemTypeError(
            f"memory at position {position}: memory_id must be a str, got {shown_with_type(memory_id)}"
        )
    return memory_id, _tier(tier, f"memory {shown(memory_id)}: tier", ItemTypeError, ItemValueError)


def _tier(value: object, name: str, type_error: type[Exception], value_error: type[Exception]) -> MemoryTier:
    if not isinstance(value, str):
        raise type_error(f"{name} must be a tier name, got {shown(value)}")
    try:
        return MemoryTier(value)
    except ValueError:
        names = ", ".join(repr(tier.value) for tier in MemoryTier)
        raise value_error(f"{name} must be one of {names}, got {shown(value)}") from None


def _changes(result: object) -> list[tuple[str, MemoryTier, MemoryTier]]:
    if not isinstance(result, Mapping):
        raise ArgumentTypeError(
            f"result must be what evaluate_promotion_demotion returned, got {shown(result)}"
        )
    changes: list[tuple[str, MemoryTier, MemoryTier]] = []
    for section in ("promotions", "demotions"):
        entries = cast("Mapping[str, Any]", result).get(section)
        if not isinstance(entries, (list, tuple)):
            raise ArgumentTypeError(f"result[{section!r}] must be a list, got {shown(entries)}")
        changes.extend(
            _change(entry, f"result[{section!r}][{position}]")
            for position, entry in enumerate(cast("list[object]", entries))
        )
    return changes


def _change(entry: object, place: str) -> tuple[str, MemoryTier, MemoryTier]:
    if not isinstance(entry, Mapping):
        raise ArgumentTypeError(f"{place} must be a mapping, got {shown(entry)}")
    fields = cast("Mapping[str, object]", entry)
    missing = [key for key in ("memory_id", "current_tier", "target_tier") if key not in fields]
    if missing:
        raise ArgumentValueError(f"{place} has no {missing[0]}")
    memory_id = fields["memory_id"]
    if not isinstance(memory_id, str):
        raise ArgumentTypeError(f"{place}: memory_id must be a str, got {shown_with_type(memory_id)}")
    current, target = (
        _tier(fields[key], f"{place}: {key}", ArgumentTypeError, ArgumentValueError)
        for key in ("current_tier", "target_tier")
    )
    return memory_id, current, target
