"""Counting tokens: counters by name, by model, from a file and from a callable.

>>> from memory_budget_allocator import count_tokens
>>> count_tokens("The quick brown fox"), count_tokens("The quick brown fox", "upper_bound")
(4, 14)
"""

from __future__ import annotations

import functools
import os
from pathlib import Path
from typing import TYPE_CHECKING, Protocol, TypeAlias, cast, runtime_checkable

from memory_budget_allocator._core import TokenCounter
from memory_budget_allocator.errors import (
    ArgumentTypeError,
    ArgumentValueError,
    ConfigurationError,
    ConfigurationTypeError,
    MissingExtraError,
)
from memory_budget_allocator.token_models import MODELS, vocabulary_of_model
from memory_budget_allocator.wording import shown, shown_with_type

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from memory_budget_allocator.workspace import WorkspaceConfig

__all__ = [
    "COUNTERS",
    "Tokenizer",
    "count_all_tokens",
    "count_tokens",
    "find_counter",
    "truncate_to_tokens",
]

COUNTERS = ("estimate", "upper_bound", "o200k_base", "cl100k_base")
"""Names of the counters that come with the library."""

REMEMBERED_CALLABLES = 64
"""Callables that are kept, so that the counts they made stay known."""


@runtime_checkable
class HuggingFaceTokenizer(Protocol):
    """What is used of a `tokenizers.Tokenizer`, and what tells it from other objects."""

    def to_str(self, pretty: bool = False) -> str:
        """Its definition as JSON."""
        ...

    def token_to_id(self, token: str) -> int | None:
        """The id of a token."""
        ...


Tokenizer: TypeAlias = "str | os.PathLike[str] | TokenCounter | HuggingFaceTokenizer | Callable[[str], int]"
"""A counter's name, a model's name, the path of a tokenizer.json, or something that counts."""


def count_tokens(text: str, tokenizer: Tokenizer = "o200k_base") -> int:
    """The tokens of one text; what looks like a special token counts as plain text.

    Args:
        text: any text; lone surrogates count as U+FFFD.
        tokenizer: "o200k_base" (the default) or "cl100k_base", exact; "upper_bound", never less than either;
            "estimate", 0.25 a character; the name of a model (`token_models.MODELS`); the path of a
            tokenizer.json or a `tokenizers.Tokenizer` (with the extra `tokenizers`), counted without its
            truncation and padding, as it is when it is first used; or any callable that takes a text and
            returns an int from 0 to 2**53 - 1.

    Raises:
        ArgumentValueError: the name is not known (the message gives near ones), the callable raised, or what
            it returned is out of range.
        ArgumentTypeError: `text` or `tokenizer` has the wrong type, or the callable returned something else
            than an int.
        MissingExtraError: a tokenizer.json needs the extra `tokenizers`.
    """
    return count_all_tokens((text,), tokenizer)[0]


def count_all_tokens(texts: Iterable[str], tokenizer: Tokenizer = "o200k_base") -> list[int]:
    """The tokens of each text, in order.

    Large batches are counted on several threads, and other threads of the program go on meanwhile.
    Arguments and errors are those of `count_tokens`; a single text in place of several is an
    ArgumentTypeError.
    """
    if isinstance(texts, (str, bytes)):
        raise ArgumentTypeError(
            f"count_all_tokens takes an iterable of texts, got {shown_with_type(texts)}; "
            "count_tokens counts a single one"
        )
    try:
        listed = list(texts)
    except TypeError as error:
        raise ArgumentTypeError(
            f"count_all_tokens takes an iterable of texts, got {shown_with_type(texts)}: {error}"
        ) from error
    for text in listed:
        if not isinstance(text, str):  # pyright: ignore[reportUnnecessaryIsInstance]
            raise ArgumentTypeError(f"a text to count must be a str, got {shown_with_type(text)}")
    return find_counter(tokenizer).count_all(listed)


def truncate_to_tokens(text: str, limit: int, tokenizer: Tokenizer = "o200k_base") -> str:
    """The longest prefix of a text found that counts at most `limit` tokens; never one that counts more.

    Args:
        text: any text; it is cut between characters.
        limit: 0 to 2**53 - 1.
        tokenizer: as for `count_tokens`. With a callable the prefix is the longest one if longer texts never
            count less.
    """
    if not isinstance(text, str):  # pyright: ignore[reportUnnecessaryIsInstance]
        raise ArgumentTypeError(f"a text to truncate must be a str, got {shown_with_type(text)}")
    return find_counter(tokenizer).truncate(text, limit)


def find_counter(tokenizer: Tokenizer) -> TokenCounter:
    """The counter that a name, a path or an object stands for; `count_tokens` says which there are."""
    given = cast("object", tokenizer)  # whatever the annotation says
    if isinstance(given, TokenCounter):
        return given
    if isinstance(given, str):
        return _of_file(Path(given)) if is_file_name(given) else _of_name(given)
    if isinstance(given, os.PathLike):
        return _of_file(Path(os.fsdecode(cast("os.PathLike[str]", given))))
    if callable(given):
        return _remembered(given, _of_callable)
    if isinstance(given, HuggingFaceTokenizer):
        return _remembered(given, _of_hugging_face)
    raise ArgumentTypeError(
        "tokenizer must be a name, a path, a tokenizers.Tokenizer or a callable from str to int, got "
        f"{shown(given)} ({type(given).__name__})"
    )


def is_file_name(name: str) -> bool:
    """Whether a text means a file and no counter."""
    return name.endswith(".json")


def _built_in(name: str) -> TokenCounter:
    counter = TokenCounter.built_in(name)
    assert counter is not None
    return counter


