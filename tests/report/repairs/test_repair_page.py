"""A repair's page: the same for a fresh and for a saved one, whole at every width, in every format."""

from __future__ import annotations

import csv
import io
import json
import re
from dataclasses import replace
from html import unescape
from pathlib import Path

import pytest
import yaml
from made_repairs import CASES, MERGE, SMOOTH, impossible, made, repaired, unrepaired
from made_results import HOSTILE
from rich.console import Console

from calibaudit.errors import ScoresError
from calibaudit.report.cards.section import BEGIN, END
from calibaudit.report.formats import check_format, content
from calibaudit.report.model_card import model_card
from calibaudit.report.repair_json import repair_dict
from calibaudit.report.repair_page import repair_page
from calibaudit.report.result_json import result_text
from calibaudit.report.saved_repair import repair_of
from calibaudit.report.terminal.repair import render_repair
from calibaudit.report.terminal.saved import page_of
from calibaudit.report.words.repair import MEASURES
from tests.visible import hostile as planting
from tests.visible.sinks import check_file, check_markdown, check_text

OLDER = Path(__file__).resolve().parents[2] / "saved" / "v0.1.0" / "fix.json"


DRAWN = ("helped within, too", "best of three", "off the options", "not needed", "nothing known")  # as HTML: 1 s each


def saved(repair):
    return json.loads(result_text(repair_dict(repair)))


def printed(render, width, encoding="utf-8", *, terminal=False):
    raw = io.BytesIO()
    stream = io.TextIOWrapper(raw, encoding=encoding)
    console = Console(file=stream, width=width, force_terminal=terminal, color_system="standard" if terminal else None)
    render(console)
    stream.flush()
    return raw.getvalue().decode(encoding)


def fresh_page(repair, width=80, **how):
    return printed(lambda console: render_repair(repair, console), width, **how)


def unwrapped(text):
    """As one line, so that a sentence is found wherever it was broken."""
    return " ".join(text.split())


@pytest.mark.parametrize("name", CASES)
@pytest.mark.parametrize(
    ("width", "how"),
    [(80, {}), (50, {}), (50, {"encoding": "ascii"}), (80, {"terminal": True})],
    ids=["piped", "narrow", "ascii", "colours"],
)
def test_a_saved_repair_prints_what_the_fresh_one_did(name, width, how):
    fresh = fresh_page(made(name), width, **how)
    assert printed(page_of(saved(made(name)), "fix.json"), width, **how) == fresh
    plain = re.sub(r"\x1b\[[\d;]*m", "", fresh)
    assert max(map(len, plain.splitlines())) <= width
    assert "None" not in plain
    assert "nan" not in plain
    if how.get("encoding") == "ascii":
        assert fresh.isascii()


@pytest.mark.parametrize("name", CASES)
def test_no_width_and_no_format_knows_less(name):
    """Every sentence, and every figure of both tables, on the narrow page, in Markdown and in HTML."""
    repair = made(name)
    page, result = repair_page(repair), saved(repair)
    narrow = unwrapped(fresh_page(repair, 50))
    markdown = content(result, Path("out.md")).decode().replace("\\", "").replace("&lt;", "<").replace("&#64;", "@")
    markdown = markdown.replace("&gt;", ">").replace("&amp;", "&")
    html = unwrapped(content(result, Path("out.html")).decode()) if name in DRAWN else None
    for entity, mark in (("&lt;", "<"), ("&gt;", ">"), ("&#39;", "'"), ("&#34;", '"'), ("&amp;", "&")):
        html = html and html.replace(entity, mark)
    for text in (page.sentence, *page.choice, *page.how, *page.warnings):
        assert unwrapped(text) in narrow
        assert unwrapped(text) in markdown
        assert html is None or unwrapped(text) in html
    for table in (page.measures, page.candidates):
        for row in table.rows if table else ():
            for cell in (row.name.removeprefix("* "), *row.cells):
                assert unwrapped(cell) in narrow, cell
                assert cell in markdown, cell
                assert html is None or cell in html.replace("<wbr>", ""), cell


def test_a_result_makes_its_pages_before_it_is_text():
    """As `-o` of a run has it: tuples where the file has lists."""
    for name in ("best of three", "nothing known"):
        result = repair_dict(made(name))
        for ending in (".json", ".md", ".html"):
            path = Path(f"x{ending}")
            assert content(result, path) == content(json.loads(result_text(result)), path)


