"""The benchmarks: that they measure what they say, and refuse what would make their figures worthless."""

from __future__ import annotations

import gzip
import json
import os
import runpy
import subprocess
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from unittest.mock import Mock

import pytest

import memory_budget_allocator

np = pytest.importorskip("numpy")

REPOSITORY = Path(__file__).resolve().parent.parent
BENCHES = REPOSITORY / "benches"
PACKAGE_PARENT = Path(memory_budget_allocator.__file__).resolve().parent.parent

NOW = datetime(2026, 3, 14, 12, 0, tzinfo=UTC)


@pytest.fixture(autouse=True)
def _bench_modules(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(str(BENCHES))


# A data set small enough to work out by hand


def conversation() -> dict[str, Any]:
    """Messages of 100, 60, 60 and 30 tokens, the first the newest; two questions, one without evidence."""
    tokens = (100, 60, 60, 30)
    return {
        "conversation": "small",
        "now": NOW.replace(tzinfo=None).isoformat(),
        "items": [
            {
                "id": f"message-{position}",
                "text": "a message " * cost,
                "tokens": cost,
                "ts": (NOW - timedelta(days=7 * position)).replace(tzinfo=None).isoformat(),
            }
            for position, cost in enumerate(tokens)
        ],
        "questions": [
            {"id": "answered", "text": "Where is it?", "evidence": ["message-1", "message-3"]},
            {"id": "open", "text": "Is there anything?", "evidence": []},
        ],
    }


COSINES = [[0.1, 0.5, 0.375, 0.25], [0.0, 0.0, 0.0, 0.0]]


def write_data(
    folder: Path, document: Any, name: str = "small", cosines: Any = COSINES, array_name: str = "sim"
) -> None:
    folder.mkdir(exist_ok=True)
    (folder / f"{name}.json.gz").write_bytes(gzip.compress(json.dumps(document).encode()))
    np.savez(folder / f"{name}.npz", **{array_name: np.array(cosines, np.float16)})


@pytest.fixture
def data(tmp_path: Path) -> Path:
    folder = tmp_path / "data"
    write_data(folder, conversation())
    return folder


def recalls(data: Path, tmp_path: Path, budgets: str) -> dict[str, dict[str, dict[str, float]]]:
    import evidence_recall

    target = tmp_path / "figures.json"
    assert evidence_recall.main([str(data), "--budgets", budgets, "--json", str(target)]) == 0
    figures: dict[str, Any] = json.loads(target.read_text(encoding="utf-8"))
    assert figures["questions"] == figures["conversations"] == figures["questions_without_evidence"] == 1
    assert figures["messages"] == 4
    by_policy: dict[str, dict[str, dict[str, float]]] = figures["recall_percent"]
    return by_policy


def test_recall_of_each_policy_is_what_one_works_out(data: Path, tmp_path: Path) -> None:
    figures = recalls(data, tmp_path, "20,30,60,90,100,250")
    means = {name: [figure["mean"] for figure in row.values()] for name, row in figures.items()}
    # Evidence is messages 1 (60 tokens) and 3 (30 tokens); an order passes over what does not fit.
    assert means["oracle"] == [0, 50, 50, 100, 100, 100]
    assert means["cosine order"] == [0, 50, 50, 100, 100, 100]  # 1, 2, 3, 0
    assert means["most recent first"] == [0, 50, 50, 100, 0, 100]  # 0, 1, 2, 3
    # .05 + .2, .25 + .1, .1875 + .05, .125 + .025 (and .15 each): 1, 0, 2, 3
    assert means["formula"] == [0, 50, 50, 100, 100, 100]
    assert means["formula less cosine order"] == [0] * 6
    assert means["random"][0] == 0
    assert means["random"][-1] == 100
    assert all(figure["low"] is None for row in figures.values() for figure in row.values())


def test_the_formula_weighs_freshness_too(tmp_path: Path) -> None:
    document = conversation()
    document["questions"][0]["evidence"] = ["message-0"]
    write_data(tmp_path / "data", document, cosines=[[0.25, 0.375, 0.25, 0.25], COSINES[1]])
    figures = recalls(tmp_path / "data", tmp_path, "100")
    assert figures["formula"]["100"]["mean"] == 100  # .125 + .2 beats .1875 + .1
    assert figures["cosine order"]["100"]["mean"] == 0


def test_the_table_shows_intervals_over_conversations(data: Path, capsys: pytest.CaptureFixture[str]) -> None:
    import evidence_recall

    other = conversation()
    other["questions"][0]["evidence"] = ["message-0"]
    write_data(data, other, "other")
    assert evidence_recall.main([str(data), "--budgets", "60,100"]) == 0
    printed = capsys.readouterr()
    assert "2 questions with evidence (2 without are left out), 8 messages, 2 conversations" in printed.out
    lines = printed.out.splitlines()
    (oracle,) = (number for number, line in enumerate(lines) if line.startswith("oracle"))
    assert lines[oracle].split() == ["oracle", "25.0", "100.0"]
    assert lines[oracle + 1].split() == ["0.0..50.0", "100.0..100.0"]
    assert printed.err == "2/2 conversations\n"


def test_a_terminal_gets_a_bar_that_goes_away(
    data: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    import evidence_recall

    monkeypatch.setattr(sys.stderr, "isatty", lambda: True, raising=False)
    assert evidence_recall.main([str(data)]) == 0
    shown = capsys.readouterr().err
    assert "[" + "." * 30 + "] 0/1 conversations" in shown
    assert shown.endswith("\r\x1b[K")


def spoil(key: str, value: Any) -> dict[str, Any]:
    """The data set with one value changed; the key is a path such as ``items.0.tokens``."""
    document = conversation()
    *path, last = key.split(".")
    place: Any = document
    for step in path:
        place = place[int(step) if step.isdigit() else step]
    place[last] = value
    return document


BAD_DOCUMENTS: dict[str, tuple[Any, str]] = {
    "tokens of nothing": (spoil("items.1.tokens", 0), "items[1]: 'tokens' must be a whole number"),
    "tokens as text": (
        spoil("items.1.tokens", "60"),
        "items[1]: 'tokens' must be a whole number of at least 1, got '60'",
    ),
    "tokens as truth": (spoil("items.1.tokens", True), "items[1]: 'tokens' must be a whole number"),
    "no such day": (
        spoil("items.2.ts", "2026-02-30"),
        "items[2]: 'ts' must be an ISO time, got '2026-02-30'",
    ),
    "time as a number": (spoil("now", 1710000000), "'now' must be a string, got 1710000000"),
    "unknown evidence": (
        spoil("questions.0.evidence", ["message-9"]),
        "questions[0]: evidence 'message-9' is the id of no item",
    ),
    "evidence as a number": (spoil("questions.0.evidence", [3]), "evidence 3 is the id of no item"),
    "the same id twice": (spoil("items.1.id", "message-0"), "two items have the same id"),
    "no items": ({**conversation(), "items": {}}, "'items' must be an array, got {}"),
    "an array": ([], "must be an object, got []"),
    "no questions": ({"conversation": "x", "now": "2026-01-01", "items": []}, "has no 'questions'"),
    "nothing to score": (spoil("questions.0.evidence", []), "no question has evidence"),
}


@pytest.mark.parametrize(("document", "message"), BAD_DOCUMENTS.values(), ids=BAD_DOCUMENTS.keys())
def test_bad_documents_are_named(
    document: Any, message: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    write_data(tmp_path / "data", document)
    expect_failure([str(tmp_path / "data")], capsys, message)


def expect_failure(arguments: list[str], capsys: pytest.CaptureFixture[str], *messages: str) -> None:
    import evidence_recall

    assert evidence_recall.main(arguments) == 1
    printed = capsys.readouterr()
    assert printed.out == ""
    error = printed.err.splitlines()[-1]
    assert error.startswith("evidence_recall: ")
    for message in messages:
        assert message in error


def test_bad_folders_and_files_are_named(
    data: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    expect_failure([str(tmp_path / "nowhere")], capsys, "nowhere: no such folder")
    expect_failure([str(data / "small.npz")], capsys, "small.npz: not a folder")
    (tmp_path / "empty").mkdir()
    expect_failure([str(tmp_path / "empty")], capsys, "empty: no conversation in it")

    text = (data / "small.json.gz").read_bytes()
    (data / "small.json.gz").write_bytes(text[:-20])
    expect_failure([str(data)], capsys, "small.json.gz: cannot be read")
    (data / "small.json.gz").write_bytes(b"{}")
    expect_failure([str(data)], capsys, "small.json.gz: cannot be read")
    (data / "small.json.gz").write_bytes(gzip.compress(b"{"))
    expect_failure([str(data)], capsys, "small.json.gz: not JSON")
    (data / "small.json.gz").write_bytes(text)

    (data / "small.npz").write_bytes(b"no archive")
    expect_failure([str(data)], capsys, "small.npz: cannot be read")
    (data / "small.npz").unlink()
    expect_failure([str(data)], capsys, "small.npz: missing, although there is a small.json.gz")


@pytest.mark.parametrize(
    ("cosines", "array_name", "message"),
    [
        (COSINES[:1], "sim", "'sim' must hold floats for 2 questions x 4 items, got float16 1 x 4"),
        (COSINES, "cosine", "has no array 'sim'"),
        ([[float("nan")] * 4] * 2, "sim", "'sim' holds NaN"),
    ],
)
def test_bad_arrays_are_named(
    cosines: Any, array_name: str, message: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    write_data(tmp_path / "data", conversation(), cosines=cosines, array_name=array_name)
    expect_failure([str(tmp_path / "data")], capsys, "small.npz", message)


def test_a_target_that_cannot_be_written_is_named(
    data: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    import evidence_recall

    assert evidence_recall.main([str(data), "--json", str(tmp_path / "nowhere" / "figures.json")]) == 1
    assert "figures.json: No such file or directory" in capsys.readouterr().err


@pytest.mark.parametrize("budgets", ["", "256,", "1e3", "0", "-5", "256;512", str(2**53)])
def test_impossible_budgets_are_bad_usage(
    budgets: str, data: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    import evidence_recall

    with pytest.raises(SystemExit) as raised:
        evidence_recall.main([str(data), f"--budgets={budgets}"])
    assert raised.value.code == 2
    assert "--budgets" in capsys.readouterr().err


def test_ctrl_c_ends_with_130(data: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import evidence.recall

    monkeypatch.setattr(evidence.recall, "measure", Mock(side_effect=KeyboardInterrupt))
    monkeypatch.setattr(sys, "argv", ["evidence_recall.py", str(data)])
    with pytest.raises(SystemExit) as raised:
        runpy.run_path(str(BENCHES / "evidence_recall.py"), run_name="__main__")
    assert raised.value.code == 130


def test_without_numpy_it_says_how_to_get_it(data: Path) -> None:
    program = (
        "import runpy, sys; sys.modules['numpy'] = None; sys.argv = sys.argv[1:]; "
        "runpy.run_path(sys.argv[0], run_name='__main__')"
    )
    completed = subprocess.run(
        [sys.executable, "-c", program, str(BENCHES / "evidence_recall.py"), str(data)],
        capture_output=True,
        encoding="utf-8",
        env={**os.environ, "PYTHONPATH": str(PACKAGE_PARENT)},
        check=False,
        timeout=60,
    )
    assert completed.returncode == 1
    assert completed.stderr == "evidence_recall: needs NumPy: pip install numpy\n"


# The timing


def test_one_measurement_compares_like_with_like() -> None:
    import allocation_speed

    measured = allocation_speed.measure(allocation_speed.Size(60, rounds=4))
    assert len(measured.reference_ms) == len(measured.library_ms) == 4
    assert min(measured.reference_ms + measured.library_ms) > 0
    lengths = [len(fields["text"]) for fields in allocation_speed.memory_fields(500)]
    assert 205 < sum(lengths) / len(lengths) < 225
    assert allocation_speed.memory_fields(7) == allocation_speed.memory_fields(7)


def test_ratio_is_of_paired_rounds_and_void_by_the_fastest() -> None:
    import allocation_speed

    size = allocation_speed.Size(100, rounds=3, target_ratio=5.0, known_reference_ms=2.0)
    measured = allocation_speed.Measurement(size, (3.0, 20.0, 6.0), (1.0, 2.0, 1.0))
    assert measured.ratio == 6.0
    assert not measured.misses_target
    assert not measured.is_void
    assert allocation_speed.Measurement(size, (3.1, 3.1), (1.0, 1.0)).is_void
    assert allocation_speed.Measurement(size, (3.1, 3.1), (1.0, 1.0)).misses_target


def test_different_work_is_no_comparison(monkeypatch: pytest.MonkeyPatch) -> None:
    import allocation_speed
    import reference

    size = allocation_speed.Size(20, rounds=1)
    with monkeypatch.context() as patched:
        patched.setattr(reference, "finite", (1 + 2**-52).__mul__)
        with pytest.raises(allocation_speed.DifferentResultsError, match="memory-0"):
            allocation_speed.measure(size)
    with monkeypatch.context() as patched:
        patched.setattr(reference, "tier_budget", Mock(return_value=100))
        with pytest.raises(allocation_speed.DifferentResultsError, match="the results differ in"):
            allocation_speed.measure(size)


@pytest.mark.parametrize(
    ("known_ms", "target", "outcome"),
    [(1e9, 0.0, (0, "0x met")), (1e9, 1e9, (1, "missed")), (1e-9, 0.0, (1, "VOID"))],
)
def test_verdict_and_exit_code(
    known_ms: float,
    target: float,
    outcome: tuple[int, str],
    *,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    import allocation_speed

    code, verdict = outcome

    size = allocation_speed.Size(20, rounds=1, target_ratio=target, known_reference_ms=known_ms)
    monkeypatch.setattr(allocation_speed, "BUILD_PROFILE", "release")
    monkeypatch.setattr(allocation_speed, "SIZES", (size, allocation_speed.Size(30, rounds=1)))
    target_file = tmp_path / "speed.json"
    assert allocation_speed.main(["--rounds", "2", "--json", str(target_file)]) == code
    assert verdict in capsys.readouterr().out
    figures = json.loads(target_file.read_text(encoding="utf-8"))
    first, second = figures["sizes"]
    assert first["memories"] == 20
    assert first["rounds"] == 2
    assert first["reference_min_ms"] <= first["reference_median_ms"] <= first["reference_max_ms"]
    assert second["void"] is second["target_missed"] is False


def test_a_debug_build_is_not_timed(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    import allocation_speed

    monkeypatch.setattr(allocation_speed, "BUILD_PROFILE", "debug")
    assert allocation_speed.main([]) == 1
    assert "refused: the native module is a debug build" in capsys.readouterr().err


def test_no_rounds_are_bad_usage(capsys: pytest.CaptureFixture[str]) -> None:
    import allocation_speed

    with pytest.raises(SystemExit) as raised:
        allocation_speed.main(["--rounds", "0"])
    assert raised.value.code == 2
    assert "--rounds must be at least 1" in capsys.readouterr().err
