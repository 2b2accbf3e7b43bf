"""The sentence of every branch of the verdict, and that it claims no more than its figures."""

from __future__ import annotations

import re
from dataclasses import replace

import pytest
from made_repairs import CASES, SMOOTH, made, repaired, scores
from made_scores import TUNED

from calibaudit.advice.words.repairs import LONG_CHOICES
from calibaudit.repair.settings import FixSettings
from calibaudit.repair.verdict import FirstChoices, RepairVerdict
from calibaudit.report.words.repair import listed_words, repair_label, repair_sentence, same_text, share_text
from calibaudit.report.words.repair_how import choice_sentences, how_sentences

ECE = r"ECE \S+ → \S+ \([+−]?\.\d+ \[\S+, \S+\], p [<=] \S+\) on 400 held-out items"
ACCURACY = r"; accuracy \S+ → \S+ \(\S+ \[\S+, \S+\], p = \S+\)"
MOVED = r"\S+ → \S+, [+−]?\.\d+ \[\S+, \S+\](, more than the allowed \.020)?"
UNMEASURED = r"what tuning added was not measured: give --data"

KEEPS = r"; it keeps 98 % of what tuning added\."
ASKED = r"of what tuning added, at least 95 % is required\)\."
LESS_MASS = r"puts less of the probability on the options"

SAME = "the likeliest next token is the same on"
SENTENCES = {
    "helped": rf"It helped: {ECE}{ACCURACY}{KEEPS}",
    "helped, first choices only": rf"It helped: {ECE}{ACCURACY}; {SAME} 1,150 of 1,152 prompts of the items\.",
    "helped within, too": rf"It helped: {ECE}{ACCURACY}{KEEPS}",
    "smoothed": rf"It helped: {ECE}{ACCURACY}{KEEPS}",
    "aligned": rf"It helped: {ECE}{ACCURACY}{KEEPS}",
    "letters": rf"It helped: {ECE}{ACCURACY}{KEEPS}",
    "no help": rf"It did not help: {ECE}, no fall beyond chance{ACCURACY}{KEEPS}",
    "hotter": rf"It did not help: {ECE}, no fall beyond chance{ACCURACY}{KEEPS} "
    rf"It also lost discrimination \(AUROC {MOVED}\) and fits worse \(NLL {MOVED}; Brier {MOVED}\)\.",
    "hardly any items": r"It did not help: ECE \S+ → \S+ \(\S+, no test\) on 4 held-out items, too few for a test; "
    r"accuracy .*",
    "undone": rf"Better calibrated, but undid the tuning \(keeps 0 % {ASKED} {ECE}{ACCURACY}\.",
    "partly undone": rf"Better calibrated, but undid some of the tuning \(keeps 91 % {ASKED} {ECE}{ACCURACY}\.",
    "all .60": r"Better calibrated, but lost discrimination \(AUROC \S+ → \.50\d, .*\) and fits worse "
    rf"\(Brier {MOVED}\)\. {ECE}{ACCURACY}{KEEPS}",
    "less accurate": rf"Better calibrated, but lost accuracy \({MOVED}\) and fits worse \(Brier {MOVED}\)\. "
    rf"{ECE}{KEEPS}",
    "one confidence": rf"It did not help: {ECE}, no fall beyond chance{ACCURACY}{KEEPS} "
    rf"It also lost discrimination \(AUROC {MOVED}\) and fits worse \(NLL {MOVED}; Brier {MOVED}\)\.",
    "off the options": rf"Better calibrated, but {LESS_MASS} \(\.900 → \.800, −\.100 .*\)\. {ECE}{ACCURACY}{KEEPS}",
    "worse within": rf"Better calibrated, but lost accuracy inside the chat template \({MOVED}\) and {LESS_MASS} "
    rf"inside the chat template \({MOVED}\)\. {ECE}{ACCURACY}{KEEPS}",
    "no data": rf"Better calibrated; {UNMEASURED}\. {ECE}{ACCURACY}\.",
    "too little taught": r"Better calibrated; tuning added too little to measure \(less than \.05 of the "
    rf"first choices\)\. {ECE}{ACCURACY}\.",
    "base lacks tokens": r"Better calibrated; what tuning added was not measured: base lacks tokens of the rows\. "
    rf"{ECE}{ACCURACY}\.",
    "many choices changed": rf"Better calibrated; {UNMEASURED}, and {SAME} 90 of 100 prompts of the items only\. "
    rf"{ECE}{ACCURACY}\.",
    "all .60, no data": rf"Better calibrated, but lost discrimination \(.*\) and fits worse \(.*\); {UNMEASURED}\. "
    rf"{ECE}{ACCURACY}\.",
    "cheap was enough": rf"It helped: {ECE}{ACCURACY}{KEEPS}",
    "best of three": rf"It helped: {ECE}{ACCURACY}{KEEPS}",
    "none passed": rf"Better calibrated, but undid (some of )?the tuning \(keeps 50 % {ASKED} {ECE}{ACCURACY}\.",
    "not needed": r"Nothing to repair: .*, on 480 items\. Nothing was saved; --smoothing with a factor tunes anyway\.",
    "nothing known": r"No repair is known: temperature \(the head has no place for it\); merge \(other shapes\)\. "
    r"Nothing was saved\.",
    "nothing known, no candidate": r"No repair is known: .*, on 480 items\. Nothing was saved\.",
}


