"""Two real processes: copies that share the items, and one model split over both, against one process's whole rows."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from families import save_tiny
from whole_rows import make_task, whole_rows

from calibaudit.errors import CalibauditError
from calibaudit.kernels import linear_logprobs
from calibaudit.models import distributed
from calibaudit.models.model import load_model
from calibaudit.models.parallel.split import SplitHead
from calibaudit.scores.thinking import Thinking
from calibaudit.scoring import score as scoring
from calibaudit.scoring.score import score
from calibaudit.scoring.thoughts import ThoughtPrompt, think
from tests.command import in_two

THINKER = Path(__file__).resolve().parents[2] / "saved" / "thinker"
N_ITEMS, N_KEPT = 30, 11


def ran(folder: Path, place: Path, prompts: list[ThoughtPrompt]) -> dict[Any, Any]:
    """What one of the two processes found."""
    found: dict[Any, Any] = {}
    answered: list[int] = []
    complete = scoring._complete

    def counted(questions: Any, *rest: Any, **named: Any) -> None:
        answered.append(len(questions))
        complete(questions, *rest, **named)

    task = make_task(N_ITEMS)
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(scoring, "_complete", counted)
        for parallel in ("data", "tensor"):
            model = load_model(str(folder), parallel=parallel)
            found[parallel] = score(task, model).logprobs
            found[parallel, "kept"] = score(task, model, cache_dir=place / parallel).logprobs
            info = model.info
            found[parallel, "info"] = (model.n_ranks, info.device, model.shares_prefix, info.n_parameters)
    for name, (weight, bias, vocab_size, hidden, targets, options) in heads().items():
        rows = -(-len(weight) // 2)
        first, last = distributed.rank() * rows, (distributed.rank() + 1) * rows
        own = SplitHead(weight[first:last], bias[first:last], vocab_size=vocab_size, first=first, **options)
        found[name] = tuple(own.logprobs(hidden, targets)), own.logits(hidden)
    found["thoughts"] = think(load_model(str(THINKER), parallel="tensor"), prompts, Thinking(24))
    try:
        load_model(str(THINKER), parallel="tensor:3")
    except CalibauditError as error:
        found["refused"] = str(error)
    found["answered"] = answered
    found["told"] = (
        distributed.once_a_node(lambda: distributed.rank() + 5),
        distributed.gathered([distributed.rank()], 2),
    )
    return found


def heads() -> dict[str, Any]:
    """131 rows, which two processes cannot share evenly, and padding among them that fills up to all of one's share."""
    rng = torch.Generator().manual_seed(3)
    weight, bias = torch.randn(131, 16, generator=rng), torch.randn(131, generator=rng)
    hidden = torch.randn(9, 16, generator=rng) * 3
    single = torch.tensor([0, 65, 66, 3, -100, 59, 12, 64, 1])
    several = torch.stack([single, single.flip(0), torch.full((9,), -100)], dim=1)
    made = {}
    for vocab_size in (131, 100, 66):
        for targets in (single, several):
            fitting = torch.where(targets < vocab_size, targets, -100)
            for options in ({"softcap": None, "logit_scale": 1.0}, {"softcap": 5.0, "logit_scale": 0.25}):
                made[f"{vocab_size} {targets.ndim} {options}"] = (weight, bias, vocab_size, hidden, fitting, options)
    return made


def test_two_processes_give_what_one_gives(tmp_path: Path) -> None:
    """In one test, as starting processes takes the time."""
    pytest.importorskip("transformers.distributed.mixin", reason="this transformers splits no model")
    folder, task = save_tiny(tmp_path / "model", "llama", vocab_size=132), make_task(N_ITEMS)
    prompts = [ThoughtPrompt(f"{i}", f"<|im_start|>user\n{i:03d}<think>\n", "</think>") for i in range(5)]
    one = load_model(str(folder))
    score(task.only([item.id for item in task.items[:N_KEPT]]), one, cache_dir=tmp_path / "data")
    found = in_two(ran, folder, tmp_path, prompts)
    expected, thoughts = whole_rows(task, one), think(load_model(str(THINKER)), prompts, Thinking(24))
    n = one.info.n_parameters
    for own in found:
        for case in ("data", ("data", "kept"), "tensor", ("tensor", "kept")):
            for row, values in zip(own[case], expected, strict=True):
                np.testing.assert_allclose(row[: len(values)], values, atol=1e-4)
        assert own["data", "info"] == (1, "cpu", True, n)
        assert own["tensor", "info"] == (2, "2 x cpu", True, n)
        check_heads(own)
        assert own["thoughts"] == thoughts
        assert own["told"] == (5, [0])
        assert "2 processes on this machine are not a multiple of 3" in own["refused"]
    # data, data where N_KEPT were kept, tensor, tensor with an empty folder: copies share what is missing, parts of one
    # do all of it. The bare questions of other scorings are none.
    counts = [[n for n in own["answered"] if n] for own in found]
    assert [sum(own[i] for own in counts) for i in (0, 1)] == [N_ITEMS, N_ITEMS - N_KEPT]
    assert abs(counts[0][1] - counts[1][1]) <= 4  # by cost, so not to the item
    assert [own[2:] for own in counts] == [[N_ITEMS, N_ITEMS]] * 2


def check_heads(own: dict[Any, Any]) -> None:
    """A split head against float64, and against the whole head."""
    for name, (weight, bias, vocab_size, hidden, targets, options) in heads().items():
        whole = linear_logprobs(hidden, weight, targets, bias=bias, vocab_size=vocab_size, **options)
        z = (hidden.double() @ weight[:vocab_size].double().T + bias[:vocab_size].double()) * options["logit_scale"]
        z = z if options["softcap"] is None else options["softcap"] * torch.tanh(z / options["softcap"])
        chosen = z.log_softmax(-1).gather(1, targets.clamp(min=0).view(len(z), -1)).view(targets.shape)
        (logprob, lse, top_logprob, top_token), logits = own[name]
        torch.testing.assert_close(logits.double(), z, atol=2e-5, rtol=1e-5)
        exact = torch.where(targets == -100, 0.0, chosen)
        torch.testing.assert_close(logprob.double(), exact, atol=2e-5, rtol=1e-6, msg=name)
        torch.testing.assert_close(lse.double(), z.logsumexp(-1), atol=2e-5, rtol=1e-6, msg=name)
        torch.testing.assert_close(top_logprob, whole.top_logprob, atol=2e-5, rtol=1e-6, msg=name)
        assert torch.equal(top_token, whole.top_token), name
