"""What single nodes of a configuration file mean: each value as its key accepts it."""

from __future__ import annotations

from typing import TYPE_CHECKING, cast

from yaml.nodes import MappingNode, ScalarNode

from memory_budget_allocator.configuration_keys import RANKING_KEYS
from memory_budget_allocator.errors import (
    ConfigurationError,
    ConfigurationNotFoundError,
    ConfigurationTypeError,
)
from memory_budget_allocator.levels import MemoryTier
from memory_budget_allocator.loader.documents import read_file
from memory_budget_allocator.tokens import is_file_name
from memory_budget_allocator.wording import nearest_known

if TYPE_CHECKING:
    import os
    from collections.abc import Collection, Iterable, Iterator

    from yaml.nodes import Node

    from memory_budget_allocator.configuration_key import ConfigurationKey
    from memory_budget_allocator.loader.documents import Document, Entry, KeyPath

__all__ = ["read_ranking_file", "read_rows", "read_text", "read_value"]


def read_value(document: Document, node: Node, path: KeyPath, row: ConfigurationKey) -> object:  # noqa: PLR0911
    """The value of a node, which has to be one that the key accepts."""
    match row.kind:
        case "texts":
            members = document.sequence(node, path, row.accepted)
            return [read_text(document, member, path, row.accepted) for member in members]
        case "integers":
            members = document.sequence(node, path, row.accepted)
            return [_read_number(document, member, path, row) for member in members]
        case "identifier" | "text" | "frame":
            return read_text(document, node, path, row.accepted)
        case "tokenizer":
            return _read_tokenizer(document, node, path, row)
        case "headings" if not isinstance(node, ScalarNode):
            return _read_headings(document, node, path)
        case "headings":
            return read_text(document, node, path, row.accepted)
        case "integer" | "number":
            return _read_number(document, node, path, row)
        case "half_life":
            return _read_half_life(document, node, path, row)
        case "ranking":
            return _read_ranking(document, node, path, row)
        case _:
            return _read_scalar(document, node, path, row)


def _scalar(document: Document, node: Node, path: KeyPath, accepted: str) -> object:
    """The value of a scalar; None for a list or a mapping."""
    return document.scalar(node, path, f"must be {accepted}") if isinstance(node, ScalarNode) else None


def read_text(document: Document, node: Node, path: KeyPath, accepted: str) -> str:
    """The text of a scalar that means one."""
    value = _scalar(document, node, path, accepted)
    if not isinstance(value, str):
        quotes = "" if value is None else ": put it in quotes"
        document.fail(
            node,
            path,
            f"must be {accepted}, got {document.written(node)}{quotes}",
            kind=ConfigurationTypeError,
        )
    return value


def _read_tokenizer(document: Document, node: Node, path: KeyPath, row: ConfigurationKey) -> str:
    """The name of a counter or of a model, or the path of a file: read when it is needed, so that it must not
    depend on the folder the program is in by then."""
    name = read_text(document, node, path, row.accepted)
    return str((document.folder / name).absolute()) if is_file_name(name) else name


def _read_headings(document: Document, node: Node, path: KeyPath) -> dict[str, str]:
    tiers = [tier.value for tier in MemoryTier]
    return {
        key: read_text(document, entry.value, (*path, key), "text")
        for key, entry in _known_members(document, node, path, tiers)
    }


def _read_number(document: Document, node: Node, path: KeyPath, row: ConfigurationKey) -> float | None:
    value = _scalar(document, node, path, row.accepted)
    if row.optional and value is None and isinstance(node, ScalarNode):
        return None
    whole = row.kind in ("integer", "integers")
    if isinstance(value, bool) or not isinstance(value, int if whole else (int, float)):
        problem = f"must be {row.accepted}, got {document.written(node)}"
        document.fail(node, path, problem, kind=ConfigurationTypeError, field=row.field)
    if not row.in_range(value):
        problem = f"must be {row.accepted}, got {document.written(node)}"
        document.fail(node, path, problem, field=row.field, value=value)
    if whole:
        return value
    try:
        return float(value)
    except OverflowError:
        document.fail(
            node, path, f"must be a number that a 64-bit float can hold, got {document.written(node)}"
        )


