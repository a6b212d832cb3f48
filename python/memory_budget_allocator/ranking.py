"""`Ranking`: in which order memories are tried."""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import TYPE_CHECKING, Any, Literal

from memory_budget_allocator import _core
from memory_budget_allocator.errors import ConfigurationError
from memory_budget_allocator.wording import nearest_known, shown

if TYPE_CHECKING:
    import os
    from collections.abc import Mapping
    from typing import Self

    from memory_budget_allocator.levels import MemoryTier

__all__ = ["Ranking", "RankingName"]

RankingName = Literal["weighted", "evidence"]


@dataclass(frozen=True, kw_only=True)
class Ranking:
    """A ranking with its parts; None leaves a part as the `kind` has it.

    ``"weighted"``, the documented formula, has every part off; ``"evidence"`` is the composition that keeps
    most of what answers a query. docs/ranking.md says what each part does, gains and costs.

    Raises:
        ConfigurationTypeError: a field has the wrong type.
        ConfigurationError: a field has a value that cannot be.

    >>> from memory_budget_allocator.ranking import Ranking
    >>> Ranking(kind="evidence", freshness_weight=0.5).freshness_weight
    0.5
    """

    kind: RankingName = "weighted"
    """What the terms are put together into."""
    normalisation: Literal["none", "z", "min_max", "rank"] | None = None
    """How relevance, and BM25 beside it, are made comparable within a call (evidence: "z")."""
    lexical_weight: float | None = None
    """Weight of the normalised BM25 beside the normalised relevance; not negative (evidence: .5)."""
    importance_weight: float | None = None
    """evidence: what the greatest importance is worth, in standard deviations of the match; not negative
    (.25). weighted: the workspace's weight."""
    freshness_weight: float | None = None
    """evidence: what the greatest freshness is worth, in standard deviations of the match; not negative
    (0). weighted: the workspace's weight."""
    freshness: Literal["exponential", "power_law", "none"] | None = None
    """How freshness falls with age ("exponential")."""
    freshness_floor: float | None = None
    """The least freshness, 0 to 1 (0)."""
    freshness_half_life_hours: float | Mapping[MemoryTier | str, float] | None = None
    """Hours until one half, above 0, or a mapping from tiers (evidence: 720; weighted: the workspace's)."""
    smoothing: float | None = None
    """Share of the neighbours in a session in a score, 0 to 1 (evidence: .3)."""
    cost_exponent: float | None = None
    """Exponent of the tokens a memory costs: 0 is the score order, 1 the density (evidence: 1)."""
    cost_floor: int | None = None
    """Whatever costs less is taken to cost so many tokens, at least 1 (32)."""
    supersession: bool | None = None
    """Whether a memory drops the one it names in ``supersedes`` (evidence: yes)."""
    relevance_gate: float | None = None
    """The least relevance as given, before anything else; None for none."""
    minimum_score: float | None = None
    """The least score of this ranking; None for none."""
    exact_duplicates: bool | None = None
    """Whether memories with the same words as one that was taken are passed over (evidence: yes)."""
    near_duplicates: int | None = None
    """In how many of 64 bits the SimHash of a near duplicate differs at most; None for off."""
    diversity: float | None = None
    """The lambda of maximal marginal relevance, 0 to 1; None for off."""
    packer: Literal["greedy", "knapsack"] | None = None
    """How tiers are filled ("greedy"): by the order, or by the largest sum of ``exp(score)``."""

    def __post_init__(self) -> None:
        """Check every field."""
        _core.check_ranking(self)

    @classmethod
    def from_dict(cls, parts: Mapping[str, Any]) -> Self:
        """A ranking from its parts; what is left out is as the `kind` has it.

        Raises:
            ConfigurationError: a key is no part (the message names the nearest one), or a value cannot be.
            ConfigurationTypeError: a value has the wrong type.
        """
        known = [member.name for member in fields(cls)]
        for key in parts:
            if key not in known:
                raise ConfigurationError(
                    f"unknown key {shown(f'ranking.{key}')}; {nearest_known(str(key), known)}", field=key
                )
        return cls(**parts)

    @classmethod
    def from_file(cls, path: str | os.PathLike[str]) -> Self:
        """A ranking from a file that holds its parts, in JSON or YAML: what ``memory-budget learn`` writes.

        Raises:
            ConfigurationNotFoundError: there is no such file.
            ConfigurationError: it cannot be read, or a part cannot be; file, line, key and value are named.
        """
        from memory_budget_allocator.loader.values import read_ranking_file

        return cls.from_dict(read_ranking_file(path))

    def to_dict(self) -> dict[str, object]:
        """The parts that were given, of built-in types, ready for JSON or YAML."""
        from memory_budget_allocator.configuration_keys import RANKING_KEYS

        given = {row.key: (row, getattr(self, row.field)) for row in RANKING_KEYS}
        return {key: row.plain(value) for key, (row, value) in given.items() if value is not None}
