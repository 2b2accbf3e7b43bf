"""Merged weights against transformers' own state dicts, interpolated by hand; what is no pair is refused by name."""

from __future__ import annotations

import json
import os
import re
from pathlib import Path
from typing import Any

import pytest
import torch
import transformers
from safetensors import safe_open
from safetensors.torch import load_file, save_file
from torch import Tensor
from transformers import AutoConfig, AutoModelForCausalLM

from calibaudit.errors import CalibauditError, ModelError, OutputError
from calibaudit.models.checkpoints import Checkpoint, find_checkpoint
from calibaudit.models.formats import stored
from calibaudit.models.formats.shards import INDEX, WEIGHTS
from calibaudit.repair.merge import Merged, write_merged
from tests.families import AS_STORED, FAMILIES, VOCAB, save_tiny, tiny_network

IDS = torch.randint(2, 110, (2, 20), generator=torch.Generator().manual_seed(0))
PAIRED = ("llama", "llama-tied", "gemma2", "qwen2-window", "gpt2", "gpt-neox", "phi", "opt", "bloom", "falcon", "mpt")


def merged(base: Path | str, instruct: Path | str, weight: float, out: Path) -> Merged:
    return write_merged(find_checkpoint(str(base)), find_checkpoint(str(instruct)), weight, out)


def network_in(folder: Path | str, loader: Any = AutoModelForCausalLM) -> Any:
    network, report = loader.from_pretrained(folder, output_loading_info=True, **AS_STORED)
    assert not report["missing_keys"]
    assert not report["unexpected_keys"]
    return network.eval()


def interpolated(base: Any, instruct: Any, weight: float) -> dict[str, Tensor]:
    """The rule, of whole state dicts; numbers alike in both stay."""
    theirs, found = base.state_dict(), {}
    for name, own in instruct.state_dict().items():
        found[name] = own.clone()
        if own.is_floating_point():
            one, other = own.float(), theirs[name].float()
            mixed = ((1 - weight) * one + weight * other).to(own.dtype)
            found[name] = torch.where(one == other, own, mixed)
    return found


def assert_same(found: dict[str, Tensor], expected: dict[str, Tensor]) -> None:
    assert found.keys() == expected.keys()
    assert [name for name in expected if not torch.equal(found[name], expected[name])] == []
    assert [name for name in expected if found[name].dtype != expected[name].dtype] == []


def save_pair(
    folder: Path, family: str = "llama", dtype: torch.dtype = torch.bfloat16, **options: Any
) -> tuple[Path, Path]:
    """Two random networks of one family. options: of saving INSTRUCT."""
    base = save_tiny(folder / "base", network=tiny_network(family, 1).to(dtype))
    return base, save_tiny(folder / "instruct", network=tiny_network(family, 2).to(dtype), **options)


def rewritten(folder: Path, change: Any, *files: str) -> None:
    """The tensors of a folder's weights, changed as a dictionary."""
    for file in files or (WEIGHTS,):
        save_file(change(load_file(folder / file)), folder / file, {"format": "pt"})


@pytest.mark.parametrize("family", PAIRED)
def test_equals_the_interpolated_state_dicts(tmp_path: Path, family: str) -> None:
    base, instruct = save_pair(tmp_path, family)
    found = merged(base, instruct, 0.3, tmp_path / "out")
    result, expected = network_in(tmp_path / "out"), network_in(instruct)
    weights = interpolated(network_in(base), expected, 0.3)
    assert_same(result.state_dict(), weights)
    assert all(
        not torch.equal(weights[name], tensor) for name, tensor in expected.state_dict().items() if tensor.ndim > 1
    )
    expected.load_state_dict(weights)
    with torch.no_grad():
        assert torch.equal(result(IDS).logits, expected(IDS).logits)
    assert (found.n_tensors, found.n_left, found.n_rows_kept) == (len(load_file(instruct / WEIGHTS)), 0, 0)
    assert found.notices() == []


