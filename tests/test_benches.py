"""The benchmarks: that they measure what they say, and refuse what would make their figures worthless."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any
from unittest.mock import Mock

import pytest

from memory_budget_allocator import MemoryBudgetAllocator

REPOSITORY = Path(__file__).resolve().parent.parent
BENCHES = REPOSITORY / "benches"


@pytest.fixture(autouse=True)
def _bench_modules(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(str(BENCHES))


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


# Importing the library


def test_the_cost_of_an_import(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    import import_time

    monkeypatch.setattr(import_time, "BUILD_PROFILE", "release")
    monkeypatch.setattr(import_time, "TARGET_MEGABYTES", 1e9)
    target_file = tmp_path / "figures.json"
    for target_ms, code in ((1e9, 0), (-1e9, 1)):
        monkeypatch.setattr(import_time, "TARGET_MS", target_ms)
        assert import_time.main(["--rounds", "2", "--json", str(target_file)]) == code
    figures = json.loads(target_file.read_text())
    assert {name: len(times) for name, times in figures["import_ms"].items()} == dict.fromkeys(
        import_time.IMPORTS, 2
    )
    assert 0.1 < figures["compressed_megabytes"] < 100
    assert "MISSED" in capsys.readouterr().out
    monkeypatch.setattr(import_time, "BUILD_PROFILE", "debug")
    assert import_time.main([]) == 1


def test_evidence_is_timed_beside_what_selects_the_same(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    pytest.importorskip("numpy")
    import evidence

    lengths = [len(text) for text in evidence.texts(300)]
    assert 200 < sum(lengths) / len(lengths) <= 215
    monkeypatch.setattr(evidence, "BUILD_PROFILE", "release")
    target_file = tmp_path / "evidence.json"
    assert evidence.main(["--rows", "3000", "--rounds", "2", "--json", str(target_file)]) == 0
    figures = json.loads(target_file.read_text())
    assert figures["selected"] > 0
    assert len(figures["library_ms"]) == len(figures["numpy_ms"]) == 2
    monkeypatch.setattr(evidence, "TARGET_ROWS", 3_000)
    monkeypatch.setattr(evidence, "TARGET_MS", 0.0)
    assert evidence.main(["--rows", "3000", "--rounds", "1"]) == 1
    assert "MISSED" in capsys.readouterr().out
    monkeypatch.setattr(evidence, "NEIGHBOURS", 0.5)
    assert evidence.main(["--rows", "3000", "--rounds", "1"]) == 1
    assert "DIFFERENT" in capsys.readouterr().out


def test_evidence_refuses_bad_usage(monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("numpy")
    import evidence

    with pytest.raises(SystemExit) as exit_:
        evidence.main(["--rows", "0"])
    assert exit_.value.code == 2
    monkeypatch.setattr(evidence, "BUILD_PROFILE", "debug")
    assert evidence.main([]) == 1


def test_searches_for_budgets_are_measured_and_what_they_did_not_find_is_counted(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import receipt_costs

    monkeypatch.setattr(receipt_costs, "BUILD_PROFILE", "release")
    target_file = tmp_path / "searches.json"
    options = ["--rows", "100", "--ceilings", "900,90000", "--rounds", "1", "--json", str(target_file)]
    assert receipt_costs.main(options) == 0
    figures = json.loads(target_file.read_text())
    assert [(row["call"], row["ceiling"]) for row in figures] == [
        (call, ceiling) for call in ("formula", "evidence") for ceiling in (900, 90_000)
    ]
    for row in figures:
        assert (row["left_out"] > 0) == (row["ceiling"] == 900) == any(row["found"].values())
        assert (row["not_found"], len(row["report"])) == (0, 1)


def test_what_receipts_cost_is_measured_on_equal_selections(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    import receipt_costs

    monkeypatch.setattr(receipt_costs, "BUILD_PROFILE", "release")
    target_file = tmp_path / "receipts.json"
    assert receipt_costs.main(["--rows", "100", "--rounds", "1", "--json", str(target_file)]) == 0
    figures = json.loads(target_file.read_text())
    assert [(row["call"], row["rows"]) for row in figures] == [(name, 100) for name in receipt_costs.CALLS]
    for row in figures:
        # Something is left out of a hundred, so that there is a search to time.
        assert all(len(row[name]) == 1 for name in ("without", "asked", "report", "explain"))

    class WithoutMemories(MemoryBudgetAllocator):
        def allocate(self, *arguments: Any, **options: Any) -> Any:
            query, memories = arguments
            return super().allocate(query, [] if options["receipts"] else memories, **options)

    monkeypatch.setattr(receipt_costs, "MemoryBudgetAllocator", WithoutMemories)
    assert receipt_costs.main(["--rows", "100", "--rounds", "1"]) == 1
    assert "DIFFERENT: formula, 100 memories" in capsys.readouterr().out
    for wrong in (["--rows", "99"], ["--ceilings", "0"]):
        with pytest.raises(SystemExit) as exit_:
            receipt_costs.main(wrong)
        assert exit_.value.code == 2
    monkeypatch.setattr(receipt_costs, "BUILD_PROFILE", "debug")
    assert receipt_costs.main([]) == 1
