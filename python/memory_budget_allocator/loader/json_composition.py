"""JSON text to the tree of nodes that a YAML text gives: both are then checked, and complained about, alike.

PyYAML reads most JSON, but not all as it is meant: an escaped character beyond the first 65,536 becomes two
halves, ``1e3`` a text, and a tab between two keys an error.
"""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING

from yaml.error import Mark
from yaml.nodes import MappingNode, SequenceNode

from memory_budget_allocator.errors import ConfigurationError
from memory_budget_allocator.json_input import JsonRefusedError, parse_strictly
from memory_budget_allocator.loader.composition import place, refuse_excess
from memory_budget_allocator.loader.scalars import TAG, JsonScalar

if TYPE_CHECKING:
    from yaml.nodes import Node

__all__ = ["compose_json"]

_TOKEN = re.compile(r'"[^"\\]*(?:\\.[^"\\]*)*"|[][{}]|[^][{}:," \t\n\r]+')
"""A string, a bracket, or a number or literal: what a text that is known to be JSON consists of."""


def compose_json(name: str, text: str) -> Node | None:
    """The root node of the JSON value in `text`; None if there is none.

    A key that stands twice in one object is left to whoever reads the mapping, as it is with YAML.

    Raises:
        ConfigurationError: the text is no JSON, holds a number that no 64-bit float can hold, or exceeds a
            bound.
    """
    if not text.strip(" \t\n\r"):
        return None
    try:
        parse_strictly(text, unique_keys=False)
    except JsonRefusedError as error:
        where = place(name, None if error.position is None else _mark(name, text, error.position))
        raise ConfigurationError(f"{where}: {error}") from error
    return _compose(name, text)


def _compose(name: str, text: str) -> Node:
    root: Node | None = None
    containers: list[MappingNode | SequenceNode] = []
    key: Node | None = None
    line, start_of_line, counted = 0, 0, 0
    nodes = 0
    for match in _TOKEN.finditer(text):
        token, position = match.group(), match.start()
        if token in ("]", "}"):
            containers.pop()
            continue
        feeds = text.count("\n", counted, position)
        if feeds:
            line, start_of_line = line + feeds, text.rindex("\n", counted, position) + 1
        counted = position
        nodes += 1
        mark = Mark(name, position, line, position - start_of_line, None, 0)
        refuse_excess(name, mark, nodes, len(containers))
        node = _node(token, mark)
        around = containers[-1] if containers else None
        if around is None:
            root = node
        elif isinstance(around, SequenceNode):
            around.value.append(node)
        elif key is None:
            key = node
        else:
            around.value.append((key, node))
            key = None
        if isinstance(node, (MappingNode, SequenceNode)):
            containers.append(node)
    assert root is not None
    return root


def _node(token: str, mark: Mark) -> MappingNode | SequenceNode | JsonScalar:
    if token == "{":
        return MappingNode(f"{TAG}map", [], mark, mark)
    if token == "[":
        return SequenceNode(f"{TAG}seq", [], mark, mark)
    meaning = json.loads(token)
    kind = "null" if meaning is None else type(meaning).__name__
    is_text = isinstance(meaning, str)
    # Without a style a scalar counts as plain, and messages show it as it was written.
    node = JsonScalar(TAG + kind, meaning if is_text else token, mark, mark, style='"' if is_text else None)
    node.meaning = meaning
    return node


def _mark(name: str, text: str, position: int) -> Mark:
    start_of_line = text.rfind("\n", 0, position) + 1
    return Mark(name, position, text.count("\n", 0, position), position - start_of_line, None, 0)
