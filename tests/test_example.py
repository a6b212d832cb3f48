"""The example program: it runs, says the same each time, and what it says is true."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

import memory_budget_allocator

REPOSITORY = Path(__file__).resolve().parent.parent
PACKAGE_PARENT = Path(memory_budget_allocator.__file__).resolve().parent.parent


def run_example(folder: Path) -> str:
    """Run it as a user does, from another folder, with every warning an error."""
    completed = subprocess.run(
        [sys.executable, "-W", "error", str(REPOSITORY / "examples" / "memory_budget_example.py")],
        capture_output=True,
        encoding="utf-8",
        env={**os.environ, "PYTHONPATH": str(PACKAGE_PARENT), "PYTHONIOENCODING": "utf-8"},
        cwd=folder,
        check=False,
        timeout=60,
    )
    assert completed.stderr == ""
    assert completed.returncode == 0
    return completed.stdout


@pytest.fixture(scope="module")
def output(tmp_path_factory: pytest.TempPathFactory) -> str:
    return run_example(tmp_path_factory.mktemp("elsewhere"))


def part(output: str, number: int) -> str:
    """The text of one of the seven parts."""
    found = re.search(rf"^{number}\. .*?(?=^{number + 1}\. |\Z)", output, re.MULTILINE | re.DOTALL)
    assert found is not None
    return found.group()


def rows(text: str, beginning: str) -> list[list[str]]:
    """The cells of all table rows that begin with a word."""
    return [re.split(r"  +", line.strip()) for line in text.splitlines() if re.match(rf"{beginning}\b", line)]


def test_seven_parts_that_fit_a_terminal(output: str) -> None:
    assert re.findall(r"^(\d)\. ", output, re.MULTILINE) == list("1234567")
    assert max(map(len, output.splitlines())) <= 100
    assert "Traceback" not in output


def test_every_run_prints_the_same_and_leaves_nothing_behind(output: str, tmp_path: Path) -> None:
    assert run_example(tmp_path) == output
    assert list(tmp_path.iterdir()) == []


def test_part_1_harder_queries_get_more(output: str) -> None:
    text = part(output, 1)
    levels = re.findall(r" (simple|medium|complex|expert) +(\d+)/(\d+) ", text)
    assert [level for level, _, _ in levels] == ["simple", "medium", "complex", "expert"]
    assert [int(budget) for _, _, budget in levels] == [1229, 2458, 3686, 4915]
    for used, budget in re.findall(r"(\d+)/(\d+)", text):
        assert int(used) <= int(budget)
    taken = rows(text, "rag")
    assert [cells[1] for cells in taken] == ["sharding", "pooling", "replicas", "backups"]
    assert float(taken[2][2]) > float(taken[1][2])  # the better one was too large


def test_part_2_has_the_packaged_workspaces_and_an_own_one(output: str) -> None:
    text = part(output, 2)
    (default,) = rows(text, "default")
    (own,) = rows(text, "support_desk")
    assert default[1:5] == ["3686", "3072", "2458", "3072"]
    assert own[1:5] == ["2250", "450", "1350", "450"]
    for name in ("development", "research", "production", "conversation", "code_analysis"):
        assert len(rows(text, name)) == 1


def test_part_3_moves_one_step_up_or_down(output: str) -> None:
    text = part(output, 3)
    moves = [cells[1:4] for step in ("up", "down") for cells in rows(text, step)]
    assert moves == [
        ["schema", "project", "working"],
        ["goals", "project", "working"],
        ["sharding", "rag", "project"],
        ["style", "project", "rag"],
    ]
    assert all(float(cells[4]) >= 0.8 for cells in rows(text, "up"))
    assert all(float(cells[4]) < 0.3 for cells in rows(text, "down"))
    assert "4 memories moved" in text
    assert "4 recommendations are stale" in text


def test_part_4_contributions_sum_to_the_points(output: str) -> None:
    totals: list[int] = []
    sums: list[int] = []
    for line in part(output, 4).splitlines():
        if total := re.match(r"(?:simple|medium|complex|expert) +(\d+)  \"", line):
            totals.append(int(total.group(1)))
            sums.append(0)
        elif contribution := re.match(r" +\+(\d+)  ", line):
            sums[-1] += int(contribution.group(1))
    assert totals == sums == [0, 4, 6, 8, 4]


def test_part_5_shows_the_documented_score(output: str) -> None:
    text = part(output, 5)
    assert "= 0.889177" in text
    (week,) = rows(text, "1 week")
    assert week == ["1 week", "0.0078", "0.6123", "0.5001", "0.7900", "0.8507", "0.8651"]


def test_part_6_counts_what_was_done(output: str) -> None:
    text = part(output, 6)
    everything, last_day = rows(text, "all")
    assert everything[1:3] == ["all", "5"]
    assert last_day[1:3] == ["24 h", "4"]
    assert rows(text, "development")[0][2] == "2"
    assert "1 simple, 2 medium, 2 complex" in text
    assert "5 entries" in text


def test_part_7_stays_below_the_ceiling(output: str) -> None:
    text = part(output, 7)
    (strict,) = rows(text, "strict")
    (sharing,) = rows(text, "sharing")
    for cells in (strict, sharing):
        used = [[int(number) for number in cell.split("/")] for cell in cells[1:6]]
        assert all(tokens <= budget for tokens, budget in used)
        assert sum(tokens for tokens, _ in used[:4]) == used[4][0]
        assert sum(budget for _, budget in used[:4]) == used[4][1] == 3400
    assert int(sharing[6]) > int(strict[6])
