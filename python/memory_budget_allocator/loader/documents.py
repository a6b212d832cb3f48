"""A YAML or JSON file as a document: nodes that can be asked for their meaning and for their place."""

from __future__ import annotations

import codecs
import errno
import logging
import os
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn, cast

from yaml.nodes import MappingNode, Node, ScalarNode, SequenceNode

from memory_budget_allocator.errors import (
    ArgumentTypeError,
    ConfigurationError,
    ConfigurationNotFoundError,
    ConfigurationTypeError,
)
from memory_budget_allocator.loader.composition import compose, place
from memory_budget_allocator.loader.json_composition import compose_json
from memory_budget_allocator.loader.scalars import MERGE, JsonScalar, Surprise, is_empty, is_plain, value_of
from memory_budget_allocator.wording import one_line, shown

if TYPE_CHECKING:
    from collections.abc import Iterator

    from memory_budget_allocator.loader.scalars import Value

__all__ = ["Document", "Entry", "read_file", "written_path"]

logger = logging.getLogger("memory_budget_allocator")

MAXIMUM_FILE_BYTES = 1 << 20
"""Largest configuration file that is read: 1 MiB, some thousand workspaces."""

KeyPath = tuple[str | int, ...]
"""The keys, and positions in lists, from the top of the file down to a value."""


@dataclass(frozen=True, slots=True)
class Entry:
    """One key of a mapping with its value."""

    key: str
    key_node: ScalarNode
    value: Node
    merged: bool
    """Whether ``<<`` brought it here from another mapping."""


def read_file(path: str | os.PathLike[str]) -> Document:
    """Read a configuration file: JSON if its name ends in .json, otherwise YAML.

    Raises:
        ConfigurationNotFoundError: there is no such file.
        ConfigurationError: it cannot be read or is no single, bounded document.
        ArgumentTypeError: `path` is no path.
    """
    try:
        location = os.fsdecode(os.fspath(path))
    except TypeError:
        raise ArgumentTypeError(f"path must be a str or an os.PathLike, got {shown(path)}") from None
    name = one_line(location) or repr(location)
    if not location:  # pathlib would take it for the current directory
        raise ConfigurationNotFoundError(errno.ENOENT, "there is no such configuration file", location)
    try:
        # One byte more than allowed tells a file that is too large, however large (or endless) it is.
        with Path(location).open("rb") as file:
            content = file.read(MAXIMUM_FILE_BYTES + 1)
    except FileNotFoundError:
        raise ConfigurationNotFoundError(
            errno.ENOENT, "there is no such configuration file", location
        ) from None
    except OSError as error:
        raise ConfigurationError(f"{name}: cannot be read: {error.strerror or error}") from error
    except ValueError as error:  # a NUL character in the path
        raise ConfigurationError(f"{name}: cannot be read: {error}") from error
    if len(content) > MAXIMUM_FILE_BYTES:
        raise ConfigurationError(
            f"{name}: larger than {MAXIMUM_FILE_BYTES} bytes, too large for a configuration"
        )
    is_json = location.endswith(".json")
    return Document(name, _decode(name, content), Path(location).parent, is_json=is_json)


def _decode(name: str, content: bytes) -> str:
    utf_16 = content.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE))
    try:
        return content.decode("utf-16" if utf_16 else "utf-8-sig")
    except UnicodeDecodeError as error:
        line = content.count(b"\n", 0, error.start) + 1
        raise ConfigurationError(
            f"{name}, line {line}: not valid {error.encoding}: {error.reason}"
        ) from error


