"""`calibaudit recommend`: its page at 80 columns, its JSON, saved scores, the head's bound, and what it refuses."""

from __future__ import annotations

import dataclasses
import json
import re
from pathlib import Path
from typing import Any

import jsonschema
import pytest
from made_scores import INFO, TUNED, made_scores

from calibaudit.scores.scores import Scores
from tests.command import Cli

QUICK = ("-t", "arithmetic,words", "--limit", "60")


@pytest.fixture(autouse=True)
def cache(monkeypatch: pytest.MonkeyPatch, tmp_path_factory: pytest.TempPathFactory) -> None:
    """One cache for the module: the bundled pair's scores are the same in every test."""
    monkeypatch.setenv("CALIBAUDIT_CACHE", str(tmp_path_factory.getbasetemp() / "advice-cache"))


def saved(folder: Path, name: str, scores: Scores) -> Path:
    path = folder / name
    data = {"schema_version": 1, "model": scores.model.to_dict(), "scores": [scores.to_dict()]}
    path.write_text(json.dumps(data), encoding="utf-8")
    return path


@pytest.fixture
def pair(tmp_path: Path) -> tuple[Path, Path]:
    """Tuning lost accuracy and made base, which was not sure enough, too sure."""
    before, after = made_scores(1_000, model=INFO, heat=0.5), made_scores(1_000, model=TUNED, heat=1.5, noise=0.9)
    return saved(tmp_path, "base.json", before), saved(tmp_path, "tuned.json", after)


def validate(result: Any, root: Path) -> None:
    schema = json.loads((root / "docs" / "result.schema.json").read_text(encoding="utf-8"))
    jsonschema.Draft202012Validator(schema).validate(result)


def one_line(text: str) -> str:
    return " ".join(text.split())


def test_the_page_of_saved_scores(cli: Cli, pair: tuple[Path, Path]) -> None:
    code, page, errors = cli("recommend", *pair)
    assert (code, errors) == (0, "")
    assert max(map(len, page.splitlines())) <= 80
    words = one_line(page).replace(" \\", "")
    assert "Advice: tune again from base with smoothing ." in words
    assert "towards base (stack)" in words
    assert "Why: confidence exceeds accuracy by ." in words
    assert "Run: calibaudit fix lab/tuned --base lab/base --method smooth --data DATA --out fixed" in words
    assert "Possible repairs, lowest NLL first; > is advised" in words
    assert re.search(r"^ > smooth +\.50 +[−.\d]+ \[\S+ \S+\] +\.\d{3} \[", page, re.MULTILINE)
    assert re.search(r"^   temperature +[\d.]+ +", page, re.MULTILINE)
    assert "kept: every first choice; cost: no training; measured on these items, each half at" in words
    assert re.search(
        r"\(ECE \S+ → \S+, accuracy \S+ → \S+, NLL \S+ → \S+\), so it restores none of the accuracy that tuning lost",
        words,
    )
    assert re.search(r"with \.\d\d of base mixed in, it (exceeds|falls short of|equals) ", words)
    for row in ("gap", "temperature", "over options", "best by NLL"):
        assert f"\n  {row}  " in page
    assert "\n  head " not in page  # saved scores have no weights
    assert re.search(r"! the mixture that comes nearest has \.\d\d of base, and a factor so large undoes much", words)
    assert "Note: tuning again from base gives only what the tuning data teach" in words
    assert "Note: nothing measured here shows whether the model will teach another" in words


def test_quiet_is_the_advice_and_the_diagnosis(cli: Cli, pair: tuple[Path, Path]) -> None:
    _, page, _ = cli("recommend", *pair, "--quiet")
    assert "Diagnosis of " in page
    assert "Note:" not in page
    assert " ! " not in page


def test_json_is_a_result_that_every_format_can_show(cli: Cli, pair: tuple[Path, Path], root: Path) -> None:
    folder = pair[0].parent
    saved_to = [folder / name for name in ("advice.json", "advice.html", "advice.md")]
    code, out, _ = cli("recommend", *pair, "--json", *(f"-o{path}" for path in saved_to))
    assert code == 0
    result = json.loads(out)
    validate(result, root)
    assert json.loads(saved_to[0].read_text("utf-8")) == result
    advice = result["recommendation"]
    assert (advice["method"], advice["head"], advice["pilot"]) == ("stack", None, [])
    for path in saved_to[1:]:
        text = one_line(path.read_text("utf-8").replace("\\", ""))
        for said in (
            "teach another",
            "epairs that could serve" if path.suffix == ".html" else "possible repair",
            "smooth (advised)",
            "<b>aligned</b>: kept: "
            if path.suffix == ".html"
            else "fix lab/tuned --base lab/base --method aligned --out fixed",
            "restores none of the accuracy that tuning lost",
            "kept: every first choice; cost: no training; measured on these items",
        ):
            assert said in text, path
    assert cli("report", saved_to[0])[0] == 0