@pytest.mark.parametrize("family", ["llama", "gemma3", "jamba"])
def test_the_ends_are_the_two_networks(tmp_path: Path, family: str) -> None:
    base, instruct = save_pair(tmp_path, family, torch.float32)
    for weight, side in ((0, instruct), (1, base)):
        merged(base, instruct, weight, tmp_path / f"{weight}")
        assert (tmp_path / f"{weight}" / WEIGHTS).read_bytes() == (side / WEIGHTS).read_bytes()


def test_a_negative_zero_and_numbers_alike_stay(tmp_path: Path) -> None:
    """0 * x + 1 * -0.0 is 0.0, and .7 x + .3 x is often not x in float32."""
    base, instruct = save_pair(tmp_path, "llama", torch.float32)
    name = "model.layers.0.mlp.up_proj.weight"
    own = load_file(instruct / WEIGHTS)
    own[name][0, :3] = torch.tensor([-0.0, -0.0, 0.0])
    save_file(own, instruct / WEIGHTS, {"format": "pt"})
    rewritten(base, lambda tensors: tensors | {name: own[name].clone()})
    rewritten(base, lambda tensors: tensors | {"model.norm.weight": -own["model.norm.weight"]})
    merged(base, instruct, 0.3, tmp_path / "out")
    found = load_file(tmp_path / "out" / WEIGHTS)
    assert torch.equal(found[name].view(torch.int32), own[name].view(torch.int32))
    plain = 0.7 * own[name] + 0.3 * own[name]
    assert not torch.equal(plain, own[name])
    torch.testing.assert_close(found["model.norm.weight"], 0.4 * own["model.norm.weight"])


