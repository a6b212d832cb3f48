"""Every key a configuration can hold, in one table, and what is derived from it.

`WorkspaceConfig.from_dict` and `to_dict`, the YAML loader, the JSON Schema of the file and the tables of the
documentation all read `WORKSPACE_KEYS`, `RANKING_KEYS` and `COMPLEXITY_KEYS`; none of them knows a key of
its own.

``python -m memory_budget_allocator.configuration_schema`` prints the JSON Schema.
"""

from __future__ import annotations

import json
import operator
from collections.abc import Mapping
from dataclasses import MISSING, dataclass, fields
from typing import TYPE_CHECKING, Literal, cast

from memory_budget_allocator.levels import MemoryTier

if TYPE_CHECKING:
    from collections.abc import Iterable
    from typing import SupportsFloat, SupportsIndex

__all__ = [
    "COMPLEXITY_KEYS",
    "LARGEST_COUNT",
    "LARGEST_POINTS",
    "OTHER_SECTIONS",
    "RANKING_KEYS",
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

Kind = Literal[
    "identifier",
    "text",
    "integer",
    "number",
    "texts",
    "integers",
    "flag",
    "choice",
    "amount",
    "reserve",
    "half_life",
    "ranking",
    "frame",
    "headings",
]


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
    optional: bool = False
    choices: tuple[str, ...] = ()

    @property
    def path(self) -> str:
        """Where the key stands inside its workspace (or, for complexity rules, inside the file)."""
        return self.key if self.section is None else f"{self.section}.{self.key}"

    @property
    def accepted(self) -> str:  # noqa: PLR0911 - one line per kind
        """What the file accepts here, in words that fit behind "must be"."""
        if self.kind in ("identifier", "text"):
            return "text that is not empty"
        if self.kind == "frame":
            return "text"
        if self.kind == "headings":
            return "text, or a mapping from tiers to texts"
        if self.kind == "texts":
            return "a list of texts"
        if self.kind == "integers":
            count = "" if self.length is None else f"{self.length} "
            return f"a list of {count}whole numbers{self._range()}"
        if self.kind == "flag":
            return "true or false"
        if self.kind == "choice":
            return " or ".join(self.choices)
        if self.kind == "amount":
            return "a whole number of tokens, or a share from 0.0 to 1.0"
        if self.kind == "reserve":
            return f"a whole number of tokens{self._range()}, or a text to be counted"
        if self.kind == "half_life":
            return f"a number{self._range()}, or a mapping from tiers to such numbers"
        if self.kind == "ranking":
            return (
                f"{' or '.join(self.choices)}, a mapping of parts, or a file that ends in .json and holds one"
            )
        if self.optional:
            return f"a whole number{self._range()}, or null"
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

    def plain(self, value: object) -> object:  # noqa: PLR0911 - one line per kind
        """A value that was checked before as a built-in type: JSON and YAML cannot write NumPy scalars."""
        match self.kind:
            case "identifier" | "text" | "choice" | "frame" | "ranking":
                return str(value)
            case "headings":
                tiers = cast("Mapping[str, str]", value)
                return value if isinstance(value, str) else {tier: str(it) for tier, it in tiers.items()}
            case "flag":
                return bool(value)
            case "amount":
                whole = not isinstance(value, float) and hasattr(value, "__index__")
                return (
                    operator.index(cast("SupportsIndex", value))
                    if whole
                    else float(cast("SupportsFloat", value))
                )
            case "reserve":
                return str(value) if isinstance(value, str) else operator.index(cast("SupportsIndex", value))
            case "integer":
                return operator.index(cast("SupportsIndex", value))
            case "number":
                return float(cast("SupportsFloat", value))
            case "half_life":
                if not isinstance(value, Mapping):
                    return float(cast("SupportsFloat", value))
                hours = cast("Mapping[MemoryTier | str, SupportsFloat]", value)
                return {MemoryTier(tier).value: float(each) for tier, each in hours.items()}
            case "texts":
                return [str(text) for text in cast("Iterable[object]", value)]
            case "integers":
                return [operator.index(number) for number in cast("Iterable[SupportsIndex]", value)]


SHARE = "share of `max_total_tokens` for the {} tier; the four shares sum to 1 (within 0.01)"
FACTOR = "factor on every tier's budget for a query of level {}"
RESERVE = "part of `max_prompt_tokens` that is kept for {}"
FLOOR = "tokens that no other tier may take from the {} tier; a share is one of all tier budgets"
CAP = "tokens that the {} tier may use at most; a share is one of all tier budgets"
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
    ConfigurationKey(
        "tokenizer", None, "tokenizer", "text",
        "how tokens are counted: `estimate` (by `tokens_per_char`), `upper_bound`, `o200k_base`, "
        "`cl100k_base`, a model's name or the path of a `tokenizer.json`",
    ),
    ConfigurationKey(
        "max_prompt_tokens", None, "max_prompt_tokens", "integer",
        "tokens of the whole prompt, reserves included; null for no ceiling",
        minimum=0, maximum=LARGEST_COUNT, optional=True,
    ),
    *(
        ConfigurationKey(
            "reserves", "reserves", name, "reserve", RESERVE.format(what), minimum=0, maximum=LARGEST_COUNT
        )
        for name, what in (
            ("system", "the system prompt"),
            ("query", "the query"),
            ("history", "the conversation so far"),
            ("completion", "the answer"),
        )
    ),
    *(
        ConfigurationKey(
            field, field, tier, "amount", meaning.format(name), minimum=0, maximum=LARGEST_COUNT
        )
        for field, meaning in (("tier_floors", FLOOR), ("tier_caps", CAP))
        for tier, name in (
            ("working", "working"), ("project", "project"), ("long_term", "long-term"), ("rag", "RAG")
        )
    ),
    ConfigurationKey(
        "spill_over", None, "spill_over", "flag",
        "whether budget that tiers leave unused is offered to memories that were left out",
    ),
    ConfigurationKey(
        "spill_over_order", None, "spill_over_order", "choice",
        "offered first to the best score of all tiers, or to the best of the first tier, then of the next",
        choices=("score", "tier"),
    ),
    ConfigurationKey(
        "minimum_score", None, "minimum_score", "number",
        "least combined score that is selected; pinned memories are exempt", minimum=0, maximum=1,
    ),
    ConfigurationKey(
        "oversized", None, "oversized", "choice",
        "whether memories larger than their tier's whole budget are left out, or cut to what others leave",
        choices=("skip", "truncate"),
    ),
    ConfigurationKey(
        "ranking", None, "ranking", "ranking",
        "in which order memories are tried: by the documented formula, by what keeps most evidence, or by "
        "one of these with parts of your own",
        choices=("weighted", "evidence"),
    ),
    *(
        ConfigurationKey("template", "template", name, "headings" if name == "headings" else "frame", meaning)
        for name, meaning in (
            ("prologue", "what stands before everything"),
            (
                "headings",
                "what stands before the memories of a tier: one for all, or one each, with the slot `{tier}`",
            ),
            (
                "item",
                "one memory, with the slot `{text}`, and `{id}`, `{tier}`, `{score}`, `{timestamp}`, "
                "`{tokens}`",
            ),
            ("between", "what stands between two memories"),
            ("epilogue", "what stands after everything"),
        )
    ),
    ConfigurationKey(
        "template", "template", "order", "choice",
        "best first, oldest first, the best at both ends, or by tier",
        choices=("score", "chronological", "edges", "tier"),
    ),
)  # fmt: skip
"""The keys of one workspace, in the order in which they are written."""

