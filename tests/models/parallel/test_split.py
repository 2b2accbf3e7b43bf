"""Two real processes: copies that share the items, and one model split over both, against one process's whole rows."""

from __future__ import annotations

import os
import pickle
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from families import save_tiny
from whole_rows import make_task, whole_rows

from calibaudit.kernels import linear_logprobs
from calibaudit.models.model import load_model
from calibaudit.scores.thinking import Thinking
from calibaudit.scoring.score import score
from calibaudit.scoring.thoughts import ThoughtPrompt, think

THINKER = Path(__file__).resolve().parents[2] / "saved" / "thinker"
N_ITEMS, N_KEPT = 30, 11

RUN = (
    """
import dataclasses, pickle, sys
import torch
from calibaudit.errors import CalibauditError
from calibaudit.models import distributed
from calibaudit.models.model import load_model
from calibaudit.models.parallel.split import SplitHead
from calibaudit.scores.thinking import Thinking
from calibaudit.scoring import batches, score as scoring
from calibaudit.scoring.thoughts import think
from pathlib import Path
from whole_rows import make_task

folder, thinker, place = sys.argv[1], sys.argv[2], Path(sys.argv[3])
task, found, answered = make_task(%d), {}, []
complete = scoring._complete
def counted(prompts, *rest):
    answered.append(len(prompts))
    complete(prompts, *rest)
scoring._complete = counted
for parallel in ("data", "tensor"):
    model = load_model(folder, parallel=parallel)
    found[parallel] = scoring.score(task, model).logprobs
    found[parallel + " info"] = (model.n_ranks, model.info.device, model.shares_prefix, model.info.n_parameters)
    found[parallel + " kept"] = scoring.score(task, model, cache_dir=place / parallel).logprobs
given = pickle.loads((place / "head").read_bytes())
for name, (weight, bias, vocab_size, hidden, targets, options) in given.items():
    rows = -(-len(weight) // 2)
    first, last = distributed.rank() * rows, (distributed.rank() + 1) * rows
    own = SplitHead(weight[first:last], bias[first:last], vocab_size=vocab_size, first=first, **options)
    found[name] = tuple(own.logprobs(hidden, targets)), own.logits(hidden)
found["thoughts"] = think(load_model(thinker, parallel="tensor"), given_prompts := pickle.loads((place / "prompts").read_bytes()), Thinking(24))
try:
    load_model(thinker, parallel="tensor:3")
except CalibauditError as error:
    found["refused"] = str(error)
found["answered"] = answered
distributed.join(2)
found["told"] = distributed.once_a_node(lambda: distributed.rank() + 5), distributed.gathered([distributed.rank()], 2)
(place / f"found{distributed.rank()}").write_bytes(pickle.dumps(found))
"""
    % N_ITEMS
)


def heads() -> dict[str, Any]:
    """An output layer whose 131 rows two processes cannot share evenly, and padding rows that reach into one's share."""
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


