"""What both formats need: ids that stand once, ids as positions, times with an offset."""

from __future__ import annotations

from datetime import UTC
from typing import TYPE_CHECKING

from memory_budget_allocator.errors import DataError
from memory_budget_allocator.json_input import described

if TYPE_CHECKING:
    from collections.abc import Iterable
    from datetime import datetime

    from memory_budget_allocator.evaluation.dataset import CandidateSet

__all__ = ["aware", "positions_of", "unique_ids"]


def aware(moment: datetime) -> datetime:
    """A time with its offset: UTC if none is given."""
    return moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment


def unique_ids(ids: Iterable[tuple[str, str]]) -> tuple[str, ...]:
    """The ids, each given with its place.

    Raises:
        DataError: one stands twice.
    """
    seen: dict[str, None] = {}
    for place, candidate_id in ids:
        if candidate_id in seen:
            raise DataError(f"{place}: id: {described(candidate_id)} stands twice")
        seen[candidate_id] = None
    return tuple(seen)


def positions_of(place: str, field: str, ids: Iterable[str], candidates: CandidateSet) -> frozenset[int]:
    """Where the candidates of these ids stand.

    Raises:
        DataError: one of them is no candidate.
    """
    found: set[int] = set()
    for candidate_id in ids:
        position = candidates.positions.get(candidate_id)
        if position is None:
            raise DataError(f"{place}: {field}: {described(candidate_id)} is the id of no candidate")
        found.add(position)
    return frozenset(found)