RANKING_KEYS: tuple[ConfigurationKey, ...] = (
    ConfigurationKey(
        "kind", "ranking", "kind", "choice", "what the parts start from", choices=("weighted", "evidence"),
    ),
    ConfigurationKey(
        "normalisation", "ranking", "normalisation", "choice",
        "how relevance, and BM25 beside it, are made comparable within a call",
        choices=("none", "z", "min_max", "rank"),
    ),
    ConfigurationKey(
        "lexical_weight", "ranking", "lexical_weight", "number",
        "weight of BM25 beside the relevance", minimum=0,
    ),
    ConfigurationKey(
        "importance_weight", "ranking", "importance_weight", "number", "weight of the importance", minimum=0,
    ),
    ConfigurationKey(
        "freshness_weight", "ranking", "freshness_weight", "number", "weight of the freshness", minimum=0,
    ),
    ConfigurationKey(
        "freshness", "ranking", "freshness", "choice", "how freshness falls with age",
        choices=("exponential", "power_law", "none"),
    ),
    ConfigurationKey(
        "freshness_floor", "ranking", "freshness_floor", "number", "least freshness", minimum=0, maximum=1,
    ),
    ConfigurationKey(
        "freshness_half_life_hours", "ranking", "freshness_half_life_hours", "half_life",
        "hours after which the freshness has halved", above=0,
    ),
    ConfigurationKey(
        "smoothing", "ranking", "smoothing", "number",
        "share of the neighbours in a session in a score", minimum=0, maximum=1,
    ),
    ConfigurationKey(
        "cost_exponent", "ranking", "cost_exponent", "number",
        "0 is the order of the scores, 1 that of the value of each token", minimum=0,
    ),
    ConfigurationKey(
        "cost_floor", "ranking", "cost_floor", "integer",
        "whatever costs less counts as so many tokens", minimum=1, maximum=LARGEST_COUNT,
    ),
    ConfigurationKey(
        "supersession", "ranking", "supersession", "flag",
        "whether a memory drops the one it names in `supersedes`",
    ),
    ConfigurationKey(
        "relevance_gate", "ranking", "relevance_gate", "number", "least relevance, as given",
    ),
    ConfigurationKey(
        "minimum_score", "ranking", "minimum_score", "number", "least score of this ranking",
    ),
    ConfigurationKey(
        "exact_duplicates", "ranking", "exact_duplicates", "flag",
        "whether memories with the words of one that was taken are passed over",
    ),
    ConfigurationKey(
        "near_duplicates", "ranking", "near_duplicates", "integer",
        "in how many of 64 bits the SimHash of such a memory differs at most", minimum=0, maximum=64,
    ),
    ConfigurationKey(
        "diversity", "ranking", "diversity", "number",
        "lambda of maximal marginal relevance", minimum=0, maximum=1,
    ),
    ConfigurationKey(
        "packer", "ranking", "packer", "choice",
        "tiers are filled in the order, or with the largest sum of values", choices=("greedy", "knapsack"),
    ),
)  # fmt: skip
"""The parts of a ranking; what is left out is as the `kind` has it."""

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
    rows = (*WORKSPACE_KEYS, *RANKING_KEYS)
    return next((row.path for row in rows if name in (row.field, row.key, row.section)), None)


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
        case "identifier" | "text":
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


def documentation_table(keys: Iterable[ConfigurationKey]) -> str:
    """A Markdown table of keys."""
    defaults = _defaults()
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


def _defaults() -> dict[str, object]:
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
