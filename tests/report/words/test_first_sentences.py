"""The page's first sentence for every kind of pair, as docs/audit.md lists them: each made here and held against it."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import pytest
from made_scores import INFO, TUNED, made_scores

from calibaudit.analysis.audit import audit_model
from calibaudit.analysis.compare import compare
from calibaudit.errors import ScoresError
from calibaudit.report.words.findings import audit_sentences, first_sentence
from calibaudit.scores.scores import ModelInfo, Scores

DOCS = Path(__file__).resolve().parents[3] / "docs" / "audit.md"
N = 2000


def model(n=N, *, accuracy=0.65, spread=0.12, too_sure=0.0, waves=0.0, seed=0, info: ModelInfo = INFO) -> Scores:
    """Two choices; right as often as a confidence about `accuracy` says, of which it reports `too_sure` more."""
    rng = np.random.default_rng([seed, round(100 * accuracy)])
    chance = np.clip(rng.normal(accuracy, spread, n), 0.5, 0.97)
    hit = rng.random(n) < chance
    said = np.clip(chance + too_sure + waves * np.sign(np.sin(20 * np.pi * chance)), 0.501, 0.999)
    logprobs = np.log(np.column_stack([said, 1 - said]))
    logprobs = np.where(hit[:, None], logprobs, logprobs[:, ::-1])
    return made_scores(n, n_choices=2, logprobs=logprobs, answer=np.zeros(n, dtype=np.int64), model=info)


PAIRS = {
    "identical, calibrated": (model(seed=4), model(seed=4, info=TUNED)),
    "identical, both 20 points too sure": (model(too_sure=0.2), model(too_sure=0.2, info=TUNED)),
    "two models alike, both 20 points too sure": (model(too_sure=0.2), model(too_sure=0.2, seed=1, info=TUNED)),
    "both calibrated": (model(seed=4), model(seed=7, info=TUNED)),
    "both calibrated, tuned less accurate": (model(accuracy=0.85, seed=5), model(seed=7, info=TUNED)),
    "tuning made it too sure": (model(seed=4), model(too_sure=0.12, seed=1, info=TUNED)),
    "more of what base had": (model(too_sure=0.06), model(too_sure=0.2, seed=1, info=TUNED)),
    "a better tuned model": (model(too_sure=0.12), model(seed=7, info=TUNED)),
    "better, not yet good": (model(too_sure=0.2), model(too_sure=0.08, seed=1, info=TUNED)),
    "tuned underconfident": (model(seed=4), model(accuracy=0.75, too_sure=-0.12, seed=1, info=TUNED)),
    "from under- to overconfident, the same error": (
        model(accuracy=0.7, too_sure=-0.06),
        model(accuracy=0.7, too_sure=0.06, seed=1, info=TUNED),
    ),
    "too few items for the ECE, enough for the gap": (
        model(300, seed=8),
        model(300, too_sure=0.08, seed=1, info=TUNED),
    ),
    "errors of both signs that cancel": (model(seed=4), model(waves=0.2, seed=1, info=TUNED)),
    "the task at ceiling": tuple(
        made_scores(
            N, n_choices=2, logprobs=np.log([[sure, 1 - sure]] * N), answer=np.zeros(N, dtype=np.int64), model=info
        )
        for sure, info in ((0.98, INFO), (0.99, TUNED))
    ),
    "8 items": (model(8), model(8, too_sure=0.2, seed=1, info=TUNED)),
}


def listed() -> dict[str, str]:
    rows = re.findall(r"^\| ([^|]+) \| ([^|]+) \|$", DOCS.read_text("utf-8"), re.MULTILINE)
    return {name.strip(): text.strip() for name, text in rows}


@pytest.mark.parametrize("name", PAIRS)
def test_the_sentence_is_the_one_that_the_documentation_shows(name):
    before, after = PAIRS[name]
    assert first_sentence(compare([before], [after])) == listed()[name]


def test_an_empty_overlap_is_an_error_with_one_line():
    with pytest.raises(ScoresError) as caught:
        compare([made_scores(20, task="a")], [made_scores(20, task="b", model=TUNED)])
    assert str(caught.value) == listed()["no task in common"].removeprefix("error: ")


@pytest.mark.parametrize(
    ("fields", "start"),
    [
        ({"seed": 4}, "No sign of miscalibration in 2,000 items: "),
        ({"too_sure": 0.1}, "The model is overconfident: "),
        ({"accuracy": 0.75, "too_sure": -0.1}, "The model is underconfident: "),
        ({"waves": 0.1}, "The model is not calibrated, though it leans neither way: "),
    ],
)
def test_one_model(fields, start):
    assert audit_sentences(audit_model([model(**fields)]))[0].startswith(start)
    assert audit_sentences(audit_model([model(8)]))[0].startswith("Too little evidence to test calibration: ")
