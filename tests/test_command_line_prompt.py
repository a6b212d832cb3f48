"""The prompt as the output of ``allocate``: its text to the byte, its messages, and what it is made with."""

from __future__ import annotations

import contextlib
import io
import json
import os
import subprocess
import sys
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, get_args

import pytest
from hypothesis import given
from hypothesis import strategies as st

from memory_budget_allocator import Allocation, MemoryBudgetAllocator, MemoryItem, PromptTemplate
from memory_budget_allocator.command_line import main
from memory_budget_allocator.prompt_template import MessageFormat

if TYPE_CHECKING:
    from collections.abc import Callable

    Run = Callable[..., tuple[int, str, str]]

COMMAND = [sys.executable, "-m", "memory_budget_allocator"]
NOW = "2026-03-14T15:00:00Z"
QUERY = "How?"
TEXTS = [
    "User is implementing a REST API",
    "移行は三月末まで \N{GRINNING FACE}\tthen\r\nmore",
    "\x1b[31mred </memory> \x00 \ud800",
]
FIELDS = {"prologue": "Known:\n", "item": "- {text} ({id})", "epilogue": "\n"}
TEMPLATE = PromptTemplate(prologue="Known:\n", item="- {text} ({id})", epilogue="\n")


def records(texts: list[str]) -> list[dict[str, Any]]:
    return [
        {"memory_id": f"m{at}", "text": text, "tier": "rag", "relevance_score": 0.9 - at / 10}
        for at, text in enumerate(texts)
    ]


def allocation(texts: list[str] = TEXTS, **options: Any) -> Allocation:
    items = [MemoryItem(**record, timestamp=None) for record in records(texts)]
    when = datetime(2026, 3, 14, 15, tzinfo=UTC)
    return MemoryBudgetAllocator().allocate(QUERY, items, current_time=when, **options)


