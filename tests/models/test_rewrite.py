"""A checkpoint written again: every number that was not to change is the same byte, what loads it is there, no more."""

from __future__ import annotations

import errno
import json
import os
import resource
import shutil
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file, save_file
from torch import Tensor
from transformers import AutoModelForCausalLM, AutoTokenizer

from calibaudit.errors import ModelError, OutputError
from calibaudit.models.checkpoints import find_checkpoint, text_settings
from calibaudit.models.formats import stored
from calibaudit.models.formats.rewrite import write_changed
from calibaudit.models.formats.shards import INDEX, WEIGHTS
from calibaudit.models.model import load_model
from tests.families import AS_STORED, save_tiny, tiny_network

NAME = "model.layers.1.mlp.up_proj.weight"


def unchanged(*_: Any) -> None:
    return None


def doubled(name: str, _: slice, values: Tensor) -> Tensor | None:
    return values * 2 if name == NAME else None


def rewrite(folder: Path, out: Path, change: Any = unchanged, **options: Any) -> Path:
    write_changed(find_checkpoint(str(folder)), out, change, **options)
    return out


def files_in(folder: Path) -> set[str]:
    return {path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file()}


LOADS = (
    "generation_config.json", "tokenizer.model", "vocab.json", "merges.txt", "special_tokens_map.json",
    "chat_template.jinja", "additional_chat_templates/tool_use.jinja", "qwen.tiktoken", "preprocessor_config.json",
    "processor_config.json", "video_preprocessor_config.json", "added_tokens.json", "LICENSE.txt",
)  # fmt: skip
STAYS = (
    "README.md", "trainer_state.json", "training_args.bin", "optimizer.pt", "all_results.json", "training.json",
    "training.jsonl", "pytorch_model.bin", "model-00001-of-00001.safetensors", "consolidated.safetensors",
    ".git/HEAD", ".gitattributes", "checkpoint-5/model.safetensors", "checkpoint-5/config.json", "original/params.json",
    "events.out.tfevents", "modeling_own.py", INDEX,
)  # fmt: skip


def test_what_loads_it_is_copied_and_nothing_else(folder: Path, tmp_path: Path) -> None:
    for name in (*LOADS, *STAYS):
        (folder / name).parent.mkdir(exist_ok=True)
        if not (folder / name).exists():
            (folder / name).write_text("{}")
    (folder / WEIGHTS).chmod(0o400)
    out = rewrite(folder, tmp_path / "out")
    assert files_in(out) == {"config.json", WEIGHTS, "tokenizer.json", "tokenizer_config.json", *LOADS}
    for name in files_in(out):
        assert (out / name).read_bytes() == (folder / name).read_bytes()
    assert (out / WEIGHTS).stat().st_mode & 0o200
    settings = json.loads((folder / "config.json").read_text())
    (folder / "config.json").write_text(json.dumps(settings | {"auto_map": {"AutoConfig": "modeling_own.Own"}}))
    assert "modeling_own.py" in files_in(rewrite(folder, tmp_path / "with-code"))


