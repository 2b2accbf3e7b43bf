"""Loading: checkpoints of the wrong kind, broken weights and tokenizers, dtypes and devices; each fault in one line."""

from __future__ import annotations

import json
import logging
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch
import transformers
from safetensors.torch import load_file, save_file
from transformers import AutoConfig, AutoModel

import calibaudit.models.load as loading
from calibaudit.errors import ModelError
from calibaudit.models.formats.shards import WEIGHTS
from calibaudit.models.model import load_model
from tests.families import VOCAB, config_of, save_tiny, tiny_network, tiny_tokenizer


def refused(folder: Path, said: str, **options: Any) -> str:
    with pytest.raises(ModelError, match=said) as caught:
        load_model(str(folder), **({"device": "cpu"} | options))
    message = str(caught.value)
    assert "\n" not in message
    return message


def edit_config(folder: Path, **changes: Any) -> None:
    path = folder / "config.json"
    config = json.loads(path.read_text()) | changes
    path.write_text(json.dumps({key: value for key, value in config.items() if value is not None}))


def edit_weights(folder: Path, change: Any) -> None:
    tensors = load_file(folder / WEIGHTS)
    change(tensors)
    save_file(tensors, folder / WEIGHTS, metadata={"format": "pt"})


# --- the wrong kind of checkpoint


@pytest.mark.parametrize(
    ("kind", "settings", "said"),
    [
        ("t5", {"d_model": 16, "d_kv": 4, "d_ff": 16, "num_layers": 1, "num_heads": 2}, "encoder-decoder"),
        (
            "bert",
            {"hidden_size": 16, "num_hidden_layers": 1, "num_attention_heads": 2, "intermediate_size": 16},
            "BertModel",
        ),
        (
            "vit",
            {"hidden_size": 16, "num_hidden_layers": 1, "num_attention_heads": 2, "intermediate_size": 16},
            "ViTModel",
        ),
    ],
)
def test_not_a_causal_lm(tmp_path: Path, kind: str, settings: dict[str, Any], said: str) -> None:
    size = {} if kind == "vit" else {"vocab_size": VOCAB}
    AutoModel.from_config(AutoConfig.for_model(kind, **settings, **size)).save_pretrained(tmp_path)
    tiny_tokenizer().save_pretrained(tmp_path)
    assert said in refused(tmp_path, "not a (decoder-only )?causal LM")


def test_a_classifier_has_no_language_model_head(folder: Path) -> None:
    edit_config(folder, architectures=["LlamaForSequenceClassification"])
    refused(folder, r"not a causal LM \(llama, LlamaForSequenceClassification\)")


def test_a_part_of_a_larger_model_is_not_called_no_causal_lm(folder: Path) -> None:
    """transformers saves the text model of an Emu3 under a type that none of its auto classes takes."""
    config_of("emu3_text_model")
    edit_config(folder, model_type="emu3_text_model", architectures=["Emu3ForCausalLM"])
    refused(folder, "names no class that loads Emu3ForCausalLM from a emu3_text_model config; save the whole model")


def test_unknown_model_type(folder: Path) -> None:
    edit_config(folder, model_type="llamma9")
    assert transformers.__version__ in refused(folder, "does not know model type 'llamma9'")


def test_code_in_the_checkpoint_is_never_run(folder: Path) -> None:
    edit_config(folder, model_type="own", auto_map={"AutoConfig": "own.Config", "AutoModelForCausalLM": "own.Model"})
    (folder / "own.py").write_text("raise SystemExit('code of the checkpoint was run')")
    refused(folder, "needs code from the checkpoint")
    edit_config(folder, model_type="llama")
    assert load_model(str(folder), device="cpu").info.family == "llama"


@pytest.mark.parametrize("text", ["", "{", "[1]", "\x00"])
def test_unreadable_config(folder: Path, text: str) -> None:
    (folder / "config.json").write_text(text)
    refused(folder, "config.json")


def test_config_without_a_type(folder: Path) -> None:
    edit_config(folder, model_type=None)
    refused(folder, "config.json has no model_type")


def test_config_with_impossible_values(folder: Path) -> None:
    edit_config(folder, hidden_size="many")
    refused(folder, 'hidden_size: expected a whole number from 0, found "many"')


