"""Checkpoints: what is found, how it is named, and every way in which its files can be wrong."""

from __future__ import annotations

import json
import shutil
from fnmatch import fnmatch
from pathlib import Path
from typing import Any

import huggingface_hub
import pytest
import torch
from huggingface_hub import errors as hub_errors
from safetensors.torch import load_file, save_file

from calibaudit.errors import ModelError
from calibaudit.models.checkpoints import fetch, fetch_tokenizer, find_checkpoint, weight_files
from calibaudit.models.formats.shards import INDEX, WEIGHTS
from calibaudit.models.model import load_model

SHA = "0123456789abcdef0123456789abcdef01234567"


@pytest.fixture
def cache(saved: Path, tmp_path: Path) -> Path:
    """A hub cache that holds org/tiny at SHA, as branch main."""
    repo = tmp_path / "hub" / "models--org--tiny"
    shutil.copytree(saved, repo / "snapshots" / SHA)
    (repo / "refs").mkdir()
    (repo / "refs" / "main").write_text(SHA)
    return tmp_path / "hub"


def shard(folder: Path) -> list[str]:
    """Rewrites a folder's weights as two shards with an index."""
    tensors = load_file(folder / WEIGHTS)
    (folder / WEIGHTS).unlink()
    names = sorted(tensors)
    parts = {"model-00001-of-00002.safetensors": names[::2], "model-00002-of-00002.safetensors": names[1::2]}
    for file, keys in parts.items():
        save_file({key: tensors[key] for key in keys}, folder / file, metadata={"format": "pt"})
    weight_map = {key: file for file, keys in parts.items() for key in keys}
    (folder / INDEX).write_text(json.dumps({"metadata": {}, "weight_map": weight_map}))
    return sorted(parts)


def test_a_folder_is_known_by_its_content(folder: Path, tmp_path: Path) -> None:
    found = find_checkpoint(str(folder))
    assert (found.name, found.path) == (str(folder), folder)
    assert len(found.revision) == len("sha256:") + 16
    moved = Path(shutil.copytree(folder, tmp_path / "elsewhere"))
    (moved / "README.md").write_text("not part of the model")
    (moved / ".gitattributes").write_text("nor this")
    (moved / "trainer_state.json").write_text("{}")
    (moved / "pytorch_model.bin").write_bytes(b"never read")
    assert find_checkpoint(str(moved)).revision == found.revision