def test_the_margin_is_a_flag(cli: Cli, pair: tuple[Path, Path]) -> None:
    factors = [
        json.loads(cli("recommend", *pair, "--json", "--margin", margin)[1])["recommendation"]
        for margin in ("0.03", "0.06")
    ]
    assert factors[0]["epsilon"]["value"] > factors[1]["epsilon"]["value"] > 0
    assert [entry["margin"] for entry in factors] == [0.03, 0.06]


def test_a_name_that_tells_of_preference_tuning_is_a_warning(cli: Cli, tmp_path: Path) -> None:
    tuned = dataclasses.replace(TUNED, name="lab/small-dpo")
    files = [
        saved(tmp_path, "base.json", made_scores(1_000, model=INFO, heat=0.5)),
        saved(tmp_path, "tuned.json", made_scores(1_000, model=tuned, heat=1.5, noise=0.9)),
    ]
    for command in ("recommend", "compare"):
        page = one_line(cli(command, *files)[1]).replace(" \\", "")
        assert (
            "the tuned model may hold more than supervised tuning (the name small-dpo says dpo, which is a weaker"
            in page
        )
        assert "Run: calibaudit fix lab/small-dpo --base lab/base --method temperature --out fixed" in page


def test_the_bundled_pair_and_its_heads_bound(cli: Cli, root: Path) -> None:
    code, out, _ = cli("recommend", *QUICK, "--json")
    assert code == 0
    result = json.loads(out)
    validate(result, root)
    head = result["recommendation"]["head"]
    assert (head["vocab_size"], head["hidden_size"]) == (2048, 256)
    _, page, _ = cli("recommend", *QUICK)
    assert max(map(len, page.splitlines())) <= 80
    assert "of 2,048 tokens, half cannot get more (hidden size 256)" in one_line(page)
    compared = json.loads(cli("compare", *QUICK, "--json")[1])
    assert compared["recommendation"] == result["recommendation"]


def test_a_pilot_shows_its_runs(cli: Cli, root: Path, few_rows: Path, tmp_path: Path) -> None:
    saved_to = tmp_path / "advice.json"
    flags = ("--pilot", "--data", few_rows, "--grid", "0.5", "--max-steps", "3", "--train-batch-size", "16")
    code, page, _ = cli("recommend", *QUICK, *flags, "-o", saved_to)
    assert code == 0
    assert max(map(len, page.splitlines())) <= 80
    assert "Pilot: 3 short runs from base" in page
    assert "hard labels" in page
    result = json.loads(saved_to.read_text("utf-8"))
    validate(result, root)
    advice = result["recommendation"]
    assert advice["method"] == "pilot"
    assert [(run["epsilon"], run["prior"]) for run in advice["pilot"]] == [
        (0.0, "uniform"),
        (0.5, "base"),
        (0.5, "uniform"),
    ]
    for ending in ("html", "md"):
        again = tmp_path / f"again.{ending}"
        assert cli("report", saved_to, "-o", again)[0] == 0
        assert "hard labels" in again.read_text("utf-8")
        assert ".50 towards uniform" in again.read_text("utf-8")


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (("--pilot",), "--data"),
        (("--data", "demo:sft"), "add --pilot"),
        (("--pilot", "--data", "demo:sft", "--grid", "much"), "--grid much"),
        (("--pilot", "--data", "demo:sft", "--grid", "0.5,1.5"), "1.5 is outside"),
        (("--pilot", "--data", "demo:sft", "--chat-template", "both"), "--chat-template both"),
        (("--pilot", "--data", "nowhere.jsonl", "-t", "words", "--limit", "5", "--offline"), "nowhere.jsonl"),
        (("demo:base",), "name INSTRUCT too"),
        (("-o", "advice.xml"), "advice.xml"),
    ],
)
def test_what_cannot_be_done_is_one_line(cli: Cli, arguments: tuple[str, ...], told: str) -> None:
    code, out, errors = cli("recommend", *arguments)
    assert (code, out) == (2, "")
    assert told in errors
    assert len(errors.strip().splitlines()) == 1


def test_saved_scores_cannot_be_tuned(cli: Cli, pair: tuple[Path, Path]) -> None:
    code, _, errors = cli("recommend", *pair, "--pilot", "--data", "demo:sft")
    assert code == 2
    assert "saved scores cannot be tuned" in errors
