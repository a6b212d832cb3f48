"""Every key a configuration can hold, in one table.

`WorkspaceConfig.from_dict` and `to_dict`, the YAML loader, the JSON Schema of the file and the tables of the
documentation all read `WORKSPACE_KEYS`, `RANKING_KEYS` and `COMPLEXITY_KEYS`; none of them knows a key of
its own.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from memory_budget_allocator.configuration_key import ConfigurationKey

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = [
    "COMPLEXITY_KEYS",
    "LARGEST_COUNT",
    "OTHER_SECTIONS",
    "RANKING_KEYS",
    "TEMPLATE_KEYS",
    "WORKSPACE_KEYS",
    "WORKSPACE_LAYOUT",
    "place_in_workspace",
]

LARGEST_COUNT = 2**53 - 1
"""Largest count of anything: every whole number up to here is exact in a 64-bit float."""

LARGEST_POINTS = 1_000_000

SHARE = "share of `max_total_tokens` for the {} tier; the four shares sum to 1 (within 0.01)"
FACTOR = "factor on every tier's budget for a query of level {}"
RESERVE = "part of `max_prompt_tokens` that is kept for {}"
FLOOR = "tokens that no other tier may take from the {} tier; a share is one of all tier budgets"
CAP = "tokens that the {} tier may use at most; a share is one of all tier budgets"
WEIGHT = "weight of {} in the combined score; the three weights sum to 1 (within 0.01)"


def _in_section(section: str, *rows: ConfigurationKey) -> tuple[ConfigurationKey, ...]:
    return tuple(replace(row, section=section) for row in rows)


def _points(field: str, description: str) -> ConfigurationKey:
    return ConfigurationKey(field, "integer", description, minimum=0, maximum=LARGEST_POINTS)


WORKSPACE_KEYS: tuple[ConfigurationKey, ...] = (
    ConfigurationKey(
        "workspace_id", "identifier", "name of the workspace; if written, it equals the key above it",
    ),
    ConfigurationKey(
        "max_total_tokens", "integer", "tokens shared out among the tiers before the complexity factor",
        minimum=1, maximum=LARGEST_COUNT,
    ),
    *(
        ConfigurationKey(name, "number", SHARE.format(tier), section="tier_allocation", minimum=0, maximum=1)
        for name, tier in (
            ("working_memory_pct", "working"),
            ("project_memory_pct", "project"),
            ("long_term_memory_pct", "long-term"),
            ("rag_memory_pct", "RAG"),
        )
    ),
    *(
        ConfigurationKey(
            "complexity_multipliers", "number", FACTOR.format(level),
            section="complexity_multipliers", key=level, minimum=0,
        )
        for level in ("simple", "medium", "complex", "expert")
    ),
    *(
        ConfigurationKey(
            f"{name}_weight", "number", WEIGHT.format(name),
            section="scoring_weights", key=name, minimum=0, maximum=1,
        )
        for name in ("relevance", "importance", "freshness")
    ),
    ConfigurationKey(
        "freshness_half_life_hours", "number", "hours after which the freshness of a memory has halved",
        section="freshness", key="half_life_hours", above=0,
    ),
    ConfigurationKey(
        "promotion_threshold", "number", "promotion score from which a memory may move one tier up",
        section="promotion", key="threshold", minimum=0, maximum=1,
    ),
    ConfigurationKey(
        "promotion_access_threshold", "integer", "accesses a memory needs before it may move up",
        section="promotion", key="access_threshold", minimum=0, maximum=LARGEST_COUNT,
    ),
    ConfigurationKey(
        "demotion_threshold", "number", "promotion score below which a memory should move one tier down",
        section="demotion", key="threshold", minimum=0, maximum=1,
    ),
    ConfigurationKey(
        "tokens_per_char", "number",
        "tokens estimated for one character (code point) of text that has no token count", minimum=0,
    ),
    ConfigurationKey(
        "tokenizer", "tokenizer",
        "how tokens are counted: `estimate` (by `tokens_per_char`), `upper_bound`, `o200k_base`, "
        "`cl100k_base`, a model's name or the path of a `tokenizer.json`, from the folder of this file",
    ),
    ConfigurationKey(
        "max_prompt_tokens", "integer", "tokens of the whole prompt, reserves included; null for no ceiling",
        minimum=0, maximum=LARGEST_COUNT, optional=True,
    ),
    *(
        ConfigurationKey(
            "reserves", "reserve", RESERVE.format(what),
            section="reserves", key=name, minimum=0, maximum=LARGEST_COUNT,
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
            field, "amount", meaning.format(name), section=field, key=tier, minimum=0, maximum=LARGEST_COUNT,
        )
        for field, meaning in (("tier_floors", FLOOR), ("tier_caps", CAP))
        for tier, name in (
            ("working", "working"), ("project", "project"), ("long_term", "long-term"), ("rag", "RAG")
        )
    ),
    ConfigurationKey(
        "spill_over", "flag",
        "whether budget that tiers leave unused is offered to memories that were left out",
    ),
    ConfigurationKey(
        "spill_over_order", "choice",
        "offered first to the best score of all tiers, or to the best of the first tier, then of the next",
        choices=("score", "tier"),
    ),
    ConfigurationKey(
        "minimum_score", "number", "least combined score that is selected; pinned memories are exempt",
        minimum=0, maximum=1,
    ),
    ConfigurationKey(
        "oversized", "choice",
        "whether memories larger than their tier's whole budget are left out, or cut to what others leave",
        choices=("skip", "truncate"),
    ),
    ConfigurationKey(
        "ranking", "ranking",
        "in which order memories are tried: by the documented formula, by what keeps most evidence, or by "
        "one of these with parts of your own", choices=("weighted", "evidence"),
    ),
    *(
        ConfigurationKey(
            "template", "headings" if name == "headings" else "frame", meaning, section="template", key=name,
        )
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
        "template", "choice", "best first, oldest first, the best at both ends, or by tier",
        section="template", key="order", choices=("score", "chronological", "edges", "tier"),
    ),
)  # fmt: skip
"""The keys of one workspace, in the order in which they are written."""

TEMPLATE_KEYS = tuple(row for row in WORKSPACE_KEYS if row.section == "template")
"""The keys of a template, whether it stands in a workspace or in a file of its own."""

RANKING_KEYS = _in_section(
    "ranking",
    ConfigurationKey("kind", "choice", "what the parts start from", choices=("weighted", "evidence")),
    ConfigurationKey(
        "normalisation", "choice", "how relevance, and BM25 beside it, are made comparable within a call",
        choices=("none", "z", "min_max", "rank"),
    ),
    ConfigurationKey("lexical_weight", "number", "weight of BM25 beside the relevance", minimum=0),
    ConfigurationKey("importance_weight", "number", "weight of the importance", minimum=0),
    ConfigurationKey("freshness_weight", "number", "weight of the freshness", minimum=0),
    ConfigurationKey(
        "freshness", "choice", "how freshness falls with age", choices=("exponential", "power_law", "none"),
    ),
    ConfigurationKey("freshness_floor", "number", "least freshness", minimum=0, maximum=1),
    ConfigurationKey(
        "freshness_half_life_hours", "half_life", "hours after which the freshness has halved", above=0,
    ),
    ConfigurationKey(
        "smoothing", "number", "share of the neighbours in a session in a score", minimum=0, maximum=1,
    ),
    ConfigurationKey(
        "cost_exponent", "number", "0 is the order of the scores, 1 that of the value of each token",
        minimum=0,
    ),
    ConfigurationKey(
        "cost_floor", "integer", "whatever costs less counts as so many tokens",
        minimum=1, maximum=LARGEST_COUNT,
    ),
    ConfigurationKey("supersession", "flag", "whether a memory drops the one it names in `supersedes`"),
    ConfigurationKey("relevance_gate", "number", "least relevance, as given"),
    ConfigurationKey("minimum_score", "number", "least score of this ranking"),
    ConfigurationKey(
        "exact_duplicates", "flag", "whether memories with the words of one that was taken are passed over",
    ),
    ConfigurationKey(
        "near_duplicates", "integer", "in how many of 64 bits the SimHash of such a memory differs at most",
        minimum=0, maximum=64,
    ),
    ConfigurationKey("diversity", "number", "lambda of maximal marginal relevance", minimum=0, maximum=1),
    ConfigurationKey(
        "packer", "choice", "tiers are filled in the order, or with the largest sum of values",
        choices=("greedy", "knapsack"),
    ),
)  # fmt: skip
"""The parts of a ranking; what is left out is as the `kind` has it."""

COMPLEXITY_KEYS = _in_section(
    "complexity",
    ConfigurationKey("expert_keywords", "texts", "words that give `expert_points`, each counted once"),
    _points("expert_points", "points of one expert keyword"),
    ConfigurationKey("complex_keywords", "texts", "words that give `complex_points`, each counted once"),
    _points("complex_points", "points of one complex keyword"),
    ConfigurationKey(
        "domain_keywords", "texts",
        "terms of your own field, each counted once; an empty list switches them off",
    ),
    _points("domain_points", "points of one domain keyword"),
    _points("domain_points_limit", "most points that all domain keywords together can give"),
    ConfigurationKey(
        "length_steps", "integers", "word counts, rising, from each of which a query earns one more point",
        minimum=0, maximum=LARGEST_COUNT,
    ),
    ConfigurationKey(
        "history_length_above", "number", "a `history_length` above this gives `history_points`", minimum=0,
    ),
    _points("history_points", "points of a long history"),
    ConfigurationKey(
        "turn_count_above", "number", "a `turn_count` above this gives `turn_points`", minimum=0,
    ),
    _points("turn_points", "points of a conversation of several turns"),
    _points("retrieval_points", "points of a query that requires retrieval"),
    ConfigurationKey(
        "level_thresholds", "integers", "least points of the levels medium, complex and expert, not falling",
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
