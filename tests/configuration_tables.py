"""The tables of `docs/configuration.md`, made of the keys.

``python tests/configuration_tables.py`` prints them.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, cast

from memory_budget_allocator.configuration_keys import COMPLEXITY_KEYS, RANKING_KEYS, WORKSPACE_KEYS
from memory_budget_allocator.configuration_schema import default_values

if TYPE_CHECKING:
    from collections.abc import Iterable

    from memory_budget_allocator.configuration_key import ConfigurationKey


def documentation_table(keys: Iterable[ConfigurationKey]) -> str:
    """A Markdown table of keys."""
    defaults = default_values()
    lines = ["| Key | Python field | Accepted | Default | Meaning |", "| --- | --- | --- | --- | --- |"]
    for row in keys:
        value = defaults.get(row.path)
        if row.kind in ("texts", "integers"):
            default = ", ".join(str(member) for member in cast("list[object]", value)).replace("|", "\\|")
        else:
            default = "the key above it" if row.kind == "identifier" else _written(value)
            if row in RANKING_KEYS and row.field != "kind":
                default = "that of the kind"
        lines.append(f"| `{row.path}` | `{row.field}` | {row.accepted} | {default} | {row.description} |")
    return "\n".join(lines) + "\n"


def _written(value: object) -> str:
    """A default as the file writes it; what has none counts as not there."""
    if value is None:
        return "none"
    if isinstance(value, str) and (not value or "\n" in value or "<" in value):
        return f"`{json.dumps(value)}`"  # as YAML writes it between quotes
    return str(value).lower() if isinstance(value, bool) else str(value)


if __name__ == "__main__":
    print("\n".join(documentation_table(keys) for keys in (WORKSPACE_KEYS, RANKING_KEYS, COMPLEXITY_KEYS)))
