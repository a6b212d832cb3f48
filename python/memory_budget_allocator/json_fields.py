"""Fields of records: what each may hold, and messages that name place, field and value.

Records are from JSON, or dicts a caller made: those may hold NumPy's numbers, datetimes and tuples too.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from datetime import datetime
from numbers import Integral, Real
from typing import TYPE_CHECKING, Any, Literal, cast

from memory_budget_allocator.configuration_keys import LARGEST_COUNT
from memory_budget_allocator.errors import DataError
from memory_budget_allocator.json_input import described
from memory_budget_allocator.levels import MemoryTier
from memory_budget_allocator.wording import nearest_known, shown

if TYPE_CHECKING:
    from collections.abc import Iterable

__all__ = ["Kind", "checked", "known_keys_only", "parse_time", "require"]

Kind = Literal[
    "text",
    "text or null",
    "label",
    "tier",
    "time",
    "known time",
    "object",
    "number",
    "count",
    "count or null",
    "positive count",
    "flag",
    "list",
    "texts",
]

_TIERS = frozenset(tier.value for tier in MemoryTier)

_ACCEPTED: Mapping[Kind, str] = {
    "text": "text",
    "text or null": "text or null",
    "label": "text, a whole number or null",
    "tier": "one of " + ", ".join(tier.value for tier in MemoryTier),
    "time": "an ISO 8601 date and time such as 2026-03-14T15:09:26Z, or null",
    "known time": "an ISO 8601 date and time such as 2026-03-14T15:09:26Z",
    "object": "an object",
    "number": "a number",
    "count": f"a whole number from 0 to {LARGEST_COUNT}",
    "count or null": f"a whole number from 0 to {LARGEST_COUNT}, or null",
    "positive count": f"a whole number from 1 to {LARGEST_COUNT}",
    "flag": "true or false",
    "list": "an array",
    "texts": "an array of texts",
}


def parse_time(text: str) -> datetime:
    """An ISO 8601 date and time; without an offset it is UTC.

    Raises:
        ValueError: the text is something else.
    """
    return datetime.fromisoformat(text)


def known_keys_only(place: str, record: Mapping[str, Any], known: Iterable[str], hint: str = "") -> None:
    """Refuse a record with a key of another name, which is usually a misspelt one.

    Raises:
        DataError: naming place and key; the hint follows.
    """
    known = tuple(known)
    for key in record:
        if key not in known:
            raise DataError(f"{place}: {shown(key)}: unknown key, {nearest_known(key, known)}{hint}")


def require(place: str, record: Mapping[str, Any], key: str, kind: Kind) -> None:
    """Refuse a record without this key.

    Raises:
        DataError: naming place and field.
    """
    if key not in record:
        raise DataError(f"{place}: {key}: missing, must be {_ACCEPTED[kind]}")


def checked(place: str, key: str, kind: Kind, value: object) -> Any:
    """The value of a field as Python has it: a time as a datetime, a number as a float, a label as text.

    Raises:
        DataError: the kind does not allow the value; naming place, field and value.
    """
    try:
        return _converted(kind, value)
    except OverflowError:
        accepted = "a number that a 64-bit float can hold"
    except ValueError:
        accepted = _ACCEPTED[kind]
    raise DataError(f"{place}: {key}: must be {accepted}, got {described(value)}")


def _converted(kind: Kind, value: object) -> object:
    if value is None and kind in ("text or null", "count or null", "label", "time"):
        return None
    converted: object = value
    match kind:
        case "text" | "text or null":
            fits = isinstance(value, str)
        case "label":
            fits = isinstance(value, (str, int)) and not isinstance(value, bool)
            converted = str(value)
        case "tier":
            fits = isinstance(value, str) and value in _TIERS
        case "time" | "known time":
            fits = isinstance(value, (str, datetime))
            converted = parse_time(value) if isinstance(value, str) else value
        case "object":
            fits = isinstance(value, Mapping)
        case "flag":
            fits = isinstance(value, bool)
        case "list":
            fits = isinstance(value, (list, tuple))
        case "texts":
            fits = isinstance(value, (list, tuple)) and all(
                isinstance(member, str) for member in cast("list[object]", value)
            )
        case "number":
            fits = not isinstance(value, bool) and isinstance(value, Real)
            converted = float(cast("float", value)) if fits else value
            fits = fits and math.isfinite(cast("float", converted))
        case "count" | "count or null" | "positive count":
            least = 1 if kind == "positive count" else 0
            fits = not isinstance(value, bool) and isinstance(value, Integral)
            converted = int(cast("int", value)) if fits else value
            fits = fits and least <= cast("int", converted) <= LARGEST_COUNT
    if not fits:
        raise ValueError
    return converted
