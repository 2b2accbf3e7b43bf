"""The study of smoothing at toy size: the world's laws, what is measured in it, and how methods are compared."""

from __future__ import annotations

import csv
import re
from pathlib import Path

import numpy as np
import pytest
import torch
from torch.nn import functional as F

from benchmarks.studies import cells as study_cells
from benchmarks.studies import plots, tables
from benchmarks.studies.measuring import advice, answers, expected, stack
from benchmarks.studies.smoothing import ADVISED, Cell, Results, study
from benchmarks.studies.world import (
    ASK,
    CHAT,
    FULL,
    SMALL,
    Recipe,
    World,
    claims_loss,
    new_model,
    scaled,
    train_base,
    tune,
)
from calibaudit.advice.evidence import REGRETS, STUDY, evidence_for
from calibaudit.metrics import ece, ece_floor_interval

TOY = scaled(SMALL, n_entities=24, n_values=8, n_sft=48, n_advice=40, n_proof=60, base_steps=40, n_layers=1)
VOCAB = 256
STUDIES = Path(__file__).resolve().parents[1] / "docs" / "studies"


@pytest.fixture(scope="module")
def world() -> World:
    return World(TOY, VOCAB, seed=3)


@pytest.fixture(scope="module")
def base(world: World):
    torch.set_num_threads(1)
    return train_base(world, 32, "cpu")


def test_text_claims_what_the_posterior_says(world: World) -> None:
    rng = np.random.default_rng(0)
    facts = np.repeat(world.proof[:5], 20_000)
    claims = world.claims(facts, rng).reshape(5, -1)
    shares = np.stack([(claims == k).mean(axis=1) for k in range(4)], axis=1)
    assert np.abs(shares - world.posterior[world.proof[:5]]).max() < 0.02


def test_parts_of_the_facts_do_not_meet_and_options_differ(world: World) -> None:
    parts = [set(part.tolist()) for part in (world.sft, world.advice, world.proof)]
    assert len(set.union(*parts)) == sum(map(len, parts)) == 148
    for form in ("cloze", "letter"):
        options = world.options(np.arange(world.n_facts), form)
        assert all(len(set(row)) == 4 for row in options.tolist())
        assert options.max() < world.first_noise
    assert len(np.unique(world.letters)) == 4


def test_text_answers_questions_always_and_chats_half_of_the_time(world: World) -> None:
    rows, targets = world.text(20_000, np.random.default_rng(1))
    noise = targets >= world.first_noise
    assert not noise[rows[:, 0] == ASK].any()
    assert noise[rows[:, 0] == CHAT].mean() == pytest.approx(0.5, abs=0.02)
    assert noise[rows[:, 0] >= world.first_noise].all()


@pytest.mark.parametrize("scale", [SMALL, FULL])
def test_both_scales_fit_into_the_smallest_vocabulary(scale) -> None:
    world = World(scale, 2048, seed=0)
    rows, targets = world.text(256, np.random.default_rng(0))
    assert max(rows.max(), targets.max(), world.candidates.max()) < 2048


def test_claims_loss_is_the_mean_over_sentences() -> None:
    torch.manual_seed(0)
    states, weight = torch.randn(6, 8, requires_grad=True), torch.randn(50, 8, requires_grad=True)
    claims = torch.randint(50, (6, 4))
    whole = F.cross_entropy((states @ weight.T).repeat_interleave(4, 0), claims.reshape(-1))
    expected_gradients = torch.autograd.grad(whole, (states, weight))
    loss = claims_loss(states, weight, claims)
    assert torch.allclose(loss, whole, atol=1e-5)
    for found, wanted in zip(torch.autograd.grad(loss, (states, weight)), expected_gradients, strict=True):
        assert torch.allclose(found, wanted, atol=1e-6)


def test_true_posterior_is_calibrated(world: World) -> None:
    truth = world.posterior[world.proof]
    of_truth = expected(truth, truth)
    assert of_truth["gap"] == pytest.approx(0, abs=1e-12)
    assert of_truth["ece"] == pytest.approx(0, abs=1e-12)
    assert of_truth["kl_true"] == pytest.approx(0, abs=1e-12)
    rng = np.random.default_rng(5)
    facts = np.tile(np.arange(world.n_facts), 10)
    confidence = world.posterior[facts].max(axis=1)
    drawn = ece(confidence, world.claims(facts, rng) == world.posterior[facts].argmax(axis=1))
    *_, high = ece_floor_interval(confidence, rng=rng, level=0.999)
    assert drawn <= high


