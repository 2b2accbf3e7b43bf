"""A temperature chosen for a checkpoint and written into it, against plain transformers and whole rows in float64."""

from __future__ import annotations

import dataclasses
import json
import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import transformers
from safetensors.torch import load_file, save_file
from scipy.special import log_softmax
from torch import Tensor
from transformers import AutoModelForCausalLM

import calibaudit.repair.tempering.temperature as temperature_module
from calibaudit.errors import CalibauditError, OutputError, ScoresError
from calibaudit.models.checkpoints import Checkpoint, fetch, find_checkpoint
from calibaudit.models.library import VERSION
from calibaudit.models.model import Model, load_model
from calibaudit.repair.tempering.greedy import contexts_of, counted_same, greedy_tokens
from calibaudit.repair.tempering.kept_states import KeptStates, scorer_at
from calibaudit.repair.tempering.temperature import ChosenTemperature, choose_aligned, choose_temperature
from calibaudit.repair.tempering.tempered import Placement, place_temperature, write_tempered
from calibaudit.scores.scores import Scores
from calibaudit.scores.thinking import Thinking, Thoughts
from calibaudit.scoring.score import score
from calibaudit.tasks.items import Item, Task
from calibaudit.tasks.load import load_tasks
from tests.families import AS_STORED, VOCAB, config_of, save_tiny, tiny_network
from tests.whole_rows import make_task, whole_rows

CLOSE = {torch.float32: 3e-6, torch.bfloat16: 2e-2}
"""Of the largest logit: a few roundings."""


def lively(family: str, dtype: torch.dtype = torch.float32, **changes: Any) -> Any:
    """A tiny network whose final norm's gains differ from one another."""
    network = tiny_network(family, **changes)
    generator = torch.Generator().manual_seed(7)
    with torch.no_grad():
        for name, parameter in network.named_parameters():
            if parameter.ndim == 1 and "norm" in name and name.endswith("weight"):
                parameter.add_(torch.rand(parameter.shape, generator=generator) - 0.3)
    return network.to(dtype)


def opened(folder: Path | str, dtype: str = "auto") -> tuple[Checkpoint, Model, Placement]:
    checkpoint = fetch(find_checkpoint(str(folder)))
    model = load_model(checkpoint, dtype=dtype, device="cpu")
    placement = place_temperature(model.network, checkpoint)
    assert isinstance(placement, Placement), placement
    return checkpoint, model, placement


@torch.no_grad()
def plain_logits(folder: Path) -> Tensor:
    """Of plain transformers."""
    ids = torch.randint(VOCAB, (2, 12), generator=torch.Generator().manual_seed(3))
    return AutoModelForCausalLM.from_pretrained(folder, **AS_STORED).eval()(input_ids=ids).logits.float()


def nll(scores: Sequence[Scores]) -> float:
    """The mean over all items, of the softmax of each item's choice scores."""
    found = [-log_softmax(part.choice_scores(), axis=1)[np.arange(part.n_items), part.answer] for part in scores]
    return float(np.concatenate(found).mean())


@pytest.mark.parametrize(
    ("family", "dtype"),
    [
        *((family, torch.float32) for family in ("llama-tied", "gpt2", "gpt-neox", "opt", "mpt", "cohere")),
        *((family, torch.bfloat16) for family in ("llama-tied", "gemma2", "phi", "granite")),
    ],
)
def test_what_is_written_gives_the_divided_logits_in_plain_transformers(
    family: str, dtype: torch.dtype, tmp_path: Path
) -> None:
    save_tiny(tmp_path / "before", network=lively(family, dtype))
    checkpoint, _, placement = opened(tmp_path / "before")
    write_tempered(checkpoint, 1.7, tmp_path / "after", placement)
    before, after = (plain_logits(tmp_path / name) for name in ("before", "after"))
    assert float((after - before / 1.7).abs().max() / before.abs().max()) < CLOSE[dtype]
    old, new = (load_file(tmp_path / name / "model.safetensors") for name in ("before", "after"))
    assert {name: value.dtype for name, value in old.items()} == {name: value.dtype for name, value in new.items()}
    n_changed = sum(not torch.equal(old[name], new[name]) for name in old)
    assert n_changed == len(placement.plan.tensors)


