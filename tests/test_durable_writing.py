"""An export that is killed, refused or interrupted leaves the old file or the new one, whole."""

from __future__ import annotations

import errno
import json
import os
import re
import shutil
import stat
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from memory_budget_allocator import ArgumentTypeError, ArgumentValueError, MemoryBudgetAllocator

CHILD = Path(__file__).with_name("durable_child.py")

pytestmark = [
    pytest.mark.skipif(not hasattr(os, "fork"), reason="this system has no fork"),
    pytest.mark.thread_unsafe(reason="starts many processes, and patches the system"),
]


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def child(*arguments: object, before: tuple[str, ...] = ()) -> dict[str, Any]:
    """What the child process found."""
    done = subprocess.run(
        [*before, sys.executable, str(CHILD), *map(str, arguments)],
        capture_output=True,
        timeout=300,
        check=False,
    )
    assert (done.returncode, done.stderr) == (0, b"")
    found: dict[str, Any] = json.loads(done.stdout)
    return found


def killed_at_random(folder: Path, rounds: int, seed: int) -> None:
    target = folder / "log.json"
    found = child("random", target, rounds, seed)
    assert found["torn"] == 0
    assert sum(found["found"]) == rounds
    # Killed before the first export is over, it may hold the last one; but not always.
    assert min(found["found"]) > 0
    assert [name for name in names(folder) if not name.endswith(".part")] == ["log.json"]


def test_killed_at_random_points(tmp_path: Path) -> None:
    killed_at_random(tmp_path, 60, 1)


@pytest.mark.verify
@pytest.mark.parametrize("seed", range(3))
def test_killed_at_many_more_random_points(tmp_path: Path, seed: int) -> None:
    killed_at_random(tmp_path, 300, seed)


def test_killed_at_every_line_of_writing(tmp_path: Path) -> None:
    found = child("lines", tmp_path / "log.json")
    assert found["exit"] == 0
    assert set(found["found"]) == {"old", "new"}
    assert found["found"] == sorted(found["found"], reverse=True)  # old up to the renaming, then new
    assert len(found["found"]) > 20


def test_a_file_that_may_not_grow(tmp_path: Path) -> None:
    target = tmp_path / "log.json"
    target.write_text("old")
    found = child("limited", target)
    reason = os.strerror(errno.EFBIG)
    assert found["error"] == f"OSError: [Errno {errno.EFBIG}] cannot be written: {reason}: '{target}'"
    assert (found["content"], found["names"]) == ("old", ["log.json"])


def test_a_folder_that_is_read_only(tmp_path: Path) -> None:
    # A folder that everybody can reach: the child gives up its rights.
    folder = Path(subprocess.run(["mktemp", "-d"], capture_output=True, check=True).stdout.decode().strip())
    target = folder / "log.json"
    try:
        target.write_text("old")
        target.chmod(0o644)
        folder.chmod(0o555)
        found = child("read-only", target)
    finally:
        folder.chmod(0o755)
        shutil.rmtree(folder)
    reason = os.strerror(errno.EACCES)
    assert (
        found["error"] == f"PermissionError: [Errno {errno.EACCES}] cannot be written: {reason}: '{target}'"
    )
    assert (found["content"], found["names"]) == ("old", ["log.json"])


MOUNT = 'mount -t tmpfs -o size=64k tmpfs "$1" && printf old > "$1/log.json" && shift && exec "$@"'


def can_mount(folder: Path) -> bool:
    return bool(
        shutil.which("unshare")
        and subprocess.run(
            ["unshare", "--mount", "sh", "-c", MOUNT, "sh", str(folder), "true"],
            capture_output=True,
            check=False,
        ).returncode
        == 0
    )


def test_a_disk_that_is_full(tmp_path: Path) -> None:
    if not can_mount(tmp_path):
        pytest.skip("needs the right to mount a small file system")
    target = tmp_path / "log.json"
    before = ("unshare", "--mount", "sh", "-c", MOUNT, "sh", str(tmp_path))
    found = child("full", target, before=before)
    reason = os.strerror(errno.ENOSPC)
    assert found["error"] == f"OSError: [Errno {errno.ENOSPC}] cannot be written: {reason}: '{target}'"
    assert (found["content"], found["names"]) == ("old", ["log.json"])


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs a device that is always full")
def test_a_device_that_is_full() -> None:
    allocator = MemoryBudgetAllocator(log_allocations=False)
    allocator.allocate("q", [])
    with pytest.raises(OSError, match=r"cannot be written: .*: '/dev/full'") as caught:
        allocator.export_allocation_log("/dev/full")
    assert caught.value.errno == errno.ENOSPC
    assert stat.S_ISCHR(Path("/dev/full").stat().st_mode)


