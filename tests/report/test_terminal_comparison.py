from __future__ import annotations

import dataclasses
import io
import re

import numpy as np
import pytest
from made_scores import TUNED, made_scores
from rich.console import Console

from calibaudit.analysis.audit import audit_model
from calibaudit.analysis.compare import compare
from calibaudit.analysis.estimates import Change, Interval
from calibaudit.analysis.settings import Settings
from calibaudit.files.text import shortened
from calibaudit.report.terminal.comparison import render_audit, render_comparison
from calibaudit.report.terminal.diagram import diagram
from calibaudit.report.words.findings import headline, points
from calibaudit.report.words.text import number, p_text, short_names, signed, wrapped

FAST = Settings()
LONG = "high_school_microeconomics_and_its_many_friends_in_a_long_name"


@pytest.fixture(scope="module")
def pair():
    names = ["arithmetic", LONG, "letters"]
    before, after = [], []
    for i, name in enumerate(names):
        more = {"scoring": "letter"} if name == "letters" else {}
        masses = [{"option_mass": np.full(120, mass)} if more else {} for mass in (0.9, 0.3)]
        before.append(made_scores(120, task=name, seed=i, **more, **masses[0]))
        after.append(made_scores(120, task=name, seed=i, heat=2.5, noise=0.5, model=TUNED, **more, **masses[1]))
    return before, after


@pytest.fixture(scope="module")
def comparison(pair):
    return compare(*pair, FAST)


def page(render, result, width=80, *, encoding="utf-8", terminal=False, **options):
    stream = io.TextIOWrapper(io.BytesIO(), encoding=encoding)
    console = Console(file=stream, width=width, force_terminal=terminal, color_system="standard" if terminal else None)
    render(result, console, **options)
    stream.flush()
    return stream.buffer.getvalue().decode(encoding)


@pytest.mark.parametrize("width", [50, 60, 79, 80, 100, 120, 160, 200])
@pytest.mark.parametrize("encoding", ["utf-8", "ascii", "cp1252"])
def test_no_line_is_wider_than_the_page(comparison, pair, width, encoding):
    for render, result in ((render_comparison, comparison), (render_audit, audit_model(pair[1], FAST))):
        lines = page(render, result, width, encoding=encoding).splitlines()
        assert max(map(len, lines)) <= width
        assert all(line == line.rstrip() for line in lines)


def test_a_pipe_gets_no_escapes_and_a_terminal_gets_colour(comparison):
    assert "\x1b" not in page(render_comparison, comparison)
    assert "\x1b[" in page(render_comparison, comparison, terminal=True)


@pytest.mark.parametrize("encoding", ["ascii", "cp1252", "latin-1"])
def test_plain_characters_where_the_encoding_has_no_others(comparison, encoding):
    text = page(render_comparison, comparison, encoding=encoding)
    assert text.isascii()
    assert "lab/base -> lab/tuned" in text
    assert "####" in text


def test_names_in_other_scripts_do_not_break_an_ascii_page(pair):
    renamed = [[dataclasses.replace(part, task="問題") for part in side[:1]] for side in pair]
    assert "??" in page(render_comparison, compare(*renamed, FAST), encoding="ascii")


def cells(text, name):
    """The numbers of a table row, read as a person would."""
    row = next(line for line in text.splitlines() if line.strip().startswith(name))
    return [float(cell.replace("−", "-").replace(",", "")) for cell in re.findall(r"[+−]?[\d,]*\.?\d+", row)]


def test_the_table_holds_the_numbers(comparison):
    # Independently of the result: counted from the scores of the first task.
    def facts(scores):
        probs = np.exp(scores.logprobs)
        return (probs.argmax(axis=1) == scores.answer).mean(), probs.max(axis=1).mean()

    before = made_scores(120, task="arithmetic", seed=0)
    after = made_scores(120, task="arithmetic", seed=0, heat=2.5, noise=0.5)
    (a0, c0), (a1, c1) = facts(before), facts(after)
    n, was, now, ece_was, ece_now, change, gap_was, gap_now, *brier = cells(
        page(render_comparison, comparison), "arithmetic"
    )
    assert n == 120
    assert (was, now) == pytest.approx((a0, a1), abs=0.00501)
    assert (gap_was, gap_now) == pytest.approx((c0 - a0, c1 - a1), abs=0.00501)
    assert change == pytest.approx(ece_now - ece_was, abs=0.00151)
    assert ece_now == pytest.approx(comparison.tasks[0].after.metrics["ece"].value, abs=0.000501)
    probs = [np.exp(side.logprobs) for side in (before, after)]
    assert brier == pytest.approx(
        [((p - np.eye(4)[before.answer]) ** 2).sum(axis=1).mean() for p in probs], abs=0.00501
    )


