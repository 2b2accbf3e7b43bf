from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from calibaudit.errors import OutputError
from calibaudit.files.checked_lines import sealed
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


@pytest.mark.parametrize("torn", ['{"key": "b", "logpr', "\x00\x00\x00", '{"key": "b"}'])
def test_a_torn_line_is_passed_over_and_the_file_goes_on(tmp_path: Path, torn: str) -> None:
    with ItemCache(tmp_path, SETTINGS) as cache:
        cache.add([result("a")])
        path = cache.path
    assert path is not None
    with path.open("a") as file:
        file.write(torn)
    with ItemCache(tmp_path, SETTINGS) as cache:
        assert cache.get("a") == result("a")
        assert cache.get("b") is None
        cache.add([result("b")])
    with ItemCache(tmp_path, SETTINGS) as cache:
        assert cache.get("b") == result("b")


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
