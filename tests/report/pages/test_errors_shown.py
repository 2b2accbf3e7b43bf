"""What a page says of the model before, beside a confident error of the one after."""

from __future__ import annotations

import pytest
from made_results import comparison_result

from calibaudit.analysis.worst_errors import ConfidentError, OptionShown
from calibaudit.report.document.errors import shared_sentence, shown_errors
from calibaudit.report.saved import errors_of


def error(now, was, answer=0, n_options=None):
    chosen = max(range(len(now)), key=now.__getitem__)
    options = tuple(OptionShown(i, None, p, None if was is None else was[i]) for i, p in enumerate(now))
    return ConfidentError("quiz (chat)", "quiz-1", None, answer, chosen, n_options or len(now), options)


CASES = [
    ((0.01, 0.99), (0.011, 0.989), "as_sure", "base was as sure of the same wrong answer: 98.9 %, 0.1 points less."),
    ((0.05, 0.95), (0.02, 0.98), "as_sure", "base was as sure of the same wrong answer: 98.0 %, 3.0 points more."),
    ((0.05, 0.95), (0.05, 0.95), "as_sure", "base was as sure of the same wrong answer: 95.0 %, just as much."),
    ((0.05, 0.95), (0.3, 0.7), "surer", "base chose the same answer, 70.0 % sure: 25.0 points less."),
    ((0.05, 0.95), (0.8, 0.2), "new", "base was right, 80.0 % sure, and gave this one 20.0 %."),
    (
        (0.02, 0.9, 0.08),
        (0.2, 0.2, 0.6),
        "new",
        "base chose another wrong answer, 60.0 % sure, and gave this one 20.0 %.",
    ),
    ((0.05, 0.95), None, "", ""),
]


@pytest.mark.parametrize(("now", "was", "kind", "said"), CASES)
def test_it_says_what_base_did_and_by_how_much(now, was, kind, said):
    (shown,) = shown_errors([error(now, was)], {"quiz (chat)": "quiz"}, "base")
    assert (shown.kind, shown.said, shown.task) == (kind, said, "quiz")


def test_an_option_that_is_not_shown_may_have_been_the_first_choice():
    (shown,) = shown_errors([error((0.05, 0.9), (0.2, 0.3), n_options=9)], {}, "base")
    assert (shown.kind, shown.said) == ("", "base gave this answer 30.0 %.")
    (shown,) = shown_errors([error((0.05, 0.9), (0.2, 0.6), n_options=9)], {}, "base")
    assert shown.kind == "surer"


def test_the_counts_are_those_of_a_hand_loop():
    errors = errors_of(comparison_result())
    n_as_sure = n_surer = 0
    for one in errors:
        before = {option.index: option.before for option in one.options}
        if max(before, key=before.get) == one.chosen:
            near = one.confidence - before[one.chosen] <= 0.05
            n_as_sure += near
            n_surer += not near
    assert n_as_sure + n_surer > 2
    sentence = shared_sentence(shown_errors(errors, {}, "base"), "base")
    assert sentence.startswith(f"On {n_as_sure} of the {len(errors)}, base was as sure of the same wrong answer")
    assert f"on {n_surer} it chose that answer less surely" in sentence


def test_where_nothing_is_known_nothing_is_said():
    assert shared_sentence(shown_errors([error((0.1, 0.9), None)], {}, "base"), "base") == ""
    all_new = shown_errors([error((0.1, 0.9), (0.9, 0.1))], {}, "base")
    assert shared_sentence(all_new, "base") == "All of them are new: base did not choose these answers."
