"""The hub's side of a card, by the hub's own reader: whose child a model is, under which licence, its numbers."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
from huggingface_hub import ModelCard
from made_results import audit_result, comparison_result, hostile_result
from made_scores import INFO, TUNED

from calibaudit.repair.licence import licence_of
from calibaudit.report.cards.merge import new_card, with_section
from calibaudit.report.cards.metadata import dataset_id, hub_id
from calibaudit.report.cards.section import section_of
from calibaudit.report.model_card import model_card
from tests.report.repairs.made_repairs import DATA, MERGE, SMOOTH, made, repaired


def read(text: str) -> ModelCard:
    """What the hub makes of it: its YAML, `EvalResult`s of `model-index`, and the same written again."""
    card = ModelCard(text, ignore_metadata_errors=False)
    assert card.data.eval_results
    assert ModelCard(str(card)).data.to_dict() == card.data.to_dict()
    return card


@pytest.mark.parametrize("name", ["helped", "aligned", "partly undone", "smoothed", "best of three"])
def test_a_repair_s_card_is_what_the_hub_reads(name: str) -> None:
    repair = made(name)
    assert repair.proof is not None
    data = read(model_card(repair, Path("fixed"), {"license": "apache-2.0"})).data
    assert (data.license, data.library_name, data.model_name) == ("apache-2.0", "transformers", "fixed")
    assert {"calibration", "calibaudit"} <= set(data.tags or ())
    for base in [data.base_model] if isinstance(data.base_model, str) else data.base_model or []:
        assert base in ("lab/base", "lab/tuned")
    after = {task.name: task.after for task in repair.proof.repair.tasks}
    found = {(one.dataset_name, one.metric_type): one.metric_value for one in data.eval_results or ()}
    for task, audit in after.items():
        for key in ("accuracy", "ece", "gap", "brier", "nll"):
            assert found[task, key] == pytest.approx(audit.metrics[key].value, abs=5e-5), (task, key)
    for one in data.eval_results or ():
        assert one.task_type == "multiple-choice"
        assert one.dataset_args is not None
        assert one.dataset_args["items"] > 0


def test_base_models_are_hub_ids_or_left_out(tmp_path: Path) -> None:
    (tmp_path / "lab").mkdir()
    assert hub_id(INFO) == "lab/base"
    assert hub_id(replace(INFO, name="gpt2")) == "gpt2"
    for name in (str(tmp_path / "lab"), "./base", "../base", "demo:base", "server:http://x/v1#m", "a/b/c", "a b", ""):
        assert hub_id(replace(INFO, name=name)) is None, name
    assert (
        hub_id(replace(INFO, revision="sha256:0123456789abcdef")) is None
    )  # a folder elsewhere, named as one types it
    folder = replace(INFO, name="runs/final", revision="sha256:0123456789abcdef")
    merged = replace(repaired(setting=MERGE), base=folder)
    assert read(model_card(merged, Path("fixed"))).data.base_model == "lab/tuned"
    both = replace(merged, instruct=replace(TUNED, name=folder.name, revision=folder.revision))
    assert "base_model" not in read(model_card(both, Path("fixed"))).data.to_dict()


def test_datasets_are_hub_ids_or_left_out(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "own").mkdir()
    (tmp_path / "own" / "rows").touch()
    assert dataset_id("org/rows") == "org/rows"
    for source in ("own/rows", "rows.jsonl", "demo:sft", "/data/rows", "rows"):
        assert dataset_id(source) is None, source
    smoothed = replace(repaired(setting=SMOOTH), data=replace(DATA, source="org/rows"))
    assert read(model_card(smoothed, Path("fixed"))).data.datasets == ["org/rows"]
    assert "datasets" not in read(model_card(repaired(setting=SMOOTH), Path("fixed"))).data.to_dict()


def card_in(folder: Path, front: str) -> str:
    folder.mkdir()
    (folder / "README.md").write_text(f"---\n{front}\n---\n# x\n", encoding="utf-8")
    return str(folder)


def test_the_licence_is_that_of_what_it_was_made_of(tmp_path: Path) -> None:
    other = "license: other\nlicense_name: house\nlicense_link: LICENSE"
    names = {
        "apache": card_in(tmp_path / "apache", "license: apache-2.0"),
        "mit": card_in(tmp_path / "mit", "license: mit"),
        "house": card_in(tmp_path / "house", other),
        "silent": card_in(tmp_path / "silent", "tags: [x]"),
        "odd": card_in(tmp_path / "odd", "license: [a, b]"),
        "none": str(tmp_path),
    }

    def licence(base: str, instruct: str, setting: object = MERGE) -> dict[str, str]:
        found = repaired(setting=setting)
        sides = {"base": replace(INFO, name=names[base]), "instruct": replace(TUNED, name=names[instruct])}
        return licence_of(replace(found, **sides))

    assert licence("mit", "apache", SMOOTH) == {"license": "mit"}  # tuned again from base
    assert licence("mit", "apache", replace(SMOOTH, start="instruct")) == {"license": "apache-2.0"}
    assert licence("house", "house") == {"license": "other", "license_name": "house", "license_link": "LICENSE"}
    for pair in (("mit", "apache"), ("silent", "mit"), ("none", "mit"), ("odd", "odd")):
        assert licence(*pair) == {}, pair
    text = model_card(repaired(setting=MERGE), Path("fixed"), {})
    assert "license" not in read(text).data.to_dict()
    assert text.count("## Limit") == 1
    assert "name none that holds here: add `license` to the metadata." in text


@pytest.mark.parametrize(
    "make", [comparison_result, audit_result, hostile_result, lambda: comparison_result(gated=True)]
)
def test_a_section_s_card_is_what_the_hub_reads(make) -> None:
    section = section_of(make())
    new = new_card(section)
    assert len(read(new).data.eval_results or ()) >= 20
    assert with_section(new, section, "x") == new
