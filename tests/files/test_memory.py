from __future__ import annotations

import json
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from calibaudit.files import memory
from calibaudit.files.memory import Memory


def test_what_was_kept_comes_back_in_another_process_and_is_replaced(tmp_path: Path) -> None:
    Memory(tmp_path / "new" / "facts.jsonl").keep("a", {"n": 1})
    Memory(tmp_path / "new" / "facts.jsonl").keep("b", {"n": [2.5, None]})
    Memory(tmp_path / "new" / "facts.jsonl").keep("a", {"n": 3})
    later = Memory(tmp_path / "new" / "facts.jsonl")
    assert (later.get("a"), later.get("b"), later.get("c")) == ({"n": 3}, {"n": [2.5, None]}, None)


DAMAGED = [
    b'{"key": "b", "n"',
    b"\xff\xfe\n",
    b"[1]\n",
    b'{"n": 1}\n',
    b'{"key": 7}\n',
    b'{"key": ["b"], "n": 1}\n',
    b"\r",
]


@pytest.mark.parametrize("damage", DAMAGED)
def test_a_damaged_line_counts_as_not_there_and_the_others_hold(tmp_path: Path, damage: bytes) -> None:
    path = tmp_path / "facts.jsonl"
    Memory(path).keep("a", {"n": 1})
    path.write_bytes(damage + b"\n" + path.read_bytes())
    assert Memory(path).get("a") == {"n": 1}
    assert Memory(path).get("b") is None
    Memory(path).keep("b", {"n": 2})
    assert (Memory(path).get("a"), Memory(path).get("b")) == ({"n": 1}, {"n": 2})
    assert len([json.loads(line) for line in path.read_text().splitlines()]) == 2, "the damage is gone"


def test_no_byte_of_a_line_can_change_and_one_notice_says_so(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    path = tmp_path / "facts.jsonl"
    Memory(path).keep("a", {"n": 1.25, "why": "x"})
    Memory(path).keep("b", {"n": 2})
    sound = path.read_bytes()
    length = sound.index(b"\n")
    for at in range(length):
        path.write_bytes(sound[:at] + bytes([sound[at] ^ 1]) + sound[at + 1 :])
        caplog.clear()
        assert (Memory(path).get("a"), Memory(path).get("b")) == (None, {"n": 2})
        assert Memory(path).get("a") is None
        (said,) = caplog.messages
        assert said.startswith(f"{path}: 1 line damaged or of an earlier version")


def test_a_line_of_another_file_and_one_without_a_checksum_count_as_not_there(tmp_path: Path) -> None:
    Memory(tmp_path / "others.jsonl").keep("a", {"n": 1})
    Memory(tmp_path / "facts.jsonl").keep("b", {"n": 2})
    with (tmp_path / "facts.jsonl").open("ab") as file:
        file.write((tmp_path / "others.jsonl").read_bytes() + b'{"key": "c", "n": 3}\n')
    assert [Memory(tmp_path / "facts.jsonl").get(key) for key in "abc"] == [None, {"n": 2}, None]


def test_where_a_file_system_has_no_locks_it_is_kept_all_the_same(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    fcntl = pytest.importorskip("fcntl", reason="Windows has no flock")

    def no_locks(*_: object) -> None:
        raise OSError(95, "Operation not supported")

    monkeypatch.setattr(fcntl, "flock", no_locks)
    Memory(tmp_path / "facts.jsonl").keep("a", {"n": 1})
    assert Memory(tmp_path / "facts.jsonl").get("a") == {"n": 1}


def test_many_at_once_lose_nothing(tmp_path: Path) -> None:
    """Each with a Memory of its own, whose lock another thread can no more pass than another process."""
    path = tmp_path / "facts.jsonl"
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda n: Memory(path).keep(f"k{n}", {"n": n}), range(40)))
    assert [Memory(path).get(f"k{n}") for n in range(40)] == [{"n": n} for n in range(40)]


def test_the_oldest_go_first(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(memory, "MOST", 2)
    kept = Memory(tmp_path / "facts.jsonl")
    for key in "abac":  # a is the younger once it is kept again
        kept.keep(key, {})
    assert [kept.get(key) for key in "abc"] == [{}, None, {}]


def test_a_folder_that_cannot_be_written_costs_nothing_but_the_memory(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    kept = Memory(tmp_path / "file" / "facts.jsonl")
    kept.keep("a", {"n": 1})
    assert kept.get("a") is None
    nowhere = Memory(None)
    nowhere.keep("a", {"n": 1})
    assert nowhere.get("a") is None
