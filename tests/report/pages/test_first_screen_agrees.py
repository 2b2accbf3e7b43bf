"""What the first screen says of one pair has to agree with itself."""

from __future__ import annotations

import dataclasses

import pytest
from made_scores import TUNED, made_scores

from calibaudit.advice.recommend import recommend
from calibaudit.analysis.compare import compare
from calibaudit.analysis.estimates import Interval
from calibaudit.report.document.first_screen import audit_screen, comparison_screen
from calibaudit.report.words.findings import advice, first_sentence

DIVIDE = "Without training: divide the choices' scores by a temperature of "


def judged(n_items, seed=0, *, heat=1.5, noise=0.2):
    before = [made_scores(n_items, seed=seed, heat=1.3)]
    after = [made_scores(n_items, seed=seed, heat=heat, noise=noise, model=TUNED)]
    comparison = compare(before, after)
    return comparison, recommend(before, after, comparison)


@pytest.mark.parametrize("seed", [4, 7, 8])
def test_no_miscalibration_seen_is_nothing_to_repair(seed):
    comparison, recommendation = judged(40, seed)
    gap = comparison.pooled.after.metrics["gap"].value
    assert gap > 0.1
    assert first_sentence(comparison) == "Both models look as well calibrated as 40 items can show."
    found = f"confidence exceeds accuracy by {gap:.3f}".replace("0.", ".")
    assert advice(recommendation, comparison) == (
        f"Advice: there is nothing to repair that these items show ({found}, which may be chance in 40 items)."
    )
    card = comparison_screen(comparison, recommendation).cards[2]
    assert card.answer == "Nothing to repair that these items show"
    assert not any("repair" in note for note in card.notes)


def test_an_error_that_is_seen_is_not_called_none():
    comparison, recommendation = judged(30, 8)
    assert comparison.pooled.after.calibrated_p < 0.05
    assert advice(recommendation, comparison).startswith("Advice: nothing measured here would repair it (confidence ")
    notes = comparison_screen(comparison, recommendation).cards[2].notes
    assert recommendation.reason.endswith("a temperature does not help either")
    assert sum(note.startswith("Nothing measured here would repair it (") for note in notes) == 1
    assert not any(DIVIDE in note for note in notes)


def test_a_temperature_stands_where_it_was_found_to_help():
    comparison, recommendation = judged(400, heat=3.0, noise=0.0)
    card = comparison_screen(comparison, dataclasses.replace(recommendation, action="smooth")).cards[2]
    assert sum(note.startswith(DIVIDE) for note in card.notes) == 1
    without = dataclasses.replace(recommendation, action="smooth", options=())
    for unmeasured in (without, None):
        assert not any(DIVIDE in note for note in comparison_screen(comparison, unmeasured).cards[2].notes)


def test_one_models_open_temperature_is_not_offered():
    audit = compare([made_scores(400, heat=3.0)], [made_scores(400, heat=3.0)]).pooled.after
    assert any(DIVIDE in note for note in _screen_with(audit.metrics["temperature"]).cards[2].notes)
    assert not any(DIVIDE in note for note in _screen_with(Interval(78.25, 4.33, 1414.16)).cards[2].notes)


def _screen_with(temperature):
    from calibaudit.analysis.audit import audit_model

    audit = audit_model([made_scores(400, heat=3.0)])
    pooled = dataclasses.replace(audit.pooled, metrics={**audit.pooled.metrics, "temperature": temperature})
    return audit_screen(dataclasses.replace(audit, pooled=pooled))


@pytest.mark.parametrize(
    ("own", "advised", "said"),
    [
        (0, 0, []),
        (1, 0, ["First read the warning below"]),
        (2, 1, ["First read the 2 warnings below", "The advice has a warning of its own, under Recommendation"]),
        (0, 3, ["The advice has 3 warnings of its own, under Recommendation"]),
    ],
)
def test_warnings_are_counted_where_they_stand(own, advised, said):
    comparison, recommendation = judged(40, 4)
    comparison = dataclasses.replace(comparison, warnings=("w",) * own)
    recommendation = dataclasses.replace(recommendation, warnings=("w",) * advised)
    notes = comparison_screen(comparison, recommendation).cards[2].notes
    assert [note for note in notes if "warning" in note] == said