@pytest.mark.parametrize("name", CASES)
def test_a_sentence_for_every_branch(name):
    assert set(SENTENCES) == set(CASES)
    sentence = repair_sentence(made(name))
    assert re.fullmatch(SENTENCES[name], sentence), sentence
    assert "  " not in sentence
    assert "None" not in sentence


def test_every_outcome_and_every_fault_has_a_case():
    verdicts = [made(name).verdict for name in CASES]
    assert {verdict.outcome for verdict in verdicts} == {
        "helped", "not_improved", "spoiled", "not_needed", "nothing_known",
    }  # fmt: skip
    assert {fault for verdict in verdicts for fault in verdict.faults} == {
        "accuracy", "auroc", "nll", "brier", "option_mass", "inside_accuracy", "inside_mass", "kept", "unmeasured",
    }  # fmt: skip


@pytest.mark.parametrize("name", ["undone", "all .60"])
def test_what_would_fool_a_rule_by_ece_alone_is_no_help(name):
    """`--smoothing 1 --max-steps 1` gives base back; every confidence .60 ranks nothing."""
    repair = made(name)
    assert repair.verdict.exit_code == 1
    assert repair_label(repair) == ("worse", "Better calibrated, at a price")
    assert repair_sentence(repair).startswith("Better calibrated, but ")
    after = repair.proof.repair.pooled.after.metrics
    assert name == "undone" or abs(after["auroc"].value - 0.5) < 0.01


def test_the_figures_are_those_of_the_items():
    """Accuracy and mean confidence counted by hand."""
    before, after = scores(2.0, TUNED), scores(1.0)
    right = [float((one.logprobs.argmax(axis=1) == one.answer).mean()) for one in (before, after)]
    shown = re.search(r"accuracy (\.\d+) → (\.\d+)", repair_sentence(made("helped")))
    assert [float(text) for text in shown.groups()] == [round(value, 3) for value in right]


def test_a_fall_that_is_not_sure_among_several_repairs_is_no_chance_finding():
    repair = repaired(scores(1.55))
    change = repair.proof.repair.pooled.change["ece"]
    assert change.value < 0
    assert change.p_value < 0.05
    several = replace(repair, settings=FixSettings(method="auto"), verdict=RepairVerdict("not_improved"))
    assert "no significant fall, with up to 3 repairs judged (p < .017 is required)" in repair_sentence(several)


@pytest.mark.parametrize(
    ("share", "text"),
    [
        (0.98, "98 %"), (0.95, "95 %"), (0.9496, "94.96 %"), (0.949, "94.9 %"), (0.5, "50 %"), (0.0, "0 %"),
        (-0.2, "0 %"), (1.0, "100 %"), (1.04, "104 %"), (0.996, "99.6 %"), (0.9996, "99.96 %"),
    ],
)  # fmt: skip
def test_shares_are_not_rounded_up_to_what_is_asked(share, text):
    assert share_text(share) == text


def test_counts_and_lists():
    assert (
        same_text(FirstChoices(1152, 1152)) == "the likeliest next token is the same on all 1,152 prompts of the items"
    )
    assert [listed_words(list(parts)) for parts in ("a", "ab", "abc")] == ["a", "a and b", "a, b and c"]


