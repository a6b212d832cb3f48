"""Which vocabulary which model counts with, as data.

As of November 2026, from tiktoken 0.14. Models that publish no tokenizer (Claude, Gemini) are not listed: for
them "upper_bound" is the counter.
"""

from __future__ import annotations

from types import MappingProxyType
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = ["MODELS", "MODELS_AS_OF", "vocabulary_of_model"]

MODELS_AS_OF = "2026-11"
"""Month in which the list was last looked at."""

MODELS: Mapping[str, str] = MappingProxyType(
    {
        "gpt-5": "o200k_base",
        "gpt-4.5": "o200k_base",
        "gpt-4.1": "o200k_base",
        "gpt-4o": "o200k_base",
        "chatgpt-4o": "o200k_base",
        "gpt-oss": "o200k_base",  # its vocabulary adds special tokens only, which count as plain text here
        "o1": "o200k_base",
        "o3": "o200k_base",
        "o4-mini": "o200k_base",
        "gpt-4": "cl100k_base",
        "gpt-3.5": "cl100k_base",
        "gpt-3.5-turbo": "cl100k_base",
        "gpt-35-turbo": "cl100k_base",
        "davinci-002": "cl100k_base",
        "babbage-002": "cl100k_base",
        "text-embedding-ada-002": "cl100k_base",
        "text-embedding-3-small": "cl100k_base",
        "text-embedding-3-large": "cl100k_base",
    }
)
"""Vocabularies by model. A name that goes on with a hyphen or, after "gpt-5", with a point is a version of
that model; "ft:" before it is a fine-tuned one."""


def vocabulary_of_model(name: str) -> str | None:
    """The vocabulary of a model, also of a dated, sized or fine-tuned version of it; None if it is not known.

    >>> vocabulary_of_model("gpt-4o-mini-2024-07-18"), vocabulary_of_model("ft:gpt-4:team::id")
    ('o200k_base', 'cl100k_base')
    """
    base = name.removeprefix("ft:").split(":")[0]
    versions = [
        model
        for model in MODELS
        if base == model or base.startswith(f"{model}-") or (model == "gpt-5" and base.startswith("gpt-5."))
    ]
    return MODELS[max(versions, key=len)] if versions else None
