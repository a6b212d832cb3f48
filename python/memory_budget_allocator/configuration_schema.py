"""Every key a configuration can hold, in one table, and what is derived from it.

`WorkspaceConfig.from_dict` and `to_dict`, the YAML loader, the JSON Schema of the file and the tables of the
documentation all read `WORKSPACE_KEYS` and `COMPLEXITY_KEYS`; none of them knows a key of its own.

``python -m memory_budget_allocator.configuration_schema`` prints the JSON Schema.
"""

from __future__ import annotations

import json
import operator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, cast

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from typing import SupportsFloat, SupportsIndex

__all__ = [
    "COMPLEXITY_KEYS",
    "LARGEST_COUNT",
    "LARGEST_POINTS",
    "OTHER_SECTIONS",
    "WORKSPACE_KEYS",
    "WORKSPACE_LAYOUT",
    "ConfigurationKey",
    "documentation_table",
    "json_schema",
    "place_in_workspace",
]

LARGEST_COUNT = 2**53 - 1
LARGEST_POINTS = 1_000_000
"""Largest count of anything: every whole number up to here is exact in a 64-bit float."""

KEYWORD_PATTERN = r"^[^|]*[^|\s-][^|]*(\|[^|]*[^|\s-][^|]*)*$"
"""Spellings separated by |, each with something other than spaces and hyphens."""

Kind = Literal["identifier", "integer", "number", "texts", "integers"]


@dataclass(frozen=True, slots=True)
class ConfigurationKey:
    """One key of the configuration file and the Python field it sets.

    The bounds are those of the file, narrower than what the Python constructors accept: a program may
    over-commit a workspace on purpose, a file that does so is far more likely a slip.
    """

    field: str
    section: str | None
    key: str
    kind: Kind
    description: str
    minimum: int | None = None
    maximum: int | None = None
    above: int | None = None
    length: int | None = None

    @property
    def path(self) -> str:
        """Where the key stands inside its workspace (or, for complexity rules, inside the file)."""
        return self.key if self.section is None else f"{self.section}.{self.key}"

    @property
    def accepted(self) -> str:
        """What the file accepts here, in words that fit behind "must be"."""
        if self.kind == "identifier":
            return "text that is not empty"
        if self.kind == "texts":
            return "a list of texts"
        if self.kind == "integers":
            count = "" if self.length is None else f"{self.length} "
            return f"a list of {count}whole numbers{self._range()}"
        return ("a whole number" if self.kind == "integer" else "a number") + self._range()

    def _range(self) -> str:
        if self.minimum is not None:
            return (
                f", {self.minimum} or more"
                if self.maximum is None
                else f" from {self.minimum} to {self.maximum}"
            )
        return "" if self.above is None else f" above {self.above}"

    def in_range(self, number: float) -> bool:
        """Whether one number lies within the bounds of the file."""
        return (
            (self.minimum is None or number >= self.minimum)
            and (self.maximum is None or number <= self.maximum)
            and (self.above is None or number > self.above)
        )

    def plain(self, value: object) -> object:
        """A value that was checked before as a built-in type: JSON and YAML cannot write NumPy scalars."""
        match self.kind:
            case "identifier":
                return str(value)
            case "integer":
                return operator.index(cast("SupportsIndex", value))
            case "number":
                return float(cast("SupportsFloat", value))
            case "texts":
                return [str(text) for text in cast("Iterable[object]", value)]
            case "integers":
                return [operator.index(number) for number in cast("Iterable[SupportsIndex]", value)]


SHARE = "share of `max_total_tokens` for the {} tier; the four shares sum to 1 (within 0.01)"
FACTOR = "factor on every tier's budget for a query of level {}"
WEIGHT = "weight of {} in the combined score; the three weights sum to 1 (within 0.01)"

