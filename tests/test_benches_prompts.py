"""The benchmarks about prompts: on data that can be worked out by hand, and what they refuse."""

from __future__ import annotations

import json
from importlib import metadata
from pathlib import Path
from typing import Any

import pytest

from evaluation_data import conversation, write_folder

BENCHES = Path(__file__).resolve().parent.parent / "benches"


@pytest.fixture(autouse=True)
def _bench_modules(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(str(BENCHES))


@pytest.fixture
def data(tmp_path: Path) -> str:
    return str(write_folder(tmp_path / "data", conversation()))


def test_reuse_and_recall_are_those_of_the_texts(data: str, tmp_path: Path) -> None:
    import prompt_cache

    out = tmp_path / "out.json"
    assert prompt_cache.main([data, "--ceilings", "340", "--shares", "0.5", "--json", str(out)]) == 0
    rows = {(row["scores"], row["rebuild_share"]): row for row in json.loads(out.read_text())}
    plain, session = rows["cosine", None], rows["cosine", 0.5]
    # By cosine and in tokens of text: 120, 120 and 60, the first and the last of them evidence. With their
    # frames, 340 have room for all three, 85 % of it for the first two.
    assert (plain["judged"], plain["recalled"], session["recalled"]) == (1, 1.0, 0.5)
    assert plain["followed"] == session["followed"] == 1
    # All texts repeat the same words, so that any two begin alike.
    for row in (plain, session):
        assert 0 < row["reused"] <= row["tokens"] <= 340


def test_a_text_above_its_ceiling_fails(data: str, monkeypatch: pytest.MonkeyPatch, capsys: Any) -> None:
    import prompt_cache

    asked = prompt_cache.Asked("x", 401, 0, False, frozenset())
    monkeypatch.setattr(prompt_cache.Session, "ask", lambda *_: asked)
    assert prompt_cache.main([data, "--ceilings", "400", "--shares", "0.5"]) == 1
    assert "401 tokens of at most 400" in capsys.readouterr().err


def test_ceilings_hold_and_absent_peers_are_named(
    data: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: Any
) -> None:
    import ceiling

    def absent(name: str) -> str:
        raise metadata.PackageNotFoundError(name)

    monkeypatch.setattr(ceiling.metadata, "version", absent)
    out = tmp_path / "out.json"
    assert ceiling.main([data, "--ceilings", "100,400", "--json", str(out)]) == 0
    rows = json.loads(out.read_text())
    ours = [row for row in rows if row["side"].startswith("library")]
    assert [(row["prompts"], row["over"]) for row in ours] == [(2, 0)] * 6
    assert all(0 < row["largest"] <= row["ceiling"] for row in ours)
    assert len([row for row in rows if "missing" in row]) == len(rows) - 6 > 0
    # One question has evidence, two messages: 100 tokens have room for one of them.
    recalled = {(row["ceiling"], row["judged"], row["recalled"]) for row in ours}
    assert recalled == {(100, 1, 0.5), (400, 1, 1.0)}
    assert "MISSING: Memory: pip install llama-index-core" in capsys.readouterr().err


def test_a_library_that_exceeds_its_ceiling_fails(data: str, monkeypatch: pytest.MonkeyPatch) -> None:
    import ceiling

    side = ceiling.Side("library: broken", None, lambda *_: lambda _: "x" * 1_000)
    monkeypatch.setattr(ceiling, "SIDES", (side,))
    assert ceiling.main([data, "--ceilings", "50"]) == 1


@pytest.mark.parametrize("program", ["prompt_cache", "ceiling"])
def test_unusable_data_and_usage(program: str, data: str, tmp_path: Path) -> None:
    import importlib

    main = importlib.import_module(program).main
    assert main([str(tmp_path / "nothing")]) == 1
    with pytest.raises(SystemExit) as caught:
        main([data, "--ceilings", "0"])
    assert caught.value.code == 2
