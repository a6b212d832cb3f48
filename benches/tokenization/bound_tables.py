"""Prints the tables of rust/core/src/tokens/upper_bound.rs, from tiktoken's counts of single characters.

TIKTOKEN_CACHE_DIR=... python -m tokenization.bound_tables
"""

import string

from tokenization.reference import VOCABULARIES, encodings


def main() -> None:
    known = [encodings()[name] for name in VOCABULARIES]

    def most(text: str) -> int:
        return max(len(encoding.encode_ordinary(text)) for encoding in known)

    print("small letters that make a token with the small letter before them, a to z:")
    tokens = [set(encoding.token_byte_values()) for encoding in known]
    for first in string.ascii_lowercase:
        mergeable = (
            all((first + second).encode() in each for each in tokens) for second in string.ascii_lowercase
        )
        print(f"    {sum(1 << place for place, found in enumerate(mergeable) if found):#09x},")
    print("rows of 64 characters of three bytes, each of which takes two tokens at most:")
    rows = [0] * 16
    for row in range(0x800 >> 6, 0x10000 >> 6):
        characters = [chr(code) for code in range(row << 6, (row + 1) << 6) if not 0xD800 <= code < 0xE000]
        if characters and all(most(character) <= 2 for character in characters):
            rows[row >> 6] |= 1 << (row & 63)
    for word in rows:
        print(f"    {word:#018x},")


if __name__ == "__main__":
    main()