@pytest.fixture(scope="module")
def tiny(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return save_tiny(tmp_path_factory.mktemp("split") / "model", "llama", vocab_size=132)


@pytest.fixture(scope="module")
def prompts() -> list[ThoughtPrompt]:
    return [ThoughtPrompt(f"{i}", f"<|im_start|>user\n{i:03d}<think>\n", "</think>") for i in range(5)]


@pytest.fixture(scope="module")
def found(tiny: Path, prompts: list[ThoughtPrompt], tmp_path_factory: pytest.TempPathFactory) -> list[dict[str, Any]]:
    """What each of two processes found."""
    if not torch.distributed.is_available():
        pytest.skip("this torch has no distributed package")
    place = tmp_path_factory.mktemp("found")
    (place / "head").write_bytes(pickle.dumps(heads()))
    (place / "prompts").write_bytes(pickle.dumps(prompts))
    (place / "run.py").write_text(RUN)
    few = make_task(N_ITEMS)
    score(few.only([item.id for item in few.items[:N_KEPT]]), load_model(str(tiny)), cache_dir=place / "data")
    tests = Path(__file__).resolve().parents[2]
    env = {**os.environ, "PYTHONPATH": os.pathsep.join([str(tests), str(tests.parent)]), "OMP_NUM_THREADS": "1"}
    launcher = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2"]
    done = subprocess.run(
        [*launcher, str(place / "run.py"), str(tiny), str(THINKER), str(place)], env=env, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr[-3000:]
    return [pickle.loads((place / f"found{rank}").read_bytes()) for rank in range(2)]


@pytest.mark.parametrize("parallel", ["data", "tensor", "data kept", "tensor kept"])
def test_two_processes_give_what_whole_rows_give(parallel: str, tiny: Path, found: list[dict[str, Any]]) -> None:
    expected = whole_rows(make_task(N_ITEMS), load_model(str(tiny)))
    for own in found:
        for row, values in zip(own[parallel], expected, strict=True):
            np.testing.assert_allclose(row[: len(values)], values, atol=1e-4)


def test_a_split_model_is_told_apart_and_shares_its_contexts(tiny: Path, found: list[dict[str, Any]]) -> None:
    n_parameters = load_model(str(tiny)).info.n_parameters
    for own in found:
        assert own["data info"] == (1, "cpu", True, n_parameters)
        assert own["tensor info"] == (2, "2 x cpu", True, n_parameters)


def test_copies_share_what_is_missing_and_parts_do_all_of_it(found: list[dict[str, Any]]) -> None:
    """data, data with N_KEPT items kept, tensor, tensor with an empty folder; each asks its questions and no bare ones."""
    counts = [[n for n in own["answered"] if n] for own in found]
    fresh, kept = (sum(own[i] for own in counts) for i in (0, 1))
    assert (fresh, kept) == (N_ITEMS, N_ITEMS - N_KEPT)
    assert abs(counts[0][1] - counts[1][1]) <= 4  # by cost, so not to the item
    assert [own[2:] for own in counts] == [[N_ITEMS, N_ITEMS]] * 2


@pytest.mark.parametrize("name", heads())
def test_a_split_head_gives_what_the_whole_head_gives(name: str, found: list[dict[str, Any]]) -> None:
    weight, bias, vocab_size, hidden, targets, options = heads()[name]
    whole = linear_logprobs(hidden, weight, targets, bias=bias, vocab_size=vocab_size, **options)
    z = (hidden.double() @ weight[:vocab_size].double().T + bias[:vocab_size].double()) * options["logit_scale"]
    z = z if options["softcap"] is None else options["softcap"] * torch.tanh(z / options["softcap"])
    exact = torch.where(
        targets == -100, 0.0, z.log_softmax(-1).gather(1, targets.clamp(min=0).view(9, -1)).view(targets.shape)
    )
    for own in found:
        (logprob, lse, top_logprob, top_token), logits = own[name]
        torch.testing.assert_close(logits.double(), z, atol=2e-5, rtol=1e-5)
        torch.testing.assert_close(logprob.double(), exact, atol=2e-5, rtol=1e-6)
        torch.testing.assert_close(lse.double(), z.logsumexp(-1), atol=2e-5, rtol=1e-6)
        torch.testing.assert_close(top_logprob, whole.top_logprob, atol=2e-5, rtol=1e-6)
        assert torch.equal(top_token, whole.top_token)


def test_a_split_model_writes_the_thoughts_that_one_process_writes(
    prompts: list[ThoughtPrompt], found: list[dict[str, Any]]
) -> None:
    expected = think(load_model(str(THINKER)), prompts, Thinking(24))
    assert [own["thoughts"] for own in found] == [expected] * 2


def test_processes_tell_each_other(found: list[dict[str, Any]]) -> None:
    assert [own["told"] for own in found] == [(5, [0])] * 2
    assert all("2 processes on this machine are no multiple of 3" in own["refused"] for own in found)
