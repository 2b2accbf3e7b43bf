"""Adapters: merged they give what PEFT's own applied model gives; found on their base, hashed with it, or refused."""

from __future__ import annotations

import json
import re
import shutil
import sys
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file, save_file
from transformers import AutoModelForCausalLM

from calibaudit.advice.head_bound import bound_checkpoint
from calibaudit.errors import ModelError
from calibaudit.models.checkpoints import base_beside, find_checkpoint, stop_ids
from calibaudit.models.formats.shards import WEIGHTS
from calibaudit.models.load import load_network
from calibaudit.models.model import Model, load_model
from tests.families import VOCAB, save_tiny, tiny_network, tiny_tokenizer

peft = pytest.importorskip("peft", reason="needs the peft extra")

SHA = "0123456789abcdef0123456789abcdef01234567"
IDS = torch.randint(2, 110, (2, 20), generator=torch.Generator().manual_seed(0))
KINDS: dict[str, Any] = {
    "lora": lambda: peft.LoraConfig(r=4, lora_alpha=9, target_modules=["q_proj", "up_proj"]),
    "rslora": lambda: peft.LoraConfig(r=4, use_rslora=True, target_modules="all-linear", bias="lora_only"),
    "dora": lambda: peft.LoraConfig(r=4, use_dora=True, target_modules=["v_proj", "down_proj"]),
    "modules-to-save": lambda: peft.LoraConfig(
        r=4, target_modules=["q_proj"], modules_to_save=["lm_head", "embed_tokens"]
    ),
    "lora-head": lambda: peft.LoraConfig(r=4, target_modules=["embed_tokens", "lm_head"]),
    "tokens": lambda: peft.LoraConfig(r=4, target_modules=["q_proj"], trainable_token_indices=[3, 5]),
    "ia3": lambda: peft.IA3Config(target_modules=["k_proj", "down_proj"], feedforward_modules=["down_proj"]),
    "loha": lambda: peft.LoHaConfig(r=4, target_modules=["q_proj"]),
    "lokr": lambda: peft.LoKrConfig(r=4, target_modules=["q_proj"]),
}
NAMED = {"lora": "LoRA of rank 4", "dora": "DoRA of rank 4", "ia3": "IA³ adapter"}


def save_adapter(folder: Path, base: Path | str, config: Any, network: Any = None, **options: Any) -> Path:
    """An adapter with numbers in it, saved as PEFT saves it, that says it was trained on `base`."""
    adapted = peft.get_peft_model(network or AutoModelForCausalLM.from_pretrained(base), config)
    generator = torch.Generator().manual_seed(3)
    with torch.no_grad():
        for parameter in adapted.parameters():
            if parameter.requires_grad:
                parameter.add_(torch.randn(parameter.shape, generator=generator) * 0.1)
    adapted.save_pretrained(folder, **options)
    edit(folder, base_model_name_or_path=str(base))
    return folder


def edit(folder: Path, **changes: Any) -> None:
    path = folder / "adapter_config.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | changes))