class Document:
    """One document: its root node, and how to read and to complain about the nodes below it."""

    def __init__(self, name: str, text: str, folder: Path = Path(), *, is_json: bool = False) -> None:
        """Parse `text`; `name` stands for the file in messages, files it names are sought from `folder`."""
        self.name = name
        self.folder = folder
        self.root = compose_json(name, text) if is_json else compose(name, text)
        self._mappings: dict[int, dict[str, Entry]] = {}

    def where(self, node: Node) -> str:
        """File, line and column of a node."""
        return place(self.name, node.start_mark)

    def fail(
        self,
        node: Node,
        path: KeyPath,
        problem: str,
        *,
        kind: type[ConfigurationError] = ConfigurationError,
        field: str | None = None,
        value: object = None,
    ) -> NoReturn:
        """Raise a `ConfigurationError` that names the place of `node`, the key path and the problem."""
        subject = f"{written_path(path)} " if path else ""
        if value is None and isinstance(node, ScalarNode):
            value = cast("str", node.value)
        message = f"{self.where(node)}: {subject}{problem}"
        last = path[-1] if path else None
        raise kind(message, field=field or (last if isinstance(last, str) else None), value=value) from None

    def mapping(self, node: Node, path: KeyPath) -> dict[str, Entry]:
        """The entries of a mapping by key, merges followed; nothing written counts as an empty mapping."""
        known = self._mappings.get(id(node))
        if known is not None:
            return known
        if isinstance(node, ScalarNode) and is_empty(node):
            return {}
        if not isinstance(node, MappingNode):
            problem = f"must be a mapping of keys to values, got {self.written(node)}"
            self.fail(node, path, problem if path else f"the file {problem}", kind=ConfigurationTypeError)
        self._refuse_tag(node, path, "map")
        own: dict[str, Entry] = {}
        inherited: dict[str, Entry] = {}
        for key_node, value in cast("list[tuple[Node, Node]]", node.value):
            if key_node.tag == MERGE:
                for source in self._merge_sources(value, path):
                    for key, entry in self.mapping(source, path).items():
                        inherited.setdefault(key, replace(entry, merged=True))
                continue
            entry = self._entry(key_node, value, path)
            if entry.key in own:
                logger.warning(
                    "%s: the key %s stands twice in the same mapping (first in line %d); the last one counts",
                    self.where(key_node),
                    written_path((*path, entry.key)),
                    own[entry.key].key_node.start_mark.line + 1,
                )
            own[entry.key] = entry
        merged = {**inherited, **own}
        self._mappings[id(node)] = merged
        return merged

    def _entry(self, key_node: Node, value: Node, path: KeyPath) -> Entry:
        requirement = f"a key{_inside(path)} must be text"
        if not isinstance(key_node, ScalarNode):
            self.fail(
                key_node, (), f"{requirement}, got {self.written(key_node)}", kind=ConfigurationTypeError
            )
        key = self.scalar(key_node, (), requirement)
        if not isinstance(key, str):
            remedy = "write a name" if is_empty(key_node) else "put it in quotes if it is meant as a name"
            problem = (
                f"{requirement}, got {self.written(key_node)}, which YAML 1.1 reads as {_type_name(key)}: "
            )
            self.fail(key_node, (), problem + remedy, kind=ConfigurationTypeError)
        if not key:
            self.fail(key_node, (), f"a key{_inside(path)} must not be empty")
        return Entry(key, key_node, value, merged=False)

    def _merge_sources(self, node: Node, path: KeyPath) -> Iterator[Node]:
        sources = cast("list[Node]", node.value) if isinstance(node, SequenceNode) else [node]
        for source in sources:
            if not isinstance(source, MappingNode):
                self.fail(source, path, f"merges something that is no mapping: {self.written(source)}")
            yield source

    def sequence(self, node: Node, path: KeyPath, accepted: str) -> list[Node]:
        """The members of a list."""
        if not isinstance(node, SequenceNode):
            self.fail(
                node, path, f"must be {accepted}, got {self.written(node)}", kind=ConfigurationTypeError
            )
        self._refuse_tag(node, path, "seq")
        return cast("list[Node]", node.value)

    def scalar(self, node: ScalarNode, path: KeyPath, requirement: str) -> Value:
        """The value of a scalar; one that does not mean what it looks like is refused."""
        if isinstance(node, JsonScalar):
            return node.meaning
        try:
            return value_of(node)
        except Surprise as surprise:
            reading = f"which YAML 1.1 reads as {surprise.reading}: {surprise.remedy}"
            problem = f"{requirement}, got {self.written(node)}, {reading}"
            self.fail(node, path, problem, kind=ConfigurationTypeError)

    def value(self, node: Node, path: KeyPath) -> Any:
        """A node of any shape as plain Python: dict, list, str, int, float, bool, None."""
        if isinstance(node, MappingNode):
            return {
                key: self.value(entry.value, (*path, key)) for key, entry in self.mapping(node, path).items()
            }
        if isinstance(node, SequenceNode):
            members = self.sequence(node, path, "a list")
            return [self.value(member, (*path, number)) for number, member in enumerate(members)]
        assert isinstance(node, ScalarNode)
        return self.scalar(node, path, "must be a value that is what it looks like")

    def written(self, node: Node) -> str:
        """How a node was written, shortened."""
        if isinstance(node, MappingNode):
            return "a mapping"
        if isinstance(node, SequenceNode):
            return "a list"
        assert isinstance(node, ScalarNode)
        text: str = node.value
        if is_empty(node):
            return "nothing"
        return text if is_plain(node) and len(text) <= 80 and text.isprintable() else shown(text)

    def _refuse_tag(self, node: Node, path: KeyPath, kind: str) -> None:
        if node.tag != f"tag:yaml.org,2002:{kind}":
            self.fail(
                node, path, f"has the explicit type {shown(node.tag)}, which a configuration does not use"
            )


def written_path(path: KeyPath) -> str:
    """A key path for messages: ``default.tier_allocation``, with quotes around unusual keys."""
    parts: list[str] = []
    for step in path:
        if isinstance(step, int):
            parts.append(f"[{step}]")
            continue
        usual = step.replace("-", "_").isidentifier() and len(step) <= 80
        parts.append(("." if parts else "") + (step if usual else shown(step)))
    return "".join(parts)


def _inside(path: KeyPath) -> str:
    return f" of {written_path(path)}" if path else ""


def _type_name(value: object) -> str:
    match value:
        case None:
            return "no value"
        case bool():
            return "a boolean"
        case _:
            return "a number"
