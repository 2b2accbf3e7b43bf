"""Predictions of OpenCompass (predictions/MODEL/TASK.json) -> Scores, where they hold probabilities.

PPLInferencer (0.5.4) saves of each label `PPL`, which is no perplexity but the mean negative log-likelihood a token, in
nats, of the *whole* prompt, the question in it; and `BPB`, which is that times the prompt's tokens, divided by its
bytes (in nats too). So -BPB times the bytes is the summed log-likelihood of question and option, and since the question
is the same, the options' own but for a constant an item, which no softmax sees: `letter` or `cloze`, with an unknown
option mass. PPL alone is refused: without the number of tokens it is neither a sum nor normalised by option length.
CLPInferencer saves the probabilities of the choices' tokens, softmax over them. LLInferencer's `Loglikelihood` is a sum
under some of its models and a mean under others, which the file does not say: refused.
"""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

from calibaudit.errors import ScoresError
from calibaudit.files.read import read_json
from calibaudit.scores.logs.collected import LETTERS, Logged, scores_of, usable
from calibaudit.scores.logs.settings import ImportSettings, Notice
from calibaudit.scores.scores import Scores, unknown_model
from calibaudit.tasks.items import Scoring

_LABEL = "label: "


def read_opencompass(path: Path, settings: ImportSettings, notice: Notice | None) -> Scores:
    """One task's scores. Raises ScoresError naming file and item."""
    data = read_json(path, ScoresError, finite=False)
    rows = [(str(key), row) for key, row in data.items()] if isinstance(data, dict) else []
    items = usable(rows, lambda row: _item(*row, task=path.stem), str(path), notice)
    plain: Scoring = "letter" if all(_ends_with_its_label(row) for _, row in rows) else "cloze"
    model = unknown_model(path.parent.name, "logged by OpenCompass")
    return scores_of(items, str(path), task=path.stem, model=model, asked=settings.scoring, possible=[plain])


def _item(key: str, row: Any, task: str) -> Logged:
    labels = _labels(row)
    if labels:
        lls = [_sum(key, label, entry) for label, entry in labels.items()]
    elif isinstance(row, dict) and isinstance(row.get("prediction"), list) and isinstance(row.get("choices"), list):
        labels = {str(choice): {} for choice in row["choices"]}
        lls = [_log(key, value) for value in row["prediction"]]
    else:
        raise ScoresError(f"item {key!r} holds no probabilities: generated answers have none (PPL, CLP inferencers do)")
    names = list(labels)
    gold = row.get("gold")
    if str(gold) not in names:
        raise ScoresError(f"item {key!r}: gold {gold!r:.40} is not one of its labels {', '.join(names):.60}")
    content = ["OpenCompass", task, key, names, str(gold)]
    return Logged(key, "", tuple(names), names.index(str(gold)), tuple(lls), content)


def _labels(row: Any) -> dict[str, Any]:
    if not isinstance(row, dict):
        return {}
    return {name.removeprefix(_LABEL): entry for name, entry in row.items() if name.startswith(_LABEL)}


def _sum(key: str, label: str, entry: Any) -> float:
    if "Loglikelihood" in entry:
        raise ScoresError(
            f"item {key!r}: `Loglikelihood` of LLInferencer is a sum under some models and a mean under others; "
            "make a table of sums"
        )
    if not {"BPB", "testing input"} <= set(entry):
        raise ScoresError(
            f"item {key!r}: label {label!r} has PPL, a mean over the whole prompt's tokens, and no BPB to make a sum "
            "of it; run it with a newer OpenCompass"
        )
    return -float(entry["BPB"]) * len(str(entry["testing input"]).encode())


def _log(key: str, value: Any) -> float:
    if not isinstance(value, float | int) or not 0 < value <= 1:
        raise ScoresError(f"item {key!r}: {value!r:.40} is not a probability above 0")
    return math.log(value)


def _ends_with_its_label(row: Any) -> bool:
    """Whether the options are letters and each prompt ends with its own, so that letters were scored, no texts."""
    labels = _labels(row)
    if not labels:
        return isinstance(row, dict) and list(row.get("choices") or ()) == list(
            LETTERS[: len(row.get("choices") or ())]
        )
    prompts = [str(entry.get("testing input", "")).rstrip() for entry in labels.values()]
    ends = all(prompt.endswith(label) for prompt, label in zip(prompts, labels, strict=True))
    return ends and len({prompt[:-1] for prompt in prompts}) == 1
