"""Models: the head apart, padding, caches and fallbacks, on tiny random networks of every family."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch
import transformers
from torch import nn
from transformers import AutoConfig, AutoModelForCausalLM, PretrainedConfig, PreTrainedModel
from transformers.modeling_outputs import BaseModelOutputWithPast, CausalLMOutputWithPast

from calibaudit.errors import ModelError
from calibaudit.models.model import Model, load_model
from tests import families
from tests.families import (
    BIASED,
    COPIES_STATES,
    FAMILIES,
    MAX_LENGTH,
    OLD_MASKS,
    VOCAB,
    WINDOW,
    WINDOWED,
    config_of,
    save_tiny,
    tiny_network,
)

UNSHARED = (*families.UNSHARED, "gpt2") if OLD_MASKS else families.UNSHARED  # its old code takes no mask of two axes
WHOLE = ("gemma2", "gemma3") if OLD_MASKS else ()  # nor does theirs, whose caches cannot be copied either
IDS = torch.randint(2, VOCAB, (3, 40), generator=torch.Generator().manual_seed(5))


@pytest.fixture(scope="module", params=FAMILIES)
def pair(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> tuple[str, Any, Model]:
    """(family, the network as it was before saving, the loaded model)."""
    network = tiny_network(request.param)
    return (
        request.param,
        network,
        load_model(str(save_tiny(tmp_path_factory.mktemp("m"), network=network)), device="cpu"),
    )


def all_logprobs(model: Model, rows: torch.Tensor) -> torch.Tensor:
    """(n, V): every token asked for as a target."""
    targets = torch.arange(model.info.vocab_size).expand(rows.shape[0], -1)
    return model.target_logprobs(rows, targets).logprob


def test_logprobs_equal_log_softmax_of_the_models_own_logits(pair: tuple[str, Any, Model]) -> None:
    _, network, model = pair
    with torch.no_grad():
        expected = network(IDS).logits.log_softmax(-1).flatten(0, 1)
    features, cache = model.forward(IDS)
    assert cache is None
    found = all_logprobs(model, features.flatten(0, 1))
    assert found.dtype == torch.float32
    torch.testing.assert_close(found, expected, atol=1e-5, rtol=0)
    result = model.target_logprobs(features[0], IDS[0])
    torch.testing.assert_close(result.top_logprob, expected[:40].max(1).values, atol=1e-5, rtol=0)
    assert torch.equal(result.top_token, expected[:40].argmax(1))


def assert_shares(model: Model, family: str) -> None:
    """By a mask or by copies, without a word; or neither, and the model says so."""
    if family in WHOLE:
        assert not model.shares_prefix
        assert not model.copies_cache
        (warning,) = model.warnings
        assert warning.endswith("each choice runs the whole row, which is slower")
    else:
        assert model.shares_prefix or model.copies_cache
        assert model.warnings == ()


def test_every_family_is_taken_apart_with_its_own_scale_cap_and_bias(pair: tuple[str, Any, Model]) -> None:
    family, _, model = pair
    assert model.head is not None
    assert model.info.head == "separated"
    assert_shares(model, family)
    assert model.head.softcap == (3.0 if family.startswith("gemma") else None)
    assert model.head.logit_scale == pytest.approx({"cohere": 0.25, "granite": 1 / 3}.get(family, 1.0))
    assert (model.head.bias is not None) == (family in BIASED)
    assert model.head.vocab_size == model.info.vocab_size == VOCAB
    assert model.sliding_window == (WINDOW if family in WINDOWED else None)


def test_info_names_what_was_loaded(pair: tuple[str, Any, Model]) -> None:
    family, network, model = pair
    assert model.info.family == FAMILIES[family]["model_type"]
    assert model.info.n_parameters == sum(p.numel() for p in network.parameters())
    assert model.info.dtype == "float32"
    assert model.info.device == "cpu"
    assert model.info.revision.startswith("sha256:")
    assert model.prefix_token_id == 0
    assert not model.network.training
    assert not any(p.requires_grad for p in model.network.parameters())


@pytest.mark.parametrize("n_common", [0, 2, 15])
@pytest.mark.parametrize("lengths", [(3, 5), (2, 21), (30, 17)], ids=str)
def test_packed_rows_equal_whole_rows(pair: tuple[str, Any, Model], lengths: tuple[int, int], n_common: int) -> None:
    """Contexts with continuations side by side behind a block mask, what the contexts share cached or not."""
    family, network, model = pair
    if n_common >= min(lengths):
        return  # each context keeps a token after what is common
    if family in WHOLE:
        assert_shares(model, family)
        return
    if family in UNSHARED:
        assert not model.shares_prefix
        assert model.copies_cache
        return
    assert model.shares_prefix
    tails = [[IDS[2, :4], IDS[2, 5:6]], [IDS[2, 7:10], IDS[2, 20:21], IDS[2, 30:32]]]
    width = max(n + sum(map(len, tail)) for n, tail in zip(lengths, tails, strict=True))
    if OLD_MASKS and width > model.max_packed_length:
        return  # scoring keeps within it
    assert width <= model.max_packed_length, "also beyond the window"
    start = IDS[1, :n_common]
    contexts = [torch.cat([start, IDS[0, n_common:n]]) for n in lengths]
    ids, positions, ends = (torch.zeros((2, width), dtype=torch.int64) for _ in range(3))
    paths: list[list[list[int]]] = []
    for row, (context, tail) in enumerate(zip(contexts, tails, strict=True)):
        column = len(context)
        ids[row, :column], positions[row, :column], ends[row, :column] = context, torch.arange(column), width
        paths.append([])
        for tokens in tail:
            columns = torch.arange(column, column + len(tokens))
            ids[row, columns], ends[row, columns] = tokens, column + len(tokens)
            positions[row, columns] = columns - column + len(context)
            paths[-1].append([*range(len(context)), *columns.tolist()])
            column += len(tokens)
    mask = model.block_mask((ends - n_common)[:, n_common:], positions[:, n_common:], n_common, MAX_LENGTH)
    features, cache = None, None
    if n_common:
        features, cache = model.forward(start[None], past=model.empty_cache(packed=True), use_cache=True)
    for _attempt in range(2):  # the cache is not used up
        past = model.repeat_cache(cache, torch.tensor([0, 0])) if n_common else None
        rest, _ = model.forward(ids[:, n_common:], mask, positions[:, n_common:], past=past)
        states = rest if features is None else torch.cat([features.expand(2, -1, -1), rest], dim=1)
        for row, (context, tail) in enumerate(zip(contexts, tails, strict=True)):
            for tokens, path in zip(tail, paths[row], strict=True):
                with torch.no_grad():
                    expected = network(torch.cat([context, tokens])[None]).logits[0].log_softmax(-1)
                torch.testing.assert_close(all_logprobs(model, states[row, path]), expected, atol=1e-4, rtol=0)


@pytest.mark.parametrize("family", ["gemma2", "gemma3"])
def test_gemma_shares_prefixes(family: str, tmp_path: Path) -> None:
    """True of real checkpoints (windows of 512 and more), at least within them; before transformers 4.53 of none."""
    model = load_model(str(save_tiny(tmp_path, network=tiny_network(family, sliding_window=64))), device="cpu")
    assert_shares(model, family)
    assert model.shares_prefix != OLD_MASKS
    assert model.sliding_window == 64


def test_right_padding_changes_nothing(pair: tuple[str, Any, Model]) -> None:
    _, _, model = pair
    alone, _ = model.forward(IDS[:1, :13])
    ids = IDS.clone()
    ids[0, 13:] = 0
    padded, _ = model.forward(ids)
    torch.testing.assert_close(padded[0, :13], alone[0], atol=1e-4, rtol=1e-4)


def test_window_matters_in_these_networks(pair: tuple[str, Any, Model]) -> None:
    """Else the tests above would prove nothing about windows."""
    family, _, model = pair
    changed = IDS[:1].clone()
    changed[0, 0] = (changed[0, 0] + 1) % VOCAB
    n_layers = len([name for name, _ in model.network.named_modules() if name.endswith("mlp")])
    before, after = model.forward(IDS[:1])[0][0], model.forward(changed)[0][0]
    reach = n_layers * WINDOW + 1
    everywhere_windowed = family in ("mistral", "phi3") or (OLD_MASKS and family == "qwen2-window")
    assert ((before - after)[reach:].abs().max() < 1e-6) == everywhere_windowed


def test_bfloat16_is_kept_and_close(tmp_path: Path) -> None:
    network = tiny_network("gemma2").bfloat16()
    model = load_model(str(save_tiny(tmp_path, network=network)), device="cpu")
    assert model.info.dtype == "bfloat16"
    assert model.head is not None
    assert model.head.softcap == 3.0
    features, _ = model.forward(IDS)
    with torch.no_grad():
        naive = network(IDS).logits.float().log_softmax(-1).flatten(0, 1)
    hidden, weight = features.flatten(0, 1).double(), model.head.weight.double()
    exact = (3.0 * torch.tanh(hidden @ weight.T / 3.0)).log_softmax(-1)
    error = (all_logprobs(model, features.flatten(0, 1)) - exact).abs().max()
    assert error <= (naive - exact).abs().max() / 100  # the head is in float32, the network's own logits are not


def test_float16_becomes_float32_on_a_cpu_unless_asked_for(tmp_path: Path) -> None:
    path = str(save_tiny(tmp_path, network=tiny_network("llama").half()))
    model = load_model(path, device="cpu")
    assert model.info.dtype == "float32"
    assert any("float16" in warning for warning in model.warnings)
    asked = load_model(path, device="cpu", dtype="float16")
    assert asked.info.dtype == "float16"
    assert asked.head is not None
    assert asked.warnings == ()


class OddConfig(PretrainedConfig):
    model_type = "calibaudit_odd"

    def __init__(self, kind: str = "shift", **kwargs: Any) -> None:
        self.kind = kind
        self.vocab_size = VOCAB
        self.max_position_embeddings = MAX_LENGTH
        super().__init__(**({"tie_word_embeddings": False} | kwargs))


class OddBody(PreTrainedModel):
    config_class = OddConfig

    def __init__(self, config: OddConfig) -> None:
        super().__init__(config)
        self.embed = nn.Embedding(VOCAB, 16)
        self.mix = nn.Linear(16, 16)
        self.post_init()

    def forward(self, input_ids: torch.Tensor, attention_mask: Any = None, use_cache: Any = None) -> Any:
        embedded = self.embed(input_ids)
        if self.config.kind == "backward":
            embedded = embedded.flip(1)
        hidden = self.mix(embedded.cumsum(1))
        return BaseModelOutputWithPast(last_hidden_state=hidden.flip(1) if self.config.kind == "backward" else hidden)


class OddForCausalLM(PreTrainedModel):
    """A mean over the past for attention. `shift`: its logits are not linear in its states. `direct`: the head's output
    layer is hidden. `backward`: sees later tokens. `plain`: separable, but keeps no cache."""

    config_class = OddConfig
    base_model_prefix = "body"

    def __init__(self, config: OddConfig) -> None:
        super().__init__(config)
        self.body = OddBody(config)
        self.out = nn.Linear(16, VOCAB)
        self.post_init()

    def get_input_embeddings(self) -> Any:
        return self.body.embed

    def get_output_embeddings(self) -> Any:
        return None if self.config.kind == "direct" else self.out

    def forward(self, input_ids: torch.Tensor, attention_mask: Any = None, use_cache: Any = None) -> Any:
        logits = self.out(self.body(input_ids, attention_mask).last_hidden_state)
        if self.config.kind == "shift":
            logits = logits + torch.sin(logits)
        return CausalLMOutputWithPast(logits=logits)


AutoConfig.register("calibaudit_odd", OddConfig)
AutoModelForCausalLM.register(OddConfig, OddForCausalLM)


def odd(folder: Path, kind: str) -> tuple[Any, str]:
    torch.manual_seed(0)
    network = OddForCausalLM(OddConfig(kind=kind))
    for parameter in network.parameters():
        nn.init.normal_(parameter, std=0.3)
    return network, str(save_tiny(folder, network=network))


@pytest.mark.parametrize(("kind", "said"), [("shift", "not a scaled"), ("direct", "no plain linear output layer")])
def test_a_head_that_cannot_be_separated_falls_back_and_says_so(tmp_path: Path, kind: str, said: str) -> None:
    network, path = odd(tmp_path, kind)
    model = load_model(path, device="cpu")
    assert model.head is None
    assert model.info.head == "own logits"
    assert said in model.warnings[0]
    assert "own logits" in model.warnings[0]
    features, _ = model.forward(IDS)
    assert features.shape == (3, 40, VOCAB)
    with torch.no_grad():
        expected = network(IDS).logits.log_softmax(-1)
    torch.testing.assert_close(all_logprobs(model, features[1]), expected[1], atol=1e-5, rtol=0)
    picked = model.target_logprobs(features[:, -1], torch.tensor([[4, -100], [5, 6], [7, -100]])).logprob
    assert picked[0, 0] == pytest.approx(expected[0, -1, 4].item(), abs=1e-5)
    assert picked[0, 1] == 0


def test_a_family_whose_decoder_is_the_output_layer_is_scored(tmp_path: Path) -> None:
    """ModernBERT's decoder family: what is looked for between hidden states and logits gives logits there."""
    tokens = dict.fromkeys(("pad_token_id", "bos_token_id", "eos_token_id", "cls_token_id", "sep_token_id"), 1)
    sizes = {"vocab_size": VOCAB, "hidden_size": 32, "intermediate_size": 48, "num_hidden_layers": 2}
    config = config_of("modernbert-decoder", num_attention_heads=4, **sizes, **tokens)
    torch.manual_seed(0)
    network = AutoModelForCausalLM.from_config(config).eval()
    model = load_model(str(save_tiny(tmp_path, network=network)), device="cpu")
    with torch.no_grad():
        expected = network(IDS).logits.log_softmax(-1)[0]
    torch.testing.assert_close(all_logprobs(model, model.forward(IDS)[0][0]), expected, atol=1e-5, rtol=0)