@functools.cache
def _estimate() -> TokenCounter:
    return TokenCounter("0.25 tokens a character", lambda text: max(1, len(text) // 4) if text else 0)


def _of_name(name: str) -> TokenCounter:
    if name == "estimate":
        return _estimate()
    if name in COUNTERS:
        return _built_in(name)
    vocabulary = vocabulary_of_model(name)
    if vocabulary is None:
        raise ArgumentValueError(f"unknown tokenizer {shown(name)}; {near_names(name)}")
    return _built_in(vocabulary)


def near_names(name: str) -> str:
    """Which names a wrong one is close to, as the end of a sentence."""
    import difflib  # only errors need it

    known = [*COUNTERS, *MODELS]
    near = difflib.get_close_matches(name.lower()[:100], known, n=3, cutoff=0.5)
    if near:
        return f"did you mean {' or '.join(map(repr, near))}?"
    return f"there are {', '.join(COUNTERS)}, names of models, paths that end in .json, and callables"


_callables: dict[object, TokenCounter] = {}


def _remembered(counter: object, make: Callable[[object], TokenCounter]) -> TokenCounter:
    """One `TokenCounter` an object, so that its counts are known again: bound methods are made anew each
    time they are asked for, but are equal."""
    try:
        known = _callables.get(counter)
    except TypeError:  # not hashable: its counts cannot be known again
        return make(counter)
    if known is None:
        known = make(counter)
        while len(_callables) >= REMEMBERED_CALLABLES:
            _callables.pop(next(iter(_callables)), None)
        _callables[counter] = known
    return known


def _of_callable(counter: object) -> TokenCounter:
    name = getattr(counter, "__qualname__", None) or type(counter).__qualname__
    return TokenCounter(str(name), cast("Callable[[str], int]", counter))


def _of_hugging_face(tokenizer: object) -> TokenCounter:
    """Counts as the object does now, which stays as it is: a copy neither cuts nor pads."""
    what = f"a tokenizer of type {type(tokenizer).__module__}.{type(tokenizer).__qualname__}"
    try:
        definition = cast("HuggingFaceTokenizer", tokenizer).to_str().encode()
    except Exception as error:
        raise ArgumentValueError(
            f"{what} cannot be copied ({error}), and as it is it may cut texts or count special tokens in "
            "them as one: pass a callable from str to int"
        ) from error
    return _of_definition(definition, what, "tokenizers.Tokenizer")


def _count_with(encode: Callable[..., object]) -> Callable[[str], int]:
    def count(text: str) -> int:
        # What UTF-8 cannot hold, the library cannot take.
        if not text.isascii():
            text = text.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "replace")
        return len(cast("list[int]", getattr(encode(text, add_special_tokens=False), "ids")))  # noqa: B009

    return count


def _of_file(path: Path) -> TokenCounter:
    try:
        status = path.stat()
        return _read_file(path.resolve(), status.st_mtime_ns, status.st_size)
    except (OSError, ValueError) as error:
        if isinstance(error, ArgumentValueError):
            raise
        reason = getattr(error, "strerror", None) or error
        raise ArgumentValueError(f"tokenizer file {shown(str(path))}: {reason}") from error


@functools.lru_cache(maxsize=16)
def _read_file(path: Path, _modified_ns: int, _size: int) -> TokenCounter:
    return _of_definition(path.read_bytes(), f"tokenizer file {shown(str(path))}", path.name)


def _of_definition(definition: bytes, what: str, name: str) -> TokenCounter:
    """The counter that a tokenizer.json defines; `what` is how errors call it."""
    try:
        import tokenizers  # pyright: ignore[reportMissingImports, reportMissingTypeStubs]
    except ImportError as error:
        raise MissingExtraError(
            f"{what} needs the extra 'tokenizers': pip install 'memory-budget-allocator[tokenizers]'"
        ) from error
    import hashlib

    try:
        tokenizer = tokenizers.Tokenizer.from_buffer(definition)
        tokenizer.encode_special_tokens = True  # they count as plain text
        tokenizer.no_truncation()
        tokenizer.no_padding()
    except Exception as error:
        raise ArgumentValueError(f"{what} cannot be read: {error}") from error
    identity = hashlib.sha256(definition).hexdigest()
    return TokenCounter(name, _count_with(tokenizer.encode), identity=identity)


def find_configured_counter(config: WorkspaceConfig, tokenizer: object) -> TokenCounter:
    """The counter that a workspace configuration names."""
    check_configured_name(config, tokenizer)
    try:
        return find_counter(cast("str", tokenizer))
    except ArgumentValueError as error:
        raise ConfigurationError(
            _of_workspace(config, str(error)), field="tokenizer", value=tokenizer
        ) from error


def check_configured_name(config: WorkspaceConfig, tokenizer: object) -> None:
    """Refuse what is no name of a counter, a model or a file; files are read when they are needed."""
    if not isinstance(tokenizer, str):
        message = f"tokenizer must be a name or a path as text, got {shown(tokenizer)}"
        raise ConfigurationTypeError(_of_workspace(config, message), field="tokenizer", value=tokenizer)
    if not (tokenizer in COUNTERS or is_file_name(tokenizer) or vocabulary_of_model(tokenizer)):
        message = f"unknown tokenizer {shown(tokenizer)}; {near_names(tokenizer)}"
        raise ConfigurationError(_of_workspace(config, message), field="tokenizer", value=tokenizer)


def _of_workspace(config: WorkspaceConfig, message: str) -> str:
    return f"workspace {shown(config.workspace_id)}: {message}"
