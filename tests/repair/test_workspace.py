"""OUT.partial after a kill, wherever in the last steps it came: nothing finished is lost, nothing is left for good."""

from __future__ import annotations

import errno
import os
import shutil
from pathlib import Path

import pytest
import torch

from calibaudit.errors import OutputError
from calibaudit.models.formats.save import put_in_place, whole_folder, write_failure
from calibaudit.repair import workspace as module
from calibaudit.repair.workspace import put_at, settle, workspace
from calibaudit.training.retune import RECORD, check_folder, partial_folder


class Killed(BaseException):
    """What a test raises where the process would be gone; nothing is cleaned up after it."""


def killed_run(out: Path, at: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """A run that makes a checkpoint and another one that it does not take, killed at a call of workspace.py."""

    def kill(*_: object) -> None:
        raise Killed

    with monkeypatch.context() as patched:
        patched.setattr(module.shutil, "rmtree", lambda *_, **__: None)  # the clean-up of an exception, not of a kill
        context = workspace(out)
        folder = context.__enter__()
        for name in ("temperature", "smooth-0.1"):
            (folder / name).mkdir()
            (folder / name / "model.safetensors").write_bytes(name.encode())
            (folder / name / "fix.json").write_text("{}")
        (folder / "smooth-0.1" / RECORD).write_text("{}")
        if at == "before":
            return
        patched.setattr(module, at, kill)
        try:
            put_at(folder / "temperature", out)
            context.__exit__(None, None, None)
        except Killed:
            return
    pytest.fail("it was not killed")


@pytest.mark.parametrize("at", ["_rename", "_remove"])
def test_what_was_finished_is_put_in_place_by_the_next_run(
    at: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Killed before its rename, and between the rename and the clean-up."""
    out = tmp_path / "fixed"
    killed_run(out, at, monkeypatch)
    assert partial_folder(out).is_dir()
    assert out.exists() == (at == "_remove")
    with pytest.raises(
        OutputError, match=r"fixed: its repair had finished when the run was stopped; it is in place now"
    ):
        settle(out)
    assert {path.name: path.read_bytes() for path in out.iterdir()} == {
        "model.safetensors": b"temperature",
        "fix.json": b"{}",
    }
    assert not partial_folder(out).exists()
    settle(out)  # there is nothing left to do
    with pytest.raises(OutputError, match="already exists"):
        check_folder(out, resume=False)


def test_the_clean_up_may_be_killed_at_any_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    out = tmp_path / "fixed"
    killed_run(out, "_remove", monkeypatch)
    for name in ("smooth-0.1", None):
        if name is not None:
            shutil.rmtree(partial_folder(out) / name)
        with pytest.raises(OutputError, match="it is in place now"):
            settle(out)
        assert not partial_folder(out).exists()
        partial_folder(out).mkdir()
        (partial_folder(out) / "finished.txt").write_text("temperature")


def test_a_repair_that_was_removed_since_is_made_anew(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    out = tmp_path / "fixed"
    killed_run(out, "_remove", monkeypatch)
    shutil.rmtree(out)
    settle(out)
    assert not partial_folder(out).exists()
    check_folder(out, resume=False)


def test_both_are_kept_where_another_took_the_place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    out = tmp_path / "fixed"
    killed_run(out, "_rename", monkeypatch)
    out.mkdir()
    (out / "of the user").touch()
    with pytest.raises(OutputError, match=r"already exists, and a finished repair waits in .*temperature"):
        settle(out)
    assert (out / "of the user").is_file()
    assert (partial_folder(out) / "temperature" / "model.safetensors").is_file()


def test_a_run_with_training_still_wants_resume(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    out = tmp_path / "fixed"
    killed_run(out, "before", monkeypatch)
    settle(out)
    with pytest.raises(OutputError, match="left by an interrupted run; go on with --resume, or remove it"):
        check_folder(out, resume=False)
    check_folder(out, resume=True)
    with workspace(out, resume=True) as folder:
        assert (folder / "smooth-0.1" / RECORD).is_file()


def test_what_is_of_no_use_goes_by_itself(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Killed before anything was trained: the next run needs no --resume and no hand."""
    out = tmp_path / "fixed"
    killed_run(out, "before", monkeypatch)
    shutil.rmtree(partial_folder(out) / "smooth-0.1")
    settle(out)
    check_folder(out, resume=False)
    with workspace(out) as folder:
        assert [path.name for path in folder.iterdir()] == ["calibaudit-works-here.txt"]
    assert not partial_folder(out).exists()


def test_a_folder_of_the_users_is_never_removed(tmp_path: Path) -> None:
    out = tmp_path / "fixed"
    partial_folder(out).mkdir()
    (partial_folder(out) / "letters").touch()
    settle(out)
    with pytest.raises(OutputError, match=r"fixed\.partial: left by an interrupted run"):
        check_folder(out, resume=False)
    assert (partial_folder(out) / "letters").is_file()


def test_a_full_disk_is_one_line(tmp_path: Path) -> None:
    out = tmp_path / "fixed"
    told = r"fixed\.partial: cannot be written: No space left on device; make room$"
    with pytest.raises(OutputError, match=told), workspace(out):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
    assert not partial_folder(out).exists()
    with pytest.raises(PermissionError), workspace(out):  # anything else is told as what it is
        raise PermissionError(errno.EACCES, "no")


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs /dev/full, the disk that is always full")
def test_pytorchs_words_for_a_full_disk_are_not_passed_on(tmp_path: Path) -> None:
    """It raises RuntimeErrors with lines of its C++ sources, and no error number."""
    for content in ({"a": torch.zeros(1)}, {"a": torch.zeros(10**6)}):
        for zipped in (True, False):
            with pytest.raises((RuntimeError, OSError)) as raised:
                torch.save(content, "/dev/full", _use_new_zipfile_serialization=zipped)
            told = write_failure(raised.value, tmp_path)
            assert told == os.strerror(errno.ENOSPC) or told.startswith("a file could not be written to its end (")
            assert ".cc" not in told


def test_a_kill_between_two_renames_loses_neither_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """`put_in_place` moves the old folder aside and the new one there; what was aside comes back."""
    best = tmp_path / "best"
    best.mkdir()
    (best / "weights").write_text("old")
    (tmp_path / "new").mkdir()
    own = Path.rename

    def rename(self: Path, target: Path) -> Path:
        if self.name == "new":
            raise Killed
        return own(self, target)

    with monkeypatch.context() as patched:
        patched.setattr(Path, "rename", rename)
        with pytest.raises(Killed):
            put_in_place(tmp_path / "new", best)
    assert not best.exists()
    with pytest.raises(Killed), whole_folder(best):
        raise Killed
    assert (best / "weights").read_text() == "old"
    with whole_folder(best) as partial:
        (partial / "weights").write_text("newer")
    assert (best / "weights").read_text() == "newer"
    assert sorted(path.name for path in tmp_path.iterdir()) == ["best", "new"]
