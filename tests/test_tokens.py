"""Token counters from Python: exact, bounded, named, foreign, and what they refuse."""

from __future__ import annotations

import gzip
import json
import pickle
import threading
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from memory_budget_allocator import (
    ArgumentTypeError,
    ArgumentValueError,
    MemoryBudgetAllocator,
    MemoryBudgetError,
    MemoryItem,
    MemoryTier,
    MissingExtraError,
    TokenCounter,
    count_all_tokens,
    count_tokens,
    truncate_to_tokens,
)
from memory_budget_allocator.token_models import MODELS, vocabulary_of_model
from memory_budget_allocator.tokens import COUNTERS

TABLE = json.loads(gzip.decompress((Path(__file__).parent / "data" / "token_counts.json.gz").read_bytes()))
EXACT = ("o200k_base", "cl100k_base")


@pytest.mark.parametrize("name", EXACT)
def test_counts_are_those_of_tiktoken(name: str) -> None:
    column = 1 + TABLE["vocabularies"].index(name)
    strings = [row[0] for row in TABLE["rows"]]
    assert len(strings) > 3_000
    counts = count_all_tokens(strings, name)
    wrong = [
        (row[0], count) for row, count in zip(TABLE["rows"], counts, strict=True) if row[column] != count
    ]
    assert wrong == []


def test_the_bound_is_one() -> None:
    bounds = count_all_tokens([row[0] for row in TABLE["rows"]], "upper_bound")
    too_low = [(row, bound) for row, bound in zip(TABLE["rows"], bounds, strict=True) if bound < max(row[1:])]
    assert too_low == []


@given(st.text())
def test_the_bound_holds_for_any_text(text: str) -> None:
    assert count_tokens(text, "upper_bound") >= max(count_tokens(text, name) for name in EXACT)


@given(st.lists(st.text()), st.sampled_from(COUNTERS))
def test_a_batch_counts_as_its_texts_do(texts: list[str], name: str) -> None:
    assert count_all_tokens(texts, name) == [count_tokens(text, name) for text in texts]


@pytest.mark.parametrize("text", ["abc", "", b"abc"])
def test_a_single_text_is_no_batch(text: Any) -> None:
    with pytest.raises(ArgumentTypeError, match=r"^count_all_tokens takes an iterable of texts, got b?'"):
        count_all_tokens(text)


surrogates = st.text(st.characters(min_codepoint=0xD700, max_codepoint=0xE010))


@given(st.text() | surrogates, st.integers(0, 20), st.sampled_from(COUNTERS))
def test_a_truncated_text_is_a_prefix_that_fits(text: str, limit: int, name: str) -> None:
    prefix = truncate_to_tokens(text, limit, name)
    assert text.startswith(prefix)
    assert count_tokens(prefix, name) <= limit
    assert (prefix == text) == (count_tokens(text, name) <= limit)


@given(st.text(), st.text(), st.sampled_from(EXACT))
def test_joining_texts_costs_little(first: str, second: str, name: str) -> None:
    """Joins may cost or save tokens: at most what the two pieces at the seam hold."""
    together, apart = (
        count_tokens(first + second, name),
        count_tokens(first, name) + count_tokens(second, name),
    )
    assert together <= len((first + second).encode())
    assert (together == 0) == (apart == 0)


def test_special_tokens_are_plain_text() -> None:
    assert [count_tokens("<|endoftext|>", name) for name in EXACT] == [7, 7]


def test_surrogates_count_as_what_stands_for_them() -> None:
    for name in EXACT:
        assert count_tokens("a\ud800b", name) == count_tokens("a\ufffdb", name)
        assert count_tokens("\ud83d\ude00", name) == count_tokens("😀", name)


def test_models_have_vocabularies() -> None:
    assert set(MODELS.values()) == set(EXACT)
    for model in ("gpt-4o", "gpt-4o-mini-2024-07-18", "gpt-5.1", "gpt-5-mini", "o3-mini", "gpt-4.1-nano"):
        assert vocabulary_of_model(model) == "o200k_base"
    for model in ("gpt-4", "gpt-4-32k", "gpt-3.5-turbo-0125", "ft:gpt-4:team::id"):
        assert vocabulary_of_model(model) == "cl100k_base"
    assert vocabulary_of_model("gpt-40") is vocabulary_of_model("claude") is None
    assert count_tokens("naïve café", "gpt-4") == count_tokens("naïve café", "cl100k_base")


