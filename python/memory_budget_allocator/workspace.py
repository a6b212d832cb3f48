"""`WorkspaceConfig`: how one workspace shares out its tokens, weighs its scores and moves its memories."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from dataclasses import KW_ONLY, MISSING, dataclass, field, fields
from typing import TYPE_CHECKING, Any, Literal, cast

from memory_budget_allocator import _core
from memory_budget_allocator.errors import ConfigurationError, ConfigurationTypeError
from memory_budget_allocator.ranking import Ranking
from memory_budget_allocator.wording import nearest_known, one_line, shown

if TYPE_CHECKING:
    from typing import Self

    from memory_budget_allocator.levels import MemoryTier, QueryComplexity
    from memory_budget_allocator.prompt_template import PromptTemplate
    from memory_budget_allocator.ranking import RankingName

__all__ = ["WorkspaceConfig", "concerns", "sums_to_one"]

logger = logging.getLogger("memory_budget_allocator")

STATE_FORMAT = 1
"""Version of the pickled state; raised when an old reader could misunderstand a new pickle."""

SUM_TOLERANCE = 0.01

_MAPPINGS = ("complexity_multipliers", "reserves", "tier_floors", "tier_caps")
"""Fields that are dicts; the file has a section of that name for each."""


def _default_multipliers() -> dict[str, float]:
    return {"simple": 0.5, "medium": 1.0, "complex": 1.5, "expert": 2.0}


@dataclass
class WorkspaceConfig:
    """The settings of one workspace; every field can be assigned, and counts from the next call on.

    Construction checks types and values. Shares or weights that do not sum to 1 and thresholds that leave no
    gap are possible on purpose: they are accepted and reported in one warning.

    Raises:
        ConfigurationTypeError: a field has the wrong type (also a `TypeError` and a `ValueError`).
        ConfigurationError: a field has a value that cannot be: NaN, an infinity, a negative number,
            a half-life that is not above 0, an unknown complexity level (also a `ValueError`).
    """

    workspace_id: str
    """Name of the workspace."""
    max_total_tokens: int = 8192
    """Tokens shared out among the tiers, before the complexity multiplier; 0 to 2**53 - 1."""
    working_memory_pct: float = 0.30
    """Share of `max_total_tokens` for the working tier, as a fraction: 0.30 is 30 %; not negative."""
    project_memory_pct: float = 0.25
    """Share for the project tier, as a fraction; not negative."""
    long_term_memory_pct: float = 0.20
    """Share for the long-term tier, as a fraction; not negative."""
    rag_memory_pct: float = 0.25
    """Share for the RAG tier, as a fraction; not negative."""
    complexity_multipliers: dict[str, float] = field(default_factory=_default_multipliers)
    """Factor on each tier's budget by complexity level; not negative. A level that is missing counts as 1.0.

    Keys are level names or `QueryComplexity` members. The instance keeps a dict of its own.
    """
    relevance_weight: float = 0.5
    """Weight of the relevance score in the combined score; not negative."""
    importance_weight: float = 0.3
    """Weight of the importance score; not negative."""
    freshness_weight: float = 0.2
    """Weight of the freshness score; not negative."""
    freshness_half_life_hours: float = 168.0
    """Hours after which the freshness of a memory has halved; above 0."""
    promotion_threshold: float = 0.8
    """Promotion score from which a memory may move one tier up."""
    demotion_threshold: float = 0.3
    """Promotion score below which a memory should move one tier down."""
    promotion_access_threshold: int = 3
    """Accesses a memory needs before it may move up; 0 to 2**53 - 1."""
    tokens_per_char: float = 0.25
    """Tokens estimated for one character (code point) of a text of unknown token count; not negative."""
    _: KW_ONLY
    tokenizer: str = "estimate"
    """How tokens are counted where no count is known: "estimate" (`tokens_per_char`), "upper_bound",
    "o200k_base", "cl100k_base", the name of a model, or the path of a tokenizer.json. With "estimate",
    what has to stay under a ceiling is counted by "upper_bound"."""
    max_prompt_tokens: int | None = None
    """Tokens of the whole prompt, reserves included, 0 to 2**53 - 1; None for no ceiling, 0 for nothing.

    Tier budgets that together exceed what the reserves leave of it are scaled down in proportion.
    """
    reserves: dict[str, int | str] = field(default_factory=dict[str, "int | str"])
    """What of `max_prompt_tokens` is spoken for: tokens, or a text to be counted, for "system", "query",
    "history" and "completion"."""
    tier_floors: dict[str, int | float] = field(default_factory=dict[str, "int | float"])
    """By tier, tokens that no other tier may take: an int is tokens, a float from 0 to 1 a share of the sum
    of the tier budgets (of what is available, where that is less). With nothing available, none is kept."""
    tier_caps: dict[str, int | float] = field(default_factory=dict[str, "int | float"])
    """By tier, tokens that it may use at most, whatever the others leave; as `tier_floors`."""
    spill_over: bool = False
    """Whether budget that tiers leave unused is offered to memories that were left out."""
    spill_over_order: Literal["score", "tier"] = "score"
    """Offered first to the best score of all tiers, or to the best of the first tier, then of the next."""
    minimum_score: float = 0.0
    """Least combined score that is selected, 0 to 1. Pinned memories are exempt."""
    oversized: Literal["skip", "truncate"] = "skip"
    """What becomes of a memory that is larger than the whole budget of its tier: it is skipped; or, of the
    best of each tier, the beginning is taken that fits what the others leave, with a mark behind it."""
    ranking: RankingName | Ranking = "weighted"
    """In which order memories are tried: "weighted", the documented formula, "evidence", or a `Ranking`."""
    template: PromptTemplate | None = None
    """How selected memories are put together to one text; None for the default. A call's own goes first."""

    def __post_init__(self) -> None:
        """Check every field and warn once about what is possible but unusual."""
        _core.check_workspace(self)
        # Dicts of its own: dataclasses.replace() hands the original's to the copy.
        for name in _MAPPINGS:
            setattr(self, name, dict(getattr(self, name)))
        unusual = concerns(self)
        if unusual:
            logger.warning("workspace %s: %s", one_line(self.workspace_id), "; ".join(unusual))

    def get_tier_budget(self, tier: MemoryTier | str, complexity: QueryComplexity | str) -> int:
        """Token budget of one tier for a query of one complexity level.

        ``round_half_to_even(max_total_tokens * share * multiplier)``, computed in 64-bit floats. With a
        multiplier above 1 the tiers together may exceed `max_total_tokens`: a base, not a ceiling.

        >>> from memory_budget_allocator import WorkspaceConfig
        >>> WorkspaceConfig("default").get_tier_budget("working", "complex")
        3686
        """
        return _core.tier_budget(self, tier, complexity)

    @classmethod
    def from_dict(cls, data: Mapping[str, object]) -> Self:  # noqa: PLR0912 - one step after another
        """Build a workspace from the nested shape of the configuration file.

        Keys that are missing keep their defaults, also single complexity levels. The values are checked as
        the constructor checks them, so shares that do not sum to 1 are accepted with a warning.

        Raises:
            ConfigurationError: a key is unknown (the message names the nearest known one), `workspace_id` is
                missing, or a value cannot be.
            ConfigurationTypeError: `data`, a section or a value has the wrong type.

        >>> from memory_budget_allocator import WorkspaceConfig
        >>> WorkspaceConfig.from_dict({"workspace_id": "chat", "freshness": {"half_life_hours": 24}})
        ... # doctest: +ELLIPSIS
        WorkspaceConfig(workspace_id='chat', max_total_tokens=8192, ...)
        """
        from memory_budget_allocator.configuration_key import ConfigurationKey
        from memory_budget_allocator.configuration_keys import WORKSPACE_LAYOUT

        top = _mapping(data, "a workspace", "workspace")
        where = f"workspace {shown(top['workspace_id'])}" if "workspace_id" in top else "workspace"
        values: dict[str, object] = {}
        mappings: dict[str, dict[str, object]] = {}
        for name, value in top.items():
            entry = WORKSPACE_LAYOUT.get(name)
            if entry is None:
                raise _unknown(where, name, name, WORKSPACE_LAYOUT)
            if isinstance(entry, ConfigurationKey):
                values[entry.field] = value
                continue
            for key, member in _mapping(value, name, where).items():
                row = entry.get(key)
                if row is None:
                    raise _unknown(where, f"{name}.{key}", key, entry)
                if row.field in (*_MAPPINGS, "template"):
                    mappings.setdefault(row.field, {})[row.key] = member
                else:
                    values[row.field] = member
        if "workspace_id" not in top:
            raise ConfigurationError("workspace: workspace_id is missing", field="workspace_id")
        if "complexity_multipliers" in mappings:
            values["complexity_multipliers"] = _default_multipliers()
        for name, members in mappings.items():
            values[name] = {**cast("dict[str, object]", values.get(name, {})), **members}
        if "template" in values:
            values["template"] = _template(cast("dict[str, Any]", values["template"]), where)
        if isinstance(values.get("ranking"), Mapping):
            parts = _mapping(values["ranking"], "ranking", where)
            try:
                values["ranking"] = Ranking.from_dict(parts)
            except ConfigurationError as error:
                raise type(error)(f"{where}: {error}", field=error.field, value=error.value) from None
        return cls(**cast("dict[str, Any]", values))

    def to_dict(self) -> dict[str, Any]:
        """The nested shape of the configuration file, of built-in types only, ready for JSON or YAML.

        All four complexity levels are written, a missing one as the 1.0 it counts as. Of the keyword-only
        fields, those that are not at their defaults.

        Raises:
            ConfigurationError: a field was assigned something that cannot be.
        """
        from memory_budget_allocator.configuration_key import ConfigurationKey
        from memory_budget_allocator.configuration_keys import WORKSPACE_LAYOUT

        _core.check_workspace(self)
        optional = {member.name: member.default for member in fields(self) if member.kw_only}

        def read(row: ConfigurationKey) -> object:
            """The value as the file writes it; None for what it need not write."""
            value = getattr(self, row.field)
            if row.field == "template":
                return None if value is None else row.plain(getattr(value, row.key))
            if isinstance(value, Ranking):
                return value.to_dict()
            if row.field in _MAPPINGS:
                value = value.get(row.key, 1.0 if row.field == "complexity_multipliers" else None)
            elif value == optional.get(row.field, MISSING):
                return None
            return None if value is None else row.plain(value)

        def section(rows: Mapping[str, ConfigurationKey]) -> dict[str, object]:
            values = {key: read(row) for key, row in rows.items()}
            return {key: value for key, value in values.items() if value is not None}

        nested = {
            name: read(entry) if isinstance(entry, ConfigurationKey) else section(entry)
            for name, entry in WORKSPACE_LAYOUT.items()
        }
        return {name: value for name, value in nested.items() if value is not None and value != {}}

    def __getstate__(self) -> dict[str, object]:
        """The state for pickle and copy, with its format number."""
        return {"format": STATE_FORMAT, "attributes": dict(self.__dict__)}

    def __setstate__(self, state: dict[str, Any]) -> None:
        """Take over a state, unless a newer version of the library wrote it."""
        if state.get("format") != STATE_FORMAT:
            raise ConfigurationError(
                f"WorkspaceConfig: the pickle has format {shown(state.get('format'))}, "
                f"this version reads {STATE_FORMAT}"
            )
        for member in fields(self):  # an older pickle lacks the fields that came later
            if member.default_factory is not MISSING:
                self.__dict__[member.name] = member.default_factory()
        self.__dict__.update(state["attributes"])


