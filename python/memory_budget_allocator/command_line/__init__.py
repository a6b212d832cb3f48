"""The command line: ``memory-budget`` and ``python -m memory_budget_allocator``."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

__all__ = ["main"]

INTERRUPTED = 130


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command; no exception leaves this function.

    Args:
        argv: the arguments after the program's name; None for those of the process.

    Returns:
        The exit code: 0; 1 for data that cannot be used; 2 for wrong usage; 130 after Ctrl-C; 141 when
        nobody reads the output any more.
    """
    try:
        # Imported here, so that Ctrl-C during the import ends as quietly as later.
        from memory_budget_allocator.command_line.session import run

        return run(argv)
    except KeyboardInterrupt:
        return INTERRUPTED
