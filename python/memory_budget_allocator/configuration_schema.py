"""The JSON Schema of the configuration file, made of its keys and their defaults.

``python -m memory_budget_allocator.configuration_schema`` prints it.
"""

from __future__ import annotations

import json
from dataclasses import MISSING, fields
from typing import TYPE_CHECKING, cast

from memory_budget_allocator.configuration_key import ConfigurationKey
from memory_budget_allocator.configuration_keys import (
    COMPLEXITY_KEYS,
    OTHER_SECTIONS,
    RANKING_KEYS,
    WORKSPACE_KEYS,
    WORKSPACE_LAYOUT,
)
from memory_budget_allocator.levels import MemoryTier

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = ["default_values", "json_schema"]

KEYWORD_PATTERN = r"^[^|]*[^|\s-][^|]*(\|[^|]*[^|\s-][^|]*)*$"
"""Spellings separated by |, each with something other than spaces and hyphens."""


def json_schema() -> dict[str, object]:
    """The JSON Schema (draft 2020-12) of the configuration file.

    It states shapes, types and bounds. What JSON Schema cannot say (sums of shares and weights, rising steps)
    only the loader checks.
    """
    defaults = default_values()
    properties: dict[str, object] = {}
    for name, entry in WORKSPACE_LAYOUT.items():
        if isinstance(entry, ConfigurationKey):
            properties[name] = _key_schema(entry, None if name == "workspace_id" else defaults[name])
        else:
            properties[name] = _section_schema(
                {key: _key_schema(row, defaults.get(row.path)) for key, row in entry.items()}
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


def _key_schema(  # noqa: PLR0912 - one branch per kind
    row: ConfigurationKey, default: object
) -> dict[str, object]:
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
        case "identifier" | "text" | "tokenizer":
            schema |= {"type": "string", "minLength": 1}
        case "integer" | "number":
            schema |= {"type": [row.kind, "null"] if row.optional else row.kind, **bounds}
        case "flag":
            schema |= {"type": "boolean"}
        case "choice":
            schema |= {"enum": list(row.choices)}
        case "half_life":
            number: dict[str, object] = {"type": "number", **bounds}
            by_tier = dict.fromkeys((tier.value for tier in MemoryTier), number)
            schema |= {
                "anyOf": [number, {"type": "object", "properties": by_tier, "additionalProperties": False}]
            }
        case "ranking":
            parts = {part.key: _key_schema(part, None) for part in RANKING_KEYS}
            schema |= {
                "anyOf": [
                    {"enum": list(row.choices)},
                    {"type": "string", "pattern": r"\.json$"},
                    {"type": "object", "properties": parts, "additionalProperties": False},
                ]
            }
        case "amount":
            # JSON Schema cannot tell the share 1.0 from 1 token.
            schema |= {
                "anyOf": [{"type": "integer", **bounds}, {"type": "number", "minimum": 0, "maximum": 1}]
            }
        case "reserve":
            schema |= {"anyOf": [{"type": "integer", **bounds}, {"type": "string"}]}
        case "frame":
            schema |= {"type": "string"}
        case "headings":
            by_tier = {tier.value: {"type": "string"} for tier in MemoryTier}
            schema |= {"anyOf": [{"type": "string"}, _section_schema(by_tier)]}
        case "texts":
            schema |= {"type": "array", "items": {"type": "string", "pattern": KEYWORD_PATTERN}}
        case "integers":
            schema |= {"type": "array", "items": {"type": "integer", **bounds}}
            if row.length is not None:
                schema |= {"minItems": row.length, "maxItems": row.length}
    if default is not None:
        schema["default"] = default
    return schema


def default_values() -> dict[str, object]:
    """The default of every key by its path."""
    from memory_budget_allocator.complexity_rules import ComplexityRules
    from memory_budget_allocator.prompt_template import PromptTemplate
    from memory_budget_allocator.workspace import WorkspaceConfig

    plain = {member.name: member.default for member in fields(WorkspaceConfig) if member.kw_only}
    defaults: dict[str, object] = {
        row.path: plain[row.field] for row in WORKSPACE_KEYS if plain.get(row.field, MISSING) is not MISSING
    }
    for name, value in {
        **WorkspaceConfig("default").to_dict(),
        "complexity": ComplexityRules().to_dict(),
        "ranking.kind": plain["ranking"],
    }.items():
        if isinstance(value, dict):
            members = cast("dict[str, object]", value)
            defaults.update({f"{name}.{key}": member for key, member in members.items()})
        else:
            defaults[name] = value
    template = PromptTemplate()
    defaults.update({f"template.{part.name}": getattr(template, part.name) for part in fields(template)})
    return defaults


def main() -> None:
    """Print the JSON Schema."""
    print(json.dumps(json_schema(), indent=2, ensure_ascii=False))


if __name__ == "__main__":
    main()
