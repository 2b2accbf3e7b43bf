"""The grid, and what a pilot runs, scores and leaves behind: on the bundled pair, in runs of a few steps."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from calibaudit.advice.pilot import PilotListener, grid_of, pilot
from calibaudit.advice.recommend import recommend_from_pilot
from calibaudit.advice.recommendation import GridPoint
from calibaudit.analysis.settings import Settings
from calibaudit.errors import CalibauditError, ModelError
from calibaudit.models.checkpoints import find_checkpoint
from calibaudit.models.tokenizer import load_tokenizer
from calibaudit.scoring.evaluate import RunOptions
from calibaudit.tasks.load import load_tasks
from calibaudit.training.prepare import prepare
from calibaudit.training.settings import TrainingSettings
from tests.families import save_tiny

TRAINING = TrainingSettings(label_smoothing=0.9, prior="base", learning_rate=1e-3, max_steps=3, batch_size=8, seed=3)
GRID = (GridPoint(0.0, "uniform"), GridPoint(0.5, "base"), GridPoint(0.5, "uniform"))


def test_the_grid_is_hard_labels_and_then_every_factor_with_every_prior() -> None:
    found = grid_of((0.5, 0.1, 0.5), ("base", "uniform"))
    assert [(point.epsilon, point.prior) for point in found] == [
        (0.0, "uniform"),
        (0.1, "base"),
        (0.1, "uniform"),
        (0.5, "base"),
        (0.5, "uniform"),
    ]
    assert [point.label for point in found][:2] == ["hard labels", "base 0.1"]


@pytest.mark.parametrize("factors", [(), (0.0,), (1.2,), (-0.1,), (float("nan"),)])
def test_a_grid_of_nothing_or_of_other_than_factors_is_refused(factors: tuple[float, ...]) -> None:
    with pytest.raises(CalibauditError, match="pilot grid"):
        grid_of(factors)


@pytest.fixture(scope="module")
def plan() -> Any:
    return prepare("demo:base", "demo:instruct", "demo:sft", load_tasks(["arithmetic", "words"], limit=40))


def test_the_plan_keeps_items_and_rows_apart(plan: Any) -> None:
    assert plan.base.name == "demo:base"
    assert len(plan.examples) > 1000
    assert sum(len(task.items) for task in plan.tasks) == 80
    assert plan.data.notices() == []
    assert plan.tokenizer.chat_template == load_tokenizer(find_checkpoint("demo:instruct")).chat_template


def test_checkpoints_of_two_vocabularies_are_refused(tmp_path: Path) -> None:
    with pytest.raises(ModelError):
        prepare("demo:base", str(save_tiny(tmp_path / "other")), "demo:sft", load_tasks(["words"], limit=2))


def run(plan: Any, **options: Any) -> Any:
    return pilot(plan.base, plan.base, plan.tokenizer, plan.examples[:64], plan.tasks, TRAINING, **options)


@pytest.fixture(scope="module")
def whole(plan: Any) -> tuple[Any, list[Any], list[Any]]:
    """The runs of the grid, and what the listener was told."""
    steps, done = [], []
    listener = PilotListener(
        training=lambda label, step, n_steps, loss, speed: steps.append((label, step, n_steps)),
        done=lambda one, i, n: done.append((one.epsilon, i, n)),
    )
    return run(plan, grid=GRID, listener=listener, options=RunOptions(dtype="float32")), steps, done


def test_every_run_differs_in_factor_and_prior_only(whole: tuple[Any, list[Any], list[Any]]) -> None:
    runs, steps, done = whole
    assert [(one.epsilon, one.prior, one.n_steps) for one in runs] == [
        (0.0, "uniform", 3),
        (0.5, "base", 3),
        (0.5, "uniform", 3),
    ]
    assert [label for label, step, n in steps if step == n == 3] == ["hard labels", "base 0.5", "uniform 0.5"]
    assert done == [(0.0, 1, 3), (0.5, 2, 3), (0.5, 3, 3)]
    names = [one.scores[0].model.name for one in runs]
    assert names == [f"demo:base tuned, {point.label}" for point in GRID]
    assert all(entry.chat_template for one in runs for entry in one.scores)
    scores = [one.scores[0].logprobs for one in runs]
    assert len({array.tobytes() for array in scores}) == 3
    advice = recommend_from_pilot(runs, settings=Settings())
    assert advice.method == "pilot"
    assert len(advice.pilot) == 3


@pytest.mark.parametrize("grid", [GRID[1:], GRID[:1], (GRID[0], *GRID)])
def test_a_pilot_without_hard_labels_or_without_smoothing_is_refused(plan: Any, grid: Any) -> None:
    with pytest.raises(CalibauditError, match="hard labels"):
        run(plan, grid=grid)


def test_prior_base_needs_a_model_to_smooth_towards(plan: Any) -> None:
    with pytest.raises(CalibauditError, match="need the model"):
        pilot(plan.base, None, plan.tokenizer, plan.examples[:8], plan.tasks, TRAINING, grid=GRID)


@pytest.mark.parametrize(("where", "asked"), [("all", [False, True, False]), ("known", [False, True, True])])
def test_base_is_at_hand_where_it_is_smoothed_towards_or_says_what_is_known(
    plan: Any, monkeypatch: pytest.MonkeyPatch, where: Any, asked: list[bool]
) -> None:
    """Hard labels need it never, uniform smoothing only to know the rows."""
    given: list[bool] = []
    monkeypatch.setattr("calibaudit.advice.pilot._run", lambda _, prior, *__: given.append(prior is plan.base))
    pilot(
        plan.base, plan.base, plan.tokenizer, plan.examples[:8], plan.tasks, replace(TRAINING, where=where), grid=GRID
    )
    assert given == asked


def test_an_interrupted_pilot_keeps_its_finished_runs(
    plan: Any, whole: tuple[Any, list[Any], list[Any]], tmp_path: Path
) -> None:
    """And every run is the same from one pilot to the next: two of these come out of the cache, one is made anew."""
    options = RunOptions(dtype="float32", cache_dir=tmp_path)
    trained: list[str] = []

    def stop_at(at: str) -> PilotListener:
        def stop(label: str, step: int, n_steps: int, loss: float, speed: float) -> None:
            trained.append(label)
            if label == at:
                raise KeyboardInterrupt

        return PilotListener(training=stop)

    with pytest.raises(KeyboardInterrupt):
        run(plan, grid=GRID, options=options, listener=stop_at("uniform 0.5"))
    assert trained == ["hard labels"] * 3 + ["base 0.5"] * 3 + ["uniform 0.5"]

    trained.clear()
    listener = PilotListener(training=lambda label, *_: trained.append(label))
    resumed = run(plan, grid=GRID, options=options, listener=listener)
    assert trained == ["uniform 0.5"] * 3
    for kept, fresh in zip(resumed, whole[0], strict=True):
        assert (kept.epsilon, kept.prior, kept.loss, kept.n_steps) == (fresh.epsilon, fresh.prior, fresh.loss, 3)
        for one, other in zip(kept.scores, fresh.scores, strict=True):
            assert (one.model, one.item_ids) == (other.model, other.item_ids)
            assert (one.logprobs == other.logprobs).all()

    trained.clear()  # other rows are another pilot: its first run is not taken out of the cache
    with pytest.raises(KeyboardInterrupt):
        pilot(plan.base, plan.base, plan.tokenizer, plan.examples[:63], plan.tasks, TRAINING, grid=GRID[:2],
              options=options, listener=stop_at("hard labels"))  # fmt: skip
    assert trained == ["hard labels"]