def test_rotary_settings_of_a_newer_transformers_are_not_misread(folder: Path) -> None:
    raw = json.loads((folder / "config.json").read_text())
    rope = {"rope_type": "default", "rope_theta": 10000.0}
    same = SimpleNamespace(rope_theta=10000.0)
    loading._check_rotary("m", raw | {"rope_parameters": rope}, same)
    loading._check_rotary("m", {}, same)
    for other in ({"rope_theta": 5e5}, {"rope_type": "llama3", "factor": 8.0}, {"partial_rotary_factor": 0.5}):
        with pytest.raises(ModelError, match=r"written by transformers 5 .*upgrade"):
            loading._check_rotary("m", {"rope_parameters": rope | other}, same)


# --- broken weights


def test_missing_weights_are_never_random(folder: Path) -> None:
    edit_weights(folder, lambda tensors: tensors.pop("model.layers.1.mlp.up_proj.weight"))
    message = refused(folder, "1 weights are not in the files, first model.layers.1.mlp.up_proj.weight")
    assert "random" in message


def test_a_missing_untied_head_is_an_error_and_a_tied_one_is_not(folder: Path, tmp_path: Path) -> None:
    edit_weights(folder, lambda tensors: tensors.pop("lm_head.weight"))
    refused(folder, "first lm_head.weight")
    tied = save_tiny(tmp_path / "tied", "llama-tied")
    assert "lm_head.weight" not in load_file(tied / WEIGHTS)
    assert load_model(str(tied), device="cpu").warnings == ()


def test_a_missing_tied_embedding_is_an_error(tmp_path: Path) -> None:
    tied = save_tiny(tmp_path / "tied", "llama-tied")
    edit_weights(tied, lambda tensors: tensors.pop("model.embed_tokens.weight"))
    refused(tied, "not in the files")


def test_unused_weights_are_a_warning(folder: Path) -> None:
    edit_weights(folder, lambda tensors: tensors.update({"vision.weight": torch.zeros(2)}))
    assert load_model(str(folder), device="cpu").warnings == (
        f"{folder}: 1 weights in the files are not used, first vision.weight",
    )


def test_weights_of_another_size(folder: Path) -> None:
    edit_config(folder, intermediate_size=64)
    refused(folder, "another shape than config.json says|cannot be loaded")


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
@pytest.mark.parametrize("key", ["model.layers.0.self_attn.q_proj.weight", "lm_head.weight"])
def test_nan_weights_name_the_first(folder: Path, key: str, value: float) -> None:
    def poison(tensors: dict[str, torch.Tensor]) -> None:
        tensors[key][0, 0] = value

    edit_weights(folder, poison)
    refused(folder, f"the weights give NaN: {key} holds values that are not finite")


def test_overflow_of_finite_weights(folder: Path) -> None:
    def grow(tensors: dict[str, torch.Tensor]) -> None:
        tensors["lm_head.weight"].mul_(2e4)

    edit_weights(folder, grow)
    assert load_model(str(folder), device="cpu").info.dtype == "float32"
    refused(folder, "logits are NaN or infinite in float16 although all weights are finite", dtype="float16")


# --- tokenizers


def test_no_tokenizer(folder: Path) -> None:
    for file in folder.glob("tokenizer*"):
        file.unlink()
    refused(folder, "no tokenizer .*copy the files")


@pytest.mark.parametrize("text", ["", "{}", '{"model": 3}'])
def test_broken_tokenizer(folder: Path, text: str) -> None:
    (folder / "tokenizer.json").write_text(text)
    refused(folder, "the tokenizer (cannot be read|is empty)")


def test_a_tokenizer_without_special_tokens_loads(folder: Path) -> None:
    for file in [*folder.glob("tokenizer*"), *folder.glob("special*")]:
        file.unlink()
    tiny_tokenizer(special=False).save_pretrained(folder)
    assert load_model(str(folder), device="cpu").prefix_token_id is None


def test_eos_stands_in_for_a_missing_bos(folder: Path) -> None:
    model = load_model(str(folder), device="cpu")
    assert model.prefix_token_id == 0
    model.tokenizer.bos_token = None
    assert model.prefix_token_id == 1


def test_a_tokenizer_larger_than_the_model_is_a_warning(folder: Path) -> None:
    tokenizer = tiny_tokenizer()
    tokenizer.add_tokens([f"<extra{i}>" for i in range(100)])
    tokenizer.save_pretrained(folder)
    (warning,) = load_model(str(folder), device="cpu").warnings
    assert f"the tokenizer has {len(tokenizer)} tokens, the model {VOCAB}" in warning


