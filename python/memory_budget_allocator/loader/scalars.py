"""Scalars, and where YAML 1.1 reads them as something other than what a person sees.

PyYAML speaks YAML 1.1: ``no`` is a boolean, ``012`` is ten, ``1:30`` is ninety, ``1e3`` is text. Nothing here
guesses what was meant: such a scalar is reported, with the way to write either meaning.
"""

from __future__ import annotations

import re
from typing import TypeAlias

from yaml.nodes import ScalarNode

__all__ = ["MERGE", "TAG", "JsonScalar", "Surprise", "Value", "is_empty", "is_plain", "surprise", "value_of"]

Value: TypeAlias = "str | int | float | bool | None"

TAG = "tag:yaml.org,2002:"
MERGE = TAG + "merge"

MAXIMUM_DIGITS = 400
"""More digits than any 64-bit float has before its point; Python itself refuses some thousand."""

_PLAIN_INTEGER = re.compile(r"[-+]?(?:0|[1-9][0-9]*)")
_PLAIN_FLOAT = re.compile(r"[-+]?(?:[0-9]+\.[0-9]*|\.[0-9]+)(?:[eE][-+][0-9]+)?")
# Numbers to a person (and to JSON, Python or YAML 1.2), yet text to YAML 1.1.
_TEXTUAL_NUMBER = re.compile(
    r"(?P<decimal>[-+]?(?:[0-9][0-9_]*(?:\.[0-9_]*)?|\.[0-9][0-9_]*)(?:[eE][-+]?[0-9]+)?)|(?P<octal>[-+]?0o[0-7]+)"
)


class Surprise(Exception):  # noqa: N818 - never reaches a caller
    """A plain scalar that does not mean what it looks like."""

    def __init__(self, reading: str, remedy: str) -> None:
        """`reading`: what YAML makes of it; `remedy`: how to write what is meant."""
        super().__init__(reading, remedy)
        self.reading = reading
        self.remedy = remedy


class JsonScalar(ScalarNode):
    """A scalar of a JSON text, whose meaning is never in doubt."""

    meaning: Value = None


def is_plain(node: ScalarNode) -> bool:
    """Whether the scalar is written without quotes and without a block sign."""
    return node.style is None


def is_empty(node: ScalarNode) -> bool:
    """Whether nothing at all is written: the value of ``key:``."""
    return is_plain(node) and node.value == "" and node.tag == TAG + "null"


def value_of(node: ScalarNode) -> Value:
    """The value of a scalar whose meaning is not in doubt.

    Raises:
        Surprise: YAML 1.1 reads it differently from how it looks, or its tag is not a basic one.
    """
    text: str = node.value
    kind = node.tag.removeprefix(TAG)
    if not is_plain(node):
        if kind != "str":
            raise Surprise(f"a value of type {node.tag}", "remove the explicit type")
        return text
    found = surprise(text, kind)
    if found is not None:
        raise found
    match kind:
        case "str" | "value":
            return text
        case "null":
            return None
        case "bool":
            return text.lower() == "true"
        case "int":
            return int(text)
        case _:
            return float(text)


def surprise(text: str, kind: str) -> Surprise | None:  # noqa: PLR0911 - one line per kind
    """Why a plain scalar that YAML 1.1 takes for a `kind` is not what it looks like; None when it is."""
    quote = "put it in quotes if text is meant"
    match kind:
        case "str":
            return _text_like_a_number(text, quote)
        case "bool" if text.lower() not in ("true", "false"):
            meant = "true" if text.lower() in ("yes", "on") else "false"
            return Surprise(f"the boolean {meant}", f"write {meant} or {quote}")
        case "int" if _PLAIN_INTEGER.fullmatch(text) is None:
            return Surprise(_old_integer(text), f"write a plain decimal number, or {quote}")
        case "float" if _PLAIN_FLOAT.fullmatch(text) is None and _PLAIN_INTEGER.fullmatch(text) is None:
            special = text.lower().lstrip("+-")
            reading = {".inf": "infinity", ".nan": "not a number"}.get(special, "another number")
            return Surprise(reading, f"write a plain decimal number, or {quote}")
        case "int" | "float" if len(text) > MAXIMUM_DIGITS:
            return Surprise("a number too long to be meant", quote)
        case "float" if float(text) in (float("inf"), float("-inf")):
            return Surprise("infinity", f"write a smaller number, or {quote}")
        case "timestamp":
            return Surprise("a date", quote)
        case "merge":
            return Surprise("the sign that merges mappings", quote)
        case "str" | "value" | "null" | "bool" | "int" | "float":
            return None
        case _:
            return Surprise(f"a value of type {kind}", "remove the explicit type")


def _text_like_a_number(text: str, quote: str) -> Surprise | None:
    match = _TEXTUAL_NUMBER.fullmatch(text)
    # What is a number to everyone can be text by an explicit !!str only, and then it is meant.
    if match is None or len(text) > MAXIMUM_DIGITS or _PLAIN_INTEGER.fullmatch(text):
        return None
    if match["octal"] is not None:
        number = str(int(text.replace("0o", ""), 8))
    elif text.lstrip("+-").isdigit():
        number = str(int(text))
    else:
        mantissa, _, exponent = text.replace("_", "").lower().partition("e")
        mantissa = mantissa if "." in mantissa else mantissa + ".0"
        sign = "" if exponent[:1] in ("", "+", "-") else "+"
        number = f"{mantissa}e{sign}{exponent}" if exponent else mantissa
    return Surprise("text, not a number", f"write {number} if a number is meant, in quotes if text is meant")


def _old_integer(text: str) -> str:
    """What an octal, binary, hexadecimal, sexagesimal or underscored number of YAML 1.1 is."""
    if len(text) > MAXIMUM_DIGITS:
        return "a number of very many digits"
    sign = "-" if text.startswith("-") else ""
    digits = text.lstrip("+-").replace("_", "")
    try:
        if ":" in digits:
            number = 0
            for part in digits.split(":"):
                number = number * 60 + int(part)
        elif digits.startswith("0b"):
            number = int(digits[2:] or "0", 2)
        elif digits.startswith("0x"):
            number = int(digits[2:] or "0", 16)
        elif len(digits) > 1 and digits.startswith("0"):
            number = int(digits, 8)
        else:
            number = int(digits)
    except ValueError:  # text under an explicit !!int
        return "an integer that is none"
    return f"the number {sign}{number}"
