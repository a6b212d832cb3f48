"""Strings for checking token counts: every script, code, JSON, emoji, white space, random bytes as text.

Everything comes from a seed and from this Python's own character database and standard library, so that
one interpreter makes the same strings each time.
"""

import json
import random
import sys
import sysconfig
import unicodedata
from collections.abc import Callable, Iterator
from pathlib import Path

SPECIAL_TOKENS = ("<|endoftext|>", "<|endofprompt|>", "<|fim_prefix|>", "<|fim_middle|>", "<|fim_suffix|>")

# What a regular expression's \s matches, and look-alikes it does not.
WHITE_SPACE = "\t\n\x0b\x0c\r \x85\xa0\u1680\u2000\u2007\u2009\u2028\u2029\u202f\u205f\u3000"
LOOK_ALIKES = "\x1c\x1f\u180e\u200b\u2060\ufeff"

# Contractions are matched regardless of case, and U+017F is an s to such a comparison; titlecase letters,
# modifier letters, marks, letter numbers and fractions each fall into a branch of their own.
TRAPS = "'’sStTrReEvVmMlLdDſK aA1.-/\n\r\tǅʰ́Ⅻⅸ½²ªßİıΣςあ中한"


def scripts() -> dict[str, list[str]]:
    """The assigned characters by the first word of their name, which is their script or their kind."""
    found: dict[str, list[str]] = {}
    for code_point in range(sys.maxunicode + 1):
        character = chr(code_point)
        if unicodedata.category(character) in {"Cn", "Cs", "Co"}:
            continue
        name = unicodedata.name(character, "CONTROL")
        found.setdefault(name.split()[0].split("-")[0], []).append(character)
    return found


def _words(generator: random.Random, alphabet: str | list[str], longest: int = 12) -> str:
    """Up to twelve words of one alphabet with the usual things between them."""
    between = (" ", " ", " ", ", ", ". ", "\n", "", "  ", " 42 ", "-", "'s ", "\n\n")
    parts: list[str] = []
    for _ in range(generator.randint(1, 12)):
        parts += generator.choices(alphabet, k=generator.randint(1, longest))
        parts.append(generator.choice(between))
    return "".join(parts)


def of_scripts(generator: random.Random, count: int) -> Iterator[str]:
    """Words of every script in turn; a third of them from 96 neighbouring characters, as real words are."""
    alphabets = list(scripts().values())
    for index in range(count):
        alphabet = alphabets[index % len(alphabets)]
        if generator.random() < 0.33:
            start = generator.randrange(len(alphabet))
            alphabet = alphabet[start : start + 96]
        yield _words(generator, alphabet)


def of_mixed_scripts(generator: random.Random, count: int) -> Iterator[str]:
    """Characters of three scripts, mingled."""
    alphabets = list(scripts().values())
    for _ in range(count):
        chosen = generator.sample(alphabets, 3)
        yield _words(generator, [character for alphabet in chosen for character in alphabet[:500]])


def of_prose_and_code(generator: random.Random, count: int) -> Iterator[str]:
    """Windows on the sources of the standard library."""
    folder = Path(sysconfig.get_path("stdlib"))
    sources = [path.read_text("utf-8", "replace") for path in sorted(folder.glob("*.py"))]
    for _ in range(count):
        source = generator.choice(sources)
        start = generator.randrange(len(source))
        yield source[start : start + generator.randint(1, 1_000)]


def _json_value(generator: random.Random, depth: int) -> object:
    kinds = ("number", "string", "truth", "list", "dict") if depth else ("number", "string", "truth")
    match generator.choice(kinds):
        case "number":
            return generator.choice((generator.randrange(10**6), generator.random() * 1e3, -1e-9))
        case "string":
            return _words(generator, 'abcdefgh éü"\\/{}日本', 5)
        case "truth":
            return generator.choice((True, False, None))
        case "list":
            return [_json_value(generator, depth - 1) for _ in range(generator.randrange(5))]
        case _:
            return {_words(generator, "abc_", 4): _json_value(generator, depth - 1) for _ in range(4)}


def of_json(generator: random.Random, count: int) -> Iterator[str]:
    """JSON, dense and indented, escaped and not."""
    for _ in range(count):
        value = _json_value(generator, 3)
        indent = generator.choice((None, 2, 4))
        yield json.dumps(value, indent=indent, ensure_ascii=generator.random() < 0.5)


