"""Configuration files whose name ends in .json: JSON means what it says, and what is wrong has its place."""

from __future__ import annotations

import contextlib
import json
import logging
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from memory_budget_allocator import PromptTemplate, Ranking, WorkspaceConfig
from memory_budget_allocator.errors import ConfigurationError, ConfigurationTypeError
from memory_budget_allocator.loader.documents import read_file
from memory_budget_allocator.loader.sections import read_template_file
from memory_budget_config_loader import MemoryBudgetConfigLoader

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = pytest.mark.thread_unsafe(reason="writes another file of the same name")

TEXTS = st.text(st.characters(exclude_categories=()), max_size=8)  # lone surrogates too
VALUES = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(10**30), 10**30)
    | st.floats(allow_nan=False, allow_infinity=False)
    | TEXTS,
    lambda inner: (
        st.lists(inner, max_size=4) | st.dictionaries(TEXTS.filter(bool), inner, min_size=1, max_size=4)
    ),
    max_leaves=20,
)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "settings.json"


@given(
    st.dictionaries(TEXTS.filter(bool), VALUES, max_size=4),
    st.sampled_from([None, 1, "\t"]),
    st.booleans(),
)
def test_what_json_can_write_comes_back(
    tmp_path_factory: pytest.TempPathFactory, data: dict[str, Any], indent: int | str | None, ascii_only: bool
) -> None:
    path = tmp_path_factory.mktemp("written") / "free.json"
    text = json.dumps({"logging": data}, indent=indent, ensure_ascii=ascii_only)
    path.write_bytes(text.encode("utf-8", "replace"))  # lone surrogates can be written escaped alone
    expected = json.loads(path.read_bytes())["logging"]
    assert MemoryBudgetConfigLoader.get_logging_config(path) == expected


@given(VALUES, st.sampled_from([None, 2]))
def test_every_value_has_its_place(
    tmp_path_factory: pytest.TempPathFactory, value: Any, indent: int | None
) -> None:
    """The mark of each node is where its text begins."""
    path = tmp_path_factory.mktemp("places") / "places.json"
    text = json.dumps(value, indent=indent)
    path.write_text(text)
    lines = text.split("\n")

    def check(node: Any, meant: Any) -> None:
        rest = lines[node.start_mark.line][node.start_mark.column :]
        if isinstance(meant, dict):
            assert rest.startswith("{")
            for (key, member), (name, inner) in zip(node.value, meant.items(), strict=True):
                check(key, name)
                check(member, inner)
        elif isinstance(meant, list):
            assert rest.startswith("[")
            for member, inner in zip(node.value, meant, strict=True):
                check(member, inner)
        else:
            assert json.JSONDecoder().raw_decode(rest)[0] == meant

    check(read_file(path).root, json.loads(text))


def test_json_that_yaml_reads_differently(path: Path) -> None:
    path.write_text(
        '{"chat": {\n\t"minimum_score": 1e-1,\n\t"template": {"item": "\\ud83d\\ude00 {text}\\n"}}}'
    )
    assert MemoryBudgetConfigLoader.load_from_yaml(path) == {
        "chat": WorkspaceConfig(
            "chat", minimum_score=0.1, template=PromptTemplate(item="\N{GRINNING FACE} {text}\n")
        )
    }
    path.write_text('{"kind":\t"evidence", "smoothing": 2E-1}')
    assert Ranking.from_file(path) == Ranking(kind="evidence", smoothing=0.2)
    path.write_text('{"<<": {"max_total_tokens": 5}}')  # a name like any other
    assert MemoryBudgetConfigLoader.load_from_yaml(path)["<<"].max_total_tokens == 5


@pytest.mark.parametrize("text", ["", " \t\r\n", "\ufeff"])
def test_a_file_without_a_value_is_empty(path: Path, text: str) -> None:
    path.write_text(text, encoding="utf-8")
    assert MemoryBudgetConfigLoader.load_from_yaml(path) == {}
    assert read_template_file(path) == PromptTemplate()