def test_base_is_shown_both_ways_and_options_where_there_are_letters():
    plain, matched = fresh_page(made("helped")), fresh_page(made("helped within, too"))
    assert "base, in template" not in plain
    assert re.search(
        r"^ base  .*\n base, in template  .*\n before  .*\n after  .*\n after - before  ", matched, re.MULTILINE
    )
    explained = "base, in template: base asked inside tuned's chat template; in the row base, outside it."
    assert explained in " ".join(matched.split())
    assert "on options" not in plain
    rows = fresh_page(made("off the options")).splitlines()
    head = next(line for line in rows if line.endswith("on options"))
    assert head.split() == ["accuracy", "ECE", "gap", "Brier", "NLL", "AUROC", "on", "options"]
    assert [line.split()[-1] for line in rows[rows.index(head) + 1 :][:4]] == [".900", ".900", ".800", "−.100"]


def test_the_table_holds_the_numbers_of_the_proof():
    repair = made("letters")
    rows = repair_page(repair).measures.rows
    sides = (repair.proof.tuning.pooled.before, repair.proof.repair.pooled.before, repair.proof.repair.pooled.after)
    for row, side in zip(rows, sides, strict=False):
        for cell, (_, key) in zip(row.cells, MEASURES, strict=True):
            assert float(cell.replace("−", "-")) == pytest.approx(side.metrics[key].value, abs=0.0005)


def test_the_candidates_stand_in_one_table():
    page = fresh_page(made("best of three"))
    lines = page.splitlines()
    head = next(i for i, line in enumerate(lines) if line.split()[:1] == ["method"])
    assert lines[head].split() == ["method", "ECE", "accuracy", "NLL", "kept", "cost"]
    temperature, merge, smooth = lines[head + 1 : head + 4]
    assert re.fullmatch(r"   temperature, T 1\.42 +\S+ +\.\d+ +[\d.]+ +same +12 s, no training", temperature)
    assert re.fullmatch(r"   merge, \.40 of base +\S+ +\.\d+ +[\d.]+ +91 % +12 s, no training", merge)
    assert re.fullmatch(r" \* smooth, \.25 towards base +\S+ +\.\d+ +[\d.]+ +98 % +240 s of training", smooth)
    assert "cost" not in fresh_page(made("helped"))  # one was asked for, and one was tried


@pytest.mark.parametrize("name", ["undone", "all .60"])
def test_no_page_of_a_fooling_repair_says_that_it_helped(name):
    result = saved(made(name))
    pages = [printed(page_of(result, "fix.json"), 80), content(result, Path("x.html")).decode()]
    pages += [content(result, Path("x.md")).decode(), model_card(made(name), Path("fixed"))]
    for page in pages:
        assert "Better calibrated, but " in unwrapped(page)
        assert "helped" not in page.lower().replace("did not help", "")
        assert "keep it" not in page.lower()


def test_what_was_not_repaired_is_shown_too():
    for name in ("not needed", "nothing known", "nothing known, no candidate"):
        result = saved(made(name))
        page = printed(page_of(result, "fix.json"), 80)
        assert page.startswith(" lab/tuned → (nothing)\n")
        assert "Nothing was saved" in unwrapped(page)
        assert "Nothing was saved" in content(result, Path("x.html")).decode()
        assert "Nothing was saved" in content(result, Path("x.md")).decode()
        for path in ("x.csv", "reliability.svg"):
            with pytest.raises(ScoresError, match=r"fix.json: nothing was repaired.*choose \.html, \.md or \.json"):
                content(result, Path(path), "fix.json")


def test_the_csv_has_base_beside_before_and_after():
    rows = list(csv.DictReader(io.StringIO(content(saved(made("helped within, too")), Path("x.csv")).decode())))
    assert {row["side"] for row in rows} == {"base", "base_in_template", "before", "after", "change"}
    (base,) = (row for row in rows if (row["task"], row["side"], row["metric"]) == ("all (pooled)", "base", "accuracy"))
    assert float(base["value"]) == made("helped within, too").proof.tuning.pooled.before.metrics["accuracy"].value