def test_a_model_without_a_cache_says_that_contexts_are_not_shared(tmp_path: Path) -> None:
    model = load_model(odd(tmp_path, "plain")[1], device="cpu")
    assert model.head is not None
    assert not model.shares_prefix
    assert "no key-value cache" in model.warnings[0]


def test_a_model_that_sees_later_tokens_is_refused(tmp_path: Path) -> None:
    path = odd(tmp_path, "backward")[1]
    with pytest.raises(ModelError, match="not a causal LM: its states change when later tokens do"):
        load_model(path, device="cpu")


def test_a_recurrent_model_shares_contexts_by_copies_of_its_state(tmp_path: Path) -> None:
    settings = {"vocab_size": VOCAB, "hidden_size": 32, "state_size": 4, "num_hidden_layers": 2, "bos_token_id": 0}
    if not COPIES_STATES:
        pytest.skip(f"transformers {transformers.__version__} cannot copy Mamba's state")
    torch.manual_seed(0)
    network = AutoModelForCausalLM.from_config(AutoConfig.for_model("mamba", **settings, eos_token_id=1)).eval()
    model = load_model(str(save_tiny(tmp_path, network=network)), device="cpu")
    assert not model.shares_prefix
    assert model.copies_cache
    assert model.one_by_one  # its scan begins anew on several tokens
    assert model.warnings == ()
    with torch.no_grad():
        expected = network(IDS).logits.log_softmax(-1)[0]
    torch.testing.assert_close(all_logprobs(model, model.forward(IDS)[0][0]), expected, atol=1e-5, rtol=0)
    ids = IDS.clone()
    ids[0, 9:] = 0
    padded, _ = model.forward(ids)
    torch.testing.assert_close(all_logprobs(model, padded[0, :9]), expected[:9], atol=1e-5, rtol=0)


