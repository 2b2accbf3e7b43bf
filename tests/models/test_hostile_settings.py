"""Settings of a checkpoint of other kinds, or that describe more than its weights hold: no network is made of them."""

from __future__ import annotations

import json
import struct
import time
from pathlib import Path
from typing import Any

import pytest

from calibaudit.errors import CalibauditError, ModelError
from calibaudit.models.checkpoints import Checkpoint, context_window, find_checkpoint, read_settings
from calibaudit.models.formats.adapter_files import read_adapter
from calibaudit.models.formats.adapters import _check_patterns
from calibaudit.models.formats.setting_types import KINDS, check_fits, check_settings
from calibaudit.models.formats.shards import INDEX, WEIGHTS, check_safetensors, shard_names
from calibaudit.models.load import load_network
from tests.families import save_tiny, tiny_network

ODD: tuple[Any, ...] = ([], {}, "x", True, -1, 0.5, [[]], [None], {"a": []}, 10**13)


def fault_of(file: str, settings: dict[str, Any]) -> str:
    try:
        check_settings("m", file, settings)
    except ModelError as error:
        return str(error)
    return ""


@pytest.mark.parametrize("file", KINDS)
def test_each_known_entry_of_another_kind_is_named(file: str) -> None:
    """Of these values none fits every kind, and each entry refuses most of them."""
    for key in KINDS[file]:
        said = [fault for value in ODD if (fault := fault_of(file, {key: value}))]
        assert len(said) >= 4, key
        assert all(
            text.startswith((f"m: {file}: {key}: expected ", f"m: {file}: {key} is 10,0")) and "\n" not in text
            for text in said
        )
        check_settings("m", file, {key: None, "an entry of a new family": ODD})


@pytest.mark.parametrize(
    ("entries", "said"),
    [
        ({"model_type": []}, r"config\.json: model_type: expected text, found \[\]"),
        ({"model_type": {}}, "model_type: expected text, found {}"),
        ({"num_hidden_layers": 1_000_000}, "num_hidden_layers is 1,000,000; 10,000 is the most that any model has"),
        ({"text_config": {"vocab_size": 10**12}}, r"text_config\.vocab_size is 1,000,000,000,000; 100,000,000 is"),
        ({"vocab_size": -1}, "vocab_size: expected a whole number from 0, found -1"),
        ({"architectures": "LlamaForCausalLM"}, 'architectures: expected a list of strings, found "LlamaForCausalLM"'),
        ({"eos_token_id": [None]}, r"eos_token_id: expected a token id, or a list of them, found \[null\]"),
    ],
)
def test_config_json(entries: dict[str, Any], said: str, tmp_path: Path) -> None:
    (tmp_path / "config.json").write_text(json.dumps({"model_type": "llama", **entries}))
    with pytest.raises(ModelError, match=said):
        read_settings(find_checkpoint(str(tmp_path)))


def test_infinity_is_what_transformers_writes(tmp_path: Path) -> None:
    (tmp_path / "config.json").write_text('{"model_type": "mamba2", "time_step_limit": [0.0, Infinity]}')
    assert read_settings(find_checkpoint(str(tmp_path)))["time_step_limit"][1] == float("inf")


def test_more_layers_than_tensors_are_not_made(tmp_path: Path) -> None:
    save_tiny(tmp_path / "m", "llama")
    path = tmp_path / "m" / "config.json"
    settings = json.loads(path.read_text(encoding="utf-8"))
    path.write_text(json.dumps({**settings, "num_hidden_layers": 9_999}))
    begin = time.process_time()
    with pytest.raises(ModelError, match=r"has 9,999 layers, and the weight files hold \d+ tensors; they do not"):
        load_network(find_checkpoint(str(tmp_path / "m")), "float32", "cpu")
    assert time.process_time() - begin < 10
    with pytest.raises(ModelError, match="vocab_size 90,000,000 and a width of 4,096, which is more"):
        check_fits("m", {"num_hidden_layers": 1, "vocab_size": 90_000_000, "hidden_size": 4096}, 10, 1000)