def test_a_wide_page_says_more(comparison):
    narrow, wide = page(render_comparison, comparison, 80), page(render_comparison, comparison, 160)
    head = next(line for line in wide.splitlines() if "accuracy  ECE" in line or "accuracy   " in line)
    for title in ("NLL", "AUROC", "temp.", "smooth"):
        assert title in head
    assert "95 % interval" in wide.split("Change over")[0]
    assert "95 % interval" not in narrow.split("Change over")[0]
    first, last = (re.search(r"high\S*…\S+", text)[0] for text in (narrow, wide))
    assert len(first) < len(last)
    assert LONG.startswith(first.split("…")[0])
    assert LONG.endswith(first.split("…")[1])


def test_overall_rows_appear_with_several_tasks_only(comparison, pair):
    text = page(render_comparison, comparison)
    assert cells(text, "all (pooled)")[0] == 360
    assert re.search(r"all \(macro\) +3 tasks", text)
    single = page(render_comparison, compare(pair[0][:1], pair[1][:1], FAST))
    assert "all (" not in single
    assert "Holm" not in single


def test_stars_follow_holm(comparison):
    text = page(render_comparison, comparison)
    for task in comparison.tasks:
        row = next(line for line in text.splitlines() if line.startswith(f" {task.name[:5]}"))
        assert ("*" in row) == (task.ece_p_holm < 0.05)
    marked = dataclasses.replace(comparison.tasks[0], ece_p_holm=0.2)
    text = page(render_comparison, dataclasses.replace(comparison, tasks=(marked, *comparison.tasks[1:])))
    assert "*" not in next(line for line in text.splitlines() if line.startswith(" arith"))


def test_the_footnote_says_what_a_star_is_and_what_a_negative_ece(comparison, pair):
    text = page(render_comparison, comparison)
    assert "* p < .05 after Holm over the tasks; an interval that excludes 0 is not enough" in text
    levels = [
        side.metrics["ece"].value
        for part in (*comparison.tasks, comparison.pooled, comparison.macro)
        for side in (part.before, part.after)
    ]
    assert ("ECE below 0: less error than noise alone gives" in text) == (min(levels) < -0.0005)
    metrics = {**comparison.pooled.before.metrics, "ece": Interval(-0.004, -0.02, 0.03)}
    before = dataclasses.replace(comparison.pooled.before, metrics=metrics)
    below = dataclasses.replace(comparison, pooled=dataclasses.replace(comparison.pooled, before=before))
    assert "ECE below 0: less error than noise alone gives on average" in page(render_comparison, below)
    single = compare([pair[0][0]], [pair[1][0]], FAST)
    assert "Holm" not in page(render_comparison, single)


@pytest.mark.parametrize("width", [80, 120])
def test_experts_see_intervals_plug_ins_and_parts(comparison, pair, width):
    text = page(render_comparison, comparison, width, expert=True)
    first, second = (text.split("Expert:")[i] for i in (1, 2))
    task = comparison.tasks[0]
    change = task.change["ece"]
    row = next(line for line in first.splitlines() if line.startswith(" arith"))
    found = [float(cell.replace("−", "-")) for cell in re.findall(r"[+−]?\d*\.\d+", row)]
    assert found[:3] == pytest.approx([change.value, change.low, change.high], abs=0.000501)
    assert found[-4:-2] == pytest.approx(
        [s.metrics["ece_plugin"].value for s in (task.before, task.after)], abs=0.000501
    )
    row = next(line for line in second.splitlines() if line.startswith(" arith"))
    found = [float(cell.replace("−", "-")) for cell in re.findall(r"[+−]?\d*\.\d+", row)]
    keys = ("classwise_ece", "brier_reliability", "brier_resolution", "risk_80", "aurc")
    expected = [side.metrics[key].value for key in keys for side in (task.before, task.after)]
    assert found == pytest.approx(expected, abs=0.00501)
    assert "Expert" not in page(render_comparison, comparison, width)
    one = audit_model(pair[1], FAST)
    alone = page(render_audit, one, width, expert=True)
    row = next(line for line in alone.split("Expert:")[1].splitlines() if line.startswith(" arith"))
    assert ("< .001" in row) == (one.tasks[0].audit.calibrated_p < 0.001)


def test_quiet_is_the_sentence_and_the_table(comparison):
    text = page(render_comparison, comparison, quiet=True)
    assert "all (pooled)" in text
    assert "ECE" in text
    for absent in ("Reliability", " ! ", "Change over"):
        assert absent not in text
        assert absent in page(render_comparison, comparison)


