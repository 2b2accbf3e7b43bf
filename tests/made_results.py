"""Results of made-up models for tests of reports: a usual one, and one whose every text is hostile."""

from __future__ import annotations

import copy
import functools
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from made_scores import INFO, TUNED, made_scores

from calibaudit.advice.head_bound import HeadBound
from calibaudit.advice.recommend import recommend, recommend_from_pilot
from calibaudit.advice.recommendation import PilotRun
from calibaudit.analysis.audit import audit_model
from calibaudit.analysis.compare import compare
from calibaudit.analysis.settings import Settings
from calibaudit.analysis.worst_errors import worst_errors, worst_new_errors
from calibaudit.gating.verdict import Limits, gate
from calibaudit.repair.proof import Proof
from calibaudit.report.result_json import audit_dict, comparison_dict
from calibaudit.scores.scores import ModelInfo, Scores
from calibaudit.tasks.items import Item, Task

FAST = Settings()
NAMES = ("arithmetic", "calendar", "commonsense_reasoning_with_long_name", "letters")
HOSTILE = (
    "<script>document.title='owned'</script>",
    "<img src=http://127.0.0.1:9/x.png onerror=alert(1)>\"'`&amp;{{ 7*7 }}{% raw %}",
    "\u202eright to left override \u0645\u0631\u062d\u0628\u0627 \u05e9\u05dc\u05d5\u05dd",
    "x" * 10_000,
    "z" + "\u0300\u0489" * 400,
    "\x00\x07\x1b[31m|\\|](javascript:alert(1)) $\\frac{a$ @someone\nnew line",
)


def made_proof(
    base: Sequence[Scores], before: Sequence[Scores], after: Sequence[Scores], settings: Settings | None = None
) -> Proof:
    """The comparisons that every proof has."""
    return Proof(compare(base, before, settings), compare(before, after, settings), compare(base, after, settings))


def task_of(scores: Scores, question: str, options: tuple[str, ...]) -> Task:
    """A task whose text has the scores' ids, answers and numbers of choices."""
    k = scores.logprobs.shape[1]
    items = tuple(
        Item(
            id,
            f"{question} ({i})",
            tuple(f"{options[j % len(options)]} {j}" for j in range(k)),
            int(scores.answer[i]),
        )
        for i, id in enumerate(scores.item_ids)
    )
    return Task(scores.task, "1", scores.scoring, items)


def sides(
    names: tuple[str, ...] = NAMES,
    n_items: int = 150,
    heat: float = 2.5,
    infos: tuple[ModelInfo, ModelInfo] = (INFO, TUNED),
) -> tuple[list[Scores], list[Scores], list[Task]]:
    """Both models' scores, letter scoring on the last task, and the tasks they are of."""
    before, after, tasks = [], [], []
    for i, name in enumerate(names):
        letter = {"scoring": "letter"} if i == len(names) - 1 else {}
        mass = [{"option_mass": np.full(n_items, m)} if letter else {} for m in (0.9, 0.3)]
        scores = made_scores(n_items, task=name, seed=i, **letter, **mass[0])
        task = task_of(scores, f"What is asked in {name}?", ("the first thing", "something longer than that", "it"))
        same = {"fingerprint": task.fingerprint, **letter}
        before.append(made_scores(n_items, task=name, seed=i, model=infos[0], **same, **mass[0]))
        after.append(made_scores(n_items, task=name, seed=i, heat=heat, noise=0.5, model=infos[1], **same, **mass[1]))
        tasks.append(task)
    return before, after, tasks


def made_once(make: Callable[..., dict[str, Any]]) -> Callable[..., dict[str, Any]]:
    """Computed once a process for the same arguments; whoever asks gets a copy of their own."""
    made = functools.cache(make)

    @functools.wraps(make)
    def copied(**how: Any) -> dict[str, Any]:
        return copy.deepcopy(made(**how))

    return copied


@made_once
def comparison_result(*, gated: bool = False, settings: Settings = FAST, **how: Any) -> dict[str, Any]:
    """What `compare` would save, or with `gated` what `gate` would."""
    before, after, tasks = sides(**how)
    comparison = compare(before, after, settings)
    errors = worst_new_errors(before, after, tasks)
    if gated:
        verdict = gate(before, after, Limits(max_brier=1.9), settings)
        return {**comparison_dict(comparison, errors=errors), "verdict": verdict.to_dict()}
    return comparison_dict(comparison, recommend(before, after, comparison), errors=errors)


@made_once
def piloted_result(**how: Any) -> dict[str, Any]:
    """What `recommend --pilot` would save: hard labels, runs that are rejected, and one that is taken."""
    before, after, tasks = sides(**how)
    runs = [PilotRun(0.0, "uniform", tuple(after))]
    for epsilon, heat in ((0.1, 2.2), (0.5, 0.4)):
        runs.append(PilotRun(epsilon, "base", tuple(sides(**{**how, "heat": heat})[1])))
    runs.append(PilotRun(0.7, "base", tuple(before)))
    comparison = compare(before, after, FAST)
    advice = recommend_from_pilot(runs, settings=FAST, head=HeadBound(32_000, 64, 5.0, 0.01, 0.4, 0.9))
    return comparison_dict(comparison, advice, errors=worst_new_errors(before, after, tasks))


@made_once
def audit_result(**how: Any) -> dict[str, Any]:
    """What `score` would save, without the raw scores."""
    _, after, tasks = sides(**how)
    return audit_dict(audit_model(after, FAST), errors=worst_errors(after, tasks))


@made_once
def hostile_result() -> dict[str, Any]:
    """A result file as an attacker, or an odd data set, would make it: every free text is hostile and unbounded."""
    infos = tuple(
        ModelInfo(**{**info.to_dict(), "name": f"lab/{text}", "revision": text})
        for info, text in ((INFO, HOSTILE[0]), (TUNED, HOSTILE[1]))
    )
    result = comparison_result(names=HOSTILE, n_items=40, infos=infos)
    for i, error in enumerate(result["errors"]):
        text = HOSTILE[i % len(HOSTILE)]
        error |= {"question": text, "item_id": text}
        error["options"] = [
            {**option, "text": HOSTILE[(i + k) % len(HOSTILE)]} for k, option in enumerate(error["options"])
        ]
    result["warnings"] += list(HOSTILE)
    result["recommendation"]["reason"] = HOSTILE[1]
    result["recommendation"]["warnings"] = list(HOSTILE)
    result["recommendation"]["trades"] = list(HOSTILE)
    for option, text in zip(result["recommendation"]["options"], HOSTILE, strict=False):
        option |= {"kept": text, "cost": text, "basis": text}
    gap = result["recommendation"]["demand"]["gap"]
    result["recommendation"]["pilot"] = [
        {"epsilon": 0.5, "prior": "base", "accuracy": 0.5, "gap": gap, "ece": 0.1, "nll": 1.0, "auroc": None}
        | {"option_mass": None, "learned": None, "rejected": "worse nll"}
        for _ in HOSTILE
    ]
    result["created"], result["calibaudit_version"] = HOSTILE[0], HOSTILE[3]
    return result
