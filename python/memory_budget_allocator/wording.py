"""How values and names appear in messages: short, on one line, with a hint where one can be given."""

from __future__ import annotations

import reprlib
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable

__all__ = ["near_ones", "nearest_known", "one_line", "shown"]

_shortener = reprlib.Repr()
_shortener.maxstring = _shortener.maxother = _shortener.maxlong = 80


def shown(value: object) -> str:
    """A short form of any value on one line."""
    try:
        text = _shortener.repr(value)
    except ValueError:  # Python refuses to print whole numbers of thousands of digits
        return f"a {type(value).__name__} of very many digits"
    return one_line(text)


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
    return f"none of the {len(known)} ids is near it" if known else "there is none"