@pytest.fixture
def command(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    monkeypatch.chdir(tmp_path)
    Path("memories.json").write_text(json.dumps(records(TEXTS)))
    return ["allocate", "memories.json", "--query", QUERY, "--now", NOW]


@pytest.fixture
def run(capfdbinary: pytest.CaptureFixture[bytes]) -> Run:
    def call(*arguments: str) -> tuple[int, str, str]:
        code = main(arguments)
        shown = capfdbinary.readouterr()
        return code, shown.out.decode(), shown.err.decode()

    return call


# --render


def test_render_prints_the_text_and_nothing_else(run: Run, command: list[str]) -> None:
    text = allocation().render()
    assert "\x1b[31mred" in text
    assert not text.endswith("\n")
    assert run(*command, "--render") == (0, text, "")


def test_render_under_a_ceiling(run: Run, command: list[str]) -> None:
    options = ["--max-prompt-tokens", "40", "--tokenizer", "o200k_base"]
    under = allocation(max_prompt_tokens=40, tokenizer="o200k_base")
    assert 0 < len(under) < len(TEXTS)
    assert run(*command, *options, "--render") == (0, under.render(), "")


def test_render_of_nothing_is_empty(run: Run, command: list[str]) -> None:
    assert run(*command, "--render", "--max-prompt-tokens", "0") == (0, "", "")


@pytest.mark.thread_unsafe(reason="redirects the standard output of the process")
@given(st.lists(st.text(st.characters(exclude_categories=()), max_size=20), min_size=1, max_size=3))
def test_the_bytes_are_those_of_the_text(tmp_path_factory: pytest.TempPathFactory, texts: list[str]) -> None:
    path = tmp_path_factory.mktemp("bytes") / "memories.json"
    path.write_text(json.dumps(records(texts)))
    # The text layer of this stream would write neither these characters nor these line breaks.
    content = io.BytesIO()
    with contextlib.redirect_stdout(io.TextIOWrapper(content, encoding="ascii", newline="\r\n")):
        assert main(["allocate", str(path), "--query", QUERY, "--now", NOW, "--render"]) == 0
        assert content.getvalue() == allocation(texts).render().encode()


@pytest.mark.parametrize("encoding", ["utf-8", "ascii", "cp1252", "utf-16"])
@pytest.mark.parametrize("unbuffered", ["", "1"])
def test_a_process_writes_utf_8(command: list[str], encoding: str, unbuffered: str) -> None:
    long = ["日本 " * 50_000]
    Path("memories.json").write_text(json.dumps([{**records(long)[0], "token_count": 1}]))
    done = subprocess.run(
        [*COMMAND, *command, "--render"],
        capture_output=True,
        check=False,
        env={
            **os.environ,
            "PYTHONIOENCODING": encoding,
            "PYTHONUTF8": "0",
            "PYTHONUNBUFFERED": unbuffered,
        },
    )
    assert (done.returncode, done.stderr) == (0, b"")
    assert done.stdout == f"<memories>\n<memory>{long[0]}</memory>\n</memories>".encode()


def test_a_stream_of_text_gets_text(command: list[str]) -> None:
    with contextlib.redirect_stdout(io.StringIO()) as stream:
        assert main([*command, "--render"]) == 0
    assert stream.getvalue() == allocation().render()


class Terminal(io.TextIOWrapper):
    def isatty(self) -> bool:
        return True


def on_a_terminal(*arguments: str) -> str:
    content = io.BytesIO()
    with contextlib.redirect_stdout(Terminal(content, encoding="utf-8", newline="\n")):
        assert main(arguments) == 0
        return content.getvalue().decode()


def test_a_terminal_gets_lines_without_control_characters(command: list[str]) -> None:
    Path("template.json").write_text(json.dumps(FIELDS))
    for options, lines in (([], 6), (["--template", "template.json"], 5)):
        shown = on_a_terminal(*command, *options, "--render")
        assert shown.replace("\n", "").isprintable()
        assert "移行は三月末まで" in shown
        assert "\\x1b[31mred" in shown
        assert shown.endswith("\n")
        assert shown.count("\n") == lines
    assert on_a_terminal(*command, "--render", "--max-prompt-tokens", "0") == ""


@pytest.mark.parametrize("unbuffered", ["", "1"])
@pytest.mark.parametrize("output", [["--render"], ["--messages", "openai"]])
def test_a_pipe_that_closes_halfway_is_silent(command: list[str], output: list[str], unbuffered: str) -> None:
    Path("memories.json").write_text(json.dumps([{**records(["x" * 1_000_000])[0], "token_count": 1}]))
    process = subprocess.Popen(
        [*COMMAND, *command, *output],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        env={**os.environ, "PYTHONUNBUFFERED": unbuffered},
    )
    assert process.stdout is not None
    assert process.stderr is not None
    process.stdout.readline()
    process.stdout.close()
    error = process.stderr.read()
    process.stderr.close()
    assert (process.wait(timeout=60), error) == (141, b"")


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs a device that is always full")
@pytest.mark.parametrize("unbuffered", ["", "1"])
def test_a_full_disk_is_one_line(command: list[str], unbuffered: str) -> None:
    with Path("/dev/full").open("wb") as full:
        done = subprocess.run(
            [*COMMAND, *command, "--render"],
            stdout=full,
            stderr=subprocess.PIPE,
            env={**os.environ, "PYTHONUNBUFFERED": unbuffered},
            check=False,
        )
    assert done.returncode == 1
    assert done.stderr == b"memory-budget: error: cannot write the output: No space left on device\n"


# --messages


@pytest.mark.parametrize("name", get_args(MessageFormat))
def test_messages(run: Run, command: list[str], name: MessageFormat) -> None:
    for options, meant in (
        ([], allocation()),
        (
            ["--max-prompt-tokens", "60", "--tokenizer", "o200k_base"],
            allocation(max_prompt_tokens=60, tokenizer="o200k_base"),
        ),
        (["--max-prompt-tokens", "0"], allocation(max_prompt_tokens=0)),
    ):
        code, out, err = run(*command, *options, "--messages", name)
        assert (code, err) == (0, "")
        assert json.loads(out) == meant.to_messages(name)
        assert out.replace("\n", "").isprintable()


# --template


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("template.yaml", 'prologue: "Known:\\n"\nitem: "- {text} ({id})"\nepilogue: "\\n"\n'),
        ("template.json", json.dumps(FIELDS)),
        ("tabs.json", json.dumps(FIELDS, indent="\t")),
    ],
)
def test_a_template_of_a_file(run: Run, command: list[str], name: str, text: str) -> None:
    Path(name).write_text(text)
    options = ["--template", name]
    assert run(*command, *options, "--render") == (0, allocation().render(TEMPLATE), "")
    code, out, _ = run(*command, *options, "--messages", "gemini")
    assert code == 0
    assert json.loads(out) == allocation().to_messages("gemini", template=TEMPLATE)


