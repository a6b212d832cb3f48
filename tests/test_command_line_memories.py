"""Files of memories: what is read, and what is refused with file, line and field."""

from __future__ import annotations

import codecs
import contextlib
import dataclasses
import io
import json
import sys
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from memory_budget_allocator import MemoryItem
from memory_budget_allocator.command_line import main
from memory_budget_allocator.command_line.memories import FIELDS, read_memories
from memory_budget_allocator.command_line.problems import DataError

if TYPE_CHECKING:
    from pathlib import Path

GOOD: dict[str, Any] = {"memory_id": "a", "text": "t", "tier": "rag"}
LINE = json.dumps(GOOD)


def with_field(written: str) -> str:
    """A record with one more field, as it is written."""
    return f"{LINE[:-1]}, {written}}}"


def read(tmp_path: Path, content: str | bytes) -> list[MemoryItem]:
    path = tmp_path / "memories"
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return read_memories(str(path)).items


def test_the_keys_are_the_fields_of_a_memory() -> None:
    assert list(FIELDS) == [field.name for field in dataclasses.fields(MemoryItem)]


@pytest.mark.parametrize(
    "content",
    [
        f"{LINE}\n{LINE}\n",
        f"{LINE}\n{LINE}",
        f"\n \t\r\n{LINE}\r\n\r\n{LINE}\r\n",
        f"[{LINE},{LINE}]",
        f"\n\n [\n{LINE}\n,\n{LINE}\n] \n",
        json.dumps([GOOD, GOOD], indent=4),
        codecs.BOM_UTF8 + f"{LINE}\n{LINE}".encode(),
        codecs.BOM_UTF8 + f"[{LINE},{LINE}]".encode(),
        f"[{LINE},{LINE}]".encode("utf-16"),
        codecs.BOM_UTF16_BE + f"{LINE}\n{LINE}".encode("utf-16-be"),
    ],
)
def test_accepted_forms(tmp_path: Path, content: str | bytes) -> None:
    assert read(tmp_path, content) == [MemoryItem("a", "t", "rag", None)] * 2  # type: ignore[arg-type]


@pytest.mark.parametrize("content", ["", "\n\n", " \t\r\n", "[]", " [ ] ", codecs.BOM_UTF8])
def test_no_memories(tmp_path: Path, content: str | bytes) -> None:
    assert read(tmp_path, content) == []


def test_every_field_arrives(tmp_path: Path) -> None:
    record = {
        "memory_id": "m",
        "text": "line\u2028separator",
        "tier": "long_term",
        "timestamp": "2026-03-14T15:09:26.5+02:00",
        "user_id": "u",
        "metadata": {"a": [1, {"b": None}]},
        "relevance_score": 1,
        "importance_score": -0.5,
        "freshness_score": 0.25,
        "combined_score": 0.75,
        "token_count": 2**53 - 1,
        "access_count": 3,
        "last_accessed": "2026-03-14",
        "promotion_score": 0.1,
        "pinned": True,
        "evergreen": False,
        "session_id": "talk",
        "position": 7,
        "supersedes": None,
    }
    assert list(record) == list(FIELDS)
    (item,) = read(tmp_path, json.dumps(record, ensure_ascii=False))
    assert item.timestamp == datetime(2026, 3, 14, 13, 9, 26, 500_000, tzinfo=UTC)
    assert item.last_accessed == datetime(2026, 3, 14)
    times = {"timestamp": item.timestamp, "last_accessed": item.last_accessed, "tier": item.tier}
    assert dataclasses.asdict(item) == record | times


def test_null_is_unknown(tmp_path: Path) -> None:
    (item,) = read(tmp_path, with_field('"timestamp": null, "last_accessed": null, "user_id": null'))
    assert (item.timestamp, item.last_accessed, item.user_id) == (None, None, None)


def test_which_memories_have_no_score(tmp_path: Path) -> None:
    path = tmp_path / "memories"
    path.write_text("\n".join([LINE, with_field('"combined_score": 0.5')]))
    found = read_memories(str(path))
    assert found.unscored == found.items[:1]


UNKNOWN_KEY = with_field('"tiers": 1')
TEXT_FOR_NUMBER = with_field('"relevance_score": "x"')

