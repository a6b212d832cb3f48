"""``memory-budget config``: check a configuration file, show a workspace."""

from __future__ import annotations

import copy
from typing import TYPE_CHECKING, cast

from yaml.nodes import MappingNode, Node

from memory_budget_allocator.command_line.problems import DataError
from memory_budget_allocator.command_line.streams import write_json, write_lines
from memory_budget_allocator.configuration_keys import OTHER_SECTIONS
from memory_budget_allocator.errors import ConfigurationError
from memory_budget_allocator.levels import MemoryTier, QueryComplexity
from memory_budget_allocator.loader import MemoryBudgetConfigLoader, read_packaged_configuration
from memory_budget_allocator.loader.documents import read_file
from memory_budget_allocator.loader.sections import read_configuration
from memory_budget_allocator.tables import Column, facts, number, table, terminal_width
from memory_budget_allocator.text_width import displayable
from memory_budget_allocator.wording import nearest_known, shown

if TYPE_CHECKING:
    import argparse
    from collections.abc import Iterator, Mapping

    from memory_budget_allocator.loader.documents import Document
    from memory_budget_allocator.loader.sections import ConfigurationFile, Settings
    from memory_budget_allocator.workspace import WorkspaceConfig

__all__ = ["run_check", "run_show"]


def run_check(arguments: argparse.Namespace) -> None:
    """Check a file; what is wrong is a line for every workspace and section."""
    document = read_file(arguments.file)
    try:
        found = read_configuration(document, _packaged)
    except ConfigurationError as error:
        raise DataError(*_problems_by_section(document) or [str(error)]) from error
    # The objects are made to hear what is possible but unusual about them.
    found.workspace_configs()
    found.project_configs()
    write_lines(_summary(found))


def _packaged() -> Mapping[str, Settings]:
    return read_packaged_configuration().workspaces


def _problems_by_section(document: Document) -> list[str]:
    """The first problem of each top-level section, in the order of the file; overrides come last."""
    root = document.root
    if not isinstance(root, MappingNode):
        return []
    pairs = cast("list[tuple[Node, Node]]", root.value)
    problems: list[str] = []
    usable: list[tuple[Node, Node]] = []
    # Overrides build on the workspaces, wherever these stand.
    overrides = [pair for pair in pairs if pair[0].value == "project_overrides"]
    parts: list[Document] = []  # kept, because the document tells its nodes by identity
    for pair in [pair for pair in pairs if pair not in overrides] + overrides:
        part = copy.copy(document)
        around = usable if pair in overrides else []
        part.root = MappingNode(root.tag, [*around, pair], root.start_mark, root.end_mark)
        parts.append(part)
        try:
            read_configuration(part, _packaged)
        except ConfigurationError as error:
            problems.append(str(error))
        else:
            if pair[0].value not in OTHER_SECTIONS:
                usable.append(pair)
    return problems


def _summary(found: ConfigurationFile) -> list[str]:
    projects = [
        f"{workspace}/{project}"
        for workspace, overrides in found.project_overrides.items()
        for project in overrides
    ]
    return [
        f"{found.name}: no problems",
        *facts(
            [
                ("  workspaces", _counted(list(found.workspaces))),
                ("  project overrides", _counted(projects)),
                ("  complexity rules", "the documented ones" if found.complexity is None else "its own"),
                ("  logging", _counted(list(found.logging))),
                ("  performance", _counted(list(found.performance))),
            ],
            terminal_width(),
        ),
    ]


def _counted(names: list[str]) -> str:
    return f"{len(names)}: {displayable(', '.join(names))}" if names else "none"


def run_show(arguments: argparse.Namespace) -> None:
    """Print the settings of a workspace and its budgets."""
    workspaces = MemoryBudgetConfigLoader.load_default()
    own: Mapping[str, WorkspaceConfig] = {}
    if arguments.config is not None:
        own = MemoryBudgetConfigLoader.load_from_yaml(arguments.config)
        workspaces.update(own)
    config = workspaces.get(arguments.workspace)
    if config is None:
        hint = nearest_known(arguments.workspace, workspaces).replace("known key", "workspace")
        raise DataError(f"there is no workspace {shown(arguments.workspace)}; {hint}")
    if arguments.json:
        write_json(config.to_dict())
        return
    is_own = arguments.workspace in own
    source = displayable(str(arguments.config)) if is_own else "the packaged configuration"
    write_lines(_show(config, source))


def _written(value: object) -> str:
    """A setting as the file writes it."""
    if isinstance(value, bool):
        return "true" if value else "false"
    return displayable(value) if isinstance(value, str) else number(cast("float", value))


def _settings(name: str, value: object) -> Iterator[tuple[str, str]]:
    """A setting, or a section with what is in it."""
    if not isinstance(value, dict):
        yield name, _written(value)
        return
    yield name, ""
    for key, member in cast("dict[str, object]", value).items():
        yield from ((f"  {label}", text) for label, text in _settings(key, member))


def _show(config: WorkspaceConfig, source: str) -> Iterator[str]:
    width = terminal_width()
    settings: list[tuple[str, str]] = []
    for name, value in config.to_dict().items():
        if name != "workspace_id":
            settings += _settings(name, value)
    yield f"Workspace {displayable(config.workspace_id)}, from {source}"
    yield ""
    yield from facts(settings, width)
    yield ""
    yield "Token budgets by complexity of the query:"
    columns = [Column("TIER")]
    columns += [Column(level.value.upper(), right=True) for level in QueryComplexity]
    budgets = [[config.get_tier_budget(tier, level) for level in QueryComplexity] for tier in MemoryTier]
    rows = [(tier.value, *map(str, row)) for tier, row in zip(MemoryTier, budgets, strict=True)]
    rows.append(("total", *(str(sum(column)) for column in zip(*budgets, strict=True))))
    yield from table(columns, rows, width)
