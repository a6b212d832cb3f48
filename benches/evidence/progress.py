"""How far a long run is: a bar on a terminal, plain lines elsewhere. On standard error, out of the way."""

from __future__ import annotations

import sys
from time import monotonic
from typing import TYPE_CHECKING, TypeVar

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

__all__ = ["with_progress"]

Step = TypeVar("Step")

BAR_WIDTH = 30
SECONDS_BETWEEN_LINES = 2.0
CLEAR_LINE = "\r\x1b[K"


def with_progress(steps: Sequence[Step], what: str) -> Iterator[Step]:
    """The steps one by one, showing how many are done."""
    stream = sys.stderr
    is_terminal = stream.isatty()
    shown_at = monotonic()
    try:
        for done, step in enumerate(steps):
            if is_terminal:
                bar = ("#" * (BAR_WIDTH * done // len(steps))).ljust(BAR_WIDTH, ".")
                print(f"{CLEAR_LINE}[{bar}] {done}/{len(steps)} {what}", end="", file=stream, flush=True)
            yield step
            if not is_terminal and (monotonic() - shown_at > SECONDS_BETWEEN_LINES or done + 1 == len(steps)):
                print(f"{done + 1}/{len(steps)} {what}", file=stream, flush=True)
                shown_at = monotonic()
    finally:
        if is_terminal:
            print(CLEAR_LINE, end="", file=stream, flush=True)
