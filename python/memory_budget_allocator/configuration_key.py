"""One key of a configuration: what the file accepts under it, and how its value is written."""

from __future__ import annotations

import operator
from collections.abc import Mapping
from dataclasses import KW_ONLY, dataclass
from typing import TYPE_CHECKING, Literal, cast

from memory_budget_allocator.levels import MemoryTier

if TYPE_CHECKING:
    from collections.abc import Iterable
    from typing import SupportsFloat, SupportsIndex

__all__ = ["ConfigurationKey"]

Kind = Literal[
    "identifier",
    "text",
    "tokenizer",
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
    kind: Kind
    description: str
    _: KW_ONLY
    section: str | None = None
    key: str = ""
    """As the file writes it; the field where it is not given."""
    minimum: int | None = None
    maximum: int | None = None
    above: int | None = None
    length: int | None = None
    optional: bool = False
    choices: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        """Name the key."""
        if not self.key:
            object.__setattr__(self, "key", self.field)

    @property
    def path(self) -> str:
        """Where the key stands inside its workspace (or, for complexity rules, inside the file)."""
        return self.key if self.section is None else f"{self.section}.{self.key}"

    @property
    def accepted(self) -> str:  # noqa: PLR0911 - one line per kind
        """What the file accepts here, in words that fit behind "must be"."""
        if self.kind in ("identifier", "text", "tokenizer"):
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
            case "identifier" | "text" | "tokenizer" | "choice" | "frame" | "ranking":
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
