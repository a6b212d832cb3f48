"""Every Python block of the README and of docs/ runs, and prints what the page says it prints.

Blocks of a page run in order in one namespace. A block of `>>>` lines is a doctest; another block is
executed, and a ``text`` block right after it is its whole output.
"""

from __future__ import annotations

import contextlib
import doctest
import io
import re
from itertools import zip_longest
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).parent.parent
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]
BLOCK = re.compile(r"^```(\w+)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
BETWEEN = re.compile(r"\s*(prints:?)?\s*")


def blocks(page: Path) -> list[tuple[str, str | None, int]]:
    """(source, expected output or None, line) of each Python block."""
    text = page.read_text(encoding="utf-8")
    found = list(BLOCK.finditer(text))
    examples: list[tuple[str, str | None, int]] = []
    for match, following in zip_longest(found, found[1:]):
        if match[1] != "python":
            continue
        follows = (
            following is not None
            and following[1] == "text"
            and BETWEEN.fullmatch(text, match.end(), following.start())
        )
        line = text.count("\n", 0, match.start()) + 2
        examples.append((match[2], following[2] if following is not None and follows else None, line))
    return examples


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_the_examples_of_a_page(page: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "configs").symlink_to(ROOT / "configs")
    namespace: dict[str, Any] = {"__name__": "__main__"}
    for source, expected, line in blocks(page):
        if ">>>" in source:
            example = doctest.DocTestParser().get_doctest(source, namespace, page.name, str(page), line)
            failures: list[str] = []
            runner = doctest.DocTestRunner(optionflags=doctest.ELLIPSIS)
            runner.run(example, out=failures.append, clear_globs=False)
            assert not failures, "".join(failures)
            namespace = example.globs
            continue
        printed = io.StringIO()
        with contextlib.redirect_stdout(printed):
            exec(compile("\n" * (line - 1) + source, str(page), "exec"), namespace)
        assert expected is None or printed.getvalue() == expected, f"{page.name}:{line}"


def test_the_readme_shows_real_output() -> None:
    assert any(expected for _, expected, _ in blocks(ROOT / "README.md"))


def test_every_page_and_file_that_a_page_links_to_exists() -> None:
    for page in PAGES:
        for target in re.findall(r"\]\(([^)#:]+)(?:#[^)]*)?\)", page.read_text(encoding="utf-8")):
            assert (page.parent / target).exists(), f"{page.name}: {target}"