def test_why_which_was_taken():
    enough, passed, none = (
        choice_sentences(made(name)) for name in ("cheap was enough", "best of three", "none passed")
    )
    assert enough == [
        "temperature was taken: the cheapest that was enough (it passed, with an ECE not significantly more than .02 "
        "above base's).",
        "aligned is not possible here: no final norm.",
    ]
    assert passed[0].startswith("smooth was taken: the best that passed (")
    assert passed[1:] == [
        "temperature was not taken: it passed, but its ECE is significantly above the lowest.",
        "merge was not taken: keeps too little of what tuning added, fits worse (NLL).",
    ]
    assert none[0] == "smooth was taken: none passed, and it has the lowest NLL on the 480 selection items."
    assert none[1] == "temperature was not taken: its ECE did not fall significantly."
    assert choice_sentences(made("helped")) == []


def test_what_was_tried_and_what_is_left():
    merged, smoothed = "\n".join(how_sentences(made("helped within, too"))), how_sentences(made("smoothed"))
    assert "The weights are .60 of tuned's and .40 of base's." in merged
    assert (
        "Weights of base tried, on 480 other items: .10 (keeps 100 %, gap +.100, "
        "NLL with a temperature 1.050): another has a lower NLL; .40 (keeps 96 %, gap +.020, NLL with a temperature "
        ".990): used; .50 (keeps 91 %, gap .000, NLL with a temperature .980): keeps too little of what tuning added "
        "and fits worse (NLL)."
    ) in merged
    assert re.search(r"Inside the chat template: accuracy .*, ECE .*, probability on the options \.900 → \.900", merged)
    assert smoothed[0] == "Tuned again from base with smoothing .25 towards base (found by trying)."
    assert (
        ".50 (keeps 90 %, not scored): keeps too little of what tuning added; .25 (keeps 97 %, gap +.020): used"
        in (smoothed[1])
    )
    assert (
        "First choice right on the tuning rows: base 50 %, before 90 %, after 89 %: the repair keeps 98 %"
        in smoothed[3]
    )


def test_preference_tuning_is_named_only_where_base_is_tuned_again():
    def told(repair):
        return any("preference or safety tuning (DPO, RLHF, GRPO)" in text for text in how_sentences(repair))

    assert told(made("smoothed"))
    assert not told(made("helped"))
    assert not told(made("partly undone"))
    assert not told(repaired(setting=replace(SMOOTH, start="instruct")))


def test_a_temperature_says_what_it_does_to_sampling():
    for name, value in (("helped", "1.42"), ("aligned", "2.90")):
        assert (
            f"Sampling changes: at temperature 1 the model now samples as it did at {value} before."
            in how_sentences(made(name))
        )
    assert not any("Sampling" in text for text in how_sentences(made("smoothed")))
    assert (
        "Compared before and after, the likeliest next token is the same on 1,150 of 1,152 prompts of the items: "
        "dividing changes none of them, but rounding may flip a near tie."
    ) in how_sentences(made("helped, first choices only"))


def test_choices_of_several_tokens_are_named_where_there_are_some():
    """By the advice, or where there is none by how the tasks are scored."""
    caveat = "The first choice of an item whose choices have several tokens may change."
    known = made("helped, first choices only")

    def told(repair):
        return any(text.endswith(caveat) for text in how_sentences(repair))

    options = tuple(replace(one, basis=one.basis + LONG_CHOICES) for one in known.advice.options)
    assert not told(known)
    assert told(replace(known, advice=replace(known.advice, options=options)))
    assert told(replace(known, advice=None))  # scored as continuations
    proof = known.proof
    letters = tuple(replace(task, scoring="letter") for task in proof.repair.tasks)
    by_letter = replace(proof, repair=replace(proof.repair, tasks=letters))
    assert not told(replace(known, advice=None, proof=by_letter))


def test_data_are_accounted_for():
    assert (
        "Data: rows.jsonl: 2,304 rows read, 2,300 used, 4 unusable, 12 cut to fit; 3 audited items left out, because "
        "their questions are in the rows."
    ) in how_sentences(made("helped"))
    assert any(text.startswith("Data: none") for text in how_sentences(made("no data")))