def test_shards_differ_on_the_two_sides(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    base, instruct = save_pair(tmp_path, "llama", torch.float32, max_shard_size="20KB")
    assert len(list(instruct.glob("model-*.safetensors"))) > 2
    monkeypatch.setattr(stored, "N_NUMBERS", 100)  # three rows of most tensors at a time
    merged(base, instruct, 0.7, tmp_path / "out")
    merged(instruct, base, 0.3, tmp_path / "back")
    one, other = network_in(tmp_path / "out"), network_in(tmp_path / "back")
    assert_same(one.state_dict(), interpolated(network_in(base), network_in(instruct), 0.7))
    torch.testing.assert_close(one.state_dict(), other.state_dict())
    assert (tmp_path / "out" / INDEX).read_bytes() == (instruct / INDEX).read_bytes()
    assert not (tmp_path / "back" / INDEX).exists()
    files = {file.name for file in (tmp_path / "out").glob("*.safetensors")}
    assert files == {file.name for file in instruct.glob("*.safetensors")}


@pytest.mark.parametrize(("theirs", "ours"), [("float32", "bfloat16"), ("bfloat16", "float16"), ("float16", "float32")])
def test_the_dtype_is_instructs(tmp_path: Path, theirs: str, ours: str) -> None:
    base = save_tiny(tmp_path / "base", network=tiny_network("llama", 1).to(getattr(torch, theirs)))
    instruct = save_tiny(tmp_path / "instruct", network=tiny_network("llama", 2).to(getattr(torch, ours)))
    merged(base, instruct, 0.45, tmp_path / "out")
    result = network_in(tmp_path / "out")
    assert result.dtype == getattr(torch, ours)
    assert_same(result.state_dict(), interpolated(network_in(base), network_in(instruct), 0.45))


def test_a_tied_head_stored_on_one_side_only(tmp_path: Path) -> None:
    """INSTRUCT's head is its own, base's is its embedding; then the other way, where there is no place for it."""
    base = save_tiny(tmp_path / "base", "llama-tied", seed=1)
    instruct = save_tiny(tmp_path / "instruct", "llama", seed=2)
    assert "lm_head.weight" not in load_file(base / WEIGHTS)
    merged(base, instruct, 0.25, tmp_path / "out")
    assert_same(network_in(tmp_path / "out").state_dict(), interpolated(network_in(base), network_in(instruct), 0.25))
    with pytest.raises(ModelError, match=r"instruct has a head of its own, \S+base has its embedding's; name the base"):
        merged(instruct, base, 0.25, tmp_path / "none")
    # A tied head that is stored nevertheless is no head of its own.
    embedding = load_file(base / WEIGHTS)["model.embed_tokens.weight"]
    twice = save_tiny(tmp_path / "twice", "llama-tied", seed=1)
    rewritten(twice, lambda tensors: tensors | {"lm_head.weight": embedding.clone()})
    other = save_tiny(tmp_path / "other", "llama-tied", seed=3)
    merged(twice, other, 0.25, tmp_path / "one")
    merged(other, twice, 0.75, tmp_path / "two")
    expected = interpolated(network_in(base), network_in(other), 0.25)
    assert_same(network_in(tmp_path / "one").state_dict(), expected)
    found = load_file(tmp_path / "two" / WEIGHTS)
    assert torch.equal(found["lm_head.weight"], found["model.embed_tokens.weight"])
    torch.testing.assert_close(found["lm_head.weight"], expected["lm_head.weight"])


@pytest.mark.parametrize("family", ["llama", "llama-tied", "phi", "gpt2"])
def test_rows_that_base_lacks_stay(tmp_path: Path, family: str) -> None:
    base = save_tiny(tmp_path / "base", network=tiny_network(family, 1, vocab_size=VOCAB - 9))
    instruct = save_tiny(tmp_path / "instruct", network=tiny_network(family, 2))
    found = merged(base, instruct, 0.5, tmp_path / "out")
    assert found.n_rows_kept == 9
    assert found.notices() == ["base lacks 9 rows of the tuned model's vocabulary; they stay as tuning left them"]
    result, own, other = (network_in(place).state_dict() for place in (tmp_path / "out", instruct, base))
    vocabulary = {name for name in own if own[name].shape != other[name].shape}
    assert len(vocabulary) == {"phi": 3}.get(family, 2)
    for name in own:
        n = len(other[name])
        torch.testing.assert_close(result[name][:n], (own[name][:n] + other[name]) / 2)
        assert torch.equal(result[name][n:], own[name][n:])
    back = merged(instruct, base, 0.5, tmp_path / "back")  # base's own reserve is not needed
    assert back.n_rows_kept == 0
    torch.testing.assert_close(
        network_in(tmp_path / "back").state_dict(),
        {name: tensor[: len(other[name])] for name, tensor in result.items()},
    )


def llava(seed: int) -> Any:
    if not hasattr(transformers, "AutoModelForImageTextToText"):
        pytest.skip("this transformers has no AutoModelForImageTextToText")
    vision = {"hidden_size": 16, "intermediate_size": 16, "num_hidden_layers": 1, "num_attention_heads": 2}
    config = AutoConfig.for_model(
        "llava",
        text_config=FAMILIES["llama"],
        vision_config=vision | {"model_type": "clip_vision_model", "image_size": 16, "patch_size": 8},
        image_token_index=124,
    )
    torch.manual_seed(seed)
    return transformers.AutoModelForImageTextToText.from_config(config).eval()


def test_a_wrapper_with_other_prefixes_and_an_integer_buffer(tmp_path: Path) -> None:
    """The same weights under the names that older and newer transformers give them."""
    base, instruct = (save_tiny(tmp_path / f"{seed}", network=llava(seed)) for seed in (1, 2))
    expected = interpolated(
        *(network_in(side, transformers.AutoModelForImageTextToText) for side in (base, instruct)), 0.4
    )

    def renamed(tensors: dict[str, Tensor]) -> dict[str, Tensor]:
        found = {}
        for name, tensor in tensors.items():
            bare = name.removeprefix("model.").removeprefix("language_model.").removeprefix("model.")
            is_text = "language_model" in name or bare.startswith("lm_head")
            text = f"language_model.{bare}" if bare.startswith("lm_head") else f"language_model.model.{bare}"
            found[text if is_text else bare] = tensor
        return found

    names = load_file(base / WEIGHTS).keys()
    rewritten(base, renamed)
    differing = names - load_file(base / WEIGHTS).keys()
    if not differing:  # this transformers saves them so itself
        rewritten(base, lambda tensors: {f"model.{name}": tensor for name, tensor in tensors.items()})
    position = torch.arange(5)
    rewritten(instruct, lambda tensors: tensors | {"model.vision_tower.position_ids": position})
    found = merged(base, instruct, 0.4, tmp_path / "out")
    assert found.n_left == 1
    written = load_file(tmp_path / "out" / WEIGHTS)
    assert torch.equal(written.pop("model.vision_tower.position_ids"), position)
    save_file(written, tmp_path / "out" / WEIGHTS, {"format": "pt"})
    assert_same(network_in(tmp_path / "out", transformers.AutoModelForImageTextToText).state_dict(), expected)


def test_a_prefix_that_base_leaves_out(tmp_path: Path) -> None:
    base, instruct = save_pair(tmp_path, "bloom", torch.float32)
    expected = interpolated(network_in(base), network_in(instruct), 0.5)
    rewritten(base, lambda tensors: {name.removeprefix("transformer."): tensor for name, tensor in tensors.items()})
    merged(base, instruct, 0.5, tmp_path / "out")
    assert_same(network_in(tmp_path / "out").state_dict(), expected)


def test_what_is_no_pair_is_refused_with_nothing_written(tmp_path: Path) -> None:
    base, instruct = save_pair(tmp_path)

    def refused(said: str, one: Path = base, other: Path = instruct, weight: float = 0.5) -> None:
        before = sorted(tmp_path.rglob("*"))
        with pytest.raises(CalibauditError, match=said) as error:
            merged(one, other, weight, tmp_path / "out")
        assert "\n" not in str(error.value)
        assert sorted(tmp_path.rglob("*")) == before

    def made(name: str, network: Any) -> Path:
        return save_tiny(tmp_path / name, network=network)

    def edited(name: str, **entries: Any) -> Path:
        folder = made(name, tiny_network("llama", 1).bfloat16())
        settings = json.loads((folder / "config.json").read_text())
        (folder / "config.json").write_text(json.dumps(settings | entries))
        return folder

    refused("^weight of base 1.5: give a number between 0 and 1$", weight=1.5)
    refused("^weight of base nan: give a number", weight=float("nan"))
    packed = edited("packed", quantization_config={"quant_method": "gptq", "bits": 4})
    refused(r"packed: its weights are quantized \(int4 \(GPTQ\)\) and cannot be merged; give the", packed)
    refused(r"packed: its weights are quantized", base, packed)
    refused("cannot be merged: model_type is qwen2 in one, llama in the other", made("q", tiny_network("qwen2")))
    deeper = made("deeper", tiny_network("llama", num_hidden_layers=3))
    refused("num_hidden_layers is 3 in one, 2 in the other; name the base that .*instruct was made from$", deeper)
    refused("num_attention_heads is 2 in one, 4 in the other", edited("heads", num_attention_heads=2))
    wider = made("wider", tiny_network("llama", intermediate_size=64))
    refused(r"layers\.0\.mlp\.down_proj\.weight is 32 x 64 in one, 32 x 48 in the other", wider)
    name = "model.layers.1.mlp.up_proj.weight"
    lacking = made("lacking", tiny_network("llama", 1))
    rewritten(lacking, lambda tensors: {key: tensor for key, tensor in tensors.items() if key != name})
    refused(rf"{name} is not in \S+lacking; name the base", lacking)
    headless = made("headless", tiny_network("llama", 1))
    rewritten(headless, lambda tensors: {key: tensor for key, tensor in tensors.items() if key != "lm_head.weight"})
    refused(r"lm_head\.weight is not in \S+headless", headless)
    small = edited("small")
    rewritten(small, lambda tensors: tensors | {name: tensors[name].to(torch.float8_e4m3fn)})
    refused(rf"small: {name} is stored as F8_E4M3, which cannot be merged", small)
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "mine").touch()
    with pytest.raises(OutputError, match=r"out: already exists; name another folder, or remove it$"):
        merged(base, instruct, 0.5, tmp_path / "out")