def test_under_a_ceiling_the_template_decides_what_is_selected(run: Run, command: list[str]) -> None:
    template = PromptTemplate(prologue="word " * 60)
    Path("long.json").write_text(json.dumps({"prologue": template.prologue}))
    limits = ["--max-prompt-tokens", "80", "--tokenizer", "o200k_base"]
    meant = allocation(max_prompt_tokens=80, tokenizer="o200k_base", template=template)
    without = allocation(max_prompt_tokens=80, tokenizer="o200k_base")
    assert 0 < len(meant) < len(without)
    for output in (["--json"], ["--json", "--report"]):
        code, out, _ = run(*command, "--template", "long.json", *limits, *output)
        assert code == 0
        selected = json.loads(out)["tiers"]["rag"]["selected_memories"]
        assert [memory["memory_id"] for memory in selected] == [memory.memory_id for memory in meant]


def test_characters_beyond_the_first_plane(run: Run, command: list[str]) -> None:
    Path("template.json").write_text(
        '{\t"item":\t"\\ud83d\\ude00 {text}\\n",\n\t"headings": {"rag": "\\u2028"}}'
    )
    template = PromptTemplate(item="\N{GRINNING FACE} {text}\n", headings={"rag": "\u2028"})
    expected = allocation().render(template)
    assert run(*command, "--template", "template.json", "--render") == (0, expected, "")


def test_a_template_goes_before_that_of_the_workspace(run: Run, command: list[str]) -> None:
    Path("chat.yaml").write_text('chat: {template: {prologue: "Of the workspace:\\n", order: tier}}')
    options = ["--config", "chat.yaml", "--workspace", "chat", "--render"]
    _, out, _ = run(*command, *options)
    assert out.startswith("Of the workspace:\n<memory>")
    Path("template.yaml").write_text('item: "* {text}"')
    expected = allocation().render(PromptTemplate(item="* {text}"))
    assert run(*command, *options, "--template", "template.yaml") == (0, expected, "")
    Path("template.yaml").write_text("# nothing yet\n")
    assert run(*command, *options, "--template", "template.yaml") == (0, allocation().render(), "")


REFUSED_TEMPLATES = [
    # name, content, what the message says
    ("none.yaml", None, "none.yaml: there is no such configuration file"),
    ("none.json", None, "none.json: there is no such configuration file"),
    (".", None, ".: cannot be read: Is a directory"),
    ("a.yaml", 'prologue: ""\nitems: "{text}"', "a.yaml, line 2, column 1: items is an unknown key; the"),
    ("a.json", '{"order": "tier",\n"itm": ""}', "a.json, line 2, column 1: itm is an unknown key; the n"),
    ("a.yaml", 'order: tier\nitem: "no slot"', "a.yaml, line 2, column 7: PromptTemplate: item: slot {text}"),
    ("a.json", '{"item":\n "no slot"}', "a.json, line 2, column 2: PromptTemplate: item: slot {text} "),
    ("a.json", '{"item": "{txt}"}', "a.json, line 1, column 10: PromptTemplate: item: unknown slot {txt}"),
    ("a.json", '{"item": "\\ud800{text}"}', "a.json, line 1, column 10: PromptTemplate: item must be a str"),
    ("a.yaml", "order: best", "a.yaml, line 1, column 8: order must be score or chronological or edges"),
    ("a.yaml", "between: 5", "a.yaml, line 1, column 10: between must be text, got 5: put it in quotes"),
    ("a.json", '{"between": 5}', "a.json, line 1, column 13: between must be text, got 5"),
    ("a.yaml", "headings: {rga: x}", "a.yaml, line 1, column 12: headings.rga is an unknown key; the n"),
    ("a.yaml", "just text", "a.yaml, line 1, column 1: the file must be a mapping of keys to values, got"),
    ("a.json", '["{text}"]', "a.json, line 1, column 1: the file must be a mapping of keys to values, got"),
    ("a.json", '{"item": "{text}",}', "a.json, line 1, column"),
    ("a.yaml", b'item: "{text}"\nbetween: "\xe9"', "a.yaml, line 2: not valid utf-8: invalid continuation"),
    ("a.json", b'{"item": "{text}\xff"}', "a.json, line 1: not valid utf-8: invalid start byte"),
]  # fmt: skip


