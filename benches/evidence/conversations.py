"""Conversations with questions whose evidence is known, read from a folder and checked.

A conversation is two files. ``NAME.json.gz`` holds ``conversation``, ``now``, ``items`` (id, text, tokens,
ts) and ``questions`` (id, text, evidence: ids of items); ``NAME.npz`` holds ``sim``, the cosine of each
question (row) with each item (column). Other keys are of no concern here; `benches/README.md` says more.
"""

from __future__ import annotations

import gzip
import json
import zipfile
import zlib
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, cast

import numpy as np

from memory_budget_allocator.wording import shown

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from numpy.typing import NDArray

__all__ = ["Conversation", "DataError", "Message", "Question", "conversation_files", "read_conversation"]

TEXTS = ".json.gz"
ARRAYS = ".npz"


class DataError(Exception):
    """The data cannot be used; the message names the file and what is wrong in it."""


@dataclass(frozen=True)
class Message:
    """One message of a conversation."""

    message_id: str
    text: str
    tokens: int
    timestamp: datetime


@dataclass(frozen=True)
class Question:
    """A question, with the positions of the messages that hold its answer."""

    question_id: str
    text: str
    evidence: frozenset[int]
    cosines: tuple[float, ...]
    """Similarity to each message, in the order of the messages."""


@dataclass(frozen=True)
class Conversation:
    """A conversation and the questions asked about it."""

    name: str
    now: datetime
    messages: tuple[Message, ...]
    questions: tuple[Question, ...]


def conversation_files(folder: Path) -> list[tuple[Path, Path]]:
    """The two files of each conversation of a folder, in the order of their names.

    Raises:
        DataError: there is no such folder, it holds no conversation, or half of one.
    """
    if not folder.is_dir():
        raise DataError(f"{folder}: {'not a folder' if folder.exists() else 'no such folder'}")
    endings = (TEXTS, ARRAYS)
    names = {path.name.removesuffix(end) for end in endings for path in folder.glob(f"*{end}")}
    if not names:
        raise DataError(f"{folder}: no conversation in it (a NAME{TEXTS} with a NAME{ARRAYS})")
    pairs = [(folder / f"{name}{TEXTS}", folder / f"{name}{ARRAYS}") for name in sorted(names)]
    for pair in pairs:
        for path, other in (pair, pair[::-1]):
            if not path.is_file():
                raise DataError(f"{path}: missing, although there is a {other.name}")
    return pairs


def read_conversation(texts: Path, arrays: Path) -> Conversation:
    """Read and check one conversation.

    Raises:
        DataError: a file cannot be read or does not have the format.
    """
    document = _object(_read_json(texts), str(texts))
    messages = tuple(
        _message(entry, f"{texts}: items[{position}]")
        for position, entry in enumerate(_array(document, "items", str(texts)))
    )
    positions = {message.message_id: position for position, message in enumerate(messages)}
    if len(positions) != len(messages):
        raise DataError(f"{texts}: two items have the same id")
    entries = _array(document, "questions", str(texts))
    cosines = _read_cosines(arrays, (len(entries), len(messages)))
    return Conversation(
        name=_text(document, "conversation", str(texts)),
        now=_moment(document, "now", str(texts)),
        messages=messages,
        questions=tuple(
            _question(entry, row, positions, f"{texts}: questions[{number}]")
            for number, (entry, row) in enumerate(zip(entries, cosines.tolist(), strict=True))
        ),
    )


def _read_json(path: Path) -> object:
    try:
        with gzip.open(path, "rt", encoding="utf-8") as file:
            return json.load(file)
    except (OSError, EOFError, zlib.error) as error:
        raise DataError(f"{path}: cannot be read: {getattr(error, 'strerror', None) or error}") from None
    except (ValueError, RecursionError) as error:
        raise DataError(f"{path}: not JSON: {error}") from None


def _read_cosines(path: Path, shape: tuple[int, int]) -> NDArray[np.float64]:
    try:
        with np.load(path, allow_pickle=False) as arrays:
            similarity = arrays["sim"]
    except KeyError:
        raise DataError(f"{path}: has no array 'sim'") from None
    except (OSError, EOFError, ValueError, TypeError, zipfile.BadZipFile, zlib.error) as error:
        raise DataError(f"{path}: cannot be read: {error}") from None
    if similarity.shape != shape or similarity.dtype.kind != "f":
        raise DataError(
            f"{path}: 'sim' must hold floats for {shape[0]} questions x {shape[1]} items, "
            f"got {similarity.dtype} {' x '.join(map(str, similarity.shape))}"
        )
    if not np.isfinite(similarity).all():
        raise DataError(f"{path}: 'sim' holds NaN or an infinity")
    widened: NDArray[np.float64] = similarity.astype(np.float64)  # exact, as a double has room for more
    return widened


def _message(entry: object, where: str) -> Message:
    fields = _object(entry, where)
    tokens = _value(fields, "tokens", where)
    if isinstance(tokens, bool) or not isinstance(tokens, int) or tokens < 1:
        raise DataError(f"{where}: 'tokens' must be a whole number of at least 1, got {shown(tokens)}")
    return Message(
        message_id=_text(fields, "id", where),
        text=_text(fields, "text", where),
        tokens=tokens,
        timestamp=_moment(fields, "ts", where),
    )


def _question(entry: object, cosines: Sequence[float], positions: dict[str, int], where: str) -> Question:
    fields = _object(entry, where)
    evidence: set[int] = set()
    for message_id in _array(fields, "evidence", where):
        if not isinstance(message_id, str) or message_id not in positions:
            raise DataError(f"{where}: evidence {shown(message_id)} is the id of no item")
        evidence.add(positions[message_id])
    return Question(
        question_id=_text(fields, "id", where),
        text=_text(fields, "text", where),
        evidence=frozenset(evidence),
        cosines=tuple(cosines),
    )


def _object(value: object, where: str) -> dict[str, Any]:
    if not isinstance(value, dict):
        raise DataError(f"{where}: must be an object, got {shown(value)}")
    return cast("dict[str, Any]", value)


def _value(fields: dict[str, Any], key: str, where: str) -> Any:
    if key not in fields:
        raise DataError(f"{where}: has no {key!r}")
    return fields[key]


def _array(fields: dict[str, Any], key: str, where: str) -> list[object]:
    value = _value(fields, key, where)
    if not isinstance(value, list):
        raise DataError(f"{where}: {key!r} must be an array, got {shown(value)}")
    return cast("list[object]", value)


def _text(fields: dict[str, Any], key: str, where: str) -> str:
    value = _value(fields, key, where)
    if not isinstance(value, str):
        raise DataError(f"{where}: {key!r} must be a string, got {shown(value)}")
    return value


def _moment(fields: dict[str, Any], key: str, where: str) -> datetime:
    text = _text(fields, key, where)
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        raise DataError(f"{where}: {key!r} must be an ISO time, got {shown(text)}") from None
    return moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment
