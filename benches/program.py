"""What the benchmarks share as programs: figures as a file, and an end by Ctrl-C."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

from memory_budget_allocator.durable_write import write_text

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path
    from typing import NoReturn


def is_written(program: str, path: Path | None, text: str) -> bool:
    """Writes a text where `--json` asks for it; says on standard error where that fails."""
    if path is None:
        return True
    try:
        write_text(path, [text])
    except OSError as error:
        print(f"{program}: cannot write {path}: {error.strerror}", file=sys.stderr)
        return False
    return True


def run(main: Callable[[], int]) -> NoReturn:
    """Runs a benchmark and exits with its code; 130 by Ctrl-C."""
    try:
        sys.exit(main())
    except KeyboardInterrupt:
        sys.exit(130)
