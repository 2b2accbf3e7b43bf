"""Every result can be pickled and deep-copied, and is locked as before."""

from __future__ import annotations

import copy
import dataclasses
import functools
import pickle
from collections.abc import Callable, Iterator, Mapping
from typing import Any

import numpy as np
import pytest
from made_results import sides
from made_scores import made_scores

import calibaudit
from calibaudit import metrics
from tests.report.repairs.made_repairs import CASES


@functools.cache
def results() -> dict[str, Any]:
    before, after, tasks = sides(("one", "two"), 60)
    leveled = [dataclasses.replace(part, levels=tuple(1 + i % 2 for i in range(60))) for part in after]
    comparison = calibaudit.compare(before, leveled)
    sample = metrics.Sample(after[0].choice_scores(), after[0].answer)
    sample.point()  # what it remembers is copied too
    return {
        "Task": tasks[0],
        "Scores": made_scores(20),
        "Audit": calibaudit.audit(after[0]),
        "ModelAudit": calibaudit.audit_model(leveled),
        "Comparison": comparison,
        "Recommendation": calibaudit.recommend(before, after, calibaudit.compare(before, after)),
        "Verdict": calibaudit.gate(before, after),
        "Repair": CASES["smoothed"](),
        "Sample": sample,
        "ReliabilityBins": metrics.reliability([0.2, 0.9], [0, 1]),
    }


def parts(value: Any, seen: set[int]) -> Iterator[Any]:
    """The arrays and mappings in it, in the order of the fields."""
    if id(value) in seen:
        return
    seen.add(id(value))
    if isinstance(value, np.ndarray | Mapping):
        yield value
    inner: list[Any] = []
    if isinstance(value, Mapping):
        inner = list(value.values())
    elif isinstance(value, tuple | list):
        inner = list(value)
    elif hasattr(value, "__dict__") and type(value).__module__.startswith("calibaudit"):
        inner = list(vars(value).values())
    for one in inner:
        yield from parts(one, seen)


WAYS: dict[str, Callable[[Any], Any]] = {
    "deepcopy": copy.deepcopy,
    "pickle": lambda value: pickle.loads(pickle.dumps(value)),
    "old pickle": lambda value: pickle.loads(pickle.dumps(value, protocol=2)),
}


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("name", ["Task", "Scores", "Audit", "ModelAudit", "Comparison", "Recommendation", "Verdict"])
def test_a_copy_says_the_same(name: str, way: str) -> None:
    result = results()[name]
    copied = WAYS[way](result)
    assert copied is not result
    assert repr(copied) == repr(result)
    if hasattr(result, "to_dict"):
        assert copied.to_dict() == result.to_dict()


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("name", ["Scores", "Audit", "ModelAudit", "Comparison", "Repair", "Sample", "ReliabilityBins"])
def test_a_copys_arrays_are_locked_and_its_mappings_read_only(name: str, way: str) -> None:
    result = results()[name]
    was, now = (list(parts(value, set())) for value in (result, WAYS[way](result)))
    assert [type(part) for part in was] == [type(part) for part in now]
    held = [part for part in vars(result).values() if isinstance(part, np.ndarray)]
    assert not any(part.flags.writeable for part in held)
    for old, new in zip(was, now, strict=True):
        if isinstance(old, np.ndarray):
            np.testing.assert_array_equal(old, new)
            assert not new.flags.writeable or old.flags.writeable
        else:
            assert list(new) == list(old)
            assert type(new) is type(old)
    tables = [part for part in now if isinstance(part, Mapping) and "accuracy" in part]
    assert tables or name in ("Scores", "Sample", "ReliabilityBins", "Repair")
    for table in tables if name != "Repair" else ():
        with pytest.raises(TypeError, match="item assignment"):
            table["accuracy"] = None  # type: ignore[index]
