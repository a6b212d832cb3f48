"""`PromptTemplate`: what stands around memories in the text that reaches the model."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Literal

from memory_budget_allocator import _core

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = ["MessageFormat", "PromptOrder", "PromptTemplate"]

PromptOrder = Literal["score", "chronological", "edges", "tier"]
MessageFormat = Literal["openai", "anthropic", "gemini"]


@dataclass(frozen=True)
class PromptTemplate:
    """How selected memories are put together to one text; immutable and checked when it is made.

    In ``item``, ``{name}`` is a slot; ``{{`` and ``}}`` are braces, in every field. A memory cannot spell
    what the template puts around it: where it would, a mark is put behind the first character, as in
    ``<\\/memory>``. See the documentation of rendering for the rules.

    Raises:
        ConfigurationError: a slot is unknown, misplaced or not closed, ``{text}`` is missing, or the frame
            has an end that any text may contain. ``field`` and ``value`` say where.
        ConfigurationTypeError: a field has the wrong type.
    """

    prologue: str = "<memories>\n"
    """Before everything. No slots. Left out, like the epilogue, where no memory was selected."""
    headings: str | Mapping[str, str] = field(default="", hash=False)
    """Before the memories of each tier that has any: one for all tiers, or one each, by tier; with the slot
    ``{tier}`` alone. If there is any, memories are grouped by tier, and ``order`` holds within each group;
    a tier without one follows the tier before it. Of a mapping, the instance keeps a dict of its own, which
    must not be changed."""
    item: str = "<memory>{text}</memory>"
    """One memory. Slots: ``{text}``, which has to be there, once; ``{id}``, on one line; ``{tier}``;
    ``{score}``, with four decimals; ``{timestamp}``, the time of creation in ISO form, empty where it is not
    known; ``{tokens}``, the token count of the memory alone."""
    between: str = "\n"
    """Between two memories. No slots."""
    epilogue: str = "\n</memories>"
    """After everything. No slots."""
    order: PromptOrder = "score"
    """"score": best first; "chronological": oldest first, those of unknown age before all others; "edges":
    the best first, the second best last, the others towards the middle; "tier": by tier, best first."""

    def __post_init__(self) -> None:
        """Check every field."""
        _core.check_template(self)
        if not isinstance(self.headings, str):
            # A dict of its own: the caller may go on using theirs. Its keys are plain strings.
            headings = {str.__str__(tier): heading for tier, heading in self.headings.items()}
            object.__setattr__(self, "headings", headings)

    @property
    def guarded(self) -> tuple[str, ...]:
        """The sequences that no memory can spell, as they are compared: lower case, without white space."""
        return tuple(_core.check_template(self)[0])

    @property
    def mark(self) -> str:
        """The character that breaks a guarded sequence: a backslash, unless the template has one."""
        return _core.check_template(self)[1]
