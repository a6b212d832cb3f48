"""The comparison and the throughput benchmark, in small: they measure what they say."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any
from unittest.mock import Mock

import pytest

np = pytest.importorskip("numpy")

if TYPE_CHECKING:
    from comparison.side import Side
    from comparison.workload import Selection, Workload

BENCHES = Path(__file__).resolve().parent.parent / "benches"


@pytest.fixture(autouse=True)
def _bench_modules(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(str(BENCHES))


def sides() -> dict[str, Side]:
    from comparison.sides import SIDES

    return {side.name: side for side in SIDES}


def answer(name: str, workload: Workload) -> Selection:
    """What a side selects; skipped, with what it needs, where it cannot run."""
    from comparison.side import MissingSideError

    try:
        prepared = sides()[name].prepare(workload)
    except MissingSideError as error:
        pytest.skip(str(error))
    assert prepared.rows is not None
    return prepared.rows(prepared.call())


NAMES = (
    *("plain loop, dicts", "plain loop, items", "NumPy from a list", "NumPy columns"),
    *("NumPy columns, stored freshness", "NumPy columns, sampled cut", "Polars columns, top_k"),
    *("Rust port, columns", "library: list, to_dict", "library: list of items"),
    *("library: NumPy columns", "library: Polars columns", "library: pool"),
)


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("rows", [1, 60, 2_000])
def test_every_side_selects_what_a_full_sort_does(name: str, rows: int) -> None:
    from comparison.workload import Workload

    workload = Workload(rows)
    assert answer(name, workload) == workload.expected()


def test_no_side_goes_unnamed() -> None:
    assert [*NAMES, "reading the columns once"] == list(sides())


@pytest.mark.parametrize(
    "name", [name for name in NAMES if name.startswith(("NumPy columns", "Polars", "Rust", "library"))]
)
def test_ties_one_giant_and_an_empty_tier_change_nothing(name: str) -> None:
    from comparison.workload import Workload

    workload = Workload(40_000)
    workload.relevance[:] = np.round(workload.relevance * 4) / 4
    workload.importance[:] = 0.5
    workload.timestamp_us[:] = workload.timestamp_us[0]
    workload.tier[workload.tier == 2] = 1
    workload.tokens[np.argmax(workload.relevance)] = 10**6
    expected = workload.expected()
    assert expected[2] == []
    assert answer(name, workload) == expected


def test_a_workload_says_what_its_columns_take() -> None:
    from comparison.workload import Workload

    workload = Workload(1_000)
    assert workload.read_bytes == 1_000 * (4 + 8 + 8 + 1)
    assert sum(map(len, workload.expected())) > 60
    fields = list(workload.fields())
    assert len(fields) == 1_000
    assert fields[7]["relevance_score"] == float(workload.relevance[7])


def fake_side(name: str, rows: Any = None) -> Side:
    from comparison.side import Prepared, Side

    def prepare(workload: Workload) -> Prepared:
        expected = workload.expected()
        return Prepared(lambda: None, lambda _: expected if rows is None else rows)

    return Side(name, prepare)


def test_another_selection_fails_the_program(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    import compare
    import comparison.sides

    monkeypatch.setattr(compare, "BUILD_PROFILE", "release")
    monkeypatch.setattr(comparison.sides, "SIDES", (fake_side("liar", [[0], [], [], []]),))
    assert compare.main(["--sizes", "50", "--rounds", "1"]) == 1
    assert "50 memories: DIFFERENT SELECTION: liar: tier 0, place" in capsys.readouterr().err


def test_what_is_missing_is_said_and_fails_the_program(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    import compare
    import comparison.report
    import comparison.sides
    from comparison.side import MissingSideError, Side

    nobody = Side("nobody", Mock(side_effect=MissingSideError("pip install somebody")))
    both = (fake_side("somebody"), nobody)
    monkeypatch.setattr(compare, "BUILD_PROFILE", "release")
    monkeypatch.setattr(comparison.sides, "SIDES", both)
    monkeypatch.setattr(comparison.report, "SIDES", both)
    target = tmp_path / "figures.json"
    assert compare.main(["--sizes", "50,60", "--rounds", "2", "--json", str(target)]) == 1
    printed = capsys.readouterr()
    assert printed.out.count("MISSING: pip install somebody") == 2
    assert printed.err == "compare: MISSING: nobody: pip install somebody\n"
    figures = json.loads(target.read_text(encoding="utf-8"))
    first, second = figures["sizes"]
    assert (first["memories"], second["memories"]) == (50, 60)
    assert first["missing"] == {"nobody": "pip install somebody"}
    somebody = first["sides"]["somebody"]
    assert somebody["rounds"] == 2
    assert somebody["min_ms"] <= somebody["median_ms"] <= somebody["max_ms"]


def test_targets_are_judged_by_paired_rounds_and_void_is_no_success() -> None:
    from comparison.rounds import Measured
    from comparison.sides import LIST, LOOP, LOOP_ITEMS, Target

    times = {LOOP: [0.4, 0.4], LOOP_ITEMS: [0.2, 0.4], LIST: [0.01, 0.02]}
    measured = Measured(100, 2_100, times)
    target = Target(LOOP_ITEMS, LIST, 10.0, at=100)
    assert target.verdict(measured) == (
        "       100  plain loop, items / library: list of items: 20.00x, at least 10x: met",
        True,
    )
    assert Target(LOOP_ITEMS, LIST, 21.0).verdict(measured)[1] is False  # type: ignore[index]
    assert Target(LOOP_ITEMS, LIST, 21.0, at_most=True).verdict(measured)[1] is True  # type: ignore[index]
    assert Target(LOOP_ITEMS, LIST, 1.0, at=1_000).verdict(measured) is None
    assert Target(LOOP_ITEMS, "nobody", 1.0).verdict(measured) is None
    times[LOOP] = [0.6, 0.7]
    text, met = target.verdict(measured) or ("", True)
    assert text.endswith("VOID")
    assert not met


def test_a_plot_is_drawn_or_says_what_it_needs(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    from comparison.report import plot
    from comparison.rounds import Measured
    from comparison.side import MissingSideError

    measured = [Measured(100, 0, {"library: pool": [0.01]}), Measured(1_000, 0, {"library: pool": [0.02]})]
    target = tmp_path / "plot.png"
    with monkeypatch.context() as patched:
        patched.setitem(sys.modules, "matplotlib.figure", None)
        with pytest.raises(MissingSideError, match="pip install matplotlib"):
            plot(measured, target)
    assert not target.exists()
    pytest.importorskip("matplotlib")
    plot(measured, target)
    assert target.read_bytes().startswith(b"\x89PNG")


@pytest.mark.parametrize("program", ["compare", "throughput"])
def test_a_debug_build_is_not_timed(
    program: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    module = __import__(program)
    monkeypatch.setattr(module, "BUILD_PROFILE", "debug")
    assert module.main([]) == 1
    assert capsys.readouterr().err == f"{program}: refused: the native module is a debug build\n"


@pytest.mark.parametrize(
    ("program", "arguments"),
    [
        ("compare", "--rounds=0"),
        ("compare", "--sizes=100,0"),
        ("compare", "--sizes="),
        ("compare", "--sizes=1e3"),
        ("compare", "--sizes=10000001"),
        ("throughput", "--rounds=0"),
        ("throughput", "--seconds=0"),
        ("throughput", "--seconds=nan"),
    ],
)
def test_impossible_arguments_are_bad_usage(
    program: str, arguments: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as raised:
        __import__(program).main([arguments])
    assert raised.value.code == 2
    assert arguments.partition("=")[0] in capsys.readouterr().err


def test_threads_and_processes_are_counted(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    import throughput
    from comparison.side import MissingSideError

    rates = throughput.measure("list of 100", rounds=2, seconds=0.02)
    assert all(len(settings) == 2 and min(settings) > 0 for settings in rates.rates.values())
    assert rates.share > 0
    rates = throughput.measure(throughput.STAND_IN, rounds=1, seconds=0.02)
    assert rates.share > 0

    monkeypatch.setattr(throughput, "BUILD_PROFILE", "release")
    monkeypatch.setattr(throughput, "measure", Mock(side_effect=MissingSideError("no pool here")))
    target = tmp_path / "figures.json"
    assert throughput.main(["--json", str(target)]) == 1
    assert "throughput: MISSING: pool of 100,000: no pool here\n" in capsys.readouterr().err
    assert len(json.loads(target.read_text(encoding="utf-8"))["rows"]) == 4


def test_contention_counts_both_threads(capsys: pytest.CaptureFixture[str]) -> None:
    import throughput

    (row,) = throughput.contention([100], seconds=0.05)
    assert row["alone_median_ms"] > 0
    assert row["beside_median_ms"] <= row["beside_99th_ms"]
    assert row["busy_thread_share"] > 0
    throughput.show_contention([row])
    assert "other thread" in capsys.readouterr().out