def test_a_wrappers_text_and_its_softcap(tmp_path: Path) -> None:
    """Gemma 3: the norm is named otherwise in the file than in the network; the cap stands in text_config."""
    if not hasattr(transformers, "AutoModelForImageTextToText"):
        pytest.skip("this transformers has no AutoModelForImageTextToText")
    text = {
        "vocab_size": VOCAB, "hidden_size": 32, "intermediate_size": 48, "num_hidden_layers": 2, "head_dim": 8,
        "num_attention_heads": 4, "num_key_value_heads": 2, "max_position_embeddings": 96, "bos_token_id": 0,
        "eos_token_id": 1, "pad_token_id": None, "sliding_window": 12, "query_pre_attn_scalar": 8,
        "final_logit_softcapping": 3.0,
    }  # fmt: skip
    vision = {
        "model_type": "siglip_vision_model", "hidden_size": 16, "intermediate_size": 16, "num_hidden_layers": 1,
        "num_attention_heads": 2, "image_size": 16, "patch_size": 8,
    }  # fmt: skip
    config = config_of(
        "gemma3", text_config=text, vision_config=vision, image_token_index=124, boi_token_index=125,
        eoi_token_index=126, mm_tokens_per_image=4,
    )  # fmt: skip
    torch.manual_seed(0)
    save_tiny(tmp_path / "before", network=transformers.AutoModelForImageTextToText.from_config(config).eval())
    checkpoint, model, placement = opened(tmp_path / "before")
    write_tempered(checkpoint, 2.0, tmp_path / "after", placement)
    after = load_model(str(tmp_path / "after"), device="cpu")
    ids = torch.randint(2, 120, (2, 12), generator=torch.Generator().manual_seed(3))
    with torch.no_grad():
        old, new = (one.network(input_ids=ids, use_cache=False).logits for one in (model, after))
    torch.testing.assert_close(new, old / 2, atol=1e-5, rtol=1e-5)
    settings = json.loads((tmp_path / "after" / "config.json").read_text())
    kept = settings["text_config"]["final_logit_softcapping"]
    assert kept == (1.5 if placement.plan.entries else 3.0)


def test_shards_and_an_adapter(tmp_path: Path) -> None:
    peft = pytest.importorskip("peft")
    save_tiny(tmp_path / "shards", network=lively("llama"), max_shard_size="20KB")
    assert len(list((tmp_path / "shards").glob("*.safetensors"))) > 1
    checkpoint, _, placement = opened(tmp_path / "shards")
    write_tempered(checkpoint, 3.0, tmp_path / "after", placement)
    before = plain_logits(tmp_path / "shards")
    torch.testing.assert_close(plain_logits(tmp_path / "after"), before / 3, atol=1e-5, rtol=1e-5)
    config = peft.LoraConfig(target_modules=["q_proj", "down_proj"], init_lora_weights=False, task_type="CAUSAL_LM")
    adapted = peft.get_peft_model(AutoModelForCausalLM.from_pretrained(tmp_path / "shards"), config)
    adapted.save_pretrained(tmp_path / "adapter")
    checkpoint, model, placement = opened(tmp_path / "adapter")
    ids = torch.randint(VOCAB, (2, 12), generator=torch.Generator().manual_seed(3))
    with torch.no_grad():
        whole = model.network(input_ids=ids).logits
    write_tempered(checkpoint, 3.0, tmp_path / "new" / "whole", placement)
    torch.testing.assert_close(plain_logits(tmp_path / "new" / "whole"), whole / 3, atol=1e-5, rtol=1e-5)
    assert not torch.allclose(whole, before, atol=1e-2)


