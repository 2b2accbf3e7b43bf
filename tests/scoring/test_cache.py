from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import pytest

from calibaudit.errors import OutputError
from calibaudit.files.checked_lines import _checksum, sealed
from calibaudit.scoring import cache as caches
from calibaudit.scoring.cache import ItemCache, PromptResult, default_cache_dir

SETTINGS = {"revision": "abc", "dtype": "float32"}


def result(key: str, value: float = -1.5) -> PromptResult:
    return PromptResult(key, (value, -2.0 / 3.0), (1, 2), truncated=False, shared=(value - 0.1, -1.0))


def test_results_come_back_exactly(tmp_path: Path) -> None:
    with ItemCache(tmp_path, SETTINGS) as cache:
        cache.add([result("a"), result("b", -0.1 - 0.2)])
    with ItemCache(tmp_path, SETTINGS) as cache:
        assert cache.get("a") == result("a")
        assert cache.get("b") == result("b", -0.1 - 0.2)
        assert cache.get("c") is None


def test_other_settings_share_nothing(tmp_path: Path) -> None:
    with ItemCache(tmp_path, SETTINGS) as cache:
        cache.add([result("a")])
    with ItemCache(tmp_path, {**SETTINGS, "dtype": "bfloat16"}) as cache:
        assert cache.get("a") is None


def test_what_was_added_is_on_disk_at_once(tmp_path: Path) -> None:
    with ItemCache(tmp_path, SETTINGS) as cache:
        cache.add([result("a")])
        assert cache.path is not None
        lines = cache.path.read_text().splitlines()
        assert [json.loads(line).get("key") for line in lines] == [None, "a"]


def kept_as(fields: dict[str, Any], settings: dict[str, Any] = SETTINGS) -> bytes:
    """A line with the checksum that the file of these settings asks for, whatever stands in it."""
    body = json.dumps(fields).encode()
    cache = ItemCache(None, settings)
    return body[:-1] + b', "check": "' + _checksum(body[:-1], cache._place) + b'"}\n'


def a_file(folder: Path) -> Path:
    """One that holds the results of a, b and c."""
    with ItemCache(folder, SETTINGS) as cache:
        cache.add([result("a"), result("b", -12.25), result("c")])
        assert cache.path is not None
        return cache.path


def found_in(folder: Path, settings: dict[str, Any] = SETTINGS) -> dict[str, PromptResult | None]:
    """As a process finds it that has seen nothing of it yet."""
    caches._read_files.clear()
    with ItemCache(folder, settings) as cache:
        return {key: cache.get(key) for key in "abcd"}


WHOLE = {"logprobs": [-1.5, -0.5], "n_tokens": [1, 2], "truncated": False, "shared": []}
BAD = {
    "torn": b'{"key": "d", "logpr',
    "zeros": b"\0\0\0\n",
    "no checksum": json.dumps({"key": "d", **WHOLE}).encode() + b"\n",
    "a list as key": kept_as({"key": ["d"], **WHOLE}),
    "a number as key": kept_as({"key": 4, **WHOLE}),
    "no key": kept_as(WHOLE),
    "NaN": kept_as({"key": "d", **WHOLE, "logprobs": [float("nan"), -1.0]}),
    "minus infinity": kept_as({"key": "d", **WHOLE, "logprobs": [float("-inf"), -1.0]}),
    "1e999": kept_as({"key": "d", **WHOLE}).replace(b"-1.5", b"1e999"),
    "text for a number": kept_as({"key": "d", **WHOLE, "logprobs": ["-1.5", -1.0]}),
    "true for a number": kept_as({"key": "d", **WHOLE, "logprobs": [True, -1.0]}),
    "too few tokens": kept_as({"key": "d", **WHOLE, "n_tokens": [1]}),
    "half a token": kept_as({"key": "d", **WHOLE, "n_tokens": [1.5, 2]}),
    "no choices": kept_as({"key": "d", **WHOLE, "logprobs": [], "n_tokens": []}),
    "shared of others": kept_as({"key": "d", **WHOLE, "shared": [-1.0]}),
    "bounded elsewhere": kept_as({"key": "d", **WHOLE, "bounded": [2]}),
    "truncated: 0": kept_as({"key": "d", **WHOLE, "truncated": 0}),
    "a list": b"[1, 2]\n",
    "of another model": kept_as({"key": "d", **WHOLE}, {**SETTINGS, "revision": "other"}),
}


def test_the_same_line_without_a_fault_is_read(tmp_path: Path) -> None:
    """So it is the fault that the lines below are passed over for."""
    path = a_file(tmp_path)
    path.write_bytes(path.read_bytes() + kept_as({"key": "d", **WHOLE}))
    assert found_in(tmp_path)["d"] == PromptResult("d", (-1.5, -0.5), (1, 2), truncated=False)


@pytest.mark.parametrize("line", BAD.values(), ids=BAD)
def test_a_damaged_line_is_computed_again_counted_and_named_once(
    tmp_path: Path, line: bytes, caplog: pytest.LogCaptureFixture
) -> None:
    path = a_file(tmp_path)
    sound = path.read_bytes()
    path.write_bytes(sound + line)
    assert found_in(tmp_path) == {"a": result("a"), "b": result("b", -12.25), "c": result("c"), "d": None}
    (said,) = caplog.messages
    assert said == f"{path}: 1 damaged line, the first at byte {len(sound)}: what it held is computed again"
    with ItemCache(tmp_path, SETTINGS) as cache:
        cache.add([result("d")])
    assert found_in(tmp_path)["d"] == result("d")
    assert len(caplog.messages) == 1, "said once"
    with path.open("ab") as file:
        file.write(line * 2 if line.endswith(b"\n") else line + b"\n" + line)
    assert found_in(tmp_path)["d"] == result("d")
    assert f"{path}: 2 damaged lines" in caplog.messages[1], "new damage is"


