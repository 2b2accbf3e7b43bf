"""The committed baseline: small, the same bytes for the same scores, read back within its rounding."""

from __future__ import annotations

import json
import math
from pathlib import Path

import jsonschema
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from made_scores import INFO, TUNED, made_scores

from calibaudit.analysis.audit import audit
from calibaudit.analysis.settings import Settings
from calibaudit.errors import ScoresError
from calibaudit.scores.baseline import bless, packed, public_name, unpacked
from calibaudit.scores.saved import read_scores
from calibaudit.scores.scores import ModelInfo, Scores

FAST = Settings()


@pytest.fixture(scope="module")
def schema(root: Path) -> dict:
    found = json.loads((root / "docs" / "baseline.schema.json").read_text(encoding="utf-8"))
    jsonschema.Draft202012Validator.check_schema(found)
    return found


def many() -> list[Scores]:
    rng = np.random.default_rng(1)
    mass = rng.random(60)
    mass[:2] = 0, 1
    letters = {"task": "letters", "scoring": "letter", "option_mass": mass}
    ragged = made_scores(80, task="ragged", seed=2, n_choices=5)
    short = (np.arange(80) % 3 == 0) & (ragged.answer < 3)
    logprobs, lengths = ragged.logprobs.copy(), ragged.n_tokens.copy()
    logprobs[short, 3:], lengths[short, 3:] = -np.inf, 0
    cut = {"logprobs": logprobs, "n_tokens": lengths, "n_bytes": lengths, "n_chars": lengths}
    return [
        made_scores(60, **letters, groups=tuple(f"§{i // 7}" for i in range(60))),
        made_scores(60, **letters, chat_template=True, documents=tuple(f"d{i}" for i in range(60))),
        made_scores(80, task="ragged", seed=2, n_choices=5, **cut),
        made_scores(40, task="bytes", seed=4, scoring="cloze_byte", n_truncated=3, n_healed=2),
        made_scores(50, task="pmi", seed=3, scoring="pmi", unconditional=-rng.exponential(size=(50, 4))),
    ]


def probabilities(scores: Scores) -> np.ndarray:
    values = scores.choice_scores()
    odds = np.exp(values - values.max(axis=1, keepdims=True))
    return odds / odds.sum(axis=1, keepdims=True)


def written(path: Path, text: str) -> Path:
    path.write_text(text, encoding="utf-8")
    return path


@given(st.lists(st.floats(-1024, 0), max_size=12))
def test_packed_numbers_come_back_within_a_step(values: list[float]) -> None:
    again = unpacked(packed(values))
    for value, other in zip(values, again, strict=True):
        assert abs(math.sqrt(-other) - math.sqrt(-value)) <= 16 / (64**3 - 1) + 1e-12
        assert abs(math.exp(other) - math.exp(value)) < 6e-5
    assert packed(again) == packed(values)


def test_the_ends_of_the_range() -> None:
    assert packed([0.0, -math.inf, -2000.0, 0.1]) == "AAA" + "___" + "___" + "AAA"
    assert unpacked("AAA___") == [0.0, -1024.0]
    with pytest.raises(ValueError, match="three letters"):
        unpacked("AAAA")
    with pytest.raises(ValueError, match="not a base-64 letter"):
        unpacked("AA=")


def test_scores_come_back(tmp_path: Path) -> None:
    scores = many()
    again = read_scores(written(tmp_path / "baseline.json", bless(scores)))
    assert len(again) == len(scores)
    for old, new in zip(scores, again, strict=True):
        for name in (
            "task",
            "version",
            "scoring",
            "fingerprint",
            "chat_template",
            "item_ids",
            "groups",
            "documents",
            "model",
        ):
            assert getattr(new, name) == getattr(old, name), name
        assert (new.n_truncated, new.n_healed) == (old.n_truncated, old.n_healed)
        assert (new.answer == old.answer).all()
        assert np.abs(probabilities(new) - probabilities(old)).max() < 6e-5
        assert (probabilities(new).argmax(axis=1) == probabilities(old).argmax(axis=1)).all()
        if old.option_mass is None:
            assert new.option_mass is None
        else:
            assert new.option_mass == pytest.approx(old.option_mass, abs=6e-5)


def test_documents_are_a_list_of_their_own(tmp_path: Path) -> None:
    """So that what 0.1.0 reads of a row stays as it was, and a new blessing changes no line of them."""
    documents = tuple(f"document{i:08}" for i in range(50))
    bare, whole = (
        bless([made_scores(50, documents=None)]).splitlines(),
        bless([made_scores(50, documents=documents)]).splitlines(),
    )
    start = whole.index('"documents": [')
    listed = [*(f'"{document}",' for document in documents[:-1]), f'"{documents[-1]}"', "],"]
    assert whole[start + 1 : start + 52] == listed
    assert whole[:start] + whole[start + 52 :] == bare
    data = json.loads("\n".join(whole))
    data["tasks"][0]["documents"].pop()
    with pytest.raises(ScoresError, match="documents has 49 entries, expected 50"):
        read_scores(written(tmp_path / "b.json", json.dumps(data)))