@pytest.mark.skipif(VERSION < (5,), reason="before transformers 5 FP8 weights need a GPU")
def test_quantized_weights_stay_as_they_are(tmp_path: Path) -> None:
    """FP8 in blocks: the final norm is stored in plain numbers, and it alone changes."""
    folder = save_tiny(tmp_path / "before", network=lively("llama"))
    stored = load_file(folder / "model.safetensors")
    for key in [key for key in stored if key.endswith("proj.weight")]:
        rows, columns = stored[key].shape
        blocks = stored[key].reshape(rows // 16, 16, columns // 16, 16)
        scale = blocks.abs().amax((1, 3)) / 448
        rounded = (blocks / scale[:, None, :, None]).to(torch.float8_e4m3fn)
        stored[key], stored[f"{key}_scale_inv"] = rounded.reshape(rows, columns).contiguous(), scale
    save_file(stored, folder / "model.safetensors", {"format": "pt"})
    settings = json.loads((folder / "config.json").read_text())
    settings["quantization_config"] = {
        "quant_method": "fp8", "activation_scheme": "dynamic", "weight_block_size": [16, 16], "fmt": "e4m3",
    }  # fmt: skip
    (folder / "config.json").write_text(json.dumps(settings))
    checkpoint, model, placement = opened(folder)
    write_tempered(checkpoint, 1.7, tmp_path / "after", placement)
    after = load_model(str(tmp_path / "after"), device="cpu")
    assert after.info.quantization == "fp8, dequantized"
    ids = torch.randint(2, 120, (2, 12), generator=torch.Generator().manual_seed(3))
    with torch.no_grad():
        old, new = (one.network(input_ids=ids).logits for one in (model, after))
    torch.testing.assert_close(new, old / 1.7, atol=1e-5, rtol=1e-5)
    written = load_file(tmp_path / "after" / "model.safetensors")
    changed = [key for key in stored if not torch.equal(stored[key].float(), written[key].float())]
    assert changed == ["model.norm.weight"]


def test_temperature_1_is_a_copy_and_others_are_refused(tmp_path: Path) -> None:
    save_tiny(tmp_path / "before", "gemma2")
    checkpoint, _, placement = opened(tmp_path / "before")
    write_tempered(checkpoint, 1, tmp_path / "copy", placement)
    for name in ("model.safetensors", "tokenizer.json"):
        assert (tmp_path / "copy" / name).read_bytes() == (tmp_path / "before" / name).read_bytes()
    configs = [json.loads((tmp_path / name / "config.json").read_text()) for name in ("before", "copy")]
    assert configs[0] == configs[1]
    for bad in (0.0, -2.0, math.inf, math.nan):
        with pytest.raises(CalibauditError, match=r"logits are divided by a positive finite number"):
            write_tempered(checkpoint, bad, tmp_path / "none", placement)
    with pytest.raises(OutputError, match="copy"):
        write_tempered(checkpoint, 2.0, tmp_path / "copy", placement)
    assert not (tmp_path / "none").exists()
    save_tiny(tmp_path / "other", "gemma2", network=lively("gemma2"))
    with pytest.raises(CalibauditError, match=r"model\.norm\.weight is not among its stored weights"):
        write_tempered(fetch(find_checkpoint(str(tmp_path / "other"))), 2.0, tmp_path / "none", placement)


@pytest.mark.parametrize(
    ("family", "dtype"),
    [
        *(
            (family, torch.float32)
            for family in ("llama-tied", "gemma2", "gpt2", "phi", "granite", "opt", "qwen3-next")
        ),
        *((family, torch.bfloat16) for family in ("llama", "gemma3", "gptj", "bloom", "cohere", "falcon-h1")),
    ],
)
def test_kept_states_give_what_the_changed_network_gives(family: str, dtype: torch.dtype, tmp_path: Path) -> None:
    save_tiny(tmp_path, network=lively(family, dtype))
    _, model, placement = opened(tmp_path)
    ids = torch.randint(2, 120, (2, 12), generator=torch.Generator().manual_seed(5))
    features = model.forward(ids)[0][:, :-1].flatten(0, 1)
    targets = ids[:, 1:].reshape(-1, 1)
    found = scorer_at(model, placement, 2.3)(features, targets)
    placement.plan.apply(model.network, 1 / 2.3)
    with torch.no_grad():
        logits = model.network(input_ids=ids, use_cache=False).logits[:, :-1].flatten(0, 1)
    expected = logits.double().log_softmax(-1).gather(1, targets)
    spread = float(logits.float().max() - logits.float().min())
    assert float((found - expected).abs().max()) < CLOSE[dtype] * spread


def task_of(items: Sequence[Item], scoring: Any = "cloze") -> Task:
    return Task("made", "1", scoring, tuple(items))


def drawn(task: Task, scores: Scores, temperature: float, seed: int = 0) -> tuple[Task, Scores]:
    """The task with answers drawn from the scores at that temperature, which is then about the best one."""
    rng = np.random.default_rng(seed)
    probs = np.exp(log_softmax(scores.choice_scores() / temperature, axis=1))
    answers = [int(rng.choice(len(row), p=row / row.sum())) for row in probs]
    items = [dataclasses.replace(item, answer=a) for item, a in zip(task.items, answers, strict=True)]
    return task_of(items, task.scoring), dataclasses.replace(scores, answer=np.array(answers))


def one_token_task(n_items: int = 300) -> Task:
    """Openings of stories, and four words that are one token each."""
    rng = np.random.default_rng(1)
    words = ["the", "cat", "dog", "girl", "boy", "big", "red", "was", "day", "and"]
    items = []
    for i in range(n_items):
        context = "Once upon a time " + " ".join(rng.choice(words, int(rng.integers(1, 6))))
        items.append(Item(f"i{i}", context, ("the", "a", "was", "and"), 0))
    return task_of(items)


def test_logits_twice_as_large_need_twice_the_temperature(shared: Path) -> None:
    """stories260k-hot is stories260k with every logit doubled; the answers were drawn from the cold one at T 1.4."""
    found = []
    cold = load_model(str(shared / "models" / "stories260k"), device="cpu")
    task = one_token_task()
    task, _ = drawn(task, score(task, cold), 1.4)
    for name in ("stories260k", "stories260k-hot"):
        _, model, placement = opened(shared / "models" / name)
        scores = score(task, model)
        assert scores.n_tokens.max() == 1
        found.append(choose_temperature(model, [task], [scores], placement))
    assert found[0].temperature == pytest.approx(1.4, rel=0.25)
    assert found[1].temperature == pytest.approx(2 * found[0].temperature, rel=1e-4)
    assert found[1].loss == pytest.approx(found[0].loss, abs=1e-6)
    assert found[0].how.startswith("every choice is one token")
    assert not found[0].at_bound


def rescored(
    checkpoint: Checkpoint, placement: Placement, temperature: float, task: Task, folder: Path
) -> tuple[float, Model]:
    """The NLL of the checkpoint with that temperature in it, written, loaded, and scored in whole rows."""
    write_tempered(checkpoint, temperature, folder, placement)
    model = load_model(str(folder), device="cpu")
    exact = np.full((len(task.items), max(len(item.choices) for item in task.items)), -np.inf)
    for row, values in zip(exact, whole_rows(task, model), strict=True):
        row[: len(values)] = values
    scores = dataclasses.replace(score(task, model), logprobs=exact)
    return nll([scores]), model


@pytest.mark.parametrize("scoring", ["cloze", "cloze_byte", "cloze_token"])
def test_of_longer_choices_it_is_the_best_checkpoints(scoring: str, shared: Path, tmp_path: Path) -> None:
    """A real network: what is chosen, written and scored again has the promised NLL, and less than its neighbours."""
    checkpoint, model, placement = opened(shared / "models" / "stories260k")
    task = dataclasses.replace(make_task(24), scoring=scoring)
    task, scores = drawn(
        task, score(task, model), {"cloze": 6.0, "cloze_byte": 1.0, "cloze_token": 2.0}[scoring], seed=3
    )
    chosen = choose_temperature(model, [task], [scores], placement)
    assert 0.3 < chosen.temperature < 7
    assert chosen.loss_at_one == pytest.approx(nll([scores]), abs=1e-5)
    at = {
        factor: rescored(checkpoint, placement, chosen.temperature * factor, task, tmp_path / f"{factor}")[0]
        for factor in (0.95, 1.0, 1.05)
    }
    assert chosen.loss == pytest.approx(at[1.0], abs=2e-5)
    assert at[1.0] <= min(at.values())
    assert chosen.how.startswith("24 items of longer choices were scored at each T from hidden states computed once")
    divided = ChosenTemperature(*_best_of_saved(scores), 0, "")
    assert abs(math.log(divided.temperature / chosen.temperature)) > 0.01  # dividing the saved scores is another thing


def _best_of_saved(scores: Scores) -> tuple[float, float, float]:
    grid = np.exp(np.linspace(math.log(0.25), math.log(8), 2000))
    losses = [nll([dataclasses.replace(scores, logprobs=scores.logprobs / t)]) for t in grid]
    best = int(np.argmin(losses))
    return float(grid[best]), losses[best], nll([scores])


@pytest.mark.parametrize("family", ["bloom", "falcon-h1", "gemma2"])
def test_networks_whose_rows_run_otherwise(family: str, tmp_path: Path) -> None:
    """Copied caches, a scale in the config, windows and a softcap; PMI asks without the context too."""
    save_tiny(tmp_path / "before", network=lively(family))
    checkpoint, model, placement = opened(tmp_path / "before")
    task = dataclasses.replace(make_task(12, longest=20), scoring="pmi")
    scores = score(task, model)
    chosen = choose_temperature(model, [task], [scores], placement)
    write_tempered(checkpoint, chosen.temperature, tmp_path / "after", placement)
    after = score(task, load_model(str(tmp_path / "after"), device="cpu"))
    assert chosen.loss == pytest.approx(nll([after]), abs=1e-4)
    assert chosen.loss <= chosen.loss_at_one


def test_a_head_that_cannot_be_separated(tmp_path: Path) -> None:
    save_tiny(tmp_path / "before", network=lively("llama"))
    checkpoint, model, placement = opened(tmp_path / "before")
    model.head, model._body = None, model.network
    task = make_task(10, longest=10)
    scores = score(task, model)
    chosen = choose_temperature(model, [task], [scores], placement)
    write_tempered(checkpoint, chosen.temperature, tmp_path / "after", placement)
    after = score(task, load_model(str(tmp_path / "after"), device="cpu"))
    assert chosen.loss == pytest.approx(nll([after]), abs=1e-4)


def test_both_ways_agree_where_both_hold(shared: Path) -> None:
    """Single tokens: the saved scores divided, and the hidden states (as of choices that a token joins with the
    context). Thoughts before the answers are not run again."""
    _, model, placement = opened(shared / "models" / "stories260k")
    task = one_token_task(60)
    task, scores = drawn(task, score(task, model), 2.0)
    exact = choose_temperature(model, [task], [scores], placement)
    run_again = choose_temperature(model, [task], [dataclasses.replace(scores, n_healed=1)], placement)
    assert "hidden states" in run_again.how
    assert run_again.temperature == pytest.approx(exact.temperature, rel=5e-3)
    assert run_again.loss == pytest.approx(exact.loss, abs=1e-4)
    lengths = np.where(scores.n_bytes > 0, 1 + np.arange(scores.logprobs.shape[1]), 0)
    per_byte = dataclasses.replace(scores, scoring="cloze_byte", n_bytes=lengths)
    per_byte_task = dataclasses.replace(task, scoring="cloze_byte")
    assert "hidden states" in choose_temperature(model, [per_byte_task], [per_byte], placement).how
    for samples, n_tokens, said in ((1, 1, ""), (2, 1, "approximation"), (1, 2, "approximation")):
        thinking = Thoughts(Thinking(8, samples), 60 * samples, 0, 0, 3.0, scores.logprobs)
        thought = dataclasses.replace(scores, thinking=thinking, n_tokens=scores.n_tokens * n_tokens)
        found = choose_temperature(model, [task], [thought], placement)
        assert found.temperature == pytest.approx(exact.temperature, rel=1e-5)
        assert "thoughts, which are taken to stay" in found.how
        assert said in found.how
        assert ("approximation" in found.how) == bool(said)


def test_tasks_are_pooled_item_by_item(shared: Path) -> None:
    """One task of single tokens, one of longer choices: the loss is the mean over the items of both."""
    _, model, placement = opened(shared / "models" / "stories260k")
    short, long = one_token_task(30), dataclasses.replace(make_task(10), name="longer")
    (short, a), (_, b) = drawn(short, score(short, model), 2.0), drawn(long, score(long, model), 2.0)
    long = dataclasses.replace(long, items=drawn(long, b, 2.0)[0].items)
    b = score(long, model)
    both = choose_temperature(model, [short, long], [a, b], placement)
    assert both.loss_at_one == pytest.approx((30 * nll([a]) + 10 * nll([b])) / 40, abs=1e-6)
    assert both.n_items == 40
    assert both.how.startswith("10 items of longer choices")


def test_of_more_than_memory_holds_an_even_part(shared: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    _, model, placement = opened(shared / "models" / "stories260k")
    task = make_task(60)
    task, scores = drawn(task, score(task, model), 2.0)
    limit = int(scores.n_tokens.sum()) * 64 * 4 // 3  # a third of what the states of hidden size 64 would take
    monkeypatch.setattr(temperature_module, "MAX_BYTES", limit)
    kept: list[KeptStates] = []
    monkeypatch.setattr(temperature_module, "KeptStates", lambda: kept.append(KeptStates()) or kept[-1])
    found = choose_temperature(model, [task], [scores], placement)
    assert found.how.startswith("19 of 60 items of longer choices")  # a third, rounded down
    assert found.n_items == 19
    assert 0 < kept[0].n_bytes < 1.3 * limit


def test_scores_of_another_model_or_other_items_are_refused(shared: Path) -> None:
    _, model, placement = opened(shared / "models" / "stories260k")
    task = make_task(6)
    hot = score(task, load_model(str(shared / "models" / "stories260k-hot"), device="cpu"))
    with pytest.raises(ScoresError, match=r"task 'made': run again, .*stories260k gives scores that differ by"):
        choose_temperature(model, [task], [hot], placement)
    fewer = dataclasses.replace(task, items=task.items[:3])
    with pytest.raises(ScoresError, match="other items"):
        choose_temperature(model, [fewer], [score(task, model)], placement)
    with pytest.raises(ScoresError, match="other items"):
        choose_temperature(model, [], [score(task, model)], placement)
    scores = score(task, model)
    real = np.isfinite(scores.logprobs)
    turned = np.where(real, scores.logprobs[real].min() - scores.logprobs, -np.inf)  # the last is first
    with pytest.raises(ScoresError, match="agree on no item"):
        choose_aligned(model, [task], [dataclasses.replace(scores, logprobs=turned)], [scores], placement)


def test_without_labels_base_is_matched(shared: Path) -> None:
    """Base is the tuned model before its logits were doubled: whatever the choices, T is 2, and the match is exact."""
    names = ("stories260k", "stories260k-hot")
    base = load_model(str(shared / "models" / names[0]), device="cpu")
    _, model, placement = opened(shared / "models" / names[1])
    for task in (one_token_task(60), make_task(20)):
        before, after = score(task, base), score(task, model)
        found = choose_aligned(model, [task], [before], [after], placement)
        agree = before.choice_scores().argmax(axis=1) == after.choice_scores().argmax(axis=1)
        assert found.temperature == pytest.approx(2.0, rel=5e-3)
        logprobs = log_softmax(before.choice_scores(), axis=1)
        entropy = -(np.exp(logprobs) * np.where(np.isfinite(logprobs), logprobs, 0)).sum(axis=1)
        assert found.loss == pytest.approx(entropy[agree].mean(), abs=1e-4)


def test_where_labels_would_have_it_beyond_the_range(shared: Path) -> None:
    _, model, placement = opened(shared / "models" / "stories260k")
    task = one_token_task(20)
    scores = score(task, model)
    worst, best = (
        dataclasses.replace(scores, answer=getattr(scores.logprobs, name)(axis=1)) for name in ("argmin", "argmax")
    )
    for answered, bound in ((worst, 8.0), (best, 0.25)):
        found = choose_temperature(model, [task], [answered], placement)
        assert (found.temperature, found.at_bound) == (bound, True)


def test_the_demo_pair(tmp_path: Path) -> None:
    """bfloat16: what is promised from rounded numbers is what the written checkpoint gives, scored again."""
    checkpoint, model, placement = opened("demo:instruct")
    tasks = load_tasks(["arithmetic", "reading"], limit=20)
    scores = [score(task, model) for task in tasks]
    chosen = choose_temperature(model, tasks, scores, placement)
    assert "rounded to bfloat16" in chosen.how
    write_tempered(checkpoint, chosen.temperature, tmp_path / "after", placement)
    after = load_model(str(tmp_path / "after"), device="cpu")
    again = [score(task, after) for task in tasks]
    assert chosen.loss == pytest.approx(nll(again), abs=5e-3)
    assert nll(again) < nll(scores)
    contexts = contexts_of(model, tasks)
    same = counted_same(greedy_tokens(model, contexts), greedy_tokens(after, contexts))
    assert same.n == len(set(contexts)) == 40
    with torch.no_grad():
        flips = 0
        for context in contexts:
            old, new = (one.network(torch.tensor([context])).logits[0, -1].float() for one in (model, after))
            if old.argmax() != new.argmax():
                flips += 1
                top = old.topk(2).values
                assert float(top[0] - top[1]) < 0.05 * float(top[0].abs())  # a near tie
    assert abs((same.n - same.n_same) - flips) <= 1  # packed and single rows may round a tie apart
    assert same.n_same >= 38


def test_first_choices_are_counted(shared: Path) -> None:
    before = load_model(str(shared / "models" / "stories260k"), device="cpu")
    contexts = contexts_of(before, [one_token_task(40)])
    tokens = greedy_tokens(before, contexts, batch_size=7)
    with torch.no_grad():
        expected = [int(before.network(torch.tensor([c])).logits[0, -1].argmax()) for c in contexts]
    assert list(tokens) == expected
    n_changed = 3
    changed = [token + 1 if i < n_changed else token for i, token in enumerate(tokens)]
    found = counted_same(tokens, changed)
    assert (found.n, found.n_same) == (len(contexts), len(contexts) - n_changed)