def _read_scalar(document: Document, node: Node, path: KeyPath, row: ConfigurationKey) -> object:
    """A value whose type decides what it means: a flag, a choice, tokens or a share, tokens or a text."""
    value = _scalar(document, node, path, row.accepted)
    is_whole = isinstance(value, int) and not isinstance(value, bool)
    of_type = {
        "flag": isinstance(value, bool),
        "choice": isinstance(value, str),
        "amount": is_whole or isinstance(value, float),
        "reserve": is_whole or isinstance(value, str),
    }[row.kind]
    problem = f"must be {row.accepted}, got {document.written(node)}"
    if not of_type:
        document.fail(node, path, problem, kind=ConfigurationTypeError, field=row.field)
    refused = (
        (isinstance(value, float) and not 0 <= value <= 1)
        or (is_whole and not row.in_range(cast("int", value)))
        or (row.kind == "choice" and value not in row.choices)
    )
    if refused:
        document.fail(node, path, problem, field=row.field, value=value)
    return value


def _read_half_life(
    document: Document, node: Node, path: KeyPath, row: ConfigurationKey
) -> float | dict[str, float | None] | None:
    """A number, or a mapping from tiers to numbers."""
    if not isinstance(node, MappingNode):
        return _read_number(document, node, path, row)
    tiers = [tier.value for tier in MemoryTier]
    hours: dict[str, float | None] = {}
    for name, entry in document.mapping(node, path).items():
        if name not in tiers:
            hint = nearest_known(name, tiers).replace("known key", "tier")
            document.fail(entry.key_node, (*path, name), f"is no tier; {hint}")
        hours[name] = _read_number(document, entry.value, (*path, name), row)
    return hours


def _read_ranking(
    document: Document, node: Node, path: KeyPath, row: ConfigurationKey
) -> str | dict[str, object]:
    """The name of a ranking, or its parts: written here or in a file that is named here."""
    if isinstance(node, MappingNode):
        return read_rows(document, node, path, RANKING_KEYS)
    value = _scalar(document, node, path, row.accepted)
    problem = f"must be {row.accepted}, got {document.written(node)}"
    if not isinstance(value, str):
        document.fail(node, path, problem, kind=ConfigurationTypeError)
    if value in row.choices:
        return value
    if not value.endswith(".json"):
        document.fail(node, path, problem)
    try:
        return read_ranking_file(document.folder / value)
    except (ConfigurationError, ConfigurationNotFoundError) as error:
        document.fail(node, path, f"names a file that cannot be used: {error}", value=value)


def read_ranking_file(path: str | os.PathLike[str]) -> dict[str, object]:
    """The parts of a ranking from a file of their own.

    Raises:
        ConfigurationNotFoundError: there is no such file.
        ConfigurationError: naming file, line, column, key and value of the first thing that is wrong.
    """
    document = read_file(path)
    return {} if document.root is None else read_rows(document, document.root, (), RANKING_KEYS)


def read_rows(
    document: Document, node: Node, path: KeyPath, keys: Iterable[ConfigurationKey]
) -> dict[str, object]:
    """What a mapping of such keys holds, each value checked by its row."""
    rows = {row.key: row for row in keys}
    return {
        key: read_value(document, entry.value, (*path, key), rows[key])
        for key, entry in _known_members(document, node, path, rows)
    }


def _known_members(
    document: Document, node: Node, path: KeyPath, known: Collection[str]
) -> Iterator[tuple[str, Entry]]:
    """The members of a mapping one by one, up to the first whose key is not known: that is an error."""
    for key, entry in document.mapping(node, path).items():
        if key not in known:
            document.fail(entry.key_node, (*path, key), f"is an unknown key; {nearest_known(key, known)}")
        yield key, entry
