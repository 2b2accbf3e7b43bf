"""A file is whole or not there, whatever the disk says."""

from __future__ import annotations

import errno
import os
import stat
import subprocess
import sys
from pathlib import Path

import pytest

from calibaudit.errors import OutputError
from calibaudit.files.write import check_writable, write_whole


def test_permissions_and_links_stay(tmp_path):
    old = os.umask(0o027)
    try:
        write_whole("new", tmp_path / "new.json")
    finally:
        os.umask(old)
    assert stat.S_IMODE((tmp_path / "new.json").stat().st_mode) == 0o640
    (tmp_path / "new.json").chmod(0o604)
    (tmp_path / "link.json").symlink_to(tmp_path / "new.json")
    write_whole("newer", tmp_path / "link.json")
    assert (tmp_path / "link.json").is_symlink()
    assert (tmp_path / "new.json").read_text() == "newer"
    assert stat.S_IMODE((tmp_path / "new.json").stat().st_mode) == 0o604


@pytest.mark.parametrize("step", ["fsync", "replace"])
def test_a_full_disk_leaves_the_old_file_and_no_half_one(step, tmp_path, monkeypatch):
    path = tmp_path / "out.json"
    path.write_text("old")

    def full(*_args, **_kwargs):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(os, "fsync", full) if step == "fsync" else monkeypatch.setattr(Path, "replace", full)
    with pytest.raises(OutputError, match=r"out\.json: cannot be written: No space left on device") as caught:
        write_whole("new", path)
    assert "\n" not in str(caught.value)
    assert path.read_text() == "old"
    assert [entry.name for entry in tmp_path.iterdir()] == ["out.json"]


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="this system has no /dev/full")
def test_a_device_that_is_always_full():
    with pytest.raises(OutputError, match="No space left on device"):
        write_whole("text", Path("/dev/full"))
    assert not Path("/dev/full").is_file()


@pytest.mark.parametrize("act", [check_writable, lambda path: write_whole("text", path)], ids=["check", "write"])
def test_unwritable_places(act, tmp_path):
    with pytest.raises(OutputError, match=r"the folder .*nowhere does not exist; make it first"):
        act(tmp_path / "nowhere" / "out.json")
    with pytest.raises(OutputError, match="it is a folder; name a file"):
        act(tmp_path)
    (tmp_path / "file").write_text("")
    with pytest.raises(OutputError, match="cannot be written: Not a directory"):
        act(tmp_path / "file" / "out.json")
    assert [entry.name for entry in tmp_path.iterdir()] == ["file"]
    if Path("/proc/version").exists():  # a folder that takes no file and says that none is there
        with pytest.raises(OutputError, match=r"^/proc/out\.json: cannot be written: no file can be made there"):
            act(Path("/proc/out.json"))


@pytest.mark.parametrize("act", [check_writable, lambda path: write_whole("text", path)], ids=["check", "write"])
def test_a_folder_one_may_not_write_to(act, tmp_path):
    locked = tmp_path / "locked"
    locked.mkdir()
    locked.chmod(0o500)
    try:
        if os.access(locked, os.W_OK):
            pytest.skip("this user may write everywhere")
        with pytest.raises(OutputError, match="Permission denied"):
            act(locked / "out.json")
    finally:
        locked.chmod(0o700)


def test_no_permission_whoever_runs_this(tmp_path, monkeypatch):
    def denied(*_args, **_kwargs):
        raise PermissionError(errno.EACCES, os.strerror(errno.EACCES))

    monkeypatch.setattr("tempfile.mkstemp", denied)
    with pytest.raises(OutputError, match="Permission denied"):
        write_whole("text", tmp_path / "out.json")


def test_check_writable_leaves_nothing(tmp_path):
    check_writable(tmp_path / "out.json")
    assert list(tmp_path.iterdir()) == []


def test_what_a_killed_writer_left_goes_and_what_a_living_one_writes_stays(tmp_path: Path) -> None:
    """The writer stops at fsync, its temporary file whole but not in place; then it is killed."""
    path = tmp_path / "result.json"
    code = (
        "import os, sys, time; from pathlib import Path; from calibaudit.files.write import write_whole\n"
        "os.fsync = lambda _: (print('there', flush=True), time.sleep(600))\n"
        f"write_whole('half', Path({str(path)!r}))"
    )
    with subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE) as writer:
        assert writer.stdout is not None
        assert writer.stdout.readline() == b"there\n"
        write_whole("mine", path)
        (left,) = tmp_path.glob(".result.json.*.part")
        assert left.read_text() == "half"
        writer.kill()
        writer.wait()
    (tmp_path / ".result.json.b.part.keep").touch()
    write_whole("mine again", path)
    assert {entry.name for entry in tmp_path.iterdir()} == {"result.json", ".result.json.b.part.keep"}
    assert path.read_text() == "mine again"


def test_writers_of_one_file_do_not_take_each_other_for_left(tmp_path: Path) -> None:
    path = tmp_path / "result.json"
    code = (
        "from pathlib import Path; from calibaudit.files.write import write_whole\n"
        f"for i in range(150): write_whole(str(i) * 9, Path({str(path)!r}))"
    )
    writers = [subprocess.Popen([sys.executable, "-c", code], stderr=subprocess.PIPE, text=True) for _ in range(3)]
    assert [writer.communicate()[1] for writer in writers] == ["", "", ""]
    assert [writer.returncode for writer in writers] == [0, 0, 0]
    assert path.read_text() == "149" * 9
    assert list(tmp_path.iterdir()) == [path]
