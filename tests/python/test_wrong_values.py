"""A wrong value in a call is refused in one line that says what to give; a NumPy number is a number."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
from made_results import sides
from made_scores import made_scores

import calibaudit
from calibaudit.errors import CalibauditError
from calibaudit.models.devices import DTYPES
from calibaudit.tasks.items import Item, Task

BEFORE, AFTER = made_scores(40), made_scores(40, heat=2.0)
TASK = Task("t", "1", "cloze", (Item("a", "Question?", ("yes", "no"), 0),))
NO_PATH = "None is not a path: give a string"
NO_MODEL = " names no model: give a folder, a hub id, or demo:base or demo:instruct"
NO_SETTINGS = "; give calibaudit.Settings(n_bins=15)"
MODEL: Any = object()
CALLS: dict[str, tuple[Callable[[Any], Any], Any, str]] = {
    "gate margin": (
        lambda x: calibaudit.gate(BEFORE, AFTER, x),
        0.03,
        "limits is 0.03; give calibaudit.Limits(margin=0.03)",
    ),
    "gate zero": (lambda x: calibaudit.gate(BEFORE, AFTER, x), 0, "limits is 0; give calibaudit.Limits(margin=0.02)"),
    "gate bins": (
        lambda x: calibaudit.gate(BEFORE, AFTER, settings=x),
        10,
        "settings is 10; give calibaudit.Set",
    ),
    "compare": (lambda x: calibaudit.compare(BEFORE, AFTER, x), {"bins": 10}, f"{{'bins': 10}}{NO_SETTINGS}"),
    "audit": (lambda x: calibaudit.audit(BEFORE, x), 15, f"settings is 15{NO_SETTINGS}"),
    "audit nothing": (lambda x: calibaudit.audit(BEFORE, x), 0, f"settings is 0{NO_SETTINGS}"),
    "audit_model": (lambda x: calibaudit.audit_model(BEFORE, x), 20, "give calibaudit.Settings(n_bins=20)"),
    "many lines": (lambda x: calibaudit.audit(BEFORE, x), np.zeros((9, 9)), "settings is array("),
    "chat": (
        lambda x: calibaudit.score(TASK, MODEL, chat=x),
        "off",
        "chat is 'off'; give calibaudit.ChatSettings(template='off')",
    ),
    "chat no": (lambda x: calibaudit.score(TASK, MODEL, chat=x), False, "give calibaudit.ChatSettings(template='off')"),
    "no rows": (lambda x: calibaudit.score(TASK, MODEL, batch_size=x), 0, "batch_size is 0; give a whole number of"),
    "half a row": (lambda x: calibaudit.score(TASK, MODEL, batch_size=x), 0.5, "batch_size is 0.5; give a whole"),
    "limit text": (
        lambda x: calibaudit.load_tasks("words", limit=x),
        "8",
        "limit is '8'; give a whole number",
    ),
    "limit half": (lambda x: calibaudit.load_task("words", limit=x), 2.5, "limit is 2.5; give a whole number of items"),
    "method": (
        lambda x: calibaudit.FixSettings(method=x),
        "foo",
        "method is 'foo'; give one of auto, temperature, aligned, merge, smooth",
    ),
    "start": (lambda x: calibaudit.FixSettings(start=x), "x", "start is 'x'; give one of auto, base, instruct"),
    "prior": (lambda x: calibaudit.FixSettings(prior=x), "x", "prior is 'x'; give one of auto, uniform, base"),
    "fix": (
        lambda x: calibaudit.fix("i", "b", None, "out", TASK, x),
        "merge",
        "settings is 'merge'; give calibaudit.FixSettings(method='merge')",
    ),
    "fix audit": (
        lambda x: calibaudit.fix("i", "b", None, "out", TASK, audit=x),
        15,
        f"audit is 15{NO_SETTINGS}",
    ),
    "n_bins": (
        lambda x: calibaudit.Settings(n_bins=x),
        "10",
        "n_bins is '10'; it must be a whole number",
    ),
    "level": (lambda x: calibaudit.Settings(level=x), "95 %", "level is '95 %'; it must lie between 0 and 1"),
    "model": (lambda x: calibaudit.load_model(x), None, f"None{NO_MODEL}"),
    "model empty": (lambda x: calibaudit.load_model(x), "", f"''{NO_MODEL}"),
    "dtype": (lambda x: calibaudit.load_model("demo:base", dtype=x), torch.int8, "int8: not one of auto, float32"),
    "scores": (lambda x: calibaudit.read_scores(x), None, NO_PATH),
    "logs": (lambda x: calibaudit.read_logs(x), None, NO_PATH),
    "logs list": (lambda x: calibaudit.read_logs([x]), None, NO_PATH),
    "save": (
        lambda x: calibaudit.save(x, "audit.json"),
        calibaudit.audit(BEFORE),
        "save: Audit in the place of Scores, a Comparison, a Repair or a ModelAudit; audit_model(scores) gives one",
    ),
    "margin": (
        lambda x: calibaudit.recommend(BEFORE, AFTER, margin=x),
        5,
        "margin is 5; give the allowed |gap|, between 0 and 1",
    ),
    "margin below": (lambda x: calibaudit.recommend(BEFORE, AFTER, margin=x), -0.1, "margin is -0.1; give the allowed"),
    "margin third": (lambda x: calibaudit.recommend(BEFORE, AFTER, x), 0.03, "comparison is 0.03; give what compare("),
}


@pytest.mark.parametrize("case", CALLS)
def test_it_is_refused_in_one_line(case: str) -> None:
    call, value, says = CALLS[case]
    with pytest.raises(CalibauditError, match=re.escape(says)) as caught:
        call(value)
    assert "\n" not in str(caught.value)
    assert len(str(caught.value)) < 250


def test_numpy_numbers_are_numbers() -> None:
    limits = calibaudit.Limits(margin=np.float32(0.03), max_ece=np.float64(0.5), min_items=np.int64(50))  # type: ignore[arg-type]
    assert limits == calibaudit.Limits(margin=0.03, max_ece=0.5, min_items=50)
    settings = calibaudit.Settings(np.int32(10), np.float32(0.9), np.int64(1))  # type: ignore[arg-type]
    assert json.dumps([limits.to_dict(), settings.to_dict()]) == json.dumps(
        [calibaudit.Limits(margin=0.03, max_ece=0.5, min_items=50).to_dict(), calibaudit.Settings(10, 0.9, 1).to_dict()]
    )
    with pytest.raises(CalibauditError, match="margin is nan"):
        calibaudit.Limits(margin=np.float32("nan"))  # type: ignore[arg-type]
    before, after, _ = sides(("one",), 60)
    with_numpy = calibaudit.recommend(before, after, margin=np.float32(0.03))  # type: ignore[arg-type]
    assert repr(with_numpy) == repr(calibaudit.recommend(before, after, margin=0.03))


def test_a_dtype_may_be_torchs(monkeypatch: pytest.MonkeyPatch) -> None:
    class SeenError(Exception):
        pass

    def seen(_checkpoint: Any, dtype: str, *_: Any) -> None:
        raise SeenError(dtype)

    monkeypatch.setattr("calibaudit.models.model.load_network", seen)
    for name, dtype in DTYPES.items():
        for given in (name, dtype):
            with pytest.raises(SeenError, match=f"^{name}$"):
                calibaudit.load_model("demo:base", dtype=given)
