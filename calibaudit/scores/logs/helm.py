"""Scenario states of HELM (scenario_state.json) -> Scores.

Under `multiple_choice_separate_original` each choice is a request whose prompt, the choice at its end, comes back token
by token: the choice's log-probability is the sum over the last tokens that spell it. HELM's own score is their mean
(`--scoring cloze_token`). Under `multiple_choice_separate_calibrated` a second request has the choice without the
question: `pmi`. Under `multiple_choice_joint` a letter is generated, and only its own log-probability is saved.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from calibaudit.errors import ScoresError
from calibaudit.files.read import plain_reason, read_json
from calibaudit.scores.logs.collected import Logged, scores_of, usable
from calibaudit.scores.logs.settings import ImportSettings, Notice, tell
from calibaudit.scores.scores import Scores, unknown_model
from calibaudit.tasks.items import Scoring

_SEPARATE = ("multiple_choice_separate_original", "multiple_choice_separate_calibrated")
_CLOZE: tuple[Scoring, ...] = ("cloze", "cloze_token", "cloze_byte", "cloze_char")


def read_helm(path: Path, settings: ImportSettings, notice: Notice | None) -> Scores:
    """One run's scores: of perturbed copies and of further trials nothing. Raises ScoresError naming file and item."""
    data = read_json(path, ScoresError, finite=False)
    try:
        spec, states = data["adapter_spec"], data["request_states"]
        method = spec["method"]
        if method not in _SEPARATE:
            raise ScoresError(
                f"{path}: adapter {method}: only what was generated has a log-probability there, the other options "
                f"have none; run it with {_SEPARATE[0]}"
            )
        asked: dict[str, list[dict[str, Any]]] = {}
        n_left = 0
        for state in states:
            if state["instance"].get("perturbation") or state["train_trial_index"] != states[0]["train_trial_index"]:
                n_left += 1
            else:
                asked.setdefault(str(state["instance"].get("id")), []).append(state)
    except (KeyError, TypeError, AttributeError) as error:
        raise ScoresError(f"{path}: not a scenario state of HELM 0.5 ({plain_reason(error)})") from None
    if n_left:
        tell(notice, f"{path}: {n_left} requests of perturbed copies or further trials left out")
    items = usable(asked.items(), lambda entry: _item(*entry), str(path), notice)
    possible = [*_CLOZE, *(("pmi",) if all(item.unconditional for item in items) else ())]
    if method == _SEPARATE[1] and "pmi" in possible:
        possible = ["pmi", *_CLOZE]
    model = unknown_model(str(spec.get("model") or path.parent.name), "logged by HELM")
    return scores_of(items, str(path), task=_task(path), model=model, asked=settings.scoring, possible=possible)


def _item(name: str, states: list[dict[str, Any]]) -> Logged:
    try:
        instance = states[0]["instance"]
        references = instance["references"]
        choices = [reference["output"]["text"] for reference in references]
        right = [i for i, reference in enumerate(references) if "correct" in reference["tags"]]
        found: dict[str, dict[int, tuple[float, int]]] = {"original": {}, "calibration": {}}
        for state in states:
            index = state["reference_index"]
            tokens = state["result"]["completions"][0]["tokens"]
            found[state.get("request_mode") or "original"][index] = _span(name, tokens, choices[index])
    except (KeyError, TypeError, IndexError) as error:
        raise ScoresError(f"item {name!r}: an answer is missing ({plain_reason(error)})") from None
    if len(right) != 1:
        raise ScoresError(f"item {name!r}: expected one reference tagged correct, found {len(right)}")
    if len(found["original"]) != len(choices):
        raise ScoresError(f"item {name!r}: {len(found['original'])} of its {len(choices)} choices were scored")
    text = instance["input"]["text"]
    own = [found["original"][i] for i in range(len(choices))]
    alone = [found["calibration"][i][0] for i in range(len(choices)) if i in found["calibration"]]
    return Logged(
        id=name,
        question=text,
        choices=tuple(choices),
        answer=right[0],
        lls=tuple(value for value, _ in own),
        content=["HELM", text, choices, right[0]],
        n_tokens=tuple(n for _, n in own),
        unconditional=tuple(alone) if len(alone) == len(choices) else (),
    )


def _span(name: str, tokens: list[dict[str, Any]], choice: str) -> tuple[float, int]:
    """Sum and number of the last tokens that spell the choice; what is blank behind them does not count."""
    end = len(tokens)
    while end and not tokens[end - 1]["text"].strip():
        end -= 1
    text, start = "", end
    while start and len(text.strip()) < len(choice.strip()):
        start -= 1
        text = tokens[start]["text"] + text
    if text.strip() != choice.strip():
        raise ScoresError(f"item {name!r}: the last tokens spell {text!r:.40}, where its choice is {choice!r:.40}")
    return float(sum(token["logprob"] for token in tokens[start:end])), end - start


def _task(path: Path) -> str:
    """The run's name without its model: what stands in run_spec.json beside it, else the folder's name."""
    name = path.parent.name
    try:
        spec = read_json(path.parent / "run_spec.json", ScoresError)
        name = str(spec["name"])
    except (ScoresError, KeyError, TypeError):
        pass
    scenario, _, arguments = name.partition(":")
    kept = [part for part in arguments.split(",") if part and not part.startswith(("model=", "model_deployment="))]
    return f"{scenario}:{','.join(kept)}" if kept else scenario
