"""Reading a data set in either format, whole or in part."""

from __future__ import annotations

import os
from fnmatch import fnmatchcase
from pathlib import Path
from typing import TYPE_CHECKING, Literal, TypeAlias

from memory_budget_allocator.errors import DataError
from memory_budget_allocator.evaluation.dataset import Dataset
from memory_budget_allocator.evaluation.folder_format import conversation_files, read_conversation
from memory_budget_allocator.evaluation.json_lines_format import dataset_from_located_records
from memory_budget_allocator.json_input import STANDARD_INPUT, read_objects
from memory_budget_allocator.wording import one_line, shown

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    Progress: TypeAlias = Callable[[list[tuple[Path, Path]]], Iterable[tuple[Path, Path]]]

__all__ = ["Half", "load", "part_of"]

Half: TypeAlias = Literal["odd", "even"]


def load(
    path: str | os.PathLike[str],
    *,
    conversations: str = "*",
    half: Half | None = None,
    progress: Progress | None = None,
) -> Dataset:
    """Read and check a data set.

    Args:
        path: a folder of conversations, or a JSON lines file of questions; - is standard input.
        conversations: which of them, as a pattern of their names with ``*``, ``?`` and ``[...]``.
        half: "odd" (the first, third, ... conversation of the data) or "even", so that a rule can be chosen
            on one half and judged on the other. Counted before `conversations` applies.
        progress: wraps the list of files that are read from a folder; ``tqdm`` will do.

    Raises:
        DataError: the data cannot be used (file, place, field and value are named), or no conversation is
            left.
    """
    name = os.fspath(path)
    if name != STANDARD_INPUT and Path(name).is_dir():
        files = conversation_files(Path(name))
        steps = files if progress is None else progress(files)
        whole = Dataset(Path(name).resolve().name, tuple(read_conversation(*pair) for pair in steps))
    else:
        located = read_objects(name, "a question", "questions")
        whole = dataset_from_located_records(Path(name).name, located)
    if not whole.conversations:
        raise DataError(f"{one_line(name)}: no question in it")
    return part_of(whole, conversations=conversations, half=half)


def part_of(dataset: Dataset, *, conversations: str = "*", half: Half | None = None) -> Dataset:
    """Some of the conversations of a data set; see `load`.

    Raises:
        DataError: no conversation is left.
    """
    every = dataset.conversations
    if half is not None:
        every = every[("odd", "even").index(half) :: 2]
    kept = tuple(each for each in every if fnmatchcase(each.name, conversations))
    if not kept:
        which = "" if half is None else f" {half}"
        raise DataError(
            f"{one_line(dataset.name)}: none of {len(every)}{which} conversations matches "
            f"{shown(conversations)}; the first is {shown(dataset.conversations[0].name)}"
        )
    return Dataset(dataset.name, kept)
