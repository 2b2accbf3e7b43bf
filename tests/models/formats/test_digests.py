from __future__ import annotations

import hashlib
import logging
import os
import time
from pathlib import Path

import pytest

from calibaudit.files.memory import Memory
from calibaudit.models.checkpoints import find_checkpoint
from calibaudit.models.formats import digests
from calibaudit.models.formats.digests import FILE, Digests
from calibaudit.scoring.evaluate import RunOptions, hash_ahead
from tests.families import save_tiny


def by_hand(files: dict[str, Path]) -> str:
    """What the digest is to be: names, sizes and contents, one after the other."""
    whole = b"".join(f"{name}\0{len(file.read_bytes())}\0".encode() + file.read_bytes() for name, file in files.items())
    return hashlib.sha256(whole).hexdigest()


class Process:
    """A new process: nothing of what this one remembers. hashed: how often files were read."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.hashed = 0
        real = digests._hash

        def counted(files: dict[str, Path]) -> str:
            self.hashed += 1
            return real(files)

        monkeypatch.setattr(digests, "_hash", counted)
        self._patch = monkeypatch
        self.start()

    def start(self) -> None:
        self._patch.setattr(digests, "_found", {})
        self._patch.setattr(digests, "_hashed", set())

    def digest(self, files: dict[str, Path], folder: Path | None, *, verify: bool = False) -> str:
        self.start()
        return Digests(folder, verify).of(files)


@pytest.fixture
def process(monkeypatch: pytest.MonkeyPatch) -> Process:
    return Process(monkeypatch)


@pytest.fixture
def files(tmp_path: Path) -> dict[str, Path]:
    (tmp_path / "weights").write_bytes(os.urandom(3 * digests._BLOCK + 17))
    (tmp_path / "empty").touch()
    (tmp_path / "config").write_text("{}")
    return {name: tmp_path / name for name in ("config", "empty", "weights")}


@pytest.fixture
def settled(monkeypatch: pytest.MonkeyPatch) -> None:
    """Ten seconds later: ctime cannot be set back, so the clock is set ahead."""
    real = time.time_ns
    monkeypatch.setattr(digests.time, "time_ns", lambda: real() + 10**10)


@pytest.mark.usefixtures("settled")
def test_files_are_hashed_once_and_for_all_processes(process: Process, files: dict[str, Path], tmp_path: Path) -> None:
    found = [process.digest(files, tmp_path / "cache") for _ in range(3)]
    assert (found, process.hashed) == ([by_hand(files)] * 3, 1)


def test_files_of_the_last_two_seconds_are_not_remembered(
    process: Process, files: dict[str, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Another change within the same tick of the file system's clock would not be seen."""
    newest = max(max(f.stat().st_mtime_ns, f.stat().st_ctime_ns) for f in files.values())
    for later, hashed in ((0, 1), (1_900_000_000, 2), (2_100_000_000, 3), (2_100_000_000, 3)):
        monkeypatch.setattr(digests.time, "time_ns", lambda later=later: newest + later)
        assert process.digest(files, tmp_path / "cache") == by_hand(files)
        assert process.hashed == hashed


@pytest.mark.usefixtures("settled")
def test_a_change_in_place_with_size_and_mtime_put_back_is_seen(
    process: Process, files: dict[str, Path], tmp_path: Path
) -> None:
    before = process.digest(files, tmp_path / "cache")
    was = files["weights"].stat()
    with files["weights"].open("r+b") as stream:
        stream.seek(digests._BLOCK + 5)
        stream.write(b"another number")
    os.utime(files["weights"], ns=(was.st_atime_ns, was.st_mtime_ns))
    now = files["weights"].stat()
    assert (now.st_ino, now.st_size, now.st_mtime_ns) == (was.st_ino, was.st_size, was.st_mtime_ns)
    after = process.digest(files, tmp_path / "cache")
    assert after == by_hand(files) != before