@pytest.mark.parametrize(
    ("path", "error", "message"),
    [
        (None, ArgumentTypeError, "filepath must be a str or an os.PathLike, got None"),
        (5, ArgumentTypeError, "filepath must be a str or an os.PathLike, got 5"),
        ("a\0b", ArgumentValueError, r"filepath must be a name that a file can have, got 'a\\x00b'"),
        ("a\ud800b", ArgumentValueError, r"filepath must be a name that a file can have, got 'a\\ud800b'"),
        ("", FileNotFoundError, "cannot be written: .*: ''"),
        (".", IsADirectoryError, r"cannot be written: .*: '\.'"),
        ("/", IsADirectoryError, "cannot be written: .*: '/'"),
        ("x" * 300, OSError, "cannot be written: .*: 'xxx"),
    ],
)
def test_what_is_no_name_of_a_file(path: Any, error: type[Exception], message: str) -> None:
    with pytest.raises(error, match=message):
        MemoryBudgetAllocator().export_allocation_log(path)


def test_folders_and_circular_links_are_refused(tmp_path: Path) -> None:
    folder, link, file = tmp_path / "folder", tmp_path / "link", tmp_path / "file"
    folder.mkdir()
    link.symlink_to(link)
    file.write_text("old")
    for path in (folder, link, file / "below"):
        with pytest.raises(OSError, match="cannot be written: .*: " + re.escape(repr(str(path)))):
            MemoryBudgetAllocator().export_allocation_log(path)
    assert names(tmp_path) == ["file", "folder", "link"]
    assert file.read_text() == "old"


def test_a_link_stays_a_link_and_rights_stay(tmp_path: Path) -> None:
    file, link, dangling = tmp_path / "file", tmp_path / "link", tmp_path / "dangling"
    file.write_text("old")
    file.chmod(0o640)
    link.symlink_to(file)
    dangling.symlink_to(tmp_path / "new")
    for path in (link, dangling):
        MemoryBudgetAllocator().export_allocation_log(path)
        assert path.is_symlink()
        assert json.loads(path.read_text()) == []
    assert stat.S_IMODE(file.stat().st_mode) == 0o640
    assert names(tmp_path) == ["dangling", "file", "link", "new"]


@pytest.mark.parametrize("letter", ["x", "é", "漢", "😀"])
def test_the_longest_name_there_can_be(tmp_path: Path, letter: str) -> None:
    path = tmp_path / (letter * (255 // len(letter.encode())))
    MemoryBudgetAllocator().export_allocation_log(path)
    assert names(tmp_path) == [path.name]


def test_an_interrupt_leaves_nothing_behind(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupted(_: int) -> None:
        raise KeyboardInterrupt

    path = tmp_path / "log.json"
    path.write_text("old")
    monkeypatch.setattr(os, "fsync", interrupted)
    with pytest.raises(KeyboardInterrupt):
        MemoryBudgetAllocator().export_allocation_log(path)
    assert path.read_text() == "old"
    assert names(tmp_path) == ["log.json"]


def test_what_is_written_is_flushed_before_it_is_renamed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    steps: list[str] = []
    fsync, replace = os.fsync, Path.replace

    def flushed(descriptor: int) -> None:
        steps.append("folder" if stat.S_ISDIR(os.fstat(descriptor).st_mode) else "file")
        fsync(descriptor)

    def renamed(path: Path, target: Any) -> Path:
        steps.append("rename")
        return replace(path, target)

    monkeypatch.setattr(os, "fsync", flushed)
    monkeypatch.setattr(Path, "replace", renamed)
    MemoryBudgetAllocator().export_allocation_log(tmp_path / "log.json")
    assert steps == ["file", "rename", "folder"]