def test_a_buffer_of_old_files_is_left(tmp_path: Path) -> None:
    base, instruct = save_pair(tmp_path)
    frequencies = torch.tensor([1.0, 0.1])
    rewritten(instruct, lambda tensors: tensors | {"model.layers.0.self_attn.rotary_emb.inv_freq": frequencies})
    found = merged(base, instruct, 0.5, tmp_path / "out")
    assert found.n_left == 1
    assert torch.equal(
        load_file(tmp_path / "out" / WEIGHTS)["model.layers.0.self_attn.rotary_emb.inv_freq"], frequencies
    )


def test_an_adapter_is_merged_with_the_network_it_makes(tmp_path: Path) -> None:
    peft = pytest.importorskip("peft", reason="needs the peft extra")
    base = save_tiny(tmp_path / "base", seed=1)
    adapted = peft.get_peft_model(network_in(base), peft.LoraConfig(r=4, target_modules=["q_proj", "up_proj"]))
    torch.manual_seed(0)
    with torch.no_grad():
        for parameter in adapted.parameters():
            if parameter.requires_grad:
                parameter.normal_(std=0.2)
    adapted.save_pretrained(tmp_path / "adapter")
    tuned = adapted.merge_and_unload(safe_merge=True)
    expected = interpolated(network_in(base), tuned, 0.5)
    for start, out in ((base, "out"), (f"{base}+{tmp_path / 'adapter'}", "same")):
        merged(start, f"{base}+{tmp_path / 'adapter'}", 0.5, tmp_path / out)
        assert_same(network_in(tmp_path / out).state_dict(), expected if out == "out" else tuned.state_dict())
    assert sorted(path.name for path in tmp_path.iterdir()) == ["adapter", "base", "out", "same"]


