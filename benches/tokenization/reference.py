"""Python tiktoken, which the counters are checked and timed against.

It looks for its vocabularies in TIKTOKEN_CACHE_DIR and would fetch them otherwise; the wheel of
llama-index-core carries such a folder (llama_index/core/_static/tiktoken_cache).
"""

from __future__ import annotations

import functools
import os
import sys
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from tiktoken import Encoding

VOCABULARIES = ("o200k_base", "cl100k_base")


@functools.cache
def encodings() -> dict[str, Encoding]:
    """The encodings by name; ends the program where tiktoken or its vocabularies are missing."""
    if "TIKTOKEN_CACHE_DIR" not in os.environ:
        sys.exit("TIKTOKEN_CACHE_DIR must name a folder with tiktoken's vocabularies; see benches/README.md")
    try:
        import tiktoken
    except ImportError:
        sys.exit("tiktoken is missing: pip install tiktoken")
    return {name: tiktoken.get_encoding(name) for name in VOCABULARIES}
