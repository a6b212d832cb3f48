"""`ComplexityRules`: the words, steps and points by which the complexity of a query is estimated."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import TYPE_CHECKING, Any, cast

from memory_budget_allocator import _core
from memory_budget_allocator.errors import ConfigurationError, ConfigurationTypeError
from memory_budget_allocator.wording import nearest_known, shown

if TYPE_CHECKING:
    from typing import Self

__all__ = ["ComplexityRules"]

STATE_FORMAT = 1
"""Version of the pickled state; raised when an old reader could misunderstand a new pickle."""


@dataclass(frozen=True)
class ComplexityRules:
    """How a query earns points and which level they make; unchangeable, so that it can be compiled once.

    Lists are accepted wherever a tuple is documented. Points and steps are whole numbers from 0 to 2**53 - 1.

    A keyword of five letters or more also matches as the beginning of a word, a shorter one (and ``what if``)
    only as a whole; ``|`` separates spellings of one keyword. ``dataclasses.replace`` makes a changed copy.

    Raises:
        ConfigurationTypeError: a field has the wrong type (also a `TypeError` and a `ValueError`).
        ConfigurationError: a value cannot be: a keyword without a letter, steps that do not rise, thresholds
            that fall (also a `ValueError`).
    """

    expert_keywords: tuple[str, ...] = (
        "explain",
        "analyze",
        "compare",
        "evaluate",
        "synthesize",
        "architecture",
        "design",
        "optimize",
        "debug",
        "implement",
    )
    """Keywords worth `expert_points`, each counted once."""
    expert_points: int = 2
    """Points of one expert keyword."""
    complex_keywords: tuple[str, ...] = (
        "how",
        "why",
        "what if",
        "difference",
        "relationship",
        "between",
        "impact",
        "effect",
        "cause",
    )
    """Keywords worth `complex_points`, each counted once."""
    complex_points: int = 1
    """Points of one complex keyword."""
    domain_keywords: tuple[str, ...] = (
        "scalable|scalability",
        "microservice",
        "event-driven",
        "distributed",
        "fault-tolerant",
        "high-availability",
        "consensus",
        "sharding",
        "replication",
        "concurrency",
        "multi-tenant",
    )
    """Terms of the field at hand, worth `domain_points` each; empty switches them off."""
    domain_points: int = 1
    """Points of one domain keyword."""
    domain_points_limit: int = 3
    """Most points that all domain keywords together can give."""
    length_steps: tuple[int, ...] = (5, 20, 50)
    """Word counts, rising, from each of which a query earns one more point."""
    history_length_above: float = 5
    """A `history_length` in the context above this gives `history_points`; finite, not negative."""
    history_points: int = 1
    """Points of a long history."""
    turn_count_above: float = 3
    """A `turn_count` in the context above this gives `turn_points`; finite, not negative."""
    turn_points: int = 1
    """Points of a conversation of several turns."""
    retrieval_points: int = 2
    """Points of a query that requires retrieval."""
    level_thresholds: tuple[int, int, int] = (2, 5, 8)
    """Least points of the levels medium, complex and expert; not falling."""

    def __post_init__(self) -> None:
        """Turn lists into tuples and check every field."""
        for name in (
            "expert_keywords",
            "complex_keywords",
            "domain_keywords",
            "length_steps",
            "level_thresholds",
        ):
            value: object = getattr(self, name)
            if isinstance(value, list):
                object.__setattr__(self, name, tuple(cast("list[object]", value)))
            elif not isinstance(value, tuple):
                # A string would otherwise pass for a sequence of one-letter keywords.
                raise ConfigurationTypeError(
                    f"complexity rules: {name} must be a list or a tuple, got {shown(value)}",
                    field=name,
                    value=value,
                )
        _core.check_complexity_rules(self)

    @classmethod
    def from_dict(cls, data: Mapping[str, object]) -> Self:
        """Build rules from the shape of the configuration file's section `complexity`: field names as keys.

        Missing keys keep their defaults; an unknown key is a `ConfigurationError` that names the nearest one.
        """
        if not isinstance(cast("object", data), Mapping):
            raise ConfigurationTypeError(f"complexity rules must be a mapping, got {shown(data)}", value=data)
        known = [member.name for member in fields(cls)]
        for key in cast("Mapping[object, object]", data):
            if not isinstance(key, str):
                raise ConfigurationTypeError(
                    f"complexity rules: keys must be text, got {shown(key)}", value=key
                )
            if key not in known:
                raise ConfigurationError(
                    f"complexity rules: unknown key {shown(key)}; {nearest_known(key, known)}", field=key
                )
        return cls(**cast("dict[str, Any]", dict(data)))

    def to_dict(self) -> dict[str, Any]:
        """The shape of the section `complexity`: lists and built-in numbers, ready for JSON or YAML."""
        from memory_budget_allocator.configuration_keys import COMPLEXITY_KEYS

        return {row.key: row.plain(getattr(self, row.field)) for row in COMPLEXITY_KEYS}

    def __getstate__(self) -> dict[str, object]:
        """The state for pickle and copy, with its format number."""
        return {"format": STATE_FORMAT, "attributes": dict(self.__dict__)}

    def __setstate__(self, state: dict[str, Any]) -> None:
        """Take over a state, unless a newer version of the library wrote it."""
        if state.get("format") != STATE_FORMAT:
            raise ConfigurationError(
                f"ComplexityRules: the pickle has format {shown(state.get('format'))}, "
                f"this version reads {STATE_FORMAT}"
            )
        self.__dict__.update(state["attributes"])
