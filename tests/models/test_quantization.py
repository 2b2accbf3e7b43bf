"""Quantized checkpoints: run for real where nothing but the requirements is needed, else named with what is missing."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
import transformers
from safetensors.torch import load_file, save_file
from transformers import AutoConfig, AutoModelForCausalLM

import calibaudit.models.formats.quantization as quantization
from calibaudit.errors import ModelError, SftError
from calibaudit.models.formats.quantization import described
from calibaudit.models.formats.shards import WEIGHTS
from calibaudit.models.library import VERSION
from calibaudit.models.model import Model, load_model
from calibaudit.models.sharing import is_causal, neighbours_part
from calibaudit.training.prepare import prepare
from tests.families import VOCAB, save_tiny, tiny_network, tiny_tokenizer

IDS = torch.randint(2, 110, (2, 20), generator=torch.Generator().manual_seed(0))


def set_quantization(folder: Path, **settings: Any) -> Path:
    path = folder / "config.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | {"quantization_config": settings}))
    return folder


@torch.no_grad()
def plain_logprobs(network: Any) -> torch.Tensor:
    logits = network(input_ids=IDS, use_cache=False).logits.float()
    return logits.log_softmax(-1)[:, :-1].gather(-1, IDS[:, 1:, None]).flatten()


def logprobs(model: Model) -> torch.Tensor:
    features, _ = model.forward(IDS)
    return model.target_logprobs(features[:, :-1].flatten(0, 1), IDS[:, 1:].flatten()).logprob


# --- what it is called


@pytest.mark.parametrize(
    ("settings", "name"),
    [
        ({"quant_method": "bitsandbytes", "load_in_8bit": True}, "int8 (bitsandbytes)"),
        (
            {"quant_method": "bitsandbytes", "_load_in_4bit": True, "bnb_4bit_quant_type": "nf4"},
            "nf4 (bitsandbytes)",
        ),
        ({"load_in_4bit": True}, "fp4 (bitsandbytes)"),  # files of 2023 name no method
        ({"quant_method": "gptq", "bits": 4, "group_size": 128}, "int4 (GPTQ)"),
        ({"quant_method": "awq", "bits": 4}, "int4 (AWQ)"),
        ({"quant_method": "fp8", "weight_block_size": [128, 128]}, "fp8"),
        ({"quant_method": "fbgemm_fp8"}, "fp8 (FBGEMM)"),
        ({"quant_method": "mxfp4"}, "mxfp4"),
        ({"quant_method": "hqq", "quant_config": {}}, "HQQ"),
        ({"quant_method": "torchao", "quant_type": "int8_weight_only"}, "int8 (torchao)"),
        ({"quant_method": "torchao", "quant_type": {"default": {"_type": "Int8WeightOnlyConfig"}}}, "int8 (torchao)"),
        (
            {
                "quant_method": "torchao",
                "quant_type": {"default": {"_type": "Float8DynamicActivationFloat8WeightConfig"}},
            },
            "float8 with float8 activations (torchao)",
        ),
        (
            {
                "quant_method": "compressed-tensors",
                "config_groups": {
                    "group_0": {
                        "weights": {"num_bits": 8, "type": "int"},
                        "input_activations": {"num_bits": 8, "type": "int"},
                    }
                },
            },
            "int8 with int8 activations (compressed-tensors)",
        ),
        (
            {"quant_method": "compressed-tensors", "config_groups": {"g": {"weights": {"num_bits": 4, "type": "int"}}}},
            "int4 (compressed-tensors)",
        ),
    ],
)
def test_how_it_was_quantized(settings: dict[str, Any], name: str) -> None:
    assert described(settings) == name


def test_a_wrappers_text_may_be_what_is_quantized() -> None:
    inner = {"quant_method": "awq", "bits": 4}
    assert quantization.quantization_settings({"text_config": {"quantization_config": inner}}) == inner
    assert quantization.quantization_settings({"compression_config": inner}) == inner
    assert quantization.quantization_settings({"quantization_config": None, "text_config": {}}) is None


# --- what is missing


@pytest.mark.parametrize(
    ("settings", "packages"),
    [
        ({"quant_method": "bitsandbytes", "load_in_8bit": True}, "bitsandbytes"),
        ({"quant_method": "torchao", "quant_type": "int8_weight_only"}, "torchao"),
        ({"quant_method": "compressed-tensors", "config_groups": {}}, "compressed-tensors"),
        ({"quant_method": "gptq", "bits": 4}, "optimum gptqmodel"),
        ({"quant_method": "awq", "bits": 4}, "gptqmodel"),
        ({"quant_method": "hqq"}, "hqq"),
        ({"quant_method": "quanto", "weights": "int8"}, "optimum-quanto"),
    ],
)
def test_the_packages_that_are_missing_are_named(
    folder: Path, settings: dict[str, Any], packages: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(quantization, "find_spec", lambda _name: None)
    set_quantization(folder, **settings)
    with pytest.raises(ModelError) as caught:
        load_model(str(folder), device="cpu")
    assert str(caught.value) == (
        f"{folder}: its weights are quantized: {described(settings)}; to read them: pip install {packages}"
    )


def test_a_method_that_nobody_knows_is_not_passed_over(folder: Path) -> None:
    """transformers would warn, and load the numbers as if they were plain."""
    set_quantization(folder, quant_method="magic4", bits=4)
    with pytest.raises(ModelError, match=r"quantized by 'magic4', which this transformers does not read"):
        load_model(str(folder), device="cpu")


def test_a_quantized_base_cannot_be_tuned(folder: Path, saved: Path, tmp_path: Path) -> None:
    set_quantization(folder, quant_method="gptq", bits=4)
    rows = tmp_path / "rows.jsonl"
    rows.write_text('{"prompt": "the cat", "completion": " sat"}\n')
    with pytest.raises(ModelError, match=r"its weights are quantized \(int4 \(GPTQ\)\) and cannot be tuned further"):
        prepare(str(folder), str(saved), str(rows), ())
    with pytest.raises(ModelError, match="cannot be tuned further"):
        prepare(str(saved), str(folder), str(rows), (), start="instruct")
    with pytest.raises(SftError, match="the tokenizer does not keep its text"):  # read on to the rows
        prepare(str(folder), str(saved), str(rows), (), start="instruct")


# --- run for real: these are made plain again on a CPU, by transformers alone


@pytest.mark.skipif(VERSION < (5,), reason="before transformers 5 FP8 weights need a GPU")
def test_fp8_in_blocks(tmp_path: Path) -> None:
    network = tiny_network("llama")
    folder = save_tiny(tmp_path, network=network)
    stored, meant = {}, {}
    for key, value in load_file(folder / WEIGHTS).items():
        stored[key] = meant[key] = value
        if key.endswith("proj.weight"):
            rows, columns = value.shape
            blocks = value.reshape(rows // 16, 16, columns // 16, 16)
            scale = blocks.abs().amax((1, 3)) / 448
            rounded = (blocks / scale[:, None, :, None]).to(torch.float8_e4m3fn)
            stored[key], stored[f"{key}_scale_inv"] = rounded.reshape(rows, columns).contiguous(), scale
            meant[key] = (rounded.float() * scale[:, None, :, None]).reshape(rows, columns)
    save_file(stored, folder / WEIGHTS, {"format": "pt"})
    before = plain_logprobs(network)
    network.load_state_dict(meant)
    set_quantization(folder, quant_method="fp8", activation_scheme="dynamic", weight_block_size=[16, 16], fmt="e4m3")
    model = load_model(str(folder), device="cpu")
    assert model.info.quantization == "fp8, dequantized"
    assert model.info.n_parameters == sum(p.numel() for p in network.parameters())
    torch.testing.assert_close(logprobs(model), plain_logprobs(network), atol=1e-4, rtol=0)
    assert (before - plain_logprobs(network)).abs().max() > 1e-2


_FP4 = [0.0, 0.5, 1.0, 1.5, 2.0, 3.0, 4.0, 6.0]


@pytest.mark.skipif(VERSION < (5,), reason="before transformers 5 MXFP4 weights need a GPU")
@pytest.mark.skipif(getattr(transformers.utils, "is_kernels_available", bool)(), reason="kernels keeps them packed")
def test_mxfp4_of_gpt_oss(tmp_path: Path) -> None:
    config = AutoConfig.for_model(
        "gpt_oss", vocab_size=VOCAB, hidden_size=64, intermediate_size=64, num_hidden_layers=2, num_attention_heads=4,
        num_key_value_heads=2, head_dim=16, num_local_experts=2, num_experts_per_tok=1, max_position_embeddings=96,
        sliding_window=32, bos_token_id=0, eos_token_id=1, pad_token_id=None,
    )  # fmt: skip
    generator = torch.Generator().manual_seed(0)
    torch.manual_seed(0)
    network = AutoModelForCausalLM.from_config(config).eval()
    with torch.no_grad():
        for parameter in network.parameters():
            parameter.normal_(std=0.15, generator=generator)
    folder = save_tiny(tmp_path, network=network)
    stored, meant = {}, {}
    values = torch.tensor([*_FP4, *(-value for value in _FP4)])
    for key, value in load_file(folder / WEIGHTS).items():
        if not key.endswith(("experts.gate_up_proj", "experts.down_proj")):
            stored[key] = meant[key] = value
            continue
        experts, columns, rows = value.shape  # stored transposed: 32 columns share a scale
        codes = torch.randint(16, (experts, rows, columns // 32, 32), generator=generator)
        scales = torch.randint(122, 126, (experts, rows, columns // 32), generator=generator)
        stored[f"{key}_blocks"] = (codes[..., ::2] + 16 * codes[..., 1::2]).to(torch.uint8)
        stored[f"{key}_scales"] = scales.to(torch.uint8)
        numbers = values[codes] * 2.0 ** (scales - 127)[..., None]
        meant[key] = numbers.reshape(experts, rows, columns).transpose(1, 2).contiguous()
    save_file(stored, folder / WEIGHTS, {"format": "pt"})
    network.load_state_dict(meant)
    set_quantization(folder, quant_method="mxfp4", modules_to_not_convert=["model.layers.*.self_attn", "lm_head"])
    model = load_model(str(folder), device="cpu")
    assert model.info.quantization == "mxfp4, dequantized"
    assert model.info.n_parameters == sum(p.numel() for p in network.parameters())
    torch.testing.assert_close(logprobs(model), plain_logprobs(network), atol=1e-4, rtol=0)


# --- run by hand where the packages are installed


def quantized_by(tmp_path: Path, make: Callable[[], Any], **changes: Any) -> tuple[Path, Any]:
    """A tiny Llama, quantized by transformers and saved; and as transformers itself reads it."""
    plain = save_tiny(tmp_path / "plain", network=tiny_network("llama", hidden_size=64, head_dim=16, **changes))
    there = {"device_map": {"": "cpu"}}
    network = AutoModelForCausalLM.from_pretrained(plain, quantization_config=make(), dtype=torch.float32, **there)
    network.save_pretrained(tmp_path / "quantized")
    tiny_tokenizer().save_pretrained(tmp_path / "quantized")
    return tmp_path / "quantized", AutoModelForCausalLM.from_pretrained(tmp_path / "quantized", **there).eval()


@pytest.mark.parametrize("kind", ["Int8WeightOnlyConfig", "Int8DynamicActivationInt8WeightConfig"])
def test_torchao(tmp_path: Path, kind: str) -> None:
    torchao = pytest.importorskip("torchao.quantization", reason="needs torchao")
    make = lambda: transformers.TorchAoConfig(getattr(torchao, kind)())  # noqa: E731
    folder, network = quantized_by(tmp_path, make)
    model = load_model(str(folder), device="cpu")
    assert model.info.quantization == ("int8 (torchao)" if "Only" in kind else "int8 with int8 activations (torchao)")
    assert model.info.n_parameters == load_model(str(tmp_path / "plain"), device="cpu").info.n_parameters
    torch.testing.assert_close(logprobs(model), plain_logprobs(network), atol=1e-4, rtol=0)


@pytest.mark.parametrize(("bits", "name"), [("load_in_8bit", "int8"), ("load_in_4bit", "fp4")])
def test_bitsandbytes(tmp_path: Path, bits: str, name: str) -> None:
    """8 bits: rows whose largest inputs stand out are rounded with what stands beside them, which is no look ahead."""
    pytest.importorskip("bitsandbytes", reason="needs bitsandbytes")
    make = lambda: transformers.BitsAndBytesConfig(**{bits: True})  # noqa: E731
    folder, network = quantized_by(tmp_path, make, intermediate_size=512)
    model = load_model(str(folder), device="cpu")
    assert model.info.quantization == f"{name} (bitsandbytes)"
    assert model.info.n_parameters == load_model(str(tmp_path / "plain"), device="cpu").info.n_parameters
    torch.testing.assert_close(logprobs(model), plain_logprobs(network), atol=1e-4, rtol=0)
    assert any("numbers depend on --batch-size" in text for text in model.warnings) == (bits == "load_in_8bit")


# --- the probe of causality


def mixing(ids: torch.Tensor, *, ahead: bool, **_: Any) -> tuple[torch.Tensor, None]:
    """States rounded in steps that the whole batch's largest number gives, as in LLM.int8(): (B, T, 8).

    ahead: a state also depends on the next token.
    """
    table = torch.randn(200, 8, generator=torch.Generator().manual_seed(0)) * torch.linspace(1, 20, 200)[:, None]
    states = table[ids].cumsum(1)
    if ahead:
        states = states + 0.2 * table[ids].roll(-1, 1)
    step = table[ids].abs().max() / 8
    return (states / step).round() * step, None


def test_rounding_by_neighbours_is_no_look_ahead() -> None:
    ids, other = (torch.randint(200, (1, 12), generator=torch.Generator().manual_seed(s)) for s in (1, 2))
    alone = [mixing(row, ahead=False)[0][:, :6] for row in (ids, torch.cat([ids[:, :6], other[:, 6:]], dim=1))]
    assert (alone[0] - alone[1]).norm() > 1e-2 * alone[0].norm()  # each in its own batch they differ
    assert is_causal(lambda rows: mixing(rows, ahead=False), ids, other, 1e-3)
    assert not is_causal(lambda rows: mixing(rows, ahead=True), ids, other, 1e-3)
    assert neighbours_part(lambda rows: mixing(rows, ahead=False), other, ids) > 1e-2


def test_rows_of_a_plain_network_do_not_see_each_other(saved: Path) -> None:
    model = load_model(str(saved), device="cpu")
    assert neighbours_part(model.forward, IDS[:1], IDS[1:]) < 1e-5
    assert model.warnings == ()