@pytest.fixture(scope="module")
def lora(saved: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A LoRA on the tiny Llama, to be left as it is."""
    return save_adapter(tmp_path_factory.mktemp("lora") / "tuned", saved, KINDS["lora"]())


@pytest.fixture
def adapter(lora: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(lora, tmp_path / "tuned"))


def logprobs(model: Model) -> torch.Tensor:
    features, _ = model.forward(IDS)
    return model.target_logprobs(features[:, :-1].flatten(0, 1), IDS[:, 1:].flatten()).logprob


@torch.no_grad()
def applied_logprobs(folder: Path, network: Any) -> torch.Tensor:
    """PEFT's own model, its adapter beside the weights."""
    logits = peft.PeftModel.from_pretrained(network, folder).eval()(input_ids=IDS).logits
    return logits.log_softmax(-1)[:, :-1].gather(-1, IDS[:, 1:, None]).flatten()


def refused(name: Path | str, said: str) -> str:
    with pytest.raises(ModelError, match=said) as caught:
        load_model(str(name), device="cpu", offline=True)
    assert "\n" not in str(caught.value)
    return str(caught.value)


@pytest.mark.parametrize("kind", KINDS)
def test_merged_it_is_pefts_own_applied_model(saved: Path, tmp_path: Path, kind: str) -> None:
    folder = save_adapter(tmp_path / "tuned", saved, KINDS[kind]())
    model = load_model(str(folder), device="cpu")
    theirs = applied_logprobs(folder, AutoModelForCausalLM.from_pretrained(saved))
    torch.testing.assert_close(logprobs(model), theirs, atol=1e-4, rtol=0)
    plain = load_model(str(saved), device="cpu")
    assert (logprobs(plain) - theirs).abs().max() > 0.1
    assert model.info.n_parameters == plain.info.n_parameters
    assert not any(type(module).__module__.startswith("peft") for module in model.network.modules())
    assert not hasattr(model.network, "peft_config")
    assert model.warnings == ()
    assert model.info.name == str(folder)
    if kind in NAMED:
        assert model.info.adapter == f"{NAMED[kind]} on {saved.name}"


def test_a_base_with_tied_embeddings(tmp_path: Path) -> None:
    base = save_tiny(tmp_path / "tied", "llama-tied")
    folder = save_adapter(tmp_path / "tuned", base, KINDS["tokens"]())
    theirs = applied_logprobs(folder, AutoModelForCausalLM.from_pretrained(base))
    torch.testing.assert_close(logprobs(load_model(str(folder), device="cpu")), theirs, atol=1e-4, rtol=0)


def test_one_adapter_on_another(saved: Path, lora: Path, tmp_path: Path) -> None:
    first = load_network(find_checkpoint(str(lora)), "float32", "cpu").network
    folder = save_adapter(tmp_path / "second", lora, KINDS["dora"](), network=first)
    first = load_network(find_checkpoint(str(lora)), "float32", "cpu").network
    model = load_model(str(folder), device="cpu")
    torch.testing.assert_close(logprobs(model), applied_logprobs(folder, first), atol=1e-4, rtol=0)
    assert model.info.adapter == f"DoRA of rank 4 on tuned with LoRA of rank 4 on {saved.name}"
    assert model.info.revision.endswith(f"+{find_checkpoint(str(lora)).revision}")


# --- added tokens


def grown(tmp_path: Path, n_rows: int = VOCAB + 5, **options: Any) -> tuple[Path, Path]:
    """A base, and an adapter with rows, and tokens, that the base has not."""
    base = save_tiny(tmp_path / "base")
    network = AutoModelForCausalLM.from_pretrained(base)
    network.resize_token_embeddings(n_rows, mean_resizing=False)
    folder = save_adapter(tmp_path / "tuned", base, KINDS["lora"](), network, save_embedding_layers=True, **options)
    tokenizer = tiny_tokenizer()
    tokenizer.add_tokens(["<think>", "</think>"])
    tokenizer.save_pretrained(folder)
    return base, folder


def test_embeddings_that_the_adapter_brings_and_its_own_tokenizer(tmp_path: Path) -> None:
    base, folder = grown(tmp_path)
    model = load_model(str(folder), device="cpu")
    assert model.info.vocab_size == VOCAB + 5
    assert "<think>" in model.tokenizer.get_vocab()
    assert "<think>" not in load_model(str(base), device="cpu").tokenizer.get_vocab()
    network = AutoModelForCausalLM.from_pretrained(base)
    network.resize_token_embeddings(VOCAB + 5, mean_resizing=False)
    torch.testing.assert_close(logprobs(model), applied_logprobs(folder, network), atol=1e-4, rtol=0)


def test_rows_that_only_half_of_the_embeddings_bring_would_be_random(tmp_path: Path) -> None:
    _, folder = grown(tmp_path)
    file = folder / "adapter_model.safetensors"
    kept = {key: tensor for key, tensor in load_file(file).items() if "lm_head" not in key}
    save_file(kept, file)
    refused(folder, f"brings {VOCAB + 5} input embeddings where its base has {VOCAB}; the other ones would be random")


# --- the files


def test_each_of_its_files_and_its_base_are_in_the_revision(adapter: Path, saved: Path, tmp_path: Path) -> None:
    found = find_checkpoint(str(adapter))
    assert re.fullmatch(r"sha256:[0-9a-f]{16}\+sha256:[0-9a-f]{16}", found.revision)
    assert found.revision.endswith(f"+{find_checkpoint(str(saved)).revision}")
    own = find_checkpoint(str(adapter)).own_revision
    (adapter / "README.md").write_text("not part of it")
    (adapter / "config.json").write_text('{"model_type": "gpt2"}')  # some trainers leave the base's there
    assert find_checkpoint(str(adapter)).revision == found.revision
    assert load_model(str(adapter), device="cpu").info.family == "llama"
    other = save_tiny(tmp_path / "other", seed=5)
    assert find_checkpoint(f"{other}+{adapter}").own_revision == own
    assert find_checkpoint(f"{other}+{adapter}").revision != found.revision
    edit(adapter, lora_alpha=10)
    edited = find_checkpoint(str(adapter)).own_revision
    content = bytearray((adapter / "adapter_model.safetensors").read_bytes())
    content[-2] ^= 1
    (adapter / "adapter_model.safetensors").write_bytes(bytes(content))
    assert len({own, edited, find_checkpoint(str(adapter)).own_revision}) == 3


def test_pickles_are_refused(adapter: Path) -> None:
    (adapter / "adapter_model.safetensors").rename(adapter / "adapter_model.bin")
    refused(adapter, r"only pickle weights \(adapter_model.bin\), which can run code")
    (adapter / "adapter_model.bin").unlink()
    refused(adapter, "no adapter weights in the folder")


def test_weights_without_their_config(adapter: Path) -> None:
    (adapter / "adapter_config.json").unlink()
    (adapter / "config.json").write_text('{"model_type": "llama"}')
    refused(adapter, "holds an adapter's weights without adapter_config.json")


def test_an_adapter_beside_whole_weights_is_never_ignored(adapter: Path, saved: Path) -> None:
    """transformers applies it when PEFT is installed, and else does not: two models of one folder."""
    for file in saved.iterdir():
        shutil.copy(file, adapter)
    theirs = AutoModelForCausalLM.from_pretrained(adapter)(input_ids=IDS).logits
    alone = AutoModelForCausalLM.from_pretrained(saved)(input_ids=IDS).logits
    assert (theirs - alone).abs().max() > 0.1
    message = refused(adapter, r"holds whole weights and an adapter \(adapter_config.json\)")
    assert "WEIGHTS+ADAPTER" in message


def test_a_broken_config_and_kinds_that_change_no_weights(adapter: Path) -> None:
    edit(adapter, peft_type=None)
    refused(adapter, "adapter_config.json has no peft_type")
    edit(adapter, peft_type="PREFIX_TUNING")
    refused(adapter, "a prefix tuning adapter puts vectors before the text")
    edit(adapter, peft_type="LORA", alora_invocation_tokens=[3, 4])
    refused(adapter, "an activated LoRA")


def test_weights_that_are_missing_or_find_no_place(adapter: Path, tmp_path: Path) -> None:
    file = adapter / "adapter_model.safetensors"
    tensors = load_file(file)
    first = sorted(tensors)[0]
    save_file({key: tensor for key, tensor in tensors.items() if key != first}, file)
    refused(adapter, f"1 weights of the adapter that adapter_config.json describes are not in its file, first {first}")
    stray = tensors | {first.replace("layers.0", "layers.7"): tensors[first].clone()}
    save_file(stray, file)
    refused(adapter, "1 weights of the adapter have no place in its base, first .*layers.7")
    save_file(tensors, file)
    gpt = save_tiny(tmp_path / "gpt", "gpt2")
    refused(f"{gpt}+{adapter}", "the adapter does not fit its base")
    wide = save_tiny(tmp_path / "wide", network=tiny_network("llama", intermediate_size=96))
    refused(f"{wide}+{adapter}", "the adapter does not fit its base")


def test_without_peft(adapter: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "peft", None)
    refused(adapter, r"is an adapter \(LoRA of rank 4\); to apply it: pip install peft, or 'calibaudit\[peft\]'")


# --- its base


def test_a_base_beside_the_adapter_or_the_current_folder(
    adapter: Path, folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    edit(adapter, base_model_name_or_path=f"../{folder.name}")
    expected = find_checkpoint(str(folder)).revision
    assert find_checkpoint(str(adapter)).revision.endswith(expected)
    monkeypatch.chdir(tmp_path)
    edit(adapter, base_model_name_or_path=folder.name)
    assert find_checkpoint(str(adapter)).revision.endswith(expected)
    edit(adapter, base_model_name_or_path=".")
    monkeypatch.chdir(adapter)
    assert "names the adapter itself" in refused(adapter, "adapter_config.json")


def test_a_base_that_is_not_there_is_named_with_the_way_out(adapter: Path, saved: Path) -> None:
    for named in ("/nowhere/base", "org/never-cached"):
        edit(adapter, base_model_name_or_path=named)
        message = refused(adapter, f"its base '{named}', as adapter_config.json has it, was not found")
        assert f"give BASE+{adapter}" in message
        name, sentence = base_beside(str(saved), str(adapter), offline=True)
        assert name == f"{saved}+{adapter}"
        assert sentence is not None
        assert sentence.endswith(f"{saved} serves as its base")
        assert load_model(name, device="cpu", offline=True).info.name == name
    edit(adapter, base_model_name_or_path=None)
    refused(adapter, "does not say what it was trained on")


def test_where_its_base_is_found_nothing_is_said(adapter: Path, saved: Path) -> None:
    for name in (str(adapter), str(saved), "demo:instruct", "server:http://x/v1#m", str(adapter / "none"), "a b"):
        assert base_beside(str(saved), name, offline=True) == (name, None)


def test_base_and_adapter_named_together(adapter: Path, saved: Path, folder: Path) -> None:
    edit(adapter, base_model_name_or_path="/nowhere")
    plus = Path(shutil.copytree(folder, folder.parent / "a+b"))
    assert find_checkpoint(str(plus)).base is None
    assert find_checkpoint(f"{plus}+{adapter}").revision == find_checkpoint(f"{saved}+{adapter}").revision
    refused(f"{saved}+{folder}", "is not an adapter, it has weights of its own")
    refused(f"/nowhere+{adapter}", "/nowhere: no such folder")


@pytest.fixture
def cache(saved: Path, lora: Path, tmp_path: Path) -> Path:
    """A hub cache with org/tiny, and org/tuned, whose config says that it was trained on a revision of it."""
    for name, source in (("tiny", saved), ("tuned", lora)):
        repo = tmp_path / "hub" / f"models--org--{name}"
        shutil.copytree(source, repo / "snapshots" / SHA)
        (repo / "refs").mkdir()
        (repo / "refs" / "main").write_text(SHA)
    edit(tmp_path / "hub" / "models--org--tuned" / "snapshots" / SHA, base_model_name_or_path="org/tiny", revision=SHA)
    return tmp_path / "hub"


def test_an_adapter_and_its_base_of_the_hub(cache: Path, lora: Path) -> None:
    model = load_model("org/tuned", cache_dir=cache, offline=True, device="cpu")
    assert (model.info.name, model.info.revision) == ("org/tuned", f"{SHA}+{SHA}")
    assert model.info.adapter == "LoRA of rank 4 on org/tiny"
    torch.testing.assert_close(logprobs(model), logprobs(load_model(str(lora), device="cpu")))
    both = find_checkpoint("org/tiny+org/tuned", cache_dir=cache, offline=True)
    assert both.revision == f"{SHA}+{SHA}"
    assert load_model(both, device="cpu").info.name == "org/tiny+org/tuned"


def test_an_adapter_of_the_hub_with_its_bases_config(cache: Path) -> None:
    snapshot = cache / "models--org--tuned" / "snapshots" / SHA
    shutil.copy(cache / "models--org--tiny" / "snapshots" / SHA / "config.json", snapshot)
    assert find_checkpoint("org/tuned", cache_dir=cache, offline=True).revision == f"{SHA}+{SHA}"
    shutil.copy(cache / "models--org--tiny" / "snapshots" / SHA / WEIGHTS, snapshot)
    with pytest.raises(ModelError, match="holds whole weights and an adapter"):
        load_model("org/tuned", cache_dir=cache, offline=True, device="cpu")


# --- what else reads a checkpoint


def test_settings_are_its_own_where_it_has_them_else_its_bases(adapter: Path, folder: Path) -> None:
    edit(adapter, base_model_name_or_path=str(folder))
    (folder / "generation_config.json").write_text('{"eos_token_id": 4}')
    assert stop_ids(find_checkpoint(str(adapter))) == (4,)
    (adapter / "generation_config.json").write_text('{"eos_token_id": [5, 6]}')
    assert stop_ids(find_checkpoint(str(adapter))) == (5, 6)


def test_the_bound_of_a_head_is_not_told_of_an_adapter(adapter: Path) -> None:
    assert bound_checkpoint(str(adapter)) == "an adapter may change it"


def test_it_can_be_tuned_further(adapter: Path) -> None:
    """What `fix --start instruct` starts from: plain weights, every one of them trainable."""
    network = load_network(find_checkpoint(str(adapter)), "float32", "cpu").network
    network.requires_grad_(True).train()
    network(input_ids=IDS, labels=IDS).loss.backward()
    assert all(parameter.grad is not None for parameter in network.parameters())
