"""Whether a repair helped: worlds in which it is known."""

from __future__ import annotations

import numpy as np
import pytest
from made_scores import INFO, TUNED, made_scores

from calibaudit.analysis.settings import Settings
from calibaudit.errors import CalibauditError
from calibaudit.repair.proof import judge, prove

FAST = Settings()
FIXED = type(TUNED)(**{**TUNED.to_dict(), "name": "lab/fixed"})


def proof(after_heat: float, after_noise: float = 0.0, before_heat: float = 2.0, n: int = 1500):
    base = made_scores(n, model=INFO)
    before = made_scores(n, heat=before_heat, model=TUNED)
    after = made_scores(n, heat=after_heat, noise=after_noise, model=FIXED)
    return prove([base], [before], [after], FAST)


def test_a_cooled_model_helped():
    verdict = judge(proof(1.0).repair)
    assert (verdict.outcome, verdict.exit_code) == ("helped", 0)


def test_the_same_model_did_not_help():
    verdict = judge(proof(2.0).repair)
    assert (verdict.outcome, verdict.exit_code) == ("not_improved", 1)


def test_a_hotter_model_did_not_help():
    assert judge(proof(3.0).repair).outcome == "not_improved"


def test_a_fall_that_may_be_chance_is_no_proof():
    found = proof(1.9, n=60)
    assert found.repair.pooled.change["ece"].p_value > 0.05
    assert judge(found.repair).outcome == "not_improved"


def test_calibrated_but_less_accurate_is_a_loss():
    found = proof(0.6, after_noise=1.2)
    change = found.repair.pooled.change["accuracy"].value
    assert change < -0.05
    assert found.repair.pooled.change["ece"].value < 0
    verdict = judge(found.repair, accuracy_margin=0.02)
    assert (verdict.outcome, verdict.exit_code) == ("accuracy_lost", 1)
    assert judge(found.repair, accuracy_margin=-change + 0.001).outcome == "helped"


def test_the_three_comparisons_are_of_the_three_models():
    found = proof(1.0)
    names = [(c.before.name, c.after.name) for c in (found.tuning, found.repair, found.left)]
    assert names == [("lab/base", "lab/tuned"), ("lab/tuned", "lab/fixed"), ("lab/base", "lab/fixed")]
    values = [c.pooled.change["ece"].value for c in (found.tuning, found.repair, found.left)]
    assert np.isclose(values[0] + values[1], values[2])


@pytest.mark.parametrize("margin", [-0.01, 1.5])
def test_margin_out_of_range(margin):
    with pytest.raises(CalibauditError, match=r"--accuracy-margin .* between 0 and 1"):
        judge(proof(1.0).repair, margin)