def test_option_mass_warning_is_on_the_page(comparison):
    assert "! tuned: little of the probability is on the options (letters 30 %)" in page(
        render_comparison, comparison, 160
    )


def test_missing_values_are_dashes(pair):
    part = pair[0][0]
    right = dataclasses.replace(part, answer=part.logprobs.argmax(axis=1))
    text = page(render_audit, audit_model([right], FAST), 160)
    assert "–" in next(line for line in text.splitlines() if line.startswith(" arithmetic"))
    assert "nan" not in text.lower()
    assert "None" not in text


def test_chat_template_is_in_the_header(pair):
    on = [dataclasses.replace(part, chat_template=True) for part in pair[1]]
    assert "chat template off → on" in page(render_comparison, compare(pair[0], on, FAST))
    assert "quiz (chat)" not in page(render_comparison, compare(*pair, FAST))


def told(comparison, **parts):
    """The headline with some pooled figures replaced: gap and ECE of both sides, their changes and p-values."""
    pooled = comparison.pooled
    sides = []
    for audit, gap, ece in ((pooled.before, *parts["before"]), (pooled.after, *parts["after"])):
        metrics = {**audit.metrics, "gap": Interval(gap, gap - 0.02, gap + 0.02), "ece": Interval(ece, ece, ece)}
        metrics["ece_floor"] = Interval(0.02, 0.01, 0.03)
        sides.append(dataclasses.replace(audit, metrics=metrics, calibrated_p=0.5))
    ece = sides[1].metrics["ece"].value - sides[0].metrics["ece"].value
    change = {**pooled.change, "ece": Change(ece, ece - 0.01, ece + 0.01, parts["p"])}
    moved = sides[1].metrics["gap"].value - sides[0].metrics["gap"].value
    change["gap"] = Change(moved, moved - 0.02, moved + 0.02, parts.get("gap_p", 0.5))
    return headline(
        dataclasses.replace(
            comparison, pooled=dataclasses.replace(pooled, before=sides[0], after=sides[1], change=change)
        )
    )


@pytest.mark.parametrize(
    ("parts", "sentence"),
    [
        (
            {"before": (0.019, 0.024), "after": (0.131, 0.138), "p": 0.0005},
            "tuned is worse calibrated than base: it is overconfident where base showed no lean, 13.1 points surer "
            "than right (base: 1.9). ECE .024 → .138 (+.114 [.104, .124], p < .001).",
        ),
        (
            {"before": (0.08, 0.08), "after": (0.15, 0.15), "p": 0.01, "gap_p": 0.001},
            "tuned is more overconfident than base: 15.0 points surer than right (base: 8.0). ",
        ),
        (  # that the error grew is sure, that the lean did is not
            {"before": (0.08, 0.08), "after": (0.10, 0.15), "p": 0.01, "gap_p": 0.3},
            "tuned is worse calibrated than base, and overconfident like it: 10.0 points surer than right (base",
        ),
        (
            {"before": (-0.08, 0.08), "after": (0.15, 0.15), "p": 0.01},
            "tuned is worse calibrated than base: it is overconfident where base was underconfident, 15.0 points surer",
        ),
        (
            {"before": (0.01, 0.03), "after": (-0.15, 0.15), "p": 0.01},
            "tuned is worse calibrated than base: it is underconfident where base showed no lean, 15.0 points less "
            "sure than right (base: 1.0 surer). ",
        ),
        (
            {"before": (0.01, 0.02), "after": (0.01, 0.15), "p": 0.01},
            "tuned is worse calibrated than base, surer than right at some confidences and less sure at others: on the "
            "whole it is 1.0 points surer than right",
        ),
        (  # a lean that is a small part of the error is not its name
            {"before": (0.01, 0.02), "after": (0.03, 0.15), "p": 0.01},
            "tuned is worse calibrated than base, surer than right at some confidences and less sure at others: ",
        ),
        (
            {"before": (0.131, 0.138), "after": (0.019, 0.024), "p": 0.002},
            "tuned is better calibrated than base: 1.9 points surer than right (base: 13.1). "
            "ECE .138 → .024 (−.114 [−.124, −.104], p = .002).",
        ),
        (
            {"before": (0.231, 0.238), "after": (0.119, 0.124), "p": 0.002},
            "tuned is better calibrated than base, though still overconfident: 11.9 points surer than right (base",
        ),
        (
            {"before": (0.05, 0.06), "after": (0.06, 0.07), "p": 0.3},
            "No detectable change: both models are overconfident, tuned is 6.0 points surer than right (base: 5.0). ",
        ),
        (
            {"before": (-0.05, 0.06), "after": (0.06, 0.07), "p": 0.3, "gap_p": 0.01},
            "tuned has become surer than base without a detectable change in calibration error: 6.0 points surer",
        ),
        (
            {"before": (0.01, 0.06), "after": (0.06, 0.07), "p": 0.3, "gap_p": 0.01},
            "tuned is overconfident where base showed no lean, by the gap between confidence and accuracy, though the "
            "ECE alone does not show it: 6.0 points surer",
        ),
        (
            {"before": (0.10, 0.1), "after": (0.06, 0.07), "p": 0.3, "gap_p": 0.01},
            "tuned is less overconfident than base, by the gap between confidence and accuracy, though the ECE alone",
        ),
        (
            {"before": (0.06, 0.06), "after": (0.01, 0.03), "p": 0.3, "gap_p": 0.01},
            "tuned shows no lean where base is overconfident, by the gap between confidence and accuracy, though the",
        ),
        (
            {"before": (0.01, 0.02), "after": (0.01, 0.025), "p": 0.6},
            "Both models look as well calibrated as 360 items can show. ECE .020 → .025 "
            "(+.005 [−.005, .015], p = .600).",
        ),
        (
            {"before": (-0.14, 0.02), "after": (-0.14, 0.02), "p": 0.6},
            "No detectable change: both models are underconfident, tuned is 14.0 points less sure than right (base",
        ),
        (
            {"before": (0.05, 0.06), "after": (0.06, 0.07), "p": None},
            "Too little evidence to test the change: tuned is 6.0 points surer than right (base: 5.0). "
            "ECE .060 → .070 (+.010 [.000, .020], no test).",
        ),
    ],
)
def test_the_sentence_that_matters(comparison, parts, sentence):
    assert told(comparison, **parts).startswith(sentence)