def test_expected_metrics_are_the_mean_over_every_answer(world: World) -> None:
    rng = np.random.default_rng(2)
    truth = world.posterior[world.proof]
    probs = rng.dirichlet(np.ones(4), len(truth))
    right = brier = nll = 0.0
    for p, q in zip(probs, truth, strict=True):
        for k in range(4):
            right += q[k] * (k == p.argmax())
            brier += q[k] * sum((p[j] - (j == k)) ** 2 for j in range(4))
            nll -= q[k] * np.log(p[k])
    found = expected(probs, truth)
    for name, total in (("accuracy", right), ("brier", brier), ("nll", nll)):
        assert found[name] == pytest.approx(total / len(truth))
    assert found["gap"] == pytest.approx(found["confidence"] - found["accuracy"])
    assert found["ece"] >= abs(found["gap"]) - 1e-12
    entropy = -(truth * np.log(np.clip(truth, 1e-300, None))).sum(axis=1).mean()
    assert found["kl_true"] == pytest.approx(found["nll"] - entropy)


def test_without_smoothing_the_prior_does_not_matter(world: World, base) -> None:
    recipe = Recipe(1e-3, 2, "cloze", long=True)
    uniform, anchored = (tune(base, world, recipe, prior, 0.0) for prior in ("uniform", "base"))
    for one, other in zip(uniform.parameters(), anchored.parameters(), strict=True):
        assert torch.allclose(one, other, atol=2e-5)
    assert not all(torch.equal(a, b) for a, b in zip(uniform.parameters(), base.parameters(), strict=True))


def test_smoothing_wholly_towards_base_leaves_base_where_it_is(world: World, base) -> None:
    kept = tune(base, world, Recipe(1e-3, 1), "base", 1.0)
    left = tune(base, world, Recipe(1e-3, 1), "base", 0.0)
    moved = [float(answers(model, base, world, world.sft, CHAT, "cloze").kl_base.mean()) for model in (kept, left)]
    assert moved[0] < 1e-6 < moved[1]


def test_stack_is_the_advice_and_the_earlier_rules_beside_it(world: World, base) -> None:
    tuned = tune(base, world, Recipe(1e-2, 20), "uniform", 0.0)
    found = stack(base, tuned, world, "cloze")
    p, q = (answers(model, None, world, world.advice, ASK, "cloze").probs for model in (tuned, base))
    gaps = []
    for step in range(101):
        excess = []
        for i, drawn in enumerate(world.advice_answers):
            mixed = (1 - step / 100) * p[i] + step / 100 * q[i]
            excess += [mixed.max() - (mixed.argmax() == answer) for answer in drawn]
        gaps.append(np.mean(excess))
    for name, margin in (("stack", 0.03), ("near", max(0.03, gaps[-1] + 0.01))):
        first = next((step / 100 for step in range(101) if gaps[step] <= margin + 1e-12), None)
        assert found[name] == pytest.approx(0.1 if first is None else first)
    assert (found["stack_method"] == "stack") is bool(min(gaps) <= 0.03)
    assert set(found) == set(ADVISED)
    assert (found["advised"] > 0) is (found["action"] == "smooth")
    if found["action"] == "smooth":
        assert abs(gaps[round(100 * found["advised"])]) < abs(gaps[0])
    seen = advice(answers(tuned, None, world, world.advice, ASK, "cloze"), world)
    assert seen["advice_gap"] == pytest.approx(gaps[0])