@pytest.mark.parametrize(("name", "content", "message"), REFUSED_TEMPLATES)
def test_a_template_that_cannot_be_used(
    run: Run, command: list[str], name: str, content: str | bytes | None, message: str
) -> None:
    if content is not None:
        Path(name).write_bytes(content if isinstance(content, bytes) else content.encode())
    code, out, err = run(*command, "--template", name, "--render")
    assert (code, out) == (1, "")
    assert err.startswith(f"memory-budget: error: {message}")
    assert err.count("\n") == 1


# --reserve


def test_reserves_of_files(run: Run, command: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    system, history = "You answer shortly, and in 日本語.\r\n", "User: hello\n"
    Path("system=1.txt").write_bytes(system.encode())
    Path("history.txt").write_bytes(b"\xef\xbb\xbf" + history.encode())
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(b"What?")))
    options = ["--max-prompt-tokens", "200", "--tokenizer", "o200k_base", "--json"]
    files = ["system=@system=1.txt", "history=@history.txt", "completion=50", "query=@-"]
    for reserve in files:
        options += ["--reserve", reserve]
    code, out, err = run(*command, *options)
    assert (code, err) == (0, "")
    meant = allocation(
        max_prompt_tokens=200,
        tokenizer="o200k_base",
        reserves={"system": system, "history": history, "query": "What?", "completion": 50},
    )
    budget = meant.to_dict()["budget"]
    assert "reserved_tokens" in budget
    assert json.loads(out)["budget"] == budget
    assert json.loads(out)["budget"]["reserved_tokens"]["history"] == 4


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (None, "system.txt: there is no such file"),
        (b"fine\n\xff", "system.txt:2: not valid UTF-8: invalid start byte"),
        (b"word " * 500, "the reserves of 501 tokens (system 501) exceed max_prompt_tokens, which is 200"),
    ],
)
def test_a_reserve_that_cannot_be_used(
    run: Run, command: list[str], content: bytes | None, message: str
) -> None:
    if content is not None:
        Path("system.txt").write_bytes(content)
    options = ["--max-prompt-tokens", "200", "--tokenizer", "cl100k_base", "--reserve", "system=@system.txt"]
    code, out, err = run(*command, *options)
    assert (code, out) == (1, "")
    assert err.startswith("memory-budget: error: ")
    assert message in err
    assert err.count("\n") == 1


# Wrong usage


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--render", "--json"], "argument --json: not allowed with argument --render"),
        (["--json", "--messages", "openai"], "argument --messages: not allowed with argument --json"),
        (["--render", "--messages", "openai"], "argument --messages: not allowed with argument --render"),
        (["--render", "--report"], "argument --render: not allowed with argument --report"),
        (["--explain", "m0", "--render"], "argument --render: not allowed with argument --explain"),
        (["--messages", "gemini", "--report"], "argument --messages: not allowed with argument --report"),
        (["--messages", "gemini", "--explain", "x"], "argument --messages: not allowed with argument --expl"),
        (["--messages", "openia"], "argument --messages: invalid choice: 'openia' (choose from "),
        (["--messages"], "argument --messages: expected one argument"),
        (["--template"], "argument --template: expected one argument"),
        (["--reserve", "system=@"], "--reserve: must be NAME=N or NAME=@FILE with one of system, query, his"),
        (
            ["--reserve", "answer=@x.txt"],
            "--reserve: must be NAME=N or NAME=@FILE with one of system, query,",
        ),
        (["--reserve", "system=5k"], "argument --reserve: must be a whole number from 0 to 9007199254740991"),
        (
            ["--reserve", "system=@-", "--reserve", "history=@-"],
            "argument --reserve: standard input (-) can be read once only",
        ),
        (
            ["--reserve", "system=45", "--reserve", "system=3"],
            "argument --reserve: system is given more than once",
        ),
    ],
)
def test_wrong_usage(run: Run, command: list[str], options: list[str], message: str) -> None:
    code, out, err = run(*command, *options)
    assert (code, out) == (2, "")
    assert err.startswith("usage: memory-budget allocate ")
    assert message in err.splitlines()[-1]


def test_memories_and_a_reserve_cannot_share_standard_input(run: Run) -> None:
    code, out, err = run("allocate", "-", "--query", QUERY, "--reserve", "system=@-")
    assert (code, out) == (2, "")
    assert "standard input (-) can be read once only" in err