WORKSPACE_KEYS: tuple[ConfigurationKey, ...] = (
    ConfigurationKey(
        "workspace_id", None, "workspace_id", "identifier",
        "name of the workspace; if written, it equals the key above it",
    ),
    ConfigurationKey(
        "max_total_tokens", None, "max_total_tokens", "integer",
        "tokens shared out among the tiers before the complexity factor", minimum=1, maximum=LARGEST_COUNT,
    ),
    *(
        ConfigurationKey(name, "tier_allocation", name, "number", SHARE.format(tier), minimum=0, maximum=1)
        for name, tier in (
            ("working_memory_pct", "working"),
            ("project_memory_pct", "project"),
            ("long_term_memory_pct", "long-term"),
            ("rag_memory_pct", "RAG"),
        )
    ),
    *(
        ConfigurationKey(
            "complexity_multipliers", "complexity_multipliers", level, "number",
            FACTOR.format(level), minimum=0,
        )
        for level in ("simple", "medium", "complex", "expert")
    ),
    *(
        ConfigurationKey(
            f"{name}_weight", "scoring_weights", name, "number", WEIGHT.format(name), minimum=0, maximum=1
        )
        for name in ("relevance", "importance", "freshness")
    ),
    ConfigurationKey(
        "freshness_half_life_hours", "freshness", "half_life_hours", "number",
        "hours after which the freshness of a memory has halved", above=0,
    ),
    ConfigurationKey(
        "promotion_threshold", "promotion", "threshold", "number",
        "promotion score from which a memory may move one tier up", minimum=0, maximum=1,
    ),
    ConfigurationKey(
        "promotion_access_threshold", "promotion", "access_threshold", "integer",
        "accesses a memory needs before it may move up", minimum=0, maximum=LARGEST_COUNT,
    ),
    ConfigurationKey(
        "demotion_threshold", "demotion", "threshold", "number",
        "promotion score below which a memory should move one tier down", minimum=0, maximum=1,
    ),
    ConfigurationKey(
        "tokens_per_char", None, "tokens_per_char", "number",
        "tokens estimated for one character (code point) of text that has no token count", minimum=0,
    ),
)  # fmt: skip
"""The keys of one workspace, in the order in which they are written."""

COMPLEXITY_KEYS: tuple[ConfigurationKey, ...] = (
    ConfigurationKey(
        "expert_keywords", "complexity", "expert_keywords", "texts",
        "words that give `expert_points`, each counted once",
    ),
    ConfigurationKey(
        "expert_points", "complexity", "expert_points", "integer",
        "points of one expert keyword", minimum=0, maximum=LARGEST_POINTS,
    ),
    ConfigurationKey(
        "complex_keywords", "complexity", "complex_keywords", "texts",
        "words that give `complex_points`, each counted once",
    ),
    ConfigurationKey(
        "complex_points", "complexity", "complex_points", "integer",
        "points of one complex keyword", minimum=0, maximum=LARGEST_POINTS,
    ),
    ConfigurationKey(
        "domain_keywords", "complexity", "domain_keywords", "texts",
        "terms of your own field, each counted once; an empty list switches them off",
    ),
    ConfigurationKey(
        "domain_points", "complexity", "domain_points", "integer",
        "points of one domain keyword", minimum=0, maximum=LARGEST_POINTS,
    ),
    ConfigurationKey(
        "domain_points_limit", "complexity", "domain_points_limit", "integer",
        "most points that all domain keywords together can give", minimum=0, maximum=LARGEST_POINTS,
    ),
    ConfigurationKey(
        "length_steps", "complexity", "length_steps", "integers",
        "word counts, rising, from each of which a query earns one more point",
        minimum=0, maximum=LARGEST_COUNT,
    ),
    ConfigurationKey(
        "history_length_above", "complexity", "history_length_above", "number",
        "a `history_length` above this gives `history_points`", minimum=0,
    ),
    ConfigurationKey(
        "history_points", "complexity", "history_points", "integer",
        "points of a long history", minimum=0, maximum=LARGEST_POINTS,
    ),
    ConfigurationKey(
        "turn_count_above", "complexity", "turn_count_above", "number",
        "a `turn_count` above this gives `turn_points`", minimum=0,
    ),
    ConfigurationKey(
        "turn_points", "complexity", "turn_points", "integer",
        "points of a conversation of several turns", minimum=0, maximum=LARGEST_POINTS,
    ),
    ConfigurationKey(
        "retrieval_points", "complexity", "retrieval_points", "integer",
        "points of a query that requires retrieval", minimum=0, maximum=LARGEST_POINTS,
    ),
    ConfigurationKey(
        "level_thresholds", "complexity", "level_thresholds", "integers",
        "least points of the levels medium, complex and expert, not falling",
        minimum=0, maximum=LARGEST_POINTS, length=3,
    ),
)  # fmt: skip
"""The keys of the section `complexity`, in the order in which they are written."""

OTHER_SECTIONS: Mapping[str, str] = {
    "complexity": "How the complexity of a query is estimated; what is not written keeps its default.",
    "project_overrides": "Per workspace, per project: the workspace keys in which the project differs.",
    "logging": "For the application: handed over as it is, never acted on.",
    "performance": "For the application: handed over as it is, never acted on.",
}
"""Top-level keys of the file that are not workspaces, with what they mean."""


def _layout() -> dict[str, ConfigurationKey | dict[str, ConfigurationKey]]:
    layout: dict[str, ConfigurationKey | dict[str, ConfigurationKey]] = {}
    for row in WORKSPACE_KEYS:
        if row.section is None:
            layout[row.key] = row
        else:
            section = layout.setdefault(row.section, {})
            assert isinstance(section, dict)
            section[row.key] = row
    return layout


