"""Standard output and standard error: one place that writes to them, whatever they are connected to."""

from __future__ import annotations

import json
import logging
import os
import re
import sys
from contextlib import contextmanager, suppress
from typing import IO, TYPE_CHECKING, AnyStr, BinaryIO, TextIO

from memory_budget_allocator.command_line.problems import DataError
from memory_budget_allocator.text_width import displayable
from memory_budget_allocator.wording import one_line

if TYPE_CHECKING:
    from collections.abc import Generator, Iterable

__all__ = [
    "abandon_output",
    "finish_output",
    "is_terminal",
    "report_error",
    "warnings_on_standard_error",
    "write_json",
    "write_lines",
    "write_verbatim",
]

PROGRAM = "memory-budget"

PIECE = 1 << 15

_ESCAPED_IN_JSON = re.compile("[\x7f-\x9f\u2028\u2029\ud800-\udfff]")
"""What JSON allows as it is and yet must not reach a terminal (control characters, line separators) or cannot
be encoded (lone surrogates)."""


def write_lines(lines: Iterable[str]) -> None:
    """Print lines for people. A character the output cannot encode appears escaped."""
    stream = _standard_output()
    text = "".join(f"{line}\n" for line in lines)
    encoding = stream.encoding or "utf-8"
    _write(stream, text.encode(encoding, "backslashreplace").decode(encoding))


def write_json(document: object) -> None:
    """Print one JSON document, readable for people; only what the output cannot encode is escaped."""
    stream = _standard_output()
    text = json.dumps(document, ensure_ascii=False, allow_nan=False, indent=2)
    text = _ESCAPED_IN_JSON.sub(lambda match: f"\\u{ord(match.group()):04x}", text)
    try:
        text.encode(stream.encoding or "utf-8")
    except UnicodeEncodeError:
        text = json.dumps(document, allow_nan=False, indent=2)
    _write(stream, text + "\n")


def write_verbatim(text: str) -> None:
    """Print a text as it is, in UTF-8 and with nothing added.

    A terminal, where a text could move the cursor, gets lines as `write_lines` prints them, displayable.
    """
    stream = _standard_output()
    if stream.isatty():
        lines = text.removesuffix("\n").split("\n") if text else ()
        write_lines(map(displayable, lines))
        return
    content: BinaryIO | None = getattr(stream, "buffer", None)
    if content is None:  # a stream of a caller of `main`, io.StringIO for one
        _write(stream, text)
        return
    # Below the text layer, which may have another encoding and other line breaks; it has nothing left to say.
    stream.flush()
    _write(content, text.encode())


def _write(stream: IO[AnyStr], text: AnyStr) -> None:
    start = 0
    try:
        # In pieces: with PYTHONUNBUFFERED, Python does not notice a pipe that closes during one large write,
        # and bytes may be written in part.
        while start < len(text):
            start += stream.write(text[start : start + PIECE])
    except BrokenPipeError:
        raise
    except OSError as error:
        abandon_output()
        raise DataError(f"cannot write the output: {error.strerror or error}") from error


def is_terminal() -> bool:
    """Whether people see the lines as they are written, and no other program reads them."""
    return _standard_output().isatty()


def _standard_output() -> TextIO:
    # None when the process was started with the descriptor closed.
    stream: TextIO | None = sys.stdout
    if stream is None:
        raise DataError("cannot write: standard output is closed")
    return stream


def finish_output() -> None:
    """Hand everything written to the system now, while a failure can still be reported."""
    stream: TextIO | None = sys.stdout
    if stream is not None:
        stream.flush()


def abandon_output() -> None:
    """Lead what is still buffered nowhere: the interpreter would complain about it at its end."""
    with suppress(OSError, ValueError, AttributeError):
        nowhere = os.open(os.devnull, os.O_WRONLY)
        os.dup2(nowhere, sys.stdout.fileno())
        os.close(nowhere)


def report_error(message: str) -> None:
    """Print one line about what went wrong."""
    _complain("error", message)


@contextmanager
def warnings_on_standard_error() -> Generator[None]:
    """Show the library's warnings as lines of this program, each once, for as long as it runs."""
    logger = logging.getLogger("memory_budget_allocator")
    handler = _WarningLines()
    logger.addHandler(handler)
    try:
        yield
    finally:
        logger.removeHandler(handler)


class _WarningLines(logging.Handler):
    def __init__(self) -> None:
        super().__init__(logging.WARNING)
        self._shown: set[str] = set()

    def emit(self, record: logging.LogRecord) -> None:
        message = record.getMessage()
        # A configuration file is read more than once, and says the same each time.
        if message not in self._shown:
            self._shown.add(message)
            _complain("warning", message)


def _complain(kind: str, message: str) -> None:
    stream: TextIO | None = sys.stderr
    if stream is None:
        return
    line = f"{PROGRAM}: {kind}: {one_line(message)}\n"
    encoding = stream.encoding or "utf-8"
    # Where even that cannot be written, nobody is left to be told.
    with suppress(OSError, ValueError):
        stream.write(line.encode(encoding, "backslashreplace").decode(encoding))
        stream.flush()
