"""What the nodes of a configuration file mean: workspaces, projects, complexity rules, free sections."""

from __future__ import annotations

import copy
import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeAlias, cast

from yaml.nodes import MappingNode, ScalarNode

from memory_budget_allocator import _core
from memory_budget_allocator.complexity_rules import ComplexityRules
from memory_budget_allocator.configuration_key import ConfigurationKey
from memory_budget_allocator.configuration_keys import (
    COMPLEXITY_KEYS,
    OTHER_SECTIONS,
    RANKING_KEYS,
    TEMPLATE_KEYS,
    WORKSPACE_KEYS,
    WORKSPACE_LAYOUT,
    place_in_workspace,
)
from memory_budget_allocator.errors import (
    ConfigurationError,
    ConfigurationNotFoundError,
    ConfigurationTypeError,
)
from memory_budget_allocator.levels import MemoryTier
from memory_budget_allocator.loader.documents import read_file, written_path
from memory_budget_allocator.loader.scalars import is_empty
from memory_budget_allocator.prompt_template import PromptTemplate
from memory_budget_allocator.tokens import is_file_name
from memory_budget_allocator.wording import nearest_known, shown
from memory_budget_allocator.workspace import WorkspaceConfig, sums_to_one

if TYPE_CHECKING:
    import os
    from collections.abc import Callable, Collection, Iterable, Iterator, Mapping

    from yaml.nodes import Node

    from memory_budget_allocator.loader.documents import Document, Entry, KeyPath

__all__ = ["ConfigurationFile", "Settings", "read_configuration", "read_ranking_file", "read_template_file"]

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
            settings[name] = _read_value(document, member.value, here, layout)
        else:
            for key, value in document.mapping(member.value, here).items():
                row = layout.get(key)
                if row is None:
                    _refuse_unknown(document, value, here, layout)
                else:
                    settings.setdefault(name, {})[key] = _read_value(document, value.value, (*here, key), row)
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
    written = _read_text(document, entry.value, path, "text")
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
    data = _read_rows(document, section.value, path, COMPLEXITY_KEYS)
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


def _read_value(document: Document, node: Node, path: KeyPath, row: ConfigurationKey) -> object:  # noqa: PLR0911
    match row.kind:
        case "texts":
            members = document.sequence(node, path, row.accepted)
            return [_read_text(document, member, path, row.accepted) for member in members]
        case "integers":
            members = document.sequence(node, path, row.accepted)
            return [_read_number(document, member, path, row) for member in members]
        case "identifier" | "text" | "frame":
            return _read_text(document, node, path, row.accepted)
        case "tokenizer":
            return _read_tokenizer(document, node, path, row)
        case "headings" if not isinstance(node, ScalarNode):
            return _read_headings(document, node, path)
        case "headings":
            return _read_text(document, node, path, row.accepted)
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


def _read_text(document: Document, node: Node, path: KeyPath, accepted: str) -> str:
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
    name = _read_text(document, node, path, row.accepted)
    return str((document.folder / name).absolute()) if is_file_name(name) else name


def _read_headings(document: Document, node: Node, path: KeyPath) -> dict[str, str]:
    tiers = [tier.value for tier in MemoryTier]
    return {
        key: _read_text(document, entry.value, (*path, key), "text")
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
        return _read_rows(document, node, path, RANKING_KEYS)
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
    return {} if document.root is None else _read_rows(document, document.root, (), RANKING_KEYS)


def read_template_file(path: str | os.PathLike[str]) -> PromptTemplate:
    """A template from a file with the keys that a workspace has under `template`.

    Raises:
        ConfigurationNotFoundError: there is no such file.
        ConfigurationError: naming file, line, column, key and value of the first thing that is wrong.
    """
    document = read_file(path)
    if document.root is None:
        return PromptTemplate()
    parts = _read_rows(document, document.root, (), TEMPLATE_KEYS)
    return _make_template(document, document.root, (), parts)


def _read_rows(
    document: Document, node: Node, path: KeyPath, keys: Iterable[ConfigurationKey]
) -> dict[str, object]:
    """What a mapping of such keys holds, each value checked by its row."""
    rows = {row.key: row for row in keys}
    return {
        key: _read_value(document, entry.value, (*path, key), rows[key])
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
