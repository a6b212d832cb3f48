"""Writing a file so that a reader finds the old one or the new one, whole."""

from __future__ import annotations

import os
import secrets
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable

__all__ = ["write_text"]


def write_text(path: str | os.PathLike[str], chunks: Iterable[str]) -> None:
    """Write UTF-8 text aside, flush it to the disk, then rename it over ``path``.

    What is no regular file (a pipe, a device) cannot be replaced and is written to as it is.

    Raises:
        OSError: the folder is missing or read-only, or the disk is full; the old file is untouched.
    """
    target = Path(path)
    if target.exists() and not target.is_file() and not target.is_dir():
        with target.open("w", encoding="utf-8", newline="\n") as file:
            file.writelines(chunks)
        return
    # A link stays a link: what it points to is replaced.
    target = target.resolve() if target.is_symlink() else target
    aside = target.with_name(f".{target.name[:100]}.{secrets.token_hex(8)}.part")
    # Created with the rights any new file gets; a file that is replaced hands on its own.
    descriptor = os.open(aside, os.O_WRONLY | os.O_CREAT | os.O_EXCL | getattr(os, "O_CLOEXEC", 0), 0o666)
    try:
        with os.fdopen(descriptor, "w", encoding="utf-8", newline="\n") as file:
            file.writelines(chunks)
            file.flush()
            os.fsync(file.fileno())
        if target.exists():
            aside.chmod(target.stat().st_mode & 0o777)
        aside.replace(target)
    except BaseException:
        aside.unlink(missing_ok=True)
        raise