def test_a_scale_in_the_config_that_the_network_ignores_is_not_applied(tmp_path: Path) -> None:
    network = tiny_network("llama")
    network.config.logit_scale = 0.5
    network.config.final_logit_softcapping = 2.0
    model = load_model(str(save_tiny(tmp_path, network=network)), device="cpu")
    assert model.head is not None
    assert (model.head.logit_scale, model.head.softcap) == (1.0, None)


def test_longrope_says_where_its_factors_switch(tmp_path: Path) -> None:
    from calibaudit.models.lengths import rope_switch

    config = SimpleNamespace(
        rope_scaling={"rope_type": "longrope", "long_factor": [1.0], "short_factor": [1.0]},
        original_max_position_embeddings=4096,
    )
    assert rope_switch(config) == 4096
    assert rope_switch(SimpleNamespace(rope_scaling=None)) is None
    assert load_model(str(save_tiny(tmp_path)), device="cpu").rope_switch is None


def test_the_window_follows_lm_evaluation_harness(tmp_path: Path) -> None:
    """The config's length, whatever the tokenizer says; the tokenizer's where the config has none."""
    from calibaudit.models.lengths import max_length

    tokenizer = SimpleNamespace(model_max_length=77)
    assert max_length(SimpleNamespace(max_position_embeddings=100), tokenizer) == 100
    assert max_length(SimpleNamespace(n_positions=50, max_position_embeddings=100), tokenizer) == 50
    assert max_length(SimpleNamespace(), tokenizer) == 77
    assert max_length(SimpleNamespace(), SimpleNamespace(model_max_length=int(1e30))) == 2048