@pytest.mark.usefixtures("settled")
def test_another_file_of_that_name_is_hashed(process: Process, files: dict[str, Path], tmp_path: Path) -> None:
    before = process.digest(files, tmp_path / "cache")
    other = tmp_path / "other"
    other.write_bytes(files["weights"].read_bytes()[::-1])
    os.utime(other, ns=(1, files["weights"].stat().st_mtime_ns))
    other.replace(files["weights"])
    assert process.digest(files, tmp_path / "cache") == by_hand(files) != before


@pytest.mark.usefixtures("settled")
def test_verify_hashes_anew_once_a_process_and_mends_what_was_remembered(
    process: Process, files: dict[str, Path], tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    right = process.digest(files, tmp_path / "cache")
    Memory(tmp_path / "cache" / FILE).keep(digests.identity_of(files), {"sha256": "0" * 64})
    assert process.digest(files, tmp_path / "cache") == "0" * 64, "so it is what was remembered that is used"
    with caplog.at_level(logging.WARNING):
        assert process.digest(files, tmp_path / "cache", verify=True) == right
    assert "hold other bytes than when they were last hashed" in caplog.text
    assert Digests(tmp_path / "cache", verify=True).of(files) == right
    assert process.hashed == 2
    assert process.digest(files, tmp_path / "cache") == right
    assert process.hashed == 2


@pytest.mark.usefixtures("settled")
def test_a_remembered_digest_with_another_digit_is_not_used(
    process: Process, files: dict[str, Path], tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    kept, right = tmp_path / "cache" / FILE, process.digest(files, tmp_path / "cache")
    kept.write_text(kept.read_text().replace(right, right[:-1] + ("0" if right[-1] != "0" else "1")))
    assert process.digest(files, tmp_path / "cache") == right
    assert str(kept) in caplog.text
    assert process.hashed == 2


@pytest.mark.usefixtures("settled")
@pytest.mark.parametrize("damage", ["", "{", '"sha256": 7}', "ÿ"])
def test_a_damaged_memory_is_computed_again(
    process: Process, files: dict[str, Path], tmp_path: Path, damage: str
) -> None:
    process.digest(files, tmp_path / "cache")
    kept = tmp_path / "cache" / FILE
    kept.write_text(kept.read_text()[:90] + damage, encoding="latin-1")
    assert process.digest(files, tmp_path / "cache") == by_hand(files)
    assert process.digest(files, tmp_path / "cache") == by_hand(files)
    assert process.hashed == 2


@pytest.mark.usefixtures("settled")
def test_without_a_folder_nothing_is_written(process: Process, files: dict[str, Path], tmp_path: Path) -> None:
    before = sorted(tmp_path.rglob("*"))
    assert process.digest(files, None) == Digests().of(files) == by_hand(files)
    assert process.hashed == 1
    assert sorted(tmp_path.rglob("*")) == before


@pytest.mark.usefixtures("settled")
def test_a_checkpoints_revision_is_the_digest_of_its_files_in_the_order_of_their_names(
    process: Process, tmp_path: Path
) -> None:
    folder = save_tiny(tmp_path / "model")
    names = (
        "config.json",
        "generation_config.json",
        "model.safetensors",
        "special_tokens_map.json",
        "tokenizer.json",
        "tokenizer_config.json",
    )
    files = {name: folder / name for name in names if (folder / name).is_file()}
    for _ in range(2):
        found = find_checkpoint(str(folder), digests=Digests(tmp_path / "cache"))
        assert found.revision == f"sha256:{by_hand(files)[:16]}"
        process.start()
    assert process.hashed == 1


@pytest.mark.usefixtures("settled")
def test_what_is_hashed_ahead_is_not_hashed_again_when_its_turn_comes(process: Process, tmp_path: Path) -> None:
    folder, cache = save_tiny(tmp_path / "model"), tmp_path / "cache"
    hash_ahead([str(folder), str(tmp_path / "missing"), "org/name", "demo:none"], RunOptions(cache_dir=cache))
    found = find_checkpoint(str(folder), digests=Digests(cache))
    assert process.hashed == 1
    process.start()
    assert find_checkpoint(str(folder), digests=Digests(cache)) == found
    assert process.hashed == 1, "it is remembered for other commands, too"
