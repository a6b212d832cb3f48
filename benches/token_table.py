"""Writes tests/data/token_counts.json.gz: strings and what tiktoken counts for them.

TIKTOKEN_CACHE_DIR=... python benches/token_table.py
"""

import gzip
import json
from pathlib import Path

from tokenization.corpus import corpus
from tokenization.reference import VOCABULARIES, encodings

TARGET = Path(__file__).resolve().parent.parent / "tests" / "data" / "token_counts.json.gz"
SHARE = 0.025
LONGEST = 160
"""Characters of a string; real files of code go on for longer, but not differently."""


def main() -> None:
    known = [encodings()[name] for name in VOCABULARIES]
    strings = {string[:LONGEST] for _, string in corpus(SHARE, seed=16)}
    rows = [
        [string, *(len(encoding.encode_ordinary(string)) for encoding in known)] for string in sorted(strings)
    ]
    content = json.dumps({"vocabularies": VOCABULARIES, "rows": rows}, separators=(",", ":")).encode()
    TARGET.parent.mkdir(exist_ok=True)
    TARGET.write_bytes(gzip.compress(content, mtime=0))
    print(f"{len(rows)} rows, {TARGET.stat().st_size} bytes")


if __name__ == "__main__":
    main()
