"""The comparisons behind a repair's verdict."""

from __future__ import annotations

from made_results import made_proof
from made_scores import INFO, TUNED, made_scores

FIXED = type(TUNED)(**{**TUNED.to_dict(), "name": "lab/fixed"})


def test_the_repaired_model_gets_the_name_of_its_place():
    sides = [made_scores(60, model=info) for info in (INFO, TUNED, FIXED)]
    found = made_proof(*([side] for side in sides)).of("here")
    assert list(found.parts()) == ["tuning", "repair", "left"]
    names = [(c.before.name, c.after.name) for c in found.parts().values()]
    assert names == [("lab/base", "lab/tuned"), ("lab/tuned", "here"), ("lab/base", "here")]