def test_the_sentence_stands_on_the_page(comparison):
    text = " ".join(page(render_comparison, comparison).split())
    assert headline(comparison) in text


def test_one_models_sentence(pair):
    over = " ".join(page(render_audit, audit_model(pair[1], FAST)).split())
    gap = audit_model(pair[1], FAST).pooled.metrics["gap"].value
    assert f"The model is overconfident: {gap * 100:.1f} points surer than right. ECE" in over
    calibrated = " ".join(page(render_audit, audit_model([made_scores(300)], FAST)).split())
    assert "No sign of miscalibration in 300 items" in calibrated
    assert "a calibrated model would look this wrong with p = " in calibrated


def test_bars_end_at_the_accuracy(comparison):
    reliability = comparison.pooled.after.reliability
    lines = [line.plain for line in diagram([("tuned", reliability)], 80)]
    filled = [b for b in range(15) if reliability.count[b]]
    assert len(lines) == len(filled) + 2
    for line, b in zip(lines[1:], filled, strict=False):
        bar = line[13:53]
        marked, drawn = bar.index("│"), bar.rstrip()
        right = bar.count("█") + bar.count("▓")
        assert right == round(reliability.accuracy[b] * 39)
        assert marked == round(reliability.confidence[b] * 39)
        assert ("░" in drawn) == (right < marked)
        assert int(line[53:].replace(",", "")) == reliability.count[b]


def test_many_bins_are_joined(pair):
    result = compare(*pair, Settings(n_bins=100)).pooled.after.reliability
    lines = [line.plain for line in diagram([("tuned", result)], 80)][1:-1]
    assert len(lines) <= 20
    assert sum(int(line[53:].replace(",", "")) for line in lines) == 360


@pytest.mark.parametrize(
    ("value", "plain", "with_sign"),
    [
        (0.1384, ".138", "+.138"),
        (1.72, "1.720", "+1.720"),
        (-0.05, "−.050", "−.050"),
        (0.0, ".000", ".000"),
        (-0.0001, ".000", ".000"),
        (1.0, "1.000", "+1.000"),
        (None, "–", "–"),
    ],
)
def test_numbers(value, plain, with_sign):
    assert number(value) == plain
    assert signed(value) == with_sign


def test_small_words():
    assert p_text(0.000999) == "p < .001"
    assert p_text(0.0321) == "p = .032"
    assert p_text(1.0) == "p = 1.000"
    assert points(0.0) == "exactly as sure as right"
    assert shortened("abcdefghij", 5) == "ab…ij"
    assert shortened("abc", 5) == "abc"
    assert short_names("org/base", "org/base-chat") == ("base", "base-chat")
    assert short_names("a/model", "b/model") == ("a/model", "b/model")
    assert short_names("lab/x", "lab/x") == ("x (before)", "x (after)")
    assert wrapped("an interval [.1, .2] here", 20) == [" an interval", " [.1, .2] here"]
