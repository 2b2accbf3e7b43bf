"""Multimodal checkpoints: the text of each family is found, proven and scored as the whole network scores it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import torch
import transformers
from safetensors.torch import load_file, save_file
from transformers import AutoConfig, AutoModel

from calibaudit.errors import ModelError
from calibaudit.models.checkpoints import context_window, find_checkpoint, stop_ids
from calibaudit.models.formats.families import placeholder_ids, text_config
from calibaudit.models.formats.shards import WEIGHTS
from calibaudit.models.head import probe_ids
from calibaudit.models.model import load_model
from tests.families import MAX_LENGTH, VERSION, VOCAB, config_of, skip_old_llama4, tiny_tokenizer

if not hasattr(transformers, "AutoModelForImageTextToText"):
    pytest.skip("this transformers has no AutoModelForImageTextToText", allow_module_level=True)

_TEXT = {
    "vocab_size": VOCAB, "hidden_size": 32, "intermediate_size": 48, "num_hidden_layers": 2, "num_attention_heads": 4,
    "num_key_value_heads": 2, "head_dim": 8, "max_position_embeddings": MAX_LENGTH, "bos_token_id": 0,
    "eos_token_id": 1, "pad_token_id": None,
}  # fmt: skip
_VISION = {
    "hidden_size": 16, "intermediate_size": 16, "num_hidden_layers": 1, "num_attention_heads": 2, "image_size": 16,
    "patch_size": 8,
}  # fmt: skip
_QWEN_VISION = {
    "depth": 1, "hidden_size": 16, "intermediate_size": 16, "num_heads": 2, "out_hidden_size": 32, "patch_size": 8,
}  # fmt: skip
_QWEN = {"image_token_id": 124, "video_token_id": 125, "vision_start_token_id": 126, "vision_end_token_id": 127}
_ROPE = {"rope_type": "default", "rope_theta": 10000.0, "mrope_section": [2, 1, 1]}
_LINEAR = {
    "layer_types": ["linear_attention", "full_attention"], "linear_num_value_heads": 4, "linear_num_key_heads": 2,
    "linear_key_head_dim": 8, "linear_value_head_dim": 8,
}  # fmt: skip

WRAPPERS: dict[str, dict[str, Any]] = {
    "qwen3_5": _QWEN
    | {"text_config": _TEXT | _LINEAR, "vision_config": _QWEN_VISION | {"num_position_embeddings": 16}},
    "llama4": {
        "text_config": _TEXT | {"intermediate_size_mlp": 48, "num_local_experts": 2, "num_hidden_layers": 4},
        "vision_config": _VISION
        | {
            "vision_output_dim": 16,
            "projector_input_dim": 16,
            "projector_output_dim": 16,
            "intermediate_size": 64,
        },
        "image_token_index": 124,
    },
    "mistral3": {
        "text_config": _TEXT | {"model_type": "mistral"},
        "vision_config": _VISION | {"model_type": "pixtral", "head_dim": 8},
        "image_token_index": 124,
    },
    "qwen2_vl": _QWEN
    | {
        "text_config": _TEXT | {"rope_parameters": _ROPE, "rope_scaling": _ROPE},
        "vision_config": {
            "depth": 1, "embed_dim": 16, "hidden_size": 32, "num_heads": 2, "patch_size": 8, "mlp_ratio": 1,
        },
    },
    "qwen2_5_vl": _QWEN
    | {"text_config": _TEXT | {"rope_parameters": _ROPE, "rope_scaling": _ROPE}, "vision_config": _QWEN_VISION},
    "qwen3_vl": _QWEN
    | {
        "text_config": _TEXT | {"rope_parameters": _ROPE, "rope_scaling": _ROPE},
        "vision_config": _QWEN_VISION | {"num_position_embeddings": 16, "deepstack_visual_indexes": [0]},
    },
    "llava": {
        "text_config": _TEXT | {"model_type": "llama"},
        "vision_config": _VISION | {"model_type": "clip_vision_model"},
        "image_token_index": 124,
    },
    "idefics3": {"text_config": _TEXT | {"model_type": "llama"}, "vision_config": _VISION, "image_token_id": 124},
    "gemma3": {
        "text_config": _TEXT | {"model_type": "gemma3_text", "sliding_window": 12, "query_pre_attn_scalar": 8},
        "vision_config": _VISION | {"model_type": "siglip_vision_model"},
        "image_token_index": 124, "boi_token_index": 125, "eoi_token_index": 126, "mm_tokens_per_image": 4,
    },
}  # fmt: skip
MROPE = ("qwen2_vl", "qwen2_5_vl", "qwen3_vl")


def wrapper(kind: str, **changes: Any) -> Any:
    if VERSION < (4, 52) and kind in ("qwen2_vl", "qwen2_5_vl"):
        pytest.skip(f"transformers {transformers.__version__} keeps the text of {kind} in the wrapper's own config")
    skip_old_llama4(kind)
    config = config_of(kind, **(WRAPPERS[kind] | changes))
    torch.manual_seed(0)
    network = transformers.AutoModelForImageTextToText.from_config(config).eval()
    with torch.no_grad():
        for parameter in network.parameters():
            if parameter.ndim > 1:
                parameter.normal_(std=1.5 / parameter.shape[-1] ** 0.5)
    return network


def saved_wrapper(folder: Path, kind: str, **changes: Any) -> Any:
    network = wrapper(kind, **changes)
    network.save_pretrained(folder)
    tiny_tokenizer().save_pretrained(folder)
    return network


@pytest.fixture(scope="module")
def qwen(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Any]:
    folder = tmp_path_factory.mktemp("qwen")
    return folder, saved_wrapper(folder, "qwen2_vl")


def plain_logprobs(network: Any, ids: torch.Tensor) -> torch.Tensor:
    """Of each token after the first, from all logits: (rows, T - 1)."""
    # Llama 4's wrapper fails without images in transformers 5.24 (image_outputs): its text model is the reference.
    whole = network.language_model if network.config.model_type == "llama4" else network
    with torch.no_grad():
        logits = whole(input_ids=ids, use_cache=False).logits.double()
    return logits.log_softmax(-1)[:, :-1].gather(-1, ids[:, 1:, None])[..., 0]


@pytest.mark.parametrize("kind", WRAPPERS)
def test_text_is_scored_as_the_whole_network_scores_it(tmp_path: Path, kind: str) -> None:
    network = saved_wrapper(tmp_path, kind)
    model = load_model(str(tmp_path), device="cpu")
    assert model.max_length == MAX_LENGTH == context_window(find_checkpoint(str(tmp_path)))
    assert model.info.vocab_size == VOCAB
    assert model.head is not None
    ids = torch.randint(2, 120, (3, 40), generator=torch.Generator().manual_seed(1))
    features, _ = model.forward(ids)
    found = model.target_logprobs(features[:, :-1].flatten(0, 1), ids[:, 1:].flatten()).logprob.view(3, -1)
    assert found.dtype == torch.float32
    torch.testing.assert_close(found.double(), plain_logprobs(network, ids), atol=1e-4, rtol=0)


@pytest.mark.parametrize("kind", MROPE)
def test_text_positions_are_the_three_rows_of_a_multimodal_rotary(tmp_path: Path, kind: str) -> None:
    """Counted from 5 as from 0 on three axes alike: what a shared context relies on."""
    network = saved_wrapper(tmp_path, kind)
    model = load_model(str(tmp_path), device="cpu")
    assert model.shares_prefix
    ids = torch.randint(2, 120, (2, 12), generator=torch.Generator().manual_seed(2))
    positions = torch.tensor([[*range(12)], [*range(5, 17)]])
    ours, _ = model.forward(ids, position_ids=positions)
    with torch.no_grad():
        whole = network(input_ids=ids, position_ids=positions.expand(3, -1, -1), use_cache=False).logits
    assert model.head is not None
    torch.testing.assert_close(model.head.logits(ours[1]), whole[1], atol=1e-4, rtol=1e-4)
    torch.testing.assert_close(model.head.logits(ours[0]), network(input_ids=ids[:1]).logits[0], atol=1e-4, rtol=1e-4)


def test_no_probe_holds_the_place_of_an_image(qwen: tuple[Path, Any]) -> None:
    network = qwen[1]
    assert placeholder_ids(network.config) >= {124, 125, 126, 127}
    probed = {int(i) for seed in range(40) for i in probe_ids(network, 24, seed)[0]}
    assert probed.isdisjoint(range(124, 128))
    assert len(probed) > 100
    assert text_config(network.config).vocab_size == VOCAB


def copied(folder: Path, to: Path) -> Path:
    for file in folder.iterdir():
        (to / file.name).write_bytes(file.read_bytes())
    return to


def test_weights_of_the_text_that_are_missing_are_an_error(qwen: tuple[Path, Any], tmp_path: Path) -> None:
    folder = copied(qwen[0], tmp_path)
    tensors = load_file(folder / WEIGHTS)
    (lost,) = [key for key in tensors if key.endswith("layers.1.mlp.up_proj.weight")]
    save_file({key: tensor for key, tensor in tensors.items() if key != lost}, folder / WEIGHTS, {"format": "pt"})
    with pytest.raises(ModelError, match=r"1 weights are not in the files, first .*layers\.1\.mlp\.up_proj\.weight"):
        load_model(str(folder), device="cpu")


def test_weights_around_the_text_that_nothing_needs_are_no_fault(tmp_path: Path) -> None:
    saved_wrapper(tmp_path, "llama4")
    model = load_model(str(tmp_path), device="cpu")
    assert type(model.network).__name__ == "Llama4ForCausalLM"
    (warning,) = model.warnings
    assert "weights in the files are not used, first multi_modal_projector" in warning


def test_a_text_that_looks_ahead_is_not_causal(tmp_path: Path) -> None:
    if "use_bidirectional_attention" not in AutoConfig.for_model("gemma3_text").to_dict():
        pytest.skip("this transformers has no Gemma 3 that looks ahead")
    text = WRAPPERS["gemma3"]["text_config"] | {"use_bidirectional_attention": True}
    saved_wrapper(tmp_path, "llava", text_config=text)
    with pytest.raises(ModelError, match=r"not a causal LM: its states change when later tokens do \(llava\)"):
        load_model(str(tmp_path), device="cpu")


@pytest.mark.parametrize("kind", ["t5gemma", "t5gemma2", "florence2"])
def test_an_encoder_and_a_decoder_are_not_one_text_model(tmp_path: Path, kind: str) -> None:
    config_of(kind)
    (tmp_path / "config.json").write_text(json.dumps({"model_type": kind}))
    tiny_tokenizer().save_pretrained(tmp_path)
    save_file({"weight": torch.zeros(1)}, tmp_path / WEIGHTS, {"format": "pt"})
    with pytest.raises(ModelError, match=rf"not a decoder-only causal LM \({kind}: encoder-decoder\)"):
        load_model(str(tmp_path), device="cpu")


def test_the_inner_model_alone_has_no_head(tmp_path: Path) -> None:
    if VERSION < (4, 52):
        pytest.skip(f"transformers {transformers.__version__} has no class for the inner model alone")
    config = AutoConfig.for_model("mistral3", **WRAPPERS["mistral3"])
    AutoModel.from_config(config).save_pretrained(tmp_path)
    tiny_tokenizer().save_pretrained(tmp_path)
    with pytest.raises(ModelError, match=r"Mistral3Model\); its weights have no language-model head"):
        load_model(str(tmp_path), device="cpu")


def test_what_generation_stops_at_may_stand_in_the_texts_config(qwen: tuple[Path, Any], tmp_path: Path) -> None:
    folder = copied(qwen[0], tmp_path)
    (folder / "generation_config.json").unlink(missing_ok=True)
    config = json.loads((folder / "config.json").read_text())
    config.pop("eos_token_id", None)
    config["text_config"]["eos_token_id"] = [1, 7]
    (folder / "config.json").write_text(json.dumps(config))
    assert stop_ids(find_checkpoint(str(folder))) == (1, 7)


PARTS = (
    "{% for message in messages %}[{{ message['role'] }}]{% for part in message['content'] %}"
    "{% if part['type'] == 'text' %}{{ part['text'] }}{% endif %}{% endfor %}[end]{% endfor %}"
)


def test_the_processors_chat_template_serves_where_the_tokenizer_has_none(
    qwen: tuple[Path, Any], tmp_path: Path
) -> None:
    folder = copied(qwen[0], tmp_path)
    revision = find_checkpoint(str(folder)).revision
    assert load_model(str(folder), device="cpu").tokenizer.chat_template is None
    plain = "{% for message in messages %}[{{ message['role'] }}]{{ message['content'] }}[end]{% endfor %}"
    turns = [{"role": "system", "content": "Be brief."}, {"role": "user", "content": "the cat?"}]
    for template in (plain, PARTS):  # the second reads texts as parts only, as many processors' do
        (folder / "chat_template.json").write_text(json.dumps({"chat_template": template}))
        assert find_checkpoint(str(folder)).revision != revision
        tokenizer = load_model(str(folder), device="cpu").tokenizer
        written = tokenizer.apply_chat_template(turns, tokenize=False)
        assert written == "[system]Be brief.[end][user]the cat?[end]"
        assert (tokenizer.chat_template == template) == (template == plain)