@pytest.mark.parametrize(
    "file", ["config.json", "generation_config.json", "tokenizer.json", "tokenizer_config.json", WEIGHTS]
)
def test_a_changed_byte_is_another_revision(folder: Path, file: str) -> None:
    before = find_checkpoint(str(folder)).revision
    content = bytearray((folder / file).read_bytes())
    content[len(content) // 2] ^= 1
    (folder / file).write_bytes(bytes(content))
    assert find_checkpoint(str(folder)).revision != before


def test_shards_count_and_are_found(folder: Path) -> None:
    parts = shard(folder)
    found = find_checkpoint(str(folder))
    assert [file.name for file in weight_files(found)] == parts
    assert load_model(found, device="cpu").info.revision == found.revision
    content = bytearray((folder / parts[1]).read_bytes())
    content[-1] ^= 1
    (folder / parts[1]).write_bytes(bytes(content))
    assert find_checkpoint(str(folder)).revision != found.revision


def refused(folder: Path | str, said: str, **options: Any) -> str:
    """Loading fails with one line that says `said`; returns it."""
    with pytest.raises(ModelError, match=said) as caught:
        load_model(str(folder), device="cpu", **options)
    message = str(caught.value)
    assert "\n" not in message
    assert str(folder) in message
    return message


def test_a_missing_folder_names_the_nearest(folder: Path) -> None:
    message = refused(folder.parent / "tiny-lama", "no such folder, and not a hub id")
    assert f"did you mean {folder}?" in message
    assert "does not exist either" in refused("/nowhere/at/all", "no such folder")
    assert "\n" not in refused("a b c", "not a hub id")


def test_a_file_is_no_checkpoint(folder: Path) -> None:
    refused(folder / WEIGHTS, "is a file, not a checkpoint folder")
    (folder / "m.gguf").write_bytes(b"GGUF")
    refused(folder / "m.gguf", "GGUF files are not read")


def test_no_config(folder: Path) -> None:
    (folder / "config.json").unlink()
    refused(folder, "no config.json")
    refused(folder.parent, "no config.json")


def test_the_folder_above_a_checkpoint_names_it(folder: Path) -> None:
    assert f"did you mean {folder}?" in refused(folder.parent, "no config.json")


def test_revision_with_a_folder(folder: Path) -> None:
    refused(folder, "--revision v1", revision="v1")


@pytest.mark.parametrize("pickle", ["pytorch_model.bin", "model.pt", "consolidated.00.pth"])
def test_pickles_are_refused(folder: Path, pickle: str) -> None:
    (folder / WEIGHTS).rename(folder / pickle)
    assert "save_pretrained" in refused(folder, f"only pickle weights .{pickle}.")


def test_no_weights(folder: Path) -> None:
    (folder / WEIGHTS).unlink()
    refused(folder, "no weights in the folder")


def test_weights_under_a_name_that_nothing_loads(folder: Path) -> None:
    (folder / WEIGHTS).rename(folder / "weights.safetensors")
    refused(folder, "weights.safetensors is not a name that transformers loads")


@pytest.mark.parametrize("kept", [0, 4, 100, 5000, -1])
def test_truncated_weights(folder: Path, kept: int) -> None:
    content = (folder / WEIGHTS).read_bytes()
    (folder / WEIGHTS).write_bytes(content[:kept])
    refused(folder, f"{WEIGHTS} is truncated or corrupt .*download it again")


def test_corrupt_header(folder: Path) -> None:
    content = bytearray((folder / WEIGHTS).read_bytes())
    content[8:40] = b"\xff" * 32
    (folder / WEIGHTS).write_bytes(bytes(content))
    refused(folder, f"{WEIGHTS} is truncated or corrupt")


def test_git_lfs_pointer(folder: Path) -> None:
    (folder / WEIGHTS).write_text("version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 1\n")
    refused(folder, "Git LFS pointer")


def test_a_truncated_shard_is_named(folder: Path) -> None:
    second = shard(folder)[1]
    (folder / second).write_bytes((folder / second).read_bytes()[:-7])
    refused(folder, f"{second} is truncated or corrupt")


def test_a_missing_shard_is_named(folder: Path) -> None:
    second = shard(folder)[1]
    (folder / second).unlink()
    refused(folder, f"1 of 2 weight files are missing, first {second}")


@pytest.mark.parametrize("text", ["", "{", "[]", '{"weight_map": {}}', '{"weight_map": 3}'])
def test_a_broken_index(folder: Path, text: str) -> None:
    shard(folder)
    (folder / INDEX).write_text(text)
    refused(folder, INDEX)


def test_a_hub_id_comes_out_of_the_cache(cache: Path, saved: Path) -> None:
    found = find_checkpoint("org/tiny", cache_dir=cache, offline=True)
    assert found.revision == SHA
    assert found.path == cache / "models--org--tiny" / "snapshots" / SHA
    by_commit = find_checkpoint("org/tiny", revision=SHA, cache_dir=cache, offline=True)
    assert by_commit.revision == SHA
    model = load_model("org/tiny", cache_dir=cache, offline=True, device="cpu")
    assert (model.info.name, model.info.revision) == ("org/tiny", SHA)
    local = load_model(str(saved), device="cpu")
    ids = torch.arange(10)[None]
    assert torch.equal(model.forward(ids)[0], local.forward(ids)[0])


def test_offline_and_not_in_the_cache(cache: Path) -> None:
    refused("org/other", "not in the cache; run once without --offline", cache_dir=cache, offline=True)
    refused("org/tiny", "not in the cache at revision v2", cache_dir=cache, offline=True, revision="v2")


def test_offline_with_a_config_but_no_weights(cache: Path) -> None:
    (cache / "models--org--tiny" / "snapshots" / SHA / WEIGHTS).unlink()
    refused("org/tiny", "weights are not in the cache; run once without --offline", cache_dir=cache, offline=True)


def test_a_mistyped_folder_that_could_be_a_hub_id(folder: Path, cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(folder.parent)
    assert "did you mean tiny-llama?" in refused("tiny-lama", "no such folder", cache_dir=cache, offline=True)


@pytest.mark.parametrize(
    ("kind", "said"),
    [
        ("GatedRepoError", "gated on the hub; accept its terms"),
        ("RepositoryNotFoundError", "not on the hub"),
        ("RevisionNotFoundError", "the hub has no revision v9"),
        ("LocalEntryNotFoundError", "the hub cannot be reached"),
        ("OfflineModeIsEnabled", "the hub cannot be reached"),
        ("EntryNotFoundError", "no config.json on the hub"),
        ("HfHubHTTPError", "the hub failed at revision v9"),
    ],
)
def test_each_way_the_hub_says_no(kind: str, said: str, monkeypatch: pytest.MonkeyPatch) -> None:
    error = getattr(hub_errors, kind)

    def fail(*_args: Any, **_options: Any) -> str:
        raise error.__new__(error)

    monkeypatch.setattr(huggingface_hub, "hf_hub_download", fail)
    refused("org/none", said, revision="v9")


def test_a_tokenizer_is_fetched_without_weights(cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    found = find_checkpoint("org/tiny", revision="main", cache_dir=cache, offline=True)
    asked: list[str] = []

    def whole(name: str, **options: Any) -> str:
        asked.extend(options["allow_patterns"])
        return str(found.path)

    monkeypatch.setattr(huggingface_hub, "snapshot_download", whole)
    assert fetch_tokenizer(found) == found
    files = [path.name for path in found.path.iterdir()]
    fetched = {file for file in files if any(fnmatch(file, pattern) for pattern in asked)}
    assert {"tokenizer.json", "tokenizer_config.json", "config.json"} <= fetched
    assert WEIGHTS in set(files) - fetched


def test_an_unset_offline_flag_downloads_config_first_and_weights_later(
    cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """find_checkpoint must not fetch gigabytes when the scores may be cached already."""
    calls: list[tuple[str, Any]] = []
    snapshot = cache / "models--org--tiny" / "snapshots" / SHA

    def one(name: str, file: str, **options: Any) -> str:
        calls.append((file, options["revision"]))
        return str(snapshot / file)

    def whole(name: str, **options: Any) -> str:
        calls.append(("*", options["revision"]))
        assert not any(pattern.endswith(".bin") for pattern in options["allow_patterns"])
        return str(snapshot)

    monkeypatch.setattr(huggingface_hub, "hf_hub_download", one)
    monkeypatch.setattr(huggingface_hub, "snapshot_download", whole)
    found = find_checkpoint("org/tiny", revision="main", cache_dir=cache)
    assert calls == [("config.json", "main"), ("adapter_config.json", SHA)]
    load_model(found, device="cpu")
    assert set(calls[2:]) == {("*", SHA)}


# --- shards, whatever they are called


def renamed_shards(folder: Path, *names: str) -> list[str]:
    """The folder's two shards under other names, and its index with them."""
    index = folder / INDEX
    for old, new in zip(shard(folder), names, strict=True):
        (folder / new).parent.mkdir(exist_ok=True, parents=True)
        (folder / old).rename(folder / new)
        index.write_text(index.read_text().replace(old, new))
    return sorted(names)


NAMES = ("model.safetensors-00001-of-00002.safetensors", "vision [x] *.safetensors")


def test_shards_are_what_the_index_names(folder: Path, saved: Path) -> None:
    """Qwen3.5's are called model.safetensors-00001-of-00001.safetensors."""
    names = renamed_shards(folder, *NAMES)
    found = find_checkpoint(str(folder))
    assert [file.name for file in weight_files(found)] == names
    ids = torch.arange(10)[None]
    assert torch.equal(load_model(found, device="cpu").forward(ids)[0], load_model(str(saved)).forward(ids)[0])


def test_of_the_hub_the_files_that_the_index_names_are_fetched(cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    found = find_checkpoint("org/tiny", cache_dir=cache, offline=True)
    names = renamed_shards(found.path, *NAMES)
    asked: list[list[str]] = []

    def whole(name: str, **options: Any) -> str:
        asked.append(options["allow_patterns"])
        return str(found.path)

    monkeypatch.setattr(huggingface_hub, "snapshot_download", whole)
    fetch(found)
    before, after = asked
    assert any(fnmatch(INDEX, pattern) for pattern in before)
    assert not any(fnmatch(name, pattern) for name in (*names, WEIGHTS) for pattern in before)
    assert all(any(fnmatch(name, pattern) for pattern in after) for name in names)
    assert not any(fnmatch(name, pattern) for name in (WEIGHTS, "vision x y.safetensors") for pattern in after)


@pytest.mark.parametrize(
    "name",
    [
        "/etc/passwd",
        "../other/model.safetensors",
        "a/../../b.safetensors",
        "C:\\\\x.safetensors",
        "..\\\\x.safetensors",
        "",
    ],
)
def test_an_index_that_leaves_the_folder_is_refused(folder: Path, name: str) -> None:
    first = shard(folder)[0]
    (folder / INDEX).write_text((folder / INDEX).read_text().replace(first, name))
    refused(folder, f"{INDEX} names .*, which is not a file in the checkpoint's folder; it is not followed")


def test_an_index_that_leaves_the_folder_by_a_link(folder: Path, tmp_path: Path) -> None:
    names = renamed_shards(folder, "inner/a.safetensors", "inner/b.safetensors")
    assert len(weight_files(find_checkpoint(str(folder)))) == len(names)
    (folder / "inner").rename(tmp_path / "outside")
    (folder / "inner").symlink_to(tmp_path / "outside")
    refused(folder, "is not a file in the checkpoint's folder")


def test_a_shard_that_is_a_link_is_followed_as_in_the_cache(folder: Path, tmp_path: Path) -> None:
    first = shard(folder)[0]
    revision = find_checkpoint(str(folder)).revision
    (folder / first).rename(tmp_path / "blob")
    (folder / first).symlink_to(tmp_path / "blob")
    assert find_checkpoint(str(folder)).revision == revision
    assert load_model(str(folder), device="cpu").info.revision == revision


def test_an_index_of_pickles_is_refused(folder: Path) -> None:
    first = shard(folder)[0]
    (folder / first).rename(folder / "part.bin")
    (folder / INDEX).write_text((folder / INDEX).read_text().replace(first, "part.bin"))
    refused(folder, "names 'part.bin', which is not a safetensors file")