def test_its_diagrams_are_of_before_and_after():
    found = content(saved(made("helped")), Path("reliability.svg"))
    assert found.startswith(b"<?xml")
    check_format(Path("changes.svg"))
    with pytest.raises(Exception, match="only `calibaudit gate` gives"):
        check_format(Path("x.xml"))


def hostile():
    whole = repaired(others=(impossible("merge", HOSTILE[1]),))
    data = replace(whole.data, source=HOSTILE[0], faults=(HOSTILE[5],))
    proof = whole.proof.of(HOSTILE[1])
    proof = replace(proof, repair=replace(proof.repair, warnings=HOSTILE))
    return replace(whole, data=data, proof=proof, notes=HOSTILE)


def test_hostile_text_stays_text():
    repair = hostile()
    html, markdown = (content(saved(repair), Path(f"x.{ending}")).decode() for ending in ("html", "md"))
    for mark in ("<script", "<img"):
        assert mark not in html
        assert mark not in markdown
    assert "\x1b" not in html + markdown
    assert "{{ 7*7 }}" in html
    assert "49{%" not in html
    page = printed(page_of(saved(repair), "fix.json"), 80)
    assert page == fresh_page(repair)
    assert max(map(len, page.splitlines())) <= 80 + 2  # marks that combine have no width of their own
    assert "\x1b" not in page


@pytest.mark.parametrize("name", ["best of three", "undone"])
def test_every_text_of_a_saved_repair(name, tmp_path):
    whole, places = planting.taken(saved(made(name)), lambda value: page_of(value, "fix.json"))
    assert {at[-1] for at in places.values()} >= {"name", "source", "created", "version"}
    check_text(printed(page_of(whole, "fix.json"), 80), "the page")
    for ending in ("html", "md", "csv", "json"):
        path = tmp_path / f"x.{ending}"
        path.write_bytes(content(whole, path))
        text = check_file(path)
        assert any(planting.mark(n) in text for n, at in places.items() if at[-1] in ("name", "label"))
    card = tmp_path / "README.md"
    card.write_text(model_card(repair_of(whole), Path(planting.hostile(9, surrogate=False).replace("\0", ""))))
    check_text(card.read_text(), "the card")
    _, front, body = card.read_text().split("---\n", 2)
    assert yaml.safe_load(front).keys() == {"library_name", "pipeline_tag", "tags", "model-index"}  # no revision: no id
    check_markdown(body.replace(BEGIN, "").replace(END, ""))


MADE_OF = {
    "helped": "lab/tuned",
    "aligned": "lab/tuned",
    "partly undone": ["lab/tuned", "lab/base"],
    "smoothed": "lab/base",
    "best of three": "lab/base",
}


@pytest.mark.parametrize("name", MADE_OF)
def test_the_card_says_what_it_was_made_of(name):
    _, front, body = model_card(made(name), Path("fixed")).split("---\n", 2)
    metadata = yaml.safe_load(front)
    assert metadata["base_model"] == MADE_OF[name]
    smoothed = name in ("smoothed", "best of three")
    assert ("label-smoothing" in metadata["tags"]) == smoothed
    assert ("abstaining by confidence" in body) == smoothed
    assert "calibration" in metadata["tags"]
    page = repair_page(made(name))
    body = re.sub(r"\\(.)", r"\1", unescape(body))  # as a reader of Markdown sees it
    assert f"**{page.sentence}**" in body
    assert all(f"- {text}" in body for text in (*page.choice, *page.how, *page.warnings))


def test_the_card_of_a_patch_names_instruct():
    card = model_card(repaired(setting=replace(SMOOTH, start="instruct")), Path("fixed"))
    assert yaml.safe_load(card.split("---\n")[1])["base_model"] == "lab/tuned"


def test_the_card_shows_no_folder_of_this_machine(tmp_path):
    repair = repaired(setting=MERGE)
    rows = tmp_path / "rows.jsonl"
    rows.touch()
    (tmp_path / "base").mkdir()
    names = {"base": replace(repair.base, name=str(tmp_path / "base"))}
    card = model_card(replace(repair, data=replace(repair.data, source=str(rows)), **names), tmp_path / "fixed")
    assert str(tmp_path) not in card
    assert "Data: rows.jsonl: 2,304 rows read" in card
    assert yaml.safe_load(card.split("---\n")[1])["base_model"] == "lab/tuned"


