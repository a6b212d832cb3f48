"""Text as a terminal shows it: how many columns it takes, how to cut and to pad it."""

from __future__ import annotations

import unicodedata

__all__ = ["cut", "display_width", "displayable", "padded", "wrapped"]

ELLIPSIS = "..."

_JOINERS = "\u200c\u200d"
"""Zero-width (non-)joiners: invisible, and part of the spelling of Persian, Hindi and of emoji."""


def displayable(text: str) -> str:
    """A text with everything escaped that would move the cursor, reverse the line or show nothing."""
    if text.isascii() and text.isprintable():
        return text
    return "".join(character if _is_shown(character) else _escaped(character) for character in text)


def display_width(text: str) -> int:
    """Columns a displayable text takes: two for East Asian wide characters, none for combining ones."""
    if text.isascii():
        return len(text)
    return sum(map(_columns, text))


def cut(text: str, width: int) -> str:
    """A text that takes at most `width` columns, ending in "..." if something is missing."""
    # No character takes less than no column, so a text that long need not be measured to its end.
    if len(text) <= width * 4 and display_width(text) <= width:
        return text
    room = width - len(ELLIPSIS)
    if room < 0:
        return ELLIPSIS[:width]
    kept: list[str] = []
    for character in text:
        room -= _columns(character)
        if room < 0 or len(kept) == width * 4:
            break
        kept.append(character)
    return "".join(kept).rstrip() + ELLIPSIS


def padded(text: str, width: int, *, right: bool = False) -> str:
    """A text filled with spaces to `width` columns, standing left or right in them."""
    fill = " " * (width - display_width(text))
    return fill + text if right else text + fill


def wrapped(text: str, width: int) -> list[str]:
    """The lines of a text that take at most `width` columns each, broken at spaces where there are any."""
    lines = [""]
    for word in text.split(" "):
        longer = f"{lines[-1]} {word}" if lines[-1] else word
        if display_width(longer) <= width:
            lines[-1] = longer
            continue
        if lines[-1]:
            lines.append("")
        for character in word:
            if lines[-1] and display_width(lines[-1] + character) > width:
                lines.append("")
            lines[-1] += character
    return lines


def _is_shown(character: str) -> bool:
    return character.isprintable() or character in _JOINERS or unicodedata.category(character) == "Zs"


def _escaped(character: str) -> str:
    return character.encode("unicode_escape").decode("ascii")


def _columns(character: str) -> int:
    if character.isascii():
        return 1
    if unicodedata.category(character) in ("Mn", "Me", "Cf") or "\u1160" <= character <= "\u11ff":
        return 0  # the range: Korean vowels and finals, drawn into the block of their initial
    return 2 if unicodedata.east_asian_width(character) in "WF" else 1
