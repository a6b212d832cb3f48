"""Writing a file so that a reader finds the old one or the new one, whole."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable

__all__ = ["write_text"]


def write_text(path: str | os.PathLike[str], chunks: Iterable[str]) -> None:
    """Write UTF-8 text aside, flush it to the disk, then rename it over ``path``.

    Raises:
        OSError: the folder is missing or read-only, or the disk is full; the old file is untouched.
    """
    target = Path(path)
    # A link stays a link: what it points to is replaced.
    target = target.resolve() if target.is_symlink() else target
    descriptor, aside = tempfile.mkstemp(prefix=f".{target.name}.", suffix=".part", dir=target.parent)
    try:
        with os.fdopen(descriptor, "w", encoding="utf-8", newline="\n") as file:
            for chunk in chunks:
                file.write(chunk)
            file.flush()
            os.fsync(file.fileno())
        # mkstemp makes files private; the result gets the rights of the file it replaces, else those
        # any new file would get.
        Path(aside).chmod(target.stat().st_mode & 0o777 if target.exists() else 0o666 & ~_umask())
        Path(aside).replace(target)
    except BaseException:
        Path(aside).unlink(missing_ok=True)
        raise


def _umask() -> int:
    current = os.umask(0o077)
    os.umask(current)
    return current