WORKSPACE_LAYOUT: Mapping[str, ConfigurationKey | Mapping[str, ConfigurationKey]] = _layout()
"""`WORKSPACE_KEYS` as the file nests them: key -> row, or section -> key -> row."""


def place_in_workspace(name: str) -> str | None:
    """Where a key or field that was written in the wrong place belongs; None for a name that no key has."""
    return next((row.path for row in WORKSPACE_KEYS if name in (row.field, row.key, row.section)), None)


def json_schema() -> dict[str, object]:
    """The JSON Schema (draft 2020-12) of the configuration file.

    It states shapes, types and bounds. What JSON Schema cannot say (sums of shares and weights, rising steps)
    only the loader checks.
    """
    defaults = _defaults()
    properties: dict[str, object] = {}
    for name, entry in WORKSPACE_LAYOUT.items():
        if isinstance(entry, ConfigurationKey):
            properties[name] = _key_schema(entry, None if name == "workspace_id" else defaults[name])
        else:
            properties[name] = _section_schema(
                {key: _key_schema(row, defaults[row.path]) for key, row in entry.items()}
            )
    # null: a section may have all its keys commented out; an empty workspace is more likely a slip.
    workspace = {**_section_schema(properties), "type": "object"}
    other: dict[str, dict[str, object]] = {
        "complexity": _section_schema(
            {row.key: _key_schema(row, defaults[row.path]) for row in COMPLEXITY_KEYS}
        ),
        "project_overrides": _mapping_of(_mapping_of({"$ref": "#/$defs/workspace"})),
        "logging": {"type": ["object", "null"]},
        "performance": {"type": ["object", "null"]},
    }
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "Memory Budget Allocator configuration",
        "description": "Each top-level key is the id of a workspace, but for the four named sections.",
        "$defs": {"workspace": workspace},
        "type": ["object", "null"],
        "propertyNames": {"minLength": 1},
        "properties": {name: {"description": text, **other[name]} for name, text in OTHER_SECTIONS.items()},
        "additionalProperties": {"$ref": "#/$defs/workspace"},
    }


def _section_schema(properties: Mapping[str, object]) -> dict[str, object]:
    return {"type": ["object", "null"], "properties": dict(properties), "additionalProperties": False}


def _mapping_of(values: object) -> dict[str, object]:
    return {"type": ["object", "null"], "propertyNames": {"minLength": 1}, "additionalProperties": values}


def _key_schema(row: ConfigurationKey, default: object) -> dict[str, object]:
    schema: dict[str, object] = {"description": row.description}
    bounds = {
        name: bound
        for name, bound in (
            ("minimum", row.minimum),
            ("maximum", row.maximum),
            ("exclusiveMinimum", row.above),
        )
        if bound is not None
    }
    match row.kind:
        case "identifier":
            schema |= {"type": "string", "minLength": 1}
        case "integer" | "number":
            schema |= {"type": row.kind, **bounds}
        case "texts":
            schema |= {"type": "array", "items": {"type": "string", "pattern": KEYWORD_PATTERN}}
        case "integers":
            schema |= {"type": "array", "items": {"type": "integer", **bounds}}
            if row.length is not None:
                schema |= {"minItems": row.length, "maxItems": row.length}
    if default is not None:
        schema["default"] = default
    return schema


def documentation_table(keys: Iterable[ConfigurationKey]) -> str:
    """A Markdown table of keys."""
    defaults = _defaults()
    lines = ["| Key | Python field | Accepted | Default | Meaning |", "| --- | --- | --- | --- | --- |"]
    for row in keys:
        value = defaults[row.path]
        if row.kind in ("texts", "integers"):
            default = ", ".join(str(member) for member in cast("list[object]", value)).replace("|", "\\|")
        else:
            default = "the key above it" if row.kind == "identifier" else str(value)
        lines.append(f"| `{row.path}` | `{row.field}` | {row.accepted} | {default} | {row.description} |")
    return "\n".join(lines) + "\n"


def _defaults() -> dict[str, object]:
    """The default of every key by its path."""
    from memory_budget_allocator.complexity_rules import ComplexityRules
    from memory_budget_allocator.workspace import WorkspaceConfig

    defaults: dict[str, object] = {}
    for name, value in {
        **WorkspaceConfig("default").to_dict(),
        "complexity": ComplexityRules().to_dict(),
    }.items():
        if isinstance(value, dict):
            members = cast("dict[str, object]", value)
            defaults.update({f"{name}.{key}": member for key, member in members.items()})
        else:
            defaults[name] = value
    return defaults


def main() -> None:
    """Print the JSON Schema."""
    print(json.dumps(json_schema(), indent=2, ensure_ascii=False))


if __name__ == "__main__":
    main()
