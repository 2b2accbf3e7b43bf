"""Every ending that -o takes, and `calibaudit report`, through the command line."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from made_results import audit_result, comparison_result

from calibaudit.errors import OutputError
from calibaudit.report.formats import DIAGRAMS, FORMATS, check_format, content
from calibaudit.report.result_json import result_text

STARTS = {
    ".json": b"{",
    ".html": b"<!DOCTYPE html>",
    ".md": b"## ",
    ".csv": b"task,side,metric,value,low,high,p_value\n",
    ".svg": b"<?xml",
    ".png": b"\x89PNG",
}


@pytest.fixture(scope="module")
def saved(tmp_path_factory):
    folder = tmp_path_factory.mktemp("saved")
    results = {"pair": comparison_result(), "gate": comparison_result(gated=True), "model": audit_result()}
    for name, result in results.items():
        (folder / f"{name}.json").write_text(result_text(result), encoding="utf-8")
    return folder


def names(ending):
    return [f"{diagram}{ending}" for diagram in DIAGRAMS] if ending in (".svg", ".png") else [f"report{ending}"]


@pytest.mark.parametrize("ending", STARTS)
def test_every_format_of_every_result(cli, saved, tmp_path, ending):
    for source in ("pair", "gate", "model"):
        for name in names(ending):
            if source == "model" and name.startswith("changes"):
                continue
            code, out, err = cli("report", saved / f"{source}.json", "-o", tmp_path / name, "--quiet")
            assert (code, err) == (0, "")
            assert out.strip()
            data = (tmp_path / name).read_bytes()
            assert data.startswith(STARTS[ending])
            result = json.loads((saved / f"{source}.json").read_text())
            assert data == content(result, tmp_path / name)  # as `compare -o` would have written it
    assert set(STARTS) <= set(FORMATS)


def test_report_prints_the_page_that_the_command_printed(cli, saved):
    code, pair, _ = cli("report", saved / "pair.json")
    assert code == 0
    assert "tuned is worse calibrated than base: it is overconfident where base showed no lean" in " ".join(
        pair.split()
    )
    assert "Reliability of 600 items" in pair
    _, gate, _ = cli("report", saved / "gate.json")
    assert "Regressed: tuned is worse calibrated" in gate
    _, model, _ = cli("report", saved / "model.json")
    assert "The model is overconfident" in model
    code, out, _ = cli("report", saved / "pair.json", "--json")
    assert json.loads(out) == json.loads((saved / "pair.json").read_text())


@pytest.mark.parametrize(
    ("name", "reason"),
    [
        ("out.txt", "cannot write .txt; known: .json, .html"),
        ("out", "cannot write a file without an ending"),
        ("figure.svg", "which diagram? begin the file's name with one of reliability, confidence, changes, such as"),
        ("nowhere/out.html", "does not exist; make it first"),
    ],
)
def test_what_cannot_be_written_is_told_before_anything_else(cli, saved, tmp_path, name, reason):
    code, out, err = cli("report", saved / "pair.json", "-o", tmp_path / "good.html", "-o", tmp_path / name)
    assert (code, out) == (2, "")
    assert reason in err
    assert err.count("\n") == 1
    assert list(tmp_path.iterdir()) == []


def test_one_model_has_no_changes(cli, saved, tmp_path):
    code, _, err = cli("report", saved / "model.json", "-o", tmp_path / "changes.svg")
    assert code == 2
    assert "begin the file's name with one of reliability, confidence, such as" in err
    with pytest.raises(OutputError, match="which diagram"):
        check_format(Path("changes.png"), two_models=False)
    check_format(Path("changes.png"))
    check_format(Path("reliability-of-july.svg"), two_models=False)


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("", "not valid JSON"),
        ("{}", "not a calibaudit result"),
        ('{"schema_version": 1}', "not a whole result of calibaudit"),
        ('{"schema_version": 1, "before": {}}', "not a whole result of calibaudit"),
        ('{"schema_version": 9}', "schema_version 9"),
    ],
)
def test_files_that_are_no_result(cli, tmp_path, text, reason):
    (tmp_path / "in.json").write_text(text)
    code, out, err = cli("report", tmp_path / "in.json", "-o", tmp_path / "out.html")
    assert (code, out) == (2, "")
    assert reason in err
    assert "in.json" in err
    assert err.count("\n") == 1
    assert not (tmp_path / "out.html").exists()


def test_plot_saves_the_same_picture_as_output_does(cli, saved, tmp_path):
    code, _, err = cli(
        "report", saved / "pair.json", "--plot", tmp_path / "reliability.svg", "-o", tmp_path / "reliability-2.svg"
    )
    assert code == 0
    assert err == f"calibaudit: saved {tmp_path / 'reliability-2.svg'}, {tmp_path / 'reliability.svg'}\n"
    assert (tmp_path / "reliability.svg").read_bytes() == (tmp_path / "reliability-2.svg").read_bytes()


def test_plot_takes_pictures_only(cli, saved, tmp_path):
    code, out, err = cli("report", saved / "pair.json", "--plot", tmp_path / "reliability.html")
    assert (code, out) == (2, "")
    assert err.startswith(f"calibaudit: --plot {tmp_path / 'reliability.html'}: a diagram is saved as .svg or .png")
    assert not (tmp_path / "reliability.html").exists()
