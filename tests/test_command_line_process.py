"""The program as a process: pipes, signals, encodings, and what must never be seen: a traceback."""

from __future__ import annotations

import io
import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from memory_budget_allocator.command_line import main, session

COMMAND = [sys.executable, "-m", "memory_budget_allocator"]
MEMORY = {"memory_id": "é", "text": "日本 \ud800", "tier": "rag"}


@pytest.fixture
def many(tmp_path: Path) -> str:
    """A file whose report is larger than a pipe holds."""
    path = tmp_path / "many.jsonl"
    line = json.dumps({**MEMORY, "token_count": 10**6})
    path.write_text(f"{line}\n" * 5000)
    return str(path)


def run(*arguments: str, content: bytes = b"", **environment: str) -> subprocess.CompletedProcess[bytes]:
    return subprocess.run(
        [*COMMAND, *arguments],
        input=content,
        capture_output=True,
        env={**os.environ, **environment},
        check=False,
    )


def test_memories_from_standard_input() -> None:
    done = run("promote", "-", "--json", content=json.dumps([MEMORY, MEMORY]).encode())
    assert (done.returncode, done.stderr) == (0, b"")
    assert json.loads(done.stdout)["total_evaluated"] == 2


@pytest.mark.parametrize("unbuffered", ["", "1"])
def test_a_closed_pipe_is_silent(many: str, unbuffered: str) -> None:
    for arguments in (
        ["allocate", many, "--query", "x", "--all"],
        ["allocate", many, "--query", "x", "--json"],
        ["config", "show", "default"],
        ["--help"],
    ):
        reading, writing = os.pipe()
        os.close(reading)
        process = subprocess.Popen(
            [*COMMAND, *arguments],
            stdout=writing,
            stderr=subprocess.PIPE,
            env={**os.environ, "PYTHONUNBUFFERED": unbuffered},
        )
        os.close(writing)
        _, error = process.communicate(timeout=60)
        assert error == b""
        assert process.returncode in (0, 141)


def test_a_pipe_that_closes_halfway_is_silent(many: str) -> None:
    process = subprocess.Popen(
        [*COMMAND, "allocate", many, "--query", "x", "--all"], stdout=subprocess.PIPE, stderr=subprocess.PIPE
    )
    assert process.stdout is not None
    assert process.stderr is not None
    process.stdout.readline()
    process.stdout.close()
    error = process.stderr.read()
    process.stderr.close()
    assert (process.wait(timeout=60), error) == (141, b"")


def test_control_c_while_waiting_for_input() -> None:
    with subprocess.Popen(
        [
            sys.executable,
            "-c",
            "import sys; from memory_budget_allocator.command_line import main, session\n"
            "print('ready', flush=True); sys.exit(main(['promote', '-']))",
        ],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    ) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == b"ready\n"
        time.sleep(0.5)
        process.send_signal(signal.SIGINT)
        out, error = process.communicate(timeout=60)
    assert (process.returncode, out, error) == (130, b"", b"")


def test_control_c_in_process(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    class Interrupted:
        def read(self) -> bytes:
            raise KeyboardInterrupt

    class Terminal:
        buffer = Interrupted()

    monkeypatch.setattr(sys, "stdin", Terminal())
    assert main(["promote", "-"]) == 130
    assert capsys.readouterr() == ("", "")


def test_an_unexpected_exception_is_one_line(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def broken() -> None:
        raise RuntimeError("two\nlines")

    monkeypatch.setattr(session, "make_parser", broken)
    assert main([]) == 1
    assert capsys.readouterr().err == "memory-budget: error: unexpected RuntimeError: two\\nlines\n"


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs a device that is always full")
@pytest.mark.parametrize("unbuffered", ["", "1"])
def test_a_full_disk_is_one_line(many: str, unbuffered: str) -> None:
    for arguments in (["config", "show", "default"], ["allocate", many, "--query", "x", "--json"]):
        with Path("/dev/full").open("wb") as full:
            done = subprocess.run(
                [*COMMAND, *arguments],
                stdout=full,
                stderr=subprocess.PIPE,
                env={**os.environ, "PYTHONUNBUFFERED": unbuffered},
                check=False,
            )
        assert done.returncode == 1
        assert done.stderr == b"memory-budget: error: cannot write the output: No space left on device\n"


@pytest.mark.parametrize("name", ["stdin", "stdout", "stderr"])
def test_a_stream_that_was_closed_at_the_start(name: str) -> None:
    number = {"stdin": 0, "stdout": 1, "stderr": 2}[name]
    script = f'exec "$@" {number}{"<" if number == 0 else ">"}&-'
    done = subprocess.run(
        ["sh", "-c", script, "sh", *COMMAND, "promote", "-"],
        stdin=subprocess.DEVNULL,
        capture_output=True,
        check=False,
    )
    assert done.returncode == (0 if name == "stderr" else 1)
    assert done.stderr.count(b"\n") == (0 if name == "stderr" else 1)


@pytest.mark.parametrize("encoding", ["utf-8", "ascii", "latin-1", "cp1252", "utf-16"])
def test_any_encoding_of_the_output_works(encoding: str) -> None:
    content = json.dumps([MEMORY]).encode()
    done = run(
        *("allocate", "-", "--query", "ça", "--json"),
        content=content,
        PYTHONIOENCODING=encoding,
        PYTHONUTF8="0",
    )
    assert done.returncode == 0
    result = json.loads(done.stdout.decode(encoding))
    (memory,) = result["tiers"]["rag"]["selected_memories"]
    assert (memory["memory_id"], memory["text"]) == (MEMORY["memory_id"], MEMORY["text"])
    done = run("allocate", "-", "--query", "x", content=content, PYTHONIOENCODING=encoding)
    assert done.returncode == 0
    shown = done.stdout.decode(encoding)
    assert ("日本" in shown) == encoding.startswith("utf")
    assert "\\ud800" in shown


def test_json_shows_a_terminal_no_control_characters(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    text = "".join(map(chr, [*range(0xA0), 0x2028, 0x2029]))
    content = json.dumps({**MEMORY, "text": text}).encode()
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(content)))
    assert main(["allocate", "-", "--query", "x", "--json"]) == 0
    out = capsys.readouterr().out
    assert out.replace("\n", "").replace("日", "").isprintable()
    assert json.loads(out)["tiers"]["rag"]["selected_memories"][0]["text"] == text


def test_the_library_is_not_configured_for_others(capsys: pytest.CaptureFixture[str]) -> None:
    script = (
        "import logging; from memory_budget_allocator.command_line import main\n"
        "main(['config', 'show', 'default', '--json'])\n"
        "assert not logging.getLogger().handlers\n"
        "assert not logging.getLogger('memory_budget_allocator').handlers\n"
        "assert logging.getLogger('memory_budget_allocator').level == logging.NOTSET\n"
    )
    assert subprocess.run([sys.executable, "-c", script], capture_output=True, check=True).stderr == b""