def of_emoji(generator: random.Random, count: int) -> Iterator[str]:
    """Emoji with skin tones, joiners, variation selectors and flags, and words between."""
    pieces = [chr(code) for code in range(0x1F300, 0x1F650)] + [chr(code) for code in range(0x1F900, 0x1FA00)]
    joints = [
        "\u200d",
        "\ufe0f",
        *map(chr, range(0x1F3FB, 0x1F400)),
        *map(chr, range(0x1F1E6, 0x1F200)),
        " ",
        "ok",
    ]
    for _ in range(count):
        parts = (generator.choice(pieces if generator.random() < 0.6 else joints) for _ in range(30))
        yield "".join(parts)[: generator.randint(1, 30)]


def of_white_space(generator: random.Random, count: int) -> Iterator[str]:
    """Runs of every kind of white space, with little else."""
    for _ in range(count):
        parts: list[str] = []
        for _ in range(generator.randint(1, 8)):
            alphabet = generator.choice(
                (" ", "\n", "\r\n", "\t ", " \n", WHITE_SPACE, WHITE_SPACE + LOOK_ALIKES)
            )
            parts += generator.choices(alphabet, k=generator.randint(1, 20))
            parts.append(generator.choice(("", "", "x", "1", "!", "é", "/", "'s")))
        yield "".join(parts)


def of_random_bytes(generator: random.Random, count: int) -> Iterator[str]:
    """Random bytes read as UTF-8, Latin-1 and UTF-16."""
    for _ in range(count):
        data = generator.randbytes(generator.randint(1, 200))
        encoding = generator.choice(("utf-8", "latin-1", "utf-16-le"))
        yield data.decode(encoding, "replace")


def of_traps(generator: random.Random, count: int) -> Iterator[str]:
    """Few characters that decide between branches of the patterns, in every order."""
    for _ in range(count):
        yield "".join(generator.choices(TRAPS, k=generator.randint(1, 24)))


def of_digits(generator: random.Random, count: int) -> Iterator[str]:
    """Numbers of every script."""
    digits = [chr(code) for code in range(sys.maxunicode + 1) if unicodedata.category(chr(code))[0] == "N"]
    for _ in range(count):
        start = generator.randrange(len(digits))
        alphabet = generator.choice(("0123456789", digits[start : start + 10], digits))
        yield _words(generator, alphabet, 9)


def of_special_tokens(generator: random.Random, count: int) -> Iterator[str]:
    """The text of special tokens within other text."""
    for _ in range(count):
        yield _words(generator, "ab ", 3) + generator.choice(SPECIAL_TOKENS) + _words(generator, "ab ", 3)


def of_repetitions(generator: random.Random, count: int) -> Iterator[str]:
    """One or two characters over and over, and long words without a break."""
    characters = "a A=-_*.0é中あ😀\u0301/\n"
    for _ in range(count):
        unit = "".join(generator.choices(characters, k=generator.randint(1, 3)))
        yield unit * generator.randint(1, 300)
        yield "".join(generator.choices("etaoinshrdlu", k=generator.randint(20, 600)))


def of_surrogates(generator: random.Random, count: int) -> Iterator[str]:
    """Surrogates, alone and in pairs: no UTF-8 can hold them."""
    for _ in range(count):
        yield "".join(generator.choices("ab \ud83d\ude00\udcff\ud800", k=generator.randint(1, 20)))


# What it is called, what makes it, how many strings of a full corpus.
KINDS: tuple[tuple[str, Callable[[random.Random, int], Iterator[str]], int], ...] = (
    ("scripts", of_scripts, 50_000),
    ("mixed scripts", of_mixed_scripts, 10_000),
    ("prose and code", of_prose_and_code, 15_000),
    ("JSON", of_json, 5_000),
    ("emoji", of_emoji, 5_000),
    ("white space", of_white_space, 15_000),
    ("random bytes", of_random_bytes, 10_000),
    ("traps", of_traps, 20_000),
    ("digits", of_digits, 4_000),
    ("special tokens", of_special_tokens, 1_000),
    ("repetitions", of_repetitions, 1_000),
    ("surrogates", of_surrogates, 1_000),
)


def corpus(share: float = 1.0, seed: int = 15) -> Iterator[tuple[str, str]]:
    """(kind, string) of every kind; `share` of the full number of each."""
    for kind, maker, count in KINDS:
        for string in maker(random.Random(f"{kind} {seed}"), max(1, int(count * share))):
            yield kind, string


def every_character() -> Iterator[str]:
    """Every code point but surrogates, where it starts, ends and divides words and numbers."""
    for code_point in range(sys.maxunicode + 1):
        if not 0xD800 <= code_point < 0xE000:
            character = chr(code_point)
            yield f"a{character}b {character}B{character}{character} 1{character}2\n{character}"