def test_more_weights_than_the_files_hold_are_not_made(tmp_path: Path) -> None:
    """Where a config has lost its widths, transformers' defaults stand in for them: those of a model of 7 billion."""
    save_tiny(tmp_path / "m", "llama")
    path = tmp_path / "m" / "config.json"
    settings = json.loads(path.read_text(encoding="utf-8"))
    lost = {key: value for key, value in settings.items() if key not in ("hidden_size", "intermediate_size")}
    path.write_text(json.dumps(lost))
    with pytest.raises(ModelError, match=r"describes [\d,]{9,} weights, more than the [\d,]+ bytes of the weight"):
        load_network(find_checkpoint(str(tmp_path / "m")), "float32", "cpu")


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"", "no header"),
        (b"\0" * 7, "no header"),
        (struct.pack("<Q", 2**63) + b"{}", r"a header of 9,223,372,036,854,775,808 bytes"),
        (struct.pack("<Q", 10**12) + b"{}", "a header of 1,000,000,000,000 bytes"),
        (struct.pack("<Q", 2) + b"[]", "its header: it is not a JSON object"),
        (struct.pack("<Q", 10_000) + b"[" * 10_000, "its header: nested too deeply"),
        (struct.pack("<Q", 15) + b'{"a": {"b": 1}}', "its header: entry 'a' has no dtype, shape and data_offsets"),
        (struct.pack("<Q", 13) + b'{"a":1,"a":2}', "its header: key 'a' occurs twice"),
    ],
)
def test_headers_of_weights(content: bytes, said: str, tmp_path: Path) -> None:
    path = tmp_path / WEIGHTS
    path.write_bytes(content)
    with pytest.raises(ModelError, match=rf"m: model\.safetensors is truncated or corrupt \([\d,]+ bytes; {said}"):
        check_safetensors("m", path)


def test_headers_whose_offsets_are_no_list(tmp_path: Path) -> None:
    for entry in ({"dtype": "F32", "shape": [1], "data_offsets": 5}, {"dtype": 1, "shape": [], "data_offsets": [0, 4]}):
        header = json.dumps({"a": entry}).encode()
        (tmp_path / WEIGHTS).write_bytes(struct.pack("<Q", len(header)) + header + bytes(4))
        with pytest.raises(ModelError, match="entry 'a' has no dtype"):
            check_safetensors("m", tmp_path / WEIGHTS)


@pytest.mark.parametrize("name", ["a" * 300 + ".safetensors", "a/../../b.safetensors", "a\0.safetensors", [], 1])
def test_an_index_names_files(name: Any, tmp_path: Path) -> None:
    (tmp_path / INDEX).write_text(json.dumps({"weight_map": {"w": name}}))
    with pytest.raises(ModelError, match="is not a file in the checkpoint's folder"):
        shard_names("m", tmp_path)


@pytest.mark.parametrize(
    ("entries", "said"),
    [
        ({"r": "8"}, 'adapter_config.json: r: expected a whole number from 0, found "8"'),
        ({"target_modules": [1]}, r"target_modules: expected text, or a list of strings, found \[1\]"),
        ({"base_model_name_or_path": []}, r"base_model_name_or_path: expected text, found \[\]"),
        ({"peft_type": []}, "has no peft_type"),
    ],
)
def test_adapter_config_json(entries: dict[str, Any], said: str, tmp_path: Path) -> None:
    (tmp_path / "adapter_config.json").write_text(json.dumps({"peft_type": "LORA", "r": 8, **entries}))
    with pytest.raises(ModelError, match=said):
        read_adapter("m", tmp_path)


@pytest.mark.parametrize(
    ("entries", "said"),
    [
        (
            {"target_modules": "([a-z_.0-9]|[a-z_.0-9])*!"},
            "is refused: it is not finished after 2 seconds",
        ),
        ({"exclude_modules": "("}, "is refused: missing \\), unterminated subpattern"),
        ({"rank_pattern": {"(": 1}}, "is refused: "),
    ],
)
def test_patterns_of_an_adapter(entries: dict[str, Any], said: str) -> None:
    with pytest.raises(ModelError, match=rf"m: adapter_config\.json: the pattern .* {said}"):
        _check_patterns(tiny_network("llama"), "m", entries)


@pytest.mark.parametrize("name", ["~nosuchuser", "a" * 300, "a\0b", "/proc", "/proc/self", "/dev/zero"])
def test_names_that_are_no_checkpoint(name: str) -> None:
    with pytest.raises(CalibauditError) as caught:
        find_checkpoint(name, offline=True)
    assert "\n" not in str(caught.value)


def test_a_window_of_null_is_not_said(tmp_path: Path) -> None:
    (tmp_path / "config.json").write_text('{"model_type": "llama", "max_position_embeddings": null}')
    assert context_window(Checkpoint(str(tmp_path), tmp_path, "")) == 2**20
