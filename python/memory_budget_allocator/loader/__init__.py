"""`MemoryBudgetConfigLoader`: configuration files, and the packaged configuration, read without surprises."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING, Any

from memory_budget_allocator import _core
from memory_budget_allocator.arguments import require_text

if TYPE_CHECKING:
    import os

    from memory_budget_allocator.complexity_rules import ComplexityRules
    from memory_budget_allocator.loader.sections import ConfigurationFile
    from memory_budget_allocator.workspace import WorkspaceConfig

__all__ = ["MemoryBudgetConfigLoader", "read_configuration_file", "read_packaged_configuration"]

# PyYAML is imported where a file is read: importing the library must not cost the time that takes.

_packaged: ConfigurationFile | None = None
_packaged_lock = threading.Lock()


def read_configuration_file(path: str | os.PathLike[str]) -> ConfigurationFile:
    """Read and check a whole file at once: all the loader's methods are views of the result."""
    from memory_budget_allocator.loader.documents import read_file
    from memory_budget_allocator.loader.sections import read_configuration

    return read_configuration(read_file(path), lambda: read_packaged_configuration().workspaces)


def read_packaged_configuration() -> ConfigurationFile:
    """The configuration baked into the library, parsed once in a process."""
    global _packaged  # noqa: PLW0603 - a cache of one immutable value, guarded by its lock
    if _packaged is None:
        with _packaged_lock:
            if _packaged is None:
                from memory_budget_allocator.loader.documents import Document
                from memory_budget_allocator.loader.sections import read_configuration

                document = Document("the packaged configuration", _core.PACKAGED_CONFIGURATION)
                _packaged = read_configuration(document, dict)
    return _packaged


class MemoryBudgetConfigLoader:
    """Reads workspaces and the other sections of a YAML configuration file.

    A file is valid as a whole or not at all: every method checks all of it. What is wrong raises a
    `ConfigurationError` (a `ValueError`) that names file, line, column, key and value, and for an unknown key
    the nearest known one; a missing file raises `ConfigurationNotFoundError` (a `FileNotFoundError`).
    A key that stands twice in one mapping is a warning in the log, and the last one counts.

    Every call reads the file again and returns objects of its own.
    """

    @staticmethod
    def load_from_yaml(path: str | os.PathLike[str]) -> dict[str, WorkspaceConfig]:
        """All workspaces of a file by id; empty for an empty file."""
        return read_configuration_file(path).workspace_configs()

    @staticmethod
    def load_workspace_config(path: str | os.PathLike[str], workspace_id: str) -> WorkspaceConfig | None:
        """One workspace of a file; None if the file does not define it."""
        require_text("workspace_id", workspace_id)
        return read_configuration_file(path).workspace_config(workspace_id)

    @staticmethod
    def load_project_overrides(path: str | os.PathLike[str]) -> dict[str, dict[str, WorkspaceConfig]]:
        """The projects of a file by workspace id and project id.

        Each is complete: what it leaves out comes from its workspace. The workspace
        is that of the file, or the packaged one where the file does not define it.
        """
        return read_configuration_file(path).project_configs()

    @staticmethod
    def load_complexity_rules(path: str | os.PathLike[str]) -> ComplexityRules | None:
        """The rules in the section `complexity`; None if the file has no such section."""
        return read_configuration_file(path).complexity

    @staticmethod
    def get_logging_config(path: str | os.PathLike[str]) -> dict[str, Any]:
        """The section `logging` as plain Python, for the application; the library never acts on it."""
        return dict(read_configuration_file(path).logging)

    @staticmethod
    def get_performance_config(path: str | os.PathLike[str]) -> dict[str, Any]:
        """The section `performance` as plain Python, for the application; the library never acts on it."""
        return dict(read_configuration_file(path).performance)

    @staticmethod
    def load_default() -> dict[str, WorkspaceConfig]:
        """The six packaged workspaces by id, as objects of the caller's own; needs no file.

        >>> from memory_budget_config_loader import MemoryBudgetConfigLoader
        >>> sorted(MemoryBudgetConfigLoader.load_default())
        ['code_analysis', 'conversation', 'default', 'development', 'production', 'research']
        """
        return read_packaged_configuration().workspace_configs()