def test_no_byte_of_a_line_can_change(tmp_path: Path) -> None:
    """The fault that was served as truth: another digit."""
    path = a_file(tmp_path)
    sound = path.read_bytes()
    start = sound.index(b'{"key": "b"')
    end = sound.index(b"\n", start)
    for at in range(start, end):
        for changed in {sound[at] ^ 1, sound[at] ^ 4, ord("9")} - {sound[at]}:
            path.write_bytes(sound[:at] + bytes([changed]) + sound[at + 1 :])
            found = found_in(tmp_path)
            assert (found["a"], found["b"], found["c"]) == (result("a"), None, result("c")), sound[start : at + 1]


@pytest.mark.parametrize("header", [b"", b"{}\n", b"\xff\n", b"[" * 100_000 + b"\n"])
def test_a_damaged_header_costs_nothing_but_a_notice(
    tmp_path: Path, header: bytes, caplog: pytest.LogCaptureFixture
) -> None:
    path = a_file(tmp_path)
    path.write_bytes(header + path.read_bytes().partition(b"\n")[2])
    assert found_in(tmp_path)["b"] == result("b", -12.25)
    assert len(caplog.messages) == bool(header)


def test_files_of_an_earlier_version_are_told_of_once_and_not_read(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    (tmp_path / "scores").mkdir()
    (tmp_path / "scores" / "0123.jsonl").write_text(
        json.dumps({"format": 2}) + "\n" + json.dumps({"key": "a", **WHOLE})
    )
    assert found_in(tmp_path)["a"] is None
    (said,) = caplog.messages
    assert said.startswith(f"{tmp_path / 'scores'}: 1 file of an earlier version, whose lines have no checksums")
    found_in(tmp_path)
    found_in(tmp_path, {**SETTINGS, "dtype": "bfloat16"})
    assert len(caplog.messages) == 1


def test_two_runs_at_once_lose_nothing(tmp_path: Path) -> None:
    with ItemCache(tmp_path, SETTINGS) as one, ItemCache(tmp_path, SETTINGS) as two:
        one.add([result("a")])
        two.add([result("b")])
        one.add([result("c")])
    with ItemCache(tmp_path, SETTINGS) as cache:
        assert all(cache.get(key) == result(key) for key in "abc")


def test_no_folder_keeps_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    with ItemCache(None, SETTINGS) as cache:
        cache.add([result("a")])
        assert cache.get("a") == result("a")
    assert list(tmp_path.rglob("*.jsonl")) == []


def test_a_folder_that_cannot_be_made_is_one_clear_error(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with (
        pytest.raises(OutputError, match=r"file.*the cache cannot be used.*--cache-dir.*--no-cache"),
        ItemCache(tmp_path / "file", SETTINGS),
    ):
        pass


@pytest.mark.skipif(not hasattr(os, "O_NOFOLLOW"), reason="the system cannot refuse a link")
def test_a_link_in_the_place_of_a_file_is_not_written_through(tmp_path: Path) -> None:
    with ItemCache(tmp_path / "kept", SETTINGS) as cache:
        assert cache.path is not None
    other = tmp_path / "other"
    other.write_text("of someone else\n")
    cache.path.unlink()
    cache.path.symlink_to(other)
    with pytest.raises(OutputError, match=f"{cache.path}: the cache cannot be used: it is a symbolic link"):
        cache.__enter__()
    assert other.read_text() == "of someone else\n"


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs /dev/full, a device whose disk is always full")
def test_a_full_disk_is_reported_once_and_results_stay_in_memory(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    with ItemCache(tmp_path, SETTINGS) as cache:
        assert cache._file is not None
        cache._file.close()
        cache._file = Path("/dev/full").open("wb")  # noqa: SIM115  (the cache closes it)
        cache.add([result("a")])
        cache.add([result("b")])
        assert cache.get("a") == result("a")
        assert cache.get("b") == result("b")
    assert [record.levelname for record in caplog.records] == ["WARNING"]
    assert "No space left" in caplog.text


def test_default_folder_follows_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("CALIBAUDIT_CACHE")
    monkeypatch.setenv("XDG_CACHE_HOME", "/x")
    assert default_cache_dir() == Path("/x/calibaudit")
    monkeypatch.setenv("CALIBAUDIT_CACHE", "/y")
    assert default_cache_dir() == Path("/y")


def test_a_file_is_read_once_as_long_as_nobody_else_writes_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    read: list[str] = []
    real = ItemCache._read

    def counted(self: ItemCache, fields: Any) -> PromptResult:
        read.append(fields["key"])
        return real(self, fields)

    monkeypatch.setattr(ItemCache, "_read", counted)
    for new in "abc":
        with ItemCache(tmp_path, SETTINGS) as cache:
            cache.add([result(new)])
    assert read == []
    assert cache.path is not None
    with ItemCache(tmp_path, SETTINGS) as cache, cache.path.open("ab") as other:
        other.write(sealed(cache._fields(result("d")), cache._place))
        other.flush()
        cache.add([result("e")])
    with ItemCache(tmp_path, SETTINGS) as cache:
        assert [cache.get(key) for key in "abcde"] == [result(key) for key in "abcde"]
    assert sorted(read) == list("abcde")
    cache.path.unlink()
    with ItemCache(tmp_path, SETTINGS) as cache:
        assert cache.get("a") is None
