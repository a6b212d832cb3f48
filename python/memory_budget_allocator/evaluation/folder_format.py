"""The folder format: for each conversation a ``NAME.json.gz`` of texts and a ``NAME.npz`` of cosines."""

from __future__ import annotations

import gzip
import re
import zipfile
import zlib
from typing import TYPE_CHECKING, Any

import numpy as np

from memory_budget_allocator.errors import DataError
from memory_budget_allocator.evaluation.checks import aware, positions_of, unique_ids
from memory_budget_allocator.evaluation.dataset import CandidateSet, Conversation, JudgedQuestion, Question
from memory_budget_allocator.json_fields import checked, require
from memory_budget_allocator.json_input import JsonRefusedError, parse_strictly
from memory_budget_allocator.wording import one_line

if TYPE_CHECKING:
    from datetime import datetime
    from pathlib import Path

    from numpy.typing import NDArray

    from memory_budget_allocator.json_fields import Kind

__all__ = ["conversation_files", "read_conversation"]

TEXTS = ".json.gz"
ARRAYS = ".npz"


def conversation_files(folder: Path) -> list[tuple[Path, Path]]:
    """The two files of each conversation of a folder; by name, numbers in a name by their value.

    Raises:
        DataError: the folder holds no conversation, or half of one.
    """
    endings = (TEXTS, ARRAYS)
    names = {path.name.removesuffix(end) for end in endings for path in folder.glob(f"*{end}")}
    if not names:
        raise DataError(f"{_shown(folder)}: no conversation in it (a NAME{TEXTS} with a NAME{ARRAYS})")
    pairs = [(folder / f"{name}{TEXTS}", folder / f"{name}{ARRAYS}") for name in sorted(names, key=_natural)]
    for pair in pairs:
        for path, other in (pair, pair[::-1]):
            if not path.is_file():
                raise DataError(f"{_shown(path)}: missing, although there is a {one_line(other.name)}")
    return pairs


def read_conversation(texts: Path, arrays: Path) -> Conversation:
    """Read and check one conversation. Keys and arrays that are not needed are not looked at.

    Raises:
        DataError: a file cannot be read or does not have the format.
    """
    place = _shown(texts)
    document = checked(place, "the document", "object", _read_json(texts))
    name: str = _field(place, document, "conversation", "text")
    now: datetime = aware(_field(place, document, "now", "known time"))
    candidates = _candidates(place, _field(place, document, "items", "list"))
    entries = _field(place, document, "questions", "list")
    matrices = _read_arrays(arrays, (len(entries), len(candidates)))
    bm25 = matrices.get("bm25")
    return Conversation(
        name,
        tuple(
            _question(
                f"{place}: questions[{number}]",
                entry,
                (name, now),
                candidates,
                relevance=matrices["sim"][number],
                bm25=None if bm25 is None else bm25[number],
            )
            for number, entry in enumerate(entries)
        ),
    )


def _candidates(place: str, items: list[object]) -> CandidateSet:
    places = [f"{place}: items[{position}]" for position in range(len(items))]
    records = [checked(where, "the item", "object", item) for where, item in zip(places, items, strict=True)]
    located = list(zip(places, records, strict=True))
    return CandidateSet(
        ids=unique_ids((where, _field(where, record, "id", "text")) for where, record in located),
        texts=tuple(_field(where, record, "text", "text") for where, record in located),
        tokens=tuple(_field(where, record, "tokens", "positive count") for where, record in located),
        timestamps=tuple(aware(_field(where, record, "ts", "known time")) for where, record in located),
        importances=(0.5,) * len(records),
        sessions=tuple(
            checked(where, "session", "label", record.get("session")) for where, record in located
        ),
    )


def _question(
    place: str,
    entry: object,
    about: tuple[str, datetime],
    candidates: CandidateSet,
    *,
    relevance: NDArray[np.float64],
    bm25: NDArray[np.float64] | None,
) -> JudgedQuestion:
    record = checked(place, "the question", "object", entry)
    category = "category_name" if record.get("category_name") is not None else "category"
    return JudgedQuestion(
        Question(_field(place, record, "id", "text"), _field(place, record, "text", "text"), *about),
        candidates,
        relevance,
        gold=positions_of(place, "evidence", _field(place, record, "evidence", "texts"), candidates),
        updated=positions_of(
            place, "updated", checked(place, "updated", "texts", record.get("updated", [])), candidates
        ),
        category=checked(place, category, "label", record.get(category)),
        bm25=bm25,
    )


def _field(place: str, record: dict[str, Any], key: str, kind: Kind) -> Any:
    require(place, record, key, kind)
    return checked(place, key, kind, record[key])


def _read_json(path: Path) -> object:
    try:
        with gzip.open(path, "rt", encoding="utf-8") as file:
            return parse_strictly(file.read())
    except (OSError, EOFError, zlib.error) as error:
        reason = getattr(error, "strerror", None) or error
        raise DataError(f"{_shown(path)}: cannot be read: {reason}") from None
    except UnicodeDecodeError as error:
        raise DataError(f"{_shown(path)}: not valid UTF-8: {error.reason}") from None
    except JsonRefusedError as error:
        at = "" if error.position is None else f" (character {error.position + 1})"
        raise DataError(f"{_shown(path)}: {error}{at}") from None


def _read_arrays(path: Path, shape: tuple[int, int]) -> dict[str, NDArray[np.float64]]:
    """The matrices of questions x items: ``sim`` always, ``bm25`` if it is there."""
    place = _shown(path)
    try:
        with np.load(path, allow_pickle=False) as arrays:
            matrices = {name: np.asarray(arrays[name]) for name in ("sim", "bm25") if name in arrays}
    except (OSError, EOFError, ValueError, TypeError, RuntimeError, zipfile.BadZipFile, zlib.error) as error:
        raise DataError(f"{place}: cannot be read: {one_line(str(error))}") from None
    if "sim" not in matrices:
        raise DataError(f"{place}: sim: missing, must be floats, questions x items")
    for name, matrix in matrices.items():
        if matrix.shape != shape or matrix.dtype.kind != "f":
            raise DataError(
                f"{place}: {name}: must hold floats for {shape[0]} questions x {shape[1]} items, "
                f"got {matrix.dtype} {' x '.join(map(str, matrix.shape))}"
            )
        unusable = np.argwhere(~np.isfinite(matrix))
        if len(unusable):
            row, column = map(int, unusable[0])
            raise DataError(
                f"{place}: {name}[{row}, {column}]: must be a finite number, got {matrix[row, column]}"
            )
    # Exact, as a double has room for more.
    return {name: matrix.astype(np.float64) for name, matrix in matrices.items()}


def _natural(name: str) -> list[tuple[int, str]]:
    """A key that sorts "chat-2" before "chat-10"."""
    return [(int(part), "") if part.isdecimal() else (0, part) for part in re.split(r"(\d+)", name) if part]


def _shown(path: Path) -> str:
    return one_line(str(path))
