"""What the nodes of a configuration file mean: workspaces, projects, complexity rules, free sections."""

from __future__ import annotations

import copy
import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeAlias

from yaml.nodes import MappingNode, ScalarNode

from memory_budget_allocator import _core
from memory_budget_allocator.complexity_rules import ComplexityRules
from memory_budget_allocator.configuration_key import ConfigurationKey
from memory_budget_allocator.configuration_keys import (
    COMPLEXITY_KEYS,
    OTHER_SECTIONS,
    TEMPLATE_KEYS,
    WORKSPACE_KEYS,
    WORKSPACE_LAYOUT,
    place_in_workspace,
)
from memory_budget_allocator.errors import (
    ConfigurationError,
    ConfigurationTypeError,
)
from memory_budget_allocator.loader.documents import read_file, written_path
from memory_budget_allocator.loader.scalars import is_empty
from memory_budget_allocator.loader.values import read_rows, read_text, read_value
from memory_budget_allocator.prompt_template import PromptTemplate
from memory_budget_allocator.wording import nearest_known, shown
from memory_budget_allocator.workspace import WorkspaceConfig, sums_to_one

if TYPE_CHECKING:
    import os
    from collections.abc import Callable, Mapping

    from yaml.nodes import Node

    from memory_budget_allocator.loader.documents import Document, Entry, KeyPath

__all__ = ["ConfigurationFile", "Settings", "read_configuration", "read_template_file"]

Settings: TypeAlias = "dict[str, Any]"
"""A workspace in the nested shape of the file, complete and checked."""

_SUMS = {"tier_allocation": "shares", "scoring_weights": "weights"}


@dataclass(frozen=True, slots=True)
class ConfigurationFile:
    """Everything one file says, checked; the workspace objects are made anew each time they are asked for."""

    name: str
    """The file, as messages name it."""
    workspaces: Mapping[str, Settings]
    project_overrides: Mapping[str, Mapping[str, Settings]]
    complexity: ComplexityRules | None
    logging: Mapping[str, Any]
    performance: Mapping[str, Any]

    def workspace_configs(self) -> dict[str, WorkspaceConfig]:
        """A fresh configuration object for every workspace, by id."""
        made = WorkspaceConfig.from_dict
        return {workspace_id: made(settings) for workspace_id, settings in self.workspaces.items()}

    def workspace_config(self, workspace_id: str) -> WorkspaceConfig | None:
        """A fresh configuration object for one workspace; None if the file does not define it."""
        settings = self.workspaces.get(workspace_id)
        return None if settings is None else WorkspaceConfig.from_dict(settings)

    def project_configs(self) -> dict[str, dict[str, WorkspaceConfig]]:
        """A fresh configuration object for every project, by workspace id and project id."""
        made = WorkspaceConfig.from_dict
        return {
            workspace_id: {project_id: made(settings) for project_id, settings in projects.items()}
            for workspace_id, projects in self.project_overrides.items()
        }


class _Checked(WorkspaceConfig):
    """A workspace that is refused as any other, and silent about what is only unusual: whoever makes one to
    use it hears of that."""

    def __post_init__(self) -> None:
        """Check every field."""
        _core.check_workspace(self)


def read_configuration(
    document: Document, packaged: Callable[[], Mapping[str, Settings]]
) -> ConfigurationFile:
    """Check a whole document; `packaged` gives the workspaces an allocator knows without any file.

    Raises:
        ConfigurationError: naming file, line, column, key path and value of the first thing that is wrong.
    """
    defaults = WorkspaceConfig("default").to_dict()
    top = {} if document.root is None else document.mapping(document.root, ())
    workspaces = {
        key: _read_workspace(document, entry, (key,), key, {**defaults, "workspace_id": key})
        for key, entry in top.items()
        if key not in OTHER_SECTIONS
    }
    return ConfigurationFile(
        name=document.name,
        workspaces=workspaces,
        project_overrides=_read_overrides(document, top.get("project_overrides"), workspaces, packaged),
        complexity=_read_complexity(document, top.get("complexity")),
        logging=_read_free(document, top.get("logging")),
        performance=_read_free(document, top.get("performance")),
    )


def _read_workspace(
    document: Document, entry: Entry, path: KeyPath, workspace_id: str, base: Settings
) -> Settings:
    """The settings of one workspace or project: what is written, over `base`."""
    if isinstance(entry.value, ScalarNode) and is_empty(entry.value):
        problem = "holds nothing: write {} if every key shall keep its default"
        document.fail(entry.value, path, problem, kind=ConfigurationTypeError)
    settings = copy.deepcopy(base)
    for name, member in document.mapping(entry.value, path).items():
        layout = WORKSPACE_LAYOUT.get(name)
        here = (*path, name)
        if layout is None:
            _refuse_unknown(document, member, path, WORKSPACE_LAYOUT)
        elif name == "workspace_id":
            _check_workspace_id(document, member, here, workspace_id)
        elif isinstance(layout, ConfigurationKey):
            settings[name] = read_value(document, member.value, here, layout)
        else:
            for key, value in document.mapping(member.value, here).items():
                row = layout.get(key)
                if row is None:
                    _refuse_unknown(document, value, here, layout)
                else:
                    settings.setdefault(name, {})[key] = read_value(document, value.value, (*here, key), row)
            if name in _SUMS:
                _check_sum(document, member, here, settings[name])
            if name == "template":
                _make_template(document, member.value, here, settings.get(name, {}))
    _check_together(document, entry, path, settings)
    return settings