@pytest.mark.parametrize(
    ("name", "hint"),
    [
        ("o200k", "'o200k_base'"),
        ("gpt4o", "'gpt-4o'"),
        ("Upper_Bound", "'upper_bound'"),
        ("zzz", "there are estimate"),
    ],
)
def test_an_unknown_name_gets_the_near_ones(name: str, hint: str) -> None:
    with pytest.raises(ArgumentValueError, match="unknown tokenizer") as raised:
        count_tokens("x", name)
    assert repr(name) in str(raised.value)
    assert hint in str(raised.value)


@pytest.mark.parametrize("answer", [True, -1, 1.0, "3", None, 2**53])
def test_a_callable_must_return_a_count(answer: object) -> None:
    def counter(_text: str) -> object:
        return answer

    with pytest.raises(MemoryBudgetError) as raised:
        count_tokens("some text", counter)  # type: ignore[arg-type]
    message = str(raised.value)
    assert "counter must return an integer from 0" in message
    assert repr(answer) in message
    assert "'some text'" in message


def test_an_exception_of_a_callable_is_the_cause() -> None:
    def broken(_text: str) -> int:
        raise LookupError("no such luck")

    with pytest.raises(ArgumentValueError, match=r"broken failed on the text 'xxx.*no such luck") as raised:
        count_tokens("x" * 1_000, broken)
    assert isinstance(raised.value.__cause__, LookupError)
    assert len(str(raised.value)) < 250


def test_interrupts_go_through_a_callable() -> None:
    def interrupted(_text: str) -> int:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        count_tokens("x", interrupted)


@pytest.mark.parametrize("wrong", [5, None, ["o200k_base"], b"o200k_base"])
def test_a_tokenizer_of_the_wrong_type(wrong: object) -> None:
    with pytest.raises(ArgumentTypeError, match="tokenizer must be a name, a path"):
        count_tokens("x", wrong)  # type: ignore[arg-type]


@pytest.mark.parametrize("wrong", [5, None, b"text"])
def test_a_text_of_the_wrong_type(wrong: object) -> None:
    with pytest.raises(ArgumentTypeError, match="must be a str"):
        count_tokens(wrong)  # type: ignore[arg-type]
    with pytest.raises(ArgumentTypeError, match="must be a str"):
        truncate_to_tokens(wrong, 1)  # type: ignore[arg-type]


@pytest.mark.parametrize("limit", [-1, 1.5, True, None])
def test_a_limit_that_is_none(limit: object) -> None:
    with pytest.raises(MemoryBudgetError, match="limit"):
        truncate_to_tokens("text", limit)  # type: ignore[arg-type]


def test_counters_as_objects() -> None:
    exact = TokenCounter.built_in("o200k_base")
    assert exact is not None
    assert (exact.name, exact.kind, exact.count("hello world")) == ("o200k_base", "exact", 2)
    assert TokenCounter.built_in("estimate") is TokenCounter.built_in("gpt-4o") is None
    own = TokenCounter("bytes", lambda text: len(text.encode()))
    assert (own.kind, count_tokens("é", own)) == ("custom", 2)
    assert repr(own) == '<TokenCounter "bytes" (custom)>'
    with pytest.raises(ArgumentTypeError, match="callable"):
        TokenCounter("x", 5)  # type: ignore[arg-type]
    with pytest.raises(TypeError):
        pickle.dumps(own)


def words(text: str) -> int:
    return len(text.split())


def test_counters_of_one_name_do_not_share_their_counts() -> None:
    """A count is kept with its memory, so a name alone must not stand for a way of counting."""
    memory = MemoryItem("a", "one two three", MemoryTier.RAG, None)
    allocator = MemoryBudgetAllocator()

    def counted(counter: TokenCounter) -> int:
        return allocator.allocate("q", [memory], tokenizer=counter).total_tokens

    assert (counted(TokenCounter("mine", len)), counted(TokenCounter("mine", words))) == (13, 3)
    # Unless who makes them says that they count alike.
    asked: list[str] = []

    def noting(text: str) -> int:
        asked.append(text)
        return words(text)

    vocabulary = TokenCounter("mine", noting, identity="v1")
    assert (counted(vocabulary), len(asked)) == (3, 1)
    assert counted(TokenCounter("mine", noting, identity="v1")) == 3
    assert len(asked) == 1
    (other,) = pickle.loads(pickle.dumps([memory]))
    assert allocator.allocate("q", [other], tokenizer=vocabulary).total_tokens == 3
    assert len(asked) == 1
    for identity in ("v2", None):
        assert counted(TokenCounter("mine", len, identity=identity)) == 13


