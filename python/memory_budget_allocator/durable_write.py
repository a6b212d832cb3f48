"""Writing a file so that a reader finds the old one or the new one, whole."""

from __future__ import annotations

import errno
import os
import secrets
import stat
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

from memory_budget_allocator.errors import ArgumentTypeError, ArgumentValueError
from memory_budget_allocator.wording import shown

if TYPE_CHECKING:
    from collections.abc import Iterable

__all__ = ["write_bytes", "write_text"]


def write_text(filepath: str | os.PathLike[str], chunks: Iterable[str]) -> None:
    """As `write_bytes`, UTF-8 text."""
    write_bytes(filepath, (chunk.encode() for chunk in chunks))


def write_bytes(filepath: str | os.PathLike[str], chunks: Iterable[bytes]) -> None:
    """Write a file aside, flush it to the disk, then rename it over ``filepath``.

    Whenever the process is killed, the old file or the new one is there, whole; a file
    ``.NAME.XXXX.part`` may then stay beside it. After an error nothing stays. What is no regular file (a
    pipe, a device) cannot be replaced and is written to as it is.

    Raises:
        ArgumentTypeError, ArgumentValueError: ``filepath`` is no path.
        OSError: the folder is missing or read-only, or the disk is full; it names ``filepath``, and the
            old file is untouched.
    """
    try:
        location = os.fsdecode(os.fspath(filepath))
    except TypeError:
        raise ArgumentTypeError(f"filepath must be a str or an os.PathLike, got {shown(filepath)}") from None
    if "\0" in location or not _is_encodable(location):
        raise ArgumentValueError(f"filepath must be a name that a file can have, got {shown(location)}")
    try:
        _write(location, chunks)
    except OSError as error:
        if error.errno is None:
            raise
        # The error of a full disk names no file, others name the one aside: this is the one that is known.
        reason = f"cannot be written: {os.strerror(error.errno)}"
        raise OSError(error.errno, reason, location) from error


def _write(location: str, chunks: Iterable[bytes]) -> None:
    if not location:  # pathlib would take it for the current directory
        raise FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT))
    # A link stays a link: what it points to is replaced.
    target = Path(os.path.realpath(location)) if Path(location).is_symlink() else Path(location)
    try:
        mode = target.stat().st_mode
    except FileNotFoundError:
        mode = None
    if mode is not None and stat.S_ISDIR(mode):
        raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR))
    if mode is not None and not stat.S_ISREG(mode):
        with target.open("wb") as file:
            file.writelines(chunks)
        return
    # Cut, because a name has at most 255 bytes, four for some characters.
    aside = target.with_name(f".{target.name[:50]}.{secrets.token_hex(8)}.part")
    flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | getattr(os, "O_CLOEXEC", 0)
    try:
        # Created with the rights any new file gets; a file that is replaced hands on its own.
        descriptor = os.open(aside, flags, 0o666)
        with os.fdopen(descriptor, "wb") as file:
            file.writelines(chunks)
            file.flush()
            if mode is not None:
                aside.chmod(mode & 0o777)
            os.fsync(file.fileno())
        aside.replace(target)
    except BaseException:
        with suppress(OSError):  # the first error is the one to report
            aside.unlink()
        raise
    _flush_folder(target.parent)


def _is_encodable(location: str) -> bool:
    try:
        os.fsencode(location)
    except UnicodeEncodeError:
        return False
    return True


def _flush_folder(folder: Path) -> None:
    """Make the renaming itself survive a loss of power, where the system can: the file is whole already."""
    with suppress(OSError):
        descriptor = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
