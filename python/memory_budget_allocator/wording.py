"""How values and names appear in messages: short, on one line, with a hint where one can be given."""

from __future__ import annotations

import reprlib
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable

__all__ = ["counted", "near_ones", "nearest_known", "one_line", "shown", "shown_with_type"]

_shortener = reprlib.Repr()
_shortener.maxstring = _shortener.maxother = _shortener.maxlong = 80


def shown(value: object) -> str:
    """A short form of any value on one line."""
    try:
        text = _shortener.repr(value)
    except ValueError:  # Python refuses to print whole numbers of thousands of digits
        return f"a {type(value).__name__} of very many digits"
    return one_line(text)


def shown_with_type(value: object) -> str:
    """A short form of any value with its type behind it; None speaks for itself."""
    return "None" if value is None else f"{shown(value)} ({one_line(type(value).__name__)})"


def counted(count: int, one: str, several: str) -> str:
    """A number with the noun that goes with it.

    >>> counted(1, "memory", "memories"), counted(1200, "memory", "memories")
    ('1 memory', '1,200 memories')
    """
    return f"{count:,} {one if count == 1 else several}"


def one_line(text: str) -> str:
    """A text with everything unprintable escaped: a line break in an id cannot forge a log line."""
    text = str.__str__(text)  # a subclass may print as something else, on several lines
    if text.isprintable():
        return text
    return "".join(
        character if character.isprintable() else character.encode("unicode_escape").decode("ascii")
        for character in text
    )


def nearest_known(key: str, known: Iterable[str]) -> str:
    """Which of the known keys an unknown one most likely meant, as the end of a sentence."""
    import difflib  # only errors need it

    # Cut, because the comparison takes quadratic time.
    by_lower_case = {name.lower()[:100]: name for name in known}
    if not by_lower_case:
        return "no key is known here"
    nearest = difflib.get_close_matches(key.lower()[:100], by_lower_case, n=1, cutoff=0.0)
    return f"the nearest known key is {shown(by_lower_case[nearest[0]])}"


def near_ones(wanted: str, known: list[str]) -> str:
    """Which of the known ids look like a wanted one, as the end of a sentence."""
    import difflib  # only errors need it

    # Cut, because comparing takes time with every character and every id.
    names = {name[:100]: name for name in known[:10_000]}
    near = difflib.get_close_matches(wanted[:100], names, n=3, cutoff=0.5)
    if near:
        return f"near ones are {', '.join(shown(names[each]) for each in near)}"
    if not known:
        return "there is none"
    if len(known) == 1:
        return f"the only id is {shown(known[0])}"
    return f"none of the {len(known)} ids is near it"