def test_the_command_shows_it(cli, tmp_path):
    path = tmp_path / "fix.json"
    path.write_text(result_text(repair_dict(made("undone"))), encoding="utf-8")
    outputs = [tmp_path / name for name in ("x.html", "x.md", "x.csv", "x.json", "changes.png")]
    code, page, err = cli("report", path, *(flag for out in outputs for flag in ("-o", out)))
    assert (code, err) == (0, f"calibaudit: saved {', '.join(map(str, outputs))}\n")
    assert page == fresh_page(made("undone"))
    assert all(out.stat().st_size > 300 for out in outputs)
    assert json.loads((tmp_path / "x.json").read_text("utf-8")) == json.loads(path.read_text("utf-8"))
    code, page, err = cli("report", path, "-o", tmp_path / "x.xml")
    assert (code, page) == (2, "")
    assert "JUnit XML holds a verdict" in err
    code, page, err = cli("report", path, "--quiet")
    assert "Data:" not in page
    assert "Better calibrated, but undid" in page


def test_the_command_shows_what_was_not_repaired(cli, tmp_path):
    path = tmp_path / "fix.json"
    path.write_text(result_text(repair_dict(unrepaired("not_needed", data=None))), encoding="utf-8")
    code, page, err = cli("report", path)
    assert (code, err) == (0, "")
    assert "Nothing to repair" in page
    code, page, err = cli("report", path, "-o", tmp_path / "x.csv")
    assert code == 2
    assert err.count("\n") == 1
    assert not (tmp_path / "x.csv").exists()


def test_the_command_shows_one_of_version_0_1(cli):
    code, page, err = cli("report", OLDER)
    assert (code, err) == (0, "")
    assert "It also undid the tuning (keeps 7 % of what tuning added" in unwrapped(page)
    assert "! this repair is of version 0.x" in page


def test_how_models_were_run_is_said():
    stored = {"quantization": "int8 (torchao)"}
    repair = repaired()
    plain = replace(repair, base=replace(repair.base, engine="transformers"))
    assert repair_page(plain).facts == ("base: run by transformers",)
    mixed = replace(repair, instruct=replace(repair.instruct, **stored))
    assert " before: int8 weights (torchao)" in fresh_page(mixed).split("\n\n")[0].splitlines()
    assert "before: int8 weights (torchao)" in unwrapped(printed(page_of(saved(mixed), "fix.json"), 50))
    assert repair_page(repair).facts == ()


FIGURE = r"[+−]?\d*\.\d+"


@pytest.mark.parametrize("name", CASES)
def test_a_quantity_that_stands_twice_is_the_same_text(name):
    """In the sentence, the table of base, before and after, that of what was tried, and the comparison with base."""
    text = fresh_page(made(name))
    rows = re.findall(r"^ (base|before|after|after - before) {2,}(\S.*)$", text, re.MULTILINE)
    if not rows:
        assert made(name).proof is None
        return
    heads = next(line.strip() for line in text.splitlines() if line.strip().startswith("accuracy "))
    sides = {side: dict(zip(*(re.split(" {2,}", line) for line in (heads, row)), strict=True)) for side, row in rows}
    spoken = re.compile(rf"(accuracy|ECE|Brier|NLL) ?\(?({FIGURE}) → ({FIGURE}),? \(?({FIGURE})")
    verdict, against = unwrapped(text.split("\n\n")[1]), unwrapped(text).partition("Against base: ")[2]
    found = spoken.findall(verdict)
    assert found
    for measure, *figures in found:
        assert figures == [sides[side][measure] for side in ("before", "after", "after - before")]
    for measure, was, now, _ in spoken.findall(against.partition(". ")[0])[:2]:
        assert [was, now] == [sides[side][measure] for side in ("base", "after")]
    for taken in re.findall(rf"^ \* .*  ({FIGURE}) +({FIGURE}) +({FIGURE})  ", text, re.MULTILINE):
        assert list(taken) == [sides["after"][measure] for measure in ("ECE", "accuracy", "NLL")]


def test_a_repair_s_line_says_that_its_faults_are_faults() -> None:
    spoiled = made("less accurate")
    assert len(spoiled.verdict.faults) == 2
    for text in (repr(spoiled), spoiled._repr_html_()):
        assert f"faults: {' + '.join(spoiled.verdict.faults)}, keeps " in text
