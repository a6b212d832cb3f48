"""JSON read strictly, with the line on which every top-level object stands."""

from __future__ import annotations

import codecs
import json
import math
import re
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn

from memory_budget_allocator.errors import DataError
from memory_budget_allocator.wording import one_line

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["JsonRefusedError", "described", "parse_strictly", "read_objects", "read_text"]

STANDARD_INPUT = "-"

_WHITE_SPACE = re.compile(r"[ \t\n\r]*")

_TOKEN = re.compile(r'(?P<string>"[^"\\]*(?:\\.[^"\\]*)*")[ \t\n\r]*(?P<colon>:?)|[-+.\w]+')
"""A string with the colon that makes it a key, or a number or literal."""


class _NumberRefusedError(ValueError):
    """A number that cannot be; raised where its place is not known."""


class JsonRefusedError(ValueError):
    """A text is no JSON, or is JSON that would not mean what it says."""

    def __init__(self, reason: str, position: int | None = None, *, is_syntax: bool = True) -> None:
        super().__init__(reason)
        self.position = position
        """Where in the text, if known."""
        self.is_syntax = is_syntax
        """Whether the text is no JSON, rather than JSON of a kind that is not accepted."""


def read_objects(
    path: str, one: str = "a memory", several: str = "memories"
) -> Iterator[tuple[str, dict[str, Any]]]:
    """The objects of a JSON array or of a JSON lines file, each with the place "FILE:LINE".

    Which of the two it is, the first character tells. A byte order mark and blank lines are skipped; an
    empty file has no objects.

    Args:
        path: a file, or - for standard input.
        one: what an object is, for messages.
        several: the same, of more than one.

    Raises:
        DataError: naming file and line.
    """
    name, text = read_text(path)
    start = _skip(text, 0)
    values = _array_members(name, text, start) if text.startswith("[", start) else _lines(name, text, several)
    for line, value in values:
        if not isinstance(value, dict):
            raise DataError(f"{name}:{line}: {one} must be a JSON object, got {described(value)}")
        yield f"{name}:{line}", value


def read_text(path: str) -> tuple[str, str]:
    """The text of a file in UTF-8 (or UTF-16 with a byte order mark), behind the name messages give it.

    Args:
        path: a file, or - for standard input.

    Raises:
        DataError: naming file and line.
    """
    name = "<stdin>" if path == STANDARD_INPUT else one_line(path) or "''"
    return name, _decode(name, _content(name, path))


def parse_strictly(text: str, *, unique_keys: bool = True) -> Any:
    """The one JSON value of a text.

    Args:
        text: the whole text.
        unique_keys: False to let the last one count where a key stands twice in one object.

    Raises:
        JsonRefusedError: it is no JSON, holds a key twice in one object, NaN, an infinity or a number beyond
            64-bit floats, or is nested too deeply.
    """
    value, end = _decode_value(text, _skip(text, 0), unique_keys=unique_keys)
    end = _skip(text, end)
    if end < len(text):
        raise JsonRefusedError("unexpected text after the end of the value", end)
    return value


def described(value: object) -> str:
    """A JSON value as a message shows it: short, in JSON's own notation."""
    if isinstance(value, dict):
        return "an object"
    if isinstance(value, list):
        return "an array"
    if isinstance(value, str):
        text = json.dumps(value[:61], ensure_ascii=False)
        return one_line(f'{text[:-1]}..."' if len(value) > 61 else text)
    text = json.dumps(value, default=repr)
    return f"{text[:60]}..." if len(text) > 60 else text


def _content(name: str, path: str) -> bytes:
    try:
        if path == STANDARD_INPUT:
            return _standard_input()
        if not path:  # pathlib would take it for the current directory
            raise FileNotFoundError
        return Path(path).read_bytes()
    except FileNotFoundError:
        raise DataError(f"{name}: there is no such file") from None
    except OSError as error:
        raise DataError(f"{name}: cannot be read: {error.strerror or error}") from error
    except ValueError as error:  # a NUL character in the name
        raise DataError(f"{name}: cannot be read: {error}") from error


def _standard_input() -> bytes:
    stream = sys.stdin
    if stream is None:  # pyright: ignore[reportUnnecessaryComparison] - so if it was closed at the start
        raise DataError("<stdin>: cannot be read: standard input is closed")
    return stream.buffer.read()


def _decode(name: str, content: bytes) -> str:
    encoding = "utf-8-sig"
    if content.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        encoding = "utf-16"
    try:
        return content.decode(encoding)
    except UnicodeDecodeError as error:
        line = content[: error.start].decode(encoding, "ignore").count("\n") + 1
        raise DataError(f"{name}:{line}: not valid {error.encoding.upper()}: {error.reason}") from error