def test_the_bundled_pair(tmp_path: Path) -> None:
    """Half-way, in bfloat16 or what it is stored in, under INSTRUCT's chat template."""
    merged("demo:base", "demo:instruct", 0.5, tmp_path / "out")
    base, instruct = (find_checkpoint(f"demo:{side}").path for side in ("base", "instruct"))
    result = network_in(tmp_path / "out")
    expected = network_in(instruct)
    expected.load_state_dict(interpolated(network_in(base), expected, 0.5))
    assert_same(result.state_dict(), expected.state_dict())
    with torch.no_grad():
        assert torch.equal(result(IDS).logits, expected(IDS).logits)
        assert not torch.allclose(result(IDS).logits, network_in(instruct)(IDS).logits, atol=0.1)
    for file in ("tokenizer.json", "tokenizer_config.json", "config.json", "generation_config.json"):
        assert (tmp_path / "out" / file).read_bytes() == (instruct / file).read_bytes()


def memory_peak() -> int:
    """Of this process since /proc/self/clear_refs was written to, in bytes."""
    return int(re.search(r"VmHWM:\s+(\d+) kB", Path("/proc/self/status").read_text())[1]) << 10  # type: ignore[index]


@pytest.mark.skipif(not os.access("/proc/self/clear_refs", os.W_OK), reason="the peak is read from Linux's /proc")
def test_memory_is_a_fraction_of_a_checkpoint(tmp_path: Path) -> None:
    """One of the two largest tensors whole in float32 would be past the bound."""
    config = AutoConfig.for_model(
        "llama", vocab_size=20_000, hidden_size=1024, intermediate_size=1024, num_hidden_layers=1
    )
    with torch.device("meta"):
        shapes = {name: tensor.shape for name, tensor in AutoModelForCausalLM.from_config(config).state_dict().items()}
    for side, value in (("base", 1.0), ("instruct", 3.0)):
        (tmp_path / side).mkdir()
        config.save_pretrained(tmp_path / side)
        weights = {name: torch.full(shape, value, dtype=torch.bfloat16) for name, shape in shapes.items()}
        save_file(weights, tmp_path / side / WEIGHTS, {"format": "pt"})
    del weights
    size = (tmp_path / "base" / WEIGHTS).stat().st_size
    assert size > 90e6
    Path("/proc/self/clear_refs").write_text("5")
    before = memory_peak()
    write_merged(*(Checkpoint(side, tmp_path / side, "") for side in ("base", "instruct")), 0.25, tmp_path / "out")
    assert memory_peak() - before < 0.75 * size
    with safe_open(tmp_path / "out" / WEIGHTS, "pt") as opened:
        for name in ("model.norm.weight", "lm_head.weight"):
            assert opened.get_tensor(name).unique().tolist() == [2.5]
