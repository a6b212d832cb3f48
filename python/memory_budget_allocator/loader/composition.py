"""YAML text to a tree of nodes with positions, in bounded space; nothing is constructed from it.

An alias costs a few characters and stands for as much as one likes: depth and number of nodes are counted
as if every alias were written out.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, cast

from yaml.composer import Composer
from yaml.error import MarkedYAMLError, YAMLError
from yaml.events import AliasEvent
from yaml.parser import Parser
from yaml.reader import Reader, ReaderError
from yaml.resolver import Resolver
from yaml.scanner import Scanner

from memory_budget_allocator.errors import ConfigurationError
from memory_budget_allocator.wording import one_line

if TYPE_CHECKING:
    from yaml.error import Mark
    from yaml.nodes import Node

__all__ = ["compose", "place", "refuse_excess"]

MAXIMUM_NODES = 100_000
"""Most keys and values after every alias has been replaced by what it stands for."""
MAXIMUM_DEPTH = 50
"""Deepest nesting of mappings and lists, aliases followed."""


def place(name: str, mark: Mark | None) -> str:
    """File, line and column of a mark, counted from 1."""
    return name if mark is None else f"{name}, line {mark.line + 1}, column {mark.column + 1}"


def compose(name: str, text: str) -> Node | None:
    """The root node of the only document in `text`; None if it holds none.

    Raises:
        ConfigurationError: the text is no YAML, holds more than one document or exceeds a bound.
    """
    try:
        composer = _BoundedComposer(name, text)
        try:
            return composer.get_single_node()
        finally:
            composer.dispose()
    except MarkedYAMLError as error:
        reason = " ".join(part for part in (error.context, error.problem) if part)
        where = place(name, error.problem_mark or error.context_mark)
        raise ConfigurationError(f"{where}: not valid YAML: {one_line(reason)}") from error
    except ReaderError as error:
        line = len((text[: error.position] + ".").splitlines())
        character = f"U+{ord(text[error.position]):04X}"
        raise ConfigurationError(
            f"{name}, line {line}: not valid YAML: the character {character} is not allowed"
        ) from error
    except YAMLError as error:
        raise ConfigurationError(f"{name}: not valid YAML: {one_line(str(error))}") from error
    except RecursionError as error:
        raise ConfigurationError(f"{name}: nested too deeply") from error
    except (ValueError, TypeError, LookupError, AttributeError, ArithmeticError) as error:
        if isinstance(error, ConfigurationError):
            raise
        # PyYAML lets some malformed input through to where its own code stumbles, "\\UFFFFFFFF" for one.
        raise ConfigurationError(f"{name}: not valid YAML: {one_line(str(error))}") from error


def refuse_excess(
    name: str, mark: Mark | None, nodes: int, depth: int, counted: str = " keys and values"
) -> None:
    """Raise a `ConfigurationError` for a tree with too many nodes, or for a node too deep in it."""
    if nodes > MAXIMUM_NODES:
        raise ConfigurationError(f"{place(name, mark)}: more than {MAXIMUM_NODES}{counted}")
    if depth > MAXIMUM_DEPTH:
        raise ConfigurationError(f"{place(name, mark)}: nested more than {MAXIMUM_DEPTH} levels deep")


class _BoundedComposer(Reader, Scanner, Parser, Composer, Resolver):
    """PyYAML's reader without any constructor: it can build nodes and nothing else."""

    def __init__(self, name: str, text: str) -> None:
        Reader.__init__(self, text)
        Scanner.__init__(self)
        Parser.__init__(self)
        Composer.__init__(self)
        Resolver.__init__(self)
        self._name = name
        self._nodes = 0
        self._depth = 0
        self._deepest = 0
        # What an alias stands for: how many nodes, and how many levels below itself.
        self._extent: dict[int, tuple[int, int]] = {}

    def compose_node(self, parent: Node | None, index: int) -> Node | None:
        mark = cast("Mark | None", cast("Any", self).peek_event().start_mark)  # PyYAML's stub lacks its type
        if self.check_event(AliasEvent):
            node = super().compose_node(parent, index)
            extent = self._extent.get(id(node))
            if extent is None:
                raise ConfigurationError(
                    f"{place(self._name, mark)}: an alias stands for a value that contains itself"
                )
            self._count(extent[0], self._depth + extent[1], mark)
            return node
        before = self._nodes
        enclosing_deepest, self._deepest = self._deepest, self._depth
        self._count(1, self._depth, mark)
        self._depth += 1
        node = super().compose_node(parent, index)
        self._depth -= 1
        self._extent[id(node)] = (self._nodes - before, self._deepest - self._depth)
        self._deepest = max(enclosing_deepest, self._deepest)
        return node

    def _count(self, nodes: int, depth: int, mark: Mark | None) -> None:
        self._nodes += nodes
        self._deepest = max(self._deepest, depth)
        refuse_excess(self._name, mark, self._nodes, depth, " keys and values, aliases followed")
