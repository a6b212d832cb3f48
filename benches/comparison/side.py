"""What a side of the comparison is."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable

    from comparison.workload import Selection, Workload

MILLION = 1_000_000


class MissingSideError(Exception):
    """A side cannot run here; the message says what it needs."""


@dataclass(frozen=True)
class Prepared:
    """A side with its memories in the form it wants: the call to be timed, and how to read its answer."""

    call: Callable[[], Any]
    rows: Callable[[Any], Selection] | None
    """None for what gives no answer: the bound."""


@dataclass(frozen=True)
class Side:
    """One row of the table."""

    name: str
    prepare: Callable[[Workload], Prepared]
    most: int = 10 * MILLION
    """Memories above which it would take too long, or too much memory."""
    ours: bool = False