def _lines(name: str, text: str, several: str) -> Iterator[tuple[int, Any]]:
    # Split at line feeds alone: other line separators may stand inside JSON strings.
    is_first = True
    for line, content in enumerate(text.split("\n"), start=1):
        if _skip(content, 0) == len(content):
            continue
        try:
            yield line, parse_strictly(content)
        except JsonRefusedError as error:
            hint = ""
            if is_first and error.is_syntax:
                hint = f"; {several} are a JSON array, or JSON lines: one whole object on each line"
            _fail(name, line, content, error, hint)
        is_first = False


def _array_members(name: str, text: str, start: int) -> Iterator[tuple[int, Any]]:
    line, counted = 1, 0
    position = _skip(text, start + 1)
    closed = text.startswith("]", position)
    try:
        while not closed:
            value, end = _decode_value(text, position)
            line, counted = line + text.count("\n", counted, position), position
            yield line, value
            position = _skip(text, end)
            closed = text.startswith("]", position)
            if not closed:
                if not text.startswith(",", position):
                    at_end = position == len(text)
                    reason = "the array is not closed" if at_end else "expected , or ] after an element"
                    raise JsonRefusedError(reason, position)
                position = _skip(text, position + 1)
        position = _skip(text, position + 1)
        if position < len(text):
            raise JsonRefusedError("unexpected text after the end of the array", position)
    except JsonRefusedError as error:
        at = position if error.position is None else error.position
        _fail(name, text.count("\n", 0, at) + 1, text, error)


def _fail(name: str, line: int, text: str, error: JsonRefusedError, hint: str = "") -> NoReturn:
    column = ""
    if error.position is not None:
        start_of_line = text.rfind("\n", 0, error.position) + 1
        column = f" (column {error.position - start_of_line + 1})"
    raise DataError(f"{name}:{line}: {error}{column}{hint}") from error


def _skip(text: str, position: int) -> int:
    match = _WHITE_SPACE.match(text, position)
    return match.end() if match else position


def _decode_value(text: str, position: int, *, unique_keys: bool = True) -> tuple[Any, int]:
    decoder = _DECODER if unique_keys else _REPEATING_DECODER
    try:
        return decoder.raw_decode(text, position)
    except json.JSONDecodeError as error:
        reason = f"not valid JSON: {error.msg[:1].lower()}{error.msg[1:]}".removesuffix(" at")
        raise JsonRefusedError(reason, error.pos) from error
    except RecursionError as error:
        raise JsonRefusedError("nested too deeply", is_syntax=False) from error
    except _NumberRefusedError as error:
        raise _located(text, position, str(error)) from error
    except JsonRefusedError:
        raise
    except ValueError as error:  # Python reads whole numbers of some thousand digits at most
        raise _located(text, position, "must not have thousands of digits") from error


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    members = dict(pairs)
    if len(members) != len(pairs):
        seen: set[str] = set()
        for key, _ in pairs:
            if key in seen:
                raise JsonRefusedError(f"{one_line(key[:80])}: stands twice in one object", is_syntax=False)
            seen.add(key)
    return members


def _constant(name: str) -> NoReturn:
    raise _NumberRefusedError(f"must be a number of JSON, got {name}")


def _finite(digits: str) -> float:
    number = float(digits)
    if math.isinf(number):
        raise _NumberRefusedError(f"must be a number that a 64-bit float can hold, got {digits[:60]}")
    return number


def _located(text: str, position: int, reason: str) -> JsonRefusedError:
    """The refusal of the first number from `position` on that is refused, with its key."""
    key = ""
    for match in _TOKEN.finditer(text, position):
        token = match.group()
        if token.startswith('"'):
            if match["colon"]:
                key = f"{one_line(json.loads(match['string'])[:80])}: "
        elif _is_refused(token):
            return JsonRefusedError(f"{key}{reason}", match.start(), is_syntax=False)
    return JsonRefusedError(reason, is_syntax=False)


def _is_refused(token: str) -> bool:
    try:
        _DECODER.decode(token)
    except json.JSONDecodeError:
        return False
    except ValueError:
        return True
    return False


_REPEATING_DECODER = json.JSONDecoder(parse_constant=_constant, parse_float=_finite)
_DECODER = json.JSONDecoder(object_pairs_hook=_unique, parse_constant=_constant, parse_float=_finite)
