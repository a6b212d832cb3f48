"""Compares token counts with Python tiktoken's on the whole corpus, and on every code point.

    TIKTOKEN_CACHE_DIR=... python benches/token_exactness.py

Fails if one count differs, or if the bound lies below one. Prints the slack of the bound by kind of text.
"""

from __future__ import annotations

import sys
from collections import Counter

from memory_budget_allocator import count_all_tokens
from tokenization.corpus import corpus, every_character
from tokenization.reference import VOCABULARIES, encodings


def main() -> int:
    strings = [*corpus(), *(("every character", string) for string in every_character())]
    texts = [string for _, string in strings]
    kinds = [kind for kind, _ in strings]
    bounds = count_all_tokens(texts, "upper_bound")
    largest = [0] * len(texts)
    failures = 0
    for name in VOCABULARIES:
        expected = [len(tokens) for tokens in encodings()[name].encode_ordinary_batch(texts)]
        found = count_all_tokens(texts, name)
        wrong = [place for place, count in enumerate(expected) if found[place] != count]
        low = [place for place, count in enumerate(expected) if bounds[place] < count]
        largest = list(map(max, largest, expected))
        print(f"{name}: {len(wrong)} mismatches, {len(low)} above the bound, of {len(texts)} strings")
        for place in (wrong + low)[:10]:
            print(f"    {texts[place]!r}: {found[place]}, tiktoken {expected[place]}, bound {bounds[place]}")
        failures += len(wrong) + len(low)
    counted, bounded = Counter[str](), Counter[str]()
    for kind, count, bound in zip(kinds, largest, bounds, strict=True):
        counted[kind] += count
        bounded[kind] += bound
    print("bound / the larger of the exact counts:")
    for kind, count in counted.items():
        print(f"    {kind:16} {bounded[kind] / count:.2f}")
    return 1 if failures else 0


if __name__ == "__main__":
    sys.exit(main())