def test_a_key_that_stands_twice_is_a_warning(path: Path, caplog: pytest.LogCaptureFixture) -> None:
    path.write_text('{"chat": {"max_total_tokens": 5,\n  "max_total_tokens": 7}}')
    with caplog.at_level(logging.WARNING):
        assert MemoryBudgetConfigLoader.load_from_yaml(path)["chat"].max_total_tokens == 7
    assert (
        f"{path}, line 2, column 3: the key chat.max_total_tokens stands twice in the same mapping "
        "(first in line 1); the last one counts" in caplog.messages
    )


REFUSED = [
    # text, line and column, what the message says behind them
    ('{"a"', "line 1, column 5", "not valid JSON: expecting ':' delimiter"),
    ("a: {}", "line 1, column 1", "not valid JSON: expecting value"),
    ('{"a": {},\n # no\n "b": {}}', "line 2, column 2", "not valid JSON: expecting property name"),
    ('{"a":\n {}} 5', "line 2, column 6", "unexpected text after the end of the value"),
    ("[" * 52 + "]" * 52, "line 1, column 52", "nested more than 50 levels deep"),
    ("[" + "1,\n" * 100_000 + "1]", "line 100000, column 1", "more than 100000 keys and values"),
    ("[5]", "line 1, column 1", "the file must be a mapping of keys to values, got a list"),
    ("null", "line 1, column 1", "the file must be a mapping of keys to values, got null"),
    ('{"": {}}', "line 1, column 2", "a key must not be empty"),
    ('{"a": {"minimum_score":\n NaN}}', "line 2, column 2", "minimum_score: must be a number of JSON"),
    ('{"a": {"minimum_score": 1e999}}', "line 1, column 25", "minimum_score: must be a number that a"),
    ('{"a": {"minimum_score": 1.5}}', "line 1, column 25", "a.minimum_score must be a number from 0 to 1"),
    ('{"a":\n\t{"spill_over": 1e2}}', "line 2, column 17", "a.spill_over must be true or false, got 1e2"),
    ('{"a": {"spill_over": "true"}}', "line 1, column 22", "a.spill_over must be true or false, got 'true'"),
    ('{"a": {"freshness": {"half_life": 5}}}', "line 1, column 22", "a.freshness.half_life is an unknown"),
]


@pytest.mark.parametrize(("text", "place", "message"), REFUSED, ids=[message for *_, message in REFUSED])
def test_refused(path: Path, text: str, place: str, message: str) -> None:
    path.write_text(text)
    with pytest.raises(ConfigurationError) as caught:
        MemoryBudgetConfigLoader.load_from_yaml(path)
    assert str(caught.value).startswith(f"{path}, {place}: {message}")
    assert "YAML" not in str(caught.value)


def test_wrong_types_are_type_errors(path: Path) -> None:
    path.write_text('{"a": {"max_total_tokens": "5"}}')
    with pytest.raises(ConfigurationTypeError, match="a whole number from 1 to 9007199254740991, got '5'"):
        MemoryBudgetConfigLoader.load_from_yaml(path)


def test_nested_without_end(path: Path) -> None:
    path.write_text("[" * 100_000)
    with pytest.raises(ConfigurationError, match=r"settings\.json: nested too deeply"):
        MemoryBudgetConfigLoader.load_from_yaml(path)


def test_not_utf_8(path: Path) -> None:
    path.write_bytes(b'{"a":\n "\xff"}')
    with pytest.raises(ConfigurationError, match="line 2: not valid utf-8"):
        MemoryBudgetConfigLoader.load_from_yaml(path)


@given(st.binary(max_size=40) | st.text('{}[]":,0e\\ut\n ', max_size=30).map(str.encode))
def test_any_bytes_are_read_or_refused(tmp_path_factory: pytest.TempPathFactory, content: bytes) -> None:
    path = tmp_path_factory.mktemp("bytes") / "any.json"
    path.write_bytes(content)
    with contextlib.suppress(ConfigurationError):
        MemoryBudgetConfigLoader.load_from_yaml(path)