# --- dtypes, devices, memory


@pytest.mark.parametrize("dtype", ["float32", "bfloat16", "float16"])
def test_dtype_as_asked(folder: Path, dtype: str) -> None:
    model = load_model(str(folder), device="cpu", dtype=dtype)
    assert model.info.dtype == dtype
    assert next(model.network.parameters()).dtype == getattr(torch, dtype)
    assert model.shares_prefix
    assert model.head is not None


@pytest.mark.parametrize("stored", ["float32", "bfloat16"])
def test_auto_reads_the_files_where_the_config_says_nothing(tmp_path: Path, stored: str) -> None:
    save_tiny(tmp_path, network=tiny_network("llama").to(getattr(torch, stored)))
    edit_config(tmp_path, dtype=None, torch_dtype=None)
    assert load_model(str(tmp_path), device="cpu").info.dtype == stored


def test_unknown_dtype_lists_the_allowed(folder: Path) -> None:
    refused(folder, "--dtype int8: not one of auto, float32, bfloat16, float16", dtype="int8")


@pytest.mark.parametrize(
    ("device", "said"),
    [
        ("gpu", "--device gpu: not a device; use auto, cpu, cuda"),
        ("meta", "--device meta: not supported"),
        ("cuda", "--device cuda: no CUDA device here"),
        ("cuda:3", "--device cuda:3: no CUDA device here"),
    ],
)
def test_devices(folder: Path, device: str, said: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    refused(folder, said, device=device)


def test_too_high_a_device_number(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 2)
    refused(folder, "there are only 2 CUDA devices, cuda:0 to cuda:1", device="cuda:2")


def test_auto_is_the_cpu_without_a_gpu(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    assert load_model(str(folder), device="auto").info.device == "cpu"


@pytest.mark.parametrize(
    "error",
    [
        MemoryError(),
        torch.OutOfMemoryError("CUDA out of memory. Tried"),
        RuntimeError("DefaultCPUAllocator: can't allocate memory"),
    ],
    ids=repr,
)
def test_out_of_memory_while_loading(folder: Path, error: Exception, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_args: Any, **_options: Any) -> Any:
        raise error

    monkeypatch.setattr(transformers.AutoModelForCausalLM, "from_pretrained", fail)
    refused(folder, "out of memory while loading as float32 on cpu; try --dtype bfloat16")


def test_a_network_whose_forward_pass_fails(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_args: Any, **_options: Any) -> Any:
        raise RuntimeError("no kernel\nfor this")

    monkeypatch.setattr(transformers.LlamaForCausalLM, "forward", fail)
    refused(folder, r"its forward pass fails \(no kernel\)")


def test_loading_prints_nothing_and_leaves_transformers_as_it_was(
    folder: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    edit_weights(folder, lambda tensors: tensors.update({"vision.weight": torch.zeros(2)}))
    verbosity = transformers.utils.logging.get_verbosity()
    transformers.utils.logging.set_verbosity(logging.INFO)
    transformers.utils.logging.enable_progress_bar()
    try:
        load_model(str(folder), device="cpu")
        assert capfd.readouterr() == ("", "")
        assert transformers.utils.logging.get_verbosity() == logging.INFO
        assert transformers.utils.logging.is_progress_bar_enabled()
    finally:
        transformers.utils.logging.set_verbosity(verbosity)


@pytest.mark.shared
def test_the_real_checkpoint(shared: Path) -> None:
    model = load_model(str(shared / "models" / "stories260k"), device="cpu")
    assert model.warnings == ()
    assert model.info.n_parameters == 260_032
    assert (model.info.vocab_size, model.max_length, model.prefix_token_id) == (512, 512, 1)
    hot = load_model(str(shared / "models" / "stories260k-hot"), device="cpu")
    ids = torch.tensor([model.tokenizer("Once upon a time, there was a")["input_ids"]])
    assert model.head is not None
    assert hot.head is not None
    with torch.no_grad():
        z, z_hot = (m.network(ids).logits[0, -1] for m in (model, hot))
    torch.testing.assert_close(z_hot, 2 * z, atol=1e-4, rtol=1e-4)