@pytest.mark.parametrize("name", ["estimate", "upper_bound", "o200k_base", "cl100k_base"])
def test_a_counter_is_not_called_as_one_of_the_library(name: str) -> None:
    with pytest.raises(ArgumentValueError, match=f'name "{name}" is that of a counter that comes with'):
        TokenCounter(name, len)


def test_what_a_counter_refuses_is_an_error_of_the_library(tmp_path: Path) -> None:
    wrong: Any = 5
    counter = TokenCounter("x", len)
    folder = tmp_path / "folder.json"
    folder.mkdir()
    for call, message in (
        (lambda: TokenCounter(wrong, len), r"name must be a str, got 5 \(int\)"),
        (lambda: TokenCounter("\ud800", len), "name must be a text without lone surrogates"),
        (lambda: TokenCounter("x", len, identity=wrong), r"identity must be a str, got 5 \(int\)"),
        (lambda: TokenCounter.built_in(wrong), r"a text to name a counter must be a str, got 5 \(int\)"),
        (lambda: counter.count(wrong), r"a text to count must be a str, got 5 \(int\)"),
        (lambda: counter.count_all(wrong), r"texts to count must be a sequence of str, got 5 \(int\)"),
        (lambda: counter.count_all("ab"), r"texts to count must be a sequence of str, got 'ab' \(str\)"),
        (lambda: counter.count_all(["a", wrong]), r"a text to count must be a str, got 5 \(int\)"),
        (lambda: counter.truncate(wrong, 1), r"a text to truncate must be a str, got 5 \(int\)"),
        (lambda: count_all_tokens(wrong), r"takes an iterable of texts, got 5 \(int\)"),
        (lambda: count_tokens("x", folder), r"folder\.json'.*directory"),
        (lambda: count_tokens("x", "a\0.json"), r"tokenizer file 'a\\x00\.json'"),
    ):
        with pytest.raises(MemoryBudgetError, match=message):
            call()


def test_threads_count_the_same() -> None:
    texts = [row[0] for row in TABLE["rows"]] * 3
    expected, found = count_all_tokens(texts), []

    def work() -> None:
        found.append(count_all_tokens(texts))

    threads = [threading.Thread(target=work) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert found == [expected] * 8


def test_a_file_needs_the_extra(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "tokenizer.json"
    path.write_text("{}", encoding="utf-8")
    monkeypatch.setitem(__import__("sys").modules, "tokenizers", None)
    with pytest.raises(MissingExtraError, match=r"the extra 'tokenizers'.*\[tokenizers\]"):
        count_tokens("x", path)
    with pytest.raises(ArgumentValueError, match=r"missing\.json'.*No such file"):
        count_tokens("x", str(tmp_path / "missing.json"))


class Uncopied:
    """As a tokenizer with a part that is written in Python."""

    def to_str(self) -> str:
        raise RuntimeError("no")

    def token_to_id(self, token: str) -> None:
        raise NotImplementedError


def test_a_file_counts(tmp_path: Path) -> None:
    tokenizers = pytest.importorskip("tokenizers", reason="the extra 'tokenizers' is not installed")
    words = {"[UNK]": 0, "hello": 1, "world": 2}
    tokenizer = tokenizers.Tokenizer(tokenizers.models.WordLevel(words, unk_token="[UNK]"))
    tokenizer.pre_tokenizer = tokenizers.pre_tokenizers.Whitespace()
    path = tmp_path / "tokenizer.json"
    tokenizer.save(str(path))
    assert count_tokens("hello world you", path) == count_tokens("hello world you", str(path)) == 3
    assert count_tokens("hello hello", tokenizer) == 2
    # What it would cut or pad is counted whole and alone, and a special token as the text that it is.
    other = tokenizers.Tokenizer.from_str(tokenizer.to_str())
    other.enable_truncation(1)
    other.enable_padding(length=9)
    other.add_special_tokens(["</s>"])
    assert count_tokens("hello world </s>", other) == 5
    assert other.truncation["max_length"] == 1
    assert len(other.encode("hello").ids) == 9
    with pytest.raises(ArgumentValueError, match=r"a tokenizer of type .*Uncopied cannot be copied \(no"):
        count_tokens("x", Uncopied())  # type: ignore[arg-type]
    path.write_text("{}", encoding="utf-8")
    with pytest.raises(ArgumentValueError, match="cannot be read"):
        count_tokens("x", path)