def concerns(config: Any) -> list[str]:
    """What a checked configuration holds that is possible yet unlikely to be meant, one phrase each."""
    found: list[str] = []
    # sum, not fsum: two shares of 1e308 are an infinite sum to report, not an error.
    shares = sum(
        (
            config.working_memory_pct,
            config.project_memory_pct,
            config.long_term_memory_pct,
            config.rag_memory_pct,
        )
    )
    if not sums_to_one(shares):
        found.append(f"the tier shares sum to {shares:.6g}, not 1")
    weights = sum((config.relevance_weight, config.importance_weight, config.freshness_weight))
    if not sums_to_one(weights):
        found.append(f"the scoring weights sum to {weights:.6g}, not 1")
    if config.promotion_threshold - config.demotion_threshold <= 0:
        found.append(
            f"promotion_threshold {float(config.promotion_threshold):.6g} is not above demotion_threshold "
            f"{float(config.demotion_threshold):.6g}, so memories may move back and forth"
        )
    return found


def sums_to_one(total: float) -> bool:
    """Whether shares or weights sum to 1 within 0.01."""
    # The last term forgives the rounding of decimal fractions: 1 - 0.99 is a little more than 0.01.
    return abs(total - 1.0) <= SUM_TOLERANCE + 1e-9


def _template(parts: Mapping[str, Any], where: str) -> PromptTemplate:
    from memory_budget_allocator.prompt_template import PromptTemplate

    try:
        return PromptTemplate(**parts)
    except ConfigurationError as error:
        raise type(error)(f"{where}: {error}", field=error.field, value=error.value) from error


def _mapping(value: object, name: str, where: str) -> Mapping[str, object]:
    if isinstance(value, Mapping):
        mapping = cast("Mapping[object, object]", value)
        for key in mapping:
            if not isinstance(key, str):
                raise ConfigurationTypeError(
                    f"{where}: the keys of {name} must be text, got {shown(key)}", value=key
                )
        return cast("Mapping[str, object]", value)
    raise ConfigurationTypeError(
        f"{where}: {name} must be a mapping, got {shown(value)}",
        field=None if " " in name else name,
        value=value,
    )


def _unknown(where: str, path: str, key: str, known: Mapping[str, object]) -> ConfigurationError:
    from memory_budget_allocator.configuration_keys import place_in_workspace

    place = place_in_workspace(key)
    hint = nearest_known(key, known) if place is None else f"did you mean {place!r}?"
    return ConfigurationError(f"{where}: unknown key {shown(path)}; {hint}", field=key)
