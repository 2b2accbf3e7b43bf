"""The comparisons behind a repair's verdict."""

from __future__ import annotations

import numpy as np
from made_scores import INFO, TUNED, made_scores

from calibaudit.repair.proof import prove

FIXED = type(TUNED)(**{**TUNED.to_dict(), "name": "lab/fixed"})


def test_the_three_comparisons_are_of_the_three_models():
    sides = [made_scores(600, heat=heat, model=info) for heat, info in ((1.0, INFO), (2.0, TUNED), (1.2, FIXED))]
    found = prove(*([side] for side in sides))
    assert list(found.parts()) == ["tuning", "repair", "left"]
    names = [(c.before.name, c.after.name) for c in found.parts().values()]
    assert names == [("lab/base", "lab/tuned"), ("lab/tuned", "lab/fixed"), ("lab/base", "lab/fixed")]
    values = [c.pooled.change["ece"].value for c in found.parts().values()]
    assert np.isclose(values[0] + values[1], values[2])


def test_the_repaired_model_gets_the_name_of_its_place():
    sides = [made_scores(60, model=info) for info in (INFO, TUNED, FIXED)]
    found = prove(*([side] for side in sides)).of("here")
    names = [(c.before.name, c.after.name) for c in found.parts().values()]
    assert names == [("lab/base", "lab/tuned"), ("lab/tuned", "here"), ("lab/base", "here")]
