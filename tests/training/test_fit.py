"""The fit to tuning data, against a plain loop over the network's own logits."""

from __future__ import annotations

import pytest
import torch

from calibaudit.models.model import load_model
from calibaudit.training.data.encode import Example
from calibaudit.training.fit import fit_of
from calibaudit.training.results.fit import Fit, kept_share
from tests.families import VOCAB, save_tiny


def examples(n, seed=0):
    generator = torch.Generator().manual_seed(seed)
    found = []
    for i in range(n):
        ids = torch.randint(VOCAB, (3 + i % 9,), generator=generator).tolist()
        n_prompt = 1 + i % (len(ids) - 1)
        found.append(Example(tuple(ids), (-100,) * n_prompt + tuple(ids[n_prompt:])))
    return found


def looped(network, rows):
    nll, hits, n = 0.0, 0, 0
    for row in rows:
        logits = network(input_ids=torch.tensor([row.input_ids])).logits[0].double().log_softmax(-1)
        for position, label in enumerate(row.labels):
            if label != -100:
                nll -= logits[position - 1, label].item()
                hits += int(logits[position - 1].argmax() == label)
                n += 1
    return nll / n, hits / n, n


@pytest.mark.parametrize("family", ["llama", "gemma2", "gpt2"])
def test_equals_a_loop_over_whole_rows(tmp_path, family):
    model = load_model(str(save_tiny(tmp_path / family, family)), device="cpu")
    rows = examples(40)
    nll, top1, n_tokens = looped(model.network, rows)
    fit = fit_of(model, rows)
    assert fit.n_tokens == n_tokens
    assert fit.nll == pytest.approx(nll, abs=1e-4)
    assert fit.top1 == pytest.approx(top1)


def test_a_sample_is_taken_at_even_distances(tmp_path):
    model = load_model(str(save_tiny(tmp_path / "m")), device="cpu")
    rows = examples(41)
    assert fit_of(model, rows, 7) == fit_of(model, rows[::6], 100)


def test_kept_share():
    base, before = Fit(3.0, 0.2, 10), Fit(1.0, 0.7, 10)
    assert kept_share(base, before, Fit(1.5, 0.6, 10)) == pytest.approx(0.8)
    assert kept_share(base, before, base) == 0
    assert kept_share(base, Fit(2.9, 0.22, 10), before) is None
