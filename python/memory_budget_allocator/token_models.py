"""Which vocabulary which model counts with, as data.

As of November 2026, from tiktoken 0.14. Models whose vocabulary is not built in (Claude, Gemini, Llama, ...)
are not listed: for them "upper_bound" is the counter, or a file or a callable of theirs.
"""

from __future__ import annotations

import re
from types import MappingProxyType
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

__all__ = [
    "MODELS",
    "MODELS_AS_OF",
    "is_of_another_vendor",
    "model_of_name",
    "near_models",
    "vocabulary_of_model",
]

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
that model."""

# Whoever offers the model, "ft:" for a fine-tuned one, and behind a colon whose it is or how it is served.
_NAME = re.compile(r"(?:[^:]*/)?(?:ft:)?([^:]*)")
_RELEASE = re.compile(r"[-@](?:\d{4}-\d{2}-\d{2}|\d{8}|latest)$")

# Families of which no vocabulary is built in; the shorter ones are parts of other words.
_OTHER_FAMILIES = re.compile(
    "claude|gemini|gemma|llama|mi[sx]tral|ministral|magistral|codestral|devstral|qwen|deepseek|cohere|command-r"
    "|(?<![a-z])(?:grok|phi|nova|kimi|glm|jamba)(?![a-z])"
)


def model_of_name(name: str) -> str:
    """The model that a name means, in small letters, of whatever release and whoever offers or tuned it.

    >>> model_of_name("openai/GPT-4o-2024-08-06"), model_of_name("ft:gpt-4o-mini-2024-07-18:team::id")
    ('gpt-4o', 'gpt-4o-mini')
    """
    found = _NAME.match(name.lower())
    return _RELEASE.sub("", found[1]) if found else ""


def vocabulary_of_model(name: str) -> str | None:
    """The vocabulary of a model by any name of it that `model_of_name` reads, also of a sized or otherwise
    special version of it; None if it is not known.

    >>> vocabulary_of_model("openai/gpt-4o-audio-preview"), vocabulary_of_model("ft:gpt-4:team::id")
    ('o200k_base', 'cl100k_base')
    """
    base = model_of_name(name)
    versions = [
        model
        for model in MODELS
        if base == model or base.startswith(f"{model}-") or (model == "gpt-5" and base.startswith("gpt-5."))
    ]
    return MODELS[max(versions, key=len)] if versions else None


def is_of_another_vendor(name: str) -> bool:
    """Whether a name is of a family that is known, and of which no vocabulary is built in."""
    return _OTHER_FAMILIES.search(name.lower()) is not None


def near_models(name: str, known: Iterable[str]) -> list[str]:
    """Up to three of the known models that a name may be a slip for, the nearest first: in another number
    it would be another model."""
    import difflib  # only errors need it

    base = model_of_name(name)[:100]  # cut, because comparing takes quadratic time
    digits = re.findall(r"\d", base)
    alike = [model for model in known if re.findall(r"\d", model) == digits]
    return difflib.get_close_matches(base, alike, n=3, cutoff=0.6)
