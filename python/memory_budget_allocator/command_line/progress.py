"""How far a long run is: a bar on standard error, on a terminal alone, that goes away at the end."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, TextIO, TypeVar

from memory_budget_allocator.tables import bar

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

__all__ = ["with_progress"]

Step = TypeVar("Step")

BAR_LENGTH = 30
CLEAR_LINE = "\r\x1b[K"


def with_progress(steps: Sequence[Step], what: str) -> Iterator[Step]:
    """The steps one by one, showing how many are done."""
    stream: TextIO | None = sys.stderr
    if stream is None or not stream.isatty():
        yield from steps
        return
    try:
        for done, step in enumerate(steps):
            line = f"{CLEAR_LINE}{bar(done, len(steps), BAR_LENGTH)} {done}/{len(steps)} {what}"
            print(line, end="", file=stream, flush=True)
            yield step
    finally:
        print(CLEAR_LINE, end="", file=stream, flush=True)