def test_the_metrics_hardly_move(tmp_path: Path) -> None:
    scores = made_scores(2000, heat=1.5)
    (again,) = read_scores(written(tmp_path / "b.json", bless([scores])))
    old, new = (audit(part, FAST).metrics for part in (scores, again))
    for name in ("accuracy", "confidence", "gap", "brier", "nll", "auroc", "temperature"):
        assert new[name].value == pytest.approx(old[name].value, abs=1e-4), name
    assert new["ece"].value == pytest.approx(old["ece"].value, abs=5e-4)  # an item may cross a bin's edge


def test_blessing_twice_gives_the_same_bytes(tmp_path: Path) -> None:
    text = bless(many())
    assert bless(many()) == text
    assert bless(read_scores(written(tmp_path / "b.json", text))) == text


def test_the_schema(schema: dict) -> None:
    validator = jsonschema.Draft202012Validator(schema)
    whole = json.loads(bless(many()))
    validator.validate(whole)
    for fault in ({"baseline_version": 2}, {"tasks": []}, {"extra": 1}):
        assert list(validator.iter_errors({**whole, **fault}))
    whole["tasks"][0]["items"][0][2] = "AAAA"
    assert list(validator.iter_errors(whole))


@pytest.mark.parametrize(("n_choices", "name"), [(2, "x" * 30), (4, "a_rather_long_name"), (5, "x" * 18), (10, "pro")])
def test_at_most_sixty_bytes_an_item_and_one_line_each(n_choices: int, name: str) -> None:
    groups = tuple(f"subject {i % 57}" for i in range(1000))
    fields = {"scoring": "letter", "option_mass": np.full(1000, 0.9), "groups": groups}
    text = bless([made_scores(1000, task=name, n_choices=n_choices, documents=None, **fields)])
    assert len(text.encode()) / 1000 <= 60
    assert len([line for line in text.splitlines() if line.startswith("[")]) == 1000
    assert max(map(len, text.splitlines())) < 120


def test_one_item_that_changed_is_one_line_that_changed() -> None:
    scores = made_scores(100)
    logprobs = scores.logprobs.copy()
    logprobs[41] = np.log([0.1, 0.2, 0.3, 0.4])
    old, new = (bless([part]).splitlines() for part in (scores, made_scores(100, logprobs=logprobs)))
    assert [i for i, (a, b) in enumerate(zip(old, new, strict=True)) if a != b] == [
        old.index(next(line for line in old if line.startswith('["quiz-41"')))
    ]


@pytest.mark.parametrize(
    ("name", "revision", "shown"),
    [
        ("lab/base", "0" * 40, "lab/base"),
        ("/home/someone/models/tuned/", "sha256:12", "tuned"),
        ("models/tuned", "sha256:12", "tuned"),
        ("./tuned", "?", "tuned"),
        ("C:\\models\\tuned", "sha256:12", "tuned"),
        ("demo:base", "sha256:12", "demo:base"),
    ],
)
def test_no_path_in_the_file(name: str, revision: str, shown: str) -> None:
    info = ModelInfo(**{**INFO.to_dict(), "name": name, "revision": revision})
    assert public_name(info) == shown
    assert json.loads(bless([made_scores(5, model=info)]))["model"]["name"] == shown


def test_two_models_are_no_baseline() -> None:
    with pytest.raises(ScoresError, match="two models"):
        bless([made_scores(5), made_scores(5, task="b", model=TUNED)])


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda data: data.update(baseline_version=7), "baseline_version 7"),
        (lambda data: data.update(tasks=[]), "without tasks"),
        (lambda data: data.pop("model"), "'model' is missing"),
        (lambda data: data["tasks"][0].pop("fingerprint"), "its scores lack the field 'fingerprint'"),
        (lambda data: data["tasks"][0]["items"].pop(), "says 60 items and has 59"),
        (lambda data: data["tasks"][0]["items"].clear(), "has no items"),
        (lambda data: data["tasks"][0]["items"][3].__setitem__(2, "AB"), "item 'letters-3' is malformed"),
        (lambda data: data["tasks"][0]["items"][3].__setitem__(2, ""), "item 'letters-3' is malformed .*option mass"),
        (lambda data: data["tasks"][0]["items"][3].__setitem__(2, "ABCÄBC"), "item 'letters-3' is malformed"),
        (lambda data: data["tasks"][0]["items"][3].__setitem__(2, 7), "item 'letters-3' is malformed"),
        (
            lambda data: data["tasks"][1].update(documents=list(range(60))),
            "documents: expected text in every entry, found 0",
        ),
        (lambda data: data["tasks"][0]["items"][3].__setitem__(1, "2"), "item 'letters-3' is malformed"),
        (lambda data: data["tasks"][0]["items"][3].__setitem__(3, 99), "item 'letters-3' is malformed"),
        (lambda data: data["tasks"][0]["items"][3].pop(), "item 'letters-3' is malformed"),
        (lambda data: data["tasks"][0]["items"][3].__setitem__(1, 4), "answer 4 is outside its 4 choices"),
    ],
)
def test_a_spoilt_file_is_named_with_its_fault(tmp_path: Path, change, said: str) -> None:
    data = json.loads(bless(many()))
    change(data)
    path = written(tmp_path / "spoilt.json", json.dumps(data))
    with pytest.raises(ScoresError, match=said):
        read_scores(path)