def _check_together(document: Document, entry: Entry, path: KeyPath, settings: Settings) -> None:
    """Refuse keys of which each may be, but not beside the others: floors above the ceiling."""
    try:
        _Checked.from_dict(settings)
    except ConfigurationError as error:
        node, here = _written_at(document, entry, path, error.field or "")
        problem = str(error).removeprefix(f"workspace {shown(settings['workspace_id'])}: ")
        raise type(error)(
            f"{document.where(node)}: {written_path(here)}: {problem}", field=error.field, value=error.value
        ) from error


def _written_at(document: Document, entry: Entry, path: KeyPath, field: str) -> tuple[Node, KeyPath]:
    """Where a field of a workspace stands, `tier_floors[rag]` for one of its members; as near to it as the
    workspace is written here, for a project may have the rest from elsewhere."""
    name, _, member = field.rstrip("]").partition("[")
    rows = [row for row in WORKSPACE_KEYS if row.field == name]
    # Where several keys are one field, it is the whole section that is meant, unless one of them is named.
    key = member or (rows[0].key if len(rows) == 1 else None)
    steps = [step for step in (rows[0].section, key) if step] if rows else []
    node: Node = entry.key_node
    within = entry.value
    for step in steps:
        found = document.mapping(within, path).get(step) if isinstance(within, MappingNode) else None
        if found is None:
            break
        node, within, path = found.key_node, found.value, (*path, step)
    return within if isinstance(within, ScalarNode) and node is not entry.key_node else node, path


def _check_workspace_id(document: Document, entry: Entry, path: KeyPath, workspace_id: str) -> None:
    # An id names one mapping only: `<<` does not carry it into another.
    if entry.merged:
        return
    written = read_text(document, entry.value, path, "text")
    if written != workspace_id:
        document.fail(
            entry.value, path, f"must be {shown(workspace_id)}, the key it stands under, got {shown(written)}"
        )


def _check_sum(document: Document, entry: Entry, path: KeyPath, members: Mapping[str, float]) -> None:
    total = math.fsum(members.values())
    if not sums_to_one(total):
        parts = ", ".join(f"{name} {value:g}" for name, value in members.items())
        problem = f"must hold {_SUMS[entry.key]} that sum to 1 (within 0.01), got {total:.6g} ({parts})"
        document.fail(entry.key_node, path, problem, value=total)


def _make_template(document: Document, node: Node, path: KeyPath, parts: Mapping[str, Any]) -> PromptTemplate:
    try:
        return PromptTemplate(**parts)
    except ConfigurationError as error:
        part = (error.field or "").partition("[")[0]  # headings[rag] stands under headings
        entry = document.mapping(node, path).get(part)
        where = document.where(node if entry is None else entry.value)
        raise type(error)(f"{where}: {error}", field=error.field, value=error.value) from error


def _read_overrides(
    document: Document,
    section: Entry | None,
    workspaces: Mapping[str, Settings],
    packaged: Callable[[], Mapping[str, Settings]],
) -> dict[str, dict[str, Settings]]:
    if section is None:
        return {}
    overrides: dict[str, dict[str, Settings]] = {}
    path = ("project_overrides",)
    for workspace_id, entry in document.mapping(section.value, path).items():
        base = workspaces.get(workspace_id) or packaged().get(workspace_id)
        if base is None:
            hint = nearest_known(workspace_id, {**packaged(), **workspaces}).replace("known key", "workspace")
            document.fail(entry.key_node, (*path, workspace_id), f"is no workspace; {hint}")
        overrides[workspace_id] = {
            project_id: _read_workspace(
                document, project, (*path, workspace_id, project_id), workspace_id, base
            )
            for project_id, project in document.mapping(entry.value, (*path, workspace_id)).items()
        }
    return overrides


def _read_complexity(document: Document, section: Entry | None) -> ComplexityRules | None:
    if section is None:
        return None
    path = ("complexity",)
    data = read_rows(document, section.value, path, COMPLEXITY_KEYS)
    if isinstance(section.value, ScalarNode) and not data:
        return None
    try:
        return ComplexityRules.from_dict(data)
    except ConfigurationError as error:
        entry = document.mapping(section.value, path).get(error.field or "", section)
        raise type(error)(
            f"{document.where(entry.value)}: {error}", field=error.field, value=error.value
        ) from error


def _read_free(document: Document, section: Entry | None) -> dict[str, Any]:
    if section is None:
        return {}
    path = (section.key,)
    return {
        key: document.value(entry.value, (*path, key))
        for key, entry in document.mapping(section.value, path).items()
    }


def read_template_file(path: str | os.PathLike[str]) -> PromptTemplate:
    """A template from a file with the keys that a workspace has under `template`.

    Raises:
        ConfigurationNotFoundError: there is no such file.
        ConfigurationError: naming file, line, column, key and value of the first thing that is wrong.
    """
    document = read_file(path)
    if document.root is None:
        return PromptTemplate()
    parts = read_rows(document, document.root, (), TEMPLATE_KEYS)
    return _make_template(document, document.root, (), parts)


def _refuse_unknown(document: Document, entry: Entry, path: KeyPath, known: Mapping[str, object]) -> None:
    place = place_in_workspace(entry.key)
    hint = nearest_known(entry.key, known) if place is None else f"did you mean {place!r}?"
    if len(path) == 1:
        # "loging:" reads as a workspace; its keys are then unknown ones.
        import difflib

        workspace_id = str(path[0])
        sections = difflib.get_close_matches(workspace_id[:100], OTHER_SECTIONS, n=1, cutoff=0.8)
        hint += f" (or is {workspace_id!r} meant to be the section {sections[0]!r}?)" if sections else ""
    document.fail(entry.key_node, (*path, entry.key), f"is an unknown key; {hint}")