@pytest.fixture(scope="module")
def results(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("study")
    run(folder, (0, 1))
    return folder / "toy.csv"


def run(folder: Path, seeds: tuple[int, ...]) -> None:
    cells = (Cell(VOCAB, 32, seed, "letter", "short", 3e-3, 6) for seed in seeds)
    study(cells, TOY, Results(folder / "toy.csv"), "cpu", folder / "bases", (0.1, 0.5, 0.9))


def test_an_interrupted_study_goes_on_where_it_stopped(results: Path, tmp_path: Path) -> None:
    whole = results.read_bytes()
    run(results.parent, (0, 1))
    assert results.read_bytes() == whole
    (tmp_path / "bases").symlink_to(results.parent / "bases")
    (tmp_path / "toy.csv").write_bytes(whole[: len(whole) - 40])
    run(tmp_path, (0, 1))
    assert (tmp_path / "toy.csv").read_bytes() == whole


def test_regret_is_what_a_loop_finds(results: Path) -> None:
    with results.open(encoding="utf-8", newline="") as file:
        rows = [row for row in csv.DictReader(file) if row["answers"] == "short"]
    cells = study_cells.cells_of(study_cells.runs_of(results))
    assert len(cells) == 2
    for key, runs in cells.items():
        mine = [row for row in rows if int(row["seed"]) == key[-1]]
        least, chosen, wanted, hard = np.inf, None, None, None
        for row in mine:
            if row["prior"] == "none":
                hard = row
                wanted = ("base", row["stack"]) if row["stack_method"] == "stack" else ("uniform", "0.1")
            if row["prior"] != "base" or row["epsilon"] in ("0.1", "0.5", "0.9"):
                least = min(least, float(row["ask_ece"]))
        assert wanted is not None
        for row in mine:
            if (row["prior"], float(row["epsilon"])) == (wanted[0], float(wanted[1])):
                chosen = row
        if float(wanted[1]) == 0:
            chosen = hard
        assert chosen is not None
        assert study_cells.regret(runs, study_cells.stacked(runs), "ask_ece") == pytest.approx(
            float(chosen["ask_ece"]) - least
        )
        assert study_cells.regret(runs, study_cells.pilot_by_nll(runs), "advice_nll") == 0


def test_tables_and_figures_come_out(results: Path, tmp_path: Path, capsys, monkeypatch) -> None:
    monkeypatch.setattr("sys.argv", ["tables", str(results), "--plots", str(tmp_path)])
    tables.main()
    printed = capsys.readouterr().out
    assert "2 finished cells and 0 others" in printed
    assert "| stack |" in printed
    drawn = sorted(path.name for path in tmp_path.iterdir())
    assert drawn == ["factors-256-letter-short.svg", "regrets.svg"]
    runs = study_cells.runs_of(results)
    assert len(study_cells.finished(study_cells.cells_of(runs[:-1]))) == 1
    plots.draw(study_cells.cells_of(runs), [run for run in runs if run["answers"] == "none"], tmp_path / "again")
    for name in drawn:
        assert (tmp_path / "again" / name).read_bytes() == (tmp_path / name).read_bytes()


def test_the_advice_quotes_the_tables() -> None:
    """`evidence.REGRETS` against the regrets in ECE as the tables print them: where `stack` smooths, and in all."""
    text = (STUDIES / "smoothing-small.md").read_text("utf-8")
    for method, found in REGRETS.items():
        table = next(
            part for part in text.split("\n\n") if part.startswith(f"| method | all cells, n = {found.n_cells} |")
        )
        printed = dict(re.findall(r"^\| ([^|]+?) \| (\.\d+) ", table, re.MULTILINE))
        assert {name: f"{regret:.3f}"[1:] for name, regret in found.regret.items()} == {
            name: printed[name] for name in found.regret
        }
        said = evidence_for(method) or ""
        assert f" ended {printed[method]} above the least ECE there was, uniform 0.1 " in said
        assert said.endswith(f"{printed['literature: uniform .1']}, none {printed['hard labels']}")


def test_the_advice_says_how_large_the_study_is() -> None:
    """Cells, settings with their seeds counted once, and the models' sizes, of the study's own rows."""
    cells = study_cells.finished(study_cells.cells_of(study_cells.runs_of(STUDIES / "smoothing-small.csv")))
    assert len(cells) == STUDY.n_cells
    assert len({key[:-1] for key in cells}) == STUDY.n_settings
    sizes = {
        sum(part.numel() for part in new_model(int(vocab), int(hidden), SMALL.n_layers, "cpu").parameters())
        for vocab, hidden in {key[:2] for key in cells}
    }
    assert (min(sizes), max(sizes)) == STUDY.n_parameters
    smoothed = sum(study_cells.hard(runs)["action"] == "smooth" for runs in cells.values())
    assert (REGRETS["stack"].n_cells, REGRETS["pilot"].n_cells) == (smoothed, len(cells))
    assert evidence_for("literature") is None
    assert (
        "in the 43 of 60 toy cells with known answers (20 settings, three seeds each; models of .4 to 4.3 million"
        in (evidence_for("stack") or "")
    )
