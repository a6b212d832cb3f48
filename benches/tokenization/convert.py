"""Turns a file of ranks, as tiktoken reads it, into the form that rust/core/data holds.

    python -m tokenization.convert o200k_base.tiktoken rust/core/data/o200k_base.vocabulary

The result: the number of tokens (u32, little endian), one byte with the length of each, then their bytes,
all in order of rank. Ranks must run from 0 without a gap and every single byte must be a token.
"""

import base64
import sys
from pathlib import Path


def converted(ranks: bytes) -> bytes:
    """The vocabulary of a file with one base64 token and its rank a line."""
    tokens: list[bytes] = []
    for number, line in enumerate(ranks.split(b"\n")):
        if line:
            token, rank = line.split()
            if int(rank) != number:
                raise ValueError(f"line {number + 1}: rank {int(rank)} instead of {number}")
            tokens.append(base64.b64decode(token))
    missing = {bytes([value]) for value in range(256)} - set(tokens)
    if missing or len(set(tokens)) != len(tokens):
        raise ValueError(f"not a vocabulary of bytes: {len(missing)} bytes missing, or a token twice")
    return len(tokens).to_bytes(4, "little") + bytes(map(len, tokens)) + b"".join(tokens)


if __name__ == "__main__":
    source, target = map(Path, sys.argv[1:])
    target.write_bytes(converted(source.read_bytes()))