REFUSED = [
    # content, line, what the message says
    (f"{LINE}\n\n{UNKNOWN_KEY}", 3, "'tiers': unknown key, the nearest known key is 'tier'"),
    (with_field('"tier": "rag"'), 1, "tier: stands twice in one object"),
    (with_field('"metadata": {"a": 1, "a": 1}'), 1, "a: stands twice in one object"),
    ('{"memory_id": "a", "text": "t"}', 1, "tier: missing, must be one of working, project"),
    ('{"memory_id": "a", "tier": "rag"}', 1, "text: missing"),
    ('{"memory_id": null, "text": "t", "tier": "rag"}', 1, "memory_id: must be text, got null"),
    ('{"memory_id": "a", "text": ["t"], "tier": "rag"}', 1, "text: must be text, got an array"),
    ('{"memory_id": "a", "text": "t", "tier": "attic"}', 1, "tier: must be one of working, project, long_"),
    ('{"memory_id": "a", "text": "t", "tier": 5}', 1, "got 5"),
    (with_field('"relevance_score": "0.5"'), 1, 'relevance_score: must be a number, got "0.5"'),
    (with_field('"relevance_score": true'), 1, "relevance_score: must be a number, got true"),
    (with_field('"relevance_score": null'), 1, "relevance_score: must be a number, got null"),
    (with_field('"relevance_score": NaN'), 1, "relevance_score: must be a number of JSON, got NaN (column"),
    (with_field('"importance_score": -Infinity'), 1, "importance_score: must be a number of JSON, got -Inf"),
    (with_field('"metadata": {"a": ["NaN: 1", NaN]}'), 1, "a: must be a number of JSON, got NaN"),
    (with_field('"relevance_score": 1e999'), 1, "relevance_score: must be a number that a 64-bit float can"),
    (
        with_field(f'"relevance_score": 1{"0" * 400}'),
        1,
        "relevance_score: must be a number that a 64-bit flo",
    ),
    (with_field(f'"token_count": 1{"0" * 400}'), 1, "token_count: must be a whole number from 0 to"),
    (with_field(f'"token_count": 1{"0" * 5000}'), 1, "token_count: must not have thousands of digits"),
    (
        with_field('"access_count": -1'),
        1,
        "access_count: must be a whole number from 0 to 9007199254740991, ",
    ),
    (with_field('"access_count": 9007199254740992'), 1, "got 9007199254740992"),
    (with_field('"access_count": 1.0'), 1, "got 1.0"),
    (with_field('"timestamp": "yesterday"'), 1, "timestamp: must be an ISO 8601 date and time"),
    (with_field('"timestamp": 1773500966'), 1, "or null, got 1773500966"),
    (with_field('"timestamp": "\\ud800\\n"'), 1, r"got " + r'"\ud800\n"'),
    (with_field('"metadata": null'), 1, "metadata: must be an object, got null"),
    (with_field(f'"metadata": {"[" * 100_000}'), 1, "nested too deeply"),
    (f"{LINE}\n5", 2, "a memory must be a JSON object, got 5"),
    ("[[]]", 1, "a memory must be a JSON object, got an array"),
    (
        f"[{LINE},\n{LINE},\n\n{TEXT_FOR_NUMBER}\n]",
        4,
        "relevance_score: must be a number",
    ),
    (f'[\n\n{LINE[:-1]},\n\n"relevance_score":\nNaN}}]', 6, "relevance_score: must be a number of JSON"),
    (f"[{LINE}\n", 2, "the array is not closed"),
    ("[", 1, "not valid JSON: expecting value"),
    (f"[{LINE},\n]", 2, "not valid JSON: expecting value (column 1)"),
    (f"[{LINE}\n{LINE}]", 2, "expected , or ] after an element (column 1)"),
    (f"[{LINE}]\n\n{LINE}", 3, "unexpected text after the end of the array"),
    (f"{LINE} {LINE}", 1, "unexpected text after the end of the value"),
    (f"{LINE}\n{LINE[:-1]}", 2, "not valid JSON: expecting ',' delimiter"),
    (
        json.dumps(GOOD, indent=1),
        1,
        "memories are a JSON array, or JSON lines: one whole object on each line",
    ),
    ('{"memory_id": "a\tb"}', 1, "not valid JSON: invalid control character"),
    (LINE.encode() + b'\n\n{"memory_id": "\xe9"}', 3, "not valid UTF-8: invalid continuation byte"),
    (codecs.BOM_UTF16_LE + f"{LINE}\n".encode("utf-16-le") + b"\x00", 2, "not valid UTF-16"),
]


@pytest.mark.parametrize(("content", "line", "message"), REFUSED)
def test_refused(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], content: str | bytes, line: int, message: str
) -> None:
    path = tmp_path / "memories.json"
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    assert main(["allocate", str(path), "--query", "x"]) == 1
    shown = capsys.readouterr()
    assert shown.out == ""
    assert shown.err.startswith(f"memory-budget: error: {path}:{line}: ")
    assert message in shown.err
    assert shown.err.count("\n") == 1
    assert len(shown.err) < 600


def test_files_that_cannot_be_read(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for path, message in [
        (str(tmp_path / "no\nfile"), "no\\nfile: there is no such file"),
        (str(tmp_path), "cannot be read: Is a directory"),
        ("", "'': there is no such file"),
        ("nul\0", "nul\\x00: cannot be read"),
    ]:
        assert main(["promote", path]) == 1
        error = capsys.readouterr().err
        assert error.startswith("memory-budget: error: ")
        assert message in error
        assert error.count("\n") == 1


def test_standard_input(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(f"{LINE}\n{LINE[:-1]}".encode())))
    assert main(["promote", "-"]) == 1
    assert capsys.readouterr().err.startswith("memory-budget: error: <stdin>:2: ")
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(LINE.encode())))
    assert main(["promote", "-", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["total_evaluated"] == 1
    monkeypatch.setattr(sys, "stdin", None)
    assert main(["promote", "-"]) == 1
    assert "standard input is closed" in capsys.readouterr().err


@given(
    st.lists(st.tuples(st.text(), st.text(), st.integers(0, 2**53 - 1)), max_size=5),
    st.sampled_from([None, 1]),
    st.booleans(),
)
def test_what_json_can_write_comes_back(
    tmp_path_factory: pytest.TempPathFactory,
    memories: list[tuple[str, str, int]],
    indent: int | None,
    ascii_only: bool,
) -> None:
    records = [{"memory_id": i, "text": t, "tier": "working", "token_count": n} for i, t, n in memories]
    array = json.dumps(records, indent=indent, ensure_ascii=ascii_only)
    lines = "\n".join(json.dumps(record, ensure_ascii=ascii_only) for record in records)
    folder = tmp_path_factory.mktemp("written")
    for content in (array, lines):
        found = read(folder, content)
        assert [(item.memory_id, item.text, item.token_count) for item in found] == memories


@given(st.binary(max_size=60))
def test_any_bytes_are_read_or_refused(tmp_path_factory: pytest.TempPathFactory, content: bytes) -> None:
    with contextlib.suppress(DataError):
        read(tmp_path_factory.mktemp("bytes"), content)