def test_only_the_rows_asked_for_change(folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(stored, "N_NUMBERS", 5 * 32)
    before = load_file(folder / WEIGHTS)
    seen: dict[str, list[slice]] = {}

    def change(name: str, rows: slice, values: Tensor) -> Tensor | None:
        seen.setdefault(name, []).append(rows)
        assert torch.equal(values, before[name][rows])
        return values.double() - 1 if name == NAME and rows.start == 10 else None

    out = rewrite(folder, tmp_path / "out", change)
    assert seen.keys() == before.keys()
    for name, rows in seen.items():
        assert [i for span in rows for i in range(span.start, span.stop)] == list(range(len(before[name])))
    assert max(span.stop - span.start for span in seen[NAME]) == 5
    after = load_file(out / WEIGHTS)
    before[NAME][10:15] -= 1
    assert [name for name in before if not torch.equal(before[name], after[name])] == []
    assert (out / WEIGHTS).stat().st_size == (folder / WEIGHTS).stat().st_size


def test_shards_of_any_name_and_all_dtypes(tmp_path: Path) -> None:
    folder = save_tiny(tmp_path / "tiny", network=tiny_network("llama").bfloat16(), max_shard_size="20KB")
    index = json.loads((folder / INDEX).read_text())
    first = sorted(set(index["weight_map"].values()))[0]
    (folder / "parts").mkdir()
    (folder / first).rename(folder / "parts" / "one.safetensors")
    index["weight_map"] = {
        name: "parts/one.safetensors" if file == first else file for name, file in index["weight_map"].items()
    }
    extra = {
        "number": torch.tensor(3.0), "empty": torch.zeros(0, 4), "hollow": torch.zeros(4, 0), "mask": torch.ones(3) > 0,
        "ids": torch.arange(4), "small": torch.ones(2, 2).to(torch.float8_e4m3fn),
        "wide": torch.ones(2, dtype=torch.float64),
    }  # fmt: skip
    save_file(extra, folder / "extra.safetensors", {"format": "pt"})
    index["weight_map"] |= dict.fromkeys(extra, "extra.safetensors")
    (folder / INDEX).write_text(json.dumps(index))
    asked: dict[str, Tensor] = {}

    def change(name: str, _: slice, values: Tensor) -> Tensor | None:
        asked[name] = values.clone()
        return ~values if values.dtype == torch.bool else values.float() + 1

    out = rewrite(folder, tmp_path / "out", change)
    assert files_in(out) == files_in(folder)
    for file in (*folder.rglob("*.safetensors"),):
        before, after = load_file(file), load_file(out / file.relative_to(folder))
        for name, tensor in before.items():
            if not tensor.numel():
                assert name not in asked
                continue
            assert torch.equal(asked[name].view_as(tensor).float(), tensor.float())
            expected = ~tensor if tensor.dtype == torch.bool else (tensor.float() + 1).to(tensor.dtype)
            assert after[name].dtype == tensor.dtype
            assert torch.equal(after[name].float(), expected.float())


def test_a_snapshot_of_links_becomes_files(folder: Path, tmp_path: Path) -> None:
    snapshot, blobs = tmp_path / "models--o--n/snapshots/abc", tmp_path / "models--o--n/blobs"
    snapshot.mkdir(parents=True)
    blobs.mkdir()
    for number, path in enumerate(sorted(folder.iterdir())):
        shutil.copy(path, blobs / str(number))
        (snapshot / path.name).symlink_to(f"../../blobs/{number}")
    out = rewrite(snapshot, tmp_path / "out", doubled)
    assert not any(path.is_symlink() for path in out.iterdir())
    shutil.rmtree(tmp_path / "models--o--n")
    network = AutoModelForCausalLM.from_pretrained(out)
    assert torch.equal(network.get_parameter(NAME), 2 * load_file(folder / WEIGHTS)[NAME])
    assert (
        AutoTokenizer.from_pretrained(out)("the red cat").input_ids
        == AutoTokenizer.from_pretrained(folder)("the red cat").input_ids
    )


def test_entries_of_the_config(folder: Path, tmp_path: Path) -> None:
    out = rewrite(folder, tmp_path / "out", config={"rms_norm_eps": 0.25, "new": [1]})
    before, after = (json.loads((place / "config.json").read_text()) for place in (folder, out))
    assert after == before | {"rms_norm_eps": 0.25, "new": [1]}
    inner = {"model_type": "llama", "final_logit_softcapping": 30.0}
    wrapper = before | {"text_config": inner, "rms_norm_eps": 1e-6}
    (folder / "config.json").write_text(json.dumps(wrapper))
    entries = {"final_logit_softcapping": 15.0, "rms_norm_eps": 0.5}
    found = json.loads((rewrite(folder, tmp_path / "two", config=entries) / "config.json").read_text())
    assert found == wrapper | {"text_config": inner | entries, "rms_norm_eps": 0.5}
    assert text_settings(find_checkpoint(str(tmp_path / "two")))["final_logit_softcapping"] == 15.0


def test_an_adapter_is_written_as_whole_weights(tmp_path: Path) -> None:
    peft = pytest.importorskip("peft", reason="needs the peft extra")
    base = save_tiny(tmp_path / "base", network=tiny_network("llama-tied").bfloat16())
    (base / "generation_config.json").write_text(json.dumps({"eos_token_id": [1, 7]}))
    (base / "vocab.json").write_text("{}")
    adapted = peft.get_peft_model(
        AutoModelForCausalLM.from_pretrained(base, **AS_STORED),
        peft.LoraConfig(r=4, target_modules=["up_proj"]),
    )
    torch.manual_seed(0)
    for parameter in adapted.parameters():
        if parameter.requires_grad:
            parameter.data.normal_(std=0.3)
    adapter = tmp_path / "adapter"
    adapted.save_pretrained(adapter)
    tokenizer = AutoTokenizer.from_pretrained(base)
    tokenizer.chat_template = "{{ messages[0]['content'] }}"
    tokenizer.save_pretrained(adapter)
    name = f"{base}+{adapter}"
    out = rewrite(Path(name), tmp_path / "out", doubled)
    assert files_in(out) == {WEIGHTS, "config.json", "generation_config.json", *files_in(adapter)} - {
        "adapter_config.json", "adapter_model.safetensors", "README.md",
    }  # fmt: skip
    assert AutoTokenizer.from_pretrained(out).chat_template == tokenizer.chat_template
    assert json.loads((out / "generation_config.json").read_text())["eos_token_id"] == [1, 7]
    expected = adapted.merge_and_unload(safe_merge=True)
    found = AutoModelForCausalLM.from_pretrained(out, **AS_STORED)
    assert found.dtype == torch.bfloat16
    assert not torch.equal(expected.get_parameter(NAME), tiny_network("llama-tied").bfloat16().get_parameter(NAME))
    expected.get_parameter(NAME).data.mul_(2)
    for key, tensor in expected.state_dict().items():
        assert torch.equal(found.state_dict()[key], tensor), key
    assert load_model(str(out), device="cpu").info.adapter == ""


def test_an_adapter_that_gives_no_whole_weights_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    peft = pytest.importorskip("peft", reason="needs the peft extra")
    base, adapter = save_tiny(tmp_path / "base"), tmp_path / "adapter"
    peft.get_peft_model(tiny_network("llama"), peft.LoraConfig(target_modules=["up_proj"])).save_pretrained(adapter)

    def refused(said: str) -> None:
        with pytest.raises(ModelError, match=said):
            rewrite(Path(f"{base}+{adapter}"), tmp_path / "out")
        assert sorted(path.name for path in tmp_path.iterdir()) == ["adapter", "base"]

    def unable(*_: Any, **__: Any) -> None:
        raise NotImplementedError

    with monkeypatch.context() as patched:
        patched.setattr(peft.PeftModel, "merge_and_unload", unable, raising=False)
        refused("adapter: this kind of adapter cannot be merged into its base's weights$")
    settings = json.loads((base / "config.json").read_text())
    packed = settings | {"quantization_config": {"quant_method": "awq", "bits": 4}}
    (base / "config.json").write_text(json.dumps(packed))
    refused(
        r"adapter: an adapter on quantized weights \(int4 \(AWQ\)\) cannot be written as whole weights; name as its"
    )


class TestWholeOrNotAtAll:
    def test_nothing_that_is_there_is_overwritten(self, folder: Path, tmp_path: Path) -> None:
        for out in (folder, folder / "config.json"):
            before = {path: path.read_bytes() for path in folder.iterdir()}
            with pytest.raises(OutputError, match=rf"^{out}: already exists; name another folder"):
                rewrite(folder, out)
            assert {path: path.read_bytes() for path in folder.iterdir()} == before
        (tmp_path / "empty").mkdir()
        assert WEIGHTS in files_in(rewrite(folder, tmp_path / "empty"))

    def test_an_interruption_leaves_nothing(self, folder: Path, tmp_path: Path) -> None:
        def interrupted(*_: Any) -> None:
            assert any(path.name.startswith(".out") for path in (tmp_path / "new/deep").iterdir())
            raise KeyboardInterrupt

        with pytest.raises(KeyboardInterrupt):
            rewrite(folder, tmp_path / "new/deep/out", interrupted)
        assert [path.name for path in tmp_path.iterdir()] == [folder.name]

    def test_a_full_disk_is_one_line(self, folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        own = resource.getrlimit(resource.RLIMIT_FSIZE)
        resource.setrlimit(resource.RLIMIT_FSIZE, (50_000, own[1]))
        try:
            with pytest.raises(
                OutputError,
                match=rf"^{tmp_path}/out: cannot be written: File too large; make room, or name another folder$",
            ):
                rewrite(folder, tmp_path / "out")
        finally:
            resource.setrlimit(resource.RLIMIT_FSIZE, own)
        usage = shutil.disk_usage(tmp_path)
        monkeypatch.setattr(shutil, "disk_usage", lambda _: usage._replace(free=9000))
        size = sum((folder / name).stat().st_size for name in files_in(folder)) / 1e9
        said = rf"^{tmp_path}/out: cannot be written: it needs {size:.3g} GB, and 9e-06 GB are free there$"
        with pytest.raises(OutputError, match=said):
            rewrite(folder, tmp_path / "out")
        monkeypatch.undo()

        def full(*_: Any) -> None:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

        monkeypatch.setattr("calibaudit.models.formats.rewrite.write_rows", full)
        with pytest.raises(
            OutputError,
            match=rf"^{tmp_path}/out: cannot be written: No space left on device; make room, or name another folder$",
        ):
            rewrite(folder, tmp_path / "out", doubled)
        assert [path.name for path in tmp_path.iterdir()] == [folder.name]

    def test_a_number_too_large_for_the_dtype(self, tmp_path: Path) -> None:
        folder = save_tiny(tmp_path / "tiny", network=tiny_network("llama").half())
        with pytest.raises(ModelError, match=rf"tiny: {NAME} would hold \d\.\d+e\+06, which float16 cannot; convert"):
            rewrite(folder, tmp_path / "out", lambda name, _, values: values.float() * 1e6 if name == NAME else None)
        assert [path.name for path in tmp_path.iterdir()] == ["tiny"]

    def test_a_damaged_source_is_said_before_anything_is_written(self, folder: Path, tmp_path: Path) -> None:
        checkpoint = find_checkpoint(str(folder))
        (folder / WEIGHTS).write_bytes((folder / WEIGHTS).read_bytes()[:-10])
        with pytest.raises(ModelError, match=r"model\.safetensors is truncated or corrupt"):
            write_changed(checkpoint, tmp_path / "out", unchanged)
        assert [path.name for path in tmp_path.iterdir()] == [folder.name]
